//! One phone, sans-IO: SIP messages, media and commands in; SIP messages, sealed packets and events out.
//!
//! It owns the order of things and no protocol rule: [`crate::sip`] reads and writes, [`crate::transaction`] repeats
//! and gives up, `call` decides, the keying systems prove. Whoever drives it hands over what arrived, does what comes
//! out in that order, and calls back at [`Endpoint::next_timeout`].

mod admit;
mod fetching;
mod options;
mod requests;
mod tables;
mod transfers;

pub use admit::MAX_ENTITY;
pub use tables::Fill;

pub use crate::io::{Command, Input, MediaPorts, Output, Recording};

use crate::auth::Authenticator;
use crate::call::decline::{self, Gone};
use crate::call::{Ask, Book, Call, Cx, Waiting};
use crate::event::{CallId, Counts};
use crate::locate::Hop;
use crate::outside::Outside;
use crate::refer::ReferTo;
use crate::register::{self, Registrations};
use crate::settings::Settings;
use crate::sip::{Message, StatusCode, make};
use crate::transaction::{self, ClientKey, Destination, Key, Table};
use admit::Merged;
use fetching::Fetching;
use keyphone_keying::mikey::Mikey;
use keyphone_media::env::{Env, Instant, Now};
use keyphone_media::srtp::Ledger;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use transfers::Followed;

/// A phone.
pub struct Endpoint {
    settings: Settings,
    ledger: Ledger,
    mikey: Mikey,
    transactions: Table,
    calls: BTreeMap<CallId, Scheduled>,
    due: BTreeSet<(Instant, CallId)>,
    book: Book,
    gone: Gone,
    waiting: Waiting,
    outside: Outside,
    asks: Vec<Ask>,
    follows: BTreeMap<CallId, Followed>,
    /// Which call takes the place of which, as soon as it is answered.
    replacing: BTreeMap<CallId, CallId>,
    merged: Merged,
    fetching: Fetching,
    /// Where each call was heard from last.
    peers: BTreeMap<CallId, Destination>,
    /// What each account decides, and what it answers whoever asks who it is; by number.
    accounts: Vec<(Settings, Authenticator)>,
    registrations: Registrations,
    ports: VecDeque<MediaPorts>,
    last_call: u64,
    /// The bytes of the INVITE that began it, for each call that came in, and of all together.
    weights: BTreeMap<CallId, usize>,
    weight: usize,
}

/// A call, whose it is, and when it wants to be woken.
struct Scheduled {
    /// In a place of its own: it is taken out and put back for every step.
    call: Box<Call>,
    account: usize,
    due: Option<Instant>,
}

impl Endpoint {
    /// Calls beyond this many are answered 503 (RFC 3261 section 21.5.4).
    pub const MAX_CALLS: usize = 4096;
    /// What the INVITEs of all calls may weigh, in bytes; beyond it callers are answered 503. A call keeps about twice as
    /// much: what it was asked, and what it says.
    pub const MAX_CALL_BYTES: usize = 32 << 20;
    /// So often a call is woken at one time: a timer may set another one that is due at once.
    const MOST_WAKES: usize = 8;
    /// Pairs of media ports that are kept ready.
    const SPARE_PORTS: usize = 4;

    /// A phone that has no calls yet. MIKEY messages from before `now` are refused (RFC 3830 section 5.4).
    pub fn new(settings: Settings, now: &Now) -> Self {
        let accounts: Vec<_> = settings
            .accounts
            .iter()
            .enumerate()
            .map(|(number, account)| {
                let auth = Authenticator::new(account.logins.clone(), settings.weakest_digest);
                (settings.speaking_for(number), auth)
            })
            .collect();
        Self {
            registrations: Registrations::new(accounts.len()),
            accounts,
            mikey: Mikey::new(settings.credentials.clone(), now.ntp),
            ledger: Ledger::default(),
            transactions: Table::default().able(settings.abilities()).at(settings.local()),
            calls: BTreeMap::new(),
            due: BTreeSet::new(),
            book: Book::default(),
            gone: Gone::default(),
            waiting: Waiting::default(),
            outside: Outside::default(),
            asks: vec![],
            follows: BTreeMap::new(),
            replacing: BTreeMap::new(),
            merged: Merged::default(),
            fetching: Fetching::default(),
            peers: BTreeMap::new(),
            ports: VecDeque::new(),
            last_call: 0,
            weights: BTreeMap::new(),
            weight: 0,
            settings,
        }
    }

