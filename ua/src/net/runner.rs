//! Steps an [`Endpoint`] in real time over real sockets.

use super::dns::Resolver;
use super::fetch::Fetcher;
use super::media::{MediaSockets, PAUSE};
use super::sip::{SipSide, Sockets};
use super::tap::{Seen, Tap};
use super::{Clock, OsRng};
use crate::endpoint::{Command, Endpoint, Input, Output};
use crate::event::Event;
use crate::locate::{Answer, Question};
use crate::transaction::Transport;
use keyphone_keying::Url;
use keyphone_media::env::{Env, Now};
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// What the reading tasks hand over.
pub(super) enum Arrived {
    Sip { from: SocketAddr, transport: Transport, bytes: Vec<u8> },
    Media { at: SocketAddr, from: SocketAddr, bytes: Vec<u8> },
    Connection { stream: TcpStream, from: SocketAddr, transport: Transport },
    Failed { to: SocketAddr, transport: Transport, why: String, broken: Option<Broken> },
    Found { question: Question, answer: Answer },
    Fetched { url: Url, result: Result<Vec<u8>, String> },
}

/// A connection ended otherwise than in peace.
pub(super) enum Broken {
    /// We made it, over TLS for this host.
    Ours(Option<Arc<str>>),
    /// Somebody else did.
    Theirs,
}

/// Should the runner go on after an event?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Yes, go on.
    NotYet,
    /// Stop as soon as what is queued has left.
    Now,
}

/// One endpoint, its sockets and its clock.
pub struct Runner {
    endpoint: Endpoint,
    clock: Clock,
    local: SocketAddr,
    sip: SipSide,
    resolver: Resolver,
    fetcher: Option<Fetcher>,
    to_us: mpsc::Sender<Arrived>,
    last_told: Option<tokio::time::Instant>,
    media: MediaSockets,
    had_ports: bool,
    /// When to look for media ports again, after there were none.
    look_again: Option<tokio::time::Instant>,
    arrived: mpsc::Receiver<Arrived>,
    /// Media comes by a way of its own, so that it waits for nobody's SIP.
    heard: mpsc::Receiver<Arrived>,
    tap: Option<Tap>,
    watch: Option<Watch>,
    key_log: Option<Box<dyn FnMut(Zeroizing<String>)>>,
}

/// What looks at a running endpoint.
pub type Look = Box<dyn FnMut(Now, &Endpoint)>;

/// Somebody who looks at the endpoint from time to time.
struct Watch {
    every: Duration,
    next: tokio::time::Instant,
    look: Look,
}

/// So many media packets, and then a SIP message if there is one.
const MEDIA_AT_ONCE: usize = 16;

/// So many steps without a pause, and then those have a turn who read from sockets: what media has arrived waits no longer
/// than that for SIP.
const TURNS: u32 = 4;

