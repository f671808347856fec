//! SIGN: a signature over the raw octets of a message (RFC 3830 sections 5.2 and 6.5).
//!
//! What is signed is the whole message up to the signature, with the S type and Signature len before it and a Next
//! payload that already says SIGN. RSA-R adds IDi, IDr and T behind it (RFC 4738 section 3.6).

use super::mode::Refused;
use super::policy::MikeyPolicy;
use super::wire::{Cert, CertType, Draft, ErrorNo, Message, Sign, SignType};
use crate::crypto::{KeyType, Scheme};
use crate::identity::{CertError, CertStore, Certificate, Own, Trusted, Use};
use crate::{Error, Identity, Proof};
use keyphone_media::env::NtpTime;

/// How an S type is computed. `None` if we do not know it.
pub(crate) fn scheme(s_type: SignType) -> Option<Scheme> {
    match s_type {
        SignType::RsaPkcs1 => Some(Scheme::RsaPkcs1),
        SignType::RsaPss => Some(Scheme::RsaPss),
        SignType::Ecdsa => Some(Scheme::Ecdsa),
        SignType::Unknown(_) => None,
    }
}

/// Ends a message with our signature over it and over what the mode adds.
///
/// # Errors
/// Policy asks for a signature that we cannot make with this key.
pub fn sign(draft: Draft, own: &Own, policy: &MikeyPolicy, added: &[&[u8]]) -> Result<Message, Error> {
    let s_type = match own.key().key_type() {
        KeyType::Rsa(_) => policy.signature,
        KeyType::Ec(_) => SignType::Ecdsa,
    };
    let scheme = scheme(s_type).ok_or(Error::Misuse("policy asks for a kind of signature that we do not know"))?;
    let unsealed = draft.sign(s_type, own.key().signature_len(scheme)?);
    let pieces: Vec<_> = [unsealed.covered()].into_iter().chain(added.iter().copied()).collect();
    let signature = own.key().sign(scheme, &pieces)?;
    Ok(unsealed.seal(&signature)?)
}

/// Verifies the signature of a message whose sender's certificate was accepted. `added` is what the mode adds.
///
/// # Errors
/// There is none at the end, it is of a kind that we do not know or that is not its key's, or it does not verify.
pub fn verify(message: &Message, trusted: &Trusted, added: &[&[u8]]) -> Result<Proof, Refused> {
    let sign = message.one::<Sign>()?;
    let scheme = scheme(sign.s_type).ok_or_else(|| {
        let what = format!("its signature is of type {}, which we do not know (RFC 3830 section 6.5)", sign.s_type);
        Refused::new(ErrorNo::AuthFailure, Error::incompatible(what))
    })?;
    let pieces: Vec<_> = [message.before_signature()?].into_iter().chain(added.iter().copied()).collect();
    Proof::verify_signature(trusted, scheme, &pieces, &sign.signature).ok_or_else(|| {
        let what = format!(
            "its signature does not verify under the certificate of {}: the key is another one, or the message was \
             changed on the way",
            trusted.who()
        );
        Refused::new(ErrorNo::AuthFailure, Error::misbehaved(what, "RFC 3830 section 5.3"))
    })
}

/// The CERT payloads of our own chain: the certificate first, or where it is, then who issued it (RFC 3830 section 6.7).
pub fn certs(own: &Own) -> impl Iterator<Item = Cert> {
    let inline = |cert: &Certificate| Cert { cert_type: CertType::X509, data: cert.der().to_vec() };
    let first = match own.url() {
        Some(url) => Cert { cert_type: CertType::X509Url, data: url.as_str().into() },
        None => inline(own.certificate()),
    };
    std::iter::once(first).chain(own.chain()[1..].iter().map(inline))
}

/// The peer's chain as it stands in a message, the certificate first; empty if there is none.
///
/// A chain may be of any of the types for certificates: one for encryption alone (X.509v3 Encr) is not part of the
/// chain of whoever signs.
///
/// # Errors
/// A certificate that cannot be read, one that is behind a URL and not here, more of them than we take.
pub fn chain(message: &Message) -> Result<Vec<Certificate>, Refused> {
    let mut chain = vec![];
    for cert in message.many::<Cert>() {
        if chain.len() == CertStore::MAX_CHAIN {
            let what = format!("its chain has more than {} certificates", CertStore::MAX_CHAIN);
            return Err(refused(CertError::Unreadable(what)));
        }
        match cert.cert_type {
            CertType::X509 | CertType::X509Sign => chain.push(Certificate::from_der(&cert.data).map_err(refused)?),
            CertType::X509Encr => {}
            CertType::X509Url => {
                let url = String::from_utf8_lossy(&cert.data).chars().filter(|c| !c.is_control()).take(200).collect();
                return Err(Refused::new(ErrorNo::InvalidCert, Error::NotFetched(url)));
            }
            CertType::Unknown(n) => {
                let what = format!("its certificate is of type {n}, which we do not know (RFC 3830 section 6.7)");
                return Err(Refused::new(ErrorNo::InvalidCert, Error::incompatible(what)));
            }
        }
    }
    Ok(chain)
}

/// Whose signature a message must bear: of whoever it says that it is from (`claimed`), by the certificate that it
/// carries or, without one, by the one that is pinned. If it does not say, it is from `named`, whom SIP names, provided
/// that the certificate is for him, or else from the first name in the certificate.
///
/// # Errors
/// The certificate is not accepted; there is none.
pub fn signer(
    message: &Message,
    claimed: Option<&Identity>,
    named: &Identity,
    store: &CertStore,
    now: NtpTime,
) -> Result<Trusted, Refused> {
    let chain = chain(message)?;
    let Some(leaf) = chain.first() else {
        let pinned = store.of_peer(claimed.unwrap_or(named), Use::Signing, now);
        return pinned.map_err(|error| Refused::new(ErrorNo::InvalidCert, error));
    };
    let claimed = claimed.or(Some(named).filter(|named| store.is_for(leaf, named)));
    store.verify(&chain, claimed, Use::Signing, now).map_err(refused)
}

/// The certificate that an envelope for the sender of a message is sealed to: its X.509v3 Encr, if it sent one, or else
/// the one that it signs with.
///
/// # Errors
/// It must not be used so; it is not accepted.
pub fn recipient(message: &Message, signer: &Trusted, store: &CertStore, now: NtpTime) -> Result<Trusted, Refused> {
    if let Some(chain) = opening_chain(message)? {
        return store.verify(&chain, Some(signer.who()), Use::Enciphering, now).map_err(refused);
    }
    if message.many::<Cert>().next().is_some() {
        // Its chain and its name were checked when the signature was.
        return signer.also(Use::Enciphering).map_err(refused);
    }
    let pinned = store.of_peer(signer.who(), Use::Enciphering, now);
    pinned.map_err(|error| Refused::new(ErrorNo::InvalidCert, error))
}

/// The chain of the certificate that is for encryption alone, if the sender has such a one (X.509v3 Encr).
///
/// # Errors
/// As in [`chain`].
pub fn opening_chain(message: &Message) -> Result<Option<Vec<Certificate>>, Refused> {
    let Some(cert) = message.many::<Cert>().find(|cert| cert.cert_type == CertType::X509Encr) else { return Ok(None) };
    let mut chain = chain(message)?;
    chain.insert(0, Certificate::from_der(&cert.data).map_err(refused)?);
    chain.truncate(CertStore::MAX_CHAIN);
    Ok(Some(chain))
}

/// A certificate that is not accepted, told to both sides.
pub(crate) fn refused(error: CertError) -> Refused {
    Refused::new(ErrorNo::InvalidCert, error.into())
}
