//! One offer, many answers; and answers that try to be clever.

use crate::support::*;
use keyphone_keying::mikey::derive::{CsbLabel, TransportKeys};
use keyphone_keying::mikey::modes::psk::{Ids, verify_data};
use keyphone_keying::mikey::wire::{CsMap, DataType, Draft, Hdr, Id, MacAlg, Message, Prf, Rand, T};
use keyphone_keying::mikey::{Tolerance, Tolerances};
use keyphone_keying::{Dir, Lines, Output};
use keyphone_media::rtp::Ssrc;

fn bob(ssrc: u32) -> Side {
    side("sip:bob@example.org", "sip:alice@example.org", &PSK, ssrc)
}

#[test]
fn three_answers_to_one_offer_key_all_three() {
    let (mut alice, _) = pair();
    let (offer, offered, out) = alice.offer();
    let mut sessions: Vec<_> = (0..3).map(|_| offered.session()).collect();
    for (n, session) in (1..).zip(&mut sessions) {
        let (answer, _, theirs) = bob(n).accept(&offer);
        assert_eq!(key_for(&theirs, Dir::Send, 0), key_for(&out, Dir::Hear, 0));
        let (result, told) = alice.told(&mut **session, &answer);
        result.unwrap();
        let [(key, stream)] = expected(&told)[..] else { panic!("{told:?}") };
        assert_eq!((key, stream.ssrc), (key_for(&out, Dir::Hear, 0), Some(Ssrc(n))));
        assert!(keys(&told).is_empty(), "its keys came out with the offer, once");
    }
}

#[test]
fn two_answers_that_name_one_ssrc_are_both_told_so_that_the_ledger_finds_the_clash() {
    let (mut alice, _) = pair();
    let (offer, offered, _) = alice.offer();
    let told: Vec<_> = (0..2)
        .map(|_| {
            let answer = bob(7).accept(&offer).0;
            assert_eq!(offered.hint(&answer).ssrcs, [Ssrc(7)]);
            expected(&alice.told(&mut *offered.session(), &answer).1)
        })
        .collect();
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0][0].1.ssrc, Some(Ssrc(7)));
}

#[test]
fn a_rejected_offer_takes_no_answer() {
    let (mut alice, mut bob) = pair();
    let (offer, offered, _) = alice.offer();
    let mut session = offered.session();
    let mut env = keyphone_media::env::Env { now: alice.now, rng: &mut Dice(1) };
    session.handle(keyphone_keying::Input::Rejected, &mut env, &mut vec![]).unwrap();
    let (result, out) = alice.told(&mut *session, &bob.accept(&offer).0);
    assert!(result.is_err() && out.is_empty());
}

/// What a responder with the right key may write all the same.
struct Odd {
    hdr: Hdr,
    t: T,
    id: Option<Id>,
    auth: MacAlg,
}

impl Odd {
    fn to(offer: &Lines) -> Self {
        let message = message(offer);
        let CsMap::Srtp(mut map) = message.hdr().map.clone() else { panic!() };
        map[1].ssrc = Some(Ssrc(0xb0b));
        let hdr = Hdr { data_type: DataType::PskVer, v: false, map: CsMap::Srtp(map), ..message.hdr().clone() };
        let id = Some(Id::uri("sip:bob@example.org"));
        Self { hdr, t: *message.one().unwrap(), id, auth: MacAlg::HmacSha1_160 }
    }

    fn map(&mut self) -> &mut Vec<keyphone_keying::mikey::wire::SrtpId> {
        let CsMap::Srtp(map) = &mut self.hdr.map else { panic!() };
        map
    }

