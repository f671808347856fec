//! Offers made anew: in the next way of the list when one was refused, and for somebody else when the call was sent on
//! (RFC 5197 section 5.3). Nobody authenticates either, so policy alone says how far that goes.

use crate::certs::Ca;
use crate::choice::{AUTO, called_by, choices};
use crate::common::*;
use keyphone_config::{Config, KeyingSystem, PskEntry};
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::ModeName::{DhHmac, DhSign, Null, Psk, RsaR};
use keyphone_keying::{Expect, Identity};
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, Sent, World};
use keyphone_ua::event::{Event, KeyUse, Outcome};
use keyphone_ua::settings::{HangUp, Incoming, Settings};
use keyphone_ua::sip::Method;
use keyphone_ua::transaction::Transport;
use std::collections::BTreeSet;

const CAROL: &str = "10.0.0.3";

fn systems(modes: &[ModeName]) -> Vec<KeyingSystem> {
    modes.iter().copied().map(KeyingSystem::Mikey).collect()
}

/// What is offered anew: from what to what, and why.
fn retries(world: &World, node: usize) -> Vec<(String, String, String)> {
    let retry = |event: &Event| match event {
        Event::Retry { from, to, why, authenticated, .. } => {
            assert!(!authenticated);
            Some((from.clone(), to.clone(), why.clone()))
        }
        _ => None,
    };
    events(world, node).filter_map(retry).collect()
}

/// Who was called and who answered, and how we know.
fn retargeted(world: &World, node: usize) -> Vec<(String, String, String)> {
    let named = |event: &Event| match event {
        Event::Retargeted { asked, answered, how, .. } => Some((asked.clone(), answered.clone(), how.clone())),
        _ => None,
    };
    events(world, node).filter_map(named).collect()
}

fn keys(world: &World, node: usize) -> Vec<(String, Option<String>)> {
    let key = |event: &Event| match event {
        Event::Key { key, use_for: KeyUse::Send, ssrc, .. } => Some((key.clone(), ssrc.clone())),
        _ => None,
    };
    events(world, node).filter_map(key).collect()
}

/// What the offers of a host say of keys, one after another.
fn offers(world: &World, ip: &str) -> Vec<String> {
    let line = |body: &[u8]| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("RTP/SAVP"), "never in the clear: {text}");
        text.lines().find(|line| line.starts_with("a=key-mgmt:mikey ")).unwrap().to_owned()
    };
    let mut offers: Vec<_> = requests(world, ip, Method::Invite).iter().map(|invite| line(&invite.body)).collect();
    offers.dedup();
    offers
}

/// Alice has certificates and a key for bob alone; bob sends her on to carol, who has only a certificate.
fn sent_on(alice: impl FnOnce(&mut Config)) -> (World, [usize; 3]) {
    let ca = Ca::new();
    for (name, ip) in [("alice", Pair::ALICE), ("carol", CAROL)] {
        ca.certify(name, ip, false);
    }
    let for_bob = |config: &mut Config| {
        let bob = Identity::new("sip:bob@10.0.0.2");
        config.credentials.psks = vec![PskEntry::from_hex(Some(bob), KEY).unwrap()];
        config.policy.keying = KeyingSystem::AUTO.to_vec();
        alice(config);
    };
    let no_key = |config: &mut Config| {
        config.credentials.psks.clear();
        config.policy.keying = KeyingSystem::AUTO.to_vec();
    };
    let mut world = World::new(1, Link::PERFECT);
    let mut bob = phone("bob", Pair::BOB, no_change);
    bob.incoming = Incoming::Redirect(vec![format!("sip:carol@{CAROL}").parse().unwrap()]);
    let nodes = [
        world.add("alice", ca.phone_with(("alice", Pair::ALICE), "alice", &[], for_bob)),
        world.add("bob", bob),
        world.add("carol", ca.phone_with(("carol", CAROL), "carol", &[], no_key)),
    ];
    world.command(nodes[0], call(Pair::BOB, Transport::Udp, plan(ALICE_HZ, HangUp::After(ms(1000)))));
    world.run(at(200_000));
    for node in nodes {
        assert_nothing_left(&world, node);
    }
    (world, nodes)
}

