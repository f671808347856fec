//! SP, the security policy payload (RFC 3830 section 6.10).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next payload  ! Policy no     ! Prot type     ! Policy param  ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~ length (cont) ! Policy param                                  ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! Policy param:
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Type          ! Length        ! Value                         ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::codec::{Reader, WireError, Writer};
use super::registry::{ProtType, SrtpAuth, SrtpEncr, SrtpParam, SrtpPrf};
use crate::Error;
use crate::mikey::tolerance::{Tolerance, Tolerances};
use std::sync::Arc;

/// A policy for one security protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sp {
    /// By which the CS ID map refers to it.
    pub policy_no: u8,
    /// The security protocol.
    pub prot_type: ProtType,
    /// What is not among them has the protocol's default.
    pub params: Vec<Param>,
}

/// One parameter of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its Type. For another protocol than SRTP only the number means anything.
    pub param: SrtpParam,
    /// At most 255 octets; shared, for policies are copied often.
    pub value: Arc<[u8]>,
}

/// The two lengths of SRTP authentication, in octets. `None` is the default of SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthLengths {
    /// Session auth key length.
    pub key: Option<u64>,
    /// Authentication tag length.
    pub tag: Option<u64>,
    /// The deviation by which they were understood.
    pub tolerated: Option<Tolerance>,
}

impl Sp {
    /// Reads what stands after the number of this payload.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        r.next_payload()?;
        let policy_no = r.u8("Policy no")?;
        let prot_type = r.u8("Prot type")?.into();
        let len = r.u16("Policy param length")?;
        let mut r = r.within(len.into(), "Policy param")?;
        let mut params = Vec::new();
        while r.left() > 0 {
            let param = r.u8("Type")?.into();
            let len = r.u8("Length")?;
            params.push(Param { param, value: r.take(len.into(), "Value")?.into() });
        }
        Ok(Self { policy_no, prot_type, params })
    }

    /// Writes it.
    pub fn write(&self, w: &mut Writer) {
        w.next_payload();
        w.u8(self.policy_no);
        w.u8(self.prot_type.into());
        let len: usize = self.params.iter().map(|p| 2 + p.value.len()).sum();
        match u16::try_from(len) {
            Ok(len) => w.u16(len),
            Err(_) => w.fault("Policy param", "is longer than 65535 octets"),
        }
        for Param { param, value } in &self.params {
            w.u8((*param).into());
            w.sized8(value, "Value");
        }
    }

    /// The value of a parameter of an SRTP policy; `None` if it is not there. A peer that gives it twice, or in more
    /// octets than any meaning has, misbehaves.
    pub fn value(&self, param: SrtpParam) -> Result<Option<u64>, Error> {
        let mut found = self.params.iter().filter(|p| p.param == param);
        let Some(first) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(Error::misbehaved(
                format!("security policy {} has {param} twice", self.policy_no),
                "RFC 3830 section 6.10",
            ));
        }
        first.number().map(Some).ok_or_else(|| {
            let what = format!("security policy {} has no number for {param}", self.policy_no);
            Error::misbehaved(what, "RFC 3830 section 6.10.1")
        })
    }

    /// The lengths of the auth key and the tag. HMAC-SHA-1 has a session auth key of 160 bits (RFC 3711 section 5.2);
    /// another length is refused, unless it can be understood by [`Tolerance::TagLengthAsKeyLength`].
    pub fn auth_lengths(&self, tolerances: Tolerances) -> Result<AuthLengths, Error> {
        let (key, tag) = (self.value(SrtpParam::AuthKeyLen)?, self.value(SrtpParam::TagLen)?);
        let hmac_sha1 = matches!(self.value(SrtpParam::AuthAlg)?, None | Some(1));
        match key {
            Some(len @ (4 | 10))
                if hmac_sha1 && tag.is_none() && tolerances.allows(Tolerance::TagLengthAsKeyLength) =>
            {
                let tolerated = Some(Tolerance::TagLengthAsKeyLength);
                Ok(AuthLengths { key: None, tag: Some(len), tolerated })
            }
            Some(len) if hmac_sha1 && len != 20 => Err(Error::misbehaved(
                format!(
                    "security policy {} has a session auth key of {len} octets for HMAC-SHA-1, not 20",
                    self.policy_no
                ),
                "RFC 3711 section 5.2",
            )),
            _ => Ok(AuthLengths { key, tag, tolerated: None }),
        }
    }
}

impl Param {
    /// A parameter of one octet.
    pub fn new(param: SrtpParam, value: u8) -> Self {
        Self { param, value: [value].into() }
    }

