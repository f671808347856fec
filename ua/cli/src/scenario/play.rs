//! Many runs at once: every processor takes the next that is left.

use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::run::{Verdict, run};
use keyphone_scenarios::script::Script;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// What came of one run.
pub(super) struct Played {
    /// Which script: its place in the list.
    pub(super) script: usize,
    /// From which seed.
    pub(super) seed: u64,
    /// What became of its expectations; or why it could not be run.
    pub(super) verdicts: Result<Vec<Verdict>, String>,
}

impl Played {
    /// Everything came true.
    pub(super) fn passed(&self) -> bool {
        self.verdicts.as_ref().is_ok_and(|verdicts| verdicts.iter().all(|verdict| verdict.passed))
    }
}

/// Runs all scripts from all seeds, and tells of each run when it is over, in whatever order they end.
pub(super) fn play(scripts: &[Script], seeds: &[u64], pki: &Pki, mut tell: impl FnMut(Played)) {
    let (next, count) = (AtomicUsize::new(0), scripts.len() * seeds.len());
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(count);
    let (results, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (results, next) = (results.clone(), &next);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let (script, seed) = (n / seeds.len(), seeds[n % seeds.len()]);
                    let verdicts = run(&scripts[script], seed, pki).map(|run| run.verdicts);
                    if results.send(Played { script, seed, verdicts }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        told.iter().for_each(&mut tell);
    });
}
