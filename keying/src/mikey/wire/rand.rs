//! RAND (RFC 3830 section 6.11).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next payload  ! RAND len      ! RAND                          ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};

/// Random octets, fresh for each CSB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rand(
    /// At most 255 octets, and it should be at least 16.
    pub Vec<u8>,
);

impl Rand {
    /// Reads what stands after the number of this payload.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let len = r.u8("RAND len")?;
        Ok(Self(r.take(len.into(), "RAND")?.to_vec()))
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.sized8(&self.0, "RAND");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_goes_before_the_octets() {
        let bytes = [0, 3, 7, 8, 9];
        let rand = Rand::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(rand, Rand(vec![7, 8, 9]));
        let mut w = Writer::new();
        rand.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
        assert!(Rand::read(&mut Reader::new(&bytes[..4])).is_err());
    }
}
