//! Bodies in several parts (RFC 2046 section 5.1, RFC 5621), and the one part of a body that is looked for.
//!
//! ```text
//! multipart-body  = [preamble CRLF] dash-boundary padding CRLF body-part
//!                   *(CRLF dash-boundary padding CRLF body-part)
//!                   CRLF dash-boundary "--" padding [CRLF epilogue]
//! dash-boundary   = "--" boundary
//! body-part       = MIME-part-headers [CRLF *OCTET]
//! ```

use std::fmt;

use super::error::SipError;
use super::headers::Headers;
use super::media_type::MediaType;
use super::message::{self, Request, Response};
use super::scan;

/// The most parts that one multipart body may have.
pub const MAX_PARTS: usize = 32;
/// How deep multipart bodies may stand in each other.
pub const MAX_DEPTH: usize = 4;

/// A body in several parts. What stands before the first and after the last is not kept (RFC 2046 section 5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multipart<'a> {
    /// The parts, in their order; at least one.
    pub parts: Vec<Part<'a>>,
}

/// One part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Content-Type, Content-Disposition, Content-ID and others.
    pub headers: Headers,
    /// What they describe.
    pub body: &'a [u8],
}

impl<'a> Part<'a> {
    /// A part of this type.
    pub fn new(content_type: &str, body: &'a [u8]) -> Self {
        let mut headers = Headers::new();
        headers.push("Content-Type", content_type);
        Self { headers, body }
    }

    /// `MIME-part-headers [CRLF *OCTET]`.
    fn parse(bytes: &'a [u8]) -> Result<Self, SipError> {
        if let Some(body) = bytes.strip_prefix(b"\r\n") {
            return Ok(Self { headers: Headers::new(), body });
        }
        match message::find_empty_line(bytes, 0) {
            Some(at) => Ok(Self { headers: Headers::parse(&bytes[..at + 2])?, body: &bytes[at + 4..] }),
            None if bytes.is_empty() || bytes.ends_with(b"\r\n") => {
                Ok(Self { headers: Headers::parse(bytes)?, body: &[] })
            }
            // The last field's CRLF was that of the delimiter.
            None => Ok(Self { headers: Headers::parse(&[bytes, b"\r\n"].concat())?, body: &[] }),
        }
    }
}

impl<'a> Multipart<'a> {
    /// Reads a body whose Content-Type is `content_type`, which names the boundary.
    ///
    /// # Errors
    /// [`SipError::Body`] if the boundaries are not there or the last is missing, [`SipError::TooLarge`] beyond
    /// [`MAX_PARTS`], and what is wrong with the header section of a part.
    pub fn parse(content_type: &MediaType, body: &'a [u8]) -> Result<Self, SipError> {
        let boundary = content_type.params.text("boundary").filter(|b| is_boundary(b));
        let boundary = boundary.ok_or(SipError::Body("its Content-Type names no boundary"))?;
        let mut parts = Vec::new();
        // Where the part begins that is being read.
        let mut begin: Option<usize> = None;
        let mut at = 0;
        while at < body.len() {
            let line = body[at..].iter().position(|b| *b == b'\n').map_or(body.len(), |end| at + end + 1);
            let is_line_start = at == 0 || body[..at].ends_with(b"\r\n");
            let delimiter = is_line_start.then(|| delimiter(&body[at..line], &boundary)).flatten();
            if let Some(delimiter) = delimiter {
                if let Some(begin) = begin {
                    if parts.len() == MAX_PARTS {
                        return Err(SipError::TooLarge { what: "the number of body parts", limit: MAX_PARTS });
                    }
                    // The CRLF before a delimiter is its own; of an empty part it was the CRLF of the one before.
                    parts.push(Part::parse(&body[begin..begin.max(at.saturating_sub(2))])?);
                }
                match delimiter {
                    Delimiter::Next => begin = Some(line),
                    Delimiter::Last if parts.is_empty() => break,
                    Delimiter::Last => return Ok(Self { parts }),
                }
            }
            at = line;
        }
        Err(SipError::Body("its last boundary is missing"))
    }

    /// The body, with a boundary that the Content-Type must name as well.
    ///
    /// # Errors
    /// [`SipError::Body`] if the boundary is none, or stands somewhere in a part: then another one must be made up.
    pub fn write(&self, boundary: &str) -> Result<Vec<u8>, SipError> {
        if !is_boundary(boundary) {
            return Err(SipError::Body("its boundary is malformed"));
        }
        let mut out = Vec::new();
        for part in &self.parts {
            out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            part.headers.write_to(&mut out);
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(part.body);
            out.extend_from_slice(b"\r\n");
        }
        let found = out.windows(boundary.len()).filter(|window| *window == boundary.as_bytes()).count();
        if found != self.parts.len() || self.parts.is_empty() {
            return Err(SipError::Body("its boundary stands in a part, or it has no part"));
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok(out)
    }
}

enum Delimiter {
    Next,
    Last,
}

/// A delimiter may end with blanks that somebody on the way has added (RFC 2046 section 5.1.1). A longer line that only
/// begins like one is none: the boundary of a multipart inside may begin like ours.
fn delimiter(line: &[u8], boundary: &str) -> Option<Delimiter> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?;
    let (rest, last) = match rest.strip_prefix(b"--") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (padding, ended) = match rest.strip_suffix(b"\r\n") {
        Some(padding) => (padding, true),
        None => (rest, false),
    };
    match padding.iter().all(|b| scan::is_blank(char::from(*b))) {
        true if last => Some(Delimiter::Last),
        true if ended => Some(Delimiter::Next),
        _ => None,
    }
}

