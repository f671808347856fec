//! An update of a crypto session bundle that runs (RFC 3830 section 4.5).
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, [IDi], [IDr], {SP}, KEMAC  --->
//!                                                R_MESSAGE =
//!                                   [<---]       HDR, T, [IDr], V
//! ```
//! The same CSB ID, a new timestamp, no RAND: what protects the message, and what its keys are derived with, is still
//! that of the first exchange. Either side may begin it. Our timestamps are even if we began the bundle and odd if the
//! peer did, so that two updates that cross never share AES-CM's keystream, whose IV is made of the CSB ID and T.

use super::init::{self, Init};
use super::resp::{self, Pending};
use super::{identity, permitted, tgk};
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::mode::{Initiation, Refused};
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::wire::{DataType, Draft, ErrorNo, Ext, Hdr, Id, KeyData, Kv, Message, Prf, Sp, T, key_data};
use crate::{Error, Identity, Proof};
use keyphone_media::env::NtpTime;
use std::fmt;

const SECTION: &str = "RFC 3830 section 4.5";

/// What is kept of a bundle so that it can be updated.
#[derive(Clone)]
pub struct Running {
    pub(super) keys: Option<TransportKeys>,
    pub(super) csb: CsbLabel,
    /// Who the peer proved to be, and whether the key is filed under its name.
    pub(super) peer: (Identity, bool),
    /// We made the first I_MESSAGE.
    pub(super) ours: bool,
    /// The last timestamp of ours, and the peer's last one.
    pub(super) sent: Option<T>,
    pub(super) heard: Option<T>,
    /// The security policies of the first exchange.
    pub(super) policies: Vec<Sp>,
    /// The MKI that is in use, if one is: it can neither appear nor go later (RFC 3711 section 3.2.1).
    pub(super) mki: Option<Vec<u8>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("csb_id", &self.csb.csb_id).finish_non_exhaustive()
    }
}

/// The MKI of the first of these keys.
pub(super) fn mki(keys: &[KeyData]) -> Option<Vec<u8>> {
    keys.first().and_then(|key| if let Kv::Spi(spi) = &key.kv { Some(spi.clone()) } else { None })
}

impl Running {
    /// Who the peer proved to be.
    pub fn peer(&self) -> &Identity {
        &self.peer.0
    }

    /// What failed after the message was proven: the update came to nothing, but it was heard.
    pub fn heard_as(&mut self, later: &Self) {
        self.heard = later.heard;
    }

    /// Which bundle it is.
    pub fn csb_id(&self) -> u32 {
        self.csb.csb_id
    }

    /// An update with a new TGK. Nothing changes before it is answered, but that its timestamp is used up.
    ///
    /// # Errors
    /// Policy forbids how it would be protected.
    pub fn initiate(&mut self, ask: &Bundle<'_>, env: &mut keyphone_media::env::Env<'_>) -> Result<Initiation, Error> {
        let protection = (ask.policy.encryption, ask.policy.mac);
        permitted(protection, ask.policy).map_err(|refused| refused.error)?;
        let t = self.timestamp(env.now.ntp);
        let key_data = vec![tgk(protection.0, self.next_mki(), env)];
        let plain = key_data::write_keys(None, &key_data)?;
        let encrypted = init::encrypt(protection.0, &plain, self.keys.as_ref(), &self.csb, t)?;
        let csb_id = self.csb.csb_id;
        let hdr = Hdr { data_type: DataType::PskInit, v: true, prf: Prf::Mikey1, csb_id, map: ask.map.clone() };
        let draft = Draft::new(&hdr).push(t).push(Id::uri(ask.me.as_str())).push(Id::uri(ask.named.as_str()));
        let draft = draft.push(Ext::SdpIds(ask.protocols.join(";").into_bytes()));
        let unsealed = draft.kemac(protection.0, encrypted, protection.1);
        let mac = init::mac(protection.1, self.keys.as_ref(), &[unsealed.covered()])?;
        let message = unsealed.seal(&mac)?;
        let pending = {
            let init = Init::read_update(&message, &self.csb.rand).map_err(|refused| refused.error)?;
            Pending::new(&init, self.keys.as_ref(), self.peer.clone(), ask.policy).updating(self.clone(), &key_data)
        };
        let known = Agreed {
            csb: self.csb.clone(),
            map: ask.map.clone(),
            policies: self.policies.clone(),
            keys: key_data,
            proof: Proof::own_message(),
            tolerated: vec![],
            running: None,
        };
        Ok(Initiation { message, known: Some(known), initiated: Box::new(pending) })
    }