/// A look at all media ports costs milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl Runner {
    /// Media ports come from `media_ports`, on the address of the SIP port.
    pub fn new(endpoint: Endpoint, sockets: Sockets, media_ports: RangeInclusive<u16>, clock: Clock) -> Self {
        let (to, arrived) = mpsc::channel(256);
        let (media_to, heard) = mpsc::channel(256);
        let local = sockets.local();
        let media = MediaSockets::new(local.ip(), media_ports, media_to);
        let sip = SipSide::start(sockets, to.clone());
        let (had_ports, look_again, tap, watch, key_log) = (false, None, None, None, None);
        Self {
            endpoint,
            clock,
            local,
            sip,
            resolver: Resolver::default(),
            fetcher: None,
            to_us: to,
            last_told: None,
            media,
            had_ports,
            look_again,
            arrived,
            heard,
            tap,
            watch,
            key_log,
        }
    }

    /// Shows `tap` all that is sent and received from now on.
    #[must_use]
    pub fn with_tap(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Lets `look` see the endpoint so often while it runs: to show how its calls go, for instance.
    #[must_use]
    pub fn with_watch(mut self, every: Duration, look: Look) -> Self {
        self.watch = Some(Watch { every, next: tokio::time::Instant::now() + every, look });
        self
    }

    /// Fetches certificates from now on, if policy lets the endpoint ask for any.
    #[must_use]
    pub fn with_fetcher(mut self, fetcher: Fetcher) -> Self {
        self.fetcher = Some(fetcher);
        self
    }

    /// Gives `write` each line of the key log. There is none unless policy lets keys be revealed.
    #[must_use]
    pub fn with_key_log(mut self, write: Box<dyn FnMut(Zeroizing<String>)>) -> Self {
        self.key_log = Some(write);
        self
    }

    /// Runs until `on_event` says stop, or until nobody can send commands any more.
    pub async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut on_event: impl FnMut(Now, Event) -> Stop,
    ) -> io::Result<()> {
        let mut out = vec![];
        let mut turns = 0;
        loop {
            self.open_ports(&mut out).await?;
            if self.flush(&mut out, &mut on_event) == Stop::Now {
                break;
            }
            // Tokio looks at the clock only between tasks, and there may be much to do before that. Media is sent in time.
            let was_due = self.endpoint.next_timeout().is_some_and(|at| at <= self.clock.now().mono);
            if was_due {
                self.step(Input::Timeout, &mut out);
                if self.flush(&mut out, &mut on_event) == Stop::Now {
                    break;
                }
            }
            turns = if was_due || !self.arrived.is_empty() { turns + 1 } else { 0 };
            if turns > TURNS {
                turns = 0;
                tokio::task::yield_now().await;
            }
            let look_again = self.look_again.filter(|_| self.endpoint.ports_wanted() > 0);
            let timeout = self.endpoint.next_timeout().map(|at| self.clock.at(at));
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.step(Input::Command(command), &mut out),
                    None => break,
                },
                Some(heard) = self.heard.recv() => {
                    self.arrive(heard, &mut out);
                    self.hear_more(&mut out);
                }
                Some(arrived) = self.arrived.recv() => self.arrive(arrived, &mut out),
                // Should another timer be due already, others are not kept out by it.
                () = std::future::ready(()), if was_due => {}
                () = sleep_until(timeout) => {}
                () = sleep_until(look_again) => {}
                () = sleep_until(self.watch.as_ref().map(|watch| watch.next)) => self.look(),
            }
        }
        self.sip.stop().await;
        Ok(())
    }

    /// Keeps ports ready for the next calls. Where none are free, those who call are refused until some are: the calls
    /// that we have must go on.
    async fn open_ports(&mut self, out: &mut Vec<Output>) -> io::Result<()> {
        while self.endpoint.ports_wanted() > 0 {
            let now = tokio::time::Instant::now();
            if self.look_again.is_some_and(|at| at > now) {
                break;
            }
            match self.media.open_pair().await {
                Ok(ports) => {
                    (self.had_ports, self.look_again) = (true, None);
                    self.step(Input::Ports(ports), out);
                }
                // A phone that never had any would be of no use.
                Err(error) if !self.had_ports => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "no more calls for now");
                    self.look_again = Some(now + LOOK_AGAIN);
                }
            }
        }
        Ok(())
    }

    /// Media goes before SIP, but a flood of it must not keep SIP out.
    fn hear_more(&mut self, out: &mut Vec<Output>) {
        for _ in 1..MEDIA_AT_ONCE {
            let Ok(heard) = self.heard.try_recv() else { break };
            self.arrive(heard, out);
        }
        if let Ok(arrived) = self.arrived.try_recv() {
            self.arrive(arrived, out);
        }
    }

    fn arrive(&mut self, arrived: Arrived, out: &mut Vec<Output>) {
        match arrived {
            Arrived::Sip { from, transport, bytes } => {
                self.show(false, from, self.local, transport, &bytes);
                self.step(Input::Sip { from, transport, bytes: &bytes }, out);
            }
            Arrived::Media { at, from, bytes } => {
                self.show(false, from, at, Transport::Udp, &bytes);
                self.step(Input::Media { at, from, bytes: &bytes }, out);
            }
            Arrived::Connection { stream, from, transport } => {
                self.sip.accepted(stream, from, transport, || self.endpoint.peers());
            }
            Arrived::Failed { to, transport, why, broken } => {
                self.tell(to, transport, &why, broken, out);
                self.step(Input::TransportFailed { to, transport, why }, out);
            }
            Arrived::Fetched { url, result } => self.step(Input::Fetched { url, result }, out),
            Arrived::Found { question, answer } => self.step(Input::Found { question, answer }, out),
        }
    }

    /// Tells of a connection that broke. Of those that strangers make one in a second is enough: they could make many.
    fn tell(
        &mut self,
        to: SocketAddr,
        transport: Transport,
        what: &str,
        broken: Option<Broken>,
        out: &mut Vec<Output>,
    ) {
        let peer = match broken {
            None => return,
            Some(Broken::Ours(Some(name))) => format!("{name} at {to} over {transport}"),
            Some(Broken::Ours(None)) => format!("{to} over {transport}"),
            Some(Broken::Theirs) => {
                let now = tokio::time::Instant::now();
                if self.last_told.is_some_and(|at| now - at < Duration::from_secs(1)) {
                    return;
                }
                self.last_told = Some(now);
                format!("{to} over {transport}")
            }
        };
        out.push(Output::Event(Event::NetworkTrouble { peer, what: what.to_owned() }));
    }

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Output>) {
        let env = &mut Env { now: self.clock.now(), rng: &mut OsRng };
        self.endpoint.handle(input, env, out);
    }

    fn look(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.next = tokio::time::Instant::now() + watch.every;
            (watch.look)(self.clock.now(), &self.endpoint);
        }
    }

    fn show(&mut self, sent: bool, from: SocketAddr, to: SocketAddr, transport: Transport, bytes: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap(Seen { at: self.clock.now(), sent, from, to, transport, bytes });
        }
    }

    fn flush(&mut self, out: &mut Vec<Output>, on_event: &mut impl FnMut(Now, Event) -> Stop) -> Stop {
        let mut stop = Stop::NotYet;
        for output in out.drain(..) {
            match output {
                Output::Lookup(question) => self.resolver.look_up(question, self.to_us.clone()),
                // Without one the endpoint waits in vain, and says so.
                Output::Fetch(url) => self.fetcher.iter().for_each(|f| f.start(url.clone(), self.to_us.clone())),
                Output::Sip { to, transport, name, bytes } => {
                    self.show(true, self.local, to, transport, &bytes);
                    self.sip.send(to, transport, name, bytes);
                }
                Output::Media { from, to, packet } => {
                    self.show(true, from, to, Transport::Udp, packet.bytes());
                    self.media.send(from, to, packet.bytes());
                }
                Output::Keying { from, to, packet } => {
                    self.show(true, from, to, Transport::Udp, packet.bytes());
                    self.media.send(from, to, packet.bytes());
                }
                Output::Release(ports) => {
                    self.media.close(ports);
                    // Its readers let go of the sockets as soon as they come to run.
                    self.look_again = self.look_again.map(|_| tokio::time::Instant::now() + PAUSE);
                }
                // Over real sockets, recordings are files.
                Output::Recorded(..) => {}
                Output::KeyLog(line) => {
                    if let Some(write) = &mut self.key_log {
                        write(line);
                    }
                }
                Output::Event(event) => {
                    if on_event(self.clock.now(), event) == Stop::Now {
                        stop = Stop::Now;
                    }
                }
            }
        }
        stop
    }
}

/// For ever, if there is no such time.
async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
