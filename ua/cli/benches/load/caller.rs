//! SIPp as the caller, on the second core.

use super::offers;
use super::server::{Callee, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How calls follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many a second.
    Steady(u32),
    /// As fast as they are answered, so many at a time.
    AtOnce(u32),
}

/// Starts SIPp, and reads its counters.
pub(crate) struct Caller {
    dir: PathBuf,
}

/// Calls that stand until this is dropped.
pub(crate) struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Caller {
    pub(crate) fn new(dir: &Path) -> Self {
        let scenario = Command::new("sipp").args(["-sd", "uac"]).output().expect("SIPp is installed").stdout;
        let scenario = String::from_utf8(scenario).expect("SIPp's scenario is text");
        let keyed = scenario.replace("RTP/AVP 0", "RTP/SAVP 0\n      a=key-mgmt:mikey [field0]");
        assert_ne!(keyed, scenario, "SIPp's own scenario has an m-line to replace");
        fs::write(dir.join("keyed.xml"), keyed).expect("the directory can be written");
        Self { dir: dir.to_owned() }
    }

    /// Makes the calls, all of which must succeed, and gives the seconds that they took.
    pub(crate) fn call(&self, server: &Server, calls: u32, pace: Pace) -> f64 {
        let (rate, most) = match pace {
            Pace::Steady(rate) => (rate, 5000),
            Pace::AtOnce(most) => (50_000, most),
        };
        let before = Instant::now();
        let mut sipp = self.start(server, calls, &format!("-r {rate} -l {most} -timeout 120s"));
        let status = sipp.wait().expect("SIPp ends");
        let seconds = before.elapsed().as_secs_f64();
        let [ok, failed] = ["SuccessfulCall(C)", "FailedCall(C)"].map(|name| self.counter(name));
        let name = server.callee.name();
        assert!(status.success() && ok == Some(calls), "{name}: {ok:?} of {calls} calls, {failed:?} failed: {status}");
        seconds
    }

    /// Makes calls that stay, and waits until all are there.
    pub(crate) fn hold(&self, server: &Server, calls: u32) -> Held {
        let sipp = Held(self.start(server, calls, &format!("-r 250 -l {calls} -d 600000")));
        let end = Instant::now() + Duration::from_secs(60);
        while self.counter("CurrentCall") != Some(calls) {
            assert!(Instant::now() < end, "{}: not all calls stand", server.callee.name());
            std::thread::sleep(Duration::from_millis(100));
        }
        // The last of them are answered, and acknowledged.
        std::thread::sleep(Duration::from_secs(2));
        sipp
    }

    fn start(&self, server: &Server, calls: u32, how: &str) -> Child {
        let _ = fs::remove_file(self.dir.join("stat.csv"));
        let mut sipp = Command::new("taskset");
        sipp.args(["-c", "1", "sipp"]).current_dir(&self.dir).env("TERM", "xterm");
        match &server.callee {
            Callee::Keyphone { keyed: true } => {
                // Made now: what is dated before the callee started would be refused.
                fs::write(self.dir.join("offers.csv"), offers::csv(calls)).expect("the directory can be written");
                sipp.args(["-sf", "keyed.xml", "-inf", "offers.csv", "-s", "service"]);
            }
            // pjsip-perf knows what it is to do by the user that is called.
            Callee::PjsipPerf { .. } => {
                sipp.args(["-sn", "uac", "-s", "2"]);
            }
            Callee::Keyphone { keyed: false } | Callee::Sipp => {
                sipp.args(["-sn", "uac", "-s", "service"]);
            }
        }
        let (ours, media) = (server.port + 2, server.port + 4);
        let all = format!(
            "-i 127.0.0.1 -p {ours} -mi 127.0.0.1 -mp {media} -nostdin -m {calls} {how} -trace_stat -stf stat.csv -fd 1"
        );
        sipp.args(all.split(' ')).arg(format!("127.0.0.1:{}", server.port));
        sipp.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("taskset starts")
    }

    /// The last value of a column of SIPp's statistics.
    fn column(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.dir.join("stat.csv")).ok()?;
        let mut lines = text.lines();
        let at = lines.next()?.split(';').position(|column| column == name)?;
        Some(lines.last()?.split(';').nth(at)?.to_owned())
    }

    fn counter(&self, name: &str) -> Option<u32> {
        self.column(name)?.parse().ok()
    }
}
