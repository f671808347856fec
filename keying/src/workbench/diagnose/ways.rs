//! How an implementation may compute: as the RFCs say, or otherwise.

use crate::mikey::derive::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

/// One thing that can be done in several ways; two ways of one axis exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Axis {
    PskForm,
    Prf,
    AuthKeyLength,
    TransportCsId,
    Rand,
    CsbOrder,
    MacHash,
    MacCover,
    CodePoints,
    VIds,
    VTime,
    SignCover,
    SignHash,
    SignAdded,
    Iv,
    CsId,
    Tgk,
    Constant,
}

/// How all of it is done.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) psk: PskForm,
    pub(super) prf: Prf,
    pub(super) auth_len: usize,
    pub(super) transport_cs: u8,
    pub(super) rand: RandUse,
    pub(super) csb_swapped: bool,
    pub(super) mac_hash: Hash,
    pub(super) cover: Cover,
    pub(super) literal_4650: bool,
    pub(super) v_ids: VIds,
    pub(super) v_time: VTime,
    pub(super) sign_cover: SignCover,
    pub(super) sign_hash: Hash,
    pub(super) added: Added,
    pub(super) iv: Iv,
    pub(super) cs_id: CsId,
    pub(super) tgk: TgkUse,
    pub(super) constant: Constant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PskForm {
    Octets,
    HexText,
    HexTextUpper,
    HexLine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prf {
    Rfc,
    EmptyLastBlock,
    OneBlock,
    Sha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RandUse {
    /// The one that counts.
    Right,
    /// None.
    Nothing,
    /// The other one of the two messages.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    Right,
    /// Without the octet MAC alg.
    WithoutAlg,
    /// KEMAC alone where all is meant, and all where KEMAC alone is.
    TheOther,
    /// With zeros in the place of the MAC.
    WithZeros,
    /// KEMAC alone, with its Next payload as it stands.
    WithNextPayload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VIds {
    Data,
    Nothing,
    Payloads,
    Swapped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VTime {
    Initiators,
    Own,
    Short,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignCover {
    Right,
    /// Without the payload SIGN's own header.
    WithoutHeader,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// What the method adds.
    Right,
    Nothing,
    /// IDr || T.
    ResponderAndTime,
    /// IDi || IDr || T where nothing is added.
    All,
    /// T alone.
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Iv {
    Right,
    Zero,
    SaltAlone,
    KwDefault,
    Clear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CsId {
    /// The i-th crypto session has i, from 1.
    FromOne,
    Zero,
    FromZero,
    Ff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TgkUse {
    Right,
    /// Without the leading zeros of a Diffie-Hellman secret.
    Unpadded,
    /// As it is, without the PRF.
    Raw,
    /// A TEK that was sent is taken for a TGK.
    TekAsTgk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    Right,
    /// That of the separate encryption key.
    Encr,
}

impl Way {
    /// As the RFCs say.
    pub(super) fn rfc() -> Self {
        Self {
            psk: PskForm::Octets,
            prf: Prf::Rfc,
            auth_len: 20,
            transport_cs: 0xff,
            rand: RandUse::Right,
            csb_swapped: false,
            mac_hash: Hash::Sha1,
            cover: Cover::Right,
            literal_4650: false,
            v_ids: VIds::Data,
            v_time: VTime::Initiators,
            sign_cover: SignCover::Right,
            sign_hash: Hash::Sha1,
            added: Added::Right,
            iv: Iv::Right,
            cs_id: CsId::FromOne,
            tgk: TgkUse::Right,
            constant: Constant::Right,
        }
    }

    /// The octets that a pre-shared key is taken for.
    pub(super) fn psk(&self, octets: &[u8]) -> Secret {
        Zeroizing::new(match self.psk {
            PskForm::Octets => octets.to_vec(),
            PskForm::HexText => hex::encode(octets).into_bytes(),
            PskForm::HexTextUpper => hex::encode_upper(octets).into_bytes(),
            PskForm::HexLine => format!("{}\n", hex::encode(octets)).into_bytes(),
        })
    }

    /// `constant || cs_id || csb_id || RAND`.
    pub(super) fn label(&self, constant: u32, cs_id: u8, csb_id: u32, rand: &[u8]) -> Vec<u8> {
        let csb = if self.csb_swapped { csb_id.to_le_bytes() } else { csb_id.to_be_bytes() };
        [&constant.to_be_bytes()[..], &[cs_id], &csb, rand].concat()
    }

    /// Derives `len` octets.
    pub(super) fn derive(&self, inkey: &[u8], label: &[u8], len: usize) -> Secret {
        match self.prf {
            Prf::Sha256 => p::<Hmac<Sha256>>(inkey.chunks(32), label, len),
            Prf::Rfc => p::<Hmac<Sha1>>(inkey.chunks(32), label, len),
            Prf::OneBlock => p::<Hmac<Sha1>>(std::iter::once(inkey), label, len),
            Prf::EmptyLastBlock => {
                // The last block has `len % 32` octets, which is none where it should be 32.
                let whole = inkey.chunks(32).count();
                let full = inkey.len().is_multiple_of(32);
                let blocks = inkey.chunks(32).enumerate().map(
                    move |(index, block)| {
                        if full && index + 1 == whole { &[][..] } else { block }
                    },
                );
                p::<Hmac<Sha1>>(blocks, label, len)
            }
        }
    }

    /// A MAC of 20 octets.
    pub(super) fn mac(&self, key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
        match self.mac_hash {
            Hash::Sha1 => hmac::<Hmac<Sha1>>(key, pieces),
            Hash::Sha256 => hmac::<Hmac<Sha256>>(key, pieces)[..20].to_vec(),
        }
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().to_vec()
}

/// `P(s_1) XOR .. XOR P(s_n)` (RFC 3830 section 4.1.2), over whatever blocks.
fn p<'k, M: Mac + KeyInit>(blocks: impl Iterator<Item = &'k [u8]>, label: &[u8], len: usize) -> Secret {
    let mut out = Zeroizing::new(vec![0; len]);
    for block in blocks {
        let mut a = Zeroizing::new(label.to_vec());
        let mut at = 0;
        while at < len {
            a = Zeroizing::new(hmac::<M>(block, &[&a]));
            let p = Zeroizing::new(hmac::<M>(block, &[&a, label]));
            out[at..].iter_mut().zip(&*p).for_each(|(o, p)| *o ^= p);
            at += p.len();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mikey::derive::{CsbLabel, FromTgk, TransportKeys};

    #[test]
    fn the_rfcs_way_is_that_of_the_modes() {
        let (way, csb) = (Way::rfc(), CsbLabel { csb_id: 0x0102_0304, rand: vec![7; 16] });
        for len in [1, 16, 31, 32, 33, 64, 65, 192] {
            let key: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let label = way.label(0x2ad0_1c64, 3, csb.csb_id, &csb.rand);
            assert_eq!(way.derive(&key, &label, 50), FromTgk::Tek.derive(&key, 3, &csb, 50), "{len}");
            let label = way.label(0x2d22_ac75, 0xff, csb.csb_id, &csb.rand);
            assert_eq!(way.derive(&key, &label, 20), TransportKeys::new(&key, &csb).auth, "{len}");
        }
    }
}
