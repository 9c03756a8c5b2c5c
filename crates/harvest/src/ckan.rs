//! CKAN's action API.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use minato_catalog::{
    ContactPoint, DistributionDraft, HarvestSourceDraft, HarvestedRecord, RecordFailure, Spatial, Temporal, Text, Vocabulary, Withdrawal,
    is_slug, jst_day, parse_day,
};
use minato_dcat::{bounding_box, language_code};
use serde_json::{Map, Value};
use url::Url;

use crate::Error;
use crate::client::Client;
use crate::convert::{Record, usable_url};
use crate::lenient;
use crate::listing::{End, Run, Stop};

const ACCEPT: &str = "application/json";
/// Records asked for at once; servers may give fewer.
const ROWS: usize = 100;

/// Times the pages are read when records come and go meanwhile.
const ROUNDS_MAX: usize = 2;

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let site = Site::new(&source.url, client)?;
    let wanted = source.remote_organization.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let refused = match search(&site, wanted, vocabulary, run).await {
        Err(Refusal::Closed(cause)) => cause,
        Err(Refusal::Stop(stop)) => return Err(stop),
        Ok(end) => return Ok(end),
    };
    // Some portals close the search and leave a list open.
    for way in [Way::Whole, Way::OneByOne] {
        let outcome = match way {
            Way::Whole => whole(&site, wanted, vocabulary, run).await,
            Way::OneByOne => list(&site, wanted, vocabulary, run).await,
        };
        match outcome {
            Err(Stop::Broken(_)) if run.met() == 0 => {}
            outcome => return outcome,
        }
    }
    Err(refused.into())
}

/// How records are had without the search.
enum Way {
    /// `current_package_list_with_resources`.
    Whole,
    /// `package_list` and `package_show`.
    OneByOne,
}

/// Why the search was of no use.
enum Refusal {
    /// The very first request was refused: another way may be open.
    Closed(Text),
    Stop(Stop),
}

impl<T: Into<Stop>> From<T> for Refusal {
    fn from(stop: T) -> Self {
        Refusal::Stop(stop.into())
    }
}

/// What reading all pages once came to.
enum Round {
    /// What the source counts was met, or it does not count.
    Whole,
    /// Records came or went meanwhile; another round may do better.
    Shifted(Text),
    /// The source's paging is at fault.
    Doubtful(Text),
}

async fn search(site: &Site<'_>, wanted: Option<&str>, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Refusal> {
    let filter = match wanted {
        Some(wanted) => Some(organization_filter(site, wanted).await?),
        None => None,
    };
    let mut cause = None;
    for round in 1..=ROUNDS_MAX {
        match pages(site, filter.as_deref(), round == 1, vocabulary, run).await? {
            Round::Whole => {
                if let Some(wanted) = wanted.filter(|_| run.met() == 0) {
                    require_organization(site, wanted).await?;
                }
                // A record that went after it was met is absent next time; that all were met is settled.
                return Ok(End { reported: Some(run.met()), doubt: None });
            }
            Round::Shifted(shifted) => cause = Some(shifted),
            Round::Doubtful(doubt) => return Ok(End { reported: None, doubt: Some(doubt) }),
        }
    }
    Ok(End { reported: None, doubt: cause })
}

