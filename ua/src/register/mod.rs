//! Registrations: that whoever calls our address of record finds us here (RFC 3261 section 10).
//!
//! Each account has one [`Registration`], a machine of its own; this is the table of them. A REGISTER of ours is a
//! transaction without a dialog, and there is never more than one under way for an account.

mod bindings;
mod registration;
mod retry;
mod route;

pub(crate) use route::preload;

use crate::call::Cx;
use crate::event::Event;
use crate::sip::{NameAddr, Response, StatusCode};
use crate::transaction::ClientKey;
use keyphone_media::env::Instant;
use registration::Registration;
use std::collections::BTreeMap;

/// The registrations of all accounts.
#[derive(Default)]
pub(crate) struct Registrations {
    /// By the account's number.
    all: Vec<Registration>,
    under_way: BTreeMap<ClientKey, usize>,
}

impl Registrations {
    /// None yet, for so many accounts.
    pub(crate) fn new(accounts: usize) -> Self {
        Self { all: (0..accounts).map(|_| Registration::default()).collect(), under_way: BTreeMap::new() }
    }

    /// Is this one of our requests here, and whose?
    pub(crate) fn account_of(&self, key: ClientKey) -> Option<usize> {
        self.under_way.get(&key).copied()
    }

    /// The user wants this account to be registered, and to stay so.
    pub(crate) fn register(&mut self, account: usize, cx: &mut Cx<'_, '_>) {
        self.with(account, cx, Registration::register);
    }

    /// The user wants it no longer.
    pub(crate) fn unregister(&mut self, account: usize, cx: &mut Cx<'_, '_>) {
        self.with(account, cx, Registration::unregister);
    }

    /// A response to a REGISTER.
    pub(crate) fn response(&mut self, key: ClientKey, response: &Response, cx: &mut Cx<'_, '_>) {
        if !response.status.is_final() {
            return;
        }
        if let Some(account) = self.under_way.remove(&key) {
            self.with(account, cx, |registration, cx| registration.response(response, cx));
        }
    }

    /// No response will come; `status` is what a proxy would say of that (RFC 3261 section 8.1.3.1).
    pub(crate) fn unanswered(&mut self, key: ClientKey, status: StatusCode, why: &str, cx: &mut Cx<'_, '_>) {
        if let Some(account) = self.under_way.remove(&key) {
            self.with(account, cx, |registration, cx| registration.unanswered(status, why, cx));
        }
    }

    /// The account whose time has come, if any.
    pub(crate) fn due(&self, now: Instant) -> Option<usize> {
        self.all.iter().position(|registration| registration.next_timeout().is_some_and(|at| at <= now))
    }

    /// Its time has come.
    pub(crate) fn timeout(&mut self, account: usize, cx: &mut Cx<'_, '_>) {
        self.with(account, cx, Registration::timeout);
    }

    /// When the next one wants its time.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.all.iter().filter_map(Registration::next_timeout).min()
    }

    /// The proxies that requests of an account visit after its outbound proxy (RFC 3608 section 6.1).
    pub(crate) fn service_route(&self, account: usize) -> &[NameAddr] {
        self.all.get(account).map_or(&[], Registration::service_route)
    }

    fn with(&mut self, account: usize, cx: &mut Cx<'_, '_>, act: impl FnOnce(&mut Registration, &mut Cx<'_, '_>)) {
        let Some(registration) = self.all.get_mut(account) else { return };
        act(registration, cx);
        if let Some(key) = registration.under_way() {
            self.under_way.insert(key, account);
        }
    }
}

/// There is no account of that number.
pub(crate) fn no_account(number: usize) -> Event {
    let (aor, why) = (String::new(), format!("there is no account {number}"));
    Event::RegistrationFailed { aor, status: None, why, retry: None }
}
