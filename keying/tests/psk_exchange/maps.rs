//! CS ID maps as others write them: empty ones, none at all, and updates that add to them (RFC 3830 sections 4.5 and 6.1,
//! RFC 4563 section 5).

use crate::support::*;
use keyphone_keying::mikey::derive::FromTgk;
use keyphone_keying::mikey::modes::psk::{Ids, verify_data};
use keyphone_keying::mikey::wire::{
    CsMap, DataType, Draft, ErrorNo, Hdr, Id, KeyData, KeyKind, Kv, MacAlg, Param, ProtType, Secret, Sp, SrtpParam, T,
};
use keyphone_keying::{Dir, Output, Session};
use keyphone_media::srtp::{KeyId, MasterKey, Suite};

const TGK: [u8; 16] = [0x77; 16];

fn tgk() -> KeyData {
    KeyData { kind: KeyKind::Tgk, key: Secret::new(TGK.to_vec()), salt: None, kv: Kv::Null }
}

/// The key of a crypto session of the foreign bundle.
fn derived(cs_id: u8) -> KeyId {
    let (csb, _) = Foreign::transport();
    let derive = |what: FromTgk, len| what.derive(&TGK, cs_id, &csb, len);
    let suite = Suite::AesCm128HmacSha1_80;
    MasterKey::new(&derive(FromTgk::Tek, 16), &derive(FromTgk::Salt, 14), suite).unwrap().id()
}

fn sp(tag: u8) -> Sp {
    Sp { policy_no: 0, prot_type: ProtType::Srtp, params: vec![Param::new(SrtpParam::TagLen, tag)] }
}

#[test]
fn the_crypto_sessions_of_an_empty_map_are_those_that_sdp_numbers() {
    let foreign = Foreign { map: Some(CsMap::Empty { count: 2 }), ..Foreign::new(vec![tgk()]) };
    let (answer, _, out) = pair().1.accept(&foreign.lines());
    assert_eq!((key_for(&out, Dir::Hear, 0), key_for(&out, Dir::Send, 0)), (derived(1), derived(2)));
    assert!(keys(&out).iter().all(|(_, stream)| stream.dir == Dir::Send || stream.ssrc.is_none()), "{out:?}");
    assert_eq!(message(&answer).hdr().map, CsMap::Empty { count: 2 });
}

#[test]
fn an_empty_map_has_no_policy_beside_it_and_no_map_may_be_too_small() {
    let mut foreign = Foreign { map: Some(CsMap::Empty { count: 2 }), ..Foreign::new(vec![tgk()]) };
    foreign.payloads.push(sp(10).into());
    let (why, error) = pair().1.refuse(&foreign.lines());
    assert!(why.contains("RFC 4563 section 5"), "{why}");
    assert!(message(&error.unwrap()).many::<ErrorNo>().any(|number| *number == ErrorNo::InvalidSp));
    for map in [CsMap::Empty { count: 0 }, CsMap::Srtp(vec![])] {
        let (why, _) = pair().1.refuse(&Foreign { map: Some(map), ..Foreign::new(vec![tgk()]) }.lines());
        assert!(why.contains("no crypto session, so there is nothing to key"), "{why}");
    }
}

/// A call from the foreign peer that is answered.
fn running() -> (Side, Box<dyn Session>) {
    let mut bob = pair().1;
    let (_, session, _) = bob.accept(&Foreign::new(vec![tgk()]).lines());
    bob.now = at(9);
    (bob, session)
}

/// An update of it, with these keys.
fn update(keys: Vec<KeyData>, second: u64) -> Foreign {
    Foreign { is_update: true, t: T::NtpUtc(at(second).ntp.0), ..Foreign::new(keys) }
}

fn answer(bob: &mut Side, session: &mut dyn Session, update: &Foreign) -> (Result<(), String>, Vec<Output>) {
    let (answered, out) = bob.answer_again(session, &update.lines());
    (answered.map(|_| ()).map_err(|refusal| refusal.error.to_string()), out)
}

