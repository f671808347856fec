//! `--at 3s:hold`: what keys would do, written down before the call.

use crate::act::Act;
use keyphone_config::parse_duration;
use keyphone_media::env::Instant;
use keyphone_ua::event::CallId;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

/// One deed, and when: so long after the answer of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) after: Duration,
    pub(crate) act: Act,
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((after, act)) = text.split_once(':') else {
            return Err(format!("{text:?} is not a time after the answer and what to do then, such as 3s:hold"));
        };
        Ok(Self { after: parse_duration(after)?, act: act.parse()? })
    }
}

/// The same list for every call, and what of it is still to be done in each.
#[derive(Debug, Default)]
pub(crate) struct Script {
    steps: Vec<At>,
    /// By time; of one call in the order in which they were given.
    due: BTreeSet<(Instant, CallId, usize)>,
}

impl Script {
    pub(crate) fn new(steps: Vec<At>) -> Self {
        Self { steps, due: BTreeSet::new() }
    }

    /// A call was answered: its times count from now.
    pub(crate) fn answered(&mut self, call: CallId, now: Instant) {
        self.due.extend((0..).zip(&self.steps).map(|(number, step)| (now + step.after, call, number)));
    }

    /// A call is over.
    pub(crate) fn ended(&mut self, call: CallId) {
        self.due.retain(|(_, of, _)| *of != call);
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// What is to be done by now, first things first.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<(CallId, Act)> {
        let mut acts = vec![];
        while let Some((_, call, number)) = self.due.first().copied().filter(|(at, ..)| *at <= now) {
            self.due.pop_first();
            acts.extend(self.steps.get(number).map(|step| (call, step.act.clone())));
        }
        acts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn a_step_is_a_time_and_a_deed() {
        assert_eq!("1500ms:rekey".parse(), Ok(At { after: Duration::from_millis(1500), act: Act::Rekey }));
        assert_eq!("8s:transfer=sip:carol@host:5070".parse::<At>().unwrap().after, Duration::from_secs(8));
        for (text, why) in [
            ("hold", "is not a time after the answer and what to do then, such as 3s:hold"),
            ("3:hold", "is not a duration such as 60ms, 300s or 5m"),
            ("3s:sing", "which is hold, resume, rekey, dtmf=12#, transfer=sip:carol@host or hangup"),
        ] {
            assert!(text.parse::<At>().unwrap_err().ends_with(why), "{text}");
        }
    }

    #[test]
    fn every_call_has_the_script_from_its_own_answer_on_and_none_after_its_end() {
        let steps = ["2s:resume", "1s:hold", "2s:hangup"].map(|step| step.parse().unwrap());
        let mut script = Script::new(steps.to_vec());
        assert_eq!(script.next(), None);
        let [first, second] = [CallId(1), CallId(2)];
        script.answered(first, secs(10));
        script.answered(second, secs(11));
        assert_eq!(script.next(), Some(secs(11)));
        assert_eq!(script.take(secs(11)), [(first, Act::Hold)]);
        assert_eq!(script.take(secs(12)), [(first, Act::Resume), (first, Act::HangUp), (second, Act::Hold)]);
        script.ended(second);
        assert_eq!((script.next(), script.take(secs(99))), (None, vec![]));
    }
}
