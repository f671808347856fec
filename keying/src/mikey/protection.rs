//! How messages and the keys in them are protected under transport keys (RFC 3830 sections 4.2.3, 4.2.4 and 5.2),
//! the same for a pre-shared key and for an envelope key.

use super::bundle::Bundle;
use super::derive::{CsbLabel, HASH_LEN, TransportKeys, hmac_sha1};
use super::ids::Ids;
use super::mode::Refused;
use super::policy::{KeyForm, MikeyPolicy};
use super::transport;
use super::turns::InUse;
use super::wire::{EncrAlg, ErrorNo, Kemac, KeyData, KeyKind, MacAlg, Secret, T, key_data};
use crate::Error;
use keyphone_media::env::Env;
use zeroize::Zeroizing;

/// Does policy let a KEMAC be protected so?
///
/// # Errors
/// Each of the NULL algorithms without its permission, and algorithms that we do not know.
pub fn permitted((encr, mac): (EncrAlg, MacAlg), policy: &MikeyPolicy) -> Result<(), Refused> {
    let no = |number, what: String| Err(Refused::new(number, Error::incompatible(what)));
    match encr {
        EncrAlg::Null if !policy.allow_null_encryption => no(
            ErrorNo::InvalidEa,
            "its keys would travel in clear, which policy forbids (RFC 3830 section 4.2.3)".into(),
        ),
        EncrAlg::Unknown(n) => {
            no(ErrorNo::InvalidEa, format!("its encryption algorithm {n} is none we know (RFC 3830 section 6.2)"))
        }
        EncrAlg::Null | EncrAlg::AesCm128 | EncrAlg::AesKw128 => match mac {
            MacAlg::Null if !policy.allow_null_mac => {
                no(ErrorNo::InvalidMac, "it has no MAC, which policy forbids (RFC 3830 section 4.2.4)".into())
            }
            MacAlg::Unknown(n) => {
                no(ErrorNo::InvalidMac, format!("its MAC algorithm {n} is none we know (RFC 3830 section 6.2)"))
            }
            MacAlg::Null | MacAlg::HmacSha1_160 => Ok(()),
        },
    }
}

/// A MAC over the pieces, empty for NULL.
///
/// # Errors
/// There is no key for it, or it is none that we know.
pub fn mac(alg: MacAlg, keys: Option<&TransportKeys>, pieces: &[&[u8]]) -> Result<Vec<u8>, Error> {
    match (alg, keys) {
        (MacAlg::Null, _) => Ok(vec![]),
        (MacAlg::HmacSha1_160, Some(keys)) => {
            let mac: [u8; HASH_LEN] = hmac_sha1(&keys.auth, pieces);
            Ok(mac.to_vec())
        }
        (MacAlg::HmacSha1_160, None) => Err(Error::Misuse("a MAC needs a pre-shared key")),
        (MacAlg::Unknown(_), _) => Err(Error::Misuse("this MAC is none we know")),
    }
}

/// Ver data: a MAC over the message without it, the data of the identities that were transported, and the Initiator's
/// T in 64 bits (RFC 3830 section 5.2).
///
/// # Errors
/// As in [`mac`].
pub fn verify_data(
    alg: MacAlg,
    keys: Option<&TransportKeys>,
    message: &[u8],
    ids: &Ids,
    t: T,
) -> Result<Vec<u8>, Error> {
    let data = |id: &Option<super::wire::Id>| id.as_ref().map(|id| id.data.clone()).unwrap_or_default();
    mac(alg, keys, &[message, &data(&ids.i), &data(&ids.r), &t.octets()])
}

/// Encrypts our own key data.
///
/// # Errors
/// There is no key for it, or the algorithm does not take data of this length.
pub fn encrypt(
    alg: EncrAlg,
    plain: &[u8],
    keys: Option<&TransportKeys>,
    csb: &CsbLabel,
    t: T,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    match (alg, keys) {
        (EncrAlg::Null, _) => Ok(Zeroizing::new(plain.to_vec())),
        (EncrAlg::AesCm128, Some(keys)) => Ok(transport::aes_cm(keys, csb.csb_id, t.octets(), plain)),
        (EncrAlg::AesKw128, Some(keys)) => transport::aes_kw_wrap(keys, plain)
            .map(Zeroizing::new)
            .ok_or(Error::Misuse("AES-KW needs key data in multiples of 8 octets")),
        (EncrAlg::AesCm128 | EncrAlg::AesKw128, None) => Err(Error::Misuse("encryption needs a pre-shared key")),
        (EncrAlg::Unknown(_), _) => Err(Error::Misuse("this encryption is none we know")),
    }
}

