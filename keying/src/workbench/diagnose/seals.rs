//! MACs, V, signatures and encrypted key data, in every way that is known.

use super::checks::{Case, TRANSPORT, Transport};
use super::ways::{Added, Axis, Cover, Hash, Iv, SignCover, VIds, VTime, Way};
use super::{Verdict, search};
use crate::identity::Certificate;
use crate::mikey::derive::{Secret, TransportKeys};
use crate::mikey::signing;
use crate::mikey::transport::{aes_cm, aes_kw_unwrap};
use crate::mikey::wire::{DataType, EncrAlg, Id, Kemac, MacAlg, Sign, SignType, T, V, Writer, key_data};
use crate::workbench::exchange::certificate;
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use openssl::x509::X509;

impl Case<'_> {
    /// The MAC of KEMAC; and, if that can be explained, its key data in the same way.
    pub(super) fn kemac(&self) -> (Verdict, Option<Verdict>) {
        let literal = self.literal_mac();
        let Some(kemac) = self.message.many::<Kemac>().next() else { return (unchecked("there is no KEMAC"), None) };
        if kemac.mac_alg == MacAlg::Null && literal.is_none() {
            return (unchecked("it has none"), self.clear_data(kemac));
        }
        let (secrets, is_psk) = match self.secrets() {
            Ok(secrets) => secrets,
            Err(why) => return (why, None),
        };
        if !self.whole && literal.is_none() {
            return (unchecked("the message cannot be read to its end"), None);
        }
        let axes = [TRANSPORT, &[Axis::MacHash, Axis::MacCover, Axis::CodePoints]].concat();
        let fits = |way: &Way| self.kemac_fits(way, kemac, &secrets, is_psk).is_some();
        let verdict = self.with_rand(search(&axes, fits));
        let way = match &verdict {
            Verdict::Right => Some(Way::rfc()),
            Verdict::Deviates { if_ } => Some(if_.iter().fold(Way::rfc(), |mut way, deviation| {
                (deviation.apply)(&mut way);
                way
            })),
            _ => None,
        };
        let data = way.filter(|way| !way.literal_4650).and_then(|way| {
            let keys = self.kemac_fits(&way, kemac, &secrets, is_psk)?;
            (!kemac.encr_data.is_empty() && kemac.encr_alg != EncrAlg::Null).then(|| self.data(kemac, &keys, !is_psk))
        });
        (verdict, data)
    }

    /// The keys with which the MAC verifies in this way.
    fn kemac_fits(&self, way: &Way, kemac: &Kemac, secrets: &[Secret], is_psk: bool) -> Option<Transport> {
        let whole = |without: usize| {
            let bytes = self.message.bytes();
            // MACs are the last thing under a pre-shared key; under an envelope key what is meant is all up to it.
            let start = self.kemac_at()?;
            let end = start + 4 + kemac.encr_data.len() + 1;
            bytes.get(..end - without).map(<[u8]>::to_vec)
        };
        let alone = |next: Option<u8>| {
            let mut octets = kemac.covered_alone().ok()?.to_vec();
            octets[0] = next.unwrap_or(0);
            Some(octets)
        };
        let (mac, covered) = if way.literal_4650 {
            let (mac, covered) = self.literal_mac()?;
            (mac, covered.to_vec())
        } else {
            let next = self.message.bytes().get(self.kemac_at()?).copied();
            let right = |is_psk| if is_psk { whole(0) } else { alone(None) };
            let covered = match way.cover {
                Cover::Right => right(is_psk)?,
                Cover::TheOther => right(!is_psk)?,
                Cover::WithoutAlg if is_psk => whole(1)?,
                Cover::WithoutAlg => {
                    let mut octets = alone(None)?;
                    octets.pop();
                    octets
                }
                Cover::WithZeros => [right(is_psk)?, vec![0; 20]].concat(),
                Cover::WithNextPayload => alone(next)?,
            };
            (&kemac.mac[..], covered)
        };
        if mac.is_empty() {
            return None;
        }
        let keys = secrets.iter().filter_map(|secret| self.transport(way, secret, is_psk));
        let mut fitting = keys.filter(|keys| way.mac(&keys.auth, &[&covered]) == mac);
        fitting.next()
    }

    fn kemac_at(&self) -> Option<usize> {
        use crate::mikey::wire::Payload;
        let kemac = |part: &&crate::mikey::wire::Part| matches!(part.payload, Payload::Kemac(_));
        self.message.parts().iter().find(kemac).map(|part| part.range.start)
    }

    /// The MAC of a DHHMAC message in the literal code points of RFC 4650, and what it covers: the last 20 octets, which
    /// stand behind a KEMAC that seems to have none.
    fn literal_mac(&self) -> Option<(&[u8], &[u8])> {
        let kemac = self.message.many::<Kemac>().next()?;
        let end = self.kemac_at()? + 5 + kemac.encr_data.len();
        let literal = u8::from(kemac.encr_alg) == 2 && kemac.mac_alg == MacAlg::Null;
        let bytes = self.message.bytes();
        let is_it = literal && bytes.len() == end + 20;
        is_it.then(|| (&bytes[end..], &bytes[..end]))
    }

    fn clear_data(&self, kemac: &Kemac) -> Option<Verdict> {
        let clear = kemac.encr_alg == EncrAlg::Null && !kemac.encr_data.is_empty();
        clear.then(|| match key_data::read_keys(&kemac.encr_data) {
            Ok(_) => Verdict::Right,
            Err(error) => unchecked(&error.to_string()),
        })
    }

    /// Does what is decrypted read as key data?
    fn data(&self, kemac: &Kemac, keys: &Transport, with_id: bool) -> Verdict {
        let Some(t) = self.t() else { return unchecked("there is no timestamp") };
        let reads = |plain: &[u8]| match with_id {
            true => key_data::read_id_and_keys(plain).is_ok_and(|(_, keys)| !keys.is_empty()),
            false => key_data::read_keys(plain).is_ok_and(|keys| !keys.is_empty()),
        };
        let csb_id = self.message.hdr().csb_id;
        let with = |salt: &[u8]| TransportKeys {
            encr: keys.encr.clone(),
            salt: Secret::new(salt.to_vec()),
            auth: keys.auth.clone(),
        };
        let decrypt = |way: &Way| {
            let data = &kemac.encr_data;
            Some(match (kemac.encr_alg, way.iv) {
                (EncrAlg::AesCm128, Iv::Right) => aes_cm(&with(&keys.salt), csb_id, t.octets(), data),
                (EncrAlg::AesCm128, Iv::SaltAlone) => aes_cm(&with(&keys.salt), 0, [0; 8], data),
                (EncrAlg::AesCm128, Iv::Zero) => aes_cm(&with(&[0; 14]), 0, [0; 8], data),
                (EncrAlg::AesKw128, Iv::Right) => aes_kw_unwrap(&with(&keys.salt), data)?,
                (EncrAlg::AesKw128, Iv::KwDefault) => aes_kw_unwrap(&with(&[0xa6; 14]), data)?,
                (_, Iv::Clear) => data.clone(),
                _ => return None,
            })
        };
        search(&[Axis::Iv], |way| decrypt(way).is_some_and(|plain| reads(&plain)))
    }

    /// V, over the answer, the identities and T.
    pub(super) fn v(&self) -> Verdict {
        let Some(v) = self.message.many::<V>().next().filter(|v| v.auth_alg != MacAlg::Null) else {
            return unchecked("it has no MAC");
        };
        let (Some(t), Ok(covered)) = (self.t(), self.message.before_ver_data()) else {
            return unchecked("it is not the last payload, or there is no timestamp");
        };
        if self.init.is_none() && self.message.hdr().data_type != DataType::Error {
            return unchecked("it depends on the I_MESSAGE of its bundle, which is not in the input");
        }
        let (secrets, is_psk) = match self.secrets() {
            Ok(secrets) => secrets,
            Err(why) => return why,
        };
        let (idi, idr) = self.ids();
        let fits = |way: &Way| {
            let data = |id: &Option<Id>| id.as_ref().map(|id| id.data.clone()).unwrap_or_default();
            let (i, r) = match way.v_ids {
                VIds::Data => (data(&idi), data(&idr)),
                VIds::Nothing => (vec![], vec![]),
                VIds::Swapped => (data(&idr), data(&idi)),
                VIds::Payloads => (payload(&idi), payload(&idr)),
            };
            let Some(t) = self.time(way.v_time, t) else { return false };
            let keys = secrets.iter().filter_map(|secret| self.transport(way, secret, is_psk));
            keys.into_iter().any(|keys| way.mac(&keys.auth, &[covered, &i, &r, &t]) == v.ver_data)
        };
        self.with_rand(search(&[TRANSPORT, &[Axis::VIds, Axis::VTime, Axis::MacHash]].concat(), fits))
    }

    /// IDi and IDr, as they were transported in the two messages.
    fn ids(&self) -> (Option<Id>, Option<Id>) {
        let opening = self.init.unwrap_or(self.message);
        let mut ids = opening.many::<Id>().cloned();
        let (i, r) = (ids.next(), ids.next());
        let own = self.init.and_then(|_| self.message.many::<Id>().next().cloned());
        (i, own.or(r))
    }

    fn time(&self, use_: VTime, t: T) -> Option<Vec<u8>> {
        match (use_, t) {
            (VTime::Initiators, t) => Some(t.octets().to_vec()),
            (VTime::Own, t) => {
                let own = self.message.many::<T>().next().filter(|own| **own != t)?;
                Some(own.octets().to_vec())
            }
            (VTime::Short, T::Counter(counter)) => Some(counter.to_be_bytes().to_vec()),
            (VTime::Short, _) => None,
            (VTime::Nothing, _) => Some(vec![]),
        }
    }

    /// The signature, under the certificate in the message or those that were given.
    pub(super) fn sign(&self) -> Verdict {
        let (Some(sign), Ok(covered)) = (self.message.many::<Sign>().next(), self.message.before_signature()) else {
            return unchecked("it is not the last payload");
        };
        let sent: Vec<_> = certificate(self.message).into_iter().chain(self.context.certificates()).collect();
        let signers: Vec<_> = sent.iter().chain(&self.evidence.secrets.certificates).collect();
        if signers.is_empty() {
            return unchecked("its signer's certificate is not in it: --cert");
        }
        let Some(t) = self.t().map(T::octets) else { return unchecked("there is no timestamp") };
        let (idi, idr) = self.ids();
        let data = |id: Option<Id>| id.map(|id| id.data).unwrap_or_default();
        let (i, r) = (data(idi), data(idr));
        let adds = self.message.hdr().data_type == DataType::RsaRResp;
        let fits = |way: &Way| {
            let covered = match way.sign_cover {
                SignCover::Right => covered,
                // S type and Signature len.
                SignCover::WithoutHeader => &covered[..covered.len() - 2],
            };
            let added: &[&[u8]] = match way.added {
                Added::Right if adds => &[&i, &r, &t],
                Added::Right | Added::Nothing => &[],
                Added::ResponderAndTime => &[&r, &t],
                Added::All => &[&i, &r, &t],
                Added::Time => &[&t],
            };
            let pieces: Vec<&[u8]> = [covered].into_iter().chain(added.iter().copied()).collect();
            signers.iter().any(|cert| verifies(cert, sign, way.sign_hash, &pieces))
        };
        search(&[Axis::SignCover, Axis::SignHash, Axis::SignAdded], fits)
    }
}

