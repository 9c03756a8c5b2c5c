//! An index with a dozen datasets, built once.

#![allow(dead_code)]

use std::path::Path;
use std::sync::LazyLock;

use chrono::{DateTime, Duration};
use minato_catalog::DatasetState;
use minato_search::{Index, SearchDocument, Settings};
use uuid::Uuid;

/// Title, description, keyword, organization. The last one is hidden.
const ROWS: [(&str, &str, &str, (&str, &str)); 12] = [
    ("指定避難所一覧", "市が指定した避難所の名称、所在地、収容人数。", "防災", ("kure", "呉市")),
    ("ＡＥＤ設置箇所一覧", "市内のＡＥＤ（自動体外式除細動器）の設置場所です。", "医療", ("kure", "呉市")),
    ("令和6年度 当初予算", "一般会計・特別会計の予算。2024年度分。", "財政", ("kure", "広島県呉市")),
    ("東京都の人口推移", "住民基本台帳による世帯と人口（1956年〜）。", "人口", ("tokyo", "東京都")),
    ("京都市との友好都市事業", "ｶﾞｲﾄﾞﾌﾞｯｸと㌔程表", "国際交流", ("tokyo", "東京都")),
    ("Garbage collection calendar / ごみ収集カレンダー", "Days of collection, by district.", "ごみ", ("minato", "港区")),
    ("コミュニティバス_停留所_GTFS-JP", "標準的なバス情報フォーマット", "交通", ("minato", "港区")),
    ("髙﨑地区のまちづくり", "霞ヶ関つづき、舘・邊・廣", "都市計画", ("ishikawa", "石川県")),
    ("津波浸水想定区域", "南海トラフ巨大地震のときの浸水の深さ。", "防災", ("yaizu", "焼津市")),
    ("橋梁点検結果👨‍👩‍👧‍👦", "か\u{3099}き\u{309a}e\u{301} \u{200b}ﬁ İstanbul ǅ", "土木", ("yaizu", "焼津市")),
    ("", "", "空", ("yaizu", "焼津市")),
    ("極秘避難計画", "公開前", "秘匿語", ("kure", "呉市")),
];

pub const DOCUMENTS: usize = ROWS.len();

/// The title of a dataset of [`index`].
pub fn title(id: Uuid) -> &'static str {
    ROWS[id.as_u128() as usize].0
}

pub fn index() -> &'static Index {
    static INDEX: LazyLock<Index> = LazyLock::new(|| {
        // A fuzz run has no orderly end at which a temporary directory would be removed; this one goes with `cargo clean`.
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/index/{}", std::process::id()));
        let index = Index::open(&directory, Settings::default()).expect("a fresh directory").index;
        index.apply((0..DOCUMENTS).map(document).collect(), Vec::new(), 1).expect("a dozen documents");
        index
    });
    &INDEX
}

fn document(number: usize) -> SearchDocument {
    let (title, description, keyword, (slug, name)) = ROWS[number];
    let modified = DateTime::UNIX_EPOCH + Duration::days(19_000 + number as i64 / 3);
    SearchDocument {
        id: Uuid::from_u128(number as u128),
        slug: format!("dataset-{number}"),
        title: title.to_owned(),
        title_en: None,
        description: description.to_owned(),
        keywords: vec![keyword.to_owned()],
        themes: vec!["soci".to_owned()],
        theme_titles: vec!["人口・社会".to_owned()],
        organization_id: Uuid::from_u128(slug.len() as u128),
        organization_slug: slug.to_owned(),
        organization_name: name.to_owned(),
        organization_name_en: None,
        organization_code: Some("342025".to_owned()),
        distributions: vec![(format!("{title}.csv"), "UTF-8".to_owned())],
        formats: vec!["CSV".to_owned(), "JSON".to_owned()],
        licence: Some("CC-BY-4.0".to_owned()),
        standard_dataset: None,
        area_codes: vec!["342025".to_owned()],
        open: number + 1 < DOCUMENTS,
        state: DatasetState::Published,
        created: modified,
        modified,
        downloads_90d: number as u64 * 7,
        column_names: vec!["収容人数".to_owned(), "緯度".to_owned()],
        extras: vec![("担当課".to_owned(), "危機管理課".to_owned())],
        bbox: Some([132.4, 34.1, 132.8, 34.4]),
        temporal: None,
    }
}
