//! Signatures (RFC 3830 section 4.2.6), and ECDSA beside them.

use super::{Key, KeyType, PrivateKey, PublicKey};
use crate::Error;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKeyRef, Private, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 over SHA-1: mandatory in MIKEY, whose default hash is SHA-1 (RFC 3830 sections 4.2.1, 4.2.6).
    RsaPkcs1,
    /// RSASSA-PSS over SHA-1 with MGF1 over SHA-1 and a salt of 20 octets. RFC 3830 names no parameters; these are the
    /// defaults of PKCS #1.
    RsaPss,
    /// ECDSA over SHA-256, SHA-384 or SHA-512, as long as the curve, written as the numbers r and s one after the
    /// other, each as long as the curve's order: so the length is known before, which MIKEY signs too. Ours alone.
    Ecdsa,
}

/// The salt of RSA-PSS in octets: as long as the hash.
const PSS_SALT: i32 = 20;

const ANOTHER_KIND: Error = Error::Misuse("this kind of signature needs another kind of key");

impl Scheme {
    fn fits(self, key: KeyType) -> bool {
        match self {
            Self::RsaPkcs1 | Self::RsaPss => matches!(key, KeyType::Rsa(_)),
            Self::Ecdsa => matches!(key, KeyType::Ec(_)),
        }
    }
}

impl PrivateKey {
    /// Octets of a signature.
    ///
    /// # Errors
    /// The key is of another kind.
    pub fn signature_len(&self, scheme: Scheme) -> Result<usize, Error> {
        match &self.0 {
            key if !scheme.fits(key.key_type()) => Err(ANOTHER_KIND),
            Key::Rsa(key) => Ok(key.size()),
            Key::Ec(_, curve) => Ok(2 * curve.octets()),
        }
    }

    /// Signs the pieces, one after another.
    ///
    /// # Errors
    /// The key is of another kind.
    pub fn sign(&self, scheme: Scheme, pieces: &[&[u8]]) -> Result<Vec<u8>, Error> {
        if !scheme.fits(self.key_type()) {
            return Err(ANOTHER_KIND);
        }
        let signature = match &self.0 {
            Key::Rsa(key) => sign_rsa(key, scheme, pieces),
            Key::Ec(key, curve) => curve.sign(key, pieces),
        };
        signature.map_err(|_| {
            Error::Misuse(
                "OpenSSL makes no such signature: perhaps this system's policy forbids it SHA-1, which MIKEY needs",
            )
        })
    }
}

fn sign_rsa(key: &PKeyRef<Private>, scheme: Scheme, pieces: &[&[u8]]) -> Result<Vec<u8>, ErrorStack> {
    let mut signer = Signer::new(MessageDigest::sha1(), key)?;
    if scheme == Scheme::RsaPss {
        signer.set_rsa_padding(Padding::PKCS1_PSS)?;
        signer.set_rsa_mgf1_md(MessageDigest::sha1())?;
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(PSS_SALT))?;
    }
    pieces.iter().try_for_each(|piece| signer.update(piece))?;
    signer.sign_to_vec()
}

impl PublicKey {
    /// Is that the signature of this key's owner over the pieces, one after another?
    pub fn verify(&self, scheme: Scheme, pieces: &[&[u8]], signature: &[u8]) -> bool {
        let verified = match &self.0 {
            key if !scheme.fits(key.key_type()) => Ok(false),
            Key::Rsa(key) => verify_rsa(key, scheme, pieces, signature),
            Key::Ec(key, curve) => curve.verify(key, pieces, signature),
        };
        verified.unwrap_or(false)
    }
}

fn verify_rsa(key: &PKeyRef<Public>, scheme: Scheme, pieces: &[&[u8]], signature: &[u8]) -> Result<bool, ErrorStack> {
    let mut verifier = Verifier::new(MessageDigest::sha1(), key)?;
    if scheme == Scheme::RsaPss {
        verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
        verifier.set_rsa_mgf1_md(MessageDigest::sha1())?;
        verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(PSS_SALT))?;
    }
    pieces.iter().try_for_each(|piece| verifier.update(piece))?;
    verifier.verify(signature)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ec, rsa};
    use super::*;
    use openssl::nid::Nid;

    #[test]
    fn what_is_signed_verifies_and_what_is_touched_does_not() {
        for (key, scheme, len) in [
            (rsa(), Scheme::RsaPkcs1, 256),
            (rsa(), Scheme::RsaPss, 256),
            (ec(Nid::X9_62_PRIME256V1), Scheme::Ecdsa, 64),
            (ec(Nid::SECP384R1), Scheme::Ecdsa, 96),
            (ec(Nid::SECP521R1), Scheme::Ecdsa, 132),
        ] {
            let mut signature = key.sign(scheme, &[b"a mes", b"sage"]).unwrap();
            assert_eq!((signature.len(), key.signature_len(scheme).unwrap()), (len, len));
            let public = key.public();
            assert!(public.verify(scheme, &[b"a message"], &signature));
            assert!(!public.verify(scheme, &[b"another message"], &signature));
            assert!(!public.verify(scheme, &[b"a message"], &signature[..len - 1]));
            assert!(!public.verify(scheme, &[b"a message"], &[]));
            signature[len / 2] ^= 1;
            assert!(!public.verify(scheme, &[b"a message"], &signature));
        }
    }

    #[test]
    fn one_scheme_is_never_taken_for_another() {
        let (rsa, ec) = (rsa(), ec(Nid::X9_62_PRIME256V1));
        let signature = rsa.sign(Scheme::RsaPkcs1, &[b"m"]).unwrap();
        assert!(!rsa.public().verify(Scheme::RsaPss, &[b"m"], &signature));
        assert!(!rsa.public().verify(Scheme::Ecdsa, &[b"m"], &signature));
        assert!(rsa.sign(Scheme::Ecdsa, &[b"m"]).is_err() && ec.sign(Scheme::RsaPkcs1, &[b"m"]).is_err());
        assert!(ec.signature_len(Scheme::RsaPss).is_err());
    }
}
