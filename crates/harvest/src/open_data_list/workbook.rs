//! Workbooks, rewritten sheet by sheet as numbered rows. Nobody should trust them: they can claim to be far larger than they are, and be it.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek};

use calamine::{Data, Dimensions, ExcelDateTime, Reader, Sheet, SheetType, SheetVisible, Xls, Xlsx};
use minato_catalog::Text;
use zip::ZipArchive;

use super::table::{Table, unreadable};

/// Most bytes that the parts of an XLSX file unpack to.
const UNPACKED_BYTES_MAX: u64 = 1_000_000_000;
/// Most bytes of the texts that cells of an XLSX file share: they are in memory while it is read.
const TEXTS_BYTES_MAX: u64 = 200_000_000;
/// Most bytes of an XLS file: it is in memory while it is read.
const XLS_BYTES_MAX: u64 = 64_000_000;
/// Most cells that the sheets of an XLS file may span, each as a rectangle.
const XLS_AREA_MAX: u64 = 4_000_000;
/// Columns read; the widest inventory has 45.
const COLUMNS_MAX: usize = 300;
/// Most merged regions that are filled.
const REGIONS_MAX: usize = 100_000;
/// Sheets looked at.
const SHEETS_MAX: usize = 30;

pub(super) fn xlsx<T>(mut file: File, mut take: impl FnMut(Table) -> Result<Option<T>, Text>) -> Result<Option<T>, Text> {
    check_parts(&mut file)?;
    let mut workbook = Xlsx::new(BufReader::new(file)).map_err(|error| broken(&error))?;
    for name in visible_sheets(workbook.sheets_metadata()) {
        let regions = workbook.merge_cells_by_sheet_name(&name).unwrap_or_default();
        let mut rows = Rows::new(regions).map_err(|error| unreadable(&error))?;
        let mut cells = workbook.worksheet_cells_reader(&name).map_err(|error| broken(&error))?;
        while let Some(cell) = cells.next_cell().map_err(|error| broken(&error))? {
            let (row, column) = cell.get_position();
            rows.add(row, column, || text_of(Data::from(cell.get_value().clone())))?;
        }
        if let Some(taken) = take(rows.finish()?)? {
            return Ok(Some(taken));
        }
    }
    Ok(None)
}

pub(super) fn xls<T>(file: File, mut take: impl FnMut(Table) -> Result<Option<T>, Text>) -> Result<Option<T>, Text> {
    let bytes = checked_xls(file)?;
    let mut workbook = Xls::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    for name in visible_sheets(workbook.sheets_metadata()) {
        let range = workbook.worksheet_range(&name).map_err(|error| broken(&error))?;
        let (first_row, first_column) = range.start().unwrap_or_default();
        let mut rows = Rows::new(Vec::new()).map_err(|error| unreadable(&error))?;
        for (row, column, value) in range.used_cells() {
            rows.add(first_row + row as u32, first_column + column as u32, || text_of(value.clone()))?;
        }
        if let Some(taken) = take(rows.finish()?)? {
            return Ok(Some(taken));
        }
    }
    Ok(None)
}

fn visible_sheets(sheets: &[Sheet]) -> Vec<String> {
    let visible = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    visible.take(SHEETS_MAX).map(|sheet| sheet.name.clone()).collect()
}

/// A sheet on its way to a file, row by row.
struct Rows {
    writer: csv::Writer<BufWriter<File>>,
    row: u32,
    cells: Vec<String>,
    /// Regions merged over several rows, by their first row: what stands in the first cell is meant in all.
    merged: HashMap<u32, Vec<Dimensions>>,
    /// Those that reach the present row, and their text.
    open: Vec<(Dimensions, String)>,
}

