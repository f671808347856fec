//! The wire format against messages of independent implementations (`tests/data/README.md`), and against noise.

mod noise;
mod workbench;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::mikey::wire::*;
use keyphone_keying::mikey::{Tolerance, Tolerances};
use keyphone_media::rtp::Ssrc;
use serde_json::Value;
use std::sync::LazyLock;

static VECTORS: LazyLock<Vec<Value>> = LazyLock::new(|| json(include_str!("../data/vectors.json")));
static WILD: LazyLock<Vec<Value>> = LazyLock::new(|| json(include_str!("../data/wild.json")));

fn json(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_else(|| panic!("{} has no {key}", entry["id"]))
}

fn octets(entry: &Value, key: &str) -> Option<Vec<u8>> {
    Some(STANDARD.decode(entry[key].as_str()?).unwrap())
}

/// Every message of `vectors.json` with a name for it.
fn exchanged() -> impl Iterator<Item = (String, Vec<u8>)> {
    VECTORS.iter().flat_map(|entry| {
        ["i_message_b64", "r_message_b64"]
            .into_iter()
            .filter_map(move |key| Some((format!("{} {}", text(entry, "id"), &key[..1]), octets(entry, key)?)))
    })
}

fn strict(bytes: &[u8]) -> Result<Message, WireError> {
    Message::read(bytes, Tolerances::none())
}

/// Makes the message again from what was read in it.
fn rewritten(message: &Message) -> Message {
    let draft = message.parts().iter().fold(Draft::new(message.hdr()), |draft, part| draft.push(part.payload.clone()));
    draft.finish().unwrap()
}

