//! An INVITE that takes the place of another call (RFC 3891).

use crate::common::*;
use crate::signalling::Script;
use keyphone_keying::mikey::ModeName;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::{HangUp, Incoming, Preconditions, System};
use keyphone_ua::sip::Method;

/// The names of alice's call with bob, as bob's side knows them: Call-ID, bob's tag, alice's.
fn dialog(world: &World) -> (String, String, String) {
    let ok = responses(world, Pair::BOB, 200).remove(0);
    let tag = |name: keyphone_ua::sip::NameAddr| name.tag().unwrap().to_owned();
    let (to, from) = (tag(ok.headers.to().unwrap()), tag(ok.headers.from().unwrap()));
    (ok.headers.call_id().unwrap().to_owned(), to, from)
}

fn replaced(world: &World, node: usize) -> usize {
    events(world, node).filter(|event| matches!(event, Event::Replaces { .. })).count()
}

#[test]
fn what_cannot_be_replaced_is_refused_as_rfc_3891_says_and_the_call_goes_on() {
    let mut script = Script::talking();
    let (id, ours, theirs) = dialog(&script.pair.world);
    let offer = requests(&script.pair.world, Pair::ALICE, Method::Invite).remove(0).body;
    let offer = String::from_utf8(offer).unwrap();
    for (replaces, status) in [
        (format!("Replaces: nobody@10.0.0.1;to-tag={ours};from-tag={theirs}\r\n"), 481),
        (format!("Replaces: {id};to-tag={theirs};from-tag={ours}\r\n"), 481),
        (format!("Replaces: {id};to-tag={ours};from-tag=0\r\n"), 481),
        (format!("Replaces: {id};to-tag={ours};from-tag={theirs};early-only\r\n"), 486),
        (format!("Replaces: {id};to-tag={ours}\r\n"), 400),
        (format!("Replaces: {id};to-tag={ours};from-tag={theirs}\r\n").repeat(2), 400),
        (format!("Replaces: {id};to-tag={ours};from-tag={theirs}\r\nJoin: {id};to-tag=1;from-tag=2\r\n"), 400),
    ] {
        let invite = script.outside("INVITE") + &replaces + "Content-Type: application/sdp\r\n";
        assert_eq!(script.status(&invite, &offer), status, "{replaces}");
    }
    assert_eq!(replaced(&script.pair.world, script.pair.bob), 0);
    script.assert_call_goes_on();
}

#[test]
fn a_keyed_call_is_not_replaced_by_one_in_the_clear_nor_by_one_with_another_key() {
    for theft in ["clear", "another key"] {
        // Bob would take a clear call from anybody, but not in place of a keyed one.
        let mut bob = phone("bob", Pair::BOB, |config| config.policy.allow_clear = true);
        bob.keying = vec![System::Mikey(ModeName::Psk), System::Clear];
        let mut mallory = phone("mallory", "10.0.0.66", |config| {
            config.policy.allow_clear = true;
            if theft == "another key" {
                config.credentials.psks = vec![keyphone_config::PskEntry::from_hex(None, OTHER_KEY).unwrap()];
            }
        });
        if theft == "clear" {
            mallory.keying = vec![System::Clear];
        }
        let alice = phone("alice", Pair::ALICE, no_change);
        let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
        let mallory = pair.world.add("mallory", mallory);
        pair.dial(HangUp::After(ms(3000)));
        pair.run(1000);
        let (id, ours, theirs) = dialog(&pair.world);
        pair.world.set_middle(Box::new(move |sent| match is_request(sent, "INVITE") {
            true => {
                let text = String::from_utf8(sent.bytes.clone()).unwrap();
                let replaces = format!("\r\nReplaces: {id};to-tag={ours};from-tag={theirs}\r\n\r\n");
                Middle::Change(text.replacen("\r\n\r\n", &replaces, 1).into_bytes())
            }
            false => Middle::Pass,
        }));
        let udp = keyphone_ua::transaction::Transport::Udp;
        pair.world.command(mallory, call(Pair::BOB, udp, plan(ALICE_HZ, HangUp::Never)));
        pair.run(2000);
        assert_eq!(outcomes(&pair.world, mallory).len(), 1, "{theft}: {:#?}", pair.world.node(mallory).events);
        assert_eq!(replaced(&pair.world, pair.bob), 0, "{theft}");
        assert!(outcome(&pair.world, mallory).exit_code() > 0, "{theft}");
        assert_eq!(refusal(&pair.world, pair.bob).1, None, "{theft}: bob says no, for want of the key");
        pair.run(200_000);
        assert_eq!(pair.outcome(pair.alice), WE_HUNG_UP, "{theft}");
        assert_eq!(media_from(&pair.world, "10.0.0.66").count(), 0, "{theft}");
    }
}

#[test]
fn a_call_that_has_just_ended_is_not_replaced() {
    let mut script = Script::talking();
    let (id, ours, theirs) = dialog(&script.pair.world);
    script.pair.world.command(script.pair.bob, Command::HangUp(CallId(1)));
    script.pair.run(1100);
    let offer = requests(&script.pair.world, Pair::ALICE, Method::Invite).remove(0).body;
    let invite = script.outside("INVITE")
        + &format!("Replaces: {id};to-tag={ours};from-tag={theirs}\r\nContent-Type: application/sdp\r\n");
    assert_eq!(script.status(&invite, &String::from_utf8(offer).unwrap()), 603, "RFC 3891 section 3");
    script.pair.run(200_000);
    script.pair.assert_nothing_left();
}

