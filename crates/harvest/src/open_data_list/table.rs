//! An inventory file, whatever its name says, as rows in a temporary file that may be read again from any of them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use minato_catalog::Text;
use zip::ZipArchive;

use super::workbook;
use crate::decode::decode;

/// Rows of cells in a temporary file.
#[derive(Debug)]
pub(super) struct Table {
    reader: csv::Reader<File>,
    /// The first cell of each row is its number, as in files made from a workbook.
    is_numbered: bool,
    /// What every record should be told of: encoding and the like.
    pub(super) notices: Vec<Text>,
    /// Why the file may not be whole.
    pub(super) doubt: Option<Text>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// From 1; what spreadsheet programs show unless cells hold line breaks.
    pub(super) number: u32,
    pub(super) cells: Vec<String>,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) byte: u64,
    pub(super) number: u32,
}

/// Longest row in bytes; a longer one comes of a quotation mark that was never closed.
const ROW_BYTES_MAX: u64 = 4_000_000;
/// Lines that are looked at for the kind of separator.
const SAMPLE_LINES: usize = 20;

/// Offers the tables of a file to `take`, one by one, until it wants one: of a workbook each visible sheet, of a ZIP its only table.
///
/// What a file is its bytes say; names and types lie too often. `bytes_max` caps what comes out of a ZIP.
pub(super) fn first_table<T>(
    mut file: File,
    bytes_max: u64,
    mut take: impl FnMut(Table) -> Result<Option<T>, Text>,
) -> Result<Option<T>, Text> {
    // A table in a ZIP in a ZIP is no table.
    for depth in 0..2 {
        let mut start = [0; 8];
        file.rewind().map_err(|error| unreadable(&error))?;
        let length = read_up_to(&mut file, &mut start).map_err(|error| unreadable(&error))?;
        file.rewind().map_err(|error| unreadable(&error))?;
        match &start[..length] {
            [b'P', b'K', 3, 4, ..] => {
                let mut archive = ZipArchive::new(&file).map_err(|error| {
                    Text::new(
                        format!(
                            "Excel ファイル（または ZIP）として読めません（{error}）。ファイルが途中で切れていないか確認してください。"
                        ),
                        format!("the file is no readable Excel workbook or ZIP: {error}; check that it is whole"),
                    )
                })?;
                if archive.index_for_name("xl/workbook.xml").is_some() {
                    drop(archive);
                    return workbook::xlsx(file, take);
                }
                if depth > 0 {
                    break;
                }
                file = only_table(&mut archive, bytes_max)?;
            }
            [0xd0, 0xcf, 0x11, 0xe0, ..] => return workbook::xls(file, take),
            [b'%', b'P', b'D', b'F', ..] => {
                return Err(Text::new(
                    "PDF ファイルです。CSV または Excel ファイルの URL を指定してください。",
                    "the file is a PDF; give the address of a CSV or Excel file",
                ));
            }
            _ => return take(Table::of_text(file)?),
        }
    }
    Err(Text::new(
        "ZIP の中に ZIP があります。CSV ファイルの URL を指定してください。",
        "the ZIP holds a ZIP; give the address of a CSV file",
    ))
}

/// The only file of a ZIP that can be a table.
fn only_table(archive: &mut ZipArchive<&File>, bytes_max: u64) -> Result<File, Text> {
    let is_table = |name: &str| {
        let name = name.to_lowercase();
        !name.starts_with("__macosx/") && [".csv", ".tsv", ".txt", ".xlsx", ".xls", ".xlsm"].iter().any(|end| name.ends_with(end))
    };
    let tables: Vec<usize> = (0..archive.len())
        .filter(|index| archive.name_for_index(*index).is_some_and(|name| name.is_ok_and(|name| is_table(&name))))
        .collect();
    let [index] = tables[..] else {
        let count = tables.len();
        return Err(Text::new(
            format!(
                "ZIP の中に表のファイルが {count} 個あります。一覧の CSV ファイル 1 つだけを入れるか、その URL を直接指定してください。"
            ),
            format!(
                "the ZIP holds {count} tables (Excel or CSV); put only the inventory into it, or give the address of the inventory itself"
            ),
        ));
    };
    let broken = |error: &dyn std::fmt::Display| {
        Text::new(
            format!("ZIP の中のファイルを取り出せません（{error}）。暗号化されていないか、途中で切れていないか確認してください。"),
            format!("the file in the ZIP cannot be taken out: {error}; check that it is whole and not encrypted"),
        )
    };
    let entry = archive.by_index(index).map_err(|error| broken(&error))?;
    let mut file = tempfile::tempfile().map_err(|error| unreadable(&error))?;
    let length = io::copy(&mut entry.take(bytes_max.saturating_add(1)), &mut file).map_err(|error| broken(&error))?;
    if length > bytes_max {
        return Err(Text::new(
            format!("ZIP の中のファイルが上限（{} MB）を超えています。", bytes_max / 1_000_000),
            format!("the file in the ZIP is larger than {bytes_max} bytes"),
        ));
    }
    Ok(file)
}

