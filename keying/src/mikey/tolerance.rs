//! Deviations from the RFCs that are met in the field: each has a name, is refused by default, let pass by
//! `--interop`, and said aloud whenever it was.

/// One named deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tolerance {
    /// Zero octets stand behind the last payload. Some cameras send them.
    TrailingPadding,
    /// The R_MESSAGE has a T of its own, where it must repeat the Initiator's (RFC 3830 section 5.2). minisip does so;
    /// its V covers the Initiator's T all the same.
    FreshTimestamp,
    /// SP gives the authentication tag length as type 3, the session auth key length, and has no type 11. GStreamer
    /// and what learned from it do so.
    TagLengthAsKeyLength,
}

impl Tolerance {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TrailingPadding, Self::FreshTimestamp, Self::TagLengthAsKeyLength];

    /// What the peer did, for the log.
    pub fn text(self) -> &'static str {
        match self {
            Self::TrailingPadding => "zero octets follow the last payload",
            Self::FreshTimestamp => {
                "the R_MESSAGE has its own timestamp instead of the Initiator's (RFC 3830 section 5.2)"
            }
            Self::TagLengthAsKeyLength => {
                "SP gives the authentication tag length as session auth key length (RFC 3830 table 6.10.1.a)"
            }
        }
    }
}

/// Which deviations are let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerances(u8);

impl Tolerances {
    /// None: strict, and the default.
    pub const fn none() -> Self {
        Self(0)
    }

    /// All that have a name.
    pub fn interop() -> Self {
        Tolerance::ALL.into_iter().fold(Self::none(), Self::with)
    }

    /// One more.
    pub fn with(self, tolerance: Tolerance) -> Self {
        Self(self.0 | 1 << tolerance as u8)
    }

    /// Is it let pass?
    pub fn allows(self, tolerance: Tolerance) -> bool {
        self.0 & 1 << tolerance as u8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_lets_nothing_pass_and_interop_all_that_has_a_name() {
        for tolerance in Tolerance::ALL {
            assert!(!Tolerances::default().allows(tolerance));
            assert!(Tolerances::interop().allows(tolerance));
            let one = Tolerances::none().with(tolerance);
            assert!(Tolerance::ALL.into_iter().all(|t| one.allows(t) == (t == tolerance)));
        }
    }
}
