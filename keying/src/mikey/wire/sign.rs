//! SIGN, the signature payload (RFC 3830 section 6.5): always the last, so it has no Next payload.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! S type| Signature len         ! Signature                     ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::SignType;

/// A signature over the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// How it is made; 4 bits.
    pub s_type: SignType,
    /// Less than 2^12 octets.
    pub signature: Vec<u8>,
}

impl Sign {
    /// Reads what stands after the number of this payload.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let type_len = r.u16("Signature len")?;
        let signature = r.take(usize::from(type_len & 0x0fff), "Signature")?.to_vec();
        Ok(Self { s_type: ((type_len >> 12) as u8).into(), signature })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        Self::write_header(self.s_type, self.signature.len(), w);
        w.bytes(&self.signature);
    }

    /// Writes what stands before a signature of `len` octets. It is signed too (RFC 3830 section 5.2: all but the
    /// signature field).
    pub(super) fn write_header(s_type: SignType, len: usize, w: &mut Writer) {
        let s_type = u8::from(s_type);
        if s_type > 15 {
            w.fault("S type", "does not fit 4 bits");
        }
        if len > 0x0fff {
            w.fault("Signature", "is longer than 4095 octets");
        }
        w.u16(u16::from(s_type & 15) << 12 | len as u16 & 0x0fff);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_and_length_share_two_octets() {
        let bytes = [0x10, 2, 0xaa, 0xbb];
        let sign = Sign::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(sign, Sign { s_type: SignType::RsaPss, signature: vec![0xaa, 0xbb] });
        let mut w = Writer::new();
        sign.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
        assert!(Sign::read(&mut Reader::new(&bytes[..3])).is_err());
    }
}
