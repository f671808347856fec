//! What we can do, for whoever asks (RFC 3261 section 11.2).

use super::admit::{ACCEPT, ACCEPT_ENCODING};
use super::{Endpoint, requests};
use crate::call::{ALLOW, codec_lines, decline, profiles, supported};
use crate::sdp::{self, Origin};
use crate::settings::Incoming;
use crate::sip::{NameAddr, Request, Response, StatusCode};
use keyphone_media::env::Env;

impl Endpoint {
    /// The answer to an OPTIONS: its status is the one that an INVITE would get now, inside a dialog it is 200 (RFC 3261
    /// section 11.2).
    pub(super) fn capabilities(&self, request: &Request, env: &mut Env<'_>) -> Response {
        let in_dialog = request.headers.tag("To").is_some();
        let status = if in_dialog { StatusCode::OK } else { self.readiness() };
        let mut response = decline::reply(request, status, env);
        let headers = &mut response.headers;
        match (&self.settings.incoming, status) {
            (Incoming::Redirect(uris), StatusCode::MOVED_TEMPORARILY) => {
                uris.iter().for_each(|uri| headers.push("Contact", NameAddr::new(uri.clone()).to_string()));
            }
            (_, StatusCode::SERVICE_UNAVAILABLE) => headers.push("Retry-After", requests::RETRY_AFTER),
            _ => {}
        }
        headers.push("Allow", ALLOW);
        headers.push("Accept", ACCEPT);
        headers.push("Accept-Encoding", ACCEPT_ENCODING);
        // What stands in our Warnings.
        headers.push("Accept-Language", "en");
        headers.push("Supported", supported(&self.settings));
        if status.is_success() && request.headers.accepts("application", "sdp") == Ok(true) {
            headers.push("Content-Type", "application/sdp");
            response.body = self.media_capabilities(env);
        }
        response
    }

    fn readiness(&self) -> StatusCode {
        match &self.settings.incoming {
            _ if !self.has_room() => StatusCode::SERVICE_UNAVAILABLE,
            Incoming::Refuse(status) => *status,
            Incoming::Redirect(_) => StatusCode::MOVED_TEMPORARILY,
            Incoming::Answer { .. } | Incoming::Ring { .. } => StatusCode::OK,
        }
    }

    /// RFC 3264 section 9: like an offer, but with port 0, so that nobody takes it for one.
    fn media_capabilities(&self, env: &mut Env<'_>) -> Vec<u8> {
        let origin = Origin { user: "-".into(), session_id: env.random() >> 2, version: 1 };
        let profiles = profiles(&self.settings);
        let codecs = codec_lines(&self.settings.codecs);
        sdp::capabilities(&origin, self.settings.sip.ip(), &profiles, &codecs).bytes()
    }
}