impl Rows {
    fn new(regions: Vec<Dimensions>) -> io::Result<Rows> {
        let mut merged: HashMap<u32, Vec<Dimensions>> = HashMap::new();
        for region in regions.into_iter().filter(|region| region.end.0 > region.start.0).take(REGIONS_MAX) {
            merged.entry(region.start.0).or_default().push(region);
        }
        let writer = csv::WriterBuilder::new().flexible(true).from_writer(BufWriter::new(tempfile::tempfile()?));
        Ok(Rows { writer, row: 0, cells: Vec::new(), merged, open: Vec::new() })
    }

    fn add(&mut self, row: u32, column: u32, text: impl FnOnce() -> String) -> Result<(), Text> {
        if row != self.row {
            self.end_row()?;
            self.row = row;
        }
        let column = column as usize;
        if column < COLUMNS_MAX {
            let text = text();
            if !text.is_empty() {
                if self.cells.len() <= column {
                    self.cells.resize(column + 1, String::new());
                }
                self.cells[column] = text;
            }
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Text> {
        let mut cells = std::mem::take(&mut self.cells);
        self.open.retain(|(region, _)| region.end.0 >= self.row);
        for (region, text) in &self.open {
            let column = region.start.1 as usize;
            if cells.len() <= column {
                cells.resize(column + 1, String::new());
            }
            if cells[column].is_empty() {
                cells[column].clone_from(text);
            }
        }
        for region in self.merged.remove(&self.row).unwrap_or_default() {
            if let Some(text) = cells.get(region.start.1 as usize).filter(|text| !text.is_empty()) {
                self.open.push((region, text.clone()));
            }
        }
        if cells.iter().all(String::is_empty) {
            return Ok(());
        }
        let number = (u64::from(self.row) + 1).to_string();
        self.writer.write_record(std::iter::once(&number).chain(&cells)).map_err(|error| unreadable(&io::Error::other(error.to_string())))
    }

    fn finish(mut self) -> Result<Table, Text> {
        self.end_row()?;
        let unreadable = |error: io::Error| unreadable(&error);
        let writer = self.writer.into_inner().map_err(|error| unreadable(io::Error::other(error.to_string())))?;
        let mut file = writer.into_inner().map_err(|error| unreadable(error.into_error()))?;
        file.rewind().map_err(unreadable)?;
        Ok(Table::of_sheet(file, Vec::new()))
    }
}

fn text_of(value: Data) -> String {
    match value {
        // A cell that shows an error holds nothing.
        Data::Empty | Data::Error(_) => String::new(),
        Data::Int(number) => number.to_string(),
        // Whole numbers come out without a fraction.
        Data::Float(number) => number.to_string(),
        Data::String(text) => text.trim().to_owned(),
        Data::Bool(value) => if value { "TRUE" } else { "FALSE" }.to_owned(),
        Data::DateTime(moment) => iso(moment),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text,
    }
}

/// `2026-04-01` or `2026-04-01T09:30:00`.
fn iso(moment: ExcelDateTime) -> String {
    let value = moment.as_f64();
    // Excel's days go from 1900 to 9999-12-31.
    if !(1.0..2_958_466.0).contains(&value) || moment.is_duration() {
        return value.to_string();
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    if (hour, minute, second) == (0, 0, 0) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

fn broken(error: &dyn Display) -> Text {
    let detail: String = error.to_string().chars().take(200).collect();
    Text::new(
        format!("Excel ファイルとして読めません（{detail}）。Excel で開いて保存し直すか、CSV（UTF-8）で公開してください。"),
        format!("the Excel workbook cannot be read: {detail}; save it again, or publish CSV (UTF-8)"),
    )
}

fn too_large() -> Text {
    Text::new(
        "Excel ファイルが展開すると大きすぎます。CSV（UTF-8）で公開してください。",
        "the Excel workbook unpacks to too much; publish CSV (UTF-8)",
    )
}

/// Refuses workbooks that unpack to too much. Sizes in the directory are claims, so everything is unpacked once.
fn check_parts(file: &mut File) -> Result<(), Text> {
    let mut archive = ZipArchive::new(&*file).map_err(|error| broken(&error))?;
    let mut left = UNPACKED_BYTES_MAX;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|error| broken(&error))?;
        let is_texts = part.name().is_ok_and(|name| name.eq_ignore_ascii_case("xl/sharedStrings.xml"));
        let unpacked = io::copy(&mut part.take(left.saturating_add(1)), &mut io::sink()).map_err(|error| broken(&error))?;
        left = left.checked_sub(unpacked).filter(|_| !is_texts || unpacked <= TEXTS_BYTES_MAX).ok_or_else(too_large)?;
    }
    drop(archive);
    file.rewind().map_err(|error| unreadable(&error))
}

/// An XLS file in memory, once its cells are known to fit there too: the reader lays every sheet out as a rectangle.
fn checked_xls(mut file: File) -> Result<Vec<u8>, Text> {
    let mut bytes = Vec::new();
    (&mut file).take(XLS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > XLS_BYTES_MAX {
        return Err(too_large());
    }
    let mut container = cfb::CompoundFile::open(Cursor::new(&bytes)).map_err(|error| broken(&error))?;
    let Some(name) = ["/Workbook", "/Book"].into_iter().find(|name| container.is_stream(name)) else {
        if container.is_stream("/EncryptedPackage") {
            return Err(Text::new(
                "パスワードで保護された Excel ファイルです。保護を外して公開してください。",
                "the Excel workbook is protected by a password; publish it without",
            ));
        }
        return Err(Text::new(
            "Excel でも CSV でもないファイルです。CSV（UTF-8）ファイルの URL を指定してください。",
            "the file is neither Excel nor CSV; give the address of a CSV (UTF-8) file",
        ));
    };
    let mut workbook = Vec::new();
    container.open_stream(name).and_then(|stream| stream.take(XLS_BYTES_MAX).read_to_end(&mut workbook)).map_err(|error| broken(&error))?;
    if xls_area(&workbook).is_none_or(|area| area > XLS_AREA_MAX) {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Cells in the rectangles of all sheets of a BIFF stream ([MS-XLS] 2.1.4); `None` when a record is cut off.
fn xls_area(mut stream: &[u8]) -> Option<u64> {
    let u16_at = |data: &[u8], at: usize| Some(u64::from(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?)));
    let u32_at = |data: &[u8], at: usize| Some(u64::from(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?)));
    let (mut area, mut bounds) = (0_u64, None::<[u64; 4]>);
    let spanned = |bounds: Option<[u64; 4]>| bounds.map_or(0, |[top, left, bottom, right]| (bottom - top + 1) * (right - left + 1));
    while stream.len() >= 4 {
        let (kind, length) = (u16_at(stream, 0)?, u16_at(stream, 2)? as usize);
        let data = stream.get(4..4 + length)?;
        stream = &stream[4 + length..];
        match kind {
            // A new sheet begins.
            0x0809 => {
                area = area.saturating_add(spanned(bounds.take()));
            }
            // Formula, number, label, rich label, boolean, RK, shared text, several RKs.
            0x0006 | 0x0203 | 0x0204 | 0x00D6 | 0x0205 | 0x027E | 0x00FD | 0x00BD => {
                let (row, first) = (u16_at(data, 0)?, u16_at(data, 2)?);
                let last = if kind == 0x00BD { u16_at(data, data.len().checked_sub(2)?)?.max(first) } else { first };
                let [top, left, bottom, right] = bounds.unwrap_or([row, first, row, last]);
                bounds = Some([top.min(row), left.min(first), bottom.max(row), right.max(last)]);
            }
            // The reader reserves room for what a sheet claims to span.
            0x0200 => {
                let (first, last, columns) = match data.len() {
                    10 => (u16_at(data, 0)?, u16_at(data, 2)?, u16_at(data, 6)?),
                    14.. => (u32_at(data, 0)?, u32_at(data, 4)?, u16_at(data, 10)?),
                    _ => return None,
                };
                area = area.saturating_add(last.saturating_sub(first).max(1) * columns.max(1));
            }
            _ => {}
        }
    }
    Some(area.saturating_add(spanned(bounds)))
}
