//! What is known of a call once it has ended: how it ended, by whom, and how its media went.

use serde::Serialize;

/// Counts of one call's media, in packets unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets that authenticated.
    pub heard: u64,
    /// Frames that were played.
    pub played: u64,
    /// Frames that never came in time to be played.
    pub lost: u64,
    /// Frames that came after their time.
    pub late: u64,
    /// Frames that came twice.
    pub duplicate: u64,
    /// Packets that nobody could authenticate: dropped.
    pub refused: u64,
    /// Packets that were seen before: dropped.
    pub replayed: u64,
    /// Our own packets that came back: dropped.
    pub reflected: u64,
    /// Packets that authenticated and were not for us to hear: of another branch than the one that is heard.
    pub unheard: u64,
    /// Packets that came before their key, which then never came: dropped.
    pub unkeyed: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 section 6.4.1).
    pub jitter_ms: f64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was answered and somebody hung up.
    Completed {
        /// Who.
        by: Side,
    },
    /// It was never answered, or broke.
    Failed {
        /// The SIP status that says so, if there was one.
        status: Option<u16>,
        /// One sentence.
        why: String,
    },
    /// Keying was refused, by us or by the peer: fail closed.
    KeyingRefused {
        /// One sentence.
        why: String,
    },
}

impl Outcome {
    /// The exit code that the command line promises: 0 did what was asked, 1 the call failed, 3 keying was refused.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Completed { .. } => 0,
            Self::Failed { .. } => 1,
            Self::KeyingRefused { .. } => 3,
        }
    }
}

/// One of the two ends of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// This endpoint.
    Us,
    /// The other one.
    Peer,
}
