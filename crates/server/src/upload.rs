//! Receiving files: from the network to the disk without ever holding one in memory.

use std::cell::Cell;
use std::rc::Rc;

use actix_multipart::{Field, Multipart};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentDisposition, ContentType, DispositionParam, Header, HeaderMap};
use actix_web::web::{self, BytesMut};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use minato_app::catalog::{FieldError, Text};
use minato_app::files::{Upload, detect_media_type, sanitize_file_name};
use minato_app::{Error, FileUpload};

#[cfg(not(test))]
use crate::http::STALL_MAX;
use crate::http::{Problem, State, whole_body};

/// Largest text part of a form, in bytes.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Largest text of a whole form, in bytes.
pub(crate) const TEXT_TOTAL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most parts in one form.
const PARTS_MAX: usize = 1_000;
/// Bytes that gather before one hop to a blocking thread writes them. A slow sender holds this much memory and no thread.
const WRITE_BYTES: usize = 256 * 1024;

/// Longest wait for the next part of a body; short where tests wait for it.
#[cfg(test)]
const STALL_MAX: std::time::Duration = std::time::Duration::from_millis(200);

/// What a form brought.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Text parts by name, in their order.
    pub(crate) fields: Vec<(String, String)>,
    /// The file; dropped, its bytes are gone.
    pub(crate) file: Option<FileUpload>,
}

impl Received {
    /// The text part with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str())
    }
}

/// What a form may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Name of the part with the file; `None` when no file is taken.
    pub(crate) file: Option<&'static str>,
    /// Most bytes of all text parts together.
    pub(crate) text_bytes_max: usize,
}

/// Receives a `multipart/form-data` body. The part with the file is streamed to the disk, others are text.
///
/// A file that is not wanted is refused before it is read. When the body breaks off, stalls, is malformed or is too large, nothing of it
/// is kept.
pub(crate) async fn receive_form(state: &State, payload: Payload, headers: &HeaderMap, form: Form) -> Result<Received, Problem> {
    if !is_multipart(headers) {
        return Err(Problem::unsupported_media_type(&content_type(headers), "multipart/form-data"));
    }
    whole_body(headers)?;
    let limit = if form.file.is_some() { state.app.settings().upload_bytes_max } else { 0 };
    // Each part has a boundary and a header besides its content.
    let text_and_frame = (form.text_bytes_max as u64).saturating_add(TEXT_BYTES_MAX as u64);
    refuse_too_long(headers, limit.saturating_add(text_and_frame), limit.max(text_and_frame))?;
    let any_bytes = Rc::new(Cell::new(false));
    let noticing = any_bytes.clone();
    let payload = payload.inspect(move |chunk| noticing.set(noticing.get() || chunk.as_ref().is_ok_and(|chunk| !chunk.is_empty())));
    let mut parts = Multipart::new(headers, payload);
    let mut received = Received::default();
    let (mut count, mut text_bytes) = (0, 0);
    while let Some(part) = next(&mut parts).await? {
        let mut part = part.map_err(|error| {
            let cut_off = any_bytes.get() || matches!(error, actix_multipart::MultipartError::Payload(_));
            if cut_off { malformed(&error) } else { unreadable(&error).unwrap_or_else(empty_form) }
        })?;
        count += 1;
        if count > PARTS_MAX {
            return Err(too_many_parts());
        }
        let name = part.name().unwrap_or_default().to_owned();
        let Some(file_name) = file_name_of(part.content_disposition())? else {
            let text = read_text(part, &name, form.text_bytes_max.saturating_sub(text_bytes)).await?;
            text_bytes += text.len();
            received.fields.push((name, text));
            continue;
        };
        let mut first = None;
        if file_name.is_empty() {
            first = next(&mut part).await?.transpose().map_err(|error| malformed(&error))?;
            // Browsers send an empty nameless file for an input that was left alone.
            if first.is_none() {
                continue;
            }
        }
        if form.file != Some(name.as_str()) || received.file.is_some() {
            return Err(unwanted_file(&name, form.file));
        }
        let rest = part.map(|chunk| chunk.map_err(|error| malformed(&error)));
        let stream = futures_util::stream::iter(first.map(Ok)).chain(rest);
        received.file = Some(receive_stream(state, stream, file_name).await?);
    }
    if count == 0 { Err(empty_form()) } else { Ok(received) }
}

