//! The socket for keying systems: offer, answer, and who the peer is, always in that order.
//!
//! MIKEY stands in it today, in all its modes ([`mikey`]); SDES, DTLS-SRTP, ZRTP and the others are to fit the same four traits. A keying system
//! reads and writes [`Lines`] of SDP, never the rest; it hands out keys through [`Proof::release`] alone, which names
//! the peer and asks policy first. What is done with the keys, in which order and for which branch of a forked call,
//! is the call's business (`ua/src/call`), one order for all systems.
//!
//! ```compile_fail,E0451
//! use keyphone_keying::*;
//! fn skip_the_peer(key: keyphone_media::srtp::MasterKey) -> StreamKey { StreamKey { key, streams: vec![] } }
//! ```
//! ```compile_fail,E0423
//! fn any_bytes() -> keyphone_keying::KeyingPacket { keyphone_keying::KeyingPacket(vec![0x80]) }
//! ```

pub mod choice;
pub mod crypto;
pub mod error;
pub mod fetch;
pub mod how_to;
pub mod identity;
pub mod mikey;
pub mod policy;
pub mod proof;
mod system;
pub mod workbench;

pub use error::{Error, Refusal};
pub use fetch::{FetchList, Url};
pub use identity::{CertError, CertStore, Certificate, Credentials, Crl, Expect, Filed, Identity, Psk, PskStore};
pub use policy::Policy;
pub use proof::{Assurance, How, Proof, StreamKey};
pub use system::System;

use choice::Blame;
use keyphone_media::demux::{Flow, looks_like_rtp};
use keyphone_media::env::{Env, Instant};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::KeyId;

/// The SDP attributes that are keying's business, and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<Line>);

/// One attribute, `a=name:value`, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// At session level, or under an m-line.
    pub level: Level,
    /// `key-mgmt`, for instance.
    pub name: String,
    /// All that follows the colon.
    pub value: String,
}

/// Where in the SDP a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Before the first m-line.
    Session,
    /// Under the m-line of this index, from zero.
    Media(u8),
}

/// Which way a stream goes, as we see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dir {
    /// We send it.
    Send,
    /// We hear it.
    Hear,
}

/// One direction of one m-line. In an [`Ask`] it is what is wanted; with a key it is what that key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Index of the m-line, from zero.
    pub line: u8,
    /// Which way it goes.
    pub dir: Dir,
    /// Whose it is; `None` means: hear whoever authenticates.
    pub ssrc: Option<Ssrc>,
    /// The rollover counter to start from (RFC 3711 section 3.3.1).
    pub roc: u32,
}

/// The way between us and the next SIP entity. Whoever is on it reads and changes what keying does not protect itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hop {
    /// UDP or TCP.
    #[default]
    Clear,
    /// TLS.
    Tls,
}

/// What a call wants of a keying system.
pub struct Ask<'a> {
    /// How the next SIP entity is reached, or how we were.
    pub hop: Hop,
    /// Who we are.
    pub me: &'a Identity,
    /// Whom SIP names: the callee when we call, the caller when we are called.
    pub named: &'a Identity,
    /// The streams to key.
    pub streams: &'a [Stream],
    /// What the configuration allows.
    pub policy: &'a Policy,
}

