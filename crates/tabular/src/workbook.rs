//! Excel workbooks, which nobody should trust: both kinds can claim to be far larger than they are, and be it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Cursor, Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Data, ExcelDateTime, Reader, Sheet, SheetType, SheetVisible, Xls, Xlsx};
use minato_catalog::Text;
use zip::ZipArchive;

use crate::convert::{Cell, Rows};
use crate::preview::FileName;
use crate::table::{Records, Source, clip, is_blank, table};
use crate::{Error, Limits, Preview, TableFormat};

/// Most parts of an XLSX file.
const PARTS_MAX: usize = 5_000;
/// Most cells read of a sheet; what lies beyond is not counted.
const CELLS_MAX: u64 = 3_000_000;
/// Most cells an XLS file's sheets may span together, as rectangles.
const XLS_AREA_MAX: u64 = 4_000_000;
/// Most bytes of an XLS file's shared texts, each taken as often as it is used.
const XLS_TEXT_MAX: u64 = 200_000_000;

pub(crate) fn preview_xlsx<R: Read + Seek>(mut reader: R, file: &FileName<'_>, limits: Limits) -> Result<Preview, Error> {
    check_parts(&mut reader, file, limits)?;
    reader.rewind()?;
    let sheet = guarded(file, "XLSX", || {
        let mut workbook = Xlsx::new(io::BufReader::new(reader)).map_err(|error| file.broken("XLSX", error))?;
        let sheets = workbook.sheets_metadata().to_vec();
        first_filled(&sheets, |name| read_xlsx_sheet(&mut workbook, name, limits).map_err(|error| file.broken("XLSX", error)))
    })?;
    let source = Source { format: TableFormat::Xlsx, encoding: None, sheet: sheet.1, empty: file.empty() };
    table(sheet.0, source, limits)
}

pub(crate) fn preview_xls<R: Read + Seek>(reader: R, file: &FileName<'_>, limits: Limits) -> Result<Preview, Error> {
    let bytes = checked_xls(reader, file, limits)?;
    let sheet = guarded(file, "XLS", || {
        let mut workbook = Xls::new(Cursor::new(bytes)).map_err(|error| file.broken("XLS", error))?;
        let sheets = workbook.sheets_metadata().to_vec();
        first_filled(&sheets, |name| {
            let range = workbook.worksheet_range(name).map_err(|error| file.broken("XLS", error))?;
            let mut grid = Grid::new(limits);
            for (row, column, value) in range.used_cells() {
                grid.add(row as u32, column as u32, || text_of(value.clone()));
            }
            Ok(grid.finish())
        })
    })?;
    let source = Source { format: TableFormat::Xls, encoding: None, sheet: sheet.1, empty: file.empty() };
    table(sheet.0, source, limits)
}

/// The rows of the first visible sheet with a value, with their numbers in the sheet.
pub(crate) fn read_workbook(bytes: &[u8], file: &FileName<'_>, limits: Limits) -> Result<Vec<(usize, Vec<String>)>, Error> {
    check_parts(Cursor::new(bytes), file, limits)?;
    guarded(file, "XLSX", || {
        let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(|error| file.broken("XLSX", error))?;
        let sheets = workbook.sheets_metadata().to_vec();
        let visible = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
        for sheet in visible.take(20) {
            let mut grid = Grid::new(limits);
            let mut cells = workbook.worksheet_cells_reader(&sheet.name).map_err(|error| file.broken("XLSX", error))?;
            while let Some(cell) = cells.next_cell().map_err(|error| file.broken("XLSX", error))? {
                let (row, column) = cell.get_position();
                if !grid.add(row, column, || text_of(Data::from(cell.get_value().clone()))) {
                    break;
                }
            }
            if !grid.rows.is_empty() {
                return Ok(grid.rows.into_iter().map(|(row, cells)| (row as usize + 1, cells)).collect());
            }
        }
        Err(file.empty())
    })
}

