//! What a person may hold in hand: base64, hex, octets, SDP, RTSP headers. Which messages are in it, and where.
//!
//! ```text
//! octets, base64, hex                      ->  one message
//! a=key-mgmt:mikey AQAF..                  ->  one for each line          (RFC 4567 section 3.1)
//! KeyMgmt: prot=mikey;uri="..";data=".."   ->  one for each specification (RFC 4567 section 3.2)
//! ```

use crate::mikey::wire::{WireError, from_base64, key_mgmt};
use std::fmt;
use zeroize::Zeroizing;

/// A message that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// What carried it, as far as that shows.
    pub carrier: Carrier,
    /// Its octets, or why there are none.
    pub bytes: Result<Zeroizing<Vec<u8>>, WireError>,
}

/// Where a message was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The packet of a capture, from one, and between whom it went.
    pub packet: Option<Packet>,
    /// The line of a text, from one.
    pub line: Option<usize>,
}

/// A packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its number, from one; of a stream, that of the packet in which the message ends.
    pub number: usize,
    /// Transport, source and destination: `UDP 192.0.2.1:5060 > 192.0.2.2:5060`.
    pub route: String,
}

/// What carries a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// Nobody knows.
    #[default]
    Unknown,
    /// An SDP (RFC 4567 section 3.1).
    Sdp {
        /// The key management protocols that it offers, each once, in their order. `None` if it is a line alone.
        protocols: Option<Vec<String>>,
    },
    /// An RTSP header (RFC 4567 section 3.2).
    Rtsp,
    /// UDP or TCP port 2269.
    Port,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Packet { number, route }) = &self.packet {
            write!(f, ", packet {number}, {route}")?;
        }
        self.line.iter().try_for_each(|line| write!(f, ", line {line}"))
    }
}

impl Place {
    /// Writes itself into an object: `packet`, `route`, `line`.
    pub(crate) fn add_to(&self, object: &mut serde_json::Value) {
        if let Some(Packet { number, route }) = &self.packet {
            object["packet"] = (*number).into();
            object["route"] = route.as_str().into();
        }
        if let Some(line) = self.line {
            object["line"] = line.into();
        }
    }
}

impl Found {
    /// Octets that are a message and nothing else.
    pub fn octets(bytes: &[u8], carrier: Carrier, place: Place) -> Self {
        Self { place, carrier, bytes: Ok(Zeroizing::new(bytes.to_vec())) }
    }

    fn base64(data: &str, carrier: Carrier, line: Option<usize>) -> Self {
        Self { place: Place { packet: None, line }, carrier, bytes: from_base64(data) }
    }
}

/// Finds the messages. Octets begin with version 1, as no text does; lines with `key-mgmt:` are lines of SDP; hex
/// begins with 01, as base64 of a message never does.
///
/// # Errors
/// There is none: nothing at all, or key management of other protocols.
pub fn find(input: &[u8]) -> Result<Vec<Found>, WireError> {
    let text = match std::str::from_utf8(input) {
        // Windows begins a text with a byte order mark.
        Ok(text) if !text.starts_with('\u{1}') => text.trim_start_matches('\u{feff}').trim(),
        // A SIP message may have a body of octets beside its SDP.
        _ => {
            let found = if input.starts_with(&[1]) { vec![] } else { find_in_lines(&String::from_utf8_lossy(input)) };
            let octets = || vec![Found::octets(input, Carrier::Unknown, Place::default())];
            return Ok(if found.is_empty() { octets() } else { found });
        }
    };
    let (found, others) = in_lines(text);
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(other) = others.first() {
        let what = format!("has key-mgmt lines, but of \"{other}\" and not of \"mikey\"");
        return Err(WireError::message(0, "input", what));
    }
    // Lines of base64 or hex are often broken, and hex has colons.
    let joined: String = key_mgmt(text).unwrap_or(text).split_whitespace().collect();
    if joined.is_empty() {
        return Err(WireError::message(0, "input", "is empty"));
    }
    let digits = joined.replace(':', "");
    let bytes = match hex::decode(digits.strip_prefix("0x").unwrap_or(&digits)) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(_) => from_base64(&joined),
    };
    Ok(vec![Found { place: Place::default(), carrier: Carrier::Unknown, bytes }])
}

