//! What an observer finds wrong with a world.

use super::cipher::Kind;
use keyphone_media::env::Instant;
use keyphone_ua::event::CallId;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// One thing that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Two packets came under one key, SSRC and index and are not the same packet (RFC 3711 section 9.1).
    TwoTimePad {
        /// The fingerprint of the key.
        key: String,
        /// SRTP or SRTCP.
        kind: Kind,
        /// Under which SSRC.
        ssrc: u32,
        /// ROC || SEQ, or the SRTCP index.
        index: u64,
        /// The first of the two.
        first: Packet,
        /// The second.
        second: Packet,
        /// How many packets of the second sender clash under this key and SSRC.
        packets: usize,
    },
    /// A phone that may not sent RTP or RTCP that no key protects.
    Clear {
        /// The first of such packets.
        packet: Packet,
        /// RTP or RTCP.
        kind: Kind,
        /// Whose it says it is.
        ssrc: u32,
        /// How many packets of this SSRC there are.
        packets: usize,
    },
    /// A phone that may not sent packets that are authenticated, but not encrypted.
    Readable {
        /// The first of such packets.
        packet: Packet,
        /// The fingerprint of the key.
        key: String,
        /// The suite.
        suite: &'static str,
    },
    /// A phone sent what cannot be judged: under a key that nobody has logged, or nothing that is known here.
    Unjudged {
        /// The first of such packets.
        packet: Packet,
        /// How many there are from its port.
        packets: usize,
    },
    /// A key log has lines of SRTP that cannot be read: so keys are missing here.
    Unread {
        /// Whose.
        phone: String,
        /// How many.
        lines: usize,
    },
    /// A phone played what no authentic packet has brought it.
    Unproven {
        /// Who.
        phone: String,
        /// In which call.
        call: CallId,
        /// Where in its recording.
        at: Duration,
        /// How much of it.
        length: Duration,
    },
    /// A phone played one packet more than once.
    PlayedTwice {
        /// Who.
        phone: String,
        /// In which call.
        call: CallId,
        /// The packet.
        packet: Packet,
        /// Where in its recording the second time is.
        at: Duration,
    },
    /// What came to the port of one call was played in another.
    Leaked {
        /// Who.
        phone: String,
        /// In which call.
        call: CallId,
        /// In which call also: whose port it is nobody can say.
        other: CallId,
        /// The port.
        port: SocketAddr,
    },
    /// A call did not end, or ended more than once.
    Endless {
        /// Whose.
        phone: String,
        /// Which call.
        call: CallId,
        /// How often it ended.
        ends: usize,
    },
    /// Something is left in a table of a phone when all is over.
    Left {
        /// Whose.
        phone: String,
        /// In which table.
        table: &'static str,
        /// How many.
        entries: usize,
    },
    /// A phone still waits for something when all is over.
    Waiting {
        /// Who.
        phone: String,
        /// Until when.
        until: Instant,
    },
    /// A phone panicked.
    Panicked {
        /// What it said.
        what: String,
    },
}

/// A packet of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its number in the log of the world.
    pub number: usize,
    /// When it left.
    pub at: Instant,
    /// The phone that sent it.
    pub phone: String,
    /// From which port.
    pub from: SocketAddr,
    /// To which.
    pub to: SocketAddr,
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, at, phone, from, to } = self;
        write!(f, "packet {number} of {phone} at {} ({from} to {to})", seconds(at.since(Instant::ZERO)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Rtp { "RTP" } else { "RTCP" })
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoTimePad { key, kind, ssrc, index, first, second, packets } => write!(
                f,
                "two-time pad: S{kind} under key {key}, SSRC {ssrc:08x}, index {index} is {first} and is {second}; \
                 {packets} packets clash"
            ),
            Self::Clear { packet, kind, ssrc, packets } => {
                write!(f, "clear {kind}: no key protects {packet}, SSRC {ssrc:08x}; {packets} such packets")
            }
            Self::Readable { packet, key, suite } => {
                write!(f, "readable media: {packet} under key {key} is not encrypted ({suite})")
            }
            Self::Unjudged { packet, packets } => {
                write!(
                    f,
                    "cannot be judged: {packet} is under no logged key, and is no clear RTP; {packets} such packets"
                )
            }
            Self::Unread { phone, lines } => write!(f, "the key log of {phone} has {lines} lines that cannot be read"),
            Self::Leaked { phone, call, other, port } => {
                write!(f, "leaked audio: {phone} played what came to {port} in call {call} and in call {other}")
            }
            Self::Unproven { phone, call, at, length } => write!(
                f,
                "unproven audio: {phone} played {} of call {call} at {} of its recording, which no authentic packet \
                 brought",
                seconds(*length),
                seconds(*at)
            ),
            Self::PlayedTwice { phone, call, packet, at } => {
                write!(f, "played twice: {phone} played {packet} of call {call} again at {}", seconds(*at))
            }
            Self::Endless { phone, call, ends: 0 } => write!(f, "call {call} of {phone} never ended"),
            Self::Endless { phone, call, ends } => write!(f, "call {call} of {phone} ended {ends} times"),
            Self::Left { phone, table, entries } => write!(f, "{phone} has {entries} left in its table of {table}"),
            Self::Waiting { phone, until } => {
                write!(f, "{phone} waits for something at {}", seconds(until.since(Instant::ZERO)))
            }
            Self::Panicked { what } => write!(f, "panic: {what}"),
        }
    }
}
