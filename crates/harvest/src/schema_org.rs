//! Pages with schema.org's `Dataset` in JSON-LD, found by sitemaps.
//!
//! The address is a site or a part of one (it ends in `/`: the pages of the sitemaps below it are read), a sitemap, or a page (it and the
//! pages its datasets lead to are read). `lastmod` is not used: sites forget to raise it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;

use minato_catalog::{HarvestSourceDraft, HarvestedRecord, RecordFailure, Text, Vocabulary};
use scraper::{Html, Selector};
use serde_json::{Map, Value};
use url::Url;

use crate::client::{Client, Fetched};
use crate::decode;
use crate::dublin_core::is_file;
use crate::json_ld::{Graph, Reader, get, primary, values_of};
use crate::listing::{End, Run, Stop};
use crate::page::page_text;
use crate::robots::{Crawler, Refusal};
use crate::xml::Document;

const ACCEPT: &str = "text/html, application/xhtml+xml;q=0.9, application/xml;q=0.5, */*;q=0.1";
/// Sitemaps within sitemaps.
const SITEMAP_DEPTH_MAX: usize = 5;
/// Sitemaps of one site; the protocol allows 50,000 pages in each.
const SITEMAPS_MAX: usize = 2_000;
/// Pages that cannot be had one after the other before a server is left alone.
const REFUSALS_MAX: usize = 20;
/// Where sitemaps are when robots.txt names none.
const SITEMAPS: &[&str] = &["/sitemap.xml", "/sitemap_index.xml", "/wp-sitemap.xml"];

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let start = Url::parse(source.url.trim()).map_err(|_| crate::Error::InvalidUrl { url: source.url.chars().take(500).collect() })?;
    let mut crawl = Crawl::new(client, vocabulary, &start);
    if is_sitemap_name(&start) {
        crawl.sitemaps(vec![start.clone()], false).await?;
    } else {
        let is_section = start.path().ends_with('/');
        let fetched = crawl.crawler.get(&start, ACCEPT).await.map_err(|refusal| refusal.text())?;
        crawl.hosts.insert(host_of(&fetched.url));
        crawl.visited.insert(address_of(&start));
        crawl.visited.insert(address_of(&fetched.url));
        if sitemap_kind(&fetched.body).is_some() {
            crawl.sitemap_of(&fetched, &mut Vec::new());
        } else {
            let found = crawl.page(&fetched, None, run).await?;
            if is_section {
                crawl.section = Some(start.path().to_owned()).filter(|path| path != "/");
                crawl.discover(&start).await?;
            } else if found == 0 && run.met() == 0 {
                return Err(Text::new(
                    format!("{start} に schema.org の Dataset（JSON-LD）がありません。サイト全体を対象にする場合は「/」で終わる URL か、サイトマップの URL を指定してください。"),
                    format!("{start} holds no Dataset of schema.org in JSON-LD; for a whole site give an address that ends in `/`, or its sitemap"),
                )
                .into());
            }
        }
    }
    crawl.queue_to_end(run).await?;
    crawl.left_behind(run).await?;
    Ok(End { reported: None, doubt: crawl.doubt })
}

/// A walk over a site's pages.
struct Crawl<'a> {
    client: &'a Client,
    crawler: Crawler<'a>,
    vocabulary: &'a Vocabulary,
    /// The site's names: as configured and after redirects.
    hosts: HashSet<String>,
    /// Only pages below this path.
    section: Option<String>,
    /// Pages to read, sorted so that the order of a sitemap changes nothing; those in other languages last.
    queue: BTreeSet<(bool, String)>,
    visited: HashSet<String>,
    /// Datasets met, by id: title, language and page.
    met: HashMap<String, Met>,
    /// Ids by the publisher's identifier, to know language versions.
    by_identifier: HashMap<String, String>,
    /// Ids by the page that is about the dataset alone.
    by_page: HashMap<String, String>,
    /// List entries that a page of their own should describe: list page, then id and page.
    entries: BTreeMap<String, Vec<(String, String)>>,
    /// Pages in other languages and their Japanese version.
    versions: BTreeMap<String, String>,
    pages: usize,
    /// Pages in a row that could not be had.
    refusals: usize,
    /// Pages that robots.txt does not allow.
    forbidden: u64,
    elsewhere: u64,
    doubt: Option<Text>,
}