#[test]
fn a_call_that_is_sent_on_to_somebody_without_our_key_is_offered_anew_by_certificate() {
    let (world, [alice, bob, carol]) = sent_on(no_change);
    assert_eq!((outcome(&world, alice), outcome(&world, carol)), (WE_HUNG_UP, PEER_HUNG_UP));
    assert_eq!(called_by(&world, bob), ["mikey-psk"]);
    assert_eq!(called_by(&world, carol), ["mikey-dhsign"]);
    let why = "the call was sent on to sip:carol@10.0.0.3".to_owned();
    assert_eq!(retries(&world, alice), [("mikey-psk".into(), "mikey-dhsign".into(), why)]);
    let told = choices(&world, alice);
    let told: Vec<_> = told.iter().map(|(callee, offered, _)| (callee.as_str(), offered.as_str())).collect();
    assert_eq!(told, [("sip:bob@10.0.0.2", "mikey-psk"), ("sip:carol@10.0.0.3", "mikey-dhsign")]);
    let [(first, one), (second, other)] = &keys(&world, alice)[..] else { panic!("a key for each offer") };
    assert!(first != second && one != other, "with its own SSRC");
    let invites = requests(&world, Pair::ALICE, Method::Invite);
    assert_eq!(invites.iter().map(|invite| invite.headers.cseq().unwrap().seq).collect::<Vec<_>>(), [1, 2]);
    let named = ("sip:bob@10.0.0.2".into(), "sip:carol@10.0.0.3".into(), "a certificate".into());
    assert_eq!(retargeted(&world, alice), [named], "and it is said who was called, and who answered");
}

#[test]
fn whoever_may_not_be_at_the_other_end_is_not_offered_anything() {
    for expect in [Expect::Exactly, Expect::SameDomain] {
        let (world, [alice, _, carol]) = sent_on(|config| config.policy.expect = expect);
        assert!(matches!(outcome(&world, alice), Outcome::Failed { status: Some(302), .. }));
        assert!(called_by(&world, carol).is_empty());
        let [trouble] = &troubles(&world, alice)[..] else { panic!() };
        assert!(trouble.contains("sip:carol@10.0.0.3, whom policy does not accept for sip:bob@10.0.0.2"), "{trouble}");
    }
}

#[test]
fn a_call_that_is_sent_on_is_not_offered_anew_where_that_is_not_allowed() {
    let (world, [alice, _, carol]) = sent_on(|config| config.policy.retries = 0);
    assert!(matches!(outcome(&world, alice), Outcome::Failed { status: Some(302), .. }));
    assert!(called_by(&world, carol).is_empty());
    assert!(troubles(&world, alice)[0].contains("is not offered anew so often"));
    let (world, [alice, _, carol]) = sent_on(|config| config.policy.keying = systems(&[Psk]));
    assert!(matches!(outcome(&world, alice), Outcome::Failed { status: Some(302), .. }), "nor in another way");
    assert!(called_by(&world, carol).is_empty());
    assert!(troubles(&world, alice)[0].contains("we share no key with sip:carol@10.0.0.3"));
}

/// Alice offers by these, and bob takes those. Both have the same key, and certificates.
fn pair(offers: &[ModeName], takes: &[ModeName], change: impl FnOnce(&mut Config)) -> Pair {
    let ca = Ca::new();
    ca.certify("alice", Pair::ALICE, true);
    ca.certify("bob", Pair::BOB, true);
    let alice = ca.phone_with(("alice", Pair::ALICE), "bob", &[], |config| {
        config.policy.keying = systems(offers);
        change(config);
    });
    let bob = ca.phone_with(("bob", Pair::BOB), "alice", &[], |config| config.policy.keying = systems(takes));
    Pair::on(1, Link::PERFECT, alice, bob)
}

#[test]
fn a_refused_offer_is_followed_by_the_next_of_the_list_with_other_keys() {
    let pair = pair(&[DhSign, Psk], &[Psk], no_change).whole_call();
    let Pair { world, alice, bob } = &pair;
    assert_eq!(pair.outcome(*alice), WE_HUNG_UP);
    assert_eq!(called_by(world, *bob), ["mikey-dhsign", "mikey-psk"]);
    let why = "488 Not Acceptable Here".to_owned();
    assert_eq!(retries(world, *alice), [("mikey-dhsign".into(), "mikey-psk".into(), why)]);
    let hint = |event: &Event| if let Event::Retry { hint, .. } = event { hint.clone() } else { None };
    let hint = events(world, *alice).find_map(hint).unwrap();
    assert!(hint.contains("unauthenticated") && hint.contains("data type"), "{hint}");
    assert_eq!(offers(world, Pair::ALICE).len(), 2);
    let invites = requests(world, Pair::ALICE, Method::Invite);
    let [first, second] = &invites[..] else { panic!("{}", invites.len()) };
    for name in ["Call-ID", "From", "To"] {
        assert_eq!(first.headers.get(name), second.headers.get(name), "{name}: it is one call");
    }
    assert!(counts(world, *alice).played > 40);
    pair.assert_nothing_left();
}

