//! The longer sentences about events.

use keyphone_ua::event::{Considered, Counts, Outcome, Side, Why};

/// Somebody else has answered.
pub(super) fn retargeted(asked: &str, answered: &str, how: &str) -> String {
    format!("{asked} was called, and {answered} answered ({how})")
}

/// The call is offered anew.
pub(super) fn retry((from, to): (&str, &str), why: &str, hint: Option<&str>) -> String {
    let hint = hint.map_or(String::new(), |hint| format!(": {hint}"));
    format!("offering {to} instead of {from}: {why}, which nobody has authenticated{hint}")
}

/// How the keying of a call was chosen: a line for each system. Those that nobody listed share one.
pub(super) fn choice(callee: &str, considered: &[Considered]) -> Vec<String> {
    const UNLISTED: &str = "it is not listed";
    let (unlisted, listed): (Vec<_>, Vec<_>) = considered.iter().partition(|one| one.why == UNLISTED);
    let mut lines = vec![format!("how to key a call to {callee}:")];
    let mut place = 0;
    for Considered { system, verdict, why } in listed {
        let number = if verdict == "passed over" {
            "-".to_owned()
        } else {
            place += 1;
            format!("{place}.")
        };
        lines.push(format!("  {number:<2} {system:<13} {verdict}: {why}"));
    }
    if !unlisted.is_empty() {
        let names: Vec<_> = unlisted.iter().map(|one| one.system.as_str()).collect();
        lines.push(format!("  -  not listed: {}", names.join(", ")));
    }
    lines
}

pub(super) fn ended(outcome: &Outcome, hint: Option<&str>, counts: Option<&Counts>) -> String {
    let counts = counts.filter(|c| **c != Counts::default()).map_or(String::new(), |c| {
        let mut text = format!("; sent {}, heard {}, lost {}, late {}", c.sent, c.heard, c.lost, c.late);
        let others = [
            (c.refused, "refused"),
            (c.replayed, "replayed"),
            (c.reflected, "reflected"),
            (c.unheard, "of other phones"),
            (c.unkeyed, "without a key"),
        ];
        for (count, what) in others {
            if count > 0 {
                text += &format!(", {what} {count}");
            }
        }
        text
    });
    match outcome {
        Outcome::Completed { by: Side::Us } => format!("ended: we hung up{counts}"),
        Outcome::Completed { by: Side::Peer } => format!("ended: the peer hung up{counts}"),
        Outcome::Failed { why, .. } => format!("failed: {why}{counts}"),
        Outcome::KeyingRefused { why } => {
            let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
            format!("keying refused: {why}{hint}{counts}")
        }
    }
}

/// An answer of a phone was verified.
pub(super) fn verified(count: u64, why: Why) -> String {
    let why = match why {
        Why::Known => "we have the keys already",
        Why::Media => "its media is here",
        Why::Trial => "media is here, and nobody says whose",
        Why::Final => "it counts",
        Why::Precondition => "nobody rings before",
        Why::Change => "the phone changes the session",
    };
    format!("answer verified, {count} in all: {why}")
}

/// What was said before its key came.
pub(super) fn clipped(ms: u64, held: u64) -> String {
    let packets = if held == 1 { "packet" } else { "packets" };
    match ms {
        0 => format!("{held} {packets} came before the key and waited; all are heard"),
        _ => format!("{ms} ms are not heard: they came too long before their key"),
    }
}

/// Provisional responses: what each of them tells a person.
pub(super) fn progress(status: u16, reliable: bool, early_media: bool) -> String {
    let what = match (status, early_media) {
        (_, true) => "early media".to_owned(),
        // RFC 3261 sections 21.1.3 and 21.1.4.
        (181, _) => "the call is being forwarded".into(),
        (182, _) => "the call is queued".into(),
        // RFC 6228 section 4.
        (199, _) => "one phone will not answer".into(),
        _ => "progress".into(),
    };
    format!("{what} ({status}{})", if reliable { ", acknowledged" } else { "" })
}

/// A transfer as far as it has come (RFC 3515 section 2.4.5).
pub(super) fn transfer(by: Side, to: &str, status: u16) -> String {
    let who = match by {
        Side::Us => "the peer",
        Side::Peer => "we",
    };
    match status {
        100 if by == Side::Us => format!("transfer: the peer is asked to call {to}"),
        100 => format!("transfer: the peer asks us to call {to}"),
        101..=199 => format!("transfer: {to} rings ({status})"),
        200..=299 => format!("transfer done: {who} talk{} to {to}", if by == Side::Us { "s" } else { "" }),
        _ => format!("transfer to {to} failed ({status})"),
    }
}

/// What somebody can do.
pub(super) fn options(to: &str, status: u16, allow: &[String], supported: &[String], accept: &[String]) -> String {
    let mut text = format!("{to} answers {status}");
    for (what, list) in [("methods", allow), ("extensions", supported), ("bodies", accept)] {
        if !list.is_empty() {
            text += &format!("; {what}: {}", list.join(", "));
        }
    }
    text
}

/// `sip:bob@host` or, of an empty list, `nobody`.
pub(super) fn list(names: &[String]) -> String {
    if names.is_empty() { "nobody".into() } else { names.join(", then ") }
}
