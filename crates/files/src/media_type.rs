//! What a file is, by its name and by its first bytes.

use minato_catalog::Text;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// Media type without parameters; the charset of a text is not known here. When name and bytes disagree, what the bytes are.
    pub media_type: String,
    /// What decided.
    pub from: Evidence,
    /// Set when name and bytes disagree: what the bytes are and what to do.
    pub mismatch: Option<Text>,
}

/// What decided the media type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The extension; the bytes do not say otherwise.
    Name,
    /// The bytes.
    Bytes,
}

/// What a file is, by its name and its first bytes ([`HEAD_BYTES`](crate::HEAD_BYTES) are plenty; with none, the name decides).
///
/// `application/octet-stream` when neither says anything.
pub fn detect_media_type(file_name: &str, head: &[u8]) -> Detected {
    let extension = extension(file_name);
    let named = media_type_of_extension(&extension);
    let content = Content::of(head);
    match (named, content) {
        (Some(named), content) if content.fits(&extension, &named) => Detected { media_type: named, from: Evidence::Name, mismatch: None },
        (Some(_), content) => Detected {
            media_type: content.media_type(),
            from: Evidence::Bytes,
            mismatch: Some(mismatch_text(file_name, &extension, &content)),
        },
        (None, content) => {
            let from = if matches!(content, Content::Nothing | Content::Binary) { Evidence::Name } else { Evidence::Bytes };
            Detected { media_type: content.media_type(), from, mismatch: None }
        }
    }
}

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// There are none.
    Nothing,
    Html,
    Xml,
    Json,
    /// Text of no known kind, so perhaps CSV.
    Text,
    Pdf,
    Xlsx,
    Docx,
    Pptx,
    Ods,
    /// A ZIP of no known kind, so perhaps any of the above.
    Zip,
    /// The container of XLS, DOC, PPT and 一太郎.
    Ole,
    Sqlite,
    Parquet,
    /// Anything else with a signature.
    Other(&'static str),
    /// Bytes that are neither text nor known.
    Binary,
}

