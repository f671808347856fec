//! SIPp walks every scenario of `scenarios/interop` with our command. A file says in its first comment what we are told
//! to do: `keyphone:` is the command line, each `control:` an event to wait for and the order that comes before it (for a
//! phone with `--control`). SIPp's exit code is the verdict. Five calls each, or as many as `KEYPHONE_INTEROP` says (`make interop`: 100).

mod peers;
mod support;

use peers::{Ports, Process, answer, installed, is_free, keyphone, pause, text};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use support::Running;
use tempfile::TempDir;

const HOST: &str = "127.0.0.1";

/// A test for each scenario, and one that none was forgotten.
macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            walk(stringify!($name));
        })*

        #[test]
        fn every_scenario_is_walked() {
            let walked = [$(concat!(stringify!($name), ".xml")),*];
            for file in fs::read_dir(directory()).unwrap() {
                let name = file.unwrap().file_name().into_string().unwrap();
                assert!(walked.contains(&name.as_str()), "{name} is in nobody's list");
            }
        }
    };
}

scenarios! {
    registrar_423 registrar_digest
    uac_302 uac_422 uac_cancel_early uac_cancel_ringing uac_early_media uac_early_media_prack uac_glare uac_held
    uac_hold uac_info uac_lost_ack uac_message uac_offerless uac_options uac_refer uac_refer_busy uac_refer_replaces
    uac_refresh uac_refreshed uac_reinvite_offerless uac_replaces uac_update uac_update_early
    uas_302 uas_422 uas_cancel_answered uas_cancel_early uas_cancel_ringing uas_digest uas_early_media
    uas_early_media_prack uas_glare uas_held uas_hold uas_info uas_lost_ack uas_message uas_offerless uas_refer
    uas_refer_failed uas_refer_replaces uas_refresh uas_refreshed uas_reinvite_offerless uas_repeated_200 uas_update
    uas_update_early
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/interop")
}

fn calls() -> u64 {
    std::env::var("KEYPHONE_INTEROP").map_or(5, |calls| calls.parse().expect("KEYPHONE_INTEROP is a number"))
}

/// One scenario: what SIPp does, and what we are told.
struct Scenario {
    ports: Ports,
    dir: TempDir,
    file: PathBuf,
    keyphone: Vec<String>,
    /// What a script tells us, in each round anew: an event, and the order before it if there is one.
    control: Vec<(String, Option<Value>)>,
    sipp: Vec<String>,
}

fn walk(name: &str) {
    if !installed("sipp", "sip-tester") {
        return;
    }
    let scenario = Scenario::read(name);
    match scenario.keyphone[0].as_str() {
        _ if !scenario.control.is_empty() => scenario.told(),
        "answer" => scenario.called(),
        "call" => scenario.calling(),
        _ => scenario.registering(),
    }
}

impl Scenario {
    fn read(name: &str) -> Self {
        let (ports, dir) = (Ports::free(), tempfile::tempdir().unwrap());
        let file = directory().join(name).with_extension("xml").canonicalize().unwrap();
        let xml = fs::read_to_string(&file).unwrap();
        let password = dir.path().join("password");
        fs::write(&password, "wonderland\n").unwrap();
        // A second of G.711 silence, for scenarios that play something.
        fs::write(dir.path().join("tone.ulaw"), vec![0xFF; 8000]).unwrap();
        let sipp = format!("{HOST}:{}", ports.sipp());
        let control = xml.lines().filter_map(|line| line.trim().strip_prefix("control: ")).map(|line| {
            let (event, order) = line.split_once(' ').unwrap_or((line, "null"));
            let order: Value = serde_json::from_str(&order.replace("[sipp]", &sipp)).unwrap();
            (event.to_owned(), Some(order).filter(|order| !order.is_null()))
        });
        let control = control.collect();
        let words = |key: &str| -> Vec<String> {
            let line = xml.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap_or_default();
            line.split_whitespace()
                .map(|word| word.replace("[sipp]", &sipp))
                .map(|word| word.replace("@password", &format!("@{}", text(&password))))
                .collect()
        };
        let (keyphone, sipp) = (words("keyphone:"), words("sipp:"));
        Self { ports, dir, file, keyphone, control, sipp }
    }

