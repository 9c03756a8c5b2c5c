//! `data.json`: DCAT-US 1.1 (Project Open Data), read as a stream.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufReader, Read, Seek};

use minato_catalog::{ContactPoint, DistributionDraft, HarvestSourceDraft, RecordFailure, Text, Vocabulary, Withdrawal, jst_day};
use minato_dcat::language_code;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokio::sync::mpsc;
use url::Url;

use crate::client::Client;
use crate::convert::{Record, place, usable_url};
use crate::json::{self, ACCEPT, Fields, JsonError, clip, is_volatile, items, lenient, or, shown, some, text, texts, whole_number};
use crate::listing::{Converted, End, Run, Stop};
use crate::plain_text::plain_text;

/// Records read ahead of those that were taken.
const READ_AHEAD: usize = 100;

/// Whose `data.json` it is: some software fills it in a way of its own.
pub(crate) struct Profile {
    /// Its name in messages.
    pub(crate) software: &'static str,
    /// The record's id, where its identifier is made of one; it must be the same by whichever interface the record comes.
    pub(crate) remote_id: fn(&str) -> Option<String>,
    /// Whether files are given as `accessURL`.
    pub(crate) access_is_download: bool,
}

const DATA_JSON: Profile = Profile { software: "data.json", remote_id: |_| None, access_is_download: false };

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    read_at(&document(&source.url), &DATA_JSON, client, vocabulary, run).await
}

/// The document's address: that of a site is completed.
fn document(address: &str) -> String {
    match Url::parse(address.trim()) {
        Ok(mut url) if url.path().ends_with('/') => {
            url.set_path(&format!("{}data.json", url.path()));
            url.to_string()
        }
        _ => address.to_owned(),
    }
}

/// Reads a document; its records are converted while the rest is still being parsed.
pub(crate) async fn read_at(url: &str, profile: &Profile, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let mut document = Document::open(url, profile.software, client).await?;
    let mut seen: HashMap<String, u64> = HashMap::new();
    let mut position = 0;
    while let Some(dataset) = document.next().await {
        position += 1;
        let converted = convert(&dataset, profile, &document.url, vocabulary, &format!("dataset #{position}"));
        run.take(told_apart(converted, &dataset, &mut seen, position)).await?;
    }
    document.end().await?;
    Ok(End { reported: None, doubt: None })
}

/// A JSON document whose records are parsed on a thread of their own: an object with `dataset`, or a list.
pub(crate) struct Document {
    /// Where it was found, after redirects.
    pub(crate) url: Url,
    parsed: mpsc::Receiver<Value>,
    parsing: tokio::task::JoinHandle<Result<(), Text>>,
}

impl Document {
    /// Fetches it into a temporary file. `software` is who should be answering.
    pub(crate) async fn open(url: &str, software: &str, client: &Client) -> Result<Document, JsonError> {
        let spooled = client.spool(url, ACCEPT).await.map_err(JsonError::Fetch)?;
        if spooled.is_html() {
            return Err(JsonError::Answer(json::not_json(software)));
        }
        let url = spooled.url.clone();
        let (records, parsed) = mpsc::channel(READ_AHEAD);
        let parsing = tokio::task::spawn_blocking(move || parse(spooled.file, &records));
        Ok(Document { url, parsed, parsing })
    }

    /// The next record.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        self.parsed.recv().await
    }

    /// Whether the document was whole, after its last record.
    pub(crate) async fn end(self) -> Result<(), Text> {
        self.parsing.await.unwrap_or_else(|_| Err(Text::new("JSON を読む処理が異常終了しました。", "reading the JSON ended abnormally")))
    }
}

