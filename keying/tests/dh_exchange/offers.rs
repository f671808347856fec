//! Offers that try to be clever, sealed with the true key; and those that are merely foreign.

use crate::support::*;
use keyphone_keying::mikey::derive::hmac_sha1;
use keyphone_keying::mikey::wire::{
    CacheType, Cert, CertType, Chash, Dh, DhGroup, EncrAlg, HashFunc, Id, Kv, MacAlg, Payload, Pke, Prf, T,
};
use keyphone_keying::mikey::{Tolerance, Tolerances};
use keyphone_keying::{Lines, Output};
use zeroize::Zeroizing;

fn forged(kind: Kind) -> Forged {
    let offer = message(&naming(kind).offer().0);
    Forged::of(kind, ALICE, &offer, &offer)
}

fn dh(forged: &mut Forged) -> &mut Dh {
    let at = forged.find("DH", 0);
    let Payload::Dh(dh) = &mut forged.payloads[at] else { panic!() };
    dh
}

#[test]
fn an_offer_with_the_right_key_and_the_wrong_content_is_refused_with_its_reason() {
    type Change = fn(&mut Forged);
    let cases: [(&str, Change); 14] = [
        ("DH is missing", |f| {
            f.payloads.remove(f.find("DH", 0));
        }),
        ("DH comes twice", |f| {
            let again = f.payloads[f.find("DH", 0)].clone();
            f.payloads.push(again);
        }),
        ("RAND is missing", |f| {
            f.payloads.remove(f.find("RAND", 0));
        }),
        ("T is missing", |f| {
            f.payloads.remove(f.find("T", 0));
        }),
        ("not between 1 and p - 1", |f| dh(f).value = [vec![0; 95], vec![1]].concat()),
        ("not between 1 and p - 1", |f| dh(f).value.fill(0)),
        ("not between 1 and p - 1", |f| dh(f).value.fill(0xff)),
        ("no point of the curve", |f| *dh(f) = Dh { group: DhGroup::P256, value: vec![4; 65], kv: Kv::Null }),
        ("makes a key of zeros", |f| *dh(f) = Dh { group: DhGroup::X25519, value: vec![0; 32], kv: Kv::Null }),
        ("PRF is unknown (5)", |f| f.hdr.prf = Prf::Unknown(5)),
        ("PKE has no place", |f| f.payloads.push(Pke { cache: CacheType::NoCache, data: vec![1] }.into())),
        ("CHASH has no place", |f| f.payloads.push(Chash { hash_func: HashFunc::Sha1, hash: vec![1; 20] }.into())),
        ("more than two identities", |f| f.payloads.extend([Id::uri(BOB).into(), Id::uri(BOB).into()])),
        ("is for sip:carol@example.org", |f| {
            let idr = f.find("ID", 1);
            f.payloads[idr] = Id::uri("sip:carol@example.org").into();
        }),
    ];
    for kind in Kind::BOTH {
        pair(kind).1.accept(&forged(kind).lines());
        for (why, change) in cases {
            let mut forged = forged(kind);
            change(&mut forged);
            let (told, error) = pair(kind).1.refuse(&forged.lines());
            assert!(told.contains(why), "{kind:?}, {why}: {told}");
            assert!(error.is_some() || why == "T is missing", "{kind:?}: {why}");
        }
    }
}

#[test]
fn certificates_are_not_for_the_pre_shared_key() {
    let mut forged = forged(Kind::Hmac);
    forged.payloads.push(Cert { cert_type: CertType::X509, data: vec![1] }.into());
    let (why, _) = pair(Kind::Hmac).1.refuse(&forged.lines());
    assert!(why.contains("CERT has no place") && why.contains("RFC 4650"), "{why}");
}

/// The KEMAC of DHHMAC has a MAC and nothing else (RFC 4650 section 4.2).
#[test]
fn a_kemac_without_a_mac_or_with_keys_is_refused() {
    let forged = forged(Kind::Hmac);
    let with = |encr, data: &[u8], alg| {
        let unsealed = forged.draft().kemac(encr, Zeroizing::new(data.to_vec()), alg);
        let mac = match alg {
            MacAlg::Null => vec![],
            _ => hmac_sha1(&forged.keys().auth, &[unsealed.covered()]).to_vec(),
        };
        lines(unsealed.seal(&mac).unwrap().bytes())
    };
    for (why, offer) in [
        ("carries encrypted data", with(EncrAlg::AesCm128, &[], MacAlg::HmacSha1_160)),
        ("carries encrypted data", with(EncrAlg::Null, &[1], MacAlg::HmacSha1_160)),
        ("without one anybody could", with(EncrAlg::Null, &[], MacAlg::Null)),
    ] {
        let mut bob = pair(Kind::Hmac).1;
        (bob.policy.mikey.allow_null_mac, bob.policy.mikey.allow_null_encryption) = (true, true);
        let (told, _) = bob.refuse(&offer);
        assert!(told.contains(why) && told.contains("RFC 4650 section 4.2"), "{told}");
    }
    pair(Kind::Hmac).1.accept(&with(EncrAlg::Null, &[], MacAlg::HmacSha1_160));
}

