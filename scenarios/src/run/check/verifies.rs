//! How many answers a phone verifies: it tells of each.

use super::Found;
use crate::run::Facts;
use crate::script::Verifies;
use keyphone_ua::event::Event;

pub(super) fn check(expected: &Verifies, facts: &Facts<'_>) -> Found {
    let is_one = |event: &Event| matches!(event, Event::Verified { .. });
    match expected {
        Verifies::InAll(who, count) | Verifies::AtMost(who, count) => {
            let found = facts.events(who)?.filter(|(_, event)| is_one(event)).count() as u64;
            let fewer = matches!(expected, Verifies::AtMost(..)) && found < *count;
            Ok((found == *count || fewer, format!("it verified {found}")))
        }
        Verifies::BeforeHearing(who, count) => {
            let heard = facts.events(who)?.position(|(_, event)| matches!(event, Event::Heard { .. }));
            let Some(heard) = heard else { return Ok((false, "it heard nobody".into())) };
            let found = facts.events(who)?.take(heard).filter(|(_, event)| is_one(event)).count() as u64;
            Ok((found == *count, format!("it had verified {found}")))
        }
    }
}
