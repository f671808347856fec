//! Shows a message field by field, from whatever a person has at hand: base64, hex, a line of SDP, a whole SDP, octets.
//!
//! ```text
//! input -> pieces (where each stands) -> Message, as far as it can be read -> fields -> text or JSON
//! ```

mod deviations;
mod fields;

use super::input::{self, Found, Place};
use crate::mikey::tolerance::{Tolerance, Tolerances};
use crate::mikey::wire::{Message, WireError};
use serde_json::{Value, json};
use std::fmt;

/// Are keys that stand in clear shown?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// Only how long they are.
    #[default]
    Hidden,
    /// In hex. Whoever asks for it must want it.
    Shown,
}

/// All messages found in an input, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// At least one.
    pub messages: Vec<DecodedMessage>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedMessage {
    /// Where it was found.
    pub place: Place,
    /// Octets of the message; 0 if it is no base64 or hex.
    pub octets: usize,
    /// Its payloads, as far as they could be read.
    pub fields: Vec<Field>,
    /// The deviation that let it be read.
    pub tolerated: Option<Tolerance>,
    /// Why it cannot be used for keying.
    pub error: Option<WireError>,
    /// Rules that it breaks, as far as that shows without a key: strict keying may refuse it.
    pub deviations: Vec<String>,
    /// What is worth knowing besides.
    pub notes: Vec<String>,
}

/// A payload, or a field of one, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The RFC's name.
    pub name: String,
    /// What it says; empty for a payload.
    pub value: String,
    /// Octets from the start of the message.
    pub offset: usize,
    /// Octets.
    pub length: usize,
    /// Where the RFCs describe it; empty for octets that we do not understand.
    pub section: &'static str,
    /// What it is made of.
    pub fields: Vec<Field>,
}

/// Reads an input. An error says why there is no message in it; what is wrong with a message is said in its place.
pub fn decode(input: &[u8], tolerances: Tolerances, keys: Keys) -> Result<Decoded, WireError> {
    Ok(decode_found(&input::find(input)?, tolerances, keys))
}

/// The same, of messages that were found already.
pub fn decode_found(found: &[Found], tolerances: Tolerances, keys: Keys) -> Decoded {
    let decode = |found: &Found| {
        let decoded = match &found.bytes {
            Ok(bytes) => message(bytes, tolerances, keys),
            Err(error) => unreadable(0, error.clone()),
        };
        DecodedMessage { place: found.place.clone(), ..decoded }
    };
    Decoded { messages: found.iter().map(decode).collect() }
}

fn message(bytes: &[u8], tolerances: Tolerances, keys: Keys) -> DecodedMessage {
    match Message::read_as_far(bytes, tolerances) {
        Ok((message, error)) => {
            let (fields, notes) = fields::of(&message, keys);
            let (octets, tolerated) = (bytes.len(), message.tolerated());
            let error = error.or_else(|| message.complete().err());
            let deviations = deviations::of(&message);
            DecodedMessage { place: Place::default(), octets, fields, tolerated, error, deviations, notes }
        }
        Err(error) => unreadable(bytes.len(), error),
    }
}

fn unreadable(octets: usize, error: WireError) -> DecodedMessage {
    let (fields, deviations, notes) = (vec![], vec![], vec![]);
    DecodedMessage { place: Place::default(), octets, fields, tolerated: None, error: Some(error), deviations, notes }
}

impl Decoded {
    /// One object per message.
    pub fn to_json(&self) -> Value {
        self.messages.iter().map(DecodedMessage::to_json).collect()
    }
}

impl DecodedMessage {
    /// The message as an object: `octets`, `fields` and, where there is something to say, `packet`, `route`,
    /// `line`, `tolerated`,
    /// `deviations`, `notes` and `error`.
    pub fn to_json(&self) -> Value {
        let mut object = json!({
            "octets": self.octets,
            "fields": self.fields.iter().map(Field::to_json).collect::<Vec<_>>(),
        });
        self.place.add_to(&mut object);
        if let Some(tolerated) = self.tolerated {
            object["tolerated"] = tolerated.text().into();
        }
        if !self.deviations.is_empty() {
            object["deviations"] = self.deviations.clone().into();
        }
        if !self.notes.is_empty() {
            object["notes"] = self.notes.clone().into();
        }
        if let Some(error) = &self.error {
            object["error"] = error.to_string().into();
        }
        object
    }
}

