//! A page that links to files: titles, editions and formats out of the words around the links.
//!
//! Links whose words differ in the date alone are editions of one dataset, and so are the formats of one row. A dataset is known by its title
//! without dates, with the heading it stands under where the title alone is not unique: next year's file has another address and mostly
//! another name. Only the page itself is read; of a list in several pages the listing is never complete.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use ego_tree::NodeId;
use minato_catalog::{DistributionDraft, HarvestSourceDraft, HarvestedRecord, RecordFailure, Temporal, Text, Vocabulary};
use regex::Regex;
use scraper::{ElementRef, Html, Node, Selector};
use url::Url;

use crate::client::Client;
use crate::convert::{Record, fold, usable_url};
use crate::label::{Label, label};
use crate::listing::{End, Run, Stop};
use crate::page::{heading_words, is_cut_off, page_text, words, words_without};
use crate::period::{Parted, part};
use crate::robots::Crawler;

const ACCEPT: &str = "text/html, application/xhtml+xml;q=0.9, */*;q=0.1";
/// Extensions of files that are data, when no pattern says which links are.
const EXTENSIONS: &[&str] = &[
    "csv", "tsv", "txt", "xlsx", "xls", "xlsm", "ods", "json", "geojson", "xml", "rdf", "ttl", "zip", "lzh", "pdf", "kml", "kmz", "shp",
    "gpkg", "gml", "docx", "doc", "pptx", "ppt", "jtd", "las", "parquet",
];
/// Files of the site itself.
const FEEDS: &[&str] = &["rss.xml", "feed.xml", "atom.xml", "sitemap.xml", "index.rdf", "rss.rdf"];
/// Longest text beside a link that may be its title, in characters; more is prose.
const ASIDE_LENGTH_MAX: usize = 80;
/// Rows and columns that one cell may span.
const SPAN_MAX: usize = 500;
/// Places that cells of one page may fill by spanning rows and columns: a few lines may claim as many as there is memory.
const SPANNED_MAX: usize = 200_000;

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let start = Url::parse(source.url.trim()).map_err(|_| crate::Error::InvalidUrl { url: source.url.chars().take(500).collect() })?;
    let pattern =
        source.link_pattern.as_deref().map(str::trim).filter(|pattern| !pattern.is_empty()).map(crate::link_pattern).transpose()?;
    let fetched = Crawler::new(client).get(&start, ACCEPT).await.map_err(|refusal| refusal.text())?;
    let text = page_text(&fetched)?;
    let page = Page::read(&text, &fetched.url, pattern.as_ref(), vocabulary);
    if page.links.is_empty() {
        return Err(Text::new(
            format!("{start} にファイルへのリンクがありません。URL と、リンクの条件（link_pattern）を確認してください。スクリプトで表示される一覧は読めません。"),
            format!("{start} links to no files; check the address and the link pattern; lists that scripts put together cannot be read"),
        )
        .into());
    }
    for record in page.records(vocabulary) {
        run.send(record).await?;
    }
    let doubt = if is_cut_off(&text) {
        Some(Text::new(
            format!("{start} が途中で切れている（</html> がない）ため、一覧にないデータセットの判定はしません。"),
            format!("{start} is cut off (it has no </html>), so nothing is taken for withdrawn"),
        ))
    } else if bare_host(&start) != bare_host(&fetched.url) {
        Some(Text::new(
            format!("{start} は別のサイト {} に転送されました。移転したのであれば、収集元の URL を新しいものにしてください。", fetched.url),
            format!("{start} redirects to another site, {}; if it moved, change the source's address", fetched.url),
        ))
    } else if page.has_next {
        Some(Text::new(
            format!("{start} の一覧は次のページに続いていますが、続きは読みません。全件が 1 ページにある URL を指定してください。"),
            format!("the list of {start} goes on on a next page, which is not read; give an address that shows all"),
        ))
    } else {
        None
    };
    Ok(End { reported: None, doubt })
}

fn bare_host(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.strip_prefix("www.").unwrap_or(host)
}

/// What a page says, without its tree, which may not be kept while waiting.
struct Page {
    address: String,
    links: Vec<Link>,
    /// Licence that the page itself names for its content (`rel="license"`).
    licence: Option<[String; 2]>,
    has_next: bool,
}

/// A link to a file and what is around it.
#[derive(Debug, Clone)]
struct Link {
    url: String,
    /// The title without dates.
    title: String,
    /// Whether the link's own words name it.
    is_named: bool,
    /// The title of this file, with dates; of a link that says `CSV` alone, the dataset's.
    file_title: String,
    edition: String,
    temporal: Option<Temporal>,
    /// The nearest heading that is not the title, without dates.
    heading: String,
    /// All headings above, without dates.
    hints: Vec<String>,
    format: Option<String>,
    byte_size: Option<i64>,
    modified: Option<DateTime<Utc>>,
    /// The file's name without dates and numbers.
    stem: String,
    raw: String,
}

