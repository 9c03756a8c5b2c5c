//! Starting and stopping the HTTP server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{DefaultHeaders, ErrorHandlerResponse, ErrorHandlers};
use actix_web::{App as ActixApp, HttpRequest, HttpResponse, web};
use minato_app::App;
use minato_app::catalog::Text;

use crate::config::ServerSettings;
use crate::http::{AnswerCache, Problem, State};
use crate::listen::AsciiFirstLine;

/// All routes of all faces.
pub fn routes(service: &mut web::ServiceConfig) {
    service
        .route("/healthz", web::get().to(health))
        .route("/readyz", web::get().to(ready))
        .configure(crate::download::configure)
        .configure(crate::api::configure)
        .configure(crate::ckan::configure)
        .configure(crate::portal::configure);
}

/// The state that handlers share.
pub fn state(app: App, settings: Arc<ServerSettings>) -> web::Data<State> {
    web::Data::new(State { app, settings, answers: AnswerCache::default() })
}

/// Serves until interrupted. `listening` is called with the address once connections are accepted.
pub async fn serve(app: App, settings: ServerSettings, work_on_harvests: bool, listening: impl FnOnce(std::net::SocketAddr)) -> anyhow::Result<()> {
    let settings = Arc::new(settings);
    let shared = state(app.clone(), settings.clone());
    let listener = std::net::TcpListener::bind(settings.listen)
        .map_err(|error| anyhow::anyhow!("cannot listen on {}: {error}; another program may use the port, choose one with --listen", settings.listen))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let host = address.to_string();
    // What `HttpServer` does, with a layer between the connection and the HTTP parser (see `listen`).
    let factory = move || {
        let app = ActixApp::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(crate::http::JSON_BYTES_MAX))
            .wrap(DefaultHeaders::new().add(("x-content-type-options", "nosniff")))
            .wrap(ErrorHandlers::new().handler(StatusCode::METHOD_NOT_ALLOWED, method_not_allowed))
            .configure(routes)
            .default_service(web::to(no_route));
        let app = map_config(app.into_factory().map_err(|error| actix_web::Error::from(error).error_response()), |_| AppConfig::default());
        let http = HttpService::build()
            .keep_alive(Duration::from_secs(75))
            .client_request_timeout(Duration::from_secs(30))
            .client_disconnect_timeout(Duration::from_secs(1))
            .local_addr(address)
            .h1(app);
        fn_service(|connection: actix_web::rt::net::TcpStream| async move {
            let peer = connection.peer_addr().ok();
            // Answers are written whole; waiting for more would only delay them.
            let _ = connection.set_nodelay(true);
            Ok::<_, actix_http::error::DispatchError>((AsciiFirstLine::new(connection), peer))
        })
        .and_then(http)
    };
    let mut server = actix_server::Server::build().shutdown_timeout(10).listen(host, listener, factory)?;
    if let Some(workers) = settings.workers {
        server = server.workers(workers);
    }
    let running = server.run();
    let stop = Arc::new(AtomicBool::new(false));
    if work_on_harvests {
        let (app, stop) = (app.clone(), stop.clone());
        std::thread::Builder::new().name("harvester".to_owned()).spawn(move || app.work_on_harvests(&stop))?;
    }
    listening(address);
    running.await?;
    stop.store(true, Ordering::Release);
    app.stop();
    Ok(())
}

/// Whether the process answers.
async fn health() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok")
}

/// Whether the process can do its work: the database answers.
async fn ready(state: crate::http::Shared) -> Result<HttpResponse, Problem> {
    state.run(|app| app.summary()).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready"))
}

/// An unknown path: a page for people, problem details for programs.
async fn no_route(request: HttpRequest) -> HttpResponse {
    let problem = Problem::no_route(request.path());
    let machine = request.path().starts_with("/api/") || !crate::portal::wants_html(&request);
    if machine { actix_web::ResponseError::error_response(&problem) } else { crate::portal::render_error(&problem, &request) }
}

fn method_not_allowed<B: 'static>(response: ServiceResponse<B>) -> actix_web::Result<ErrorHandlerResponse<B>> {
    let allow = response.headers().get(actix_web::http::header::ALLOW).cloned();
    let method = response.request().method().to_string();
    let text = Text::new(
        format!("この URL では {method} は使えません。使える操作は Allow ヘッダーと /api/docs を確認してください。"),
        format!("{method} is not possible here; see the Allow header and /api/docs"),
    );
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text, Vec::new());
    let mut answer = actix_web::ResponseError::error_response(&problem);
    if let Some(allow) = allow {
        answer.headers_mut().insert(actix_web::http::header::ALLOW, allow);
    }
    let (request, _) = response.into_parts();
    Ok(ErrorHandlerResponse::Response(ServiceResponse::new(request, answer).map_into_right_body()))
}
