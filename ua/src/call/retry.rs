//! Another offer in the same call: in the next way when one was refused, and for somebody else when the call was sent on
//! (RFC 5197 section 5.3).
//!
//! Nobody authenticates a refusal or a redirection: who declines an offer often cannot (RFC 4567 section 8). So whoever is
//! on the way can have us go through the list of what policy allows, as often as it allows, and that is all: what is
//! offered anew is offered as if it were the first, with keys and an SSRC that were never used.

use super::choose::Menu;
use super::late::{self, First};
use super::media::Media;
use super::outgoing::{Calling, Cancel};
use super::parties::Parties;
use super::refused::Unacceptable;
use super::{Call, Cx, Phase, precondition};
use crate::event::{CallId, Event};
use crate::locate::Hop;
use crate::sdp::{self, Sdp};
use crate::settings::System;
use crate::sip::{Response, StatusCode, Uri};
use keyphone_keying::choice::Blame;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::{self as keying, How, Identity};

impl Call {
    /// Offers anew to who has answered, whose first answer could not be taken and was sent away.
    pub(super) fn offer_instead(&mut self, (parties, menu): (Parties, Menu), cx: &mut Cx<'_, '_>) {
        let Self { id, phase: Phase::Calling(calling), media, .. } = self else { return };
        let call = *id;
        let why = calling.refused.as_ref().map(|bad| bad.why.as_str()).unwrap_or_default();
        let why = format!("{} says that it has answered, and {why}", parties.named);
        menu.tell(call, cx);
        calling.tell_retry(call, &menu, (why, None), cx);
        let body = calling.offer_anew(parties, menu, media, cx);
        match body.and_then(|body| calling.send_again(call, None, |invite| invite.body = body, cx)) {
            Ok(()) => calling.last_call = None,
            Err(what) => {
                cx.event(Event::CallTrouble { call, what });
                self.nobody_left(cx);
            }
        }
    }
}

