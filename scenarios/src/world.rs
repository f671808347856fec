//! Endpoints, the link between them, and one clock: simulated, unless [`crate::live`] gives it real sockets.

mod between;
mod clock;
mod dice;
mod real;

pub use dice::Dice;
pub(crate) use real::Leaving;

use crate::attacker::{Attacker, Forged};
use crate::link::Link;
use crate::place::Place;
use crate::proxy::{self, Proxy};
use crate::web::Web;
use crate::zone::Zone;
use between::Between;
use clock::Skew;
use keyphone_keying::Policy;
use keyphone_media::env::{Env, Instant, NtpTime};
use keyphone_ua::endpoint::{Command, Endpoint, Input, MediaPorts, Output, Recording};
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::Settings;
use keyphone_ua::transaction::Transport;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use real::Real;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

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

/// What somebody on the way does with what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Middle {
    /// Lets it pass.
    Pass,
    /// Keeps it.
    Drop,
    /// Lets it pass so much later.
    Hold(Duration),
    /// Sends this on instead.
    Change(Vec<u8>),
}

impl Middle {
    fn befall(self, sent: &mut Sent) {
        match self {
            Self::Pass => {}
            Self::Drop => sent.arrived.clear(),
            Self::Hold(longer) => sent.arrived.iter_mut().for_each(|at| *at = *at + longer),
            Self::Change(bytes) => sent.bytes = bytes,
        }
    }
}

/// Somebody on the way, who sees all that is sent.
pub type InTheMiddle = Box<dyn FnMut(&Sent) -> Middle>;

/// How the link treats what is sent, if it treats not everything alike.
pub type Weather = Box<dyn Fn(&Sent) -> Link>;

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
    /// What it may do.
    pub policy: Policy,
    place: Place,
    dice: Dice,
    next_port: u16,
    skew: Skew,
}

/// Whose timer fires next, or who gets what has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Phone(usize),
    Proxy(usize),
    Attacker(usize),
}

impl Node {
    /// Where it speaks SIP.
    pub fn sip(&self) -> SocketAddr {
        self.place.sip()
    }

    /// What is its.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

/// Endpoints, the link between them, and one clock.
pub struct World {
    now: Instant,
    link: Link,
    weather: Option<Weather>,
    dice: ChaCha8Rng,
    nodes: Vec<Node>,
    proxies: Vec<Between>,
    attackers: Vec<Box<dyn Attacker>>,
    on_the_way: BTreeMap<(Instant, u64), Delivery>,
    deliveries: u64,
    /// Whose media port is where.
    ports: BTreeMap<SocketAddr, usize>,
    zone: Zone,
    web: Web,
    middle: Option<InTheMiddle>,
    log: Vec<Sent>,
    forged: Vec<Sent>,
    began: NtpTime,
    /// Where real sockets carry what is sent.
    real: Option<Real>,
}

struct Delivery {
    from: SocketAddr,
    to: SocketAddr,
    transport: Transport,
    /// The host that TLS must prove.
    name: Option<Arc<str>>,
    media: bool,
    bytes: Vec<u8>,
}

impl World {
    /// An empty world.
    pub fn new(seed: u64, link: Link) -> Self {
        Self {
            now: Instant::ZERO,
            link,
            weather: None,
            dice: ChaCha8Rng::seed_from_u64(seed),
            nodes: vec![],
            proxies: vec![],
            attackers: vec![],
            on_the_way: BTreeMap::new(),
            deliveries: 0,
            ports: BTreeMap::new(),
            zone: Zone::default(),
            web: Web::default(),
            middle: None,
            log: vec![],
            forged: vec![],
            began: Self::BEGAN,
            real: None,
        }
    }

    /// Puts a proxy into the world.
    pub fn add_proxy(&mut self, setup: proxy::Setup) -> usize {
        let dice = self.new_dice();
        self.proxies.push(Between { proxy: Proxy::new(setup), dice });
        self.proxies.len() - 1
    }

    /// Puts somebody on the way who sees all that is sent from now on, after those who are there already.
    pub fn add_attacker(&mut self, attacker: Box<dyn Attacker>) {
        self.attackers.push(attacker);
    }

    /// Puts a phone into the world; its number is what the other calls take.
    pub fn add(&mut self, name: &str, settings: Settings) -> usize {
        let place = Place::Host(settings.sip);
        self.add_at(name, settings, place)
    }

