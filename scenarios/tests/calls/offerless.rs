//! An INVITE that brings no offer: ours goes into the 200 or into a reliable response, keyed as ours are, and the answer
//! comes in the ACK or the PRACK (RFC 3261 section 13.3.1.4, RFC 3262 section 5). The caller is a script.

use crate::common::*;
use keyphone_config::Config;
use keyphone_media::rtp::Header;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::World;
use keyphone_ua::event::{Event, Outcome};
use keyphone_ua::settings::{HangUp, Incoming};
use keyphone_ua::sip::{Method, Response};
use std::net::SocketAddr;

const CALLER: &str = "10.0.0.7";
const BOB: &str = "10.0.0.2";

/// Somebody who calls bob by the letter.
struct Caller {
    world: World,
    bob: usize,
    branch: u32,
    to: String,
}

fn clear(config: &mut Config) {
    config.policy.keying.clear();
    config.policy.allow_clear = true;
}

impl Caller {
    fn new(change: impl FnOnce(&mut Config), after: u64) -> Self {
        let mut world = World::new(1, Link::PERFECT);
        let mut bob = phone("bob", BOB, change);
        bob.incoming = Incoming::Answer { after: ms(after), early: None, plan: plan(BOB_HZ, HangUp::Never) };
        let bob = world.add("bob", bob);
        Self { world, bob, branch: 0, to: "<sip:bob@10.0.0.2>".into() }
    }

    fn send(&mut self, method: &str, seq: &str, headers: &str, body: &str) {
        self.branch += 1;
        let (branch, to) = (self.branch, &self.to);
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER}:5060;branch=z9hG4bKo{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:caller@{CALLER}>;tag=c\r\nTo: {to}\r\nCall-ID: o@{CALLER}\r\n\
             CSeq: {seq} {method}\r\nContact: <sip:caller@{CALLER}:5060>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.world.inject(sip_at(CALLER), sip_at(BOB), text.as_bytes());
    }

    /// The last response with that status, whose To-tag is bob's.
    fn heard(&mut self, status: u16) -> Response {
        let response = responses(&self.world, BOB, status).pop().unwrap_or_else(|| panic!("no {status}"));
        self.to = response.headers.get("To").unwrap().into();
        response
    }

