//! Several phones have early media: one is heard, as the rule says, and no other.

use crate::common::*;
use crate::forked::*;
use keyphone_keying::mikey::ModeName;
use keyphone_scenarios::link::Link;
use keyphone_ua::event::Event;
use keyphone_ua::settings::{EarlyMedia, HangUp, Play};

const MODES: [ModeName; 3] = [ModeName::Psk, ModeName::DhSign, ModeName::RsaR];

/// Three phones that begin to speak at 0, 1 and 2 s, as loud as that; the second answers at 5 s.
fn story(mode: ModeName, rule: EarlyMedia, loud: [f32; 3]) -> Forked {
    let callees = [(60_000, 0), (4000, 1), (60_000, 2)].map(|(after, n)| {
        let early: Play = tone(hz(n) + 50.0, loud[n]);
        (after, Some(early))
    });
    let mut fork = Forked::on(1, Link::PERFECT, mode, &callees, |alice| alice.rules.early_media = rule);
    fork.call(HangUp::After(ms(1000)));
    for n in 0..3 {
        fork.reach(n);
        fork.world.run(at(1000 * (n as u64 + 1)));
    }
    fork.world.run(at(4900));
    fork
}

/// Goes on until all is over, and asserts what was heard: when, in ms after the first, and of whom.
fn assert_heard(mut fork: Forked, mode: ModeName, heard: &[(usize, usize)]) {
    fork.world.run(at(300_000));
    assert_eq!(fork.answered().len(), 1, "{mode}");
    for (from, of) in heard {
        for n in 0..3 {
            assert_eq!(fork.hears(hz(n) + 50.0, *from), n == *of, "{mode}: at {from}, phone {n}");
        }
    }
    assert!(fork.hears(hz(1), 5300), "{mode}: and who answers is heard");
    let said = format!("{:?}", fork.world.node(fork.alice).events);
    assert!(!said.contains("TwoTimePad"), "{said}");
}

#[test]
fn the_first_that_spoke_is_heard_until_another_answers() {
    for mode in MODES {
        let fork = story(mode, EarlyMedia::First, [0.5; 3]);
        assert_heard(fork, mode, &[(400, 0), (1400, 0), (2400, 0), (4300, 0)]);
    }
}

#[test]
fn the_last_that_began_to_speak_is_heard_until_another_answers() {
    for mode in MODES {
        let fork = story(mode, EarlyMedia::Last, [0.5; 3]);
        assert_heard(fork, mode, &[(400, 0), (1400, 1), (2400, 2), (4300, 2)]);
    }
}

#[test]
fn the_loudest_is_heard_and_one_that_is_hardly_louder_is_not() {
    for mode in MODES {
        let fork = story(mode, EarlyMedia::Loudest, [0.2, 0.1, 0.7]);
        assert_heard(fork, mode, &[(400, 0), (1400, 0), (2600, 2), (4300, 2)]);
        let fork = story(mode, EarlyMedia::Loudest, [0.3, 0.5, 0.5]);
        assert_heard(fork, mode, &[(400, 0), (1400, 0), (2600, 0), (4300, 0)]);
    }
}

#[test]
fn none_is_heard_before_the_answer_where_none_is_wanted() {
    for mode in MODES {
        let mut fork = story(mode, EarlyMedia::None, [0.5; 3]);
        assert!(!fork.of_alice(|event| matches!(event, Event::Heard { .. }).then_some(())).contains(&()), "{mode}");
        let late = mode != ModeName::Psk;
        assert_eq!(fork.verified().len(), if late { 0 } else { 3 }, "{mode}: nor is it worth anything");
        fork.world.run(at(300_000));
        assert!(fork.hears(hz(1), 300), "{mode}");
        assert!((0..3).all(|n| !fork.hears(hz(n) + 50.0, 0)), "{mode}");
    }
}

#[test]
fn what_others_send_early_is_authenticated_where_there_is_a_key_and_counted() {
    let mut fork = story(ModeName::Psk, EarlyMedia::First, [0.5; 3]);
    fork.world.run(at(300_000));
    let heard = counts(&fork.world, fork.alice);
    assert!(heard.unheard > 250 && heard.refused + heard.unkeyed == 0, "{heard:?}");
    let mut fork = story(ModeName::DhSign, EarlyMedia::Last, [0.5; 3]);
    fork.world.run(at(300_000));
    let heard = counts(&fork.world, fork.alice);
    // With the answer the keys of the others go, who talk on for a second.
    assert!(heard.unheard > 250 && heard.refused <= 102, "{heard:?}");
}
