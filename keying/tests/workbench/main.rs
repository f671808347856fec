//! The workbench, on messages of the field and on those of other implementations.

mod lint;

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