fn unchecked(why: &str) -> Verdict {
    Verdict::Unchecked { why: why.into() }
}

/// An ID payload as it stands in a message that it ends.
fn payload(id: &Option<Id>) -> Vec<u8> {
    let Some(id) = id else { return vec![] };
    let mut w = Writer::new();
    id.write(&mut w);
    w.finish().map(|octets| octets.to_vec()).unwrap_or_default()
}

/// The modes verify over SHA-1 alone; SHA-256 is tried here.
fn verifies(cert: &Certificate, sign: &Sign, hash: Hash, pieces: &[&[u8]]) -> bool {
    match (signing::scheme(sign.s_type), hash) {
        (Some(scheme), Hash::Sha1) => cert.key().is_ok_and(|key| key.verify(scheme, pieces, &sign.signature)),
        (_, Hash::Sha256) => sha256(cert, sign, pieces).unwrap_or(false),
        (None, _) => false,
    }
}

fn sha256(cert: &Certificate, sign: &Sign, pieces: &[&[u8]]) -> Result<bool, openssl::error::ErrorStack> {
    let key = X509::from_der(cert.der())?.public_key()?;
    if key.id() != openssl::pkey::Id::RSA {
        return Ok(false);
    }
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key)?;
    if sign.s_type == SignType::RsaPss {
        verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
        verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32))?;
    }
    pieces.iter().try_for_each(|piece| verifier.update(piece))?;
    verifier.verify(&sign.signature)
}
