//! One phone of `call` and `answer`: opened, driven and watched.

use crate::desk::{Desk, Hands, Leave, Manual, REFRESH};
use crate::fault::{Fault, usage};
use crate::human::{Narrator, plain};
use crate::keylog;
use crate::options::Common;
use crate::output::Printer;
use crate::pcap::Capture;
use crate::progress::{Job, Next, Progress};
use crate::registrations::Registrations;
use crate::signals::Signals;
use keyphone_config::Config;
use keyphone_scenarios::ladder::Ladder;
use keyphone_ua::endpoint::{Command, Endpoint};
use keyphone_ua::net::{Fetcher, Runner, Seen, Sockets, Stop, Tls, TlsFiles};
use keyphone_ua::settings::{Incoming, Rules, Secured, Settings};
use keyphone_ua::sip::{Host, SipUri, Uri};
use serde_json::json;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a BYE or CANCEL of ours may go unanswered when the user wants to leave.
const LEAVING: Duration = Duration::from_secs(2);

/// A phone whose sockets are open.
pub(crate) struct Phone {
    runner: Runner,
    signals: Signals,
    printer: Rc<Printer>,
    local: SocketAddr,
    tls: Option<SocketAddr>,
    /// What `--trace` saw: shown as a whole at the end.
    ladder: Option<Rc<RefCell<Ladder>>>,
    registrations: Registrations,
}

/// The printer that the common options ask for; a script reads JSON in any case.
pub(crate) fn printer(common: &Common, job: Job, control: bool) -> Rc<Printer> {
    explaining(common, job, control, false)
}

/// The same, which says how the keying was chosen if that is asked for.
pub(crate) fn explaining(common: &Common, job: Job, control: bool, explain: bool) -> Rc<Printer> {
    if common.json || control {
        return Rc::new(Printer::json());
    }
    let one = matches!(job, Job::Call { times: 1 } | Job::Answer { times: Some(1), .. });
    Rc::new(Printer::human(Narrator::new(!one, common.verbose > 0).explaining(explain)))
}

/// TLS with what the configuration names. A certificate that is MIKEY's as well may have a key that TLS here cannot use,
/// on P-521 for instance: then we are not called over TLS, and all else works.
fn load_tls(config: &Config) -> Result<Tls, Fault> {
    let tls = &config.tls;
    let files = TlsFiles { own: tls.own().map_err(usage)?, ca: tls.ca.as_deref(), require_client: tls.require_client };
    let wrong = |why: String| usage(format!("TLS: {why}"));
    match Tls::load(files) {
        Err(why) if config.credentials.certs.own().is_some() && !tls.require_client => {
            tracing::warn!("nobody can call us over TLS: {why}");
            Tls::load(TlsFiles { own: None, ..files }).map_err(wrong)
        }
        loaded => loaded.map_err(wrong),
    }
}

/// Where a phone listens, and who it is if nobody says so.
pub(crate) struct Place {
    pub(crate) listen: SocketAddr,
    /// The other side, for the ladder.
    pub(crate) peer: Option<(SocketAddr, String)>,
    /// How calls are made and kept.
    pub(crate) rules: Rules,
}

