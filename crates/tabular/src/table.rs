//! From records to a table: which record is the header, what is odd about the rest.

use minato_catalog::Text;

use crate::{Encoding, Error, Limits, Preview, TableFormat};

/// Most records above the data that are searched for the header.
pub(crate) const HEADER_SEARCH: usize = 40;

/// Records as read, those without any value left out.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// The first records, at least [`Records::wanted`] when there are as many.
    pub(crate) first: Vec<Vec<String>>,
    /// Number of all records with a value; `None` when the file was not read to its end.
    pub(crate) count: Option<u64>,
    /// Whether columns or parts of cells were left out while reading.
    pub(crate) cut: bool,
    /// What the reader has to say.
    pub(crate) notes: Vec<Text>,
}

impl Records {
    /// How many records a reader must keep.
    pub(crate) fn wanted(limits: Limits) -> usize {
        limits.rows.saturating_add(HEADER_SEARCH)
    }
}

/// Where the records come from.
pub(crate) struct Source {
    pub(crate) format: TableFormat,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) sheet: Option<String>,
    pub(crate) empty: Error,
}

/// The table in `records`.
pub(crate) fn table(mut records: Records, source: Source, limits: Limits) -> Result<Preview, Error> {
    if records.first.is_empty() {
        return Err(source.empty);
    }
    let mut notes = std::mem::take(&mut records.notes);
    let (groups, header) = find_header(&records.first);
    let below = skip_property_rows(&records.first, header);
    note_rows_above(&mut notes, &records.first[..header]);

    let columns = column_names(&records.first[groups..=header]);
    let total_rows = records.count.map(|count| count.saturating_sub(below as u64));
    let body: Vec<Vec<String>> = records.first.drain(below..).collect();
    note_ragged_rows(&mut notes, &columns, &body);

    let mut columns = columns;
    let mut rows: Vec<Vec<String>> = body;
    let filled = |row: &Vec<String>| row.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
    let width = filled(&columns).max(rows.iter().map(filled).max().unwrap_or(0));
    columns.resize(width, String::new());
    note_names(&mut notes, &columns);

    let shown_width = width.min(limits.columns);
    columns.truncate(shown_width);
    let more_rows = rows.len() > limits.rows || total_rows.is_none_or(|total| total > limits.rows as u64);
    rows.truncate(limits.rows);
    for row in &mut rows {
        row.resize(shown_width, String::new());
    }
    let mut truncated = records.cut || more_rows || width > shown_width;
    for cell in columns.iter_mut().chain(rows.iter_mut().flatten()) {
        truncated |= clip(cell, limits.cell_chars);
    }
    Ok(Preview { format: source.format, encoding: source.encoding, sheet: source.sheet, columns, rows, total_rows, truncated, notes })
}

/// The names of the columns by the first records, which have a value each, and the position of the first record below them.
pub(crate) fn data_below(records: &[Vec<String>]) -> (Vec<String>, usize) {
    if records.is_empty() {
        return (Vec::new(), 0);
    }
    let (groups, header) = find_header(records);
    (column_names(&records[groups..=header]), skip_property_rows(records, header))
}

/// Positions among the first records, which have a value each: of the first group row above the header, and of the header. Equal without groups.
fn find_header(records: &[Vec<String>]) -> (usize, usize) {
    let search = &records[..records.len().min(HEADER_SEARCH)];
    if let Some(property) = search.iter().position(|record| first_cell(record).starts_with("#property")) {
        return (property, property);
    }
    let mut counts: Vec<usize> = records.iter().map(|record| filled_count(record)).collect();
    counts.sort_unstable();
    let usual = counts[counts.len() / 2];
    let enough = (usual * 6).div_ceil(10).max(usual.min(2));
    let Some(first) = search.iter().position(|record| filled_count(record) >= enough) else { return (0, 0) };
    (first, below_group_rows(search, first))
}

/// Passes over group rows (`水位 | 水位 | ダム`): within three records one of words only follows, which is fuller or fills gaps, and numbers begin
/// below it.
fn below_group_rows(records: &[Vec<String>], first: usize) -> usize {
    if records[first].iter().any(|cell| is_number(cell)) {
        return first;
    }
    let mut header = first;
    for next in first + 1..(first + 4).min(records.len()) {
        let words_only = !records[next].iter().any(|cell| is_number(cell));
        let fuller = filled_count(&records[next]) > filled_count(&records[header]) || gaps_filled(&records[header], &records[next]) >= 2;
        let below = &records[next + 1..(next + 6).min(records.len())];
        let numbers_below = !below.is_empty() && below.iter().all(|record| record.iter().any(|cell| is_number(cell)));
        if words_only && fuller && numbers_below {
            header = next;
        }
    }
    header
}

