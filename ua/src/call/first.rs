//! The first offer of a call that we place, or of one whose INVITE brought none. A forked INVITE has many answers to
//! it, so it outlives them.

use super::Cx;
use super::choose::{self, Menu};
use super::media::Media;
use super::parties::{Parties, streams};
use crate::sdp::precondition::StatusTable;
use crate::sdp::{Direction, OfferAsk, Profile, SdpSession};
use crate::settings::System;
use keyphone_keying::{self as keying, Ask, Keying, Lines, Offered};

/// An offer that begins a session.
pub(super) struct FirstOffer {
    pub(super) parties: Parties,
    /// What it goes by, and what else there is.
    pub(super) menu: Menu,
    /// The offer as it goes into a body.
    pub(super) body: Vec<u8>,
    /// What it says of keying.
    pub(super) lines: Lines,
    /// Each who answers gets a copy of it.
    pub(super) sdp: SdpSession,
    /// `None` when clear RTP was offered.
    pub(super) offered: Option<Box<dyn Offered>>,
    /// Its keys come with each answer, rather than with the offer.
    pub(super) keyed_late: bool,
}

impl FirstOffer {
    /// By the system that the menu says, with a key for each way if that knows them before any answer.
    pub(super) fn new(
        parties: Parties,
        menu: Menu,
        status: StatusTable,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, String> {
        let mut keyed_late = false;
        let (profile, lines, offered) = match menu.system(cx)? {
            System::Clear => {
                let allowed = cx.settings.policy.media.clear().ok_or(NOT_CLEAR)?;
                media.go_clear(allowed, cx);
                (Profile::Avp, Lines::default(), None)
            }
            System::Mikey(mode) => {
                let streams = streams(0, cx.ledger.mint(cx.env), 0);
                let policy = choose::offering(mode, &cx.settings.policy);
                let ask = Ask { policy: &policy, ..parties.ask(&streams, cx.settings) };
                let mut known = vec![];
                let (lines, offered) = cx.mikey.offer(&ask, cx.env, &mut known).map_err(|e| e.to_string())?;
                keyed_late = !known.iter().any(|output| matches!(output, keying::Output::Key(_)));
                if keyed_late {
                    media.open_pen(cx);
                }
                if let Err(error) = media.obey(known, cx) {
                    media.drop_keys(cx);
                    return Err(error.to_string());
                }
                (Profile::Savp, lines, Some(offered))
            }
        };
        let mut sdp = SdpSession::new(cx.origin());
        sdp.set_status(status);
        let offer = sdp.offer(&OfferAsk {
            address: media.ports().rtp.ip(),
            port: media.ports().rtp.port(),
            profile,
            codecs: media.codecs(),
            direction: Direction::SendRecv,
            lines: &lines,
        });
        Ok(Self { parties, menu, body: offer.bytes(), lines, sdp, offered, keyed_late })
    }
}

const NOT_CLEAR: &str = "clear RTP is not allowed: give a keying system, or --allow-clear";
