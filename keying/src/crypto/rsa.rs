//! Envelope key encryption (RFC 3830 section 4.2.5).

use super::{Key, PrivateKey, PublicKey};
use crate::Error;
use crate::mikey::derive::Secret;
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::{PKeyRef, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use zeroize::Zeroizing;

/// How an envelope key is encrypted to an RSA key. Nothing on the wire says which, so both sides must know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// RSAES-PKCS1-v1_5: mandatory.
    #[default]
    Pkcs1,
    /// RSAES-OAEP with SHA-1, MGF1 over SHA-1 and no label, the defaults of PKCS #1: recommended.
    Oaep,
}

fn set_padding<T>(ctx: &mut PkeyCtx<T>, envelope: Envelope) -> Result<(), ErrorStack> {
    match envelope {
        Envelope::Pkcs1 => ctx.set_rsa_padding(Padding::PKCS1),
        Envelope::Oaep => {
            ctx.set_rsa_padding(Padding::PKCS1_OAEP)?;
            ctx.set_rsa_oaep_md(Md::sha1())?;
            ctx.set_rsa_mgf1_md(Md::sha1())
        }
    }
}

impl PublicKey {
    /// Encrypts an envelope key to this key's owner.
    ///
    /// # Errors
    /// It is no RSA key, or too short for a secret so long.
    pub fn encrypt(&self, envelope: Envelope, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let Key::Rsa(key) = &self.0 else {
            return Err(Error::Misuse("an envelope needs an RSA key: the peer's certificate has another"));
        };
        let encrypt = || {
            let mut ctx = PkeyCtx::new(key)?;
            ctx.encrypt_init()?;
            set_padding(&mut ctx, envelope)?;
            let mut out = vec![];
            ctx.encrypt_to_vec(secret, &mut out)?;
            Ok(out)
        };
        encrypt().map_err(|_: ErrorStack| Error::Misuse("the peer's RSA key is too short for this envelope key"))
    }
}

impl PrivateKey {
    /// Octets of an envelope for this key; `None` if it is none of RSA.
    pub fn envelope_len(&self) -> Option<usize> {
        if let Key::Rsa(key) = &self.0 { Some(key.size()) } else { None }
    }

    /// Opens an envelope. Whoever learns whether this succeeded can decrypt anything with our key (Bleichenbacher's
    /// attack on PKCS #1 v1.5), so there is no error: in place of what cannot be opened stands `instead`, which must be
    /// random and fresh, and then the MAC does not verify, as it would not under any other wrong key. The envelope of
    /// nothing counts as one that cannot be opened.
    ///
    /// What is left to see is the time of an error inside OpenSSL, below a microsecond, and only for a peer whose
    /// signature over this very message was verified before.
    pub fn open(&self, envelope: Envelope, data: &[u8], instead: Secret) -> Secret {
        match &self.0 {
            Key::Rsa(key) => decrypt(key, envelope, data).ok().filter(|secret| !secret.is_empty()).unwrap_or(instead),
            Key::Ec(..) => instead,
        }
    }
}

fn decrypt(key: &PKeyRef<Private>, envelope: Envelope, data: &[u8]) -> Result<Secret, ErrorStack> {
    let mut ctx = PkeyCtx::new(key)?;
    ctx.decrypt_init()?;
    set_padding(&mut ctx, envelope)?;
    let mut out = Zeroizing::new(vec![]);
    ctx.decrypt_to_vec(data, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ec, rsa};
    use super::*;
    use openssl::nid::Nid;

    fn instead() -> Secret {
        Zeroizing::new(b"something random".to_vec())
    }

    #[test]
    fn an_envelope_opens_with_its_own_key_and_padding_alone() {
        let key = rsa();
        for (envelope, other) in [(Envelope::Pkcs1, Envelope::Oaep), (Envelope::Oaep, Envelope::Pkcs1)] {
            let mut data = key.public().encrypt(envelope, b"envelope key").unwrap();
            assert_eq!(data.len(), 256);
            assert_eq!(key.open(envelope, &data, instead())[..], *b"envelope key");
            assert_eq!(key.open(other, &data, instead()), instead());
            data[9] ^= 1;
            assert_eq!(key.open(envelope, &data, instead()), instead());
            assert_eq!(key.open(envelope, &data[1..], instead()), instead());
            assert_eq!(key.open(envelope, &[], instead()), instead());
            let nothing = key.public().encrypt(envelope, b"").unwrap();
            assert_eq!(key.open(envelope, &nothing, instead()), instead(), "an empty key is none");
        }
    }

    #[test]
    fn what_cannot_be_encrypted_is_said() {
        assert!(rsa().public().encrypt(Envelope::Oaep, &[7; 250]).unwrap_err().to_string().contains("too short"));
        let ec = ec(Nid::X9_62_PRIME256V1);
        assert!(ec.public().encrypt(Envelope::Pkcs1, b"k").unwrap_err().to_string().contains("RSA"));
        assert_eq!(ec.open(Envelope::Pkcs1, &[1; 64], instead()), instead());
    }
}
