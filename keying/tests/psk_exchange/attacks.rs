//! What somebody on the way, or with another key, does not get.

use crate::support::*;
use keyphone_keying::mikey::wire::{EncrAlg, Ext, MacAlg};
use keyphone_keying::mikey::{Mikey, MikeyPolicy};
use keyphone_keying::{Error, Identity, Level, Line, Lines, PskStore};
use keyphone_media::env::NtpTime;
use proptest::prelude::*;

#[test]
fn no_octet_of_the_offer_can_be_changed() {
    let (mut alice, _) = pair();
    let offer = bytes(&alice.offer().0);
    for at in 0..offer.len() {
        for bit in [0x01, 0x80] {
            let mut changed = offer.clone();
            changed[at] ^= bit;
            pair().1.refuse(&lines(&changed));
        }
    }
    for cut in 0..offer.len() {
        pair().1.refuse(&lines(&offer[..cut]));
    }
    pair().1.accept(&lines(&offer));
}

#[test]
fn no_octet_of_the_answer_can_be_changed() {
    let (mut alice, mut bob) = pair();
    let (offer, offered, _) = alice.offer();
    let answer = bytes(&bob.accept(&offer).0);
    let mut session = offered.session();
    for at in 0..answer.len() {
        for bit in [0x01, 0x80] {
            let mut changed = answer.clone();
            changed[at] ^= bit;
            let (result, out) = alice.told(&mut *session, &lines(&changed));
            assert!(result.is_err() && out.is_empty(), "octet {at}: {out:?}");
        }
    }
    alice.told(&mut *session, &lines(&answer)).0.unwrap();
}

#[test]
fn an_answer_to_one_call_is_none_to_another() {
    let (mut alice, mut bob) = pair();
    let first = alice.offer();
    let second = alice.offer();
    let answer = bob.accept(&first.0).0;
    let (result, out) = alice.told(&mut *second.1.session(), &answer);
    assert!(result.unwrap_err().to_string().contains("answers CSB") && out.is_empty());
    let (result, out) = alice.told(&mut *second.1.session(), &Lines::default());
    assert!(result.unwrap_err().to_string().contains("without a key-mgmt line") && out.is_empty());
}

#[test]
fn the_same_offer_in_another_call_is_a_replay() {
    let (mut alice, mut bob) = pair();
    let offer = alice.offer().0;
    bob.accept(&offer);
    bob.now = at(200);
    let (why, error) = bob.refuse(&offer);
    assert!(why.contains("replay") && why.contains("RFC 3830 section 5.4"), "{why}");
    let refused = alice.offer().1.refused(&error.clone().unwrap());
    assert_eq!(refused, None);
    let text = format!("{:?}", message(&error.unwrap()));
    assert!(text.contains("InvalidTs"), "{text}");
}

#[test]
fn a_forged_offer_leaves_no_trace_in_the_replay_cache() {
    let (mut alice, mut bob) = pair();
    let offer = alice.offer().0;
    let mut forged = bytes(&offer);
    let last = forged.len() - 30; // in the key data: same T, same MAC
    forged[last] ^= 1;
    bob.refuse(&lines(&forged));
    bob.accept(&offer);
}

#[test]
fn the_first_sentence_says_how_far_the_clocks_are_apart() {
    let (mut alice, mut bob) = pair();
    bob.now = at(721);
    let (why, _) = bob.refuse(&alice.offer().0);
    assert!(why.starts_with("its clock is 720 s behind ours"), "{why}");
    let (mut alice, mut bob) = pair();
    alice.now = at(601);
    let (why, _) = bob.refuse(&alice.offer().0);
    assert!(why.starts_with("its clock is 600 s ahead of ours"), "{why}");
    bob.policy.mikey.max_skew = std::time::Duration::from_secs(900);
    bob.accept(&alice.offer().0);
}

#[test]
fn after_a_restart_what_was_made_before_is_refused() {
    let (mut alice, mut bob) = pair();
    let offer = alice.offer().0;
    bob.accept(&offer);
    let mut psks = PskStore::default();
    psks.insert(Some(alice.me.clone()), keyphone_keying::Psk::new(PSK.to_vec()).unwrap());
    bob.mikey = Mikey::new(psks, NtpTime(at(2).ntp.0));
    bob.now = at(3);
    assert!(bob.refuse(&offer).0.contains("before we started"));
    alice.now = at(3);
    bob.accept(&alice.offer().0);
}

#[test]
fn another_key_proves_nothing_and_the_peer_is_told_no_more_than_that() {
    let (mut alice, _) = pair();
    let (offer, offered, _) = alice.offer();
    let mut wrong = side("sip:bob@example.org", "sip:alice@example.org", b"not sixteen octs", 1);
    let (why, error) = wrong.refuse(&offer);
    assert!(why.contains("MAC does not verify"), "{why}");
    let error = error.unwrap();
    let Some(hint @ Error::Hint(_)) = offered.refused(&error) else { panic!("no hint") };
    assert!(
        hint.to_string().contains("unauthenticated") && hint.to_string().contains("authentication failure"),
        "{hint}"
    );
    let (result, out) = alice.told(&mut *offered.session(), &error); // the same in a 200
    assert!(matches!(result, Err(Error::Hint(_))) && out.is_empty());
    assert_eq!(offered.refused(&offer), None, "an I_MESSAGE is no error message");
}