/// Decrypts the key data of a message that was verified: call it with nothing else.
///
/// # Errors
/// AES-KW's own check fails.
pub(crate) fn decrypt(
    kemac: &Kemac,
    keys: Option<&TransportKeys>,
    csb: &CsbLabel,
    t: T,
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let data = &kemac.encr_data;
    let (alg, keys) = match (kemac.encr_alg, keys) {
        (EncrAlg::Null, _) => return Ok(data.clone()),
        (alg, Some(keys)) => (alg, keys),
        (_, None) => return Err(Error::Misuse("decryption needs a pre-shared key").into()),
    };
    match alg {
        EncrAlg::AesCm128 => Ok(transport::aes_cm(keys, csb.csb_id, t.octets(), data)),
        EncrAlg::AesKw128 => transport::aes_kw_unwrap(keys, data).ok_or_else(|| {
            let what = "its wrapped keys do not unwrap (RFC 3394 section 2.2.2)";
            Error::misbehaved(what, "RFC 3830 section 4.2.3").into()
        }),
        EncrAlg::Null | EncrAlg::Unknown(_) => Err(Error::Misuse("this encryption was refused before").into()),
    }
}

/// The keys in decrypted key data.
///
/// # Errors
/// Not readable; none at all, which only an update may have (RFC 3830 section 6.2); an empty one.
pub fn keys(plain: &[u8]) -> Result<Vec<KeyData>, Refused> {
    let keys = key_data::read_keys(plain)?;
    if keys.is_empty() || keys.iter().any(|key| key.key.is_empty()) {
        return Err(Error::misbehaved("its message brings no key, or an empty one", "RFC 3830 section 3.1").into());
    }
    Ok(keys)
}

/// The same of an update, which may bring no keys: then those before stay (RFC 3830 section 4.5).
///
/// # Errors
/// Not readable, or an empty key.
pub fn update_keys(plain: &[u8]) -> Result<Vec<KeyData>, Refused> {
    if plain.is_empty() { Ok(vec![]) } else { keys(plain) }
}

/// A fresh key in the form that policy chooses, the first of a bundle or one that follows those `in_use`. `before` octets stand before its
/// Key data in the KEMAC.
///
/// A TGK has 16 octets, or as many more as AES-KW needs for all that is encrypted to be a multiple of 8 octets
/// (RFC 3394 section 2; RFC 3830 has no padding).
///
/// # Errors
/// AES-KW does not take a TEK of this length.
pub fn fresh(
    ask: &Bundle<'_>,
    encr: EncrAlg,
    before: usize,
    in_use: Option<&InUse>,
    env: &mut Env<'_>,
) -> Result<KeyData, Error> {
    let kv = in_use.map_or_else(|| ask.policy.validity.first(), InUse::next);
    let (key_len, salt_len) = (ask.suite.key_len(), ask.suite.salt_len());
    let (kind, key, salt) = match ask.policy.keys {
        KeyForm::Tgk => (KeyKind::Tgk, 16, None),
        KeyForm::TgkSalt => (KeyKind::Tgk, 16, Some(salt_len)),
        KeyForm::TekSalt => (KeyKind::Tek, key_len, Some(salt_len)),
        KeyForm::TekWithSalt => (KeyKind::Tek, key_len + salt_len, None),
    };
    // RFC 3830 section 6.13: Next payload, Type and KV, and the lengths.
    let beside = before + 4 + salt.map_or(0, |len| 2 + len) + kv.octets();
    let missing = (8 - (beside + key) % 8) % 8;
    let key = match (encr, kind) {
        (EncrAlg::AesKw128, KeyKind::Tgk) => key + missing,
        (EncrAlg::AesKw128, KeyKind::Tek) if missing > 0 => {
            return Err(Error::Misuse("AES-KW does not take a TEK of this length, and MIKEY has no padding"));
        }
        _ => key,
    };
    let mut random = |len| {
        let mut octets = vec![0; len];
        env.rng.fill(&mut octets);
        Secret::new(octets)
    };
    Ok(KeyData { kind, key: random(key), salt: salt.map(random), kv })
}
