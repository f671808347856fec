//! Three phones answer one INVITE: each under keys of its own, where those come with the answer; and one that cannot be
//! talked to is nobody else's affair.

use crate::common::*;
use crate::forked::*;
use keyphone_keying::mikey::ModeName;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, Sent};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{Event, KeyUse};
use keyphone_ua::settings::{EarlyMedia, HangUp};
use keyphone_ua::sip::{Method, Request};
use std::collections::BTreeSet;

/// Those, and one whose keys are in the offer.
const SOME: [ModeName; 4] = [ModeName::Psk, ModeName::DhSign, ModeName::DhHmac, ModeName::RsaR];

/// The same answer with other octets in the middle of its MIKEY message.
fn forge(sent: &Sent) -> Middle {
    let change = |body: String| {
        let at = body.find("a=key-mgmt:mikey ").unwrap() + 17;
        let end = at + body[at..].find('\r').unwrap();
        let middle = at + (end - at) / 2;
        let other = if &body[middle..=middle] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &body[..middle], &body[middle + 1..])
    };
    Middle::Change(rewrite(&sent.bytes, change))
}

/// Is it a 200 with an answer from phone `n`?
fn is_answer(sent: &Sent, n: usize) -> bool {
    sent.from == sip_at(&ip(n)) && is_response(sent, 200) && has_sdp(sent)
}

/// How often alice sent this to phone `n`.
fn sent_to(fork: &Forked, n: usize, method: Method) -> Vec<Request> {
    let tag = fork.tag(n);
    let mut sent = requests(&fork.world, ALICE, method);
    sent.retain(|request| request.headers.to().unwrap().tag() == Some(&tag));
    sent
}

#[test]
fn three_phones_that_answer_have_six_keys_and_none_has_anothers() {
    for mode in LATE {
        let callees = [(1001, early(0)), (1000, early(1)), (1400, early(2))];
        let mut fork = Forked::on(1, Link::PERFECT, mode, &callees, |alice| alice.rules.early_media = EarlyMedia::Last);
        fork.dial(HangUp::After(ms(1500)));
        fork.world.run(at(900));
        assert_eq!(fork.verified().len(), 3, "{mode}: each has early media");
        let hears = fork.keys(fork.alice, KeyUse::Hear);
        let sends = fork.keys(fork.alice, KeyUse::Send);
        for bob in &fork.bobs {
            let theirs = fork.keys(*bob, KeyUse::Send);
            assert!(theirs.len() == 1 && hears.contains(&theirs[0]), "{mode}: {theirs:?} {hears:?}");
            assert!(sends.contains(&fork.keys(*bob, KeyUse::Hear)[0]), "{mode}");
        }
        assert_eq!(hears.iter().chain(&sends).collect::<BTreeSet<_>>().len(), 6, "{mode}");
        let whose = fork.of_alice(|event| match event {
            Event::Key { key, use_for: KeyUse::Hear, branch, .. } => Some((key.clone(), branch.clone())),
            _ => None,
        });
        for (n, bob) in fork.bobs.iter().enumerate() {
            let theirs = fork.keys(*bob, KeyUse::Send).remove(0);
            assert!(whose.contains(&(theirs, Some(fork.tag(n)))), "{mode}: {whose:?}");
        }
        fork.world.run(at(200_000));
        assert_eq!(fork.answered(), [fork.tag(1)], "{mode}");
        assert_eq!([0, 1, 2].map(|n| fork.media_to(n) > 50), [false, true, false], "{mode}: one is talked to");
        for n in [0, 2] {
            assert_eq!(fork.media_to(n), 0);
            assert_eq!(sent_to(&fork, n, Method::Bye).len(), 1, "{mode}");
        }
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP);
        assert!(fork.hears(hz(1), 1500), "{mode}");
        fork.assert_nothing_left();
    }
}

