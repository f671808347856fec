//! Calls that are hung up, refused, unanswered, or come out of order.

use crate::common::*;
use keyphone_scenarios::world::{Middle, Sent, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, Outcome};
use keyphone_ua::settings::{HangUp, Incoming};
use keyphone_ua::sip::{Method, Response, StatusCode};
use keyphone_ua::transaction::Transport;

fn status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Failed { status, .. } => *status,
        other => panic!("{other:?}"),
    }
}

fn drop_all(world: &mut World, which: impl Fn(&Sent) -> bool + 'static) {
    world.set_middle(Box::new(move |sent| if which(sent) { Middle::Drop } else { Middle::Pass }));
}

fn drop_first(world: &mut World, which: impl Fn(&Sent) -> bool + 'static) {
    let mut dropped = false;
    world.set_middle(Box::new(move |sent| match !dropped && which(sent) {
        true => {
            dropped = true;
            Middle::Drop
        }
        false => Middle::Pass,
    }));
}

#[test]
fn hanging_up_while_it_rings_cancels_the_call() {
    let mut pair = Pair::new();
    pair.dial(HangUp::Never);
    pair.run(100);
    pair.world.command(pair.alice, Command::HangUp(CallId(1)));
    pair.world.command(pair.alice, Command::HangUp(CallId(1)));
    pair.run(100_000);
    let (alice, bob) = pair.outcomes();
    assert_eq!((status(&alice), status(&bob)), (Some(487), Some(487)));
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Cancel).len(), 1);
    assert_eq!(responses(&pair.world, Pair::BOB, 200).len(), 1, "to the CANCEL");
    assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0);
    pair.assert_nothing_left();
}

#[test]
fn hanging_up_before_any_sign_of_life_cancels_with_the_first() {
    let mut pair = Pair::new();
    pair.dial(HangUp::Never);
    pair.world.command(pair.alice, Command::HangUpAll);
    assert!(requests(&pair.world, Pair::ALICE, Method::Cancel).is_empty(), "RFC 3261 section 9.1");
    pair.run(100_000);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Cancel).len(), 1);
    assert_eq!(status(&pair.outcome(pair.alice)), Some(487));
    pair.assert_nothing_left();
}

#[test]
fn hanging_up_while_the_answer_is_on_its_way_acknowledges_it_and_says_bye() {
    let mut pair = Pair::new();
    pair.world.set_middle(Box::new(|sent| match is_response(sent, 200) && has_sdp(sent) {
        true => Middle::Hold(ms(50)),
        false => Middle::Pass,
    }));
    pair.dial(HangUp::Never);
    pair.run(310);
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcome(pair.alice).exit_code(), 1);
    assert_eq!(pair.outcome(pair.bob), PEER_HUNG_UP);
    for method in [Method::Cancel, Method::Ack, Method::Bye] {
        assert_eq!(requests(&pair.world, Pair::ALICE, method.clone()).len(), 1, "{method}");
    }
    assert_eq!(media_from(&pair.world, Pair::ALICE).count(), 0);
    pair.assert_nothing_left();
}

#[test]
fn a_caller_whom_nobody_answers_gives_up_after_32_seconds() {
    let mut pair = Pair::new();
    drop_all(&mut pair.world, |sent| sent.to == sip_at(Pair::BOB));
    pair.dial(HangUp::Never);
    pair.run(100_000);
    let Outcome::Failed { status: Some(408), why } = pair.outcome(pair.alice) else { panic!() };
    assert!(why.contains("10.0.0.2:5060 over UDP"), "{why}");
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Invite).len(), 7);
    assert_eq!(when(&pair.world, pair.alice, |event| matches!(event, Event::Ended { .. })), at(32_000));
    pair.assert_nothing_left();
}

#[test]
fn a_callee_who_cannot_be_reached_over_tcp_fails_the_call_at_once() {
    let mut pair = Pair::new();
    pair.world.command(pair.alice, call("10.0.0.77", Transport::Tcp, plan(ALICE_HZ, HangUp::Never)));
    pair.run(1000);
    let Outcome::Failed { status: Some(503), why } = pair.outcome(pair.alice) else { panic!() };
    assert!(why.contains("10.0.0.77:5060 cannot be reached over TCP"), "{why}");
    pair.assert_nothing_left();
}

