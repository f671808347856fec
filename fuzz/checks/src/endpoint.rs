//! A phone among strangers.
//!
//! The input is a play in steps, divided by `%%%`. The first octet of a step says what happens:
//!
//! ```text
//! u, t   a SIP message over UDP or TCP      r, c   a datagram on the RTP or RTCP port that we told last
//! d      we call                            h      we hang up all calls
//! w      n times 10 ms pass (one octet)     x, X   UDP or TCP cannot deliver
//! ```
//!
//! What a stranger could not know beforehand, but a peer does, stands in SIP as a dollar and a letter: `$T` our tag,
//! `$C` our Call-ID, `$B` our branch, all as we wrote them last; `$O` our own key-mgmt value, `$M` a good offer of
//! alice, who shares our key, and `$A` her answer to our last offer.

use crate::dice::{Dice, at};
use crate::mikey::Side;
use keyphone_config::{Config, PskEntry};
use keyphone_keying::mikey::ModeName;
use keyphone_keying::{Level, Line, Lines};
use keyphone_media::env::{Env, Instant};
use keyphone_media::srtp::Sealed;
use keyphone_ua::endpoint::{Command, Endpoint, Input, MediaPorts, Output};
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::sdp::{Sdp, key_mgmt};
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Settings, System};
use keyphone_ua::sip::Message;
use keyphone_ua::transaction::{Destination, Transport};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A phone survives any play. Its calls and transactions are no more than what happened can have made, every message
/// it sends can be read, no call is keyed with a stranger, and after the last hang-up it comes to rest.
pub fn endpoint(data: &[u8]) {
    let mut phone = Phone::new(data.first() == Some(&b'c'));
    for step in steps(data.get(1..).unwrap_or_default()).take(MOST_STEPS) {
        phone.step(step);
    }
    phone.comes_to_rest();
}

const MOST_STEPS: usize = 32;

fn steps(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = data.windows(3).position(|w| w == b"%%%");
        let (step, rest) = data.split_at(end.unwrap_or(data.len()));
        data = rest.get(3..).unwrap_or_default();
        (end.is_some() || !step.is_empty()).then_some(step)
    })
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f";
const US: &str = "10.0.0.2:5060";
const ALICE: &str = "10.0.0.1:5060";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address of ours")
}

struct Phone {
    endpoint: Endpoint,
    dice: Dice,
    now: Duration,
    next_port: u16,
    /// Messages that came and calls that we were told to place: what there is was made by one of them.
    causes: usize,
    /// From its beginning to its end.
    calls: BTreeMap<CallId, bool>,
    said: Said,
    /// A message that only the peer could write has come.
    met_alice: bool,
}

/// What we said last.
#[derive(Default)]
struct Said {
    tag: String,
    call_id: String,
    branch: String,
    key: Option<String>,
    port: Option<u16>,
}

impl Phone {
    fn new(clear: bool) -> Self {
        let mut config = Config::default();
        config.account.from = "sip:bob@10.0.0.2".parse().expect("a URI");
        config.credentials.psks = vec![PskEntry::from_hex(None, KEY).expect("a key")];
        config.policy.allow_clear = true;
        let mut settings = Settings::new(&config, address(US)).expect("a good configuration");
        if clear {
            settings.keying.rotate_right(1);
            assert_eq!(settings.keying, [System::Clear, System::Mikey(ModeName::Psk)]);
        }
        settings.incoming = Incoming::Answer { after: Duration::from_millis(100), early: None, plan: plan() };
        let endpoint = Endpoint::new(settings, &at(Duration::ZERO));
        let (said, calls) = (Said::default(), BTreeMap::new());
        let now = Duration::from_secs(1);
        Self { endpoint, dice: Dice(3), now, next_port: 40_000, causes: 0, calls, said, met_alice: false }
    }

    fn step(&mut self, step: &[u8]) {
        let Some((kind, rest)) = step.split_first() else { return };
        match kind {
            b'u' | b't' => {
                let transport = if *kind == b'u' { Transport::Udp } else { Transport::Tcp };
                let bytes = self.written_out(rest);
                self.causes += 1;
                self.handle(Input::Sip { from: address(ALICE), transport, bytes: &bytes });
            }
            b'r' | b'c' => {
                let port = self.said.port.unwrap_or(40_000).saturating_add(u16::from(*kind == b'c'));
                let from = SocketAddr::new(address(ALICE).ip(), 6000);
                self.handle(Input::Media { at: SocketAddr::new(address(US).ip(), port), from, bytes: rest });
            }
            b'd' => {
                let target = Box::new("sip:alice@10.0.0.1".parse().expect("a URI"));
                let to = Some(Destination { addr: address(ALICE), transport: Transport::Udp });
                self.causes += 1;
                self.handle(Input::Command(Command::Call { target, to, from: None, plan: plan() }));
            }
            b'h' => self.handle(Input::Command(Command::HangUpAll)),
            b'x' => self.handle(Input::TransportFailed {
                to: address(ALICE),
                transport: Transport::Udp,
                why: String::new(),
            }),
            b'X' => self.handle(Input::TransportFailed {
                to: address(ALICE),
                transport: Transport::Tcp,
                why: String::new(),
            }),
            b'w' => {
                let until = self.now + Duration::from_millis(10) * rest.first().copied().unwrap_or_default().into();
                while self.wakes(until) {}
                self.now = until;
            }
            _ => {}
        }
    }

