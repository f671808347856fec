//! The calls under way as their user sees them: for keys, for commands, and for the status line.

use keyphone_media::env::Instant;
use keyphone_ua::event::{CallId, Counts, Direction, Event, Side};
use std::collections::BTreeMap;

/// All calls under way.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: BTreeMap<CallId, Seen>,
    current: Option<CallId>,
}

/// What is known of one.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) direction: Direction,
    /// Whom SIP names.
    pub(crate) peer: String,
    pub(crate) stage: Stage,
    held_by_us: bool,
    held_by_peer: bool,
    counts: Counts,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Nobody rings yet.
    Calling,
    Ringing,
    Answered {
        at: Instant,
        codec: String,
        keying: String,
    },
}

impl Seen {
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered { .. })
    }

    pub(crate) fn is_held_by_us(&self) -> bool {
        self.held_by_us
    }
}

impl Calls {
    /// Takes an event into account.
    pub(crate) fn take(&mut self, now: Instant, event: &Event) {
        if let Event::Started { call, direction, peer, .. } = event {
            let seen = Seen {
                direction: *direction,
                peer: peer.clone(),
                stage: Stage::Calling,
                held_by_us: false,
                held_by_peer: false,
                counts: Counts::default(),
            };
            self.calls.insert(*call, seen);
            self.current.get_or_insert(*call);
        }
        let Some(call) = event.call() else { return };
        let Some(seen) = self.calls.get_mut(&call) else { return };
        match event {
            Event::Ringing { .. } if !seen.is_answered() => seen.stage = Stage::Ringing,
            Event::Answered { codec, keying, .. } => {
                seen.stage = Stage::Answered { at: now, codec: codec.clone(), keying: keying.clone() };
                self.current = Some(call);
            }
            Event::ConnectedTo { peer, .. } => seen.peer.clone_from(peer),
            Event::Held { by, .. } => *seen.held(*by) = true,
            Event::Resumed { by, .. } => *seen.held(*by) = false,
            Event::Ended { .. } => {
                self.calls.remove(&call);
                if self.current == Some(call) {
                    self.current = self.calls.last_key_value().map(|(call, _)| *call);
                }
            }
            _ => {}
        }
    }

    /// The media of a call is at these counts now.
    pub(crate) fn count(&mut self, call: CallId, counts: Counts) {
        if let Some(seen) = self.calls.get_mut(&call) {
            seen.counts = counts;
        }
    }

    pub(crate) fn get(&self, call: CallId) -> Option<&Seen> {
        self.calls.get(&call)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (CallId, &Seen)> {
        self.calls.iter().map(|(call, seen)| (*call, seen))
    }

    /// The call that keys are for: the one that was answered last, unless another was chosen.
    pub(crate) fn current(&self) -> Option<(CallId, &Seen)> {
        self.current.and_then(|call| Some((call, self.calls.get(&call)?)))
    }

    /// From now on keys are for the next call; after the last one, for the first.
    pub(crate) fn next(&mut self) -> Option<(CallId, &Seen)> {
        let after = self.current.and_then(|call| self.calls.range(CallId(call.0 + 1)..).next());
        self.current = after.or(self.calls.first_key_value()).map(|(call, _)| *call);
        self.current()
    }

    /// One line about the current call; `None` if there is none.
    pub(crate) fn status(&self, now: Instant) -> Option<String> {
        let (call, seen) = self.current()?;
        let mut line = match &seen.stage {
            Stage::Calling if seen.direction == Direction::Outgoing => format!("calling {}", seen.peer),
            Stage::Calling => format!("{} calls", seen.peer),
            Stage::Ringing if seen.direction == Direction::Outgoing => format!("ringing at {}", seen.peer),
            Stage::Ringing => format!("ringing: {}", seen.peer),
            Stage::Answered { at, codec, keying } => {
                let secs = now.since(*at).as_secs();
                let (Counts { heard, lost, .. }, keying) =
                    (seen.counts, if keying == "none" { "CLEAR" } else { keying });
                let time = format!("{}:{:02}", secs / 60, secs % 60);
                format!("{time} with {}, {codec}, {keying}, heard {heard}, lost {lost}{}", seen.peer, seen.hold())
            }
        };
        if self.calls.len() > 1 {
            line = format!("call {call} of {}: {line}", self.calls.len());
        }
        Some(line)
    }
}

impl Seen {
    fn held(&mut self, by: Side) -> &mut bool {
        match by {
            Side::Us => &mut self.held_by_us,
            Side::Peer => &mut self.held_by_peer,
        }
    }

