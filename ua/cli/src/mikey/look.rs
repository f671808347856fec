//! `keyphone mikey decode | lint | open | diagnose`: what is in a message, and what is wrong with it.

use super::input::Input;
use super::secrets::{Secrets, octets};
use super::tolerances;
use crate::fault::Fault;
use crate::human::plain;
use crate::output::Printer;
use crate::secret::Secret;
use clap::Args;
use keyphone_keying::workbench::decode::{self, Keys};
use keyphone_keying::workbench::diagnose::{self, Evidence};
use keyphone_keying::workbench::lint::{self, Severity};
use keyphone_keying::workbench::open;
use std::fmt::Display;

const DECODE_EXAMPLES: &str = "\
EXAMPLES:
  A message in base64 or in hexadecimal digits, or a line of SDP:
      keyphone mikey decode AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A
      keyphone mikey decode 'a=key-mgmt:mikey AQAFgM0...'
  All messages in an SDP, as JSON; all messages in a capture:
      keyphone mikey decode --json - < offer.sdp
      keyphone mikey decode call.pcap
  A file of any of these kinds, or of the message's own octets, with the keys that stand in it in clear:
      keyphone mikey decode --file message.bin --show-keys

EXIT CODES: 0 decoded, 1 not completely, or it breaks a rule that shows without a key (the reason is on stderr; with
--interop a broken rule is shown and let pass), 2 usage.";

/// Show a message field by field: from base64, hex, SDP, RTSP, octets or a capture
#[derive(Args, Debug)]
#[command(after_help = DECODE_EXAMPLES)]
pub(super) struct Decode {
    #[command(flatten)]
    input: Input,
    /// Show keys that stand in the message in clear
    #[arg(long)]
    show_keys: bool,
    /// Let named deviations of other implementations pass, and say so
    #[arg(long)]
    interop: bool,
    /// One JSON object per message
    #[arg(long)]
    json: bool,
}

const LINT_EXAMPLES: &str = "\
EXAMPLES:
  Which rules does this message break? Each with what is there, what should be, and the section that says so:
      keyphone mikey lint AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A
  Answers beside the messages that they answer, as only a capture or a text with both can show:
      keyphone mikey lint call.pcap
  As JSON; all rules that there are:
      keyphone mikey lint --json offer.sdp
      keyphone mikey lint --rules

EXIT CODES: 0 no rule is broken (warnings and notes do not count), 1 one is, 2 usage.";

/// List every rule that a message breaks, as far as that shows without a key
#[derive(Args, Debug)]
#[command(after_help = LINT_EXAMPLES)]
pub(super) struct Lint {
    #[command(flatten)]
    input: Input,
    /// List the rules instead
    #[arg(long, conflicts_with_all = ["input", "file"])]
    rules: bool,
    /// One JSON object per message
    #[arg(long)]
    json: bool,
}

const OPEN_EXAMPLES: &str = "\
EXAMPLES:
  What a message under a pre-shared key carries: its TGK, and the TEK and salt of every crypto session:
      keyphone mikey open offer.sdp --psk @psk.hex
  An envelope, with the private key that it is for; a Diffie-Hellman exchange, with one side's secret:
      keyphone mikey open call.pcap --key bob.key
      keyphone mikey open call.pcap --dh-secret @exponent.hex

This shows secrets. A key in hex can be in a file, --psk @FILE: other users of this machine can see a command line.

EXIT CODES: 0 all was opened and verifies, 1 something was not, 2 usage.";

/// Decrypt messages with the keys that you give, and show the keys in them
#[derive(Args, Debug)]
#[command(after_help = OPEN_EXAMPLES)]
pub(super) struct Open {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    secrets: Secrets,
    /// One JSON object per message
    #[arg(long)]
    json: bool,
}

