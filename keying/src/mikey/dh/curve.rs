//! Elliptic curves (RFC 5197 section 4.1): P-256, P-384 and P-521 (SEC 1), and X25519 (RFC 7748).
//!
//! NIST's curves have a prime order and no small subgroup, so a point that is on the curve and not at infinity is a good
//! one (SEC 1 section 3.2.2.1). On Curve25519 every value is allowed; what must not be is a result of zeros, which a value
//! of small order brings about (RFC 7748 section 6.1).

use super::{Half, bad, library};
use crate::Error;
use crate::mikey::derive::Secret;
use crate::mikey::wire::DhGroup;
use keyphone_media::env::Env;
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPrivate, HasPublic, Id, PKey, PKeyRef};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The first octet of an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// So often is a scalar drawn before the dice are called broken: of honest ones, one draw in 2^32 fails at most.
const DRAWS: usize = 8;

fn curve(group: DhGroup) -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(match group {
        DhGroup::P384 => Nid::SECP384R1,
        DhGroup::P521 => Nid::SECP521R1,
        _ => Nid::X9_62_PRIME256V1,
    })
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

pub(super) fn public(group: DhGroup, secret: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let (curve, mut context) = (curve(group)?, BigNumContext::new_secure()?);
    let mut scalar = BigNum::new_secure()?;
    scalar.copy_from_slice(secret)?;
    if scalar.num_bits() == 0 || scalar >= order(group)? {
        return Err(ErrorStack::get());
    }
    let mut point = EcPoint::new(&curve)?;
    point.mul_generator2(&curve, &scalar, &mut context)?;
    point.to_bytes(&curve, PointConversionForm::UNCOMPRESSED, &mut context)
}

pub(super) fn agree(ours: &Half, theirs: &[u8]) -> Result<Secret, Error> {
    let curve = curve(ours.group).map_err(library)?;
    let mut context = BigNumContext::new_secure().map_err(library)?;
    let point = |bytes: &[u8], context: &mut BigNumContext| EcPoint::from_bytes(&curve, bytes, context);
    let uncompressed = ours.group.octets() == Some(theirs.len()) && theirs.first() == Some(&UNCOMPRESSED);
    // The library takes no point that is not on the curve.
    let peer = uncompressed.then(|| point(theirs, &mut context).ok()).flatten();
    let peer = peer.filter(|point| !point.is_infinity(&curve));
    let Some(peer) = peer else {
        return Err(bad("its DH-value is no point of the curve", "SEC 1 section 3.2.2.1"));
    };
    let derive = |context: &mut BigNumContext| -> Result<Secret, ErrorStack> {
        let mut scalar = BigNum::new_secure()?;
        scalar.copy_from_slice(&ours.secret)?;
        let key = EcKey::from_private_components(&curve, &scalar, &*point(&ours.public, context)?)?;
        let peer = PKey::from_ec_key(EcKey::from_public_key(&curve, &peer)?)?;
        derive(&*PKey::from_ec_key(key)?, &peer)
    };
    derive(&mut context).map_err(library)
}

pub(super) fn public_x25519(secret: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    PKey::private_key_from_raw_bytes(secret, Id::X25519)?.raw_public_key()
}

pub(super) fn agree_x25519(secret: &[u8], theirs: &[u8]) -> Result<Secret, Error> {
    let small = || bad("its DH-value makes a key of zeros, which everybody knows", "RFC 7748 section 6.1");
    let key = PKey::private_key_from_raw_bytes(secret, Id::X25519).map_err(library)?;
    let peer = PKey::public_key_from_raw_bytes(theirs, Id::X25519)
        .map_err(|_| bad("its DH-value has not 32 octets", "RFC 7748 section 5"))?;
    let agreed = derive(&key, &peer).map_err(|_| small())?;
    if bool::from(agreed.ct_eq(&[0; 32])) { Err(small()) } else { Ok(agreed) }
}

/// The peer's value was checked before: the library's own check would multiply once more.
fn derive(ours: &PKeyRef<impl HasPrivate>, theirs: &PKeyRef<impl HasPublic>) -> Result<Secret, ErrorStack> {
    let mut deriver = Deriver::new(ours)?;
    deriver.set_peer_ex(theirs, false)?;
    let mut agreed = Zeroizing::new(vec![0; deriver.len()?]);
    let len = deriver.derive(&mut agreed)?;
    agreed.truncate(len);
    Ok(agreed)
}
