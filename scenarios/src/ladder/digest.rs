//! What a SIP message says, in a few words: its headline, what its header fields add to that, the m-lines of its SDP,
//! and what its key-mgmt lines are.

use super::{plain, says};
use keyphone_keying::mikey::Tolerances;
use keyphone_keying::mikey::wire::{self, DataType, ErrorNo, Kemac, V};
use keyphone_ua::sip;
use std::fmt;

/// A SIP message in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Method and Request-URI, or status and reason; the method that is answered too, unless it is INVITE.
    pub what: String,
    /// A request, rather than a response.
    pub is_request: bool,
    /// The tag of To: which branch it is about (RFC 3261 section 12).
    pub tag: Option<String>,
    /// What its header fields add: `Refer-To: <sip:carol@example.org>`, for instance. No credentials.
    pub says: Vec<String>,
    /// Its m-lines: `audio RTP/SAVP`, for instance, and `audio RTP/SAVP, sendonly` on hold.
    pub media: Vec<String>,
    /// Its key-mgmt lines.
    pub keying: Vec<KeyMgmt>,
}

/// One key-mgmt line (RFC 4567 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMgmt {
    /// What it is: `MIKEY PSK I_MESSAGE`; for an error message what it says, too.
    pub what: String,
    /// What is worth knowing of it: the CSB and algorithms, or why it cannot be read.
    pub details: Vec<String>,
}

/// More m-lines or key-mgmt lines in one message are not shown.
const MAX_LINES: usize = 6;

impl Digest {
    /// Reads a message. What cannot be read is shown by its first line, and why.
    pub fn of(bytes: &[u8]) -> Self {
        let message = match sip::Message::parse(bytes) {
            Ok(message) => message,
            Err(sip::SipError::KeepAlive) => return Self::bare("keep-alive"),
            Err(error) => {
                let first = bytes.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
                // Enough to recognise it by.
                let first = String::from_utf8_lossy(&first[..first.len().min(100)]);
                return Self::bare(&format!("cannot be read, {error}: {first}"));
            }
        };
        let (what, is_request) = match &message {
            sip::Message::Request(request) => (format!("{} {}", request.method, request.uri), true),
            sip::Message::Response(response) => {
                let to = response.headers.cseq().ok().map(|cseq| cseq.method).filter(|m| *m != sip::Method::Invite);
                let to = to.map_or(String::new(), |method| format!(" ({method})"));
                (format!("{} {}{to}", response.status, response.reason), false)
            }
        };
        let headers = match &message {
            sip::Message::Request(request) => &request.headers,
            sip::Message::Response(response) => &response.headers,
        };
        let tag = headers.to().ok().and_then(|to| to.tag().map(plain::line));
        let (media, keying) = description(message.body()).map(sdp).unwrap_or_default();
        Self { what: plain::line(&what), is_request, tag, says: says::says(&message), media, keying }
    }

    fn bare(what: &str) -> Self {
        Self { what: plain::line(what), is_request: true, tag: None, says: vec![], media: vec![], keying: vec![] }
    }

    /// What stood in a message before need not be said again with the same message.
    pub(super) fn repeated(self) -> Self {
        Self { says: vec![], media: vec![], keying: vec![], ..self }
    }
}

impl KeyMgmt {
    /// Reads the value of a key-mgmt attribute. No key and nothing encrypted is in it.
    fn of(value: &str) -> Self {
        match wire::Message::from_key_mgmt(value, Tolerances::interop()) {
            Some(Ok(message)) => Self::mikey(&message),
            Some(Err(error)) => {
                Self { what: "MIKEY".into(), details: vec![plain::line(&format!("unreadable: {error}"))] }
            }
            None => {
                Self { what: plain::line(value.split(' ').find(|w| !w.is_empty()).unwrap_or("empty")), details: vec![] }
            }
        }
    }

    fn mikey(message: &wire::Message) -> Self {
        let hdr = message.hdr();
        let errors: String = message.many::<ErrorNo>().take(MAX_LINES).map(|error| format!(": {error}")).collect();
        let mut details = vec![format!("CSB {:08x}", hdr.csb_id)];
        let or_none = |alg: String, what: &str| if alg == "NULL" { format!("no {what}") } else { alg };
        for kemac in message.many::<Kemac>() {
            // DHHMAC has a KEMAC too, for its MAC alone.
            if !kemac.encr_data.is_empty() {
                details.push(or_none(kemac.encr_alg.to_string(), "encryption"));
            }
            details.push(or_none(kemac.mac_alg.to_string(), "MAC"));
        }
        details.extend(message.many::<V>().map(|v| or_none(v.auth_alg.to_string(), "MAC")));
        details.extend(message.tail().map(|tail| plain::line(&format!("unreadable: {}", tail.why))));
        Self { what: format!("MIKEY {}{errors}", name(hdr.data_type)), details }
    }
}

