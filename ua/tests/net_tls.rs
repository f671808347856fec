//! Calls over TLS on loopback: what is checked of a certificate (RFC 5922), and that each failure says which check.

mod net_world;

use keyphone_ua::event::{Outcome, Side};
use keyphone_ua::net::{Limits, Tls, TlsFiles};
use keyphone_ua::settings::{HangUp, Incoming};
use keyphone_ua::transaction::Transport;
use net_world::{Phone, run};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A CA, and files of what it made.
struct Ca {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A name of its own, or another CA would look like this one with a wrong signature.
        params.distinguished_name.push(DnType::CommonName, dir.path().display().to_string());
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.as_ref().pem()).unwrap();
        Self { dir, issuer }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A certificate for these names.
    fn certify(&self, name: &str, sans: &[SanType], change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = sans.to_vec();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// What one has who has this certificate, and trusts that CA.
    fn tls(&self, own: Option<&str>, trusts: Option<&Self>, require_client: bool) -> Tls {
        let own = own.map(|name| (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key"))));
        let own = own.as_ref().map(|(cert, key)| (cert.as_path(), key.as_path()));
        let ca = trusts.map(|ca| ca.file("ca.pem"));
        Tls::load(TlsFiles { own, ca: ca.as_deref(), require_client }).unwrap()
    }
}

fn ip(text: &str) -> SanType {
    SanType::IpAddress(text.parse().unwrap())
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

const HUNG_UP: Outcome = Outcome::Completed { by: Side::Us };

/// Alice, who trusts the CA, calls bob at this host, whose certificate is for these; why that fails.
async fn refused(net: &str, host: &str, sans: &[SanType], change: impl FnOnce(&mut CertificateParams)) -> String {
    let ca = Ca::new();
    ca.certify("bob", sans, change);
    let bob = Phone::new(&format!("127.{net}.2"), Some(ca.tls(Some("bob"), None, false)), Limits::default()).await;
    let tls = ca.tls(None, Some(&ca), false);
    let mut alice = Phone::new(&format!("127.{net}.1"), Some(tls), Limits::default()).await;
    let bob_at = bob.tls.unwrap();
    let host = host.replace("BOB", &bob_at.ip().to_string());
    alice.call(&format!("sips:bob@{host}:{}", bob_at.port()));
    let (peer, what) = alice.trouble().await;
    assert!(peer.contains(&bob_at.to_string()) && peer.contains("TLS"), "{peer}");
    let why = alice.failure().await;
    assert!(why.contains(&what), "{why}: {what}");
    what
}

#[tokio::test]
async fn a_call_to_a_sips_uri_goes_over_tls_with_certificates_of_both_sides() {
    run(async {
        let ca = Ca::new();
        ca.certify("alice", &[uri("sip:alice.example.org")], |_| {});
        ca.certify("bob", &[uri("sip:127.1.1.2")], |_| {});
        let tls = ca.tls(Some("bob"), Some(&ca), true);
        let mut bob = Phone::new("127.1.1.2", Some(tls), Limits::default()).await;
        let tls = ca.tls(Some("alice"), Some(&ca), false);
        let mut alice = Phone::new("127.1.1.1", Some(tls), Limits::default()).await;
        alice.call(&format!("sips:bob@127.1.1.2:{}", bob.tls.unwrap().port()));
        // Bob's side of the dialog needs no request of his own: the ACK and the BYE go to his sips Contact.
        assert_eq!(alice.outcome().await, HUNG_UP);
        assert_eq!(bob.outcome().await, Outcome::Completed { by: Side::Peer });
    })
    .await;
}

#[tokio::test]
async fn the_called_side_hangs_up_over_tls_at_the_callers_sips_contact() {
    run(async {
        let ca = Ca::new();
        ca.certify("alice", &[ip("127.1.12.1")], |_| {});
        ca.certify("bob", &[ip("127.1.12.2")], |_| {});
        let bobs = ca.tls(Some("bob"), Some(&ca), true);
        let mut bob = Phone::with("127.1.12.2", Some(bobs), Limits::default(), |settings| {
            let plan = net_world::plan(HangUp::After(Duration::from_millis(100)));
            settings.incoming = Incoming::Answer { after: Duration::ZERO, early: None, plan };
        })
        .await;
        let mut alice = Phone::new("127.1.12.1", Some(ca.tls(Some("alice"), Some(&ca), true)), Limits::default()).await;
        alice.call_for_good(&format!("sips:bob@127.1.12.2:{}", bob.tls.unwrap().port()));
        assert_eq!(bob.outcome().await, HUNG_UP);
        assert_eq!(alice.outcome().await, Outcome::Completed { by: Side::Peer });
    })
    .await;
}

#[tokio::test]
async fn a_name_is_proven_by_a_dns_name_and_the_connection_is_used_again() {
    run(async {
        let ca = Ca::new();
        ca.certify("bob", &[dns("localhost"), ip("127.0.0.1")], |_| {});
        let mut bob = Phone::new("127.0.0.1", Some(ca.tls(Some("bob"), None, false)), Limits::default()).await;
        let tls = ca.tls(None, Some(&ca), false);
        let mut alice = Phone::new("127.1.2.1", Some(tls), Limits::default()).await;
        for _ in 0..2 {
            alice.call(&format!("sip:bob@localhost:{};transport=tls", bob.tls.unwrap().port()));
            assert_eq!(alice.outcome().await, HUNG_UP);
            assert_eq!(bob.outcome().await, Outcome::Completed { by: Side::Peer });
        }
    })
    .await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_with_both_names() {
    run(async {
        let why = refused("1.3", "BOB", &[uri("sip:example.org"), ip("127.1.3.9")], |_| {}).await;
        assert_eq!(why, "its certificate is for example.org, 127.1.3.9 and not for 127.1.3.2 (RFC 5922 section 7.3)");
        // A wildcard is for nobody.
        let why = refused("1.4", "BOB", &[dns("*.example.org")], |_| {}).await;
        assert!(why.starts_with("its certificate is for *.example.org and not for 127.1.4.2"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused_as_such() {
    run(async {
        let old = |params: &mut CertificateParams| {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        };
        let why = refused("1.5", "BOB", &[ip("127.1.5.2")], old).await;
        assert!(why.starts_with("its certificate has expired"), "{why}");
        let why = refused("1.6", "BOB", &[ip("127.1.6.2")], |p| p.not_before = date_time_ymd(4000, 1, 1)).await;
        assert!(why.starts_with("its certificate is not valid yet"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn a_certificate_for_another_purpose_is_refused_as_such() {
    run(async {
        let clients = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        };
        let why = refused("1.7", "BOB", &[ip("127.1.7.2")], clients).await;
        assert!(why.starts_with("its certificate is for another purpose"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_a_ca_that_nobody_trusts_is_refused_as_such() {
    run(async {
        let (ca, other) = (Ca::new(), Ca::new());
        ca.certify("bob", &[ip("127.1.8.2")], |_| {});
        let bob = Phone::new("127.1.8.2", Some(ca.tls(Some("bob"), None, false)), Limits::default()).await;
        let mut alice = Phone::new("127.1.8.1", Some(ca.tls(None, Some(&other), false)), Limits::default()).await;
        alice.call(&format!("sips:bob@127.1.8.2:{}", bob.tls.unwrap().port()));
        let why = alice.failure().await;
        assert!(why.contains("its certificate is not from a CA that we trust"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn a_phone_that_requires_certificates_tells_who_has_none_and_who_has_the_wrong_one() {
    run(async {
        let (ca, other) = (Ca::new(), Ca::new());
        ca.certify("bob", &[ip("127.1.9.2")], |_| {});
        other.certify("alice", &[uri("sip:alice.example.org")], |_| {});
        let tls = ca.tls(Some("bob"), Some(&ca), true);
        let mut bob = Phone::new("127.1.9.2", Some(tls), Limits::default()).await;
        let bob_uri = format!("sips:bob@127.1.9.2:{}", bob.tls.unwrap().port());
        let mut alice = Phone::new("127.1.9.1", Some(ca.tls(None, Some(&ca), false)), Limits::default()).await;
        alice.call(&bob_uri);
        let why = alice.failure().await;
        assert!(why.contains("it requires a certificate of us"), "{why}");
        assert_eq!(bob.trouble().await.1, "it shows no certificate, and we require one");
        let mut mallory =
            Phone::new("127.1.9.3", Some(other.tls(Some("alice"), Some(&ca), false)), Limits::default()).await;
        mallory.call(&bob_uri);
        let why = mallory.failure().await;
        assert!(why.contains("it does not trust the CA of our certificate"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_was_checked_for_one_name_is_not_used_for_another() {
    run(async {
        let ca = Ca::new();
        ca.certify("bob", &[dns("localhost")], |_| {});
        let bob = Phone::new("127.0.0.1", Some(ca.tls(Some("bob"), None, false)), Limits::default()).await;
        let port = bob.tls.unwrap().port();
        let mut alice = Phone::new("127.1.10.1", Some(ca.tls(None, Some(&ca), false)), Limits::default()).await;
        // The first INVITE arrives; what the dialog says next names the address, and that is not proven.
        alice.call(&format!("sip:bob@localhost:{port};transport=tls"));
        alice.wait(|event| matches!(event, keyphone_ua::event::Event::Answered { .. }).then_some(())).await;
        alice.call(&format!("sips:bob@127.0.0.1:{port}"));
        let (peer, what) = alice.trouble().await;
        assert!(peer.starts_with("127.0.0.1 at 127.0.0.1"), "{peer}");
        assert_eq!(what, "its certificate is for localhost and not for 127.0.0.1 (RFC 5922 section 7.3)");
    })
    .await;
}

#[tokio::test]
async fn whoever_does_not_speak_tls_is_told_apart() {
    run(async {
        let ca = Ca::new();
        let bob = Phone::new("127.1.11.2", None, Limits::default()).await;
        let mut alice = Phone::new("127.1.11.1", Some(ca.tls(None, Some(&ca), false)), Limits::default()).await;
        alice.call(&format!("sips:bob@127.1.11.2:{}", bob.sip.port()));
        // Our ClientHello is no SIP message: bob gives it up when it has not become one.
        let why = alice.failure().await;
        assert!(why.contains("cannot be reached over TLS"), "{why}");
        // Without a CA nobody is called over TLS at all.
        let mut carol = Phone::new("127.1.11.3", None, Limits::default()).await;
        carol.call("sips:bob@127.1.11.2");
        assert!(carol.failure().await.contains("it asks for TLS, which is not set up here"));
        carol.call_at(bob.sip, Transport::Tls);
        assert!(carol.failure().await.contains("TLS"));
    })
    .await;
}

#[test]
fn files_that_hold_something_else_are_named_and_not_quoted() {
    let ca = Ca::new();
    ca.certify("bob", &[dns("example.org")], |_| {});
    let (cert, key, other) = (ca.file("bob.pem"), ca.file("bob.key"), ca.file("ca.pem"));
    let (none, carols) = (ca.file("none.pem"), ca.file("carol.key"));
    let load = |cert, key, ca| Tls::load(TlsFiles { own: Some((cert, key)), ca, require_client: false }).unwrap_err();
    assert!(load(&key, &key, None).ends_with("bob.key holds no certificate in PEM"));
    assert!(load(&cert, &cert, None).ends_with("bob.pem holds no private key in PEM"));
    assert!(load(&cert, &key, Some(&none)).contains("none.pem cannot be read"));
    // A key that is not the certificate's.
    ca.certify("carol", &[dns("example.org")], |_| {});
    assert!(load(&cert, &carols, Some(&other)).contains("the certificate in"));
}