/// All pages of the search once, each record sent when it is new.
async fn pages(site: &Site<'_>, filter: Option<&str>, is_first: bool, vocabulary: &Vocabulary, run: &mut Run) -> Result<Round, Refusal> {
    let mut start = 0;
    let mut reported: Option<u64> = None;
    // In this round; those of the run say nothing about its pages.
    let (mut seen, mut nameless) = (HashSet::new(), 0_u64);
    for page in 1.. {
        let rows = ROWS.to_string();
        let offset = start.to_string();
        // Sorted by a field that edits do not change, so that pages do not shift.
        let mut query = vec![("rows", rows.as_str()), ("start", offset.as_str()), ("sort", "name asc")];
        query.extend(filter.map(|filter| ("fq", filter)));
        let answer = match site.call("package_search", &query).await {
            Err(error) if page == 1 && is_first && error.is_refusal() => return Err(Refusal::Closed(error.at("package_search"))),
            other => other.map_err(|error| error.at(&format!("package_search, start={start}")))?,
        };
        let Some(records) = answer.result.get("results").and_then(items) else {
            return Err(Text::new(
                "package_search の応答に results がありません。CKAN の URL か確認してください。",
                "the answer of package_search has no results; check that the URL is a CKAN site",
            )
            .into());
        };
        let count = whole_number(answer.result.get("count")).and_then(|count| u64::try_from(count).ok());
        match (reported, count) {
            (Some(_), None) => {
                return Err(Text::new(
                    "package_search の応答に件数 count がないため、全件を読めたか確認できません。",
                    "the answer of package_search has no count, so it cannot be told whether all was read",
                )
                .into());
            }
            (Some(before), Some(now)) if now < before => {
                return Ok(Round::Shifted(Text::new(
                    format!("読み取り中に全体の件数が {before} から {now} に減りました。時間をおいて再度実行してください。"),
                    format!("the number of records fell from {before} to {now} while reading; try again later"),
                )));
            }
            _ => reported = count,
        }
        let seen_before = seen.len() as u64 + nameless;
        for (index, package) in records.iter().enumerate() {
            match id_of(package) {
                Some(id) => _ = seen.insert(id),
                None => nameless += 1,
            }
            site.send(package, &answer, vocabulary, &format!("package_search #{}", start + index), run).await?;
        }
        let seen_now = seen.len() as u64 + nameless;
        start += records.len();
        match reported {
            Some(count) if start as u64 >= count => {
                if seen_now == count {
                    return Ok(Round::Whole);
                }
                return Ok(Round::Shifted(Text::new(
                    format!(
                        "取り込み元は {count} 件あるとしていますが、実際に読めたのは {seen_now} 件でした。時間をおいて再度実行してください。"
                    ),
                    format!("the source says it has {count} records, but {seen_now} were read; try again later"),
                )));
            }
            // Without a count, an empty page is the end.
            None if records.is_empty() && page > 1 => return Ok(Round::Whole),
            None if records.is_empty() => {
                return Err(Text::new(
                    "package_search の応答に件数 count もデータセットもありません。CKAN の URL か確認してください。",
                    "the answer of package_search has neither a count nor datasets; check that the URL is a CKAN site",
                )
                .into());
            }
            Some(count) if records.is_empty() => {
                return Ok(Round::Doubtful(Text::new(
                    format!("{count} 件のうち {start} 件目以降が空で返りました。時間をおいて再度実行してください。"),
                    format!("of {count} records nothing came after the first {start}; try again later"),
                )));
            }
            _ => {}
        }
        if seen_now == seen_before {
            return Ok(Round::Doubtful(Text::new(
                format!("start={} のページが前のページと同じ内容です。取り込み元のページ送りを確認してください。", start - records.len()),
                format!("the page at start={} repeats earlier ones; check the source's paging", start - records.len()),
            )));
        }
        if page >= site.client.settings().pages_max {
            return Ok(Round::Doubtful(too_many_pages(page)));
        }
    }
    Ok(Round::Whole)
}

fn too_many_pages(page: usize) -> Text {
    Text::new(
        format!("ページ数が上限（{page}）を超えたため、途中で止めました。"),
        format!("there are more than {page} pages; reading stopped there"),
    )
}

/// The filter for the datasets of an organization, which may be named by its name, id or title.
async fn organization_filter(site: &Site<'_>, wanted: &str) -> Result<String, Text> {
    if uuid_like(wanted) {
        return Ok(format!("owner_org:{}", quoted(wanted)));
    }
    if is_slug(wanted) {
        return Ok(format!("organization:{}", quoted(wanted)));
    }
    let found = match site.call("organization_list", &[("all_fields", "true"), ("limit", "1000")]).await {
        Ok(answer) => items(&answer.result).unwrap_or_default().iter().find(|it| is_organization(it, wanted)).and_then(|it| {
            let name = it.get("name").and_then(Value::as_str)?;
            Some(format!("organization:{}", quoted(name)))
        }),
        // Portals that hide the list still may know the name.
        Err(_) => return Ok(format!("organization:{}", quoted(wanted))),
    };
    found.ok_or_else(|| no_organization(wanted))
}