/// The messages in the lines of a text that need not have any: of a SIP or RTSP message, for instance.
pub fn find_in_lines(text: &str) -> Vec<Found> {
    in_lines(text).0
}

/// Also the protocols of the lines that are not MIKEY's.
fn in_lines(text: &str) -> (Vec<Found>, Vec<String>) {
    let (mut found, mut others) = (vec![], vec![]);
    let protocols = protocols(text);
    for (index, line) in text.lines().enumerate() {
        let number = Some(index + 1);
        if let Some(specs) = rtsp_header(line) {
            for Spec { prot, data } in specs {
                match data {
                    Some(data) if prot == "mikey" => found.push(Found::base64(&data, Carrier::Rtsp, number)),
                    _ => others.push(prot),
                }
            }
            continue;
        }
        let Some((_, value)) = line.split_once("key-mgmt:") else { continue };
        let carrier = Carrier::Sdp { protocols: protocols.clone() };
        match key_mgmt(value.trim_end()) {
            Some(data) => found.push(Found::base64(data, carrier, number)),
            // GStreamer writes the form of the RTSP header into SDP.
            None => match spec(value.trim()) {
                Spec { prot, data: Some(data) } if prot == "mikey" => found.push(Found::base64(&data, carrier, number)),
                _ => others.push(value.split_whitespace().next().unwrap_or("nothing").into()),
            },
        }
    }
    (found, others)
}

/// The key management protocols that an SDP offers; `None` if the text is no whole SDP.
fn protocols(text: &str) -> Option<Vec<String>> {
    text.lines().any(|line| line.starts_with("m=")).then_some(())?;
    let mut names: Vec<String> = vec![];
    for line in text.lines().filter_map(|line| line.strip_prefix("a=key-mgmt:")) {
        let name = line.trim_start().split(' ').next().unwrap_or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.into());
        }
    }
    Some(names)
}

/// One `key-mgmt-spec`: `prot=mikey;uri="rtsp://h/a";data="AQAF"`.
struct Spec {
    prot: String,
    data: Option<String>,
}

/// The specifications of a `KeyMgmt` header; `None` if the line is another one.
fn rtsp_header(line: &str) -> Option<Vec<Spec>> {
    let (name, value) = line.split_once(':')?;
    name.trim().eq_ignore_ascii_case("KeyMgmt").then(|| unquoted(value, ',').map(spec).collect())
}

fn spec(text: &str) -> Spec {
    let mut spec = Spec { prot: String::new(), data: None };
    for param in unquoted(text, ';') {
        let Some((name, value)) = param.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "prot" => spec.prot = value.into(),
            "data" => spec.data = Some(value.into()),
            _ => {}
        }
    }
    spec
}

