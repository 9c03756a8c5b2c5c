//! Character encodings of Japanese files, decided from all the bytes given.

use std::io::{self, Cursor, Read, Seek};

use encoding_rs::{Decoder, EUC_JP, ISO_2022_JP, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};
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
    let (encoding, bom) = find_encoding(&mut Cursor::new(bytes)).expect("bytes in memory can be read");
    Decoded { had_bom: bom > 0, ..decode_as(&bytes[bom..], encoding) }
}

/// The encoding of all that `reader` has from its beginning, and how many bytes its byte order mark takes. A chunk is in memory, never the file.
pub(crate) fn find_encoding<R: Read + Seek>(reader: &mut R) -> io::Result<(Encoding, usize)> {
    reader.rewind()?;
    let mut head = Vec::new();
    reader.by_ref().take(3).read_to_end(&mut head)?;
    for (mark, encoding) in
        [(&b"\xEF\xBB\xBF"[..], Encoding::Utf8), (&b"\xFF\xFE"[..], Encoding::Utf16Le), (&b"\xFE\xFF"[..], Encoding::Utf16Be)]
    {
        if head.starts_with(mark) {
            return Ok((encoding, mark.len()));
        }
    }
    let seen = Survey::of(reader)?;
    if let Some(encoding) = seen.utf16()
        && tally(reader, encoding)?.replacements == 0
    {
        return Ok((encoding, 0));
    }
    if seen.is_ascii {
        let is_jis = seen.jis_escapes && tally(reader, Encoding::Iso2022Jp)?.replacements == 0;
        return Ok((if is_jis { Encoding::Iso2022Jp } else { Encoding::Utf8 }, 0));
    }
    // One broken character must not turn a whole UTF-8 file into mojibake, and other encodings hardly ever look like Japanese in UTF-8.
    if seen.utf8_invalid == 0 || seen.utf8_japanese > 4 * seen.utf8_invalid {
        return Ok((Encoding::Utf8, 0));
    }
    let (cp932, euc_jp) = (tally(reader, Encoding::Cp932)?.plausibility, tally(reader, Encoding::EucJp)?.plausibility);
    let is_euc_jp = match cp932.cmp(&euc_jp) {
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => {
            let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
            each_chunk(reader, |chunk, last| {
                detector.feed(chunk, last);
            })?;
            detector.guess(Some(b"jp"), chardetng::Utf8Detection::Deny) == EUC_JP
        }
    };
    Ok((if is_euc_jp { Encoding::EucJp } else { Encoding::Cp932 }, 0))
}

/// Bytes looked at in one go.
const CHUNK_BYTES: usize = 64 * 1024;

/// Gives everything to `f`, in chunks from the beginning; the last, which may be empty, says so.
fn each_chunk<R: Read + Seek>(reader: &mut R, mut f: impl FnMut(&[u8], bool)) -> io::Result<()> {
    reader.rewind()?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    loop {
        chunk.clear();
        reader.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        let last = chunk.len() < CHUNK_BYTES;
        f(&chunk, last);
        if last {
            return Ok(());
        }
    }
}

/// What can be said of bytes before any encoding is tried.
#[derive(Debug, Default)]
struct Survey {
    byte_size: usize,
    is_ascii: bool,
    /// Zero bytes at even and at odd places.
    zeros: [usize; 2],
    /// An escape to two-byte characters (`ESC $ @`, `ESC $ B`) or to half-width kana (`ESC ( I`).
    jis_escapes: bool,
    /// Places that are no UTF-8, and Japanese characters where it is.
    utf8_invalid: usize,
    utf8_japanese: usize,
}

impl Survey {
    fn of<R: Read + Seek>(reader: &mut R) -> io::Result<Survey> {
        let mut seen = Survey { is_ascii: true, ..Survey::default() };
        let mut escape = [0; 2];
        let mut pending = Vec::new();
        each_chunk(reader, |chunk, last| {
            seen.is_ascii &= chunk.is_ascii();
            for (index, byte) in chunk.iter().enumerate() {
                if *byte == 0 {
                    seen.zeros[(seen.byte_size + index) % 2] += 1;
                }
                seen.jis_escapes |= matches!([escape[0], escape[1], *byte], [0x1B, b'$', b'@' | b'B'] | [0x1B, b'(', b'I' | b'J']);
                escape = [escape[1], *byte];
            }
            seen.byte_size += chunk.len();
            pending.extend_from_slice(chunk);
            let end = if last { pending.len() } else { pending.len() - unfinished(&pending) };
            for part in pending[..end].utf8_chunks() {
                seen.utf8_invalid += usize::from(!part.invalid().is_empty());
                seen.utf8_japanese += part.valid().chars().filter(|c| is_japanese(*c)).count();
            }
            pending.drain(..end);
        })?;
        Ok(seen)
    }

    /// ASCII characters, of which every table has some, leave every other byte zero. So do `一` and the ideographic space on the other side, but
    /// seldom.
    fn utf16(&self) -> Option<Encoding> {
        let [even, odd] = self.zeros;
        let enough = (self.byte_size / 2).div_ceil(20).max(1);
        if odd >= enough && odd > even * 3 {
            Some(Encoding::Utf16Le)
        } else if even >= enough && even > odd * 3 {
            Some(Encoding::Utf16Be)
        } else {
            None
        }
    }
}

/// How many bytes at the end begin a character of UTF-8 that is not there in full.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let length = match bytes[bytes.len() - back] {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        return if length > back { back } else { 0 };
    }
    0
}

/// How well bytes read in an encoding.
#[derive(Debug, Default)]
struct Tally {
    replacements: usize,
    plausibility: i64,
}

