//! All that the phones told, to be unfolded.

use super::Page;
use super::html::{Bounded, escape, section};
use crate::ladder::seconds;
use serde_json::Value;

/// All lists together, in octets.
const MAX_EVENTS: usize = 200_000;

impl Page<'_> {
    pub(super) fn told(&self) -> String {
        // An equal share each: a talkative phone does not silence the others.
        let share = MAX_EVENTS / self.phones.len().max(1);
        let lists = self.phones.iter().filter(|phone| !phone.events.is_empty()).map(|phone| {
            let mut rows = Bounded::new(share);
            for (at, event) in phone.events {
                let (name, fields) = words(&serde_json::to_value(event).unwrap_or_default());
                rows.push(&format!(
                    "<li><span class=\"time\">{}</span> <b>{}</b> {}</li>\n",
                    seconds(*at),
                    escape(&name),
                    escape(&fields)
                ));
            }
            let count = phone.events.len();
            let (html, rest) = (rows.html(), rows.rest("events"));
            format!(
                "<details><summary>{}: {count} event{}</summary><ol class=\"events\">\n{html}</ol>\n{rest}</details>\n",
                escape(&phone.name),
                if count == 1 { "" } else { "s" },
            )
        });
        let lists = lists.collect::<String>();
        if lists.is_empty() { lists } else { section("events", "What each phone told", "", &lists) }
    }
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
