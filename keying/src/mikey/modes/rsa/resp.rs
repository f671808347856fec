//! The R_MESSAGE, by which the Responder proves that it has opened the envelope, and fills in its SSRCs.

use super::Init;
use super::update::Running;
use crate::identity::Trusted;
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::TransportKeys;
use crate::mikey::form;
use crate::mikey::ids::{Ids, identity};
use crate::mikey::mode::Initiated;
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::protection::verify_data;
use crate::mikey::streams::check_map;
use crate::mikey::tolerance::Tolerance;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{CacheType, CsMap, DataType, Draft, Hdr, Id, KeyData, MacAlg, Message, Payload, Prf, T, V};
use crate::{Credentials, Error, Proof};
use keyphone_media::env::NtpTime;
use std::sync::Arc;

/// What an Initiator needs to verify any number of answers to one I_MESSAGE. Only whoever has the private key of the
/// certificate that it was sealed to can give one.
pub struct Pending {
    keys: TransportKeys,
    mac_alg: MacAlg,
    map: CsMap,
    cache: CacheType,
    t: T,
    ids: Ids,
    /// The bundle as it goes on.
    next: Running,
    policy: MikeyPolicy,
}

impl Pending {
    /// For answers to `init`, whose envelope key these are derived from.
    pub(super) fn new(init: &Init<'_>, keys: &TransportKeys, next: Running, policy: &MikeyPolicy) -> Self {
        Self {
            keys: keys.clone(),
            mac_alg: init.mac_alg(),
            map: init.message().hdr().map.clone(),
            cache: init.cache(),
            t: init.t,
            ids: init.ids.clone(),
            next,
            policy: policy.clone(),
        }
    }

    /// For answers to the first message of a bundle, which brings `key_data` and was sealed to `peer`.
    pub fn first(
        init: &Init<'_>,
        (keys, key_data): (&TransportKeys, &[KeyData]),
        peer: &Trusted,
        credentials: Arc<Credentials>,
        policy: &MikeyPolicy,
    ) -> Self {
        let certificate = vec![peer.certificate().clone()];
        let next = Running {
            credentials,
            csb: init.csb.clone(),
            peer: peer.who().clone(),
            how: peer.how(),
            signs: certificate.clone(),
            opens: certificate,
            turns: Turns::began(init.t),
            policies: init.policies(),
            mki: InUse::of(key_data),
        };
        Self::new(init, keys, next, policy)
    }
}

impl Initiated for Pending {
    fn complete(&self, resp: &Message, _: NtpTime) -> Result<Agreed, Error> {
        let fits = |p: &Payload| matches!(p, Payload::T(_) | Payload::Id(_) | Payload::V(_) | Payload::Ext(_));
        let types = (DataType::PkInit, DataType::PkVer);
        form::check_resp(resp, types, self.next.csb.csb_id, fits, "RFC 3830 section 3.2")?;
        let tolerated = form::check_t(resp, self.t, self.policy.tolerances, "RFC 3830 section 5.2")?;
        let (id, v) = (resp.maybe::<Id>()?, resp.one::<V>()?);
        if let Some(says) = id.map(identity).transpose().map_err(|refused| refused.error)?
            && says != self.next.peer
        {
            let what = format!("it says to be {says} and has opened what was sealed for {}", self.next.peer);
            return Err(Error::misbehaved(what, "RFC 3830 section 3.2"));
        }
        if v.auth_alg != self.mac_alg {
            let what = format!("its V is {} where our message asks for {}", v.auth_alg, self.mac_alg);
            return Err(Error::misbehaved(what, "RFC 3830 section 6.9"));
        }
        let ids = Ids { i: self.ids.i.clone(), r: id.or(self.ids.r.as_ref()).cloned() };
        let computed = verify_data(v.auth_alg, Some(&self.keys), resp.before_ver_data()?, &ids, self.t)?;
        let proof = Proof::verify_mac(self.next.peer.clone(), &computed, &v.ver_data).ok_or_else(|| {
            let what = "its V does not verify: it has not opened the envelope, or the message was changed on the way";
            Error::misbehaved(what, "RFC 3830 section 5.2")
        })?;
        check_map(&self.map, &resp.hdr().map)?;
        Ok(Agreed {
            csb: self.next.csb.clone(),
            map: resp.hdr().map.clone(),
            policies: vec![],
            keys: vec![],
            proof: proof.by(self.next.how),
            tolerated: tolerated.into_iter().map(Tolerance::text).collect(),
            running: Some(self.next.clone().after(self.cache, self.keys.clone())),
        })
    }
}

/// Makes the R_MESSAGE: it repeats T (RFC 3830 section 5.2), and the IDr by which we were called.
pub(super) fn write(init: &Init<'_>, keys: &TransportKeys, ask: &Bundle<'_>) -> Result<Message, Error> {
    let hdr =
        Hdr { data_type: DataType::PkVer, v: false, prf: Prf::Mikey1, csb_id: init.csb.csb_id, map: ask.map.clone() };
    let id = init.ids.r.clone().unwrap_or_else(|| Id::uri(ask.me.as_str()));
    let ids = Ids { i: init.ids.i.clone(), r: Some(id.clone()) };
    let alg = init.mac_alg();
    let unsealed = Draft::new(&hdr).push(init.t).push(id).v(alg);
    let data = verify_data(alg, Some(keys), unsealed.covered(), &ids, init.t)?;
    Ok(unsealed.seal(&data)?)
}
