//! How many packets and branches came to nothing: the phone's own counts.

use super::Found;
use crate::run::Facts;
use crate::script::{Counted, Counts};
use keyphone_ua::event::Event;

pub(super) fn check(expected: &Counts, facts: &Facts<'_>) -> Found {
    let Counts { who, what, count, or_more } = expected;
    let of_event = |event: &Event| match (event, what) {
        (Event::Stats { counts, .. }, Counted::Refused) => counts.refused,
        (Event::Stats { counts, .. }, Counted::Replayed) => counts.replayed,
        (Event::Stats { counts, .. }, Counted::Reflected) => counts.reflected,
        (Event::BranchLost { .. }, Counted::Branches) => 1,
        _ => 0,
    };
    let found: u64 = facts.events(who)?.map(|(_, event)| of_event(event)).sum();
    let enough = if *or_more { found >= *count } else { found == *count };
    Ok((enough, format!("{found}")))
}
