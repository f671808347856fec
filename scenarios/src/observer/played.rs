//! Is all that a phone played what authentic packets have brought it?
//!
//! G.711 without loss concealment is exact: a recording is whole frames, silence where one was missing, and perhaps a
//! piece of a frame where one source followed another. So every sample that is not silent must stand in a copy of a
//! frame that came to the port of the call under a key that the phone hears with. Which frames stand where is found by
//! looking for them, and nobody's clock or jitter buffer has to be known.

use super::keys::Keys;
use super::{Evidence, Finding, Looked, Phone, Seen, What};
use crate::world::Sent;
use keyphone_media::env::Instant;
use keyphone_ua::endpoint::Recording;
use keyphone_ua::event::CallId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Shorter payloads are no audio of ours, and stand everywhere by chance.
const SHORTEST: usize = 40;
/// So many samples of silence part two stretches of sound.
const PAUSE: usize = 20;
/// What is looked at first of a frame.
const HEAD: usize = 8;

/// A frame, and the packets that brought it.
struct Frame<'s> {
    samples: Vec<i16>,
    /// The last of them; `None` if one came in the clear.
    last: Option<&'s Seen<'s>>,
    /// Each once, by key, SSRC and index: so often it may be played.
    packets: BTreeSet<(usize, u32, u64)>,
}

/// All that came to one port.
#[derive(Default)]
struct Arrived<'s> {
    frames: Vec<Frame<'s>>,
    by_samples: BTreeMap<Vec<i16>, usize>,
    by_head: BTreeMap<[i16; HEAD], Vec<usize>>,
}

/// What no authentic packet has brought, what was played more often than it came, and what was played in a call to whose
/// port it did not come.
pub(super) fn unproven(
    evidence: &Evidence<'_>,
    keys: &Keys,
    seen: &[Seen<'_>],
    mut looked: Looked,
) -> (Vec<Finding>, Looked) {
    let mut findings = vec![];
    for (number, phone) in evidence.phones.iter().enumerate() {
        let mut calls: Vec<(SocketAddr, CallId)> = vec![];
        for (call, recording) in phone.recordings {
            // Opus is not exact: nothing can be said of it here.
            if recording.rate != 8000 {
                looked.inexact += 1;
                continue;
            }
            looked.recordings += 1;
            let life = phone.life_of(*call);
            let ports = ports(evidence, keys, seen, number, &life);
            // A call has one port. Which one, what is heard there tells best.
            let of_port = |(port, came): (&SocketAddr, &Arrived<'_>)| {
                (Some(*port), explain(evidence, phone, *call, recording, came))
            };
            let mut all: Vec<(_, Heard)> = ports.iter().map(of_port).collect();
            all.push((None, explain(evidence, phone, *call, recording, &Arrived::default())));
            let rank = |heard: &Heard| (heard.unproven, heard.findings.len());
            let best = all.iter().map(|(_, heard)| rank(heard)).min().unwrap_or_default();
            all.retain(|(_, heard)| rank(heard) == best);
            // Who says the same in two calls can be heard in either.
            let only =
                if let [(Some(port), heard)] = &all[..] { Some(*port).filter(|_| heard.frames > 0) } else { None };
            let Some((_, heard)) = all.into_iter().max_by_key(|(_, heard)| heard.frames) else { continue };
            looked.frames += heard.frames;
            findings.extend(heard.findings);
            // And no other call has it at the same time.
            let Some(port) = only else { continue };
            let meanwhile = |other: CallId| {
                let other = phone.life_of(other);
                life.start() < other.end() && other.start() < life.end()
            };
            let other = calls.iter().find(|(of, other)| *of == port && other != call && meanwhile(*other));
            if let Some((_, other)) = other {
                findings.push(Finding::Leaked { phone: phone.name.to_owned(), call: *call, other: *other, port });
            }
            calls.push((port, *call));
        }
    }
    (findings, looked)
}

/// What came to each port of a phone in that time.
fn ports<'s>(
    evidence: &Evidence<'_>,
    keys: &Keys,
    seen: &'s [Seen<'s>],
    phone: usize,
    life: &RangeInclusive<Instant>,
) -> BTreeMap<SocketAddr, Arrived<'s>> {
    let Phone { place, may_be_clear, .. } = &evidence.phones[phone];
    let came = |sent: &Sent| place.has(sent.to) && sent.arrived.iter().any(|at| life.contains(at));
    // Who speaks under a key does not hear without one.
    let protected = seen.iter().filter(|seen| matches!(seen.what, What::Protected(_)) && life.contains(&seen.sent.at));
    let keyed: BTreeSet<_> = protected.map(|seen| seen.sent.from).collect();
    let mut ports: BTreeMap<SocketAddr, Arrived<'_>> = BTreeMap::new();
    // An attacker that sends a packet once more may bring what the link has lost.
    let mut carried: BTreeMap<&[u8], BTreeSet<SocketAddr>> = BTreeMap::new();
    for sent in evidence.others.iter().filter(|sent| came(sent)) {
        carried.entry(&sent.bytes).or_default().insert(sent.to);
    }
    for seen in seen {
        let What::Protected(packet) = &seen.what else { continue };
        let Some((payload_type, payload)) = &packet.audio else { continue };
        if keys.all[packet.number].heard_by.contains(&phone) {
            let itself = came(seen.sent).then_some(seen.sent.to);
            let to: BTreeSet<_> =
                carried.get(&seen.sent.bytes[..]).into_iter().flatten().copied().chain(itself).collect();
            for port in to {
                ports.entry(port).or_default().add(*payload_type, payload, Some(seen));
            }
        }
    }
    if *may_be_clear {
        let clear = seen.iter().filter(|seen| matches!(seen.what, What::Clear { .. })).map(|seen| seen.sent);
        for sent in clear.chain(evidence.others).filter(|sent| came(sent)) {
            if let Some(rtp) = super::cipher::Rtp::read(&sent.bytes).filter(|_| !keyed.contains(&sent.to)) {
                ports.entry(sent.to).or_default().add(rtp.payload_type, &sent.bytes[rtp.header..], None);
            }
        }
    }
    ports
}

