//! Tables that are kept here, in another format.

use std::io::{BufWriter, Read, Seek, Write};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use minato_app::catalog::{Channel, Distribution, FieldError, FileVersion, Text};
use minato_app::tabular::{self, ConversionLimits, TargetFormat, convert};
use minato_app::{App, Error};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use super::archive::turn;
use super::content::{Content, Source, Version};
use super::{count, find};
use crate::api::file_url;
use crate::http::{Asker, Params, Problem, ProblemLink, Shared, hex};

/// Changes when the same file would be converted to other bytes than before.
const CONVERTER: &str = "1";
/// Converted files up to this size are kept in memory, larger ones on the disk.
const KEPT_BYTES_MAX: u64 = 512 * 1024;
/// Memory for the small ones.
const MEMORY_BYTES: u64 = 8 * 1024 * 1024;
/// Disk for the large ones, and how many of them are open at once.
const DISK_BYTES: u64 = 512 * 1024 * 1024;
const OPEN_FILES_MAX: u64 = 64;
/// How long one is kept that nobody asks for.
const IDLE_SECONDS: u64 = 600;
/// Most conversions at once: each keeps a processor busy.
const AT_ONCE_MAX: usize = 2;
/// Formats that may hold a table.
const TABLES: [&str; 6] = ["CSV", "TSV", "XLSX", "XLS", "JSON", "GEOJSON"];

/// A converted file with its length, or why there is none.
type Converted = Result<(Source, u64), Text>;

/// Files that were converted of late, by entity tag. Those on the disk have no name there, and are gone when they are closed or the process ends.
pub struct Conversions {
    small: moka::sync::Cache<String, Converted>,
    large: moka::sync::Cache<String, Converted>,
    turns: Arc<Semaphore>,
}

impl Default for Conversions {
    fn default() -> Self {
        let byte_size = |converted: &Converted| converted.as_ref().map_or(0, |(_, byte_size)| *byte_size);
        let kept = |weight: fn(u64) -> u64, capacity: u64| {
            moka::sync::Cache::builder()
                .weigher(move |_: &String, converted: &Converted| u32::try_from(weight(byte_size(converted))).unwrap_or(u32::MAX))
                .max_capacity(capacity)
                .time_to_idle(Duration::from_secs(IDLE_SECONDS))
                .build()
        };
        Conversions {
            small: kept(|bytes| bytes + 500, MEMORY_BYTES),
            // In KB, as a weight has 32 bits; and none so light that too many files would be open.
            large: kept(|bytes| (bytes / 1024).max(DISK_BYTES / 1024 / OPEN_FILES_MAX), DISK_BYTES / 1024),
            turns: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }
}

impl Conversions {
    fn get(&self, etag: &str) -> Option<Converted> {
        self.small.get(etag).or_else(|| self.large.get(etag))
    }

    fn keep(&self, etag: String, converted: Converted) {
        let cache = if matches!(converted, Ok((Source::Disk(_), _))) { &self.large } else { &self.small };
        cache.insert(etag, converted);
    }
}

/// What may be said of a conversion.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Options {
    /// Whether CSV and TSV begin with a byte order mark, by which Excel knows UTF-8.
    #[serde(default)]
    #[param(default = false)]
    bom: bool,
}

