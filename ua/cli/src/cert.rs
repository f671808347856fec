//! `keyphone cert make`: a CA, keys and certificates for SIP, in one command.

mod files;
mod issue;

use crate::fault::{Fault, usage};
use crate::output::Printer;
use clap::{Args, Subcommand, ValueEnum};
use files::{Kind, write_all};
use issue::{Authority, Subject};
use keyphone_config::SipUri;
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
EXAMPLES:
  A CA, and a key and a certificate for alice and for bob:
      keyphone cert make sip:alice@127.0.0.1 sip:bob@127.0.0.1";

/// Make certificates for SIP and MIKEY
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Certificates {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Make(Make),
}

const MAKE_EXAMPLES: &str = "\
EXAMPLES:
  Files ca.pem, ca.key, alice.pem, alice.key, bob.pem and bob.key in this directory, RSA with 2048 bits:
      keyphone cert make sip:alice@127.0.0.1 sip:bob@127.0.0.1
  One more under the CA that is there, and one with a key on a curve, which is for keyphone alone:
      keyphone cert make sip:carol@example.org --dir certs
      keyphone cert make sip:dave@example.org --dir certs --ec p384

Each certificate names the URI (for MIKEY) and its host (for TLS), and may be used with --cert, --key and --ca. A CA that
is in the directory is used again. No file is ever replaced without --force. Keys can be read by you alone (mode 600).
They are for trying things out: whoever has ca.key can be anybody.

EXIT CODES: 0 made, 1 not written, 2 usage, or a file is there already.";

/// Make a CA, and for each URI a key and a certificate under it
#[derive(Args, Debug)]
#[command(after_help = MAKE_EXAMPLES)]
struct Make {
    /// Whom the certificates are for: sip:user@host, or sip:host for a server
    #[arg(value_name = "URI", required = true)]
    uris: Vec<SipUri>,
    /// Where the files are, and where they go
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    dir: PathBuf,
    /// A key on this curve instead of RSA with 2048 bits; MIKEY with it works between keyphones alone
    #[arg(long, value_name = "CURVE")]
    ec: Option<Curve>,
    /// How long they are valid
    #[arg(long, value_name = "N", default_value = "365", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Make a CA even if there is one in the directory; what it has issued is worth nothing then
    #[arg(long)]
    new_ca: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Say what was made as one JSON object per certificate
    #[arg(long)]
    json: bool,
}

/// A curve for ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Curve {
    P256,
    P384,
    P521,
}

impl Certificates {
    pub(crate) fn run(self) -> Result<u8, Fault> {
        match self.command {
            Command::Make(make) => make.run(),
        }
    }
}

impl Make {
    fn run(self) -> Result<u8, Fault> {
        let (ca_pem, ca_key) = (self.dir.join("ca.pem"), self.dir.join("ca.key"));
        let kept = ca_pem.exists() && ca_key.exists() && !self.new_ca;
        let mut subjects = vec![];
        for uri in &self.uris {
            let subject = Subject::of(&uri.identity())?;
            if subjects.iter().any(|other: &Subject| other.file() == subject.file()) {
                let what =
                    format!("two of these would be in {}.pem: give them directories of their own", subject.file());
                return Err(usage(what));
            }
            subjects.push(subject);
        }
        let of = |subject: &Subject| ["pem", "key"].map(|kind| self.dir.join(format!("{}.{kind}", subject.file())));
        let ours =
            subjects.iter().flat_map(of).chain((!kept).then(|| [ca_pem.clone(), ca_key.clone()]).into_iter().flatten());
        if let Some(there) = ours.into_iter().find(|path| path.exists() && !self.force) {
            return Err(usage(format!("{} is there already: --force replaces it", there.display())));
        }

        let failed = |error: openssl::error::ErrorStack| Fault::Failed(format!("OpenSSL made no certificate: {error}"));
        let authority = match kept {
            true => Authority::read(&files::read(&ca_pem)?, &files::read(&ca_key)?).map_err(|_| {
                usage(format!("{} and {} are no CA that keyphone made", ca_pem.display(), ca_key.display()))
            })?,
            false => Authority::make(self.ec, self.days).map_err(failed)?,
        };
        if authority.has_expired() {
            let what = "has expired, and nobody believes what it issues: --new-ca --force makes another";
            return Err(usage(format!("the CA in {} {what}", ca_pem.display())));
        }
        let mut out = vec![];
        if !kept {
            out.push((ca_pem.clone(), Kind::Public, authority.certificate().map_err(failed)?));
            out.push((ca_key.clone(), Kind::Secret, authority.key().map_err(failed)?));
        }
        for subject in &subjects {
            let (certificate, key) = authority.issue(subject, self.ec, self.days).map_err(failed)?;
            let [pem, secret] = of(subject);
            out.push((pem, Kind::Public, certificate));
            out.push((secret, Kind::Secret, key));
        }
        write_all(&self.dir, &out, self.force)?;
        self.say(&subjects, (&ca_pem, kept), of);
        Ok(0)
    }

    fn say(&self, subjects: &[Subject], (ca, kept): (&Path, bool), of: impl Fn(&Subject) -> [PathBuf; 2]) {
        let printer = Printer::new(self.json);
        let kind = match self.ec {
            None => "RSA with 2048 bits",
            Some(Curve::P256) => "P-256",
            Some(Curve::P384) => "P-384",
            Some(Curve::P521) => "P-521",
        };
        let ca_made = if kept { "used again" } else { "made" };
        // A name that is no UTF-8 is still shown.
        let shown = |path: &Path| path.display().to_string();
        let fields = json!({ "certificate": shown(ca), "made": !kept });
        printer.say("cert.ca", fields, format!("CA {ca_made}: {}", ca.display()));
        for subject in subjects {
            let [pem, key] = of(subject);
            let fields = json!({
                "uri": subject.uri(), "certificate": shown(&pem), "key": shown(&key), "ca": shown(ca), "kind": kind,
                "days": self.days,
            });
            let text =
                format!("{}: {} and {}, {kind}, {} days", subject.uri(), pem.display(), key.display(), self.days);
            printer.say("cert.made", fields, text);
        }
        if !self.json {
            println!("use them:\n{}", commands(subjects, ca, &of));
        }
    }
}

/// What to type next: the last one answers, the first one calls.
fn commands(subjects: &[Subject], ca: &Path, of: &impl Fn(&Subject) -> [PathBuf; 2]) -> String {
    let flags = |subject: &Subject| {
        let [pem, key] = of(subject);
        let from = subject.uri();
        format!("--from {from} --cert {} --key {} --ca {}", pem.display(), key.display(), ca.display())
    };
    let (Some(first), Some(last)) = (subjects.first(), subjects.last()) else { return String::new() };
    let answer = format!("  keyphone answer {}", flags(last));
    match subjects.len() {
        1 => answer,
        _ => format!("{answer}\n  keyphone call {} --transport tls {}", last.uri(), flags(first)),
    }
}
