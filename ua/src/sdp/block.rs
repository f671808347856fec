//! The text of a session description, cut into blocks and lines, nothing lost.
//!
//! ```text
//! v=0                              session block: v, o, s first, at least one t
//! o=- 1 1 IN IP4 192.0.2.1
//! s=-
//! t=0 0
//! a=key-mgmt:mikey AQ...
//! m=audio 5004 RTP/SAVP 0          media block 0: its m-line, then i, c, b, k, a
//! c=IN IP4 192.0.2.1
//! m=image 0 udptl t38              media block 1: never understood, always kept
//! ```
//! Values are bytes, because `a=charset` may make them anything but UTF-8 (RFC 8866 section 9, `byte-string`).

use std::borrow::Cow;
use std::fmt;

/// No more octets than this are read.
pub const MAX_BYTES: usize = 64 * 1024;

/// No more m-lines than this are read.
pub const MAX_MEDIA: usize = 32;

/// A whole session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdp {
    session: Vec<RawLine>,
    media: Vec<Block>,
}

/// One m-line and all that stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    m: MLine,
    lines: Vec<RawLine>,
}

/// `m=<media> <port>[/<number of ports>] <proto> <fmt> ...` (RFC 8866 section 5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MLine {
    /// `audio`, for instance.
    pub media: String,
    /// Where the sender of this SDP hears; zero if the stream is refused or over.
    pub port: u16,
    /// How many ports, if it says so.
    pub ports: Option<u32>,
    /// `RTP/SAVP`, for instance.
    pub proto: String,
    /// At least one; payload types if the protocol is RTP.
    pub formats: Vec<String>,
}

/// `<type>=<value>` and the line's number, from one. Lines that we make have the number zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLine {
    number: usize,
    kind: u8,
    value: Vec<u8>,
}

/// Why a session description cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SdpError {
    line: usize,
    why: Cow<'static, str>,
}

impl SdpError {
    /// `line` is zero if no single line is to blame.
    pub(crate) fn new(line: usize, why: impl Into<Cow<'static, str>>) -> Self {
        Self { line, why: why.into() }
    }

    /// The line to blame, from one; zero if it is not one line's fault.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "the SDP {}", self.why),
            line => write!(f, "line {line} of the SDP {}", self.why),
        }
    }
}

impl Sdp {
    /// Cuts the text. Lines end in CRLF or, as RFC 8866 section 5 asks of every reader, in a bare LF.
    pub fn parse(text: &[u8]) -> Result<Self, SdpError> {
        if text.len() > MAX_BYTES {
            return Err(SdpError::new(0, format!("has {} octets, and we read {MAX_BYTES} at most", text.len())));
        }
        let lines = split(text)?;
        let mut session: Vec<RawLine> = Vec::new();
        let mut media: Vec<Block> = Vec::new();
        for line in lines {
            let full = media.len() == MAX_MEDIA;
            match (line.kind, media.last_mut()) {
                (b'm', _) if full => {
                    return Err(SdpError::new(line.number, format!("is one m-line more than the {MAX_MEDIA} we read")));
                }
                (b'm', _) => media.push(Block { m: MLine::parse(&line)?, lines: vec![line] }),
                (b'i' | b'c' | b'b' | b'k' | b'a', Some(block)) => block.lines.push(line),
                (kind, Some(_)) => {
                    let why = format!("has type {:?}, which may not stand under an m-line", char::from(kind));
                    return Err(SdpError::new(line.number, why));
                }
                (_, None) => session.push(line),
            }
        }
        check_session(&session)?;
        Ok(Self { session, media })
    }

    pub(crate) fn from_parts(session: Vec<RawLine>, media: Vec<Block>) -> Self {
        Self { session, media }
    }

    /// The text, each line ending in CRLF.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for line in self.session.iter().chain(self.media.iter().flat_map(|block| &block.lines)) {
            text.extend_from_slice(&[line.kind, b'=']);
            text.extend_from_slice(&line.value);
            text.extend_from_slice(b"\r\n");
        }
        text
    }

    /// The lines before the first m-line.
    pub fn session(&self) -> &[RawLine] {
        &self.session
    }

    /// The media blocks, in order.
    pub fn media(&self) -> &[Block] {
        &self.media
    }
}

impl fmt::Display for Sdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes()))
    }
}

impl Block {
    pub(crate) fn new(m: MLine, under: Vec<RawLine>) -> Self {
        let mut lines = vec![RawLine::new(b'm', m.to_string())];
        lines.extend(under);
        Self { m, lines }
    }

    /// The m-line.
    pub fn m(&self) -> &MLine {
        &self.m
    }

