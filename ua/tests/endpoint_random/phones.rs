//! The phones, the network between them, and what must hold of both.

use keyphone_config::{Config, PskEntry};
use keyphone_media::audio::codec::Codec;
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_ua::endpoint::{Command, Endpoint, Input, MediaPorts, Output};
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Preconditions, Record, Reliable, Settings};
use keyphone_ua::sip::Uri;
use keyphone_ua::transaction::Transport;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How many there are.
pub(crate) const PHONES: usize = 3;

/// How the phones are set up, and the seed of their dice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) answers: [Answers; PHONES],
    /// Who insists on 100rel.
    pub(crate) reliable: [bool; PHONES],
    /// Who is called in the clear as well.
    pub(crate) clear: [bool; PHONES],
    /// Who wants sessions refreshed every ninety seconds.
    pub(crate) refreshed: [bool; PHONES],
    /// Who leaves the first offer to others.
    pub(crate) late: [bool; PHONES],
    /// Whose calls must be keyed before anybody rings.
    pub(crate) secured: [bool; PHONES],
}

/// What a phone does when it is called.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Answers {
    #[default]
    AtOnce,
    Later,
    WithEarlyMedia,
    ByHand,
    ByTheNext,
}

/// In percent and milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) twice: u64,
    pub(crate) latest: u64,
}

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }
}

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.iter_mut().for_each(|byte| *byte = self.below(256) as u8);
    }
}

#[derive(Clone)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Phones {
    pub(crate) now: Instant,
    setup: Setup,
    pub(crate) endpoints: Vec<Endpoint>,
    dice: Vec<Dice>,
    /// The network's own.
    fate: Dice,
    next_port: u16,
    count: u64,
    /// On the way: when it arrives, in microseconds.
    under_way: BTreeMap<(u64, u64), Datagram>,
    weather: Weather,
    /// All SIP that was ever sent.
    pub(crate) wire: Vec<Datagram>,
    /// Since a phone's last crash.
    pub(crate) events: Vec<Vec<Event>>,
}

pub(crate) fn address(phone: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, phone as u8 + 1], 5060))
}

pub(crate) fn uri(phone: usize) -> Uri {
    format!("sip:phone@{}", address(phone).ip()).parse().unwrap()
}

pub(crate) fn plan(hang_up: HangUp) -> Plan {
    Plan { play: Play::Silence, record: Record::Nothing, hang_up }
}

impl Phones {
    pub(crate) fn new(setup: &Setup) -> Self {
        let mut phones = Self {
            now: Instant::ZERO,
            setup: setup.clone(),
            endpoints: vec![],
            dice: (0..PHONES as u64).map(|phone| Dice(setup.seed.wrapping_add(phone))).collect(),
            fate: Dice(!setup.seed),
            next_port: 40_000,
            count: 0,
            under_way: BTreeMap::new(),
            weather: Weather { loss: 0, twice: 0, latest: 1 },
            wire: vec![],
            events: vec![vec![]; PHONES],
        };
        for phone in 0..PHONES {
            let endpoint = phones.endpoint(phone);
            phones.endpoints.push(endpoint);
            phones.top_up(phone);
        }
        phones
    }

    fn endpoint(&self, phone: usize) -> Endpoint {
        let mut config = Config::default();
        config.account.from = uri(phone).to_string().parse().unwrap();
        config.credentials.psks = vec![PskEntry::from_hex(None, "000102030405060708090a0b0c0d0e0f").unwrap()];
        config.audio.codecs = vec![Codec::Pcmu];
        config.policy.allow_clear = self.setup.clear[phone];
        let mut settings = Settings::new(&config, address(phone)).unwrap();
        let answer =
            |ms, early| Incoming::Answer { after: Duration::from_millis(ms), early, plan: plan(HangUp::Never) };
        settings.incoming = match self.setup.answers[phone] {
            Answers::AtOnce => answer(0, None),
            Answers::Later => answer(700, None),
            Answers::WithEarlyMedia => answer(700, Some(Play::Tone(440.0))),
            Answers::ByHand => Incoming::Ring { plan: plan(HangUp::Never) },
            Answers::ByTheNext => Incoming::Redirect(vec![uri((phone + 1) % PHONES)]),
        };
        if self.setup.reliable[phone] {
            settings.rules.reliable = Reliable::Required;
        }
        if self.setup.refreshed[phone] {
            settings.rules.session_expires = Some(Duration::from_secs(90));
        }
        settings.rules.late_offer = self.setup.late[phone];
        if self.setup.secured[phone] {
            settings.rules.preconditions = Preconditions::Required;
        }
        Endpoint::new(settings, &now(self.now))
    }

    /// Its memory is gone; what it has sent is still under way.
    pub(crate) fn crash(&mut self, phone: usize) {
        self.endpoints[phone] = self.endpoint(phone);
        self.events[phone].clear();
        self.top_up(phone);
    }

    pub(crate) fn top_up(&mut self, phone: usize) {
        for _ in 0..self.endpoints[phone].ports_wanted() {
            let at = |port| SocketAddr::new(address(phone).ip(), port);
            let ports = MediaPorts { rtp: at(self.next_port), rtcp: at(self.next_port + 1) };
            // Round and round: a port may be used again.
            self.next_port = if self.next_port >= 60_000 { 40_000 } else { self.next_port + 2 };
            self.give(phone, Input::Ports(ports));
        }
    }