const DIAGNOSE_EXAMPLES: &str = "\
EXAMPLES:
  Why does its MAC not verify? Tries what implementations are known to do wrong:
      keyphone mikey diagnose AQAFAB... --psk 000102030405060708090a0b0c0d0e0f
  The other side sends media that we cannot decrypt; this is the TEK that it says to have derived:
      keyphone mikey diagnose call.pcap --psk @psk.hex --derived 57a87c6bc2f9a96fa3499c03d62198ca

A key in hex can be in a file, --psk @FILE: other users of this machine can see a command line.

EXIT CODES: 0 nothing is wrong, 1 something is, explained or not, 2 usage.";

/// Find out what is wrong with a message or with a key that was derived from it
#[derive(Args, Debug)]
#[command(after_help = DIAGNOSE_EXAMPLES)]
pub(super) struct Diagnose {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    secrets: Secrets,
    /// A TEK or salt that another implementation derived: which one is it, and what did it do otherwise?
    #[arg(long, value_name = "HEX|@FILE")]
    derived: Option<Secret>,
    /// One JSON object per message
    #[arg(long)]
    json: bool,
}

/// Prints one message after another, with a line between them.
fn say(printer: &Printer, event: &str, number: usize, json: serde_json::Value, text: &impl Display) {
    let gap = if number > 1 { "\n" } else { "" };
    let text: Vec<_> = text.to_string().lines().map(plain).collect();
    printer.say(event, json, format!("{gap}{}", text.join("\n")));
}

impl Decode {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let keys = if self.show_keys { Keys::Shown } else { Keys::Hidden };
        let decoded = decode::decode_found(&self.input.messages()?, tolerances(self.interop), keys);
        let printer = Printer::new(self.json);
        let many = decoded.messages.len() > 1;
        let mut code = 0;
        for (number, message) in (1..).zip(&decoded.messages) {
            say(&printer, "mikey.message", number, message.to_json(), message);
            let which = if many { format!("message {number}") } else { "the message".into() };
            if let Some(error) = &message.error {
                eprintln!("keyphone: {which} cannot be decoded completely: {}", plain(&error.to_string()));
                code = 1;
            }
            if !self.interop
                && let Some(deviation) = message.deviations.first()
            {
                let more = message.deviations.len() - 1;
                let more = if more == 0 { String::new() } else { format!(", and {more} more") };
                eprintln!("keyphone: {which} breaks a rule: {}{more}; --interop lets it pass", plain(deviation));
                code = 1;
            }
        }
        Ok(code)
    }
}

impl Lint {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let printer = Printer::new(self.json);
        if self.rules {
            for rule in lint::rules() {
                let fields = serde_json::json!({
                    "rule": rule.id, "severity": rule.severity, "section": rule.section, "should": rule.should,
                });
                let text =
                    format!("{:<26} {:<8} {}; {}", rule.id, rule.severity.to_string(), rule.section, rule.should);
                printer.say("mikey.rule", fields, text);
            }
            return Ok(0);
        }
        let linted = lint::lint(&self.input.messages()?, None);
        for (number, message) in (1..).zip(&linted) {
            say(&printer, "mikey.linted", number, message.to_json(), message);
        }
        Ok(u8::from(linted.iter().any(|message| message.worst() == Some(Severity::Error))))
    }
}

impl Open {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let opened = open::open(&self.input.messages()?, &self.secrets.read()?);
        let printer = Printer::new(self.json);
        for (number, message) in (1..).zip(&opened) {
            say(&printer, "mikey.opened", number, message.to_json(), message);
        }
        Ok(u8::from(opened.iter().any(|message| !message.problems.is_empty())))
    }
}

impl Diagnose {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let derived = self.derived.as_deref().map(|text| octets("--derived", text)).transpose()?;
        let evidence = Evidence { secrets: self.secrets.read()?, derived };
        let diagnoses = diagnose::diagnose(&self.input.messages()?, &evidence);
        let printer = Printer::new(self.json);
        for (number, message) in (1..).zip(&diagnoses) {
            say(&printer, "mikey.diagnosed", number, message.to_json(), message);
        }
        Ok(u8::from(!diagnoses.iter().all(diagnose::Diagnosis::is_right)))
    }
}