    fn hold(&self) -> &'static str {
        match (self.held_by_us, self.held_by_peer) {
            (false, false) => "",
            (true, false) => ", ON HOLD",
            (false, true) => ", ON HOLD by the peer",
            (true, true) => ", ON HOLD by both",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_ua::event::Outcome;

    fn secs(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    fn begin(calls: &mut Calls, number: u64, peer: &str) {
        let (call, direction) = (CallId(number), Direction::Outgoing);
        let (peer, call_id, keying) = (peer.to_owned(), "x".to_owned(), "mikey-psk".to_owned());
        calls.take(secs(1), &Event::Started { call, direction, peer, call_id, keying });
    }

    fn answer(calls: &mut Calls, number: u64, keying: &str) {
        let (call, branch) = (CallId(number), "1".to_owned());
        calls.take(secs(3), &Event::Answered { call, branch, codec: "PCMU".into(), keying: keying.into() });
    }

    #[test]
    fn the_line_says_who_how_long_and_how_it_is_heard() {
        let mut calls = Calls::default();
        assert_eq!(calls.status(secs(0)), None);
        begin(&mut calls, 1, "sip:bob@host");
        assert_eq!(calls.status(secs(2)).unwrap(), "calling sip:bob@host");
        calls.take(secs(2), &Event::Ringing { call: CallId(1), branch: "1".into() });
        assert_eq!(calls.status(secs(2)).unwrap(), "ringing at sip:bob@host");
        answer(&mut calls, 1, "mikey-psk");
        calls.count(CallId(1), Counts { heard: 3_598, lost: 2, ..Counts::default() });
        let status = |calls: &Calls| calls.status(secs(75)).unwrap();
        let line = "1:12 with sip:bob@host, PCMU, mikey-psk, heard 3598, lost 2";
        assert_eq!(status(&calls), line);
        calls.take(secs(75), &Event::Held { call: CallId(1), by: Side::Peer });
        assert_eq!(status(&calls), format!("{line}, ON HOLD by the peer"));
        calls.take(secs(75), &Event::Held { call: CallId(1), by: Side::Us });
        calls.take(secs(75), &Event::Resumed { call: CallId(1), by: Side::Peer });
        assert_eq!(status(&calls), format!("{line}, ON HOLD"));
    }

    #[test]
    fn keys_are_for_the_call_that_was_answered_last_until_another_is_chosen() {
        let mut calls = Calls::default();
        for (number, peer) in [(1, "sip:bob@h"), (2, "sip:carol@h"), (3, "sip:dave@h")] {
            begin(&mut calls, number, peer);
        }
        let current = |calls: &Calls| calls.current().map(|(call, _)| call.0);
        assert_eq!(current(&calls), Some(1));
        answer(&mut calls, 2, "none");
        assert_eq!(current(&calls), Some(2));
        let line = "call 2 of 3: 0:00 with sip:carol@h, PCMU, CLEAR, heard 0, lost 0";
        assert_eq!(calls.status(secs(3)).unwrap(), line);
        let mut next = || calls.next().map(|(call, _)| call.0);
        assert_eq!([next(), next(), next()], [Some(3), Some(1), Some(2)]);
        let outcome = Outcome::Completed { by: Side::Us };
        for (ended, then) in [(2, Some(3)), (1, Some(3)), (3, None)] {
            calls.take(secs(9), &Event::Ended { call: CallId(ended), outcome: outcome.clone() });
            assert_eq!(current(&calls), then);
        }
    }
}
