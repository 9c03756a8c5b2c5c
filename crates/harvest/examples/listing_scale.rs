//! How much memory and time a large listing takes: `cargo run --release -p minato-harvest --example listing_scale -- csv 100000`.
//!
//! The listing is invented, lies in a temporary file and is served on loopback. Kinds: `csv`, `cp932`, `xlsx`, `ttl`, `rdf`, `nt`, `jsonld`,
//! `data_json`.

use std::error::Error;
use std::io::{BufWriter, Read, Seek, Write};
use std::time::Instant;

use minato_catalog::{HarvestItem, HarvestKind, HarvestSourceDraft, Vocabulary};
use minato_harvest::{AllowAddress, Client, ClientSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "csv".to_owned());
    let count: usize = arguments.next().map_or(Ok(100_000), |count| count.parse())?;
    let mut file = tempfile::tempfile()?;
    write(&kind, count, &mut BufWriter::new(&mut file))?;
    let length = file.stream_position()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes()).await;
            let _ = file.rewind();
            let mut piece = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = file.read(&mut piece) {
                if stream.write_all(&piece[..read]).await.is_err() {
                    break;
                }
            }
        }
    });
    let (protocol, name) = match kind.as_str() {
        "csv" | "cp932" | "xlsx" => (HarvestKind::OpenDataList, "csv"),
        "data_json" => (HarvestKind::DataJson, "json"),
        other => (HarvestKind::Dcat, other),
    };
    let source = HarvestSourceDraft::new("scale", protocol, format!("http://{address}/list.{name}"), "hiroshima");
    let allow_addresses = vec![address.to_string().parse::<AllowAddress>()?];
    let client = Client::new(ClientSettings { allow_addresses, ..ClientSettings::default() })?;
    let vocabulary = Vocabulary::built_in();
    let (before, started) = (peak_megabytes(), Instant::now());
    let (records, mut received) = tokio::sync::mpsc::channel(100);
    let counting = async {
        let (mut good, mut bad) = (0, 0);
        while let Some(item) = received.recv().await {
            match item {
                HarvestItem::Record(_) => good += 1,
                HarvestItem::Failure(_) | HarvestItem::Withdrawn { .. } => bad += 1,
            }
        }
        (good, bad)
    };
    let (listing, (good, bad)) = tokio::join!(minato_harvest::run(&source, &client, &vocabulary, records), counting);
    println!("{kind}: {} MB, {good} records, {bad} others, {listing:?}", length / 1_000_000);
    println!("{:.1} s, peak {} MB, before {before} MB", started.elapsed().as_secs_f64(), peak_megabytes());
    Ok(())
}

