//! `keyphone call`: places calls.

use crate::control::order::{self, Wishes};
use crate::desk::Manual;
use crate::fault::{Fault, usage};
use crate::options::{Audio, Common, Sound, load, recorded};
use crate::phone::{self, Phone, Place};
use crate::progress::Job;
use crate::session::Session;
use clap::Args;
use keyphone_config::{Config, KeyingSystem, Transport as Wanted, parse_duration};
use keyphone_keying::choice::{Facts, Reason, choose};
use keyphone_keying::mikey::ModeName;
use keyphone_keying::{Hop, Identity};
use keyphone_ua::endpoint::Command;
use keyphone_ua::locate::Abilities;
use keyphone_ua::net::route::local_address_towards;
use keyphone_ua::net::{Clock, Resolver};
use keyphone_ua::settings::{EarlyMedia, HangUp, Incoming, Plan};
use keyphone_ua::sip::{Host, SipUri, StatusCode, Uri};
use keyphone_ua::transaction::{Destination, Transport};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const EXAMPLES: &str = "\
EXAMPLES:
  Ring the phone that \"keyphone answer --psk @psk.hex\" runs on this machine:
      openssl rand -hex 32 > psk.hex
      keyphone call sip:bob@127.0.0.1 --psk @psk.hex
  Say something, keep what is heard, and hang up when all is said:
      keyphone call sip:bob@192.0.2.7 --psk @psk.hex --play hello.wav --record heard.wav
  By certificate: two phones that have nothing in common but a CA, which keyphone makes for them:
      keyphone cert make sip:alice@127.0.0.1 sip:bob@127.0.0.1
      keyphone answer --keying mikey-dhsign --cert bob.pem --key bob.key --ca ca.pem
      keyphone call sip:bob@127.0.0.1 --keying mikey-dhsign --cert alice.pem --key alice.key --ca ca.pem
  Three calls of two seconds over TCP, as JSON:
      keyphone call 'sip:bob@[::1]:5070' --psk @psk.hex --times 3 --for 2s --transport tcp --json

  Hold the call after three seconds, take it back, press some keys, and have the callee call carol:
      keyphone call sip:bob@192.0.2.7 --psk @psk.hex --at 3s:hold --at 5s:resume --at 6s:dtmf=12# \\
          --at 8s:transfer=sip:carol@192.0.2.8
  Let a script go on with it: it reads events from stdout and writes commands to stdin, such as {\"id\":1,\"do\":\"hold\"}
      keyphone call sip:bob@192.0.2.7 --psk @psk.hex --control

While a call runs, keys on a terminal hold, transfer, dial and hang up: ? tells which. Ctrl-C hangs up; a second one
does not wait for the other side.
EXIT CODES: 0 answered and hung up, 1 not answered or broken, 2 usage or configuration, 3 keying refused.
With --times, the worst of them.";

/// Place a call
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", order::HELP))]
pub(crate) struct Call {
    /// Whom to call: sip:user@host or sip:user@host:port
    uri: Uri,
    /// Send the INVITE there instead of to the host of the URI
    #[arg(long, value_name = "IP:PORT")]
    to: Option<SocketAddr>,
    #[command(flatten)]
    audio: Audio,
    /// Place so many calls, one after another
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "control", value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// Send SIP over udp, tcp or tls, whatever the URI says
    #[arg(long, value_name = "udp|tcp|tls")]
    transport: Option<Wanted>,
    /// Try so many of the addresses that we are sent on to (3xx), in all; 0 tries none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=20))]
    redirects: Option<u8>,
    /// Of several phones that have early media, hear the first that speaks, the last that begins to, the loudest, or none
    #[arg(long, value_name = "first|last|loudest|none")]
    hear_early: Option<EarlyMedia>,
    /// Leave it to the callee to offer a session, and answer that (RFC 3261 section 13.2.1)
    #[arg(long)]
    late_offer: bool,
    /// Say before the call which keying systems could key it, in which order they are offered, and why; the call is placed
    /// all the same. With --json the event keying.choice says so in any case
    #[arg(long)]
    explain: bool,
    /// Offer a call anew in the next way up to so often, when the callee did not take the first; 0 never does
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=6))]
    retries: Option<u8>,
    /// Hang up if nobody has answered by then; 3 minutes without this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    give_up: Option<Duration>,
    #[command(flatten)]
    session: Session,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// How long a call lasts in which what is played has no end; with --at, how much longer than its last step.
