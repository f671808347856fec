//! From TOML to a [`Script`]: one walk that collects every mistake. What a sentence means is for the sentence; here is
//! only where it stands, and whether everybody in it is there.

mod people;
mod places;

use super::{Name, Script, ScriptError};
use keyphone_config::finding::{Report, Span};
use keyphone_config::parse_duration;
use keyphone_config::section::Section;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

impl Script {
    /// Reads a script. `file_name` stands in messages.
    ///
    /// # Errors
    /// All mistakes, each with line and column.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ScriptError> {
        let mut report = Report::new(text);
        let (document, syntax) = DeTable::parse_recoverable(text);
        syntax.iter().for_each(|mistake| report.syntax(mistake));
        let script = match syntax.is_empty() {
            true => read(Section::root(document.get_ref()), &mut report),
            // What recovery made of a broken file would only give follow-on mistakes.
            false => Self::new(""),
        };
        ScriptError::of(file_name, text, report.into_findings()).map_or(Ok(script), Err)
    }
}

/// Who there is: whoever is spoken of must be among them.
#[derive(Default)]
struct Known {
    phones: BTreeSet<Name>,
    /// Those whom somebody can call: phones, their users, and whom a proxy has a rule for.
    users: BTreeSet<Name>,
    proxies: BTreeSet<Name>,
}

impl Known {
    /// A phone, a proxy or whatever: names are for one.
    fn claim(&self, name: &Name) -> Result<(), String> {
        match self.phones.contains(name) || self.proxies.contains(name) {
            true => Err(format!("there is already somebody called {name}")),
            false => Ok(()),
        }
    }
}

/// Is everybody there?
fn check<'a>(names: impl IntoIterator<Item = &'a Name>, known: &BTreeSet<Name>, kind: &str) -> Result<(), String> {
    match names.into_iter().find(|name| !known.contains(*name)) {
        None => Ok(()),
        Some(_) if known.is_empty() => Err(format!("there is no {kind} in this script")),
        Some(missing) => {
            let list: Vec<_> = known.iter().map(ToString::to_string).collect();
            Err(format!("there is no {kind} called {missing}; there are {}", list.join(", ")))
        }
    }
}

fn read(mut root: Section<'_>, report: &mut Report<'_>) -> Script {
    let mut script = Script::new("");
    for (field, into) in [("title", &mut script.title), ("about", &mut script.about)] {
        match root.string(field, report) {
            Some((text, span)) if text.trim().is_empty() || text.lines().count() > 4 => {
                report.error(span, field, "must say something, in four lines at the most");
            }
            Some((text, _)) => *into = text.trim().to_owned(),
            None if root.span_of(field).is_none() => report.error(0..0, field, "is missing"),
            None => {}
        }
    }
    items(&mut root, "proves", &mut script.proves, report, str::parse);
    time(&mut root, "length", "length", &mut script.length, report);
    if script.length > Script::MAX_LENGTH {
        let span = root.span_of("length").unwrap_or_default();
        report.error(span, "length", "no world goes on for longer than 60m");
    }
    let mut known = Known::default();
    let phones = root.sections("phone", report);
    let proxies = root.sections("proxy", report);
    people::names(&phones, &proxies, &mut known);
    script.phones = people::phones(phones, &mut known, report);
    script.proxies = places::proxies(proxies, &known, report);
    script.links = places::links(root.sections("link", report), &known, report);
    script.attackers = places::attackers(root.sections("attacker", report), &known, report);
    let both: BTreeSet<_> = known.phones.union(&known.users).cloned().collect();
    items(&mut root, "steps", &mut script.steps, report, |text| {
        let step: super::Step = text.parse()?;
        check([&step.who], &known.phones, "phone")?;
        check(step.names(), &both, "phone or user")?;
        Ok(step)
    });
    items(&mut root, "expect", &mut script.expect, report, |text| {
        let expectation: super::Expectation = text.parse()?;
        check(expectation.names(), &known.phones, "phone")?;
        Ok(expectation)
    });
    for (field, empty, what) in [
        ("phone", script.phones.is_empty(), "at least one [[phone]]"),
        ("steps", script.steps.is_empty(), "at least one step"),
        ("expect", script.expect.is_empty(), "at least one expectation"),
    ] {
        if empty && root.span_of(field).is_none() {
            report.error(0..0, field, format!("is missing: a script has {what}"));
        }
    }
    root.finish(report);
    script
}

/// A list of strings, each of which means a `T`. It may be empty, and may say one thing twice.
fn items<T>(
    section: &mut Section<'_>,
    field: &'static str,
    into: &mut Vec<T>,
    report: &mut Report<'_>,
    parse: impl Fn(&str) -> Result<T, String>,
) {
    let Some(value) = section.value(field) else { return };
    let DeValue::Array(items) = value.get_ref() else {
        return report.error(value.span(), field, "must be a list of strings in brackets");
    };
    let mut list = vec![];
    for item in items.iter() {
        match item.get_ref().as_str().ok_or_else(|| "must hold strings in quotation marks".to_owned()).and_then(&parse)
        {
            Ok(value) => list.push(value),
            Err(message) => report.error(item.span(), field, message),
        }
    }
    *into = list;
}

/// `300ms`, or with a space as in sentences.
fn time(section: &mut Section<'_>, field: &'static str, path: &str, into: &mut Duration, report: &mut Report<'_>) {
    let Some((text, span)) = section.string(field, report) else { return };
    match parse_duration(&text.replacen(' ', "", 1)) {
        Ok(time) => *into = time,
        Err(message) => report.error(span, path, message),
    }
}

/// A string that means a `T`, if it is there.
fn word<T: FromStr<Err = String>>(
    section: &mut Section<'_>,
    field: &'static str,
    report: &mut Report<'_>,
) -> Option<T> {
    let mut found = None;
    section.parse(field, &mut found, report, |text| text.parse().map(Some));
    found
}

/// The name that a table must have.
fn name(section: &mut Section<'_>, kind: &'static str, report: &mut Report<'_>) -> Option<(Name, Span)> {
    let start = section.span.clone().unwrap_or_default();
    let span = section.span_of("name");
    let name = word(section, "name", report);
    if span.is_none() {
        report.error(start, format!("{kind}.name"), "is missing");
    }
    Some((name?, span?))
}