/// Two different records with one identifier: the second is a failure that says so. The same record twice is one.
fn told_apart(converted: Converted, dataset: &Value, seen: &mut HashMap<String, u64>, position: usize) -> Converted {
    let Converted::Record(record) = &converted else { return converted };
    let Ok(record) = record.as_ref() else { return converted };
    let mut hasher = DefaultHasher::new();
    dataset.to_string().hash(&mut hasher);
    let hash = hasher.finish();
    let first = *seen.entry(record.remote_id.clone()).or_insert(hash);
    if first == hash {
        return converted;
    }
    let id = record.remote_id.clone();
    Converted::Record(Box::new(Err(RecordFailure {
        cause: Text::new(
            format!(
                "dataset #{position}: identifier「{id}」が別のデータセットと重複しています。データセットごとに別の identifier を付けてください。"
            ),
            format!("dataset #{position}: the identifier `{id}` is another dataset's; give each its own"),
        ),
        remote_id: Some(id),
        position: format!("dataset #{position}"),
        raw: Some(record.raw.clone()),
    })))
}

/// Parses a document and sends each item of its `dataset` list, or of the list that it is (as in version 1.0). Ends early, without an error,
/// when nobody takes them.
fn parse(file: impl Read + Seek, records: &mpsc::Sender<Value>) -> Result<(), Text> {
    let mended = match lenient::mending(file) {
        Ok(Some(mended)) => mended,
        Ok(None) => return Err(json::not_utf8()),
        Err(error) => return Err(unreadable(&error.to_string())),
    };
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(mended));
    let mut found = false;
    let parsed = Root { records, found: &mut found }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match parsed {
        Ok(()) if found => Ok(()),
        Ok(()) => Err(Text::new(
            "JSON に dataset の一覧がありません。data.json（DCAT-US）の URL か確認してください。",
            "the JSON has no list `dataset`; check that the URL is a data.json (DCAT-US)",
        )),
        Err(_) if records.is_closed() => Ok(()),
        Err(error) if error.is_eof() => Err(Text::new(
            format!("JSON が {} 行目の途中で切れています。時間をおいて再度実行してください。", error.line()),
            format!("the JSON is cut off within line {}; try again later", error.line()),
        )),
        Err(error) => Err(unreadable(&error.to_string())),
    }
}

fn unreadable(detail: &str) -> Text {
    let detail = clip(detail, 200);
    Text::new(
        format!("JSON として読めません（{detail}）。取り込み元の文書を直してください。"),
        format!("the document is not JSON: {detail}; mend it at the source"),
    )
}

/// The whole document.
struct Root<'r> {
    records: &'r mpsc::Sender<Value>,
    found: &'r mut bool,
}

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with `dataset`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "dataset" {
                *self.found = true;
                map.next_value_seed(Datasets { records: self.records })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        *self.found = true;
        Datasets { records: self.records }.visit_seq(list)
    }
}

/// The list of datasets; `null` is an empty one.
struct Datasets<'r> {
    records: &'r mpsc::Sender<Value>,
}

impl<'de> DeserializeSeed<'de> for Datasets<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Datasets<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of datasets")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(dataset) = list.next_element::<Value>()? {
            self.records.blocking_send(dataset).map_err(|_| A::Error::custom("nobody takes records any more"))?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut only = Fields::new();
        while let Some((key, value)) = map.next_entry()? {
            only.insert(key, value);
        }
        self.records.blocking_send(Value::Object(only)).map_err(|_| A::Error::custom("nobody takes records any more"))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

