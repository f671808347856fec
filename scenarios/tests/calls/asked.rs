//! Servers that want to know who we are in the middle of a call: each request is sent once more with credentials
//! (RFC 3261 section 22), and the call goes on.

use crate::common::*;
use keyphone_config::{Config, Login, Password};
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::Middle;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, Outcome};
use keyphone_ua::settings::HangUp;
use keyphone_ua::sip::{Method, Request, StatusCode, make};

const CALL: CallId = CallId(1);

fn with_login(config: &mut Config) {
    let password = Password::new(String::from("secret").into());
    config.account.login = Some(Login { realm: None, username: "alice".into(), password });
}

/// Alice and bob talk, and what alice sends with that method from now on is kept by a proxy that asks who she is.
fn asked(method: &'static str, change: impl FnOnce(&mut Config), command: Command) -> Pair {
    let alice = phone("alice", Pair::ALICE, change);
    let mut pair = Pair::on(1, Link::PERFECT, alice, phone("bob", Pair::BOB, no_change));
    pair.dial(HangUp::Never);
    pair.run(1000);
    pair.world.set_middle(Box::new(move |sent| match is_request(sent, method) {
        true => Middle::Drop,
        false => Middle::Pass,
    }));
    pair.world.command(pair.alice, command);
    let kept = requests(&pair.world, Pair::ALICE, method.parse().unwrap()).pop().unwrap();
    pair.world.set_middle(Box::new(|_| Middle::Pass));
    let mut response = make::response(&kept, StatusCode::PROXY_AUTHENTICATION_REQUIRED, None);
    response
        .headers
        .push("Proxy-Authenticate", "Digest realm=\"x.org\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"");
    pair.world.inject(sip_at(Pair::BOB), sip_at(Pair::ALICE), &response.to_bytes());
    pair
}

fn credentials(request: &Request) -> Option<&str> {
    request.headers.get("Proxy-Authorization")
}

#[test]
fn a_hold_that_a_proxy_asks_about_comes_about_with_credentials_and_so_has_its_ack() {
    let mut pair = asked("INVITE", with_login, Command::Hold(CALL));
    pair.run(3000);
    assert!(events(&pair.world, pair.bob).any(|event| matches!(event, Event::Held { .. })));
    let invites = requests(&pair.world, Pair::ALICE, Method::Invite);
    let [first, again] = &invites[invites.len() - 2..] else { panic!() };
    assert!(credentials(first).is_none() && credentials(again).is_some());
    assert_eq!(again.headers.cseq().unwrap().seq, first.headers.cseq().unwrap().seq + 1);
    let ack = requests(&pair.world, Pair::ALICE, Method::Ack).pop().unwrap();
    assert_eq!(credentials(&ack), credentials(again), "RFC 3261 section 22.3");
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    let bye = requests(&pair.world, Pair::ALICE, Method::Bye).pop().unwrap();
    assert!(credentials(&bye).is_some(), "who has asked once is told at once");
    pair.assert_nothing_left();
}

#[test]
fn a_bye_that_a_proxy_asks_about_reaches_the_peer() {
    let mut pair = asked("BYE", with_login, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Bye).len(), 2);
    pair.assert_nothing_left();
}

#[test]
fn without_a_password_the_change_does_not_come_about_and_the_call_goes_on() {
    let mut pair = asked("INVITE", no_change, Command::Hold(CALL));
    pair.run(3000);
    let trouble = events(&pair.world, pair.alice).find_map(|event| match event {
        Event::CallTrouble { what, .. } => Some(what.clone()),
        _ => None,
    });
    assert!(trouble.is_some_and(|what| what.contains("407")));
    assert!(media_from(&pair.world, Pair::BOB).filter(|sent| sent.at >= at(2000)).count() >= 49);
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcome(pair.alice), PEER_HUNG_UP);
    assert_ne!(pair.outcome(pair.bob), Outcome::Failed { status: None, why: String::new() });
    pair.assert_nothing_left();
}
