//! `keyphone doctor`: what would stop a call here, and what to do about it.

mod files;
mod names;
mod ports;
mod system;
mod tls;

use crate::fault::Fault;
use crate::human::plain;
use crate::output::Printer;
use crate::secret::Secret;
use clap::Args;
use keyphone_config::PskEntry;
use keyphone_config::network::parse_listen;
use serde::Serialize;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;

const EXAMPLES: &str = "\
EXAMPLES:
  Would a call work on this machine, with the defaults?
      keyphone doctor
  With this configuration file, one JSON object per check:
      keyphone doctor --config keyphone.toml --json
  On the address that others know this machine by:
      keyphone doctor --listen 192.0.2.7:5060 --psk @psk.hex

EXIT CODES: 0 no problem (there may be warnings), 1 a problem, 2 usage.";

/// Tell what would stop a call here: configuration, keys, ports, limits, clock, certificates, name servers
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Check what this configuration file says; "keyphone config init" writes one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Would SIP work here?
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen)]
    listen: Option<SocketAddr>,
    /// Check this pre-shared key as well, as "keyphone call --help" describes it
    #[arg(long, value_name = "[PEER=]HEX|@FILE")]
    psk: Vec<Secret>,
    /// One JSON object per check
    #[arg(long)]
    json: bool,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Calls work, but perhaps not as they should.
    Warning,
    /// It would stop a call.
    Problem,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Checked {
    what: &'static str,
    verdict: Verdict,
    /// What was found.
    found: String,
    /// What to do; nothing if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Checked {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warning(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn problem(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Problem, found: found.into(), advice: Some(advice.into()) }
    }
}

impl Doctor {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        let printer = Printer::new(self.json);
        let checks = self.checks().await;
        for check in &checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "WARNING",
                Verdict::Problem => "PROBLEM",
            };
            let advice =
                check.advice.as_ref().map_or(String::new(), |advice| format!("\n         -> {}", plain(advice)));
            let text = format!("{verdict:<8} {}: {}{advice}", check.what, plain(&check.found));
            printer.say("doctor.check", check, text);
        }
        let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
        let (problems, warnings) = (count(Verdict::Problem), count(Verdict::Warning));
        let text = match (problems, warnings) {
            (0, 0) => "nothing here would stop a call".into(),
            (0, _) => format!("nothing here would stop a call; warnings: {warnings}"),
            _ => format!("problems: {problems}, warnings: {warnings}"),
        };
        printer.say("doctor.done", json!({ "problems": problems, "warnings": warnings }), text);
        Ok(u8::from(problems > 0))
    }

    async fn checks(&self) -> Vec<Checked> {
        let (mut checks, config) = files::config(self.config.as_deref());
        let mut config = config.unwrap_or_default();
        for flag in &self.psk {
            match PskEntry::from_flag(flag) {
                Ok(entry) => config.credentials.psks.push(entry),
                Err(why) => checks.push(Checked::problem("keys", format!("--psk: {why}"), files::MAKE_A_KEY)),
            }
        }
        if let Some(listen) = self.listen {
            config.network.listen = listen;
        }
        checks.push(files::keys(&config));
        checks.extend(ports::sip(config.network.listen));
        checks.push(ports::media(&config.network));
        checks.push(ports::families(config.network.listen));
        checks.extend(system::descriptors(&config.network));
        checks.push(system::clock(&config));
        checks.extend(tls::certificates(&config, system::since_1970().unwrap_or_default()));
        checks.extend(names::resolver(&config).await);
        checks
    }
}
