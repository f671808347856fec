//! A scenario as somebody wrote it: a TOML file whose steps, attacks and expectations are sentences.
//!
//! [`Script::parse`] reads one and points at every mistake by line; [`Script`]'s `Display` writes one, so that a world
//! that was made by dice can be kept and run again. [`crate::run`] runs it.

mod attacker;
mod expect;
mod link;
mod mistake;
mod name;
mod phone;
mod proxy;
mod read;
mod requirement;
mod sentence;
mod step;
mod what;
mod write;

pub use attacker::{Attack, Attacker, Deed};
pub use expect::{Clips, Counted, Counts, Ends, Expectation, Hears, Keys, Knows, Rings, Safety, Sends, Verifies};
pub use link::{Link, Way as Path};
pub use mistake::{Mistake, ScriptError};
pub use name::Name;
pub use phone::{Certificate, Clock, Habits, Incoming, KeyKind, Keying, Phone, Psk};
pub use proxy::{Proxy, Rule, Way};
pub use requirement::Requirement;
pub use sentence::Keyed;
pub use step::{Act, Step};
pub use what::What;

use std::time::Duration;

/// A scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// What it shows, in one line.
    pub title: String,
    /// Where that stands: an RFC and its section, and what is worth knowing besides.
    pub about: String,
    /// Which requirements of RFC 5479 a passed run proves, if any.
    pub proves: Vec<Requirement>,
    /// How long the world goes on. All that is to end must have ended by then.
    pub length: Duration,
    /// The phones.
    pub phones: Vec<Phone>,
    /// The proxies.
    pub proxies: Vec<Proxy>,
    /// The weather; without any, everything takes a millisecond and arrives.
    pub links: Vec<Link>,
    /// Who else is there.
    pub attackers: Vec<Attacker>,
    /// What users do, and when.
    pub steps: Vec<Step>,
    /// What must be true then.
    pub expect: Vec<Expectation>,
}

impl Script {
    /// More phones than this a script cannot have.
    pub const MAX_PHONES: usize = 100;
    /// More proxies, or attackers.
    pub const MAX_OTHERS: usize = 20;
    /// The longest that a world goes on.
    pub const MAX_LENGTH: Duration = Duration::from_secs(3600);

    /// One without anybody in it.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.into(),
            about: String::new(),
            proves: vec![],
            length: Duration::from_secs(60),
            phones: vec![],
            proxies: vec![],
            links: vec![],
            attackers: vec![],
            steps: vec![],
            expect: vec![],
        }
    }

    /// The phone of that name.
    pub fn phone(&self, name: &Name) -> Option<&Phone> {
        self.phones.iter().find(|phone| phone.name == *name)
    }

    /// The proxy of that name.
    pub fn proxy(&self, name: &Name) -> Option<&Proxy> {
        self.proxies.iter().find(|proxy| proxy.name == *name)
    }

    /// The proxy at which calls for a user arrive, if there is one: the home of a phone with that user or name, or one
    /// that has a rule for it.
    pub fn home_of(&self, user: &Name) -> Option<&Proxy> {
        let of_phone = self.phones.iter().find(|phone| phone.name == *user || phone.user == *user);
        let home = of_phone.and_then(|phone| phone.home.as_ref()).and_then(|home| self.proxy(home));
        home.or_else(|| self.proxies.iter().find(|proxy| proxy.rules.iter().any(|rule| rule.user == *user)))
    }
}
