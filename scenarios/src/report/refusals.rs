//! What was refused and why, and what else went wrong.

use super::html::{Table, escape, section};
use super::{Page, Phone};
use crate::ladder::seconds;
use keyphone_media::env::Instant;
use keyphone_ua::event::{Counts, Event, Outcome};

const HEADS: &[&str] = &["Time", "Phone", "What", "Why"];
/// In octets.
const MAX_ROWS: usize = 70_000;

/// What a phone refused, or what failed.
struct Refusal<'p> {
    at: Instant,
    phone: &'p str,
    what: &'static str,
    why: String,
}

impl Page<'_> {
    pub(super) fn refusals(&self) -> String {
        let mut all: Vec<_> = self.phones.iter().flat_map(refusals).collect();
        all.sort_by_key(|refusal| refusal.at);
        let mut table = Table::new(HEADS, "words", MAX_ROWS);
        for Refusal { at, phone, what, why } in &all {
            table.row("", &[seconds(*at), escape(phone), (*what).into(), escape(why)]);
        }
        let inside = match all.is_empty() {
            true => "<p>Nothing was refused.</p>\n".into(),
            false => table.html("What was refused, and why"),
        };
        section("refused", "What was refused, and why", "", &inside)
    }
}

fn refusals<'p>(phone: &'p Phone<'_>) -> Vec<Refusal<'p>> {
    let mut all: Vec<Refusal<'p>> = vec![];
    for (at, event) in phone.events {
        let Some((what, why)) = refusal(event) else { continue };
        // A call that keying ended says so twice.
        if all.last().is_none_or(|last| last.at != *at || !why.contains(&last.why) && !last.why.contains(&why)) {
            all.push(Refusal { at: *at, phone: &phone.name, what, why });
        }
    }
    all
}

fn refusal(event: &Event) -> Option<(&'static str, String)> {
    let told = match event {
        Event::Refused { why, hint, .. } => match hint {
            Some(hint) => ("keying", format!("{why}; {hint}")),
            None => ("keying", why.clone()),
        },
        Event::BranchFailed { why, .. } => ("a branch", why.clone()),
        Event::TwoTimePad { ssrc, what, .. } => ("two-time pad", format!("{ssrc}: {what}")),
        Event::Tolerated { what, .. } => ("tolerated, not refused", what.clone()),
        Event::CallTrouble { what, .. } => ("request in a call", what.clone()),
        Event::Trouble { what, .. } => ("media", what.clone()),
        Event::NetworkTrouble { peer, what } => ("connection", format!("{peer}: {what}")),
        Event::RegistrationFailed { why, .. } => ("registration", why.clone()),
        Event::Ended { outcome: Outcome::KeyingRefused { why }, .. } => ("keying", why.clone()),
        // Who was called and cancelled refused nothing (RFC 3261 section 9.2).
        Event::Ended { outcome: Outcome::Failed { status: Some(487), .. }, .. } => return None,
        Event::Ended { outcome: Outcome::Failed { why, .. }, .. } => ("call", why.clone()),
        Event::Stats { counts, .. } => ("packets", packets(counts)?),
        _ => return None,
    };
    Some(told)
}

/// The packets that were dropped, if any were.
fn packets(counts: &Counts) -> Option<String> {
    let reasons = [
        (counts.refused, "that no key authenticates"),
        (counts.replayed, "that came before"),
        (counts.reflected, "of our own that came back"),
        (counts.unkeyed, "whose key never came"),
    ];
    let dropped: Vec<_> =
        reasons.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    (!dropped.is_empty()).then(|| format!("dropped: {}", dropped.join("; ")))
}