    /// The value as a number, `None` if it is empty or has more than 8 octets.
    pub fn number(&self) -> Option<u64> {
        let fits = (1..=8).contains(&self.value.len());
        fits.then(|| self.value.iter().fold(0, |number, &octet| number << 8 | u64::from(octet)))
    }

    /// A parameter of as many octets as the number needs.
    pub fn of_number(param: SrtpParam, number: u64) -> Self {
        let octets = number.to_be_bytes();
        let zeros = octets.iter().take_while(|octet| **octet == 0).count().min(octets.len() - 1);
        Self { param, value: octets[zeros..].into() }
    }

    /// What the value means, for people.
    pub fn meaning(&self) -> String {
        let Some(n) = self.number() else { return format!("0x{}", hex::encode(&self.value)) };
        let small = u8::try_from(n).ok();
        match (self.param, small) {
            (SrtpParam::EncrAlg, Some(n)) => SrtpEncr::from(n).to_string(),
            (SrtpParam::AuthAlg, Some(n)) => SrtpAuth::from(n).to_string(),
            (SrtpParam::Prf, Some(n)) => SrtpPrf::from(n).to_string(),
            (SrtpParam::SrtpEncr | SrtpParam::SrtcpEncr | SrtpParam::SrtpAuth, Some(0)) => "off".into(),
            (SrtpParam::SrtpEncr | SrtpParam::SrtcpEncr | SrtpParam::SrtpAuth, Some(1)) => "on".into(),
            (SrtpParam::FecOrder, Some(0)) => "FEC-SRTP".into(),
            (
                SrtpParam::EncrKeyLen
                | SrtpParam::AuthKeyLen
                | SrtpParam::SaltKeyLen
                | SrtpParam::TagLen
                | SrtpParam::AeadTagLen
                | SrtpParam::PrefixLen,
                _,
            ) => format!("{n} octets"),
            (SrtpParam::KeyDerivationRate, _) => n.to_string(),
            _ => format!("unknown ({n})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(hex: &str) -> Sp {
        Sp::read(&mut Reader::new(&hex::decode(hex).unwrap())).unwrap()
    }

    #[test]
    fn a_policy_is_a_table_of_parameters() {
        // The policy that minisip offers.
        let hex = "000000002700010101011002010103011404010e050100060100070101080101090100 0a01010b010a0c0100"
            .replace(' ', "");
        let sp = policy(&hex);
        assert_eq!((sp.policy_no, sp.prot_type, sp.params.len()), (0, ProtType::Srtp, 13));
        let said: Vec<_> = sp.params.iter().map(|p| format!("{}: {}", p.param, p.meaning())).collect();
        assert_eq!(
            said[..4],
            [
                "encr alg: AES-CM",
                "session encr key length: 16 octets",
                "auth alg: HMAC-SHA-1",
                "session auth key length: 20 octets"
            ]
        );
        assert_eq!(said[7], "SRTP encryption: on");
        let mut w = Writer::new();
        sp.write(&mut w);
        assert_eq!(hex::encode(&w.finish().unwrap()[..]), hex);
    }

    #[test]
    fn a_parameter_has_one_value_or_none() {
        let sp = policy("000000000c040100 0401 0e 06020100 6300".replace(' ', "").as_str());
        assert!(sp.value(SrtpParam::SaltKeyLen).unwrap_err().to_string().contains("twice"));
        assert_eq!(sp.value(SrtpParam::KeyDerivationRate), Ok(Some(256)));
        assert_eq!(sp.value(SrtpParam::TagLen), Ok(None));
        assert!(sp.value(SrtpParam::Unknown(0x63)).is_err());
    }

    #[test]
    fn a_tag_length_in_the_wrong_place_is_understood_only_when_tolerated() {
        let sp = policy("000000000602010103010a");
        assert!(sp.auth_lengths(Tolerances::none()).unwrap_err().to_string().contains("10 octets for HMAC-SHA-1"));
        let lengths = sp.auth_lengths(Tolerances::interop()).unwrap();
        assert_eq!((lengths.key, lengths.tag), (None, Some(10)));
        assert_eq!(lengths.tolerated, Some(Tolerance::TagLengthAsKeyLength));
        let right = policy("000000000603011 40b0104".replace(' ', "").as_str());
        let lengths = right.auth_lengths(Tolerances::interop()).unwrap();
        assert_eq!(lengths, AuthLengths { key: Some(20), tag: Some(4), tolerated: None });
    }

    #[test]
    fn a_parameter_does_not_reach_beyond_its_policy() {
        for hex in ["0000000003000201ff", "00000000010000", "0000000009000101"] {
            assert!(Sp::read(&mut Reader::new(&hex::decode(hex).unwrap())).is_err(), "{hex}");
        }
    }
}