const DEFAULT_LENGTH: Duration = Duration::from_secs(5);

impl Call {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        let mut config = self.common.config()?;
        config.network.transport = self.transport.unwrap_or(config.network.transport);
        config.audio.early_media = self.hear_early.unwrap_or(config.audio.early_media);
        config.policy.retries = self.retries.unwrap_or(config.policy.retries);
        let uri = self.uri.sip().ok_or_else(|| usage(format!("{} is not a SIP URI such as sip:bob@host", self.uri)))?;
        let way = match (&config.account.proxy, self.to) {
            // The proxy of our account knows the way (RFC 3261 section 8.1.2).
            (Some(_), None) => Way::Found(transport(config.network.transport)),
            _ => way(self.transport, self.to, uri, &config)?,
        };
        check_key(&config, &self.uri, way.hop(&self.uri))?;
        let plan = self.plan(&config)?;
        let listening = self.common.listen.map(|listen| listen.ip());
        let proxy = phone::proxy(&config)?;
        let first = way.first(proxy.as_ref().unwrap_or(&self.uri), listening, &config).await?;
        let listen = listen(&config, first)?;
        let job = Job::Call { times: self.times };
        let mut rules = self.session.rules()?;
        rules.redirects = self.redirects.map_or(rules.redirects, usize::from);
        rules.late_offer = self.late_offer;
        rules.ring_limit = self.give_up.unwrap_or(rules.ring_limit);
        let place = Place { listen, peer: Some((first, phone::user_of(&self.uri))), rules };
        let printer = phone::explaining(&self.common, job, self.session.control, self.explain);
        // Who calls is busy (RFC 3261 section 21.4.24).
        let phone = Phone::open(&self.common, &config, place, Incoming::Refuse(StatusCode::BUSY_HERE), printer).await?;
        let call = || {
            let target = Box::new(self.uri.clone());
            Some(Command::Call { target, to: way.to(), from: None, plan: plan.clone() })
        };
        // What a script calls goes on until it says otherwise, unless --for does.
        let control = self.session.control.then(|| Dialer::new(&config, phone.local(), plan.clone()));
        phone.run(job, Manual { script: self.session.at.clone(), control }, call).await
    }

    fn plan(&self, config: &Config) -> Result<Plan, Fault> {
        let sound = self.audio.sound(config);
        let hang_up = match (self.audio.duration, &sound) {
            (Some(duration), _) => HangUp::After(duration),
            (None, Sound::File(_)) => HangUp::WhenPlayed,
            (None, Sound::Tone | Sound::Silence) => match self.session.script_ends() {
                _ if self.session.control => HangUp::Never,
                Some((_, true)) => HangUp::Never,
                Some((last, false)) => HangUp::After(last + DEFAULT_LENGTH),
                None => HangUp::After(DEFAULT_LENGTH),
            },
        };
        Ok(Plan { play: load(&sound)?, record: self.audio.record(config)?, hang_up })
    }
}

/// Where the INVITE goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To this address.
    There(Destination),
    /// To whom the URI means (RFC 3263): over this, if it does not say.
    Found(Transport),
}

