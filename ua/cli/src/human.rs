//! Events as a person wants to read them: few, short, and without what a peer could do to a terminal.

#[cfg(test)]
mod tests;
mod words;

use keyphone_ua::event::{CallId, Counts, Direction, Event, KeyUse, Side};
use std::collections::BTreeMap;

/// Turns events into lines. It remembers of each call what its next lines need.
#[derive(Debug, Default)]
pub(crate) struct Narrator {
    /// More than one call may come: lines say which one they are about.
    numbered: bool,
    /// `-v`: keys and media as well.
    pub(crate) verbose: bool,
    /// `--explain`: how the keying was chosen.
    explain: bool,
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
        Self { numbered, verbose, explain: false, calls: BTreeMap::new() }
    }

    /// The same, which says how the keying was chosen if that is asked for.
    pub(crate) fn explaining(self, explain: bool) -> Self {
        Self { explain, ..self }
    }

    /// The lines for an event, as far as a person wants them. None of them holds a line end of a peer's making.
    pub(crate) fn lines(&mut self, event: &Event) -> Vec<String> {
        match event {
            Event::Choice { callee, considered, .. } if self.explain => words::choice(callee, considered),
            _ => self.line(event).into_iter().collect(),
        }
    }

    /// The line for an event, if a person wants one.
    pub(crate) fn line(&mut self, event: &Event) -> Option<String> {
        let before = self.calls.len();
        let text = self.text(event)?;
        // Of several calls that run at once each line must say which it is about.
        let several = before.max(self.calls.len()) > 1;
        Some(match event.call() {
            Some(call) if self.numbered || several => format!("call {call}: {text}"),
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
            // That it rings is told by an event of its own.
            Event::Progress { status: 180, early_media: false, .. } => return None,
            Event::Progress { status, reliable, early_media, .. } => words::progress(*status, *reliable, *early_media),
            Event::Redirected { to, .. } => match known {
                Some(Known { direction: Direction::Incoming, .. }) => format!("sent on to {}", words::list(to)),
                _ => format!("sent on: calling {}", words::list(to)),
            },
            Event::Retargeted { asked, answered, how, .. } => words::retargeted(asked, answered, how),
            Event::ConnectedTo { peer, .. } => format!("now talking to {peer}, as the peer says without proof"),
            Event::Held { by: Side::Us, .. } => "on hold".into(),
            Event::Held { by: Side::Peer, .. } => "the peer has put us on hold".into(),
            Event::Resumed { by: Side::Us, .. } => "taken back from hold".into(),
            Event::Resumed { by: Side::Peer, .. } => "the peer has taken us back from hold".into(),
            Event::Refreshed { by, .. } if self.verbose => match by {
                Side::Us => "session refreshed".into(),
                Side::Peer => "session refreshed by the peer".into(),
            },
            Event::Transfer { by, to, status, .. } => words::transfer(*by, to, *status),
            Event::Replaces { other, .. } => format!("takes the place of call {other}"),
            Event::CallTrouble { what, .. } => what.clone(),
            Event::Dtmf { key, .. } => format!("the peer pressed {key}"),
            Event::Info { content_type, body, .. } => format!("INFO, {content_type}: {body}"),
            Event::MessageReceived { from, text } => format!("message from {from}: {text}"),
            Event::MessageSent { to, status: 200..=299 } => format!("message to {to} has arrived"),
            Event::MessageSent { to, status } => format!("message to {to} failed ({status})"),
            Event::OptionsAnswered { to, status, allow, supported, accept } => {
                words::options(to, *status, allow, supported, accept)
            }
            Event::Registered { aor, registrar, contacts, expires } => {
                let others = match contacts.len() {
                    0 | 1 => String::new(),
                    all => format!(", with {all} contacts in all"),
                };
                format!("{aor} is registered at {registrar} for {expires} s{others}")
            }
            Event::Unregistered { aor } => format!("{aor} is not registered any more"),
            Event::RegistrationFailed { aor, why, retry, .. } => {
                let retry = retry.map_or("not tried again".into(), |secs| format!("tried again in {secs} s"));
                format!("{aor} is not registered: {why}; {retry}")
            }
            Event::NetworkTrouble { peer, what } => format!("{peer}: {what}"),
            Event::Peer { proven, how, .. } => {
                known?.proven = Some((proven.clone(), how.clone()));
                return None;
            }
            Event::Key { key, suite, use_for, .. } if self.verbose => {
                let use_for = if *use_for == KeyUse::Send { "sending" } else { "hearing" };
                format!("key {key} for {use_for}, {suite}")
            }
            Event::Retry { from, to, why, hint, .. } => words::retry((from, to), why, hint.as_deref()),
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
            Event::BranchFailed { why, .. } => format!("one phone cannot be talked to: {why}"),
            Event::Verified { count, why, .. } if self.verbose => words::verified(*count, *why),
            Event::Clipped { ms, held, .. } if self.verbose || *ms > 0 => words::clipped(*ms, *held),
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
                words::ended(outcome, hint.as_deref(), counts.as_ref())
            }
            Event::Choice { .. }
            | Event::Refreshed { .. }
            | Event::Key { .. }
            | Event::Verified { .. }
            | Event::Clipped { .. }
            | Event::Heard { .. }
            | Event::PlayedOut { .. } => return None,
        })
    }
}

/// What peers write ends up on terminals: no control character may get there.
pub(crate) fn plain(text: &str) -> String {
    // The marks that turn the direction of writing are no control characters by name, but hide text as well.
    let hides = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if hides(c) { '\u{fffd}' } else { c }).collect()
}
