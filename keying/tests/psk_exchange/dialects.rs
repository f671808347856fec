//! Offers as others write them.

use crate::support::*;
use keyphone_keying::mikey::wire::{DataType, Ext, Id, IdType, KeyData, KeyKind, Kv, Payload, Prf, Secret, Sp, T};
use keyphone_keying::mikey::{ModeName, Tolerance, Tolerances};
use keyphone_keying::{Dir, Hop, How, Identity, Level, Line, Lines, Output, Policy, Psk, PskStore, StreamKey};
use keyphone_media::policy::Policy as MediaPolicy;
use keyphone_media::rtp::Ssrc;

fn key(kind: KeyKind, len: usize, salt: Option<usize>, kv: Kv) -> KeyData {
    KeyData { kind, key: Secret::new(vec![0x11; len]), salt: salt.map(|n| Secret::new(vec![0x22; n])), kv }
}

fn tgk() -> KeyData {
    key(KeyKind::Tgk, 16, None, Kv::Null)
}

fn answer(foreign: &Foreign) -> (Lines, Vec<Output>) {
    let (answer, _, out) = pair().1.accept(&foreign.lines());
    (answer, out)
}

fn stream_keys(out: &[Output]) -> Vec<&StreamKey> {
    out.iter().filter_map(|o| if let Output::Key(key) = o { Some(key) } else { None }).collect()
}

fn reveal(key: &StreamKey) -> Vec<u8> {
    let permit = MediaPolicy { reveal_keys: true, ..MediaPolicy::default() }.permit().unwrap();
    key.key().reveal(&permit).to_vec()
}

#[test]
fn one_crypto_session_for_both_ways_is_one_key_with_two_uses() {
    let (answer, out) = answer(&Foreign { ssrcs: vec![0xf0], ..Foreign::new(vec![tgk()]) });
    let [key] = stream_keys(&out)[..] else { panic!("{out:?}") };
    let [send, hear] = key.streams() else { panic!("{key:?}") };
    assert_eq!((send.dir, send.ssrc), (Dir::Send, Some(Ssrc(0xb0b))));
    assert_eq!((hear.dir, hear.ssrc, hear.roc), (Dir::Hear, Some(Ssrc(0xf0)), 5));
    assert_eq!(message(&answer).hdr().map.count(), 1);
}

#[test]
fn a_tek_is_used_as_it_is_in_each_of_its_forms() {
    let full = [[0x11; 16].as_slice(), &[0x22; 14]].concat();
    let forms = [
        (key(KeyKind::Tek, 16, Some(14), Kv::Null), full), // TEK+SALT, the RFC's form
        (key(KeyKind::Tek, 30, None, Kv::Null), vec![0x11; 30]), // key || salt, the field's
    ];
    for (data, bytes) in forms {
        let (_, out) = answer(&Foreign::new(vec![data]));
        let [key] = stream_keys(&out)[..] else { panic!("one TEK for all crypto sessions: {out:?}") };
        assert_eq!(reveal(key), bytes);
        assert_eq!(key.streams().len(), 2);
    }
    for (data, why) in [
        (key(KeyKind::Tek, 16, None, Kv::Null), "without a salt"),
        (key(KeyKind::Tek, 32, Some(14), Kv::Null), "takes a master key of 16"),
        (key(KeyKind::Tgk, 16, Some(12), Kv::Null), "takes a master key of 16 and a salt of 14"),
        (key(KeyKind::Tgk, 0, None, Kv::Null), "empty"),
    ] {
        let (error, lines) = pair().1.refuse(&Foreign::new(vec![data]).lines());
        assert!(error.contains(why), "{error}");
        assert_eq!(message(&lines.unwrap()).hdr().data_type, DataType::Error);
    }
}

#[test]
fn a_salt_that_was_sent_goes_before_one_that_could_be_derived() {
    let (_, out) = answer(&Foreign::new(vec![key(KeyKind::Tgk, 16, Some(14), Kv::Null)]));
    let keys = stream_keys(&out);
    assert_eq!(keys.len(), 2);
    for key in keys {
        let bytes = reveal(key);
        assert_eq!(bytes[16..], [0x22; 14]);
        assert_ne!(bytes[..16], [0x11; 16], "the TEK is derived");
    }
}