fn tolerated(out: &[Output]) -> Vec<&'static str> {
    out.iter().filter_map(|output| if let Output::Tolerated(text) = output { Some(*text) } else { None }).collect()
}

#[test]
fn an_offer_that_does_not_say_for_whom_it_is_is_let_pass_by_name_where_it_must() {
    let without_ids = |kind| -> Lines {
        let mut forged = forged(kind);
        forged.payloads.retain(|payload| !matches!(payload, Payload::Id(_)));
        forged.lines()
    };
    let (why, _) = pair(Kind::Hmac).1.refuse(&without_ids(Kind::Hmac));
    assert!(why.contains("no IDr, which is mandatory") && why.contains("RFC 4650 section 3"), "{why}");
    let mut bob = pair(Kind::Hmac).1;
    bob.policy.mikey.tolerances = Tolerances::none().with(Tolerance::MissingId);
    let (answer, _, out) = bob.accept(&without_ids(Kind::Hmac));
    assert_eq!(tolerated(&out), [Tolerance::MissingId.text()]);
    assert_eq!(message(&answer).many::<Id>().count(), 2, "ours are there");
    // The signed method does not demand it (RFC 3830 section 3.3).
    pair(Kind::Sign).1.accept(&without_ids(Kind::Sign));
}

/// [IDi] is optional, IDr is not (RFC 4650 section 3): a single one is IDr.
#[test]
fn a_single_identity_is_the_recipients_under_a_pre_shared_key() {
    let mut forged = forged(Kind::Hmac);
    forged.payloads.remove(forged.find("ID", 0));
    pair(Kind::Hmac).1.accept(&forged.lines());
    let at = forged.find("ID", 0);
    forged.payloads[at] = Id::uri(ALICE).into();
    let (why, _) = pair(Kind::Hmac).1.refuse(&forged.lines());
    assert!(why.contains("is for sip:alice@example.org"), "{why}");
}

#[test]
fn the_literal_code_points_of_rfc_4650_are_read_and_answered_in_kind_where_they_are_let_pass() {
    let literal = |forged: &Forged| {
        let unsealed = forged.draft().kemac_4650();
        let mac = hmac_sha1(&forged.keys().auth, &[unsealed.covered()]);
        unsealed.seal(&mac).unwrap()
    };
    let offer = lines(literal(&forged(Kind::Hmac)).bytes());
    let (why, _) = pair(Kind::Hmac).1.refuse(&offer);
    assert!(why.contains("literal code points of RFC 4650 section 4.2"), "{why}");
    let lenient = Tolerances::none().with(Tolerance::LiteralCodePoints);
    let mut bob = pair(Kind::Hmac).1;
    bob.policy.mikey.tolerances = lenient;
    let (answer, mut theirs, out) = bob.accept(&offer);
    assert_eq!(tolerated(&out), [Tolerance::LiteralCodePoints.text()]);
    let octets = bytes(&answer);
    assert_eq!(octets[octets.len() - 25..octets.len() - 20], [0, 2, 0, 0, 0], "KEMAC: last, 2, no data, 0");
    assert!(keyphone_keying::mikey::wire::Message::read(&octets, Tolerances::none()).is_err());
    // His updates are written so too.
    let update = bytes(&bob.offer_again(&mut *theirs).0);
    assert_eq!(update[update.len() - 25..update.len() - 20], [0, 2, 0, 0, 0]);
    // One bit of it changed is refused as any other.
    let mut changed = bytes(&offer);
    changed[60] ^= 1;
    let mut bob = pair(Kind::Hmac).1;
    bob.policy.mikey.tolerances = lenient;
    bob.refuse(&lines(&changed));
}

#[test]
fn an_old_offer_a_replay_and_a_counter_are_refused_before_anything_is_computed() {
    for kind in Kind::BOTH {
        let offer = pair(kind).0.offer().0;
        let mut bob = pair(kind).1;
        bob.accept(&offer);
        assert!(bob.refuse(&offer).0.contains("replay"));
        bob.now = at(1000);
        assert!(bob.refuse(&offer).0.contains("999 s behind"), "{}", bob.refuse(&offer).0);
        let mut counter = forged(kind);
        let t = counter.find("T", 0);
        counter.payloads[t] = T::Counter(7).into();
        assert!(pair(kind).1.refuse(&counter.lines()).0.contains("COUNTER"));
        let mut bob = pair(kind).1;
        bob.policy.mikey.allow_counter = true;
        bob.accept(&counter.lines());
        assert!(bob.refuse(&counter.lines()).0.contains("replay"));
    }
}
