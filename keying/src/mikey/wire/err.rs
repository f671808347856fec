//! ERR, the error payload (RFC 3830 section 6.12).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Next Payload ! Error no      !           Reserved            !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use std::fmt;

macro_rules! errors {
    ($($value:literal => $variant:ident $name:literal $text:literal,)*) => {
        /// What the peer could not do (RFC 3830 table 6.12, RFC 4738 section 3.9.2). It is the whole payload.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorNo {
            $(#[doc = $text] $variant,)*
            /// A number that is not in the table.
            Unknown(u8),
        }

        impl ErrorNo {
            /// All that we know, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the table.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(_) => "unknown",
                }
            }

            /// Where it is defined.
            pub fn section(self) -> &'static str {
                if self == Self::UnsupportedMessage { "RFC 4738 section 3.9.2" } else { "RFC 3830 section 6.12" }
            }

            /// What it says.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Unknown(_) => "an error that we do not know",
                }
            }
        }

        impl From<u8> for ErrorNo {
            fn from(value: u8) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }
        }

        impl From<ErrorNo> for u8 {
            fn from(value: ErrorNo) -> Self {
                match value {
                    $(ErrorNo::$variant => $value,)*
                    ErrorNo::Unknown(other) => other,
                }
            }
        }
    };
}

errors! {
    0 => AuthFailure "Auth failure" "authentication failure",
    1 => InvalidTs "Invalid TS" "invalid timestamp",
    2 => InvalidPrf "Invalid PRF" "PRF function not supported",
    3 => InvalidMac "Invalid MAC" "MAC algorithm not supported",
    4 => InvalidEa "Invalid EA" "encryption algorithm not supported",
    5 => InvalidHa "Invalid HA" "hash function not supported",
    6 => InvalidDh "Invalid DH" "DH group not supported",
    7 => InvalidId "Invalid ID" "ID not supported",
    8 => InvalidCert "Invalid Cert" "certificate not supported",
    9 => InvalidSp "Invalid SP" "SP type not supported",
    10 => InvalidSpPar "Invalid SPpar" "SP parameters not supported",
    11 => InvalidDt "Invalid DT" "data type not supported",
    12 => Unspecified "Unspecified error" "an unspecified error occurred",
    13 => UnsupportedMessage "Unsupported message type" "unparseable MIKEY message",
}

impl ErrorNo {
    /// Reads what stands after the number of this payload. Reserved may be anything.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let no = r.u8("Error no")?.into();
        r.u16("Reserved")?;
        Ok(no)
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.u8((*self).into());
        w.u16(0);
    }
}

impl fmt::Display for ErrorNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), u8::from(*self), self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_speaks() {
        let bytes = [0, 4, 0, 0];
        let no = ErrorNo::read(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(no.to_string(), "Invalid EA (4): encryption algorithm not supported");
        let mut w = Writer::new();
        no.write(&mut w);
        assert_eq!(w.finish().unwrap()[..], bytes);
        assert_eq!(ErrorNo::read(&mut Reader::new(&[0, 99, 1, 2])), Ok(ErrorNo::Unknown(99)));
    }
}