impl Page {
    fn read(text: &str, url: &Url, pattern: Option<&Regex>, vocabulary: &Vocabulary) -> Page {
        let html = Html::parse_document(text);
        let all = |selector: &str| -> Vec<ElementRef<'_>> {
            Selector::parse(selector).map(|selector| html.select(&selector).collect()).unwrap_or_default()
        };
        let base = all("base[href]").first().and_then(|base| url.join(base.attr("href")?).ok()).unwrap_or_else(|| url.clone());
        let mut address = url.clone();
        address.set_fragment(None);
        let licence = all("a[rel~=license], link[rel~=license]")
            .first()
            .and_then(|link| Some([base.join(link.attr("href")?).ok()?.to_string(), words(*link)]));
        let mut reader = Reader {
            base,
            pattern,
            vocabulary,
            headings: Vec::new(),
            tables: HashMap::new(),
            asides: HashMap::new(),
            spanned_left: SPANNED_MAX,
            updated: None,
        };
        let page_title = all("title").first().map(|title| words(*title)).unwrap_or_default();
        let mut has_next = !all("link[rel~=next], a[rel~=next]").is_empty();
        let mut links: Vec<Link> = Vec::new();
        for element in html.root_element().descendent_elements() {
            let name = element.value().name();
            if let Some(level) = heading_level(name) {
                reader.headings.retain(|(above, _)| *above < level);
                reader.headings.push((level, heading_words(element)));
            } else if matches!(name, "a" | "area") {
                match reader.file(element) {
                    Some(file) => {
                        let link = reader.link(element, file, &page_title);
                        // Icon and words of the same file: the words win.
                        match links.iter_mut().find(|known| known.url == link.url) {
                            Some(known) if !known.is_named && link.is_named => *known = link,
                            Some(_) => {}
                            None => links.push(link),
                        }
                    }
                    None => has_next |= is_next(element),
                }
            }
        }
        Page { address: address.to_string(), links, licence, has_next }
    }

    /// The datasets, in the order of their first links.
    fn records(&self, vocabulary: &Vocabulary) -> Vec<Result<HarvestedRecord, RecordFailure>> {
        let mut headings: HashMap<String, BTreeSet<String>> = HashMap::new();
        for link in &self.links {
            headings.entry(fold(&link.title)).or_default().insert(fold(&link.heading));
        }
        let is_unique = |link: &Link| headings.get(&fold(&link.title)).is_none_or(|headings| headings.len() < 2);
        let mut groups: Vec<(String, Vec<&Link>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for link in &self.links {
            let title = fold(&link.title);
            let key = if is_unique(link) || link.heading.is_empty() { title } else { format!("{}/{title}", fold(&link.heading)) };
            let place = *places.entry(key.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, links)) => links.push(link),
                None => groups.push((key, vec![link])),
            }
        }
        let mut records = Vec::new();
        for (key, links) in groups {
            let heading = links.first().filter(|link| !is_unique(link)).map(|link| link.heading.clone()).unwrap_or_default();
            if !is_ambiguous(&links) {
                records.push(self.record(&key, &links, &heading, "", vocabulary));
                continue;
            }
            // The same words for different files: their names tell them apart.
            let stems: Vec<&str> = links.iter().map(|link| link.stem.as_str()).collect();
            let mut seen = HashSet::new();
            for stem in stems.into_iter().filter(|stem| seen.insert(*stem)) {
                let part: Vec<&Link> = links.iter().copied().filter(|link| link.stem == stem).collect();
                let key = if stem.is_empty() { key.clone() } else { format!("{key}/{stem}") };
                records.push(self.record(&key, &part, &heading, stem, vocabulary));
            }
        }
        records
    }

    fn record(
        &self,
        id: &str,
        links: &[&Link],
        heading: &str,
        stem: &str,
        vocabulary: &Vocabulary,
    ) -> Result<HarvestedRecord, RecordFailure> {
        let mut record = Record::new(vocabulary);
        let Some(first) = links.first() else {
            return Err(RecordFailure {
                remote_id: Some(id.to_owned()),
                position: self.address.clone(),
                cause: Text::new("リンクがありません。", "there are no links"),
                raw: None,
            });
        };
        record.draft.title.clone_from(&first.title);
        for distinction in [heading, stem].into_iter().filter(|text| !text.is_empty()) {
            record.draft.title.push_str(&format!("（{distinction}）"));
        }
        if !stem.is_empty() {
            record.notice(
                format!("同じ名前「{}」のリンクが複数あるため、ファイル名で区別しました。リンクの文言を分けてください。", first.title),
                format!("several links are named `{}`; they were told apart by file name; give them different words", first.title),
            );
        }
        for hint in links.iter().flat_map(|link| &link.hints).filter(|hint| fold(hint) != fold(&first.title)) {
            if record.vocabulary.find_theme(hint).is_some() {
                record.theme(&[hint]);
            } else if hint.chars().count() <= 100 {
                record.keyword(hint);
            }
        }
        if let Some([address, name]) = &self.licence {
            let (licence, words) = record.licence(&[address, name]);
            record.draft.licence = licence;
            record.draft.licence_text = words;
        }
        record.draft.landing_page = usable_url(&self.address, None);
        let periods: Vec<&Temporal> = links.iter().filter_map(|link| link.temporal.as_ref()).collect();
        let (start, end) = (periods.iter().filter_map(|period| period.start).min(), periods.iter().filter_map(|period| period.end).max());
        record.draft.temporal = (start.is_some() || end.is_some()).then_some(Temporal { start, end });
        record.draft.modified = links.iter().filter_map(|link| link.modified).max();
        let mut identifiers = HashSet::new();
        let distributions = links.iter().map(|link| link.distribution(&mut identifiers)).collect();
        record.draft.distributions = Some(distributions);
        // With heading and file name: tells the dataset again when a namesake comes and the title alone is not enough any more.
        let alternate = format!("{}/{}/{}", fold(&first.heading), fold(&first.title), first.stem);
        let raw: Vec<&str> = links.iter().map(|link| link.raw.as_str()).collect();
        let position = format!("{}「{}」", self.address, first.title);
        let finished = record.finish(id.to_owned(), usable_url(&self.address, None), &position, raw.join("\n"))?;
        Ok(HarvestedRecord { alternate_id: Some(alternate), ..finished })
    }
}

