//! `[[proxy]]`, `[[link]]` and `[[attacker]]`.

use super::{Known, check, items, name, time, word};
use crate::script::{Attack, Attacker, Link, Name, Path, Proxy, Rule, Script};
use keyphone_config::finding::Report;
use keyphone_config::section::Section;
use keyphone_media::env::Instant;
use std::collections::BTreeSet;
use std::time::Duration;

/// No more than so many of a kind.
fn few<'t>(mut sections: Vec<Section<'t>>, kind: &'static str, report: &mut Report<'_>) -> Vec<Section<'t>> {
    if let Some(extra) = sections.get(Script::MAX_OTHERS) {
        let message = format!("a script has {} of these at the most", Script::MAX_OTHERS);
        report.error(extra.span.clone().unwrap_or_default(), kind, message);
        sections.truncate(Script::MAX_OTHERS);
    }
    sections
}

pub(super) fn proxies(sections: Vec<Section<'_>>, known: &Known, report: &mut Report<'_>) -> Vec<Proxy> {
    let both: BTreeSet<_> = known.phones.union(&known.users).cloned().collect();
    let mut proxies: Vec<Proxy> = vec![];
    for mut section in few(sections, "proxy", report) {
        let Some((name, span)) = name(&mut section, "proxy", report) else { continue };
        if proxies.iter().any(|proxy| proxy.name == name) {
            report.error(span, "proxy.name", format!("there is already somebody called {name}"));
        }
        let mut proxy = Proxy { name, record_route: false, rules: vec![] };
        section.flag("record-route", &mut proxy.record_route, report);
        items(&mut section, "rules", &mut proxy.rules, report, |text| {
            let rule: Rule = text.parse()?;
            check(rule.targets(), &both, "phone or user")?;
            Ok(rule)
        });
        section.finish(report);
        proxies.push(proxy);
    }
    proxies
}

pub(super) fn attackers(sections: Vec<Section<'_>>, known: &Known, report: &mut Report<'_>) -> Vec<Attacker> {
    let mut attackers: Vec<Attacker> = vec![];
    for mut section in few(sections, "attacker", report) {
        let Some((name, span)) = name(&mut section, "attacker", report) else { continue };
        if known.claim(&name).is_err() || attackers.iter().any(|attacker| attacker.name == name) {
            report.error(span, "attacker.name", format!("there is already somebody called {name}"));
        }
        let mut attacker = Attacker { name, does: vec![] };
        items(&mut section, "does", &mut attacker.does, report, |text| {
            let attack: Attack = text.parse()?;
            check(attack.deed.names(), &known.phones, "phone")?;
            Ok(attack)
        });
        section.finish(report);
        attackers.push(attacker);
    }
    attackers
}

pub(super) fn links(sections: Vec<Section<'_>>, known: &Known, report: &mut Report<'_>) -> Vec<Link> {
    sections.into_iter().map(|section| link(section, known, report)).collect()
}

fn link(mut section: Section<'_>, known: &Known, report: &mut Report<'_>) -> Link {
    let section_start = section.span.clone().unwrap_or_default();
    let mut link = Link::new();
    let people: BTreeSet<_> = known.phones.union(&known.proxies).cloned().collect();
    let there = |name: Name| check([&name], &people, "phone or proxy").map(|()| name);
    let mut between: Vec<Name> = vec![];
    items(&mut section, "between", &mut between, report, |text| text.parse().and_then(there));
    let mut ends = [None, None, None];
    for (field, into) in ["from", "to", "of"].into_iter().zip(&mut ends) {
        section.parse(field, into, report, |text| text.parse().and_then(there).map(Some));
    }
    link.on = match (&between[..], ends) {
        ([], [None, None, None]) => Path::Everywhere,
        ([a, b], [None, None, None]) => Path::Between(a.clone(), b.clone()),
        ([], [Some(from), Some(to), None]) => Path::From(from, to),
        ([], [None, None, Some(of)]) => Path::Of(of),
        _ => {
            let message = "is between two, from one to another, of one, or, with none of these, everywhere";
            report.error(section_start, "link", message);
            Path::Everywhere
        }
    };
    if let Some(what) = word(&mut section, "carries", report) {
        link.carries = what;
    }
    time(&mut section, "latency", "link.latency", &mut link.weather.latency, report);
    time(&mut section, "jitter", "link.jitter", &mut link.weather.jitter, report);
    let weather = &mut link.weather;
    for (field, into) in [
        ("loss", &mut weather.loss_permille),
        ("duplicate", &mut weather.duplicate_permille),
        ("reorder", &mut weather.reorder_permille),
    ] {
        section.parse(field, into, report, permille);
    }
    let mut after = Duration::ZERO;
    time(&mut section, "after", "link.after", &mut after, report);
    link.from = Instant::ZERO + after;
    section.finish(report);
    link
}

/// `5 %` or `0.5 %`, in thousandths.
fn permille(text: &str) -> Result<u16, String> {
    let mistake = || format!("{text:?} is no part of a hundred, as in \"5 %\" or \"0.5 %\"");
    let number = text.strip_suffix('%').ok_or_else(mistake)?.trim();
    let plain = number.len() <= 5 && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let percent: f64 = number.parse().ok().filter(|_| plain).ok_or_else(mistake)?;
    match (percent * 10.0).round() {
        permille @ 0.0..=1_000.0 => Ok(permille as u16),
        _ => Err(mistake()),
    }
}
