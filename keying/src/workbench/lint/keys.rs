//! Rules of what protects keys, and of keys that stand in clear.

use super::structure::literal_kemac;
use super::{Hit, Rule, Severity, Subject};
use crate::mikey::wire::{DataType, EncrAlg, Kemac, KeyData, KeyKind, Kv, MacAlg, V};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "encr-unknown",
        severity: Severity::Error,
        section: "RFC 3830 table 6.2.a",
        should: "0 to 2",
        check: |s| {
            let odd = s.each::<Kemac>().filter(|(_, kemac)| matches!(kemac.encr_alg, EncrAlg::Unknown(_)));
            odd.map(|(at, kemac)| Hit::new(at + 1, format!("Encr alg is {}", u8::from(kemac.encr_alg)))).collect()
        },
    },
    Rule {
        id: "encr-null",
        severity: Severity::Warning,
        section: "RFC 3830 section 4.2.3",
        should: "AES-CM-128, unless everything below is encrypted: whoever sees the message has its keys",
        check: |s| {
            let clear = |kemac: &Kemac| kemac.encr_alg == EncrAlg::Null && !kemac.encr_data.is_empty();
            let open = s.each::<Kemac>().filter(|(_, kemac)| clear(kemac));
            open.map(|(at, _)| Hit::new(at + 1, "the keys stand in clear")).collect()
        },
    },
    Rule {
        id: "mac-null",
        severity: Severity::Warning,
        section: "RFC 3830 section 4.2.4",
        should: "HMAC-SHA-1-160: whoever likes can make such a message",
        check: |s| {
            // With AES-KW in the public-key methods it is what section 4.2.3 recommends.
            let signed = matches!(s.message.hdr().data_type, DataType::PkInit | DataType::RsaRResp);
            let wrapped = |kemac: &Kemac| signed && kemac.encr_alg == EncrAlg::AesKw128;
            let none = |kemac: &Kemac| kemac.mac_alg == MacAlg::Null && literal_kemac(s).is_none() && !wrapped(kemac);
            let kemac = s.each::<Kemac>().filter(|(_, kemac)| none(kemac));
            let kemac = kemac.map(|(at, kemac)| Hit::new(at + 4 + kemac.encr_data.len(), "KEMAC has no MAC"));
            let v = s.each::<V>().filter(|(_, v)| v.auth_alg == MacAlg::Null);
            kemac.chain(v.map(|(at, _)| Hit::new(at + 1, "V has no MAC, and so verifies nothing"))).collect()
        },
    },
    Rule {
        id: "dhhmac-kemac",
        severity: Severity::Error,
        section: "RFC 4650 section 4.2",
        should: "no key data, and so NULL encryption: the KEMAC of DHHMAC brings a MAC alone",
        check: |s| {
            let dhhmac = matches!(s.message.hdr().data_type, DataType::DhHmacInit | DataType::DhHmacResp);
            let full = s.each::<Kemac>().filter(|(_, kemac)| dhhmac && !kemac.encr_data.is_empty());
            full.map(|(at, _)| Hit::new(at + 4, "KEMAC has key data")).collect()
        },
    },
    Rule {
        id: "aes-kw-length",
        severity: Severity::Error,
        section: "RFC 3394 section 2",
        should: "a multiple of 8 octets, and at least 24: AES-KW has no padding",
        check: |s| {
            let wrong = |len: usize| len < 24 || !len.is_multiple_of(8);
            let kw = s.each::<Kemac>().filter(|(_, kemac)| kemac.encr_alg == EncrAlg::AesKw128);
            let odd = kw.filter(|(_, kemac)| !kemac.encr_data.is_empty() && wrong(kemac.encr_data.len()));
            odd.map(|(at, kemac)| Hit::new(at + 2, format!("{} octets are wrapped", kemac.encr_data.len()))).collect()
        },
    },
    Rule {
        id: "no-key",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.2",
        should: "a key, unless the message updates a bundle that runs",
        check: |s| {
            let bears = matches!(s.message.hdr().data_type, DataType::PskInit | DataType::PkInit);
            let none = s.each::<Kemac>().filter(|(_, kemac)| bears && kemac.encr_data.is_empty());
            none.map(|(at, _)| Hit::new(at + 2, "KEMAC brings no key")).collect()
        },
    },
    Rule {
        id: "clear-keys-unreadable",
        severity: Severity::Error,
        section: "RFC 3830 section 6.13",
        should: "Key data sub-payloads, one after another, to the end of Encr data",
        check: |s| {
            let error = s.message.clear_keys().err();
            error
                .map(|error| Hit::new(error.offset, format!("the keys in clear cannot be read: {error}")))
                .into_iter()
                .collect()
        },
    },
    Rule {
        id: "key-length",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.13",
        should: "at least 16 octets, the master key of AES-CM",
        check: |s| {
            let short = clear_keys(s).into_iter().filter(|(_, key)| key.key.len() < 16);
            short
                .map(|(at, key)| Hit::new(at + 4, format!("a {} of {} octets", key.type_name(), key.key.len())))
                .collect()
        },
    },
    Rule {
        id: "tek-with-salt",
        severity: Severity::Note,
        section: "RFC 3830 table 6.13.a",
        should: "type 3, TEK+SALT; cameras, GStreamer and live555 write key || salt as type 2",
        check: |s| {
            let both = |key: &KeyData| key.kind == KeyKind::Tek && key.salt.is_none() && key.key.len() == 30;
            let found = clear_keys(s).into_iter().filter(|(_, key)| both(key));
            found.map(|(at, _)| Hit::new(at + 1, "a TEK of 30 octets: a 16-octet master key and its salt")).collect()
        },
    },
    Rule {
        id: "tek-without-salt",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.13",
        should: "TEK+SALT: SRTP needs a master salt",
        check: |s| {
            let bare = |key: &KeyData| key.kind == KeyKind::Tek && key.salt.is_none();
            let found = clear_keys(s).into_iter().filter(|(_, key)| bare(key) && matches!(key.key.len(), 16 | 24 | 32));
            found.map(|(at, _)| Hit::new(at + 1, "a TEK comes without a salt")).collect()
        },
    },
    Rule {
        id: "keys-without-mki",
        severity: Severity::Error,
        section: "RFC 3830 section 6.13",
        should: "each key with an SPI, or the receiver cannot tell them apart",
        check: |s| {
            let keys = clear_keys(s);
            let bare = keys.iter().find(|(_, key)| key.kv == Kv::Null).filter(|_| keys.len() > 1);
            bare.map(|(at, _)| Hit::new(at + 1, format!("one of {} keys has no SPI", keys.len()))).into_iter().collect()
        },
    },
    Rule {
        id: "interval-length",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.14",
        should: "6 octets, the size of SRTP's index, and from before to",
        check: |s| {
            let odd = |key: &KeyData| match &key.kv {
                Kv::Interval { from, to } => from.len() != 6 || to.len() != 6 || from > to,
                _ => false,
            };
            let found = clear_keys(s).into_iter().filter(|(_, key)| odd(key));
            found.map(|(at, _)| Hit::new(at, "the validity interval is no range of SRTP indexes")).collect()
        },
    },
];

/// The keys that stand in clear, and where.
fn clear_keys(s: &Subject<'_>) -> Vec<(usize, KeyData)> {
    let Ok(Some(keys)) = s.message.clear_keys() else { return vec![] };
    let Some((at, _)) = s.each::<Kemac>().next() else { return vec![] };
    let len = |key: &KeyData| {
        let salt = key.salt.as_ref().map_or(0, |salt| 2 + salt.len());
        let kv = match &key.kv {
            Kv::Null => 0,
            Kv::Spi(spi) => 1 + spi.len(),
            Kv::Interval { from, to } => 2 + from.len() + to.len(),
        };
        4 + key.key.len() + salt + kv
    };
    let mut at = at + 4;
    keys.into_iter()
        .map(|key| {
            let start = at;
            at += len(&key);
            (start, key)
        })
        .collect()
}
