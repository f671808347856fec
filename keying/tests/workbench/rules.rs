//! Every rule of `lint`, by a message that breaks it.

use keyphone_keying::workbench::input::{Carrier, Found, Place, find};
use keyphone_keying::workbench::lint::{lint, rules};
use keyphone_media::env::NtpTime;
use std::collections::BTreeSet;

const SIGN: u8 = 4;
/// 2027-01-15 08:00:00 UTC.
const T: &str = "5:00eef4508000000000";
const RAND: &str = "11:10000102030405060708090a0b0c0d0e0f";
const ALICE: &str = "6:0100057369703a61";
/// SP 0 for SRTP, with one parameter: AES-CM.
const SP: &str = "10:00000003000101";
/// Sixteen octets that are encrypted, and a MAC.
const KEMAC: &str = "1:01001011111111111111111111111111111111010202020202020202020202020202020202020202";
const V: &str = "9:010202020202020202020202020202020202020202";
/// OAKLEY 1, of which any number but 0 and 1 will do.
fn dh(fill: &str) -> String {
    format!("3:01{}00", fill.repeat(96))
}
const CERT: &str = "7:00000430023000";
const SIGNED: &str = "4:000411111111";
const ENVELOPE: &str = "2:000411111111";

/// `number:body` of each payload, without the octet that says which comes next.
fn message(data_type: u8, v: bool, sessions: &[&str], payloads: &[&str]) -> Vec<u8> {
    let parts: Vec<(u8, Vec<u8>)> = payloads
        .iter()
        .map(|text| {
            let (number, body) = text.split_once(':').unwrap();
            (number.parse().unwrap(), hex::decode(body).unwrap_or_else(|e| panic!("{text}: {e}")))
        })
        .collect();
    let next = |index: usize| parts.get(index).map_or(0, |(number, _)| *number);
    let mut out = vec![1, data_type, next(0), if v { 0x80 } else { 0 }, 1, 2, 3, 4, sessions.len() as u8, 0];
    out.extend(sessions.iter().flat_map(|entry| hex::decode(entry).unwrap()));
    for (index, (number, body)) in parts.iter().enumerate() {
        if *number != SIGN {
            out.push(next(index + 1));
        }
        out.extend(body);
    }
    out
}

const ONE: &[&str] = &["000000000100000000"];
const OPEN: &[&str] = &["000000000000000000"];

fn psk(payloads: &[&str]) -> Vec<u8> {
    message(0, true, ONE, payloads)
}

/// A policy with these parameters.
fn policy(params: &str) -> Vec<Vec<u8>> {
    let sp = format!("10:0000{:04x}{params}", params.len() / 2);
    vec![psk(&[T, RAND, &sp, KEMAC])]
}

/// Keys in clear.
fn clear(keys: &str) -> Vec<Vec<u8>> {
    let kemac = format!("1:00{:04x}{keys}00", keys.len() / 2);
    vec![psk(&[T, RAND, SP, &kemac])]
}

fn with(payload: &str) -> Vec<Vec<u8>> {
    vec![psk(&[T, RAND, payload, KEMAC])]
}

/// A DH message with these values.
fn dhs(values: &[&str]) -> Vec<Vec<u8>> {
    vec![message(4, true, ONE, &[&[T, RAND, ALICE, CERT], values, &[SIGNED]].concat())]
}

/// A good I_MESSAGE with a pre-shared key, and this behind it.
fn after_psk(answer: Vec<u8>) -> Vec<Vec<u8>> {
    vec![psk(&[T, RAND, SP, KEMAC]), answer]
}

fn rsar(rand: bool) -> Vec<u8> {
    let rand: &[&str] = if rand { &[RAND] } else { &[] };
    message(9, true, ONE, &[&[T], rand, &[ALICE, CERT, SP, SIGNED]].concat())
}

fn rsar_answer(middle: &[&str]) -> Vec<u8> {
    message(10, false, ONE, &[&[T], middle, &[KEMAC, ENVELOPE, SIGNED]].concat())
}

const LATER: &str = "5:00eef4509000000000";

