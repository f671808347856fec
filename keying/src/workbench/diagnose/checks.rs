//! Which checks a message is put to.

use super::ways::{Axis, RandUse, Way};
use super::{Check, Evidence, Verdict};
use crate::mikey::derive::Secret;
use crate::mikey::wire::{DataType, Ext, Kemac, Message, Pke, Rand, Sign, T, V};
use crate::workbench::exchange::Context;
use crate::workbench::open::envelope_keys;

/// One message, and all that is known beside it.
pub(super) struct Case<'m> {
    pub(super) message: &'m Message,
    pub(super) init: Option<&'m Message>,
    pub(super) context: Context<'m>,
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
    pub(super) fn new(message: &'m Message, context: Context<'m>, whole: bool, evidence: &'m Evidence) -> Self {
        Self { message, init: context.init, context, whole, evidence }
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
                // An update goes under the envelope key that began its bundle (RFC 3830 section 4.5).
                let sealed = self.context.sealed().and_then(|sealed| sealed.many::<Pke>().next());
                let psk = || self.evidence.secrets.psk.iter().map(|psk| Secret::new(psk.bytes().to_vec())).collect();
                let keys = sealed.map_or_else(psk, |pke| envelope_keys(pke, &self.evidence.secrets));
                match (keys.is_empty(), sealed) {
                    (false, _) => Ok((keys, true)),
                    (true, None) => missing("it needs the pre-shared key: --psk"),
                    (true, Some(_)) => missing("it needs the private key that opens the envelope: --key"),
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
            RandUse::Right => self.context.rand().or(ours).or(theirs).or(Some(vec![])),
            RandUse::Other if group => theirs.and(ours),
            RandUse::Other => ours.and(theirs),
        }
    }

    /// What nothing explains may have a RAND that is not here.
    pub(super) fn with_rand(&self, verdict: Verdict) -> Verdict {
        let without = self.rand(RandUse::Right).is_none_or(|rand| rand.is_empty());
        match verdict {
            Verdict::Unexplained { .. } if without => Verdict::Unchecked {
                why: "there is no RAND: if it is of a bundle that began earlier, the first message is not in the input"
                    .into(),
            },
            verdict => verdict,
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