impl Field {
    /// The field as an object: `name`, `value`, `offset`, `length`, `section` and, if it has any, `fields`.
    pub fn to_json(&self) -> Value {
        let Self { name, value, offset, length, section, fields } = self;
        let mut object = json!({ "name": name, "offset": offset, "length": length });
        if !section.is_empty() {
            object["section"] = (*section).into();
        }
        if !value.is_empty() {
            object["value"] = value.as_str().into();
        }
        if !fields.is_empty() {
            object["fields"] = fields.iter().map(Self::to_json).collect();
        }
        object
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize, above: &str) -> fmt::Result {
        /// Longer values are for machines.
        const WIDTH: usize = 72;
        let Self { name, value, offset, length, section, fields } = self;
        write!(f, "{offset:>5} +{length:<4} {:1$}{name}", "", depth * 2)?;
        match value.char_indices().nth(WIDTH) {
            Some((cut, _)) => write!(f, ": {}..", &value[..cut])?,
            None if value.is_empty() => {}
            None => write!(f, ": {value}")?,
        }
        if !section.is_empty() && *section != above {
            write!(f, "  [{section}]")?;
        }
        writeln!(f)?;
        fields.iter().try_for_each(|field| field.print(f, depth + 1, section))
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, message) in self.messages.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{message}")?;
        }
        Ok(())
    }
}

impl fmt::Display for DecodedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "MIKEY message of {} octets{}", self.octets, self.place)?;
        self.fields.iter().try_for_each(|field| field.print(f, 0, ""))?;
        if let Some(tolerated) = self.tolerated {
            writeln!(f, "tolerated: {}", tolerated.text())?;
        }
        self.deviations.iter().try_for_each(|deviation| writeln!(f, "breaks a rule: {deviation}"))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        self.error.iter().try_for_each(|error| writeln!(f, "cannot be used for keying: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An example of the ONVIF Streaming Specification: a camera's message, with its key in clear.
    const CAMERA: &str = "AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A";

    fn strict(input: &str) -> Decoded {
        decode(input.as_bytes(), Tolerances::none(), Keys::Hidden).unwrap()
    }

    #[test]
    fn a_message_reads_like_a_page() {
        let shown = strict(CAMERA).to_string();
        for line in [
            "    0 +19   HDR  [RFC 3830 section 6.1]",
            "    1 +1      data type: Pre-shared (0)",
            "   10 +9      CS ID map info  [RFC 3830 section 6.1.1]",
            "   10 +9        CS 1: policy 0, SSRC c20f551c, ROC 0",
            "   34 +3        encr alg: AES-CM",
            "   66 +30         Key data: 30 octets, hidden",
            "   97 +4            SPI: 0000002f",
        ] {
            assert!(shown.contains(line), "{line}\nis not in\n{shown}");
        }
        assert!(!shown.contains("df40b9"), "{shown}");
        assert!(!shown.contains("cannot be used"), "{shown}");
    }

    #[test]
    fn keys_are_shown_to_whoever_asks_for_them() {
        let shown = decode(CAMERA.as_bytes(), Tolerances::none(), Keys::Shown).unwrap();
        assert!(shown.to_string().contains("Key data: df40b9f54ac2944d1edbb50fe61fd6b72f542fcf9d7f383edadb669a8de4"));
        assert!(!strict(CAMERA).to_json().to_string().contains("df40b9"));
        assert!(!format!("{:?}", strict(CAMERA)).contains("df40b9"));
    }

    #[test]
    fn json_holds_the_same_tree() {
        let json = strict(CAMERA).to_json();
        let hdr = &json[0]["fields"][0];
        assert_eq!((hdr["name"].as_str(), hdr["length"].as_u64()), (Some("HDR"), Some(19)));
        assert_eq!(
            hdr["fields"][0],
            json!({
                "name": "version", "value": "1", "offset": 0, "length": 1, "section": "RFC 3830 section 6.1"
            })
        );
        assert!(json[0].get("error").is_none());
    }

    #[test]
    fn what_stands_before_an_error_is_shown() {
        let half = &CAMERA[..CAMERA.len() / 8 * 4];
        let message = &strict(half).messages[0];
        assert_eq!(message.fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["HDR", "T", "unread"]);
        assert!(message.error.as_ref().unwrap().to_string().contains("SP, Policy param needs 24 octets"));
        assert!(message.to_string().contains("cannot be used for keying: octet"));
    }
}