/// `0*69<bchars> bcharsnospace` (RFC 2046 section 5.1.1).
fn is_boundary(text: &str) -> bool {
    let is_char = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    (1..=70).contains(&text.len()) && text.bytes().all(is_char) && !text.ends_with(' ')
}

/// What is looked for in a body.
#[derive(Clone, Copy)]
struct Wanted<'w> {
    kind: &'w str,
    subtype: &'w str,
    /// What such a body is for if it does not say (RFC 3261 section 20.11).
    disposition: &'w str,
}

const SESSION: Wanted<'_> = Wanted { kind: "application", subtype: "sdp", disposition: "session" };

impl Wanted<'_> {
    /// The one wanted part, or nothing if there is none and nothing else that we would have to understand.
    fn find<'a>(self, headers: &Headers, body: &'a [u8], depth: usize) -> Result<Option<&'a [u8]>, SipError> {
        let is_optional = headers.content_disposition()?.is_some_and(|disposition| disposition.is_optional);
        match self.look(headers, body, depth) {
            // RFC 3261 section 20.11, RFC 5621 section 8.1: what may be ignored is.
            Err(SipError::Unsupported(_)) if is_optional => Ok(None),
            found => found,
        }
    }

    fn look<'a>(self, headers: &Headers, body: &'a [u8], depth: usize) -> Result<Option<&'a [u8]>, SipError> {
        if let Some(coding) = headers.content_encoding()?.into_iter().find(|coding| coding != "identity") {
            return Err(SipError::Unsupported(Lack::Encoding(coding)));
        }
        // RFC 2045 section 5.2: a part without a type is plain text.
        let is_plain = || MediaType::parse("text/plain").expect("it is a type");
        let media_type = headers.content_type()?.unwrap_or_else(is_plain);
        let MediaType { kind, subtype, .. } = &media_type;
        if kind == "multipart" {
            return self.look_inside(&media_type, body, depth);
        }
        let disposition = headers.content_disposition()?;
        let is_meant = disposition.is_none_or(|disposition| disposition.kind == self.disposition);
        match media_type.is(self.kind, self.subtype) && is_meant {
            true => Ok(Some(body)),
            false => Err(SipError::Unsupported(Lack::Type(format!("{kind}/{subtype}")))),
        }
    }

    fn look_inside<'a>(
        self,
        media_type: &MediaType,
        body: &'a [u8],
        depth: usize,
    ) -> Result<Option<&'a [u8]>, SipError> {
        if depth == MAX_DEPTH {
            return Err(SipError::TooLarge { what: "the depth of the multipart body", limit: MAX_DEPTH });
        }
        let Multipart { parts } = Multipart::parse(media_type, body)?;
        if media_type.subtype == "alternative" {
            // The last one that is understood (RFC 5621 section 6.1).
            let mut lack = Ok(None);
            for part in parts.iter().rev() {
                match self.find(&part.headers, part.body, depth + 1) {
                    Ok(None) => {}
                    Err(SipError::Unsupported(what)) => lack = Err(SipError::Unsupported(what)),
                    found => return found,
                }
            }
            return lack;
        }
        // All other subtypes are read as mixed (RFC 5621 section 4.2).
        let mut found = None;
        for part in &parts {
            let here = self.find(&part.headers, part.body, depth + 1)?;
            if here.is_some() && found.is_some() {
                return Err(SipError::Body("two of its parts are the same"));
            }
            found = found.or(here);
        }
        Ok(found)
    }
}

/// What of a body we do not understand, and may not ignore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Its type and subtype: a 415 lists in Accept what we read (RFC 3261 section 8.2.3).
    Type(String),
    /// Its coding: a 415 lists in Accept-Encoding what we undo.
    Encoding(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(name) => write!(f, "its type {name}"),
            Self::Encoding(name) => write!(f, "its encoding {name}"),
        }
    }
}

/// The session description in a body (RFC 3261 section 20.11): the body itself, or a part of it.
///
/// # Errors
/// [`SipError::Unsupported`] if something in the body is neither a session description nor optional; else what is
/// malformed.
pub fn session_body<'a>(headers: &Headers, body: &'a [u8]) -> Result<Option<&'a [u8]>, SipError> {
    find(SESSION, headers, body)
}

/// The part of a body that has this type, in lower case, and is to be rendered (RFC 3261 section 20.11).
///
/// # Errors
/// As [`session_body`].
pub fn rendered_body<'a>(
    headers: &Headers,
    body: &'a [u8],
    kind: &str,
    subtype: &str,
) -> Result<Option<&'a [u8]>, SipError> {
    find(Wanted { kind, subtype, disposition: "render" }, headers, body)
}

fn find<'a>(wanted: Wanted<'_>, headers: &Headers, body: &'a [u8]) -> Result<Option<&'a [u8]>, SipError> {
    if body.is_empty() {
        return Ok(None);
    }
    // RFC 3261 section 20.15: a body has a type.
    headers.content_type()?.ok_or(SipError::Missing("Content-Type"))?;
    wanted.find(headers, body, 0)
}

impl Request {
    /// The session description in the body, or in a part of it. Errors are those of [`session_body`].
    pub fn session_body(&self) -> Result<Option<&[u8]>, SipError> {
        session_body(&self.headers, &self.body)
    }
}

impl Response {
    /// The session description in the body, or in a part of it. Errors are those of [`session_body`].
    pub fn session_body(&self) -> Result<Option<&[u8]>, SipError> {
        session_body(&self.headers, &self.body)
    }
}