#[derive(Debug, Clone)]
struct Met {
    title: String,
    language: String,
    page: String,
}

impl<'a> Crawl<'a> {
    fn new(client: &'a Client, vocabulary: &'a Vocabulary, start: &Url) -> Self {
        Crawl {
            client,
            crawler: Crawler::new(client),
            vocabulary,
            hosts: HashSet::from([host_of(start)]),
            section: None,
            queue: BTreeSet::new(),
            visited: HashSet::new(),
            met: HashMap::new(),
            by_identifier: HashMap::new(),
            by_page: HashMap::new(),
            entries: BTreeMap::new(),
            versions: BTreeMap::new(),
            pages: 0,
            refusals: 0,
            forbidden: 0,
            elsewhere: 0,
            doubt: None,
        }
    }

    fn doubt(&mut self, ja: String, en: String) {
        self.doubt.get_or_insert(Text::new(ja, en));
    }

    /// Finds the site's sitemaps and queues their pages.
    async fn discover(&mut self, start: &Url) -> Result<(), Stop> {
        let named = self.crawler.sitemaps(start).await?;
        if !named.is_empty() {
            return self.sitemaps(named, false).await;
        }
        let usual: Vec<Url> = SITEMAPS.iter().filter_map(|path| start.join(path).ok()).collect();
        self.sitemaps(usual, true).await
    }

    /// Reads sitemaps and those within them. Of the `usual` ones the first that is there is enough.
    async fn sitemaps(&mut self, roots: Vec<Url>, usual: bool) -> Result<(), Stop> {
        let mut seen = HashSet::new();
        let mut any = false;
        let mut waiting: Vec<(Url, usize)> = roots.into_iter().rev().map(|url| (url, 0)).collect();
        while let Some((url, depth)) = waiting.pop() {
            if !seen.insert(address_of(&url)) {
                continue;
            }
            if seen.len() > SITEMAPS_MAX || depth > SITEMAP_DEPTH_MAX {
                self.doubt(
                    format!("サイトマップの数か入れ子が上限（{SITEMAPS_MAX} 件、{SITEMAP_DEPTH_MAX} 段）を超えたため、途中で止めました。"),
                    format!("there are more than {SITEMAPS_MAX} sitemaps or {SITEMAP_DEPTH_MAX} levels of them; reading stopped there"),
                );
                break;
            }
            let fetched = match self.client.get(url.as_str(), "application/xml, text/xml;q=0.9, */*;q=0.1").await {
                Ok(fetched) => fetched,
                Err(error) if usual && depth == 0 && error.status().is_some_and(|status| (400..500).contains(&status)) => continue,
                Err(error) => {
                    let cause = error.text();
                    self.doubt(format!("サイトマップを読めません: {}", cause.ja), format!("a sitemap cannot be read: {}", cause.en));
                    continue;
                }
            };
            if usual && depth == 0 && sitemap_kind(&fetched.body).is_none() && fetched.is_html() {
                // An error page with the wrong status.
                continue;
            }
            let mut within = Vec::new();
            self.sitemap_of(&fetched, &mut within);
            any = true;
            if usual {
                waiting.clear();
            }
            waiting.extend(within.into_iter().rev().map(|url| (url, depth + 1)));
        }
        if !any && usual {
            self.doubt(
                "サイトマップが見つかりません（robots.txt、/sitemap.xml など）。サイトマップまたはデータセットのページの URL を指定してください。".to_owned(),
                "no sitemap was found (robots.txt, /sitemap.xml and the like); give the address of the sitemap or of the datasets' page".to_owned(),
            );
        }
        Ok(())
    }