    fn phone(&self, port: u16) -> Command {
        let config = self.ports.config(self.dir.path(), self.ports.all_media());
        let mut phone =
            keyphone(&self.keyphone[0], &["--listen", &format!("{HOST}:{port}"), "--config", text(&config)]);
        phone.args(&self.keyphone[1..]);
        phone
    }

    /// SIPp, which ends after this many calls.
    fn sipp(&self, calls: u64) -> Command {
        let [port, media] = [self.ports.sipp(), self.ports.sipp_media()].map(|port| port.to_string());
        let mut sipp = Command::new("sipp");
        sipp.current_dir(self.dir.path()).env("TERM", "xterm");
        sipp.args(["-i", HOST, "-p", &port, "-mi", HOST, "-mp", &media, "-nostdin", "-recv_timeout", "10000"]);
        sipp.args(["-trace_err", "-error_file", "errors", "-trace_msg", "-message_file", "messages"]);
        // The phone has ports for eight calls.
        sipp.args(["-sf", text(&self.file), "-m", &calls.to_string(), "-r", "5", "-l", "6"]).args(&self.sipp);
        sipp
    }

    /// SIPp calls us.
    fn called(&self) {
        let phone = answer(self.phone(self.ports.bob()));
        let mut sipp = self.sipp(calls());
        sipp.arg(format!("{HOST}:{}", self.ports.bob()));
        self.judge(Process::start(sipp));
        phone.interrupt();
        let phone = phone.finish();
        assert_eq!(phone.code, Some(0), "{phone}");
    }

    /// We call SIPp.
    fn calling(&self) {
        let sipp = self.listening(calls());
        let mut phone = self.phone(self.ports.alice());
        phone.args(["--times", &calls().to_string(), &format!("sip:service@{HOST}:{}", self.ports.sipp())]);
        let phone = Process::start(phone);
        self.judge(sipp);
        let ran = phone.finish();
        assert_eq!(ran.events("call.ended").len() as u64, calls(), "{ran}");
        let gives_up = self.keyphone.iter().any(|word| word == "--give-up");
        assert_eq!(ran.code, Some(if gives_up { 1 } else { 0 }), "{ran}");
    }

    /// A script tells us what to do with SIPp, time after time.
    fn told(&self) {
        // Whoever is named in a "to" is one of SIPp's calls.
        let named = self.control.iter().flat_map(|(_, order)| order).filter(|order| order.get("to").is_some()).count();
        let sipp = self.listening(calls() * named as u64);
        let listen = format!("{HOST}:{}", self.ports.alice());
        let config = self.ports.config(self.dir.path(), self.ports.all_media());
        let mut args = vec![self.keyphone[0].as_str(), "--listen", &listen, "--config", text(&config)];
        args.extend(self.keyphone[1..].iter().map(String::as_str));
        for _ in 0..calls() {
            let (mut phone, _) = Running::control(&args);
            for (event, order) in &self.control {
                if let Some(order) = order {
                    let done = phone.order(order.clone());
                    assert_eq!(done["event"], "control.done", "{order}: {done}");
                }
                if event != "control.done" {
                    let came = phone.wait_for_any(&[event, "call.ended", "call.trouble"]);
                    assert_eq!(came["event"], event.as_str(), "{order:?}: {came}");
                }
            }
            let ran = phone.finish();
            assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        }
        self.judge(sipp);
    }

    /// We register with SIPp, time after time.
    fn registering(&self) {
        let sipp = self.listening(calls());
        for _ in 0..calls() {
            let ran = Process::start(self.phone(self.ports.alice())).finish();
            assert_eq!(ran.code, Some(0), "{ran}");
        }
        self.judge(sipp);
    }

    /// SIPp as callee or registrar, once it listens.
    fn listening(&self, calls: u64) -> Process {
        let mut sipp = Process::start(self.sipp(calls));
        while is_free(self.ports.sipp()) {
            assert!(sipp.is_running(), "{}", sipp.finish());
            pause(20);
        }
        sipp
    }

    /// SIPp says whether all went as its scenario says.
    fn judge(&self, sipp: Process) {
        let ran = sipp.finish_within(Duration::from_secs(60 + 8 * calls()));
        let file = |name: &str| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        let messages: String = file("messages").chars().take(20_000).collect();
        assert_eq!(ran.code, Some(0), "{}\n{}\n{messages}", file("errors"), ran.stderr);
    }
}
