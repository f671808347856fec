//! A call goes on while somebody floods one of the two phones with all that SIP has to offer.
//!
//! A few seconds of it in every test run; `make flood` takes `KEYPHONE_FLOOD_SECONDS` (300) and writes the memory curve
//! to `KEYPHONE_FLOOD_CSV`: seconds, kB, messages sent so far.
#![allow(clippy::disallowed_methods, reason = "processes live in real time and on real ports")]

mod attack;
mod peers;

use attack::Attack;
use keyphone_media::audio::codec::Codec;
use peers::sound::Speech;
use peers::{KEY, Ports, Process, Ran, answer, keyphone, pause, text};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the flooded phone may grow by, in kB: 64 MB of transactions (`Table::MOST_BYTES`), the connections of one
/// source (64, of which each may hold one message of 1 MB), and what the allocator keeps.
const BOUND: u64 = 160 * 1024;

#[test]
fn a_call_loses_no_frame_to_a_flood_and_memory_stays_within_its_bound() {
    let measured = std::env::var("KEYPHONE_FLOOD_SECONDS").ok();
    // Other tests run beside this one, and for what the machine does meanwhile the flood is not to blame. `make flood` runs
    // alone, with the usual jitter buffer.
    let jitter = if measured.is_some() { "60ms" } else { "200ms" };
    let seconds = measured.map_or(6, |s| s.parse().expect("a number of seconds"));
    let (ports, dir) = (Ports::free(), tempfile::tempdir().unwrap());
    let alice_says = Speech::write(dir.path(), "alice-says.wav", 1, (seconds + 3) * 1000);
    let bob_says = Speech::write(dir.path(), "bob-says.wav", 2, (seconds + 3) * 1000);
    let [heard_by_alice, heard_by_bob] = ["alice.wav", "bob.wav"].map(|name| dir.path().join(name));
    let phone = |command, port, media, says: &Speech, records: &Path, args: &[&str]| {
        let config = ports.config(dir.path(), media);
        let network = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{network}[audio]\njitter = \"{jitter}\"\n")).unwrap();
        let listen = format!("127.0.0.1:{port}");
        let all = ["--listen", &listen, "--config", text(&config), "--psk", KEY];
        let mut phone = keyphone(command, &all);
        phone.args(["--play", text(&says.file), "--record", text(records)]).args(args);
        phone
    };
    let mut bob = answer(phone("answer", ports.bob(), ports.bob_media(), &bob_says, &heard_by_bob, &[]));
    let uri = format!("sip:bob@127.0.0.1:{}", ports.bob());
    let mut alice =
        Process::start(phone("call", ports.alice(), ports.alice_media(), &alice_says, &heard_by_alice, &[&uri]));
    let bobs_began = bob.event("call.answered");
    let bobs_tag = bobs_began["call"].clone();
    alice.event("call.answered");
    pause(1000);

    let before = rss(bob.id());
    let attack = Attack::start(ports.bob(), ports.bob_media());
    let (mut curve, mut most, start) = (String::from("seconds,kB,messages\n"), 0, Instant::now());
    while start.elapsed() < Duration::from_secs(seconds.into()) {
        pause(500);
        let now = rss(bob.id());
        most = most.max(now);
        writeln!(curve, "{:.1},{now},{}", start.elapsed().as_secs_f64(), attack.sent()).unwrap();
    }
    let sent = attack.stop();
    if let Some(file) = std::env::var_os("KEYPHONE_FLOOD_CSV") {
        std::fs::write(file, &curve).unwrap();
    }
    let alice = alice.finish();
    assert_eq!(alice.code, Some(0), "{alice}");
    let ended = bob.until("end of the call", |event| event["event"] == "call.ended" && event["call"] == bobs_tag);
    assert_eq!((&ended["outcome"], &ended["by"]), (&"completed".into(), &"peer".into()), "{ended}");
    bob.interrupt();
    let bob = bob.finish();
    eprintln!("flood: {sent} messages in {seconds} s; {before} kB before, {most} kB at most");

    assert!(sent > u64::from(seconds) * 500, "this is no flood: {sent}");
    assert!(most <= before + BOUND, "{before} kB became {most} kB\n{curve}");
    let stats = |ran: &Ran| ran.events("media.stats").into_iter().find(|s| s["call"] == bobs_tag).unwrap();
    // Alice hangs up half a second after all is said; Bob speaks until he hears of that.
    let alice_speaks = alice_says.frames() + 25;
    let bob_speaks = ((seconds_of(&ended) - seconds_of(&bobs_began)) * 50.0) as usize;
    for (who, ran, speaks, says, recording) in [
        ("alice", &alice, alice_speaks, &bob_says, &heard_by_alice),
        ("bob", &bob, bob_speaks, &alice_says, &heard_by_bob),
    ] {
        let (stats, missing) = (stats(ran), says.missing(recording));
        eprintln!("flood: {who}: misses {missing}, has {speaks} frames to send: {stats}");
        // The frame in which the call ends may be either in it or not.
        let sent = stats["sent"].as_u64().unwrap();
        assert!(sent + 2 >= speaks as u64, "{who} has sent {sent} frames of {speaks}: {stats}");
        assert_eq!((&stats["lost"], &stats["late"], missing), (&0.into(), &0.into(), 0), "{who}: {stats}");
    }
}

/// When an event was, in seconds since its command started.
fn seconds_of(event: &serde_json::Value) -> f64 {
    event["at"].as_f64().expect("an event has its time")
}

/// The resident set of a process, in kB.
fn rss(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.split_whitespace().next().and_then(|kb| kb.parse().ok()).expect("a number")
}

trait Missing {
    fn frames(&self) -> usize;
    fn missing(&self, recording: &Path) -> u64;
}

impl Missing for Speech {
    /// How many there are.
    fn frames(&self) -> usize {
        self.pcm.len() / peers::sound::FRAME
    }

    /// How many frames of what was said a recording does not hold, sample for sample. Its last are not asked for: the
    /// call ends when all is said.
    fn missing(&self, recording: &Path) -> u64 {
        const FRAME: usize = peers::sound::FRAME;
        let mut reader = hound::WavReader::open(recording).unwrap();
        let heard: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        let (g711, mut said) = (self.g711(), vec![]);
        Codec::Pcmu.decoder().unwrap().decode(&g711, g711.len(), &mut said);
        let frames: Vec<_> = said.chunks_exact(FRAME).collect();
        let (mut at, mut missing) = (0, 0);
        for frame in &frames[..frames.len() - 50] {
            // A jitter buffer that grows or shrinks moves what follows.
            let near = at..(at + 50 * FRAME).min(heard.len().saturating_sub(FRAME));
            match near.clone().find(|at| heard[*at..].starts_with(frame)) {
                Some(found) => at = found + FRAME,
                None => missing += 1,
            }
        }
        missing
    }
}
