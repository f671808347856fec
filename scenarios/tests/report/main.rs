//! The page of a world: a fork, a refusal, a hostile peer, a crowd. With `KEEP_PAGES=<directory>` the pages are kept there, to
//! be looked at.

mod limits;
mod looks;
mod told;
mod worlds;

use keyphone_media::env::Instant;
use keyphone_scenarios::ladder::Ladder;
use keyphone_scenarios::report::{Page, Phone, Story, Verdict};
use keyphone_scenarios::world::Sent;
use keyphone_ua::event::Event;
use std::net::SocketAddr;

/// Three expectations, of which so many are met.
fn story(title: &str, met: usize) -> Story {
    let sentences = [
        ("alice hears bob within 200 ms", "heard after 42 ms"),
        ("nothing unauthenticated was played", "0 frames"),
        ("one dialog is left", "1"),
    ];
    let verdict = |(n, (sentence, measured)): (usize, &(&str, &str))| Verdict {
        sentence: (*sentence).into(),
        passed: n < met,
        measured: (*measured).into(),
    };
    Story {
        title: title.into(),
        about: "Alice calls, and what comes of it is told here.".into(),
        facts: vec![("Seed".into(), "1".into())],
        verdicts: sentences.iter().enumerate().map(verdict).collect(),
        others: vec![("proxy".into(), vec![worlds::sip_at(worlds::PROXY)])],
    }
}

/// A page of phones at 10.0.0.1 and on, of what they told and what was sent.
fn of(phones: &[(&str, &[(Instant, Event)])], log: &[Sent]) -> String {
    let mut ladder = Ladder::new();
    let at = |n: usize| format!("10.0.0.{}:5060", n + 1).parse::<SocketAddr>().unwrap();
    phones.iter().enumerate().for_each(|(n, (name, _))| ladder.name(at(n), name));
    let phone = |(n, phone): (usize, &(&str, _))| (phone.0.to_owned(), at(n), phone.1);
    let phones: Vec<(_, _, &[_])> = phones.iter().enumerate().map(phone).collect();
    Page {
        title: "by hand".into(),
        about: String::new(),
        facts: vec![],
        verdicts: vec![],
        players: vec![],
        ladder: &ladder,
        phones: phones.iter().map(|(name, at, events)| Phone { name: name.clone(), at: vec![*at], events }).collect(),
        log,
    }
    .html()
}

fn keep(name: &str, html: &str) {
    if let Ok(to) = std::env::var("KEEP_PAGES") {
        std::fs::write(std::path::Path::new(&to).join(name), html).unwrap();
    }
}