/// `key-mgmt: MIKEY PSK I_MESSAGE, CSB 7757f0cd, AES-CM-128, HMAC-SHA-1-160`.
impl fmt::Display for KeyMgmt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key-mgmt: {}", self.what)?;
        self.details.iter().try_for_each(|detail| write!(f, ", {detail}"))
    }
}

/// The kind of a message by its mode and direction (RFC 3830 section 3, RFC 4650 section 3, RFC 4738 section 3).
fn name(data_type: DataType) -> String {
    match data_type {
        DataType::PskInit => "PSK I_MESSAGE".into(),
        DataType::PskVer => "PSK R_MESSAGE".into(),
        DataType::PkInit => "RSA I_MESSAGE".into(),
        DataType::PkVer => "RSA R_MESSAGE".into(),
        DataType::DhInit => "DH-SIGN I_MESSAGE".into(),
        DataType::DhResp => "DH-SIGN R_MESSAGE".into(),
        DataType::Error => "error".into(),
        DataType::DhHmacInit => "DHHMAC I_MESSAGE".into(),
        DataType::DhHmacResp => "DHHMAC R_MESSAGE".into(),
        DataType::RsaRInit => "RSA-R I_MESSAGE".into(),
        DataType::RsaRResp => "RSA-R R_MESSAGE".into(),
        DataType::Unknown(number) => format!("message of unknown type {number}"),
    }
}

/// The session description in a body: all of it, or one part of several (RFC 2046 section 5.1), which begins behind an
/// empty line. A boundary is no line of SDP, so that whatever follows does no harm.
fn description(body: &[u8]) -> Option<&[u8]> {
    const PART: &[u8] = b"\r\n\r\nv=";
    match body.starts_with(b"v=") {
        true => Some(body),
        false => body
            .starts_with(b"--")
            .then(|| body.windows(PART.len()).position(|w| w == PART))
            .flatten()
            .map(|at| &body[at..]),
    }
}

/// The m-lines and key-mgmt lines of a session description. A ladder shows what stands there, so it is read by line
/// and not understood: a description that a phone refuses is shown all the same.
fn sdp(body: &[u8]) -> (Vec<String>, Vec<KeyMgmt>) {
    let (mut media, mut keying) = (vec![], vec![]);
    // What stands before the first m-line is for all of them (RFC 8866 section 6.7).
    let (mut for_all, mut skipped) = ("", false);
    for line in body.split(|b| matches!(b, b'\r' | b'\n')) {
        let line = String::from_utf8_lossy(line);
        if let Some(m) = line.strip_prefix("m=") {
            skipped = media.len() == MAX_LINES;
            if !skipped {
                media.push((m_line(m), for_all));
            }
        } else if let Some(value) = line.strip_prefix("a=key-mgmt:").filter(|_| keying.len() < MAX_LINES) {
            keying.push(KeyMgmt::of(value));
        } else if let Some(way) = DIRECTIONS.into_iter().find(|way| line.strip_prefix("a=") == Some(*way)) {
            match media.last_mut() {
                Some((_, direction)) if !skipped => *direction = way,
                Some(_) => {}
                None => for_all = way,
            }
        }
    }
    let with_direction = |(line, direction): (String, &str)| match direction {
        // Both ways is what everybody expects.
        "" | "sendrecv" => line,
        _ => format!("{line}, {direction}"),
    };
    (media.into_iter().map(with_direction).collect(), keying)
}

/// RFC 8866 section 6.7: anything but the first is how a call is put on hold (RFC 3264 section 8.4).
const DIRECTIONS: [&str; 4] = ["sendrecv", "sendonly", "recvonly", "inactive"];

/// `m=<media> <port> <proto> <fmt> ..` (RFC 8866 section 5.14); port zero refuses the stream (RFC 3264 section 6).
fn m_line(m: &str) -> String {
    let mut fields = m.split(' ');
    let (media, port, proto) = (fields.next(), fields.next(), fields.next());
    let refused = if port == Some("0") { ", refused" } else { "" };
    plain::line(&format!("{} {}{refused}", media.unwrap_or_default(), proto.unwrap_or_default()))
}