/// The rule, and messages of which one breaks it.
#[rustfmt::skip]
fn cases() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let good = || psk(&[T, RAND, SP, KEMAC]);
    let change = |at: usize, value: u8| {
        let mut octets = good();
        octets[at] = value;
        vec![octets]
    };
    let dh2 = dh("02");
    let zeros = "00".repeat(20);
    vec![
        ("unreadable", vec![good()[..40].to_vec()]),
        ("last-payload", vec![psk(&[T, "255:"])]),
        ("unknown-code", vec![psk(&[T, "77:00"])]),
        ("trailing-padding", vec![[good(), vec![0]].concat()]),
        ("trailing-octets", vec![[good(), vec![7]].concat()]),
        ("rfc4650-code-points", vec![message(7, true, ONE, &[T, RAND, ALICE, ALICE, &dh2, &format!("1:02000000{}", "07".repeat(20))])]),
        ("cs-count", change(8, 0)),
        ("dh-value-unpadded", vec![message(4, true, ONE, &[T, RAND, ALICE, CERT, &format!("3:01{}00", "02".repeat(95)), SIGNED])]),
        ("duplicate-payload", with(T)),
        ("missing-payload", vec![psk(&[T, SP, KEMAC])]),
        ("misplaced-payload", with(SIGNED)),
        ("seal-not-last", vec![psk(&[T, RAND, KEMAC, SP])]),
        ("payload-order", vec![psk(&[RAND, T, SP, KEMAC])]),
        ("data-type", change(1, 99)),
        ("prf", change(3, 0x85)),
        ("v-flag", vec![message(1, true, ONE, &[T, V])]),
        ("v-flag-rsa-r", vec![message(9, false, ONE, &[T, RAND, ALICE, CERT, SP, SIGNED])]),
        ("update-rand", after_psk(psk(&[LATER, RAND, SP, KEMAC]))),
        ("update-t", after_psk(psk(&[T, KEMAC]))),
        ("map-type", change(9, 9)),
        ("no-crypto-session", vec![message(0, true, &[], &[T, RAND, SP, KEMAC])]),
        ("map-policy", vec![message(0, true, &["050000000100000000"], &[T, RAND, SP, KEMAC])]),
        ("map-ssrc-twice", vec![message(0, true, &[ONE[0], ONE[0]], &[T, RAND, SP, KEMAC])]),
        ("ssrc-without-answer", vec![message(0, false, OPEN, &[T, RAND, SP, KEMAC])]),
        ("t-filetime", vec![psk(&["5:0001d38e1900000000", RAND, SP, KEMAC])]),
        ("t-unix", vec![psk(&["5:006500000000000000", RAND, SP, KEMAC])]),
        ("t-date", vec![psk(&["5:009000000000000000", RAND, SP, KEMAC])]),
        ("t-skew", vec![psk(&["5:00eef4400000000000", RAND, SP, KEMAC])]),
        ("t-counter", vec![psk(&["5:0200000001", RAND, SP, KEMAC])]),
        ("rand-length", vec![psk(&[T, "11:0401020304", SP, KEMAC])]),
        ("rand-constant", vec![psk(&[T, "11:0442424242", SP, KEMAC])]),
        ("id-type", with("6:0700057369703a61")),
        ("id-form", with("6:010001ff")),
        ("cert-type", vec![message(4, true, ONE, &[T, RAND, "7:070000", &dh2, SIGNED])]),
        ("cert-unreadable", dhs(&[&dh2])),
        ("sign-type", vec![message(4, true, ONE, &[T, RAND, CERT, &dh2, "4:700411111111"])]),
        ("sign-type-private", vec![message(4, true, ONE, &[T, RAND, CERT, &dh2, "4:f00411111111"])]),
        ("pke-cache", vec![message(2, true, ONE, &[T, RAND, SP, KEMAC, "2:c00411111111", SIGNED])]),
        ("chash-md5", vec![message(2, true, ONE, &[T, RAND, SP, KEMAC, &format!("8:01{}", "07".repeat(16)), ENVELOPE, SIGNED])]),
        ("dh-group-weak", dhs(&[&dh2])),
        ("dh-group-private", dhs(&[&format!("3:f1{}00", "04".repeat(65))])),
        ("dh-value", dhs(&[&dh("00")])),
        ("dh-reserved", dhs(&[&format!("3:01{}30", "02".repeat(96))])),
        ("err-unknown", vec![message(6, false, ONE, &[T, "12:630000"])]),
        ("err-reserved", vec![message(6, false, ONE, &[T, "12:000001"])]),
        ("ext-unknown", with("21:c8000107")),
        ("encr-unknown", vec![psk(&[T, RAND, SP, "1:0700020000010202020202020202020202020202020202020202"])]),
        ("encr-null", clear("00100010000102030405060708090a0b0c0d0e0f")),
        ("mac-null", clear("00100010000102030405060708090a0b0c0d0e0f")),
        ("dhhmac-kemac", vec![message(7, true, ONE, &[T, RAND, ALICE, ALICE, &dh2, KEMAC])]),
        ("aes-kw-length", vec![psk(&[T, RAND, SP, &format!("1:020011{}01{zeros}", "07".repeat(17))])]),
        ("no-key", vec![psk(&[T, RAND, SP, &format!("1:01000001{zeros}")])]),
        ("clear-keys-unreadable", clear("0010ffff")),
        ("key-length", clear("0000000401020304")),
        ("tek-with-salt", clear(&format!("0020001e{}", "07".repeat(30)))),
        ("tek-without-salt", clear(&format!("00200010{}", "07".repeat(16)))),
        ("keys-without-mki", clear(&format!("14000010{0}00000010{0}", "07".repeat(16)))),
        ("interval-length", clear(&format!("00020010{}01010102", "07".repeat(16)))),
        ("sp-number-twice", vec![psk(&[T, RAND, SP, SP, KEMAC])]),
        ("sp-unused", vec![psk(&[T, RAND, SP, "10:05000003000101", KEMAC])]),
        ("sp-protocol", vec![psk(&[T, RAND, "10:00090003000101", KEMAC])]),
        ("sp-empty", policy("")),
        ("tag-length-as-key-length", policy("02010103010a")),
        ("sp-auth-key-length", policy("020101030111")),
        ("sp-param-twice", policy("000101000101")),
        ("sp-param-unknown", policy("630101")),
        ("sp-param-value", policy("000163")),
        ("sp-encr-key-length", policy("000101010111")),
        ("sp-salt-length", policy("000101040111")),
        ("sp-tag-length", policy("0001010b0107")),
        ("sp-derivation-rate", policy("060103")),
        ("sp-protection-off", policy("070100")),
        ("fresh-t", after_psk(message(1, false, ONE, &[LATER, V]))),
        ("answer-type", after_psk(message(3, false, ONE, &[T, V]))),
        ("answer-unasked", vec![message(0, false, ONE, &[T, RAND, SP, KEMAC]), message(1, false, ONE, &[T, V])]),
        ("map-changed", after_psk(message(1, false, &["000000000200000000"], &[T, V]))),
        ("ssrc-left-zero", vec![message(0, true, OPEN, &[T, RAND, SP, KEMAC]), message(1, false, OPEN, &[T, V])]),
        ("second-rand", vec![rsar(true), rsar_answer(&[RAND, SP])]),
        ("no-rand", vec![rsar(false), rsar_answer(&[SP])]),
        ("no-policy-chosen", vec![rsar(true), rsar_answer(&[])]),
        ("dhi-not-repeated", vec![dhs(&[&dh2]).remove(0), message(5, false, ONE, &[T, ALICE, CERT, &dh("03"), &dh("04"), SIGNED])]),
    ]
}

