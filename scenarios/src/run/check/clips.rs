//! What came before its key, by what the phone tells of it: of whom it is, the wire says.

use super::Found;
use crate::run::Facts;
use crate::script::{Clips, Name};
use keyphone_ua::event::Event;

/// Milliseconds that were clipped, and packets that waited.
#[derive(Default)]
struct Clipped {
    ms: u64,
    held: u64,
}

pub(super) fn check(expected: &Clips, facts: &Facts<'_>) -> Found {
    let (Clips::AtMost(who, _, whom) | Clips::AtLeast(who, _, whom) | Clips::Keeps(who, _, whom)) = expected;
    let Clipped { ms, held } = clipped(facts, who, whom)?;
    let passed = match expected {
        Clips::AtMost(_, most, _) => u128::from(ms) <= most.as_millis(),
        Clips::AtLeast(_, least, _) => u128::from(ms) >= least.as_millis(),
        Clips::Keeps(_, least, _) => held >= *least,
    };
    Ok((passed, format!("it says that {ms} ms of {whom} were clipped, and {held} packets had to wait")))
}

/// What one says of the other's media.
fn clipped(facts: &Facts<'_>, who: &Name, whom: &Name) -> Result<Clipped, String> {
    let tags = facts.tags(facts.number(whom)?);
    let mut all = Clipped::default();
    for (_, event) in facts.events(who)? {
        if let Event::Clipped { branch, ms, held, .. } = event
            && tags.contains(branch)
        {
            (all.ms, all.held) = (all.ms + ms, all.held + held);
        }
    }
    Ok(all)
}
