//! Text files of unknown encoding, decided from the whole file.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS, UTF_16BE, UTF_16LE};
use minato_catalog::Text;

/// A decoded file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    /// It ends within a character.
    pub(crate) truncated: bool,
    /// Characters that could not be read.
    pub(crate) notice: Option<Text>,
}

/// Decodes a file; fails on spreadsheets and the like, which are no text.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, Text> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(Text::new(
            "Excel ファイル（または ZIP）です。CSV（UTF-8）形式で保存したファイルの URL を指定してください。",
            "the file is an Excel workbook or ZIP; save it as CSV (UTF-8) and give the address of that",
        ));
    }
    if bytes.starts_with(b"%PDF") {
        return Err(Text::new(
            "PDF ファイルです。CSV ファイルの URL を指定してください。",
            "the file is a PDF; give the address of a CSV file",
        ));
    }
    if let Some((encoding, length)) = Encoding::for_bom(bytes)
        && encoding != encoding_rs::UTF_8
    {
        return Ok(legacy(&bytes[length..], encoding));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(encoding) = utf16_without_mark(bytes) {
        return Ok(legacy(bytes, encoding));
    }
    match std::str::from_utf8(bytes) {
        Ok(_) if bytes.windows(3).any(|escape| matches!(escape, b"\x1b$B" | b"\x1b$@" | b"\x1b(J")) => Ok(legacy(bytes, ISO_2022_JP)),
        Ok(text) => Ok(Decoded { text: text.to_owned(), truncated: false, notice: None }),
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 && !bytes[..error.valid_up_to()].is_ascii() => {
            let text = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            Ok(Decoded { text, truncated: true, notice: None })
        }
        Err(_) => Ok(legacy(bytes, japanese(bytes))),
    }
}

/// CP932 unless the file is not that, or much rather EUC-JP.
fn japanese(bytes: &[u8]) -> &'static Encoding {
    let fits = |encoding: &'static Encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes).is_some();
    match (fits(SHIFT_JIS), fits(EUC_JP)) {
        (false, true) => EUC_JP,
        (true, false) => SHIFT_JIS,
        _ => {
            let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
            detector.feed(bytes, true);
            let guess = detector.guess(Some(b"jp"), Utf8Detection::Deny);
            if guess == EUC_JP { EUC_JP } else { SHIFT_JIS }
        }
    }
}

fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(4096)];
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // Commas, digits and line ends make many zero bytes, all on one side.
    match (even * 20 > sample.len(), odd * 20 > sample.len()) {
        (true, false) => Some(UTF_16BE),
        (false, true) => Some(UTF_16LE),
        _ => None,
    }
}

fn legacy(bytes: &[u8], encoding: &'static Encoding) -> Decoded {
    let (text, had_errors) = encoding.decode_without_bom_handling(bytes);
    let mut text = text.into_owned();
    if !had_errors {
        return Decoded { text, truncated: false, notice: None };
    }
    let lost = text.matches('\u{fffd}').count();
    let truncated = lost == 1 && text.ends_with('\u{fffd}');
    if truncated {
        text.pop();
        return Decoded { text, truncated, notice: None };
    }
    let notice = Text::new(
        format!("文字コード（{}）として読めない文字が {lost} か所あります。UTF-8 で保存し直してください。", encoding.name()),
        format!("{lost} characters could not be read as {}; save the file as UTF-8", encoding.name()),
    );
    Decoded { text, truncated: false, notice: Some(notice) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "データセット_タイトル,№,概要\n避難所一覧～①,１,髙橋\n";

    #[test]
    fn every_japanese_encoding_is_read() {
        let utf16 = |to_bytes: fn(u16) -> [u8; 2]| TEXT.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>();
        let plain = TEXT.replace(['①', '髙', '№', '～'], "x");
        let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
        for (name, bytes, text) in [
            ("UTF-8", TEXT.as_bytes().to_vec(), TEXT),
            ("UTF-8 with BOM", marked(b"\xef\xbb\xbf", TEXT.as_bytes().to_vec()), TEXT),
            ("CP932", SHIFT_JIS.encode(TEXT).0.into_owned(), TEXT),
            ("EUC-JP", EUC_JP.encode(&plain).0.into_owned(), plain.as_str()),
            ("ISO-2022-JP", ISO_2022_JP.encode(&plain).0.into_owned(), plain.as_str()),
            ("UTF-16LE with BOM", marked(b"\xff\xfe", utf16(u16::to_le_bytes)), TEXT),
            ("UTF-16BE with BOM", marked(b"\xfe\xff", utf16(u16::to_be_bytes)), TEXT),
            ("UTF-16LE", utf16(u16::to_le_bytes), TEXT),
        ] {
            let decoded = decode(&bytes).unwrap();
            assert_eq!((decoded.text.as_str(), decoded.truncated, decoded.notice), (text, false, None), "{name}");
        }
    }

    #[test]
    fn japanese_after_a_long_ascii_part_is_seen() {
        let text = format!("{}避難所", "a,b,c\n".repeat(100_000));
        assert_eq!(decode(&SHIFT_JIS.encode(&text).0).unwrap().text, text);
    }

    #[test]
    fn a_cut_character_is_told_from_another_encoding() {
        let whole = "避難所".as_bytes();
        assert_eq!(decode(&whole[..whole.len() - 1]).unwrap(), Decoded { text: "避難".to_owned(), truncated: true, notice: None });
        let cp932 = SHIFT_JIS.encode("ひなん所,避").0.into_owned();
        let cut = decode(&cp932[..cp932.len() - 1]).unwrap();
        assert!(cut.truncated, "{cut:?}");
    }

    #[test]
    fn workbooks_are_no_text() {
        assert!(decode(b"PK\x03\x04....").unwrap_err().ja.contains("Excel"));
    }
}
