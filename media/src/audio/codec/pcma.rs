//! G.711 A-law (ITU-T G.711 table 1; RFC 3551 section 4.5.14): 13 bits to 8, in seven segments.

/// Even bits are inverted on the line.
const INVERTED: u8 = 0x55;

/// Every octet's sample, in 16-bit units.
const DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let bits = (octet as u8 ^ INVERTED) as i32;
        let (segment, step) = ((bits >> 4) & 7, bits & 15);
        let magnitude = match segment {
            0 => 16 * step + 8,
            _ => (16 * step + 0x108) << (segment - 1),
        } as i16;
        table[octet] = if bits & 0x80 != 0 { magnitude } else { -magnitude };
        octet += 1;
    }
    table
};

/// The octet of a sample.
pub(super) fn encode(sample: i16) -> u8 {
    let positive = sample >= 0;
    // One's complement, so that both signs share their decision values.
    let magnitude = i32::from(if positive { sample } else { !sample }) >> 4;
    let code = match magnitude {
        0..=15 => magnitude,
        _ => {
            let segment = 31 - 3 - magnitude.leading_zeros() as i32;
            (segment << 4) | ((magnitude >> (segment - 1)) & 15)
        }
    };
    ((u8::from(positive) << 7) | code as u8) ^ INVERTED
}

/// The sample of an octet.
pub(super) fn decode(octet: u8) -> i16 {
    DECODED[usize::from(octet)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_those_of_table_1() {
        for (octet, sample) in [(0xaa, 32256), (0xd5, 8), (0x2a, -32256), (0x55, -8), (0xd4, 24), (0xc5, 264)] {
            assert_eq!(decode(octet), sample, "{octet:02x}");
        }
        for (sample, octet) in [(0, 0xd5), (-1, 0x55), (32767, 0xaa), (-32768, 0x2a), (1000, 0xfa), (-1000, 0x7a)] {
            assert_eq!(encode(sample), octet, "{sample}");
        }
    }

    /// ITU-T G.711 table 5: eight octets that every decoder turns into 1 kHz at 0 dBm0.
    #[test]
    fn the_digital_milliwatt_is_a_sine_of_one_kilohertz() {
        let octets = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];
        assert_eq!(octets.map(decode), [-8960, -20992, -20992, -8960, 8960, 20992, 20992, 8960]);
    }

    #[test]
    fn every_octet_survives_a_round_trip() {
        for octet in 0..=255u8 {
            assert_eq!(encode(decode(octet)), octet);
        }
    }

    #[test]
    fn no_sample_moves_further_than_half_its_step() {
        for sample in i16::MIN..=i16::MAX {
            let error = (i32::from(decode(encode(sample))) - i32::from(sample)).abs();
            assert!(error <= 8 + i32::from(sample.unsigned_abs()) / 32, "{sample}: {error}");
        }
    }
}