/// An invented listing of so many datasets.
fn write(kind: &str, count: usize, out: &mut impl Write) -> std::io::Result<()> {
    let title = |n: usize| format!("避難所・公園・統計の一覧その{n}");
    let text = "市内の施設について、名称・所在地・連絡先・緯度経度をまとめたものです。".repeat(4);
    match kind {
        "csv" | "cp932" => {
            let mut row = |row: String| {
                if kind == "csv" { out.write_all(row.as_bytes()) } else { out.write_all(&encoding_rs::SHIFT_JIS.encode(&row).0) }
            };
            row("データセット_ID,全国地方公共団体コード,地方公共団体名,データセット_タイトル,データセット_概要,ファイル_ダウンロードURL,ファイル_形式,ファイル_ライセンス\r\n".to_owned())?;
            for n in 0..count {
                row(format!("A{n},342025,呉市,{},\"{text}\",https://example.jp/{n}.csv,CSV,CC BY 4.0\r\n", title(n)))?;
            }
        }
        "xlsx" => {
            let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            let mut part = |name: &str, text: &str| {
                archive.start_file(name, zip::write::SimpleFileOptions::default())?;
                archive.write_all(text.as_bytes())
            };
            let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
            let relations = |kind: &str, target: &str| {
                format!(
                    "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" Type=\"{office}/{kind}\" Target=\"{target}\"/></Relationships>"
                )
            };
            let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
            part("_rels/.rels", &relations("officeDocument", "xl/workbook.xml"))?;
            part("xl/_rels/workbook.xml.rels", &relations("worksheet", "worksheets/sheet1.xml"))?;
            part(
                "xl/workbook.xml",
                &format!(
                    "<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets><sheet name=\"s\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
                ),
            )?;
            let cell = |text: &str| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
            let mut rows: String =
                ["データセット_ID", "データセット_タイトル", "データセット_概要", "ファイル_ダウンロードURL"].map(cell).concat();
            part("xl/worksheets/sheet1.xml", &format!("<worksheet xmlns=\"{main}\"><sheetData><row>{rows}</row>"))?;
            for n in 0..count {
                rows = [format!("A{n}"), title(n), text.clone(), format!("https://e.jp/{n}.csv")].iter().map(|text| cell(text)).collect();
                archive.write_all(format!("<row>{rows}</row>").as_bytes())?;
            }
            archive.write_all(b"</sheetData></worksheet>")?;
            out.write_all(&archive.finish()?.into_inner())?;
        }
        "ttl" => {
            writeln!(
                out,
                "@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> . @prefix foaf: <http://xmlns.com/foaf/0.1/> ."
            )?;
            for n in 0..count {
                writeln!(
                    out,
                    "<https://e.jp/{n}> a dcat:Dataset ; dct:title \"{}\"@ja ; dct:description \"{text}\" ; dct:publisher <https://e.jp/kure> ; dcat:distribution [ dcat:downloadURL <https://e.jp/{n}.csv> ; dct:license <http://creativecommons.org/licenses/by/4.0/> ] .",
                    title(n)
                )?;
            }
            writeln!(out, "<https://e.jp/kure> foaf:name \"呉市\" .")?;
        }
        "nt" => {
            for n in 0..count {
                writeln!(
                    out,
                    "<https://e.jp/{n}> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/ns/dcat#Dataset> ."
                )?;
                writeln!(
                    out,
                    "<https://e.jp/{n}> <http://purl.org/dc/terms/title> \"{}\" .\n<https://e.jp/{n}> <http://purl.org/dc/terms/description> \"{text}\" .",
                    title(n)
                )?;
                writeln!(out, "<https://e.jp/{n}> <http://www.w3.org/ns/dcat#distribution> _:d{n} .")?;
            }
            // What belongs together need not stand together.
            for n in 0..count {
                writeln!(out, "_:d{n} <http://www.w3.org/ns/dcat#downloadURL> <https://e.jp/{n}.csv> .")?;
            }
        }
        "rdf" => {
            writeln!(
                out,
                "<?xml version=\"1.0\"?><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:dcat=\"http://www.w3.org/ns/dcat#\" xmlns:dct=\"http://purl.org/dc/terms/\"><dcat:Catalog rdf:about=\"https://e.jp/\">"
            )?;
            for n in 0..count {
                writeln!(
                    out,
                    "<dcat:dataset><dcat:Dataset rdf:about=\"https://e.jp/{n}\"><dct:title>{}</dct:title><dct:description>{text}</dct:description><dcat:distribution><dcat:Distribution><dcat:downloadURL rdf:resource=\"https://e.jp/{n}.csv\"/></dcat:Distribution></dcat:distribution></dcat:Dataset></dcat:dataset>",
                    title(n)
                )?;
            }
            writeln!(out, "</dcat:Catalog></rdf:RDF>")?;
        }
        "data_json" => {
            write!(out, "{{\"conformsTo\": \"https://project-open-data.cio.gov/v1.1/schema\", \"dataset\": [")?;
            for n in 0..count {
                let comma = if n > 0 { "," } else { "" };
                writeln!(
                    out,
                    "{comma}{{\"identifier\": \"A{n}\", \"title\": \"{}\", \"description\": \"{text}\", \"accessLevel\": \"public\", \"distribution\": [{{\"downloadURL\": \"https://e.jp/{n}.csv\", \"mediaType\": \"text/csv\"}}]}}",
                    title(n)
                )?;
            }
            write!(out, "]}}")?;
        }
        _ => {
            write!(out, "{{\"@context\": \"https://www.w3.org/ns/dcat.jsonld\", \"@graph\": [")?;
            for n in 0..count {
                let comma = if n > 0 { "," } else { "" };
                writeln!(
                    out,
                    "{comma}{{\"@id\": \"https://e.jp/{n}\", \"@type\": \"Dataset\", \"title\": \"{}\", \"description\": \"{text}\", \"distribution\": [{{\"@type\": \"Distribution\", \"downloadURL\": \"https://e.jp/{n}.csv\"}}]}}",
                    title(n)
                )?;
            }
            write!(out, "]}}")?;
        }
    }
    out.flush()
}

/// The most memory this process has had, in MB; 0 where the system does not say.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
