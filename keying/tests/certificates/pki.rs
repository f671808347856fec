//! Authorities, certificates and revocation lists, as a test wants them.

use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::{Certificate, Crl};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};

/// The key of tests/data/certs/alice.key: making another takes a second.
pub(crate) fn rsa() -> (KeyPair, PrivateKey) {
    let pem = include_str!("../data/certs/alice.key");
    (KeyPair::from_pem(pem).unwrap(), PrivateKey::read(pem.as_bytes()).unwrap())
}

/// A fresh key on P-256.
pub(crate) fn ec() -> (KeyPair, PrivateKey) {
    let key = KeyPair::generate().unwrap();
    let private = PrivateKey::read(&key.serialize_der()).unwrap();
    (key, private)
}

/// An authority, or one below another.
pub(crate) struct Ca {
    params: CertificateParams,
    key: KeyPair,
    pub(crate) certificate: Certificate,
}

/// What a certificate is to say.
pub(crate) struct Wish<'a> {
    pub(crate) uris: &'a [&'a str],
    pub(crate) years: (i32, i32),
    pub(crate) serial: u64,
    pub(crate) uses: &'a [KeyUsagePurpose],
    pub(crate) purposes: &'a [ExtendedKeyUsagePurpose],
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self { uris: &["sip:alice@example.org"], years: (2020, 2040), serial: 7, uses: &[], purposes: &[] }
    }
}

fn named(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

fn authority(name: &str, years: (i32, i32)) -> CertificateParams {
    let mut params = named(name, years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority(name, (2020, 2040)), KeyPair::generate().unwrap());
        let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
        Self { params, key, certificate }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, name: &str, years: (i32, i32)) -> Self {
        let (params, key) = (authority(name, years), KeyPair::generate().unwrap());
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = Certificate::from_der(params.signed_by(&key, &issuer).unwrap().der()).unwrap();
        Self { params, key, certificate }
    }

    pub(crate) fn issue(&self, key: &KeyPair, wish: &Wish<'_>) -> Certificate {
        let issuer = Issuer::from_params(&self.params, &self.key);
        Certificate::from_der(user(wish).signed_by(key, &issuer).unwrap().der()).unwrap()
    }

    /// A list of these serial numbers, good for the year.
    pub(crate) fn list(&self, serials: &[u64], year: i32) -> Crl {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(year, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(year, 1, 1),
            next_update: date_time_ymd(year + 1, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap();
        Crl::read(list.pem().unwrap().as_bytes()).unwrap().remove(0)
    }
}

fn user(wish: &Wish<'_>) -> CertificateParams {
    let mut params = named("somebody", wish.years);
    params.serial_number = Some(SerialNumber::from(wish.serial));
    params.subject_alt_names = wish.uris.iter().map(|uri| SanType::URI(Ia5String::try_from(*uri).unwrap())).collect();
    params.key_usages = wish.uses.to_vec();
    params.extended_key_usages = wish.purposes.to_vec();
    params
}

/// A certificate that nobody stands behind.
pub(crate) fn self_signed(key: &KeyPair, wish: &Wish<'_>) -> Certificate {
    Certificate::from_der(user(wish).self_signed(key).unwrap().der()).unwrap()
}
