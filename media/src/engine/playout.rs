//! The one source that is heard: its jitter buffer, its decoder, and samples that did not fit the last tick.

use std::time::Duration;

use crate::audio::codec::{Codec, Decoder};
use crate::audio::jitter::{Counts, Jitter, Packet, Playout as Next};
use crate::audio::{AudioError, Pcm};
use crate::env::Instant;
use crate::rtp::Ssrc;

#[derive(Debug)]
pub(super) struct Playout {
    pub(super) ssrc: Ssrc,
    /// When its last playable packet came.
    pub(super) heard: Instant,
    jitter: Jitter,
    decoder: Decoder,
    pcm: Pcm,
}

impl Playout {
    pub(super) fn new(ssrc: Ssrc, codec: Codec, depth: Duration, now: Instant) -> Result<Self, AudioError> {
        let (jitter, decoder) = (Jitter::new(depth, codec.rate()), codec.decoder()?);
        Ok(Self { ssrc, heard: now, jitter, decoder, pcm: Pcm::new() })
    }

    pub(super) fn push(&mut self, packet: Packet, now: Instant) {
        self.heard = now;
        self.jitter.push(packet, now);
    }

    /// How many packets come too late to be played, and how many ticks of audio they are.
    pub(super) fn overdue(&self, now: Instant) -> (u64, u64) {
        self.jitter.overdue(now)
    }

    /// A packet of its source that carries no audio came.
    pub(super) fn pass(&mut self, index: u64, now: Instant) {
        self.heard = now;
        self.jitter.pass(index);
    }

    /// Fills the frame of one tick. False, and silence, while nothing is to be heard yet.
    pub(super) fn next(&mut self, frame: &mut [i16], now: Instant) -> bool {
        // Each turn adds at least one sample or ends the loop, and packets are few: this ends.
        while self.pcm.len() < frame.len() {
            match self.jitter.pop(now) {
                Next::Packet(p) => self.decoder.decode(&p.payload, p.samples as usize, &mut self.pcm),
                Next::Gap(samples) => self.decoder.conceal(samples as usize, &mut self.pcm),
                Next::Wait => break,
            }
        }
        let n = self.pcm.len().min(frame.len());
        frame[..n].copy_from_slice(&self.pcm[..n]);
        frame[n..].fill(0);
        self.pcm.drain(..n);
        n > 0
    }

    /// Time has jumped; what waits is of another time.
    pub(super) fn reset(&mut self) {
        self.jitter.reset();
        self.pcm.clear();
    }

    pub(super) fn counts(&self) -> Counts {
        self.jitter.counts()
    }
}
