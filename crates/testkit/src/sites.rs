//! The 23 municipal sites, on loopback, each speaking one protocol; five of them faulty on purpose. Beside them the portal that was before,
//! and the prefecture's site for data of civil engineering.

mod arcgis_hub;
mod ckan;
mod csw;
mod data_json;
mod dataeye;
mod dcat;
mod file_list;
mod inventory;
mod oai_pmh;
mod page;
mod plan;
mod schema_org;
mod serve;
mod shirasagi;

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use minato_catalog::HarvestKind;

use crate::fixtures::{FixtureDataset, Municipality, generate};
use plan::{Plan, Protocol, Quirk};

/// How to start the sites.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Port of the first site; the others follow, 25 in all. Free ports when absent.
    pub base_port: Option<u16>,
}

/// What can go wrong with a site from now on. Only the catalog is affected; files, home page and robots.txt go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// This status; 429 and 503 say `Retry-After: 1`.
    Status(u16),
    /// 200 with a maintenance page in HTML.
    HtmlInstead,
    /// The connection breaks off after half of the body that `Content-Length` promised.
    Truncate,
    /// The right answer after this time.
    Slow(Duration),
    /// A well-formed catalog without datasets.
    Empty,
}

/// A site as a harvest source.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteSource {
    /// Slug of the site: that of the municipality whose it is; see [`crate::fixtures::municipality`].
    pub slug: String,
    /// Name of the site: that of the municipality in Japanese.
    pub name: String,
    /// Slug of the organization that runs it.
    pub organization: String,
    /// The protocol it speaks.
    pub kind: HarvestKind,
    /// The CKAN site, the inventory file or the catalog document.
    pub url: String,
    /// What is wrong with it from the start.
    pub faulty: Option<&'static str>,
    /// How many datasets a careful harvest takes over now. A [`Fault`] set later is not considered.
    pub expected_datasets: usize,
    /// How many single records fail.
    pub expected_failures: usize,
}

