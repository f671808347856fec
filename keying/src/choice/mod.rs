//! Which keying systems a call offers, in which order, and why: the rules of RFC 5197 section 5.
//!
//! ```text
//!   Facts: what we have, where it goes -----+
//!                                           v
//!   Preferences: allowed, required, ---> choose ---> Choice: offered first, next ones, passed over, each with why
//!                expected, ordered
//! ```
//! What cannot be used, or lacks what is required, is passed over. Of the rest, what suits the expectations goes first:
//! a call that forks or is sent on may fail altogether, while early media that has to wait is only clipped, so that the
//! first counts more. Then comes the user's order or, for `auto`, that of the rules. What protects nothing is never put
//! before what does because something is expected.
//!
//! One offer carries one of them: alternatives in one offer are of different protocols (RFC 4567 section 4.1.2), and
//! MIKEY's modes are of one. The next ones are for another offer, when the first was refused. A refusal is never
//! authentic (RFC 4567 section 8), so nothing stands among them that policy would not offer at once.

mod facts;
mod preferences;
mod properties;
mod reason;
#[cfg(test)]
mod tests;

pub use facts::{Facts, Holder, Lack};
pub use preferences::{Expected, Needs, Order, Preferences};
pub use properties::{Credential, Forking, Properties, Side};
pub use reason::{Reason, Rule};

use crate::mikey::ModeName;
use crate::{Hop, System};
use std::fmt;

/// What is to be offered, and what was made of every keying system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is offered first, what comes next, then what was passed over.
    pub considered: Vec<Considered>,
}

/// What was made of a keying system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Which one.
    pub system: System,
    /// What was made of it.
    pub verdict: Verdict,
    /// Why: at least one reason.
    pub why: Vec<Reason>,
}

/// What was made of a keying system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is offered.
    Offered,
    /// It comes when what is before it was refused.
    Next,
    /// It is not for this call.
    PassedOver,
}

/// What a refusal blames. Nobody has authenticated it (RFC 3830 section 5.1.2): it may leave ways out, never add any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blame {
    /// Nothing that we could tell.
    #[default]
    Unknown,
    /// The key or the certificate: what goes by the same will fare no better.
    Credential,
    /// The callee is not whom the message is for: what names its recipient will fare no better.
    Recipient,
    /// Our clock: nothing will fare better.
    Clock,
}

/// Chooses. The same facts and preferences always give the same choice.
pub fn choose(facts: &Facts, wanted: &Preferences) -> Choice {
    let (mut usable, mut passed) = (vec![], vec![]);
    for (place, system) in in_order(wanted).into_iter().enumerate() {
        let System::Mikey(mode) = system;
        let against = against(mode, facts, wanted);
        if against.is_empty() {
            let (rank, why) = weigh(mode, place, wanted);
            usable.push((rank, system, why));
        } else {
            passed.push(Considered { system, verdict: Verdict::PassedOver, why: against });
        }
    }
    usable.sort_by_key(|(rank, ..)| *rank);
    let usable = usable.into_iter().enumerate().map(|(at, (_, system, why))| {
        let verdict = if at == 0 { Verdict::Offered } else { Verdict::Next };
        Considered { system, verdict, why }
    });
    Choice { considered: usable.chain(passed).collect() }
}

/// The allowed ones in the user's order, and then the others.
fn in_order(wanted: &Preferences) -> Vec<System> {
    let others = System::all().filter(|system| !wanted.systems.contains(system));
    wanted.systems.iter().copied().chain(others).collect()
}

/// All that forbids a mode.
fn against(mode: ModeName, facts: &Facts, wanted: &Preferences) -> Vec<Reason> {
    if !wanted.systems.contains(&System::Mikey(mode)) {
        // Rule 6: "this may not be intended", and so nobody gets it who has not named it.
        let unnamed = wanted.order == Order::Auto && mode == ModeName::Null;
        return vec![if unnamed { Reason::NotNamed } else { Reason::NotListed }];
    }
    let can = Properties::of(mode);
    let mut against = vec![];
    let needed: &[&Result<(), Lack>] = match mode {
        // Rules 1 and 2: "If the Initiator has a PSK with the Responder".
        ModeName::Psk if facts.cached_envelope => &[],
        ModeName::Psk | ModeName::DhHmac => &[&facts.shared_key],
        // Rule 3: "If the Initiator has the RSA key of the Responder". The message is signed (RFC 3830 section 3.2).
        ModeName::Rsa => &[&facts.our_certificate, &facts.their_certificate],
        // Rule 4: the answer is encrypted to our certificate, and signed by one that we have to believe (RFC 4738
        // section 3.2).
        ModeName::RsaR => &[&facts.our_rsa_certificate, &facts.trust],
        // Rule 5: both sides sign (RFC 3830 section 3.3).
        ModeName::DhSign => &[&facts.our_certificate, &facts.trust],
        ModeName::Null => &[],
    };
    against.extend(needed.iter().filter_map(|held| held.as_ref().err().cloned()).map(Reason::Lacks));
    // Rule 6: "but lower-level security (like TLS or IPsec) is in place".
    if mode == ModeName::Null && facts.hop != Hop::Tls {
        against.push(Reason::NoTls);
    }
    if wanted.needs.pfs && !can.pfs {
        against.push(Reason::NoPfs(mode));
    }
    if wanted.needs.both_contribute && !can.both {
        against.push(Reason::OneSided);
    }
    match (facts.conference, can.conference) {
        (Some(_), None) => against.push(Reason::ForTwo),
        (Some(we), Some(begins)) if we != begins => against.push(Reason::NotOurs),
        _ => {}
    }
    let diffie_hellman = matches!(mode, ModeName::DhSign | ModeName::DhHmac);
    if wanted.order == Order::Auto && diffie_hellman && facts.group.is_private() {
        against.push(Reason::PrivateGroup(facts.group));
    }
    against
}

