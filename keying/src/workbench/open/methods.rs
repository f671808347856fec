//! How each method is opened.

use super::steps::{Steps, policies};
use super::{Secrets, Step};
use crate::crypto::Envelope;
use crate::mikey::derive::{CsbLabel, Secret, TransportKeys};
use crate::mikey::dh::Half;
use crate::mikey::ids::Ids;
use crate::mikey::protection;
use crate::mikey::signing;
use crate::mikey::wire::{
    DataType, Dh, EncrAlg, Ext, Id, Kemac, KeyData, KeyKind, MacAlg, Message, Pke, Rand, Sign, T, V, WireError,
    key_data,
};
use crate::workbench::exchange::{Context, certificate};
use zeroize::Zeroizing;

/// What was in KEMAC: an identity in the modes with envelopes, and keys.
type Transported = (Option<Id>, Vec<KeyData>);

/// What all that is opened of one exchange has in common.
struct Exchange<'m> {
    message: &'m Message,
    init: Option<&'m Message>,
    context: &'m Context<'m>,
    secrets: &'m Secrets,
    t: T,
    /// What the keys that protect the messages are derived with.
    label: CsbLabel,
    out: Steps,
}

pub(super) fn open(message: &Message, context: &Context<'_>, secrets: &Secrets) -> (Vec<Step>, Vec<String>) {
    let (mut out, init) = (Steps::default(), context.init);
    if let Some(tolerance) = message.tolerated() {
        out.say("tolerated", tolerance.text(), "");
    }
    let opening = init.unwrap_or(message);
    let Some(&t) = opening.many::<T>().next() else {
        out.problem("it has no timestamp, without which nothing can be verified or decrypted (RFC 3830 section 6.6)");
        return (out.steps, out.problems);
    };
    let csb_id = message.hdr().csb_id;
    out.say("CSB ID", format!("{csb_id:08x}"), "RFC 3830 section 6.1");
    let rand = |message: &Message| message.many::<Rand>().next().map(|rand| rand.0.clone());
    let group = message.many::<Ext>().any(|ext| matches!(ext, Ext::CsbId(_)));
    let rand = match (context.rand().or_else(|| rand(opening)), rand(message)) {
        // A group's keys are derived with the Responder's RAND, others with the Initiator's (RFC 4738 section 3.5).
        (_, Some(theirs)) if group => theirs,
        (Some(ours), _) => ours,
        (None, theirs) => theirs.unwrap_or_default(),
    };
    if !rand.is_empty() {
        out.hex("RAND", &rand, "RFC 3830 section 6.11");
    }
    out.hex("T", &t.octets(), "RFC 3830 section 6.6");
    let mut exchange = Exchange { message, init, context, secrets, t, label: CsbLabel { csb_id, rand }, out };
    exchange.run();
    (exchange.out.steps, exchange.out.problems)
}

