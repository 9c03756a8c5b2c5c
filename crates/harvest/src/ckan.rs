//! CKAN's action API.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use minato_catalog::{
    ContactPoint, DistributionDraft, HarvestSourceDraft, HarvestedRecord, RecordFailure, Text, Vocabulary, Withdrawal, is_slug, jst_day,
    parse_moment, parse_period,
};
use minato_dcat::language_code;
use serde_json::Value;
use url::Url;

use crate::client::Client;
use crate::convert::{Record, usable_url, utc_moment};
use crate::json::{self, Fields, JsonError, clip, listed, or, some, text, truthy, whole_number};
use crate::listing::{Converted, End, Pages, Run, Stop, not_all};
use crate::{Error, Standing};

/// Records asked for at once; servers may give fewer.
const ROWS: usize = 100;
/// Times the pages of the search are read when records come and go meanwhile.
const ROUNDS_MAX: usize = 2;
/// Packages that cannot be shown one after the other before a server is left alone.
const SHOW_REFUSALS_MAX: usize = 20;

/// How a software that answers (part of) CKAN's action API differs from CKAN.
pub(crate) struct Dialect {
    /// Its name in messages.
    pub(crate) software: &'static str,
    /// Where the actions may be, below the site.
    pub(crate) paths: &'static [&'static str],
    /// What `package_search` is asked beside rows and start.
    pub(crate) search: &'static [(&'static str, &'static str)],
    /// Whether the server picks an organization's records; else they are picked here.
    pub(crate) filters: bool,
    /// Whether times without a zone are UTC, as CKAN keeps them; else Japan's.
    pub(crate) naive_is_utc: bool,
    /// Whether `current_package_list_with_resources` may be there.
    pub(crate) lists_whole: bool,
    /// Whether `package_show/{id}` may be what answers, in place of `package_show?id=`.
    pub(crate) shows_by_path: bool,
    /// Whether what extensions let publishers write, in files and in lists, is kept; elsewhere such fields may be counts that change daily.
    pub(crate) keeps_extensions: bool,
    /// The record's id, where an entry of `package_list` is one.
    pub(crate) listed_id: fn(&str) -> Option<String>,
    /// A package in CKAN's words, where the software's own differ.
    pub(crate) in_ckan_words: fn(&Fields, &Url) -> Option<Fields>,
    /// The page of a package at a site, by its id and what it says.
    pub(crate) page: fn(&Url, &str, &Fields) -> String,
}

const CKAN: Dialect = Dialect {
    software: "CKAN",
    paths: &["api/3/action/"],
    // A field that edits do not change, so that pages do not shift.
    search: &[("sort", "name asc")],
    filters: true,
    naive_is_utc: true,
    lists_whole: true,
    shows_by_path: false,
    keeps_extensions: true,
    // The list gives names, records are known by id: which one this is cannot be told.
    listed_id: |_| None,
    in_ckan_words: |_, _| None,
    page: |base, id, package| format!("{base}dataset/{}", or(text(package, "name"), || id.to_owned())),
};

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let site = Site::new(&CKAN, &source.url, source.remote_organization.as_deref(), client)?;
    site.read(vocabulary, run).await
}

/// What CKAN says of a record: 403 for those it has and does not show, 404 for those it has not.
pub(crate) async fn standing(source: &HarvestSourceDraft, client: &Client, remote_id: &str) -> Option<Standing> {
    let site = Site::new(&CKAN, &source.url, source.remote_organization.as_deref(), client).ok()?;
    match site.call(site.paths().first()?, "package_show", &[("id", remote_id)]).await {
        Ok(_) => Some(Standing::Shown),
        Err(error) if error.is_denied() => Some(Standing::Withheld),
        Err(JsonError::Fetch(error)) if error.status() == Some(404) => Some(Standing::Unknown),
        Err(_) => None,
    }
}

/// Why the search was of no use.
pub(crate) enum Refusal {
    /// The very first request was refused: another way may be open.
    Elsewhere(Text),
    Stop(Stop),
}

impl<T: Into<Stop>> From<T> for Refusal {
    fn from(stop: T) -> Self {
        Refusal::Stop(stop.into())
    }
}

/// What reading all pages of the search once came to.
pub(crate) enum Round {
    /// What the source counts was met, or it does not count.
    Whole,
    /// Records came or went meanwhile; another round may do better.
    Shifted(Text),
    /// The source's paging is at fault.
    Doubtful(Text),
}

/// A site that speaks a dialect of CKAN.
pub(crate) struct Site<'a> {
    dialect: &'static Dialect,
    client: &'a Client,
    base: Url,
    /// Where the actions are, below the site, as far as is known.
    paths: Vec<String>,
    organization: Option<&'a str>,
}