/// Nothing was found: either there is nothing, or the organization was misspelled or renamed, and then nothing may be withdrawn.
async fn require_organization(site: &Site<'_>, wanted: &str) -> Result<(), Text> {
    match site.call("organization_show", &[("id", wanted)]).await {
        Err(ActionError::Fetch(error)) if error.status() == Some(404) => Err(no_organization(wanted)),
        _ => Ok(()),
    }
}

fn no_organization(wanted: &str) -> Text {
    Text::new(
        format!("取り込み元に組織「{wanted}」がありません。名前（URL に出る英数字）を確認してください。"),
        format!("the source has no organization `{wanted}`; check its name (the one in addresses)"),
    )
}

/// `current_package_list_with_resources`: everything, in pages that are not counted.
async fn whole(site: &Site<'_>, wanted: Option<&str>, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    const ACTION: &str = "current_package_list_with_resources";
    let mut offset = 0;
    let mut seen = HashSet::new();
    for page in 1.. {
        let (limit, at) = (ROWS.to_string(), offset.to_string());
        let query = [("limit", limit.as_str()), ("offset", at.as_str())];
        let answer = site.call(ACTION, &query).await.map_err(|error| error.at(&format!("{ACTION}, offset={offset}")))?;
        let Some(records) = items(&answer.result) else {
            return Err(Text::new(format!("{ACTION} の応答が一覧ではありません。"), format!("the answer of {ACTION} is no list")).into());
        };
        let seen_before = seen.len();
        for (index, package) in records.iter().enumerate() {
            seen.extend(id_of(package));
            if wanted.is_none_or(|wanted| belongs_to(package, wanted)) {
                site.send(package, &answer, vocabulary, &format!("{ACTION} #{}", offset + index), run).await?;
            }
        }
        // Old versions know neither limit nor offset and give everything at once.
        if records.is_empty() || records.len() > ROWS {
            return Ok(End { reported: None, doubt: None });
        }
        offset += records.len();
        let doubt = if seen.len() == seen_before {
            Text::new(
                format!("{ACTION} の offset={at} 以降が前のページと同じ内容です。取り込み元のページ送りを確認してください。"),
                format!("the page of {ACTION} at offset={at} repeats earlier ones; check the source's paging"),
            )
        } else if page >= site.client.settings().pages_max {
            too_many_pages(page)
        } else {
            continue;
        };
        return Ok(End { reported: None, doubt: Some(doubt) });
    }
    Ok(End { reported: None, doubt: None })
}

/// `package_list` and one `package_show` for each.
async fn list(site: &Site<'_>, wanted: Option<&str>, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let answer = site.call("package_list", &[]).await.map_err(|error| error.at("package_list"))?;
    let mut known = HashSet::new();
    let names: Vec<&str> = match items(&answer.result) {
        Some(names) => names.into_iter().filter_map(Value::as_str).filter(|name| known.insert(*name)).collect(),
        None => {
            return Err(Text::new(
                "package_list の応答が一覧ではありません。CKAN の URL か確認してください。",
                "the answer of package_list is no list; check that the URL is a CKAN site",
            )
            .into());
        }
    };
    for name in names {
        let answer = match site.call("package_show", &[("id", name)]).await {
            Ok(answer) => answer,
            Err(error) => {
                let cause = error.at(&format!("package_show {name}"));
                // The list gives names, records are known by id: which one this is cannot be told.
                run.send(Err(RecordFailure { remote_id: None, position: name.to_owned(), cause, raw: None })).await?;
                continue;
            }
        };
        if wanted.is_none_or(|wanted| belongs_to(&answer.result, wanted)) {
            site.send(&answer.result, &answer, vocabulary, name, run).await?;
        }
    }
    Ok(End { reported: None, doubt: None })
}

fn belongs_to(package: &Value, wanted: &str) -> bool {
    let owner = package.get("owner_org").and_then(Value::as_str);
    owner == Some(wanted) || package.get("organization").is_some_and(|organization| is_organization(organization, wanted))
}

