//! Answers that are no good, or not what they might be: too many, too long, without what they need, said twice or not
//! again. None of them keeps a call from ending, or alice busier than her limits say.

use crate::common::*;
use crate::forked::*;
use crate::ways::WAYS;
use keyphone_keying::mikey::ModeName;
use keyphone_media::audio::codec::Codec;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, Sent};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, Outcome, Why};
use keyphone_ua::settings::{EarlyMedia, HangUp, Reliable, Settings};
use keyphone_ua::sip::Method;

/// Is it a 200 with an answer?
fn is_answer(sent: &Sent) -> bool {
    is_response(sent, 200) && has_sdp(sent)
}

/// The same without that header.
fn without(header: &str, sent: &Sent) -> Middle {
    let text = String::from_utf8(sent.bytes.clone()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let name = format!("{header}:");
    let head: Vec<_> = head.lines().filter(|line| !line.starts_with(&name)).collect();
    assert!(head.len() < text.lines().count());
    Middle::Change(format!("{}\r\n\r\n{body}", head.join("\r\n")).into_bytes())
}

/// The same answer with another character in its MIKEY message, as many as there are.
fn forge(body: &str, nth: usize) -> String {
    let at = body.find("a=key-mgmt:mikey ").unwrap() + 60 + nth;
    let other = if &body[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &body[..at], &body[at + 1..])
}

/// What alice says of early media is not acknowledged.
fn unreliable(alice: &mut Settings) {
    alice.rules.reliable = Reliable::Never;
}

#[test]
fn a_call_whose_one_answer_cannot_be_acknowledged_fails_and_is_not_for_ever() {
    let mut pair = Pair::new();
    pair.world.set_middle(Box::new(|sent| if is_answer(sent) { without("Contact", sent) } else { Middle::Pass }));
    pair.dial(HangUp::Never);
    pair.run(100_000);
    let Outcome::Failed { status: Some(200), why } = pair.outcome(pair.alice) else { panic!() };
    assert!(why.contains("cannot be acknowledged") && why.contains("Contact"), "{why}");
    pair.assert_nothing_left();
}

#[test]
fn where_one_answer_cannot_be_acknowledged_the_others_have_their_time_and_no_more() {
    for (other, wins) in [(900, true), (60_000, false)] {
        let mut fork = Forked::new(ModeName::DhHmac, &[(300, None), (other, None)]);
        let first = sip_at(&ip(0));
        fork.meddle(move |sent| match sent.from == first && is_answer(sent) {
            true => without("Contact", sent),
            false => Middle::Pass,
        });
        fork.dial(HangUp::After(ms(1000)));
        fork.world.run(at(200_000));
        assert_eq!(fork.failed(), [fork.tag(0)], "told once, however often it comes");
        match wins {
            true => {
                assert_eq!(fork.answered(), [fork.tag(1)]);
                assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP);
            }
            false => {
                let ended = when(&fork.world, fork.alice, |event| matches!(event, Event::Ended { .. }));
                assert!(ended >= at(32_300) && ended < at(32_310), "RFC 3261 section 13.2.2.4: {ended:?}");
                assert!(matches!(outcome(&fork.world, fork.alice), Outcome::Failed { .. }));
            }
        }
        assert_nothing_left(&fork.world, fork.alice);
    }
}

#[test]
fn of_a_flood_of_bad_answers_a_few_are_verified_and_declined_and_whoever_rang_may_still_answer() {
    let mut fork = Forked::new(ModeName::DhHmac, &[(300, None), (2000, None)]);
    let first = sip_at(&ip(0));
    fork.meddle(move |sent| match sent.from == first && is_answer(sent) {
        true => Middle::Change(rewrite(&sent.bytes, |body| forge(&body, 0))),
        false => Middle::Pass,
    });
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(600));
    let answer = &fork.world.log().iter().find(|sent| sent.from == first && is_answer(sent)).unwrap().bytes;
    let answer = String::from_utf8(rewrite(answer, |body| forge(&body, 0))).unwrap();
    for n in 0..500 {
        let copy = answer.replace(&fork.tag(0), &format!("copy{n}"));
        fork.world.inject(sip_at(PROXY), sip_at(ALICE), copy.as_bytes());
        for fill in fork.world.node(fork.alice).endpoint.tables(fork.world.now()) {
            assert!(fill.entries <= fill.most && (fill.table != "calls that were left" || fill.entries <= 64));
        }
    }
    assert_eq!(fork.verified().len(), 64);
    assert_eq!(fork.failed().len(), 64);
    let byes = requests(&fork.world, ALICE, Method::Bye).len();
    assert!(byes <= 64, "{byes}");
    fork.world.run(at(300_000));
    assert_eq!(fork.answered(), [fork.tag(1)]);
    assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP);
}

