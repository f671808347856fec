//! SRTP crypto suites as MIKEY writes them: security policies (RFC 3830 section 6.10.1, RFC 7714 section 15).
//!
//! MIKEY has one tag length for SRTP and SRTCP; our `_32` suites mean it for SRTP alone and keep 80 bits in SRTCP, as
//! RFC 3711 section 7.5 recommends and RFC 4568 section 6.2.2 demands of suites of that name. A policy that turns the
//! encryption of SRTP and SRTCP off is the NULL cipher by another name.

use super::mode::Refused;
use super::tolerance::{Tolerance, Tolerances};
use super::wire::{ErrorNo, Param, ProtType, Sp, SrtpParam};
use crate::{Error, Policy};
use keyphone_media::srtp::{Cipher, DerivationRate, MasterKey, Suite};

/// What one policy asks for, and `media` can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Protection {
    pub(super) suite: Suite,
    rate: DerivationRate,
    rtcp_in_clear: bool,
}

impl Protection {
    /// A key for it.
    pub(super) fn apply(self, key: MasterKey) -> MasterKey {
        let key = key.with_derivation_rate(self.rate);
        if self.rtcp_in_clear { key.with_rtcp_in_clear() } else { key }
    }
}

/// The policies that we offer, or could do, numbered from zero: one for each of our suites, preferred first.
pub(super) fn ours(policy: &Policy) -> impl Iterator<Item = Sp> {
    (0..).zip(&policy.suites).map(|(no, suite)| to_sp(*suite, policy.derivation_rate, no))
}

/// The policy of a suite, every parameter of it named but those that have one value in SRTP.
fn to_sp(suite: Suite, rate: DerivationRate, policy_no: u8) -> Sp {
    let one = |param, value: usize| Param::new(param, value as u8);
    let mut params = vec![
        one(SrtpParam::EncrAlg, number(suite.cipher())),
        one(SrtpParam::EncrKeyLen, suite.key_len()), // the master key's, too
        one(SrtpParam::SaltKeyLen, suite.salt_len()),
        one(SrtpParam::Prf, 0), // AES-CM; with AEAD, too (RFC 7714 section 15)
        Param::of_number(SrtpParam::KeyDerivationRate, rate.packets()),
        one(SrtpParam::SrtpEncr, suite.encrypts().into()),
        one(SrtpParam::SrtcpEncr, suite.encrypts().into()),
        one(SrtpParam::PrefixLen, 0),
    ];
    params.extend(match suite.cipher() {
        Cipher::Null | Cipher::AesCm => vec![
            one(SrtpParam::AuthAlg, 1), // HMAC-SHA-1
            one(SrtpParam::AuthKeyLen, 20),
            one(SrtpParam::SrtpAuth, 1),
            one(SrtpParam::TagLen, suite.rtp_tag_len()),
        ],
        // RFC 7714 section 7.1: no other tag beside AEAD's own.
        Cipher::AesGcm => vec![one(SrtpParam::AuthAlg, 0), one(SrtpParam::AeadTagLen, suite.rtp_tag_len())],
    });
    params.sort_by_key(|param| u8::from(param.param));
    Sp { policy_no, prot_type: ProtType::Srtp, params }
}

/// RFC 3830 table 6.10.1.b, RFC 7714 section 14.3.
const fn number(cipher: Cipher) -> usize {
    match cipher {
        Cipher::Null => 0,
        Cipher::AesCm => 1,
        Cipher::AesGcm => 6,
    }
}

/// What the policy of that number asks for. Without any policy, and for every parameter that is not there, SRTP's own
/// default holds (RFC 3830 section 6.10.1, RFC 3711 section 8.2).
///
/// # Errors
/// What is asked for and cannot be done, or is not allowed by ours.
pub(super) fn of_policy(
    policies: &[Sp],
    policy_no: u8,
    ours: &Policy,
) -> Result<(Protection, Option<Tolerance>), Refused> {
    let mut found = policies.iter().filter(|sp| sp.policy_no == policy_no);
    let (protection, tolerated) = match (found.next(), found.next()) {
        (None, _) if policies.is_empty() => {
            let (suite, rate) = (Suite::AesCm128HmacSha1_80, DerivationRate::ZERO);
            (Protection { suite, rate, rtcp_in_clear: false }, None)
        }
        (Some(sp), None) => of_sp(sp, ours.mikey.tolerances)?,
        (found, _) => {
            let what = if found.is_some() { "has twice" } else { "does not have" };
            let what = format!("its CS ID map refers to policy {policy_no}, which it {what}");
            return Err(Refused::new(ErrorNo::InvalidSp, Error::misbehaved(what, "RFC 3830 section 6.10")));
        }
    };
    permitted(protection, ours).map_err(|what| Refused::new(ErrorNo::InvalidSpPar, Error::incompatible(what)))?;
    Ok((protection, tolerated))
}

