//! Master keys, and what may be said about them.

use super::{DerivationRate, Suite};
use crate::policy::RevealPermit;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt;
use zeroize::Zeroizing;

/// What logs and the ledger call a key. It is a PRF under the key itself, so it tells nothing about the key and needs
/// no secret of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A master key identifier as it stands in packets (RFC 3711 section 3.1): 1 to 128 octets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mki(Box<[u8]>);

impl Mki {
    /// RFC 4568 section 6.1 bounds the length at 128 octets.
    pub const MAX_LEN: usize = 128;

    /// `None` if there are no octets, or more than 128.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=Self::MAX_LEN).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// As in the packet.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The key or the salt has not the length that the suite asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{suite} takes a master key of {} and a salt of {} octets, not {key} and {salt}", suite.key_len(), suite.salt_len())]
pub struct BadKeyLength {
    suite: Suite,
    key: usize,
    salt: usize,
}

/// A master key with all that RFC 3711 section 3.2.1 hangs on it: master salt, MKI, lifetime.
///
/// Its bytes have no accessor, it has no `Clone`, its `Debug` shows the [`KeyId`], and it is zeroized when dropped.
///
/// ```compile_fail,E0616
/// fn peek(k: keyphone_media::srtp::MasterKey) -> Vec<u8> { k.bytes.to_vec() }
/// ```
/// ```compile_fail,E0599
/// fn twin(k: &keyphone_media::srtp::MasterKey) -> keyphone_media::srtp::MasterKey { k.clone() }
/// ```
pub struct MasterKey {
    bytes: Zeroizing<Vec<u8>>, // key || salt
    suite: Suite,
    mki: Option<Mki>,
    lifetime: u64,
    rate: DerivationRate,
    rtcp_in_clear: bool,
}

impl MasterKey {
    /// RFC 3711 section 9.2: at most 2^48 SRTP packets under one master key.
    pub const MAX_LIFETIME: u64 = 1 << 48;

    /// A key without MKI that lives as long as RFC 3711 section 9.2 lets it.
    pub fn new(key: &[u8], salt: &[u8], suite: Suite) -> Result<Self, BadKeyLength> {
        if (key.len(), salt.len()) != (suite.key_len(), suite.salt_len()) {
            return Err(BadKeyLength { suite, key: key.len(), salt: salt.len() });
        }
        let (bytes, lifetime) = (Zeroizing::new([key, salt].concat()), Self::MAX_LIFETIME);
        Ok(Self { bytes, suite, mki: None, lifetime, rate: DerivationRate::ZERO, rtcp_in_clear: false })
    }

    /// Every packet under this key carries `mki`.
    #[must_use]
    pub fn with_mki(mut self, mki: Mki) -> Self {
        self.mki = Some(mki);
        self
    }

    /// At most this many SRTP packets, over all senders.
    #[must_use]
    pub fn with_lifetime(mut self, packets: u64) -> Self {
        self.lifetime = packets.min(Self::MAX_LIFETIME);
        self
    }

    /// Session keys are derived afresh after so many packets (RFC 3711 section 4.3.1). It holds for SRTP and for SRTCP.
    #[must_use]
    pub fn with_derivation_rate(mut self, rate: DerivationRate) -> Self {
        self.rate = rate;
        self
    }

    /// We send SRTCP authenticated, but not encrypted (RFC 3711 section 3.4). What we hear says itself what it is.
    #[must_use]
    pub fn with_rtcp_in_clear(mut self) -> Self {
        self.rtcp_in_clear = true;
        self
    }

    /// What logs call it. MKI, suite, lifetime and rate stay out: the same bytes under another suite are the same pad,
    /// also those of a salt that is only longer by zeros (see [`DerivationRate`]'s file).
    pub fn id(&self) -> KeyId {
        let mac = Hmac::<Sha1>::new_from_slice(self.key()).expect("HMAC takes a key of any length");
        let zeros = &[0; 14][..14 - self.salt().len().min(14)];
        let mac = mac.chain_update(b"keyphone key id").chain_update(self.salt()).chain_update(zeros);
        let digest = mac.finalize().into_bytes();
        KeyId(u64::from_be_bytes(std::array::from_fn(|i| digest[i])))
    }

    /// Which cipher and tag it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The MKI that its packets carry.
    pub fn mki(&self) -> Option<&Mki> {
        self.mki.as_ref()
    }

    /// How many SRTP packets it may protect.
    pub fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// After how many packets its session keys are derived afresh.
    pub fn derivation_rate(&self) -> DerivationRate {
        self.rate
    }

    /// Is our SRTCP not to be encrypted?
    pub fn rtcp_in_clear(&self) -> bool {
        self.rtcp_in_clear
    }

    /// Master key || master salt, for a key log or for handing on. Policy alone writes the permit.
    pub fn reveal(&self, _: &RevealPermit) -> Zeroizing<Vec<u8>> {
        self.bytes.clone()
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.suite.key_len()]
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.bytes[self.suite.key_len()..]
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id()).field("suite", &self.suite).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn key() -> MasterKey {
        MasterKey::new(&[0xab; 16], &[0xcd; 14], Suite::AesCm128HmacSha1_80).unwrap()
    }

    #[test]
    fn a_master_key_speaks_only_to_policy() {
        let shown = format!("{:?}", key());
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
        assert!(Policy::default().permit().is_none());
        let permit = Policy { reveal_keys: true, ..Policy::default() }.permit().unwrap();
        assert_eq!(key().reveal(&permit)[..], [[0xab; 16].as_slice(), &[0xcd; 14]].concat());
    }

    #[test]
    fn neither_mki_nor_suite_makes_another_pad_but_a_salt_does() {
        let other_suite = MasterKey::new(&[0xab; 16], &[0xcd; 14], Suite::AesCm128HmacSha1_32).unwrap();
        assert_eq!(key().id(), other_suite.id());
        assert_eq!(key().id(), key().with_mki(Mki::new(&[3]).unwrap()).id());
        assert_eq!(key().id(), key().with_derivation_rate(DerivationRate::new(8).unwrap()).id());
        let gcm = MasterKey::new(&[0xab; 16], &[0xcd; 12], Suite::AeadAes128Gcm).unwrap();
        let same_bytes = MasterKey::new(&[0xab; 16], &[&[0xcd; 12][..], &[0, 0]].concat(), Suite::ALL[0]).unwrap();
        assert_eq!(gcm.id(), same_bytes.id());
        assert_ne!(gcm.id(), key().id());
        assert_ne!(key().id(), MasterKey::new(&[0xab; 16], &[0xce; 14], Suite::AesCm128HmacSha1_80).unwrap().id());
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused_with_both_lengths() {
        let error = MasterKey::new(&[0; 15], &[0; 14], Suite::AesCm128HmacSha1_80).unwrap_err();
        assert_eq!(
            error.to_string(),
            "AES_CM_128_HMAC_SHA1_80 takes a master key of 16 and a salt of 14 octets, not 15 and 14"
        );
    }
}
