//! Which keying a call offers, and why (RFC 5197 section 5): what the log says, and what goes over the wire.

use crate::certs::Ca;
use crate::common::*;
use keyphone_config::{Config, KeyingSystem, PskEntry};
use keyphone_keying::Identity;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::wire::registry::DhGroup;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::event::{Considered, Event, Outcome};
use keyphone_ua::settings::Settings;
use keyphone_ua::sip::Method;

/// Everything that auto means.
pub(crate) const AUTO: [ModeName; 5] =
    [ModeName::Psk, ModeName::DhHmac, ModeName::Rsa, ModeName::RsaR, ModeName::DhSign];

/// What was offered to whom, and what was made of each system, call by call.
pub(crate) fn choices(world: &World, node: usize) -> Vec<(String, String, Vec<Considered>)> {
    let choice = |event: &Event| match event {
        Event::Choice { callee, offered, considered, .. } => {
            Some((callee.clone(), offered.clone(), considered.clone()))
        }
        _ => None,
    };
    events(world, node).filter_map(choice).collect()
}

/// What was offered first, and why each system was or was not.
fn choice(pair: &Pair) -> (String, Vec<Considered>) {
    let mut all = choices(&pair.world, pair.alice);
    assert_eq!(all.len(), 1);
    let (_, offered, considered) = all.remove(0);
    (offered, considered)
}

fn why<'c>(considered: &'c [Considered], system: &str) -> &'c str {
    &considered.iter().find(|one| one.system == system).unwrap().why
}

/// How a phone was called.
pub(crate) fn called_by(world: &World, node: usize) -> Vec<String> {
    let keying = |event: &Event| if let Event::Started { keying, .. } = event { Some(keying.clone()) } else { None };
    events(world, node).filter_map(keying).collect()
}

/// A phone with certificates that may be keyed in every way that auto knows, and has no pre-shared key.
fn by_certificate(ca: &Ca, who: (&str, &str), peer: &str, change: impl FnOnce(&mut Config)) -> Settings {
    ca.phone_with(who, peer, &[], |config| {
        config.policy.keying = KeyingSystem::AUTO.to_vec();
        config.credentials.psks.clear();
        change(config);
    })
}

fn certified(rsa: bool, change: impl Fn(&mut Config)) -> Pair {
    let ca = Ca::new();
    ca.certify("alice", Pair::ALICE, rsa);
    ca.certify("bob", Pair::BOB, rsa);
    let alice = by_certificate(&ca, ("alice", Pair::ALICE), "bob", &change);
    let bob = by_certificate(&ca, ("bob", Pair::BOB), "alice", &change);
    Pair::on(1, Link::PERFECT, alice, bob)
}

fn assert_talked(pair: &Pair, system: &str) {
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert_eq!(choice(pair).0, system);
    assert_eq!(called_by(&pair.world, pair.bob), [system], "that is what went over the wire");
    assert!(counts(&pair.world, pair.alice).played > 40 && counts(&pair.world, pair.bob).played > 40);
    pair.assert_nothing_left();
}

#[test]
fn a_shared_key_is_offered_and_the_log_says_why_and_why_nothing_else_is() {
    let pair = Pair::new().whole_call();
    assert_talked(&pair, "mikey-psk");
    let (_, considered) = choice(&pair);
    let verdicts: Vec<_> = considered.iter().map(|one| (one.system.as_str(), one.verdict.as_str())).collect();
    let rest = ["mikey-rsa", "mikey-rsar", "mikey-dhsign", "mikey-null"].map(|system| (system, "passed over"));
    assert_eq!(verdicts[..2], [("mikey-psk", "offered"), ("mikey-dhhmac", "next")]);
    assert_eq!(verdicts[2..], rest);
    assert_eq!(why(&considered, "mikey-psk"), "we share a key with the callee (RFC 5197 section 5, rule 1)");
    assert!(why(&considered, "mikey-rsa").contains("we have no certificate of sip:bob@10.0.0.2: give one with"));
    assert!(why(&considered, "mikey-null").contains("rule 6"));
    let position = |is: fn(&Event) -> bool| events(&pair.world, pair.alice).position(is).unwrap();
    assert!(position(|e| matches!(e, Event::Choice { .. })) < position(|e| matches!(e, Event::Key { .. })));
}

#[test]
fn without_a_shared_key_auto_goes_by_certificates_as_far_as_they_allow() {
    assert_talked(&certified(true, no_change).whole_call(), "mikey-rsa");
    assert_talked(&certified(false, no_change).whole_call(), "mikey-dhsign");
    let may_fork = |config: &mut Config| config.policy.expected.fork = true;
    assert_talked(&certified(true, may_fork).whole_call(), "mikey-rsar");
    let pfs = |config: &mut Config| config.policy.needs.pfs = true;
    assert_talked(&certified(true, pfs).whole_call(), "mikey-dhsign");
}

#[test]
fn forward_secrecy_is_required_of_our_offers_and_of_our_callers() {
    let pfs = |config: &mut Config| config.policy.needs.pfs = true;
    assert_talked(&Pair::of(pfs, pfs).whole_call(), "mikey-dhhmac");
    let once = |config: &mut Config| config.policy.retries = 0;
    let pair = Pair::of(once, pfs).whole_call();
    let (Outcome::KeyingRefused { .. }, Outcome::KeyingRefused { why }) = pair.outcomes() else { panic!() };
    assert!(why.contains("that is mikey-psk, and policy accepts"), "{why}");
    assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0);
    pair.assert_nothing_left();
}

