//! Every mode of MIKEY carries a call, whose keys can be changed; and none carries one that policy does not allow.

use crate::certs::Ca;
use crate::common::*;
use crate::talk::assert_heard_both_ways;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::wire::registry::DhGroup;
use keyphone_media::audio::codec::Codec;
use keyphone_media::srtp::{DerivationRate, Suite};
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::Sent;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, KeyUse};
use keyphone_ua::settings::{HangUp, Secured, Settings};
use keyphone_ua::sip::Method;
use keyphone_ua::transaction::{Destination, Transport};
use std::collections::BTreeSet;

const ALICE: (&str, &str) = ("alice", Pair::ALICE);
const BOB: (&str, &str) = ("bob", Pair::BOB);

/// Both have certificates, with RSA keys where the mode encrypts to one.
fn ca(mode: ModeName) -> Ca {
    let ca = Ca::new();
    let rsa = matches!(mode, ModeName::Rsa | ModeName::RsaR);
    ca.certify("alice", Pair::ALICE, rsa);
    ca.certify("bob", Pair::BOB, rsa);
    ca
}

fn pair(mode: ModeName) -> Pair {
    let ca = ca(mode);
    let (alice, bob) = (ca.phone(ALICE, "bob", &[mode]), ca.phone(BOB, "alice", &[mode]));
    Pair::on(1, Link::PERFECT, secure(alice), secure(bob))
}

/// By a sips URI, so that TLS is the way there and back: MIKEY-NULL needs it, and no other mode minds.
fn dial(pair: &mut Pair, hang_up: HangUp) {
    let target = Box::new(format!("sips:bob@{}", Pair::BOB).parse().unwrap());
    let to = Some(Destination { addr: sip_at(Pair::BOB), transport: Transport::Tls });
    pair.world.command(pair.alice, Command::Call { target, to, from: None, plan: plan(ALICE_HZ, hang_up) });
}

/// A phone that TLS reaches where all else does.
fn secure(mut settings: Settings) -> Settings {
    settings.tls = Secured { connects: true, port: Some(settings.sip.port()) };
    settings
}

fn keyings(pair: &Pair, node: usize) -> Vec<String> {
    let keying = |event: &Event| match event {
        Event::Started { keying, .. } | Event::Answered { keying, .. } => Some(keying.clone()),
        _ => None,
    };
    events(&pair.world, node).filter_map(keying).collect()
}

fn keys(pair: &Pair, node: usize, which: KeyUse) -> Vec<String> {
    let key = |event: &Event| match event {
        Event::Key { key, use_for, .. } if *use_for == which => Some(key.clone()),
        _ => None,
    };
    events(&pair.world, node).filter_map(key).collect()
}

fn assert_nothing_was_lost(pair: &Pair) {
    for node in [pair.alice, pair.bob] {
        let counts = counts(&pair.world, node);
        assert_eq!((counts.lost, counts.late, counts.refused, counts.replayed), (0, 0, 0, 0), "{counts:?}");
    }
}

#[test]
fn every_mode_carries_a_call_that_is_heard_both_ways() {
    for mode in ModeName::ALL {
        let mut pair = pair(*mode);
        dial(&mut pair, HangUp::After(ms(1000)));
        pair.run(100_000);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{mode}");
        assert_heard_both_ways(&pair.world, (pair.alice, pair.bob), Codec::Pcmu);
        for node in [pair.alice, pair.bob] {
            assert_eq!(keyings(&pair, node), [mode.to_string(), mode.to_string()]);
        }
        pair.assert_nothing_left();
    }
}

#[test]
fn in_every_mode_either_side_changes_the_keys_and_no_frame_is_lost() {
    for (mode, who) in ModeName::ALL.iter().flat_map(|mode| [(mode, 0), (mode, 1)]) {
        let mut pair = pair(*mode);
        dial(&mut pair, HangUp::Never);
        pair.run(1000);
        for round in 1..=2 {
            pair.world.command(who, Command::Rekey(CallId(1)));
            pair.run(1000 + round * 3000);
        }
        let sent = [pair.alice, pair.bob].map(|node| keys(&pair, node, KeyUse::Send));
        let heard = [pair.bob, pair.alice].map(|node| keys(&pair, node, KeyUse::Hear));
        assert_eq!(sent, heard, "{mode}: what one says the other hears");
        assert_eq!(sent[0].len(), 3, "{mode}, {who}: {:#?}", pair.world.node(who).events);
        assert_eq!(sent.iter().flatten().collect::<BTreeSet<_>>().len(), 6, "{mode}: no key comes twice");
        pair.world.command(pair.alice, Command::HangUpAll);
        pair.run(200_000);
        assert_nothing_was_lost(&pair);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{mode}, {who}");
        pair.assert_nothing_left();
    }
}

