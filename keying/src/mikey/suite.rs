//! SRTP crypto suites as MIKEY writes them: security policies (RFC 3830 section 6.10.1).
//!
//! MIKEY has one tag length for SRTP and SRTCP; our `_32` suite means it for SRTP alone and keeps 80 bits in SRTCP, as
//! RFC 3711 section 7.5 recommends and RFC 4568 section 6.2.2 demands of the suite of that name.

use super::mode::Refused;
use super::tolerance::{Tolerance, Tolerances};
use super::wire::{ErrorNo, Param, ProtType, Sp, SrtpParam};
use crate::Error;
use keyphone_media::srtp::Suite;

/// The policy of a suite, every parameter of it named but those that have one value in SRTP.
pub(super) fn to_sp(suite: Suite, policy_no: u8) -> Sp {
    let params = [
        (SrtpParam::EncrAlg, 1), // AES-CM
        (SrtpParam::EncrKeyLen, suite.key_len() as u8),
        (SrtpParam::AuthAlg, 1), // HMAC-SHA-1
        (SrtpParam::AuthKeyLen, 20),
        (SrtpParam::SaltKeyLen, suite.salt_len() as u8),
        (SrtpParam::Prf, 0), // AES-CM
        (SrtpParam::KeyDerivationRate, 0),
        (SrtpParam::SrtpEncr, 1),
        (SrtpParam::SrtcpEncr, 1),
        (SrtpParam::SrtpAuth, 1),
        (SrtpParam::TagLen, suite.rtp_tag_len() as u8),
        (SrtpParam::PrefixLen, 0),
    ];
    let params = params.map(|(param, value)| Param::new(param, value)).to_vec();
    Sp { policy_no, prot_type: ProtType::Srtp, params }
}

/// The suite that the policy of that number asks for. Without any policy, and for every parameter that is not there,
/// SRTP's own default holds (RFC 3830 section 6.10.1, RFC 3711 section 8.2).
///
/// # Errors
/// What is asked for and cannot be done, or is not among `allowed`.
pub(super) fn of_policy(
    policies: &[Sp],
    policy_no: u8,
    allowed: &[Suite],
    tolerances: Tolerances,
) -> Result<(Suite, Option<Tolerance>), Refused> {
    let mut found = policies.iter().filter(|sp| sp.policy_no == policy_no);
    match (found.next(), found.next()) {
        (None, _) if policies.is_empty() => Ok((permitted(Suite::AesCm128HmacSha1_80, allowed)?, None)),
        (Some(sp), None) => of_sp(sp, allowed, tolerances),
        (found, _) => {
            let what = if found.is_some() { "has twice" } else { "does not have" };
            let what = format!("its CS ID map refers to policy {policy_no}, which it {what}");
            Err(Refused::new(ErrorNo::InvalidSp, Error::misbehaved(what, "RFC 3830 section 6.10")))
        }
    }
}

fn of_sp(sp: &Sp, allowed: &[Suite], tolerances: Tolerances) -> Result<(Suite, Option<Tolerance>), Refused> {
    if sp.prot_type != ProtType::Srtp {
        let what = format!("its security policy is for {}, and we do SRTP (RFC 3830 table 6.10)", sp.prot_type);
        return Err(Refused::new(ErrorNo::InvalidSp, Error::incompatible(what)));
    }
    let bad = |error| Refused::new(ErrorNo::InvalidSpPar, error);
    let lengths = sp.auth_lengths(tolerances).map_err(bad)?;
    for param in sp.params.iter().filter(|p| !matches!(p.param, SrtpParam::AuthKeyLen | SrtpParam::TagLen)) {
        let value = sp.value(param.param).map_err(bad)?;
        if value != only(param.param) {
            return Err(bad(unsupported(sp, param)));
        }
    }
    let suite = match lengths.tag {
        None | Some(10) => Suite::AesCm128HmacSha1_80,
        Some(4) => Suite::AesCm128HmacSha1_32,
        Some(n) => {
            let what = format!("it wants SRTP tags of {n} octets, and we do 10 and 4 (RFC 3830 section 6.10.1)");
            return Err(bad(Error::incompatible(what)));
        }
    };
    Ok((permitted(suite, allowed)?, lengths.tolerated))
}

