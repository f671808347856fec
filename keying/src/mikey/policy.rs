//! What the configuration decides about MIKEY.

use super::mode::ModeName;
use super::tolerance::Tolerances;
use super::wire::registry::{DhGroup, EncrAlg, MacAlg, SignType};
use crate::crypto::Envelope;
use std::collections::BTreeSet;
use std::time::Duration;

/// MIKEY's own choices. The default is what needs no excuse.
#[derive(Clone, Debug)]
pub struct MikeyPolicy {
    /// The mode of our offers.
    pub offer: ModeName,
    /// The modes of offers that we answer.
    pub accept: BTreeSet<ModeName>,
    /// The group of our Diffie-Hellman values; those of other groups are answered all the same.
    pub group: DhGroup,
    /// A KEMAC without encryption may be offered and accepted: everybody on the way sees the keys
    /// (RFC 3830 section 4.2.3).
    pub allow_null_encryption: bool,
    /// A message without MAC may be offered and accepted: nothing is proven of the peer (RFC 3830 section 4.2.4).
    pub allow_null_mac: bool,
    /// A COUNTER timestamp may be accepted. It is not by default: a counter says nothing about when, so after a restart
    /// nobody can tell an old message from a new one (RFC 3830 section 5.4).
    pub allow_counter: bool,
    /// What we encrypt the key data of our offers with.
    pub encryption: EncrAlg,
    /// What we authenticate our offers with.
    pub mac: MacAlg,
    /// How we sign with an RSA key. A peer's signature of any kind is verified.
    pub signature: SignType,
    /// How envelope keys are encrypted, ours and the peer's: nothing on the wire says it (RFC 3830 section 4.2.5).
    pub envelope: Envelope,
    /// How far a peer's clock may be from ours (RFC 3830 section 5.4).
    pub max_skew: Duration,
    /// The named deviations that `--interop` lets pass.
    pub tolerances: Tolerances,
}

impl Default for MikeyPolicy {
    fn default() -> Self {
        Self {
            offer: ModeName::Psk,
            accept: BTreeSet::from([ModeName::Psk]),
            group: DhGroup::Oakley5,
            allow_null_encryption: false,
            allow_null_mac: false,
            allow_counter: false,
            encryption: EncrAlg::AesCm128,
            mac: MacAlg::HmacSha1_160,
            signature: SignType::RsaPkcs1,
            envelope: Envelope::Pkcs1,
            max_skew: Duration::from_secs(300),
            tolerances: Tolerances::default(),
        }
    }
}
