//! A SIP proxy (RFC 3261 section 16): stateful for what it forwards, so that it can fork, one after the other or all at
//! once, pick the best of the answers and cancel the rest.
//!
//! ```text
//!  alice           proxy            b1    b2
//!    │──── INVITE ──>│───── INVITE ──>│     │
//!    │               │───── INVITE ────────>│
//!    │<──── 180 ─────│<──── 180 ──────│     │
//!    │<──── 180 ─────│<──── 180 ────────────│
//!    │<──── 200 ─────│<──── 200 ──────│     │
//!    │               │───── CANCEL ────────>│
//!    │               │<──── 487 ────────────│
//! ```
//!
//! Its shape is that of an endpoint: [`Proxy::handle`] takes what comes and gives what goes, [`Proxy::next_timeout`]
//! says when it wants to be asked again. It names nobody: where its users are is told in [`Setup`].

mod context;
mod forward;

use context::Context;
use keyphone_media::env::{Env, Instant};
use keyphone_ua::sip::make;
use keyphone_ua::sip::{Headers, Host, Message, Method, NameAddr, Request, Response, SipUri, StatusCode, Uri, Via};
use keyphone_ua::transaction::{ClientKey, Destination, Key, Output, ServerKey, Table, Timers, Transport};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What a proxy is told once.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where it is: what its Vias and Record-Routes say.
    pub sip: SocketAddr,
    /// It stays on the way of the whole dialog (RFC 3261 section 16.6, step 4).
    pub record_route: bool,
    /// Where its users are. A Request-URI that names its address and nobody of these is answered 404.
    pub users: BTreeMap<String, Targets>,
}

/// Where the calls of one user go. Each Request-URI says who is meant and where, as an address.
#[derive(Clone, Debug)]
pub enum Targets {
    /// To all of these at once.
    Together(Vec<SipUri>),
    /// To one after the other, each for so long.
    InTurn(Vec<SipUri>, Duration),
    /// The caller is told to call these: 302.
    Redirect(Vec<SipUri>),
}

/// What a proxy is given.
#[derive(Debug)]
pub enum Input<'a> {
    /// A SIP datagram, or one whole message from a stream.
    Sip {
        /// Who sent it.
        from: SocketAddr,
        /// Over what.
        transport: Transport,
        /// The message.
        bytes: &'a [u8],
    },
    /// Nothing can be sent there.
    TransportFailed {
        /// Where to.
        to: SocketAddr,
        /// Over what.
        transport: Transport,
        /// What went wrong; empty if nobody knows.
        why: String,
    },
    /// The time that [`Proxy::next_timeout`] named has come.
    Timeout,
}

/// A message that a proxy sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub to: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// The message.
    pub bytes: Vec<u8>,
}

/// A proxy.
pub struct Proxy {
    setup: Setup,
    table: Table,
    /// What was forwarded and may still bring responses: RFC 3261 section 16.7 calls it the response context.
    contexts: BTreeMap<ServerKey, Context>,
    /// To which of them a request of ours belongs.
    branches: BTreeMap<ClientKey, ServerKey>,
    /// Which INVITE a branch has answered with 2xx: it may answer so again, for as long as the INVITE's transaction is
    /// there (RFC 6026 section 8.3).
    accepted: BTreeMap<ClientKey, ServerKey>,
}

impl Proxy {
    /// So many transactions may be open; more are answered 503.
    pub const MOST_TRANSACTIONS: usize = 4_096;
    /// One request goes to so many targets at the most.
    pub const MOST_TARGETS: usize = 100;
    /// Timer C: how long a phone may ring (RFC 3261 section 16.6, step 11: longer than three minutes).
    pub const TIMER_C: Duration = Duration::from_secs(181);

    /// A proxy that has nothing to do yet.
    pub fn new(setup: Setup) -> Self {
        let table = Table::new(Timers::default(), Self::MOST_TRANSACTIONS);
        let (contexts, branches, accepted) = Default::default();
        Self { setup, table, contexts, branches, accepted }
    }

    /// Where it is.
    pub fn sip(&self) -> SocketAddr {
        self.setup.sip
    }

    /// How many transactions are open.
    pub fn transactions(&self) -> usize {
        self.table.len()
    }

    /// How many requests have branches that may still answer.
    pub fn contexts(&self) -> usize {
        self.contexts.len()
    }

    /// When something is to be done though nothing comes.
    pub fn next_timeout(&self) -> Option<Instant> {
        let contexts = self.contexts.values().filter_map(Context::next_timeout);
        self.table.next_timeout().into_iter().chain(contexts).min()
    }

