//! One normalizer for index and query, which keeps the byte offsets of the source.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Normalized text and where each of its pieces came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Normalized {
    /// NFKC, lower case, one dash, one spelling of variant kanji; kana as written.
    pub(crate) text: String,
    /// (offset in `text`, offset in the source) of each cluster, and of the end.
    clusters: Vec<(u32, u32)>,
}

impl Normalized {
    pub(crate) fn of(source: &str) -> Normalized {
        let mut text = String::with_capacity(source.len());
        let mut clusters = Vec::with_capacity(source.len() / 2);
        normalize_into(source, &mut text, |to, from| clusters.push((to as u32, from as u32)));
        clusters.push((text.len() as u32, source.len() as u32));
        Normalized { text, clusters }
    }

    /// The range of the source that a range of `text` came from; always on character borders of the source.
    pub(crate) fn source_range(&self, start: usize, end: usize) -> (usize, usize) {
        let first = self.clusters.partition_point(|(to, _)| *to as usize <= start).saturating_sub(1);
        let last = self.clusters.partition_point(|(to, _)| (*to as usize) < end).min(self.clusters.len() - 1);
        (self.clusters[first].1 as usize, self.clusters[last].1 as usize)
    }
}

/// NFKC per cluster, lower case, dash after kana = ー, variant kanji.
pub(crate) fn normalize(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    normalize_into(source, &mut text, |_, _| {});
    text
}

/// For matching only: hiragana is katakana, ヶ is ケ, ヂヅ are ジズ. Keeps every byte offset.
pub(crate) fn fold_kana(text: &str) -> String {
    text.chars().map(fold_kana_char).collect()
}

/// [`normalize`], then [`fold_kana`].
pub(crate) fn fold(source: &str) -> String {
    fold_kana(&normalize(source))
}

pub(crate) fn fold_kana_char(c: char) -> char {
    match c {
        '\u{3041}'..='\u{3096}' | 'ゝ' | 'ゞ' => match char::from_u32(c as u32 + 0x60).unwrap_or(c) {
            katakana @ ('ヶ' | 'ヵ' | 'ヂ' | 'ヅ') => fold_kana_char(katakana),
            katakana => katakana,
        },
        'ヶ' => 'ケ',
        'ヵ' => 'カ',
        'ヂ' => 'ジ',
        'ヅ' => 'ズ',
        _ => c,
    }
}

fn normalize_into(source: &str, out: &mut String, mut on_cluster: impl FnMut(usize, usize)) {
    let mut chars = source.char_indices().peekable();
    let mut cluster = String::new();
    let mut previous = None;
    while let Some((start, c)) = chars.next() {
        on_cluster(out.len(), start);
        let mut end = start + c.len_utf8();
        while let Some(&(at, next)) = chars.peek() {
            if !extends(next) {
                break;
            }
            end = at + next.len_utf8();
            chars.next();
        }
        let single = end == start + c.len_utf8();
        if single && is_plain(c) {
            push(out, &mut previous, c.to_ascii_lowercase());
            continue;
        }
        cluster.clear();
        cluster.push(c);
        cluster.extend(source[start + c.len_utf8()..end].chars().map(|mark| match mark {
            '゛' => '\u{3099}',
            '゜' => '\u{309a}',
            mark => mark,
        }));
        // Lower case can undo NFKC and the other way round; the fixed point is reached at once or in one more step.
        for _ in 0..4 {
            let next: String = cluster.nfkc().flat_map(char::to_lowercase).nfkc().collect();
            if next == cluster {
                break;
            }
            cluster = next;
        }
        for c in cluster.chars() {
            push(out, &mut previous, c);
        }
    }
}

fn push(out: &mut String, previous: &mut Option<char>, c: char) {
    let c = match c {
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2500}' | '\u{2501}' => {
            if previous.is_some_and(is_kana) {
                'ー'
            } else {
                '-'
            }
        }
        '\u{4e00}'..='\u{9fff}' | '\u{fa0e}'..='\u{fa29}' | '\u{20000}'..='\u{2ffff}' => variant(c),
        _ => c,
    };
    out.push(c);
    *previous = Some(c);
}

