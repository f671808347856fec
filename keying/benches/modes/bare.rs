//! One public-key operation each, by the library alone.

use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey};
use openssl::encrypt::{Decrypter, Encrypter};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
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

/// A fresh half: a random scalar times the generator.
fn fresh(nid: Nid) -> Operation {
    let group = EcGroup::from_curve_name(nid).expect("a curve");
    Box::new(move || drop(black_box(EcKey::generate(&group).expect("a key"))))
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

pub(crate) fn fresh_x25519() -> Operation {
    Box::new(|| drop(black_box(PKey::generate_x25519().expect("a key").raw_public_key().expect("its half"))))
}

/// An agreement of two keys.
fn agree(ours: PKey<Private>, theirs: PKey<Private>) -> Operation {
    Box::new(move || {
        let mut deriver = Deriver::new(&ours).expect("a key");
        deriver.set_peer_ex(&theirs, false).expect("another");
        black_box(deriver.derive_to_vec().expect("what they agree on"));
    })
}

fn agree_on(nid: Nid) -> Operation {
    let key = || PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(nid).expect("a curve")).expect("a key"));
    agree(key().expect("a key"), key().expect("a key"))
}

pub(crate) fn agree_p256() -> Operation {
    agree_on(Nid::X9_62_PRIME256V1)
}

pub(crate) fn agree_p384() -> Operation {
    agree_on(Nid::SECP384R1)
}

pub(crate) fn agree_p521() -> Operation {
    agree_on(Nid::SECP521R1)
}

pub(crate) fn agree_x25519() -> Operation {
    agree(PKey::generate_x25519().expect("a key"), PKey::generate_x25519().expect("a key"))
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

fn ecdsa() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

pub(crate) fn sign_rsa() -> Operation {
    sign(rsa(), MessageDigest::sha1())
}

pub(crate) fn verify_rsa() -> Operation {
    verify(rsa(), MessageDigest::sha1())
}

pub(crate) fn sign_ecdsa() -> Operation {
    sign(ecdsa(), MessageDigest::sha256())
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

/// Also what a chain of one certificate under an authority on P-256 costs.
pub(crate) fn verify_ecdsa() -> Operation {
    verify(ecdsa(), MessageDigest::sha256())
}