impl Content {
    fn of(head: &[u8]) -> Content {
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
        if head.is_empty() {
            Content::Nothing
        } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            Content::of_zip(head)
        } else if head.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
            Content::Ole
        } else if text.starts_with(b"%PDF-") {
            Content::Pdf
        } else if head.starts_with(b"SQLite format 3\0") {
            Content::Sqlite
        } else if head.starts_with(b"PAR1") {
            Content::Parquet
        } else if is_html(text) {
            Content::Html
        } else if starts_with(text, b"<?xml") {
            // XHTML hides behind an XML declaration.
            if contains(head, b"<html") { Content::Html } else { Content::Xml }
        } else if let Some(media_type) = binary_signature(head) {
            Content::Other(media_type)
        } else if is_binary(head) {
            Content::Binary
        } else if is_json(text) {
            Content::Json
        } else {
            Content::Text
        }
    }

    /// Office files are ZIPs whose first entries tell; a head too short to tell is a ZIP.
    fn of_zip(head: &[u8]) -> Content {
        if contains(head, b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet") {
            Content::Ods
        } else if contains(head, b"xl/workbook") || contains(head, b"xl/worksheets/") || contains(head, b"xl/_rels/") {
            Content::Xlsx
        } else if contains(head, b"word/document") || contains(head, b"word/_rels/") {
            Content::Docx
        } else if contains(head, b"ppt/presentation") || contains(head, b"ppt/slides/") || contains(head, b"ppt/_rels/") {
            Content::Pptx
        } else {
            Content::Zip
        }
    }

    fn media_type(&self) -> String {
        let media_type = match self {
            Content::Html => "text/html",
            Content::Xml => "application/xml",
            Content::Json => "application/json",
            Content::Text => "text/plain",
            Content::Pdf => "application/pdf",
            Content::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Content::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Content::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Content::Ods => "application/vnd.oasis.opendocument.spreadsheet",
            Content::Zip => "application/zip",
            Content::Ole => "application/x-ole-storage",
            Content::Sqlite => "application/vnd.sqlite3",
            Content::Parquet => "application/vnd.apache.parquet",
            Content::Other(media_type) => media_type,
            Content::Nothing | Content::Binary => "application/octet-stream",
        };
        media_type.to_owned()
    }

    /// Whether a file of that extension and media type may begin like this. In doubt it may.
    fn fits(&self, extension: &str, named: &str) -> bool {
        let named_text = is_text_type(named);
        match self {
            Content::Nothing => true,
            Content::Html => matches!(named, "text/html" | "application/xhtml+xml") || named == "text/plain",
            Content::Xml => named_text && !TABLE_TYPES.contains(&named) && !named.contains("json") || named == "image/svg+xml",
            Content::Json => named_text && !TABLE_TYPES.contains(&named) && !is_xml_type(named),
            Content::Text => named_text || !HAS_SIGNATURE.contains(&extension),
            Content::Pdf => matches!(extension, "pdf" | "ai"),
            Content::Xlsx => matches!(extension, "xlsx" | "xlsm" | "xltx" | "xlam" | "zip"),
            Content::Docx => matches!(extension, "docx" | "docm" | "dotx" | "zip"),
            Content::Pptx => matches!(extension, "pptx" | "pptm" | "ppsx" | "potx" | "zip"),
            Content::Ods => matches!(extension, "ods" | "ots" | "zip"),
            Content::Zip => {
                !named_text && !matches!(extension, "pdf" | "xls" | "doc" | "ppt" | "parquet" | "gpkg") && !named.starts_with("image/")
            }
            Content::Ole => {
                matches!(extension, "xls" | "xlt" | "doc" | "dot" | "ppt" | "pps" | "jtd" | "jtt" | "msg" | "mdb" | "vsd" | "mpp" | "shs")
            }
            Content::Sqlite => !named_text && !HAS_SIGNATURE.contains(&extension) || extension == "gpkg",
            Content::Parquet => !named_text && !HAS_SIGNATURE.contains(&extension) || extension == "parquet",
            Content::Other(media_type) => {
                let same_family = media_type.split('/').next() == named.split('/').next();
                *media_type == named || !named_text && (same_family || !HAS_SIGNATURE.contains(&extension))
            }
            Content::Binary => !named_text && !HAS_SIGNATURE.contains(&extension),
        }
    }

    /// Name in Japanese and English, usual extension, and what to do when it stands behind another name.
    fn words(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Content::Html => ("HTML（Web ページ）", "HTML (a web page)", ""),
            Content::Xml => ("XML", "XML", "xml"),
            Content::Json => ("JSON", "JSON", "json"),
            Content::Text => ("テキスト", "plain text", "csv"),
            Content::Pdf => ("PDF", "PDF", "pdf"),
            Content::Xlsx => ("Excel ブック（XLSX）", "an Excel workbook (XLSX)", "xlsx"),
            Content::Docx => ("Word 文書（DOCX）", "a Word document (DOCX)", "docx"),
            Content::Pptx => ("PowerPoint（PPTX）", "a PowerPoint presentation (PPTX)", "pptx"),
            Content::Ods => ("OpenDocument 表計算（ODS）", "an OpenDocument spreadsheet (ODS)", "ods"),
            Content::Zip => ("ZIP", "a ZIP archive", "zip"),
            Content::Ole => ("旧形式の Office 文書（XLS・DOC など）", "an old Office document (XLS, DOC …)", "xls"),
            Content::Sqlite => ("SQLite データベース", "an SQLite database", "sqlite"),
            Content::Parquet => ("Parquet", "Parquet", "parquet"),
            Content::Other(media_type) => (media_type, media_type, ""),
            Content::Nothing | Content::Binary => ("不明なバイナリ", "unknown binary data", ""),
        }
    }
}

fn mismatch_text(file_name: &str, extension: &str, content: &Content) -> Text {
    let (ja, en, usual) = content.words();
    let file_name: String = file_name.chars().take(120).collect();
    let (todo_ja, todo_en) = match content {
        Content::Html => (
            "エラーページやログイン画面を保存した可能性があります。元のファイルをダウンロードし直して登録してください。".to_owned(),
            "an error or login page was probably saved in its place; download the original file again and upload that".to_owned(),
        ),
        _ if usual.is_empty() => (
            format!("ファイルが壊れていないか確認し、正しい .{extension} ファイルを登録してください。"),
            format!("check that it is not damaged and upload a real .{extension} file"),
        ),
        _ => (
            format!("拡張子を .{usual} に直すか、.{extension} 形式で保存し直して登録してください。"),
            format!("rename it to .{usual}, or save it as .{extension} and upload that"),
        ),
    };
    Text::new(
        format!("「{file_name}」は拡張子が .{extension} ですが、中身は {ja} です。{todo_ja}"),
        format!("`{file_name}` ends in .{extension}, but its content is {en}; {todo_en}"),
    )
}

