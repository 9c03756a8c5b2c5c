//! DCAT catalogs in JSON-LD, Turtle or RDF/XML, over Hydra's pages.

use std::collections::{HashSet, VecDeque};

use minato_catalog::{HarvestItem, HarvestSourceDraft, Text, Vocabulary};
use minato_dcat::{Document, Syntax};
use url::Url;

use crate::client::{Client, Spooled};
use crate::listing::{End, Run, Stop};

/// Turtle first: it needs no context.
const ACCEPT: &str = "text/turtle, application/n-triples;q=0.9, application/ld+json;q=0.9, application/rdf+xml;q=0.8, */*;q=0.1";

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let mut visited = HashSet::new();
    let mut catalogs = VecDeque::from([source.url.clone()]);
    // Of all catalogs read together, as far as each says.
    let mut reported = Some(0);
    while let Some(address) = catalogs.pop_front() {
        if !visited.insert(address.clone()) {
            continue;
        }
        let end = catalog(address, client, vocabulary, run, &mut visited, &mut catalogs).await?;
        if end.doubt.is_some() {
            return Ok(end);
        }
        reported = reported.zip(end.reported).map(|(sum, more)| sum + more);
    }
    Ok(End { reported, doubt: None })
}

/// One catalog over its pages. Catalogs that belong to it and stand on the same server are put behind `catalogs`.
async fn catalog(
    mut address: String,
    client: &Client,
    vocabulary: &Vocabulary,
    run: &mut Run,
    visited: &mut HashSet<String>,
    catalogs: &mut VecDeque<String>,
) -> Result<End, Stop> {
    let mut reported = None;
    loop {
        let spooled = client.spool(&address, ACCEPT).await?;
        let link = spooled.next.clone();
        let (url, mut document) = open(spooled, &address).await?;
        if let (Some(before), Some(now)) = (reported, document.total())
            && now < before
        {
            return Ok(doubtful(Text::new(
                format!("読み取り中に全体の件数が {before} から {now} に減りました。時間をおいて再度実行してください。"),
                format!("the number of records fell from {before} to {now} while reading; try again later"),
            )));
        }
        reported = document.total().or(reported);
        let met_before = run.met();
        let mut is_empty = true;
        for index in 0..document.len() {
            let Some(item) = document.item(index, vocabulary).map_err(|error| unreadable(&error))? else { continue };
            is_empty = false;
            match item {
                HarvestItem::Record(record) => run.send(Ok(*record)).await?,
                HarvestItem::Failure(failure) => run.send(Err(failure)).await?,
                HarvestItem::Withdrawn { remote_id, cause } => run.withdrawn(&remote_id, cause).await?,
            }
        }
        if let Some(error) = document.error() {
            let cause = error.text();
            return Ok(doubtful(Text::new(format!("{address}: {}", cause.ja), format!("{address}: {}", cause.en))));
        }
        let same_server = |other: &String| Url::parse(other).is_ok_and(|other| other.origin() == url.origin());
        catalogs.extend(document.sub_catalogs().iter().filter(|other| same_server(other)).cloned());
        let next = document.next_page().map(str::to_owned).or_else(|| link.map(String::from));
        let Some(next) = next else { return Ok(End { reported, doubt: None }) };
        let doubt = if visited.contains(&next) {
            Text::new(
                format!("次ページの指定が {next} に戻っており、循環しています。取り込み元の hydra:next を直してください。"),
                format!("the next page leads back to {next}; mend the source's hydra:next"),
            )
        } else if !is_empty && run.met() == met_before {
            Text::new(
                format!("{address} は前のページと同じ内容です。取り込み元のページ送りを確認してください。"),
                format!("{address} repeats records of earlier pages; check the source's paging"),
            )
        } else if is_empty {
            Text::new(
                format!("{address} にはデータセットがないのに次のページが示されています。取り込み元のページ送りを確認してください。"),
                format!("{address} holds no datasets and yet names a next page; check the source's paging"),
            )
        } else if visited.len() >= client.settings().pages_max {
            let limit = client.settings().pages_max;
            Text::new(
                format!("ページ数が上限（{limit}）を超えたため、途中で止めました。"),
                format!("there are more than {limit} pages; reading stopped there"),
            )
        } else {
            visited.insert(next.clone());
            address = next;
            continue;
        };
        return Ok(doubtful(doubt));
    }
}

