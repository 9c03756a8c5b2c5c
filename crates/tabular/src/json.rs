//! GeoJSON FeatureCollections and JSON lists of objects, read as a stream.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufReader, Read, Seek, SeekFrom};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::convert::{COLUMNS_MAX, Cell, Rows};
use crate::encoding::{DecodingReader, find_encoding};
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
    let mut walk = Walk::new(&mut table);
    let mut deserializer = serde_json::Deserializer::from_str(&decoded.text);
    let read = Document(&mut walk).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let (count, geo, found) = (walk.count, walk.geo, walk.found.is_some());
    let cut_off = partial && read.is_err() && count > 0;
    if let (Err(error), false) = (read, cut_off) {
        return Err(broken(file, error));
    }
    if !found {
        return Err(Error::NoTable { file_name: file.name() });
    }
    if count == 0 {
        return Err(file.empty());
    }
    let width = table.columns.len();
    for row in &mut table.rows {
        row.resize(width, String::new());
    }
    let total_rows = (!cut_off).then_some(count);
    let more_rows = count > table.rows.len() as u64;
    Ok(Preview {
        format: if geo { TableFormat::GeoJson } else { TableFormat::Json },
        encoding: Some(decoded.encoding),
        sheet: None,
        columns: table.columns,
        rows: table.rows,
        total_rows,
        truncated: table.cut || cut_off || more_rows,
        notes: Vec::new(),
    })
}

/// Gives every object of the list that is a table to `rows`, once all columns are known: the file is read twice. The geometry of a feature is
/// its last column.
pub(crate) fn each_json<R: Read + Seek>(mut reader: R, file: &FileName<'_>, rows: &mut Rows<'_>) -> Result<(), Error> {
    let (encoding, bom) = find_encoding(&mut reader)?;
    let mut read = |walk: &mut Walk<'_>| -> Result<(), Error> {
        reader.seek(SeekFrom::Start(bom as u64))?;
        let text = BufReader::with_capacity(64 * 1024, DecodingReader::new(reader.by_ref(), encoding));
        let mut deserializer = serde_json::Deserializer::from_reader(text);
        let read = Document(walk).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        match (walk.stopped.take(), read) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(broken(file, error)),
            (None, Ok(())) => Ok(()),
        }
    };
    let mut columns = Columns::default();
    let mut walk = Walk::new(&mut columns);
    read(&mut walk)?;
    let Some(place) = walk.found else { return Err(Error::NoTable { file_name: file.name() }) };
    if walk.count == 0 {
        return Err(file.empty());
    }
    if columns.too_many {
        return Err(file.broken("JSON", format!("it has more than {COLUMNS_MAX} columns")));
    }
    if columns.has_geometry {
        columns.add(GEOMETRY);
    }
    rows.columns(&columns.names)?;
    let mut written = Written { positions: columns.positions, row: vec![None; columns.names.len()], rows };
    let mut walk = Walk { only: Some(place), ..Walk::new(&mut written) };
    read(&mut walk)
}

fn broken(file: &FileName<'_>, error: serde_json::Error) -> Error {
    if error.is_io() {
        return Error::Io(error.into());
    }
    file.broken(if file.has_extension("geojson") { "GeoJSON" } else { "JSON" }, error)
}

/// Name of the column for the geometry of features.
const GEOMETRY: &str = "geometry";

/// What becomes of the objects of a list.
trait Objects {
    /// A list begins; what came before was not the table.
    fn begin(&mut self);
    /// Whether the next object is read; otherwise it is only counted.
    fn wants_more(&self) -> bool {
        true
    }
    /// Whether the geometry of features is wanted.
    fn wants_geometry(&self) -> bool {
        true
    }
    /// An object, or the properties of a feature, and its geometry.
    fn add(&mut self, members: Vec<(String, Member)>, geometry: Option<Member>) -> Result<(), Error>;
}

