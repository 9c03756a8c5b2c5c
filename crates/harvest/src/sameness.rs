//! By what a record is known again when its id changed, and a dataset when another source has it too.

use std::collections::BTreeSet;

use minato_catalog::{DatasetContent, DatasetDraft};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use url::Url;

/// Longest text that is compared as it is; the database indexes no longer ones.
const DIGEST_LENGTH: usize = 32;

/// Equal for a record that got another id and stayed the same otherwise: title, description, creator and files by title, format and file
/// name. Addresses are left out, as many portals write their ids into them.
pub fn fingerprint(draft: &DatasetDraft) -> String {
    let mut files: Vec<String> = draft
        .distributions
        .iter()
        .flatten()
        .map(|file| {
            let address = file.download_url.as_deref().or(file.access_url.as_deref()).unwrap_or_default();
            format!("{}\u{1}{}\u{1}{}", fold(&file.title), file.format.as_deref().unwrap_or_default(), file_name(address))
        })
        .collect();
    files.sort();
    let creator = draft.creator.as_deref().or(draft.extras.get("publisher_name").map(String::as_str)).unwrap_or_default();
    digest(&format!("{}\u{2}{}\u{2}{}\u{2}{}", fold(&draft.title), fold(&draft.description), fold(creator), files.join("\u{2}")))
}

/// What a dataset has in common with a copy of it elsewhere: kind and value. `publishers` are the names its owner goes by.
///
/// - `identifier`: the publisher's key, unless it is one that another publisher may well use, too (`12`).
/// - `landing_page`: the page about it, together with the title, as many datasets share a page.
/// - `file`: one for each file's address.
/// - `title`: title and publisher.
pub fn dataset_keys(content: &DatasetContent, publishers: &[String]) -> BTreeSet<(&'static str, String)> {
    let mut keys = BTreeSet::new();
    let title = fold(&content.title);
    let names = publishers.iter().map(|name| fold(name)).filter(|name| !name.is_empty());
    for name in names {
        if let Some(identifier) = content.identifier.as_deref().filter(|identifier| is_distinctive(identifier)) {
            keys.insert(("identifier", digest(&format!("{name}\u{1}{}", identifier.trim()))));
        }
        if !title.is_empty() {
            keys.insert(("title", digest(&format!("{name}\u{1}{title}"))));
        }
    }
    if let Some(page) = content.landing_page.as_deref().and_then(bare) {
        keys.insert(("landing_page", digest(&format!("{page}\u{1}{title}"))));
    }
    for file in &content.distributions {
        if let Some(address) = file.download_url.as_deref().and_then(bare) {
            keys.insert(("file", digest(&address)));
        }
    }
    keys
}

/// Ids that are counters say nothing about who counted.
fn is_distinctive(identifier: &str) -> bool {
    let identifier = identifier.trim();
    identifier.chars().count() >= 6 && identifier.chars().any(|c| !c.is_ascii_digit())
}

/// An address without scheme, `www.`, default port, fragment and final slash.
fn bare(address: &str) -> Option<String> {
    let mut url = Url::parse(address.trim()).ok()?;
    url.set_fragment(None);
    let host = url.host_str()?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{host}{port}{}{query}", url.path().trim_end_matches('/')))
}

/// The last segment of an address's path.
fn file_name(address: &str) -> String {
    Url::parse(address)
        .ok()
        .and_then(|url| url.path_segments().and_then(|mut path| path.next_back().map(str::to_owned)))
        .unwrap_or_default()
}

fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect()
}

fn digest(text: &str) -> String {
    let mut hexadecimal: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    hexadecimal.truncate(DIGEST_LENGTH);
    hexadecimal
}

#[cfg(test)]
mod tests {
    use minato_catalog::{DistributionDraft, Vocabulary};

    use super::*;

    fn draft(title: &str, url: &str) -> DatasetDraft {
        let file = DistributionDraft { title: "一覧".into(), download_url: Some(url.into()), ..Default::default() };
        DatasetDraft { title: title.into(), distributions: Some(vec![file]), ..Default::default() }
    }

    fn content(draft: DatasetDraft) -> DatasetContent {
        let id = uuid::Uuid::nil();
        draft.apply(id, id, "kure", None, &Vocabulary::built_in(), chrono::Utc::now())
    }

    #[test]
    fn a_fingerprint_outlives_ids_in_addresses() {
        let before = draft("避難所一覧", "https://e.jp/dataset/1f/resource/2a/download/hinanjo.csv");
        let after = draft("避難所 一覧", "https://e.jp/dataset/99/resource/77/download/hinanjo.csv");
        assert_eq!(fingerprint(&before), fingerprint(&after));
        assert_ne!(fingerprint(&before), fingerprint(&draft("避難所一覧", "https://e.jp/dataset/1f/resource/2a/download/aed.csv")));
        assert_ne!(fingerprint(&before), fingerprint(&draft("AED一覧", "https://e.jp/dataset/1f/resource/2a/download/hinanjo.csv")));
    }

    #[test]
    fn copies_share_a_key() {
        let names = ["呉市".to_owned()];
        let one = dataset_keys(&content(draft("避難所一覧", "http://www.city.example.jp/a.csv")), &names);
        let other = dataset_keys(&content(draft("避難所", "https://city.example.jp/a.csv")), &["府中町".to_owned()]);
        let kinds: Vec<&str> = one.intersection(&other).map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, ["file"]);
        let same_title = dataset_keys(&content(draft("避難所　一覧", "https://e.jp/b.csv")), &names);
        assert_eq!(one.intersection(&same_title).map(|(kind, _)| *kind).collect::<Vec<_>>(), ["title"]);
    }

    #[test]
    fn counters_are_no_identity() {
        for (identifier, distinctive) in [("12", false), ("0000000012", false), ("342025_aed", true), ("a1", false)] {
            assert_eq!(is_distinctive(identifier), distinctive, "{identifier}");
        }
    }
}