/// The one value that this build can do; `None` for those that are looked at elsewhere or that nobody knows.
fn only(param: SrtpParam) -> Option<u64> {
    match param {
        SrtpParam::EncrAlg | SrtpParam::AuthAlg => Some(1),
        SrtpParam::EncrKeyLen => Some(16),
        SrtpParam::SaltKeyLen => Some(14),
        SrtpParam::SrtpEncr | SrtpParam::SrtcpEncr | SrtpParam::SrtpAuth => Some(1),
        SrtpParam::Prf | SrtpParam::KeyDerivationRate | SrtpParam::FecOrder | SrtpParam::PrefixLen => Some(0),
        SrtpParam::AuthKeyLen | SrtpParam::TagLen | SrtpParam::Unknown(_) => None,
    }
}

fn unsupported(sp: &Sp, param: &Param) -> Error {
    let (no, name, value) = (sp.policy_no, param.param, param.meaning());
    Error::incompatible(format!("its policy {no} wants {name} {value}, which we cannot do (RFC 3830 section 6.10.1)"))
}

fn permitted(suite: Suite, allowed: &[Suite]) -> Result<Suite, Refused> {
    if allowed.contains(&suite) {
        return Ok(suite);
    }
    let error = Error::incompatible(format!("it wants {suite}, which our policy does not allow"));
    Err(Refused::new(ErrorNo::InvalidSpPar, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sp: &Sp) -> Result<Suite, Refused> {
        of_policy(std::slice::from_ref(sp), sp.policy_no, &Suite::ALL, Tolerances::none()).map(|(suite, _)| suite)
    }

    #[test]
    fn every_suite_is_read_as_it_is_written() {
        for suite in Suite::ALL {
            assert_eq!(read(&to_sp(suite, 7)).unwrap(), suite);
        }
        assert_eq!(of_policy(&[], 0, &Suite::ALL, Tolerances::none()).unwrap().0, Suite::AesCm128HmacSha1_80);
        let empty = Sp { policy_no: 0, prot_type: ProtType::Srtp, params: vec![] };
        assert_eq!(read(&empty).unwrap(), Suite::AesCm128HmacSha1_80);
    }

    #[test]
    fn a_parameter_that_media_cannot_do_is_refused_by_name() {
        let bad = [(0, 2), (1, 32), (2, 0), (3, 16), (4, 16), (5, 1), (6, 8), (7, 0), (8, 0), (9, 1), (10, 0), (11, 8)];
        for (number, value) in bad.into_iter().chain([(12, 4), (99, 1)]) {
            let mut sp = to_sp(Suite::AesCm128HmacSha1_80, 0);
            sp.params.retain(|p| p.param != SrtpParam::from(number));
            sp.params.push(Param::new(number.into(), value));
            let refused = read(&sp).unwrap_err();
            assert_eq!(refused.number, ErrorNo::InvalidSpPar, "{number}: {refused}");
            assert!(refused.to_string().contains("RFC 3"), "{refused}");
        }
    }

    #[test]
    fn a_policy_is_found_by_its_number_and_allowed_by_ours() {
        let sps = [to_sp(Suite::AesCm128HmacSha1_80, 0), to_sp(Suite::AesCm128HmacSha1_32, 1)];
        let of = |no, allowed: &[Suite]| of_policy(&sps, no, allowed, Tolerances::none());
        assert_eq!(of(1, &Suite::ALL).unwrap().0, Suite::AesCm128HmacSha1_32);
        assert_eq!(of(2, &Suite::ALL).unwrap_err().number, ErrorNo::InvalidSp);
        assert_eq!(of(1, &Suite::ALL[..1]).unwrap_err().number, ErrorNo::InvalidSpPar);
        let other = Sp { prot_type: ProtType::Unknown(1), ..sps[0].clone() };
        assert_eq!(read(&other).unwrap_err().number, ErrorNo::InvalidSp);
    }

    #[test]
    fn a_tag_length_in_the_place_of_a_key_length_is_tolerated_by_name_only() {
        let gstreamer = Sp { params: vec![Param::new(SrtpParam::AuthKeyLen, 4)], ..to_sp(Suite::ALL[0], 0) };
        assert!(read(&gstreamer).is_err());
        let (suite, why) = of_policy(&[gstreamer], 0, &Suite::ALL, Tolerances::interop()).unwrap();
        assert_eq!((suite, why), (Suite::AesCm128HmacSha1_32, Some(Tolerance::TagLengthAsKeyLength)));
    }
}
