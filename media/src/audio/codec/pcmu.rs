//! G.711 mu-law (ITU-T G.711 table 2; RFC 3551 section 4.5.14): 14 bits to 8, in eight segments.

/// Shifts the segments to powers of two; in 14-bit units.
const BIAS: i32 = 33;

/// Every octet's sample, in 16-bit units.
const DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        // All bits are inverted on the line.
        let bits = !octet as i32;
        let (segment, step) = ((bits >> 4) & 7, bits & 15);
        let magnitude = ((((2 * step + BIAS) << segment) - BIAS) * 4) as i16;
        table[octet] = if bits & 0x80 != 0 { -magnitude } else { magnitude };
        octet += 1;
    }
    table
};

/// The octet of a sample.
pub(super) fn encode(sample: i16) -> u8 {
    let negative = sample < 0;
    // One's complement, so that both signs share their decision values.
    let magnitude = i32::from(if negative { !sample } else { sample }) >> 2;
    let biased = (magnitude + BIAS).min(0x1fff);
    let segment = 31 - 5 - biased.leading_zeros();
    let step = (biased >> (segment + 1)) & 15;
    let bits = (u8::from(negative) << 7) | ((segment as u8) << 4) | step as u8;
    !bits
}

/// The sample of an octet.
pub(super) fn decode(octet: u8) -> i16 {
    DECODED[usize::from(octet)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_those_of_table_2() {
        for (octet, sample) in
            [(0x80, 32124), (0xff, 0), (0x00, -32124), (0x7f, 0), (0xfe, 8), (0xef, 132), (0x9e, 8828)]
        {
            assert_eq!(decode(octet), sample, "{octet:02x}");
        }
        for (sample, octet) in [(0, 0xff), (-1, 0x7f), (32767, 0x80), (-32768, 0x00), (1000, 0xce), (-1000, 0x4e)] {
            assert_eq!(encode(sample), octet, "{sample}");
        }
    }

    /// ITU-T G.711 table 6: eight octets that every decoder turns into 1 kHz at 0 dBm0.
    #[test]
    fn the_digital_milliwatt_is_a_sine_of_one_kilohertz() {
        let octets = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
        assert_eq!(octets.map(decode), [-8828, -20860, -20860, -8828, 8828, 20860, 20860, 8828]);
    }

    #[test]
    fn every_octet_but_minus_zero_survives_a_round_trip() {
        for octet in (0..=255u8).filter(|o| *o != 0x7f) {
            assert_eq!(encode(decode(octet)), octet);
        }
    }

    #[test]
    fn no_sample_moves_further_than_half_its_step() {
        for sample in i16::MIN..=i16::MAX {
            let error = (i32::from(decode(encode(sample))) - i32::from(sample)).abs();
            assert!(
                error <= 4 + i32::from(sample.unsigned_abs()) / 16 || sample.unsigned_abs() > 32124,
                "{sample}: {error}"
            );
        }
    }
}
