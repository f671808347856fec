//! Who rings, and who answers.

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::Form;
use std::fmt;

/// Who rings, and who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rings {
    /// `A rings`.
    Ever(Name),
    /// `A never rings`.
    Never(Name),
    /// `A rings only once keyed`: it rings, and before that it has its keys, and whoever calls it has the one to hear it
    /// with (RFC 5027).
    OnceKeyed(Name),
    /// `A is answered by B`: of all branches, B's was the one.
    AnsweredBy(Name, Name),
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form { pattern: "A rings", make: |p| Expectation::Rings(Rings::Ever(p.name())) },
    Form { pattern: "A never rings", make: |p| Expectation::Rings(Rings::Never(p.name())) },
    Form { pattern: "A rings only once keyed", make: |p| Expectation::Rings(Rings::OnceKeyed(p.name())) },
    Form { pattern: "A is answered by B", make: |p| Expectation::Rings(Rings::AnsweredBy(p.name(), p.name())) },
];

impl Rings {
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::Ever(who) | Self::Never(who) | Self::OnceKeyed(who) => vec![who],
            Self::AnsweredBy(who, by) => vec![who, by],
        }
    }
}

impl fmt::Display for Rings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ever(who) => write!(f, "{who} rings"),
            Self::Never(who) => write!(f, "{who} never rings"),
            Self::OnceKeyed(who) => write!(f, "{who} rings only once keyed"),
            Self::AnsweredBy(who, by) => write!(f, "{who} is answered by {by}"),
        }
    }
}
