//! V, the verification message payload (RFC 3830 section 6.9).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  ! Auth alg      ! Ver data                      ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::MacAlg;

/// A MAC by which the Responder proves to hold the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V {
    /// How it is made.
    pub auth_alg: MacAlg,
    /// As long as `auth_alg` says.
    pub ver_data: Vec<u8>,
}

impl V {
    /// Reads what stands after the number of this payload. An unknown Auth alg is [`super::Problem::Unknown`].
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let auth_alg = MacAlg::from(r.u8("Auth alg")?);
        let len = auth_alg.octets().ok_or_else(|| r.unknown("Auth alg", auth_alg.into()))?;
        Ok(Self { auth_alg, ver_data: r.take(len, "Ver data")?.to_vec() })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        Self::write_header(self.auth_alg, w);
        if self.auth_alg.octets() != Some(self.ver_data.len()) {
            w.fault("Ver data", format!("has {} octets, which {} does not make", self.ver_data.len(), self.auth_alg));
        }
        w.bytes(&self.ver_data);
    }

    pub(super) fn write_header(auth_alg: MacAlg, w: &mut Writer) {
        w.next_payload();
        w.u8(auth_alg.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_algorithm_says_how_long_the_data_is() {
        let mut bytes = vec![0, 1];
        bytes.extend([5; 20]);
        let v = V::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(v, V { auth_alg: MacAlg::HmacSha1_160, ver_data: vec![5; 20] });
        let mut w = Writer::new();
        v.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
        assert!(V::read(&mut Reader::new(&bytes[..21])).is_err());
    }
}
