//! The callees, each on the first core, and what the system says of them.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whom we call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Callee {
    /// Ours: in the clear, or keyed by MIKEY-PSK.
    Keyphone { keyed: bool },
    /// `sipp -sn uas`.
    Sipp,
    /// PJSIP's own load server, stateful and with real SDP answers.
    PjsipPerf { program: PathBuf },
}

impl Callee {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Keyphone { keyed: false } => "keyphone answer",
            Self::Keyphone { keyed: true } => "keyphone answer, MIKEY-PSK",
            Self::Sipp => "sipp -sn uas",
            Self::PjsipPerf { .. } => "pjsip-perf --real-sdp",
        }
    }

    fn command(&self, port: u16) -> (PathBuf, Vec<String>) {
        let words = |text: String| text.split(' ').map(str::to_owned).collect();
        match self {
            Self::Keyphone { keyed } => {
                let keying = match keyed {
                    true => format!("--psk {}", super::offers::PSK),
                    false => "--keying none --allow-clear".into(),
                };
                let ours = std::env::var_os("KEYPHONE").unwrap_or(env!("CARGO_BIN_EXE_keyphone").into());
                (ours.into(), words(format!("answer --json --no-media --listen 127.0.0.1:{port} {keying}")))
            }
            Self::Sipp => {
                let media = port + 10;
                ("sipp".into(), words(format!("-sn uas -i 127.0.0.1 -p {port} -mi 127.0.0.1 -mp {media} -nostdin")))
            }
            Self::PjsipPerf { program } => (program.clone(), words(format!("--ringing --real-sdp -p {port}"))),
        }
    }
}

/// A callee that runs.
pub(crate) struct Server {
    pub(crate) callee: Callee,
    pub(crate) port: u16,
    child: Child,
}

impl Server {
    /// Starts it, and waits until its port is taken.
    pub(crate) fn start(callee: &Callee) -> Self {
        let port = free_port();
        let (program, args) = callee.command(port);
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(&program).args(args).env("TERM", "xterm");
        // pjsip-perf ends with its stdin.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("taskset starts");
        let mut server = Self { callee: callee.clone(), port, child };
        let end = Instant::now() + Duration::from_secs(20);
        while UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            let ended = server.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none() && Instant::now() < end, "{program:?} does not listen: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// CPU seconds so far, of all threads, as the scheduler counts them.
    pub(crate) fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let nanoseconds = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        });
        nanoseconds.sum::<f64>() / 1e9
    }

    /// RSS and PSS in kB.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).expect("it runs");
        let line = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("smaps has this line")
        };
        (line("Rss:"), line("Pss:"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let free = |port: &u16| (*port..port + 20).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok());
    (21_000..30_000).step_by(40).find(free).expect("twenty ports in a row are free")
}
