//! `keyphone demo`: two phones call each other on this machine, and then once more on a bad day.

use crate::fault::Fault;
use crate::human::plain;
use crate::output::Printer;
use crate::signals::Signals;
use clap::Args;
use keyphone_scenarios::demo::{DemoError, Heard, Report, live, simulated};
use keyphone_scenarios::link::Link;
use serde_json::json;
use std::cell::Cell;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
EXAMPLES:
  Two phones speak a sentence each over real sockets, then over a simulated link with loss and jitter:
      keyphone demo
  Only the simulated call, elsewhere, as JSON:
      keyphone demo --simulated --out /tmp/demo --json

What is left behind: call.html (ladder, keys, counts, players) and alice-heard.wav and bob-heard.wav, in DIR and, for
the simulated call, in DIR/bad-day.

EXIT CODES: 0 each heard what the other said, 1 not so, 2 usage.";

/// Two phones call each other on this machine over MIKEY; you get the ladder, the recordings and a page
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// Where recordings and pages go
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    out: PathBuf,
    /// Only the call over the simulated link
    #[arg(long)]
    simulated: bool,
    /// What the simulated world's dice are made of: the same seed, the same call
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Say what happens as one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        let printer = Printer::new(self.json);
        let mut faults = 0;
        if !self.simulated {
            match self.live(&printer).await? {
                Some(report) => faults += tell(&printer, "loopback", &report),
                None => return Err(Fault::Failed("the demo was stopped before its end".into())),
            }
        }
        let link = Link::BAD_DAY;
        say(&printer, &format!("the same call once more, {link}"));
        let report = simulated(&self.out.join("bad-day"), self.seed, link).map_err(|e| failed(&e))?;
        faults += tell(&printer, "simulated", &report);
        Ok(u8::from(faults > 0))
    }

    /// `None` if the user stopped it. The first Ctrl-C hangs up, the second does not wait.
    async fn live(&self, printer: &Printer) -> Result<Option<Report>, Fault> {
        let signals = || Signals::new().map_err(|e| Fault::Failed(format!("signals cannot be caught: {e}")));
        let (mut first, mut both) = (signals()?, signals()?);
        let stopped = Cell::new(false);
        let hang_up = async {
            first.next().await;
            stopped.set(true);
        };
        let twice = async {
            both.next().await;
            both.next().await;
        };
        let mut progress = |text: &str| say(printer, text);
        let report = tokio::select! {
            report = live(&self.out, hang_up, &mut progress) => report.map_err(|e| failed(&e))?,
            () = twice => return Ok(None),
        };
        Ok((!stopped.get()).then_some(report))
    }
}

fn say(printer: &Printer, text: &str) {
    printer.say("demo.progress", json!({ "text": text }), plain(text));
}

fn failed(error: &DemoError) -> Fault {
    Fault::Failed(error.to_string())
}

/// Tells what came of one call, and how many faults it had.
fn tell(printer: &Printer, call: &str, report: &Report) -> usize {
    let Report { ladder, heard, page, faults } = report;
    let ladder: Vec<_> = ladder.to_string().lines().map(plain).collect();
    printer.say("demo.ladder", json!({ "call": call, "lines": ladder }), format!("\n{}\n", ladder.join("\n")));
    for heard in heard {
        let Heard { phone, speaker, file, correlation, counts, link } = heard;
        let fields = json!({
            "call": call, "phone": phone, "speaker": speaker, "file": file, "correlation": correlation,
            "counts": counts, "link": link,
        });
        let text = format!(
            "{phone} heard {speaker}: correlation {correlation:.4}; sent {}, heard {}, lost {}, late {}{}\n  {}",
            counts.sent,
            counts.heard,
            counts.lost,
            counts.late,
            link.map(|link| format!("; {link}")).unwrap_or_default(),
            shown(file)
        );
        printer.say("demo.heard", fields, text);
    }
    for fault in faults {
        printer.say(
            "demo.fault",
            json!({ "call": call, "text": fault }),
            format!("NOT as it should be: {}", plain(fault)),
        );
    }
    let fields = json!({ "call": call, "page": page, "ok": faults.is_empty() });
    printer.say("demo.call", fields, format!("all of it on one page: {}\n", shown(page)));
    faults.len()
}

fn shown(path: &Path) -> String {
    plain(&path.display().to_string())
}
