//! One phone, sans-IO: SIP messages, media and commands in; SIP messages, sealed packets and events out.
//!
//! It owns the order of things and no protocol rule: [`crate::sip`] reads and writes, [`crate::transaction`] repeats
//! and gives up, `call` decides, the keying systems prove. Whoever drives it hands over what arrived, does what comes
//! out in that order, and calls back at [`Endpoint::next_timeout`].

mod requests;

pub use crate::io::{Command, Input, MediaPorts, Output, Recording};

use crate::call::decline::{self, Gone};
use crate::call::{Book, Call, Cx};
use crate::event::{CallId, Counts};
use crate::locate::Hop;
use crate::outside::Outside;
use crate::settings::Settings;
use crate::sip::{Message, StatusCode, make};
use crate::transaction::{self, ClientKey, Key, Table};
use keyphone_keying::mikey::Mikey;
use keyphone_media::env::{Env, Instant, Now};
use keyphone_media::srtp::Ledger;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    outside: Outside,
    ports: VecDeque<MediaPorts>,
    last_call: u64,
}

/// A call, and when it wants to be woken.
struct Scheduled {
    call: Call,
    due: Option<Instant>,
}

impl Endpoint {
    /// Calls beyond this many are answered 503 (RFC 3261 section 21.5.4).
    pub const MAX_CALLS: usize = 4096;
    /// Pairs of media ports that are kept ready.
    const SPARE_PORTS: usize = 4;

