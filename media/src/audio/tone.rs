//! A sine: the sound that a machine can check.

use std::f64::consts::TAU;

/// 0.3 of full scale: loud enough to measure, far from clipping.
const AMPLITUDE: f64 = 0.3 * i16::MAX as f64;

/// A sine without end.
#[derive(Clone, Debug)]
pub struct Tone {
    rate: u32,
    step: f64,
    phase: f64,
}

impl Tone {
    /// A sine of `hz` at `rate` samples per second.
    pub fn new(hz: f64, rate: u32) -> Self {
        Self { rate, step: TAU * hz / f64::from(rate.max(1)), phase: 0.0 }
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The next `frame.len()` samples.
    pub fn fill(&mut self, frame: &mut [i16]) {
        for sample in frame {
            *sample = (AMPLITUDE * self.phase.sin()) as i16;
            self.phase = (self.phase + self.step) % TAU;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_crosses_zero_twice_per_period_without_a_seam_between_frames() {
        let mut tone = Tone::new(440.0, 8000);
        let mut second = Vec::new();
        for _ in 0..50 {
            let mut frame = [0; 160];
            tone.fill(&mut frame);
            second.extend(frame);
        }
        let rises = second.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!((439..=440).contains(&rises), "{rises}");
        let peak = second.iter().map(|s| s.unsigned_abs()).max();
        assert!(peak.is_some_and(|p| (9820..=9830).contains(&p)), "{peak:?}");
    }
}
