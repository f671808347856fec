//! UDP, TCP or TLS, and what the length of a request has to do with it (RFC 3261 section 18.1.1).

use super::Destination;
use crate::sip::{self, Request};
use std::fmt;

/// What carries our messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams, which may be lost.
    Udp,
    /// A connection.
    Tcp,
    /// A connection that nobody on the way can read or change.
    Tls,
}

impl Transport {
    /// All that we have.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// What is sent arrives, or the connection fails.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// Where a server listens if nothing else is said (RFC 3261 section 19.1.2).
    pub fn default_port(self) -> u16 {
        if self == Self::Tls { 5061 } else { 5060 }
    }

    /// As a `transport` parameter spells it.
    pub fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The one that a Via names.
    pub fn of_via(named: &sip::Transport) -> Option<Self> {
        match named {
            sip::Transport::Udp => Some(Self::Udp),
            sip::Transport::Tcp => Some(Self::Tcp),
            sip::Transport::Tls => Some(Self::Tls),
            sip::Transport::Other(_) => None,
        }
    }
}

/// The longest request that goes over UDP, in bytes, because we do not know the path's MTU (RFC 3261 section 18.1.1).
pub const MAX_UDP_REQUEST: usize = 1300;

/// What a request of `len` bytes goes over that wanted to go over `wanted`.
pub fn choose_transport(len: usize, wanted: Transport) -> Transport {
    if len > MAX_UDP_REQUEST && wanted == Transport::Udp { Transport::Tcp } else { wanted }
}

/// Makes a request ready to go to `dest` or, if it is too long for that, over TCP; its top Via says which. For an ACK,
/// which has no transaction, this is all; other requests go through [`Table::request`](super::Table::request).
pub fn prepare(request: &mut Request, dest: Destination) -> (Destination, Vec<u8>) {
    set_via(request, dest.transport);
    let bytes = request.to_bytes();
    let transport = choose_transport(bytes.len(), dest.transport);
    if transport == dest.transport {
        return (dest, bytes);
    }
    set_via(request, transport);
    (Destination { transport, ..dest }, request.to_bytes())
}

/// Writes the transport into the top Via.
pub(super) fn set_via(request: &mut Request, transport: Transport) {
    let Ok(mut via) = request.headers.via() else { return };
    let named = transport.into();
    if via.transport != named {
        via.transport = named;
        request.headers.set_first("Via", via.to_string());
    }
}

impl From<Transport> for sip::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_1300_bytes_go_over_tcp() {
        assert_eq!(choose_transport(1300, Transport::Udp), Transport::Udp);
        assert_eq!(choose_transport(1301, Transport::Udp), Transport::Tcp);
        assert_eq!(choose_transport(10, Transport::Tcp), Transport::Tcp);
        assert_eq!(choose_transport(1301, Transport::Tls), Transport::Tls);
    }
}
