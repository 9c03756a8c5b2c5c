//! File formats: short upper-case names, and the spellings publishers use.

use crate::vocabulary::fold;

/// The format a publisher means by a word, media type or extension: `CSV形式` → `CSV`. Unknown words come back upper-cased and clipped.
pub fn normalize_format(text: &str) -> Option<String> {
    let folded = fold(text);
    let folded = folded.trim_start_matches('.');
    if folded.is_empty() {
        return None;
    }
    if let Some((name, _)) =
        FORMATS.iter().find(|(name, aliases)| fold(name) == folded || aliases.iter().any(|alias| fold(alias) == folded))
    {
        return Some((*name).to_owned());
    }
    if let Some((_, name)) = MEDIA_TYPES.iter().find(|(media_type, _)| *media_type == folded.split(';').next().unwrap_or_default().trim()) {
        return Some((*name).to_owned());
    }
    Some(folded.to_uppercase().chars().take(40).collect())
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
    ("HTML", &["htm", "php", "jsp", "Webページ"]),
    ("GEOJSON", &[]),
    ("JSON", &[]),
    ("XML", &[]),
    ("RDF", &["ttl", "Turtle", "N3"]),
    ("KML", &[]),
    ("KMZ", &[]),
    ("SHP", &["shape", "シェープファイル", "Shapefile"]),
    ("ZIP", &["lzh"]),
    ("GTFS", &["GTFS-JP", "gtfs.zip"]),
    ("DOC", &[]),
    ("DOCX", &["Word"]),
    ("TXT", &[]),
    ("JTD", &["一太郎"]),
    ("GPKG", &[]),
    ("3DTILES", &["3D Tiles"]),
    ("CITYGML", &["gml"]),
    ("LAS", &["laz"]),
    ("TSV", &[]),
    ("PARQUET", &[]),
    ("PNG", &[]),
    ("JPEG", &["jpg"]),
    ("PPTX", &[]),
    ("ODS", &[]),
];

/// Preferred media type first for each format.
#[rustfmt::skip]
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("text/csv", "CSV"),
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
            ("weird", "WEIRD"),
            ("exe", "EXE"),
        ] {
            assert_eq!(normalize_format(text).as_deref(), Some(format), "{text}");
        }
        assert_eq!(normalize_format(" "), None);
        assert_eq!(format_of_file_name("https://example.jp/a/b.csv?x=1.pdf").as_deref(), Some("CSV"));
        assert_eq!(format_of_file_name("https://example.jp/list"), None);
    }
}
