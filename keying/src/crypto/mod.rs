//! Public-key operations: a thin shelf over OpenSSL, whose modular exponentiation takes the same time for every key.
//! Everything symmetric stays with the RustCrypto crates.
//!
//! OpenSSL draws the padding of an encryption, the salt of RSA-PSS and the nonce of ECDSA from a generator of its own,
//! so a simulated world replays in all but these octets. Every key that is agreed on comes from `Env`.

mod curve;
mod rsa;
mod sign;

pub use curve::Curve;
pub use rsa::Envelope;
pub use sign::Scheme;

use crate::Error;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::EcKey;
use openssl::error::ErrorStack;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::rsa::Rsa;
use std::fmt;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey as Parsed;

/// A private key. It is never shown; OpenSSL wipes its numbers when the last copy is dropped.
#[derive(Clone)]
pub struct PrivateKey(Key<Private>);

/// A public key.
#[derive(Clone)]
pub struct PublicKey(Key<Public>);

/// A key in the form that its operations are fastest in. Those of RSA are reached through OpenSSL's general layer alone;
/// for curves that layer would set the curve up anew for each key, at the cost of an operation.
enum Key<T> {
    Rsa(PKey<T>),
    Ec(EcKey<T>, Curve),
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Rsa(key) => Self::Rsa(key.clone()),
            Self::Ec(key, curve) => Self::Ec(key.clone(), *curve),
        }
    }
}

impl<T: HasPublic> Key<T> {
    fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(key) => KeyType::Rsa(key.bits()),
            Self::Ec(_, curve) => KeyType::Ec(*curve),
        }
    }
}

/// What a key is, as far as it can be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA, with so many bits.
    Rsa(u32),
    /// An elliptic curve.
    Ec(Curve),
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA with {bits} bits"),
            Self::Ec(Curve::P256) => f.write_str("P-256"),
            Self::Ec(Curve::P384) => f.write_str("P-384"),
            Self::Ec(Curve::P521) => f.write_str("P-521"),
        }
    }
}

/// RSA keys outside of these bounds are refused: a shorter one can be broken, a longer one keeps us busy.
const RSA_BITS: std::ops::RangeInclusive<u32> = 1024..=8192;

/// A public exponent may have so many bits: a long one makes a verification as slow as a signature.
const RSA_EXPONENT_BITS: i32 = 64;

fn is_fit<T: HasPublic>(key: &PKeyRef<T>) -> bool {
    RSA_BITS.contains(&key.bits())
}

const UNFIT: Error =
    Error::Misuse("this private key is none we can use: it takes RSA with 1024 to 8192 bits, or P-256, P-384, P-521");