impl<'s> Arrived<'s> {
    fn add(&mut self, payload_type: u8, payload: &[u8], packet: Option<&'s Seen<'s>>) {
        // RFC 3551 table 4: 0 is PCMU, 8 is PCMA.
        let samples: Vec<i16> = match payload_type {
            0 => payload.iter().map(|octet| mu_law(*octet)).collect(),
            8 => payload.iter().map(|octet| a_law(*octet)).collect(),
            _ => return,
        };
        if samples.len() < SHORTEST || samples.iter().all(|sample| *sample == 0) {
            return;
        }
        let frame = match self.by_samples.get(&samples) {
            Some(known) => &mut self.frames[*known],
            None => {
                let head = std::array::from_fn(|at| samples[at]);
                self.by_head.entry(head).or_default().push(self.frames.len());
                self.by_samples.insert(samples.clone(), self.frames.len());
                self.frames.push(Frame { samples, last: packet, packets: BTreeSet::new() });
                self.frames.last_mut().expect("one was pushed")
            }
        };
        frame.last = frame.last.and(packet);
        frame.packets.extend(packet.and_then(Seen::index));
    }

    /// The frame of which a whole copy begins here.
    fn beginning(&self, samples: &[i16]) -> Option<usize> {
        let head = samples.first_chunk::<HEAD>()?;
        let all = self.by_head.get(head)?.iter().copied();
        all.filter(|frame| samples.starts_with(&self.frames[*frame].samples))
            .max_by_key(|frame| self.frames[*frame].samples.len())
    }

    /// Is this a piece of a frame?
    fn has_piece(&self, piece: &[i16]) -> bool {
        self.frames.iter().any(|frame| frame.samples.windows(piece.len()).any(|window| window == piece))
    }
}

/// What a recording says to what came to one port.
#[derive(Default)]
struct Heard {
    /// How many samples are not explained.
    unproven: usize,
    /// How many frames are.
    frames: usize,
    /// What is to be said of it.
    findings: Vec<Finding>,
}

fn explain(
    evidence: &Evidence<'_>,
    phone: &Phone<'_>,
    call: CallId,
    recording: &Recording,
    arrived: &Arrived<'_>,
) -> Heard {
    let Recording { rate, samples } = recording;
    let time = |samples: usize| Duration::from_micros(samples as u64 * 1_000_000 / u64::from(*rate));
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    let mut heard = Heard::default();
    let mut stretch = Stretch::default();
    let mut at = 0;
    while at < samples.len() {
        let Some(which) = arrived.beginning(&samples[at..]) else {
            stretch.take(at, samples[at]);
            at += 1;
            continue;
        };
        stretch.end();
        let frame = &arrived.frames[which];
        heard.frames += 1;
        let played = times.entry(which).or_default();
        *played += 1;
        // Several packets may say the same, as tones do: each once.
        if let Some(last) = frame.last.filter(|_| *played == frame.packets.len() + 1) {
            let (phone, packet) = (phone.name.to_owned(), evidence.packet(last));
            heard.findings.push(Finding::PlayedTwice { phone, call, packet, at: time(at) });
        }
        at += frame.samples.len();
    }
    stretch.end();
    for (from, to) in stretch.all {
        if !arrived.has_piece(&samples[from..to]) {
            heard.unproven += to - from;
            let (phone, at, length) = (phone.name.to_owned(), time(from), time(to - from));
            heard.findings.push(Finding::Unproven { phone, call, at, length });
        }
    }
    heard
}

/// Stretches of sound that no frame explains.
#[derive(Default)]
struct Stretch {
    now: Option<(usize, usize)>,
    all: Vec<(usize, usize)>,
}

impl Stretch {
    fn take(&mut self, at: usize, sample: i16) {
        match &mut self.now {
            Some((_, end)) if sample != 0 => *end = at + 1,
            Some((_, end)) if at - *end >= PAUSE => self.end(),
            None if sample != 0 => self.now = Some((at, at + 1)),
            _ => {}
        }
    }

    fn end(&mut self) {
        self.all.extend(self.now.take());
    }
}

/// ITU-T G.711, table 2a: 14 bits, here in the upper ones of 16.
fn mu_law(octet: u8) -> i16 {
    let octet = !octet;
    let magnitude = ((i16::from(octet & 0x0f) << 3) + 0x84) << (octet >> 4 & 7);
    if octet & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

/// ITU-T G.711, table 1a: 13 bits, here in the upper ones of 16.
fn a_law(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let step = i16::from(octet & 0x0f) << 4;
    let magnitude = match octet >> 4 & 7 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if octet & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_media::audio::codec::Codec;

    #[test]
    fn g711_is_read_as_the_phones_read_it() {
        let all: Vec<u8> = (0..=255).collect();
        for (codec, read) in [(Codec::Pcmu, mu_law as fn(u8) -> i16), (Codec::Pcma, a_law)] {
            let mut pcm = keyphone_media::audio::Pcm::new();
            codec.decoder().unwrap().decode(&all, all.len(), &mut pcm);
            assert_eq!(pcm, all.iter().map(|octet| read(*octet)).collect::<Vec<_>>(), "{}", codec.name());
        }
    }
}
