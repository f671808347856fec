//! What the configuration decides about keying. Mechanism reads it and never invents it.

use crate::choice::Preferences;
use crate::identity::Expect;
use crate::mikey::MikeyPolicy;
use keyphone_media::policy::Policy as MediaPolicy;
use keyphone_media::srtp::{DerivationRate, Suite};

/// What we do when two send under one key and SSRC, so that what both encrypt can be read. Neither is played, whatever
/// is said here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnClash {
    /// We offer new keys.
    Rekey,
    /// If the SSRC is ours, we take another one, with new keys (RFC 3550 section 8.2). If not, those two must.
    Move,
    /// We leave the call: "it is a sign of malfunction" (RFC 3711 section 9.1).
    #[default]
    Leave,
}

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
    /// What we do when two send under one key and SSRC.
    pub on_ssrc_clash: OnClash,
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
            on_ssrc_clash: OnClash::default(),
            mikey: MikeyPolicy::default(),
        }
    }
}
