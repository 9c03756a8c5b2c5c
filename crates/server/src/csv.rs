//! Tables for spreadsheets: UTF-8 with a byte order mark, or they would take it for Shift_JIS.

/// What a table begins with.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Most characters of a cell that spreadsheets take.
const CELL_LENGTH_MAX: usize = 32_000;

/// A row.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> String {
    let cells = cells.map(cell);
    format!("{}\r\n", cells.join(","))
}

/// A text as a cell. One that spreadsheets would take for a formula gets an apostrophe before it: others may have written anything.
pub(crate) fn cell(text: &str) -> String {
    let text: String = text.chars().take(CELL_LENGTH_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_texts_and_never_formulas() {
        for (text, expected) in [
            ("避難所", "避難所"),
            ("a,b", "\"a,b\""),
            ("\"a\"", "\"\"\"a\"\"\""),
            ("=1+1", "'=1+1"),
            ("-a,b", "\"'-a,b\""),
            ("a\r\nb", "a  b"),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
        assert_eq!(row(["a", "b,c", ""]), "a,\"b,c\",\r\n");
    }
}