impl<'a> Site<'a> {
    /// The site behind an address that may already lead into its API.
    pub(crate) fn new(dialect: &'static Dialect, url: &str, organization: Option<&'a str>, client: &'a Client) -> Result<Self, Error> {
        let invalid = || Error::InvalidUrl { url: url.chars().take(500).collect() };
        let mut base = Url::parse(url.trim()).map_err(|_| invalid())?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(invalid());
        }
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        let cut = path
            .find("/api/3")
            .or_else(|| path.find("/api/action"))
            .or_else(|| path.find("/api/package_"))
            .or_else(|| path.find("/ckan_api"))
            .or_else(|| path.strip_suffix("/api/1").map(str::len))
            .or_else(|| path.strip_suffix("/api").map(str::len))
            .or_else(|| path.strip_suffix("/dataset").map(str::len))
            .or_else(|| path.strip_suffix("/datasets").map(str::len));
        let mut paths: Vec<String> = dialect.paths.iter().map(|path| (*path).to_owned()).collect();
        // An address of an action itself says where the actions are.
        let actions = path.find("/package_").map(|end| format!("{}/", &path[..end]));
        let site = format!("{}/", &path[..cut.or(path.find("/package_")).unwrap_or(path.len())]);
        if let Some(given) = actions.and_then(|actions| actions.strip_prefix(&site).map(str::to_owned)) {
            paths.retain(|path| *path != given);
            paths.insert(0, given);
        }
        base.set_path(&site);
        let organization = organization.map(str::trim).filter(|name| !name.is_empty());
        Ok(Site { dialect, client, base, paths, organization })
    }

    /// Where the actions may be, the likeliest first.
    pub(crate) fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Reads by the search, else by the list, at the first place that answers.
    pub(crate) async fn read(&self, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
        let mut refused = None;
        for path in &self.paths {
            match self.search(path, vocabulary, run).await {
                Ok(end) => return Ok(end),
                Err(Refusal::Stop(stop)) => return Err(stop),
                Err(Refusal::Elsewhere(cause)) => refused = refused.or(Some(cause)),
            }
        }
        // Some portals close the search and leave a list open.
        for path in self.paths.iter().filter(|_| self.dialect.lists_whole) {
            match self.whole(path, vocabulary, run).await {
                Err(Stop::Broken(_)) if run.passed() == 0 => {}
                outcome => return outcome,
            }
        }
        for path in &self.paths {
            let Ok(names) = self.names(path).await else { continue };
            return self.show_all(path, &names, vocabulary, run).await;
        }
        let unknown = || Text::new("package_search も package_list も使えません。", "neither package_search nor package_list can be used");
        let cause = refused.unwrap_or_else(unknown);
        Err(Stop::Broken(match self.hint() {
            Some(hint) => Text::new(format!("{}{}", cause.ja, hint.ja), format!("{}; {}", cause.en, hint.en)),
            None => cause,
        }))
    }

    /// What to write instead of the address of a page within a site, which is easily copied from a browser.
    fn hint(&self) -> Option<Text> {
        let path = self.base.path();
        let (site, page) = ["/dataset/", "/organization/", "/group/"].iter().find_map(|page| Some((path.find(page)?, *page)))?;
        let top = &self.base[..url::Position::BeforePath];
        let site = format!("{top}{}/", &path[..site]);
        let (ja, en) = match page {
            "/organization/" => (
                "組織を選ぶには「収集元での組織」にその名前を書いてください。",
                "; name the organization as the organization there (remote_organization)",
            ),
            _ => ("", ""),
        };
        Some(Text::new(
            format!("この URL はサイトの中の 1 ページのようです。サイトの先頭（{site}）を指定してください。{ja}"),
            format!("this looks like a page within a site; give the top of the site, {site}{en}"),
        ))
    }

    /// Reads `package_search`, once more when records came or went meanwhile.
    async fn search(&self, path: &str, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Refusal> {
        let filter = match self.organization.filter(|_| self.dialect.filters) {
            Some(wanted) => Some(self.filter(path, wanted).await?),
            None => None,
        };
        let fq = filter.as_ref().map(|filter| filter.fq.as_str());
        let mut doubt = None;
        for round in 1..=ROUNDS_MAX {
            match self.pages(path, fq, round == 1, vocabulary, run).await? {
                Round::Whole => {
                    if let Some(guessed) = filter.as_ref().and_then(|filter| filter.guessed).filter(|_| run.passed() == 0) {
                        self.require_organization(path, guessed).await?;
                    }
                    // A record that went after it was met is absent next time; that all were met is settled.
                    return Ok(End { reported: Some(run.passed()), doubt: None });
                }
                Round::Shifted(cause) => doubt = Some(cause),
                Round::Doubtful(cause) => return Ok(End::doubtful(cause)),
            }
            // Then another round settles nothing.
            if run.has_nameless() {
                break;
            }
        }
        Ok(End { reported: None, doubt })
    }

    /// Reads all pages of `package_search` once.
    pub(crate) async fn pages(
        &self,
        path: &str,
        fq: Option<&str>,
        is_first: bool,
        vocabulary: &Vocabulary,
        run: &mut Run,
    ) -> Result<Round, Refusal> {
        let mut pages = Pages::new(self.client.settings().pages_max);
        // Of this round; what the run has met says nothing about its pages.
        let (mut seen, mut nameless) = (HashSet::new(), 0);
        let mut start = 0;
        loop {
            let place = format!("package_search, start={start}");
            let (count, packages) = match self.search_page(path, fq, start, ROWS).await {
                Err(error) if start == 0 && is_first && error.is_elsewhere() => return Err(Refusal::Elsewhere(error.at(&place))),
                other => other.map_err(|error| error.at(&place))?,
            };
            if count.is_none() && pages.reported().is_some() {
                return Err(Text::new(
                    format!("{place}: 応答に件数 count がないため、全件を読めたか確認できません。"),
                    format!("{place}: the answer has no count, so it cannot be told whether all was read"),
                )
                .into());
            }
            if let Some(fell) = pages.count(count) {
                return Ok(Round::Shifted(fell));
            }
            for (index, package) in packages.iter().enumerate() {
                let position = format!("package_search #{}", start + index);
                let converted = self.convert(package, !self.dialect.filters, vocabulary, &position);
                match converted.id() {
                    Some(id) => _ = seen.insert(id.to_owned()),
                    None => nameless += 1,
                }
                // What failed is told once.
                if is_first || !converted.id().is_some_and(|id| run.has_passed(id)) {
                    run.take(converted).await?;
                }
            }
            let met = seen.len() as u64 + nameless;
            let place = format!("start={start}");
            start += packages.len();
            match pages.reported() {
                Some(count) if start as u64 >= count => {
                    return Ok(if met == count { Round::Whole } else { Round::Shifted(not_all(count, met)) });
                }
                // Without a count, an empty page is the end.
                None if packages.is_empty() && start > 0 => return Ok(Round::Whole),
                None if packages.is_empty() => {
                    let software = self.dialect.software;
                    return Err(Text::new(
                        format!("package_search の応答に件数 count もデータセットもありません。{software} の URL か確認してください。"),
                        format!("the answer of package_search has neither a count nor datasets; check that the URL is a {software} site"),
                    )
                    .into());
                }
                _ => {}
            }
            if let Some(doubt) = pages.turn(&place, packages.len(), met) {
                return Ok(Round::Doubtful(doubt));
            }
        }
    }

    /// One page of `package_search`: the source's count of all records, where it gives one, and those of the page.
    pub(crate) async fn search_page(
        &self,
        path: &str,
        fq: Option<&str>,
        start: usize,
        rows: usize,
    ) -> Result<(Option<u64>, Vec<Value>), JsonError> {
        let (rows, start) = (rows.to_string(), start.to_string());
        let mut query = vec![("rows", rows.as_str()), ("start", start.as_str())];
        query.extend(self.dialect.search);
        query.extend(fq.map(|fq| ("fq", fq)));
        let mut result = self.call(path, "package_search", &query).await?;
        let count = result.as_object().and_then(|result| json::count(result, "count"));
        match result.get_mut("results").map(Value::take).and_then(into_list) {
            Some(packages) => Ok((count, packages)),
            None => {
                let software = self.dialect.software;
                Err(JsonError::Answer(Text::new(
                    format!("package_search の応答に results がありません。{software} の URL か確認してください。"),
                    format!("the answer of package_search has no results; check that the URL is a {software} site"),
                )))
            }
        }
    }

    /// The filter for the datasets of an organization, which may be named by its name, id or title.
    async fn filter<'w>(&self, path: &str, wanted: &'w str) -> Result<Filter<'w>, Text> {
        if is_uuid(wanted) {
            return Ok(Filter { fq: format!("owner_org:{}", quoted(wanted)), guessed: Some(wanted) });
        }
        let by_name = |name: &str| format!("organization:{}", quoted(name));
        if is_slug(wanted) {
            return Ok(Filter { fq: by_name(wanted), guessed: Some(wanted) });
        }
        // However many are asked for, servers give 25 with all fields or as many as they like.
        let mut seen = HashSet::new();
        for _ in 0..self.client.settings().pages_max {
            let offset = seen.len().to_string();
            let query = [("all_fields", "true"), ("limit", "1000"), ("offset", offset.as_str())];
            let organizations = match self.call(path, "organization_list", &query).await {
                Ok(result) => into_list(result).unwrap_or_default(),
                // Portals that hide the list still may know the name.
                Err(_) => return Ok(Filter { fq: by_name(wanted), guessed: Some(wanted) }),
            };
            let seen_before = seen.len();
            for organization in organizations.iter().filter_map(Value::as_object) {
                let name = text(organization, "name");
                if !name.is_empty() && goes_by(organization, wanted) {
                    return Ok(Filter { fq: by_name(&name), guessed: None });
                }
                seen.insert(name);
            }
            if seen.len() == seen_before {
                break;
            }
        }
        Err(no_organization(wanted))
    }

    /// Nothing was found: either there is nothing, or the organization was misspelled or renamed, and then nothing may be withdrawn.
    async fn require_organization(&self, path: &str, wanted: &str) -> Result<(), Text> {
        match self.call(path, "organization_show", &[("id", wanted)]).await {
            Err(JsonError::Fetch(error)) if error.status() == Some(404) => Err(no_organization(wanted)),
            _ => Ok(()),
        }
    }

    /// Reads `current_package_list_with_resources`: everything, in pages that are not counted.
    async fn whole(&self, path: &str, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
        const ACTION: &str = "current_package_list_with_resources";
        let mut pages = Pages::new(self.client.settings().pages_max);
        let mut start = 0;
        loop {
            let (limit, offset) = (ROWS.to_string(), start.to_string());
            let place = format!("{ACTION}, offset={offset}");
            let query = [("limit", limit.as_str()), ("offset", offset.as_str())];
            let result = self.call(path, ACTION, &query).await.map_err(|error| error.at(&place))?;
            let Some(packages) = listed(&result) else {
                return Err(Text::new(format!("{place}: 応答が一覧ではありません。"), format!("{place}: the answer is no list")).into());
            };
            for (index, package) in packages.iter().enumerate() {
                let position = format!("{ACTION} #{}", start + index);
                run.take(self.convert(package, true, vocabulary, &position)).await?;
            }
            // Old versions know neither limit nor offset and give everything at once.
            if packages.is_empty() || packages.len() > ROWS {
                return Ok(End { reported: None, doubt: None });
            }
            if let Some(doubt) = pages.turn(&place, packages.len(), run.passed()) {
                return Ok(End::doubtful(doubt));
            }
            start += packages.len();
        }
    }

    /// The entries of `package_list`, each once: names, or what the software gives in their place.
    pub(crate) async fn names(&self, path: &str) -> Result<Vec<String>, JsonError> {
        let result = self.call(path, "package_list", &[]).await?;
        let Some(entries) = listed(&result) else {
            let software = self.dialect.software;
            return Err(JsonError::Answer(Text::new(
                format!("package_list の応答が一覧ではありません。{software} の URL か確認してください。"),
                format!("the answer of package_list is no list; check that the URL is a {software} site"),
            )));
        };
        let name = |entry: &Value| match entry.as_object() {
            Some(entry) => or(text(entry, "id"), || text(entry, "name")),
            None => json::plain(entry),
        };
        let mut seen = HashSet::new();
        Ok(entries.into_iter().map(name).filter(|name| !name.is_empty() && seen.insert(name.clone())).collect())
    }

    /// One `package_show` for each name; records met before are not asked for again.
    pub(crate) async fn show_all(&self, path: &str, names: &[String], vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
        let mut by_path = false;
        let mut refusals = 0;
        for name in names {
            let id = (self.dialect.listed_id)(name);
            if id.as_deref().is_some_and(|id| run.has_passed(id)) {
                continue;
            }
            match self.show(path, name, &mut by_path).await {
                Ok(package) => {
                    refusals = 0;
                    run.take(self.convert(&package, true, vocabulary, name)).await?;
                }
                Err(error) => {
                    // Who asks for fewer requests is not asked for the rest.
                    let is_last = error.status() == Some(429);
                    let cause = error.at(&format!("package_show {name}"));
                    refusals += 1;
                    if refusals >= SHOW_REFUSALS_MAX || is_last {
                        return Err(Stop::Broken(cause));
                    }
                    run.send(Err(RecordFailure { remote_id: id, position: name.to_owned(), cause, raw: None })).await?;
                }
            }
        }
        Ok(End { reported: None, doubt: None })
    }

    async fn show(&self, path: &str, name: &str, by_path: &mut bool) -> Result<Value, JsonError> {
        if !*by_path {
            match self.call(path, "package_show", &[("id", name)]).await {
                Err(error) if self.dialect.shows_by_path && error.is_elsewhere() => {
                    let package = self.call(path, &format!("package_show/{name}"), &[]).await.map_err(|_| error)?;
                    *by_path = true;
                    return Ok(package);
                }
                other => return other,
            }
        }
        self.call(path, &format!("package_show/{name}"), &[]).await
    }

    /// Calls an action and gives its `result`.
    async fn call(&self, path: &str, action: &str, query: &[(&str, &str)]) -> Result<Value, JsonError> {
        let software = self.dialect.software;
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}{action}", self.base.path()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut answer = json::get(self.client, url.as_str(), software).await?;
        if !answer.get("success").is_some_and(truthy) {
            let error = answer.get("error");
            let message = error
                .and_then(|error| error.get("message"))
                .or(error)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let message: String = message.unwrap_or_default().chars().take(200).collect();
            return Err(JsonError::Answer(Text::new(
                format!("{software} がエラー（success: false）を返しました。{message}"),
                format!("{software} answered success: false. {message}"),
            )));
        }
        Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())
    }

    /// `picks`: whether other organizations' records are passed over here, because the server gave them too.
    fn convert(&self, package: &Value, picks: bool, vocabulary: &Vocabulary, position: &str) -> Converted {
        let id = package.get("id").map(json::plain).filter(|id| !id.is_empty());
        let Some(given) = package.as_object() else {
            let (ja, en) = ("レコードが JSON オブジェクトではありません。", "the record is not a JSON object");
            return Converted::failure(None, position, package, ja, en);
        };
        let translated = (self.dialect.in_ckan_words)(given, &self.base);
        let fields = translated.as_ref().unwrap_or(given);
        let id = translated.as_ref().and_then(|fields| some(text(fields, "id"))).or(id);
        let failure = |ja: &str, en: &str| Converted::failure(id.as_deref(), position, package, ja, en);
        let Some(remote_id) = &id else {
            return failure("レコードに id がありません。", "the record has no id");
        };
        if picks && self.organization.is_some_and(|wanted| !belongs_to(fields, wanted)) {
            return Converted::Other(remote_id.clone());
        }
        let state = text(fields, "state");
        if state == "deleted" {
            return Converted::Withdrawn(remote_id.clone(), Withdrawal::Deleted);
        }
        let is_public = fields.get("private").is_none_or(|value| !truthy(value))
            && (state.is_empty() || state == "active")
            && !matches!(text(fields, "type").as_str(), "harvest" | "showcase" | "application" | "issue");
        if !is_public {
            return Converted::Withdrawn(remote_id.clone(), Withdrawal::Private);
        }
        for (field, is_expected) in [
            ("resources", fields.get("resources").is_none_or(|value| listed(value).is_some() || value.is_null())),
            ("title", fields.get("title").is_none_or(|value| value.is_string() || value.is_null() || value.is_object())),
        ] {
            if !is_expected {
                return failure(&format!("{field} の形式が正しくありません。"), &format!("{field} is not of the expected type"));
            }
        }
        let remote_url = usable_url(&(self.dialect.page)(&self.base, remote_id, fields), None);
        let record = self.package(fields, vocabulary);
        if record.draft.title.is_empty() {
            return failure("タイトル title がありません。", "the record has no title");
        }
        // A portal that is set up anew gives new ids; the names in its addresses stay.
        let finished = record.finish(remote_id.clone(), remote_url, position, package.to_string());
        Converted::Record(Box::new(finished.map(|record| HarvestedRecord { alternate_id: some(text(fields, "name")), ..record })))
    }

    fn package<'v>(&self, fields: &Fields, vocabulary: &'v Vocabulary) -> Record<'v> {
        let mut record = Record::new(vocabulary);
        let mut rest = extras(fields, self.dialect.keeps_extensions);
        let mut take = |keys: &[&str]| keys.iter().find_map(|key| rest.remove(*key)).unwrap_or_default();

        let name = text(fields, "name");
        record.draft.slug = Some(name.clone()).filter(|name| is_slug(name));
        let (title, title_en) = translated(fields, "title");
        record.draft.title = if title.is_empty() { name } else { title };
        record.draft.title_en = title_en.or_else(|| some(take(&["title_en"])));
        let (notes, notes_en) = translated(fields, "notes");
        record.draft.description = notes;
        record.draft.description_en = notes_en.or_else(|| some(take(&["notes_en", "description_en"])));
        let identifier = take(&["identifier"]);
        if identifier.contains("://") || identifier.chars().count() > 500 {
            record.extra("identifier", &identifier);
        } else {
            record.draft.identifier = some(identifier);
        }

        for tag in array(fields, "tags") {
            let word =
                tag.as_str().map(str::to_owned).or_else(|| tag.as_object().map(|tag| or(text(tag, "display_name"), || text(tag, "name"))));
            record.keyword(&word.unwrap_or_default());
        }
        let words = ["ja", "en"].map(|language| fields.get("keywords_translated").and_then(|words| words.get(language)?.as_array()));
        words.into_iter().flatten().flatten().filter_map(Value::as_str).for_each(|word| record.keyword(word));
        for group in array(fields, "groups").into_iter().filter_map(Value::as_object) {
            let (title, display_name, name) = (text(group, "title"), text(group, "display_name"), text(group, "name"));
            record.theme(&[&title, &display_name, &name]);
        }
        let theme = take(&["theme"]);
        match serde_json::from_str::<Vec<String>>(&theme) {
            Ok(themes) => themes.iter().for_each(|theme| record.theme(&[theme])),
            Err(_) if !theme.is_empty() => record.theme(&[&theme]),
            Err(_) => {}
        }

        let (licence, licence_text) =
            record.licence(&[&text(fields, "license_url"), &text(fields, "license_id"), &text(fields, "license_title")]);
        record.draft.licence = licence;
        // The words rather than CKAN's key for them. CKAN says its own in the language of whoever saved last.
        let title = match text(fields, "license_id").as_str() {
            "other-nc" => "その他（非商用）".to_owned(),
            "gfdl" => "GNU Free Documentation License".to_owned(),
            "uk-ogl" => "UK Open Government Licence (OGL)".to_owned(),
            _ => text(fields, "license_title"),
        };
        record.draft.licence_text = licence_text.map(|all| or(title, || all));

        let (url, page) = (text(fields, "url"), take(&["landingPage", "landing_page"]));
        // Words joined to the site would look like an address.
        let base = |address: &str| Some(&self.base).filter(|_| address.starts_with('/'));
        record.draft.landing_page = record.address("landing_page", &url, base(&url), None);
        if record.draft.landing_page.is_none() {
            record.draft.landing_page = record.address("landingPage", &page, base(&page), None);
        } else if page != url {
            record.extra("landingPage", &page);
        }
        record.draft.creator = some(text(fields, "author"));
        record.draft.contact_point = contact_point(fields, &mut take);
        for key in ["maintainer", "maintainer_email", "author_email"] {
            let value = some(text(fields, key));
            if record.draft.contact_point.as_ref().is_none_or(|contact| value != contact.name && value != contact.email) {
                record.extra(key, &value.unwrap_or_default());
            }
        }
        record.draft.version = some(text(fields, "version"));
        record.frequency(&take(&[
            "frequency",
            "frequency_of_update",
            "accrual_periodicity",
            "accrualPeriodicity",
            "update_frequency",
            "更新頻度",
        ]));
        let issued = take(&["issued", "release_date", "公開日"]);
        record.draft.issued = record.moment("issued", &issued).or_else(|| self.moment(&text(fields, "metadata_created"))).map(jst_day);
        let modified = take(&["modified", "last_updated"]);
        record.draft.modified = record.moment("modified", &modified).or_else(|| self.moment(&text(fields, "metadata_modified")));
        let spatial = take(&["spatial"]);
        let label = take(&["spatial_text", "spatial_label", "対象地域"]);
        let labels: Vec<String> = array(fields, "spatial_labels").into_iter().map(json::plain).chain(some(label)).collect();
        record.spatial(&spatial, &labels);
        let (mut start, mut end) = (take(&["temporal_start"]), take(&["temporal_end"]));
        let mut words = take(&["temporal", "temporal_coverage", "対象期間"]);
        // ckanext-dcat lists periods; one alone is the dataset's.
        if start.is_empty()
            && end.is_empty()
            && let Ok([period]) = serde_json::from_str::<[Fields; 1]>(&words)
            && period.keys().all(|key| matches!(key.as_str(), "start" | "end"))
        {
            (start, end, words) = (text(&period, "start"), text(&period, "end"), String::new());
        }
        record.temporal(&start, &end);
        let period = parse_period(&words);
        if record.draft.temporal.is_none() && start.is_empty() && end.is_empty() {
            record.draft.temporal.clone_from(&period);
        }
        if period.is_none() || record.draft.temporal != period {
            record.extra("temporal", &words);
        }
        let language = take(&["language"]);
        for word in language.split([',', '[', ']', '"', ' ', '{', '}']).filter(|word| !word.is_empty()) {
            record.language(word);
        }
        let conforms_to = take(&["conforms_to", "conformsTo"]);
        record.draft.conforms_to = serde_json::from_str(&conforms_to).unwrap_or_else(|_| some(conforms_to).into_iter().collect());
        if let Some(organization) = fields.get("organization").and_then(Value::as_object) {
            record.extra("publisher_name", &or(text(organization, "title"), || text(organization, "name")));
        }
        for (key, value) in rest {
            record.extra(&key, &value);
        }

        let mut distributions = Vec::new();
        let mut nameless = 0;
        for resource in array(fields, "resources") {
            match resource.as_object() {
                Some(resource) if text(resource, "state") == "deleted" => {}
                Some(resource) => {
                    let distribution = self.resource(resource, &mut record);
                    distributions.push(distribution);
                }
                None => nameless += 1,
            }
        }
        if nameless > 0 {
            record.notice(
                format!("リソース {nameless} 件は形式が正しくないため、使いませんでした。"),
                format!("{nameless} resources are not JSON objects and were not used"),
            );
        }
        record.draft.distributions = Some(distributions);
        record.lift_licence();
        record
    }

    /// A time the software keeps itself.
    fn moment(&self, text: &str) -> Option<DateTime<Utc>> {
        if self.dialect.naive_is_utc { utc_moment(text) } else { parse_moment(text) }
    }

    fn resource(&self, fields: &Fields, record: &mut Record<'_>) -> DistributionDraft {
        let mut extras = BTreeMap::new();
        let (name, name_en) = translated(fields, "name");
        let url = text(fields, "url");
        let format = some(text(fields, "format")).and_then(|word| crate::convert::format(record.vocabulary, &word));
        let media_type = some(or(text(fields, "mimetype"), || text(fields, "mediaType"))).filter(|text| text.contains('/'));
        let address = record.address("url", &url, Some(&self.base), Some(&mut extras));
        // A web page or an API leads to data and is none.
        let is_page = matches!(format.as_deref(), Some("HTML" | "API" | "WEB" | "LINK" | "URL" | "WMS" | "WFS" | "WMTS"));
        let (access_url, download_url) =
            if is_page { (address, None) } else { (some(text(fields, "access_url")).and_then(|url| usable_url(&url, None)), address) };
        let licence = record.licence(&[
            &text(fields, "license"),
            &text(fields, "license_url"),
            &text(fields, "license_id"),
            &text(fields, "resource_license_id"),
        ]);
        if let Some(words) = licence.1 {
            extras.insert("licence_text".to_owned(), words);
        }
        let hash = text(fields, "hash");
        if !hash.is_empty() {
            extras.insert("hash".to_owned(), hash);
        }
        let language = language_code(&text(fields, "language"));
        let (description, description_en) = translated(fields, "description");
        if self.dialect.keeps_extensions {
            let words = some(text(fields, "language")).filter(|_| language.is_none()).map(|words| ("language".to_owned(), words));
            let english = description_en.filter(|english| *english != description).map(|english| ("description_en".to_owned(), english));
            for (key, value) in resource_extras(fields).chain(words).chain(english) {
                extras.entry(key).or_insert(value);
            }
        }
        DistributionDraft {
            id: None,
            title: clip(&name, minato_catalog::TITLE_LENGTH_MAX),
            title_en: name_en,
            description,
            format,
            media_type,
            licence: licence.0.filter(|id| record.draft.licence.as_ref() != Some(id)),
            access_url,
            download_url,
            byte_size: whole_number(fields.get("size").or_else(|| fields.get("byte_size"))),
            issued: self.moment(&text(fields, "created")).map(jst_day),
            modified: [text(fields, "last_modified"), text(fields, "metadata_modified")].iter().find_map(|text| self.moment(text)),
            language: language.into_iter().collect(),
            conforms_to: several(fields, "conforms_to"),
            identifier: some(text(fields, "id")),
            extras,
        }
    }
}

