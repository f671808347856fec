//! Events as a person wants to read them: few, short, and without what a peer could do to a terminal.

use keyphone_ua::event::{CallId, Counts, Direction, Event, KeyUse, Outcome, Side};
use std::collections::BTreeMap;

/// Turns events into lines. It remembers of each call what its next lines need.
#[derive(Debug, Default)]
pub(crate) struct Narrator {
    /// More than one call may come: lines say which one they are about.
    numbered: bool,
    /// `-v`: keys and media as well.
    pub(crate) verbose: bool,
    calls: BTreeMap<CallId, Known>,
}

#[derive(Debug)]
struct Known {
    direction: Direction,
    peer: String,
    /// Who it turned out to be, and how we know.
    proven: Option<(String, String)>,
    hint: Option<String>,
    counts: Option<Counts>,
}

impl Narrator {
    pub(crate) fn new(numbered: bool, verbose: bool) -> Self {
        Self { numbered, verbose, calls: BTreeMap::new() }
    }

    /// The line for an event, if a person wants one.
    pub(crate) fn line(&mut self, event: &Event) -> Option<String> {
        let text = self.text(event)?;
        Some(match event.call() {
            Some(call) if self.numbered => format!("call {call}: {text}"),
            _ => text,
        })
    }

    fn text(&mut self, event: &Event) -> Option<String> {
        let known = event.call().and_then(|call| self.calls.get_mut(&call));
        Some(match event {
            Event::Started { call, direction, peer, keying, .. } => {
                let offer = if keying == "none" { "in the clear".into() } else { format!("offering {keying}") };
                let text = match direction {
                    Direction::Outgoing => format!("calling {peer}, {offer}"),
                    Direction::Incoming => format!("{peer} calls, {offer}"),
                };
                let (direction, peer) = (*direction, peer.clone());
                self.calls.insert(*call, Known { direction, peer, proven: None, hint: None, counts: None });
                text
            }
            Event::Ringing { .. } => match known {
                Some(Known { direction: Direction::Outgoing, peer, .. }) => format!("ringing at {peer}"),
                _ => "ringing".into(),
            },
            Event::Peer { proven, how, .. } => {
                known?.proven = Some((proven.clone(), how.clone()));
                return None;
            }
            Event::Key { key, suite, use_for, .. } if self.verbose => {
                let use_for = if *use_for == KeyUse::Send { "sending" } else { "hearing" };
                format!("key {key} for {use_for}, {suite}")
            }
            Event::Tolerated { what, .. } => format!("tolerated: {what}"),
            Event::Refused { hint, .. } => {
                known?.hint.clone_from(hint);
                return None;
            }
            Event::Answered { codec, keying, .. } => match known.and_then(|k| k.proven.as_ref()) {
                Some((proven, how)) => format!("answered, {codec}, keyed by {keying} with {proven} ({how})"),
                None if keying == "none" => format!("answered, {codec}, in the clear: everybody on the way can listen"),
                None => format!("answered, {codec}, keyed by {keying}"),
            },
            Event::BranchLost { .. } => "another phone answered too late and was hung up".into(),
            Event::Heard { ssrc, .. } if self.verbose => format!("hearing SSRC {ssrc}"),
            Event::TwoTimePad { ssrc, what, .. } => format!("SSRC {ssrc}: {what}"),
            Event::PlayedOut { .. } if self.verbose => "all was played".into(),
            Event::Trouble { what, .. } => what.clone(),
            Event::Stats { counts, .. } => {
                known?.counts = Some(*counts);
                return None;
            }
            Event::Ended { call, outcome } => {
                let known = self.calls.remove(call);
                let (hint, counts) = known.map_or((None, None), |k| (k.hint, k.counts));
                ended(outcome, hint.as_deref(), counts.as_ref())
            }
            _ => return None,
        })
    }
}

