//! Files of harvested datasets: whether their links lead to what they say, and copies of them here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use minato_catalog::{
    Action, Dataset, DatasetState, Distribution, FileVersion, HarvestStatus, LinkCheck, LinkCheckRun, LinkFinding, Organization, Role,
    Text, Viewer, media_type_of_format, normalize_format,
};
use minato_files::detect_media_type;
use minato_harvest::{Answer, Client, Request};
use minato_store::job::{self, Job, JobState};
use minato_store::{dataset, distribution, harvest as records, link_check as store};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{LEASE, find_source};
use crate::App;
use crate::context::Context;
use crate::dataset::require_role;
use crate::error::{Error, Result};
use crate::noun::signed_in;

/// Looking at the links of a source after a run, as far as the last findings are old.
pub(super) const KIND: &str = "link_check";
/// Looking at all links of a source because somebody asked for it.
pub(super) const KIND_ASKED: &str = "link_check_asked";
/// How long a finding is good for, and one that says something is wrong.
const AGE_MAX: chrono::Duration = chrono::Duration::days(7);
const TROUBLED_AGE_MAX: chrono::Duration = chrono::Duration::hours(20);
/// Largest file that is fetched only to compare its checksum, in bytes.
const CHECKSUM_BYTES_MAX: u64 = 100_000_000;
/// A check that was begun so often without ending is given up.
const ATTEMPTS_MAX: i64 = 20;
/// Most links reported at once.
const TROUBLED_MAX: usize = 1_000;
/// Records of a source read at once.
const PAGE: i64 = 100;

/// A link that leads nowhere or not to what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct TroubledLink {
    /// The latest finding.
    pub check: LinkCheck,
    /// Since when something is wrong with it.
    pub since: DateTime<Utc>,
    /// Its dataset.
    pub dataset: Arc<Dataset>,
    /// The file or link.
    pub distribution: Distribution,
}

/// How far a look at the links of a source is, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LinkProgress {
    /// Links looked at.
    #[serde(default)]
    pub looked: i64,
    /// Those with which something is wrong.
    #[serde(default)]
    pub troubled: i64,
}

/// What becomes of a file that is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// It is only compared.
    Nothing,
    /// A copy stays here, marked as one: the publisher keeps the file.
    Copy,
    /// The file is kept here from now on: the portal that had it is given up.
    File,
}

impl App {
    /// How a distribution's link was found, newest first.
    pub fn link_checks(&self, viewer: &Viewer, id: &str) -> Result<Vec<LinkCheck>> {
        let found = self.distribution(viewer, id)?;
        Ok(self.store().read(|conn| store::history(conn, found.distribution.id))?)
    }

    /// How the links of a dataset's distributions were found last, by their ids. A link that changed since is as if nobody had looked.
    pub fn link_findings(&self, dataset: &Dataset) -> Result<BTreeMap<Uuid, LinkCheck>> {
        let latest = self.store().read(|conn| store::latest_of_dataset(conn, dataset.id))?;
        let current = |check: &LinkCheck| dataset.distribution(check.distribution_id).and_then(link_of) == Some(check.url.as_str());
        Ok(latest.into_iter().filter(current).map(|check| (check.distribution_id, check)).collect())
    }

    /// The links of an organization's datasets that lead nowhere or not to what they say, the latest trouble first. For its members.
    pub fn troubled_links(&self, viewer: &Viewer, organization: &str) -> Result<Vec<TroubledLink>> {
        let organization: Organization = self.get(viewer, organization)?;
        if viewer.is_public() {
            return Err(Error::Unauthenticated);
        }
        if !viewer.has_role(organization.id, Role::Viewer) {
            require_role(viewer, organization.id, Role::Viewer)?;
        }
        let mut troubled = self.store().read(|conn| store::troubled(conn, organization.id))?;
        troubled.sort_by_key(|(check, since)| (Reverse(*since), check.distribution_id));
        let mut datasets: BTreeMap<Uuid, Arc<Dataset>> = BTreeMap::new();
        let ids: Vec<Uuid> = troubled.iter().map(|(check, _)| check.dataset_id).collect::<BTreeSet<_>>().into_iter().collect();
        for chunk in ids.chunks(500) {
            datasets.extend(self.cached_many(chunk)?.into_iter().map(|dataset| (dataset.id, dataset)));
        }
        let found = troubled.into_iter().filter_map(|(check, since)| {
            let dataset = datasets.get(&check.dataset_id)?.clone();
            let distribution = dataset.distribution(check.distribution_id)?.clone();
            let current = link_of(&distribution) == Some(check.url.as_str());
            current.then_some(TroubledLink { check, since, dataset, distribution })
        });
        Ok(found.take(TROUBLED_MAX).collect())
    }

