//! Kamailio as registrar and proxy between our phones: registration with digest, calls keyed by MIKEY-PSK through it,
//! forks and redirection; over UDP, TCP and TLS.

mod peers;

use peers::proxy::Kamailio;
use peers::sound::Speech;
use peers::{KEY, Ports, Process, Ran, answer, keyphone, text};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Everything that one test has.
struct Rig {
    dir: TempDir,
    ports: Ports,
    kamailio: Kamailio,
    transport: &'static str,
    alice_says: Speech,
}

/// A bob: there may be two.
struct Bob {
    says: Speech,
    heard: PathBuf,
    phone: Process,
}

impl Rig {
    fn new(transport: &'static str, defines: &[&str]) -> Option<Self> {
        let (dir, ports) = (tempfile::tempdir().unwrap(), Ports::free());
        let mut defines = defines.to_vec();
        if transport == "tls" {
            certify(dir.path());
            defines.push("WITH_TLS");
        }
        let kamailio = Kamailio::start(&ports, dir.path(), &defines)?;
        // She hangs up when all is said, so she says more than anybody else.
        let alice_says = Speech::write(dir.path(), "alice-says.wav", 1, 1_200);
        Some(Self { dir, ports, kamailio, transport, alice_says })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// One of our commands for somebody of rig.test, behind the proxy.
    fn command(&self, command: &str, user: &str, port: u16) -> Command {
        self.command_with("secret", command, user, port)
    }

    fn command_with(&self, password: &str, command: &str, user: &str, port: u16) -> Command {
        let mut process = keyphone(command, &["--from", &format!("sip:{user}@rig.test"), "--password", password]);
        process.args(["--listen", &format!("127.0.0.1:{port}"), "--proxy", &self.kamailio.proxy(self.transport)]);
        if self.transport == "tls" {
            process.args(["--ca", text(&self.path("ca.pem"))]);
        }
        process
    }

    /// A phone of bob's, which is his `n`th; `register` says whether it registers itself.
    fn bob(&self, n: u16, register: bool, args: &[&str]) -> Bob {
        let first = self.ports.first();
        let port = [first + 1, first + 7][usize::from(n)];
        let media = [first + 16 + 8 * n, first + 23 + 8 * n];
        let says = Speech::write(self.dir.path(), &format!("bob-{n}-says.wav"), 101 + u32::from(n), 1_000);
        let heard = self.path(&format!("bob-{n}.wav"));
        let mut command = self.command("answer", "bob", port);
        command.args(["--psk", KEY, "--once", "--config", text(&self.ports.config(self.dir.path(), media))]);
        if !args.contains(&"--refuse") {
            command.arg("--play").arg(&says.file).arg("--record").arg(&heard).args(["--codec", "PCMU"]);
        }
        command.args(args);
        if register {
            command.args(["--registrar", "sip:rig.test"]);
        }
        let mut phone = answer(command);
        if register {
            let active = phone.event("registration.active");
            assert_eq!(active["aor"], "sip:bob@rig.test");
        }
        Bob { says, heard, phone }
    }

    /// Alice calls bob, says what she has to say, and hangs up.
    fn alice_calls(&self) -> Ran {
        let config = self.ports.config(self.dir.path(), self.ports.alice_media());
        let mut command = self.command("call", "alice", self.ports.alice());
        command.args(["--psk", KEY, "--codec", "PCMU", "--config", text(&config)]);
        command.arg("--play").arg(&self.alice_says.file).arg("--record").arg(self.path("alice.wav"));
        command.arg("sip:bob@rig.test");
        Process::start(command).finish()
    }

    /// Both said and heard everything, keyed.
    fn assert_talked(&self, alice: &Ran, bob: &Ran, says: &Speech, heard: &Path) {
        for ran in [alice, bob] {
            assert_eq!(ran.code, Some(0), "{ran}");
            assert_eq!(ran.only("call.answered")["keying"], "mikey-psk");
        }
        self.alice_says.assert_heard(heard);
        says.assert_heard(&self.path("alice.wav"));
    }
}

/// A CA, and a certificate of localhost for Kamailio.
fn certify(dir: &Path) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(vec![]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    for (name, pem) in [("ca.pem", ca_pem), ("server.crt", server.pem()), ("server.key", key.serialize_pem())] {
        std::fs::write(dir.join(name), pem).unwrap();
    }
}

/// Bob registers, alice calls him by his name, and both prove to the proxy who they are.
fn a_call_through(transport: &'static str) {
    let Some(rig) = Rig::new(transport, &["WITH_AUTH"]) else { return };
    let Bob { says, heard, phone } = rig.bob(0, true, &[]);
    let alice = rig.alice_calls();
    let bob = phone.finish();
    rig.assert_talked(&alice, &bob, &says, &heard);
    // He was taken off the books when he left.
    assert_eq!(bob.only("registration.removed")["aor"], "sip:bob@rig.test");
    let gone = rig.alice_calls();
    assert_eq!((gone.code, &gone.only("call.ended")["status"]), (Some(1), &404.into()), "{gone}");
}

#[test]
fn a_registered_phone_is_called_through_the_proxy_by_udp() {
    a_call_through("udp");
}

#[test]
fn a_registered_phone_is_called_through_the_proxy_by_tcp() {
    a_call_through("tcp");
}

#[test]
fn a_registered_phone_is_called_through_the_proxy_by_tls() {
    a_call_through("tls");
}

#[test]
fn of_two_phones_that_ring_at_once_one_answers_and_the_other_is_cancelled() {
    let Some(rig) = Rig::new("udp", &["WITH_AUTH"]) else { return };
    let slow = rig.bob(1, true, &["--after", "25s"]);
    let Bob { says, heard, phone } = rig.bob(0, true, &["--after", "500ms"]);
    let alice = rig.alice_calls();
    let bob = phone.finish();
    rig.assert_talked(&alice, &bob, &says, &heard);
    assert_eq!(alice.events("call.ringing").len(), 2, "{alice}");
    let slow = slow.phone.finish();
    assert_eq!((slow.code, &slow.only("call.ended")["status"]), (Some(1), &487.into()), "{slow}");
}

#[test]
fn when_the_first_phone_is_busy_the_second_is_called() {
    let Some(rig) = Rig::new("udp", &["WITH_SERIAL"]) else { return };
    let busy = rig.bob(1, false, &["--refuse", "486"]);
    let Bob { says, heard, phone } = rig.bob(0, false, &[]);
    rig.kamailio.bind("bob", rig.ports.first() + 7, "0.9");
    rig.kamailio.bind("bob", rig.ports.first() + 1, "0.5");
    let alice = rig.alice_calls();
    let bob = phone.finish();
    rig.assert_talked(&alice, &bob, &says, &heard);
    let busy = busy.phone.finish();
    assert_eq!((busy.code, &busy.only("call.ended")["status"]), (Some(0), &486.into()), "{busy}");
}

#[test]
fn a_caller_who_is_sent_on_goes_there() {
    let Some(rig) = Rig::new("udp", &["WITH_REDIRECT"]) else { return };
    let Bob { says, heard, phone } = rig.bob(0, true, &[]);
    let alice = rig.alice_calls();
    let bob = phone.finish();
    rig.assert_talked(&alice, &bob, &says, &heard);
    let to = format!("sip:bob@127.0.0.1:{}", rig.ports.first() + 1);
    assert_eq!(alice.only("call.redirected")["to"][0], to.as_str());
}

/// `keyphone register`, once.
fn register(rig: &Rig, password: &str) -> Ran {
    let mut command = rig.command_with(password, "register", "carol", rig.ports.alice());
    command.args(["--once", "--registrar", "sip:rig.test"]);
    Process::start(command).finish()
}

#[test]
fn a_password_is_proven_with_each_hash_and_protection_that_the_registrar_asks_for() {
    for defines in [&["WITH_AUTH"][..], &["WITH_AUTH", "WITH_SHA256"], &["WITH_AUTH", "WITH_AUTH_INT"]] {
        let Some(rig) = Rig::new("udp", defines) else { return };
        let ran = register(&rig, "secret");
        assert_eq!(ran.code, Some(0), "{defines:?} {ran}");
        let active = ran.only("registration.active");
        assert_eq!(active["contacts"][0], format!("sip:carol@127.0.0.1:{}", rig.ports.alice()).as_str());
        assert_eq!(ran.events("registration.removed").len(), 1);
        let ran = register(&rig, "guess");
        assert_eq!(ran.code, Some(1), "{defines:?} {ran}");
        let why = ran.only("registration.failed")["why"].as_str().unwrap().to_owned();
        assert!(why.contains("does not accept the user name \"carol\""), "{why}");
        assert!(!format!("{ran}").contains("guess"), "{ran}");
    }
}

#[test]
fn ctrl_c_takes_the_registration_back() {
    let Some(rig) = Rig::new("tcp", &["WITH_AUTH"]) else { return };
    let mut command = rig.command("register", "carol", rig.ports.alice());
    command.args(["--registrar", "sip:rig.test"]);
    let mut phone = Process::start(command);
    phone.event("registration.active");
    phone.interrupt();
    let ran = phone.finish();
    assert_eq!((ran.code, ran.events("registration.removed").len()), (Some(0), 1), "{ran}");
}