/// Why sites could not be started or changed.
#[derive(Debug, thiserror::Error)]
pub enum SitesError {
    /// A port is in use or not allowed.
    #[error("cannot listen on {address}; stop what listens there or choose another base port")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The ports would go past 65535.
    #[error("base port {0} leaves no room for 25 sites; choose one below 65511")]
    BasePort(u16),
    /// The server did not start.
    #[error("the server did not start")]
    Start(#[source] std::io::Error),
    /// No municipality of that slug has a site.
    #[error("there is no site `{0}`; use the slug of a municipality such as fuchu-cho")]
    UnknownSite(String),
}

/// Starts the sites.
#[derive(Debug)]
pub struct Sites;

impl Sites {
    /// Starts all on a thread of their own. They stop when the returned value is dropped.
    pub fn start(options: Options) -> Result<RunningSites, SitesError> {
        let municipal = plan::plans();
        let municipal_count = municipal.len();
        let mut sites: Vec<Arc<Site>> = Vec::new();
        let mut listeners = Vec::new();
        for (offset, plan) in (0u16..).zip(municipal.into_iter().chain(plan::extra_plans())) {
            let port = match options.base_port {
                Some(base) => base.checked_add(offset).ok_or(SitesError::BasePort(base))?,
                None => 0,
            };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let bind = |source| SitesError::Bind { address, source };
            let listener = TcpListener::bind(address).map_err(bind)?;
            let address = listener.local_addr().map_err(bind)?;
            listeners.push(listener);
            let site = Site::new(plan, address, &sites);
            sites.push(Arc::new(site));
        }
        let (handle, thread) = serve::run(&sites, listeners)?;
        Ok(RunningSites { sites, municipal_count, handle, thread: Some(thread) })
    }
}

/// The sites while they run.
pub struct RunningSites {
    sites: Vec<Arc<Site>>,
    municipal_count: usize,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl RunningSites {
    /// The municipal sites as harvest sources, in the order of local government codes.
    pub fn sources(&self) -> Vec<SiteSource> {
        self.sites.iter().take(self.municipal_count).map(|site| site.source()).collect()
    }

    /// The portal that the prefecture and some municipalities had together before: datasets that are nowhere else, and copies.
    pub fn previous_portal(&self) -> Result<SiteSource, SitesError> {
        self.source(plan::PREVIOUS_PORTAL)
    }

    /// The prefecture's site for data of civil engineering; it has copies of municipal datasets, too.
    pub fn civil_site(&self) -> Result<SiteSource, SitesError> {
        self.source(plan::CIVIL_SITE)
    }

    /// What the previous portal published of past downloads, for two months: CSV in CP932, a row for each file and month.
    pub fn past_counts(&self) -> Result<Vec<u8>, SitesError> {
        Ok(dataeye::past_counts(&self.datasets(plan::PREVIOUS_PORTAL)?))
    }

    /// Addresses of the first dataset of the previous portal and of its file, which people have bookmarked.
    pub fn former_paths(&self) -> Result<Vec<String>, SitesError> {
        let datasets = self.datasets(plan::PREVIOUS_PORTAL)?;
        let mut paths = Vec::new();
        if let Some(dataset) = datasets.first() {
            paths.push(format!("/datasets/{}", number(&dataset.id)));
            let file = dataset.files.first().map(|file| number(&file.id));
            paths.extend(file.into_iter().flat_map(|file| [format!("/resources/{file}"), format!("/resource_download/{file}")]));
        }
        Ok(paths)
    }

    /// The source of one site.
    pub fn source(&self, slug: &str) -> Result<SiteSource, SitesError> {
        Ok(self.site(slug)?.source())
    }

    /// The addresses `127.0.0.1:port` of all sites, for a list of addresses a harvester may call.
    pub fn addresses(&self) -> Vec<String> {
        self.sites.iter().map(|site| site.address.to_string()).collect()
    }

    /// Makes a site fail in this way until told otherwise. What is faulty from the start stays so.
    pub fn set_fault(&self, slug: &str, fault: Fault) -> Result<(), SitesError> {
        self.site(slug)?.lock().fault = fault;
        Ok(())
    }

    /// Changes a site's datasets: titles, deletions, additions.
    pub fn edit(&self, slug: &str, change: impl FnOnce(&mut Vec<FixtureDataset>)) -> Result<(), SitesError> {
        change(&mut self.site(slug)?.lock().datasets);
        Ok(())
    }

    /// A site's datasets as they are now.
    pub fn datasets(&self, slug: &str) -> Result<Vec<FixtureDataset>, SitesError> {
        Ok(self.site(slug)?.lock().datasets.clone())
    }

    /// What a site was asked, oldest first, as `GET /path?query`; the last thousand requests.
    pub fn requests(&self, slug: &str) -> Result<Vec<String>, SitesError> {
        Ok(self.site(slug)?.lock().requests.iter().cloned().collect())
    }

    /// Stops all sites and waits until their ports are free.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn site(&self, slug: &str) -> Result<&Site, SitesError> {
        self.sites.iter().find(|site| site.plan.slug == slug).map(Arc::as_ref).ok_or_else(|| SitesError::UnknownSite(slug.to_owned()))
    }

    fn shut_down(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // The command is sent by the call itself; the thread ends once it is carried out.
        drop(self.handle.stop(false));
        // A panic over there has been printed there.
        let _ = thread.join();
    }
}

impl Drop for RunningSites {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl std::fmt::Debug for RunningSites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningSites").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

/// One site: what it is, and what changes about it.
struct Site {
    plan: Plan,
    address: SocketAddr,
    /// Where the files are that stay with their publishers, by name.
    elsewhere: HashMap<String, String>,
    /// The datasets it had at the start, by id.
    original: Vec<String>,
    state: Mutex<State>,
}

struct State {
    datasets: Vec<FixtureDataset>,
    fault: Fault,
    requests: VecDeque<String>,
}

/// Most requests remembered for each site.
const REQUESTS_MAX: usize = 1000;

impl Site {
    /// `others` are the sites that this one may lead to.
    fn new(plan: Plan, address: SocketAddr, others: &[Arc<Site>]) -> Site {
        let (mut datasets, mut elsewhere) = (Vec::new(), HashMap::new());
        for holding in &plan.holdings {
            let held: Vec<FixtureDataset> = generate(&holding.publisher, holding.from + holding.count).split_off(holding.from);
            if let Some(home) = others.iter().find(|other| holding.linked && other.plan.slug == holding.publisher.slug) {
                let files = held.iter().flat_map(|dataset| &dataset.files);
                elsewhere.extend(files.map(|file| (file.name.clone(), format!("{}/files/{}", home.base(), file.name))));
            }
            datasets.extend(held);
        }
        let original = datasets.iter().map(|dataset| dataset.id.clone()).collect();
        Site { plan, address, elsewhere, original, state: Mutex::new(State { datasets, fault: Fault::None, requests: VecDeque::new() }) }
    }

