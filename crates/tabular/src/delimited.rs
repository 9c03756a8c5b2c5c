//! CSV, TSV and their relatives.

use std::io::{Read, Seek, SeekFrom};

use minato_catalog::Text;

use crate::convert::{Cell, Rows};
use crate::encoding::{DecodingReader, find_encoding};
use crate::preview::FileName;
use crate::table::{Records, Source, is_blank, table};
use crate::{Decoded, Encoding, Error, Limits, Preview, TableFormat, decode};

/// More line breaks than this in one cell mean a quote that was never closed.
const CELL_LINES_MAX: usize = 200;

pub(crate) fn preview_delimited<R: Read>(reader: R, byte_size: u64, file: &FileName<'_>, limits: Limits) -> Result<Preview, Error> {
    let mut bytes = Vec::new();
    reader.take(limits.bytes).read_to_end(&mut bytes)?;
    let partial = byte_size > bytes.len() as u64;
    let decoded = if partial { decode_beginning(&mut bytes) } else { decode(&bytes) };
    let delimiter = find_delimiter(&decoded.text, if file.is_tsv() { b'\t' } else { b',' });
    let mut records = read(&decoded.text, delimiter, true, partial, limits);
    let unclosed = records.first.iter().flatten().any(|cell| cell.matches('\n').count() > CELL_LINES_MAX);
    if unclosed {
        records = read(&decoded.text, delimiter, false, partial, limits);
        records.notes.push(Text::new(
            "閉じていない引用符（\"）があるため、引用符を無視して表示しています。引用符の対応を確認してください。",
            "a quote (\") is never closed, so quotes are shown as they stand; check that quotes come in pairs",
        ));
    }
    note_encoding(&mut records.notes, &decoded);
    let format = if delimiter == b'\t' && file.is_tsv() { TableFormat::Tsv } else { TableFormat::Csv };
    let source = Source { format, encoding: Some(decoded.encoding), sheet: None, empty: file.empty() };
    table(records, source, limits)
}

/// Decodes the beginning of a file, up to its last whole line.
fn decode_beginning(bytes: &mut Vec<u8>) -> Decoded {
    let whole_lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |last| last + 1);
    let utf16 = matches!(decode(&bytes[..bytes.len().min(4096) & !1]).encoding, Encoding::Utf16Le | Encoding::Utf16Be);
    let end = if utf16 { bytes.len() & !1 } else { whole_lines };
    bytes.truncate(end);
    decode(bytes)
}

/// The delimiter that gives most records the same number of fields; `expected` when none is better.
fn find_delimiter(text: &str, expected: u8) -> u8 {
    let sample_end = text.char_indices().map(|(index, _)| index).find(|index| *index >= 64 * 1024).unwrap_or(text.len());
    let sample = &text[..sample_end];
    let mut best = (expected, 0.0);
    for delimiter in [expected, b',', b'\t', b';'] {
        let lengths: Vec<usize> = reader(sample, delimiter, true).records().flatten().take(100).map(|record| record.len()).collect();
        let usual = lengths
            .iter()
            .copied()
            .filter(|length| *length > 1)
            .max_by_key(|length| lengths.iter().filter(|other| *other == length).count());
        let Some(usual) = usual else { continue };
        let share = lengths.iter().filter(|length| **length == usual).count() as f64 / lengths.len() as f64;
        let score = share * (usual as f64).ln();
        if score > best.1 {
            best = (delimiter, score);
        }
    }
    best.0
}

fn read(text: &str, delimiter: u8, quoting: bool, partial: bool, limits: Limits) -> Records {
    let wanted = Records::wanted(limits);
    let mut records = Records::default();
    let mut count = 0;
    let mut record = csv::StringRecord::new();
    let mut reader = reader(text, delimiter, quoting);
    // The text is UTF-8 and lengths are flexible, so nothing can fail but the end.
    while reader.read_record(&mut record).unwrap_or(false) {
        if record.iter().all(is_blank) {
            continue;
        }
        count += 1;
        if records.first.len() < wanted {
            records.first.push(record.iter().map(str::to_owned).collect());
        } else if partial {
            break;
        }
    }
    let ended_within = partial && records.first.len() < wanted;
    if ended_within && records.first.len() > 1 {
        // Its last cell may go on behind what was read.
        records.first.pop();
    }
    records.count = (!partial).then_some(count);
    records
}

