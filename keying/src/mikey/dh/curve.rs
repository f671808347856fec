//! Elliptic curves (RFC 5197 section 4.1): P-256, P-384 and P-521 (SEC 1), and X25519 (RFC 7748).
//!
//! NIST's curves have a prime order and no small subgroup, so a point that is on the curve and not at infinity is a good
//! one (SEC 1 section 3.2.2.1). On Curve25519 every value is allowed; what must not be is a result of zeros, which a value
//! of small order brings about (RFC 7748 section 6.1).

use super::{bad, library};
use crate::Error;
use crate::crypto::Curve;
use crate::mikey::derive::Secret;
use crate::mikey::wire::DhGroup;
use keyphone_media::env::Env;
use openssl::bn::{BigNum, BigNumContext, BigNumContextRef};
use openssl::derive::Deriver;
use openssl::ec::{EcGroupRef, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, PKeyRef, Private};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The first octet of an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// So often is a scalar drawn before the dice are called broken: of honest ones, one draw in 2^32 fails at most.
const DRAWS: usize = 8;

fn curve(group: DhGroup) -> Curve {
    match group {
        DhGroup::P384 => Curve::P384,
        DhGroup::P521 => Curve::P521,
        _ => Curve::P256,
    }
}

/// A fresh scalar between 1 and the order less 1, all alike, and its point: what is out of range is thrown away and drawn
/// again.
pub(super) fn fresh(group: DhGroup, env: &mut Env<'_>) -> Result<(Secret, Vec<u8>), Error> {
    let curve = curve(group);
    let bits = curve.order().map_err(library)?.num_bits() as usize;
    let mut secret = Zeroizing::new(vec![0; curve.octets()]);
    for _ in 0..DRAWS {
        env.rng.fill(&mut secret);
        secret[0] &= 0xff >> (8 * curve.octets() - bits);
        if let Some(scalar) = scalar(curve, &secret).map_err(library)? {
            let public = point(curve, &scalar).map_err(library)?;
            return Ok((secret, public));
        }
    }
    Err(Error::Misuse("the source of randomness gives no random numbers"))
}

/// A secret number, if it is in range: what the library holds of it is wiped.
fn scalar(curve: Curve, secret: &[u8]) -> Result<Option<BigNum>, ErrorStack> {
    let mut scalar = BigNum::new_secure()?;
    scalar.copy_from_slice(secret)?;
    scalar.set_const_time();
    Ok(if scalar.num_bits() != 0 && scalar < *curve.order()? { Some(scalar) } else { None })
}

/// The point of a scalar.
pub(super) fn public(group: DhGroup, secret: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let curve = curve(group);
    point(curve, &scalar(curve, secret)?.ok_or_else(ErrorStack::get)?)
}

fn point(curve: Curve, scalar: &BigNum) -> Result<Vec<u8>, ErrorStack> {
    let (group, mut context) = (curve.group()?, BigNumContext::new_secure()?);
    let mut point = EcPoint::new(group)?;
    point.mul_generator2(group, scalar, &mut context)?;
    point.to_bytes(group, PointConversionForm::UNCOMPRESSED, &mut context)
}

/// By the library's scalar multiplication, which takes the same time for every scalar. Its general layer would multiply
/// likewise, but sets the curve up twice for each agreement, at half the cost of one.
pub(super) fn agree(group: DhGroup, secret: &[u8], theirs: &[u8]) -> Result<Secret, Error> {
    let mut context = BigNumContext::new_secure().map_err(library)?;
    let uncompressed = group.octets() == Some(theirs.len()) && theirs.first() == Some(&UNCOMPRESSED);
    let peer = uncompressed.then(|| curve(group).point(theirs, &mut context).ok()).flatten();
    let peer = peer.ok_or_else(|| bad("its DH-value is no point of the curve", "SEC 1 section 3.2.2.1"))?;
    common(curve(group), secret, &peer, &mut context).map_err(library)
}

/// x of the common point (SEC 1 section 3.3.1), which is not at infinity: the order is prime, and neither factor is zero.
fn common(curve: Curve, secret: &[u8], peer: &EcPoint, context: &mut BigNumContextRef) -> Result<Secret, ErrorStack> {
    let (group, scalar) = (curve.group()?, scalar(curve, secret)?.ok_or_else(ErrorStack::get)?);
    let (mut point, mut x, mut y) = (EcPoint::new(group)?, BigNum::new_secure()?, BigNum::new_secure()?);
    point.mul2(group, peer, &scalar, context)?;
    let found = point.affine_coordinates(group, &mut x, &mut y, context);
    wipe(&mut point, group, context)?;
    found?;
    x.to_vec_padded(curve.octets() as i32).map(Zeroizing::new)
}

/// The library frees a point as it is. So that a secret one is not left behind, another takes its place, in the same
/// octets of memory.
fn wipe(point: &mut EcPoint, group: &EcGroupRef, context: &mut BigNumContextRef) -> Result<(), ErrorStack> {
    let generator = group.generator_opt().ok_or_else(ErrorStack::get)?;
    point.add(group, generator, generator, context)
}

/// The key of 32 octets, and its u-coordinate.
pub(super) fn key_x25519(secret: &[u8]) -> Result<(PKey<Private>, Vec<u8>), ErrorStack> {
    let key = PKey::private_key_from_raw_bytes(secret, Id::X25519)?;
    let public = key.raw_public_key()?;
    Ok((key, public))
}

/// RFC 7748 section 6.1.
pub(super) fn agree_x25519(ours: &PKeyRef<Private>, theirs: &[u8]) -> Result<Secret, Error> {
    let small = || bad("its DH-value makes a key of zeros, which everybody knows", "RFC 7748 section 6.1");
    let peer = PKey::public_key_from_raw_bytes(theirs, Id::X25519)
        .map_err(|_| bad("its DH-value has not 32 octets", "RFC 7748 section 5"))?;
    let derive = || {
        let mut deriver = Deriver::new(ours)?;
        deriver.set_peer_ex(&peer, false)?;
        let mut agreed = Zeroizing::new(vec![0; 32]);
        deriver.derive(&mut agreed)?;
        Ok(agreed)
    };
    let agreed = derive().map_err(|_: ErrorStack| small())?;
    if bool::from(agreed.ct_eq(&[0; 32])) { Err(small()) } else { Ok(agreed) }
}
