//! Who hears whom. A phone is known by its tone: to be heard is to be in a recording, not to have been received.

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::{Form, Time};
use std::fmt;
use std::time::Duration;

/// Who hears whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hears {
    /// `A hears B`: B's tone is in A's recording for at least a quarter of a second.
    Ever(Name, Name),
    /// `A hears B within 200 ms`: so long after B's first packet left, its first frame is played at the latest. The depth
    /// of the jitter buffer counts.
    Within(Name, Name, Duration),
    /// `A hears B before the answer`: early media, in both meanings of RFC 5197 section 5.1: B speaks before it answers, or
    /// what it says overtakes its answer.
    Early(Name, Name),
    /// `A never hears B`.
    Never(Name, Name),
    /// `A and B talk`: each hears the other.
    Talk(Name, Name),
    /// `A misses at most 40 ms of B`: of what B sent from its first packet to its last, and A's link did not lose.
    Misses(Name, Duration, Name),
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form { pattern: "A hears B", make: |p| Expectation::Hears(Hears::Ever(p.name(), p.name())) },
    Form {
        pattern: "A hears B within TIME",
        make: |p| Expectation::Hears(Hears::Within(p.name(), p.name(), p.time())),
    },
    Form { pattern: "A hears B before the answer", make: |p| Expectation::Hears(Hears::Early(p.name(), p.name())) },
    Form { pattern: "A never hears B", make: |p| Expectation::Hears(Hears::Never(p.name(), p.name())) },
    Form { pattern: "A and B talk", make: |p| Expectation::Hears(Hears::Talk(p.name(), p.name())) },
    Form {
        pattern: "A misses at most TIME of B",
        make: |p| Expectation::Hears(Hears::Misses(p.name(), p.time(), p.name())),
    },
];

impl Hears {
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::Ever(a, b)
            | Self::Within(a, b, _)
            | Self::Early(a, b)
            | Self::Never(a, b)
            | Self::Talk(a, b)
            | Self::Misses(a, _, b) => vec![a, b],
        }
    }
}

impl fmt::Display for Hears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ever(a, b) => write!(f, "{a} hears {b}"),
            Self::Within(a, b, within) => write!(f, "{a} hears {b} within {}", Time(*within)),
            Self::Early(a, b) => write!(f, "{a} hears {b} before the answer"),
            Self::Never(a, b) => write!(f, "{a} never hears {b}"),
            Self::Talk(a, b) => write!(f, "{a} and {b} talk"),
            Self::Misses(a, most, b) => write!(f, "{a} misses at most {} of {b}", Time(*most)),
        }
    }
}
