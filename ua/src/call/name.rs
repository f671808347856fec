//! Who is at the other end, as both sides say it while they talk (RFC 4916).

use super::usage::{Purpose, Usage};
use super::{ALLOW, Call, Cx, Phase, supported};
use crate::event::Event;
use crate::refer::connected::Connected;
use crate::sip::{Headers, Method, Request, Response};

impl Call {
    /// We were called: is there a name that the caller does not know?
    pub(super) fn has_name_to_tell(&mut self, invite: &Request, cx: &Cx<'_, '_>) {
        // Who answers to every name is the one that was called.
        if let Phase::Talking(talking) = &mut self.phase
            && !cx.settings.account().any_name
        {
            talking.connected = Connected::called(&invite.headers, &cx.settings.account().me);
        }
    }

    /// The 200 was acknowledged: now is the time to say who we are (RFC 4916 section 4.2). A peer that takes no UPDATE
    /// reads it in the From of our next request, whatever that is.
    pub(super) fn tell_name(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(me) = talking.connected.take() else { return };
        talking.usage.dialog.rename_us(me, cx.settings.account().display_name.clone());
        if talking.usage.peer.update {
            let ours = supported(cx.settings);
            let mut timer = Headers::new();
            talking.usage.refresh.ask(&mut timer);
            let fill = |request: &mut Request| {
                request.headers.push("Allow", ALLOW);
                request.headers.push("Supported", ours);
                // An UPDATE that does not speak of the session timer would stop it (RFC 4028 section 7.2).
                request.headers.copy("Session-Expires", &timer);
                request.headers.copy("Min-SE", &timer);
            };
            talking.usage.request(Method::Update, Purpose::Name, fill, cx);
        }
    }

    /// The peer has heard our name, or would not; then there is nothing to do (RFC 4916 section 4.4.1).
    pub(super) fn name_told(&mut self, response: Option<&Response>, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(response) = response.filter(|response| response.status.is_success()) else { return };
        talking.usage.dialog.refresh_target(&response.headers);
        talking.usage.learn(&response.headers);
        talking.usage.refresh.heard(response, cx.settings, cx.env.now.mono);
    }

    /// The peer's request gets a 2xx: who its From says is who the peer is from now on (RFC 4916 section 4.4.2).
    pub(super) fn hear_name(&mut self, request: &Request, cx: &mut Cx<'_, '_>) {
        let call = self.id;
        let Some(usage) = self.usage_of(request) else { return };
        if let Some(peer) = renamed(usage, request) {
            cx.event(Event::ConnectedTo { call, peer });
        }
    }
}

/// The new name, if there is one.
fn renamed(usage: &mut Usage, request: &Request) -> Option<String> {
    let from = request.headers.from().ok()?;
    usage.dialog.rename_peer(&from.uri).then(|| from.uri.to_string())
}
