//! The OAKLEY groups of integers modulo a prime p (RFC 2412 appendix E, RFC 3526 section 2), with the generator 2.
//!
//! Each p is a safe prime, p = 2q + 1 with q prime, and 2 is a square modulo p. So there is one small subgroup, of 1 and
//! p - 1, and a value that is neither has order q or 2q: to refuse these two is all the check there is to make (RFC 2412
//! section 2.3.1.1). A value of order 2q would tell its sender one bit, whether our secret is even, of a secret that is
//! used for one offer; the test y^q = 1 would cost more than the whole agreement.

use super::{bad, library};
use crate::Error;
use crate::mikey::derive::Secret;
use crate::mikey::wire::DhGroup;
use keyphone_media::env::Env;
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

/// Octets of a secret exponent: twice the 128 bits of an SRTP key (RFC 2412 appendix D), and more than the 240 bits that
/// the higher estimate of the 1536-bit group's strength asks for (RFC 3526 section 8).
const SECRET: usize = 32;

/// The highest bit is set, so that zero never is one and every one is as long as the other.
pub(super) fn secret(env: &mut Env<'_>) -> Secret {
    let mut secret = Zeroizing::new(vec![0; SECRET]);
    env.rng.fill(&mut secret);
    secret[0] |= 0x80;
    secret
}

pub(super) fn public(group: DhGroup, secret: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let power = power(&*prime(group)?, &*BigNum::from_u32(2)?, secret)?;
    Ok(power.to_vec())
}

/// With a value that is 1 < y < p - 1. It is public, so the comparison may take its time from it.
pub(super) fn agree(group: DhGroup, secret: &[u8], theirs: &[u8]) -> Result<Secret, Error> {
    let agreed = || {
        let (prime, value) = (prime(group)?, BigNum::from_slice(theirs)?);
        let mut last = prime.to_owned()?;
        last.sub_word(1)?;
        if value.num_bits() < 2 || value >= last { Ok(None) } else { power(&prime, &value, secret).map(Some) }
    };
    let fits = group.octets() == Some(theirs.len());
    let agreed = if fits { agreed().map_err(library)? } else { None };
    agreed.ok_or_else(|| {
        let what = "its DH-value is not between 1 and p - 1: with it everybody would know the key";
        bad(what, "RFC 2412 section 2.3.1.1")
    })
}

/// As long as p, leading zeros and all. The exponent is secret: the time taken does not depend on it, and what the
/// library held of it is wiped.
fn power(prime: &BigNumRef, base: &BigNumRef, secret: &[u8]) -> Result<Secret, ErrorStack> {
    let mut exponent = BigNum::new_secure()?;
    exponent.copy_from_slice(secret)?;
    exponent.set_const_time();
    let (mut result, mut context) = (BigNum::new_secure()?, BigNumContext::new_secure()?);
    result.mod_exp(base, &exponent, prime, &mut context)?;
    result.to_vec_padded(prime.num_bytes()).map(Zeroizing::new)
}

pub(super) fn prime(group: DhGroup) -> Result<BigNum, ErrorStack> {
    match group {
        DhGroup::Oakley1 => BigNum::get_rfc2409_prime_768(),
        DhGroup::Oakley2 => BigNum::get_rfc2409_prime_1024(),
        _ => BigNum::get_rfc3526_prime_1536(),
    }
}
