//! General Ext., the general extension payload (RFC 3830 section 6.15).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next payload  ! Type          ! Length                        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Data                                                          ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::{BcastType, KeyIdType};

/// An extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ext {
    /// Vendor ID (0): octets of a vendor's own.
    VendorId(Vec<u8>),
    /// SDP IDs (1): the key management protocols that the SDP offers, against bidding down (RFC 4567 section 4.1.4).
    SdpIds(Vec<u8>),
    /// Key ID (3): which keys are meant (RFC 4563 section 4).
    KeyIds(Vec<KeyId>),
    /// CSB_ID (4): the group's CSB ID, chosen by the Responder (RFC 4738 section 3.6).
    CsbId(u32),
    /// OMA BCAST (5): a message of the Smartcard Profile (RFC 5410 section 3).
    OmaBcast {
        /// What it is.
        subtype: BcastType,
        /// Subtype Specific Data, which OMA defines.
        data: Vec<u8>,
    },
    /// An extension that we do not know, with its data.
    Unknown {
        /// Type.
        ext_type: u8,
        /// Data.
        data: Vec<u8>,
    },
}

/// Which key is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId {
    /// What is named.
    pub id_type: KeyIdType,
    /// Its name, at most 255 octets.
    pub id: Vec<u8>,
}

impl Ext {
    /// Type (RFC 3830 table 6.15, revised in RFC 4738 section 3.9.3).
    pub fn number(&self) -> u8 {
        match self {
            Self::VendorId(_) => 0,
            Self::SdpIds(_) => 1,
            Self::KeyIds(_) => 3,
            Self::CsbId(_) => 4,
            Self::OmaBcast { .. } => 5,
            Self::Unknown { ext_type, .. } => *ext_type,
        }
    }

    /// Its name, also of those whose data we do not read.
    pub fn name(&self) -> &'static str {
        match self.number() {
            0 => "Vendor ID",
            1 => "SDP IDs",
            2 => "TESLA I-Key",
            3 => "Key ID",
            4 => "CSB_ID",
            5 => "OMA BCAST Data",
            _ => "unknown",
        }
    }

    /// Reads what stands after the number of this payload.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let ext_type = r.u8("Type")?;
        let len = r.u16("Length")?;
        let mut data = r.within(len.into(), "Data")?;
        let all = |mut data: Reader<'_>| data.take(data.left(), "Data").map(<[u8]>::to_vec);
        Ok(match ext_type {
            0 => Self::VendorId(all(data)?),
            1 => Self::SdpIds(all(data)?),
            3 => {
                let mut ids = Vec::new();
                while data.left() > 0 {
                    let id_type = data.u8("Key ID Type")?.into();
                    let len = data.u8("Key ID Length")?;
                    ids.push(KeyId { id_type, id: data.take(len.into(), "Key ID")?.to_vec() });
                }
                Self::KeyIds(ids)
            }
            4 if len == 4 => Self::CsbId(data.u32("CSB_ID")?),
            4 => return Err(data.bad("Length", format!("is {len} where a CSB_ID has 4 octets"))),
            5 => Self::OmaBcast { subtype: data.u8("Subtype")?.into(), data: all(data)? },
            ext_type => Self::Unknown { ext_type, data: all(data)? },
        })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.u8(self.number());
        match self {
            Self::VendorId(data) | Self::SdpIds(data) | Self::Unknown { data, .. } => w.sized16(data, "Data"),
            Self::CsbId(csb_id) => w.sized16(&csb_id.to_be_bytes(), "Data"),
            Self::OmaBcast { subtype, data } => w.sized16(&[&[u8::from(*subtype)], &data[..]].concat(), "Data"),
            Self::KeyIds(ids) => {
                let mut data = Vec::new();
                for KeyId { id_type, id } in ids {
                    match u8::try_from(id.len()) {
                        Ok(len) => data.extend([u8::from(*id_type), len]),
                        Err(_) => w.fault("Key ID", "is longer than 255 octets"),
                    }
                    data.extend(id);
                }
                w.sized16(&data, "Data");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_where_we_know_them_and_kept_where_not() {
        let key_id = KeyId { id_type: KeyIdType::MbmsServiceKey, id: vec![7, 8] };
        for (hex, ext) in [
            ("00000002aabb", Ext::VendorId(vec![0xaa, 0xbb])),
            ("000100056d696b6579", Ext::SdpIds(b"mikey".to_vec())),
            ("0003000401020708", Ext::KeyIds(vec![key_id])),
            ("000400046b735943", Ext::CsbId(0x6b73_5943)),
            ("00050003020708", Ext::OmaBcast { subtype: BcastType::Stkm, data: vec![7, 8] }),
            ("0002000101", Ext::Unknown { ext_type: 2, data: vec![1] }),
        ] {
            let bytes = hex::decode(hex).unwrap();
            assert_eq!(Ext::read(&mut Reader::new(&bytes)).as_ref(), Ok(&ext));
            let mut w = Writer::new();
            ext.write(&mut w);
            assert_eq!(w.finish().unwrap()[..], bytes);
        }
    }

    #[test]
    fn an_extension_that_breaks_its_own_form_is_refused() {
        for hex in ["0004000300 0000", "00030003010207", "0000000301", "00050000"] {
            assert!(Ext::read(&mut Reader::new(&hex::decode(hex.replace(' ', "")).unwrap())).is_err(), "{hex}");
        }
    }
}
