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
//! We send both IDs, one key of our own making, a TGK if policy does not want another form, and the SDP IDs of RFC
//! 4567, and we ask for the R_MESSAGE: the peer's SSRCs come in it.
//!
//! What a Responder checks, cheapest first, so that a flood of bad messages costs little (sections 5.3 and 9.5):
//!
//! 1. the form of the message, its algorithms, and whether it is for us: some comparisons;
//! 2. its timestamp, and the memory of what was seen: a look-up;
//! 3. the MAC, under keys that six HMACs derive. From here on the message is remembered, and no copy of it
//!    costs more than step 2; before that nothing is kept;
//! 4. decryption, and the form of what comes out.

mod init;
mod resp;
mod update;

pub use crate::mikey::ids::Ids;
pub use crate::mikey::protection::{permitted, verify_data};
pub use init::Init;
pub use resp::Pending;
pub use update::Running;

use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::mode::{Initiation, Mode, ModeName, Refused};
use crate::mikey::protection::{encrypt, fresh, mac};
use crate::mikey::station::Station;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{DataType, Draft, EncrAlg, ErrorNo, Hdr, Id, MacAlg, Message, Prf, Rand, key_data};
use crate::{Error, Filed, How, Identity, Proof};
use keyphone_media::env::{Env, NtpTime};

/// The pre-shared key method.
#[derive(Clone, Copy, Debug)]
pub struct PskMode;

impl Mode for PskMode {
    fn name(&self) -> ModeName {
        ModeName::Psk
    }

    fn initiate(&mut self, ask: &Bundle<'_>, station: &mut Station, env: &mut Env<'_>) -> Result<Initiation, Error> {
        let protection = (ask.policy.encryption, ask.policy.mac);
        permitted(protection, ask.policy).map_err(|refused| refused.error)?;
        if protection == (EncrAlg::Null, MacAlg::Null) {
            return Err(Error::Misuse("without encryption and MAC no pre-shared key is used: ask for mikey-null"));
        }
        let csb = CsbLabel { csb_id: station.csb_id(env), rand: env.bytes::<16>().to_vec() };
        let (keys, own_key, how) = transport_keys(station, ask.named, &csb, env.now.ntp)?;
        offer(ask, (Some(keys), own_key, how), (csb, protection), station, env)
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        station: &mut Station,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let init = Init::read(message)?;
        permitted(init.protection(), ask.policy)?;
        let sender = init.ids.initiator(ask.named)?;
        init.ids.check_recipient(ask.me)?;
        let claimed = init.ids.i.is_some().then_some(&sender);
        let unseen = station.check_new(claimed, message, ask.policy, env.now.ntp)?;

        let keys = transport_keys(station, &sender, &init.csb, env.now.ntp);
        let (keys, own_key, how) = keys.map_err(|error| Refused::new(ErrorNo::AuthFailure, error))?;
        let proof = init.verify(Some(&keys), sender.clone(), ask.policy)?.by(how);
        station.remember(unseen, ask.policy, env.now.ntp);
        answer(init, (Some(keys), proof), (sender, own_key, how), ask)
    }
}

/// The transport keys of a bundle with this peer, whether the key is the peer's own, and what is behind it: a key that
/// we hold with the peer goes before an envelope key that was cached (RFC 3830 section 3.2), and this one before a key
/// that everybody has.
fn transport_keys(
    station: &Station,
    peer: &Identity,
    csb: &CsbLabel,
    now: NtpTime,
) -> Result<(TransportKeys, bool, How), Error> {
    let derive = |secret: &[u8]| TransportKeys::new(secret, csb);
    match (station.credentials().psks.find(peer), station.envelope(peer, now)) {
        (Some(Filed::Own(psk)), _) => Ok((derive(psk.bytes()), true, How::SharedKey)),
        (_, Some((secret, how))) => Ok((derive(secret), true, how)),
        (Some(Filed::Common(psk)), None) => Ok((derive(psk.bytes()), false, How::SharedKey)),
        (None, None) => Err(Error::NoKey(peer.clone())),
    }
}

/// Makes the I_MESSAGE, also of the NULL mode, which has no keys.
pub(super) fn offer(
    ask: &Bundle<'_>,
    (keys, own_key, how): (Option<TransportKeys>, bool, How),
    (csb, protection): (CsbLabel, (EncrAlg, MacAlg)),
    station: &mut Station,
    env: &mut Env<'_>,
) -> Result<Initiation, Error> {
    let key_data = vec![fresh(ask, protection.0, 0, None, env)?];
    let plain = key_data::write_keys(None, &key_data)?;
    let t = station.timestamp(env.now.ntp);
    let encrypted = encrypt(protection.0, &plain, keys.as_ref(), &csb, t)?;
    let hdr = Hdr { data_type: DataType::PskInit, v: true, prf: Prf::Mikey1, csb_id: csb.csb_id, map: ask.map.clone() };
    let draft = Draft::new(&hdr)
        .push(t)
        .push(Rand(csb.rand.clone()))
        .push(Id::uri(ask.me.as_str()))
        .push(Id::uri(ask.named.as_str()));
    let draft = ask.policies.iter().cloned().fold(draft, Draft::push);
    let draft = ask.extensions().fold(draft, Draft::push);
    let unsealed = draft.kemac(protection.0, encrypted, protection.1);
    let mac = mac(protection.1, keys.as_ref(), &[unsealed.covered()])?;
    let message = unsealed.seal(&mac)?;

    let pending = {
        let init = Init::read(&message).map_err(|refused| refused.error)?;
        Pending::new(&init, keys.as_ref(), (ask.named.clone(), own_key), ask.policy).by(how, &key_data)
    };
    let known = Agreed::by_us(ask, csb, ask.policies.clone(), key_data);
    Ok(Initiation { message, known: Some(known), initiated: Box::new(pending) })
}

/// Answers an I_MESSAGE that was verified, also of the NULL mode.
pub(super) fn answer(
    init: Init<'_>,
    (keys, proof): (Option<TransportKeys>, Proof),
    (sender, own_key, how): (Identity, bool, How),
    ask: &Bundle<'_>,
) -> Result<(Option<Message>, Agreed), Refused> {
    let message = init.message();
    let key_data = init.keys(&init.decrypt(keys.as_ref(), &proof)?)?;
    let answer = message.hdr().v.then(|| resp::write(&init, keys.as_ref(), ask)).transpose()?;
    let running = Running {
        keys,
        csb: init.csb.clone(),
        peer: (sender, own_key),
        how,
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
        csb: init.csb,
        running: Some(Box::new(running)),
    };
    Ok((answer, agreed))
}
