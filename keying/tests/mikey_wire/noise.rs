//! Noise, damage, and any message that can be written.

use crate::workbench::every_octet_is_shown_once;
use crate::{exchanged, rewritten};
use keyphone_keying::mikey::Tolerances;
use keyphone_keying::mikey::wire::*;
use keyphone_keying::workbench::decode::{Keys, decode};
use keyphone_media::rtp::Ssrc;
use proptest::collection::vec;
use proptest::prelude::*;

fn kv() -> impl Strategy<Value = Kv> {
    prop_oneof![
        Just(Kv::Null),
        vec(any::<u8>(), 0..9).prop_map(Kv::Spi),
        (vec(any::<u8>(), 0..7), vec(any::<u8>(), 0..7)).prop_map(|(from, to)| Kv::Interval { from, to }),
    ]
}

fn hdr() -> impl Strategy<Value = Hdr> {
    let id = (any::<u8>(), any::<u32>(), any::<u32>()).prop_map(|(policy_no, ssrc, roc)| SrtpId {
        policy_no,
        ssrc: Some(ssrc).filter(|&ssrc| ssrc != 0).map(Ssrc),
        roc,
    });
    let map = prop_oneof![vec(id, 0..6).prop_map(CsMap::Srtp), any::<u8>().prop_map(|count| CsMap::Empty { count })];
    (any::<u8>(), any::<bool>(), 0u8..128, any::<u32>(), map).prop_map(|(data_type, v, prf, csb_id, map)| Hdr {
        data_type: data_type.into(),
        v,
        prf: prf.into(),
        csb_id,
        map,
    })
}

/// What may come many times.
fn many() -> impl Strategy<Value = Payload> {
    let data = || vec(any::<u8>(), 0..40);
    let param = (any::<u8>(), vec(any::<u8>(), 0..5))
        .prop_map(|(param, value)| Param { param: param.into(), value: value.into() });
    let ext = prop_oneof![
        data().prop_map(Ext::VendorId),
        data().prop_map(Ext::SdpIds),
        any::<u32>().prop_map(Ext::CsbId),
        vec((any::<u8>(), data()), 0..3).prop_map(|ids| {
            Ext::KeyIds(ids.into_iter().map(|(id_type, id)| KeyId { id_type: id_type.into(), id }).collect())
        }),
        (any::<u8>(), data()).prop_map(|(subtype, data)| Ext::OmaBcast { subtype: subtype.into(), data }),
        (6u8.., data()).prop_map(|(ext_type, data)| Ext::Unknown { ext_type, data }),
    ];
    prop_oneof![
        (0u8..3, any::<u8>(), kv()).prop_map(|(group, octet, kv)| {
            let group = DhGroup::from(group);
            Dh { group, value: vec![octet; group.octets().unwrap()], kv }.into()
        }),
        (any::<u8>(), data()).prop_map(|(id_type, data)| Id { id_type: id_type.into(), data }.into()),
        (any::<u8>(), data()).prop_map(|(cert_type, data)| Cert { cert_type: cert_type.into(), data }.into()),
        (any::<u8>(), any::<u8>(), vec(param, 0..14))
            .prop_map(|(policy_no, prot, params)| { Sp { policy_no, prot_type: prot.into(), params }.into() }),
        any::<u8>().prop_map(|no| ErrorNo::from(no).into()),
        ext.prop_map(Payload::from),
    ]
}

