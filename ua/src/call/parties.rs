//! Who keys what with whom, and what a refusal of it says.

use super::Cx;
use super::refused::Refused;
use crate::sdp::{self, Sdp};
use crate::settings::Settings;
use crate::sip::{Request, SipError};
use crate::transaction::{Key, ServerKey};
use keyphone_keying::{Ask, Dir, Hop, Identity, Refusal, Stream};
use keyphone_media::rtp::Ssrc;

/// Who talks to whom, as keying sees it.
#[derive(Clone, Debug)]
pub(super) struct Parties {
    pub(super) me: Identity,
    pub(super) named: Identity,
    /// How the last offer came, or how ours goes.
    pub(super) hop: Hop,
}

impl Parties {
    /// We, and who calls us.
    pub(super) fn of_invite(request: &Request, key: ServerKey, cx: &Cx<'_, '_>) -> Result<Self, SipError> {
        let named = Identity::new(&request.headers.from()?.uri.to_string());
        let mut parties = Self { me: cx.settings.identity_for(request), named, hop: Hop::Clear };
        parties.came(key, cx);
        Ok(parties)
    }

    /// A request inside the dialog may come over another hop.
    pub(super) fn came(&mut self, key: ServerKey, cx: &Cx<'_, '_>) {
        self.hop = hop(key, cx);
    }

    /// What keying is asked for.
    pub(super) fn ask<'a>(&'a self, streams: &'a [Stream], settings: &'a Settings) -> Ask<'a> {
        Ask { hop: self.hop, me: &self.me, named: &self.named, streams, policy: &settings.policy }
    }
}

/// What a request came over.
pub(super) fn hop(key: ServerKey, cx: &Cx<'_, '_>) -> Hop {
    cx.transactions.hop(Key::Server(key)).map_or(Hop::Clear, |to| to.transport.into())
}

/// One audio line, both ways: we are `ssrc`, and whoever authenticates is heard.
pub(super) fn streams(line: u8, ssrc: Ssrc, roc: u32) -> [Stream; 2] {
    [Stream { line, dir: Dir::Send, ssrc: Some(ssrc), roc }, Stream { line, dir: Dir::Hear, ssrc: None, roc: 0 }]
}

/// Keying refuses an offer: its error message travels in the SDP of the 488 (RFC 4567 section 4.1.2).
pub(super) fn refused(refusal: Refusal, offer: &Sdp, cx: &mut Cx<'_, '_>) -> Refused {
    let Refusal { error, lines } = refusal;
    let body = lines.map(|lines| sdp::refusal(offer, &cx.origin(), cx.settings.sip.ip(), &lines).bytes());
    let warning = error.warning();
    Refused::keying(error, body).warning(warning)
}