#[test]
fn every_group_carries_a_call_in_either_diffie_hellman_mode_and_a_change_of_keys() {
    for (mode, group) in [ModeName::DhSign, ModeName::DhHmac]
        .into_iter()
        .flat_map(|mode| DhGroup::ALL.iter().map(move |group| (mode, *group)))
    {
        let ca = ca(mode);
        let alice = ca.phone_with(ALICE, "bob", &[mode], |config| config.policy.mikey.group = group);
        // The two weaker groups are answered only by who is content with as little.
        let weak = matches!(group, DhGroup::Oakley1 | DhGroup::Oakley2);
        let bob = ca.phone_with(BOB, "alice", &[mode], |config| {
            config.policy.mikey.group = if weak { group } else { DhGroup::Oakley5 };
        });
        let mut pair = Pair::on(1, Link::PERFECT, secure(alice), secure(bob));
        dial(&mut pair, HangUp::Never);
        pair.run(1000);
        pair.world.command(pair.alice, Command::Rekey(CallId(1)));
        pair.run(3000);
        assert_eq!(keys(&pair, pair.bob, KeyUse::Hear).len(), 2, "{mode}, {group}");
        pair.world.command(pair.bob, Command::HangUpAll);
        pair.run(100_000);
        assert_nothing_was_lost(&pair);
        assert_eq!(pair.outcomes(), (PEER_HUNG_UP, WE_HUNG_UP), "{mode}, {group}");
    }
}

#[test]
fn every_suite_carries_a_call_at_every_rate() {
    for (suite, rate) in Suite::ALL.into_iter().flat_map(|suite| [(suite, 0), (suite, 16)]) {
        let with = |config: &mut keyphone_config::Config| {
            config.policy.suites = vec![suite];
            config.policy.allow_null_cipher = !suite.encrypts();
            config.policy.derivation_rate = DerivationRate::new(rate).unwrap();
        };
        let pair = Pair::of(with, with).whole_call();
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{suite}");
        assert_heard_both_ways(&pair.world, (pair.alice, pair.bob), Codec::Pcmu);
        let said = |event: &Event| matches!(event, Event::Key { suite: said, .. } if *said == suite.to_string());
        assert!(events(&pair.world, pair.bob).any(said), "{suite}");
    }
}

#[test]
fn a_suite_that_the_callee_does_not_allow_is_refused_with_the_reason() {
    let gcm = |config: &mut keyphone_config::Config| config.policy.suites = vec![Suite::AeadAes256Gcm];
    let cm = |config: &mut keyphone_config::Config| config.policy.suites = vec![Suite::AesCm128HmacSha1_80];
    let pair = Pair::of(gcm, cm).whole_call();
    let (why, _) = refusal(&pair.world, pair.bob);
    assert!(why.contains("it wants AEAD_AES_256_GCM, which our policy does not allow"), "{why}");
    let (_, hint) = refusal(&pair.world, pair.alice);
    assert!(hint.as_ref().is_some_and(|hint| hint.contains("SP parameters not supported")), "{hint:?}");
    assert_eq!(media_from(&pair.world, Pair::BOB).count(), 0);
}

/// What bob says of alice's offer over that transport.
fn refused(alice: Settings, bob: Settings, transport: Transport) -> String {
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
    pair.world.command(pair.alice, call(Pair::BOB, transport, plan(ALICE_HZ, HangUp::After(ms(1000)))));
    pair.run(100_000);
    assert_eq!(pair.outcome(pair.alice).exit_code(), 3);
    assert_eq!(media_from(&pair.world, Pair::ALICE).count() + media_from(&pair.world, Pair::BOB).count(), 0);
    let who = if responses(&pair.world, Pair::BOB, 488).is_empty() { pair.alice } else { pair.bob };
    refusal(&pair.world, who).0
}

