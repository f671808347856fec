//! Certificates, as a test wants them.

use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::{Certificate, Crl};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

/// An authority.
pub(crate) struct Ca {
    params: CertificateParams,
    key: KeyPair,
    pub(crate) certificate: Certificate,
    issued: Mutex<BTreeMap<(String, bool), Vec<u8>>>,
}

/// A certificate and its key.
pub(crate) struct Holder {
    pub(crate) certificate: Certificate,
    pub(crate) key: PrivateKey,
}

/// The authority that everybody trusts.
pub(crate) fn root() -> &'static Ca {
    static ROOT: OnceLock<Ca> = OnceLock::new();
    ROOT.get_or_init(|| Ca::new("root"))
}

/// Keys that stay the same for each name: alice and bob have RSA keys of tests/data/certs, for making them takes long.
fn key(who: &str, rsa: bool) -> KeyPair {
    static EC: OnceLock<[String; 2]> = OnceLock::new();
    let ec = EC.get_or_init(|| [(); 2].map(|()| KeyPair::generate().unwrap().serialize_pem()));
    let is_bob = who.contains("bob");
    let rsa_pem = if is_bob { include_str!("../data/certs/bob.key") } else { include_str!("../data/certs/alice.key") };
    KeyPair::from_pem(if rsa { rsa_pem } else { &ec[usize::from(is_bob)] }).unwrap()
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name, (2020, 2040));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
        Self { params, key, certificate, issued: Mutex::default() }
    }

    /// The certificate of a name, good for twenty years, and the same every time.
    pub(crate) fn issue(&self, who: &str, rsa: bool) -> Holder {
        let mut issued = self.issued.lock().unwrap();
        let id = (who.to_owned(), rsa);
        let made = || self.issue_for(who, rsa, (2020, 2040), 7).certificate.der().to_vec();
        let der = issued.entry(id).or_insert_with(made);
        Holder { certificate: Certificate::from_der(der).unwrap(), key: private(&key(who, rsa)) }
    }

    pub(crate) fn issue_for(&self, who: &str, rsa: bool, years: (i32, i32), serial: u64) -> Holder {
        let mut params = named("somebody", years);
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names = vec![SanType::URI(who.try_into().unwrap())];
        let key = key(who, rsa);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = Certificate::from_der(params.signed_by(&key, &issuer).unwrap().der()).unwrap();
        Holder { certificate, key: private(&key) }
    }

    /// A list of what is revoked, of the year that these tests play in.
    pub(crate) fn revokes(&self, serial: u64) -> Crl {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(2027, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap();
        Crl::read(list.pem().unwrap().as_bytes()).unwrap().remove(0)
    }
}

fn private(key: &KeyPair) -> PrivateKey {
    PrivateKey::read(key.serialize_pem().as_bytes()).unwrap()
}

fn named(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}
