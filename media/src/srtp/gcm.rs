//! AES-GCM (RFC 7714): what encrypts also authenticates, and an IV that came twice would give away both.
//!
//! ```text
//! SRTP:   header | payload (encrypted) | tag |           MKI    the header is associated data
//! SRTCP:  8 octets | the rest (encrypted) | tag | E, index | MKI    the 8 octets and E || index are, too
//! ```
//! The index counts packets and never goes back, and the ledger gives an SSRC under a key to one sender: that is how an
//! IV comes once (sections 8.4 and 9.4).

use super::Mki;
use super::derive::{Label, Source, salt_number};
use super::transform::{At, CLEAR_LEN, E_FLAG, INDEX_LEN, Mark, mark, split_index, strip};
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AesGcm, KeyInit, Nonce};
use zeroize::Zeroizing;

/// See the file's head.
pub(super) struct Gcm {
    cipher: Aead,
    salt: Zeroizing<u128>, // 96 bits
}

enum Aead {
    K128(AesGcm<Aes128Enc, U12>),
    K256(AesGcm<Aes256Enc, U12>),
}

/// RFC 7714 section 13.2: 16 octets, and never fewer.
const TAG_LEN: usize = 16;

impl Gcm {
    pub(super) fn new(source: &Source) -> Self {
        let key = source.derive::<32>(Label::Encryption);
        let cipher = match source.suite.key_len() {
            16 => Aead::K128(AesGcm::new_from_slice(&key[..16]).expect("that is its length")),
            _ => Aead::K256(AesGcm::new_from_slice(&key[..]).expect("that is its length")),
        };
        // RFC 7714 section 12: the session salt has 96 bits, as the master salt has.
        Self { cipher, salt: Zeroizing::new(salt_number(&source.derive::<12>(Label::Salt)[..])) }
    }

    pub(super) fn seal_rtp(&self, packet: &mut Vec<u8>, clear: usize, at: At, mki: &[u8]) -> Mark {
        let (header, payload) = packet.split_at_mut(clear);
        let tag = self.encrypt(at, header, payload);
        packet.extend_from_slice(&tag);
        packet.extend_from_slice(mki);
        mark(&tag)
    }

    pub(super) fn open_rtp(
        &self,
        packet: &[u8],
        clear: usize,
        at: At,
        mki: Option<&Mki>,
        plain: &mut Vec<u8>,
    ) -> Option<Mark> {
        let (rest, tag) = strip(packet, mki)?.split_last_chunk::<TAG_LEN>()?;
        let (header, encrypted) = rest.split_at_checked(clear)?;
        plain.clear();
        plain.extend_from_slice(encrypted);
        self.decrypt(at, header, plain, tag).then(|| mark(tag))
    }

    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, at: At, encrypted: bool, mki: &[u8]) -> Mark {
        let word = at.index as u32 | if encrypted { E_FLAG } else { 0 };
        let tag = if encrypted {
            let (clear, rest) = packet.split_at_mut(CLEAR_LEN);
            self.encrypt(at, &associated(clear, word), rest)
        } else {
            self.encrypt(at, &[&packet[..], &word.to_be_bytes()].concat(), &mut []) // section 9.3
        };
        packet.extend_from_slice(&tag);
        packet.extend_from_slice(&word.to_be_bytes());
        packet.extend_from_slice(mki);
        mark(&tag)
    }

    pub(super) fn open_rtcp(&self, packet: &[u8], at: At, mki: Option<&Mki>, plain: &mut Vec<u8>) -> Option<Mark> {
        let (rest, word) = split_index(strip(packet, mki)?)?;
        let (compound, tag) = rest.split_last_chunk::<TAG_LEN>()?;
        let clear = compound.get(..CLEAR_LEN)?;
        plain.clear();
        plain.extend_from_slice(compound);
        let authentic = if word & E_FLAG != 0 {
            self.decrypt(at, &associated(clear, word), &mut plain[CLEAR_LEN..], tag)
        } else {
            self.decrypt(at, &[compound, &word.to_be_bytes()].concat(), &mut [], tag)
        };
        authentic.then(|| mark(tag))
    }

    fn encrypt(&self, at: At, associated: &[u8], data: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = self.nonce(at);
        let tag = match &self.cipher {
            Aead::K128(cipher) => cipher.encrypt_inout_detached(&nonce, associated, data.into()),
            Aead::K256(cipher) => cipher.encrypt_inout_detached(&nonce, associated, data.into()),
        };
        tag.expect("a packet is far shorter than the 2^36 octets that GCM can do").into()
    }

    fn decrypt(&self, at: At, associated: &[u8], data: &mut [u8], tag: &[u8; TAG_LEN]) -> bool {
        let nonce = self.nonce(at);
        match &self.cipher {
            Aead::K128(cipher) => cipher.decrypt_inout_detached(&nonce, associated, data.into(), tag.into()),
            Aead::K256(cipher) => cipher.decrypt_inout_detached(&nonce, associated, data.into(), tag.into()),
        }
        .is_ok()
    }

    /// `0 || SSRC || ROC || SEQ`, or `0 || SSRC || 0 || SRTCP index`, XOR the salt: the same number for both, for the
    /// index is 48 bits wide here (sections 8.1 and 9.1).
    fn nonce(&self, at: At) -> Nonce<U12> {
        let iv = *self.salt ^ u128::from(at.ssrc.0) << 48 ^ u128::from(at.index);
        let octets = iv.to_be_bytes();
        std::array::from_fn::<_, 12, _>(|i| octets[4 + i]).into()
    }
}

