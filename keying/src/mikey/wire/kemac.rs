//! KEMAC, the key data transport payload (RFC 3830 section 6.2).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next payload  ! Encr alg      ! Encr data len                 !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                        Encr data                              ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Mac alg       !        MAC                                    ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::{EncrAlg, MacAlg};
use std::fmt;
use zeroize::Zeroizing;

/// Encrypted key data and a MAC over the message, or over this payload alone, as the method says.
#[derive(Clone, PartialEq, Eq)]
pub struct Kemac {
    /// How Encr data is encrypted.
    pub encr_alg: EncrAlg,
    /// Key data sub-payloads, encrypted. With [`EncrAlg::Null`] they are in clear, hence never shown.
    pub encr_data: Zeroizing<Vec<u8>>,
    /// How it is authenticated.
    pub mac_alg: MacAlg,
    /// As long as `mac_alg` says.
    pub mac: Vec<u8>,
}

impl Kemac {
    /// Reads what stands after the number of this payload. An unknown MAC alg is [`super::Problem::Unknown`].
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let encr_alg = r.u8("Encr alg")?.into();
        let len = r.u16("Encr data len")?;
        let encr_data = Zeroizing::new(r.take(len.into(), "Encr data")?.to_vec());
        let mac_alg = MacAlg::from(r.u8("Mac alg")?);
        let len = mac_alg.octets().ok_or_else(|| r.unknown("Mac alg", mac_alg.into()))?;
        Ok(Self { encr_alg, encr_data, mac_alg, mac: r.take(len, "MAC")?.to_vec() })
    }

    /// Writes it whole.
    pub fn write(&self, w: &mut Writer) {
        self.write_without_mac(w);
        if self.mac_alg.octets() != Some(self.mac.len()) {
            w.fault("MAC", format!("has {} octets, which is not what {} makes", self.mac.len(), self.mac_alg));
        }
        w.bytes(&self.mac);
    }

    /// Writes it up to and including the MAC alg.
    pub(super) fn write_without_mac(&self, w: &mut Writer) {
        w.next_payload();
        w.u8(self.encr_alg.into());
        w.sized16(&self.encr_data, "Encr data");
        w.u8(self.mac_alg.into());
    }

    /// What the MAC covers in the public-key methods: this payload without the MAC, its Next payload set to zero
    /// (RFC 3830 section 6.2). May hold keys.
    pub fn covered_alone(&self) -> Result<Zeroizing<Vec<u8>>, WireError> {
        let mut w = Writer::new();
        w.enter("KEMAC", 0);
        self.write_without_mac(&mut w);
        w.finish()
    }
}

impl fmt::Debug for Kemac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encr_alg, encr_data, mac_alg, .. } = self;
        write!(f, "Kemac {{ {encr_alg}, {} octets, {mac_alg} }}", encr_data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_data_and_mac_are_kept_as_they_came() {
        let bytes = hex::decode(format!("0001 0003 aabbcc 01 {}", "07".repeat(20)).replace(' ', "")).unwrap();
        let kemac = Kemac::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!((kemac.encr_alg, &kemac.encr_data[..]), (EncrAlg::AesCm128, &[0xaa, 0xbb, 0xcc][..]));
        assert_eq!((kemac.mac_alg, &kemac.mac[..]), (MacAlg::HmacSha1_160, &[7; 20][..]));
        let mut w = Writer::new();
        kemac.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
        assert_eq!(kemac.covered_alone().unwrap()[..], bytes[..8]);
    }

    #[test]
    fn a_mac_of_unknown_length_ends_what_we_read() {
        let error = Kemac::read(&mut Reader::new(&[0, 1, 0, 0, 9, 1, 2])).unwrap_err();
        assert_eq!(error.problem, super::super::Problem::Unknown(9));
        assert_eq!(error.offset, 4);
    }

    #[test]
    fn a_mac_of_the_wrong_length_cannot_be_written() {
        let mac = vec![0; 32];
        let kemac = Kemac { encr_alg: EncrAlg::Null, encr_data: vec![].into(), mac_alg: MacAlg::HmacSha1_160, mac };
        let mut w = Writer::new();
        kemac.write(&mut w);
        assert!(w.finish().is_err());
    }

    #[test]
    fn debug_shows_no_key_data() {
        let encr_data = vec![222; 4].into();
        let kemac = Kemac { encr_alg: EncrAlg::Null, encr_data, mac_alg: MacAlg::Null, mac: vec![] };
        assert_eq!(format!("{kemac:?}"), "Kemac { NULL, 4 octets, NULL }");
    }
}