/// Receives a body that is the file itself.
pub(crate) async fn receive_raw(state: &State, payload: Payload, headers: &HeaderMap, file_name: String) -> Result<FileUpload, Problem> {
    whole_body(headers)?;
    let limit = state.app.settings().upload_bytes_max;
    refuse_too_long(headers, limit, limit)?;
    receive_stream(state, payload.map(|chunk| chunk.map_err(|error| Problem::cut_off(&error.to_string()))), file_name).await
}

/// The file name that a `Content-Disposition` header of a whole request names.
pub(crate) fn file_name_of_request(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::CONTENT_DISPOSITION) else { return Ok(None) };
    if std::str::from_utf8(value.as_bytes()).is_err() {
        return Err(not_utf8());
    }
    let Ok(disposition) = ContentDisposition::from_raw(value) else { return Ok(None) };
    Ok(file_name_of(Some(&disposition))?.filter(|name| !name.is_empty()))
}

/// Whether a request says that its body is a form with files.
pub(crate) fn is_multipart(headers: &HeaderMap) -> bool {
    content_type(headers) == "multipart/form-data"
}

/// The next item, unless the sender stays silent.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Result<Option<S::Item>, Problem> {
    tokio::time::timeout(STALL_MAX, stream.next()).await.map_err(|_| Problem::timed_out())
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(ContentType::name()).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn refuse_too_long(headers: &HeaderMap, most: u64, limit: u64) -> Result<(), Problem> {
    let length: Option<u64> = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    match length {
        Some(length) if length > most => Err(Error::TooLarge { limit }.into()),
        _ => Ok(()),
    }
}

async fn receive_stream(
    state: &State,
    mut stream: impl Stream<Item = Result<Bytes, Problem>> + Unpin,
    file_name: String,
) -> Result<FileUpload, Problem> {
    let mut writer = Writer::begin(state).await?;
    while let Some(chunk) = next(&mut stream).await? {
        writer.write(chunk?).await?;
    }
    let upload = writer.finish().await?;
    // By the name it will have: a name that ends in a blank or a dot has no extension before.
    let detected = detect_media_type(&sanitize_file_name(&file_name), upload.head());
    Ok(FileUpload { upload, file_name, detected, accept_mismatch: false })
}

/// Gathers chunks and writes them on blocking threads. Dropped half-way, it takes everything back.
struct Writer {
    upload: Option<Upload>,
    gathered: BytesMut,
}

impl Writer {
    async fn begin(state: &State) -> Result<Writer, Problem> {
        let app = state.app.clone();
        let upload = blocking(move || Ok(app.blobs().begin(app.settings().upload_bytes_max)?)).await?;
        Ok(Writer { upload: Some(upload), gathered: BytesMut::new() })
    }

