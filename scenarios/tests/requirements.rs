//! `REQUIREMENTS.md`: every requirement of RFC 5479 section 5 once, and no script that it does not know of.

use keyphone_scenarios::book;
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::run::run;
use keyphone_scenarios::script::Requirement;
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("../REQUIREMENTS.md");

/// The rows: a requirement, and what shows it.
fn rows() -> Vec<(Requirement, &'static str)> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        Some((cells.next()?.parse().ok()?, cells.next()?))
    };
    TABLE.lines().filter_map(row).collect()
}

/// The names between backticks.
fn scripts(shown: &str) -> BTreeSet<&str> {
    shown.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_requirement_stands_there_once_in_the_order_of_the_rfc() {
    let rows: Vec<_> = rows().into_iter().map(|(requirement, _)| requirement).collect();
    assert_eq!(rows, Requirement::all().collect::<Vec<_>>());
}

#[test]
fn the_scripts_named_are_those_that_prove_it_and_the_rest_is_argued_in_one_sentence() {
    let mut proven: BTreeMap<Requirement, BTreeSet<&str>> = BTreeMap::new();
    for page in book::ALL {
        for requirement in page.script().unwrap().proves {
            proven.entry(requirement).or_default().insert(page.name);
        }
    }
    for (requirement, shown) in rows() {
        match (proven.get(&requirement), shown.strip_prefix("argued: ")) {
            (Some(by), None) => assert_eq!(scripts(shown), *by, "{requirement}"),
            (None, Some(why)) => assert!(why.len() > 20 && why.len() < 160, "{requirement}: {why}"),
            (Some(by), Some(_)) => panic!("{requirement} is argued, and {by:?} prove it"),
            (None, None) => panic!("nothing shows {requirement}"),
        }
    }
}

#[test]
fn each_script_that_proves_something_passes() {
    let pki = Pki::new();
    for page in book::ALL {
        let script = page.script().unwrap();
        if !script.proves.is_empty() {
            let run = run(&script, 11, &pki).unwrap();
            assert!(run.passed(), "{}: {:?}", page.name, run.verdicts);
        }
    }
}