fn is_organization(organization: &Value, wanted: &str) -> bool {
    ["name", "id", "title", "display_name"].iter().any(|key| organization.get(key).and_then(Value::as_str) == Some(wanted))
}

fn uuid_like(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// A list, or what PHP makes of one that lost an item: an object with numbers for keys.
fn items(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Object(members) => {
            let numbered: Option<Vec<(u64, &Value)>> = members.iter().map(|(key, value)| Some((key.parse().ok()?, value))).collect();
            let mut numbered = numbered?;
            numbered.sort_by_key(|(number, _)| *number);
            Some(numbered.into_iter().map(|(_, value)| value).collect())
        }
        _ => None,
    }
}

/// The id of a record; some portals count.
fn id_of(package: &Value) -> Option<String> {
    let id = match package.get("id")? {
        Value::String(id) => id.trim().to_owned(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    Some(id).filter(|id| !id.is_empty())
}

/// A value in Solr's query syntax.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Site<'a> {
    client: &'a Client,
    base: Url,
}

/// Why an action gave nothing.
enum ActionError {
    Fetch(Error),
    Answer(Text),
}

impl ActionError {
    /// Whether another action may be open though this one is not.
    fn is_refusal(&self) -> bool {
        match self {
            ActionError::Fetch(error) => matches!(error.status(), Some(400 | 403 | 404 | 405 | 409 | 410)),
            ActionError::Answer(_) => true,
        }
    }

    fn at(self, place: &str) -> Text {
        let cause = match self {
            ActionError::Fetch(error) => error.text(),
            ActionError::Answer(cause) => cause,
        };
        Text::new(format!("{place}: {}", cause.ja), format!("{place}: {}", cause.en))
    }
}

/// What became of a package.
enum Converted {
    Record(Box<Result<HarvestedRecord, RecordFailure>>),
    /// Private, deleted or no dataset; with its id.
    NotPublic(String, Withdrawal),
}

/// The `result` of an action.
struct ActionAnswer {
    result: Value,
    /// Characters of some record in it were lost.
    has_lost_characters: bool,
}

impl<'a> Site<'a> {
    /// The site behind an address that may already lead into its API.
    fn new(url: &str, client: &'a Client) -> Result<Self, Error> {
        let invalid = || Error::InvalidUrl { url: url.chars().take(500).collect() };
        let mut base = Url::parse(url.trim()).map_err(|_| invalid())?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(invalid());
        }
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/');
        let cut = path
            .find("/api/3")
            .or_else(|| path.find("/api/action"))
            .or_else(|| path.strip_suffix("/api").map(str::len))
            .or_else(|| path.strip_suffix("/dataset").map(str::len));
        let path = format!("{}/", &path[..cut.unwrap_or(path.len())]);
        base.set_path(&path);
        Ok(Site { client, base })
    }

    /// Converts a record and sends what became of it.
    async fn send(
        &self,
        package: &Value,
        answer: &ActionAnswer,
        vocabulary: &Vocabulary,
        position: &str,
        run: &mut Run,
    ) -> Result<(), Stop> {
        match self.convert(package, vocabulary, position) {
            Converted::Record(mut record) => {
                if let Ok(record) = &mut *record
                    && answer.has_lost_characters
                    && record.raw.contains('\u{fffd}')
                {
                    record.notices.push(lenient::lost_characters());
                }
                run.send(*record).await
            }
            Converted::NotPublic(id, cause) => run.withdrawn(&id, cause).await,
        }
    }

    /// Calls an action and gives its `result`.
    async fn call(&self, action: &str, query: &[(&str, &str)]) -> Result<ActionAnswer, ActionError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}api/3/action/{action}", self.base.path()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let fetched = self.client.get(url.as_str(), ACCEPT).await.map_err(ActionError::Fetch)?;
        if fetched.is_html() {
            return Err(ActionError::Answer(Text::new(
                "JSON ではなく Web ページ（HTML）が返りました。CKAN の URL か、メンテナンス中でないか確認してください。",
                "a web page (HTML) came instead of JSON; check that the URL is a CKAN site and not under maintenance",
            )));
        }
        let lenient = lenient::parse(&fetched.body).map_err(|error| {
            let detail: String = error.to_string().chars().take(200).collect();
            ActionError::Answer(Text::new(
                format!("応答が JSON として読めないか、途中で切れています（{detail}）。時間をおいて再度実行してください。"),
                format!("the answer is not whole JSON: {detail}; try again later"),
            ))
        })?;
        let mut answer = lenient.value;
        if !answer.get("success").is_some_and(truthy) {
            let error = answer.get("error");
            let message = error
                .and_then(|error| error.get("message"))
                .or(error)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let message: String = message.unwrap_or_default().chars().take(200).collect();
            return Err(ActionError::Answer(Text::new(
                format!("CKAN がエラー（success: false）を返しました。{message}"),
                format!("CKAN answered success: false. {message}"),
            )));
        }
        let result = answer.get_mut("result").map(Value::take).unwrap_or_default();
        Ok(ActionAnswer { result, has_lost_characters: lenient.has_lost_characters })
    }

    fn convert(&self, package: &Value, vocabulary: &Vocabulary, position: &str) -> Converted {
        let id = id_of(package);
        let failure = |ja: &str, en: &str| {
            let failure = RecordFailure {
                remote_id: id.clone(),
                position: position.to_owned(),
                cause: Text::new(format!("{position}: {ja}"), format!("{position}: {en}")),
                raw: Some(package.to_string()),
            };
            Converted::Record(Box::new(Err(failure)))
        };
        let Some(fields) = package.as_object() else {
            return failure("レコードが JSON オブジェクトではありません。", "the record is not a JSON object");
        };
        let Some(id) = &id else {
            return failure("レコードに id がありません。", "the record has no id");
        };
        let state = fields.get("state").and_then(Value::as_str).unwrap_or("active");
        let is_dataset = !matches!(fields.get("type").and_then(Value::as_str), Some("harvest" | "showcase" | "application" | "issue"));
        if state == "deleted" {
            return Converted::NotPublic(id.to_owned(), Withdrawal::Deleted);
        }
        if state != "active" || !is_dataset || fields.get("private").is_some_and(truthy) {
            return Converted::NotPublic(id.to_owned(), Withdrawal::Private);
        }
        for (field, is_expected) in [
            ("resources", fields.get("resources").is_none_or(|value| items(value).is_some() || value.is_null())),
            ("title", fields.get("title").is_none_or(|value| value.is_string() || value.is_null() || value.is_object())),
        ] {
            if !is_expected {
                return failure(&format!("{field} の形式が正しくありません。"), &format!("{field} is not of the expected type"));
            }
        }
        let name = text(fields, "name");
        let remote_url = usable_url(&format!("{}dataset/{}", self.base, if name.is_empty() { id } else { &name }), None);
        let record = self.package(fields, vocabulary);
        let title_missing = record.draft.title.is_empty();
        if title_missing {
            return failure("タイトル title がありません。", "the record has no title");
        }
        // A portal that is set up anew gives new ids; the names in its addresses stay.
        let finished = record.finish(id.to_owned(), remote_url, position, package.to_string());
        let finished = finished.map(|record| HarvestedRecord { alternate_id: some(name), ..record });
        Converted::Record(Box::new(finished))
    }

    fn package<'v>(&self, fields: &Map<String, Value>, vocabulary: &'v Vocabulary) -> Record<'v> {
        let mut record = Record::new(vocabulary);
        let mut rest = extras(fields);
        let mut take = |keys: &[&str]| keys.iter().find_map(|key| rest.remove(*key)).unwrap_or_default();

        let name = text(fields, "name");
        record.draft.slug = Some(name.clone()).filter(|name| is_slug(name));
        let (title, title_en) = translated(fields, "title");
        record.draft.title = if title.is_empty() { name } else { title };
        record.draft.title_en = title_en.or_else(|| some(take(&["title_en"])));
        let (notes, notes_en) = translated(fields, "notes");
        record.draft.description = notes;
        record.draft.description_en = notes_en.or_else(|| some(take(&["notes_en", "description_en"])));
        record.draft.identifier = some(take(&["identifier"])).filter(|id| !id.contains("://") && id.chars().count() <= 500);

        for tag in array(fields, "tags") {
            let word =
                tag.as_str().map(str::to_owned).or_else(|| tag.as_object().map(|tag| or(text(tag, "display_name"), || text(tag, "name"))));
            record.keyword(&word.unwrap_or_default());
        }
        if let Some(words) = fields.get("keywords_translated").and_then(|value| value.get("ja")).and_then(Value::as_array) {
            words.iter().filter_map(Value::as_str).for_each(|word| record.keyword(word));
        }
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
        // The words rather than CKAN's key for them.
        record.draft.licence_text = licence_text.map(|all| or(text(fields, "license_title"), || all));

        let url = text(fields, "url");
        record.draft.landing_page = record.address("landing_page", &url, Some(&self.base), None);
        record.draft.creator = some(text(fields, "author"));
        record.draft.contact_point = contact_point(fields, &mut take);
        record.draft.version = some(text(fields, "version"));
        record.frequency(&take(&["frequency", "accrual_periodicity", "accrualPeriodicity", "update_frequency", "更新頻度"]));
        let issued = take(&["issued", "公開日"]);
        record.draft.issued = record.moment("issued", &issued).or_else(|| utc_moment(&text(fields, "metadata_created"))).map(jst_day);
        let modified = take(&["modified", "last_updated"]);
        record.draft.modified = record.moment("modified", &modified).or_else(|| utc_moment(&text(fields, "metadata_modified")));
        let spatial = take(&["spatial"]);
        let label = take(&["spatial_text", "spatial_label", "対象地域"]);
        if !spatial.is_empty() || !label.is_empty() {
            let bbox = bounding_box(&spatial);
            let label = some(label).or_else(|| some(spatial).filter(|text| bbox.is_none() && !text.starts_with(['{', '['])));
            record.draft.spatial = Some(Spatial { label, area_codes: Vec::new(), bbox }).filter(|spatial| *spatial != Spatial::default());
        }
        let (start, end) = (take(&["temporal_start"]), take(&["temporal_end"]));
        let words = take(&["temporal", "temporal_coverage", "対象期間"]);
        let temporal = if start.is_empty() && end.is_empty() {
            minato_catalog::parse_period(&words).unwrap_or_default()
        } else {
            let bound = |text: &str| minato_catalog::parse_period(text).unwrap_or_default();
            Temporal { start: day(&start).or_else(|| bound(&start).start), end: day(&end).or_else(|| bound(&end).end) }
        };
        let in_order = !matches!((temporal.start, temporal.end), (Some(start), Some(end)) if end < start);
        if temporal != Temporal::default() && in_order {
            record.draft.temporal = Some(temporal);
        } else {
            record.extra("temporal_start", &start);
            record.extra("temporal_end", &end);
            record.extra("temporal", &words);
        }
        let language = take(&["language"]);
        for word in language.split([',', '[', ']', '"', ' ', '{', '}']).filter(|word| !word.is_empty()) {
            match language_code(word) {
                Some(code) if !record.draft.language.contains(&code) => record.draft.language.push(code),
                Some(_) => {}
                None => record.extra("language", &language),
            }
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
        record
    }

    fn resource(&self, fields: &Map<String, Value>, record: &mut Record<'_>) -> DistributionDraft {
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
        let licence = record.licence(&[&text(fields, "license"), &text(fields, "license_id"), &text(fields, "resource_license_id")]);
        if let Some(words) = licence.1 {
            extras.insert("licence_text".to_owned(), words);
        }
        let hash = text(fields, "hash");
        if !hash.is_empty() {
            extras.insert("hash".to_owned(), hash);
        }
        DistributionDraft {
            id: None,
            title: clip(&name, minato_catalog::TITLE_LENGTH_MAX),
            title_en: name_en,
            description: translated(fields, "description").0,
            format,
            media_type,
            licence: licence.0.filter(|id| record.draft.licence.as_ref() != Some(id)),
            access_url,
            download_url,
            byte_size: whole_number(fields.get("size").or_else(|| fields.get("byte_size"))),
            issued: utc_moment(&text(fields, "created")).map(jst_day),
            modified: [text(fields, "last_modified"), text(fields, "metadata_modified")].iter().find_map(|text| utc_moment(text)),
            language: language_code(&text(fields, "language")).into_iter().collect(),
            conforms_to: Vec::new(),
            identifier: some(text(fields, "id")),
            extras,
        }
    }
}

