//! The R_MESSAGE, by which the Responder proves to hold the key and fills in its SSRCs.

use super::init::Init;
use super::update::Running;
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::form;
use crate::mikey::ids::{Ids, identity};
use crate::mikey::mode::Initiated;
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::protection::verify_data;
use crate::mikey::streams::check_map;
use crate::mikey::tolerance::Tolerance;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{CsMap, DataType, Draft, Hdr, Id, KeyData, MacAlg, Message, Payload, Prf, T, V};
use crate::{Error, How, Identity, Proof};
use keyphone_media::env::NtpTime;

/// What an Initiator needs to verify any number of answers to one I_MESSAGE.
pub struct Pending {
    keys: Option<TransportKeys>,
    mac_alg: MacAlg,
    csb: CsbLabel,
    map: CsMap,
    t: T,
    ids: Ids,
    named: Identity,
    own_key: bool,
    policy: MikeyPolicy,
    running: Running,
    is_update: bool,
}

impl Pending {
    /// For answers to `init`, from whoever we named; `own_key` says that the key is filed under that name, and so
    /// proves it.
    pub fn new(
        init: &Init<'_>,
        keys: Option<&TransportKeys>,
        (named, own_key): (Identity, bool),
        policy: &MikeyPolicy,
    ) -> Self {
        let running = Running {
            keys: keys.cloned(),
            csb: init.csb.clone(),
            peer: (named.clone(), own_key),
            how: How::SharedKey,
            turns: Turns::began(init.t),
            policies: init.policies(),
            mki: InUse::default(),
        };
        Self {
            running,
            is_update: false,
            keys: keys.cloned(),
            mac_alg: init.protection().1,
            csb: init.csb.clone(),
            map: init.message().hdr().map.clone(),
            t: init.t,
            ids: init.ids.clone(),
            named,
            own_key,
            policy: policy.clone(),
        }
    }

    /// What is behind the transport keys, and which keys were offered.
    pub(super) fn by(self, how: How, keys: &[KeyData]) -> Self {
        Self { running: Running { how, mki: InUse::of(keys), ..self.running }, ..self }
    }

    /// It is an update of this bundle, with these keys.
    pub(super) fn updating(self, running: Running, keys: &[KeyData]) -> Self {
        Self { running: Running { mki: running.mki.clone().then(keys), ..running }, is_update: true, ..self }
    }

    /// The key says who the peer is, if it is that peer's own; otherwise the peer does, if it likes.
    fn who(&self, id: Option<&Id>) -> Result<Identity, Error> {
        let says = id.map(identity).transpose().map_err(|refused| refused.error)?;
        match says {
            // Only the bundle's peer answers its updates, under whatever key.
            Some(says) if (self.own_key || self.is_update) && says != self.named => {
                let what = format!("it says to be {says} under the key of {}", self.named);
                Err(Error::misbehaved(what, "RFC 3830 section 3.1"))
            }
            says => Ok(says.unwrap_or_else(|| self.named.clone())),
        }
    }
}

impl Initiated for Pending {
    fn complete(&self, resp: &Message, _: NtpTime) -> Result<Agreed, Error> {
        let fits = |p: &Payload| matches!(p, Payload::T(_) | Payload::Id(_) | Payload::V(_) | Payload::Ext(_));
        let types = (DataType::PskInit, DataType::PskVer);
        form::check_resp(resp, types, self.csb.csb_id, fits, "RFC 3830 section 3.1")?;
        let tolerated = form::check_t(resp, self.t, self.policy.tolerances, "RFC 3830 section 5.2")?;
        let (id, v) = (resp.maybe::<Id>()?, resp.one::<V>()?);
        let who = self.who(id)?;
        if v.auth_alg != self.mac_alg {
            let what = format!("its V is {} where our message had {}", v.auth_alg, self.mac_alg);
            return Err(Error::misbehaved(what, "RFC 3830 section 6.9"));
        }
        let running = Running { peer: (who.clone(), self.own_key), ..self.running.clone() };
        let proof = match v.auth_alg {
            MacAlg::Null if self.keys.is_none() => Some(Proof::hop(who)),
            MacAlg::Null => Proof::nothing(who, &self.policy),
            alg => {
                let ids = Ids { i: self.ids.i.clone(), r: id.or(self.ids.r.as_ref()).cloned() };
                let computed = verify_data(alg, self.keys.as_ref(), resp.before_ver_data()?, &ids, self.t)?;
                Proof::verify_mac(who, &computed, &v.ver_data)
            }
        };
        let proof = proof.map(|proof| proof.by(self.running.how)).ok_or_else(|| {
            let what = "its V does not verify: the key is another one, or the message was changed on the way";
            Error::misbehaved(what, "RFC 3830 section 5.2")
        })?;
        check_map(&self.map, &resp.hdr().map)?;
        Ok(Agreed {
            csb: self.csb.clone(),
            map: resp.hdr().map.clone(),
            policies: vec![],
            keys: vec![],
            proof,
            tolerated: tolerated.into_iter().map(Tolerance::text).collect(),
            running: Some(Box::new(running)),
        })
    }
}

/// Makes the R_MESSAGE: it repeats T (RFC 3830 section 5.2), and the IDr by which we were called.
pub(super) fn write(init: &Init<'_>, keys: Option<&TransportKeys>, ask: &Bundle<'_>) -> Result<Message, Error> {
    let hdr =
        Hdr { data_type: DataType::PskVer, v: false, prf: Prf::Mikey1, csb_id: init.csb.csb_id, map: ask.map.clone() };
    let id = init.ids.r.clone().unwrap_or_else(|| Id::uri(ask.me.as_str()));
    let ids = Ids { i: init.ids.i.clone(), r: Some(id.clone()) };
    let alg = init.protection().1;
    let unsealed = Draft::new(&hdr).push(init.t).push(id).v(alg);
    let data = verify_data(alg, keys, unsealed.covered(), &ids, init.t)?;
    Ok(unsealed.seal(&data)?)
}
