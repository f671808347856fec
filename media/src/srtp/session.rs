//! Session keys and the two pre-defined transforms: AES in counter mode (RFC 3711 section 4.1.1) and HMAC-SHA1
//! (section 4.2.1). Their key schedules are computed once, when a master key comes.

use super::derive::{Label, derive, salt_number};
use super::{KeyId, MasterKey, Mki, Suite};
use crate::rtp::Ssrc;
use aes::Aes128Enc;
use cipher::{InnerIvInit, StreamCipherCore};
use ctr::{CtrCore, flavors::Ctr128BE};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// All that outlives a [`MasterKey`]. Every part is zeroized when dropped.
pub(super) struct Session {
    pub(super) id: KeyId,
    pub(super) suite: Suite,
    pub(super) mki: Option<Mki>,
    pub(super) rtp: Transform,
    pub(super) rtcp: Transform,
}

impl Session {
    pub(super) fn new(key: &MasterKey) -> Self {
        let master = Aes128Enc::new_from_slice(key.key()).expect("MasterKey::new has measured the key");
        let salt = Zeroizing::new(salt_number(key.salt()));
        let transform = |encryption, authentication, salting| Transform {
            cipher: Aes128Enc::new((&*derive::<16>(&master, *salt, encryption)).into()),
            // RFC 3711 section 5.2: the authentication key has 160 bits.
            mac: Hmac::new_from_slice(&derive::<20>(&master, *salt, authentication)[..])
                .expect("HMAC takes a key of any length"),
            salt: Zeroizing::new(salt_number(&derive::<14>(&master, *salt, salting)[..]) << 16),
        };
        Self {
            id: key.id(),
            suite: key.suite(),
            mki: key.mki().cloned(),
            rtp: transform(Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt),
            rtcp: transform(Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt),
        }
    }

    pub(super) fn mki(&self) -> &[u8] {
        self.mki.as_ref().map_or(&[], Mki::bytes)
    }

    /// Cuts a packet into its authenticated portion and its tag, if it carries our MKI or we have none (RFC 3711
    /// figures 1 and 2: the MKI stands before the tag and is not authenticated).
    pub(super) fn cut<'a>(&self, packet: &'a [u8], tag_len: usize) -> Option<(&'a [u8], &'a [u8])> {
        let (rest, tag) = packet.split_at_checked(packet.len().checked_sub(tag_len)?)?;
        Some((rest.strip_suffix(self.mki())?, tag))
    }
}

/// One cipher and one authenticator: a session has a pair for RTP and one for RTCP.
pub(super) struct Transform {
    cipher: Aes128Enc,
    mac: Hmac<Sha1>,
    salt: Zeroizing<u128>, // k_s * 2^16
}

/// HMAC-SHA1's whole output; a tag in a packet is its leftmost octets (RFC 3711 section 4.2.1).
pub(super) type Digest = [u8; 20];

impl Transform {
    /// Encrypts or decrypts: `IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)` (RFC 3711 section 4.1.1).
    pub(super) fn crypt(&self, ssrc: Ssrc, index: u64, data: &mut [u8]) {
        let iv = *self.salt ^ u128::from(ssrc.0) << 64 ^ u128::from(index) << 16;
        crypt(&self.cipher, iv, data);
    }

    /// HMAC over the authenticated portion; for SRTP the ROC follows it (RFC 3711 section 4.2), for SRTCP nothing.
    pub(super) fn digest(&self, authenticated: &[u8], roc: &[u8]) -> Digest {
        self.mac.clone().chain_update(authenticated).chain_update(roc).finalize().into_bytes().into()
    }
}

/// In constant time: is this tag the beginning of that digest?
pub(super) fn verifies(tag: &[u8], digest: &Digest) -> bool {
    bool::from(digest[..tag.len().min(digest.len())].ct_eq(tag))
}

/// What the ledger remembers of a packet: enough of its digest to tell it from any other under the same index.
pub(super) fn mark(digest: &Digest) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

/// XORs AES-CM's key stream from `iv` over `data`. A packet is far shorter than the 2^16 blocks that an IV is good for.
pub(super) fn crypt(cipher: &Aes128Enc, iv: u128, data: &mut [u8]) {
    let core = CtrCore::<_, Ctr128BE>::inner_iv_init(cipher, &iv.to_be_bytes().into());
    core.apply_keystream_partial(data.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix B.2.
    #[test]
    fn the_key_stream_of_rfc_3711_appendix_b_2_comes_out() {
        let transform = Transform {
            cipher: Aes128Enc::new_from_slice(&hex::decode("2B7E151628AED2A6ABF7158809CF4F3C").unwrap()).unwrap(),
            mac: Hmac::new_from_slice(&[]).unwrap(),
            salt: Zeroizing::new(0xF0F1F2F3F4F5F6F7F8F9FAFBFCFD0000),
        };
        let mut stream = vec![0; 1_044_512];
        transform.crypt(Ssrc(0), 0, &mut stream);
        assert_eq!(
            hex::encode_upper(&stream[..48]),
            "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"
        );
        assert_eq!(
            hex::encode_upper(&stream[0xfeff * 16..]),
            "EC8CDF7398607CB0F2D21675EA9EA1E4362B7C3C6773516318A077D7FC5073AE6A2CC3787889374FBEB4C81B17BA6C44"
        );
    }

    #[test]
    fn a_tag_is_the_beginning_of_its_digest_and_nothing_longer() {
        let digest: Digest = std::array::from_fn(|i| i as u8);
        assert!(verifies(&digest[..10], &digest) && verifies(&digest, &digest));
        assert!(!verifies(&[0, 1, 2, 4], &digest));
        assert!(!verifies(&[0; 24], &digest));
    }
}
