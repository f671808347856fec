//! Endpoints, the link between them, and one clock.

use crate::link::Link;
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_ua::endpoint::{Command, Endpoint, Input, MediaPorts, Output, Recording};
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::Settings;
use keyphone_ua::transaction::Transport;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// A seeded source of chance.
pub struct Dice(ChaCha8Rng);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        self.0.fill_bytes(buf);
    }
}

/// One datagram, or one message over TCP, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it left.
    pub at: Instant,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Over what. Media is always UDP.
    pub transport: Transport,
    /// Is it media, rather than SIP?
    pub media: bool,
    /// The payload.
    pub bytes: Vec<u8>,
    /// When it arrived: never, once, or twice.
    pub arrived: Vec<Instant>,
}

/// An endpoint and what it said.
pub struct Node {
    /// What the ladder calls it.
    pub name: String,
    /// The phone itself.
    pub endpoint: Endpoint,
    /// All that it told, in order.
    pub events: Vec<(Instant, Event)>,
    /// What it recorded in memory.
    pub recordings: Vec<(CallId, Recording)>,
    /// The lines of its key log, if policy lets there be one.
    pub key_log: Vec<Zeroizing<String>>,
    sip: SocketAddr,
    dice: Dice,
    next_port: u16,
}

/// Endpoints, the link between them, and one clock.
pub struct World {
    now: Instant,
    link: Link,
    dice: ChaCha8Rng,
    nodes: Vec<Node>,
    on_the_way: BTreeMap<(Instant, u64), Delivery>,
    deliveries: u64,
    log: Vec<Sent>,
}

struct Delivery {
    from: SocketAddr,
    to: SocketAddr,
    transport: Transport,
    bytes: Vec<u8>,
}

impl World {
    /// Wall-clock time when a world begins: 2026-01-01, so that timestamps look like timestamps.
    const BEGAN: NtpTime = NtpTime::from_unix(Duration::from_secs(1_767_225_600));

    /// An empty world.
    pub fn new(seed: u64, link: Link) -> Self {
        Self {
            now: Instant::ZERO,
            link,
            dice: ChaCha8Rng::seed_from_u64(seed),
            nodes: vec![],
            on_the_way: BTreeMap::new(),
            deliveries: 0,
            log: vec![],
        }
    }

    /// Puts a phone into the world; its number is what the other calls take.
    pub fn add(&mut self, name: &str, settings: Settings) -> usize {
        let sip = settings.sip;
        let dice = Dice(ChaCha8Rng::seed_from_u64(self.dice.next_u64()));
        let mut node = Node {
            name: name.into(),
            endpoint: Endpoint::new(settings, &self.clock()),
            events: vec![],
            recordings: vec![],
            key_log: vec![],
            sip,
            dice,
            next_port: 40_000,
        };
        node.top_up(self.clock());
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// What time it is in this world.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Both clocks of this world.
    pub fn clock(&self) -> Now {
        Now { mono: self.now, ntp: Self::BEGAN + Duration::from_micros(self.now.as_micros()) }
    }

    /// A phone of this world.
    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// All that was sent so far, with its fate.
    pub fn log(&self) -> &[Sent] {
        &self.log
    }

    /// Changes the weather.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// Tells a phone to do something.
    pub fn command(&mut self, node: usize, command: Command) {
        self.step_node(node, Input::Command(command));
    }

    /// Sends a datagram out of nowhere, as an attacker does. It arrives at once.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.deliver(Delivery { from, to, transport: Transport::Udp, bytes: bytes.into() });
    }

    /// Goes on until nothing is left to happen, or until `until`.
    pub fn run(&mut self, until: Instant) {
        while self.step(until) {}
    }

    fn step(&mut self, until: Instant) -> bool {
        let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        let timers = self.nodes.iter().enumerate().filter_map(|(i, n)| Some((n.endpoint.next_timeout()?, i)));
        let timer = timers.min();
        let next = arrival.into_iter().chain(timer.map(|(at, _)| at)).min();
        let Some(next) = next.filter(|at| *at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        match timer {
            Some((at, node)) if arrival.is_none_or(|a| at < a) => self.step_node(node, Input::Timeout),
            _ => {
                if let Some((_, delivery)) = self.on_the_way.pop_first() {
                    self.deliver(delivery);
                }
            }
        }
        true
    }

    fn deliver(&mut self, Delivery { from, to, transport, bytes }: Delivery) {
        if let Some(node) = self.nodes.iter().position(|n| n.sip == to) {
            return self.step_node(node, Input::Sip { from, transport, bytes: &bytes });
        }
        if let Some(node) = self.nodes.iter().position(|n| n.sip.ip() == to.ip()) {
            self.step_node(node, Input::Media { at: to, from, bytes: &bytes });
        }
    }

    fn step_node(&mut self, number: usize, input: Input<'_>) {
        let (now, mut out) = (self.clock(), vec![]);
        let node = &mut self.nodes[number];
        node.endpoint.handle(input, &mut Env { now, rng: &mut node.dice }, &mut out);
        node.top_up(now);
        let sip = node.sip;
        for output in out {
            match output {
                Output::Sip { to, transport, bytes } => self.send(sip, to, transport, false, bytes),
                Output::Media { from, to, packet } => {
                    self.send(from, to, Transport::Udp, true, packet.bytes().to_vec());
                }
                Output::Keying { from, to, packet } => {
                    self.send(from, to, Transport::Udp, true, packet.bytes().to_vec());
                }
                Output::Event(event) => self.nodes[number].events.push((now.mono, event)),
                Output::Recorded(call, recording) => self.nodes[number].recordings.push((call, recording)),
                Output::KeyLog(line) => self.nodes[number].key_log.push(line),
                Output::Release(_) => {}
            }
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, transport: Transport, media: bool, bytes: Vec<u8>) {
        let delays = match transport {
            Transport::Udp => self.link.fate(&mut self.dice),
            Transport::Tcp => vec![self.link.latency],
        };
        let arrived: Vec<_> = delays.into_iter().map(|d| self.now + d).collect();
        for at in &arrived {
            let delivery = Delivery { from, to, transport, bytes: bytes.clone() };
            self.on_the_way.insert((*at, self.deliveries), delivery);
            self.deliveries += 1;
        }
        self.log.push(Sent { at: self.now, from, to, transport, media, bytes, arrived });
    }
}

impl Node {
    /// A simulated phone never runs out of ports.
    fn top_up(&mut self, now: Now) {
        while self.endpoint.ports_wanted() > 0 {
            let at = |port| SocketAddr::new(self.sip.ip(), port);
            let ports = MediaPorts { rtp: at(self.next_port), rtcp: at(self.next_port + 1) };
            self.next_port = if self.next_port > 60_000 { 40_000 } else { self.next_port + 2 };
            let env = &mut Env { now, rng: &mut self.dice };
            self.endpoint.handle(Input::Ports(ports), env, &mut vec![]);
        }
    }
}
