//! Tables for a terminal.

/// Columns padded to their widest cell: the first to the left, the others to the left too unless every cell is a figure.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let columns = header.len();
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let is_figure = |text: &str| text.starts_with(|first: char| first.is_ascii_digit()) || matches!(text, "" | "-");
    let mut text = String::new();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| width(&cell(row, column))).chain([width(header[column])]).max().unwrap_or(0))
        .collect();
    let right: Vec<bool> = (0..columns).map(|column| column > 0 && rows.iter().all(|row| is_figure(&cell(row, column)))).collect();
    let heading: Vec<String> = header.iter().map(|&title| title.to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    for row in [&heading, &rule].into_iter().chain(rows) {
        let mut line = String::new();
        for column in 0..columns {
            let cell = cell(row, column);
            let space = " ".repeat(widths[column].saturating_sub(width(&cell)));
            line += &if right[column] { format!("{space}{cell}  ") } else { format!("{cell}{space}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// With a separator between thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns on a terminal; what is not ASCII here is Japanese and takes two.
fn width(text: &str) -> usize {
    text.chars().map(|char| if char.is_ascii() { 1 } else { 2 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["呉市".to_owned(), "7".to_owned(), "ckan".to_owned()], vec!["x".to_owned(), "12".to_owned(), "dcat".to_owned()]];
        assert_eq!(table(&["site", "n", "kind"], &rows), "site   n  kind\n----  --  ----\n呉市   7  ckan\nx     12  dcat\n");
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!((thousands(7), thousands(1_000), thousands(1_234_567)), ("7".into(), "1,000".into(), "1,234,567".into()));
    }
}
