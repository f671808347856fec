//! `[policy]`: what may be offered and accepted, whatever the keying system.

use crate::finding::Report;
use crate::login::DigestAlgorithm;
use crate::mikey::Mikey;
use crate::section::Section;
use keyphone_keying::Expect;
use keyphone_keying::choice::{Expected, Needs, Order, Preferences};
use keyphone_keying::mikey::Tolerances;
use keyphone_keying::policy::OnClash;
use keyphone_media::srtp::{DerivationRate, Suite};

/// What may be offered and accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Keying systems, preferred first: the first that can key a call is offered, each is accepted. A list that begins as
    /// `auto` does is ordered anew for each call, by RFC 5197 section 5 ([`keyphone_keying::choice`]). Empty is `none`: no
    /// call is keyed, and none gets through unless `allow_clear` is set. [`crate::Config::systems`] has those of them that
    /// can be used.
    pub keying: Vec<KeyingSystem>,
    /// RTP may travel unprotected.
    pub allow_clear: bool,
    /// What keying must be able to do.
    pub needs: Needs,
    /// What is to be expected of calls.
    pub expected: Expected,
    /// How often one call may be offered anew in another way, when the first was refused.
    pub retries: u8,
    /// Who may be at the other end.
    pub expect: Expect,
    /// SRTP crypto suites, preferred first.
    pub suites: Vec<Suite>,
    /// SRTP may be authenticated only: NULL suites may stand among `suites`, and a peer may turn encryption off.
    pub allow_null_cipher: bool,
    /// After how many packets session keys change, in our offers.
    pub derivation_rate: DerivationRate,
    /// What we do when two send under one key and SSRC.
    pub on_ssrc_clash: OnClash,
    /// The weakest hash with which passwords are proven to servers. MD5 is allowed by default, because most deployments
    /// need it (RFC 8760 section 3 says what that opens the door to).
    pub weakest_digest: DigestAlgorithm,
    /// `[mikey]`.
    pub mikey: Mikey,
}

impl Default for Policy {
    fn default() -> Self {
        let keyphone_keying::Policy {
            media,
            choice,
            expect,
            suites,
            allow_null_cipher,
            derivation_rate,
            on_ssrc_clash,
            ..
        } = keyphone_keying::Policy::default();
        let Preferences { systems: keying, needs, expected, retries, .. } = choice;
        let weakest_digest = DigestAlgorithm::Md5;
        Self {
            keying,
            allow_clear: media.allow_clear,
            needs,
            expected,
            retries,
            expect,
            suites,
            allow_null_cipher,
            derivation_rate,
            on_ssrc_clash,
            weakest_digest,
            mikey: Mikey::default(),
        }
    }
}

impl Policy {
    /// The policy as keying asks for it. Keys stay unrevealed: that is a flag's to change, never a file's.
    pub fn keying_policy(&self) -> keyphone_keying::Policy {
        let mut policy = keyphone_keying::Policy::default();
        policy.media.allow_clear = self.allow_clear;
        policy.choice = self.preferences();
        policy.expect = self.expect;
        policy.suites.clone_from(&self.suites);
        policy.allow_null_cipher = self.allow_null_cipher;
        policy.derivation_rate = self.derivation_rate;
        policy.on_ssrc_clash = self.on_ssrc_clash;
        policy.mikey.allow_null_encryption = self.mikey.allow_null_encryption;
        policy.mikey.allow_null_mac = self.mikey.allow_null_mac;
        policy.mikey.max_skew = self.mikey.max_skew;
        policy.mikey.encryption = self.mikey.encryption.algorithm();
        policy.mikey.group = self.mikey.group;
        policy.mikey.signature = self.mikey.signature;
        policy.mikey.envelope = self.mikey.envelope;
        policy.mikey.cache = self.mikey.cache;
        policy.mikey.keys = self.mikey.keys;
        policy.mikey.validity = self.mikey.validity;
        policy.mikey.failed_rekey = self.mikey.failed_rekey;
        policy.mikey.fetch = self.mikey.fetch_list();
        if self.mikey.interop {
            policy.mikey.tolerances = Tolerances::interop();
        }
        policy
    }

