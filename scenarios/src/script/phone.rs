//! `[[phone]]`: who it is, what it has, and what it does when it is called.

use super::name::Name;
use keyphone_config::KeyingSystem;
use keyphone_keying::Expect;
use keyphone_keying::choice::{Expected, Needs, Preferences};
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::policy::{FailedRekey, KeyForm};
use keyphone_keying::mikey::wire::registry::{CacheType, DhGroup};
use keyphone_keying::policy::OnClash;
use keyphone_media::srtp::Suite;
use keyphone_ua::settings::{EarlyMedia, Preconditions, Reliable};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// What the script calls it.
    pub name: Name,
    /// Whose calls it takes: its SIP user. Several phones may have one user.
    pub user: Name,
    /// The proxy that knows its user: its SIP URI is `sip:user@proxy`. Without one its URI says its own address.
    pub home: Option<Name>,
    /// The proxy that all its calls go through; without one they go to whom they are for.
    pub through: Option<Name>,
    /// Who it is and how it keys.
    pub keying: Keying,
    /// What it does when it is called.
    pub incoming: Incoming,
    /// What it says, in hertz: by this it is known when somebody hears it. 0 is silence; `None` is a tone that no other
    /// phone has.
    pub tone: Option<u32>,
    /// Depth of its jitter buffer.
    pub jitter: Duration,
    /// How it makes and keeps calls.
    pub habits: Habits,
    /// How far its wall clock is off.
    pub clock: Clock,
    /// Its URI is a sips URI, and TLS is the way to it (RFC 5630). What the proxies see is not hidden by that.
    pub tls: bool,
    /// It uses this SSRC in every call, as some phones do, instead of one by chance (RFC 3550 section 8).
    pub ssrc: Option<u32>,
}

/// How a phone keys its calls, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keying {
    /// What it offers and accepts, preferred first.
    pub systems: Vec<KeyingSystem>,
    /// The pre-shared keys that it has.
    pub psks: Vec<Psk>,
    /// Its own certificate, made for the run.
    pub certificate: Option<Certificate>,
    /// Whose certificates it has besides: phones. RSA mode needs that of whom it calls (RFC 3830 section 3.2).
    pub knows: Vec<Name>,
    /// The authorities that it trusts.
    pub trusts: Vec<Name>,
    /// Whom it may turn out to talk to.
    pub expect: Expect,
    /// Crypto suites, preferred first; empty is the default of policy.
    pub suites: Vec<Suite>,
    /// It may send and hear unprotected media.
    pub allow_clear: bool,
    /// The group of its Diffie-Hellman values.
    pub group: DhGroup,
    /// What its keying must be able to do.
    pub needs: Needs,
    /// What it expects of its calls.
    pub expected: Expected,
    /// So often it offers one call anew in another way.
    pub retries: u8,
    /// Octets of the MKI in its offers; 0 is none.
    pub mki: u8,
    /// In which form its keys travel where they are transported (RFC 3830 section 6.13).
    pub keys: KeyForm,
    /// Whether the envelope keys that it makes are pre-shared keys from then on: for later calls, for one call, or not.
    pub cache: CacheType,
    /// What becomes of a call whose keys could not be changed.
    pub failed_rekey: FailedRekey,
    /// What it does when two send under one key and SSRC.
    pub on_clash: OnClash,
}

/// A pre-shared key: `blue`, or `blue with bob`. The octets are made of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Psk {
    /// What the script calls it.
    pub secret: Name,
    /// Whom it is shared with: a phone or a user; `None` is everybody for whom there is no other.
    pub with: Option<Name>,
}

/// A certificate: `p256`, or `rsa from elsewhere`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What kind of key.
    pub kind: KeyKind,
    /// Who issued it.
    pub from: Name,
}

/// What kind of key a certificate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA on P-256: it signs, and nothing can be encrypted to it.
    P256,
    /// RSA, 2048 bits.
    Rsa,
}

/// What a phone does when it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// It rings so long and answers.
    Answers {
        /// How long.
        after: Duration,
        /// What it says meanwhile, in hertz (early media).
        early: Option<u32>,
    },
    /// It rings until a step says what becomes of it.
    Rings,
    /// It sends the caller to these phones or users (302).
    Redirects(Vec<Name>),
    /// It refuses with this status.
    Refuses(u16),
}