fn contact_point(fields: &Map<String, Value>, take: &mut impl FnMut(&[&str]) -> String) -> Option<ContactPoint> {
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
    "tag_string",
    "tracking_summary",
    "plugin_data",
    "resource_count",
    "view_count",
    "downloads",
    "total_downloads",
];

/// Values outside CKAN's own fields, by key: its `extras` and what extensions put at the top.
fn extras(fields: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, value) in fields.iter().filter(|(key, _)| !KNOWN_FIELDS.contains(&key.as_str())) {
        let value = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => value.to_string(),
            Value::Object(_) if key == "spatial" => value.to_string(),
            _ => continue,
        };
        found.insert(key.clone(), value);
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
    found.retain(|key, value| !key.is_empty() && !value.trim().is_empty() && value != "null");
    found
}

/// Japanese and English of a field that may have a `…_translated` twin (ckanext-fluent) or be an object by language itself.
fn translated(fields: &Map<String, Value>, key: &str) -> (String, Option<String>) {
    let plain = text(fields, key);
    let by_language = fields.get(&format!("{key}_translated")).or_else(|| fields.get(key)).and_then(Value::as_object);
    let of = |code: &str| by_language.and_then(|map| some(text(map, code)));
    let japanese = of("ja").or_else(|| some(plain)).or_else(|| of("en"));
    (japanese.unwrap_or_default(), of("en"))
}

