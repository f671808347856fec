//! The score card: what it finds, and that it finds it out.

use keyphone_keying::System;
use keyphone_keying::mikey::ModeName;
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::run::run;
use keyphone_scenarios::script::Keying;
use keyphone_scenarios::table::{Card, Cell, Column, Said, Says, Source, World};
use keyphone_ua::event::Event;
use std::sync::LazyLock;

static PKI: LazyLock<Pki> = LazyLock::new(Pki::new);
static CARD: LazyLock<Card> = LazyLock::new(|| Card::make(1, &PKI, |_, _| ()).unwrap());

fn cell(column: Column, mode: ModeName) -> &'static Cell {
    CARD.cell(column, System::Mikey(mode)).unwrap()
}

#[test]
fn the_mikey_rows_agree_with_the_rfcs_or_say_in_one_line_why_not() {
    println!("{}", CARD.to_text());
    for cell in &CARD.cells {
        let Cell { column, system, says, said, why, shown, .. } = cell;
        let disagree = !said.agrees(*says) || the_rfcs_disagree(*column, *system) || *column == Column::BestEffort;
        assert_eq!(disagree, why.is_some(), "{system} {column:?}: we find {says}, the RFC says {said}; {shown}");
        assert!(why.is_none_or(|why| why.len() < 160 && !why.contains('\n')), "one line");
    }
}

/// Of forking, which is in both tables.
fn the_rfcs_disagree(column: Column, system: System) -> bool {
    let said = |column| CARD.cell(column, system).unwrap().said;
    let yes = |said: Said| said.agrees(Says::Yes);
    column == Column::SecureForking && yes(said(Column::SecureForking)) != yes(said(Column::DistinctKeys))
}

#[test]
fn every_cell_names_the_run_that_shows_it_or_says_that_it_is_not_built() {
    assert_eq!(CARD.cells.len(), Column::ALL.len() * ModeName::ALL.len());
    for cell in &CARD.cells {
        match &cell.run {
            Some(run) => {
                let (world, system) = World::find(run).unwrap();
                assert_eq!((Some(world), system), (cell.column.world(), cell.system));
                assert!(!cell.shown.is_empty() && cell.says != Says::NotBuilt);
            }
            None => assert_eq!(cell.says, Says::NotBuilt),
        }
    }
    for source in [Source::Rfc5197, Source::Rfc5479] {
        assert!(CARD.to_text().contains(&source.to_string()));
    }
    assert!(CARD.to_text().lines().all(|line| line.chars().count() <= 130), "{}", CARD.to_text());
}

#[test]
fn one_seed_gives_one_card() {
    assert_eq!(Card::make(1, &PKI, |_, _| ()).unwrap(), *CARD);
}

#[test]
fn another_seed_says_the_same() {
    let says = |card: &Card| card.cells.iter().map(|cell| cell.says).collect::<Vec<_>>();
    assert_eq!(says(&Card::make(7, &PKI, |_, _| ()).unwrap()), says(&CARD));
}

#[test]
fn the_redirect_is_refused_for_want_of_a_key_and_for_nothing_else() {
    assert_eq!(cell(Column::Redirect, ModeName::Psk).says, Says::No);
    let mut script = World::Redirect.script(System::Mikey(ModeName::Psk)).unwrap();
    for phone in &mut script.phones {
        phone.keying.psks = vec![Keying::common()];
    }
    let run = run(&script, 1, &PKI).unwrap();
    assert!(run.passed(), "{:?}", run.verdicts);
}

#[test]
fn diffie_hellman_with_one_key_for_all_is_refused_by_whom_it_does_not_name() {
    assert_eq!(cell(Column::SecureRetargeting, ModeName::DhHmac).says, Says::No);
    let mut script = World::Retarget.script(System::Mikey(ModeName::DhHmac)).unwrap();
    for phone in &mut script.phones {
        phone.keying.psks = vec![Keying::common()];
    }
    let run = run(&script, 1, &PKI).unwrap();
    // As the footnote says: the key alone would do (RFC 5479 appendix A.4.1).
    let carol = run.world.nodes().last().unwrap();
    let refused = carol.events.iter().find_map(|(_, event)| match event {
        Event::Refused { why, .. } => Some(why.as_str()),
        _ => None,
    });
    assert_eq!(refused.map(|why| why.starts_with("its message is for sip:bob@")), Some(true), "{refused:?}");
    assert!(carol.events.iter().all(|(_, event)| !matches!(event, Event::Answered { .. })));
}

#[test]
fn media_is_late_because_its_answer_is() {
    let script = World::SlowAnswer.script(System::Mikey(ModeName::DhSign)).unwrap();
    let quick = keyphone_scenarios::script::Script { links: vec![], ..script };
    let card = cell(Column::EarlyMedia, ModeName::DhSign);
    assert_eq!(card.says, Says::No, "{}", card.shown);
    let run = run(&quick, 1, &PKI).unwrap();
    assert!(run.passed(), "{:?}", run.verdicts);
}
