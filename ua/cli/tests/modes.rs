//! Every mode of MIKEY places a call between two processes, with certificates that `keyphone cert make` made.

mod peers;

use peers::capture::{self, Capture, assert_unmarked, packets};
use peers::sound::{Ears, Speech};
use peers::{KEY, Ports, Process, Ran, answer, keyphone, text};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const HOST: &str = "127.0.0.1";

/// ca.pem, and alice's and bob's certificates and keys.
fn certificates(dir: &Path, curve: Option<&str>) {
    let mut make = Command::new(env!("CARGO_BIN_EXE_keyphone"));
    make.args(["cert", "make", "sip:alice@127.0.0.1", "sip:bob@127.0.0.1", "--dir", text(dir)]);
    make.args(curve.iter().flat_map(|curve| ["--ec", curve]));
    let made = Process::start(make).finish();
    assert_eq!(made.code, Some(0), "{made}");
}

/// With a certificate she listens for TLS on the next port, too, and that is not to be bob's.
fn her_port(ports: &Ports) -> u16 {
    ports.sipp()
}

/// How a call goes.
struct Wish<'a> {
    mode: &'a str,
    /// Flags of both, beside what each mode gets: its key or certificates.
    flags: &'a [&'a str],
    /// Flags of hers.
    calls: &'a [&'a str],
    tls: bool,
    curve: Option<&'a str>,
    /// What tshark reads in the messages.
    reads: &'a [&'a str],
    /// Both name a URL in place of their certificate, on a server at this port, and fetch the other's.
    published: Option<u16>,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self { mode: "mikey-psk", flags: &[], calls: &[], tls: false, curve: None, reads: &[], published: None }
    }
}

impl Wish<'_> {
    /// `answer` for bob, `call` for alice.
    fn phone(
        &self,
        (command, name): (&str, &str),
        (port, media): (u16, [u16; 2]),
        ports: &Ports,
        dir: &Path,
    ) -> Command {
        let (listen, from) = (format!("{HOST}:{port}"), format!("sip:{name}@{HOST}"));
        let config = ports.config(dir, media);
        if let Some(port) = self.published {
            let base = format!("http://{HOST}:{port}{}/", dir.display());
            let (files, url) = (format!("cert = \"{name}.pem\"\nkey = \"{name}.key\""), format!("{base}{name}.cer"));
            let text = std::fs::read_to_string(&config).unwrap();
            let more = format!("[tls]\n{files}\ncert-url = \"{url}\"\n[mikey]\nfetch-certificates = [\"{base}\"]\n");
            std::fs::write(&config, text + &more).unwrap();
        }
        let mut phone = keyphone(command, &["--listen", &listen, "--from", &from, "--config", text(&config)]);
        let file = |name: &str| dir.join(name).display().to_string();
        match self.mode {
            "mikey-psk" | "mikey-dhhmac" => phone.args(["--psk", KEY]),
            // She has no certificate over TLS alone: it is his that is checked.
            "mikey-null" if name == "alice" => phone.args(["--ca", &file("ca.pem")]),
            _ => phone.args([
                "--cert",
                &file(&format!("{name}.pem")),
                "--key",
                &file(&format!("{name}.key")),
                "--ca",
                &file("ca.pem"),
            ]),
        };
        if self.mode == "mikey-rsa" && name == "alice" {
            phone.args(["--peer-cert", &file("bob.pem")]);
        }
        phone.args(["--keying", self.mode, "--codec", "PCMU"]).args(self.flags);
        phone
    }

    /// Places the call; both hear each other, and nobody else does.
    fn place(&self, seed: u32) -> Option<(Ran, Ran)> {
        let (dir, ports) = (tempfile::tempdir().unwrap(), Ports::free());
        let dir = dir.path();
        certificates(dir, self.curve);
        let (hers, his) =
            (Speech::write(dir, "alice-says.wav", seed, 1_600), Speech::write(dir, "bob-says.wav", seed + 100, 1_400));
        let mut bob = self.phone(("answer", "bob"), (ports.bob(), ports.bob_media()), &ports, dir);
        let mut alice = self.phone(("call", "alice"), (her_port(&ports), ports.alice_media()), &ports, dir);
        bob.arg("--once").arg("--play").arg(&his.file).arg("--record").arg(dir.join("bob.wav"));
        alice.arg("--play").arg(&hers.file).arg("--record").arg(dir.join("alice.wav"));
        let capture = Capture::start(dir.join("wire.pcap"), &ports)?;
        let bob = answer(bob);
        let uri = match self.tls {
            true => format!("sips:bob@{HOST}:{}", ports.bob() + 1),
            false => format!("sip:bob@{HOST}:{}", ports.bob()),
        };
        alice.arg(uri).args(self.calls);
        let alice = Process::start(alice).finish();
        assert_eq!(alice.code, Some(0), "{}: {alice}", self.mode);
        let bob = bob.finish();
        assert_eq!(bob.code, Some(0), "{}: {bob}", self.mode);
        let wire = capture.finish();
        hers.assert_heard(&dir.join("bob.wav"));
        his.assert_heard(&dir.join("alice.wav"));
        for ran in [&alice, &bob] {
            assert_eq!(ran.only("call.answered")["keying"], self.mode);
            let stats = ran.only("media.stats");
            for nothing in ["lost", "late", "replayed"] {
                assert_eq!(stats[nothing], 0, "{}: {stats}", self.mode);
            }
        }
        // Where the key comes with the answer, what overtakes that answer cannot be opened.
        let early = if ["mikey-dhsign", "mikey-dhhmac", "mikey-rsar"].contains(&self.mode) { 0..=3 } else { 0..=0 };
        let refused = |ran: &Ran| ran.only("media.stats")["refused"].as_u64().unwrap();
        assert!(early.contains(&refused(&alice)) && refused(&bob) == 0, "{}: {alice} {bob}", self.mode);
        let ears = Ears::new([&hers, &his]);
        let overheard = packets(&wire, &ports).iter().filter(|p| ears.understand(&p.payload)).count();
        assert_eq!(overheard, 0, "{}", self.mode);
        self.read(&wire, &ports);
        Some((alice, bob))
    }

    /// tshark marks nothing as malformed, and reads what it knows.
    fn read(&self, wire: &Path, ports: &Ports) {
        if self.tls {
            let sip = capture::read(wire, ports, &["-Y", "sip"]);
            assert_eq!(sip, "", "it went over TLS");
            return;
        }
        if self.published.is_some() {
            // tshark reads every CERT as DER, whatever its type says, and marks a URL as malformed.
            return;
        }
        let text = assert_unmarked(wire, ports);
        for what in self.reads {
            assert!(text.contains(what), "{}: tshark reads no {what:?} in {text}", self.mode);
        }
    }
}

