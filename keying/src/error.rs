//! What went wrong, named by who is to blame.

use crate::Lines;
use crate::identity::Identity;
use std::borrow::Cow;
use std::fmt;

/// Why keying failed. Every text is one sentence that a person can act on; none holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes make no message.
    #[error("cannot be read: {0}")]
    Wire(Cow<'static, str>),
    /// The peer broke a rule; the text names it and its section.
    #[error("{0}")]
    PeerMisbehaved(Rule),
    /// The peer did nothing wrong, but asks for what we do not do or policy does not allow.
    #[error("{0}")]
    PeerIncompatible(Cow<'static, str>),
    /// Proven, but not whom policy lets us talk to.
    #[error("the peer proved to be {0}, which policy does not accept here")]
    NotExpected(Identity),
    /// We share no key with this peer.
    #[error("we share no key with {0}: give one with --psk {0}=HEX")]
    NoKey(Identity),
    /// We have no certificate of this peer.
    #[error("we have no certificate of {0}: give one with --peer-cert FILE")]
    NoCertificate(Identity),
    /// Its certificate stands behind a URL, and is not here.
    #[error(
        "its certificate is behind {0}, and was not fetched (RFC 4738 section 3.8): list where it is in \
         fetch-certificates, or pin it"
    )]
    NotFetched(String),
    /// What the peer's error message says. Nobody signed it (RFC 3830 section 5.1.2).
    #[error("the peer says, in an unauthenticated message that is no more than a hint: {0}")]
    Hint(Cow<'static, str>),
    /// We asked for something that makes no sense, or lack something, such as a key.
    #[error("{0}")]
    Misuse(&'static str),
}

impl Error {
    /// Bytes that make no message.
    pub fn wire(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Wire(why.into())
    }

    /// A rule that the peer broke.
    pub fn misbehaved(what: impl Into<Cow<'static, str>>, section: &'static str) -> Self {
        Self::PeerMisbehaved(Rule { what: what.into(), section })
    }

    /// The code of the SIP Warning that tells the peer: 306, "Attribute not understood", when a parameter is not
    /// supported, otherwise 399 (RFC 4567 section 4.1.2, RFC 3261 section 20.43).
    pub fn warning(&self) -> u16 {
        if matches!(self, Self::PeerIncompatible(_) | Self::NotFetched(_)) { 306 } else { 399 }
    }

    /// Something that we do not do.
    pub fn incompatible(what: impl Into<Cow<'static, str>>) -> Self {
        Self::PeerIncompatible(what.into())
    }
}

/// A rule that was broken: what happened, and where it is forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What the peer did.
    pub what: Cow<'static, str>,
    /// `RFC 3830 section 5.4`, for instance.
    pub section: &'static str,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.section)
    }
}

/// An offer that is not answered, and what the refusal (a 488, for instance) should carry.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub error: Error,
    /// The system's own error message, if it has one.
    pub lines: Option<Lines>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, lines: None }
    }
}