fn of_sp(sp: &Sp, tolerances: Tolerances) -> Result<(Protection, Option<Tolerance>), Refused> {
    if sp.prot_type != ProtType::Srtp {
        let what = format!("its security policy is for {}, and we do SRTP (RFC 3830 table 6.10)", sp.prot_type);
        return Err(Refused::new(ErrorNo::InvalidSp, Error::incompatible(what)));
    }
    read(&Wish { sp }, tolerances).map_err(|error| Refused::new(ErrorNo::InvalidSpPar, error))
}

fn read(wish: &Wish<'_>, tolerances: Tolerances) -> Result<(Protection, Option<Tolerance>), Error> {
    if let Some(unknown) = wish.sp.params.iter().find(|p| matches!(p.param, SrtpParam::Unknown(_))) {
        return Err(wish.refuse(unknown));
    }
    wish.among(SrtpParam::Prf, &[0], 0)?;
    wish.among(SrtpParam::FecOrder, &[0], 0)?;
    wish.among(SrtpParam::PrefixLen, &[0], 0)?;
    let encrypts = wish.among(SrtpParam::SrtpEncr, &[0, 1], 1)? == 1;
    let encrypts_rtcp = wish.among(SrtpParam::SrtcpEncr, &[0, 1], 1)? == 1;
    let named = match wish.among(SrtpParam::EncrAlg, &[0, 1, 6], 1)? {
        0 => Cipher::Null,
        1 => Cipher::AesCm,
        _ => Cipher::AesGcm,
    };
    let cipher = match (named, encrypts, encrypts_rtcp) {
        (Cipher::Null, ..) | (Cipher::AesCm, false, false) => Cipher::Null,
        (Cipher::AesCm | Cipher::AesGcm, true, _) => named,
        // GCM always encrypts SRTP (RFC 7714 section 8.2).
        (Cipher::AesGcm, false, _) | (Cipher::AesCm, false, true) => return Err(wish.refused(SrtpParam::SrtpEncr)),
    };
    let (tag, tolerated) = match cipher {
        Cipher::Null | Cipher::AesCm => {
            wish.among(SrtpParam::AuthAlg, &[1], 1)?;
            // SRTCP is always authenticated (RFC 3711 section 3.4), and so is our SRTP.
            wish.among(SrtpParam::SrtpAuth, &[1], 1)?;
            wish.absent(SrtpParam::AeadTagLen)?;
            let lengths = wish.sp.auth_lengths(tolerances)?;
            (lengths.tag.unwrap_or(10), lengths.tolerated)
        }
        Cipher::AesGcm => {
            wish.among(SrtpParam::AuthAlg, &[0], 0)?;
            wish.among(SrtpParam::SrtpAuth, &[0, 1], 1)?; // off or on, GCM's own tag is there
            wish.among(SrtpParam::AuthKeyLen, &[0], 0)?;
            wish.among(SrtpParam::TagLen, &[0], 0)?;
            (wish.among(SrtpParam::AeadTagLen, &[16], 16)?, None)
        }
    };
    let key_lens: &[u64] = match cipher {
        Cipher::Null => &[16],
        Cipher::AesCm => &[16, 24, 32],
        Cipher::AesGcm => &[16, 32],
    };
    let key_len = wish.among(SrtpParam::EncrKeyLen, key_lens, 16)?;
    let fits =
        |suite: &Suite| (suite.cipher(), suite.key_len() as u64, suite.rtp_tag_len() as u64) == (cipher, key_len, tag);
    let suite = Suite::ALL.into_iter().find(fits).ok_or_else(|| {
        let what = format!("it wants SRTP tags of {tag} octets, and we do 10 and 4 (RFC 3830 section 6.10.1)");
        Error::incompatible(what)
    })?;
    let salt_len = suite.salt_len() as u64;
    wish.among(SrtpParam::SaltKeyLen, &[salt_len], salt_len)?;
    let rate = DerivationRate::new(wish.sp.value(SrtpParam::KeyDerivationRate)?.unwrap_or(0))
        .ok_or_else(|| wish.refused(SrtpParam::KeyDerivationRate))?;
    Ok((Protection { suite, rate, rtcp_in_clear: suite.encrypts() && !encrypts_rtcp }, tolerated))
}

