//! All transactions of one endpoint: which message belongs to which, and when each wants its time.

use super::client_invite::ClientInvite;
use super::client_other::ClientOther;
use super::matching::Id;
use super::server_invite::ServerInvite;
use super::server_other::ServerOther;
use super::{ClientKey, Destination, Fate, Key, Output, ServerKey, Step, Timers, Transport, matching, transport};
use crate::sip::{Message, Method, Request, Response, SipError, StatusCode, make};
use keyphone_media::env::{Env, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The transactions of one endpoint.
#[derive(Debug)]
pub struct Table {
    timers: Timers,
    most: usize,
    next: u64,
    entries: BTreeMap<Key, Entry>,
    ids: BTreeMap<Id, Key>,
    deadlines: BTreeSet<(Instant, Key)>,
}

#[derive(Debug)]
struct Entry {
    id: Id,
    deadline: Option<Instant>,
    /// It went over TCP for its size alone, and may fall back to UDP (RFC 3261 section 18.1.1).
    upgraded: bool,
    machine: Machine,
}

#[derive(Debug)]
enum Machine {
    ClientInvite(ClientInvite),
    ClientOther(ClientOther),
    ServerInvite(ServerInvite),
    ServerOther(ServerOther),
}

impl Default for Table {
    fn default() -> Self {
        Self::new(Timers::default(), Self::MOST)
    }
}

impl Table {
    /// How many transactions there may be before strangers are turned away.
    pub const MOST: usize = 10_000;

    /// An empty table. While it holds `most` transactions, new requests from outside get a 503 and leave no trace.
    pub fn new(timers: Timers, most: usize) -> Self {
        let (entries, ids, deadlines) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { timers, most, next: 0, entries, ids, deadlines }
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a request's transaction still goes on.
    pub fn is_open(&self, key: ServerKey) -> bool {
        self.entries.contains_key(&Key::Server(key))
    }

    /// Sends a request of ours, other than an ACK, and sees it through. Its top Via must hold a branch of its own, or,
    /// for a CANCEL, that of its INVITE. A request too long for UDP goes over TCP, and its Via says so. The error is a
    /// request without a readable Via and CSeq.
    pub fn request(
        &mut self,
        mut request: Request,
        dest: Destination,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<ClientKey, SipError> {
        let id = matching::client_id(&request)?;
        request.headers.cseq()?;
        let invite = self.ids.get(&id.for_invite()).copied().filter(|_| request.method == Method::Cancel);
        // A CANCEL goes where its INVITE went, however short it is (RFC 3261 section 9.1).
        let dest = invite.and_then(|key| self.entries.get(&key)).map_or(dest, |entry| entry.machine.hop());
        let (hop, _) = transport::prepare(&mut request, dest);
        if let Some(invite) = invite {
            self.step(invite, env, out, |machine, step| {
                if let Machine::ClientInvite(machine) = machine {
                    machine.cancelled(step);
                }
                Fate::Stays
            });
        }
        let key = ClientKey(self.serial());
        let mut step = Step { now: env.now.mono, timers: &self.timers, out };
        let machine = match request.method {
            Method::Invite => Machine::ClientInvite(ClientInvite::start(key, request, hop, &mut step)),
            _ => Machine::ClientOther(ClientOther::start(key, request, hop, &mut step)),
        };
        let upgraded = hop.transport != dest.transport;
        self.insert(Key::Client(key), Entry { id, deadline: None, upgraded, machine });
        Ok(key)
    }

    /// Answers a request. A response to a transaction that is over is dropped (RFC 6026 section 8.3).
    pub fn respond(&mut self, key: ServerKey, response: &Response, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let (status, bytes) = (response.status, response.to_bytes());
        self.step(Key::Server(key), env, out, |machine, step| match machine {
            Machine::ServerInvite(machine) => {
                machine.respond(status, bytes, step);
                Fate::Stays
            }
            Machine::ServerOther(machine) => machine.respond(status, bytes, step),
            Machine::ClientInvite(_) | Machine::ClientOther(_) => Fate::Stays,
        });
    }

    /// A message from outside. A request that [`Message::check`] finds fault with is answered and forgotten; any other
    /// faulty message is dropped.
    pub fn receive(
        &mut self,
        message: Message,
        from: SocketAddr,
        transport: Transport,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) {
        let why = message.check().err();
        match (message, why) {
            (Message::Request(request), Some(why)) => {
                refuse(request, &why, Destination { addr: from, transport }, env, out)
            }
            (Message::Response(_), Some(_)) => {}
            (Message::Request(request), None) => {
                self.receive_request(request, Destination { addr: from, transport }, env, out)
            }
            (Message::Response(response), None) => self.receive_response(response, env, out),
        }
    }

    /// The transport could not deliver to `to`.
    pub fn transport_failed(&mut self, to: SocketAddr, transport: Transport, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let failed = Destination { addr: to, transport };
        let keys: Vec<Key> =
            self.entries.iter().filter(|(_, e)| e.machine.hop() == failed).map(|(key, _)| *key).collect();
        for key in keys {
            if self.fall_back(key, env, out) {
                continue;
            }
            self.step(key, env, out, |machine, step| match machine {
                Machine::ClientInvite(machine) => machine.transport_failed(step),
                Machine::ClientOther(machine) => machine.transport_failed(step),
                Machine::ServerInvite(machine) => {
                    machine.transport_failed(step);
                    Fate::Stays
                }
                Machine::ServerOther(machine) => {
                    machine.transport_failed(step);
                    Fate::Stays
                }
            });
        }
    }

    /// When the earliest timer fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Lets every timer fire that is due.
    pub fn timeout(&mut self, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let now = env.now.mono;
        let due: Vec<Key> = self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| *key).collect();
        for key in due {
            self.step(key, env, out, |machine, step| match machine {
                Machine::ClientInvite(machine) => machine.timeout(step),
                Machine::ClientOther(machine) => machine.timeout(step),
                Machine::ServerInvite(machine) => machine.timeout(step),
                Machine::ServerOther(machine) => machine.timeout(step),
            });
        }
    }

    fn receive_request(&mut self, request: Request, from: Destination, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let Some(id) = matching::server_id(&request) else { return };
        if let Some(key) = self.ids.get(&id).copied() {
            return self.step(key, env, out, |machine, step| match machine {
                Machine::ServerInvite(machine) if request.method == Method::Ack => machine.acknowledged(request, step),
                Machine::ServerInvite(machine) => {
                    machine.retransmitted(step);
                    Fate::Stays
                }
                Machine::ServerOther(machine) => {
                    machine.retransmitted(step);
                    Fate::Stays
                }
                Machine::ClientInvite(_) | Machine::ClientOther(_) => Fate::Stays,
            });
        }
        if request.method == Method::Ack {
            return out.push(Output::Ack(request));
        }
        self.open(request, id, from, env, out);
    }

    /// A request that is no retransmission.
    fn open(&mut self, mut request: Request, id: Id, from: Destination, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let Ok(hop) = matching::stamp(&mut request, from) else { return };
        if self.entries.len() >= self.most {
            return turn_away(&request, StatusCode::SERVICE_UNAVAILABLE, hop, env, out);
        }
        let key = ServerKey(self.serial());
        let step = Step { now: env.now.mono, timers: &self.timers, out };
        let machine = match request.method {
            Method::Invite => {
                let trying = make::response(&request, StatusCode::TRYING, None).to_bytes();
                Machine::ServerInvite(ServerInvite::start(key, trying, hop, &step))
            }
            _ => Machine::ServerOther(ServerOther::start(key, hop)),
        };
        let invite = self.ids.get(&id.for_invite()).copied();
        self.insert(Key::Server(key), Entry { id, deadline: None, upgraded: false, machine });
        match (&request.method, invite) {
            (Method::Cancel, Some(Key::Server(invite))) => out.push(Output::Cancel { invite, request, key }),
            (Method::Cancel, _) => {
                // Nothing to cancel (RFC 3261 section 9.2).
                let none = make::response(&request, StatusCode::CALL_DOES_NOT_EXIST, Some(&env.token::<8>()));
                self.respond(key, &none, env, out);
            }
            _ => out.push(Output::Request { key, request }),
        }
    }

    fn receive_response(&mut self, response: Response, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let Some(id) = matching::response_id(&response) else { return };
        match self.ids.get(&id).copied() {
            Some(key) => self.step(key, env, out, |machine, step| match machine {
                Machine::ClientInvite(machine) => machine.receive(response, step),
                Machine::ClientOther(machine) => machine.receive(response, step),
                Machine::ServerInvite(_) | Machine::ServerOther(_) => Fate::Stays,
            }),
            None if response.status.is_success() && id.is_invite() => out.push(Output::Stray(response)),
            None => {} // Any other response without a transaction is dropped (RFC 6026 section 8.9).
        }
    }

    /// Starts a request over UDP again that went over TCP for its size alone, if nothing was heard yet.
    fn fall_back(&mut self, key: Key, env: &mut Env<'_>, out: &mut Vec<Output>) -> bool {
        let Key::Client(client) = key else { return false };
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let sent = match &entry.machine {
            Machine::ClientInvite(machine) if machine.is_unanswered() => machine.sent(),
            Machine::ClientOther(machine) if machine.is_unanswered() => machine.sent(),
            _ => return false,
        };
        if !std::mem::take(&mut entry.upgraded) {
            return false;
        }
        let (mut request, hop) = (sent.request().clone(), sent.hop());
        transport::set_via(&mut request, Transport::Udp);
        let hop = Destination { transport: Transport::Udp, ..hop };
        let mut step = Step { now: env.now.mono, timers: &self.timers, out };
        entry.machine = match request.method {
            Method::Invite => Machine::ClientInvite(ClientInvite::start(client, request, hop, &mut step)),
            _ => Machine::ClientOther(ClientOther::start(client, request, hop, &mut step)),
        };
        self.schedule(key);
        true
    }

    fn step(
        &mut self,
        key: Key,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut Machine, &mut Step<'_>) -> Fate,
    ) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let mut step = Step { now: env.now.mono, timers: &self.timers, out };
        match act(&mut entry.machine, &mut step) {
            Fate::Stays => self.schedule(key),
            Fate::Ends => self.remove(key),
        }
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        self.ids.insert(entry.id.clone(), key);
        self.entries.insert(key, entry);
        self.schedule(key);
    }

    fn schedule(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Some(old) = entry.deadline.take() {
            self.deadlines.remove(&(old, key));
        }
        entry.deadline = entry.machine.deadline();
        self.deadlines.extend(entry.deadline.map(|at| (at, key)));
    }

    fn remove(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(&key) else { return };
        if let Some(at) = entry.deadline {
            self.deadlines.remove(&(at, key));
        }
        // A later transaction may stand under the same id, if the TU used a branch twice.
        if self.ids.get(&entry.id) == Some(&key) {
            self.ids.remove(&entry.id);
        }
    }

    fn serial(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Machine {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::ClientInvite(machine) => machine.deadline(),
            Self::ClientOther(machine) => Some(machine.deadline()),
            Self::ServerInvite(machine) => machine.deadline(),
            Self::ServerOther(machine) => machine.deadline(),
        }
    }

    fn hop(&self) -> Destination {
        match self {
            Self::ClientInvite(machine) => machine.sent().hop(),
            Self::ClientOther(machine) => machine.sent().hop(),
            Self::ServerInvite(machine) => machine.hop(),
            Self::ServerOther(machine) => machine.hop(),
        }
    }
}

/// Answers a faulty request without a trace (RFC 3261 section 8.2.7); if even its Via is faulty, there where it came
/// from.
fn refuse(mut request: Request, why: &SipError, from: Destination, env: &mut Env<'_>, out: &mut Vec<Output>) {
    let hop = matching::stamp(&mut request, from).unwrap_or(from);
    if let Some(refusal) = make::refuse(&request.method, &request.headers, why, &env.token::<8>()) {
        out.push(Output::Send { to: hop.addr, transport: hop.transport, bytes: refusal.to_bytes() });
    }
}

fn turn_away(request: &Request, status: StatusCode, hop: Destination, env: &mut Env<'_>, out: &mut Vec<Output>) {
    let bytes = make::response(request, status, Some(&env.token::<8>())).to_bytes();
    out.push(Output::Send { to: hop.addr, transport: hop.transport, bytes });
}
