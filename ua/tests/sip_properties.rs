//! What holds for every message: no bytes panic, printing then parsing changes nothing, a stream may be cut anywhere.

use keyphone_ua::sip::{
    CSeq, Frame, Framer, Headers, Host, Message, Method, Multipart, NameAddr, Part, Replaces, Request, Response,
    SipError, SipUri, StatusCode, Transport, Uri, Via, Warning, make, multipart,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Asks everything of a message; only panics matter.
fn read_all(bytes: &[u8]) -> Option<Message> {
    let _ = make::refusal(bytes, &SipError::Version, "t");
    let message = Message::parse(bytes).ok()?;
    let headers = message.headers();
    let _ = (message.check(), headers.vias(), headers.contacts(), headers.route(), headers.record_route());
    let _ = (headers.allow(), headers.supported(), headers.require(), headers.unsupported(), headers.warning());
    let _ = (headers.reason(), headers.number("Expires"), headers.name_addr("Refer-To"), headers.content_type());
    let _ = (headers.rack(), headers.rseq(), headers.session_expires(), headers.min_se(), headers.replaces());
    let _ = (headers.event(), headers.subscription_state(), headers.retry_after(), headers.bindings());
    let _ = (headers.contacts_by_q(), headers.accepts("application", "sdp"), headers.content_disposition());
    let _ = (headers.date(), headers.timestamp(), headers.priority(), headers.in_reply_to(), headers.refer_sub());
    let _ = multipart::session_body(headers, message.body());
    if let Message::Request(request) = &message {
        let response = make::response(request, StatusCode::OK, Some("t"));
        let _ = (make::ack(request, &response), make::cancel(request));
        if let Some(uri) = request.uri.sip() {
            assert!(uri.matches(uri), "{uri} does not match itself");
        }
    }
    Some(message)
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z]([a-z0-9-]{0,5}[a-z0-9])?(\\.[a-z]{2,4}){0,2}".prop_map(|name| name.parse().unwrap()),
        any::<std::net::IpAddr>().prop_map(Host::Ip),
    ]
}

prop_compose! {
    fn sip_uri()(
        secure: bool,
        host in host(),
        user in ".{0,8}",
        port in option::of(any::<u16>()),
        params in vec(("[a-z]{1,4}", option::of(".{1,6}")), 0..4),
    ) -> SipUri {
        let uri = SipUri::new(secure, host).with_user(&user);
        let uri = port.into_iter().fold(uri, SipUri::with_port);
        params.iter().fold(uri, |uri, (name, value)| uri.with_param(name, value.as_deref()))
    }
}

/// Few values in every place, so that two are often the same or nearly so.
fn near_uri() -> impl Strategy<Value = Uri> {
    "(sips?:(a|%61|A|a:p)@(b|B)(:5060)?(;x=(1|2|%31))?(;transport=(tcp|TCP))?(;lr)?([?]q=(1|2)(&r=s)?)?|tel:[+]?1-?2(;ext=(3|-3))?(;y)?)"
        .prop_map(|text| text.parse().unwrap())
}

fn uri() -> impl Strategy<Value = Uri> {
    prop_oneof![sip_uri().prop_map(Uri::Sip), "(tel|urn|x-y):[a-z0-9+;=:]{1,12}".prop_map(|text| text.parse().unwrap())]
}

prop_compose! {
    fn name_addr()(display in option::of("[^\r\n]{0,12}"), uri in uri(), tag in option::of("[^\r\n]{0,6}")) -> NameAddr {
        let addr = NameAddr { display, ..NameAddr::new(uri) };
        match tag {
            Some(tag) => addr.with_tag(&tag),
            None => addr,
        }
    }
}

prop_compose! {
    fn via()(
        transport in prop_oneof![Just(Transport::Udp), Just(Transport::Tls), "[A-Z]{1,5}".prop_map(|t| t.parse().unwrap())],
        host in host(),
        port in option::of(any::<u16>()),
        branch in "z9hG4bK[a-zA-Z0-9.!%*_+`'~-]{0,8}",
        received in option::of(any::<std::net::IpAddr>()),
    ) -> Via {
        let mut via = Via::new(transport, host, port, &branch);
        if let Some(ip) = received {
            via.params.set("received", Some(&ip.to_string()));
        }
        via
    }
}

fn method() -> impl Strategy<Value = Method> {
    "([A-Z]{2,9}|[a-zA-Z0-9.!%*_+`'~-]{1,9})".prop_map(|name| name.parse().unwrap())
}