    /// Lets the next timer fire if it is due by then.
    fn wakes(&mut self, until: Duration) -> bool {
        let Some(next) = self.endpoint.next_timeout().filter(|next| *next <= Instant::ZERO + until) else {
            return false;
        };
        self.now = self.now.max(next.since(Instant::ZERO));
        self.handle(Input::Timeout);
        let now = Instant::ZERO + self.now;
        assert!(self.endpoint.next_timeout().is_none_or(|next| next > now), "a timer stands still at {now:?}");
        true
    }

    /// A call in which nobody answers any more is over after 64 * T1 = 32 s at most, and so is each transaction that
    /// then begins (RFC 3261 section 17).
    fn comes_to_rest(&mut self) {
        self.handle(Input::Command(Command::HangUpAll));
        let until = self.now + Duration::from_secs(200);
        while self.wakes(until) {}
        assert_eq!((self.endpoint.calls(), self.endpoint.transactions()), (0, 0), "it does not come to rest");
        let open: Vec<_> = self.calls.iter().filter(|(_, ended)| !**ended).collect();
        assert!(open.is_empty(), "nobody was told how they ended: {open:?}");
    }

    fn handle(&mut self, input: Input<'_>) {
        let mut out = vec![];
        let mut env = Env { now: at(self.now), rng: &mut self.dice };
        while self.endpoint.ports_wanted() > 0 {
            let port = |port| SocketAddr::new(address(US).ip(), port);
            let ports = MediaPorts { rtp: port(self.next_port), rtcp: port(self.next_port + 1) };
            self.next_port += 2;
            self.endpoint.handle(Input::Ports(ports), &mut env, &mut out);
        }
        self.endpoint.handle(input, &mut env, &mut out);
        assert!(out.len() <= 32 * (1 + self.causes), "{} outputs at once", out.len());
        for output in out {
            self.hear(output);
        }
        assert!(self.endpoint.calls() <= self.causes, "{} calls", self.endpoint.calls());
        // Each has one, and perhaps an INVITE's CANCEL or a BYE.
        assert!(self.endpoint.transactions() <= 3 * self.causes, "{} transactions", self.endpoint.transactions());
    }

    fn hear(&mut self, output: Output) {
        match output {
            Output::Sip { bytes, .. } => self.read(&bytes),
            Output::Media { packet, .. } => assert!(packet.bytes().len() <= Sealed::MAX_LEN),
            Output::Event(event) => self.note(&event),
            Output::Keying { .. } => panic!("MIKEY says nothing in the media path"),
            Output::KeyLog(_) => panic!("nobody asked for keys"),
            Output::Release(_) | Output::Recorded(..) | Output::Lookup(_) | Output::Fetch(_) => {}
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let message = Message::parse(bytes).unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii()));
        let headers = message.headers();
        let ours = match &message {
            Message::Request(_) => {
                message.check().unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii()));
                self.said.branch = headers.via().ok().and_then(|via| Some(via.branch()?.into())).unwrap_or_default();
                headers.from()
            }
            Message::Response(_) => headers.to(),
        };
        self.said.tag = ours.ok().and_then(|ours| Some(ours.tag()?.into())).unwrap_or_default();
        self.said.call_id = headers.call_id().unwrap_or_default().into();
        let Ok(sdp) = Sdp::parse(message.body()) else { return };
        self.said.port = sdp.media().iter().map(|block| block.m().port).find(|port| *port > 0);
        let key = key_mgmt::read(&sdp).ok().and_then(|lines| lines.0.into_iter().next());
        self.said.key = key.map(|line| line.value);
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Started { call, .. } => assert_eq!(self.calls.insert(*call, false), None, "{call:?} begins twice"),
            Event::Ended { call, .. } => assert_eq!(self.calls.insert(*call, true), Some(false), "{call:?} ends twice"),
            Event::Answered { keying, .. } => {
                assert!(self.met_alice || *keying == System::Clear.to_string(), "a stranger was keyed");
            }
            _ => {}
        }
    }

    /// With what stands for a dollar and a letter.
    fn written_out(&mut self, text: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&byte, tail)) = rest.split_first() {
            let value = match tail.first() {
                Some(letter) if byte == b'$' => self.value(*letter),
                _ => None,
            };
            match value {
                Some(value) => {
                    whole.extend_from_slice(value.as_bytes());
                    rest = &tail[1..];
                }
                None => {
                    whole.push(byte);
                    rest = tail;
                }
            }
        }
        whole
    }

    fn value(&mut self, letter: u8) -> Option<String> {
        match letter {
            b'T' => Some(self.said.tag.clone()),
            b'C' => Some(self.said.call_id.clone()),
            b'B' => Some(self.said.branch.clone()),
            b'O' => self.said.key.clone(),
            b'M' => {
                self.met_alice = true;
                Some(alice().offer().0.0.swap_remove(0).value)
            }
            b'A' => {
                let line = |value| Line { level: Level::Session, name: key_mgmt::NAME.into(), value };
                let offer = Lines(vec![line(self.said.key.clone()?)]);
                let (mut answer, _) = alice().answer(&offer).0.ok()?;
                self.met_alice = true;
                Some(answer.0.swap_remove(0).value)
            }
            _ => None,
        }
    }
}

fn plan() -> Plan {
    Plan { play: Play::Silence, record: Record::Nothing, hang_up: HangUp::After(Duration::from_secs(5)) }
}

/// The peer whose key we share.
fn alice() -> Side {
    let key: Vec<u8> = (0..16).collect();
    Side::new("sip:alice@10.0.0.1", "sip:bob@10.0.0.2", &key, 0xa11ce)
}
