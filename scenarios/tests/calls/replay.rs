//! A world made twice of one seed is the same world, and no seed makes a call fail.

use crate::common::*;
use keyphone_scenarios::link::Link;
use keyphone_ua::event::Event;
use keyphone_ua::settings::{HangUp, Incoming, Plan, Record};

/// Loses 5 %, reorders, and delivers 1 % twice: SIP and media.
const ROUGH: Link =
    Link { latency: ms(10), jitter: ms(40), loss_permille: 50, duplicate_permille: 10, reorder_permille: 0 };

fn rough_call(seed: u64) -> Pair {
    let quiet = |hz, hang_up| Plan { record: Record::Nothing, ..plan(hz, hang_up) };
    let mut bob = phone("bob", Pair::BOB, no_change);
    bob.incoming = Incoming::Answer { after: ms(100), early: None, plan: quiet(BOB_HZ, HangUp::Never) };
    let mut pair = Pair::on(seed, ROUGH, phone("alice", Pair::ALICE, no_change), bob);
    let plan = quiet(ALICE_HZ, HangUp::After(ms(1200)));
    pair.world.command(pair.alice, call(Pair::BOB, keyphone_ua::transaction::Transport::Udp, plan));
    pair.run(120_000);
    pair
}

#[test]
fn one_seed_is_one_world_and_another_seed_another() {
    let (one, again, other) = (rough_call(7), rough_call(7), rough_call(8));
    assert_eq!(one.world.log(), again.world.log());
    for node in [one.alice, one.bob] {
        assert_eq!(one.world.node(node).events, again.world.node(node).events);
    }
    assert_ne!(one.world.log(), other.world.log());
}

#[test]
fn a_thousand_rough_links_and_not_one_failed_call() {
    let (mut lost, mut twice) = (0, 0);
    for seed in 0..1000 {
        let pair = rough_call(seed);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "seed {seed}");
        pair.assert_nothing_left();
        for node in [pair.alice, pair.bob] {
            let counts = counts(&pair.world, node);
            assert!(counts.played > 25 && counts.refused == 0, "seed {seed}: {counts:?}");
            let strange = |event: &&Event| {
                matches!(event, Event::BranchLost { .. } | Event::TwoTimePad { .. } | Event::Trouble { .. })
            };
            assert_eq!(events(&pair.world, node).find(strange), None, "seed {seed}");
        }
        let ended = when(&pair.world, pair.alice, |event| matches!(event, Event::Ended { .. }));
        let last = pair.world.log().iter().map(|sent| sent.at).max().unwrap();
        assert!(last.since(ended).as_secs() < 64, "seed {seed}");
        lost += pair.world.log().iter().filter(|sent| sent.arrived.is_empty()).count();
        twice += pair.world.log().iter().filter(|sent| sent.arrived.len() == 2).count();
    }
    assert!(lost > 5_000 && twice > 1_000, "the links were rough: {lost} {twice}");
}
