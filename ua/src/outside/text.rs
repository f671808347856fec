//! The text of a MESSAGE (RFC 3428).

use crate::sip::{Request, StatusCode};

/// What a refused MESSAGE is told to send instead.
pub(crate) const ACCEPT: &str = "text/plain";

/// What ours are.
pub(super) const CONTENT_TYPE: &str = "text/plain;charset=UTF-8";

/// The longest request that carries a text of ours, in bytes: nobody knows whether every hop can slow us down (RFC 3428
/// section 8).
pub(super) const MOST_SENT: usize = 1300;

/// The longest text that is taken, in bytes: more than a sender may send outside a session.
const MOST_TAKEN: usize = 16 * 1024;

/// The text of a MESSAGE that came, or the status that refuses it.
pub(crate) fn read(request: &Request) -> Result<String, StatusCode> {
    let kind = request.headers.content_type().map_err(|_| StatusCode::BAD_REQUEST)?;
    let is_text = kind.is_none_or(|kind| {
        let charset = kind.params.text("charset");
        let known = |name: &str| ["utf-8", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(name));
        kind.is("text", "plain") && charset.is_none_or(|name| known(&name))
    });
    // RFC 3261 section 7.4.1: a body has a Content-Type; without a body there is nothing that could be wrong with it.
    if !request.body.is_empty() && (!is_text || request.headers.get("Content-Type").is_none()) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    if request.body.len() > MOST_TAKEN {
        return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
    }
    String::from_utf8(request.body.clone()).map_err(|_| StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Method;

    fn taken(kind: &str, body: &[u8]) -> Result<String, u16> {
        let mut request = Request::new(Method::Message, "sip:a@b".parse().unwrap());
        if !kind.is_empty() {
            request.headers.push("Content-Type", kind);
        }
        request.body = body.to_vec();
        read(&request).map_err(StatusCode::code)
    }

    #[test]
    fn plain_text_is_taken_and_nothing_else() {
        assert_eq!(taken("text/plain", b"Watson, come here."), Ok("Watson, come here.".into()), "RFC 3428 section 10");
        assert_eq!(taken("Text/Plain; charset=utf-8", "\u{fc}".as_bytes()), Ok("\u{fc}".into()));
        assert_eq!(taken("", b""), Ok(String::new()));
        for (kind, body) in [
            ("text/html", &b"<b>x</b>"[..]),
            ("text/plain;charset=ISO-8859-1", b"\xfc"),
            ("message/cpim", b"x"),
            ("", b"x"),
        ] {
            assert_eq!(taken(kind, body), Err(415), "{kind}");
        }
    }

    #[test]
    fn a_text_without_end_or_of_other_bytes_is_refused() {
        assert_eq!(taken("text/plain", &vec![b'x'; MOST_TAKEN]).map(|text| text.len()), Ok(MOST_TAKEN));
        assert_eq!(taken("text/plain", &vec![b'x'; MOST_TAKEN + 1]), Err(413));
        assert_eq!(taken("text/plain", b"\xff\xfe"), Err(400));
    }
}
