//! HDR, the common header (RFC 3830 section 6.1).
//!
//! ```text
//!                      1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  version      !  data type    ! next payload  !V! PRF func    !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                         CSB ID                                !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! #CS           ! CS ID map type! CS ID map info                ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The map info of type SRTP-ID is, for each crypto session, Policy_no (8 bits), SSRC (32 bits) and ROC (32 bits)
//! (section 6.1.1); the "16 bits" of section 6.1 is an erratum.

use super::codec::{Reader, WireError, Writer};
use super::registry::{DataType, Prf};
use keyphone_media::rtp::Ssrc;

/// The only version there is (RFC 3830 section 6.1).
pub const VERSION: u8 = 1;

/// The common header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hdr {
    /// What this message is.
    pub data_type: DataType,
    /// A verification message is expected. Means nothing but in an I_MESSAGE of the PSK and public-key methods.
    pub v: bool,
    /// How keys are derived; 7 bits.
    pub prf: Prf,
    /// The crypto session bundle.
    pub csb_id: u32,
    /// Its crypto sessions.
    pub map: CsMap,
}

/// How crypto sessions are mapped to those of the security protocol: #CS, CS ID map type and CS ID map info.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CsMap {
    /// SRTP-ID (0): the crypto session of the first entry has CS ID 1 (RFC 3830 section 6.1.1). At most 255.
    Srtp(Vec<SrtpId>),
    /// Empty map (1): it is conveyed outside of MIKEY (RFC 4563 section 5).
    Empty {
        /// #CS.
        count: u8,
    },
    /// A map type that we cannot read: the message ends here for us.
    Unknown {
        /// CS ID map type.
        map_type: u8,
        /// #CS.
        count: u8,
    },
}

/// One SRTP stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SrtpId {
    /// The number of the SP payload that holds its policy.
    pub policy_no: u8,
    /// Its SSRC. `None`, on the wire 0: the sender of the stream is to choose, in its response.
    pub ssrc: Option<Ssrc>,
    /// Its rollover counter at this moment.
    pub roc: u32,
}

impl CsMap {
    /// #CS.
    pub fn count(&self) -> usize {
        match self {
            Self::Srtp(ids) => ids.len(),
            Self::Empty { count } | Self::Unknown { count, .. } => usize::from(*count),
        }
    }

    /// CS ID map type.
    pub fn map_type(&self) -> u8 {
        match self {
            Self::Srtp(_) => 0,
            Self::Empty { .. } => 1,
            Self::Unknown { map_type, .. } => *map_type,
        }
    }
}

impl Hdr {
    /// Reads up to and including the map info; `r.next()` then says what follows. An unknown map type is no error
    /// here: the header says so, and what follows it cannot be read.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.enter("HDR");
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(r.bad("version", format!("is {version}, and only version 1 is MIKEY (RFC 3830 section 6.1)")));
        }
        let data_type = r.u8("data type")?.into();
        r.next_payload()?;
        let v_prf = r.u8("PRF func")?;
        let csb_id = r.u32("CSB ID")?;
        let count = r.u8("#CS")?;
        let map = match r.u8("CS ID map type")? {
            0 => CsMap::Srtp((0..count).map(|_| SrtpId::read(r)).collect::<Result<_, _>>()?),
            1 => CsMap::Empty { count },
            map_type => CsMap::Unknown { map_type, count },
        };
        Ok(Self { data_type, v: v_prf & 0x80 != 0, prf: (v_prf & 0x7f).into(), csb_id, map })
    }

    /// Writes it, with a next payload still to come.
    pub fn write(&self, w: &mut Writer) {
        w.enter("HDR", 0);
        w.u8(VERSION);
        w.u8(self.data_type.into());
        w.next_payload();
        let prf = u8::from(self.prf);
        if prf > 0x7f {
            w.fault("PRF func", "does not fit 7 bits");
        }
        w.u8(u8::from(self.v) << 7 | prf & 0x7f);
        w.u32(self.csb_id);
        match u8::try_from(self.map.count()) {
            Ok(count) => w.u8(count),
            Err(_) => w.fault("#CS", "is more than 255"),
        }
        w.u8(self.map.map_type());
        match &self.map {
            CsMap::Srtp(ids) => ids.iter().for_each(|id| id.write(w)),
            CsMap::Empty { .. } => {}
            CsMap::Unknown { .. } => w.fault("CS ID map type", "is none that we can write"),
        }
    }
}

impl SrtpId {
    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let policy_no = r.u8("Policy_no")?;
        let ssrc = Some(r.u32("SSRC")?).filter(|&ssrc| ssrc != 0).map(Ssrc);
        Ok(Self { policy_no, ssrc, roc: r.u32("ROC")? })
    }

    fn write(&self, w: &mut Writer) {
        w.u8(self.policy_no);
        w.u32(self.ssrc.map_or(0, |Ssrc(ssrc)| ssrc));
        w.u32(self.roc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> (Vec<u8>, Hdr) {
        let stream = SrtpId { policy_no: 1, ssrc: Some(Ssrc(0x1234_5678)), roc: 0 };
        let other = SrtpId { policy_no: 2, ssrc: None, roc: 1 };
        let map = CsMap::Srtp(vec![stream, other]);
        let hdr = Hdr { data_type: DataType::PskInit, v: true, prf: Prf::Mikey1, csb_id: 0x1234_5678, map };
        (hex::decode("01000080123456780200011234567800000000020000000000000001").unwrap(), hdr)
    }

    #[test]
    fn the_header_is_the_figure() {
        let (bytes, hdr) = golden();
        assert_eq!(Hdr::read(&mut Reader::new(&bytes)).unwrap(), hdr);
        let mut w = Writer::new();
        hdr.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
    }

    #[test]
    fn an_empty_map_has_no_info_and_an_unknown_map_ends_what_we_read() {
        let empty = hex::decode("01000500000000070301").unwrap();
        assert_eq!(Hdr::read(&mut Reader::new(&empty)).unwrap().map, CsMap::Empty { count: 3 });
        let unknown = hex::decode("01000500000000070207").unwrap();
        let map = Hdr::read(&mut Reader::new(&unknown)).unwrap().map;
        assert_eq!(map, CsMap::Unknown { map_type: 7, count: 2 });
    }

    #[test]
    fn another_version_and_a_short_map_are_refused() {
        let error = Hdr::read(&mut Reader::new(&[0x30; 10])).unwrap_err();
        assert!(error.to_string().contains("HDR, version is 48"), "{error}");
        let (bytes, _) = golden();
        let error = Hdr::read(&mut Reader::new(&bytes[..27])).unwrap_err();
        assert_eq!(error.to_string(), "octet 24, HDR, ROC needs 4 octets where 3 are left");
    }
}