/// Combining marks and the half-width voiced marks belong to the character before them.
fn extends(c: char) -> bool {
    match c {
        '\0'..='\u{2ff}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' => false,
        '\u{ff9e}' | '\u{ff9f}' | '゛' | '゜' => true,
        _ => canonical_combining_class(c) != 0,
    }
}

/// Characters that NFKC leaves alone.
fn is_plain(c: char) -> bool {
    matches!(c, '\0'..='\u{7f}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fe}' | '\u{4e00}'..='\u{9fff}' | '々' | '〇' | '、' | '。')
}

pub(crate) fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309e}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30fe}')
}

pub(crate) fn is_katakana(c: char) -> bool {
    matches!(c, '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30fe}')
}

pub(crate) fn is_kanji(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' | '々' | '〇')
}

/// Kana and kanji: what is written without spaces.
pub(crate) fn is_cjk(c: char) -> bool {
    is_kana(c) || is_kanji(c)
}

fn variant(c: char) -> char {
    match VARIANTS.binary_search_by_key(&c, |(from, _)| *from) {
        Ok(index) => VARIANTS[index].1,
        Err(_) => c,
    }
}

/// Variant kanji of names and old texts → the usual one, in order of the variant.
#[rustfmt::skip]
const VARIANTS: &[(char, char)] = &[
    ('乘', '乗'), ('亂', '乱'), ('亞', '亜'), ('佛', '仏'), ('來', '来'), ('倂', '併'), ('假', '仮'), ('傳', '伝'), ('價', '価'),
    ('冨', '富'), ('劍', '剣'), ('勞', '労'), ('區', '区'), ('單', '単'), ('嚴', '厳'), ('囘', '回'), ('國', '国'), ('圍', '囲'),
    ('圓', '円'), ('圖', '図'), ('團', '団'), ('埜', '野'), ('壽', '寿'), ('奧', '奥'), ('學', '学'), ('實', '実'), ('寬', '寛'),
    ('寳', '宝'), ('寶', '宝'), ('將', '将'), ('專', '専'), ('對', '対'), ('屆', '届'), ('峯', '峰'), ('嵜', '崎'), ('嶋', '島'),
    ('嶌', '島'), ('嶽', '岳'), ('巖', '巌'), ('帶', '帯'), ('廣', '広'), ('廳', '庁'), ('彈', '弾'), ('彌', '弥'), ('徑', '径'),
    ('從', '従'), ('德', '徳'), ('恆', '恒'), ('惠', '恵'), ('應', '応'), ('戰', '戦'), ('拂', '払'), ('擔', '担'), ('據', '拠'),
    ('攝', '摂'), ('收', '収'), ('效', '効'), ('敎', '教'), ('數', '数'), ('斷', '断'), ('晝', '昼'), ('曉', '暁'), ('曾', '曽'),
    ('會', '会'), ('桒', '桑'), ('條', '条'), ('槇', '槙'), ('樂', '楽'), ('樓', '楼'), ('樣', '様'), ('橫', '横'), ('檜', '桧'),
    ('檢', '検'), ('櫻', '桜'), ('權', '権'), ('歐', '欧'), ('歷', '歴'), ('歸', '帰'), ('氣', '気'), ('淨', '浄'), ('淸', '清'),
    ('渊', '淵'), ('渕', '淵'), ('溫', '温'), ('滿', '満'), ('澁', '渋'), ('澤', '沢'), ('濟', '済'), ('濱', '浜'), ('濵', '浜'),
    ('瀧', '滝'), ('瀨', '瀬'), ('灣', '湾'), ('燒', '焼'), ('營', '営'), ('爐', '炉'), ('爲', '為'), ('狀', '状'), ('狹', '狭'),
    ('獨', '独'), ('產', '産'), ('當', '当'), ('疊', '畳'), ('發', '発'), ('盡', '尽'), ('眞', '真'), ('硏', '研'), ('礦', '鉱'),
    ('礪', '砺'), ('祕', '秘'), ('禮', '礼'), ('稅', '税'), ('稻', '稲'), ('穗', '穂'), ('竝', '並'), ('篭', '籠'), ('粹', '粋'),
    ('經', '経'), ('綠', '緑'), ('緣', '縁'), ('縣', '県'), ('總', '総'), ('繩', '縄'), ('繪', '絵'), ('繼', '継'), ('續', '続'),
    ('聲', '声'), ('舊', '旧'), ('舍', '舎'), ('舘', '館'), ('舩', '船'), ('莊', '荘'), ('萬', '万'), ('葢', '蓋'), ('藏', '蔵'),
    ('藝', '芸'), ('藥', '薬'), ('處', '処'), ('號', '号'), ('衞', '衛'), ('裝', '装'), ('覺', '覚'), ('觀', '観'), ('譯', '訳'),
    ('讀', '読'), ('變', '変'), ('豐', '豊'), ('豫', '予'), ('賣', '売'), ('賴', '頼'), ('轉', '転'), ('辨', '弁'), ('辯', '弁'),
    ('邉', '辺'), ('邊', '辺'), ('郞', '郎'), ('鄕', '郷'), ('醫', '医'), ('釋', '釈'), ('鐵', '鉄'), ('關', '関'), ('險', '険'),
    ('雙', '双'), ('靑', '青'), ('靜', '静'), ('顯', '顕'), ('驗', '験'), ('驛', '駅'), ('髙', '高'), ('鬪', '闘'), ('鷄', '鶏'),
    ('鷗', '鴎'), ('鹽', '塩'), ('麥', '麦'), ('黃', '黄'), ('黑', '黒'), ('點', '点'), ('黨', '党'), ('齊', '斉'), ('齋', '斎'),
    ('齒', '歯'), ('齡', '齢'), ('龍', '竜'), ('\u{fa11}', '崎'), ('\u{20bb7}', '吉'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_in_order_and_reach_a_fixed_point() {
        assert!(VARIANTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(VARIANTS.iter().all(|(from, to)| from == to || variant(*to) == *to));
    }

    #[test]
    fn widths_cases_dashes_and_variants_become_one() {
        for (source, expected) in [
            ("ＡＥＤ設置", "aed設置"),
            ("ﾊﾞｽ", "バス"),
            ("ハ゛ス", "バス"),
            ("か\u{3099}", "が"),
            ("データ", "データ"),
            ("デ－タ", "データ"),
            ("デ−タ", "データ"),
            ("1−2", "1-2"),
            ("髙﨑舘邊廣", "高崎館辺広"),
            ("①㌔", "1キロ"),
            ("神\u{fa19}", "神神"),
        ] {
            assert_eq!(normalize(source), expected, "{source}");
        }
        assert_eq!(fold("ひなんじょ"), "ヒナンジョ");
        assert_eq!(fold("霞ヶ関つづき"), "霞ケ関ツズキ");
    }

    #[test]
    fn offsets_lead_back_to_the_source() {
        let source = "【ｶﾞｽ】ＡＥＤ㌔";
        let normalized = Normalized::of(source);
        assert_eq!(normalized.text, "【ガス】aedキロ");
        let at = normalized.text.find("ガス").unwrap();
        let (start, end) = normalized.source_range(at, at + "ガス".len());
        assert_eq!(&source[start..end], "ｶﾞｽ");
        let at = normalized.text.find('ロ').unwrap();
        let (start, end) = normalized.source_range(at, at + 3);
        assert_eq!(&source[start..end], "㌔");
    }

    proptest::proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(text in proptest::prop_oneof!["\\PC{0,24}", "[ｦ-ﾟがﾞ゛\u{3099}İǰ\u{300}-\u{330}A-Zー－−デ㌀-㍿﨎-﨩가-힣ㄱ-ㅎ]{0,12}"]) {
            let once = fold(&text);
            proptest::prop_assert_eq!(fold(&once), once.clone());
        }

        #[test]
        fn ranges_are_cut_at_character_borders(text in "\\PC{0,24}", a in 0usize..60, b in 0usize..60) {
            let normalized = Normalized::of(&text);
            let borders: Vec<usize> = normalized.text.char_indices().map(|(at, _)| at).chain([normalized.text.len()]).collect();
            let (a, b) = (borders[a % borders.len()], borders[b % borders.len()]);
            let (start, end) = normalized.source_range(a.min(b), a.max(b));
            proptest::prop_assert!(start <= end && text.get(start..end).is_some());
        }
    }
}
