//! What `diagnose` finds out.

use crate::{VECTORS, WILD, entry, exchange, octets, secrets};
use keyphone_keying::Psk;
use keyphone_keying::mikey::derive::{CsbLabel, FromTgk};
use keyphone_keying::workbench::diagnose::{Check, Diagnosis, Evidence, Verdict, diagnose};
use keyphone_keying::workbench::input::{Carrier, Found, Place};
use keyphone_keying::workbench::open::Secrets;
use serde_json::Value;

fn evidence(vector: &Value) -> Evidence {
    Evidence { secrets: secrets(vector), derived: None }
}

/// The names of what explains a message.
fn named(diagnosis: &Diagnosis) -> Vec<&'static str> {
    diagnosis.deviations().map(|deviation| deviation.id).collect()
}

fn check<'d>(diagnosis: &'d Diagnosis, of: &str) -> &'d Check {
    diagnosis.checks.iter().find(|check| check.of == of).unwrap_or_else(|| panic!("no {of} in\n{diagnosis}"))
}

#[test]
fn nothing_is_wrong_with_what_independent_implementations_agree_on() {
    for vector in VECTORS.iter().filter(|vector| vector["expect"] == "accept" && vector["mode"] != "error") {
        for diagnosis in diagnose(&exchange(vector), &evidence(vector)) {
            let fine = |check: &Check| matches!(check.verdict, Verdict::Right | Verdict::Unchecked { .. });
            assert!(diagnosis.checks.iter().all(fine), "{}\n{diagnosis}", vector["id"]);
        }
    }
}

#[test]
fn a_mac_under_an_auth_key_of_32_octets_is_told_in_these_words() {
    let wild = entry(&WILD, "mykey-2.3.1-psk");
    let psk = Psk::new(hex::decode(wild["psk"].as_str().unwrap()).unwrap());
    let found = [Found::octets(&octets(&wild["b64"]).unwrap(), Carrier::Unknown, Place::default())];
    let evidence = Evidence { secrets: Secrets { psk, ..Secrets::default() }, derived: None };
    let diagnosis = &diagnose(&found, &evidence)[0];
    assert_eq!(named(diagnosis), ["auth-key-32"]);
    let text = diagnosis.to_string();
    assert!(text.contains("its MAC is right if auth_key is 32 octets\n"), "{text}");
    assert!(
        text.contains("it is as long as the hash, 20 octets (RFC 3830 section 4.2.4); mykey 2.3.1 does so"),
        "{text}"
    );
    assert!(matches!(check(diagnosis, "its key data").verdict, Verdict::Right), "{text}");
}

