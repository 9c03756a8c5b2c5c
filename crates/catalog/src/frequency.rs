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
    let code = if text.contains("://") { text.trim().rsplit(['/', '#']).next().unwrap_or_default() } else { text.trim() };
    let word = fold(code);
    let exact = FREQUENCIES.iter().find(|f| {
        f.id == folded
            || f.id == word
            || f.eu_code == code
            || fold(f.title) == folded
            || f.aliases.iter().any(|alias| fold(alias) == folded)
    });
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
    Frequency { id: "continuous", title: "リアルタイム", eu_code: "UPDATE_CONT", aliases: &["リアルタイム", "常時", "即時", "R/PT1S", "R/PT0S", "continual"] },
    Frequency { id: "ten-minutes", title: "10分ごと", eu_code: "10MIN", aliases: &["10分毎", "10分ごと", "R/PT10M"] },
    Frequency { id: "hourly", title: "毎時", eu_code: "HOURLY", aliases: &["毎時", "１時間ごと", "1時間毎", "R/PT1H", "PT1H"] },
    Frequency { id: "several-a-day", title: "1日に複数回", eu_code: "CONT", aliases: &["1日に複数回", "1日数回"] },
    Frequency { id: "daily", title: "毎日", eu_code: "DAILY", aliases: &["毎日", "日次", "１日１回", "1日1回", "平日毎日", "営業日毎", "daily", "R/P1D", "P1D"] },
    Frequency { id: "weekly", title: "毎週", eu_code: "WEEKLY", aliases: &["毎週", "週次", "週1回", "週１回", "weekly", "1週間に1回", "R/P1W", "P1W", "R/P7D"] },
    Frequency { id: "biweekly", title: "隔週", eu_code: "BIWEEKLY", aliases: &["隔週", "2週間に1回", "2週間ごと", "2週間毎", "fortnightly", "R/P2W", "P2W"] },
    Frequency { id: "semimonthly", title: "月2回", eu_code: "MONTHLY_2", aliases: &["月2回", "月２回", "半月", "R/P0.5M"] },
    Frequency { id: "monthly", title: "毎月", eu_code: "MONTHLY", aliases: &["1ヶ月に1回", "1か月に1回", "1カ月に1回", "毎月", "月次", "月1回", "月１回", "1か月", "１ヶ月毎", "毎月1回", "monthly", "月に1回", "月末", "R/P1M", "P1M"] },
    Frequency { id: "bimonthly", title: "隔月", eu_code: "BIMONTHLY", aliases: &["隔月", "2か月", "2ヶ月", "奇数月", "偶数月", "年6回", "R/P2M", "P2M"] },
    Frequency { id: "quarterly", title: "四半期", eu_code: "QUARTERLY", aliases: &["3ヶ月に1回", "3か月に1回", "四半期", "四半期毎", "3か月", "３か月ごと", "年4回", "quarterly", "3ヶ月", "R/P3M", "P3M"] },
    Frequency { id: "triannual", title: "年3回", eu_code: "ANNUAL_3", aliases: &["年3回", "4か月", "4ヶ月", "R/P4M", "P4M"] },
    Frequency { id: "semiannual", title: "半年", eu_code: "ANNUAL_2", aliases: &["6ヶ月に1回", "6か月に1回", "半年", "年2回", "年２回", "6か月", "半期", "6ヶ月毎", "上半期・下半期", "6ヶ月", "biannually", "R/P6M", "P6M", "R/P0.5Y"] },
    Frequency { id: "annual", title: "毎年", eu_code: "ANNUAL", aliases: &["毎年", "年次", "年1回", "年１回", "1年", "１年", "毎年度", "年度更新", "年度毎", "年1回程度", "１年に１回", "1年に1回", "annually", "yearly", "年に1回", "every year", "R/P1Y", "P1Y", "R/P12M"] },
    Frequency { id: "biennial", title: "2年ごと", eu_code: "BIENNIAL", aliases: &["2年", "２年", "2年毎", "隔年", "R/P2Y", "P2Y"] },
    Frequency { id: "triennial", title: "3年ごと", eu_code: "TRIENNIAL", aliases: &["3年", "３年", "3年ごと", "R/P3Y", "P3Y"] },
    Frequency { id: "quinquennial", title: "5年ごと", eu_code: "QUINQUENNIAL", aliases: &["5年", "５年", "5年毎", "５年ごと", "国勢調査", "R/P5Y", "P5Y"] },
    Frequency { id: "decennial", title: "10年ごと", eu_code: "DECENNIAL", aliases: &["10年", "R/P10Y", "P10Y"] },
    Frequency { id: "as-needed", title: "随時", eu_code: "AS_NEEDED", aliases: &["随時", "必要に応じて", "変更時", "変更があった都度", "更新の都度", "その都度", "適宜", "都度", "as needed", "asNeeded"] },
    Frequency { id: "irregular", title: "不定期", eu_code: "IRREG", aliases: &["不定期", "不定", "未定", "irregular", "unscheduled"] },
    Frequency { id: "never", title: "更新なし", eu_code: "NEVER", aliases: &["更新なし", "更新しない", "更新予定なし", "なし", "1回限り", "終了", "never", "更新は行わない", "更新は行いません", "notPlanned", "not planned", "NOT_PLANNED"] },
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
            ("年に１回", "annual"),
            ("年2回（4月、10月）", "semiannual"),
            ("３ヶ月毎", "quarterly"),
            ("2週間ごと", "biweekly"),
            ("5年ごと（国勢調査）", "quinquennial"),
            ("10年毎", "decennial"),
            ("R/P1Y", "annual"),
            ("R/P10Y", "decennial"),
            ("R/P0.5M", "semimonthly"),
            ("r/p1m", "monthly"),
            ("unscheduled", "irregular"),
            ("更新は行わない", "never"),
            ("http://inspire.ec.europa.eu/metadata-codelist/MaintenanceFrequency/notPlanned", "never"),
            ("http://purl.org/cld/freq/annual", "annual"),
            ("http://publications.europa.eu/resource/authority/frequency/DAILY", "daily"),
        ] {
            assert_eq!(find_frequency(text).map(|f| f.id), Some(id), "{text}");
        }
        assert_eq!(find_frequency("気が向いたら"), None);
        assert_eq!(find_frequency(""), None);
    }
}
