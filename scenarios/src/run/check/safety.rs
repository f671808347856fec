//! What never happens. Media in the clear is known by its sound: who can hear the tone in a packet without a key has
//! it in the clear.

use super::{Found, tone};
use crate::observer::{Evidence, Looked};
use crate::run::Facts;
use crate::script::Safety;
use keyphone_media::audio::codec::Codec;
use keyphone_media::rtp::Header;
use keyphone_ua::event::Event;
use std::collections::BTreeSet;

pub(super) fn check(expected: Safety, facts: &Facts<'_>) -> Found {
    match expected {
        Safety::NothingUnauthenticated => unauthenticated(facts),
        Safety::NothingClear => clear(facts),
        Safety::NoMedia => {
            let sent = facts.world.log().iter().filter(|sent| sent.media).count();
            Ok((sent == 0, format!("{sent} packets")))
        }
        Safety::NothingWrong => {
            let (findings, Looked { keys, protected, clear, .. }) = Evidence::of(facts.world).judge_all();
            let looked = || format!("{protected} packets under {keys} keys, {clear} in the clear by permission");
            Ok((findings.is_empty(), findings.first().map_or_else(looked, ToString::to_string)))
        }
    }
}

/// Nothing but the tones of phones is in any recording; no phone heard a source that no phone is; and none played more
/// than genuine packets came to it.
fn unauthenticated(facts: &Facts<'_>) -> Found {
    const WINDOW: usize = 20;
    let tones = facts.cast.tones();
    let all_known = facts.cast.phones.iter().all(|role| role.outside.is_none());
    let mut wrong = vec![];
    let mut played = 0;
    for (number, node) in facts.world.nodes().iter().enumerate() {
        let others = || (0..facts.cast.phones.len()).filter(|other| *other != number);
        let ssrcs: BTreeSet<_> = others().flat_map(|other| facts.ssrcs(other, number)).collect();
        let mut genuine = BTreeSet::new();
        for other in others() {
            let arrived = facts.rtp(other, number).filter(|(sent, _)| !sent.arrived.is_empty());
            genuine.extend(arrived.map(|(sent, header)| (sent.to, header.ssrc(), header.sequence(), sent.at)));
        }
        for (_, event) in &node.events {
            match event {
                Event::Heard { ssrc, .. } if !ssrcs.contains(ssrc) => {
                    wrong.push(format!("{} heard {ssrc}, under which nobody sent", node.name));
                }
                Event::Stats { counts, .. } => played += counts.played,
                _ => {}
            }
        }
        let counts = node.events.iter().filter_map(|(_, event)| match event {
            Event::Stats { counts, .. } => Some(counts.heard),
            _ => None,
        });
        let heard: u64 = counts.sum();
        if heard > genuine.len() as u64 {
            wrong.push(format!("{} took {heard} packets, and {} genuine ones came", node.name, genuine.len()));
        }
        for (_, recording) in node.recordings.iter().filter(|_| all_known) {
            // Where one voice follows another, a frame may have some of both.
            let strange = tone::strange(recording, &tones, WINDOW);
            if strange > 2 * WINDOW {
                wrong.push(format!("{strange} ms of what {} played is nobody's tone", node.name));
            }
        }
    }
    Ok((wrong.is_empty(), wrong.first().cloned().unwrap_or_else(|| format!("{played} frames, all of phones"))))
}

/// In no packet can the tone of its sender be heard without a key.
fn clear(facts: &Facts<'_>) -> Found {
    let mut decoder = Codec::Pcmu.decoder().map_err(|e| e.to_string())?;
    let mut checked = 0;
    for sent in facts.world.log().iter().filter(|sent| sent.media && sent.to.port().is_multiple_of(2)) {
        let Some(role) = facts.cast.phones.iter().find(|role| role.place.has(sent.from)) else { continue };
        let Ok(header) = Header::parse(&sent.bytes) else { continue };
        let Some(payload) = sent.bytes.get(header.octets()..header.octets() + 160) else { continue };
        let mut samples = vec![];
        decoder.decode(payload, 160, &mut samples);
        checked += 1;
        if role.tone.into_iter().chain(role.early).any(|hz| tone::is_tone(&samples, hz, 8_000)) {
            return Ok((false, format!("{} sent its tone in the clear at {:.3} s", role.name, seconds(sent.at))));
        }
    }
    Ok((true, format!("{checked} packets, none of which can be heard without its key")))
}

fn seconds(at: keyphone_media::env::Instant) -> f64 {
    at.as_micros() as f64 / 1_000_000.0
}
