//! What the user has written: the configuration file and the keys in it.

use super::{Checked, Verdict};
use keyphone_config::{Config, KeyingSystem, Severity, check};
use keyphone_keying::mikey::ModeName;
use std::path::Path;
use zeroize::Zeroizing;

pub(super) const MAKE_A_KEY: &str = "openssl rand -hex 32 > psk.hex makes one; give it as --psk @psk.hex, or name it \
                                     in [[psk]] of a --config file";

const WHAT: &str = "configuration";

/// What is wrong with the file, and what it says, as far as it can be used.
pub(super) fn config(path: Option<&Path>) -> (Vec<Checked>, Option<Config>) {
    let Some(path) = path else {
        let found = "no file is named, and the defaults work between phones on this machine";
        return (vec![Checked::ok(WHAT, found)], None);
    };
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            let advice = "\"keyphone config init\" writes a file to begin with";
            return (vec![Checked::problem(WHAT, format!("{name} cannot be read: {error}"), advice)], None);
        }
    };
    let checks: Vec<_> = check(&text, &name)
        .into_iter()
        .map(|finding| {
            let verdict = match finding.severity {
                Severity::Error => Verdict::Problem,
                Severity::Warning => Verdict::Warning,
            };
            let advice = Some("change that line; \"keyphone config init\" writes a file that explains each".to_owned());
            Checked {
                what: WHAT,
                verdict,
                found: finding.sentence(&name),
                advice: advice.filter(|_| finding.line.is_some()),
            }
        })
        .collect();
    let config = Config::from_toml(&text, &name).ok();
    match checks.is_empty() {
        true => (vec![Checked::ok(WHAT, format!("{name} can be used"))], config),
        false => (checks, config),
    }
}

/// Is there a key, and is it long enough?
pub(super) fn keys(config: &Config) -> Checked {
    const WHAT: &str = "keys";
    let systems = config.systems();
    if systems.is_empty() {
        return match config.policy.allow_clear {
            true => Checked::warning(WHAT, "calls are not keyed, and everybody on the way can listen", "use keying"),
            false => Checked::problem(WHAT, "calls are not keyed, and none is allowed to be clear", "use keying"),
        };
    }
    let psks = &config.credentials.psks;
    let by_key = |system: &KeyingSystem| matches!(system, KeyingSystem::Mikey(ModeName::Psk | ModeName::DhHmac));
    if psks.is_empty() && !systems.iter().any(by_key) {
        return Checked::ok(WHAT, "no pre-shared key is needed");
    }
    if let Some(weakness) = psks.iter().find_map(|psk| psk.weakness()) {
        return Checked::warning(WHAT, weakness, MAKE_A_KEY);
    }
    match psks.len() {
        0 => Checked::warning(WHAT, "there is no pre-shared key, so that every call needs one from --psk", MAKE_A_KEY),
        1 => Checked::ok(WHAT, "there is one pre-shared key"),
        count => Checked::ok(WHAT, format!("there are {count} pre-shared keys")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_config::PskEntry;

    #[test]
    fn a_key_that_can_be_guessed_is_a_warning_and_not_quoted() {
        let mut config = Config::default();
        assert_eq!(keys(&config).verdict, Verdict::Warning);
        config.credentials.psks.push(PskEntry::from_flag("c0ffee").unwrap());
        let check = keys(&config);
        assert_eq!(check.verdict, Verdict::Warning);
        assert!(!format!("{check:?}").contains("c0ffee"), "{check:?}");
        config.credentials.psks = vec![PskEntry::from_flag("00112233445566778899aabbccddeeff").unwrap()];
        assert_eq!(keys(&config).verdict, Verdict::Ok);
        config.policy.keying.clear();
        assert_eq!(keys(&config).verdict, Verdict::Problem, "no call gets through");
    }
}
