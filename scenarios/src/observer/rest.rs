//! What is left when all is over.

use super::{Evidence, Finding, Phone};
use keyphone_ua::event::Event;

/// Every call ends once, and nothing is left of it.
pub(super) fn left(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.phones.iter().filter(|phone| !phone.tables.is_empty()).flat_map(of).collect()
}

fn of(phone: &Phone<'_>) -> Vec<Finding> {
    let name = || phone.name.to_owned();
    let mut findings = vec![];
    for (_, event) in phone.events {
        let Event::Started { call, .. } = event else { continue };
        let is_end = |event: &Event| matches!(event, Event::Ended { call: ended, .. } if ended == call);
        let ends = phone.events.iter().filter(|(_, event)| is_end(event)).count();
        if ends != 1 {
            findings.push(Finding::Endless { phone: name(), call: *call, ends });
        }
    }
    let full = phone.tables.iter().filter(|fill| fill.entries > 0);
    findings.extend(full.map(|fill| Finding::Left { phone: name(), table: fill.table, entries: fill.entries }));
    findings.extend(phone.waits.map(|until| Finding::Waiting { phone: name(), until }));
    findings
}