impl Table {
    /// Rows made from a workbook's sheet: CSV whose first cells are row numbers.
    pub(super) fn of_sheet(file: File, notices: Vec<Text>) -> Table {
        Table { reader: reader(file, b','), is_numbered: true, notices, doubt: None }
    }

    fn of_text(file: File) -> Result<Table, Text> {
        let mut decoded = decode(file).map_err(|error| unreadable(&error))?;
        let delimiter = delimiter_of(&mut decoded.file).map_err(|error| unreadable(&error))?;
        let mut doubt = decoded.truncated.then(|| {
            Text::new(
                "ファイルが文字の途中で終わっています。途中で切れていないか確認してください。",
                "the file ends within a character; check that it is whole",
            )
        });
        if let Some(line) = unterminated_quote(&mut decoded.file, delimiter)? {
            doubt = Some(Text::new(
                format!("{line} 行目で始まる引用符「\"」が閉じられていません。ファイルが途中で切れていないか、引用符を確認してください。"),
                format!(
                    "the quotation mark opened in line {line} is never closed; check that the file is whole and the quotation mark right"
                ),
            ));
        }
        decoded.file.rewind().map_err(|error| unreadable(&error))?;
        Ok(Table { reader: reader(decoded.file, delimiter), is_numbered: false, notices: decoded.notice.into_iter().collect(), doubt })
    }

    pub(super) fn is_from_workbook(&self) -> bool {
        self.is_numbered
    }

    /// The next row and where it stands; `None` after the last. Cells are trimmed.
    pub(super) fn next(&mut self) -> Result<Option<(Place, Row)>, Text> {
        let mut record = csv::StringRecord::new();
        let byte = self.reader.position().byte();
        let index = self.reader.position().record();
        match self.reader.read_record(&mut record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
                let row = self.row(&record, number);
                Ok(Some((Place { byte, number: row.number }, row)))
            }
            Err(error) => {
                let detail: String = error.to_string().chars().take(200).collect();
                Err(Text::new(format!("CSV として読めません（{detail}）。"), format!("the file is not valid CSV: {detail}")))
            }
        }
    }

    /// The row at a place that [`next`](Table::next) gave.
    pub(super) fn at(&mut self, place: Place) -> Result<Row, Text> {
        let mut position = csv::Position::new();
        position.set_byte(place.byte).set_record(u64::from(place.number).saturating_sub(1));
        let mut record = csv::StringRecord::new();
        self.reader.seek(position).and_then(|()| self.reader.read_record(&mut record)).map_err(|error| {
            Text::new(format!("一時ファイルを読めません（{error}）。"), format!("the temporary file cannot be read: {error}"))
        })?;
        Ok(self.row(&record, place.number))
    }

    fn row(&self, record: &csv::StringRecord, number: u32) -> Row {
        let mut cells = record.iter().map(|cell| cell.trim().to_owned());
        let own = if self.is_numbered { cells.next().and_then(|number| number.parse().ok()) } else { None };
        Row { number: own.unwrap_or(number), cells: cells.collect() }
    }
}

fn reader(file: File, delimiter: u8) -> csv::Reader<File> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(file)
}