#[test]
fn an_mki_and_a_lifetime_stay_with_their_key() {
    let (_, out) = answer(&Foreign::new(vec![key(KeyKind::Tgk, 16, None, Kv::Spi(vec![0, 0, 0, 1]))]));
    assert!(stream_keys(&out).iter().all(|k| k.key().mki().unwrap().bytes() == [0, 0, 0, 1]));
    let interval = |from, to| Kv::Interval { from, to };
    let (_, out) =
        answer(&Foreign::new(vec![key(KeyKind::Tgk, 16, None, interval(vec![0; 6], vec![0, 0, 0, 0, 3, 0xe7]))]));
    assert!(stream_keys(&out).iter().all(|k| k.key().lifetime() == 1000));
    for kv in [Kv::Spi(vec![]), Kv::Spi(vec![1; 129]), interval(vec![1], vec![2]), interval(vec![0], vec![0; 9])] {
        let (error, _) = pair().1.refuse(&Foreign::new(vec![key(KeyKind::Tgk, 16, None, kv)]).lines());
        assert!(error.contains("RFC 3830 section 6.14"), "{error}");
    }
}

#[test]
fn several_keys_are_told_apart_by_their_mki_or_not_at_all() {
    let with = |n: u8| KeyData { key: Secret::new(vec![n; 16]), ..key(KeyKind::Tgk, 16, None, Kv::Spi(vec![n])) };
    let (_, out) = answer(&Foreign::new(vec![with(1), with(2)]));
    let uses: Vec<_> =
        stream_keys(&out).iter().map(|k| (k.key().mki().unwrap().bytes()[0], k.streams()[0].dir)).collect();
    assert_eq!(uses, [(1, Dir::Send), (1, Dir::Hear), (2, Dir::Hear)]);
    let (error, _) = pair().1.refuse(&Foreign::new(vec![tgk(), tgk()]).lines());
    assert!(error.contains("no MKI that tells them apart"), "{error}");
}

#[test]
fn who_wants_no_verification_gets_none() {
    let (answer, out) = answer(&Foreign { v: false, ..Foreign::new(vec![tgk()]) });
    assert!(answer.0.is_empty());
    assert_eq!(stream_keys(&out).len(), 2);
}

#[test]
fn a_line_under_an_m_line_goes_before_the_one_at_session_level() {
    let (mut alice, mut bob) = pair();
    bob.streams = [line(0, 11), line(1, 12)].concat();
    alice.streams = [line(0, 1), line(1, 2)].concat();
    let session = alice.offer();
    alice.streams = line(0, 5).to_vec();
    let media = alice.offer();
    let mut both = session.0.clone();
    both.0.push(Line { level: Level::Media(1), ..media.0.0[0].clone() });
    let (answer, _, out) = bob.accept(&both);
    let levels: Vec<_> = answer.0.iter().map(|l| l.level).collect();
    assert_eq!(levels, [Level::Session, Level::Media(1)]);
    assert_eq!(key_for(&out, Dir::Hear, 0), key_for(&session.2, Dir::Send, 0));
    assert_eq!(key_for(&out, Dir::Hear, 1), key_for(&media.2, Dir::Send, 0), "crypto session 1 of its own message");

    let mut bad = both.clone();
    bad.0[1].value.replace_range(30..31, "*");
    assert!(bob.refuse(&bad).0.contains("base64"));
    let mut late = side("sip:bob@example.org", "sip:alice@example.org", b"another key", 1);
    late.streams = bob.streams.clone();
    late.refuse(&both);
}

#[test]
fn an_offer_that_lacks_or_doubles_its_line_is_refused() {
    let (mut alice, mut bob) = pair();
    let mut offer = alice.offer().0;
    assert!(bob.refuse(&Lines::default()).0.contains("no key-mgmt line"));
    assert!(bob.refuse(&raw("keyp1 AAAA".into())).0.contains("no key-mgmt line"));
    offer.0.push(offer.0[0].clone());
    assert!(bob.refuse(&offer).0.contains("twice at one level"));
}

#[test]
fn a_peer_that_lists_no_protocols_is_let_pass_by_name_only() {
    let mut foreign = Foreign::new(vec![tgk()]);
    foreign.payloads.retain(|p| !matches!(p, Payload::Ext(_)));
    let (error, _) = pair().1.refuse(&foreign.lines());
    assert!(error.contains("RFC 4567 section 4.1.4"), "{error}");
    let mut bob = pair().1;
    bob.policy.mikey.tolerances = Tolerances::none().with(Tolerance::NoSdpIds);
    let (_, _, out) = bob.accept(&foreign.lines());
    assert!(matches!(&out[0], Output::Tolerated(text) if *text == Tolerance::NoSdpIds.text()), "{out:?}");
}

