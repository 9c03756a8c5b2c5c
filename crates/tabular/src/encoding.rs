//! Character encodings of Japanese files, decided from all the bytes given.

use encoding_rs::{EUC_JP, ISO_2022_JP, SHIFT_JIS, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Encodings in which Japanese public bodies publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Encoding {
    /// UTF-8, with or without byte order mark; ASCII too.
    #[serde(rename = "UTF-8")]
    Utf8,
    /// Shift_JIS as Windows writes it (Windows-31J).
    #[serde(rename = "CP932")]
    Cp932,
    /// EUC-JP.
    #[serde(rename = "EUC-JP")]
    EucJp,
    /// UTF-16, least significant byte first: Excel's "Unicode text".
    #[serde(rename = "UTF-16LE")]
    Utf16Le,
    /// UTF-16, most significant byte first.
    #[serde(rename = "UTF-16BE")]
    Utf16Be,
    /// ISO-2022-JP, also called JIS.
    #[serde(rename = "ISO-2022-JP")]
    Iso2022Jp,
}

impl Encoding {
    /// As shown and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Cp932 => "CP932",
            Encoding::EucJp => "EUC-JP",
            Encoding::Utf16Le => "UTF-16LE",
            Encoding::Utf16Be => "UTF-16BE",
            Encoding::Iso2022Jp => "ISO-2022-JP",
        }
    }

    /// The name for a `charset` parameter.
    pub fn charset(self) -> &'static str {
        match self {
            Encoding::Cp932 => "Shift_JIS",
            Encoding::Utf16Le | Encoding::Utf16Be => "UTF-16",
            other => other.as_str(),
        }
    }
}

/// Bytes as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text, without byte order mark; what could not be read is U+FFFD.
    pub text: String,
    /// How it was written.
    pub encoding: Encoding,
    /// Whether a byte order mark stood before it.
    pub had_bom: bool,
    /// How many times something could not be read.
    pub replacement_count: usize,
}

/// Decides the encoding from all of `bytes`, and reads them. Never fails: at worst the text is full of U+FFFD.
pub fn decode(bytes: &[u8]) -> Decoded {
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return Decoded { had_bom: true, ..decode_utf8(rest) };
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE") {
        return Decoded { had_bom: true, ..decode_as(rest, Encoding::Utf16Le) };
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
        return Decoded { had_bom: true, ..decode_as(rest, Encoding::Utf16Be) };
    }
    if let Some(encoding) = utf16_without_bom(bytes) {
        return decode_as(bytes, encoding);
    }
    if bytes.is_ascii() {
        let jis = decode_as(bytes, Encoding::Iso2022Jp);
        return if has_jis_escape(bytes) && jis.replacement_count == 0 { jis } else { decode_utf8(bytes) };
    }
    let utf8 = decode_utf8(bytes);
    // One broken character must not turn a whole UTF-8 file into mojibake, and other encodings hardly ever look like Japanese in UTF-8.
    if utf8.replacement_count == 0 || utf8.text.chars().filter(|c| is_japanese(*c)).count() > 4 * utf8.replacement_count {
        return utf8;
    }
    let cp932 = decode_as(bytes, Encoding::Cp932);
    let euc_jp = decode_as(bytes, Encoding::EucJp);
    let (cp932_score, euc_jp_score) = (plausibility(&cp932.text), plausibility(&euc_jp.text));
    match cp932_score.cmp(&euc_jp_score) {
        std::cmp::Ordering::Greater => cp932,
        std::cmp::Ordering::Less => euc_jp,
        std::cmp::Ordering::Equal => {
            let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
            detector.feed(bytes, true);
            if detector.guess(Some(b"jp"), chardetng::Utf8Detection::Deny) == EUC_JP { euc_jp } else { cp932 }
        }
    }
}

fn decode_utf8(bytes: &[u8]) -> Decoded {
    let replacement_count = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    let text = String::from_utf8_lossy(bytes).into_owned();
    Decoded { text, encoding: Encoding::Utf8, had_bom: false, replacement_count }
}

fn decode_as(bytes: &[u8], encoding: Encoding) -> Decoded {
    let decoder = match encoding {
        Encoding::Utf8 => return decode_utf8(bytes),
        Encoding::Cp932 => SHIFT_JIS,
        Encoding::EucJp => EUC_JP,
        Encoding::Utf16Le => UTF_16LE,
        Encoding::Utf16Be => UTF_16BE,
        Encoding::Iso2022Jp => ISO_2022_JP,
    };
    let text = decoder.decode_without_bom_handling(bytes).0.into_owned();
    let replacement_count = text.matches('\u{FFFD}').count();
    Decoded { text, encoding, had_bom: false, replacement_count }
}

/// ASCII characters, of which every table has some, leave every other byte zero. So do `一` and the ideographic space on the other side, but seldom.
fn utf16_without_bom(bytes: &[u8]) -> Option<Encoding> {
    let zeros = |start: usize| bytes.iter().skip(start).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let enough = (bytes.len() / 2).div_ceil(20).max(1);
    let encoding = if odd >= enough && odd > even * 3 {
        Encoding::Utf16Le
    } else if even >= enough && even > odd * 3 {
        Encoding::Utf16Be
    } else {
        return None;
    };
    (decode_as(bytes, encoding).replacement_count == 0).then_some(encoding)
}

