//! The keys of a script that is played over real sockets: made of the system's randomness; kept in a directory, if
//! somebody outside is to have his part of them.

use super::LiveError;
use crate::pki::Pki;
use crate::run::Secrets;
use crate::script::Script;
use crate::shelf::Shelf;
use keyphone_ua::net::OsRng;
use std::path::Path;
use zeroize::Zeroizing;

/// The keys of a script that is played over real sockets.
pub struct Chest {
    secrets: Secrets,
    pki: Pki,
}

impl Chest {
    /// Good for one run.
    pub fn new(script: &Script) -> Self {
        Self { secrets: Secrets::random(script, &mut OsRng), pki: Pki::new() }
    }

    /// In a directory: what is there is used, and what is not is made and put there. A pre-shared key called `blue` is in
    /// `blue.psk`, in hexadecimal; an authority called `house` in `house.ca.pem` and `house.ca.key`; the certificate of
    /// `bob` in `bob.pem`, its key in `bob.key`.
    ///
    /// # Errors
    /// What cannot be read or written, and why; no secret is in it.
    pub fn in_directory(directory: &Path, script: &Script) -> Result<Self, LiveError> {
        let shelf = Shelf::open(directory).map_err(LiveError::Usage)?;
        let mut secrets = Secrets::random(script, &mut OsRng);
        if let Secrets::Kept(secrets) = &mut secrets {
            for (name, octets) in secrets {
                let file = format!("{name}.psk");
                let text = shelf.keep(&file, || Ok(Zeroizing::new(hex::encode(&*octets)))).map_err(LiveError::Usage)?;
                let read = hex::decode(text.trim()).map(Zeroizing::new);
                *octets = read.ok().filter(|octets| !octets.is_empty()).ok_or_else(|| {
                    LiveError::Usage(format!("{} holds no hexadecimal digits", directory.join(&file).display()))
                })?;
            }
        }
        Ok(Self { secrets, pki: Pki::on_shelf(shelf) })
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(super) fn pki(&self) -> &Pki {
        &self.pki
    }
}
