//! Two tables, and between them a network that loses, doubles and reorders, from a seed.

use crate::transaction_world::{ACK_OF_2XX, INVITE, OPTIONS, message, request};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_ua::sip::{Method, Request, StatusCode, make};
use keyphone_ua::transaction::{Destination, Output, ServerKey, Table, Timers, Transport};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How bad it is, in percent and milliseconds.
#[derive(Clone, Copy)]
struct Weather {
    transport: Transport,
    loss: u64,
    twice: u64,
    latest: u64,
}

const CALM: Weather = Weather { transport: Transport::Tcp, loss: 0, twice: 0, latest: 1 };
/// Later than what was sent after it, and twice.
const SHUFFLED: Weather = Weather { transport: Transport::Udp, loss: 0, twice: 30, latest: 900 };
const STORM: Weather = Weather { transport: Transport::Udp, loss: 30, twice: 20, latest: 900 };
const NIGHT: Weather = Weather { transport: Transport::Udp, loss: 100, twice: 0, latest: 1 };

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.iter_mut().for_each(|byte| *byte = self.below(256) as u8);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

enum Job {
    Arrive(Side, Vec<u8>),
    /// The server's TU answers.
    Respond(usize, u16),
    /// It has had no ACK for its 2xx, and sends it again (RFC 3261 section 13.3.1.4).
    Again(usize, u16, u64),
}

struct Net {
    weather: Weather,
    dice: Dice,
    now: u64,
    jobs: BTreeMap<(u64, u64), Job>,
    count: u64,
    client: Table,
    server: Table,
    asked: Vec<(ServerKey, Request)>,
    acked: bool,
    /// What the client's TU was told.
    told: Vec<u16>,
    timed_out: bool,
    answers: Vec<(u64, u16)>,
}

fn address(side: Side) -> SocketAddr {
    // The client is who its Via says.
    SocketAddr::from(([192, 0, 2, if side == Side::Client { 9 } else { 1 }], 5060))
}

impl Net {
    /// One request; `answers` are said so many milliseconds after it has come.
    fn run(text: &str, answers: &[(u64, u16)], weather: Weather, seed: u64) -> Self {
        let table = || Table::new(Timers::default(), 100);
        let mut net = Self {
            weather,
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: 0,
            jobs: BTreeMap::new(),
            count: 0,
            client: table(),
            server: table(),
            asked: vec![],
            acked: false,
            told: vec![],
            timed_out: false,
            answers: answers.to_vec(),
        };
        let dest = Destination { addr: address(Side::Server), transport: weather.transport };
        net.act(Side::Client, |table, env, out| {
            table.request(request(text), dest, env, out).unwrap();
        });
        for turn in 0.. {
            assert!(turn < 10_000, "it never comes to rest");
            let millis = |at: Instant| at.as_micros().div_ceil(1000);
            let job = net.jobs.keys().next().map(|(at, _)| *at);
            let timers = [&net.client, &net.server].into_iter().filter_map(|table| table.next_timeout().map(millis));
            let Some(next) = timers.chain(job).min() else { break };
            net.now = net.now.max(next);
            if job == Some(next) {
                let (_, job) = net.jobs.pop_first().unwrap();
                net.work(job);
            } else {
                net.act(Side::Client, |table, env, out| table.timeout(env, out));
                net.act(Side::Server, |table, env, out| table.timeout(env, out));
            }
        }
        net
    }

    fn work(&mut self, job: Job) {
        let transport = self.weather.transport;
        match job {
            Job::Arrive(side, bytes) => {
                let message = message(std::str::from_utf8(&bytes).unwrap());
                let from = address(if side == Side::Client { Side::Server } else { Side::Client });
                self.act(side, |table, env, out| table.receive(message, from, transport, env, out));
            }
            Job::Respond(which, code) => {
                let (key, request) = &self.asked[which];
                let response = make::response(request, StatusCode::new(code).unwrap(), Some("99sa0xk"));
                let (key, invite) = (*key, request.method == Method::Invite);
                self.act(Side::Server, |table, env, out| table.respond(key, &response, env, out));
                if invite && (200..300).contains(&code) {
                    self.later(500, Job::Again(which, code, 500));
                }
            }
            Job::Again(which, code, waited) if !self.acked && self.now < 32_000 => {
                let (key, request) = &self.asked[which];
                let response = make::response(request, StatusCode::new(code).unwrap(), Some("99sa0xk"));
                let (key, wait) = (*key, (waited * 2).min(4_000));
                self.act(Side::Server, |table, env, out| table.respond(key, &response, env, out));
                self.later(wait, Job::Again(which, code, wait));
            }
            Job::Again(..) => {}
        }
    }

    fn later(&mut self, wait: u64, job: Job) {
        self.count += 1;
        self.jobs.insert((self.now + wait, self.count), job);
    }

    fn send(&mut self, from: Side, bytes: Vec<u8>) {
        let Weather { loss, twice, latest, .. } = self.weather;
        let copies = 1 + u64::from(self.dice.below(100) < twice);
        for _ in 0..copies {
            let wait = 1 + self.dice.below(latest);
            if self.dice.below(100) >= loss {
                let to = if from == Side::Client { Side::Server } else { Side::Client };
                self.later(wait, Job::Arrive(to, bytes.clone()));
            }
        }
    }

