//! `[[proxy]]`: who is found behind it, and how: `bob forks to b1, b2 and b3`.

use super::name::{Name, Names};
use super::sentence::{Form, Time, read};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// What the script calls it.
    pub name: Name,
    /// It stays on the way of the whole dialog (RFC 3261 section 16.6, step 4).
    pub record_route: bool,
    /// What becomes of calls, by whom they are for. Who stands here with no rule, and has this proxy as home, is rung on
    /// all phones at once.
    pub rules: Vec<Rule>,
}

/// What becomes of the calls for one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// For whom they are.
    pub user: Name,
    /// What becomes of them.
    pub way: Way,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// `bob forks to b1, b2 and b3`: these phones ring at once.
    Forks(Vec<Name>),
    /// `bob tries b1, b2 and b3 for 5 s each`: one after the other.
    Tries(Vec<Name>, Duration),
    /// `bob goes to carol`: retargeted; the Request-URI names carol from now on.
    Goes(Name),
    /// `bob redirects to carol and dave`: the proxy answers 302.
    Redirects(Vec<Name>),
}

const FORMS: &[Form<Rule>] = &[
    Form { pattern: "A forks to MANY", make: |p| Rule { user: p.name(), way: Way::Forks(p.many()) } },
    Form {
        pattern: "A tries MANY for TIME each",
        make: |p| Rule { user: p.name(), way: Way::Tries(p.many(), p.time()) },
    },
    Form { pattern: "A goes to B", make: |p| Rule { user: p.name(), way: Way::Goes(p.name()) } },
    Form { pattern: "A redirects to MANY", make: |p| Rule { user: p.name(), way: Way::Redirects(p.many()) } },
];

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read(text, FORMS)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = &self.user;
        match &self.way {
            Way::Forks(to) => write!(f, "{user} forks to {}", Names(to)),
            Way::Tries(to, each) => write!(f, "{user} tries {} for {} each", Names(to), Time(*each)),
            Way::Goes(to) => write!(f, "{user} goes to {to}"),
            Way::Redirects(to) => write!(f, "{user} redirects to {}", Names(to)),
        }
    }
}

impl Rule {
    /// Everybody to whom it leads.
    pub fn targets(&self) -> &[Name] {
        match &self.way {
            Way::Forks(to) | Way::Tries(to, _) | Way::Redirects(to) => to,
            Way::Goes(to) => std::slice::from_ref(to),
        }
    }

    /// The ways to say it, for the template and the schema.
    pub fn forms() -> impl Iterator<Item = String> {
        FORMS.iter().map(|form| form.pattern.to_owned())
    }
}