/// By flag, by the URI's own parameter, by the file (RFC 3261 section 19.1.1).
fn way(wanted: Option<Wanted>, to: Option<SocketAddr>, uri: &SipUri, config: &Config) -> Result<Way, Fault> {
    let named = uri.param("transport").map(str::to_ascii_lowercase);
    let named: Option<Wanted> =
        named.map(|name| name.parse().map_err(|e| usage(format!("the transport of {uri}: {e}")))).transpose()?;
    let secure = uri.is_secure() || wanted.or(named) == Some(Wanted::Tls);
    if secure && wanted.is_some_and(|wanted| wanted != Wanted::Tls) {
        return Err(usage(format!("{uri} goes over TLS and over nothing else (RFC 5630)")));
    }
    if secure && config.tls.ca.is_none() {
        return Err(usage(format!(
            "TLS to {uri} needs a CA that we trust: give --ca FILE, or [tls] in a --config file"
        )));
    }
    let transport = transport(if secure { Wanted::Tls } else { wanted.or(named).unwrap_or(config.network.transport) });
    let port = uri.port().unwrap_or(transport.default_port());
    Ok(match (to, uri.host()) {
        (Some(_), _) if secure => {
            return Err(usage("--to is no way for TLS: a certificate proves the host of the URI".to_owned()));
        }
        (Some(addr), _) => Way::There(Destination { addr, transport }),
        (None, _) if config.account.proxy.is_some() => Way::Found(transport),
        // An address is already where it is; a flag that says something else than the URI wins over it.
        (None, Host::Ip(ip)) if !secure => Way::There(Destination { addr: (*ip, port).into(), transport }),
        (None, Host::Name(name)) if wanted.is_some() && wanted != named && named.is_some() => {
            return Err(usage(format!("--transport and the URI disagree about {name}: leave one of them out")));
        }
        (None, _) => Way::Found(transport),
    })
}

/// As the configuration names it, and as SIP does.
pub(crate) fn transport(wanted: Wanted) -> Transport {
    match wanted {
        Wanted::Udp => Transport::Udp,
        Wanted::Tcp => Transport::Tcp,
        Wanted::Tls => Transport::Tls,
    }
}

impl Way {
    /// What the INVITE will probably go over.
    fn hop(self, target: &Uri) -> Hop {
        match self {
            Self::There(Destination { transport, .. }) => transport.into(),
            Self::Found(_) if target.sip().is_some_and(SipUri::is_secure) => Hop::Tls,
            Self::Found(transport) => transport.into(),
        }
    }

    fn to(self) -> Option<Destination> {
        match self {
            Self::There(dest) => Some(dest),
            Self::Found(_) => None,
        }
    }

    /// The first address that it leads to; of two families only that which we listen in, if that was said.
    async fn first(self, target: &Uri, listening: Option<IpAddr>, config: &Config) -> Result<SocketAddr, Fault> {
        match self {
            Self::There(dest) => Ok(dest.addr),
            Self::Found(prefer) => {
                let abilities = listening.map_or(Abilities::default(), Abilities::at);
                let abilities = Abilities { tls: config.tls.ca.is_some(), prefer, ..abilities };
                // With a proxy everything goes there first.
                let proxy = config.account.proxy.as_ref().and_then(|proxy| proxy.as_str().parse().ok());
                let found = Resolver::default().locate(proxy.as_ref().unwrap_or(target), abilities).await;
                found.map(|dest| dest.addr).map_err(|why| usage(format!("{why}; give the address with --to IP:PORT")))
            }
        }
    }
}

/// Places the calls that a script asks for.
pub(crate) struct Dialer {
    config: Config,
    local: SocketAddr,
    plan: Plan,
}

impl Dialer {
    /// Calls are as `plan` says, and from `local`.
    pub(crate) fn new(config: &Config, local: SocketAddr, plan: Plan) -> Self {
        Self { config: config.clone(), local, plan }
    }

    /// The command that places a call.
    pub(crate) async fn command(&self, target: Uri, wishes: &Wishes) -> Result<Command, Fault> {
        let uri = target.sip().ok_or_else(|| usage(format!("{target} is not a SIP URI such as sip:bob@host")))?;
        let proxy = phone::proxy(&self.config)?;
        let way = match proxy {
            Some(_) => Way::Found(transport(self.config.network.transport)),
            None => way(None, None, uri, &self.config)?,
        };
        check_key(&self.config, &target, way.hop(&target))?;
        let addr = way.first(proxy.as_ref().unwrap_or(&target), Some(self.local.ip()), &self.config).await?;
        if addr.is_ipv4() != self.local.is_ipv4() {
            return Err(usage(format!("from {} nobody reaches {addr}", self.local)));
        }
        let mut plan = self.plan.clone();
        if let Some(play) = &wishes.play {
            plan.play = load(play)?;
        }
        if let Some(path) = &wishes.record {
            plan.record = recorded(path)?;
        }
        if let Some(length) = wishes.length {
            plan.hang_up = HangUp::After(length);
        }
        Ok(Command::Call { target: Box::new(target), to: way.to(), from: None, plan })
    }
}

