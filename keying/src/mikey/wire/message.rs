//! A whole message: the header, a chain of payloads, and the octets they were read from.

use super::codec::{MAX_MESSAGE, Problem, Reader, WireError};
use super::hdr::{CsMap, Hdr};
use super::key_data::{self, KeyData};
use super::registry::{DataType, EncrAlg, MacAlg};
use super::{Body, Cert, Kemac, Payload, Sign, Sp, V};
use crate::mikey::tolerance::{Tolerance, Tolerances};
use std::fmt;
use std::ops::Range;
use zeroize::Zeroizing;

/// A message as it was received. Nothing in it is proven. MACs and signatures are computed over its octets, never over
/// what we would have written.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    hdr: Hdr,
    parts: Vec<Part>,
    bytes: Zeroizing<Vec<u8>>,
    tail: Option<Tail>,
    tolerated: Option<Tolerance>,
}

/// A payload and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it says.
    pub payload: Payload,
    /// Its octets in the message.
    pub range: Range<usize>,
}

/// What could not be read: from some octet on, to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Which value is unknown.
    pub why: WireError,
    /// Where the payload begins that has it, or is it.
    pub offset: usize,
}

impl Message {
    /// Reads a message. Every octet must belong to a payload and every payload that may come once must come once at
    /// most; `tolerances` may let zero octets pass behind the last payload.
    pub fn read(bytes: &[u8], tolerances: Tolerances) -> Result<Self, WireError> {
        match Self::read_as_far(bytes, tolerances)? {
            (message, None) => Ok(message),
            (_, Some(error)) => Err(error),
        }
    }

