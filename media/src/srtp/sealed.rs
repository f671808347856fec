//! What may leave on a media path.

use super::KeyWornOut;
use crate::rtp::{Malformed, Ssrc};
use std::borrow::Cow;
use std::fmt;

/// A packet that may leave: sealed under a [`super::Sender`], or let through in clear by a [`super::ClearSender`],
/// which only policy allows. Nobody else makes one.
///
/// ```compile_fail,E0423
/// fn forge() -> keyphone_media::srtp::Sealed<'static> { keyphone_media::srtp::Sealed(vec![0x80].into()) }
/// ```
pub struct Sealed<'a>(Cow<'a, [u8]>);

impl<'a> Sealed<'a> {
    /// The longest packet that is sealed or opened, in octets: longer than any that crosses the Internet unbroken.
    pub const MAX_LEN: usize = 2048;

    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }

    /// As they go out.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lets go of the sender's buffer, at the price of a copy.
    pub fn into_owned(self) -> Sealed<'static> {
        Sealed(Cow::Owned(self.0.into_owned()))
    }
}

impl fmt::Debug for Sealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} octets)", self.0.len())
    }
}

/// Why a packet was not sealed. Nothing has been sent or counted, and the next frame may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key's life is over.
    #[error(transparent)]
    KeyWornOut(#[from] KeyWornOut),
    /// The whole packet would be longer than [`Sealed::MAX_LEN`].
    #[error("a packet of {octets} octets is too long: at most {} fit", Sealed::MAX_LEN)]
    TooLong {
        /// How long it would be.
        octets: usize,
    },
    /// A frame that no RTP header can announce.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// RFC 3711 section 3.4: the first packet of a compound is a sender or receiver report, and it is our own.
    #[error("an RTCP compound of ours begins with a sender or receiver report of SSRC {ours}")]
    NotOurReport {
        /// The SSRC that it should come from.
        ours: Ssrc,
    },
}