    async fn write(&mut self, chunk: Bytes) -> Result<(), Problem> {
        self.gathered.extend_from_slice(&chunk);
        if self.gathered.len() >= WRITE_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Problem> {
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        let bytes = self.gathered.split().freeze();
        let upload = blocking(move || upload.write(&bytes).map(|()| upload).map_err(Error::from)).await?;
        self.upload = Some(upload);
        Ok(())
    }

    /// Everything written and on the disk, so that the transaction that keeps it does not wait for that.
    async fn finish(mut self) -> Result<Upload, Problem> {
        self.flush().await?;
        let Some(upload) = self.upload.take() else { return Err(Error::internal("upload finished twice").into()) };
        blocking(move || upload.flush().map(|()| upload).map_err(Error::from)).await
    }
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Problem> {
    match web::block(f).await {
        Ok(result) => result.map_err(Problem::from),
        Err(error) => Err(Error::internal(error.to_string()).into()),
    }
}

async fn read_text(mut part: Field, name: &str, left: usize) -> Result<String, Problem> {
    let name = clipped(name);
    let limit = left.min(TEXT_BYTES_MAX);
    let mut bytes = BytesMut::new();
    while let Some(chunk) = next(&mut part).await? {
        let chunk = chunk.map_err(|error| malformed(&error))?;
        if bytes.len() + chunk.len() > limit {
            let (ja, en) = match left < TEXT_BYTES_MAX {
                true => (
                    format!("フォームの文字の合計が「{name}」で上限を超えました。短くしてください。"),
                    format!("with the part `{name}` the text of the form is longer than allowed; shorten it"),
                ),
                false => (
                    format!("フォームの「{name}」は {} KB 以内にしてください。", TEXT_BYTES_MAX / 1024),
                    format!("the part `{name}` is longer than {} kB; shorten it", TEXT_BYTES_MAX / 1024),
                ),
            };
            return Err(Error::invalid(FieldError::new(format!("/{name}"), "too_long", ja, en)).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    let refuse = |ja: String, en: String| Problem::from(Error::invalid(FieldError::new(format!("/{name}"), "invalid_parameter", ja, en)));
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| {
        refuse(
            format!("フォームの「{name}」が UTF-8 ではありません。UTF-8 で送ってください。"),
            format!("the part `{name}` is not UTF-8; send it as UTF-8"),
        )
    })?;
    if text.contains('\0') {
        return Err(refuse(
            format!("フォームの「{name}」に使えない文字（NUL）が含まれています。取り除いてください。"),
            format!("the part `{name}` contains a NUL character; remove it"),
        ));
    }
    Ok(text)
}

/// The name of a file part, empty when the sender gave an empty one; `None` for parts that are no files.
fn file_name_of(disposition: Option<&ContentDisposition>) -> Result<Option<String>, Problem> {
    let Some(disposition) = disposition else { return Ok(None) };
    let extended = disposition.parameters.iter().find_map(|parameter| match parameter {
        DispositionParam::FilenameExt(value) => Some(String::from_utf8(value.value.clone())),
        _ => None,
    });
    // Browsers escape the quote, and only it and line breaks, as %22.
    let plain = disposition.get_filename().map(|name| name.replace("%22", "\""));
    match (extended, plain) {
        (Some(Ok(name)), _) => Ok(Some(name)),
        (Some(Err(_)), None) => Err(not_utf8()),
        (_, plain) => Ok(plain),
    }
}

fn clipped(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// What is wrong with a form that cannot be read on.
fn malformed(error: &actix_multipart::MultipartError) -> Problem {
    unreadable(error).unwrap_or_else(|| Problem::cut_off(&error.to_string()))
}

/// What the sender did wrong; `None` when the body only ended too early.
fn unreadable(error: &actix_multipart::MultipartError) -> Option<Problem> {
    use actix_multipart::MultipartError as Form;
    let (ja, en) = match error {
        Form::ContentTypeMissing | Form::ContentTypeParse | Form::ContentTypeIncompatible | Form::BoundaryMissing => (
            "フォームの区切り（boundary）が Content-Type にないか、本文と違います。Content-Type は手で付けず、クライアントに付けさせてください。",
            "the boundary is missing in Content-Type, or is not that of the body; let your client set Content-Type with the boundary",
        ),
        Form::ContentDispositionNameMissing => (
            "名前のない項目があります。すべての項目に name を付けてください（例: curl -F 名前=値）。",
            "a part has no name; give every part a name (for example curl -F name=value)",
        ),
        Form::ContentDispositionMissing | Form::Parse(_) => return Some(not_utf8()),
        _ => return None,
    };
    Some(bad_form(ja, en))
}

fn not_utf8() -> Problem {
    bad_form(
        "フォームの Content-Disposition を読めません。項目名とファイル名は UTF-8（または filename*=UTF-8''…）で送ってください。",
        "a Content-Disposition cannot be read; names must be UTF-8 (or filename*=UTF-8''…)",
    )
}

fn empty_form() -> Problem {
    bad_form("フォームが空です。項目を 1 つ以上送ってください。", "the form is empty; send at least one part")
}

fn bad_form(ja: &str, en: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_form", Text::new(ja, en), Vec::new())
}

/// A file nobody asked for, or one more.
fn unwanted_file(name: &str, wanted: Option<&str>) -> Problem {
    let name = clipped(name);
    let (code, ja, en) = match wanted {
        None => (
            "unexpected_file",
            format!("ここではファイル（項目「{name}」）を受け付けません。ファイルを外して送ってください。"),
            format!("no file is taken here; leave out the file in the part `{name}`"),
        ),
        Some(wanted) if wanted == name => (
            "too_many",
            format!("ファイルは 1 件だけ送れます。項目「{name}」に 2 件目があります。1 件ずつ送ってください。"),
            format!("only one file can be sent at a time, and the part `{name}` is a second one; send them one by one"),
        ),
        Some(wanted) => (
            "unexpected_file",
            format!("項目「{name}」のファイルは受け付けません。ファイルは「{wanted}」という名前の項目で 1 件だけ送ってください。"),
            format!("the file in the part `{name}` is not taken; send one file, in the part `{wanted}`"),
        ),
    };
    Error::invalid(FieldError::new(format!("/{name}"), code, ja, en)).into()
}

fn too_many_parts() -> Problem {
    Error::invalid(FieldError::new(
        "",
        "too_many",
        format!("フォームの項目は {PARTS_MAX} 個までです。"),
        format!("a form may have at most {PARTS_MAX} parts"),
    ))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(header: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_DISPOSITION, header::HeaderValue::from_bytes(header.as_bytes()).unwrap());
        file_name_of_request(&headers).unwrap()
    }

    #[test]
    fn file_names_are_read_as_clients_write_them() {
        assert_eq!(name("attachment; filename=\"a.csv\"").as_deref(), Some("a.csv"));
        assert_eq!(name("form-data; name=\"file\"; filename=\"避難所.csv\"").as_deref(), Some("避難所.csv"));
        assert_eq!(name("attachment; filename=\"x\"; filename*=UTF-8''%E9%81%BF%E9%9B%A3.csv").as_deref(), Some("避難.csv"));
        assert_eq!(name("attachment; filename=\"\""), None);
        assert_eq!(name("attachment"), None);
        assert_eq!(name("nonsense;;;="), None);
    }

    #[test]
    fn names_that_are_not_utf_8_are_refused() {
        for header in [&b"attachment; filename=\"\x94\xf0.csv\""[..], b"attachment; filename*=Shift_JIS''%94%F0.csv"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_DISPOSITION, header::HeaderValue::from_bytes(header).unwrap());
            let problem = file_name_of_request(&headers).unwrap_err();
            assert!(problem.status() == 400 && problem.details().detail_en.contains("must be UTF-8"), "{problem}");
        }
    }

    fn form_state() -> (tempfile::TempDir, crate::http::Shared) {
        let dir = tempfile::tempdir().unwrap();
        let app = minato_app::App::open(minato_app::AppSettings::new(dir.path())).unwrap();
        let state = crate::server::state(app, std::sync::Arc::default());
        (dir, state)
    }

    const FORM: Form = Form { file: Some("file"), text_bytes_max: TEXT_TOTAL_BYTES_MAX };

    async fn receive(content_type: &'static str, body: Vec<u8>, form: Form) -> Result<Received, Problem> {
        let (dir, state) = form_state();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
        let chunks: actix_http::BoxedPayloadStream = Box::pin(futures_util::stream::iter([Ok(Bytes::from(body))]));
        let result = receive_form(&state, Payload::Stream { payload: chunks }, &headers, form).await;
        let incoming = std::fs::read_dir(dir.path().join("files/incoming")).unwrap().count();
        assert_eq!(incoming, usize::from(result.as_ref().is_ok_and(|received| received.file.is_some())), "no bytes stay behind");
        state.app.stop();
        result
    }

    #[actix_web::test]
    async fn mistakes_in_forms_are_told_apart() {
        let part =
            |disposition: &str, content: &str| format!("--b\r\nContent-Disposition: {disposition}\r\n\r\n{content}\r\n").into_bytes();
        let file = |name: &str| part(&format!("form-data; name=\"{name}\"; filename=\"a.csv\""), "a,b\n1,2\n");
        let end = b"--b--\r\n".to_vec();
        let typed = "multipart/form-data; boundary=b";
        let no_file = Form { file: None, ..FORM };
        let short = Form { text_bytes_max: 10, ..FORM };
        for (content_type, body, form, status, word) in [
            ("multipart/form-data", [file("file"), end.clone()].concat(), FORM, 400, "let your client set Content-Type"),
            ("multipart/form-data; boundary=other", [file("file"), end.clone()].concat(), FORM, 400, "form"),
            (typed, Vec::new(), FORM, 400, "the form is empty"),
            (typed, file("file"), FORM, 400, "cut off"),
            (typed, [part("form-data; filename=\"a.csv\"", "x"), end.clone()].concat(), FORM, 400, "a part has no name"),
            (
                typed,
                [b"--b\r\nContent-Disposition: form-data; name=\"\x94\xf0\"\r\n\r\nx\r\n".to_vec(), end.clone()].concat(),
                FORM,
                400,
                "UTF-8",
            ),
            (typed, [part("form-data; name=\"x\"; filename*=Shift_JIS''%94%F0.csv", "x"), end.clone()].concat(), FORM, 400, "UTF-8"),
            (typed, [file("data"), end.clone()].concat(), FORM, 422, "in the part `data`"),
            (typed, [file("file"), file("file"), end.clone()].concat(), FORM, 422, "part `file` is a second one"),
            (typed, [file("file"), file("map"), end.clone()].concat(), FORM, 422, "in the part `map`"),
            (typed, [file("file"), end.clone()].concat(), no_file, 422, "no file is taken here"),
            (
                typed,
                [part("form-data; name=\"notes\"", &"x".repeat(TEXT_BYTES_MAX + 1)), end.clone()].concat(),
                FORM,
                422,
                "`notes` is longer",
            ),
            (typed, [part("form-data; name=\"notes\"", "01234567890"), end.clone()].concat(), short, 422, "with the part `notes`"),
        ] {
            let problem = receive(content_type, body, form).await.unwrap_err();
            assert_eq!(problem.status(), status, "{word}: {problem}");
            assert!(problem.details().detail_en.contains(word), "{word}: {problem}");
        }
        let left_alone = part("form-data; name=\"map\"; filename=\"\"", "");
        let received = receive(typed, [left_alone, file("file"), end].concat(), FORM).await.unwrap();
        assert_eq!(received.file.unwrap().upload.byte_size(), 8);
    }

    #[actix_web::test]
    async fn the_name_that_will_be_kept_says_the_type() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv \"\r\n\r\na,b\r\n--b--\r\n".to_vec();
        let file = receive("multipart/form-data; boundary=b", body, FORM).await.unwrap().file.unwrap();
        assert_eq!(file.detected.media_type, "text/csv");
    }

    #[actix_web::test]
    async fn a_form_that_stalls_is_given_up_and_taken_back() {
        let (dir, state) = form_state();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("multipart/form-data; boundary=b"));
        for start in ["", "--b\r\n", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\na,b\r\n1,2"] {
            let chunk = futures_util::stream::iter([Ok(Bytes::from_static(start.as_bytes()))]);
            let silent: actix_http::BoxedPayloadStream = Box::pin(chunk.chain(futures_util::stream::pending()));
            let problem = receive_form(&state, Payload::Stream { payload: silent }, &headers, FORM).await.unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.details().kind.as_str()), (408, "timeout"), "{start}");
        }
        assert_eq!(std::fs::read_dir(dir.path().join("files/incoming")).unwrap().count(), 0);
        state.app.stop();
    }
}
