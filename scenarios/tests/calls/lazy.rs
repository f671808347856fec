//! Thirty phones ring at once (RFC 5197 section 5.2), and alice verifies the answers that she needs.

use crate::common::*;
use crate::forked::*;
use keyphone_keying::mikey::ModeName;
use keyphone_media::env::Instant;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::Middle;
use keyphone_ua::event::{Event, Why};
use keyphone_ua::settings::{EarlyMedia, HangUp, Preconditions};

const PHONES: usize = 30;

/// 50 ms, and up to 100 more for each datagram: media and answers come in any order.
const FAR: Link = Link { latency: ms(50), jitter: ms(100), ..Link::PERFECT };

fn thirty(early_too: bool) -> Vec<Callee> {
    (0..PHONES).map(|n| (3000 + 50 * n as u64, if early_too { early(n) } else { None })).collect()
}

/// How many answers alice had verified when the first frame came into the jitter buffer.
fn verified_at_first_frame(fork: &Forked) -> usize {
    let first = events(&fork.world, fork.alice).position(|event| matches!(event, Event::Heard { .. })).unwrap();
    events(&fork.world, fork.alice).take(first).filter(|event| matches!(event, Event::Verified { .. })).count()
}

#[test]
fn of_thirty_phones_with_early_media_one_answer_is_verified_before_the_first_frame_is_heard() {
    for (seed, mode) in (1..=8).flat_map(|seed| LATE.map(|mode| (seed, mode))) {
        // Three times as many worlds for the mode with the costly answers.
        if mode != ModeName::DhSign && seed > 2 {
            continue;
        }
        let mut fork = Forked::on(seed, FAR, mode, &thirty(true), |alice| alice.jitter = ms(150));
        fork.dial(HangUp::After(ms(500)));
        fork.world.run(at(2500));
        assert_eq!(verified_at_first_frame(&fork), 1, "{mode}, seed {seed}");
        assert_eq!(fork.verified().len(), 1, "{mode}, seed {seed}: nor any later, while it speaks");
        assert_eq!(fork.verified()[0].1, Why::Media);
        let heard = fork.verified().remove(0).0;
        let first = (0..PHONES).find(|n| fork.tag(*n) == heard).unwrap();
        fork.world.run(at(10_000));
        assert!(fork.hears(hz(first) + 50.0, 400), "{mode}, seed {seed}");
        let verified = fork.verified();
        assert!(verified.len() <= 3, "{mode}, seed {seed}: and who answers finally: {verified:?}");
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP, "{mode}, seed {seed}");
    }
}

#[test]
fn of_thirty_phones_that_say_nothing_early_only_the_one_that_answers_is_verified() {
    let mut fork = Forked::on(1, FAR, ModeName::DhSign, &thirty(true), |_| ());
    fork.meddle(|sent| if sent.media { Middle::Drop } else { Middle::Pass });
    fork.dial(HangUp::After(ms(500)));
    fork.world.run(at(2900));
    assert_eq!(responses(&fork.world, &ip(29), 183).len(), 1);
    assert_eq!(fork.verified(), []);
    fork.world.run(at(10_000));
    let winner = fork.answered().remove(0);
    assert_eq!(fork.verified(), [(winner, Why::Final)]);
}

#[test]
fn where_nobody_rings_before_the_call_is_keyed_all_thirty_are_verified() {
    let required = |alice: &mut keyphone_ua::settings::Settings| alice.rules.preconditions = Preconditions::Required;
    let mut fork = Forked::on(1, FAR, ModeName::DhSign, &thirty(true), required);
    fork.dial(HangUp::After(ms(500)));
    fork.world.run(at(2000));
    let verified = fork.verified();
    assert_eq!(verified.len(), PHONES, "RFC 5197 section 5.2");
    assert!(verified.iter().all(|(_, why)| *why == Why::Precondition));
}

#[test]
fn media_that_no_answer_tells_of_is_tried_after_half_a_second_one_phone_after_another() {
    // Whoever changes addresses on the way changes none in the SDP; and an SSRC that no answer names.
    let mut fork = Forked::on(1, Link::PERFECT, ModeName::DhSign, &thirty(false)[..6], |_| ());
    fork.dial(HangUp::Never);
    fork.world.run(at(100));
    assert_eq!(fork.verified(), []);
    let mut stray = vec![0x55; 180];
    (stray[0], stray[1]) = (0x80, 0);
    fork.world.inject("192.0.2.7:5004".parse().unwrap(), format!("{ALICE}:40000").parse().unwrap(), &stray);
    fork.world.run(at(2000));
    assert_eq!(fork.verified(), [], "a 180 has no answer that could be verified");

    let mut fork = Forked::on(1, Link::PERFECT, ModeName::DhSign, &thirty(true)[..6], |_| ());
    fork.meddle(|sent| if sent.media { Middle::Drop } else { Middle::Pass });
    fork.dial(HangUp::Never);
    fork.world.run(at(100));
    fork.world.inject("192.0.2.7:5004".parse().unwrap(), format!("{ALICE}:40000").parse().unwrap(), &stray);
    fork.world.run(at(599));
    assert_eq!(fork.verified(), [], "its own answer may still come");
    fork.world.run(at(700));
    let verified = fork.verified();
    assert!(verified.len() == 6 && verified.iter().all(|(_, why)| *why == Why::Trial), "{verified:?}");
    assert_slow(&fork);
}

#[test]
fn thirty_answers_with_media_never_take_more_than_two_verifications_of_any_20_ms() {
    for rule in [EarlyMedia::Last, EarlyMedia::Loudest] {
        let mut fork = Forked::on(3, FAR, ModeName::DhSign, &thirty(true), |alice| alice.rules.early_media = rule);
        fork.dial(HangUp::Never);
        fork.world.run(at(2500));
        assert_eq!(fork.verified().len(), PHONES, "{rule:?}: each of them may be the one to hear");
        assert_eq!(verified_at_first_frame(&fork), 1, "{rule:?}");
        assert_slow(&fork);
    }
}

/// No more than two of them within 20 ms.
fn assert_slow(fork: &Forked) {
    let verified = fork.world.node(fork.alice).events.iter();
    let verified = verified.filter(|(_, event)| matches!(event, Event::Verified { .. }));
    let times: Vec<Instant> = verified.map(|(at, _)| *at).collect();
    let windows = times.windows(5).map(|five| five[4].since(five[0]));
    assert!(windows.min().is_none_or(|least| least >= ms(20)), "{times:?}");
}
