//! What a person may paste: which messages are in it, and where.

use crate::mikey::wire::{WireError, from_base64, key_mgmt};
use zeroize::Zeroizing;

/// A message found in the input.
pub(super) struct Piece {
    /// From one.
    pub(super) line: Option<usize>,
    /// Its octets, or why there are none.
    pub(super) bytes: Result<Zeroizing<Vec<u8>>, WireError>,
}

/// Finds the messages. Octets begin with version 1, as no text does; lines with `key-mgmt:` are lines of SDP; hex
/// begins with 01, as base64 of a message never does.
pub(super) fn pieces(input: &[u8]) -> Result<Vec<Piece>, WireError> {
    let raw = || Ok(vec![Piece { line: None, bytes: Ok(Zeroizing::new(input.to_vec())) }]);
    let text = match std::str::from_utf8(input) {
        Ok(text) if !text.starts_with('\u{1}') => text.trim(),
        _ => return raw(),
    };
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let Some((_, value)) = line.split_once("key-mgmt:") else { continue };
        match key_mgmt(value.trim_end()) {
            Some(data) => found.push(Piece { line: Some(index + 1), bytes: from_base64(data) }),
            None => others.push(value.split_whitespace().next().unwrap_or("nothing")),
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(other) = others.first() {
        return Err(WireError::message(
            0,
            "input",
            format!("has key-mgmt lines, but of \"{other}\" and not of \"mikey\""),
        ));
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
    Ok(vec![Piece { line: None, bytes }])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE64: &str = "AQAAABI0VngAAA==";
    const HEX: &str = "01000000123456780000";

    fn octets(input: &str) -> Vec<(Option<usize>, String)> {
        let hex = |p: Piece| (p.line, p.bytes.map_or_else(|error| error.to_string(), |b| hex::encode(&b[..])));
        pieces(input.as_bytes()).unwrap_or_default().into_iter().map(hex).collect()
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
        assert_eq!(pieces(&raw).unwrap()[0].bytes.as_ref().unwrap()[..], raw);
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
    fn an_input_without_a_message_says_so() {
        assert_eq!(pieces(b" \r\n").err().unwrap().to_string(), "octet 0, message, input is empty");
        let other = pieces(b"a=key-mgmt:kinkey XYZ=").err().unwrap().to_string();
        assert!(other.contains("of \"kinkey\" and not of \"mikey\""), "{other}");
        assert!(octets("hello, world")[0].1.contains("not base64"));
    }
}
