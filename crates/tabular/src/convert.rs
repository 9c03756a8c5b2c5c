//! Whole tables in another format, row by row.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Read, Seek, Write};

use crate::delimited::each_delimited;
use crate::json::each_json;
use crate::preview::{FileName, Kind, file_of, kind_of};
use crate::table::{HEADER_SEARCH, data_below, is_blank};
use crate::workbook::{each_xls, each_xlsx};
use crate::{Error, Limits};

/// Formats that tables are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetFormat {
    /// Comma-separated values (RFC 4180) in UTF-8, lines ended by CRLF: every row of the file as it stands, titles above the header included.
    Csv,
    /// The same with tabs.
    Tsv,
    /// A JSON array of objects, one on a line: each row below the header, its values by the names of the columns.
    Json,
}

impl TargetFormat {
    /// All of them.
    pub const ALL: [TargetFormat; 3] = [TargetFormat::Csv, TargetFormat::Tsv, TargetFormat::Json];

    /// The name in addresses, and the extension of files.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetFormat::Csv => "csv",
            TargetFormat::Tsv => "tsv",
            TargetFormat::Json => "json",
        }
    }

    /// The format of that name.
    pub fn parse(text: &str) -> Option<TargetFormat> {
        TargetFormat::ALL.into_iter().find(|format| format.as_str() == text)
    }

    /// The value of a `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            TargetFormat::Csv => "text/csv; charset=utf-8",
            TargetFormat::Tsv => "text/tab-separated-values; charset=utf-8",
            TargetFormat::Json => "application/json",
        }
    }
}

/// What a conversion may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversionLimits {
    /// Most bytes of a CSV, TSV, JSON or GeoJSON file.
    pub bytes: u64,
    /// Most bytes of a workbook.
    pub document_bytes: u64,
    /// Most bytes that an XLSX file may unpack to.
    pub unpacked_bytes: u64,
    /// Most bytes written.
    pub written_bytes: u64,
}

impl Default for ConversionLimits {
    fn default() -> Self {
        ConversionLimits { bytes: 200_000_000, document_bytes: 32_000_000, unpacked_bytes: 200_000_000, written_bytes: 500_000_000 }
    }
}

/// Most columns of a table whose columns are known only by their names in JSON objects.
pub(crate) const COLUMNS_MAX: usize = 2_000;
/// Rows that are waited for before the header is decided: as many as a preview looks at.
const HEADER_ROWS: usize = HEADER_SEARCH + 100;

/// Writes the whole table in the file behind `reader` to `out`; `bom` puts a byte order mark before CSV and TSV. Rows without a value are left out.
///
/// What is in memory does not grow with a CSV, TSV or JSON file. After an error, what was written is of no use.
pub fn convert<R: Read + Seek, W: Write>(
    mut reader: R,
    file_name: &str,
    media_type: Option<&str>,
    target: TargetFormat,
    bom: bool,
    limits: ConversionLimits,
    out: W,
) -> Result<(), Error> {
    let file = file_of(file_name, media_type);
    let byte_size = reader.seek(io::SeekFrom::End(0))?;
    let kind = kind_of(&mut reader, &file)?;
    let mut limited = Limited { inner: out, left: limits.written_bytes, exceeded: false };
    let written = write_table(reader, byte_size, kind, &file, target, bom, limits, &mut limited);
    match written {
        Err(Error::Io(_)) if limited.exceeded => Err(Error::TooLarge { file_name: file.name(), limit: limits.written_bytes }),
        written => written,
    }
}

#[allow(clippy::too_many_arguments, reason = "the body of `convert`, apart so that every error passes one place")]
fn write_table<R: Read + Seek>(
    reader: R,
    byte_size: u64,
    kind: Kind,
    file: &FileName<'_>,
    target: TargetFormat,
    bom: bool,
    limits: ConversionLimits,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut rows = Rows::new(target, bom, out)?;
    let workbook = Limits { document_bytes: limits.document_bytes, unpacked_bytes: limits.unpacked_bytes, ..Limits::default() };
    file.check_size(byte_size, if matches!(kind, Kind::Xlsx | Kind::Xls) { limits.document_bytes } else { limits.bytes })?;
    match kind {
        Kind::Xlsx => each_xlsx(reader, file, workbook, &mut rows)?,
        Kind::Xls => each_xls(reader, file, workbook, &mut rows)?,
        Kind::Json => each_json(reader, file, &mut rows)?,
        Kind::Delimited => each_delimited(reader, file, &mut rows)?,
    }
    rows.finish(file)
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell<'a> {
    /// As it is shown.
    pub(crate) text: Cow<'a, str>,
    /// As JSON, when it is no text.
    pub(crate) json: Option<Cow<'a, str>>,
}