/// Where it stands among those that can be used: less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// It protects nothing itself, and something else than the user's order decides: rule 6 is for who has nothing else.
    last_resort: bool,
    /// The call may fail, or two may share a pad.
    risk: u8,
    /// Early media has to wait.
    waits: bool,
    /// The user's order, or whether a rule holds, and which.
    order: (usize, Option<Rule>),
}

fn weigh(mode: ModeName, place: usize, wanted: &Preferences) -> (Rank, Vec<Reason>) {
    let (can, rule, Expected { fork, retarget, early_media }) = (Properties::of(mode), Rule::of(mode), wanted.expected);
    // Rules 2 and 5 are for those who require what the others do not have; 1, 3, 4 and 6 hold as soon as we have what
    // it takes.
    let holds = wanted.needs.any() || !matches!(rule, Rule::Two | Rule::Five);
    let mut why = vec![if holds { Reason::Rule(rule) } else { Reason::Unasked(rule) }];
    let order = match wanted.order {
        Order::Auto => (usize::from(!holds), Some(rule)),
        Order::Listed => {
            why.insert(0, Reason::Listed(place + 1));
            (place, None)
        }
    };
    let mut risk = 0;
    if fork {
        let (worse, reason) = match can.forking {
            Forking::Safe => (0, Reason::Forks),
            Forking::Limited => (1, Reason::ForksToHolders),
            Forking::Unsafe => (2, Reason::SharesKey),
        };
        risk += worse;
        why.push(reason);
    }
    if retarget {
        risk += if can.retarget { 0 } else { 2 };
        why.push(Reason::Retarget(can.retarget));
    }
    if early_media {
        why.push(Reason::EarlyMedia(can.early_media));
    }
    let last_resort = rule == Rule::Six && (wanted.order == Order::Auto || wanted.expected.any());
    (Rank { last_resort, risk, waits: early_media && !can.early_media, order }, why)
}

impl Choice {
    /// What is offered, and then what may be when that was refused.
    pub fn offers(&self) -> impl Iterator<Item = System> {
        let usable = self.considered.iter().filter(|considered| considered.verdict != Verdict::PassedOver);
        usable.map(|considered| considered.system)
    }

    /// What comes when this was refused; `tried` are those that were offered to the same callee.
    pub fn after(&self, tried: &[System], blame: Blame) -> Option<System> {
        let System::Mikey(last) = tried.last()?;
        let last = Properties::of(*last);
        let hopeless = |System::Mikey(mode): &System| {
            let can = Properties::of(*mode);
            match blame {
                Blame::Unknown => false,
                Blame::Credential => can.by == last.by,
                Blame::Recipient => !can.retarget,
                Blame::Clock => true,
            }
        };
        self.offers().find(|system| !tried.contains(system) && !hopeless(system))
    }

    /// Why nothing can be offered: what stands against the systems that are allowed, each reason once. `None` if something
    /// can.
    pub fn nothing(&self) -> Option<Vec<String>> {
        if self.offers().next().is_some() {
            return None;
        }
        let mut grouped: Vec<(String, Vec<String>)> = vec![];
        for Considered { system, why, .. } in &self.considered {
            for reason in why.iter().filter(|reason| !matches!(reason, Reason::NotListed | Reason::NotNamed)) {
                let (reason, system) = (reason.to_string(), system.to_string());
                match grouped.iter_mut().find(|(same, _)| *same == reason) {
                    Some((_, systems)) if systems.contains(&system) => {}
                    Some((_, systems)) => systems.push(system),
                    None => grouped.push((reason, vec![system])),
                }
            }
        }
        let lines = grouped.into_iter().map(|(why, systems)| format!("{}: {why}", systems.join(", ")));
        Some(lines.collect())
    }
}

impl Considered {
    /// Why, in one line.
    pub fn reasons(&self) -> String {
        text(&self.why)
    }
}

fn text(why: &[Reason]) -> String {
    why.iter().map(Reason::to_string).collect::<Vec<_>>().join("; ")
}

/// As the log spells it.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offered => "offered",
            Self::Next => "next",
            Self::PassedOver => "passed over",
        })
    }
}
