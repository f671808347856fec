//! URIs (RFC 3261 section 19.1): sip and sips are read, every other scheme is kept as it was written.

use std::fmt;
use std::str::FromStr;

use super::error::SipError;
use super::host::Host;
use super::scan::Scan;
use super::tel;

/// Whom a request is for, or where somebody is. `==` compares the writing; [`Uri::matches`] the meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`, `urn:` and any other scheme.
    Other(OtherUri),
}

/// A URI of a scheme that we only carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherUri {
    scheme: String,
    rest: String,
}

/// `sip:user:password@host:port;uri-parameters?headers`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipUri {
    secure: bool,
    /// As written, escapes included; so are password, params and headers.
    user: Option<String>,
    password: Option<String>,
    host: Host,
    port: Option<u16>,
    params: Vec<(String, Option<String>)>,
    headers: Vec<(String, String)>,
}

impl Uri {
    /// The sip or sips URI, unless it is of another scheme.
    pub fn sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(sip) => Some(sip),
            Self::Other(_) => None,
        }
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(sip) => sip.scheme(),
            Self::Other(other) => &other.scheme,
        }
    }

    /// Whether both name the same resource (RFC 3261 section 19.1.4, RFC 3966 section 4 for tel; URIs of other schemes
    /// as they are written). Not transitive, hence not `==`.
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.matches(b),
            (Self::Other(a), Self::Other(b)) if a.scheme == "tel" && b.scheme == "tel" => {
                tel::matches(&a.rest, &b.rest)
            }
            (a, b) => a == b,
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once(':').ok_or("the URI has no scheme")?;
        let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(scheme_char) {
            return Err("the URI's scheme is malformed");
        }
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "sip" => SipUri::parse(false, rest).map(Self::Sip),
            "sips" => SipUri::parse(true, rest).map(Self::Sip),
            _ if rest.is_empty() => Err("nothing follows the URI's scheme"),
            _ if rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b)) => {
                Ok(Self::Other(OtherUri { scheme, rest: rest.to_owned() }))
            }
            _ => Err("the URI has a character that must be escaped"),
        }
    }
}

impl SipUri {
    /// A URI of a host. `secure` makes it `sips:`.
    pub fn new(secure: bool, host: Host) -> Self {
        Self { secure, user: None, password: None, host, port: None, params: Vec::new(), headers: Vec::new() }
    }

    /// The same with a user, whose name is escaped where needed. An empty name is no user.
    pub fn with_user(mut self, name: &str) -> Self {
        self.user = Some(escape(name, is_user_char)).filter(|u| !u.is_empty());
        self
    }

    /// The same without user and password.
    pub fn without_user(mut self) -> Self {
        (self.user, self.password) = (None, None);
        self
    }

