//! The torture messages of RFC 4475 and RFC 5118, through the parser; `ua/cli/tests/torture.rs` sends them to a phone.

mod torture_table;

use keyphone_ua::sip::{Contacts, Message, Method, SipError, SipUri, StatusCode, Uri, make};
use torture_table::{Parser, Row, Verdict, all, bytes};

fn valid(name: &str) -> Message {
    Message::parse(bytes(name)).unwrap()
}

fn read(row: &Row) -> Result<Message, SipError> {
    let message = Message::parse(row.bytes)?;
    message.check()?;
    Ok(message)
}

#[test]
fn the_table_has_every_message_and_we_do_what_the_documents_say() {
    assert_eq!((torture_table::RFC_4475.len(), torture_table::RFC_5118.len()), (49, 12));
    for row in all() {
        let Row { rfc, section, name, document, parser, reply, .. } = row;
        println!("RFC {rfc} {section:9} {name:30} {document:?}: {parser:?}, {reply:?}");
        assert!(row.agrees(), "{name}");
    }
}

#[test]
fn every_message_is_read_or_refused_as_the_table_says() {
    for row in all() {
        let read = read(row);
        assert_eq!(read.is_ok(), row.parser == Parser::Reads, "{}: {read:?}", row.name);
        match read {
            Ok(message) => assert_eq!(Message::parse(&message.to_bytes()).as_ref(), Ok(&message), "{}", row.name),
            Err(error) => assert!(error.to_string().len() > 20, "{}: {error}", row.name),
        }
    }
}

#[test]
fn what_must_be_refused_is_refused_with_the_status_that_the_document_names() {
    for row in all() {
        let Verdict::Refuse(named) = row.document else { continue };
        let why = read(row).unwrap_err();
        let refusal = make::refusal(row.bytes, &why, "t").unwrap_or_else(|| panic!("{} is answered", row.name));
        assert!(named.contains(&refusal.status.code()), "{}: {}", row.name, refusal.status);
    }
    for name in ["scalarlg", "bigcode"] {
        assert_eq!(make::refusal(bytes(name), &SipError::Version, "t"), None, "{name}");
    }
}

#[test]
fn scalars_out_of_range_are_told_one_by_one() {
    let headers = |name: &str| {
        let text = String::from_utf8(bytes(name).to_vec()).unwrap();
        Message::parse(text.as_bytes()).unwrap().headers().clone()
    };
    let request = headers("scalar02");
    assert!(request.cseq().is_err() && request.max_forwards().is_err() && request.expires().is_err());
    // Malformed values count as 3600 seconds.
    let Contacts::These(contacts) = request.bindings().unwrap() else { panic!("a star") };
    assert_eq!(contacts[0].expires().unwrap().as_secs(), 3600);
    let response = headers("scalarlg");
    assert!(response.cseq().is_err() && response.retry_after().is_err() && response.warning().is_err());
    assert!(headers("baddate").date().is_err());
}

#[test]
fn a_contact_parameter_is_not_one_of_its_uri_and_the_other_way_round() {
    let contact = |name: &str| valid(name).headers().contact().unwrap().unwrap();
    let (first, second, third) = (contact("cparam01"), contact("cparam02"), contact("regescrt"));
    let has = |uri: &Uri| uri.sip().is_some_and(|uri| uri.has_param("unknownparam"));
    assert_eq!((has(&first.uri), first.params.has("unknownparam")), (false, true));
    assert_eq!((has(&second.uri), second.params.has("unknownparam")), (true, false));
    assert_eq!(third.uri.sip().unwrap().header("route").as_deref(), Some("<sip:sip.example.com>"));
}

#[test]
fn escaped_nulls_do_not_shorten_a_name() {
    let message = valid("escnull");
    let to = message.headers().to().unwrap().uri;
    assert_eq!(to.sip().and_then(SipUri::user_text).as_deref(), Some("null-\0-null"));
    let contacts = message.headers().contacts().unwrap();
    assert!(contacts.len() == 2 && !contacts[0].uri.matches(&contacts[1].uri));
}

#[test]
fn an_extra_colon_in_an_address_changes_nothing() {
    let uri = |name: &str| match valid(name) {
        Message::Request(request) => request.uri,
        Message::Response(_) => panic!("not a request"),
    };
    assert_eq!(uri("ipv6-bug-abnf-3-colons"), uri("ipv6-correct-abnf-2-colons"));
    let [delimited, plain] = ["with", "no"].map(|name| valid(&format!("via-received-param-{name}-delim")));
    let received = |message: &Message| message.headers().via().unwrap().received();
    assert!(received(&plain).is_some() && received(&delimited) == received(&plain));
}

#[test]
fn wsinv_says_what_it_says_whatever_its_blanks() {
    let message = valid("wsinv");
    let headers = message.headers();
    let vias: Vec<_> = headers.vias().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ]
    );
    assert_eq!(headers.from().unwrap().display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(headers.cseq().unwrap().to_string(), "9 INVITE");
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.get("Subject"), Some(""));
    assert_eq!(headers.get("NewFangledHeader"), Some("newfangled value continued newfangled value"));
    assert_eq!(headers.get("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let contact = headers.contact().unwrap().unwrap();
    assert_eq!((contact.display.as_deref(), contact.params.get("q")), (Some("Quoted string \"\""), Some("0.33")));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn intmeth_has_a_strange_method_and_names_in_all_letters() {
    let Message::Request(request) = valid("intmeth") else { panic!("not a request") };
    assert_eq!(request.method, Method::Extension("!interesting-Method0123456789_*+`.%indeed'~".into()));
    assert_eq!(request.headers.to().unwrap().display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(request.headers.get("extensionHeader-!.%*+_`'~").unwrap().chars().next(), Some('\u{feff}'));
}

#[test]
fn escapes_and_semicolons_stay_in_the_user_part() {
    let Message::Request(request) = valid("esc01") else { panic!("not a request") };
    let uri = request.uri.sip().unwrap();
    assert_eq!(uri.user_text().as_deref(), Some("sips:user@example.com"));
    assert_eq!(uri.host().to_string(), "example.net");
    let Message::Request(request) = valid("semiuri") else { panic!("not a request") };
    let uri = request.uri.sip().unwrap();
    assert_eq!((uri.user(), uri.has_param("par")), (Some("user;par=u%40example.net"), false));
}

#[test]
fn a_second_request_in_a_datagram_is_not_seen() {
    let Message::Request(request) = valid("dblreq") else { panic!("not a request") };
    assert_eq!((request.method, request.body.len()), (Method::Register, 0));
}

#[test]
fn a_long_request_keeps_all_of_its_34_vias() {
    let message = valid("longreq");
    assert_eq!(message.headers().vias().unwrap().len(), 34);
    assert_eq!(message.headers().from().unwrap().params.iter().count(), 3);
}

#[test]
fn a_multipart_body_stays_binary() {
    let datagram = bytes("mpart01");
    let body = valid("mpart01").body().to_vec();
    assert!(std::str::from_utf8(&body).is_err());
    assert!(datagram.windows(body.len()).any(|w| w == body));
}

#[test]
fn a_display_name_must_be_quoted_where_it_is_not_a_token() {
    // The archive's baddn has no empty line; with one it is still refused, for the reason that it was written for.
    let datagram = [bytes("baddn"), b"\r\n"].concat();
    let message = Message::parse(&datagram).unwrap();
    assert!(matches!(message.check(), Err(SipError::Header { name: "From", .. })));
    assert_eq!(make::refusal(bytes("baddn"), &SipError::Section("x"), "t").unwrap().status, StatusCode::BAD_REQUEST);
}