/// The keys that one of them had, each named once.
fn keys(ran: &Ran) -> usize {
    let mut keys: Vec<_> = ran.events("keying.key").iter().map(|key| key["key"].to_string()).collect();
    keys.sort();
    keys.dedup();
    keys.len()
}

const REKEY: &[&str] = &["--at", "600ms:rekey"];

/// A plain call, and one whose keys change in its midst.
fn plain_and_rekeyed(wish: &Wish<'_>, seed: u32) {
    if wish.place(seed).is_none() {
        return;
    }
    let Some((alice, bob)) = (Wish { calls: REKEY, ..*wish }).place(seed + 1) else { return };
    for ran in [&alice, &bob] {
        assert_eq!(keys(ran), 4, "{}: two directions, twice: {ran}", wish.mode);
    }
}

#[test]
fn mikey_psk_places_a_call_and_changes_its_keys() {
    plain_and_rekeyed(&Wish { reads: &["(HDR) Type: Pre-shared", "(HDR) Type: PSK ver msg"], ..Wish::default() }, 1);
}

#[test]
fn mikey_null_places_a_call_over_tls_and_changes_its_keys() {
    plain_and_rekeyed(&Wish { mode: "mikey-null", tls: true, ..Wish::default() }, 11);
}

#[test]
fn mikey_null_places_no_call_without_tls() {
    let (dir, ports) = (tempfile::tempdir().unwrap(), Ports::free());
    let wish = Wish { mode: "mikey-null", ..Wish::default() };
    certificates(dir.path(), None);
    let mut alice = wish.phone(("call", "alice"), (her_port(&ports), ports.alice_media()), &ports, dir.path());
    alice.arg(format!("sip:bob@{HOST}:{}", ports.bob()));
    let alice = Process::start(alice).finish();
    assert_eq!(alice.code, Some(3), "{alice}");
    let why = alice.only("keying.refused")["why"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("for TLS alone, and this hop is not TLS"), "{why}");
}

