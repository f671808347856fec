//! MIKEY-RSA, the public-key method (RFC 3830 section 3.2).
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, RAND, [IDi|CERTi], [IDr], {SP},
//!         KEMAC, [CHASH], PKE, SIGNi  --->
//!                                                R_MESSAGE =
//!                                   [<---]       HDR, T, [IDr], V
//! ```
//!
//! The Initiator must have the Responder's certificate before it calls: it is the one that is pinned for whoever SIP
//! names. We send both IDs, our chain, one TGK of our own making, the SDP IDs of RFC 4567, and CHASH only if several
//! certificates are pinned for the peer; and we ask for the R_MESSAGE.
//!
//! What a Responder checks, cheapest first, so that a flood of bad messages costs little (sections 5.3 and 9.5):
//!
//! 1. the form of the message, its algorithms, whether it is for us and for a certificate of ours, and its length:
//!    some comparisons;
//! 2. its timestamp, and the memory of what was seen: a look-up;
//! 3. time, name and use of the sender's certificate: some comparisons;
//! 4. the chain of that certificate: one public-key verification for each link, only for names that would be accepted;
//! 5. the signature of the message: one verification. From here on the message is remembered, and no copy of it costs
//!    more than step 2;
//! 6. the envelope: one private-key operation, thirty times as costly as a verification, only for a peer that is known
//!    by now; then its MAC, and the sender's name in it.
//!
//! After an exchange both sides may use the envelope key as a pre-shared key (section 3.2) as far as its cache
//! indicator says: to update the bundle ([`super::psk::Running`]), and for other calls (the station's memory of
//! envelope keys). With "No cache" each update has another envelope ([`Running`], section 4.5).

mod init;
mod resp;
mod update;

pub use init::Init;
pub use resp::Pending;
pub use update::Running;

use crate::Error;
use crate::identity::Use;
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::CsbLabel;
use crate::mikey::envelope::{self, Opened};
use crate::mikey::mode::{Initiation, Mode, ModeName, Refused};
use crate::mikey::signing;
use crate::mikey::station::Station;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{CacheType, Chash, HashFunc, Id, Message, Rand};
use keyphone_media::env::Env;
use zeroize::Zeroizing;

/// The public-key method.
#[derive(Clone, Copy, Debug)]
pub struct RsaMode;

impl Mode for RsaMode {
    fn name(&self) -> ModeName {
        ModeName::Rsa
    }

    fn initiate(&mut self, ask: &Bundle<'_>, station: &mut Station, env: &mut Env<'_>) -> Result<Initiation, Error> {
        let credentials = station.credentials().clone();
        let own = credentials.certs.signer()?;
        let peer = credentials.certs.of_peer(ask.named, Use::Enciphering, env.now.ntp)?;
        let csb = CsbLabel { csb_id: station.csb_id(env), rand: env.bytes::<16>().to_vec() };
        let (t, id) = (station.timestamp(env.now.ntp), Id::uri(ask.me.as_str()));
        let key_data = vec![envelope::fresh(&id, ask, None, env)?];
        let sealed = envelope::seal((&id, &key_data), &peer, (&csb, t), ask.policy, env)?;

        let rand = Some(Rand(csb.rand.clone()));
        let mut draft = init::write((csb.csb_id, rand, t), (id, own), ask).push(sealed.kemac);
        if credentials.certs.pinned(ask.named) > 1 {
            let hash = peer.certificate().sha1().to_vec();
            draft = draft.push(Chash { hash_func: HashFunc::Sha1, hash });
        }
        let message = signing::sign(draft.push(sealed.pke), own, ask.policy, &[])?;

        if ask.policy.cache == CacheType::Cache {
            station.keep_envelope(ask.named, peer.how(), sealed.secret, env.now.ntp);
        }
        let pending = {
            let init = Init::read(&message).map_err(|refused| refused.error)?;
            Pending::first(&init, (&sealed.keys, &key_data), &peer, credentials.clone(), ask.policy)
        };
        let known = Agreed::by_us(ask, csb, ask.policies.clone(), key_data);
        Ok(Initiation { message, known: Some(known), initiated: Box::new(pending) })
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        station: &mut Station,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let (credentials, now) = (station.credentials().clone(), env.now.ntp);
        let init = Init::read(message)?;
        init.protected(ask.policy)?;
        init.ids.check_recipient(ask.me)?;
        let own = envelope::opener(message, &credentials.certs)?;
        let claimed = init.claimed()?;
        let unseen = station.check_new(claimed.as_ref(), message, ask.policy, now)?;

        let peer = signing::signer(message, claimed.as_ref(), ask.named, &credentials.certs, now)?;
        let proof = signing::verify(message, &peer, &[])?;
        station.remember(unseen, ask.policy, now);

        let instead = Zeroizing::new(env.bytes::<16>().to_vec());
        let Opened { keys, secret, key_data, .. } =
            envelope::open(message, own, (&init.csb, init.t), peer.who(), ask.policy, instead)?;
        let answer = message.hdr().v.then(|| resp::write(&init, &keys, ask)).transpose()?;
        if init.cache() == CacheType::Cache {
            station.keep_envelope(peer.who(), peer.how(), secret, now);
        }
        let signs = vec![peer.certificate().clone()];
        let sent = signing::chain(message)?;
        let signs = if sent.is_empty() { signs } else { sent };
        let running = Running {
            csb: init.csb.clone(),
            peer: peer.who().clone(),
            how: peer.how(),
            opens: signing::opening_chain(message)?.unwrap_or_else(|| signs.clone()),
            signs,
            credentials: credentials.clone(),
            turns: Turns::joined(init.t),
            policies: init.policies(),
            mki: InUse::of(&key_data),
        };
        let agreed = Agreed {
            map: ask.map.clone(),
            policies: init.policies(),
            keys: key_data,
            proof,
            tolerated: message.tolerated().iter().map(|t| t.text()).collect(),
            running: Some(running.after(init.cache(), keys)),
            csb: init.csb,
        };
        Ok((answer, agreed))
    }
}