    /// Takes an update of the peer's, and answers it. What is replayed, or is no update, changes nothing.
    ///
    /// # Errors
    /// What does not verify, is not new, or is not for this bundle.
    pub fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        now: NtpTime,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let init = Init::read_update(message, &self.csb.rand)?;
        if init.csb.csb_id != self.csb.csb_id {
            let (theirs, ours) = (init.csb.csb_id, self.csb.csb_id);
            let what = format!("its update is for CSB {theirs:08x}, and this is CSB {ours:08x}");
            return Err(Error::misbehaved(what, SECTION).into());
        }
        permitted(init.protection(), ask.policy)?;
        for (id, who) in [(&init.ids.i, &self.peer.0), (&init.ids.r, ask.me)] {
            let named = id.as_ref().map(identity).transpose()?;
            if let Some(named) = named.filter(|named| named != who) {
                let what = format!("its update names {named} where the bundle has {who}");
                return Err(Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, SECTION)));
            }
        }
        let fresh = self.is_new(init.t, ask.policy, now);
        fresh.map_err(|error| Refused::new(ErrorNo::InvalidTs, error))?;
        let proof = init.verify(self.keys.as_ref(), self.peer.0.clone(), ask.policy)?;
        // Only now is anything remembered (RFC 3830 section 9.5).
        self.heard = Some(init.t);
        let keys = init.keys(&init.decrypt(self.keys.as_ref(), &proof)?)?;
        self.check_mki(&keys)?;
        let answer = message.hdr().v.then(|| resp::write(&init, self.keys.as_ref(), ask)).transpose()?;
        let policies = init.policies();
        self.policies = if policies.is_empty() { std::mem::take(&mut self.policies) } else { policies };
        self.mki = mki(&keys);
        let agreed = Agreed {
            csb: self.csb.clone(),
            map: ask.map.clone(),
            policies: self.policies.clone(),
            keys,
            proof,
            tolerated: message.tolerated().iter().map(|t| t.text()).collect(),
            running: None,
        };
        Ok((answer, agreed))
    }

    /// Later than all of ours before, and of our parity.
    fn timestamp(&mut self, now: NtpTime) -> T {
        let after = match self.sent {
            Some(T::NtpUtc(last)) if last.wrapping_sub(now.0) < 1 << 40 => last.wrapping_add(1),
            _ => now.0,
        };
        let odd = u64::from(!self.ours);
        let t = if after & 1 == odd { after } else { after.wrapping_add(1) };
        *self.sent.insert(T::NtpUtc(t))
    }

    /// Is this timestamp a new one (RFC 3830 sections 4.5 and 5.4)? It must be later than all that were heard in the
    /// bundle: so an old update, or the first message, is never taken again.
    fn is_new(&self, t: T, policy: &MikeyPolicy, now: NtpTime) -> Result<(), Error> {
        let bad = |what: &'static str| Err(Error::misbehaved(what, SECTION));
        if self.sent == Some(t) {
            return bad("its update has the timestamp of ours");
        }
        let later = match (self.heard, t) {
            (_, T::Counter(_)) if !policy.allow_counter => {
                let what = "its timestamp is a COUNTER, which policy does not allow (RFC 3830 section 6.6)";
                return Err(Error::incompatible(what));
            }
            (None, _) => true,
            (Some(T::Counter(last)), T::Counter(t)) => t > last,
            (Some(T::NtpUtc(last)), T::NtpUtc(t)) | (Some(T::Ntp(last)), T::Ntp(t)) => {
                (1..=u64::MAX / 2).contains(&t.wrapping_sub(last))
            }
            (Some(_), _) => return bad("its update tells the time in another way than its message before"),
        };
        if !later {
            return bad(
                "its update is not later than its message before: it is a replay, or its clock was turned back",
            );
        }
        match t {
            T::NtpUtc(t) | T::Ntp(t) if NtpTime(t).distance(now) > policy.max_skew => {
                let limit = policy.max_skew.as_secs();
                let what = format!("its update is dated more than the {limit} s that are allowed away from our clock");
                Err(Error::misbehaved(what, "RFC 3830 section 5.4"))
            }
            _ => Ok(()),
        }
    }

    /// The MKI of our next key.
    fn next_mki(&self) -> Kv {
        let Some(mut mki) = self.mki.clone() else { return Kv::Null };
        for octet in mki.iter_mut().rev() {
            *octet = octet.wrapping_add(1);
            if *octet != 0 {
                break;
            }
        }
        Kv::Spi(mki)
    }

    fn check_mki(&self, keys: &[KeyData]) -> Result<(), Refused> {
        let bad = |what: &'static str| Err(Error::misbehaved(what, "RFC 3711 section 3.2.1").into());
        for key in keys {
            match (&self.mki, &key.kv) {
                (None, Kv::Spi(_)) => return bad("its update brings an MKI, and the keys before had none"),
                (Some(_), Kv::Null | Kv::Interval { .. }) => return bad("its update brings a key without MKI"),
                (Some(now), Kv::Spi(spi)) if now.len() != spi.len() => {
                    return bad("its update changes the MKI's length");
                }
                (Some(now), Kv::Spi(spi)) if now == spi => {
                    return bad("its update brings a key with the MKI of another");
                }
                _ => {}
            }
        }
        Ok(())
    }
}
