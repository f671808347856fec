//! The headings, and the world from which each is read.

use super::World;
use serde::Serialize;
use std::fmt;

/// A heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// Media is heard before its answer (RFC 5197 section 5.1).
    EarlyMedia,
    /// Phones that answer one offer have keys of their own (RFC 5197 section 5.2).
    SecureForking,
    /// Whoever a proxy sends the call to can be talked to, and is proven (RFC 5197 section 5.3).
    Retarget,
    /// The same of whoever the caller is sent to (RFC 5197 section 5.3).
    Redirect,
    /// One key for many (RFC 5197 section 5.4).
    SharedKeyConference,
    /// Somebody must have put keys into both phones.
    ManualKeys,
    /// Certificates are needed.
    NeedsPki,
    /// What was recorded cannot be read with keys that are stolen later.
    Pfs,
    /// Who has a part in the key.
    KeyGeneration,
    /// Media before its answer is lost (RFC 5479 appendix A.4.2).
    Clipping,
    /// Each branch has keys of its own (RFC 5479 appendix A.4.1).
    DistinctKeys,
    /// Media can be told to be of the branch whose answer it is (RFC 5479 appendix A.4.1).
    Association,
    /// RFC 5479 appendix A.4.1.
    SecureRetargeting,
    /// RFC 5479 appendix A.5.2.
    ForwardSecrecy,
    /// SRTP with those who have it, RTP with the others (RFC 5479 appendix A.5.3).
    BestEffort,
}

/// Whose table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// RFC 5197 section 5.5.
    Rfc5197,
    /// RFC 5479 appendix A.4 and A.5.
    Rfc5479,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rfc5197 => "RFC 5197 section 5.5",
            Self::Rfc5479 => "RFC 5479 appendix A.4 and A.5",
        })
    }
}

impl Column {
    /// All of them, in the order of the RFCs.
    pub const ALL: [Self; 15] = [
        Self::EarlyMedia,
        Self::SecureForking,
        Self::Retarget,
        Self::Redirect,
        Self::SharedKeyConference,
        Self::ManualKeys,
        Self::NeedsPki,
        Self::Pfs,
        Self::KeyGeneration,
        Self::Clipping,
        Self::DistinctKeys,
        Self::Association,
        Self::SecureRetargeting,
        Self::ForwardSecrecy,
        Self::BestEffort,
    ];

    /// Whose it is.
    pub fn source(self) -> Source {
        if self < Self::Clipping { Source::Rfc5197 } else { Source::Rfc5479 }
    }

    /// The heading, in lines of at most nine characters.
    pub fn heading(self) -> &'static [&'static str] {
        match self {
            Self::EarlyMedia => &["early", "media"],
            Self::SecureForking => &["secure", "forking"],
            Self::Retarget => &["retarget"],
            Self::Redirect => &["redirect"],
            Self::SharedKeyConference => &["shared", "key conf"],
            Self::ManualKeys => &["manual", "keys"],
            Self::NeedsPki => &["needs", "PKI"],
            Self::Pfs => &["PFS"],
            Self::KeyGeneration => &["key made", "by"],
            Self::Clipping => &["clipping"],
            Self::DistinctKeys => &["distinct", "keys"],
            Self::Association => &["media to", "answer"],
            Self::SecureRetargeting => &["secure", "retarget"],
            Self::ForwardSecrecy => &["PFS"],
            Self::BestEffort => &["best", "effort"],
        }
    }

    /// From which world it is read; `None` where there is none yet.
    pub fn world(self) -> Option<World> {
        match self {
            Self::SharedKeyConference => None,
            Self::EarlyMedia | Self::Clipping => Some(World::SlowAnswer),
            Self::SecureForking | Self::DistinctKeys | Self::Association => Some(World::Fork),
            Self::Retarget | Self::SecureRetargeting => Some(World::Retarget),
            Self::Redirect => Some(World::Redirect),
            Self::ManualKeys => Some(World::NoPsk),
            Self::NeedsPki => Some(World::NoCertificates),
            Self::Pfs | Self::ForwardSecrecy | Self::KeyGeneration => Some(World::Plain),
            Self::BestEffort => Some(World::BestEffort),
        }
    }
}