fn convert(dataset: &Value, profile: &Profile, base: &Url, vocabulary: &Vocabulary, position: &str) -> Converted {
    let Some(fields) = dataset.as_object() else {
        return Converted::failure(
            None,
            position,
            dataset,
            "dataset の要素が JSON オブジェクトではありません。",
            "the dataset is not a JSON object",
        );
    };
    let identifier = text(fields, "identifier");
    let page = text(fields, "landingPage");
    let known = (profile.remote_id)(&identifier).or_else(|| some(identifier.clone())).or_else(|| some(page.clone()));
    let failure = |ja: &str, en: &str| Converted::failure(known.as_deref(), position, dataset, ja, en);
    let Some(remote_id) = &known else {
        return failure(
            "identifier も landingPage もないため、次回も同じデータセットと分かりません。identifier を付けてください。",
            "there is neither an identifier nor a landingPage, so it cannot be known again; give it an identifier",
        );
    };
    if matches!(text(fields, "accessLevel").to_lowercase().as_str(), "non-public" | "private") {
        return Converted::Withdrawn(remote_id.clone(), Withdrawal::Private);
    }
    if fields.get("distribution").is_some_and(|value| !value.is_array() && !value.is_object() && !value.is_null()) {
        return failure("distribution が一覧ではありません。", "distribution is not a list");
    }
    if text(fields, "title").is_empty() {
        return failure("タイトル title がありません。", "the dataset has no title");
    }
    let record = package(fields, profile, base, vocabulary);
    let remote_url = [&page, &identifier].into_iter().find_map(|address| usable_url(address, None));
    Converted::Record(Box::new(record.finish(remote_id.clone(), remote_url, position, dataset.to_string())))
}

fn package<'v>(fields: &Fields, profile: &Profile, base: &Url, vocabulary: &'v Vocabulary) -> Record<'v> {
    let mut record = Record::new(vocabulary);
    record.identifier(&text(fields, "identifier"));
    record.draft.title = plain_text(&text(fields, "title"));
    record.draft.description = plain_text(&text(fields, "description"));
    for keyword in keywords(fields) {
        record.keyword(&keyword);
    }
    for theme in texts(fields, "theme") {
        record.theme(&[&theme]);
    }
    let (licence, words) = record.licence(&[&text(fields, "license")]);
    (record.draft.licence, record.draft.licence_text) = (licence, words);
    record.draft.landing_page = record.address("landing_page", &text(fields, "landingPage"), Some(base), None);
    record.draft.contact_point = contact_point(fields);
    record.draft.issued = record.moment("issued", &text(fields, "issued")).map(jst_day);
    let modified = text(fields, "modified");
    let frequency = text(fields, "accrualPeriodicity");
    // The schema allows a repeating period in place of a date.
    if modified.starts_with("R/") {
        record.frequency(&or(frequency, || modified));
    } else {
        record.frequency(&frequency);
        record.draft.modified = record.moment("modified", &modified);
    }
    spatial(&mut record, fields);
    temporal(&mut record, fields.get("temporal"));
    for word in texts(fields, "language") {
        record.language(&word);
    }
    record.draft.conforms_to = texts(fields, "conformsTo");
    let publisher = match fields.get("publisher") {
        Some(Value::Object(publisher)) => text(publisher, "name"),
        Some(other) => json::plain(other),
        None => String::new(),
    };
    record.extra("publisher_name", &publisher);
    let unmodelled = fields.iter().filter(|(key, _)| !KNOWN_FIELDS.contains(&key.as_str()) && !key.starts_with('@') && !is_volatile(key));
    for (key, value) in unmodelled {
        record.extra(key, &shown(value));
    }
    let level = text(fields, "accessLevel");
    if level != "public" {
        record.extra("accessLevel", &level);
    }

    let mut distributions: Vec<DistributionDraft> = Vec::new();
    let mut nameless = 0;
    for item in items(fields, "distribution") {
        match item.as_object() {
            Some(item) => distributions.push(distribution(item, profile, base, &mut record)),
            None => nameless += 1,
        }
    }
    // Version 1.0 had the addresses at the dataset.
    if distributions.is_empty()
        && (fields.contains_key("accessURL") || fields.contains_key("downloadURL") || fields.contains_key("webService"))
    {
        let mut own = fields.clone();
        own.retain(|key, _| matches!(key.as_str(), "accessURL" | "downloadURL" | "format" | "mediaType" | "webService"));
        if let Some(service) = own.remove("webService").filter(|_| !own.contains_key("accessURL")) {
            own.insert("accessURL".to_owned(), service);
        }
        distributions.push(distribution(&own, profile, base, &mut record));
    }
    if nameless > 0 {
        record.notice(
            format!("distribution {nameless} 件は形式が正しくないため、使いませんでした。"),
            format!("{nameless} distributions are not JSON objects and were not used"),
        );
    }
    record.draft.distributions = Some(distributions);
    record.lift_licence();
    record
}

