//! The octets of MIKEY: every payload of RFC 3830 section 6, one file each, in this one table.
//!
//! A [`Message`] is what was received, read and not yet proven; [`Draft`] makes one. Payloads have no common length
//! field, so a payload, DH group, timestamp, MAC, hash or map type that we do not know ends what can be read: the
//! rest is kept as a [`Tail`], and [`Message::complete`] refuses.

mod cert;
mod chash;
mod codec;
mod dh;
mod draft;
mod err;
mod ext;
mod hdr;
mod id;
mod kemac;
pub mod key_data;
mod message;
mod pke;
mod rand;
pub mod registry;
mod sign;
mod sp;
mod t;
mod text;
mod v;

pub use cert::Cert;
pub use chash::Chash;
pub use codec::{MAX_MESSAGE, Problem, Reader, WireError, Writer};
pub use dh::Dh;
pub use draft::{Draft, Unsealed};
pub use err::ErrorNo;
pub use ext::{Ext, KeyId};
pub use hdr::{CsMap, Hdr, SrtpId, VERSION};
pub use id::Id;
pub use kemac::Kemac;
pub use key_data::{KeyData, KeyKind, Kv, Secret};
pub use message::{Message, Part, Tail};
pub use pke::Pke;
pub use rand::Rand;
pub use registry::*;
pub use sign::Sign;
pub use sp::{AuthLengths, Param, Sp};
pub use t::T;
pub use text::{from_base64, key_mgmt};
pub use v::V;

/// One kind of payload: its number, its name, and its place among the [`Payload`]s.
pub trait Body: Sized + 'static {
    /// What the field Next payload says before it.
    const NUMBER: u8;
    /// Its name in the RFC.
    const NAME: &'static str;
    /// A message may have several.
    const MANY: bool;
    /// Its section of RFC 3830.
    const SECTION: &'static str;

    /// This kind, if the payload is of it.
    fn of(payload: &Payload) -> Option<&Self>;
}

macro_rules! payloads {
    ($($number:literal => $variant:ident($body:ty) $name:literal, $times:ident, $section:literal;)*
     inside KEMAC: $inner:literal => $inner_body:ty, $inner_name:literal, $inner_section:literal;) => {
        /// What may stand after the header.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Payload {
            $(#[doc = concat!($name, ", RFC 3830 section ", $section)] $variant($body),)*
        }

        impl Payload {
            /// What the field Next payload says before it.
            pub fn number(&self) -> u8 {
                match self { $(Self::$variant(_) => $number,)* }
            }

            /// Its name in the RFC.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Its section of RFC 3830.
            pub fn section(&self) -> &'static str {
                match self { $(Self::$variant(_) => $section,)* }
            }

            fn many(&self) -> bool {
                match self { $(Self::$variant(_) => <$body>::MANY,)* }
            }

            /// Reads the payload of that number. An unknown number is [`Problem::Unknown`].
            fn read(number: u8, r: &mut Reader<'_>) -> Result<Self, WireError> {
                match number {
                    $($number => {
                        r.enter($name);
                        <$body>::read(r).map(Self::$variant)
                    })*
                    $inner => {
                        r.enter($inner_name);
                        Err(r.bad("Next payload", "announces it outside KEMAC, where a key would be in clear (RFC 3830 section 6.13)"))
                    }
                    other => Err(r.unknown("Next payload", other)),
                }
            }

            fn write(&self, w: &mut Writer) {
                w.enter(self.name(), self.number());
                match self { $(Self::$variant(body) => body.write(w),)* }
            }
        }

        $(
            impl Body for $body {
                const NUMBER: u8 = $number;
                const NAME: &'static str = $name;
                const MANY: bool = payloads!($times);
                const SECTION: &'static str = $section;

                fn of(payload: &Payload) -> Option<&Self> {
                    match payload { Payload::$variant(body) => Some(body), _ => None }
                }
            }

            impl From<$body> for Payload {
                fn from(body: $body) -> Self { Self::$variant(body) }
            }
        )*

        impl Body for $inner_body {
            const NUMBER: u8 = $inner;
            const NAME: &'static str = $inner_name;
            const MANY: bool = true;
            const SECTION: &'static str = $inner_section;

            /// Never: it stands inside KEMAC alone.
            fn of(_: &Payload) -> Option<&Self> { None }
        }

        /// The name of the payload with that number (RFC 3830 table 6.1.b).
        pub fn payload_name(number: u8) -> &'static str {
            match number {
                0 => "Last payload",
                $($number => $name,)*
                $inner => $inner_name,
                _ => "unknown payload",
            }
        }
    };
    (once) => { false };
    (many) => { true };
}

payloads! {
    1 => Kemac(Kemac) "KEMAC", once, "6.2";
    2 => Pke(Pke) "PKE", once, "6.3";
    3 => Dh(Dh) "DH", many, "6.4";
    4 => Sign(Sign) "SIGN", once, "6.5";
    5 => T(T) "T", once, "6.6";
    6 => Id(Id) "ID", many, "6.7";
    7 => Cert(Cert) "CERT", many, "6.7";
    8 => Chash(Chash) "CHASH", once, "6.8";
    9 => V(V) "V", once, "6.9";
    10 => Sp(Sp) "SP", many, "6.10";
    11 => Rand(Rand) "RAND", once, "6.11";
    12 => Err(ErrorNo) "ERR", many, "6.12";
    21 => Ext(Ext) "General Ext.", many, "6.15";
    inside KEMAC: 20 => KeyData, "Key data", "6.13";
}