#[test]
fn what_does_not_belong_into_an_i_message_is_named() {
    type Change = fn(&mut Foreign);
    let cases: [(&str, Change); 10] = [
        ("D-H init", |f| f.data_type = DataType::DhInit),
        ("PRF is unknown (5)", |f| f.prf = Prf::Unknown(5)),
        ("CERT has no place", |f| {
            let cert = keyphone_keying::mikey::wire::Cert {
                cert_type: keyphone_keying::mikey::wire::CertType::X509,
                data: vec![1],
            };
            f.payloads.push(cert.into());
        }),
        ("more than two identities", |f| {
            f.payloads.extend([Id::uri("sip:bob@example.org").into(), Id::uri("x").into()])
        }),
        ("is for sip:carol@example.org", |f| f.payloads.push(Id::uri("sip:carol@example.org").into())),
        ("neither NAI nor URI", |f| f.payloads[0] = Id { id_type: IdType::Unknown(9), data: vec![65] }.into()),
        ("no readable text", |f| f.payloads[0] = Id::uri("sip:alice@example.org\u{1b}[2J").into()),
        ("COUNTER", |f| f.t = T::Counter(1)),
        ("no crypto session", |f| f.ssrcs = vec![]),
        ("chose SSRC 00000007", |f| f.ssrcs = vec![0xf0, 7]),
    ];
    for (why, change) in cases {
        let mut foreign = Foreign::new(vec![tgk()]);
        change(&mut foreign);
        let (error, lines) = pair().1.refuse(&foreign.lines());
        assert!(error.contains(why), "{error}");
        assert!(!error.contains('\u{1b}'));
        assert_eq!(message(&lines.expect("an error message")).hdr().csb_id, Foreign::CSB);
    }
    let mut sender = Foreign::new(vec![tgk()]);
    sender.payloads[0] = Id { id_type: IdType::Nai, data: b"alice@example.org".to_vec() }.into();
    answer(&sender); // a NAI is as good as a URI
    let mut ours = Foreign::new(vec![tgk()]);
    ours.ssrcs = vec![0xb0b, 0];
    assert!(pair().1.refuse(&ours.lines()).0.contains("names our SSRC"));
    let few = pair().1.refuse(&Foreign::new(vec![]).lines()).0;
    assert!(few.contains("brings no key"), "{few}");
}

#[test]
fn a_counter_is_taken_where_policy_allows_it_and_must_rise() {
    let mut bob = pair().1;
    bob.policy.mikey.allow_counter = true;
    let with = |n| Foreign { t: T::Counter(n), ..Foreign::new(vec![tgk()]) };
    bob.accept(&with(5).lines());
    assert!(bob.refuse(&with(5).lines()).0.contains("a replay"));
    assert!(bob.refuse(&with(4).lines()).0.contains("a replay"));
    bob.accept(&with(6).lines());
}

#[test]
fn a_counter_that_is_nobodys_is_refused_for_under_another_from_it_would_be_new() {
    let mut psks = PskStore::default();
    psks.insert(None, Psk::new(PSK.to_vec()).unwrap());
    let (alice, mallory) = ("sip:alice@example.org", "sip:mallory@example.org");
    let mut bob = Side::new(("sip:bob@example.org", alice), psks, Policy::default(), 2);
    bob.policy.mikey.allow_counter = true;
    let mut anonymous = Foreign { t: T::Counter(5), ..Foreign::new(vec![tgk()]) };
    anonymous.payloads.remove(0);
    for from in [alice, mallory] {
        bob.peer = Identity::new(from);
        assert!(bob.refuse(&anonymous.lines()).0.contains("does not say in them who it is"));
    }
    bob.accept(&Foreign { t: T::Counter(5), ..Foreign::new(vec![tgk()]) }.lines());
}