impl Phone {
    /// Opens the SIP port, the capture and the key log.
    pub(crate) async fn open(
        common: &Common,
        config: &Config,
        place: Place,
        incoming: Incoming,
        printer: Rc<Printer>,
    ) -> Result<Self, Fault> {
        // From here on Ctrl-C is ours: whoever reads that we listen may send it at once.
        let signals = Signals::new().map_err(|e| Fault::Failed(format!("signals cannot be caught: {e}")))?;
        let listen = place.listen;
        if listen.ip().is_unspecified() {
            let why = "others could not tell where to reach this phone";
            return Err(usage(format!("--listen {listen}: {why}: give the address that they know this machine by")));
        }
        let key_log = common.keylog.as_deref().map(keylog::open).transpose()?;
        let capture = common.pcap.as_deref().map(Capture::create).transpose()?;
        let sockets = Sockets::bind(listen).await.map_err(|e| {
            usage(format!(
                "nobody can listen on {listen}: {e}; give another --listen, where port 0 takes any that is free"
            ))
        })?;
        let sockets = match &config.tls {
            tls if tls.is_wanted() => {
                let tls = load_tls(config)?;
                let port = listen.port().saturating_add(1);
                sockets.with_tls(tls).await.map_err(|e| {
                    usage(format!("nobody can listen for TLS on port {port}, the one above --listen {listen}: {e}"))
                })?
            }
            _ => sockets,
        };
        let local = sockets.local();
        let tls = sockets.local_tls();
        let account = &config.account.from;
        let mut settings =
            Settings::new(config, local).map_err(|e| usage(format!("{account} cannot be who we are: {e}")))?;
        if *account == Config::default().account.from {
            settings.accounts.main_mut().me = Uri::Sip(SipUri::new(false, Host::Ip(local.ip())).with_user("keyphone"));
        }
        settings.policy.media.reveal_keys = key_log.is_some();
        settings.incoming = incoming;
        settings.tls = Secured { connects: config.tls.ca.is_some(), port: tls.map(|tls| tls.port()) };
        settings.rules = Rules { early_media: config.audio.early_media, ..place.rules };
        let me = user_of(&settings.account().me);
        let clock = printer.clock();
        let pairs = config.network.media_ports.pairs();
        let ports = pairs
            .fold(None, |range: Option<(u16, u16)>, port| Some((range.map_or(port, |(first, _)| first), port + 1)));
        let (first, last) = ports.ok_or_else(|| usage("network.media-ports has no room for one pair of ports"))?;
        let endpoint = Endpoint::new(settings, &clock.now());
        let mut runner = Runner::new(endpoint, sockets, first..=last, clock);
        let fetch = config.policy.mikey.fetch_list();
        if !fetch.is_empty() {
            runner = runner.with_fetcher(Fetcher::new(fetch, config.tls.ca.as_deref()).map_err(usage)?);
        }
        if let Some(write) = key_log {
            runner = runner.with_key_log(write);
        }
        let ladder = common.trace.then(|| {
            let mut ladder = Ladder::new();
            ladder.name(local, &me);
            if let Some((addr, name)) = &place.peer {
                ladder.name(*addr, name);
            }
            Rc::new(RefCell::new(ladder))
        });
        if capture.is_some() || ladder.is_some() {
            runner = runner.with_tap(Box::new(tap(capture, ladder.clone(), local, printer.clone())));
        }
        let registrations = Registrations::default();
        Ok(Self { runner, signals, printer, local, tls, ladder, registrations })
    }

    /// What drives it, for a command that has its own way with it.
    pub(crate) fn into_parts(self) -> (Runner, Signals) {
        (self.runner, self.signals)
    }

    /// From now on, and until the end, the accounts that have a registrar are registered.
    pub(crate) fn registered(mut self, config: &Config) -> Self {
        self.registrations = Registrations::of(config);
        self
    }

    /// Where it can be called over TLS.
    pub(crate) fn local_tls(&self) -> Option<SocketAddr> {
        self.tls
    }

