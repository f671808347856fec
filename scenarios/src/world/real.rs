//! A world whose sockets are real. Phones, proxies, links and attackers are the same; what is due to arrive in a
//! simulated world is due to leave here, and arrives when a socket says so.

use super::{Delivery, Dice, Sent, World};
use keyphone_media::env::{Instant, NtpTime};
use keyphone_ua::endpoint::{Input, MediaPorts};
use keyphone_ua::locate::{Answer, Question};
use keyphone_ua::transaction::Transport;
use rand_chacha::rand_core::Rng as _;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// What real sockets are to do, and what they are to bring.
#[derive(Default)]
pub(super) struct Real {
    leaving: Vec<Leaving>,
    pub(super) questions: Vec<(usize, Question)>,
    pub(super) released: Vec<(usize, MediaPorts)>,
    /// What was sent to one of us and has not arrived. A stream comes from and goes to ports that only TCP knows, so that
    /// its bytes must do.
    under_way: BTreeMap<Packet, VecDeque<UnderWay>>,
    /// Where those take SIP who are not ours.
    outside: Vec<SocketAddr>,
    /// Ports from which somebody has made a connection, and where he takes SIP.
    aliases: BTreeMap<SocketAddr, SocketAddr>,
    /// What came from outside: packets, and their bytes.
    came: (usize, usize),
}

/// Where it is to arrive, unless it is part of a stream; and its bytes.
type Packet = (Option<SocketAddr>, Vec<u8>);

/// Something that one of us has sent.
#[derive(Clone, Copy)]
struct UnderWay {
    sender: SocketAddr,
    /// Its place in the log; none, if an attacker sent or changed it.
    number: Option<usize>,
}

/// What is to leave by a real socket, now.
pub(crate) struct Leaving {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) media: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Real {
    /// All that comes is kept until it is judged: so many packets from outside, and so many bytes of them. A hundred phones
    /// that talk for a minute send 600,000.
    const MOST_CAME: (usize, usize) = (1_000_000, 256 << 20);
    const MOST_ALIASES: usize = 4_096;

    pub(super) fn leave(&mut self, delivery: Delivery) {
        let Delivery { from, to, transport, name, media, bytes } = delivery;
        self.leaving.push(Leaving { from, to, transport, name, media, bytes });
    }
}

impl Delivery {
    pub(super) fn media(from: SocketAddr, to: SocketAddr, packet: &[u8]) -> Self {
        Self { from, to, transport: Transport::Udp, name: None, media: true, bytes: packet.to_vec() }
    }
}

impl World {
    /// From now on, and before anybody is put into it, this world has real sockets: its clock began then.
    /// `outside` is where those take SIP who are not in it.
    pub(crate) fn on_real_sockets(&mut self, began: NtpTime, outside: Vec<SocketAddr>) {
        self.began = began;
        self.real = Some(Real { outside, ..Real::default() });
    }

    pub(super) fn new_dice(&mut self) -> Dice {
        match self.real {
            None => Dice::new(self.dice.next_u64()),
            Some(_) => Dice::of_the_system(),
        }
    }

    /// When something is to be done though nothing arrives.
    pub(crate) fn next(&self) -> Option<Instant> {
        let leaves = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        leaves.into_iter().chain(self.next_timer().map(|(at, _)| at)).min()
    }

