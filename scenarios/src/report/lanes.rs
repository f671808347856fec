//! The lanes of the timeline: which key was there from when to when, and which packets came and went under it.

use super::Page;
use super::calls::{Branch, Call};
use super::peers::Peers;
use super::uses::{Said, Use, Uses};
use crate::streams::Fates;
use keyphone_media::env::Instant;
use keyphone_ua::event::KeyUse;

/// What one phone did in one call towards one other.
pub(super) struct Group {
    pub(super) phone: usize,
    pub(super) branch: Branch,
    pub(super) lanes: Vec<Lane>,
}

/// One key in one use; or what came without one, or was not opened.
pub(super) struct Lane {
    pub(super) use_for: KeyUse,
    /// `None`: what came in the clear, or was not heard, as no key was known for it.
    pub(super) key: Option<String>,
    /// From when to when the key was there.
    pub(super) known: (Instant, Instant),
    /// When packets were sent under it, or arrived.
    pub(super) spells: Vec<Played>,
    /// What there is to say in words.
    pub(super) text: String,
}

/// Packets from when to when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Played {
    pub(super) from: Instant,
    pub(super) to: Instant,
    /// Before the call was answered.
    pub(super) early: bool,
}

/// All groups of a phone, in the order of its calls and branches.
pub(super) fn groups(page: &Page<'_>, uses: &Uses<'_>, peers: &Peers<'_>, phone: usize) -> Vec<Group> {
    let calls = Call::all(page, peers, phone);
    let mut groups = vec![];
    for call in calls {
        let said: Vec<_> = uses.said.iter().filter(|said| said.phone == phone && said.call == call.id).collect();
        let mut lanes: Vec<Vec<Lane>> = call.branches.iter().map(|_| vec![]).collect();
        for said in said {
            for number in homes(&call, said, uses) {
                let branch = &call.branches[number];
                let forked_to = branch.peer.filter(|_| number > 0 && call.is_forked());
                // What all branches share is there as long as one of them.
                let ended = branch.lost.filter(|_| said.branch.is_some()).unwrap_or(call.ended);
                let lane = Lane::of(said, uses, branch, forked_to, ended);
                let twin =
                    lanes[number].iter().any(|l| l.key == lane.key && l.use_for == lane.use_for && l.text == lane.text);
                if !twin {
                    end_before(&mut lanes[number], &lane);
                    lanes[number].push(lane);
                }
            }
        }
        for (number, branch) in call.branches.iter().enumerate() {
            lanes[number].extend(unheard(uses, branch, phone, branch.lost.unwrap_or(call.ended)));
        }
        let branches = call.branches.into_iter().zip(lanes);
        groups.extend(branches.map(|(branch, lanes)| Group { phone, branch, lanes }));
    }
    groups
}

/// The branches that a key belongs to: the one whose answer brought it; else those that it was used with; else the one whose phone has the same key for the
/// other way; else the call.
fn homes(call: &Call, said: &Said<'_>, uses: &Uses<'_>) -> Vec<usize> {
    match &call.branches[..] {
        [_] => return vec![0],
        [_, _] => return vec![1],
        _ => {}
    }
    if let Some(number) = said.branch.and_then(|tag| call.branches.iter().position(|branch| branch.tag == tag)) {
        return vec![number];
    }
    let other = |used: &Use<'_>| if said.use_for == KeyUse::Send { used.to } else { used.from };
    let names = |used: &&Use<'_>| said.ssrc.is_none_or(|ssrc| used.ssrc.to_string() == ssrc);
    let mut used: Vec<_> = uses.under(said.key, said.use_for, said.phone).filter(names).map(other).collect();
    if used.is_empty() {
        let mirrors = |s: &&Said<'_>| s.key == said.key && s.use_for != said.use_for && s.phone != said.phone;
        used = uses.said.iter().filter(mirrors).map(|s| s.phone).collect();
        used.sort_unstable();
        used.dedup();
        // What all have belongs to none.
        used.truncate(if used.len() == 1 { 1 } else { 0 });
    }
    let branches = call.branches.iter().enumerate().skip(1);
    let homes: Vec<_> =
        branches.filter(|(_, branch)| branch.peer.is_some_and(|p| used.contains(&p))).map(|(n, _)| n).collect();
    if homes.is_empty() { vec![0] } else { homes }
}

