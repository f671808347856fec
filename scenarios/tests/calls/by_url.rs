//! Certificates that a message only points to (RFC 4738 section 3.8): fetched where policy lists them, and nowhere else.

use crate::certs::Ca;
use crate::common::*;
use crate::ways::WAYS;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_config::Config;
use keyphone_keying::Expect;
use keyphone_keying::mikey::ModeName;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::Middle;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::{HangUp, Incoming, Settings};
use keyphone_ua::sip::{Method, StatusCode};
use keyphone_ua::transaction::Transport;

const ALICE: (&str, &str) = ("alice", Pair::ALICE);
const BOB: (&str, &str) = ("bob", Pair::BOB);

/// Where everybody's certificate is.
const PKI: &str = "http://certs.example.org/pki/";

/// The modes that know certificates.
const MODES: [ModeName; 3] = [ModeName::Rsa, ModeName::DhSign, ModeName::RsaR];

fn url(name: &str) -> String {
    format!("{PKI}{name}.cer")
}

fn ca(mode: ModeName) -> Ca {
    let ca = Ca::new();
    for (name, ip) in [ALICE, BOB] {
        ca.certify(name, ip, mode != ModeName::DhSign);
    }
    ca
}

/// A phone that names a URL in place of its certificate, and has a peer's only where the mode wants it beforehand.
fn phone(ca: &Ca, who: (&str, &str), mode: ModeName, fetches: bool) -> Settings {
    let peer = if who == ALICE { "bob" } else { "alice" };
    let wants = mode == ModeName::Rsa && who == ALICE;
    ca.phone_with(who, peer, &[mode], |config| {
        publish(config, who.0);
        if fetches {
            config.policy.mikey.fetch = vec![PKI.parse().unwrap()];
        }
        if !wants {
            config.tls.peer_certs.clear();
        }
    })
}

fn publish(config: &mut Config, name: &str) {
    config.tls.cert_url = Some(url(name).parse().unwrap());
}

/// Both fetch, and both certificates are there.
fn pair(mode: ModeName, change: impl Fn(&mut Settings)) -> Pair {
    let ca = ca(mode);
    let [alice, bob] = [ALICE, BOB].map(|who| {
        let mut settings = phone(&ca, who, mode, true);
        change(&mut settings);
        settings
    });
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
    ["alice", "bob"].iter().for_each(|name| pair.world.web().serve(&url(name), &ca.der(name)));
    pair
}

fn asked(pair: &mut Pair) -> Vec<String> {
    pair.world.web().asked().to_vec()
}

/// Both were heard. What came while a certificate was fetched was not played, for nobody was proven yet.
fn assert_heard(pair: &Pair, latency: u64) {
    for node in [pair.alice, pair.bob] {
        let counts = counts(&pair.world, node);
        assert!(counts.heard > 100 && counts.lost == 0 && counts.refused <= latency / 20 + 2, "{latency}: {counts:?}");
    }
}

fn assert_no_media(pair: &Pair) {
    assert_eq!(media_from(&pair.world, Pair::ALICE).count() + media_from(&pair.world, Pair::BOB).count(), 0);
}

#[test]
fn by_default_a_certificate_behind_a_url_is_refused_and_nothing_is_fetched() {
    for mode in MODES {
        let ca = ca(mode);
        let (alice, bob) = (phone(&ca, ALICE, mode, true), phone(&ca, BOB, mode, false));
        let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
        pair.world.web().serve(&url("alice"), &ca.der("alice"));
        let mut pair = pair.whole_call();
        let (why, _) = refusal(&pair.world, pair.bob);
        assert!(why.contains(&url("alice")) && why.contains("fetch-certificates"), "{mode}: {why}");
        assert_eq!(responses(&pair.world, Pair::BOB, 488)[0].headers.warning().unwrap()[0].code, 306);
        assert_eq!(asked(&mut pair), [] as [String; 0]);
        assert_no_media(&pair);
        pair.assert_nothing_left();
    }
}

#[test]
fn where_policy_lists_them_both_certificates_are_fetched_once_and_the_call_is_keyed_and_rekeyed() {
    for mode in MODES {
        let mut pair = pair(mode, |_| ());
        pair.dial(HangUp::Never);
        pair.run(1500);
        for who in [pair.alice, pair.bob] {
            pair.world.command(who, Command::Rekey(CallId(1)));
            pair.run(if who == pair.alice { 4000 } else { 7000 });
            assert_eq!(troubles(&pair.world, who), [] as [String; 0], "{mode}");
        }
        pair.world.command(pair.alice, Command::HangUpAll);
        pair.run(100_000);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{mode}");
        assert_heard(&pair, 50);
        // In RSA the callee's was there beforehand (RFC 3830 section 3.2).
        let both = [url("alice"), url("bob")];
        assert_eq!(asked(&mut pair), both[..if mode == ModeName::Rsa { 1 } else { 2 }], "{mode}");
        pair.assert_nothing_left();
    }
}

