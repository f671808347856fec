//! `keyphone mikey verify`: a file of exchanges against this implementation.

use super::input::read_file;
use super::tolerances;
use crate::fault::{Fault, usage};
use crate::human::plain;
use crate::output::Printer;
use clap::Args;
use keyphone_keying::workbench::verify::{self, Outcome, Report, Verdict};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

const VERIFY_EXAMPLES: &str = "\
EXAMPLES:
  Check exchanges against this implementation: parsed, authenticated, decrypted, derived:
      keyphone mikey verify vectors.json
  The same, with the tolerances of --interop, one JSON object per vector:
      keyphone mikey verify vectors.json --interop --json

A file is a JSON array; each vector has id, mode, inputs (hex), i_message_b64, r_message_b64, expected, checks and
expect, which is \"accept\", or \"tolerate\" for what only --interop lets pass.

EXIT CODES: 0 all that could be checked is as the file expects, 1 something is not or nothing could be, 2 usage or no
file of vectors.";

/// Check a file of exchanges against this implementation
#[derive(Args, Debug)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(super) struct Verify {
    /// The vectors
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
    /// Let named deviations of other implementations pass
    #[arg(long)]
    interop: bool,
    /// One JSON object per vector
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let name = self.file.display();
        let bytes = read_file(&self.file)?;
        let text = String::from_utf8(bytes).map_err(|_| usage(format!("{name} holds more than text")))?;
        let report = verify::verify(&text, tolerances(self.interop)).map_err(|e| usage(format!("{name}: {e}")))?;
        if report.vectors.is_empty() {
            return Err(usage(format!("{name} holds no vector")));
        }
        let printer = Printer::new(self.json);
        if self.json {
            report.vectors.iter().for_each(|vector| printer.note("mikey.vector", vector));
        }
        let [passed, refused, unknown, failed] = report.counts();
        let unknown_modes = unknown_modes(&report);
        let fields = json!({
            "ok": report.ok(), "passed": passed, "refused": refused, "unknown": unknown, "failed": failed,
            "unknown_modes": unknown_modes,
        });
        printer.say("mikey.verified", fields, table(&report, &unknown_modes));
        Ok(u8::from(!report.ok() || unknown == report.vectors.len()))
    }
}

/// Vectors by result, then the counts, then what we do not know.
fn table(report: &Report, unknown_modes: &BTreeMap<&str, usize>) -> String {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Passed { .. } => 0,
        Verdict::Refused { .. } => 1,
        Verdict::Failed { .. } => 2,
        Verdict::Unknown { .. } => 3,
    };
    let mut known: Vec<_> = report.vectors.iter().filter(|v| !matches!(v.verdict, Verdict::Unknown { .. })).collect();
    known.sort_by_key(|vector| rank(&vector.verdict));
    // Which checks a vector passed is in the JSON.
    let line = |vector: &Outcome| match &vector.verdict {
        Verdict::Passed { checks } if vector.as_expected => {
            format!("{:<16} passed   {} checks", vector.id, checks.len())
        }
        _ => vector.to_string(),
    };
    let mut lines: Vec<_> = known.iter().map(|vector| plain(&line(vector))).collect();
    let [passed, refused, unknown, failed] = report.counts();
    lines.push(format!("{passed} passed, {refused} refused, {failed} failed, {unknown} not checked"));
    if unknown > 0 {
        let modes: Vec<_> = unknown_modes.iter().map(|(mode, n)| format!("{} ({n})", plain(mode))).collect();
        lines.push(format!("not checked, because this build does not know their modes: {}", modes.join(", ")));
    }
    lines.push(match report.ok() {
        true if unknown == report.vectors.len() => "NOTHING could be checked".into(),
        true => "all that could be checked is as the file expects".into(),
        false => "NOT all is as the file expects".into(),
    });
    lines.join("\n")
}

fn unknown_modes(report: &Report) -> BTreeMap<&str, usize> {
    let mut modes = BTreeMap::new();
    for vector in report.vectors.iter().filter(|v| matches!(v.verdict, Verdict::Unknown { .. })) {
        *modes.entry(vector.mode.as_str()).or_default() += 1;
    }
    modes
}
