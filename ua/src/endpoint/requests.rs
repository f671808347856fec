//! What becomes of a request (RFC 3261 section 8.2): to its call, or to an answer of our own.

use super::{Endpoint, Output};
use crate::call::{ALLOW, Call, decline, supported};
use crate::dialog::Dialog;
use crate::event::Event;
use crate::outside;
use crate::settings::Settings;
use crate::sip::{Method, Request, Response, StatusCode};
use crate::transaction::{self, ServerKey};
use keyphone_media::env::Env;

impl Endpoint {
    pub(super) fn request(
        &mut self,
        key: ServerKey,
        request: &Request,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let in_dialog = request.headers.to().is_ok_and(|to| to.tag().is_some());
        let mut reply = |status| decline::reply(request, status, env);
        let response = match (&request.method, self.book.dialog_of(request)) {
            _ if !in_dialog && let Some(options) = unsupported(request, &self.settings) => {
                // RFC 3261 section 8.2.2.3.
                let mut response = reply(StatusCode::BAD_EXTENSION);
                response.headers.push("Unsupported", options);
                response
            }
            (Method::Options, _) => {
                let mut response = reply(StatusCode::OK);
                response.headers.push("Allow", ALLOW);
                response.headers.push("Accept", "application/sdp");
                response
            }
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
            (Method::Invite | Method::Bye | Method::Update | Method::Prack, Some(call)) => {
                return self.with(call, env, said, out, |call, cx| call.request(key, request, cx));
            }
            (Method::Invite | Method::Bye | Method::Update | Method::Prack, None) => {
                reply(StatusCode::CALL_DOES_NOT_EXIST)
            }
            _ => {
                let mut response = reply(StatusCode::METHOD_NOT_ALLOWED);
                response.headers.push("Allow", ALLOW);
                response
            }
        };
        self.transactions.respond(key, &response, env, said);
    }

    fn invited(
        &mut self,
        key: ServerKey,
        request: &Request,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let room = self.calls.len() < Self::MAX_CALLS;
        let Some(ports) = room.then(|| self.take_ports()).flatten() else {
            let mut response = decline::reply(request, StatusCode::SERVICE_UNAVAILABLE, env);
            response.headers.push("Retry-After", "5");
            return self.transactions.respond(key, &response, env, said);
        };
        let id = self.next_id();
        let call = Call::invited(id, key, request, ports, &mut self.cx(env, said, out));
        match call {
            Some(call) => self.keep(id, call),
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
            decline::decline(dialog, 0, &mut self.cx(env, said, out));
        }
    }
}

/// The option tags of Require that we do not have.
fn unsupported(request: &Request, settings: &Settings) -> Option<String> {
    let ours = supported(settings);
    let mut tags = request.headers.require().unwrap_or_default();
    tags.retain(|tag| ours.split(", ").all(|known| known != tag));
    (!tags.is_empty() && !matches!(request.method, Method::Cancel | Method::Ack)).then(|| tags.join(", "))
}
