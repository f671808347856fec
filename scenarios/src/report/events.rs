//! All that the phones told, to be unfolded.

use super::html::{Bounded, escape, section};
use super::{Page, Phone};
use crate::ladder::seconds;
use serde_json::Value;

/// All lists together, in octets.
const MAX_EVENTS: usize = 200_000;

impl Page<'_> {
    pub(super) fn told(&self) -> String {
        // If there is no room for all an equal share each: a talkative phone does not silence the others.
        let phones = || self.phones.iter().filter(|phone| !phone.events.is_empty());
        let all: usize = phones().map(|phone| list(phone, MAX_EVENTS).html().len()).sum();
        let share = if all <= MAX_EVENTS { MAX_EVENTS } else { MAX_EVENTS / phones().count().max(1) };
        let lists: String = phones().map(|phone| folded(phone, &list(phone, share))).collect();
        if lists.is_empty() { lists } else { section("events", "What each phone told", "", &lists) }
    }
}

fn folded(phone: &Phone<'_>, rows: &Bounded) -> String {
    let (count, name) = (phone.events.len(), escape(&phone.name));
    let events = if count == 1 { "event" } else { "events" };
    format!(
        "<details><summary>{name}: {count} {events}</summary><ol class=\"events\">\n{}</ol>\n{}</details>\n",
        rows.html(),
        rows.rest("events")
    )
}

fn list(phone: &Phone<'_>, limit: usize) -> Bounded {
    let mut rows = Bounded::new(limit);
    for (number, (at, event)) in phone.events.iter().enumerate() {
        let (name, fields) = words(&serde_json::to_value(event).unwrap_or_default());
        let (at, name, fields) = (seconds(*at), escape(&name), escape(&fields));
        if !rows.push(&format!("<li><span class=\"time\">{at}</span> <b>{name}</b> {fields}</li>\n")) {
            rows.leave_out((phone.events.len() - number - 1) as u64);
            break;
        }
    }
    rows
}

/// The name of an event, and its fields: any event, also one that this page has never heard of.
fn words(event: &Value) -> (String, String) {
    let Some(fields) = event.as_object() else { return Default::default() };
    let name = fields.get("event").and_then(Value::as_str).unwrap_or_default();
    let field = |(name, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{name} {text}")),
        value => Some(format!("{name} {value}")),
    };
    let rest = fields.iter().filter(|(name, _)| *name != "event").filter_map(field).collect::<Vec<_>>();
    (name.into(), rest.join(", "))
}
