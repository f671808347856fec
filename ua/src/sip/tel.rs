//! Comparison of tel URIs (RFC 3966 section 4).

use std::collections::BTreeMap;

use super::uri::folded;

/// Whether two tel URIs, given without their scheme, name the same number: digit by digit, without visual separators,
/// with the same parameters in any order. A global number begins with `+` and is never equal to a local one.
pub(super) fn matches(a: &str, b: &str) -> bool {
    parts(a) == parts(b)
}

/// Parameters by their names.
type Params = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The number and the parameters; everything is compared without case.
fn parts(text: &str) -> (Vec<u8>, Params) {
    let mut pieces = text.split(';');
    let number = without_separators(folded(pieces.next().unwrap_or_default()));
    let params = pieces.map(|piece| {
        let (name, value) = match piece.split_once('=') {
            Some((name, value)) => (folded(name), Some(folded(value))),
            None => (folded(piece), None),
        };
        let is_number = |value: &[u8]| name == b"ext" || name == b"phone-context" && value.starts_with(b"+");
        let value = value.map(|value| if is_number(&value) { without_separators(value) } else { value });
        (name, value)
    });
    (number, params.collect())
}

/// `visual-separator = "-" / "." / "(" / ")"` (RFC 3966 section 3).
fn without_separators(mut text: Vec<u8>) -> Vec<u8> {
    text.retain(|b| !b"-.()".contains(b));
    text
}
