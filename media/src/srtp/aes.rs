//! AES in counter mode (RFC 3711 section 4.1.1), with a key of any of its three lengths (RFC 6188 section 2).

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ctr::{CtrCore, flavors::Ctr128BE};

/// A key, expanded. Zeroized when dropped.
pub(super) enum Aes {
    K128(Aes128Enc),
    K192(Aes192Enc),
    K256(Aes256Enc),
}

impl Aes {
    /// `None` if the key has not 16, 24 or 32 octets.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(Self::K128),
            24 => Aes192Enc::new_from_slice(key).ok().map(Self::K192),
            32 => Aes256Enc::new_from_slice(key).ok().map(Self::K256),
            _ => None,
        }
    }

    /// XORs the key stream from `iv` over `data`. A packet is far shorter than the 2^16 blocks that an IV is good for.
    pub(super) fn crypt(&self, iv: u128, data: &mut [u8]) {
        let iv = iv.to_be_bytes().into();
        match self {
            Self::K128(key) => {
                CtrCore::<_, Ctr128BE>::inner_iv_init(key, &iv).apply_keystream_partial(data.into());
            }
            Self::K192(key) => {
                CtrCore::<_, Ctr128BE>::inner_iv_init(key, &iv).apply_keystream_partial(data.into());
            }
            Self::K256(key) => {
                CtrCore::<_, Ctr128BE>::inner_iv_init(key, &iv).apply_keystream_partial(data.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The IV of RFC 3711 appendix B.2, which RFC 6188 section 7 keeps.
    const IV: u128 = 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_0000;

    fn stream(key: &str) -> (String, String) {
        let mut stream = vec![0; 1_044_512];
        Aes::new(&hex::decode(key).unwrap()).unwrap().crypt(IV, &mut stream);
        (hex::encode(&stream[..48]), hex::encode(&stream[0xfeff * 16..]))
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn the_key_stream_of_rfc_3711_appendix_b_2_comes_out() {
        let (first, last) = stream("2b7e151628aed2a6abf7158809cf4f3c");
        assert_eq!(
            first,
            "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0"
        );
        assert_eq!(
            last,
            "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44"
        );
    }

    /// RFC 6188 sections 7.1 and 7.3.
    #[test]
    fn the_key_streams_of_rfc_6188_section_7_come_out() {
        let (first, last) = stream("57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98");
        assert_eq!(
            first,
            "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31"
        );
        assert_eq!(
            last,
            "cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f"
        );
        let (first, last) = stream("eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7");
        assert_eq!(
            first,
            "35096cba4610028dc1b57503804ce37c5de986291dcce161d5165ec4568f5c9a474a40c77894bc17180202272a4c264d"
        );
        assert_eq!(
            last,
            "d108d1a31a00bad6367ec23eb044b415c8f57129fdeb970b59f917b257662d4ca5dab625811034e8cebdfeb6dc158dd3"
        );
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        for len in [0, 8, 15, 17, 20, 31, 33, 64] {
            assert!(Aes::new(&vec![0; len]).is_none(), "{len}");
        }
    }

    /// Cargo.toml's `zeroize` features do it.
    #[test]
    fn expanded_keys_are_zeroized_when_dropped() {
        fn zeroized<T: zeroize::ZeroizeOnDrop>() {}
        zeroized::<Aes128Enc>();
        zeroized::<Aes192Enc>();
        zeroized::<Aes256Enc>();
    }
}
