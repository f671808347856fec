//! PKE, the envelope data payload (RFC 3830 section 6.3).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  ! C ! Data len                  ! Data          ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::CacheType;

/// The envelope key, encrypted to a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pke {
    /// Whether the envelope key is to be cached; 2 bits.
    pub cache: CacheType,
    /// The encrypted envelope key, less than 2^14 octets.
    pub data: Vec<u8>,
}

impl Pke {
    /// Reads what stands after the number of this payload.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let c_len = r.u16("Data len")?;
        let data = r.take(usize::from(c_len & 0x3fff), "Data")?.to_vec();
        Ok(Self { cache: ((c_len >> 14) as u8).into(), data })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        let cache = u8::from(self.cache);
        if cache > 3 {
            w.fault("C", "does not fit 2 bits");
        }
        if self.data.len() > 0x3fff {
            w.fault("Data", "is longer than 16383 octets");
        }
        w.u16(u16::from(cache & 3) << 14 | self.data.len() as u16 & 0x3fff);
        w.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_indicator_shares_two_octets_with_the_length() {
        let bytes = [4, 0x80, 3, 1, 2, 3];
        let pke = Pke::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(pke, Pke { cache: CacheType::CacheForCsb, data: vec![1, 2, 3] });
        let mut w = Writer::new();
        pke.write(&mut w);
        assert_eq!(w.finish().unwrap()[1..], bytes[1..]);
    }

    #[test]
    fn an_envelope_of_16384_octets_cannot_be_written() {
        let mut w = Writer::new();
        Pke { cache: CacheType::NoCache, data: vec![0; 1 << 14] }.write(&mut w);
        assert!(w.finish().is_err());
    }
}
