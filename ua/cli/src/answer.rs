//! `keyphone answer`: is called.

use crate::fault::{Fault, usage};
use crate::options::{Audio, Common, load};
use crate::phone::{self, Phone, Place};
use crate::progress::Job;
use clap::Args;
use keyphone_config::{Config, KeyingSystem, parse_duration};
use keyphone_ua::settings::{HangUp, Incoming, Plan};
use keyphone_ua::sip::StatusCode;
use serde_json::json;
use std::time::Duration;

const EXAMPLES: &str = "\
EXAMPLES:
  Answer all calls on this machine, from everybody who holds the key:
      openssl rand -hex 32 > psk.hex
      keyphone answer --psk @psk.hex
  Answer one call after two seconds of ringing, record it, and exit as it went:
      keyphone answer --once --psk @psk.hex --after 2s --record heard.wav
  Be busy:
      keyphone answer --refuse 486
  Listen on the network, with a key for each peer:
      keyphone answer --listen 192.0.2.7:5060 --from sip:bob@192.0.2.7 --psk sip:alice@192.0.2.9=@alice.hex

Ctrl-C hangs up and ends with 0; a second one does not wait for the other side.
EXIT CODES with --once or --times: 0 all went well, 1 a call failed, 2 usage or configuration, 3 keying refused.";

/// Be called
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Answer {
    #[command(flatten)]
    audio: Audio,
    /// Ring so long before answering
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    after: Option<Duration>,
    /// Refuse every call with this SIP status: 486 is busy, 603 declines
    #[arg(long, value_name = "STATUS", conflicts_with_all = ["play", "record", "duration", "after"],
          value_parser = refusal)]
    refuse: Option<StatusCode>,
    /// Serve one call, then exit with its code
    #[arg(long, conflicts_with = "times")]
    once: bool,
    /// Serve so many calls, then exit with the worst of their codes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    times: Option<u32>,
    /// Calls have no media: the SDP names the discard port, and nothing is said or heard. For load tests
    #[arg(long, conflicts_with_all = ["play", "record"])]
    no_media: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Answer {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        let config = self.common.config()?;
        if self.refuse.is_none() {
            check_key(&config)?;
        }
        let incoming = self.incoming(&config)?;
        let times = if self.once { Some(1) } else { self.times };
        let job = Job::Answer { times, refuse: self.refuse.map(StatusCode::code) };
        let printer = phone::printer(&self.common, job);
        let place = Place { listen: config.network.listen, peer: None, media: !self.no_media };
        let phone = Phone::open(&self.common, &config, place, incoming, printer.clone()).await?;
        let local = phone.local();
        let fields = json!({ "address": local, "transports": ["udp", "tcp"] });
        printer.say("listening", fields, format_args!("listening on {local} (udp, tcp)"));
        phone.run(job, || None).await
    }

    fn incoming(&self, config: &Config) -> Result<Incoming, Fault> {
        if let Some(status) = self.refuse {
            return Ok(Incoming::Refuse(status));
        }
        let hang_up = self.audio.duration.map_or(HangUp::Never, HangUp::After);
        let plan = Plan { play: load(&self.audio.sound(config))?, record: self.audio.record(config)?, hang_up };
        Ok(Incoming::Answer { after: self.after.unwrap_or_default(), early: None, plan })
    }
}

/// What a call can be refused with: a redirection would need somewhere to go.
fn refusal(text: &str) -> Result<StatusCode, String> {
    let status = text.parse().ok().filter(|status| (400..700).contains(status)).and_then(StatusCode::new);
    status.ok_or_else(|| format!("{text:?} is not a SIP status from 400 to 699"))
}

/// Without a key no call could be answered: that is better said before somebody calls.
fn check_key(config: &Config) -> Result<(), Fault> {
    if config.policy.keying.contains(&KeyingSystem::MikeyPsk) && config.credentials.psks.is_empty() {
        return Err(usage(
            "mikey-psk needs a key that we share with whoever calls: give --psk @FILE, where FILE holds hexadecimal \
             digits (openssl rand -hex 32 makes them), or [[psk]] in a --config file; --keying none --allow-clear \
             answers without any protection",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        answer: Answer,
    }

    fn answer(flags: &[&str]) -> Result<Answer, clap::Error> {
        Flags::try_parse_from([&["keyphone"], flags].concat()).map(|f| f.answer)
    }

    #[test]
    fn what_contradicts_itself_is_not_taken() {
        for flags in [
            &["--once", "--times", "2"][..],
            &["--refuse", "486", "--after", "2s"],
            &["--refuse", "486", "--play", "tone"],
            &["--refuse", "200"],
            &["--refuse", "302"],
            &["--times", "0"],
        ] {
            assert!(answer(flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn who_is_called_lets_the_caller_hang_up_unless_told_otherwise() {
        let plan = |flags: &[&str]| match answer(flags).unwrap().incoming(&Config::default()).unwrap() {
            Incoming::Answer { after, plan, .. } => (after, plan.hang_up),
            Incoming::Ring { .. } | Incoming::Redirect(_) => panic!("not answered"),
            Incoming::Refuse(status) => panic!("refused with {status:?}"),
        };
        assert_eq!(plan(&[]), (Duration::ZERO, HangUp::Never));
        let two = Duration::from_secs(2);
        assert_eq!(plan(&["--after", "2s", "--for", "2s"]), (two, HangUp::After(two)));
    }

    #[test]
    fn without_any_key_nobody_waits_for_calls_that_cannot_be_keyed() {
        let check = |flags: &[&str]| check_key(&answer(flags).unwrap().common.config().unwrap());
        let error = check(&[]).unwrap_err();
        assert_eq!(error.code(), 2);
        assert!(error.to_string().contains("give --psk @FILE"), "{error}");
        check(&["--psk", "00112233445566778899aabbccddeeff"]).unwrap();
        check(&["--keying", "none"]).unwrap();
    }
}
