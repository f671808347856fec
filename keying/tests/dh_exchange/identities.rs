//! Who the peer is, as its certificate says or its key.

use crate::support::*;
use keyphone_keying::mikey::wire::{Id, Payload};
use keyphone_keying::{CertStore, Certificate, Credentials, Expect, How, Identity, Output, Psk, PskStore};

fn proven(out: &[Output]) -> (&str, How) {
    let peer = out.iter().find_map(|output| if let Output::Peer(peer) = output { Some(peer) } else { None });
    let peer = peer.expect("the peer is named");
    (peer.proven.as_str(), peer.how)
}

fn forged() -> Forged {
    let offer = message(&naming(Kind::Sign).offer().0);
    Forged::of(Kind::Sign, ALICE, &offer, &offer)
}

#[test]
fn who_says_to_be_somebody_else_than_the_certificate_is_refused() {
    let mut forged = forged();
    let idi = forged.find("ID", 0);
    forged.payloads[idi] = Id::uri("sip:carol@example.org").into();
    let (why, error) = pair(Kind::Sign).1.refuse(&forged.lines());
    assert!(why.contains("sip:carol@example.org is not in the certificate"), "{why}");
    assert!(format!("{:?}", message(&error.unwrap())).contains("InvalidCert"));
}

#[test]
fn without_an_id_the_certificate_says_who_it_is_whoever_sip_names() {
    let mut forged = forged();
    forged.payloads.remove(forged.find("ID", 0));
    for named in [ALICE, "sip:anonymous@anonymous.invalid"] {
        let mut bob = pair(Kind::Sign).1;
        bob.peer = Identity::new(named);
        let (_, _, out) = bob.accept(&forged.lines());
        assert_eq!(proven(&out), (ALICE, How::Certificate), "{named}");
    }
    // A single ID behind the certificate is IDr; before it, it would be IDi.
    let (idr, cert) = (forged.find("ID", 0), forged.find("CERT", 0));
    forged.payloads[idr] = Id::uri("sip:carol@example.org").into();
    assert!(pair(Kind::Sign).1.refuse(&forged.lines()).0.contains("is for sip:carol@example.org"));
    forged.payloads.swap(idr, cert);
    assert!(pair(Kind::Sign).1.refuse(&forged.lines()).0.contains("not in the certificate"));
}

#[test]
fn somebody_else_who_answers_is_named_and_taken_only_if_policy_says_so() {
    for (expect, taken) in [(Expect::Exactly, false), (Expect::SameDomain, true), (Expect::Certified, true)] {
        let mut alice = pair(Kind::Sign).0;
        alice.peer = Identity::new("sip:office@example.org");
        alice.policy.expect = expect;
        let (offer, offered, _) = alice.offer();
        // Bob answers for the office: that is who the message was for.
        let mut bob = pair(Kind::Sign).1;
        bob.me = Identity::new("sip:office@example.org");
        let mut answer = Forged::of(Kind::Sign, BOB, &message(&bob.accept(&offer).0), &message(&offer));
        let idr = answer.find("ID", 0);
        let claims = answer.clone();
        answer.payloads[idr] = Id::uri(BOB).into();
        let (result, out) = alice.told(&mut *offered.session(), &answer.lines());
        assert_eq!((result.is_ok(), proven(&out)), (taken, (BOB, How::Certificate)), "{expect:?}");
        assert_eq!(!keys(&out).is_empty(), taken);
        // What his certificate does not name, he must not say to be.
        let why = alice.told(&mut *offered.session(), &claims.lines()).0.unwrap_err().to_string();
        assert!(why.contains("sip:office@example.org is not in the certificate"), "{why}");
    }
}

#[test]
fn a_pinned_certificate_need_not_be_sent_nor_issued_by_anybody() {
    let pinned = |whose: &str, me: &str| {
        let (mut certs, (chain, key)) = (CertStore::default(), own(me));
        certs.add_own(chain, key).unwrap();
        certs.pin(Identity::new(whose), own(whose).0.remove(0));
        Credentials { certs, ..Credentials::default() }
    };
    let mut forged = forged();
    for cert in [true, false] {
        if !cert {
            forged.payloads.retain(|payload| !matches!(payload, Payload::Cert(_)));
        }
        let mut bob = side(Kind::Sign, BOB, ALICE, pinned(ALICE, BOB), 7);
        assert_eq!(proven(&bob.accept(&forged.lines()).2), (ALICE, How::Pinned));
        let mut stranger = side(Kind::Sign, BOB, ALICE, pinned(BOB, BOB), 7);
        let (why, _) = stranger.refuse(&forged.lines());
        assert!(why.contains(if cert { "none that we trust" } else { "no certificate of" }), "{why}");
    }
    // Without IDs, too: then it is whom SIP names.
    forged.payloads.retain(|payload| !matches!(payload, Payload::Id(_)));
    let mut bob = side(Kind::Sign, BOB, ALICE, pinned(ALICE, BOB), 8);
    assert_eq!(proven(&bob.accept(&forged.lines()).2), (ALICE, How::Pinned));
}

#[test]
fn an_expired_certificate_or_one_of_a_stranger_is_refused_in_either_message() {
    let (offer, offered, _) = pair(Kind::Sign).0.offer();
    let answer = pair(Kind::Sign).1.accept(&offer).0;
    let strangers = |me| {
        let (mut certs, (chain, key)) = (CertStore::default(), own(me));
        certs.add_own(chain, key).unwrap();
        Credentials { certs, ..Credentials::default() }
    };
    let (why, _) = side(Kind::Sign, BOB, ALICE, strangers(BOB), 1).refuse(&offer);
    assert!(why.contains("none that we trust"), "{why}");
    let mut late = pair(Kind::Sign).0;
    // 2055, in NTP's next era: the certificates are good to 2050.
    late.now = at(29 * 365 * 86_400);
    let why = late.told(&mut *offered.session(), &answer).0.unwrap_err().to_string();
    assert!(why.contains("expired"), "{why}");
}

/// A key that is everybody's does not say who its holder is; one that is a peer's own does.
#[test]
fn who_holds_a_peers_own_key_is_that_peer() {
    let offer = message(&pair(Kind::Hmac).0.offer().0);
    let mut forged = Forged::of(Kind::Hmac, ALICE, &offer, &offer);
    let idi = forged.find("ID", 0);
    forged.payloads[idi] = Id::uri("sip:carol@example.org").into();
    assert!(pair(Kind::Hmac).1.refuse(&forged.lines()).0.contains("share no key with sip:carol@example.org"));
    let mut psks = PskStore::default();
    psks.insert(None, Psk::new(b"sixteen octets!!".to_vec()).unwrap());
    let mut bob = side(Kind::Hmac, BOB, ALICE, psks.into(), 1);
    assert_eq!(proven(&bob.accept(&forged.lines()).2), ("sip:carol@example.org", How::SharedKey));

    let (mut alice, mut bob) = pair(Kind::Hmac);
    let (offer, offered, _) = alice.offer();
    let mut answer = Forged::of(Kind::Hmac, BOB, &message(&bob.accept(&offer).0), &message(&offer));
    let idr = answer.find("ID", 0);
    answer.payloads[idr] = Id::uri("sip:mallory@example.org").into();
    let why = alice.told(&mut *offered.session(), &answer.lines()).0.unwrap_err().to_string();
    assert!(why.contains("says to be sip:mallory@example.org under the key of"), "{why}");
    let _: Vec<Certificate> = own(BOB).0;
}