    /// Was no keying system named, or only what may come after all others?
    pub fn is_auto(&self) -> bool {
        self.keying.starts_with(&KeyingSystem::AUTO)
    }

    /// What is wanted of the keying, whoever is called.
    pub fn preferences(&self) -> Preferences {
        let order = if self.is_auto() { Order::Auto } else { Order::Listed };
        let Self { keying, needs, expected, retries, .. } = self;
        Preferences { order, systems: keying.clone(), needs: *needs, expected: *expected, retries: *retries }
    }

    pub(crate) fn read(&mut self, policy: Option<Section<'_>>, mikey: Option<Section<'_>>, report: &mut Report<'_>) {
        if let Some(section) = policy {
            self.read_common(section, report);
        }
        if let Some(section) = mikey {
            self.mikey.read(section, report);
        }
    }

    fn read_common(&mut self, mut section: Section<'_>, report: &mut Report<'_>) {
        if section.value("keying").is_some_and(|v| v.get_ref().is_str()) {
            section.parse("keying", &mut self.keying, report, parse_keying);
        } else {
            self.read_keying_list(&mut section, report);
        }
        section.flag("allow-clear", &mut self.allow_clear, report);
        section.flag("pfs", &mut self.needs.pfs, report);
        section.flag("both-contribute", &mut self.needs.both_contribute, report);
        section.flag("may-fork", &mut self.expected.fork, report);
        section.flag("may-retarget", &mut self.expected.retarget, report);
        section.flag("early-media-expected", &mut self.expected.early_media, report);
        section.number("retries", &mut self.retries, report, parse_retries);
        section.parse("expect", &mut self.expect, report, parse_expect);
        section.list("suites", &mut self.suites, report, parse_suite);
        section.flag("allow-null-cipher", &mut self.allow_null_cipher, report);
        section.number("key-derivation-rate", &mut self.derivation_rate, report, parse_derivation_rate);
        section.parse("on-ssrc-clash", &mut self.on_ssrc_clash, report, parse_on_clash);
        section.parse("weakest-digest", &mut self.weakest_digest, report, str::parse);
        let null = self.suites.iter().find(|suite| !suite.encrypts());
        match (self.allow_null_cipher, null, section.span_of("suites")) {
            (true, ..) => {
                let message = "media may travel without encryption, and everybody on the way can hear it";
                report.warning(section.span_of("allow-null-cipher"), "policy.allow-null-cipher", message);
            }
            (false, Some(suite), Some(span)) => {
                let message = format!("{suite} encrypts nothing, and allow-null-cipher does not allow that");
                report.error(span, "policy.suites", message);
            }
            _ => {}
        }
        if self.allow_clear {
            let message = "media may travel unprotected, and everybody on the way can hear it";
            report.warning(section.span_of("allow-clear"), "policy.allow-clear", message);
        } else if self.keying.is_empty() {
            let message = "without keying and without allow-clear no call gets through";
            report.warning(section.span_of("keying"), "policy.keying", message);
        }
        if let Some(why) = self.contradiction() {
            let span = section.span_of("keying").or(section.span_of("pfs")).or(section.span_of("both-contribute"));
            report.error(span.unwrap_or_default(), "policy.keying", why);
        }
        section.finish(report);
    }

    /// `keying = ["..", ".."]`.
    fn read_keying_list(&mut self, section: &mut Section<'_>, report: &mut Report<'_>) {
        let mut names: Vec<String> = vec![];
        section.list("keying", &mut names, report, |name| match name {
            AUTO => Ok(name.to_owned()),
            _ => name.parse::<KeyingSystem>().map(|_| name.to_owned()),
        });
        if names.is_empty() {
            return;
        }
        match parse_keying(&names.join(",")) {
            Ok(keying) => self.keying = keying,
            Err(why) => report.error(section.span_of("keying").unwrap_or_default(), "policy.keying", why),
        }
    }

