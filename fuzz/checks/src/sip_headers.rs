//! Every typed header, bodies in several parts, and the comparison of URIs.

use keyphone_ua::sip::multipart::{self, MAX_PARTS};
use keyphone_ua::sip::{
    Contacts, Disposition, EventType, Headers, MediaRange, MediaType, Message, Multipart, NameAddr, Priority, RAck,
    Reason, Replaces, RetryAfter, SessionExpires, SipDate, SubscriptionState, Uri, Via, Warning,
};
use std::fmt::Debug;
use std::str::FromStr;

/// The first octet chooses: a header section, whose fields are asked for all that they can say; a body in parts, its
/// Content-Type on the first line; or two URIs or addresses, one on a line. What is read is printed and read again
/// without a difference, and a comparison says the same both ways.
pub fn sip_headers(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match choice {
        b'm' => parts(data),
        b'u' => pair::<Uri>(data, Uri::matches),
        b'a' => pair::<NameAddr>(data, NameAddr::matches),
        _ => section(data),
    }
}

fn section(data: &[u8]) {
    let message = [b"OPTIONS sip:a SIP/2.0\r\n", data, b"\r\n\r\n"].concat();
    let Ok(message) = Message::parse(&message) else { return };
    let headers = message.headers();
    tokens(headers);
    values(headers);
    contacts(headers);
    let _ = multipart::session_body(headers, message.body());
}

/// A value that was read is printed and read again without a difference.
fn value<T: FromStr<Err: Debug> + ToString + PartialEq + Debug>(value: &T) {
    let printed = value.to_string();
    match T::from_str(&printed) {
        Ok(again) => assert_eq!(&again, value, "{printed}"),
        Err(error) => panic!("{printed}: {error:?}"),
    }
}

/// The same for a value that stands in its field as a user of [`Headers`] writes it.
fn written<T: ToString + PartialEq + Debug, E: Debug>(
    name: &'static str,
    value: &[T],
    read: impl Fn(&Headers) -> Result<Vec<T>, E>,
) {
    let mut headers = Headers::new();
    value.iter().for_each(|value| headers.push(name, value.to_string()));
    assert_eq!(read(&headers).unwrap_or_else(|e| panic!("{name}: {e:?}")), value);
}

fn tokens(headers: &Headers) {
    for (name, read) in [
        ("Supported", Headers::supported as fn(&Headers) -> _),
        ("Require", Headers::require),
        ("Proxy-Require", Headers::proxy_require),
        ("Unsupported", Headers::unsupported),
        ("Allow-Events", Headers::allow_events),
        ("Content-Encoding", Headers::content_encoding),
        ("Content-Language", Headers::content_language),
        ("In-Reply-To", Headers::in_reply_to),
    ] {
        if let Ok(tokens) = read(headers) {
            written(name, &tokens, read);
        }
    }
    if let Ok(encodings) = headers.accept_encoding() {
        written("Accept-Encoding", &encodings, Headers::accept_encoding);
    }
    if let Ok(languages) = headers.accept_language() {
        written("Accept-Language", &languages, Headers::accept_language);
    }
    if let Ok(methods) = headers.allow() {
        written("Allow", &methods, Headers::allow);
    }
    for tag in headers.supported().into_iter().flatten() {
        assert!(headers.supports(&tag), "{tag}");
    }
}

