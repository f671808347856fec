//! How many packets and branches came to nothing.

use super::Expectation;
use crate::script::name::Name;
use crate::script::sentence::{Count, Form};
use std::fmt;

/// `A drops at least ten replayed packets`, `A drops two branches`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Which phone, over all its calls.
    pub who: Name,
    /// Of what.
    pub what: Counted,
    /// So many.
    pub count: u64,
    /// Or more.
    pub or_more: bool,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Packets that no key fits.
    Refused,
    /// Packets that came before.
    Replayed,
    /// Its own packets.
    Reflected,
    /// Branches that answered after another had won.
    Branches,
}

macro_rules! forms {
    ($($what:ident $exactly:literal $at_least:literal;)*) => {
        pub(super) const FORMS: &[Form<Expectation>] = &[$(
            Form { pattern: $exactly, make: |p| Expectation::Counts(Counts {
                who: p.name(), what: Counted::$what, count: p.count(), or_more: false,
            }) },
            Form { pattern: $at_least, make: |p| Expectation::Counts(Counts {
                who: p.name(), what: Counted::$what, count: p.count(), or_more: true,
            }) },
        )*];
    };
}

forms! {
    Refused "A drops COUNT refused packet|packets" "A drops at least COUNT refused packet|packets";
    Replayed "A drops COUNT replayed packet|packets" "A drops at least COUNT replayed packet|packets";
    Reflected "A drops COUNT reflected packet|packets" "A drops at least COUNT reflected packet|packets";
    Branches "A drops COUNT branch|branches" "A drops at least COUNT branch|branches";
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, what, count, or_more } = self;
        let (one, many) = match what {
            Counted::Refused => ("refused packet", "refused packets"),
            Counted::Replayed => ("replayed packet", "replayed packets"),
            Counted::Reflected => ("reflected packet", "reflected packets"),
            Counted::Branches => ("branch", "branches"),
        };
        let least = if *or_more { "at least " } else { "" };
        write!(f, "{who} drops {least}{} {}", Count(*count), if *count == 1 { one } else { many })
    }
}
