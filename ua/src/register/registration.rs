//! One account's registration (RFC 3261 section 10.2).
//!
//! ```text
//!         register                200                   time to refresh
//!  Off ------------> Asking -----------------> On ------------------------> Asking
//!   ^                 | | ^                     |                            (bind)
//!   |  refused for    | | | 401, 407, 423, 302: |
//!   |  good           | | +-- asked once more   | unregister
//!   +-----------------+ |                       v
//!   |                   | no answer, 5xx:     Asking
//!   |                   v back-off            (unbind)
//!   |                 Waiting --> Asking        |
//!   +-------------------------------------------+ 200, or any other end
//! ```

use super::bindings::Bindings;
use super::{preload, retry};
use crate::call::{ALLOW, Cx, decline, supported};
use crate::event::Event;
use crate::locate::Hop;
use crate::sip::{Method, NameAddr, Request, Response, StatusCode, Uri, make};
use crate::transaction::ClientKey;
use keyphone_media::env::Instant;
use std::time::Duration;

/// One account's registration.
#[derive(Default)]
pub(super) struct Registration {
    state: State,
    /// The Call-ID and the tag of all our REGISTERs, and their number (RFC 3261 section 10.2); made with the first.
    name: Option<(String, String)>,
    seq: u32,
    failures: u32,
    /// What a 423 has taught us to ask for.
    least: Duration,
    /// Where a redirection has sent us.
    moved: Option<Uri>,
}

#[derive(Default)]
enum State {
    /// Nothing is registered, and nothing is wanted.
    #[default]
    Off,
    /// A REGISTER is under way. Another must wait for its end (RFC 3261 section 10.2).
    Asking { attempt: Box<Attempt>, bound: Option<Bound> },
    /// We are registered.
    On { bound: Bound, refresh_at: Instant },
    /// It failed, and is tried again.
    Waiting { again_at: Instant, bound: Option<Bound> },
}

/// What the registrar holds for us.
struct Bound {
    until: Instant,
    routes: Vec<NameAddr>,
}

/// One REGISTER, and what came of it so far.
struct Attempt {
    key: ClientKey,
    request: Request,
    purpose: Purpose,
    /// What the user has asked for meanwhile.
    then: Option<Purpose>,
    challenges: u32,
    too_brief: bool,
    redirected: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Bind,
    Unbind,
}

/// How an attempt failed.
struct Failure {
    status: Option<StatusCode>,
    why: String,
    /// Whether, and when at the earliest, it is worth another try.
    retry: Option<Duration>,
    /// The registrar answered: what it held for us, it may hold no longer.
    refused: bool,
}

impl Registration {
    /// So many challenges one attempt answers: every realm on the way, and a stale nonce or two.
    const MOST_CHALLENGES: u32 = 12;

    pub(super) fn register(&mut self, cx: &mut Cx<'_, '_>) {
        self.want(Purpose::Bind, cx);
    }

    pub(super) fn unregister(&mut self, cx: &mut Cx<'_, '_>) {
        self.want(Purpose::Unbind, cx);
    }

    fn want(&mut self, purpose: Purpose, cx: &mut Cx<'_, '_>) {
        let bound = match std::mem::take(&mut self.state) {
            State::Asking { mut attempt, bound } => {
                attempt.then = Some(purpose).filter(|then| *then != attempt.purpose);
                self.state = State::Asking { attempt, bound };
                return;
            }
            State::Off => None,
            State::On { bound, .. } => Some(bound),
            State::Waiting { bound, .. } => bound,
        };
        match (purpose, &bound) {
            // Nothing is there to be taken back.
            (Purpose::Unbind, None) => cx.event(Event::Unregistered { aor: cx.settings.account().me.to_string() }),
            _ => self.ask(purpose, bound, cx),
        }
    }

