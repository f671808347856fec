//! The certificates of simulated worlds: made once per process, for making an RSA key takes longer than a call.

use crate::script::{KeyKind, Name};
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::{Certificate, Identity};
use openssl::rsa::Rsa;
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// Authorities, and what they have issued so far. Any number of runs, in any number of threads, may share one. It is not
/// seeded: what depends on the octets of a certificate differs from process to process.
#[derive(Default)]
pub struct Pki(Mutex<Made>);

#[derive(Default)]
struct Made {
    authorities: BTreeMap<Name, CertifiedIssuer<'static, KeyPair>>,
    /// By the phone's name and the kind of key: every phone has one of its own.
    keys: BTreeMap<(Name, KeyKind), Zeroizing<String>>,
    issued: BTreeMap<(Name, KeyKind, Name, Identity), Issued>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: PrivateKey,
    /// The same key as PEM, for whoever plays the thief of it afterwards.
    pub pem: Zeroizing<String>,
}

impl Pki {
    /// Nothing is made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An authority's own certificate.
    ///
    /// # Errors
    /// What the library says; never for want of anything that a script could say.
    pub fn authority(&self, name: &Name) -> Result<Certificate, String> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read(&made.authority(name)?.as_ref().pem())
    }

    /// A certificate of `phone` for `identity`, a SIP URI.
    ///
    /// # Errors
    /// As [`Pki::authority`].
    pub fn issue(&self, phone: &Name, kind: KeyKind, from: &Name, identity: &Identity) -> Result<Issued, String> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (phone.clone(), kind, from.clone(), identity.clone());
        if let Some(issued) = made.issued.get(&name) {
            return Ok(issued.clone());
        }
        let pem = made.key(phone, kind)?;
        let subject = KeyPair::from_pem(&pem).map_err(|e| e.to_string())?;
        let mut params = params(phone.as_str());
        let uri = Ia5String::try_from(identity.as_str()).map_err(|e| e.to_string())?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        let certificate = params.signed_by(&subject, made.authority(from)?).map_err(|e| e.to_string())?;
        let key = PrivateKey::read(pem.as_bytes()).map_err(|e| e.to_string())?;
        let issued = Issued { certificate: read(&certificate.pem())?, key, pem };
        made.issued.insert(name, issued.clone());
        Ok(issued)
    }
}

impl Made {
    fn authority(&mut self, name: &Name) -> Result<&CertifiedIssuer<'static, KeyPair>, String> {
        if !self.authorities.contains_key(name) {
            let mut params = params(name.as_str());
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().map_err(|e| e.to_string())?;
            let issuer = CertifiedIssuer::self_signed(params, key).map_err(|e| e.to_string())?;
            self.authorities.insert(name.clone(), issuer);
        }
        self.authorities.get(name).ok_or_else(|| "an authority was made and is not there".to_owned())
    }

    fn key(&mut self, phone: &Name, kind: KeyKind) -> Result<Zeroizing<String>, String> {
        let name = (phone.clone(), kind);
        if let Some(pem) = self.keys.get(&name) {
            return Ok(pem.clone());
        }
        let pem = match kind {
            KeyKind::P256 => KeyPair::generate().map_err(|e| e.to_string())?.serialize_pem(),
            KeyKind::Rsa => {
                let key = Rsa::generate(2_048).and_then(openssl::pkey::PKey::from_rsa).map_err(|e| e.to_string())?;
                let pem = key.private_key_to_pem_pkcs8().map_err(|e| e.to_string())?;
                String::from_utf8(pem).map_err(|e| e.to_string())?
            }
        };
        let pem = Zeroizing::new(pem);
        self.keys.insert(name, pem.clone());
        Ok(pem)
    }
}

/// Good from 2020 to 2040: a simulated world begins in 2026.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    params
}

fn read(pem: &str) -> Result<Certificate, String> {
    let mut chain = Certificate::read(pem.as_bytes()).map_err(|e| e.to_string())?;
    match chain.is_empty() {
        true => Err("a certificate was made and is none".to_owned()),
        false => Ok(chain.swap_remove(0)),
    }
}