    fn answer(offer: &Response) -> String {
        let offer = String::from_utf8(offer.body.clone()).unwrap();
        assert!(offer.contains("m=audio"), "{offer}");
        format!("v=0\r\no=- 1 1 IN IP4 {CALLER}\r\ns=-\r\nc=IN IP4 {CALLER}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
    }

    fn ends(mut self) -> Outcome {
        self.world.run(at(200_000));
        assert_nothing_left(&self.world, self.bob);
        outcome(&self.world, self.bob)
    }
}

fn said(world: &World) -> usize {
    let rtp = media_from(world, BOB).filter(|s| s.to == SocketAddr::new(CALLER.parse().unwrap(), 4000));
    rtp.filter(|s| Header::parse(&s.bytes).is_ok()).count()
}

#[test]
fn our_offer_is_in_the_200_and_the_answer_in_the_ack() {
    let mut caller = Caller::new(clear, 300);
    caller.send("INVITE", "1", "", "");
    caller.world.run(at(500));
    let ok = caller.heard(200);
    let answer = Caller::answer(&ok);
    assert_eq!(said(&caller.world), 0, "nobody knows where to");
    let answered = |world: &World, bob| events(world, bob).any(|e| matches!(e, Event::Answered { .. }));
    assert!(!answered(&caller.world, caller.bob));
    caller.send("ACK", "1", "", &answer);
    assert!(answered(&caller.world, caller.bob));
    caller.world.run(at(1500));
    assert!(said(&caller.world) >= 49);
    caller.send("BYE", "2", "", "");
    assert_eq!(caller.ends(), PEER_HUNG_UP);
}

#[test]
fn an_ack_without_the_answer_or_with_a_bad_one_ends_the_call_with_the_reason() {
    for bad in ["", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=-\r\nt=0 0\r\nm=video 4000 RTP/AVP 31\r\n"] {
        let mut caller = Caller::new(clear, 300);
        caller.send("INVITE", "1", "", "");
        caller.world.run(at(500));
        caller.heard(200);
        caller.send("ACK", "1", "", bad);
        caller.world.run(at(600));
        let bye = requests(&caller.world, BOB, Method::Bye).remove(0);
        assert!(bye.headers.reason().unwrap()[0].text.is_some());
        assert_eq!(said(&caller.world), 0);
        assert_eq!(caller.ends().exit_code(), 1);
    }
}

#[test]
fn our_offer_is_keyed_and_an_answer_without_keys_is_refused() {
    let mut caller = Caller::new(no_change, 300);
    caller.send("INVITE", "1", "", "");
    caller.world.run(at(500));
    let ok = caller.heard(200);
    let offer = String::from_utf8(ok.body.clone()).unwrap();
    assert!(offer.contains("RTP/SAVP") && offer.contains("a=key-mgmt:mikey "), "{offer}");
    let clear = Caller::answer(&ok);
    caller.send("ACK", "1", "", &clear);
    caller.world.run(at(1000));
    assert_eq!(media_from(&caller.world, BOB).count(), 0);
    assert_eq!(caller.ends().exit_code(), 3);
}

#[test]
fn a_caller_who_insists_on_reliable_responses_gets_the_offer_in_the_first_and_answers_in_the_prack() {
    let mut caller = Caller::new(clear, 1000);
    caller.send("INVITE", "1", "Require: 100rel\r\n", "");
    caller.world.run(at(100));
    let ringing = caller.heard(180);
    let answer = Caller::answer(&ringing);
    let rseq = ringing.headers.rseq().unwrap().unwrap();
    caller.send("PRACK", "2", &format!("RAck: {rseq} 1 INVITE\r\n"), &answer);
    assert_eq!(caller.heard(200).headers.cseq().unwrap().method, Method::Prack);
    caller.world.run(at(1100));
    let ok = caller.heard(200);
    assert_eq!((ok.headers.cseq().unwrap().method, ok.body.len()), (Method::Invite, 0), "all is said");
    caller.send("ACK", "1", "", "");
    caller.world.run(at(2000));
    assert!(said(&caller.world) >= 40);
    caller.send("BYE", "3", "", "");
    assert_eq!(caller.ends(), PEER_HUNG_UP);
}

#[test]
fn a_prack_for_what_was_never_sent_is_told_so() {
    let mut caller = Caller::new(clear, 1000);
    caller.send("INVITE", "1", "Require: 100rel\r\n", "");
    let ringing = caller.heard(180);
    let rseq = ringing.headers.rseq().unwrap().unwrap();
    for (n, rack) in
        [format!("{} 1 INVITE", rseq + 1), format!("{rseq} 2 INVITE"), format!("{rseq} 1 UPDATE")].iter().enumerate()
    {
        caller.send("PRACK", &(n + 2).to_string(), &format!("RAck: {rack}\r\n"), "");
        assert_eq!(responses(&caller.world, BOB, 481).len(), n + 1, "RFC 3262 section 3");
    }
    caller.send("PRACK", "9", "", "");
    assert_eq!(responses(&caller.world, BOB, 481).len(), 4);
    caller.send("BYE", "10", "", "");
    assert_eq!(caller.ends().exit_code(), 1);
}

#[test]
fn a_second_invite_before_the_first_is_answered_is_put_off() {
    let mut caller = Caller::new(clear, 10_000);
    caller.send("INVITE", "1", "", "");
    caller.heard(180);
    caller.send("INVITE", "2", "", "");
    let put_off = responses(&caller.world, BOB, 500).remove(0);
    let after = put_off.headers.retry_after().unwrap().unwrap().after;
    assert!(after <= ms(10_000), "RFC 3261 section 14.2");
    caller.send("ACK", "2", "", "");
    // An UPDATE with an offer meets ours, which has no answer yet.
    let offer =
        format!("v=0\r\no=- 1 1 IN IP4 {CALLER}\r\ns=-\r\nc=IN IP4 {CALLER}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
    caller.send("UPDATE", "3", "", &offer);
    assert_eq!(responses(&caller.world, BOB, 491).len(), 1, "RFC 3311 section 5.2");
    caller.send("BYE", "4", "", "");
    assert_eq!(caller.ends().exit_code(), 1);
}

#[test]
fn a_re_invite_without_an_offer_is_answered_with_one_that_changes_nothing() {
    let mut caller = Caller::new(clear, 0);
    let offer =
        format!("v=0\r\no=- 1 1 IN IP4 {CALLER}\r\ns=-\r\nc=IN IP4 {CALLER}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
    caller.send("INVITE", "1", "", &offer);
    let first = caller.heard(200);
    caller.send("ACK", "1", "", "");
    caller.send("INVITE", "2", "", "");
    let second = caller.heard(200);
    assert_eq!(second.headers.cseq().unwrap().seq, 2);
    assert!(String::from_utf8(second.body.clone()).unwrap().contains("m=audio"));
    // While our offer waits, no other is taken.
    caller.send("UPDATE", "3", "", &offer);
    assert_eq!(responses(&caller.world, BOB, 491).len(), 1);
    let held = Caller::answer(&first) + "a=sendonly\r\n";
    caller.send("ACK", "2", "", &held);
    assert!(events(&caller.world, caller.bob).any(|e| matches!(e, Event::Held { .. })));
    caller.send("BYE", "4", "", "");
    assert_eq!(caller.ends(), PEER_HUNG_UP);
}

#[test]
fn stray_acks_change_nothing() {
    let mut caller = Caller::new(clear, 0);
    caller.send("INVITE", "1", "", "");
    let ok = caller.heard(200);
    for (seq, tag) in [("2", "c"), ("0", "c"), ("1", "x")] {
        let answer = Caller::answer(&ok);
        let to = caller.to.clone();
        caller.to = to.to_string();
        caller.branch += 1;
        let text = format!(
            "ACK sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER}:5060;branch=z9hG4bKs{}\r\nMax-Forwards: 70\r\n\
             From: <sip:caller@{CALLER}>;tag={tag}\r\nTo: {to}\r\nCall-ID: o@{CALLER}\r\nCSeq: {seq} ACK\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{answer}",
            caller.branch,
            answer.len()
        );
        caller.world.inject(sip_at(CALLER), sip_at(BOB), text.as_bytes());
    }
    caller.world.run(at(5000));
    assert!(responses(&caller.world, BOB, 200).len() > 3, "the 200 is still repeated");
    assert_eq!(said(&caller.world), 0);
    let answer = Caller::answer(&ok);
    caller.send("ACK", "1", "", &answer);
    caller.send("BYE", "2", "", "");
    assert_eq!(caller.ends(), PEER_HUNG_UP);
}