    fn act(&mut self, side: Side, act: impl FnOnce(&mut Table, &mut Env<'_>, &mut Vec<Output>)) {
        let mono = Instant::ZERO + Duration::from_millis(self.now);
        let mut out = vec![];
        let table = if side == Side::Client { &mut self.client } else { &mut self.server };
        act(table, &mut Env { now: Now { mono, ntp: NtpTime(0) }, rng: &mut self.dice }, &mut out);
        for output in out {
            match output {
                Output::Send { to, bytes, .. } => {
                    let other = if side == Side::Client { Side::Server } else { Side::Client };
                    assert_eq!(to.ip(), address(other).ip());
                    self.send(side, bytes);
                }
                Output::Request { key, request } => {
                    self.asked.push((key, request));
                    let which = self.asked.len() - 1;
                    for (wait, code) in self.answers.clone() {
                        self.later(wait, Job::Respond(which, code));
                    }
                }
                Output::Response { response, .. } => {
                    self.told.push(response.status.code());
                    if response.status.is_success() && response.headers.cseq().unwrap().method == Method::Invite {
                        // The TU's own business (RFC 3261 section 13.2.2.4).
                        self.send(Side::Client, ACK_OF_2XX.into());
                    }
                }
                Output::Ack(_) => self.acked = true,
                Output::TimedOut { .. } if side == Side::Client => self.timed_out = true,
                Output::TimedOut { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// What holds on every network.
    fn check(&self) {
        assert!(self.client.is_empty() && self.server.is_empty(), "{:?} {:?}", self.client, self.server);
        assert!(self.asked.len() <= 1, "a request comes up to the TU once, however often it arrives");
        let said = |code: &u16| *code == 100 || self.answers.iter().any(|(_, answer)| answer == code);
        assert!(self.told.iter().all(said), "{:?}", self.told);
        let finals: Vec<u16> = self.told.iter().copied().filter(|code| *code >= 200).collect();
        assert!(finals.iter().all(|code| *code == finals[0]), "{finals:?}");
        let accepted_invite = self.asked.iter().any(|(_, r)| r.method == Method::Invite)
            && finals.first().is_some_and(|code| (200..300).contains(code));
        assert!(accepted_invite || finals.len() <= 1, "a final response is told once: {finals:?}");
        assert!(!self.timed_out || finals.is_empty(), "either an answer or none, never both");
        if let Some(at) = self.told.iter().position(|code| *code >= 200) {
            assert!(self.told[at..].iter().all(|code| *code >= 200), "nothing rings after the answer: {:?}", self.told);
        }
    }

    fn was_answered(&self) -> bool {
        self.told.iter().any(|code| *code >= 200)
    }
}

const REQUESTS: [(&str, &[(u64, u16)]); 6] = [
    (INVITE, &[(50, 180), (3_000, 200)]),
    (INVITE, &[(50, 180), (60, 183), (3_000, 486)]),
    (INVITE, &[(0, 200)]),
    (INVITE, &[(0, 603)]),
    (OPTIONS, &[(0, 200)]),
    (OPTIONS, &[(300, 100), (2_500, 404)]),
];

/// How many of a hundred were answered.
fn hundred(text: &str, answers: &[(u64, u16)], weather: Weather) -> usize {
    let runs = (1..=100).map(|seed| Net::run(text, answers, weather, seed));
    runs.inspect(Net::check).filter(Net::was_answered).count()
}

#[test]
fn on_a_calm_network_every_request_is_answered_and_told_once() {
    for (text, answers) in REQUESTS {
        let net = Net::run(text, answers, CALM, 1);
        net.check();
        assert_eq!(net.told, answers.iter().map(|(_, code)| *code).collect::<Vec<_>>());
    }
}

#[test]
fn doubled_and_reordered_messages_change_no_answer() {
    for (text, answers) in REQUESTS {
        assert_eq!(hundred(text, answers, SHUFFLED), 100, "{answers:?}");
    }
}

#[test]
fn where_a_third_is_lost_nearly_every_request_is_answered_and_all_transactions_end() {
    for (text, answers) in REQUESTS {
        let answered = hundred(text, answers, STORM);
        assert!(answered >= 95, "{answered} of 100: {answers:?}");
    }
}

#[test]
fn where_all_is_lost_every_request_times_out() {
    for (text, answers) in REQUESTS {
        let net = Net::run(text, answers, NIGHT, 1);
        net.check();
        assert!(net.timed_out && net.now == 32_000 && net.asked.is_empty());
    }
}

#[test]
fn the_same_seed_is_the_same_storm() {
    // Another seed is another.
    let run = |seed| Net::run(INVITE, REQUESTS[1].1, STORM, seed);
    assert_eq!((run(7).told, run(7).now, run(7).count), (run(7).told, run(7).now, run(7).count));
    assert!((1..20).map(|seed| run(seed).count).collect::<std::collections::BTreeSet<_>>().len() > 3);
}