#[test]
fn minisips_signature_in_rsa_r_and_its_empty_prf_block_are_found() {
    let vector = entry(&VECTORS, "ms-rsar-01");
    assert_eq!(named(&diagnose(&exchange(vector), &evidence(vector))[1]), ["sign-without-idi"]);
    let mut seen = 0;
    for vector in VECTORS.iter().filter(|vector| !vector["minisip_stock_cs"].is_null()) {
        // Only a key whose length is a multiple of 32 octets comes out otherwise.
        let [stock, right] = ["/minisip_stock_cs/1/tek", "/expected/cs/1/tek"].map(|at| vector.pointer(at));
        let stock = stock.unwrap().as_str().unwrap();
        let evidence = Evidence { derived: Some(hex::decode(stock).unwrap().into()), ..evidence(vector) };
        let diagnoses = diagnose(&exchange(vector), &evidence);
        let keyed: Vec<_> = diagnoses.iter().flat_map(|d| &d.checks).filter(|c| c.of == "the TEK of CS 2").collect();
        assert_eq!(keyed.len(), 1, "{}", vector["id"]);
        match &keyed[0].verdict {
            Verdict::Right => assert_eq!(right.unwrap(), stock, "{}", vector["id"]),
            Verdict::Deviates { if_ } => {
                assert_eq!(if_.iter().map(|d| d.id).collect::<Vec<_>>(), ["prf-empty-last-block"], "{}", vector["id"]);
                seen += 1;
            }
            other => panic!("{} {other:?}", vector["id"]),
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn the_literal_code_points_of_rfc_4650_are_read_when_they_are_diagnosed() {
    let vector = entry(&VECTORS, "py-dhhmac-05");
    let diagnoses = diagnose(&exchange(vector), &evidence(vector));
    for diagnosis in &diagnoses {
        assert_eq!(named(diagnosis), ["rfc4650-code-points"], "{diagnosis}");
        assert!(diagnosis.broken.iter().any(|finding| finding.rule == "rfc4650-code-points"));
    }
}

/// A key that somebody derived wrongly, and the words for it.
#[test]
fn a_key_that_was_derived_wrongly_is_explained() {
    let vector = entry(&VECTORS, "py-psk-01");
    let hex_of = |path: &str| hex::decode(vector.pointer(path).unwrap().as_str().unwrap()).unwrap();
    let (tgk, rand) = (hex_of("/expected/tgk"), hex_of("/expected/rand"));
    let csb_id = u32::from_be_bytes(hex_of("/expected/csb_id").try_into().unwrap());
    let csb = CsbLabel { csb_id, rand };
    let bare = CsbLabel { csb_id, rand: vec![] };
    let of = |derived: Vec<u8>| {
        let evidence = Evidence { derived: Some(derived.into()), ..evidence(vector) };
        let diagnosis = diagnose(&exchange(vector), &evidence).remove(0);
        let check = diagnosis.checks.last().unwrap();
        (check.of.clone(), named(&diagnosis))
    };
    let derive = |what: FromTgk, cs, csb: &CsbLabel| what.derive(&tgk, cs, csb, 16).to_vec();
    for (derived, of_what, why) in [
        (derive(FromTgk::Tek, 2, &csb), "the TEK of CS 2", vec![]),
        (FromTgk::Salt.derive(&tgk, 1, &csb, 14).to_vec(), "the salt of CS 1", vec![]),
        (derive(FromTgk::Tek, 0, &csb), "the TEK of CS 1", vec!["cs-id-0"]),
        (derive(FromTgk::Tek, 255, &csb), "the TEK of CS 1", vec!["cs-id-ff"]),
        (derive(FromTgk::Encr, 1, &csb), "the TEK of CS 1", vec!["constant-encr"]),
        (derive(FromTgk::Tek, 1, &bare), "the TEK of CS 1", vec!["rand-left-out"]),
        (derive(FromTgk::Tek, 0, &bare), "the TEK of CS 1", vec!["cs-id-0", "rand-left-out"]),
        (tgk[..16].to_vec(), "the TEK of CS 1", vec!["tgk-raw"]),
        (vec![9; 16], "the derived key", vec![]),
    ] {
        assert_eq!(of(derived), (of_what.to_owned(), why));
    }
}

#[test]
fn a_diffie_hellman_secret_without_its_leading_zeros_is_named() {
    let vector = entry(&VECTORS, "py-dh-05");
    let tgk = hex::decode(vector["expected"]["tgk"].as_str().unwrap()).unwrap();
    assert_eq!(tgk[0], 0);
    let rand = hex::decode(vector["expected"]["rand"].as_str().unwrap()).unwrap();
    let csb = CsbLabel { csb_id: 0xc415_48ab, rand };
    let derived = FromTgk::Tek.derive(&tgk[1..], 2, &csb, 16);
    let evidence = Evidence { derived: Some(derived), ..evidence(vector) };
    let diagnoses = diagnose(&exchange(vector), &evidence);
    assert_eq!(named(&diagnoses[1]), ["dh-unpadded"]);
    assert_eq!(diagnoses[1].checks.last().unwrap().of, "the TEK of CS 2");
}

#[test]
fn what_has_no_known_reason_says_how_much_was_tried() {
    let vector = entry(&VECTORS, "py-psk-01");
    let psk = Psk::new(vec![1; 16]);
    let evidence = Evidence { secrets: Secrets { psk, ..Secrets::default() }, derived: None };
    let diagnoses = diagnose(&exchange(vector), &evidence);
    for (diagnosis, of) in diagnoses.iter().zip(["its MAC", "its V"]) {
        let Verdict::Unexplained { tried } = check(diagnosis, of).verdict else { panic!("{diagnosis}") };
        assert!(tried > 100, "{tried}");
        assert!(!diagnosis.is_right());
    }
    let without = diagnose(&exchange(vector), &Evidence::default());
    assert!(check(&without[0], "its MAC").to_string().contains("--psk"));
}