#[test]
fn a_peer_that_we_share_no_key_with_is_named_and_so_is_the_remedy() {
    let (mut alice, mut bob) = pair();
    alice.peer = Identity::new("sip:dave@example.org");
    let error = alice.offers_nothing();
    assert!(error.contains("sip:dave@example.org") && error.contains("--psk"), "{error}");
    bob.mikey = Mikey::new(PskStore::default(), START);
    let offer = pair().0.offer().0;
    assert!(bob.refuse(&offer).0.contains("--psk sip:alice@example.org=HEX"));
}

#[test]
fn a_peer_cannot_use_its_own_key_under_another_name() {
    let (mut alice, mut bob) = pair();
    let mut mallory = side("sip:mallory@example.org", "sip:bob@example.org", b"mallory and bob", 3);
    let mut psks = PskStore::default();
    for (peer, psk) in [("sip:alice@example.org", &PSK[..]), ("sip:mallory@example.org", b"mallory and bob")] {
        psks.insert(Some(Identity::new(peer)), keyphone_keying::Psk::new(psk.to_vec()).unwrap());
    }
    bob.mikey = Mikey::new(psks, START);
    mallory.me = alice.me.clone();
    assert!(bob.refuse(&mallory.offer().0).0.contains("MAC does not verify"));
    bob.accept(&alice.offer().0);
}

#[test]
fn an_offer_for_another_is_not_ours() {
    let (mut alice, mut carol) = pair();
    carol.me = Identity::new("sip:carol@example.org"); // somebody retargeted the call
    let (why, _) = carol.refuse(&alice.offer().0);
    assert!(why.contains("is for sip:bob@example.org and we are sip:carol@example.org"), "{why}");
    assert!(why.contains("RFC 3830 section 9.5"));
}

#[test]
fn a_protocol_that_is_peeled_off_on_the_way_is_missed() {
    let (mut alice, mut bob) = pair();
    alice.mikey = std::mem::replace(&mut alice.mikey, Mikey::new(PskStore::default(), START))
        .among(vec!["keyp1".into(), "mikey".into()]);
    let mikey = alice.offer().0;
    assert!(message(&mikey).many::<Ext>().any(|e| *e == Ext::SdpIds(b"keyp1;mikey".to_vec())));
    let (why, _) = bob.refuse(&mikey);
    assert!(why.contains("keyp1;mikey") && why.contains("RFC 4567 section 4.1.4"), "{why}");

    let keyp1 = Line { level: Level::Session, name: "key-mgmt".into(), value: "keyp1 c3Ryb25n".into() };
    let swapped = Lines(vec![alice.offer().0.0.remove(0), keyp1.clone()]);
    assert!(bob.refuse(&swapped).0.contains("the SDP offers mikey;keyp1"), "the order counts too");
    let whole = Lines(vec![keyp1, alice.offer().0.0.remove(0)]);
    bob.accept(&whole);
}

#[test]
fn null_is_refused_with_its_section_and_not_offered_without_leave() {
    let all = MikeyPolicy { allow_null_encryption: true, allow_null_mac: true, ..MikeyPolicy::default() };
    for (encryption, mac, section) in [
        (EncrAlg::Null, MacAlg::HmacSha1_160, "RFC 3830 section 4.2.3"),
        (EncrAlg::AesCm128, MacAlg::Null, "RFC 3830 section 4.2.4"),
    ] {
        let (mut alice, mut bob) = pair();
        alice.policy.mikey = MikeyPolicy { encryption, mac, ..all.clone() };
        let (why, _) = bob.refuse(&alice.offer().0);
        assert!(why.contains(section), "{why}");
        alice.policy.mikey = MikeyPolicy { encryption, mac, ..MikeyPolicy::default() };
        assert!(alice.offers_nothing().contains(section));
    }
}

#[test]
fn no_error_and_no_debug_shows_a_key() {
    let (mut alice, mut bob) = pair();
    let (offer, _, out) = alice.offer();
    let shown = format!("{out:?} {:?} {:?} {:?}", alice.mikey, bob.accept(&offer).2, message(&offer));
    assert!(
        !shown.contains(&hex::encode(PSK)) && !shown.contains("sixteen") && !shown.contains("115, 105, 120, 116"),
        "{shown}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_panic_and_none_give_a_key(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut alice, mut bob) = pair();
        bob.refuse(&lines(&noise));
        bob.refuse(&raw(String::from_utf8_lossy(&noise).into_owned()));
        let (_, offered, _) = alice.offer();
        offered.hint(&lines(&noise));
        prop_assert!(offered.refused(&lines(&noise)).is_none());
        let (result, out) = alice.told(&mut *offered.session(), &lines(&noise));
        prop_assert!(result.is_err() && out.is_empty());
    }

    #[test]
    fn no_splice_of_true_messages_gives_a_key(
        cut in 0usize..150, skip in 0usize..150, insert in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let (mut alice, mut bob) = pair();
        let (offer, other) = (bytes(&alice.offer().0), bytes(&alice.offer().0));
        let cut = cut.min(offer.len());
        let mixed = [&offer[..cut], &insert, &other[skip.min(other.len())..]].concat();
        prop_assume!(mixed != offer && mixed != other);
        bob.refuse(&lines(&mixed));
    }
}