/// Gives the rows of the first visible sheet with a value to `rows`, from the first to the last, those without a value left out.
pub(crate) fn each_xlsx<R: Read + Seek>(mut reader: R, file: &FileName<'_>, limits: Limits, rows: &mut Rows<'_>) -> Result<(), Error> {
    check_parts(&mut reader, file, limits)?;
    reader.rewind()?;
    guarded(file, "XLSX", || {
        let mut workbook = Xlsx::new(io::BufReader::new(reader)).map_err(|error| file.broken("XLSX", error))?;
        let sheets = workbook.sheets_metadata().to_vec();
        for sheet in visible_sheets(&sheets) {
            let mut span = Span::default();
            each_cell(&mut workbook, &sheet.name, file, limits, |_, column, value| {
                span.add(column, &text_of(value));
                Ok(())
            })?;
            if span.is_empty() {
                continue;
            }
            let mut laid = LaidRow::new(span);
            each_cell(&mut workbook, &sheet.name, file, limits, |row, column, value| laid.add(file, row, column, value, rows))?;
            return laid.finish(rows);
        }
        Err(file.empty())
    })
}

/// The same of an XLS file, which is in memory as a whole.
pub(crate) fn each_xls<R: Read + Seek>(reader: R, file: &FileName<'_>, limits: Limits, rows: &mut Rows<'_>) -> Result<(), Error> {
    let bytes = checked_xls(reader, file, limits)?;
    guarded(file, "XLS", || {
        let mut workbook = Xls::new(Cursor::new(bytes)).map_err(|error| file.broken("XLS", error))?;
        let sheets = workbook.sheets_metadata().to_vec();
        for sheet in visible_sheets(&sheets) {
            let range = workbook.worksheet_range(&sheet.name).map_err(|error| file.broken("XLS", error))?;
            let mut span = Span::default();
            for (_, column, value) in range.used_cells() {
                span.add(column as u32, &text_of(value.clone()));
            }
            if span.is_empty() {
                continue;
            }
            let mut laid = LaidRow::new(span);
            for (row, column, value) in range.used_cells() {
                laid.add(file, row as u32, column as u32, value.clone(), rows)?;
            }
            return laid.finish(rows);
        }
        Err(file.empty())
    })
}

/// The sheets that are looked at for a table.
fn visible_sheets(sheets: &[Sheet]) -> impl Iterator<Item = &Sheet> {
    sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible).take(20)
}

/// Gives the cells of a sheet that hold something to `f`: row, column and value.
fn each_cell<R: Read + Seek>(
    workbook: &mut Xlsx<R>,
    sheet: &str,
    file: &FileName<'_>,
    limits: Limits,
    mut f: impl FnMut(u32, u32, Data) -> Result<(), Error>,
) -> Result<(), Error> {
    let broken = |error: calamine::XlsxError| file.broken("XLSX", error);
    let mut cells = workbook.worksheet_cells_reader(sheet).map_err(broken)?;
    let mut count = 0;
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        count += 1;
        if count > CELLS_MAX {
            return Err(Error::TooLarge { file_name: file.name(), limit: limits.unpacked_bytes });
        }
        let (row, column) = cell.get_position();
        f(row, column, Data::from(cell.get_value().clone()))?;
    }
    Ok(())
}

/// The columns from the first to the last with a value.
#[derive(Debug, Clone, Copy, Default)]
struct Span(Option<(u32, u32)>);

impl Span {
    fn add(&mut self, column: u32, text: &str) {
        if !is_blank(text) {
            let (first, last) = self.0.unwrap_or((column, column));
            self.0 = Some((first.min(column), last.max(column)));
        }
    }

    fn is_empty(self) -> bool {
        self.0.is_none()
    }
}

/// Cells on their way to whole rows, each as wide as the table.
struct LaidRow {
    first: u32,
    width: usize,
    row: Option<u32>,
    cells: Vec<Cell<'static>>,
}

impl LaidRow {
    fn new(span: Span) -> LaidRow {
        let (first, last) = span.0.unwrap_or_default();
        LaidRow { first, width: (last - first) as usize + 1, row: None, cells: Vec::new() }
    }

    fn add(&mut self, file: &FileName<'_>, row: u32, column: u32, value: Data, rows: &mut Rows<'_>) -> Result<(), Error> {
        let cell = cell_of(value);
        let place = column.checked_sub(self.first).map(|place| place as usize).filter(|place| *place < self.width);
        let Some(place) = place.filter(|_| !is_blank(&cell.text)) else { return Ok(()) };
        if self.row.is_some_and(|before| row < before) {
            return Err(file.broken("XLSX", format!("row {} stands behind a later one", row + 1)));
        }
        if self.row != Some(row) {
            self.finish(rows)?;
            self.row = Some(row);
            self.cells = (0..self.width).map(|_| Cell::null()).collect();
        }
        self.cells[place] = cell;
        Ok(())
    }

