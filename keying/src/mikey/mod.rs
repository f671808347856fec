//! MIKEY (RFC 3830).

pub mod tolerance;
pub mod wire;

pub use tolerance::{Tolerance, Tolerances};

use std::time::Duration;

/// MIKEY's own choices.
#[derive(Clone, Debug)]
pub struct MikeyPolicy {
    /// A KEMAC without encryption may be offered and accepted.
    pub allow_null_encryption: bool,
    /// A message without MAC may be offered and accepted.
    pub allow_null_mac: bool,
    /// How far a peer's clock may be from ours (RFC 3830 section 5.4).
    pub max_skew: Duration,
}

impl Default for MikeyPolicy {
    fn default() -> Self {
        Self { allow_null_encryption: false, allow_null_mac: false, max_skew: Duration::from_secs(300) }
    }
}
