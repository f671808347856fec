//! What becomes of a request (RFC 3261 section 8.2): to its call, or to an answer of our own.

use super::{Endpoint, Output};
use crate::call::{Call, answer};
use crate::dialog::Dialog;
use crate::sip::{Method, Request, Response};
use crate::transaction::{self, ServerKey};
use keyphone_media::env::Env;

/// What we answer to, as Allow says it (RFC 3261 section 20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS";

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
        let response = match (&request.method, self.book.dialog_of(request)) {
            _ if !in_dialog && let Some(options) = unsupported(request) => {
                // RFC 3261 section 8.2.2.3.
                Response::to(request, 420, env).with("Unsupported", options)
            }
            (Method::Options, _) => {
                Response::to(request, 200, env).with("Allow", ALLOW).with("Accept", "application/sdp")
            }
            (Method::Invite, None) if !in_dialog => return self.invited(key, request, env, said, out),
            (Method::Invite | Method::Bye, Some(call)) => {
                return self.with(call, env, said, out, |call, cx| call.request(key, request, cx));
            }
            // RFC 3261 section 12.2.2; a CANCEL that got here matches no INVITE (section 9.2).
            (Method::Invite | Method::Bye | Method::Cancel, None) => Response::to(request, 481, env),
            _ => Response::to(request, 405, env).with("Allow", ALLOW),
        };
        self.transactions.respond(&key, response, env, said);
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
        let Some(ports) = self.ports.pop_front().filter(|_| room) else {
            let response = Response::to(request, 503, env).with("Retry-After", "5");
            return self.transactions.respond(&key, response, env, said);
        };
        let id = self.next_id();
        let cx = &mut self.cx(env, said, out);
        match Call::invited(id, key, request, ports, cx) {
            Some(call) => self.keep(id, call),
            None => out.push(Output::Release(ports)),
        }
    }

    /// A 2xx to an INVITE whose call has chosen another branch or is gone: ACK, then BYE (RFC 3261 section 13.2.2.4).
    pub(super) fn stray(
        &mut self,
        response: &Response,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let is_ok_to_invite = response.is_success() && response.headers.cseq().is_ok_and(|c| c.method == Method::Invite);
        if is_ok_to_invite && let Ok(dialog) = Dialog::answered(response) {
            answer::decline(dialog, None, &mut self.cx(env, said, out));
        }
    }
}

/// The option tags of Require that we do not have: all of them, so far.
fn unsupported(request: &Request) -> Option<String> {
    let tags: Vec<_> = request.headers.require().collect();
    (!tags.is_empty()).then(|| tags.join(", "))
}
