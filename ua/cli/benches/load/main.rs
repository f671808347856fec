//! What a call costs the callee: `keyphone answer` beside `sipp -sn uas` and, if it is there, `pjsip-perf`, by turns in
//! one run. `make load` runs it; `make bench` does not.
//!
//! The callee has one core, SIPp as the caller the other. A call is INVITE, 180, 200, ACK and BYE with SDP over UDP on
//! loopback. Ours parses every message, keeps transactions and dialogs, and answers the SDP; it runs with `--no-media`,
//! because the others open no media either. The second row of ours does all that with MIKEY-PSK: every INVITE carries an
//! offer of its own, made here, and the callee checks and answers it. SIPp's callee compares text and keeps no
//! transaction: what it reaches is the price of the sockets and of a scenario, and a floor for all others.
//!
//! Environment: `KEYPHONE_LOAD_CALLS` (5000 a round), `KEYPHONE_LOAD_ROUNDS` (3), `PJSIP_PERF` (its path; else PATH).

#![allow(clippy::disallowed_methods, reason = "a benchmark measures real processes in real time")]

mod caller;
mod offers;
mod server;

use caller::{Caller, Pace};
use server::{Callee, Server};
use std::path::PathBuf;

/// Calls that stand at once while memory is measured.
const HELD: u32 = 1000;

/// One callee, and what was measured of it.
struct Row {
    callee: Callee,
    /// CPU seconds for 1000 calls at a steady pace, of each round.
    cpu: Vec<f64>,
    /// Calls a second as fast as they can be had, and the part of the core that the callee used meanwhile.
    most: Vec<(f64, f64)>,
    /// kB a held call: RSS and PSS.
    memory: Option<(f64, f64)>,
}

fn main() {
    // `cargo bench --workspace` comes along here, too.
    if std::env::var_os("KEYPHONE_LOAD").is_none() {
        return println!("load: skipped; `make load` runs it");
    }
    let calls: u32 = number("KEYPHONE_LOAD_CALLS", 5000);
    let rounds: u32 = number("KEYPHONE_LOAD_ROUNDS", 3);
    let dir = tempfile::tempdir().expect("a directory for SIPp's files");
    let caller = Caller::new(dir.path());
    let mut rows: Vec<Row> = callees().into_iter().map(Row::new).collect();
    for round in 1..=rounds {
        for row in &mut rows {
            eprintln!("round {round} of {rounds}: {}", row.callee.name());
            row.round(&caller, calls);
        }
    }
    for row in &mut rows {
        eprintln!("{HELD} held calls: {}", row.callee.name());
        row.hold(&caller);
    }
    println!("{calls} calls a round, {rounds} rounds by turns; the best round of each, and the worst in brackets");
    println!(
        "callee                      CPU s per 1000 calls   calls a second   of its core   kB per held call (PSS)"
    );
    rows.iter().for_each(|row| println!("{row}"));
}

fn callees() -> Vec<Callee> {
    let mut callees = vec![Callee::Keyphone { keyed: false }, Callee::Keyphone { keyed: true }, Callee::Sipp];
    let named = std::env::var_os("PJSIP_PERF").map(PathBuf::from);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|dir| dir.join("pjsip-perf")).find(|file| file.is_file())
    };
    match named.or_else(on_path) {
        Some(program) => callees.push(Callee::PjsipPerf { program }),
        None => eprintln!("SKIPPED: pjsip-perf is neither on PATH nor named by PJSIP_PERF"),
    }
    callees
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

impl Row {
    fn new(callee: Callee) -> Self {
        Self { callee, cpu: vec![], most: vec![], memory: None }
    }

    /// A new process, a few calls to warm it up, then two measurements.
    fn round(&mut self, caller: &Caller, calls: u32) {
        let server = Server::start(&self.callee);
        caller.call(&server, 500, Pace::Steady(500));
        let before = server.cpu();
        caller.call(&server, calls, Pace::Steady(1000));
        let steady = server.cpu() - before;
        self.cpu.push(steady * 1000.0 / f64::from(calls));
        let before = server.cpu();
        let seconds = caller.call(&server, calls, Pace::AtOnce(32));
        self.most.push((f64::from(calls) / seconds, (server.cpu() - before) / seconds));
    }

    fn hold(&mut self, caller: &Caller) {
        let server = Server::start(&self.callee);
        caller.call(&server, 10, Pace::Steady(10));
        let (rss, pss) = server.memory();
        let calls = caller.hold(&server, HELD);
        let (rss_then, pss_then) = server.memory();
        drop(calls);
        let each = |then: u64, before: u64| (then as f64 - before as f64) / f64::from(HELD);
        self.memory = Some((each(rss_then, rss), each(pss_then, pss)));
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let best = self.cpu.iter().copied().fold(f64::INFINITY, f64::min);
        let worst = self.cpu.iter().copied().fold(0.0, f64::max);
        let (rate, share) = self.most.iter().copied().fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        let (rss, pss) = self.memory.unwrap_or_default();
        let name = self.callee.name();
        write!(f, "{name:27} {best:.3} ({worst:.3})          {rate:>8.0}         {:>4.0} %", share * 100.0)?;
        write!(f, "       {rss:.1} ({pss:.1})")
    }
}
