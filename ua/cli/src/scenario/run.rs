//! `keyphone scenario run`.

use super::live::LiveFlags;
use super::play::{Played, play};
use super::source::Source;
use crate::fault::{Fault, usage};
use crate::human::plain;
use crate::output::Printer;
use clap::Args;
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::run::{self, Unseen, Verdict, run};
use keyphone_scenarios::script::Script;
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
EXAMPLES:
  One script; the same with the ladder, and as a page:
      keyphone scenario run fork-3
      keyphone scenario run fork-3 --ladder --report fork.html
  All that come with keyphone, a hundred times each:
      keyphone scenario run --times 100
  Files of your own; one run once more as it was:
      keyphone scenario run mine.toml theirs.toml
      keyphone scenario run mine.toml --seed 17 --ladder
  A world that nobody thought of, made up from a seed:
      keyphone scenario run random-17 --seed 17
  Over real sockets; with another phone as bob, who finds his keys in the directory; and through a proxy that forks:
      keyphone scenario run fork-3 --live
      keyphone scenario run plain-call --live --role bob=sip:bob@192.0.2.7 --keys keys
      keyphone scenario run fork-3 --live --role proxy=sip:192.0.2.9

EXIT CODES: 0 every expectation came true, 1 one did not, 2 usage, or a mistake in a script.";

/// Run scripts, in simulated time or over real sockets, and say whether what they expect came true
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    /// Names of scripts that come with keyphone, files, or random-N for a world made up from a seed; without any, all that
    /// come with keyphone
    #[arg(value_name = "SCRIPT")]
    scripts: Vec<String>,
    /// What the dice are made of: the same seed, the same run
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// So many runs of each script, from this seed and those after it
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    times: u64,
    /// Show who sent what to whom: of the first run that failed, or of the first
    #[arg(long)]
    ladder: bool,
    /// Write the same run as a page of HTML
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Show all that the phones of that run told
    #[arg(long)]
    events: bool,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    live: LiveFlags,
}

/// What came of all runs of one script.
struct Sum {
    name: String,
    script: Script,
    runs: u64,
    failed: Vec<Played>,
    /// The expectations of the first run: shown where there was one run.
    first: Vec<Verdict>,
    /// Of which of them nobody could tell.
    unseen: Vec<Unseen>,
    /// How runs are told apart: by seeds; over real sockets by when they were.
    by: By,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Seed,
    /// With these flags.
    Turn(String),
}

/// So many failed seeds are named.
const NAMED: usize = 8;

impl Run {
    pub(super) async fn run(self) -> Result<u8, Fault> {
        let sources = match self.scripts.is_empty() {
            true => Source::all(),
            false => self.scripts.iter().map(|name| Source::of(name)).collect::<Result<_, _>>()?,
        };
        if self.report.is_some() && sources.len() > 1 {
            return Err(usage("--report writes one page, so that it wants one script"));
        }
        let scripts = read_all(&sources)?;
        if self.live.live {
            return self.live(&sources, &scripts).await;
        }
        let last = self.seed.checked_add(self.times - 1).ok_or_else(|| usage("there are no seeds beyond 2^64"))?;
        let seeds: Vec<_> = (self.seed..=last).collect();
        let sums = self.play(&sources, scripts, &seeds)?;
        Ok(u8::from(sums.iter().any(|sum| !sum.failed.is_empty())))
    }

    fn play(&self, sources: &[Source], scripts: Vec<Script>, seeds: &[u64]) -> Result<Vec<Sum>, Fault> {
        let (printer, pki) = (Printer::new(self.json), Pki::new());
        let mut sums: Vec<_> =
            sources.iter().zip(&scripts).map(|(source, script)| Sum::new(source, script, By::Seed)).collect();
        let (mut done, all) = (0, scripts.len() * seeds.len());
        let width = sums.iter().map(|sum| sum.name.len()).max().unwrap_or_default();
        play(&scripts, seeds, &pki, |played| {
            done += 1;
            let sum = &mut sums[played.script];
            sum.runs += 1;
            if self.json {
                tell(&printer, sum, &played);
            }
            match (&played.verdicts, played.passed()) {
                (Ok(verdicts), true) if played.seed == seeds[0] => sum.first.clone_from(verdicts),
                (_, true) => {}
                (_, false) => sum.failed.push(played),
            }
            if sum.runs == seeds.len() as u64 {
                sum.failed.sort_by_key(|played| played.seed);
                printer.quiet();
                sum.say(&printer, seeds, width);
            }
            if done < all {
                printer.status(Some(&format!("{done} of {all} runs")));
            }
        });
        printer.quiet();
        for sum in &sums {
            self.show(&printer, sum, seeds[0], &pki)?;
        }
        summary(&printer, &sums, all);
        Ok(sums)
    }

