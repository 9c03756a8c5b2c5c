//! Text files of unknown encoding, decided from the whole file and rewritten as UTF-8 piece by piece.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};
use minato_catalog::Text;

/// A file rewritten as UTF-8 without byte order mark.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The text, at its beginning.
    pub(crate) file: File,
    /// It ends within a character, which was left out.
    pub(crate) truncated: bool,
    /// Characters that could not be read.
    pub(crate) notice: Option<Text>,
}

/// Bytes taken at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Decodes a file into a new temporary one. Whatever is no text comes out as replacement characters.
pub(crate) fn decode(mut file: File) -> io::Result<Decoded> {
    let (encoding, start) = encoding_of(&mut file)?;
    file.seek(SeekFrom::Start(start))?;
    let mut written = Counted { writer: BufWriter::new(tempfile::tempfile()?), length: 0, lost: 0, ends_lost: false };
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = vec![0; PIECE_BYTES * 3 + 16];
    let mut pieces = Pieces::new(&mut file);
    loop {
        let piece = pieces.next()?;
        let is_last = piece.is_empty();
        let mut rest = piece;
        loop {
            let (result, read, length, _) = decoder.decode_to_utf8(rest, &mut text, is_last);
            written.write(&text[..length])?;
            rest = &rest[read..];
            if result == encoding_rs::CoderResult::InputEmpty {
                break;
            }
        }
        if is_last {
            break;
        }
    }
    let truncated = written.lost == 1 && written.ends_lost;
    let mut file = written.writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    if truncated {
        file.set_len(written.length - REPLACEMENT.len() as u64)?;
    }
    file.rewind()?;
    let (lost, name) = (written.lost, encoding.name());
    let notice = (lost > 0 && !truncated).then(|| {
        Text::new(
            format!("文字コード（{name}）として読めない文字が {lost} か所あります。UTF-8 で保存し直してください。"),
            format!("{lost} characters could not be read as {name}; save the file as UTF-8"),
        )
    });
    Ok(Decoded { file, truncated, notice })
}

/// A page or document in memory as text, by the same rules; what is no text becomes replacement characters.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    // Reading from memory does not fail.
    let (encoding, start) = encoding_of(&mut io::Cursor::new(bytes)).unwrap_or((UTF_8, 0));
    let start = usize::try_from(start).unwrap_or_default();
    encoding.decode_without_bom_handling(bytes.get(start..).unwrap_or_default()).0.into_owned()
}

/// Whether a file is in UTF-8, apart from accidents: another encoding leaves hardly a character beyond ASCII whole, and is itself without faults.
pub(crate) fn is_utf8(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut start = Vec::new();
    file.rewind()?;
    file.by_ref().take(3).read_to_end(&mut start)?;
    if Encoding::for_bom(&start).is_some_and(|(encoding, _)| encoding != UTF_8) {
        return Ok(false);
    }
    let mut trial = |encoding| {
        file.rewind()?;
        let mut trial = Trial::new(encoding);
        let mut pieces = Pieces::new(&mut *file);
        loop {
            let piece = pieces.next()?;
            let is_last = piece.is_empty();
            trial.feed(piece, is_last);
            if is_last {
                return Ok::<_, io::Error>(trial);
            }
        }
    };
    let utf8 = trial(UTF_8)?;
    // A single one is an accident wherever it is.
    if utf8.lost < 2 || utf8.beyond_ascii >= utf8.lost {
        return Ok(true);
    }
    let is_without_faults = |trial: Trial| trial.lost == usize::from(trial.ends_lost);
    Ok(!is_without_faults(trial(SHIFT_JIS)?) && !is_without_faults(trial(EUC_JP)?))
}

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// What was written, and how much of it could not be read. Pieces end between characters.
struct Counted {
    writer: BufWriter<File>,
    length: u64,
    lost: usize,
    ends_lost: bool,
}

impl Counted {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.length += text.len() as u64;
        self.lost += text.windows(REPLACEMENT.len()).filter(|window| *window == REPLACEMENT).count();
        self.ends_lost = text.ends_with(REPLACEMENT);
        self.writer.write_all(text)
    }
}

