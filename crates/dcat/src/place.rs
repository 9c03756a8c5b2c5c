//! Boxes around places that are written as WKT or GeoJSON.

use serde_json::Value;

/// Numbers read of one geometry at most; a box needs few of a coast line's points to be right, but all to be exact.
const POINTS_MAX: usize = 5_000_000;

/// West, south, east, north of a WKT or GeoJSON text or a JSON list of four numbers; `None` for anything else or outside the globe.
pub fn bounding_box(text: &str) -> Option<[f64; 4]> {
    let text = text.trim();
    let points = if text.starts_with('{') || text.starts_with('[') { geojson_points(text)? } else { wkt_points(text)? };
    let (first, rest) = points.split_first()?;
    let mut bounds = [first.0, first.1, first.0, first.1];
    for (x, y) in rest {
        bounds = [bounds[0].min(*x), bounds[1].min(*y), bounds[2].max(*x), bounds[3].max(*y)];
    }
    let on_globe = bounds.iter().all(|value| value.is_finite())
        && bounds[0] >= -180.0
        && bounds[2] <= 180.0
        && bounds[1] >= -90.0
        && bounds[3] <= 90.0;
    on_globe.then_some(bounds)
}

/// The box as a WKT polygon.
pub(crate) fn box_as_wkt([west, south, east, north]: [f64; 4]) -> String {
    format!("POLYGON(({west} {north}, {east} {north}, {east} {south}, {west} {south}, {west} {north}))")
}

fn geojson_points(text: &str) -> Option<Vec<(f64, f64)>> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut points = Vec::new();
    if let Some(numbers) = plain_box(&value) {
        points.extend([(numbers[0], numbers[1]), (numbers[2], numbers[3])]);
    } else {
        collect(&value, &mut points);
    }
    Some(points)
}

/// `[west, south, east, north]`, bare or as a `bbox` member.
fn plain_box(value: &Value) -> Option<[f64; 4]> {
    let list = value.as_array().or_else(|| value.get("bbox")?.as_array())?;
    let numbers: Vec<f64> = list.iter().map(Value::as_f64).collect::<Option<_>>()?;
    match numbers[..] {
        [west, south, east, north] => Some([west, south, east, north]),
        [west, south, _, east, north, _] => Some([west, south, east, north]),
        _ => None,
    }
}

fn collect(value: &Value, points: &mut Vec<(f64, f64)>) {
    if points.len() >= POINTS_MAX {
        return;
    }
    match value {
        Value::Array(list) => match (list.first().and_then(Value::as_f64), list.get(1).and_then(Value::as_f64)) {
            (Some(x), Some(y)) => points.push((x, y)),
            _ => list.iter().for_each(|item| collect(item, points)),
        },
        Value::Object(object) => {
            ["coordinates", "geometry", "geometries", "features"]
                .iter()
                .filter_map(|key| object.get(*key))
                .for_each(|item| collect(item, points));
        }
        _ => {}
    }
}

/// Points of a WKT text. GeoSPARQL's EPSG codes for geographic systems put latitude first; without a code, longitude is first.
fn wkt_points(text: &str) -> Option<Vec<(f64, f64)>> {
    let (system, rest) = match text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((system, rest)) => (system, rest.trim()),
        None => match text.split_once(';') {
            Some((srid, rest)) if srid.to_ascii_uppercase().starts_with("SRID=") => ("", rest.trim()),
            _ => ("", text),
        },
    };
    let name: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    let name = name.to_ascii_uppercase();
    let known = ["POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "ENVELOPE"];
    if !known.contains(&name.as_str()) {
        return None;
    }
    let inner = &rest[rest.find('(')?..];
    let latitude_first = system.contains("EPSG") && ["/4326", "/6668", "/4612"].iter().any(|code| system.ends_with(code));
    if name == "ENVELOPE" {
        // ENVELOPE(west, east, north, south)
        let numbers: Vec<f64> =
            inner.trim_matches(['(', ')', ' ']).split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().ok()?;
        let [west, east, north, south] = numbers[..] else { return None };
        return Some(vec![(west, south), (east, north)]);
    }
    let mut points = Vec::new();
    for part in inner.split(',').take(POINTS_MAX) {
        let mut numbers =
            part.split(|c: char| c.is_whitespace() || c == '(' || c == ')').filter(|word| !word.is_empty()).map(str::parse::<f64>);
        let (Some(Ok(x)), Some(Ok(y))) = (numbers.next(), numbers.next()) else { return None };
        points.push(if latitude_first { (y, x) } else { (x, y) });
    }
    Some(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_found_in_the_usual_notations() {
        let expected = Some([132.0, 34.0, 133.5, 35.0]);
        for text in [
            "POLYGON((132 35, 133.5 35, 133.5 34, 132 34, 132 35))",
            "<http://www.opengis.net/def/crs/OGC/1.3/CRS84> POLYGON((132 35, 133.5 35, 133.5 34, 132 34, 132 35))",
            "<http://www.opengis.net/def/crs/EPSG/0/4326> POLYGON((35 132, 35 133.5, 34 133.5, 34 132, 35 132))",
            "SRID=4326;MULTIPOINT((132 35),(133.5 34))",
            "ENVELOPE(132, 133.5, 35, 34)",
            r#"{"type":"Polygon","coordinates":[[[132,35],[133.5,35],[133.5,34],[132,34],[132,35]]]}"#,
            r#"{"type":"Feature","geometry":{"type":"LineString","coordinates":[[132,35,1],[133.5,34,2]]}}"#,
            "[132, 34, 133.5, 35]",
        ] {
            assert_eq!(bounding_box(text), expected, "{text}");
        }
        assert_eq!(bounding_box(&box_as_wkt([132.0, 34.0, 133.5, 35.0])), expected);
    }

    #[test]
    fn other_texts_are_no_boxes() {
        for text in [
            "",
            "広島県",
            "POLYGON",
            "POLYGON((",
            "POINT(a b)",
            "POINT(1000 2)",
            "{}",
            "[",
            "[1,2]]",
            "{\"coordinates\":[]}",
            "POINT(NaN NaN)",
        ] {
            assert_eq!(bounding_box(text), None, "{text}");
        }
    }
}
