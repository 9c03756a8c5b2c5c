//! GeoJSON FeatureCollections and JSON lists of objects, read as a stream.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::preview::FileName;
use crate::table::clip;
use crate::{Error, Limits, Preview, TableFormat, decode};

/// Passes over whatever is no list and no object.
macro_rules! any_scalar {
    () => {
        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }

        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
    };
}
pub(crate) fn preview_json<R: Read>(reader: R, byte_size: u64, file: &FileName<'_>, limits: Limits) -> Result<Preview, Error> {
    let mut bytes = Vec::new();
    reader.take(limits.document_bytes).read_to_end(&mut bytes)?;
    let partial = byte_size > bytes.len() as u64;
    let decoded = decode(&bytes);
    drop(bytes);
    let mut table = Table { limits, ..Table::default() };
    let mut deserializer = serde_json::Deserializer::from_str(&decoded.text);
    let read = Document(&mut table).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let cut_off = partial && read.is_err() && table.count > 0;
    if let (Err(error), false) = (read, cut_off) {
        let format = if file.has_extension("geojson") { "GeoJSON" } else { "JSON" };
        return Err(file.broken(format, error));
    }
    if !table.found {
        return Err(Error::NoTable { file_name: file.name() });
    }
    if table.count == 0 {
        return Err(file.empty());
    }
    let width = table.columns.len();
    for row in &mut table.rows {
        row.resize(width, String::new());
    }
    let total_rows = (!cut_off).then_some(table.count);
    let more_rows = table.count > table.rows.len() as u64;
    Ok(Preview {
        format: if table.geo { TableFormat::GeoJson } else { TableFormat::Json },
        encoding: Some(decoded.encoding),
        sheet: None,
        columns: table.columns,
        rows: table.rows,
        total_rows,
        truncated: table.cut || cut_off || more_rows,
        notes: Vec::new(),
    })
}

/// What was read so far.
#[derive(Default)]
struct Table {
    limits: Limits,
    columns: Vec<String>,
    positions: HashMap<String, usize>,
    rows: Vec<Vec<String>>,
    /// Objects, shown or not.
    count: u64,
    cut: bool,
    /// Whether there was a list that is a table.
    found: bool,
    geo: bool,
}

impl Table {
    fn begin(&mut self, geo: bool) {
        *self = Table { limits: self.limits, geo, ..Table::default() };
    }

    fn add(&mut self, members: Vec<(String, String)>) {
        let mut row = vec![String::new(); self.columns.len()];
        for (name, mut value) in members {
            let position = match self.positions.get(&name) {
                Some(position) => *position,
                None if self.columns.len() >= self.limits.columns => {
                    self.cut = true;
                    continue;
                }
                None => {
                    let position = self.columns.len();
                    let mut title = name.clone();
                    self.cut |= clip(&mut title, self.limits.cell_chars);
                    self.columns.push(title);
                    self.positions.insert(name, position);
                    row.push(String::new());
                    position
                }
            };
            self.cut |= clip(&mut value, self.limits.cell_chars);
            row[position] = value;
        }
        self.rows.push(row);
    }
}

/// The whole document: a list, or an object with a list in it (`features`, or the first one that holds objects).
struct Document<'a>(&'a mut Table);

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        self.0.begin(false);
        Rows(self.0).visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut features = false;
        while let Some(name) = map.next_key::<String>()? {
            let is_features = name == "features";
            if features || self.0.found && !is_features {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            self.0.begin(is_features);
            map.next_value_seed(Rows(self.0))?;
            features = is_features && self.0.found;
        }
        Ok(())
    }

    any_scalar!();
}