/// A file in pieces; an empty one is its end.
struct Pieces<'f, F> {
    file: &'f mut F,
    buffer: Vec<u8>,
}

impl<'f, F: Read> Pieces<'f, F> {
    fn new(file: &'f mut F) -> Self {
        Pieces { file, buffer: vec![0; PIECE_BYTES] }
    }

    fn next(&mut self) -> io::Result<&[u8]> {
        let length = self.file.read(&mut self.buffer)?;
        Ok(&self.buffer[..length])
    }
}

/// The encoding, and where the text begins behind a byte order mark.
fn encoding_of(file: &mut (impl Read + Seek)) -> io::Result<(&'static Encoding, u64)> {
    file.rewind()?;
    let mut start = Vec::new();
    file.by_ref().take(4096).read_to_end(&mut start)?;
    if let Some((encoding, length)) = Encoding::for_bom(&start)
        && encoding != UTF_8
    {
        return Ok((encoding, length as u64));
    }
    let mark = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    if let Some(encoding) = utf16_without_mark(&start) {
        return Ok((encoding, 0));
    }
    file.seek(SeekFrom::Start(mark))?;
    let mut utf8 = Trial::new(UTF_8);
    let mut shift_jis = Trial::new(SHIFT_JIS);
    let mut euc_jp = Trial::new(EUC_JP);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let (mut is_ascii, mut has_escapes) = (true, false);
    let mut last = [0; 2];
    let mut pieces = Pieces::new(file);
    loop {
        let piece = pieces.next()?;
        let is_last = piece.is_empty();
        for &byte in piece {
            is_ascii &= byte.is_ascii();
            has_escapes |= matches!([last[0], last[1], byte], [0x1b, b'$', b'B' | b'@'] | [0x1b, b'(', b'J' | b'I']);
            last = [last[1], byte];
        }
        for trial in [&mut utf8, &mut shift_jis, &mut euc_jp] {
            trial.feed(piece, is_last);
        }
        detector.feed(piece, is_last);
        if is_last {
            break;
        }
    }
    let encoding = if is_ascii {
        if has_escapes { ISO_2022_JP } else { UTF_8 }
    // One broken character must not garble a whole file, and other encodings hardly ever look like Japanese in UTF-8.
    } else if utf8.lost == 0 || utf8.japanese > 4 * utf8.lost || (utf8.lost == 1 && utf8.ends_lost && utf8.japanese > 0) {
        UTF_8
    } else {
        // A file that was cut off within a character has no other fault.
        let is_whole = |trial: &Trial| trial.lost == usize::from(trial.ends_lost);
        match (is_whole(&shift_jis), is_whole(&euc_jp)) {
            (false, true) => EUC_JP,
            (true, false) => SHIFT_JIS,
            // CP932 unless it is much rather EUC-JP.
            _ if detector.guess(Some(b"jp"), Utf8Detection::Deny) == EUC_JP => EUC_JP,
            _ => SHIFT_JIS,
        }
    };
    Ok((encoding, mark))
}

/// A file read as if it were in some encoding.
struct Trial {
    decoder: encoding_rs::Decoder,
    text: Vec<u8>,
    lost: usize,
    ends_lost: bool,
    japanese: usize,
    beyond_ascii: usize,
}

impl Trial {
    fn new(encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_without_bom_handling();
        Trial { decoder, text: vec![0; PIECE_BYTES * 3 + 16], lost: 0, ends_lost: false, japanese: 0, beyond_ascii: 0 }
    }

    fn feed(&mut self, piece: &[u8], is_last: bool) {
        let mut rest = piece;
        loop {
            let (result, read, length) = self.decoder.decode_to_utf8_without_replacement(rest, &mut self.text, is_last);
            // Of Japanese text in UTF-8, all but rare characters are three bytes that begin so.
            self.japanese += self.text[..length].iter().filter(|byte| matches!(byte, 0xe3..=0xe9 | 0xef)).count();
            self.beyond_ascii += self.text[..length].iter().filter(|byte| **byte >= 0xc0).count();
            self.ends_lost = self.ends_lost && read == 0 && length == 0;
            rest = &rest[read..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    self.lost += 1;
                    self.ends_lost = rest.is_empty();
                }
            }
        }
    }
}

