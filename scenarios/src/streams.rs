//! The media in a log, stream by stream: who sent to whom under which SSRC, when, and what of it arrived. The headers of
//! RTP and RTCP are in the clear also where what they carry is not.

use crate::world::Sent;
use keyphone_media::env::Instant;
use keyphone_media::rtp::{Header, Ssrc};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Packets that one address sent to another under one SSRC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) flow: Flow,
    /// At least one, in their order.
    pub(crate) spells: Vec<Spell>,
}

/// What kind of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flow {
    Rtp(Ssrc),
    Rtcp(Ssrc),
    /// Neither: keying in the media path, or anything that an attacker sends. And what is beyond [`MAX_STREAMS`].
    Other,
}

/// Packets without a long pause between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spell {
    /// When its first packet was sent, and its last.
    pub(crate) first: Instant,
    pub(crate) last: Instant,
    /// When its first packet to arrive did, and the last; `None` if all were lost.
    pub(crate) arrived: Option<(Instant, Instant)>,
    pub(crate) counts: Fates,
}

/// Packets, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fates {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
}

/// A pause as long as this ends a spell of RTP.
const PAUSE: Duration = Duration::from_millis(500);
/// Packets of further streams are counted together by who sent them to whom.
const MAX_STREAMS: usize = 1_000;
/// What follows belongs to the last spell of its stream.
const MAX_SPELLS: usize = 20;

impl Stream {
    /// All of a log, in the order of their first packets.
    pub(crate) fn all(log: &[Sent]) -> Vec<Self> {
        let (mut streams, mut numbers) = (Vec::<Self>::new(), BTreeMap::new());
        for sent in log.iter().filter(|sent| sent.media) {
            let (from, to, mut flow) = (sent.from, sent.to, Flow::of(&sent.bytes));
            if streams.len() >= MAX_STREAMS && !numbers.contains_key(&(from, to, flow)) {
                flow = Flow::Other;
            }
            let number = *numbers.entry((from, to, flow)).or_insert(streams.len());
            if let Some(stream) = streams.get_mut(number) {
                stream.take(sent);
            } else if streams.len() < MAX_STREAMS * 2 {
                streams.push(Self { from, to, flow, spells: vec![Spell::begin(sent)] });
            }
        }
        streams
    }

    fn take(&mut self, sent: &Sent) {
        match self.spells.last_mut() {
            // Nothing but RTP is sent so steadily that a pause would mean something.
            Some(last) if !matches!(self.flow, Flow::Rtp(_)) => last.take(sent),
            _ => Spell::add(&mut self.spells, sent),
        }
    }
}

impl Flow {
    /// RTCP's packet types begin at 192 (RFC 5761 section 4).
    pub(crate) fn of(packet: &[u8]) -> Self {
        match (packet, Header::parse(packet)) {
            ([flags, 192..=223, _, _, s0, s1, s2, s3, ..], _) if flags >> 6 == 2 => {
                Self::Rtcp(Ssrc(u32::from_be_bytes([*s0, *s1, *s2, *s3])))
            }
            (_, Ok(header)) => Self::Rtp(header.ssrc()),
            _ => Self::Other,
        }
    }
}

impl Spell {
    /// One more packet: of the last spell, or of a new one after a pause.
    pub(crate) fn add(spells: &mut Vec<Self>, sent: &Sent) {
        let full = spells.len() >= MAX_SPELLS;
        match spells.last_mut() {
            Some(last) if full || sent.at.since(last.last) < PAUSE => last.take(sent),
            _ => spells.push(Self::begin(sent)),
        }
    }

    fn begin(sent: &Sent) -> Self {
        let mut spell = Self { first: sent.at, last: sent.at, arrived: None, counts: Fates::default() };
        spell.take(sent);
        spell
    }

    fn take(&mut self, sent: &Sent) {
        self.last = self.last.max(sent.at);
        let Fates { sent: all, lost, twice } = &mut self.counts;
        *all += 1;
        *lost += u64::from(sent.arrived.is_empty());
        *twice += u64::from(sent.arrived.len() > 1);
        for at in &sent.arrived {
            let (first, last) = self.arrived.unwrap_or((*at, *at));
            self.arrived = Some((first.min(*at), last.max(*at)));
        }
    }
}

/// `52 packets, 3 lost`.
impl fmt::Display for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packet{}", self.sent, if self.sent == 1 { "" } else { "s" })?;
        for (count, what) in [(self.lost, "lost"), (self.twice, "twice")].into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}

impl std::ops::AddAssign for Fates {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.twice += other.twice;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_ua::transaction::Transport;

    fn packet(at_ms: u64, ssrc: u32, arrived: &[u64]) -> Sent {
        let ms = |ms: u64| Instant::from_micros(ms * 1_000);
        let mut bytes = vec![0x80, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(ssrc.to_be_bytes());
        let (from, to) = ("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:4000".parse().unwrap());
        let arrived = arrived.iter().map(|at| ms(*at)).collect();
        Sent { at: ms(at_ms), from, to, transport: Transport::Udp, media: true, bytes, arrived }
    }

    #[test]
    fn a_pause_ends_a_spell_and_another_ssrc_is_another_stream() {
        let log = [
            packet(0, 1, &[5]),
            packet(20, 1, &[]),
            packet(40, 1, &[44, 43]),
            packet(50, 2, &[55]),
            packet(600, 1, &[605]),
        ];
        let streams = Stream::all(&log);
        let counts: Vec<Vec<_>> =
            streams.iter().map(|s| s.spells.iter().map(|spell| spell.counts.to_string()).collect()).collect();
        assert_eq!(counts, [vec!["3 packets, 1 lost, 1 twice", "1 packet"], vec!["1 packet"]]);
        let ms = |ms: u64| Instant::from_micros(ms * 1_000);
        assert_eq!(streams[0].spells[0].arrived, Some((ms(5), ms(44))));
    }

    #[test]
    fn an_attacker_with_many_ssrcs_makes_few_streams() {
        let log: Vec<_> = (0..5_000).map(|n| packet(u64::from(n), n, &[])).collect();
        let streams = Stream::all(&log);
        assert_eq!(streams.len(), MAX_STREAMS + 1);
        assert_eq!(streams.iter().flat_map(|s| &s.spells).map(|spell| spell.counts.sent).sum::<u64>(), 5_000);
    }
}
