//! Whose certificates are accepted, and what is said of the others.

mod pki;

use keyphone_keying::identity::{Trusted, Use};
use keyphone_keying::{CertError, CertStore, Certificate, Error, How, Identity};
use keyphone_media::env::NtpTime;
use pki::{Ca, Wish, ec, rsa, self_signed};
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use std::time::Duration;

fn alice() -> Identity {
    Identity::new("sip:alice@example.org")
}

/// The first of July of a year, more or less.
fn in_year(year: u64) -> NtpTime {
    NtpTime::from_unix(Duration::from_secs((year - 1970) * 31_556_952 + 15_778_476))
}

const NOW: u64 = 2026;

fn trusting(anchor: &Ca) -> CertStore {
    let mut store = CertStore::default();
    store.trust(anchor.certificate.clone());
    store
}

fn verify(store: &CertStore, chain: &[Certificate]) -> Result<Trusted, CertError> {
    store.verify(chain, Some(&alice()), Use::Signing, in_year(NOW))
}

fn reason(store: &CertStore, chain: &[Certificate]) -> String {
    verify(store, chain).unwrap_err().to_string()
}

#[test]
fn a_certificate_is_accepted_for_its_names_under_an_anchor_that_is_trusted() {
    let (ca, (key, _)) = (Ca::new("ours"), rsa());
    let store = trusting(&ca);
    let leaf = ca.issue(&key, &Wish { uris: &["sip:alice@example.org", "sip:al@example.org"], ..Wish::default() });
    let trusted = verify(&store, std::slice::from_ref(&leaf)).unwrap();
    assert_eq!((trusted.who(), trusted.how(), trusted.certificate()), (&alice(), How::Certificate, &leaf));
    let claim = |claim: Option<&str>| {
        store.verify(std::slice::from_ref(&leaf), claim.map(Identity::new).as_ref(), Use::Signing, in_year(NOW))
    };
    assert_eq!(claim(Some("sip:al@example.org")).unwrap().who().as_str(), "sip:al@example.org");
    assert_eq!(claim(None).unwrap().who(), &alice(), "the first name, if it claims none");
    let wrong = claim(Some("sip:bob@example.org")).unwrap_err();
    let text = "sip:bob@example.org is not in the certificate, which is for sip:alice@example.org, sip:al@example.org";
    assert_eq!(wrong.to_string(), text);
    assert!(Error::from(wrong).to_string().contains("RFC 5922 section 7.1"));
}

#[test]
fn a_chain_leads_over_authorities_in_between_in_any_order() {
    let (root, (key, _)) = (Ca::new("root"), rsa());
    let (store, middle) = (trusting(&root), root.below("middle", (2020, 2040)));
    let lower = middle.below("lower", (2020, 2040));
    let leaf = lower.issue(&key, &Wish::default());
    let (middle, lower) = (middle.certificate.clone(), lower.certificate.clone());
    assert!(verify(&store, &[leaf.clone(), lower.clone(), middle.clone()]).is_ok());
    assert!(verify(&store, &[leaf.clone(), middle.clone(), lower.clone()]).is_ok());
    assert!(reason(&store, &[leaf.clone(), lower.clone()]).contains("CN=lower, which is none that we trust"));
    let long = vec![leaf; CertStore::MAX_CHAIN + 1];
    assert!(reason(&store, &long).contains("more than 6"));
    assert!(reason(&store, &[]).contains("there is none"));
}

#[test]
fn each_check_that_fails_is_named() {
    let (ca, (key, _)) = (Ca::new("ours"), rsa());
    let store = trusting(&ca);
    let refused = |wish: Wish<'_>| reason(&store, &[ca.issue(&key, &wish)]);
    let past = refused(Wish { years: (2020, 2025), ..Wish::default() });
    assert_eq!(past, "the certificate of sip:alice@example.org expired at Jan  1 00:00:00 2025 +00:00");
    assert!(refused(Wish { years: (2030, 2035), ..Wish::default() }).contains("valid from Jan  1 00:00:00 2030"));
    let encipher = [KeyUsagePurpose::KeyEncipherment];
    assert!(refused(Wish { uses: &encipher, ..Wish::default() }).ends_with("is not for signatures"));
    let code = [ExtendedKeyUsagePurpose::CodeSigning];
    assert!(refused(Wish { purposes: &code, ..Wish::default() }).ends_with("is not for SIP"));
    let stranger = Ca::new("stranger");
    let leaf = stranger.issue(&key, &Wish::default());
    assert!(reason(&store, std::slice::from_ref(&leaf)).ends_with("CN=stranger, which is none that we trust"));
    let double = Ca::new("ours");
    assert!(
        reason(&store, &[double.issue(&key, &Wish::default())]).contains("does not verify"),
        "the name is not enough"
    );
    let nobody = ca.issue(&key, &Wish { uris: &[], ..Wish::default() });
    let nobody = store.verify(&[nobody], None, Use::Signing, in_year(NOW)).unwrap_err();
    assert!(nobody.to_string().contains("no SIP identity"), "{nobody}");
    let late = ca.below("late", (2020, 2022));
    let leaf = late.issue(&key, &Wish::default());
    assert!(reason(&store, &[leaf, late.certificate.clone()]).contains("issuers' certificates has expired"));
}