    /// Asks for all links of a source to be looked at, however fresh the last findings are; when that waits or goes on already, that one.
    pub fn queue_link_check(&self, context: &Context, source: &str) -> Result<LinkCheckRun> {
        signed_in(&context.viewer)?;
        let source = self.source(&context.viewer, source)?;
        require_role(&context.viewer, source.organization_id, Role::Editor)?;
        if context.dry_run {
            let (id, created) = (minato_catalog::new_id(), self.now());
            let status = HarvestStatus::Queued;
            let (started, finished) = (None, None);
            return Ok(LinkCheckRun { id, source_id: source.id, status, asked: true, looked: 0, troubled: 0, created, started, finished });
        }
        let job = self.store().write::<_, Error>(|conn| Ok(job::enqueue(conn, KIND_ASKED, &source.id.to_string(), self.now())?))?;
        link_check_run(job)
    }

    pub(super) fn enqueue_link_check(&self, source_id: Uuid) -> Result<Uuid> {
        self.store().write::<_, Error>(|conn| Ok(job::enqueue(conn, KIND, &source_id.to_string(), self.now())?.id))
    }

    /// The latest looks at the links of a source, newest first; they are forgotten some days after they ended.
    pub fn link_check_runs(&self, viewer: &Viewer, source: &str, limit: i64) -> Result<Vec<LinkCheckRun>> {
        let source = self.source(viewer, source)?;
        let limit = limit.clamp(0, 1000);
        let mut runs = Vec::new();
        for kind in [KIND, KIND_ASKED] {
            let jobs = self.store().read(|conn| job::list(conn, kind, Some(&source.id.to_string()), limit))?;
            runs.extend(jobs.into_iter().map(link_check_run).collect::<Result<Vec<_>>>()?);
        }
        runs.sort_by_key(|run| Reverse((run.created, run.id)));
        runs.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(runs)
    }

    /// One look at the links of a source.
    pub fn link_check_run(&self, viewer: &Viewer, id: &str) -> Result<LinkCheckRun> {
        let not_found = || Error::not_found("link_check", id);
        let uuid: Uuid = id.parse().map_err(|_| not_found())?;
        let job = self.store().read(|conn| job::find(conn, uuid))?;
        let job = job.filter(|job| [KIND, KIND_ASKED].contains(&job.kind.as_str())).ok_or_else(not_found)?;
        let run = link_check_run(job)?;
        self.source(viewer, &run.source_id.to_string()).map_err(|_| not_found())?;
        Ok(run)
    }

