//! How the packets of a call are protected: by keys, or by nothing where policy said so. There is no third way.

use super::clash::Clash;
use super::leg::Leg;
use keyphone_media::env::Env;
use keyphone_media::policy::ClearAllowed;
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{ClearReceiver, ClearSender, Ledger, SealError, Sealed};
use std::net::SocketAddr;

pub(super) enum Path {
    Keyed(Box<Leg>),
    Clear(Box<Clear>),
}

/// RTP without SRTP, by policy's permit.
pub(super) struct Clear {
    ears: ClearReceiver,
    mouth: ClearSender,
}

/// What an RTP packet turned out to be.
pub(super) enum Opened<'a> {
    /// Whose, its index (ROC || SEQ), and what it carries.
    Frame(Ssrc, u64, Frame<'a>),
    Replayed,
    Reflected,
    Refused,
    /// Another one is under its key and SSRC, and that is news.
    Clash(Clash),
    /// The same, and it is known.
    Silenced,
}

/// What an RTCP packet turned out to be.
pub(super) enum OpenedRtcp<'a> {
    Compound(&'a [u8]),
    Replayed,
    Refused,
    Clash(Clash),
    Silenced,
}

impl Path {
    pub(super) fn clear(allowed: ClearAllowed, ssrc: Ssrc, env: &mut Env<'_>) -> Self {
        let (ears, mouth) = (ClearReceiver::new(allowed), ClearSender::new(allowed, ssrc, env));
        Self::Clear(Box::new(Clear { ears, mouth }))
    }

    /// Who we are in our packets; `None` while there is no key to send with.
    pub(super) fn ssrc(&self) -> Option<Ssrc> {
        match self {
            Self::Keyed(leg) => leg.ssrc(),
            Self::Clear(clear) => Some(clear.mouth.ssrc()),
        }
    }

    pub(super) fn seal<'s>(
        &'s mut self,
        ledger: &mut Ledger,
        frame: Frame<'_>,
    ) -> Option<Result<Sealed<'s>, SealError>> {
        match self {
            Self::Keyed(leg) => leg.seal(ledger, frame),
            Self::Clear(clear) => Some(clear.mouth.seal(frame)),
        }
    }

    pub(super) fn seal_rtcp<'s>(
        &'s mut self,
        ledger: &mut Ledger,
        compound: &[u8],
    ) -> Option<Result<Sealed<'s>, SealError>> {
        match self {
            Self::Keyed(leg) => leg.seal_rtcp(ledger, compound),
            Self::Clear(clear) => Some(clear.mouth.seal_rtcp(compound)),
        }
    }

    /// Opens a packet. `named`: the SDP named the host that it is from. In the clear, nobody else is listened to.
    pub(super) fn open<'s>(
        &'s mut self,
        ledger: &mut Ledger,
        packet: &'s [u8],
        (from, named): (SocketAddr, bool),
    ) -> Opened<'s> {
        match self {
            Self::Keyed(leg) => leg.open(ledger, packet, from),
            Self::Clear(clear) if named => match clear.ears.open(packet) {
                Some(heard) if heard.ssrc == clear.mouth.ssrc() => Opened::Reflected,
                Some(heard) => Opened::Frame(heard.ssrc, heard.index, heard.frame),
                None => Opened::Refused,
            },
            Self::Clear(_) => Opened::Refused,
        }
    }

    pub(super) fn open_rtcp<'s>(
        &'s mut self,
        ledger: &mut Ledger,
        packet: &'s [u8],
        (from, named): (SocketAddr, bool),
    ) -> OpenedRtcp<'s> {
        match self {
            Self::Keyed(leg) => leg.open_rtcp(ledger, packet, from),
            Self::Clear(_) if named => OpenedRtcp::Compound(packet),
            Self::Clear(_) => OpenedRtcp::Refused,
        }
    }

    /// Nothing is said any more under the key and SSRC of a clash, if they are ours.
    pub(super) fn hush(&mut self, clash: &Clash) {
        if let Self::Keyed(leg) = self {
            leg.clashes.hush(clash.key, clash.ssrc);
        }
    }

    /// Is nothing said, because somebody else is what we are?
    pub(super) fn is_hushed(&self) -> bool {
        matches!(self, Self::Keyed(leg) if leg.is_hushed())
    }

    /// The next key comes with another SSRC of ours.
    pub(super) fn give_up(&mut self, ssrc: Ssrc) {
        if let Self::Keyed(leg) = self {
            leg.clashes.give_up(ssrc);
        }
    }

    /// Must this SSRC of ours go?
    pub(super) fn gives_up(&self, ssrc: Ssrc) -> bool {
        matches!(self, Self::Keyed(leg) if leg.clashes.gives_up(ssrc))
    }

    /// The call is over: its pages of the ledger shrink to fingerprints.
    pub(super) fn close(self, ledger: &mut Ledger) {
        if let Self::Keyed(mut leg) = self {
            leg.close(ledger);
        }
    }
}
