//! All files of a dataset that are kept here, in one ZIP with a text that says what they are.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, NaiveDateTime, Utc};
use minato_app::catalog::{Channel, Dataset, Distribution, FileVersion, Text, Viewer, jst, jst_day};
use minato_app::files::{Archive, ArchiveEntry, EntryContent, distinct_names};
use minato_app::{App, Directory, Error};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::content::{Content, Source, Version};
use super::facts;
use crate::http::{Asker, Problem, ProblemLink, Shared, hex};

/// Name of the text in the archive.
const README: &str = "README.txt";
/// Changes when the same files would give other bytes than before.
const LAYOUT: &str = "1";
/// Memory for layouts.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// Most archives laid out at once: each reads all of its files.
const AT_ONCE_MAX: usize = 2;
/// How long a request waits for its turn.
const TURN_SECONDS: u64 = 60;

/// Archives that were laid out of late, by their entity tags. The files stay where they are; what is kept are headers and directories.
pub struct Archives {
    kept: moka::sync::Cache<String, Arc<Archive>>,
    turns: Arc<Semaphore>,
}

impl Default for Archives {
    fn default() -> Self {
        let weight = |_: &String, archive: &Arc<Archive>| u32::try_from(archive.memory()).unwrap_or(u32::MAX);
        let kept = moka::sync::Cache::builder().weigher(weight).max_capacity(CACHE_BYTES).build();
        Archives { kept, turns: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }
}

/// All files of a dataset that are kept here, as one ZIP.
///
/// With them comes a `README.txt` in Japanese and English: title, publisher, licence, addresses, and the list of all files, also of those that are only
/// links to the publisher. Files are stored uncompressed, under distinct names; the length is known, ranges are possible, and the same files are the
/// same bytes. One download of the dataset, whatever the number of files.
#[utoipa::path(get, path = "/datasets/{dataset}/download.zip", tag = "downloads", operation_id = "download_dataset",
    params(("dataset" = String, Path, description = "Id or slug of the dataset")),
    responses(
        (status = 200, description = "The archive", content_type = "application/zip"),
        (status = 206, description = "The part that `Range` asks for", content_type = "application/zip"),
        (status = 304, description = "The client has it already (`If-None-Match`)"),
        (status = 401, description = "An invalid token", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "No such dataset, or none of its files is kept here; `links` has those at the publisher", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 410, description = "Withdrawn", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 416, description = "The range is outside the archive", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "Too many archives are being made; try again", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(crate) async fn download_dataset(
    request: HttpRequest,
    path: web::Path<String>,
    asker: Asker,
    state: Shared,
) -> Result<HttpResponse, Problem> {
    let viewer = asker.0;
    let (key, of_viewer) = (path.into_inner(), viewer.clone());
    let dataset = state.run(move |app| app.dataset(&of_viewer, &key)).await?.dataset;
    let base_url = state.settings.base_url();
    let entries = entries(&state.app.directory(), &dataset, &base_url);
    if entries.len() < 2 {
        return Err(no_file(&dataset, &base_url));
    }
    let version = Version { etag: etag(&entries), modified: None };
    if version.is_unchanged(request.headers()) {
        count(&request, &state, &viewer, &dataset, StatusCode::NOT_MODIFIED).await?;
        return Ok(version.unchanged());
    }
    // Laid out before it is counted: what cannot be read is no download.
    let archive = lay_out(&state, &version.etag, entries).await?;
    let content = Content {
        version,
        byte_size: archive.byte_size(),
        content_type: "application/zip".to_owned(),
        file_name: format!("{}.zip", dataset.content.slug),
        source: Source::Archive(archive, state.app.clone()),
    };
    let Some(part) = content.requested(request.headers()) else { return Ok(content.outside()) };
    count(&request, &state, &viewer, &dataset, part.status()).await?;
    Ok(content.send(&viewer, part))
}

/// The distributions whose files are kept here.
pub(crate) fn held(dataset: &Dataset) -> impl Iterator<Item = (&Distribution, &FileVersion)> {
    dataset.content.distributions.iter().filter_map(|distribution| Some((distribution, distribution.file.as_ref()?)))
}

async fn count(request: &HttpRequest, state: &Shared, viewer: &Viewer, dataset: &Dataset, status: StatusCode) -> Result<(), Problem> {
    if !dataset.is_open() {
        // What is not public is no publication; its downloads are no figure.
        return Ok(());
    }
    Ok(state.app.count_dataset_download(viewer, dataset, &facts(request, state, status, Channel::Zip)).await?)
}

async fn lay_out(state: &Shared, etag: &str, entries: Vec<ArchiveEntry>) -> Result<Arc<Archive>, Problem> {
    if let Some(archive) = state.archives.kept.get(etag) {
        let known = archive.clone();
        if state.run(move |app| known.is_whole(app.blobs()).map_err(Error::internal)).await? {
            return Ok(archive);
        }
    }
    let turn = turn(&state.archives.turns).await?;
    // Somebody else may have laid it out meanwhile.
    if let Some(archive) = state.archives.kept.get(etag) {
        return Ok(archive);
    }
    let (etag, kept) = (etag.to_owned(), state.archives.kept.clone());
    let lay_out = move |app: &App| {
        // Given back when the work is done, also when the client has gone before.
        let _turn = turn;
        let archive = Archive::lay_out(app.blobs(), &entries).map(Arc::new).map_err(Error::internal)?;
        kept.insert(etag, archive.clone());
        Ok(archive)
    };
    state.run(lay_out).await
}

/// Waits until not too many others do the same.
pub(super) async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    let wait = Duration::from_secs(TURN_SECONDS);
    let Ok(Ok(turn)) = tokio::time::timeout(wait, turns.clone().acquire_owned()).await else {
        return Err(Error::Unavailable(Text::new(
            "同じような要求が込み合っています。しばらくしてからもう一度お試しください。",
            "too many requests of this kind are waiting; try again in a moment",
        ))
        .into());
    };
    Ok(turn)
}

/// The text first, then the files in the publisher's order.
fn entries(directory: &Directory, dataset: &Dataset, base_url: &str) -> Vec<ArchiveEntry> {
    let names = distinct_names(held(dataset).map(|(_, file)| file.file_name.as_str()), &[README]);
    let readme = readme(directory, dataset, base_url, &names);
    let mut entries =
        vec![ArchiveEntry { name: README.to_owned(), modified: in_japan(dataset.content.modified), content: EntryContent::Text(readme) }];
    entries.extend(held(dataset).zip(names).map(|((_, file), name)| ArchiveEntry {
        name,
        modified: in_japan(file.created),
        content: EntryContent::Blob(file.sha256.clone()),
    }));
    entries
}

fn in_japan(moment: DateTime<Utc>) -> NaiveDateTime {
    moment.with_timezone(&jst()).naive_local()
}

/// Made of everything that the bytes depend on.
fn etag(entries: &[ArchiveEntry]) -> String {
    let mut hash = Sha256::new();
    hash.update(LAYOUT);
    for entry in entries {
        let (kind, content) = match &entry.content {
            EntryContent::Blob(sha256) => ("blob", sha256),
            EntryContent::Text(text) => ("text", text),
        };
        for part in [&entry.name, &entry.modified.to_string(), kind, content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    format!("\"{}\"", &hex(&hash.finalize())[..40])
}

fn no_file(dataset: &Dataset, base_url: &str) -> Problem {
    let links: Vec<ProblemLink> = dataset
        .content
        .distributions
        .iter()
        .filter_map(|distribution| {
            let url = crate::api::file_url(base_url, &dataset.content.slug, distribution)?;
            Some(ProblemLink { title: distribution.title.clone(), url })
        })
        .collect();
    let text = if links.is_empty() {
        Text::new(
            "このデータセットにはまだファイルがないため、ZIP はありません。公開している組織にお問い合わせください。",
            "this dataset has no files yet, so there is no ZIP of them; ask its publisher",
        )
    } else {
        Text::new(
            "このデータセットのファイルは公開元にあり、ここには置かれていないため、ZIP はありません。links の各アドレスからダウンロードしてください。",
            "the files of this dataset are at their publisher's and not kept here, so there is no ZIP of them; download each from its address in `links`",
        )
    };
    Problem::new(StatusCode::NOT_FOUND, "no_files", text, Vec::new()).with_links(links)
}

/// What the archive is, for whoever opens it years later. With a byte order mark and CRLF, so that every editor shows it right.
fn readme(directory: &Directory, dataset: &Dataset, base_url: &str, names: &[String]) -> String {
    let content = &dataset.content;
    let both = |ja: &str, en: Option<&str>| match en.map(one_line).filter(|en| !en.is_empty() && en != ja) {
        Some(en) => format!("{} ({en})", one_line(ja)),
        None => one_line(ja),
    };
    let mut lines = vec![one_line(&content.title)];
    lines.extend(content.title_en.as_deref().map(one_line).filter(|title| !title.is_empty()));
    lines.push(String::new());
    let mut fact = |ja: &str, en: &str, value: String| {
        if !value.trim().is_empty() {
            lines.push(format!("{ja} / {en}: {value}"));
        }
    };
    let publisher = directory.organization(content.organization_id).map(|organization| &organization.draft);
    fact("公開している組織", "Publisher", publisher.map(|draft| both(&draft.name, draft.name_en.as_deref())).unwrap_or_default());
    fact("作成者", "Creator", content.creator.as_deref().map(one_line).unwrap_or_default());
    let licence = |id: &str| match directory.licences.get(id) {
        Some(licence) => {
            let title = both(&licence.draft.title, licence.draft.title_en.as_deref());
            licence.draft.url.as_deref().map_or(title.clone(), |url| format!("{title} {}", one_line(url)))
        }
        None => one_line(id),
    };
    let words = content.licence_text.as_deref().map(one_line).filter(|words| !words.is_empty());
    let stated = content.licence.as_deref().map(licence).or_else(|| words.clone());
    fact(
        "ライセンス",
        "Licence",
        stated.unwrap_or_else(|| "記載なし（公開元へ確認してください） / none stated; ask the publisher".to_owned()),
    );
    fact("ライセンスの補足", "The publisher's words on it", words.filter(|_| content.licence.is_some()).unwrap_or_default());
    fact("公開日", "Issued", content.issued.map(|day| day.to_string()).unwrap_or_default());
    fact("更新日", "Modified", jst_day(content.modified).to_string());
    fact("このカタログのページ", "Page in this catalog", format!("{base_url}/datasets/{}", content.slug));
    fact("公開元のページ", "Page at the publisher", content.landing_page.as_deref().map(one_line).unwrap_or_default());
    lines.push(format!("ID: {}", dataset.id));

    lines.push(String::new());
    lines.push("この ZIP に入っているファイル / Files in this ZIP".to_owned());
    for ((distribution, file), name) in held(dataset).zip(names) {
        lines.push(format!("- {name}"));
        lines.push(format!("  {}", both(&distribution.title, distribution.title_en.as_deref())));
        lines.push(format!("  {} bytes, SHA-256 {}", file.byte_size, file.sha256));
        lines.push(format!("  {base_url}/d/{}", distribution.id));
        if let Some(own) = distribution.licence.as_deref().filter(|own| content.licence.as_deref() != Some(*own)) {
            lines.push(format!("  ライセンス / Licence: {}", licence(own)));
        }
    }
    let links: Vec<(&Distribution, &str)> = content
        .distributions
        .iter()
        .filter(|distribution| distribution.file.is_none())
        .filter_map(|distribution| Some((distribution, distribution.download_url.as_deref().or(distribution.access_url.as_deref())?)))
        .collect();
    if !links.is_empty() {
        lines.push(String::new());
        lines.push("公開元にあり、この ZIP に入っていないもの / At the publisher's and not in this ZIP".to_owned());
        for (distribution, url) in links {
            let title = both(&distribution.title, distribution.title_en.as_deref());
            let format = distribution.format.as_deref().map(|format| format!(" [{format}]")).unwrap_or_default();
            lines.push(format!("- {title}{format}"));
            lines.push(format!("  {}", one_line(url)));
        }
    }
    format!("\u{feff}{}\r\n", lines.join("\r\n"))
}

/// Whatever somebody wrote, as one line.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Size of the files of a dataset that are kept here, and how many they are.
pub(crate) fn held_size(dataset: &Dataset) -> (usize, i64) {
    held(dataset).fold((0, 0), |(count, bytes), (_, file)| (count + 1, bytes + file.byte_size))
}
