//! The local governments of Hiroshima prefecture, by the names that publishers write.

use unicode_normalization::UnicodeNormalization;

/// The code of six digits behind the name of the prefecture, one of its municipalities or a ward of its capital: `呉市`, `広島県呉市`,
/// `安芸郡府中町`, `広島市中区`, `呉市全域`. A code stands for itself. `None` for places elsewhere and for names that could be elsewhere (`中区`).
pub fn find_local_government(text: &str) -> Option<&'static str> {
    let name: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
    if let Some((code, ..)) = LOCAL_GOVERNMENTS.iter().find(|(code, ..)| *code == name) {
        return Some(code);
    }
    let name = AREA_WORDS.iter().find_map(|word| name.strip_suffix(word)).unwrap_or(&name).trim_end_matches('の');
    if name == PREFECTURE {
        return Some("340006");
    }
    let name = name.strip_prefix(PREFECTURE).unwrap_or(name);
    LOCAL_GOVERNMENTS
        .iter()
        .find(|(_, county, own)| {
            let without_county = name.strip_prefix(county).unwrap_or(name);
            // A ward's name alone says nothing; a county's may be left out.
            without_county == *own && (!county.ends_with('市') || without_county.len() < name.len())
        })
        .map(|(code, ..)| *code)
}

const PREFECTURE: &str = "広島県";

/// What is written behind a name without meaning another place.
const AREA_WORDS: &[&str] = &["内全域", "全域", "域", "内", "管内", "一円", "全体", "全市", "全町"];

/// Code, county or city it belongs to, own name.
const LOCAL_GOVERNMENTS: &[(&str, &str, &str)] = &[
    ("340006", "", "広島県"),
    ("341002", "", "広島市"),
    ("341011", "広島市", "中区"),
    ("341029", "広島市", "東区"),
    ("341037", "広島市", "南区"),
    ("341045", "広島市", "西区"),
    ("341053", "広島市", "安佐南区"),
    ("341061", "広島市", "安佐北区"),
    ("341070", "広島市", "安芸区"),
    ("341088", "広島市", "佐伯区"),
    ("342025", "", "呉市"),
    ("342033", "", "竹原市"),
    ("342041", "", "三原市"),
    ("342050", "", "尾道市"),
    ("342076", "", "福山市"),
    ("342084", "", "府中市"),
    ("342092", "", "三次市"),
    ("342106", "", "庄原市"),
    ("342114", "", "大竹市"),
    ("342122", "", "東広島市"),
    ("342131", "", "廿日市市"),
    ("342149", "", "安芸高田市"),
    ("342157", "", "江田島市"),
    ("343021", "安芸郡", "府中町"),
    ("343048", "安芸郡", "海田町"),
    ("343072", "安芸郡", "熊野町"),
    ("343099", "安芸郡", "坂町"),
    ("343684", "山県郡", "安芸太田町"),
    ("343692", "山県郡", "北広島町"),
    ("344311", "豊田郡", "大崎上島町"),
    ("344621", "世羅郡", "世羅町"),
    ("345458", "神石郡", "神石高原町"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_check_digit() {
        for (code, county, name) in LOCAL_GOVERNMENTS {
            assert!(crate::is_local_government_code(code), "{code}");
            assert_eq!(find_local_government(&format!("{county}{name}")), Some(*code));
        }
        assert_eq!(LOCAL_GOVERNMENTS.len(), 1 + 23 + 8);
    }

    #[test]
    fn names_are_understood_as_they_are_written() {
        for (text, code) in [
            ("呉市", Some("342025")),
            (" 広島県　呉市 ", Some("342025")),
            ("広島県呉市全域", Some("342025")),
            ("呉市内全域", Some("342025")),
            ("呉市の全域", Some("342025")),
            ("広島県", Some("340006")),
            ("広島県内", Some("340006")),
            ("３４２０２５", Some("342025")),
            ("安芸郡府中町", Some("343021")),
            ("府中町", Some("343021")),
            ("府中市", Some("342084")),
            ("広島県広島市安佐南区", Some("341053")),
            ("廿日市市", Some("342131")),
            ("中区", None),
            ("東京都府中市", None),
            ("広島市呉市", None),
            ("北広島市", None),
            ("岡山県", None),
            ("県内", None),
            ("342026", None),
            ("", None),
        ] {
            assert_eq!(find_local_government(text), code, "{text}");
        }
    }
}
