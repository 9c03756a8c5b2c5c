//! Recursive descent with a bounded depth; positions count characters.

use chrono::Utc;

use super::{CONDITIONS_MAX, DEPTH_MAX, End, Expr, Field, FqError, FqErrorKind, LENGTH_MAX, Part, Value, WILDCARDS_MAX, period};

/// Reads an expression; an empty one is [`Expr::All`].
pub fn parse(text: &str) -> Result<Expr, FqError> {
    if text.len() > LENGTH_MAX {
        return Err(FqError { position: 0, kind: FqErrorKind::TooLarge(Part::Bytes, LENGTH_MAX) });
    }
    let mut parser = Parser { chars: text.chars().collect(), at: 0, conditions: 0, wildcards: 0 };
    parser.skip_space();
    if parser.at_end() {
        return Ok(Expr::All);
    }
    let expr = parser.any_of(&Field::Text, 0)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(expr),
        Some(c) => Err(parser.error(FqErrorKind::Unexpected(c.to_string()))),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    conditions: usize,
    wildcards: usize,
}

impl Parser {
    /// `a OR b OR …`
    fn any_of(&mut self, field: &Field, depth: usize) -> Result<Expr, FqError> {
        if depth > DEPTH_MAX {
            return Err(self.error(FqErrorKind::TooLarge(Part::Brackets, DEPTH_MAX)));
        }
        let mut parts = vec![self.all_of(field, depth)?];
        while self.take_operator(&["OR", "||"]) {
            parts.push(self.all_of(field, depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    /// `a AND b c …`
    fn all_of(&mut self, field: &Field, depth: usize) -> Result<Expr, FqError> {
        let mut parts = vec![self.unary(field, depth)?];
        loop {
            let explicit = self.take_operator(&["AND", "&&"]);
            if !explicit && (self.at_end() || self.peek() == Some(')') || self.sees_operator(&["OR", "||"])) {
                break;
            }
            parts.push(self.unary(field, depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn unary(&mut self, field: &Field, depth: usize) -> Result<Expr, FqError> {
        if depth > DEPTH_MAX {
            return Err(self.error(FqErrorKind::TooLarge(Part::Brackets, DEPTH_MAX)));
        }
        self.skip_space();
        if self.take_operator(&["NOT"]) {
            return Ok(Expr::Not(Box::new(self.unary(field, depth + 1)?)));
        }
        match self.peek() {
            Some('-' | '!') => {
                self.at += 1;
                Ok(Expr::Not(Box::new(self.unary(field, depth + 1)?)))
            }
            Some('+') => {
                self.at += 1;
                self.unary(field, depth + 1)
            }
            _ => self.primary(field, depth),
        }
    }

    fn primary(&mut self, field: &Field, depth: usize) -> Result<Expr, FqError> {
        self.conditions += 1;
        if self.conditions > CONDITIONS_MAX {
            return Err(self.error(FqErrorKind::TooLarge(Part::Conditions, CONDITIONS_MAX)));
        }
        self.skip_space();
        match self.peek() {
            None => Err(self.error(FqErrorKind::Unexpected("(end)".to_owned()))),
            Some('(') => self.group(field, depth),
            Some('*') if self.chars[self.at..].starts_with(&['*', ':', '*']) => {
                self.at += 3;
                Ok(Expr::All)
            }
            Some(_) => match self.field_name()? {
                Some((name, named)) => {
                    self.skip_space();
                    match self.peek() {
                        None | Some(')') => Err(self.error(FqErrorKind::NoValue(name))),
                        Some('(') => self.group(&named, depth),
                        Some(_) => self.value(named),
                    }
                }
                None => self.value(field.clone()),
            },
        }
    }

    fn group(&mut self, field: &Field, depth: usize) -> Result<Expr, FqError> {
        let open = self.at;
        self.at += 1;
        let inner = self.any_of(field, depth + 1)?;
        self.skip_space();
        if self.peek() != Some(')') {
            return Err(FqError { position: open, kind: FqErrorKind::Unclosed('(') });
        }
        self.at += 1;
        self.skip_boost();
        Ok(inner)
    }

    /// `name:` if it stands here.
    fn field_name(&mut self) -> Result<Option<(String, Field)>, FqError> {
        let start = self.at;
        let mut end = start;
        while self.chars.get(end).is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '*')) {
            end += 1;
        }
        if end == start || self.chars.get(end) != Some(&':') {
            return Ok(None);
        }
        let name: String = self.chars[start..end].iter().collect();
        let Some(field) = Field::parse(&name) else {
            return Err(self.error(FqErrorKind::UnknownField(name)));
        };
        self.at = end + 1;
        Ok(Some((name, field)))
    }

    fn value(&mut self, field: Field) -> Result<Expr, FqError> {
        let start = self.at;
        let value = match self.peek() {
            Some('"') => Value::Phrase(self.quoted()?),
            Some('[' | '{') => self.range()?,
            _ => self.bare()?,
        };
        self.skip_boost();
        if field == Field::Text && value == Value::Any {
            return Ok(Expr::All);
        }
        self.check(&field, &value).map_err(|kind| FqError { position: start, kind })?;
        Ok(Expr::Is(field, value))
    }

    fn check(&self, field: &Field, value: &Value) -> Result<(), FqErrorKind> {
        let mut operands: Vec<&String> = Vec::new();
        match value {
            Value::Exact(text) | Value::Phrase(text) => operands.push(text),
            Value::Range(from, to) => {
                for end in [from, to] {
                    if let End::Inclusive(text) | End::Exclusive(text) = end {
                        operands.push(text);
                    }
                }
            }
            Value::Pattern(text) if field.is_date() => return Err(FqErrorKind::Date(text.clone())),
            Value::Pattern(text) if field.is_number() => return Err(FqErrorKind::Number(text.clone())),
            Value::Pattern(_) | Value::Any => {}
        }
        for text in operands {
            if field.is_date() && period(text, Utc::now()).is_none() {
                return Err(FqErrorKind::Date(text.clone()));
            }
            if field.is_number() && text.parse::<i64>().is_err() {
                return Err(FqErrorKind::Number(text.clone()));
            }
        }
        Ok(())
    }

    fn quoted(&mut self) -> Result<String, FqError> {
        let open = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '"' => return Ok(text),
                '\\' => {
                    if let Some(escaped) = self.peek() {
                        text.push(escaped);
                        self.at += 1;
                    }
                }
                c => text.push(c),
            }
        }
        Err(FqError { position: open, kind: FqErrorKind::Unclosed('"') })
    }

    fn bare(&mut self) -> Result<Value, FqError> {
        let (mut text, mut pattern, mut escaped_any) = (String::new(), false, false);
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.at += 1;
                    let Some(escaped) = self.peek() else { break };
                    // In a pattern an escaped wildcard would be one; without wildcards nothing is lost.
                    escaped_any |= matches!(escaped, '*' | '?');
                    text.push(escaped);
                }
                c if c.is_whitespace() || matches!(c, '(' | ')' | '"' | '[' | ']' | '{' | '}' | '^') => break,
                '~' if !text.is_empty() && self.chars[self.at + 1..].first().is_none_or(|c| c.is_ascii_digit() || c.is_whitespace()) => {
                    break;
                }
                '*' | '?' => {
                    pattern = true;
                    text.push(c);
                }
                c => text.push(c),
            }
            self.at += 1;
        }
        if text.is_empty() {
            let found = self.peek().map_or("(end)".to_owned(), |c| c.to_string());
            return Err(self.error(FqErrorKind::Unexpected(found)));
        }
        if pattern && !escaped_any && text != "*" {
            self.wildcards += text.chars().filter(|c| matches!(c, '*' | '?')).count();
            if self.wildcards > WILDCARDS_MAX {
                return Err(self.error(FqErrorKind::TooLarge(Part::Wildcards, WILDCARDS_MAX)));
            }
        }
        Ok(match text.as_str() {
            "*" if pattern => Value::Any,
            _ if pattern && !escaped_any => Value::Pattern(text),
            _ => Value::Exact(text),
        })
    }

    fn range(&mut self) -> Result<Value, FqError> {
        let open = self.at;
        let opening = self.chars[self.at];
        self.at += 1;
        let from = self.range_end()?;
        self.skip_space();
        if !self.take_operator(&["TO"]) {
            return Err(FqError { position: open, kind: FqErrorKind::Unclosed(opening) });
        }
        let to = self.range_end()?;
        self.skip_space();
        let closing = match self.peek() {
            Some(c @ (']' | '}')) => c,
            _ => return Err(FqError { position: open, kind: FqErrorKind::Unclosed(opening) }),
        };
        self.at += 1;
        let end = |value: Option<String>, inclusive: bool| match value {
            None => End::Open,
            Some(value) if inclusive => End::Inclusive(value),
            Some(value) => End::Exclusive(value),
        };
        Ok(Value::Range(end(from, opening == '['), end(to, closing == ']')))
    }

    /// `None` is `*`.
    fn range_end(&mut self) -> Result<Option<String>, FqError> {
        self.skip_space();
        if self.peek() == Some('"') {
            return self.quoted().map(Some);
        }
        let start = self.at;
        while self.peek().is_some_and(|c| !c.is_whitespace() && !matches!(c, ']' | '}')) {
            self.at += 1;
        }
        let text: String = self.chars[start..self.at].iter().filter(|c| **c != '\\').collect();
        match text.as_str() {
            "" => Err(self.error(FqErrorKind::Unexpected(self.peek().map_or("(end)".to_owned(), |c| c.to_string())))),
            "*" => Ok(None),
            _ => Ok(Some(text)),
        }
    }

    /// Weights (`^2`) and distances (`~1`) are read and not used.
    fn skip_boost(&mut self) {
        while matches!(self.peek(), Some('^' | '~')) {
            self.at += 1;
            while self.peek().is_some_and(|c| c.is_ascii_digit() || c == '.') {
                self.at += 1;
            }
        }
    }

    fn take_operator(&mut self, names: &[&str]) -> bool {
        self.skip_space();
        for name in names {
            if self.operator_here(name) {
                self.at += name.len();
                return true;
            }
        }
        false
    }

    fn sees_operator(&mut self, names: &[&str]) -> bool {
        self.skip_space();
        names.iter().any(|name| self.operator_here(name))
    }

    fn operator_here(&self, name: &str) -> bool {
        let word = name.starts_with(char::is_alphabetic);
        let after = self.chars.get(self.at + name.len());
        self.chars[self.at..].iter().copied().take(name.len()).eq(name.chars())
            && (!word || after.is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '"' | '[' | '{')))
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn at_end(&self) -> bool {
        self.at >= self.chars.len()
    }

