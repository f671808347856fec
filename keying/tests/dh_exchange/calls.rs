//! Calls that go well.

use crate::support::*;
use keyphone_keying::mikey::wire::{DhGroup, SignType};
use keyphone_keying::mikey::{ModeName, Tolerances};
use keyphone_keying::workbench::decode::{Keys, decode};
use keyphone_keying::{How, Lines, Output};
use keyphone_media::rtp::Ssrc;

#[test]
fn both_sides_of_both_modes_have_the_same_keys_in_every_group() {
    for kind in Kind::BOTH {
        for &group in DhGroup::ALL {
            let (mut alice, mut bob) = pair(kind);
            alice.policy.mikey.group = group;
            let (offer, offered, early) = alice.offer();
            assert!(early.is_empty(), "no key is known before the answer: {early:?}");
            let (answer, _, theirs) = bob.accept(&offer);
            let (result, ours) = alice.told(&mut *offered.session(), &answer);
            result.unwrap();
            let ((send, hear), (theirs_send, theirs_hear)) = (ways(&ours, 0), ways(&theirs, 0));
            assert_eq!((send, hear), (theirs_hear, theirs_send), "{kind:?} {group}");
            assert_ne!(send, hear, "each way has its own key");
            let how = if kind == Kind::Hmac { How::SharedKey } else { How::Certificate };
            for (out, peer) in [(&ours, &bob.me), (&theirs, &alice.me)] {
                assert!(matches!(&out[0], Output::Peer(a) if a.how == how && a.proven == *peer), "{out:?}");
            }
            let ssrcs: Vec<_> = keys(&ours).iter().map(|(_, stream)| stream.ssrc).collect();
            assert_eq!(ssrcs, [Some(Ssrc(0xa11ce)), Some(Ssrc(0xb0b))], "the answer names the peer's SSRC");
        }
    }
}

#[test]
fn the_messages_have_the_payloads_of_the_rfcs_in_their_recommended_order() {
    let names =
        |lines: &Lines| message(lines).parts().iter().map(|part| part.payload.name()).collect::<Vec<_>>().join(" ");
    for kind in Kind::BOTH {
        let (mut alice, mut bob) = (naming(kind), pair(kind).1);
        let (offer, _, _) = alice.offer();
        let (answer, _, _) = bob.accept(&offer);
        let (init, resp) = match kind {
            Kind::Hmac => ("T RAND ID ID SP General Ext. DH KEMAC", "T ID ID DH DH KEMAC"),
            Kind::Sign => ("T RAND ID CERT ID SP General Ext. DH SIGN", "T ID CERT ID DH DH SIGN"),
        };
        assert_eq!((names(&offer).as_str(), names(&answer).as_str()), (init, resp));
        assert_eq!(message(&offer).hdr().data_type, kind.mode().init());
        assert_eq!(message(&answer).hdr().data_type, kind.mode().resp());
    }
}

#[test]
fn three_answers_to_one_offer_make_three_keys_and_no_callee_has_another_ones() {
    for kind in Kind::BOTH {
        let mut alice = pair(kind).0;
        let (offer, offered, _) = alice.offer();
        let mut found = vec![];
        for n in 1..=3 {
            let mut bob = side(kind, BOB, ALICE, credentials(BOB, ALICE), n);
            let (answer, _, theirs) = bob.accept(&offer);
            assert_eq!(offered.hint(&answer).ssrcs, [Ssrc(n)]);
            let (result, ours) = alice.told(&mut *offered.session(), &answer);
            result.unwrap();
            let (send, hear) = ways(&ours, 0);
            assert_eq!((hear, send), ways(&theirs, 0), "{kind:?}");
            found.extend([send, hear]);
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 6, "{kind:?}");
    }
}

#[test]
fn every_call_has_a_fresh_half() {
    for kind in Kind::BOTH {
        let (mut alice, mut bob) = pair(kind);
        let halves =
            |lines: &Lines| message(lines).many().map(|dh: &keyphone_keying::mikey::wire::Dh| dh.value.clone()).next();
        let (first, second) = (alice.offer().0, alice.offer().0);
        assert_ne!(halves(&first), halves(&second), "{kind:?}");
        assert_ne!(halves(&bob.accept(&first).0), halves(&bob.accept(&second).0), "{kind:?}");
    }
}

#[test]
fn the_weaker_groups_are_answered_only_by_who_offers_them_too() {
    for kind in Kind::BOTH {
        for (theirs, ours, taken) in [
            (DhGroup::Oakley1, DhGroup::Oakley5, false),
            (DhGroup::Oakley1, DhGroup::Oakley2, false),
            (DhGroup::Oakley2, DhGroup::Oakley5, false),
            (DhGroup::Oakley2, DhGroup::X25519, false),
            (DhGroup::Oakley2, DhGroup::Oakley2, true),
            (DhGroup::Oakley2, DhGroup::Oakley1, true),
            (DhGroup::Oakley5, DhGroup::P384, true),
            (DhGroup::X25519, DhGroup::Oakley5, true),
        ] {
            let (mut alice, mut bob) = pair(kind);
            (alice.policy.mikey.group, bob.policy.mikey.group) = (theirs, ours);
            let (offer, _, _) = alice.offer();
            if taken {
                bob.accept(&offer);
            } else {
                let (why, error) = bob.refuse(&offer);
                assert!(why.contains(&theirs.to_string()) && why.contains("RFC 3830 section 4.2.7"), "{why}");
                assert!(format!("{:?}", message(&error.unwrap())).contains("InvalidDh"));
            }
        }
    }
}

#[test]
fn what_works_with_keyphone_alone_is_marked_wherever_it_shows() {
    for (group, marked) in [(DhGroup::Oakley5, false), (DhGroup::P256, true), (DhGroup::X25519, true)] {
        let (mut alice, mut bob) = pair(Kind::Hmac);
        alice.policy.mikey.group = group;
        let offer = alice.offer().0;
        for lines in [&offer, &bob.accept(&offer).0] {
            let shown = decode(&bytes(lines), Tolerances::none(), Keys::Hidden).unwrap().to_string();
            assert_eq!(shown.contains("not interoperable"), marked, "{shown}");
        }
    }
    assert!(SignType::Ecdsa.to_string().contains("private use"));
}

#[test]
fn without_a_key_or_a_certificate_nothing_is_offered() {
    for (kind, missing) in [(Kind::Hmac, "we share no key"), (Kind::Sign, "no certificate of our own")] {
        let why = side(kind, ALICE, BOB, Default::default(), 1).offers_nothing();
        assert!(why.contains(missing), "{why}");
        let mut bob = side(kind, BOB, ALICE, Default::default(), 1);
        let (why, _) = bob.refuse(&pair(kind).0.offer().0);
        assert!(why.contains(missing), "{why}");
    }
}

#[test]
fn a_mode_that_policy_does_not_accept_is_refused_by_name() {
    for kind in Kind::BOTH {
        let (mut alice, mut bob) = pair(kind);
        bob.policy.mikey.accept = [ModeName::Psk].into();
        let (why, _) = bob.refuse(&alice.offer().0);
        assert!(why.contains(&kind.mode().to_string()), "{why}");
    }
}