#[test]
fn of_a_flood_of_branches_no_more_are_told_apart_when_the_first_are_over() {
    let mut fork = Forked::on(1, Link::PERFECT, ModeName::DhSign, &[(60_000, None)], unreliable);
    fork.dial(HangUp::Never);
    fork.world.run(at(100));
    let ringing = String::from_utf8(responses(&fork.world, &ip(0), 180).remove(0).to_bytes()).unwrap();
    for n in 0..500 {
        let copy = ringing.replace(&fork.tag(0), &format!("copy{n}"));
        let over = copy.replacen("180 Ringing", "199 Early Dialog Terminated", 1);
        for said in [copy, over] {
            fork.world.inject(sip_at(PROXY), sip_at(ALICE), said.as_bytes());
        }
    }
    let rang = fork.of_alice(|event| matches!(event, Event::Ringing { .. }).then_some(())).len();
    assert_eq!(rang, 64);
}

#[test]
fn a_200_that_does_not_say_again_what_was_proven_already_is_taken() {
    // Once with media that has the early answer verified, once without.
    for heard in [true, false] {
        let mut fork = Forked::on(1, Link::PERFECT, ModeName::DhSign, &[(1000, early(0))], unreliable);
        fork.meddle(move |sent| match (is_answer(sent), sent.media && !heard) {
            (true, _) => Middle::Change(rewrite(&sent.bytes, |_| String::new())),
            (_, true) if sent.at < at(900) => Middle::Drop,
            _ => Middle::Pass,
        });
        fork.dial(HangUp::After(ms(1000)));
        fork.world.run(at(900));
        assert_eq!(fork.verified().len(), usize::from(heard));
        fork.world.run(at(200_000));
        assert_eq!(fork.answered(), [fork.tag(0)], "RFC 3261 section 13.2.1: the first is the answer");
        assert_eq!(fork.verified().len(), 1);
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP);
        assert!(fork.media_to(0) > 40 && fork.hears_last(hz(0)));
        fork.assert_nothing_left();
    }
}

#[test]
fn early_answers_of_a_branch_that_do_not_hold_are_verified_three_times_and_its_200_still_counts() {
    let mut fork = Forked::on(1, Link::PERFECT, ModeName::DhSign, &[(3000, early(0))], unreliable);
    let bob = sip_at(&ip(0));
    fork.meddle(move |sent| match sent.from == bob && is_response(sent, 183) {
        true => Middle::Change(rewrite(&sent.bytes, |body| forge(&body, 0))),
        false => Middle::Pass,
    });
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(200));
    let early = responses(&fork.world, &ip(0), 183).remove(0).to_bytes();
    for n in 1..20 {
        fork.world.inject(sip_at(PROXY), sip_at(ALICE), &rewrite(&early, |body| forge(&body, n)));
        fork.world.run(at(200 + n as u64 * 100));
    }
    assert_eq!(fork.verified().len(), 3, "although its media waits");
    assert_eq!(fork.failed(), [] as [String; 0], "nobody knows whose they were");
    assert_eq!(troubles(&fork.world, fork.alice).len(), 3);
    assert!(!fork.of_alice(|event| matches!(event, Event::Heard { .. }).then_some(())).contains(&()));
    fork.world.run(at(200_000));
    assert_eq!(fork.answered(), [fork.tag(0)]);
    assert_eq!(fork.verified().last(), Some(&(fork.tag(0), Why::Final)));
    assert!(fork.hears_last(hz(0)));
    fork.assert_nothing_left();
}

#[test]
fn a_branch_that_is_sent_away_for_its_early_answer_is_told_of_once() {
    let mut fork = Forked::new(ModeName::DhSign, &[(1000, early(0)), (1500, None)]);
    let bob = sip_at(&ip(0));
    // It hears nothing of being sent away, and answers all the same.
    fork.meddle(move |sent| match (sent.from == bob && has_sdp(sent), sent.to == bob && is_request(sent, "BYE")) {
        (true, _) => Middle::Change(rewrite(&sent.bytes, |body| forge(&body, 0))),
        (_, true) if sent.at < at(900) => Middle::Drop,
        _ => Middle::Pass,
    });
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(200_000));
    assert_eq!(fork.failed(), [fork.tag(0)]);
    assert_eq!(fork.answered(), [fork.tag(1)]);
    assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP);
}

#[test]
fn a_very_long_early_answer_is_no_reason_to_verify_at_once() {
    let mut fork = Forked::on(1, Link::PERFECT, ModeName::DhSign, &[(1000, early(0))], unreliable);
    fork.meddle(|sent| match has_sdp(sent) && is_response(sent, 183) {
        true => Middle::Change(rewrite(&sent.bytes, |body| body + &format!("a=x-long:{}\r\n", "x".repeat(20_000)))),
        false => Middle::Pass,
    });
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(900));
    assert_eq!(fork.verified(), []);
    fork.world.run(at(200_000));
    assert_eq!(fork.verified(), [(fork.tag(0), Why::Final)]);
    assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP);
}

