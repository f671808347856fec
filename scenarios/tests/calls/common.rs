//! Phones, worlds with two of them, and what can be asked of a world afterwards.

use keyphone_config::{Config, PskEntry};
use keyphone_media::env::Instant;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, Sent, World};
use keyphone_ua::endpoint::{Command, Recording};
use keyphone_ua::event::{CallId, Counts, Event, Outcome, Side};
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Settings};
use keyphone_ua::sip::{Message, Method, Request, Response};
use keyphone_ua::transaction::{Destination, Transport};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f";
pub(crate) const OTHER_KEY: &str = "000102030405060708090a0b0c0d0eff";

pub(crate) const WE_HUNG_UP: Outcome = Outcome::Completed { by: Side::Us };
pub(crate) const PEER_HUNG_UP: Outcome = Outcome::Completed { by: Side::Peer };

/// What alice says, and what bob says.
pub(crate) const ALICE_HZ: f32 = 440.0;
pub(crate) const BOB_HZ: f32 = 660.0;

pub(crate) fn no_change(_: &mut Config) {}

pub(crate) fn plan(hz: f32, hang_up: HangUp) -> Plan {
    Plan { play: Play::Tone(hz), record: Record::Memory, hang_up }
}

/// The SIP address of a host.
pub(crate) fn sip_at(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 5060)
}

fn uri(name: &str, ip: &str) -> String {
    if ip.contains(':') { format!("sip:{name}@[{ip}]") } else { format!("sip:{name}@{ip}") }
}

/// A phone that answers after 300 ms, with [`KEY`] for everybody.
pub(crate) fn phone(name: &str, ip: &str, change: impl FnOnce(&mut Config)) -> Settings {
    let mut config = Config::default();
    config.account.from = uri(name, ip).parse().unwrap();
    config.credentials.psks = vec![PskEntry::from_hex(None, KEY).unwrap()];
    change(&mut config);
    let mut settings = Settings::new(&config, sip_at(ip)).unwrap();
    settings.incoming = Incoming::Answer { after: ms(300), early: None, plan: plan(BOB_HZ, HangUp::Never) };
    settings
}

pub(crate) fn call(ip: &str, transport: Transport, plan: Plan) -> Command {
    let target = Box::new(uri("bob", ip).parse().unwrap());
    Command::Call { target, to: Some(Destination { addr: sip_at(ip), transport }), from: None, plan }
}

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn at(milliseconds: u64) -> Instant {
    Instant::from_micros(milliseconds * 1000)
}

/// Alice and bob, and nobody else.
pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) alice: usize,
    pub(crate) bob: usize,
}

impl Pair {
    pub(crate) const ALICE: &str = "10.0.0.1";
    pub(crate) const BOB: &str = "10.0.0.2";

    pub(crate) fn new() -> Self {
        Self::of(no_change, no_change)
    }

    pub(crate) fn of(alice: impl FnOnce(&mut Config), bob: impl FnOnce(&mut Config)) -> Self {
        Self::on(1, Link::PERFECT, phone("alice", Self::ALICE, alice), phone("bob", Self::BOB, bob))
    }

    pub(crate) fn on(seed: u64, link: Link, alice: Settings, bob: Settings) -> Self {
        let mut world = World::new(seed, link);
        let (alice, bob) = (world.add("alice", alice), world.add("bob", bob));
        Self { world, alice, bob }
    }

    /// Alice calls bob over UDP; nothing has arrived yet.
    pub(crate) fn dial(&mut self, hang_up: HangUp) {
        self.world.command(self.alice, call(Self::BOB, Transport::Udp, plan(ALICE_HZ, hang_up)));
    }

    /// Alice calls bob, talks for a second and hangs up, and all timers run out.
    pub(crate) fn whole_call(mut self) -> Self {
        self.dial(HangUp::After(ms(1000)));
        self.run(100_000);
        self
    }

    pub(crate) fn run(&mut self, until_ms: u64) {
        self.world.run(at(until_ms));
    }

    /// How it ended for alice, and for bob.
    pub(crate) fn outcomes(&self) -> (Outcome, Outcome) {
        (self.outcome(self.alice), self.outcome(self.bob))
    }

    pub(crate) fn outcome(&self, node: usize) -> Outcome {
        outcome(&self.world, node)
    }

    pub(crate) fn assert_nothing_left(&self) {
        for node in [self.alice, self.bob] {
            assert_nothing_left(&self.world, node);
        }
    }
}

pub(crate) fn events(world: &World, node: usize) -> impl Iterator<Item = &Event> {
    world.node(node).events.iter().map(|(_, event)| event)
}

/// The one outcome of the one call.
pub(crate) fn outcome(world: &World, node: usize) -> Outcome {
    let mut all = outcomes(world, node);
    assert_eq!(all.len(), 1, "{}: {:#?}", world.node(node).name, world.node(node).events);
    all.remove(0)
}

pub(crate) fn outcomes(world: &World, node: usize) -> Vec<Outcome> {
    let ended = |event: &Event| match event {
        Event::Ended { outcome, .. } => Some(outcome.clone()),
        _ => None,
    };
    events(world, node).filter_map(ended).collect()
}