/// A list, or one text with commas.
fn keywords(fields: &Fields) -> Vec<String> {
    match fields.get("keyword") {
        Some(Value::String(words)) => words.split([',', ';', '、']).map(|word| word.trim().to_owned()).collect(),
        _ => texts(fields, "keyword"),
    }
}

fn contact_point(fields: &Fields) -> Option<ContactPoint> {
    let contact = items(fields, "contactPoint").iter().find_map(Value::as_object);
    let (name, email, telephone) = match contact {
        Some(contact) => (text(contact, "fn"), text(contact, "hasEmail"), text(contact, "hasTelephone")),
        None => (text(fields, "contactPoint"), text(fields, "mbox"), String::new()),
    };
    let without = |text: String, scheme: &str| text.strip_prefix(scheme).map(|rest| rest.trim().to_owned()).unwrap_or(text);
    let contact =
        ContactPoint { name: some(name), email: some(without(email, "mailto:")), telephone: some(without(telephone, "tel:")), url: None };
    (contact != ContactPoint::default()).then_some(contact)
}

fn spatial(record: &mut Record<'_>, fields: &Fields) {
    match fields.get("spatial") {
        Some(Value::Array(list)) if !list.iter().all(Value::is_number) => {
            let labels: Vec<String> = list.iter().map(json::plain).collect();
            record.spatial("", &labels);
        }
        Some(Value::String(place)) => record.spatial(place, &[]),
        Some(Value::Null) | None => {}
        Some(geometry) => record.spatial(&geometry.to_string(), &[]),
    }
}

/// `start/end`, `R/start/period`, or an object.
fn temporal(record: &mut Record<'_>, value: Option<&Value>) {
    match value {
        Some(Value::Object(period)) => {
            let of = |keys: [&str; 2]| or(text(period, keys[0]), || text(period, keys[1]));
            record.temporal(&of(["startDate", "start"]), &of(["endDate", "end"]));
        }
        Some(Value::Array(list)) => temporal(record, list.first()),
        Some(Value::String(period)) => {
            let mut parts = period.trim().trim_start_matches("R/").splitn(2, '/');
            let (start, end) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            record.temporal(start, end);
        }
        _ => {}
    }
}

fn distribution(fields: &Fields, profile: &Profile, base: &Url, record: &mut Record<'_>) -> DistributionDraft {
    let mut distribution = DistributionDraft::default();
    let media_type = text(fields, "mediaType");
    let word = text(fields, "format");
    let by_media_type = || {
        let known = record.vocabulary.normalize_format(&media_type)?;
        (!known.contains('/')).then_some(known)
    };
    distribution.format = match word.to_lowercase() {
        word if word.contains("web page") => Some("HTML".to_owned()),
        word if word.contains("geoservices") || word.contains("rest api") => Some("API".to_owned()),
        _ => some(word).and_then(|word| crate::convert::format(record.vocabulary, &word)).or_else(by_media_type),
    };
    distribution.title = clip(&plain_text(&text(fields, "title")), minato_catalog::TITLE_LENGTH_MAX);
    distribution.description = plain_text(&text(fields, "description"));
    let download = record.address("downloadURL", &text(fields, "downloadURL"), Some(base), Some(&mut distribution.extras));
    let access = record.address("accessURL", &text(fields, "accessURL"), Some(base), Some(&mut distribution.extras));
    match (download, access) {
        (None, access) if profile.access_is_download && distribution.format.is_some() => place(&mut distribution, access),
        (download, access) => (distribution.download_url, distribution.access_url) = (download, access),
    }
    distribution.media_type = some(media_type).filter(|text| text.contains('/'));
    distribution.conforms_to = texts(fields, "conformsTo");
    distribution.byte_size = whole_number(fields.get("byteSize"));
    distribution.issued = record.moment("issued", &text(fields, "issued")).map(jst_day);
    distribution.modified = record.moment("modified", &text(fields, "modified"));
    distribution.language = texts(fields, "language").iter().filter_map(|word| language_code(word)).collect();
    distribution.identifier = some(text(fields, "identifier"));
    let (licence, words) = record.licence(&[&text(fields, "license")]);
    distribution.licence = licence.filter(|id| record.draft.licence.as_ref() != Some(id));
    for (key, value) in [("licence_text", words.unwrap_or_default()), ("describedBy", text(fields, "describedBy"))] {
        if !value.is_empty() {
            distribution.extras.insert(key.to_owned(), value);
        }
    }
    distribution
}

