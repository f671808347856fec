//! A link that loses, delays and reorders, by the dice of its world.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::fmt;
use std::time::Duration;

/// How a link treats datagrams. TCP knows only the latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// What every datagram takes.
    pub latency: Duration,
    /// Up to this much more, evenly spread: so datagrams overtake each other.
    pub jitter: Duration,
    /// How many of a thousand datagrams are lost.
    pub loss_permille: u16,
    /// How many of a thousand datagrams arrive twice.
    pub duplicate_permille: u16,
    /// How many of a thousand datagrams are held up, [`Link::HELD_UP`] longer than the others.
    pub reorder_permille: u16,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { latency, jitter, loss_permille, .. } = self;
        let percent = f64::from(*loss_permille) / 10.0;
        write!(f, "simulated: {percent} % loss, {latency:?} latency, {jitter:?} jitter")
    }
}

impl Link {
    /// One millisecond, and nothing is ever lost.
    pub const PERFECT: Self = Self {
        latency: Duration::from_millis(1),
        jitter: Duration::ZERO,
        loss_permille: 0,
        duplicate_permille: 0,
        reorder_permille: 0,
    };

    /// Long enough that two frames of media overtake one that is held up.
    pub const HELD_UP: Duration = Duration::from_millis(45);

    /// The bad day of the demo: 5 % loss and 40 ms of jitter.
    pub const BAD_DAY: Self = Self {
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(40),
        loss_permille: 50,
        duplicate_permille: 0,
        reorder_permille: 0,
    };

    /// When a datagram that is sent now arrives: never, once or twice.
    pub(crate) fn fate(&self, dice: &mut ChaCha8Rng) -> Vec<Duration> {
        // The same number of throws for every datagram, so that one fate does not move the next.
        let [lost, twice, first, second] = [(); 4].map(|()| dice.next_u32());
        // One throw more where a link reorders: its seeds are its own.
        let held_up = self.reorder_permille > 0 && dice.next_u32() % 1000 < u32::from(self.reorder_permille);
        let latency = if held_up { self.latency + Self::HELD_UP } else { self.latency };
        let delay = |throw: u32| latency + self.jitter.mul_f64(f64::from(throw) / f64::from(u32::MAX));
        if lost % 1000 < u32::from(self.loss_permille) {
            return vec![];
        }
        match twice % 1000 < u32::from(self.duplicate_permille) {
            true => vec![delay(first), delay(second)],
            false => vec![delay(first)],
        }
    }
}