/// CKAN keeps its own times in UTC and sends them without a zone.
fn utc_moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let has_zone = text.ends_with('Z') || text.get(10..).is_some_and(|time| time.contains(['+', '-']));
    if text.len() > 10 && !has_zone {
        minato_catalog::parse_moment(&format!("{}Z", text.replacen(' ', "T", 1)))
    } else {
        minato_catalog::parse_moment(text)
    }
}

fn day(text: &str) -> Option<chrono::NaiveDate> {
    minato_catalog::parse_moment(text).map(jst_day).or_else(|| parse_day(text))
}

fn whole_number(value: Option<&Value>) -> Option<i64> {
    let number = match value? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().replace(',', "").parse().ok(),
        _ => None,
    };
    number.filter(|number| *number >= 0)
}

fn text(fields: &Map<String, Value>, key: &str) -> String {
    match fields.get(key) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn array<'f>(fields: &'f Map<String, Value>, key: &str) -> Vec<&'f Value> {
    fields.get(key).and_then(items).unwrap_or_default()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.trim().is_empty())
}

fn or(text: String, otherwise: impl FnOnce() -> String) -> String {
    if text.is_empty() { otherwise() } else { text }
}

fn clip(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

fn truthy(value: &Value) -> bool {
    value.as_bool().unwrap_or(false) || value.as_u64() == Some(1) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
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
            assert_eq!(Site::new(url, &client).ok().unwrap().base.as_str(), base, "{url}");
        }
        assert!(Site::new("ftp://example.jp/", &client).is_err());
    }

    #[test]
    fn naive_times_are_utc() {
        assert_eq!(utc_moment("2024-03-31T15:00:00.123456").unwrap().to_rfc3339(), "2024-03-31T15:00:00.123456+00:00");
        assert_eq!(utc_moment("2024-03-31T15:00:00+09:00").unwrap().to_rfc3339(), "2024-03-31T06:00:00+00:00");
        assert_eq!(utc_moment("2024-03-31").map(jst_day), parse_day("2024-03-31"));
        assert_eq!(utc_moment(""), None);
    }

    #[test]
    fn a_filter_cannot_be_broken_out_of() {
        assert_eq!(quoted("a\" OR \"b"), "\"a\\\" OR \\\"b\"");
    }
}