    pub(crate) fn give(&mut self, phone: usize, input: Input<'_>) {
        let mut out = vec![];
        let env = &mut Env { now: now(self.now), rng: &mut self.dice[phone] };
        self.endpoints[phone].handle(input, env, &mut out);
        let from = address(phone);
        for output in out {
            match output {
                Output::Sip { to, transport, bytes, .. } => {
                    let datagram = Datagram { from, to, transport, bytes };
                    self.wire.push(datagram.clone());
                    self.send(datagram);
                }
                Output::Media { from, to, packet } => {
                    let (transport, bytes) = (Transport::Udp, packet.bytes().to_vec());
                    self.send(Datagram { from, to, transport, bytes });
                }
                Output::Event(event) => self.events[phone].push(event),
                // Names are never found: whoever asks must give up by himself.
                _ => {}
            }
        }
    }

    pub(crate) fn command(&mut self, phone: usize, command: Command) {
        self.give(phone, Input::Command(command));
        self.top_up(phone);
    }

    fn send(&mut self, datagram: Datagram) {
        let Weather { loss, twice, latest } = self.weather;
        for _ in 0..1 + u64::from(self.fate.below(100) < twice) {
            let wait = Duration::from_millis(1 + self.fate.below(latest));
            if self.fate.below(100) >= loss {
                self.count += 1;
                self.under_way.insert(((self.now + wait).as_micros(), self.count), datagram.clone());
            }
        }
    }

    /// A datagram arrives now.
    pub(crate) fn deliver(&mut self, Datagram { from, to, transport, bytes }: &Datagram) {
        let Some(phone) = (0..PHONES).find(|phone| address(*phone).ip() == to.ip()) else { return };
        let (from, transport, bytes) = (*from, *transport, &bytes[..]);
        match to.port() {
            5060 => self.give(phone, Input::Sip { from, transport, bytes }),
            _ => self.give(phone, Input::Media { at: *to, from, bytes }),
        }
        self.top_up(phone);
    }

    /// Time passes, what is under way arrives, and every timer gets its turn.
    pub(crate) fn run(&mut self, time: Duration, weather: Weather) {
        self.weather = weather;
        let until = self.now + time;
        for turn in 0.. {
            assert!(turn < 500_000, "timers that never come to rest");
            let due = |phone: usize| Some((self.endpoints[phone].next_timeout()?, Some(phone)));
            let arrival = self.under_way.keys().next().map(|(at, _)| (Instant::from_micros(*at), None));
            let next = (0..PHONES).filter_map(due).chain(arrival).min();
            let Some((at, who)) = next.filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            match who {
                Some(phone) => {
                    self.give(phone, Input::Timeout);
                    self.top_up(phone);
                }
                None => {
                    let (_, datagram) = self.under_way.pop_first().expect("there is one");
                    self.deliver(&datagram);
                }
            }
        }
        self.now = until;
    }

    /// A call of this phone, if it has had one.
    pub(crate) fn call(&self, phone: usize, index: &proptest::sample::Index) -> Option<CallId> {
        let calls: Vec<_> = self.events[phone].iter().filter(|e| matches!(e, Event::Started { .. })).collect();
        (!calls.is_empty()).then(|| index.get(&calls).call()).flatten()
    }

    /// Everybody hangs up and is not to be found any more, and all timers run out.
    pub(crate) fn end(&mut self, weather: Weather) {
        // Somebody may call back, or be transferred, while the others hang up.
        for _ in 0..4 {
            for phone in 0..PHONES {
                self.command(phone, Command::HangUpAll);
                self.command(phone, Command::Unregister(0));
            }
            self.run(Duration::from_secs(100), weather);
        }
        self.run(Duration::from_secs(400), Weather { loss: 100, ..weather });
    }

    /// No table is beyond its limit, ever.
    pub(crate) fn check_bounds(&self) {
        for fill in self.endpoints.iter().flat_map(|endpoint| endpoint.tables(self.now)) {
            assert!(fill.entries <= fill.most, "{fill:?}");
        }
    }

    /// What holds when all is over.
    pub(crate) fn check(&self) {
        for (phone, (endpoint, events)) in self.endpoints.iter().zip(&self.events).enumerate() {
            let left: Vec<_> = endpoint.tables(self.now).into_iter().filter(|fill| fill.entries > 0).collect();
            assert!(left.is_empty(), "phone {phone} has {left:?}");
            assert_eq!(endpoint.next_timeout(), None, "phone {phone} waits for something");
            for event in events {
                let Event::Started { call, .. } = event else { continue };
                let ended = events.iter().filter(|e| matches!(e, Event::Ended { call: c, .. } if c == call)).count();
                assert_eq!(ended, 1, "phone {phone}: call {call} ends once");
            }
        }
    }
}

fn now(mono: Instant) -> Now {
    let began = NtpTime::from_unix(Duration::from_secs(1_767_225_600));
    Now { mono, ntp: began + Duration::from_micros(mono.as_micros()) }
}
