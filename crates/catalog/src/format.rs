//! File formats: short upper-case names, and the spellings publishers use.

use crate::vocabulary::fold;

/// The format a publisher means by a word, media type or extension: `CSV形式` → `CSV`. Unknown words come back upper-cased and clipped.
pub fn normalize_format(text: &str) -> Option<String> {
    let folded = fold(text);
    let folded = folded.trim_start_matches('.');
    if folded.is_empty() {
        return None;
    }
    // Says only that there are bytes.
    if folded.ends_with("octet-stream") || folded == "application/x-download" {
        return None;
    }
    if let Some(name) = known(folded) {
        return Some(name.to_owned());
    }
    // `Excel（xlsx）`, `CSVファイル`, `MS Excel`: what is in brackets says most, then what is left without the usual words around it.
    let inner = folded.split_once('(').map(|(outer, rest)| (outer.trim(), rest.trim_end_matches(')').trim()));
    let bare = ["形式", "ファイル", "データ", " file", " format"].iter().find_map(|word| folded.strip_suffix(word)).unwrap_or(folded);
    let bare = ["microsoft ", "ms ", "ms-", "esri "].iter().find_map(|word| bare.strip_prefix(word)).unwrap_or(bare).trim();
    if let Some(name) = inner.and_then(|(outer, inner)| known(inner).or_else(|| known(outer))).or_else(|| known(bare)) {
        return Some(name.to_owned());
    }
    Some(folded.to_uppercase().chars().take(40).collect())
}

/// The short name of a word that is in the lists.
fn known(folded: &str) -> Option<&'static str> {
    if let Some((name, _)) =
        FORMATS.iter().find(|(name, aliases)| fold(name) == folded || aliases.iter().any(|alias| fold(alias) == folded))
    {
        return Some(name);
    }
    let media_type = folded.split(';').next().unwrap_or_default().trim();
    MEDIA_TYPES.iter().find(|(known, _)| *known == media_type).map(|(_, name)| *name)
}

/// The format that a file name's extension says; `None` without a plausible extension.
pub fn format_of_file_name(name: &str) -> Option<String> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    let (stem, extension) = file.rsplit_once('.')?;
    let plausible = !stem.is_empty() && (1..=8).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if plausible { normalize_format(extension) } else { None }
}

/// The media type of a format's files; `None` for formats without one.
pub fn media_type_of_format(format: &str) -> Option<&'static str> {
    MEDIA_TYPES.iter().find(|(_, name)| *name == format).map(|(media_type, _)| *media_type)
}

#[rustfmt::skip]
const FORMATS: &[(&str, &[&str])] = &[
    ("CSV", &["CSV形式", "text/csv", "ＣＳＶ"]),
    ("XLSX", &["Excel", "エクセル", "EXCEL", "xlsm"]),
    ("XLS", &[]),
    ("PDF", &["PDF形式"]),
    ("HTML", &["htm", "php", "jsp", "Webページ", "ホームページ", "Webサイト"]),
    ("GEOJSON", &[]),
    ("JSON", &[]),
    ("XML", &[]),
    ("RDF", &["ttl", "Turtle", "N3"]),
    ("KML", &[]),
    ("KMZ", &[]),
    ("SHP", &["shape", "シェープ", "シェープファイル", "Shapefile"]),
    ("ZIP", &["lzh"]),
    ("GTFS", &["GTFS-JP", "gtfs.zip"]),
    ("DOC", &[]),
    ("DOCX", &["Word", "ワード"]),
    ("TXT", &["text", "テキスト"]),
    ("JTD", &["一太郎"]),
    ("GPKG", &[]),
    ("3DTILES", &["3D Tiles"]),
    ("CITYGML", &["gml"]),
    ("LAS", &["laz"]),
    ("TSV", &[]),
    ("PARQUET", &[]),
    ("PNG", &[]),
    ("JPEG", &["jpg"]),
    ("PPTX", &["PowerPoint", "パワーポイント"]),
    ("ODS", &[]),
];

/// Preferred media type first for each format.
#[rustfmt::skip]
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("text/csv", "CSV"),
    ("application/csv", "CSV"),
    ("text/comma-separated-values", "CSV"),
    ("text/tab-separated-values", "TSV"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "XLSX"),
    ("application/vnd.ms-excel", "XLS"),
    ("application/pdf", "PDF"),
    ("text/html", "HTML"),
    ("application/geo+json", "GEOJSON"),
    ("application/vnd.geo+json", "GEOJSON"),
    ("application/json", "JSON"),
    ("application/xml", "XML"),
    ("text/xml", "XML"),
    ("application/rdf+xml", "RDF"),
    ("text/turtle", "RDF"),
    ("application/vnd.google-earth.kml+xml", "KML"),
    ("application/vnd.google-earth.kmz", "KMZ"),
    ("application/zip", "ZIP"),
    ("application/x-zip-compressed", "ZIP"),
    ("application/x-zip", "ZIP"),
    ("application/vnd.ms-excel.sheet.macroenabled.12", "XLSX"),
    ("application/x-shapefile", "SHP"),
    ("application/msword", "DOC"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "DOCX"),
    ("text/plain", "TXT"),
    ("application/geopackage+sqlite3", "GPKG"),
    ("application/vnd.apache.parquet", "PARQUET"),
    ("image/png", "PNG"),
    ("image/jpeg", "JPEG"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "PPTX"),
    ("application/vnd.oasis.opendocument.spreadsheet", "ODS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_extensions_become_formats() {
        for (text, format) in [
            ("ＣＳＶ", "CSV"),
            ("CSV形式", "CSV"),
            ("エクセル", "XLSX"),
            (".geojson", "GEOJSON"),
            ("text/csv; charset=utf-8", "CSV"),
            ("Excel（xlsx）", "XLSX"),
            ("CSV（UTF-8）", "CSV"),
            ("エクセル形式", "XLSX"),
            ("PDFファイル", "PDF"),
            ("Microsoft Excel", "XLSX"),
            ("ESRI Shapefile", "SHP"),
            ("shape file", "SHP"),
            ("テキスト", "TXT"),
            ("application/vnd.ms-excel.sheet.macroEnabled.12", "XLSX"),
            ("weird（odd）", "WEIRD(ODD)"),
            ("weird", "WEIRD"),
            ("exe", "EXE"),
        ] {
            assert_eq!(normalize_format(text).as_deref(), Some(format), "{text}");
        }
        for text in [" ", "application/octet-stream"] {
            assert_eq!(normalize_format(text), None, "{text}");
        }
        assert_eq!(format_of_file_name("https://example.jp/a/b.csv?x=1.pdf").as_deref(), Some("CSV"));
        assert_eq!(format_of_file_name("https://example.jp/list"), None);
    }
}