/// Which list of a document: the one at the top, or the member with that number of the object at the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Member(usize),
}

/// A way through a document.
struct Walk<'a> {
    objects: &'a mut dyn Objects,
    /// The only list that is looked at.
    only: Option<Place>,
    place: Place,
    /// The list that is a table.
    found: Option<Place>,
    geo: bool,
    /// Objects of it, read or not.
    count: u64,
    /// Why it went no further.
    stopped: Option<Error>,
}

impl<'a> Walk<'a> {
    fn new(objects: &'a mut dyn Objects) -> Walk<'a> {
        Walk { objects, only: None, place: Place::Top, found: None, geo: false, count: 0, stopped: None }
    }

    fn begin(&mut self, place: Place, geo: bool) {
        (self.place, self.geo, self.found, self.count) = (place, geo, None, 0);
        self.objects.begin();
    }
}

/// The first rows, for a preview.
#[derive(Default)]
struct Table {
    limits: Limits,
    columns: Vec<String>,
    positions: HashMap<String, usize>,
    rows: Vec<Vec<String>>,
    cut: bool,
}

impl Objects for Table {
    fn begin(&mut self) {
        *self = Table { limits: self.limits, ..Table::default() };
    }

    fn wants_more(&self) -> bool {
        self.rows.len() < self.limits.rows
    }

    fn wants_geometry(&self) -> bool {
        false
    }

    fn add(&mut self, members: Vec<(String, Member)>, _: Option<Member>) -> Result<(), Error> {
        if !self.wants_more() {
            return Ok(());
        }
        let mut row = vec![String::new(); self.columns.len()];
        for (name, value) in members {
            let mut value = value.into_text();
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
        Ok(())
    }
}

/// The names of all members, in the order in which they first come.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    positions: HashMap<String, usize>,
    has_geometry: bool,
    too_many: bool,
}

impl Columns {
    fn add(&mut self, name: &str) {
        if self.positions.contains_key(name) {
            return;
        }
        self.too_many |= self.names.len() >= COLUMNS_MAX;
        if !self.too_many {
            self.positions.insert(name.to_owned(), self.names.len());
            self.names.push(name.to_owned());
        }
    }
}

impl Objects for Columns {
    fn begin(&mut self) {
        *self = Columns::default();
    }

    fn add(&mut self, members: Vec<(String, Member)>, geometry: Option<Member>) -> Result<(), Error> {
        self.has_geometry |= geometry.is_some();
        for (name, _) in &members {
            self.add(name);
        }
        Ok(())
    }
}

/// Objects on their way to the rows of a conversion.
struct Written<'a, 'w> {
    positions: HashMap<String, usize>,
    row: Vec<Option<Cell<'static>>>,
    rows: &'a mut Rows<'w>,
}

impl Objects for Written<'_, '_> {
    fn begin(&mut self) {}

    fn add(&mut self, members: Vec<(String, Member)>, geometry: Option<Member>) -> Result<(), Error> {
        self.row.fill(None);
        // A property that is called so goes before the geometry.
        let geometry = geometry.map(|geometry| (GEOMETRY.to_owned(), geometry));
        for (name, value) in geometry.into_iter().chain(members) {
            if let Some(place) = self.positions.get(&name).and_then(|position| self.row.get_mut(*position)) {
                *place = Some(value.into_cell());
            }
        }
        self.rows.sparse_row(&self.row)
    }
}

/// The whole document: a list, or an object with a list in it (`features`, or the first one that holds objects).
struct Document<'a, 'w>(&'a mut Walk<'w>);

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        self.0.begin(Place::Top, false);
        List(self.0).visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut features = false;
        let mut number = 0;
        while let Some(name) = map.next_key::<String>()? {
            let place = Place::Member(number);
            number += 1;
            let is_features = name == "features";
            let passed = self.0.only.is_some_and(|only| only != place);
            if passed || features || self.0.found.is_some() && !is_features {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            self.0.begin(place, is_features);
            map.next_value_seed(List(self.0))?;
            features = is_features && self.0.found.is_some();
        }
        Ok(())
    }