#[test]
fn a_call_that_is_refused_fails_with_the_status_on_both_sides() {
    for code in [StatusCode::BUSY_HERE, StatusCode::DECLINE, StatusCode::TEMPORARILY_UNAVAILABLE] {
        let mut bob = phone("bob", Pair::BOB, no_change);
        bob.incoming = Incoming::Refuse(code);
        let alice = phone("alice", Pair::ALICE, no_change);
        let pair = Pair::on(1, keyphone_scenarios::link::Link::PERFECT, alice, bob).whole_call();
        let (alice, bob) = pair.outcomes();
        assert_eq!((status(&alice), status(&bob)), (Some(code.code()), Some(code.code())));
        pair.assert_nothing_left();
    }
}

#[test]
fn whoever_hangs_up_the_other_side_knows() {
    let mut bob = phone("bob", Pair::BOB, no_change);
    bob.incoming = Incoming::Answer { after: ms(0), early: None, plan: plan(BOB_HZ, HangUp::After(ms(700))) };
    let alice = phone("alice", Pair::ALICE, no_change);
    let mut pair = Pair::on(1, keyphone_scenarios::link::Link::PERFECT, alice, bob);
    pair.dial(HangUp::Never);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (PEER_HUNG_UP, WE_HUNG_UP));
    assert!(counts(&pair.world, pair.alice).played > 25);
    pair.assert_nothing_left();
}

#[test]
fn an_answer_that_is_never_acknowledged_is_repeated_and_then_hung_up() {
    let mut pair = Pair::new();
    drop_all(&mut pair.world, |sent| is_request(sent, "ACK"));
    pair.dial(HangUp::Never);
    pair.run(100_000);
    let (alice, bob) = pair.outcomes();
    assert_eq!(alice, PEER_HUNG_UP);
    let Outcome::Failed { why, .. } = bob else { panic!() };
    assert!(why.contains("never acknowledged"), "{why}");
    assert_eq!(responses(&pair.world, Pair::BOB, 200).len(), 11, "RFC 3261 section 13.3.1.4");
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Ack).len(), 11, "each is acknowledged");
    assert!(requests(&pair.world, Pair::ALICE, Method::Bye).is_empty());
    pair.assert_nothing_left();
}

#[test]
fn a_lost_ack_and_a_lost_answer_are_made_good() {
    for which in ["ACK", "SIP/2.0 200"] {
        let mut pair = Pair::new();
        drop_first(&mut pair.world, move |sent| sent.bytes.starts_with(which.as_bytes()));
        let pair = pair.whole_call();
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{which}");
        assert_eq!(requests(&pair.world, Pair::ALICE, Method::Bye).len(), 1, "{which}");
        pair.assert_nothing_left();
    }
}

#[test]
fn an_answer_that_comes_again_after_the_call_is_acknowledged_again_and_no_second_bye_follows() {
    let mut pair = Pair::new();
    drop_all(&mut pair.world, |sent| is_request(sent, "ACK"));
    pair.dial(HangUp::After(ms(100)));
    pair.run(390);
    let answer = pair.world.log().iter().find(|sent| is_response(sent, 200)).unwrap().bytes.clone();
    pair.run(1000);
    let acks = requests(&pair.world, Pair::ALICE, Method::Ack).len();
    pair.world.inject(sip_at(Pair::BOB), sip_at(Pair::ALICE), &answer);
    pair.run(100_000);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Ack).len(), acks + 1);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Bye).len(), 1);
    assert!(!events(&pair.world, pair.alice).any(|event| matches!(event, Event::BranchLost { .. })));
    pair.assert_nothing_left();
}

#[test]
fn a_callee_says_no_bye_before_it_was_acknowledged_but_falls_silent() {
    let mut pair = Pair::new();
    drop_first(&mut pair.world, |sent| is_request(sent, "ACK"));
    pair.dial(HangUp::Never);
    pair.run(500);
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (PEER_HUNG_UP, WE_HUNG_UP));
    let log = pair.world.log();
    let ack = log.iter().filter(|sent| is_request(sent, "ACK")).find_map(|sent| sent.arrived.first().copied());
    let bye = log.iter().find(|sent| is_request(sent, "BYE")).unwrap().at;
    assert!(ack.is_some_and(|ack| ack <= bye), "RFC 3261 section 15: {ack:?} {bye:?}");
    assert!(media_from(&pair.world, Pair::BOB).all(|sent| sent.at <= at(500)));
    pair.assert_nothing_left();
}