    /// Queues the pages of a sitemap; sitemaps within it are added to `within`.
    fn sitemap_of(&mut self, fetched: &Fetched, within: &mut Vec<Url>) {
        let place = fetched.url.clone();
        let bytes = match gunzipped(&fetched.body, self.client.settings().body_bytes_max) {
            Ok(bytes) => bytes,
            Err(detail) => {
                self.doubt(
                    format!("サイトマップ {place} を展開できません（{detail}）。gzip ファイルを作り直してください。"),
                    format!("the sitemap {place} cannot be unpacked: {detail}; make the gzip file anew"),
                );
                return;
            }
        };
        let text = decode::text_of(&bytes);
        if sitemap_kind(text.as_bytes()) != Some(Kind::Xml) {
            let addresses: Vec<Url> =
                text.lines().filter_map(|line| place.join(line.trim()).ok().filter(|_| line.trim().starts_with("http"))).collect();
            if addresses.is_empty() {
                self.doubt(
                    format!("{place} はサイトマップではありません。サイトマップ（XML）の URL を確認してください。"),
                    format!("{place} is no sitemap; check the address of the sitemap (XML)"),
                );
            }
            addresses.iter().for_each(|url| self.queue(url));
            return;
        }
        match Document::parse(text) {
            Ok(document) => {
                let locations = |name: &str| -> Vec<Url> {
                    document.root.children_named(name).filter_map(|entry| place.join(entry.child("loc")?.own_text()).ok()).collect()
                };
                within.extend(locations("sitemap"));
                locations("url").iter().for_each(|url| self.queue(url));
            }
            Err(detail) => self.doubt(
                format!("サイトマップ {place} が XML として正しくないか、途中で切れています（{detail}）。"),
                format!("the sitemap {place} is no whole XML document: {detail}"),
            ),
        }
    }

    fn queue(&mut self, url: &Url) {
        let is_below = self.section.as_deref().is_none_or(|section| url.path().starts_with(section));
        if !self.is_here(url) {
            self.elsewhere += 1;
            return;
        }
        let address = address_of(url);
        let is_page = !is_file(&address)
            && !minato_catalog::format_of_file_name(&address)
                .is_some_and(|format| ["PNG", "JPEG", "JPG", "GIF", "SVG", "CSS", "JS"].contains(&format.as_str()));
        if is_below && is_page && !self.visited.contains(&address) {
            self.queue.insert((is_foreign(url), address));
        }
    }

    fn is_here(&self, url: &Url) -> bool {
        matches!(url.scheme(), "http" | "https") && self.hosts.contains(&host_of(url))
    }

    async fn queue_to_end(&mut self, run: &mut Run) -> Result<(), Stop> {
        while let Some((_, address)) = self.queue.pop_first() {
            if !self.visited.insert(address.clone()) {
                continue;
            }
            let limit = self.client.settings().pages_max;
            if self.pages >= limit {
                self.doubt(
                    format!("ページ数が上限（{limit}）を超えたため、途中で止めました。"),
                    format!("there are more than {limit} pages; reading stopped there"),
                );
                break;
            }
            self.visit(&address, None, run).await?;
        }
        if self.forbidden > 0 {
            let (count, token) = (self.forbidden, "Minato");
            self.doubt(
                format!("{count} ページが robots.txt で禁止されています。取り込みを認める場合は robots.txt で User-agent: {token} に Allow を指定し、そうでなければサイトマップから外してください。"),
                format!("robots.txt forbids {count} pages; allow them there for User-agent: {token}, or take them out of the sitemap"),
            );
        }
        if self.pages == 0 && self.elsewhere > 0 && run.met() == 0 {
            return Err(Text::new(
                format!("サイトマップの {} ページはすべて別のサイトのものです。そのサイトの URL を指定してください。", self.elsewhere),
                format!("all {} pages of the sitemap are on another site; give the address of that site", self.elsewhere),
            )
            .into());
        }
        Ok(())
    }