/// Lower-case letters and digits after the last dot; empty without a plausible extension.
fn extension(file_name: &str) -> String {
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let extension = base.rsplit_once('.').map_or("", |(_, extension)| extension.trim());
    let plausible = (1..=12).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plausible { extension.to_ascii_lowercase() } else { String::new() }
}

fn media_type_of_extension(extension: &str) -> Option<String> {
    if let Some((_, media_type)) = EXTENSIONS.iter().find(|(known, _)| *known == extension) {
        return Some((*media_type).to_owned());
    }
    mime_guess::from_ext(extension).first_raw().map(str::to_owned)
}

/// What `mime_guess` lacks or says in an old way.
#[rustfmt::skip]
const EXTENSIONS: &[(&str, &str)] = &[
    ("xml", "application/xml"),
    ("md", "text/markdown"),
    ("jsonl", "application/jsonl"),
    ("ndjson", "application/x-ndjson"),
    ("topojson", "application/json"),
    ("czml", "application/json"),
    ("parquet", "application/vnd.apache.parquet"),
    ("gpkg", "application/geopackage+sqlite3"),
    ("sqlite", "application/vnd.sqlite3"),
    ("fgb", "application/vnd.flatgeobuf"),
    ("shp", "application/vnd.shp"),
    ("shx", "application/vnd.shx"),
    ("dbf", "application/vnd.dbf"),
    ("prj", "text/plain"),
    ("cpg", "text/plain"),
    ("citygml", "application/gml+xml"),
    ("nq", "application/n-quads"),
    ("trig", "application/trig"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("las", "application/vnd.las"),
    ("laz", "application/vnd.laszip"),
    ("pbf", "application/x-protobuf"),
    ("mvt", "application/vnd.mapbox-vector-tile"),
    ("pmtiles", "application/vnd.pmtiles"),
    ("jtd", "application/x-js-taro"),
    ("lzh", "application/x-lzh-compressed"),
    ("ics", "text/calendar"),
];

/// A table is never XML or JSON.
const TABLE_TYPES: &[&str] = &["text/csv", "text/tab-separated-values"];

/// Extensions whose files always begin with a signature, so that text or other bytes behind them are wrong.
#[rustfmt::skip]
const HAS_SIGNATURE: &[&str] = &[
    "xlsx", "xlsm", "docx", "pptx", "ods", "odt", "zip", "kmz", "xls", "doc", "ppt", "pdf", "png", "jpg", "jpeg", "gif", "parquet", "gpkg", "gz", "7z", "tif", "tiff",
];

fn is_text_type(media_type: &str) -> bool {
    let other = [
        "application/json",
        "application/jsonl",
        "application/x-ndjson",
        "application/yaml",
        "application/n-triples",
        "application/n-quads",
    ];
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || is_xml_type(media_type)
        || other.contains(&media_type)
        || media_type == "application/trig"
}

fn is_xml_type(media_type: &str) -> bool {
    media_type.ends_with("+xml") || matches!(media_type, "application/xml" | "text/xml")
}

fn is_html(text: &[u8]) -> bool {
    // Comments may go before the document.
    let mut text = text;
    while let Some(rest) = text.strip_prefix(b"<!--") {
        let Some(end) = rest.windows(3).position(|window| window == b"-->") else { break };
        text = rest[end + 3..].trim_ascii_start();
    }
    [b"<!doctype html".as_slice(), b"<html", b"<head>", b"<body", b"<script", b"<meta ", b"<table", b"<title"]
        .iter()
        .any(|start| starts_with(text, start))
}

/// `[1]牛田` may begin a CSV, so an opening bracket alone is not enough.
fn is_json(text: &[u8]) -> bool {
    let Some((b'{' | b'[', rest)) = text.split_first() else { return false };
    matches!(rest.trim_ascii_start(), [b'"' | b'{' | b'}', ..])
}

/// Control characters that no text has. UTF-16 is looked at by its characters: half of a kanji may be any byte.
fn is_binary(head: &[u8]) -> bool {
    let zeros = |start: usize| head.iter().skip(start).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), head.len() / 2);
    let many = |here: usize, there: usize| half > 0 && here * 20 >= half && here > there * 3;
    let (controls, characters) = if head.starts_with(b"\xFF\xFE") || many(odd, even) {
        (utf16_controls(head, u16::from_le_bytes), half)
    } else if head.starts_with(b"\xFE\xFF") || many(even, odd) {
        (utf16_controls(head, u16::from_be_bytes), half)
    } else {
        // ESC is left out: ISO-2022-JP is full of it.
        (head.iter().filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31)).count(), head.len())
    };
    controls * 50 > characters
}

