//! The top of the page: what it is about, the verdict, and each expectation with what was measured.

use super::Page;
use super::html::{Bounded, escape, section};
use serde::Serialize;

/// One expectation, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was expected, in the user's words.
    pub sentence: String,
    /// Did it come so?
    pub passed: bool,
    /// What was measured; may be empty.
    pub measured: String,
}

/// In octets.
const MAX_VERDICTS: usize = 100_000;
const MAX_FACTS: usize = 30_000;

impl Page<'_> {
    pub(super) fn top(&self) -> String {
        let about = match self.about.is_empty() {
            true => String::new(),
            false => format!("<p class=\"about\">{}</p>\n", escape(&self.about)),
        };
        about + &self.banner() + &self.facts()
    }

    fn banner(&self) -> String {
        let (all, failed) = (self.verdicts.len(), self.verdicts.iter().filter(|v| !v.passed).count());
        let (class, sign, word, how) = match (all, failed) {
            (0, _) => return String::new(),
            (1, 0) => ("passed", "✓", "Passed", "the one expectation is met".into()),
            (_, 0) => ("passed", "✓", "Passed", format!("all {all} expectations are met")),
            _ => ("failed", "✗", "Failed", format!("{failed} of {all} expectations {} not met", is_are(failed))),
        };
        format!("<p class=\"banner {class}\"><b>{sign} {word}</b> {how}</p>\n")
    }

    fn facts(&self) -> String {
        let mut rows = Bounded::new(MAX_FACTS);
        for (name, value) in &self.facts {
            rows.push(&format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value)));
        }
        match self.facts.is_empty() {
            true => String::new(),
            false => format!("<dl>\n{}</dl>\n{}", rows.html(), rows.rest("facts")),
        }
    }

    pub(super) fn expectations(&self) -> String {
        let mut items = Bounded::new(MAX_VERDICTS);
        for Verdict { sentence, passed, measured } in &self.verdicts {
            let (class, word) = if *passed { ("passed", "✓ met") } else { ("failed", "✗ not met") };
            let measured = match measured.is_empty() {
                true => String::new(),
                false => format!("<span class=\"measured\">{}</span>", escape(measured)),
            };
            items.push(&format!(
                "<li class=\"{class}\"><span class=\"word\">{word}</span> <span>{}{measured}</span></li>\n",
                escape(sentence)
            ));
        }
        match self.verdicts.is_empty() {
            true => String::new(),
            false => {
                let list =
                    format!("<ul class=\"verdicts box\">\n{}</ul>\n{}", items.html(), items.rest("expectations"));
                section("expected", "What was expected", "", &list)
            }
        }
    }
}

fn is_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
