//! `keyphone demo`: two phones call each other on this machine.

use crate::fault::Fault;
use crate::output::Printer;
use crate::signals::Signals;
use clap::Args;
use keyphone_scenarios::demo::{DemoError, Report, live, simulated};
use keyphone_scenarios::link::Link;
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "\
EXAMPLES:
  A call over loopback in real time, then the same on a bad day in simulated time:
      keyphone demo
  Only the bad day, of another seed, into a directory of your choice:
      keyphone demo --simulated --seed 7 --out /tmp/seven
  For scripts:
      keyphone demo --json

Each call leaves two recordings and call.html, which shows the ladder, the keys by their fingerprints and two players.
EXIT CODES: 0 both were heard as they spoke, 1 not, 2 usage or a directory that cannot be written.";

/// Let two phones call each other on this machine, and see what each heard
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// Where recordings and pages go
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    out: PathBuf,
    /// Only over the simulated link: 5 % loss, 40 ms of jitter
    #[arg(long)]
    simulated: bool,
    /// What the simulated world is made of: the same seed, the same call
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// One JSON object per line on stdout
    #[arg(long)]
    json: bool,
    /// Diagnostics on stderr; twice for more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        let printer = Printer::new(self.json);
        let mut good = true;
        if !self.simulated {
            let mut signals = Signals::new().map_err(|e| Fault::Failed(format!("signals cannot be heard: {e}")))?;
            let report = live(&self.out, signals.next(), &mut |line| {
                printer.say("demo.progress", json!({ "what": line }), format_args!("{line}"));
            });
            good &= self.show(&printer, "loopback", &report.await.map_err(fault)?);
        }
        let link = Link::BAD_DAY;
        printer.say("demo.progress", json!({ "what": link.to_string() }), format_args!("\nand once more, {link}"));
        let out = if self.simulated { self.out.clone() } else { self.out.join("bad-day") };
        let report = simulated(&out, self.seed, link).map_err(fault)?;
        good &= self.show(&printer, "simulated", &report);
        Ok(if good { 0 } else { 1 })
    }

    /// True if nothing went wrong.
    fn show(&self, printer: &Printer, network: &str, report: &Report) -> bool {
        if !self.json {
            println!("\n{}", report.ladder);
        }
        for heard in &report.heard {
            let (phone, speaker, counts) = (heard.phone, heard.speaker, &heard.counts);
            let fields = json!({
                "network": network, "phone": phone, "speaker": speaker, "correlation": heard.correlation,
                "recording": heard.file, "counts": counts, "link": heard.link,
            });
            let link = heard.link.as_ref().map(|link| format!("; {link}")).unwrap_or_default();
            printer.say(
                "demo.heard",
                fields,
                format_args!(
                    "{phone} heard {speaker}: correlation {:.4}, {} frames heard, {} lost, {} late{link}\n  {}",
                    heard.correlation,
                    counts.heard,
                    counts.lost,
                    counts.late,
                    heard.file.display()
                ),
            );
        }
        for fault in &report.faults {
            printer.say("demo.fault", json!({ "network": network, "why": fault }), format_args!("WRONG: {fault}"));
        }
        let page = report.page.display();
        printer.say("demo.page", json!({ "network": network, "page": report.page }), format_args!("page: {page}"));
        report.faults.is_empty()
    }
}

fn fault(error: DemoError) -> Fault {
    match error {
        DemoError::Io { .. } => Fault::Usage(error.to_string()),
        DemoError::Audio(_) => Fault::Failed(error.to_string()),
    }
}