fn contact_point(fields: &Fields, take: &mut impl FnMut(&[&str]) -> String) -> Option<ContactPoint> {
    let (contact_name, contact_email) = (take(&["contact_name"]), take(&["contact_email"]));
    let telephone = some(take(&["contact_phone", "maintainer_phone", "contact_telephone"]));
    let url = some(take(&["contact_uri", "contact_url"])).and_then(|url| usable_url(&url, None));
    let name = some(contact_name).or_else(|| some(text(fields, "maintainer")));
    let email = some(contact_email).or_else(|| some(text(fields, "maintainer_email"))).or_else(|| some(text(fields, "author_email")));
    let contact = ContactPoint { name, email, telephone, url };
    (contact != ContactPoint::default()).then_some(contact)
}

/// CKAN's own fields: modelled above, or of no meaning outside the site. The rest came from extensions and is kept.
const KNOWN_FIELDS: &[&str] = &[
    "id",
    "name",
    "title",
    "notes",
    "url",
    "author",
    "author_email",
    "maintainer",
    "maintainer_email",
    "version",
    "private",
    "state",
    "type",
    "license_id",
    "license_title",
    "license_url",
    "isopen",
    "owner_org",
    "organization",
    "creator_user_id",
    "metadata_created",
    "metadata_modified",
    "resources",
    "tags",
    "groups",
    "extras",
    "num_resources",
    "num_tags",
    "relationships_as_subject",
    "relationships_as_object",
    "revision_id",
    "revision_timestamp",
    "title_translated",
    "notes_translated",
    "keywords_translated",
    "spatial_labels",
    "organizations",
    "tag_string",
    "tracking_summary",
    "plugin_data",
    "resource_count",
    "view_count",
    "download_count",
    "access_count",
    "downloads",
    "total_downloads",
];

