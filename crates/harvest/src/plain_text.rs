//! HTML that stands where a description should, as text without tags.

/// The text of an HTML fragment, with Markdown where it has a plain form: paragraphs, list items, links. A text without tags and character
/// references comes back as it is.
pub(crate) fn plain_text(html: &str) -> String {
    if !html.contains(['<', '&']) {
        return html.trim().to_owned();
    }
    let mut out = String::with_capacity(html.len());
    let mut link: Option<(String, usize)> = None;
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        push_text(&mut out, &rest[..start]);
        rest = &rest[start..];
        let Some((tag, after)) = tag(rest) else {
            out.push('<');
            rest = &rest[1..];
            continue;
        };
        rest = after;
        match tag.name.as_str() {
            "script" | "style" | "head" | "template" if !tag.closes => rest = after_element(rest, &tag.name),
            "br" => out.push('\n'),
            "li" if !tag.closes => {
                line(&mut out, 1);
                out.push_str("- ");
            }
            "p" | "div" | "ul" | "ol" | "table" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "section" | "pre" => {
                line(&mut out, if matches!(tag.name.as_str(), "div" | "ul" | "ol") { 1 } else { 2 });
            }
            "tr" | "dt" | "dd" | "hr" => line(&mut out, 1),
            "td" | "th" if !tag.closes && !out.ends_with('\n') => out.push(' '),
            "a" if tag.closes => {
                if let Some((address, at)) = link.take()
                    && let Some(label) = out.get(at..).map(|label| label.trim().to_owned())
                {
                    if label.is_empty() {
                        out.push_str(&address);
                    } else if label != address && !label.contains(['[', ']', '\n']) {
                        out.truncate(at);
                        out.push_str(&format!("[{label}]({address})"));
                    }
                }
            }
            "a" => link = tag.address().map(|address| (address, out.len())),
            _ => {}
        }
    }
    push_text(&mut out, rest);
    tidy(&out)
}

struct Tag<'t> {
    name: String,
    attributes: &'t str,
    closes: bool,
}

impl Tag<'_> {
    /// A web address in `href`.
    fn address(&self) -> Option<String> {
        let at = self.attributes.to_ascii_lowercase().find("href")?;
        let value = self.attributes.get(at + 4..)?.trim_start().strip_prefix('=')?.trim_start();
        let value = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split_whitespace().next()?,
        };
        let mut address = String::new();
        push_text(&mut address, value.trim());
        let is_web = address.starts_with("http://") || address.starts_with("https://");
        (is_web && !address.contains([' ', ')', '\n'])).then_some(address)
    }
}

/// The tag or comment at the beginning, and what follows it. A `<` before a digit, a space or an address is no tag.
fn tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let none = |rest| (Tag { name: String::new(), attributes: "", closes: false }, rest);
    if let Some(comment) = text.strip_prefix("<!--") {
        return Some(none(comment.split_once("-->").map_or("", |(_, rest)| rest)));
    }
    let inner = text.strip_prefix('<')?;
    if inner.starts_with(['!', '?']) {
        return inner.split_once('>').map(|(_, rest)| none(rest));
    }
    let (inner, closes) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
    let length = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(inner.len());
    let (name, after_name) = inner.split_at(length);
    let ends_well = after_name.starts_with(|c: char| c.is_whitespace() || c == '>' || c == '/');
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !ends_well {
        return None;
    }
    // An attribute's value may hold a `>`.
    let mut quote = None;
    let end = after_name.char_indices().find_map(|(at, c)| match (quote, c) {
        (None, '>') => Some(at),
        (None, '"' | '\'') => {
            quote = Some(c);
            None
        }
        (Some(open), c) if c == open => {
            quote = None;
            None
        }
        _ => None,
    });
    let end = end.or_else(|| after_name.find('>'))?;
    Some((Tag { name: name.to_ascii_lowercase(), attributes: &after_name[..end], closes }, &after_name[end + 1..]))
}

/// What follows the end of an element whose content is not text.
fn after_element<'t>(text: &'t str, name: &str) -> &'t str {
    let folded = text.to_ascii_lowercase();
    let Some(at) = folded.find(&format!("</{name}")) else { return "" };
    text[at..].find('>').map_or("", |end| &text[at + end + 1..])
}

/// Appends text with its character references resolved.
fn push_text(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest[1..].split_once(';').map(|(name, _)| name).filter(|name| name.len() <= 10);
        match reference.and_then(|name| character(name).map(|c| (name, c))) {
            Some((name, c)) => {
                out.push_str(c.encode_utf8(&mut [0; 4]));
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| !c.is_control() || *c == '\n');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" | "ensp" | "emsp" | "thinsp" => ' ',
        "copy" => '©',
        "reg" => '®',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "middot" => '·',
        "bull" => '•',
        "deg" => '°',
        "times" => '×',
        "yen" => '¥',
        "laquo" => '«',
        "raquo" => '»',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        _ => return None,
    })
}

/// Ends the line, with as many line ends as asked for, where something stands before it.
fn line(out: &mut String, ends: usize) {
    let trimmed = out.trim_end_matches([' ', '\t']).len();
    out.truncate(trimmed);
    if out.is_empty() || out.ends_with("- ") {
        return;
    }
    let have = out.chars().rev().take_while(|c| *c == '\n').count();
    out.extend(std::iter::repeat_n('\n', ends.saturating_sub(have)));
}

/// No spaces at the ends of lines, no more than one empty line.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.replace("\r\n", "\n").replace(['\r', '\u{a0}'], " ").lines() {
        let line = line.trim();
        if line.is_empty() {
            empty += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        empty = 0;
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_text() {
        for (html, text) in [
            ("ただの文。 1 < 2 です", "ただの文。 1 < 2 です"),
            ("<p>一段落目</p><p>二段落目<br>続き</p>", "一段落目\n\n二段落目\n続き"),
            ("<ul><li>赤</li><li>青</li></ul>", "- 赤\n- 青"),
            ("A &amp; B&nbsp;&#x3042;&#12354; &unknown; AT&T", "A & B ああ &unknown; AT&T"),
            ("<a href=\"https://example.jp/a?b=1&amp;c=2\" target='_blank'>頁</a>を見る", "[頁](https://example.jp/a?b=1&c=2)を見る"),
            ("<a href='javascript:alert(1)'>頁</a>", "頁"),
            ("<a href='https://example.jp/'>https://example.jp/</a>", "https://example.jp/"),
            ("前<script>alert('<p>')</script>後<style>p {}</style>", "前後"),
            ("<span style='x>y'>色</span><!-- 内緒 --><o:p>字</o:p>", "色<o:p>字</o:p>"),
            ("<https://example.jp/> を参照", "<https://example.jp/> を参照"),
            ("閉じない <b", "閉じない <b"),
            ("<SCRIPT>終わらない", ""),
            ("&lt;script&gt;", "<script>"),
            ("", ""),
        ] {
            assert_eq!(plain_text(html), text, "{html}");
        }
    }
}
