//! Messages that a Responder must not take.

use crate::pki::{Ca, Wish, rsa};
use crate::support::*;
use keyphone_keying::crypto::Envelope;
use keyphone_keying::identity::Use;
use keyphone_keying::mikey::MikeyPolicy;
use keyphone_keying::mikey::mode::ModeName;
use keyphone_keying::mikey::signing;
use keyphone_keying::mikey::wire::{Cert, Chash, Draft, ErrorNo, HashFunc, Id, Kemac, MacAlg, Message, Payload, Pke};
use keyphone_keying::{CertStore, Lines};

/// The message with its payloads changed, signed anew by whoever holds that.
fn resigned(message: &Message, signer: &CertStore, change: impl FnMut(Payload) -> Vec<Payload>) -> Lines {
    let payloads = message.parts().iter().map(|part| part.payload.clone());
    let unsigned = payloads.filter(|payload| !matches!(payload, Payload::Sign(_)));
    let draft = unsigned.flat_map(change).fold(Draft::new(message.hdr()), Draft::push);
    lines(&signing::sign(draft, signer.signer().unwrap(), &MikeyPolicy::default(), &[]).unwrap())
}

#[test]
fn each_fault_of_the_callers_certificate_is_named_and_no_key_comes_out() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let ca = Ca::new("ours");
        let why = |wish: Wish<'_>, ca: &Ca, revoked: &[u64]| {
            let (key, private) = rsa();
            let mut certs = CertStore::default();
            certs.add_own(vec![ca.issue(&key, &wish)], private).unwrap();
            certs.pin(bob(), filed("bob").0);
            let offer = side(alice(), bob(), mode, certs, 1).offer().0;
            let mut callee = CertStore::default();
            let (own, key) = filed("bob");
            callee.add_own(vec![own], key).unwrap();
            callee.trust(ca.certificate.clone());
            if !revoked.is_empty() {
                callee.revoke(ca.list(revoked, 2025));
            }
            side(bob(), alice(), mode, callee, 2).refuse(&offer).0
        };
        let expired = why(Wish { years: (2020, 2025), ..Wish::default() }, &ca, &[]);
        assert!(expired.contains("sip:alice@example.org expired at Jan  1 00:00:00 2025"), "{expired}");
        let early = why(Wish { years: (2030, 2035), ..Wish::default() }, &ca, &[]);
        assert!(early.contains("valid from"), "{early}");
        let revoked = why(Wish::default(), &ca, &[7]);
        assert!(revoked.contains("is revoked (RFC 5280 section 6.1.3)"), "{revoked}");
        let other = why(Wish { uris: &["sip:mallory@example.org"], ..Wish::default() }, &ca, &[]);
        assert!(other.contains("sip:alice@example.org is not in the certificate"), "{other}");
    }
}

#[test]
fn a_stranger_is_not_let_in_and_the_error_message_says_that_it_is_the_certificate() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let (mut caller, _) = pair(mode);
        let (offer, offered, _) = caller.offer();
        let (own, key) = filed("bob");
        let mut certs = CertStore::default();
        certs.add_own(vec![own], key).unwrap();
        let (why, error) = side(bob(), alice(), mode, certs, 2).refuse(&offer);
        assert!(why.contains("CN=keyphone test CA, which is none that we trust"));
        let hint = offered.refused(&error.unwrap()).unwrap().to_string();
        assert!(hint.contains("certificate not supported") || hint.contains("Invalid Cert"), "{hint}");
    }
}

#[test]
fn a_message_for_somebody_else_is_refused() {
    let (mut caller, _) = pair(ModeName::Rsa);
    let offer = caller.offer().0;
    let mut carol = side(carol(), alice(), ModeName::Rsa, store("bob"), 3);
    let why = carol.refuse(&offer).0;
    assert!(why.contains("for sip:bob@example.org and we are sip:carol@example.org"), "{why}");

    // Without IDr it gets as far as the envelope: that one is for bob (RFC 3830 section 9.5).
    let no_idr = resigned(&message(&offer), &store("alice"), |payload| match payload {
        Payload::Id(id) if id.data == b"sip:bob@example.org" => vec![],
        other => vec![other],
    });
    let (ca, (key, private)) = (Ca::new("ours"), rsa());
    let mut certs = trusting();
    let own = ca.issue(&key, &Wish { uris: &["sip:carol@example.org"], ..Wish::default() });
    certs.add_own(vec![own], private).unwrap();
    let why = side(crate::support::carol(), alice(), ModeName::Rsa, certs, 3).refuse(&no_idr).0;
    assert!(why.contains("its MAC does not verify: the envelope is not for us"), "{why}");
    let (answer, ..) = pair(ModeName::Rsa).1.accept(&no_idr);
    assert_eq!(answer.0.len(), 1, "bob takes it all the same");
}

