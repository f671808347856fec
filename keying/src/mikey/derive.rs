//! Key derivation (RFC 3830 section 4.1).
//!
//! ```text
//! PSK or envelope key --0xFF, CSB ID, RAND--> encr_key, salt, auth_key     of the MIKEY messages (4.1.4)
//! TGK ---------------CS ID, CSB ID, RAND--> TEK, salt, encr, auth        of one crypto session  (4.1.3)
//! ```

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt;
use zeroize::Zeroizing;

/// Key material: zeroized when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// Octets of the default hash: also of a MAC and of the key that it takes (RFC 3830 section 4.2.4).
pub const HASH_LEN: usize = 20;

/// The bundle that a key belongs to: the part of every label that is the same for all its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsbLabel {
    /// Crypto session bundle.
    pub csb_id: u32,
    /// The Initiator's RAND; empty if the message carried none.
    pub rand: Vec<u8>,
}

/// What is derived from a TGK (RFC 3830 table 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromTgk {
    /// The traffic encryption key: SRTP's master key.
    Tek,
    /// SRTP's master salt, where the message brings none.
    Salt,
    /// An encryption key, for security protocols that do not derive their own.
    Encr,
    /// An authentication key, likewise.
    Auth,
}

impl FromTgk {
    const fn constant(self) -> u32 {
        match self {
            Self::Tek => 0x2ad0_1c64,
            Self::Auth => 0x1b5c_7973,
            Self::Encr => 0x1579_8cef,
            Self::Salt => 0x39a2_c14b,
        }
    }

    /// `len` octets for one crypto session.
    pub fn derive(self, tgk: &[u8], cs_id: u8, csb: &CsbLabel, len: usize) -> Secret {
        self.of(&Prf::new(tgk), cs_id, csb, len)
    }

    /// The same of a TGK that more is derived from.
    pub(crate) fn of(self, tgk: &Prf, cs_id: u8, csb: &CsbLabel, len: usize) -> Secret {
        tgk.derive(&csb.label(self.constant(), cs_id), len)
    }
}

/// The keys under which MIKEY messages themselves travel (RFC 3830 table 4.1.4).
#[derive(Clone)]
pub struct TransportKeys {
    /// 16 octets, for AES.
    pub encr: Secret,
    /// 14 octets; AES-KW takes the first 8 as its IV.
    pub salt: Secret,
    /// 20 octets, for HMAC-SHA-1: as long as the hash (RFC 3830 section 4.2.4).
    pub auth: Secret,
}

impl TransportKeys {
    /// From a pre-shared key or an envelope key.
    pub fn new(secret: &[u8], csb: &CsbLabel) -> Self {
        let prf = Prf::new(secret);
        let derive = |constant, len| prf.derive(&csb.label(constant, 0xff), len);
        Self { encr: derive(0x1505_33e1, 16), salt: derive(0x29b8_8916, 14), auth: derive(AUTH_KEY, HASH_LEN) }
    }
}

/// The constant of auth_key (RFC 3830 table 4.1.4).
const AUTH_KEY: u32 = 0x2d22_ac75;

/// The auth_key of [`TransportKeys`] alone, where nothing is encrypted.
pub fn auth_key(secret: &[u8], csb: &CsbLabel) -> Secret {
    Prf::new(secret).derive(&csb.label(AUTH_KEY, 0xff), HASH_LEN)
}

impl fmt::Debug for TransportKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportKeys(..)")
    }
}

impl CsbLabel {
    /// `constant || cs_id || csb_id || RAND`.
    fn label(&self, constant: u32, cs_id: u8) -> Vec<u8> {
        [constant.to_be_bytes().as_slice(), &[cs_id], &self.csb_id.to_be_bytes(), &self.rand].concat()
    }
}

/// MIKEY-1, the default PRF (RFC 3830 section 4.1.2), keyed with an inkey: `P(s_1) XOR .. XOR P(s_n)` over its blocks of
/// 256 bits.
///
/// A key whose length is a multiple of 256 bits has a full last block, not an empty one.
pub(crate) struct Prf(Vec<Hmac<Sha1>>);

