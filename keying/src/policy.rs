//! What the configuration decides about keying. Mechanism reads it and never invents it.

use crate::choice::Preferences;
use crate::identity::Expect;
use crate::mikey::MikeyPolicy;
use keyphone_media::policy::Policy as MediaPolicy;
use keyphone_media::srtp::{DerivationRate, Suite};

/// What may be offered, accepted and shown. The default is what needs no excuse.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What may be done with keys and with clear RTP.
    pub media: MediaPolicy,
    /// Which keying systems may be used, and in which order.
    pub choice: Preferences,
    /// Who may be at the other end.
    pub expect: Expect,
    /// Crypto suites, preferred first. The first is offered; each is accepted.
    pub suites: Vec<Suite>,
    /// SRTP or SRTCP may be authenticated only, so that everybody on the way can listen: the NULL suites among
    /// `suites`, and a peer's wish for SRTCP without encryption.
    pub allow_null_cipher: bool,
    /// The key derivation rate of our offers (RFC 3711 section 4.3.1); each is accepted.
    pub derivation_rate: DerivationRate,
    /// MIKEY's own choices.
    pub mikey: MikeyPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            media: MediaPolicy::default(),
            choice: Preferences::default(),
            expect: Expect::default(),
            suites: Suite::encrypting().collect(),
            allow_null_cipher: false,
            derivation_rate: DerivationRate::ZERO,
            mikey: MikeyPolicy::default(),
        }
    }
}
