//! SRTP and SRTCP (RFC 3711), built so that a two-time pad cannot be written down.

pub mod key;
pub mod suite;

pub use key::{KeyId, MasterKey, Mki};
pub use suite::Suite;
