//! What a proxy does with a request, and with each response to it.

use super::context::{Branch, Context};
use super::{Proxy, Targets, destination, pop_via, set_routes, via};
use keyphone_media::env::Env;
use keyphone_ua::sip::{Method, NameAddr, Request, Response, SipUri, StatusCode, Uri, make};
use keyphone_ua::transaction::{ClientKey, Destination, Output, ServerKey};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What stops a request from being forwarded.
struct Refusal(StatusCode, Vec<(&'static str, String)>);

impl Proxy {
    /// A request that is no retransmission, ACK or CANCEL.
    pub(super) fn request(&mut self, key: ServerKey, mut request: Request, env: &mut Env<'_>, told: &mut Vec<Output>) {
        match self.validate(&mut request).and_then(|()| self.targets(&mut request)) {
            Ok(targets) => {
                let context = Context::new(request, targets);
                self.contexts.insert(key, context);
                self.ask_next(key, env, told);
            }
            Err(Refusal(status, headers)) => {
                let mut response = make::response(&request, status, Some(&env.token::<8>()));
                headers.into_iter().for_each(|(name, value)| response.headers.push(name, value));
                self.respond(key, &response, env, told);
            }
        }
    }

    /// RFC 3261 section 16.3, and section 16.4: the Route that names us goes.
    fn validate(&self, request: &mut Request) -> Result<(), Refusal> {
        if request.headers.max_forwards().ok().flatten() == Some(0) {
            return Err(Refusal(StatusCode::TOO_MANY_HOPS, vec![]));
        }
        let requires: Vec<_> = request.headers.all("Proxy-Require").map(str::to_owned).collect();
        if !requires.is_empty() {
            return Err(Refusal(StatusCode::BAD_EXTENSION, vec![("Unsupported", requires.join(", "))]));
        }
        let mut routes = routes(request);
        // A strict router before us has put our Record-Route into the Request-URI, and what stood there last.
        if request.uri.sip().is_some_and(|uri| self.is_ours(uri) && uri.user().is_none() && uri.has_param("lr"))
            && let Some(last) = routes.pop()
        {
            request.uri = last.uri;
            set_routes(&mut request.headers, &routes);
        }
        if routes.first().is_some_and(|route| route.uri.sip().is_some_and(|uri| self.is_ours(uri))) {
            set_routes(&mut request.headers, &routes[1..]);
        }
        let Some(uri) = request.uri.sip() else {
            return Err(Refusal(StatusCode::UNSUPPORTED_URI_SCHEME, vec![]));
        };
        let ours = |via: &keyphone_ua::sip::Via| {
            via.host.ip() == Some(self.setup.sip.ip()) && via.port == Some(self.setup.sip.port())
        };
        let mark = format!(".{}", routed_by(uri, request));
        let looped = |via: &keyphone_ua::sip::Via| ours(via) && via.branch().is_some_and(|b| b.ends_with(&mark));
        match request.headers.vias().unwrap_or_default().iter().any(looped) {
            true => Err(Refusal(StatusCode::LOOP_DETECTED, vec![])),
            false => Ok(()),
        }
    }

    /// RFC 3261 section 16.5: where a request goes that is for one of our users; any other goes to whom it names.
    fn targets(&self, request: &mut Request) -> Result<Targets, Refusal> {
        let Some(uri) = request.uri.sip() else { return Err(Refusal(StatusCode::UNSUPPORTED_URI_SCHEME, vec![])) };
        if !self.is_ours(uri) || !routes(request).is_empty() {
            return Ok(Targets::Together(vec![uri.clone()]));
        }
        match uri.user_text().and_then(|user| self.setup.users.get(&user)) {
            None => Err(Refusal(StatusCode::NOT_FOUND, vec![])),
            Some(Targets::Redirect(to)) => {
                let contact = |uri: &SipUri| ("Contact", NameAddr::new(Uri::Sip(uri.clone())).to_string());
                Err(Refusal(StatusCode::MOVED_TEMPORARILY, to.iter().map(contact).collect()))
            }
            Some(Targets::Together(to)) => Ok(Targets::Together(reachable(uri, to)?)),
            Some(Targets::InTurn(to, each)) => Ok(Targets::InTurn(reachable(uri, to)?, *each)),
        }
    }

    /// Asks all who are left, or whose turn it is. If nobody is, the caller is told how it went.
    pub(super) fn ask_next(&mut self, key: ServerKey, env: &mut Env<'_>, told: &mut Vec<Output>) {
        let Some(context) = self.contexts.get_mut(&key) else { return };
        let (targets, request, each) = (context.next_targets(), context.request.clone(), context.each);
        for target in targets {
            let Some((forwarded, to)) = self.forwarded(&request, target, env) else {
                // Nobody can be asked at a name.
                if let Some(context) = self.contexts.get_mut(&key) {
                    context.consider(make::response(&request, StatusCode::NOT_FOUND, Some(&env.token::<8>())));
                }
                continue;
            };
            let until = (request.method == Method::Invite).then(|| env.now.mono + each.unwrap_or(Self::TIMER_C));
            let branch = Branch { sent: forwarded.clone(), cancelled: false, heard: false, until };
            // What we made ourselves has a Via and a CSeq.
            if let Ok(client) = self.table.request(forwarded, to, env, told) {
                self.branches.insert(client, key);
                if let Some(context) = self.contexts.get_mut(&key) {
                    context.pending.insert(client, branch);
                }
            }
        }
        self.conclude(key, env, told);
    }

    /// RFC 3261 section 16.6: a copy with another Request-URI, one hop less to go and our Via on top.
    fn forwarded(&self, request: &Request, target: SipUri, env: &mut Env<'_>) -> Option<(Request, Destination)> {
        let mut copy = request.clone();
        let mark = routed_by(request.uri.sip()?, request);
        let hops = copy.headers.max_forwards().ok().flatten().map_or(70, |hops| hops.saturating_sub(1));
        copy.headers.set("Max-Forwards", hops.to_string());
        let next = routes(request).first().and_then(|route| route.uri.sip().cloned());
        let begins_dialog = request.headers.to().is_ok_and(|to| to.tag().is_none());
        if self.setup.record_route && begins_dialog && request.method == Method::Invite {
            let is_secure = |uri: &Uri| uri.sip().is_some_and(SipUri::is_secure);
            let secure = is_secure(&request.uri) || next.as_ref().is_some_and(SipUri::is_secure);
            let route = SipUri::new(secure, keyphone_ua::sip::Host::Ip(self.setup.sip.ip()));
            let route = route.with_port(self.setup.sip.port()).with_param("lr", None);
            copy.headers.push_front("Record-Route", NameAddr::new(Uri::Sip(route)).to_string());
        }
        let to = destination(next.as_ref().unwrap_or(&target), target.is_secure())?;
        // RFC 5630 section 5.3: a sips target that is called by sip is reached over TLS, and is called by sip.
        let target = match request.uri.sip().is_some_and(SipUri::is_secure) {
            true => Uri::Sip(target),
            false => target.to_string().replacen("sips:", "sip:", 1).parse().ok()?,
        };
        copy.uri = Uri::Sip(target.sip()?.clone().for_request());
        // Step 6: the next one may be a strict router, which looks for its own address in the Request-URI.
        let mut routes = routes(&copy);
        if let Some(strict) = next.filter(|next| !next.has_param("lr")) {
            routes.remove(0);
            routes.push(NameAddr::new(std::mem::replace(&mut copy.uri, Uri::Sip(strict.for_request()))));
            set_routes(&mut copy.headers, &routes);
        }
        copy.headers.push_front("Via", via(&self.setup, &mark, env).to_string());
        Some((copy, to))
    }

    /// An ACK of a 2xx goes where it says, and nobody waits for anything (RFC 3261 section 16.11 for its Via).
    pub(super) fn forward_ack(&mut self, mut ack: Request, env: &mut Env<'_>, told: &mut Vec<Output>) {
        if self.validate(&mut ack).is_err() {
            return;
        }
        let Some(uri) = ack.uri.sip().cloned() else { return };
        if self.is_ours(&uri) && routes(&ack).is_empty() {
            return;
        }
        if let Some((ack, to)) = self.forwarded(&ack, uri, env) {
            self.table.acknowledge(ack, &to.into(), env, told);
        }
    }

    /// RFC 3261 section 16.7.
    pub(super) fn response(
        &mut self,
        client: ClientKey,
        mut response: Response,
        env: &mut Env<'_>,
        told: &mut Vec<Output>,
    ) {
        let Some(key) = self.branches.get(&client).copied() else {
            // That of a CANCEL of ours; or one more 2xx of a branch that is done.
            if let Some(invite) = self.accepted.get(&client).filter(|_| pop_via(&mut response.headers)) {
                self.table.respond(*invite, &response, env, told);
            }
            return;
        };
        let status = response.status;
        if !pop_via(&mut response.headers) {
            // It is for nobody but us, and the branch says no more after its final response.
            if status.is_final() {
                self.failed(client, StatusCode::BAD_GATEWAY, env, told);
            }
            return;
        }
        let Some(context) = self.contexts.get_mut(&key) else { return };
        if status.is_provisional() {
            if let Some(branch) = context.pending.get_mut(&client) {
                branch.heard = true;
                // Step 2: anything but 100.
                if context.each.is_none() && branch.until.is_some() && status != StatusCode::TRYING {
                    branch.until = Some(env.now.mono + Self::TIMER_C);
                }
            }
            if status != StatusCode::TRYING && !context.answered {
                self.respond(key, &response, env, told);
            }
            return;
        }
        context.pending.remove(&client);
        self.branches.remove(&client);
        if status.is_success() {
            context.answered = true;
            if context.is_invite() {
                self.accepted.insert(client, key);
            }
            self.respond(key, &response, env, told);
            // Step 10. Who answers before the CANCEL comes has answered all the same.
            self.cancel_branches(key, env, told);
        } else {
            context.consider(response);
            if status.class() == 6 {
                self.cancel_branches(key, env, told);
            }
            self.ask_next(key, env, told);
        }
        self.conclude(key, env, told);
    }

    /// A branch came to nothing.
    pub(super) fn failed(&mut self, client: ClientKey, status: StatusCode, env: &mut Env<'_>, told: &mut Vec<Output>) {
        let Some(key) = self.branches.remove(&client) else { return };
        let Some(context) = self.contexts.get_mut(&key) else { return };
        context.pending.remove(&client);
        let response = make::response(&context.request, status, Some(&env.token::<8>()));
        context.consider(response);
        self.ask_next(key, env, told);
    }

    /// Nobody else is asked, and who still rings stops.
    pub(super) fn cancel_branches(&mut self, key: ServerKey, env: &mut Env<'_>, told: &mut Vec<Output>) {
        let Some(context) = self.contexts.get_mut(&key) else { return };
        context.closed = true;
        let pending: Vec<_> = context.pending.keys().copied().collect();
        pending.into_iter().for_each(|client| self.cancel(key, client, env, told));
        self.conclude(key, env, told);
    }

    fn cancel(&mut self, key: ServerKey, client: ClientKey, env: &mut Env<'_>, told: &mut Vec<Output>) {
        let Some(context) = self.contexts.get_mut(&key).filter(|context| context.is_invite()) else { return };
        let Some(branch) = context.pending.get_mut(&client).filter(|branch| !branch.cancelled) else { return };
        branch.cancelled = true;
        let Ok(cancel) = make::cancel(&branch.sent) else { return };
        let Some(to) = self.table.hop(keyphone_ua::transaction::Key::Client(client)) else { return };
        if let Err(error) = self.table.request(cancel, to, env, told) {
            tracing::debug!(%error, "a CANCEL was not sent");
        }
    }

    /// Timer C, and the end of a turn.
    pub(super) fn contexts_timeout(&mut self, env: &mut Env<'_>, told: &mut Vec<Output>) {
        let now = env.now.mono;
        let mut due = vec![];
        for (key, context) in &self.contexts {
            let over = |branch: &Branch| !branch.cancelled && branch.until.is_some_and(|until| until <= now);
            let over = context.pending.iter().filter(|(_, branch)| over(branch));
            due.extend(over.map(|(client, branch)| (*key, *client, branch.heard)));
        }
        for (key, client, heard) in due {
            self.cancel(key, client, env, told);
            // Who rings answers the CANCEL with 487, and the next is asked then. Of whom nothing was heard, nothing will.
            if !heard {
                self.ask_next(key, env, told);
            }
        }
    }

    /// The caller gets the best answer once all have answered; what is over is forgotten.
    fn conclude(&mut self, key: ServerKey, env: &mut Env<'_>, told: &mut Vec<Output>) {
        let Some(context) = self.contexts.get_mut(&key) else { return };
        if let Some(best) = context.conclusion() {
            let response = match best {
                // Our own trouble is not what a 503 of somebody else says.
                Some(response) if response.status != StatusCode::SERVICE_UNAVAILABLE => response,
                Some(_) => make::response(&context.request, StatusCode::SERVER_INTERNAL_ERROR, Some(&env.token::<8>())),
                // Section 16.5: nobody was there to be asked.
                None => make::response(&context.request, StatusCode::TEMPORARILY_UNAVAILABLE, Some(&env.token::<8>())),
            };
            context.answered = true;
            self.table.respond(key, &response, env, told);
        }
        if self.contexts.get(&key).is_some_and(|context| context.answered && context.pending.is_empty()) {
            self.contexts.remove(&key);
        }
    }
}

/// Of the places of a user, those that may be asked: for a sips URI none but sips URIs (RFC 5630 section 5.3).
fn reachable(called: &SipUri, places: &[SipUri]) -> Result<Vec<SipUri>, Refusal> {
    let may = |place: &&SipUri| place.is_secure() || !called.is_secure();
    let may: Vec<_> = places.iter().filter(may).cloned().collect();
    match may.is_empty() && !places.is_empty() {
        true => {
            let warning = format!("380 {} \"SIPS Not Allowed\"", called.host());
            Err(Refusal(StatusCode::TEMPORARILY_UNAVAILABLE, vec![("Warning", warning)]))
        }
        false => Ok(may),
    }
}

fn routes(request: &Request) -> Vec<NameAddr> {
    request.headers.route().unwrap_or_default()
}

/// A mark of all that decides where a request goes: a request that comes back with the same has looped.
fn routed_by(uri: &SipUri, request: &Request) -> String {
    let mut hasher = DefaultHasher::new();
    uri.to_string().hash(&mut hasher);
    for name in ["From", "To", "Call-ID", "CSeq", "Route", "Proxy-Require"] {
        request.headers.all(name).for_each(|value| value.hash(&mut hasher));
    }
    format!("{:016x}", hasher.finish())
}
