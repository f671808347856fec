//! Parameters of header values: `;name`, `;name=token`, `;name="quoted"` (generic-param, RFC 3261 section 25.1).

use std::fmt;

use super::scan::{self, Scan};

/// Parameters in the order in which they were written. Names are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The parameter's value as it was written, quotes included.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entry(name)?.1.as_deref()
    }

    /// What the parameter's value says: without quotes and escapes.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(scan::unquote)
    }

    /// Sets or replaces a parameter. A value that is not a token or host is quoted.
    pub fn set(&mut self, name: &'static str, value: Option<&str>) {
        let value = value.map(|v| if is_plain(v) { v.to_owned() } else { scan::quote(v) });
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Every parameter: its name, and its value as it was written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_deref()))
    }

    /// Reads `*( SEMI generic-param )` up to the end of the value. No parameter may stand twice (RFC 3261 section
    /// 7.3.1).
    pub(super) fn scan(scan: &mut Scan<'_>) -> Result<Self, &'static str> {
        let mut params = Self::new();
        while let Some((name, value)) = next(scan)? {
            if params.0.len() == MAX_PARAMS {
                return Err("there are more than 64 parameters");
            }
            if params.has(name) {
                return Err("a parameter stands there twice");
            }
            params.0.push((name.to_owned(), value.map(str::to_owned)));
        }
        match scan.blanks().is_done() {
            true => Ok(params),
            false => Err("something other than a parameter stands at the end"),
        }
    }

    /// The value of one parameter, as it was written, of a value that was read before.
    pub(super) fn find<'a>(scan: &mut Scan<'a>, wanted: &str) -> Option<&'a str> {
        while let Some((name, value)) = next(scan).ok()? {
            if name.eq_ignore_ascii_case(wanted) {
                return value;
            }
        }
        None
    }

    fn entry(&self, name: &str) -> Option<&(String, Option<String>)> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}

/// Reads one `SEMI generic-param`, if one comes next.
fn next<'a>(scan: &mut Scan<'a>) -> Result<Option<(&'a str, Option<&'a str>)>, &'static str> {
    if !scan.eat_spaced(';') {
        return Ok(None);
    }
    let name = scan.token().ok_or("a parameter has no name")?;
    let value = match scan.eat_spaced('=') {
        false => None,
        true => Some(match scan.quoted()? {
            Some(quoted) => quoted,
            None => Some(scan.run(is_plain_char)).filter(|v| !v.is_empty()).ok_or("a parameter has no value")?,
        }),
    };
    Ok(Some((name, value)))
}

/// Keeps the search for duplicates, which is quadratic, short.
const MAX_PARAMS: usize = 64;

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, ";{name}={value}"),
            None => write!(f, ";{name}"),
        })
    }
}

/// A token, or a host: an IPv6 address may stand with or without its brackets (RFC 5118 section 4.5).
fn is_plain_char(c: char) -> bool {
    scan::is_token_char(c) || matches!(c, '[' | ']' | ':')
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_plain_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Params, &'static str> {
        Params::scan(&mut Scan::new(text))
    }

    #[test]
    fn parameters_keep_their_order_and_their_quotes() {
        let params = read(" ; Tag = 1 ;lr;\tx=\"a;\\\"b\"").unwrap();
        assert_eq!(params.to_string(), r#";Tag=1;lr;x="a;\"b""#);
        assert_eq!((params.get("tag"), params.has("LR"), params.get("lr")), (Some("1"), true, None));
        assert_eq!(params.text("x").as_deref(), Some("a;\"b"));
    }

    #[test]
    fn empty_and_repeated_parameters_are_refused() {
        for bad in [";", ";;a", ";a;", ";a=", ";a=1;A=2", ";a=\"x", ";a=1 b", ";a=1,"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_with_separators_is_quoted_when_set() {
        let mut params = Params::new();
        params.set("text", Some("Not \"here\"\r\nX: y"));
        assert_eq!(params.to_string(), r#";text="Not \"here\"  X: y""#);
        assert_eq!(read(&params.to_string()), Ok(params));
    }
}
