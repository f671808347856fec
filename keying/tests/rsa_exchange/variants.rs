//! What two sides may agree on otherwise than by default.

use crate::pki::{Ca, Wish, ec, rsa, self_signed};
use crate::support::*;
use keyphone_keying::crypto::Envelope;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::wire::{Cert, CertType, Chash, EncrAlg, MacAlg, Sign, SignType};
use keyphone_keying::{CertStore, How};
use rcgen::KeyUsagePurpose;

/// Alice calls bob, and the envelope between them cannot be opened: says why.
fn unopened(alice: &mut Side, bob: &mut Side) -> String {
    let (offer, offered, _) = alice.offer();
    if alice.policy.mikey.offer == ModeName::Rsa {
        return bob.refuse(&offer).0;
    }
    let answer = bob.accept(&offer).0;
    alice.told(&mut *offered.session(), &answer).0.unwrap_err().to_string()
}

#[test]
fn the_recommended_paddings_work_on_both_sides() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let (mut alice, mut bob) = pair(mode);
        for side in [&mut alice, &mut bob] {
            side.policy.mikey.envelope = Envelope::Oaep;
            side.policy.mikey.signature = SignType::RsaPss;
        }
        assert_eq!(message(&alice.offer().0).one::<Sign>().unwrap().s_type, SignType::RsaPss);
        calls(&mut alice, &mut bob);
        // A signature says what it is; an envelope does not.
        bob.policy.mikey.signature = SignType::RsaPkcs1;
        calls(&mut alice, &mut bob);
        bob.policy.mikey.envelope = Envelope::Pkcs1;
        let why = unopened(&mut alice, &mut bob);
        assert!(why.contains("its MAC does not verify"), "{why}");
    }
}

#[test]
fn key_data_may_be_wrapped_whatever_the_length_of_the_id() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let (mut alice, mut bob) = pair(mode);
        alice.policy.mikey.encryption = EncrAlg::AesKw128;
        bob.policy.mikey.encryption = EncrAlg::AesKw128;
        calls(&mut alice, &mut bob);
    }
}

/// RFC 3830 section 4.2.3: "the NULL MAC is RECOMMENDED to be used, as the key wrap itself will provide integrity".
#[test]
fn wrapped_key_data_needs_no_mac() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let (mut alice, mut bob) = pair(mode);
        for side in [&mut alice, &mut bob] {
            (side.policy.mikey.encryption, side.policy.mikey.mac) = (EncrAlg::AesKw128, MacAlg::Null);
        }
        calls(&mut alice, &mut bob);
        bob.policy.mikey.envelope = Envelope::Oaep;
        let why = unopened(&mut alice, &mut bob);
        assert!(why.contains("its wrapped keys do not unwrap"), "{why}");
    }
}

/// RFC 3830 section 6.7: X.509v3 Sign and X.509v3 Encr.
#[test]
fn one_certificate_may_sign_and_another_open_envelopes() {
    let ca = Ca::new("ours");
    let store = |uri: &str, pinned: Option<&CertStore>| {
        let ((signing, private), (opening, rsa)) = (ec(), rsa());
        let wish = |uses| Wish { uris: &[], uses, ..Wish::default() };
        let uris = [uri];
        let sign = [KeyUsagePurpose::DigitalSignature];
        let open = [KeyUsagePurpose::KeyEncipherment];
        let mut store = CertStore::default();
        store.add_own(vec![ca.issue(&signing, &Wish { uris: &uris, ..wish(&sign) })], private).unwrap();
        store.add_own(vec![ca.issue(&opening, &Wish { uris: &uris, ..wish(&open) })], rsa).unwrap();
        store.trust(ca.certificate.clone());
        for own in pinned.into_iter().flat_map(CertStore::openers) {
            store.pin(bob(), own.certificate().clone());
        }
        store
    };
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let callee = store("sip:bob@example.org", None);
        // Pins are exclusive, so RSA-R, where bob's signature counts, goes without.
        let pinned = (mode == ModeName::Rsa).then_some(&callee);
        let mut alice = side(alice(), bob(), mode, store("sip:alice@example.org", pinned), 1);
        let mut bob = side(bob(), crate::support::alice(), mode, callee, 2);
        let offer = message(&alice.offer().0);
        assert_eq!(offer.one::<Sign>().unwrap().s_type, SignType::Ecdsa);
        let types: Vec<_> = offer.many::<Cert>().map(|cert| cert.cert_type).collect();
        let expected = match mode {
            ModeName::Rsa => vec![CertType::X509],
            _ => vec![CertType::X509, CertType::X509Encr],
        };
        assert_eq!(types, expected);
        calls(&mut alice, &mut bob);
    }
}