#[test]
fn an_update_without_keys_is_answered_and_changes_none() {
    let (mut bob, mut session) = running();
    let (answered, out) = answer(&mut bob, &mut *session, &update(vec![], 2));
    assert_eq!(answered, Ok(()));
    assert!(matches!(&out[..], [Output::Peer(_)]), "the keys that there are go on: {out:?}");
    let (answered, out) = answer(&mut bob, &mut *session, &update(vec![tgk()], 3));
    assert_eq!((answered, gave_keys(&out)), (Ok(()), true), "and it can still be rekeyed");
}

#[test]
fn an_update_without_keys_adds_a_crypto_session_under_the_tgk_that_there_is() {
    let (mut bob, mut session) = running();
    bob.streams = [line(0, 0xb0b), line(1, 0xb1b)].concat();
    let wider = Foreign { ssrcs: vec![0xf0, 0, 0xf1, 0], ..update(vec![], 2) };
    let (answered, out) = answer(&mut bob, &mut *session, &wider);
    assert_eq!(answered, Ok(()));
    assert_eq!((key_for(&out, Dir::Hear, 1), key_for(&out, Dir::Send, 1)), (derived(3), derived(4)));
    assert!(keys(&out).iter().all(|(_, stream)| stream.line == 1), "those of the first m-line are not made again");
    let narrower = Foreign { ssrcs: vec![0xf0, 0], ..update(vec![], 3) };
    let (answered, out) = answer(&mut bob, &mut *session, &narrower);
    assert!(answered.unwrap_err().contains("the bundle has 4") && !gave_keys(&out));
}

#[test]
fn an_update_without_keys_cannot_change_how_packets_are_protected() {
    let (mut bob, mut session) = running();
    let mut other = update(vec![], 2);
    other.payloads.push(sp(4).into());
    let (answered, out) = answer(&mut bob, &mut *session, &other);
    let why = answered.unwrap_err();
    assert!(why.contains("brings no new key") && why.contains("RFC 3830 section 4.5") && !gave_keys(&out), "{why}");
    let mut same = update(vec![], 3);
    same.payloads.push(sp(10).into());
    assert_eq!(answer(&mut bob, &mut *session, &same).0, Ok(()));
}

#[test]
fn a_bundle_of_one_crypto_session_for_both_ways_is_updated_by_us_and_our_ssrc_stays_ours() {
    let mut bob = pair().1;
    let single = Foreign { ssrcs: vec![0xf0], ..Foreign::new(vec![tgk()]) };
    let (_, mut session, out) = bob.accept(&single.lines());
    assert_eq!(key_for(&out, Dir::Hear, 0), key_for(&out, Dir::Send, 0));
    bob.now = at(2);
    let (update, out) = bob.offer_again(&mut *session);
    assert_eq!((keys(&out).len(), key_for(&out, Dir::Hear, 0)), (2, key_for(&out, Dir::Send, 0)));
    let (update, (_, keys)) = (message(&update), Foreign::transport());
    assert_eq!(update.hdr().map.count(), 1);
    let hdr = Hdr { data_type: DataType::PskVer, v: false, ..update.hdr().clone() };
    let (t, mut ids) = (*update.one::<T>().unwrap(), update.many::<Id>().cloned());
    let unsealed = Draft::new(&hdr).push(t).v(MacAlg::HmacSha1_160);
    let ids = Ids { i: ids.next(), r: ids.next() };
    let data = verify_data(MacAlg::HmacSha1_160, Some(&keys), unsealed.covered(), &ids, t).unwrap();
    let (result, told) = bob.told(&mut *session, &lines(unsealed.seal(&data).unwrap().bytes()));
    result.unwrap();
    assert!(matches!(&told[..], [Output::Peer(_)]), "nobody has named the peer's SSRC: {told:?}");
}
