//! The commands of `--control`: one JSON object per line.

use crate::act::{Act, callable};
use crate::options::Sound;
use keyphone_config::parse_duration;
use keyphone_ua::sip::Uri;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// What the commands are, for `--help`. Each field is one of the type below of that name.
pub(crate) const HELP: &str = "\
COMMANDS of --control, one JSON object per line on stdin; events come as with --json on stdout:
  {\"do\":\"call\",\"to\":\"sip:bob@host\"}         place a call; \"play\", \"record\", \"for\" as with options
  {\"do\":\"answer\"}                           answer the call that rings
  {\"do\":\"refuse\",\"status\":486}              refuse it; 603 if no status is given
  {\"do\":\"redirect\",\"to\":[\"sip:carol@host\"]} send its caller elsewhere
  {\"do\":\"hangup\"}                           hang up; {\"do\":\"hangup\",\"all\":true} hangs up all calls
  {\"do\":\"hold\"} {\"do\":\"resume\"} {\"do\":\"rekey\"}
  {\"do\":\"dtmf\",\"keys\":\"12#\"}               press keys
  {\"do\":\"transfer\",\"to\":\"sip:carol@host\"}   ask the peer to call somebody else
  {\"do\":\"transfer-into\",\"other\":2}          ask the peer to take our place in call 2
  {\"do\":\"info\",\"type\":\"text/plain\",\"body\":\"..\"}
  {\"do\":\"message\",\"to\":\"sip:bob@host\",\"text\":\"..\"}
  {\"do\":\"options\",\"to\":\"sip:bob@host\"}      ask what somebody can do
  {\"do\":\"register\",\"account\":0} {\"do\":\"unregister\",\"account\":0}
  {\"do\":\"quit\"}                             hang up all calls and leave, as the end of stdin does
What concerns a call may name it, \"call\":1, and must where there are several. Any command may
carry an \"id\", a string or a number, which comes back in its answer: {\"event\":\"control.done\"} or
{\"event\":\"control.error\",\"why\":..}. Done means that the phone has taken the command; what comes of
it is told by events, or by call.trouble.";

/// A command, and the name under which its answer is wanted.
#[derive(Debug, PartialEq)]
pub(crate) struct Ordered {
    pub(crate) id: Option<Value>,
    pub(crate) order: Result<Order, String>,
}

/// What may be asked for.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Order {
    Call { to: String, play: Option<String>, record: Option<PathBuf>, r#for: Option<String> },
    Answer { call: Option<u64> },
    Refuse { call: Option<u64>, status: Option<u16> },
    Redirect { call: Option<u64>, to: Vec<String> },
    Hangup { call: Option<u64>, all: Option<bool> },
    Hold { call: Option<u64> },
    Resume { call: Option<u64> },
    Rekey { call: Option<u64> },
    Dtmf { call: Option<u64>, keys: String },
    Transfer { call: Option<u64>, to: String },
    TransferInto { call: Option<u64>, other: u64 },
    Info { call: Option<u64>, r#type: String, body: String },
    Message { to: String, text: String },
    Options { to: String },
    Register { account: Option<usize> },
    Unregister { account: Option<usize> },
    Quit {},
}

/// What a call that is to be placed does differently than the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) play: Option<Sound>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) length: Option<Duration>,
}

impl Ordered {
    /// Reads one line. A command that is wrong is an error under its own id, if that can be made out.
    pub(crate) fn read(line: &str) -> Self {
        let wrong = |why: String| Self { id: None, order: Err(why) };
        let mut fields = match serde_json::from_str::<Map<String, Value>>(line) {
            Ok(fields) => fields,
            Err(error) => return wrong(format!("the line is not a JSON object: {error}")),
        };
        let id = fields.remove("id").filter(|id| !id.is_null());
        if !id.as_ref().is_none_or(fits) {
            return wrong(format!("the id is neither a number nor a string of at most {MAX_ID} octets"));
        }
        let order = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string());
        Self { id, order }
    }
}

const MAX_ID: usize = 256;

fn fits(id: &Value) -> bool {
    match id {
        Value::String(text) => text.len() <= MAX_ID,
        _ => id.is_number(),
    }
}

impl Order {
    /// What is done in a call that is answered, and in which one.
    pub(crate) fn act(&self) -> Option<(Option<u64>, Result<Act, String>)> {
        Some(match self {
            Self::Hold { call } => (*call, Ok(Act::Hold)),
            Self::Resume { call } => (*call, Ok(Act::Resume)),
            Self::Rekey { call } => (*call, Ok(Act::Rekey)),
            Self::Dtmf { call, keys } => (*call, Act::dtmf(keys)),
            Self::Transfer { call, to } => (*call, Act::transfer(to)),
            _ => return None,
        })
    }
}

impl Wishes {
    pub(crate) fn read(play: Option<String>, record: Option<PathBuf>, length: Option<String>) -> Result<Self, String> {
        Ok(Self {
            play: play.map(|play| play.parse()).transpose()?,
            record,
            length: length.map(|length| parse_duration(&length)).transpose()?,
        })
    }
}

/// All of them, or which one cannot be called.
pub(crate) fn all_callable(to: &[String]) -> Result<Vec<Uri>, String> {
    match to.is_empty() {
        true => Err("there is nobody in \"to\"".into()),
        false => to.iter().map(|uri| callable(uri)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &str) -> Result<Order, String> {
        Ordered::read(line).order
    }

    #[test]
    fn every_command_of_the_help_is_one() {
        let mut kinds = vec![];
        for line in HELP.lines().filter(|line| line.starts_with("  {")) {
            for part in line.split_inclusive('}').map(str::trim).filter(|part| part.starts_with('{')) {
                let order = order(part).unwrap_or_else(|why| panic!("{part}: {why}"));
                kinds.push(format!("{order:?}").split(' ').next().unwrap().to_owned());
            }
        }
        kinds.dedup();
        assert_eq!(kinds.len(), 17, "{kinds:?}");
    }

    #[test]
    fn the_id_of_a_wrong_command_is_kept() {
        let read = Ordered::read(r#"{"id":7,"do":"sing"}"#);
        assert_eq!(read.id, Some(7.into()));
        let why = read.order.unwrap_err();
        assert!(why.starts_with("unknown variant `sing`, expected one of `call`, `answer`, `refuse`"), "{why}");
        assert_eq!(
            Ordered::read(r#"{"id":"a","do":"quit"}"#),
            Ordered { id: Some("a".into()), order: Ok(Order::Quit {}) }
        );
    }

    #[test]
    fn a_bad_line_says_what_is_wrong_with_it() {
        for (line, why) in [
            ("hold", "the line is not a JSON object: expected value at line 1 column 1"),
            ("[]", "the line is not a JSON object: invalid type: sequence, expected a map at line 1 column 0"),
            ("{}", "missing field `do`"),
            (r#"{"do":"call"}"#, "missing field `to`"),
            (r#"{"do":"call","to":7}"#, "invalid type: integer `7`, expected a string"),
            (r#"{"do":"quit","now":true}"#, "unknown field `now`, there are no fields"),
            (r#"{"do":"hold","cal":1}"#, "unknown field `cal`, expected `call`"),
            (r#"{"do":"hold","call":-1}"#, "invalid value: integer `-1`, expected u64"),
            (r#"{"do":"quit","id":[]}"#, "the id is neither a number nor a string of at most 256 octets"),
        ] {
            assert_eq!(order(line).unwrap_err(), why, "{line}");
        }
    }
}
