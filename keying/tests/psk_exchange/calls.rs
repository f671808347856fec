//! Calls that go well.

use crate::support::*;
use keyphone_keying::mikey::MikeyPolicy;
use keyphone_keying::mikey::wire::{EncrAlg, MacAlg};
use keyphone_keying::{Dir, Expect, How, Level, Output, Policy, Psk, PskStore};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::Suite;

#[test]
fn both_sides_have_the_same_keys_under_every_protection_that_policy_allows() {
    for encryption in [EncrAlg::AesCm128, EncrAlg::AesKw128, EncrAlg::Null] {
        for mac in [MacAlg::HmacSha1_160, MacAlg::Null] {
            if (encryption, mac) == (EncrAlg::Null, MacAlg::Null) {
                continue; // that is MIKEY-NULL
            }
            let (mut alice, mut bob) = pair();
            let mikey = MikeyPolicy { allow_null_encryption: true, allow_null_mac: true, ..MikeyPolicy::default() };
            alice.policy.mikey = MikeyPolicy { encryption, mac, ..mikey.clone() };
            bob.policy.mikey = mikey;
            let (offer, offered, ours) = alice.offer();
            let (answer, _, theirs) = bob.accept(&offer);
            assert_eq!(key_for(&ours, Dir::Send, 0), key_for(&theirs, Dir::Hear, 0), "{encryption} {mac}");
            assert_eq!(key_for(&ours, Dir::Hear, 0), key_for(&theirs, Dir::Send, 0));
            assert_ne!(key_for(&ours, Dir::Send, 0), key_for(&ours, Dir::Hear, 0), "each way has its own key");
            let (result, told) = alice.told(&mut *offered.session(), &answer);
            result.unwrap();
            let how = if mac == MacAlg::Null { How::Nothing } else { How::SharedKey };
            for out in [&theirs, &told] {
                assert!(matches!(&out[0], Output::Peer(peer) if peer.how == how), "{out:?}");
            }
        }
    }
}

#[test]
fn the_caller_can_hear_before_any_answer_and_the_answer_then_names_the_ssrc() {
    let (mut alice, mut bob) = pair();
    let (offer, offered, out) = alice.offer();
    assert_eq!(keys(&out).iter().map(|(_, s)| *s).collect::<Vec<_>>(), alice.streams);
    assert_eq!(offer.0.len(), 1);
    assert_eq!((offer.0[0].level, offer.0[0].name.as_str()), (Level::Session, "key-mgmt"));
    let (answer, _, theirs) = bob.accept(&offer);
    let heard = keys(&theirs).into_iter().find(|(_, s)| s.dir == Dir::Hear).unwrap().1;
    assert_eq!(heard.ssrc, Some(Ssrc(0xa11ce)));

    let hint = offered.hint(&answer);
    assert_eq!((hint.ssrcs, hint.who), (vec![Ssrc(0xb0b)], Some(bob.me.clone())));
    let (result, told) = alice.told(&mut *offered.session(), &answer);
    result.unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(&told[0], Output::Peer(peer) if peer.proven == bob.me && peer.how == How::SharedKey));
    let [(key, stream)] = expected(&told)[..] else { panic!("{told:?}") };
    assert_eq!((key, stream.ssrc), (key_for(&out, Dir::Hear, 0), Some(Ssrc(0xb0b))));
}

