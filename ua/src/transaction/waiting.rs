//! A request of ours that has nowhere to go yet, or not any more.

use crate::locate::Search;
use crate::sip::{Request, Response};
use keyphone_media::env::Instant;
use std::time::Duration;

/// A request between two addresses.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) request: Request,
    /// When the resolver is given up.
    pub(super) until: Instant,
    pub(super) last: Last,
}

/// What became of the last try.
#[derive(Debug)]
pub(super) enum Last {
    /// There was none.
    None,
    /// It could not be delivered.
    Failed,
    /// Nobody answered.
    TimedOut,
    /// The answer was 503 (RFC 3263 section 4.3).
    Unavailable(Box<Response>),
}

impl Waiting {
    /// The longest that a resolver may take over one question.
    pub(super) const LONGEST: Duration = Duration::from_secs(10);
}

/// An ACK of a 2xx. It has no transaction, but it may have to be looked for, and sent again elsewhere.
#[derive(Debug)]
pub(super) struct LooseAck {
    pub(super) request: Request,
    pub(super) search: Search,
    pub(super) sent: Option<super::Destination>,
    pub(super) until: Instant,
}
