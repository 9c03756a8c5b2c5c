//! DCAT catalogs in JSON-LD, Turtle or RDF/XML, over Hydra's pages.

use std::collections::HashSet;

use minato_catalog::{HarvestSourceDraft, Text, Vocabulary};
use minato_dcat::{Syntax, parse_catalog};

use crate::client::{Client, Fetched};
use crate::listing::{End, Run, Stop};

/// Turtle first: it needs no context.
const ACCEPT: &str = "text/turtle, application/ld+json;q=0.9, application/rdf+xml;q=0.8, */*;q=0.1";

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let mut visited = HashSet::new();
    let mut address = source.url.clone();
    let mut reported = None;
    loop {
        visited.insert(address.clone());
        let fetched = client.get(&address, ACCEPT).await?;
        let syntax = syntax_of(&fetched, &address)?;
        let catalog = parse_catalog(&fetched.body, syntax, fetched.url.as_str(), vocabulary).map_err(|error| {
            let cause = error.text();
            Text::new(format!("{address}: {}", cause.ja), format!("{address}: {}", cause.en))
        })?;
        if let (Some(before), Some(now)) = (reported, catalog.total)
            && now < before
        {
            return Ok(End {
                reported: None,
                doubt: Some(Text::new(
                    format!("読み取り中に全体の件数が {before} から {now} に減りました。時間をおいて再度実行してください。"),
                    format!("the number of records fell from {before} to {now} while reading; try again later"),
                )),
            });
        }
        reported = catalog.total.or(reported);
        let met_before = run.met();
        let is_empty = catalog.records.is_empty();
        for record in catalog.records {
            run.send(record).await?;
        }
        let Some(next) = catalog.next_page else { return Ok(End { reported, doubt: None }) };
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
            address = next;
            continue;
        };
        return Ok(End { reported, doubt: Some(doubt) });
    }
}

/// By content type, else by the document's beginning, else by the address's extension.
fn syntax_of(fetched: &Fetched, address: &str) -> Result<Syntax, Text> {
    if fetched.is_html() {
        return Err(Text::new(
            format!("{address} は DCAT ではなく Web ページ（HTML）を返しました。カタログ文書の URL を指定してください。"),
            format!("{address} is a web page (HTML), not DCAT; give the address of the catalog document"),
        ));
    }
    let declared = fetched.content_type.as_deref().and_then(Syntax::from_media_type);
    let extension = fetched.url.path().rsplit_once('.').and_then(|(_, extension)| Syntax::from_extension(extension));
    declared.filter(|syntax| is_plausible(*syntax, &fetched.body)).or_else(|| sniff(&fetched.body)).or(declared).or(extension).ok_or_else(
        || {
            Text::new(
                format!("{address} の形式が分かりません。Turtle、JSON-LD、RDF/XML のいずれかで公開してください。"),
                format!("{address} is in no known format; publish Turtle, JSON-LD or RDF/XML"),
            )
        },
    )
}

/// Whether a document can be in the syntax it claims: servers send Turtle as `application/xml` and the like.
fn is_plausible(syntax: Syntax, body: &[u8]) -> bool {
    sniff(body).is_none_or(|found| found == syntax)
}

fn sniff(body: &[u8]) -> Option<Syntax> {
    let start = String::from_utf8_lossy(&body[..body.len().min(4096)]).into_owned();
    let start = start.trim_start_matches('\u{feff}').trim_start();
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
            ("[] a <b> .", None),
            ("", None),
        ] {
            assert_eq!(sniff(body.as_bytes()), syntax, "{body}");
        }
    }
}