    /// Reads one page. With `only`, just the entries with these ids.
    async fn visit(&mut self, address: &str, only: Option<&HashSet<String>>, run: &mut Run) -> Result<(), Stop> {
        let Ok(url) = Url::parse(address) else { return Ok(()) };
        self.pages += 1;
        let fetched = match self.crawler.get(&url, ACCEPT).await {
            Ok(fetched) => fetched,
            Err(Refusal::Fetch(error)) if matches!(error.status(), Some(404 | 410)) => return Ok(()),
            Err(Refusal::Robots(_)) => {
                self.forbidden += 1;
                return Ok(());
            }
            Err(refusal) => {
                self.refusals += 1;
                // Who asks for fewer requests is not asked for the rest; a server that is down is not waited for page by page.
                let asks_for_fewer = matches!(&refusal, Refusal::Fetch(error) if error.status() == Some(429));
                if asks_for_fewer || self.refusals >= REFUSALS_MAX {
                    return Err(Stop::Broken(refusal.text()));
                }
                return run.send(Err(page_failure(address, refusal.text()))).await;
            }
        };
        self.refusals = 0;
        self.visited.insert(address_of(&fetched.url));
        if !self.is_here(&fetched.url) {
            let cause = Text::new(
                format!("別のサイト {} に転送されました。サイトマップかリンクを直してください。", fetched.url),
                format!("it redirects to another site, {}; mend the sitemap or the link", fetched.url),
            );
            return run.send(Err(page_failure(address, cause))).await;
        }
        self.page(&fetched, only, run).await.map(|_| ())
    }

    /// Takes the datasets out of a page and tells how many there are.
    async fn page(&mut self, fetched: &Fetched, only: Option<&HashSet<String>>, run: &mut Run) -> Result<usize, Stop> {
        let text = match page_text(fetched) {
            Ok(text) => text,
            Err(cause) => {
                // Other files than pages hold no datasets.
                if fetched.is_html() {
                    run.send(Err(page_failure(fetched.url.as_str(), cause))).await?;
                }
                return Ok(0);
            }
        };
        let content = Content::of(&text, &fetched.url);
        for cause in &content.faults {
            run.send(Err(page_failure(fetched.url.as_str(), cause.clone()))).await?;
        }
        let here = content.address.clone();
        if let Some(japanese) = content.japanese.as_ref().filter(|japanese| self.is_here(japanese) && only.is_none()) {
            let japanese = address_of(japanese);
            if japanese != here && japanese != address_of(&fetched.url) {
                self.queue_page(&japanese);
                self.versions.insert(address_of(&fetched.url), japanese);
                return Ok(0);
            }
        }
        let graph = Graph::new(&content.values);
        let nodes = graph.datasets(&content.values);
        let count = nodes.len();
        for (index, node) in nodes.iter().enumerate() {
            let reader = Reader { graph: &graph, page: &fetched.url, here: &here, language: &content.language };
            let position = format!("{here} #{}", index + 1);
            match self.take(&reader, node, count == 1, only, &position) {
                Taken::Record(record) => run.send(*record).await?,
                Taken::Nothing => {}
            }
        }
        Ok(count)
    }

    fn queue_page(&mut self, address: &str) {
        if let Ok(url) = Url::parse(address)
            && self.is_here(&url)
            && !self.visited.contains(address)
        {
            self.queue.insert((is_foreign(&url), address.to_owned()));
        }
    }

