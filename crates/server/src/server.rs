//! Starting and stopping the HTTP server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{DefaultHeaders, ErrorHandlerResponse, ErrorHandlers, Next, from_fn};
use actix_web::{App as ActixApp, HttpRequest, HttpResponse, web};
use minato_app::App;
use minato_app::catalog::Text;

use crate::api::only_get;
use crate::config::{MailSettings, ServerSettings};
use crate::download::{Archives, Conversions};
use crate::http::{AnswerCache, Problem, State};
use crate::listen::AsciiFirstLine;

/// Most threads of each worker that wait for database, index or disk.
const BLOCKING_THREADS_MAX: usize = 32;

/// Most sources harvested at once: a slow one holds up nobody but itself.
const HARVESTS_MAX: usize = 4;

/// All routes of all faces.
pub fn routes(service: &mut web::ServiceConfig) {
    service
        .service(web::resource("/healthz").route(web::get().to(health)).route(web::head().to(health)).default_service(web::to(only_get)))
        .service(web::resource("/readyz").route(web::get().to(ready)).route(web::head().to(ready)).default_service(web::to(only_get)))
        .configure(crate::download::configure)
        .configure(crate::previous_portal::configure)
        .configure(crate::api::configure)
        .configure(crate::ckan::configure)
        .configure(crate::portal::configure);
}

/// The state that handlers share.
pub fn state(app: App, settings: Arc<ServerSettings>) -> web::Data<State> {
    let (archives, conversions) = (Archives::default(), Conversions::default());
    web::Data::new(State { app, settings, answers: AnswerCache::default(), archives, conversions })
}

/// Serves until interrupted. `listening` is called with the address once connections are accepted.
pub async fn serve(
    app: App,
    settings: ServerSettings,
    work_on_harvests: bool,
    mail: MailSettings,
    listening: impl FnOnce(std::net::SocketAddr),
) -> anyhow::Result<()> {
    let settings = Arc::new(settings);
    let shared = state(app.clone(), settings.clone());
    let listener = std::net::TcpListener::bind(settings.listen).map_err(|error| {
        anyhow::anyhow!("cannot listen on {}: {error}; another program may use the port, choose one with --listen", settings.listen)
    })?;
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
            .wrap(from_fn(cross_origin))
            .configure(routes)
            .default_service(web::to(no_route));
        let app = map_config(app.into_factory().map_err(|error| error.error_response()), |_| AppConfig::default());
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
    // Writers wait on these threads for the index; more of them would cost more memory than they bring speed.
    let builder = actix_server::Server::build().shutdown_timeout(10).worker_max_blocking_threads(BLOCKING_THREADS_MAX);
    let mut server = builder.listen(host, listener, factory)?;
    if let Some(workers) = settings.workers {
        server = server.workers(workers);
    }
    let running = server.run();
    let stop = Arc::new(AtomicBool::new(false));
    for number in 0..if work_on_harvests { HARVESTS_MAX } else { 0 } {
        let (app, stop) = (app.clone(), stop.clone());
        std::thread::Builder::new().name(format!("harvester-{number}")).spawn(move || app.work_on_harvests(&stop))?;
    }
    if work_on_harvests {
        let (keeper, stopping) = (app.clone(), stop.clone());
        std::thread::Builder::new().name("schedules".to_owned()).spawn(move || keeper.keep_schedules(&stopping))?;
        let (app, stop) = (app.clone(), stop.clone());
        std::thread::Builder::new().name("links".to_owned()).spawn(move || app.work_on_links(&stop))?;
    }
    let house = app.clone();
    let stop_house = stop.clone();
    std::thread::Builder::new().name("housekeeper".to_owned()).spawn(move || house.work_on_housekeeping(&stop_house))?;
    if mail.smtp.is_some() {
        let (app, stop, base_url) = (app.clone(), stop.clone(), settings.base_url());
        std::thread::Builder::new().name("mail".to_owned()).spawn(move || crate::mail::work(&app, &mail, &base_url, &stop))?;
    }
    listening(address);
    running.await?;
    stop.store(true, Ordering::Release);
    app.stop();
    Ok(())
}