pub(super) fn unreadable(error: &io::Error) -> Text {
    Text::new(
        format!("一時ファイルの読み書きに失敗しました（{error}）。空き容量を確認してください。"),
        format!("a temporary file could not be read or written: {error}; check the free space"),
    )
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// Tabs where the first lines have several and no commas.
fn delimiter_of(file: &mut File) -> io::Result<u8> {
    let mut sample = vec![0; 64 * 1024];
    file.rewind()?;
    let length = read_up_to(file, &mut sample)?;
    let mut lines = sample[..length].split(|byte| *byte == b'\n').take(SAMPLE_LINES);
    let count = |line: &[u8], wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    Ok(if lines.any(|line| count(line, b'\t') >= 5 && count(line, b',') == 0) { b'\t' } else { b',' })
}

/// The line of a quotation mark that is still open at the end. Refuses rows that would fill the memory.
fn unterminated_quote(file: &mut File, delimiter: u8) -> Result<Option<usize>, Text> {
    file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
    let (mut line, mut opened, mut at_cell_start, mut after_quote) = (1, None, true, false);
    let (mut row_line, mut row_bytes) = (1, 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut buffer).map_err(|error| unreadable(&error))?;
        if length == 0 {
            return Ok(opened.filter(|_| !after_quote));
        }
        for &byte in &buffer[..length] {
            row_bytes += 1;
            if row_bytes > ROW_BYTES_MAX {
                return Err(Text::new(
                    format!("{row_line} 行目が長すぎます。閉じられていない引用符「\"」がないか確認してください。"),
                    format!("the row in line {row_line} is too long; check for a quotation mark that is not closed"),
                ));
            }
            line += usize::from(byte == b'\n');
            if after_quote {
                after_quote = false;
                if byte == b'"' {
                    continue;
                }
                opened = None;
            } else if opened.is_some() {
                after_quote = byte == b'"';
                continue;
            }
            if byte == b'"' && at_cell_start {
                opened = Some(line);
            }
            at_cell_start = matches!(byte, b'\n' | b'\r') || byte == delimiter;
            if matches!(byte, b'\n' | b'\r') {
                (row_line, row_bytes) = (line, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    pub(crate) fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn rows(bytes: &[u8]) -> Result<Vec<Row>, Text> {
        let rows = first_table(file(bytes), 1_000, |mut table| {
            let mut rows = Vec::new();
            while let Some((_, row)) = table.next()? {
                rows.push(row);
            }
            Ok(Some(rows))
        })?;
        Ok(rows.unwrap_or_default())
    }

    #[test]
    fn rows_can_be_read_again_in_any_order() {
        let text = "a,b\r\n\"x\ny\",避難\r\n\r\n1,2,3\r\n";
        let mut table = Table::of_text(file(text.as_bytes())).unwrap();
        let mut met = Vec::new();
        while let Some(row) = table.next().unwrap() {
            met.push(row);
        }
        assert_eq!(met.iter().map(|(_, row)| row.cells.len()).collect::<Vec<_>>(), [2, 2, 3]);
        assert_eq!(met[1].1.cells, ["x\ny", "避難"]);
        for (place, row) in met.iter().rev().chain(&met) {
            assert_eq!(table.at(*place).unwrap(), *row);
        }
    }

    #[test]
    fn a_zip_may_hold_one_table() {
        let csv = "a,b\n1,2\n".as_bytes();
        assert_eq!(rows(&zip(&[("readme.md", b"x"), ("list.CSV", csv), ("__MACOSX/._list.csv", b"x")])).unwrap().len(), 2);
        for (bytes, word) in [
            (zip(&[("a.csv", csv), ("b.csv", csv)]), "2 tables"),
            (zip(&[("a.pdf", csv)]), "0 tables"),
            (zip(&[("a.csv", &zip(&[("b.csv", csv)]))]), "holds a ZIP"),
            (zip(&[("a.csv", &[b'x'; 2_000])]), "larger than 1000"),
            (b"PK\x03\x04xxxx".to_vec(), "Excel"),
            (b"%PDF-1.7".to_vec(), "PDF"),
        ] {
            let error = rows(&bytes).unwrap_err();
            assert!(error.en.contains(word), "{word}: {}", error.en);
        }
    }

    #[test]
    fn quotation_marks_left_open_are_found() {
        for (text, line) in [
            ("a,\"b\"\n", None),
            ("a,\"b\"\"\n", Some(1)),
            ("a,\"b\"\"c\"", None),
            ("a,b\"c\n", None),
            ("a\n\n\"b\nc", Some(3)),
            ("a,\"b\"", None),
            ("", None),
        ] {
            assert_eq!(unterminated_quote(&mut file(text.as_bytes()), b',').unwrap(), line, "{text}");
        }
        let long = format!("a\n\"{}", "x".repeat(5_000_000));
        assert!(unterminated_quote(&mut file(long.as_bytes()), b',').unwrap_err().en.contains("line 2"));
    }
}