/// The session description of a message becomes one part of several (RFC 5621).
fn wrap(sent: &Sent) -> Middle {
    if sent.media || !has_sdp(sent) {
        return Middle::Pass;
    }
    let text = String::from_utf8(sent.bytes.clone()).unwrap();
    let text = text.replace("Content-Type: application/sdp", "Content-Type: multipart/mixed;boundary=part");
    Middle::Change(rewrite(text.as_bytes(), |body| {
        let more = "Content-Type: text/plain\r\nContent-Disposition: info;handling=optional\r\n\r\nhello";
        format!("--part\r\n{more}\r\n--part\r\nContent-Type: application/sdp\r\n\r\n{body}\r\n--part--\r\n")
    }))
}

#[test]
fn wherever_offer_and_answer_travel_they_may_be_a_part_of_a_body() {
    for (way, change) in WAYS {
        let (mut alice, mut bob) = (phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
        change(&mut alice);
        change(&mut bob);
        let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
        pair.world.set_middle(Box::new(wrap));
        pair.dial(HangUp::Never);
        pair.run(1500);
        for who in [pair.alice, pair.bob] {
            pair.world.command(who, Command::Rekey(CallId(1)));
            pair.run(3000 + 2000 * who as u64);
        }
        pair.world.command(pair.alice, Command::HangUpAll);
        pair.run(100_000);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "{way}");
        for node in [pair.alice, pair.bob] {
            assert_eq!(troubles(&pair.world, node), [] as [String; 0], "{way}");
            assert!(counts(&pair.world, node).played > 100, "{way}");
        }
        pair.assert_nothing_left();
    }
}

#[test]
fn what_waited_for_its_key_and_came_twice_is_counted_once() {
    let mut fork = Forked::new(ModeName::DhSign, &[(300, None)]);
    let bob = sip_at(&ip(0));
    fork.meddle(move |sent| if sent.from == bob && has_sdp(sent) { Middle::Hold(ms(200)) } else { Middle::Pass });
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(450));
    let waits: Vec<_> = media_from(&fork.world, &ip(0)).filter(|sent| sent.arrived[0] < at(450)).cloned().collect();
    assert!(waits.len() > 5);
    waits.iter().for_each(|sent| fork.world.inject(sent.from, sent.to, &sent.bytes));
    fork.world.run(at(100_000));
    let clipped = fork.of_alice(|event| match event {
        Event::Clipped { held, played, dropped, .. } => Some((*held, *played, *dropped)),
        _ => None,
    });
    let [(held, played, dropped)] = clipped[..] else { panic!("{clipped:?}") };
    let counts = counts(&fork.world, fork.alice);
    assert!(counts.replayed >= waits.len() as u64 - 1, "{counts:?}");
    assert!((8..=11).contains(&held) && played + dropped == held, "200 ms of it: {clipped:?}");
}

#[test]
fn one_who_speaks_another_codec_takes_the_floor_although_some_of_the_first_came_late() {
    let callees = [(60_000, early(0)), (60_000, early(1))];
    let last = |alice: &mut Settings| alice.rules.early_media = EarlyMedia::Last;
    let codecs = |n: usize, bob: &mut Settings| bob.codecs = vec![[Codec::Pcmu, Codec::Opus][n]];
    let mut fork = Forked::among(1, Link::PERFECT, ModeName::DhSign, &callees, last, codecs);
    let first = sip_at(&ip(0)).ip();
    let mut count = 0;
    fork.meddle(move |sent| {
        count += u64::from(sent.media && sent.from.ip() == first);
        match sent.media && sent.from.ip() == first && count % 5 == 0 {
            true => Middle::Hold(ms(300)),
            false => Middle::Pass,
        }
    });
    fork.call(HangUp::Never);
    fork.reach(0);
    fork.world.run(at(1500));
    let late = fork.world.node(fork.alice).endpoint.counts(CallId(1)).unwrap().late;
    assert!(late > 5, "{late}");
    fork.reach(1);
    fork.world.run(at(3000));
    let clipped = fork.of_alice(|event| match event {
        Event::Clipped { branch, ms, .. } => Some((branch.clone(), *ms)),
        _ => None,
    });
    assert!(clipped.iter().all(|(_, ms)| *ms < 1000), "{clipped:?}");
    assert_eq!(fork.verified().len(), 2);
    fork.world.command(fork.alice, Command::HangUpAll);
    fork.world.run(at(300_000));
    assert_nothing_left(&fork.world, fork.alice);
}