    /// Does every keying system lack what is required? One sentence that says so.
    pub fn contradiction(&self) -> Option<String> {
        let preferences = self.preferences();
        let lacking = !self.keying.is_empty() && !self.keying.iter().any(|system| preferences.allow(*system));
        let what = match (self.needs.pfs, self.needs.both_contribute) {
            (true, true) => "perfect forward secrecy with the contribution of both",
            (true, false) => "perfect forward secrecy",
            _ => "the contribution of both",
        };
        let names = || self.keying.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        lacking.then(|| format!("{what} is required, and none of {} has it", names()))
    }
}

/// A keying system that this build has.
pub use keyphone_keying::System as KeyingSystem;

/// `--keying` and `keying = ".."`: names with commas between them, `none` for none. `auto` stands for those that need no
/// excuse, in the order of RFC 5197 section 5 as far as there is what they take; others may be named behind it.
///
/// # Errors
/// One sentence that names the part that is no keying system.
pub fn parse_keying(text: &str) -> Result<Vec<KeyingSystem>, String> {
    if text == "none" {
        return Ok(vec![]);
    }
    let mut list = vec![];
    for name in text.split(',').map(str::trim) {
        let named = match name {
            AUTO if !list.is_empty() => return Err("auto has an order of its own, and so must be first".into()),
            AUTO => KeyingSystem::AUTO.to_vec(),
            _ => vec![name.parse()?],
        };
        for system in named {
            if list.contains(&system) {
                return Err(format!("{system} is there twice"));
            }
            list.push(system);
        }
    }
    Ok(list)
}

/// What stands for all that need no excuse.
const AUTO: &str = "auto";

/// `exactly`, `pinned`, `same-domain` or `any`: who may be at the other end.
///
/// # Errors
/// One sentence that lists the four.
pub fn parse_expect(text: &str) -> Result<Expect, String> {
    match text {
        "exactly" => Ok(Expect::Exactly),
        "pinned" => Ok(Expect::Pinned),
        "same-domain" => Ok(Expect::SameDomain),
        "any" => Ok(Expect::Certified),
        _ => Err(format!("{text:?} is none of exactly, pinned, same-domain and any")),
    }
}

/// `leave`, `rekey` or `move`: what we do when two send under one key and SSRC.
///
/// # Errors
/// One sentence that lists the three.
pub fn parse_on_clash(text: &str) -> Result<OnClash, String> {
    match text {
        "leave" => Ok(OnClash::Leave),
        "rekey" => Ok(OnClash::Rekey),
        "move" => Ok(OnClash::Move),
        _ => Err(format!("{text:?} is none of leave, rekey and move")),
    }
}

/// A crypto suite by the name that SDP has for it (RFC 4568 section 6.2, RFC 6188, RFC 7714).
///
/// # Errors
/// One sentence that lists the suites of this build.
pub fn parse_suite(text: &str) -> Result<Suite, String> {
    Suite::from_name(text).ok_or_else(|| {
        let names = Suite::ALL.map(Suite::name).join(", ");
        format!("{text:?} is no crypto suite of this build, which has {names}")
    })
}

/// `retries`: so often a call is offered anew.
fn parse_retries(retries: u64) -> Result<u8, String> {
    let most = KeyingSystem::all().count() as u64;
    u8::try_from(retries)
        .ok()
        .filter(|_| retries <= most)
        .ok_or(format!("{retries} is more than there are systems to try"))
}

