//! Bidding down: to a weaker mode, to no other protocol, to what policy does not name.

use crate::modes;
use crate::modes::{ALICE, BOB};
use crate::side::*;
use keyphone_keying::mikey::wire::{DataType, ErrorNo, Ext};
use keyphone_keying::mikey::{Mikey, ModeName};
use keyphone_keying::{Error, Hop, Level, Line, Lines};

#[test]
fn a_mode_that_policy_does_not_accept_is_refused_by_name_and_the_peer_is_told() {
    for case in modes::all() {
        for &other in ModeName::ALL.iter().filter(|mode| **mode != case.mode) {
            let (mut alice, mut bob) = pair(&case);
            bob.policy.mikey.accept = [other].into();
            let (offer, offered, _) = alice.offer();
            let (why, error) = bob.refuse(&offer);
            assert!(why.contains(&format!("that is {}, and policy accepts {other}", case.mode)), "{why}");
            let error = error.unwrap();
            assert_eq!(message(&error).hdr().data_type, DataType::Error);
            assert_eq!(message(&error).many::<ErrorNo>().collect::<Vec<_>>(), [&ErrorNo::InvalidDt]);
            let Some(hint @ Error::Hint(_)) = offered.refused(&error) else { panic!("{}: no hint", case.name) };
            assert!(hint.to_string().contains("data type not supported"), "{hint}");
            bob.policy.mikey.accept = [case.mode].into();
            bob.accept(&offer);
        }
    }
}

#[test]
fn an_answer_in_another_mode_is_none() {
    let answers: Vec<_> = modes::all()
        .iter()
        .map(|case| {
            let (mut alice, mut bob) = pair(case);
            bob.accept(&alice.offer().0).0
        })
        .collect();
    for case in modes::all() {
        let (mut alice, _) = pair(&case);
        alice.dice = Dice(77); // another call
        let (_, offered, _) = alice.offer();
        for answer in &answers {
            alice.reject(&*offered, answer);
        }
    }
}

#[test]
fn a_protocol_that_is_peeled_off_on_the_way_is_missed() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        alice.mikey = Mikey::new(case.credentials(ALICE, BOB), START).among(vec!["keyp1".into(), "mikey".into()]);
        let (peeled, _, _) = alice.offer();
        assert!(message(&peeled).many::<Ext>().any(|ext| *ext == Ext::SdpIds(b"keyp1;mikey".to_vec())));
        let (why, _) = bob.refuse(&peeled);
        assert!(why.contains("keyp1;mikey") && why.contains("RFC 4567 section 4.1.4"), "{}: {why}", case.name);
        let keyp1 = Line { level: Level::Session, name: "key-mgmt".into(), value: "keyp1 c3Ryb25n".into() };
        bob.accept(&Lines(vec![keyp1, alice.offer().0.0.remove(0)]));
    }
}

#[test]
fn what_nothing_protects_is_for_tls_alone() {
    let case = modes::all().into_iter().find(|case| case.is_null()).unwrap();
    let (mut alice, mut bob) = pair(&case);
    bob.hop = Hop::Clear;
    let (why, _) = bob.refuse(&alice.offer().0);
    assert!(why.contains("this hop is not TLS") && why.contains("RFC 3830 sections 4.2.3 and 4.2.4"), "{why}");
    alice.hop = Hop::Clear;
    let (result, out) = alice.try_offer();
    assert!(result.err().unwrap().to_string().contains("this hop is not TLS") && out.is_empty());
}

#[test]
fn an_error_message_from_anybody_is_no_more_than_a_hint() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        let (offer, offered, _) = alice.offer();
        bob.policy.mikey.accept.clear();
        let error = bob.refuse(&offer).1.unwrap();
        let why = alice.reject(&*offered, &error);
        assert!(why.contains("unauthenticated"), "{}: {why}", case.name);
        assert_eq!(offered.refused(&offer), None, "{}: an I_MESSAGE is no error message", case.name);
        bob.policy.mikey.accept = [case.mode].into();
        let answer = bob.accept(&offer).0;
        alice.told(&mut *offered.session(), &answer).0.unwrap();
    }
}
