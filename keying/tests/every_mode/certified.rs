//! Whom a side talks to: other keys, other names, certificates that are good for nothing.

use crate::modes::{self, ALICE, BOB, Case, MALLORY, Proves, shared, stranger};
use crate::pki::{Holder, root};
use crate::side::*;
use keyphone_keying::mikey::wire::ErrorNo;
use keyphone_keying::{Credentials, Expect, Identity, Psk};

/// Alice with this certificate of her own.
fn alice_with(case: &Case, own: Holder) -> Side {
    let mut credentials = Credentials::default();
    case.certified(&mut credentials, own, BOB);
    side(case, (ALICE, BOB), credentials, 0xa11ce)
}

fn bob_with(case: &Case, own: Holder) -> Side {
    let mut credentials = Credentials::default();
    case.certified(&mut credentials, own, ALICE);
    side(case, (BOB, ALICE), credentials, 0xb0b)
}

/// Certificates that are no good, and what is said of each.
fn bad(case: &Case, who: &str) -> Vec<(&'static str, Holder)> {
    let rsa = case.is_rsa();
    vec![
        ("expired", root().issue_for(who, rsa, (2020, 2024), 8)),
        ("and no earlier", root().issue_for(who, rsa, (2030, 2040), 8)),
        ("is not in the certificate", root().issue(MALLORY, rsa)),
        ("none that we trust", stranger().issue(who, rsa)),
    ]
}

#[test]
fn a_caller_with_a_bad_certificate_is_refused_with_the_reason() {
    for case in modes::all().into_iter().filter(Case::has_certificates) {
        for (reason, own) in bad(&case, ALICE) {
            let mut alice = alice_with(&case, own);
            let (result, out) = alice.try_offer();
            assert!(keys(&out).is_empty() || case.early);
            let (why, error) = bob(&case).refuse(&result.unwrap().0);
            assert!(why.contains(reason), "{}, {reason}: {why}", case.name);
            assert_eq!(message(&error.unwrap()).many::<ErrorNo>().collect::<Vec<_>>(), [&ErrorNo::InvalidCert]);
        }
    }
}

#[test]
fn a_callee_with_a_bad_certificate_is_refused_with_the_reason() {
    // In the public-key method the caller knows the callee's certificate, and no other opens the envelope.
    for case in modes::all().into_iter().filter(|case| case.has_certificates() && case.proves != Proves::Pinned) {
        for (reason, own) in bad(&case, BOB) {
            let (mut alice, _) = pair(&case);
            let (offer, offered, _) = alice.offer();
            let answer = bob_with(&case, own).accept(&offer).0;
            let why = alice.reject(&*offered, &answer);
            assert!(why.contains(reason), "{}, {reason}: {why}", case.name);
        }
    }
}

#[test]
fn a_revoked_certificate_is_refused_on_either_side() {
    for case in modes::all().into_iter().filter(Case::has_certificates) {
        let revoked = |who| root().issue_for(who, case.is_rsa(), (2020, 2040), 99);
        let checking = |me, peer| {
            let mut credentials = case.credentials(me, peer);
            credentials.certs.revoke(root().revokes(99));
            side(&case, (me, peer), credentials, 0xc)
        };
        let (why, _) = checking(BOB, ALICE).refuse(&alice_with(&case, revoked(ALICE)).offer().0);
        assert!(why.contains("revoked"), "{}: {why}", case.name);
        if case.proves != Proves::Pinned {
            let mut alice = checking(ALICE, BOB);
            let (offer, offered, _) = alice.offer();
            let why = alice.reject(&*offered, &bob_with(&case, revoked(BOB)).accept(&offer).0);
            assert!(why.contains("revoked"), "{}: {why}", case.name);
        }
    }
}

#[test]
fn another_key_proves_nothing_on_either_side() {
    for case in modes::all().into_iter().filter(|case| case.proves == Proves::SharedKey) {
        let other = |me, peer| {
            let credentials = Credentials { psks: shared(peer, b"not sixteen octs"), ..Credentials::default() };
            side(&case, (me, peer), credentials, 0xc)
        };
        let (mut alice, _) = pair(&case);
        let (offer, _, _) = alice.offer();
        let (why, error) = other(BOB, ALICE).refuse(&offer);
        assert!(why.contains("does not verify"), "{}: {why}", case.name);
        assert!(error.is_some(), "{}: the peer is told, and no more than that", case.name);
    }
}

#[test]
fn an_offer_for_another_is_not_ours() {
    for case in modes::all() {
        let (mut alice, mut carol) = pair(&case);
        // MIKEY-RSA-R names whom it is for only where nobody else will do (RFC 4738 section 3.4).
        alice.policy.expect = Expect::Exactly;
        carol.me = Identity::new("sip:carol@example.org"); // somebody retargeted the call
        let (why, _) = carol.refuse(&alice.offer().0);
        assert!(why.contains("is for sip:bob@example.org and we are sip:carol@example.org"), "{}: {why}", case.name);
        assert!(why.contains("RFC 3830 section 9.5"), "{}: {why}", case.name);
    }
}

/// Mallory, whose credentials are good, and bob, who knows both mallory and alice.
fn mallory_and_bob(case: &Case) -> (Side, Side) {
    const THEIRS: &[u8] = b"mallory and bob.";
    let (mut own, mut bobs) = (case.credentials(MALLORY, BOB), case.credentials(BOB, ALICE));
    if case.proves == Proves::SharedKey {
        own.psks = shared(BOB, THEIRS);
        bobs.psks.insert(Some(Identity::new(MALLORY)), Psk::new(THEIRS.to_vec()).unwrap());
    }
    (side(case, (MALLORY, BOB), own, 3), side(case, (BOB, ALICE), bobs, 0xb0b))
}

#[test]
fn who_is_proven_and_not_expected_gets_no_key() {
    for case in modes::all() {
        let (mut mallory, mut bob) = mallory_and_bob(&case);
        bob.policy.expect = Expect::Exactly; // and SIP names alice
        let (why, _) = bob.refuse(&mallory.offer().0);
        assert!(why.contains("which policy does not accept here"), "{}: {why}", case.name);
    }
}

#[test]
fn nobody_can_use_their_own_credentials_under_another_name() {
    for case in modes::all().into_iter().filter(|case| !case.is_null()) {
        let (mut mallory, mut bob) = mallory_and_bob(&case);
        mallory.me = Identity::new(ALICE);
        let (why, _) = bob.refuse(&mallory.offer().0);
        assert!(why.contains("does not verify") || why.contains("is not in the certificate"), "{}: {why}", case.name);
    }
}
