//! How calls end, and what is left of them.

use super::{Found, list};
use crate::run::{Between, Facts};
use crate::script::{Ends, Name};
use keyphone_media::env::Instant;
use keyphone_ua::event::{CallId, Direction, Event, Outcome};
use std::collections::BTreeSet;

pub(super) fn check(expected: &Ends, facts: &Facts<'_>) -> Found {
    match expected {
        Ends::DialogsLeft(count, at) => {
            let at = at.map_or(facts.world.now(), |at| facts.cast.begins + at);
            let (both, one) = dialogs(facts, at);
            let halves = if one.is_empty() { String::new() } else { format!("; only one side holds {}", list(&one)) };
            Ok((both.len() as u64 == *count && one.is_empty(), format!("{}{halves}", list(&both))))
        }
        Ends::All => all(facts),
        Ends::Completes(who) => {
            let outcome = outcome(facts, who)?;
            Ok((matches!(outcome, Some(Outcome::Completed { .. })), said(outcome)))
        }
        Ends::Fails(who, status) => {
            let outcome = outcome(facts, who)?;
            let is_it = matches!(outcome, Some(Outcome::Failed { status: Some(code), .. }) if code == status);
            Ok((is_it, said(outcome)))
        }
        Ends::Refused(who) => {
            let outcome = outcome(facts, who)?;
            let why = facts.events(who)?.find_map(|(_, event)| match event {
                Event::Refused { why, .. } => Some(why.clone()),
                _ => None,
            });
            let refused = matches!(outcome, Some(Outcome::KeyingRefused { .. }));
            Ok((refused, why.filter(|_| refused).unwrap_or_else(|| said(outcome))))
        }
    }
}

/// The outcome of the first call.
fn outcome<'r>(facts: &Facts<'r>, who: &Name) -> Result<Option<&'r Outcome>, String> {
    Ok(facts.events(who)?.find_map(|(_, event)| match event {
        Event::Ended { outcome, .. } => Some(outcome),
        _ => None,
    }))
}

fn said(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "it did not end".into(),
        Some(Outcome::Completed { .. }) => "it completed".into(),
        Some(Outcome::Failed { status: Some(status), why }) => format!("it failed with {status}: {why}"),
        Some(Outcome::Failed { status: None, why }) => format!("it failed: {why}"),
        Some(Outcome::KeyingRefused { why }) => format!("it was refused for keying: {why}"),
    }
}

/// A phone's call that is answered and has not ended.
struct Open<'r> {
    phone: usize,
    call_id: &'r str,
    direction: Direction,
}

/// The dialogs that both sides hold then, and those that only one does.
fn dialogs(facts: &Facts<'_>, then: Instant) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut open = vec![];
    for (phone, node) in facts.world.nodes().iter().enumerate() {
        let events = || node.events.iter().take_while(|(at, _)| *at <= then).map(|(_, event)| event);
        let answered: BTreeSet<CallId> =
            events().filter(|event| matches!(event, Event::Answered { .. })).filter_map(Event::call).collect();
        let ended: BTreeSet<CallId> =
            events().filter(|event| matches!(event, Event::Ended { .. })).filter_map(Event::call).collect();
        let started = events().filter_map(|event| match event {
            Event::Started { call, call_id, direction, .. } => Some((*call, call_id.as_str(), *direction)),
            _ => None,
        });
        let is_open = |call: &CallId| answered.contains(call) && !ended.contains(call);
        open.extend(started.filter(|(call, ..)| is_open(call)).map(|(_, call_id, direction)| Open {
            phone,
            call_id,
            direction,
        }));
    }
    let name = |phone: usize| facts.cast.phones[phone].name.to_string();
    let (mut both, mut one) = (BTreeSet::new(), BTreeSet::new());
    let with_strangers = facts.cast.phones.iter().any(|role| role.outside.is_some());
    for this in &open {
        let other = open.iter().find(|other| other.call_id == this.call_id && other.direction != this.direction);
        match (other, this.direction) {
            // Each callee that answered is a dialog; a caller holds one of those.
            (Some(other), Direction::Incoming) => {
                both.insert(format!("{} with {}", name(other.phone), name(this.phone)));
            }
            (Some(_), Direction::Outgoing) => {}
            (None, _) if with_strangers => {
                both.insert(format!("{} with somebody outside", name(this.phone)));
            }
            (None, _) => {
                one.insert(name(this.phone));
            }
        }
    }
    (both, one)
}

/// No phone and no proxy has anything left of any call.
fn all(facts: &Facts<'_>) -> Found {
    /// Pairs of ports that a phone keeps ready.
    const READY: usize = 8;
    let mut left = vec![];
    for (number, node) in facts.world.nodes().iter().enumerate() {
        let (calls, transactions) = (node.endpoint.calls(), node.endpoint.transactions());
        let ports = facts.world.open_ports(number).saturating_sub(READY);
        for (count, what) in [(calls, "calls"), (transactions, "transactions"), (ports, "ports")] {
            if count > 0 {
                left.push(format!("{} has {count} {what}", node.name));
            }
        }
        let started: BTreeSet<_> = node
            .events
            .iter()
            .filter(|(_, e)| matches!(e, Event::Started { .. }))
            .filter_map(|(_, e)| e.call())
            .collect();
        let ended: BTreeSet<_> = node
            .events
            .iter()
            .filter(|(_, e)| matches!(e, Event::Ended { .. }))
            .filter_map(|(_, e)| e.call())
            .collect();
        left.extend(
            started.difference(&ended).map(|call| format!("{} never said that its call {call} ended", node.name)),
        );
    }
    let ours = facts.cast.proxies.iter().filter(|proxy| proxy.outside.is_none());
    for (number, Between { name, .. }) in ours.enumerate() {
        let proxy = facts.world.proxy(number);
        if proxy.transactions() + proxy.contexts() > 0 {
            left.push(format!("{name} has {} transactions", proxy.transactions()));
        }
    }
    Ok((left.is_empty(), if left.is_empty() { "nothing is left".into() } else { left.join("; ") }))
}
