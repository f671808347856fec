//! What the users of a random world do, at random times: they call and are called, hold, change keys, transfer, hang up.

use super::chance::Chance;
use super::people::name;
use super::places::DESK;
use crate::script::{Act, Incoming, Name, Script, Step};
use std::time::Duration;

/// When the last of them has hung up, all timers run out within this: 64 * T1 for every transaction (RFC 3261 section
/// 17), three minutes for whoever still rings, and the two seconds that an old key is heard.
const AFTERWARDS: Duration = Duration::from_secs(420);

pub(super) fn happen(script: &mut Script, dice: &mut Chance) {
    let phones: Vec<_> = script.phones.iter().map(|phone| phone.name.clone()).collect();
    let mut users = phones.clone();
    if script.phones.iter().any(|phone| phone.user.as_str() == DESK) {
        users.extend([name(DESK), name(DESK), name(DESK)]);
    }
    let step = |at, who: &Name, act| Step { at, who: who.clone(), act, optional: true };
    // Who calls somebody has something to hold, to rekey and to hang up.
    let mut busy = vec![];
    for _ in 0..2 + dice.below(2 + phones.len() / 2) {
        let (who, whom) = (dice.one(&phones), dice.one(&users));
        if whom != who {
            busy.extend([who.clone(), whom.clone()].into_iter().filter(|name| phones.contains(name)));
            script.steps.push(step(dice.ms(0, 3000), &who, Act::Calls(whom)));
        }
    }
    if script.steps.is_empty() {
        script.steps.push(step(Duration::ZERO, &phones[0], Act::Calls(phones[1].clone())));
    }
    busy.extend(phones.iter().cloned());
    // One world in two hundred goes on until sequence numbers wrap: 2^16 packets, one every 20 ms.
    let long = dice.below(200) == 0;
    let end = if long { 1_400_000 } else { 4000 + dice.below(7000) };
    for phone in script.phones.iter().filter(|phone| phone.incoming == Incoming::Rings) {
        for _ in 0..dice.below(4) {
            script.steps.push(step(dice.ms(500, 5000), &phone.name, Act::Answers));
        }
    }
    for _ in 0..dice.below(6 + phones.len()) {
        let who = dice.one(&busy);
        script.steps.push(step(dice.ms(200, end.min(12_000)), &who, act(&who, &phones, long, dice)));
    }
    // Somebody may call back, or be transferred, while the others hang up.
    let end = Duration::from_millis(end as u64);
    for later in [0, 5, 60, 200].map(Duration::from_secs) {
        script.steps.extend(phones.iter().map(|who| step(end + later, who, Act::HangsUp(None))));
    }
    script.steps.sort_by_key(|step| step.at);
    script.length = end + Duration::from_secs(200) + AFTERWARDS;
}

fn act(who: &Name, phones: &[Name], long: bool, dice: &mut Chance) -> Act {
    let others: Vec<_> = phones.iter().filter(|name| *name != who).cloned().collect();
    let maybe = |dice: &mut Chance| if dice.percent(30) { Some(dice.one(&others)) } else { None };
    match dice.below(20) {
        0 => Act::Answers,
        1..=6 => Act::Rekeys(maybe(dice)),
        7..=9 => Act::Holds(maybe(dice)),
        10..=12 => Act::Resumes(maybe(dice)),
        13 => Act::Transfers(dice.one(&others), dice.one(&others)),
        14 => Act::Connects(dice.one(&others), dice.one(&others)),
        15 => Act::Presses(dice.one(&["1", "42#", "0*0"]).into()),
        16 => Act::Refuses(dice.one(&[480, 486, 603])),
        17 => Act::Redirects(vec![dice.one(&others)]),
        18 => Act::Calls(dice.one(&others)),
        // A world that is to go on for long does not end at once.
        _ if long => Act::Rekeys(None),
        _ => Act::HangsUp(maybe(dice)),
    }
}
