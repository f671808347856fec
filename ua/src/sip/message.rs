//! Requests and responses (RFC 3261 section 7).
//!
//! ```text
//! generic-message = start-line *message-header CRLF [ message-body ]
//! ```

use super::error::SipError;
use super::headers::Headers;
use super::lines;
use super::method::Method;
use super::scan;
use super::status::StatusCode;
use super::uri::Uri;
use std::fmt;
use std::io::Write;

/// The largest start line and header section, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// The largest body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// What [`SipError::TooLarge`] calls it.
pub(super) const BODY: &str = "the body";

/// One SIP message. Content-Length is not kept among the headers: it is what the body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Asks for something.
    Request(Request),
    /// Answers.
    Response(Response),
}

/// `Method SP Request-URI SP SIP-Version` and what follows (RFC 3261 section 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// Whom it is asked of.
    pub uri: Uri,
    /// The header fields.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// `SIP-Version SP Status-Code SP Reason-Phrase` and what follows (RFC 3261 section 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The answer.
    pub status: StatusCode,
    /// The answer for people.
    pub reason: String,
    /// The header fields.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads a datagram, or what a [`Framer`](super::Framer) cut out of a stream. What follows the body is dropped, and
    /// so are line ends before the start line (RFC 3261 sections 18.3 and 7.5).
    pub fn parse(datagram: &[u8]) -> Result<Self, SipError> {
        let (head, rest) = split(datagram)?;
        let (mut message, length) = Self::parse_head(head)?;
        let body = match length {
            Some(says) => rest.get(..says).ok_or(SipError::ShortBody { has: rest.len(), says })?,
            None => rest,
        };
        if body.len() > MAX_BODY {
            return Err(SipError::TooLarge { what: BODY, limit: MAX_BODY });
        }
        *message.body_mut() = body.to_vec();
        Ok(message)
    }

    /// Reads a start line and the header section behind it, each line with its CRLF; and how long they say the body is.
    pub(super) fn parse_head(head: &[u8]) -> Result<(Self, Option<usize>), SipError> {
        let (line, section) = split_line(head)?;
        let start = parse_start(line)?;
        let mut headers = Headers::parse(section)?;
        let length = headers.content_length()?;
        if length.is_some() {
            headers.remove("Content-Length");
        }
        let message = match start {
            Start::Request(method, uri) => Self::Request(Request { method, uri, headers, body: Vec::new() }),
            Start::Response(status, reason) => {
                Self::Response(Response { status, reason: reason.to_owned(), headers, body: Vec::new() })
            }
        };
        Ok((message, length))
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// The message as it travels, with its Content-Length.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// Whether every message must have what this one has: Via, From, To, Call-ID and CSeq, well written and once (RFC
    /// 3261 section 8.1.1), and for a request a method that its CSeq names too.
    pub fn check(&self) -> Result<(), SipError> {
        let headers = self.headers();
        if headers.vias()?.is_empty() {
            return Err(SipError::Missing("Via"));
        }
        headers.from()?;
        headers.to()?;
        headers.call_id()?;
        headers.max_forwards()?;
        headers.content_type()?;
        let cseq = headers.cseq()?;
        match self {
            Self::Request(request) if request.method != cseq.method => {
                Err(SipError::Header { name: "CSeq", reason: "it names another method than the start line" })
            }
            _ => Ok(()),
        }
    }

    fn body_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Request(request) => &mut request.body,
            Self::Response(response) => &mut response.body,
        }
    }
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Vec::new() }
    }

    /// The request as it travels, with its Content-Length.
    pub fn to_bytes(&self) -> Vec<u8> {
        write(format_args!("{} {} SIP/2.0", self.method, self.uri), &self.headers, &self.body)
    }
}

impl Response {
    /// A response without headers or body, and with the usual phrase.
    pub fn new(status: StatusCode) -> Self {
        Self { status, reason: status.phrase().to_owned(), headers: Headers::new(), body: Vec::new() }
    }

