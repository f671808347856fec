//! Lines into fields, fields into values (RFC 3261 section 7.3.1): folds, blanks and commas, and nothing of meaning.

use std::borrow::Cow;

use super::error::SipError;
use super::headers::MAX_FIELD;
use super::scan;

/// Divides a header section into names and values. A value still has its folds; lines end in CRLF and in nothing else
/// (RFC 3261 section 7: CR or LF alone could mean another field to the next hop).
pub(super) fn fields(section: &[u8]) -> impl Iterator<Item = Result<(&str, &[u8]), SipError>> {
    let mut rest = section;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = field_end(rest);
        let (field, tail) = rest.split_at(end);
        rest = tail;
        Some(divide(field))
    })
}

/// Where the field ends that `section` begins with: after a CRLF that no blank follows (RFC 3261 section 7.3.1).
fn field_end(section: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = section[from..].iter().position(|b| *b == b'\n').map(|at| from + at + 1) {
        match section.get(at) {
            Some(b' ' | b'\t') => from = at,
            _ => return at,
        }
    }
    section.len()
}

fn divide(field: &[u8]) -> Result<(&str, &[u8]), SipError> {
    if field.len() > MAX_FIELD {
        return Err(SipError::TooLarge { what: "a header field", limit: MAX_FIELD });
    }
    let field = field.strip_suffix(b"\r\n").ok_or(SipError::Section("a line does not end in CRLF"))?;
    let colon = field.iter().position(|b| *b == b':').ok_or(SipError::Section("a line has no colon"))?;
    // HCOLON: blanks may stand before the colon, a line end may not (RFC 3261 section 25.1).
    let name = std::str::from_utf8(&field[..colon]).unwrap_or_default().trim_end_matches(scan::is_blank);
    match scan::is_token(name) {
        true => Ok((name, &field[colon + 1..])),
        false => Err(SipError::Section("a field name is not a token")),
    }
}

/// Folds become one blank (RFC 3261 section 7.3.1); values are UTF-8 (section 25.1).
pub(super) fn unfold(value: &[u8]) -> Result<Cow<'_, str>, SipError> {
    let value = std::str::from_utf8(value).map_err(|_| SipError::Section("a value is not UTF-8"))?;
    if !value.contains(['\r', '\n']) {
        return Ok(Cow::Borrowed(value));
    }
    let mut whole = String::with_capacity(value.len());
    for (at, line) in value.split("\r\n").enumerate() {
        if line.contains(['\r', '\n']) {
            return Err(SipError::Section("CR or LF stands alone in a value"));
        }
        if at > 0 {
            whole.truncate(whole.trim_end_matches(scan::is_blank).len());
            whole.push(' ');
        }
        whole.push_str(if at > 0 { line.trim_start_matches(scan::is_blank) } else { line });
    }
    Ok(Cow::Owned(whole))
}

/// A value of our own on one line.
pub(super) fn one_line(value: &str) -> Cow<'_, str> {
    match value.contains(['\r', '\n']) {
        true => Cow::Owned(value.replace(['\r', '\n'], " ")),
        false => Cow::Borrowed(value),
    }
}

/// Divides at the commas that stand neither in a quoted string nor in `<>` (RFC 3261 section 7.3.1).
pub(super) fn split_list(value: &str) -> impl Iterator<Item = &str> {
    #[derive(Clone, Copy, PartialEq)]
    enum In {
        Plain,
        Quotes { escaped: bool },
        Brackets,
    }
    let mut place = In::Plain;
    value.split(move |c| {
        let (next, is_end) = match (place, c) {
            (In::Plain, ',') => (In::Plain, true),
            (In::Plain, '"') => (In::Quotes { escaped: false }, false),
            (In::Plain, '<') => (In::Brackets, false),
            (In::Brackets, '>') => (In::Plain, false),
            (In::Quotes { escaped: false }, '"') => (In::Plain, false),
            (In::Quotes { escaped }, c) => (In::Quotes { escaped: !escaped && c == '\\' }, false),
            (same, _) => (same, false),
        };
        place = next;
        is_end
    })
}
