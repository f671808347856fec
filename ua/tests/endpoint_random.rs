//! Two endpoints, and a wire on which anything may happen: messages out of order, twice, changed, made up; time that
//! passes; users who call and hang up. Nothing panics, and when all timers have run out nothing is left.

use keyphone_config::{Config, PskEntry};
use keyphone_media::audio::codec::Codec;
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_ua::endpoint::{Command, Endpoint, Input, MediaPorts, Output};
use keyphone_ua::event::{Event, Outcome, Side};
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Settings};
use keyphone_ua::sip::{Message, StatusCode, make};
use keyphone_ua::transaction::{Destination, Transport};
use proptest::prelude::*;
use proptest::sample::Index;
use std::net::SocketAddr;
use std::time::Duration;

struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// What can happen. An index picks one of all datagrams that were ever sent.
#[derive(Clone, Debug)]
enum Step {
    /// The oldest datagram that was not delivered yet arrives.
    Arrive,
    /// Some datagram arrives, perhaps for the second time.
    Again(Index),
    /// Some datagram arrives with one octet changed.
    Changed(Index, Index, u8),
    /// Some datagram arrives, cut.
    Cut(Index, Index),
    /// Somebody answers some request, with a To-tag of his.
    Answered(Index, u16, u8),
    /// The body of one message arrives under the head of another.
    Spliced(Index, Index),
    /// Noise, at SIP's port or at a media port.
    Noise(usize, Option<u16>, Vec<u8>),
    /// Nothing can be sent there.
    Unreachable(usize, Transport),
    /// Milliseconds pass.
    Wait(u16),
    /// A user calls the other.
    Call(usize, Transport, Option<u16>),
    /// A user hangs up all.
    HangUp(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..2usize;
    let transport = prop_oneof![Just(Transport::Udp), Just(Transport::Tcp)];
    let index = any::<Index>;
    prop_oneof![
        12 => Just(Step::Arrive),
        3 => index().prop_map(Step::Again),
        2 => (index(), index(), any::<u8>()).prop_map(|(m, at, byte)| Step::Changed(m, at, byte)),
        1 => (index(), index()).prop_map(|(m, at)| Step::Cut(m, at)),
        3 => (index(), 100..700u16, 0..3u8).prop_map(|(m, status, tag)| Step::Answered(m, status, tag)),
        1 => (index(), index()).prop_map(|(head, body)| Step::Spliced(head, body)),
        1 => (who.clone(), proptest::option::of(0..20u16), proptest::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(to, port, bytes)| Step::Noise(to, port, bytes)),
        1 => (who.clone(), transport.clone()).prop_map(|(who, transport)| Step::Unreachable(who, transport)),
        4 => prop_oneof![0..50u16, 0..2000u16, 0..60_000u16].prop_map(Step::Wait),
        3 => (who.clone(), transport, proptest::option::of(0..1000u16))
            .prop_map(|(from, transport, talk)| Step::Call(from, transport, talk)),
        1 => who.prop_map(Step::HangUp),
    ]
}

#[derive(Clone)]
struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    transport: Transport,
    bytes: Vec<u8>,
}

struct Phones {
    now: Instant,
    endpoints: Vec<Endpoint>,
    dice: Vec<Dice>,
    next_port: u16,
    /// All that was ever sent, and how much of it has arrived in order.
    wire: Vec<Datagram>,
    arrived: usize,
    events: Vec<Vec<Event>>,
}

fn address(phone: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, phone as u8 + 1], 5060))
}

fn plan(hang_up: HangUp) -> Plan {
    Plan { play: Play::Silence, record: Record::Nothing, hang_up }
}