#[test]
fn wherever_offer_and_answer_travel_they_wait_for_their_certificates() {
    for ((way, change), latency) in WAYS.into_iter().flat_map(|way| [(way, 50), (way, 2000)]) {
        let mut pair = pair(ModeName::DhSign, change);
        pair.world.web().set_latency(ms(latency));
        pair.dial(HangUp::Never);
        pair.run(8000);
        let answered = |node| events(&pair.world, node).filter(|e| matches!(e, Event::Answered { .. })).count();
        assert_eq!((answered(pair.alice), answered(pair.bob)), (1, 1), "{way}, {latency}");
        pair.world.command(pair.bob, Command::HangUpAll);
        pair.run(100_000);
        assert_eq!(pair.outcomes(), (PEER_HUNG_UP, WE_HUNG_UP), "{way}, {latency}");
        assert_heard(&pair, latency);
        assert_eq!(asked(&mut pair).len(), 2, "{way}, {latency}");
        pair.assert_nothing_left();
    }
}

#[test]
fn an_ack_that_comes_again_and_again_waits_once() {
    let mut pair = pair(ModeName::DhSign, |settings| settings.rules.late_offer = true);
    pair.dial(HangUp::Never);
    // His is fetched at once, with his 200; hers, with her ACK, takes its time.
    pair.run(330);
    pair.world.web().set_latency(ms(4500));
    pair.run(4500);
    assert!(requests(&pair.world, Pair::ALICE, Method::Ack).len() > 3);
    let tables = pair.world.node(pair.bob).endpoint.tables(pair.world.now());
    let waits = tables.iter().find(|fill| fill.table == "messages that wait for certificates").unwrap();
    assert_eq!(waits.entries, 1);
    pair.run(12_000);
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (PEER_HUNG_UP, WE_HUNG_UP));
    pair.assert_nothing_left();
}

/// Alice calls, and bob, who lists the place, gets this in place of her certificate.
fn refused(mode: ModeName, instead: impl Fn(&Ca) -> Option<Vec<u8>>, bob: impl Fn(&mut Config)) -> String {
    let ca = ca(mode);
    let callee = ca.phone_with(BOB, "alice", &[mode], |config| {
        publish(config, "bob");
        config.policy.mikey.fetch = vec![PKI.parse().unwrap()];
        config.tls.peer_certs.clear();
        bob(config);
    });
    let mut pair = Pair::on(1, Link::PERFECT, phone(&ca, ALICE, mode, true), callee);
    instead(&ca).iter().for_each(|octets| pair.world.web().serve(&url("alice"), octets));
    pair.dial(HangUp::After(ms(1000)));
    pair.run(100_000);
    assert_eq!(pair.outcome(pair.alice).exit_code(), 3);
    assert_eq!(asked(&mut pair), [url("alice")]);
    assert_no_media(&pair);
    pair.assert_nothing_left();
    refusal(&pair.world, pair.bob).0
}

#[test]
fn what_was_fetched_proves_nothing_and_is_checked_like_what_came_in_the_message() {
    for mode in MODES {
        let gone = refused(mode, |_| None, no_change);
        assert!(gone.contains("could not be fetched") && gone.contains("404 Not Found"), "{mode}: {gone}");
        let long = refused(mode, |_| Some(vec![0; 64 * 1024 + 1]), no_change);
        assert!(long.contains("longer than 65536 octets"), "{mode}: {long}");
        let page = refused(mode, |_| Some(b"<html>".to_vec()), no_change);
        assert!(page.contains("it is no X.509 certificate"), "{mode}: {page}");
        let pem = |_: &Ca| Some(b"-----BEGIN CERTIFICATE-----".to_vec());
        assert!(refused(mode, pem, no_change).contains("it is no X.509 certificate"), "RFC 2585 section 3: DER");
        let two = |ca: &Ca| Some([ca.der("alice"), ca.der("bob")].concat());
        assert!(refused(mode, two, no_change).contains("octets follow it"), "exactly one certificate");
        let another = refused(mode, |ca| Some(ca.der("bob")), no_change);
        assert!(another.contains("sip:alice@10.0.0.1 is not in the certificate"), "{mode}: {another}");
        let stranger = refused(mode, |_| Some(crate::by_url::ca(mode).der("alice")), no_change);
        assert!(stranger.contains("does not verify (RFC 5280 section 6.1)"), "{mode}: {stranger}");
    }
    // Of the same name and the same authority, and with another key.
    let other_key = |ca: &Ca| {
        ca.certify("alice", Pair::ALICE, false);
        Some(ca.der("alice"))
    };
    let why = refused(ModeName::DhSign, other_key, no_change);
    assert!(why.contains("its signature does not verify"), "{why}");
}

