//! What each mode of MIKEY costs: octets on the wire, and microseconds of each role beside the public-key operations
//! that it cannot avoid, timed by turns in one run and with the same library.
//!
//! A role is all that a call asks of keying: from the streams wanted to the lines of SDP, and back to SRTP master keys.
//! The caller's work is an offer and, when the answer is there, its verification; the callee's is the answer. What is
//! bare is one call each of the library's exponentiation, scalar multiplication, signature and verification, with no
//! message around it (`bare.rs`): so the peer's public value is imported, but no certificate is read, and no key of one is
//! made ready. The target is a ratio of 1.2; the pre-shared key has no such operation, and 10 microseconds.
//!
//! Environment: `KEYPHONE_BENCH_MS` (300), how long each figure is measured; `KEYPHONE_BENCH_ROWS`, a part of the names
//! of those rows that are to be measured (all).

#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod bare;
mod rows;

use keyphone_keying::{Ask, Dir, Hop, Identity, Input, Keying, Lines, Stream};
use keyphone_media::env::{Env, Instant as Mono, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use rows::Row;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Not random, but fresh.
struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for octet in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (self.0 >> 56) as u8;
        }
    }
}

/// Two who call each other, and how far their clock is.
struct Pair<'r> {
    row: &'r Row,
    alice: (Identity, Box<dyn Keying>),
    bob: (Identity, Box<dyn Keying>),
    dice: Dice,
    ntp: u64,
}

fn streams(ssrc: u32) -> [Stream; 2] {
    [(Dir::Send, Some(Ssrc(ssrc))), (Dir::Hear, None)].map(|(dir, ssrc)| Stream { line: 0, dir, ssrc, roc: 0 })
}

impl<'r> Pair<'r> {
    fn new(row: &'r Row) -> Self {
        let stand = |name: &str| {
            let me = Identity::new(name);
            let system = (row.stand)(&me);
            (me, system)
        };
        let (alice, bob) = (stand("sip:alice@example.org"), stand("sip:bob@example.org"));
        Self { row, alice, bob, dice: Dice(1), ntp: 0xed00_0000_0000_0000 }
    }

    /// Each message has a time of its own.
    fn env(&mut self) -> Env<'_> {
        self.ntp += 1 << 22; // a millisecond
        Env { now: Now { mono: Mono::ZERO, ntp: NtpTime(self.ntp) }, rng: &mut self.dice }
    }

    fn offer(&mut self) -> (Lines, Box<dyn keyphone_keying::Offered>) {
        let (me, named) = (self.alice.0.clone(), self.bob.0.clone());
        let mut system = std::mem::replace(&mut self.alice.1, rows::nobody());
        let (streams, policy) = (streams(1), &self.row.policy);
        let ask = Ask { hop: Hop::Clear, me: &me, named: &named, streams: &streams, policy };
        let offer = system.offer(&ask, &mut self.env(), &mut vec![]).expect("an offer");
        self.alice.1 = system;
        offer
    }

    fn answer(&mut self, offer: &Lines) -> Lines {
        let (me, named) = (self.bob.0.clone(), self.alice.0.clone());
        let mut system = std::mem::replace(&mut self.bob.1, rows::nobody());
        let (streams, policy) = (streams(2), &self.row.policy);
        let ask = Ask { hop: Hop::Clear, me: &me, named: &named, streams: &streams, policy };
        let mut out = vec![];
        let answer = system.answer(&ask, offer, &mut self.env(), &mut out);
        let (lines, _) = answer.unwrap_or_else(|refusal| panic!("{}", refusal.error));
        black_box(out);
        self.bob.1 = system;
        lines
    }
}

/// The time of one call, and beside it of the bare operations, by turns; in microseconds, and where nothing else has had
/// the core: the tenth part of all calls is faster. `prepare` is not timed.
fn time<T>(
    budget: Duration,
    bare: bare::Bare,
    mut prepare: impl FnMut() -> T,
    mut act: impl FnMut(T),
) -> (f64, Option<f64>) {
    let mut bare: Vec<_> = bare.iter().map(|make| make()).collect();
    let begun = Instant::now();
    let (mut ours, mut theirs) = (vec![], vec![]);
    while begun.elapsed() < budget || ours.len() < 5 {
        let prepared = prepare();
        let at = Instant::now();
        act(prepared);
        ours.push(at.elapsed());
        let at = Instant::now();
        bare.iter_mut().for_each(|act| act());
        theirs.push(at.elapsed());
    }
    let tenth = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 10].as_secs_f64() * 1e6
    };
    (tenth(ours), (!bare.is_empty()).then(|| tenth(theirs)))
}

/// Octets of the message in the first line.
fn octets(lines: &Lines) -> usize {
    let text = lines.0.first().map_or("", |line| line.value.trim_start_matches("mikey "));
    text.len() / 4 * 3 - text.bytes().rev().take_while(|&b| b == b'=').count()
}

fn main() {
    // A test run of the benches only wants to know that they run.
    let testing = std::env::args().any(|arg| arg == "--test");
    let ms = std::env::var("KEYPHONE_BENCH_MS").ok().and_then(|ms| ms.parse().ok());
    let budget = Duration::from_millis(if testing { 1 } else { ms.unwrap_or(300) });
    println!("octets of I_MESSAGE and R_MESSAGE; microseconds, and beside them the bare operations and the ratio");
    println!("{:<36} {:>5} {:>5}  {:^24}  {:^24}  {:^24}", "mode", "I", "R", "offer", "answer", "verify");
    let wanted = std::env::var("KEYPHONE_BENCH_ROWS").unwrap_or_default();
    for row in rows::all().into_iter().filter(|row| row.name.contains(&wanted)) {
        println!("{}", measure(&row, budget));
    }
}

fn measure(row: &Row, budget: Duration) -> String {
    let mut pair = Pair::new(row);
    let (offer, offered) = pair.offer();
    let answer = pair.answer(&offer);
    let size = (octets(&offer), octets(&answer));
    let figure = |times: (f64, Option<f64>)| match times {
        (ours, Some(bare)) => format!("{ours:>8.1} {bare:>8.1} {:>5.2}", ours / bare),
        (ours, None) => format!("{ours:>8.1} {:>8} {:>5}", "-", "-"),
    };
    let offering = time(budget, row.bare[0], || (), |()| drop(black_box(pair.offer())));
    let mut bob = Pair::new(row);
    let answering = time(budget, row.bare[1], || pair.offer().0, |offer| drop(black_box(bob.answer(&offer))));
    let verifying = time(
        budget,
        row.bare[2],
        || offered.session(),
        |mut session| {
            let mut out = vec![];
            session.handle(Input::Answer(&answer), &mut pair.env(), &mut out).expect("verified");
            black_box(out);
        },
    );
    let [offering, answering, verifying] = [offering, answering, verifying].map(figure);
    format!("{:<36} {:>5} {:>5}  {offering}  {answering}  {verifying}", row.name, size.0, size.1)
}