    /// All lines, the m-line first.
    pub fn lines(&self) -> &[RawLine] {
        &self.lines
    }

    /// The stream is refused, or it is over (RFC 3264 sections 6 and 8.2): port zero.
    pub fn is_refused(&self) -> bool {
        self.m.port == 0
    }

    /// The same block with port zero and nothing under it, which is how a stream is refused (RFC 3264 section 6).
    pub(crate) fn refused(&self) -> Self {
        Self::new(MLine { port: 0, ports: None, ..self.m.clone() }, Vec::new())
    }
}

impl MLine {
    fn parse(line: &RawLine) -> Result<Self, SdpError> {
        let bad = |why: &'static str| SdpError::new(line.number, why);
        let mut fields = line.text()?.split(' ');
        let media = fields.next().filter(|t| is_token(t)).ok_or(bad("has no media type"))?;
        let port = fields.next().ok_or(bad("has no port"))?;
        let (port, ports) = match port.split_once('/') {
            Some((port, ports)) => (port, Some(number(ports).ok_or(bad("has no number after the port's slash"))?)),
            None => (port, None),
        };
        let port = number(port).ok_or(bad("has a port that is no number from 0 to 65535"))?;
        let proto = fields.next().filter(|p| p.split('/').all(is_token)).ok_or(bad("has no protocol"))?;
        let formats: Vec<String> = fields.map(String::from).collect();
        if formats.is_empty() || !formats.iter().all(|f| is_token(f)) {
            return Err(bad("has no formats, or a blank too many"));
        }
        Ok(Self { media: media.into(), port, ports, proto: proto.into(), formats })
    }
}

impl fmt::Display for MLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.media, self.port)?;
        if let Some(ports) = self.ports {
            write!(f, "/{ports}")?;
        }
        write!(f, " {} {}", self.proto, self.formats.join(" "))
    }
}

impl RawLine {
    /// A line of ours. An octet that would end the line becomes a blank, so no value can smuggle in another line.
    pub(crate) fn new(kind: u8, value: impl Into<Vec<u8>>) -> Self {
        let mut value = value.into();
        value.iter_mut().filter(|b| matches!(b, b'\r' | b'\n' | 0)).for_each(|b| *b = b' ');
        Self { number: 0, kind, value }
    }

    /// Counted from one in the text that was read; zero in a line that we made.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The letter before the equals sign.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// All that follows the equals sign.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The value, where only text will do.
    pub fn text(&self) -> Result<&str, SdpError> {
        std::str::from_utf8(&self.value).map_err(|_| SdpError::new(self.number, "is not UTF-8"))
    }

    /// `(name, value)` of `a=name:value` or of the flag `a=name`, whose value is `None`.
    pub fn attribute(&self) -> Option<(&[u8], Option<&[u8]>)> {
        if self.kind != b'a' {
            return None;
        }
        Some(match self.value.iter().position(|b| *b == b':') {
            Some(colon) => (&self.value[..colon], Some(&self.value[colon + 1..])),
            None => (&self.value, None),
        })
    }
}

fn split(text: &[u8]) -> Result<Vec<RawLine>, SdpError> {
    let mut lines = Vec::new();
    let mut blank = None;
    for (number, line) in (1..).zip(text.split(|b| *b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            blank.get_or_insert(number); // Blank lines at the very end are common, and harmless.
            continue;
        }
        if let Some(blank) = blank {
            return Err(SdpError::new(blank, "is empty"));
        }
        let [kind, b'=', value @ ..] = line else {
            return Err(SdpError::new(number, "does not begin with a letter and an equals sign"));
        };
        if !b"vosiuepcbtrzkam".contains(kind) {
            return Err(SdpError::new(number, "has a type that RFC 8866 does not know"));
        }
        // Some phones write `s=` with nothing behind it, against RFC 8866 section 5.3.
        if value.is_empty() && *kind != b's' {
            return Err(SdpError::new(number, "has no value"));
        }
        if value.iter().any(|b| matches!(b, b'\r' | 0)) {
            return Err(SdpError::new(number, "holds a bare CR or a NUL"));
        }
        lines.push(RawLine { number, kind: *kind, value: value.to_vec() });
    }
    Ok(lines)
}

