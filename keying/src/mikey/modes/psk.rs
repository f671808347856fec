//! MIKEY-PSK, the pre-shared key method (RFC 3830 section 3.1).
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, RAND, [IDi],[IDr],
//!         {SP}, KEMAC                --->
//!                                                R_MESSAGE =
//!                                   [<---]       HDR, T, [IDr], V
//! ```
//!
//! We send both IDs, one TGK of our own making and the SDP IDs of RFC 4567, and we ask for the R_MESSAGE: the peer's
//! SSRCs come in it. The checks that cost nothing come before the MAC (section 5.3); nothing is kept before the MAC is
//! verified (section 9.5).

mod init;
mod resp;
mod update;

pub use init::{Ids, Init};
pub(crate) use resp::hint;
pub use resp::{Pending, verify_data};
pub use update::Running;

use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::mode::{Initiation, Mode, Refused};
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::replay::ReplayCache;
use crate::mikey::wire::{
    DataType, Draft, EncrAlg, ErrorNo, Ext, Hdr, Id, KeyData, KeyKind, Kv, MacAlg, Message, Prf, Rand, Secret, T,
    key_data,
};
use crate::{Error, Filed, Identity, Proof, PskStore};
use keyphone_media::env::{Env, NtpTime};
use std::collections::VecDeque;

/// The pre-shared key method, with the keys we hold and what we have seen.
#[derive(Debug)]
pub struct PskMode {
    psks: PskStore,
    replay: ReplayCache,
    last_t: u64,
    csb_ids: VecDeque<u32>,
}

impl PskMode {
    /// Of our CSB IDs so many are remembered, lest one come twice (RFC 3830 section 6.1).
    const CSB_IDS: usize = 1024;

    /// `now` is when we start: what is dated before it is refused as a replay that we cannot remember.
    pub fn new(psks: PskStore, now: NtpTime) -> Self {
        let replay = ReplayCache::new(now, ReplayCache::DEFAULT_CAPACITY);
        Self { psks, replay, last_t: 0, csb_ids: VecDeque::new() }
    }

    /// Every message has its own timestamp (RFC 3830 section 5.2).
    fn timestamp(&mut self, now: NtpTime) -> T {
        let behind = self.last_t.wrapping_sub(now.0);
        self.last_t = if behind < 1 << 40 { self.last_t.wrapping_add(1) } else { now.0 };
        T::NtpUtc(self.last_t)
    }

    fn csb_id(&mut self, env: &mut Env<'_>) -> u32 {
        loop {
            let id = u32::from_be_bytes(env.bytes());
            if !self.csb_ids.contains(&id) {
                self.csb_ids.truncate(Self::CSB_IDS - 1);
                self.csb_ids.push_front(id);
                return id;
            }
        }
    }

    fn transport_keys(
        &self,
        peer: &Identity,
        csb: &CsbLabel,
        protection: (EncrAlg, MacAlg),
    ) -> Result<Option<TransportKeys>, Error> {
        match self.psks.with(peer) {
            Some(psk) => Ok(Some(TransportKeys::new(psk.bytes(), csb))),
            None if protection == (EncrAlg::Null, MacAlg::Null) => Ok(None),
            None => Err(Error::NoKey(peer.clone())),
        }
    }
}