/// CKAN's own fields of a resource and those of its usual extensions: modelled above, or of no meaning outside the site.
const KNOWN_RESOURCE_FIELDS: &[&str] = &[
    "id",
    "name",
    "name_translated",
    "description",
    "description_translated",
    "url",
    "access_url",
    "format",
    "mimetype",
    "mimetype_inner",
    "mediaType",
    "license",
    "license_url",
    "license_id",
    "resource_license_id",
    "license_title",
    "hash",
    "size",
    "byte_size",
    "created",
    "last_modified",
    "metadata_modified",
    "language",
    "conforms_to",
    "package_id",
    "position",
    "state",
    "url_type",
    "resource_type",
    "resource_group_id",
    "revision_id",
    "revision_timestamp",
    "on_same_domain",
    "ckan_url",
    "has_views",
    "can_be_previewed",
    "archiver",
    "qa",
    "task_created",
    "original_url",
];

/// Beginnings of the names of what CKAN and its usual extensions note of a file while they work on it.
const RESOURCE_NOTES: &[&str] = &["cache_", "datastore_", "webstore_", "validation_", "xloader_", "datapusher_"];

/// What publishers wrote in fields of a resource that extensions added.
fn resource_extras(fields: &Fields) -> impl Iterator<Item = (String, String)> {
    let is_known = |key: &str| {
        KNOWN_RESOURCE_FIELDS.contains(&key) || RESOURCE_NOTES.iter().any(|note| key.starts_with(note)) || json::is_volatile(key)
    };
    // ckanext-dcat repeats the address of an uploaded file.
    let is_repeated = |key: &str| key == "download_url" && text(fields, key) == text(fields, "url");
    let own = fields.iter().filter(move |(key, _)| !is_known(key) && !is_repeated(key));
    own.filter_map(|(key, value)| Some((key.clone(), plain_value(value).or_else(|| structured_value(value))?)))
        .filter(|(key, value)| !key.is_empty() && !value.trim().is_empty())
}