impl Phones {
    fn new() -> Self {
        let endpoint = |phone: usize| {
            let mut config = Config::default();
            config.account.from = format!("sip:phone@{}", address(phone).ip()).parse().unwrap();
            config.credentials.psks = vec![PskEntry::from_hex(None, "000102030405060708090a0b0c0d0e0f").unwrap()];
            config.audio.codecs = vec![Codec::Pcmu];
            // One of them may be called in the clear as well.
            config.policy.allow_clear = phone == 1;
            let mut settings = Settings::new(&config, address(phone)).unwrap();
            let after = Duration::from_millis(100 * phone as u64);
            settings.incoming = Incoming::Answer { after, early: None, plan: plan(HangUp::Never) };
            Endpoint::new(settings, &now(Instant::ZERO))
        };
        let mut phones = Self {
            now: Instant::ZERO,
            endpoints: vec![endpoint(0), endpoint(1)],
            dice: vec![Dice(1), Dice(2)],
            next_port: 40_000,
            wire: vec![],
            arrived: 0,
            events: vec![vec![], vec![]],
        };
        phones.top_up(0);
        phones.top_up(1);
        phones
    }

    fn top_up(&mut self, phone: usize) {
        for _ in 0..self.endpoints[phone].ports_wanted() {
            let at = |port| SocketAddr::new(address(phone).ip(), port);
            let ports = MediaPorts { rtp: at(self.next_port), rtcp: at(self.next_port + 1) };
            self.next_port += 2;
            self.give(phone, Input::Ports(ports));
        }
    }

    fn give(&mut self, phone: usize, input: Input<'_>) {
        let mut out = vec![];
        let env = &mut Env { now: now(self.now), rng: &mut self.dice[phone] };
        self.endpoints[phone].handle(input, env, &mut out);
        let from = address(phone);
        for output in out {
            match output {
                Output::Sip { to, transport, bytes, .. } => self.wire.push(Datagram { from, to, transport, bytes }),
                Output::Media { from, to, packet } => {
                    let (transport, bytes) = (Transport::Udp, packet.bytes().to_vec());
                    self.wire.push(Datagram { from, to, transport, bytes });
                }
                Output::Event(event) => self.events[phone].push(event),
                _ => {}
            }
        }
    }

    fn deliver(&mut self, Datagram { from, to, transport, bytes }: &Datagram) {
        let Some(phone) = (0..2).find(|phone| address(*phone).ip() == to.ip()) else { return };
        let (from, transport, bytes) = (*from, *transport, &bytes[..]);
        match to.port() {
            5060 => self.give(phone, Input::Sip { from, transport, bytes }),
            _ => self.give(phone, Input::Media { at: *to, from, bytes }),
        }
        self.top_up(phone);
    }

