//! The modes that are measured, and what each cannot avoid.

use super::bare::{self, Bare, Make};
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::mikey::wire::DhGroup;
use keyphone_keying::mikey::{Mikey, MikeyPolicy, ModeName};
use keyphone_keying::{CertStore, Certificate, Credentials, Identity, Keying, Policy, Psk, PskStore};
use keyphone_media::env::NtpTime;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Makes the keying system of one side.
type Stand = fn(&Identity) -> Box<dyn Keying>;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) policy: Policy,
    /// The keying system of one side.
    pub(crate) stand: Stand,
    /// What an offer, an answer and its verification cannot avoid.
    pub(crate) bare: [Bare; 3],
}

/// Stands in while another is at work.
pub(crate) fn nobody() -> Box<dyn Keying> {
    Box::new(Mikey::new(Credentials::default(), NtpTime(0)))
}

fn row(name: impl Into<String>, mode: ModeName, stand: Stand, bare: [Bare; 3]) -> Row {
    let mikey = MikeyPolicy { offer: mode, accept: [mode].into(), ..MikeyPolicy::default() };
    Row { name: name.into(), policy: Policy { mikey, ..Policy::default() }, stand, bare }
}

/// A fresh half, and an agreement with the peer's.
fn halves(group: DhGroup) -> (Make, Make) {
    match group {
        DhGroup::Oakley1 => (bare::oakley1, bare::oakley1),
        DhGroup::Oakley2 => (bare::oakley2, bare::oakley2),
        DhGroup::P256 => (bare::fresh_p256, bare::agree_p256),
        DhGroup::P384 => (bare::fresh_p384, bare::agree_p384),
        DhGroup::P521 => (bare::fresh_p521, bare::agree_p521),
        DhGroup::X25519 => (bare::fresh_x25519, bare::agree_x25519),
        _ => (bare::oakley5, bare::oakley5),
    }
}

fn ready(operations: &[Make]) -> Bare {
    Vec::leak(operations.to_vec())
}

/// Every mode.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = vec![row("PSK", ModeName::Psk, psk, [&[], &[], &[]])];
    for &group in DhGroup::ALL {
        let (fresh, agree) = halves(group);
        let bare = [ready(&[fresh]), ready(&[fresh, agree]), ready(&[agree])];
        rows.push(row(format!("DHHMAC, {}", group.short()), ModeName::DhHmac, psk, bare));
        rows.last_mut().expect("it was pushed").policy.mikey.group = group;
    }
    // The authority's key is on P-256 everywhere.
    let (chain, sign, verify) = (bare::chain, bare::sign_rsa, bare::verify_rsa);
    let (encrypt, decrypt) = (bare::encrypt_rsa, bare::decrypt_rsa);
    let transport = [ready(&[encrypt, sign]), ready(&[chain, verify, decrypt]), ready(&[])];
    rows.push(row("RSA", ModeName::Rsa, rsa, transport));
    let reverse = [ready(&[sign]), ready(&[chain, verify, encrypt, sign]), ready(&[chain, verify, decrypt])];
    rows.push(row("RSA-R", ModeName::RsaR, reversed, reverse));
    let seals: [(&str, Stand, Make, Make); 2] =
        [("RSA", reversed, bare::sign_rsa, bare::verify_rsa), ("ECDSA", ecdsa, bare::sign_ecdsa, bare::verify_ecdsa)];
    for (name, stand, sign, verify) in seals {
        for &group in DhGroup::ALL {
            let (fresh, agree) = halves(group);
            let chain = bare::chain;
            let bare =
                [ready(&[fresh, sign]), ready(&[chain, verify, fresh, agree, sign]), ready(&[chain, verify, agree])];
            rows.push(row(format!("DHSIGN, {name}, {}", group.short()), ModeName::DhSign, stand, bare));
            rows.last_mut().expect("it was pushed").policy.mikey.group = group;
        }
    }
    rows
}

const START: NtpTime = NtpTime(0xed00_0000_0000_0000);

fn psk(me: &Identity) -> Box<dyn Keying> {
    let peer = if me.as_str().contains("alice") { "sip:bob@example.org" } else { "sip:alice@example.org" };
    let mut psks = PskStore::default();
    psks.insert(Some(Identity::new(peer)), Psk::new(vec![7; 16]).expect("16 octets"));
    Box::new(Mikey::new(psks, START))
}

/// The callee's certificate is pinned; the caller's is under an authority.
fn rsa(me: &Identity) -> Box<dyn Keying> {
    let mut certs = of_files(me);
    if me.as_str().contains("alice") {
        let bob = Certificate::read(include_bytes!("../../tests/data/certs/bob.pem")).expect("a certificate").remove(0);
        certs.pin(Identity::new("sip:bob@example.org"), bob);
    }
    Box::new(Mikey::new(Credentials { certs, ..Credentials::default() }, START))
}

/// Nothing but an authority.
fn reversed(me: &Identity) -> Box<dyn Keying> {
    Box::new(Mikey::new(Credentials { certs: of_files(me), ..Credentials::default() }, START))
}

fn of_files(me: &Identity) -> CertStore {
    let [own, key] = match me.as_str() {
        "sip:alice@example.org" => [
            include_bytes!("../../tests/data/certs/alice.pem").as_slice(),
            include_bytes!("../../tests/data/certs/alice.key"),
        ],
        _ => [
            include_bytes!("../../tests/data/certs/bob.pem").as_slice(),
            include_bytes!("../../tests/data/certs/bob.key"),
        ],
    };
    store(own, key, include_bytes!("../../tests/data/certs/ca.pem"))
}

/// An authority's certificate, and a certificate and a key for each name, in PEM.
type Issued = (String, BTreeMap<String, (String, String)>);

/// Certificates on P-256, made once.
fn ecdsa(me: &Identity) -> Box<dyn Keying> {
    static MADE: OnceLock<Issued> = OnceLock::new();
    let (ca, users) = MADE.get_or_init(|| {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().expect("a key"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::from_params(&params, &key);
        let user = |uri: &str| {
            let (mut params, key) = (CertificateParams::default(), KeyPair::generate().expect("a key"));
            params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("ASCII"))];
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            (uri.to_owned(), (certificate.pem(), key.serialize_pem()))
        };
        (ca, BTreeMap::from(["sip:alice@example.org", "sip:bob@example.org"].map(user)))
    });
    let (own, key) = &users[me.as_str()];
    certified(own.as_bytes(), key.as_bytes(), ca.as_bytes())
}

fn certified(own: &[u8], key: &[u8], ca: &[u8]) -> Box<dyn Keying> {
    Box::new(Mikey::new(Credentials { certs: store(own, key, ca), ..Credentials::default() }, START))
}

fn store(own: &[u8], key: &[u8], ca: &[u8]) -> CertStore {
    let mut certs = CertStore::default();
    let (chain, key) = (Certificate::read(own).expect("a certificate"), PrivateKey::read(key).expect("a key"));
    certs.add_own(chain, key).expect("they belong together");
    certs.trust(Certificate::read(ca).expect("a certificate").remove(0));
    certs
}