    fn finish(&mut self, rows: &mut Rows<'_>) -> Result<(), Error> {
        match self.row.take() {
            Some(_) => rows.row(std::mem::take(&mut self.cells)),
            None => Ok(()),
        }
    }
}

/// Numbers and yes or no are what the workbook says they are; all else is text.
fn cell_of(value: Data) -> Cell<'static> {
    let json = match &value {
        Data::Empty => return Cell::null(),
        Data::Int(_) => Some(text_of(value.clone())),
        Data::Float(number) if number.is_finite() => Some(text_of(value.clone())),
        Data::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    Cell { text: text_of(value).into(), json: json.map(Into::into) }
}

/// Readers of binary formats index into what they read; a file that makes one fall over is a broken file, not the end of a worker.
fn guarded<T>(file: &FileName<'_>, format: &'static str, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(file.broken(format, "its structure is damaged")))
}

/// The first visible sheet with a value, and its name. What is not shown is told.
fn first_filled(sheets: &[Sheet], mut read: impl FnMut(&str) -> Result<Records, Error>) -> Result<(Records, Option<String>), Error> {
    let tables: Vec<&Sheet> = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).collect();
    let visible: Vec<&Sheet> = tables.iter().copied().filter(|sheet| sheet.visible == SheetVisible::Visible).collect();
    for sheet in visible.iter().take(20) {
        let mut records = read(&sheet.name)?;
        if records.first.is_empty() {
            continue;
        }
        let mut name = sheet.name.clone();
        clip(&mut name, 60);
        if visible.len() > 1 {
            let count = visible.len();
            records.notes.push(Text::new(
                format!("シートが {count} 枚あり、「{name}」を表示しています。1 ファイル 1 表にすると機械でも読みやすくなります。"),
                format!("there are {count} sheets; `{name}` is shown. One table per file is easier for programs to read"),
            ));
        }
        if visible.len() < tables.len() {
            let count = tables.len() - visible.len();
            records.notes.push(Text::new(
                format!("非表示のシートが {count} 枚あります。公開してよい内容か確認してください。"),
                format!("{count} sheet(s) are hidden; check that their content may be published"),
            ));
        }
        return Ok((records, Some(name)));
    }
    Ok((Records::default(), None))
}

fn read_xlsx_sheet<R: Read + Seek>(workbook: &mut Xlsx<R>, name: &str, limits: Limits) -> Result<Records, calamine::XlsxError> {
    let mut grid = Grid::new(limits);
    let mut cells = workbook.worksheet_cells_reader(name)?;
    while let Some(cell) = cells.next_cell()? {
        let (row, column) = cell.get_position();
        if !grid.add(row, column, || text_of(Data::from(cell.get_value().clone()))) {
            break;
        }
    }
    Ok(grid.finish())
}

/// Cells on their way to records: only the first rows with a value are kept, the others counted.
struct Grid {
    limits: Limits,
    rows: BTreeMap<u32, Vec<String>>,
    cells: u64,
    /// Rows beyond those kept.
    more: u64,
    last: Option<u32>,
    cut: bool,
    whole: bool,
}

impl Grid {
    fn new(limits: Limits) -> Grid {
        Grid { limits, rows: BTreeMap::new(), cells: 0, more: 0, last: None, cut: false, whole: true }
    }

    /// Takes one cell in; returns whether more are wanted.
    fn add(&mut self, row: u32, column: u32, value: impl FnOnce() -> String) -> bool {
        self.cells += 1;
        if self.cells > CELLS_MAX {
            self.whole = false;
            return false;
        }
        let kept = self.rows.contains_key(&row) || self.rows.len() < Records::wanted(self.limits);
        if !kept && self.last == Some(row) {
            return true;
        }
        let mut value = value();
        if is_blank(&value) {
            return true;
        }
        if !kept {
            self.more += 1;
            self.last = Some(row);
            return true;
        }
        // A column more than shown is kept, so that the table knows that there are more.
        let column = column as usize;
        let cells = self.rows.entry(row).or_default();
        if column > self.limits.columns {
            self.cut = true;
            return true;
        }
        if cells.len() <= column {
            cells.resize(column + 1, String::new());
        }
        self.cut |= clip(&mut value, self.limits.cell_chars);
        cells[column] = value;
        true
    }