/// One keying system.
pub trait Keying: Send {
    /// Makes an offer. Keys that are known before any answer (MIKEY-PSK, RSA) come out here, once per call.
    fn offer(
        &mut self,
        ask: &Ask<'_>,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(Lines, Box<dyn Offered>), Error>;

    /// Answers an offer, or says why not.
    fn answer(
        &mut self,
        ask: &Ask<'_>,
        offer: &Lines,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(Lines, Box<dyn Session>), Refusal>;
}

/// An offer outlives its answers: `&self`, because a forked INVITE has many.
pub trait Offered: Send {
    /// What an answer says of its sender: cheap and unverified, enough to route media to a branch.
    fn hint(&self, answer: &Lines) -> Hint;

    /// A fresh session: one per branch, or per first packet that comes before its answer.
    fn session(&self) -> Box<dyn Session>;

    /// What the peer's error message says. It is unauthenticated, and so no more than a hint (RFC 3830 section 5.1.2).
    fn refused(&self, lines: &Lines) -> Option<Error>;

    /// What that error message blames, which is as little authenticated.
    fn blames(&self, _lines: &Lines) -> Blame {
        Blame::Unknown
    }
}

/// The agreement with one peer. The defaults are for systems that never speak in the media path or never rekey.
pub trait Session: Send {
    /// Takes what came from the peer.
    fn handle(&mut self, input: Input<'_>, env: &mut Env<'_>, out: &mut Vec<Output>) -> Result<(), Error>;

    /// Is this early session the one that wrote that answer?
    fn matches(&self, _answer: &Lines) -> Match {
        Match::Unknown
    }

    /// Is this offer inside the dialog for this session to answer? If not, it begins another agreement, which
    /// [`Keying::answer`] makes, and which takes the place of this one.
    fn covers(&self, _offer: &Lines) -> bool {
        true
    }

    /// Offers new keys inside the dialog. They are heard at once and spoken with when [`Input::Answer`] has come; after
    /// [`Input::Rejected`] they are forgotten.
    fn offer(&mut self, _: &Ask<'_>, _: &mut Env<'_>, _: &mut Vec<Output>) -> Result<Lines, Error> {
        Err(Error::Misuse("this keying system has no rekeying"))
    }

    /// Answers new keys inside the dialog. On an error the old ones stay.
    fn answer(&mut self, _: &Ask<'_>, _: &Lines, _: &mut Env<'_>, _: &mut Vec<Output>) -> Result<Lines, Refusal> {
        Err(Error::incompatible("this keying system has no rekeying").into())
    }

    /// May our last lines be said again over this hop? They may hold keys that nothing else protects.
    fn may_repeat(&self, _hop: Hop) -> bool {
        true
    }

    /// When it wants `Input::Timeout`.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }
}

/// What an answer claims about its sender. Unverified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// The SSRCs that it will send with.
    pub ssrcs: Vec<Ssrc>,
    /// Who it says it is.
    pub who: Option<Identity>,
}

/// Does an early session belong to an answer?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It wrote it.
    Yes,
    /// Somebody else did.
    No,
    /// This system cannot tell.
    Unknown,
}

/// What a session is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// The answer to our offer.
    Answer(&'a Lines),
    /// Our offer was refused.
    Rejected,
    /// A datagram of the keying system's own in the media path.
    Packet {
        /// Where it came in.
        flow: Flow,
        /// The whole datagram.
        bytes: &'a [u8],
    },
    /// What a URL led to that stands in what comes next from the peer: a certificate, or why there is none.
    Fetched {
        /// Where it was fetched.
        url: &'a Url,
        /// It proves nothing.
        certificate: Result<&'a Certificate, &'a str>,
    },
    /// The time that `next_timeout` named has come.
    Timeout,
}

/// What a keying system says.
#[derive(Debug)]
pub enum Output {
    /// Who the peer is: always before its keys.
    Peer(Assurance),
    /// A key and what it is for.
    Key(StreamKey),
    /// A stream under a key that came out earlier: an answer has named it.
    Expect(KeyId, Stream),
    /// A datagram for the media path.
    Send(Flow, KeyingPacket),
    /// A named deviation that `--interop` let pass: for the log.
    Tolerated(&'static str),
}

/// A datagram of a keying system's own, never to be mistaken for RTP (RFC 5479 section 5.1, R-RTP-CHECK).
#[derive(Debug)]
pub struct KeyingPacket(Vec<u8>);

impl KeyingPacket {
    /// `None` if it looks like RTP.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (!looks_like_rtp(&bytes)).then_some(Self(bytes))
    }

    /// What goes on the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}
