//! MESSAGE and OPTIONS outside of calls.

use crate::common::*;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::Event;
use keyphone_ua::settings::HangUp;
use keyphone_ua::sip::Method;

fn text(to: &str, text: &str) -> Command {
    Command::Message { to: Box::new(to.parse().unwrap()), text: text.into() }
}

fn received(world: &World, node: usize) -> Vec<(String, String)> {
    let received = |event: &Event| match event {
        Event::MessageReceived { from, text } => Some((from.clone(), text.clone())),
        _ => None,
    };
    events(world, node).filter_map(received).collect()
}

fn sent(world: &World, node: usize) -> Vec<u16> {
    let status = |event: &Event| if let Event::MessageSent { status, .. } = event { Some(*status) } else { None };
    events(world, node).filter_map(status).collect()
}

#[test]
fn a_text_arrives_once_and_its_sender_knows() {
    let mut pair = Pair::new();
    pair.world.command(pair.alice, text("sip:bob@10.0.0.2", "Gr\u{fc}\u{df}e"));
    pair.run(100_000);
    assert_eq!(received(&pair.world, pair.bob), [("sip:alice@10.0.0.1".to_owned(), "Gr\u{fc}\u{df}e".to_owned())]);
    assert_eq!(sent(&pair.world, pair.alice), [200]);
    let message = requests(&pair.world, Pair::ALICE, Method::Message).remove(0);
    assert_eq!(message.headers.get("Contact"), None, "RFC 3428 section 4");
    pair.assert_nothing_left();
}

#[test]
fn a_text_comes_through_a_link_that_loses_and_doubles_packets_and_is_shown_once() {
    for seed in 0..20 {
        let link = Link { loss_permille: 300, duplicate_permille: 300, ..Link::PERFECT };
        let (alice, bob) = (phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
        let mut pair = Pair::on(seed, link, alice, bob);
        pair.world.command(pair.alice, text("sip:bob@10.0.0.2", "hello"));
        pair.run(100_000);
        assert_eq!((received(&pair.world, pair.bob).len(), sent(&pair.world, pair.alice)), (1, vec![200]), "{seed}");
        pair.assert_nothing_left();
    }
}

#[test]
fn a_text_to_nobody_fails_with_a_status() {
    let mut pair = Pair::new();
    pair.world.set_middle(Box::new(|_| Middle::Drop));
    for to in ["sip:bob@10.0.0.2", "tel:+12125551212"] {
        pair.world.command(pair.alice, text(to, "hello"));
    }
    pair.run(100_000);
    assert_eq!(sent(&pair.world, pair.alice), [416, 408]);
    pair.assert_nothing_left();
}

#[test]
fn a_text_that_is_too_long_for_a_message_is_not_sent() {
    let mut pair = Pair::new();
    pair.world.command(pair.alice, text("sip:bob@10.0.0.2", &"x".repeat(1300)));
    pair.run(1000);
    assert_eq!(sent(&pair.world, pair.alice), [513], "RFC 3428 section 8");
    assert!(sip_from(&pair.world, Pair::ALICE).is_empty());
}

#[test]
fn a_message_that_is_not_plain_text_is_refused_with_what_is_taken() {
    let mut pair = Pair::new();
    pair.world.set_middle(Box::new(|sent| match is_request(sent, "MESSAGE") {
        true => {
            let text = String::from_utf8(sent.bytes.clone()).unwrap();
            Middle::Change(text.replace("text/plain", "text/html").into_bytes())
        }
        false => Middle::Pass,
    }));
    pair.world.command(pair.alice, text("sip:bob@10.0.0.2", "<b>hello</b>"));
    pair.run(100_000);
    assert_eq!(sent(&pair.world, pair.alice), [415]);
    assert_eq!(responses(&pair.world, Pair::BOB, 415)[0].headers.get("Accept"), Some("text/plain"));
    assert_eq!(received(&pair.world, pair.bob), []);
}

#[test]
fn a_text_disturbs_no_call() {
    let mut pair = Pair::new();
    pair.dial(HangUp::After(ms(1000)));
    pair.run(700);
    pair.world.command(pair.bob, text("sip:alice@10.0.0.1", "psst"));
    pair.run(100_000);
    assert_eq!(received(&pair.world, pair.alice).len(), 1);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert!(counts(&pair.world, pair.alice).lost == 0);
    pair.assert_nothing_left();
}

#[test]
fn who_is_asked_what_it_can_do_says_so() {
    let mut pair = Pair::new();
    pair.world.command(pair.alice, Command::Options { to: Box::new("sip:bob@10.0.0.2".parse().unwrap()) });
    pair.world.command(pair.alice, Command::Options { to: Box::new("sip:nobody@10.0.0.77".parse().unwrap()) });
    pair.run(100_000);
    let answered = |event: &Event| match event {
        Event::OptionsAnswered { status, allow, accept, .. } => Some((*status, allow.clone(), accept.clone())),
        _ => None,
    };
    let answers: Vec<_> = events(&pair.world, pair.alice).filter_map(answered).collect();
    let [(200, allow, accept), (408, nothing, _)] = &answers[..] else { panic!("{answers:?}") };
    assert!(allow.iter().any(|method| method == "INVITE") && accept[0] == "application/sdp" && nothing.is_empty());
    pair.assert_nothing_left();
}
