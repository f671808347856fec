//! What a phone's user does, and when: `at 2 s alice rekeys`.

use super::name::Name;
use super::sentence::{Form, Time, read, time};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Something that somebody does at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When: since the world began.
    pub at: Duration,
    /// Which phone.
    pub who: Name,
    /// What it does.
    pub act: Act,
    /// `.. if possible`: nothing is wrong if it cannot be done at that time.
    pub optional: bool,
}

/// What a user does with a phone. Where a call is meant and no peer is named, it is the phone's latest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// `A calls B`: a phone, or a user whom a proxy knows.
    Calls(Name),
    /// `A answers`, when its calls ring until somebody does.
    Answers,
    /// `A refuses with 486`.
    Refuses(u16),
    /// `A redirects to B and C`.
    Redirects(Vec<Name>),
    /// `A hangs up`: all its calls; `A hangs up on B`: that one.
    HangsUp(Option<Name>),
    /// `A holds`, `A holds B`.
    Holds(Option<Name>),
    /// `A resumes`, `A resumes B`.
    Resumes(Option<Name>),
    /// `A rekeys`, `A rekeys with B`: new keys for the media.
    Rekeys(Option<Name>),
    /// `A transfers B to C`: blind (RFC 5589 section 6).
    Transfers(Name, Name),
    /// `A connects B with C`: attended (RFC 5589 section 7). A has a call with each; then they have one.
    Connects(Name, Name),
    /// `A presses '12#'`.
    Presses(String),
}

const FORMS: &[Form<(Name, Act)>] = &[
    Form { pattern: "A calls B", make: |p| (p.name(), Act::Calls(p.name())) },
    Form { pattern: "A answers", make: |p| (p.name(), Act::Answers) },
    Form { pattern: "A refuses with STATUS", make: |p| (p.name(), Act::Refuses(p.status())) },
    Form { pattern: "A redirects to MANY", make: |p| (p.name(), Act::Redirects(p.many())) },
    Form { pattern: "A hangs up", make: |p| (p.name(), Act::HangsUp(None)) },
    Form { pattern: "A hangs up on B", make: |p| (p.name(), Act::HangsUp(Some(p.name()))) },
    Form { pattern: "A holds", make: |p| (p.name(), Act::Holds(None)) },
    Form { pattern: "A holds B", make: |p| (p.name(), Act::Holds(Some(p.name()))) },
    Form { pattern: "A resumes", make: |p| (p.name(), Act::Resumes(None)) },
    Form { pattern: "A resumes B", make: |p| (p.name(), Act::Resumes(Some(p.name()))) },
    Form { pattern: "A rekeys", make: |p| (p.name(), Act::Rekeys(None)) },
    Form { pattern: "A rekeys with B", make: |p| (p.name(), Act::Rekeys(Some(p.name()))) },
    Form { pattern: "A transfers B to C", make: |p| (p.name(), Act::Transfers(p.name(), p.name())) },
    Form { pattern: "A connects B with C", make: |p| (p.name(), Act::Connects(p.name(), p.name())) },
    Form { pattern: "A presses TEXT", make: |p| (p.name(), Act::Presses(p.text())) },
];

/// `at 2 s` and what follows it.
pub(super) fn begins<'t>(text: &'t str, word: &str) -> Option<(Duration, &'t str)> {
    let mut words = text.trim().splitn(4, ' ');
    let (first, number, unit, rest) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some((time(number, unit).filter(|_| first == word)?, rest))
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (at, rest) = begins(text, "at").ok_or_else(|| {
            format!("{text:?} does not begin with its time, as in \"at 1500 ms alice hangs up\" or \"at 0 s alice calls bob\"")
        })?;
        let (rest, optional) = rest.strip_suffix(" if possible").map_or((rest, false), |rest| (rest, true));
        let (who, act) = read(rest, FORMS)?;
        Ok(Self { at, who, act, optional })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.optional { " if possible" } else { "" };
        write!(f, "at {} {} {}{end}", Time(self.at), self.who, self.act)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let maybe = |f: &mut fmt::Formatter<'_>, verb: &str, joint: &str, whom: &Option<Name>| match whom {
            Some(whom) => write!(f, "{verb}{joint} {whom}"),
            None => f.write_str(verb),
        };
        match self {
            Self::Calls(whom) => write!(f, "calls {whom}"),
            Self::Answers => f.write_str("answers"),
            Self::Refuses(status) => write!(f, "refuses with {status}"),
            Self::Redirects(to) => write!(f, "redirects to {}", super::name::Names(to)),
            Self::HangsUp(whom) => maybe(f, "hangs up", " on", whom),
            Self::Holds(whom) => maybe(f, "holds", "", whom),
            Self::Resumes(whom) => maybe(f, "resumes", "", whom),
            Self::Rekeys(whom) => maybe(f, "rekeys", " with", whom),
            Self::Transfers(whom, to) => write!(f, "transfers {whom} to {to}"),
            Self::Connects(whom, with) => write!(f, "connects {whom} with {with}"),
            Self::Presses(keys) => write!(f, "presses '{keys}'"),
        }
    }
}

impl Step {
    /// Every phone that is spoken of, and the user who is called.
    pub(super) fn names(&self) -> Vec<&Name> {
        let mut names = vec![&self.who];
        match &self.act {
            Act::Calls(whom) => names.push(whom),
            Act::Redirects(to) => names.extend(to),
            Act::HangsUp(whom) | Act::Holds(whom) | Act::Resumes(whom) | Act::Rekeys(whom) => names.extend(whom),
            Act::Transfers(whom, to) | Act::Connects(whom, to) => names.extend([whom, to]),
            Act::Answers | Act::Refuses(_) | Act::Presses(_) => {}
        }
        names
    }

    /// The ways to say it, for the template and the schema.
    pub fn forms() -> impl Iterator<Item = String> {
        FORMS.iter().map(|form| format!("at TIME {}", form.pattern))
    }
}