#[test]
fn every_exchanged_message_is_read_whole_and_written_again_to_the_octet() {
    let mut count = 0;
    for (name, bytes) in exchanged() {
        // The code points of RFC 4650 section 4.2 look like a NULL MAC with octets behind it.
        if name.starts_with("py-dhhmac-05") {
            let error = strict(&bytes).unwrap_err().to_string();
            assert!(error.contains("literal code points of RFC 4650"), "{name}: {error}");
            continue;
        }
        let message = strict(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        match message.complete() {
            Ok(()) => assert_eq!(rewritten(&message).bytes(), bytes, "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
        count += 1;
    }
    assert!(count > 80, "{count} messages");
}

#[test]
fn what_is_read_is_what_the_sender_meant() {
    for entry in VECTORS.iter().filter(|entry| entry["kind"].is_null()) {
        let id = text(entry, "id");
        let message = strict(&octets(entry, "i_message_b64").unwrap()).unwrap();
        let expected = &entry["expected"];
        assert_eq!(format!("{:08x}", message.hdr().csb_id), text(expected, "csb_id"), "{id}");
        assert_eq!(hex::encode(message.one::<T>().unwrap().octets()), text(expected, "ts"), "{id}");
        // RSA-R may leave RAND to the responder (RFC 4738 section 3.6).
        let rand = match message.maybe::<Rand>().unwrap() {
            Some(rand) => Some(rand.clone()),
            None => strict(&octets(entry, "r_message_b64").unwrap()).unwrap().maybe::<Rand>().unwrap().cloned(),
        };
        assert_eq!(hex::encode(rand.unwrap().0), text(expected, "rand"), "{id}");
    }
}

#[test]
fn decrypted_key_data_is_read_and_written_again_to_the_octet() {
    let mut seen = 0;
    for entry in VECTORS.iter() {
        let Some(plain) = entry["expected"]["kemac_plaintext"].as_str() else { continue };
        let plain = hex::decode(plain).unwrap();
        let with_id = matches!(text(entry, "mode"), "pke" | "rsa-r");
        let (id, keys) = if with_id {
            let (id, keys) = key_data::read_id_and_keys(&plain).unwrap();
            (Some(id), keys)
        } else {
            (None, key_data::read_keys(&plain).unwrap())
        };
        assert_eq!(key_data::write_keys(id.as_ref(), &keys).unwrap()[..], plain, "{}", entry["id"]);
        for (key, expected) in keys.iter().zip(entry["expected"]["key_data"].as_array().unwrap()) {
            assert_eq!(key.type_name(), text(expected, "type"), "{}", entry["id"]);
            assert_eq!(key.key, Secret::new(hex::decode(text(expected, "key")).unwrap()), "{}", entry["id"]);
        }
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}

#[test]
fn an_unencrypted_kemac_is_read_where_it_stands() {
    for entry in VECTORS.iter().filter(|entry| text(entry, "mode") == "psk") {
        let message = strict(&octets(entry, "i_message_b64").unwrap()).unwrap();
        let clear = message.clear_keys().unwrap();
        assert_eq!(clear.is_some(), entry["inputs"]["encr_alg"] == 0, "{}", entry["id"]);
        if let Some(keys) = clear {
            let plain = hex::encode(&key_data::write_keys(None, &keys).unwrap()[..]);
            assert_eq!(plain, text(&entry["expected"], "kemac_plaintext"), "{}", entry["id"]);
        }
    }
}

/// What MAC and signature are computed over are the received octets up to the hole, and a draft offers the same.
#[test]
fn a_draft_offers_for_the_mac_what_a_message_covers_with_it() {
    let mut sealed = [0; 3];
    for (name, bytes) in exchanged() {
        let Ok(message) = strict(&bytes) else { continue };
        let Some((last, rest)) = message.parts().split_last() else { continue };
        let draft = rest.iter().fold(Draft::new(message.hdr()), |draft, part| draft.push(part.payload.clone()));
        let (unsealed, covered, mac, which) = match &last.payload {
            Payload::Kemac(k) => {
                (draft.kemac(k.encr_alg, k.encr_data.clone(), k.mac_alg), message.before_mac(), &k.mac, 0)
            }
            Payload::V(v) => (draft.v(v.auth_alg), message.before_ver_data(), &v.ver_data, 1),
            Payload::Sign(s) => (draft.sign(s.s_type, s.signature.len()), message.before_signature(), &s.signature, 2),
            _ => continue,
        };
        assert_eq!(unsealed.covered(), covered.unwrap(), "{name}");
        assert_eq!(unsealed.covered(), &bytes[..bytes.len() - mac.len()], "{name}");
        assert_eq!(unsealed.seal(mac).unwrap().bytes(), bytes, "{name}");
        sealed[which] += 1;
    }
    assert!(sealed.iter().all(|&n| n > 10), "{sealed:?}");
}

#[test]
fn a_hole_is_filled_with_what_was_announced_and_nothing_else() {
    let hdr = Hdr { data_type: DataType::PskVer, v: false, prf: Prf::Mikey1, csb_id: 7, map: CsMap::Srtp(vec![]) };
    let draft = || Draft::new(&hdr).push(T::Counter(1)).v(MacAlg::HmacSha1_160);
    assert!(draft().seal(&[0; 20]).is_ok());
    assert!(draft().seal(&[0; 32]).unwrap_err().to_string().contains("32 octets"));
    let message = draft().seal(&[0; 20]).unwrap();
    assert!(message.before_mac().unwrap_err().to_string().contains("KEMAC is not the last payload"));
}

#[test]
fn every_message_met_in_the_field_is_treated_as_it_deserves() {
    for entry in WILD.iter().filter(|entry| entry["cases"].is_null()) {
        let (id, why) = (text(entry, "id"), text(entry, "expect_why"));
        let Some(bytes) = octets(entry, "b64") else {
            assert_eq!(why, "elided base64", "{id}");
            let value = text(entry, "text").strip_prefix("a=key-mgmt:").unwrap();
            let error = Message::from_key_mgmt(value, Tolerances::interop()).unwrap().unwrap_err();
            assert!(error.to_string().contains("cut short with \"...\""), "{id}: {error}");
            continue;
        };
        let interop = || Message::read(&bytes, Tolerances::interop()).unwrap();
        match (text(entry, "expect"), why) {
            ("accept", _) => strict(&bytes).unwrap().complete().unwrap(),
            ("tolerate", "one trailing zero octet") => {
                let error = strict(&bytes).unwrap_err().to_string();
                assert!(error.contains("leaves 1 trailing octet behind"), "{id}: {error}");
                assert_eq!(interop().tolerated(), Some(Tolerance::TrailingPadding), "{id}");
            }
            ("tolerate", "SP param 3 = 10 used as tag length") => {
                let message = strict(&bytes).unwrap();
                let sp = message.one::<Sp>().unwrap();
                let error = sp.auth_lengths(Tolerances::none()).unwrap_err().to_string();
                assert!(error.contains("session auth key of 10 octets"), "{id}: {error}");
                let lengths = sp.auth_lengths(Tolerances::interop()).unwrap();
                assert_eq!((lengths.key, lengths.tag), (None, Some(10)), "{id}");
                assert_eq!(lengths.tolerated, Some(Tolerance::TagLengthAsKeyLength), "{id}");
            }
            // The octets are right; clock, MAC and mandatory payloads are for the mode to judge.
            ("tolerate", why) => {
                assert!(why.contains("decodes"), "{id}: {why}");
                strict(&bytes).unwrap().complete().unwrap();
            }
            ("reject", why) => {
                assert_eq!(why, "last payload coded 255", "{id}");
                let message = interop();
                let error = message.complete().unwrap_err().to_string();
                assert!(error.contains("octet 43, KEMAC, Next payload is 255, which is unknown"), "{id}: {error}");
                assert_eq!(message.tail().unwrap().offset, bytes.len(), "{id}");
                assert!(message.before_mac().is_err(), "{id}");
            }
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn what_we_read_in_the_field_is_what_the_reference_reads() {
    let mut compared = 0;
    for entry in WILD.iter().filter(|entry| entry["decoded"]["hdr"].is_object()) {
        let (id, decoded) = (text(entry, "id"), &entry["decoded"]);
        let message = Message::read(&octets(entry, "b64").unwrap(), Tolerances::interop()).unwrap();
        let (hdr, theirs) = (message.hdr(), &decoded["hdr"]);
        assert_eq!(u8::from(hdr.data_type), theirs["data_type"], "{id}");
        assert_eq!(u8::from(hdr.v), theirs["v"], "{id}");
        assert_eq!(hdr.csb_id, theirs["csb_id"], "{id}");
        let CsMap::Srtp(ids) = &hdr.map else { panic!("{id}: {:?}", hdr.map) };
        let theirs = theirs["cs"].as_array().unwrap();
        assert_eq!(ids.len(), theirs.len(), "{id}");
        for (ours, theirs) in ids.iter().zip(theirs) {
            assert_eq!(ours.policy_no, theirs["policy"], "{id}");
            assert_eq!(ours.ssrc.unwrap_or(Ssrc(0)).to_string(), text(theirs, "ssrc"), "{id}");
            assert_eq!(ours.roc, theirs["roc"], "{id}");
        }
        let names: Vec<_> = message.parts().iter().map(|part| part.payload.name()).collect();
        let theirs: Vec<_> = decoded["payloads"].as_array().unwrap().iter().map(|p| text(p, "type")).collect();
        assert_eq!(names, theirs, "{id}");
        compared += 1;
    }
    assert_eq!(compared, 13);
}

#[test]
fn fuzzing_seeds_of_others_are_judged_as_the_reference_judges_them() {
    let seeds = WILD.iter().find_map(|entry| entry["cases"].as_array()).unwrap();
    assert!(seeds.len() > 30);
    for seed in seeds {
        let (id, theirs) = (text(seed, "id"), text(seed, "python_ref_result"));
        // The reference reads unencrypted key data along with the message; we do when asked.
        let ours = strict(&octets(seed, "b64").unwrap())
            .and_then(|message| message.complete().map(|()| message))
            .and_then(|message| message.clear_keys().map(|_| ()));
        match ours {
            Ok(()) => assert_eq!(theirs, "parses", "{id}"),
            // The reference counts octets behind the last payload and does not mind them.
            Err(error) if theirs == "parses" => assert!(error.to_string().contains("trailing octet"), "{id}: {error}"),
            Err(_) => {}
        }
    }
}

#[test]
fn one_and_maybe_and_many_keep_count() {
    let hdr =
        Hdr { data_type: DataType::DhResp, v: false, prf: Prf::Mikey1, csb_id: 1, map: CsMap::Empty { count: 2 } };
    let dh = |octet| Dh { group: DhGroup::Oakley1, value: vec![octet; 96], kv: Kv::Null };
    let message = Draft::new(&hdr).push(T::NtpUtc(5)).push(dh(1)).push(dh(2)).finish().unwrap();
    assert_eq!(message.one::<T>(), Ok(&T::NtpUtc(5)));
    assert!(message.one::<Dh>().unwrap_err().to_string().contains("DH comes twice"));
    assert_eq!(message.many::<Dh>().map(|dh| dh.value[0]).collect::<Vec<_>>(), [1, 2]);
    assert!(message.one::<Rand>().unwrap_err().to_string().contains("RAND is missing"));
    assert_eq!(message.maybe::<Rand>(), Ok(None));
    let twice = Draft::new(&hdr).push(T::Counter(1)).push(T::Counter(2)).finish().unwrap_err();
    assert_eq!(twice.to_string(), "octet 16, message, T comes twice and may come only once");
}

#[test]
fn a_policy_is_found_by_its_number() {
    let hdr = Hdr { data_type: DataType::PskInit, v: false, prf: Prf::Mikey1, csb_id: 1, map: CsMap::Srtp(vec![]) };
    let sp = |policy_no, value| Sp {
        policy_no,
        prot_type: ProtType::Srtp,
        params: vec![Param::new(SrtpParam::EncrAlg, value)],
    };
    let message = Draft::new(&hdr).push(sp(0, 1)).push(sp(3, 0)).push(sp(3, 1)).finish().unwrap();
    assert_eq!(message.policy(0).unwrap().value(SrtpParam::EncrAlg), Ok(Some(1)));
    assert!(message.policy(3).unwrap_err().to_string().contains("policy no 3 twice"));
    assert!(message.policy(1).unwrap_err().to_string().contains("policy no 1 is missing"));
}

#[test]
fn a_key_outside_kemac_is_refused() {
    // HDR with Next payload 20, then a TGK of one octet.
    let bytes = hex::decode("0100140000000007000000000001aa").unwrap();
    assert!(strict(&bytes).unwrap_err().to_string().contains("outside KEMAC"));
}

#[test]
fn a_message_that_we_cannot_read_to_the_end_is_shown_and_not_used() {
    let unknown_map = hex::decode("010005000000000702070102030405").unwrap();
    let message = strict(&unknown_map).unwrap();
    assert_eq!(message.tail().unwrap().offset, 10);
    assert!(message.complete().unwrap_err().to_string().contains("CS ID map type is 7"));
    let unknown_timestamp = hex::decode("01000500000000070000 0b03aabbccdd".replace(' ', "")).unwrap();
    let message = strict(&unknown_timestamp).unwrap();
    assert_eq!((message.tail().unwrap().offset, message.parts().len()), (10, 0));
    assert!(message.complete().is_err());
}

#[test]
fn padding_is_zero_or_it_is_no_padding() {
    let entry = WILD.iter().find(|entry| entry["expect_why"] == "one trailing zero octet").unwrap();
    let mut bytes = octets(entry, "b64").unwrap();
    bytes.extend([0, 0, 0]);
    assert!(Message::read(&bytes, Tolerances::interop()).is_ok());
    bytes.push(1);
    assert!(Message::read(&bytes, Tolerances::interop()).is_err());
}

#[test]
fn no_debug_shows_a_key() {
    for entry in VECTORS.iter().filter(|entry| entry["inputs"]["encr_alg"] == 0) {
        let message = strict(&octets(entry, "i_message_b64").unwrap()).unwrap();
        let shown = format!("{message:?} {message:#?} {:?}", message.clear_keys());
        for key in message.clear_keys().unwrap().unwrap_or_default() {
            let plain = key_data::write_keys(None, &[key]).unwrap();
            let digits = format!("{:?}", &plain[4..12]);
            assert!(!shown.contains(digits.trim_matches(['[', ']'])), "{}", entry["id"]);
            assert!(!shown.contains(&hex::encode(&plain[4..12])), "{}", entry["id"]);
        }
    }
}

#[test]
fn a_message_of_more_than_64_kib_is_refused() {
    assert!(strict(&vec![1; 70_000]).unwrap_err().to_string().contains("more than 65535"));
    let hdr = Hdr { data_type: DataType::PskInit, v: false, prf: Prf::Mikey1, csb_id: 1, map: CsMap::Srtp(vec![]) };
    let big = Ext::VendorId(vec![0; 40_000]);
    assert!(Draft::new(&hdr).push(big.clone()).finish().is_ok());
    assert!(Draft::new(&hdr).push(big.clone()).push(big).finish().is_err());
}
