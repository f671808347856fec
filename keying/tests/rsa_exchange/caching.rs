//! The envelope key as a pre-shared key (RFC 3830 sections 3.2, 4.5 and 6.3).

use crate::support::*;
use keyphone_keying::choice::{Preferences, choose};
use keyphone_keying::mikey::wire::{CacheType, DataType, Draft, Message, Payload, Pke, Rand};
use keyphone_keying::mikey::{MikeyPolicy, ModeName, Tolerances, signing};
use keyphone_keying::{Hop, How, Lines, System};

#[test]
fn a_bundle_is_updated_under_its_envelope_key_by_messages_of_the_pre_shared_key_method() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        for cache in [CacheType::Cache, CacheType::CacheForCsb] {
            let (mut alice, mut bob) = pair(mode);
            alice.policy.mikey.cache = cache;
            bob.policy.mikey.cache = cache;
            let (mut ours, mut theirs) = calls(&mut alice, &mut bob);
            for _ in 0..2 {
                let update = alice.offer_again(&mut *ours).0;
                assert_eq!(message(&update).hdr().data_type, DataType::PskInit, "RFC 3830 section 4.5: it must be one");
                let answer = bob.answer_again(&mut *theirs, &update).0.unwrap();
                let (result, out) = alice.told(&mut *ours, &answer);
                result.unwrap();
                assert_eq!(proven(&out), (bob.me.clone(), How::Pinned), "the certificate is still what proves it");
            }
        }
    }
}

#[test]
fn a_cached_envelope_key_is_offered_by_as_a_shared_key_is_and_never_with_diffie_hellman() {
    let (mut alice, mut bob) = pair(ModeName::Rsa);
    for side in [&mut alice, &mut bob] {
        side.policy.mikey.cache = CacheType::Cache;
    }
    calls(&mut alice, &mut bob);
    let way = (Hop::Clear, alice.policy.mikey.group);
    let facts = alice.mikey.facts((&alice.me, &alice.peer), way, alice.now.ntp);
    for system in choose(&facts, &Preferences::default()).offers() {
        let System::Mikey(mode) = system;
        assert_ne!(mode, ModeName::DhHmac);
        alice.policy.mikey.offer = mode;
        alice.offer();
    }
}

/// RFC 3830 section 4.5: "the Initiator MUST provide a new encrypted envelope key".
#[test]
fn where_nothing_is_cached_each_update_has_another_envelope_whoever_begins_it() {
    let (mut alice, mut bob) = pair(ModeName::Rsa);
    alice.policy.mikey.cache = CacheType::NoCache;
    bob.policy.mikey.cache = CacheType::NoCache;
    let (mut ours, mut theirs) = calls(&mut alice, &mut bob);
    for round in 0..4 {
        let sides = if round % 2 == 0 {
            (&mut alice, &mut ours, &mut bob, &mut theirs)
        } else {
            (&mut bob, &mut theirs, &mut alice, &mut ours)
        };
        let (one, session, other, others) = sides;
        let update = one.offer_again(&mut **session).0;
        let told = message(&update);
        assert_eq!(told.hdr().data_type, DataType::PkInit);
        assert_eq!((told.one::<Pke>().unwrap().cache, told.one::<Rand>().is_err()), (CacheType::NoCache, true));
        for changed in [resigned(&told, Some(Rand(vec![7; 16]))), tampered(&told)] {
            let before = other.answer_again(&mut **others, &changed).0.unwrap_err().error.to_string();
            assert!(
                before.contains("a RAND, which an update must not have") || before.contains("signature"),
                "{before}"
            );
        }
        let answer = other.answer_again(&mut **others, &update).0.unwrap();
        let (result, out) = one.told(&mut **session, &answer);
        result.unwrap();
        assert_eq!(proven(&out).0, other.me);
    }
    // What was taken once is no update any more.
    let update = alice.offer_again(&mut *ours).0;
    let answer = bob.answer_again(&mut *theirs, &update).0.unwrap();
    alice.told(&mut *ours, &answer).0.unwrap();
    let next = alice.offer_again(&mut *ours).0;
    bob.answer_again(&mut *theirs, &next).0.unwrap();
    let replayed = bob.answer_again(&mut *theirs, &update).0.unwrap_err().error.to_string();
    assert!(replayed.contains("a replay"), "{replayed}");
}

