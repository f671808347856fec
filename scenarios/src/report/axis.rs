//! The time axis of the timeline: seconds to pixels. Where nothing happens for long it is broken.

use crate::ladder::seconds;
use keyphone_media::env::Instant;

/// As wide as this, in pixels, as all here.
pub(super) const WIDTH: usize = 960;
/// Left and right of it.
pub(super) const MARGIN: usize = 24;
/// A pause of so many microseconds is cut out.
const PAUSE: u64 = 10_000_000;
/// What stands in its place.
const BREAK: usize = 64;
/// No more pieces: longer pauses are cut out first.
const MAX_PIECES: usize = 8;
/// Two ticks are at least so far apart.
const TICK: u64 = 84;

/// A piece without a pause, in microseconds and pixels.
struct Piece {
    begins: u64,
    ends: u64,
    left: u64,
    right: u64,
}

/// An axis on which some instants stand.
pub(super) struct Axis(Vec<Piece>);

impl Axis {
    /// From the first of these instants to the last.
    pub(super) fn of(instants: impl Iterator<Item = Instant>) -> Self {
        let mut instants: Vec<_> = instants.map(Instant::as_micros).collect();
        instants.sort_unstable();
        instants.dedup();
        let (first, last) = (instants.first().copied().unwrap_or(0), instants.last().copied().unwrap_or(0));
        let mut pauses: Vec<_> = instants.windows(2).map(|two| (two[1] - two[0], two[0], two[1])).collect();
        pauses.retain(|(long, ..)| *long >= PAUSE);
        pauses.sort_unstable_by(|a, b| b.cmp(a));
        pauses.truncate(MAX_PIECES - 1);
        pauses.sort_unstable_by_key(|(_, begins, _)| *begins);
        let starts = [first].into_iter().chain(pauses.iter().map(|(_, _, ends)| *ends));
        let ends = pauses.iter().map(|(_, begins, _)| *begins).chain([last]);
        let spans: Vec<_> = starts.zip(ends).collect();
        Self::lay_out(&spans)
    }

    fn lay_out(spans: &[(u64, u64)]) -> Self {
        let width = (WIDTH - BREAK * (spans.len() - 1)) as u64;
        // Every piece has some room, and the rest is shared out by how long they are.
        let least = width / (4 * spans.len() as u64);
        let shared = width - least * spans.len() as u64;
        let total = spans.iter().map(|(begins, ends)| ends - begins).sum::<u64>().max(1);
        let mut left = MARGIN as u64;
        let piece = |(begins, ends): &(u64, u64)| {
            let wide = least + (u128::from(ends - begins) * u128::from(shared) / u128::from(total)) as u64;
            let piece = Piece { begins: *begins, ends: *ends, left, right: left + wide };
            left = piece.right + BREAK as u64;
            piece
        };
        Self(spans.iter().map(piece).collect())
    }

    /// Where that instant stands; within a pause it stands at its end.
    pub(super) fn x(&self, at: Instant) -> u64 {
        let at = at.as_micros();
        let piece = self.0.iter().find(|piece| at <= piece.ends).or(self.0.last());
        piece.map_or(0, |piece| {
            let since = at.clamp(piece.begins, piece.ends) - piece.begins;
            let long = (piece.ends - piece.begins).max(1);
            piece.left + (u128::from(since) * u128::from(piece.right - piece.left) / u128::from(long)) as u64
        })
    }

    /// Round times with their places.
    pub(super) fn ticks(&self) -> Vec<(u64, String)> {
        let mut ticks = vec![];
        for piece in &self.0 {
            let (long, wide) = (piece.ends - piece.begins, (piece.right - piece.left).max(1));
            let least = long * TICK / wide;
            let steps = (0..12).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
            let step = steps.into_iter().find(|step| *step >= least && *step >= 1_000).unwrap_or(u64::MAX);
            let mut at = piece.begins.next_multiple_of(step.min(1 << 60));
            while at <= piece.ends {
                let at_instant = Instant::from_micros(at);
                ticks.push((self.x(at_instant), seconds(at_instant)));
                at = at.saturating_add(step);
            }
            // A piece that is shorter than a step has its beginning told.
            if ticks.last().is_none_or(|(x, _)| *x < piece.left) {
                ticks.push((piece.left, seconds(Instant::from_micros(piece.begins))));
            }
        }
        ticks
    }

    /// Where something was cut out: the middles.
    pub(super) fn breaks(&self) -> impl Iterator<Item = u64> {
        self.0.windows(2).map(|two| (two[0].right + two[1].left) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axis(ms: &[u64]) -> Axis {
        Axis::of(ms.iter().map(|ms| Instant::from_micros(ms * 1_000)))
    }

    #[test]
    fn a_long_pause_is_cut_out_and_marked() {
        let axis = axis(&[0, 400, 1_000, 60_000, 60_500]);
        assert_eq!(axis.breaks().count(), 1);
        let labels: Vec<_> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.000", "0.200", "0.400", "0.600", "0.800", "1.000", "60.000", "60.200", "60.400"]);
    }

    proptest! {
        #[test]
        fn later_stands_further_to_the_right_and_all_stands_on_the_axis(ms in prop::collection::vec(0..10_000_000_u64, 0..40)) {
            let (axis, mut ms) = (axis(&ms), ms);
            ms.sort_unstable();
            let places: Vec<_> = ms.iter().map(|ms| axis.x(Instant::from_micros(ms * 1_000))).collect();
            prop_assert!(places.is_sorted());
            prop_assert!(places.iter().all(|x| (MARGIN as u64..=(MARGIN + WIDTH) as u64).contains(x)));
            let ticks = axis.ticks();
            prop_assert!(ticks.windows(2).all(|two| two[0].0 <= two[1].0) && ticks.len() < 30);
        }
    }
}