#[test]
fn where_several_certificates_are_pinned_the_hash_says_which_was_meant() {
    let ca = Ca::new("ours");
    let (key, private) = rsa();
    let second = ca.issue(&key, &Wish { uris: &["sip:bob@example.org"], ..Wish::default() });
    let mut callers = store("alice");
    assert!(message(&side(alice(), bob(), ModeName::Rsa, store("alice"), 1).offer().0).one::<Chash>().is_err());
    callers.pin(bob(), second.clone());
    let mut callees = trusting();
    callees.add_own(vec![second], private).unwrap(); // its envelopes are as long as those of the right one
    let (own, key) = filed("bob");
    callees.add_own(vec![own], key).unwrap();
    let mut alice = side(alice(), bob(), ModeName::Rsa, callers, 1);
    let mut bob = side(bob(), crate::support::alice(), ModeName::Rsa, callees, 2);
    assert!(message(&alice.offer().0).one::<Chash>().is_ok());
    calls(&mut alice, &mut bob);
}

#[test]
fn what_is_missing_is_said_before_anything_is_sent() {
    let why = |mode, certs| side(alice(), bob(), mode, certs, 1).offers_nothing();
    let nobody = why(ModeName::Rsa, CertStore::default());
    assert!(nobody.contains("no certificate of our own to sign with: give one with --cert"), "{nobody}");
    let mut unpinned = trusting();
    let (own, key) = filed("alice");
    unpinned.add_own(vec![own], key).unwrap();
    let unpinned = why(ModeName::Rsa, unpinned);
    assert!(unpinned.contains("no certificate of sip:bob@example.org: give one with --peer-cert"), "{unpinned}");
    let (ca, (key, private)) = (Ca::new("ours"), ec());
    let mut elliptic = CertStore::default();
    elliptic.add_own(vec![ca.issue(&key, &Wish::default())], private).unwrap();
    let elliptic = why(ModeName::RsaR, elliptic);
    assert!(elliptic.contains("an RSA certificate of ours, and we have none"), "{elliptic}");
}

#[test]
fn an_authority_between_is_sent_along() {
    let root = Ca::new("root");
    let middle = root.below("middle", (2020, 2040));
    let (key, private) = rsa();
    let mut certs = CertStore::default();
    let chain = vec![middle.issue(&key, &Wish::default()), middle.certificate.clone(), root.certificate.clone()];
    certs.add_own(chain, private).unwrap();
    certs.pin(bob(), filed("bob").0);
    let mut alice = side(alice(), bob(), ModeName::Rsa, certs, 1);
    let mut callees = CertStore::default();
    let (own, key) = filed("bob");
    callees.add_own(vec![own], key).unwrap();
    callees.trust(root.certificate.clone());
    let mut bob = side(bob(), crate::support::alice(), ModeName::Rsa, callees, 2);
    let offer = alice.offer().0;
    assert_eq!(message(&offer).many::<Cert>().count(), 2, "without the root");
    assert_eq!(proven(&bob.accept(&offer).2), (crate::support::alice(), How::Certificate));
}

#[test]
fn certificates_that_nobody_issued_are_enough_where_each_is_pinned() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let (key, private) = rsa();
        let own = self_signed(&key, &Wish { uris: &[], ..Wish::default() });
        let mut callers = CertStore::default();
        callers.add_own(vec![own.clone()], private).unwrap();
        callers.pin(bob(), filed("bob").0);
        let mut callees = CertStore::default();
        let (cert, key) = filed("bob");
        callees.add_own(vec![cert], key).unwrap();
        callees.pin(crate::support::alice(), own);
        let mut alice = side(alice(), bob(), mode, callers, 1);
        let mut bob = side(bob(), crate::support::alice(), mode, callees, 2);
        calls(&mut alice, &mut bob);
        let offer = alice.offer().0;
        assert_eq!(proven(&bob.accept(&offer).2), (crate::support::alice(), How::Pinned));
    }
}
