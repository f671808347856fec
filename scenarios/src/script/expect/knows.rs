//! What a phone knows of the other side, and what it tells its user.

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::Form;
use std::fmt;

/// What a phone knows, and what it tells its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knows {
    /// `A knows that it talks to B`: keying has proven the name of B's user to it.
    TalksTo(Name, Name),
    /// `A is told that B answered`: B's phone said so itself (RFC 4916).
    Told(Name, Name),
    /// `A names a clash`: it says that one pad was used twice.
    Clash(Name),
    /// `A names no clash`.
    NoClash(Name),
    /// `A says 'policy accepts'`: among all that it tells, somewhere stand these words.
    Says(Name, String),
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form { pattern: "A knows that it talks to B", make: |p| Expectation::Knows(Knows::TalksTo(p.name(), p.name())) },
    Form { pattern: "A is told that B answered", make: |p| Expectation::Knows(Knows::Told(p.name(), p.name())) },
    Form { pattern: "A names a clash", make: |p| Expectation::Knows(Knows::Clash(p.name())) },
    Form { pattern: "A names no clash", make: |p| Expectation::Knows(Knows::NoClash(p.name())) },
    Form { pattern: "A says TEXT", make: |p| Expectation::Knows(Knows::Says(p.name(), p.text())) },
];

impl Knows {
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::TalksTo(who, whom) | Self::Told(who, whom) => vec![who, whom],
            Self::Clash(who) | Self::NoClash(who) | Self::Says(who, _) => vec![who],
        }
    }
}

impl fmt::Display for Knows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TalksTo(who, whom) => write!(f, "{who} knows that it talks to {whom}"),
            Self::Told(who, whom) => write!(f, "{who} is told that {whom} answered"),
            Self::Clash(who) => write!(f, "{who} names a clash"),
            Self::NoClash(who) => write!(f, "{who} names no clash"),
            Self::Says(who, text) => write!(f, "{who} says '{text}'"),
        }
    }
}