    /// How many more pairs of media ports it would like to have ready.
    pub fn ports_wanted(&self) -> usize {
        if self.settings.rules.media { Self::SPARE_PORTS.saturating_sub(self.ports.len()) } else { 0 }
    }

    fn take_ports(&mut self) -> Option<MediaPorts> {
        match self.settings.rules.media {
            true => self.ports.pop_front(),
            false => Some(MediaPorts::discard(self.settings.sip.ip())),
        }
    }

    /// How many calls there are, in whatever state.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How the media of a call goes so far; `None` before there is any, and when there is no such call.
    pub fn counts(&self, call: CallId) -> Option<Counts> {
        self.calls.get(&call)?.call.counts()
    }

    /// How many transactions are still waiting for something.
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Whom calls and transactions depend on: connections to them should stay.
    pub fn peers(&self) -> BTreeSet<Destination> {
        self.transactions.connections().chain(self.peers.values().copied()).collect()
    }

    /// When it wants [`Input::Timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        let call = self.due.first().map(|(at, _)| *at);
        let others = [call, self.registrations.next_timeout(), self.fetching.next_timeout()];
        self.transactions.next_timeout().into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Takes one input, and says what is to be done.
    pub fn handle(&mut self, input: Input<'_>, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let mut said = vec![];
        match input {
            Input::Sip { from, transport, bytes } => match Message::parse(bytes) {
                Ok(message) => {
                    let known = self.transactions.is_crowded()
                        && matches!(&message, Message::Request(r) if self.book.dialog_of(r).is_some());
                    self.transactions.receive_from(message, from, transport, known, env, &mut said);
                }
                Err(error) => {
                    tracing::info!(%from, %error, "a SIP message cannot be read");
                    if let Some(refusal) = make::refusal(bytes, &error, &env.token::<4>()) {
                        let bytes = refusal.to_bytes();
                        out.push(Output::Sip { to: from, transport, name: None, bytes });
                    }
                }
            },
            Input::Media { at, from, bytes } => {
                if let Some((call, rtcp)) = self.book.media(at) {
                    self.with(call, env, &mut said, out, |call, cx| call.media(rtcp, from, bytes, cx));
                }
            }
            Input::Ports(ports) => self.ports.push_back(ports),
            Input::TransportFailed { to, transport, why } => {
                self.transactions.transport_failed(to, transport, &why, env, &mut said);
            }
            Input::Found { question, answer } => self.transactions.found(&question, answer, env, &mut said),
            Input::Fetched { url, result } => self.fetched(url, result, env, out),
            Input::Command(command) => self.command(command, env, &mut said, out),
            Input::Timeout => {
                self.transactions.timeout(env, &mut said);
                self.settle(std::mem::take(&mut said), env, out);
                self.wake(env, &mut said, out);
                self.stop_waiting(env, out);
                while let Some(account) = self.registrations.due(env.now.mono) {
                    self.registration(account, env, &mut said, out, |r, cx| r.timeout(account, cx));
                }
            }
        }
        self.settle(said, env, out);
    }

    /// Wakes the calls that are due, also those that want it once more at once; but none of them for ever.
    fn wake(&mut self, env: &mut Env<'_>, said: &mut Vec<transaction::Output>, out: &mut Vec<Output>) {
        let now = env.now.mono;
        for _ in 0..Self::MOST_WAKES {
            let due = self.due.iter().take_while(|(at, _)| *at <= now);
            let due: Vec<CallId> = due.map(|(_, call)| *call).collect();
            if due.is_empty() {
                return;
            }
            for call in due {
                self.with(call, env, said, out, Call::timeout);
                // A 200 leaves before the media that follows it.
                self.settle(std::mem::take(said), env, out);
            }
        }
        // Others have their turn before this goes on.
        let call = self.due.first().filter(|(at, _)| *at <= now).map(|(_, call)| call.to_string());
        debug_assert_eq!(call, None, "a timer of this call does not advance");
        call.iter().for_each(|call| tracing::error!(%call, "a timer does not advance"));
    }