/// Lets pages of other sites use the APIs and files: all are public or asked for with a token that no browser sends by itself.
async fn cross_origin<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let path = request.path();
    let api = path.starts_with("/api/");
    let file =
        path.starts_with("/d/") || (path.starts_with("/datasets/") && (path.contains("/download/") || path.ends_with("/download.zip")));
    if !api && !file {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let mut response = if request.method() == Method::OPTIONS {
        let methods = if api { "GET, HEAD, POST, PUT, PATCH, DELETE" } else { "GET, HEAD" };
        let answer = HttpResponse::NoContent()
            .insert_header((header::ALLOW, methods))
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods))
            .insert_header((
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "authorization, content-type, if-match, if-none-match, idempotency-key, range, x-ckan-api-key",
            ))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
            .finish();
        request.into_response(answer).map_into_right_body()
    } else {
        let mut response = next.call(request).await?.map_into_left_body();
        let shown = HeaderValue::from_static("etag, location, content-disposition, content-range, accept-ranges, allow, retry-after");
        response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, shown);
        response
    };
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
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
    let machine = request.path().starts_with("/api/") || !crate::portal::wants_html(&request);
    if machine {
        return actix_web::ResponseError::error_response(&Problem::no_route(request.path()));
    }
    crate::portal::render_error(&Problem::no_page(request.path()), &request)
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

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    /// A server on a port of its own, an administrator's token, and a distribution.
    fn serving() -> (tempfile::TempDir, std::net::SocketAddr, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let app = App::open(minato_app::AppSettings::new(dir.path())).unwrap();
        let system = minato_app::Context::system("test");
        let chief = minato_app::catalog::UserDraft { name: "chief".into(), admin: true, ..Default::default() };
        app.create::<minato_app::catalog::User>(&system, None, chief).unwrap();
        let secret = app.create_token(&system, "chief", "test", Default::default(), None).unwrap().secret;
        let place = minato_app::catalog::OrganizationDraft { slug: "fuchu-cho".into(), name: "府中町".into(), ..Default::default() };
        app.create::<minato_app::catalog::Organization>(&system, None, place).unwrap();
        let draft = serde_json::json!({"organization": "fuchu-cho", "title": "題", "distributions": [{"title": "表"}]});
        let dataset = app.create_dataset(&system, minato_app::catalog::from_value(draft).unwrap()).unwrap().value;
        let distribution = dataset.content.distributions[0].id.to_string();
        let settings = ServerSettings { listen: ([127, 0, 0, 1], 0).into(), workers: Some(1), ..Default::default() };
        let (sender, receiver) = std::sync::mpsc::channel();
        // Serves until the process of the tests ends.
        std::thread::spawn(move || {
            actix_web::rt::System::new()
                .block_on(serve(app, settings, false, MailSettings::default(), move |address| sender.send(address).unwrap()))
                .unwrap();
        });
        (dir, receiver.recv().unwrap(), secret, distribution)
    }

    /// What comes back for these bytes until the server closes the connection.
    fn answer(address: std::net::SocketAddr, request: &[u8]) -> String {
        use std::io::{Read, Write};
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        connection.write_all(request).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn a_body_whose_chunks_break_is_answered() {
        let (_dir, address, secret, distribution) = serving();
        for (line, content_type) in [
            ("POST /api/v1/themes", "application/json"),
            (&*format!("POST /api/v1/distributions/{distribution}/file"), "multipart/form-data; boundary=b"),
            (&*format!("PUT /api/v1/distributions/{distribution}/file?file_name=a.csv"), "text/csv"),
            ("POST /api/3/action/package_create", "application/json"),
            ("POST /api/3/action/resource_create", "multipart/form-data; boundary=b"),
        ] {
            let head = format!(
                "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
            );
            for end in ["5\r\n--b\r\n\r\nzz\r\n".to_owned(), format!("zz{}", "more".repeat(50_000))] {
                for _ in 0..10 {
                    let answer = answer(address, format!("{head}{end}").as_bytes());
                    let one = answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1").count() == 1;
                    assert!(one && answer.contains("connection: close") && answer.contains("cut off"), "{line}: {answer}");
                }
            }
        }
    }

    #[actix_web::test]
    async fn other_sites_may_use_the_api_but_not_the_pages() {
        let dir = tempfile::tempdir().unwrap();
        let app = App::open(minato_app::AppSettings::new(dir.path())).unwrap();
        let shared = state(app.clone(), Arc::new(ServerSettings::default()));
        let service = init_service(ActixApp::new().app_data(shared).wrap(from_fn(cross_origin)).configure(routes)).await;
        for (method, path, status, shared) in [
            (Method::OPTIONS, "/api/v1/datasets", 204, true),
            (Method::GET, "/api/v1/datasets", 200, true),
            (Method::GET, "/api/v1/datasets/none", 404, true),
            (Method::GET, "/d/none", 404, true),
            (Method::OPTIONS, "/d/none", 204, true),
            (Method::GET, "/datasets/none/download.zip", 404, true),
            (Method::GET, "/d/none/as/csv", 404, true),
            (Method::HEAD, "/api/docs/", 200, true),
            (Method::GET, "/datasets", 200, false),
            (Method::HEAD, "/healthz", 200, false),
            (Method::HEAD, "/readyz", 200, false),
            (Method::POST, "/healthz", 405, false),
            (Method::DELETE, "/d/none", 405, true),
        ] {
            let response = call_service(&service, TestRequest::with_uri(path).method(method.clone()).to_request()).await;
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            let origin = response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(origin.is_some_and(|origin| origin == "*"), shared, "{method} {path}");
        }
        app.stop();
    }
}
