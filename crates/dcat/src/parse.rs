//! Documents as streams of triples.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use oxrdf::{NamedNode, Triple};
use oxrdfxml::RdfXmlParseError;
use oxttl::TurtleParseError;

use crate::graph::{ParseError, Syntax};
use crate::json_ld::parse_json_ld;

/// Reads a document to its end or first mistake, giving each triple to `take`. IRIs that strict parsers refuse (spaces, brackets) are let
/// through: portals publish them. No syntax takes memory to speak of, but see [`parse_json_ld`].
pub(crate) fn parse(
    mut input: impl Read + Seek,
    syntax: Syntax,
    base: &str,
    mut take: impl FnMut(Triple) -> io::Result<()>,
) -> io::Result<Option<ParseError>> {
    let start = skip_mark(&mut input)?;
    let base = NamedNode::new(base).ok().map(NamedNode::into_string);
    let mistake = |line: u64, column: u64, message: String| Ok(Some(ParseError { syntax, line, column, message }));
    match syntax {
        Syntax::Turtle => {
            let mut parser = oxttl::TurtleParser::new().lenient();
            if let Some(base) = base {
                parser = match parser.with_base_iri(base) {
                    Ok(parser) => parser,
                    Err(error) => return mistake(0, 0, error.to_string()),
                };
            }
            for triple in parser.for_reader(BufReader::new(input)) {
                match triple {
                    Ok(triple) => take(triple)?,
                    // What fills the parser's buffer is a mistake of the document, not of this machine.
                    Err(TurtleParseError::Io(error)) if error.kind() == io::ErrorKind::OutOfMemory => {
                        return mistake(0, 0, "a single word or text is longer than 16 MB".to_owned());
                    }
                    Err(TurtleParseError::Io(error)) => return Err(error),
                    Err(TurtleParseError::Syntax(error)) => {
                        let start = error.location().start;
                        return mistake(start.line + 1, start.column + 1, error.message().to_owned());
                    }
                }
            }
        }
        Syntax::JsonLd => return parse_json_ld(&mut input, start, base.as_deref(), &mut take),
        Syntax::RdfXml => {
            let mut parser = oxrdfxml::RdfXmlParser::new().lenient();
            if let Some(base) = base {
                parser = match parser.with_base_iri(base) {
                    Ok(parser) => parser,
                    Err(error) => return mistake(0, 0, error.to_string()),
                };
            }
            if let Some(message) = excess_of_entities(&mut input, start)? {
                return mistake(0, 0, message);
            }
            // The parser takes the end of the file for the end of every open element.
            let is_whole = is_whole_xml(&ends(&mut input, start)?);
            input.seek(SeekFrom::Start(start))?;
            let mut parser = parser.for_reader(BufReader::new(&mut input));
            let mut failed = None;
            while let Some(triple) = parser.next() {
                match triple {
                    Ok(triple) => take(triple)?,
                    // What is no text is a mistake of the document as well.
                    Err(RdfXmlParseError::Io(error))
                        if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
                    {
                        return Err(error);
                    }
                    Err(error) => {
                        failed = Some((parser.buffer_position(), error.to_string()));
                        break;
                    }
                }
            }
            drop(parser);
            let (offset, message) = match failed {
                // What else is wrong with half a document follows from that.
                _ if !is_whole => (u64::MAX, "the document ends before its root element is closed".to_owned()),
                Some(failed) => failed,
                None => return Ok(None),
            };
            let (line, column) = line_and_column(&mut input, start, offset)?;
            return mistake(line, column, message);
        }
    }
    Ok(None)
}

/// Goes past a byte order mark and tells where the text begins.
fn skip_mark(input: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut start = Vec::new();
    input.rewind()?;
    input.take(3).read_to_end(&mut start)?;
    input.seek(SeekFrom::Start(if start == b"\xef\xbb\xbf" { 3 } else { 0 }))
}

/// Longest text that one entity of a document may stand for, in bytes: they are meant for the beginnings of addresses.
const ENTITY_BYTES_MAX: u64 = 4 * 1024;
/// Most bytes that all references of a document together may stand for.
const EXPANDED_BYTES_MAX: u64 = 64 << 20;