/// What may come once, at most one of each, a SIGN at the end.
fn once() -> impl Strategy<Value = Vec<Payload>> {
    let t =
        prop_oneof![any::<u64>().prop_map(T::NtpUtc), any::<u64>().prop_map(T::Ntp), any::<u32>().prop_map(T::Counter)];
    let kemac = (any::<u8>(), vec(any::<u8>(), 0..60), prop_oneof![Just(MacAlg::Null), Just(MacAlg::HmacSha1_160)])
        .prop_map(|(encr_alg, data, mac_alg)| Kemac {
            encr_alg: encr_alg.into(),
            encr_data: data.into(),
            mac_alg,
            mac: vec![3; mac_alg.octets().unwrap()],
        });
    let pke = (0u8..4, vec(any::<u8>(), 0..300)).prop_map(|(cache, data)| Pke { cache: cache.into(), data });
    let chash = prop_oneof![Just(HashFunc::Sha1), Just(HashFunc::Md5)]
        .prop_map(|hash_func| Chash { hash_func, hash: vec![4; hash_func.octets().unwrap()] });
    let v = Just(V { auth_alg: MacAlg::HmacSha1_160, ver_data: vec![5; 20] });
    let rand = vec(any::<u8>(), 0..256).prop_map(Rand);
    let sign =
        (0u8..16, vec(any::<u8>(), 0..400)).prop_map(|(s_type, signature)| Sign { s_type: s_type.into(), signature });
    use proptest::option::of;
    (of(t), of(kemac), of(pke), of(chash), of(v), of(rand), of(sign)).prop_map(
        |(t, kemac, pke, chash, v, rand, sign)| {
            let all: [Option<Payload>; 7] = [
                t.map(Into::into),
                kemac.map(Into::into),
                pke.map(Into::into),
                chash.map(Into::into),
                v.map(Into::into),
                rand.map(Into::into),
                sign.map(Into::into),
            ];
            all.into_iter().flatten().collect()
        },
    )
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..300), interop in any::<bool>()) {
        let tolerances = if interop { Tolerances::interop() } else { Tolerances::none() };
        if let Ok(message) = Message::read(&bytes, tolerances) {
            let _ = (message.complete(), message.clear_keys(), message.before_mac(), message.before_ver_data());
            prop_assert_eq!(message.bytes(), &bytes[..]);
        }
        let _ = (key_data::read_keys(&bytes), key_data::read_id_and_keys(&bytes));
    }

    #[test]
    fn noise_as_text_never_panics(text in "\\PC{0,80}") {
        let _ = Message::from_key_mgmt(&text, Tolerances::interop());
        let _ = Message::from_key_mgmt(&format!("mikey {text}"), Tolerances::interop());
        let _ = decode(text.as_bytes(), Tolerances::interop(), Keys::Shown).map(|decoded| decoded.to_string());
    }

    #[test]
    fn a_damaged_message_never_panics(
        pick in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let messages: Vec<_> = exchanged().collect();
        let mut bytes = messages[pick.index(messages.len())].1.clone();
        for (at, octet) in damage {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        for damaged in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(message) = Message::read(damaged, Tolerances::interop()) {
                let _ = (message.complete(), message.clear_keys(), format!("{message:?}"));
            }
            if damaged.first() == Some(&1) {
                every_octet_is_shown_once(damaged);
            }
        }
    }

    #[test]
    fn what_is_written_is_read(hdr in hdr(), many in vec(many(), 0..6), once in once()) {
        let payloads: Vec<_> = many.into_iter().chain(once).collect();
        let message = payloads.iter().cloned().fold(Draft::new(&hdr), Draft::push).finish().unwrap();
        prop_assert_eq!(message.hdr(), &hdr);
        let read: Vec<_> = message.parts().iter().map(|part| part.payload.clone()).collect();
        prop_assert_eq!(read, payloads);
        let again = rewritten(&message);
        prop_assert_eq!(again.bytes(), message.bytes());
    }

    #[test]
    fn key_data_is_read_as_it_was_written(keys in vec((any::<bool>(), vec(any::<u8>(), 0..50), proptest::option::of(vec(any::<u8>(), 0..20)), kv()), 0..4)) {
        let keys: Vec<_> = keys.into_iter().map(|(tek, key, salt, kv)| KeyData {
            kind: if tek { KeyKind::Tek } else { KeyKind::Tgk },
            key: Secret::new(key),
            salt: salt.map(Secret::new),
            kv,
        }).collect();
        let plain = key_data::write_keys(None, &keys).unwrap();
        prop_assert_eq!(key_data::read_keys(&plain).unwrap(), keys.clone());
        let id = Id::uri("sip:alice@example.org");
        let plain = key_data::write_keys(Some(&id), &keys).unwrap();
        prop_assert_eq!(key_data::read_id_and_keys(&plain).unwrap(), (id, keys));
    }
}
