//! `keyphone answer`: is called.

use crate::act::callable;
use crate::call::Dialer;
use crate::control::order;
use crate::desk::Manual;
use crate::fault::{Fault, usage};
use crate::options::{Audio, Common, load};
use crate::phone::{self, Phone, Place};
use crate::progress::Job;
use crate::session::Session;
use clap::Args;
use keyphone_config::{Config, parse_duration};
use keyphone_ua::settings::{HangUp, Incoming, Plan, Rules};
use keyphone_ua::sip::{StatusCode, Uri};
use serde_json::json;
use std::time::Duration;

const EXAMPLES: &str = "\
EXAMPLES:
  Answer all calls on this machine, from everybody who holds the key:
      openssl rand -hex 32 > psk.hex
      keyphone answer --psk @psk.hex
  Answer one call after two seconds of ringing, record it, and exit as it went:
      keyphone answer --once --psk @psk.hex --after 2s --record heard.wav
  Be busy, or send whoever calls to carol and, if she does not answer, to dave:
      keyphone answer --refuse 486
      keyphone answer --redirect sip:carol@192.0.2.8 --redirect sip:dave@192.0.2.9
  Play music while it rings, and hold the call for two seconds once it is answered:
      keyphone answer --psk @psk.hex --after 5s --early-media music.wav --at 3s:hold --at 5s:resume
  Let a script decide: it reads events from stdout and writes commands to stdin, such as {\"id\":1,\"do\":\"answer\"}
      keyphone answer --control --psk @psk.hex
  Register with a proxy, and be called through it:
      keyphone answer --listen 192.0.2.7:5060 --from sip:bob@example.org --registrar sip:example.org \\
          --password @bob.password --psk @psk.hex
  Listen on the network, with a key for each peer:
      keyphone answer --listen 192.0.2.7:5060 --from sip:bob@192.0.2.7 --psk sip:alice@192.0.2.9=@alice.hex

While a call runs, keys on a terminal hold, transfer, dial and hang up: ? tells which.
Ctrl-C hangs up and ends with 0; a second one does not wait for the other side.
EXIT CODES with --once or --times: 0 all went well, 1 a call failed, 2 usage or configuration, 3 keying refused.";

/// Be called
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", order::HELP))]
pub(crate) struct Answer {
    #[command(flatten)]
    audio: Audio,
    /// Ring so long before answering
    #[arg(long, value_name = "DURATION", conflicts_with = "control", value_parser = parse_duration)]
    after: Option<Duration>,
    /// What the caller hears while it rings: a WAV file or "tone". Said in a 183 and keyed like the call itself
    #[arg(long, value_name = "F.wav|tone", conflicts_with = "control")]
    early_media: Option<keyphone_config::Play>,
    /// Send every caller there (302); may be given many times, best first
    #[arg(long, value_name = "URI", value_parser = callable,
          conflicts_with_all = ["play", "record", "duration", "after", "early_media", "at", "control"])]
    redirect: Vec<Uri>,
    /// Refuse every call with this SIP status: 486 is busy, 603 declines
    #[arg(long, value_name = "STATUS", value_parser = refusal,
          conflicts_with_all = ["play", "record", "duration", "after", "early_media", "at", "control", "redirect"])]
    refuse: Option<StatusCode>,
    /// Serve one call, then exit with its code
    #[arg(long, conflicts_with_all = ["times", "control"])]
    once: bool,
    /// Serve so many calls, then exit with the worst of their codes
    #[arg(long, value_name = "N", conflicts_with = "control", value_parser = clap::value_parser!(u32).range(1..))]
    times: Option<u32>,
    /// Calls have no media: the SDP names the discard port, and nothing is said or heard. For load tests
    #[arg(long, conflicts_with_all = ["play", "record", "early_media"])]
    no_media: bool,
    #[command(flatten)]
    session: Session,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Answer {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        let config = self.common.config()?;
        if self.refuse.is_none() && self.redirect.is_empty() {
            check_key(&config)?;
        }
        let incoming = self.incoming(&config)?;
        let times = if self.once { Some(1) } else { self.times };
        let redirects = (!self.redirect.is_empty()).then_some(StatusCode::MOVED_TEMPORARILY);
        let job = Job::Answer { times, refuse: self.refuse.or(redirects).map(StatusCode::code) };
        let printer = phone::printer(&self.common, job, self.session.control);
        let rules = Rules { media: !self.no_media, ..self.session.rules()? };
        let place = Place { listen: config.network.listen, peer: None, rules };
        let phone = Phone::open(&self.common, &config, place, incoming, printer.clone()).await?.registered(&config);
        let local = phone.local();
        match phone.local_tls() {
            None => {
                let fields = json!({ "address": local, "transports": ["udp", "tcp"] });
                printer.say("listening", fields, format_args!("listening on {local} (udp, tcp)"));
            }
            Some(tls) => {
                let fields = json!({ "address": local, "transports": ["udp", "tcp", "tls"], "tls": tls });
                printer.say("listening", fields, format_args!("listening on {local} (udp, tcp) and {tls} (tls)"));
            }
        }
        let control = if self.session.control { Some(Dialer::new(&config, local, self.plan(&config)?)) } else { None };
        phone.run(job, Manual { script: self.session.at, control }, || None).await
    }

    fn incoming(&self, config: &Config) -> Result<Incoming, Fault> {
        if let Some(status) = self.refuse {
            return Ok(Incoming::Refuse(status));
        }
        if !self.redirect.is_empty() {
            return Ok(Incoming::Redirect(self.redirect.clone()));
        }
        let plan = self.plan(config)?;
        if self.session.control {
            return Ok(Incoming::Ring { plan });
        }
        let early = self.early_media.as_ref().map(|play| load(&play.into())).transpose()?;
        Ok(Incoming::Answer { after: self.after.unwrap_or_default(), early, plan })
    }

    fn plan(&self, config: &Config) -> Result<Plan, Fault> {
        let hang_up = self.audio.duration.map_or(HangUp::Never, HangUp::After);
        Ok(Plan { play: load(&self.audio.sound(config))?, record: self.audio.record(config)?, hang_up })
    }
}

