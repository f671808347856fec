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
    /// The I_MESSAGE does not list the key management protocols that were offered, so nobody can tell whether stronger
    /// ones were removed on the way (RFC 4567 section 4.1.4). Only an implementation of RFC 4567 does.
    NoSdpIds,
    /// The R_MESSAGE leaves the SSRC of the Responder at zero, where it should fill it in (RFC 3830 section 6.1.1).
    /// minisip does so; its stream is then heard by its key alone.
    NoResponderSsrc,
    /// A Diffie-Hellman message lacks an ID that it must have: IDi of an R_MESSAGE (RFC 3830 section 3.3), and with
    /// DHHMAC IDr of an I_MESSAGE (RFC 4650 section 3). minisip never sends any.
    MissingId,
    /// A KEMAC of DHHMAC has the numbers of RFC 4650 section 4.2 in place of those of the registry.
    LiteralCodePoints,
    /// The R_MESSAGE of RSA-R has a RAND of its own though the I_MESSAGE had one (RFC 4738 section 3.6). minisip does so,
    /// and derives its keys with the Initiator's all the same.
    SecondRand,
    /// The signature of RSA-R's R_MESSAGE covers IDr and T behind the message, and not IDi (RFC 4738 section 3.6).
    /// minisip does so.
    SignedWithoutIdi,
    /// The R_MESSAGE of RSA-R does not say which of the offered policies holds (RFC 4738 section 3.6). minisip does so;
    /// all that was offered holds then.
    NoChosenPolicy,
}

impl Tolerance {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TrailingPadding,
        Self::FreshTimestamp,
        Self::TagLengthAsKeyLength,
        Self::NoSdpIds,
        Self::NoResponderSsrc,
        Self::MissingId,
        Self::LiteralCodePoints,
        Self::SecondRand,
        Self::SignedWithoutIdi,
        Self::NoChosenPolicy,
    ];

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
            Self::NoSdpIds => "the I_MESSAGE does not list the protocols that were offered (RFC 4567 section 4.1.4)",
            Self::NoResponderSsrc => "the R_MESSAGE does not name the Responder's SSRC (RFC 3830 section 6.1.1)",
            Self::MissingId => "a mandatory identity is missing (RFC 3830 section 3.3, RFC 4650 section 3)",
            Self::LiteralCodePoints => "KEMAC has the literal code points of RFC 4650 section 4.2",
            Self::SecondRand => "the R_MESSAGE has a RAND though the I_MESSAGE had one (RFC 4738 section 3.6)",
            Self::NoChosenPolicy => "the R_MESSAGE does not repeat the policy that was offered (RFC 4738 section 3.6)",
            Self::SignedWithoutIdi => "the signature of the R_MESSAGE does not cover IDi (RFC 4738 section 3.6)",
        }
    }
}

/// Which deviations are let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerances(u16);

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
