//! `keyphone scenario new`: a commented script to begin with, and the schema.

use crate::fault::{Fault, usage};
use clap::Args;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

const EXAMPLES: &str = "\
EXAMPLES:
  A commented script to begin with:
      keyphone scenario new mine.toml
  On the terminal; and the schema, for editors that check TOML as you type:
      keyphone scenario new
      keyphone scenario new --schema > keyphone-scenario.schema.json

EXIT CODES: 0 written, 1 the file cannot be written, 2 usage, or the file is there already.";

/// Write a commented script to begin with
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct New {
    /// Where it goes; without one it is written to the terminal
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The JSON schema of scripts instead
    #[arg(long)]
    schema: bool,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

impl New {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let text = match self.schema {
            true => keyphone_scenarios::book::SCHEMA,
            false => keyphone_scenarios::book::TEMPLATE,
        };
        let Some(path) = self.file else {
            // Whoever closes the pipe early has read enough.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            return Ok(0);
        };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).create_new(!self.force);
        let mut file = options.open(&path).map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => usage(format!("{} is there already; --force replaces it", path.display())),
            _ => Fault::Failed(format!("{} cannot be written: {e}", path.display())),
        })?;
        file.write_all(text.as_bytes())
            .map_err(|e| Fault::Failed(format!("{} cannot be written: {e}", path.display())))?;
        println!("{} is written; run it with: keyphone scenario run {}", path.display(), path.display());
        Ok(0)
    }
}