    /// The same for people: what stands before an error is kept, once there is a header.
    pub(crate) fn read_as_far(bytes: &[u8], tolerances: Tolerances) -> Result<(Self, Option<WireError>), WireError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(WireError::message(0, "length", format!("is {} octets, more than 65535", bytes.len())));
        }
        let mut r = Reader::new(bytes);
        let hdr = Hdr::read(&mut r)?;
        let bytes = Zeroizing::new(bytes.to_vec());
        let mut message = Self { hdr, parts: vec![], bytes, tail: None, tolerated: None };
        let error = message.read_parts(&mut r, tolerances).err();
        Ok((message, error))
    }

    fn read_parts(&mut self, r: &mut Reader<'_>, tolerances: Tolerances) -> Result<(), WireError> {
        if let CsMap::Unknown { map_type, .. } = self.hdr.map {
            self.tail = Some(Tail { why: r.unknown("CS ID map type", map_type), offset: r.offset() });
            return Ok(());
        }
        while r.next() != 0 {
            let (number, start) = (r.next(), r.offset());
            match Payload::read(number, r) {
                Ok(payload) => {
                    self.refuse_duplicate(&payload, start)?;
                    self.parts.push(Part { payload, range: start..r.offset() });
                }
                Err(why @ WireError { problem: Problem::Unknown(_), .. }) => {
                    self.tail = Some(Tail { why, offset: start });
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.tolerated = self.literal_4650(r, tolerances)?.or(trailing(r, tolerances)?);
        Ok(())
    }

    /// The numbers that RFC 4650 section 4.2 gives for KEMAC in DHHMAC: 2 for NULL encryption and 0 for HMAC-SHA-1, which
    /// in the registry mean AES-KW and no MAC (RFC 3830 section 6.2). So the MAC stands behind what seems to be the end.
    /// Where that is let pass, the payload is read as what it means; the octets stay what they are.
    fn literal_4650(&mut self, r: &mut Reader<'_>, tolerances: Tolerances) -> Result<Option<Tolerance>, WireError> {
        let dhhmac = matches!(self.hdr.data_type, DataType::DhHmacInit | DataType::DhHmacResp);
        let mac_len = MacAlg::HmacSha1_160.octets();
        let Some(Part { payload: Payload::Kemac(kemac), range }) = self.parts.last_mut() else { return Ok(None) };
        let literal =
            (kemac.encr_alg, kemac.mac_alg) == (EncrAlg::AesKw128, MacAlg::Null) && kemac.encr_data.is_empty();
        if !dhhmac || !literal || mac_len != Some(r.left()) {
            return Ok(None);
        }
        if !tolerances.allows(Tolerance::LiteralCodePoints) {
            let what = "and Mac alg have the literal code points of RFC 4650 section 4.2, 2 and 0, which mean AES-KW-128 \
                        and no MAC where all others have 0 and 1 (RFC 3830 section 6.2)";
            let problem = Problem::Is(what.into());
            return Err(WireError { offset: range.start + 1, payload: Kemac::NAME, field: "Encr alg", problem });
        }
        let mac = r.take(r.left(), "MAC")?.to_vec();
        range.end = r.offset();
        *kemac = Kemac { encr_alg: EncrAlg::Null, mac_alg: MacAlg::HmacSha1_160, mac, ..kemac.clone() };
        Ok(Some(Tolerance::LiteralCodePoints))
    }

    fn refuse_duplicate(&self, payload: &Payload, offset: usize) -> Result<(), WireError> {
        if !payload.many() && self.parts.iter().any(|part| part.payload.number() == payload.number()) {
            return Err(WireError::message(offset, payload.name(), "comes twice and may come only once"));
        }
        Ok(())
    }

    /// The header.
    pub fn hdr(&self) -> &Hdr {
        &self.hdr
    }

    /// The payloads in their order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The octets as received. With a KEMAC without encryption they hold keys.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Puts what was found in the place of CERT payloads. Each is read as what it stands for; the octets stay what they are.
    pub(crate) fn resolve(&mut self, find: impl Fn(&Cert) -> Option<Cert>) {
        for part in &mut self.parts {
            if let Payload::Cert(cert) = &mut part.payload
                && let Some(found) = find(cert)
            {
                *cert = found;
            }
        }
    }

    /// What could not be read.
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// The deviation that let it be read.
    pub fn tolerated(&self) -> Option<Tolerance> {
        self.tolerated
    }

    /// May it be used for keying? An error says what we could not read in it.
    pub fn complete(&self) -> Result<(), WireError> {
        self.tail.as_ref().map_or(Ok(()), |tail| Err(tail.why.clone()))
    }

    /// The one payload of this kind. It is an error if there is none or there are more.
    pub fn one<B: Body>(&self) -> Result<&B, WireError> {
        self.maybe()?.ok_or_else(|| WireError::message(self.bytes.len(), B::NAME, "is missing"))
    }

    /// The payload of this kind, if there is one. It is an error if there are more.
    pub fn maybe<B: Body>(&self) -> Result<Option<&B>, WireError> {
        let mut found = self.parts.iter().filter_map(|part| Some((B::of(&part.payload)?, part.range.start)));
        let first = found.next();
        match found.next() {
            Some((_, offset)) => Err(WireError::message(offset, B::NAME, "comes twice and may come only once here")),
            None => Ok(first.map(|(body, _)| body)),
        }
    }

    /// The payloads of this kind, in their order.
    pub fn many<B: Body>(&self) -> impl Iterator<Item = &B> {
        self.parts.iter().filter_map(|part| B::of(&part.payload))
    }

    /// The security policy that the CS ID map refers to by this number. It is an error if there is none, or two.
    pub fn policy(&self, policy_no: u8) -> Result<&Sp, WireError> {
        let mut found = self.many::<Sp>().filter(|sp| sp.policy_no == policy_no);
        match (found.next(), found.next()) {
            (Some(sp), None) => Ok(sp),
            (Some(_), Some(_)) => {
                let what = format!("has policy no {policy_no} twice (RFC 3830 section 6.10)");
                Err(WireError::message(self.bytes.len(), Sp::NAME, what))
            }
            (None, _) => {
                let what = format!("with policy no {policy_no} is missing (RFC 3830 section 6.1.1)");
                Err(WireError::message(self.bytes.len(), Sp::NAME, what))
            }
        }
    }

    /// What the MAC of a last KEMAC covers in the PSK and DHHMAC methods: all but that MAC (RFC 3830 section 5.2).
    /// It is an error if no KEMAC is the last payload.
    pub fn before_mac(&self) -> Result<&[u8], WireError> {
        self.all_but_last::<Kemac>(|kemac| kemac.mac.len())
    }

    /// What the message contributes to V, and before it to the MAC of an error message: all but Ver data. It is an
    /// error if no V is the last payload.
    pub fn before_ver_data(&self) -> Result<&[u8], WireError> {
        self.all_but_last::<V>(|v| v.ver_data.len())
    }

    /// What the message contributes to its signature: all but the signature. It is an error if it has none.
    pub fn before_signature(&self) -> Result<&[u8], WireError> {
        self.all_but_last::<Sign>(|sign| sign.signature.len())
    }

    fn all_but_last<B: Body>(&self, len: impl Fn(&B) -> usize) -> Result<&[u8], WireError> {
        self.complete()?;
        let part = self.parts.last().and_then(|part| Some((B::of(&part.payload)?, part.range.end)));
        let (body, end) =
            part.ok_or_else(|| WireError::message(self.bytes.len(), B::NAME, "is not the last payload"))?;
        Ok(&self.bytes[..end - len(body)])
    }

    /// The keys of a KEMAC without encryption, read where they stand. `None` if there is no KEMAC, or it is encrypted.
    pub fn clear_keys(&self) -> Result<Option<Vec<KeyData>>, WireError> {
        let kemac = self.parts.iter().find_map(|part| Some((Kemac::of(&part.payload)?, part.range.start)));
        let Some((kemac, start)) = kemac.filter(|(kemac, _)| kemac.encr_alg == EncrAlg::Null) else {
            return Ok(None);
        };
        let mut r = Reader::at(&kemac.encr_data, start + ENCR_DATA_OFFSET);
        key_data::read_clear(&mut r).map(Some)
    }
}

/// Next payload, Encr alg and Encr data len stand before Encr data.
pub(super) const ENCR_DATA_OFFSET: usize = 4;

fn trailing(r: &mut Reader<'_>, tolerances: Tolerances) -> Result<Option<Tolerance>, WireError> {
    let (offset, left) = (r.offset(), r.left());
    if left == 0 {
        return Ok(None);
    }
    let rest = r.take(left, "trailing octets")?;
    if tolerances.allows(Tolerance::TrailingPadding) && rest.iter().all(|&octet| octet == 0) {
        return Ok(Some(Tolerance::TrailingPadding));
    }
    let octets = if left == 1 { "octet" } else { "octets" };
    Err(WireError::message(offset, "length", format!("leaves {left} trailing {octets} behind the last payload")))
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("hdr", &self.hdr)
            .field("parts", &self.parts)
            .field("octets", &self.bytes.len())
            .field("tail", &self.tail)
            .field("tolerated", &self.tolerated)
            .finish()
    }
}
