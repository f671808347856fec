//! `keyphone scenario list` and `keyphone scenario show`.

use super::source::Source;
use crate::fault::{Fault, usage};
use crate::output::Printer;
use clap::Args;
use keyphone_scenarios::book;
use serde_json::json;

const LIST_EXAMPLES: &str = "\
EXAMPLES:
  All scripts that come with keyphone, one per line:
      keyphone scenario list
  Those that prove something about forks:
      keyphone scenario list fork

EXIT CODES: 0 listed, 2 usage.";

/// List the scripts that come with keyphone
#[derive(Args, Debug)]
#[command(after_help = LIST_EXAMPLES)]
pub(super) struct List {
    /// Only those in whose name, title or requirements this stands
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// One JSON object per script
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> u8 {
        let printer = Printer::new(self.json);
        let wanted = self.text.unwrap_or_default().to_lowercase();
        let width = book::ALL.iter().map(|page| page.name.len()).max().unwrap_or_default();
        for page in book::ALL {
            // A test reads them all.
            let Ok(script) = page.script() else { continue };
            let proves: Vec<_> = script.proves.iter().map(ToString::to_string).collect();
            let all = format!("{} {} {}", page.name, script.title, proves.join(" ")).to_lowercase();
            if all.contains(&wanted) {
                let fields = json!({
                    "script": page.name, "title": script.title, "about": script.about, "proves": proves,
                    "phones": script.phones.len(),
                });
                printer.say("scenario.script", fields, format!("{:width$}  {}", page.name, script.title));
            }
        }
        0
    }
}

const SHOW_EXAMPLES: &str = "\
EXAMPLES:
  What is in one of them; a copy of it to change:
      keyphone scenario show fork-3
      keyphone scenario show fork-3 > mine.toml

EXIT CODES: 0 shown, 2 usage.";

/// Show a script
#[derive(Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(super) struct Show {
    /// The name of a script that comes with keyphone, or a file
    #[arg(value_name = "SCRIPT")]
    script: String,
    /// The script as one JSON object with its text
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<u8, Fault> {
        let source = Source::of(&self.script)?;
        let text = source.text.trim_end();
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' && c != '\r') {
            return Err(usage(format!("{} is no script: it has control characters", source.name)));
        }
        let fields = json!({ "script": source.name, "text": source.text });
        Printer::new(self.json).say("scenario.text", fields, text);
        Ok(0)
    }
}
