//! JSON-LD in parts: a parser of whole documents takes some ten times their size in memory.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use oxrdf::Triple;

use crate::context::built_in_context;
use crate::graph::{ParseError, Syntax};

/// Longest JSON-LD document, or item of one, that is parsed at once. An object may say what it is at its very end.
pub(crate) const JSON_LD_BYTES_MAX: u64 = 50_000_000;
/// Size of a part.
const PART_BYTES: usize = 1_000_000;
/// Most bytes around the list of a document that is taken apart, repeated for each part.
const FRAME_BYTES_MAX: u64 = 1_000_000;
/// Most members of an object that is taken apart.
const MEMBERS_MAX: usize = 1_000;

/// Reads a document from `start` on. Where most of it is one list (`@graph`, the datasets of a catalog, the document itself), the list is read in
/// parts, each with all that stands around the list. That says the same: the items of a list in JSON-LD know nothing of each other.
pub(crate) fn parse_json_ld(
    input: &mut (impl Read + Seek),
    start: u64,
    base: Option<&str>,
    take: &mut dyn FnMut(Triple) -> io::Result<()>,
) -> io::Result<Option<ParseError>> {
    let end = input.seek(SeekFrom::End(0))?;
    let shape = if end.saturating_sub(start) > PART_BYTES as u64 { shape(input, start)? } else { None };
    match shape {
        Some(shape) => parse_list(input, &shape, base, take),
        None => {
            input.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            input.take(JSON_LD_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > JSON_LD_BYTES_MAX {
                return Ok(Some(too_large(0, 0)));
            }
            parse_bytes(&bytes, base, take)
        }
    }
}

fn too_large(line: u64, column: u64) -> ParseError {
    let limit = JSON_LD_BYTES_MAX / 1_000_000;
    let message = format!("there is an object of more than {limit} MB; publish smaller ones, pages, or Turtle");
    ParseError { syntax: Syntax::JsonLd, line, column, message }
}

fn parse_bytes(bytes: &[u8], base: Option<&str>, take: &mut dyn FnMut(Triple) -> io::Result<()>) -> io::Result<Option<ParseError>> {
    let syntax = Syntax::JsonLd;
    let mut parser = oxjsonld::JsonLdParser::new().lenient();
    if let Some(base) = base {
        parser = match parser.with_base_iri(base) {
            Ok(parser) => parser,
            Err(error) => return Ok(Some(ParseError { syntax, line: 0, column: 0, message: error.to_string() })),
        };
    }
    for quad in parser.for_slice(bytes).with_load_document_callback(|url, _| built_in_context(url)) {
        match quad {
            Ok(quad) => take(Triple::new(quad.subject, quad.predicate, quad.object))?,
            Err(error) => {
                let (line, column) = error.location().map_or((0, 0), |range| (range.start.line + 1, range.start.column + 1));
                return Ok(Some(ParseError { syntax, line, column, message: error.to_string() }));
            }
        }
    }
    Ok(None)
}

/// A document that is mostly one list.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    /// What to put before and behind a part.
    before: Vec<u8>,
    after: Vec<u8>,
    /// Where the first item may begin.
    items: u64,
    /// Line and column, from 1, of that place.
    line: u64,
    column: u64,
}

/// A member of the outermost object.
struct Member {
    key: Range<u64>,
    value: Range<u64>,
    is_list: bool,
    /// Line and column of its value.
    line: u64,
    column: u64,
}