/// Columns without a value in `above` that have one in `below`.
fn gaps_filled(above: &[String], below: &[String]) -> usize {
    let has_gap = |column: usize| above.get(column).is_none_or(|cell| is_blank(cell));
    below.iter().enumerate().filter(|(column, cell)| !is_blank(cell) && has_gap(*column)).count()
}

/// The names in the last of these rows. Where it has none, a cell merged downwards does, and stands in a group row.
fn column_names(rows: &[Vec<String>]) -> Vec<String> {
    let Some((header, groups)) = rows.split_last() else { return Vec::new() };
    let name_above = |column: usize| groups.iter().rev().filter_map(|row| row.get(column)).find(|cell| !is_blank(cell));
    let names = header.iter().enumerate().map(|(column, name)| if is_blank(name) { name_above(column).unwrap_or(name) } else { name });
    names.map(|name| one_line(name)).collect()
}

/// Below LinkData's `#property` row stand more rows of that kind; they are no data.
fn skip_property_rows(records: &[Vec<String>], header: usize) -> usize {
    let mut below = header + 1;
    if first_cell(&records[header]).starts_with("#property") {
        while records.get(below).is_some_and(|record| first_cell(record).starts_with('#')) {
            below += 1;
        }
    }
    below
}

fn note_rows_above(notes: &mut Vec<Text>, above: &[Vec<String>]) {
    if above.is_empty() {
        return;
    }
    let words: Vec<String> = above.iter().flatten().filter(|cell| !is_blank(cell)).map(|cell| one_line(cell)).collect();
    let mut words = words.join(" ");
    clip(&mut words, 80);
    let count = above.len();
    notes.push(Text::new(
        format!("列名の行の上に {count} 行（「{words}」）があります。表題や日付はデータセットの説明に書き、1 行目を列名にすると機械でも読みやすくなります。"),
        format!("{count} row(s) stand above the header (`{words}`); put titles and dates into the description and column names into row 1, so that programs can read it"),
    ));
}

fn note_ragged_rows(notes: &mut Vec<Text>, columns: &[String], rows: &[Vec<String>]) {
    let width = columns.len();
    let ragged: Vec<usize> = rows.iter().enumerate().filter(|(_, row)| row.len() != width).map(|(index, _)| index + 1).collect();
    let Some(first) = ragged.first() else { return };
    let (count, found) = (ragged.len(), rows[first - 1].len());
    notes.push(Text::new(
        format!("列の数が列名（{width} 列）と違う行が {count} 行あります。最初は {first} 行目のデータ（{found} 列）です。区切りや引用符を確認してください。"),
        format!("{count} row(s) do not have the header's {width} columns; the first is data row {first} with {found}: check its separators and quotes"),
    ));
}