    fn command(
        &mut self,
        command: Command,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        match command {
            Command::Call { target, to, from, plan } => {
                let account = from.filter(|number| *number < self.accounts.len()).unwrap_or_default();
                let id = self.next_id();
                let ports = self.take_ports();
                let cx = &mut self.cx(account, env, said, out);
                let hop = to.map_or_else(|| cx.settings.next_hop(&target), Hop::from);
                if let Some(call) = Call::place(id, *target, hop, ports, plan, vec![], cx) {
                    self.keep(id, account, call.into());
                }
            }
            Command::Register(account) | Command::Unregister(account) if account >= self.accounts.len() => {
                out.push(Output::Event(register::no_account(account)));
            }
            Command::Register(account) => {
                self.registration(account, env, said, out, |r, cx| r.register(account, cx));
            }
            Command::Unregister(account) => {
                self.registration(account, env, said, out, |r, cx| r.unregister(account, cx));
            }
            Command::HangUp(call) => self.with(call, env, said, out, Call::hang_up),
            Command::Answer(call) => self.with(call, env, said, out, Call::answer),
            Command::Refuse(call, status) => self.with(call, env, said, out, |call, cx| call.decline(status, cx)),
            Command::Redirect(call, to) => self.with(call, env, said, out, |call, cx| call.redirect(&to, cx)),
            Command::Hold(call) => self.with(call, env, said, out, |call, cx| call.hold(true, cx)),
            Command::Resume(call) => self.with(call, env, said, out, |call, cx| call.hold(false, cx)),
            Command::Dtmf { call, keys } => self.with(call, env, said, out, |call, cx| call.press(&keys, cx)),
            Command::Rekey(call) => self.with(call, env, said, out, Call::rekey),
            Command::HangUpAll => {
                self.give_up_fetching(env, out);
                for call in self.calls.keys().copied().collect::<Vec<_>>() {
                    self.with(call, env, said, out, Call::hang_up);
                }
            }
            Command::Transfer { call, to } => {
                let refer_to = ReferTo { target: *to, replaces: None };
                self.with(call, env, said, out, |call, cx| call.transfer(&refer_to, cx));
            }
            Command::TransferInto { call, other } => self.transfer_into(call, other, env, said, out),
            Command::Info { call, content_type, body } => {
                self.with(call, env, said, out, |call, cx| call.info(&content_type, body, cx));
            }
            Command::Message { to, text } => self.outside(env, said, out, |o, cx| o.message(*to, &text, cx)),
            Command::Options { to } => self.outside(env, said, out, |o, cx| o.options(*to, cx)),
        }
    }

    /// Does what the transactions say, and what that makes them say in turn.
    fn settle(&mut self, said: Vec<transaction::Output>, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let mut said = said;
        self.obey(env, &mut said, out);
        let mut queue = VecDeque::from(said);
        while let Some(next) = queue.pop_front() {
            let mut said = vec![];
            if let Some(next) = self.put_aside(next, env, &mut said, out) {
                self.act(next, env, &mut said, out);
            }
            if queue.is_empty() {
                self.obey(env, &mut said, out);
            }
            queue.extend(said);
        }
    }

    /// Does one thing that a transaction says.
    fn act(
        &mut self,
        next: transaction::Output,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        match next {
            transaction::Output::Send { to, transport, name, bytes } => {
                out.push(Output::Sip { to, transport, name, bytes });
            }
            transaction::Output::Lookup(question) => out.push(Output::Lookup(question)),
            transaction::Output::Response { response, .. } if let Some(ack) = self.gone.ack(&response) => {
                ack.send_by(&mut self.transactions, env, said);
            }
            transaction::Output::Response { key, response } if self.outside.has(key) => {
                self.outside(env, said, out, |o, cx| o.response(key, &response, cx));
            }
            transaction::Output::Response { key, response } if let Some(of) = self.registrations.account_of(key) => {
                self.registration(of, env, said, out, |r, cx| r.response(key, &response, cx));
            }
            transaction::Output::Response { key, response } => match self.book.client(key) {
                Some(call) => {
                    self.saw(call, Key::Client(key));
                    self.with(call, env, said, out, |call, cx| call.response(key, &response, cx));
                }
                None => self.stray(&response, env, said, out),
            },
            // Dropped: whoever makes it up could have us say BYE to whom it likes (RFC 6026 section 8.9).
            transaction::Output::Stray(_) => {}
            transaction::Output::TimedOut { key: Key::Client(key), why } => {
                self.unanswered(key, (StatusCode::REQUEST_TIMEOUT, why), env, said, out);
            }
            transaction::Output::TransportFailed { key: Key::Client(key), why } => {
                self.unanswered(key, (StatusCode::SERVICE_UNAVAILABLE, why), env, said, out);
            }
            // A response of ours that was never acknowledged: its call has its own timers.
            transaction::Output::TimedOut { .. } | transaction::Output::TransportFailed { .. } => {}
            transaction::Output::Request { key, request } => {
                self.request(key, &request, env, said, out);
                if let Some(call) = self.book.server(key) {
                    self.saw(call, Key::Server(key));
                }
            }
            transaction::Output::Ack(request) => {
                if let Some(call) = self.book.dialog_of(&request) {
                    self.with(call, env, said, out, |call, cx| call.acked(&request, cx));
                }
            }
            transaction::Output::Cancel { invite, request, key } => {
                // RFC 3261 section 9.2.
                let ok = decline::reply(&request, StatusCode::OK, env);
                self.transactions.respond(key, &ok, env, said);
                if let Some(call) = self.book.server(invite) {
                    self.with(call, env, said, out, Call::cancelled);
                }
            }
        }
    }

