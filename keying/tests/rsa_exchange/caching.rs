//! The envelope key as a pre-shared key (RFC 3830 sections 3.2, 4.5 and 6.3).

use crate::support::*;
use keyphone_keying::How;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::wire::{CacheType, DataType, Pke};

#[test]
fn a_bundle_is_updated_under_its_envelope_key_by_messages_of_the_pre_shared_key_method() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        for cache in [CacheType::Cache, CacheType::CacheForCsb] {
            let (mut alice, mut bob) = pair(mode);
            alice.policy.mikey.cache = cache;
            bob.policy.mikey.cache = cache;
            let (mut ours, mut theirs) = calls(&mut alice, &mut bob);
            for _ in 0..2 {
                let update = alice.offers_again(&mut *ours).unwrap();
                assert_eq!(message(&update).hdr().data_type, DataType::PskInit, "RFC 3830 section 4.5: it must be one");
                let answer = bob.answers_again(&mut *theirs, &update).unwrap();
                let (result, out) = alice.hears(&mut *ours, &answer);
                result.unwrap();
                assert_eq!(proven(&out), (bob.me.clone(), How::Pinned), "the certificate is still what proves it");
            }
        }
    }
}

#[test]
fn a_key_that_must_not_be_cached_is_not() {
    for mode in [ModeName::Rsa, ModeName::RsaR] {
        let (mut alice, mut bob) = pair(mode);
        alice.policy.mikey.cache = CacheType::NoCache;
        bob.policy.mikey.cache = CacheType::NoCache;
        let (mut ours, mut theirs) = calls(&mut alice, &mut bob);
        let ours = alice.offers_again(&mut *ours).unwrap_err().to_string();
        let theirs = bob.offers_again(&mut *theirs).unwrap_err().to_string();
        assert!(ours.contains("RFC 3830 section 4.5") && ours == theirs, "{ours}");
    }
}

#[test]
fn a_cached_envelope_key_serves_for_other_calls_both_ways_for_a_day() {
    // RFC 4738 section 3.6 lets RSA-R cache it for rekeying alone.
    let kept = [(ModeName::Rsa, CacheType::Cache, true), (ModeName::Rsa, CacheType::CacheForCsb, false)];
    for (mode, cache, serves) in kept.into_iter().chain([(ModeName::RsaR, CacheType::Cache, false)]) {
        let (mut alice, mut bob) = pair(mode);
        alice.policy.mikey.cache = cache;
        bob.policy.mikey.cache = cache;
        let (offer, offered, _) = alice.offers();
        let (answer, ..) = bob.answers(&offer);
        alice.hears(&mut *offered.session(), &answer).0.unwrap();
        let told = if mode == ModeName::Rsa { (&offer, cache) } else { (&answer, CacheType::CacheForCsb) };
        assert_eq!(message(told.0).one::<Pke>().unwrap().cache, told.1);
        for side in [&mut alice, &mut bob] {
            side.policy.mikey.offer = ModeName::Psk;
            side.policy.mikey.accept = [ModeName::Psk].into();
        }
        if !serves {
            assert!(alice.tries_to_offer().err().unwrap().to_string().contains("we share no key with sip:bob"));
            assert!(bob.tries_to_offer().err().unwrap().to_string().contains("we share no key with sip:alice"));
            continue;
        }
        let (offer, ..) = alice.offers();
        assert_eq!(proven(&bob.answers(&offer).2), (alice.me.clone(), How::Certificate));
        calls(&mut bob, &mut alice);
        alice.now = at(25 * 3600);
        assert!(alice.tries_to_offer().is_err(), "not indefinitely");
    }
}
