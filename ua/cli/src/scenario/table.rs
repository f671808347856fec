//! `keyphone scenario table`.

use crate::fault::{Fault, usage};
use crate::output::Printer;
use clap::Args;
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::table::Card;
use serde_json::json;

const EXAMPLES: &str = "\
EXAMPLES:
  The tables of RFC 5197 section 5.5 and RFC 5479 appendix A, computed from runs of every keying system:
      keyphone scenario table
  From which run is each cell read, and what was measured there? Show one of them:
      keyphone scenario table --runs
      keyphone scenario run card-fork-mikey-psk --ladder

EXIT CODES: 0 computed, 2 usage.";

/// The score card: what each keying system is good for, found out by running it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Table {
    /// Of the dice of all worlds
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Name the run of each cell, and what was measured
    #[arg(long)]
    runs: bool,
    /// One JSON object per cell
    #[arg(long)]
    json: bool,
}

impl Table {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let printer = Printer::new(self.json);
        let progress = |row, rows| printer.status(Some(&format!("{row} of {rows} systems")));
        let card = Card::make(self.seed, &Pki::new(), progress).map_err(usage)?;
        printer.quiet();
        if self.json {
            for cell in &card.cells {
                let fields = json!({
                    "table": cell.column.source(), "column": cell.column, "system": cell.system.to_string(),
                    "says": cell.says, "shown": cell.shown, "run": cell.run, "seed": card.seed,
                    "rfc": cell.said.to_string(), "why": cell.why,
                });
                printer.say("scenario.cell", fields, String::new());
            }
            return Ok(0);
        }
        let text = if self.runs { card.runs() } else { card.to_text() };
        printer.say("scenario.table", json!({}), text.trim_end().to_owned());
        Ok(0)
    }
}
