//! Fail closed: a call that cannot be keyed has no media, and both sides say why.

use crate::common::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_config::{Config, PskEntry};
use keyphone_keying::Identity;
use keyphone_keying::mikey::Tolerances;
use keyphone_keying::mikey::wire::{DataType, Message};
use keyphone_scenarios::world::Sent;
use keyphone_ua::event::Outcome;
use keyphone_ua::settings::HangUp;
use keyphone_ua::sip::Method;

fn with_key(hex: &'static str) -> impl FnOnce(&mut Config) {
    move |config| config.credentials.psks = vec![PskEntry::from_hex(None, hex).unwrap()]
}

fn in_the_clear(config: &mut Config) {
    config.policy.keying.clear();
    config.policy.allow_clear = true;
}

/// Bob refuses with 488 and a Warning; no side sends media, ever; both end with exit code 3.
fn assert_refused(pair: &Pair) {
    let Pair { world, alice, bob } = pair;
    for node in [*alice, *bob] {
        let outcome = pair.outcome(node);
        assert!(matches!(outcome, Outcome::KeyingRefused { .. }), "{outcome:?}");
        assert_eq!(outcome.exit_code(), 3);
    }
    let refused = responses(world, Pair::BOB, 488);
    let [warning] = &refused[0].headers.warning().unwrap()[..] else { panic!("one Warning") };
    assert_eq!(warning.code, 399);
    let (why, _) = refusal(world, *bob);
    assert!(warning.text.contains(&why), "{} / {why}", warning.text);
    assert!(refusal(world, *alice).0.contains(&why), "the caller is told, too: {why}");
    assert_eq!(world.log().iter().filter(|sent| sent.media).count(), 0);
    pair.assert_nothing_left();
}

/// The MIKEY message of an SDP.
fn mikey(body: &[u8]) -> Message {
    let text = std::str::from_utf8(body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("a=key-mgmt:mikey ")).expect("a key-mgmt line");
    Message::read(&STANDARD.decode(line).unwrap(), Tolerances::none()).unwrap()
}

#[test]
fn a_peer_with_another_key_is_refused_and_neither_side_sends_media() {
    let pair = Pair::of(no_change, with_key(OTHER_KEY)).whole_call();
    assert_refused(&pair);
    let refused = responses(&pair.world, Pair::BOB, 488).remove(0);
    assert_eq!(mikey(&refused.body).hdr().data_type, DataType::Error);
    let (_, hint) = refusal(&pair.world, pair.alice);
    assert!(hint.unwrap().contains("unauthenticated"), "the peer's error message is no more than a hint");
    assert!(events(&pair.world, pair.bob).all(|event| !format!("{event:?}").contains(OTHER_KEY)));
}

#[test]
fn a_caller_without_a_key_for_the_peer_sends_no_invite_and_says_which_flag_helps() {
    let pair = Pair::of(|config| config.credentials.psks.clear(), no_change).whole_call();
    assert!(pair.world.log().is_empty());
    let Outcome::KeyingRefused { why } = pair.outcome(pair.alice) else { panic!() };
    assert!(why.contains("--psk sip:bob@10.0.0.2"), "{why}");
}

#[test]
fn a_callee_without_a_key_for_the_caller_refuses_and_says_so() {
    let only_carol = |config: &mut Config| {
        let carol = Identity::new("sip:carol@10.0.0.3");
        config.credentials.psks = vec![PskEntry::from_hex(Some(carol), KEY).unwrap()];
    };
    let pair = Pair::of(no_change, only_carol).whole_call();
    assert_refused(&pair);
    assert!(refusal(&pair.world, pair.bob).0.contains("share no key with sip:alice@10.0.0.1"));
}

#[test]
fn clocks_that_are_too_far_apart_refuse_and_the_distance_is_named() {
    for (ahead, side) in [(true, "ahead of"), (false, "behind")] {
        let mut pair = Pair::new();
        pair.world.set_skew(pair.alice, ms(600_000), ahead);
        let pair = pair.whole_call();
        assert_refused(&pair);
        let (why, _) = refusal(&pair.world, pair.bob);
        assert!(why.contains(&format!("600 s {side} ours")), "{why}");
    }
}