/// Fields of DCAT-US that are modelled above. The rest (`bureauCode`, `rights`, `isPartOf`, …) is kept.
const KNOWN_FIELDS: &[&str] = &[
    "identifier",
    "title",
    "description",
    "keyword",
    "theme",
    "license",
    "landingPage",
    "contactPoint",
    "mbox",
    "issued",
    "modified",
    "accrualPeriodicity",
    "spatial",
    "temporal",
    "language",
    "conformsTo",
    "publisher",
    "distribution",
    "accessLevel",
    "accessURL",
    "downloadURL",
    "webService",
    "format",
    "mediaType",
];

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn parsed(document: &[u8]) -> (Vec<Value>, Result<(), Text>) {
        let (records, mut received) = mpsc::channel(100);
        let outcome = parse(Cursor::new(document.to_vec()), &records);
        drop(records);
        let mut found = Vec::new();
        while let Some(record) = received.blocking_recv() {
            found.push(record);
        }
        (found, outcome)
    }

    #[test]
    fn the_list_is_found_wherever_it_stands() {
        for (document, count) in [
            (r#"{"dataset": [{"a": 1}, {"b": [1, {"c": "]"}]}], "conformsTo": "x"}"#, 2),
            (r#"{"@context": {"dataset": [1, 2]}, "dataset": [{}]}"#, 1),
            ("\u{feff}{\"dataset\": {\"a\": 1}}", 1),
            (r#"[{"a": 1}, 2, null]"#, 3),
            (r#"{"dataset": null}"#, 0),
        ] {
            let (found, outcome) = parsed(document.as_bytes());
            assert_eq!((found.len(), outcome), (count, Ok(())), "{document}");
        }
    }

    #[test]
    fn what_is_no_whole_document_says_why() {
        for (document, count, word) in [
            (&br#"{"dataset": [{"a": 1}, {"b""#[..], 1, "cut off"),
            (br#"{"dataset": [{"a": 1}]"#, 1, "cut off"),
            (br#"{"dataset": [{"a": 1}, oops]}"#, 1, "not JSON"),
            (br#"{"dataset": [{"a": 1}]} rest"#, 1, "not JSON"),
            (br#"{"datasets": [{"a": 1}]}"#, 0, "no list"),
            (b"{\"dataset\": [{\"a\": \"\x83f\x81[\"}]}", 0, "UTF-8"),
            (b"\xff\xfe{\0", 0, "UTF-8"),
            (b"", 0, "cut off"),
            (b"\"text\"", 0, "not JSON"),
        ] {
            let (found, outcome) = parsed(document);
            let cause = outcome.unwrap_err();
            assert!(found.len() == count && cause.en.contains(word), "{word}: {} {cause:?}", found.len());
        }
    }

    #[test]
    fn parsing_ends_when_nobody_takes_records() {
        let (records, received) = mpsc::channel(1);
        drop(received);
        assert_eq!(parse(Cursor::new(br#"{"dataset": [{}, {}]}"#.to_vec()), &records), Ok(()));
    }

    #[test]
    fn a_site_is_completed() {
        assert_eq!(document("https://example.jp/"), "https://example.jp/data.json");
        assert_eq!(document("https://example.jp/feed/1.1.json"), "https://example.jp/feed/1.1.json");
    }
}
