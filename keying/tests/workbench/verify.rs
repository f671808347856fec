//! Every exchange of other implementations, in every mode.

use crate::VECTORS;
use keyphone_keying::mikey::Tolerances;
use keyphone_keying::workbench::verify::{Report, Verdict, verify};

fn report(tolerances: Tolerances) -> Report {
    verify(include_str!("../data/vectors.json"), tolerances).unwrap()
}

#[test]
fn every_exchange_of_others_comes_out_as_its_vector_expects() {
    for tolerances in [Tolerances::none(), Tolerances::interop()] {
        let report = report(tolerances);
        assert!(report.ok() && report.vectors.iter().all(|vector| vector.as_expected), "{report}");
        let [passed, refused, unknown, failed] = report.counts();
        let tolerated = VECTORS.iter().filter(|vector| vector["expect"] == "tolerate").count();
        let expected = if tolerances == Tolerances::none() { tolerated } else { 0 };
        assert_eq!((passed, refused, unknown, failed), (VECTORS.len() - expected, expected, 0, 0), "{report}");
    }
}

#[test]
fn what_only_interop_takes_is_refused_with_the_section_that_its_vector_names() {
    let report = report(Tolerances::none());
    let mut seen = 0;
    for (vector, outcome) in VECTORS.iter().zip(&report.vectors) {
        if vector["expect"] != "tolerate" {
            continue;
        }
        let why = vector["expect_why"].as_str().unwrap();
        let words: Vec<_> = why.split([' ', '(', ')', ':']).collect();
        let at = words.iter().position(|word| *word == "RFC").unwrap();
        let section = format!("RFC {} section {}", words[at + 1], words[at + 2]);
        let Verdict::Refused { reason } = &outcome.verdict else { panic!("{outcome}") };
        assert!(reason.contains(&section), "{}: {section} is not in {reason}", vector["id"]);
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
}
