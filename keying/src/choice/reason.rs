//! Why a keying system was chosen or passed over, as data and as a sentence.

use super::facts::Lack;
use crate::mikey::ModeName;
use crate::mikey::wire::registry::DhGroup;
use std::fmt;

/// One reason for or against a keying system. Its text names where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The rule for it holds.
    Rule(Rule),
    /// The rule for it asks for what nobody here requires: it comes after those whose rules hold.
    Unasked(Rule),
    /// Its place in the user's list, from 1.
    Listed(usize),
    /// It is not in the user's list.
    NotListed,
    /// It protects nothing itself, and so it is never chosen unless it is named.
    NotNamed,
    /// We do not have what it takes.
    Lacks(Lack),
    /// It needs a hop that protects it (rule 6).
    NoTls,
    /// It has no perfect forward secrecy, which is required.
    NoPfs(ModeName),
    /// The key is one side's alone, and both are to contribute.
    OneSided,
    /// Early media is expected (section 5.1), and can be heard before the answer or not.
    EarlyMedia(bool),
    /// The call may fork (section 5.2), and each who answers has a key of its own.
    Forks,
    /// The call may fork, and only who holds our shared key can answer.
    ForksToHolders,
    /// The call may fork, and all who answer would have one key.
    SharesKey,
    /// Somebody else may answer (section 5.3), and can or not.
    Retarget(bool),
    /// It makes a key for two, and none for a conference (section 5.4).
    ForTwo,
    /// In a conference it is not for our side to begin with it (section 5.4).
    NotOurs,
    /// Our Diffie-Hellman group stands under a private number, which a peer need not know.
    PrivateGroup(DhGroup),
}

/// A rule of the list in RFC 5197 section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A key is shared: PSK.
    One = 1,
    /// A key is shared, and PFS or the contribution of both is required: DH-HMAC.
    Two,
    /// The callee's RSA key is known: RSA.
    Three,
    /// The callee is not expected to have our certificate: RSA-R.
    Four,
    /// PFS is required: DH-SIGN.
    Five,
    /// Nothing but a lower layer protects: NULL.
    Six,
}

impl Rule {
    /// The rule that speaks for a mode.
    pub fn of(mode: ModeName) -> Self {
        match mode {
            ModeName::Psk => Self::One,
            ModeName::DhHmac => Self::Two,
            ModeName::Rsa => Self::Three,
            ModeName::RsaR => Self::Four,
            ModeName::DhSign => Self::Five,
            ModeName::Null => Self::Six,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Rule(Rule::One) => "we share a key with the callee",
            Self::Rule(Rule::Two) => "we share a key with the callee, and more is required than that alone gives",
            Self::Rule(Rule::Three) => "we have the callee's certificate",
            Self::Rule(Rule::Four) => "the callee need not have our certificate: the offer brings it",
            Self::Rule(Rule::Five) => "we have a certificate, and it has what is required",
            Self::Rule(Rule::Six) => "the hop is TLS, though every proxy on the way sees the key",
            Self::Unasked(Rule::Two) => "we share a key with the callee, but nothing here requires forward secrecy",
            Self::Unasked(Rule::Five) => "we have a certificate, but nothing here requires forward secrecy",
            Self::Unasked(_) => "nothing here asks for it",
            Self::Listed(at) => return write!(f, "it is number {at} of the list"),
            Self::NotListed => return f.write_str("it is not listed"),
            Self::NotNamed => "it protects nothing itself, and auto means it only where it is named",
            Self::Lacks(lack) => return lack.fmt(f),
            Self::NoTls => "it protects nothing itself: it is for TLS alone, and this hop is not TLS",
            Self::NoPfs(ModeName::RsaR) => "forward secrecy is required, and the callee alone makes its key",
            Self::NoPfs(_) => "forward secrecy is required, and it has none",
            Self::OneSided => "both sides are to contribute to the key, and only one does",
            Self::EarlyMedia(true) => "early media can be heard before the answer",
            Self::EarlyMedia(false) => "early media has to wait for the answer",
            Self::Forks => "the call may fork, and each who answers has a key of its own",
            Self::ForksToHolders => "the call may fork, and only who holds our shared key can answer",
            Self::SharesKey => "the call may fork, and all who can answer would have one key",
            Self::Retarget(true) => "whomever the call is sent on to can answer",
            Self::Retarget(false) => "nobody but the callee can answer, should the call be sent on",
            Self::ForTwo => "it makes a key for two, and this is a conference",
            Self::NotOurs => "in a conference it is for the other side to begin with it",
            Self::PrivateGroup(group) => {
                let short = group.short();
                return write!(
                    f,
                    "its group {short} has a private number that a peer need not know; name it to use it"
                );
            }
        };
        write!(f, "{text} ({})", self.section())
    }
}

impl Reason {
    /// Where it comes from.
    pub fn section(&self) -> &'static str {
        match self {
            Self::Rule(rule) | Self::Unasked(rule) => match rule {
                Rule::One => "RFC 5197 section 5, rule 1",
                Rule::Two => "RFC 5197 section 5, rule 2",
                Rule::Three => "RFC 5197 section 5, rule 3",
                Rule::Four => "RFC 5197 section 5, rule 4",
                Rule::Five => "RFC 5197 section 5, rule 5",
                Rule::Six => "RFC 5197 section 5, rule 6",
            },
            Self::NoTls | Self::NotNamed => "RFC 5197 section 5, rule 6",
            Self::NoPfs(ModeName::RsaR) => "RFC 5197 section 5, rule 4",
            Self::NoPfs(_) | Self::OneSided => "RFC 5197 section 5.5",
            Self::EarlyMedia(_) => "RFC 5197 section 5.1",
            Self::Forks | Self::ForksToHolders | Self::SharesKey => "RFC 5197 section 5.2",
            Self::Retarget(_) => "RFC 5197 section 5.3",
            Self::ForTwo | Self::NotOurs => "RFC 5197 section 5.4",
            Self::PrivateGroup(_) => "RFC 3830 section 10",
            Self::Listed(_) | Self::NotListed | Self::Lacks(_) => "the configuration",
        }
    }
}
