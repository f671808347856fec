//! `keyphone config`: writes a file to begin with, and tells what is wrong with yours.

use crate::fault::{Fault, usage};
use crate::human::plain;
use crate::output::Printer;
use clap::{Args, Subcommand};
use keyphone_config::{Config, Severity, check};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
EXAMPLES:
  A file to begin with, and what is wrong with it after you changed it:
      keyphone config init
      keyphone config check
  Use it:
      keyphone answer --config keyphone.toml";

/// Write a configuration file, and check one
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Configuration {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Init),
    Check(Check),
}

const INIT_EXAMPLES: &str = "\
EXAMPLES:
  Write ./keyphone.toml, with every value and what it means:
      keyphone config init
  Write another file, though it is there already:
      keyphone config init ~/bob.toml --force

EXIT CODES: 0 written, 2 not written.";

/// Write a commented file in which every value is the default
#[derive(Args, Debug)]
#[command(after_help = INIT_EXAMPLES)]
struct Init {
    /// The file to write
    #[arg(default_value = DEFAULT)]
    file: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// Say so as a JSON object
    #[arg(long)]
    json: bool,
}

const CHECK_EXAMPLES: &str = "\
EXAMPLES:
  Check ./keyphone.toml:
      keyphone config check
  Check another one, one JSON object per finding:
      keyphone config check ~/bob.toml --json

EXIT CODES: 0 it can be used (there may be warnings), 2 it cannot.";

/// Tell what is wrong with a file, and where
#[derive(Args, Debug)]
#[command(after_help = CHECK_EXAMPLES)]
struct Check {
    /// The file to check
    #[arg(default_value = DEFAULT)]
    file: PathBuf,
    /// One JSON object per finding
    #[arg(long)]
    json: bool,
}

const DEFAULT: &str = "keyphone.toml";

impl Configuration {
    pub(crate) fn run(self) -> Result<u8, Fault> {
        match self.command {
            Command::Init(init) => init.run(),
            Command::Check(check) => check.run(),
        }
    }
}

impl Init {
    fn run(self) -> Result<u8, Fault> {
        let name = self.file.display();
        write(&self.file, self.force).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => usage(format!("{name} is there already: --force writes over it")),
            _ => usage(format!("{name} cannot be written: {error}")),
        })?;
        let text =
            format!("{name} is written; \"keyphone config check {name}\" tells what is wrong after you changed it");
        Printer::new(self.json).say("config.written", json!({ "file": self.file.display().to_string() }), text);
        Ok(0)
    }
}

/// Keys may be put in it, so that only its owner can read it.
fn write(path: &Path, force: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    match force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // One that is written over may have been open to all.
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    file.write_all(Config::example().as_bytes())
}

impl Check {
    fn run(self) -> Result<u8, Fault> {
        let name = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file).map_err(|e| {
            let hint = if e.kind() == ErrorKind::NotFound { "; \"keyphone config init\" writes one" } else { "" };
            usage(format!("{name} cannot be read: {e}{hint}"))
        })?;
        let findings = check(&Zeroizing::new(text), &name);
        let printer = Printer::new(self.json);
        for finding in &findings {
            let fields = json!({
                "file": name, "severity": finding.severity.to_string(), "line": finding.line,
                "column": finding.column, "field": finding.field, "message": finding.message,
            });
            let text = format!("{} ({})", finding.sentence(&name), finding.severity);
            printer.say("config.finding", fields, plain(&text));
        }
        let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
        let warnings = findings.len() - errors;
        let verdict = match (errors, warnings) {
            (0, 0) => "nothing is wrong with it".into(),
            (0, _) => format!("it can be used; {}", counted(warnings, "warning")),
            (_, 0) => format!("it cannot be used; {}", counted(errors, "error")),
            _ => format!("it cannot be used; {}, {}", counted(errors, "error"), counted(warnings, "warning")),
        };
        let fields = json!({ "file": name, "errors": errors, "warnings": warnings });
        printer.say("config.checked", fields, format_args!("{name}: {verdict}"));
        Ok(if errors > 0 { 2 } else { 0 })
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
