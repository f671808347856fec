//! What comes before its key, and what becomes of it: as the phone itself counts it and tells its user. What is really
//! missing is for [`Hears::Misses`](super::Hears::Misses), which believes no phone.

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::{Count, Form, Time};
use std::fmt;
use std::time::Duration;

/// What a phone says of another's media that came before its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clips {
    /// `A clips at most 40 ms of B`: so much of what came early was heard no more.
    AtMost(Name, Duration, Name),
    /// `A clips at least 40 ms of B`.
    AtLeast(Name, Duration, Name),
    /// `A keeps at least four packets of B for their key`: so many came before it, and were heard of again.
    Keeps(Name, u64, Name),
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form {
        pattern: "A clips at most TIME of B",
        make: |p| Expectation::Clips(Clips::AtMost(p.name(), p.time(), p.name())),
    },
    Form {
        pattern: "A clips at least TIME of B",
        make: |p| Expectation::Clips(Clips::AtLeast(p.name(), p.time(), p.name())),
    },
    Form {
        pattern: "A keeps at least COUNT packet|packets of B for its|their key",
        make: |p| Expectation::Clips(Clips::Keeps(p.name(), p.count(), p.name())),
    },
];

impl Clips {
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::AtMost(who, _, whom) | Self::AtLeast(who, _, whom) | Self::Keeps(who, _, whom) => vec![who, whom],
        }
    }
}

impl fmt::Display for Clips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(who, most, whom) => write!(f, "{who} clips at most {} of {whom}", Time(*most)),
            Self::AtLeast(who, least, whom) => write!(f, "{who} clips at least {} of {whom}", Time(*least)),
            Self::Keeps(who, 1, whom) => write!(f, "{who} keeps at least one packet of {whom} for its key"),
            Self::Keeps(who, n, whom) => {
                write!(f, "{who} keeps at least {} packets of {whom} for their key", Count(*n))
            }
        }
    }
}