fn values(headers: &Headers) {
    headers.rack().into_iter().flatten().for_each(|v| value::<RAck>(&v));
    headers.session_expires().into_iter().flatten().for_each(|v| value::<SessionExpires>(&v));
    headers.replaces().into_iter().flatten().for_each(|v| value::<Replaces>(&v));
    headers.event().into_iter().flatten().for_each(|v| value::<EventType>(&v));
    headers.subscription_state().into_iter().flatten().for_each(|v| value::<SubscriptionState>(&v));
    headers.retry_after().into_iter().flatten().for_each(|v| value::<RetryAfter>(&v));
    headers.content_disposition().into_iter().flatten().for_each(|v| value::<Disposition>(&v));
    headers.content_type().into_iter().flatten().for_each(|v| value::<MediaType>(&v));
    headers.priority().into_iter().flatten().for_each(|v| value::<Priority>(&v));
    headers.accept().into_iter().flatten().flatten().for_each(|v| value::<MediaRange>(&v));
    headers.vias().into_iter().flatten().for_each(|v| value::<Via>(&v));
    headers.date().into_iter().flatten().for_each(|v| {
        value::<SipDate>(&v);
        assert!(v.unix_seconds() < 253_402_300_800, "{v} is after the year 9999");
    });
    if let Ok(warnings) = headers.warning() {
        written::<Warning, _>("Warning", &warnings, Headers::warning);
    }
    if let Ok(reasons) = headers.reason() {
        written::<Reason, _>("Reason", &reasons, Headers::reason);
    }
    let _ = (headers.rseq(), headers.min_se(), headers.expires(), headers.min_expires(), headers.refer_sub());
    let _ = (headers.timestamp(), headers.mime_version(), headers.accepts("application", "sdp"));
}

fn contacts(headers: &Headers) {
    let addresses = [headers.refer_to(), headers.referred_by(), headers.reply_to()].into_iter().flatten().flatten();
    let routes = [headers.path(), headers.service_route(), headers.route(), headers.record_route()];
    let bindings = match headers.bindings() {
        Ok(Contacts::These(contacts)) => contacts,
        Ok(Contacts::All) | Err(_) => vec![],
    };
    if let Ok(sorted) = headers.contacts_by_q() {
        assert!(
            sorted.is_sorted_by_key(|c| std::cmp::Reverse(c.q().expect("it was read")))
                && sorted.len() == bindings.len()
        );
    }
    for address in addresses.chain(routes.into_iter().flatten().flatten()).chain(bindings) {
        value::<NameAddr>(&address);
        assert!(address.matches(&address), "{address} is not itself");
        let _ = address.expires();
        if let Ok(q) = address.q() {
            assert!(q.thousandths() <= 1000);
        }
        if let Some(uri) = address.uri.sip() {
            uri.header("Replaces").into_iter().for_each(|text| {
                let _ = Replaces::from_str(&text);
            });
        }
    }
}

/// Two values on a line each.
fn pair<T: FromStr<Err: Debug> + ToString + PartialEq + Debug>(data: &[u8], matches: fn(&T, &T) -> bool) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((a, b)) = text.split_once('\n') else { return };
    let (Ok(a), Ok(b)) = (a.parse::<T>(), b.parse::<T>()) else { return };
    assert_eq!(matches(&a, &b), matches(&b, &a), "{a:?} {b:?}");
    for one in [&a, &b] {
        value(one);
        assert!(matches(one, one), "{one:?} is not itself");
    }
}

/// A body in parts: what is read can be written with a boundary that does not stand in it, and read again.
fn parts(data: &[u8]) {
    let Some(end) = data.iter().position(|b| *b == b'\n') else { return };
    let Some(media_type) = std::str::from_utf8(&data[..end]).ok().and_then(|text| text.parse::<MediaType>().ok())
    else {
        return;
    };
    let body = &data[end + 1..];
    let mut headers = Headers::new();
    headers.push("Content-Type", media_type.to_string());
    let _ = multipart::session_body(&headers, body);
    let _ = multipart::rendered_body(&headers, body, "text", "plain");
    let Ok(read) = Multipart::parse(&media_type, body) else { return };
    assert!((1..=MAX_PARTS).contains(&read.parts.len()));
    let boundary = "a boundary that nobody else would write";
    let Ok(written) = read.write(boundary) else { return };
    let media_type = format!("multipart/mixed;boundary=\"{boundary}\"").parse().expect("a type of ours");
    assert_eq!(Multipart::parse(&media_type, &written), Ok(read), "{}", written.escape_ascii());
}
