//! Where a command's user sits while the phone runs: keys, `--at`, `--control`, signals and the status line.

use crate::act::Act;
use crate::at::{At, Script};
use crate::call::Dialer;
use crate::calls::Calls;
use crate::control::lines::Lines;
use crate::control::order::{Order, Ordered, Wishes};
use crate::control::{Deed, deed};
use crate::keys::{HELP, Keys, Stroke};
use crate::output::Printer;
use crate::signals::{Said, Signals};
use crate::terminal::Terminal;
use keyphone_media::env::Now;
use keyphone_ua::endpoint::{Command, Endpoint};
use keyphone_ua::event::{CallId, Direction, Event};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, Stdin, stdin};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

/// How often the status line is drawn anew.
pub(crate) const REFRESH: Duration = Duration::from_millis(500);
/// So many lines of a script are read before the phone does something with them.
const AT_ONCE: usize = 32;

/// What the user may do beside what the command line says.
pub(crate) struct Manual {
    /// `--at`.
    pub(crate) script: Vec<At>,
    /// `--control`, with what places calls.
    pub(crate) control: Option<Dialer>,
}

/// What those share who drive the phone and those who watch it.
pub(crate) struct Desk {
    printer: Rc<Printer>,
    commands: UnboundedSender<Command>,
    state: RefCell<State>,
    /// The script has something to do sooner than it had.
    changed: Notify,
}

struct State {
    calls: Calls,
    script: Script,
    /// Calls that were asked for and have no number yet: the id of the command, and whom they are to.
    placed: Vec<(Option<Value>, String)>,
    /// A line that is being typed stands where the status was.
    prompt: Option<String>,
}

impl Desk {
    pub(crate) fn new(printer: Rc<Printer>, commands: UnboundedSender<Command>, script: Vec<At>) -> Self {
        let state = State { calls: Calls::default(), script: Script::new(script), placed: vec![], prompt: None };
        Self { printer, commands, state: RefCell::new(state), changed: Notify::new() }
    }

    /// Something happened, and was told already.
    pub(crate) fn take(&self, now: Now, event: &Event) {
        let mut state = self.state.borrow_mut();
        state.calls.take(now.mono, event);
        match event {
            Event::Started { call, direction: Direction::Outgoing, peer, .. } => {
                if let Some(at) = state.placed.iter().position(|(_, to)| to == peer) {
                    let (id, _) = state.placed.remove(at);
                    self.done(id.as_ref(), Some(*call));
                }
            }
            Event::Answered { call, .. } => {
                state.script.answered(*call, now.mono);
                self.changed.notify_one();
            }
            Event::Ended { call, .. } => state.script.ended(*call),
            _ => {}
        }
        self.show(&state, now);
    }

    /// Draws the status line with the counts of now.
    pub(crate) fn watch(&self, now: Now, endpoint: &Endpoint) {
        let mut state = self.state.borrow_mut();
        let current = state.calls.current().map(|(call, _)| call);
        if let Some((call, counts)) = current.and_then(|call| Some((call, endpoint.counts(call)?))) {
            state.calls.count(call, counts);
        }
        self.show(&state, now);
    }

