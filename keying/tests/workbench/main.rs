//! The workbench, on messages of the field and on those of other implementations.

mod diagnose;
mod how_to;
mod lint;
mod make;
mod open;
mod rules;
mod updates;
mod verify;
mod wild;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::LazyLock;

pub(crate) static WILD: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/wild.json")).unwrap());

pub(crate) static VECTORS: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/vectors.json")).unwrap());

/// The octets of a message in base64.
pub(crate) fn octets(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| STANDARD.decode(text).unwrap())
}

/// The entry of that name.
pub(crate) fn entry<'v>(entries: &'v [Value], id: &str) -> &'v Value {
    entries.iter().find(|entry| entry["id"] == id).unwrap_or_else(|| panic!("{id} is not there"))
}

use keyphone_keying::Psk;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::identity::Certificate;
use keyphone_keying::workbench::input::{Carrier, Found, Place};
use keyphone_keying::workbench::open::Secrets;

/// Both messages of a vector.
pub(crate) fn exchange(vector: &Value) -> Vec<Found> {
    let messages = [&vector["i_message_b64"], &vector["r_message_b64"]].into_iter().filter_map(octets);
    messages.map(|bytes| Found::octets(&bytes, Carrier::Unknown, Place::default())).collect()
}

/// The secrets that a vector gives, those of both sides.
pub(crate) fn secrets(vector: &Value) -> Secrets {
    let inputs = &vector["inputs"];
    let hex = |name: &str| inputs[name].as_str().map(|text| hex::decode(text).unwrap());
    let pem = |name: &str| inputs[name].as_str().map(str::as_bytes);
    Secrets {
        psk: hex("psk").and_then(Psk::new),
        envelope_key: None,
        keys: ["key_i_pem", "key_r_pem"].into_iter().filter_map(pem).map(|p| PrivateKey::read(p).unwrap()).collect(),
        certificates: ["cert_i_pem", "cert_r_pem"]
            .into_iter()
            .filter_map(pem)
            .flat_map(|pem| Certificate::read(pem).unwrap())
            .collect(),
        dh: ["dh_priv_i", "dh_priv_r"].into_iter().filter_map(hex).map(Into::into).collect(),
    }
}

/// Compares a generated part of the documentation with what stands there, or writes it: `KEYPHONE_UPDATE_DOCS=1`.
pub(crate) fn documented(path: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("KEYPHONE_UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "{} is out of date: run with KEYPHONE_UPDATE_DOCS=1 and read the difference",
        path.display()
    );
}