#[test]
fn a_forged_answer_of_one_phone_does_not_end_the_call() {
    for mode in SOME {
        let mut fork = Forked::new(mode, &[(300, None), (900, None), (5000, None)]);
        fork.meddle(|sent| if is_answer(sent, 0) { forge(sent) } else { Middle::Pass });
        fork.dial(HangUp::After(ms(1000)));
        fork.world.run(at(200_000));
        assert_eq!(fork.failed(), [fork.tag(0)], "{mode}");
        assert_eq!(fork.answered(), [fork.tag(1)], "{mode}");
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP, "{mode}");
        let bye = sent_to(&fork, 0, Method::Bye).remove(0);
        assert_eq!(bye.headers.reason().unwrap()[0].cause, Some(488), "{mode}: RFC 3326");
        assert_eq!(sent_to(&fork, 0, Method::Ack).len(), 1, "{mode}");
        assert!(fork.media_to(0) == 0 && fork.media_to(1) > 40, "{mode}");
        assert!(fork.hears_last(hz(1)), "{mode}");
        fork.assert_nothing_left();
    }
}

#[test]
fn a_call_in_which_every_answer_is_forged_is_refused_with_the_last_and_nobody_is_heard() {
    for mode in SOME {
        let mut fork = Forked::new(mode, &[(300, None), (900, None), (600, None)]);
        fork.meddle(|sent| if (0..3).any(|n| is_answer(sent, n)) { forge(sent) } else { Middle::Pass });
        fork.dial(HangUp::Never);
        fork.world.run(at(200_000));
        let ended = when(&fork.world, fork.alice, |event| matches!(event, Event::Ended { .. }));
        assert!(ended > at(900) && ended < at(1000), "{mode}: {ended:?}");
        assert_eq!(outcome(&fork.world, fork.alice).exit_code(), 3, "{mode}");
        assert_eq!(fork.failed(), [fork.tag(0), fork.tag(2)], "{mode}: with the last the call ends");
        assert_eq!(media_from(&fork.world, ALICE).count(), 0, "{mode}");
        assert!([0, 1, 2].iter().all(|n| sent_to(&fork, *n, Method::Bye).len() == 1), "{mode}");
        fork.assert_nothing_left();
    }
}

#[test]
fn after_a_forged_answer_the_others_have_64_times_t1_or_until_the_user_hangs_up() {
    for hang_up in [false, true] {
        let mut fork = Forked::new(ModeName::DhHmac, &[(300, None), (60_000, None)]);
        fork.meddle(|sent| if is_answer(sent, 0) { forge(sent) } else { Middle::Pass });
        fork.dial(HangUp::Never);
        fork.world.run(at(5000));
        if hang_up {
            fork.world.command(fork.alice, Command::HangUpAll);
        }
        fork.world.run(at(300_000));
        let ended = when(&fork.world, fork.alice, |event| matches!(event, Event::Ended { .. }));
        let after = if hang_up { at(5000) } else { at(32_300) };
        assert!(ended >= after && ended < after + ms(10), "RFC 3261 section 13.2.2.4: {ended:?}");
        assert_eq!(outcome(&fork.world, fork.alice).exit_code(), 3);
        assert_eq!(sent_to(&fork, 1, Method::Bye).len(), 1, "who rings on is told");
        fork.assert_nothing_left();
    }
}

#[test]
fn an_answer_that_repeats_another_phones_keys_takes_nothing_from_it() {
    for mode in LATE {
        let mut fork = Forked::new(mode, &[(500, None), (60_000, None)]);
        // Whoever is on the way lets nothing of the answer pass before it has sent a copy, as another phone.
        let real = sip_at(&ip(0));
        fork.meddle(move |sent| match sent.from == real && is_response(sent, 200) && has_sdp(sent) {
            true => Middle::Hold(ms(100)),
            false => Middle::Pass,
        });
        fork.dial(HangUp::After(ms(1500)));
        fork.world.run(at(590));
        let answer = fork.world.log().iter().find(|sent| is_answer(sent, 0)).unwrap().bytes.clone();
        fork.world.run(at(610));
        assert_eq!(fork.answered(), [fork.tag(0)]);
        let copy = String::from_utf8(answer).unwrap().replace(&fork.tag(0), "copied");
        fork.world.inject(sip_at(PROXY), sip_at(ALICE), copy.as_bytes());
        fork.world.run(at(300_000));
        assert_eq!(fork.answered(), [fork.tag(0)], "{mode}");
        assert!(fork.media_to(0) > 60 && fork.hears(hz(0), 800), "{mode}: its keys are still good");
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP, "{mode}");
        assert!(!fork.of_alice(|event| matches!(event, Event::TwoTimePad { .. }).then_some(())).contains(&()));
    }
}

