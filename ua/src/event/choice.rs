//! What was made of a keying system before a call was offered.

use serde::Serialize;

/// What was made of a keying system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// Which one.
    pub system: String,
    /// `offered`, `next`, which is for when that was refused, or `passed over`.
    pub verdict: String,
    /// Why, each reason with where it comes from.
    pub why: String,
}
