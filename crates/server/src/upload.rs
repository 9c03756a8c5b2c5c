//! Receiving files: from the network to the blob store without ever holding one in memory.

use actix_multipart::{Field, Multipart};
use actix_web::dev::Payload;
use actix_web::http::header::{self, ContentDisposition, ContentType, DispositionParam, Header, HeaderMap};
use actix_web::web::{self, BytesMut};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use minato_app::catalog::FieldError;
use minato_app::files::{Blob, BlobStore, Upload, detect_media_type};
use minato_app::{Error, FileUpload};

use crate::http::{Problem, State};

/// Largest text part of a form, in bytes.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Largest text of a whole form, in bytes.
const TEXT_TOTAL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most parts in one form.
const PARTS_MAX: usize = 1_000;
/// Bytes that gather before one hop to a blocking thread writes them. A slow sender holds this much memory and no thread.
const WRITE_BYTES: usize = 256 * 1024;

/// What a form brought.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Text parts by name, in their order.
    pub(crate) fields: Vec<(String, String)>,
    /// File parts by name; their bytes lie in the blob store already.
    pub(crate) files: Vec<(String, FileUpload)>,
}

impl Received {
    /// The text part with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str())
    }

    /// Takes out the file part with this name.
    pub(crate) fn take_file(&mut self, name: &str) -> Option<FileUpload> {
        let place = self.files.iter().position(|(field, _)| field == name)?;
        Some(self.files.remove(place).1)
    }
}

/// Where received bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// To the blob store.
    Bytes,
    /// Nowhere: only what they are is wanted (a dry run).
    Nothing,
}

/// Receives a `multipart/form-data` body. Parts with a file name are streamed to the blob store, others are text.
///
/// When the body breaks off, is malformed or is too large, nothing of it is kept.
pub(crate) async fn receive_multipart(state: &State, payload: Payload, headers: &HeaderMap) -> Result<Received, Problem> {
    receive_form(state, payload, headers, Keep::Bytes).await
}

/// [`receive_multipart`], saying where the bytes go.
pub(crate) async fn receive_form(state: &State, payload: Payload, headers: &HeaderMap, keep: Keep) -> Result<Received, Problem> {
    if !is_multipart(headers) {
        return Err(Problem::unsupported_media_type(&content_type(headers), "multipart/form-data"));
    }
    let limit = state.app.settings().upload_bytes_max;
    refuse_too_long(headers, limit.saturating_add(TEXT_TOTAL_BYTES_MAX as u64), limit)?;
    let mut form = Multipart::new(headers, payload);
    let mut received = Received::default();
    let mut text_bytes = 0;
    while let Some(part) = form.next().await {
        let part = part.map_err(|error| Problem::cut_off(&error.to_string()))?;
        if received.fields.len() + received.files.len() >= PARTS_MAX {
            return Err(too_many_parts());
        }
        let name = part.name().unwrap_or_default().to_owned();
        match file_name_of(part.content_disposition()) {
            None => {
                let text = read_text(part, &name).await?;
                text_bytes += text.len();
                if text_bytes > TEXT_TOTAL_BYTES_MAX {
                    return Err(Error::TooLarge { limit: TEXT_TOTAL_BYTES_MAX as u64 }.into());
                }
                received.fields.push((name, text));
            }
            Some(file_name) => {
                let stream = part.map(|chunk| chunk.map_err(|error| error.to_string()));
                let file = receive_stream(state, stream, file_name, keep).await?;
                // Browsers send an empty nameless file for an input that was left alone.
                let left_alone = file.file_name.is_empty() && file.blob.byte_size == 0;
                if !left_alone {
                    received.files.push((name, file));
                }
            }
        }
    }
    Ok(received)
}

/// Receives a body that is the file itself.
pub(crate) async fn receive_raw(
    state: &State,
    payload: Payload,
    headers: &HeaderMap,
    file_name: String,
    keep: Keep,
) -> Result<FileUpload, Problem> {
    let limit = state.app.settings().upload_bytes_max;
    refuse_too_long(headers, limit, limit)?;
    receive_stream(state, payload.map(|chunk| chunk.map_err(|error| error.to_string())), file_name, keep).await
}

/// The file name that a `Content-Disposition` header of a whole request names.
pub(crate) fn file_name_of_request(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_DISPOSITION)?;
    let disposition = ContentDisposition::from_raw(value).ok()?;
    file_name_of(Some(&disposition)).filter(|name| !name.is_empty())
}

/// Whether a request says that its body is a form with files.
pub(crate) fn is_multipart(headers: &HeaderMap) -> bool {
    content_type(headers) == "multipart/form-data"
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
    mut stream: impl Stream<Item = Result<Bytes, String>> + Unpin,
    file_name: String,
    keep: Keep,
) -> Result<FileUpload, Problem> {
    let mut writer = Writer::begin(state, keep).await?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|cause| Problem::cut_off(&cause))?;
        writer.write(chunk).await?;
    }
    let (blob, head) = writer.finish().await?;
    let detected = detect_media_type(&file_name, &head);
    Ok(FileUpload { blob, file_name, detected, accept_mismatch: false })
}

/// Gathers chunks and writes them on blocking threads. Dropped half-way, it takes everything back.
struct Writer {
    upload: Option<Upload>,
    gathered: BytesMut,
    scratch: Option<BlobStore>,
}

impl Writer {
    async fn begin(state: &State, keep: Keep) -> Result<Writer, Problem> {
        let app = state.app.clone();
        let (upload, scratch) = blocking(move || {
            let limit = app.settings().upload_bytes_max;
            match keep {
                Keep::Bytes => Ok((app.blobs().begin(limit)?, None)),
                Keep::Nothing => {
                    let scratch = BlobStore::open(app.settings().data_dir.join("dry-run"))?;
                    Ok((scratch.begin(limit)?, Some(scratch)))
                }
            }
        })
        .await?;
        Ok(Writer { upload: Some(upload), gathered: BytesMut::new(), scratch })
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

    async fn finish(mut self) -> Result<(Blob, Vec<u8>), Problem> {
        self.flush().await?;
        let Some(upload) = self.upload.take() else { return Err(Error::internal("upload finished twice").into()) };
        let scratch = self.scratch.take();
        blocking(move || {
            let head = upload.head().to_vec();
            let blob = upload.finish()?;
            if let Some(scratch) = scratch {
                scratch.remove(&blob.sha256)?;
            }
            Ok((blob, head))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Problem> {
    match web::block(f).await {
        Ok(result) => result.map_err(Problem::from),
        Err(error) => Err(Error::internal(error.to_string()).into()),
    }
}

async fn read_text(mut part: Field, name: &str) -> Result<String, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = part.next().await {
        let chunk = chunk.map_err(|error| Problem::cut_off(&error.to_string()))?;
        if bytes.len() + chunk.len() > TEXT_BYTES_MAX {
            return Err(Error::TooLarge { limit: TEXT_BYTES_MAX as u64 }.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    let name: String = name.chars().take(100).collect();
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
fn file_name_of(disposition: Option<&ContentDisposition>) -> Option<String> {
    let disposition = disposition?;
    let extended = disposition.parameters.iter().find_map(|parameter| match parameter {
        DispositionParam::FilenameExt(value) => String::from_utf8(value.value.clone()).ok(),
        _ => None,
    });
    // Browsers escape the quote, and only it and line breaks, as %22.
    extended.or_else(|| disposition.get_filename().map(|name| name.replace("%22", "\"")))
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
        file_name_of_request(&headers)
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
}
