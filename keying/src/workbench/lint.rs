//! Every rule that a message breaks, as far as that shows without a key: what was found, what should be there, and
//! which section says so.
//!
//! One rule is one small function; [`rules`] lists them all. An answer is held against the I_MESSAGE of its bundle if
//! the input has both: whether it repeats the timestamp cannot be seen in the answer alone.

mod answer;
mod header;
mod keys;
mod payloads;
mod policy;
mod structure;

pub(super) use payloads::is_filetime;

use super::exchange::{Context, Exchanges};
use super::input::{Carrier, Found, Place};
use crate::mikey::Tolerances;
use crate::mikey::wire::{Body, Message, Payload, WireError};
use keyphone_media::env::NtpTime;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// A recommendation is not followed, or security suffers.
    Warning,
    /// A rule is broken: a strict implementation refuses the message or cannot use it.
    Error,
}

/// A rule of the RFCs.
pub struct Rule {
    /// Its name here.
    pub id: &'static str,
    /// What breaking it means.
    pub severity: Severity,
    /// Where it stands.
    pub section: &'static str,
    /// What it asks for.
    pub should: &'static str,
    check: fn(&Subject<'_>) -> Vec<Hit>,
}

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Octets from the start of the message.
    pub offset: usize,
    /// What is there.
    pub found: String,
    /// What should be.
    pub should: String,
    /// Who says so.
    pub section: &'static str,
}

/// What was found in one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linted {
    /// Where the message was found.
    pub place: Place,
    /// How long it is.
    pub octets: usize,
    /// The worst first; those of the same severity in the message's order.
    pub findings: Vec<Finding>,
}

/// What the rules look at.
struct Subject<'a> {
    message: &'a Message,
    /// Why it could not be read to its end.
    error: Option<&'a WireError>,
    carrier: &'a Carrier,
    /// What it answers.
    init: Option<&'a Message>,
    /// The I_MESSAGE that began the bundle, if this is an update of it, or answers one, in the same input.
    first: Option<&'a Message>,
    now: Option<NtpTime>,
}

/// Where a rule is broken, and how.
struct Hit {
    offset: usize,
    found: String,
    should: Option<String>,
    section: Option<&'static str>,
}

impl Hit {
    fn new(offset: usize, found: impl Into<String>) -> Self {
        Self { offset, found: found.into(), should: None, section: None }
    }

    /// In place of what the table says.
    fn should(self, should: impl Into<String>) -> Self {
        Self { should: Some(should.into()), ..self }
    }

    /// In place of what the table says.
    fn section(self, section: &'static str) -> Self {
        Self { section: Some(section), ..self }
    }
}

impl<'a> Subject<'a> {
    /// Each payload of a kind, and where it begins.
    fn each<B: Body>(&self) -> impl Iterator<Item = (usize, &'a B)> {
        self.message.parts().iter().filter_map(|part| Some((part.range.start, B::of(&part.payload)?)))
    }

    /// Where the payloads that could be read end.
    fn read_to(&self) -> usize {
        let hdr = 10 + if self.message.hdr().map.map_type() == 0 { 9 * self.message.hdr().map.count() } else { 0 };
        self.message.parts().last().map_or(hdr, |part| part.range.end)
    }

    /// Could all of it be read? If not, nothing can be said of what is missing in it.
    fn complete(&self) -> bool {
        let literal = structure::literal_kemac(self).is_some();
        self.message.tail().is_none() && self.error.is_none_or(|error| literal || structure::is_trailing(self, error))
    }

    fn payloads(&self) -> impl Iterator<Item = (usize, &'a Payload)> {
        self.message.parts().iter().map(|part| (part.range.start, &part.payload))
    }
}

/// All rules, in the order in which they are looked at.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [structure::RULES, header::RULES, payloads::RULES, keys::RULES, policy::RULES, answer::RULES].into_iter().flatten()
}

/// Looks at each message, and at each answer beside its I_MESSAGE. With `now`, also at how old they are.
pub fn lint(found: &[Found], now: Option<NtpTime>) -> Vec<Linted> {
    let read: Vec<_> = found.iter().map(read).collect();
    let exchanges = Exchanges::of(read.iter().map(|read| read.as_ref().ok().map(|(message, _)| message)).collect());
    let lint = |(index, found): (usize, &Found)| {
        let findings = match &read[index] {
            Ok((message, error)) => {
                let Context { init, began } = exchanges.context(index);
                let (carrier, first) = (&found.carrier, began.first().copied());
                findings(&Subject { message, error: error.as_ref(), carrier, init, first, now })
            }
            Err(error) => vec![structure::unreadable(error)],
        };
        Linted { place: found.place.clone(), octets: found.bytes.as_ref().map_or(0, |bytes| bytes.len()), findings }
    };
    found.iter().enumerate().map(lint).collect()
}

fn read(found: &Found) -> Result<(Message, Option<WireError>), WireError> {
    Message::read_as_far(found.bytes.as_ref().map_err(Clone::clone)?, Tolerances::none())
}

/// A rule that is broken more often in one message is not told more often: who writes a message can break it in every
/// octet.
const MAX_HITS: usize = 64;

fn findings(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings: Vec<_> = rules()
        .flat_map(|rule| {
            (rule.check)(subject).into_iter().take(MAX_HITS).map(|hit| Finding {
                rule: rule.id,
                severity: rule.severity,
                offset: hit.offset,
                found: hit.found,
                should: hit.should.unwrap_or_else(|| rule.should.into()),
                section: hit.section.unwrap_or(rule.section),
            })
        })
        .collect();
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.offset));
    findings
}

impl Linted {
    /// The worst of its findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.first().map(|finding| finding.severity)
    }

    /// How many findings are that bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The message as an object: where it was found, `octets` and `findings`.
    pub fn to_json(&self) -> Value {
        let mut object = json!({ "octets": self.octets, "findings": self.findings });
        self.place.add_to(&mut object);
        object
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, severity, offset, found, should, section } = self;
        write!(f, "{severity} at octet {offset}: {found}; {should} ({section}) [{rule}]")
    }
}

impl fmt::Display for Linted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "MIKEY message of {} octets{}", self.octets, self.place)?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))?;
        match self.findings.is_empty() {
            true => f.write_str("it breaks no rule that shows without a key"),
            false => {
                let [errors, warnings, notes] =
                    [Severity::Error, Severity::Warning, Severity::Note].map(|severity| self.count(severity));
                write!(f, "{errors} errors, {warnings} warnings, {notes} notes")
            }
        }
    }
}
