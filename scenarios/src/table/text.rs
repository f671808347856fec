//! The card for people: two tables and their footnotes, at most a hundred characters wide.

use super::{Card, Cell, Column, Source};
use keyphone_keying::System;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Of the names of systems, and of a cell with its mark.
const NAME: usize = 15;
const CELL: usize = 10;

impl Card {
    /// All of it.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for source in [Source::Rfc5197, Source::Rfc5479] {
            let columns: Vec<_> = Column::ALL.into_iter().filter(|column| column.source() == source).collect();
            let _ = writeln!(text, "{source}, as it comes out here\n");
            let mut notes = Notes::default();
            // The first table of RFC 5197 has five columns, and the second four.
            for columns in columns.chunks(if source == Source::Rfc5197 { 5 } else { 6 }) {
                self.table(columns, &mut notes, &mut text);
            }
            notes.write(&mut text);
        }
        let _ = writeln!(
            text,
            "Each cell is read from a run: `keyphone scenario table --runs` names them all, and shows what was measured.\n\
             One of them: keyphone scenario run card-fork-mikey-psk --seed {} --ladder",
            self.seed
        );
        text
    }

    fn table(&self, columns: &[Column], notes: &mut Notes, text: &mut String) {
        for line in 0..2 {
            let mut row = format!("{:NAME$}", "");
            for column in columns {
                let _ = write!(row, "{:CELL$}", column.heading().get(line).copied().unwrap_or_default());
            }
            let _ = writeln!(text, "{}", row.trim_end());
        }
        let _ = writeln!(text, "{}", "-".repeat(NAME + CELL * columns.len()));
        for system in System::all() {
            let mut row = format!("{:NAME$}", system.to_string());
            for column in columns {
                let Some(cell) = self.cell(*column, system) else { continue };
                let _ = write!(row, "{:CELL$}", format!("{}{}", cell.says, notes.mark(cell)));
            }
            let _ = writeln!(text, "{}", row.trim_end());
        }
        text.push('\n');
    }

    /// The run of every cell, and what it showed.
    pub fn runs(&self) -> String {
        let mut text = String::new();
        for source in [Source::Rfc5197, Source::Rfc5479] {
            let _ = writeln!(text, "{source}\n");
            for cell in self.cells.iter().filter(|cell| cell.column.source() == source) {
                let heading = cell.column.heading().join(" ");
                let run = cell.run.as_deref().unwrap_or("nothing was run");
                let _ = writeln!(
                    text,
                    "{:NAME$}{heading:17} {:10} {run}: {}",
                    cell.system.to_string(),
                    cell.says.to_string(),
                    cell.shown
                );
            }
            text.push('\n');
        }
        text
    }
}

/// Footnotes, numbered as they come.
#[derive(Default)]
struct Notes(BTreeMap<&'static str, usize>);

impl Notes {
    /// ` 1` behind a cell that has one.
    fn mark(&mut self, cell: &Cell) -> String {
        let Some(why) = cell.why else { return String::new() };
        let next = self.0.len() + 1;
        format!(" {}", self.0.entry(why).or_insert(next))
    }

    fn write(self, text: &mut String) {
        let mut notes: Vec<_> = self.0.into_iter().collect();
        notes.sort_by_key(|(_, number)| *number);
        for (why, number) in notes {
            let _ = writeln!(text, "  {number}  {why}");
        }
        text.push('\n');
    }
}
