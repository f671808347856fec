//! Our own set of vectors, `keying/vectors`.

use crate::{exchange, octets, secrets};
use keyphone_keying::mikey::wire::{Message, Payload};
use keyphone_keying::mikey::{ModeName, Tolerances};
use keyphone_keying::workbench::diagnose::{Evidence, diagnose};
use keyphone_keying::workbench::lint::{Severity, lint};
use keyphone_keying::workbench::make::{File, Parties, Recipe, make, set};
use keyphone_keying::workbench::verify::{Verdict, verify};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::LazyLock;

pub(crate) fn parties() -> Parties {
    let pair = |pem: &str, key: &str| (pem.to_owned(), key.to_owned());
    Parties {
        ca: include_str!("../data/certs/ca.pem").into(),
        initiator: pair(include_str!("../data/certs/alice.pem"), include_str!("../data/certs/alice.key")),
        responder: pair(include_str!("../data/certs/bob.pem"), include_str!("../data/certs/bob.key")),
    }
}

pub(crate) static MADE: LazyLock<Vec<File>> = LazyLock::new(|| set(&parties()).unwrap());

/// The files as they stand in the repository.
fn shipped() -> Vec<(String, Vec<Value>)> {
    let path = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    if std::env::var_os("KEYPHONE_UPDATE_VECTORS").is_some() {
        std::fs::create_dir_all(path("")).unwrap();
        MADE.iter().for_each(|file| std::fs::write(path(&file.name), file.text()).unwrap());
    }
    let read = |file: &File| serde_json::from_str(&std::fs::read_to_string(path(&file.name)).unwrap()).unwrap();
    MADE.iter().map(|file| (file.name.clone(), read(file))).collect()
}

/// A vector without what OpenSSL draws by itself: the padding of envelopes, RSA-PSS, and what is signed with them in it.
fn stable(vector: &Value) -> Value {
    let mut vector = vector.clone();
    let id = vector["id"].as_str().unwrap().to_owned();
    let drawn = ["pke", "rsa-r"].iter().any(|mode| vector["mode"] == *mode);
    if !drawn && vector["notes"] != "signed by RSASSA-PSS" {
        return vector;
    }
    for name in ["i_message_b64", "r_message_b64"] {
        let message = Message::read(&octets(&vector[name]).unwrap(), Tolerances::none()).unwrap();
        let part = |payload: &Payload| match payload {
            Payload::Pke(pke) => format!("PKE of {} octets, {}", pke.data.len(), pke.cache),
            Payload::Sign(sign) => format!("SIGN of {} octets, {}", sign.signature.len(), sign.s_type),
            Payload::Kemac(kemac) => format!("{} {}", hex::encode(&*kemac.encr_data), hex::encode(&kemac.mac)),
            other => format!("{other:?}"),
        };
        let parts: Vec<_> = message.parts().iter().map(|p| part(&p.payload)).collect();
        vector[name] = format!("{id} {:?} {}", message.hdr(), parts.join(" ")).into();
        // The envelope is signed too.
        vector["expected"][name.replace("message_b64", "signed_sha1")] = Value::Null;
    }
    vector
}

/// `KEYPHONE_UPDATE_VECTORS=1 cargo test` writes them anew.
#[test]
fn the_vectors_that_ship_are_those_that_are_made() {
    for (file, (name, shipped)) in MADE.iter().zip(shipped()) {
        let [made, shipped] = [&file.vectors, &shipped].map(|v| v.iter().map(stable).collect::<Vec<_>>());
        assert_eq!(made.len(), shipped.len(), "{name}");
        for (made, shipped) in made.iter().zip(&shipped) {
            assert_eq!(made, shipped, "{name}: run with KEYPHONE_UPDATE_VECTORS=1 and read the difference");
        }
    }
}

#[test]
fn every_vector_that_ships_verifies_strictly_with_all_its_checks() {
    let mut count = 0;
    for (name, vectors) in shipped() {
        for tolerances in [Tolerances::none(), Tolerances::interop()] {
            let report = verify(&Value::from(vectors.clone()).to_string(), tolerances).unwrap();
            assert!(report.ok(), "{name}\n{report}");
            assert!(report.vectors.iter().all(|v| matches!(v.verdict, Verdict::Passed { .. })), "{name}\n{report}");
        }
        count += vectors.len();
    }
    assert!(count > 30, "{count}");
    assert_eq!(MADE.len(), ModeName::ALL.len());
}

#[test]
fn our_own_messages_break_no_rule_and_nothing_is_wrong_with_them() {
    for vector in MADE.iter().flat_map(|file| &file.vectors) {
        let found = exchange(vector);
        for linted in lint(&found, None) {
            assert_ne!(linted.worst(), Some(Severity::Error), "{} {linted}", vector["id"]);
        }
        let evidence = Evidence { secrets: secrets(vector), derived: None };
        for diagnosis in diagnose(&found, &evidence) {
            assert!(diagnosis.is_right(), "{} {diagnosis}", vector["id"]);
        }
    }
}

#[test]
fn the_key_of_a_group_is_derived_with_the_groups_own_csb_id() {
    let all = MADE.iter().flat_map(|file| &file.vectors);
    let groups: Vec<_> = all.filter(|vector| !vector["expected"]["csb_id_for_keys"].is_null()).collect();
    let [vector] = &groups[..] else { panic!("{} groups", groups.len()) };
    let expected = &vector["expected"];
    assert_ne!(expected["csb_id"], expected["csb_id_for_keys"]);
    // With the CSB ID of the header in its place, nothing comes out.
    let mut other = (*vector).clone();
    other["expected"]["csb_id_for_keys"] = expected["csb_id"].clone();
    let report = verify(&Value::from(vec![other]).to_string(), Tolerances::none()).unwrap();
    assert!(matches!(report.vectors[0].verdict, Verdict::Failed { .. }), "{report}");
    let error = make(&Recipe { for_group: true, ..Recipe::new("a", ModeName::Psk) }, None).unwrap_err();
    assert!(error.to_string().contains("mikey-rsar alone"), "{error}");
}

#[test]
fn a_seed_makes_one_exchange_and_another_seed_another() {
    let vector = |id: &str| make(&Recipe::new(id, ModeName::Psk), None).unwrap();
    assert_eq!(vector("a"), vector("a"));
    assert_ne!(vector("a")["i_message_b64"], vector("b")["i_message_b64"]);
    let error = make(&Recipe::new("a", ModeName::Rsa), None).unwrap_err();
    assert!(error.to_string().contains("needs certificates"), "{error}");
    assert!(make(&Recipe { sessions: 0, ..Recipe::new("a", ModeName::Psk) }, None).is_err());
}