/// Where a walk through the bytes of an XML document is.
enum Walk {
    /// In whatever else, with so many bytes of `<!ENTITY` met.
    Elsewhere(usize),
    /// In a declaration, with what it says so far, and whether a value is open.
    Declaration(Vec<u8>, bool),
    Reference(Vec<u8>),
}

/// Why the entities that an XML document declares are not to be resolved: ten lines may stand for gigabytes.
fn excess_of_entities(input: &mut (impl Read + Seek), start: u64) -> io::Result<Option<String>> {
    const DECLARATION: &[u8] = b"<!ENTITY";
    input.seek(SeekFrom::Start(start))?;
    let mut lengths: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut expanded = 0;
    let mut walk = Walk::Elsewhere(0);
    for byte in BufReader::new(input).bytes() {
        let byte = byte?;
        walk = match walk {
            Walk::Elsewhere(_) if byte == b'&' && !lengths.is_empty() => Walk::Reference(Vec::new()),
            Walk::Elsewhere(met) if byte == DECLARATION[met] && met + 1 == DECLARATION.len() => Walk::Declaration(Vec::new(), false),
            Walk::Elsewhere(met) if byte == DECLARATION[met] => Walk::Elsewhere(met + 1),
            Walk::Elsewhere(_) => Walk::Elsewhere(usize::from(byte == b'<')),
            Walk::Declaration(text, false) if byte == b'>' => {
                let name: Vec<u8> = text.trim_ascii_start().iter().copied().take_while(|byte| !byte.is_ascii_whitespace()).collect();
                let length = text.split(|byte| *byte == b'"').nth(1).map_or(0, |value| expanded_length(value, &lengths));
                if length > ENTITY_BYTES_MAX {
                    return Ok(Some(format!("the entity `{}` stands for more than 4 KB", String::from_utf8_lossy(&name))));
                }
                lengths.insert(name, length);
                Walk::Elsewhere(0)
            }
            Walk::Declaration(text, _) if text.len() as u64 > 2 * ENTITY_BYTES_MAX => {
                return Ok(Some("an entity is declared at more length than 8 KB".to_owned()));
            }
            Walk::Declaration(mut text, is_quoted) => {
                text.push(byte);
                Walk::Declaration(text, is_quoted != (byte == b'"'))
            }
            Walk::Reference(name) if byte == b';' => {
                expanded += lengths.get(&name).copied().unwrap_or_default();
                if expanded > EXPANDED_BYTES_MAX {
                    return Ok(Some("the entities of the document stand for more than 64 MB".to_owned()));
                }
                Walk::Elsewhere(0)
            }
            Walk::Reference(_) if matches!(byte, b'<' | b'&') || byte.is_ascii_whitespace() => match byte {
                b'&' => Walk::Reference(Vec::new()),
                byte => Walk::Elsewhere(usize::from(byte == b'<')),
            },
            Walk::Reference(name) if name.len() > 2 * ENTITY_BYTES_MAX as usize => Walk::Elsewhere(0),
            Walk::Reference(mut name) => {
                name.push(byte);
                Walk::Reference(name)
            }
        };
    }
    Ok(None)
}

/// Length of an entity's value with the entities in it resolved.
fn expanded_length(value: &[u8], lengths: &HashMap<Vec<u8>, u64>) -> u64 {
    let mut length = value.len() as u64;
    for part in value.split(|byte| *byte == b'&').skip(1) {
        let name = part.split(|byte| *byte == b';').next().unwrap_or_default();
        length += lengths.get(name).copied().unwrap_or_default();
    }
    length
}

/// Bytes at each end of an XML document that tell whether its root element is closed.
const END_BYTES: u64 = 64 * 1024;

