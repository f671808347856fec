//! What goes into an [`Endpoint`](crate::endpoint::Endpoint) and what comes out of it.

use crate::event::{CallId, Event};
use crate::locate::{Answer, Question};
use crate::settings::Plan;
use crate::sip::{StatusCode, Uri};
use crate::transaction::{Destination, Transport};
use keyphone_keying::{KeyingPacket, Url};
use keyphone_media::srtp::Sealed;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
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
        /// What went wrong, as the end of a sentence; empty if nobody knows.
        why: String,
    },
    /// What a resolver says to an [`Output::Lookup`].
    Found {
        /// What it was asked.
        question: Question,
        /// What it says.
        answer: Answer,
    },
    /// What an [`Output::Fetch`] led to.
    Fetched {
        /// What was asked for.
        url: Url,
        /// What came, or why nothing did, as the end of a sentence.
        result: Result<Vec<u8>, String>,
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
        /// Where the INVITE goes, if not to whom the target means (RFC 3263). What is too long for UDP goes over TCP
        /// (RFC 3261 section 18.1.1).
        to: Option<Destination>,
        /// Which account calls, if not the first: accounts are numbered from 0.
        from: Option<usize>,
        /// What to say, to record, and when to hang up.
        plan: Plan,
    },
    /// Answer a call that rings, when [`Incoming::Ring`](crate::settings::Incoming::Ring) left that to the user.
    Answer(CallId),
    /// Refuse a call that rings, with this status.
    Refuse(CallId, StatusCode),
    /// Send the caller of a call that rings elsewhere: 302 (RFC 3261 section 21.3.3).
    Redirect(CallId, Vec<Uri>),
    /// Hang up one call.
    HangUp(CallId),
    /// Hang up all calls.
    HangUpAll,
    /// Put the peer on hold (RFC 6337 section 5.3): we send, it does not.
    Hold(CallId),
    /// Take it back.
    Resume(CallId),
    /// New keys for the media, by re-INVITE or UPDATE.
    Rekey(CallId),
    /// Blind transfer: ask the peer to call somebody else (RFC 5589 section 6).
    Transfer {
        /// The call whose peer is asked.
        call: CallId,
        /// Whom it should call.
        to: Box<Uri>,
    },
    /// Attended transfer: ask the peer of one call to take our place in another (RFC 5589 section 7).
    TransferInto {
        /// The call whose peer is asked.
        call: CallId,
        /// The call in which it takes our place.
        other: CallId,
    },
    /// Press keys: sent as telephone events (RFC 4733).
    Dtmf {
        /// In which call.
        call: CallId,
        /// 0 to 9, *, #, A to D.
        keys: String,
    },
    /// A MESSAGE outside any call (RFC 3428).
    Message {
        /// To whom.
        to: Box<Uri>,
        /// Plain text.
        text: String,
    },
    /// An INFO in a call (RFC 6086 legacy usage, RFC 2976).
    Info {
        /// In which call.
        call: CallId,
        /// Type and subtype of the body.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// Ask what somebody can do: OPTIONS (RFC 3261 section 11).
    Options {
        /// Whom.
        to: Box<Uri>,
    },
    /// Register an account, and keep it registered; accounts are numbered from 0 as in
    /// [`Settings`](crate::settings::Settings).
    Register(usize),
    /// Take the registration of an account back.
    Unregister(usize),
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
        /// Over TLS: who must be there, unless it is the way back on a connection (RFC 5922 section 7.1).
        name: Option<Arc<str>>,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A question for a resolver: its answer comes in as [`Input::Found`].
    Lookup(Question),
    /// A certificate to fetch: what comes of it comes in as [`Input::Fetched`]. Policy has allowed the URL; to which
    /// addresses it may lead, [`FetchList::reaches`](keyphone_keying::FetchList::reaches) says.
    Fetch(Url),
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

impl MediaPorts {
    /// What a call without media names: the discard port (RFC 863), which nobody opens.
    pub(crate) fn discard(ip: IpAddr) -> Self {
        let discard = SocketAddr::new(ip, 9);
        Self { rtp: discard, rtcp: discard }
    }

    /// Sockets stand behind them.
    pub(crate) fn are_open(&self) -> bool {
        self.rtp.port() != 9
    }
}

/// A recording that was kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Samples a second.
    pub rate: u32,
    /// Mono, 16 bit, from the first frame that was heard.
    pub samples: Vec<i16>,
}
