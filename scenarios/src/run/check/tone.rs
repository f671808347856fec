//! Who is heard in a recording: each phone says a tone of its own, and the Goertzel filter finds it.

use keyphone_ua::endpoint::Recording;
use std::f64::consts::TAU;

/// How much of what is heard must be the tone, as a part of its power. PCMU's noise leaves more than nine tenths.
const MOSTLY: f64 = 0.7;
/// The mean square of a sample below which there is silence. A tone of ours has millions.
const SILENCE: f64 = 400.0;

/// So many milliseconds of a recording are that tone, in steps of `window` ms. Two tones are told apart if they are
/// 1500/`window` Hz apart.
pub(super) fn heard(recording: &Recording, hz: u32, window: usize) -> usize {
    windows(recording, window).filter(|frame| is_tone(frame, hz, recording.rate)).count() * window
}

/// So many milliseconds are neither silence nor one of these tones.
pub(super) fn strange(recording: &Recording, tones: &[u32], window: usize) -> usize {
    let is_strange =
        |frame: &&[i16]| power(frame) > SILENCE && !tones.iter().any(|hz| is_tone(frame, *hz, recording.rate));
    windows(recording, window).filter(is_strange).count() * window
}

fn windows(recording: &Recording, ms: usize) -> impl Iterator<Item = &[i16]> {
    recording.samples.chunks_exact((recording.rate as usize * ms / 1_000).max(1))
}

/// The mean square.
fn power(frame: &[i16]) -> f64 {
    frame.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / frame.len() as f64
}

/// Is most of the power of a frame at that frequency?
pub(super) fn is_tone(frame: &[i16], hz: u32, rate: u32) -> bool {
    let total = power(frame);
    if total <= SILENCE {
        return false;
    }
    let step = TAU * f64::from(hz) / f64::from(rate);
    let (mut before, mut now) = (0.0, 0.0);
    for sample in frame {
        (before, now) = (now, f64::from(*sample) + 2.0 * step.cos() * now - before);
    }
    let energy = now * now + before * before - 2.0 * step.cos() * now * before;
    // A sine with mean square p over n samples has the energy p n²/2 there.
    energy / (frame.len() as f64).powi(2) * 2.0 > MOSTLY * total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, ms: usize) -> Vec<i16> {
        (0..8 * ms).map(|n| ((TAU * hz * n as f64 / 8_000.0).sin() * 8_000.0) as i16).collect()
    }

    #[test]
    fn a_tone_is_heard_as_long_as_it_is_there_and_its_neighbour_is_another() {
        let samples = [tone(400.0, 300), vec![0; 1_600], tone(429.0, 200)].concat();
        let recording = Recording { rate: 8_000, samples };
        assert_eq!((heard(&recording, 400, 100), heard(&recording, 429, 100)), (300, 200));
        assert_eq!(heard(&recording, 1_000, 100), 0);
        assert_eq!((strange(&recording, &[400, 429], 100), strange(&recording, &[400], 100)), (0, 200));
    }

    #[test]
    fn noise_is_nobody() {
        let mut state = 1_u32;
        let noise = (0..8_000).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 18) as i16 - 8_192
        });
        let recording = Recording { rate: 8_000, samples: noise.collect() };
        assert_eq!(strange(&recording, &[400, 600, 3_000], 100), 1_000);
    }
}
