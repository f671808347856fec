//! What goes into an [`Endpoint`](crate::endpoint::Endpoint) and what comes out of it.

use crate::event::{CallId, Event};
use crate::settings::Plan;
use crate::sip::Uri;
use crate::transaction::{Destination, Transport};
use keyphone_keying::KeyingPacket;
use keyphone_media::srtp::Sealed;
use std::net::SocketAddr;
use zeroize::Zeroizing;

/// What an endpoint is given.
#[derive(Debug)]
pub enum Input<'a> {
    /// A SIP datagram, or one whole message from a stream.
    Sip {
        /// Who sent it.
        from: SocketAddr,
        /// Over what.
        transport: Transport,
        /// The message.
        bytes: &'a [u8],
    },
    /// A datagram on a media port.
    Media {
        /// The port of ours that it came to.
        at: SocketAddr,
        /// Who sent it.
        from: SocketAddr,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// A pair of media ports is open and may be used.
    Ports(MediaPorts),
    /// Nothing can be sent there.
    TransportFailed {
        /// Where to.
        to: SocketAddr,
        /// Over what.
        transport: Transport,
    },
    /// The user wants something.
    Command(Command),
    /// The time that [`Endpoint::next_timeout`](crate::endpoint::Endpoint::next_timeout) named has come.
    Timeout,
}

/// What a user wants.
#[derive(Debug)]
pub enum Command {
    /// Place a call.
    Call {
        /// Whom to call: what the Request-URI and To say.
        target: Box<Uri>,
        /// Where the INVITE goes. What is too long for UDP goes over TCP (RFC 3261 section 18.1.1).
        to: Destination,
        /// What to say, to record, and when to hang up.
        plan: Plan,
    },
    /// Hang up one call.
    HangUp(CallId),
    /// Hang up all calls.
    HangUpAll,
}

/// What an endpoint says.
#[derive(Debug)]
pub enum Output {
    /// A SIP message to send.
    Sip {
        /// Where to.
        to: SocketAddr,
        /// Over what.
        transport: Transport,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Media to send. Nothing but [`Sealed`] leaves this way.
    Media {
        /// From which port of ours.
        from: SocketAddr,
        /// Where to.
        to: SocketAddr,
        /// The packet.
        packet: Sealed<'static>,
    },
    /// A keying system's own datagram for the media path.
    Keying {
        /// From which port of ours.
        from: SocketAddr,
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        packet: KeyingPacket,
    },
    /// These media ports are not needed any more.
    Release(MediaPorts),
    /// What a call recorded in memory.
    Recorded(CallId, Recording),
    /// A line for the key log: only if policy lets keys be revealed.
    KeyLog(Zeroizing<String>),
    /// Something happened.
    Event(Event),
}

/// Two neighbouring media ports of ours (RFC 3550 section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaPorts {
    /// For RTP.
    pub rtp: SocketAddr,
    /// For RTCP.
    pub rtcp: SocketAddr,
}

/// A recording that was kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Samples a second.
    pub rate: u32,
    /// Mono, 16 bit, from the first frame that was heard.
    pub samples: Vec<i16>,
}
