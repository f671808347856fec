//! Whose the first offer of a call is that we place. An INVITE without one leaves it to each who answers: the offer comes
//! in a branch's first reliable response or in its 2xx, and our answer goes into the PRACK or the ACK (RFC 3261 section
//! 13.2.1, RFC 3262 section 5).

use super::Cx;
use super::choose::Menu;
use super::exchange::Exchange;
use super::first::FirstOffer;
use super::media::Media;
use super::parties::Parties;
use super::refused::Unacceptable;
use crate::event::Why;
use crate::sdp::precondition::StatusTable;
use crate::sdp::{self, Sdp};
use crate::sip::{Headers, Request, Response, multipart};
use keyphone_keying::Lines;

/// Who offers first.
pub(super) enum First {
    /// Our INVITE does, and each who answers it answers that.
    Ours(Box<FirstOffer>),
    /// Whoever answers does.
    Theirs(Parties),
}

impl First {
    /// As the rules say.
    pub(super) fn new(
        parties: Parties,
        menu: Menu,
        status: StatusTable,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, String> {
        media.begin(cx);
        if cx.settings.rules.late_offer {
            media.keep_apart();
            return Ok(Self::Theirs(parties));
        }
        let offer = FirstOffer::new(parties, menu, status, media, cx)?;
        if offer.keyed_late {
            media.keep_apart();
        }
        Ok(Self::Ours(Box::new(offer)))
    }

    /// What the INVITE carries.
    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Ours(offer) => &offer.body,
            Self::Theirs(_) => &[],
        }
    }

    /// A branch of its own.
    pub(super) fn exchange(&self, cx: &mut Cx<'_, '_>) -> Exchange {
        match self {
            Self::Ours(offer) => Exchange::offered(offer),
            Self::Theirs(parties) => Exchange::awaiting(parties.clone(), cx),
        }
    }

    /// Did we offer keys, or will we answer with keys, if we have our way?
    pub(super) fn is_keyed(&self, cx: &Cx<'_, '_>) -> bool {
        match self {
            Self::Ours(offer) => offer.offered.is_some(),
            Self::Theirs(_) => cx.settings.keying.first().is_some_and(|system| system.is_keyed()),
        }
    }

    /// What a refusal says about our keys, which nobody has authenticated.
    pub(super) fn hint(&self, response: &Response) -> Option<String> {
        let Self::Ours(offer) = self else { return None };
        let body = session(&response.headers, &response.body);
        let lines = sdp::key_mgmt::read(&Sdp::parse(body).ok()?).ok()?;
        offer.offered.as_ref()?.refused(&lines).map(|error| error.to_string())
    }

    /// Takes what a 2xx of that branch says, where nothing is agreed on yet; gives what its ACK says. `kept` is the answer
    /// that came before it and stands.
    pub(super) fn conclude(
        &self,
        exchange: &mut Exchange,
        (branch, response, kept): (&str, &Response, Option<&[u8]>),
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> (Vec<u8>, Result<(), Unacceptable>) {
        match self {
            Self::Ours(offer) => {
                let body = kept.unwrap_or_else(|| session(&response.headers, &response.body));
                (vec![], exchange.first_answer(offer, body, (branch, Why::Final), media, cx))
            }
            Self::Theirs(_) => answer(exchange, response, media, cx),
        }
    }
}

/// Answers the offer of a response. One that we cannot take gets an answer all the same, in which every stream is refused
/// (RFC 3261 section 13.2.2.4).
pub(super) fn answer(
    exchange: &mut Exchange,
    response: &Response,
    media: &mut Media,
    cx: &mut Cx<'_, '_>,
) -> (Vec<u8>, Result<(), Unacceptable>) {
    let offer = match offer_of(response) {
        Ok(offer) => offer,
        Err(bad) => return (vec![], Err(bad)),
    };
    match exchange.answer_first(None, &offer, media, cx) {
        Ok(()) => (exchange.body(), Ok(())),
        Err(refused) => {
            let (body, bad) = refused.of_a_response();
            (body.unwrap_or_else(|| refusal(&offer, cx)), Err(bad))
        }
    }
}

/// The answer that refuses every stream which a response offers, where the INVITE did not.
pub(super) fn rejection(response: &Response, cx: &mut Cx<'_, '_>) -> Vec<u8> {
    match cx.settings.rules.late_offer {
        true => offer_of(response).map(|offer| refusal(&offer, cx)).unwrap_or_default(),
        false => vec![],
    }
}

fn refusal(offer: &Sdp, cx: &mut Cx<'_, '_>) -> Vec<u8> {
    sdp::refusal(offer, &cx.origin(), cx.settings.sip.ip(), &Lines::default()).bytes()
}

fn offer_of(response: &Response) -> Result<Sdp, Unacceptable> {
    let body = response.session_body().map_err(Unacceptable::other)?;
    let body = body.ok_or_else(|| Unacceptable::other("the answer has no offer, and neither had our INVITE"))?;
    Sdp::parse(body).map_err(Unacceptable::other)
}

/// The answer in a message: its body, or a part of that (RFC 5621 section 4.1). What is no session description is given as
/// it is: whoever reads it says what is wrong.
pub(super) fn session<'b>(headers: &Headers, body: &'b [u8]) -> &'b [u8] {
    multipart::session_body(headers, body).map_or(body, Option::unwrap_or_default)
}

/// Puts our half of the session into a PRACK or an ACK, if there is something to say.
pub(super) fn carry(request: &mut Request, body: Vec<u8>) {
    if !body.is_empty() {
        request.headers.push("Content-Type", "application/sdp");
        request.body = body;
    }
}
