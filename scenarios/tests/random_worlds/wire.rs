//! A wire on which anything can be put, also what no phone would ever send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{Ledger, MasterKey, Sender, Suite};
use keyphone_scenarios::observer::{Evidence, Finding, Phone};
use keyphone_scenarios::place::Place;
use keyphone_scenarios::world::Sent;
use keyphone_ua::endpoint::Recording;
use keyphone_ua::event::CallId;
use keyphone_ua::transaction::Transport;
use sha1::Sha1;
use std::net::SocketAddr;

pub(crate) const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// The octets of the one key, and of another.
pub(crate) const KEY: [u8; 30] = [7; 30];
pub(crate) const OTHER: [u8; 30] = [8; 30];

/// Phones by number, and their hosts.
pub(crate) const HOSTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// Dice that always fall the same way: every stream begins with the same sequence number.
struct Stuck;

impl Rng for Stuck {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(1);
    }
}

/// One end of a stream, with a ledger of its own: so nobody keeps two of them apart.
pub(crate) struct Mouth {
    ledger: Ledger,
    sender: Sender,
}

impl Mouth {
    pub(crate) fn new(suite: Suite, octets: &[u8], ssrc: u32) -> Self {
        let (key, salt) = octets.split_at(suite.key_len());
        let key = MasterKey::new(key, salt, suite).unwrap();
        let now = Now { mono: Instant::ZERO, ntp: NtpTime(0) };
        let mut ledger = Ledger::default();
        let sender = ledger.bind(&key, Ssrc(ssrc)).unwrap().sender(&mut Env { now, rng: &mut Stuck });
        Self { ledger, sender }
    }

    /// The next packet: PCMU.
    pub(crate) fn says(&mut self, payload: &[u8]) -> Vec<u8> {
        let frame = Frame { payload_type: 0, marker: false, timestamp: 160, payload };
        self.sender.seal(&mut self.ledger, frame).unwrap().bytes().to_vec()
    }

    /// The next report, with so many octets of nothing in it.
    pub(crate) fn reports(&mut self, word: u8) -> Vec<u8> {
        let [a, b, c, d] = self.sender.ssrc().0.to_be_bytes();
        // RFC 3550 sections 6.4.2 and 6.7: an empty receiver report, and APP.
        let compound = [0x80, 201, 0, 1, a, b, c, d, 0x80, 204, 0, 2, a, b, c, d, word, word, word, word];
        self.sender.seal_rtcp(&mut self.ledger, &compound).unwrap().bytes().to_vec()
    }
}

/// A report that is authentic under a key of [`SUITE`] and says that it is not encrypted (RFC 3711 section 3.4: E is 0).
pub(crate) fn open_report(octets: &[u8], ssrc: u32) -> Vec<u8> {
    let (key, salt) = octets.split_at(16);
    // RFC 3711 sections 4.3.1 and 4.3.2: label 4 gives SRTCP's key of authentication.
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    iv[7] ^= 4;
    let mut auth = [0; 20];
    ctr::Ctr128BE::<aes::Aes128>::new_from_slices(key, &iv).unwrap().apply_keystream(&mut auth);
    let [a, b, c, d] = ssrc.to_be_bytes();
    let mut packet = vec![0x80, 201, 0, 1, a, b, c, d, 0, 0, 0, 0];
    let tag = Hmac::<Sha1>::new_from_slice(&auth).unwrap().chain_update(&packet).finalize().into_bytes();
    packet.extend(&tag[..10]);
    packet
}

/// Octets that sound like nothing else.
pub(crate) fn noise(seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed).wrapping_mul(2_654_435_761) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 9) as u8
    };
    std::iter::repeat_with(next).take(160).collect()
}

/// What is heard of such octets.
pub(crate) fn heard(payload: &[u8]) -> Vec<i16> {
    let mut pcm = keyphone_media::audio::Pcm::new();
    let mut decoder = keyphone_media::audio::codec::Codec::Pcmu.decoder().unwrap();
    decoder.decode(payload, payload.len(), &mut pcm);
    pcm
}

/// All that was put on the wire, logged and recorded.
#[derive(Clone, Default)]
pub(crate) struct Wire {
    sent: Vec<Sent>,
    others: Vec<Sent>,
    logs: [Vec<String>; 3],
    recordings: [Vec<(CallId, Recording)>; 3],
    pub(crate) may_be_clear: bool,
    /// Bob is somebody else's phone.
    pub(crate) bob_is_outside: bool,
}

impl Wire {
    fn datagram(&self, from: &str, to: usize, bytes: Vec<u8>) -> Sent {
        let at = Instant::from_micros(20_000 * self.sent.len() as u64);
        let address = |host: &str| SocketAddr::new(host.parse().unwrap(), 40_000);
        let (from, to) = (address(from), address(HOSTS[to]));
        Sent { at, from, to, transport: Transport::Udp, media: true, bytes, arrived: vec![at] }
    }

    /// A phone sends, and it arrives.
    pub(crate) fn send(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        let sent = self.datagram(HOSTS[from], to, bytes);
        self.sent.push(sent);
    }

    /// A phone sends, and it is lost.
    pub(crate) fn lose(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        self.send(from, to, bytes);
        self.sent.last_mut().unwrap().arrived.clear();
    }

    /// Somebody who is no phone sends.
    pub(crate) fn inject(&mut self, to: usize, bytes: Vec<u8>) {
        let sent = self.datagram("10.0.0.66", to, bytes);
        self.sent.push(sent.clone());
        self.others.push(sent);
    }

    /// A phone logs a key.
    pub(crate) fn log(&mut self, phone: usize, suite: Suite, octets: &[u8], use_for: &str) {
        let (name, octets) = (octets[0], STANDARD.encode(octets));
        self.logs[phone].push(format!("SRTP {suite} inline:{octets} ssrc=* use={use_for} key={name:016x}"));
    }

    /// A phone has recorded a call.
    pub(crate) fn record(&mut self, phone: usize, pieces: &[&[i16]]) {
        self.record_in(phone, CallId(1), pieces);
    }

    /// It has recorded that call.
    pub(crate) fn record_in(&mut self, phone: usize, call: CallId, pieces: &[&[i16]]) {
        let recording = Recording { rate: 8000, samples: pieces.concat() };
        self.recordings[phone].push((call, recording));
    }

    /// Nobody has recorded anything.
    pub(crate) fn forget_recordings(&mut self) {
        self.recordings = Default::default();
    }

    pub(crate) fn evidence(&self) -> Evidence<'_> {
        let host = |number: usize| Place::Host(SocketAddr::new(HOSTS[number].parse().unwrap(), 5060));
        let place = |number: usize| match number {
            1 if self.bob_is_outside => Place::Outside(host(1).sip(), vec![host(0), host(2)]),
            _ => host(number),
        };
        let phone = |number: usize| Phone {
            name: NAMES[number],
            place: place(number),
            may_be_clear: self.may_be_clear,
            may_be_read: false,
            key_log: self.logs[number].iter().map(String::as_str).collect(),
            recordings: &self.recordings[number],
            events: &[],
            tables: vec![],
            waits: None,
        };
        Evidence { wire: &self.sent, others: &self.others, phones: (0..3).map(phone).collect() }
    }

    /// What the observer finds, in its own words.
    pub(crate) fn findings(&self) -> Vec<String> {
        self.evidence().judge().iter().map(Finding::to_string).collect()
    }
}