fn ended(outcome: &Outcome, hint: Option<&str>, counts: Option<&Counts>) -> String {
    let counts = counts.filter(|c| **c != Counts::default()).map_or(String::new(), |c| {
        let mut text = format!("; sent {}, heard {}, lost {}, late {}", c.sent, c.heard, c.lost, c.late);
        for (count, what) in [(c.refused, "refused"), (c.replayed, "replayed"), (c.reflected, "reflected")] {
            if count > 0 {
                text += &format!(", {what} {count}");
            }
        }
        text
    });
    match outcome {
        Outcome::Completed { by: Side::Us } => format!("ended: we hung up{counts}"),
        Outcome::Completed { by: Side::Peer } => format!("ended: the peer hung up{counts}"),
        Outcome::Failed { why, .. } => format!("failed: {why}{counts}"),
        Outcome::KeyingRefused { why } => {
            let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
            format!("keying refused: {why}{hint}{counts}")
        }
    }
}

/// What peers write ends up on terminals: no control character may get there.
pub(crate) fn plain(text: &str) -> String {
    // The marks that turn the direction of writing are no control characters by name, but hide text as well.
    let hides = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if hides(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId(1);

    fn story(direction: Direction, keying: &str, events: Vec<Event>) -> Vec<String> {
        let mut narrator = Narrator::default();
        let peer = "sip:bob@127.0.0.1".to_owned();
        let (call_id, keying) = ("1@127.0.0.1".to_owned(), keying.to_owned());
        let started = Event::Started { call: CALL, direction, peer, call_id, keying };
        [started].iter().chain(&events).filter_map(|event| narrator.line(event)).collect()
    }

    fn peer() -> Event {
        let bob = "sip:bob@127.0.0.1".to_owned();
        Event::Peer { call: CALL, named: bob.clone(), proven: bob, how: "a pre-shared key".into() }
    }

    fn answered(keying: &str) -> Event {
        Event::Answered { call: CALL, branch: "1".into(), codec: "PCMU".into(), keying: keying.into() }
    }

    #[test]
    fn a_call_that_went_well_is_four_lines() {
        let counts = Counts { sent: 250, heard: 249, ..Counts::default() };
        let lines = story(
            Direction::Outgoing,
            "mikey-psk",
            vec![
                Event::Ringing { call: CALL, branch: "1".into() },
                peer(),
                answered("mikey-psk"),
                Event::Heard { call: CALL, ssrc: "12345678".into() },
                Event::Stats { call: CALL, counts },
                Event::Ended { call: CALL, outcome: Outcome::Completed { by: Side::Us } },
            ],
        );
        assert_eq!(
            lines,
            [
                "calling sip:bob@127.0.0.1, offering mikey-psk",
                "ringing at sip:bob@127.0.0.1",
                "answered, PCMU, keyed by mikey-psk with sip:bob@127.0.0.1 (a pre-shared key)",
                "ended: we hung up; sent 250, heard 249, lost 0, late 0",
            ]
        );
    }

    #[test]
    fn clear_rtp_is_called_by_its_name() {
        let lines = story(Direction::Incoming, "none", vec![answered("none")]);
        assert_eq!(
            lines,
            ["sip:bob@127.0.0.1 calls, in the clear", "answered, PCMU, in the clear: everybody on the way can listen"]
        );
    }

    #[test]
    fn a_refusal_says_once_why_and_what_the_peer_hints_at() {
        let why = "488 Not Acceptable Here".to_owned();
        let lines = story(
            Direction::Outgoing,
            "mikey-psk",
            vec![
                Event::Refused {
                    call: CALL,
                    why: why.clone(),
                    hint: Some("the peer says, unauthenticated: no key".into()),
                },
                Event::Ended { call: CALL, outcome: Outcome::KeyingRefused { why } },
            ],
        );
        assert_eq!(lines[1..], ["keying refused: 488 Not Acceptable Here (the peer says, unauthenticated: no key)"]);
    }

    #[test]
    fn of_many_calls_each_line_says_its_number() {
        let mut narrator = Narrator { numbered: true, ..Narrator::default() };
        let event = Event::Ringing { call: CallId(7), branch: "1".into() };
        assert_eq!(narrator.line(&event).unwrap(), "call 7: ringing");
    }

    #[test]
    fn a_peers_words_cannot_steer_the_terminal() {
        assert_eq!(plain("a\x1b[2J\r\nb\u{202e}c"), "a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}c");
    }
}