#[test]
fn whoever_says_606_is_offered_the_next_way_as_well() {
    let mut pair = pair(&[DhSign, Psk], &[Psk], no_change);
    pair.world.set_middle(Box::new(|sent| match is_response(sent, 488) {
        true => {
            let text = String::from_utf8(sent.bytes.clone()).unwrap();
            Middle::Change(text.replacen("488 Not Acceptable Here", "606 Not Acceptable", 1).into_bytes())
        }
        false => Middle::Pass,
    }));
    let pair = pair.whole_call();
    assert_eq!(pair.outcome(pair.alice), WE_HUNG_UP);
    assert_eq!(called_by(&pair.world, pair.bob), ["mikey-dhsign", "mikey-psk"]);
    pair.assert_nothing_left();
}

#[test]
fn there_are_no_more_offers_than_allowed() {
    for (most, offered) in [(0, 1), (1, 2), (2, 3)] {
        let offers_ = [DhSign, RsaR, DhHmac, Psk];
        let pair = pair(&offers_, &[Psk], |config| config.policy.retries = most).whole_call();
        assert!(matches!(pair.outcome(pair.alice), Outcome::KeyingRefused { .. }), "{most}");
        assert_eq!(offers(&pair.world, Pair::ALICE).len(), offered);
        assert_eq!(retries(&pair.world, pair.alice).len(), usize::from(most));
        assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0);
        pair.assert_nothing_left();
    }
}

#[test]
fn nothing_is_ever_offered_that_policy_does_not_list_nor_anything_in_the_clear() {
    // Bob would take what protects nothing, and clear RTP as well.
    for allow_clear in [false, true] {
        let ca = Ca::new();
        ca.certify("alice", Pair::ALICE, true);
        let alice = ca.phone_with(("alice", Pair::ALICE), "alice", &[], |config| {
            config.policy.keying = systems(&[DhSign, DhHmac]);
            config.policy.retries = 6;
            config.policy.allow_clear = allow_clear;
        });
        let bob = phone("bob", Pair::BOB, |config| {
            config.policy.keying = systems(&[Null]);
            config.policy.allow_clear = true;
        });
        let pair = Pair::on(1, Link::PERFECT, alice, bob).whole_call();
        assert!(matches!(pair.outcome(pair.alice), Outcome::KeyingRefused { .. }));
        assert_eq!(called_by(&pair.world, pair.bob), ["mikey-dhsign", "mikey-dhhmac"]);
        assert_eq!(offers(&pair.world, Pair::ALICE).len(), 2, "and both were keyed");
        assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0);
        pair.assert_nothing_left();
    }
}

/// Somebody on the way refuses every INVITE of these numbers before it arrives.
fn refuses(numbers: &'static [u32]) -> impl FnMut(&Sent) -> Middle {
    move |sent| {
        let is =
            |number: &u32| sent.bytes.windows(20).any(|w| w.starts_with(format!("CSeq: {number} INVITE").as_bytes()));
        match is_request(sent, "INVITE") && numbers.iter().any(is) {
            true => Middle::Drop,
            false => Middle::Pass,
        }
    }
}

#[test]
fn a_forged_refusal_gains_nothing_but_another_way_that_policy_allows() {
    let mut pair = pair(&[DhSign, DhHmac, Psk], &[DhSign, DhHmac, Psk], no_change);
    pair.world.set_middle(Box::new(refuses(&[1])));
    pair.dial(HangUp::After(ms(1000)));
    pair.run(100);
    let invite = requests(&pair.world, Pair::ALICE, Method::Invite).remove(0);
    let header = |name: &str| format!("{name}: {}\r\n", invite.headers.get(name).unwrap());
    let head: String = ["Via", "From", "Call-ID", "CSeq"].map(header).concat();
    let to = invite.headers.get("To").unwrap();
    let forged = format!("SIP/2.0 488 Not Acceptable Here\r\n{head}To: {to};tag=mallory\r\nContent-Length: 0\r\n\r\n");
    pair.world.inject(sip_at(Pair::BOB), sip_at(Pair::ALICE), forged.as_bytes());
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert_eq!(called_by(&pair.world, pair.bob), ["mikey-dhhmac"]);
    let [(from, to, _)] = &retries(&pair.world, pair.alice)[..] else { panic!() };
    assert_eq!(
        (from.as_str(), to.as_str()),
        ("mikey-dhsign", "mikey-dhhmac"),
        "and the log says who is not to believe"
    );
    pair.assert_nothing_left();
}