    fn error(&self, kind: FqErrorKind) -> FqError {
        FqError { position: self.at, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fq::looks_like_syntax;

    fn check(text: &str, expected: &str) {
        let shown = match parse(text) {
            Ok(expr) => show(&expr),
            Err(error) => format!("error at {}: {:?}", error.position, error.kind),
        };
        assert_eq!(shown, expected, "{text}");
    }

    fn show(expr: &Expr) -> String {
        let join = |parts: &[Expr], by: &str| format!("({})", parts.iter().map(show).collect::<Vec<_>>().join(by));
        match expr {
            Expr::All => "all".to_owned(),
            Expr::And(parts) => join(parts, " & "),
            Expr::Or(parts) => join(parts, " | "),
            Expr::Not(inner) => format!("!{}", show(inner)),
            Expr::Is(field, value) => match value {
                Value::Exact(text) => format!("{field:?}={text}"),
                Value::Phrase(text) => format!("{field:?}=\"{text}\""),
                Value::Pattern(text) => format!("{field:?}~{text}"),
                Value::Any => format!("{field:?}=*"),
                Value::Range(from, to) => format!("{field:?} {from:?}..{to:?}"),
            },
        }
    }

    #[test]
    fn ckan_expressions() {
        check("", "all");
        check("*:*", "all");
        check("tags:防災", "Keyword=防災");
        check(r#"tags:"避難所 一覧""#, r#"Keyword="避難所 一覧""#);
        check("+organization:kure -res_format:PDF", "(Organization=kure & !Format=PDF)");
        check("a OR b AND c", "(Text=a | (Text=b & Text=c))");
        check("NOT a && !b || c", "((!Text=a & !Text=b) | Text=c)");
        check("res_format:(CSV OR XLSX) groups:gr_1400", "((Format=CSV | Format=XLSX) & Theme=gr_1400)");
        check("name:abc*", "Slug~abc*");
        check("extras_key:v", "Extra(\"key\")=v");
        check("license_id:*", "Licence=*");
        check(r"title:a\:b\ c", "Title=a:b c");
        check("title:避難^2 text:x~1", "(Title=避難 & Text=x)");
        check("metadata_modified:[NOW-1YEAR/DAY TO *]", "Modified Inclusive(\"NOW-1YEAR/DAY\")..Open");
        check(
            "metadata_created:{2024-01-01T00:00:00Z TO 2024-02-01T00:00:00Z]",
            "Created Exclusive(\"2024-01-01T00:00:00Z\")..Inclusive(\"2024-02-01T00:00:00Z\")",
        );
        check("metadata_modified:2024-01-01T00:00:00Z", "Modified=2024-01-01T00:00:00Z");
        check("-(a b)", "!(Text=a & Text=b)");
        check("ORGAN ANDROID", "(Text=ORGAN & Text=ANDROID)");
    }

    #[test]
    fn mistakes_name_their_place() {
        check("titel:x", "error at 0: UnknownField(\"titel\")");
        check("title:x foo:y", "error at 8: UnknownField(\"foo\")");
        check("(a", "error at 0: Unclosed('(')");
        check("a)", "error at 1: Unexpected(\")\")");
        check("title:\"a", "error at 6: Unclosed('\"')");
        check("title:", "error at 6: NoValue(\"title\")");
        check("a AND", "error at 5: Unexpected(\"(end)\")");
        check("modified:[1 TO 2]", "error at 9: Date(\"1\")");
        check("modified:[NOW TO", "error at 16: Unexpected(\"(end)\")");
        check("num_resources:many", "error at 14: Number(\"many\")");
        check("]", "error at 0: Unexpected(\"]\")");
    }

    #[test]
    fn depth_length_and_number_are_limited() {
        for text in ["(".repeat(10_000), "-".repeat(10_000), "NOT ".repeat(3_000), "a ".repeat(2_000), "a".repeat(20_000)] {
            assert!(matches!(parse(&text).unwrap_err().kind, FqErrorKind::TooLarge(..)), "{}", &text[..10]);
        }
        assert!(parse(&format!("{}a{}", "(".repeat(20), ")".repeat(20))).is_ok());
    }

    #[test]
    fn plain_text_is_not_syntax() {
        for text in ["避難所（一覧", "12:30", "http://example.jp", "a(b", "title:(", "注意: 断水", "避難所 - 一覧", "and or not"]
        {
            assert!(!looks_like_syntax(text), "{text}");
        }
        for text in ["*:*", "title:避難所", "避難所 OR 公園", "-tags:x", "(title:a)", "name:abc*"] {
            assert!(looks_like_syntax(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = parse(&text);
            let _ = looks_like_syntax(&text);
        }

        #[test]
        fn no_syntax_panics(text in "([a-z(){}\\[\\]:\"*?~^!+\\\\ -]|AND|OR|NOT|TO|NOW|title:|避){0,40}") {
            let _ = parse(&text);
            let _ = looks_like_syntax(&text);
        }
    }
}
