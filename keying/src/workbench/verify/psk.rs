//! The checks of the pre-shared key mode, and of error messages under a pre-shared key.

use super::{Done, Stop, Vector};
use crate::Identity;
use crate::mikey::bundle::SessionKeys;
use crate::mikey::derive::{CsbLabel, FromTgk, HASH_LEN, TransportKeys};
use crate::mikey::mode::Initiated;
use crate::mikey::modes::psk::{Ids, Init, Pending, permitted, verify_data};
use crate::mikey::wire::{
    CsMap, DataType, ErrorNo, KeyData, KeyKind, Kv, MacAlg, Message, Secret, T, V, WireError, from_base64,
};
use crate::mikey::{MikeyPolicy, Tolerances};
use crate::{Error, Proof};
use keyphone_media::env::NtpTime;

/// Every algorithm is allowed, for this is about being right, not about being careful.
pub(super) fn policy(tolerances: Tolerances) -> MikeyPolicy {
    MikeyPolicy { allow_null_encryption: true, allow_null_mac: true, tolerances, ..MikeyPolicy::default() }
}

pub(super) fn read(b64: &str, tolerances: Tolerances) -> Result<Message, WireError> {
    Message::read(&from_base64(b64)?, tolerances)
}

/// I_MESSAGE, keys, R_MESSAGE.
pub(super) fn exchange(vector: &Vector, tolerances: Tolerances, done: &mut Done) -> Result<(), Stop> {
    let (policy, expected) = (policy(tolerances), &vector.expected);
    let message = read(&vector.i_message_b64, tolerances)?;
    let init = Init::read(&message)?;
    permitted(init.protection(), &policy)?;
    header(vector, &init.csb, init.t, done)?;
    done.note("i_parse");

    let keys = transport_keys(vector, &init.csb, done)?;
    let proof = init.verify(keys.as_ref(), nobody(), &policy)?;
    if init.protection().1 != MacAlg::Null {
        done.note("kemac_mac");
    }
    let plain = init.decrypt(keys.as_ref(), &proof)?;
    done.octets("kemac_plaintext", expected.kemac_plaintext.as_ref(), &plain)?;
    let keys_sent = init.keys(&plain)?;
    key_data(vector, &keys_sent, done)?;
    done.note("kemac_decrypt");
    crypto_sessions(vector, &keys_sent[0], &init.csb, &message.hdr().map, done)?;

    if let Some(answer) = &vector.r_message_b64 {
        let answer = read(answer, tolerances)?;
        done.note("r_parse");
        Pending::new(&init, keys.as_ref(), (nobody(), false), &policy).complete(&answer, NtpTime(0))?;
        if let Some(expected) = expected.r_ts_equal {
            done.equal("r_ts_equal", &expected.to_string(), &(*answer.one::<T>()? == init.t).to_string())?;
        }
        done.note("v_mac");
    }
    Ok(())
}

/// An error message: which errors, and under whose key.
pub(super) fn error(vector: &Vector, tolerances: Tolerances, done: &mut Done) -> Result<(), Stop> {
    let message = read(&vector.i_message_b64, tolerances)?;
    message.complete()?;
    done.equal("data type", &DataType::Error.to_string(), &message.hdr().data_type.to_string())?;
    let t = *message.one::<T>()?;
    let csb = CsbLabel { csb_id: message.hdr().csb_id, rand: vector.input("prior_rand")?.unwrap_or_default() };
    header(vector, &csb, t, done)?;
    let numbers = |errors: Vec<u8>| errors.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
    let errors = message.many::<ErrorNo>().map(|&error| error.into()).collect();
    done.equal("errors", &numbers(vector.expected.errors.clone()), &numbers(errors))?;

    let keys = transport_keys(vector, &csb, done)?;
    if let Some(v) = message.maybe::<V>()? {
        let computed = verify_data(v.auth_alg, keys.as_ref(), message.before_ver_data()?, &Ids::default(), t)?;
        if Proof::verify_mac(nobody(), &computed, &v.ver_data).is_none() {
            let (expected, got) = (hex::encode(&computed), hex::encode(&v.ver_data));
            return Err(Stop::Failed { check: "v_mac".into(), expected, got });
        }
        done.note("v_mac");
    }
    Ok(())
}

/// A file names nobody outside of its messages.
pub(super) fn nobody() -> Identity {
    Identity::new("sip:anonymous.invalid")
}

