//! The two pre-defined transforms together: AES in counter mode (RFC 3711 section 4.1.1), or no cipher at all (section
//! 4.1.3), and HMAC-SHA1 (section 4.2.1). Their key schedules are computed once, when session keys are derived.
//!
//! ```text
//! SRTP:   header | payload (encrypted) |             MKI | tag over all before the MKI, and the ROC
//! SRTCP:  8 octets | the rest (encrypted) | E, index | MKI | tag over all before the MKI
//! ```

use super::Mki;
use super::aes::Aes;
use super::derive::{Label, Source, salt_number};
use super::ledger::Kind;
use super::sender::roc;
use super::suite::Cipher;
use super::transform::{At, CLEAR_LEN, E_FLAG, Mark, mark, split_index, strip};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// See the file's head.
pub(super) struct CounterHmac {
    /// `None` for the NULL cipher.
    cipher: Option<Aes>,
    mac: Hmac<Sha1>,
    salt: Zeroizing<u128>, // k_s * 2^16
    tag_len: usize,
}

/// HMAC-SHA1's whole output; a tag in a packet is its leftmost octets (RFC 3711 section 4.2.1).
type Digest = [u8; 20];

impl CounterHmac {
    pub(super) fn new(source: &Source) -> Self {
        let suite = source.suite;
        // RFC 6188 section 2: the session key is as long as the master key.
        let key = source.derive::<32>(Label::Encryption);
        let cipher = (suite.cipher() == Cipher::AesCm)
            .then(|| Aes::new(&key[..suite.key_len()]).expect("a suite's key length is one of AES"));
        Self {
            cipher,
            // RFC 3711 section 5.2: the authentication key has 160 bits.
            mac: Hmac::new_from_slice(&source.derive::<20>(Label::Authentication)[..])
                .expect("HMAC takes a key of any length"),
            salt: Zeroizing::new(salt_number(&source.derive::<14>(Label::Salt)[..]) << 16),
            tag_len: match source.kind {
                Kind::Rtp => suite.rtp_tag_len(),
                Kind::Rtcp => suite.rtcp_tag_len(),
            },
        }
    }

    pub(super) fn seal_rtp(&self, packet: &mut Vec<u8>, clear: usize, at: At, mki: &[u8]) -> Mark {
        self.crypt(at, &mut packet[clear..]);
        let digest = self.digest(packet, &roc(at.index).to_be_bytes());
        self.finish(packet, mki, &digest)
    }

    pub(super) fn open_rtp(
        &self,
        packet: &[u8],
        clear: usize,
        at: At,
        mki: Option<&Mki>,
        plain: &mut Vec<u8>,
    ) -> Option<Mark> {
        let (authenticated, tag) = self.cut(packet, mki)?;
        let encrypted = authenticated.get(clear..)?;
        // RFC 3711 section 4.2: the ROC follows the packet.
        let digest = self.digest(authenticated, &roc(at.index).to_be_bytes());
        if !verifies(tag, &digest) {
            return None;
        }
        plain.clear();
        plain.extend_from_slice(encrypted);
        self.crypt(at, plain);
        Some(mark(&digest))
    }

    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, at: At, encrypted: bool, mki: &[u8]) -> Mark {
        if encrypted {
            self.crypt(at, &mut packet[CLEAR_LEN..]);
        }
        packet.extend_from_slice(&word(at, encrypted).to_be_bytes());
        let digest = self.digest(packet, &[]);
        self.finish(packet, mki, &digest)
    }

    pub(super) fn open_rtcp(&self, packet: &[u8], at: At, mki: Option<&Mki>, plain: &mut Vec<u8>) -> Option<Mark> {
        let (authenticated, tag) = self.cut(packet, mki)?;
        let (compound, word) = split_index(authenticated)?;
        let digest = self.digest(authenticated, &[]);
        if compound.len() < CLEAR_LEN || !verifies(tag, &digest) {
            return None;
        }
        plain.clear();
        plain.extend_from_slice(compound);
        if word & E_FLAG != 0 {
            self.crypt(at, &mut plain[CLEAR_LEN..]);
        }
        Some(mark(&digest))
    }

    fn finish(&self, packet: &mut Vec<u8>, mki: &[u8], digest: &Digest) -> Mark {
        packet.extend_from_slice(mki);
        packet.extend_from_slice(&digest[..self.tag_len]);
        mark(digest)
    }

    /// Cuts a packet into its authenticated portion and its tag, if it carries our MKI or we have none (RFC 3711
    /// figures 1 and 2: the MKI stands before the tag and is not authenticated).
    fn cut<'a>(&self, packet: &'a [u8], mki: Option<&Mki>) -> Option<(&'a [u8], &'a [u8])> {
        let (rest, tag) = packet.split_at_checked(packet.len().checked_sub(self.tag_len)?)?;
        Some((strip(rest, mki)?, tag))
    }

    /// Encrypts or decrypts: `IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)` (RFC 3711 section 4.1.1).
    fn crypt(&self, at: At, data: &mut [u8]) {
        if let Some(cipher) = &self.cipher {
            cipher.crypt(*self.salt ^ u128::from(at.ssrc.0) << 64 ^ u128::from(at.index) << 16, data);
        }
    }

    fn digest(&self, authenticated: &[u8], roc: &[u8]) -> Digest {
        self.mac.clone().chain_update(authenticated).chain_update(roc).finalize().into_bytes().into()
    }
}

/// `E || SRTCP index`.
fn word(at: At, encrypted: bool) -> u32 {
    at.index as u32 | if encrypted { E_FLAG } else { 0 }
}

/// In constant time: is this tag the beginning of that digest?
fn verifies(tag: &[u8], digest: &Digest) -> bool {
    bool::from(digest[..tag.len().min(digest.len())].ct_eq(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that an HMAC keeps of its key is two states of `Sha1`; Cargo.toml's `zeroize` features wipe them.
    #[test]
    fn the_key_of_the_mac_is_zeroized_when_dropped() {
        fn zeroized<T: zeroize::ZeroizeOnDrop>() {}
        zeroized::<Sha1>();
    }

    #[test]
    fn a_tag_is_the_beginning_of_its_digest_and_nothing_longer() {
        let digest: Digest = std::array::from_fn(|i| i as u8);
        assert!(verifies(&digest[..10], &digest) && verifies(&digest, &digest));
        assert!(!verifies(&[0, 1, 2, 4], &digest));
        assert!(!verifies(&[0; 24], &digest));
    }
}
