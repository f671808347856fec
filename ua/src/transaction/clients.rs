//! Requests of ours: where they go, and where they go next when that fails (RFC 3263 section 4.3).

use super::client_invite::ClientInvite;
use super::client_other::ClientOther;
use super::machine::Machine;
use super::table::{Entry, Waiter};
use super::waiting::{Last, LooseAck, Waiting};
use super::{ClientKey, Destination, Fate, Key, Output, Step, Table, Transport, matching, transport};
use crate::locate::{Answer, Candidate, Hop, Next, Question, Search};
use crate::sip::{Method, Request, Response, SipError, StatusCode, Via};
use keyphone_media::env::Env;

impl Table {
    /// How many requests may wait for a resolver.
    pub const MOST_WAITING: usize = 1000;
    /// How many ACKs of 2xx responses are remembered because they may have to go elsewhere.
    const MOST_ACKS: usize = 64;

    /// Sends a request of ours, other than an ACK, and sees it through. Its top Via must hold a branch of its own, or,
    /// for a CANCEL, that of its INVITE: such a CANCEL waits for a provisional response to the INVITE, and is not sent
    /// without one (RFC 3261 section 9.1). A request too long for UDP goes over TCP, and its Via says so. Where a URI
    /// has several addresses, each is tried, with a branch of its own, until one answers otherwise than by 503. The
    /// error is a request without a readable Via and CSeq.
    pub fn request(
        &mut self,
        mut request: Request,
        to: impl Into<Hop>,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<ClientKey, SipError> {
        let id = matching::client_id(&request)?;
        request.headers.cseq()?;
        let key = ClientKey(self.serial());
        let invite = if request.method == Method::Cancel { self.client_named(&id.for_invite()) } else { None };
        let (known, search) = match (invite, to.into()) {
            (Some(invite), _) => match self.cancel(invite, &mut request, env, out) {
                Some(there) => (Some(there), None),
                None => return Ok(key),
            },
            (None, Hop::Known(dest)) => (Some(dest.into()), None),
            (None, Hop::Uri(uri)) => (None, Some(Box::new(Search::new(&uri, self.abilities)))),
        };
        let waiting = Waiting { request, until: env.now.mono + Waiting::LONGEST, last: Last::None };
        let machine = Machine::Waiting(Box::new(waiting));
        self.insert(Key::Client(key), Entry { search, ..Entry::new(id, machine) });
        match known {
            Some(there) => self.try_at(key, there, env, out),
            None => self.advance(Key::Client(key), env, out),
        }
        Ok(key)
    }

    /// Nobody waits for what becomes of this request any more. An INVITE whose dialog is gone would otherwise stay for
    /// as long as the peer keeps it waiting.
    pub fn abandon(&mut self, key: ClientKey) {
        self.remove(Key::Client(key));
    }

    /// Sends the ACK of a 2xx, which has no transaction (RFC 3261 section 13.2.2.4), now or as soon as it is known
    /// where to.
    pub fn acknowledge(&mut self, mut request: Request, to: &Hop, env: &mut Env<'_>, out: &mut Vec<Output>) {
        match to {
            Hop::Known(dest) => {
                let (dest, bytes) = transport::prepare(&mut request, *dest, self.local);
                super::send(&dest.into(), bytes, out);
            }
            Hop::Uri(uri) => {
                if self.acks.len() == Self::MOST_ACKS {
                    self.acks.pop_first();
                }
                let search = Search::new(uri, self.abilities);
                let until = env.now.mono + self.timers.give_up();
                let serial = self.serial();
                self.acks.insert(serial, LooseAck { request, search, sent: None, until });
                self.advance_ack(serial, env, out);
            }
        }
    }

    /// What a resolver says to a question that [`Output::Lookup`] asked.
    pub fn found(&mut self, question: &Question, answer: Answer, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let Some(waiters) = self.asked.remove(question) else { return };
        self.cache.insert(question.clone(), answer, env.now.mono);
        for waiter in waiters {
            match waiter {
                Waiter::Entry(key) => self.advance(key, env, out),
                Waiter::Ack(serial) => self.advance_ack(serial, env, out),
            }
        }
    }

    /// The client transaction that the TU knows by this name.
    fn client_named(&self, id: &matching::Id) -> Option<Key> {
        self.aliases.get(id).or_else(|| self.ids.get(id)).copied().filter(|key| matches!(key, Key::Client(_)))
    }

    /// A CANCEL goes where its INVITE went, with the INVITE's Via (RFC 3261 section 9.1). `None` if it is not sent: the
    /// INVITE has not left yet, and now never will, or it is too early or too late for a CANCEL.
    fn cancel(
        &mut self,
        invite: Key,
        cancel: &mut Request,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Option<Candidate> {
        let entry = self.entries.get_mut(&invite)?;
        // Wherever it is now, it goes nowhere else any more.
        (entry.search, entry.upgraded) = (None, false);
        let Some(sent) = entry.machine.sent() else {
            self.finish(invite, "it was cancelled before it was sent".into(), out);
            return None;
        };
        let there = sent.to().clone();
        if let Some(via) = sent.request().headers.get("Via") {
            cancel.headers.set_first("Via", via);
        }
        let mut may_go = false;
        self.step(invite, env, out, |machine, step| {
            if let Machine::ClientInvite(machine) = machine {
                may_go = machine.cancelled(cancel, step);
            }
            Fate::Stays
        });
        may_go.then_some(there)
    }

    /// The last try has failed: on to the next address, if there may be one. Else nothing has happened.
    pub(super) fn move_on(&mut self, key: Key, last: Last, env: &mut Env<'_>, out: &mut Vec<Output>) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        if entry.search.is_none() || !entry.machine.may_move() {
            return false;
        }
        let Some(request) = entry.machine.sent().map(|sent| sent.request().clone()) else { return false };
        let waiting = Waiting { request, until: env.now.mono + Waiting::LONGEST, last };
        let old = std::mem::replace(&mut entry.machine, Machine::Waiting(Box::new(waiting)));
        let id = entry.id.clone();
        if let Machine::Waiting(waiting) = &mut entry.machine
            && let Last::Unavailable(response) = &waiting.last
        {
            // The INVITE that was refused lives on, to acknowledge the refusal; the TU hears nothing of it.
            let response = Response::clone(response);
            self.park(id, old, response, env, out);
        }
        self.advance(key, env, out);
        true
    }

    /// Lets a machine end under a key that nobody knows.
    fn park(
        &mut self,
        id: matching::Id,
        mut machine: Machine,
        response: Response,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) {
        let mut said = vec![];
        let mut step = Step { now: env.now.mono, timers: &self.timers, out: &mut said };
        let fate = match &mut machine {
            Machine::ClientInvite(machine) => machine.receive(response, &mut step),
            Machine::ClientOther(machine) => machine.receive(response, &mut step),
            _ => Fate::Ends,
        };
        out.extend(said.into_iter().filter(|said| matches!(said, Output::Send { .. })));
        if fate == Fate::Stays {
            let key = Key::Client(ClientKey(self.serial()));
            self.insert(key, Entry::new(id, machine));
        }
    }

    /// On with the search of a request of ours, or of a response's way back.
    pub(super) fn advance(&mut self, key: Key, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(search) = &mut entry.search else { return };
        match (search.next(&self.cache, env), key) {
            (Next::Try(to), Key::Client(client)) => self.try_at(client, to, env, out),
            (Next::Try(to), Key::Server(_)) => self.step(key, env, out, |machine, step| {
                machine.move_to(to, step);
                Fate::Stays
            }),
            (Next::Ask(question), _) => {
                if let Machine::Waiting(waiting) = &mut entry.machine {
                    waiting.until = env.now.mono + Waiting::LONGEST;
                }
                if self.ask(question, Waiter::Entry(key), out) {
                    self.schedule(key);
                } else {
                    self.finish(key, "too many names are being looked up already".into(), out);
                }
            }
            (Next::Nothing, _) => {
                let why = search.why();
                self.finish(key, why, out);
            }
        }
    }

    fn advance_ack(&mut self, serial: u64, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let Some(ack) = self.acks.get_mut(&serial) else { return };
        match ack.search.next(&self.cache, env) {
            Next::Try(Candidate { dest, name }) => {
                if ack.sent.is_some() {
                    new_branch(&mut ack.request, env);
                }
                let (dest, bytes) = transport::prepare(&mut ack.request, dest, self.local);
                ack.sent = Some(dest);
                super::send(&Candidate { dest, name }, bytes, out);
            }
            Next::Ask(question) => {
                if !self.ask(question, Waiter::Ack(serial), out) {
                    self.acks.remove(&serial);
                }
            }
            Next::Nothing => {
                let why = ack.search.why();
                tracing::info!(%why, "an ACK was not sent");
                self.acks.remove(&serial);
            }
        }
    }

    /// ACKs that went there go elsewhere.
    pub(super) fn acks_failed(&mut self, failed: Destination, why: &str, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let now = env.now.mono;
        self.acks.retain(|_, ack| ack.until > now);
        let serials: Vec<_> = self.acks.iter().filter(|(_, a)| a.sent == Some(failed)).map(|(s, _)| *s).collect();
        for serial in serials {
            if let Some(ack) = self.acks.get_mut(&serial) {
                ack.search.note(why.to_owned());
                self.advance_ack(serial, env, out);
            }
        }
    }

    /// False if too much is being asked already.
    fn ask(&mut self, question: Question, waiter: Waiter, out: &mut Vec<Output>) -> bool {
        if self.asked.values().map(Vec::len).sum::<usize>() >= Self::MOST_WAITING {
            return false;
        }
        let waiters = self.asked.entry(question.clone()).or_default();
        if waiters.is_empty() {
            out.push(Output::Lookup(question));
        }
        waiters.push(waiter);
        true
    }

    /// Sends a request that waits to an address.
    fn try_at(&mut self, client: ClientKey, to: Candidate, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let key = Key::Client(client);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Machine::Waiting(waiting) = &mut entry.machine else { return };
        let mut request = waiting.request.clone();
        if !matches!(waiting.last, Last::None) {
            new_branch(&mut request, env);
        }
        let (dest, _) = transport::prepare(&mut request, to.dest, self.local);
        let upgraded = dest.transport != to.dest.transport;
        self.start(client, request, Candidate { dest, ..to }, upgraded, env, out);
    }

    /// Puts a client machine into the place of what was there.
    fn start(
        &mut self,
        client: ClientKey,
        request: Request,
        to: Candidate,
        upgraded: bool,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) {
        let key = Key::Client(client);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Ok(id) = matching::client_id(&request)
            && id != entry.id
        {
            let old = std::mem::replace(&mut entry.id, id.clone());
            if self.ids.get(&old) == Some(&key) {
                self.ids.remove(&old);
            }
            if entry.alias.is_none() {
                self.aliases.insert(old.clone(), key);
                entry.alias = Some(old);
            }
            self.ids.insert(id, key);
        }
        let mut step = Step { now: env.now.mono, timers: &self.timers, out };
        entry.upgraded = upgraded;
        entry.machine = match request.method {
            Method::Invite => Machine::ClientInvite(ClientInvite::start(client, request, to, &mut step).into()),
            _ => Machine::ClientOther(ClientOther::start(client, request, to, &mut step).into()),
        };
        self.schedule(key);
    }

    /// Starts a request over UDP again that went over TCP for its size alone, if nothing was heard yet (RFC 3261
    /// section 18.1.1).
    pub(super) fn fall_back(&mut self, key: Key, env: &mut Env<'_>, out: &mut Vec<Output>) -> bool {
        let Key::Client(client) = key else { return false };
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        if !entry.machine.is_unanswered() || !std::mem::take(&mut entry.upgraded) {
            return false;
        }
        let Some(sent) = entry.machine.sent() else { return false };
        let (mut request, addr) = (sent.request().clone(), sent.hop().addr);
        transport::set_via(&mut request, Transport::Udp, self.local);
        self.start(client, request, Destination { addr, transport: Transport::Udp }.into(), false, env, out);
        true
    }

    /// There is nothing more to try: tells the TU what the last try came to.
    pub(super) fn finish(&mut self, key: Key, why: String, out: &mut Vec<Output>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.search = None;
        let Key::Client(client) = key else { return };
        if let Machine::Waiting(waiting) = &mut entry.machine {
            out.push(match std::mem::replace(&mut waiting.last, Last::None) {
                Last::None | Last::Failed => Output::TransportFailed { key, why },
                Last::TimedOut => Output::TimedOut { key, why },
                Last::Unavailable(response) => Output::Response { key: client, response: *response },
            });
            self.remove(key);
        }
    }

    /// Whether a response says that another address should be tried.
    pub(super) fn is_elsewhere(&self, key: Key, response: &Response) -> bool {
        response.status == StatusCode::SERVICE_UNAVAILABLE
            && self.entries.get(&key).and_then(|e| e.search.as_ref()).is_some_and(|search| search.has_more())
    }
}

/// A try at another address is another transaction (RFC 3263 section 4.3).
fn new_branch(request: &mut Request, env: &mut Env<'_>) {
    if let Ok(mut via) = request.headers.via() {
        via.params.set("branch", Some(&format!("{}{}", Via::MAGIC_COOKIE, env.token::<8>())));
        request.headers.set_first("Via", via.to_string());
    }
}
