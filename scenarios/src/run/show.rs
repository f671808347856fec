//! What can be shown of a run: the ladder, and the page.

use super::Run;
use crate::ladder::Ladder;
use crate::report::{KeyRow, Page, Player, wav_bytes};
use keyphone_media::env::Instant;
use keyphone_ua::event::{Counts, Event};
use std::collections::BTreeSet;

impl Run {
    /// Who sent what to whom, and what the phones made of it.
    pub fn ladder(&self) -> Ladder {
        let mut ladder = Ladder::new();
        let Self { cast, world, .. } = self;
        let phones = cast.phones.iter().map(|role| (&role.name, role.sip));
        let others = cast.proxies.iter().map(|(name, sip)| (name, *sip));
        // Proxies stand in the middle, where they are.
        let (callers, called) = (phones.clone().take(1), phones.skip(1));
        callers.chain(others).chain(called).for_each(|(name, sip)| ladder.name(sip, name.as_str()));
        let mut seen = BTreeSet::new();
        let sent = world.log().iter().enumerate().map(|(n, sent)| (sent.at, Shown::Sent(n)));
        let told = self.told();
        let notes = told.iter().enumerate().map(|(n, told)| (told.at, Shown::Told(n)));
        let mut all: Vec<(Instant, Shown)> = sent.chain(notes).collect();
        all.sort_by_key(|(at, _)| *at);
        for (at, shown) in all {
            match shown {
                Shown::Sent(n) => {
                    let sent = &world.log()[n];
                    if !sent.media {
                        ladder.see(at, sent.from, sent.to, sent.transport, &sent.bytes);
                    } else if seen.insert((sent.from, sent.to)) {
                        let what = if sent.to.port().is_multiple_of(2) { "RTP" } else { "RTCP" };
                        ladder.media(at, sent.from, sent.to, what.into());
                    }
                }
                Shown::Told(n) => {
                    let told = &told[n];
                    let who = cast.phones.iter().find(|role| role.name.as_str() == told.phone);
                    if let (Some(role), Some(text)) = (who, note(told.event)) {
                        ladder.note(at, role.sip, text);
                    }
                }
            }
        }
        ladder
    }

    /// All of it on one page of HTML that needs nothing else.
    pub fn page(&self) -> String {
        let ladder = self.ladder();
        let nodes = self.world.nodes();
        let mut facts = vec![("About".into(), self.script.about.clone()), ("Seed".into(), self.seed.to_string())];
        facts.extend(self.verdicts.iter().map(|verdict| {
            let how = if verdict.passed { "yes" } else { "NO" };
            (verdict.sentence.clone(), format!("{how}: {}", verdict.measured))
        }));
        let players = nodes.iter().flat_map(|node| {
            node.recordings.iter().map(|(call, recording)| Player {
                title: format!("What {} heard", node.name),
                wav: wav_bytes(recording.rate, &recording.samples),
                note: format!("call {call}"),
            })
        });
        let keys = nodes.iter().flat_map(|node| {
            node.events.iter().filter_map(|(_, event)| match event {
                Event::Key { key, suite, use_for, ssrc, .. } => Some(KeyRow {
                    phone: node.name.clone(),
                    use_for: *use_for,
                    key: key.clone(),
                    suite: suite.clone(),
                    ssrc: ssrc.clone(),
                }),
                _ => None,
            })
        });
        let counts = nodes.iter().flat_map(|node| {
            node.events.iter().filter_map(|(_, event)| match event {
                Event::Stats { counts, .. } => Some((node.name.clone(), Counts { ..*counts })),
                _ => None,
            })
        });
        Page {
            title: self.script.title.clone(),
            facts,
            players: players.collect(),
            ladder: &ladder,
            keys: keys.collect(),
            counts: counts.collect(),
        }
        .html()
    }
}

/// By its number in the log, or among what was told.
enum Shown {
    Sent(usize),
    Told(usize),
}

/// What the ladder shows beside the messages.
fn note(event: &Event) -> Option<String> {
    match event {
        Event::Peer { proven, how, .. } => Some(format!("{proven} is proven by {how}")),
        Event::Answered { keying, codec, .. } => Some(format!("talks {codec}, keyed by {keying}")),
        Event::Refused { why, .. } => Some(format!("refused: {why}")),
        Event::Heard { ssrc, .. } => Some(format!("hears {ssrc}")),
        Event::BranchLost { branch, .. } => Some(format!("lets branch {branch} go")),
        Event::TwoTimePad { what, .. } => Some(format!("two-time pad: {what}")),
        Event::CallTrouble { what, .. } | Event::Trouble { what, .. } => Some(format!("trouble: {what}")),
        _ => None,
    }
}