impl Exchange<'_> {
    fn run(&mut self) {
        match self.message.hdr().data_type {
            DataType::PskInit => {
                let keys = self.pre_shared();
                self.whole_mac(keys.as_ref());
                let plain = self.decrypt(keys.as_ref());
                self.transported(plain.as_deref().map(|plain| key_data::read_keys(plain).map(|keys| (None, keys))));
            }
            DataType::PskVer => {
                let keys = self.pre_shared();
                self.v(keys.as_ref());
            }
            DataType::PkInit => {
                self.signature(&[]);
                self.envelope_and_keys(self.message);
            }
            DataType::PkVer => match self.init {
                Some(init) => {
                    let keys = self.envelope(init);
                    self.v(keys.as_ref());
                }
                None => self.out.problem("the I_MESSAGE of its bundle, which has the envelope, is not in the input"),
            },
            DataType::DhInit => self.signature(&[]),
            DataType::DhResp => {
                self.signature(&[]);
                self.agreed();
            }
            DataType::DhHmacInit => {
                let keys = self.pre_shared();
                self.whole_mac(keys.as_ref());
            }
            DataType::DhHmacResp => {
                let keys = self.pre_shared();
                self.whole_mac(keys.as_ref());
                self.agreed();
            }
            DataType::RsaRInit => self.signature(&[]),
            DataType::RsaRResp => {
                // IDi || IDr || T (RFC 4738 section 3.6); identities that were not transported are not there.
                let ids = Ids { i: self.init.and_then(|init| init.many::<Id>().next().cloned()), r: None };
                let theirs = self.message.many::<Id>().last().or(self.init.and_then(|init| init.many::<Id>().nth(1)));
                let data = |id: Option<&Id>| id.map(|id| id.data.clone()).unwrap_or_default();
                let (i, r, t) = (data(ids.i.as_ref()), data(theirs), self.t.octets());
                self.signature(&[&i, &r, &t]);
                self.envelope_and_keys(self.message);
            }
            DataType::Error | DataType::Unknown(_) => {}
        }
    }

    fn pre_shared(&mut self) -> Option<TransportKeys> {
        let opening = self.init.unwrap_or(self.message);
        let is_null = |kemac: &Kemac| kemac.encr_alg == EncrAlg::Null && kemac.mac_alg == MacAlg::Null;
        if opening.many::<Kemac>().next().is_some_and(is_null) {
            return None;
        }
        if !self.has_rand() {
            return None;
        }
        let key = match self.context.sealed() {
            Some(sealed) => self.envelope_key(sealed).map(|(key, _)| key),
            None => self.secrets.psk.as_ref().map(|psk| Zeroizing::new(psk.bytes().to_vec())),
        };
        let keys = key.map(|key| TransportKeys::new(&key, &self.label));
        match (&keys, self.context.sealed()) {
            (Some(keys), _) => self.out.transport_keys(keys),
            (None, Some(_)) => self.out.problem(NO_ENVELOPE_KEY),
            (None, None) => self.out.problem(
                "it needs the pre-shared key: --psk; or, in a bundle that began with an envelope, that exchange in the \
                 input, or --envelope-key in place of --psk",
            ),
        }
        keys
    }

    /// Nothing is derived without RAND; where there is none, that is a problem.
    fn has_rand(&mut self) -> bool {
        if self.label.rand.is_empty() {
            self.out.problem(
                "there is no RAND, which all its keys depend on: if it is of a bundle that began earlier, the first \
                 message is not in the input (RFC 3830 section 4.5)",
            );
        }
        !self.label.rand.is_empty()
    }

    /// The MAC over the whole message.
    fn whole_mac(&mut self, keys: Option<&TransportKeys>) {
        let Some(kemac) = self.message.many::<Kemac>().next() else { return };
        match (kemac.mac_alg, keys, self.message.before_mac()) {
            (MacAlg::Null, _, _) => self.out.say("MAC", "none", "RFC 3830 section 4.2.4"),
            (alg, Some(keys), Ok(covered)) => {
                let computed = protection::mac(alg, Some(keys), &[covered]).unwrap_or_default();
                self.out.verified("MAC", computed == kemac.mac, "RFC 3830 section 5.2");
            }
            (_, _, Err(error)) => self.out.problem(error.to_string()),
            (_, None, _) => {}
        }
    }

    fn decrypt(&mut self, keys: Option<&TransportKeys>) -> Option<Zeroizing<Vec<u8>>> {
        let kemac = self.message.many::<Kemac>().next()?;
        if kemac.encr_alg != EncrAlg::Null && keys.is_none() {
            return None;
        }
        match protection::decrypt(kemac, keys, &self.label, self.t) {
            Ok(plain) => {
                self.out.hex("Encr data, decrypted", &plain, "RFC 3830 section 4.2.3");
                Some(plain)
            }
            Err(refused) => {
                self.out.problem(refused.to_string());
                None
            }
        }
    }

    /// Keys that were sent.
    fn transported(&mut self, keys: Option<Result<Transported, WireError>>) {
        match keys {
            None => {}
            Some(Err(error)) => self.out.problem(format!(
                "what was decrypted is no key data, so the key is another one, or AES was used otherwise: {error}"
            )),
            Some(Ok((id, keys))) => {
                if let Some(id) = id {
                    let shown = id.text().map_or_else(|| hex::encode(&id.data), str::to_owned);
                    self.out.say("ID in KEMAC", shown, "RFC 3830 section 6.2");
                }
                self.out.keys(&keys);
                self.crypto_sessions(&keys);
            }
        }
    }

    fn crypto_sessions(&mut self, keys: &[KeyData]) {
        // A group has a CSB ID of its own in its keys (RFC 4738 section 3.6).
        let group = self.message.many::<Ext>().find_map(|ext| if let Ext::CsbId(id) = ext { Some(*id) } else { None });
        if let Some(id) = group {
            self.out.say("CSB ID of the group", format!("{id:08x}"), "RFC 4738 section 3.6");
        }
        if keys.iter().any(|key| key.kind == KeyKind::Tgk) && !self.has_rand() {
            return;
        }
        let label = CsbLabel { csb_id: group.unwrap_or(self.label.csb_id), rand: self.label.rand.clone() };
        let policies = policies(self.message, self.init);
        self.out.crypto_sessions(keys, &label, &self.message.hdr().map, &policies);
    }

    fn v(&mut self, keys: Option<&TransportKeys>) {
        let (Some(v), Some(keys)) = (self.message.many::<V>().next(), keys) else { return };
        let Some(init) = self.init else {
            return self.out.problem("the I_MESSAGE of its bundle, which V depends on, is not in the input");
        };
        let own = self.message.many::<Id>().next().cloned();
        let ids = Ids { i: init.many::<Id>().next().cloned(), r: own.or(init.many::<Id>().nth(1).cloned()) };
        let computed = self.message.before_ver_data().map_err(crate::Error::from);
        let computed =
            computed.and_then(|covered| protection::verify_data(v.auth_alg, Some(keys), covered, &ids, self.t));
        match computed {
            Ok(computed) if computed.is_empty() => self.out.say("V", "none", "RFC 3830 section 4.2.4"),
            Ok(computed) => self.out.verified("V", computed == v.ver_data, "RFC 3830 section 5.2"),
            Err(error) => self.out.problem(error.to_string()),
        }
    }

    /// The transport keys of an envelope.
    fn envelope(&mut self, sealed: &Message) -> Option<TransportKeys> {
        if sealed.many::<Pke>().next().is_none() || sealed.many::<Kemac>().next().is_none() {
            self.out.problem("it has no envelope: PKE and KEMAC (RFC 3830 sections 6.2 and 6.3)");
            return None;
        }
        if !self.has_rand() {
            return None;
        }
        let Some((key, right)) = self.envelope_key(sealed) else {
            self.out.problem(NO_ENVELOPE_KEY);
            return None;
        };
        let keys = TransportKeys::new(&key, &self.label);
        self.out.hex("envelope key", &key, "RFC 3830 section 4.2.5");
        self.out.transport_keys(&keys);
        let kemac = sealed.many::<Kemac>().next();
        match kemac.map(|kemac| (kemac.encr_alg, kemac.mac_alg)) {
            Some((EncrAlg::AesKw128, MacAlg::Null)) => self.out.verified("key wrap", right, "RFC 3830 section 4.2.3"),
            Some((_, MacAlg::Null)) => self.out.say("MAC", "none", "RFC 3830 section 4.2.4"),
            _ => self.out.verified("MAC", right, "RFC 3830 section 6.2"),
        }
        Some(keys)
    }

    /// The envelope key, and whether the MAC of the KEMAC beside it verifies with it or, where it has none, whether what is
    /// in it can be read.
    fn envelope_key(&self, sealed: &Message) -> Option<(Secret, bool)> {
        let (pke, kemac) = (sealed.many::<Pke>().next()?, sealed.many::<Kemac>().next()?);
        let covered = kemac.covered_alone().ok()?;
        let verifies = |key: &Secret| {
            let keys = TransportKeys::new(key, &self.label);
            if kemac.mac_alg == MacAlg::Null {
                let plain = protection::decrypt(kemac, Some(&keys), &self.label, self.t);
                return plain.is_ok_and(|plain| key_data::read_id_and_keys(&plain).is_ok());
            }
            protection::mac(kemac.mac_alg, Some(&keys), &[&covered]).is_ok_and(|mac| mac == kemac.mac)
        };
        let mut candidates = envelope_keys(pke, self.secrets);
        let right = candidates.iter().position(verifies);
        (!candidates.is_empty()).then(|| (candidates.swap_remove(right.unwrap_or(0)), right.is_some()))
    }

    fn envelope_and_keys(&mut self, sealed: &Message) {
        let keys = self.envelope(sealed);
        let plain = self.decrypt(keys.as_ref());
        let read = |plain: &[u8]| key_data::read_id_and_keys(plain).map(|(id, keys)| (Some(id), keys));
        self.transported(plain.as_deref().map(|plain| read(plain)));
    }

    /// The signature, under the certificate in the message or one that was given.
    fn signature(&mut self, added: &[&[u8]]) {
        let Some(sign) = self.message.many::<Sign>().next() else { return };
        // An update need not bring the certificate again.
        let sent: Vec<_> = certificate(self.message).into_iter().chain(self.context.certificates()).collect();
        let candidates: Vec<_> = sent.iter().chain(&self.secrets.certificates).collect();
        let (Some(scheme), Ok(covered)) = (signing::scheme(sign.s_type), self.message.before_signature()) else {
            return self.out.problem(format!("its signature is of type {}, which we cannot check", sign.s_type));
        };
        if candidates.is_empty() {
            return self.out.problem("its signer's certificate is not in it: --cert");
        }
        let pieces: Vec<_> = [covered].into_iter().chain(added.iter().copied()).collect();
        let signer =
            candidates.iter().find(|cert| cert.key().is_ok_and(|key| key.verify(scheme, &pieces, &sign.signature)));
        match signer {
            Some(cert) => {
                let value = format!("verifies under the certificate of {} (which proves nothing yet)", cert.shown());
                self.out.say("SIGN", value, "RFC 3830 section 6.5");
            }
            None => self.out.verified("SIGN", false, "RFC 3830 section 6.5"),
        }
    }

    /// The TGK that both sides computed.
    fn agreed(&mut self) {
        let Some(ours) = self.init.and_then(|init| init.many::<Dh>().next()) else {
            return self.out.problem("the I_MESSAGE of its bundle, which has DHi, is not in the input");
        };
        let theirs: Vec<_> = self.message.many::<Dh>().filter(|dh| dh.value != ours.value).collect();
        let Some(theirs) = theirs.first() else { return self.out.problem("it has no DHr") };
        let agreed = self.secrets.dh.iter().find_map(|secret| {
            let half = Half::of(ours.group, secret.clone()).ok()?;
            let other = match half.public() {
                value if value == ours.value => theirs,
                value if value == theirs.value => ours,
                _ => return None,
            };
            Some(half.agree(&other.value))
        });
        match agreed {
            None => {
                self.out.problem("it needs the Diffie-Hellman secret of one side, which makes DHi or DHr: --dh-secret")
            }
            Some(Err(error)) => self.out.problem(error.to_string()),
            Some(Ok(tgk)) => {
                let key = crate::mikey::wire::Secret::new(tgk.to_vec());
                let keys = [KeyData { kind: KeyKind::Tgk, key, salt: None, kv: theirs.kv.clone() }];
                self.out.keys(&keys);
                self.crypto_sessions(&keys);
            }
        }
    }
}

const NO_ENVELOPE_KEY: &str = "it needs the private key that its envelope is encrypted to: --key, or --envelope-key";

/// What the envelope may hold: nothing in the message says how it is encrypted (RFC 3830 section 4.2.5).
pub(in crate::workbench) fn envelope_keys(pke: &Pke, secrets: &Secrets) -> Vec<Secret> {
    let given = secrets.envelope_key.iter().map(|key| Zeroizing::new(key.bytes().to_vec()));
    let opened = secrets.keys.iter().flat_map(|key| {
        [Envelope::Pkcs1, Envelope::Oaep].map(|envelope| key.open(envelope, &pke.data, Zeroizing::new(vec![])))
    });
    given.chain(opened.filter(|key| !key.is_empty())).collect()
}