/// Bleichenbacher's attack needs an oracle: what is wrong with an envelope must not be seen.
#[test]
fn a_broken_envelope_and_a_wrong_key_and_a_wrong_mac_are_one_and_the_same() {
    let (mut caller, _) = pair(ModeName::Rsa);
    let offer = message(&caller.offer().0);
    let to = store("alice").of_peer(&bob(), Use::Enciphering, at(1).ntp).unwrap();
    let other_key = to.key().encrypt(Envelope::Pkcs1, b"another envelope").unwrap();
    let oaep = to.key().encrypt(Envelope::Oaep, b"another envelope").unwrap();
    let empty = to.key().encrypt(Envelope::Pkcs1, b"").unwrap();
    let mut reasons = vec![];
    for data in [vec![0; 256], vec![0xff; 256], other_key, oaep, empty] {
        let sealed = resigned(&offer, &store("alice"), |payload| match payload {
            Payload::Pke(pke) => vec![Pke { data: data.clone(), ..pke }.into()],
            other => vec![other],
        });
        reasons.push(pair(ModeName::Rsa).1.refuse(&sealed));
    }
    let flipped = resigned(&offer, &store("alice"), |payload| match payload {
        Payload::Kemac(kemac) => {
            let mut mac = kemac.mac.clone();
            mac[0] ^= 1;
            vec![Kemac { mac, ..kemac }.into()]
        }
        other => vec![other],
    });
    reasons.push(pair(ModeName::Rsa).1.refuse(&flipped));
    assert!(reasons[0].0.contains("MAC does not verify"), "{reasons:?}");
    assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:?}");
}

#[test]
fn in_counter_mode_an_envelope_without_a_mac_is_never_taken_whatever_policy_says() {
    let (mut caller, mut callee) = pair(ModeName::Rsa);
    callee.policy.mikey.allow_null_mac = true;
    let offer = message(&caller.offer().0);
    let bare = resigned(&offer, &store("alice"), |payload| match payload {
        Payload::Kemac(kemac) => vec![Kemac { mac_alg: MacAlg::Null, mac: vec![], ..kemac }.into()],
        other => vec![other],
    });
    assert!(callee.refuse(&bare).0.contains("envelope has no MAC"));
    caller.policy.mikey.allow_null_mac = true;
    caller.policy.mikey.mac = MacAlg::Null;
    assert!(caller.offers_nothing().contains("envelope has no MAC"));
}

/// The reason why the sender's ID is inside (RFC 3830 section 3.2).
#[test]
fn nobody_passes_on_anothers_envelope_as_his_own() {
    let (mut caller, mut callee) = pair(ModeName::Rsa);
    let offer = message(&caller.offer().0);
    let (ca, (key, private)) = (Ca::new("ours"), rsa());
    let mallory = ca.issue(&key, &Wish { uris: &["sip:mallory@example.org"], ..Wish::default() });
    let mut certs = CertStore::default();
    certs.add_own(vec![mallory.clone()], private).unwrap();
    let stolen = resigned(&offer, &certs, |payload| match payload {
        Payload::Cert(cert) => vec![Payload::Cert(Cert { data: mallory.der().to_vec(), ..cert })],
        Payload::Id(id) if id.data == b"sip:alice@example.org" => {
            vec![Id::uri("sip:mallory@example.org").into()]
        }
        other => vec![other],
    });
    let (own, key) = filed("bob");
    let mut trusting = CertStore::default();
    trusting.add_own(vec![own], key).unwrap();
    trusting.trust(ca.certificate.clone());
    let why = side(bob(), alice(), ModeName::Rsa, trusting, 2).refuse(&stolen).0;
    let told = "its envelope is from sip:alice@example.org, and the message is from sip:mallory@example.org";
    assert!(why.contains(told), "{why}");
    callee.accept(&lines(&offer));
}

#[test]
fn payloads_that_do_not_belong_or_are_missing_are_named() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let (mut caller, mut callee) = pair(mode);
        let offer = message(&caller.offer().0);
        for number in 1..=21 {
            let without = resigned(&offer, &store("alice"), |payload| match payload {
                payload if payload.number() == number => vec![],
                other => vec![other],
            });
            let there = offer.parts().iter().any(|part| part.payload.number() == number);
            // IDs and certificates may be known otherwise; RSA-R takes its RAND from either side; policies have defaults.
            let optional = matches!(number, 4 | 6 | 7 | 10) || (mode == ModeName::RsaR && number == 11);
            if there && !optional {
                assert!(!callee.refuse(&without).0.is_empty(), "{mode} without payload {number}");
            }
        }
        let foreign = resigned(&offer, &store("alice"), |payload| match payload {
            Payload::T(t) => vec![t.into(), ErrorNo::AuthFailure.into()],
            other => vec![other],
        });
        assert!(
            callee.refuse(&foreign).0.contains("ERR has no place in an I_MESSAGE"),
            "{}",
            callee.refuse(&foreign).0
        );
    }
}

#[test]
fn a_message_is_taken_once_and_only_while_it_is_fresh() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let (mut caller, mut callee) = pair(mode);
        let (first, second) = (caller.offer().0, caller.offer().0);
        callee.accept(&first);
        assert!(callee.refuse(&first).0.contains("replay"), "{}", callee.refuse(&first).0);
        callee.now = at(1000);
        assert!(callee.refuse(&second).0.contains("RFC 3830 section 5.4"), "{}", callee.refuse(&second).0);
    }
}

#[test]
fn an_envelope_for_a_certificate_that_is_gone_is_not_tried() {
    let (mut caller, mut callee) = pair(ModeName::Rsa);
    let offer = message(&caller.offer().0);
    let with = |hash_func, hash: Vec<u8>| {
        resigned(&offer, &store("alice"), |payload| match payload {
            Payload::Pke(pke) => vec![Chash { hash_func, hash: hash.clone() }.into(), pke.into()],
            other => vec![other],
        })
    };
    let why = callee.refuse(&with(HashFunc::Sha1, vec![7; 20])).0;
    assert!(why.contains("a certificate that we do not have (RFC 3830 sections 3.2 and 6.8)"), "{why}");
    let (why, _) = callee.refuse(&with(HashFunc::Md5, vec![7; 16]));
    assert!(why.contains("by MD5, which we do not"), "{why}");
}
