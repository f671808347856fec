//! Kamailio as the registrar and proxy of rig.test, on loopback.

use super::{PATIENCE, Ports, Process, pause, skipped, text};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const PROGRAM: &str = "/usr/sbin/kamailio";

pub(crate) struct Kamailio {
    process: Process,
    pub(crate) port: u16,
    pub(crate) tls: u16,
}

impl Kamailio {
    /// `None`, loudly, if it is not installed.
    pub(crate) fn start(ports: &Ports, dir: &Path, defines: &[&str]) -> Option<Self> {
        let has_tls = || !defines.contains(&"WITH_TLS") || has_module("tls.so");
        if !Path::new(PROGRAM).exists() || !has_tls() {
            skipped("Kamailio is not installed (apt-get install kamailio kamailio-tls-modules)");
            return None;
        }
        let (port, tls) = (ports.first() + 5, ports.first() + 6);
        let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers/kamailio/kamailio.cfg");
        let mut command = Command::new(PROGRAM);
        command.args(["-f", text(&config), "-DD", "-E", "-m", "32", "-M", "8"]);
        command.args(["-Y", text(dir), "-P", text(&dir.join("kamailio.pid"))]);
        command.args(defines.iter().flat_map(|define| ["-A", define]));
        command.env("RIGIP", "127.0.0.1").env("RIGPORT", port.to_string()).env("RIGTLS", tls.to_string());
        command.env("RIGCERTS", dir);
        let mut process = Process::start(command);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let end = Instant::now() + PATIENCE;
        while !answers(&socket, port) {
            assert!(process.is_running() && Instant::now() < end, "Kamailio does not start: {}", process.finish());
            pause(50);
        }
        Some(Self { process, port, tls })
    }

    /// Its address over this transport, as a proxy.
    pub(crate) fn proxy(&self, transport: &str) -> String {
        match transport {
            // A certificate has a name.
            "tls" => format!("sip:localhost:{};transport=tls", self.tls),
            _ => format!("sip:127.0.0.1:{};transport={transport}", self.port),
        }
    }

    /// Binds a contact by hand, with a preference that our phones do not have.
    pub(crate) fn bind(&self, user: &str, contact_port: u16, q: &str) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let fields = format!(
            "To: <sip:{user}@rig.test>\r\nContact: <sip:{user}@127.0.0.1:{contact_port}>;q={q}\r\nExpires: 120\r\n"
        );
        ask(&socket, self.port, "REGISTER sip:rig.test", user, &fields);
        let mut answer = [0; 2048];
        let length = socket.recv(&mut answer).unwrap();
        assert!(answer[..length].starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&answer[..length]));
    }
}

/// Its children end only if it may tell them.
impl Drop for Kamailio {
    fn drop(&mut self) {
        self.process.signal("TERM");
        let end = Instant::now() + Duration::from_secs(5);
        while self.process.is_running() && Instant::now() < end {
            pause(10);
        }
    }
}

fn has_module(name: &str) -> bool {
    let found = Command::new("find").args(["/usr/lib", "-path", "*/kamailio/modules/*", "-name", name]).output();
    found.is_ok_and(|found| !found.stdout.is_empty())
}

fn answers(socket: &UdpSocket, port: u16) -> bool {
    ask(socket, port, "OPTIONS sip:rig.test", "probe", "To: <sip:rig.test>\r\n");
    let mut answer = [0; 2048];
    socket.recv(&mut answer).is_ok_and(|length| answer[..length].starts_with(b"SIP/2.0 200 "))
}

fn ask(socket: &UdpSocket, port: u16, what: &str, user: &str, fields: &str) {
    let own = socket.local_addr().unwrap();
    let method = what.split(' ').next().unwrap();
    let call_id = format!("{user}-{}-{:?}", own.port(), Instant::now()).replace([' ', '{', '}', ':', ','], "");
    let request = format!(
        "{what} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{call_id};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@rig.test>;tag={user}\r\n{fields}Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let _ = socket.send_to(request.as_bytes(), ("127.0.0.1", port));
}