impl Prf {
    pub(crate) fn new(inkey: &[u8]) -> Self {
        let keyed = |block| Hmac::new_from_slice(block).expect("HMAC takes a key of any length");
        Self(inkey.chunks(32).map(keyed).collect())
    }

    fn derive(&self, label: &[u8], len: usize) -> Secret {
        let mut out = Zeroizing::new(vec![0; len]);
        for hmac in &self.0 {
            let of = |pieces: [&[u8]; 2]| -> Zeroizing<[u8; HASH_LEN]> {
                let mac = pieces.into_iter().fold(hmac.clone(), Mac::chain_update);
                Zeroizing::new(mac.finalize().into_bytes().into())
            };
            let mut a = of([label, &[]]); // A_1, of A_0 = label
            for (at, chunk) in out.chunks_mut(HASH_LEN).enumerate() {
                if at > 0 {
                    a = of([&a[..], &[]]);
                }
                chunk.iter_mut().zip(*of([&a[..], label])).for_each(|(o, p)| *o ^= p);
            }
        }
        out
    }
}

/// HMAC-SHA-1-160 over several pieces (RFC 3830 section 4.2.4).
pub fn hmac_sha1(auth_key: &[u8], pieces: &[&[u8]]) -> [u8; HASH_LEN] {
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_key).expect("HMAC takes a key of any length");
    pieces.iter().for_each(|p| mac.update(p));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csb(id: u32, rand: &str) -> CsbLabel {
        CsbLabel { csb_id: id, rand: hex::decode(rand).unwrap() }
    }

    /// ms-psk-01 of tests/data/vectors.json: minisip, and an independent derivation from the RFC's text.
    #[test]
    fn the_keys_are_those_of_independent_implementations() {
        let csb = csb(0x7757_f0cd, "2b0c03f151ba8b58b3678221e3456adc");
        let keys = TransportKeys::new(&hex::decode("1571600f7ffcb0045889f4611fc008b7").unwrap(), &csb);
        assert_eq!(hex::encode(&*keys.encr), "aa99dc39b1b1089e03200909a7b1e370");
        assert_eq!(hex::encode(&*keys.salt), "f1708b68145d2de56709e4f1f39f");
        assert_eq!(hex::encode(&*keys.auth), "6c0ff8e2a5e2222f0546be442936a66b827bf65e");
        let tgk = hex::decode("6f9f64f3ab5eeca2248300cef0e3c85f").unwrap();
        let derive = |what: FromTgk, cs, len| hex::encode(&*what.derive(&tgk, cs, &csb, len));
        assert_eq!(derive(FromTgk::Tek, 1, 16), "0cf937bc248f6dc74db2f586af436ce4");
        assert_eq!(derive(FromTgk::Salt, 1, 14), "27249ac1a210f2ba3f3be7730821");
        assert_eq!(derive(FromTgk::Encr, 1, 16), "f9f731bde2ccd528f0bff2a326c9565e");
        assert_eq!(derive(FromTgk::Auth, 2, 20), "7f4147372cb0bbea7076ee8913190989cf802d4e");
    }

    /// mk-psk-01: minisip takes an empty last block here, and so derives other keys.
    #[test]
    fn a_key_of_exactly_256_bits_is_one_full_block() {
        let csb = csb(0x1122_3344, "42424242424242424242424242424242");
        let tgk = hex::decode("f6e72bc7e3587a03addaa96ce919a46fc668ed1f440dc44dfcf5b6ece443a740").unwrap();
        let tek = FromTgk::Tek.derive(&tgk, 1, &csb, 32);
        assert_eq!(hex::encode(&*tek), "5784627feeb6b2ecd6e00890ee9f8fc954b766bd1ffc31d97007967fbdbfa763");
    }

    #[test]
    fn a_shorter_key_is_the_beginning_of_a_longer_one() {
        let csb = csb(1, "00");
        let long = FromTgk::Salt.derive(b"tgk", 3, &csb, 50);
        assert_eq!(FromTgk::Salt.derive(b"tgk", 3, &csb, 8)[..], long[..8]);
        assert_eq!(format!("{:?}", TransportKeys::new(b"psk", &csb)), "TransportKeys(..)");
    }
}