    /// Looks at links, source by source, until told to stop. Blocks; run it in a thread of its own, so that slow servers hold up no harvest.
    pub fn work_on_links(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            match self.work_on_links_once(stop) {
                Ok(true) => {}
                Ok(false) => std::thread::sleep(Duration::from_secs(1)),
                Err(error) => {
                    tracing::error!(%error, "links could not be looked at; going on with the next source");
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
        }
    }

    /// Looks at the links of one source that waits, first of all of one that somebody asked for; `false` when none does.
    fn work_on_links_once(&self, stop: &AtomicBool) -> Result<bool> {
        for kind in [KIND_ASKED, KIND] {
            if let Some(job) = self.claim(kind, None)? {
                self.look_at_links(&job, stop, &mut |_| {})?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at all links of a source now, in this thread; for the command line and tests. When another worker does, waits for that one.
    pub fn check_links(&self, context: &Context, source: &str, mut watch: impl FnMut(LinkProgress)) -> Result<LinkCheckRun> {
        let id = self.queue_link_check(context, source)?.id;
        loop {
            if let Some(job) = self.claim(KIND_ASKED, Some(id))? {
                self.look_at_links(&job, &AtomicBool::new(false), &mut watch)?;
            }
            let run = self.link_check_run(&context.viewer, &id.to_string())?;
            if run.finished.is_some() {
                return Ok(run);
            }
            watch(LinkProgress { looked: run.looked, troubled: run.troubled });
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn look_at_links(&self, job: &Job, stop: &AtomicBool, watch: &mut dyn FnMut(LinkProgress)) -> Result<()> {
        let node = self.settings().node.clone();
        let mut progress = LinkProgress::default();
        let outcome = match job.attempts > ATTEMPTS_MAX {
            true => Err(Error::internal("the links were looked at too often without an end")),
            false => self.look_at_source(job, stop, &mut |new| {
                progress = new;
                watch(new);
            }),
        };
        if stop.load(Ordering::Acquire) {
            // The next server goes on.
            return Ok(());
        }
        let failure = outcome.as_ref().err().map(ToString::to_string);
        let progress = serde_json::to_string(&progress).map_err(Error::internal)?;
        self.store().write::<_, Error>(|conn| {
            job::finish(conn, job.id, &node, &progress, failure.as_deref(), self.now())?;
            Ok(())
        })?;
        outcome
    }

    fn look_at_source(&self, job: &Job, stop: &AtomicBool, watch: &mut dyn FnMut(LinkProgress)) -> Result<()> {
        let Some(source) = self.store().read(|conn| find_source(conn, &job.subject_id))? else { return Ok(()) };
        let client = self.client()?.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let keeping = |file: &Distribution| match source.draft.mirror && file.download_url.is_some() {
            true => Keeping::Copy,
            false => Keeping::Nothing,
        };
        let mut progress = LinkProgress::default();
        let mut after: Option<String> = None;
        loop {
            let records = self.store().read(|conn| records::list_records(conn, source.id, after.as_deref(), PAGE))?;
            let Some(last) = records.last() else { return Ok(()) };
            after = Some(last.remote_id.clone());
            let datasets: Vec<Uuid> = records.into_iter().filter_map(|record| record.dataset_id).collect();
            for id in datasets {
                let dataset = self.store().read(|conn| dataset::find(conn, id))?;
                let Some(dataset) = dataset.filter(|dataset| dataset.content.state == DatasetState::Published) else { continue };
                for file in &dataset.content.distributions {
                    let Some(url) = link_of(file) else { continue };
                    if stop.load(Ordering::Acquire) {
                        return Ok(());
                    }
                    let now = self.now();
                    let last = self.store().read(|conn| store::latest(conn, file.id))?.filter(|last| last.url == url);
                    let keeping = keeping(file);
                    let lacks_copy = keeping == Keeping::Copy && file.file.is_none();
                    if last.is_some_and(|last| is_fresh(&last, job, now, lacks_copy) && !may_have_changed(file, last.until, now)) {
                        continue;
                    }
                    if !self.keep_lease(job, progress)? {
                        // Another worker took it for dead and goes on.
                        return Ok(());
                    }
                    let check = runtime.block_on(self.look_at_link(&client, &dataset, file, url, keeping, self.now()))?;
                    progress.looked += 1;
                    progress.troubled += i64::from(!check.ok);
                    watch(progress);
                }
            }
        }
    }

    fn keep_lease(&self, job: &Job, progress: LinkProgress) -> Result<bool> {
        let progress = serde_json::to_string(&progress).map_err(Error::internal)?;
        let (node, now) = (&self.settings().node, self.now());
        self.store().write::<_, Error>(|conn| Ok(job::heartbeat(conn, job.id, node, &progress, now, LEASE)?))
    }

    pub(super) async fn look_at_link(
        &self,
        client: &Client,
        dataset: &Dataset,
        file: &Distribution,
        url: &str,
        keeping: Keeping,
        now: DateTime<Utc>,
    ) -> Result<LinkCheck> {
        let before = self.store().read(|conn| store::latest(conn, file.id))?.filter(|before| before.url == url);
        let declared = file.extras.get("hash").map(String::as_str).unwrap_or_default();
        let mut finding = if keeping != Keeping::Nothing || !declared.is_empty() {
            self.fetch_file(client, dataset, file, url, keeping, before.as_ref()).await?
        } else {
            probe(client, url).await?
        };
        let answered = finding.status.is_some_and(|status| status < 400);
        if answered {
            compare(file, &mut finding);
        }
        let check = LinkCheck {
            distribution_id: file.id,
            dataset_id: dataset.id,
            url: url.to_owned(),
            at: now,
            until: now,
            ok: answered && finding.problems.is_empty(),
            finding,
        };
        self.store().write::<_, Error>(|conn| Ok(store::save(conn, &check)?))?;
        Ok(check)
    }

    /// Fetches a file, unless it is the one that is known, to compare it with its checksum and to keep a copy.
    async fn fetch_file(
        &self,
        client: &Client,
        dataset: &Dataset,
        file: &Distribution,
        url: &str,
        keeping: Keeping,
        before: Option<&LinkCheck>,
    ) -> Result<LinkFinding> {
        let mirror = keeping != Keeping::Nothing;
        let known = before.filter(|before| before.ok && (!mirror || file.file.is_some())).map(|before| &before.finding);
        let request = Request {
            accept: "*/*",
            etag: known.and_then(|known| known.etag.as_deref()),
            last_modified: known.and_then(|known| known.last_modified.as_deref()),
        };
        let spooled = match client.fetch(url, &request).await {
            Ok(Answer::NotModified) => return Ok(known.cloned().unwrap_or_default()),
            Ok(Answer::Changed(spooled)) => spooled,
            Err(error) => return unreachable(error),
        };
        let mut finding = LinkFinding {
            status: Some(200),
            media_type: spooled.content_type.clone(),
            byte_size: i64::try_from(spooled.length).ok(),
            etag: spooled.etag.clone(),
            last_modified: spooled.last_modified.clone(),
            ..Default::default()
        };
        if !mirror && spooled.length > CHECKSUM_BYTES_MAX {
            return Ok(finding);
        }
        let limit = self.settings().upload_bytes_max;
        if spooled.length > limit {
            finding.problems.push(Text::new(
                format!("ファイルが上限（{} MB）を超えるため、写しを作りませんでした。", limit / 1_000_000),
                format!("the file is larger than {} MB, so no copy was made", limit / 1_000_000),
            ));
            return Ok(finding);
        }
        let last = spooled.url.path_segments().and_then(|mut path| path.next_back()).unwrap_or_default();
        let name = spooled.file_name.clone().unwrap_or_else(|| percent_decoded(last));
        let name = with_extension(name, file.format.as_deref());
        let is_html = spooled.is_html();
        let mut upload = self.blobs().begin(limit)?;
        let mut sums = Sums::default();
        let mut reader = spooled.file;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = reader.read(&mut buffer).map_err(Error::internal)?;
            if length == 0 {
                break;
            }
            upload.write(&buffer[..length])?;
            sums.update(&buffer[..length]);
        }
        finding.sha256 = Some(upload.sha256());
        if let Some(problem) = sums.compare(file.extras.get("hash").map(String::as_str).unwrap_or_default(), &upload.sha256()) {
            finding.problems.push(problem);
        }
        // A page in place of the file, a login for instance, is no copy of it.
        let wants_page = file.format.as_deref() == Some("HTML");
        if mirror && upload.byte_size() > 0 && (wants_page || !is_html) {
            let detected = detect_media_type(&name, upload.head());
            let version = FileVersion {
                version: 0,
                sha256: upload.sha256(),
                byte_size: i64::try_from(upload.byte_size()).map_err(Error::internal)?,
                file_name: minato_files::sanitize_file_name(&name),
                media_type: detected.media_type,
                created: self.now(),
                source_url: (keeping == Keeping::Copy).then(|| url.to_owned()),
            };
            self.keep_copy(dataset.id, file.id, version, upload)?;
        }
        Ok(finding)
    }

    /// Makes fetched bytes the latest version of a harvested distribution. Its address at the source stays beside it.
    fn keep_copy(&self, dataset_id: Uuid, id: Uuid, version: FileVersion, upload: minato_files::Upload) -> Result<()> {
        let context = Context::system("mirror");
        self.change(&context, |conn| {
            let unchanged = |dataset| Ok(crate::context::Change::unchanged(dataset));
            let before = dataset::find(conn, dataset_id)?.ok_or_else(|| Error::not_found("dataset", dataset_id.to_string()))?;
            let mut after = before.clone();
            let Some(place) = after.content.distributions.iter_mut().find(|file| file.id == id) else { return unchanged(before) };
            if place.file.as_ref().is_some_and(|file| file.sha256 == version.sha256) {
                return unchanged(before);
            }
            let last = distribution::versions(conn, id)?.first().map_or(0, |version| version.version);
            let version = FileVersion { version: last + 1, ..version };
            place.byte_size = Some(version.byte_size);
            place.file = Some(version.clone());
            distribution::add_version(conn, id, &version)?;
            after.revision += 1;
            after.updated = self.now();
            let saved = dataset::save(conn, &after, Some(&before), Action::Update, &context.viewer.name)?;
            upload.finish()?;
            Ok(crate::context::Change { value: after, status: crate::context::Status::Updated, seq: Some(saved.seq) })
        })?;
        Ok(())
    }
}

/// Whether a file may have been replaced under its address since it was last looked at, by what its source says. Some sources say the day
/// only, and their clocks differ, so what changed is looked at for a day.
fn may_have_changed(file: &Distribution, last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    file.modified.is_some_and(|modified| modified <= now && last < modified + chrono::Duration::days(1))
}

/// A name that says nothing of the format, as of `…/download/123`, gets its ending.
fn with_extension(name: String, format: Option<&str>) -> String {
    let Some(format) = format.filter(|format| !name.contains('.') && format.bytes().all(|byte| byte.is_ascii_alphanumeric())) else {
        return name;
    };
    format!("{name}.{}", format.to_lowercase())
}

/// What a link leads to, without fetching it.
async fn probe(client: &Client, url: &str) -> Result<LinkFinding> {
    match client.probe(url).await {
        Ok(probe) => {
            let mut finding = LinkFinding {
                status: Some(probe.status),
                media_type: probe.content_type,
                byte_size: probe.length.and_then(|length| i64::try_from(length).ok()),
                etag: probe.etag,
                last_modified: probe.last_modified,
                ..Default::default()
            };
            if probe.status >= 400 {
                finding.problems.push(status_text(probe.status));
            }
            Ok(finding)
        }
        Err(error) => unreachable(error),
    }
}

/// What a failure says of a link; one of this machine says nothing of it.
fn unreachable(error: minato_harvest::Error) -> Result<LinkFinding> {
    let status = match &error {
        minato_harvest::Error::Setup(_) | minato_harvest::Error::Storing { .. } => return Err(Error::internal(error)),
        // It is there, only larger than is read here.
        minato_harvest::Error::TooLarge { .. } => Some(200),
        error => error.status(),
    };
    Ok(LinkFinding { status, problems: vec![error.text()], ..Default::default() })
}

/// The address that readers of a distribution are led to.
fn link_of(file: &Distribution) -> Option<&str> {
    file.download_url.as_deref().or(file.access_url.as_deref()).filter(|url| url.starts_with("http"))
}

/// Whether a link need not be looked at again. What somebody asked for is done once, also when another worker had begun it.
fn is_fresh(last: &LinkCheck, job: &Job, now: DateTime<Utc>, lacks_copy: bool) -> bool {
    if job.kind == KIND_ASKED {
        return last.until >= job.created;
    }
    let age_max = if last.ok { AGE_MAX } else { TROUBLED_AGE_MAX };
    now - last.until < age_max && !lacks_copy
}

fn link_check_run(job: Job) -> Result<LinkCheckRun> {
    let progress: LinkProgress = serde_json::from_str(&job.progress).unwrap_or_default();
    Ok(LinkCheckRun {
        id: job.id,
        source_id: job.subject_id.parse().map_err(Error::internal)?,
        status: match job.state {
            JobState::Queued => HarvestStatus::Queued,
            JobState::Running => HarvestStatus::Running,
            JobState::Done => HarvestStatus::Complete,
            JobState::Failed => HarvestStatus::Failed,
        },
        asked: job.kind == KIND_ASKED,
        looked: progress.looked,
        troubled: progress.troubled,
        created: job.created,
        started: job.started,
        finished: job.finished,
    })
}

fn status_text(status: u16) -> Text {
    match status {
        404 | 410 => Text::new(
            format!("リンク先がありません（HTTP {status}）。URL を直すか、ファイルを置き直してください。"),
            format!("nothing is there (HTTP {status}); mend the address or put the file back"),
        ),
        401 | 403 => Text::new(
            format!("リンク先の閲覧が許可されていません（HTTP {status}）。公開設定を確認してください。"),
            format!("access is denied (HTTP {status}); check that it is public"),
        ),
        _ => Text::new(
            format!("リンク先が HTTP {status} を返しました。URL を確認してください。"),
            format!("the link answered with HTTP {status}; check the address"),
        ),
    }
}

/// What was declared of a file against what is served.
fn compare(file: &Distribution, finding: &mut LinkFinding) {
    let served = finding.media_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let declared = file.format.as_deref().and_then(normalize_format);
    let is_page = matches!(declared.as_deref(), None | Some("HTML" | "API" | "WMS" | "WFS" | "URL"));
    if file.download_url.is_some() && !is_page && served == "text/html" {
        let format = declared.as_deref().unwrap_or_default();
        finding.problems.push(Text::new(
            format!("{format} とされていますが、Web ページ（HTML）が返りました。ファイルそのものの URL にしてください。"),
            format!("it is said to be {format}, but a web page (HTML) is served; give the address of the file itself"),
        ));
    } else if let (Some(format), Some(found)) = (declared.as_deref(), format_of_media_type(&served))
        && format != found
        && is_distinct(format, found)
    {
        finding.problems.push(Text::new(
            format!("{format} とされていますが、{found}（{served}）として配信されています。"),
            format!("it is said to be {format}, but is served as {found} ({served})"),
        ));
    }
    // A copy's size is the copy's own.
    if file.file.is_none()
        && let (Some(said), Some(served)) = (file.byte_size, finding.byte_size)
        && said != served
        && said > 0
    {
        finding.problems.push(Text::new(
            format!("サイズは {said} バイトとされていますが、実際は {served} バイトです。"),
            format!("it is said to have {said} bytes and has {served}"),
        ));
    }
}

fn format_of_media_type(media_type: &str) -> Option<&'static str> {
    ["CSV", "XLSX", "XLS", "PDF", "JSON", "GeoJSON", "XML", "ZIP", "KML"]
        .into_iter()
        .find(|format| media_type_of_format(format).is_some_and(|own| own == media_type))
}

/// Formats that are one within another are no contradiction: servers say so all the time.
fn is_distinct(declared: &str, served: &str) -> bool {
    let within = |outer: &str, inner: &[&str]| served == outer && inner.iter().any(|format| format.eq_ignore_ascii_case(declared));
    !(within("JSON", &["GeoJSON", "JSON-LD", "TopoJSON", "CityJSON"])
        || within("XML", &["KML", "RDF", "GML", "GPX", "RSS", "GeoRSS"])
        || served == "ZIP")
}

fn percent_decoded(name: &str) -> String {
    percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned()
}

/// Checksums that publishers declare, beside SHA-256.
#[derive(Default)]
struct Sums {
    md5: md5::Md5,
    sha1: sha1::Sha1,
}

impl Sums {
    fn update(&mut self, bytes: &[u8]) {
        use md5::Digest as _;
        self.md5.update(bytes);
        self.sha1.update(bytes);
    }

    /// What is wrong with a declared checksum: `sha256:…`, `md5:…`, or the hexadecimal digits alone. One of another kind says nothing.
    fn compare(self, declared: &str, sha256: &str) -> Option<Text> {
        use md5::Digest as _;
        let declared = declared.trim().to_ascii_lowercase();
        let digits = declared.rsplit([':', '=']).next().unwrap_or_default().trim();
        if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (name, real) = match digits.len() {
            64 => ("SHA-256", sha256.to_owned()),
            40 => ("SHA-1", hexadecimal(&self.sha1.finalize())),
            32 => ("MD5", hexadecimal(&self.md5.finalize())),
            _ => return None,
        };
        (digits != real).then(|| {
            Text::new(
                format!("{name} は {digits} とされていますが、実際は {real} です。ファイルが差し替えられたか、壊れています。"),
                format!("its {name} is said to be {digits} and is {real}: the file was replaced or is damaged"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_any_usual_kind_are_compared() {
        let sums = || {
            let mut sums = Sums::default();
            sums.update(b"abc");
            sums
        };
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (declared, fits) in [
            ("900150983cd24fb0d6963f7d28e17f72", true),
            ("md5:900150983CD24FB0D6963F7D28E17F72", true),
            ("sha1:a9993e364706816aba3e25717850c26c9cd0d89d", true),
            (sha256, true),
            ("md5:000150983cd24fb0d6963f7d28e17f72", false),
            ("crc32:12345678", true),
            ("", true),
            ("なし", true),
        ] {
            assert_eq!(sums().compare(declared, sha256).is_none(), fits, "{declared}");
        }
    }

    #[test]
    fn a_file_that_changed_is_looked_at_again() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let file = |modified: Option<&str>| Distribution { modified: modified.map(at), ..distribution_of("https://e.jp/a.csv") };
        let (last, now) = (at("2026-11-24T18:30:00Z"), at("2026-11-25T18:30:00Z"));
        for (modified, changed) in [
            (None, false),
            (Some("2026-10-01T00:00:00Z"), false),
            (Some("2026-11-25T03:00:00Z"), true),
            // The day alone, on which it was looked at before the change.
            (Some("2026-11-23T18:30:01Z"), true),
            (Some("2026-11-23T18:30:00Z"), false),
            // A clock or zone that is wrong: later, when that time has come.
            (Some("2026-11-25T20:00:00Z"), false),
        ] {
            assert_eq!(may_have_changed(&file(modified), last, now), changed, "{modified:?}");
        }
    }

    #[test]
    fn a_page_in_place_of_a_file_is_named() {
        let mut file = Distribution { format: Some("CSV".into()), ..distribution_of("https://e.jp/a.csv") };
        let problems = |file: &Distribution, media_type: &str, size: i64| {
            let mut finding = LinkFinding { media_type: Some(media_type.into()), byte_size: Some(size), ..Default::default() };
            compare(file, &mut finding);
            finding.problems.len()
        };
        assert_eq!(problems(&file, "text/html; charset=utf-8", 5), 1);
        assert_eq!(problems(&file, "text/csv", 5), 0);
        assert_eq!(problems(&file, "application/octet-stream", 5), 0);
        assert_eq!(problems(&file, "application/pdf", 5), 1);
        file.byte_size = Some(6);
        assert_eq!(problems(&file, "text/csv", 5), 1);
        let geo = Distribution { format: Some("GeoJSON".into()), ..distribution_of("https://e.jp/a.geojson") };
        assert_eq!(problems(&geo, "application/json", 5), 0);
    }

    #[test]
    fn what_is_asked_for_is_looked_at_and_troubles_are_looked_at_soon() {
        let now: DateTime<Utc> = "2026-11-25T03:00:00Z".parse().unwrap();
        let hours = chrono::Duration::hours;
        let job = |kind: &str| Job {
            id: Uuid::nil(),
            kind: kind.to_owned(),
            subject_id: String::new(),
            state: JobState::Running,
            attempts: 1,
            lease_owner: None,
            lease_until: None,
            progress: String::new(),
            error: None,
            created: now - hours(1),
            started: None,
            finished: None,
            cancel_requested: false,
        };
        for (kind, ok, age, lacks_copy, fresh) in [
            (KIND, true, 24 * 6, false, true),
            (KIND, true, 24 * 7, false, false),
            (KIND, true, 1, true, false),
            (KIND, false, 19, false, true),
            (KIND, false, 24, false, false),
            (KIND_ASKED, true, 2, false, false),
            (KIND_ASKED, true, 0, false, true),
            (KIND_ASKED, false, 0, true, true),
        ] {
            let (distribution_id, dataset_id, at, until) = (Uuid::nil(), Uuid::nil(), now, now - hours(age));
            let last = LinkCheck { distribution_id, dataset_id, url: String::new(), at, until, ok, finding: LinkFinding::default() };
            assert_eq!(is_fresh(&last, &job(kind), now, lacks_copy), fresh, "{kind} {ok} {age} {lacks_copy}");
        }
    }

    fn distribution_of(url: &str) -> Distribution {
        let draft = minato_catalog::DistributionDraft { download_url: Some(url.into()), ..Default::default() };
        draft.apply(Uuid::nil(), None, &minato_catalog::Vocabulary::built_in())
    }
}
