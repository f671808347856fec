//! How far a command is: which calls are under way, how those before went, and what is to be done next.

use keyphone_ua::event::{CallId, Event, Outcome};
use std::collections::BTreeMap;

/// What a command is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Place so many calls, one after another.
    Call {
        /// At least one.
        times: u32,
    },
    /// Be called.
    Answer {
        /// So often; `None` is until we are told to stop.
        times: Option<u32>,
        /// Every call is refused with this status: then a call that fails with it went as it should.
        refuse: Option<u16>,
    },
}

/// What follows from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    GoOn,
    /// The next call is placed.
    CallAgain,
    /// All is done but for calls that came in meanwhile: they are hung up.
    HangUpRest,
    /// All is done.
    Stop,
}

/// The book of a command's calls.
#[derive(Debug)]
pub(crate) struct Progress {
    job: Job,
    /// Calls under way, and whether they were answered.
    active: BTreeMap<CallId, bool>,
    tally: Tally,
    interrupted: bool,
    /// A script decides when it is over.
    stays: bool,
}

/// How the calls went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Tally {
    /// All that ended.
    pub(crate) calls: u32,
    /// Answered, and hung up by somebody.
    pub(crate) completed: u32,
    /// Not answered, or broken.
    pub(crate) failed: u32,
    /// Keying was refused.
    pub(crate) keying_refused: u32,
    /// The worst exit code of them.
    pub(crate) code: u8,
}

impl Progress {
    pub(crate) fn new(job: Job, stays: bool) -> Self {
        Self { job, active: BTreeMap::new(), tally: Tally::default(), interrupted: false, stays }
    }

    /// Takes an event into the book.
    pub(crate) fn take(&mut self, event: &Event) -> Next {
        match event {
            Event::Started { call, .. } => {
                self.active.insert(*call, false);
                Next::GoOn
            }
            Event::Answered { call, .. } => {
                self.active.insert(*call, true);
                Next::GoOn
            }
            Event::Ended { call, outcome } => {
                self.active.remove(call);
                self.count(outcome);
                self.after_a_call()
            }
            _ => Next::GoOn,
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        let wanted = matches!((self.job, outcome),
            (Job::Answer { refuse: Some(refuse), .. }, Outcome::Failed { status: Some(status), .. }) if *status == refuse);
        // Those that we hang up because others were the last do not change how it went.
        let rest = self.has_made_all();
        let Tally { calls, completed, failed, keying_refused, code } = &mut self.tally;
        *calls += 1;
        *match outcome {
            Outcome::Completed { .. } => completed,
            Outcome::Failed { .. } => failed,
            Outcome::KeyingRefused { .. } => keying_refused,
        } += 1;
        *code = (*code).max(if wanted || rest { 0 } else { outcome.exit_code() });
    }

    fn has_made_all(&self) -> bool {
        let all = match self.job {
            Job::Call { times } => Some(times),
            Job::Answer { times, .. } => times,
        };
        !self.stays && all.is_some_and(|all| self.tally.calls >= all)
    }

    fn after_a_call(&self) -> Next {
        let done = self.interrupted || self.has_made_all();
        match (done, self.active.is_empty(), self.job) {
            (true, true, _) => Next::Stop,
            (true, false, _) => Next::HangUpRest,
            (false, _, Job::Call { .. }) if !self.stays => Next::CallAgain,
            (false, ..) => Next::GoOn,
        }
    }

    /// The user wants to stop. `true` if calls must be hung up first.
    pub(crate) fn interrupt(&mut self) -> bool {
        self.interrupted = true;
        !self.active.is_empty()
    }

    /// No call is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_empty()
    }