/// Control characters, and what is no character at all; half a pair at the end of the bytes is none of them.
fn utf16_controls(head: &[u8], unit: fn([u8; 2]) -> u16) -> usize {
    let units: Vec<u16> = head.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    let wrong = char::decode_utf16(units.iter().copied())
        .filter(|read| match read {
            Ok(read) => matches!(u32::from(*read), 0..=8 | 14..=26 | 28..=31 | 0xFFFE | 0xFFFF),
            Err(_) => true,
        })
        .count();
    wrong - usize::from(units.last().is_some_and(|last| (0xD800..0xDC00).contains(last)))
}

/// Signatures of images, archives and the like. ZIP and OLE are looked at above.
fn binary_signature(head: &[u8]) -> Option<&'static str> {
    let found = infer::get(head)?;
    let binary = !matches!(found.matcher_type(), infer::MatcherType::Text | infer::MatcherType::Doc | infer::MatcherType::Custom);
    // Two letters at the start of a text are no signature: "BM" (bitmap), "II" and "MZ" begin words too.
    let long = is_binary(head) || found.matcher_type() == infer::MatcherType::Archive && !head.is_ascii();
    (binary && long).then(|| found.mime_type())
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}

fn contains(head: &[u8], needle: &[u8]) -> bool {
    head.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees(file_name: &str, head: &[u8], media_type: &str) {
        let detected = detect_media_type(file_name, head);
        assert_eq!((detected.media_type.as_str(), detected.mismatch), (media_type, None), "{file_name}");
    }

    fn disagrees(file_name: &str, head: &[u8], media_type: &str, words: &str) {
        let detected = detect_media_type(file_name, head);
        assert_eq!((detected.media_type.as_str(), detected.from), (media_type, Evidence::Bytes), "{file_name}");
        let text = detected.mismatch.unwrap_or_else(|| panic!("{file_name} agrees"));
        assert!(text.en.contains(words) && text.en.contains(file_name), "{}", text.en);
        assert!(text.ja.contains(file_name), "{}", text.ja);
    }

    fn zip(entries: &[&str]) -> Vec<u8> {
        entries
            .iter()
            .flat_map(|entry| [b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &[0; 20], entry.as_bytes(), &[9, 8, 7, 0xFF]].concat())
            .collect()
    }

    #[test]
    fn names_decide_when_the_bytes_agree() {
        let csv = "施設名,所在地\n".as_bytes();
        let utf16 = [0xFF, 0xFE, 0x41, 0x00, 0x2C, 0x00, 0x42, 0x00];
        agrees("a.csv", csv, "text/csv");
        agrees("A.CSV", b"\x8E\x7B\x90\xDD\x96\xBC,1\r\n", "text/csv");
        agrees("a.csv", &utf16, "text/csv");
        // Bytes of 民, 公 and 館 would be control characters.
        let kanji = "\u{feff}コード,名称\r\n034100,中央公民館\r\n".repeat(3);
        agrees("a.csv", &kanji.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), "text/csv");
        agrees("a.csv", &kanji.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>(), "text/csv");
        let plain = kanji.trim_start_matches('\u{feff}');
        agrees("a.csv", &plain.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), "text/csv");
        agrees("a.csv", b"", "text/csv");
        agrees("a.csv", b"BM,1\nBM,2\n", "text/csv");
        agrees("a.csv", b"[1],2\n", "text/csv");
        agrees("a.tsv", b"a\tb\n", "text/tab-separated-values");
        agrees("a.txt", b"hello", "text/plain");
        agrees("a.geojson", b"{\"type\":\"FeatureCollection\"}", "application/geo+json");
        agrees("a.json", b" [ {\"a\":1}]", "application/json");
        agrees("a.ttl", b"@prefix dcat: <http://www.w3.org/ns/dcat#> .", "text/turtle");
        agrees("a.jsonld", b"{\"@context\":{}}", "application/ld+json");
        agrees("a.rdf", b"<?xml version=\"1.0\"?><rdf:RDF/>", "application/rdf+xml");
        agrees("a.kml", b"\xEF\xBB\xBF<?xml version=\"1.0\"?><kml/>", "application/vnd.google-earth.kml+xml");
        agrees("a.html", b"<!DOCTYPE html><html>", "text/html");
        agrees("a.pdf", b"%PDF-1.7\n", "application/pdf");
        agrees("a.gpkg", b"SQLite format 3\0\x10\0", "application/geopackage+sqlite3");
        agrees("a.parquet", b"PAR1\x15\x04", "application/vnd.apache.parquet");
        agrees("a.png", b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "image/png");
        agrees("a.shp", &[0, 0, 0x27, 0x0A, 0, 0, 0, 0, 0, 0], "application/vnd.shp");
    }

    #[test]
    fn zips_are_told_apart() {
        let xlsx = zip(&["[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"]);
        let xlsx_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        agrees("a.xlsx", &xlsx, xlsx_type);
        agrees("a.xlsx", &zip(&["[Content_Types].xml"]), xlsx_type);
        agrees("gtfs.zip", &zip(&["stops.txt"]), "application/zip");
        agrees("a.kmz", &zip(&["doc.kml"]), "application/vnd.google-earth.kmz");
        disagrees("a.csv", &xlsx, xlsx_type, "an Excel workbook (XLSX); rename it to .xlsx");
        disagrees("a.xls", &xlsx, xlsx_type, "XLSX");
        disagrees("a.docx", &xlsx, xlsx_type, "XLSX");
        disagrees("a.csv", &zip(&["a.csv"]), "application/zip", "a ZIP archive");
        assert_eq!(detect_media_type("noname", &xlsx).media_type, xlsx_type);
    }

    #[test]
    fn web_pages_behind_other_names_are_noticed() {
        for head in [
            "<!DOCTYPE html>",
            "\u{FEFF}\r\n <html lang=\"ja\">",
            "<!-- x --><HTML>",
            "<?xml version=\"1.0\"?><!DOCTYPE html><html xmlns=\"x\">",
        ] {
            disagrees("a.csv", head.as_bytes(), "text/html", "a web page");
        }
        disagrees("a.xls", b"<html xmlns:x=\"urn:schemas-microsoft-com:office:excel\">", "text/html", "a web page");
        disagrees("a.pdf", b"<html>", "text/html", "download the original file again");
        disagrees("a.geojson", b"<html>", "text/html", "a web page");
    }

    #[test]
    fn other_bytes_behind_a_name_are_noticed() {
        disagrees("a.csv", b"%PDF-1.4", "application/pdf", "PDF");
        disagrees("a.csv", b"{\"a\": 1}", "application/json", "JSON");
        disagrees("a.csv", b"<?xml version=\"1.0\"?><a/>", "application/xml", "XML");
        disagrees("a.csv", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0", "application/x-ole-storage", "old Office");
        disagrees("a.csv", b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "image/png", "image/png");
        disagrees("a.csv", &[0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2], "application/octet-stream", "unknown binary");
        disagrees("a.xlsx", b"a,b\n1,2\n", "text/plain", "save it as .xlsx");
        disagrees("a.xlsx", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0", "application/x-ole-storage", ".xls");
        disagrees("a.pdf", b"hello", "text/plain", "plain text");
    }

    #[test]
    fn without_a_name_the_bytes_decide() {
        for (head, media_type) in [
            (b"%PDF-1.4".as_slice(), "application/pdf"),
            (b"<html>", "text/html"),
            (b"a,b", "text/plain"),
            (b"", "application/octet-stream"),
        ] {
            for name in ["noname", "", "名前", "a.この拡張子は無い"] {
                agrees(name, head, media_type);
            }
        }
    }

    proptest! {
        #[test]
        fn any_name_and_bytes_have_a_media_type(name in ".*", start in 0..8_usize, rest in any::<Vec<u8>>()) {
            let starts: [&[u8]; 8] = [b"", b"PK\x03\x04", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", b"<!--", b"\xFF\xFE", b"<?xml", b"\0\0\0\x20ftyp", b"RIFF"];
            let head = [starts[start], &rest].concat();
            for name in [name.as_str(), "a.csv", "a.xlsx", "a.png"] {
                let detected = detect_media_type(name, &head);
                prop_assert!(detected.media_type.contains('/'));
            }
        }
    }
}
