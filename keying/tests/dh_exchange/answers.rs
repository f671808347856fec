//! Answers that try to be clever, sealed with the true key.

use crate::support::*;
use keyphone_keying::mikey::wire::{CsMap, DataType, Dh, DhGroup, Id, Kv, Payload, Prf, Rand, T};
use keyphone_keying::mikey::{Tolerance, Tolerances};
use keyphone_keying::{Lines, Offered, Output};
use keyphone_media::rtp::Ssrc;

/// Alice, her offer, and bob's answer to it, taken apart.
fn answered(kind: Kind) -> (Side, Lines, Box<dyn Offered>, Forged) {
    let (mut alice, mut bob) = pair(kind);
    let (offer, offered, _) = alice.offer();
    let answer = message(&bob.accept(&offer).0);
    let forged = Forged::of(kind, BOB, &answer, &message(&offer));
    (alice, offer, offered, forged)
}

fn dh(forged: &mut Forged, nth: usize) -> &mut Dh {
    let at = forged.find("DH", nth);
    let Payload::Dh(dh) = &mut forged.payloads[at] else { panic!() };
    dh
}

fn map(forged: &mut Forged) -> &mut Vec<keyphone_keying::mikey::wire::SrtpId> {
    let CsMap::Srtp(map) = &mut forged.hdr.map else { panic!() };
    map
}

#[test]
fn an_answer_with_the_right_key_and_the_wrong_content_is_refused_with_its_section() {
    type Change = fn(&mut Forged);
    const MODE: &str = "of the mode";
    let cases: [(&str, &str, Change); 22] = [
        ("(RFC 3830 section 6.1)", "answers", |f| f.hdr.data_type = DataType::PskVer),
        ("(RFC 3830 section 6.1)", "another PRF", |f| f.hdr.prf = Prf::Unknown(3)),
        ("(RFC 3830 section 6.1)", "type of the CS ID map", |f| f.hdr.map = CsMap::Empty { count: 2 }),
        ("(RFC 3830 section 6.1.1)", "with 1", |f| map(f).truncate(1)),
        ("(RFC 3830 section 6.1.1)", "changed the SSRC", |f| map(f)[0].ssrc = Some(Ssrc(1))),
        ("(RFC 3830 section 6.1.1)", "our SSRC", |f| map(f)[1].ssrc = Some(Ssrc(0xa11ce))),
        ("(RFC 3830 section 6.1.1)", "at zero", |f| map(f)[1].ssrc = None),
        (MODE, "timestamp of its own", |f| {
            let t = f.find("T", 0);
            f.payloads[t] = T::NtpUtc(at(2).ntp.0).into();
        }),
        (MODE, "lacks IDi", |f| f.payloads.retain(|payload| !matches!(payload, Payload::Id(_)))),
        (MODE, "answer to sip:bob@example.org", |f| {
            f.payloads.remove(f.find("ID", 1));
        }),
        (MODE, "answer to sip:carol@example.org", |f| {
            let idi = f.find("ID", 1);
            f.payloads[idi] = Id::uri("sip:carol@example.org").into();
        }),
        (MODE, "more than two identities", |f| f.payloads.push(Id::uri(ALICE).into())),
        (MODE, "RAND has no place", |f| f.payloads.push(Rand(vec![1; 16]).into())),
        (MODE, "DHr and DHi, and nothing more", |f| {
            f.payloads.remove(f.find("DH", 0));
        }),
        (MODE, "DHr and DHi, and nothing more", |f| {
            let third = f.payloads[f.find("DH", 0)].clone();
            f.payloads.push(third);
        }),
        (MODE, "does not repeat our DHi", |f| dh(f, 1).value[50] ^= 1),
        (MODE, "is our own DHi", |f| dh(f, 0).value = dh(f, 1).value.clone()),
        (MODE, "another group", |f| *dh(f, 0) = Dh { group: DhGroup::Oakley2, value: vec![2; 128], kv: Kv::Null }),
        (MODE, "another validity", |f| dh(f, 0).kv = Kv::Spi(vec![1])),
        ("(RFC 2412 section 2.3.1.1)", "not between 1 and p - 1", |f| dh(f, 0).value = [vec![0; 95], vec![1]].concat()),
        ("(RFC 2412 section 2.3.1.1)", "not between 1 and p - 1", |f| dh(f, 0).value.fill(0xff)),
        ("(RFC 2412 section 2.3.1.1)", "not between 1 and p - 1", |f| dh(f, 0).value.fill(0)),
    ];
    for kind in Kind::BOTH {
        let (mut alice, _, offered, good) = answered(kind);
        for (section, why, change) in &cases {
            let mut forged = good.clone();
            change(&mut forged);
            let section = if *section == MODE { kind.section() } else { section };
            let mut session = offered.session();
            let (result, out) = alice.told(&mut *session, &forged.lines());
            let told = result.expect_err(why).to_string();
            assert!(told.contains(why) && told.contains(section), "{kind:?}, {why}, {section}: {told}");
            assert!(keys(&out).is_empty(), "{kind:?}, {why}: {out:?}");
            alice
                .told(&mut *session, &good.lines())
                .0
                .expect("a bad answer does not spoil the session for the good one");
        }
    }
}

