//! An INVITE of ours that brings no offer: each callee's comes in its 200 or in a reliable response, and our answer, keyed
//! as our answers are, goes into the ACK or the PRACK (RFC 3261 section 13.2.1, RFC 3262 section 5).

use crate::common::*;
use keyphone_config::{Config, PskEntry};
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::{HangUp, Incoming, Reliable, Settings};
use keyphone_ua::sip::{Method, Request, Response};
use keyphone_ua::transaction::Transport;

const CALL: CallId = CallId(1);
/// With the offer in the 200, and with the offer in a reliable 180.
const BOTH: [Reliable; 2] = [Reliable::Supported, Reliable::Required];

/// Alice, who leaves the offer to whom she calls.
fn alice(reliable: Reliable, change: impl FnOnce(&mut Config)) -> Settings {
    let mut alice = phone("alice", Pair::ALICE, change);
    alice.rules.late_offer = true;
    alice.rules.reliable = reliable;
    alice
}

fn pair(reliable: Reliable, bob: impl FnOnce(&mut Config)) -> Pair {
    Pair::on(1, Link::PERFECT, alice(reliable, no_change), phone("bob", Pair::BOB, bob))
}

fn clear(config: &mut Config) {
    config.policy.keying.clear();
    config.policy.allow_clear = true;
}

