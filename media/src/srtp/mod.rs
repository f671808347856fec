//! SRTP and SRTCP (RFC 3711), built so that a two-time pad cannot be written down.
//!
//! A [`Ledger`] knows which SSRC belongs to whom under which key. It hands out the right to send, a [`Slot`], once; a
//! slot becomes one [`Sender`], whose ROC || SEQ only goes forward, and all that comes out of it is [`Sealed`]. A
//! [`Receiver`] believes nothing that is not authentic, and keeps nothing of it.

mod aes;
mod clear;
mod counter;
mod derive;
mod gcm;
pub mod key;
mod ledger;
mod receiver;
mod sealed;
mod sender;
mod session;
mod srtcp;
pub mod suite;
mod transform;
mod window;

pub use clear::{ClearReceiver, ClearSender, Overheard};
pub use derive::DerivationRate;
pub use key::{KeyId, MasterKey, Mki};
pub use ledger::{KeyWornOut, Ledger, TwoTimePad};
pub use receiver::{Heard, Receiver};
pub use sealed::{SealError, Sealed};
pub use sender::{Sender, Slot};
pub use srtcp::HeardRtcp;
pub use suite::{Cipher, Suite};
