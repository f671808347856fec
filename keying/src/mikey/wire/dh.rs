//! DH, the DH data payload (RFC 3830 section 6.4).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Next Payload ! DH-Group      !  DH-value                     ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Reserv! KV    ! KV data (optional)                            ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::key_data::Kv;
use super::registry::DhGroup;

/// A public Diffie-Hellman value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dh {
    /// The group.
    pub group: DhGroup,
    /// The value, big-endian and as long as `group` says: padded with leading zeros.
    pub value: Vec<u8>,
    /// When the agreed key is used.
    pub kv: Kv,
}

impl Dh {
    /// Reads what stands after the number of this payload. An unknown group or KV is [`super::Problem::Unknown`].
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let group = DhGroup::from(r.u8("DH-Group")?);
        let len = group.octets().ok_or_else(|| r.unknown("DH-Group", group.into()))?;
        let value = r.take(len, "DH-value")?.to_vec();
        let kv = r.u8("KV")? & 0x0f;
        Ok(Self { group, value, kv: Kv::read(kv, r)? })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.u8(self.group.into());
        if self.group.octets() != Some(self.value.len()) {
            w.fault("DH-value", format!("has {} octets, which is not the length of {}", self.value.len(), self.group));
        }
        w.bytes(&self.value);
        w.nibbles(0, self.kv.number(), "KV");
        self.kv.write(w);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_says_how_long_the_value_is() {
        let mut bytes = vec![0, 1];
        bytes.extend([7; 96]);
        bytes.extend([1, 2, 0xab, 0xcd]);
        let dh = Dh::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(dh, Dh { group: DhGroup::Oakley1, value: vec![7; 96], kv: Kv::Spi(vec![0xab, 0xcd]) });
        let mut w = Writer::new();
        dh.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
    }

    #[test]
    fn an_unknown_group_ends_what_we_read() {
        let error = Dh::read(&mut Reader::new(&[0, 14, 1, 2, 3])).unwrap_err();
        assert_eq!((error.field, error.problem), ("DH-Group", super::super::Problem::Unknown(14)));
    }
}
