//! Every script that comes with the program.

use keyphone_scenarios::book;
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::run::run;

#[test]
fn every_script_that_comes_with_the_program_passes_with_three_seeds() {
    let pki = Pki::new();
    let only = std::env::var("SCRIPT").ok();
    let mut failed = vec![];
    for page in book::ALL.iter().filter(|page| only.as_ref().is_none_or(|only| page.name == only)) {
        let script = page.script().unwrap_or_else(|error| panic!("{error}"));
        for seed in 1..=3 {
            let run = run(&script, seed, &pki).unwrap();
            let wrong = run.verdicts.iter().filter(|verdict| !verdict.passed);
            failed.extend(wrong.map(|v| format!("{} (seed {seed}): {}: {}", page.name, v.sentence, v.measured)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
