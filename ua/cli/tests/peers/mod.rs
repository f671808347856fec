//! Calls on loopback between processes: our command, and peers that this project did not write, SIPp and tshark.
//! Whatever is started here has a time by which it must have done its part, and dies with the test.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::disallowed_methods, reason = "processes live in real time and on real ports")]

pub(crate) mod capture;
pub(crate) mod proxy;
pub(crate) mod sound;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A key that alice and bob share.
pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Nothing that a test waits for takes so long, even where every core is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Is this program here? If not, that is said so that nobody can miss it.
pub(crate) fn installed(program: &str, package: &str) -> bool {
    let found = Command::new(program).arg("-v").stdin(Stdio::null()).output().is_ok();
    if !found {
        skipped(&format!("{program} is not installed (apt-get install {package})"));
    }
    found
}

/// Past the test harness, which swallows what a passing test says.
pub(crate) fn skipped(why: &str) {
    use std::io::Write;
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}: {test}");
}

/// `KEYPHONE_PEERS=full` places as many calls as the claims name; otherwise there are fewer, to save time.
pub(crate) fn full() -> bool {
    std::env::var("KEYPHONE_PEERS").is_ok_and(|how| how == "full")
}

/// A block of ports that nobody used a moment ago, below those that the system gives to whoever asks for any.
pub(crate) struct Ports(u16);

impl Ports {
    const BLOCK: u16 = 32;
    const FIRST: u16 = 10_240;
    const BLOCKS: u16 = 600;

    pub(crate) fn free() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = (std::process::id() % u32::from(Self::BLOCKS)) as u16;
        for _ in 0..Self::BLOCKS {
            let block = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % Self::BLOCKS;
            let ports = Self(Self::FIRST + block * Self::BLOCK);
            if (ports.first()..=ports.last()).all(is_free) {
                return ports;
            }
        }
        panic!("no {} neighbouring ports are free", Self::BLOCK);
    }

    /// Alice's SIP.
    pub(crate) fn alice(&self) -> u16 {
        self.0
    }

    /// Bob's SIP.
    pub(crate) fn bob(&self) -> u16 {
        self.0 + 1
    }

    /// What a capture is sent to find out whether it has begun, and whether it has seen all.
    pub(crate) fn probes(&self) -> [u16; 2] {
        [self.0 + 2, self.0 + 3]
    }

    /// SIPp's SIP.
    pub(crate) fn sipp(&self) -> u16 {
        self.0 + 4
    }

    pub(crate) fn alice_media(&self) -> [u16; 2] {
        [self.0 + 8, self.0 + 15]
    }

    pub(crate) fn bob_media(&self) -> [u16; 2] {
        [self.0 + 16, self.0 + 23]
    }

    /// Of a phone that is alone here.
    pub(crate) fn all_media(&self) -> [u16; 2] {
        [self.alice_media()[0], self.bob_media()[1]]
    }

    /// Is it to or from a port that only media uses?
    pub(crate) fn is_media(&self, packet: &capture::Packet) -> bool {
        let media = self.alice_media()[0]..=self.last();
        !packet.tcp && (media.contains(&packet.from.port()) || media.contains(&packet.to.port()))
    }

    /// SIPp opens some ports from here on.
    pub(crate) fn sipp_media(&self) -> u16 {
        self.0 + 24
    }

    pub(crate) fn first(&self) -> u16 {
        self.0
    }

    pub(crate) fn last(&self) -> u16 {
        self.0 + Self::BLOCK - 1
    }

    /// A configuration file with these media ports.
    pub(crate) fn config(&self, directory: &Path, [first, last]: [u16; 2]) -> PathBuf {
        let file = directory.join(format!("{first}.toml"));
        std::fs::write(&file, format!("[network]\nmedia-ports = \"{first}-{last}\"\n")).unwrap();
        file
    }
}

/// Does nobody use this port, for UDP or TCP?
pub(crate) fn is_free(port: u16) -> bool {
    let mut families = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    if has_ipv6() {
        families.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    }
    families.into_iter().all(|at| UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok())
}

/// Containers often have none.
pub(crate) fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Our command, for machines.
pub(crate) fn keyphone(command: &str, args: &[&str]) -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_keyphone"));
    process.args([command, "--json"]).args(args);
    process
}

/// Starts an `answer`, and waits until it listens.
pub(crate) fn answer(command: Command) -> Process {
    let mut phone = Process::start(command);
    phone.event("listening");
    phone
}

/// A process beside us.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    said: String,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{name}: {e}"));
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (to, lines) = channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = vec![];
            while stdout.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                if to.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let stderr = thread::spawn(move || {
            let mut said = vec![];
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        Self { name, child, lines, stderr: Some(stderr), said: String::new() }
    }

    /// The next line within this time; `None` if none came, or none will.
    pub(crate) fn line(&mut self, within: Duration) -> Option<String> {
        let line = self.lines.recv_timeout(within).ok()?;
        self.said += &line;
        Some(line)
    }

    /// Reads on until this event of ours.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.until(name, |event| event["event"] == name)
    }

    /// Reads on until an event of ours for which this holds.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        while let Some(line) = self.line(end.saturating_duration_since(Instant::now())) {
            let object = object(&line);
            if holds(&object) {
                return object;
            }
        }
        let stderr = self.stop();
        panic!("no {what} came from {}, but {}{stderr}", self.name, self.said);
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{signal} of {}", self.name);
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Ran {
        self.finish_within(PATIENCE)
    }

    /// Waits longer, or not as long.
    pub(crate) fn finish_within(mut self, patience: Duration) -> Ran {
        let end = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said += &line,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let stderr = self.stop();
                    panic!("{} does not end; it said {}{stderr}", self.name, self.said);
                }
            }
        }
        // Its stdout is closed: it is about to end.
        while self.is_running() {
            assert!(Instant::now() < end, "{} does not end", self.name);
            pause(5);
        }
        let code = self.child.wait().unwrap().code();
        Ran { code, stdout: std::mem::take(&mut self.said), stderr: self.stop() }
    }

    /// Ends it, with what it said on stderr.
    fn stop(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Ran {
    /// Our events of this name.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        self.stdout.lines().map(object).filter(|o| o["event"] == name).collect()
    }

    /// The one event of this name.
    pub(crate) fn only(&self, name: &str) -> Value {
        let mut events = self.events(name);
        assert_eq!(events.len(), 1, "{name}: {self}");
        events.remove(0)
    }

    /// The lines of `--trace`.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.events("trace").iter().map(|o| o["line"].as_str().unwrap().to_owned()).collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n{}{}", self.code, self.stdout, self.stderr)
    }
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{line} is not JSON: {e}"))
}

/// Where nothing says when to go on.
pub(crate) fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}