/// What is not in the messages alone: what carries them, or a real certificate.
fn broken_otherwise() -> BTreeSet<&'static str> {
    let broken = |found: &[Found]| lint(found, None).into_iter().flat_map(|l| l.findings).map(|f| f.rule).collect();
    let sdp = |more: &str, ids: &str| {
        use base64::Engine;
        let octets = psk(&[&[T, RAND, SP][..], &(if ids.is_empty() { vec![] } else { vec![ids] }), &[KEMAC]].concat());
        let line = base64::engine::general_purpose::STANDARD.encode(octets);
        find(format!("v=0\r\na=key-mgmt:mikey {line}\r\n{more}m=audio 1 RTP/SAVP 0\r\n").as_bytes()).unwrap()
    };
    let mut rules: BTreeSet<_> = broken(&sdp("", ""));
    rules.extend::<BTreeSet<_>>(broken(&sdp("a=key-mgmt:kinkey X\r\n", "21:0100056d696b6579")));
    let pem = include_str!("../data/certs/alice.pem");
    let lines: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    let der = crate::octets(&lines.into()).unwrap();
    let cert = format!("7:00{:04x}{}", der.len(), hex::encode(der));
    // 1996.
    let early = "5:00ba37000000000000";
    let found = message(4, true, ONE, &[early, RAND, ALICE, &cert, &dh("02"), SIGNED]);
    rules.extend::<BTreeSet<_>>(broken(&[Found::octets(&found, Carrier::Unknown, Place::default())]));
    rules
}

