//! The options about how calls are made and kept, the same for who calls and who is called.

use crate::at::At;
use crate::fault::{Fault, usage};
use clap::{Args, ValueEnum};
use keyphone_config::parse_duration;
use keyphone_ua::settings::{Preconditions, Reliable, Rules};
use std::str::FromStr;
use std::time::Duration;

/// How calls are made and kept, and what is done in them.
#[derive(Args, Debug)]
pub(crate) struct Session {
    /// Do this in every call, so long after its answer: 3s:hold, 5s:resume, 6s:dtmf=12#, 4s:rekey,
    /// 8s:transfer=sip:carol@host, 9s:hangup. May be given many times
    #[arg(long, value_name = "TIME:WHAT", help_heading = SESSION)]
    pub(crate) at: Vec<At>,
    /// Take commands, one JSON object per line, from stdin, and say what happens as with --json; the end of stdin hangs
    /// up all calls. --help lists the commands
    #[arg(long, help_heading = SESSION)]
    pub(crate) control: bool,
    /// Provisional responses that are acknowledged (RFC 3262)
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Prack::Supported, help_heading = SESSION)]
    prack: Prack,
    /// No phone rings before the call is keyed (RFC 3312, RFC 5027)
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Secured::Supported, help_heading = SESSION)]
    preconditions: Secured,
    /// Ask for sessions that are refreshed at least so often (RFC 4028): 90s or more, or "none"; less, from 2s on, is
    /// for tests
    #[arg(long, value_name = "DURATION|none", help_heading = SESSION)]
    session_expires: Option<Interval>,
    /// Let nobody ask for sessions that are refreshed more often than this (RFC 4028): 90s or more; less, from 2s on, is
    /// for tests
    #[arg(long, value_name = "DURATION", value_parser = interval, help_heading = SESSION)]
    min_se: Option<Duration>,
    /// Refuse to call somebody else when the peer of a call asks for that (RFC 3515)
    #[arg(long, help_heading = SESSION)]
    no_transfer: bool,
}

const SESSION: &str = "Calls";

impl Session {
    /// As the phone wants to have them.
    pub(crate) fn rules(&self) -> Result<Rules, Fault> {
        let mut rules = Rules {
            reliable: match self.prack {
                Prack::Never => Reliable::Never,
                Prack::Supported => Reliable::Supported,
                Prack::Required => Reliable::Required,
            },
            preconditions: match self.preconditions {
                Secured::Never => Preconditions::Never,
                Secured::Supported => Preconditions::Supported,
                Secured::Required => Preconditions::Required,
            },
            transfers: !self.no_transfer,
            ..Rules::default()
        };
        if rules.preconditions == Preconditions::Required && rules.reliable == Reliable::Never {
            return Err(usage("--preconditions required needs responses that are acknowledged: not --prack never"));
        }
        rules.min_se = self.min_se.unwrap_or(rules.min_se);
        match self.session_expires {
            Some(Interval(interval)) => rules.session_expires = interval,
            // RFC 4028 section 4: never below Min-SE.
            None => rules.session_expires = rules.session_expires.map(|expires| expires.max(rules.min_se)),
        }
        if rules.session_expires.is_some_and(|expires| expires < rules.min_se) {
            return Err(usage("--session-expires is shorter than --min-se, which nobody may ask for"));
        }
        if rules.min_se < LEAST {
            tracing::warn!("--min-se is less than 90s, which RFC 4028 section 4 forbids: others may refuse it");
        }
        Ok(rules)
    }

    /// When the last step of `--at` is done, and whether one of them hangs up.
    pub(crate) fn script_ends(&self) -> Option<(Duration, bool)> {
        let hangs_up = self.at.iter().any(|at| at.act == crate::act::Act::HangUp);
        self.at.iter().map(|at| at.after).max().map(|last| (last, hangs_up))
    }
}

/// `--prack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Prack {
    /// Say nothing of it: provisional responses may be lost
    Never,
    /// If the peer asks for it, or an offer or answer depends on it
    Supported,
    /// The peer must
    Required,
}

/// `--preconditions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Secured {
    /// Say nothing of it: who requires it is refused
    Never,
    /// If the caller requires it
    Supported,
    /// On every call; a peer that cannot do it is not talked to
    Required,
}

/// `--session-expires`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval(Option<Duration>);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            _ => interval(text).map(|interval| Self(Some(interval))),
        }
    }
}

/// RFC 4028 section 4: 90 seconds is the least that anybody may ask for. Whoever tests refreshes may not want to wait
/// so long, and is told that others will refuse.
const LEAST: Duration = Duration::from_secs(90);

/// A refresh comes after half of it; less than this would be a flood.
const LEAST_FOR_TESTS: Duration = Duration::from_secs(2);

fn interval(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    match duration >= LEAST_FOR_TESTS {
        true => Ok(duration),
        false => Err(format!("{text:?} is less than 2s: sessions last 90s or more (RFC 4028 section 4), in tests 2s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        session: Session,
    }

    fn session(flags: &[&str]) -> Result<Session, clap::Error> {
        Flags::try_parse_from([&["keyphone"], flags].concat()).map(|flags| flags.session)
    }

    #[test]
    fn without_flags_the_rules_are_the_phones_own() {
        assert_eq!(session(&[]).unwrap().rules().unwrap(), Rules::default());
    }

    #[test]
    fn each_flag_changes_its_rule() {
        let rules = |flags: &[&str]| session(flags).unwrap().rules();
        assert_eq!(rules(&["--prack", "required"]).unwrap().reliable, Reliable::Required);
        assert_eq!(rules(&["--prack", "never"]).unwrap().reliable, Reliable::Never);
        let required = Preconditions::Required;
        assert_eq!(rules(&["--preconditions", "required"]).unwrap().preconditions, required);
        assert_eq!(rules(&["--preconditions", "required", "--prack", "never"]).unwrap_err().code(), 2);
        assert_eq!(rules(&["--session-expires", "none"]).unwrap().session_expires, None);
        assert_eq!(rules(&["--session-expires", "90s"]).unwrap().session_expires, Some(Duration::from_secs(90)));
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(rules(&["--min-se", "60m"]).unwrap().session_expires, hour, "a session is never asked for in vain");
        assert!(!rules(&["--no-transfer"]).unwrap().transfers);
        assert_eq!(rules(&["--min-se", "10m", "--session-expires", "5m"]).unwrap_err().code(), 2);
    }

    #[test]
    fn what_no_session_may_be_is_not_taken() {
        for flags in [
            ["--session-expires", "1s"],
            ["--session-expires", "1800"],
            ["--min-se", "1s"],
            ["--prack", "always"],
            ["--at", "hold"],
            ["--at", "3s:sing"],
        ] {
            assert!(session(&flags).is_err(), "{flags:?}");
        }
        let error = session(&["--at", "3s:sing"]).unwrap_err().to_string();
        assert!(error.contains("hold, resume, rekey, dtmf=12#, transfer=sip:carol@host or hangup"), "{error}");
    }
}
