//! Messages that are made out of others: responses, ACK, CANCEL.

use super::error::SipError;
use super::headers::Headers;
use super::message::{self, Request, Response};
use super::method::Method;
use super::name_addr::{self, NameAddr};
use super::status::StatusCode;

/// What a request begins with that asks nothing else (RFC 3261 section 8.1.1.6).
pub const MAX_FORWARDS: &str = "70";

/// The response to a request (RFC 3261 section 8.2.6.2): its Vias, From, To, Call-ID and CSeq. `tag` becomes the To tag
/// if the request has none; a 100 needs none.
///
/// What begins a dialog also has the request's Record-Route (section 12.1.1), a 100 its Timestamp (section 8.2.6.1).
pub fn response(request: &Request, status: StatusCode, tag: Option<&str>) -> Response {
    let mut response = Response::new(status);
    answer(&request.headers, &mut response.headers, tag);
    if status == StatusCode::TRYING {
        response.headers.copy("Timestamp", &request.headers);
    } else if status < StatusCode::MULTIPLE_CHOICES {
        response.headers.copy("Record-Route", &request.headers);
    }
    response
}

/// The response to bytes that [`Message::parse`](super::Message::parse) did not take; it goes where they came from. None
/// if they are not a request, are an ACK, or do not say enough to be answered: then they are dropped.
pub fn refusal(datagram: &[u8], why: &SipError, tag: &str) -> Option<Response> {
    // A head without an end may still say who sent it.
    let head = match message::split(datagram) {
        Ok((head, _)) => head,
        Err(_) if datagram.len() <= message::MAX_HEAD && datagram.ends_with(b"\r\n") => datagram,
        Err(_) => return None,
    };
    let end = head.iter().position(|b| *b == b'\n')?;
    let first = std::str::from_utf8(head[..end].split(|b| *b == b' ').next()?).ok()?;
    let method: Method = first.parse().ok()?;
    refuse(&method, &Headers::parse_some(&head[end + 1..], &COPIED), why, tag)
}

/// The response to a request whose [`check`](super::Message::check) failed. None for an ACK, and if nothing says on whose
/// behalf it came: no Via. From, To and Call-ID may be missing (RFC 4475 section 3.3.1), and are then in the response,
/// too.
pub fn refuse(method: &Method, headers: &Headers, why: &SipError, tag: &str) -> Option<Response> {
    let is_answerable = *method != Method::Ack && headers.get("Via").is_some() && headers.get("CSeq").is_some();
    is_answerable.then(|| {
        // A method that we do not know may have rules of its own (RFC 4475 section 3.1.2.18).
        let status = match (why.status(), method) {
            (StatusCode::BAD_REQUEST, Method::Extension(_)) => StatusCode::NOT_IMPLEMENTED,
            (status, _) => status,
        };
        let mut response = Response::new(status);
        // Nothing is written into what cannot be read.
        let is_to = headers.get("To").is_some_and(|to| NameAddr::parse(to).is_ok());
        answer(headers, &mut response.headers, Some(tag).filter(|_| is_to));
        // The phrase says what the syntax problem was (RFC 3261 section 21.4.1).
        response.reason = format!("{}: {why}", response.reason);
        response
    })
}

/// The ACK for a final response other than 2xx (RFC 3261 section 17.1.1.3).
pub fn ack(invite: &Request, response: &Response) -> Result<Request, SipError> {
    follow(invite, Method::Ack, &response.headers)
}

/// The CANCEL of an INVITE (RFC 3261 section 9.1).
pub fn cancel(invite: &Request) -> Result<Request, SipError> {
    follow(invite, Method::Cancel, &invite.headers)
}

/// What ACK and CANCEL have in common: the INVITE's Request-URI, top Via, Routes, From, Call-ID and CSeq number.
fn follow(invite: &Request, method: Method, to: &Headers) -> Result<Request, SipError> {
    let mut cseq = invite.headers.cseq()?;
    cseq.method = method.clone();
    let mut request = Request::new(method, invite.uri.clone());
    let headers = &mut request.headers;
    headers.push("Via", invite.headers.get("Via").ok_or(SipError::Missing("Via"))?);
    headers.push("Max-Forwards", MAX_FORWARDS);
    headers.copy("Route", &invite.headers);
    headers.copy("From", &invite.headers);
    headers.copy("To", to);
    headers.copy("Call-ID", &invite.headers);
    headers.push("CSeq", cseq.to_string());
    Ok(request)
}

/// What every response has of its request (RFC 3261 section 8.2.6.2).
const COPIED: [&str; 5] = ["Via", "From", "To", "Call-ID", "CSeq"];