/// All records with the lines they begin in, and how the text was written. What an open quote would swallow is an error.
#[allow(clippy::type_complexity, reason = "numbered rows, and how they were written")]
pub(crate) fn read_delimited(bytes: &[u8], file: &FileName<'_>) -> Result<(Vec<(usize, Vec<String>)>, Encoding), Error> {
    let decoded = decode(bytes);
    let delimiter = find_delimiter(&decoded.text, b',');
    if let Some(line) = unclosed_quote(&decoded.text, delimiter) {
        return Err(Error::UnclosedQuote { file_name: file.name(), line });
    }
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    let text = decoded.text.as_bytes();
    let mut reader = reader(&decoded.text, delimiter, true);
    let (mut line, mut counted) = (1, 0);
    while reader.read_record(&mut record).unwrap_or(false) {
        // The reader's own lines lag behind where rows end in CRLF: it takes the LF for the beginning of the next.
        let mut start = record.position().map_or(0, csv::Position::byte).try_into().unwrap_or(text.len()).min(text.len());
        start += text[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += text[counted..start].iter().filter(|byte| **byte == b'\n').count();
        counted = start;
        rows.push((line, record.iter().map(str::to_owned).collect()));
    }
    Ok((rows, decoded.encoding))
}

/// The line in which a quote begins that never ends. Only quotes at the beginning of a cell begin one.
fn unclosed_quote(text: &str, delimiter: u8) -> Option<usize> {
    let (mut line, mut opened, mut at_start) = (1, None, true);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        line += usize::from(byte == b'\n');
        match (byte, opened) {
            (b'"', Some(_)) if bytes.peek() == Some(&b'"') => {
                bytes.next();
            }
            (b'"', Some(_)) => opened = None,
            (b'"', None) if at_start => opened = Some(line),
            _ => {}
        }
        at_start = opened.is_none() && (byte == delimiter || matches!(byte, b'\n' | b'\r'));
    }
    opened
}

/// Gives every record with a value to `rows`, from the first to the last, as it stands.
pub(crate) fn each_delimited<R: Read + Seek>(mut reader: R, file: &FileName<'_>, rows: &mut Rows<'_>) -> Result<(), Error> {
    let (encoding, bom) = find_encoding(&mut reader)?;
    let begin = SeekFrom::Start(bom as u64);
    reader.seek(begin)?;
    let mut sample = Vec::new();
    DecodingReader::new(reader.by_ref(), encoding).take(64 * 1024).read_to_end(&mut sample)?;
    let delimiter = find_delimiter(&String::from_utf8_lossy(&sample), if file.is_tsv() { b'\t' } else { b',' });
    reader.seek(begin)?;
    let text = Metered { inner: DecodingReader::new(reader, encoding), left: RECORD_BYTES_MAX };
    let mut records = builder(delimiter, true).from_reader(text);
    let mut record = csv::StringRecord::new();
    let mut number = 0_u64;
    loop {
        number += 1;
        let unclosed = || file.broken("CSV", format!("a quote (\") in record {number} is never closed"));
        match records.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) if records.get_ref().left == 0 => return Err(unclosed()),
            Err(error) => {
                let detail = error.to_string();
                return Err(match error.into_kind() {
                    csv::ErrorKind::Io(error) => Error::Io(error),
                    _ => file.broken("CSV", detail),
                });
            }
        }
        records.get_mut().left = RECORD_BYTES_MAX;
        if record.iter().all(is_blank) {
            continue;
        }
        if record.iter().any(|cell| cell.matches('\n').count() > CELL_LINES_MAX) {
            return Err(unclosed());
        }
        rows.row(record.iter().map(Cell::text).collect())?;
    }
    Ok(())
}

/// Most bytes of one record; one that is longer goes on because a quote was never closed.
const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Ends with an error when too much is read at once.
struct Metered<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = buffer.len().min(self.left);
        if wanted == 0 && !buffer.is_empty() {
            return Err(std::io::Error::other("the record is too long"));
        }
        let count = self.inner.read(&mut buffer[..wanted])?;
        self.left -= count;
        Ok(count)
    }
}

fn reader(text: &str, delimiter: u8, quoting: bool) -> csv::Reader<&[u8]> {
    builder(delimiter, quoting).from_reader(text.as_bytes())
}

fn builder(delimiter: u8, quoting: bool) -> csv::ReaderBuilder {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).quoting(quoting);
    builder
}