    /// The same, for a phone that may share its host with others.
    pub fn add_at(&mut self, name: &str, settings: Settings, place: Place) -> usize {
        let dice = self.new_dice();
        self.nodes.push(Node {
            policy: settings.policy.clone(),
            name: name.into(),
            endpoint: Endpoint::new(settings, &self.clock()),
            events: vec![],
            recordings: vec![],
            key_log: vec![],
            place,
            dice,
            next_port: FIRST_PORT,
            skew: Skew::default(),
        });
        self.top_up(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// What time it is in this world.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A phone of this world.
    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// All phones, in the order of their numbers.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many media ports a phone holds, those that it has ready for the next calls included.
    pub fn open_ports(&self, node: usize) -> usize {
        self.ports.values().filter(|owner| **owner == node).count()
    }

    /// All that was sent so far, with its fate.
    pub fn log(&self) -> &[Sent] {
        &self.log
    }

    /// What attackers sent so far, or changed on its way: as it arrived, under the name that it bore.
    pub fn forged(&self) -> &[Sent] {
        &self.forged
    }

    /// The weather where it is not said otherwise.
    pub fn link(&self) -> Link {
        self.link
    }

    /// Changes the weather.
    pub fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// From now on the weather is not the same everywhere.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = Some(weather);
    }

    /// Puts somebody on the way who sees, and may keep or change, all that is sent from now on.
    pub fn set_middle(&mut self, middle: InTheMiddle) {
        self.middle = Some(middle);
    }

    /// What the name servers of this world know.
    pub fn zone(&mut self) -> &mut Zone {
        &mut self.zone
    }

    /// What the web servers of this world have.
    pub fn web(&mut self) -> &mut Web {
        &mut self.web
    }

    /// Tells a phone to do something.
    pub fn command(&mut self, node: usize, command: Command) {
        self.step_node(node, Input::Command(command));
    }

    /// Sends a datagram out of nowhere, as an attacker does. It arrives at once.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.hand_over(from, to, Transport::Udp, bytes);
    }

    /// Goes on until nothing is left to happen, or until `until`.
    pub fn run(&mut self, until: Instant) {
        while self.step(until) {}
    }

