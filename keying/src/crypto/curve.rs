//! NIST's curves, as the library has them.

use openssl::bn::{BigNum, BigNumContext, BigNumContextRef};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Private, Public};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::sync::OnceLock;

/// A curve for ECDSA, and for the Diffie-Hellman groups of our own. RFC 5197 section 4.1 asks MIKEY for elliptic curves;
/// these are NIST's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl Curve {
    /// All of them.
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Octets of a number modulo the curve's order, and of a coordinate.
    pub const fn octets(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn nid(self) -> Nid {
        match self {
            Self::P256 => Nid::X9_62_PRIME256V1,
            Self::P384 => Nid::SECP384R1,
            Self::P521 => Nid::SECP521R1,
        }
    }

    pub(super) fn of(nid: Nid) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.nid() == nid)
    }

    /// The curve of an object identifier (RFC 5480 section 2.1.1.1).
    pub(super) fn of_oid(oid: &str) -> Option<Self> {
        match oid {
            "1.2.840.10045.3.1.7" => Some(Self::P256),
            "1.3.132.0.34" => Some(Self::P384),
            "1.3.132.0.35" => Some(Self::P521),
            _ => None,
        }
    }

    /// Its points, and how many there are. To set up a curve costs as much as to use it, so it is done once.
    fn set_up(self) -> Result<&'static (EcGroup, BigNum), ErrorStack> {
        static CURVES: [OnceLock<(EcGroup, BigNum)>; 3] = [const { OnceLock::new() }; 3];
        let curve = &CURVES[self as usize];
        if let Some(curve) = curve.get() {
            return Ok(curve);
        }
        let (group, mut order) = (EcGroup::from_curve_name(self.nid())?, BigNum::new()?);
        group.order(&mut order, &mut *BigNumContext::new()?)?;
        Ok(curve.get_or_init(|| (group, order)))
    }

    pub(crate) fn group(self) -> Result<&'static EcGroup, ErrorStack> {
        self.set_up().map(|(group, _)| group)
    }

    /// The order of its generator, which is that of the curve: a prime.
    pub(crate) fn order(self) -> Result<&'static BigNum, ErrorStack> {
        self.set_up().map(|(_, order)| order)
    }

    /// A point that somebody else wrote. The library takes none that is not on the curve (SEC 1 section 2.3.4), and we none
    /// at infinity.
    pub(crate) fn point(self, octets: &[u8], context: &mut BigNumContextRef) -> Result<EcPoint, ErrorStack> {
        let group = self.group()?;
        let point = EcPoint::from_bytes(group, octets, context)?;
        if point.is_infinity(group) { Err(ErrorStack::get()) } else { Ok(point) }
    }

    /// A public key of ECDSA, from its point.
    pub(crate) fn public(self, point: &[u8]) -> Result<EcKey<Public>, ErrorStack> {
        EcKey::from_public_key(self.group()?, &*self.point(point, &mut *BigNumContext::new()?)?)
    }

    /// The hash for ECDSA: as long as the curve, as far as there is one.
    fn digest(self, pieces: &[&[u8]]) -> Vec<u8> {
        fn hash<D: Digest>(pieces: &[&[u8]]) -> Vec<u8> {
            pieces.iter().fold(D::new(), |hash, piece| hash.chain_update(piece)).finalize().to_vec()
        }
        match self {
            Self::P256 => hash::<Sha256>(pieces),
            Self::P384 => hash::<Sha384>(pieces),
            Self::P521 => hash::<Sha512>(pieces),
        }
    }

    /// ECDSA over the pieces: r and s, each as long as the order.
    pub(super) fn sign(self, key: &EcKey<Private>, pieces: &[&[u8]]) -> Result<Vec<u8>, ErrorStack> {
        let (signature, len) = (EcdsaSig::sign(&self.digest(pieces), key)?, self.octets() as i32);
        Ok([signature.r().to_vec_padded(len)?, signature.s().to_vec_padded(len)?].concat())
    }

    /// Is that r and s of this key over the pieces?
    pub(super) fn verify<T: HasPublic>(
        self,
        key: &EcKey<T>,
        pieces: &[&[u8]],
        signature: &[u8],
    ) -> Result<bool, ErrorStack> {
        if signature.len() != 2 * self.octets() {
            return Ok(false);
        }
        let (r, s) = signature.split_at(self.octets());
        let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
        signature.verify(&self.digest(pieces), key)
    }

    /// The same of a signature in DER (RFC 3279 section 2.2.3), which has one form.
    pub(crate) fn verify_der(self, point: &[u8], message: &[u8], der: &[u8]) -> Result<bool, ErrorStack> {
        let (key, signature) = (self.public(point)?, EcdsaSig::from_der(der)?);
        Ok(signature.to_der()? == der && signature.verify(&self.digest(&[message]), &key)?)
    }
}
