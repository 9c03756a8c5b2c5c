//! Workbooks written by hand, so that reading them is an independent check.

use std::io::{Cursor, Write};

use zip::write::{SimpleFileOptions, ZipWriter};

/// A cell with a text.
pub(crate) fn text(at: &str, value: &str) -> String {
    let value = value.replace('&', "&amp;").replace('<', "&lt;");
    format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{value}</t></is></c>")
}

/// A row of texts, from column A on.
pub(crate) fn row(number: usize, cells: &[&str]) -> String {
    let cells: String =
        cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()).map(|(index, cell)| text(&at(number, index), cell)).collect();
    format!("<row r=\"{number}\">{cells}</row>")
}

fn at(row: usize, column: usize) -> String {
    let letter = |index: usize| char::from(b'A' + index as u8);
    if column < 26 { format!("{}{row}", letter(column)) } else { format!("{}{}{row}", letter(column / 26 - 1), letter(column % 26)) }
}

/// A workbook of sheets: name, state, rows, and what follows the rows.
pub(crate) fn xlsx(sheets: &[(&str, &str, &str, &str)]) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    let list: String = (1..)
        .zip(sheets)
        .map(|(id, (name, state, ..))| format!("<sheet name=\"{name}\" sheetId=\"{id}\" state=\"{state}\" r:id=\"rId{id}\"/>"))
        .collect();
    let relations: String = (1..=sheets.len())
        .map(|id| format!("<Relationship Id=\"rId{id}\" Type=\"{RELATION}/worksheet\" Target=\"worksheets/sheet{id}.xml\"/>"))
        .collect();
    let mut parts = vec![
        (
            "_rels/.rels".to_owned(),
            format!(
                "<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"rId1\" Type=\"{RELATION}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        ("xl/workbook.xml".to_owned(), format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATION}\"><sheets>{list}</sheets></workbook>")),
        ("xl/_rels/workbook.xml.rels".to_owned(), format!("<Relationships xmlns=\"{RELATIONS}\">{relations}</Relationships>")),
        // The first style is none, the second a day, the third a moment.
        (
            "xl/styles.xml".to_owned(),
            format!(
                "<styleSheet xmlns=\"{MAIN}\"><cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>"
            ),
        ),
    ];
    for (id, (_, _, rows, tail)) in (1..).zip(sheets) {
        parts.push((
            format!("xl/worksheets/sheet{id}.xml"),
            format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData>{tail}</worksheet>"),
        ));
    }
    zip(&parts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect::<Vec<_>>())
}

pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// An old workbook (BIFF8) of one sheet.
pub(crate) fn xls(rows: &[&[&str]]) -> Vec<u8> {
    let record = |kind: u16, data: &[u8]| [&kind.to_le_bytes(), &(data.len() as u16).to_le_bytes(), data].concat();
    let begin = |kind: u16| record(0x0809, &[0x0600, kind, 0, 0, 0, 0, 0, 0].map(u16::to_le_bytes).concat());
    let mut sheet = Vec::new();
    for (row, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let units: Vec<u16> = cell.encode_utf16().collect();
            let mut data = [row as u16, column as u16, 0, units.len() as u16].map(u16::to_le_bytes).concat();
            data.push(1);
            data.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
            sheet.extend(record(0x0204, &data));
        }
    }
    let end = record(0x000A, &[]);
    let bound = |start: u32| record(0x0085, &[&start.to_le_bytes()[..], &[0, 0, 1, 0, b's']].concat());
    let start = begin(5).len() + bound(0).len() + end.len();
    let stream = [begin(5), bound(start as u32), end.clone(), begin(0x10), sheet, end].concat();
    let mut container = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    container.create_stream("/Workbook").unwrap().write_all(&stream).unwrap();
    container.flush().unwrap();
    container.into_inner().into_inner()
}