/// The shape of a document; `None` when it is another one, or when it is no JSON, which the parser tells better.
fn shape(input: &mut (impl Read + Seek), start: u64) -> io::Result<Option<Shape>> {
    input.seek(SeekFrom::Start(start))?;
    let mut scanner = Scanner::default();
    let mut members: Vec<Member> = Vec::new();
    let (mut key, mut outermost, mut value_begins) = (None::<Range<u64>>, None, false);
    let mut at = start;
    let mut reader = BufReader::with_capacity(64 * 1024, &mut *input);
    loop {
        let piece = reader.fill_buf()?;
        let length = piece.len();
        if length == 0 {
            break;
        }
        for &byte in piece {
            let (depth, was_string, place) = (scanner.depth, scanner.within_string, (scanner.line, scanner.column + 1));
            scanner.take(byte);
            if outermost.is_none() {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {}
                    b'[' => {
                        let shape =
                            Shape { before: b"[".to_vec(), after: b"]".to_vec(), items: at + 1, line: place.0, column: place.1 + 1 };
                        return Ok(Some(shape));
                    }
                    b'{' => outermost = Some(byte),
                    _ => return Ok(None),
                }
            } else if depth == 0 {
                if !byte.is_ascii_whitespace() {
                    return Ok(None);
                }
            } else if depth == 1 && !was_string {
                match byte {
                    b'"' if key.is_none() => key = Some(at..at),
                    b':' => value_begins = true,
                    b',' => (key, value_begins) = (None, false),
                    b'}' | b' ' | b'\t' | b'\r' | b'\n' => {}
                    _ if value_begins => {
                        let Some(key) = key.clone().filter(|key| key.end > key.start) else { return Ok(None) };
                        if members.len() >= MEMBERS_MAX {
                            return Ok(None);
                        }
                        members.push(Member { key, value: at..at + 1, is_list: byte == b'[', line: place.0, column: place.1 });
                        value_begins = false;
                    }
                    // Further characters of a number or word.
                    _ => {}
                }
            } else if depth == 1 && scanner.depth == 1 && !scanner.within_string && !value_begins {
                // A key has ended.
                if let Some(key) = key.as_mut().filter(|key| key.end == key.start) {
                    key.end = at + 1;
                }
            }
            if depth >= 1
                && scanner.depth >= 1
                && !value_begins
                && let Some(member) = members.last_mut().filter(|member| key.as_ref() == Some(&member.key))
                && !(depth == 1 && (byte.is_ascii_whitespace() || byte == b','))
            {
                member.value.end = at + 1;
            }
            at += 1;
        }
        reader.consume(length);
    }
    let Some(largest) = members
        .iter()
        .enumerate()
        .filter(|(_, member)| member.is_list)
        .max_by_key(|(_, member)| member.value.end - member.value.start)
        .map(|(index, _)| index)
    else {
        return Ok(None);
    };
    let list = &members[largest];
    let others: u64 = members.iter().map(|member| member.value.end - member.key.start).sum::<u64>() - (list.value.end - list.key.start);
    if others > FRAME_BYTES_MAX || list.value.end - list.value.start < PART_BYTES as u64 {
        return Ok(None);
    }
    let mut before = b"{".to_vec();
    for member in members.iter().enumerate().filter(|(index, _)| *index != largest).map(|(_, member)| member) {
        text_at(input, member.key.clone(), &mut before)?;
        before.push(b':');
        text_at(input, member.value.clone(), &mut before)?;
        before.push(b',');
    }
    let mut name = Vec::new();
    text_at(input, list.key.clone(), &mut name)?;
    if name == b"\"@context\"" {
        return Ok(None);
    }
    before.extend(name);
    before.extend(b":[");
    Ok(Some(Shape { before, after: b"]}".to_vec(), items: list.value.start + 1, line: list.line, column: list.column + 1 }))
}

fn text_at(input: &mut (impl Read + Seek), range: Range<u64>, text: &mut Vec<u8>) -> io::Result<()> {
    input.seek(SeekFrom::Start(range.start))?;
    input.take(range.end - range.start).read_to_end(text)?;
    Ok(())
}

fn parse_list(
    input: &mut (impl Read + Seek),
    shape: &Shape,
    base: Option<&str>,
    take: &mut dyn FnMut(Triple) -> io::Result<()>,
) -> io::Result<Option<ParseError>> {
    input.seek(SeekFrom::Start(shape.items))?;
    let mut reader = BufReader::with_capacity(64 * 1024, input);
    let mut scanner = Scanner { line: shape.line, column: shape.column - 1, ..Scanner::default() };
    // A part begins on a line of its own, so that lines of mistakes can be told.
    let mut frame = shape.before.clone();
    frame.push(b'\n');
    let frame_lines = frame.iter().filter(|byte| **byte == b'\n').count() as u64;
    let mut part = frame.clone();
    let mut begins = (shape.line, shape.column);
    loop {
        let piece = reader.fill_buf()?;
        let length = piece.len();
        let (mut taken, mut is_end) = (0, length == 0);
        let is_cut_off = length == 0;
        let mut is_full = false;
        for &byte in piece {
            if scanner.depth == 0 && !scanner.within_string && byte == b']' {
                is_end = true;
                break;
            }
            scanner.take(byte);
            taken += 1;
            if scanner.depth == 0 && !scanner.within_string && byte == b',' && part.len() + taken > frame.len() + PART_BYTES {
                is_full = true;
                break;
            }
        }
        // The comma between two parts belongs to neither.
        part.extend_from_slice(&piece[..taken - usize::from(is_full)]);
        reader.consume(taken);
        if part.len() as u64 > JSON_LD_BYTES_MAX {
            return Ok(Some(too_large(begins.0, begins.1)));
        }
        if !(is_full || is_end) {
            continue;
        }
        if is_cut_off && scanner.depth > 0 {
            // What is whole of the last part could be read; but it is short, and which item is cut off would have to be found.
            return Ok(Some(ParseError {
                syntax: Syntax::JsonLd,
                line: scanner.line,
                column: scanner.column + 1,
                message: "the document ends within an object".to_owned(),
            }));
        }
        part.extend_from_slice(&shape.after);
        if let Some(mut error) = parse_bytes(&part, base, take)? {
            if error.line > frame_lines {
                error.column += if error.line == frame_lines + 1 { begins.1 - 1 } else { 0 };
                error.line = error.line - frame_lines - 1 + begins.0;
            }
            return Ok(Some(error));
        }
        if is_end {
            let message = "the document ends within a list".to_owned();
            let cut_off = ParseError { syntax: Syntax::JsonLd, line: scanner.line, column: scanner.column + 1, message };
            return Ok(is_cut_off.then_some(cut_off));
        }
        part.clone_from(&frame);
        begins = (scanner.line, scanner.column + 1);
    }
}