#[test]
fn a_peer_with_a_pinned_certificate_proves_itself_with_no_other_that_is_fetched() {
    let ca = Ca::new();
    ca.certify("alice", Pair::ALICE, false);
    ca.certify("bob", Pair::BOB, false);
    // Bob pins what alice has now.
    let bob = ca.phone_with(BOB, "alice", &[ModeName::DhSign], |config| {
        config.policy.mikey.fetch = vec![PKI.parse().unwrap()];
    });
    ca.certify("alice", Pair::ALICE, false);
    let mut pair = Pair::on(1, Link::PERFECT, phone(&ca, ALICE, ModeName::DhSign, true), bob);
    pair.world.web().serve(&url("alice"), &ca.der("alice"));
    let pair = pair.whole_call();
    let (why, _) = refusal(&pair.world, pair.bob);
    assert!(why.contains("another certificate is pinned for sip:alice@10.0.0.1"), "{why}");
    assert_no_media(&pair);
}

#[test]
fn a_caller_does_not_wait_longer_than_five_seconds_and_what_comes_later_changes_nothing() {
    let mut pair = pair(ModeName::DhSign, |_| ());
    pair.world.web().set_latency(ms(6000));
    let mut pair = pair.whole_call();
    let (why, _) = refusal(&pair.world, pair.bob);
    assert!(why.contains("nothing came within 5 s"), "{why}");
    let refused = when(&pair.world, pair.bob, |event| matches!(event, Event::Refused { .. }));
    assert_eq!(refused, at(5000 + u64::from(Link::PERFECT.latency.subsec_millis())));
    assert_eq!(asked(&mut pair), [url("alice")], "bob sent no answer");
    assert_no_media(&pair);
    pair.assert_nothing_left();
}

#[test]
fn an_answer_whose_certificate_cannot_be_fetched_ends_the_call_before_anything_is_said() {
    let ca = ca(ModeName::DhSign);
    let [alice, bob] = [ALICE, BOB].map(|who| phone(&ca, who, ModeName::DhSign, true));
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
    pair.world.web().serve(&url("alice"), &ca.der("alice"));
    let pair = pair.whole_call();
    let (why, _) = refusal(&pair.world, pair.alice);
    assert!(why.contains("could not be fetched from http://certs.example.org/pki/bob.cer"), "{why}");
    assert_eq!(media_from(&pair.world, Pair::ALICE).count(), 0);
    pair.assert_nothing_left();
}

#[test]
fn a_caller_who_hangs_up_while_its_certificate_is_fetched_never_rings() {
    let mut pair = pair(ModeName::DhSign, |_| ());
    pair.world.web().set_latency(ms(3000));
    pair.dial(HangUp::Never);
    pair.run(1000);
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(responses(&pair.world, Pair::BOB, 487).len(), 1);
    assert!(events(&pair.world, pair.bob).next().is_none(), "{:?}", pair.world.node(pair.bob).events);
    assert_no_media(&pair);
    pair.assert_nothing_left();
}

#[test]
fn whoever_is_called_and_goes_does_not_leave_a_caller_waiting() {
    let mut pair = pair(ModeName::DhSign, |_| ());
    pair.world.web().set_latency(ms(3000));
    pair.dial(HangUp::Never);
    pair.run(1000);
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(1500);
    assert_eq!(responses(&pair.world, Pair::BOB, 488).len(), 1);
    pair.run(100_000);
    pair.assert_nothing_left();
}