/// Whether links of the same edition and format have names of different files.
fn is_ambiguous(links: &[&Link]) -> bool {
    let mut stems: HashMap<(&str, Option<&str>), &str> = HashMap::new();
    links.iter().any(|link| {
        let known = *stems.entry((link.edition.as_str(), link.format.as_deref())).or_insert(&link.stem);
        known != link.stem && !known.is_empty() && !link.stem.is_empty()
    })
}

impl Link {
    fn distribution(&self, identifiers: &mut HashSet<String>) -> DistributionDraft {
        // By edition and format, so that a corrected file under a new address is still the same distribution.
        let mut identifier = format!("{}/{}", self.edition, self.format.as_deref().unwrap_or_default());
        if !identifiers.insert(identifier.clone()) {
            identifier = format!("{identifier}/{}", file_name(&self.url));
            identifiers.insert(identifier.clone());
        }
        let mut extras = std::collections::BTreeMap::new();
        if let Some(temporal) = &self.temporal {
            for (key, day) in [("temporal_start", temporal.start), ("temporal_end", temporal.end)] {
                extras.extend(day.map(|day| (key.to_owned(), day.to_string())));
            }
        }
        DistributionDraft {
            title: self.file_title.chars().take(minato_catalog::TITLE_LENGTH_MAX).collect(),
            format: self.format.clone(),
            download_url: Some(self.url.clone()),
            byte_size: self.byte_size,
            modified: self.modified,
            identifier: Some(identifier),
            extras,
            ..DistributionDraft::default()
        }
    }
}

fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

/// Whether a link leads to the next part of a list.
fn is_next(link: ElementRef<'_>) -> bool {
    const WORDS: &[&str] = &["次へ", "次のページ", "次ページ", "次の一覧", "次へ>", "次へ»", "次へ＞", "next", "next>", "next»"];
    let is_elsewhere = link.attr("href").is_some_and(|href| !href.trim().is_empty() && !href.trim().starts_with(['#', 'j']));
    is_elsewhere && WORDS.contains(&words(link).to_lowercase().replace(' ', "").as_str())
}

/// Walks over a page with the headings met so far.
struct Reader<'p, 'h> {
    base: Url,
    pattern: Option<&'p Regex>,
    vocabulary: &'p Vocabulary,
    headings: Vec<(u8, String)>,
    tables: HashMap<NodeId, Table<'h>>,
    /// What elements say beside their links, where it is short; many links may share one.
    asides: HashMap<NodeId, Option<String>>,
    /// How much of [`SPANNED_MAX`] is left.
    spanned_left: usize,
    /// What the row of the link at hand says of its last change.
    updated: Option<DateTime<Utc>>,
}

/// Cells by row and column, spans filled.
struct Table<'h> {
    rows: Vec<Vec<Option<ElementRef<'h>>>>,
    places: HashMap<NodeId, (usize, usize)>,
    caption: String,
}

/// What stands beside a link: a text, and whether its date counts for the file.
struct Beside {
    text: String,
    is_heading: bool,
}

