//! What is wrong with a message that does not verify, or with a key that another implementation derived: tries, one by
//! one and then together, what implementations are known to do otherwise than the RFCs.
//!
//! The derivations that deviate are in here and nowhere else: no mode can use them.

mod checks;
mod deviations;
mod seals;
mod tek;
mod ways;

pub use deviations::Deviation;

use super::exchange::Exchanges;
use super::input::{Found, Place};
use super::lint::{self, Finding, Severity};
use super::open::Secrets;
use crate::mikey::derive;
use crate::mikey::wire::{Message, WireError};
use crate::mikey::{Tolerance, Tolerances};
use deviations::ALL;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use ways::Way;

/// What is known of an exchange.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The keys.
    pub secrets: Secrets,
    /// A TEK or salt that somebody derived from it, and that is not the one it should be.
    pub derived: Option<derive::Secret>,
}

/// What was found out about one message.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Where it was found.
    pub place: Place,
    /// How long it is.
    pub octets: usize,
    /// Its data type.
    pub what: String,
    /// The rules that it breaks, errors alone.
    pub broken: Vec<Finding>,
    /// What its keys say.
    pub checks: Vec<Check>,
}

/// One thing that must come out in one way.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// `its MAC`, `its V`, `its signature`, `its key data`, `the TEK`.
    pub of: String,
    /// How it came out.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// How a check came out.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// As the RFCs say.
    Right,
    /// In another way that is known.
    Deviates {
        /// All that must be done otherwise, at once.
        if_: Vec<Deviation>,
    },
    /// In no way that is known.
    Unexplained {
        /// So many were tried.
        tried: usize,
    },
    /// Something is missing.
    Unchecked {
        /// What.
        why: String,
    },
}

/// More deviations at once are not tried.
const TOGETHER: usize = 3;

/// Looks at each message; at an answer together with the I_MESSAGE of its bundle, and at an update with the exchange
/// that began it.
pub fn diagnose(found: &[Found], evidence: &Evidence) -> Vec<Diagnosis> {
    let read: Vec<_> = found.iter().map(read).collect();
    let exchanges = Exchanges::of(read.iter().map(|read| read.as_ref().ok().map(|(message, _)| message)).collect());
    let linted = lint::lint(found, None);
    let diagnose = |((index, found), linted): ((usize, &Found), lint::Linted)| {
        let (what, checks) = match &read[index] {
            Ok((message, error)) => {
                let case = checks::Case::new(message, exchanges.context(index), error.is_none(), evidence);
                (message.hdr().data_type.to_string(), case.run())
            }
            Err(_) => ("no message".to_owned(), vec![]),
        };
        let broken = linted.findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
        Diagnosis { place: found.place.clone(), octets: linted.octets, what, broken, checks }
    };
    found.iter().enumerate().zip(linted).map(diagnose).collect()
}

fn read(found: &Found) -> Result<(Message, Option<WireError>), WireError> {
    // The code points of RFC 4650 are not let pass here: they are what may be found out.
    let tolerances = Tolerances::none().with(Tolerance::TrailingPadding);
    Message::read_as_far(found.bytes.as_ref().map_err(Clone::clone)?, tolerances)
}

/// Tries the RFCs' way, then every known deviation that concerns `axes`, then two at once, then three.
fn search(axes: &[ways::Axis], fits: impl Fn(&Way) -> bool) -> Verdict {
    let rfc = Way::rfc();
    if fits(&rfc) {
        return Verdict::Right;
    }
    let concerned: Vec<&Deviation> = ALL.iter().filter(|deviation| axes.contains(&deviation.axis)).collect();
    let mut tried = 1;
    for together in 1..=TOGETHER {
        let mut chosen = vec![];
        if let Some(if_) = combine(&concerned, together, &rfc, &mut chosen, &mut tried, &fits) {
            return Verdict::Deviates { if_ };
        }
    }
    Verdict::Unexplained { tried }
}

/// The first combination of so many deviations, each of another axis, that fits.
fn combine(
    rest: &[&Deviation],
    together: usize,
    way: &Way,
    chosen: &mut Vec<Deviation>,
    tried: &mut usize,
    fits: &impl Fn(&Way) -> bool,
) -> Option<Vec<Deviation>> {
    for (index, deviation) in rest.iter().enumerate() {
        if chosen.iter().any(|other| other.axis == deviation.axis) {
            continue;
        }
        let mut changed = way.clone();
        (deviation.apply)(&mut changed);
        chosen.push(**deviation);
        if together > 1 {
            if let Some(found) = combine(&rest[index + 1..], together - 1, &changed, chosen, tried, fits) {
                return Some(found);
            }
        } else {
            *tried += 1;
            if fits(&changed) {
                return Some(chosen.clone());
            }
        }
        chosen.pop();
    }
    None
}

impl Diagnosis {
    /// Is there something wrong with it that was found?
    pub fn is_named(&self) -> bool {
        !self.broken.is_empty() || self.deviations().next().is_some()
    }

    /// Is everything that could be looked at as it should be?
    pub fn is_right(&self) -> bool {
        let fine = |check: &Check| matches!(check.verdict, Verdict::Right | Verdict::Unchecked { .. });
        self.broken.is_empty() && self.checks.iter().all(fine)
    }

    /// All deviations that explain something.
    pub fn deviations(&self) -> impl Iterator<Item = &Deviation> {
        self.checks.iter().flat_map(|check| match &check.verdict {
            Verdict::Deviates { if_ } => &if_[..],
            _ => &[],
        })
    }

    /// The message as an object: where it was found, `what`, `octets`, `broken` and `checks`.
    pub fn to_json(&self) -> Value {
        let Self { place, octets, what, broken, checks } = self;
        let mut object = json!({ "what": what, "octets": octets, "broken": broken, "checks": checks });
        place.add_to(&mut object);
        object
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = &self.of;
        match &self.verdict {
            Verdict::Right => write!(f, "{of} is right"),
            Verdict::Unchecked { why } => write!(f, "{of} was not checked: {why}"),
            Verdict::Unexplained { tried } => {
                write!(
                    f,
                    "{of} is wrong, and so in {tried} ways that were tried: the key is another one, or the message was changed"
                )
            }
            Verdict::Deviates { if_ } => {
                let texts: Vec<_> = if_.iter().map(|deviation| deviation.text).collect();
                write!(f, "{of} is right if {}", texts.join(", and "))?;
                if_.iter().try_for_each(|deviation| write!(f, "\n    {deviation}"))
            }
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} octets{}", self.what, self.octets, self.place)?;
        self.checks.iter().try_for_each(|check| write!(f, "\n  {check}"))?;
        self.broken.iter().try_for_each(|finding| write!(f, "\n  {finding}"))?;
        match self.is_right() {
            true => f.write_str("\n  nothing is wrong with it, as far as could be looked"),
            false => Ok(()),
        }
    }
}