    fn unanswered(
        &mut self,
        key: ClientKey,
        (status, why): (StatusCode, String),
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        if self.outside.has(key) {
            self.outside(env, said, out, |o, cx| o.unanswered(key, status, cx));
        } else if let Some(account) = self.registrations.account_of(key) {
            self.registration(account, env, said, out, |r, cx| r.unanswered(key, status, &why, cx));
        } else if let Some(call) = self.book.client(key) {
            self.with(call, env, said, out, |call, cx| call.unanswered(key, status, why, cx));
        }
    }

    /// Lets what happens outside of calls happen.
    fn outside(
        &mut self,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut Outside, &mut Cx<'_, '_>),
    ) {
        let mut outside = std::mem::take(&mut self.outside);
        act(&mut outside, &mut self.cx(0, env, said, out));
        self.outside = outside;
    }

    /// Remembers where a call was heard from.
    fn saw(&mut self, call: CallId, key: Key) {
        if self.calls.contains_key(&call) {
            self.peers.extend(self.transactions.hop(key).map(|hop| (call, hop)));
        }
    }

    /// Lets an account's registration act.
    fn registration(
        &mut self,
        account: usize,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut Registrations, &mut Cx<'_, '_>),
    ) {
        let mut registrations = std::mem::take(&mut self.registrations);
        act(&mut registrations, &mut self.cx(account, env, said, out));
        let (settings, _) = &mut self.accounts[account];
        settings.accounts.set_service_route(registrations.service_route(account));
        self.registrations = registrations;
    }

    fn next_id(&mut self) -> CallId {
        self.last_call += 1;
        CallId(self.last_call)
    }

    /// What a step of an account's call needs. Numbers come from [`Accounts`](crate::account::Accounts).
    fn cx<'a, 'e>(
        &'a mut self,
        account: usize,
        env: &'a mut Env<'e>,
        said: &'a mut Vec<transaction::Output>,
        out: &'a mut Vec<Output>,
    ) -> Cx<'a, 'e> {
        let Self { accounts, ledger, mikey, transactions, book, gone, waiting, asks, .. } = self;
        let (settings, auth) = &mut accounts[account];
        Cx { settings, ledger, mikey, transactions, book, gone, waiting, auth, env, said, out, asks }
    }

    fn keep(&mut self, id: CallId, account: usize, call: Box<Call>) {
        let due = call.next_timeout();
        self.due.extend(due.map(|at| (at, id)));
        self.calls.insert(id, Scheduled { call, account, due });
    }

    /// Lets a call act, and forgets it when it is over.
    fn with(
        &mut self,
        id: CallId,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut Call, &mut Cx<'_, '_>),
    ) {
        let Some(Scheduled { mut call, account, due }) = self.calls.remove(&id) else { return };
        due.map(|at| self.due.remove(&(at, id)));
        let before = out.len();
        act(&mut call, &mut self.cx(account, env, said, out));
        match call.is_over() {
            true => {
                self.peers.remove(&id);
                for key in self.book.clients(id) {
                    self.transactions.leave(key, env, said);
                }
                self.weight -= self.weights.remove(&id).unwrap_or_default();
                call.close(&mut self.cx(account, env, said, out));
            }
            false => self.keep(id, account, call),
        }
        self.watch(id, before, env, said, out);
        self.replace(id, env, said, out);
    }
}