prop_compose! {
    fn message()(
        method in method(),
        uri in uri(),
        status in option::of((100..700u16, "[^\r\n]{0,16}")),
        vias in vec(via(), 1..4),
        addresses in vec(name_addr(), 3),
        seq in 0..1u32 << 31,
        others in vec(("[a-zA-Z][a-zA-Z0-9.!%*_+`'~-]{2,9}", ".{0,20}"), 0..6),
        body in vec(any::<u8>(), 0..64),
    ) -> Message {
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        for via in &vias {
            headers.push("Via", via.to_string());
        }
        headers.push("From", addresses[0].to_string());
        headers.push("To", addresses[1].to_string());
        headers.push("m", addresses[2].to_string());
        headers.push("Call-ID", "c@d");
        headers.push("CSeq", CSeq { seq, method }.to_string());
        for (name, value) in &others {
            headers.try_push(name, value).unwrap();
        }
        request.body = body;
        let Some((code, reason)) = status else { return request.into() };
        let mut response = Response::new(StatusCode::new(code).unwrap());
        response.reason = reason;
        response.headers = request.headers;
        response.body = request.body;
        response.into()
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
        let mut framer = Framer::new();
        framer.push(&bytes);
        while framer.next_frame().is_some() {}
    }

    #[test]
    fn no_text_panics_a_typed_header(text in "[a-z0-9 \t;:,=<>@\"\\\\?&%./\\[\\]*-]{0,40}") {
        let names = [
            "Via", "From", "To", "CSeq", "Contact", "Warning", "Reason", "Content-Type", "Route", "Refer-To", "RAck", "RSeq",
            "Session-Expires", "Min-SE", "Replaces", "Event", "Subscription-State", "Retry-After", "Accept",
            "Content-Disposition", "Date", "Timestamp", "Priority", "In-Reply-To", "Refer-Sub", "Accept-Language",
        ];
        for name in names {
            read_all(format!("INVITE sip:a@b.com SIP/2.0\r\n{name}: {text}\r\n\r\n").as_bytes());
        }
        read_all(format!("INVITE sip:{text} SIP/2.0\r\n\r\n").as_bytes());
    }

    #[test]
    fn a_message_with_changed_bytes_does_not_panic_and_settles(
        message in message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = message.to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(read) = read_all(&bytes) {
            prop_assert_eq!(Message::parse(&read.to_bytes()), Ok(read));
        }
    }

    #[test]
    fn printing_then_parsing_a_message_changes_nothing(message in message()) {
        let bytes = message.to_bytes();
        let read = Message::parse(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&message), "{}", String::from_utf8_lossy(&bytes));
        prop_assert_eq!(read.unwrap().to_bytes(), bytes);
    }

    #[test]
    fn printing_then_parsing_a_value_changes_nothing(uri in uri(), addr in name_addr(), via in via(), text in "[^\r\n]{0,12}") {
        prop_assert_eq!(uri.to_string().parse(), Ok(uri));
        prop_assert_eq!(addr.to_string().parse(), Ok(addr));
        prop_assert_eq!(via.to_string().parse(), Ok(via));
        let warning = Warning { code: 399, agent: "a.com:5060".into(), text };
        let mut request = Request::new(Method::Bye, "sip:b.com".parse().unwrap());
        request.headers.push("Warning", warning.to_string());
        prop_assert_eq!(request.headers.warning(), Ok(vec![warning]));
    }

    #[test]
    fn a_comparison_says_the_same_both_ways(a in near_uri(), b in near_uri()) {
        prop_assert_eq!(a.matches(&b), b.matches(&a), "{} {}", a, b);
        let address = |uri: &Uri| NameAddr::new(uri.clone()).with_tag("1");
        prop_assert_eq!(address(&a).matches(&address(&b)), a.matches(&b));
        prop_assert!(a.matches(&a) && a.to_string().parse::<Uri>().is_ok_and(|again| again.matches(&a)));
    }

    #[test]
    fn printing_then_parsing_what_a_dialog_is_replaced_by_changes_nothing(
        call_id in "[!-~&&[^,;=]]{1,20}", to_tag in "[a-z0-9.-]{1,9}", from_tag in "[A-Z0-9.-]{1,9}", early_only: bool, uri in sip_uri(),
    ) {
        let replaces = Replaces { call_id, to_tag, from_tag, early_only };
        prop_assert_eq!(replaces.to_string().parse(), Ok(replaces.clone()));
        // And in the URI of a Refer-To.
        let uri: Uri = uri.with_header("Replaces", &replaces.to_string()).into();
        let header = uri.to_string().parse::<Uri>().unwrap().sip().unwrap().header("replaces");
        prop_assert_eq!(header.unwrap().parse(), Ok(replaces));
    }

    #[test]
    fn what_is_put_into_parts_comes_out_again(bodies in vec(vec(any::<u8>(), 0..40), 1..5), with_type: bool) {
        let part = |body| if with_type { Part::new("a/b;x=y", body) } else { Part { headers: Headers::new(), body } };
        let whole = Multipart { parts: bodies.iter().map(|body| part(body)).collect() };
        let written = whole.write("the-boundary").unwrap();
        let media_type = "multipart/mixed;boundary=the-boundary".parse().unwrap();
        prop_assert_eq!(Multipart::parse(&media_type, &written), Ok(whole));
    }

    #[test]
    fn a_made_user_is_read_as_it_was(uri in sip_uri(), user in ".{1,8}") {
        let made = uri.with_user(&user);
        prop_assert_eq!(made.user_text(), Some(user));
        prop_assert!(made.matches(&made));
    }

    #[test]
    fn a_stream_gives_the_same_messages_wherever_it_is_cut(
        messages in vec(message(), 1..4),
        pings in vec(any::<bool>(), 4),
        cuts in vec(1..200usize, 1..40),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (message, ping) in messages.into_iter().zip(pings) {
            if ping {
                stream.extend(b"\r\n\r\n");
                expected.push(Frame::Ping);
            }
            let bytes = message.to_bytes();
            stream.extend(&bytes);
            expected.push(Frame::Message(bytes));
        }
        let mut framer = Framer::new();
        let mut got = Vec::new();
        let mut rest = stream.as_slice();
        for size in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, tail) = rest.split_at(size.min(rest.len()));
            rest = tail;
            framer.push(chunk);
            while let Some(frame) = framer.next_frame() {
                got.push(frame.unwrap());
            }
        }
        prop_assert_eq!(got, expected);
    }
}