/// The table in a distribution's latest file, in another format.
///
/// Read are CSV and TSV in the encodings of Japanese files, XLSX, XLS (their first visible sheet with a value), JSON and GeoJSON. Written are `csv` and `tsv`
/// (UTF-8, every row as it stands) and `json` (an array of objects, the rows below the header by the names of the columns). Values stay what they are:
/// leading zeros, dates and full-width digits are not touched. Links to the publisher's files are not converted.
#[utoipa::path(get, path = "/d/{id}/as/{format}", tag = "downloads", operation_id = "download_converted",
    params(("id" = String, Path, description = "Id of the distribution"), ("format" = String, Path, description = "`csv`, `tsv` or `json`"), Options),
    responses(
        (status = 200, description = "The table", content_type = "text/csv"),
        (status = 206, description = "The part that `Range` asks for", content_type = "text/csv"),
        (status = 304, description = "The client has it already (`If-None-Match`, `If-Modified-Since`)"),
        (status = 400, description = "A wrong parameter", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "An invalid token", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "No such distribution or format, or its file is not kept here; `links` says where there is one", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 410, description = "Withdrawn", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 416, description = "The range is outside the file", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "The file holds no table that can be converted; `links` has the file itself", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "Too many files are being converted; try again", body = crate::http::ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(crate) async fn download_converted(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    options: Params<Options>,
    asker: Asker,
    state: Shared,
) -> Result<HttpResponse, Problem> {
    let viewer = asker.0;
    let (id, format) = path.into_inner();
    let found = find(&state, &viewer, id).await?;
    let original = file_url(&state.settings.base_url(), &found.dataset.content.slug, &found.distribution)
        .map(|url| ProblemLink { title: found.distribution.title.clone(), url });
    let target = target(&format, options.0.bom)?;
    let Some(file) = &found.distribution.file else { return Err(not_kept(original)) };
    let version = Version { etag: etag(file, target, options.0.bom), modified: Some(file.created) };
    // Converted before it is counted: what cannot be converted is no download, whatever the client says it has, and is told with its own status.
    let (source, byte_size) = match converted(&state, &version.etag, file, target, options.0.bom).await? {
        Ok(converted) => converted,
        Err(reason) => return Err(not_converted(&reason, original)),
    };
    if version.is_unchanged(request.headers()) {
        count(&request, &state, &viewer, &found, StatusCode::NOT_MODIFIED, Channel::Converted).await?;
        return Ok(version.unchanged());
    }
    let content = Content {
        version,
        byte_size,
        content_type: target.content_type().to_owned(),
        file_name: converted_name(&file.file_name, target),
        source,
    };
    let Some(part) = content.requested(request.headers()) else { return Ok(content.outside()) };
    count(&request, &state, &viewer, &found, part.status(), Channel::Converted).await?;
    Ok(content.send(&viewer, part))
}

/// The formats that a page offers beside a file: none when it is hardly a table, or too large. Whether it really is one is known when it is read.
pub(crate) fn offered(distribution: &Distribution) -> &'static [TargetFormat] {
    let Some(file) = &distribution.file else { return &[] };
    let format = distribution.format.as_deref().unwrap_or_default().to_ascii_uppercase();
    let limits = ConversionLimits::default();
    let limit = if matches!(format.as_str(), "XLSX" | "XLS") { limits.document_bytes } else { limits.bytes };
    let readable = TABLES.contains(&format.as_str()) && u64::try_from(file.byte_size).is_ok_and(|size| size <= limit);
    match format.as_str() {
        _ if !readable => &[],
        "JSON" | "GEOJSON" => &[TargetFormat::Csv],
        _ => &[TargetFormat::Csv, TargetFormat::Json],
    }
}

async fn converted(state: &Shared, etag: &str, file: &FileVersion, target: TargetFormat, bom: bool) -> Result<Converted, Problem> {
    if let Some(converted) = state.conversions.get(etag) {
        return Ok(converted);
    }
    let turn = turn(&state.conversions.turns).await?;
    // Somebody else may have had it converted meanwhile.
    if let Some(converted) = state.conversions.get(etag) {
        return Ok(converted);
    }
    let (etag, file, shared) = (etag.to_owned(), file.clone(), state.clone());
    let convert = move |app: &App| {
        // Given back when the work is done, also when the client has gone before.
        let _turn = turn;
        let converted = convert_file(app, &file, target, bom)?;
        shared.conversions.keep(etag, converted.clone());
        Ok(converted)
    };
    state.run(convert).await
}

/// Into a file without a name: so the length is known, ranges are possible, a slow client keeps no thread, and a mistake in the last row is told
/// with a status instead of a body that breaks off.
fn convert_file(app: &App, file: &FileVersion, target: TargetFormat, bom: bool) -> minato_app::Result<Converted> {
    let (reader, _) = app.blobs().open_blob(&file.sha256).map_err(Error::internal)?;
    let mut writer = BufWriter::with_capacity(256 * 1024, app.blobs().scratch().map_err(Error::internal)?);
    let media_type = Some(file.media_type.as_str());
    match convert(reader, &file.file_name, media_type, target, bom, ConversionLimits::default(), &mut writer) {
        Ok(()) => {}
        Err(tabular::Error::Io(error)) => return Err(Error::internal(error)),
        Err(error) => return Ok(Err(error.text())),
    }
    writer.flush().map_err(Error::internal)?;
    let mut written = writer.into_inner().map_err(|error| Error::internal(error.into_error()))?;
    let byte_size = written.metadata().map_err(Error::internal)?.len();
    if byte_size > KEPT_BYTES_MAX {
        return Ok(Ok((Source::Disk(Arc::new(written)), byte_size)));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(byte_size).unwrap_or(0));
    written.rewind().and_then(|()| written.read_to_end(&mut bytes)).map_err(Error::internal)?;
    Ok(Ok((Source::Memory(bytes.into()), byte_size)))
}

fn etag(file: &FileVersion, target: TargetFormat, bom: bool) -> String {
    let mut hash = Sha256::new();
    // The name decides how a file is read where its bytes do not.
    for part in [CONVERTER, &file.sha256, &file.file_name, &file.media_type, target.as_str(), if bom { "bom" } else { "" }] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("\"{}\"", &hex(&hash.finalize())[..40])
}

/// `hinanjo.xlsx` becomes `hinanjo.csv`; `hinanjo.csv` becomes `hinanjo_utf8.csv`, so that it does not replace the original beside it.
fn converted_name(name: &str, target: TargetFormat) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let mark = if extension.eq_ignore_ascii_case(target.as_str()) { "_utf8" } else { "" };
    format!("{stem}{mark}.{}", target.as_str())
}