    /// Sends a REGISTER.
    fn ask(&mut self, purpose: Purpose, bound: Option<Bound>, cx: &mut Cx<'_, '_>) {
        let registrar = self.moved.clone().unwrap_or_else(|| cx.settings.account().registrar());
        let mut request = self.write(registrar, purpose, cx);
        cx.auth.preempt(&mut request);
        let key = match self.send(&mut request, purpose, cx) {
            Ok(key) => key,
            Err(why) => {
                let failure = Failure { status: None, why, retry: None, refused: false };
                return self.failed(purpose, bound, failure, cx);
            }
        };
        let attempt = Attempt { key, request, purpose, then: None, challenges: 0, too_brief: false, redirected: false };
        self.state = State::Asking { attempt: Box::new(attempt), bound };
    }

    /// A REGISTER without Via, CSeq, Contact and Route (RFC 3261 section 10.2).
    fn write(&mut self, registrar: Uri, purpose: Purpose, cx: &mut Cx<'_, '_>) -> Request {
        let new_name = || (format!("{}@{}", cx.env.token::<8>(), cx.settings.sip.ip()), cx.env.token::<4>());
        let (call_id, tag) = self.name.get_or_insert_with(new_name).clone();
        let mut request = Request::new(Method::Register, registrar);
        let me = NameAddr::new(cx.settings.account().me.clone());
        let from = NameAddr { display: cx.settings.account().display_name.clone(), ..me.clone().with_tag(&tag) };
        let headers = &mut request.headers;
        headers.push("Max-Forwards", make::MAX_FORWARDS);
        headers.push("From", from.to_string());
        headers.push("To", me.to_string());
        headers.push("Call-ID", call_id);
        headers.push("Expires", self.asked(purpose, cx).as_secs().to_string());
        headers.push("Allow", ALLOW);
        headers.push("Supported", supported(cx.settings));
        // RFC 3327 section 5.1.
        headers.push("Supported", "path");
        request
    }

    /// For how long we want to be bound.
    fn asked(&self, purpose: Purpose, cx: &Cx<'_, '_>) -> Duration {
        match purpose {
            Purpose::Bind => cx.settings.account().expires.max(self.least),
            Purpose::Unbind => Duration::ZERO,
        }
    }

    /// Gives a request its number, its Route, its Contact and its Via, and sends it.
    fn send(&mut self, request: &mut Request, purpose: Purpose, cx: &mut Cx<'_, '_>) -> Result<ClientKey, String> {
        self.seq += 1;
        let expires = self.asked(purpose, cx);
        let headers = &mut request.headers;
        ["Via", "Route", "Contact"].iter().for_each(|name| headers.remove(name));
        headers.set("CSeq", format!("{} REGISTER", self.seq));
        headers.set("Expires", expires.as_secs().to_string());
        let mut routed = request.clone();
        let hop = Hop::from(preload(&mut routed, &cx.settings.account().routes));
        let contact = cx.settings.contact(hop.likely_transport());
        let q = cx.settings.account().preference.map(|q| q.min(1_000));
        let q = q.map(|q| format!(";q={}.{:03}", q / 1_000, q % 1_000)).unwrap_or_default();
        let contact = format!("{contact}{q};expires={}", expires.as_secs());
        routed.headers.push("Contact", &contact);
        request.headers.push("Contact", contact);
        let routed = decline::with_via(routed, cx);
        cx.transactions.request(routed, hop, cx.env, cx.said).map_err(|error| error.to_string())
    }

    /// The final response to the REGISTER that is under way.
    pub(super) fn response(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        let State::Asking { mut attempt, bound } = std::mem::take(&mut self.state) else { return };
        let again = match response.status {
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => attempt.identify(response, cx),
            StatusCode::INTERVAL_TOO_BRIEF => self.longer(&mut attempt, response, cx),
            StatusCode::MOVED_PERMANENTLY | StatusCode::MOVED_TEMPORARILY => self.follow(&mut attempt, response),
            status => match cx.auth.accepted(&attempt.request, response) {
                Ok(()) if status.is_success() => return self.accepted(*attempt, bound, response, cx),
                Ok(()) => Err(Failure::of(response)),
                Err(error) => Err(Failure::retried(None, error.to_string())),
            },
        };
        let sent = again.and_then(|()| {
            self.send(&mut attempt.request, attempt.purpose, cx).map_err(|why| Failure::for_good(None, why))
        });
        match sent {
            Ok(key) => {
                attempt.key = key;
                self.state = State::Asking { attempt, bound };
            }
            Err(failure) => self.ended(*attempt, bound, failure, cx),
        }
    }