fn wrong_key(config: &mut Config) {
    config.credentials.psks = vec![PskEntry::from_hex(None, OTHER_KEY).unwrap()];
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

fn offer_of(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

fn keys(world: &World, node: usize) -> usize {
    events(world, node).filter(|event| matches!(event, Event::Key { .. })).count()
}

/// The one answer that alice has sent: in an ACK, or in a PRACK.
fn answer(world: &World, method: &Method) -> String {
    let sent = requests(world, Pair::ALICE, method.clone());
    let sent = sent.iter().map(body).filter(|body| !body.is_empty());
    let mut sent = sent.collect::<Vec<_>>();
    sent.dedup();
    assert_eq!(sent.len(), 1, "{method}: {sent:#?}");
    sent.remove(0)
}

fn reason(world: &World) -> (Option<u16>, Option<String>) {
    let bye = requests(world, Pair::ALICE, Method::Bye).remove(0);
    let reason = bye.headers.reason().unwrap().remove(0);
    (reason.cause, reason.text)
}

#[test]
fn the_offer_of_the_callee_is_answered_with_keys_in_the_ack() {
    let pair = pair(Reliable::Supported, no_change).whole_call();
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    let invite = requests(&pair.world, Pair::ALICE, Method::Invite).remove(0);
    assert_eq!((invite.body.len(), invite.headers.get("Content-Type")), (0, None));
    let offer = offer_of(&responses(&pair.world, Pair::BOB, 200)[0]);
    for said in [&offer, &answer(&pair.world, &Method::Ack)] {
        assert!(said.contains("RTP/SAVP") && said.contains("a=key-mgmt:mikey "), "{said}");
    }
    for node in [pair.alice, pair.bob] {
        assert_eq!(keys(&pair.world, node), 2);
        let heard = counts(&pair.world, node);
        assert!(heard.played >= 40 && heard.refused == 0, "{heard:?}");
        assert!(events(&pair.world, node).any(|event| matches!(event, Event::Peer { .. })), "the peer is proven");
    }
    pair.assert_nothing_left();
}

#[test]
fn an_offer_in_a_reliable_response_is_answered_with_keys_in_the_prack() {
    let pair = pair(Reliable::Required, no_change).whole_call();
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert!(offer_of(&responses(&pair.world, Pair::BOB, 180)[0]).contains("a=key-mgmt:mikey "));
    assert!(answer(&pair.world, &Method::Prack).contains("a=key-mgmt:mikey "));
    assert!(requests(&pair.world, Pair::ALICE, Method::Ack).iter().all(|ack| ack.body.is_empty()), "all is said");
    for node in [pair.alice, pair.bob] {
        assert_eq!(keys(&pair.world, node), 2);
        let heard = counts(&pair.world, node);
        assert!(heard.played >= 40 && heard.refused == 0, "{heard:?}");
    }
    pair.assert_nothing_left();
}

#[test]
fn late_offers_come_through_a_bad_line_too() {
    for (seed, reliable) in (1..=10).flat_map(|seed| BOTH.map(|reliable| (seed, reliable))) {
        let link = Link { loss_permille: 200, ..Link::BAD_DAY };
        let mut bob = phone("bob", Pair::BOB, no_change);
        bob.incoming = Incoming::Answer { after: ms(8000), early: None, plan: plan(BOB_HZ, HangUp::Never) };
        let mut pair = Pair::on(seed, link, alice(reliable, no_change), bob);
        pair.dial(HangUp::After(ms(5000)));
        pair.run(300_000);
        assert_eq!(pair.outcome(pair.alice), WE_HUNG_UP, "seed {seed} {reliable:?}");
        for node in [pair.alice, pair.bob] {
            assert_eq!(keys(&pair.world, node), 2, "seed {seed} {reliable:?}");
            assert!(counts(&pair.world, node).played > 20, "seed {seed} {reliable:?}");
        }
        pair.assert_nothing_left();
    }
}

#[test]
fn a_repeated_200_gets_the_same_answer_again() {
    let mut pair = pair(Reliable::Supported, no_change);
    let mut kept = 0;
    pair.world.set_middle(Box::new(move |sent| match is_request(sent, "ACK") && kept < 3 {
        true => {
            kept += 1;
            Middle::Drop
        }
        false => Middle::Pass,
    }));
    pair.dial(HangUp::After(ms(6000)));
    pair.run(100_000);
    let acks = requests(&pair.world, Pair::ALICE, Method::Ack);
    assert_eq!(acks.len(), 4);
    assert!(acks.iter().all(|ack| !ack.body.is_empty() && ack.body == acks[0].body));
    assert_eq!(keys(&pair.world, pair.alice), 2, "one answer, one key for each way");
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn an_offer_under_a_key_that_is_not_ours_is_refused_in_the_answer_and_the_call_ends() {
    for (reliable, method) in BOTH.into_iter().zip([Method::Ack, Method::Prack]) {
        let mut pair = pair(reliable, wrong_key);
        pair.dial(HangUp::Never);
        pair.run(100_000);
        let refused = answer(&pair.world, &method);
        assert!(refused.contains("m=audio 0 RTP/SAVP"), "{refused}");
        let (cause, why) = reason(&pair.world);
        assert_eq!((cause, why.is_some()), (Some(488), true), "RFC 3326");
        assert_eq!(pair.outcome(pair.alice).exit_code(), 3, "{reliable:?}");
        assert_ne!(pair.outcome(pair.bob).exit_code(), 0);
        assert_eq!(media_from(&pair.world, Pair::ALICE).chain(media_from(&pair.world, Pair::BOB)).count(), 0);
        pair.assert_nothing_left();
    }
}

#[test]
fn an_offer_in_the_clear_is_refused_by_who_wants_keys() {
    for (reliable, method) in BOTH.into_iter().zip([Method::Ack, Method::Prack]) {
        let mut pair = pair(reliable, clear);
        pair.dial(HangUp::Never);
        pair.run(100_000);
        let refused = answer(&pair.world, &method);
        assert!(refused.contains("m=audio 0 RTP/AVP") && !refused.contains("key-mgmt"), "{refused}");
        assert_eq!(pair.outcome(pair.alice).exit_code(), 3, "{reliable:?}");
        assert_eq!(media_from(&pair.world, Pair::ALICE).count(), 0);
        pair.assert_nothing_left();
    }
}

#[test]
fn a_callee_who_has_no_key_for_us_says_so_and_the_exit_code_does_too() {
    let mut pair = pair(Reliable::Supported, |config| config.credentials.psks = vec![]);
    pair.dial(HangUp::Never);
    pair.run(100_000);
    assert_eq!(responses(&pair.world, Pair::BOB, 488).len(), 1);
    assert_eq!((pair.outcome(pair.alice).exit_code(), pair.outcome(pair.bob).exit_code()), (3, 3));
    pair.assert_nothing_left();
}

#[test]
fn a_200_without_an_offer_or_with_a_bad_one_ends_the_call_with_the_reason() {
    let video = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=video 4000 RTP/SAVP 31\r\n";
    for (bad, answered) in [("", false), ("v=0\r\n", false), (video, true)] {
        let mut pair = pair(Reliable::Supported, no_change);
        rewrite_answers(&mut pair.world, move |_| bad.to_owned());
        pair.dial(HangUp::Never);
        pair.run(100_000);
        let ack = requests(&pair.world, Pair::ALICE, Method::Ack).remove(0);
        assert_eq!(body(&ack).contains("m=video 0 RTP/SAVP 31"), answered, "RFC 3264 section 6");
        assert_eq!(ack.body.is_empty(), !answered);
        assert!(reason(&pair.world).1.is_some());
        assert_eq!(pair.outcome(pair.alice).exit_code(), 1, "{bad}");
        assert_eq!(media_from(&pair.world, Pair::ALICE).count(), 0);
        pair.assert_nothing_left();
    }
}

#[test]
fn a_call_that_was_hung_up_before_its_200_refuses_the_offer_in_the_ack() {
    let mut pair = pair(Reliable::Supported, no_change);
    pair.world.set_middle(Box::new(|sent| if is_request(sent, "CANCEL") { Middle::Drop } else { Middle::Pass }));
    pair.dial(HangUp::Never);
    pair.run(200);
    pair.world.command(pair.alice, Command::HangUp(CALL));
    pair.run(100_000);
    assert!(answer(&pair.world, &Method::Ack).contains("m=audio 0 RTP/SAVP"));
    assert_eq!(pair.outcome(pair.alice).exit_code(), 1);
    assert_eq!(media_from(&pair.world, Pair::ALICE).count(), 0);
    pair.assert_nothing_left();
}

#[test]
fn what_an_unreliable_response_says_of_a_session_is_not_taken() {
    // RFC 3261 section 13.2.1: the offer is in the first reliable message.
    let mut pair = pair(Reliable::Supported, no_change);
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    pair.world.set_middle(Box::new(move |sent| match is_response(sent, 180) {
        true => {
            let text = String::from_utf8(rewrite(&sent.bytes, |_| sdp.to_owned())).unwrap();
            Middle::Change(text.replacen("\r\n", "\r\nContent-Type: application/sdp\r\n", 1).into_bytes())
        }
        false => Middle::Pass,
    }));
    let pair = pair.whole_call();
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert!(answer(&pair.world, &Method::Ack).contains("RTP/SAVP"));
    let early = |event: &Event| matches!(event, Event::Progress { early_media: true, .. });
    assert!(!events(&pair.world, pair.alice).any(early));
    pair.assert_nothing_left();
}

#[test]
fn a_call_with_a_late_offer_is_held_and_rekeyed_like_any_other() {
    for reliable in BOTH {
        let mut pair = pair(reliable, no_change);
        pair.dial(HangUp::Never);
        pair.run(1000);
        for (node, at) in [(pair.alice, 2000), (pair.bob, 4000)] {
            let before = [pair.alice, pair.bob].map(|node| keys(&pair.world, node));
            pair.world.command(node, Command::Hold(CALL));
            pair.run(at);
            pair.world.command(node, Command::Rekey(CALL));
            pair.run(at + 1000);
            assert!([pair.alice, pair.bob].map(|node| keys(&pair.world, node)) > before, "{reliable:?}");
        }
        for node in [pair.alice, pair.bob] {
            let held = events(&pair.world, node).filter(|event| matches!(event, Event::Held { .. })).count();
            assert_eq!(held, 2, "{reliable:?}");
            assert!(!events(&pair.world, node).any(|event| matches!(event, Event::CallTrouble { .. })));
        }
        pair.world.command(pair.alice, Command::HangUpAll);
        pair.run(100_000);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
        pair.assert_nothing_left();
    }
}

#[test]
fn a_call_with_a_late_offer_that_is_sent_elsewhere_takes_the_offer_from_there() {
    const CAROL: &str = "10.0.0.3";
    for reliable in BOTH {
        let mut bob = phone("bob", Pair::BOB, no_change);
        bob.incoming = Incoming::Redirect(vec!["sip:bob@10.0.0.3".parse().unwrap()]);
        let mut pair = Pair::on(1, Link::PERFECT, alice(reliable, no_change), bob);
        let there = |config: &mut Config| config.account.from = "sip:bob@10.0.0.2".parse().unwrap();
        let carol = pair.world.add("carol", phone("bob", CAROL, there));
        let pair = pair.whole_call();
        assert_eq!((pair.outcome(pair.alice), outcome(&pair.world, carol)), (WE_HUNG_UP, PEER_HUNG_UP));
        let invites = requests(&pair.world, Pair::ALICE, Method::Invite);
        assert!(invites.len() == 2 && invites.iter().all(|invite| invite.body.is_empty()), "{reliable:?}");
        assert!(counts(&pair.world, carol).played >= 40);
        pair.assert_nothing_left();
        assert_nothing_left(&pair.world, carol);
    }
}

#[test]
fn each_branch_of_a_fork_offers_and_is_keyed_for_itself() {
    const PROXY: &str = "10.0.0.9";
    let ip = |n: usize| format!("10.0.0.{}", 11 + n);
    use Reliable::{Required, Supported};
    // RFC 6228: a branch may be over before another one answers, the one that is heard or one that is not.
    for (reliable, gone) in [(Supported, None), (Required, None), (Required, Some(0)), (Required, Some(2))] {
        let mut world = World::new(1, Link::PERFECT);
        let alice = world.add("alice", alice(reliable, no_change));
        let bobs = [400, 300, 900].into_iter().enumerate().map(|(n, after)| {
            let mut bob = phone("bob", &ip(n), |config| config.account.from = "sip:bob@10.0.0.9".parse().unwrap());
            bob.incoming = Incoming::Answer { after: ms(after), early: None, plan: plan(BOB_HZ, HangUp::Never) };
            world.add("bob", bob)
        });
        let bobs = bobs.collect::<Vec<_>>();
        world.command(alice, call(PROXY, Transport::Udp, plan(ALICE_HZ, HangUp::After(ms(1500)))));
        let invite = world.log().last().unwrap().bytes.clone();
        (0..3).for_each(|n| world.inject(sip_at(Pair::ALICE), sip_at(&ip(n)), &invite));
        if let Some(n) = gone {
            world.run(at(100));
            let ringing = world.log().iter().find(|s| is_response(s, 180) && s.from == sip_at(&ip(n))).unwrap();
            let text = String::from_utf8(rewrite(&ringing.bytes, |_| String::new())).unwrap();
            let over = text.replacen("180 Ringing", "199 Early Dialog Terminated", 1);
            world.inject(sip_at(&ip(n)), sip_at(Pair::ALICE), over.as_bytes());
        }
        world.run(at(100_000));
        assert_eq!(outcome(&world, alice), WE_HUNG_UP);
        // With PRACK all three were answered before one of them won.
        let early = reliable == Reliable::Required;
        assert_eq!(keys(&world, alice), if early { 6 } else { 2 });
        let pracks = requests(&world, Pair::ALICE, Method::Prack);
        let mut answers = pracks.iter().map(body).filter(|body| body.contains("key-mgmt")).collect::<Vec<_>>();
        answers.sort();
        answers.dedup();
        assert_eq!(answers.len(), if early { 3 } else { 0 }, "no two answers are the same");
        for (n, bob) in bobs.iter().enumerate() {
            let to_bob = world.log().iter().filter(|sent| sent.media && sent.from.ip().to_string() == Pair::ALICE);
            let to_bob = to_bob.filter(|sent| sent.to.ip().to_string() == ip(n)).count();
            let acks = world.log().iter().filter(|sent| is_request(sent, "ACK") && sent.to == sip_at(&ip(n)));
            let acks = acks.map(|sent| String::from_utf8(sent.bytes.clone()).unwrap()).collect::<Vec<_>>();
            assert_eq!(acks.len(), 1, "branch {n} {reliable:?}");
            match n {
                1 => {
                    assert_eq!(outcome(&world, *bob), PEER_HUNG_UP);
                    let heard = counts(&world, *bob);
                    assert!(to_bob > 70 && heard.played > 60 && heard.refused == 0, "{heard:?}");
                    assert_eq!(acks[0].contains("a=key-mgmt:mikey "), !early);
                }
                _ => {
                    assert_eq!(to_bob, 0, "media goes to the winner only");
                    assert_eq!(acks[0].contains("m=audio 0 RTP/SAVP"), !early, "the others' offers are refused");
                }
            }
        }
        let heard = counts(&world, alice);
        assert!(heard.played > 60, "{heard:?}");
        assert!(!events(&world, alice).any(|event| matches!(event, Event::TwoTimePad { .. })));
        for node in bobs.iter().chain([&alice]) {
            assert_nothing_left(&world, *node);
        }
    }
}
