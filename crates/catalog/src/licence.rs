//! Licences: the list a new catalog starts with, and the spellings publishers use.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocabulary::{TITLE_LENGTH_MAX, check_text, check_texts, check_title, check_url};
use crate::{FieldError, RecordState};

/// A licence or set of terms under which a distribution may be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Licence {
    /// SPDX identifier where one exists, for example `CC-BY-4.0`.
    pub id: String,
    /// What the licence says.
    #[serde(flatten)]
    pub draft: LicenceDraft,
    /// Archived licences stay on datasets that have them and are offered no more.
    pub state: RecordState,
    /// Number of the latest revision; the `ETag`.
    pub revision: i64,
    /// When it was first recorded.
    pub created: DateTime<Utc>,
    /// When the record last changed.
    pub updated: DateTime<Utc>,
}

/// The editable part of a [`Licence`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LicenceDraft {
    /// Title in Japanese.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: Option<String>,
    /// Page with the text.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether it meets the Open Definition; `null` when unknown.
    #[serde(default)]
    pub open: Option<bool>,
    /// The id CKAN clients know it by, for example `cc-by`.
    #[serde(default)]
    pub ckan_id: Option<String>,
    /// Other spellings met at publishers.
    #[serde(default)]
    pub aliases: Vec<String>,
}

impl LicenceDraft {
    /// What is wrong with it; empty when nothing is.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_title(&mut errors, "/title", &self.title);
        check_text(&mut errors, "/title_en", self.title_en.as_deref(), TITLE_LENGTH_MAX);
        check_text(&mut errors, "/ckan_id", self.ckan_id.as_deref(), TITLE_LENGTH_MAX);
        check_texts(&mut errors, "/aliases", &self.aliases, TITLE_LENGTH_MAX);
        // A blank spelling would be met by everybody who states no licence.
        if self.ckan_id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            errors.push(FieldError::new(
                "/ckan_id",
                "required",
                "/ckan_id を空にはできません。値を入れるか、null にしてください。",
                "/ckan_id must not be blank; give it a value or make it null",
            ));
        }
        for (index, _) in self.aliases.iter().enumerate().filter(|(_, alias)| alias.trim().is_empty()) {
            errors.push(FieldError::new(
                format!("/aliases/{index}"),
                "required",
                format!("/aliases/{index} を空にはできません。値を入れるか、取り除いてください。"),
                format!("/aliases/{index} must not be blank; give it a value or take it out"),
            ));
        }
        check_url(&mut errors, "/url", self.url.as_deref());
        errors
    }
}

/// The licences a new catalog starts with: id and content.
pub fn built_in_licences() -> Vec<(String, LicenceDraft)> {
    BUILT_IN
        .iter()
        .map(|&(id, title, title_en, url, open, ckan_id, aliases)| {
            let draft = LicenceDraft {
                title: title.to_owned(),
                title_en: Some(title_en.to_owned()),
                url: url.map(str::to_owned),
                open,
                ckan_id: Some(ckan_id.to_owned()),
                aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            };
            (id.to_owned(), draft)
        })
        .collect()
}