/// Where one is in a JSON text.
#[derive(Debug)]
struct Scanner {
    depth: usize,
    within_string: bool,
    is_escaped: bool,
    /// From 1.
    line: u64,
    /// Characters passed in the line.
    column: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner { depth: 0, within_string: false, is_escaped: false, line: 1, column: 0 }
    }
}

impl Scanner {
    fn take(&mut self, byte: u8) {
        if byte == b'\n' {
            (self.line, self.column) = (self.line + 1, 0);
        } else if byte & 0xc0 != 0x80 {
            self.column += 1;
        }
        if self.within_string {
            self.within_string = self.is_escaped || byte != b'"';
            self.is_escaped = !self.is_escaped && byte == b'\\';
            return;
        }
        match byte {
            b'"' => self.within_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Cursor;

    use super::*;

    /// Triples whose subjects have names, and the mistake.
    fn read(text: &str) -> (BTreeSet<String>, Option<ParseError>) {
        let mut triples = BTreeSet::new();
        let error = parse_json_ld(&mut Cursor::new(text.as_bytes()), 0, Some("https://e.jp/"), &mut |triple| {
            if triple.subject.is_named_node() {
                triples.insert(triple.to_string());
            }
            Ok(())
        });
        (triples, error.unwrap())
    }

    fn items(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{{\"@id\": \"https://e.jp/{n}\", \"title\": \"題,]}}\\\"{n}{}\"}}", "x".repeat(1_000))).collect()
    }

    #[test]
    fn parts_say_what_the_whole_says() {
        let context = "{\"title\": \"http://purl.org/dc/terms/title\", \"dataset\": \"http://www.w3.org/ns/dcat#dataset\"}";
        let list = items(3_000).join(",\n ");
        for (text, expected) in [
            (format!("{{\"@context\": {context}, \"@graph\": [{list}]}}"), 3_000),
            (format!("\n {{\"@graph\" : [ {list} ] , \"@context\" :{context}\n}} "), 3_000),
            (
                format!(
                    "{{\"@id\": \"https://e.jp/c\", \"@context\": {context}, \"title\": \"カタログ [\", \"dataset\": [{list}], \"https://e.jp/x\": 1.5e3}}"
                ),
                6_002,
            ),
            (format!("[{}]", list.replace("\"title\"", &format!("\"@context\": {context}, \"title\""))), 3_000),
        ] {
            assert!(shape(&mut Cursor::new(text.as_bytes()), 0).unwrap().is_some(), "{}", &text[..80]);
            let (triples, error) = read(&text);
            let mut whole = BTreeSet::new();
            parse_bytes(text.as_bytes(), Some("https://e.jp/"), &mut |triple| {
                whole.insert(triple.to_string());
                Ok(())
            })
            .unwrap();
            assert_eq!((triples.len(), error), (expected, None), "{}", &text[..80]);
            assert!(triples == whole, "{}", &text[..80]);
        }
    }

    #[test]
    fn mistakes_keep_their_place_and_what_came_before() {
        let context = "\"@context\": {\"title\": \"http://purl.org/dc/terms/title\"}";
        let mut list = items(3_000);
        list[2_500] = "{\"@id\": oops}".to_owned();
        let (triples, error) = read(&format!("{{{context},\n\"@graph\": [\n{}]}}", list.join(",\n")));
        let error = error.unwrap();
        assert_eq!((error.line, error.column), (2_503, 9), "{error}");
        assert!((1_500..2_501).contains(&triples.len()), "{}", triples.len());

        let whole = format!("{{{context}, \"@graph\": [\n{}\n]}}", items(3_000).join(",\n"));
        let (triples, error) = read(&whole[..whole.len() - 100]);
        assert_eq!(error.unwrap().line, 3_001);
        assert!(triples.len() > 1_900);
        let (triples, error) = read(&whole[..whole.len() - 3]);
        assert!(error.is_some() && triples.len() == 3_000);
    }

    #[test]
    fn other_shapes_are_left_whole() {
        for text in ["", "1", "{}", "{\"a\": \"[\"}", "{\"a\": {\"b\": [1]}}", "{\"a\": []} x", "<html>"] {
            assert_eq!(shape(&mut Cursor::new(text.as_bytes()), 0).unwrap(), None, "{text}");
        }
    }
}
