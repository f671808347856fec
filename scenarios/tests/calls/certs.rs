//! An authority, and phones with certificates of it.

use crate::common::phone;
use keyphone_config::{Config, KeyingSystem};
use keyphone_keying::Certificate;
use keyphone_keying::mikey::ModeName;
use keyphone_ua::settings::Settings;
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd};
use std::path::PathBuf;
use tempfile::TempDir;

/// RSA keys of two: making others takes seconds.
const RSA: [&str; 2] = [
    include_str!("../../../keying/tests/data/certs/alice.key"),
    include_str!("../../../keying/tests/data/certs/bob.key"),
];

/// An authority, and files of what it made.
pub(crate) struct Ca {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    params
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = params("everybody's friend");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.as_ref().pem()).unwrap();
        Self { dir, issuer }
    }

    /// A certificate for `sip:name@ip`, with a key of its own: RSA's for alice and bob, or one on P-256.
    pub(crate) fn certify(&self, name: &str, ip: &str, rsa: bool) {
        let key = match (rsa, name) {
            (false, _) => KeyPair::generate().unwrap(),
            (true, "alice") => KeyPair::from_pem(RSA[0]).unwrap(),
            (true, _) => KeyPair::from_pem(RSA[1]).unwrap(),
        };
        let mut params = params(name);
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(format!("sip:{name}@{ip}")).unwrap())];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let write = |kind: &str, text: String| {
            std::fs::write(self.dir.path().join(format!("{name}.{kind}")), text).unwrap();
        };
        write("pem", certificate.pem());
        write("key", key.serialize_pem());
    }

    /// The certificate that was made for somebody, as a web server has it (RFC 2585 section 3).
    pub(crate) fn der(&self, name: &str) -> Vec<u8> {
        let pem = std::fs::read(self.dir.path().join(format!("{name}.pem"))).unwrap();
        Certificate::read(&pem).unwrap()[0].der().to_vec()
    }

    /// Where its own certificate is.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A phone with that certificate, which trusts this authority and has `peer`'s certificate at hand, too. It has the
    /// key that all phones here have.
    pub(crate) fn phone(&self, (name, ip): (&str, &str), peer: &str, modes: &[ModeName]) -> Settings {
        self.phone_with((name, ip), peer, modes, |_| ())
    }

    pub(crate) fn phone_with(
        &self,
        (name, ip): (&str, &str),
        peer: &str,
        modes: &[ModeName],
        change: impl FnOnce(&mut Config),
    ) -> Settings {
        let at = |file: String| self.dir.path().join(file);
        phone(name, ip, |config| {
            config.policy.keying = modes.iter().copied().map(KeyingSystem::Mikey).collect();
            config.tls.cert = Some(at(format!("{name}.pem")));
            config.tls.key = Some(at(format!("{name}.key")));
            config.tls.ca = Some(at("ca.pem".into()));
            config.tls.peer_certs = vec![keyphone_config::PeerCert { peer: None, file: at(format!("{peer}.pem")) }];
            change(config);
            assert_eq!(config.load_certs(), Ok(None));
            assert!(modes.iter().all(|mode| config.lacks(KeyingSystem::Mikey(*mode)).is_none()));
        })
    }
}