    pub(crate) fn tell(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::debug!("the phone has stopped already");
        }
    }

    fn show(&self, state: &State, now: Now) {
        if !self.printer.has_status() {
            return;
        }
        match &state.prompt {
            Some(prompt) => self.printer.status(Some(&format!("transfer to (Enter, or Esc to give up): {prompt}"))),
            None => self.printer.status(state.calls.status(now.mono).as_deref()),
        }
    }

    /// What `--at` wants by now.
    fn play_script(&self) {
        let acts = self.state.borrow_mut().script.take(self.printer.clock().now().mono);
        for (call, act) in acts {
            self.tell(act.command(call));
        }
    }

    /// Comes back when the script has something to do.
    async fn script_is_due(&self) {
        loop {
            let now = self.printer.clock().now().mono;
            let next = self.state.borrow().script.next();
            match next {
                Some(at) if at <= now => return,
                Some(at) => {
                    // What comes first: its time, or something that is sooner.
                    let _ = tokio::time::timeout(at.since(now), self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// `true` if the user wants to leave.
    fn press(&self, stroke: Stroke) -> bool {
        let mut state = self.state.borrow_mut();
        if let Stroke::Typing(line) = stroke {
            if !self.printer.has_status() && line.is_empty() {
                self.printer.hint("transfer to whom? A SIP URI and Enter, or Esc to give up");
            }
            state.prompt = Some(line);
        } else {
            state.prompt = None;
            let current = state.calls.current().map(|(call, seen)| (call, seen.is_answered(), seen.is_held_by_us()));
            let act = match stroke {
                Stroke::Quit => return true,
                Stroke::Help | Stroke::Unknown => Err(HELP.to_owned()),
                Stroke::Next => match state.calls.next() {
                    Some((call, seen)) => Err(format!("keys are for call {call} with {} now", seen.peer)),
                    None => Err("there is no call".into()),
                },
                Stroke::Hold if current.is_some_and(|(.., held)| held) => Ok(Act::Resume),
                Stroke::Hold => Ok(Act::Hold),
                Stroke::Rekey => Ok(Act::Rekey),
                Stroke::Dtmf(key) => Ok(Act::Dtmf(key.into())),
                Stroke::Transfer(to) => Act::transfer(&to),
                Stroke::Typing(_) | Stroke::Dropped => Err(String::new()),
            };
            match (act, current) {
                (Ok(act), Some((call, true, _))) => {
                    // What no event tells soon.
                    match &act {
                        Act::Dtmf(key) => self.printer.hint(&format!("pressed {key}")),
                        Act::Rekey => self.printer.hint("new keys are asked for"),
                        _ => {}
                    }
                    self.tell(act.command(call));
                }
                (Ok(_), Some(_)) => self.printer.hint("the call is not answered yet; q hangs up"),
                (Ok(_), None) => self.printer.hint("there is no call; q leaves"),
                (Err(hint), _) if !hint.is_empty() => self.printer.hint(&hint),
                (Err(_), _) => {}
            }
        }
        self.show(&state, self.printer.clock().now());
        false
    }

    /// Does what a line of a script says. `true` if that is to leave.
    async fn order(&self, line: Result<String, String>, dialer: &Dialer) -> bool {
        let Ordered { id, order } = match &line {
            Ok(line) => Ordered::read(line),
            Err(why) => Ordered { id: None, order: Err(why.clone()) },
        };
        let deed = order.and_then(|order| deed(order, &self.state.borrow().calls));
        match deed {
            Ok(Deed::Tell(command)) => {
                self.tell(command);
                self.done(id.as_ref(), None);
            }
            Ok(Deed::Quit) => {
                self.done(id.as_ref(), None);
                return true;
            }
            Ok(Deed::Place(order)) => match place(order, dialer).await {
                Ok((command, peer)) => {
                    self.state.borrow_mut().placed.push((id, peer));
                    self.tell(command);
                }
                Err(why) => self.error(id.as_ref(), &why),
            },
            Err(why) => self.error(id.as_ref(), &why),
        }
        false
    }

    fn done(&self, id: Option<&Value>, call: Option<CallId>) {
        self.printer.say("control.done", answer(id, "call", call.map(|call| json!(call))), "");
    }

    fn error(&self, id: Option<&Value>, why: &str) {
        self.printer.say("control.error", answer(id, "why", Some(json!(why))), "");
    }
}

fn answer(id: Option<&Value>, name: &str, value: Option<Value>) -> Value {
    let fields = [("id", id.cloned()), (name, value)];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The command that places a call, and how its event will name the peer.
async fn place(order: Order, dialer: &Dialer) -> Result<(Command, String), String> {
    let Order::Call { to, play, record, r#for } = order else { return Err("this places no call".into()) };
    let uri = crate::act::callable(&to)?;
    let wishes = Wishes::read(play, record, r#for)?;
    let peer = uri.to_string();
    dialer.command(uri, &wishes).await.map(|command| (command, peer)).map_err(|fault| fault.to_string())
}

/// What the user's hands are at.
pub(crate) struct Hands {
    signals: Signals,
    input: Input,
    /// Changed as long as keys are read, and restored with us.
    terminal: Option<Terminal>,
}

enum Input {
    /// Nothing is read.
    Nothing,
    /// A terminal gives keys.
    Keys(Stdin, Keys),
    /// A script gives lines.
    Control(Box<Reader>),
}

/// Reads the lines of a script.
struct Reader {
    stdin: Stdin,
    lines: Lines,
    /// Read, and not obeyed yet.
    waiting: std::vec::IntoIter<Result<String, String>>,
    dialer: Dialer,
}

impl Hands {
    /// Keys are read only where a person sits and reads lines for people.
    pub(crate) fn new(signals: Signals, control: Option<Dialer>, json: bool) -> Self {
        let (input, terminal) = match control {
            Some(dialer) => {
                let (lines, waiting) = (Lines::default(), vec![].into_iter());
                (Input::Control(Box::new(Reader { stdin: stdin(), lines, waiting, dialer })), None)
            }
            None if json => (Input::Nothing, None),
            None => match Terminal::open() {
                Some(terminal) => (Input::Keys(stdin(), Keys::default()), Some(terminal)),
                None => (Input::Nothing, None),
            },
        };
        Self { signals, input, terminal }
    }

    pub(crate) fn has_keys(&self) -> bool {
        matches!(self.input, Input::Keys(..))
    }

    /// Serves the desk until the user wants to leave.
    pub(crate) async fn attend(&mut self, desk: &Desk) -> Leave {
        let Self { signals, input, terminal } = self;
        let signals = async {
            loop {
                match signals.said().await {
                    Said::Leave => return Leave::HangUp,
                    Said::LeaveNow => return Leave::Now,
                    Said::Resumed => {
                        terminal.as_ref().map(Terminal::again);
                    }
                }
            }
        };
        let script = async {
            loop {
                desk.script_is_due().await;
                desk.play_script();
            }
        };
        let input = async { while !input.serve(desk).await {} };
        tokio::select! {
            leave = signals => leave,
            () = input => Leave::HangUp,
            () = script => Leave::HangUp,
        }
    }
}

/// How the user wants to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// With a goodbye.
    HangUp,
    /// Without.
    Now,
}

impl Input {
    /// Reads once. `true` if the user wants to leave.
    async fn serve(&mut self, desk: &Desk) -> bool {
        let mut octets = [0; 4096];
        let leave = match self {
            Self::Nothing => std::future::pending().await,
            Self::Keys(stdin, keys) => match stdin.read(&mut octets).await {
                Ok(count @ 1..) => {
                    let strokes = keys.take(&octets[..count]);
                    return strokes.into_iter().any(|stroke| desk.press(stroke));
                }
                // The terminal is gone, and nobody can press anything any more.
                Ok(0) | Err(_) => true,
            },
            Self::Control(reader) => {
                let Reader { stdin, lines, waiting, dialer } = &mut **reader;
                let mut leave = false;
                if waiting.len() == 0 {
                    match stdin.read(&mut octets).await {
                        Ok(count @ 1..) => *waiting = lines.take(&octets[..count]).into_iter(),
                        Ok(0) | Err(_) => {
                            leave = true;
                            *waiting = lines.end().into_iter().collect::<Vec<_>>().into_iter();
                        }
                    }
                }
                for line in waiting.take(AT_ONCE) {
                    if desk.order(line, dialer).await {
                        leave = true;
                        break;
                    }
                }
                // Before more is read, the phone has its turn.
                tokio::task::yield_now().await;
                leave
            }
        };
        if leave {
            *self = Self::Nothing;
        }
        leave
    }
}
