//! What `lint` finds.

use crate::{VECTORS, WILD, entry, octets};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::workbench::input::{Carrier, Found, Place, find};
use keyphone_keying::workbench::lint::{Finding, Linted, Severity, lint, rules};

fn found(bytes: &[u8]) -> Found {
    Found::octets(bytes, Carrier::Unknown, Place::default())
}

fn of(bytes: &[u8]) -> Vec<Finding> {
    lint(&[found(bytes)], None).remove(0).findings
}

fn errors(linted: &Linted) -> Vec<&'static str> {
    linted.findings.iter().filter(|f| f.severity == Severity::Error).map(|f| f.rule).collect()
}

/// Both messages of a vector.
fn exchange(vector: &serde_json::Value) -> Vec<Linted> {
    let messages = [&vector["i_message_b64"], &vector["r_message_b64"]].into_iter().filter_map(octets);
    lint(&messages.map(|bytes| found(&bytes)).collect::<Vec<_>>(), None)
}

#[test]
fn every_rule_has_a_name_of_its_own_and_a_section() {
    let mut names: Vec<_> = rules().map(|rule| rule.id).collect();
    assert!(names.len() > 60, "{}", names.len());
    assert!(rules().all(|rule| rule.section.starts_with("RFC ") && !rule.should.is_empty()));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn a_message_of_another_implementation_breaks_only_what_its_vector_says() {
    for vector in VECTORS.iter() {
        let id = vector["id"].as_str().unwrap();
        let linted = exchange(vector);
        let errors: Vec<_> = linted.iter().flat_map(errors).collect();
        let expected: &[&str] = match (id, vector["expect"].as_str().unwrap()) {
            ("ms-psk-15", _) => &["fresh-t"],
            ("py-dhhmac-05", _) => &["rfc4650-code-points", "rfc4650-code-points"],
            // Its map refers to a policy that minisip did not send.
            ("ms-dh-06", _) => &["map-policy", "map-policy", "missing-payload"],
            (id, "tolerate") if id.starts_with("ms-dh-") => &["missing-payload"],
            (id, "tolerate") if id.starts_with("ms-dhhmac") => &["missing-payload", "missing-payload"],
            ("ms-rsar-03", _) => &["second-rand"],
            (id, "tolerate") if id.starts_with("ms-rsar") => &["second-rand", "no-policy-chosen"],
            _ => &[],
        };
        // minisip leaves the Responder's SSRC at zero.
        let errors: Vec<_> = errors.into_iter().filter(|rule| *rule != "ssrc-left-zero").collect();
        assert_eq!(errors, expected, "{id}\n{}", linted.iter().map(|l| format!("{l}\n")).collect::<String>());
    }
}

#[test]
fn a_fresh_timestamp_is_seen_beside_the_i_message_and_cannot_be_seen_alone() {
    let vector = entry(&VECTORS, "ms-psk-15");
    let answer = octets(&vector["r_message_b64"]).unwrap();
    assert!(of(&answer).iter().all(|finding| finding.rule != "fresh-t"));
    let both = &exchange(vector)[1];
    let fresh = both.findings.iter().find(|finding| finding.rule == "fresh-t").unwrap();
    assert_eq!(fresh.section, "RFC 3830 section 5.2");
}

#[test]
fn what_is_found_is_told_with_what_should_be_there_and_who_says_so() {
    let camera = octets(&entry(&WILD, "gortsplib-a")["b64"]).unwrap();
    let text = lint(&[found(&camera)], None)[0].to_string();
    let line = "error at octet 61: the session auth key length (type 3) is 10, a tag's; type 11 for the tag length, and 20 \
                in type 3, the session auth key length; --interop takes it so (RFC 3830 table 6.10.1.a) \
                [tag-length-as-key-length]";
    assert!(text.contains(line), "{text}");
    assert!(text.ends_with("1 errors, 2 warnings, 1 notes"), "{text}");
}

/// A change to a message.
type Spoil<'a> = &'a dyn Fn(&mut Vec<u8>);

/// Each change to a good message, and the rule that finds it.
#[test]
fn a_good_message_that_is_spoiled_breaks_the_rule_that_it_was_spoiled_by() {
    let good = octets(&entry(&VECTORS, "py-psk-01")["i_message_b64"]).unwrap();
    assert!(of(&good).iter().all(|f| f.severity == Severity::Note), "{:?}", of(&good));
    let spoil = |change: Spoil<'_>| {
        let mut bytes = good.clone();
        change(&mut bytes);
        of(&bytes).into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    // HDR is 28 octets (two crypto sessions), then T (10) and RAND (18).
    let cases: &[(&str, Spoil<'_>)] = &[
        ("unreadable", &|b| b[0] = 2),
        ("data-type", &|b| b[1] = 99),
        ("unknown-code", &|b| b[2] = 77),
        ("last-payload", &|b| b[28] = 255),
        ("prf", &|b| b[3] |= 5),
        ("cs-count", &|b| b[8] = 1),
        ("map-type", &|b| b[9] = 7),
        ("map-policy", &|b| b[10] = 9),
        ("no-crypto-session", &|b| {
            b[8] = 0;
            b.drain(10..28);
        }),
        ("ssrc-without-answer", &|b| {
            b[3] = 0;
            b[11..15].fill(0);
        }),
        ("map-ssrc-twice", &|b| b.copy_within(11..15, 20)),
        ("t-filetime", &|b| b[30..34].copy_from_slice(&[0x01, 0xd3, 0x8e, 0x19])),
        ("t-unix", &|b| b[30..34].copy_from_slice(&[0x65, 0, 0, 0])),
        ("t-date", &|b| b[30..34].copy_from_slice(&[0x90, 0, 0, 0])),
        ("t-counter", &|b| {
            b[29] = 2;
            b.drain(34..38);
        }),
        ("rand-constant", &|b| b[40..56].fill(0x42)),
        ("rand-length", &|b| {
            b[39] = 8;
            b.drain(40..48);
        }),
        ("missing-payload", &|b| {
            b[28] = 6;
            b.drain(38..56);
        }),
        ("payload-order", &|b| {
            b[2] = 11;
            let t: Vec<u8> = b.drain(28..38).collect();
            b.splice(46..46, t);
            b[28] = 5;
            b[46] = 6;
        }),
        ("duplicate-payload", &|b| {
            let mut t: Vec<u8> = b[28..38].to_vec();
            t[0] = 5;
            b.splice(28..28, t);
        }),
        ("misplaced-payload", &|b| b[1] = 1),
        ("trailing-padding", &|b| b.push(0)),
        ("trailing-octets", &|b| b.push(1)),
        ("unreadable", &|b| b.truncate(60)),
    ];
    for (rule, change) in cases {
        let broken = spoil(change);
        assert!(broken.contains(rule), "{rule} is not among {broken:?}");
    }
}

#[test]
fn a_dh_value_that_lost_its_leading_zero_is_named() {
    let vector = entry(&VECTORS, "py-dh-05");
    let mut bytes = octets(&vector["i_message_b64"]).unwrap();
    assert_eq!(of(&bytes).iter().filter(|f| f.severity == Severity::Error).count(), 0);
    let group = bytes.windows(3).rposition(|w| w == [4, 0, 0]).unwrap();
    bytes.remove(group + 2);
    let broken = of(&bytes);
    let dh = broken.iter().find(|f| f.rule == "dh-value-unpadded").unwrap();
    assert!(dh.found.contains("191 octets where OAKLEY 5 has 192"), "{dh}");
}

#[test]
fn the_protocols_of_the_sdp_are_held_against_those_of_the_message() {
    let message = octets(&entry(&VECTORS, "py-psk-17")["i_message_b64"]).unwrap();
    let sdp =
        |more: &str| format!("v=0\r\na=key-mgmt:mikey {}\r\n{more}m=audio 1 RTP/SAVP 0\r\n", STANDARD.encode(&message));
    let rules = |text: &str| -> Vec<_> {
        lint(&find(text.as_bytes()).unwrap(), None)[0].findings.iter().map(|finding| finding.rule).collect()
    };
    assert!(!rules(&sdp("")).contains(&"sdp-ids-differ"));
    assert!(rules(&sdp("a=key-mgmt:keyp1 X\r\n")).contains(&"sdp-ids-differ"));
    let without = octets(&entry(&VECTORS, "py-psk-01")["i_message_b64"]).unwrap();
    let line = format!("a=key-mgmt:mikey {}", STANDARD.encode(&without));
    assert!(rules(&line).contains(&"sdp-ids-missing"));
    assert!(!rules(&STANDARD.encode(&without)).contains(&"sdp-ids-missing"));
}

#[test]
fn nothing_that_is_no_message_stops_it() {
    let whole = octets(&entry(&VECTORS, "py-rsar-01")["r_message_b64"]).unwrap();
    for end in 0..whole.len().min(700) {
        let linted = lint(&[found(&whole[..end])], None);
        assert!(linted[0].worst() == Some(Severity::Error), "{end}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        assert!(!lint(&[found(&bytes)], None)[0].to_string().is_empty());
    }
}
