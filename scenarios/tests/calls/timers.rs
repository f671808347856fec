//! Session timers (RFC 4028): a call that is refreshed goes on, and one whose peer is gone ends.

use crate::common::*;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{Event, Outcome, Side};
use keyphone_ua::settings::{HangUp, Settings};
use keyphone_ua::sip::{Method, Refresher};
use std::time::Duration;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn settings(name: &str, ip: &str, session: Option<u64>, least: u64) -> Settings {
    let mut settings = phone(name, ip, no_change);
    settings.rules.session_expires = session.map(s);
    settings.rules.min_se = s(least);
    settings
}

fn call(alice: (Option<u64>, u64), bob: (Option<u64>, u64)) -> Pair {
    let alice = settings("alice", Pair::ALICE, alice.0, alice.1);
    let bob = settings("bob", Pair::BOB, bob.0, bob.1);
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
    pair.dial(HangUp::Never);
    pair
}

fn refreshed(world: &World, node: usize) -> Vec<(u64, Side)> {
    let refreshed = |(at, event): &(keyphone_media::env::Instant, Event)| match event {
        Event::Refreshed { by, .. } => Some((at.as_micros() / 1_000_000, *by)),
        _ => None,
    };
    world.node(node).events.iter().filter_map(refreshed).collect()
}

fn hung_up(mut pair: Pair, until: u64) -> Pair {
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(until);
    pair.assert_nothing_left();
    pair
}

#[test]
fn a_session_is_refreshed_when_half_of_its_time_is_over() {
    let mut pair = call((Some(200), 90), (Some(1800), 90));
    pair.run(450_000);
    assert_eq!(refreshed(&pair.world, pair.alice), [100, 200, 300, 400].map(|at| (at, Side::Us)));
    assert_eq!(refreshed(&pair.world, pair.bob), [100, 200, 300, 400].map(|at| (at, Side::Peer)));
    let updates = requests(&pair.world, Pair::ALICE, Method::Update);
    assert!(updates.iter().all(|update| update.body.is_empty()), "RFC 4028 section 7.4");
    let asked = updates[0].headers.session_expires().unwrap().unwrap();
    assert_eq!((asked.interval, asked.refresher), (s(200), Some(Refresher::Uac)));
    let media = media_from(&pair.world, Pair::BOB).filter(|sent| sent.at >= at(449_000)).count();
    assert!(media >= 49, "and the talk goes on");
    hung_up(pair, 600_000);
}

#[test]
fn a_peer_without_update_is_refreshed_by_a_re_invite_that_changes_nothing() {
    let mut pair = call((Some(200), 90), (Some(1800), 90));
    pair.world.set_middle(Box::new(|sent| match sent.from == sip_at(Pair::BOB) && !sent.media {
        true => Middle::Change(
            String::from_utf8(sent.bytes.clone()).unwrap().replace("PRACK, UPDATE, ", "PRACK, ").into_bytes(),
        ),
        false => Middle::Pass,
    }));
    pair.run(350_000);
    let invites = requests(&pair.world, Pair::ALICE, Method::Invite);
    assert_eq!((invites.len(), requests(&pair.world, Pair::ALICE, Method::Update).len()), (4, 0));
    assert!(invites.iter().all(|invite| invite.body == invites[0].body), "not even the version has changed");
    assert_eq!(refreshed(&pair.world, pair.bob).len(), 3);
    let keys = events(&pair.world, pair.bob).filter(|event| matches!(event, Event::Key { .. })).count();
    assert_eq!(keys, 2);
    hung_up(pair, 600_000);
}

#[test]
fn a_peer_that_refuses_update_is_refreshed_by_a_re_invite_instead() {
    for refusal in ["405 Method Not Allowed", "501 Not Implemented"] {
        let mut pair = call((Some(200), 90), (Some(1800), 90));
        pair.world.set_middle(Box::new(move |sent| {
            let text = String::from_utf8_lossy(&sent.bytes);
            match is_response(sent, 200) && text.contains(" UPDATE\r\n") && text.contains("CSeq: 2 ") {
                true => Middle::Change(text.replacen("200 OK", refusal, 1).into_bytes()),
                false => Middle::Pass,
            }
        }));
        pair.run(350_000);
        assert_eq!(refreshed(&pair.world, pair.alice), [100, 200, 300].map(|at| (at, Side::Us)), "{refusal}");
        assert_eq!(requests(&pair.world, Pair::ALICE, Method::Update).len(), 1, "it is not asked so again");
        let invites = requests(&pair.world, Pair::ALICE, Method::Invite);
        assert_eq!(invites.len(), 4);
        assert!(invites.iter().all(|invite| invite.body == invites[0].body), "not even the version has changed");
        let trouble = |event: &Event| matches!(event, Event::CallTrouble { .. });
        assert!(!events(&pair.world, pair.alice).any(trouble), "nobody needs to know");
        hung_up(pair, 600_000);
    }
}

#[test]
fn a_call_whose_peer_is_gone_ends_before_the_session_has_expired() {
    let mut pair = call((Some(120), 90), (Some(1800), 90));
    pair.run(10_000);
    pair.world.set_middle(Box::new(|_| Middle::Drop));
    pair.run(300_000);
    // Alice hears nothing from bob when she refreshes; bob hears no refresh.
    for outcome in [pair.outcome(pair.alice), pair.outcome(pair.bob)] {
        let Outcome::Failed { why, .. } = outcome else { panic!() };
        assert_eq!(why, "nobody refreshed the session in 120 s");
    }
    let bye = pair.world.log().iter().find(|s| is_request(s, "BYE") && s.from == sip_at(Pair::BOB)).unwrap();
    // By 32 seconds or a third of the interval, whichever is less (RFC 4028 section 10).
    assert!(bye.at >= at(88_000) && bye.at <= at(89_000), "{:?}", bye.at);
    pair.assert_nothing_left();
}

