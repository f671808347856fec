//! `keyphone mikey make`: exchanges with every value in between.

use super::input::read_file;
use crate::fault::{Fault, usage};
use clap::{Args, ValueEnum};
use keyphone_keying::crypto::Envelope;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::wire::{DhGroup, EncrAlg, SignType};
use keyphone_keying::workbench::make::{Parties, Recipe, make, needs_parties, set};
use serde_json::Value;
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
    /// The group of Diffie-Hellman: oakley5, oakley1, oakley2; of mikey-dhsign also p256, p384, p521, x25519
    #[arg(long, default_value = "oakley5", value_parser = group)]
    group: DhGroup,
    /// How key data is encrypted
    #[arg(long, value_enum)]
    encryption: Option<Encryption>,
    /// Envelopes in RSAES-OAEP instead of RSAES-PKCS1-v1_5
    #[arg(long)]
    oaep: bool,
    /// Signatures in RSASSA-PSS instead of RSASSA-PKCS1-v1_5
    #[arg(long)]
    pss: bool,
    /// Where ca.pem, alice.pem, alice.key, bob.pem and bob.key are, for sip:alice@example.org and sip:bob@example.org
    #[arg(long, value_name = "DIRECTORY")]
    certs: Option<PathBuf>,
    /// Write the set that comes with keyphone into this directory
    #[arg(long, value_name = "DIRECTORY", requires = "certs")]
    set: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encryption {
    Null,
    AesCm,
    AesKw,
}

fn group(name: &str) -> Result<DhGroup, String> {
    DhGroup::by_name(name).ok_or_else(|| {
        let names: Vec<_> = DhGroup::ALL.iter().map(|group| group.short()).collect();
        format!("there are {}", names.join(", "))
    })
}

impl Make {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let parties = self.certs.as_deref().map(parties).transpose()?;
        let failed = |error: keyphone_keying::Error| Fault::Failed(error.to_string());
        if let (Some(directory), Some(parties)) = (&self.set, &parties) {
            let cannot = |path: &Path, e: std::io::Error| Fault::Failed(format!("{}: {e}", path.display()));
            std::fs::create_dir_all(directory).map_err(|e| cannot(directory, e))?;
            for file in set(parties).map_err(failed)? {
                let path = directory.join(&file.name);
                std::fs::write(&path, file.text()).map_err(|e| cannot(&path, e))?;
                println!("{}: {} exchanges", path.display(), file.vectors.len());
            }
            return Ok(0);
        }
        let (Some(mode), Some(seed)) = (self.mode, self.seed) else { return Err(usage("give --mode and --seed")) };
        if needs_parties(mode) && parties.is_none() {
            return Err(usage(format!("{mode} needs certificates: --certs DIRECTORY, made by \"keyphone cert make\"")));
        }
        let vectors: Result<Vec<Value>, _> = (1..=self.count)
            .map(|number| {
                let id = if self.count == 1 { seed.clone() } else { format!("{seed}-{number}") };
                let mut recipe = Recipe::new(id, mode);
                recipe.sessions = self.sessions;
                recipe.group = self.group;
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
        println!("{:#}", Value::from(vectors.map_err(failed)?));
        Ok(0)
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