/// `key-derivation-rate`: packets (RFC 3711 section 4.3.1).
fn parse_derivation_rate(packets: u64) -> Result<DerivationRate, String> {
    DerivationRate::new(packets).ok_or_else(|| {
        format!("{packets} is neither 0, for keys that stay, nor a power of two up to {} packets", 1 << 24)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_keying::mikey::{MikeyPolicy, ModeName};

    #[test]
    fn what_no_listed_system_has_is_said_as_it_is_required() {
        let needs = Needs { pfs: true, both_contribute: true };
        let policy = |keying: &str| Policy { needs, keying: parse_keying(keying).unwrap(), ..Policy::default() };
        let why = "perfect forward secrecy with the contribution of both is required, and none of mikey-rsar has it";
        assert_eq!(policy("mikey-rsar").contradiction().as_deref(), Some(why), "which has the half of it");
        assert_eq!(policy("mikey-rsar,mikey-dhsign").contradiction(), None);
    }

    #[test]
    fn a_flag_lists_keying_systems_with_commas() {
        assert_eq!(parse_keying("none"), Ok(vec![]));
        let psk = KeyingSystem::Mikey(ModeName::Psk);
        assert_eq!(parse_keying("auto"), Ok(KeyingSystem::AUTO.to_vec()));
        assert_eq!(parse_keying("mikey-psk"), Ok(vec![psk]));
        assert_eq!(parse_keying("mikey-rsar,mikey-psk"), Ok(vec![KeyingSystem::Mikey(ModeName::RsaR), psk]));
        for system in KeyingSystem::all() {
            assert_eq!(parse_keying(&system.to_string()), Ok(vec![system]));
        }
        assert_eq!(parse_keying("mikey-psk, mikey-psk"), Err("mikey-psk is there twice".to_owned()));
        let error = parse_keying("mikey-psk,zrtp").unwrap_err();
        let names = "mikey-null, mikey-psk, mikey-rsa, mikey-dhsign, mikey-dhhmac, mikey-rsar";
        assert_eq!(error, format!("\"zrtp\" is no keying system of this build, which has {names}"));
        assert!(parse_keying("").is_err() && parse_keying("none,mikey-psk").is_err());
        let named = parse_keying("auto,mikey-null").unwrap();
        assert_eq!((&named[..5], named[5]), (&KeyingSystem::AUTO[..], KeyingSystem::Mikey(ModeName::Null)));
        assert_eq!(parse_keying("auto,mikey-psk"), Err("mikey-psk is there twice".to_owned()));
        assert!(parse_keying("mikey-null,auto").unwrap_err().contains("must be first"));
    }

    #[test]
    fn what_was_decided_reaches_the_policy_of_keying() {
        let mut policy = Policy { allow_clear: true, expect: Expect::Exactly, ..Policy::default() };
        policy.suites = vec![Suite::AesCm128HmacSha1_32];
        policy.allow_null_cipher = true;
        policy.derivation_rate = DerivationRate::new(1024).unwrap();
        policy.mikey.allow_null_encryption = true;
        policy.mikey.allow_null_mac = true;
        policy.mikey.max_skew = std::time::Duration::from_secs(7);
        let keying = policy.keying_policy();
        assert!(keying.media.clear().is_some() && keying.media.permit().is_none());
        assert_eq!((keying.expect, keying.suites), (Expect::Exactly, vec![Suite::AesCm128HmacSha1_32]));
        assert_eq!((keying.allow_null_cipher, keying.derivation_rate.packets()), (true, 1024));
        let MikeyPolicy { allow_null_encryption, allow_null_mac, max_skew, .. } = keying.mikey;
        assert!(allow_null_encryption && allow_null_mac && max_skew.as_secs() == 7);
    }

    #[test]
    fn the_default_allows_nothing_that_needs_an_excuse() {
        let keying = Policy::default().keying_policy();
        assert!(keying.media.clear().is_none() && keying.media.permit().is_none());
        assert!(!keying.mikey.allow_null_encryption && !keying.mikey.allow_null_mac && !keying.allow_null_cipher);
        assert!(keying.suites.iter().all(|suite| suite.encrypts()));
    }
}