impl<'a> Cell<'a> {
    pub(crate) fn text(text: &'a str) -> Cell<'a> {
        Cell { text: text.into(), json: None }
    }

    /// A place where there is nothing.
    pub(crate) fn null() -> Cell<'a> {
        Cell { text: "".into(), json: Some("null".into()) }
    }

    fn into_owned(self) -> Cell<'static> {
        Cell { text: self.text.into_owned().into(), json: self.json.map(|json| json.into_owned().into()) }
    }
}

/// Rows on their way into a file.
pub(crate) struct Rows<'w> {
    writer: Writer<'w>,
    any: bool,
}

enum Writer<'w> {
    Delimited(Box<csv::Writer<&'w mut dyn Write>>),
    Objects(Objects<'w>),
}

impl<'w> Rows<'w> {
    fn new(target: TargetFormat, bom: bool, out: &'w mut dyn Write) -> Result<Rows<'w>, Error> {
        let writer = match target {
            TargetFormat::Json => Writer::Objects(Objects { out, waiting: Vec::new(), names: None, first: true }),
            TargetFormat::Csv | TargetFormat::Tsv => {
                if bom {
                    out.write_all("\u{FEFF}".as_bytes())?;
                }
                let delimiter = if target == TargetFormat::Tsv { b'\t' } else { b',' };
                let mut builder = csv::WriterBuilder::new();
                builder.has_headers(false).flexible(true).delimiter(delimiter).terminator(csv::Terminator::CRLF);
                Writer::Delimited(Box::new(builder.from_writer(out)))
            }
        };
        Ok(Rows { writer, any: false })
    }

    /// Names the columns, where the file itself does; before the first row.
    pub(crate) fn columns(&mut self, names: &[String]) -> Result<(), Error> {
        match &mut self.writer {
            Writer::Delimited(writer) => writer.write_record(names).map_err(csv_error),
            Writer::Objects(objects) => {
                objects.begin(names.to_vec())?;
                Ok(())
            }
        }
    }

    /// Takes the next row in. A `None` is a place that this row does not have.
    pub(crate) fn sparse_row(&mut self, cells: &[Option<Cell<'_>>]) -> Result<(), Error> {
        self.any = true;
        match &mut self.writer {
            Writer::Delimited(writer) => {
                let texts = cells.iter().map(|cell| cell.as_ref().map_or("", |cell| &cell.text));
                writer.write_record(texts).map_err(csv_error)
            }
            Writer::Objects(objects) => Ok(objects.write(cells.iter().enumerate().filter_map(|(at, cell)| Some((at, cell.as_ref()?))))?),
        }
    }

    /// Takes the next row in.
    pub(crate) fn row(&mut self, cells: Vec<Cell<'_>>) -> Result<(), Error> {
        self.any = true;
        match &mut self.writer {
            Writer::Delimited(writer) => writer.write_record(cells.iter().map(|cell| cell.text.as_ref())).map_err(csv_error),
            Writer::Objects(objects) => Ok(objects.row(cells)?),
        }
    }

    fn finish(self, file: &FileName<'_>) -> Result<(), Error> {
        if !self.any {
            return Err(file.empty());
        }
        match self.writer {
            Writer::Delimited(mut writer) => Ok(writer.flush()?),
            Writer::Objects(objects) => Ok(objects.finish()?),
        }
    }
}

fn csv_error(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::Io(error),
        other => Error::Io(io::Error::other(format!("{other:?}"))),
    }
}

/// Rows as JSON objects. The first rows wait until it is known which of them is the header.
struct Objects<'w> {
    out: &'w mut dyn Write,
    waiting: Vec<Vec<Cell<'static>>>,
    /// The keys; `None` until they are known. Empty for a column without a name.
    names: Option<Vec<String>>,
    first: bool,
}

impl Objects<'_> {
    fn begin(&mut self, names: Vec<String>) -> io::Result<()> {
        self.names = Some(names);
        self.out.write_all(b"[")
    }

    fn row(&mut self, cells: Vec<Cell<'_>>) -> io::Result<()> {
        if self.names.is_some() {
            return self.write(cells.iter().enumerate());
        }
        self.waiting.push(cells.into_iter().map(Cell::into_owned).collect());
        if self.waiting.len() < HEADER_ROWS { Ok(()) } else { self.settle() }
    }

    /// Decides which of the waiting rows is the header, and writes those below it.
    fn settle(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let texts: Vec<Vec<String>> = waiting.iter().map(|row| row.iter().map(|cell| cell.text.to_string()).collect()).collect();
        let (names, below) = data_below(&texts);
        self.begin(keys(names))?;
        for row in &waiting[below..] {
            self.write(row.iter().enumerate())?;
        }
        Ok(())
    }

    fn write<'c>(&mut self, cells: impl Iterator<Item = (usize, &'c Cell<'c>)>) -> io::Result<()> {
        self.out.write_all(if self.first { b"\n{" } else { b",\n{" })?;
        self.first = false;
        let names = self.names.as_deref().unwrap_or_default();
        let mut first = true;
        for (at, cell) in cells {
            let unnamed;
            let name = match names.get(at).filter(|name| !name.is_empty()) {
                Some(name) => name,
                // What has neither name nor value is the sheet's paper, not its table.
                None if is_blank(&cell.text) => continue,
                None => {
                    unnamed = unnamed_key(at, names);
                    &unnamed
                }
            };
            if !first {
                self.out.write_all(b",")?;
            }
            first = false;
            write_text(self.out, name)?;
            self.out.write_all(b":")?;
            match &cell.json {
                Some(json) => self.out.write_all(json.as_bytes())?,
                None => write_text(self.out, &cell.text)?,
            }
        }
        self.out.write_all(b"}")
    }

    fn finish(mut self) -> io::Result<()> {
        if self.names.is_none() {
            self.settle()?;
        }
        self.out.write_all(if self.first { b"]\n" } else { b"\n]\n" })?;
        self.out.flush()
    }
}

