//! The invented catalog and what is asked of it.

use chrono::{DateTime, Duration, TimeZone, Utc};
use minato_search::{Index, SearchDocument, SearchRequest, SearchResults, Settings};
use tempfile::TempDir;
use uuid::Uuid;

/// An index in a directory of its own.
pub(crate) struct Catalog {
    pub(crate) index: Index,
    pub(crate) directory: TempDir,
}

pub(crate) fn day(number: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2024, 1, 1, 0, 0, 0).unwrap() + Duration::days(number)
}

pub(crate) fn organization_id(slug: &str) -> Uuid {
    Uuid::from_u128(slug.bytes().fold(7, |id, byte| id * 257 + u128::from(byte)))
}

/// A public dataset; the id is made of the number.
pub(crate) fn document(number: u128, title: &str, organization: (&str, &str)) -> SearchDocument {
    SearchDocument {
        id: Uuid::from_u128(number),
        slug: format!("dataset-{number}"),
        title: title.to_owned(),
        title_en: None,
        description: String::new(),
        keywords: Vec::new(),
        themes: Vec::new(),
        theme_titles: Vec::new(),
        organization_id: organization_id(organization.0),
        organization_slug: organization.0.to_owned(),
        organization_name: organization.1.to_owned(),
        organization_name_en: None,
        organization_code: None,
        distributions: Vec::new(),
        formats: vec!["CSV".to_owned()],
        licence: Some("CC-BY-4.0".to_owned()),
        standard_dataset: None,
        area_codes: Vec::new(),
        open: true,
        state: minato_catalog::DatasetState::Published,
        created: day(number as i64),
        modified: day(number as i64),
        downloads_90d: 0,
        column_names: Vec::new(),
        extras: Vec::new(),
        bbox: None,
        temporal: None,
    }
}

pub(crate) const KURE: (&str, &str) = ("kure", "呉市");
pub(crate) const TOKYO: (&str, &str) = ("tokyo", "東京都");
pub(crate) const MINATO: (&str, &str) = ("minato", "港区");
pub(crate) const ISHIKAWA: (&str, &str) = ("ishikawa", "石川県");
pub(crate) const YAIZU: (&str, &str) = ("yaizu", "焼津市");

pub(crate) fn sample() -> Vec<SearchDocument> {
    let titles = [
        ("指定避難所一覧", KURE),
        ("ＡＥＤ設置箇所一覧", KURE),
        ("ごみ収集カレンダー", KURE),
        ("公衆トイレ一覧", KURE),
        ("保健所の施設案内", KURE),
        ("東京都の人口推移", TOKYO),
        ("東京都地域防災計画", TOKYO),
        ("東京都統計年鑑", TOKYO),
        ("京都市との友好都市事業", TOKYO),
        ("小石川図書館の蔵書", TOKYO),
        ("石川県観光統計", ISHIKAWA),
        ("保育園の空き状況", MINATO),
        ("港湾施設の利用", TOKYO),
        ("津波浸水想定区域", YAIZU),
        ("焼津市の避難場所", YAIZU),
        ("令和6年度 当初予算", KURE),
        ("バスケットボール大会の記録", KURE),
        ("コミュニティバス停留所", KURE),
        ("橋梁点検結果", KURE),
        ("板橋区民まつり", TOKYO),
        ("髙﨑地区のまちづくり", KURE),
        ("コンピューター講座", KURE),
    ];
    let mut documents: Vec<SearchDocument> =
        titles.iter().enumerate().map(|(number, (title, organization))| document(number as u128 + 1, title, *organization)).collect();
    documents[0].description = "市が指定した避難所の名称、所在地、収容人数。".to_owned();
    documents[0].keywords = vec!["防災".to_owned(), "避難".to_owned()];
    documents[0].distributions = vec![("避難所.csv".to_owned(), "UTF-8".to_owned())];
    documents[0].formats = vec!["CSV".to_owned(), "JSON".to_owned()];
    documents[0].column_names = vec!["収容人数".to_owned()];
    documents[0].extras = vec![("担当課".to_owned(), "危機管理課".to_owned()), ("fiscal".to_owned(), "R6".to_owned())];
    documents[0].bbox = Some([132.4, 34.1, 132.8, 34.4]);
    documents[2].title_en = Some("Garbage collection calendar".to_owned());
    documents[13].keywords = vec!["防災".to_owned()];
    documents[14].keywords = vec!["防災".to_owned()];
    documents
}

impl Catalog {
    pub(crate) fn of(documents: Vec<SearchDocument>) -> Catalog {
        let directory = tempfile::tempdir().unwrap();
        let index = Index::open(directory.path(), Settings::default()).unwrap().index;
        index.apply(documents, Vec::new(), 1).unwrap();
        Catalog { index, directory }
    }

    pub(crate) fn sample() -> Catalog {
        Catalog::of(sample())
    }

    pub(crate) fn search(&self, query: &str) -> SearchResults {
        self.ask(&SearchRequest { query: query.to_owned(), ..SearchRequest::default() })
    }

    pub(crate) fn ask(&self, request: &SearchRequest) -> SearchResults {
        self.index.search(request).unwrap()
    }
}

/// Numbers of the datasets found, in order.
pub(crate) fn found(results: &SearchResults) -> Vec<u128> {
    results.hits.iter().map(|hit| hit.id.as_u128()).collect()
}