#[test]
fn a_key_that_was_refused_is_not_tried_in_another_mode_nor_a_clock_that_is_wrong_in_any() {
    let other = |config: &mut Config| config.credentials.psks = vec![PskEntry::from_hex(None, OTHER_KEY).unwrap()];
    let pair = Pair::of(no_change, other).whole_call();
    assert_eq!(called_by(&pair.world, pair.bob), ["mikey-psk"], "the hint is that the key is another one");
    assert!(retries(&pair.world, pair.alice).is_empty());
    let mut pair = self::pair(&AUTO, &AUTO, no_change);
    pair.world.set_skew(pair.alice, ms(600_000), true);
    let pair = pair.whole_call();
    assert_eq!(called_by(&pair.world, pair.bob), ["mikey-psk"]);
    assert!(matches!(pair.outcome(pair.alice), Outcome::KeyingRefused { .. }));
}

/// Alice calls bob by these, and a proxy has carol answer.
fn retargeted_by(modes: &[ModeName], alice: impl FnOnce(&mut Config)) -> Pair {
    let ca = Ca::new();
    ca.certify("alice", Pair::ALICE, true);
    ca.certify("carol", Pair::BOB, true);
    let settings: [Settings; 2] = [
        ca.phone_with(("alice", Pair::ALICE), "alice", &[], |config| {
            config.policy.keying = systems(modes);
            alice(config);
        }),
        ca.phone_with(("carol", Pair::BOB), "carol", &[], |config| config.policy.keying = systems(&AUTO)),
    ];
    let [alice, carol] = settings;
    let mut pair = Pair::on(1, Link::PERFECT, alice, carol);
    pair.world.set_middle(Box::new(retarget));
    pair.whole_call()
}

const WHO: [&str; 3] = ["sip:bob@10.0.0.2", "sip:carol@10.0.0.2", "a certificate"];

#[test]
fn whoever_answers_by_certificate_for_another_is_accepted_and_named_where_anybody_certified_may() {
    for mode in [RsaR, DhSign] {
        let pair = retargeted_by(&[mode], |config| config.policy.expect = Expect::Certified);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{mode}");
        let [(asked, answered, how)] = &retargeted(&pair.world, pair.alice)[..] else { panic!("{mode}") };
        assert_eq!([asked, answered, how], WHO);
        assert!(counts(&pair.world, pair.alice).played > 40);
        pair.assert_nothing_left();
        let pair = retargeted_by(&[mode], |config| config.policy.expect = Expect::SameDomain);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{mode}: carol is of bob's domain");
    }
}

#[test]
fn whoever_answers_for_another_is_refused_and_named_where_only_the_callee_or_somebody_known_may() {
    for mode in [RsaR, DhSign] {
        // The offer says for whom it is, so that carol does not even answer it.
        let pair = retargeted_by(&[mode], |config| config.policy.expect = Expect::Exactly);
        let (Outcome::KeyingRefused { .. }, Outcome::KeyingRefused { why }) = pair.outcomes() else { panic!("{mode}") };
        assert!(why.contains("for sip:bob@10.0.0.2 and we are sip:carol@10.0.0.2"), "{mode}: {why}");
        assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0);
        // Here she does, with a certificate that nobody gave us before.
        let pair = retargeted_by(&[mode], |config| config.policy.expect = Expect::Pinned);
        let Outcome::KeyingRefused { why } = pair.outcome(pair.alice) else { panic!("{mode}") };
        assert!(why.contains("proved to be sip:carol@10.0.0.2, which policy does not accept here"), "{mode}: {why}");
        let [(asked, answered, how)] = &retargeted(&pair.world, pair.alice)[..] else { panic!("{mode}") };
        assert_eq!([asked, answered, how], WHO);
        assert_eq!(media_from(&pair.world, Pair::ALICE).count(), 0);
        pair.assert_nothing_left();
    }
}

