//! One test body for every keying system: whatever stands in the socket, a call that is keyed can be heard, and a call
//! that was tampered with is not keyed. What a system promises is data, as in RFC 5197's table.

mod phone;
mod rekey;

use keyphone_keying::{Lines, Policy};
use phone::{Phone, systems, tampered};

#[test]
fn a_plain_call_is_heard_both_ways_and_the_peer_is_named_first() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, offered) = alice.offer();
        let (answer, _) = bob.answer(&offer).unwrap_or_else(|refusal| panic!("{}: {}", system.name, refusal.error));
        assert_eq!(bob.said.first(), Some(&Some(system.how)), "{}: first the peer, then its keys", system.name);
        let hint = offered.hint(&answer);
        alice.told(&mut *offered.session(), &answer).unwrap();
        assert!(alice.said.contains(&Some(system.how)), "{}", system.name);
        for _ in 0..3 {
            let (from_alice, from_bob) = (alice.speaks(), bob.speaks());
            assert!(bob.hears(&from_alice).is_some(), "{}", system.name);
            let ssrc = alice.hears(&from_bob).unwrap_or_else(|| panic!("{}", system.name));
            assert!(hint.ssrcs.is_empty() || hint.ssrcs == [ssrc], "{}: a hint is no lie", system.name);
            assert!(!from_alice.windows(12).any(|w| w == b"hello, hello"), "{}", system.name);
        }
    }
}

#[test]
fn media_before_the_answer_is_heard_where_the_system_promises_it() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, _) = alice.offer();
        bob.answer(&offer).unwrap();
        assert_eq!(alice.hears(&bob.speaks()).is_some(), system.early_media, "{}", system.name);
    }
}

#[test]
fn three_answers_to_one_offer_are_all_heard() {
    for system in systems() {
        let mut alice = Phone::alice(&system);
        let mut bobs: Vec<_> = (0..3).map(|n| Phone::bob(&system, n)).collect();
        let (offer, offered) = alice.offer();
        let answers: Vec<_> = bobs.iter_mut().map(|bob| bob.answer(&offer).unwrap().0).collect();
        for answer in &answers {
            alice.told(&mut *offered.session(), answer).unwrap();
        }
        let ssrcs: Vec<_> = bobs.iter_mut().map(|bob| alice.hears(&bob.speaks())).collect();
        assert!(ssrcs.iter().all(Option::is_some), "{}: {ssrcs:?}", system.name);
        let packet = alice.speaks();
        let hear = bobs.iter_mut().filter_map(|bob| bob.hears(&packet)).count();
        assert_eq!(hear, if system.fork_shares_key { 3 } else { 1 }, "{}", system.name);
    }
}

#[test]
fn an_offer_that_was_changed_gives_no_key() {
    for system in systems() {
        let (offer, _) = Phone::alice(&system).offer();
        let mut tried = 0;
        for changed in tampered(&offer) {
            let mut bob = Phone::bob(&system, 0);
            assert!(bob.answer(&changed).is_err() && !bob.has_keys(), "{}: {changed:?}", system.name);
            tried += 1;
        }
        assert!(tried > 40, "{}: {tried}", system.name);
        Phone::bob(&system, 0).answer(&offer).unwrap();
    }
}

#[test]
fn an_answer_that_was_changed_is_not_believed_and_does_not_spoil_the_true_one() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, offered) = alice.offer();
        let (answer, _) = bob.answer(&offer).unwrap();
        let before = alice.said.len();
        for changed in tampered(&answer) {
            assert!(alice.told(&mut *offered.session(), &changed).is_err(), "{}: {changed:?}", system.name);
            assert_eq!(alice.said.len(), before, "{}: nobody is named and no key comes out", system.name);
        }
        alice.told(&mut *offered.session(), &answer).unwrap();
        assert!(alice.hears(&bob.speaks()).is_some());
    }
}

#[test]
fn an_offer_that_comes_again_is_a_replay_and_an_answer_belongs_to_its_offer() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, _) = alice.offer();
        let (answer, _) = bob.answer(&offer).unwrap();
        let keys = bob.said.len();
        assert!(bob.answer(&offer).is_err(), "{}", system.name);
        assert_eq!(bob.said.len(), keys, "{}: no second key for one offer", system.name);
        let (_, second) = alice.offer();
        assert!(alice.told(&mut *second.session(), &answer).is_err(), "{}", system.name);
    }
}

#[test]
fn lines_that_were_taken_away_are_missed() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, offered) = alice.offer();
        for n in 0..offer.0.len() {
            let mut fewer = offer.clone();
            fewer.0.remove(n);
            assert!(bob.answer(&fewer).is_err() && !bob.has_keys(), "{}", system.name);
        }
        let (answer, _) = bob.answer(&offer).unwrap();
        let before = alice.said.len();
        for n in 0..answer.0.len() {
            let mut fewer = answer.clone();
            fewer.0.remove(n);
            assert!(alice.told(&mut *offered.session(), &fewer).is_err(), "{}", system.name);
        }
        assert!(alice.told(&mut *offered.session(), &Lines::default()).is_err(), "{}", system.name);
        assert_eq!(alice.said.len(), before, "{}", system.name);
    }
}

#[test]
fn what_policy_forbids_is_neither_offered_nor_answered() {
    for system in systems().into_iter().filter(|system| system.policy.mikey.allow_null_encryption) {
        let (offer, _) = Phone::alice(&system).offer();
        let mut strict = Phone::bob(&system, 0);
        strict.policy = Policy::default();
        assert!(strict.answer(&offer).is_err() && !strict.has_keys(), "{}", system.name);
        let mut caller = Phone::alice(&system);
        caller.policy.mikey.allow_null_encryption = false;
        let (result, out) = caller.ask(|system, ask, env, out| system.offer(ask, env, out));
        assert!(result.is_err() && out.is_empty(), "{}", system.name);
    }
}
