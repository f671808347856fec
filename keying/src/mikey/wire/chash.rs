//! CHASH, the cert hash payload (RFC 3830 section 6.8).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  ! Hash func     ! Hash                          ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::HashFunc;

/// The hash of the certificate that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chash {
    /// The hash function.
    pub hash_func: HashFunc,
    /// As long as `hash_func` says.
    pub hash: Vec<u8>,
}

impl Chash {
    /// Reads what stands after the number of this payload. An unknown function is [`super::Problem::Unknown`].
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let hash_func = HashFunc::from(r.u8("Hash func")?);
        let len = hash_func.octets().ok_or_else(|| r.unknown("Hash func", hash_func.into()))?;
        Ok(Self { hash_func, hash: r.take(len, "Hash")?.to_vec() })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.u8(self.hash_func.into());
        if self.hash_func.octets() != Some(self.hash.len()) {
            w.fault("Hash", format!("has {} octets, which is not what {} makes", self.hash.len(), self.hash_func));
        }
        w.bytes(&self.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_says_how_long_the_hash_is() {
        let mut bytes = vec![0, 1];
        bytes.extend([9; 16]);
        let chash = Chash::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(chash, Chash { hash_func: HashFunc::Md5, hash: vec![9; 16] });
        let mut w = Writer::new();
        chash.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
        assert!(Chash::read(&mut Reader::new(&[0, 0, 1])).is_err());
        let error = Chash::read(&mut Reader::new(&[0, 7, 1])).unwrap_err();
        assert_eq!(error.problem, super::super::Problem::Unknown(7));
    }
}
