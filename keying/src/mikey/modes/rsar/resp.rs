//! The R_MESSAGE, which brings the keys, and by which the Responder proves who it is.

use super::{Init, psk};
use crate::identity::Trusted;
use crate::mikey::bundle::Agreed;
use crate::mikey::derive::{CsbLabel, Secret, hmac_sha1};
use crate::mikey::envelope::{self, Opened};
use crate::mikey::form;
use crate::mikey::ids::{Ids, identity};
use crate::mikey::mode::Initiated;
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::signing;
use crate::mikey::streams::check_map;
use crate::mikey::tolerance::Tolerance;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{CsMap, DataType, Ext, Id, Message, Payload, Pke, Rand, Sp, T};
use crate::{Credentials, Error, Identity, Proof};
use keyphone_media::env::NtpTime;
use std::sync::Arc;
use zeroize::Zeroizing;

const SECTION: &str = "RFC 4738 section 3.6";

/// What an Initiator needs to take any number of answers to one I_MESSAGE.
pub struct Pending {
    credentials: Arc<Credentials>,
    csb_id: u32,
    rand: Option<Vec<u8>>,
    map: CsMap,
    policies: Vec<Sp>,
    t: T,
    ids: Ids,
    named: Identity,
    policy: MikeyPolicy,
    seed: Secret,
}

impl Pending {
    /// For answers to `init`, from whoever `named` or somebody else may be. `seed` is random: it makes what stands in place
    /// of an envelope key that does not come out.
    pub fn new(
        init: &Init<'_>,
        credentials: Arc<Credentials>,
        named: &Identity,
        policy: &MikeyPolicy,
        seed: Secret,
    ) -> Self {
        Self {
            credentials,
            csb_id: init.message().hdr().csb_id,
            rand: init.rand(),
            map: init.message().hdr().map.clone(),
            policies: init.policies(),
            t: init.t,
            ids: init.ids.clone(),
            named: named.clone(),
            policy: policy.clone(),
            seed,
        }
    }

    /// The group's CSB ID, if it is an answer for a group: only who asked without a policy of its own gets one.
    fn group(&self, resp: &Message) -> Result<Option<u32>, Error> {
        let mut ids = resp.many::<Ext>().filter_map(|ext| if let Ext::CsbId(id) = ext { Some(*id) } else { None });
        let (first, second) = (ids.next(), ids.next());
        if second.is_some() {
            return Err(Error::misbehaved("its R_MESSAGE has two new CSB IDs", SECTION));
        }
        if first.is_some() && !self.policies.is_empty() {
            return Err(Error::misbehaved("its R_MESSAGE has a new CSB ID, and this is a call of two", SECTION));
        }
        if first.is_some() && (resp.many::<Rand>().next().is_none() || resp.many::<Sp>().next().is_none()) {
            let what = "its R_MESSAGE for a group lacks RAND or SP, which it must have";
            return Err(Error::misbehaved(what, "RFC 4738 section 3.2"));
        }
        Ok(first)
    }

    /// The RAND that counts: ours, or the peer's, never both; a group's is always the peer's.
    fn rand(&self, resp: &Message, group: bool, tolerated: &mut Vec<Tolerance>) -> Result<Vec<u8>, Error> {
        match (&self.rand, resp.maybe::<Rand>()?) {
            (Some(_), Some(theirs)) if group => Ok(theirs.0.clone()),
            (Some(ours), None) => Ok(ours.clone()),
            (None, Some(theirs)) => Ok(theirs.0.clone()),
            (None, None) => Err(Error::misbehaved("its R_MESSAGE has no RAND, and neither has our I_MESSAGE", SECTION)),
            (Some(ours), Some(_)) => {
                if !self.policy.tolerances.allows(Tolerance::SecondRand) {
                    let what = "its R_MESSAGE has a second RAND, beside the one of our I_MESSAGE";
                    return Err(Error::misbehaved(what, SECTION));
                }
                tolerated.push(Tolerance::SecondRand);
                Ok(ours.clone())
            }
        }
    }

