//! The first rows of a file, whatever it is.

use std::io::{Read, Seek, SeekFrom};

use minato_catalog::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::delimited::preview_delimited;
use crate::json::preview_json;
use crate::workbook::{preview_xls, preview_xlsx};
use crate::{Encoding, Error, decode};

/// How much of a file is read and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most rows shown.
    pub rows: usize,
    /// Most columns shown.
    pub columns: usize,
    /// Most characters of a cell shown.
    pub cell_chars: usize,
    /// Most bytes read of a CSV or TSV file, from its beginning.
    pub bytes: u64,
    /// Most bytes of a file that must be read whole: XLSX, XLS. Of JSON this much is read.
    pub document_bytes: u64,
    /// Most bytes that an XLSX file may unpack to.
    pub unpacked_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { rows: 100, columns: 200, cell_chars: 300, bytes: 2_000_000, document_bytes: 32_000_000, unpacked_bytes: 200_000_000 }
    }
}

/// Formats that are read as tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TableFormat {
    /// Texts between commas, semicolons or tabs.
    Csv,
    /// Texts between tabs, by name.
    Tsv,
    /// Excel workbook.
    Xlsx,
    /// Excel workbook of 2003 and before.
    Xls,
    /// GeoJSON FeatureCollection.
    GeoJson,
    /// JSON list of objects.
    Json,
}

/// The first rows of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// What the file is, by its bytes.
    pub format: TableFormat,
    /// How its text is written; `null` for workbooks.
    pub encoding: Option<Encoding>,
    /// Name of the sheet shown; `null` for files without sheets.
    pub sheet: Option<String>,
    /// Column names in order, line breaks made spaces; empty where the file has none. As many as every row has cells.
    pub columns: Vec<String>,
    /// Rows in order, without those that have no value. Cells are texts as they stand in the file, clipped.
    pub rows: Vec<Vec<String>>,
    /// Rows below the header with at least one value; `null` when the file was not read to its end.
    pub total_rows: Option<u64>,
    /// Whether rows, columns or parts of cells are left out.
    pub truncated: bool,
    /// What was recognized or is odd, for publisher and reader.
    pub notes: Vec<Text>,
}

/// The first rows of the file behind `reader`, which is read from its beginning.
///
/// The bytes decide what it is; `file_name` and `media_type` only where bytes cannot, and to name the file in messages.
pub fn preview<R: Read + Seek>(mut reader: R, file_name: &str, media_type: Option<&str>, limits: Limits) -> Result<Preview, Error> {
    let file = file_of(file_name, media_type);
    let byte_size = reader.seek(SeekFrom::End(0))?;
    match kind_of(&mut reader, &file)? {
        Kind::Xlsx => {
            file.check_size(byte_size, limits.document_bytes)?;
            preview_xlsx(reader, &file, limits)
        }
        Kind::Xls => {
            file.check_size(byte_size, limits.document_bytes)?;
            preview_xls(reader, &file, limits)
        }
        Kind::Json => preview_json(reader, byte_size, &file, limits),
        Kind::Delimited => preview_delimited(reader, byte_size, &file, limits),
    }
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Xlsx,
    Xls,
    Json,
    Delimited,
}

/// What a file is by its beginning, and by its name where that does not say. The reader is at the beginning again.
pub(crate) fn kind_of<R: Read + Seek>(reader: &mut R, file: &FileName<'_>) -> Result<Kind, Error> {
    reader.rewind()?;
    let mut head = Vec::new();
    reader.by_ref().take(4096).read_to_end(&mut head)?;
    reader.rewind()?;
    if head.is_empty() {
        return Err(file.empty());
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Kind::Xlsx);
    }
    if head.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return Ok(Kind::Xls);
    }
    if let Some(found) = not_a_table(&head) {
        return Err(file.unsupported(found));
    }
    let start = decode(&head).text;
    let start = start.trim_start();
    if is_html(start) {
        return Err(Error::Html { file_name: file.name() });
    }
    let json_name = file.extension.ends_with("json") || file.media_type.contains("json");
    if json_name || !file.is_delimited() && start.starts_with(['{', '[']) || is_json(start) {
        return Ok(Kind::Json);
    }
    if !file.may_be_delimited() {
        return Err(file.unsupported(&file.extension.to_uppercase()));
    }
    Ok(Kind::Delimited)
}

