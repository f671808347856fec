//! Which keys are used where. A key is known by its fingerprint, as the ledger calls it.

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::{Count, Form, Keyed};
use std::fmt;

/// Which keys are used where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// `no branch shares a key with another`: of the phones that one call rang, no two have a key in common
    /// (RFC 5479, R-DISTINCT).
    NoneSharedByBranches,
    /// `no key is used in two calls`: none of a phone's calls has a key of another of its calls, and no key stream on the
    /// wire is used in two calls. There must be two.
    NoneInTwoCalls,
    /// `no two streams share a key and an SSRC`: each (key, SSRC) has one sender.
    NoPadTwice,
    /// `A's call is keyed by mikey-psk`: the latest call of A that was answered.
    KeyedBy(Name, Keyed),
    /// `A changes keys twice`: after the first, A sends with so many more in one call.
    Changes(Name, u64),
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form { pattern: "no branch shares a key with another", make: |_| Expectation::Keys(Keys::NoneSharedByBranches) },
    Form { pattern: "no key is used in two calls", make: |_| Expectation::Keys(Keys::NoneInTwoCalls) },
    Form { pattern: "no two streams share a key and an SSRC", make: |_| Expectation::Keys(Keys::NoPadTwice) },
    Form { pattern: "A's call is keyed by KEYING", make: |p| Expectation::Keys(Keys::KeyedBy(p.name(), p.keying())) },
    Form {
        pattern: "A changes keys COUNT time|times",
        make: |p| Expectation::Keys(Keys::Changes(p.name(), p.count())),
    },
];

impl Keys {
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::NoneSharedByBranches | Self::NoneInTwoCalls | Self::NoPadTwice => vec![],
            Self::KeyedBy(who, _) | Self::Changes(who, _) => vec![who],
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneSharedByBranches => f.write_str("no branch shares a key with another"),
            Self::NoneInTwoCalls => f.write_str("no key is used in two calls"),
            Self::NoPadTwice => f.write_str("no two streams share a key and an SSRC"),
            Self::KeyedBy(who, by) => write!(f, "{who}'s call is keyed by {by}"),
            Self::Changes(who, times) => {
                write!(f, "{who} changes keys {} {}", Count(*times), if *times == 1 { "time" } else { "times" })
            }
        }
    }
}
