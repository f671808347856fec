//! Runs the built command as a user would.
#![allow(dead_code, reason = "each test file uses its part")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// A key that alice and bob share.
pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyphone"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn keyphone(args: &[&str]) -> Ran {
    Ran::new(command(args).output().unwrap())
}

/// Runs it in a directory.
pub(crate) fn keyphone_in(directory: &Path, args: &[&str]) -> Ran {
    Ran::new(command(args).current_dir(directory).output().unwrap())
}

/// Runs it with a file as its stdin.
pub(crate) fn keyphone_reading(file: &Path, args: &[&str]) -> Ran {
    Ran::new(command(args).stdin(std::fs::File::open(file).unwrap()).output().unwrap())
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the command writes UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Each line of stdout as an object.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.stdout.lines().map(object).collect()
    }

    /// Those whose `event` is this.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        self.objects().into_iter().filter(|o| o["event"] == name).collect()
    }
}

fn object(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line} is not JSON: {e}"));
    assert!(value["at"].is_number() && value["event"].is_string(), "{line} has no time or no event");
    value
}

/// A command that runs beside us, with `--json`.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(command(args).arg("--json"))
    }

    /// With `--control`: its stdin is ours, and it says that it listens.
    pub(crate) fn control(args: &[&str]) -> (Self, String) {
        let mut running = Self::spawn(command(args).arg("--control").stdin(Stdio::piped()));
        let address = running.wait_for("listening")["address"].as_str().unwrap().to_owned();
        (running, address)
    }

    /// `call --control`, which says nothing of listening.
    pub(crate) fn control_call(args: &[&str]) -> Self {
        Self::spawn(command(&[&["call"], args].concat()).arg("--control").stdin(Stdio::piped()))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout, said: String::new() }
    }

    /// Writes to its stdin.
    pub(crate) fn write(&mut self, octets: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it was started with --control");
        stdin.write_all(octets).and_then(|()| stdin.flush()).unwrap();
    }

    /// Gives it a command, and waits for what it says to that.
    pub(crate) fn order(&mut self, order: Value) -> Value {
        self.write(format!("{order}\n").as_bytes());
        self.wait_for_any(&["control.done", "control.error"])
    }

    /// Its stdin ends.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// `answer` on a free port; with where it listens.
    pub(crate) fn answer(ip: &str, args: &[&str]) -> (Self, String) {
        let listen = format!("{ip}:0");
        let mut running = Self::start(&[&["answer", "--listen", &listen], args].concat());
        let address = running.wait_for("listening")["address"].as_str().unwrap().to_owned();
        (running, address)
    }

    /// Reads on until this event.
    pub(crate) fn wait_for(&mut self, event: &str) -> Value {
        self.wait_for_any(&[event])
    }

    /// Reads on until one of these events.
    pub(crate) fn wait_for_any(&mut self, events: &[&str]) -> Value {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                let mut stderr = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
                panic!("none of {events:?} came, but {} and {stderr}", self.said);
            }
            self.said += &line;
            let object = object(&line);
            if events.iter().any(|event| object["event"] == *event) {
                return object;
            }
        }
    }

    /// Sends a signal: `INT` is Ctrl-C.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Ran {
        self.close();
        let mut stdout = std::mem::take(&mut self.said);
        self.stdout.read_to_string(&mut stdout).unwrap();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ran { code: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Running {
    /// A test that fails leaves no phone behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
