//! A request that was forwarded, and what came back so far (RFC 3261 section 16.7).

use super::{Proxy, Targets};
use keyphone_media::env::Instant;
use keyphone_ua::sip::{Headers, Method, Request, Response, SipUri, StatusCode};
use keyphone_ua::transaction::ClientKey;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A request, its branches and the best of their answers.
pub(super) struct Context {
    /// As it came, but for the Route that named us.
    pub(super) request: Request,
    /// The branches that have no final answer yet.
    pub(super) pending: BTreeMap<ClientKey, Branch>,
    /// Whose turn comes yet.
    pub(super) later: VecDeque<SipUri>,
    /// How long each has, if they are asked in turn.
    pub(super) each: Option<Duration>,
    /// The best final answer that was not passed on.
    best: Option<Response>,
    /// All that any answer wants the caller to prove.
    challenges: Headers,
    /// A final answer was passed on.
    pub(super) answered: bool,
    /// Somebody spoke for all (6xx), or the caller withdrew: nobody else is asked.
    pub(super) closed: bool,
}

/// One of the places that a request went to.
pub(super) struct Branch {
    /// As it was sent, to make a CANCEL of.
    pub(super) sent: Request,
    /// A CANCEL was sent, or will be as soon as it may be.
    pub(super) cancelled: bool,
    /// Something was heard of it.
    pub(super) heard: bool,
    /// It has so long: timer C, or until the turn is another's.
    pub(super) until: Option<Instant>,
}

impl Context {
    pub(super) fn new(request: Request, targets: Targets) -> Self {
        let (later, each) = match targets {
            Targets::Together(targets) | Targets::Redirect(targets) => (targets, None),
            Targets::InTurn(targets, each) => (targets, Some(each)),
        };
        let later = later.into_iter().take(Proxy::MOST_TARGETS).collect();
        let (pending, challenges) = (BTreeMap::new(), Headers::default());
        Self { request, pending, later, each, best: None, challenges, answered: false, closed: false }
    }

    /// Is it an INVITE? Nothing else rings, forks for long or is cancelled.
    pub(super) fn is_invite(&self) -> bool {
        self.request.method == Method::Invite
    }

    /// Whom to ask now: all who are left, or one, if nobody else has the turn.
    pub(super) fn next_targets(&mut self) -> Vec<SipUri> {
        let taken = self.each.is_some() && self.pending.values().any(|branch| !branch.cancelled);
        match (self.closed || self.answered || taken, self.each) {
            (true, _) => vec![],
            (false, None) => self.later.drain(..).collect(),
            (false, Some(_)) => self.later.pop_front().into_iter().collect(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.pending.values().filter(|branch| !branch.cancelled).filter_map(|branch| branch.until).min()
    }

    /// Keeps a final answer if it is better than what there is (RFC 3261 section 16.7, step 6).
    pub(super) fn consider(&mut self, response: Response) {
        if is_challenge(response.status) {
            CHALLENGES.iter().for_each(|name| self.challenges.copy(name, &response.headers));
        }
        if self.best.as_ref().is_none_or(|best| rank(response.status) < rank(best.status)) {
            self.best = Some(response);
        }
    }

    /// All have answered, and nobody else is to be asked: the answer for the caller, if it has none.
    pub(super) fn conclusion(&mut self) -> Option<Option<Response>> {
        let over = self.pending.is_empty() && (self.later.is_empty() || self.closed);
        (over && !self.answered).then(|| {
            let mut best = self.best.take();
            // Step 7: who calls must satisfy them all at once.
            if let Some(best) = best.as_mut().filter(|best| is_challenge(best.status)) {
                CHALLENGES.iter().for_each(|name| best.headers.remove(name));
                CHALLENGES.iter().for_each(|name| best.headers.copy(name, &self.challenges));
            }
            best
        })
    }
}

const CHALLENGES: [&str; 2] = ["WWW-Authenticate", "Proxy-Authenticate"];

fn is_challenge(status: StatusCode) -> bool {
    matches!(status.code(), 401 | 407)
}

/// Smaller is better: 6xx before all, then the lowest class; in a class, what lets the caller try again comes first.
fn rank(status: StatusCode) -> (u16, u16) {
    let class = match status.class() {
        6 => 0,
        class => class,
    };
    let within = match status.code() {
        401 | 407 | 415 | 420 | 484 | 488 => 0,
        // Somebody was asked and did not want: more than that nobody was there, or that we asked for silence.
        408 | 487 => 2,
        503 => 3,
        _ => 1,
    };
    (class, within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_answer_is_the_one_of_rfc_3261_section_16_7() {
        let best = |codes: &[u16]| {
            let request = Request::new(Method::Invite, "sip:bob@b.com".parse().unwrap());
            let mut context = Context::new(request, Targets::Together(vec![]));
            for code in codes {
                context.consider(Response::new(StatusCode::new(*code).unwrap()));
            }
            context.conclusion().unwrap().unwrap().status.code()
        };
        assert_eq!(best(&[503, 407, 501, 404]), 407, "the RFC's example");
        assert_eq!(best(&[404, 302, 603]), 603, "a 6xx speaks for all");
        assert_eq!(best(&[486, 302]), 302, "the lowest class");
        assert_eq!(best(&[487, 486, 487]), 486, "who was cancelled says less than who is busy");
        assert_eq!(best(&[408, 488]), 488);
    }
}