/// Splits at a character, but not between quotation marks.
fn unquoted(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == at && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE64: &str = "AQAAABI0VngAAA==";
    const HEX: &str = "01000000123456780000";

    fn octets(input: &str) -> Vec<(Option<usize>, String)> {
        let hex = |f: Found| (f.place.line, f.bytes.map_or_else(|error| error.to_string(), |b| hex::encode(&b[..])));
        find(input.as_bytes()).unwrap_or_default().into_iter().map(hex).collect()
    }

    #[test]
    fn a_message_is_found_however_it_is_written() {
        let spaced: Vec<_> = HEX.as_bytes().chunks(2).map(|c| String::from_utf8_lossy(c)).collect();
        for input in [
            BASE64.into(),
            format!("  {BASE64}\r\n"),
            format!("{}\n{}", &BASE64[..8], &BASE64[8..]),
            format!("mikey {BASE64}"),
            HEX.into(),
            format!("0x{HEX}"),
            spaced.join(":"),
            spaced.join(" "),
        ] {
            assert_eq!(octets(&input), [(None, HEX.into())], "{input}");
        }
        let raw = hex::decode(HEX).unwrap();
        assert_eq!(find(&raw).unwrap()[0].bytes.as_ref().unwrap()[..], raw);
    }

    #[test]
    fn every_line_of_an_sdp_is_found() {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\na=key-mgmt:kinkey XYZ=\r\na=key-mgmt:mikey {BASE64}\r\nm=audio 1 RTP/SAVP 0\r\na=key-mgmt:mikey AQAF...\r\n"
        );
        let found = octets(&sdp);
        assert_eq!(found[0], (Some(5), HEX.into()));
        assert!(found[1].0 == Some(7) && found[1].1.contains("cut short"), "{found:?}");
        assert_eq!(octets(&format!("a=key-mgmt:mikey {BASE64}")), [(Some(1), HEX.into())]);
    }

    #[test]
    fn a_message_is_found_beside_octets_that_are_no_text_and_behind_a_byte_order_mark() {
        let body = format!("INVITE sip:b@h SIP/2.0\r\n\r\na=key-mgmt:mikey {BASE64}\r\n--b\r\n");
        let found = find(&[body.as_bytes(), &[0xff, 0, 0xfe]].concat()).unwrap();
        assert_eq!(hex::encode(&found[0].bytes.as_ref().unwrap()[..]), HEX);
        assert_eq!(found[0].place.line, Some(3));
        assert_eq!(octets(&format!("\u{feff}{BASE64}\r\n")), [(None, HEX.into())]);
        assert_eq!(find(&[0xff, 0xfe, 0]).unwrap()[0].bytes.as_ref().unwrap()[..], [0xff, 0xfe, 0]);
    }

    #[test]
    fn an_input_without_a_message_says_so() {
        assert_eq!(find(b" \r\n").err().unwrap().to_string(), "octet 0, message, input is empty");
        let other = find(b"a=key-mgmt:kinkey XYZ=").err().unwrap().to_string();
        assert!(other.contains("of \"kinkey\" and not of \"mikey\""), "{other}");
        assert!(octets("hello, world")[0].1.contains("not base64"));
    }

    #[test]
    fn an_sdp_says_which_protocols_it_offers() {
        let sdp = format!("v=0\na=key-mgmt:mikey {BASE64}\na=key-mgmt:kinkey X\nm=audio 1 RTP/SAVP 0\n");
        let offered = Some(vec!["mikey".to_owned(), "kinkey".to_owned()]);
        assert_eq!(find(sdp.as_bytes()).unwrap()[0].carrier, Carrier::Sdp { protocols: offered });
        let line = find(format!("a=key-mgmt:mikey {BASE64}").as_bytes()).unwrap();
        assert_eq!(line[0].carrier, Carrier::Sdp { protocols: None });
        assert_eq!(find(BASE64.as_bytes()).unwrap()[0].carrier, Carrier::Unknown);
    }

    #[test]
    fn an_rtsp_header_may_have_several() {
        let header = format!(
            "SETUP rtsp://h/a RTSP/1.0\r\nCSeq: 3\r\nkeymgmt: prot=mikey;uri=\"rtsp://h/a,b;c\";data=\"{BASE64}\", prot=kinkey;data=\"X\", prot=mikey; data={BASE64}\r\n\r\n"
        );
        let found = find(header.as_bytes()).unwrap();
        assert_eq!(found.iter().map(|f| &f.carrier).collect::<Vec<_>>(), [&Carrier::Rtsp, &Carrier::Rtsp]);
        assert_eq!(octets(&header), [(Some(3), HEX.into()), (Some(3), HEX.into())]);
        let gstreamer = format!("a=key-mgmt:prot=mikey;uri=\"\";data=\"{BASE64}\"");
        assert_eq!(octets(&gstreamer), [(Some(1), HEX.into())]);
        assert!(find(b"KeyMgmt: prot=kinkey;data=\"X\"").err().unwrap().to_string().contains("\"kinkey\""));
    }
}