    fn finish(self) -> Records {
        let mut first: Vec<Vec<String>> = self.rows.into_values().collect();
        let count = self.whole.then_some(first.len() as u64 + self.more);
        let indent = first.iter().map(|row| row.iter().take_while(|cell| is_blank(cell)).count()).min().unwrap_or(0);
        let width = first.iter().map(Vec::len).max().unwrap_or(0);
        for row in &mut first {
            row.resize(width, String::new());
            row.drain(..indent.min(width));
        }
        Records { first, count, cut: self.cut, notes: Vec::new() }
    }
}

fn text_of(value: Data) -> String {
    match value {
        Data::Empty => String::new(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number.to_string(),
        Data::String(text) => text,
        Data::Bool(value) => if value { "TRUE" } else { "FALSE" }.to_owned(),
        Data::DateTime(moment) => iso(moment),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text,
        Data::Error(error) => error.to_string(),
    }
}

/// `2026-04-01`, `2026-04-01T09:30:00`, or `09:30:00` for times without a day and for lengths of time.
fn iso(moment: ExcelDateTime) -> String {
    let value = moment.as_f64();
    // Excel's last day is 9999-12-31.
    if !(0.0..2_958_466.0).contains(&value) {
        return value.to_string();
    }
    if moment.is_duration() || value < 1.0 {
        let seconds = (value * 86_400.0).round() as u64;
        return format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    if (hour, minute, second, milli) == (0, 0, 0, 0) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// Refuses ZIPs that are no workbook or unpack to too much.
fn check_parts<R: Read + Seek>(reader: R, file: &FileName<'_>, limits: Limits) -> Result<(), Error> {
    let broken = |error: &dyn Display| file.broken("XLSX", error);
    let mut archive =
        ZipArchive::new(reader).map_err(|error| if file.has_extension("xlsx") { broken(&error) } else { file.unsupported("ZIP") })?;
    if archive.index_for_name("xl/workbook.xml").is_none() {
        let has = |name: &str| archive.index_for_name(name).is_some();
        let found = match () {
            () if has("xl/workbook.bin") => "XLSB",
            () if has("word/document.xml") => "DOCX",
            () if has("ppt/presentation.xml") => "PPTX",
            () if has("content.xml") => "OpenDocument",
            () if has("stops.txt") => "GTFS",
            () => "ZIP",
        };
        return Err(file.unsupported(found));
    }
    let too_large = || Error::TooLarge { file_name: file.name(), limit: limits.unpacked_bytes };
    if archive.len() > PARTS_MAX {
        return Err(too_large());
    }
    // Sizes in the directory are claims, so after them comes the proof.
    let claimed = archive.decompressed_size().unwrap_or(0);
    if claimed > u128::from(limits.unpacked_bytes) {
        return Err(too_large());
    }
    let mut left = limits.unpacked_bytes;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|error| broken(&error))?;
        let unpacked = io::copy(&mut part.take(left.saturating_add(1)), &mut io::sink()).map_err(|error| broken(&error))?;
        left = left.checked_sub(unpacked).ok_or_else(too_large)?;
    }
    Ok(())
}

/// The workbook of an XLS file as a container of its own with nothing else in it, once its cells are known to fit into memory.
fn checked_xls<R: Read + Seek>(reader: R, file: &FileName<'_>, limits: Limits) -> Result<Vec<u8>, Error> {
    let broken = |error: io::Error| file.broken("XLS", error);
    let mut container = cfb::CompoundFile::open(reader).map_err(broken)?;
    let Some(name) = ["/Workbook", "/Book"].into_iter().find(|name| container.is_stream(name)) else {
        return Err(match () {
            () if container.is_stream("/EncryptedPackage") => Error::Protected { file_name: file.name() },
            () if container.is_stream("/WordDocument") => file.unsupported("DOC"),
            () if container.is_stream("/PowerPoint Document") => file.unsupported("PPT"),
            () => file.unsupported("OLE"),
        });
    };
    let mut workbook = Vec::new();
    container.open_stream(name).map_err(broken)?.take(limits.document_bytes).read_to_end(&mut workbook).map_err(broken)?;
    let size = xls_size(&workbook).ok_or_else(|| file.broken("XLS", "a record is cut off"))?;
    if size.area > XLS_AREA_MAX || size.text > XLS_TEXT_MAX {
        return Err(Error::TooLarge { file_name: file.name(), limit: limits.unpacked_bytes });
    }
    let mut fresh = cfb::CompoundFile::create(Cursor::new(Vec::new())).map_err(broken)?;
    let mut stream = fresh.create_stream("/Workbook").map_err(broken)?;
    stream.write_all(&workbook).and_then(|()| stream.flush()).map_err(broken)?;
    drop(stream);
    fresh.flush().map_err(broken)?;
    Ok(fresh.into_inner().into_inner())
}

/// What an XLS workbook will take when laid out.
#[derive(Debug, Default, PartialEq)]
struct XlsSize {
    /// Cells of all sheets, each as the rectangle around its cells and around what it claims.
    area: u64,
    /// Bytes of shared texts, an upper bound.
    text: u64,
}

/// Walks the records of a BIFF stream ([MS-XLS] 2.1.4): the globals, then every sheet they name. `None` when a record is cut off.
fn xls_size(workbook: &[u8]) -> Option<XlsSize> {
    let mut size = XlsSize::default();
    let mut sheets = Vec::new();
    let mut shared: Vec<&[u8]> = Vec::new();
    let mut within_texts = false;
    for record in BiffRecords(workbook) {
        let (kind, data) = record?;
        match kind {
            0x000A => break,
            0x0085 => sheets.push(u32_at(data, 0)? as usize),
            0x00FC => shared = vec![data],
            0x003C if within_texts => shared.push(data),
            _ => {}
        }
        within_texts = kind == 0x00FC || within_texts && kind == 0x003C;
    }
    let lengths = shared_text_lengths(&shared);
    // What cannot be measured is taken for as long as a text can be.
    let longest = shared.iter().map(|part| part.len() as u64).sum::<u64>().min(65_535);
    for start in sheets {
        let (mut rows, mut columns) = ((u64::MAX, 0), (u64::MAX, 0));
        for record in BiffRecords(workbook.get(start..)?) {
            let (kind, data) = record?;
            // Formula, number, label, rich label, boolean, RK, shared text, several RKs.
            if matches!(kind, 0x0006 | 0x0203 | 0x0204 | 0x00D6 | 0x0205 | 0x027E | 0x00FD | 0x00BD) {
                let (row, first) = (u64::from(u16_at(data, 0)?), u64::from(u16_at(data, 2)?));
                let last = if kind == 0x00BD { u64::from(u16_at(data, data.len().checked_sub(2)?)?).max(first) } else { first };
                rows = (rows.0.min(row), rows.1.max(row));
                columns = (columns.0.min(first), columns.1.max(last));
                if kind == 0x00FD {
                    let characters = lengths.get(u32_at(data, 6)? as usize).map_or(longest, |length| u64::from(*length));
                    // A character has at most three bytes in UTF-8.
                    size.text = size.text.saturating_add(characters * 3);
                }
            } else if kind == 0x0200 {
                // The reader reserves room for what a sheet claims to span.
                let (first_row, last_row, last_column) = match data.len() {
                    10 => (u64::from(u16_at(data, 0)?), u64::from(u16_at(data, 2)?), u64::from(u16_at(data, 6)?)),
                    14.. => (u64::from(u32_at(data, 0)?), u64::from(u32_at(data, 4)?), u64::from(u16_at(data, 10)?)),
                    _ => return None,
                };
                let claimed = last_row.saturating_sub(first_row).max(1) * last_column.max(1);
                size.area = size.area.saturating_add(claimed);
            }
        }
        if rows.0 <= rows.1 {
            size.area = size.area.saturating_add((rows.1 - rows.0 + 1) * (columns.1 - columns.0 + 1));
        }
    }
    Some(size)
}

/// Characters of each shared text ([MS-XLS] 2.4.265), as far as they can be made out.
///
/// The texts run on over the parts; where a part ends within characters, the next one begins with a byte for their width.
fn shared_text_lengths(parts: &[&[u8]]) -> Vec<u16> {
    let mut lengths = Vec::new();
    let Some((first, mut later)) = parts.split_first() else { return lengths };
    let mut part = first.get(8..).unwrap_or_default();
    loop {
        while part.is_empty() {
            let Some((next, rest)) = later.split_first() else { return lengths };
            (part, later) = (next, rest);
        }
        let (Some(length), Some(flags)) = (u16_at(part, 0), part.get(2).copied()) else { return lengths };
        let mut at = 3;
        let mut behind = 0;
        if flags & 8 != 0 {
            let Some(runs) = u16_at(part, at) else { return lengths };
            (at, behind) = (at + 2, behind + usize::from(runs) * 4);
        }
        if flags & 4 != 0 {
            let Some(extension) = u32_at(part, at) else { return lengths };
            (at, behind) = (at + 4, behind + extension as usize);
        }
        part = &part[at.min(part.len())..];
        let (mut characters, mut width) = (usize::from(length), 1 + usize::from(flags & 1));
        while characters > 0 {
            let here = characters.min(part.len() / width);
            characters -= here;
            part = &part[here * width..];
            if characters > 0 {
                let Some((next, rest)) = later.split_first() else { return lengths };
                let Some((flags, next)) = next.split_first() else { return lengths };
                (part, later, width) = (next, rest, 1 + usize::from(flags & 1));
            }
        }
        while behind > part.len() {
            behind -= part.len();
            let Some((next, rest)) = later.split_first() else { return lengths };
            (part, later) = (next, rest);
        }
        part = &part[behind..];
        lengths.push(length);
    }
}

/// Records as kind and data, up to the end of the stream.
struct BiffRecords<'a>(&'a [u8]);

