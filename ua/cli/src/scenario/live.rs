//! `keyphone scenario run --live`.

use super::source::Source;
use crate::fault::{Fault, usage};
use crate::human::plain;
use crate::output::Printer;
use crate::secret::Secret;
use crate::signals::Signals;
use clap::Args;
use keyphone_config::Password;
use keyphone_scenarios::live::{Chest, Live, LiveError, Outside, Progress, live};
use keyphone_scenarios::run::Run;
use keyphone_scenarios::script::{Name, Script};
use keyphone_ua::sip::{SipUri, Uri};
use serde_json::json;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Real sockets, and who is outside.
#[derive(Args, Debug)]
pub(super) struct LiveFlags {
    /// Over real sockets and in real time, instead of simulated
    #[arg(long, conflicts_with = "seed")]
    pub(super) live: bool,
    /// Somebody outside plays that role: a phone, by whom to call; or a proxy, with which phones register. May be given
    /// many times
    #[arg(long, value_name = "NAME=URI", requires = "live")]
    role: Vec<RoleFlag>,
    /// Where our phones and proxies listen [default: loopback, or the address that those outside can reach]
    #[arg(long, value_name = "IP", requires = "live")]
    listen: Option<IpAddr>,
    /// Pre-shared keys and certificates: those that are in this directory; those that are not are made and put there, for
    /// whoever is outside
    #[arg(long, value_name = "DIR", requires = "live")]
    keys: Option<PathBuf>,
    /// The password of all phones for registrars and proxies outside; @FILE reads it from a file
    #[arg(long, value_name = "PASSWORD", requires = "live")]
    password: Option<Secret>,
}

/// `bob=sip:bob@192.0.2.7`.
#[derive(Clone, Debug)]
struct RoleFlag(Name, SipUri);

impl FromStr for RoleFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, uri) = text.split_once('=').ok_or("as in bob=sip:bob@192.0.2.7")?;
        let parsed: Uri = uri.parse().map_err(|e| format!("{uri:?}: {e}"))?;
        let sip = parsed.sip().cloned().ok_or_else(|| format!("{uri:?} is no sip URI"))?;
        Ok(Self(name.parse()?, sip))
    }
}

/// As they stand on a command line; but for the password.
impl fmt::Display for LiveFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("--live")?;
        self.role.iter().try_for_each(|RoleFlag(name, uri)| write!(f, " --role {name}={uri}"))?;
        self.listen.iter().try_for_each(|ip| write!(f, " --listen {ip}"))?;
        self.keys.iter().try_for_each(|keys| write!(f, " --keys {}", keys.display()))
    }
}

impl LiveFlags {
    /// Plays a script once.
    pub(super) async fn play(&self, source: &Source, script: &Script, printer: &Printer) -> Result<Run, Fault> {
        let roles: Vec<_> = self.role.iter().map(|RoleFlag(name, uri)| (name.clone(), uri.clone())).collect();
        let outside = Outside::find(script, &roles, self.listen).await.map_err(fault)?;
        let chest = match &self.keys {
            Some(directory) => Chest::in_directory(directory, script).map_err(fault)?,
            None if outside.phones(script) => {
                return Err(usage(
                    "whoever is outside needs keys: say with --keys DIR where they are, or where to put them",
                ));
            }
            None => Chest::new(script),
        };
        let password = self.password.as_ref().map(|password| Password::from_flag(password)).transpose();
        let password = password.map_err(|why| usage(format!("--password: {why}")))?;
        let signals = || Signals::new().map_err(|e| Fault::Failed(format!("signals cannot be caught: {e}")));
        let (mut first, mut both) = (signals()?, signals()?);
        let twice = async {
            both.next().await;
            both.next().await;
        };
        let setup = Live { outside: &outside, chest: &chest, password: password.as_ref() };
        let mut tell =
            |progress: Progress<'_>| tell(printer, source, (script.length, outside.phones(script)), &progress);
        let ran = tokio::select! {
            ran = live(script, &setup, first.next(), &mut tell) => ran.map_err(fault),
            () = twice => Err(Fault::Failed("it was stopped before its end".into())),
        };
        printer.status(None);
        ran
    }
}

fn fault(error: LiveError) -> Fault {
    match error {
        LiveError::Usage(_) => usage(plain(&error.to_string())),
        LiveError::Io { .. } | LiveError::Registration(_) | LiveError::Flooded | LiveError::Stopped => {
            Fault::Failed(plain(&error.to_string()))
        }
    }
}

fn tell(printer: &Printer, source: &Source, (length, with_strangers): (Duration, bool), progress: &Progress<'_>) {
    let script = &source.name;
    let seconds = |at: &Duration| at.as_secs_f64();
    match progress {
        Progress::Open(name, at) => {
            let fields = json!({ "script": script, "name": name.as_str(), "sip": at });
            match with_strangers {
                // Whoever is outside may have to call it.
                true => printer.say("scenario.open", fields, format!("{name} listens on {at}")),
                false => printer.note("scenario.open", fields),
            }
        }
        Progress::Registered(count) => printer.note("scenario.registered", json!({ "script": script, "count": count })),
        Progress::Step(at, step) => {
            let fields = json!({ "script": script, "after": seconds(at), "step": step.to_string() });
            printer.note("scenario.step", fields);
        }
        Progress::Prompt(at, step) => {
            let fields = json!({ "script": script, "after": seconds(at), "step": step.to_string() });
            printer.say("scenario.prompt", fields, format!("{:>8.3}  now, outside: {step}", seconds(at)));
        }
        Progress::Time(at) => {
            printer.status(Some(&format!("{script}: {} s of at most {} s", at.as_secs(), length.as_secs())));
        }
    }
}
