//! Is what was heard what was said? Two recordings are aligned by their cross-correlation, which is computed by FFT,
//! so that seconds of delay cost milliseconds of work.

use std::f64::consts::TAU;

/// How well two recordings agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// By how many samples the heard one lags: `heard[i + shift]` is `played[i]`.
    pub shift: isize,
    /// Normalised correlation where both overlap at that shift: 1.0 is the same sound, 0.0 unrelated.
    pub correlation: f64,
}

/// Finds the shift, up to `max_shift` samples either way, at which both recordings agree best. Shifts at which less
/// than half of the shorter one overlaps do not count. Silence agrees with nothing: its correlation is 0.
pub fn compare(played: &[i16], heard: &[i16], max_shift: usize) -> Match {
    let mut best = Match { shift: 0, correlation: 0.0 };
    let shorter = played.len().min(heard.len());
    if shorter == 0 {
        return best;
    }
    let products = cross_correlation(played, heard);
    let (energy_played, energy_heard) = (energies(played), energies(heard));
    let reach = |n: usize| isize::try_from(n.min(max_shift)).unwrap_or(isize::MAX);
    for shift in -reach(played.len() - 1)..=reach(heard.len() - 1) {
        let (from_played, from_heard) = ((-shift).max(0) as usize, shift.max(0) as usize);
        let overlap = (played.len() - from_played).min(heard.len() - from_heard);
        if overlap * 2 < shorter {
            continue;
        }
        let power = (energy_played[from_played + overlap] - energy_played[from_played])
            * (energy_heard[from_heard + overlap] - energy_heard[from_heard]);
        let product = products[shift.rem_euclid(products.len() as isize) as usize];
        let correlation = if power > 0.0 { product / power.sqrt() } else { 0.0 };
        if correlation > best.correlation {
            best = Match { shift, correlation };
        }
    }
    best
}

/// Running sums of squares; exact, as whole numbers below 2^53.
fn energies(pcm: &[i16]) -> Vec<f64> {
    let mut sum = 0.0;
    std::iter::once(0.0)
        .chain(pcm.iter().map(|s| {
            sum += f64::from(*s) * f64::from(*s);
            sum
        }))
        .collect()
}

/// For each shift (negative ones from the end): the sum of `played[i] * heard[i + shift]`.
fn cross_correlation(played: &[i16], heard: &[i16]) -> Vec<f64> {
    let n = (played.len() + heard.len()).next_power_of_two();
    // Both are real, so one transform does for two: played in the real part, heard in the imaginary part.
    let sample = |pcm: &[i16], i: usize| pcm.get(i).map_or(0.0, |s| f64::from(*s));
    let mut both: Vec<Complex> = (0..n).map(|i| (sample(played, i), sample(heard, i))).collect();
    fft(&mut both);
    let mut product: Vec<Complex> = (0..n)
        .map(|k| {
            let (a, b) = (both[k], both[(n - k) % n]);
            // P = (a + conj b) / 2, H = (a - conj b) / 2i; wanted is conj P * H, conjugated for the way back.
            let p = ((a.0 + b.0) / 2.0, (a.1 - b.1) / 2.0);
            let h = ((a.1 + b.1) / 2.0, (b.0 - a.0) / 2.0);
            (p.0 * h.0 + p.1 * h.1, p.1 * h.0 - p.0 * h.1)
        })
        .collect();
    fft(&mut product);
    product.into_iter().map(|(re, _)| re / n as f64).collect()
}

type Complex = (f64, f64);

/// Radix-2, in place; the length is a power of two.
fn fft(x: &mut [Complex]) {
    let n = x.len();
    if n < 2 {
        return;
    }
    let shift = usize::BITS - n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> shift;
        if i < j {
            x.swap(i, j);
        }
    }
    let roots: Vec<Complex> = (0..n / 2).map(|k| (-TAU * k as f64 / n as f64).sin_cos()).map(|(s, c)| (c, s)).collect();
    let mut half = 1;
    while half < n {
        for block in x.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), w) in low.iter_mut().zip(high).zip(roots.iter().step_by(n / 2 / half)) {
                let t = (w.0 * b.0 - w.1 * b.1, w.0 * b.1 + w.1 * b.0);
                *b = (a.0 - t.0, a.1 - t.1);
                *a = (a.0 + t.0, a.1 + t.1);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that is the same everywhere.
    fn noise(n: usize, mut seed: u32) -> Vec<i16> {
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as i16 / 4
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn a_delayed_copy_is_found_at_its_delay_both_ways() {
        let played = noise(4000, 1);
        let mut heard = vec![0; 777];
        heard.extend(&played);
        let m = compare(&played, &heard, 2000);
        assert_eq!(m.shift, 777);
        assert!(m.correlation > 0.999_999, "{m:?}");
        assert_eq!(compare(&heard, &played, 2000).shift, -777);
        assert!(compare(&played, &heard, 700).correlation < 0.2);
    }

    #[test]
    fn the_transform_agrees_with_the_sum_it_stands_for() {
        let (a, b) = (noise(37, 3), noise(50, 4));
        let products = cross_correlation(&a, &b);
        for shift in -36isize..50 {
            let direct: f64 = (0..37isize)
                .filter_map(|i| Some(f64::from(a[i as usize]) * f64::from(*b.get(usize::try_from(i + shift).ok()?)?)))
                .sum();
            let fast = products[shift.rem_euclid(products.len() as isize) as usize];
            assert!((direct - fast).abs() < 1.0, "{shift}: {direct} {fast}");
        }
    }

    #[test]
    fn strangers_and_silence_do_not_agree() {
        assert!(compare(&noise(8000, 1), &noise(8000, 2), 2000).correlation < 0.1);
        assert_eq!(compare(&noise(100, 1), &[0; 100], 50).correlation, 0.0);
        assert_eq!(compare(&[], &[1, 2], 50).correlation, 0.0);
        assert_eq!(compare(&[i16::MIN], &[i16::MIN], 0), Match { shift: 0, correlation: 1.0 });
    }

    #[test]
    fn half_the_noise_is_half_the_match() {
        let (a, b) = (noise(8000, 1), noise(8000, 2));
        let mixed: Vec<i16> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let m = compare(&a, &mixed, 100);
        assert!((m.correlation - 0.707).abs() < 0.03, "{m:?}");
    }
}
