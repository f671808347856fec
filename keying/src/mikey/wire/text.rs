//! MIKEY in SDP: `a=key-mgmt:mikey <base64>` (RFC 4567 section 3.1).

use super::codec::{MAX_MESSAGE, WireError};
use super::message::Message;
use crate::mikey::tolerance::Tolerances;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The identifier of MIKEY among key management protocols (RFC 3830 section 10.1, RFC 4567 section 9).
const KMPID: &str = "mikey";

impl Message {
    /// Reads the value of a `key-mgmt` attribute. `None` if it is of another key management protocol.
    pub fn from_key_mgmt(value: &str, tolerances: Tolerances) -> Option<Result<Self, WireError>> {
        let data = key_mgmt(value)?;
        Some(from_base64(data).and_then(|bytes| Self::read(&bytes, tolerances)))
    }

    /// The value of a `key-mgmt` attribute.
    pub fn to_key_mgmt(&self) -> String {
        format!("{KMPID} {}", STANDARD.encode(self.bytes()))
    }
}

/// What stands behind `mikey` in the value of a `key-mgmt` attribute; `None` if it is of another protocol. A space may
/// go before, and the identifier is case sensitive (RFC 4567 sections 3 and 3.1).
pub fn key_mgmt(value: &str) -> Option<&str> {
    let (kmpid, data) = value.strip_prefix(' ').unwrap_or(value).split_once(' ')?;
    (kmpid == KMPID).then_some(data)
}

/// The octets of a message in base64: the standard alphabet, with padding, on one line (RFC 4567 section 3.1).
pub fn from_base64(text: &str) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let error = |offset, what: String| WireError::message(offset, "base64", what);
    if text.contains("...") {
        let what = "is cut short with \"...\", as printed examples are: the whole message is needed";
        return Err(error(0, what.into()));
    }
    // Four characters for three octets: what is longer cannot be a message.
    if text.len() > MAX_MESSAGE.div_ceil(3) * 4 {
        return Err(error(0, format!("has {} characters, more than any message", text.len())));
    }
    STANDARD.decode(text).map(Zeroizing::new).map_err(|why| error(0, format!("is not base64: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_mgmt_line_is_read_and_written() {
        let value = "mikey AQAAABI0VngAAA==";
        let message = Message::from_key_mgmt(value, Tolerances::none()).unwrap().unwrap();
        assert_eq!(message.hdr().csb_id, 0x1234_5678);
        assert_eq!(message.to_key_mgmt(), value);
        assert!(Message::from_key_mgmt(&format!(" {value}"), Tolerances::none()).unwrap().is_ok());
        for other in ["kinkey AQAA", "MIKEY AQAAABI0VngAAA==", "mikey", ""] {
            assert!(Message::from_key_mgmt(other, Tolerances::none()).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_no_base64_is_never_half_read() {
        for (text, why) in [
            ("AQAFgM0XflABAAAAAAAAAAAAAAsAyO...", "cut short"),
            ("AQAAABI0VngAAA", "not base64"),
            ("AQAAABI0VngAAA=", "not base64"),
            ("AQAA ABI0", "not base64"),
            ("AQAA-_I0", "not base64"),
            (&"A".repeat(90_000), "more than any message"),
        ] {
            assert!(from_base64(text).unwrap_err().to_string().contains(why), "{text:.40}");
        }
    }
}
