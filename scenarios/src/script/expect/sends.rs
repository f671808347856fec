//! How often a phone sends something: that what a scenario is about has happened at all.

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::{Count, Form};
use crate::script::what::What;
use std::fmt;

/// `A sends one 491`, `A sends at least three 183`, `A sends no media`. What is repeated counts each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sends {
    /// Which phone.
    pub who: Name,
    /// Of what.
    pub what: What,
    /// So many.
    pub count: u64,
    /// Or more.
    pub or_more: bool,
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form {
        pattern: "A sends COUNT WHAT",
        make: |p| {
            let (who, count, what) = (p.name(), p.count(), p.what());
            Expectation::Sends(Sends { who, what, count, or_more: false })
        },
    },
    Form {
        pattern: "A sends at least COUNT WHAT",
        make: |p| {
            let (who, count, what) = (p.name(), p.count(), p.what());
            Expectation::Sends(Sends { who, what, count, or_more: true })
        },
    },
];

impl fmt::Display for Sends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, what, count, or_more } = self;
        write!(f, "{who} sends {}{} {what}", if *or_more { "at least " } else { "" }, Count(*count))
    }
}
