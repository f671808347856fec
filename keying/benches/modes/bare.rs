//! One public-key operation each, by the library alone: as little of it as there is, with keys and curves set up before.
//! What comes from a peer comes as octets, for in a message it always does.

use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::encrypt::{Decrypter, Encrypter};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{Signer, Verifier};
use std::hint::black_box;

/// An operation, ready to be repeated.
pub(crate) type Operation = Box<dyn FnMut()>;

/// Makes one ready.
pub(crate) type Make = fn() -> Operation;

/// Operations, to be made ready.
pub(crate) type Bare = &'static [Make];

const MESSAGE: [u8; 1000] = [7; 1000];

/// A power with a secret exponent of 256 bits.
fn power(prime: BigNum) -> Operation {
    let mut exponent = BigNum::from_slice(&[0xa5; 32]).expect("a number");
    exponent.set_const_time();
    let base = BigNum::from_slice(&vec![0x5a; prime.num_bytes() as usize - 1]).expect("a number");
    let mut context = BigNumContext::new().expect("memory");
    Box::new(move || {
        let mut result = BigNum::new().expect("memory");
        result.mod_exp(&base, &exponent, &prime, &mut context).expect("a power");
        black_box(result);
    })
}

pub(crate) fn oakley5() -> Operation {
    power(BigNum::get_rfc3526_prime_1536().expect("a prime"))
}

pub(crate) fn oakley1() -> Operation {
    power(BigNum::get_rfc2409_prime_768().expect("a prime"))
}

pub(crate) fn oakley2() -> Operation {
    power(BigNum::get_rfc2409_prime_1024().expect("a prime"))
}

/// A scalar that does not change: what is drawn is not the library's.
fn scalar() -> BigNum {
    BigNum::from_slice(&[0x5a; 32]).expect("a number")
}

/// A fresh half: a scalar times the generator, to its octets.
fn fresh(nid: Nid) -> Operation {
    let (group, scalar) = (EcGroup::from_curve_name(nid).expect("a curve"), scalar());
    let mut context = BigNumContext::new().expect("memory");
    Box::new(move || {
        let mut point = EcPoint::new(&group).expect("memory");
        point.mul_generator2(&group, &scalar, &mut context).expect("a point");
        black_box(point.to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).expect("its octets"));
    })
}

pub(crate) fn fresh_p256() -> Operation {
    fresh(Nid::X9_62_PRIME256V1)
}

pub(crate) fn fresh_p384() -> Operation {
    fresh(Nid::SECP384R1)
}

pub(crate) fn fresh_p521() -> Operation {
    fresh(Nid::SECP521R1)
}

/// The library has no scalar multiplication on this curve but by keys, so a key is made.
pub(crate) fn fresh_x25519() -> Operation {
    Box::new(|| {
        let key = PKey::private_key_from_raw_bytes(&[0x5a; 32], Id::X25519).expect("a key");
        black_box(key.raw_public_key().expect("its half"));
    })
}

/// An agreement, from the octets of the peer's point, which the library finds on the curve, to the octets of x.
fn agree(nid: Nid) -> Operation {
    let (group, scalar) = (EcGroup::from_curve_name(nid).expect("a curve"), scalar());
    let mut context = BigNumContext::new().expect("memory");
    let theirs = EcKey::generate(&group).expect("a key");
    let theirs = theirs.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context);
    let theirs = theirs.expect("its octets");
    Box::new(move || {
        let peer = EcPoint::from_bytes(&group, &theirs, &mut context).expect("a point");
        let mut common = EcPoint::new(&group).expect("memory");
        common.mul2(&group, &peer, &scalar, &mut context).expect("a point");
        let (mut x, mut y) = (BigNum::new().expect("memory"), BigNum::new().expect("memory"));
        common.affine_coordinates(&group, &mut x, &mut y, &mut context).expect("its coordinates");
        black_box(x.to_vec());
    })
}

pub(crate) fn agree_p256() -> Operation {
    agree(Nid::X9_62_PRIME256V1)
}

pub(crate) fn agree_p384() -> Operation {
    agree(Nid::SECP384R1)
}