#[test]
fn a_message_that_is_for_the_callee_alone_is_followed_by_one_that_whoever_answers_can_take() {
    let pair = retargeted_by(&[Psk, DhHmac, RsaR], no_change);
    assert_eq!(pair.outcome(pair.alice), WE_HUNG_UP);
    assert_eq!(called_by(&pair.world, pair.bob), ["mikey-psk", "mikey-rsar"], "mikey-dhhmac names the callee, too");
    let [(asked, answered, how)] = &retargeted(&pair.world, pair.alice)[..] else { panic!() };
    assert_eq!([asked, answered, how], WHO);
    let keys: BTreeSet<_> = keys(&pair.world, pair.alice).into_iter().collect();
    assert_eq!(keys.len(), 2, "with other keys");
    pair.assert_nothing_left();
}

#[test]
fn whoever_answers_with_a_certificate_that_we_do_not_believe_is_offered_what_we_share() {
    let phones = |expect| {
        let [ca, other] = [Ca::new(), Ca::new()];
        ca.certify("alice", Pair::ALICE, false);
        other.certify("carol", Pair::BOB, false);
        // Carol believes alice's authority; alice does not believe carol's.
        let believe = |config: &mut Config| {
            config.tls.ca = Some(ca.file());
            config.policy.keying = systems(&[DhSign, Psk]);
        };
        let alice = ca.phone_with(("alice", Pair::ALICE), "alice", &[], |config| {
            config.policy.keying = systems(&[DhSign, Psk]);
            config.policy.expect = expect;
        });
        Pair::on(1, Link::PERFECT, alice, other.phone_with(("carol", Pair::BOB), "carol", &[], believe))
    };
    let mut pair = phones(Expect::SameDomain);
    pair.world.set_middle(Box::new(retarget));
    let pair = pair.whole_call();
    assert_eq!(pair.outcome(pair.alice), WE_HUNG_UP);
    assert_eq!(called_by(&pair.world, pair.bob), ["mikey-dhsign", "mikey-psk"]);
    let [(from, to, why)] = &retries(&pair.world, pair.alice)[..] else { panic!() };
    assert_eq!((from.as_str(), to.as_str()), ("mikey-dhsign", "mikey-psk"));
    assert!(why.starts_with("sip:carol@10.0.0.2 says that it has answered, and the certificate of"), "{why}");
    let [(asked, answered, how)] = &retargeted(&pair.world, pair.alice)[..] else { panic!() };
    assert_eq!([asked, answered, how], [WHO[0], WHO[1], "a pre-shared key"]);
    assert!(counts(&pair.world, pair.alice).played > 40);
    pair.assert_nothing_left();
    // Somebody else may not be at the other end: then a call that cannot be keyed is over.
    let mut pair = phones(Expect::Exactly);
    pair.world.set_middle(Box::new(retarget));
    let pair = pair.whole_call();
    assert!(matches!(pair.outcome(pair.alice), Outcome::KeyingRefused { .. }));
    assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0);
    pair.assert_nothing_left();
}

#[test]
fn keys_change_in_a_call_that_somebody_else_has_answered() {
    for mode in [RsaR, DhSign] {
        let ca = Ca::new();
        ca.certify("alice", Pair::ALICE, true);
        ca.certify("carol", Pair::BOB, true);
        let [alice, carol] = [("alice", Pair::ALICE), ("carol", Pair::BOB)]
            .map(|who| ca.phone_with(who, who.0, &[], |config| config.policy.keying = systems(&[mode])));
        let mut pair = Pair::on(1, Link::PERFECT, alice, carol);
        pair.world.set_middle(Box::new(retarget));
        pair.dial(HangUp::Never);
        pair.run(1000);
        for node in [pair.alice, pair.bob] {
            let before = keys(&pair.world, node).len();
            pair.world.command(node, keyphone_ua::endpoint::Command::Rekey(keyphone_ua::event::CallId(1)));
            pair.run(3000 + 3000 * (node as u64 + 1));
            assert_eq!(keys(&pair.world, node).len(), before + 1, "{mode}, {node}: {:#?}", troubles(&pair.world, node));
        }
        pair.world.command(pair.alice, keyphone_ua::endpoint::Command::HangUpAll);
        pair.run(200_000);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{mode}");
        pair.assert_nothing_left();
    }
}
