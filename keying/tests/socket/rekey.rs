//! New keys in a running call (RFC 3830 section 4.5): one body for every system.

use super::phone::{Phone, System, systems, tampered};
use keyphone_keying::Session;
use std::collections::BTreeSet;

/// One side of a call that is answered.
type Side = (Phone, Box<dyn Session>);

/// A call that is answered.
fn call(system: &System) -> (Side, Side) {
    let (mut alice, mut bob) = (Phone::alice(system), Phone::bob(system, 0));
    let (offer, offered) = alice.offer();
    let (answer, theirs) = bob.answer(&offer).unwrap();
    let mut ours = offered.session();
    alice.told(&mut *ours, &answer).unwrap();
    ((alice, ours), (bob, theirs))
}

fn hear_each_other(system: &System, one: &mut Phone, other: &mut Phone) {
    let (from_one, from_other) = (one.speaks(), other.speaks());
    assert!(other.hears(&from_one).is_some() && one.hears(&from_other).is_some(), "{}", system.name);
}

#[test]
fn either_side_changes_the_keys_of_a_call_again_and_again() {
    for system in systems() {
        let (mut one, mut other) = call(&system);
        for round in 0..4 {
            let keys = one.0.keys.len();
            let offer = one.0.offers_new_keys(&mut *one.1);
            // The old key is spoken with until the answer is here; the new one is heard at once.
            hear_each_other(&system, &mut one.0, &mut other.0);
            assert!(other.1.covers(&offer), "{}", system.name);
            let answer = other.0.takes_new_keys(&mut *other.1, &offer).unwrap();
            hear_each_other(&system, &mut one.0, &mut other.0);
            one.0.is_told_new_keys(&mut *one.1, &answer).unwrap();
            hear_each_other(&system, &mut one.0, &mut other.0);
            assert_eq!(
                other.0.takes_again(&mut *other.1, &offer),
                answer,
                "{}: said again, nothing changes",
                system.name
            );
            let fresh = &one.0.keys[keys..];
            assert_eq!(fresh.len(), 2, "{}: one for each way", system.name);
            assert!(fresh.iter().all(|key| !one.0.keys[..keys].contains(key)), "{}: round {round}", system.name);
            let last = |phone: &Phone| phone.keys[phone.keys.len() - 2..].iter().copied().collect::<BTreeSet<_>>();
            assert_eq!(last(&one.0), last(&other.0), "{}", system.name);
            std::mem::swap(&mut one, &mut other);
        }
    }
}

#[test]
fn new_keys_that_were_refused_are_forgotten_and_may_be_offered_anew() {
    for system in systems() {
        let ((mut alice, mut ours), (mut bob, mut theirs)) = call(&system);
        let refused = alice.offers_new_keys(&mut *ours);
        assert!(alice.asks(|ask, env, out| ours.offer(ask, env, out)).is_err(), "{}: one at a time", system.name);
        alice.is_rejected(&mut *ours);
        hear_each_other(&system, &mut alice, &mut bob);
        let offer = alice.offers_new_keys(&mut *ours);
        assert_ne!(offer, refused, "{}", system.name);
        let answer = bob.takes_new_keys(&mut *theirs, &offer).unwrap();
        assert!(bob.takes_new_keys(&mut *theirs, &refused).is_err(), "{}: it is older", system.name);
        alice.is_told_new_keys(&mut *ours, &answer).unwrap();
        hear_each_other(&system, &mut alice, &mut bob);
    }
}

#[test]
fn when_both_offer_new_keys_at_once_one_must_give_way() {
    for system in systems() {
        let ((mut alice, mut ours), (mut bob, mut theirs)) = call(&system);
        let (from_alice, from_bob) = (alice.offers_new_keys(&mut *ours), bob.offers_new_keys(&mut *theirs));
        assert!(alice.takes_new_keys(&mut *ours, &from_bob).is_err(), "{}", system.name);
        assert!(bob.takes_new_keys(&mut *theirs, &from_alice).is_err(), "{}", system.name);
        hear_each_other(&system, &mut alice, &mut bob);
        alice.is_rejected(&mut *ours);
        let answer = alice.takes_new_keys(&mut *ours, &from_bob).unwrap();
        bob.is_told_new_keys(&mut *theirs, &answer).unwrap();
        hear_each_other(&system, &mut alice, &mut bob);
        assert!(bob.takes_new_keys(&mut *theirs, &from_alice).is_ok(), "{}: it was never heard before", system.name);
    }
}

#[test]
fn new_keys_that_were_changed_on_the_way_are_not_taken() {
    for system in systems() {
        let ((mut alice, mut ours), (mut bob, mut theirs)) = call(&system);
        let offer = alice.offers_new_keys(&mut *ours);
        let keys = bob.keys.len();
        for changed in tampered(&offer) {
            let taken = theirs.covers(&changed) && bob.takes_new_keys(&mut *theirs, &changed).is_ok();
            assert!(!taken, "{}: {changed:?}", system.name);
        }
        assert_eq!(bob.keys.len(), keys, "{}", system.name);
        let answer = bob.takes_new_keys(&mut *theirs, &offer).unwrap();
        let said = alice.said.len();
        for changed in tampered(&answer) {
            assert!(alice.told(&mut *ours, &changed).is_err(), "{}: {changed:?}", system.name);
        }
        assert_eq!(alice.said.len(), said, "{}", system.name);
        alice.is_told_new_keys(&mut *ours, &answer).unwrap();
        hear_each_other(&system, &mut alice, &mut bob);
    }
}

#[test]
fn old_offers_of_the_call_are_replays_once_the_keys_have_changed() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (first, offered) = alice.offer();
        let (answer, mut theirs) = bob.answer(&first).unwrap();
        let mut ours = offered.session();
        alice.told(&mut *ours, &answer).unwrap();
        let second = alice.offers_new_keys(&mut *ours);
        let answer = bob.takes_new_keys(&mut *theirs, &second).unwrap();
        alice.is_told_new_keys(&mut *ours, &answer).unwrap();
        let third = alice.offers_new_keys(&mut *ours);
        let answer = bob.takes_new_keys(&mut *theirs, &third).unwrap();
        alice.is_told_new_keys(&mut *ours, &answer).unwrap();
        for old in [&first, &second] {
            assert!(bob.takes_new_keys(&mut *theirs, old).is_err(), "{}", system.name);
            assert!(bob.answer(old).is_err(), "{}: nor is it a new call", system.name);
        }
        // Another call's offer is not for this session, though its peer is the same.
        let (other, _) = Phone::alice(&system).offer();
        let mut carol = Phone::new(&system, "sip:alice@example.org", "sip:bob@example.org", 77);
        let (another, _) = carol.offer();
        assert!(!theirs.covers(&another) && theirs.covers(&third) && theirs.covers(&first), "{}", system.name);
        // ECDSA signs with dice of its own.
        assert_eq!(other.0[0].value[..99], first.0[0].value[..99], "the same dice");
        hear_each_other(&system, &mut alice, &mut bob);
    }
}