    /// The same with a port.
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same with a parameter, which replaces one of its name; name and value are escaped where needed.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.params.push((escape(name, is_param_char), value.map(|v| escape(v, is_param_char))));
        self
    }

    /// The same as `sips:`.
    pub fn secured(mut self) -> Self {
        self.secure = true;
        self
    }

    /// What of a URI may stand in a Request-URI: neither headers nor a method (RFC 3261 section 19.1.1).
    pub fn for_request(mut self) -> Self {
        self.headers.clear();
        self.params.retain(|(n, _)| !n.eq_ignore_ascii_case("method"));
        self
    }

    /// Whether it is `sips:`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The user as written, escapes included.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The user without escapes; nothing if that is not UTF-8.
    pub fn user_text(&self) -> Option<String> {
        String::from_utf8(unescape(self.user.as_deref()?, |_| true)).ok()
    }

    /// The password as written. RFC 3261 section 19.1.1 advises against it.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, if it is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether a parameter is there, such as `lr`.
    pub fn has_param(&self, name: &str) -> bool {
        self.params.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// A parameter's value as written, such as that of `transport` or `maddr`.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?.1.as_deref()
    }

    /// One of the headers that a request made of this URI should have, without escapes; nothing if that is not UTF-8.
    pub fn header(&self, name: &str) -> Option<String> {
        let is = |written: &str| unescape(written, |_| true).eq_ignore_ascii_case(name.as_bytes());
        let (_, value) = self.headers.iter().find(|(written, _)| is(written))?;
        String::from_utf8(unescape(value, |_| true)).ok()
    }

    /// The same with a header more; name and value are escaped where needed.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((escape(name, is_header_char), escape(value, is_header_char)));
        self
    }

    /// All parameters, as written.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.params.iter().map(|(n, v)| (n.as_str(), v.as_deref()))
    }

    /// The headers that a request made of this URI should have, as written.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Whether both name the same resource (RFC 3261 section 19.1.4).
    pub fn matches(&self, other: &Self) -> bool {
        let exact = |a: &Option<String>, b: &Option<String>| a.as_deref().map(plain) == b.as_deref().map(plain);
        self.secure == other.secure
            && exact(&self.user, &other.user)
            && exact(&self.password, &other.password)
            && self.host.matches(&other.host)
            && self.port == other.port
            && self.params_match(other)
            && self.sorted_headers() == other.sorted_headers()
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "sips" } else { "sip" }
    }

    /// What stands in both must match; these five may not stand in one alone, all others may.
    fn params_match(&self, other: &Self) -> bool {
        let find = |uri: &Self, name: &[u8]| {
            uri.params.iter().find(|(n, _)| folded(n) == name).map(|(_, v)| v.as_deref().map(folded))
        };
        let names = self.params.iter().chain(&other.params).map(|(n, _)| folded(n));
        names.into_iter().all(|name| match (find(self, &name), find(other, &name)) {
            (Some(a), Some(b)) => a == b,
            _ => ![&b"user"[..], b"ttl", b"method", b"maddr", b"transport"].contains(&name.as_slice()),
        })
    }

    fn sorted_headers(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut headers: Vec<_> = self.headers.iter().map(|(n, v)| (folded(n), folded(v))).collect();
        headers.sort();
        headers
    }

    fn parse(secure: bool, text: &str) -> Result<Self, &'static str> {
        // An `@` may stand unescaped nowhere else (RFC 3261 section 25.1), a `;` or `?` may well stand before it.
        let (userinfo, place) = match text.split_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, text),
        };
        let mut scan = Scan::new(place);
        let (host, port) = Host::scan_port(&mut scan, false)?;
        let mut uri = Self { port, ..Self::new(secure, host) };
        if let Some(userinfo) = userinfo {
            let (user, password) = match userinfo.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (userinfo, None),
            };
            if user.is_empty() {
                return Err("no user stands before the @");
            }
            uri.user = Some(checked(user, is_user_char)?);
            uri.password = password.map(|p| checked(p, is_password_char)).transpose()?;
        }
        while scan.eat(';') {
            uri.add_param(scan.run(|c| c != ';' && c != '?'))?;
        }
        if scan.eat('?') {
            for header in scan.run(|_| true).split('&') {
                let (name, value) = header.split_once('=').ok_or("a header in the URI has no value")?;
                if name.is_empty() || uri.headers.len() == MAX_PARTS {
                    return Err("the URI's headers have no name, or are too many");
                }
                uri.headers.push((checked(name, is_header_char)?, checked(value, is_header_char)?));
            }
        }
        if scan.is_done() { Ok(uri) } else { Err("something follows the URI's host that does not belong there") }
    }

    fn add_param(&mut self, param: &str) -> Result<(), &'static str> {
        let (name, value) = match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        };
        if name.is_empty() || value == Some("") {
            return Err("a parameter in the URI has no name or no value");
        }
        // No parameter may stand twice (RFC 3261 section 19.1.1).
        if self.has_param(name) || self.params.len() == MAX_PARTS {
            return Err("the URI's parameters repeat, or are too many");
        }
        let value = value.map(|v| checked(v, is_param_char)).transpose()?;
        self.params.push((checked(name, is_param_char)?, value));
        Ok(())
    }
}

/// The most parameters, and the most headers, of one URI.
const MAX_PARTS: usize = 64;

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b)
}

fn is_user_char(b: u8) -> bool {
    is_unreserved(b) || b"&=+$,;?/".contains(&b)
}

fn is_password_char(b: u8) -> bool {
    is_unreserved(b) || b"&=+$,".contains(&b)
}

fn is_param_char(b: u8) -> bool {
    is_unreserved(b) || b"[]/:&+$".contains(&b)
}

fn is_header_char(b: u8) -> bool {
    is_unreserved(b) || b"[]/?:+$".contains(&b)
}

/// The text, if all of it is `is` or well escaped.
fn checked(text: &str, is: fn(u8) -> bool) -> Result<String, &'static str> {
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let mut is_digit = || bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
            if !(is_digit() && is_digit()) {
                return Err("a % in the URI is not followed by two hexadecimal digits");
            }
        } else if !is(b) {
            return Err("the URI has a character that must be escaped");
        }
    }
    Ok(text.to_owned())
}

fn escape(text: &str, is: fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for b in text.bytes() {
        match is(b) {
            true => escaped.push(char::from(b)),
            false => escaped.push_str(&format!("%{b:02X}")),
        }
    }
    escaped
}

/// Undoes those escapes whose character `is` true of; others are written in upper case.
fn unescape(text: &str, is: fn(u8) -> bool) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match *tail {
            [high, low, ..] if b == b'%' => digit(high).zip(digit(low)).map(|(h, l)| h << 4 | l),
            _ => None,
        };
        let Some(c) = escaped else {
            plain.push(b);
            continue;
        };
        rest = &tail[2..];
        match is(c) {
            true => plain.push(c),
            false => plain.extend([b'%', tail[0].to_ascii_uppercase(), tail[1].to_ascii_uppercase()]),
        }
    }
    plain
}

/// For comparison: a character is the same as its escape, unless it is reserved (RFC 3261 section 19.1.4). An escaped
/// `%` stays one, or `%253B` would become `%3B`.
fn plain(text: &str) -> Vec<u8> {
    unescape(text, |b| !b";/?:@&=+$,%".contains(&b))
}

pub(super) fn folded(text: &str) -> Vec<u8> {
    plain(text).to_ascii_lowercase()
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

impl FromStr for Uri {
    type Err = SipError;

    fn from_str(text: &str) -> Result<Self, SipError> {
        Self::parse(text).map_err(SipError::Uri)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(sip) => sip.fmt(f),
            Self::Other(other) => write!(f, "{}:{}", other.scheme, other.rest),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme())?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        for (name, value) in &self.params {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        for (at, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}
