//! Holds each expectation against what happened; one group per file, as in [`crate::script`].

mod clips;
mod counts;
mod ends;
mod hears;
mod keys;
mod knows;
mod rings;
mod safety;
mod sends;
mod tone;
mod verifies;

use super::{Facts, Verdict};
use crate::script::Expectation;

/// Passed or not, and what was measured.
type Found = Result<(bool, String), String>;

/// Holds one expectation against what happened.
pub(super) fn check(expected: &Expectation, facts: &Facts<'_>) -> Result<Verdict, String> {
    let (passed, measured) = match expected {
        Expectation::Hears(hears) => hears::check(hears, facts)?,
        Expectation::Keys(keys) => keys::check(keys, facts)?,
        Expectation::Safety(safety) => safety::check(*safety, facts)?,
        Expectation::Ends(ends) => ends::check(ends, facts)?,
        Expectation::Rings(rings) => rings::check(rings, facts)?,
        Expectation::Knows(knows) => knows::check(knows, facts)?,
        Expectation::Counts(counts) => counts::check(counts, facts)?,
        Expectation::Clips(clips) => clips::check(clips, facts)?,
        Expectation::Verifies(verifies) => verifies::check(verifies, facts)?,
        Expectation::Sends(sends) => sends::check(sends, facts)?,
    };
    Ok(Verdict { sentence: expected.to_string(), passed, measured })
}

/// `nothing`, `a`, `a, b`.
fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "nothing".into() } else { items.join(", ") }
}

/// `once`, `3 times`.
fn times(n: usize) -> String {
    if n == 1 { "once".into() } else { format!("{n} times") }
}
