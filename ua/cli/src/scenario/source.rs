//! A script by its name or its file.

use crate::fault::{Fault, usage};
use keyphone_scenarios::book;
use keyphone_scenarios::random;
use keyphone_scenarios::script::{Script, ScriptError};
use keyphone_scenarios::table::World;
use std::fs::File;
use std::io::Read;

/// More than any sensible script, in octets.
const LIMIT: u64 = 1 << 20;

/// A script, by what it was asked for.
pub(super) struct Source {
    /// As it stands on the command line: this replays it.
    pub(super) name: String,
    /// Its text.
    pub(super) text: String,
}

impl Source {
    /// What ends with `.toml` or has a slash in it is a file; `random-17` is the world that a seed makes up,
    /// `card-fork-mikey-psk` one of the score card's; anything else is a script that comes with the program.
    pub(super) fn of(name: &str) -> Result<Self, Fault> {
        if let Some(seed) = name.strip_prefix("random-").and_then(|seed| seed.parse().ok()) {
            return Ok(Self { name: name.to_owned(), text: random::script(seed).to_string() });
        }
        if let Some((world, system)) = World::find(name) {
            let script = world.script(system).map_err(usage)?;
            return Ok(Self { name: name.to_owned(), text: script.to_string() });
        }
        let text = match (name.ends_with(".toml") || name.contains(['/', '\\']), book::find(name)) {
            (false, Some(page)) => page.text.to_owned(),
            (false, None) => return Err(usage(unknown(name))),
            (true, _) => read(name).map_err(|e| usage(format!("{name} cannot be read: {e}")))?,
        };
        Ok(Self { name: name.to_owned(), text })
    }

    /// All that come with the program.
    pub(super) fn all() -> Vec<Self> {
        book::ALL.iter().map(|page| Self { name: page.name.to_owned(), text: page.text.to_owned() }).collect()
    }

    /// What it says.
    pub(super) fn script(&self) -> Result<Script, ScriptError> {
        let file_name = if self.name.ends_with(".toml") { self.name.clone() } else { format!("{}.toml", self.name) };
        Script::parse(&self.text, &file_name)
    }
}

fn read(path: &str) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

fn unknown(name: &str) -> String {
    let near = book::ALL.iter().map(|page| page.name).filter(|known| known.contains(name) || name.contains(known));
    let near: Vec<_> = near.take(4).collect();
    let hint = if near.is_empty() { String::new() } else { format!("; is it {}?", near.join(" or ")) };
    format!("no script is called {name}{hint} `keyphone scenario list` names them all, and a file ends with .toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_world_is_a_script_by_its_seed() {
        let source = Source::of("random-17").unwrap();
        assert_eq!(source.script().unwrap(), random::script(17));
        for name in ["random-", "random-x", "random--1"] {
            assert!(Source::of(name).err().unwrap().to_string().contains("no script is called"), "{name}");
        }
    }
}