/// Values outside CKAN's own fields, by key: its `extras` and what extensions put at the top, with `structured` lists of objects, too.
fn extras(fields: &Fields, structured: bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, value) in fields.iter().filter(|(key, _)| !KNOWN_FIELDS.contains(&key.as_str())) {
        let kept = match value {
            Value::Object(_) if key == "spatial" => Some(value.to_string()),
            _ => plain_value(value).or_else(|| structured_value(value).filter(|_| structured && !json::is_volatile(key))),
        };
        found.extend(kept.map(|kept| (key.clone(), kept)));
    }
    match fields.get("extras") {
        Some(Value::Array(list)) => {
            for extra in list.iter().filter_map(Value::as_object) {
                let value = extra.get("value").map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                found.insert(text(extra, "key"), value.unwrap_or_default());
            }
        }
        Some(Value::Object(map)) => {
            found.extend(map.iter().map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))));
        }
        _ => {}
    }
    // ckanext-harvest puts the numbers of its own last run among the extras of what a portal harvested itself.
    found.retain(|key, value| !key.is_empty() && !key.starts_with("harvest_") && !value.trim().is_empty() && value != "null");
    found
}

/// A text, a number or a list of texts.
fn plain_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => Some(value.to_string()),
        _ => None,
    }
}

/// What a publisher wrote in a field of several parts, as JSON with sorted keys: a list of objects (repeated subfields of ckanext-scheming,
/// contacts of ckanext-dcat) or words by language (ckanext-fluent). Other objects are what extensions note for themselves.
fn structured_value(value: &Value) -> Option<String> {
    let is_language = |key: &String| matches!(key.split(['_', '-']).next(), Some(code) if matches!(code.len(), 2 | 3));
    let is_meant = match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_object),
        Value::Object(words) => {
            (words.contains_key("ja") || words.contains_key("en"))
                && words.iter().all(|(key, words)| is_language(key) && plain_value(words).is_some())
        }
        _ => false,
    };
    (is_meant && says_something(value)).then(|| {
        let mut sorted = value.clone();
        sorted.sort_all_objects();
        sorted.to_string()
    })
}