    /// A test that panicked while editing must not silence the site for the others.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `http://127.0.0.1:port`
    fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    fn municipality(&self) -> &Municipality {
        &self.plan.municipality
    }

    /// Path of the catalog document; empty for CKAN, whose URL is the site, and `/` for its kin.
    fn catalog_path(&self) -> String {
        match self.plan.protocol {
            Protocol::Ckan { .. } => String::new(),
            Protocol::Dataeye | Protocol::Shirasagi | Protocol::ArcgisHub | Protocol::SchemaOrg => "/".to_owned(),
            Protocol::DataJson => "/data.json".to_owned(),
            Protocol::FileList => "/opendata/index.html".to_owned(),
            Protocol::Csw => "/csw".to_owned(),
            Protocol::OaiPmh => "/oai".to_owned(),
            Protocol::Inventory(ref style) => {
                let extension = if style.workbook { "xlsx" } else { "csv" };
                format!("/opendata/{}_open_data_list.{extension}", self.plan.municipality.code)
            }
            Protocol::Dcat(ref style) => style.path().to_owned(),
        }
    }

    /// Whether a path is part of the catalog, which faults strike.
    fn is_catalog(&self, path: &str) -> bool {
        match self.plan.protocol {
            Protocol::Ckan { .. } | Protocol::Shirasagi => path.starts_with("/api/"),
            Protocol::Dataeye => path.starts_with("/api/") || path.starts_with("/ckan_api/"),
            Protocol::ArcgisHub => path.starts_with("/api/search/") || path.starts_with("/api/feed/"),
            Protocol::SchemaOrg => path.starts_with("/sitemap") || path.starts_with("/dataset/"),
            _ => path == self.catalog_path(),
        }
    }

    fn source_url(&self) -> String {
        format!("{}{}", self.base(), self.catalog_path())
    }

    fn source(&self) -> SiteSource {
        let datasets = self.lock().datasets.len();
        let (expected_datasets, expected_failures) = match self.plan.quirk {
            Quirk::None => (datasets, 0),
            Quirk::MalformedRecord | Quirk::InvalidUrl | Quirk::Untitled => (datasets, 1),
            Quirk::ThirdPageFails => (datasets.min(2 * plan::SMALL_PAGE), 0),
            Quirk::HtmlInstead => (0, 0),
        };
        SiteSource {
            slug: self.plan.slug.clone(),
            name: self.plan.title.clone(),
            organization: self.plan.municipality.slug.clone(),
            kind: match self.plan.protocol {
                Protocol::Ckan { .. } => HarvestKind::Ckan,
                Protocol::Dataeye => HarvestKind::Dataeye,
                Protocol::Shirasagi => HarvestKind::Shirasagi,
                Protocol::DataJson => HarvestKind::DataJson,
                Protocol::ArcgisHub => HarvestKind::ArcgisHub,
                Protocol::SchemaOrg => HarvestKind::SchemaOrg,
                Protocol::FileList => HarvestKind::FileList,
                Protocol::Csw => HarvestKind::Csw,
                Protocol::OaiPmh => HarvestKind::OaiPmh,
                Protocol::Inventory(_) => HarvestKind::OpenDataList,
                Protocol::Dcat(_) => HarvestKind::Dcat,
            },
            url: self.source_url(),
            faulty: self.plan.quirk.description(),
            expected_datasets,
            expected_failures,
        }
    }
}

/// The sites by their port.
type ByPort = HashMap<u16, Arc<Site>>;

/// The number that software which counts its records has for one, of five digits: `id` is the record's or file's in the fixtures.
fn number(id: &str) -> u64 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    10_000 + (hash >> 16) % 90_000
}
