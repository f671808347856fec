//! The certificates of a script's phones: made once per process, for making an RSA key takes longer than a call; or once
//! and for all, on a shelf.

use crate::script::{KeyKind, Name};
use crate::shelf::Shelf;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::{Certificate, Identity};
use openssl::rsa::Rsa;
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// Authorities, and what they have issued so far. Any number of runs, in any number of threads, may share one. It is not
/// seeded: what depends on the octets of a certificate differs from process to process.
#[derive(Default)]
pub struct Pki(Mutex<Made>);

#[derive(Default)]
struct Made {
    shelf: Option<Shelf>,
    authorities: BTreeMap<Name, Authority>,
    /// By the phone's name and the kind of key: every phone has one of its own.
    keys: BTreeMap<(Name, KeyKind), Zeroizing<String>>,
    issued: BTreeMap<(Name, KeyKind, Name, Identity), Issued>,
}

struct Authority {
    /// Its own certificate, as PEM.
    pem: String,
    issuer: Issuer<'static, KeyPair>,
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

    /// What is on the shelf is used, and what is made is put there.
    pub(crate) fn on_shelf(shelf: Shelf) -> Self {
        Self(Mutex::new(Made { shelf: Some(shelf), ..Made::default() }))
    }

    /// An authority's own certificate.
    ///
    /// # Errors
    /// What the library says; never for want of anything that a script could say.
    pub fn authority(&self, name: &Name) -> Result<Certificate, String> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read(&made.authority(name)?.pem)
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
        let certificate = params.signed_by(&subject, &made.authority(from)?.issuer).map_err(|e| e.to_string())?;
        let key = PrivateKey::read(pem.as_bytes()).map_err(|e| e.to_string())?;
        let certificate = made.keep(&format!("{phone}.pem"), || Ok(Zeroizing::new(certificate.pem())))?;
        let issued = Issued { certificate: read(&certificate)?, key, pem };
        made.issued.insert(name, issued.clone());
        Ok(issued)
    }
}

impl Made {
    fn keep(
        &self,
        file: &str,
        make: impl FnOnce() -> Result<Zeroizing<String>, String>,
    ) -> Result<Zeroizing<String>, String> {
        match &self.shelf {
            Some(shelf) => shelf.keep(file, make),
            None => make(),
        }
    }

    fn authority(&mut self, name: &Name) -> Result<&Authority, String> {
        if !self.authorities.contains_key(name) {
            let mut params = params(name.as_str());
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let new_key = || Ok(Zeroizing::new(KeyPair::generate().map_err(|e| e.to_string())?.serialize_pem()));
            let key = self.keep(&format!("{name}.ca.key"), new_key)?;
            let key = KeyPair::from_pem(&key).map_err(|e| e.to_string())?;
            let certify = || Ok(Zeroizing::new(params.self_signed(&key).map_err(|e| e.to_string())?.pem()));
            let pem = self.keep(&format!("{name}.ca.pem"), certify)?.to_string();
            self.authorities.insert(name.clone(), Authority { pem, issuer: Issuer::new(params, key) });
        }
        self.authorities.get(name).ok_or_else(|| "an authority was made and is not there".to_owned())
    }

    fn key(&mut self, phone: &Name, kind: KeyKind) -> Result<Zeroizing<String>, String> {
        let name = (phone.clone(), kind);
        if let Some(pem) = self.keys.get(&name) {
            return Ok(pem.clone());
        }
        let make = || match kind {
            KeyKind::P256 => Ok(Zeroizing::new(KeyPair::generate().map_err(|e| e.to_string())?.serialize_pem())),
            KeyKind::Rsa => {
                let key = Rsa::generate(2_048).and_then(openssl::pkey::PKey::from_rsa).map_err(|e| e.to_string())?;
                let pem = key.private_key_to_pem_pkcs8().map_err(|e| e.to_string())?;
                String::from_utf8(pem).map(Zeroizing::new).map_err(|e| e.to_string())
            }
        };
        let pem = self.keep(&format!("{phone}.key"), make)?;
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
