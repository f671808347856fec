//! What has been seen under one key on one SSRC: the replay list (RFC 3711 section 3.3.2) and, in the same breath, the
//! clash detector: one index with two different packets is a pad used twice.

/// A bitmap of the newest [`Window::LEN`] indices below a top, and what was seen at each. Everything is O(1).
pub(super) struct Window {
    bits: u32,
    top: u64,
    seen: u128,        // bit n: top - n
    marks: Box<[u64]>, // at index mod LEN; empty before the first packet
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Never,
    /// This very packet, or an index too old to tell.
    Before,
    /// Another packet under the same index.
    Otherwise,
}

impl Window {
    /// RFC 3711 section 3.3.2 asks for at least 64.
    pub(super) const LEN: u64 = 128;

    /// For indices of `bits` bits: 48 for SRTP, 31 for SRTCP.
    pub(super) fn new(bits: u32) -> Self {
        Self { bits, top: 0, seen: 0, marks: Box::default() }
    }

    /// The highest index so far.
    pub(super) fn top(&self) -> Option<u64> {
        (!self.marks.is_empty()).then_some(self.top)
    }

    pub(super) fn look(&self, index: u64, mark: u64) -> Seen {
        if self.marks.is_empty() {
            return Seen::Never;
        }
        let ahead = ahead(index, self.top, self.bits);
        match u64::try_from(-ahead) {
            Err(_) => Seen::Never,
            Ok(age) if age >= Self::LEN => Seen::Before,
            Ok(age) if self.seen >> age & 1 == 0 => Seen::Never,
            Ok(_) if self.marks[(index % Self::LEN) as usize] == mark => Seen::Before,
            Ok(_) => Seen::Otherwise,
        }
    }

    /// Notes a packet that [`Self::look`] has never seen.
    pub(super) fn note(&mut self, index: u64, mark: u64) {
        if self.marks.is_empty() {
            self.marks = vec![0; Self::LEN as usize].into();
            self.top = index;
        }
        let ahead = ahead(index, self.top, self.bits);
        if ahead > 0 {
            self.seen = u32::try_from(ahead).ok().and_then(|n| self.seen.checked_shl(n)).unwrap_or(0);
            self.top = index;
        }
        let age = ahead.min(0).unsigned_abs();
        self.seen |= u32::try_from(age).ok().and_then(|n| 1u128.checked_shl(n)).unwrap_or(0);
        self.marks[(index % Self::LEN) as usize] = mark;
    }
}

/// How far `index` lies ahead of `top`, the shorter way round a circle of 2^bits.
pub(super) fn ahead(index: u64, top: u64, bits: u32) -> i64 {
    let unused = 64 - bits;
    (index.wrapping_sub(top) << unused).cast_signed() >> unused
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_index_is_fresh_once_and_another_packet_under_it_is_no_replay() {
        let mut window = Window::new(48);
        assert_eq!((window.look(7, 1), window.top()), (Seen::Never, None));
        window.note(7, 1);
        assert_eq!(
            (window.look(7, 1), window.look(7, 2), window.look(6, 1)),
            (Seen::Before, Seen::Otherwise, Seen::Never)
        );
        window.note(7 + 127, 3);
        assert_eq!(window.look(7, 2), Seen::Otherwise, "128 indices are remembered");
        window.note(7 + 128, 4);
        assert_eq!(window.look(7, 2), Seen::Before, "what is older counts as received");
        window.note(1 << 40, 5);
        assert_eq!((window.look(7 + 128, 4), window.look((1 << 40) - 1, 4)), (Seen::Before, Seen::Never));
    }

    #[test]
    fn an_index_wraps_at_its_last_bit() {
        for bits in [31, 48] {
            let mut window = Window::new(bits);
            let last = (1 << bits) - 1;
            window.note(last, 1);
            assert_eq!(window.look(0, 2), Seen::Never);
            window.note(0, 2);
            assert_eq!(
                (window.look(last, 1), window.look(0, 3), window.top()),
                (Seen::Before, Seen::Otherwise, Some(0))
            );
        }
    }

    proptest! {
        #[test]
        fn a_window_judges_as_a_map_of_the_last_128_would(packets in prop::collection::vec((0u64..600, 0u64..3), 0..300)) {
            let (mut window, mut map) = (Window::new(48), BTreeMap::new());
            for (index, mark) in packets {
                let top = map.keys().next_back().copied().unwrap_or(0);
                let expected = match map.get(&index) {
                    _ if index + Window::LEN <= top => Seen::Before,
                    None => Seen::Never,
                    Some(m) if *m == mark => Seen::Before,
                    Some(_) => Seen::Otherwise,
                };
                prop_assert_eq!(window.look(index, mark), expected);
                if expected == Seen::Never {
                    window.note(index, mark);
                    map.insert(index, mark);
                }
            }
        }
    }
}
