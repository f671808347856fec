//! Calls that go well.

use crate::modes::{self, Case};
use crate::side::*;
use keyphone_keying::mikey::policy::{KeyForm, Validity};
use keyphone_keying::mikey::wire::Ext;
use keyphone_keying::{How, Output};
use keyphone_media::rtp::Ssrc;

/// Who the peer is and how we know comes before any of its keys; our own message's keys name nobody.
fn how(out: &[Output]) -> How {
    let first = out.iter().find(|output| !matches!(output, Output::Tolerated(_)));
    let Some(Output::Peer(peer)) = first else { panic!("{out:?}") };
    peer.how
}

/// A call from offer to answer; returns what came out on both sides.
fn call(case: &Case, alice: &mut Side, bob: &mut Side) -> (Vec<Output>, Vec<Output>) {
    let (offer, offered, mut ours) = alice.offer();
    assert_eq!(keys(&ours).is_empty(), !case.early, "{}", case.name);
    let (answer, _, theirs) = bob.accept(&offer);
    assert_eq!(how(&theirs), case.how.0, "{}", case.name);
    let (result, told) = alice.told(&mut *offered.session(), &answer);
    result.unwrap();
    assert_eq!(how(&told), case.how.1, "{}", case.name);
    ours.extend(told);
    (ours, theirs)
}

#[test]
fn both_sides_have_the_same_keys_each_way_another_and_know_each_other() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        let (ours, theirs) = call(&case, &mut alice, &mut bob);
        let ((send, hear), (bobs_send, bobs_hear)) = (ways(&ours, 0), ways(&theirs, 0));
        assert_eq!((send, hear), (bobs_hear, bobs_send), "{}", case.name);
        assert_ne!(send, hear, "{}", case.name);
        let (again, _) = call(&case, &mut alice, &mut bob);
        assert_ne!(ways(&again, 0), (send, hear), "{}: every call has keys of its own", case.name);
    }
}

#[test]
fn every_m_line_has_keys_of_its_own_and_the_ssrcs_are_named() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        alice.streams = [line(0, 1), line(1, 2), line(3, 3)].concat();
        bob.streams = [line(0, 11), line(1, 12), line(3, 13)].concat();
        let (ours, theirs) = call(&case, &mut alice, &mut bob);
        for (n, ssrc) in [(0, 11), (1, 12), (3, 13)] {
            let (send, hear) = ways(&ours, n);
            assert_eq!((hear, send), ways(&theirs, n), "{} line {n}", case.name);
            let named = keys(&ours).into_iter().chain(ours.iter().filter_map(|output| match output {
                Output::Expect(key, stream) => Some((*key, *stream)),
                _ => None,
            }));
            let named: Vec<_> = named.filter(|(key, _)| *key == hear).filter_map(|(_, stream)| stream.ssrc).collect();
            assert_eq!(named, [Ssrc(ssrc)], "{}: the callee filled in its SSRC", case.name);
        }
    }
}

#[test]
fn three_who_answer_one_offer_are_three_agreements() {
    for case in modes::all() {
        let (mut alice, _) = pair(&case);
        let (offer, offered, out) = alice.offer();
        let heard: Vec<_> = (0..3)
            .map(|n| {
                let mut bob = bob(&case);
                (bob.streams, bob.dice) = (line(0, 20 + n).to_vec(), Dice(n.into()));
                let (answer, _, theirs) = bob.accept(&offer);
                let (result, told) = alice.told(&mut *offered.session(), &answer);
                result.unwrap();
                let ours = if case.early { &out } else { &told };
                assert_eq!(ways(ours, 0).1, ways(&theirs, 0).0, "{}", case.name);
                ways(ours, 0).1
            })
            .collect();
        assert_eq!(heard[0] == heard[1], case.early, "{}: keys of the offer are shared by all branches", case.name);
    }
}

#[test]
fn keys_travel_in_every_form_that_policy_may_choose() {
    for case in modes::all().into_iter().filter(|case| case.early) {
        for (form, validity) in [
            (KeyForm::TgkSalt, Validity::Null),
            (KeyForm::TekSalt, Validity::Null),
            (KeyForm::TekWithSalt, Validity::Mki(4)),
            (KeyForm::Tgk, Validity::Mki(2)),
            (KeyForm::Tgk, Validity::Packets(1000)),
        ] {
            let (mut alice, mut bob) = pair(&case);
            (alice.policy.mikey.keys, alice.policy.mikey.validity) = (form, validity);
            let (result, out) = alice.try_offer();
            let Ok((offer, offered)) = result else {
                // MIKEY has no padding, so AES-KW takes few lengths (RFC 3394 section 2).
                assert!(case.name.contains("AES-KW") && out.is_empty(), "{}", case.name);
                continue;
            };
            let (answer, _, theirs) = bob.accept(&offer);
            alice.told(&mut *offered.session(), &answer).0.unwrap();
            let ((send, hear), theirs) = (ways(&out, 0), theirs);
            assert_eq!((hear, send), ways(&theirs, 0), "{} {form:?} {validity:?}", case.name);
            let same = matches!(form, KeyForm::TekSalt | KeyForm::TekWithSalt);
            assert_eq!(send == hear, same, "{} {form:?}: a TEK is for all, a TGK is not", case.name);
            let Some(Output::Key(key)) = theirs.iter().find(|output| matches!(output, Output::Key(_))) else {
                panic!()
            };
            let mki = key.key().mki().map(|mki| mki.bytes().to_vec());
            match validity {
                Validity::Mki(octets) => assert_eq!(mki.map(|mki| mki.len()), Some(octets.into()), "{}", case.name),
                Validity::Packets(n) => assert_eq!((mki, key.key().lifetime()), (None, n), "{}", case.name),
                Validity::Null => assert_eq!(mki, None, "{}", case.name),
            }
        }
    }
}

#[test]
fn extensions_that_policy_names_are_in_the_offer_and_cannot_be_changed() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        alice.policy.mikey.extensions = vec![Ext::VendorId(b"keyphone".to_vec())];
        let (offer, _, _) = alice.offer();
        assert!(message(&offer).many::<Ext>().any(|ext| *ext == Ext::VendorId(b"keyphone".to_vec())), "{}", case.name);
        let mut changed = bytes(&offer);
        let at = changed.windows(8).position(|window| window == b"keyphone").unwrap();
        changed[at] = b'K';
        if !case.is_null() {
            bob.refuse(&lines(&changed));
        }
        bob.accept(&offer);
    }
}
