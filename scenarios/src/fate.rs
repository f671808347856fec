//! What a phone must have played, lost and thrown away, computed from what the link did and from nothing else: the
//! headers of RTP are in the clear also where its payload is not, and the log knows when each packet arrived.
//!
//! The rule of the playout is simple where nobody jumps or falls silent: the first packet to arrive waits for the depth
//! of the jitter buffer, and for the next tick after that; from then on one frame plays with every tick of 20 ms. What
//! is not there when its tick comes is late if it still comes, and lost if it does not.
//!
//! ```text
//!            a        a + depth
//! arrivals   1   2 3      |  5 4      6
//! ticks    |    |    |    |    |    |    |
//! played                  1    2    3    4 ...
//! ```

use crate::world::Sent;
use keyphone_media::audio::codec::Codec;
use keyphone_media::env::Instant;
use keyphone_media::rtp::{Header, Ssrc};
use keyphone_ua::event::Event;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How, and how long, a phone listened in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearing {
    /// What was agreed.
    pub codec: Codec,
    /// The depth of its jitter buffer.
    pub depth: Duration,
    /// When it began to talk: from then on its ticks come every 20 ms. If it heard something before that, they come
    /// from then.
    pub answered: Instant,
    /// When the call was over for it.
    pub ended: Instant,
}

impl Hearing {
    /// Of the first call that a phone told of. `None` if that was not answered, or has not ended.
    pub fn of(events: &[(Instant, Event)], codec: Codec, depth: Duration) -> Option<Self> {
        let when = |is: fn(&Event) -> bool| events.iter().find(|(_, event)| is(event)).map(|(at, _)| *at);
        let answered = when(|event| matches!(event, Event::Answered { .. }))?;
        let ended = when(|event| matches!(event, Event::Ended { .. }))?;
        Some(Self { codec, depth, answered, ended })
    }
}

/// What must have become of what was sent to one port. The counts are those of [`keyphone_ua::event::Counts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Frames that were there when their time came.
    pub played: u64,
    /// Frames that never came, as far as later ones tell.
    pub lost: u64,
    /// Frames that came after their time.
    pub late: u64,
    /// The recording, frame by frame: which of the sent packets is heard there, from 0; `None` is a gap.
    pub frames: Vec<Option<usize>>,
}

/// The port on which a host heard RTP: the first of it that RTP was sent to.
pub fn rtp_port(log: &[Sent], host: IpAddr) -> Option<SocketAddr> {
    let to_host = log.iter().filter(|sent| sent.media && sent.to.ip() == host);
    // RTCP's is the odd one (RFC 3550 section 11).
    to_host.map(|sent| sent.to).find(|to| to.port().is_multiple_of(2))
}

/// One packet: its number among those that were sent, its RTP timestamp, its first arrival.
struct Packet {
    number: usize,
    timestamp: u32,
    arrived: Option<Instant>,
}

/// What became of the RTP that was sent to `to`, as the phone there must count it.
///
/// It is exact for one source that sends a frame every 20 ms without a pause, to a jitter buffer that neither overflows
/// nor starts anew because everything was late for half a second.
pub fn expected(log: &[Sent], to: SocketAddr, hearing: &Hearing) -> Expected {
    const TICK: Duration = Duration::from_millis(20);
    let Hearing { codec, depth, answered, ended } = *hearing;
    let packets = packets(log, to);
    let first = packets.iter().filter_map(|p| Some((p.arrived?, p.timestamp))).min_by_key(|(at, _)| *at);
    let Some((arrived, reference)) = first else { return Expected::default() };

    let begins = arrived + depth;
    let origin = answered.min(arrived);
    let ticks_before = begins.since(origin).as_micros().div_ceil(TICK.as_micros());
    let tick = |n: u64| origin + Duration::from_micros((ticks_before as u64 + n) * TICK.as_micros() as u64);
    // Whoever overtook the first packet, or the other way round, is back in order by then. Timestamps wrap.
    let ahead = |p: &Packet| i64::from(p.timestamp.wrapping_sub(reference) as i32) / codec.frame() as i64;
    let there = |p: &&Packet| p.arrived.is_some_and(|at| at <= tick(0));
    let earliest = packets.iter().filter(there).map(ahead).min().unwrap_or_default();

    let mut expected = Expected::default();
    let mut slots = (0..).map_while(|n| (tick(n) < ended).then_some(None)).collect::<Vec<_>>();
    let mut missing = vec![];
    for packet in &packets {
        let slot = usize::try_from(ahead(packet) - earliest).ok();
        let in_time = |at: Instant| slot.is_some_and(|slot| at <= tick(slot as u64));
        match packet.arrived.filter(|at| *at < ended) {
            Some(at) if in_time(at) => {
                if let Some(frame) = slot.and_then(|slot| slots.get_mut(slot)) {
                    *frame = Some(packet.number);
                    expected.played += 1;
                }
            }
            Some(_) => expected.late += 1,
            None => missing.extend(slot),
        }
    }
    let last = slots.iter().rposition(Option::is_some).unwrap_or_default();
    expected.lost = missing.into_iter().filter(|slot| *slot < last).count() as u64;
    expected.frames = slots;
    expected
}