    /// One after the other, for they take the time that they take.
    async fn live(&self, sources: &[Source], scripts: &[Script]) -> Result<u8, Fault> {
        let printer = Printer::new(self.json);
        let turns: Vec<_> = (1..=self.times).collect();
        let width = sources.iter().map(|source| source.name.len()).max().unwrap_or_default();
        let mut sums = vec![];
        for (number, (source, script)) in sources.iter().zip(scripts).enumerate() {
            let mut sum = Sum::new(source, script, By::Turn(self.live.to_string()));
            let mut shown: Option<run::Run> = None;
            for turn in &turns {
                let ran = self.live.play(source, script, &printer).await?;
                sum.runs += 1;
                let played = Played { script: number, seed: *turn, verdicts: Ok(ran.verdicts.clone()) };
                sum.unseen.clone_from(&ran.unseen);
                if self.json {
                    tell(&printer, &sum, &played);
                }
                match played.passed() {
                    true if sum.first.is_empty() => sum.first.clone_from(&ran.verdicts),
                    true => {}
                    false => sum.failed.push(played),
                }
                if shown.as_ref().is_none_or(|shown| shown.passed() && !ran.passed()) {
                    shown = Some(ran);
                }
            }
            sum.say(&printer, &turns, width);
            if let Some(run) = &shown {
                self.show_run(&printer, &sum, run)?;
            }
            sums.push(sum);
        }
        summary(&printer, &sums, sums.len() * turns.len());
        Ok(u8::from(sums.iter().any(|sum| !sum.failed.is_empty())))
    }

    /// One run in full: the first that failed, or the first.
    fn show(&self, printer: &Printer, sum: &Sum, first: u64, pki: &Pki) -> Result<(), Fault> {
        if !self.ladder && !self.events && self.report.is_none() {
            return Ok(());
        }
        let seed = sum.failed.first().map_or(first, |played| played.seed);
        let run = run(&sum.script, seed, pki).map_err(usage)?;
        self.show_run(printer, sum, &run)
    }

    /// As much of a run as was asked for.
    fn show_run(&self, printer: &Printer, sum: &Sum, run: &run::Run) -> Result<(), Fault> {
        let (name, seed) = (&sum.name, run.seed);
        if self.ladder {
            let lines: Vec<_> = run.ladder().to_string().lines().map(plain).collect();
            printer.say(
                "scenario.ladder",
                json!({ "script": name, "seed": seed, "lines": lines }),
                format!("\n{}\n", lines.join("\n")),
            );
        }
        if self.events {
            for told in run.told() {
                let text = format!("{:>10.3}  {:10} {:?}", told.at.as_micros() as f64 / 1e6, told.phone, told.event);
                printer.say("scenario.event", json!({ "script": name, "seed": seed, "told": told }), plain(&text));
            }
        }
        if let Some(path) = &self.report {
            let replay = match run.seed {
                Some(seed) => format!("keyphone scenario run {} --seed {seed}", sum.name),
                None => format!("keyphone scenario run {} {}", sum.name, self.live),
            };
            write(path, &run.page(&replay))?;
            let shows = run.seed.map_or_else(|| "what happened".to_owned(), |seed| format!("seed {seed}"));
            let text = format!("{} shows {shows}", plain(&path.display().to_string()));
            printer.say("scenario.page", json!({ "script": name, "seed": seed, "page": path }), text);
        }
        Ok(())
    }
}

impl Sum {
    fn new(source: &Source, script: &Script, by: By) -> Self {
        let (name, script) = (source.name.clone(), script.clone());
        Self { name, script, runs: 0, failed: vec![], first: vec![], unseen: vec![], by }
    }

