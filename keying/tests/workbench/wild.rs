//! The faults of messages met in the field: what `lint` and `diagnose` say of each, as the documentation has it.

use crate::{WILD, octets};
use keyphone_keying::Psk;
use keyphone_keying::workbench::diagnose::{Evidence, diagnose};
use keyphone_keying::workbench::input::{Carrier, Found, Place, find};
use keyphone_keying::workbench::lint::{Finding, Severity, lint};
use keyphone_keying::workbench::open::Secrets;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

fn found(entry: &Value) -> Vec<Found> {
    match octets(&entry["b64"]) {
        Some(bytes) => vec![Found::octets(&bytes, Carrier::Unknown, Place::default())],
        None => find(entry["text"].as_str().unwrap().as_bytes()).unwrap(),
    }
}

/// What is there, and its name.
type Said = (String, &'static str);

/// What is said of a message: the rules that it breaks, and what explains its MAC.
fn said(entry: &Value) -> (Vec<Said>, Vec<Said>) {
    let psk = entry["psk"].as_str().and_then(|text| Psk::new(hex::decode(text).unwrap()));
    let found = found(entry);
    let linted = lint(&found, None);
    // Cameras send keys in clear and without a MAC; who reads the table knows.
    let custom = ["encr-null", "mac-null"];
    let told = |f: &&Finding| f.severity != Severity::Note && !custom.contains(&f.rule);
    let errors = linted.iter().flat_map(|linted| &linted.findings).filter(told);
    let evidence = Evidence { secrets: Secrets { psk, ..Secrets::default() }, derived: None };
    let diagnoses = diagnose(&found, &evidence);
    let deviations = diagnoses.iter().flat_map(|diagnosis| diagnosis.deviations());
    (
        errors.map(|finding| (finding.found.clone(), finding.rule)).collect(),
        deviations.map(|deviation| (deviation.text.to_owned(), deviation.id)).collect(),
    )
}

/// What is really wrong with each, as the messages' own notes have it.
const FAULTS: &[(&str, &[&str], &[&str])] = &[
    ("onvif-setup-1", &["t-filetime", "missing-payload"], &[]),
    ("onvif-sdp-2", &[], &[]),
    ("rfc4567-5.1.1", &[], &[]),
    ("rfc4567-elided-line-740", &["unreadable"], &[]),
    ("rfc4567-elided-line-988", &["unreadable"], &[]),
    ("rfc4567-elided-line-1109", &["unreadable"], &[]),
    ("rfc4567-elided-line-1113", &["unreadable"], &[]),
    ("gortsplib-a", &["tag-length-as-key-length"], &[]),
    ("gortsplib-b", &["tag-length-as-key-length"], &[]),
    ("gortsplib-c", &["tag-length-as-key-length"], &[]),
    ("gortsplib-Extra-padding-at-the-end", &["trailing-padding"], &[]),
    ("gortsplib-KEMAC-key-data-with-SPI", &["missing-payload", "missing-payload", "key-length"], &[]),
    ("gst-test-hdr", &["missing-payload", "missing-payload", "missing-payload", "no-crypto-session"], &[]),
    ("gst-test-2cs", &["missing-payload", "missing-payload", "missing-payload"], &[]),
    ("mykey-2.3.1-psk", &["rand-constant"], &["auth-key-32"]),
    ("mykey-2.3.1-dhhmac-init", &["missing-payload"], &["auth-key-32"]),
    (
        "mykey-2.3.1-dhhmac-resp",
        &["misplaced-payload", "missing-payload", "missing-payload", "no-crypto-session"],
        &["auth-key-32"],
    ),
    ("mykey-1.0.0-psk", &["last-payload", "clear-keys-unreadable", "rand-constant"], &[]),
];

#[test]
fn lint_and_diagnose_name_the_real_fault_of_every_message_of_the_field() {
    let ids: Vec<_> = WILD.iter().filter(|e| e["cases"].is_null()).map(|e| e["id"].as_str().unwrap()).collect();
    assert_eq!(ids, FAULTS.iter().map(|(id, ..)| *id).collect::<Vec<_>>());
    for (id, rules, deviations) in FAULTS {
        let entry = crate::entry(&WILD, id);
        let (broken, explained) = said(entry);
        let names = |said: &[Said]| said.iter().map(|(_, id)| *id).collect::<Vec<_>>();
        assert_eq!((names(&broken), names(&explained)), (rules.to_vec(), deviations.to_vec()), "{id}: {broken:?}");
        // Who expects a fault gets one named.
        assert!(entry["expect"] == "accept" || !rules.is_empty() || !deviations.is_empty(), "{id}");
    }
}

#[test]
fn every_seed_of_a_fuzzer_breaks_a_rule() {
    let mut counts = BTreeMap::new();
    for entry in WILD.iter() {
        for case in entry["cases"].as_array().into_iter().flatten() {
            let bytes = octets(&case["b64"]).unwrap();
            let linted = lint(&[Found::octets(&bytes, Carrier::Unknown, Place::default())], None);
            assert_eq!(linted[0].worst(), Some(Severity::Error), "{}", case["id"]);
            *counts.entry(linted[0].findings[0].rule).or_insert(0) += 1;
        }
    }
    assert!(counts.values().sum::<usize>() > 30, "{counts:?}");
}

/// `KEYPHONE_UPDATE_DOCS=1 cargo test` writes the table anew.
#[test]
fn the_table_in_the_documentation_is_what_comes_out() {
    const HEAD: &str = "\
| message | where it is from | `lint` finds | `diagnose` finds |\n|---|---|---|---|\n";
    let mut table = HEAD.to_owned();
    for entry in WILD.iter().filter(|entry| entry["cases"].is_null()) {
        let (broken, explained) = said(entry);
        let cell = |said: &[Said]| {
            let texts: Vec<_> =
                said.iter().map(|(text, rule)| format!("{} (`{rule}`)", text.replace('|', "\\|"))).collect();
            if texts.is_empty() { "-".into() } else { texts.join("; ") }
        };
        let [id, source] = ["id", "source"].map(|name| entry[name].as_str().unwrap().replace('|', "\\|"));
        writeln!(table, "| {id} | {source} | {} | {} |", cell(&broken), cell(&explained)).unwrap();
    }
    crate::documented("src/workbench/wild.md", &table);
}
