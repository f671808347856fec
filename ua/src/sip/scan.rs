//! A cursor over one header value: the lexical rules of RFC 3261 section 25.1 that all headers share.

/// What is left to read of a value.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Steps over blanks (SWS; folds were undone before).
    pub(super) fn blanks(&mut self) -> &mut Self {
        self.rest = self.rest.trim_start_matches(is_blank);
        self
    }

    /// Steps over `c` if it comes next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Steps over `c` and the blanks on both sides of it, as SEMI, COLON, SLASH, EQUAL and COMMA allow; over nothing
    /// if `c` is not there.
    pub(super) fn eat_spaced(&mut self, c: char) -> bool {
        let mut ahead = *self;
        if !ahead.blanks().eat(c) {
            return false;
        }
        ahead.blanks();
        *self = ahead;
        true
    }

    /// The longest, possibly empty, run of characters that `is` true of.
    pub(super) fn run(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }

    /// A token (RFC 3261 section 25.1), or nothing.
    pub(super) fn token(&mut self) -> Option<&'a str> {
        Some(self.run(is_token_char)).filter(|t| !t.is_empty())
    }

    /// A quoted-string with its quotes, as it was written; an error if it does not end.
    pub(super) fn quoted(&mut self) -> Result<Option<&'a str>, &'static str> {
        if !self.rest.starts_with('"') {
            return Ok(None);
        }
        let mut escaped = true;
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let (quoted, rest) = self.rest.split_at(at + 1);
                    self.rest = rest;
                    return Ok(Some(quoted));
                }
                _ => {}
            }
        }
        Err("a quoted string does not end")
    }
}

impl<'a> Scan<'a> {
    /// What a comment says (RFC 3261 section 25.1): parentheses, which may stand in each other, and quoted pairs. As it
    /// was written, without its outer parentheses; an error if it does not end.
    pub(super) fn comment(&mut self) -> Result<Option<&'a str>, &'static str> {
        if !self.rest.starts_with('(') {
            return Ok(None);
        }
        let (mut depth, mut escaped) = (0_usize, false);
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let (comment, rest) = self.rest.split_at(at + 1);
                self.rest = rest;
                return Ok(Some(&comment[1..at]));
            }
        }
        Err("a comment does not end")
    }
}

/// SP or HTAB.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// A character of a token (RFC 3261 section 25.1).
pub(super) fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '!' | '%' | '*' | '_' | '+' | '`' | '\'' | '~')
}

/// Whether the whole text is a token.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// A decimal number that may have leading zeros, as 1*DIGIT allows.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    Some(text).filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// What a quoted-string says: without its quotes and backslashes, and with blanks for CR and LF, as [`quote`] has them.
/// Other text is itself.
pub(super) fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut said = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            said.push(if matches!(c, '\r' | '\n') { ' ' } else { c });
            escaped = false;
        }
    }
    said
}

/// Text as a quoted-string; CR and LF, which cannot be quoted, become blanks.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\r' | '\n' => quoted.push(' '),
            // qdtext has no control characters; a quoted-pair may be any of them (RFC 3261 section 25.1).
            c if c.is_ascii_control() && c != '\t' => quoted.extend(['\\', c]),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_keeps_its_escaped_quotes() {
        let mut scan = Scan::new(r#""J \"x\\\"" <sip:a@b>"#);
        let quoted = scan.quoted().unwrap().unwrap();
        assert_eq!(unquote(quoted), r#"J "x\""#);
        assert_eq!(quote(r#"J "x\""#), quoted);
        assert_eq!(scan.rest(), " <sip:a@b>");
    }

    #[test]
    fn a_quoted_string_without_an_end_is_refused() {
        assert!(Scan::new(r#""abc\""#).quoted().is_err());
        assert!(Scan::new("\"").quoted().is_err());
    }

    #[test]
    fn a_signed_or_empty_number_is_none() {
        assert_eq!(number::<u8>("0070"), Some(70));
        assert_eq!([number::<u8>("+7"), number("-7"), number(""), number("300")], [None; 4]);
    }
}
