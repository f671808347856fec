//! A bundle that runs is given new keys and more crypto sessions, by either side (RFC 3830 section 4.5).

use crate::modes::{self, Case};
use crate::side::*;
use keyphone_keying::mikey::policy::Validity;
use keyphone_keying::{Hop, Output, Session};

struct Call {
    alice: Side,
    bob: Side,
    sessions: (Box<dyn Session>, Box<dyn Session>),
}

impl Call {
    fn of(case: &Case) -> Self {
        let (mut alice, mut bob) = pair(case);
        let (offer, offered, _) = alice.offer();
        let (answer, theirs, _) = bob.accept(&offer);
        let mut ours = offered.session();
        alice.told(&mut *ours, &answer).0.unwrap();
        Self { alice, bob, sessions: (ours, theirs) }
    }

    /// One of them offers new keys, the other answers; what came out on either side, and the update.
    fn update(&mut self, bob_begins: bool) -> (keyphone_keying::Lines, Vec<Output>, Vec<Output>) {
        let Self { alice, bob, sessions: (ours, theirs) } = self;
        let ((one, session), (other, others)) =
            if bob_begins { ((bob, theirs), (alice, ours)) } else { ((alice, ours), (bob, theirs)) };
        one.now.ntp.0 += 1 << 32;
        other.now.ntp.0 += 1 << 32;
        let (offer, mut out) = one.offer_again(&mut **session);
        let (answer, theirs) = other.answer_again(&mut **others, &offer);
        let (result, told) = one.told(&mut **session, &answer.unwrap_or_else(|refusal| panic!("{}", refusal.error)));
        result.unwrap();
        out.extend(told);
        (offer, out, theirs)
    }
}

#[test]
fn either_side_brings_new_keys_again_and_again() {
    for case in modes::all() {
        let mut call = Call::of(&case);
        let mut seen = std::collections::BTreeSet::new();
        for bob_begins in [false, true, true, false, false] {
            let (_, ours, theirs) = call.update(bob_begins);
            let (send, hear) = ways(&ours, 0);
            assert_eq!((hear, send), ways(&theirs, 0), "{}", case.name);
            assert!(seen.insert(format!("{send:?}")) && seen.insert(format!("{hear:?}")), "{}: a key twice", case.name);
        }
    }
}

#[test]
fn an_update_that_was_taken_is_never_taken_again_and_a_damaged_one_changes_nothing() {
    for case in modes::all() {
        let mut call = Call::of(&case);
        let (first, _, _) = call.update(false);
        call.update(false);
        let (refused, out) = call.bob.answer_again(&mut *call.sessions.1, &first);
        let why = refused.unwrap_err().error.to_string();
        assert!(keys(&out).is_empty() && why.contains("not later"), "{}: {why}", case.name);

        call.alice.now.ntp.0 += 1 << 32;
        let (update, ours) = call.alice.offer_again(&mut *call.sessions.0);
        let whole = bytes(&update);
        for at in (0..whole.len()).filter(|_| !case.is_null()) {
            let mut changed = whole.clone();
            changed[at] ^= 0x01;
            let (result, out) = call.bob.answer_again(&mut *call.sessions.1, &lines(&changed));
            assert!(result.is_err() && keys(&out).is_empty(), "{}: octet {at} of an update", case.name);
        }
        call.bob.now = call.alice.now;
        let (answer, theirs) = call.bob.answer_again(&mut *call.sessions.1, &update);
        let (result, told) = call.alice.told(&mut *call.sessions.0, &answer.unwrap());
        result.unwrap();
        assert!(!keys(&theirs).is_empty());
        assert_ne!(keys(&ours).is_empty(), keys(&told).is_empty(), "{}: its keys come out once", case.name);
    }
}

#[test]
fn a_crypto_session_is_added_to_a_bundle_that_runs() {
    for case in modes::all() {
        for bob_begins in [false, true] {
            let mut call = Call::of(&case);
            call.alice.streams = [line(0, 0xa11ce), line(1, 0xa2)].concat();
            call.bob.streams = [line(0, 0xb0b), line(1, 0xb2)].concat();
            let (offer, ours, theirs) = call.update(bob_begins);
            assert_eq!(message(&offer).hdr().map.count(), 4, "{}", case.name);
            for n in [0, 1] {
                let (send, hear) = ways(&ours, n);
                assert_eq!((hear, send), ways(&theirs, n), "{} line {n}", case.name);
            }
            let (_, ours, theirs) = call.update(!bob_begins);
            assert_eq!(ways(&ours, 1), (ways(&theirs, 1).1, ways(&theirs, 1).0), "{}: and stays", case.name);
        }
    }
}

#[test]
fn a_bundle_without_protection_is_not_updated_over_a_clear_hop() {
    let case = modes::all().into_iter().find(Case::is_null).unwrap();
    let mut call = Call::of(&case);
    call.alice.now.ntp.0 += 1 << 32;
    let (update, _) = call.alice.offer_again(&mut *call.sessions.0);
    call.bob.hop = Hop::Clear;
    let (refused, out) = call.bob.answer_again(&mut *call.sessions.1, &update);
    assert!(refused.unwrap_err().error.to_string().contains("this hop is not TLS") && keys(&out).is_empty());
}

#[test]
fn keys_that_follow_have_an_mki_if_and_only_if_the_first_had_one() {
    for case in modes::all() {
        for (first, later) in [(Validity::Null, Validity::Mki(2)), (Validity::Mki(2), Validity::Null)] {
            let (mut alice, mut bob) = pair(&case);
            (alice.policy.mikey.validity, bob.policy.mikey.validity) = (first, later);
            let (offer, offered, _) = alice.offer();
            let (answer, theirs, out) = bob.accept(&offer);
            let mut ours = offered.session();
            alice.told(&mut *ours, &answer).0.unwrap();
            let mki = |out: &[Output]| {
                let key = out.iter().find_map(|o| if let Output::Key(key) = o { Some(key.key()) } else { None });
                key.expect("a key").mki().map(|mki| mki.bytes().to_vec())
            };
            let mut last = mki(&out);
            let mut call = Call { alice, bob, sessions: (ours, theirs) };
            for bob_begins in [true, false] {
                let (_, _, heard) = call.update(bob_begins);
                let now = mki(&heard);
                assert_eq!(now.as_ref().map(Vec::len), last.as_ref().map(Vec::len), "{} {first:?}", case.name);
                assert!(now.is_none() || now != last, "{}: another MKI for another key", case.name);
                last = now;
            }
        }
    }
}
