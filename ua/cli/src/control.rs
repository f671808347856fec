//! `--control`: a script drives the phone by lines on stdin.

pub(crate) mod lines;
pub(crate) mod order;

use crate::act::callable;
use crate::calls::{Calls, Seen};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Direction};
use keyphone_ua::sip::StatusCode;
use order::{Order, all_callable};

/// What follows from a command.
#[derive(Debug)]
pub(crate) enum Deed {
    /// The phone is told.
    Tell(Command),
    /// A call is to be placed, and that takes the place where addresses are found.
    Place(Order),
    /// All is hung up, and the phone leaves.
    Quit,
}

/// What a command makes the phone do, with the calls as they are.
///
/// # Errors
/// One sentence: there is no such call, or it is not so far.
pub(crate) fn deed(order: Order, calls: &Calls) -> Result<Deed, String> {
    if let Some((call, act)) = order.act() {
        let act = act?;
        return Ok(Deed::Tell(act.command(answered(calls, call)?)));
    }
    Ok(Deed::Tell(match order {
        Order::Call { .. } => return Ok(Deed::Place(order)),
        Order::Quit {} => return Ok(Deed::Quit),
        Order::Answer { call } => Command::Answer(ringing(calls, call)?),
        Order::Refuse { call, status } => {
            let status = status.unwrap_or(StatusCode::DECLINE.code());
            let code = Some(status).filter(|status| (400..700).contains(status)).and_then(StatusCode::new);
            Command::Refuse(ringing(calls, call)?, code.ok_or(format!("{status} is not a SIP status from 400 to 699"))?)
        }
        Order::Redirect { call, to } => Command::Redirect(ringing(calls, call)?, all_callable(&to)?),
        Order::Hangup { call: None, all: Some(true) } => Command::HangUpAll,
        Order::Hangup { call: Some(_), all: Some(true) } => return Err("either \"call\" or \"all\"".into()),
        Order::Hangup { call, .. } => Command::HangUp(one(calls, call, "", |_| true)?),
        Order::TransferInto { call, other } => {
            let other = answered(calls, Some(other))?;
            let call = match call {
                Some(_) => answered(calls, call)?,
                None => one(calls, None, ANSWERED, |(call, seen)| seen.is_answered() && call != other)?,
            };
            match call == other {
                true => return Err(format!("call {call} cannot be transferred into itself")),
                false => Command::TransferInto { call, other },
            }
        }
        Order::Info { call, r#type, body } => {
            let is_type = r#type.split_once('/').is_some_and(|(t, s)| !t.is_empty() && !s.is_empty());
            if !is_type || !r#type.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
                return Err(format!("{:?} is not a type such as text/plain", r#type));
            }
            Command::Info { call: answered(calls, call)?, content_type: r#type, body: body.into_bytes() }
        }
        Order::Message { to, text } => Command::Message { to: Box::new(callable(&to)?), text },
        Order::Options { to } => Command::Options { to: Box::new(callable(&to)?) },
        Order::Register { account } => Command::Register(account.unwrap_or(0)),
        Order::Unregister { account } => Command::Unregister(account.unwrap_or(0)),
        Order::Hold { .. }
        | Order::Resume { .. }
        | Order::Rekey { .. }
        | Order::Dtmf { .. }
        | Order::Transfer { .. } => {
            return Err("this is done in a call".into());
        }
    }))
}

const ANSWERED: &str = " that is answered";

fn answered(calls: &Calls, call: Option<u64>) -> Result<CallId, String> {
    one(calls, call, ANSWERED, |(_, seen)| seen.is_answered())
}

fn ringing(calls: &Calls, call: Option<u64>) -> Result<CallId, String> {
    one(calls, call, " that came in and is not answered", |(_, seen)| {
        seen.direction == Direction::Incoming && !seen.is_answered()
    })
}

/// The call of that number; without one, the only call that fits.
fn one(
    calls: &Calls,
    call: Option<u64>,
    which: &str,
    fits: impl Fn((CallId, &Seen)) -> bool,
) -> Result<CallId, String> {
    if let Some(number) = call {
        let call = CallId(number);
        return match calls.get(call) {
            None => Err(format!("there is no call {number}")),
            Some(seen) if !fits((call, seen)) => Err(format!("call {number} is none{which}")),
            Some(_) => Ok(call),
        };
    }
    let mut fitting = calls.iter().filter(|(call, seen)| fits((*call, seen))).map(|(call, _)| call);
    match (fitting.next(), fitting.next()) {
        (Some(call), None) => Ok(call),
        (None, _) => Err(format!("there is no call{which}")),
        (Some(_), Some(_)) => Err(format!("there are several calls{which}: say which, as \"call\":1")),
    }
}

#[cfg(test)]
mod tests {
    use super::order::Ordered;
    use super::*;
    use keyphone_media::env::Instant;
    use keyphone_ua::event::Event;

    /// Call 1 was answered; call 2 rings here; call 3 is one of ours that nobody has answered.
    fn calls() -> Calls {
        let mut calls = Calls::default();
        for (number, direction) in [(1, Direction::Incoming), (2, Direction::Incoming), (3, Direction::Outgoing)] {
            let (call, text) = (CallId(number), String::new);
            let event = Event::Started { call, direction, peer: text(), call_id: text(), keying: text() };
            calls.take(Instant::ZERO, &event);
        }
        let (branch, codec, keying) = (String::new(), String::new(), String::new());
        calls.take(Instant::ZERO, &Event::Answered { call: CallId(1), branch, codec, keying });
        calls
    }

    fn of(line: &str) -> Result<Command, String> {
        match deed(Ordered::read(line).order.unwrap(), &calls())? {
            Deed::Tell(command) => Ok(command),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_without_a_number_is_for_the_only_call_that_it_fits() {
        assert!(matches!(of(r#"{"do":"hold"}"#), Ok(Command::Hold(CallId(1)))));
        assert!(matches!(of(r#"{"do":"answer"}"#), Ok(Command::Answer(CallId(2)))));
        assert!(matches!(of(r#"{"do":"refuse"}"#), Ok(Command::Refuse(CallId(2), StatusCode::DECLINE))));
        assert!(matches!(of(r#"{"do":"hangup","call":3}"#), Ok(Command::HangUp(CallId(3)))));
        assert!(matches!(of(r#"{"do":"hangup","all":true}"#), Ok(Command::HangUpAll)));
        assert!(
            matches!(of(r#"{"do":"redirect","to":["sip:c@h"]}"#), Ok(Command::Redirect(CallId(2), to)) if to.len() == 1)
        );
    }

    #[test]
    fn a_command_that_fits_no_call_or_several_says_so() {
        for (line, why) in [
            (r#"{"do":"hold","call":2}"#, "call 2 is none that is answered"),
            (r#"{"do":"hold","call":9}"#, "there is no call 9"),
            (r#"{"do":"answer","call":3}"#, "call 3 is none that came in and is not answered"),
            (r#"{"do":"hangup"}"#, "there are several calls: say which, as \"call\":1"),
            (r#"{"do":"refuse","status":200}"#, "200 is not a SIP status from 400 to 699"),
            (r#"{"do":"redirect","to":[]}"#, "there is nobody in \"to\""),
            (r#"{"do":"redirect","to":["tel:1"]}"#, "\"tel:1\" is not a SIP URI such as sip:carol@host"),
            (r#"{"do":"transfer-into","other":1}"#, "there is no call that is answered"),
            (r#"{"do":"transfer-into","call":1,"other":1}"#, "call 1 cannot be transferred into itself"),
            (r#"{"do":"dtmf","keys":"x"}"#, "\"x\" is not 1 to 64 of the keys 0 to 9, *, #, A to D"),
            (r#"{"do":"info","type":"text","body":""}"#, "\"text\" is not a type such as text/plain"),
        ] {
            assert_eq!(of(line).unwrap_err(), why, "{line}");
        }
    }
}