fn note_names(notes: &mut Vec<Text>, columns: &[String]) {
    let unnamed: Vec<String> =
        columns.iter().enumerate().filter(|(_, name)| is_blank(name)).map(|(index, _)| (index + 1).to_string()).collect();
    if !unnamed.is_empty() {
        let (count, list) = (unnamed.len(), unnamed.iter().take(10).cloned().collect::<Vec<_>>().join(", "));
        notes.push(Text::new(
            format!("列名のない列が {count} 列あります（{list} 列目）。列名を付けてください。"),
            format!("{count} column(s) have no name (column {list}); name them"),
        ));
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(name) = columns.iter().find(|name| !is_blank(name) && !seen.insert(name.as_str())) {
        let name: String = name.chars().take(40).collect();
        notes.push(Text::new(
            format!("同じ列名「{name}」が複数あります。区別できる名前にしてください。"),
            format!("the column name `{name}` occurs more than once; make names different"),
        ));
    }
}

pub(crate) fn is_blank(cell: &str) -> bool {
    cell.chars().all(|c| c.is_whitespace() || c == '\u{FEFF}')
}

/// Shortens to `limit` characters with `…` for the rest; returns whether it did.
pub(crate) fn clip(cell: &mut String, limit: usize) -> bool {
    if cell.len() <= limit {
        return false;
    }
    let Some((end, _)) = cell.char_indices().nth(limit) else { return false };
    cell.truncate(end);
    cell.push('…');
    true
}

fn one_line(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_cell(record: &[String]) -> &str {
    record.first().map_or("", |cell| cell.trim())
}

fn filled_count(record: &[String]) -> usize {
    record.iter().filter(|cell| !is_blank(cell)).count()
}

/// Digits with what usually stands among them. A year in a header is a word.
fn is_number(cell: &str) -> bool {
    let cell = cell.trim();
    let year = cell.len() == 4 && matches!(cell.parse(), Ok(1900..=2100_u32));
    let mark = |c: char| matches!(c, '.' | ',' | '-' | '+' | '%' | '/' | ':' | ' ' | '▲' | '△');
    !year && cell.chars().any(|c| c.is_ascii_digit()) && cell.chars().all(|c| c.is_ascii_digit() || mark(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    fn preview(text: &str) -> Preview {
        let first = records(text);
        let count = Some(first.len() as u64);
        let source =
            Source { format: TableFormat::Csv, encoding: None, sheet: None, empty: Error::Empty { file_name: "a.csv".to_owned() } };
        table(Records { first, count, ..Records::default() }, source, Limits::default()).unwrap()
    }

    #[test]
    fn the_header_is_found() {
        for (text, expected) in [
            ("a,b,c\n1,2,3\n4,5,6", 0),
            ("避難所一覧,,\n番号,名称,住所\n1,公民館,呉市\n2,体育館,竹原市", 1),
            (",,表題,,\n,,,,令和4年1月1日現在\n医療圏,施設名,所在地,電話,病床数\n中央,A病院,1-1,03-1,320\n,B病院,2-2,03-2,482", 2),
            ("表題,,,,,R4.4現在\n課,名称,住所,管理者,期間,備考\n財政課,会館,呉市,団体,R2～R6,\n,広場,呉市,会社,R2～R6,", 1),
            (",,,水位,水位,ダム\n,,,局,局,局\n種別,番号,名称,警戒,危険,流量\n雨,1,江波,2,3,4\n雨,2,呉,2,3,4", 2),
            ("#file,x,\n#property,種類,緯度\n#type,string,float\nA,観る,34.1\nB,観る,34.2", 1),
            ("年度,2015,2016,2017\n人口,10,20,30\n世帯,1,2,3", 0),
            ("名称\nA\nB", 0),
            ("名称,備考\nA,\nB,\nC,", 0),
            ("名称,住所,種別\nA,呉市,公園\nB,三原市,広場", 0),
            ("only,one", 0),
        ] {
            assert_eq!(find_header(&records(text)).1, expected, "{text}");
        }
    }

    #[test]
    fn names_merged_downwards_are_taken_from_the_group_row() {
        let table = preview("表題,,,,\n区分,総数,年齢別,,\n,,年少,生産,老年\n中区,100,10,60,30\n南区,90,9,51,30");
        assert_eq!(table.columns, ["区分", "総数", "年少", "生産", "老年"]);
        assert_eq!((table.total_rows, table.notes.len()), (Some(2), 1));
    }

    #[test]
    fn rows_above_and_property_rows_are_not_counted() {
        let table = preview("避難所一覧,,\n番号,名称,住所\n001,公民館,呉市\n002,体育館,竹原市");
        assert_eq!((table.total_rows, table.rows.len()), (Some(2), 2));
        assert_eq!(table.rows[0][0], "001");
        assert!(table.notes[0].ja.contains("避難所一覧"));
        let table = preview("#file,x,\n#property,種類,緯度\n#type,string,float\nA,観る,34.1\nB,観る,34.2");
        assert_eq!((table.total_rows, table.columns[0].as_str()), (Some(2), "#property"));
        assert_eq!(table.rows[0], ["A", "観る", "34.1"]);
    }

    #[test]
    fn ragged_rows_are_kept_with_a_note() {
        let table = preview("a,b,c\n1,2\n1,2,3,4\n1,2,3");
        assert_eq!(table.columns, ["a", "b", "c", ""]);
        assert_eq!(table.rows[0], ["1", "2", "", ""]);
        assert!(table.notes.iter().any(|note| note.en.contains("2 row(s) do not have the header's 3 columns; the first is data row 1")));
        assert!(table.notes.iter().any(|note| note.en.contains("have no name (column 4)")));
        assert_eq!(preview("a,b\n1,2").notes, []);
    }

    #[test]
    fn empty_columns_to_the_right_are_dropped() {
        let table = preview("a,b,,\n1,2,,\n3,4,,");
        assert_eq!(table.columns, ["a", "b"]);
        assert_eq!(table.notes, []);
    }

    #[test]
    fn equal_names_are_told() {
        assert!(preview("a,b,a\n1,2,3").notes[0].en.contains("`a` occurs more than once"));
    }

    #[test]
    fn long_cells_are_clipped() {
        let table = preview(&format!("a,b\n{},2", "長".repeat(301)));
        assert_eq!(table.rows[0][0].chars().count(), 301);
        assert!(table.rows[0][0].ends_with('…') && table.truncated);
        assert!(!preview(&format!("a,b\n{},2", "長".repeat(300))).truncated);
    }
}
