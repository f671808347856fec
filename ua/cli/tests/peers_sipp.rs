//! SIPp, which knows no keying at all: it calls and is called in the clear where that is allowed, and nowhere else.
//! `KEYPHONE_PEERS=full` places all the calls that the claims name.

mod peers;

use peers::capture::{Packet, packets};
use peers::{KEY, Ports, Process, Ran, answer, full, installed, keyphone, text};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const HOST: &str = "127.0.0.1";
/// What SIPp's exit code 1 means: at least one call failed.
const FAILED: Option<i32> = Some(1);

#[test]
fn sipp_calls_us_in_the_clear_twenty_times_a_second_and_none_fails() {
    let Some(rig) = Rig::new() else { return };
    let calls = if full() { 200 } else { 40 };
    let times = calls.to_string();
    let bob = answer(rig.phone("answer", rig.ports.bob(), &["--keying", "none", "--allow-clear", "--times", &times]));
    let sipp = Process::start(rig.sipp(&["-sn", "uac", "-m", &times, "-r", "20", &rig.bob()])).finish();
    assert_eq!(sipp.code, Some(0), "{sipp}");
    assert_eq!(cumulative(&sipp, "Successful call"), calls, "{sipp}");
    assert_eq!(cumulative(&sipp, "Failed call"), 0, "{sipp}");
    let bob = bob.finish();
    assert_eq!(bob.code, Some(0), "{bob}");
    assert_eq!(bob.only("summary")["completed"], calls);
    assert!(bob.events("call.answered").iter().all(|answered| answered["keying"] == "none"), "{bob}");
}

#[test]
fn sipp_is_refused_with_488_where_clear_media_is_not_allowed() {
    let Some(rig) = Rig::new() else { return };
    // Whether we have no keying, or one that SIPp does not know.
    for keying in [&["--keying", "none"][..], &["--psk", KEY]] {
        let capture = rig.file("bob.pcap");
        let own = ["--once", "--pcap", text(&capture)];
        let bob = answer(rig.phone("answer", rig.ports.bob(), &[keying, &own].concat()));
        let messages = rig.file("messages");
        let log = ["-trace_msg", "-message_file", text(&messages)];
        let sipp = Process::start(rig.sipp(&[&["-sn", "uac", "-m", "1"], &log[..], &[&rig.bob()]].concat())).finish();
        let bob = bob.finish();
        assert_eq!(sipp.code, FAILED, "{sipp}");
        let messages = std::fs::read_to_string(&messages).unwrap();
        assert!(messages.contains("SIP/2.0 488 ") && messages.contains("Warning: 399 "), "{messages}");
        assert!(!messages.contains("SIP/2.0 200 OK\r\nVia"), "{messages}");
        assert_eq!(bob.code, Some(3), "{bob}");
        assert_eq!(bob.only("call.ended")["outcome"], "keying-refused");
        assert_eq!(rig.media(&capture), [], "{keying:?}");
    }
}

#[test]
fn we_call_sipp_in_the_clear_time_after_time_and_none_fails() {
    let Some(rig) = Rig::new() else { return };
    let calls = if full() { 50 } else { 10 };
    let sipp = rig.uas(&[]);
    let capture = rig.file("alice.pcap");
    let clear = ["--keying", "none", "--allow-clear", "--times", &calls.to_string(), "--for", "100ms"];
    let own = ["--pcap", text(&capture), &rig.sipp_uri()];
    let alice = Process::start(rig.phone("call", rig.ports.alice(), &[&clear[..], &own].concat())).finish();
    assert_eq!(alice.code, Some(0), "{alice}");
    assert_eq!(alice.only("summary")["completed"], calls);
    assert!(alice.events("call.answered").iter().all(|answered| answered["keying"] == "none"), "{alice}");
    assert!(rig.media(&capture).len() as u64 >= calls, "this is what the next test must not see");
    // It ends by itself when it has had no call for a while after this signal.
    sipp.signal("USR1");
    let sipp = sipp.finish();
    assert_eq!(cumulative(&sipp, "Successful call"), calls, "{sipp}");
    assert_eq!(cumulative(&sipp, "Failed call"), 0, "{sipp}");
}

#[test]
fn we_send_sipp_nothing_where_clear_media_is_not_allowed() {
    let Some(rig) = Rig::new() else { return };
    let _sipp = rig.uas(&[]);
    // Without keying nothing can be offered. What is offered keyed is answered in the clear, and that is hung up.
    for (keying, hung_up) in [(&["--keying", "none"][..], false), (&["--psk", KEY], true)] {
        let capture = rig.file("alice.pcap");
        let own = ["--pcap", text(&capture), "--trace", &rig.sipp_uri()];
        let alice = Process::start(rig.phone("call", rig.ports.alice(), &[keying, &own].concat())).finish();
        assert_eq!(alice.code, Some(3), "{alice}");
        assert_eq!(alice.only("call.ended")["outcome"], "keying-refused");
        assert_eq!(alice.events("call.answered").len(), 0, "{alice}");
        assert_eq!(rig.media(&capture), [], "{keying:?}");
        assert_eq!(alice.trace().iter().any(|line| line.contains("BYE")), hung_up, "{alice}");
    }
}

/// SIPp and one phone, with their ports and a directory.
struct Rig {
    ports: Ports,
    dir: TempDir,
}

impl Rig {
    /// `None`, and said so, without SIPp.
    fn new() -> Option<Self> {
        installed("sipp", "sip-tester").then(|| Self { ports: Ports::free(), dir: tempfile::tempdir().unwrap() })
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn bob(&self) -> String {
        format!("{HOST}:{}", self.ports.bob())
    }

    fn sipp_uri(&self) -> String {
        format!("sip:service@{HOST}:{}", self.ports.sipp())
    }

    fn phone(&self, command: &str, port: u16, args: &[&str]) -> Command {
        let config = self.ports.config(self.dir.path(), self.ports.all_media());
        let mut phone = keyphone(command, &["--listen", &format!("{HOST}:{port}"), "--config", text(&config)]);
        phone.args(args);
        phone
    }

    fn sipp(&self, args: &[&str]) -> Command {
        let [port, media] = [self.ports.sipp(), self.ports.sipp_media()].map(|port| port.to_string());
        let mut sipp = Command::new("sipp");
        sipp.current_dir(self.dir.path()).env("TERM", "xterm");
        sipp.args(["-i", HOST, "-p", &port, "-mi", HOST, "-mp", &media, "-nostdin", "-timeout", "60s"]).args(args);
        sipp
    }

    /// SIPp as callee, once it listens.
    fn uas(&self, args: &[&str]) -> Process {
        let mut sipp = Process::start(self.sipp(&[&["-sn", "uas"], args].concat()));
        while UdpSocket::bind((HOST, self.ports.sipp())).is_ok() {
            assert!(sipp.is_running(), "{}", sipp.finish());
            std::thread::sleep(Duration::from_millis(20));
        }
        sipp
    }

    /// RTP and RTCP in a capture of the phone's.
    fn media(&self, capture: &Path) -> Vec<Packet> {
        packets(capture, &self.ports).into_iter().filter(|p| self.ports.is_media(p)).collect()
    }
}

/// A counter of SIPp's last statistics: `Successful call | 0 | 40`.
fn cumulative(sipp: &Ran, counter: &str) -> u64 {
    let line = sipp.stdout.lines().rfind(|line| line.trim_start().starts_with(counter));
    let number = line.and_then(|line| line.rsplit('|').next()).and_then(|number| number.trim().parse().ok());
    number.unwrap_or_else(|| panic!("SIPp counts no {counter}: {sipp}"))
}
