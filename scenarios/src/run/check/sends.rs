//! How often a phone sends something: the wire says.

use super::Found;
use crate::attacker::is;
use crate::run::Facts;
use crate::script::Sends;

pub(super) fn check(expected: &Sends, facts: &Facts<'_>) -> Found {
    let Sends { who, what, count, or_more } = expected;
    let from = facts.place(facts.number(who)?);
    let found = facts.world.log().iter().filter(|sent| from.has(sent.from) && is(what, sent)).count() as u64;
    let enough = if *or_more { found >= *count } else { found == *count };
    Ok((enough, format!("it sent {found}")))
}
