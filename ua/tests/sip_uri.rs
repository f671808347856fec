//! URIs: the comparison table of RFC 3261 section 19.1.4, and what is and is not a URI.

use keyphone_ua::sip::{NameAddr, SipUri, Uri};

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn equivalent_uris_match_both_ways() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:carol@chicago.com;security=off", "sip:carol@chicago.com"),
        ("sip:a@[2001:db8::1]", "SIP:a@[2001:DB8:0::1]"),
        ("sip:a%3bb@c.com", "sip:a%3Bb@c.com"),
    ] {
        assert!(uri(a).matches(&uri(b)) && uri(b).matches(&uri(a)), "{a} {b}");
    }
}

#[test]
fn other_uris_do_not_match() {
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b.com", "sips:a@b.com"),
        ("sip:b.com", "sip:a@b.com"),
        ("sip:a@b.com", "sip:a:p@b.com"),
        ("sip:a@b.com;user=phone", "sip:a@b.com"),
        ("sip:a@b.com;maddr=192.0.2.1", "sip:a@b.com"),
        ("sip:a;x@b.com", "sip:a%3Bx@b.com"),
        ("sip:a%253Bx@b.com", "sip:a%3Bx@b.com"),
        ("sip:%ff@b.com", "sip:%fe@b.com"),
        ("tel:+1", "tel:+2"),
    ] {
        assert!(!uri(a).matches(&uri(b)) && !uri(b).matches(&uri(a)), "{a} {b}");
    }
}

#[test]
fn every_part_of_a_uri_is_read_and_written_as_it_was() {
    let text = "sips:a%20b;c=d:p&w@[2001:db8::1]:5062;lr;maddr=[::2];x=%41?to=sip:bob%40biloxi.com&s=";
    let parsed = uri(text);
    assert_eq!(parsed.to_string(), text);
    let sip = parsed.sip().unwrap();
    assert!(sip.is_secure() && sip.has_param("LR"));
    assert_eq!((sip.user_text().as_deref(), sip.password()), (Some("a b;c=d"), Some("p&w")));
    assert_eq!((sip.port(), sip.param("maddr"), sip.param("lr")), (Some(5062), Some("[::2]"), None));
    assert_eq!(sip.headers().collect::<Vec<_>>(), [("to", "sip:bob%40biloxi.com"), ("s", "")]);
    assert_eq!(sip.clone().for_request().headers().count(), 0);
}

#[test]
fn a_made_uri_escapes_what_it_must() {
    let made = SipUri::new(false, "b.com".parse().unwrap()).with_user("a b@c\r\n").with_port(5070);
    let made = made.with_param("x;y", Some("\u{e9}")).with_param("lr", None);
    assert_eq!(made.to_string(), "sip:a%20b%40c%0D%0A@b.com:5070;x%3By=%C3%A9;lr");
    assert_eq!(made.user_text().as_deref(), Some("a b@c\r\n"));
    assert_eq!(uri(&made.to_string()), made.into());
}

#[test]
fn other_schemes_are_kept_as_they_are() {
    for text in ["tel:+1-201-555-0123;phone-context=x", "urn:service:sos", "http://a/b?c", "x:y"] {
        assert_eq!(uri(text).to_string(), text);
        assert!(uri(text).sip().is_none());
    }
}

#[test]
fn what_is_no_uri_is_refused() {
    for bad in [
        "",
        "sip",
        "sip:",
        ":a",
        "1sip:a",
        "sip:@b.com",
        "sip:a@",
        "sip:a b@c.com",
        "sip:a@b@c.com",
        "sip:a@b.com:",
        "sip:a@b.com:65536",
        "sip:a@b.com;",
        "sip:a@b.com;;x",
        "sip:a@b.com;x=",
        "sip:a@b.com;x=1;X=2",
        "sip:a@b.com?",
        "sip:a@b.com?x",
        "sip:a@b.com?=x",
        "sip:a%4@b.com",
        "sip:a%zz@b.com",
        "sip:a@b.com>",
        "sip:2001:db8::10",
        "sip:\u{e9}@b.com",
        "tel:",
        "tel:1 2",
        "<sip:a@b.com>",
    ] {
        assert!(bad.parse::<Uri>().is_err(), "{bad}");
    }
}

#[test]
fn tel_uris_are_compared_digit_by_digit() {
    // RFC 3966 section 4.
    for (a, b, same) in [
        ("tel:+1-201-555-0123", "TEL:+1(201)555.0123", true),
        ("tel:7042;phone-context=example.com", "tel:70-42;Phone-Context=EXAMPLE.com", true),
        ("tel:863-1234;phone-context=+1-914-555", "tel:8631234;phone-context=+1914555", true),
        ("tel:+1201;ext=1-2;isub=a", "tel:+1201;isub=A;ext=12", true),
        ("tel:+1201", "tel:1201", false),
        ("tel:+1201;ext=12", "tel:+1201", false),
        ("tel:+1201;ext=12", "tel:+1201;ext=13", false),
        ("tel:863;phone-context=+1", "tel:863;phone-context=1", false),
        ("tel:+1201", "urn:+1201", false),
        ("urn:service:sos", "urn:service:SOS", false),
    ] {
        assert_eq!((uri(a).matches(&uri(b)), uri(b).matches(&uri(a))), (same, same), "{a} {b}");
    }
}

#[test]
fn addresses_are_compared_by_what_they_mean() {
    // RFC 3261 section 20.20.
    let address = |text: &str| text.parse::<NameAddr>().unwrap_or_else(|e| panic!("{text}: {e}"));
    for (a, b, same) in [
        ("\"A. G. Bell\" <sip:agb@bell.com>;tag=a48s", "sip:agb@BELL.com;tag=A48S", true),
        ("<sip:a@b>;tag=1;x=y", "<sip:a@b>;z;tag=1", true),
        ("<sip:a@b>;x=\"A\"", "<sip:a@b>;x=\"A\"", true),
        ("<sip:a@b>;x=\"A\"", "<sip:a@b>;x=\"a\"", false),
        ("<sip:a@b>;x", "<sip:a@b>;x=1", false),
        ("<sip:a@b>;tag=1", "<sip:a@b>;tag=2", false),
        ("<sip:a@b>;tag=1", "<sip:a@b>", false),
        ("<sip:a@b>", "<sips:a@b>", false),
    ] {
        let (a, b) = (address(a), address(b));
        assert_eq!((a.matches(&b), b.matches(&a)), (same, same), "{a} {b}");
    }
}

#[test]
fn the_headers_of_a_uri_are_read_without_their_escapes() {
    let made = SipUri::new(false, "b.com".parse().unwrap()).with_header("Replaces", "1@a;to-tag=2;from-tag=3&");
    assert_eq!(made.to_string(), "sip:b.com?Replaces=1%40a%3Bto-tag%3D2%3Bfrom-tag%3D3%26");
    assert_eq!(made.header("replaces").as_deref(), Some("1@a;to-tag=2;from-tag=3&"));
    assert_eq!((made.header("x"), uri(&made.to_string())), (None, made.into()));
}
