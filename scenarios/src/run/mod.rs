//! Runs a script in simulated time, and says of each expectation whether it came true and what was measured.

mod bindings;
mod cast;
mod check;
mod facts;
mod secrets;
mod show;
mod stage;
pub(crate) mod steps;
mod unseen;

pub use crate::report::Verdict;
pub use cast::{Between, Cast, Role, Spot, Spots};
pub use facts::Facts;
pub use secrets::Secrets;
pub(crate) use stage::Props;
pub use stage::Stage;
pub use unseen::Unseen;
pub(crate) use unseen::is_any_seen;

use crate::pki::Pki;
use crate::script::Script;
use crate::world::World;
use keyphone_media::env::Instant;
use keyphone_ua::event::Event;
use serde::Serialize;

/// A script that was run once.
pub struct Run {
    /// What was run.
    pub script: Script,
    /// What the dice of the world were made of: the same seed, the same run. `None` over real sockets: no two runs are the
    /// same there.
    pub seed: Option<u64>,
    /// The world as it was at the end: all that was sent, told and recorded.
    pub world: World,
    /// Who was where in it.
    pub cast: Cast,
    /// One for each expectation, in their order; then one for each step that could not be done.
    pub verdicts: Vec<Verdict>,
    /// The expectations of which nobody can tell: somebody in them is outside.
    pub unseen: Vec<Unseen>,
}

/// Something that a phone told.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Told<'r> {
    /// When, in microseconds since the world began.
    #[serde(rename = "at_us", serialize_with = "micros")]
    pub at: Instant,
    /// Which phone.
    pub phone: &'r str,
    /// What.
    #[serde(flatten)]
    pub event: &'r Event,
}

fn micros<S: serde::Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.as_micros())
}

/// Runs a script from a seed.
///
/// # Errors
/// One sentence, if it speaks of somebody who is not there; a script that was parsed does not.
pub fn run(script: &Script, seed: u64, pki: &Pki) -> Result<Run, String> {
    let Stage { mut world, cast } = Stage::new(script, seed, pki)?;
    let missed = steps::play(script, &cast, &mut world)?;
    Run::judged(script, Some(seed), Stage { world, cast }, missed)
}

impl Run {
    /// What a script expects is held against what happened; `missed` are the steps that could not be done.
    pub(crate) fn judged(
        script: &Script,
        seed: Option<u64>,
        Stage { world, cast }: Stage,
        missed: Vec<Verdict>,
    ) -> Result<Self, String> {
        let facts = Facts { script, cast: &cast, world: &world };
        let (mut verdicts, mut unseen) = (vec![], vec![]);
        for expected in &script.expect {
            let (seen, rest) = unseen::part(expected, &cast);
            if let Some(seen) = seen {
                verdicts.push(check::check(&seen, &facts)?);
            }
            unseen.extend(rest);
        }
        verdicts.extend(missed);
        Ok(Self { script: script.clone(), seed, world, cast, verdicts, unseen })
    }

    /// All expectations came true.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.passed)
    }

    /// What can be asked of it.
    pub fn facts(&self) -> Facts<'_> {
        Facts { script: &self.script, cast: &self.cast, world: &self.world }
    }

    /// All that the phones told, in the order of time; at one time in the order of the phones.
    pub fn told(&self) -> Vec<Told<'_>> {
        let nodes = self.world.nodes().iter();
        let told =
            nodes.flat_map(|node| node.events.iter().map(|(at, event)| Told { at: *at, phone: &node.name, event }));
        let mut told: Vec<_> = told.collect();
        told.sort_by_key(|told| told.at);
        told
    }
}
