//! All transactions of one endpoint: which message belongs to which, and when each wants its time.

use super::machine::Machine;
use super::matching::Id;
use super::server_invite::ServerInvite;
use super::server_other::ServerOther;
use super::transport::Local;
use super::waiting::{Last, LooseAck};
use super::{ClientKey, Destination, Fate, Key, Output, ServerKey, Step, Timers, Transport, matching, transport};
use crate::locate::{Abilities, Cache, Question, Search};
use crate::sip::{Message, Method, Request, Response, SipError, StatusCode, Via, make};
use keyphone_media::env::{Env, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The transactions of one endpoint.
#[derive(Debug)]
pub struct Table {
    pub(super) timers: Timers,
    pub(super) abilities: Abilities,
    pub(super) local: Option<Local>,
    most: usize,
    next: u64,
    pub(super) entries: BTreeMap<Key, Entry>,
    pub(super) ids: BTreeMap<Id, Key>,
    /// What the TU calls requests that have another branch by now.
    pub(super) aliases: BTreeMap<Id, Key>,
    pub(super) cache: Cache,
    /// Who waits for which answer.
    pub(super) asked: BTreeMap<Question, Vec<Waiter>>,
    pub(super) acks: BTreeMap<u64, LooseAck>,
    deadlines: BTreeSet<(Instant, Key)>,
    /// Who sends where.
    pub(super) hops: BTreeSet<(Transport, SocketAddr, Key)>,
    /// What all entries weigh.
    weight: usize,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) alias: Option<Id>,
    pub(super) deadline: Option<Instant>,
    /// It went over TCP for its size alone, and may fall back to UDP (RFC 3261 section 18.1.1).
    pub(super) upgraded: bool,
    /// Our Contact in its responses must be a sips URI.
    pub(super) secure: bool,
    /// Where else it may go.
    pub(super) search: Option<Box<Search>>,
    pub(super) machine: Machine,
    /// As it was counted last, in bytes.
    pub(super) weight: usize,
    /// As it was noted last.
    pub(super) hop: Option<Destination>,
}

impl Entry {
    pub(super) fn new(id: Id, machine: Machine) -> Self {
        let (alias, deadline, search, hop) = (None, None, None, None);
        Self { id, alias, deadline, upgraded: false, secure: false, search, machine, weight: 0, hop }
    }
}

/// Who waits for a resolver.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiter {
    Entry(Key),
    Ack(u64),
}

impl Default for Table {
    fn default() -> Self {
        Self::new(Timers::default(), Self::MOST)
    }
}

impl Table {
    /// How many transactions there may be before strangers are turned away. Most of them are over and wait for timers J
    /// and L, 32 s: two for each call make room for a thousand calls a second.
    pub const MOST: usize = 65_536;
    /// How many bytes all of them may hold, counting [`Self::OVERHEAD`] for each: a response repeats what its request
    /// says of the way, and a stranger's request may say much.
    pub const MOST_BYTES: usize = 64 << 20;
    /// So many timers fire in one step. Of a flood that nobody acknowledges thousands are due at once, and media waits for
    /// none of them.
    pub const AT_ONCE: usize = 32;
    /// What an entry takes beside its messages, in bytes: a little more than was measured.
    const OVERHEAD: usize = 640;

    /// An empty table. While it holds `most` transactions, or [`Self::MOST_BYTES`], new requests from outside get a 503
    /// and leave no trace.
    pub fn new(timers: Timers, most: usize) -> Self {
        Self {
            timers,
            abilities: Abilities::default(),
            local: None,
            most,
            next: 0,
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            aliases: BTreeMap::new(),
            cache: Cache::default(),
            asked: BTreeMap::new(),
            acks: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            hops: BTreeSet::new(),
            weight: 0,
        }
    }

    /// The same, where URIs are looked up for somebody who can do this.
    #[must_use]
    pub fn able(mut self, abilities: Abilities) -> Self {
        self.abilities = abilities;
        self
    }

    /// The same, where Via and Contact of what is sent name the port for its transport.
    #[must_use]
    pub fn at(mut self, local: Local) -> Self {
        self.local = Some(local);
        self
    }

    /// Where a transaction sends, unless it is still looking for that.
    pub fn hop(&self, key: Key) -> Option<Destination> {
        self.entries.get(&key)?.machine.hop()
    }