/// A new key for the same use ends the one before it.
fn end_before(lanes: &mut [Lane], new: &Lane) {
    for lane in lanes.iter_mut().filter(|lane| lane.use_for == new.use_for && lane.key != new.key) {
        lane.known.1 = lane.known.1.min(new.known.0).max(lane.known.0);
    }
}

impl Lane {
    fn of(said: &Said<'_>, uses: &Uses<'_>, branch: &Branch, only: Option<usize>, ended: Instant) -> Self {
        let is_hers = |used: &&Use<'_>| {
            let other = if said.use_for == KeyUse::Send { used.to } else { used.from };
            only.is_none_or(|peer| peer == other) && said.ssrc.is_none_or(|ssrc| used.ssrc.to_string() == ssrc)
        };
        let used: Vec<_> = uses.under(said.key, said.use_for, said.phone).filter(is_hers).collect();
        let mut words = vec![];
        let mut ssrcs: Vec<_> = used.iter().map(|u| u.ssrc.to_string()).chain(said.ssrc.map(Into::into)).collect();
        ssrcs.sort();
        ssrcs.dedup();
        words.push(if ssrcs.is_empty() { "any SSRC".into() } else { format!("SSRC {}", ssrcs.join(", ")) });
        let mut counts = Fates::default();
        used.iter().for_each(|used| counts += used.counts);
        words.extend((counts.sent > 0).then(|| counts.to_string()));
        let early = used.iter().map(|used| used.before_key).sum::<u64>();
        words.extend((said.use_for == KeyUse::Hear && early > 0).then(|| format!("{early} came before the key")));
        Self {
            use_for: said.use_for,
            key: Some(said.key.into()),
            known: (said.at, ended.max(said.at)),
            spells: spells(&used, said.use_for, branch.answered),
            text: words.join(" · "),
        }
    }
}

/// What came from that branch and no key opened.
fn unheard(uses: &Uses<'_>, branch: &Branch, phone: usize, ended: Instant) -> Option<Lane> {
    let peer = branch.peer?;
    let came: Vec<_> = uses.uses.iter().filter(|u| u.from == peer && u.to == phone && !u.key_known).collect();
    let spells = spells(&came, KeyUse::Hear, branch.answered);
    let first = spells.iter().map(|spell| spell.from).min()?;
    let mut counts = Fates::default();
    came.iter().for_each(|used| counts += used.counts);
    // Who told of no key speaks in the clear.
    let why = if came.iter().all(|used| used.key.is_none()) { "in the clear" } else { "not heard: no key" };
    let text = format!("{counts} · {why}");
    Some(Lane { use_for: KeyUse::Hear, key: None, known: (first, ended.max(first)), spells, text })
}

fn spells(used: &[&Use<'_>], use_for: KeyUse, answered: Option<Instant>) -> Vec<Played> {
    let mut played = vec![];
    for spell in used.iter().flat_map(|used| &used.spells) {
        let span = match use_for {
            KeyUse::Send => Some((spell.first, spell.last)),
            KeyUse::Hear => spell.arrived,
        };
        let Some((from, to)) = span else { continue };
        match answered {
            Some(answered) if from < answered && answered < to => {
                played.push(Played { from, to: answered, early: true });
                played.push(Played { from: answered, to, early: false });
            }
            Some(answered) => played.push(Played { from, to, early: to < answered }),
            None => played.push(Played { from, to, early: true }),
        }
    }
    played
}
