//! `keyphone mikey make`: exchanges with every value in between.

use super::input::read_file;
use crate::fault::{Fault, usage};
use crate::output::Printer;
use clap::{Args, ValueEnum};
use keyphone_config::parse_group;
use keyphone_keying::crypto::Envelope;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::wire::{DhGroup, EncrAlg, SignType};
use keyphone_keying::workbench::make::{Parties, Recipe, make, needs_parties, set};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
EXAMPLES:
  Three exchanges under pre-shared keys, with all their secrets and all that is derived:
      keyphone mikey make --mode mikey-psk --seed mine --count 3 > psk.json
      keyphone mikey verify psk.json
  For the modes with certificates, those of alice and bob at example.org:
      keyphone cert make sip:alice@example.org sip:bob@example.org --dir certs
      keyphone mikey make --mode mikey-rsa --seed mine --certs certs > rsa.json
      keyphone mikey make --mode mikey-dhsign --group p256 --seed mine --certs certs > p256.json
  The whole set that comes with keyphone, one file for each mode:
      keyphone mikey make --set vectors --certs certs

What is made is a JSON array, as \"keyphone mikey verify\" reads it. The same seed makes the same octets, but for those that
OpenSSL draws: the padding of envelopes and the numbers in RSA-PSS and ECDSA. All secrets are in it, and so good for
nothing else.

EXIT CODES: 0 made, and verified, 1 not, 2 usage.";

/// Make exchanges that "mikey verify" can check, from a seed
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Make {
    /// The mode: mikey-null, mikey-psk, mikey-rsa, mikey-dhsign, mikey-dhhmac, mikey-rsar
    #[arg(long, required_unless_present = "set", conflicts_with = "set")]
    mode: Option<ModeName>,
    /// What every random octet comes from: any text
    #[arg(long, required_unless_present = "set", conflicts_with = "set")]
    seed: Option<String>,
    /// So many, the seeds of which end with their number
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// How many crypto sessions
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(1..))]
    sessions: u8,
    /// The group of Diffie-Hellman, for mikey-dhsign and mikey-dhhmac: oakley5, if nothing is said; oakley1, oakley2; or
    /// p256, p384, p521, x25519, which are not interoperable
    #[arg(long, value_name = "NAME", value_parser = parse_group)]
    group: Option<DhGroup>,
    /// How key data is encrypted, for mikey-psk, mikey-rsa and mikey-rsar
    #[arg(long, value_enum)]
    encryption: Option<Encryption>,
    /// Envelopes in RSAES-OAEP instead of RSAES-PKCS1-v1_5, for mikey-rsa and mikey-rsar
    #[arg(long)]
    oaep: bool,
    /// Signatures in RSASSA-PSS instead of RSASSA-PKCS1-v1_5, for mikey-rsa, mikey-rsar and mikey-dhsign
    #[arg(long)]
    pss: bool,
    /// The key of a group, for mikey-rsar (RFC 4738 section 3.2)
    #[arg(long)]
    for_group: bool,
    /// Where ca.pem, alice.pem, alice.key, bob.pem and bob.key are, for sip:alice@example.org and sip:bob@example.org.
    /// With keys on a curve mikey-dhsign signs by ECDSA, which is not interoperable
    #[arg(long, value_name = "DIRECTORY")]
    certs: Option<PathBuf>,
    /// Write the set that comes with keyphone into this directory
    #[arg(long, value_name = "DIRECTORY", requires = "certs", conflicts_with_all = RECIPE)]
    set: Option<PathBuf>,
    /// One JSON object per exchange; with --set per file
    #[arg(long)]
    json: bool,
}

/// What an exchange is to be like is for the set itself to say.
const RECIPE: [&str; 7] = ["count", "sessions", "group", "encryption", "oaep", "pss", "for_group"];

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encryption {
    Null,
    AesCm,
    AesKw,
}