    /// Sealed with the true key.
    fn answer(&self, offer: &Lines) -> Lines {
        let init: Message = message(offer);
        let csb = CsbLabel { csb_id: init.hdr().csb_id, rand: init.one::<Rand>().unwrap().0.clone() };
        let keys = TransportKeys::new(&PSK, &csb);
        let mut ids = init.many::<Id>().cloned();
        let ids = Ids { i: ids.next(), r: self.id.clone().or(ids.next()) };
        let draft = Draft::new(&self.hdr).push(self.t);
        let draft = match &self.id {
            Some(id) => draft.push(id.clone()),
            None => draft,
        };
        let unsealed = draft.v(self.auth);
        let t = *init.one::<T>().unwrap();
        let data = verify_data(self.auth, Some(&keys), unsealed.covered(), &ids, t).unwrap();
        lines(unsealed.seal(&data).unwrap().bytes())
    }
}

#[test]
fn an_answer_with_the_right_key_and_the_wrong_content_is_refused_with_its_section() {
    type Change = fn(&mut Odd);
    let cases: [(&str, Change); 12] = [
        ("(RFC 3830 section 6.1)", |odd| odd.hdr.data_type = DataType::PkVer),
        ("(RFC 3830 section 6.1)", |odd| odd.hdr.prf = Prf::Unknown(3)),
        ("(RFC 3830 section 6.1)", |odd| odd.hdr.csb_id ^= 1),
        ("(RFC 3830 section 6.1)", |odd| odd.hdr.map = CsMap::Empty { count: 2 }),
        ("(RFC 3830 section 6.1.1)", |odd| odd.map().truncate(1)),
        ("(RFC 3830 section 6.1.1)", |odd| odd.map()[0].ssrc = Some(Ssrc(1))),
        ("(RFC 3830 section 6.1.1)", |odd| odd.map()[1].ssrc = Some(Ssrc(0xa11ce))),
        ("(RFC 3830 section 6.1.1)", |odd| odd.map()[1].ssrc = None),
        ("(RFC 3830 section 6.1.1)", |odd| odd.map()[1].policy_no = 1),
        ("(RFC 3830 section 5.2)", |odd| odd.t = T::NtpUtc(at(2).ntp.0)),
        ("(RFC 3830 section 6.9)", |odd| odd.auth = MacAlg::Null),
        ("(RFC 3830 section 3.1)", |odd| odd.id = Some(Id::uri("sip:mallory@example.org"))),
    ];
    let (mut alice, _) = pair();
    let (offer, offered, _) = alice.offer();
    let good = Odd::to(&offer).answer(&offer);
    alice.told(&mut *offered.session(), &good).0.unwrap();
    for (n, (section, change)) in cases.into_iter().enumerate() {
        let mut odd = Odd::to(&offer);
        change(&mut odd);
        let mut session = offered.session();
        let (result, out) = alice.told(&mut *session, &odd.answer(&offer));
        let why = result.expect_err(&format!("case {n}")).to_string();
        assert!(why.contains(section), "case {n}: {why}");
        assert!(out.is_empty(), "case {n}: {out:?}");
        alice.told(&mut *session, &good).0.expect("a bad answer does not spoil the session for the good one");
    }
    let mut anonymous = Odd::to(&offer);
    anonymous.id = None;
    alice.told(&mut *offered.session(), &anonymous.answer(&offer)).0.expect("IDr is optional");
}

#[test]
fn what_minisip_answers_is_let_pass_by_name() {
    let (mut alice, _) = pair();
    alice.policy.mikey.tolerances = Tolerances::none().with(Tolerance::FreshTimestamp).with(Tolerance::NoResponderSsrc);
    let (offer, offered, _) = alice.offer();
    let mut odd = Odd::to(&offer);
    odd.t = T::NtpUtc(at(2).ntp.0);
    odd.map()[1].ssrc = None;
    let (result, out) = alice.told(&mut *offered.session(), &odd.answer(&offer));
    result.unwrap();
    let tolerated: Vec<_> =
        out.iter().filter_map(|o| if let Output::Tolerated(t) = o { Some(*t) } else { None }).collect();
    assert_eq!(tolerated, [Tolerance::NoResponderSsrc.text(), Tolerance::FreshTimestamp.text()]);
    assert!(expected(&out).is_empty(), "nobody named an SSRC: hear whoever authenticates");
}
