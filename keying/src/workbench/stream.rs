//! Messages one after another in a stream of octets, as TCP port 2269 carries them: nothing but a message itself says
//! how long it is.

use crate::mikey::Tolerances;
use crate::mikey::wire::{MAX_MESSAGE, Message, Problem};

/// What stands at the beginning of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// A message of so many octets.
    Whole(usize),
    /// The beginning of a message: more must come.
    Partial,
    /// Something of which nobody can tell where it ends: all that came, to the end of the stream.
    Endless,
}

/// What stands at the beginning of these octets? A message is never longer than 65535.
pub fn first(bytes: &[u8]) -> First {
    let bytes = &bytes[..bytes.len().min(MAX_MESSAGE)];
    let partial = |problem: &Problem| match problem {
        Problem::Short { .. } if bytes.len() < MAX_MESSAGE => First::Partial,
        _ => First::Endless,
    };
    match Message::read_as_far(bytes, Tolerances::none()) {
        Err(error) => partial(&error.problem),
        Ok((message, _)) if message.tail().is_some() => First::Endless,
        Ok((_, None)) => First::Whole(bytes.len()),
        Ok((message, Some(error))) => match message.parts().last() {
            // The last payload was read, and what follows it is the next message.
            Some(part) if error.payload == "message" && error.field == "length" && error.offset == part.range.end => {
                First::Whole(part.range.end)
            }
            _ => partial(&error.problem),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: &str = "AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A";

    #[test]
    fn a_message_ends_where_its_last_payload_does() {
        let whole = crate::mikey::wire::from_base64(CAMERA).unwrap();
        for end in 0..whole.len() {
            assert_eq!(first(&whole[..end]), First::Partial, "{end}");
        }
        assert_eq!(first(&whole), First::Whole(whole.len()));
        let two = [&whole[..], &whole[..50]].concat();
        assert_eq!(first(&two), First::Whole(whole.len()));
        assert_eq!(first(b"GET / HTTP/1.1"), First::Endless);
        let mut unknown = whole.to_vec();
        unknown[2] = 99;
        assert_eq!(first(&unknown), First::Endless);
        assert_eq!(first(&[1; 70_000]), First::Endless);
    }
}
