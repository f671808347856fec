//! `a=key-mgmt:<protocol> <data>` (RFC 4567 section 3.1), to and from keying's [`Lines`].
//!
//! ```text
//! key-mgmt-att-value = 0*1SP prtcl-id SP keymgmt-data
//! keymgmt-data       = base64
//! ```
//! The data stays as it is written: only the keying system knows what it means. The order is kept, because the list of
//! offered protocols is authenticated (RFC 4567 section 4.1.4).

use super::block::{RawLine, Sdp, SdpError, is_token};
use keyphone_keying::{Level, Line, Lines};

/// The attribute's name.
pub const NAME: &str = "key-mgmt";

/// All key-mgmt lines, session level first. Which level counts for which m-line is keying's business.
pub fn read(sdp: &Sdp) -> Result<Lines, SdpError> {
    let mut lines = read_level(Level::Session, sdp.session())?;
    for (index, block) in (0u8..).zip(sdp.media()) {
        lines.extend(read_level(Level::Media(index), block.lines())?);
    }
    Ok(Lines(lines))
}

/// How a body looks as if its offer were keyed, for people: nothing in it has been checked.
pub(crate) fn looks(body: &[u8]) -> String {
    let value = |line: &[u8]| Some(String::from_utf8_lossy(line.strip_prefix(b"a=key-mgmt:")?).trim().to_owned());
    let Some(value) = body.split(|octet| *octet == b'\n').find_map(value) else { return "none".into() };
    let protocol = value.split(' ').next().filter(|word| is_token(word)).unwrap_or("unknown").to_owned();
    let line = Line { level: Level::Session, name: NAME.into(), value };
    keyphone_keying::mikey::offered(&Lines(vec![line])).map_or(protocol, |mode| mode.to_string())
}

/// The lines of one level, ready to stand in a block.
pub(crate) fn write(lines: &Lines, level: Level) -> impl Iterator<Item = RawLine> + '_ {
    lines.0.iter().filter(move |l| l.level == level).map(|l| RawLine::new(b'a', format!("{}:{}", l.name, l.value)))
}

fn is_key_mgmt(line: &RawLine) -> bool {
    line.attribute().is_some_and(|(name, _)| name == NAME.as_bytes())
}

fn read_level(level: Level, lines: &[RawLine]) -> Result<Vec<Line>, SdpError> {
    lines.iter().filter(|line| is_key_mgmt(line)).map(|line| read_line(level, line)).collect()
}

fn read_line(level: Level, line: &RawLine) -> Result<Line, SdpError> {
    let text = line.text()?;
    let value = text.strip_prefix("key-mgmt:").unwrap_or("");
    let value = value.strip_prefix(' ').unwrap_or(value);
    match value.split_once(' ') {
        Some((protocol, data)) if is_token(protocol) && is_base64(data) => {
            Ok(Line { level, name: NAME.into(), value: value.into() })
        }
        _ => Err(SdpError::new(line.number(), "is no key-mgmt:<protocol> <base64> (RFC 4567 section 3.1)")),
    }
}

/// Its letters only; padding and length are for whoever decodes it.
fn is_base64(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Modelled on the examples of RFC 4567 section 7.
    const BOTH_LEVELS: &str = "v=0\r\no=alice 2891092738 2891092738 IN IP4 w-land.example.com\r\ns=Cool stuff\r\n\
        e=alice@w-land.example.com\r\nt=0 0\r\nc=IN IP4 w-land.example.com\r\na=key-mgmt:mikey AQAFgM0X\r\n\
        m=audio 49000 RTP/SAVP 98\r\na=rtpmap:98 AMR/8000\r\nm=video 52230 RTP/SAVP 31\r\n\
        a=key-mgmt: mikey AQAFgM0Y\r\na=key-mgmt:keyp1 727gkdOs\r\n";

    #[test]
    fn what_a_body_looks_like_is_said_before_it_is_read() {
        assert_eq!(looks(b"v=0\r\nm=audio 9 RTP/AVP 0\r\n"), "none");
        assert_eq!(looks(b"v=0\r\na=key-mgmt:keyp1 727gkdOs\r\n"), "keyp1");
        assert_eq!(looks(b"a=key-mgmt:mikey AQAFgM0X\n"), "mikey", "it cannot be read");
        assert_eq!(looks(b"a=key-mgmt:\xff\x1b[1m\n"), "unknown");
        // The fixed part of an I_MESSAGE, without a crypto session, and a timestamp: of the public-key method and of DH.
        assert_eq!(looks(b"a=key-mgmt:mikey AQIFAAAAAAEAAAAAAAAAAAAAAAA="), "mikey-rsa");
        assert_eq!(looks(b"a=key-mgmt:mikey AQQFAAAAAAEAAAAAAAAAAAAAAAA="), "mikey-dhsign");
    }

    #[test]
    fn key_mgmt_is_read_at_both_levels_in_order() {
        let lines = read(&Sdp::parse(BOTH_LEVELS.as_bytes()).unwrap()).unwrap();
        let line = |level, value: &str| Line { level, name: "key-mgmt".into(), value: value.into() };
        let expected = vec![
            line(Level::Session, "mikey AQAFgM0X"),
            line(Level::Media(1), "mikey AQAFgM0Y"),
            line(Level::Media(1), "keyp1 727gkdOs"),
        ];
        assert_eq!(lines, Lines(expected));
        let written: Vec<RawLine> = write(&lines, Level::Media(1)).collect();
        assert_eq!(written[0].value(), b"key-mgmt:mikey AQAFgM0Y");
    }

    #[test]
    fn a_key_mgmt_line_without_protocol_or_data_is_named() {
        for bad in [
            "a=key-mgmt:",
            "a=key-mgmt",
            "a=key-mgmt:mikey",
            "a=key-mgmt:mikey ",
            "a=key-mgmt:mikey A B",
            "a=key-mgmt:  m A",
        ] {
            let text = BOTH_LEVELS.replace("a=key-mgmt:mikey AQAFgM0X", bad);
            let error = read(&Sdp::parse(text.as_bytes()).unwrap()).expect_err(bad);
            assert_eq!(error.line(), 7, "{bad}");
        }
    }
}