/// What a call can be refused with: a redirection would need somewhere to go.
fn refusal(text: &str) -> Result<StatusCode, String> {
    let status = text.parse().ok().filter(|status| (400..700).contains(status)).and_then(StatusCode::new);
    status.ok_or_else(|| format!("{text:?} is not a SIP status from 400 to 699"))
}

/// Without a key no call could be answered: that is better said before somebody calls.
fn check_key(config: &Config) -> Result<(), Fault> {
    for system in config.systems() {
        if let Some(missing) = config.lacks(system) {
            return Err(usage(format!("{missing}; --keying none --allow-clear answers without any protection")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keyphone_ua::settings::Play;

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
            &["--redirect", "sip:c@h", "--refuse", "486"],
            &["--redirect", "sip:c@h", "--early-media", "tone"],
            &["--redirect", "carol"],
            &["--control", "--once"],
            &["--control", "--after", "2s"],
            &["--control", "--early-media", "tone"],
            &["--early-media", "silence"],
            &["--early-media", "tone", "--no-media"],
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
    fn callers_are_sent_on_in_the_order_given_and_a_script_lets_them_ring() {
        let incoming = |flags: &[&str]| answer(flags).unwrap().incoming(&Config::default()).unwrap();
        let Incoming::Redirect(to) = incoming(&["--redirect", "sip:c@h", "--redirect", "sip:d@h"]) else {
            panic!("not sent on")
        };
        assert_eq!(to.iter().map(ToString::to_string).collect::<Vec<_>>(), ["sip:c@h", "sip:d@h"]);
        assert!(matches!(incoming(&["--control"]), Incoming::Ring { .. }));
        let early = incoming(&["--early-media", "tone", "--after", "2s"]);
        assert!(matches!(early, Incoming::Answer { early: Some(Play::Tone(_)), .. }));
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