#[test]
fn every_m_line_and_every_direction_has_a_key_of_its_own() {
    let (mut alice, mut bob) = pair();
    alice.streams = [line(0, 1), line(1, 2), line(3, 3)].concat();
    bob.streams = [line(0, 11), line(1, 12), line(3, 13)].concat();
    let (offer, offered, ours) = alice.offer();
    let (answer, _, theirs) = bob.accept(&offer);
    let mut ids: Vec<_> = keys(&ours).iter().map(|(id, _)| *id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    for n in [0, 1, 3] {
        assert_eq!(key_for(&ours, Dir::Send, n), key_for(&theirs, Dir::Hear, n));
        assert_eq!(key_for(&ours, Dir::Hear, n), key_for(&theirs, Dir::Send, n));
    }
    let (_, told) = alice.told(&mut *offered.session(), &answer);
    let named: Vec<_> = expected(&told).iter().map(|(_, s)| (s.line, s.ssrc.unwrap().0)).collect();
    assert_eq!(named, [(0, 11), (1, 12), (3, 13)]);
}

#[test]
fn the_first_suite_of_policy_is_offered_and_taken() {
    let (mut alice, mut bob) = pair();
    alice.policy.suites = vec![Suite::AesCm128HmacSha1_32];
    let (offer, _, ours) = alice.offer();
    let (_, _, theirs) = bob.accept(&offer);
    for out in [ours, theirs] {
        let suite = |o: &Output| if let Output::Key(k) = o { Some(k.key().suite()) } else { None };
        assert!(out.iter().filter_map(suite).all(|s| s == Suite::AesCm128HmacSha1_32));
    }
    bob.policy.suites = vec![Suite::AesCm128HmacSha1_80];
    let (why, error) = bob.refuse(&alice.offer().0);
    assert!(why.contains("AES_CM_128_HMAC_SHA1_32, which our policy does not allow"), "{why}");
    let hint = alice.offer().1.refused(&error.unwrap());
    assert_eq!(hint, None, "an error about another CSB is not about this one");
}

#[test]
fn a_key_that_everybody_has_proves_whom_the_message_names_and_policy_decides() {
    let (alice, bob, carol) = ("sip:alice@example.org", "sip:bob@example.org", "sip:carol@example.com");
    let common = |me, peer, ssrc| {
        let mut psks = PskStore::default();
        psks.insert(None, Psk::new(PSK.to_vec()).unwrap());
        Side::new((me, peer), psks, Policy::default(), ssrc)
    };
    let (mut caller, mut callee) = (common(carol, bob, 1), common(bob, alice, 2)); // SIP says alice, MIKEY says carol
    let (offer, _, _) = caller.offer();
    let (_, _, out) = callee.accept(&offer);
    assert!(matches!(&out[0], Output::Peer(p) if p.proven.as_str() == carol && p.named.as_str() == alice));

    let mut callee = common(bob, alice, 2);
    callee.policy.expect = Expect::SameDomain;
    let (result, out) = callee.answer(&offer);
    assert!(result.err().unwrap().error.to_string().contains("proved to be sip:carol@example.com"));
    assert!(matches!(&out[..], [Output::Peer(_)]), "named, and no key: {out:?}");
}

#[test]
fn a_line_that_is_repeated_in_the_dialog_changes_nothing() {
    let (mut alice, mut bob) = pair();
    let (offer, offered, _) = alice.offer();
    let (answer, mut callee, _) = bob.accept(&offer);
    bob.now = at(4000); // long after the replay cache would refuse it
    assert_eq!(bob.answer_again(&mut *callee, &offer).0.unwrap(), answer);
    let other = alice.offer().0;
    let refusal = bob.answer_again(&mut *callee, &other).0.unwrap_err();
    assert!(refusal.error.to_string().contains("RFC 3830 section 4.5"));

    let mut caller = offered.session();
    alice.told(&mut *caller, &answer).0.unwrap(); // 183
    let (result, out) = alice.told(&mut *caller, &answer); // 200
    assert!(result.is_ok() && out.is_empty());
    assert_eq!(alice.answer_again(&mut *caller, &answer).0.unwrap(), offer, "bob refreshes the session");
    let changed = side("sip:bob@example.org", "sip:alice@example.org", &PSK, 9).accept(&offer).0;
    assert!(alice.told(&mut *caller, &changed).0.unwrap_err().to_string().contains("twice"));
}

#[test]
fn no_offer_looks_like_another() {
    let (mut alice, mut bob) = pair();
    let offers: Vec<_> = (0..50).map(|_| alice.offer().0).collect(); // all within one tick of the clock
    let mut seen = std::collections::BTreeSet::new();
    for offer in &offers {
        let message = message(offer);
        let t = message.one::<keyphone_keying::mikey::wire::T>().unwrap().octets();
        assert!(seen.insert(t), "a timestamp comes twice");
        bob.accept(offer);
    }
}