#[test]
fn a_list_passes_over_what_cannot_be_and_takes_the_next() {
    let list = |config: &mut Config| {
        config.policy.keying = [ModeName::RsaR, ModeName::DhHmac, ModeName::Psk].map(KeyingSystem::Mikey).to_vec();
    };
    let pair = Pair::of(list, no_change).whole_call();
    assert_talked(&pair, "mikey-dhhmac");
    let (_, considered) = choice(&pair);
    assert!(why(&considered, "mikey-rsar").contains("we have no certificate of our own"));
    assert!(why(&considered, "mikey-dhhmac").starts_with("it is number 2 of the list; we share a key"));
    assert_eq!(why(&considered, "mikey-dhsign"), "it is not listed");
}

#[test]
fn where_nothing_can_be_offered_nothing_is_sent_and_every_reason_is_named() {
    let only_carol = |config: &mut Config| {
        let carol = Identity::new("sip:carol@10.0.0.3");
        config.credentials.psks = vec![PskEntry::from_hex(Some(carol), KEY).unwrap()];
    };
    let pair = Pair::of(only_carol, no_change).whole_call();
    assert!(pair.world.log().is_empty());
    assert_eq!(choice(&pair).0, "none");
    let Outcome::KeyingRefused { why } = pair.outcome(pair.alice) else { panic!() };
    assert!(why.starts_with("no keying system can be offered to sip:bob@10.0.0.2: mikey-psk, mikey-dhhmac: "), "{why}");
    for reason in ["--psk sip:bob@10.0.0.2", "--cert FILE --key FILE", "--peer-cert FILE", "we trust nobody's"] {
        assert!(why.contains(reason), "{reason}: {why}");
    }
}

#[test]
fn what_protects_nothing_itself_is_never_offered_without_tls() {
    for keying in [vec![ModeName::Null], AUTO.into_iter().chain([ModeName::Null]).collect()] {
        let null = |config: &mut Config| {
            config.policy.keying = keying.iter().copied().map(KeyingSystem::Mikey).collect();
            config.credentials.psks.clear();
        };
        let pair = Pair::of(null, no_change).whole_call();
        assert!(pair.world.log().is_empty());
        let Outcome::KeyingRefused { why } = pair.outcome(pair.alice) else { panic!() };
        assert!(why.contains("for TLS alone, and this hop is not TLS (RFC 5197 section 5, rule 6)"), "{why}");
    }
}

#[test]
fn auto_offers_no_group_that_only_this_phone_has() {
    let curve = |config: &mut Config| {
        config.policy.needs.pfs = true;
        config.policy.mikey.group = DhGroup::X25519;
    };
    let pair = Pair::of(curve, no_change).whole_call();
    assert!(pair.world.log().is_empty());
    let Outcome::KeyingRefused { why } = pair.outcome(pair.alice) else { panic!() };
    assert!(why.contains("x25519 has a private number"), "{why}");
}

/// Somebody on the way changes the key-mgmt line of every INVITE.
fn with_offer(edit: impl Fn(&str) -> String + 'static) -> Pair {
    let mut pair = Pair::new();
    pair.world.set_middle(Box::new(move |sent| match is_request(sent, "INVITE") {
        true => Middle::Change(rewrite(&sent.bytes, |body| {
            let line = body.lines().find(|line| line.starts_with("a=key-mgmt")).unwrap().to_owned();
            body.replace(&line, &edit(&line))
        })),
        false => Middle::Pass,
    }));
    pair.whole_call()
}

/// One offer carries one mode; what somebody puts beside it or in its place is seen (RFC 4567 section 4.1.4).
#[test]
fn an_alternative_that_was_added_swapped_or_stripped_on_the_way_is_refused() {
    let other = "a=key-mgmt:keyp1 d2Vha2Vy";
    let added = with_offer(move |line| format!("{line}\r\n{other}"));
    let before = with_offer(move |line| format!("{other}\r\n{line}"));
    let twice = with_offer(|line| format!("{line}\r\n{line}"));
    let swapped = with_offer(move |_| other.into());
    let stripped = with_offer(|_| "a=x-nothing:1".into());
    for (what, pair) in
        [("added", added), ("before", before), ("twice", twice), ("swapped", swapped), ("stripped", stripped)]
    {
        for node in [pair.alice, pair.bob] {
            let all = outcomes(&pair.world, node);
            assert!(all.iter().all(|outcome| matches!(outcome, Outcome::KeyingRefused { .. })), "{what}: {all:?}");
        }
        assert!(!responses(&pair.world, Pair::BOB, 488).is_empty(), "{what}");
        assert!(responses(&pair.world, Pair::BOB, 200).is_empty(), "{what}");
        assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0, "{what}");
        let offers = requests(&pair.world, Pair::ALICE, Method::Invite).len();
        assert!(offers <= 1 + 2, "{what}: {offers} offers");
        pair.assert_nothing_left();
    }
}