fn write_text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

/// Names that may be the keys of one object: the second of two equal ones gets a number.
fn keys(names: Vec<String>) -> Vec<String> {
    let mut seen: HashSet<String> = HashSet::new();
    let distinct = names.into_iter().map(|name| {
        if is_blank(&name) {
            return String::new();
        }
        let mut key = name.clone();
        let mut number = 1;
        while !seen.insert(key.clone()) {
            number += 1;
            key = format!("{name}_{number}");
        }
        key
    });
    distinct.collect()
}

/// The key of a column without a name: its number from 1, told apart from columns that are called so.
fn unnamed_key(at: usize, names: &[String]) -> String {
    let mut key = format!("column_{}", at + 1);
    while names.contains(&key) {
        key.push('_');
    }
    key
}

/// Refuses to write more than so many bytes.
struct Limited<W> {
    inner: W,
    left: u64,
    exceeded: bool,
}

impl<W: Write> Write for Limited<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            self.exceeded = true;
            return Err(io::Error::other("the converted file is too large"));
        }
        let count = self.inner.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn converted(name: &str, bytes: &[u8], target: TargetFormat) -> Result<String, Error> {
        let mut out = Vec::new();
        convert(Cursor::new(bytes), name, None, target, false, ConversionLimits::default(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn check(name: &str, bytes: &[u8], csv: &str, json: &str) {
        assert_eq!(converted(name, bytes, TargetFormat::Csv).unwrap(), csv);
        assert_eq!(converted(name, bytes, TargetFormat::Tsv).unwrap(), csv.replace(',', "\t"));
        let text = converted(name, bytes, TargetFormat::Json).unwrap();
        assert_eq!(text, json);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn shift_jis_becomes_utf8_and_zeros_stay() {
        let (bytes, ..) = encoding_rs::SHIFT_JIS.encode("コード,名称\r\n034100,中央公民館\r\n\r\n012,﨑山\r\n");
        check(
            "a.csv",
            &bytes,
            "コード,名称\r\n034100,中央公民館\r\n012,﨑山\r\n",
            "[\n{\"コード\":\"034100\",\"名称\":\"中央公民館\"},\n{\"コード\":\"012\",\"名称\":\"﨑山\"}\n]\n",
        );
    }

    #[test]
    fn rows_above_the_header_stay_in_csv_and_are_no_objects() {
        check(
            "a.csv",
            "避難所一覧,,\n番号,名称,\n1,公民館,海側\n2,体育館,\n".as_bytes(),
            "避難所一覧,,\r\n番号,名称,\r\n1,公民館,海側\r\n2,体育館,\r\n",
            "[\n{\"番号\":\"1\",\"名称\":\"公民館\",\"column_3\":\"海側\"},\n{\"番号\":\"2\",\"名称\":\"体育館\"}\n]\n",
        );
    }

    #[test]
    fn equal_names_are_told_apart_and_ragged_rows_kept() {
        check(
            "a.csv",
            b"a,b,a\n1,2,3\n4\n5,6,7,8\n",
            "a,b,a\r\n1,2,3\r\n4\r\n5,6,7,8\r\n",
            "[\n{\"a\":\"1\",\"b\":\"2\",\"a_2\":\"3\"},\n{\"a\":\"4\"},\n{\"a\":\"5\",\"b\":\"6\",\"a_2\":\"7\",\"column_4\":\"8\"}\n]\n",
        );
    }

    #[test]
    fn quotes_and_breaks_survive() {
        let text = converted("a.tsv", "a\tb\n\"x\ny\"\t\"1,2 \"\"q\"\"\"\n".as_bytes(), TargetFormat::Csv).unwrap();
        assert_eq!(text, "a,b\r\n\"x\ny\",\"1,2 \"\"q\"\"\"\r\n");
        let text = converted("a.csv", "a,b\n\"x\ny\",\"\t\u{1}\"\n".as_bytes(), TargetFormat::Json).unwrap();
        assert_eq!(text, "[\n{\"a\":\"x\\ny\",\"b\":\"\\t\\u0001\"}\n]\n");
    }

    #[test]
    fn a_mark_is_written_on_demand_and_never_read() {
        let mut out = Vec::new();
        let source = "\u{FEFF}a,b\n1,2\n";
        convert(Cursor::new(source), "a.csv", None, TargetFormat::Csv, true, ConversionLimits::default(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\u{FEFF}a,b\r\n1,2\r\n");
        assert_eq!(converted("a.csv", source.as_bytes(), TargetFormat::Csv).unwrap(), "a,b\r\n1,2\r\n");
    }

    #[test]
    fn objects_become_rows_with_all_their_columns() {
        check(
            "a.json",
            "{\"crs\": {\"x\": [{\"no\": 1}]}, \"records\": [{\"a\": 1.50, \"b\": true}, {\"c\": null, \"a\": \"x\"}], \"more\": [{\"z\": 9}]}".as_bytes(),
            "a,b,c\r\n1.5,true,\r\nx,,\r\n",
            "[\n{\"a\":1.5,\"b\":true},\n{\"a\":\"x\",\"c\":null}\n]\n",
        );
    }

    #[test]
    fn features_keep_their_geometry() {
        let text = r#"{"type": "FeatureCollection", "names": [{"no": 1}], "features": [
            {"type": "Feature", "properties": {"名称": "公民館", "階": [1, 2]}, "geometry": {"type": "Point", "coordinates": [132.4, 34.3]}},
            {"type": "Feature", "geometry": null, "properties": {"名称": "体育館"}}]}"#;
        let csv = converted("a.geojson", text.as_bytes(), TargetFormat::Csv).unwrap();
        assert_eq!(
            csv,
            "名称,階,geometry\r\n公民館,\"[1,2]\",\"{\"\"type\"\":\"\"Point\"\",\"\"coordinates\"\":[132.4,34.3]}\"\r\n体育館,,\r\n"
        );
        let json = converted("a.geojson", text.as_bytes(), TargetFormat::Json).unwrap();
        let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(rows[0]["geometry"]["coordinates"][0], 132.4);
        assert_eq!((&rows[1]["geometry"], rows.as_array().unwrap().len()), (&serde_json::Value::Null, 2));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (name, bytes) in [
            ("a.pdf", &b"%PDF-1.7"[..]),
            ("a.csv", b"<!DOCTYPE html><html></html>"),
            ("a.csv", b""),
            ("a.csv", b"\n,\n"),
            ("a.json", b"{\"message\": \"none\"}"),
            ("a.json", b"[]"),
            ("a.json", b"[{\"a\": 1}, {\"a\": }]"),
            ("a.xlsx", b"PK\x03\x04broken"),
        ] {
            for target in TargetFormat::ALL {
                assert!(!matches!(converted(name, bytes, target).unwrap_err(), Error::Io(_)), "{name} {}", target.as_str());
            }
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_is_named() {
        for rest in ["3,4\n".repeat(400), "x".repeat(5_000_000)] {
            let error = converted("a.csv", format!("a,b\n1,2\n\"3,4\n{rest}").as_bytes(), TargetFormat::Csv).unwrap_err();
            assert!(error.to_string().contains("record 3"), "{error}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        let text = "a,b\n1,2\n".repeat(1_000);
        for limits in [
            ConversionLimits { bytes: 7_000, ..ConversionLimits::default() },
            ConversionLimits { written_bytes: 7_000, ..ConversionLimits::default() },
        ] {
            for target in TargetFormat::ALL {
                let result = convert(Cursor::new(&text), "a.csv", None, target, false, limits, &mut Vec::new());
                assert!(matches!(result, Err(Error::TooLarge { limit: 7_000, .. })), "{result:?}");
            }
        }
        let many: String = (0..=COLUMNS_MAX).map(|number| format!("{{\"c{number}\": 1}},")).collect();
        let error = converted("a.json", format!("[{}]", many.trim_end_matches(',')).as_bytes(), TargetFormat::Csv).unwrap_err();
        assert!(matches!(error, Error::Broken { .. }), "{error}");
    }

    #[test]
    fn the_header_of_a_long_table_is_that_of_its_preview() {
        let text = format!("表題,,\n番号,名称,住所\n{}", "1,公民館,呉市\n".repeat(1_000));
        let rows: serde_json::Value = serde_json::from_str(&converted("a.csv", text.as_bytes(), TargetFormat::Json).unwrap()).unwrap();
        assert_eq!((rows.as_array().unwrap().len(), rows[999]["住所"].as_str()), (1_000, Some("呉市")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_converted_or_refused(start in 0..7_usize, rest in any::<Vec<u8>>(), name in 0..6_usize) {
            let starts: [&[u8]; 7] =
                [b"", b"PK\x03\x04", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", b"{\"features\":[", b"[{", b"\xFF\xFE", b"a,b\n\"1"];
            let names = ["a.csv", "a.tsv", "a.xlsx", "a.xls", "a.geojson", ""];
            let bytes = [starts[start], &rest].concat();
            for target in TargetFormat::ALL {
                let result = converted(names[name], &bytes, target);
                if let (Ok(text), TargetFormat::Json) = (result, target) {
                    prop_assert!(serde_json::from_str::<Vec<serde_json::Map<String, serde_json::Value>>>(&text).is_ok());
                }
            }
        }

        #[test]
        fn csv_says_the_same_after_conversion(cells in proptest::collection::vec(proptest::collection::vec("[a-z あ\"\n,]{0,5}", 3), 1..20)) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            for row in &cells {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let kept: Vec<&Vec<String>> = cells.iter().filter(|row| !row.iter().all(|cell| is_blank(cell))).collect();
            match converted("a.csv", &bytes, TargetFormat::Csv) {
                Ok(text) => {
                    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
                    let read: Vec<Vec<String>> = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
                    prop_assert_eq!(read.iter().collect::<Vec<_>>(), kept);
                }
                Err(error) => {
                    let is_empty = matches!(error, Error::Empty { .. });
                    prop_assert!(is_empty && kept.is_empty());
                }
            }
        }
    }
}
