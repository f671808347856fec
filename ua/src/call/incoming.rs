//! A call that comes in: what its INVITE must be like, so that it rings here (RFC 3261 section 13.3).

use super::choose::{self, Menu};
use super::exchange::Exchange;
use super::first::FirstOffer;
use super::media::Media;
use super::parties::Parties;
use super::precondition;
use super::refresh::{self, TooSmall};
use super::refused::Refused;
use super::ringing::{Ringing, moved, redirected, requires_reliable};
use super::usage::Usage;
use super::{Call, Cx, Phase, Place};
use crate::dialog::Dialog;
use crate::event::{CallId, Direction, Event};
use crate::io::MediaPorts;
use crate::sdp::{Sdp, key_mgmt};
use crate::settings::{Incoming, Plan, Play, Preconditions, Reliable};
use crate::sip::{Request, StatusCode, Uri};
use crate::transaction::ServerKey;
use keyphone_media::env::Instant;
use std::collections::BTreeMap;

/// An INVITE, and what it goes by with us.
struct Invitation<'a> {
    id: CallId,
    key: ServerKey,
    request: &'a Request,
    /// The To-tag that we give it.
    tag: String,
}

impl Call {
    /// Takes an INVITE that begins a dialog; one that takes another call's place is answered at once. `None` if it was
    /// refused; the response has left.
    pub(crate) fn invited(
        id: CallId,
        key: ServerKey,
        request: &Request,
        ports: MediaPorts,
        place: Option<Place>,
        cx: &mut Cx<'_, '_>,
    ) -> Option<Self> {
        let peer = request.headers.from().map(|from| from.uri.to_string()).unwrap_or_default();
        let call_id = request.headers.call_id().unwrap_or_default().to_owned();
        // As it looks; whether it is in order is seen when it is answered.
        let looks = key_mgmt::looks(&request.body);
        // Without an offer, ours says how.
        let ours = if request.body.is_empty() { choose::answering(request, key, cx) } else { None };
        cx.event(Event::Started {
            call: id,
            direction: Direction::Incoming,
            peer,
            call_id,
            keying: ours.unwrap_or(looks),
        });
        let invitation = Invitation { id, key, request, tag: cx.env.token::<4>() };
        let takes_place = place.is_some();
        let must_be_keyed = place.as_ref().is_some_and(|place| place.keyed);
        let (answer_at, early, plan) = match cx.settings.incoming.clone() {
            _ if let Some(Place { plan, .. }) = place => (Some(cx.env.now.mono), None, plan),
            Incoming::Answer { after, early, plan } => (Some(cx.env.now.mono + after), early, plan),
            Incoming::Ring { plan } => (None, None, plan),
            Incoming::Redirect(to) => {
                redirect(&invitation, &to, cx);
                return None;
            }
            Incoming::Refuse(status) => {
                turn_away(&invitation, Refused::new(status, "this phone was told to refuse calls"), cx);
                return None;
            }
        };
        match Self::try_ring(&invitation, ports, plan, (answer_at, early), must_be_keyed, cx) {
            Ok(mut call) => {
                if takes_place {
                    // Nobody is rung for what is only another end of a call (RFC 3891 section 3).
                    call.pick_up(cx);
                }
                if !takes_place || call.is_quiet() {
                    call.ring(cx);
                }
                Some(call)
            }
            Err(refused) => {
                turn_away(&invitation, refused, cx);
                None
            }
        }
    }

    fn try_ring(
        invitation: &Invitation<'_>,
        ports: MediaPorts,
        plan: Plan,
        (answer_at, early): (Option<Instant>, Option<Play>),
        must_be_keyed: bool,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, Refused> {
        let Invitation { id, key, request, tag } = invitation;
        let bad = |error| Refused::new(StatusCode::BAD_REQUEST, error);
        let dialog = Dialog::invited(request, tag).map_err(bad)?;
        if let Err(TooSmall(least)) = refresh::check(request, cx.settings) {
            let why = "the session would have to be refreshed too often";
            let refused = Refused::new(StatusCode::SESSION_INTERVAL_TOO_SMALL, why);
            return Err(refused.with("Min-SE", least.as_secs().to_string()));
        }
        let knows_reliable = request.headers.supports("100rel") || requires_reliable(request);
        if cx.settings.rules.reliable == Reliable::Required && !knows_reliable {
            // RFC 3261 section 21.4.16.
            let refused = Refused::new(StatusCode::EXTENSION_REQUIRED, "this phone insists on reliable responses");
            return Err(refused.with("Require", "100rel".into()));
        }
        if cx.settings.rules.preconditions == Preconditions::Required && !request.headers.supports(precondition::TAG) {
            let why = "this phone does not ring before the call is keyed";
            let refused = Refused::new(StatusCode::EXTENSION_REQUIRED, why);
            return Err(refused.with("Require", precondition::TAG.into()));
        }
        let mut media = Media::new(*id, ports, plan.clone(), cx);
        let parties = Parties::of_invite(request, *key, cx).map_err(bad)?;
        let body = request.session_body().map_err(|error| Refused::new(error.status(), error))?;
        let exchange = match body {
            // The offer is for us to make, keyed as ours are (RFC 3261 section 13.3.1.4).
            None => {
                let status = precondition::of_no_offer(cx.settings)?;
                let menu = Menu::of(&parties, cx);
                menu.tell(*id, cx);
                let offer = FirstOffer::new(parties, menu, status, &mut media, cx);
                Exchange::offering(offer.map_err(|why| Refused::keying(why, None))?)
            }
            Some(body) => {
                let offer = Sdp::parse(body);
                let offer = offer.map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))?;
                Exchange::answering(request, parties, &offer, &mut media, cx)?
            }
        };
        if must_be_keyed && !exchange.is_keyed() {
            media.drop_keys(cx);
            return Err(Refused::keying("a call that is keyed cannot be replaced by one that is not", None));
        }
        cx.book.add_server(*key, *id);
        cx.book.add_media(ports, *id);
        cx.book.add_dialog(dialog.call_id(), dialog.local_tag(), *id);
        let usage = Usage::new(*id, dialog, exchange, &request.headers);
        let ringing = Ringing::new(*key, Request::clone(request), usage, (answer_at, early), cx.env.now.mono);
        let phase = Phase::Ringing(Box::new(ringing));
        Ok(Self { id: *id, plan, media, we_called: false, numbers: BTreeMap::new(), phase })
    }
}

/// Sends a caller elsewhere, and says so.
fn redirect(invitation: &Invitation<'_>, to: &[Uri], cx: &mut Cx<'_, '_>) {
    let Invitation { id, key, request, tag } = invitation;
    cx.respond(*key, &moved(request, tag, to));
    let outcome = redirected(*id, to, cx);
    cx.event(Event::Ended { call: *id, outcome });
}

/// Refuses an INVITE, and says so.
fn turn_away(invitation: &Invitation<'_>, refused: Refused, cx: &mut Cx<'_, '_>) {
    let Invitation { id, key, request, tag } = invitation;
    let response = refused.response(request, tag, cx);
    cx.respond(*key, &response);
    let outcome = refused.outcome(*id, cx);
    cx.event(Event::Ended { call: *id, outcome });
}