    /// No phone and no proxy has anything left of any call, and nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        let phone = |node: &super::Node| node.endpoint.tables(self.now).iter().all(|fill| fill.entries == 0);
        let proxy = |between: &super::Between| between.proxy.transactions() + between.proxy.contexts() == 0;
        self.on_the_way.is_empty() && self.nodes.iter().all(phone) && self.proxies.iter().all(proxy)
    }

    /// What is to leave now.
    pub(crate) fn leaving(&mut self) -> Vec<Leaving> {
        self.real.as_mut().map(|real| std::mem::take(&mut real.leaving)).unwrap_or_default()
    }

    /// What phones ask the name servers.
    pub(crate) fn questions(&mut self) -> Vec<(usize, Question)> {
        self.real.as_mut().map(|real| std::mem::take(&mut real.questions)).unwrap_or_default()
    }

    /// Media ports that phones need no longer.
    pub(crate) fn released(&mut self) -> Vec<(usize, MediaPorts)> {
        self.real.as_mut().map(|real| std::mem::take(&mut real.released)).unwrap_or_default()
    }

    /// How many more pairs of media ports a phone would like to have.
    pub(crate) fn ports_wanted(&self, node: usize) -> usize {
        self.nodes[node].endpoint.ports_wanted()
    }

    /// Gives a phone a pair of media ports that is open.
    pub(crate) fn give_ports(&mut self, node: usize, ports: MediaPorts) {
        self.ports.insert(ports.rtp, node);
        self.ports.insert(ports.rtcp, node);
        self.step_node(node, Input::Ports(ports));
    }

    /// Something has come to one of our sockets.
    pub(crate) fn arrives(&mut self, at: SocketAddr, from: SocketAddr, transport: Transport, bytes: &[u8]) {
        let media = self.ports.contains_key(&at);
        let place = (!transport.is_reliable()).then_some(at);
        match self.real.as_mut().and_then(|real| real.arrived(place, bytes)) {
            Some(UnderWay { sender, number }) => {
                if let Some(number) = number {
                    self.log[number].arrived.push(self.now);
                }
                if let Some(real) = self.real.as_mut().filter(|_| transport.is_reliable() && sender != from) {
                    real.is_also(from, sender);
                }
            }
            None if self.is_flooded() => return,
            None => {
                if let Some(real) = &mut self.real {
                    real.came = (real.came.0 + 1, real.came.1 + bytes.len());
                }
                let (bytes, arrived) = (bytes.to_vec(), vec![self.now]);
                let from = self.real.as_mut().map_or(from, |real| real.known(from, transport));
                self.log.push(Sent { at: self.now, from, to: at, transport, media, bytes, arrived });
            }
        }
        self.hand_over(from, at, transport, bytes);
    }

    /// Has somebody who plays made a connection from there?
    pub(crate) fn has_connection(&self, addr: SocketAddr) -> bool {
        self.real.as_ref().is_some_and(|real| real.aliases.contains_key(&addr))
    }

    /// More came from outside than can be kept: nobody could judge what happens from now on.
    pub(crate) fn is_flooded(&self) -> bool {
        let (packets, bytes) = Real::MOST_CAME;
        self.real.as_ref().is_some_and(|real| real.came.0 >= packets || real.came.1 >= bytes)
    }

    /// What a phone or a proxy of ours has sent did not leave, or was not wanted.
    pub(crate) fn failed(&mut self, sender: SocketAddr, to: SocketAddr, transport: Transport, why: String) {
        if let Some(node) = self.nodes.iter().position(|node| node.sip() == sender) {
            return self.step_node(node, Input::TransportFailed { to, transport, why });
        }
        if let Some(proxy) = self.proxies.iter().position(|between| between.proxy.sip() == sender) {
            self.step_proxy(proxy, super::proxy::Input::TransportFailed { to, transport, why });
        }
    }

    /// A name server has answered.
    pub(crate) fn found(&mut self, node: usize, question: Question, answer: Answer) {
        self.step_node(node, Input::Found { question, answer });
    }

    /// Over real sockets it is seen when something arrives, where it is one of us to whom it goes.
    pub(super) fn expect_arrival(&mut self, sent: &mut Sent, arrives_as: Option<Vec<u8>>) {
        let to_us = self.real.is_some() && self.is_ours(sent.to);
        let (number, changed) = (self.log.len(), arrives_as.is_some());
        if let Some(real) = self.real.as_mut().filter(|_| to_us) {
            let place = (!sent.transport.is_reliable()).then_some(sent.to);
            let key = (place, arrives_as.unwrap_or_else(|| sent.bytes.clone()));
            for _ in sent.arrived.drain(..) {
                let number = (!changed).then_some(number);
                real.under_way.entry(key.clone()).or_default().push_back(UnderWay { sender: sent.from, number });
            }
        }
        // What was changed on its way never arrives as it was sent: what does stands among the forged.
        if changed {
            sent.arrived.clear();
        }
    }

    pub(super) fn expect_forged(&mut self, (sender, to): (SocketAddr, SocketAddr), bytes: &[u8]) {
        if let Some(real) = &mut self.real {
            real.under_way.entry((Some(to), bytes.to_vec())).or_default().push_back(UnderWay { sender, number: None });
        }
    }

    fn is_ours(&self, addr: SocketAddr) -> bool {
        self.ports.contains_key(&addr)
            || self.nodes.iter().any(|node| node.sip() == addr)
            || self.proxies.iter().any(|between| between.proxy.sip() == addr)
    }
}

impl Real {
    /// Where somebody takes SIP who has made a connection from there.
    pub(super) fn whose(&self, addr: SocketAddr) -> SocketAddr {
        self.aliases.get(&addr).copied().unwrap_or(addr)
    }

    fn is_also(&mut self, from: SocketAddr, sip: SocketAddr) {
        if self.aliases.len() < Self::MOST_ALIASES || self.aliases.contains_key(&from) {
            self.aliases.insert(from, sip);
        }
    }

    /// Whose connection it is: of those outside only one may be on that host, or nobody can tell.
    fn known(&mut self, from: SocketAddr, transport: Transport) -> SocketAddr {
        let mut there = self.outside.iter().filter(|at| transport.is_reliable() && at.ip() == from.ip());
        match (there.next(), there.next()) {
            (Some(known), None) => {
                let known = *known;
                self.is_also(from, known);
                known
            }
            _ => from,
        }
    }

    /// Was this under way?
    fn arrived(&mut self, place: Option<SocketAddr>, bytes: &[u8]) -> Option<UnderWay> {
        let key = (place, bytes.to_vec());
        let waiting = self.under_way.get_mut(&key)?;
        let number = waiting.pop_front();
        if waiting.is_empty() {
            self.under_way.remove(&key);
        }
        number
    }
}
