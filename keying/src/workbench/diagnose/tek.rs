//! Which key did somebody derive, who did not derive the right one?

use super::checks::Case;
use super::ways::{Axis, Constant, CsId, TgkUse, Way};
use super::{Verdict, search};
use crate::mikey::derive::Secret;
use crate::mikey::dh::Half;
use crate::mikey::wire::{CsMap, DataType, Dh, Kemac, KeyData, KeyKind, T, key_data};
use crate::mikey::{derive, protection};

/// What the derived key depends on.
const AXES: &[Axis] = &[Axis::CsId, Axis::Prf, Axis::Tgk, Axis::Rand, Axis::CsbOrder, Axis::Constant];

/// More crypto sessions are not looked at.
const MAX_SESSIONS: u8 = 16;

impl Case<'_> {
    /// For which crypto session, and in which way, that key comes out. `None` if this message brings no key.
    pub(super) fn derived(&self, derived: &[u8]) -> Option<(String, Verdict)> {
        let keys = match self.keys() {
            Some(Ok(keys)) if !keys.is_empty() => keys,
            Some(Ok(_)) | None => return None,
            Some(Err(why)) => return Some(("the derived key".into(), Verdict::Unchecked { why })),
        };
        let sessions = match &self.message.hdr().map {
            CsMap::Srtp(ids) => ids.len(),
            other => other.count(),
        };
        let sessions = u8::try_from(sessions).unwrap_or(u8::MAX).clamp(1, MAX_SESSIONS);
        // The right session in the least deviating way: so first each of them as it should be.
        let mut best: Option<(u8, &str, Verdict, usize)> = None;
        for cs in 1..=sessions {
            for what in ["TEK", "salt"] {
                let verdict = search(AXES, |way| self.comes_out(way, &keys, cs, what, derived));
                let deviations = match &verdict {
                    Verdict::Right => 0,
                    Verdict::Deviates { if_ } => if_.len(),
                    _ => usize::MAX,
                };
                if best.as_ref().is_none_or(|(.., least)| deviations < *least) {
                    best = Some((cs, what, verdict, deviations));
                }
            }
        }
        let (cs, what, verdict, deviations) = best?;
        let of = if deviations == usize::MAX { "the derived key".into() } else { format!("the {what} of CS {cs}") };
        Some((of, verdict))
    }

    fn comes_out(&self, way: &Way, keys: &[KeyData], cs: u8, what: &str, derived: &[u8]) -> bool {
        if derived.is_empty() {
            return false;
        }
        let Some(rand) = self.rand(way.rand) else { return false };
        let csb_id = self.group().unwrap_or(self.message.hdr().csb_id);
        let cs_id = match way.cs_id {
            CsId::FromOne => cs,
            CsId::Zero => 0,
            CsId::FromZero => cs - 1,
            CsId::Ff => 0xff,
        };
        keys.iter().any(|key| {
            let (octets, salt) = (key.key.bytes(), key.salt.as_ref().map(|salt| salt.bytes()));
            let constant = match (what, way.constant) {
                ("TEK", Constant::Right) => 0x2ad0_1c64,
                ("TEK", Constant::Encr) => 0x1579_8cef,
                (_, Constant::Right) => 0x39a2_c14b,
                (_, Constant::Encr) => return false,
            };
            let derive = |inkey: &[u8]| {
                let label = way.label(constant, cs_id, csb_id, &rand);
                way.derive(inkey, &label, derived.len())[..] == *derived
            };
            match (key.kind, way.tgk) {
                (KeyKind::Tgk, TgkUse::Right) if what == "salt" && salt.is_some() => salt == Some(derived),
                (KeyKind::Tgk, TgkUse::Right) => derive(octets),
                (KeyKind::Tgk, TgkUse::Unpadded) => {
                    let zeros = octets.iter().take_while(|&&octet| octet == 0).count();
                    zeros > 0 && derive(&octets[zeros..])
                }
                (KeyKind::Tgk, TgkUse::Raw) => what == "TEK" && octets.starts_with(derived),
                (KeyKind::Tek, TgkUse::TekAsTgk) => derive(octets),
                (KeyKind::Tek, TgkUse::Right) => match (what, salt) {
                    ("TEK", _) if octets == derived => true,
                    // A TEK of key and salt.
                    ("TEK", None) => octets.len() == derived.len() + 14 && octets.starts_with(derived),
                    (_, Some(salt)) => salt == derived,
                    (_, None) => octets.len() == 30 && octets[16..] == *derived,
                },
                _ => false,
            }
        })
    }

    /// The keys that this message brings, or that are agreed on with it.
    fn keys(&self) -> Option<Result<Vec<KeyData>, String>> {
        match self.message.hdr().data_type {
            DataType::PskInit | DataType::PkInit | DataType::RsaRResp => Some(self.transported()),
            DataType::DhResp | DataType::DhHmacResp => Some(self.agreed()),
            _ => None,
        }
    }

    fn transported(&self) -> Result<Vec<KeyData>, String> {
        if let Ok(Some(keys)) = self.message.clear_keys() {
            return Ok(keys);
        }
        let kemac = self.message.many::<Kemac>().next().ok_or("there is no KEMAC")?;
        let t: T = self.t().ok_or("there is no timestamp")?;
        let (secrets, is_psk) = self.secrets().map_err(|why| match why {
            Verdict::Unchecked { why } => why,
            _ => "there is no key".into(),
        })?;
        let rand = self.rand(super::ways::RandUse::Right).unwrap_or_default();
        let label = derive::CsbLabel { csb_id: self.message.hdr().csb_id, rand };
        let read = |secret: &Secret| {
            let keys = derive::TransportKeys::new(secret, &label);
            let plain = protection::decrypt(kemac, Some(&keys), &label, t).ok()?;
            match is_psk {
                true => key_data::read_keys(&plain).ok(),
                false => key_data::read_id_and_keys(&plain).map(|(_, keys)| keys).ok(),
            }
        };
        secrets.iter().find_map(read).ok_or_else(|| "the message's own key data cannot be decrypted".into())
    }

    fn agreed(&self) -> Result<Vec<KeyData>, String> {
        let ours = self.init.and_then(|init| init.many::<Dh>().next());
        let ours = ours.ok_or("the I_MESSAGE of its bundle, which has DHi, is not in the input")?;
        let theirs = self.message.many::<Dh>().find(|dh| dh.value != ours.value).ok_or("there is no DHr")?;
        let agree = |secret: &Secret| {
            let half = Half::of(ours.group, secret.clone()).ok()?;
            let other = if half.public() == ours.value { theirs } else { ours };
            let known = half.public() == ours.value || half.public() == theirs.value;
            known.then(|| half.agree(&other.value).ok()).flatten()
        };
        let tgk = self.evidence.secrets.dh.iter().find_map(agree);
        let tgk = tgk.ok_or("it needs the Diffie-Hellman secret of one side: --dh-secret")?;
        let key = crate::mikey::wire::Secret::new(tgk.to_vec());
        Ok(vec![KeyData { kind: KeyKind::Tgk, key, salt: None, kv: theirs.kv.clone() }])
    }
}
