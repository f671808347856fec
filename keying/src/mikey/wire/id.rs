//! ID, the identity payload (RFC 3830 section 6.7).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Next Payload ! ID Type       ! ID len                        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                       ID Data                                 ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::IdType;

/// Who somebody says they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// What the data is.
    pub id_type: IdType,
    /// At most 65535 octets. A MAC or signature covers these, not the payload around them (RFC 3830 section 5.2).
    pub data: Vec<u8>,
}

impl Id {
    /// A URI.
    pub fn uri(uri: &str) -> Self {
        Self { id_type: IdType::Uri, data: uri.as_bytes().to_vec() }
    }

    /// The data as text. `None` if it is none.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.data).ok()
    }

    /// Reads what stands after the number of this payload.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let id_type = r.u8("ID Type")?.into();
        let len = r.u16("ID len")?;
        Ok(Self { id_type, data: r.take(len.into(), "ID Data")?.to_vec() })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.u8(self.id_type.into());
        w.sized16(&self.data, "ID Data");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_typed_text() {
        let bytes = b"\0\x01\0\x09sip:a@b.c";
        let id = Id::read(&mut Reader::new(bytes)).unwrap();
        assert_eq!((&id, id.text()), (&Id::uri("sip:a@b.c"), Some("sip:a@b.c")));
        let mut w = Writer::new();
        id.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes[..]);
        assert_eq!(Id { id_type: IdType::Nai, data: vec![0xff] }.text(), None);
    }
}