fn utf16_without_mark(sample: &[u8]) -> Option<&'static Encoding> {
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // Commas, digits and line ends make many zero bytes, all on one side.
    match (even * 20 > sample.len(), odd * 20 > sample.len()) {
        (true, false) => Some(UTF_16BE),
        (false, true) => Some(UTF_16LE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "データセット_タイトル,№,概要\n避難所一覧～①,１,髙橋\n";

    fn check(bytes: &[u8]) -> (String, bool, bool) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut decoded = decode(file).unwrap();
        let mut text = String::new();
        decoded.file.read_to_string(&mut text).unwrap();
        (text, decoded.truncated, decoded.notice.is_some())
    }

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
            assert_eq!(check(&bytes), (text.to_owned(), false, false), "{name}");
        }
    }

    #[test]
    fn japanese_after_a_long_ascii_part_is_seen() {
        let text = format!("{}避難所", "a,b,c\n".repeat(100_000));
        assert_eq!(check(&SHIFT_JIS.encode(&text).0).0, text);
    }

    #[test]
    fn characters_between_pieces_stay_whole() {
        for shift in 0..4 {
            let text = format!("{}{}", "a".repeat(shift), "避難所一覧".repeat(PIECE_BYTES / 5));
            assert_eq!(check(text.as_bytes()), (text.clone(), false, false), "{shift}");
            assert_eq!(check(&SHIFT_JIS.encode(&text).0), (text.clone(), false, false), "{shift}");
            assert_eq!(check(&ISO_2022_JP.encode(&text).0), (text.clone(), false, false), "{shift}");
        }
    }

    #[test]
    fn one_broken_character_does_not_change_the_encoding() {
        let mut utf8 = TEXT.as_bytes().to_vec();
        utf8.insert(0, 0xff);
        assert_eq!(check(&utf8), (format!("\u{fffd}{TEXT}"), false, true));
        let mut cp932 = SHIFT_JIS.encode(TEXT).0.into_owned();
        cp932.insert(0, 0xff);
        assert_eq!(check(&cp932), (format!("\u{fffd}{TEXT}"), false, true));
    }

    #[test]
    fn accidents_are_told_from_another_encoding() {
        let is_utf8 = |bytes: &[u8]| is_utf8(&mut io::Cursor::new(bytes)).unwrap();
        assert!(is_utf8(b"") && is_utf8(TEXT.as_bytes()) && is_utf8(b"caf\xe9 au lait") && is_utf8(b"\xff and \xff"));
        assert!(is_utf8(&[TEXT.as_bytes(), b"\x83f\x81[\x83^"].concat()));
        assert!(!is_utf8(b"\x83f\x81[\x83^") && !is_utf8(b"\xff\xfe1\0"));
        for encoding in [SHIFT_JIS, EUC_JP] {
            assert!(!is_utf8(&encoding.encode("避難所一覧").0), "{}", encoding.name());
        }
    }

    #[test]
    fn a_cut_character_is_told_from_another_encoding() {
        let whole = "避難所".as_bytes();
        assert_eq!(check(&whole[..whole.len() - 1]), ("避難".to_owned(), true, false));
        let cp932 = SHIFT_JIS.encode("ひなん所,避").0.into_owned();
        assert!(check(&cp932[..cp932.len() - 1]).1);
        let text = "データセット_タイトル,概要\n避難所一覧,市内の避難所\n".repeat(20) + "人口";
        let euc_jp = EUC_JP.encode(&text).0.into_owned();
        assert_eq!(check(&euc_jp[..euc_jp.len() - 1]), (text.trim_end_matches('口').to_owned(), true, false));
    }

    #[test]
    fn nothing_is_an_empty_text() {
        assert_eq!(check(b""), (String::new(), false, false));
        assert_eq!(check(b"\xef\xbb\xbf"), (String::new(), false, false));
    }
}