/// How a phone makes and keeps calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// It leaves the offer to whom it calls.
    pub late_offer: bool,
    /// What it says of 100rel.
    pub reliable: Reliable,
    /// What it says of preconditions.
    pub preconditions: Preconditions,
    /// How many contacts of 3xx responses one call of it may try.
    pub redirects: u8,
    /// Which branch of a forked call it hears before any has answered.
    pub early_media: EarlyMedia,
    /// It lets itself be transferred.
    pub transfers: bool,
}

/// How far a wall clock is off: `10 s ahead`, `5 min behind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// By so much.
    pub by: Duration,
    /// In the future, rather than in the past.
    pub ahead: bool,
}

impl Phone {
    /// What every field is that a script does not write.
    pub fn new(name: Name) -> Self {
        Self {
            user: name.clone(),
            name,
            home: None,
            through: None,
            keying: Keying::default(),
            incoming: Incoming::Answers { after: Duration::from_millis(300), early: None },
            tone: None,
            jitter: Duration::from_millis(60),
            habits: Habits::default(),
            clock: Clock::default(),
            tls: false,
            ssrc: None,
        }
    }
}

impl Keying {
    /// The authority that issues certificates and is trusted, unless a script names another.
    pub fn house() -> Name {
        "house".parse().expect("a name of lower-case letters")
    }

    /// The secret that all phones share, unless a script says otherwise.
    pub fn common() -> Psk {
        Psk { secret: "common".parse().expect("a name of lower-case letters"), with: None }
    }
}

impl Default for Keying {
    fn default() -> Self {
        let keying = keyphone_keying::Policy::default();
        Self {
            systems: vec![KeyingSystem::Mikey(ModeName::Psk)],
            psks: vec![Self::common()],
            certificate: None,
            knows: vec![],
            trusts: vec![Self::house()],
            expect: keying.expect,
            suites: vec![],
            allow_clear: false,
            group: keying.mikey.group,
            needs: Needs::default(),
            expected: Expected::default(),
            retries: Preferences::RETRIES,
            mki: 0,
            keys: keying.mikey.keys,
            cache: keying.mikey.cache,
            failed_rekey: keying.mikey.failed_rekey,
            on_clash: keying.on_ssrc_clash,
        }
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            late_offer: false,
            reliable: Reliable::Supported,
            preconditions: Preconditions::Supported,
            redirects: 5,
            early_media: EarlyMedia::First,
            transfers: true,
        }
    }
}

impl FromStr for Psk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (secret, with) = match text.split_once(" with ") {
            Some((secret, whom)) => (secret, Some(whom.parse()?)),
            None => (text, None),
        };
        Ok(Self { secret: secret.parse()?, with })
    }
}

impl fmt::Display for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.with {
            Some(whom) => write!(f, "{} with {whom}", self.secret),
            None => self.secret.fmt(f),
        }
    }
}

impl FromStr for Certificate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, from) = match text.split_once(" from ") {
            Some((kind, from)) => (kind, from.parse()?),
            None => (text, Keying::house()),
        };
        match kind {
            "p256" => Ok(Self { kind: KeyKind::P256, from }),
            "rsa" => Ok(Self { kind: KeyKind::Rsa, from }),
            _ => Err(format!("{text:?} is neither \"p256\" nor \"rsa\", with \" from \" and an authority or without")),
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.kind == KeyKind::Rsa { "rsa" } else { "p256" })?;
        if self.from == Keying::house() { Ok(()) } else { write!(f, " from {}", self.from) }
    }
}

impl FromStr for Clock {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            [number, unit, way @ ("ahead" | "behind")] => {
                super::sentence::time(number, unit).map(|by| Self { by, ahead: way == "ahead" })
            }
            _ => None,
        }
        .ok_or_else(|| format!("{text:?} is not how far a clock is off, as in \"10 s ahead\" or \"5 min behind\""))
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", super::sentence::Time(self.by), if self.ahead { "ahead" } else { "behind" })
    }
}
