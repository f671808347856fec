//! What goes into the engine and what comes out of it.

use std::net::SocketAddr;
use std::time::Duration;

use super::report::Report;
use crate::rtp::{Frame, Ssrc};

/// One authenticated RTP packet, as it came out of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFrame<'a> {
    /// Who sent it.
    pub ssrc: Ssrc,
    /// ROC||SEQ (RFC 3711 section 3.3.1).
    pub index: u64,
    /// 0 to 127.
    pub payload_type: u8,
    /// The first of a talkspurt (RFC 3551 section 4.1).
    pub marker: bool,
    /// In units of the codec's RTP clock.
    pub timestamp: u32,
    /// Encoded audio.
    pub payload: &'a [u8],
}

/// One encoded frame that wants to be sealed and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// As negotiated.
    pub payload_type: u8,
    /// The first after a silence.
    pub marker: bool,
    /// In units of the codec's RTP clock.
    pub timestamp: u32,
    /// Encoded audio.
    pub payload: Vec<u8>,
}

impl EncodedFrame {
    /// What [`crate::srtp`]'s sender seals.
    pub fn frame(&self) -> Frame<'_> {
        let Self { payload_type, marker, timestamp, payload } = self;
        Frame { payload_type: *payload_type, marker: *marker, timestamp: *timestamp, payload }
    }
}

/// The payload types of an m-line: what each side calls what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The audio that we hear.
    pub heard_as: u8,
    /// The audio that we send.
    pub sent_as: u8,
    /// Key presses; `None` if they were not agreed on.
    pub keys: Option<KeyNumbers>,
}

/// The payload types of key presses (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyNumbers {
    /// Those that we hear.
    pub heard_as: u8,
    /// Those that we send.
    pub sent_as: u8,
    /// The events 0 to 15 that the peer takes, one bit each.
    pub takes: u16,
}

/// What the engine wants done, or known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To be sealed and sent.
    Frame(EncodedFrame),
    /// To be written as SR or RR, with SDES, and sent.
    Rtcp(Report),
    /// To be known.
    Event(Event),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This source is heard from now on: the first one, or one that follows another.
    Hearing {
        /// Who.
        ssrc: Ssrc,
        /// From where.
        from: SocketAddr,
    },
    /// A source went on from another address (RFC 3550 section 8.2 allows it for telephony).
    Moved {
        /// Who.
        ssrc: Ssrc,
        /// From where it speaks now.
        from: SocketAddr,
    },
    /// A second sender uses the SSRC of one that still speaks (RFC 3550 section 8.2); it is not heard. Said once.
    Collision {
        /// Whose SSRC.
        ssrc: Ssrc,
        /// The second sender.
        from: SocketAddr,
    },
    /// The peer pressed a key (RFC 4733).
    Key(char),
    /// The source has ended; silence is sent on.
    SourceEnded,
    /// The recording failed and is over; the call goes on.
    SinkFailed(String),
    /// The codec failed; this frame is missing.
    CodecFailed(String),
    /// The process was asleep, and this many frames were not sent.
    Stalled {
        /// Frames of 20 ms.
        skipped: u64,
    },
}

/// How the call goes, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Frames sent.
    pub sent: u64,
    /// Octets of payload sent.
    pub octets: u64,
    /// Frames not sent because the process was asleep.
    pub skipped: u64,
    /// Packets heard, from all sources.
    pub heard: u64,
    /// Packets that played.
    pub played: u64,
    /// Frames that never came.
    pub lost: u64,
    /// Packets that came too late to play.
    pub late: u64,
    /// Packets that came again.
    pub duplicate: u64,
    /// Packets that the jitter buffer threw away.
    pub discarded: u64,
    /// Packets of another payload type.
    pub ignored: u64,
    /// Packets whose payload is empty, broken or absurdly long.
    pub malformed: u64,
    /// Packets of a source other than the one that is heard.
    pub foreign: u64,
    /// Interarrival jitter of the source that is heard, in ms (RFC 3550 appendix A.8).
    pub jitter: f64,
    /// Round-trip time as of the peer's last report (RFC 3550 section 6.4.1).
    pub round_trip: Option<Duration>,
    /// What the peer said it lost of our packets, in all.
    pub lost_by_peer: Option<i32>,
}
