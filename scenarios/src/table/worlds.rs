//! The worlds that the cells are read from: one script for each question, for every keying system.
//!
//! All phones of a world have all that any system could need, so that what is asked is the only thing that is missing:
//! which system needs what is what the table finds out.

use crate::script::Script;
use keyphone_keying::System;
use keyphone_keying::mikey::ModeName;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum World {
    /// Nothing special happens.
    Plain,
    /// Media overtakes its answer.
    SlowAnswer,
    /// Three phones answer one offer.
    Fork,
    /// A proxy sends the offer to somebody else.
    Retarget,
    /// The caller is sent to somebody else.
    Redirect,
    /// There are no pre-shared keys.
    NoPsk,
    /// There are no certificates.
    NoCertificates,
    /// The callee has no SRTP.
    BestEffort,
}

impl World {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::SlowAnswer,
        Self::Fork,
        Self::Retarget,
        Self::Redirect,
        Self::NoPsk,
        Self::NoCertificates,
        Self::BestEffort,
    ];

    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Plain => ("plain", include_str!("worlds/plain.toml")),
            Self::SlowAnswer => ("slow-answer", include_str!("worlds/slow-answer.toml")),
            Self::Fork => ("fork", include_str!("worlds/fork.toml")),
            Self::Retarget => ("retarget", include_str!("worlds/retarget.toml")),
            Self::Redirect => ("redirect", include_str!("worlds/redirect.toml")),
            Self::NoPsk => ("no-psk", include_str!("worlds/no-psk.toml")),
            Self::NoCertificates => ("no-certificates", include_str!("worlds/no-certificates.toml")),
            Self::BestEffort => ("best-effort", include_str!("worlds/best-effort.toml")),
        }
    }

    /// By this name a run of it is asked for: `card-fork-mikey-psk`.
    pub fn name(self, system: System) -> String {
        format!("card-{}-{system}", self.file().0)
    }

    /// The world of that name, and whose it is.
    pub fn find(name: &str) -> Option<(Self, System)> {
        let name = name.strip_prefix("card-")?;
        Self::ALL.into_iter().find_map(|world| {
            let system = name.strip_prefix(world.file().0)?.strip_prefix('-')?;
            Some((world, system.parse().ok()?))
        })
    }

    /// The script, with that system in it.
    ///
    /// # Errors
    /// None: a test reads them all.
    pub fn script(self, system: System) -> Result<Script, String> {
        let (name, text) = self.file();
        let text = text.replace("SYSTEM", &system.to_string());
        let mut script = Script::parse(&text, name).map_err(|error| error.to_string())?;
        for phone in &mut script.phones {
            // RSA mode must have the callee's certificate (RFC 3830 section 3.2); whoever holds one takes no other of
            // that name, which would be in the way of the others.
            if system != System::Mikey(ModeName::Rsa) {
                phone.keying.knows.clear();
            }
            // Without TLS it is never offered (RFC 3830 section 4.2.3).
            phone.tls = system == System::Mikey(ModeName::Null);
        }
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_world_is_a_script_for_every_system_and_found_by_its_name() {
        for world in World::ALL {
            for system in System::all() {
                let script = world.script(system).unwrap();
                assert_eq!(Script::parse(&script.to_string(), "again").unwrap(), script);
                assert_eq!(World::find(&world.name(system)), Some((world, system)));
            }
        }
        assert_eq!(World::find("card-fork-zrtp"), None);
        assert_eq!(World::find("card-spoon-mikey-psk"), None);
    }
}
