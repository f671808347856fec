//! Collects what came out.

use super::Step;
use crate::mikey::bundle::SessionKeys;
use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::wire::{CsMap, KeyData, Kv, Message, Sp, SrtpParam};

/// What came out so far.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) steps: Vec<Step>,
    pub(super) problems: Vec<String>,
}

impl Steps {
    pub(super) fn say(&mut self, name: impl Into<String>, value: impl Into<String>, section: &'static str) {
        self.steps.push(Step { name: name.into(), value: value.into(), section });
    }

    pub(super) fn hex(&mut self, name: impl Into<String>, value: &[u8], section: &'static str) {
        self.say(name, hex::encode(value), section);
    }

    pub(super) fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    /// Does it verify? If not, that is a problem too.
    pub(super) fn verified(&mut self, name: &str, fine: bool, section: &'static str) {
        self.say(name, if fine { "verifies" } else { "does NOT verify" }, section);
        if !fine {
            self.problem(format!(
                "{name} does not verify; `diagnose` tries what implementations are known to do wrong"
            ));
        }
    }

    pub(super) fn transport_keys(&mut self, keys: &TransportKeys) {
        const SECTION: &str = "RFC 3830 section 4.1.4";
        self.hex("encr_key", &keys.encr, SECTION);
        self.hex("salt key", &keys.salt, SECTION);
        self.hex("auth_key", &keys.auth, SECTION);
    }

    pub(super) fn keys(&mut self, keys: &[KeyData]) {
        for (number, key) in (1..).zip(keys) {
            let which = if keys.len() == 1 { String::new() } else { format!(" {number}") };
            self.hex(
                format!("{}{which}", if key.type_number() < 2 { "TGK" } else { "TEK" }),
                key.key.bytes(),
                "RFC 3830 section 6.13",
            );
            if let Some(salt) = &key.salt {
                self.hex(format!("SALT{which}"), salt.bytes(), "RFC 3830 section 6.13");
            }
            match &key.kv {
                Kv::Null => {}
                Kv::Spi(spi) => self.hex(format!("SPI{which}"), spi, "RFC 3830 section 6.14"),
                Kv::Interval { from, to } => {
                    let value = format!("{} to {}", hex::encode(from), hex::encode(to));
                    self.say(format!("Interval{which}"), value, "RFC 3830 section 6.14");
                }
            }
        }
    }

    /// The keys of every crypto session under each key. `policies` are those that hold, `map` that of the last message.
    pub(super) fn crypto_sessions(&mut self, keys: &[KeyData], csb: &CsbLabel, map: &CsMap, policies: &[&Sp]) {
        let ids: Vec<(u8, Option<u8>)> = match map {
            CsMap::Srtp(ids) => (1..=255).zip(ids).map(|(cs, id)| (cs, Some(id.policy_no))).collect(),
            // They are agreed on elsewhere (RFC 4563 section 5); without a number there is one, whose ID is 0.
            CsMap::Empty { count: 0 } => vec![(0, None)],
            CsMap::Empty { count } | CsMap::Unknown { count, .. } => (1..=*count).map(|cs| (cs, None)).collect(),
        };
        for (number, key) in (1..).zip(keys) {
            let which = if keys.len() == 1 { String::new() } else { format!(", key {number}") };
            for (cs, policy) in &ids {
                let policy = policies.iter().find(|sp| policy.is_none_or(|no| no == sp.policy_no));
                let lengths = policy.map_or((16, 14), |sp| lengths(sp));
                let SessionKeys { tek, salt } = SessionKeys::new(key, *cs, csb, lengths);
                let section = if key.type_number() < 2 { "RFC 3830 section 4.1.3" } else { "RFC 3830 section 6.13" };
                match salt {
                    Some(salt) => {
                        self.hex(format!("CS {cs} TEK{which}"), &tek, section);
                        self.hex(format!("CS {cs} salt{which}"), &salt, section);
                    }
                    // What cameras do: the master key and its salt in one.
                    None if tek.len() == lengths.0 + lengths.1 => {
                        self.hex(format!("CS {cs} TEK{which}"), &tek[..lengths.0], section);
                        self.hex(format!("CS {cs} salt{which}"), &tek[lengths.0..], section);
                    }
                    None => self.hex(format!("CS {cs} TEK{which}"), &tek, section),
                }
            }
        }
    }
}

/// Octets of the master key and the master salt under a policy (RFC 3830 section 6.10.1): SRTP's own without one.
fn lengths(sp: &Sp) -> (usize, usize) {
    /// AES-GCM has a salt of 12 octets (RFC 7714 section 8.1).
    const AES_GCM: u64 = 6;
    let value = |param| sp.value(param).ok().flatten();
    let fits = |len: u64| usize::try_from(len).ok().filter(|len| (1..=255).contains(len));
    let default = if value(SrtpParam::EncrAlg) == Some(AES_GCM) { 12 } else { 14 };
    let key = value(SrtpParam::EncrKeyLen).and_then(fits).unwrap_or(16);
    (key, value(SrtpParam::SaltKeyLen).and_then(fits).unwrap_or(default))
}

/// The security policies of the last message that has any.
pub(super) fn policies<'m>(message: &'m Message, init: Option<&'m Message>) -> Vec<&'m Sp> {
    let own: Vec<_> = message.many::<Sp>().collect();
    if own.is_empty() { init.map(|init| init.many::<Sp>().collect()).unwrap_or_default() } else { own }
}
