//! What the configuration decides about MIKEY.

use super::mode::ModeName;
use super::tolerance::Tolerances;
use super::wire::registry::{CacheType, DhGroup, EncrAlg, MacAlg, SignType};
use super::wire::{Ext, Kv};
use crate::FetchList;
use crate::crypto::Envelope;
use std::collections::BTreeSet;
use std::time::Duration;

/// In which form a key travels (RFC 3830 section 6.13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyForm {
    /// A TGK: each crypto session has a TEK and a salt of its own, derived from it.
    #[default]
    Tgk,
    /// A TGK, and a salt that all crypto sessions share.
    TgkSalt,
    /// One TEK and one salt for all crypto sessions.
    TekSalt,
    /// One TEK of `key || salt`, as cameras, GStreamer and live555 have it; no RFC does.
    TekWithSalt,
}

/// When a key is to be used (RFC 3830 section 6.14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validity {
    /// From now on, as long as SRTP lets it.
    #[default]
    Null,
    /// In packets that have its MKI, of so many octets: 1, and one more with each key that follows.
    Mki(u8),
    /// For so many SRTP packets. A key that follows has no limit of its own.
    Packets(u64),
}

impl Validity {
    /// That of the first key of a bundle.
    pub fn first(self) -> Kv {
        match self {
            Self::Null => Kv::Null,
            Self::Mki(octets) => {
                let mut mki = vec![0; octets.max(1).into()];
                if let Some(last) = mki.last_mut() {
                    *last = 1;
                }
                Kv::Spi(mki)
            }
            // Six octets, the size of an SRTP index (RFC 3830 section 6.14); both ends belong to the interval.
            Self::Packets(packets) => {
                let last = packets.clamp(1, 1 << 48) - 1;
                Kv::Interval { from: vec![0; 6], to: last.to_be_bytes()[2..].to_vec() }
            }
        }
    }
}

/// What becomes of a call whose keys could not be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailedRekey {
    /// It goes on with the keys it has, as if nothing had been offered (RFC 3261 section 14.1).
    #[default]
    Keep,
    /// It ends (RFC 4567 section 4.1.2: "the offerer MUST then abort the session").
    End,
}

/// MIKEY's own choices. The default is what needs no excuse.
#[derive(Clone, Debug)]
pub struct MikeyPolicy {
    /// The mode of our offers.
    pub offer: ModeName,
    /// The modes of offers that we answer.
    pub accept: BTreeSet<ModeName>,
    /// The group of our Diffie-Hellman values. Those of other groups are answered too, but OAKLEY 1 and 2, of 768 and 1024
    /// bits, only by who is content with as little.
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
    /// What we ask of a peer about the envelope keys that we make (RFC 3830 table 6.3). With [`CacheType::NoCache`] a
    /// call by RSA-R cannot be rekeyed, and one by RSA needs another envelope each time; with [`CacheType::Cache`] either
    /// side can call the other by it later, as if they shared a key.
    pub cache: CacheType,
    /// In which form our keys travel where they are transported.
    pub keys: KeyForm,
    /// When they are to be used.
    pub validity: Validity,
    /// General extensions in our I_MESSAGEs, beside the SDP IDs. They are authenticated as all else is.
    pub extensions: Vec<Ext>,
    /// What becomes of a call whose keys could not be changed.
    pub failed_rekey: FailedRekey,
    /// How far a peer's clock may be from ours (RFC 3830 section 5.4).
    pub max_skew: Duration,
    /// Where certificates may be fetched that a message points to (RFC 4738 section 3.8): nowhere by default.
    pub fetch: FetchList,
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
            cache: CacheType::CacheForCsb,
            keys: KeyForm::Tgk,
            validity: Validity::Null,
            extensions: vec![],
            failed_rekey: FailedRekey::Keep,
            max_skew: Duration::from_secs(300),
            fetch: FetchList::default(),
            tolerances: Tolerances::default(),
        }
    }
}
