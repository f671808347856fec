//! SIP as somebody edits it who is not asked.

/// Head and body, if it is text that has both.
pub(super) fn body(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.split_once("\r\n\r\n").map(|(_, body)| body)
}

/// Does it carry SDP?
pub(super) fn has_sdp(bytes: &[u8]) -> bool {
    body(bytes).is_some_and(|body| body.contains("v=0\r\n"))
}

/// The same message with another body, and its Content-Length.
pub(super) fn with_body(bytes: &[u8], body: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    let is_length =
        |line: &&str| line.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("Content-Length"));
    let head: Vec<_> = head.split("\r\n").filter(|line| !is_length(line)).collect();
    Some(format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len()).into_bytes())
}

/// The port that SDP names for audio.
pub(super) fn audio_port(bytes: &[u8]) -> Option<u16> {
    let line = body(bytes)?.lines().find_map(|line| line.strip_prefix("m=audio "))?;
    line.split(' ').next()?.parse().ok().filter(|port| *port > 9)
}
