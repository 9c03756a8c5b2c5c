//! How often a dataset is updated: EU frequency codes and the spellings publishers use.

use serde::Serialize;
use utoipa::ToSchema;

use crate::vocabulary::fold;

/// One update frequency (`dct:accrualPeriodicity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Frequency {
    /// Id used here, for example `annual`.
    pub id: &'static str,
    /// Japanese label.
    pub title: &'static str,
    /// Code in the EU authority table, for example `ANNUAL`.
    pub eu_code: &'static str,
    #[serde(skip)]
    aliases: &'static [&'static str],
}

impl Frequency {
    /// URI in the EU authority table.
    pub fn uri(&self) -> String {
        format!("http://publications.europa.eu/resource/authority/frequency/{}", self.eu_code)
    }
}

/// All frequencies, most frequent first.
pub fn frequencies() -> &'static [Frequency] {
    FREQUENCIES
}

/// The frequency with this id.
pub fn frequency(id: &str) -> Option<&'static Frequency> {
    FREQUENCIES.iter().find(|frequency| frequency.id == id)
}

/// The frequency a publisher means: id, EU code or URI, exact alias, else the longest alias contained (`年1回（4月）`).
pub fn find_frequency(text: &str) -> Option<&'static Frequency> {
    let folded = fold(text);
    if folded.is_empty() {
        return None;
    }
    let code = text.trim().rsplit('/').next().unwrap_or_default();
    let exact = FREQUENCIES
        .iter()
        .find(|f| f.id == folded || f.eu_code == code || fold(f.title) == folded || f.aliases.iter().any(|alias| fold(alias) == folded));
    exact.or_else(|| {
        FREQUENCIES
            .iter()
            .flat_map(|f| f.aliases.iter().map(move |alias| (f, fold(alias))))
            .filter(|(_, alias)| alias.chars().count() >= 2 && folded.contains(alias.as_str()))
            .max_by_key(|(_, alias)| alias.chars().count())
            .map(|(f, _)| f)
    })
}

#[rustfmt::skip]
const FREQUENCIES: &[Frequency] = &[
    Frequency { id: "continuous", title: "リアルタイム", eu_code: "UPDATE_CONT", aliases: &["リアルタイム", "常時", "即時"] },
    Frequency { id: "ten-minutes", title: "10分ごと", eu_code: "10MIN", aliases: &["10分毎", "10分ごと"] },
    Frequency { id: "hourly", title: "毎時", eu_code: "HOURLY", aliases: &["毎時", "１時間ごと", "1時間毎"] },
    Frequency { id: "several-a-day", title: "1日に複数回", eu_code: "CONT", aliases: &["1日に複数回", "1日数回"] },
    Frequency { id: "daily", title: "毎日", eu_code: "DAILY", aliases: &["毎日", "日次", "１日１回", "1日1回", "平日毎日", "営業日毎", "daily"] },
    Frequency { id: "weekly", title: "毎週", eu_code: "WEEKLY", aliases: &["毎週", "週次", "週1回", "週１回", "weekly"] },
    Frequency { id: "biweekly", title: "隔週", eu_code: "BIWEEKLY", aliases: &["隔週", "2週間に1回"] },
    Frequency { id: "semimonthly", title: "月2回", eu_code: "MONTHLY_2", aliases: &["月2回", "月２回", "半月"] },
    Frequency { id: "monthly", title: "毎月", eu_code: "MONTHLY", aliases: &["1ヶ月に1回", "1か月に1回", "1カ月に1回", "毎月", "月次", "月1回", "月１回", "1か月", "１ヶ月毎", "毎月1回", "monthly"] },
    Frequency { id: "bimonthly", title: "隔月", eu_code: "BIMONTHLY", aliases: &["隔月", "2か月", "奇数月", "偶数月"] },
    Frequency { id: "quarterly", title: "四半期", eu_code: "QUARTERLY", aliases: &["3ヶ月に1回", "3か月に1回", "四半期", "四半期毎", "3か月", "３か月ごと", "年4回", "quarterly"] },
    Frequency { id: "triannual", title: "年3回", eu_code: "ANNUAL_3", aliases: &["年3回", "4か月"] },
    Frequency { id: "semiannual", title: "半年", eu_code: "ANNUAL_2", aliases: &["6ヶ月に1回", "6か月に1回", "半年", "年2回", "年２回", "6か月", "半期", "6ヶ月毎", "上半期・下半期"] },
    Frequency { id: "annual", title: "毎年", eu_code: "ANNUAL", aliases: &["毎年", "年次", "年1回", "年１回", "1年", "１年", "毎年度", "年度更新", "年度毎", "年1回程度", "１年に１回", "1年に1回", "annually", "yearly"] },
    Frequency { id: "biennial", title: "2年ごと", eu_code: "BIENNIAL", aliases: &["2年", "２年", "2年毎", "隔年"] },
    Frequency { id: "triennial", title: "3年ごと", eu_code: "TRIENNIAL", aliases: &["3年", "３年", "3年ごと"] },
    Frequency { id: "quinquennial", title: "5年ごと", eu_code: "QUINQUENNIAL", aliases: &["5年", "５年", "5年毎", "５年ごと", "国勢調査"] },
    Frequency { id: "decennial", title: "10年ごと", eu_code: "DECENNIAL", aliases: &["10年"] },
    Frequency { id: "as-needed", title: "随時", eu_code: "AS_NEEDED", aliases: &["随時", "必要に応じて", "変更時", "変更があった都度", "更新の都度", "その都度", "適宜", "都度", "as needed"] },
    Frequency { id: "irregular", title: "不定期", eu_code: "IRREG", aliases: &["不定期", "未定", "irregular"] },
    Frequency { id: "never", title: "更新なし", eu_code: "NEVER", aliases: &["更新なし", "更新しない", "更新予定なし", "なし", "1回限り", "終了", "never"] },
    Frequency { id: "unknown", title: "不明", eu_code: "UNKNOWN", aliases: &["-", "不明", "unknown"] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_spellings_are_understood() {
        for (text, id) in [
            ("年１回", "annual"),
            ("毎年（4月）", "annual"),
            ("随時", "as-needed"),
            ("MONTHLY", "monthly"),
            ("http://publications.europa.eu/resource/authority/frequency/DAILY", "daily"),
        ] {
            assert_eq!(find_frequency(text).map(|f| f.id), Some(id), "{text}");
        }
        assert_eq!(find_frequency("気が向いたら"), None);
        assert_eq!(find_frequency(""), None);
    }
}