    /// Decides what a dataset on a page is: a record, one met before, or an entry that a page of its own describes.
    fn take(
        &mut self,
        reader: &Reader<'_>,
        node: &Map<String, Value>,
        is_alone: bool,
        only: Option<&HashSet<String>>,
        position: &str,
    ) -> Taken {
        let title = reader.title(node).0;
        let own_page = reader
            .own_page(node)
            .filter(|url| self.is_here(url) && !is_file(url.as_str()))
            .map(|url| address_of(&url))
            .filter(|address| address != reader.here);
        if title.is_empty()
            && let Some(page) = &own_page
        {
            self.queue_page(page);
            return Taken::Nothing;
        }
        let id = reader.id(node, is_alone);
        if only.is_some_and(|only| !only.contains(id.as_deref().unwrap_or_default()) && !only.contains("*")) {
            return Taken::Nothing;
        }
        let failure = |cause: Text| {
            Taken::Record(Box::new(Err(RecordFailure {
                remote_id: id.clone(),
                position: position.to_owned(),
                cause: Text::new(format!("{position}: {}", cause.ja), format!("{position}: {}", cause.en)),
                raw: Some(Value::Object(node.clone()).to_string()),
            })))
        };
        if title.is_empty() {
            return failure(Text::new("データセットに name がありません。", "the dataset has no name"));
        }
        let Some(remote_id) = id.clone() else {
            return failure(Text::new(
                format!("データセット「{title}」に @id、identifier、url のいずれもなく、次回の取り込みで同じものと判断できません。"),
                format!("the dataset `{title}` has no @id, identifier or url, so it cannot be told again next time; give it one"),
            ));
        };
        if let Some(page) = &own_page
            && only.is_none()
            && get(node, "distribution").is_none()
        {
            self.queue_page(page);
            self.entries.entry(address_of(reader.page)).or_default().push((remote_id, page.clone()));
            return Taken::Nothing;
        }
        let language = reader.language_of(node);
        let identifiers = reader.identifiers(node);
        let version = identifiers.iter().find_map(|identifier| self.by_identifier.get(identifier)).and_then(|id| self.met.get(id));
        if version.is_some_and(|version| version.language != language && !language.is_empty() && !version.language.is_empty()) {
            return Taken::Nothing;
        }
        if is_alone && self.by_page.contains_key(reader.here) {
            return Taken::Nothing;
        }
        if let Some(before) = self.met.get(&remote_id) {
            if before.title == title || before.language != language {
                return Taken::Nothing;
            }
            return failure(Text::new(
                format!(
                    "識別子「{remote_id}」が別のデータセット「{}」（{}）と重複しています。データセットごとに異なる識別子を付けてください。",
                    before.title, before.page
                ),
                format!("the id `{remote_id}` is also that of `{}` ({}); give each dataset its own", before.title, before.page),
            ));
        }
        self.met.insert(remote_id.clone(), Met { title, language, page: reader.here.to_owned() });
        for identifier in identifiers {
            self.by_identifier.entry(identifier).or_insert_with(|| remote_id.clone());
        }
        let about = own_page.or_else(|| is_alone.then(|| reader.here.to_owned()));
        if let Some(page) = about {
            self.by_page.entry(page).or_insert_with(|| remote_id.clone());
        }
        let record = reader.record(node, self.vocabulary);
        let raw = Value::Object(node.clone()).to_string();
        Taken::Record(Box::new(record.finish(remote_id, Some(reader.here.to_owned()), position, raw)))
    }

    /// Entries whose own pages did not describe them, and pages whose Japanese version has nothing, are read after all.
    async fn left_behind(&mut self, run: &mut Run) -> Result<(), Stop> {
        let mut again: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for (list, entries) in &self.entries {
            for (id, page) in entries {
                if !self.met.contains_key(id) && !self.by_page.contains_key(page) {
                    again.entry(list.clone()).or_default().insert(id.clone());
                }
            }
        }
        let described: HashSet<&String> = self.met.values().map(|met| &met.page).collect();
        for (page, japanese) in &self.versions {
            if !described.contains(japanese) {
                again.entry(page.clone()).or_default().insert("*".to_owned());
            }
        }
        for (page, ids) in again {
            self.visit(&page, Some(&ids), run).await?;
        }
        Ok(())
    }
}

enum Taken {
    Record(Box<Result<HarvestedRecord, RecordFailure>>),
    Nothing,
}

