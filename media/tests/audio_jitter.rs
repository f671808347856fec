//! The jitter buffer under ten thousand networks.

use std::time::Duration;

use keyphone_media::audio::jitter::{CAPACITY, Counts, Jitter, Packet, Playout};
use keyphone_media::env::Instant;
use proptest::prelude::*;

const SLOT: u32 = 160;

/// What the network does to one packet: how late it comes in ms (`None`: lost), and whether twice.
type Fate = (Option<u16>, bool);

fn packet(n: usize, first: u32) -> Packet {
    Packet {
        index: n as u64,
        marker: n == 0,
        timestamp: first.wrapping_add(n as u32 * SLOT),
        samples: SLOT,
        payload: vec![n as u8],
    }
}

/// Runs one network in steps of 20 ms until all is over; returns the counts, the indices of what played,
/// and whether the buffer began anew in between.
fn run(fates: &[Fate], first: u32, depth: u64) -> (Counts, Vec<u64>, bool) {
    let mut arrivals: Vec<(u64, Packet)> = Vec::new();
    for (n, (delay, twice)) in fates.iter().enumerate() {
        if let Some(delay) = delay {
            let at = n as u64 * 20 + u64::from(*delay);
            arrivals.push((at, packet(n, first)));
            if *twice {
                arrivals.push((at + 7, packet(n, first)));
            }
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    let mut jitter = Jitter::new(Duration::from_millis(depth), 8000);
    let (mut played, mut anew, mut next) = (Vec::new(), false, 0);
    for tick in 0..fates.len() as u64 + 60 {
        while let Some((at, p)) = arrivals.get(next).filter(|(at, _)| *at <= tick * 20) {
            jitter.push(p.clone(), Instant::from_micros(at * 1000));
            next += 1;
            assert!(jitter.waiting() <= CAPACITY);
        }
        match jitter.pop(Instant::from_micros(tick * 20_000)) {
            Playout::Packet(p) => played.push(p.index),
            Playout::Gap(_) => {}
            Playout::Wait => anew |= !played.is_empty(),
        }
    }
    let c = jitter.counts();
    assert_eq!(jitter.waiting(), 0, "all is over");
    assert_eq!(c.played, played.len() as u64);
    let became = c.played + c.late + c.duplicate + c.discarded;
    assert_eq!(became, arrivals.len() as u64, "every packet becomes one thing: {c:?}");
    (c, played, anew)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn a_network_within_the_depth_costs_nothing_but_what_it_lost(
        mut fates in proptest::collection::vec((proptest::option::weighted(0.9, 0u16..40), any::<bool>()), 1..150),
        first in any::<u32>(),
    ) {
        // The first packet sets the clock, and the last one tells the losses before it: both come at once.
        fates[0].0 = Some(0);
        fates.push((Some(0), false));
        let (counts, played, anew) = run(&fates, first, 60);
        let came: Vec<u64> = (0..fates.len()).filter(|n| fates[*n].0.is_some()).map(|n| n as u64).collect();
        prop_assert_eq!(&played, &came);
        prop_assert_eq!(counts.lost, (fates.len() - came.len()) as u64);
        prop_assert_eq!((counts.late, counts.discarded, anew), (0, 0, false));
    }

    #[test]
    fn a_wild_network_is_counted_right_and_plays_in_order(
        fates in proptest::collection::vec((proptest::option::weighted(0.8, 0u16..400), any::<bool>()), 1..150),
        first in any::<u32>(),
        depth in 20u64..200,
    ) {
        let (counts, played, anew) = run(&fates, first, depth);
        // Only a buffer that begins anew, after half a second of nothing but late packets, may go back in time.
        if !anew {
            prop_assert!(played.windows(2).all(|w| w[0] < w[1]), "{:?}", played);
            let missing = fates.iter().filter(|f| f.0.is_none()).count() as u64;
            prop_assert!(counts.lost <= missing, "{:?}, {} missing", counts, missing);
        }
    }

    #[test]
    fn any_packets_at_all_neither_panic_nor_pile_up(
        packets in proptest::collection::vec(
            (any::<u64>(), any::<bool>(), any::<u32>(), 1u32..2000, 0u64..50_000, 0usize..3), 0..200),
    ) {
        let mut jitter = Jitter::new(Duration::from_millis(60), 8000);
        let (mut now, pushed) = (Instant::ZERO, packets.len() as u64);
        for (index, marker, timestamp, samples, wait, pops) in packets {
            now = now + Duration::from_micros(wait);
            // Anything from wild jumps to near neighbours.
            let timestamp = timestamp >> (index % 32);
            jitter.push(Packet { index, marker, timestamp, samples, payload: vec![] }, now);
            for _ in 0..pops {
                jitter.pop(now);
            }
            prop_assert!(jitter.waiting() <= CAPACITY);
        }
        let c = jitter.counts();
        prop_assert_eq!(c.played + c.late + c.duplicate + c.discarded + jitter.waiting() as u64, pushed);
    }
}
