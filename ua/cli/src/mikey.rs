//! `keyphone mikey`: the workbench.

use crate::fault::{Fault, usage};
use crate::human::plain;
use crate::output::Printer;
use clap::{Args, Subcommand};
use keyphone_keying::mikey::Tolerances;
use keyphone_keying::workbench::decode::{self, Keys};
use keyphone_keying::workbench::verify::{self, Outcome, Report, Verdict};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
EXAMPLES:
  What does this message say?
      keyphone mikey decode AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A
  Does my implementation agree with this one?
      keyphone mikey verify vectors.json";

/// Read MIKEY messages, and check vectors
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Mikey {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Decode(Decode),
    Verify(Verify),
}

const DECODE_EXAMPLES: &str = "\
EXAMPLES:
  A message in base64 or in hexadecimal digits, or a line of SDP:
      keyphone mikey decode AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A
      keyphone mikey decode 'a=key-mgmt:mikey AQAFgM0...'
  All messages in an SDP, as JSON:
      keyphone mikey decode --json - < offer.sdp
  A file of any of these kinds, or of the message's own octets, with the keys that stand in it in clear:
      keyphone mikey decode --file message.bin --show-keys

EXIT CODES: 0 decoded, 1 not completely (the reason is on stderr), 2 usage.";

/// Show a message field by field: from base64, hex, a line of SDP, a whole SDP, or octets
#[derive(Args, Debug)]
#[command(after_help = DECODE_EXAMPLES)]
struct Decode {
    /// The message, or - for stdin
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    input: Option<String>,
    /// Read it from this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Show keys that stand in the message in clear
    #[arg(long)]
    show_keys: bool,
    /// Let named deviations of other implementations pass, and say so
    #[arg(long)]
    interop: bool,
    /// One JSON object per message
    #[arg(long)]
    json: bool,
}

const VERIFY_EXAMPLES: &str = "\
EXAMPLES:
  Check exchanges against this implementation: parsed, authenticated, decrypted, derived:
      keyphone mikey verify vectors.json
  The same, with the tolerances of --interop, one JSON object per vector:
      keyphone mikey verify vectors.json --interop --json

A file is a JSON array; each vector has id, mode, inputs (hex), i_message_b64, r_message_b64, expected, checks and
expect, which is \"accept\", or \"tolerate\" for what only --interop lets pass.

EXIT CODES: 0 all that could be checked is as the file expects, 1 something is not, 2 usage or no file of vectors.";

/// Check a file of exchanges against this implementation
#[derive(Args, Debug)]
#[command(after_help = VERIFY_EXAMPLES)]
struct Verify {
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

impl Mikey {
    pub(crate) fn run(self) -> Result<u8, Fault> {
        match self.command {
            Command::Decode(decode) => decode.run(),
            Command::Verify(verify) => verify.run(),
        }
    }
}

/// Longer inputs are no MIKEY messages; in octets.
const LIMIT: u64 = 16 << 20;

impl Decode {
    fn run(self) -> Result<u8, Fault> {
        let input = match (&self.file, self.input.as_deref()) {
            (Some(path), _) => read_file(path)?,
            (None, Some("-") | None) => read(std::io::stdin().lock(), "stdin")?,
            (None, Some(text)) => text.as_bytes().to_vec(),
        };
        let keys = if self.show_keys { Keys::Shown } else { Keys::Hidden };
        let decoded = decode::decode(&input, tolerances(self.interop), keys)
            .map_err(|error| Fault::Failed(format!("no MIKEY message could be read: {error}")))?;
        let printer = Printer::new(self.json);
        let many = decoded.messages.len() > 1;
        let mut code = 0;
        for (number, message) in (1..).zip(&decoded.messages) {
            let gap = if number > 1 { "\n" } else { "" };
            let text: Vec<_> = message.to_string().lines().map(plain).collect();
            printer.say("mikey.message", message.to_json(), format!("{gap}{}", text.join("\n")));
            if let Some(error) = &message.error {
                let which = if many { format!("message {number}") } else { "the message".into() };
                eprintln!("keyphone: {which} cannot be decoded completely: {}", plain(&error.to_string()));
                code = 1;
            }
        }
        Ok(code)
    }
}

impl Verify {
    fn run(self) -> Result<u8, Fault> {
        let name = self.file.display();
        let bytes = read_file(&self.file)?;
        let text = String::from_utf8(bytes).map_err(|_| usage(format!("{name} holds more than text")))?;
        let report = verify::verify(&text, tolerances(self.interop)).map_err(|e| usage(format!("{name}: {e}")))?;
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
        Ok(u8::from(!report.ok()))
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

fn tolerances(interop: bool) -> Tolerances {
    if interop { Tolerances::interop() } else { Tolerances::none() }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let file = File::open(path).map_err(|e| usage(format!("{} cannot be read: {e}", path.display())))?;
    read(file, &path.display().to_string())
}

fn read(from: impl Read, name: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![];
    from.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|e| usage(format!("{name} cannot be read: {e}")))?;
    if bytes.len() as u64 > LIMIT {
        return Err(usage(format!("{name} is longer than {} MiB", LIMIT >> 20)));
    }
    Ok(bytes)
}
