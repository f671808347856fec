//! Key data transport encryption (RFC 3830 section 4.2.3).

use super::derive::{Secret, TransportKeys};
use aes::Aes128;
use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// AES-CM-128, both ways: `IV = (S XOR (0x0000 || CSB ID || T)) || 0x0000`, the counter in the low 16 bits.
///
/// `data` is at most 65535 octets (the length field of KEMAC), so the counter of 2^16 blocks cannot wrap.
pub fn aes_cm(keys: &TransportKeys, csb_id: u32, t: [u8; 8], data: &[u8]) -> Secret {
    let mut iv = [0; 16];
    iv[2..6].copy_from_slice(&csb_id.to_be_bytes());
    iv[6..14].copy_from_slice(&t);
    iv.iter_mut().zip(&*keys.salt).for_each(|(i, s)| *i ^= s);
    let mut out = Zeroizing::new(data.to_vec());
    let cipher = ctr::Ctr128BE::<Aes128>::new_from_slices(&keys.encr, &iv);
    cipher.expect("the key and the IV have 16 octets").apply_keystream(&mut out);
    out
}

/// Wraps by AES-KW-128 (RFC 3394 section 2.2.1), with the first 8 octets of the salt as the initial value.
///
/// `None` unless the plaintext is a multiple of 8 octets, and at least 16: MIKEY defines no padding.
pub fn aes_kw_wrap(keys: &TransportKeys, plain: &[u8]) -> Option<Vec<u8>> {
    let n = plain.len() / 8;
    if n < 2 || !plain.len().is_multiple_of(8) {
        return None;
    }
    let cipher = cipher(keys);
    let mut block = Zeroizing::new([0; 16]);
    block[..8].copy_from_slice(&keys.salt[..8]);
    let mut registers = Zeroizing::new(plain.to_vec());
    for round in 0..6 {
        for (i, r) in registers.chunks_exact_mut(8).enumerate() {
            block[8..].copy_from_slice(r);
            cipher.encrypt_block((&mut *block).into());
            tweak(&mut block, n * round + i + 1);
            r.copy_from_slice(&block[8..]);
        }
    }
    Some([&block[..8], &registers].concat())
}

/// Unwraps (RFC 3394 section 2.2.2); `None` if the length does not fit or the initial value does not come out, which
/// is AES-KW's own integrity check.
pub fn aes_kw_unwrap(keys: &TransportKeys, wrapped: &[u8]) -> Option<Secret> {
    use subtle::ConstantTimeEq;
    let n = (wrapped.len() / 8).checked_sub(1)?;
    if n < 2 || !wrapped.len().is_multiple_of(8) {
        return None;
    }
    let cipher = cipher(keys);
    let mut block = Zeroizing::new([0; 16]);
    block[..8].copy_from_slice(&wrapped[..8]);
    let mut registers = Zeroizing::new(wrapped[8..].to_vec());
    for round in (0..6).rev() {
        for (i, r) in registers.chunks_exact_mut(8).enumerate().rev() {
            tweak(&mut block, n * round + i + 1);
            block[8..].copy_from_slice(r);
            cipher.decrypt_block((&mut *block).into());
            r.copy_from_slice(&block[8..]);
        }
    }
    bool::from(block[..8].ct_eq(&keys.salt[..8])).then_some(registers)
}

fn cipher(keys: &TransportKeys) -> Aes128 {
    Aes128::new_from_slice(&keys.encr).expect("the key has 16 octets")
}

/// `A = A XOR t`.
fn tweak(block: &mut [u8; 16], t: usize) {
    block.iter_mut().zip((t as u64).to_be_bytes()).for_each(|(b, t)| *b ^= t);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(encr: &str, salt: &str) -> TransportKeys {
        let secret = |s: &str| Zeroizing::new(hex::decode(s).unwrap());
        TransportKeys { encr: secret(encr), salt: secret(salt), auth: secret("") }
    }

    /// RFC 3394 section 4.1, whose initial value is A6A6A6A6A6A6A6A6.
    #[test]
    fn aes_kw_is_that_of_rfc_3394() {
        let keys = keys("000102030405060708090A0B0C0D0E0F", "a6a6a6a6a6a6a6a6000000000000");
        let plain = hex::decode("00112233445566778899AABBCCDDEEFF").unwrap();
        let wrapped = aes_kw_wrap(&keys, &plain).unwrap();
        assert_eq!(hex::encode(&wrapped), "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5");
        assert_eq!(aes_kw_unwrap(&keys, &wrapped).unwrap()[..], plain);
    }

    proptest! {
        #[test]
        fn what_is_wrapped_unwraps_and_what_is_touched_does_not(
            key in any::<[u8; 16]>(), salt in any::<[u8; 14]>(),
            mut plain in proptest::collection::vec(any::<u8>(), 16..80), touched in any::<usize>(),
        ) {
            plain.truncate(plain.len() / 8 * 8);
            let keys = keys(&hex::encode(key), &hex::encode(salt));
            let mut wrapped = aes_kw_wrap(&keys, &plain).unwrap();
            prop_assert_eq!(&aes_kw_unwrap(&keys, &wrapped).unwrap()[..], &plain[..]);
            let touched = touched % wrapped.len();
            wrapped[touched] ^= 1;
            prop_assert!(aes_kw_unwrap(&keys, &wrapped).is_none());
        }

        #[test]
        fn aes_kw_agrees_with_the_aes_kw_crate_where_the_initial_value_is_its_own(
            key in any::<[u8; 16]>(), mut plain in proptest::collection::vec(any::<u8>(), 16..80),
        ) {
            plain.truncate(plain.len() / 8 * 8);
            let mut theirs = [0; 100];
            let theirs = aes_kw::KwAes128::new(&key.into()).wrap_key(&plain, &mut theirs).unwrap();
            let ours = aes_kw_wrap(&keys(&hex::encode(key), "a6a6a6a6a6a6a6a6000000000000"), &plain).unwrap();
            prop_assert_eq!(&ours[..], theirs);
        }

        #[test]
        fn no_length_of_bytes_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let keys = keys("000102030405060708090A0B0C0D0E0F", "a6a6a6a6a6a6a6a6000000000000");
            let _ = aes_kw_unwrap(&keys, &bytes);
            let _ = aes_kw_wrap(&keys, &bytes);
            prop_assert_eq!(&aes_cm(&keys, 1, [2; 8], &aes_cm(&keys, 1, [2; 8], &bytes))[..], &bytes[..]);
        }
    }
}
