//! New keys in a running call, by re-INVITE (RFC 4567 section 4.1.2): the old key is spoken with until the answer is
//! here, both are heard, and nothing is lost.

use crate::common::*;
use keyphone_keying::System;
use keyphone_keying::choice::Order;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::policy::FailedRekey;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, KeyUse, Outcome};
use keyphone_ua::settings::{HangUp, Settings};
use keyphone_ua::sip::Method;
use std::collections::BTreeSet;

const CALL: CallId = CallId(1);

/// The keys of that use, in the order in which they came.
fn keys(world: &World, node: usize, which: KeyUse) -> Vec<String> {
    let key = |event: &Event| match event {
        Event::Key { key, use_for, .. } if *use_for == which => Some(key.clone()),
        _ => None,
    };
    events(world, node).filter_map(key).collect()
}

fn talking(seed: u64) -> Pair {
    talking_by(ModeName::Psk, seed)
}

fn talking_by(mode: ModeName, seed: u64) -> Pair {
    let by = |mut settings: Settings| {
        settings.policy.choice.order = Order::Listed;
        settings.policy.choice.systems = vec![System::Mikey(mode)];
        settings.policy.mikey.accept = [mode].into();
        settings
    };
    let (alice, bob) = (phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
    let mut pair = Pair::on(seed, Link::PERFECT, by(alice), by(bob));
    pair.dial(HangUp::Never);
    pair.run(1000);
    pair
}

fn assert_nothing_was_lost(mut pair: Pair) {
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(200_000);
    for node in [pair.alice, pair.bob] {
        let counts = counts(&pair.world, node);
        assert_eq!((counts.lost, counts.late, counts.refused, counts.replayed), (0, 0, 0, 0), "{counts:?}");
        let all = format!("{:?}", pair.world.node(node).events);
        assert!(!all.contains("TwoTimePad"), "{all}");
    }
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn either_side_changes_the_keys_and_no_frame_is_lost() {
    for who in [0, 1] {
        let mut pair = talking(1);
        for round in 1..=3 {
            pair.world.command(who, Command::Rekey(CALL));
            pair.run(1000 + round * 3000);
        }
        let [alice, bob] =
            [pair.alice, pair.bob].map(|n| (keys(&pair.world, n, KeyUse::Send), keys(&pair.world, n, KeyUse::Hear)));
        assert_eq!((alice.0.len(), &alice.0), (4, &bob.1), "what alice says bob hears");
        assert_eq!((bob.0.len(), &bob.0), (4, &alice.1));
        let all: BTreeSet<_> = alice.0.iter().chain(&bob.0).collect();
        assert_eq!(all.len(), 8, "no key twice");
        assert_nothing_was_lost(pair);
    }
}

/// In Diffie-Hellman the caller has the new key with the answer and no sooner. Whatever becomes of that answer on its way,
/// what the callee says can be heard, and what it hears it can open.
#[test]
fn new_keys_that_come_with_the_answer_cost_no_frame_though_the_answer_is_late_or_lost() {
    let fates: [fn() -> Middle; 4] = [
        || Middle::Pass,
        || Middle::Drop,
        || Middle::Hold(ms(700)),
        || Middle::Hold(ms(2600)), // longer than an old key is heard after the change
    ];
    for mode in [ModeName::DhHmac, ModeName::Psk] {
        for (n, fate) in fates.into_iter().enumerate() {
            for who in [0, 1] {
                let mut pair = talking_by(mode, 1);
                let answerer = if who == 0 { Pair::BOB } else { Pair::ALICE };
                let mut first = true;
                pair.world.set_middle(Box::new(move |sent| {
                    let answer = sent.from.ip().to_string() == answerer && is_response(sent, 200);
                    if answer && std::mem::take(&mut first) { fate() } else { Middle::Pass }
                }));
                pair.world.command(who, Command::Rekey(CALL));
                pair.run(9000);
                let [alice, bob] = [pair.alice, pair.bob]
                    .map(|n| (keys(&pair.world, n, KeyUse::Send), keys(&pair.world, n, KeyUse::Hear)));
                assert_eq!((&alice.0, &alice.1, alice.0.len()), (&bob.1, &bob.0, 2), "{mode} {n} {who}");
                assert_nothing_was_lost(pair);
            }
        }
    }
}

/// Nobody speaks back: then it is time that tells.
#[test]
fn a_silent_peer_is_spoken_to_with_the_new_key_while_it_still_hears_the_old_one() {
    let mut pair = talking_by(ModeName::DhHmac, 1);
    // Bob holds alice: she hears him and he does not hear her, for she is quiet.
    pair.world.command(pair.bob, Command::Hold(CALL));
    pair.run(2000);
    pair.world.command(pair.alice, Command::Rekey(CALL));
    pair.run(12_000);
    assert_eq!(keys(&pair.world, pair.bob, KeyUse::Send).len(), 2);
    assert_nothing_was_lost(pair);
}

#[test]
fn a_change_after_new_keys_keeps_them() {
    let mut pair = talking(1);
    pair.world.command(pair.alice, Command::Rekey(CALL));
    pair.run(3000);
    for (who, command) in
        [(1, Command::Hold(CALL)), (1, Command::Resume(CALL)), (0, Command::Hold(CALL)), (0, Command::Resume(CALL))]
    {
        pair.world.command(who, command);
        let now = pair.world.now().as_micros() / 1000;
        pair.run(now + 1000);
    }
    assert_eq!(keys(&pair.world, pair.bob, KeyUse::Hear).len(), 2);
    let trouble = |node| events(&pair.world, node).any(|event| matches!(event, Event::CallTrouble { .. }));
    assert!(!trouble(pair.alice) && !trouble(pair.bob));
    assert!(media_from(&pair.world, Pair::BOB).filter(|sent| sent.at >= at(6500)).count() > 20);
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    pair.assert_nothing_left();
}

#[test]
fn two_who_change_the_keys_at_once_both_come_to_it_and_lose_nothing() {
    for seed in 1..=5 {
        let mut pair = talking(seed);
        pair.world.command(pair.alice, Command::Rekey(CALL));
        pair.world.command(pair.bob, Command::Rekey(CALL));
        pair.run(10_000);
        assert_eq!(responses(&pair.world, Pair::BOB, 491).len(), 1);
        let last = |node, which| keys(&pair.world, node, which).pop();
        assert_eq!(last(pair.alice, KeyUse::Send), last(pair.bob, KeyUse::Hear));
        assert_eq!(last(pair.bob, KeyUse::Send), last(pair.alice, KeyUse::Hear));
        assert_nothing_was_lost(pair);
    }
}

/// Alice offers new keys in a running call, and somebody on the way touches them.
fn rekey_touched(mut pair: Pair) -> Pair {
    pair.world.set_middle(Box::new(|sent| match is_request(sent, "INVITE") {
        true => Middle::Change(rewrite(&sent.bytes, |body| {
            let at = body.find("key-mgmt:mikey ").unwrap() + 60;
            let other = if &body[at..=at] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &body[..at], &body[at + 1..])
        })),
        false => Middle::Pass,
    }));
    pair.world.command(pair.alice, Command::Rekey(CALL));
    pair.run(5000);
    let refused = responses(&pair.world, Pair::BOB, 488);
    let [warning] = &refused[0].headers.warning().unwrap()[..] else { panic!("one Warning") };
    assert_eq!((refused.len(), warning.code), (1, 306));
    assert!(String::from_utf8_lossy(&refused[0].body).contains("a=key-mgmt:mikey "), "MIKEY's own error message");
    pair
}

#[test]
fn new_keys_that_somebody_has_touched_are_refused_and_the_old_ones_go_on() {
    let pair = rekey_touched(talking(1));
    assert!(events(&pair.world, pair.alice).any(|event| matches!(event, Event::CallTrouble { .. })));
    assert!(media_from(&pair.world, Pair::ALICE).filter(|sent| sent.at >= at(4000)).count() >= 49);
    assert_nothing_was_lost(pair);
}

#[test]
fn whoever_refuses_new_keys_ends_the_call_if_its_policy_says_so() {
    let (alice, mut bob) = (phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
    bob.policy.mikey.failed_rekey = FailedRekey::End;
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
    pair.dial(HangUp::Never);
    pair.run(1000);
    let mut pair = rekey_touched(pair);
    let Outcome::KeyingRefused { why } = pair.outcome(pair.bob) else { panic!("{:?}", pair.outcome(pair.bob)) };
    assert!(why.contains("RFC 4567 section 4.1.2") && why.contains("RFC 3830 section 4.5"), "{why}");
    assert_eq!(pair.outcome(pair.alice), PEER_HUNG_UP);
    let bye = requests(&pair.world, Pair::BOB, Method::Bye).remove(0);
    assert!(bye.headers.get("Reason").is_some_and(|reason| reason.contains("cause=488")));
    pair.run(100_000);
    pair.assert_nothing_left();
}

#[test]
fn a_caller_whose_policy_says_so_ends_a_call_whose_keys_could_not_be_changed() {
    let (mut alice, bob) = (phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
    alice.policy.mikey.failed_rekey = FailedRekey::End;
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
    pair.dial(HangUp::Never);
    pair.run(1000);
    let mut pair = rekey_touched(pair);
    let Outcome::KeyingRefused { why } = pair.outcome(pair.alice) else { panic!("{:?}", pair.outcome(pair.alice)) };
    assert!(why.contains("RFC 4567 section 4.1.2") && why.contains("488"), "{why}");
    assert_eq!(pair.outcome(pair.bob), PEER_HUNG_UP);
    let bye = requests(&pair.world, Pair::ALICE, Method::Bye).remove(0);
    assert!(bye.headers.get("Reason").is_some_and(|reason| reason.contains("cause=488")));
    pair.run(100_000);
    pair.assert_nothing_left();
}
