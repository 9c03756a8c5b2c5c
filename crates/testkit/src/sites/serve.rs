//! One server for all sites: the port a request came in by says whose it is.

use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::dev::ServerHandle;
use actix_web::http::{StatusCode, header};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::plan::{Protocol, Quirk};
use super::{
    ByPort, Fault, REQUESTS_MAX, Site, SitesError, arcgis_hub, ckan, csw, data_json, dataeye, dcat, file_list, inventory, number, oai_pmh,
    page, schema_org, shirasagi,
};
use crate::fixtures::FixtureFile;

pub(super) fn run(sites: &[Arc<Site>], listeners: Vec<TcpListener>) -> Result<(ServerHandle, JoinHandle<()>), SitesError> {
    let by_port: ByPort = sites.iter().map(|site| (site.address.port(), Arc::clone(site))).collect();
    let by_port = web::Data::new(by_port);
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new().name("stub sites".to_owned()).spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let mut server = HttpServer::new(move || App::new().app_data(by_port.clone()).default_service(web::to(answer)))
                .workers(2)
                .disable_signals()
                .shutdown_timeout(0);
            for listener in listeners {
                server = match server.listen(listener) {
                    Ok(server) => server,
                    Err(error) => return drop(sender.send(Err(error))),
                };
            }
            let server = server.run();
            if sender.send(Ok(server.handle())).is_ok() {
                // An error here means that accepting ended, which the tests' requests then notice.
                let _ = server.await;
            }
        });
    });
    let thread = thread.map_err(SitesError::Start)?;
    let handle = receiver.recv().unwrap_or_else(|_| Err(std::io::Error::other("the server's thread ended"))).map_err(SitesError::Start)?;
    Ok((handle, thread))
}

/// What a site says before faults are applied.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media_type: &'static str,
    pub(super) body: Vec<u8>,
    /// The name under which a file is to be kept, where the server says so.
    pub(super) attachment: Option<String>,
}

impl Answer {
    pub(super) fn html(status: u16, body: String) -> Answer {
        Answer { status, media_type: "text/html; charset=utf-8", body: body.into_bytes(), attachment: None }
    }
}

async fn answer(request: HttpRequest, body: Bytes, sites: web::Data<ByPort>) -> HttpResponse {
    let Some(site) = sites.get(&request.app_config().local_addr().port()) else {
        return HttpResponse::NotFound().finish();
    };
    let path = request.path().to_owned();
    let fault = {
        let mut state = site.lock();
        if state.requests.len() == REQUESTS_MAX {
            state.requests.pop_front();
        }
        state.requests.push_back(format!("{} {}", request.method(), request.uri()));
        state.fault
    };
    if !site.is_catalog(&path) {
        return respond(&request, other_page(site, &path));
    }
    match fault {
        Fault::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = HttpResponse::build(status);
            if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            response.content_type("text/plain; charset=utf-8").body(status.to_string())
        }
        Fault::HtmlInstead => respond(&request, Answer::html(200, page::maintenance(site.municipality()))),
        Fault::Truncate => break_off(catalog(site, &request, &body, false)),
        Fault::Slow(duration) => {
            tokio::time::sleep(duration).await;
            respond(&request, catalog(site, &request, &body, false))
        }
        Fault::Empty => respond(&request, catalog(site, &request, &body, true)),
        Fault::None => respond(&request, catalog(site, &request, &body, false)),
    }
}

fn catalog(site: &Site, request: &HttpRequest, body: &[u8], empty: bool) -> Answer {
    if site.plan.quirk == Quirk::HtmlInstead {
        return Answer::html(200, page::maintenance(site.municipality()));
    }
    let datasets = if empty { Vec::new() } else { site.lock().datasets.clone() };
    // An empty catalog has no faulty record either.
    let quirk = if empty { Quirk::None } else { site.plan.quirk };
    let is_gone = |id: &&String| !datasets.iter().any(|dataset| dataset.id == **id);
    let gone: Vec<String> = site.original.iter().filter(is_gone).cloned().collect();
    let (base, municipality, elsewhere) = (site.base(), site.municipality(), &site.elsewhere);
    let catalog = Catalog { base, municipality, datasets: &datasets, elsewhere, gone: &gone, quirk };
    let parameters = || ckan::parameters(request.query_string(), body);
    match &site.plan.protocol {
        Protocol::Ckan { rows_max, two_organizations } => {
            ckan::answer(&catalog, *rows_max, *two_organizations, request.path(), &parameters())
        }
        Protocol::Dataeye => dataeye::answer(&catalog, request.path(), &parameters()),
        Protocol::Shirasagi => shirasagi::answer(&catalog, request.path(), &parameters()),
        Protocol::DataJson => data_json::answer(&catalog),
        Protocol::ArcgisHub => arcgis_hub::answer(&catalog, request.path(), &parameters()),
        Protocol::SchemaOrg => schema_org::answer(&catalog, request.path()),
        Protocol::FileList => file_list::answer(&catalog),
        Protocol::Csw => csw::answer(&catalog, &parameters()),
        Protocol::OaiPmh => oai_pmh::answer(&catalog, &parameters()),
        Protocol::Inventory(style) => inventory::answer(&catalog, style),
        Protocol::Dcat(style) => dcat::answer(&catalog, style, request.query_string()),
    }
}

