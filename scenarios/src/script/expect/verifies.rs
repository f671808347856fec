//! How many answers a phone verifies: public-key operations, which a call to many phones could make many of (RFC 5197
//! section 5.2; RFC 5479, R-ASSOC and R-DOS).

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::{Count, Form};
use std::fmt;

/// How many answers a phone verifies, over all its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifies {
    /// `A verifies two answers`: from the beginning to the end.
    InAll(Name, u64),
    /// `A verifies at most two answers`.
    AtMost(Name, u64),
    /// `A verifies one answer before it hears anybody`: so many before the first authentic frame of all. It must hear
    /// somebody.
    BeforeHearing(Name, u64),
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form {
        pattern: "A verifies COUNT answer|answers",
        make: |p| Expectation::Verifies(Verifies::InAll(p.name(), p.count())),
    },
    Form {
        pattern: "A verifies at most COUNT answer|answers",
        make: |p| Expectation::Verifies(Verifies::AtMost(p.name(), p.count())),
    },
    Form {
        pattern: "A verifies COUNT answer|answers before it hears anybody",
        make: |p| Expectation::Verifies(Verifies::BeforeHearing(p.name(), p.count())),
    },
];

impl Verifies {
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::InAll(who, _) | Self::AtMost(who, _) | Self::BeforeHearing(who, _) => vec![who],
        }
    }
}

impl fmt::Display for Verifies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::InAll(who, count) | Self::AtMost(who, count) | Self::BeforeHearing(who, count)) = self;
        let most = if matches!(self, Self::AtMost(..)) { "at most " } else { "" };
        write!(f, "{who} verifies {most}{} {}", Count(*count), if *count == 1 { "answer" } else { "answers" })?;
        f.write_str(if matches!(self, Self::BeforeHearing(..)) { " before it hears anybody" } else { "" })
    }
}