#[test]
fn several_keys_have_as_many_mkis_and_are_not_more_than_can_be_heard_with() {
    let keys = |mkis: &mut dyn Iterator<Item = u8>| {
        let key =
            |mki: u8| KeyData { key: Secret::new(vec![mki; 16]), ..key(KeyKind::Tgk, 16, None, Kv::Spi(vec![mki])) };
        Foreign::new(mkis.map(key).collect())
    };
    assert_eq!(answer(&keys(&mut (1..=8))).1.iter().filter(|output| matches!(output, Output::Key(_))).count(), 9);
    assert!(pair().1.refuse(&keys(&mut (1..=9)).lines()).0.contains("9 keys"));
    let mut twice = keys(&mut (1..=2));
    twice.keys[1].kv = twice.keys[0].kv.clone();
    assert!(pair().1.refuse(&twice.lines()).0.contains("same MKI"));
}

#[test]
fn a_policy_that_media_cannot_follow_is_answered_with_what_it_can() {
    let mut foreign = Foreign::new(vec![tgk()]);
    let f8 = keyphone_keying::mikey::wire::Param::new(keyphone_keying::mikey::wire::SrtpParam::EncrAlg, 2);
    foreign.payloads.push(Sp { policy_no: 0, prot_type: 0.into(), params: vec![f8] }.into());
    let (error, lines) = pair().1.refuse(&foreign.lines());
    assert!(error.contains("wants encr alg AES-F8"), "{error}");
    let answer = message(&lines.unwrap());
    assert_eq!(answer.many::<Sp>().count(), 8, "the suites that we do (RFC 3830 section 5.1.2)");
    assert!(answer.many::<Ext>().next().is_none());
}

/// `onvif-sdp-2` of tests/data/wild.json: NULL everywhere, a TEK of key || salt, one crypto session, an MKI.
#[test]
fn what_a_camera_offers_is_understood_where_policy_lets_it() {
    let wild: serde_json::Value = serde_json::from_str(include_str!("../data/wild.json")).unwrap();
    let camera = wild.as_array().unwrap().iter().find(|entry| entry["id"] == "onvif-sdp-2").unwrap();
    let offer = raw(format!("mikey {}", camera["b64"].as_str().unwrap()));
    let mut bob = pair().1;
    bob.mikey = keyphone_keying::mikey::Mikey::new(keyphone_keying::PskStore::default(), START);
    bob.now.ntp.0 = 0xedde_661e_0000_0000;
    let (why, _) = bob.refuse(&offer);
    assert!(why.contains("that is mikey-null, and policy accepts mikey-psk"), "{why}");
    bob.policy.mikey.accept.insert(ModeName::Null);
    let (why, _) = bob.refuse(&offer);
    assert!(why.contains("this hop is not TLS") && why.contains("4.2.3"), "{why}");
    bob.hop = Hop::Tls;
    bob.policy.mikey.tolerances = Tolerances::interop();
    let (answer, _, out) = bob.accept(&offer);
    assert!(answer.0.is_empty(), "it asks for no verification");
    let [key] = stream_keys(&out)[..] else { panic!("{out:?}") };
    assert_eq!(hex::encode(reveal(key)), "a67335a9c40b0ad5cc519f229978611382b7edbd4f4cc6a5dd684381db2c");
    assert_eq!(key.key().mki().unwrap().bytes(), [0, 0, 0, 1]);
    assert!(matches!(&out[1], Output::Peer(peer) if peer.how == How::Hop), "{out:?}");
}

#[test]
fn nothing_may_follow_the_key_data_even_where_no_mac_covers_it() {
    use keyphone_keying::mikey::wire::{Draft, EncrAlg, Kemac, MacAlg, Rand, key_data};
    let mut bob = pair().1;
    bob.policy.mikey.accept.insert(ModeName::Null);
    bob.hop = Hop::Tls;
    let encr_data = key_data::write_keys(None, &[tgk()]).unwrap();
    let kemac = Kemac { encr_alg: EncrAlg::Null, encr_data, mac_alg: MacAlg::Null, mac: vec![] };
    let hdr = Foreign::new(vec![tgk()]).message().hdr().clone();
    let draft = || Draft::new(&hdr).push(T::NtpUtc(at(1).ntp.0)).push(Rand(vec![7; 16]));
    let ids = Ext::SdpIds(b"mikey".to_vec());
    let late = draft().push(kemac.clone()).push(ids.clone()).finish().unwrap();
    let (error, _) = bob.refuse(&lines(late.bytes()));
    assert!(error.contains("KEMAC is not the last payload"), "{error}");
    bob.accept(&lines(draft().push(ids).push(kemac).finish().unwrap().bytes()));
}