#[test]
fn clocks_that_are_a_little_apart_do_not_matter() {
    for ahead in [true, false] {
        let mut pair = Pair::new();
        // What is dated before the callee began is refused, so it has been there for a while.
        pair.run(400_000);
        pair.world.set_skew(pair.alice, ms(240_000), ahead);
        pair.dial(HangUp::After(ms(500)));
        pair.run(500_000);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    }
}

/// The INVITE as an attacker would send it again: as a new call.
fn as_new_call(invite: &Sent) -> Vec<u8> {
    let text = String::from_utf8(invite.bytes.clone()).unwrap();
    let line = |line: &str| match line.split_once(": ") {
        Some(("Via", _)) => "Via: SIP/2.0/UDP 10.0.0.66:5060;branch=z9hG4bKreplay".to_owned(),
        Some(("Call-ID", _)) => "Call-ID: replay@10.0.0.66".to_owned(),
        Some(("From", _)) => "From: <sip:alice@10.0.0.1>;tag=replay".to_owned(),
        Some(("Contact", _)) => "Contact: <sip:alice@10.0.0.66:5060>".to_owned(),
        _ => line.to_owned(),
    };
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    format!("{}\r\n\r\n{body}", head.lines().map(line).collect::<Vec<_>>().join("\r\n")).into_bytes()
}

#[test]
fn a_recorded_invite_that_is_played_again_is_refused_as_a_replay() {
    let mut pair = Pair::new().whole_call();
    let invite = pair.world.log().iter().find(|sent| is_request(sent, "INVITE")).unwrap();
    let again = as_new_call(invite);
    let before = media_from(&pair.world, Pair::BOB).count();
    pair.world.inject(sip_at("10.0.0.66"), sip_at(Pair::BOB), &again);
    pair.run(200_000);
    let outcomes = outcomes(&pair.world, pair.bob);
    let [PEER_HUNG_UP, Outcome::KeyingRefused { why }] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(why.contains("replay") && why.contains("RFC 3830 section 5.4"), "{why}");
    assert_eq!(responses(&pair.world, Pair::BOB, 488)[0].headers.warning().unwrap().len(), 1);
    assert_eq!(media_from(&pair.world, Pair::BOB).count(), before);
    pair.assert_nothing_left();
}

#[test]
fn without_keying_and_without_leave_for_clear_rtp_no_invite_is_sent() {
    let pair = Pair::of(|config| config.policy.keying.clear(), no_change).whole_call();
    assert!(pair.world.log().is_empty());
    let outcome = pair.outcome(pair.alice);
    assert_eq!(outcome.exit_code(), 3);
    let Outcome::KeyingRefused { why } = outcome else { panic!() };
    assert!(why.contains("--allow-clear"), "{why}");
}

#[test]
fn a_clear_call_is_refused_by_who_has_not_allowed_it() {
    let pair = Pair::of(in_the_clear, no_change).whole_call();
    let refused = responses(&pair.world, Pair::BOB, 488).remove(0);
    let warning = refused.headers.warning().unwrap().remove(0).text;
    assert!(warning.contains("RTP/AVP"), "{warning}");
    let Outcome::KeyingRefused { why } = pair.outcome(pair.bob) else { panic!() };
    assert!(why.contains("in the clear"), "{why}");
    assert_ne!(pair.outcome(pair.alice).exit_code(), 0);
    assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0);
}

#[test]
fn who_allows_clear_rtp_for_the_peer_is_still_called_with_keys() {
    let allow = |config: &mut Config| config.policy.allow_clear = true;
    let pair = Pair::of(allow, allow).whole_call();
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    let invite = requests(&pair.world, Pair::ALICE, Method::Invite).remove(0);
    assert!(String::from_utf8(invite.body).unwrap().contains("RTP/SAVP"));
}

#[test]
fn two_phones_that_both_allow_it_talk_in_the_clear() {
    let pair = Pair::of(in_the_clear, in_the_clear).whole_call();
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    for node in [pair.alice, pair.bob] {
        assert!(counts(&pair.world, node).played > 40);
        let said = format!("{:?}", pair.world.node(node).events);
        assert!(said.contains("keying: \"none\""), "{said}");
    }
}