    /// Where it can be called.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Does its job, and gives the exit code. `call` makes the command that places the next call.
    pub(crate) async fn run(self, job: Job, manual: Manual, call: impl Fn() -> Option<Command>) -> Result<u8, Fault> {
        let Self { mut runner, signals, printer, ladder, registrations, .. } = self;
        let (commands, queue) = mpsc::unbounded_channel();
        let progress = RefCell::new(Progress::new(job, manual.control.is_some()));
        let desk = Rc::new(Desk::new(printer.clone(), commands, manual.script));
        if printer.has_status() {
            let desk = desk.clone();
            runner = runner.with_watch(REFRESH, Box::new(move |now, endpoint| desk.watch(now, endpoint)));
        }
        let mut hands = Hands::new(signals, manual.control, printer.is_json());
        if hands.has_keys() {
            printer.hint("keys: ? tells which there are");
        }
        let send = |command: Option<Command>| command.into_iter().for_each(|command| desk.tell(command));
        registrations.begin().for_each(|command| send(Some(command)));
        send(call());
        let ended = {
            let mut run = pin!(runner.run(queue, |now, event| {
                printer.event(now.mono, &event);
                desk.take(now, &event);
                registrations.take(&event);
                let next = progress.borrow_mut().take(&event);
                if registrations.are_gone() && progress.borrow().is_idle() {
                    return Stop::Now;
                }
                match next {
                    Next::GoOn => Stop::NotYet,
                    Next::CallAgain => {
                        send(call());
                        Stop::NotYet
                    }
                    Next::HangUpRest => {
                        send(Some(Command::HangUpAll));
                        Stop::NotYet
                    }
                    Next::Stop if registrations.leave(|command| send(Some(command))) => Stop::NotYet,
                    Next::Stop => Stop::Now,
                }
            }));
            tokio::select! {
                ended = &mut run => ended,
                () = registrations.leaving(LEAVING) => Ok(()),
                leave = hands.attend(&desk) => {
                    let calls = progress.borrow_mut().interrupt();
                    let gone = leave == Leave::HangUp && !registrations.leave(|command| send(Some(command)));
                    if leave == Leave::HangUp && (calls || !gone) {
                        send(Some(Command::HangUpAll));
                        // Who asks twice is not kept waiting.
                        let leave = async { tokio::select! { ended = &mut run => ended, _ = hands.attend(&desk) => Ok(()) } };
                        tokio::time::timeout(LEAVING, leave).await.unwrap_or(Ok(()))
                    } else {
                        Ok(())
                    }
                },
            }
        };
        printer.quiet();
        let progress = progress.into_inner();
        summarize(&printer, job, &progress);
        if let Some(ladder) = ladder.filter(|ladder| !ladder.borrow().entries().is_empty()) {
            let lines: Vec<_> = ladder.borrow().to_string().lines().map(plain).collect();
            printer.say("ladder", json!({ "lines": lines }), format_args!("\n{}", lines.join("\n")));
        }
        match ended {
            Ok(()) => Ok(progress.code()),
            Err(error) => Err(Fault::Failed(format!("the phone had to stop: {error}"))),
        }
    }
}

fn summarize(printer: &Printer, job: Job, progress: &Progress) {
    let tally = progress.tally();
    let many = match job {
        Job::Call { times } => times > 1,
        Job::Answer { times, .. } => times != Some(1),
    };
    if many {
        let calls = if tally.calls == 1 { "call" } else { "calls" };
        let mut text = format!("{} {calls}: {} completed", tally.calls, tally.completed);
        for (count, what) in [(tally.failed, "failed"), (tally.keying_refused, "refused for their keying")] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        printer.say("summary", tally, text);
    } else {
        printer.note("summary", tally);
    }
}

/// `bob` of `sip:bob@host`: what the ladder calls a phone.
pub(crate) fn user_of(uri: &Uri) -> String {
    uri.sip().and_then(SipUri::user_text).unwrap_or_else(|| uri.to_string())
}

/// The proxy that the requests of the first account go through.
pub(crate) fn proxy(config: &Config) -> Result<Option<Uri>, Fault> {
    let proxy = config.account.proxy.as_ref();
    proxy.map(|uri| uri.as_str().parse().map_err(|e| usage(format!("{uri} is no proxy's URI: {e}")))).transpose()
}

/// Shows what passes the sockets to whoever wants to see it.
fn tap(
    mut capture: Option<Capture<std::io::BufWriter<std::fs::File>>>,
    ladder: Option<Rc<RefCell<Ladder>>>,
    local: SocketAddr,
    printer: Rc<Printer>,
) -> impl FnMut(Seen<'_>) {
    move |seen| {
        if let Some(writer) = &mut capture
            && let Err(error) = writer.see(&seen)
        {
            tracing::error!(%error, "the capture ends here, for it cannot be written any more");
            capture = None;
        }
        // Media has ports of its own.
        if let Some(ladder) = &ladder
            && [seen.from, seen.to].contains(&local)
        {
            let line = plain(&ladder.borrow_mut().line(seen.at.mono, seen.from, seen.to, seen.transport, seen.bytes));
            let fields = json!({ "from": seen.from, "to": seen.to, "line": line });
            printer.say("trace", fields, &line);
        }
    }
}
