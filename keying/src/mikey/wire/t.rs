//! T, the timestamp payload (RFC 3830 section 6.6).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   TS type     ! TS value                      ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};

/// A timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum T {
    /// NTP-UTC (0): seconds since 1900 in the upper half, 2^-32 seconds in the lower.
    NtpUtc(u64),
    /// NTP (1): the same, of a clock that need not know the time zone.
    Ntp(u64),
    /// COUNTER (2).
    Counter(u32),
}

impl T {
    /// TS type (RFC 3830 table 6.6).
    pub fn number(self) -> u8 {
        match self {
            Self::NtpUtc(_) => 0,
            Self::Ntp(_) => 1,
            Self::Counter(_) => 2,
        }
    }

    /// The 64 bits that a timestamp is in the IV and in V; a COUNTER has leading zeros (RFC 3830 section 6.6, note).
    pub fn octets(self) -> [u8; 8] {
        match self {
            Self::NtpUtc(value) | Self::Ntp(value) => value.to_be_bytes(),
            Self::Counter(value) => u64::from(value).to_be_bytes(),
        }
    }

    /// Reads what stands after the number of this payload. An unknown TS type is [`super::Problem::Unknown`].
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        match r.u8("TS type")? {
            0 => Ok(Self::NtpUtc(r.u64("TS value")?)),
            1 => Ok(Self::Ntp(r.u64("TS value")?)),
            2 => Ok(Self::Counter(r.u32("TS value")?)),
            other => Err(r.unknown("TS type", other)),
        }
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.u8(self.number());
        match *self {
            Self::NtpUtc(value) | Self::Ntp(value) => w.u64(value),
            Self::Counter(value) => w.u32(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_half_as_long_and_counts_as_much() {
        for (hex, t) in [
            ("0000e8fe6f801f9acffa", T::NtpUtc(0xe8fe_6f80_1f9a_cffa)),
            ("0001e8fe6f801f9acffa", T::Ntp(0xe8fe_6f80_1f9a_cffa)),
            ("000200000007", T::Counter(7)),
        ] {
            let bytes = hex::decode(hex).unwrap();
            assert_eq!(T::read(&mut Reader::new(&bytes)), Ok(t));
            let mut w = Writer::new();
            t.write(&mut w);
            assert_eq!(w.finish().unwrap()[..], bytes);
        }
        assert_eq!(T::Counter(7).octets(), [0, 0, 0, 0, 0, 0, 0, 7]);
    }

    #[test]
    fn an_unknown_type_ends_what_we_read() {
        let error = T::read(&mut Reader::new(&[0, 3, 1, 2, 3, 4])).unwrap_err();
        assert_eq!(error.problem, super::super::Problem::Unknown(3));
    }
}