#[test]
fn nothing_is_fetched_for_a_stranger_whose_message_fails_a_check_that_costs_nothing() {
    let stale = |pair: &mut Pair| pair.world.set_skew(pair.alice, ms(600_000), false);
    let nothing = |_: &mut Pair| ();
    type Change = fn(&mut Settings);
    type Before = fn(&mut Pair);
    let cases: [(&str, Change, Before); 5] = [
        ("RFC 3830 section 5.4", |_| (), stale),
        ("policy accepts mikey-psk", |bob| bob.policy.mikey.accept = [ModeName::Psk].into(), nothing),
        ("is for sip:bob@10.0.0.2", |bob| bob.accounts.main_mut().me = "sip:bob@example.org".parse().unwrap(), nothing),
        ("", |bob| bob.incoming = Incoming::Refuse(StatusCode::BUSY_HERE), nothing),
        (
            "fetch-certificates",
            |bob| bob.policy.mikey.fetch = ["http://example.net/".parse().unwrap()].into_iter().collect(),
            nothing,
        ),
    ];
    for (why, change, before) in cases {
        let ca = ca(ModeName::DhSign);
        let mut bob = phone(&ca, BOB, ModeName::DhSign, true);
        change(&mut bob);
        let mut alice = phone(&ca, ALICE, ModeName::DhSign, true);
        // Only then does her offer say for whom it is.
        alice.policy.expect = Expect::Exactly;
        let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
        before(&mut pair);
        pair.world.web().serve(&url("alice"), &ca.der("alice"));
        let mut pair = pair.whole_call();
        assert_eq!(asked(&mut pair), [] as [String; 0], "{why}");
        if !why.is_empty() {
            let (said, _) = refusal(&pair.world, pair.bob);
            assert!(said.contains(why), "{why}: {said}");
        }
        assert_no_media(&pair);
    }
}

/// Puts another number into the URL of a message.
fn renumber(body: &str, number: u32) -> String {
    renumber_of(body, "alice.cer", number)
}

fn renumber_of(body: &str, file: &str, number: u32) -> String {
    let at = body.find("mikey ").unwrap() + 6;
    let end = at + body[at..].find('\r').unwrap();
    let mut message = STANDARD.decode(&body[at..end]).unwrap();
    let name = message.windows(file.len()).position(|window| window == file.as_bytes()).unwrap();
    // As many digits as the name has letters.
    let digits = file.len() - 4;
    let number = format!("{number:05}");
    message[name..name + digits].copy_from_slice(&number.as_bytes()[number.len() - digits..]);
    format!("{}{}{}", &body[..at], STANDARD.encode(message), &body[end..])
}

#[test]
fn a_flood_of_urls_is_fetched_a_few_at_a_time_and_leaves_nothing_behind() {
    let mut pair =
        pair(ModeName::DhSign, |settings| settings.incoming = Incoming::Ring { plan: plan(BOB_HZ, HangUp::Never) });
    pair.world.web().set_latency(ms(60_000));
    let mut number = 0;
    pair.world.set_middle(Box::new(move |sent| match is_request(sent, "INVITE") {
        true => {
            number += 1;
            Middle::Change(rewrite(&sent.bytes, |body| renumber(&body, number)))
        }
        false => Middle::Pass,
    }));
    for _ in 0..200 {
        pair.dial(HangUp::Never);
    }
    pair.run(1000);
    assert_eq!(asked(&mut pair).len(), 8);
    let now = pair.world.now();
    for fill in pair.world.node(pair.bob).endpoint.tables(now) {
        assert!(fill.entries <= fill.most, "{fill:?}");
    }
    pair.run(200_000);
    assert_eq!(outcomes(&pair.world, pair.alice).len(), 200);
    assert!(outcomes(&pair.world, pair.alice).iter().all(|outcome| outcome.exit_code() == 3));
    assert_eq!(asked(&mut pair).len(), 8, "the others were refused at once");
    assert_no_media(&pair);
    pair.assert_nothing_left();
}

#[test]
fn a_flood_of_strangers_does_not_keep_the_certificate_of_an_answer_from_us() {
    let mut pair = pair(ModeName::DhSign, |_| ());
    pair.world.web().set_latency(ms(4000));
    let mut number = 0;
    // Bob's calls are with URLs of his own making; alice's is as it is.
    pair.world.set_middle(Box::new(move |sent| match is_request(sent, "INVITE") && sent.from == sip_at(Pair::BOB) {
        true => {
            number += 1;
            Middle::Change(rewrite(&sent.bytes, |body| renumber_of(&body, "bob.cer", number)))
        }
        false => Middle::Pass,
    }));
    pair.dial(HangUp::Never);
    // His phone fetches hers for four seconds, and then hers has his answer.
    for flood in [100, 4200] {
        pair.run(flood);
        for _ in 0..100 {
            pair.world.command(pair.bob, call(Pair::ALICE, Transport::Udp, plan(BOB_HZ, HangUp::Never)));
        }
    }
    pair.run(12_000);
    let answered = |event: &Event| matches!(event, Event::Answered { call: CallId(1), .. });
    assert!(events(&pair.world, pair.alice).any(answered), "{:?}", outcomes(&pair.world, pair.alice));
}
