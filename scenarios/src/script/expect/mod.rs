//! What must be true of a run, in the user's words; one group of sentences per file.

mod clips;
mod counts;
mod ends;
mod hears;
mod keys;
mod knows;
mod rings;
mod safety;
mod sends;
mod verifies;

pub use clips::Clips;
pub use counts::{Counted, Counts};
pub use ends::Ends;
pub use hears::Hears;
pub use keys::Keys;
pub use knows::Knows;
pub use rings::Rings;
pub use safety::Safety;
pub use sends::Sends;
pub use verifies::Verifies;

use super::name::Name;
use super::sentence::read;
use std::fmt;
use std::str::FromStr;

/// What must be true of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Who hears whom.
    Hears(Hears),
    /// Which keys are used where.
    Keys(Keys),
    /// What never happens, whoever does what.
    Safety(Safety),
    /// How calls end.
    Ends(Ends),
    /// Who rings.
    Rings(Rings),
    /// What a phone knows of the other side, and tells its user.
    Knows(Knows),
    /// How many packets and branches came to nothing.
    Counts(Counts),
    /// What came before its key, as the phone tells of it.
    Clips(Clips),
    /// How many answers a phone verifies.
    Verifies(Verifies),
    /// How often a phone sends something.
    Sends(Sends),
}

/// The forms of all groups, as those of one type.
fn forms() -> Vec<super::sentence::Form<Expectation>> {
    let groups = [
        hears::FORMS,
        keys::FORMS,
        safety::FORMS,
        ends::FORMS,
        rings::FORMS,
        knows::FORMS,
        counts::FORMS,
        clips::FORMS,
        verifies::FORMS,
        sends::FORMS,
    ];
    groups.into_iter().flatten().map(|form| super::sentence::Form { ..*form }).collect()
}

impl Expectation {
    /// The ways to say it, for the template and the schema.
    pub fn forms() -> impl Iterator<Item = String> {
        forms().into_iter().map(|form| form.pattern.to_owned())
    }

    /// Every phone that is spoken of.
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::Hears(hears) => hears.names(),
            Self::Keys(keys) => keys.names(),
            Self::Safety(_) => vec![],
            Self::Ends(ends) => ends.names(),
            Self::Rings(rings) => rings.names(),
            Self::Knows(knows) => knows.names(),
            Self::Counts(counts) => vec![&counts.who],
            Self::Clips(clips) => clips.names(),
            Self::Verifies(verifies) => verifies.names(),
            Self::Sends(sends) => vec![&sends.who],
        }
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read(text, &forms())
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hears(hears) => hears.fmt(f),
            Self::Keys(keys) => keys.fmt(f),
            Self::Safety(safety) => safety.fmt(f),
            Self::Ends(ends) => ends.fmt(f),
            Self::Rings(rings) => rings.fmt(f),
            Self::Knows(knows) => knows.fmt(f),
            Self::Counts(counts) => counts.fmt(f),
            Self::Clips(clips) => clips.fmt(f),
            Self::Verifies(verifies) => verifies.fmt(f),
            Self::Sends(sends) => sends.fmt(f),
        }
    }
}