fn note_encoding(notes: &mut Vec<Text>, decoded: &Decoded) {
    if decoded.replacement_count > 0 {
        let (name, count) = (decoded.encoding.as_str(), decoded.replacement_count);
        notes.push(Text::new(
            format!("{name} として読めない文字が {count} か所あります（� と表示）。文字コードを確認し、UTF-8 で保存し直してください。"),
            format!("{count} place(s) cannot be read as {name} and are shown as �; check the encoding and save the file as UTF-8"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::preview;

    use super::*;

    fn check(file_name: &str, text: &str) -> Preview {
        preview(Cursor::new(text), file_name, None, Limits::default()).unwrap()
    }

    #[test]
    fn quoted_line_breaks_and_leading_zeros_stay() {
        let table = check("a.csv", "\u{FEFF}\"コード\",\"所在地\n（方書）\"\r\n\"034100\",\"中区\n1階\"\r\n012,\"a\"\"b,c\"\r\n");
        assert_eq!(table.columns, ["コード", "所在地 （方書）"]);
        assert_eq!(table.rows, [["034100", "中区\n1階"], ["012", "a\"b,c"]]);
        assert_eq!((table.total_rows, table.truncated), (Some(2), false));
        assert_eq!(table.notes, []);
    }

    #[test]
    fn delimiters_are_found() {
        for (name, text, format) in [
            ("a.csv", "a,b,c\n1,2,3\n", TableFormat::Csv),
            ("a.csv", "a;b;c\n1,5;2;3\n", TableFormat::Csv),
            ("a.csv", "a\tb\tc\n1\t2\t3\n", TableFormat::Csv),
            ("a.tsv", "a\tb\tc\n1\t2, two\t3\n", TableFormat::Tsv),
            ("a.txt", "a,b,c\n\"x;y;z\",2,3\n", TableFormat::Csv),
        ] {
            let table = check(name, text);
            assert_eq!((table.columns.join("|").as_str(), table.format), ("a|b|c", format), "{text}");
        }
        assert_eq!(check("a.csv", "名称\n公民館\n").columns, ["名称"]);
    }

    #[test]
    fn old_line_ends_and_blank_lines_are_fine() {
        assert_eq!(check("a.csv", "a,b\r1,2\r3,4").total_rows, Some(2));
        assert_eq!(check("a.csv", "a,b\n\n,\n1,2\n　,\n\n").total_rows, Some(1));
    }

    #[test]
    fn an_empty_file_is_an_error() {
        for text in ["\n\n", " , ,\n", "\u{FEFF}"] {
            assert!(matches!(preview(Cursor::new(text), "a.csv", None, Limits::default()), Err(Error::Empty { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_large_file_is_read_in_part() {
        let line = "0123,広島市中区,\"改行\nあり\"\n";
        let text = format!("番号,住所,備考\n{}", line.repeat(200_000));
        let table = check("a.csv", &text);
        assert_eq!((table.total_rows, table.truncated, table.rows.len()), (None, true, 100));
        assert!(table.rows.iter().all(|row| row[1] == "広島市中区"));
        assert_eq!(table.notes, []);

        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let table = preview(Cursor::new(&utf16), "a.csv", None, Limits::default()).unwrap();
        assert_eq!((table.encoding, table.rows[99][1].as_str()), (Some(Encoding::Utf16Le), "広島市中区"));

        let few = Limits { bytes: 200, ..Limits::default() };
        let table = preview(Cursor::new(&text), "a.csv", None, few).unwrap();
        assert!(table.truncated && table.total_rows.is_none());
        assert!(table.rows.iter().all(|row| row[2] == "改行\nあり"), "{:?}", table.rows);
        assert_eq!(table.notes, []);
    }

    #[test]
    fn rows_and_columns_are_limited() {
        let text = "a,b,c\n1,2,3\n4,5,6\n";
        let table = preview(Cursor::new(text), "a.csv", None, Limits { rows: 1, columns: 2, ..Limits::default() }).unwrap();
        assert_eq!((table.columns.len(), table.rows.len(), table.total_rows, table.truncated), (2, 1, Some(2), true));
    }

    #[test]
    fn an_unclosed_quote_does_not_swallow_the_table() {
        let text = format!("a,b\n\"1,2\n{}", "3,4\n".repeat(400));
        let table = check("a.csv", &text);
        assert_eq!(table.total_rows, Some(401));
        assert!(table.notes[0].en.contains("never closed"));
    }

    #[test]
    fn unreadable_characters_are_told() {
        let mut bytes = "名称,住所\n中央公民館,呉市中央\n".repeat(3).into_bytes();
        bytes.extend(b"\xFF,1\n");
        let table = preview(Cursor::new(bytes), "a.csv", None, Limits::default()).unwrap();
        assert!(table.notes[0].en.contains("1 place(s) cannot be read as UTF-8"));
    }
}