    fn step(&mut self, until: Instant) -> bool {
        let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        let timer = self.next_timer();
        let answer = self.zone.next();
        let page = self.web.next();
        let next = arrival.into_iter().chain(timer.map(|(at, _)| at)).chain(answer).chain(page).min();
        let Some(next) = next.filter(|at| *at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        if answer == Some(next)
            && let Some((node, question, answer)) = self.zone.pop()
        {
            self.step_node(node, Input::Found { question, answer });
            return true;
        }
        if page == Some(next)
            && let Some((node, fetched)) = self.web.pop()
        {
            self.step_node(node, fetched);
            return true;
        }
        match timer {
            Some((at, who)) if arrival.is_none_or(|a| at < a) => match who {
                Who::Phone(node) => self.step_node(node, Input::Timeout),
                Who::Proxy(proxy) => self.step_proxy(proxy, proxy::Input::Timeout),
                Who::Attacker(attacker) => {
                    let mut forged = vec![];
                    self.attackers[attacker].timeout(self.now, &mut forged);
                    self.forge(forged);
                }
            },
            _ => {
                if let Some((_, delivery)) = self.on_the_way.pop_first() {
                    match &mut self.real {
                        Some(real) => real.leave(delivery),
                        None => self.hand_over(delivery.from, delivery.to, delivery.transport, &delivery.bytes),
                    }
                }
            }
        }
        true
    }

    fn next_timer(&self) -> Option<(Instant, Who)> {
        let phones = self.nodes.iter().enumerate();
        let phones = phones.filter_map(|(n, node)| Some((node.endpoint.next_timeout()?, Who::Phone(n))));
        let proxies = self.proxies.iter().enumerate();
        let proxies = proxies.filter_map(|(n, between)| Some((between.proxy.next_timeout()?, Who::Proxy(n))));
        let attackers = self.attackers.iter().enumerate();
        let attackers = attackers.filter_map(|(n, attacker)| Some((attacker.next_timeout()?, Who::Attacker(n))));
        phones.chain(proxies).chain(attackers).min()
    }

    fn hand_over(&mut self, from: SocketAddr, to: SocketAddr, transport: Transport, bytes: &[u8]) {
        if let Some(proxy) = self.proxies.iter().position(|between| between.proxy.sip() == to) {
            return self.step_proxy(proxy, proxy::Input::Sip { from, transport, bytes });
        }
        if let Some(node) = self.nodes.iter().position(|n| n.sip() == to) {
            return self.step_node(node, Input::Sip { from, transport, bytes });
        }
        if let Some(node) = self.ports.get(&to) {
            return self.step_node(*node, Input::Media { at: to, from, bytes });
        }
        // Nobody is there. Over UDP nobody notices.
        if let Some(sender) = self.nodes.iter().position(|n| n.sip() == from).filter(|_| transport.is_reliable()) {
            self.step_node(sender, Input::TransportFailed { to, transport, why: String::new() });
        }
        let proxy = self.proxies.iter().position(|between| between.proxy.sip() == from);
        if let Some(proxy) = proxy.filter(|_| transport.is_reliable()) {
            self.step_proxy(proxy, proxy::Input::TransportFailed { to, transport, why: String::new() });
        }
    }

    fn step_proxy(&mut self, number: usize, input: proxy::Input<'_>) {
        let (now, mut out) = (self.clock(), vec![]);
        let Between { proxy, dice } = &mut self.proxies[number];
        proxy.handle(input, &mut Env { now, rng: dice }, &mut out);
        let sip = proxy.sip();
        for proxy::Outgoing { to, transport, bytes } in out {
            self.send(Delivery { from: sip, to, transport, name: None, media: false, bytes });
        }
    }

    fn step_node(&mut self, number: usize, input: Input<'_>) {
        let (now, mut out) = (self.clock_of(number), vec![]);
        let node = &mut self.nodes[number];
        node.endpoint.handle(input, &mut Env { now, rng: &mut node.dice }, &mut out);
        let sip = node.sip();
        self.top_up(number);
        for output in out {
            match output {
                Output::Fetch(url) => self.web.ask(number, url, self.now),
                Output::Lookup(question) => match &mut self.real {
                    Some(real) => real.questions.push((number, question)),
                    None => self.zone.ask(number, question, self.now),
                },
                Output::Sip { to, transport, name, bytes } => {
                    self.send(Delivery { from: sip, to, transport, name, media: false, bytes });
                }
                Output::Media { from, to, packet } => self.send(Delivery::media(from, to, packet.bytes())),
                Output::Keying { from, to, packet } => self.send(Delivery::media(from, to, packet.bytes())),
                Output::Event(event) => self.nodes[number].events.push((now.mono, event)),
                Output::Recorded(call, recording) => self.nodes[number].recordings.push((call, recording)),
                Output::KeyLog(line) => self.nodes[number].key_log.push(line),
                Output::Release(MediaPorts { rtp, rtcp }) => {
                    self.ports.remove(&rtp);
                    self.ports.remove(&rtcp);
                    if let Some(real) = &mut self.real {
                        real.released.push((number, MediaPorts { rtp, rtcp }));
                    }
                }
            }
        }
    }

    fn send(&mut self, delivery: Delivery) {
        let Delivery { from, to, transport, name, media, bytes } = delivery;
        let whom = self.real.as_ref().map_or(to, |real| real.whose(to));
        let mut sent = Sent { at: self.now, from, to: whom, transport, media, bytes, arrived: vec![] };
        let link = self.weather.as_ref().map_or(self.link, |weather| weather(&sent));
        let delays = match transport {
            Transport::Udp => link.fate(&mut self.dice),
            Transport::Tcp | Transport::Tls => vec![link.latency],
        };
        sent.arrived = delays.into_iter().map(|d| self.now + d).collect();
        let original = sent.bytes.clone();
        if let Some(middle) = &mut self.middle {
            let fate = middle(&sent);
            fate.befall(&mut sent);
        }
        let mut forged = vec![];
        for attacker in &mut self.attackers {
            let fate = attacker.sees(&sent, &mut forged);
            fate.befall(&mut sent);
        }
        for at in &sent.arrived {
            let delivery = Delivery { from, to, transport, name: name.clone(), media, bytes: sent.bytes.clone() };
            self.on_the_way.insert((*at, self.deliveries), delivery);
            self.deliveries += 1;
        }
        let arrives_as = (sent.bytes != original).then(|| std::mem::replace(&mut sent.bytes, original));
        if let Some(bytes) = &arrives_as {
            self.forged.push(Sent { bytes: bytes.clone(), ..sent.clone() });
        }
        self.expect_arrival(&mut sent, arrives_as);
        self.log.push(sent);
        self.forge(forged);
    }

    /// What attackers send takes as long as they say, and arrives.
    fn forge(&mut self, forged: Vec<Forged>) {
        for Forged { after, from, to, media, bytes } in forged {
            let (at, transport) = (self.now + after, Transport::Udp);
            let delivery = Delivery { from, to, transport, name: None, media, bytes: bytes.clone() };
            self.on_the_way.insert((at, self.deliveries), delivery);
            self.deliveries += 1;
            self.expect_forged((from, to), &bytes);
            self.forged.push(Sent { at: self.now, from, to, transport, media, bytes, arrived: vec![at] });
        }
    }

    /// A simulated phone never runs out of ports. Real ones are opened elsewhere.
    fn top_up(&mut self, number: usize) {
        if self.real.is_some() {
            return;
        }
        let now = self.clock_of(number);
        let node = &mut self.nodes[number];
        while node.endpoint.ports_wanted() > 0 {
            let at = |port| SocketAddr::new(node.place.ip(), port);
            let ports = MediaPorts { rtp: at(node.next_port), rtcp: at(node.next_port + 1) };
            node.next_port = if node.next_port >= LAST_PORT { FIRST_PORT } else { node.next_port + 2 };
            if self.ports.contains_key(&ports.rtp) {
                continue;
            }
            self.ports.insert(ports.rtp, number);
            self.ports.insert(ports.rtcp, number);
            let env = &mut Env { now, rng: &mut node.dice };
            node.endpoint.handle(Input::Ports(ports), env, &mut vec![]);
        }
    }
}

/// Media ports are handed out from here, to here.
const FIRST_PORT: u16 = 40_000;
const LAST_PORT: u16 = 60_000;

#[cfg(test)]
impl World {
    /// Puts words into a phone's mouth: what no phone of ours says must be seen all the same.
    pub(crate) fn pretend(&mut self, node: usize, event: Event) {
        let now = self.now;
        self.nodes[node].events.push((now, event));
    }
}
