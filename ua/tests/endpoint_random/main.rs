//! Three phones, and a network on which anything may happen: messages lost, late, twice, changed, made up, in states
//! where they make no sense; users who do all that users can; phones that crash. Nothing panics, every call ends, and
//! when all timers have run out no table has an entry left.
//!
//! 2000 sequences; `KEYPHONE_SEQUENCES` asks for more.

mod phones;
mod steps;

use keyphone_ua::event::{Event, Outcome, Side};
use phones::{Phones, Setup, Weather};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use steps::{Step, setup, step};

const CALM: Weather = Weather { loss: 0, twice: 0, latest: 20 };

#[test]
fn on_this_network_a_call_can_be_made_and_changed() {
    let mut phones = Phones::new(&Setup::default());
    // There is but one call to choose from.
    let call = any::<Index>().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let at = |phones: &mut Phones, step| phones.take(&step);
    at(&mut phones, Step::Call(0, 1, keyphone_ua::transaction::Transport::Udp, None));
    at(&mut phones, Step::Run(1000, CALM));
    at(&mut phones, Step::Hold(0, call));
    at(&mut phones, Step::Run(1000, CALM));
    at(&mut phones, Step::Resume(0, call));
    at(&mut phones, Step::Run(1000, CALM));
    at(&mut phones, Step::HangUp(0, call));
    at(&mut phones, Step::Run(1000, CALM));
    phones.end(CALM);
    phones.check();
    let has = |phone: usize, holds: &dyn Fn(&Event) -> bool| phones.events[phone].iter().any(holds);
    let completed =
        |by| move |e: &Event| matches!(e, Event::Ended { outcome: Outcome::Completed { by: b }, .. } if *b == by);
    assert!(has(0, &completed(Side::Us)) && has(1, &completed(Side::Peer)), "{:?}", phones.events);
    assert!(has(1, &|e| matches!(e, Event::Held { .. })), "{:?}", phones.events[1]);
    assert!(has(1, &|e| matches!(e, Event::Resumed { .. })), "{:?}", phones.events[1]);
}

/// How many sequences.
fn cases() -> u32 {
    std::env::var("KEYPHONE_SEQUENCES").map_or(2000, |text| text.parse().expect("KEYPHONE_SEQUENCES is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_panics_every_call_ends_and_no_entry_is_left(
        setup in setup(),
        steps in proptest::collection::vec(step(), 1..60),
        dead in any::<bool>(),
    ) {
        let mut phones = Phones::new(&setup);
        for step in &steps {
            phones.take(step);
            phones.check_bounds();
        }
        phones.end(if dead { Weather { loss: 100, ..CALM } } else { CALM });
        phones.check();
    }
}