impl<'h> Reader<'_, 'h> {
    /// The address of the file that a link leads to.
    fn file(&self, link: ElementRef<'h>) -> Option<Url> {
        let mut url = self.base.join(link.attr("href")?.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "ftp"))?;
        url.set_fragment(None);
        if let Some(pattern) = self.pattern {
            return pattern.is_match(url.as_str()).then_some(url);
        }
        let name = file_name(url.as_str()).to_lowercase();
        let is_data = |name: &str| {
            name.rsplit_once('.')
                .is_some_and(|(stem, extension)| !stem.is_empty() && EXTENSIONS.contains(&extension.to_lowercase().as_str()))
        };
        let is_file = is_data(&name) || url.query_pairs().any(|(_, value)| is_data(&value)) || link.attr("download").is_some();
        (is_file && !FEEDS.contains(&name.as_str()) && !is_furniture(link)).then_some(url)
    }

    fn is_file(&self, element: ElementRef<'_>) -> bool {
        // The lifetime of the page is not needed to tell a link.
        let Some(href) = element.attr("href").filter(|_| element.value().name() == "a") else { return false };
        let Ok(url) = self.base.join(href.trim()) else { return false };
        match self.pattern {
            Some(pattern) => pattern.is_match(url.as_str()),
            None => {
                file_name(url.as_str())
                    .rsplit_once('.')
                    .is_some_and(|(_, extension)| EXTENSIONS.contains(&extension.to_lowercase().as_str()))
                    || element.attr("download").is_some()
            }
        }
    }

    fn link(&mut self, element: ElementRef<'h>, url: Url, page_title: &str) -> Link {
        let mut own_words = words(element);
        if own_words.is_empty() {
            own_words = ["title", "aria-label"].iter().find_map(|name| element.attr(name)).unwrap_or_default().to_owned();
        }
        let own = label(&format!("{own_words} {}", bracketed_after(element)), self.vocabulary);
        let own_parts = part(&own.title);
        let beside = self.beside(element);
        let column = self.column_header(element);
        let besides: Vec<(Label, Parted, bool)> = beside
            .iter()
            .map(|beside| {
                let label = label(&beside.text, self.vocabulary);
                let parts = part(&label.title);
                (label, parts, beside.is_heading)
            })
            .collect();
        let column_label = label(&column, self.vocabulary);
        let column_parts = part(&column_label.title);

        let mut title = own_parts.rest.clone();
        if title.is_empty() {
            let named = besides.iter().find(|(_, parts, _)| !parts.rest.is_empty());
            title = match named {
                Some((_, parts, false)) => parts.rest.clone(),
                // A row that says a year alone: the column says what.
                _ if !column_parts.rest.is_empty() => column_parts.rest.clone(),
                Some((_, parts, true)) => parts.rest.clone(),
                None => part(&label(page_title, self.vocabulary).title).rest,
            };
        }
        if title.is_empty() {
            title = file_name(url.as_str());
        }

        let mut around = besides.iter().map(|(_, parts, _)| parts).chain([&column_parts]).filter(|parts| parts.temporal.is_some());
        let mut parts = own_parts;
        if parts.words.is_empty() {
            // A month beside the link, and its year above.
            let month = besides.iter().map(|(_, parts, _)| parts).find(|parts| parts.month.is_some());
            parts = match (month, around.next()) {
                (Some(month), Some(year)) => month.clone().within(&year.temporal.clone().unwrap_or_default()),
                (None, Some(found)) => found.clone(),
                (_, None) => parts,
            };
        } else if parts.month.is_some()
            && let Some(year) = around.next().and_then(|found| found.temporal.clone())
        {
            parts = parts.within(&year);
        }
        let file_title = match own.title.as_str() {
            "" if parts.words.is_empty() => title.clone(),
            "" => format!("{title}（{}）", parts.words),
            words if part(words).rest.is_empty() => format!("{title}（{words}）"),
            words if part(words).words.is_empty() && !parts.words.is_empty() => format!("{words}（{}）", parts.words),
            words => words.to_owned(),
        };
        let hints: Vec<String> = self
            .headings
            .iter()
            .filter(|(level, _)| *level > 1)
            .map(|(_, text)| part(&label(text, self.vocabulary).title).rest)
            .filter(|text| !text.is_empty())
            .collect();
        let above: Vec<&String> = hints.iter().rev().filter(|hint| fold(hint) != fold(&title)).collect();
        let heading = above.first().map(|hint| (*hint).clone()).unwrap_or_default();
        let from_text = own
            .format
            .clone()
            .or_else(|| besides.iter().find_map(|(label, _, is_heading)| label.format.clone().filter(|_| !is_heading)))
            .or(column_label.format);
        let edition = Parted { rest: String::new(), ..parts.clone() }.edition();
        Link {
            format: format_of(&url).or(from_text),
            is_named: !own.title.is_empty(),
            byte_size: own.byte_size,
            modified: self.updated,
            stem: stem_of(&file_name(url.as_str())),
            url: usable_url(url.as_str(), None).unwrap_or_else(|| url.to_string()),
            title,
            file_title,
            edition,
            temporal: parts.temporal,
            heading,
            hints,
            raw: element.html().chars().take(2_000).collect(),
        }
    }

    /// Texts beside a link, the nearest in meaning first: its row, its list item, its term, its paragraph, its caption, the headings above.
    fn beside(&mut self, link: ElementRef<'h>) -> Vec<Beside> {
        self.updated = None;
        let mut found: Vec<String> = Vec::new();
        let ancestors: Vec<ElementRef<'h>> = link.ancestors().filter_map(ElementRef::wrap).collect();
        let cell = ancestors.iter().position(|element| matches!(element.value().name(), "td" | "th"));
        let table = ancestors.iter().position(|element| element.value().name() == "table");
        let mut caption = String::new();
        if let (Some(cell), Some(table)) = (cell, table)
            && cell < table
        {
            let (cell, table) = (ancestors[cell], ancestors[table]);
            found.extend(self.row_texts(table, cell));
            caption = self.table(table).caption.clone();
        }
        for element in ancestors.iter().take(table.unwrap_or(ancestors.len())) {
            if !matches!(element.value().name(), "li" | "dd" | "p" | "div" | "td" | "figcaption") {
                continue;
            }
            let short = match self.asides.get(&element.id()) {
                Some(short) => short.clone(),
                None => {
                    let short = Some(self.aside(*element)).filter(|text| text.chars().count() <= ASIDE_LENGTH_MAX);
                    self.asides.insert(element.id(), short.clone());
                    short
                }
            };
            let is_short = short.is_some();
            found.extend(short);
            if !is_short || matches!(element.value().name(), "div" | "td") {
                break;
            }
        }
        found.push(caption);
        let mut beside: Vec<Beside> =
            found.into_iter().filter(|text| !text.is_empty()).map(|text| Beside { text, is_heading: false }).collect();
        // The page's title says what all files are about: a title at need, but no date.
        let (page, headings): (Vec<_>, Vec<_>) = self.headings.iter().partition(|(level, _)| *level == 1);
        beside.extend(headings.into_iter().rev().map(|(_, text)| Beside { text: text.clone(), is_heading: true }));
        beside.extend(page.into_iter().rev().map(|(_, text)| Beside { text: part(text).rest, is_heading: true }));
        beside
    }

    /// What an element says beside the links to files in it; of a definition, its term.
    fn aside(&self, element: ElementRef<'h>) -> String {
        match element.value().name() {
            "li" => words_without(element, |inner| self.is_file(inner) || matches!(inner.value().name(), "ul" | "ol")),
            "dd" => element
                .prev_siblings()
                .filter_map(ElementRef::wrap)
                .find(|sibling| sibling.value().name() == "dt")
                .map(words)
                .unwrap_or_default(),
            _ => words_without(element, |inner| self.is_file(inner)),
        }
    }

    /// The texts of a link's row: the one that names it first.
    fn row_texts(&mut self, table: ElementRef<'h>, cell: ElementRef<'h>) -> Vec<String> {
        static NAMING: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"名|タイトル|データセット|資料|項目|件名|題").expect("the expression is valid"));
        let grid = self.table(table);
        static PUBLISHED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"更新|公開|掲載|登録|作成").expect("the expression is valid"));
        let Some(&(row, own_column)) = grid.places.get(&cell.id()) else { return Vec::new() };
        let header: Vec<Option<ElementRef<'h>>> = grid.rows.first().cloned().unwrap_or_default();
        let cells: Vec<Option<ElementRef<'h>>> = grid.rows.get(row).cloned().unwrap_or_default();
        let mut named: Vec<(u8, usize, String)> = Vec::new();
        let mut updated = None;
        for (column, other) in cells.iter().enumerate() {
            let Some(other) = other else { continue };
            // A cell over several columns says its words once.
            if column > 0 && cells[column - 1].is_some_and(|before| before.id() == other.id()) {
                continue;
            }
            let text = words_without(*other, |inner| self.is_file(inner));
            let is_number = text.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || c == '.');
            if is_number || text.chars().count() > ASIDE_LENGTH_MAX || named.iter().any(|(_, _, known)| *known == text) {
                continue;
            }
            let title =
                header.get(column).copied().flatten().filter(|title| row > 0 && title.id() != other.id()).map(words).unwrap_or_default();
            // When a file was published is not what it is about.
            if PUBLISHED.is_match(&title) && part(&text).rest.is_empty() {
                updated = minato_catalog::parse_moment(&text).filter(|_| title.contains("更新")).or(updated);
                continue;
            }
            let is_named = NAMING.is_match(&title);
            let spans = other.attr("rowspan").and_then(|span| span.parse::<usize>().ok()).unwrap_or(1) > 1 && other.id() != cell.id();
            // A cell over several rows names their group, unless it is all there is.
            let rank = match (is_named, spans, column <= own_column) {
                (true, _, _) => 0,
                (false, false, true) => 1,
                (false, true, _) => 2,
                (false, false, false) => 3,
            };
            named.push((rank, column, text));
        }
        self.updated = updated;
        named.sort();
        // What stands behind the link is a remark, not its name.
        named.into_iter().filter(|(rank, _, _)| *rank < 3).map(|(_, _, text)| text).collect()
    }

    fn column_header(&mut self, link: ElementRef<'h>) -> String {
        let ancestors: Vec<ElementRef<'h>> = link.ancestors().filter_map(ElementRef::wrap).collect();
        let cell = ancestors.iter().find(|element| matches!(element.value().name(), "td" | "th"));
        let table = ancestors.iter().find(|element| element.value().name() == "table");
        let (Some(cell), Some(table)) = (cell, table) else { return String::new() };
        let grid = self.table(*table);
        let Some(&(row, column)) = grid.places.get(&cell.id()) else { return String::new() };
        let header = grid.rows.first().and_then(|cells| cells.get(column).copied().flatten()).filter(|_| row > 0);
        header
            .filter(|header| {
                header.value().name() == "th"
                    || header
                        .parent()
                        .and_then(|row| row.parent())
                        .and_then(ElementRef::wrap)
                        .is_some_and(|head| head.value().name() == "thead")
            })
            .map(words)
            .unwrap_or_default()
    }

    fn table(&mut self, table: ElementRef<'h>) -> &Table<'h> {
        let left = &mut self.spanned_left;
        self.tables.entry(table.id()).or_insert_with(|| Table::new(table, left))
    }
}

