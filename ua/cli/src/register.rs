//! `keyphone register`: tells a registrar where we are.

use crate::call::transport;
use crate::fault::{Fault, usage};
use crate::options::Common;
use crate::phone::{self, Phone, Place};
use crate::progress::Job;
use crate::registrations::{Registrations, Standing};
use clap::Args;
use keyphone_config::{Config, SipUri};
use keyphone_ua::account::Account;
use keyphone_ua::locate::Abilities;
use keyphone_ua::net::route::local_address_towards;
use keyphone_ua::net::{Resolver, Stop};
use keyphone_ua::settings::{Incoming, Rules};
use keyphone_ua::sip::StatusCode;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;

const EXAMPLES: &str = "\
EXAMPLES:
  Does the registrar know us? Say what is bound there, and leave no trace:
      keyphone register --from sip:bob@example.org --password @bob.password --once
  Stay registered until Ctrl-C, through a proxy, over TCP:
      keyphone register --from sip:bob@example.org --password @bob.password --proxy 'sip:192.0.2.1;transport=tcp'
  All accounts of a file that have a registrar:
      keyphone register --config keyphone.toml

Calls that come in are refused with 480: \"keyphone answer --registrar URI\" registers and takes them.
Ctrl-C takes the registrations back.
EXIT CODES: 0 registered (and taken back), 1 a registration failed for good, 2 usage or configuration.";

/// Tell a registrar where we are, and stay registered until Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Register {
    /// Register this account of the configuration file; may be given many times. Without it, all that have a registrar
    #[arg(long, value_name = "URI")]
    account: Vec<SipUri>,
    /// Register, say what is bound, take it back, and exit
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// How long a registrar may take to forget us when the user wants to leave.
const LEAVING: Duration = Duration::from_secs(5);

impl Register {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        let config = self.common.config()?;
        let registrations = self.registrations(&config)?.once(self.once);
        let listen = self.listen(&config).await?;
        let printer = phone::printer(&self.common, Job::Answer { times: None, refuse: None }, false);
        let place = Place { listen, peer: None, rules: Rules::default() };
        let nobody = Incoming::Refuse(StatusCode::TEMPORARILY_UNAVAILABLE);
        let phone = Phone::open(&self.common, &config, place, nobody, printer.clone()).await?;
        let (runner, mut signals) = phone.into_parts();
        let (commands, queue) = mpsc::unbounded_channel();
        // The phone that reads them runs as long as we do.
        let send = |command| drop(commands.send(command));
        registrations.begin().for_each(send);
        let mut failed = false;
        let ended = {
            let mut run = pin!(runner.run(queue, |now, event| {
                printer.event(now.mono, &event);
                registrations.take(&event);
                let standings = registrations.standings();
                failed |= standings.contains(&Standing::Over { failed: true });
                let over = |standing: &Standing| matches!(standing, Standing::Over { .. });
                let known = standings.iter().all(|standing| *standing != Standing::Asking);
                if self.once && known {
                    registrations.leave(send);
                }
                if standings.iter().all(over) { Stop::Now } else { Stop::NotYet }
            }));
            tokio::select! {
                ended = &mut run => ended,
                () = signals.next() => {
                    registrations.leave(send);
                    let leave = async { tokio::select! { ended = &mut run => ended, () = signals.next() => Ok(()) } };
                    tokio::time::timeout(LEAVING, leave).await.unwrap_or(Ok(()))
                }
            }
        };
        printer.quiet();
        match ended {
            Ok(()) => Ok(u8::from(failed)),
            Err(error) => Err(Fault::Failed(format!("the phone had to stop: {error}"))),
        }
    }

    fn registrations(&self, config: &Config) -> Result<Registrations, Fault> {
        let unknown = self.account.iter().find(|uri| config.accounts().all(|account| account.from != **uri));
        if let Some(uri) = unknown {
            return Err(usage(format!("there is no account {uri} in the configuration")));
        }
        if !self.account.is_empty() {
            return Ok(Registrations::only(config, |account| self.account.contains(&account.from)));
        }
        if config.accounts().any(|account| account.registrar.is_some()) {
            return Ok(Registrations::of(config));
        }
        if config.account.from == Config::default().account.from {
            return Err(usage("whom shall the registrar know? Give --from sip:user@host, or a --config file"));
        }
        // Without a registrar the domain is asked (RFC 3261 section 10.2.6).
        Ok(Registrations::only(config, |account| account.from == config.account.from))
    }

    /// Where we listen: where we were told to, or on any port of the address that the first server can reach.
    async fn listen(&self, config: &Config) -> Result<SocketAddr, Fault> {
        let listen = config.network.listen;
        if listen != Config::default().network.listen {
            return Ok(listen);
        }
        let account = config.accounts().find(|account| account.registrar.is_some()).unwrap_or(&config.account);
        let account =
            Account::read(account).map_err(|e| usage(format!("{} cannot be who we are: {e}", account.from)))?;
        let first = account.routes.first().map_or_else(|| account.registrar(), |route| route.uri.clone());
        let tls = config.tls.ca.is_some();
        let abilities = Abilities { tls, prefer: transport(config.network.transport), ..Abilities::default() };
        let to = Resolver::default().locate(&first, abilities).await.map_err(usage)?.addr;
        let ip = local_address_towards(to).map_err(|e| usage(format!("there is no way from here to {to}: {e}")))?;
        Ok((ip, 0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        register: Register,
    }

    fn registered(flags: &[&str]) -> Result<usize, Fault> {
        let register = Flags::try_parse_from([&["keyphone"], flags].concat()).unwrap().register;
        let config = register.common.config()?;
        register.registrations(&config).map(|registrations| registrations.standings().len())
    }

    #[test]
    fn all_accounts_with_a_registrar_are_registered_or_those_that_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("k.toml");
        let text = "[[account]]\nfrom = \"sip:a@a.org\"\nregistrar = \"sip:a.org\"\n[[account]]\nfrom = \"sip:b@b.org\"\n\
            [[account]]\nfrom = \"sip:c@c.org\"\nregistrar = \"sip:c.org\"\n";
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(registered(&["--config", file]).unwrap(), 2);
        assert_eq!(registered(&["--config", file, "--account", "sip:b@b.org"]).unwrap(), 1);
        let error = registered(&["--config", file, "--account", "sip:d@d.org"]).err().unwrap();
        assert_eq!((error.code(), error.to_string().contains("there is no account sip:d@d.org")), (2, true));
    }

    #[test]
    fn somebody_must_be_registered() {
        assert_eq!(registered(&[]).err().unwrap().code(), 2);
        assert_eq!(registered(&["--from", "sip:bob@example.org"]).unwrap(), 1);
    }
}
