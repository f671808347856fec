//! Messages whose certificates must be fetched first (RFC 4738 section 3.8).
//!
//! Such a message is put aside before its call hears of it; when its certificates have come, or did not in time, it is
//! taken as if it had come only now. So offers and answers wait alike, in whatever they travel, and no call has a state for
//! it. Meanwhile its transaction does what it must: a caller has had its 100, and a 2xx or a reliable response is sent
//! again by who waits for our ACK or PRACK.
//!
//! An INVITE from a stranger is held, and has us fetch, only if it would ring, and if its keying passes all checks that
//! cost nothing. Nothing is fetched twice at a time, and nobody waits longer than [`Fetching::LONGEST`]. Where there is no
//! room for one more, it is refused at once; strangers leave half of the room to those who are in a call with us.

use super::Endpoint;
use crate::call::decline;
use crate::io::Output;
use crate::sdp::{Sdp, key_mgmt};
use crate::settings::Incoming;
use crate::sip::{Method, Request, Response, StatusCode};
use crate::transaction::{self, ClientKey, Key, ServerKey};
use keyphone_keying::{Ask, Hop, Identity, Lines, Url};
use keyphone_media::env::{Env, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What waits, and for what.
#[derive(Default)]
pub(super) struct Fetching {
    /// In the order in which they came.
    held: Vec<Held>,
    /// What is being fetched, and when it is too late.
    under_way: BTreeMap<Url, Instant>,
}

struct Held {
    message: transaction::Output,
    missing: BTreeSet<Url>,
}

impl Fetching {
    /// So many messages wait at a time. Each is as long as a SIP message may be.
    pub(super) const MOST_HELD: usize = 32;
    /// So many URLs are fetched at a time.
    pub(super) const MOST_UNDER_WAY: usize = 16;
    /// How long a certificate may take. A caller waits three minutes (timer C), and who waits for our ACK or PRACK 32 s
    /// (RFC 3261 section 13.3.1.4, RFC 3262 section 3).
    const LONGEST: Duration = Duration::from_secs(5);

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.under_way.values().min().copied()
    }

    /// Is there room for a stranger?
    fn takes_strangers(&self) -> bool {
        self.held.len() < Self::MOST_HELD / 2 && self.under_way.len() < Self::MOST_UNDER_WAY / 2
    }

    /// Takes out an INVITE that its caller withdraws.
    fn withdraw(&mut self, invite: ServerKey) -> Option<Request> {
        let is = |held: &Held| matches!(&held.message, transaction::Output::Request { key, .. } if *key == invite);
        let at = self.held.iter().position(is)?;
        match self.held.remove(at).message {
            transaction::Output::Request { request, .. } => Some(request),
            _ => None,
        }
    }

    /// What this response must wait for because an earlier one of its branch does: they mean something in their order. An
    /// empty set if it is that very one again.
    fn before(&self, key: ClientKey, response: &Response) -> Option<BTreeSet<Url>> {
        let mut earlier = self.held.iter().filter_map(|held| match &held.message {
            transaction::Output::Response { key: of, response: earlier }
                if *of == key && earlier.headers.tag("To") == response.headers.tag("To") =>
            {
                Some((held, earlier))
            }
            _ => None,
        });
        let (mut all, mut found) = (BTreeSet::new(), false);
        for (held, earlier) in &mut earlier {
            let number = |response: &Response| response.headers.rseq().ok().flatten();
            if earlier.status == response.status && number(earlier) == number(response) {
                return Some(BTreeSet::new());
            }
            all.extend(held.missing.iter().cloned());
            found = true;
        }
        found.then_some(all)
    }

    /// Does this ACK wait already? It comes again with each 200 of ours that is sent again.
    fn has(&self, ack: &Request) -> bool {
        let name = |ack: &Request| {
            let [from, to] = ["From", "To"].map(|name| ack.headers.tag(name).map(str::to_owned));
            (ack.headers.get("Call-ID").map(str::to_owned), ack.headers.cseq().ok(), from, to)
        };
        self.held.iter().any(|held| matches!(&held.message, transaction::Output::Ack(one) if name(one) == name(ack)))
    }

    /// Holds a message until these have come, and has them fetched; gives it back if there is no room.
    fn hold(
        &mut self,
        message: transaction::Output,
        missing: BTreeSet<Url>,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Option<transaction::Output> {
        let new: Vec<_> = missing.iter().filter(|url| !self.under_way.contains_key(*url)).cloned().collect();
        if self.held.len() >= Self::MOST_HELD || self.under_way.len() + new.len() > Self::MOST_UNDER_WAY {
            tracing::warn!("too many certificates are being fetched");
            return Some(message);
        }
        for url in new {
            tracing::info!(%url, "a certificate is fetched");
            self.under_way.insert(url.clone(), now + Self::LONGEST);
            out.push(Output::Fetch(url));
        }
        self.held.push(Held { message, missing });
        None
    }

    /// This has come, or will not: the messages that waited for nothing else.
    fn came(&mut self, url: &Url) -> Vec<transaction::Output> {
        self.held.iter_mut().for_each(|held| {
            held.missing.remove(url);
        });
        let ready = self.held.extract_if(.., |held| held.missing.is_empty());
        ready.map(|held| held.message).collect()
    }
}

impl Endpoint {
    /// Puts a message aside if certificates must be fetched before it means anything; otherwise gives it back.
    pub(super) fn put_aside(
        &mut self,
        message: transaction::Output,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) -> Option<transaction::Output> {
        if self.settings.policy.mikey.fetch.is_empty() {
            return Some(message);
        }
        let missing = match &message {
            transaction::Output::Cancel { invite, key, request } => {
                let Some(invited) = self.fetching.withdraw(*invite) else { return Some(message) };
                // RFC 3261 section 9.2.
                let ok = decline::reply(request, StatusCode::OK, env);
                self.transactions.respond(*key, &ok, env, said);
                let terminated = decline::reply(&invited, StatusCode::REQUEST_TERMINATED, env);
                self.transactions.respond(*invite, &terminated, env, said);
                return None;
            }
            transaction::Output::Request { key, request } => match request.headers.tag("To") {
                None if request.method == Method::Invite => self.stranger_needs(*key, request, env),
                _ => self.call_misses(self.book.dialog_of(request).is_some(), || request.session_body().ok()?, env),
            },
            transaction::Output::Ack(request) if self.fetching.has(request) => return None,
            transaction::Output::Ack(request) => {
                self.call_misses(self.book.dialog_of(request).is_some(), || request.session_body().ok()?, env)
            }
            transaction::Output::Response { key, response } => match self.fetching.before(*key, response) {
                Some(earlier) if earlier.is_empty() => return None,
                Some(earlier) => earlier,
                None => self.call_misses(self.book.client(*key).is_some(), || response.session_body().ok()?, env),
            },
            _ => BTreeSet::new(),
        };
        match missing.is_empty() {
            true => Some(message),
            false => self.fetching.hold(message, missing, env.now.mono, out),
        }
    }

    fn call_misses<'b>(&self, known: bool, body: impl FnOnce() -> Option<&'b [u8]>, env: &Env<'_>) -> BTreeSet<Url> {
        let lines = if known { body().and_then(lines) } else { None };
        let missing = lines.map(|lines| self.mikey.missing(&lines, &self.settings.policy, env.now.mono));
        missing.into_iter().flatten().collect()
    }

    fn stranger_needs(&mut self, key: ServerKey, request: &Request, env: &mut Env<'_>) -> BTreeSet<Url> {
        let account = self.settings.accounts.called(request);
        let turned_away = matches!(self.accounts[account].0.incoming, Incoming::Refuse(_) | Incoming::Redirect(_));
        let takes_place = matches!(self.replaced(request), Ok(Some(_)));
        if !self.fetching.takes_strangers()
            || turned_away && !takes_place
            || !self.has_room()
            || self.admit(key, request).is_err()
        {
            return BTreeSet::new();
        }
        let Some(lines) = request.session_body().ok().flatten().and_then(lines) else { return BTreeSet::new() };
        let Ok(from) = request.headers.from() else { return BTreeSet::new() };
        let settings = &self.accounts[account].0;
        let (me, named) = (settings.identity_for(request), Identity::new(&from.uri.to_string()));
        let hop = self.transactions.hop(Key::Server(key)).map_or(Hop::Clear, |to| to.transport.into());
        let ask = Ask { hop, me: &me, named: &named, streams: &[], policy: &settings.policy };
        self.mikey.needs(&ask, &lines, env).into_iter().collect()
    }

    /// A URL was fetched. What comes too late, or was not asked for, is not looked at.
    pub(super) fn fetched(
        &mut self,
        url: Url,
        result: Result<Vec<u8>, String>,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) {
        if self.fetching.under_way.remove(&url).is_none() {
            return;
        }
        if let Err(why) = &result {
            tracing::warn!(%url, %why, "a certificate could not be fetched");
        }
        self.mikey.fetched(url.clone(), result, env.now.mono);
        for message in self.fetching.came(&url) {
            self.take_up(message, env, out);
        }
    }

    /// What has not come by now comes no more.
    pub(super) fn stop_waiting(&mut self, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let now = env.now.mono;
        while let Some(url) =
            self.fetching.under_way.iter().find(|(_, until)| **until <= now).map(|(url, _)| url.clone())
        {
            let why = format!("nothing came within {} s", Fetching::LONGEST.as_secs());
            self.fetched(url, Err(why), env, out);
        }
    }

    /// Nothing is waited for any more.
    pub(super) fn give_up_fetching(&mut self, env: &mut Env<'_>, out: &mut Vec<Output>) {
        while let Some((url, _)) = self.fetching.under_way.pop_first() {
            for message in self.fetching.came(&url) {
                self.take_up(message, env, out);
            }
        }
    }

    /// A message that waited goes where it was meant to go.
    fn take_up(&mut self, message: transaction::Output, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let mut said = vec![];
        self.act(message, env, &mut said, out);
        self.settle(said, env, out);
    }
}

/// What a session description says of keying.
fn lines(body: &[u8]) -> Option<Lines> {
    key_mgmt::read(&Sdp::parse(body).ok()?).ok()
}