#[test]
fn every_rule_is_broken_by_a_message_that_is_made_to_break_it() {
    let now = NtpTime(0xeef4_5080 << 32);
    let mut tried = BTreeSet::new();
    for (rule, messages) in cases() {
        let found: Vec<_> =
            messages.iter().map(|octets| Found::octets(octets, Carrier::Unknown, Place::default())).collect();
        let linted = lint(&found, Some(now));
        let broken: Vec<_> = linted.last().unwrap().findings.iter().map(|finding| finding.rule).collect();
        assert!(broken.contains(&rule), "{rule} is not among {broken:?}");
        tried.insert(rule);
    }
    let otherwise = broken_otherwise();
    for rule in ["sdp-ids-missing", "sdp-ids-differ", "cert-date", "sign-length"] {
        assert!(otherwise.contains(rule), "{rule} is not among {otherwise:?}");
        tried.insert(rule);
    }
    let all: BTreeSet<_> = rules().map(|rule| rule.id).collect();
    assert_eq!(all.difference(&tried).collect::<Vec<_>>(), [&""; 0], "no message breaks them");
}

#[test]
fn a_good_exchange_and_its_update_break_no_rule() {
    let messages = [
        psk(&[T, RAND, SP, KEMAC]),
        message(1, false, ONE, &[T, V]),
        psk(&[LATER, KEMAC]),
        message(1, false, ONE, &[LATER, V]),
        // The Initiator's message once more, as a second capture or a retransmission has it.
        psk(&[T, RAND, SP, KEMAC]),
    ];
    let found = messages.map(|octets| Found::octets(&octets, Carrier::Unknown, Place::default()));
    for linted in lint(&found, None) {
        assert_eq!(linted.findings, [], "{linted}");
    }
    // An update of a signed exchange need not bring a new DH, and then its answer has none either (RFC 3830 section 4.5).
    let messages = [
        dhs(&[&dh("02")]).remove(0),
        message(5, false, ONE, &[T, ALICE, &dh("03"), &dh("02"), SIGNED]),
        message(4, true, ONE, &[LATER, ALICE, SIGNED]),
        message(5, false, ONE, &[LATER, ALICE, SIGNED]),
    ];
    let found = messages.map(|octets| Found::octets(&octets, Carrier::Unknown, Place::default()));
    let rules: Vec<_> = lint(&found, None).into_iter().skip(2).flat_map(|linted| linted.findings).collect();
    assert_eq!(rules, []);
}

#[test]
fn a_rule_that_is_broken_without_end_is_told_a_bounded_number_of_times() {
    let most = policy(&"0000".repeat(32_000)).remove(0);
    let linted = lint(&[Found::octets(&most, Carrier::Unknown, Place::default())], None).remove(0);
    assert!(linted.findings.len() > 60 && linted.findings.len() < 64 * rules().count(), "{}", linted.findings.len());
    let policies: Vec<&str> = std::iter::repeat_n("10:00000000", 13_000).collect();
    let many = psk(&[&[T, RAND][..], &policies, &[KEMAC]].concat());
    let linted = lint(&[Found::octets(&many, Carrier::Unknown, Place::default())], None).remove(0);
    assert_eq!(linted.findings.iter().filter(|finding| finding.rule == "sp-number-twice").count(), 64);
}