    /// How the calls went so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// The command's exit code.
    pub(crate) fn code(&self) -> u8 {
        match self.job {
            // Whoever waits to be called is stopped in this way: that is no failure.
            Job::Answer { .. } if self.interrupted => 0,
            Job::Answer { .. } => self.tally.code,
            Job::Call { .. } => {
                let unanswered = self.active.values().any(|answered| !answered);
                let none = self.tally.calls == 0 && self.active.is_empty();
                self.tally.code.max(u8::from(unanswered || none))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_ua::event::{Direction, Side};

    fn started(call: u64) -> Event {
        let text = String::new;
        let direction = Direction::Outgoing;
        Event::Started { call: CallId(call), direction, peer: text(), call_id: text(), keying: text() }
    }

    fn answered(call: u64) -> Event {
        Event::Answered { call: CallId(call), branch: "1".into(), codec: "PCMU".into(), keying: "none".into() }
    }

    fn ended(call: u64, outcome: Outcome) -> Event {
        Event::Ended { call: CallId(call), outcome }
    }

    fn completed() -> Outcome {
        Outcome::Completed { by: Side::Us }
    }

    fn failed(status: u16) -> Outcome {
        Outcome::Failed { status: Some(status), why: "no".into() }
    }

    #[test]
    fn calls_follow_one_another_and_the_worst_gives_the_code() {
        let mut progress = Progress::new(Job::Call { times: 3 }, false);
        let outcomes = [completed(), Outcome::KeyingRefused { why: "no".into() }, failed(486)];
        let next: Vec<_> = (1..)
            .zip(outcomes)
            .map(|(call, outcome)| {
                assert_eq!(progress.take(&started(call)), Next::GoOn);
                progress.take(&ended(call, outcome))
            })
            .collect();
        assert_eq!(next, [Next::CallAgain, Next::CallAgain, Next::Stop]);
        assert_eq!(progress.code(), 3);
        assert_eq!(progress.tally(), Tally { calls: 3, completed: 1, failed: 1, keying_refused: 1, code: 3 });
    }

    #[test]
    fn who_waits_for_ever_is_only_stopped_by_the_user_and_then_content() {
        let mut progress = Progress::new(Job::Answer { times: None, refuse: None }, false);
        progress.take(&started(1));
        assert_eq!(progress.take(&ended(1, failed(488))), Next::GoOn);
        progress.take(&started(2));
        assert!(progress.interrupt());
        assert_eq!(progress.take(&ended(2, completed())), Next::Stop);
        assert_eq!(progress.code(), 0);
    }

    #[test]
    fn after_the_last_call_those_that_came_meanwhile_are_hung_up() {
        let mut progress = Progress::new(Job::Answer { times: Some(1), refuse: None }, false);
        progress.take(&started(1));
        progress.take(&started(2));
        assert_eq!(progress.take(&ended(1, completed())), Next::HangUpRest);
        assert_eq!(progress.take(&ended(2, failed(480))), Next::Stop);
        assert_eq!(progress.code(), 0);
    }

    #[test]
    fn a_refusal_that_was_asked_for_is_no_failure() {
        for (status, code) in [(486, 0), (503, 1)] {
            let mut progress = Progress::new(Job::Answer { times: Some(1), refuse: Some(486) }, false);
            progress.take(&started(1));
            assert_eq!(progress.take(&ended(1, failed(status))), Next::Stop);
            assert_eq!(progress.code(), code);
        }
    }

    #[test]
    fn where_a_script_decides_the_first_call_is_not_the_last() {
        let mut progress = Progress::new(Job::Call { times: 1 }, true);
        progress.take(&started(1));
        assert_eq!(progress.take(&ended(1, completed())), Next::GoOn);
        progress.take(&started(2));
        assert_eq!(progress.take(&ended(2, failed(486))), Next::GoOn);
        assert!(!progress.interrupt());
        assert_eq!(progress.code(), 1);
    }

    #[test]
    fn an_interrupted_call_is_a_failure_unless_somebody_answered() {
        for (was_answered, code) in [(false, 1), (true, 0)] {
            let mut progress = Progress::new(Job::Call { times: 1 }, false);
            progress.take(&started(1));
            if was_answered {
                progress.take(&answered(1));
            }
            assert!(progress.interrupt());
            assert_eq!(progress.code(), code);
        }
        let mut early = Progress::new(Job::Call { times: 1 }, false);
        assert!(!early.interrupt());
        assert_eq!(early.code(), 1);
    }
}