/// Where nothing can be offered, that is better said before anybody's phone rings.
fn check_key(config: &Config, target: &Uri, hop: Hop) -> Result<(), Fault> {
    if config.policy.keying.is_empty() {
        return Ok(());
    }
    let (me, callee) = (config.account.from.identity(), Identity::new(&target.to_string()));
    let facts = Facts::of(
        &config.credentials.keying(),
        (&me, &callee),
        (hop, config.policy.mikey.group),
        Clock::default().now().ntp,
    );
    let choice = choose(&facts, &config.policy.preferences());
    let Some(why) = choice.nothing() else { return Ok(()) };
    // That is for the phone to refuse: nothing is missing here that a flag could give.
    if choice.considered.iter().any(|considered| considered.why.contains(&Reason::NoTls)) {
        return Ok(());
    }
    // The first one says what would help; who named no other is told of no other.
    let help = config.systems().first().and_then(|system| missing(config, *system, &callee));
    let why = why.join("; ");
    Err(usage(match help {
        Some(help) if config.policy.keying.len() == 1 => help,
        Some(help) => format!("{help}; nor can anything else be offered: {why}"),
        None => format!("no keying system can be offered to {callee}: {why}"),
    }))
}

/// What a system needs, and what to do about it.
fn missing(config: &Config, system @ KeyingSystem::Mikey(mode): KeyingSystem, callee: &Identity) -> Option<String> {
    let by_key = matches!(mode, ModeName::Psk | ModeName::DhHmac);
    if by_key && config.credentials.psk_store().with(callee).is_none() {
        return Some(format!(
            "{system} needs a key that we share with {callee}: give --psk @FILE, where FILE holds hexadecimal digits \
             (openssl rand -hex 32 makes them), or [[psk]] in a --config file; --keying none --allow-clear calls \
             without any protection"
        ));
    }
    config.lacks(system).or_else(|| {
        (mode == ModeName::Rsa && !config.credentials.certs.has_peer(callee)).then(|| {
            format!(
                "{system} encrypts to the certificate of {callee}, which has to be there before the call: give --peer-cert \
                 FILE, or [[peer-cert]] in a --config file; mikey-rsar needs none"
            )
        })
    })
}

