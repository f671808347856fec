//! What a phone knows of the other side, and what it tells its user.

use super::{Found, list};
use crate::run::Facts;
use crate::run::steps::is_same;
use crate::script::Knows;
use keyphone_keying::How;
use keyphone_ua::event::Event;
use std::collections::BTreeSet;

pub(super) fn check(expected: &Knows, facts: &Facts<'_>) -> Found {
    match expected {
        Knows::TalksTo(who, whom) => {
            let uri = &facts.cast.phones[facts.number(whom)?].uri;
            let proven = facts.events(who)?.filter_map(|(_, event)| match event {
                Event::Peer { proven, how, .. } => Some((proven.as_str(), how.as_str())),
                _ => None,
            });
            Ok(match proven.last() {
                Some((proven, how)) => {
                    let proves = ![How::OwnMessage, How::Hop, How::Nothing].iter().any(|none| none.to_string() == how);
                    (is_same(proven, uri) && proves, format!("{proven} is proven by {how}"))
                }
                None => (false, "nobody was proven to it".into()),
            })
        }
        Knows::Told(who, whom) => {
            let uri = &facts.cast.phones[facts.number(whom)?].uri;
            let told: Vec<_> = facts
                .events(who)?
                .filter_map(|(_, event)| match event {
                    Event::ConnectedTo { peer, .. } => Some(peer.as_str()),
                    _ => None,
                })
                .collect();
            Ok((told.iter().any(|peer| is_same(peer, uri)), format!("it was told of {}", list(told))))
        }
        Knows::Clash(who) | Knows::NoClash(who) => {
            let clashes: BTreeSet<_> = facts
                .events(who)?
                .filter_map(|(_, event)| match event {
                    Event::TwoTimePad { ssrc, what, .. } => Some(format!("{ssrc}: {what}")),
                    _ => None,
                })
                .collect();
            Ok((clashes.is_empty() == matches!(expected, Knows::NoClash(_)), list(clashes)))
        }
        Knows::Says(who, text) => {
            let said = facts.events(who)?.map(|(_, event)| format!("{event:?}"));
            let found = said.filter(|said| said.contains(text.as_str())).count();
            Ok((found > 0, format!("it said so {}", super::times(found))))
        }
    }
}
