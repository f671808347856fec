//! What the workbench shows of the same messages.

use crate::{WILD, exchanged, octets, strict};
use keyphone_keying::mikey::Tolerances;
use keyphone_keying::mikey::wire::key_data;
use keyphone_keying::workbench::decode::{Field, Keys, decode};

/// The leaves of a decoded message, in their order.
fn leaves<'a>(fields: &'a [Field], out: &mut Vec<&'a Field>) {
    for field in fields {
        match field.fields.is_empty() {
            true => out.push(field),
            false => leaves(&field.fields, out),
        }
    }
}

pub(crate) fn every_octet_is_shown_once(bytes: &[u8]) {
    let decoded = decode(bytes, Tolerances::interop(), Keys::Hidden).unwrap();
    let message = &decoded.messages[0];
    assert!(!decoded.to_string().is_empty() && decoded.to_json().is_array());
    // Before the header is read there is nothing to show but the error.
    if message.fields.is_empty() {
        assert!(message.error.is_some());
        return;
    }
    let mut shown = Vec::new();
    leaves(&message.fields, &mut shown);
    let end = shown.iter().fold(0, |at, field| {
        assert_eq!(field.offset, at, "{}\n{decoded}", field.name);
        at + field.length
    });
    assert_eq!(end, bytes.len(), "{decoded}");
}

#[test]
fn the_workbench_shows_every_octet_of_every_message_once() {
    for (_, bytes) in exchanged() {
        every_octet_is_shown_once(&bytes);
    }
    for entry in WILD.iter() {
        octets(entry, "b64").iter().for_each(|bytes| every_octet_is_shown_once(bytes));
    }
    let seeds = WILD.iter().filter_map(|entry| entry["cases"].as_array()).flatten();
    // Octets are taken for a message when they begin with version 1, as text is otherwise.
    for bytes in seeds.filter_map(|seed| octets(seed, "b64")).filter(|bytes| bytes[0] == 1) {
        every_octet_is_shown_once(&bytes);
    }
}

#[test]
fn the_workbench_hides_every_key_that_stands_in_clear() {
    let mut hidden = 0;
    for (name, bytes) in exchanged() {
        let Ok(message) = strict(&bytes) else { continue };
        for key in message.clear_keys().unwrap_or_default().unwrap_or_default() {
            let plain = key_data::write_keys(None, &[key]).unwrap();
            let digits = hex::encode(&plain[4..12]);
            let show = |keys| decode(&bytes, Tolerances::none(), keys).unwrap();
            for text in [show(Keys::Hidden).to_string(), show(Keys::Hidden).to_json().to_string()] {
                assert!(!text.contains(&digits), "{name}: {text}");
            }
            assert!(show(Keys::Shown).to_string().contains(&digits), "{name}");
            hidden += 1;
        }
    }
    assert!(hidden > 2, "{hidden}");
}

#[test]
fn the_workbench_names_the_rules_that_messages_of_the_field_break() {
    let deviations =
        |bytes: &[u8]| decode(bytes, Tolerances::none(), Keys::Hidden).unwrap().messages[0].deviations.clone();
    for entry in WILD.iter().filter(|entry| entry["cases"].is_null()) {
        let (id, Some(bytes)) = (&entry["id"], octets(entry, "b64")) else { continue };
        let why = entry["expect_why"].as_str().unwrap();
        let found = deviations(&bytes);
        match (entry["expect"].as_str().unwrap(), why) {
            // What shows under the key alone, and what is refused before there is a message.
            ("tolerate", why) if why.contains("MAC verifies only") || why.contains("trailing") => {}
            ("tolerate", _) => assert!(!found.is_empty() && found.iter().all(|d| d.contains("RFC")), "{id} {found:?}"),
            ("accept", _) => assert_eq!(found, Vec::<String>::new(), "{id}"),
            _ => {}
        }
    }
}
