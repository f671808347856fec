//! Who answered, when it is not the one who was called (RFC 4916).

use crate::common::*;
use keyphone_config::Config;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::HangUp;
use keyphone_ua::sip::Method;

fn connected(world: &World, node: usize) -> Vec<String> {
    let peer = |event: &Event| if let Event::ConnectedTo { peer, .. } = event { Some(peer.clone()) } else { None };
    events(world, node).filter_map(peer).collect()
}

fn carol() -> Pair {
    retargeted(1, Link::PERFECT)
}

/// In the clear: a MIKEY message for bob is not for carol, who would refuse it (RFC 3830 section 9.5).
fn clear(config: &mut Config) {
    config.policy.allow_clear = true;
    config.policy.keying = vec![];
}

fn retargeted(seed: u64, link: Link) -> Pair {
    let mut pair = Pair::on(seed, link, phone("alice", Pair::ALICE, clear), phone("carol", Pair::BOB, clear));
    pair.world.set_middle(Box::new(retarget));
    pair.dial(HangUp::Never);
    pair
}

#[test]
fn a_retargeted_callee_says_who_answered() {
    let mut pair = carol();
    pair.run(2000);
    assert_eq!(connected(&pair.world, pair.alice), ["sip:carol@10.0.0.2"]);
    let update = requests(&pair.world, Pair::BOB, Method::Update).remove(0);
    assert_eq!(update.headers.from().unwrap().uri.to_string(), "sip:carol@10.0.0.2");
    assert!(update.body.is_empty(), "the session stays as it is");
    assert!(update.headers.session_expires().unwrap().is_some(), "and its timer goes on (RFC 4028 section 7.4)");
    let ack = when(&pair.world, pair.bob, |event| matches!(event, Event::Answered { .. }));
    assert!(pair.world.log().iter().find(|sent| is_request(sent, "UPDATE")).unwrap().at > ack, "RFC 4916 section 4.2");
    // From now on both use the new name, and the tags say which call it is.
    pair.world.command(pair.alice, Command::Hold(CallId(1)));
    pair.run(3000);
    let invite = requests(&pair.world, Pair::ALICE, Method::Invite).pop().unwrap();
    assert_eq!(invite.headers.to().unwrap().uri.to_string(), "sip:carol@10.0.0.2", "RFC 4916 section 4.4.2");
    assert!(events(&pair.world, pair.alice).any(|event| matches!(event, Event::Held { .. })));
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (PEER_HUNG_UP, WE_HUNG_UP));
    let bye = requests(&pair.world, Pair::BOB, Method::Bye).remove(0);
    assert_eq!(bye.headers.from().unwrap().uri.to_string(), "sip:carol@10.0.0.2", "RFC 4916 section 4.4.1");
    pair.assert_nothing_left();
}

#[test]
fn who_answered_is_told_once_over_a_link_that_loses_and_doubles_packets() {
    for seed in 0..20 {
        let link = Link { loss_permille: 200, duplicate_permille: 200, ..Link::PERFECT };
        let mut pair = retargeted(seed, link);
        pair.run(60_000);
        assert_eq!(connected(&pair.world, pair.alice), ["sip:carol@10.0.0.2"], "{seed}");
        pair.world.command(pair.alice, Command::HangUpAll);
        pair.run(200_000);
        pair.assert_nothing_left();
    }
}

#[test]
fn whoever_was_called_itself_says_nothing() {
    let pair = Pair::new().whole_call();
    assert_eq!(connected(&pair.world, pair.alice), [] as [String; 0]);
    assert!(requests(&pair.world, Pair::BOB, Method::Update).is_empty());
}

#[test]
fn a_caller_that_cannot_bear_another_name_is_spared() {
    let alice = phone("alice", Pair::ALICE, clear);
    let mut pair = Pair::on(1, Link::PERFECT, alice, phone("carol", Pair::BOB, clear));
    pair.world.set_middle(Box::new(|sent| match retarget(sent) {
        Middle::Change(bytes) => {
            Middle::Change(String::from_utf8(bytes).unwrap().replace("from-change", "x-change").into_bytes())
        }
        other => other,
    }));
    pair.dial(HangUp::After(ms(1000)));
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert_eq!(connected(&pair.world, pair.alice), [] as [String; 0]);
    assert!(requests(&pair.world, Pair::BOB, Method::Update).is_empty());
    pair.assert_nothing_left();
}

#[test]
fn a_name_in_a_request_that_is_refused_is_not_believed() {
    let mut script = crate::signalling::Script::talking();
    let lie = script.in_dialog("INFO", 7).replace("<sip:alice@10.0.0.1>;tag", "<sip:mallory@10.0.0.1>;tag");
    assert_eq!(script.status(&(lie + "Info-Package: foo\r\n"), ""), 469);
    assert_eq!(connected(&script.pair.world, script.pair.bob), [] as [String; 0], "RFC 4916 section 4.4.2");
    let told = script.in_dialog("UPDATE", 8).replace("<sip:alice@10.0.0.1>;tag", "<sip:dave@10.0.0.1>;tag");
    assert_eq!(script.status(&told, ""), 200);
    assert_eq!(connected(&script.pair.world, script.pair.bob), ["sip:dave@10.0.0.1"]);
    script.assert_call_goes_on();
}