/// A policy, on its way to be understood.
struct Wish<'a> {
    sp: &'a Sp,
}

impl Wish<'_> {
    /// The value of a parameter, or its default, if we can do it.
    fn among(&self, param: SrtpParam, can: &[u64], default: u64) -> Result<u64, Error> {
        match self.sp.value(param)? {
            None => Ok(default),
            Some(value) if can.contains(&value) => Ok(value),
            Some(_) => Err(self.refused(param)),
        }
    }

    fn absent(&self, param: SrtpParam) -> Result<(), Error> {
        self.sp.value(param)?.map_or(Ok(()), |_| Err(self.refused(param)))
    }

    fn refused(&self, param: SrtpParam) -> Error {
        let missing = Param::new(param, 0);
        self.refuse(self.sp.params.iter().find(|p| p.param == param).unwrap_or(&missing))
    }

    fn refuse(&self, param: &Param) -> Error {
        let (no, name, value) = (self.sp.policy_no, param.param, param.meaning());
        Error::incompatible(format!(
            "its policy {no} wants {name} {value}, which we cannot do (RFC 3830 section 6.10.1)"
        ))
    }
}

fn permitted(wanted: Protection, ours: &Policy) -> Result<(), String> {
    let Protection { suite, rtcp_in_clear, .. } = wanted;
    if !ours.suites.contains(&suite) {
        return Err(format!("it wants {suite}, which our policy does not allow"));
    }
    if !ours.allow_null_cipher && !suite.encrypts() {
        return Err(format!("it wants {suite}, and our policy does not allow media in clear"));
    }
    if !ours.allow_null_cipher && rtcp_in_clear {
        return Err("it wants SRTCP without encryption, which our policy does not allow".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Policy {
        Policy { suites: Suite::ALL.to_vec(), allow_null_cipher: true, ..Policy::default() }
    }

    fn read(sp: &Sp) -> Result<Protection, Refused> {
        of_policy(std::slice::from_ref(sp), sp.policy_no, &everything()).map(|(protection, _)| protection)
    }

    fn sp(suite: Suite) -> Sp {
        to_sp(suite, DerivationRate::ZERO, 0)
    }

    /// With other values in the place of those that are there.
    fn with(suite: Suite, values: &[(u8, u8)]) -> Sp {
        let mut sp = sp(suite);
        for (number, value) in values {
            sp.params.retain(|p| p.param != SrtpParam::from(*number));
            sp.params.push(Param::new((*number).into(), *value));
        }
        sp
    }

    #[test]
    fn every_suite_is_read_as_it_is_written_at_every_rate() {
        for suite in Suite::ALL {
            for rate in [0, 1, 256, 1 << 24].map(|n| DerivationRate::new(n).unwrap()) {
                let wanted = Protection { suite, rate, rtcp_in_clear: false };
                assert_eq!(read(&to_sp(suite, rate, 7)).unwrap(), wanted);
            }
        }
        let default = Suite::AesCm128HmacSha1_80;
        assert_eq!(of_policy(&[], 0, &Policy::default()).unwrap().0.suite, default);
        let empty = Sp { policy_no: 0, prot_type: ProtType::Srtp, params: vec![] };
        assert_eq!(read(&empty).unwrap().suite, default);
    }

    #[test]
    fn what_is_missing_has_the_default_of_its_cipher() {
        let only = |params: &[(u8, u8)]| {
            let params = params.iter().map(|(number, value)| Param::new((*number).into(), *value)).collect();
            read(&Sp { policy_no: 0, prot_type: ProtType::Srtp, params }).unwrap().suite
        };
        assert_eq!(only(&[(0, 6)]), Suite::AeadAes128Gcm, "RFC 7714 section 14.3");
        assert_eq!(only(&[(0, 6), (1, 32)]), Suite::AeadAes256Gcm, "RFC 7714 table 4");
        assert_eq!(only(&[(1, 24)]), Suite::Aes192CmHmacSha1_80);
        assert_eq!(only(&[(1, 32), (11, 4)]), Suite::Aes256CmHmacSha1_32);
        assert_eq!(only(&[(0, 0)]), Suite::NullHmacSha1_80);
    }

    #[test]
    fn a_parameter_that_media_cannot_do_is_refused_by_name() {
        let cm = Suite::AesCm128HmacSha1_80;
        let bad = [(0, 2), (0, 5), (1, 17), (1, 0), (2, 0), (2, 2), (3, 16), (4, 16), (4, 12), (5, 1), (6, 3), (7, 0)];
        let bad = bad.into_iter().chain([(7, 2), (8, 2), (9, 1), (10, 0), (11, 8), (12, 4), (20, 16), (99, 1)]);
        let gcm = [(1, 24), (2, 1), (3, 20), (4, 14), (5, 1), (7, 0), (11, 10), (11, 16), (20, 8), (20, 12)];
        let bad = bad.map(|wrong| (cm, wrong)).chain(gcm.map(|wrong| (Suite::AeadAes128Gcm, wrong)));
        for (suite, wrong) in bad.chain([(Suite::NullHmacSha1_80, (1, 32)), (Suite::NullHmacSha1_80, (11, 0))]) {
            let refused = read(&with(suite, &[wrong])).unwrap_err();
            assert_eq!(refused.number, ErrorNo::InvalidSpPar, "{suite}, {wrong:?}: {refused}");
            assert!(refused.to_string().contains("RFC 3"), "{refused}");
        }
        let refused = read(&with(cm, &[(6, 3)])).unwrap_err().to_string();
        let wrong = "its policy 0 wants key derivation rate 3, which we cannot do (RFC 3830 section 6.10.1)";
        assert!(refused.contains(wrong), "{refused}");
    }

    #[test]
    fn a_policy_is_found_by_its_number_and_allowed_by_ours() {
        let sps = [sp(Suite::AesCm128HmacSha1_80), to_sp(Suite::AesCm128HmacSha1_32, DerivationRate::ZERO, 1)];
        let of = |no, suites: &[Suite]| of_policy(&sps, no, &Policy { suites: suites.to_vec(), ..everything() });
        assert_eq!(of(1, &Suite::ALL).unwrap().0.suite, Suite::AesCm128HmacSha1_32);
        assert_eq!(of(2, &Suite::ALL).unwrap_err().number, ErrorNo::InvalidSp);
        assert_eq!(of(1, &Suite::ALL[..1]).unwrap_err().number, ErrorNo::InvalidSpPar);
        let other = Sp { prot_type: ProtType::Unknown(1), ..sps[0].clone() };
        assert_eq!(read(&other).unwrap_err().number, ErrorNo::InvalidSp);
    }

    #[test]
    fn media_in_clear_needs_a_policy_that_says_so() {
        let listed = Policy { suites: Suite::ALL.to_vec(), ..Policy::default() };
        let cm = Suite::AesCm128HmacSha1_80;
        let off = with(cm, &[(7, 0), (8, 0)]);
        assert_eq!(read(&off).unwrap().suite, Suite::NullHmacSha1_80, "off is NULL by another name");
        let gcm = with(Suite::AeadAes256Gcm, &[(8, 0)]);
        for clear in [sp(Suite::NullHmacSha1_80), sp(Suite::NullHmacSha1_32), off, with(cm, &[(8, 0)]), gcm] {
            let allowed = read(&clear).unwrap();
            assert!(allowed.rtcp_in_clear == allowed.suite.encrypts(), "{allowed:?}");
            let clear = std::slice::from_ref(&clear);
            assert_eq!(of_policy(clear, 0, &listed).unwrap_err().number, ErrorNo::InvalidSpPar);
            assert!(of_policy(clear, 0, &Policy::default()).is_err());
        }
    }

    #[test]
    fn a_tag_length_in_the_place_of_a_key_length_is_tolerated_by_name_only() {
        let gstreamer = Sp { params: vec![Param::new(SrtpParam::AuthKeyLen, 4)], ..sp(Suite::ALL[0]) };
        assert!(read(&gstreamer).is_err());
        let mut ours = everything();
        ours.mikey.tolerances = Tolerances::interop();
        let (protection, why) = of_policy(&[gstreamer], 0, &ours).unwrap();
        assert_eq!((protection.suite, why), (Suite::AesCm128HmacSha1_32, Some(Tolerance::TagLengthAsKeyLength)));
    }

    /// RFC 7714 section 15, octet for octet.
    #[test]
    fn a_gcm_policy_on_the_wire_has_its_tag_length_at_20() {
        let sp = to_sp(Suite::AeadAes256Gcm, DerivationRate::new(1 << 16).unwrap(), 3);
        let mut w = super::super::wire::Writer::new();
        sp.write(&mut w);
        let hex = hex::encode(&w.finish().unwrap()[..]);
        assert_eq!(
            hex,
            "0003000020".to_owned()
                + "000106"
                + "010120"
                + "020100"
                + "04010c"
                + "050100"
                + "0603010000"
                + "070101"
                + "080101"
                + "0c0100"
                + "140110"
        );
    }
}