impl Make {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let printer = Printer::new(self.json);
        let parties = self.certs.as_deref().map(parties).transpose()?;
        let failed = |error: keyphone_keying::Error| Fault::Failed(error.to_string());
        if let (Some(directory), Some(parties)) = (&self.set, &parties) {
            let cannot = |path: &Path, e: std::io::Error| Fault::Failed(format!("{}: {e}", path.display()));
            std::fs::create_dir_all(directory).map_err(|e| cannot(directory, e))?;
            for file in set(parties).map_err(failed)? {
                let path = directory.join(&file.name);
                std::fs::write(&path, file.text()).map_err(|e| cannot(&path, e))?;
                let (name, count) = (path.display().to_string(), file.vectors.len());
                let text = format!("{name}: {count} exchanges");
                printer.say("mikey.written", json!({ "file": name, "exchanges": count }), text);
            }
            return Ok(0);
        }
        let (Some(mode), Some(seed)) = (self.mode, self.seed.clone()) else {
            return Err(usage("give --mode and --seed"));
        };
        self.fits(mode)?;
        if needs_parties(mode) && parties.is_none() {
            return Err(usage(format!("{mode} needs certificates: --certs DIRECTORY, made by \"keyphone cert make\"")));
        }
        let vectors: Result<Vec<Value>, _> = (1..=self.count)
            .map(|number| {
                let id = if self.count == 1 { seed.clone() } else { format!("{seed}-{number}") };
                let mut recipe = Recipe::new(id, mode);
                recipe.sessions = self.sessions;
                recipe.group = self.group.unwrap_or(recipe.group);
                recipe.for_group = self.for_group;
                recipe.encryption = match self.encryption {
                    None => recipe.encryption,
                    Some(Encryption::Null) => EncrAlg::Null,
                    Some(Encryption::AesCm) => EncrAlg::AesCm128,
                    Some(Encryption::AesKw) => EncrAlg::AesKw128,
                };
                recipe.envelope = if self.oaep { Envelope::Oaep } else { Envelope::Pkcs1 };
                recipe.signature = if self.pss { SignType::RsaPss } else { SignType::RsaPkcs1 };
                make(&recipe, parties.as_ref())
            })
            .collect();
        let vectors = vectors.map_err(failed)?;
        match self.json {
            true => vectors.iter().for_each(|vector| printer.note("mikey.made", vector)),
            false => printer.say("mikey.made", (), format!("{:#}", Value::from(vectors))),
        }
        Ok(0)
    }

    /// A flag that the mode has no use for was meant for another one.
    fn fits(&self, mode: ModeName) -> Result<(), Fault> {
        use ModeName::{DhHmac, DhSign, Psk, Rsa, RsaR};
        let flags: [(bool, &str, &[ModeName]); 5] = [
            (self.group.is_some(), "--group", &[DhSign, DhHmac]),
            (self.encryption.is_some(), "--encryption", &[Psk, Rsa, RsaR]),
            (self.oaep, "--oaep", &[Rsa, RsaR]),
            (self.pss, "--pss", &[Rsa, RsaR, DhSign]),
            (self.for_group, "--for-group", &[RsaR]),
        ];
        match flags.iter().find(|(given, _, modes)| *given && !modes.contains(&mode)) {
            Some((_, flag, modes)) => {
                let names: Vec<_> = modes.iter().map(ToString::to_string).collect();
                Err(usage(format!("{mode} has no use for {flag}, which is for {}", names.join(", "))))
            }
            None => Ok(()),
        }
    }
}

fn parties(directory: &Path) -> Result<Parties, Fault> {
    let read = |name: &str| {
        let path = directory.join(name);
        String::from_utf8(read_file(&path)?).map_err(|_| usage(format!("{} is no PEM", path.display())))
    };
    Ok(Parties {
        ca: read("ca.pem")?,
        initiator: (read("alice.pem")?, read("alice.key")?),
        responder: (read("bob.pem")?, read("bob.key")?),
    })
}
