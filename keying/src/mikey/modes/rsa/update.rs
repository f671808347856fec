//! An update of a bundle whose envelope key must not be cached (RFC 3830 section 4.5): each has another envelope.
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, [IDi|CERTi], [IDr], {SP},
//!         [KEMAC], [CHASH], PKE, SIGNi --->
//!                                                R_MESSAGE =
//!                                   [<---]       HDR, T, [IDr], V
//! ```
//! The same CSB ID, a new timestamp, no RAND. Either side may begin it. Our certificates go along, though they need not:
//! the peer may have sealed to another one than the one we sign with.

use super::{Init, Pending, init, resp};
use crate::identity::{Certificate, Trusted, Use};
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::envelope::{self, Opened};
use crate::mikey::form;
use crate::mikey::mode::{Initiation, Refused, Updating};
use crate::mikey::modes::psk;
use crate::mikey::signing;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{CacheType, ErrorNo, Id, Message, Sp};
use crate::{Credentials, Error, How, Identity};
use keyphone_media::env::{Env, NtpTime};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

const SECTION: &str = "RFC 3830 section 4.5";

/// What is kept of a bundle so that it can be updated.
#[derive(Clone)]
pub struct Running {
    pub(super) credentials: Arc<Credentials>,
    pub(super) csb: CsbLabel,
    pub(super) peer: Identity,
    /// How the peer was proven.
    pub(super) how: How,
    /// The peer's certificates: what it signs with, and what we seal to. Both are checked anew each time: time passes.
    pub(super) signs: Vec<Certificate>,
    pub(super) opens: Vec<Certificate>,
    pub(super) turns: Turns,
    pub(super) policies: Vec<Sp>,
    pub(super) mki: InUse,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("csb_id", &self.csb.csb_id).finish_non_exhaustive()
    }
}

impl Running {
    /// How the bundle goes on after an envelope: under its key, if that may be cached.
    pub(super) fn after(self, cache: CacheType, keys: TransportKeys) -> Box<dyn Updating> {
        if !envelope::updates(cache) {
            return Box::new(self);
        }
        Box::new(psk::Running {
            keys: Some(keys),
            csb: self.csb,
            peer: (self.peer, true),
            how: self.how,
            turns: self.turns,
            policies: self.policies,
            mki: self.mki,
        })
    }

    /// Whose signature an update must bear: the peer's, by what it sent now or before.
    fn signer(&self, message: &Message, now: NtpTime) -> Result<Trusted, Refused> {
        let sent = signing::chain(message)?;
        let chain = if sent.is_empty() { &self.signs } else { &sent };
        let certs = &self.credentials.certs;
        certs.verify(chain, Some(&self.peer), Use::Signing, now).map_err(signing::refused)
    }

    fn check(&self, init: &Init<'_>, ask: &Bundle<'_>, now: NtpTime) -> Result<(), Refused> {
        form::check_update((&init.csb, &self.csb), &init.ids, (&self.peer, ask.me), SECTION)?;
        let fresh = self.turns.check(init.t, ask.policy, now);
        fresh.map_err(|error| Refused::new(ErrorNo::InvalidTs, error))
    }
}

impl Updating for Running {
    fn peer(&self) -> &Identity {
        &self.peer
    }

    fn csb_id(&self) -> u32 {
        self.csb.csb_id
    }

    fn initiate(&mut self, ask: &Bundle<'_>, env: &mut Env<'_>) -> Result<Initiation, Error> {
        let certs = &self.credentials.certs;
        let (own, now) = (certs.signer()?, env.now.ntp);
        let to = certs.verify(&self.opens, Some(&self.peer), Use::Enciphering, now)?;
        let t = self.turns.next(now);
        let id = Id::uri(ask.me.as_str());
        let key_data = vec![envelope::fresh(&id, ask, Some(&self.mki), env)?];
        let sealed = envelope::seal((&id, &key_data), &to, (&self.csb, t), ask.policy, env)?;
        let draft = init::write((self.csb.csb_id, None, t), (id, own), ask).push(sealed.kemac).push(sealed.pke);
        let message = signing::sign(draft, own, ask.policy, &[])?;
        let next = Self { mki: self.mki.clone().then(&key_data), ..self.clone() };
        let init = Init::read_update(&message, &self.csb.rand).map_err(|refused| refused.error)?;
        let pending = Pending::new(&init, &sealed.keys, next, ask.policy);
        let known = Agreed::by_us(ask, self.csb.clone(), self.policies.clone(), key_data);
        Ok(Initiation { message, known: Some(known), initiated: Box::new(pending) })
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let now = env.now.ntp;
        let init = Init::read_update(message, &self.csb.rand)?;
        init.protected(ask.policy)?;
        self.check(&init, ask, now)?;
        let credentials = self.credentials.clone();
        let own = envelope::opener(message, &credentials.certs)?;
        let peer = self.signer(message, now)?;
        let proof = signing::verify(message, &peer, &[])?;
        // Only now is anything remembered (RFC 3830 section 9.5).
        self.turns.hear(init.t);
        let instead = Zeroizing::new(env.bytes::<16>().to_vec());
        let opened = envelope::open_update(message, own, (&self.csb, init.t), &self.peer, ask.policy, instead);
        let Opened { keys, key_data, .. } = opened?;
        self.mki.check(&key_data)?;
        let answer = message.hdr().v.then(|| resp::write(&init, &keys, ask)).transpose()?;
        let policies = init.policies();
        let policies = if policies.is_empty() { self.policies.clone() } else { policies };
        let mki = self.mki.clone().then(&key_data);
        let next = Self { policies: policies.clone(), mki, ..self.clone() };
        let agreed = Agreed {
            csb: self.csb.clone(),
            map: ask.map.clone(),
            policies,
            keys: key_data,
            proof,
            tolerated: message.tolerated().iter().map(|t| t.text()).collect(),
            running: Some(next.after(init.cache(), keys)),
        };
        Ok((answer, agreed))
    }
}