/// What the protocol modules write about.
pub(super) struct Catalog<'a> {
    pub(super) base: String,
    pub(super) municipality: &'a crate::fixtures::Municipality,
    pub(super) datasets: &'a [crate::fixtures::FixtureDataset],
    /// Where files are that are not at this site, by name.
    pub(super) elsewhere: &'a std::collections::HashMap<String, String>,
    /// Ids of datasets that were here and are no more.
    pub(super) gone: &'a [String],
    pub(super) quirk: Quirk,
}

impl Catalog<'_> {
    pub(super) fn file_url(&self, name: &str) -> String {
        self.elsewhere.get(name).cloned().unwrap_or_else(|| format!("{}/files/{name}", self.base))
    }

    /// The dataset's page, which [`other_page`] serves.
    pub(super) fn page_url(&self, name: &str) -> String {
        format!("{}/dataset/{name}", self.base)
    }
}

/// Everything but the catalog: files, pages, robots.txt.
fn other_page(site: &Site, path: &str) -> Answer {
    let state = site.lock();
    if path == "/" {
        return Answer::html(200, page::home(&site.source_url(), site.municipality(), &state.datasets));
    }
    if path == "/robots.txt" {
        let mut body = "User-agent: *\nDisallow: /admin/\n".to_owned();
        if site.plan.protocol == Protocol::SchemaOrg {
            body.push_str(&format!("\nSitemap: {}/sitemap.xml\n", site.base()));
        }
        return Answer { status: 200, media_type: "text/plain; charset=utf-8", body: body.into_bytes(), attachment: None };
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_place_of_files = match site.plan.protocol {
        Protocol::Dataeye => path.starts_with("/files/") || path.starts_with("/resource_download/"),
        Protocol::Shirasagi => path.starts_with("/files/") || path.starts_with("/fs/") || path.contains("/resource/"),
        _ => path.starts_with("/files/"),
    };
    if is_place_of_files
        && let Some(file) = state
            .datasets
            .iter()
            .flat_map(|dataset| &dataset.files)
            .find(|file| file.name == last || (path.starts_with("/resource_download/") && number(&file.id).to_string() == last))
    {
        let attachment = path.starts_with("/resource_download/").then(|| file.name.clone());
        return file_answer(file, attachment);
    }
    if let Some(file) = arcgis_hub::download(&state.datasets, path).filter(|_| site.plan.protocol == Protocol::ArcgisHub) {
        return file_answer(file, Some(file.name.clone()));
    }
    let shown = last.trim_end_matches(".html");
    if (path.starts_with("/dataset/") || path.starts_with("/datasets/"))
        && let Some(dataset) = state.datasets.iter().find(|dataset| dataset.name == shown || number(&dataset.id).to_string() == shown)
    {
        return Answer::html(200, page::dataset(site.municipality(), dataset));
    }
    Answer::html(404, page::not_found(site.municipality()))
}

fn file_answer(file: &FixtureFile, attachment: Option<String>) -> Answer {
    let media_type = match file.format.as_str() {
        "CSV" => "text/csv",
        "GeoJSON" => "application/geo+json",
        "XLSX" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "PDF" => "application/pdf",
        "GTFS-JP" => "application/zip",
        _ => "application/octet-stream",
    };
    Answer { status: 200, media_type, body: file.bytes.clone(), attachment }
}

/// With an entity tag, and 304 where the client has the same already.
fn respond(request: &HttpRequest, answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status != StatusCode::OK {
        return HttpResponse::build(status).content_type(answer.media_type).body(answer.body);
    }
    let tag = entity_tag(&answer.body);
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|each| each.trim().trim_start_matches("W/") == tag)) {
        return HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish();
    }
    let mut response = HttpResponse::Ok();
    if let Some(name) = answer.attachment {
        response.insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    }
    response.content_type(answer.media_type).insert_header((header::ETAG, tag)).body(answer.body)
}

fn entity_tag(body: &[u8]) -> String {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("\"{hash:016x}\"")
}

/// Promises the whole body, sends half of it and closes the connection.
fn break_off(answer: Answer) -> HttpResponse {
    let length = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
    let half = Bytes::copy_from_slice(&answer.body[..answer.body.len() / 2]);
    let first = stream::iter([Ok(half)]);
    let then = stream::once(async {
        // Time for the half to leave.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("broken off on purpose"))
    });
    HttpResponse::Ok().content_type(answer.media_type).body(SizedStream::new(length, Box::pin(first.chain(then))))
}
