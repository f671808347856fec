//! The keys that messages are opened with.

use super::input::read_file;
use crate::fault::{Fault, usage};
use crate::secret::Secret;
use clap::Args;
use keyphone_keying::Psk;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::identity::Certificate;
use keyphone_keying::mikey::derive;
use keyphone_keying::workbench::open;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Keys in hex or in files.
#[derive(Args, Debug)]
pub(super) struct Secrets {
    /// The pre-shared key (PSK, DHHMAC)
    #[arg(long, value_name = "HEX|@FILE")]
    psk: Option<Secret>,
    /// A private key in PEM or DER, to open an envelope with (RSA, RSA-R)
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A certificate in PEM or DER, of a signer that does not send its own
    #[arg(long, value_name = "FILE")]
    cert: Vec<PathBuf>,
    /// An envelope key, in place of the private key that opens its envelope
    #[arg(long, value_name = "HEX|@FILE")]
    envelope_key: Option<Secret>,
    /// The Diffie-Hellman secret of one side (D-H, DHHMAC): the exponent, or the scalar of a curve
    #[arg(long, value_name = "HEX|@FILE")]
    dh_secret: Vec<Secret>,
}

impl Secrets {
    /// Reads them all.
    pub(super) fn read(&self) -> Result<open::Secrets, Fault> {
        let psk = |flag: &str, text: &Option<Secret>| {
            let octets = text.as_deref().map(|text| octets(flag, text)).transpose()?;
            Ok::<_, Fault>(octets.and_then(|octets| Psk::new(octets.to_vec())))
        };
        let in_file = |path: &Path, error: &dyn std::fmt::Display| usage(format!("{}: {error}", path.display()));
        let key = |path: &PathBuf| {
            let octets = Zeroizing::new(read_file(path)?);
            PrivateKey::read(&octets).map_err(|error| in_file(path, &error))
        };
        let certificates = |path: &PathBuf| Certificate::read(&read_file(path)?).map_err(|error| in_file(path, &error));
        Ok(open::Secrets {
            psk: psk("--psk", &self.psk)?,
            envelope_key: psk("--envelope-key", &self.envelope_key)?,
            keys: self.key.iter().map(key).collect::<Result<_, _>>()?,
            certificates: self.cert.iter().map(certificates).collect::<Result<Vec<_>, _>>()?.concat(),
            dh: self.dh_secret.iter().map(|text| octets("--dh-secret", text)).collect::<Result<_, _>>()?,
        })
    }
}

/// Octets in hex, or the file that has them.
pub(super) fn octets(flag: &str, text: &str) -> Result<derive::Secret, Fault> {
    let from_file = text.strip_prefix('@').map(|path| read_file(Path::new(path))).transpose()?.map(Zeroizing::new);
    let text = match &from_file {
        Some(octets) => {
            std::str::from_utf8(octets).map_err(|_| usage(format!("{flag}: the file holds more than text")))?
        }
        None => text,
    };
    // Room for all of it from the start: a growing text would leave copies of a key behind.
    let mut digits = Zeroizing::new(String::with_capacity(text.len()));
    digits.extend(text.chars().filter(|c| !c.is_whitespace() && *c != ':'));
    // What is wrong with a key is said without the key.
    match hex::decode(&*digits) {
        Ok(octets) if octets.is_empty() => Err(usage(format!("{flag}: the key is empty"))),
        Ok(octets) => Ok(Zeroizing::new(octets)),
        Err(hex::FromHexError::OddLength) => Err(usage(format!(
            "{flag}: the key must be an even number of hexadecimal digits, and has {}",
            digits.len()
        ))),
        Err(_) => {
            Err(usage(format!("{flag}: the key must be hexadecimal digits, or @ and the name of a file of them")))
        }
    }
}