    /// The command that runs it again.
    fn replay(&self, seed: u64) -> String {
        match &self.by {
            By::Seed => format!("keyphone scenario run {} --seed {seed} --ladder", self.name),
            By::Turn(flags) => format!("keyphone scenario run {} {flags} --ladder", self.name),
        }
    }

    /// What became of it, for people.
    fn say(&self, printer: &Printer, seeds: &[u64], width: usize) {
        let (runs, bad) = (self.runs, self.failed.len());
        let mut lines = vec![match bad {
            0 => format!("ok    {:width$}  {}", self.name, plain(&self.script.title)),
            _ => format!("FAIL  {:width$}  {}", self.name, plain(&self.script.title)),
        }];
        if runs > 1 && bad > 0 {
            let named: Vec<_> = self.failed.iter().take(NAMED).map(|played| played.seed.to_string()).collect();
            let more = if bad > NAMED { ", .." } else { "" };
            let those = if self.by == By::Seed { "those with seed" } else { "the" };
            lines.push(format!("      {bad} of {runs} runs failed, {those} {}{more}", named.join(", ")));
        }
        let shown = match self.failed.first().map(|played| &played.verdicts) {
            Some(Err(why)) => {
                lines.push(format!("      it cannot be run: {}", plain(why)));
                &[][..]
            }
            Some(Ok(verdicts)) => &verdicts[..],
            None => &self.first[..],
        };
        for Verdict { sentence, passed, measured } in shown.iter().filter(|v| !v.passed || seeds.len() == 1) {
            let mark = if *passed { "yes" } else { "NO " };
            lines.push(format!("      {mark}  {}  ({})", plain(sentence), plain(measured)));
        }
        for Unseen { sentence, why } in &self.unseen {
            lines.push(format!("      ?    {}  ({})", plain(sentence), plain(why)));
        }
        if let Some(played) = self.failed.first() {
            lines.push(format!("      see it: {}", self.replay(played.seed)));
        }
        let seeds: Vec<_> = self.failed.iter().map(|played| played.seed).collect();
        let fields = json!({ "script": self.name, "title": self.script.title, "runs": runs, "failed": seeds });
        printer.say("scenario.script", fields, lines.join("\n"));
    }
}

/// All scripts; or all mistakes in all of them, before anything runs.
fn read_all(sources: &[Source]) -> Result<Vec<Script>, Fault> {
    let (mut scripts, mut mistakes) = (vec![], 0);
    for source in sources {
        match source.script() {
            Ok(script) => scripts.push(script),
            Err(error) => {
                mistakes += error.mistakes.len();
                // As compilers do it: place, sentence, line, and a mark below it.
                error.to_string().lines().for_each(|line| eprintln!("{}", plain(line)));
            }
        }
    }
    match mistakes {
        0 => Ok(scripts),
        1 => Err(usage("nothing was run, for there is a mistake in a script")),
        n => Err(usage(format!("nothing was run, for there are {n} mistakes in scripts"))),
    }
}

/// Where there were several.
fn summary(printer: &Printer, sums: &[Sum], all: usize) {
    if sums.len() < 2 {
        return;
    }
    let bad = sums.iter().filter(|sum| !sum.failed.is_empty()).count();
    let seconds = printer.clock().now().mono.as_micros() as f64 / 1_000_000.0;
    let fields = json!({ "scripts": sums.len(), "failed": bad, "runs": all });
    let text = format!("{} of {} scripts passed; {all} runs in {seconds:.1} s", sums.len() - bad, sums.len());
    printer.say("scenario.summary", fields, text);
}

/// One run, for machines.
fn tell(printer: &Printer, sum: &Sum, played: &Played) {
    let Sum { name: script, unseen, .. } = sum;
    let replay = sum.replay(played.seed);
    let (verdicts, why) = match &played.verdicts {
        Ok(verdicts) => (Some(verdicts), None),
        Err(why) => (None, Some(why)),
    };
    let mut fields = json!({
        "script": script, "passed": played.passed(), "verdicts": verdicts, "why": why, "replay": replay, "unseen": unseen,
    });
    fields[if sum.by == By::Seed { "seed" } else { "turn" }] = json!(played.seed);
    printer.note("scenario.run", fields);
}

fn write(path: &Path, page: &str) -> Result<(), Fault> {
    std::fs::write(path, page).map_err(|e| Fault::Failed(format!("{} cannot be written: {e}", path.display())))
}