fn page_failure(page: &str, cause: Text) -> RecordFailure {
    RecordFailure {
        remote_id: None,
        position: page.to_owned(),
        cause: Text::new(format!("{page}: {}", cause.ja), format!("{page}: {}", cause.en)),
        raw: None,
    }
}

fn host_of(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// An address without the part that is only for browsers.
fn address_of(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.to_string()
}

/// Whether a page is in another language, as far as its address tells.
fn is_foreign(url: &Url) -> bool {
    let foreign = |word: &str| ["en", "zh", "ko", "zh-cn", "zh-tw", "vi", "pt", "english"].contains(&word.to_ascii_lowercase().as_str());
    url.path_segments().is_some_and(|mut segments| segments.any(foreign))
        || url.query_pairs().any(|(key, value)| key.starts_with("lang") && foreign(&value))
}

fn is_sitemap_name(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    [".xml", ".xml.gz", ".txt"].iter().any(|end| path.ends_with(end))
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Xml,
    Gzip,
}

fn sitemap_kind(bytes: &[u8]) -> Option<Kind> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Some(Kind::Gzip);
    }
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned();
    (start.contains("<urlset") || start.contains("<sitemapindex") || start.contains(":urlset")).then_some(Kind::Xml)
}

fn gunzipped(bytes: &[u8], limit: u64) -> Result<Vec<u8>, String> {
    if sitemap_kind(bytes) != Some(Kind::Gzip) {
        return Ok(bytes.to_vec());
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).take(limit + 1).read_to_end(&mut unpacked).map_err(|error| error.to_string())?;
    if unpacked.len() as u64 > limit { Err(format!("more than {limit} bytes")) } else { Ok(unpacked) }
}

/// What a page says, without its tree, which may not be kept while waiting.
struct Content {
    values: Vec<Value>,
    faults: Vec<Text>,
    /// The page's own address, by its canonical link.
    address: String,
    japanese: Option<Url>,
    language: String,
}

impl Content {
    fn of(text: &str, url: &Url) -> Content {
        let html = Html::parse_document(text);
        let select = |selector: &str| Selector::parse(selector).ok();
        let mut content =
            Content { values: Vec::new(), faults: Vec::new(), address: address_of(url), japanese: None, language: String::new() };
        content.language = html.root_element().attr("lang").map(primary).unwrap_or_default();
        for link in select("link[rel][href]").iter().flat_map(|selector| html.select(selector)) {
            let rel = link.attr("rel").unwrap_or_default().to_ascii_lowercase();
            let Some(target) = link.attr("href").and_then(|href| url.join(href.trim()).ok()) else { continue };
            if rel == "canonical" && host_of(&target) == host_of(url) {
                content.address = address_of(&target);
            }
            if rel == "alternate" && link.attr("hreflang").map(primary).as_deref() == Some("ja") {
                content.japanese = Some(target);
            }
        }
        for script in select("script[type]").iter().flat_map(|selector| html.select(selector)) {
            let kind = script.attr("type").unwrap_or_default().trim().to_ascii_lowercase();
            if !kind.starts_with("application/ld+json") {
                continue;
            }
            let text: String = script.text().collect();
            match values_of(&text) {
                Ok(values) => content.values.extend(values),
                Err(detail) if text.contains("Dataset") || text.contains("DataCatalog") => content.faults.push(Text::new(
                    format!("JSON-LD が JSON として正しくないか、途中で切れています（{detail}）。"),
                    format!("its JSON-LD is no whole JSON: {detail}"),
                )),
                Err(_) => {}
            }
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_sitemap_has_its_limits() {
        use std::io::Write;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&[b' '; 100_000]).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(gunzipped(&packed, 100_000).unwrap().len(), 100_000);
        assert!(gunzipped(&packed, 99_999).is_err());
        assert!(gunzipped(&packed[..packed.len() - 9], 100_000).is_err());
    }
}