#[test]
fn a_peer_that_vanishes_does_not_keep_the_line() {
    let mut pair = Pair::new();
    pair.dial(HangUp::After(ms(1000)));
    pair.run(800);
    drop_all(&mut pair.world, |_| true);
    pair.run(10_000);
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, WE_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn a_phone_that_rings_for_ever_can_be_hung_up_even_if_it_is_dead_by_then() {
    let mut bob = phone("bob", Pair::BOB, no_change);
    bob.incoming = Incoming::Answer { after: ms(1_000_000), early: None, plan: plan(BOB_HZ, HangUp::Never) };
    let mut pair = Pair::on(1, keyphone_scenarios::link::Link::PERFECT, phone("alice", Pair::ALICE, no_change), bob);
    pair.dial(HangUp::Never);
    pair.run(100);
    drop_all(&mut pair.world, |_| true);
    pair.run(60_000);
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(200_000);
    assert_eq!((pair.outcome(pair.alice).exit_code(), pair.outcome(pair.bob).exit_code()), (1, 1));
    pair.assert_nothing_left();
}

/// Requests from alice's address that alice did not write.
pub(crate) struct Script {
    pub(crate) pair: Pair,
    branch: u32,
}

impl Script {
    /// Alice and bob are talking.
    pub(crate) fn talking() -> Self {
        let mut pair = Pair::new();
        pair.dial(HangUp::Never);
        pair.run(1000);
        Self { pair, branch: 0 }
    }

    /// What a request inside the dialog begins with. `seq` is its CSeq number.
    pub(crate) fn in_dialog(&mut self, method: &str, seq: u32) -> String {
        let ok = responses(&self.pair.world, Pair::BOB, 200).remove(0);
        let header = |name| ok.headers.get(name).unwrap().to_owned();
        let (from, to, call_id) = (header("From"), header("To"), header("Call-ID"));
        self.request(method, seq, &from, &to, &call_id)
    }

    /// The same outside of any.
    pub(crate) fn outside(&mut self, method: &str) -> String {
        let call_id = format!("{}@10.0.0.1", self.branch);
        self.request(method, 1, "<sip:alice@10.0.0.1>;tag=x", "<sip:bob@10.0.0.2>", &call_id)
    }

    fn request(&mut self, method: &str, seq: u32, from: &str, to: &str, call_id: &str) -> String {
        self.branch += 1;
        let branch = self.branch;
        format!(
            "{method} sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKscript{branch}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {seq} {method}\r\n\
             Contact: <sip:alice@10.0.0.1:5060>\r\n"
        )
    }

    /// What bob answers to the request with such a body.
    pub(crate) fn answer(&mut self, head: &str, body: &str) -> Response {
        let before = self.pair.world.log().len();
        let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.pair.world.inject(sip_at(Pair::ALICE), sip_at(Pair::BOB), text.as_bytes());
        let sent = self.pair.world.log()[before..].iter().find(|sent| !sent.media && sent.from == sip_at(Pair::BOB));
        let sent = sent.unwrap_or_else(|| panic!("no answer to {head}"));
        match keyphone_ua::sip::Message::parse(&sent.bytes).unwrap() {
            keyphone_ua::sip::Message::Response(response) => response,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn status(&mut self, head: &str, body: &str) -> u16 {
        self.answer(head, body).status.code()
    }

    /// The call is still there, and ends as calls do.
    pub(crate) fn assert_call_goes_on(mut self) {
        let before = media_from(&self.pair.world, Pair::BOB).count();
        self.pair.run(2000);
        assert!(media_from(&self.pair.world, Pair::BOB).count() > before + 40);
        // Alice could not: the script has counted on where she stands.
        self.pair.world.command(self.pair.bob, Command::HangUpAll);
        self.pair.run(200_000);
        assert_eq!(outcomes(&self.pair.world, self.pair.alice), [PEER_HUNG_UP]);
        self.pair.assert_nothing_left();
    }
}

#[test]
fn a_running_call_does_not_lose_its_keys_to_whoever_asks_for_clear_media() {
    let mut script = Script::talking();
    let invite = requests(&script.pair.world, Pair::ALICE, Method::Invite).remove(0);
    let body = String::from_utf8(invite.body).unwrap().replace("RTP/SAVP", "RTP/AVP");
    let head = script.in_dialog("INVITE", 7) + "Content-Type: application/sdp\r\n";
    let refused = script.answer(&head, &body);
    assert_eq!(refused.status.code(), 488);
    assert_eq!(refused.headers.warning().unwrap().len(), 1);
    let ack = head.replace("INVITE sip", "ACK sip").replace("7 INVITE", "7 ACK");
    script.pair.world.inject(sip_at(Pair::ALICE), sip_at(Pair::BOB), format!("{ack}\r\n").as_bytes());
    script.assert_call_goes_on();
}

#[test]
fn requests_are_taken_in_order_only() {
    let mut script = Script::talking();
    let update = script.in_dialog("UPDATE", 9);
    assert_eq!(script.status(&update, ""), 200);
    let old = script.in_dialog("INVITE", 8);
    assert_eq!(script.status(&old, ""), 500, "RFC 3261 section 12.2.2");
    let bye = script.in_dialog("BYE", 9);
    assert_eq!(script.status(&bye, ""), 500);
    assert_eq!(outcomes(&script.pair.world, script.pair.bob), []);
    script.pair.world.command(script.pair.bob, Command::HangUpAll);
    script.pair.run(200_000);
    script.pair.assert_nothing_left();
}

#[test]
fn a_bye_that_belongs_to_no_call_ends_none() {
    let mut script = Script::talking();
    let outside = script.outside("BYE");
    assert_eq!(script.status(&outside, ""), 481);
    let stranger = script.in_dialog("BYE", 7).replace(";tag=", ";tag=0");
    assert_eq!(script.status(&stranger, ""), 481);
    let branch = script.in_dialog("BYE", 7);
    let ours = branch.lines().find(|line| line.starts_with("From")).unwrap().to_owned();
    let branch = branch.replace(&ours, &ours.replace(";tag=", ";tag=0"));
    assert_eq!(script.status(&branch, ""), 481, "the peer's tag is another branch's");
    let cancel = script.outside("CANCEL");
    assert_eq!(script.status(&cancel, ""), 481);
    script.assert_call_goes_on();
}

#[test]
fn a_phone_says_what_it_can_do_and_what_not() {
    let mut script = Script::talking();
    for head in [script.outside("OPTIONS"), script.in_dialog("OPTIONS", 20)] {
        let options = script.answer(&head, "");
        assert_eq!(options.status.code(), 200);
        assert!(options.headers.allow().unwrap().contains(&Method::Invite));
        assert_eq!(options.headers.get("Accept"), Some("application/sdp"));
    }
    let of_another_call = script.in_dialog("OPTIONS", 21).replace("Call-ID: ", "Call-ID: no-");
    assert_eq!(script.status(&of_another_call, ""), 481, "RFC 3261 section 12.2.2");
    let info = script.outside("INFO");
    assert_eq!(script.status(&info, ""), 481, "RFC 6086 section 4.2.2 knows it inside a call only");
    for (method, status) in [("PUBLISH", 405), ("REGISTER", 405), ("FROB", 501)] {
        let head = script.outside(method);
        let response = script.answer(&head, "");
        assert_eq!(response.status.code(), status, "{method}");
        assert!(!response.headers.allow().unwrap().is_empty());
    }
    let required = script.outside("INVITE") + "Require: 100rel, frob\r\n";
    let response = script.answer(&required, "");
    assert_eq!(response.status.code(), 420);
    assert_eq!(response.headers.unsupported().unwrap(), ["frob"]);
    script.assert_call_goes_on();
}

#[test]
fn an_invite_that_cannot_be_answered_says_why() {
    let mut script = Script::talking();
    let other = script.outside("INVITE") + "Content-Type: text/plain\r\n";
    let response = script.answer(&other, "hello");
    assert_eq!((response.status.code(), response.headers.get("Accept")), (415, Some("application/sdp")));
    let garbage = script.outside("INVITE") + "Content-Type: application/sdp\r\n";
    assert_eq!(script.status(&garbage, "hello"), 400);
    let video = script.outside("INVITE") + "Content-Type: application/sdp\r\n";
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/SAVP 31\r\n";
    assert_eq!(script.status(&video, sdp), 488);
    assert_eq!(outcomes(&script.pair.world, script.pair.bob).len(), 2, "one was refused before it became a call");
    script.assert_call_goes_on();
}