/// The beginning and the end of a document; the whole of a short one.
fn ends(input: &mut (impl Read + Seek), start: u64) -> io::Result<Vec<u8>> {
    let end = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    if end.saturating_sub(start) <= 2 * END_BYTES {
        input.read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    input.take(END_BYTES).read_to_end(&mut bytes)?;
    input.seek(SeekFrom::Start(end - END_BYTES))?;
    input.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Line and column, from 1, of a place in a document.
fn line_and_column(input: &mut (impl Read + Seek), start: u64, offset: u64) -> io::Result<(u64, u64)> {
    input.seek(SeekFrom::Start(start))?;
    let (mut line, mut last_line) = (1, Vec::new());
    let mut rest = BufReader::new(input).take(offset);
    let mut piece = [0; 8 * 1024];
    loop {
        let length = rest.read(&mut piece)?;
        if length == 0 {
            break;
        }
        for byte in &piece[..length] {
            if *byte == b'\n' {
                line += 1;
                last_line.clear();
            } else if last_line.len() < 1_000_000 {
                last_line.push(*byte);
            }
        }
    }
    Ok((line, String::from_utf8_lossy(&last_line).chars().count() as u64 + 1))
}

/// Whether an XML document's last tag closes its root element.
fn is_whole_xml(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.trim();
    // Before the root: declaration, comments, document type (which may hold brackets with tags in them).
    while let Some(after) = rest.strip_prefix("<?").or_else(|| rest.strip_prefix("<!")) {
        let end = if rest.starts_with("<?") {
            after.find("?>").map(|at| at + 2)
        } else if rest.starts_with("<!--") {
            after.find("-->").map(|at| at + 3)
        } else {
            let bracket = after.find('[').filter(|bracket| after.find('>').is_none_or(|close| *bracket < close));
            let from = bracket.and_then(|bracket| after[bracket..].find(']').map(|at| bracket + at)).unwrap_or(0);
            after[from..].find('>').map(|at| from + at + 1)
        };
        let Some(end) = end else { return false };
        rest = after[end..].trim_start();
    }
    while rest.ends_with("-->") {
        let Some(start) = rest.rfind("<!--") else { return false };
        rest = rest[..start].trim_end();
    }
    let Some(root) = rest.strip_prefix('<') else { return false };
    let name: String = root.chars().take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/')).collect();
    let Some(last) = rest.rfind('<') else { return false };
    let last_tag = &rest[last..];
    if last == 0 {
        return last_tag.ends_with("/>");
    }
    last_tag.strip_prefix("</").and_then(|tag| tag.strip_suffix('>')).is_some_and(|tag| tag.trim_end() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_that_grow_are_told_before_they_do() {
        let excess = |document: &str| excess_of_entities(&mut io::Cursor::new(document), 0).unwrap();
        let nested = |levels: usize| {
            let levels: String = (1..=levels).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
            format!("<!DOCTYPE r [<!ENTITY e0 \"lol\">{levels}]>")
        };
        assert_eq!(excess(&format!("{}<r>&e2;</r>", nested(2))), None);
        assert!(excess(&format!("{}<r/>", nested(3))).unwrap().contains("`e3`"));
        let long = format!("<!DOCTYPE r [ <!ENTITY a  \"{}\" > ]>", "x".repeat(4_000));
        assert_eq!(excess(&format!("{long}<r>{}</r>", "&a;".repeat(1_000))), None);
        assert!(excess(&format!("{long}<r>{}</r>", "&a;&b&a;".repeat(20_000))).unwrap().contains("64 MB"));
        assert!(excess(&format!("<!DOCTYPE r [<!ENTITY a \"{}", "x".repeat(9_000))).unwrap().contains("8 KB"));
        for harmless in [
            "",
            "<r>&amp; &lt;</r>",
            "<<!ENTITY>&;&<r>",
            "<!DOCTYPE rdf:RDF [<!ENTITY w3 \"http://www.w3.org/\"><!ENTITY xsd \"&w3;2001/XMLSchema#\">]><r a=\"&xsd;date\">&xsd;</r>",
        ] {
            assert_eq!(excess(harmless), None, "{harmless}");
        }
    }

    #[test]
    fn xml_is_whole_when_its_root_is_closed() {
        for text in [
            "<a></a>",
            "<a/>",
            " <?xml version='1.0'?>\n<!-- <x> -->\n<!DOCTYPE r [ <!ENTITY x \"y\"> ]>\n<r:a x='1'><b></b></r:a >\n<!-- end -->\n",
            "<!DOCTYPE a SYSTEM 'b'><a>[</a>",
        ] {
            assert!(is_whole_xml(text.as_bytes()), "{text}");
        }
        for text in ["", "<", "<?xml", "<!--", "<a>", "<a><b></b>", "<a><b/>", "<a></a", "<a", "text", "<a></b>", "<!DOCTYPE"] {
            assert!(!is_whole_xml(text.as_bytes()), "{text}");
        }
    }
}