    /// A phone that has no calls yet. MIKEY messages from before `now` are refused (RFC 3830 section 5.4).
    pub fn new(settings: Settings, now: &Now) -> Self {
        Self {
            mikey: Mikey::new(settings.psks.clone(), now.ntp),
            ledger: Ledger::default(),
            transactions: Table::default().able(settings.abilities()),
            calls: BTreeMap::new(),
            due: BTreeSet::new(),
            book: Book::default(),
            gone: Gone::default(),
            outside: Outside::default(),
            ports: VecDeque::new(),
            last_call: 0,
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

    /// When it wants [`Input::Timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        let call = self.due.first().map(|(at, _)| *at);
        self.transactions.next_timeout().into_iter().chain(call).min()
    }

    /// Takes one input, and says what is to be done.
    pub fn handle(&mut self, input: Input<'_>, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let mut said = vec![];
        match input {
            Input::Sip { from, transport, bytes } => match Message::parse(bytes) {
                Ok(message) => self.transactions.receive(message, from, transport, env, &mut said),
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
            Input::Command(command) => self.command(command, env, &mut said, out),
            Input::Timeout => {
                self.transactions.timeout(env, &mut said);
                self.settle(std::mem::take(&mut said), env, out);
                while let Some((at, call)) = self.due.first().copied().filter(|(at, _)| *at <= env.now.mono) {
                    self.due.remove(&(at, call));
                    self.with(call, env, &mut said, out, Call::timeout);
                    // A 200 leaves before the media that follows it.
                    self.settle(std::mem::take(&mut said), env, out);
                }
            }
        }
        self.settle(said, env, out);
    }

    fn command(
        &mut self,
        command: Command,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        match command {
            Command::Call { target, to, plan } => {
                let hop = to.map_or_else(|| (&*target).into(), Hop::from);
                let id = self.next_id();
                let ports = self.take_ports();
                let cx = &mut self.cx(env, said, out);
                if let Some(call) = Call::place(id, *target.clone(), hop, ports, plan, cx) {
                    self.keep(id, call);
                }
            }
            Command::HangUp(call) => self.with(call, env, said, out, Call::hang_up),
            Command::Answer(call) => self.with(call, env, said, out, Call::answer),
            Command::Refuse(call, status) => self.with(call, env, said, out, |call, cx| call.decline(status, cx)),
            Command::Redirect(call, to) => self.with(call, env, said, out, |call, cx| call.redirect(&to, cx)),
            Command::Hold(call) => self.with(call, env, said, out, |call, cx| call.hold(true, cx)),
            Command::Resume(call) => self.with(call, env, said, out, |call, cx| call.hold(false, cx)),
            Command::Rekey(call) => self.with(call, env, said, out, Call::rekey),
            Command::HangUpAll => {
                for call in self.calls.keys().copied().collect::<Vec<_>>() {
                    self.with(call, env, said, out, Call::hang_up);
                }
            }
            Command::Message { to, text } => self.outside(env, said, out, |o, cx| o.message(*to, &text, cx)),
            Command::Options { to } => self.outside(env, said, out, |o, cx| o.options(*to, cx)),
            _ => {}
        }
    }

    /// Does what the transactions say, and what that makes them say in turn.
    fn settle(&mut self, said: Vec<transaction::Output>, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let mut queue = VecDeque::from(said);
        while let Some(next) = queue.pop_front() {
            let mut said = vec![];
            match next {
                transaction::Output::Send { to, transport, name, bytes } => {
                    out.push(Output::Sip { to, transport, name, bytes });
                }
                transaction::Output::Lookup(question) => out.push(Output::Lookup(question)),
                transaction::Output::Response { response, .. } if let Some(ack) = self.gone.ack(&response) => {
                    ack.send_by(&mut self.transactions, env, &mut said);
                }
                transaction::Output::Response { key, response } if self.outside.has(key) => {
                    self.outside(env, &mut said, out, |o, cx| o.response(key, &response, cx));
                }
                transaction::Output::Response { key, response } => match self.book.client(key) {
                    Some(call) => {
                        self.with(call, env, &mut said, out, |call, cx| call.response(key, &response, cx));
                    }
                    None => self.stray(&response, env, &mut said, out),
                },
                // Dropped: whoever makes it up could have us say BYE to whom it likes (RFC 6026 section 8.9).
                transaction::Output::Stray(_) => {}
                transaction::Output::TimedOut { key: Key::Client(key), why } => {
                    self.unanswered(key, (StatusCode::REQUEST_TIMEOUT, why), env, &mut said, out);
                }
                transaction::Output::TransportFailed { key: Key::Client(key), why } => {
                    self.unanswered(key, (StatusCode::SERVICE_UNAVAILABLE, why), env, &mut said, out);
                }
                // A response of ours that was never acknowledged: its call has its own timers.
                transaction::Output::TimedOut { .. } | transaction::Output::TransportFailed { .. } => {}
                transaction::Output::Request { key, request } => self.request(key, &request, env, &mut said, out),
                transaction::Output::Ack(request) => {
                    if let Some(call) = self.book.dialog_of(&request) {
                        self.with(call, env, &mut said, out, |call, cx| call.acked(&request, cx));
                    }
                }
                transaction::Output::Cancel { invite, request, key } => {
                    // RFC 3261 section 9.2.
                    let ok = decline::reply(&request, StatusCode::OK, env);
                    self.transactions.respond(key, &ok, env, &mut said);
                    if let Some(call) = self.book.server(invite) {
                        self.with(call, env, &mut said, out, Call::cancelled);
                    }
                }
            }
            queue.extend(said);
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
        act(&mut outside, &mut self.cx(env, said, out));
        self.outside = outside;
    }

    fn next_id(&mut self) -> CallId {
        self.last_call += 1;
        CallId(self.last_call)
    }

    fn cx<'a, 'e>(
        &'a mut self,
        env: &'a mut Env<'e>,
        said: &'a mut Vec<transaction::Output>,
        out: &'a mut Vec<Output>,
    ) -> Cx<'a, 'e> {
        let Self { settings, ledger, mikey, transactions, book, gone, .. } = self;
        Cx { settings, ledger, mikey, transactions, book, gone, env, said, out }
    }

    fn keep(&mut self, id: CallId, call: Call) {
        let due = call.next_timeout();
        self.due.extend(due.map(|at| (at, id)));
        self.calls.insert(id, Scheduled { call, due });
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
        let Some(Scheduled { mut call, due }) = self.calls.remove(&id) else { return };
        due.map(|at| self.due.remove(&(at, id)));
        act(&mut call, &mut self.cx(env, said, out));
        match call.is_over() {
            true => call.close(&mut self.cx(env, said, out)),
            false => self.keep(id, call),
        }
    }
}
