//! What a command says: lines for people, or one JSON object per line; and the status line of a terminal.

use crate::human::{Narrator, plain};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keyphone_media::env::Instant;
use keyphone_ua::event::Event;
use keyphone_ua::net::Clock;
use serde::Serialize;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

/// Writes to stdout. A reader that has gone away is no error: the exit code still says how it went.
pub(crate) struct Printer {
    clock: Clock,
    style: Style,
    status: ProgressBar,
}

enum Style {
    Human(RefCell<Narrator>),
    Json,
}

/// One line of `--json`; `at` is in seconds since the command started.
#[derive(Serialize)]
struct Line<'a, T> {
    at: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(flatten)]
    fields: T,
}

impl Printer {
    /// For people.
    pub(crate) fn human(narrator: Narrator) -> Self {
        // Nothing is drawn unless stderr is a terminal; the log would tear the status line apart.
        let target =
            if narrator.verbose { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let status = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            status.set_style(style);
        }
        Self { clock: Clock::default(), style: Style::Human(RefCell::new(narrator)), status }
    }

    /// For machines.
    pub(crate) fn json() -> Self {
        Self { clock: Clock::default(), style: Style::Json, status: ProgressBar::hidden() }
    }

    /// Either of the two.
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::json() } else { Self::human(Narrator::default()) }
    }

    /// The clock whose zero is the start of the command.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Something happened in a call.
    pub(crate) fn event(&self, at: Instant, event: &Event) {
        match &self.style {
            Style::Json => self.object(&Line { at: seconds(at), event: None, fields: event }),
            Style::Human(narrator) => {
                for line in narrator.borrow_mut().lines(event) {
                    // Cut, not rounded, as the ladder does it.
                    let ms = at.as_micros() / 1_000;
                    self.write(&format!("{}.{:03}  {}", ms / 1_000, ms % 1_000, plain(&line)));
                }
            }
        }
    }

    /// Something that is no event of a call: an object with this `event` and these fields, or a text for people. The
    /// text may have many lines; what a peer wrote in it must be plain already.
    pub(crate) fn say(&self, event: &str, fields: impl Serialize, text: impl Display) {
        match &self.style {
            Style::Json => {
                let at = seconds(self.clock.now().mono);
                self.object(&Line { at, event: Some(event), fields });
            }
            Style::Human(_) => self.write(&text.to_string()),
        }
    }

    /// The same, but for machines alone.
    pub(crate) fn note(&self, event: &str, fields: impl Serialize) {
        if matches!(self.style, Style::Json) {
            self.say(event, fields, "");
        }
    }

    /// Shows this as the status line, or none. What a peer wrote in it need not be plain.
    pub(crate) fn status(&self, line: Option<&str>) {
        match line {
            None => self.status.finish_and_clear(),
            Some(line) => {
                if self.status.is_finished() || self.status.message().is_empty() {
                    self.status.reset();
                    self.status.enable_steady_tick(Duration::from_millis(200));
                }
                self.status.set_message(plain(line));
            }
        }
    }

    /// Tells whoever presses keys something: on stderr, since it is no event.
    pub(crate) fn hint(&self, text: &str) {
        if matches!(self.style, Style::Human(_)) {
            self.status.suspend(|| eprintln!("{}", plain(text)));
        }
    }

    /// Does it write for machines?
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.style, Style::Json)
    }

    /// Is there a status line to show anything in?
    pub(crate) fn has_status(&self) -> bool {
        !self.status.is_hidden()
    }

    /// Takes the status line away.
    pub(crate) fn quiet(&self) {
        self.status(None);
    }

    fn object(&self, line: &impl Serialize) {
        match serde_json::to_string(line) {
            Ok(json) => self.write(&json),
            Err(error) => tracing::error!(%error, "an event could not be written as JSON"),
        }
    }

    fn write(&self, text: &str) {
        let write = || {
            let mut out = std::io::stdout().lock();
            if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
                tracing::debug!("nobody reads what we say");
            }
        };
        match self.has_status() {
            true => self.status.suspend(write),
            false => write(),
        }
    }
}

fn seconds(at: Instant) -> f64 {
    at.as_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_ua::event::{CallId, Outcome, Side};

    #[test]
    fn an_event_is_one_flat_object_with_its_time() {
        let event = Event::Ended { call: CallId(3), outcome: Outcome::Completed { by: Side::Us } };
        let line = Line { at: seconds(Instant::from_micros(1_234_567)), event: None, fields: &event };
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"at":1.234567,"event":"call.ended","call":3,"outcome":"completed","by":"us"}"#
        );
        let line = Line { at: 0.5, event: Some("listening"), fields: serde_json::json!({ "address": "127.0.0.1:1" }) };
        let json = serde_json::to_string(&line).unwrap();
        assert_eq!(json, r#"{"at":0.5,"event":"listening","address":"127.0.0.1:1"}"#);
    }
}
