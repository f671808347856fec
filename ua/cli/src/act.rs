//! What a user does in a call that runs: by a key, by `--at`, or by a command of `--control`.

use keyphone_ua::endpoint::Command;
use keyphone_ua::event::CallId;
use keyphone_ua::sip::Uri;
use std::str::FromStr;

/// One deed in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Hold,
    Resume,
    Rekey,
    /// Keys that are pressed, one after another.
    Dtmf(String),
    /// The peer is asked to call somebody else.
    Transfer(Box<Uri>),
    HangUp,
}

/// How each is written, for whoever wrote something else.
const WRITTEN: &str = "hold, resume, rekey, dtmf=12#, transfer=sip:carol@host or hangup";

/// More keys are not pressed at once.
const MAX_KEYS: usize = 64;

impl Act {
    /// As the phone wants to hear it.
    pub(crate) fn command(self, call: CallId) -> Command {
        match self {
            Self::Hold => Command::Hold(call),
            Self::Resume => Command::Resume(call),
            Self::Rekey => Command::Rekey(call),
            Self::Dtmf(keys) => Command::Dtmf { call, keys },
            Self::Transfer(to) => Command::Transfer { call, to },
            Self::HangUp => Command::HangUp(call),
        }
    }

    /// Keys to press (RFC 4733 section 3.2: events 0 to 15).
    pub(crate) fn dtmf(keys: &str) -> Result<Self, String> {
        let upper = keys.to_ascii_uppercase();
        let fits = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D');
        match (1..=MAX_KEYS).contains(&keys.len()) && upper.chars().all(fits) {
            true => Ok(Self::Dtmf(upper)),
            false => Err(format!("{keys:?} is not 1 to {MAX_KEYS} of the keys 0 to 9, *, #, A to D")),
        }
    }

    /// Whom the peer is to call: only SIP can be asked for that here.
    pub(crate) fn transfer(to: &str) -> Result<Self, String> {
        callable(to).map(|to| Self::Transfer(Box::new(to)))
    }
}

/// A SIP URI that can be called.
pub(crate) fn callable(text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().ok().filter(|uri| uri.sip().is_some());
    uri.ok_or_else(|| format!("{text:?} is not a SIP URI such as sip:carol@host"))
}

impl FromStr for Act {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "hold" => Ok(Self::Hold),
            None if text == "resume" => Ok(Self::Resume),
            None if text == "rekey" => Ok(Self::Rekey),
            None if text == "hangup" => Ok(Self::HangUp),
            Some(("dtmf", keys)) => Self::dtmf(keys),
            Some(("transfer", to)) => Self::transfer(to),
            _ => Err(format!("{text:?} is nothing that can be done in a call, which is {WRITTEN}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_be_written_is_understood() {
        for (text, act) in [
            ("hold", Act::Hold),
            ("resume", Act::Resume),
            ("rekey", Act::Rekey),
            ("hangup", Act::HangUp),
            ("dtmf=12#d", Act::Dtmf("12#D".into())),
            ("transfer=sip:carol@host", Act::Transfer(Box::new("sip:carol@host".parse().unwrap()))),
        ] {
            assert_eq!(text.parse(), Ok(act));
        }
    }

    #[test]
    fn what_is_not_understood_is_answered_with_what_is() {
        for text in ["", "Hold", "hold=now", "dtmf", "transfer", "mute"] {
            assert!(text.parse::<Act>().unwrap_err().ends_with(WRITTEN), "{text}");
        }
        assert_eq!("transfer=bob".parse::<Act>().unwrap_err(), "\"bob\" is not a SIP URI such as sip:carol@host");
        for keys in ["", "x", "1,2", &"1".repeat(MAX_KEYS + 1)] {
            assert!(Act::dtmf(keys).unwrap_err().ends_with("keys 0 to 9, *, #, A to D"), "{keys}");
        }
    }
}
