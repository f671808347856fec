//! Key data, the sub-payload inside KEMAC (RFC 3830 sections 6.13 and 6.14).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Next Payload ! Type  ! KV    ! Key data len                  !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                         Key data                              ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Salt len (optional)           ! Salt data (optional)          ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                        KV data (optional)                     ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! KV data is `SPI Length (8), SPI` or `VF Length (8), Valid From, VT Length (8), Valid To`.

use super::codec::{Problem, Reader, WireError, Writer};
use super::{Body, Id};
use std::fmt;
use zeroize::Zeroizing;

/// One key, with how long it is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyData {
    /// What the key is.
    pub kind: KeyKind,
    /// The TGK or TEK.
    pub key: Secret,
    /// The salt, in the types TGK+SALT and TEK+SALT; for SRTP the master salt.
    pub salt: Option<Secret>,
    /// When the key is used.
    pub kv: Kv,
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A TEK generation key.
    Tgk,
    /// A traffic encrypting key.
    Tek,
}

/// Secret octets: wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Key validity (RFC 3830 section 6.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kv {
    /// No usage rule.
    Null,
    /// The SPI, for SRTP the MKI: at most 255 octets.
    Spi(Vec<u8>),
    /// From one index to another, for SRTP 6 octets each.
    Interval {
        /// Valid From, at most 255 octets.
        from: Vec<u8>,
        /// Valid To, at most 255 octets.
        to: Vec<u8>,
    },
}

impl Secret {
    /// Takes the octets over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The octets, for deriving keys and for the workbench when it is told to show them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} octets)", self.len())
    }
}

impl KeyData {
    /// The 4-bit Type (RFC 3830 table 6.13.a).
    pub fn type_number(&self) -> u8 {
        (self.kind == KeyKind::Tek) as u8 * 2 + self.salt.is_some() as u8
    }

    /// `TGK`, `TGK+SALT`, `TEK` or `TEK+SALT`.
    pub fn type_name(&self) -> &'static str {
        ["TGK", "TGK+SALT", "TEK", "TEK+SALT"][usize::from(self.type_number())]
    }

    /// Reads what stands after the number of this payload. An unknown Type or KV is [`super::Problem::Unknown`].
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let type_kv = r.u8("Type and KV")?;
        let (kind, salted) = match type_kv >> 4 {
            0 => (KeyKind::Tgk, false),
            1 => (KeyKind::Tgk, true),
            2 => (KeyKind::Tek, false),
            3 => (KeyKind::Tek, true),
            other => return Err(r.unknown("Type", other)),
        };
        let kv = type_kv & 0x0f;
        if kv > Kv::LAST {
            return Err(r.unknown("KV", kv));
        }
        let mut secret = |len_field, field| -> Result<Secret, WireError> {
            let len = r.u16(len_field)?;
            Ok(Secret::new(r.take(len.into(), field)?.to_vec()))
        };
        let key = secret("Key data len", "Key data")?;
        let salt = if salted { Some(secret("Salt len", "Salt data")?) } else { None };
        Ok(Self { kind, key, salt, kv: Kv::read(kv, r)? })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.nibbles(self.type_number(), self.kv.number(), "Type and KV");
        w.sized16(self.key.bytes(), "Key data");
        if let Some(salt) = &self.salt {
            w.sized16(salt.bytes(), "Salt data");
        }
        self.kv.write(w);
    }
}

/// The Encr data of a KEMAC in the pre-shared key methods: any number of Key data, none in an update of the CSB
/// (RFC 3830 section 6.2).
pub fn read_keys(plain: &[u8]) -> Result<Vec<KeyData>, WireError> {
    read_clear(&mut Reader::new(plain))
}

/// The same in the public-key methods, where an ID opens it (RFC 3830 section 6.2, RFC 4738 section 3.6).
pub fn read_id_and_keys(plain: &[u8]) -> Result<(Id, Vec<KeyData>), WireError> {
    let mut r = Reader::new(plain);
    r.enter(Id::NAME);
    let id = Id::read(&mut r)?;
    let next = r.next();
    Ok((id, read_chain(&mut r, next)?))
}

/// The same, of a KEMAC without encryption, where it stands in the message.
pub(super) fn read_clear(r: &mut Reader<'_>) -> Result<Vec<KeyData>, WireError> {
    let first = if r.left() == 0 { 0 } else { KeyData::NUMBER };
    read_chain(r, first)
}

