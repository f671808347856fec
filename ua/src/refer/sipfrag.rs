//! message/sipfrag (RFC 3420), as far as a transfer needs it: the body of a NOTIFY begins with the status line of what
//! the referred request has come to (RFC 3515 section 2.4.5).
//!
//! ```text
//! sipfrag = [ start-line ] *message-header [ CRLF [ message-body ] ]
//! ```

use crate::sip::{Message, SipError, StatusCode};

/// What Content-Type says.
pub(crate) const CONTENT_TYPE: &str = "message/sipfrag;version=2.0";

/// The longest body that is read, in bytes: a whole response may stand in it.
const MOST: usize = 16 * 1024;

/// The status line alone, with the usual phrase: what else the new peer said is not for the one who referred us
/// (RFC 3515 section 5.3.3).
pub(crate) fn write(status: StatusCode) -> Vec<u8> {
    format!("SIP/2.0 {status} {}\r\n", status.phrase()).into_bytes()
}

/// What the status line says. Header fields and a body may follow, and are not read.
pub(crate) fn read(body: &[u8]) -> Result<StatusCode, SipError> {
    if body.len() > MOST {
        return Err(SipError::TooLarge { what: "the message/sipfrag body", limit: MOST });
    }
    // Its line end is often missing, where nothing follows.
    let line = body.split(|b| b"\r\n".contains(b)).next().unwrap_or_default();
    match Message::parse(&[line, b"\r\n\r\n"].concat())? {
        Message::Response(response) => Ok(response.status),
        Message::Request(_) => Err(SipError::StartLine("it is that of a request")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_a_status_line_and_is_read_back() {
        assert_eq!(write(StatusCode::RINGING), b"SIP/2.0 180 Ringing\r\n");
        for status in [StatusCode::TRYING, StatusCode::OK, StatusCode::DECLINE] {
            assert_eq!(read(&write(status)), Ok(status));
        }
    }

    #[test]
    fn a_status_is_read_with_and_without_what_may_follow() {
        // The third is of RFC 3420 section 3.1.
        for (body, status) in [
            ("SIP/2.0 603 Declined", 603),
            ("SIP/2.0 200 \r\n", 200),
            ("SIP/2.0 400 Bad Request\r\nWarning: 399 atlanta.com Your Event header field was malformed\r\n", 400),
            ("SIP/2.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\r", 200),
            ("SIP/2.0 180 Ringing\nX", 180),
        ] {
            assert_eq!(read(body.as_bytes()).map(StatusCode::code), Ok(status), "{body:?}");
        }
    }

    #[test]
    fn what_is_no_status_line_is_refused() {
        // RFC 3420 section 3.2, and what may not begin the body of a NOTIFY.
        for bad in [
            "",
            "\r\nSIP/2.0 200 OK\r\n",
            "INVITE",
            "INVITE sip:alice@atlanta.com SIP/2.0\r\n",
            "SIP/2.0",
            "SIP/1.0 200 OK",
            "404 Not Found",
            "SIP/2.0 0200 OK",
            "From: Alice <sip:alice@atlanta.com>\r\n",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let long = [&b"SIP/2.0 200 OK\r\n"[..], &vec![b'x'; MOST]].concat();
        assert!(matches!(read(&long), Err(SipError::TooLarge { .. })));
    }
}