#[test]
fn a_purpose_that_fits_sip_is_accepted() {
    let (ca, (key, _)) = (Ca::new("ours"), rsa());
    let sip = || ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 20]);
    for purpose in [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Any, sip()] {
        let purposes = [ExtendedKeyUsagePurpose::CodeSigning, purpose];
        let leaf = ca.issue(&key, &Wish { purposes: &purposes, ..Wish::default() });
        verify(&trusting(&ca), &[leaf]).unwrap();
    }
}

#[test]
fn what_is_revoked_is_refused_and_a_list_that_is_out_of_date_lets_nobody_pass() {
    let (ca, (key, _)) = (Ca::new("ours"), rsa());
    let leaf = ca.issue(&key, &Wish::default());
    let mut store = trusting(&ca);
    store.revoke(ca.list(&[8], NOW as i32));
    verify(&store, std::slice::from_ref(&leaf)).unwrap();
    let mut store = trusting(&ca);
    store.revoke(ca.list(&[8, 7], NOW as i32));
    assert_eq!(reason(&store, std::slice::from_ref(&leaf)), "the certificate of sip:alice@example.org is revoked");
    let mut store = trusting(&ca);
    store.revoke(ca.list(&[8], 2024));
    assert!(reason(&store, std::slice::from_ref(&leaf)).contains("out of date"));
    let mut store = trusting(&ca);
    store.revoke(Ca::new("somebody else").list(&[7], NOW as i32));
    verify(&store, &[leaf]).unwrap();
}

#[test]
fn a_pinned_certificate_may_be_self_signed_and_shuts_out_all_others_of_that_name() {
    let (ca, (key, _), (other, _)) = (Ca::new("ours"), rsa(), ec());
    let pinned = self_signed(&key, &Wish { uris: &[], ..Wish::default() });
    let mut store = trusting(&ca);
    assert!(verify(&store, std::slice::from_ref(&pinned)).is_err());
    store.pin(alice(), pinned.clone());
    let trusted = verify(&store, std::slice::from_ref(&pinned)).unwrap();
    assert_eq!((trusted.who(), trusted.how()), (&alice(), How::Pinned));
    assert_eq!(store.of_peer(&alice(), Use::Enciphering, in_year(NOW)).unwrap().certificate(), &pinned);
    let issued = ca.issue(&other, &Wish::default());
    assert!(reason(&store, &[issued]).contains("another certificate is pinned for sip:alice@example.org"));
    let bob = Identity::new("sip:bob@example.org");
    let claimed = store.verify(std::slice::from_ref(&pinned), Some(&bob), Use::Signing, in_year(NOW)).unwrap_err();
    assert!(claimed.to_string().starts_with("sip:bob@example.org is not in the certificate"));
    let none = store.of_peer(&bob, Use::Enciphering, in_year(NOW)).unwrap_err();
    assert!(none.to_string().contains("no certificate of sip:bob@example.org: give one with --peer-cert"), "{none}");
}

#[test]
fn a_pinned_certificate_expires_and_is_revoked_like_any_other() {
    let (ca, (key, _)) = (Ca::new("ours"), rsa());
    let leaf = ca.issue(&key, &Wish::default());
    let mut store = CertStore::default();
    store.pin(alice(), leaf.clone());
    verify(&store, std::slice::from_ref(&leaf)).unwrap();
    let late = store.verify(std::slice::from_ref(&leaf), None, Use::Signing, in_year(2041)).unwrap_err();
    assert!(matches!(late, CertError::Expired(..)));
    assert!(store.of_peer(&alice(), Use::Signing, in_year(2041)).is_err());
    store.revoke(ca.list(&[7], NOW as i32));
    assert!(reason(&store, std::slice::from_ref(&leaf)).ends_with("is revoked"));
}

#[test]
fn our_own_certificate_needs_its_own_key() {
    let (ca, (key, private), (_, other)) = (Ca::new("ours"), rsa(), ec());
    let leaf = ca.issue(&key, &Wish::default());
    let mut store = CertStore::default();
    assert!(store.signer().unwrap_err().to_string().contains("--cert FILE"));
    assert!(store.add_own(vec![leaf.clone()], other).unwrap_err().to_string().contains("belong together"));
    store.add_own(vec![leaf.clone(), ca.certificate.clone()], private).unwrap();
    assert_eq!(store.signer().unwrap().chain(), [leaf], "the root is left out");
    assert_eq!(store.openers().count(), 1);
    assert!(!format!("{store:?}").contains("PRIVATE"));
}
