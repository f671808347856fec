//! Elliptic curves (RFC 5197 section 4.1): P-256, P-384 and P-521 (SEC 1), and X25519 (RFC 7748).
//!
//! NIST's curves have a prime order and no small subgroup, so a point that is on the curve and not at infinity is a good
//! one (SEC 1 section 3.2.2.1). On Curve25519 every value is allowed; what must not be is a result of zeros, which a value
//! of small order brings about (RFC 7748 section 6.1).

use super::{bad, library};
use crate::Error;
use crate::mikey::derive::Secret;
use crate::mikey::wire::DhGroup;
use keyphone_media::env::Env;
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use std::sync::OnceLock;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The first octet of an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// So often is a scalar drawn before the dice are called broken: of honest ones, one draw in 2^32 fails at most.
const DRAWS: usize = 8;

/// To set up a curve costs as much as to use it, so it is done once.
fn curve(group: DhGroup) -> Result<&'static EcGroup, ErrorStack> {
    static CURVES: [OnceLock<EcGroup>; 3] = [const { OnceLock::new() }; 3];
    let (curve, nid) = match group {
        DhGroup::P384 => (&CURVES[1], Nid::SECP384R1),
        DhGroup::P521 => (&CURVES[2], Nid::SECP521R1),
        _ => (&CURVES[0], Nid::X9_62_PRIME256V1),
    };
    if let Some(curve) = curve.get() {
        return Ok(curve);
    }
    let made = EcGroup::from_curve_name(nid)?;
    Ok(curve.get_or_init(|| made))
}

/// A scalar between 1 and the order less 1, all alike: what is out of range is thrown away and drawn again.
pub(super) fn secret(group: DhGroup, env: &mut Env<'_>) -> Result<Secret, Error> {
    let order = order(group).map_err(library)?;
    let bits = order.num_bits();
    let mut secret = Zeroizing::new(vec![0; order.num_bytes() as usize]);
    for _ in 0..DRAWS {
        env.rng.fill(&mut secret);
        secret[0] &= 0xff >> (8 * order.num_bytes() - bits);
        let mut scalar = BigNum::new_secure().map_err(library)?;
        scalar.copy_from_slice(&secret).map_err(library)?;
        if scalar.num_bits() != 0 && scalar < order {
            return Ok(secret);
        }
    }
    Err(Error::Misuse("the source of randomness gives no random numbers"))
}

fn order(group: DhGroup) -> Result<BigNum, ErrorStack> {
    let mut order = BigNum::new()?;
    curve(group)?.order(&mut order, &mut *BigNumContext::new()?)?;
    Ok(order)
}

/// The key of a scalar, and its point.
pub(super) fn key(group: DhGroup, secret: &[u8]) -> Result<(PKey<Private>, Vec<u8>), ErrorStack> {
    let (curve, mut context) = (curve(group)?, BigNumContext::new_secure()?);
    let mut scalar = BigNum::new_secure()?;
    scalar.copy_from_slice(secret)?;
    if scalar.num_bits() == 0 || scalar >= order(group)? {
        return Err(ErrorStack::get());
    }
    let mut point = EcPoint::new(curve)?;
    point.mul_generator2(curve, &scalar, &mut context)?;
    let public = point.to_bytes(curve, PointConversionForm::UNCOMPRESSED, &mut context)?;
    let key = PKey::from_ec_key(EcKey::from_private_components(curve, &scalar, &point)?)?;
    Ok((key, public))
}

pub(super) fn agree(group: DhGroup, ours: &PKeyRef<Private>, theirs: &[u8]) -> Result<Secret, Error> {
    let curve = curve(group).map_err(library)?;
    let mut context = BigNumContext::new().map_err(library)?;
    let uncompressed = group.octets() == Some(theirs.len()) && theirs.first() == Some(&UNCOMPRESSED);
    // The library takes no point that is not on the curve.
    let peer = uncompressed.then(|| EcPoint::from_bytes(curve, theirs, &mut context).ok()).flatten();
    let peer = peer.filter(|point| !point.is_infinity(curve));
    let Some(peer) = peer else {
        return Err(bad("its DH-value is no point of the curve", "SEC 1 section 3.2.2.1"));
    };
    let peer = EcKey::from_public_key(curve, &peer).and_then(PKey::from_ec_key);
    peer.and_then(|peer| derive(ours, &peer)).map_err(library)
}

/// The key of 32 octets, and its u-coordinate.
pub(super) fn key_x25519(secret: &[u8]) -> Result<(PKey<Private>, Vec<u8>), ErrorStack> {
    let key = PKey::private_key_from_raw_bytes(secret, Id::X25519)?;
    let public = key.raw_public_key()?;
    Ok((key, public))
}

pub(super) fn agree_x25519(ours: &PKeyRef<Private>, theirs: &[u8]) -> Result<Secret, Error> {
    let small = || bad("its DH-value makes a key of zeros, which everybody knows", "RFC 7748 section 6.1");
    let peer = PKey::public_key_from_raw_bytes(theirs, Id::X25519)
        .map_err(|_| bad("its DH-value has not 32 octets", "RFC 7748 section 5"))?;
    let agreed = derive(ours, &peer).map_err(|_| small())?;
    if bool::from(agreed.ct_eq(&[0; 32])) { Err(small()) } else { Ok(agreed) }
}

/// The peer's value was checked before: the library's own check would multiply once more.
fn derive(ours: &PKeyRef<Private>, theirs: &PKeyRef<impl HasPublic>) -> Result<Secret, ErrorStack> {
    let mut deriver = Deriver::new(ours)?;
    deriver.set_peer_ex(theirs, false)?;
    let mut agreed = Zeroizing::new(vec![0; deriver.len()?]);
    let len = deriver.derive(&mut agreed)?;
    agreed.truncate(len);
    Ok(agreed)
}