impl<'h> Table<'h> {
    /// Takes what its cells span from `left`; when that is used up, a cell is where it stands and nowhere else.
    fn new(table: ElementRef<'h>, left: &mut usize) -> Self {
        let mut grid = Table { rows: Vec::new(), places: HashMap::new(), caption: String::new() };
        let is_own = |element: &ElementRef<'h>| {
            element
                .ancestors()
                .filter_map(ElementRef::wrap)
                .find(|above| above.value().name() == "table")
                .is_some_and(|above| above.id() == table.id())
        };
        let inner: Vec<ElementRef<'h>> = table.descendent_elements().filter(is_own).collect();
        grid.caption = inner.iter().find(|element| element.value().name() == "caption").map(|caption| words(*caption)).unwrap_or_default();
        let rows: Vec<&ElementRef<'h>> = inner.iter().filter(|element| element.value().name() == "tr").collect();
        grid.rows = vec![Vec::new(); rows.len()];
        for (row, element) in rows.iter().enumerate() {
            let mut column = 0;
            for cell in element.child_elements().filter(|cell| matches!(cell.value().name(), "td" | "th")) {
                while grid.rows[row].get(column).is_some_and(Option::is_some) {
                    column += 1;
                }
                let span = |name: &str| cell.attr(name).and_then(|span| span.trim().parse::<usize>().ok()).unwrap_or(1).clamp(1, SPAN_MAX);
                let (mut height, mut width) = (span("rowspan").min(rows.len() - row), span("colspan"));
                match left.checked_sub(height * width - 1) {
                    Some(rest) => *left = rest,
                    None => (height, width) = (1, 1),
                }
                grid.places.insert(cell.id(), (row, column));
                for cells in grid.rows.iter_mut().skip(row).take(height) {
                    for at in column..column + width {
                        if cells.len() <= at {
                            cells.resize(at + 1, None);
                        }
                        cells[at].get_or_insert(cell);
                    }
                }
                column += width;
            }
        }
        grid
    }
}