    /// The response as it travels, with its Content-Length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let reason = lines::one_line(&self.reason);
        write(format_args!("SIP/2.0 {} {reason}", self.status), &self.headers, &self.body)
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

enum Start<'a> {
    Request(Method, Uri),
    Response(StatusCode, &'a str),
}

/// Exactly one blank between the parts (RFC 3261 section 7.1): whoever writes more may mean something else.
fn parse_start(line: &[u8]) -> Result<Start<'_>, SipError> {
    let line = std::str::from_utf8(line).map_err(|_| SipError::StartLine("it is not UTF-8"))?;
    let mut parts = line.splitn(3, ' ');
    let (Some(first), Some(second), Some(third)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(SipError::StartLine("it has not three parts"));
    };
    if let Some(version) = version(first) {
        return match (version, StatusCode::parse(second)) {
            ("2.0", Some(status)) => Ok(Start::Response(status, third)),
            ("2.0", None) => Err(SipError::StartLine("its status is not a number from 100 to 699")),
            _ => Err(SipError::Version),
        };
    }
    match version(third) {
        Some("2.0") => {}
        Some(other) if is_version_number(other) => return Err(SipError::Version),
        _ => return Err(SipError::StartLine("it does not end with one blank and SIP/2.0")),
    }
    let uri = Uri::parse(second).map_err(SipError::Uri)?;
    // Headers may not stand in a Request-URI (RFC 3261 section 19.1.1).
    if uri.sip().is_some_and(|sip| sip.headers().next().is_some()) {
        return Err(SipError::Uri("a Request-URI may have no headers"));
    }
    Ok(Start::Request(first.parse()?, uri))
}

/// What follows `SIP/`, whose case does not matter (RFC 3261 section 7.1).
fn version(text: &str) -> Option<&str> {
    let (name, number) = text.split_once('/')?;
    name.eq_ignore_ascii_case("SIP").then_some(number)
}

fn is_version_number(text: &str) -> bool {
    text.split_once('.').is_some_and(|(a, b)| [a, b].iter().all(|n| scan::number::<u64>(n).is_some()))
}

/// Divides a datagram into its head, up to and with the CRLF of the last field, and what follows the empty line.
pub(super) fn split(datagram: &[u8]) -> Result<(&[u8], &[u8]), SipError> {
    let start = datagram.iter().position(|b| !b"\r\n".contains(b)).ok_or(SipError::KeepAlive)?;
    let datagram = &datagram[start..];
    let window = &datagram[..datagram.len().min(MAX_HEAD)];
    match find_empty_line(window, 0) {
        Some(at) => Ok((&datagram[..at + 2], &datagram[at + 4..])),
        None if window.len() < datagram.len() => {
            Err(SipError::TooLarge { what: "the header section", limit: MAX_HEAD })
        }
        None => Err(SipError::Section("no empty line ends it")),
    }
}

/// Where the CRLF CRLF stands that ends the head; looked for from `from` on.
pub(super) fn find_empty_line(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(line) = bytes.get(at..)?.iter().position(|b| *b == b'\n') {
        at += line + 1;
        if bytes[at..].starts_with(b"\r\n") && bytes[from..at].ends_with(b"\r\n") {
            return Some(at - 2);
        }
    }
    None
}

/// What a head says that the length of its body is (RFC 3261 section 20.14). Twice is an error even if both agree: two
/// hops must not cut at different places.
pub(super) fn content_length(head: &[u8]) -> Result<Option<usize>, SipError> {
    let (_, section) = split_line(head)?;
    let mut length = None;
    for field in lines::fields(section) {
        let (name, value) = field?;
        if !name.eq_ignore_ascii_case("Content-Length") && !name.eq_ignore_ascii_case("l") {
            continue;
        }
        if length.is_some() {
            return Err(SipError::Duplicate("Content-Length"));
        }
        let says = lines::unfold(value)?;
        let says = scan::number(says.trim_matches(scan::is_blank));
        length = Some(says.ok_or(SipError::Header { name: "Content-Length", reason: "it is not a number of bytes" })?);
    }
    Ok(length)
}

fn split_line(head: &[u8]) -> Result<(&[u8], &[u8]), SipError> {
    let end = head.iter().position(|b| *b == b'\n').ok_or(SipError::StartLine("it does not end"))?;
    let line = head[..end].strip_suffix(b"\r").ok_or(SipError::StartLine("it does not end in CRLF"))?;
    if line.contains(&b'\r') {
        return Err(SipError::StartLine("CR stands alone in it"));
    }
    Ok((line, &head[end + 1..]))
}

fn write(start: fmt::Arguments<'_>, headers: &Headers, body: &[u8]) -> Vec<u8> {
    /// For the start line and the Content-Length, about.
    const REST: usize = 128;
    let mut out = Vec::with_capacity(REST + headers.room() + body.len());
    // Whoever writes to memory cannot fail.
    let _ = write!(out, "{start}\r\n");
    headers.write_to(&mut out);
    let _ = write!(out, "Content-Length: {}\r\n\r\n", body.len());
    out.extend_from_slice(body);
    out
}