    /// 423: we ask for longer, once (RFC 3261 section 10.2.8).
    fn longer(&mut self, attempt: &mut Attempt, response: &Response, cx: &Cx<'_, '_>) -> Result<(), Failure> {
        let asked = self.asked(attempt.purpose, cx);
        let least = response.headers.min_expires().unwrap_or_default();
        match least.filter(|least| *least > asked && !attempt.too_brief && attempt.purpose == Purpose::Bind) {
            Some(least) => {
                (self.least, attempt.too_brief) = (least, true);
                Ok(())
            }
            None => Err(Failure::of(response)),
        }
    }

    /// 301, 302: we go there, once (RFC 3261 section 8.1.3.4).
    fn follow(&mut self, attempt: &mut Attempt, response: &Response) -> Result<(), Failure> {
        let contacts = response.headers.contacts_by_q().unwrap_or_default();
        // Who registers over TLS is not sent anywhere else (RFC 3261 section 26.2.2).
        let secure = attempt.request.uri.sip().is_some_and(|uri| uri.is_secure());
        let there = contacts.into_iter().filter_map(|contact| match contact.uri {
            Uri::Sip(sip) if sip.is_secure() || !secure => Some(Uri::Sip(sip.without_user().for_request())),
            _ => None,
        });
        match there.into_iter().find(|uri| !uri.matches(&attempt.request.uri)).filter(|_| !attempt.redirected) {
            Some(uri) => {
                attempt.redirected = true;
                attempt.request.uri = uri.clone();
                self.moved = Some(uri);
                Ok(())
            }
            None => Err(Failure::of(response)),
        }
    }