/// An escape to two-byte characters (`ESC $ @`, `ESC $ B`) or to half-width kana (`ESC ( I`).
fn has_jis_escape(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|window| matches!(window, b"\x1B$@" | b"\x1B$B" | b"\x1B(I" | b"\x1B(J"))
}

fn is_japanese(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF01}'..='\u{FF9F}')
}

/// How much a text looks like Japanese. EUC-JP read as CP932 turns into half-width kana; CP932 read as EUC-JP cannot be read.
fn plausibility(text: &str) -> i64 {
    text.chars()
        .map(|c| match c {
            '\u{FFFD}' => -20,
            '\u{E000}'..='\u{F8FF}' => -5,
            '\u{FF61}'..='\u{FF9F}' => -1,
            '\u{3041}'..='\u{30FF}' => 3,
            c if is_japanese(c) => 1,
            '\u{80}'..='\u{9F}' => -5,
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "施設名,所在地,電話番号\r\n中央公民館,呉市中央一丁目２番３号,0823-00-0000\r\nやすらぎの里（本館）,﨑山町①,\r\n";

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn check(bytes: &[u8], encoding: Encoding, text: &str) {
        let decoded = decode(bytes);
        assert_eq!((decoded.encoding, decoded.text.as_str(), decoded.replacement_count), (encoding, text, 0));
    }

    #[test]
    fn every_encoding_is_recognized() {
        check(TEXT.as_bytes(), Encoding::Utf8, TEXT);
        check(&SHIFT_JIS.encode(TEXT).0, Encoding::Cp932, TEXT);
        let plain = TEXT.replace(['﨑', '①'], "崎");
        check(&EUC_JP.encode(&plain).0, Encoding::EucJp, &plain);
        check(&ISO_2022_JP.encode(&plain).0, Encoding::Iso2022Jp, &plain);
        check(&utf16(TEXT, u16::to_le_bytes), Encoding::Utf16Le, TEXT);
        check(&utf16(TEXT, u16::to_be_bytes), Encoding::Utf16Be, TEXT);
        check(b"a,b\n1,2\n", Encoding::Utf8, "a,b\n1,2\n");
        check(b"", Encoding::Utf8, "");
    }

    #[test]
    fn byte_order_marks_are_taken_off() {
        for (bytes, encoding) in [
            ([b"\xEF\xBB\xBF", TEXT.as_bytes()].concat(), Encoding::Utf8),
            ([b"\xFF\xFE".to_vec(), utf16(TEXT, u16::to_le_bytes)].concat(), Encoding::Utf16Le),
            ([b"\xFE\xFF".to_vec(), utf16(TEXT, u16::to_be_bytes)].concat(), Encoding::Utf16Be),
        ] {
            let decoded = decode(&bytes);
            assert!(decoded.had_bom);
            assert_eq!((decoded.encoding, decoded.text.as_str()), (encoding, TEXT));
        }
        assert!(!decode(TEXT.as_bytes()).had_bom);
    }

    #[test]
    fn the_last_lines_decide_as_much_as_the_first() {
        let ascii = "code,name\n".repeat(20_000);
        let text = format!("{ascii}34100,広島市中区基町\n");
        check(&SHIFT_JIS.encode(&text).0, Encoding::Cp932, &text);
        check(text.as_bytes(), Encoding::Utf8, &text);
    }

    #[test]
    fn half_width_kana_stay_cp932() {
        let text = "氏名カナ,住所\nﾔﾏﾀﾞ ﾀﾛｳ,ﾋﾛｼﾏｼ ﾅｶｸ\nｽｽﾞｷ,ｸﾚｼ\n広島太郎,東広島市\n";
        check(&SHIFT_JIS.encode(text).0, Encoding::Cp932, text);
    }

    #[test]
    fn one_broken_character_does_not_change_the_encoding() {
        let mut utf8 = TEXT.repeat(5).into_bytes();
        utf8[0] = 0xFF;
        let decoded = decode(&utf8);
        assert_eq!(decoded.encoding, Encoding::Utf8);
        assert!(decoded.replacement_count >= 1 && decoded.text.contains("中央公民館"));

        let mut cp932 = SHIFT_JIS.encode(&TEXT.repeat(5)).0.into_owned();
        cp932.push(0x81);
        let decoded = decode(&cp932);
        assert_eq!((decoded.encoding, decoded.replacement_count), (Encoding::Cp932, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_text(bytes in any::<Vec<u8>>()) {
            decode(&bytes);
        }

        #[test]
        fn japanese_survives_each_encoding(text in "([ぁ-んァ-ヶ一-龠]{2,12}[,\n]){6,20}") {
            prop_assert_eq!(&decode(text.as_bytes()).text, &text);
            let (cp932, _, unmappable) = SHIFT_JIS.encode(&text);
            if !unmappable {
                prop_assert_eq!(&decode(&cp932).text, &text);
            }
            let (euc_jp, _, unmappable) = EUC_JP.encode(&text);
            if !unmappable {
                prop_assert_eq!(&decode(&euc_jp).text, &text);
            }
        }
    }
}