#[test]
fn a_session_that_is_too_short_is_asked_for_again_and_longer() {
    let mut pair = call((Some(100), 90), (Some(1800), 300));
    pair.run(10_000);
    let refused = responses(&pair.world, Pair::BOB, 422).remove(0);
    assert_eq!(refused.headers.min_se(), Ok(Some(s(300))));
    let invites = requests(&pair.world, Pair::ALICE, Method::Invite);
    assert_eq!(invites.len(), 2);
    let again = &invites[1].headers;
    assert_eq!((again.session_expires().unwrap().unwrap().interval, again.min_se().unwrap()), (s(300), Some(s(300))));
    assert_eq!(again.call_id(), invites[0].headers.call_id());
    assert_eq!(again.cseq().unwrap().seq, 2);
    let pair = hung_up(pair, 100_000);
    assert_eq!(pair.outcome(pair.alice), PEER_HUNG_UP);
}

#[test]
fn the_callee_may_ask_for_a_timer_that_the_caller_did_not_want() {
    let mut pair = call((None, 90), (Some(200), 90));
    pair.run(250_000);
    assert_eq!(refreshed(&pair.world, pair.alice), [100, 200].map(|at| (at, Side::Us)));
    hung_up(pair, 400_000);
}

#[test]
fn without_anybody_who_asks_there_is_no_timer() {
    let mut pair = call((None, 90), (None, 90));
    pair.run(10_000);
    let ok = responses(&pair.world, Pair::BOB, 200).remove(0);
    assert_eq!(ok.headers.session_expires(), Ok(None));
    pair.run(4_000_000 / 10);
    assert!(refreshed(&pair.world, pair.alice).is_empty());
    hung_up(pair, 500_000);
}

#[test]
fn the_callee_refreshes_if_the_caller_asks_it_to() {
    let mut pair = Pair::on(
        1,
        Link::PERFECT,
        settings("alice", Pair::ALICE, Some(200), 90),
        settings("bob", Pair::BOB, Some(1800), 90),
    );
    pair.world.set_middle(Box::new(|sent| match is_request(sent, "INVITE") {
        true => Middle::Change(
            String::from_utf8(sent.bytes.clone())
                .unwrap()
                .replace("Expires: 200\r\n", "Expires: 200;refresher=uas\r\n")
                .into_bytes(),
        ),
        false => Middle::Pass,
    }));
    pair.dial(HangUp::Never);
    pair.run(250_000);
    assert_eq!(refreshed(&pair.world, pair.bob), [100, 200].map(|at| (at, Side::Us)));
    assert_eq!(refreshed(&pair.world, pair.alice), [100, 200].map(|at| (at, Side::Peer)));
    hung_up(pair, 400_000);
}

#[test]
fn a_peer_that_would_have_us_refresh_every_second_is_not_obeyed() {
    let mut pair = call((Some(200), 90), (Some(1800), 90));
    pair.world.set_middle(Box::new(|sent| match is_response(sent, 200) {
        true => Middle::Change(
            String::from_utf8(sent.bytes.clone())
                .unwrap()
                .replace("Session-Expires: 200", "Session-Expires: 1")
                .into_bytes(),
        ),
        false => Middle::Pass,
    }));
    pair.run(100_000);
    assert!(requests(&pair.world, Pair::ALICE, Method::Update).len() <= 3);
    hung_up(pair, 300_000);
}

#[test]
fn refreshes_on_a_bad_line_keep_a_call_alive() {
    for seed in 1..=5 {
        let alice = settings("alice", Pair::ALICE, Some(100), 90);
        let mut pair = Pair::on(seed, Link::BAD_DAY, alice, settings("bob", Pair::BOB, Some(100), 90));
        pair.dial(HangUp::Never);
        pair.run(600_000);
        assert!(refreshed(&pair.world, pair.bob).len() >= 10, "seed {seed}");
        hung_up(pair, 900_000);
    }
}

#[test]
fn nothing_but_invite_and_update_touches_the_session_timer() {
    let mut pair = call((Some(200), 90), (Some(1800), 90));
    pair.run(50_000);
    for who in [pair.alice, pair.bob] {
        let (call, content_type) = (keyphone_ua::event::CallId(1), "text/plain".into());
        pair.world.command(who, Command::Info { call, content_type, body: b"hello".to_vec() });
    }
    pair.run(450_000);
    assert_eq!(refreshed(&pair.world, pair.alice), [100, 200, 300, 400].map(|at| (at, Side::Us)));
    let infos = [Pair::ALICE, Pair::BOB].map(|ip| responses(&pair.world, ip, 200)).concat();
    let infos: Vec<_> = infos.iter().filter(|ok| ok.headers.cseq().unwrap().method == Method::Info).collect();
    assert_eq!(infos.len(), 2);
    assert!(infos.iter().all(|ok| ok.headers.get("Session-Expires").is_none()), "RFC 4028 table 1");
    hung_up(pair, 600_000);
}