/// What RFC 8866 section 5 requires. The order of the optional lines is left to the sender.
fn check_session(lines: &[RawLine]) -> Result<(), SdpError> {
    for (index, (kind, name)) in [(b'v', "version"), (b'o', "origin"), (b's', "session name")].into_iter().enumerate() {
        match lines.get(index) {
            Some(line) if line.kind == kind => {}
            Some(line) => return Err(SdpError::new(line.number, format!("is where the {name} line belongs"))),
            None => return Err(SdpError::new(0, format!("has no {name} line"))),
        }
    }
    if lines[0].value != b"0" {
        return Err(SdpError::new(lines[0].number, "has a version other than 0"));
    }
    let origin = lines[1].text()?;
    let fields: Vec<&str> = origin.split(' ').collect();
    if fields.len() != 6 || fields.iter().any(|f| f.is_empty()) {
        return Err(SdpError::new(lines[1].number, "is no origin: it does not have six fields"));
    }
    for (kind, most) in [(b'v', 1), (b'o', 1), (b's', 1), (b'c', 1)] {
        if let Some(line) = lines.iter().filter(|line| line.kind == kind).nth(most) {
            return Err(SdpError::new(line.number, format!("is a second {}= at session level", char::from(kind))));
        }
    }
    match lines.iter().any(|line| line.kind == b't') {
        true => Ok(()),
        false => Err(SdpError::new(0, "has no t= line")),
    }
}

/// `token` of RFC 8866 section 9.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b))
}

/// Digits and nothing else: `str::parse` would take a sign.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_LINES: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=key-mgmt:mikey AQ==\r\n\
        m=audio 5004 RTP/SAVP 0 96\r\nc=IN IP4 192.0.2.1\r\nm=image 2000/2 udptl t38\r\nc=IN IP4 9.9.9.9\r\n";

    fn why(text: &str) -> String {
        Sdp::parse(text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn every_line_comes_back_in_its_block() {
        let sdp = Sdp::parse(TWO_LINES.as_bytes()).unwrap();
        assert_eq!(sdp.bytes(), TWO_LINES.as_bytes());
        assert_eq!((sdp.session().len(), sdp.media().len()), (5, 2));
        assert_eq!(sdp.media()[1].m().to_string(), "image 2000/2 udptl t38");
        assert_eq!(sdp.media()[1].lines()[1].number(), 9);
        let attribute = sdp.session()[4].attribute();
        assert_eq!(attribute, Some((&b"key-mgmt"[..], Some(&b"mikey AQ=="[..]))));
    }

    #[test]
    fn bare_lf_and_blank_lines_at_the_end_are_forgiven() {
        let unix = TWO_LINES.replace('\r', "") + "\n\n";
        assert_eq!(Sdp::parse(unix.as_bytes()).unwrap().bytes(), TWO_LINES.as_bytes());
    }

    #[test]
    fn latin_1_is_kept_byte_for_byte() {
        let text = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Caf\xe9\r\nt=0 0\r\na=charset:ISO-8859-1\r\n";
        assert_eq!(Sdp::parse(text).unwrap().bytes(), text);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        assert_eq!(why("v=0\r\ns=-\r\n"), "line 2 of the SDP is where the origin line belongs");
        assert_eq!(why("v=0\r\nA=x\r\n"), "line 2 of the SDP has a type that RFC 8866 does not know");
        assert_eq!(why("v=0\r\n\r\no=x\r\n"), "line 2 of the SDP is empty");
        assert_eq!(why("v=1\r\no=- 1 1 IN IP4 0\r\ns=\r\n"), "line 1 of the SDP has a version other than 0");
        assert_eq!(why(""), "the SDP has no version line");
        assert_eq!(why("v=0\r\no=- 1 1 IN IP4 0\r\ns=\r\n"), "the SDP has no t= line");
        let port = TWO_LINES.replace("5004", "65536");
        assert_eq!(why(&port), "line 6 of the SDP has a port that is no number from 0 to 65535");
        assert_eq!(why(&TWO_LINES.replace("5004", "+5")), why(&port));
        assert_eq!(
            why(&(TWO_LINES.to_owned() + "t=0 0")),
            "line 10 of the SDP has type 't', which may not stand under an m-line"
        );
        assert!(why(&TWO_LINES.replace("=key", "=k\0ey")).contains("NUL"));
    }

    #[test]
    fn too_many_m_lines_and_too_many_octets_are_refused() {
        let many = TWO_LINES.to_owned() + &"m=audio 0 RTP/AVP 0\r\n".repeat(31);
        assert_eq!(why(&many), "line 40 of the SDP is one m-line more than the 32 we read");
        let long = TWO_LINES.to_owned() + "a=" + &"x".repeat(MAX_BYTES);
        assert!(why(&long).contains("octets"));
    }

    #[test]
    fn a_value_of_ours_cannot_smuggle_in_a_line() {
        assert_eq!(RawLine::new(b'a', "x:1\r\nm=audio").value(), b"x:1  m=audio");
    }
}
