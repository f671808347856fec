//! MIKEY-NULL: the messages of the pre-shared key method with neither encryption nor MAC (RFC 3830 sections 4.2.3 and
//! 4.2.4). They are worth what carries them is worth, so they are offered and answered over TLS alone, and only where
//! policy names the mode.
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, RAND, [IDi],[IDr],
//!         {SP}, KEMAC(NULL, NULL)    --->
//!                                                R_MESSAGE =
//!                                   [<---]       HDR, T, [IDr], V(NULL)
//! ```
//!
//! Nothing in them is proven: not who wrote them, not that they are new, not that they are whole. What has been seen is
//! remembered apart from what is proven, so nobody fills the replay cache of the other modes in this way.

use super::psk::{self, Init};
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::CsbLabel;
use crate::mikey::mode::{Initiation, Mode, ModeName, Refused};
use crate::mikey::station::Station;
use crate::mikey::wire::{EncrAlg, ErrorNo, MacAlg, Message};
use crate::{Error, Hop, How};
use keyphone_media::env::Env;

/// The pre-shared key method without a key.
#[derive(Clone, Copy, Debug)]
pub struct NullMode;

/// How its KEMAC is protected.
pub(super) const PROTECTION: (EncrAlg, MacAlg) = (EncrAlg::Null, MacAlg::Null);

impl Mode for NullMode {
    fn name(&self) -> ModeName {
        ModeName::Null
    }

    fn initiate(&mut self, ask: &Bundle<'_>, station: &mut Station, env: &mut Env<'_>) -> Result<Initiation, Error> {
        check_hop(ask.hop).map_err(|refused| refused.error)?;
        let csb = CsbLabel { csb_id: station.csb_id(env), rand: env.bytes::<16>().to_vec() };
        psk::offer(ask, (None, false, How::Nothing), (csb, PROTECTION), station, env)
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        station: &mut Station,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        check_hop(ask.hop)?;
        let init = Init::read(message)?;
        let sender = init.ids.initiator(ask.named)?;
        init.ids.check_recipient(ask.me)?;
        let claimed = init.ids.i.is_some().then_some(&sender);
        let unseen = station.check_new(claimed, message, ask.policy, env.now.ntp)?;
        let proof = init.verify(None, sender.clone(), ask.policy)?;
        station.remember(unseen, ask.policy, env.now.ntp);
        psk::answer(init, (None, proof), (sender, false, How::Nothing), ask)
    }
}

/// "This MUST NOT be used unless the underlying protocols can guarantee security" (RFC 3830 section 4.2.3).
///
/// # Errors
/// The hop is not TLS.
pub(super) fn check_hop(hop: Hop) -> Result<(), Refused> {
    match hop {
        Hop::Tls => Ok(()),
        Hop::Clear => {
            let what = "MIKEY without encryption and MAC is for TLS alone, and this hop is not TLS (RFC 3830 sections \
                        4.2.3 and 4.2.4)";
            Err(Refused::new(ErrorNo::InvalidEa, Error::incompatible(what)))
        }
    }
}