    /// The connections that transactions send on.
    pub fn connections(&self) -> impl Iterator<Item = Destination> {
        self.hops.iter().rev().map_while(|(transport, addr, _)| {
            let hop = Destination { addr: *addr, transport: *transport };
            (!hop.is_unreliable()).then_some(hop)
        })
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What they hold, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// It is full but for the last eighth, which is for those whom we talk to already: a flood of strangers must not keep
    /// their BYE out.
    pub fn is_crowded(&self) -> bool {
        self.entries.len() >= self.most - self.most / 8 || self.weight >= Self::MOST_BYTES - Self::MOST_BYTES / 8
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.most || self.weight >= Self::MOST_BYTES
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a request's transaction still goes on.
    pub fn is_open(&self, key: ServerKey) -> bool {
        self.entries.contains_key(&Key::Server(key))
    }

    /// Answers a request. A response to a transaction that is over is dropped (RFC 6026 section 8.3).
    pub fn respond(&mut self, key: ServerKey, response: &Response, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let hop = self.entries.get(&Key::Server(key)).and_then(|entry| Some((entry.machine.hop()?, entry.secure)));
        let bytes = match (hop, self.local) {
            (Some((hop, secure)), Some(local)) if hop.transport == Transport::Tls || secure => {
                let mut response = response.clone();
                transport::set_contact(&mut response.headers, hop.transport, secure, local);
                response.to_bytes()
            }
            _ => response.to_bytes(),
        };
        let status = response.status;
        self.step(Key::Server(key), env, out, |machine, step| match machine {
            Machine::ServerInvite(machine) => {
                machine.respond(status, bytes, step);
                Fate::Stays
            }
            Machine::ServerOther(machine) => machine.respond(status, bytes, step),
            Machine::Waiting(_) | Machine::ClientInvite(_) | Machine::ClientOther(_) => Fate::Stays,
        });
    }

    /// The TU wants no answer to an INVITE any more, for its dialog is over: it ends in 64*T1, whatever comes.
    pub fn leave(&mut self, key: ClientKey, env: &mut Env<'_>, out: &mut Vec<Output>) {
        self.step(Key::Client(key), env, out, |machine, step| {
            if let Machine::ClientInvite(machine) = machine {
                machine.left(step);
            }
            Fate::Stays
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
        self.receive_from(message, from, transport, false, env, out);
    }

    /// The same; `known` if it belongs to a dialog that we have: for such requests there is room when the table
    /// [is crowded](Self::is_crowded).
    pub fn receive_from(
        &mut self,
        message: Message,
        from: SocketAddr,
        transport: Transport,
        known: bool,
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
                self.receive_request(request, Destination { addr: from, transport }, known, env, out);
            }
            (Message::Response(response), None) => {
                self.receive_response(response, Destination { addr: from, transport }, env, out);
            }
        }
    }

    /// When the earliest timer fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Lets timers fire that are due: the earliest first, and [`Self::AT_ONCE`] at most. Should more be due,
    /// [`Self::next_timeout`] is over already: whoever has other things to do as well does them in between.
    pub fn timeout(&mut self, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let now = env.now.mono;
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now).take(Self::AT_ONCE);
        let due: Vec<Key> = due.map(|(_, key)| *key).collect();
        for key in due {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            if let Machine::Waiting(waiting) = &entry.machine {
                if waiting.until <= now {
                    self.asked.values_mut().for_each(|w| w.retain(|w| !matches!(w, Waiter::Entry(k) if *k == key)));
                    self.asked.retain(|_, waiters| !waiters.is_empty());
                    self.finish(key, "no name server answers".into(), out);
                }
                continue;
            }
            if let (true, Some(search), Some(hop)) =
                (entry.machine.is_hopeless(now), &mut entry.search, entry.machine.hop())
            {
                search.note(format!("nobody answers at {} over {}", hop.addr, hop.transport));
                if self.move_on(key, Last::TimedOut, env, out) {
                    continue;
                }
            }
            self.step(key, env, out, |machine, step| match machine {
                Machine::Waiting(_) => Fate::Stays,
                Machine::ClientInvite(machine) => machine.timeout(step),
                Machine::ClientOther(machine) => machine.timeout(step),
                Machine::ServerInvite(machine) => machine.timeout(step),
                Machine::ServerOther(machine) => machine.timeout(step),
            });
        }
    }

    fn receive_request(
        &mut self,
        request: Request,
        from: Destination,
        known: bool,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) {
        let Ok(via) = request.headers.via() else { return };
        let Some(id) = matching::server_id(&request, &via) else { return };
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
                Machine::Waiting(_) | Machine::ClientInvite(_) | Machine::ClientOther(_) => Fate::Stays,
            });
        }
        if request.method == Method::Ack {
            return out.push(Output::Ack(request));
        }
        self.open(request, id, (via, from), known, env, out);
    }

    /// A request that is no retransmission.
    fn open(
        &mut self,
        mut request: Request,
        id: Id,
        (via, from): (Via, Destination),
        known: bool,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) {
        let (via, hop) = matching::stamp(&mut request, via, from);
        if self.is_full() || (self.is_crowded() && !known) {
            return turn_away(&request, StatusCode::SERVICE_UNAVAILABLE, hop, env, out);
        }
        let key = ServerKey(self.serial());
        // Who made a connection is where it says that it is; over UDP anybody could name somebody else.
        let search = (hop.transport.is_reliable())
            .then(|| Box::new(Search::way_back(&via, from.addr.ip(), hop.transport, self.abilities)));
        let secure = transport::asks_for_sips(&request);
        let step = Step { now: env.now.mono, timers: &self.timers, out };
        let machine = match request.method {
            Method::Invite => {
                let trying = make::response(&request, StatusCode::TRYING, None).to_bytes();
                Machine::ServerInvite(ServerInvite::start(key, trying, hop, &step))
            }
            _ => Machine::ServerOther(ServerOther::start(key, hop)),
        };
        let is_cancel = request.method == Method::Cancel;
        let invite = is_cancel.then(|| self.ids.get(&id.for_invite()).copied()).flatten();
        self.insert(Key::Server(key), Entry { secure, search, ..Entry::new(id, machine) });
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

    fn receive_response(&mut self, response: Response, from: Destination, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let Some(id) = matching::response_id(&response) else { return };
        match self.ids.get(&id).copied() {
            // On a connection, only whom we asked can answer. Whoever guesses a branch of ours, or has seen one, gets
            // no further.
            Some(key) if from.transport.is_reliable() && !self.asked_at(key, from) => {}
            Some(key) if self.is_elsewhere(key, &response) => {
                let search = self.entries.get_mut(&key).and_then(|entry| entry.search.as_mut());
                search.into_iter().for_each(|search| search.note(format!("{} has no room (503)", from.addr)));
                if !self.move_on(key, Last::Unavailable(Box::new(response.clone())), env, out) {
                    self.take_response(key, response, env, out);
                }
            }
            Some(key) => self.take_response(key, response, env, out),
            None if response.status.is_success() && id.is_invite() => out.push(Output::Stray(response)),
            None => {} // Any other response without a transaction is dropped (RFC 6026 section 8.9).
        }
    }

    fn asked_at(&self, key: Key, from: Destination) -> bool {
        self.entries.get(&key).and_then(|entry| entry.machine.hop()) == Some(from)
    }

    fn take_response(&mut self, key: Key, response: Response, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let cancel = match self.entries.get_mut(&key).map(|entry| (entry.machine.hop(), &mut entry.machine)) {
            Some((Some(hop), Machine::ClientInvite(machine))) => machine.release(response.status).map(|c| (*c, hop)),
            _ => None,
        };
        self.step(key, env, out, |machine, step| match machine {
            Machine::ClientInvite(machine) => machine.receive(response, step),
            Machine::ClientOther(machine) => machine.receive(response, step),
            Machine::Waiting(_) | Machine::ServerInvite(_) | Machine::ServerOther(_) => Fate::Stays,
        });
        if let Some((cancel, hop)) = cancel
            && let Err(error) = self.request(cancel, hop, env, out)
        {
            tracing::debug!(%error, "a CANCEL was not sent");
        }
    }

    pub(super) fn step(
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

    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        self.ids.insert(entry.id.clone(), key);
        self.entries.insert(key, entry);
        self.schedule(key);
    }

    pub(super) fn schedule(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Some(old) = entry.deadline.take() {
            self.deadlines.remove(&(old, key));
        }
        entry.deadline = entry.machine.deadline();
        self.deadlines.extend(entry.deadline.map(|at| (at, key)));
        let weight = Self::OVERHEAD + entry.id.weight() + entry.machine.weight();
        self.weight = self.weight - entry.weight + weight;
        entry.weight = weight;
        let hop = entry.machine.hop();
        if entry.hop != hop {
            let before = std::mem::replace(&mut entry.hop, hop);
            before.map(|hop| self.hops.remove(&(hop.transport, hop.addr, key)));
            self.hops.extend(hop.map(|hop| (hop.transport, hop.addr, key)));
        }
    }

    pub(super) fn remove(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(&key) else { return };
        self.weight -= entry.weight;
        if let Some(at) = entry.deadline {
            self.deadlines.remove(&(at, key));
        }
        if let Some(hop) = entry.hop {
            self.hops.remove(&(hop.transport, hop.addr, key));
        }
        // A later transaction may stand under the same id, if the TU used a branch twice.
        if self.ids.get(&entry.id) == Some(&key) {
            self.ids.remove(&entry.id);
        }
        if let Some(alias) = entry.alias
            && self.aliases.get(&alias) == Some(&key)
        {
            self.aliases.remove(&alias);
        }
    }

    pub(super) fn serial(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Answers a faulty request without a trace (RFC 3261 section 8.2.7); if even its Via is faulty, there where it came
/// from.
fn refuse(mut request: Request, why: &SipError, from: Destination, env: &mut Env<'_>, out: &mut Vec<Output>) {
    let hop = request.headers.via().map_or(from, |via| matching::stamp(&mut request, via, from).1);
    if let Some(refusal) = make::refuse(&request.method, &request.headers, why, &env.token::<8>()) {
        super::send(&hop.into(), refusal.to_bytes(), out);
    }
}

fn turn_away(request: &Request, status: StatusCode, hop: Destination, env: &mut Env<'_>, out: &mut Vec<Output>) {
    let bytes = make::response(request, status, Some(&env.token::<8>())).to_bytes();
    super::send(&hop.into(), bytes, out);
}