    fn accepted(&mut self, attempt: Attempt, bound: Option<Bound>, response: &Response, cx: &mut Cx<'_, '_>) {
        let aor = cx.settings.account().me.to_string();
        if attempt.purpose == Purpose::Unbind {
            cx.event(Event::Unregistered { aor });
            return self.go_on(attempt.then, cx);
        }
        let ours = attempt.request.headers.contact().ok().flatten().map_or(cx.settings.account().me.clone(), |c| c.uri);
        let Bindings { contacts, expires, routes } =
            Bindings::read(&response.headers, &ours, self.asked(Purpose::Bind, cx));
        if expires.is_zero() {
            let why = "the registrar takes our contact and does not keep it".to_owned();
            return self.ended(attempt, bound, Failure::retried(Some(response.status), why), cx);
        }
        self.failures = 0;
        let now = cx.env.now.mono;
        let bound = Bound { until: now + expires, routes };
        let registrar = attempt.request.uri.to_string();
        let expires_s = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX);
        cx.event(Event::Registered { aor, registrar, contacts, expires: expires_s });
        self.state = State::On { bound, refresh_at: now + retry::refresh_after(expires) };
        self.go_on(attempt.then, cx);
    }

    /// Nobody answered the REGISTER that is under way.
    pub(super) fn unanswered(&mut self, status: StatusCode, why: &str, cx: &mut Cx<'_, '_>) {
        let State::Asking { attempt, bound } = std::mem::take(&mut self.state) else { return };
        let failure = Failure { refused: false, ..Failure::retried(Some(status), why.to_owned()) };
        self.ended(*attempt, bound, failure, cx);
    }

    fn ended(&mut self, attempt: Attempt, bound: Option<Bound>, failure: Failure, cx: &mut Cx<'_, '_>) {
        self.failed(attempt.purpose, bound, failure, cx);
        self.go_on(attempt.then, cx);
    }

    /// Says so, and waits if that may help.
    fn failed(&mut self, purpose: Purpose, bound: Option<Bound>, failure: Failure, cx: &mut Cx<'_, '_>) {
        let Failure { status, why, retry, refused } = failure;
        self.failures = self.failures.saturating_add(1);
        self.moved = None;
        let wait = retry.filter(|_| purpose == Purpose::Bind);
        let wait = wait.map(|asked| retry::back_off(self.failures, Some(asked), cx.env));
        let seconds = wait.map(|wait| u32::try_from(wait.as_secs()).unwrap_or(u32::MAX));
        let (aor, status) = (cx.settings.account().me.to_string(), status.map(StatusCode::code));
        cx.event(Event::RegistrationFailed { aor, status, why, retry: seconds });
        self.state = match wait {
            // RFC 3608 section 6.1: what was refused leaves no route behind.
            Some(wait) => State::Waiting { again_at: cx.env.now.mono + wait, bound: bound.filter(|_| !refused) },
            None => State::Off,
        };
    }

    /// Does what the user has asked for while a REGISTER was under way.
    fn go_on(&mut self, then: Option<Purpose>, cx: &mut Cx<'_, '_>) {
        if let Some(purpose) = then {
            self.want(purpose, cx);
        }
    }

    pub(super) fn timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let now = cx.env.now.mono;
        match std::mem::take(&mut self.state) {
            State::On { bound, refresh_at } if refresh_at <= now => self.ask(Purpose::Bind, Some(bound), cx),
            State::Waiting { again_at, bound } if again_at <= now => {
                self.ask(Purpose::Bind, bound.filter(|bound| bound.until > now), cx);
            }
            State::Waiting { again_at, bound } => {
                self.state = State::Waiting { again_at, bound: bound.filter(|bound| bound.until > now) };
            }
            State::Asking { attempt, bound } => {
                self.state = State::Asking { attempt, bound: bound.filter(|bound| bound.until > now) };
            }
            other => self.state = other,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let until = |bound: &Option<Bound>| bound.as_ref().map(|bound| bound.until);
        match &self.state {
            State::Off => None,
            State::On { refresh_at, .. } => Some(*refresh_at),
            State::Waiting { again_at, bound } => until(bound).into_iter().chain([*again_at]).min(),
            State::Asking { bound, .. } => until(bound),
        }
    }

    pub(super) fn service_route(&self) -> &[NameAddr] {
        match &self.state {
            State::On { bound, .. }
            | State::Asking { bound: Some(bound), .. }
            | State::Waiting { bound: Some(bound), .. } => &bound.routes,
            _ => &[],
        }
    }

    /// The transaction whose end it waits for.
    pub(super) fn under_way(&self) -> Option<ClientKey> {
        match &self.state {
            State::Asking { attempt, .. } => Some(attempt.key),
            _ => None,
        }
    }
}

impl Attempt {
    /// 401, 407: we say who we are (RFC 3261 section 22).
    fn identify(&mut self, response: &Response, cx: &mut Cx<'_, '_>) -> Result<(), Failure> {
        self.challenges += 1;
        if self.challenges > Registration::MOST_CHALLENGES {
            let why = "the servers on the way do not stop asking who we are".to_owned();
            return Err(Failure::for_good(Some(response.status), why));
        }
        let answered = cx.auth.answer(&mut self.request, response, cx.env);
        answered.map_err(|error| Failure::for_good(Some(response.status), error.to_string()))
    }
}

impl Failure {
    /// A final response that ends it.
    fn of(response: &Response) -> Self {
        let asked = response.headers.retry_after().ok().flatten().map(|retry| retry.after);
        let retry = asked.or_else(|| retry::may_pass(response.status).then_some(Duration::ZERO));
        let why = format!("{} {}", response.status, response.reason);
        Self { status: Some(response.status), why, retry, refused: true }
    }

    /// Nothing will change until somebody changes something here.
    fn for_good(status: Option<StatusCode>, why: String) -> Self {
        Self { status, why, retry: None, refused: true }
    }

    fn retried(status: Option<StatusCode>, why: String) -> Self {
        Self { status, why, retry: Some(Duration::ZERO), refused: true }
    }
}