#[test]
fn mikey_rsa_places_a_call_and_changes_its_keys() {
    let reads = &["(HDR) Type: Public key", "(HDR) Type: PK ver msg", "Signature (SIGN)", "Envelope Data (PKE)"];
    plain_and_rekeyed(&Wish { mode: "mikey-rsa", reads, ..Wish::default() }, 21);
}

#[test]
fn mikey_rsar_places_a_call_and_changes_its_keys() {
    let reads = &["(HDR) Type: RSA-R I_MSG", "(HDR) Type: RSA-R R_MSG", "Signature (SIGN)", "Envelope Data (PKE)"];
    plain_and_rekeyed(&Wish { mode: "mikey-rsar", reads, ..Wish::default() }, 31);
}

#[test]
fn mikey_dhhmac_places_a_call_and_changes_its_keys() {
    plain_and_rekeyed(
        &Wish { mode: "mikey-dhhmac", reads: &["(HDR) Type: DHHMAC init", "DH Data (DH)"], ..Wish::default() },
        41,
    );
}

#[test]
fn mikey_dhsign_places_a_call_and_changes_its_keys() {
    let reads = &["(HDR) Type: D-H init", "(HDR) Type: D-H resp", "Certificate (CERT)", "DH Data (DH)"];
    plain_and_rekeyed(&Wish { mode: "mikey-dhsign", reads, ..Wish::default() }, 51);
}

/// A web server that has certificates, in DER, where the files have them in PEM.
#[allow(clippy::disallowed_methods, reason = "this test is about real sockets")]
fn serve() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((HOST, 0)).unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let asked = count.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let line = lines.next().unwrap_or_default();
            // The rest of the header, to its empty line.
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let path = line.trim_start_matches("GET ").trim_end_matches(" HTTP/1.1").replace(".cer", ".pem");
            let pem = std::fs::read(path).unwrap();
            let der = keyphone_keying::Certificate::read(&pem).unwrap()[0].der().to_vec();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", der.len());
            stream.write_all(&[head.as_bytes(), &der].concat()).unwrap();
            asked.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

#[test]
fn both_fetch_the_certificate_that_the_other_only_points_to() {
    let (port, asked) = serve();
    let wish = Wish { mode: "mikey-rsar", published: Some(port), ..Wish::default() };
    if wish.place(81).is_some() {
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn mikey_dhsign_places_a_call_in_every_group() {
    for (seed, group) in (61..).zip(["oakley1", "oakley2", "p256", "p384", "p521", "x25519"]) {
        let flags = &["--group", group];
        Wish { mode: "mikey-dhsign", flags, ..Wish::default() }.place(seed);
    }
}

#[test]
fn mikey_dhsign_places_a_call_with_certificates_on_every_curve() {
    for (seed, curve) in (71..).zip(["p256", "p384", "p521"]) {
        let flags = &["--group", curve];
        Wish { mode: "mikey-dhsign", flags, curve: Some(curve), ..Wish::default() }.place(seed);
    }
}

#[test]
fn what_a_mode_lacks_is_said_before_anybody_rings() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path(), None);
    let file = |name: &str| dir.path().join(name).display().to_string();
    let own = ["--cert", &file("alice.pem"), "--key", &file("alice.key")].map(str::to_owned);
    let said = |flags: &[&str], own: &[String]| {
        let mut call = keyphone("call", &["sip:bob@127.0.0.1:9", "--keying"]);
        call.args(flags).args(own);
        let ran = Process::start(call).finish();
        assert_eq!(ran.code, Some(2), "{ran}");
        ran.stderr
    };
    assert!(
        said(&["mikey-dhsign"], &[]).contains("mikey-dhsign needs a certificate of ours: give --cert FILE --key FILE")
    );
    assert!(said(&["mikey-rsar"], &own).contains("needs to know whose certificates to trust: give --ca FILE"));
    let ca = file("ca.pem");
    assert!(said(&["mikey-rsa", "--ca", &ca], &own).contains("give --peer-cert FILE"));
    let wrong = said(&["mikey-dhsign", "--ca", &ca, "--from", "sip:carol@127.0.0.1"], &own);
    assert!(wrong.contains("our certificate is for sip:alice@127.0.0.1, and we are sip:carol@127.0.0.1"), "{wrong}");
    assert!(said(&["mikey-dhhmac"], &[]).contains("mikey-dhhmac needs a key that we share with sip:bob@127.0.0.1"));
    let missing = said(&["mikey-dhsign", "--crl", &file("nowhere.pem"), "--ca", &ca], &own);
    assert!(missing.contains("nowhere.pem cannot be read"), "{missing}");
}