type Row = (&'static str, &'static str, &'static str, Option<&'static str>, Option<bool>, &'static str, &'static [&'static str]);

/// id, title, English title, URL, open, CKAN id, aliases.
#[rustfmt::skip]
const BUILT_IN: &[Row] = &[
    ("CC-BY-4.0", "クリエイティブ・コモンズ 表示 4.0 国際", "Creative Commons Attribution 4.0 International", Some("https://creativecommons.org/licenses/by/4.0/"), Some(true), "cc-by", &["CC BY 4.0", "CC-BY 4.0", "CCBY4.0", "CC BY", "CC-BY", "CCBY", "cc-by", "CC BY 4.0 国際", "CC-BY4.0", "Creative Commons Attribution 4.0 International", "Creative　Commons　Attribution　4.0　International", "クリエイティブ・コモンズ・ライセンス表示4.0国際"]),
    ("CC-BY-2.1-JP", "クリエイティブ・コモンズ 表示 2.1 日本", "Creative Commons Attribution 2.1 Japan", Some("https://creativecommons.org/licenses/by/2.1/jp/"), Some(true), "cc-by-jp", &["CC BY 2.1 JP", "CC-BY 2.1", "CC BY 2.1", "cc-by-jp", "CC-BY-JP", "表示 2.1 日本"]),
    ("CC-BY-3.0", "クリエイティブ・コモンズ 表示 3.0", "Creative Commons Attribution 3.0", Some("https://creativecommons.org/licenses/by/3.0/"), Some(true), "cc-by-3.0", &["CC BY 3.0"]),
    ("CC-BY-SA-4.0", "クリエイティブ・コモンズ 表示-継承 4.0 国際", "Creative Commons Attribution-ShareAlike 4.0 International", Some("https://creativecommons.org/licenses/by-sa/4.0/"), Some(true), "cc-by-sa", &["CC BY-SA 4.0", "CC BY-SA"]),
    ("CC-BY-ND-4.0", "クリエイティブ・コモンズ 表示-改変禁止 4.0 国際", "Creative Commons Attribution-NoDerivatives 4.0 International", Some("https://creativecommons.org/licenses/by-nd/4.0/"), Some(false), "cc-by-nd", &["CC BY-ND 4.0", "CC BY-ND"]),
    ("CC-BY-NC-4.0", "クリエイティブ・コモンズ 表示-非営利 4.0 国際", "Creative Commons Attribution-NonCommercial 4.0 International", Some("https://creativecommons.org/licenses/by-nc/4.0/"), Some(false), "cc-nc", &["CC BY-NC 4.0", "CC BY-NC"]),
    ("CC0-1.0", "CC0 1.0 全世界", "Creative Commons Zero 1.0", Some("https://creativecommons.org/publicdomain/zero/1.0/"), Some(true), "cc-zero", &["CC0", "CC-0", "CC 0", "CC ゼロ", "cc-zero"]),
    ("PDDL-1.0", "ODC パブリックドメイン献呈 1.0", "Open Data Commons Public Domain Dedication and License 1.0", Some("https://opendatacommons.org/licenses/pddl/1-0/"), Some(true), "odc-pddl", &["PDDL", "odc-pddl"]),
    ("ODC-BY-1.0", "ODC 表示 1.0", "Open Data Commons Attribution License 1.0", Some("https://opendatacommons.org/licenses/by/1-0/"), Some(true), "odc-by", &["ODC-By", "odc-by"]),
    ("ODbL-1.0", "ODC オープンデータベースライセンス 1.0", "Open Data Commons Open Database License 1.0", Some("https://opendatacommons.org/licenses/odbl/1-0/"), Some(true), "odc-odbl", &["ODbL", "odc-odbl"]),
    ("PDL-1.0", "公共データ利用規約（第1.0版）", "Public Data License (version 1.0)", Some("https://www.digital.go.jp/resources/open_data/public_data_license_v1.0"), Some(true), "pdl-1.0", &["PDL1.0", "PDL 1.0", "公共データ利用規約", "公共データ利用規約(第1.0版)", "公共データ利用規約 第1.0版", "公共データ利用規約(第1.0版)(PDL1.0)", "公共データ利用規約第1.0版(PDL1.0)", "公共データ利用規約(PDL1.0)"]),
    ("GJSTU-2.0", "政府標準利用規約（第2.0版）", "Government of Japan Standard Terms of Use (version 2.0)", Some("https://www.digital.go.jp/resources/open_data"), Some(true), "gjstu-2.0", &["政府標準利用規約", "政府標準利用規約（第 2.0 版）", "政府標準利用規約(第2.0版)", "政府標準利用規約2.0", "政府標準利用規約 第2.0版", "政府標準利用規約第2.0版"]),
    ("GSI-CONTENT", "国土地理院コンテンツ利用規約", "Geospatial Information Authority content terms", Some("https://www.gsi.go.jp/kikakuchousei/kikakuchousei40182.html"), Some(true), "gsi-content", &["国土地理院コンテンツ利用規約"]),
    ("OTHER-OPEN", "その他（オープン）", "Other, open", None, Some(true), "other-open", &["other-open", "other-at", "other-pd"]),
    ("OTHER-CLOSED", "その他（独自の規約）", "Other, own terms", None, Some(false), "other-closed", &["other-closed", "独自規約", "自団体", "サイトポリシー"]),
    ("OTHER-NC", "その他（非営利）", "Other, non-commercial", None, Some(false), "other-nc", &["other-nc", "Other (Non-Commercial)", "その他 (非商用)"]),
    ("NOT-SPECIFIED", "記載なし", "Not specified", None, None, "notspecified", &["notspecified", "なし", "未指定", "-", "None"]),
];