#[test]
fn a_call_that_rings_here_is_picked_up_elsewhere() {
    // RFC 3891 section 7.1: alice calls bob's desk, and bob takes the call in the lab.
    let mut desk = phone("bob", Pair::BOB, no_change);
    desk.incoming = Incoming::Ring { plan: plan(BOB_HZ, HangUp::Never) };
    let mut pair = Pair::on(1, Link::PERFECT, phone("alice", Pair::ALICE, no_change), desk);
    let lab = pair.world.add("lab", phone("bob", "10.0.0.4", no_change));
    pair.dial(HangUp::Never);
    pair.run(500);
    let ringing = responses(&pair.world, Pair::BOB, 180).remove(0);
    let (desk_tag, alice_tag) = (ringing.headers.to().unwrap(), ringing.headers.from().unwrap());
    let replaces = format!(
        "\r\nReplaces: {};to-tag={};from-tag={};early-only\r\n\r\n",
        ringing.headers.call_id().unwrap(),
        alice_tag.tag().unwrap(),
        desk_tag.tag().unwrap()
    );
    pair.world.set_middle(Box::new(move |sent| match sent.bytes.starts_with(b"INVITE sip:alice@") {
        true => {
            let text = String::from_utf8(sent.bytes.clone()).unwrap();
            Middle::Change(text.replacen("\r\n\r\n", &replaces, 1).into_bytes())
        }
        false => Middle::Pass,
    }));
    let target = Box::new("sip:alice@10.0.0.1".parse().unwrap());
    pair.world.command(lab, Command::Call { target, to: None, from: None, plan: plan(BOB_HZ, HangUp::Never) });
    pair.run(2000);
    assert_eq!(replaced(&pair.world, pair.alice), 1);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Cancel).len(), 1, "the desk rings no more");
    assert_eq!(outcomes(&pair.world, pair.bob).len(), 1);
    assert!(media_from(&pair.world, "10.0.0.4").count() > 50 && media_from(&pair.world, Pair::BOB).count() == 0);
    pair.world.command(lab, Command::HangUpAll);
    pair.run(200_000);
    assert_eq!(outcomes(&pair.world, lab), [WE_HUNG_UP]);
    assert_eq!(outcomes(&pair.world, pair.alice).last(), Some(&PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn a_call_is_not_given_up_for_one_that_may_never_be_answered() {
    let mut second = phone("alice", "10.0.0.4", |config| config.audio.codecs.truncate(1));
    second.rules.preconditions = Preconditions::Required;
    let alice = phone("alice", Pair::ALICE, no_change);
    let mut pair = Pair::on(1, Link::PERFECT, alice, phone("bob", Pair::BOB, no_change));
    let second = pair.world.add("second", second);
    pair.dial(HangUp::After(ms(60_000)));
    pair.run(1000);
    let (id, ours, theirs) = dialog(&pair.world);
    // The other phone of alice never says that it is keyed.
    pair.world.set_middle(Box::new(move |sent| {
        let text = String::from_utf8_lossy(&sent.bytes);
        match (is_request(sent, "INVITE"), is_request(sent, "PRACK")) {
            (true, _) => {
                let replaces = format!("\r\nReplaces: {id};to-tag={ours};from-tag={theirs}\r\n\r\n");
                Middle::Change(text.replacen("\r\n\r\n", &replaces, 1).into_bytes())
            }
            (_, true) => Middle::Drop,
            _ => Middle::Pass,
        }
    }));
    let udp = keyphone_ua::transaction::Transport::Udp;
    pair.world.command(second, call(Pair::BOB, udp, plan(ALICE_HZ, HangUp::Never)));
    pair.run(50_000);
    assert!(outcome(&pair.world, second).exit_code() > 0);
    assert_eq!((replaced(&pair.world, pair.bob), outcomes(&pair.world, pair.alice).len()), (0, 0));
    pair.run(200_000);
    assert_eq!(outcomes(&pair.world, pair.alice), [WE_HUNG_UP]);
    pair.assert_nothing_left();
}

#[test]
fn a_keyed_call_is_replaced_by_one_without_an_offer_because_ours_is_keyed() {
    let mut second = phone("alice", "10.0.0.4", no_change);
    second.rules.late_offer = true;
    let alice = phone("alice", Pair::ALICE, no_change);
    let mut pair = Pair::on(1, Link::PERFECT, alice, phone("bob", Pair::BOB, no_change));
    let second = pair.world.add("second", second);
    pair.dial(HangUp::Never);
    pair.run(1000);
    let (id, ours, theirs) = dialog(&pair.world);
    pair.world.set_middle(Box::new(move |sent| match is_request(sent, "INVITE") {
        true => {
            let replaces = format!("\r\nReplaces: {id};to-tag={ours};from-tag={theirs}\r\n\r\n");
            let text = String::from_utf8_lossy(&sent.bytes);
            Middle::Change(text.replacen("\r\n\r\n", &replaces, 1).into_bytes())
        }
        false => Middle::Pass,
    }));
    let udp = keyphone_ua::transaction::Transport::Udp;
    pair.world.command(second, call(Pair::BOB, udp, plan(ALICE_HZ, HangUp::After(ms(1000)))));
    pair.run(200_000);
    assert_eq!(outcomes(&pair.world, second), [WE_HUNG_UP]);
    assert_eq!((replaced(&pair.world, pair.bob), outcomes(&pair.world, pair.alice)), (1, vec![PEER_HUNG_UP]));
    pair.assert_nothing_left();
}
