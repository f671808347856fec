//! Which keying system our first offer goes by, why, and what comes when it is refused (RFC 5197 section 5).

use super::Cx;
use super::parties::Parties;
use crate::event::{CallId, Considered, Event};
use crate::settings::System;
use crate::sip::Request;
use crate::transaction::ServerKey;
use keyphone_keying as keying;
use keyphone_keying::choice::{Blame, Choice, choose};
use keyphone_keying::mikey::ModeName;
use keyphone_keying::{Identity, Policy};

/// What may be offered to one callee, and what was.
#[derive(Clone)]
pub(super) struct Menu {
    callee: Identity,
    /// `None` where clear RTP is all that is configured.
    choice: Option<Choice>,
    /// Offered so far; the last one is under way.
    tried: Vec<keying::System>,
}

impl Menu {
    /// Of a call between these two, over that hop.
    pub(super) fn of(parties: &Parties, cx: &Cx<'_, '_>) -> Self {
        let Parties { me, named, hop } = parties;
        let policy = &cx.settings.policy;
        let choice = cx.settings.keying.first().is_some_and(|first| first.is_keyed()).then(|| {
            let facts = cx.mikey.facts((me, named), (*hop, policy.mikey.group), cx.env.now.ntp);
            choose(&facts, &policy.choice)
        });
        let tried = choice.iter().flat_map(|choice| choice.offers().next()).collect();
        Self { callee: named.clone(), choice, tried }
    }

    /// What is offered now.
    ///
    /// # Errors
    /// Nothing can be: one sentence that has every reason.
    pub(super) fn system(&self, cx: &Cx<'_, '_>) -> Result<System, String> {
        match (&self.choice, self.tried.last()) {
            (None, _) => {
                cx.settings.keying.first().copied().ok_or("no keying system is configured: give --keying".into())
            }
            (Some(_), Some(keying::System::Mikey(mode))) => Ok(System::Mikey(*mode)),
            (Some(choice), None) => {
                let why = choice.nothing().unwrap_or_default().join("; ");
                Err(format!("no keying system can be offered to {}: {why}", self.callee))
            }
        }
    }

    /// What the log calls it; where nothing can be offered, what was wanted.
    pub(super) fn name(&self, cx: &Cx<'_, '_>) -> String {
        let wanted = || cx.settings.keying.first().copied().unwrap_or(System::Clear);
        self.system(cx).unwrap_or_else(|_| wanted()).to_string()
    }

    /// What comes when that was refused.
    pub(super) fn next(&self, blame: Blame) -> Option<Self> {
        let next = self.choice.as_ref()?.after(&self.tried, blame)?;
        let tried = self.tried.iter().copied().chain([next]).collect();
        Some(Self { tried, ..self.clone() })
    }

    /// What else there is for somebody else, when this was answered by who has not the right credentials for it.
    pub(super) fn instead(&self, parties: &Parties, cx: &Cx<'_, '_>) -> Option<Self> {
        let other = Self { tried: self.tried.clone(), ..Self::of(parties, cx) };
        other.next(Blame::Credential)
    }

    /// Says how it was chosen.
    pub(super) fn tell(&self, call: CallId, cx: &mut Cx<'_, '_>) {
        let Some(choice) = &self.choice else { return };
        let considered = choice.considered.iter().map(|considered| Considered {
            system: considered.system.to_string(),
            verdict: considered.verdict.to_string(),
            why: considered.reasons(),
        });
        let event = Event::Choice {
            call,
            callee: self.callee.to_string(),
            offered: self.tried.last().map_or("none".into(), ToString::to_string),
            considered: considered.collect(),
        };
        cx.event(event);
    }
}

/// How an offer of ours to this caller goes, who made none.
pub(super) fn answering(request: &Request, key: ServerKey, cx: &Cx<'_, '_>) -> Option<String> {
    let parties = Parties::of_invite(request, key, cx).ok()?;
    Some(Menu::of(&parties, cx).name(cx))
}

/// The policy under which this mode is offered.
pub(super) fn offering(mode: ModeName, policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    policy.mikey.offer = mode;
    policy
}
