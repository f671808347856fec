//! The R_MESSAGE: written, and verified.

use super::{Init, Method, Running, ours, tgk};
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::dh::Half;
use crate::mikey::form;
use crate::mikey::ids::identity;
use crate::mikey::mode::{Initiated, Refused};
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::streams::check_map;
use crate::mikey::tolerance::Tolerance;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{CsMap, Dh, Draft, ErrorNo, Hdr, Id, KeyData, Kv, Message, Payload, Prf, T};
use crate::{Error, Identity, Proof};
use keyphone_media::env::{Env, NtpTime};

/// What an Initiator needs to take any number of answers to one I_MESSAGE.
pub struct Pending<M> {
    /// The bundle as it will run.
    running: Running<M>,
    /// Our secret, and DHi as we sent it; `None` if we brought no key.
    half: Option<(Half, Dh)>,
    t: T,
    me: Identity,
    map: CsMap,
    policy: MikeyPolicy,
    is_update: bool,
}

impl<M: Method> Pending<M> {
    /// For answers to `init`, which we made.
    pub fn new(running: Running<M>, init: &Message, t: T, half: Option<(Half, Dh)>, ask: &Bundle<'_>) -> Self {
        let (me, map, policy) = (ask.me.clone(), init.hdr().map.clone(), ask.policy.clone());
        Self { running, half, t, me, map, policy, is_update: false }
    }

    /// For answers to a message whose secret is known and whose sender is `me`: for the workbench.
    pub fn of(method: M, init: &Init<'_>, half: Half, me: Identity, policy: &MikeyPolicy) -> Self {
        let running = Running {
            method,
            csb: init.csb.clone(),
            group: half.group(),
            turns: Turns::began(init.t),
            policies: init.policies(),
            mki: InUse::default(),
        };
        let half = init.dh.map(|dh| (half, dh.clone()));
        let (map, policy) = (init.message().hdr().map.clone(), policy.clone());
        Self { running, half, t: init.t, me, map, policy, is_update: false }
    }

    /// It is an update of a bundle that runs already.
    pub(super) fn updating(self) -> Self {
        Self { is_update: true, ..self }
    }

    /// IDr, if it is there. IDi must be, and be ours: nobody passes on to us what was answered to somebody else. The last
    /// one is IDi (RFC 3830 section 3.3).
    fn ids<'r>(&self, resp: &'r Message, tolerated: &mut Vec<Tolerance>) -> Result<Option<&'r Id>, Error> {
        let ids: Vec<_> = resp.many::<Id>().collect();
        let (idr, idi) = match ids[..] {
            [] => (None, None),
            [idi] => (None, Some(idi)),
            [idr, idi] => (Some(idr), Some(idi)),
            _ => return Err(Error::misbehaved("its R_MESSAGE names more than two identities", M::SECTION)),
        };
        match idi.map(identity).transpose().map_err(|refused| refused.error)? {
            Some(who) if who == self.me => {}
            Some(who) => {
                let what = format!("its R_MESSAGE is an answer to {who}, and we are {}", self.me);
                return Err(Error::misbehaved(what, M::SECTION));
            }
            None if self.policy.tolerances.allows(Tolerance::MissingId) => tolerated.push(Tolerance::MissingId),
            None => {
                let what = "its R_MESSAGE lacks IDi, which is mandatory: there are no ID payloads";
                return Err(Error::misbehaved(what, M::SECTION));
            }
        }
        Ok(idr)
    }

    /// DHr, if we sent DHi: they come together or not at all (RFC 3830 section 4.5). DHi is what we sent, to the last
    /// octet. DHr stands first, but that order is only recommended (section 5.2).
    fn dhr<'r>(&self, resp: &'r Message) -> Result<Option<&'r Dh>, Error> {
        let wrong = |what: &'static str| Err(Error::misbehaved(what, M::SECTION));
        let halves: Vec<_> = resp.many::<Dh>().collect();
        let dhr = match (&self.half, &halves[..]) {
            (None, []) => return Ok(None),
            (None, _) => return wrong("its R_MESSAGE brings a half of a key, and our update asked for none"),
            (Some((_, dhi)), [dhr, echo]) if *echo == dhi => dhr,
            (Some((_, dhi)), [echo, dhr]) if *echo == dhi => dhr,
            (Some(_), [_, _]) => return wrong("its R_MESSAGE does not repeat our DHi"),
            (Some(_), _) => return wrong("its R_MESSAGE does not have DHr and DHi, and nothing more"),
        };
        match &self.half {
            Some((_, dhi)) if dhr.group != dhi.group => {
                wrong("its DHr is of another group than our DHi, which the Initiator chooses")
            }
            Some((_, dhi)) if dhr.value == dhi.value => wrong("its DHr is our own DHi"),
            // When the key is used is for the Initiator to say; a Responder repeats it or says nothing.
            Some((_, dhi)) if dhr.kv != dhi.kv && dhr.kv != Kv::Null => {
                wrong("its DHr gives the key another validity than our DHi")
            }
            _ => Ok(Some(dhr)),
        }
    }

    fn keys(&self, dhr: Option<&Dh>) -> Result<Vec<KeyData>, Error> {
        match (&self.half, dhr) {
            (Some((half, dhi)), Some(dhr)) => Ok(vec![tgk(half.agree(&dhr.value)?, dhi.kv.clone())]),
            _ => Ok(vec![]),
        }
    }
}