/// Whether a link belongs to the site rather than to the page.
fn is_furniture(link: ElementRef<'_>) -> bool {
    let mut in_margin = false;
    for above in link.ancestors().filter_map(ElementRef::wrap) {
        match above.value().name() {
            "nav" | "footer" => return true,
            "header" | "aside" => in_margin = true,
            "main" | "article" => return false,
            _ => {}
        }
    }
    in_margin
}

/// `<a>人口統計</a>（CSV：12KB）`: brackets right behind a link speak of it.
fn bracketed_after(link: ElementRef<'_>) -> String {
    static BRACKETS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^\s*(?:[（(\[［【〔][^）)\]］】〕]*[)）\]］】〕]\s*)+").expect("the expression is valid"));
    let mut text = String::new();
    for sibling in link.next_siblings() {
        match sibling.value() {
            Node::Text(words) => text.push_str(words),
            Node::Element(element) if matches!(element.name(), "span" | "small" | "em" | "strong" | "b" | "font" | "img") => {
                text.push_str(&ElementRef::wrap(sibling).map(words).unwrap_or_default());
            }
            Node::Comment(_) => {}
            _ => break,
        }
    }
    BRACKETS.find(&text).map(|found| found.as_str().trim().to_owned()).unwrap_or_default()
}

/// The last part of an address's path, readable.
fn file_name(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let pair = format!("x={}", name.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, name)| name.into_owned()).unwrap_or_default()
}

fn format_of(url: &Url) -> Option<String> {
    let known = |name: &str| {
        minato_catalog::format_of_file_name(name)
            .filter(|_| name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension.to_lowercase().as_str())))
    };
    known(&file_name(url.as_str())).or_else(|| url.query_pairs().find_map(|(_, value)| known(&value)))
}

