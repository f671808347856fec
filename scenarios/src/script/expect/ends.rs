//! How calls end, and what is left of them.

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::{Count, Form, Time};
use std::fmt;
use std::time::Duration;

/// How calls end. Of several calls of one phone its first is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// `one dialog is left`, `two dialogs are left at 5 s`: dialogs that both sides hold; without a time, at the end.
    DialogsLeft(u64, Option<Duration>),
    /// `every call ends`: no phone has a call, a transaction or a media port left.
    All,
    /// `A's call completes`: it was answered, and somebody hung up.
    Completes(Name),
    /// `A's call fails with 486`.
    Fails(Name, u16),
    /// `A's call is refused for keying`.
    Refused(Name),
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form {
        pattern: "COUNT dialog|dialogs is|are left",
        make: |p| Expectation::Ends(Ends::DialogsLeft(p.count(), None)),
    },
    Form {
        pattern: "COUNT dialog|dialogs is|are left at TIME",
        make: |p| Expectation::Ends(Ends::DialogsLeft(p.count(), Some(p.time()))),
    },
    Form { pattern: "every call ends", make: |_| Expectation::Ends(Ends::All) },
    Form { pattern: "A's call completes", make: |p| Expectation::Ends(Ends::Completes(p.name())) },
    Form { pattern: "A's call fails with STATUS", make: |p| Expectation::Ends(Ends::Fails(p.name(), p.status())) },
    Form { pattern: "A's call is refused for keying", make: |p| Expectation::Ends(Ends::Refused(p.name())) },
];

impl Ends {
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::DialogsLeft(..) | Self::All => vec![],
            Self::Completes(who) | Self::Fails(who, _) | Self::Refused(who) => vec![who],
        }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DialogsLeft(count, at) => {
                let verb = if *count == 1 { "dialog is" } else { "dialogs are" };
                write!(f, "{} {verb} left", Count(*count))?;
                at.map_or(Ok(()), |at| write!(f, " at {}", Time(at)))
            }
            Self::All => f.write_str("every call ends"),
            Self::Completes(who) => write!(f, "{who}'s call completes"),
            Self::Fails(who, status) => write!(f, "{who}'s call fails with {status}"),
            Self::Refused(who) => write!(f, "{who}'s call is refused for keying"),
        }
    }
}
