//! What never happens, whoever does what.

use super::Expectation;
use crate::script::sentence::Form;
use std::fmt;

/// What never happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// `nothing unauthenticated was played`: all that is in a recording was sealed by the phone whose tone it is, and
    /// everything that an attacker made up or changed was dropped.
    NothingUnauthenticated,
    /// `nothing was sent in the clear`: no RTP left anybody without a key.
    NothingClear,
    /// `no media was sent`: none at all.
    NoMedia,
    /// `the observer finds nothing wrong`: see [`crate::observer`]. All that is to end must have ended by the end.
    NothingWrong,
}

pub(super) const FORMS: &[Form<Expectation>] = &[
    Form {
        pattern: "nothing unauthenticated was played",
        make: |_| Expectation::Safety(Safety::NothingUnauthenticated),
    },
    Form { pattern: "nothing was sent in the clear", make: |_| Expectation::Safety(Safety::NothingClear) },
    Form { pattern: "no media was sent", make: |_| Expectation::Safety(Safety::NoMedia) },
    Form { pattern: "the observer finds nothing wrong", make: |_| Expectation::Safety(Safety::NothingWrong) },
];

impl fmt::Display for Safety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingUnauthenticated => "nothing unauthenticated was played",
            Self::NothingClear => "nothing was sent in the clear",
            Self::NoMedia => "no media was sent",
            Self::NothingWrong => "the observer finds nothing wrong",
        })
    }
}