fn doubtful(cause: Text) -> End {
    End { reported: None, doubt: Some(cause) }
}

/// The document behind an address, and the address it was found at.
async fn open(spooled: Spooled, address: &str) -> Result<(Url, Document), Text> {
    let syntax = syntax_of(&spooled, address)?;
    let url = spooled.url.clone();
    let base = url.to_string();
    // Parsing keeps a thread busy.
    let document = tokio::task::spawn_blocking(move || Document::read(spooled.file, syntax, &base)).await;
    match document {
        Ok(document) => Ok((url, document.map_err(|error| unreadable(&error))?)),
        Err(_) => Err(Text::new(
            format!("{address} の構造が壊れているため読めません。文書の書式を確認してください。"),
            format!("{address} cannot be read, its structure is damaged; check its syntax"),
        )),
    }
}

fn unreadable(error: &std::io::Error) -> Text {
    Text::new(
        format!("一時ファイルの読み書きに失敗しました（{error}）。空き容量を確認してください。"),
        format!("a temporary file could not be read or written: {error}; check the free space"),
    )
}

/// By content type, else by the document's beginning, else by the address's extension.
fn syntax_of(spooled: &Spooled, address: &str) -> Result<Syntax, Text> {
    if spooled.is_html() {
        return Err(Text::new(
            format!("{address} は DCAT ではなく Web ページ（HTML）を返しました。カタログ文書の URL を指定してください。"),
            format!("{address} is a web page (HTML), not DCAT; give the address of the catalog document"),
        ));
    }
    let declared = spooled.content_type.as_deref().and_then(Syntax::from_media_type);
    let extension = spooled.url.path().rsplit_once('.').and_then(|(_, extension)| Syntax::from_extension(extension));
    let found = sniff(spooled.head());
    // Servers send Turtle as `application/xml` and the like.
    declared.filter(|syntax| found.is_none_or(|found| found == *syntax)).or(found).or(declared).or(extension).ok_or_else(|| {
        Text::new(
            format!("{address} の形式が分かりません。Turtle、JSON-LD、RDF/XML のいずれかで公開してください。"),
            format!("{address} is in no known format; publish Turtle, JSON-LD or RDF/XML"),
        )
    })
}

fn sniff(head: &[u8]) -> Option<Syntax> {
    let start = String::from_utf8_lossy(head);
    let mut start = start.trim_start_matches('\u{feff}').trim_start();
    // Comments of Turtle say nothing of what follows.
    while start.starts_with('#') {
        start = start.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    if start.starts_with('{') || (start.starts_with('[') && start[1..].trim_start().starts_with(['{', '['])) {
        Some(Syntax::JsonLd)
    } else if start.starts_with("<?xml") || start.starts_with("<rdf:RDF") || start.starts_with("<!DOCTYPE rdf") {
        Some(Syntax::RdfXml)
    } else if ["@prefix", "@base", "PREFIX", "prefix", "BASE", "<http", "<urn", "_:"].iter().any(|word| start.starts_with(word)) {
        Some(Syntax::Turtle)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_says_the_syntax() {
        for (body, syntax) in [
            ("{\"@context\": {}}", Some(Syntax::JsonLd)),
            ("\u{feff} [ {}]", Some(Syntax::JsonLd)),
            ("<?xml version='1.0'?>", Some(Syntax::RdfXml)),
            ("@prefix a: <b> .", Some(Syntax::Turtle)),
            ("<https://example.jp/a> <b> <c> .", Some(Syntax::Turtle)),
            ("# catalog\n\n@prefix a: <b> .", Some(Syntax::Turtle)),
            ("[] a <b> .", None),
            ("", None),
        ] {
            assert_eq!(sniff(body.as_bytes()), syntax, "{body}");
        }
    }
}