/// The order of payloads is recommended, no more (RFC 3830 section 5.2).
#[test]
fn the_halves_may_come_in_either_order() {
    for kind in Kind::BOTH {
        let (mut alice, _, offered, good) = answered(kind);
        let keys = ways(&alice.told(&mut *offered.session(), &good.lines()).1, 0);
        let mut swapped = good;
        let (a, b) = (swapped.find("DH", 0), swapped.find("DH", 1));
        swapped.payloads.swap(a, b);
        let (result, out) = alice.told(&mut *offered.session(), &swapped.lines());
        result.unwrap();
        assert_eq!(ways(&out, 0), keys, "{kind:?}");
    }
}

#[test]
fn what_minisip_answers_is_let_pass_by_name() {
    for kind in Kind::BOTH {
        let (mut alice, mut bob) = pair(kind);
        alice.policy.mikey.tolerances = Tolerances::interop();
        let (offer, offered, _) = alice.offer();
        let mut odd = Forged::of(kind, BOB, &message(&bob.accept(&offer).0), &message(&offer));
        odd.payloads.retain(|payload| !matches!(payload, Payload::Id(_)));
        let t = odd.find("T", 0);
        odd.payloads[t] = T::NtpUtc(at(2).ntp.0).into();
        map(&mut odd)[1].ssrc = None;
        let (result, out) = alice.told(&mut *offered.session(), &odd.lines());
        result.unwrap();
        for tolerance in [Tolerance::MissingId, Tolerance::FreshTimestamp, Tolerance::NoResponderSsrc] {
            let said = |output: &Output| matches!(output, Output::Tolerated(text) if *text == tolerance.text());
            assert!(out.iter().any(said), "{kind:?}: {out:?}");
        }
        ways(&out, 0);
    }
}

/// What was answered to somebody else's offer, or to another of ours, is no answer to this one.
#[test]
fn an_answer_is_good_for_one_offer_alone() {
    for kind in Kind::BOTH {
        let (mut alice, _, _, good) = answered(kind);
        let (_, second, _) = alice.offer();
        assert!(alice.told(&mut *second.session(), &good.lines()).0.is_err());
        // Even where all that tells the two offers apart is DHi.
        let mut moved = good.clone();
        let (later, second, _) = alice.offer();
        moved.hdr.csb_id = message(&later).hdr().csb_id;
        let t = moved.find("T", 0);
        moved.payloads[t] = (*message(&later).one::<T>().unwrap()).into();
        let moved = Forged::of(kind, BOB, &moved.message(), &message(&later));
        let why = alice.told(&mut *second.session(), &moved.lines()).0.unwrap_err().to_string();
        assert!(why.contains("does not repeat our DHi"), "{why}");
    }
}

#[test]
fn an_error_message_is_a_hint() {
    for kind in Kind::BOTH {
        let (mut alice, mut bob) = pair(kind);
        bob.policy.mikey.group = DhGroup::Oakley5;
        let (offer, offered, _) = alice.offer();
        let error = bob.refuse(&offer).1.unwrap();
        assert!(offered.refused(&error).unwrap().to_string().contains("DH group not supported"));
        assert!(alice.told(&mut *offered.session(), &error).0.unwrap_err().to_string().contains("no more than a hint"));
    }
}
