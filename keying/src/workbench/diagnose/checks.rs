//! Which checks a message is put to.

use super::ways::{Axis, RandUse, Way};
use super::{Check, Evidence, Verdict};
use crate::mikey::derive::Secret;
use crate::mikey::wire::{DataType, Ext, Kemac, Message, Pke, Rand, Sign, T, V};
use crate::workbench::open::envelope_keys;

/// One message, and all that is known beside it.
pub(super) struct Case<'m> {
    pub(super) message: &'m Message,
    pub(super) init: Option<&'m Message>,
    /// It could be read to its end.
    pub(super) whole: bool,
    pub(super) evidence: &'m Evidence,
}

/// Keys of a message's own protection.
pub(super) struct Transport {
    pub(super) encr: Secret,
    pub(super) salt: Secret,
    pub(super) auth: Secret,
}

/// What the keys of a message's own protection depend on.
pub(super) const TRANSPORT: &[Axis] =
    &[Axis::PskForm, Axis::Prf, Axis::AuthKeyLength, Axis::TransportCsId, Axis::Rand, Axis::CsbOrder];

impl<'m> Case<'m> {
    pub(super) fn new(message: &'m Message, init: Option<&'m Message>, whole: bool, evidence: &'m Evidence) -> Self {
        Self { message, init, whole, evidence }
    }

    pub(super) fn run(self) -> Vec<Check> {
        let message = self.message;
        let mut checks = vec![];
        let mut check = |of: &str, verdict| checks.push(Check { of: of.into(), verdict });
        if message.many::<Kemac>().next().is_some() {
            let (mac, data) = self.kemac();
            check("its MAC", mac);
            data.into_iter().for_each(|verdict| check("its key data", verdict));
        }
        if message.many::<V>().next().is_some() {
            check("its V", self.v());
        }
        if message.many::<Sign>().next().is_some() {
            check("its signature", self.sign());
        }
        if let Some(derived) = &self.evidence.derived
            && let Some((what, verdict)) = self.derived(derived)
        {
            check(&what, verdict);
        }
        checks
    }

    /// The secret that protects the message, and whether it is a pre-shared key.
    pub(super) fn secrets(&self) -> Result<(Vec<Secret>, bool), Verdict> {
        let missing = |why: &str| Err(Verdict::Unchecked { why: why.into() });
        let opening = self.init.unwrap_or(self.message);
        match self.message.hdr().data_type {
            DataType::PskInit | DataType::PskVer | DataType::DhHmacInit | DataType::DhHmacResp | DataType::Error => {
                match &self.evidence.secrets.psk {
                    Some(psk) => Ok((vec![Secret::new(psk.bytes().to_vec())], true)),
                    None => missing("it needs the pre-shared key: --psk"),
                }
            }
            data_type => {
                let sealed = if data_type == DataType::RsaRResp { self.message } else { opening };
                let keys = sealed.many::<Pke>().next().map(|pke| envelope_keys(pke, &self.evidence.secrets));
                match keys.unwrap_or_default() {
                    keys if keys.is_empty() => missing("it needs the private key that opens the envelope: --key"),
                    keys => Ok((keys, false)),
                }
            }
        }
    }

    /// The RAND that counts, or another.
    pub(super) fn rand(&self, which: RandUse) -> Option<Vec<u8>> {
        let of = |message: &Message| message.many::<Rand>().next().map(|rand| rand.0.clone());
        let (ours, theirs) = (self.init.and_then(of), of(self.message));
        let group = self.group().is_some();
        match which {
            RandUse::Nothing => Some(vec![]),
            RandUse::Right if group => theirs.or(ours).or(Some(vec![])),
            RandUse::Right => ours.or(theirs).or(Some(vec![])),
            RandUse::Other if group => theirs.and(ours),
            RandUse::Other => ours.and(theirs),
        }
    }

    /// The CSB ID of a group.
    pub(super) fn group(&self) -> Option<u32> {
        self.message.many::<Ext>().find_map(|ext| if let Ext::CsbId(id) = ext { Some(*id) } else { None })
    }

    /// The Initiator's timestamp.
    pub(super) fn t(&self) -> Option<T> {
        self.init.unwrap_or(self.message).many::<T>().next().copied()
    }

    /// The keys of the message's own protection, in some way.
    pub(super) fn transport(&self, way: &Way, secret: &[u8], is_psk: bool) -> Option<Transport> {
        let secret = if is_psk { way.psk(secret) } else { Secret::new(secret.to_vec()) };
        let rand = self.rand(way.rand)?;
        let derive = |constant, len| {
            let label = way.label(constant, way.transport_cs, self.message.hdr().csb_id, &rand);
            way.derive(&secret, &label, len)
        };
        Some(Transport {
            encr: derive(0x1505_33e1, 16),
            salt: derive(0x29b8_8916, 14),
            auth: derive(0x2d22_ac75, way.auth_len),
        })
    }
}
