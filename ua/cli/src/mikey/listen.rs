//! `keyphone mikey listen`: MIKEY without SIP, over UDP and TCP port 2269.

use super::tolerances;
use crate::fault::{Fault, usage};
use crate::human::plain;
use crate::options;
use crate::output::Printer;
use crate::secret::Secret;
use crate::signals::Signals;
use clap::Args;
use keyphone_config::{Certs, PeerCert, SipUri, Tls};
use keyphone_keying::workbench::decode::{Keys, decode_found};
use keyphone_keying::workbench::input::{Carrier, Found, Place};
use keyphone_keying::workbench::lint::lint;
use keyphone_keying::workbench::responder::{Outcome, Responder};
use keyphone_keying::{Credentials, Identity};
use keyphone_media::env::Env;
use keyphone_ua::net::{KeyingPort, Knock, OsRng};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;

const EXAMPLES: &str = "\
EXAMPLES:
  Show every message that comes to MIKEY's own port, and what is wrong with it:
      keyphone mikey listen
  Answer those under a pre-shared key, and those with certificates of a CA:
      keyphone mikey listen --listen 192.0.2.7:2269 --psk @psk.hex
      keyphone mikey listen --from sip:bob@example.org --cert bob.pem --key bob.key --ca ca.pem

Each message is shown, the rules that it breaks are listed, and what a mode can answer is answered; nothing is done with
the keys. A message without encryption and MAC is never answered: nothing below it protects it.

EXIT CODES: 0 ended by Ctrl-C, 2 usage, or the port cannot be had.";

/// Listen on UDP and TCP port 2269: show each message, and answer where a mode can
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Listen {
    /// Where; port 0 takes any that is free
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:2269")]
    listen: SocketAddr,
    /// Who we are; without it, whoever a message is for
    #[arg(long, value_name = "URI")]
    from: Option<SipUri>,
    /// A pre-shared key for one PEER (a SIP URI) or for everybody
    #[arg(long, value_name = "[PEER=]HEX|@FILE")]
    psk: Vec<Secret>,
    /// Our certificate in PEM, followed by those between it and its CA
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The CAs that we trust
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate of a PEER (a SIP URI), or of whom it names, who proves itself with no other
    #[arg(long, value_name = "[PEER=]FILE", value_parser = PeerCert::from_flag)]
    peer_cert: Vec<PeerCert>,
    /// Certificates that are to be refused: revocation lists, in PEM
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
    /// Let named deviations of other implementations pass, and say so
    #[arg(long)]
    interop: bool,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

impl Listen {
    fn credentials(&self) -> Result<Credentials, Fault> {
        let tls = Tls {
            cert: self.cert.clone(),
            key: self.key.clone(),
            ca: self.ca.clone(),
            peer_certs: self.peer_cert.clone(),
            crl: self.crl.clone(),
            ..Tls::default()
        };
        let certs = Certs::read(&tls).map_err(usage)?;
        Ok(keyphone_config::Credentials { psks: options::psks(&self.psk)?, certs }.keying())
    }

    pub(super) async fn run(self) -> Result<u8, Fault> {
        let printer = Printer::new(self.json);
        let mut signals = Signals::new().map_err(|e| Fault::Failed(format!("no signals can be heard: {e}")))?;
        let clock = printer.clock();
        let me = self.from.as_ref().map(SipUri::identity);
        let responder = Responder::new(self.credentials()?, me, tolerances(self.interop), clock.now().ntp);
        let cannot = |e: std::io::Error| usage(format!("{} cannot be listened on: {e}", self.listen));
        let mut sockets = KeyingPort::open(self.listen).await.map_err(cannot)?;
        let local = sockets.local();
        let fields = json!({ "address": local, "transports": ["udp", "tcp"] });
        printer.say("listening", fields, format!("listening on {local}, UDP and TCP; Ctrl-C ends"));
        let mut desk = Desk { printer, responder, messages: 0, answered: 0 };
        loop {
            tokio::select! {
                () = signals.next() => break,
                received = sockets.next() => desk.take(received, &sockets).await,
            }
        }
        let Desk { printer, messages, answered, .. } = desk;
        let text = format!("{messages} messages, {answered} answered");
        printer.say("mikey.listened", json!({ "messages": messages, "answered": answered }), text);
        Ok(0)
    }
}

struct Desk {
    printer: Printer,
    responder: Responder,
    messages: u64,
    answered: u64,
}

impl Desk {
    async fn take(&mut self, received: Knock, sockets: &KeyingPort) {
        self.messages += 1;
        let (number, from) = (self.messages, received.from);
        let found = [Found::octets(&received.octets, Carrier::Port, Place::default())];
        let clock = self.printer.clock();
        let decoded = decode_found(&found, tolerances(true), Keys::Hidden);
        let linted = lint(&found, Some(clock.now().ntp)).remove(0);
        let fields = json!({
            "number": number, "from": from, "transport": received.transport, "message": decoded.messages[0].to_json(),
            "findings": linted.findings,
        });
        let rules: Vec<_> = linted.findings.iter().map(|finding| finding.to_string()).collect();
        let text = format!("message {number} from {from} over {}\n{decoded}{}", received.transport, rules.join("\n"));
        let text: Vec<_> = text.lines().map(plain).collect();
        self.printer.say("mikey.received", fields, text.join("\n"));

        let peer = Identity::new(&format!("sip:{}", from.ip()));
        let mut env = Env { now: clock.now(), rng: &mut OsRng };
        let outcome = self.responder.take(&received.octets, &peer, &mut env);
        let answer = match outcome {
            Ok(Outcome::Answered { answer, peer, tolerated }) => {
                let who = peer.as_ref().map_or("nobody".into(), |peer| peer.proven.to_string());
                let how = peer.as_ref().map_or_else(String::new, |peer| format!(", proven by {}", peer.how));
                let fields = json!({
                    "number": number, "octets": answer.as_ref().map(|answer| answer.bytes().len()), "peer": who,
                    "tolerated": tolerated,
                });
                match &answer {
                    Some(answer) => {
                        let text = format!("answered {who}{how} with {} octets\n", answer.bytes().len());
                        self.printer.say("mikey.answered", fields, plain_lines(&text));
                    }
                    None => {
                        let text = format!("taken from {who}{how}, who asks for no answer\n");
                        self.printer.say("mikey.taken", fields, plain_lines(&text));
                    }
                }
                self.answered += u64::from(answer.is_some());
                answer
            }
            Ok(Outcome::Refused { error, answer }) => {
                let fields = json!({ "number": number, "reason": error.to_string() });
                self.printer.say("mikey.refused", fields, plain_lines(&format!("refused: {error}\n")));
                answer
            }
            Ok(Outcome::NotAsked) => {
                let reason = "it is no I_MESSAGE, and so nothing to answer";
                self.printer.say(
                    "mikey.unanswered",
                    json!({ "number": number, "reason": reason }),
                    format!("{reason}\n"),
                );
                None
            }
            Err(error) => {
                let fields = json!({ "number": number, "reason": error.to_string() });
                self.printer.say("mikey.refused", fields, plain_lines(&format!("refused: it {error}\n")));
                None
            }
        };
        sockets.answer(received, answer.as_ref().map(|answer| answer.bytes().to_vec())).await;
    }
}

fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}
