//! Old messages, and clocks that are apart (RFC 3830 section 5.4).

use crate::modes::{self, ALICE, BOB};
use crate::side::*;
use keyphone_keying::mikey::Mikey;
use keyphone_keying::mikey::wire::ErrorNo;

#[test]
fn an_offer_that_was_accepted_is_a_replay_ever_after() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        let (offer, _, _) = alice.offer();
        bob.accept(&offer);
        for later in [1, 250, 301, 100_000] {
            bob.now = at(later);
            let (why, error) = bob.refuse(&offer);
            let named = if later <= 301 { "it is a replay" } else { "its clock is 99999 s behind ours" };
            assert!(why.contains(named) && why.contains("RFC 3830 section 5.4"), "{}: {why}", case.name);
            assert_eq!(message(&error.unwrap()).many::<ErrorNo>().collect::<Vec<_>>(), [&ErrorNo::InvalidTs]);
        }
    }
}

#[test]
fn clocks_that_are_too_far_apart_are_named_first() {
    for case in modes::all() {
        for (alices, bobs, named) in [
            (1, 721, "its clock is 720 s behind ours"),
            (414, 1, "its clock is 413 s ahead of ours"),
            (301, 1, "fresh"),
            (1, 301, "fresh"),
        ] {
            let (mut alice, mut bob) = pair(&case);
            (alice.now, bob.now) = (at(alices), at(bobs));
            let (offer, _, _) = alice.offer();
            if named == "fresh" {
                bob.accept(&offer);
                continue;
            }
            let (why, _) = bob.refuse(&offer);
            assert!(why.starts_with(named) && why.contains("RFC 3830 section 5.4"), "{}: {why}", case.name);
        }
    }
}

#[test]
fn after_a_restart_what_was_made_before_is_refused() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        let (offer, _, _) = alice.offer();
        bob.accept(&offer);
        bob.mikey = Mikey::new(case.credentials(BOB, ALICE), at(2).ntp);
        (alice.now, bob.now) = (at(3), at(3));
        let (why, _) = bob.refuse(&offer);
        assert!(why.contains("before we started"), "{}: {why}", case.name);
        bob.accept(&alice.offer().0);
    }
}