impl Mode for PskMode {
    fn initiate(&mut self, ask: &Bundle<'_>, env: &mut Env<'_>) -> Result<Initiation, Error> {
        let protection = (ask.policy.encryption, ask.policy.mac);
        permitted(protection, ask.policy).map_err(|refused| refused.error)?;
        let csb = CsbLabel { csb_id: self.csb_id(env), rand: env.bytes::<16>().to_vec() };
        let keys = self.transport_keys(ask.named, &csb, protection)?;
        let own_key = matches!(self.psks.find(ask.named), Some(Filed::Own(_)));

        let key_data = vec![tgk(protection.0, Kv::Null, env)];
        let plain = key_data::write_keys(None, &key_data)?;
        let t = self.timestamp(env.now.ntp);
        let encrypted = init::encrypt(protection.0, &plain, keys.as_ref(), &csb, t)?;
        let hdr =
            Hdr { data_type: DataType::PskInit, v: true, prf: Prf::Mikey1, csb_id: csb.csb_id, map: ask.map.clone() };
        let draft = Draft::new(&hdr)
            .push(t)
            .push(Rand(csb.rand.clone()))
            .push(Id::uri(ask.me.as_str()))
            .push(Id::uri(ask.named.as_str()));
        let draft = ask.policies.iter().cloned().fold(draft, Draft::push);
        let draft = draft.push(Ext::SdpIds(ask.protocols.join(";").into_bytes()));
        let unsealed = draft.kemac(protection.0, encrypted, protection.1);
        let mac = init::mac(protection.1, keys.as_ref(), &[unsealed.covered()])?;
        let message = unsealed.seal(&mac)?;

        let pending = {
            let init = Init::read(&message).map_err(|refused| refused.error)?;
            Pending::new(&init, keys.as_ref(), (ask.named.clone(), own_key), ask.policy)
        };
        let known = Agreed {
            csb,
            map: ask.map.clone(),
            policies: ask.policies.clone(),
            keys: key_data,
            proof: Proof::own_message(),
            tolerated: vec![],
            running: None,
        };
        Ok(Initiation { message, known: Some(known), initiated: Box::new(pending) })
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let init = Init::read(message)?;
        permitted(init.protection(), ask.policy)?;
        let sender = init.ids.i.as_ref().map_or_else(|| Ok(ask.named.clone()), identity)?;
        if let Some(id) = &init.ids.r
            && identity(id)? != *ask.me
        {
            let what = format!("its message is for {} and we are {}", identity(id)?, ask.me);
            return Err(Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, "RFC 3830 section 9.5")));
        }
        if matches!(init.t, T::Counter(_)) && !ask.policy.allow_counter {
            let what = "its timestamp is a COUNTER, which policy does not allow: it cannot tell old from new after a \
                        restart (RFC 3830 sections 5.4 and 6.6)";
            return Err(Refused::new(ErrorNo::InvalidTs, Error::incompatible(what)));
        }
        let (now, skew, seen) = (env.now.ntp, ask.policy.max_skew, (init.t, init.fingerprint()));
        let fresh = self.replay.check(&sender, seen, now, skew);
        fresh.map_err(|error| Refused::new(ErrorNo::InvalidTs, error))?;

        let keys = self.transport_keys(&sender, &init.csb, init.protection());
        let keys = keys.map_err(|error| Refused::new(ErrorNo::AuthFailure, error))?;
        let own_key = matches!(self.psks.find(&sender), Some(Filed::Own(_)));
        let proof = init.verify(keys.as_ref(), sender.clone(), ask.policy)?;
        self.replay.insert(&sender, seen, now, skew);

        let key_data = init.keys(&init.decrypt(keys.as_ref(), &proof)?)?;
        let answer = message.hdr().v.then(|| resp::write(&init, keys.as_ref(), ask)).transpose()?;
        let running = Running {
            keys,
            csb: init.csb.clone(),
            peer: (sender, own_key),
            ours: false,
            sent: None,
            heard: Some(init.t),
            policies: init.policies(),
            mki: update::mki(&key_data),
        };
        let agreed = Agreed {
            map: ask.map.clone(),
            policies: init.policies(),
            keys: key_data,
            proof,
            tolerated: message.tolerated().iter().map(|t| t.text()).collect(),
            csb: init.csb,
            running: Some(running),
        };
        Ok((answer, agreed))
    }
}

/// Does policy let a KEMAC be protected so?
///
/// # Errors
/// Each of the NULL algorithms without its permission, and algorithms that we do not know.
pub(crate) fn permitted((encr, mac): (EncrAlg, MacAlg), policy: &MikeyPolicy) -> Result<(), Refused> {
    let no = |number, what: String| Err(Refused::new(number, Error::incompatible(what)));
    match encr {
        EncrAlg::Null if !policy.allow_null_encryption => no(
            ErrorNo::InvalidEa,
            "its keys would travel in clear, which policy forbids (RFC 3830 section 4.2.3)".into(),
        ),
        EncrAlg::Unknown(n) => {
            no(ErrorNo::InvalidEa, format!("its encryption algorithm {n} is none we know (RFC 3830 section 6.2)"))
        }
        EncrAlg::Null | EncrAlg::AesCm128 | EncrAlg::AesKw128 => match mac {
            MacAlg::Null if !policy.allow_null_mac => {
                no(ErrorNo::InvalidMac, "it has no MAC, which policy forbids (RFC 3830 section 4.2.4)".into())
            }
            MacAlg::Unknown(n) => {
                no(ErrorNo::InvalidMac, format!("its MAC algorithm {n} is none we know (RFC 3830 section 6.2)"))
            }
            MacAlg::Null | MacAlg::HmacSha1_160 => Ok(()),
        },
    }
}

/// Who an ID payload names (RFC 3830 section 6.7).
///
/// # Errors
/// It is neither a NAI nor a URI, or no text that can be shown.
pub(crate) fn identity(id: &Id) -> Result<Identity, Refused> {
    use crate::mikey::wire::IdType;
    let bad = |what: String| Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, "RFC 3830 section 6.7"));
    match (id.id_type, id.text()) {
        (IdType::Unknown(n), _) => Err(bad(format!("its ID type {n} is neither NAI nor URI"))),
        (_, Some(text)) if !text.is_empty() && !text.contains(char::is_control) => Ok(Identity::new(text)),
        _ => Err(bad("its ID is empty or no readable text".into())),
    }
}

/// A fresh TGK: 16 octets, or as many more as AES-KW needs for the Key data to be a multiple of 8 octets, header, MKI and
/// all (RFC 3394 section 2; RFC 3830 has no padding).
fn tgk(encr: EncrAlg, kv: Kv, env: &mut Env<'_>) -> KeyData {
    let beside = 4 + if let Kv::Spi(spi) = &kv { 1 + spi.len() } else { 0 };
    let mut key = vec![0; if encr == EncrAlg::AesKw128 { 16 + (8 - beside % 8) % 8 } else { 16 }];
    env.rng.fill(&mut key);
    KeyData { kind: KeyKind::Tgk, key: Secret::new(key), salt: None, kv }
}
