//! A mode: messages in, messages out; no SDP, no SRTP.

use super::bundle::{Agreed, Bundle};
use super::wire::{ErrorNo, Message, WireError};
use crate::Error;
use keyphone_media::env::Env;
use std::fmt;

/// One of MIKEY's methods of key transport or key exchange (RFC 3830 section 3).
pub trait Mode: Send {
    /// Makes an I_MESSAGE. What is known before any answer comes out with it, once.
    fn initiate(&mut self, ask: &Bundle<'_>, env: &mut Env<'_>) -> Result<Initiation, Error>;

    /// Answers an I_MESSAGE; with an R_MESSAGE if it wants one. Caches live behind the `&mut`.
    fn respond(
        &mut self,
        init: &Message,
        ask: &Bundle<'_>,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused>;
}

/// An I_MESSAGE on its way.
pub struct Initiation {
    /// The I_MESSAGE.
    pub message: Message,
    /// What is known already: the keys of the transport methods, with the weak proof of our own message.
    pub known: Option<Agreed>,
    /// Waits for answers.
    pub initiated: Box<dyn Initiated>,
}

/// What an Initiator remembers. `&self`: one offer may have many answers.
pub trait Initiated: Send + Sync {
    /// Verifies an R_MESSAGE.
    ///
    /// # Errors
    /// What in it does not verify, or is not an answer to this offer.
    fn complete(&self, resp: &Message) -> Result<Agreed, Error>;
}

/// Why an I_MESSAGE is not answered, for us and for the peer.
#[derive(Debug)]
pub struct Refused {
    /// For us.
    pub error: Error,
    /// For the peer's error message (RFC 3830 section 5.1.2).
    pub number: ErrorNo,
}

impl Refused {
    /// Both.
    pub fn new(number: ErrorNo, error: Error) -> Self {
        Self { error, number }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, number: ErrorNo::Unspecified }
    }
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self { error: error.into(), number: ErrorNo::Unspecified }
    }
}