/// Why keying failed, and the peer's hint.
pub(crate) fn refusal(world: &World, node: usize) -> (String, Option<String>) {
    let refused = |event: &Event| match event {
        Event::Refused { why, hint, .. } => Some((why.clone(), hint.clone())),
        _ => None,
    };
    events(world, node).find_map(refused).expect("keying was refused")
}

pub(crate) fn counts(world: &World, node: usize) -> Counts {
    let stats = |event: &Event| match event {
        Event::Stats { counts, .. } => Some(*counts),
        _ => None,
    };
    events(world, node).find_map(stats).expect("there was media")
}

/// What a phone said that it could not do.
pub(crate) fn troubles(world: &World, node: usize) -> Vec<String> {
    let what = |event: &Event| if let Event::CallTrouble { what, .. } = event { Some(what.clone()) } else { None };
    events(world, node).filter_map(what).collect()
}

pub(crate) fn recording(world: &World, node: usize) -> &Recording {
    let (call, recording) = world.node(node).recordings.first().expect("something was recorded");
    assert_eq!(*call, CallId(1));
    recording
}

/// When the first such event came.
pub(crate) fn when(world: &World, node: usize, is: impl Fn(&Event) -> bool) -> Instant {
    let found = world.node(node).events.iter().find(|(_, event)| is(event));
    found.unwrap_or_else(|| panic!("{:#?}", world.node(node).events)).0
}

pub(crate) fn assert_nothing_left(world: &World, node: usize) {
    assert_eq!(world.open_ports(node), 8, "four pairs of ports are kept ready");
    let node = world.node(node);
    assert_eq!((node.endpoint.calls(), node.endpoint.transactions()), (0, 0), "{}", node.name);
    assert_eq!(node.endpoint.next_timeout(), None, "{}", node.name);
    let keys = node.endpoint.tables(world.now()).into_iter().find(|fill| fill.table == "keys in use");
    assert_eq!(keys.map(|fill| fill.entries), Some(0), "{}: the ledger is closed", node.name);
}

/// Media packets that left a host.
pub(crate) fn media_from<'w>(world: &'w World, ip: &str) -> impl Iterator<Item = &'w Sent> {
    let ip: IpAddr = ip.parse().unwrap();
    world.log().iter().filter(move |sent| sent.media && sent.from.ip() == ip)
}

/// What a host said in SIP, retransmissions and all.
pub(crate) fn sip_from(world: &World, ip: &str) -> Vec<Message> {
    let ip: IpAddr = ip.parse().unwrap();
    let sent = world.log().iter().filter(|sent| !sent.media && sent.from.ip() == ip);
    sent.map(|sent| Message::parse(&sent.bytes).unwrap()).collect()
}

pub(crate) fn requests(world: &World, ip: &str, method: Method) -> Vec<Request> {
    let request = |message| match message {
        Message::Request(request) if request.method == method => Some(request),
        _ => None,
    };
    sip_from(world, ip).into_iter().filter_map(request).collect()
}

pub(crate) fn responses(world: &World, ip: &str, status: u16) -> Vec<Response> {
    let response = |message| match message {
        Message::Response(response) if response.status.code() == status => Some(response),
        _ => None,
    };
    sip_from(world, ip).into_iter().filter_map(response).collect()
}

/// Is it a response with that status?
pub(crate) fn is_response(sent: &Sent, status: u16) -> bool {
    !sent.media && sent.bytes.starts_with(format!("SIP/2.0 {status} ").as_bytes())
}

/// Is it a request with that method?
pub(crate) fn is_request(sent: &Sent, method: &str) -> bool {
    !sent.media && sent.bytes.starts_with(format!("{method} ").as_bytes())
}

/// Rewrites the body of a message, and its Content-Length.
pub(crate) fn rewrite(bytes: &[u8], edit: impl FnOnce(String) -> String) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let body = edit(body.to_owned());
    let head = head.lines().filter(|line| !line.starts_with("Content-Length:")).collect::<Vec<_>>().join("\r\n");
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Somebody on the way rewrites the body of every 200 to an INVITE.
pub(crate) fn rewrite_answers(world: &mut World, edit: impl Fn(String) -> String + 'static) {
    world.set_middle(Box::new(move |sent| {
        match is_response(sent, 200) && sent.bytes.ends_with(b"\r\n") && has_sdp(sent) {
            true => Middle::Change(rewrite(&sent.bytes, &edit)),
            false => Middle::Pass,
        }
    }));
}

pub(crate) fn has_sdp(sent: &Sent) -> bool {
    sent.bytes.windows(4).any(|four| four == b"v=0\r")
}

/// A proxy sends what is for bob to carol, who has his place today: the Request-URI changes, To does not.
pub(crate) fn retarget(sent: &Sent) -> Middle {
    match sent.bytes.starts_with(b"INVITE sip:bob@") {
        true => {
            let text = String::from_utf8(sent.bytes.clone()).unwrap();
            Middle::Change(text.replacen("INVITE sip:bob", "INVITE sip:carol", 1).into_bytes())
        }
        false => Middle::Pass,
    }
}
