//! Every script that comes with the program.

use keyphone_scenarios::book;
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::run::run;
use keyphone_scenarios::script::Script;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_script_that_comes_with_the_program_passes_with_three_seeds() {
    let pki = Pki::new();
    let mut failed = vec![];
    for page in book::ALL {
        let script = page.script().unwrap_or_else(|error| panic!("{error}"));
        for seed in 1..=3 {
            let run = run(&script, seed, &pki).unwrap();
            let wrong = run.verdicts.iter().filter(|verdict| !verdict.passed);
            failed.extend(wrong.map(|v| format!("{} (seed {seed}): {}: {}", page.name, v.sentence, v.measured)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_file_among_the_scripts_is_in_the_program() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let files: BTreeSet<_> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let known: BTreeSet<_> = book::ALL.iter().map(|page| page.name.to_owned()).collect();
    assert_eq!(files, known);
    assert!(known.len() >= 25, "{}", known.len());
    assert_eq!(known.len(), book::ALL.len(), "each once");
}

#[test]
fn the_template_is_a_script_that_passes() {
    let script = Script::parse(book::TEMPLATE, "template.toml").unwrap_or_else(|error| panic!("{error}"));
    let run = run(&script, 1, &Pki::new()).unwrap();
    assert!(run.passed(), "{:#?}", run.verdicts);
}

#[test]
fn the_same_seed_gives_the_same_event_log_and_another_seed_another() {
    let pki = Pki::new();
    let log = |name: &str, seed| {
        let run = run(&book::find(name).unwrap().script().unwrap(), seed, &pki).unwrap();
        let told = run.told();
        assert!(told.len() > 10, "{name}");
        told.iter().map(|told| serde_json::to_string(told).unwrap()).collect::<Vec<_>>()
    };
    for name in ["rekey-under-loss", "fork-3", "bad-day", "attack-inject", "transfer-attended", "fork-2"] {
        assert_eq!(log(name, 7), log(name, 7), "{name}");
        assert_ne!(log(name, 7), log(name, 8), "{name}");
    }
}

#[test]
fn with_a_pre_shared_key_the_same_seed_gives_the_same_octets() {
    let pki = Pki::new();
    let script = book::find("rekey").unwrap().script().unwrap();
    let sent = |seed| run(&script, seed, &pki).unwrap().world.log().to_vec();
    assert!(sent(3) == sent(3), "not an octet differs");
}