/// What is authenticated of an encrypted SRTCP packet besides its ciphertext (section 9.2).
fn associated(clear: &[u8], word: u32) -> [u8; CLEAR_LEN + INDEX_LEN] {
    let mut data = [0; CLEAR_LEN + INDEX_LEN];
    data[..CLEAR_LEN].copy_from_slice(clear);
    data[CLEAR_LEN..].copy_from_slice(&word.to_be_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Ssrc;

    /// RFC 7714 sections 16 and 17 give session keys, so the transform is made of them here.
    fn gcm(key_len: u8) -> Gcm {
        let key: Vec<u8> = (0..key_len).collect();
        let cipher = match key_len {
            16 => Aead::K128(AesGcm::new_from_slice(&key).unwrap()),
            _ => Aead::K256(AesGcm::new_from_slice(&key).unwrap()),
        };
        Gcm { cipher, salt: Zeroizing::new(salt_number(b"Quid pro quo")) }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex.replace(' ', "")).unwrap()
    }

    const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 \
                       61727465 73207472 6573";
    const RTP_AT: At = At { ssrc: Ssrc(0x5501_a0b2), index: 0xf17b };
    const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef \
                        deadbeef deadbeef deadbeef";
    const RTCP_AT: At = At { ssrc: Ssrc(0x4d61_7273), index: 0x5d4 };

    #[test]
    fn the_rtp_packets_of_rfc_7714_section_16_come_out_and_go_in() {
        let sealed = [
            (
                16,
                "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b \
                 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
            ),
            (
                32,
                "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f \
                 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
            ),
        ];
        for (key_len, sealed) in sealed {
            let (gcm, mut packet, mut plain) = (gcm(key_len), bytes(RTP), vec![]);
            gcm.seal_rtp(&mut packet, 12, RTP_AT, &[]);
            assert_eq!(hex::encode(&packet), hex::encode(bytes(sealed)));
            assert!(gcm.open_rtp(&packet, 12, RTP_AT, None, &mut plain).is_some());
            assert_eq!(plain, b"Gallia est omnis divisa in partes tres");
            assert!(gcm.open_rtp(&packet, 12, At { index: 0x1_f17b, ..RTP_AT }, None, &mut plain).is_none());
        }
    }

    /// Sections 16.1.3 and 16.2.3 authenticate the whole packet and encrypt nothing, which SRTP itself never does.
    #[test]
    fn the_tags_of_rfc_7714_section_16_come_out() {
        let tags = [(16, "22493f82 d2bce397 e9d79e3b 19aa4216"), (32, "a866d591 0f887463 067ceefe c45215d4")];
        for (key_len, tag) in tags {
            assert_eq!(gcm(key_len).encrypt(RTP_AT, &bytes(RTP), &mut []).to_vec(), bytes(tag));
        }
    }

    #[test]
    fn the_rtcp_packets_of_rfc_7714_section_17_come_out_and_go_in() {
        let sealed = [
            (
                16,
                true,
                "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 \
                 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
            ),
            (
                32,
                true,
                "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 \
                 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
            ),
            (
                16,
                false,
                "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef \
                 deadbeef deadbeef 841dd968 3dd78ec9 2ae58790 125f62b3 000005d4",
            ),
            (
                32,
                false,
                "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef \
                 deadbeef deadbeef 91db4afb feee5a97 8fab4393 ed2615fe 000005d4",
            ),
        ];
        for (key_len, encrypted, sealed) in sealed {
            let (gcm, mut packet, mut plain) = (gcm(key_len), bytes(RTCP), vec![]);
            gcm.seal_rtcp(&mut packet, RTCP_AT, encrypted, &[]);
            assert_eq!(hex::encode(&packet), hex::encode(bytes(sealed)));
            assert!(gcm.open_rtcp(&packet, RTCP_AT, None, &mut plain).is_some());
            assert_eq!(plain, bytes(RTCP));
            let e = packet.len() - 4;
            packet[e] ^= 0x80;
            assert!(gcm.open_rtcp(&packet, RTCP_AT, None, &mut plain).is_none(), "the E flag is authenticated");
        }
    }

    /// Cargo.toml's `zeroize` features do it.
    #[test]
    fn session_keys_are_zeroized_when_dropped() {
        fn zeroized<T: zeroize::ZeroizeOnDrop>() {}
        zeroized::<AesGcm<Aes128Enc, U12>>();
        zeroized::<AesGcm<Aes256Enc, U12>>();
    }
}