#[test]
fn an_early_answer_that_repeats_another_phones_keys_fails_alone() {
    for mode in LATE {
        let rule = |alice: &mut keyphone_ua::settings::Settings| alice.rules.early_media = EarlyMedia::Last;
        let mut fork = Forked::on(1, Link::PERFECT, mode, &[(1000, early(0)), (60_000, None)], rule);
        fork.dial(HangUp::After(ms(1500)));
        fork.world.run(at(200));
        assert_eq!(fork.verified().len(), 1);
        let answer = responses(&fork.world, &ip(0), 183).remove(0);
        let mut copy = String::from_utf8(answer.to_bytes()).unwrap().replace(&fork.tag(0), "copied");
        copy = copy.replacen("SIP/2.0 183 Session Progress", "SIP/2.0 200 OK", 1);
        fork.world.inject(sip_at(PROXY), sip_at(ALICE), copy.as_bytes());
        fork.world.run(at(300_000));
        assert_eq!(fork.failed(), ["copied"], "{mode}");
        assert_eq!(fork.answered(), [fork.tag(0)], "{mode}");
        assert!(fork.media_to(0) > 60 && fork.hears(hz(0), 1500), "{mode}: its keys are still good");
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP, "{mode}");
    }
}

#[test]
fn a_second_answer_is_not_even_verified_and_never_takes_the_winners_place() {
    for mode in LATE {
        let mut fork = Forked::new(mode, &[(401, None), (400, None), (1200, None)]);
        fork.dial(HangUp::After(ms(1500)));
        fork.world.run(at(200_000));
        assert_eq!((fork.answered(), fork.verified().len()), (vec![fork.tag(1)], 1), "{mode}");
        for n in [0, 2] {
            assert_eq!((fork.media_to(n), sent_to(&fork, n, Method::Bye).len()), (0, 1), "{mode}");
        }
        assert!(fork.hears(hz(1), 900), "{mode}");
        assert_eq!(fork.keys(fork.alice, KeyUse::Hear), fork.keys(fork.bobs[1], KeyUse::Send), "{mode}");
        fork.assert_nothing_left();
    }
}

#[test]
fn our_own_packets_that_come_back_in_a_forked_call_are_dropped_counted_and_cause_nothing() {
    for mode in SOME {
        let mut fork = Forked::new(mode, &[(300, early(0)), (5000, early(1))]);
        fork.dial(HangUp::After(ms(2000)));
        fork.world.run(at(1500));
        let ours: Vec<_> = media_from(&fork.world, ALICE).filter(|sent| sent.to.port() % 2 == 0).cloned().collect();
        for sent in ours.iter().take(40) {
            fork.world.inject(sent.to, sent.from, &sent.bytes);
        }
        fork.world.run(at(200_000));
        let counts = counts(&fork.world, fork.alice);
        // Each way has a key of its own, so that they are nobody's; as is what the other phone says after the answer.
        let others = if mode == ModeName::Psk { 0 } else { 102 };
        let dropped = counts.reflected + counts.refused;
        assert!((40..=40 + others).contains(&dropped) && counts.replayed == 0, "{mode}: {counts:?}");
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP, "{mode}");
        assert!(fork.hears(hz(0), 1500), "{mode}");
        assert!(fork.of_alice(|event| matches!(event, Event::TwoTimePad { .. }).then_some(())).is_empty());
    }
}