/// A file's name without extension, dates, numbers and joints: what next year's file shares with this year's.
fn stem_of(name: &str) -> String {
    static CHANGING: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:reiwa|heisei|令和|平成|[rh])?(?:[0-9]+|元)(?:年度|年|月|日|st|nd|rd|th)?|[-_.\s()（）]+")
            .expect("the expression is valid")
    });
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_lowercase();
    CHANGING.replace_all(&stem, "").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(html: &str) -> Vec<HarvestedRecord> {
        let vocabulary = Vocabulary::built_in();
        let url = Url::parse("https://e.jp/data/").unwrap();
        Page::read(html, &url, None, &vocabulary).records(&vocabulary).into_iter().map(|record| record.unwrap()).collect()
    }

    /// Title, and each file's title and format.
    fn check(html: &str, expected: &[(&str, &[(&str, &str)])]) {
        let found = records(html);
        let found: Vec<(&str, Vec<(&str, &str)>)> = found
            .iter()
            .map(|record| {
                let files = record.draft.distributions.as_deref().unwrap();
                (
                    record.draft.title.as_str(),
                    files.iter().map(|file| (file.title.as_str(), file.format.as_deref().unwrap_or_default())).collect(),
                )
            })
            .collect();
        let expected: Vec<(&str, Vec<(&str, &str)>)> = expected.iter().map(|(title, files)| (*title, files.to_vec())).collect();
        assert_eq!(found, expected, "{html}");
    }

    #[test]
    fn editions_are_one_dataset() {
        check(
            "<h2>人口</h2><ul><li><a href=j_r5.csv>人口統計（令和5年3月末現在）[CSV 12KB]</a></li><li><a href=j_r4.csv>人口統計（令和4年3月末現在）[CSV 11KB]</a></li></ul>",
            &[("人口統計", &[("人口統計（令和5年3月末現在）", "CSV"), ("人口統計（令和4年3月末現在）", "CSV")])],
        );
        // The heading says the year, or the title, or both.
        check(
            "<h2>令和5年度</h2><p><a href=1.pdf>決算書（PDF：1.2MB）</a></p><h2>令和4年度</h2><p><a href=2.pdf>決算書（PDF：1MB）</a></p>",
            &[("決算書", &[("決算書（令和5年度）", "PDF"), ("決算書（令和4年度）", "PDF")])],
        );
        check(
            "<h2>住民基本台帳人口</h2><a href=a.xlsx>令和6年4月</a> <a href=b.xlsx>令和6年3月</a>",
            &[("住民基本台帳人口", &[("住民基本台帳人口（令和6年4月）", "XLSX"), ("住民基本台帳人口（令和6年3月）", "XLSX")])],
        );
        check(
            "<h2>人口の推移</h2><h3>令和5年度</h3><a href=a.csv>4月</a><a href=b.csv>3月</a>",
            &[("人口の推移", &[("人口の推移（4月）", "CSV"), ("人口の推移（3月）", "CSV")])],
        );
        let months = records("<h2>人口の推移</h2><h3>令和5年度</h3><a href=a.csv>4月</a><a href=b.csv>3月</a>");
        let temporal = months[0].draft.temporal.as_ref().unwrap();
        assert_eq!(
            (temporal.start.unwrap().to_string(), temporal.end.unwrap().to_string()),
            ("2023-04-01".to_owned(), "2024-03-31".to_owned())
        );
    }

    #[test]
    fn formats_of_one_row_are_one_dataset() {
        let expected: &[(&str, &[(&str, &str)])] =
            &[("避難所一覧", &[("避難所一覧", "CSV"), ("避難所一覧", "XLSX")]), ("AED設置箇所", &[("AED設置箇所", "CSV")])];
        for html in [
            "<table><tr><th>データ名</th><th>CSV</th><th>Excel</th></tr><tr><td>避難所一覧</td><td><a href=a.csv>CSV</a></td><td><a href=a.xlsx>Excel</a></td></tr><tr><td>AED設置箇所</td><td><a href=b.csv>CSV</a></td><td>-</td></tr></table>",
            "<table><tr><th>No</th><th>分野</th><th>データ名</th><th>更新日</th><th>ファイル</th></tr><tr><td>1</td><td rowspan=2>防災</td><td>避難所一覧</td><td>2024年4月1日</td><td><a href=a.csv>CSV</a> <a href=a.xlsx>Excel</a></td></tr><tr><td>2</td><td>AED設置箇所</td><td>2024年4月1日</td><td><a href=b.csv>CSV</a></td></tr></table>",
            "<ul><li>避難所一覧 <a href=a.csv>CSV</a>／<a href=a.xlsx>エクセル</a></li><li>AED設置箇所 <a href=b.csv><img src=i.png alt=CSVダウンロード></a></li></ul>",
            "<dl><dt>避難所一覧</dt><dd><a href=a.csv>ダウンロード</a></dd><dd><a href=a.xlsx>ダウンロード</a></dd><dt>AED設置箇所</dt><dd><a href=b.csv>こちら</a></dd></dl>",
            "<p>避難所一覧：<a href=a.csv>CSV</a>、<a href=a.xlsx>Excel</a></p><p>AED設置箇所：<a href=b.csv>CSV</a></p>",
            "<h3>避難所一覧</h3><p><a href=a.csv>CSV</a></p><p><a href=a.xlsx>Excel</a></p><h3>AED設置箇所</h3><p><a href=b.csv>CSV</a></p>",
            "<ul><li><a href=a.csv>避難所一覧</a>（CSV：12KB）</li><li><a href=a.xlsx>避難所一覧</a> [Excel 1MB]</li><li><a href=b.csv>AED設置箇所</a></li></ul>",
            "<a href=a.csv><img alt=CSV src=i.png></a><a href=a.csv>避難所一覧</a> <a href=a.xlsx>避難所一覧.xlsx</a> <a href=b.csv>AED設置箇所</a>",
        ] {
            check(html, expected);
            let updated = records(html)[0].draft.modified.map(|moment| minato_catalog::jst_day(moment).to_string());
            assert_eq!(updated.as_deref(), html.contains("更新日").then_some("2024-04-01"), "{html}");
        }
        check(
            "<table><tr><th>年度</th><th>人口</th><th>世帯数</th></tr><tr><td>令和5年度</td><td><a href=1.csv>CSV</a></td><td><a href=2.csv>CSV</a></td></tr><tr><td>令和4年度</td><td><a href=3.csv>CSV</a></td><td><a href=4.csv>CSV</a></td></tr></table>",
            &[
                ("人口", &[("人口（令和5年度）", "CSV"), ("人口（令和4年度）", "CSV")]),
                ("世帯数", &[("世帯数（令和5年度）", "CSV"), ("世帯数（令和4年度）", "CSV")]),
            ],
        );
    }

    #[test]
    fn headings_tell_namesakes_apart() {
        let html = "<h2>呉市</h2><a href=k.csv>避難所一覧</a><h2>竹原市</h2><a href=t.csv>避難所一覧</a><a href=p.csv>人口</a>";
        check(
            html,
            &[
                ("避難所一覧（呉市）", &[("避難所一覧", "CSV")]),
                ("避難所一覧（竹原市）", &[("避難所一覧", "CSV")]),
                ("人口", &[("人口", "CSV")]),
            ],
        );
        let found = records(html);
        let ids: Vec<_> = found.iter().map(|record| (record.remote_id.as_str(), record.alternate_id.as_deref().unwrap())).collect();
        assert_eq!(
            ids,
            [("呉市/避難所一覧", "呉市/避難所一覧/k"), ("竹原市/避難所一覧", "竹原市/避難所一覧/t"), ("人口", "竹原市/人口/p")]
        );
        // Before the namesake came, the first was known by its title alone: the other id is the same.
        let before = records("<h2>呉市</h2><a href=k.csv>避難所一覧</a>");
        assert_eq!((before[0].remote_id.as_str(), before[0].alternate_id.as_deref()), ("避難所一覧", Some("呉市/避難所一覧/k")));
        assert_eq!(found[0].draft.keywords, ["呉市"]);
    }

    #[test]
    fn file_names_tell_apart_what_words_do_not() {
        check(
            "<h2>申請書</h2><a href=jinko_r5.csv>CSV</a><a href=setai_r5.csv>CSV</a>",
            &[("申請書（jinko）", &[("申請書", "CSV")]), ("申請書（setai）", &[("申請書", "CSV")])],
        );
        // Numbers that a content system gives tell nothing.
        check("<h2>議案</h2><a href=101.pdf>PDF</a><a href=102.pdf>PDF</a>", &[("議案", &[("議案", "PDF"), ("議案", "PDF")])]);
    }

    #[test]
    fn next_years_file_is_the_next_edition() {
        let this_year = records("<h2>財政</h2><a href=/uploaded/attachment/123.xlsx>令和4年度決算書 [Excel 12KB]</a>");
        let next_year = records(
            "<h2>財政</h2><a href=/uploaded/attachment/987.xlsx>令和5年度 決算書（エクセル：13KB）</a><a href=/uploaded/attachment/123.xlsx>令和4年度決算書 [Excel 12KB]</a>",
        );
        assert_eq!(this_year[0].remote_id, next_year[0].remote_id);
        let identifiers = |record: &HarvestedRecord| -> Vec<String> {
            record.draft.distributions.iter().flatten().filter_map(|file| file.identifier.clone()).collect()
        };
        assert_eq!(identifiers(&this_year[0]), ["2022-04-01/2023-03-31/XLSX"]);
        assert_eq!(identifiers(&next_year[0]), ["2023-04-01/2024-03-31/XLSX", "2022-04-01/2023-03-31/XLSX"]);
        // A list that keeps the newest alone.
        let replaced = (records("<a href=a_r4.csv>避難所一覧</a>"), records("<a href=a_r5.csv>避難所一覧</a>"));
        assert_eq!((&replaced.0[0].remote_id, &replaced.0[0].alternate_id), (&replaced.1[0].remote_id, &replaced.1[0].alternate_id));
        assert_eq!(identifiers(&replaced.0[0]), identifiers(&replaced.1[0]));
    }

    #[test]
    fn other_links_are_no_files() {
        check(
            "<nav><a href=n.pdf>案内図</a></nav><header><a href=h.pdf>利用規約</a></header><a href=rss.xml>RSS</a><a href=page.html>ページ</a><a href=mailto:a@e.jp>メール</a>\
             <a href='javascript:x(\"a.csv\")'>x</a><a>x</a><main><a href='dl.php?file=a.csv'>一覧</a></main><footer><a href=f.pdf>Reader</a></footer>",
            &[("一覧", &[("一覧", "CSV")])],
        );
    }

    #[test]
    fn stems_lose_what_changes() {
        for (name, stem) in [
            ("jinko_r5.csv", "jinko"),
            ("R06_population_20240401.xlsx", "population"),
            ("12345.pdf", ""),
            ("令和5年度決算.csv", "決算"),
            ("a.b.csv", "ab"),
        ] {
            assert_eq!(stem_of(name), stem, "{name}");
        }
    }

    #[test]
    fn hostile_tables_are_bounded() {
        let html = format!("<table>{}</table>", "<tr><td rowspan=99999 colspan=99999>x</td><td><a href=a.csv>CSV</a></td></tr>".repeat(3));
        assert_eq!(records(&html).len(), 1);
    }
}