pub(super) fn header(vector: &Vector, csb: &CsbLabel, t: T, done: &mut Done) -> Result<(), Stop> {
    let expected = &vector.expected;
    done.octets("csb_id", expected.csb_id.as_ref(), &csb.csb_id.to_be_bytes())?;
    done.octets("rand", expected.rand.as_ref(), &csb.rand)?;
    done.octets("ts", expected.ts.as_ref(), &t.octets())
}

pub(super) fn transport_keys(vector: &Vector, csb: &CsbLabel, done: &mut Done) -> Result<Option<TransportKeys>, Stop> {
    let Some(psk) = vector.input("psk")? else { return Ok(None) };
    if psk.is_empty() {
        return Err(Error::Misuse("an empty pre-shared key is none").into());
    }
    let keys = TransportKeys::new(&psk, csb);
    transport(vector, &keys, done)?;
    Ok(Some(keys))
}

pub(super) fn transport(vector: &Vector, keys: &TransportKeys, done: &mut Done) -> Result<(), Stop> {
    let expected = &vector.expected;
    done.octets("encr_key", expected.encr_key.as_ref(), &keys.encr)?;
    done.octets("transport_salt", expected.transport_salt.as_ref(), &keys.salt)?;
    done.octets("auth_key", expected.auth_key.as_ref(), &keys.auth)
}

pub(super) fn key_data(vector: &Vector, keys: &[KeyData], done: &mut Done) -> Result<(), Stop> {
    let expected = &vector.expected;
    let tgk = keys.iter().find(|key| key.kind == KeyKind::Tgk);
    done.octets("tgk", expected.tgk.as_ref(), tgk.map_or(&[], |key| key.key.bytes()))?;
    done.equal("keys", &expected.key_data.len().to_string(), &keys.len().to_string())?;
    for (expected, key) in expected.key_data.iter().zip(keys) {
        done.equal("key type", &expected.r#type, key.type_name())?;
        done.octets("key", Some(&expected.key), key.key.bytes())?;
        let salt = key.salt.as_ref().map_or(&[][..], Secret::bytes);
        done.equal("key salt", expected.salt.as_deref().unwrap_or(""), &hex::encode(salt))?;
        match &key.kv {
            Kv::Null => done.equal("kv", &expected.kv.len().to_string(), "0")?,
            Kv::Spi(spi) => done.octets("spi", Some(value(expected, "spi")), spi)?,
            Kv::Interval { from, to } => {
                done.octets("valid_from", Some(value(expected, "valid_from")), from)?;
                done.octets("valid_to", Some(value(expected, "valid_to")), to)?;
            }
        }
    }
    Ok(())
}

fn value<'v>(key: &'v super::ExpectedKey, name: &str) -> &'v String {
    const NONE: &String = &String::new();
    key.kv.get(name).unwrap_or(NONE)
}

/// SRTP's TEK and salt, the TEK of a cipher with 256 bits, and the separate keys of RFC 3830 section 4.1.3.
pub(super) fn crypto_sessions(
    vector: &Vector,
    key: &KeyData,
    csb: &CsbLabel,
    map: &CsMap,
    done: &mut Done,
) -> Result<(), Stop> {
    for cs in &vector.expected.cs {
        // With an empty map (RFC 4563) the CS IDs are agreed on elsewhere.
        if let CsMap::Srtp(ids) = map
            && !(1..=ids.len()).contains(&cs.id.into())
        {
            let (expected, got) = (cs.id.to_string(), format!("1 to {}", ids.len()));
            return Err(Stop::Failed { check: "CS ID".into(), expected, got });
        }
        let keys = SessionKeys::new(key, cs.id, csb, (16, 14));
        done.octets(format!("tek {}", cs.id), Some(&cs.tek), &keys.tek)?;
        done.octets(format!("salt {}", cs.id), Some(&cs.salt), keys.salt.as_deref().map_or(&[], Vec::as_slice))?;
        let wide = SessionKeys::new(key, cs.id, csb, (32, 14));
        done.octets(format!("tek32 {}", cs.id), cs.tek32.as_ref(), &wide.tek)?;
        let derive = |what: FromTgk, len| what.derive(key.key.bytes(), cs.id, csb, len);
        done.octets(format!("encr {}", cs.id), cs.encr.as_ref(), &derive(FromTgk::Encr, 16))?;
        done.octets(format!("auth {}", cs.id), cs.auth.as_ref(), &derive(FromTgk::Auth, HASH_LEN))?;
    }
    Ok(())
}
