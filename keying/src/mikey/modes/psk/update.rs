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
//! that of the first exchange. Either side may begin it (see [`crate::mikey::turns`]). The public-key methods update
//! their bundles in the same way, under a cached envelope key (RFC 3830 section 3.2).

use super::super::null;
use super::init::Init;
use super::resp::{self, Pending};
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::form;
use crate::mikey::mode::{Initiation, Refused, Updating};
use crate::mikey::protection::{encrypt, fresh, mac, permitted, update_keys};
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{DataType, Draft, EncrAlg, ErrorNo, Hdr, Id, MacAlg, Message, Prf, Sp, key_data};
use crate::{Error, How, Identity};
use keyphone_media::env::Env;
use std::fmt;

const SECTION: &str = "RFC 3830 section 4.5";

/// What is kept of a bundle so that it can be updated.
#[derive(Clone)]
pub struct Running {
    pub(crate) keys: Option<TransportKeys>,
    pub(crate) csb: CsbLabel,
    /// Who the peer proved to be, and whether the key is filed under its name.
    pub(crate) peer: (Identity, bool),
    /// What is behind the key: itself, or the certificates by which an envelope key was agreed on.
    pub(crate) how: How,
    pub(crate) turns: Turns,
    /// The security policies of the first exchange.
    pub(crate) policies: Vec<Sp>,
    pub(crate) mki: InUse,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("csb_id", &self.csb.csb_id).finish_non_exhaustive()
    }
}

impl Running {
    /// May a message of this bundle be protected so? One without keys is the NULL mode's.
    fn permits(&self, protection: (EncrAlg, MacAlg), ask: &Bundle<'_>) -> Result<(), Refused> {
        match (&self.keys, protection == null::PROTECTION) {
            (None, true) => null::check_hop(ask.hop),
            (Some(_), false) => permitted(protection, ask.policy),
            (None, false) | (Some(_), true) => {
                let what = "its update is protected in another way than its bundle";
                Err(Error::misbehaved(what, SECTION).into())
            }
        }
    }
}

impl Updating for Running {
    fn peer(&self) -> &Identity {
        &self.peer.0
    }

    fn csb_id(&self) -> u32 {
        self.csb.csb_id
    }

    fn needs_tls(&self) -> bool {
        self.keys.is_none()
    }

    fn initiate(&mut self, ask: &Bundle<'_>, env: &mut Env<'_>) -> Result<Initiation, Error> {
        let protection = if self.keys.is_some() { (ask.policy.encryption, ask.policy.mac) } else { null::PROTECTION };
        self.permits(protection, ask).map_err(|refused| refused.error)?;
        let t = self.turns.next(env.now.ntp);
        let key_data = vec![fresh(ask, protection.0, 0, Some(&self.mki), env)?];
        let plain = key_data::write_keys(None, &key_data)?;
        let encrypted = encrypt(protection.0, &plain, self.keys.as_ref(), &self.csb, t)?;
        let csb_id = self.csb.csb_id;
        let hdr = Hdr { data_type: DataType::PskInit, v: true, prf: Prf::Mikey1, csb_id, map: ask.map.clone() };
        let draft = Draft::new(&hdr).push(t).push(Id::uri(ask.me.as_str())).push(Id::uri(ask.named.as_str()));
        let draft = ask.extensions().fold(draft, Draft::push);
        let unsealed = draft.kemac(protection.0, encrypted, protection.1);
        let mac = mac(protection.1, self.keys.as_ref(), &[unsealed.covered()])?;
        let message = unsealed.seal(&mac)?;
        let pending = {
            let init = Init::read_update(&message, &self.csb.rand).map_err(|refused| refused.error)?;
            Pending::new(&init, self.keys.as_ref(), self.peer.clone(), ask.policy).updating(self.clone(), &key_data)
        };
        let known = Agreed::by_us(ask, self.csb.clone(), self.policies.clone(), key_data);
        Ok(Initiation { message, known: Some(known), initiated: Box::new(pending) })
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let init = Init::read_update(message, &self.csb.rand)?;
        form::check_update((&init.csb, &self.csb), &init.ids, (&self.peer.0, ask.me), SECTION)?;
        self.permits(init.protection(), ask)?;
        let fresh = self.turns.check(init.t, ask.policy, env.now.ntp);
        fresh.map_err(|error| Refused::new(ErrorNo::InvalidTs, error))?;
        let proof = init.verify(self.keys.as_ref(), self.peer.0.clone(), ask.policy)?.by(self.how);
        // Only now is anything remembered (RFC 3830 section 9.5).
        self.turns.hear(init.t);
        let keys = update_keys(&init.decrypt(self.keys.as_ref(), &proof)?)?;
        self.mki.check(&keys)?;
        let answer = message.hdr().v.then(|| resp::write(&init, self.keys.as_ref(), ask)).transpose()?;
        let policies = init.policies();
        let policies = if policies.is_empty() { self.policies.clone() } else { policies };
        let running = Self { policies: policies.clone(), mki: self.mki.clone().then(&keys), ..self.clone() };
        let agreed = Agreed {
            csb: self.csb.clone(),
            map: ask.map.clone(),
            policies,
            keys,
            proof,
            tolerated: message.tolerated().iter().map(|t| t.text()).collect(),
            running: Some(Box::new(running)),
        };
        Ok((answer, agreed))
    }
}
