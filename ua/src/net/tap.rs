//! Listening in on the sockets: for `--pcap`.

use crate::transaction::Transport;
use keyphone_media::env::Now;
use std::net::SocketAddr;

/// One datagram, or one message on a stream, as it was sent or received.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When, by both clocks.
    pub at: Now,
    /// Did we send it?
    pub sent: bool,
    /// Who sent it.
    pub from: SocketAddr,
    /// Who received it.
    pub to: SocketAddr,
    /// Over what. Media is always UDP.
    pub transport: Transport,
    /// The payload.
    pub bytes: &'a [u8],
}

/// Is shown all that a runner sends and receives.
pub type Tap = Box<dyn FnMut(Seen<'_>)>;