    fn pick(&self, index: &Index) -> Option<Datagram> {
        (!self.wire.is_empty()).then(|| index.get(&self.wire).clone())
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Arrive => {
                if let Some(datagram) = self.wire.get(self.arrived).cloned() {
                    self.arrived += 1;
                    self.deliver(&datagram);
                }
            }
            Step::Again(which) => {
                let datagram = self.pick(which);
                datagram.iter().for_each(|datagram| self.deliver(datagram));
            }
            Step::Changed(which, at, byte) => {
                let Some(mut datagram) = self.pick(which) else { return };
                let at = at.index(datagram.bytes.len());
                datagram.bytes[at] = *byte;
                self.deliver(&datagram);
            }
            Step::Cut(which, at) => {
                let Some(mut datagram) = self.pick(which) else { return };
                datagram.bytes.truncate(at.index(datagram.bytes.len()));
                self.deliver(&datagram);
            }
            Step::Answered(which, status, tag) => {
                let Some(datagram) = self.pick(which) else { return };
                let Ok(Message::Request(request)) = Message::parse(&datagram.bytes) else { return };
                let status = StatusCode::new(*status).unwrap();
                let mut response = make::response(&request, status, Some(&format!("tag{tag}")));
                response.headers.push("Contact", format!("<sip:x@{}>", datagram.to));
                let Datagram { from: to, to: from, transport, .. } = datagram;
                self.deliver(&Datagram { from, to, transport, bytes: response.to_bytes() });
            }
            Step::Spliced(head, body) => {
                let (Some(head), Some(body)) = (self.pick(head), self.pick(body)) else { return };
                let (Ok(message), Ok(other)) = (Message::parse(&head.bytes), Message::parse(&body.bytes)) else {
                    return;
                };
                let bytes = match message {
                    Message::Request(mut request) => {
                        request.body = other.body().to_vec();
                        request.to_bytes()
                    }
                    Message::Response(mut response) => {
                        response.body = other.body().to_vec();
                        response.to_bytes()
                    }
                };
                self.deliver(&Datagram { bytes, ..head });
            }
            Step::Noise(phone, port, bytes) => {
                let port = port.map_or(5060, |port| 40_000 + port);
                let to = SocketAddr::new(address(*phone).ip(), port);
                let from = "10.0.0.66:6666".parse().unwrap();
                self.deliver(&Datagram { from, to, transport: Transport::Udp, bytes: bytes.clone() });
            }
            Step::Unreachable(phone, transport) => {
                self.give(
                    *phone,
                    Input::TransportFailed { to: address(1 - phone), transport: *transport, why: String::new() },
                );
            }
            Step::Wait(ms) => self.wait(self.now + Duration::from_millis((*ms).into())),
            Step::Call(phone, transport, talk) => {
                let to = Destination { addr: address(1 - phone), transport: *transport };
                let target = Box::new(format!("sip:phone@{}", to.addr.ip()).parse().unwrap());
                let hang_up = talk.map_or(HangUp::Never, |ms| HangUp::After(Duration::from_millis(ms.into())));
                self.give(
                    *phone,
                    Input::Command(Command::Call { target, to: Some(to), from: None, plan: plan(hang_up) }),
                );
                self.top_up(*phone);
            }
            Step::HangUp(phone) => self.give(*phone, Input::Command(Command::HangUpAll)),
        }
    }

    /// Time passes, and every timer gets its turn.
    fn wait(&mut self, until: Instant) {
        for turn in 0.. {
            assert!(turn < 200_000, "timers that never come to rest");
            let due = |phone: usize| Some((self.endpoints[phone].next_timeout()?, phone));
            let Some((at, phone)) = (0..2).filter_map(due).min().filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            self.give(phone, Input::Timeout);
        }
        self.now = until;
    }

    /// Everybody hangs up, nothing arrives any more, and all timers run out.
    fn end(&mut self) {
        for phone in 0..2 {
            self.give(phone, Input::Command(Command::HangUpAll));
        }
        self.wait(self.now + Duration::from_secs(200));
    }

    fn assert_nothing_left(&self) {
        for (endpoint, events) in self.endpoints.iter().zip(&self.events) {
            assert_eq!((endpoint.calls(), endpoint.transactions(), endpoint.next_timeout()), (0, 0, None));
            let started = events.iter().filter(|event| matches!(event, Event::Started { .. })).count();
            let ended = events.iter().filter(|event| matches!(event, Event::Ended { .. })).count();
            assert_eq!(started, ended, "each call ends once");
        }
    }
}

fn now(mono: Instant) -> Now {
    let began = NtpTime::from_unix(Duration::from_secs(1_767_225_600));
    Now { mono, ntp: began + Duration::from_micros(mono.as_micros()) }
}

#[test]
fn on_this_wire_a_call_can_be_made() {
    let mut phones = Phones::new();
    phones.take(&Step::Call(0, Transport::Udp, Some(500)));
    for _ in 0..400 {
        phones.take(&Step::Wait(5));
        phones.take(&Step::Arrive);
        phones.take(&Step::Arrive);
    }
    phones.end();
    phones.assert_nothing_left();
    let completed = |by| move |event: &Event| matches!(event, Event::Ended { outcome: Outcome::Completed { by: b }, .. } if *b == by);
    assert!(phones.events[0].iter().any(completed(Side::Us)) && phones.events[1].iter().any(completed(Side::Peer)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_panics_and_nothing_is_left(steps in proptest::collection::vec(step(), 1..80)) {
        let mut phones = Phones::new();
        for step in &steps {
            phones.take(step);
        }
        phones.end();
        phones.assert_nothing_left();
    }
}
