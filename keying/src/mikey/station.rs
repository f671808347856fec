//! What the modes of one endpoint share: what it can prove itself with, its timestamps and CSB IDs, and what it has
//! seen. So a message that one mode has taken is a replay to all.

use super::derive::Secret;
use super::envelopes::Envelopes;
use super::mode::Refused;
use super::policy::MikeyPolicy;
use super::replay::{self, Fingerprint, ReplayCache};
use super::wire::{ErrorNo, Message, Payload, T};
use crate::{Credentials, Error, How, Identity};
use keyphone_media::env::{Env, NtpTime};
use std::collections::VecDeque;
use std::sync::Arc;

/// See the file's head.
#[derive(Debug)]
pub struct Station {
    credentials: Arc<Credentials>,
    /// What was proven, and what was only let in: nobody who proves nothing makes us forget what was proven.
    proven: ReplayCache,
    unproven: ReplayCache,
    last_t: u64,
    /// Of bundles that we began, and of those that others did.
    csb_ids: [VecDeque<u32>; 2],
    envelopes: Envelopes,
}

/// An I_MESSAGE that passed [`Station::check_new`], to be remembered once it is proven.
#[derive(Clone, Copy, Debug)]
pub struct Unseen {
    t: T,
    fingerprint: Fingerprint,
    sender: Option<Fingerprint>,
    csb_id: u32,
    /// It has a MAC or a signature.
    proves: bool,
}

impl Station {
    /// Of our CSB IDs so many are remembered, and as many of our peers', lest one come twice between the same two: "an
    /// Initiator MUST check for collisions" (RFC 3830 section 6.1).
    const CSB_IDS: usize = 1024;

    /// `now` is when we start: what is dated before it is refused as a replay that we cannot remember.
    pub fn new(credentials: impl Into<Arc<Credentials>>, now: NtpTime) -> Self {
        let cache = || ReplayCache::new(now, ReplayCache::DEFAULT_CAPACITY);
        let (proven, unproven) = (cache(), cache());
        let (csb_ids, envelopes) = (Default::default(), Envelopes::default());
        Self { credentials: credentials.into(), proven, unproven, last_t: 0, csb_ids, envelopes }
    }

    /// What we can prove ourselves with, and whom we know.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// Every message has its own timestamp (RFC 3830 section 5.2).
    pub fn timestamp(&mut self, now: NtpTime) -> T {
        let behind = self.last_t.wrapping_sub(now.0);
        self.last_t = if behind < 1 << 40 { self.last_t.wrapping_add(1) } else { now.0 };
        T::NtpUtc(self.last_t)
    }

    /// A CSB ID that no bundle has had lately.
    pub fn csb_id(&mut self, env: &mut Env<'_>) -> u32 {
        loop {
            let id = u32::from_be_bytes(env.bytes());
            if !self.csb_ids.iter().any(|ids| ids.contains(&id)) {
                self.take(0, id);
                return id;
            }
        }
    }

    fn take(&mut self, whose: usize, id: u32) {
        let ids = &mut self.csb_ids[whose];
        ids.truncate(Self::CSB_IDS - 1);
        ids.push_front(id);
    }

    /// Is this I_MESSAGE a new one (RFC 3830 section 5.4)? To be asked before anything costly (section 9.5). `claimed` is
    /// who its IDi says it is from, if it has one.
    ///
    /// # Errors
    /// Whose clock is how far off, that it is a replay, or that it counts and policy wants clocks.
    pub fn check_new(
        &self,
        claimed: Option<&Identity>,
        init: &Message,
        policy: &MikeyPolicy,
        now: NtpTime,
    ) -> Result<Unseen, Refused> {
        let (t, fingerprint, proves) = (*init.one::<T>()?, replay::fingerprint(init), proves(init));
        if matches!(t, T::Counter(_)) && !policy.allow_counter {
            let what = "its timestamp is a COUNTER, which policy does not allow: it cannot tell old from new after a \
                        restart (RFC 3830 sections 5.4 and 6.6)";
            return Err(Refused::new(ErrorNo::InvalidTs, Error::incompatible(what)));
        }
        let sender = replay::counts_for(claimed, init);
        let fresh = self.cache(proves).check(sender, (t, fingerprint), now, policy.max_skew);
        fresh.map_err(|error| Refused::new(ErrorNo::InvalidTs, error))?;
        Ok(Unseen { t, fingerprint, sender, csb_id: init.hdr().csb_id, proves })
    }

    fn cache(&self, proves: bool) -> &ReplayCache {
        if proves { &self.proven } else { &self.unproven }
    }

    /// Keeps an envelope key that both sides said to cache: it is a pre-shared key from now on (RFC 3830 section 3.2).
    pub fn keep_envelope(&mut self, peer: &Identity, how: How, secret: Secret, now: NtpTime) {
        self.envelopes.keep(peer, how, secret, now);
    }

    /// The envelope key that was kept with a peer, and how that peer was proven.
    pub fn envelope(&self, peer: &Identity, now: NtpTime) -> Option<(&Secret, How)> {
        self.envelopes.find(peer, now)
    }

    /// Remembers an I_MESSAGE, whose sender is proven now.
    pub fn remember(&mut self, unseen: Unseen, policy: &MikeyPolicy, now: NtpTime) {
        let cache = if unseen.proves { &mut self.proven } else { &mut self.unproven };
        cache.insert(unseen.sender, (unseen.t, unseen.fingerprint), now, policy.max_skew);
        self.take(1, unseen.csb_id);
    }
}

/// Does it end with a signature, or with a MAC that is none of NULL?
fn proves(init: &Message) -> bool {
    match init.parts().last().map(|part| &part.payload) {
        Some(Payload::Kemac(kemac)) => !kemac.mac.is_empty(),
        Some(Payload::Sign(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mikey::wire::{CsMap, DataType, Draft, Hdr, Prf};
    use keyphone_media::env::{Instant, Now, Rng};

    /// Gives 7, and 8, and so on, each twice.
    struct Twice(u32);

    impl Rng for Twice {
        fn fill(&mut self, buf: &mut [u8]) {
            buf.copy_from_slice(&(self.0 / 2).to_be_bytes());
            self.0 += 1;
        }
    }

    #[test]
    fn a_csb_id_is_taken_by_neither_side_before() {
        let now = NtpTime(0xed00_0000_0000_0000);
        let mut station = Station::new(Credentials::default(), now);
        let (mut dice, policy) = (Twice(14), MikeyPolicy::default());
        let mut env = Env { now: Now { mono: Instant::ZERO, ntp: now }, rng: &mut dice };
        assert_eq!((station.csb_id(&mut env), station.csb_id(&mut env)), (7, 8));
        let map = CsMap::Srtp(vec![]);
        let hdr = Hdr { data_type: DataType::PskInit, v: false, prf: Prf::Mikey1, csb_id: 9, map };
        let init = Draft::new(&hdr).push(T::NtpUtc(now.0)).finish().unwrap();
        let unseen = station.check_new(None, &init, &policy, now).unwrap();
        station.remember(unseen, &policy, now);
        assert_eq!(station.csb_id(&mut env), 10, "the peer has 9");
    }
}
