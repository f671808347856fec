//! What becomes of a request (RFC 3261 section 8.2): to its call, or to an answer of our own.

use super::{Endpoint, Output};
use crate::call::{ALLOW, Call, decline};
use crate::dialog::Dialog;
use crate::event::Event;
use crate::outside;
use crate::refer::PACKAGE;
use crate::sip::{Method, Request, Response, StatusCode};
use crate::transaction::{self, ServerKey};
use keyphone_media::env::Env;

/// When a phone without room may have some again, in seconds.
pub(super) const RETRY_AFTER: &str = "5";

impl Endpoint {
    pub(super) fn request(
        &mut self,
        key: ServerKey,
        request: &Request,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let in_dialog = request.headers.tag("To").is_some();
        let mut reply = |status| decline::reply(request, status, env);
        let response = match (&request.method, self.book.dialog_of(request)) {
            _ if let Err(refusal) = self.admit(key, request) => refusal.response(request, &self.settings, env),
            // RFC 3261 section 12.2.2: so that whoever asks inside a call learns that the call is gone.
            (Method::Options, None) if in_dialog => reply(StatusCode::CALL_DOES_NOT_EXIST),
            (Method::Options, _) => self.capabilities(request, env),
            // In a dialog or not: a text belongs to no session (RFC 3428 section 7).
            (Method::Message, dialog) if dialog.is_some() || !in_dialog => match outside::read(request) {
                Ok(text) => {
                    let from = request.headers.from().map(|from| from.uri.to_string()).unwrap_or_default();
                    out.push(Output::Event(Event::MessageReceived { from, text }));
                    reply(StatusCode::OK)
                }
                Err(status) => {
                    let mut response = reply(status);
                    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                        response.headers.push("Accept", outside::ACCEPT);
                    }
                    response
                }
            },
            (Method::Message, _) => reply(StatusCode::CALL_DOES_NOT_EXIST),
            (Method::Invite, None) if !in_dialog => return self.invited(key, request, env, said, out),
            (method, Some(call)) if IN_DIALOG.contains(method) => {
                return self.with(call, env, said, out, |call, cx| call.request(key, request, cx));
            }
            // Whoever is in no call with us has nobody called by us (RFC 3515 section 5.2), and subscribes to nothing.
            (Method::Refer, None) if !in_dialog => reply(StatusCode::FORBIDDEN),
            (Method::Subscribe, None) if !in_dialog => {
                let refer = request.headers.event().is_ok_and(|event| event.is_some_and(|e| e.package == PACKAGE));
                // RFC 3515 section 2.4.4, RFC 6665 section 4.2.1.1.
                let mut response = reply(if refer { StatusCode::FORBIDDEN } else { StatusCode::BAD_EVENT });
                response.headers.push("Allow-Events", PACKAGE);
                response
            }
            (method, None) if IN_DIALOG.contains(method) => reply(StatusCode::CALL_DOES_NOT_EXIST),
            _ => {
                let mut response = reply(StatusCode::METHOD_NOT_ALLOWED);
                response.headers.push("Allow", ALLOW);
                response
            }
        };
        self.transactions.respond(key, &response, env, said);
    }

    /// Whether there is room for one more call.
    pub(super) fn has_room(&self) -> bool {
        self.calls.len() < Self::MAX_CALLS && (!self.settings.rules.media || !self.ports.is_empty())
    }

    fn invited(
        &mut self,
        key: ServerKey,
        request: &Request,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let replaced = match self.replaced(request) {
            Ok(replaced) => replaced,
            Err(status) => {
                let response = decline::reply(request, status, env);
                return self.transactions.respond(key, &response, env, said);
            }
        };
        let place = replaced.and_then(|old| self.calls.get(&old)).map(|old| old.call.place_here());
        let weight = weight(request);
        let has_room = self.has_room() && self.weight + weight <= Self::MAX_CALL_BYTES;
        let Some(ports) = has_room.then(|| self.take_ports()).flatten() else {
            let mut response = decline::reply(request, StatusCode::SERVICE_UNAVAILABLE, env);
            response.headers.push("Retry-After", RETRY_AFTER);
            return self.transactions.respond(key, &response, env, said);
        };
        let id = self.next_id();
        let account = self.settings.accounts.called(request);
        let call = Call::invited(id, key, request, ports, place, &mut self.cx(account, env, said, out));
        match call {
            Some(call) => {
                self.keep(id, account, call.into());
                self.weights.insert(id, weight);
                self.weight += weight;
                self.replacing.extend(replaced.map(|old| (id, old)));
                self.replace(id, env, said, out);
            }
            None if ports.are_open() => self.ports.push_front(ports),
            None => {}
        }
    }

    /// A 2xx to an INVITE whose call is gone: ACK, then BYE (RFC 3261 section 13.2.2.4).
    pub(super) fn stray(
        &mut self,
        response: &Response,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let to_invite = response.headers.cseq().is_ok_and(|c| c.method == Method::Invite);
        if to_invite
            && response.status.is_success()
            && let Ok(dialog) = Dialog::answered(response)
            && self.gone.has_room(&dialog)
        {
            decline::stray(dialog, response, &mut self.cx(0, env, said, out));
        }
    }
}

/// What a call takes inside its dialogs.
const IN_DIALOG: [Method; 8] = [
    Method::Invite,
    Method::Bye,
    Method::Prack,
    Method::Update,
    Method::Refer,
    Method::Notify,
    Method::Subscribe,
    Method::Info,
];

/// The bytes of a request, about.
fn weight(request: &Request) -> usize {
    request.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>() + request.body.len()
}