/// The RTP of the first source that was sent to a port, in the order of sending.
fn packets(log: &[Sent], to: SocketAddr) -> Vec<Packet> {
    let to_port = log.iter().filter(|sent| sent.media && sent.to == to);
    let rtp = to_port.filter_map(|sent| {
        let header = Header::parse(&sent.bytes).ok()?;
        let timestamp = header.frame(sent.bytes.get(header.octets()..)?).ok()?.timestamp;
        Some((header.ssrc(), timestamp, sent))
    });
    let mut source = None;
    let of_first = rtp.filter(|(ssrc, ..)| source.get_or_insert(*ssrc) == ssrc);
    let packet = |(number, (_, timestamp, sent)): (usize, (Ssrc, u32, &Sent))| Packet {
        number,
        timestamp,
        arrived: sent.arrived.iter().min().copied(),
    };
    of_first.enumerate().map(packet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_media::rtp::Frame;
    use keyphone_ua::transaction::Transport;

    fn ms(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    /// One packet every 20 ms, from 0; each with its arrival in ms.
    fn log(arrivals: &[Option<u64>]) -> Vec<Sent> {
        let (from, to) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:40000".parse().unwrap());
        let sent = |(n, arrived): (u32, &Option<u64>)| {
            let timestamp = (u32::MAX - 200).wrapping_add(160 * n);
            let frame = Frame { payload_type: 0, marker: false, timestamp, payload: &[] };
            let bytes = Header::new(&frame, n as u16, Ssrc(1)).unwrap().write().to_vec();
            let arrived = arrived.iter().map(|at| ms(*at)).collect();
            Sent { at: ms(20 * u64::from(n)), from, to, transport: Transport::Udp, media: true, bytes, arrived }
        };
        (0..).zip(arrivals).map(sent).collect()
    }

    fn fate(arrivals: &[Option<u64>], ended: u64) -> (u64, u64, u64, String) {
        let log = log(arrivals);
        let to = rtp_port(&log, "10.0.0.2".parse().unwrap()).unwrap();
        let hearing =
            Hearing { codec: Codec::Pcmu, depth: Duration::from_millis(60), answered: ms(0), ended: ms(ended) };
        let Expected { played, lost, late, frames } = expected(&log, to, &hearing);
        let frames = frames.iter().map(|frame| frame.map_or("-".into(), |n| n.to_string())).collect::<Vec<_>>();
        (played, lost, late, frames.join(" "))
    }

    #[test]
    fn what_arrives_in_time_plays_in_order() {
        // The first arrives at 25, may play at 85, and does so with the tick at 100.
        assert_eq!(fate(&[Some(25), Some(70), Some(60)], 150), (3, 0, 0, "0 1 2".into()));
        assert_eq!(fate(&[Some(50), Some(45), Some(60)], 170), (3, 0, 0, "0 1 2".into()), "overtaken");
    }

    #[test]
    fn lost_and_late_are_told_apart_and_the_end_is_no_loss() {
        let arrivals = [Some(25), None, Some(145), Some(90), Some(100), None, Some(300)];
        assert_eq!(fate(&arrivals, 270), (3, 1, 1, "0 - - 3 4 - - - -".into()));
    }

    #[test]
    fn what_arrives_before_all_that_plays_is_late_and_nothing_is_heard_of_nothing() {
        assert_eq!(fate(&[Some(130), Some(25), Some(60)], 150), (2, 0, 1, "1 2 -".into()));
        assert_eq!(fate(&[None, None], 150), (0, 0, 0, String::new()));
    }
}
