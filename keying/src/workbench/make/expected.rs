//! What any correct implementation gets out of an exchange.

use super::{Played, Recipe};
use crate::Error;
use crate::mikey::ModeName;
use crate::mikey::bundle::SessionKeys;
use crate::mikey::derive::{FromTgk, HASH_LEN};
use crate::mikey::modes::rsar::signed_behind;
use crate::mikey::wire::{Id, KeyData, KeyKind, Kv, MacAlg, T};
use crate::workbench::open::Opened;
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

/// The name that files of vectors give the mode.
pub(super) fn mode(mode: ModeName) -> &'static str {
    match mode {
        ModeName::Null | ModeName::Psk => "psk",
        ModeName::Rsa => "pke",
        ModeName::DhSign => "dh",
        ModeName::DhHmac => "dhhmac",
        ModeName::RsaR => "rsa-r",
    }
}

/// What can be checked.
pub(super) fn checks(recipe: &Recipe) -> Vec<&'static str> {
    match recipe.mode {
        ModeName::Null | ModeName::Psk if recipe.mac == MacAlg::Null => vec!["i_parse", "r_parse", "kemac_decrypt"],
        ModeName::Null | ModeName::Psk => vec!["i_parse", "r_parse", "kemac_decrypt", "kemac_mac", "v_mac"],
        ModeName::Rsa => {
            vec!["i_parse", "r_parse", "pke_decrypt", "kemac_decrypt", "kemac_mac", "i_sign", "v_mac"]
        }
        ModeName::DhSign => vec!["i_parse", "r_parse", "dh", "i_sign", "r_sign"],
        ModeName::DhHmac => vec!["i_parse", "r_parse", "i_mac", "r_mac", "dh"],
        ModeName::RsaR => vec!["i_parse", "r_parse", "pke_decrypt", "kemac_decrypt", "kemac_mac", "i_sign", "r_sign"],
    }
}

/// Every value, by the name that files of vectors give it.
pub(super) fn of(recipe: &Recipe, played: &Played, opened: &[Opened]) -> Result<Value, Error> {
    let mut out = Map::new();
    let Played { i, r, agreed, .. } = played;
    let t = *i.one::<T>()?;
    let mut put = |name: &str, value: Value| out.insert(name.into(), value);
    put("csb_id", hex::encode(i.hdr().csb_id.to_be_bytes()).into());
    if recipe.for_group {
        put("csb_id_for_keys", hex::encode(agreed.csb.csb_id.to_be_bytes()).into());
    }
    put("rand", hex::encode(&agreed.csb.rand).into());
    put("ts", hex::encode(t.octets()).into());
    put("r_ts_equal", (*r.one::<T>()? == t).into());
    let value = |name: &str| opened.iter().find_map(|opened| opened.value(name));
    for (ours, theirs) in [
        ("envelope key", "envelope_key"),
        ("encr_key", "encr_key"),
        ("salt key", "transport_salt"),
        ("auth_key", "auth_key"),
        ("Encr data, decrypted", "kemac_plaintext"),
        ("ID in KEMAC", "kemac_id"),
    ] {
        if let Some(value) = value(ours) {
            put(theirs, value.into());
        }
    }
    let [key] = &agreed.keys[..] else { return Err(Error::Misuse("an exchange that is made has one key")) };
    if key.kind == KeyKind::Tgk {
        put("tgk", hex::encode(key.key.bytes()).into());
    }
    let agrees = matches!(recipe.mode, ModeName::DhSign | ModeName::DhHmac);
    if agrees {
        put("dh_r_first", true.into());
    } else {
        put("key_data", json!([key_data(key)]));
    }
    let hash = |octets: &[u8]| Value::from(hex::encode(Sha1::digest(octets)));
    if matches!(recipe.mode, ModeName::Rsa | ModeName::DhSign | ModeName::RsaR) {
        put("i_signed_sha1", hash(i.before_signature()?));
    }
    match recipe.mode {
        ModeName::DhSign => put("r_signed_sha1", hash(r.before_signature()?)),
        ModeName::RsaR => {
            let behind = signed_behind(i.many::<Id>().next(), r.many::<Id>().next(), t);
            put("r_signed_sha1", hash(&[r.before_signature()?, &behind].concat()))
        }
        _ => None,
    };
    put("cs", (1..=recipe.sessions).map(|cs| session(key, cs, played)).collect());
    Ok(Value::Object(out))
}

fn key_data(key: &KeyData) -> Value {
    let mut object = json!({ "type": key.type_name(), "key": hex::encode(key.key.bytes()) });
    if let Some(salt) = &key.salt {
        object["salt"] = hex::encode(salt.bytes()).into();
    }
    match &key.kv {
        Kv::Null => {}
        Kv::Spi(spi) => object["kv"] = json!({ "spi": hex::encode(spi) }),
        Kv::Interval { from, to } => {
            object["kv"] = json!({ "valid_from": hex::encode(from), "valid_to": hex::encode(to) });
        }
    }
    object
}

/// TEK and salt of AES-CM-128, and what else can be derived for this crypto session.
fn session(key: &KeyData, cs: u8, played: &Played) -> Value {
    let csb = &played.agreed.csb;
    let keys = SessionKeys::new(key, cs, csb, (16, 14));
    let salt = keys.salt.as_deref().map(hex::encode).unwrap_or_default();
    let mut object = json!({ "id": cs, "tek": hex::encode(&*keys.tek), "salt": salt });
    if key.kind == KeyKind::Tgk {
        let derive = |what: FromTgk, len| Value::from(hex::encode(&*what.derive(key.key.bytes(), cs, csb, len)));
        object["tek32"] = derive(FromTgk::Tek, 32);
        object["encr"] = derive(FromTgk::Encr, 16);
        object["auth"] = derive(FromTgk::Auth, HASH_LEN);
    }
    object
}
