//! What the configuration decides about keying. Mechanism reads it and never invents it.

use crate::identity::Expect;
use crate::mikey::MikeyPolicy;
use keyphone_media::policy::Policy as MediaPolicy;
use keyphone_media::srtp::Suite;

/// What may be offered, accepted and shown. The default is what needs no excuse.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What may be done with keys and with clear RTP.
    pub media: MediaPolicy,
    /// Who may be at the other end.
    pub expect: Expect,
    /// Crypto suites, preferred first. The first is offered; each is accepted.
    pub suites: Vec<Suite>,
    /// MIKEY's own choices.
    pub mikey: MikeyPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            media: MediaPolicy::default(),
            expect: Expect::default(),
            suites: Suite::ALL.to_vec(),
            mikey: MikeyPolicy::default(),
        }
    }
}
