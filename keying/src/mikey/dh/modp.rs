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
use openssl::bn::{BigNum, BigNumContext};
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
    let power = power(group, &*BigNum::from_u32(2)?, secret)?;
    Ok(power.to_vec())
}

pub(super) fn agree(group: DhGroup, secret: &[u8], theirs: &[u8]) -> Result<Secret, Error> {
    check(group, theirs)?;
    power(group, &*BigNum::from_slice(theirs).map_err(library)?, secret).map_err(library)
}

/// 1 < y < p - 1. The value is public, so this may take its time from it.
fn check(group: DhGroup, theirs: &[u8]) -> Result<(), Error> {
    let refused = || -> Result<bool, ErrorStack> {
        let (one, mut limit) = (BigNum::from_u32(1)?, prime(group)?);
        limit.sub_word(1)?;
        let theirs = BigNum::from_slice(theirs)?;
        Ok(theirs <= one || theirs >= limit)
    };
    if group.octets() != Some(theirs.len()) || refused().map_err(library)? {
        let what = "its DH-value is not between 1 and p - 1: with it everybody would know the key";
        return Err(bad(what, "RFC 2412 section 2.3.1.1"));
    }
    Ok(())
}

/// As long as p, leading zeros and all. The exponent is secret: the time taken does not depend on it, and what the
/// library held of it is wiped.
fn power(group: DhGroup, base: &openssl::bn::BigNumRef, secret: &[u8]) -> Result<Secret, ErrorStack> {
    let mut exponent = BigNum::new_secure()?;
    exponent.copy_from_slice(secret)?;
    exponent.set_const_time();
    let (mut result, mut context, prime) = (BigNum::new_secure()?, BigNumContext::new_secure()?, prime(group)?);
    result.mod_exp(base, &exponent, &prime, &mut context)?;
    result.to_vec_padded(prime.num_bytes()).map(Zeroizing::new)
}

pub(super) fn prime(group: DhGroup) -> Result<BigNum, ErrorStack> {
    match group {
        DhGroup::Oakley1 => BigNum::get_rfc2409_prime_768(),
        DhGroup::Oakley2 => BigNum::get_rfc2409_prime_1024(),
        _ => BigNum::get_rfc3526_prime_1536(),
    }
}