impl Calling {
    /// Our offer was refused: makes the next one. False if that was not what was refused, or if there is no other way.
    pub(super) fn offer_next(
        &mut self,
        call: CallId,
        response: &Response,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> bool {
        let First::Ours(first) = &self.first else { return false };
        if self.cancel != Cancel::No
            || self.retries == 0
            || !is_not_acceptable(response.status)
            || blames_media(response)
        {
            return false;
        }
        let Some(menu) = first.menu.next(self.blame(response)) else { return false };
        let parties = first.parties.clone();
        let why = format!("{} {}", response.status, response.reason);
        self.tell_retry(call, &menu, (why, self.first.hint(response)), cx);
        let done = self
            .offer_anew(parties, menu, media, cx)
            .and_then(|body| self.send_again(call, None, |invite| invite.body = body, cx));
        done.map_err(|what| cx.event(Event::CallTrouble { call, what })).is_ok()
    }

    /// An answer could not be taken, and says that it is somebody else's than who was called: how to offer to that one, if
    /// there is another way. Nobody has authenticated what it says, but who answers the next offer must hold the key that
    /// is filed under that name.
    pub(super) fn for_who_answered(
        &self,
        bad: &Unacceptable,
        response: &Response,
        cx: &Cx<'_, '_>,
    ) -> Option<(Parties, Menu)> {
        let First::Ours(first) = &self.first else { return None };
        if !bad.keying || self.retries == 0 || self.cancel != Cancel::No {
            return None;
        }
        let body = late::session(&response.headers, &response.body);
        let lines = sdp::key_mgmt::read(&Sdp::parse(body).ok()?).ok()?;
        let who = first.offered.as_ref()?.hint(&lines).who?;
        let Parties { me, named, .. } = &first.parties;
        if who == *me || who == *named || !cx.settings.policy.expect.admits(&self.asked, &who, How::Pinned) {
            return None;
        }
        let parties = Parties { named: who, ..first.parties.clone() };
        let menu = first.menu.instead(&parties, cx)?;
        Some((parties, menu))
    }

    /// Calls the next of those to whom we were sent; false if there is none. What is known of a callee is known of that
    /// one alone, so for another one the offer is chosen and made anew.
    pub(super) fn next_target(&mut self, call: CallId, media: &mut Media, cx: &mut Cx<'_, '_>) -> bool {
        while let Some(uri) = self.targets.next() {
            let to = cx.settings.next_hop(&uri);
            let body = match self.aim(call, &uri, &to, cx) {
                Err(what) => {
                    cx.event(Event::CallTrouble { call, what });
                    continue;
                }
                Ok(None) => Ok(None),
                Ok(Some((parties, menu))) => self.offer_anew(parties, menu, media, cx).map(Some),
            };
            let sent = body.and_then(|body| {
                let change = |invite: &mut crate::sip::Request| {
                    invite.uri = uri;
                    invite.body = body.unwrap_or_else(|| std::mem::take(&mut invite.body));
                };
                self.send_again(call, Some(to), change, cx)
            });
            return sent.map_err(|what| cx.event(Event::CallTrouble { call, what })).is_ok();
        }
        false
    }

    /// Whom a contact means, and how to offer to them; `None` if the offer that there is will do.
    ///
    /// # Errors
    /// Why nothing can be offered there: one sentence.
    fn aim(
        &mut self,
        call: CallId,
        uri: &Uri,
        to: &Hop,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Option<(Parties, Menu)>, String> {
        let First::Ours(first) = &self.first else { return Ok(None) };
        if first.offered.is_none() {
            return Ok(None);
        }
        let Parties { named, hop: before, .. } = &first.parties;
        let (there, hop) = (Identity::new(&uri.to_string()), keying::Hop::from(to.likely_transport()));
        // A contact of the same user is where the callee is now, unless we know somebody under that very name.
        let same = |who: &&&Identity| who.user().is_some() && who.user() == there.user();
        let callee = match [named, &self.asked].iter().find(same) {
            Some(who) if !cx.mikey.knows(&there, cx.env.now.ntp) => Identity::clone(who),
            _ => there,
        };
        let before = (named == &callee, *before);
        let system = first.menu.system(cx)?;
        // What protects nothing itself was for TLS, and goes nowhere else (RFC 3830 section 4.2.3).
        let exposed = system == System::Mikey(ModeName::Null) && hop != before.1;
        if before.0 && !exposed {
            return Ok(None);
        }
        // What is proven is judged when it is there; here it is whom we would ask for.
        if !cx.settings.policy.expect.admits(&self.asked, &callee, How::Pinned) {
            return Err(format!("the call was sent on to {callee}, whom policy does not accept for {}", self.asked));
        }
        let parties = Parties { named: callee, hop, ..first.parties.clone() };
        let menu = Menu::of(&parties, cx);
        menu.tell(call, cx);
        if menu.system(cx)? != system {
            if self.retries == 0 {
                let callee = &parties.named;
                return Err(format!("the call was sent on to {callee}, and is not offered anew so often"));
            }
            let why = format!("the call was sent on to {}", parties.named);
            self.tell_retry(call, &menu, (why, None), cx);
        }
        Ok(Some((parties, menu)))
    }

    /// Counts an offer in another way, and says so.
    fn tell_retry(&mut self, call: CallId, menu: &Menu, (why, hint): (String, Option<String>), cx: &mut Cx<'_, '_>) {
        let First::Ours(first) = &self.first else { return };
        self.retries -= 1;
        let (from, to) = (first.menu.name(cx), menu.name(cx));
        cx.event(Event::Retry { call, from, to, why, hint, authenticated: false });
    }

    /// Makes another offer. The keys of the one before are gone, whether that succeeds or not.
    fn offer_anew(
        &mut self,
        parties: Parties,
        menu: Menu,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Vec<u8>, String> {
        media.drop_keys(cx);
        let status = precondition::of_our_offer(cx.settings)?;
        self.first = First::new(parties, menu, status, media, cx)?;
        Ok(self.first.body().to_vec())
    }

    /// What a refusal blames, as far as it says; nobody has authenticated it.
    fn blame(&self, response: &Response) -> Blame {
        let First::Ours(first) = &self.first else { return Blame::Unknown };
        let body = late::session(&response.headers, &response.body);
        let lines = Sdp::parse(body).ok().and_then(|sdp| sdp::key_mgmt::read(&sdp).ok());
        let blame = first.offered.as_ref().zip(lines).map(|(offered, lines)| offered.blames(&lines));
        blame.unwrap_or_default()
    }
}

/// Does a refusal say that something else in the SDP was in the way (RFC 3261 section 20.43)? Of keying speak 306 and 399
/// (RFC 4567 section 4.1.2).
fn blames_media(response: &Response) -> bool {
    let warnings = response.headers.warning().unwrap_or_default();
    !warnings.is_empty() && warnings.iter().all(|warning| (300..399).contains(&warning.code) && warning.code != 306)
}

/// Was it the session that was refused, rather than the call (RFC 3261 sections 21.4.26 and 21.6.4)?
pub(super) fn is_not_acceptable(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_ACCEPTABLE_HERE | StatusCode::NOT_ACCEPTABLE_ANYWHERE)
}