    /// Takes what comes, and gives what goes. What is no SIP is dropped.
    pub fn handle(&mut self, input: Input<'_>, env: &mut Env<'_>, out: &mut Vec<Outgoing>) {
        let mut told = vec![];
        match input {
            Input::Sip { from, transport, bytes } => match Message::parse(bytes) {
                Ok(message) => self.table.receive(message, from, transport, env, &mut told),
                Err(why) => {
                    if let Some(refusal) = make::refusal(bytes, &why, &env.token::<8>()) {
                        out.push(Outgoing { to: from, transport, bytes: refusal.to_bytes() });
                    }
                }
            },
            Input::TransportFailed { to, transport, why } => {
                self.table.transport_failed(to, transport, &why, env, &mut told);
            }
            Input::Timeout => {
                self.table.timeout(env, &mut told);
                self.contexts_timeout(env, &mut told);
                self.accepted.retain(|_, invite| self.table.is_open(*invite));
            }
        }
        // What the table tells may make us say something to it, which it then tells us of.
        let mut next = 0;
        while next < told.len() {
            let output = std::mem::replace(&mut told[next], Output::Ack(Request::new(Method::Ack, self.own_uri())));
            next += 1;
            self.take(output, env, &mut told, out);
        }
    }

    fn take(&mut self, output: Output, env: &mut Env<'_>, told: &mut Vec<Output>, out: &mut Vec<Outgoing>) {
        match output {
            Output::Send { to, transport, bytes, .. } => out.push(Outgoing { to, transport, bytes }),
            Output::Request { key, request } => self.request(key, request, env, told),
            Output::Ack(ack) => self.forward_ack(ack, env, told),
            Output::Cancel { invite, key, request } => {
                self.respond(key, &make::response(&request, StatusCode::OK, Some(&env.token::<8>())), env, told);
                // RFC 3261 section 16.10: all pending branches are cancelled, and their 487 is what the caller gets.
                self.cancel_branches(invite, env, told);
            }
            Output::Response { key, response } => self.response(key, response, env, told),
            Output::TimedOut { key: Key::Client(key), .. } => self.failed(key, StatusCode::REQUEST_TIMEOUT, env, told),
            // RFC 3261 section 16.9: as if the branch had answered 503.
            Output::TransportFailed { key: Key::Client(key), .. } => {
                self.failed(key, StatusCode::SERVICE_UNAVAILABLE, env, told);
            }
            Output::TimedOut { key: Key::Server(_), .. } | Output::TransportFailed { key: Key::Server(_), .. } => {}
            // RFC 6026 section 7.3: it is not forwarded, for whoever sends it would choose where to.
            Output::Stray(_) => {}
            // We name addresses only, so that nobody has to be asked.
            Output::Lookup(_) => {}
        }
    }

    fn respond(&mut self, key: ServerKey, response: &Response, env: &mut Env<'_>, told: &mut Vec<Output>) {
        self.table.respond(key, response, env, told);
    }

    fn own_uri(&self) -> Uri {
        Uri::Sip(SipUri::new(false, Host::Ip(self.setup.sip.ip())).with_port(self.setup.sip.port()))
    }

    /// Does a URI name this proxy?
    fn is_ours(&self, uri: &SipUri) -> bool {
        let port = uri.port().unwrap_or(Transport::Udp.default_port());
        uri.host().ip() == Some(self.setup.sip.ip()) && port == self.setup.sip.port()
    }
}

/// Where a URI says that somebody is. Names are not looked up. Whatever else it says, what is for a sips URI goes over TLS
/// on every hop (RFC 3261 section 26.2.2, RFC 5630 section 5.3).
fn destination(uri: &SipUri, secure: bool) -> Option<Destination> {
    let transport = match uri.param("transport") {
        _ if secure || uri.is_secure() => Transport::Tls,
        Some(tcp) if tcp.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        _ => Transport::Udp,
    };
    let port = uri.port().unwrap_or(transport.default_port());
    Some(Destination { addr: SocketAddr::new(uri.host().ip()?, port), transport })
}

/// Takes the top Via off, which is ours (RFC 3261 section 16.7, step 3). False if none is left: the response was for us.
fn pop_via(headers: &mut Headers) -> bool {
    let Ok(vias) = headers.vias() else { return false };
    headers.remove("Via");
    for via in vias.iter().skip(1).rev() {
        headers.push_front("Via", via.to_string());
    }
    vias.len() > 1
}

/// Writes other Routes.
fn set_routes(headers: &mut Headers, routes: &[NameAddr]) {
    headers.remove("Route");
    for route in routes {
        headers.push("Route", route.to_string());
    }
}

/// A Via of ours, with a branch that nobody else has and that ends with what the request is routed by: if that comes
/// back unchanged, it has looped (RFC 3261 section 16.6, step 8).
fn via(setup: &Setup, route: &str, env: &mut Env<'_>) -> Via {
    let branch = format!("{}{}.{route}", Via::MAGIC_COOKIE, env.token::<8>());
    Via::new(keyphone_ua::sip::Transport::Udp, Host::Ip(setup.sip.ip()), Some(setup.sip.port()), &branch)
}
