//! Key streams that are used twice, and media that nothing protects.

use super::keys::Keys;
use super::{Evidence, Finding, Kind, Seen, What};
use keyphone_media::env::Instant;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// One key, SSRC and index, and two packets that are not the same.
pub(super) fn twice(evidence: &Evidence<'_>, keys: &Keys, seen: &[Seen<'_>]) -> Vec<Finding> {
    let mut used: BTreeMap<(usize, Kind, u32, u64), &Seen<'_>> = BTreeMap::new();
    // One finding for all clashes of two phones.
    let mut found: BTreeMap<(usize, Kind, u32, usize, usize), Finding> = BTreeMap::new();
    for second in seen {
        let What::Protected(packet) = &second.what else { continue };
        let key = &keys.all[packet.number];
        // Without a cipher there is no key stream.
        if !packet.encrypted {
            continue;
        }
        let first = *used.entry((key.stream, packet.kind, packet.ssrc, packet.index)).or_insert(second);
        if first.sent.bytes == second.sent.bytes {
            continue;
        }
        let finding = || Finding::TwoTimePad {
            key: key.name.to_string(),
            kind: packet.kind,
            ssrc: packet.ssrc,
            index: packet.index,
            first: evidence.packet(first),
            second: evidence.packet(second),
            packets: 0,
        };
        let clash = (key.stream, packet.kind, packet.ssrc, first.phone, second.phone);
        if let Finding::TwoTimePad { packets, .. } = found.entry(clash).or_insert_with(finding) {
            *packets += 1;
        }
    }
    found.into_values().collect()
}

/// Media of phones whose policy does not let it be without a key, or without a cipher; media of a stream that had a key
/// before, which no policy lets be without one again; and what cannot be judged. Whoever is outside logs no keys and has a
/// policy of its own: what it sends is not judged here, what ours play of it is.
pub(super) fn unprotected(evidence: &Evidence<'_>, keys: &Keys, seen: &[Seen<'_>]) -> Vec<Finding> {
    let mut clear: BTreeMap<(usize, Kind, u32), Finding> = BTreeMap::new();
    let mut readable: BTreeMap<(usize, usize), Finding> = BTreeMap::new();
    let mut unjudged: BTreeMap<SocketAddr, Finding> = BTreeMap::new();
    let mut keyed: BTreeMap<(SocketAddr, Kind, u32), Instant> = BTreeMap::new();
    let is_ours = |seen: &&Seen<'_>| !evidence.phones[seen.phone].is_outside();
    for seen in seen.iter().filter(is_ours) {
        let (phone, from, at) = (&evidence.phones[seen.phone], seen.sent.from, seen.sent.at);
        // When a call has ended its port may be another's.
        let had_key = |stream| keyed.get(&stream).is_some_and(|last| !phone.ended_between(*last, at));
        match &seen.what {
            What::Clear { kind, ssrc } if !phone.may_be_clear || had_key((from, *kind, *ssrc)) => {
                let (kind, ssrc) = (*kind, *ssrc);
                let finding = || Finding::Clear { packet: evidence.packet(seen), kind, ssrc, packets: 0 };
                if let Finding::Clear { packets, .. } = clear.entry((seen.phone, kind, ssrc)).or_insert_with(finding) {
                    *packets += 1;
                }
            }
            What::Clear { .. } => {}
            What::Protected(packet) => {
                keyed.insert((from, packet.kind, packet.ssrc), at);
                if !packet.encrypted && !phone.may_be_read {
                    let key = &keys.all[packet.number];
                    readable.entry((seen.phone, packet.number)).or_insert_with(|| Finding::Readable {
                        packet: evidence.packet(seen),
                        key: key.name.to_string(),
                        suite: key.master.suite().name(),
                    });
                }
            }
            What::Unknown => {
                let finding = || Finding::Unjudged { packet: evidence.packet(seen), packets: 0 };
                if let Finding::Unjudged { packets, .. } = unjudged.entry(from).or_insert_with(finding) {
                    *packets += 1;
                }
            }
        }
    }
    clear.into_values().chain(readable.into_values()).chain(unjudged.into_values()).collect()
}