#[test]
fn mikey_null_is_neither_offered_nor_answered_but_over_tls() {
    let ca = ca(ModeName::Null);
    for transport in [Transport::Udp, Transport::Tcp] {
        let phones = || (ca.phone(ALICE, "bob", &[ModeName::Null]), ca.phone(BOB, "alice", &[ModeName::Null]));
        let (alice, bob) = phones();
        let why = refused(alice, bob, transport);
        assert!(why.contains("for TLS alone, and this hop is not TLS"), "{why}");
    }
    let why =
        refused(ca.phone(ALICE, "bob", &[ModeName::Null]), ca.phone(BOB, "alice", &[ModeName::Psk]), Transport::Tls);
    assert!(why.contains("mikey-null") && why.contains("policy accepts mikey-psk"), "{why}");
}

#[test]
fn new_keys_of_mikey_null_do_not_leave_when_the_dialog_goes_on_without_tls() {
    let ca = ca(ModeName::Null);
    let (alice, bob) = (ca.phone(ALICE, "bob", &[ModeName::Null]), ca.phone(BOB, "alice", &[ModeName::Null]));
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
    // To a sip URI, whose dialog goes on over TCP: only the first request is told to take TLS.
    pair.world.command(pair.alice, call(Pair::BOB, Transport::Tls, plan(ALICE_HZ, HangUp::Never)));
    pair.run(1000);
    pair.world.command(pair.alice, Command::Rekey(CallId(1)));
    pair.run(3000);
    let trouble = |event: &Event| match event {
        Event::CallTrouble { what, .. } => Some(what.clone()),
        _ => None,
    };
    let what = events(&pair.world, pair.alice).find_map(trouble).expect("she is told");
    assert!(what.contains("for TLS alone, and this hop is not TLS"), "{what}");
    let clear = |sent: &Sent| !sent.media && sent.transport != Transport::Tls && has_sdp(sent);
    assert!(!pair.world.log().iter().any(clear), "no key was shown");
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_nothing_was_lost(&pair);
}

#[test]
fn a_mode_that_the_callee_does_not_accept_is_refused_and_one_of_several_is_taken() {
    let ca = ca(ModeName::Rsa);
    let all = [ModeName::DhSign, ModeName::Psk, ModeName::RsaR];
    for mode in all {
        let (alice, bob) = (ca.phone(ALICE, "bob", &[mode]), ca.phone(BOB, "alice", &all));
        let pair = Pair::on(1, Link::PERFECT, alice, bob).whole_call();
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{mode}");
        let others: Vec<_> = all.into_iter().filter(|other| *other != mode).collect();
        let why = refused(ca.phone(ALICE, "bob", &[mode]), ca.phone(BOB, "alice", &others), Transport::Udp);
        assert!(why.contains(&format!("that is {mode}, and policy accepts")), "{why}");
    }
}

#[test]
fn a_peer_with_a_certificate_that_nobody_vouches_for_is_refused_by_whoever_checks_first() {
    for mode in [ModeName::DhSign, ModeName::Rsa, ModeName::RsaR] {
        let (ours, theirs) = (ca(mode), ca(mode));
        let why = refused(theirs.phone(ALICE, "bob", &[mode]), ours.phone(BOB, "alice", &[mode]), Transport::Udp);
        assert!(
            why.contains("another certificate is pinned for sip:alice@10.0.0.1") || why.contains("CHASH"),
            "{mode}: {why}"
        );
    }
}

#[test]
fn the_keys_of_mikey_null_are_not_sent_again_over_a_hop_that_is_not_tls() {
    let mut pair = pair(ModeName::Null);
    // A sip: URI over TLS: requests inside the dialog go to the Contact, which does not ask for TLS.
    pair.world.command(pair.alice, call(Pair::BOB, Transport::Tls, plan(ALICE_HZ, HangUp::Never)));
    pair.run(1000);
    for (round, command) in [(1, Command::Hold(CallId(1))), (2, Command::Rekey(CallId(1)))] {
        pair.world.command(pair.alice, command);
        pair.run(1000 + round * 2000);
    }
    let trouble = |event: &Event| matches!(event, Event::CallTrouble { .. });
    assert_eq!(events(&pair.world, pair.alice).filter(|event| trouble(event)).count(), 2);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Invite).len(), 1, "the first, over TLS");
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}
