//! What the header fields of a message say that its first line does not: where a caller is sent, who is to be called,
//! what a challenge asks for. Never what answers one: of credentials only the public part is shown.

use super::plain;
use keyphone_ua::sip::{Headers, Message, Method, Request, Response};

/// More lines about one message are not shown.
const MAX_LINES: usize = 6;

/// A few lines, at most [`MAX_LINES`], best first.
pub(super) fn says(message: &Message) -> Vec<String> {
    let mut lines = match message {
        Message::Request(request) => of_request(request),
        Message::Response(response) => of_response(response),
    };
    lines.truncate(MAX_LINES);
    lines.iter().map(|line| plain::line(line)).collect()
}

fn of_request(request: &Request) -> Vec<String> {
    let headers = &request.headers;
    let mut lines = vec![];
    match request.method {
        // RFC 3515 section 2.1, RFC 3892 section 3.
        Method::Refer => {
            lines.extend([whole(headers, "Refer-To"), whole(headers, "Referred-By")].into_iter().flatten())
        }
        // RFC 3515 section 2.4.5: the body is the first line of what the new call came to.
        Method::Notify => {
            lines.extend(sipfrag(headers, &request.body));
            lines.extend(whole(headers, "Subscription-State"));
        }
        // RFC 3262 section 7.2.
        Method::Prack => lines.extend(whole(headers, "RAck")),
        Method::Info => lines.extend(whole(headers, "Content-Type")),
        Method::Register => lines.extend(contacts(headers)),
        _ => {}
    }
    // RFC 3891 section 6.1; RFC 4028 section 4; RFC 3326 section 2.
    for name in ["Replaces", "Session-Expires", "Require", "Reason"] {
        lines.extend(all(headers, name));
    }
    for name in ["Authorization", "Proxy-Authorization"] {
        lines.extend(headers.all(name).map(|value| format!("{name}: {}", digest(value))));
    }
    lines
}

fn of_response(response: &Response) -> Vec<String> {
    let headers = &response.headers;
    let mut lines = vec![];
    match response.status.code() {
        // RFC 3262 section 3: it is acknowledged by PRACK.
        101..=199 => lines.extend(headers.get("RSeq").map(|rseq| format!("reliable, RSeq {rseq}"))),
        300..=399 | 485 => lines.extend(contacts(headers)),
        401 | 407 => {
            for name in ["WWW-Authenticate", "Proxy-Authenticate"] {
                lines.extend(headers.all(name).map(|value| format!("{name}: {}", digest(value))));
            }
        }
        _ => {}
    }
    let is_register = headers.cseq().is_ok_and(|cseq| cseq.method == Method::Register);
    if is_register && response.status.is_success() {
        lines.extend(contacts(headers));
    }
    for name in ["Session-Expires", "Min-SE", "Min-Expires", "Unsupported", "Retry-After", "Warning", "Reason"] {
        lines.extend(all(headers, name));
    }
    lines
}

/// `Name: value`, as it was written.
fn whole(headers: &Headers, name: &str) -> Option<String> {
    headers.get(name).map(|value| format!("{name}: {value}"))
}

/// All values of a field behind its name.
fn all(headers: &Headers, name: &str) -> Option<String> {
    let values: Vec<_> = headers.all(name).filter(|value| !value.is_empty()).collect();
    (!values.is_empty()).then(|| format!("{name}: {}", values.join(", ")))
}

fn contacts(headers: &Headers) -> impl Iterator<Item = String> {
    headers.all("Contact").take(MAX_LINES).map(|contact| format!("Contact: {contact}"))
}

/// The first line of a message/sipfrag body (RFC 3420 section 2).
fn sipfrag(headers: &Headers, body: &[u8]) -> Option<String> {
    let is_sipfrag = headers.get("Content-Type").is_some_and(|t| t.to_ascii_lowercase().starts_with("message/sipfrag"));
    let first = body.split(|b| matches!(b, b'\r' | b'\n')).next().filter(|line| is_sipfrag && !line.is_empty())?;
    let first = String::from_utf8_lossy(first);
    Some(format!("sipfrag: {}", first.strip_prefix("SIP/2.0 ").unwrap_or(&first)))
}

/// What may be shown of a challenge or of credentials (RFC 7616 sections 3.3 and 3.4): neither the response nor what it
/// was made of.
const SHOWN: [&str; 6] = ["username", "realm", "algorithm", "qop", "stale", "nc"];

/// `Digest realm "example.org", algorithm SHA-256, qop "auth"`.
fn digest(value: &str) -> String {
    // A lone word may be anything, a password among them.
    let Some((scheme, params)) = value.split_once(' ') else { return "cannot be read".into() };
    let shown: Vec<_> = split(params)
        .filter_map(|param| param.split_once('='))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .filter(|(name, _)| SHOWN.contains(&name.as_str()))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    // Of another scheme than Digest nobody knows which part is secret.
    match scheme.eq_ignore_ascii_case("digest") {
        true => format!("{scheme} {}", shown.join(", ")),
        false => scheme.to_owned(),
    }
}

/// Divided at commas that do not stand in a quoted string.
fn split(params: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    params.split(move |c| {
        let ends = c == ',' && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_credentials_only_what_everybody_may_know_is_shown() {
        let value = "Digest username=\"al,ice\", realm=\"a \\\", response=x\", nonce=\"n0nce\", uri=\"sip:b\", \
                     response=\"0123456789abcdef\", algorithm=SHA-256, cnonce=\"c\", qop=auth, nc=00000001, opaque=\"o\"";
        assert_eq!(
            digest(value),
            "Digest username \"al,ice\", realm \"a \\\", response=x\", algorithm SHA-256, qop auth, nc 00000001"
        );
        assert_eq!(digest("Basic YWxpY2U6c2VjcmV0"), "Basic", "which is the password itself");
        assert_eq!(digest("YWxpY2U6c2VjcmV0"), "cannot be read");
    }
}