fn tally<R: Read + Seek>(reader: &mut R, encoding: Encoding) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut decoder = decoder(encoding);
    let mut text = String::new();
    each_chunk(reader, |chunk, last| {
        text.clear();
        text.reserve(decoder.max_utf8_buffer_length(chunk.len()).unwrap_or(0));
        let _ = decoder.decode_to_string(chunk, &mut text, last);
        tally.replacements += text.matches('\u{FFFD}').count();
        tally.plausibility += plausibility(&text);
    })?;
    Ok(tally)
}

fn decoder(encoding: Encoding) -> Decoder {
    let rules = match encoding {
        Encoding::Utf8 => UTF_8,
        Encoding::Cp932 => SHIFT_JIS,
        Encoding::EucJp => EUC_JP,
        Encoding::Utf16Le => UTF_16LE,
        Encoding::Utf16Be => UTF_16BE,
        Encoding::Iso2022Jp => ISO_2022_JP,
    };
    rules.new_decoder_without_bom_handling()
}

/// Text in whatever encoding, read as UTF-8; what cannot be read is U+FFFD. A byte order mark must be passed over before.
pub(crate) struct DecodingReader<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    text: String,
    /// How much of `text` was given away.
    given: usize,
    ended: bool,
}

impl<R: Read> DecodingReader<R> {
    pub(crate) fn new(inner: R, encoding: Encoding) -> Self {
        DecodingReader { inner, decoder: decoder(encoding), raw: Vec::new(), text: String::new(), given: 0, ended: false }
    }

    fn read_more(&mut self) -> io::Result<()> {
        self.raw.clear();
        self.inner.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut self.raw)?;
        self.ended = self.raw.len() < CHUNK_BYTES;
        self.text.clear();
        self.given = 0;
        self.text.reserve(self.decoder.max_utf8_buffer_length(self.raw.len()).unwrap_or(0));
        let _ = self.decoder.decode_to_string(&self.raw, &mut self.text, self.ended);
        Ok(())
    }
}

impl<R: Read> Read for DecodingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.read_more()?;
        }
        let rest = &self.text.as_bytes()[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

fn decode_utf8(bytes: &[u8]) -> Decoded {
    let replacement_count = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    let text = String::from_utf8_lossy(bytes).into_owned();
    Decoded { text, encoding: Encoding::Utf8, had_bom: false, replacement_count }
}

fn decode_as(bytes: &[u8], encoding: Encoding) -> Decoded {
    if encoding == Encoding::Utf8 {
        return decode_utf8(bytes);
    }
    let mut decoder = decoder(encoding);
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0));
    let _ = decoder.decode_to_string(bytes, &mut text, true);
    text.shrink_to_fit();
    let replacement_count = text.matches('\u{FFFD}').count();
    Decoded { text, encoding, had_bom: false, replacement_count }
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

    /// As many bytes as take several chunks, cut within characters.
    fn long(text: &str) -> String {
        format!("x{}", text.repeat(4 * CHUNK_BYTES / text.len()))
    }

    #[test]
    fn what_is_read_in_chunks_is_what_is_read_at_once() {
        let text = long(TEXT);
        let plain = text.replace(['﨑', '①'], "崎");
        for (bytes, encoding) in [
            (text.clone().into_bytes(), Encoding::Utf8),
            (SHIFT_JIS.encode(&text).0.into_owned(), Encoding::Cp932),
            (EUC_JP.encode(&plain).0.into_owned(), Encoding::EucJp),
            (ISO_2022_JP.encode(&plain).0.into_owned(), Encoding::Iso2022Jp),
            (utf16(&text, u16::to_le_bytes), Encoding::Utf16Le),
            (utf16(&text, u16::to_be_bytes), Encoding::Utf16Be),
        ] {
            assert_eq!(find_encoding(&mut Cursor::new(&bytes)).unwrap(), (encoding, 0));
            let mut read = String::new();
            DecodingReader::new(bytes.as_slice(), encoding).read_to_string(&mut read).unwrap();
            assert!(read == decode(&bytes).text, "{encoding:?}");
        }
    }

    #[test]
    fn a_broken_character_between_chunks_is_one() {
        for bytes in [&b"\xE9\x81"[..], b"\xE9", b"\xF0\x9F\x8F", b"\x80", b"\xFF"] {
            let text = [long("避難所").as_bytes()[..CHUNK_BYTES - 1].to_vec(), bytes.to_vec(), b"a,b".to_vec()].concat();
            let mut read = String::new();
            DecodingReader::new(text.as_slice(), Encoding::Utf8).read_to_string(&mut read).unwrap();
            assert!(read == decode(&text).text, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_text(bytes in any::<Vec<u8>>()) {
            let decoded = decode(&bytes);
            let (encoding, bom) = find_encoding(&mut Cursor::new(&bytes)).unwrap();
            let mut read = String::new();
            DecodingReader::new(&bytes[bom..], encoding).read_to_string(&mut read).unwrap();
            prop_assert_eq!((read, encoding), (decoded.text, decoded.encoding));
        }

        #[test]
        fn an_unfinished_character_is_found(text in "[a-zéあ🏠]{1,8}", cut in 0..4_usize) {
            let bytes = text.as_bytes();
            let bytes = &bytes[..bytes.len().saturating_sub(cut)];
            let whole = match std::str::from_utf8(bytes) {
                Ok(_) => bytes.len(),
                Err(error) => error.valid_up_to(),
            };
            prop_assert_eq!(bytes.len() - unfinished(bytes), whole);
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
