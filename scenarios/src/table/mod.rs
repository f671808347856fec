//! The score card: the tables of RFC 5197 section 5.5 and of RFC 5479 appendix A.4 and A.5, computed from what happened.
//!
//! Every cell is read from a run ([`World`]), which it names; beside it stands what the RFC says, and where the two
//! differ, or the RFCs do, one line says why ([`why`]). Nothing here knows what a mode is good for.

mod column;
mod judge;
mod rfc;
mod text;
pub mod why;
mod worlds;

pub use column::{Column, Source};
pub use rfc::Said;
pub use worlds::World;

use crate::pki::Pki;
use crate::run::{Run, Stage, run, steps};
use keyphone_keying::System;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// Whoever calls makes the key.
    Initiator,
    /// Whoever is called makes it.
    Responder,
    /// Both have a part in it.
    Both,
    /// What it would take to find out is not built.
    NotBuilt,
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Initiator => "initiator",
            Self::Responder => "responder",
            Self::Both => "both",
            Self::NotBuilt => "not built",
        })
    }
}

/// One system under one heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The heading.
    pub column: Column,
    /// The row.
    pub system: System,
    /// What was found.
    pub says: Says,
    /// What was measured, in a few words.
    pub shown: String,
    /// The run that shows it; `None` where nothing could be run.
    pub run: Option<String>,
    /// What the RFC of the column says.
    pub said: Said,
    /// Why we do not find what an RFC says, or what the RFCs disagree on.
    pub why: Option<&'static str>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The seed of its runs.
    pub seed: u64,
    /// Row by row.
    pub cells: Vec<Cell>,
}

/// Runs the worlds, each once for each system.
pub(crate) struct Lab<'p> {
    seed: u64,
    pki: &'p Pki,
    runs: BTreeMap<(World, System), Run>,
}

impl<'p> Lab<'p> {
    fn new(seed: u64, pki: &'p Pki) -> Self {
        Self { seed, pki, runs: BTreeMap::new() }
    }

    /// What happened in a world.
    fn run(&mut self, world: World, system: System) -> Result<&Run, String> {
        use std::collections::btree_map::Entry;
        match self.runs.entry((world, system)) {
            Entry::Occupied(run) => Ok(run.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(run(&world.script(system)?, self.seed, self.pki)?)),
        }
    }

    /// The same world again, in which one phone throws other dice.
    fn run_with_other_dice(&self, world: World, system: System, phone: usize) -> Result<Run, String> {
        let script = world.script(system)?;
        let Stage { mut world, cast } = Stage::new(&script, self.seed, self.pki)?;
        world.set_dice(phone, !self.seed);
        let verdicts = steps::play(&script, &cast, &mut world)?;
        Run::judged(&script, Some(self.seed), Stage { world, cast }, verdicts)
    }
}

impl Card {
    /// Runs everything. `done` is told before each row how many are through.
    ///
    /// # Errors
    /// One sentence, if a world cannot be built; a test builds them all.
    pub fn make(seed: u64, pki: &Pki, mut done: impl FnMut(usize, usize)) -> Result<Self, String> {
        let mut lab = Lab::new(seed, pki);
        let systems: Vec<_> = System::all().collect();
        let mut cells = vec![];
        for (row, system) in systems.iter().enumerate() {
            done(row, systems.len());
            for column in Column::ALL {
                cells.push(cell(column, *system, &mut lab)?);
            }
        }
        Ok(Self { seed, cells })
    }

    /// One cell.
    pub fn cell(&self, column: Column, system: System) -> Option<&Cell> {
        self.cells.iter().find(|cell| (cell.column, cell.system) == (column, system))
    }
}

fn cell(column: Column, system: System, lab: &mut Lab<'_>) -> Result<Cell, String> {
    let said = rfc::said(column, system);
    let why = why::reason(column, system);
    let Some(world) = column.world() else {
        let shown = "conferences are later work".into();
        return Ok(Cell { column, system, says: Says::NotBuilt, shown, run: None, said, why });
    };
    let (says, shown) = judge::judge(column, world, system, lab)?;
    Ok(Cell { column, system, says, shown, run: Some(world.name(system)), said, why })
}
