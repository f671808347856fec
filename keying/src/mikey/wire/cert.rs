//! CERT, the certificate payload (RFC 3830 section 6.7). A chain is one payload for each certificate.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Next Payload ! Cert Type     ! Cert len                      !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                       Certificate Data                        ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::CertType;

/// A certificate, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cert {
    /// What the data is.
    pub cert_type: CertType,
    /// DER, or an ASCII URL; at most 65535 octets.
    pub data: Vec<u8>,
}

impl Cert {
    /// Reads what stands after the number of this payload.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let cert_type = r.u8("Cert Type")?.into();
        let len = r.u16("Cert len")?;
        Ok(Self { cert_type, data: r.take(len.into(), "Certificate Data")?.to_vec() })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.u8(self.cert_type.into());
        w.sized16(&self.data, "Certificate Data");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_typed_octets() {
        let bytes = [0, 2, 0, 3, 0x30, 0x01, 0x00];
        let cert = Cert::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(cert, Cert { cert_type: CertType::X509Sign, data: vec![0x30, 1, 0] });
        let mut w = Writer::new();
        cert.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
    }
}