/// A file by its name and, where known, its media type.
pub(crate) fn file_of<'a>(name: &'a str, media_type: Option<&'a str>) -> FileName<'a> {
    FileName { full: name, extension: extension(name), media_type: media_type.unwrap_or_default() }
}

/// The file as messages name it.
pub(crate) struct FileName<'a> {
    full: &'a str,
    extension: String,
    media_type: &'a str,
}

impl FileName<'_> {
    pub(crate) fn name(&self) -> String {
        self.full.chars().take(120).collect()
    }

    pub(crate) fn empty(&self) -> Error {
        Error::Empty { file_name: self.name() }
    }

    pub(crate) fn unsupported(&self, found: &str) -> Error {
        Error::Unsupported { file_name: self.name(), found: found.chars().take(40).collect() }
    }

    pub(crate) fn broken(&self, format: &'static str, detail: impl std::fmt::Display) -> Error {
        Error::Broken { file_name: self.name(), format, detail: detail.to_string().chars().take(200).collect() }
    }

    pub(crate) fn is_tsv(&self) -> bool {
        matches!(self.extension.as_str(), "tsv" | "tab") || self.media_type.starts_with("text/tab-separated-values")
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.extension == extension
    }

    fn is_delimited(&self) -> bool {
        self.is_tsv() || self.extension == "csv" || self.media_type.starts_with("text/csv")
    }

    /// Texts without a better name are tried as CSV; texts with a name of their own are not.
    fn may_be_delimited(&self) -> bool {
        let workbook = matches!(self.extension.as_str(), "xlsx" | "xls" | "xlsm");
        let unnamed = matches!(self.extension.as_str(), "" | "txt" | "dat");
        let unknown = matches!(self.media_type, "" | "text/plain" | "application/octet-stream");
        self.is_delimited() || workbook || unnamed && (unknown || !self.extension.is_empty())
    }

    pub(crate) fn check_size(&self, byte_size: u64, limit: u64) -> Result<(), Error> {
        if byte_size > limit { Err(Error::TooLarge { file_name: self.name(), limit }) } else { Ok(()) }
    }
}

fn extension(file_name: &str) -> String {
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    base.rsplit_once('.').map_or("", |(_, extension)| extension.trim()).to_lowercase()
}

/// Formats known by their first bytes that are no tables here.
fn not_a_table(head: &[u8]) -> Option<&'static str> {
    let signatures: [(&[u8], &str); 10] = [
        (b"%PDF-", "PDF"),
        (b"\x89PNG\r\n", "PNG"),
        (b"\xFF\xD8\xFF", "JPEG"),
        (b"GIF8", "GIF"),
        (b"\x1F\x8B", "GZIP"),
        (b"7z\xBC\xAF\x27\x1C", "7Z"),
        (b"Rar!\x1A\x07", "RAR"),
        (b"SQLite format 3\0", "SQLite"),
        (b"PAR1", "Parquet"),
        (b"\0\0\x27\x0A", "Shapefile"),
    ];
    signatures.iter().find(|(signature, _)| head.starts_with(signature)).map(|(_, name)| *name)
}

fn is_html(start: &str) -> bool {
    let lower: String = start.chars().take(600).collect::<String>().to_ascii_lowercase();
    let mut rest = lower.as_str();
    while let Some((_, after)) = rest.strip_prefix("<!--").and_then(|comment| comment.split_once("-->")) {
        rest = after.trim_start();
    }
    let page = ["<!doctype html", "<html", "<head>", "<head ", "<body", "<script", "<meta ", "<table", "<title"];
    page.iter().any(|tag| rest.starts_with(tag)) || rest.starts_with("<?xml") && rest.contains("<html")
}