    any_scalar!();
}

/// A value that may be a list of objects; anything else is passed over.
struct List<'a, 'w>(&'a mut Walk<'w>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let walk = self.0;
        if walk.geo {
            walk.found = Some(walk.place);
        }
        loop {
            // Wanted objects are read, the others only counted.
            let more = if walk.objects.wants_more() || walk.found.is_none() {
                seq.next_element_seed(Item(walk))?.is_some()
            } else {
                let more = seq.next_element::<IgnoredAny>()?.is_some();
                walk.count += u64::from(more);
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
struct Item<'a, 'w>(&'a mut Walk<'w>);

impl<'de> DeserializeSeed<'de> for Item<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let walk = self.0;
        let (mut members, mut geometry) = (Vec::new(), None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                _ if !walk.geo => members.push((name, map.next_value_seed(AnyValue)?)),
                "properties" => members = map.next_value_seed(Properties)?,
                GEOMETRY if walk.objects.wants_geometry() => geometry = Some(map.next_value_seed(AnyValue)?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        walk.found = Some(walk.place);
        walk.count += 1;
        if let Err(error) = walk.objects.add(members, geometry) {
            walk.stopped = Some(error);
            return Err(A::Error::custom("stopped"));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    any_scalar!();
}

/// The members of an object; none of anything else.
struct Properties;

impl<'de> DeserializeSeed<'de> for Properties {
    type Value = Vec<(String, Member)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! no_members {
    ($($name:ident: $type:ty),*) => {
        $(fn $name<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Vec::new())
        })*
    };
}

impl<'de> Visitor<'de> for Properties {
    type Value = Vec<(String, Member)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            members.push((name, map.next_value_seed(AnyValue)?));
        }
        Ok(members)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Vec::new())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    no_members!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

/// The value of a member. Lists and objects are texts already: as trees they would take many times the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Null,
    Text(String),
    /// A number, yes or no, a list or an object, as compact JSON.
    Json(String),
}

impl Member {
    fn into_text(self) -> String {
        match self {
            Member::Null => String::new(),
            Member::Text(text) | Member::Json(text) => text,
        }
    }

    fn into_cell(self) -> Cell<'static> {
        match self {
            Member::Null => Cell::null(),
            Member::Text(text) => Cell { text: text.into(), json: None },
            Member::Json(json) => Cell { text: json.clone().into(), json: Some(json.into()) },
        }
    }

    /// Puts it at the end of a text as JSON.
    fn append_to(&self, json: &mut String) {
        match self {
            Member::Null => json.push_str("null"),
            Member::Text(text) => append_text(json, text),
            Member::Json(text) => json.push_str(text),
        }
    }
}

fn append_text(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// Reads any value.
struct AnyValue;

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! scalars {
    ($($name:ident: $type:ty),*) => {
        $(fn $name<E>(self, value: $type) -> Result<Member, E> {
            Ok(Member::Json(serde_json::Value::from(value).to_string()))
        })*
    };
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Member;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Null)
    }

    fn visit_str<E>(self, value: &str) -> Result<Member, E> {
        Ok(Member::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Member, E> {
        Ok(Member::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member, A::Error> {
        let mut json = String::from("[");
        while let Some(value) = seq.next_element_seed(AnyValue)? {
            if json.len() > 1 {
                json.push(',');
            }
            value.append_to(&mut json);
        }
        json.push(']');
        Ok(Member::Json(json))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        let mut json = String::from("{");
        while let Some(name) = map.next_key::<String>()? {
            if json.len() > 1 {
                json.push(',');
            }
            append_text(&mut json, &name);
            json.push(':');
            map.next_value_seed(AnyValue)?.append_to(&mut json);
        }
        json.push('}');
        Ok(Member::Json(json))
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