/// Where we listen: where we were told to, or on any port of the address that the callee can reach.
fn listen(config: &Config, to: SocketAddr) -> Result<SocketAddr, Fault> {
    let listen = config.network.listen;
    if listen == Config::default().network.listen {
        let ip = local_address_towards(to).map_err(|e| usage(format!("there is no way from here to {to}: {e}")))?;
        return Ok((ip, 0).into());
    }
    if listen.is_ipv4() != to.is_ipv4() {
        return Err(usage(format!("from {listen} nobody reaches {to}: give a --listen address of the same family")));
    }
    Ok(listen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        call: Call,
    }

    fn call(flags: &[&str]) -> Call {
        Flags::try_parse_from([&["keyphone"], flags].concat()).unwrap().call
    }

    #[test]
    fn a_key_for_somebody_else_is_no_key_for_this_call() {
        let key = "sip:carol@127.0.0.1=00112233445566778899aabbccddeeff";
        let config = call(&["sip:bob@127.0.0.1", "--psk", key]).common.config().unwrap();
        let error = check_key(&config, &"sip:bob@127.0.0.1".parse().unwrap(), Hop::Clear).unwrap_err();
        assert_eq!(error.code(), 2);
        assert!(error.to_string().contains("we share no key with sip:bob@127.0.0.1: give one with --psk"), "{error}");
        check_key(&config, &"sip:carol@127.0.0.1:5070".parse().unwrap(), Hop::Clear).unwrap();
    }

    #[test]
    fn a_call_ends_when_asked_or_when_all_was_played() {
        let hang_up = |flags: &[&str]| {
            let call = call(flags);
            let config = call.common.config().unwrap();
            call.plan(&config).map(|plan| plan.hang_up)
        };
        assert_eq!(hang_up(&["sip:b@h"]).unwrap(), HangUp::After(DEFAULT_LENGTH));
        assert_eq!(hang_up(&["sip:b@h", "--play", "silence"]).unwrap(), HangUp::After(DEFAULT_LENGTH));
        assert_eq!(hang_up(&["sip:b@h", "--for", "90ms"]).unwrap(), HangUp::After(Duration::from_millis(90)));
        let last = Duration::from_secs(9);
        assert_eq!(hang_up(&["sip:b@h", "--at", "9s:hold"]).unwrap(), HangUp::After(last + DEFAULT_LENGTH));
        assert_eq!(hang_up(&["sip:b@h", "--at", "9s:hangup"]).unwrap(), HangUp::Never);
        assert_eq!(hang_up(&["sip:b@h", "--control"]).unwrap(), HangUp::Never);
        assert_eq!(hang_up(&["sip:b@h", "--play", "nowhere.wav"]).unwrap_err().code(), 2);
        assert_eq!(hang_up(&["sip:b@h", "--record", "/nowhere/a.wav"]).unwrap_err().code(), 2);
    }

    #[test]
    fn the_flag_wins_over_the_uri_and_the_uri_over_the_file() {
        let way = |flags: &[&str]| {
            let call = call(flags);
            way(call.transport, call.to, call.uri.sip().unwrap(), &Config::default())
        };
        let there = |transport| Way::There(Destination { addr: "192.0.2.1:5060".parse().unwrap(), transport });
        assert_eq!(way(&["sip:b@192.0.2.1"]).unwrap(), there(Transport::Udp));
        assert_eq!(way(&["sip:b@192.0.2.1;transport=TCP"]).unwrap(), there(Transport::Tcp));
        let both = ["sip:b@192.0.2.1;transport=tcp", "--transport", "udp"];
        assert_eq!(way(&both).unwrap(), there(Transport::Udp));
        assert_eq!(way(&["sip:b@h"]).unwrap(), Way::Found(Transport::Udp));
        assert_eq!(way(&["sip:b@h", "--transport", "tcp"]).unwrap(), Way::Found(Transport::Tcp));
        assert_eq!(way(&["sip:b@h", "--to", "192.0.2.1:5060"]).unwrap(), there(Transport::Udp));
        assert_eq!(way(&["sip:b@h;transport=sctp"]).unwrap_err().code(), 2);
        // A proxy is asked before the address is.
        let call = call(&["sip:b@192.0.2.1", "--proxy", "sip:192.0.2.9;transport=tcp"]);
        let config = call.common.config().unwrap();
        assert_eq!(super::way(None, None, call.uri.sip().unwrap(), &config).unwrap(), Way::Found(Transport::Udp));
        for tls in [vec!["sips:b@h"], vec!["sip:b@h", "--transport", "tls"]] {
            let error = way(&tls).unwrap_err();
            assert!(error.to_string().contains("give --ca FILE"), "{error}");
        }
        assert!(way(&["sips:b@h", "--transport", "tcp"]).unwrap_err().to_string().contains("RFC 5630"));
    }

    #[test]
    fn we_listen_where_the_callee_can_reach_us() {
        let to: SocketAddr = "127.0.0.1:5060".parse().unwrap();
        assert_eq!(listen(&Config::default(), to).unwrap().to_string(), "127.0.0.1:0");
        let mut config = Config::default();
        config.network.listen = "[::1]:5070".parse().unwrap();
        assert_eq!(listen(&config, to).unwrap_err().code(), 2);
        assert_eq!(listen(&config, "[::1]:5060".parse().unwrap()).unwrap(), config.network.listen);
    }
}