/// Whether anything in a value is filled in.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => items.iter().any(says_something),
        Value::Object(members) => members.values().any(says_something),
    }
}

/// The texts of a list, which extensions also write as JSON in a text, or one text.
fn several(fields: &Fields, key: &str) -> Vec<String> {
    let listed = serde_json::from_str::<Vec<String>>(&text(fields, key)).unwrap_or_else(|_| json::texts(fields, key));
    listed.into_iter().filter(|text| !text.trim().is_empty()).collect()
}

/// Japanese and English of a field that may have a `…_translated` twin (ckanext-fluent) or be an object by language itself.
fn translated(fields: &Fields, key: &str) -> (String, Option<String>) {
    let plain = text(fields, key);
    let by_language = fields.get(&format!("{key}_translated")).or_else(|| fields.get(key)).and_then(Value::as_object);
    let of = |code: &str| by_language.and_then(|map| some(text(map, code)));
    let japanese = of("ja").or_else(|| some(plain)).or_else(|| of("en"));
    (japanese.unwrap_or_default(), of("en"))
}

/// A filter of the search for an organization's datasets.
struct Filter<'w> {
    fq: String,
    /// The organization, where nobody has said yet that it is there.
    guessed: Option<&'w str>,
}

fn no_organization(wanted: &str) -> Text {
    Text::new(
        format!("取り込み元に組織「{wanted}」がありません。名前（URL に出る英数字）を確認してください。"),
        format!("the source has no organization `{wanted}`; check its name (the one in addresses)"),
    )
}

