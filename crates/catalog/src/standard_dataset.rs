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
    StandardDataset { id: "public_facility", title: "公共施設一覧", words: &["公共施設情報"] },
    StandardDataset { id: "cultural_property", title: "文化財一覧", words: &["文化財一覧"] },
    StandardDataset { id: "evacuation_space", title: "指定緊急避難場所一覧", words: &["指定緊急避難場所", "緊急避難場所一覧", "避難場所一覧"] },
    StandardDataset { id: "population", title: "地域・年齢別人口", words: &["年齢別人口"] },
    StandardDataset { id: "preschool", title: "子育て施設一覧", words: &["子育て施設"] },
    StandardDataset { id: "open_data_list", title: "オープンデータ一覧", words: &[] },
    StandardDataset { id: "public_wireless_lan", title: "公衆無線LANアクセスポイント一覧", words: &["公衆無線lan"] },
    StandardDataset { id: "aed", title: "AED設置箇所一覧", words: &["AED設置", "AED一覧", "自動体外式除細動器"] },
    StandardDataset { id: "care_service", title: "介護サービス事業所一覧", words: &["介護サービス事業所"] },
    StandardDataset { id: "hospital", title: "医療機関一覧", words: &["医療機関一覧"] },
    StandardDataset { id: "tourism", title: "観光施設一覧", words: &["観光施設"] },
    StandardDataset { id: "event", title: "イベント一覧", words: &["イベント一覧"] },
    StandardDataset { id: "public_toilet", title: "公衆トイレ一覧", words: &["公衆トイレ"] },
    StandardDataset { id: "fire_hydrant", title: "消防水利施設一覧", words: &["消防水利"] },
    StandardDataset { id: "food_business", title: "食品等営業許可・届出一覧", words: &["食品等営業許可", "食品営業許可"] },
    StandardDataset { id: "school_lunch", title: "学校給食献立情報", words: &["給食献立"] },
    StandardDataset { id: "school_district", title: "小中学校通学区域情報", words: &["通学区域"] },
    StandardDataset { id: "boring_log", title: "ボーリング柱状図等", words: &[] },
    StandardDataset { id: "city_planning_survey", title: "都市計画基礎調査情報", words: &[] },
    StandardDataset { id: "procurement", title: "調達情報", words: &[] },
    StandardDataset { id: "gtfs_jp", title: "標準的なバス情報フォーマット", words: &["GTFS-JP"] },
    StandardDataset { id: "support_system", title: "支援制度（給付金）情報", words: &[] },
    StandardDataset { id: "disaster_radio", title: "防災行政無線設置一覧", words: &["防災行政無線"] },
    StandardDataset { id: "educational_institution", title: "教育機関一覧", words: &["教育機関一覧"] },
    StandardDataset { id: "public_parking", title: "公営駐車場一覧", words: &["公営駐車場"] },
    StandardDataset { id: "bicycle_parking", title: "公営駐輪場一覧", words: &["駐輪場一覧"] },
    StandardDataset { id: "polling_place", title: "投票所一覧", words: &["投票所一覧"] },
    StandardDataset { id: "garbage_separation", title: "ゴミの分別方法一覧", words: &["ごみの分別", "ゴミの分別", "ごみ分別"] },
    StandardDataset { id: "baby_station", title: "赤ちゃんの駅", words: &[] },
    StandardDataset { id: "garbage_collection_point", title: "ゴミ集積所一覧", words: &["ごみ集積所"] },
    StandardDataset { id: "tourism_spot", title: "観光ポイント", words: &[] },
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
