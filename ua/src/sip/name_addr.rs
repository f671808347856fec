//! Addresses in headers (RFC 3261 section 25.1): `[display-name] <URI>` or a bare URI, then parameters. From, To,
//! Contact, Route, Record-Route, Refer-To and their like.

use std::fmt;
use std::str::FromStr;

use super::error::SipError;
use super::params::Params;
use super::scan::{self, Scan};
use super::uri::Uri;

/// A URI with the name of somebody and the header's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// What a person reads, without quotes and escapes.
    pub display: Option<String>,
    /// Whom it names.
    pub uri: Uri,
    /// The header's parameters; those of the URI stand in the URI.
    pub params: Params,
}

impl NameAddr {
    /// The URI alone.
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::new() }
    }

    /// The same with a tag (RFC 3261 section 19.3), which replaces any other.
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// The tag of From and To.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// Whether both are equivalent (RFC 3261 section 20.20): names do not matter, URIs must match, and so must every
    /// parameter that stands in both. A tag that one of them lacks makes them different.
    pub fn matches(&self, other: &Self) -> bool {
        let is_same = |a: Option<&str>, b: Option<&str>| match (a, b) {
            // Quoted strings are compared with their case, tokens without (RFC 3261 section 7.3.1).
            (Some(a), Some(b)) if a.starts_with('"') || b.starts_with('"') => scan::unquote(a) == scan::unquote(b),
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.uri.matches(&other.uri)
            && self.tag().is_some() == other.tag().is_some()
            && self.params.iter().all(|(name, value)| !other.params.has(name) || is_same(value, other.params.get(name)))
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let display = scan_display(&mut scan)?.map(scan::unquote);
        if scan.eat('<') {
            let uri = scan.run(|c| c != '>');
            if !scan.eat('>') {
                return Err("the angle bracket does not close");
            }
            return Ok(Self { display, uri: Uri::parse(uri)?, params: Params::scan(&mut scan)? });
        }
        if display.is_some() {
            return Err("a URI in angle brackets does not follow the name");
        }
        // Without brackets a semicolon begins the header's parameters, and neither a question mark nor a comma may
        // stand in the URI (RFC 3261 section 20.10).
        let uri = scan.run(|c| c != ';' && !scan::is_blank(c));
        if uri.contains([',', '?']) {
            return Err("a URI with a comma or question mark must stand in angle brackets");
        }
        Ok(Self { display, uri: Uri::parse(uri)?, params: Params::scan(&mut scan)? })
    }
}

impl NameAddr {
    /// A name-addr and no bare URI: what a route is made of (RFC 3261 section 25.1).
    pub(super) fn parse_bracketed(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        scan_display(&mut scan)?;
        match scan.rest().starts_with('<') {
            true => Self::parse(text),
            false => Err("its URI must stand in angle brackets"),
        }
    }
}

/// The tag of an address, as [`NameAddr::tag`] says it: for those who need no more of an address that was read before.
pub(super) fn tag_in(text: &str) -> Option<&str> {
    let mut scan = Scan::new(text);
    scan_display(&mut scan).ok()?;
    match scan.eat('<') {
        true => {
            scan.run(|c| c != '>');
            scan.eat('>');
        }
        false => {
            scan.run(|c| c != ';' && !scan::is_blank(c));
        }
    }
    Params::find(&mut scan, "tag")
}

/// `*(token LWS) / quoted-string` as it was written, if an angle bracket follows; the cursor then stands at the bracket.
fn scan_display<'a>(scan: &mut Scan<'a>) -> Result<Option<&'a str>, &'static str> {
    if let Some(quoted) = scan.blanks().quoted()? {
        scan.blanks();
        return Ok(Some(quoted));
    }
    let mut ahead = *scan;
    let words = ahead.run(|c| scan::is_token_char(c) || scan::is_blank(c)).trim_end_matches(scan::is_blank);
    if !ahead.rest().starts_with('<') {
        return Ok(None);
    }
    *scan = ahead;
    Ok(Some(words).filter(|w| !w.is_empty()))
}

impl FromStr for NameAddr {
    type Err = SipError;

    fn from_str(text: &str) -> Result<Self, SipError> {
        Self::parse(text).map_err(SipError::Uri)
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", scan::quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<String>, String, String) {
        let addr = NameAddr::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(NameAddr::parse(&addr.to_string()).as_ref(), Ok(&addr));
        assert_eq!(tag_in(text), addr.tag(), "{text}");
        (addr.display, addr.uri.to_string(), addr.params.to_string())
    }

    #[test]
    fn names_brackets_and_parameters_are_told_apart() {
        let cases = [
            (r#""J \"X\" \\" <sip:j@a.com;lr>;tag=1"#, Some(r#"J "X" \"#), "sip:j@a.com;lr", ";tag=1"),
            ("Anonymous Coward<sips:c@a.com> ; tag = 2", Some("Anonymous Coward"), "sips:c@a.com", ";tag=2"),
            ("sip:a@b.com;tag=3", None, "sip:a@b.com", ";tag=3"),
            ("<tel:+12125551212;phone-context=x>", None, "tel:+12125551212;phone-context=x", ""),
            ("\"\" <sip:[2001:db8::1]:5070?a=b>", Some(""), "sip:[2001:db8::1]:5070?a=b", ""),
            ("<sip:user;par=u%40example.net@example.com>", None, "sip:user;par=u%40example.net@example.com", ""),
        ];
        for (text, display, uri, params) in cases {
            assert_eq!(parts(text), (display.map(str::to_owned), uri.to_owned(), params.to_owned()), "{text}");
        }
    }

    #[test]
    fn malformed_addresses_are_refused() {
        // The last five are quotbal, badaspec, baddn, regbadct and badinv01 of RFC 4475 section 3.1.2.
        for bad in [
            "",
            "<>",
            "<sip:a@b",
            "\"x\" sip:a@b",
            "<sip:a@b> x",
            "*",
            "\"Mr. J. User <sip:j.user@example.com>",
            "\"Watson, Thomas\" < sip:t.watson@example.org >",
            "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "\"Joe\" <sip:joe@example.org>;;;;",
        ] {
            assert!(NameAddr::parse(bad).is_err(), "{bad}");
        }
    }
}
