//! MIKEY-DHHMAC, Diffie-Hellman under a pre-shared key (RFC 4650).
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_message = HDR, T, RAND, [IDi], IDr,
//!                {SP}, DHi, KEMAC    --->
//!                                                R_message = HDR, T,
//!                                                    [IDr], IDi, DHr,
//!                                   <---             DHi, KEMAC
//! ```
//! Who learns the pre-shared key later still does not learn what was said: the TGK is Diffie-Hellman's. The KEMAC has no
//! keys in it, only a MAC over the message, under the auth_key that the pre-shared key makes (RFC 3830 section 4.1.4).
//! Its code points are those of RFC 3830 section 6.2 and of every implementation; the others, that RFC 4650 section 4.2
//! gives, are let pass by name and answered in kind. A MAC there must be: "NULL" would leave the halves to anybody on the
//! way.
//!
//! The rest is in [`dh`](super::dh), the order of the checks too.

use super::dh::{DhMode, Method};
use crate::mikey::derive::{CsbLabel, Secret, auth_key, hmac_sha1};
use crate::mikey::ids::Ids;
use crate::mikey::mode::{ModeName, Refused};
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::tolerance::Tolerance;
use crate::mikey::wire::{Draft, EncrAlg, ErrorNo, Id, Kemac, MacAlg, Message, Payload};
use crate::{Credentials, Error, Filed, Identity, Proof};
use keyphone_media::env::NtpTime;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The mode.
pub type DhHmacMode = DhMode<Hmac>;

/// What we share with a peer.
#[derive(Clone)]
pub struct Hmac {
    /// The auth_key that the pre-shared key makes; nothing is encrypted here.
    auth_key: Secret,
    peer: Identity,
    /// The key is filed under the peer's name, and so proves it.
    own_key: bool,
    /// The peer writes the code points of RFC 4650 section 4.2.
    literal: bool,
}

impl Hmac {
    /// Of a pre-shared key's auth_key: with `own_key` it is this peer's own, so whoever holds it is that peer.
    pub fn new(auth_key: Secret, peer: Identity, own_key: bool) -> Self {
        Self { auth_key, peer, own_key, literal: false }
    }
}

impl fmt::Debug for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hmac({})", self.peer)
    }
}

impl Method for Hmac {
    const MODE: ModeName = ModeName::DhHmac;
    const SECTION: &'static str = "RFC 4650 section 3";
    const UPDATE: &'static str = "RFC 4650 section 3.1";
    const NEEDS_IDR: bool = true;

    fn with(peer: &Identity, csb: &CsbLabel, credentials: &Arc<Credentials>, _: &MikeyPolicy) -> Result<Self, Error> {
        let filed = credentials.psks.find(peer).ok_or_else(|| Error::NoKey(peer.clone()))?;
        let auth_key = auth_key(filed.psk().bytes(), csb);
        Ok(Self::new(auth_key, peer.clone(), matches!(filed, Filed::Own(_))))
    }

    fn peer(&self) -> &Identity {
        &self.peer
    }

    fn takes(payload: &Payload) -> bool {
        matches!(payload, Payload::Kemac(_))
    }

    /// A single one is IDr: IDi is optional, IDr is not.
    fn ids(init: &Message) -> Result<Ids, Refused> {
        let mut ids: Vec<_> = init.many::<Id>().cloned().collect();
        let (r, i) = (ids.pop(), ids.pop());
        if !ids.is_empty() {
            return Err(Error::misbehaved("its message names more than two identities", Self::SECTION).into());
        }
        Ok(Ids { i, r })
    }

    /// RFC 4650 section 4.3: no certificates here.
    fn credentials(&self) -> Result<Vec<Payload>, Error> {
        Ok(vec![])
    }

    fn seal(&self, draft: Draft) -> Result<Message, Error> {
        let unsealed = match self.literal {
            true => draft.kemac_4650(),
            false => draft.kemac(EncrAlg::Null, Zeroizing::default(), MacAlg::HmacSha1_160),
        };
        let mac = hmac_sha1(&self.auth_key, &[unsealed.covered()]);
        Ok(unsealed.seal(&mac)?)
    }

    fn verify(&self, message: &Message, claimed: Option<&Identity>, _: NtpTime) -> Result<(Self, Proof), Refused> {
        let kemac = message.one::<Kemac>()?;
        if kemac.encr_alg != EncrAlg::Null || !kemac.encr_data.is_empty() {
            let what = "its KEMAC carries encrypted data, which is not for DHHMAC";
            return Err(Refused::new(ErrorNo::InvalidEa, Error::misbehaved(what, "RFC 4650 section 4.2")));
        }
        if kemac.mac_alg != MacAlg::HmacSha1_160 {
            let what = format!("its MAC is {}, and without one anybody could exchange the halves", kemac.mac_alg);
            return Err(Refused::new(ErrorNo::InvalidMac, Error::misbehaved(what, "RFC 4650 section 4.2")));
        }
        let who = match claimed {
            Some(claimed) if self.own_key && *claimed != self.peer => {
                let what = format!("it says to be {claimed} under the key of {}", self.peer);
                return Err(Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, Self::SECTION)));
            }
            claimed => claimed.unwrap_or(&self.peer),
        };
        let computed = hmac_sha1(&self.auth_key, &[message.before_mac()?]);
        let proof = Proof::verify_mac(who.clone(), &computed, &kemac.mac).ok_or_else(|| {
            let what = "its MAC does not verify: the key is another one, or the message was changed on the way";
            Refused::new(ErrorNo::AuthFailure, Error::misbehaved(what, "RFC 4650 section 4.2"))
        })?;
        let literal = message.tolerated() == Some(Tolerance::LiteralCodePoints);
        Ok((Self { peer: who.clone(), literal, ..self.clone() }, proof))
    }
}