fn answer(from: &Headers, into: &mut Headers, tag: Option<&str>) {
    for name in COPIED {
        into.copy(name, from);
    }
    if let (Some(to), Some(tag)) = (into.get("To").filter(|to| name_addr::tag_in(to).is_none()), tag) {
        // A bare URI has no parameters of its own: what follows it are the header's (RFC 3261 section 20.10).
        let to = format!("{to};tag={tag}");
        into.set_first("To", to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Message;

    const INVITE: &[u8] = b"INVITE sip:bob@b.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP p.com;branch=z9hG4bK2, SIP/2.0/UDP a.com;branch=z9hG4bK1\r\n\
        Record-Route: <sip:p.com;lr>\r\n\
        Route: <sip:q.com;lr>\r\n\
        Require: 100rel\r\n\
        From: Alice <sip:alice@a.com>;tag=1\r\n\
        To: Bob <sip:bob@b.com>\r\n\
        Call-ID: c1@a.com\r\n\
        CSeq: 314159 INVITE\r\n\
        Timestamp: 54\r\n\r\n";

    fn invite() -> Request {
        match Message::parse(INVITE) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_response_carries_what_the_request_is_known_by() {
        let ringing = response(&invite(), StatusCode::RINGING, Some("9"));
        let expected = "SIP/2.0 180 Ringing\r\n\
            Via: SIP/2.0/UDP p.com;branch=z9hG4bK2\r\n\
            Via: SIP/2.0/UDP a.com;branch=z9hG4bK1\r\n\
            From: Alice <sip:alice@a.com>;tag=1\r\n\
            To: Bob <sip:bob@b.com>;tag=9\r\n\
            Call-ID: c1@a.com\r\n\
            CSeq: 314159 INVITE\r\n\
            Record-Route: <sip:p.com;lr>\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(text(ringing.to_bytes()), expected);
        let trying = response(&invite(), StatusCode::TRYING, None);
        assert_eq!(trying.headers.get("Timestamp"), Some("54"));
        assert_eq!((trying.headers.get("To"), trying.headers.get("Record-Route")), (Some("Bob <sip:bob@b.com>"), None));
    }

    #[test]
    fn a_to_tag_that_is_there_stays() {
        let mut request = invite();
        request.headers.set("To", "<sip:bob@b.com>;tag=old");
        let response = response(&request, StatusCode::OK, Some("new"));
        assert_eq!(response.headers.get("To"), Some("<sip:bob@b.com>;tag=old"));
    }

    #[test]
    fn an_ack_goes_the_invites_way_with_the_responses_to_tag() {
        let busy = response(&invite(), StatusCode::BUSY_HERE, Some("9"));
        let expected = "ACK sip:bob@b.com SIP/2.0\r\n\
            Via: SIP/2.0/UDP p.com;branch=z9hG4bK2\r\n\
            Max-Forwards: 70\r\n\
            Route: <sip:q.com;lr>\r\n\
            From: Alice <sip:alice@a.com>;tag=1\r\n\
            To: Bob <sip:bob@b.com>;tag=9\r\n\
            Call-ID: c1@a.com\r\n\
            CSeq: 314159 ACK\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(text(ack(&invite(), &busy).unwrap().to_bytes()), expected);
    }

    #[test]
    fn a_cancel_is_the_invite_without_what_it_requires() {
        let cancel = cancel(&invite()).unwrap();
        assert_eq!(cancel.headers.get("To"), invite().headers.get("To"));
        assert_eq!(cancel.headers.cseq().unwrap().to_string(), "314159 CANCEL");
        assert_eq!((cancel.headers.get("Require"), cancel.headers.all("Via").count()), (None, 1));
    }

    #[test]
    fn a_malformed_request_is_refused_and_a_malformed_response_or_ack_dropped() {
        let bad = text(INVITE.to_vec()).replace("\r\n\r\n", "\r\nContent-Length: 9\r\n\r\nshort");
        let why = Message::parse(bad.as_bytes()).unwrap_err();
        let refusal = |bytes: &str| super::refusal(bytes.as_bytes(), &why, "9");
        let response = refusal(&bad).unwrap();
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert_eq!(response.reason, "Bad Request: the body has 5 bytes, its Content-Length says 9");
        assert_eq!(response.headers.to().unwrap().tag(), Some("9"));
        assert_eq!(refusal(&bad.replace("INVITE sip:bob@b.com SIP/2.0", "SIP/2.0 999 X")), None);
        assert_eq!(refusal(&bad.replace("INVITE sip", "ACK sip")), None);
        assert_eq!(refusal(&bad.replace("Via:", "Viaa:")), None);
    }
}
