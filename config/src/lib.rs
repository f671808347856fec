//! What the user decides, read from one TOML file.
//!
//! [`Config`] has plain fields with defaults that work on loopback; the file replaces some, the command line replaces
//! some more. Reading collects every mistake in one walk over the file: [`Config::from_toml`] stops at the first,
//! [`check`] shows them all, with warnings, each with its line and field. (A derived deserializer would stop at the
//! first and know no field, so the walk in `section.rs` is ours and only the TOML is `toml`'s.)
//!
//! Values are parsed into the types that will use them; whoever holds a [`Config`] has nothing left to check. Secrets
//! are zeroized when dropped and stand in no message and no `Debug`.

pub mod account;
pub mod audio;
pub mod certs;
mod choice;
pub mod duration;
pub mod finding;
pub mod identity;
pub mod login;
pub mod mikey;
pub mod network;
pub mod policy;
pub mod section;
pub mod server;
pub mod tls;

pub use account::{Account, SipUri};
pub use audio::{Audio, Play};
pub use certs::Certs;
pub use duration::parse_duration;
pub use finding::{ConfigError, Finding, Severity};
pub use identity::{Credentials, PskEntry};
pub use login::{DigestAlgorithm, Login, Password};
pub use mikey::{Mikey, MikeyEncryption, parse_group};
pub use network::{Network, PortRange, Transport};
pub use policy::{KeyingSystem, Policy};
pub use server::ServerUri;
pub use tls::{PeerCert, Tls};

use finding::Report;
use keyphone_keying::mikey::ModeName;
use section::Section;
use std::path::Path;
use toml::de::DeTable;
use zeroize::Zeroizing;

/// All that a user can decide in a file. Flags replace single fields.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `[account]`, or the first `[[account]]`: who we are, unless somebody says otherwise.
    pub account: Account,
    /// The other `[[account]]`s.
    pub more_accounts: Vec<Account>,
    /// `[[psk]]`: what we prove it with.
    pub credentials: Credentials,
    /// `[policy]` and `[mikey]`: what may be offered and accepted.
    pub policy: Policy,
    /// `[audio]`: what is played, recorded and spoken.
    pub audio: Audio,
    /// `[network]`: where we listen.
    pub network: Network,
    /// `[tls]` and `[[peer-cert]]`: our certificate, and whom we trust.
    pub tls: Tls,
}

impl Config {
    /// Reads a file's text. `file_name` stands in messages, and relative paths inside are relative to its directory.
    ///
    /// # Errors
    /// The first mistake, in one sentence with file, line, column and field. Warnings are no errors; [`check`] has
    /// them.
    pub fn from_toml(text: &str, file_name: &str) -> Result<Self, ConfigError> {
        let (config, findings) = read(text, file_name);
        match findings.into_iter().find(|f| f.severity == Severity::Error) {
            Some(finding) => Err(ConfigError::new(file_name, finding)),
            None => Ok(config),
        }
    }

    /// Reads a file. Its text, which may hold keys, is zeroized afterwards.
    ///
    /// # Errors
    /// As [`Config::from_toml`], and when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file_name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_toml(&Zeroizing::new(text), &file_name),
            Err(e) => Err(ConfigError::new(&file_name, Finding::unreadable(&e))),
        }
    }

    /// All accounts, in the order of the file; there is always one.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        std::iter::once(&self.account).chain(&self.more_accounts)
    }

    /// A commented file in which every value is at its default.
    pub const fn example() -> &'static str {
        include_str!("../examples/keyphone.toml")
    }
}

/// All that is wrong or doubtful in a file's text, in the order of its lines. Reads the key files that it names and
/// looks for the audio files.
pub fn check(text: &str, file_name: &str) -> Vec<Finding> {
    read(text, file_name).1
}

/// One walk: the configuration, as far as it can be made out, and what was found on the way.
fn read(text: &str, file_name: &str) -> (Config, Vec<Finding>) {
    let mut report = Report::new(text);
    let mut config = Config::default();
    let (document, mistakes) = DeTable::parse_recoverable(text);
    if !mistakes.is_empty() {
        // What recovery made of a broken file would only give follow-on mistakes.
        mistakes.iter().for_each(|m| report.syntax(m));
        return (config, report.into_findings());
    }
    let directory = Path::new(file_name).parent().unwrap_or(Path::new(""));
    let mut root = Section::root(document.get_ref());
    for (at, section) in root.one_or_more("account", &mut report).into_iter().enumerate() {
        let start = section.span.clone();
        let mut account = Account::default();
        account.read(section, directory, &mut report);
        if at > 0 && config.accounts().any(|earlier| earlier.from == account.from) {
            let message = format!("there is already an account of {}", account.from);
            report.error(start.unwrap_or_default(), "account.from", message);
        }
        match at {
            0 => config.account = account,
            _ => config.more_accounts.push(account),
        }
    }
    config.credentials.read(root.sections("psk", &mut report), directory, &mut report);
    let policy = root.section("policy", &mut report);
    let mikey = root.section("mikey", &mut report);
    config.policy.read(policy, mikey, &mut report);
    if let Some(section) = root.section("audio", &mut report) {
        config.audio.read(section, directory, &mut report);
    }
    if let Some(section) = root.section("network", &mut report) {
        config.network.read(section, &mut report);
    }
    if let Some(section) = root.section("tls", &mut report) {
        config.tls.read(section, directory, &mut report);
    }
    let pins = root.sections("peer-cert", &mut report).into_iter();
    config.tls.peer_certs = pins.filter_map(|section| PeerCert::read(section, directory, &mut report)).collect();
    let tls = root.span_of("tls");
    root.finish(&mut report);
    match config.load_certs() {
        Ok(None) => {}
        Ok(Some(warning)) => report.warning(tls, "tls", warning),
        Err(why) => report.error(tls.unwrap_or_default(), "tls", why),
    }
    if config.systems().first() == Some(&KeyingSystem::Mikey(ModeName::Psk)) && config.credentials.psks.is_empty() {
        report.warning(None, "psk", "there is no pre-shared key, so that every call needs one from --psk");
    }
    (config, report.into_findings())
}
