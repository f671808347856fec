//! How much strangers may have of us.

use std::time::Duration;

/// The bounds of the SIP side. The defaults are for the open network; tests make them tighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all, when somebody connects to us. Beyond them the one that has been silent longest gives way,
    /// unless a call or a transaction needs it. We make no more than this ourselves, and half of it for responses.
    pub connections: usize,
    /// Connections that one address (of IPv6, one /64) may have made to us.
    pub per_source: usize,
    /// Messages that may wait for a peer that reads slowly; one more, and its connection is closed.
    pub waiting: usize,
    /// How long a connection of ours, and its TLS handshake, may take each; and that of a TLS connection to us.
    pub connect: Duration,
    /// How long a message may take from its first byte to its last.
    pub message: Duration,
    /// How long a peer may take to read what we write.
    pub write: Duration,
    /// How long a connection may be silent.
    pub idle: Duration,
    /// Whoever made a connection asks at intervals from this to a quarter more whether it is still alive: 95 to 120 s
    /// (RFC 5626 section 4.4.1).
    pub ping: Duration,
    /// How long the answer to that may take (RFC 5626 section 4.4.1).
    pub pong: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_source: 64,
            waiting: 64,
            connect: Duration::from_secs(5),
            message: Duration::from_secs(10),
            write: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            ping: Duration::from_secs(95),
            pong: Duration::from_secs(10),
        }
    }
}
