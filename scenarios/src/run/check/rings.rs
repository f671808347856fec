//! Who rings, and who answers.

use super::Found;
use crate::run::Facts;
use crate::script::{Name, Rings};
use keyphone_ua::event::{Direction, Event, KeyUse};
use keyphone_ua::sip::{Message, Method};
use std::collections::BTreeSet;

pub(super) fn check(expected: &Rings, facts: &Facts<'_>) -> Found {
    match expected {
        Rings::Ever(who) => {
            let times = rang(facts, who)?.len();
            Ok((times > 0, format!("it rang {}", super::times(times))))
        }
        Rings::Never(who) => {
            let times = rang(facts, who)?.len();
            Ok((times == 0, format!("it rang {}", super::times(times))))
        }
        Rings::OnceKeyed(who) => {
            let Some(rang) = rang(facts, who)?.first().copied() else { return Ok((false, "it never rang".into())) };
            once_keyed(facts, who, rang)
        }
        Rings::AnsweredBy(who, by) => {
            let branch = facts.events(who)?.find_map(|(_, event)| match event {
                Event::Answered { branch, .. } => Some(branch.clone()),
                _ => None,
            });
            let Some(branch) = branch else { return Ok((false, format!("no call of {who} was answered"))) };
            let number = facts.number(by)?;
            let place = facts.place(number);
            let by_it = facts.world.log().iter().filter(|sent| !sent.media && place.has(sent.from));
            let is_it = by_it.filter_map(|sent| Message::parse(&sent.bytes).ok()).any(|message| match message {
                Message::Response(response) => {
                    response.status.is_success()
                        && response.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite)
                        && response.headers.tag("To") == Some(&branch)
                }
                Message::Request(_) => false,
            });
            Ok((is_it, format!("by branch {branch}")))
        }
    }
}

/// It had its keys before it rang, and so had whoever called it.
fn once_keyed(facts: &Facts<'_>, who: &Name, rang: usize) -> Found {
    let Some((at, call)) = facts.events(who)?.nth(rang).and_then(|(at, event)| Some((at, event.call()?))) else {
        return Ok((false, "it never rang".into()));
    };
    let key = |event: &Event, of: KeyUse| match event {
        Event::Key { key, use_for, .. } if *use_for == of => Some(key.clone()),
        _ => None,
    };
    let own: BTreeSet<_> = facts.events(who)?.take(rang).filter_map(|(_, event)| key(event, KeyUse::Send)).collect();
    if own.is_empty() {
        return Ok((false, "it rang, and was not keyed".into()));
    }
    let call_id = facts.call_id(facts.number(who)?, call);
    let is_call = |event: &Event| matches!(event, Event::Started { call_id: id, direction: Direction::Outgoing, .. } if Some(id.as_str()) == call_id);
    for role in &facts.cast.phones {
        // An outside phone tells nothing.
        if !facts.events(&role.name)?.any(|(_, event)| is_call(event)) {
            continue;
        }
        let before = facts.events(&role.name)?.take_while(|(then, _)| *then <= at);
        if !before.filter_map(|(_, event)| key(event, KeyUse::Hear)).any(|key| own.contains(&key)) {
            return Ok((false, format!("it rang, and {} could not have heard it yet", role.name)));
        }
    }
    Ok((true, "both were keyed, and then it rang".into()))
}

/// Where in its events a phone rang that was called.
fn rang(facts: &Facts<'_>, who: &Name) -> Result<Vec<usize>, String> {
    let incoming: Vec<_> = facts
        .events(who)?
        .filter_map(|(_, event)| match event {
            Event::Started { call, direction: Direction::Incoming, .. } => Some(*call),
            _ => None,
        })
        .collect();
    let events = facts.events(who)?.enumerate();
    let ringing = |event: &Event| matches!(event, Event::Ringing { call, .. } if incoming.contains(call));
    Ok(events.filter(|(_, (_, event))| ringing(event)).map(|(n, _)| n).collect())
}
