//! The calls of a phone, and their branches, from what it told.

use super::Page;
use super::peers::Peers;
use crate::ladder::seconds;
use keyphone_media::env::Instant;
use keyphone_ua::event::{CallId, Direction, Event, Outcome, Side, Why};
use std::collections::BTreeMap;

/// One branch of a call that a phone made; or a call that it was in as the one called.
pub(super) struct Branch {
    /// Who is at the other end, as far as that is known.
    pub(super) peer: Option<usize>,
    /// What the other end is called.
    pub(super) name: String,
    /// The To-tag; empty for what belongs to no branch, or to all.
    pub(super) tag: String,
    /// What happened on it, each with its time.
    pub(super) story: Vec<(Instant, String)>,
    /// When it was answered: what came before was early media.
    pub(super) answered: Option<Instant>,
    /// When it was sent away.
    pub(super) lost: Option<Instant>,
}

/// A call of a phone.
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) outgoing: bool,
    pub(super) ended: Instant,
    /// At least one. The first belongs to no branch, or to all.
    pub(super) branches: Vec<Branch>,
}

/// Branches beyond these are told with the first, which is none.
const MAX_BRANCHES: usize = 100;

impl Call {
    /// All calls of a phone.
    pub(super) fn all(page: &Page<'_>, peers: &Peers<'_>, phone: usize) -> Vec<Self> {
        let mut calls: BTreeMap<CallId, Self> = BTreeMap::new();
        for (at, event) in page.phones[phone].events {
            let Some(id) = event.call() else { continue };
            if let Event::Started { direction, peer, call_id, .. } = event {
                let outgoing = *direction == Direction::Outgoing;
                let caller = if outgoing { None } else { peers.caller(call_id) };
                let name = match caller {
                    Some(caller) => page.phones[caller].name.clone(),
                    None if outgoing => "the call".into(),
                    None => peer.clone(),
                };
                let begins = if outgoing { format!("calls {peer}") } else { "is called".into() };
                let story = vec![(*at, begins)];
                let branch = Branch { peer: caller, name, tag: String::new(), story, answered: None, lost: None };
                calls.insert(id, Self { id, outgoing, ended: *at, branches: vec![branch] });
            }
            if let Some(call) = calls.get_mut(&id) {
                call.ended = *at;
                call.tell(*at, event, page, peers);
            }
        }
        let mut calls: Vec<_> = calls.into_values().collect();
        // Who answered stands first, and then all as on the ladder.
        let order =
            |branch: &Branch| (!branch.tag.is_empty(), branch.answered.is_none(), branch.peer.unwrap_or(usize::MAX));
        calls.iter_mut().for_each(|call| call.branches.sort_by_key(order));
        calls
    }

    /// The branches that keys may belong to: those that have a tag, or the call as a whole.
    pub(super) fn is_forked(&self) -> bool {
        self.branches.len() > 2
    }

    fn tell(&mut self, at: Instant, event: &Event, page: &Page<'_>, peers: &Peers<'_>) {
        let (tag, what) = match event {
            Event::Ringing { branch, .. } => (branch.as_str(), "rings".into()),
            Event::Progress { branch, early_media: true, status, .. } => {
                (branch.as_str(), format!("{status} with early media"))
            }
            // That it rings is told anyway.
            Event::Progress { branch, status, .. } if *status != 180 => (branch.as_str(), status.to_string()),
            Event::Answered { branch, .. } => (branch.as_str(), "answered".into()),
            Event::BranchLost { branch, .. } => (branch.as_str(), "answers too late".into()),
            Event::BranchFailed { branch, .. } => (branch.as_str(), "refused, sent away".into()),
            Event::Verified { branch, why, .. } => (branch.as_str(), format!("verified: {}", words(*why))),
            Event::Clipped { branch, ms, held, .. } => (branch.as_str(), clipped(*ms, *held)),
            Event::Redirected { to, .. } => ("", format!("sent elsewhere: {}", to.join(", "))),
            Event::Refused { .. } => ("", "keying refused".into()),
            Event::TwoTimePad { .. } => ("", "two-time pad".into()),
            Event::Held { by, .. } => ("", format!("on hold by {}", side(*by))),
            Event::Resumed { by, .. } => ("", format!("resumed by {}", side(*by))),
            Event::Ended { outcome, .. } => ("", ended(outcome)),
            _ => return,
        };
        let number = self.branch(tag, page, peers);
        let branch = &mut self.branches[number];
        match event {
            Event::Answered { .. } => branch.answered = Some(at),
            Event::BranchLost { .. } | Event::BranchFailed { .. } => branch.lost = Some(at),
            _ => {}
        }
        let story = &mut branch.story;
        if story.last().is_none_or(|(_, last)| *last != what) {
            story.push((at, what));
        }
    }

    fn branch(&mut self, tag: &str, page: &Page<'_>, peers: &Peers<'_>) -> usize {
        // Who is called has one other side, whatever its tag.
        if tag.is_empty() || !self.outgoing {
            return 0;
        }
        if let Some(known) = self.branches.iter().position(|branch| branch.tag == tag) {
            return known;
        }
        if self.branches.len() > MAX_BRANCHES {
            return 0;
        }
        let peer = peers.owner(tag);
        let name = peer.map_or_else(|| "a branch".into(), |peer| page.phones[peer].name.clone());
        self.branches.push(Branch { peer, name, tag: tag.into(), story: vec![], answered: None, lost: None });
        self.branches.len() - 1
    }
}

impl Branch {
    /// `rings 0.002 · answered 0.401`.
    pub(super) fn story(&self) -> String {
        self.story.iter().map(|(at, what)| format!("{what} {}", seconds(*at))).collect::<Vec<_>>().join(" · ")
    }
}

/// What came before its key.
fn clipped(ms: u64, held: u64) -> String {
    match ms {
        0 => format!("{held} waited for the key, none clipped"),
        _ => format!("{ms} ms clipped"),
    }
}

/// Why an answer was verified when it was.
pub(super) fn words(why: Why) -> &'static str {
    match why {
        Why::Known => "its keys were there already",
        Why::Media => "its media waits",
        Why::Trial => "media waits, and nobody says whose",
        Why::Final => "it counts",
        Why::Precondition => "nobody rings before it is keyed",
        Why::Change => "it changes the session",
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Us => "us",
        Side::Peer => "the other side",
    }
}

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed { by: Side::Us } => "hangs up".into(),
        Outcome::Completed { by: Side::Peer } => "the other side hangs up".into(),
        // RFC 3261 section 21.4.25.
        Outcome::Failed { status: Some(487), .. } => "cancelled".into(),
        Outcome::Failed { status: Some(status), .. } => format!("failed with {status}"),
        Outcome::Failed { status: None, .. } => "failed".into(),
        Outcome::KeyingRefused { .. } => "over: no key, no media".into(),
    }
}
