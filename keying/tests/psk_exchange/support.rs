//! Two sides that never meet but in lines of SDP, and the messages of peers that we would not write ourselves.

pub(crate) use crate::shared::*;
use keyphone_keying::mikey::derive::{CsbLabel, TransportKeys, hmac_sha1};
use keyphone_keying::mikey::transport::aes_cm;
use keyphone_keying::mikey::wire::{
    CsMap, DataType, Draft, EncrAlg, Ext, Hdr, Id, KeyData, MacAlg, Message, Payload, Prf, Rand, SrtpId, T, key_data,
};
use keyphone_keying::{Identity, Lines, Output, Policy, Psk, PskStore, Stream};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::KeyId;

pub(crate) const PSK: [u8; 16] = *b"sixteen octets!!";

/// Who shares a key with one peer.
pub(crate) fn side(me: &str, peer: &str, psk: &[u8], ssrc: u32) -> Side {
    let mut psks = PskStore::default();
    psks.insert(Some(Identity::new(peer)), Psk::new(psk.to_vec()).unwrap());
    Side::new((me, peer), psks, Policy::default(), ssrc)
}

/// Alice calls bob.
pub(crate) fn pair() -> (Side, Side) {
    let alice = side("sip:alice@example.org", "sip:bob@example.org", &PSK, 0xa11ce);
    (alice, side("sip:bob@example.org", "sip:alice@example.org", &PSK, 0xb0b))
}

pub(crate) fn expected(out: &[Output]) -> Vec<(KeyId, Stream)> {
    let expected =
        out.iter().filter_map(|o| if let Output::Expect(key, stream) = o { Some((*key, *stream)) } else { None });
    expected.collect()
}

/// An I_MESSAGE to bob from alice, as some other implementation would write it.
pub(crate) struct Foreign {
    pub(crate) v: bool,
    pub(crate) t: T,
    pub(crate) ssrcs: Vec<u32>,
    /// Another map than that of these SSRCs.
    pub(crate) map: Option<CsMap>,
    /// An update: it has no RAND.
    pub(crate) is_update: bool,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) keys: Vec<KeyData>,
    pub(crate) prf: Prf,
    pub(crate) data_type: DataType,
}

impl Foreign {
    pub(crate) const CSB: u32 = 0x0c5b_1d00;

    pub(crate) fn new(keys: Vec<KeyData>) -> Self {
        let payloads = vec![Id::uri("sip:alice@example.org").into(), Ext::SdpIds(b"mikey".to_vec()).into()];
        let (ssrcs, t) = (vec![0xf0, 0], T::NtpUtc(at(1).ntp.0));
        Self {
            v: true,
            t,
            ssrcs,
            map: None,
            is_update: false,
            payloads,
            keys,
            prf: Prf::Mikey1,
            data_type: DataType::PskInit,
        }
    }

    pub(crate) fn transport() -> (CsbLabel, TransportKeys) {
        let csb = CsbLabel { csb_id: Self::CSB, rand: vec![7; 16] };
        let keys = TransportKeys::new(&PSK, &csb);
        (csb, keys)
    }

    pub(crate) fn message(&self) -> Message {
        let (csb, keys) = Self::transport();
        let ids = self.ssrcs.iter().map(|&ssrc| SrtpId {
            policy_no: 0,
            ssrc: (ssrc != 0).then_some(Ssrc(ssrc)),
            roc: if ssrc == 0 { 0 } else { 5 },
        });
        let map = self.map.clone().unwrap_or_else(|| CsMap::Srtp(ids.collect()));
        let hdr = Hdr { data_type: self.data_type, v: self.v, prf: self.prf, csb_id: csb.csb_id, map };
        let draft = Draft::new(&hdr).push(self.t);
        let draft = if self.is_update { draft } else { draft.push(Rand(csb.rand)) };
        let draft = self.payloads.iter().cloned().fold(draft, Draft::push);
        let plain = key_data::write_keys(None, &self.keys).unwrap();
        let data = aes_cm(&keys, Self::CSB, self.t.octets(), &plain);
        let unsealed = draft.kemac(EncrAlg::AesCm128, data, MacAlg::HmacSha1_160);
        let mac = hmac_sha1(&keys.auth, &[unsealed.covered()]);
        unsealed.seal(&mac).unwrap()
    }

    pub(crate) fn lines(&self) -> Lines {
        lines(self.message().bytes())
    }
}