fn read_chain(r: &mut Reader<'_>, first: u8) -> Result<Vec<KeyData>, WireError> {
    let mut keys = Vec::new();
    let mut next = first;
    while next != 0 {
        if next != KeyData::NUMBER {
            let what = format!("is {next} where only Key data (20) or Last payload (0) may be");
            return Err(r.bad_next(Problem::Is(what.into())));
        }
        r.enter(KeyData::NAME);
        keys.push(KeyData::read(r)?);
        next = r.next();
    }
    match r.left() {
        0 => Ok(keys),
        n => Err(r.bad("Encr data", format!("goes on for {n} octets after the last payload"))),
    }
}

/// The Encr data of a KEMAC, to be encrypted.
pub fn write_keys(id: Option<&Id>, keys: &[KeyData]) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let mut w = Writer::new();
    if let Some(id) = id {
        w.enter(Id::NAME, Id::NUMBER);
        id.write(&mut w);
    }
    for key in keys {
        w.enter(KeyData::NAME, KeyData::NUMBER);
        key.write(&mut w);
    }
    w.finish()
}

impl Kv {
    /// The last number in the table.
    const LAST: u8 = 2;

    /// The 4-bit KV (RFC 3830 table 6.13.b).
    pub fn number(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Spi(_) => 1,
            Self::Interval { .. } => 2,
        }
    }

    /// Octets of its data.
    pub fn octets(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Spi(spi) => 1 + spi.len(),
            Self::Interval { from, to } => 2 + from.len() + to.len(),
        }
    }

    pub(super) fn read(kv: u8, r: &mut Reader<'_>) -> Result<Self, WireError> {
        if kv > Self::LAST {
            return Err(r.unknown("KV", kv));
        }
        let mut sized = |len_field, field| -> Result<Vec<u8>, WireError> {
            let len = r.u8(len_field)?;
            Ok(r.take(len.into(), field)?.to_vec())
        };
        match kv {
            0 => Ok(Self::Null),
            1 => Ok(Self::Spi(sized("SPI Length", "SPI")?)),
            _ => Ok(Self::Interval { from: sized("VF Length", "Valid From")?, to: sized("VT Length", "Valid To")? }),
        }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        match self {
            Self::Null => {}
            Self::Spi(spi) => w.sized8(spi, "SPI"),
            Self::Interval { from, to } => {
                w.sized8(from, "Valid From");
                w.sized8(to, "Valid To");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_sends_a_tek_with_its_mki() {
        // The Encr data of the example in the ONVIF Streaming Specification.
        let hex = "0021001edf40b9f54ac2944d1edbb50fe61fd6b72f542fcf9d7f383edadb669a8de4040000002f";
        let bytes = hex::decode(hex).unwrap();
        let keys = read_keys(&bytes).unwrap();
        assert_eq!((keys.len(), keys[0].type_name(), keys[0].key.len()), (1, "TEK", 30));
        assert_eq!(keys[0].kv, Kv::Spi(vec![0, 0, 0, 0x2f]));
        assert_eq!(write_keys(None, &keys).unwrap()[..], bytes);
        assert!(format!("{keys:?}").contains("Secret(30 octets)"));
    }

    #[test]
    fn salt_and_interval_stand_behind_the_key() {
        let bytes = hex::decode("00320002aabb0001cc0201020203 04".replace(' ', "")).unwrap();
        let keys = read_keys(&bytes).unwrap();
        assert_eq!(keys[0].salt, Some(Secret::new(vec![0xcc])));
        assert_eq!(keys[0].kv, Kv::Interval { from: vec![1, 2], to: vec![3, 4] });
        assert_eq!(write_keys(None, &keys).unwrap()[..], bytes);
    }

    #[test]
    fn an_identity_opens_the_key_data_of_the_public_key_methods() {
        let bytes = hex::decode("14000001610000000107").unwrap();
        let (id, keys) = read_id_and_keys(&bytes).unwrap();
        assert_eq!((id.data.as_slice(), keys.len()), (&b"a"[..], 1));
        assert_eq!(write_keys(Some(&id), &keys).unwrap()[..], bytes);
        assert!(read_id_and_keys(&bytes[..5]).is_err(), "Key data is announced and missing");
        let (_, none) = read_id_and_keys(&bytes[..5].iter().map(|b| b & !0x14).collect::<Vec<_>>()).unwrap();
        assert!(none.is_empty(), "an update may carry an ID and no key");
    }

    #[test]
    fn nothing_but_key_data_may_stand_there() {
        assert_eq!(read_keys(&[]).unwrap(), []);
        for hex in ["0000000107ff", "0100000107", "000000", "00000002aa", "0040000107", "00030000"] {
            assert!(read_keys(&hex::decode(hex).unwrap()).is_err(), "{hex}");
        }
    }
}