fn target(format: &str, bom: bool) -> Result<TargetFormat, Problem> {
    let list = TargetFormat::ALL.map(TargetFormat::as_str).join(", ");
    let Some(target) = TargetFormat::parse(format) else {
        let given: String = format.chars().take(40).collect();
        let text = Text::new(
            format!("「{given}」への変換はできません。変換できる形式は {list} です。"),
            format!("files are not converted to `{given}`; possible are {list}"),
        );
        return Err(Problem::new(StatusCode::NOT_FOUND, "unsupported_format", text, Vec::new()));
    };
    if bom && target == TargetFormat::Json {
        return Err(Error::invalid(FieldError::new(
            "/bom",
            "invalid_parameter",
            "bom は csv と tsv だけで使えます。JSON には BOM を付けられません。",
            "bom is for csv and tsv only; JSON has no byte order mark",
        ))
        .into());
    }
    Ok(target)
}

fn not_kept(original: Option<ProblemLink>) -> Problem {
    let text = match &original {
        Some(_) => Text::new(
            "このファイルは公開元にあり、ここには置かれていないため、変換できません。links のアドレスからダウンロードしてください。",
            "this file is at its publisher's and not kept here, so it cannot be converted; download it from the address in `links`",
        ),
        None => Text::new(
            "このファイルはまだアップロードされていません。提供者にお問い合わせください。",
            "no file has been uploaded for this distribution yet; ask its publisher",
        ),
    };
    Problem::new(StatusCode::NOT_FOUND, "no_file", text, Vec::new()).with_links(original.into_iter().collect())
}

fn not_converted(reason: &Text, original: Option<ProblemLink>) -> Problem {
    let tables = TABLES.join(", ");
    let text = Text::new(
        format!("{}（変換できるのは {tables} の表です。元のファイルは links のアドレスにあります。）", reason.ja),
        format!("{} (what can be converted are tables in {tables}; the file itself is at the address in `links`)", reason.en),
    );
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not_convertible", text, Vec::new()).with_links(original.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_converted_file_never_has_the_name_of_the_original() {
        for (name, target, expected) in [
            ("避難所.xlsx", TargetFormat::Csv, "避難所.csv"),
            ("避難所.csv", TargetFormat::Csv, "避難所_utf8.csv"),
            ("A.CSV", TargetFormat::Csv, "A_utf8.csv"),
            ("a.b.csv", TargetFormat::Json, "a.b.json"),
            ("a.json", TargetFormat::Json, "a_utf8.json"),
            ("file", TargetFormat::Tsv, "file.tsv"),
        ] {
            assert_eq!(converted_name(name, target), expected);
        }
    }
}