/// Whether a package is of an organization, by any of its names.
fn belongs_to(package: &Fields, wanted: &str) -> bool {
    let organizations = json::items(package, "organization").iter().chain(array(package, "organizations")).filter_map(Value::as_object);
    text(package, "owner_org") == wanted || organizations.into_iter().any(|organization| goes_by(organization, wanted))
}

fn goes_by(organization: &Fields, wanted: &str) -> bool {
    ["name", "id", "title", "display_name"].iter().any(|key| text(organization, key) == wanted)
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// The items of a list in a package.
fn array<'f>(fields: &'f Fields, key: &str) -> Vec<&'f Value> {
    fields.get(key).and_then(listed).unwrap_or_default()
}

fn into_list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(list) => Some(list),
        other => listed(&other).map(|list| list.into_iter().cloned().collect()),
    }
}

/// A value in Solr's query syntax.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientSettings;

    #[test]
    fn the_address_may_lead_into_the_api() {
        let client = Client::new(ClientSettings::default()).unwrap();
        for (url, base) in [
            ("https://data.example.jp", "https://data.example.jp/"),
            ("https://data.example.jp/ckan/", "https://data.example.jp/ckan/"),
            ("https://data.example.jp/api/3/action/", "https://data.example.jp/"),
            ("https://data.example.jp/ckan/api/3/action/package_search?q=a", "https://data.example.jp/ckan/"),
            ("https://data.example.jp/api/action", "https://data.example.jp/"),
            ("https://data.example.jp/api", "https://data.example.jp/"),
            ("https://data.example.jp/dataset?page=1", "https://data.example.jp/"),
        ] {
            assert_eq!(Site::new(&CKAN, url, None, &client).ok().unwrap().base.as_str(), base, "{url}");
        }
        assert!(Site::new(&CKAN, "ftp://example.jp/", None, &client).is_err());
    }

    #[test]
    fn a_filter_cannot_be_broken_out_of() {
        assert_eq!(quoted("a\" OR \"b"), "\"a\\\" OR \\\"b\"");
    }
}