impl<'a> Iterator for BiffRecords<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.len() < 4 {
            return None;
        }
        let (Some(kind), Some(length)) = (u16_at(self.0, 0), u16_at(self.0, 2)) else { return None };
        let end = 4 + usize::from(length);
        let Some(data) = self.0.get(4..end) else {
            self.0 = &[];
            return Some(None);
        };
        self.0 = &self.0[end..];
        Some(Some((kind, data)))
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zip::write::{SimpleFileOptions, ZipWriter};

    use crate::preview;

    use super::*;

    /// A workbook of one sheet (or more) of hand-written rows, and the parts Excel wants.
    fn xlsx(sheets: &[(&str, &str, &str)]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let mut part = |name: &str, text: &str| {
            archive.start_file(name, SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        };
        let list: String = sheets
            .iter()
            .zip(1..)
            .map(|((name, state, _), id)| format!("<sheet name=\"{name}\" sheetId=\"{id}\" state=\"{state}\" r:id=\"rId{id}\"/>"))
            .collect();
        let relations: String = (1..=sheets.len())
            .map(|id| format!("<Relationship Id=\"rId{id}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet{id}.xml\"/>"))
            .collect();
        part(
            "xl/workbook.xml",
            &format!(
                "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>{list}</sheets></workbook>"
            ),
        );
        part(
            "_rels/.rels",
            "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>",
        );
        part(
            "xl/_rels/workbook.xml.rels",
            &format!("<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{relations}</Relationships>"),
        );
        part(
            "xl/styles.xml",
            "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>",
        );
        for ((_, _, rows), id) in sheets.iter().zip(1..) {
            part(
                &format!("xl/worksheets/sheet{id}.xml"),
                &format!(
                    "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{rows}</sheetData></worksheet>"
                ),
            );
        }
        archive.finish().unwrap().into_inner()
    }

    fn text(at: &str, value: &str) -> String {
        format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{value}</t></is></c>")
    }

    fn check(bytes: &[u8]) -> Result<Preview, Error> {
        preview(Cursor::new(bytes), "a.xlsx", None, Limits::default())
    }

    #[test]
    fn the_first_visible_sheet_is_shown() {
        let rows = format!(
            "<row r=\"2\">{}{}{}</row><row r=\"3\">{}<c r=\"C3\" s=\"1\"><v>45383</v></c><c r=\"D3\"><v>34.5</v></c></row><row r=\"9\">{}<c r=\"C9\" s=\"2\"><v>45383.5</v></c><c r=\"D9\"><v>12</v></c></row>",
            text("B2", "コード"),
            text("C2", "日付"),
            text("D2", "値"),
            text("B3", "034100"),
            text("B9", "000001")
        );
        let hidden = format!("<row r=\"1\">{}</row>", text("A1", "secret"));
        let table = check(&xlsx(&[("下書き", "hidden", &hidden), ("空", "visible", ""), ("一覧", "visible", &rows)])).unwrap();
        assert_eq!((table.format, table.sheet.as_deref(), table.encoding), (TableFormat::Xlsx, Some("一覧"), None));
        assert_eq!(table.columns, ["コード", "日付", "値"]);
        assert_eq!(table.rows, [["034100", "2024-04-01", "34.5"], ["000001", "2024-04-01T12:00:00", "12"]]);
        assert_eq!((table.total_rows, table.truncated), (Some(2), false));
        assert!(table.notes.iter().any(|note| note.en.contains("1 sheet(s) are hidden")));
        assert!(table.notes.iter().any(|note| note.en.contains("there are 2 sheets")));
    }

    #[test]
    fn a_cell_in_the_last_corner_costs_nothing() {
        let rows = format!("<row r=\"1\">{}{}</row><row r=\"1048576\">{}</row>", text("A1", "a"), text("B1", "b"), text("XFD1048576", "x"));
        let table = check(&xlsx(&[("s", "visible", &rows)])).unwrap();
        assert_eq!((table.columns.len(), table.truncated), (2, true));
    }

    #[test]
    fn rows_beyond_those_shown_are_counted() {
        let rows: String = (1..=1_000)
            .map(|row| format!("<row r=\"{row}\">{}<c r=\"B{row}\"><v>{row}</v></c></row>", text(&format!("A{row}"), "x")))
            .collect();
        let header = rows.replacen("<c r=\"B1\"><v>1</v></c>", &text("B1", "値"), 1);
        let table = check(&xlsx(&[("s", "visible", &header)])).unwrap();
        assert_eq!((table.rows.len(), table.total_rows, table.truncated), (100, Some(999), true));
    }

    #[test]
    fn workbooks_that_unpack_to_too_much_are_refused() {
        let rows = format!("<row r=\"1\">{}</row>{}", text("A1", "a"), " ".repeat(3_000_000));
        let bytes = xlsx(&[("s", "visible", &rows)]);
        assert!(bytes.len() < 20_000);
        let limits = Limits { unpacked_bytes: 2_000_000, ..Limits::default() };
        assert!(matches!(preview(Cursor::new(&bytes), "a.xlsx", None, limits), Err(Error::TooLarge { .. })));
        // The same with a directory that says one byte: sizes stand before the name in both headers.
        let mut lying = bytes.clone();
        let size = 3_000_000_u32;
        for at in 0..lying.len() - 4 {
            let value = u32_at(&lying, at).unwrap();
            if (size..size + 500).contains(&value) {
                lying[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
            }
        }
        assert_ne!(bytes, lying);
        assert!(preview(Cursor::new(&lying), "a.xlsx", None, limits).is_err());
        assert!(check(&bytes).is_ok());
    }

    #[test]
    fn other_archives_are_named() {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("word/document.xml", SimpleFileOptions::default()).unwrap();
        let bytes = archive.finish().unwrap().into_inner();
        assert!(preview(Cursor::new(&bytes), "a.zip", None, Limits::default()).unwrap_err().to_string().contains("DOCX"));
        assert!(matches!(check(&bytes[..30]), Err(Error::Broken { .. })));
    }

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes(), &(data.len() as u16).to_le_bytes(), data].concat()
    }

    /// A label of BIFF8 in one-byte characters.
    fn label(row: u16, column: u16, value: &str) -> Vec<u8> {
        let mut data = [row, column, 0, value.len() as u16].map(u16::to_le_bytes).concat();
        data.push(0);
        data.extend(value.as_bytes());
        record(0x0204, &data)
    }

    fn shared(row: u16, column: u16, index: u32) -> Vec<u8> {
        let mut data = [row, column, 0].map(u16::to_le_bytes).concat();
        data.extend(index.to_le_bytes());
        record(0x00FD, &data)
    }

    /// An XLS stream with one sheet of these records.
    fn xls_stream(globals: &[u8], sheet: &[u8]) -> Vec<u8> {
        let begin = |kind: u16| record(0x0809, &[0x0600, kind, 0, 0, 0, 0, 0, 0].map(u16::to_le_bytes).concat());
        let bound = |start: u32| {
            let mut data = start.to_le_bytes().to_vec();
            data.extend([0, 0, 1, 0, b's']);
            record(0x0085, &data)
        };
        let end = record(0x000A, &[]);
        let start = begin(5).len() + bound(0).len() + globals.len() + end.len();
        [begin(5), bound(start as u32), globals.to_vec(), end.clone(), begin(0x10), sheet.to_vec(), end].concat()
    }

    fn xls(stream: &[u8]) -> Vec<u8> {
        let mut container = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        container.create_stream("/Workbook").unwrap().write_all(stream).unwrap();
        container.flush().unwrap();
        container.into_inner().into_inner()
    }

    #[test]
    fn old_workbooks_are_read() {
        let number =
            record(0x0203, &[1_u16, 1, 0].map(u16::to_le_bytes).concat().into_iter().chain(12.5_f64.to_le_bytes()).collect::<Vec<u8>>());
        let texts = record(0x00FC, &[1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, b'h', b'i']);
        let sheet = [label(0, 0, "name"), label(0, 1, "value"), shared(1, 0, 0), number].concat();
        let table = preview(Cursor::new(xls(&xls_stream(&texts, &sheet))), "a.xls", None, Limits::default()).unwrap();
        assert_eq!((table.format, table.columns.join(",")), (TableFormat::Xls, "name,value".to_owned()));
        assert_eq!(table.rows, [["hi", "12.5"]]);
    }

    #[test]
    fn old_workbooks_that_would_fill_the_memory_are_refused() {
        let too_large = |globals: &[u8], sheet: &[u8]| {
            let result = preview(Cursor::new(xls(&xls_stream(globals, sheet))), "a.xls", None, Limits::default());
            assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
        };
        too_large(&[], &[label(0, 0, "a"), label(65_535, 65_535, "b")].concat());
        let claim: Vec<u8> = [0_u32, u32::MAX].map(u32::to_le_bytes).concat().into_iter().chain([0, 0, 255, 255, 0, 0]).collect();
        too_large(&[], &[record(0x0200, &claim), label(0, 0, "a")].concat());
        let long = [vec![1, 0, 0, 0, 1, 0, 0, 0, 0x40, 0x1F, 0], vec![b'x'; 8_000]].concat();
        let many: Vec<u8> = (0..20_000).flat_map(|row| shared(row, 0, 0)).collect();
        too_large(&record(0x00FC, &long), &many);
    }

    #[test]
    fn shared_texts_are_measured_over_parts() {
        let first = [&[3, 0, 0, 0, 3, 0, 0, 0][..], &[2, 0, 0, b'a', b'b'], &[3, 0, 8, 1, 0, b'x']].concat();
        let second = [&[1][..], &[b'y', 0, b'z', 0], &[0; 4], &[1, 0, 0, b'q']].concat();
        assert_eq!(shared_text_lengths(&[&first, &second]), [2, 3, 1]);
        assert_eq!(shared_text_lengths(&[&first]), [2]);
        assert_eq!(shared_text_lengths(&[]), [0_u16; 0]);
    }

    #[test]
    fn word_documents_and_protected_workbooks_are_told_apart() {
        for (stream, words) in [("/WordDocument", "DOC"), ("/EncryptedPackage", "protected by a password")] {
            let mut container = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
            container.create_stream(stream).unwrap();
            let bytes = container.into_inner().into_inner();
            assert!(check(&bytes).unwrap_err().to_string().contains(words), "{stream}");
        }
    }

    proptest! {
        #[test]
        fn any_damage_is_an_error_or_a_table(at in any::<prop::sample::Index>(), value in any::<u8>(), length in any::<prop::sample::Index>()) {
            let rows = format!("<row r=\"1\">{}{}</row>", text("A1", "a"), text("B1", "b"));
            for bytes in [xlsx(&[("s", "visible", &rows)]), xls(&xls_stream(&[], &[label(0, 0, "a"), label(1, 1, "b")].concat()))] {
                let mut damaged = bytes.clone();
                damaged[at.index(bytes.len())] = value;
                for part in [&damaged[..], &damaged[..length.index(bytes.len())]] {
                    if let Ok(table) = check(part) {
                        prop_assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
                    }
                }
            }
        }

        #[test]
        fn any_records_can_be_measured(stream in any::<Vec<u8>>()) {
            xls_size(&stream);
            shared_text_lengths(&[&stream, &stream]);
            let _ = check(&xls(&xls_stream(&[], &stream)));
        }
    }
}