impl PrivateKey {
    /// Reads a key in PEM (PKCS#8, PKCS#1 or SEC 1) or in DER. What stands beside it in the file, certificates for
    /// instance, is passed over. The caller wipes `bytes`.
    ///
    /// # Errors
    /// It cannot be read, is encrypted under a password, or is of another kind.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let key = if bytes.starts_with(&[0x30]) {
            PKey::private_key_from_der(bytes)
        } else {
            // Without a callback of ours OpenSSL would ask for a password at the terminal.
            PKey::private_key_from_pem_callback(bytes, |_| Err(ErrorStack::get()))
        };
        let key = key.map_err(|_| match bytes.windows(9).any(|at| at == b"ENCRYPTED") {
            true => Error::Misuse("the private key is encrypted under a password: store it without one"),
            false => Error::Misuse("this is no private key in PEM or DER"),
        })?;
        match key.id() {
            Id::RSA if is_fit(&key) => Ok(Self(Key::Rsa(key))),
            Id::EC => {
                let key = key.ec_key().map_err(|_| UNFIT)?;
                let curve = key.group().curve_name().and_then(Curve::of).ok_or(UNFIT)?;
                Ok(Self(Key::Ec(key, curve)))
            }
            _ => Err(UNFIT),
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let public = match &self.0 {
            Key::Rsa(key) => {
                let der = key.public_key_to_der().and_then(|der| PKey::public_key_from_der(&der));
                der.map(Key::Rsa)
            }
            Key::Ec(key, curve) => {
                EcKey::from_public_key(key.group(), key.public_key()).map(|key| Key::Ec(key, *curve))
            }
        };
        PublicKey(public.expect("a private key has its public half"))
    }

    /// What it is.
    pub fn key_type(&self) -> KeyType {
        self.0.key_type()
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). `None` if it is none, or of a kind that we cannot use.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let (_, spki) = SubjectPublicKeyInfo::from_der(der).ok()?;
        // From its numbers: OpenSSL's own decoders take ten times as long as a verification.
        let key = match spki.parsed().ok()? {
            Parsed::RSA(rsa) => {
                let number = |octets| BigNum::from_slice(octets).ok();
                let (n, e) = (number(rsa.modulus)?, number(rsa.exponent)?);
                if e.num_bits() > RSA_EXPONENT_BITS || !e.is_bit_set(0) || !n.is_bit_set(0) {
                    return None;
                }
                PKey::from_rsa(Rsa::from_public_components(n, e).ok()?)
            }
            Parsed::EC(point) => {
                let oid = spki.algorithm.parameters.as_ref()?.as_oid().ok()?;
                let curve = Curve::of_oid(&oid.to_id_string())?;
                return Some(Self(Key::Ec(curve.public(point.data()).ok()?, curve)));
            }
            _ => return None,
        };
        let key = key.ok().filter(|key| is_fit(key))?;
        Some(Self(Key::Rsa(key)))
    }

    /// What it is.
    pub fn key_type(&self) -> KeyType {
        self.0.key_type()
    }

    /// Is it the other half of this private key?
    pub fn fits(&self, private: &PrivateKey) -> bool {
        match (&self.0, &private.0) {
            (Key::Rsa(public), Key::Rsa(private)) => private.public_eq(public),
            (Key::Ec(public, curve), Key::Ec(private, of)) if curve == of => {
                let eq = BigNumContext::new().and_then(|mut context| {
                    public.public_key().eq(private.group(), private.public_key(), &mut context)
                });
                eq.unwrap_or(false)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.key_type())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.key_type())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use openssl::nid::Nid;

    /// The key as OpenSSL's general layer has it.
    fn pkey(key: &PrivateKey) -> PKey<Private> {
        match &key.0 {
            Key::Rsa(key) => key.clone(),
            Key::Ec(key, _) => PKey::from_ec_key(key.clone()).unwrap(),
        }
    }

    pub(crate) fn rsa() -> PrivateKey {
        PrivateKey::read(include_bytes!("../../tests/data/certs/alice.key")).unwrap()
    }

    pub(crate) fn ec(nid: Nid) -> PrivateKey {
        let group = openssl::ec::EcGroup::from_curve_name(nid).unwrap();
        let key = openssl::ec::EcKey::generate(&group).unwrap();
        PrivateKey::read(&key.private_key_to_pem().unwrap()).unwrap()
    }

    #[test]
    fn a_key_is_read_from_pem_and_from_der_and_never_shown() {
        let key = rsa();
        assert_eq!(
            format!("{key:?} {:?}", key.public()),
            "PrivateKey(RSA with 2048 bits) PublicKey(RSA with 2048 bits)"
        );
        let again = PrivateKey::read(&pkey(&key).private_key_to_der().unwrap()).unwrap();
        assert!(key.public().fits(&again));
        assert!(!key.public().fits(&ec(Nid::X9_62_PRIME256V1)));
        assert_eq!(ec(Nid::SECP521R1).key_type(), KeyType::Ec(Curve::P521));
    }

    #[test]
    fn a_key_that_cannot_be_used_says_why_and_nobody_is_asked_for_a_password() {
        let reason = |bytes: &[u8]| PrivateKey::read(bytes).unwrap_err().to_string();
        let key = pkey(&rsa());
        let locked = key.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_128_cbc(), b"secret").unwrap();
        assert!(reason(&locked).contains("password"), "{}", reason(&locked));
        assert!(reason(b"nothing").contains("no private key"));
        assert!(reason(&[0x30, 1, 2]).contains("no private key"));
        let short = openssl::rsa::Rsa::generate(512).unwrap().private_key_to_der().unwrap();
        assert!(reason(&short).contains("1024 to 8192"));
        assert!(PublicKey::from_spki(&[0x30, 0]).is_none());
    }

    #[test]
    fn a_public_key_is_read_from_its_numbers_or_not_at_all() {
        for key in [rsa(), ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1), ec(Nid::SECP521R1)] {
            let spki = pkey(&key).public_key_to_der().unwrap();
            assert!(PublicKey::from_spki(&spki).unwrap().fits(&key));
            for len in 0..spki.len() {
                assert!(PublicKey::from_spki(&spki[..len]).is_none());
            }
            assert!(!key.public().fits(&ec(Nid::SECP384R1)), "another key of its kind is another");
        }
        let n = pkey(&rsa()).rsa().unwrap().n().to_owned().unwrap();
        for (e, good) in [("010001", true), ("03", true), ("010000", false), ("01000000000000000001", false)] {
            let key = Rsa::from_public_components(n.to_owned().unwrap(), BigNum::from_hex_str(e).unwrap()).unwrap();
            assert_eq!(PublicKey::from_spki(&key.public_key_to_der().unwrap()).is_some(), good, "{e}");
        }
        let off_the_curve = {
            let mut spki = pkey(&ec(Nid::X9_62_PRIME256V1)).public_key_to_der().unwrap();
            *spki.last_mut().unwrap() ^= 1;
            spki
        };
        assert!(PublicKey::from_spki(&off_the_curve).is_none());
        assert!(Curve::P256.public(&[0]).is_err(), "the point at infinity is nobody's");
        let ed25519 = PKey::generate_ed25519().unwrap().public_key_to_der().unwrap();
        assert!(PublicKey::from_spki(&ed25519).is_none());
    }
}