impl<M: Method> Initiated for Pending<M> {
    fn complete(&self, resp: &Message, now: NtpTime) -> Result<Agreed, Error> {
        let fits = |payload: &Payload| {
            use Payload::{Dh, Ext, Id, T};
            matches!(payload, T(_) | Id(_) | Dh(_) | Ext(_)) || M::takes(payload)
        };
        let types = (M::MODE.init(), M::MODE.resp());
        form::check_resp(resp, types, self.running.csb.csb_id, fits, M::SECTION)?;
        let mut tolerated = form::check_t(resp, self.t, self.policy.tolerances, M::SECTION)?;
        let idr = self.ids(resp, &mut tolerated)?;
        let dhr = self.dhr(resp)?;
        check_map(&self.map, &resp.hdr().map)?;
        let method = &self.running.method;
        let claimed = idr.map(identity).transpose().map_err(|refused| refused.error)?;
        if let Some(claimed) = claimed.as_ref().filter(|who| self.is_update && *who != method.peer()) {
            let what = format!("{claimed} answers an update of the bundle with {}", method.peer());
            return Err(Error::misbehaved(what, M::UPDATE));
        }
        let (method, proof) = method.verify(resp, claimed.as_ref(), now).map_err(|refused| refused.error)?;
        // Only what is proven is worth an exponentiation.
        let keys = self.keys(dhr)?;
        let mki = self.running.mki.clone().then(&keys);
        let running = Running { method, mki, ..self.running.clone() };
        Ok(Agreed {
            csb: running.csb.clone(),
            map: resp.hdr().map.clone(),
            policies: running.policies.clone(),
            keys,
            proof,
            tolerated: tolerated.into_iter().map(Tolerance::text).collect(),
            running: Some(Box::new(running)),
        })
    }
}

/// Answers an I_MESSAGE that is proven. `running` is the bundle; its keys and policies are the message's. T and DHi are
/// repeated (RFC 3830 section 3.3), and so is the ID by which we were called.
pub(super) fn answer<M: Method>(
    mut running: Running<M>,
    init: &Init<'_>,
    proof: Proof,
    ask: &Bundle<'_>,
    first: bool,
    env: &mut Env<'_>,
) -> Result<(Message, Agreed), Refused> {
    let (mut halves, mut keys) = (vec![], vec![]);
    if let Some(dhi) = init.dh {
        let half = Half::new(dhi.group, env)?;
        let agreed = half.agree(&dhi.value).map_err(|error| Refused::new(ErrorNo::InvalidDh, error))?;
        halves = vec![ours(&half, dhi.kv.clone()), dhi.clone()];
        keys = vec![tgk(agreed, dhi.kv.clone())];
    }
    let (data_type, csb_id) = (M::MODE.resp(), running.csb.csb_id);
    let hdr = Hdr { data_type, v: false, prf: Prf::Mikey1, csb_id, map: ask.map.clone() };
    let or = |id: &Option<Id>, who: &Identity| id.clone().unwrap_or_else(|| Id::uri(who.as_str()));
    let mut draft = Draft::new(&hdr).push(init.t).push(or(&init.ids.r, ask.me));
    if first {
        draft = running.method.credentials()?.into_iter().fold(draft, Draft::push);
    }
    draft = draft.push(or(&init.ids.i, running.method.peer()));
    draft = halves.into_iter().fold(draft, Draft::push);
    let message = running.method.seal(draft)?;
    running.mki = running.mki.then(&keys);
    let agreed = Agreed {
        csb: running.csb.clone(),
        map: ask.map.clone(),
        policies: running.policies.clone(),
        keys,
        proof,
        tolerated: init.tolerated.iter().map(|tolerance| tolerance.text()).collect(),
        running: Some(Box::new(running)),
    };
    Ok((message, agreed))
}
