//! What `open` shows.

use crate::{VECTORS, WILD, entry, exchange, octets, secrets};
use keyphone_keying::Psk;
use keyphone_keying::workbench::input::{Carrier, Found, Place};
use keyphone_keying::workbench::open::{Opened, Secrets, open};
use serde_json::Value;

/// The last message in which a value came out.
fn value<'o>(opened: &'o [Opened], name: &str) -> Option<&'o str> {
    opened.iter().rev().find_map(|opened| opened.value(name))
}

#[test]
fn every_exchange_of_others_opens_to_the_keys_that_they_derived() {
    for vector in VECTORS.iter() {
        let (id, expected) = (&vector["id"], &vector["expected"]);
        // The literal code points of RFC 4650 cannot be opened, only diagnosed.
        if id == "py-dhhmac-05" || vector["mode"] == "error" {
            continue;
        }
        let opened = open(&exchange(vector), &secrets(vector));
        let shown: String = opened.iter().map(|opened| format!("{opened}\n")).collect();
        let protected = vector["inputs"]["mac_alg"] != 0;
        for (ours, theirs) in [
            ("encr_key", "encr_key"),
            ("salt key", "transport_salt"),
            ("auth_key", "auth_key"),
            ("envelope key", "envelope_key"),
            ("Encr data, decrypted", "kemac_plaintext"),
            ("ID in KEMAC", "kemac_id"),
            ("TGK", "tgk"),
            ("RAND", "rand"),
            ("T", "ts"),
        ] {
            // A message without MAC and encryption has no such keys, and shows none.
            let transport = matches!(ours, "encr_key" | "salt key" | "auth_key");
            if let (Some(expected), true) = (expected[theirs].as_str(), protected || !transport) {
                assert_eq!(value(&opened, ours), Some(expected), "{id} {ours}\n{shown}");
            }
        }
        for cs in expected["cs"].as_array().into_iter().flatten() {
            let get = |what: &str| value(&opened, &format!("CS {} {what}", cs["id"])).unwrap_or_default();
            // A TEK of key and salt is shown as the two.
            let (tek, salt) = (cs["tek"].as_str().unwrap(), cs["salt"].as_str().unwrap_or_default());
            let whole = if tek.len() == 60 { tek.to_owned() } else { format!("{tek}{salt}") };
            assert_eq!(format!("{}{}", get("TEK"), get("salt")), whole, "{id}\n{shown}");
        }
        for check in vector["checks"].as_array().unwrap() {
            let (message, name) = match check.as_str().unwrap() {
                "kemac_mac" => (usize::from(vector["mode"] == "rsa-r"), "MAC"),
                "i_mac" => (0, "MAC"),
                "r_mac" => (1, "MAC"),
                "v_mac" => (1, "V"),
                "i_sign" => (0, "SIGN"),
                "r_sign" => (1, "SIGN"),
                _ => continue,
            };
            let shown = opened[message].value(name).unwrap_or("nothing");
            // minisip leaves IDi out of what it signs in RSA-R.
            let fine = !(vector["r_sign_extra"] == "minisip" && check == "r_sign");
            assert_eq!(shown.starts_with("verifies"), fine, "{id} {check}: {shown}");
        }
    }
}

#[test]
fn without_the_keys_it_says_which_one_it_needs() {
    let needs = |id: &str| {
        let opened = open(&exchange(entry(&VECTORS, id)), &Secrets::default());
        opened.into_iter().flat_map(|opened| opened.problems).collect::<Vec<_>>().join("\n")
    };
    assert!(needs("ms-psk-01").contains("--psk"));
    assert!(needs("py-pke-01").contains("--key"));
    assert!(needs("py-dh-01").contains("--dh-secret"));
    assert!(needs("ms-dh-01").contains("--dh-secret"));
}

#[test]
fn a_wrong_key_is_told_as_such() {
    let psk = Psk::new(vec![1; 16]);
    let opened = open(&exchange(entry(&VECTORS, "py-psk-01")), &Secrets { psk, ..Secrets::default() });
    assert_eq!(opened[0].value("MAC"), Some("does NOT verify"));
    assert!(opened[0].problems.iter().any(|problem| problem.contains("no key data")), "{}", opened[0]);
    assert_eq!(opened[1].value("V"), Some("does NOT verify"));
}

#[test]
fn a_camera_needs_no_key_and_its_tek_is_shown_with_its_salt() {
    let bytes = octets(&entry(&WILD, "onvif-sdp-2")["b64"]).unwrap();
    let opened = open(&[Found::octets(&bytes, Carrier::Unknown, Place::default())], &Secrets::default());
    let whole = opened[0].value("TEK").unwrap().to_owned();
    assert_eq!(whole.len(), 60);
    let (tek, salt) = (opened[0].value("CS 1 TEK").unwrap(), opened[0].value("CS 1 salt").unwrap());
    assert_eq!((tek.len(), format!("{tek}{salt}")), (32, whole));
    assert!(opened[0].problems.is_empty(), "{}", opened[0]);
}

#[test]
fn json_has_the_same_steps() {
    let vector = entry(&VECTORS, "py-psk-01");
    let json = open(&exchange(vector), &secrets(vector))[0].to_json();
    let steps = json["steps"].as_array().unwrap();
    let tgk = steps.iter().find(|step| step["name"] == "TGK").unwrap();
    assert_eq!((&tgk["value"], &tgk["section"]), (&vector["expected"]["tgk"], &Value::from("RFC 3830 section 6.13")));
}

#[test]
fn no_message_stops_it() {
    for vector in
        VECTORS.iter().filter(|vector| ["ms-rsar-01", "py-dh-03", "py-pke-01"].iter().any(|id| vector["id"] == *id))
    {
        let (mut messages, secrets) = (exchange(vector), secrets(vector));
        let whole = messages[1].bytes.clone().unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            messages[1].bytes = Ok(bytes);
            assert_eq!(open(&messages, &secrets).len(), 2);
        }
    }
}
