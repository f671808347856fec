//! Who rings, and who answers.

use super::Found;
use crate::run::Facts;
use crate::script::Rings;
use keyphone_ua::event::{Direction, Event};
use keyphone_ua::sip::{Message, Method};

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
            let rang = rang(facts, who)?.first().copied();
            let keyed = facts.events(who)?.position(|(_, event)| matches!(event, Event::Key { .. }));
            Ok(match (keyed, rang) {
                (_, None) => (false, "it never rang".into()),
                (Some(keyed), Some(rang)) if keyed < rang => (true, "it was keyed, and then it rang".into()),
                _ => (false, "it rang, and was not keyed".into()),
            })
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

/// Where in its events a phone rang that was called.
fn rang(facts: &Facts<'_>, who: &crate::script::Name) -> Result<Vec<usize>, String> {
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
