//! The datasets of the municipal standard (自治体標準オープンデータセット).

use serde::Serialize;
use utoipa::ToSchema;

use crate::vocabulary::fold;

/// One dataset every municipality is asked to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct StandardDataset {
    /// Id, for example `evacuation_space`.
    pub id: &'static str,
    /// Title in Japanese.
    pub title: &'static str,
    /// Title in English; ours, as the standard has none.
    pub title_en: &'static str,
    #[serde(skip)]
    words: &'static [&'static str],
}

/// All standard datasets, in the order of the standard.
pub fn standard_datasets() -> &'static [StandardDataset] {
    STANDARD_DATASETS
}

/// The standard dataset with this id.
pub fn standard_dataset(id: &str) -> Option<&'static StandardDataset> {
    STANDARD_DATASETS.iter().find(|dataset| dataset.id == id)
}

/// The standard dataset a title or file name speaks of: its own title, one of its words, or its id in the name.
pub fn find_standard_dataset(text: &str) -> Option<&'static StandardDataset> {
    let folded = fold(text);
    STANDARD_DATASETS
        .iter()
        .find(|dataset| folded.contains(&fold(dataset.title)) || dataset.words.iter().any(|word| folded.contains(&fold(word))))
        .or_else(|| STANDARD_DATASETS.iter().find(|dataset| file_name_says(&folded, dataset.id)))
}

/// Whether a file name such as `342025_aed.csv` has the id as one of its parts.
fn file_name_says(folded: &str, id: &str) -> bool {
    let stem = folded.split('.').next().unwrap_or_default();
    stem.contains('_') && (format!("_{stem}_").contains(&format!("_{id}_")) || (id.contains('_') && stem.contains(id)))
}

#[rustfmt::skip]
const STANDARD_DATASETS: &[StandardDataset] = &[
    StandardDataset { id: "public_facility", title: "公共施設一覧", title_en: "Public facilities", words: &["公共施設情報"] },
    StandardDataset { id: "cultural_property", title: "文化財一覧", title_en: "Cultural properties", words: &["文化財一覧"] },
    StandardDataset { id: "evacuation_space", title: "指定緊急避難場所一覧", title_en: "Designated emergency evacuation sites", words: &["指定緊急避難場所", "緊急避難場所一覧", "避難場所一覧"] },
    StandardDataset { id: "population", title: "地域・年齢別人口", title_en: "Population by area and age", words: &["年齢別人口"] },
    StandardDataset { id: "preschool", title: "子育て施設一覧", title_en: "Childcare facilities", words: &["子育て施設"] },
    StandardDataset { id: "open_data_list", title: "オープンデータ一覧", title_en: "List of open data", words: &[] },
    StandardDataset { id: "public_wireless_lan", title: "公衆無線LANアクセスポイント一覧", title_en: "Public wireless LAN access points", words: &["公衆無線lan"] },
    StandardDataset { id: "aed", title: "AED設置箇所一覧", title_en: "AED locations", words: &["AED設置", "AED一覧", "自動体外式除細動器"] },
    StandardDataset { id: "care_service", title: "介護サービス事業所一覧", title_en: "Care service providers", words: &["介護サービス事業所"] },
    StandardDataset { id: "hospital", title: "医療機関一覧", title_en: "Medical institutions", words: &["医療機関一覧"] },
    StandardDataset { id: "tourism", title: "観光施設一覧", title_en: "Tourist facilities", words: &["観光施設"] },
    StandardDataset { id: "event", title: "イベント一覧", title_en: "Events", words: &["イベント一覧"] },
    StandardDataset { id: "public_toilet", title: "公衆トイレ一覧", title_en: "Public toilets", words: &["公衆トイレ"] },
    StandardDataset { id: "fire_hydrant", title: "消防水利施設一覧", title_en: "Fire-fighting water supplies", words: &["消防水利"] },
    StandardDataset { id: "food_business", title: "食品等営業許可・届出一覧", title_en: "Food business permits and notifications", words: &["食品等営業許可", "食品営業許可"] },
    StandardDataset { id: "school_lunch", title: "学校給食献立情報", title_en: "School lunch menus", words: &["給食献立"] },
    StandardDataset { id: "school_district", title: "小中学校通学区域情報", title_en: "School districts", words: &["通学区域"] },
    StandardDataset { id: "boring_log", title: "ボーリング柱状図等", title_en: "Borehole logs", words: &[] },
    StandardDataset { id: "city_planning_survey", title: "都市計画基礎調査情報", title_en: "City planning basic surveys", words: &[] },
    StandardDataset { id: "procurement", title: "調達情報", title_en: "Procurement", words: &[] },
    StandardDataset { id: "gtfs_jp", title: "標準的なバス情報フォーマット", title_en: "Standard bus information format (GTFS-JP)", words: &["GTFS-JP"] },
    StandardDataset { id: "support_system", title: "支援制度（給付金）情報", title_en: "Support schemes and benefits", words: &[] },
    StandardDataset { id: "disaster_radio", title: "防災行政無線設置一覧", title_en: "Disaster administration radio stations", words: &["防災行政無線"] },
    StandardDataset { id: "educational_institution", title: "教育機関一覧", title_en: "Educational institutions", words: &["教育機関一覧"] },
    StandardDataset { id: "public_parking", title: "公営駐車場一覧", title_en: "Public car parks", words: &["公営駐車場"] },
    StandardDataset { id: "bicycle_parking", title: "公営駐輪場一覧", title_en: "Public bicycle parks", words: &["駐輪場一覧"] },
    StandardDataset { id: "polling_place", title: "投票所一覧", title_en: "Polling places", words: &["投票所一覧"] },
    StandardDataset { id: "garbage_separation", title: "ゴミの分別方法一覧", title_en: "How to sort waste", words: &["ごみの分別", "ゴミの分別", "ごみ分別"] },
    StandardDataset { id: "baby_station", title: "赤ちゃんの駅", title_en: "Baby stations", words: &[] },
    StandardDataset { id: "garbage_collection_point", title: "ゴミ集積所一覧", title_en: "Waste collection points", words: &["ごみ集積所"] },
    StandardDataset { id: "tourism_spot", title: "観光ポイント", title_en: "Tourist spots", words: &[] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_name_their_standard_dataset() {
        for (title, id) in [
            ("府中市ＡＥＤ設置箇所一覧", "aed"),
            ("呉市 指定緊急避難場所", "evacuation_space"),
            ("342025_public_toilet.csv", "public_toilet"),
        ] {
            assert_eq!(find_standard_dataset(title).map(|d| d.id), Some(id), "{title}");
        }
        // Shelters to stay in are another designation than places to flee to.
        for title in ["ごみ処理量の推移", "指定避難所一覧", "event planning"] {
            assert_eq!(find_standard_dataset(title), None, "{title}");
        }
    }
}