    /// The policies that hold: of ours, if we sent any.
    fn policies(&self, resp: &Message) -> Result<Vec<Sp>, Error> {
        let theirs: Vec<Sp> = resp.many::<Sp>().cloned().collect();
        if let Some(new) = theirs.iter().find(|sp| !self.policies.is_empty() && !self.policies.contains(sp)) {
            let what = format!("its R_MESSAGE has a policy, number {}, that we did not offer", new.policy_no);
            return Err(Error::misbehaved(what, "RFC 4738 section 3.7"));
        }
        if theirs.is_empty() && !self.policies.is_empty() {
            if !self.policy.tolerances.allows(Tolerance::NoChosenPolicy) {
                let what = "its R_MESSAGE does not say which of our policies it has chosen";
                return Err(Error::misbehaved(what, SECTION));
            }
            return Ok(self.policies.clone());
        }
        Ok(theirs)
    }

    /// Verifies the signature: over IDi, IDr and T behind the message.
    fn verify(
        &self,
        resp: &Message,
        idr: Option<&Id>,
        peer: &Trusted,
        tolerated: &mut Vec<Tolerance>,
    ) -> Result<Proof, Error> {
        let t = *resp.one::<T>()?;
        let idr = idr.or(self.ids.r.as_ref());
        let refused = match signing::verify(resp, peer, &[&signed_behind(self.ids.i.as_ref(), idr, t)]) {
            Ok(proof) => return Ok(proof),
            Err(refused) => refused.error,
        };
        if self.policy.tolerances.allows(Tolerance::SignedWithoutIdi)
            && let Ok(proof) = signing::verify(resp, peer, &[&signed_behind(None, idr, t)])
        {
            tolerated.push(Tolerance::SignedWithoutIdi);
            return Ok(proof);
        }
        Err(refused)
    }
}

impl Initiated for Pending {
    fn complete(&self, resp: &Message, now: NtpTime) -> Result<Agreed, Error> {
        let fits = |payload: &Payload| {
            use Payload::{Cert, Ext, Id, Kemac, Pke, Rand, Sign, Sp, T};
            matches!(payload, Ext(_) | T(_) | Rand(_) | Id(_) | Cert(_) | Sp(_) | Kemac(_) | Pke(_) | Sign(_))
        };
        let types = (DataType::RsaRInit, DataType::RsaRResp);
        form::check_resp(resp, types, self.csb_id, fits, "RFC 4738 section 3.1")?;
        let mut tolerated = form::check_t(resp, self.t, self.policy.tolerances, SECTION)?;
        let group = self.group(resp)?;
        let rand = self.rand(resp, group.is_some(), &mut tolerated)?;
        let policies = self.policies(resp)?;
        if self.map != CsMap::Srtp(vec![]) {
            check_map(&self.map, &resp.hdr().map)?;
        }
        let certs = &self.credentials.certs;
        let own = envelope::opener(resp, certs).map_err(|refused| refused.error)?;

        let idr = resp.maybe::<Id>()?;
        let claimed = idr.map(identity).transpose().map_err(|refused| refused.error)?;
        let peer = signing::signer(resp, claimed.as_ref(), &self.named, certs, now).map_err(|refused| refused.error)?;
        let proof = self.verify(resp, idr, &peer, &mut tolerated)?;

        let csb = CsbLabel { csb_id: self.csb_id, rand };
        let instead = Zeroizing::new(hmac_sha1(&self.seed, &[&resp.one::<Pke>()?.data]).to_vec());
        let opened = envelope::open(resp, own, (&csb, *resp.one()?), peer.who(), &self.policy, instead);
        let Opened { keys, key_data, .. } = opened.map_err(|refused| refused.error)?;
        let running = psk::Running {
            keys: Some(keys),
            csb: csb.clone(),
            peer: (peer.who().clone(), true),
            how: peer.how(),
            turns: Turns::began(self.t),
            policies: policies.clone(),
            mki: InUse::of(&key_data),
        };
        let updates = group.is_none() && envelope::updates(resp.one::<Pke>()?.cache);
        Ok(Agreed {
            csb: CsbLabel { csb_id: group.unwrap_or(self.csb_id), rand: csb.rand },
            map: resp.hdr().map.clone(),
            policies,
            keys: key_data,
            proof,
            tolerated: tolerated.into_iter().map(Tolerance::text).collect(),
            running: updates.then(|| Box::new(running) as _),
        })
    }
}

/// What the signature of an R_MESSAGE covers behind the message: the data of the identities that were transported, and
/// T in 64 bits (RFC 4738 section 3.6).
pub fn signed_behind(idi: Option<&Id>, idr: Option<&Id>, t: T) -> Vec<u8> {
    let data = |id: Option<&Id>| id.map(|id| id.data.clone()).unwrap_or_default();
    [data(idi), data(idr), t.octets().to_vec()].concat()
}
