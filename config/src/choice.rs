//! Which keying systems can be used, given the keys and certificates that there are.

use crate::certs::Certs;
use crate::{Config, KeyingSystem};
use keyphone_keying::mikey::ModeName;

/// Said of a certificate that is missing.
const CERT: &str = "give --cert FILE --key FILE, or [tls] in a --config file (\"keyphone cert make\" makes them)";
const TRUST: &str = "give --ca FILE or --peer-cert FILE, or [tls] and [[peer-cert]] in a --config file";

impl Config {
    /// The keying systems of the policy that can be used, preferred first. What was named stays, for whoever named it is
    /// to be told what is missing; of `auto` what lacks a key or a certificate is left out.
    pub fn systems(&self) -> Vec<KeyingSystem> {
        let named = self.policy.keying.clone();
        if !self.is_auto() {
            return named;
        }
        let usable: Vec<_> = named.into_iter().filter(|system| self.lacks(*system).is_none()).collect();
        // A key may still come from a flag, and whoever has none is told of the simplest.
        if usable.is_empty() { vec![KeyingSystem::Mikey(ModeName::Psk)] } else { usable }
    }

    /// Was no keying system named?
    pub fn is_auto(&self) -> bool {
        self.policy.is_auto()
    }

    /// What a system needs and does not have, in one sentence that says what to do. What depends on the peer is not
    /// looked at.
    pub fn lacks(&self, system: KeyingSystem) -> Option<String> {
        let certs = &self.credentials.certs;
        let KeyingSystem::Mikey(mode) = system;
        match mode {
            ModeName::Null => None,
            ModeName::Psk | ModeName::DhHmac => self.credentials.psks.is_empty().then(|| {
                format!(
                    "{system} needs a key that we share with the other side: give --psk @FILE, where FILE holds \
                     hexadecimal digits (openssl rand -hex 32 makes them), or [[psk]] in a --config file"
                )
            }),
            ModeName::Rsa | ModeName::DhSign | ModeName::RsaR => match certs.own() {
                None => Some(format!("{system} needs a certificate of ours: {CERT}")),
                Some(_) if !certs.trusts_somebody() => {
                    Some(format!("{system} needs to know whose certificates to trust: {TRUST}"))
                }
                Some(_) => self.misnamed().map(|why| format!("{system} needs a certificate for us: {why}")),
            },
        }
    }

    /// Is our certificate somebody else's, or nobody's whom SIP knows? One sentence that says what to do.
    fn misnamed(&self) -> Option<String> {
        let (certificate, me) = (self.credentials.certs.own()?, self.account.from.identity());
        (!certificate.names().contains(&me)).then(|| {
            let names = certificate.shown();
            format!(
                "our certificate is for {names}, and we are {me}: no peer would believe it (RFC 3830 section 4.3.1); give \
                 --from, or from in [account], as the certificate has it, or another --cert"
            )
        })
    }

    /// Reads the certificates that `tls` names, if a keying system of the policy uses any. A warning, if what cannot be
    /// used was not asked for by name; but a broken file never has us go by what protects nothing. Who has not been told who
    /// it is, is whom its certificate names.
    ///
    /// # Errors
    /// One sentence that names the file and what is wrong with it.
    pub fn load_certs(&mut self) -> Result<Option<String>, String> {
        let uses = |system: &KeyingSystem| {
            matches!(system, KeyingSystem::Mikey(ModeName::Rsa | ModeName::DhSign | ModeName::RsaR))
        };
        self.credentials.certs = Certs::default();
        if !self.policy.keying.iter().any(uses) {
            return Ok(None);
        }
        match Certs::read(&self.tls) {
            Ok(certs) => {
                if self.account.from == crate::Account::default().from
                    && let Some(Ok(user)) = certs.user().map(|user| user.as_str().parse())
                {
                    self.account.from = user;
                }
                self.credentials.certs = certs;
                Ok(None)
            }
            Err(why) if self.is_auto() && !self.policy.keying.contains(&KeyingSystem::Mikey(ModeName::Null)) => {
                Ok(Some(format!("MIKEY does without certificates: {why}")))
            }
            Err(why) => Err(why),
        }
    }
}