/// Signed anew by alice, with this behind T if it is one of hers; bob's stay unsigned.
fn resigned(update: &Message, extra: Option<Rand>) -> Lines {
    let payloads = update.parts().iter().map(|part| part.payload.clone());
    let unsigned = payloads.filter(|payload| !matches!(payload, Payload::Sign(_)));
    let with = unsigned.flat_map(|payload| match payload {
        Payload::T(t) => [Some(t.into()), extra.clone().map(Payload::from)].into_iter().flatten().collect(),
        other => vec![other],
    });
    let draft = with.fold(Draft::new(update.hdr()), Draft::push);
    let certs = store("alice");
    lines(&signing::sign(draft, certs.signer().unwrap(), &MikeyPolicy::default(), &[]).unwrap())
}

/// The first octet of the signature is another one.
fn tampered(update: &Message) -> Lines {
    let mut octets = update.bytes().to_vec();
    let at = octets.len() - 256;
    octets[at] ^= 1;
    lines(&Message::read(&octets, Tolerances::none()).unwrap())
}

#[test]
fn an_update_that_brings_no_key_changes_none() {
    let (mut alice, mut bob) = pair(ModeName::Rsa);
    alice.policy.mikey.cache = CacheType::NoCache;
    bob.policy.mikey.cache = CacheType::NoCache;
    let (mut ours, mut theirs) = calls(&mut alice, &mut bob);
    let update = message(&alice.offer_again(&mut *ours).0);
    let payloads = update.parts().iter().map(|part| part.payload.clone());
    let bare = payloads.filter(|payload| !matches!(payload, Payload::Sign(_) | Payload::Kemac(_)));
    let draft = bare.fold(Draft::new(update.hdr()), Draft::push);
    let certs = store("alice");
    let bare = signing::sign(draft, certs.signer().unwrap(), &MikeyPolicy::default(), &[]).unwrap();
    let answer = bob.answer_again(&mut *theirs, &lines(&bare)).0.unwrap();
    assert_eq!(message(&answer).hdr().data_type, DataType::PkVer, "it is answered under the new envelope key");
}

#[test]
fn in_reverse_a_key_that_must_not_be_cached_ends_with_its_call() {
    let (mut alice, mut bob) = pair(ModeName::RsaR);
    bob.policy.mikey.cache = CacheType::NoCache;
    let (mut ours, mut theirs) = calls(&mut alice, &mut bob);
    let ours = alice.try_offer_again(&mut *ours).0.unwrap_err().to_string();
    let theirs = bob.try_offer_again(&mut *theirs).0.unwrap_err().to_string();
    assert!(ours.contains("RFC 3830 section 4.5") && ours == theirs, "{ours}");
}

#[test]
fn a_cached_envelope_key_serves_for_other_calls_both_ways_for_a_day() {
    // RFC 4738 section 3.6 lets RSA-R cache it for rekeying alone.
    let kept = [(ModeName::Rsa, CacheType::Cache, true), (ModeName::Rsa, CacheType::CacheForCsb, false)];
    for (mode, cache, serves) in kept.into_iter().chain([(ModeName::RsaR, CacheType::Cache, false)]) {
        let (mut alice, mut bob) = pair(mode);
        alice.policy.mikey.cache = cache;
        bob.policy.mikey.cache = cache;
        let (offer, offered, _) = alice.offer();
        let (answer, ..) = bob.accept(&offer);
        alice.told(&mut *offered.session(), &answer).0.unwrap();
        let told = if mode == ModeName::Rsa { (&offer, cache) } else { (&answer, CacheType::CacheForCsb) };
        assert_eq!(message(told.0).one::<Pke>().unwrap().cache, told.1);
        for side in [&mut alice, &mut bob] {
            side.policy.mikey.offer = ModeName::Psk;
            side.policy.mikey.accept = [ModeName::Psk].into();
        }
        if !serves {
            assert!(alice.offers_nothing().contains("we share no key with sip:bob"));
            assert!(bob.offers_nothing().contains("we share no key with sip:alice"));
            continue;
        }
        let (offer, ..) = alice.offer();
        assert_eq!(proven(&bob.accept(&offer).2), (alice.me.clone(), How::Certificate));
        calls(&mut bob, &mut alice);
        alice.now = at(25 * 3600);
        assert!(alice.try_offer().0.is_err(), "not indefinitely");
    }
}
