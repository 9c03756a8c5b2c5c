//! Small tables whole, with the numbers that their rows have for whoever made them.

use crate::delimited::read_delimited;
use crate::preview::file_of;
use crate::workbook::read_workbook;
use crate::{Encoding, Error, Limits};

/// A row as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedRow {
    /// Number of the row in the sheet, or of its first line in the text; 1 is the first.
    pub number: usize,
    /// Its cells.
    pub cells: Vec<String>,
}

/// Largest file that is read whole, in bytes.
const BYTES_MAX: u64 = 20_000_000;

/// All rows of a CSV, TSV or XLSX file, at most `rows_max`, and how its text is written (none for workbooks). Rows without a value are left out.
pub fn read_rows(bytes: &[u8], name: &str, rows_max: usize) -> Result<(Vec<NumberedRow>, Option<Encoding>), Error> {
    let file = file_of(name, None);
    let limits = Limits { rows: rows_max, columns: 100, cell_chars: 1_000, document_bytes: BYTES_MAX, ..Limits::default() };
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    file.check_size(size, BYTES_MAX)?;
    let (rows, encoding) = if bytes.starts_with(b"PK\x03\x04") {
        (read_workbook(bytes, &file, limits)?, None)
    } else if bytes.starts_with(b"\xD0\xCF\x11\xE0") || bytes.starts_with(b"%PDF") {
        return Err(file.unsupported(if bytes.starts_with(b"%PDF") { "PDF" } else { "XLS" }));
    } else {
        let (rows, encoding) = read_delimited(bytes, &file)?;
        (rows, Some(encoding))
    };
    let rows = rows.into_iter().filter(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty())).take(rows_max);
    let rows: Vec<NumberedRow> = rows.map(|(number, cells)| NumberedRow { number, cells }).collect();
    if rows.is_empty() { Err(file.empty()) } else { Ok((rows, encoding)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_numbers_in_every_encoding() {
        let text = "月,件数\r\n\r\n2026-11,\"1,234\"\r\n";
        let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let cp932 = [&b"\x8c\x8e,\x8c\x8f\x90\x94\r\n\r\n2026-11,\"1,234\"\r\n"[..]].concat();
        let marked = format!("\u{feff}{text}").into_bytes();
        for bytes in [text.as_bytes().to_vec(), marked, utf16, cp932] {
            let (rows, encoding) = read_rows(&bytes, "a.csv", 100).unwrap();
            let found: Vec<_> = rows.iter().map(|row| (row.number, row.cells.join("|"))).collect();
            assert_eq!(found, [(1, "月|件数".to_owned()), (3, "2026-11|1,234".to_owned())], "{encoding:?}");
        }
    }

    #[test]
    fn rows_keep_their_numbers_with_either_line_end() {
        for end in ["\n", "\r\n"] {
            let text = ["月,件数", "2026-09,1", "\"2026", "10\",2", "2026-11,3", ""].join(end);
            let (rows, _) = read_rows(text.as_bytes(), "a.csv", 100).unwrap();
            assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3, 5], "{end:?}");
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_swallows_nothing() {
        for (text, expected) in [
            ("a,b\n1,\"2\n3,4\n", Some(2)),
            ("a,b\r\n\"1\r\n2\",\"x\r\n3,4\r\n", Some(3)),
            ("a,b\n1,\"2\"\"\n", Some(2)),
            ("a,b\n1,\"2\n3\"\n", None),
            ("a,b\n\"\",\"x \"\"y\"\"\"\n", None),
            ("a,b\n5\" disk,2\n", None),
        ] {
            let found = match read_rows(text.as_bytes(), "a.csv", 100) {
                Err(Error::UnclosedQuote { line, .. }) => Some(line),
                other => other.map(|_| None).unwrap(),
            };
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (bytes, name) in [(&b""[..], "a.csv"), (b"%PDF-1.7", "a.pdf"), (b"PK\x03\x04broken", "a.xlsx"), (b"\r\n \r\n", "a.csv")] {
            assert!(read_rows(bytes, name, 100).is_err(), "{name}");
        }
    }
}