/// A value that may be a list of objects; anything else is passed over.
struct Rows<'a>(&'a mut Table);

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let table = self.0;
        table.found |= table.geo;
        loop {
            // Shown objects are read, the others only counted.
            let more = if table.rows.len() < table.limits.rows || !table.found {
                seq.next_element_seed(Row(table))?.is_some()
            } else {
                let more = seq.next_element::<IgnoredAny>()?.is_some();
                table.count += u64::from(more);
                more
            };
            if !more {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    any_scalar!();
}

/// One element of the list: an object is a row, anything else is passed over.
struct Row<'a>(&'a mut Table);

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let table = self.0;
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !table.geo {
                members.push((name, cell(map.next_value()?)));
            } else if name == "properties" {
                let properties = map.next_value::<Value>()?;
                if let Value::Object(properties) = properties {
                    members.extend(properties.into_iter().map(|(name, value)| (name, cell(value))));
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        table.found = true;
        table.count += 1;
        if table.rows.len() < table.limits.rows {
            table.add(members);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    any_scalar!();
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::preview;

    use super::*;

    fn check(file_name: &str, text: &str) -> Result<Preview, Error> {
        preview(Cursor::new(text), file_name, None, Limits::default())
    }

    #[test]
    fn properties_of_features_are_columns() {
        let table = check(
            "a.geojson",
            r#"{"type": "FeatureCollection", "crs": {"a": [{"no": 1}]}, "features": [
                {"type": "Feature", "properties": {"名称": "中央公民館", "収容": 120, "code": "034100"}, "geometry": {"type": "Point", "coordinates": [132.4, 34.3]}},
                {"type": "Feature", "geometry": null, "properties": {"名称": "体育館", "備考": null, "階": [1, 2]}},
                {"type": "Feature", "properties": null}]}"#,
        )
        .unwrap();
        assert_eq!(table.columns, ["名称", "収容", "code", "備考", "階"]);
        assert_eq!(table.rows[0], ["中央公民館", "120", "034100", "", ""]);
        assert_eq!(table.rows[1], ["体育館", "", "", "", "[1,2]"]);
        assert_eq!((table.format, table.total_rows, table.truncated), (TableFormat::GeoJson, Some(3), false));
    }

    #[test]
    fn lists_of_objects_are_tables() {
        let table = check("a.json", "\u{FEFF}[{\"a\": 1.5, \"b\": true}, {\"a\": \"x\"}]").unwrap();
        assert_eq!((table.columns.join(","), table.rows[0].join(",")), ("a,b".to_owned(), "1.5,true".to_owned()));
        let table = check("a.json", r#"{"success": true, "tags": ["x", 1], "records": [{"a": 1}], "more": [{"z": 9}]}"#).unwrap();
        assert_eq!((table.columns.as_slice(), table.total_rows), (["a".to_owned()].as_slice(), Some(1)));
    }

    #[test]
    fn other_json_is_no_table() {
        for text in [
            "{\"message\": \"nothing published\"}",
            "3",
            "null",
            "[1, 2]",
            "{}",
            "[[1], [2]]",
            "{\"type\": \"FeatureCollection\", \"features\": 3}",
        ] {
            assert!(matches!(check("a.json", text), Err(Error::NoTable { .. })), "{text}");
        }
        assert!(matches!(check("a.geojson", "{\"features\": []}"), Err(Error::Empty { .. })));
        let deep = "[".repeat(100_000);
        assert!(matches!(check("a.json", &deep), Err(Error::Broken { .. })));
    }

    #[test]
    fn broken_json_names_the_line() {
        let error = check("a.json", "[{\"a\": 1},\n {\"a\": }]").unwrap_err();
        assert!(error.text().en.contains("line 2"), "{error}");
    }

    #[test]
    fn long_lists_are_counted_and_cut_ones_shown() {
        let text = format!("[{}{{\"a\": 1}}]", "{\"a\": 1},".repeat(5_000));
        let table = check("a.json", &text).unwrap();
        assert_eq!((table.rows.len(), table.total_rows, table.truncated), (100, Some(5_001), true));
        let few = Limits { document_bytes: 1_000, ..Limits::default() };
        let table = preview(Cursor::new(&text), "a.json", None, few).unwrap();
        assert_eq!((table.rows.len(), table.total_rows, table.truncated), (100, None, true));
    }
}