/// `[1]牛田` may begin a CSV, so a bracket alone is not enough.
fn is_json(start: &str) -> bool {
    let Some(rest) = start.strip_prefix(['{', '[']) else { return false };
    rest.trim_start().starts_with(['"', '{'])
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn error(file_name: &str, bytes: &[u8]) -> Error {
        preview(Cursor::new(bytes), file_name, None, Limits::default()).unwrap_err()
    }

    #[test]
    fn web_pages_behind_csv_are_refused_with_a_way_out() {
        for page in ["<!DOCTYPE html><html></html>", "\u{FEFF}\r\n<HTML>", "<!-- ログイン --> <html>", "<?xml version=\"1.0\"?><html>"]
        {
            let error = error("hinanjo.csv", page.as_bytes());
            assert!(matches!(error, Error::Html { .. }), "{error:?}");
            assert!(error.text().ja.contains("hinanjo.csv") && error.text().en.contains("download the original file again"));
        }
    }

    #[test]
    fn what_is_no_table_is_named() {
        for (name, bytes, found) in [
            ("a.csv", b"%PDF-1.7".as_slice(), "PDF"),
            ("a.png", b"\x89PNG\r\n\x1A\n", "PNG"),
            ("a.xml", b"<?xml version=\"1.0\"?><a/>", "XML"),
            ("a.ttl", b"@prefix a: <b> .", "TTL"),
            ("a.md", b"# a, b", "MD"),
        ] {
            assert!(error(name, bytes).to_string().contains(found), "{name}");
        }
        assert!(matches!(error("a.csv", b""), Error::Empty { .. }));
    }

    #[test]
    fn bytes_go_before_names() {
        let table = preview(Cursor::new("a,b\n1,2\n"), "a.xlsx", None, Limits::default()).unwrap();
        assert_eq!(table.format, TableFormat::Csv);
        let table = preview(Cursor::new("[{\"a\":1}]"), "a.csv", Some("text/csv"), Limits::default()).unwrap();
        assert_eq!(table.format, TableFormat::Json);
        let table = preview(Cursor::new("[1]牛田,2\n3,4\n"), "a.csv", Some("text/csv"), Limits::default()).unwrap();
        assert_eq!(table.format, TableFormat::Csv);
        let table = preview(Cursor::new("a,b\n1,2\n"), "download", Some("application/octet-stream"), Limits::default()).unwrap();
        assert_eq!(table.format, TableFormat::Csv);
    }

    #[test]
    fn formats_are_sent_in_upper_case() {
        let table = preview(Cursor::new("a,b\n1,2\n"), "a.csv", None, Limits::default()).unwrap();
        let json = serde_json::to_value(&table).unwrap();
        assert_eq!((json["format"].as_str(), json["encoding"].as_str()), (Some("CSV"), Some("UTF-8")));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_table_or_an_error(start in 0..7_usize, rest in any::<Vec<u8>>(), name in 0..6_usize, rows in 0..4_usize, columns in 0..4_usize) {
            let starts: [&[u8]; 7] =
                [b"", b"PK\x03\x04", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", b"{\"features\":[", b"[{", b"\xFF\xFE", b"a,b\n\"1"];
            let names = ["a.csv", "a.tsv", "a.xlsx", "a.xls", "a.geojson", ""];
            let bytes = [starts[start], &rest].concat();
            let limits = Limits { rows, columns, ..Limits::default() };
            if let Ok(table) = preview(Cursor::new(bytes), names[name], None, limits) {
                prop_assert!(table.rows.len() <= rows && table.columns.len() <= columns);
                prop_assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
            }
        }

        #[test]
        fn any_text_gives_a_rectangle(text in "([a-z\"あ0-9]{0,4}[,;\t\n\r]){0,60}") {
            if let Ok(table) = preview(Cursor::new(text), "a.csv", None, Limits::default()) {
                prop_assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
                prop_assert_eq!(table.total_rows.unwrap() >= table.rows.len() as u64, true);
            }
        }
    }
}