pub(crate) fn agree_p521() -> Operation {
    agree(Nid::SECP521R1)
}

/// The same; here the octets must become a key.
pub(crate) fn agree_x25519() -> Operation {
    let ours = PKey::generate_x25519().expect("a key");
    let theirs = PKey::generate_x25519().expect("a key").raw_public_key().expect("its half");
    Box::new(move || {
        let peer = PKey::public_key_from_raw_bytes(&theirs, Id::X25519).expect("a key");
        let mut deriver = Deriver::new(&ours).expect("a key");
        deriver.set_peer_ex(&peer, false).expect("another");
        black_box(deriver.derive_to_vec().expect("what they agree on"));
    })
}

fn sign(key: PKey<Private>, digest: MessageDigest) -> Operation {
    Box::new(move || {
        let mut signer = Signer::new(digest, &key).expect("a key");
        black_box(signer.sign_oneshot_to_vec(&MESSAGE).expect("a signature"));
    })
}

fn verify(key: PKey<Private>, digest: MessageDigest) -> Operation {
    let signature = Signer::new(digest, &key).expect("a key").sign_oneshot_to_vec(&MESSAGE).expect("a signature");
    Box::new(move || {
        let mut verifier = Verifier::new(digest, &key).expect("a key");
        assert!(black_box(verifier.verify_oneshot(&signature, &MESSAGE).expect("a signature")));
    })
}

fn rsa() -> PKey<Private> {
    let pem = include_bytes!("../../tests/data/certs/alice.key");
    PKey::from_rsa(Rsa::private_key_from_pem(pem).expect("a key")).expect("a key")
}

fn ecdsa() -> EcKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    EcKey::generate(&group).expect("a key")
}

pub(crate) fn sign_rsa() -> Operation {
    sign(rsa(), MessageDigest::sha1())
}

pub(crate) fn verify_rsa() -> Operation {
    verify(rsa(), MessageDigest::sha1())
}

/// A signature of a hash.
pub(crate) fn sign_ecdsa() -> Operation {
    let key = ecdsa();
    Box::new(move || drop(black_box(EcdsaSig::sign(&[7; 32], &key).expect("a signature"))))
}

pub(crate) fn verify_ecdsa() -> Operation {
    let key = ecdsa();
    let signature = EcdsaSig::sign(&[7; 32], &key).expect("a signature");
    Box::new(move || assert!(black_box(signature.verify(&[7; 32], &key).expect("a signature"))))
}

/// The one signature of a chain whose authority is on P-256: by the library that checks chains.
pub(crate) fn chain() -> Operation {
    let key = ecdsa();
    let mut context = BigNumContext::new().expect("memory");
    let point = key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context);
    let point = point.expect("its octets");
    let key = PKey::from_ec_key(key).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a key");
    let signature = signer.sign_oneshot_to_vec(&MESSAGE).expect("a signature");
    Box::new(move || {
        let verified = webpki::ring::ECDSA_P256_SHA256.verify_signature(&point, &MESSAGE, &signature);
        verified.expect("a signature");
    })
}

/// An envelope for an RSA key, made or opened.
pub(crate) fn encrypt_rsa() -> Operation {
    let key = rsa();
    Box::new(move || {
        let mut encrypter = Encrypter::new(&key).expect("a key");
        encrypter.set_rsa_padding(Padding::PKCS1).expect("a padding");
        let mut out = vec![0; 256];
        black_box(encrypter.encrypt(&[7; 16], &mut out).expect("an envelope"));
    })
}

pub(crate) fn decrypt_rsa() -> Operation {
    let key = rsa();
    let mut envelope = vec![0; 256];
    let mut encrypter = Encrypter::new(&key).expect("a key");
    encrypter.set_rsa_padding(Padding::PKCS1).expect("a padding");
    encrypter.encrypt(&[7; 16], &mut envelope).expect("an envelope");
    drop(encrypter);
    Box::new(move || {
        let mut decrypter = Decrypter::new(&key).expect("a key");
        decrypter.set_rsa_padding(Padding::PKCS1).expect("a padding");
        let mut out = vec![0; 256];
        black_box(decrypter.decrypt(&envelope, &mut out).expect("what was in it"));
    })
}
