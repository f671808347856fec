//! Checks a file of exchanges against this implementation: what is parsed, authenticated, decrypted and derived must
//! be what the file says, octet by octet.
//!
//! A vector says with `expect` what a strict implementation does: `accept` it, or refuse it although an interoperable
//! one might `tolerate` it. Nothing in here knows any vector by name.

mod dh;
mod pke;
mod psk;
mod rsar;

use crate::mikey::Tolerances;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The text is no file of vectors: what is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no file of MIKEY vectors: {0}")]
pub struct BadVectors(String);

/// Checks every vector of a JSON array.
///
/// # Errors
/// No JSON, or a vector that lacks a field; with its line and column.
pub fn verify(json: &str, tolerances: Tolerances) -> Result<Report, BadVectors> {
    let vectors: Vec<Vector> = serde_json::from_str(json).map_err(|error| BadVectors(error.to_string()))?;
    Ok(Report { vectors: vectors.iter().map(|vector| vector.verify(tolerances)).collect() })
}

/// What came out, vector by vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the file.
    pub vectors: Vec<Outcome>,
}

/// What came out of one vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its name in the file.
    pub id: String,
    /// Its mode.
    pub mode: String,
    /// What happened.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Is that what the file expects?
    pub as_expected: bool,
}

/// What happened to a vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// All that it says is so.
    Passed {
        /// What was compared.
        checks: Vec<String>,
    },
    /// We do not take such a message.
    Refused {
        /// Why, with the section.
        reason: String,
    },
    /// We have no such mode.
    Unknown {
        /// Says so.
        reason: String,
    },
    /// Something came out otherwise.
    Failed {
        /// What was compared.
        check: String,
        /// The file's value.
        expected: String,
        /// Ours.
        got: String,
    },
}

impl Report {
    /// Is everything that we can check as the file expects? Modes that we do not have count as neither.
    pub fn ok(&self) -> bool {
        self.vectors.iter().all(|outcome| outcome.as_expected || matches!(outcome.verdict, Verdict::Unknown { .. }))
    }

    /// How many passed, were refused, are unknown, failed.
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for outcome in &self.vectors {
            counts[match outcome.verdict {
                Verdict::Passed { .. } => 0,
                Verdict::Refused { .. } => 1,
                Verdict::Unknown { .. } => 2,
                Verdict::Failed { .. } => 3,
            }] += 1;
        }
        counts
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.vectors {
            writeln!(f, "{outcome}")?;
        }
        let [passed, refused, unknown, failed] = self.counts();
        write!(f, "{passed} passed, {refused} refused, {unknown} of modes that are not built, {failed} failed")?;
        let surprises = self.vectors.iter().filter(|outcome| !outcome.as_expected).count() - unknown;
        if surprises == 0 { Ok(()) } else { write!(f, ": {surprises} against what the file expects") }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16} ", self.id)?;
        match &self.verdict {
            Verdict::Passed { checks } => write!(f, "passed   {}", checks.join(", "))?,
            Verdict::Refused { reason } => write!(f, "refused  {reason}")?,
            Verdict::Unknown { reason } => write!(f, "unknown  {reason}")?,
            Verdict::Failed { check, expected, got } => {
                write!(f, "FAILED   {check}: expected {expected}, got {got}")?;
            }
        }
        match (&self.verdict, self.as_expected) {
            (_, true) | (Verdict::Unknown { .. } | Verdict::Failed { .. }, false) => Ok(()),
            (_, false) => write!(f, " (the file expects otherwise)"),
        }
    }
}

/// One exchange. Fields that are of no use here are passed over.
#[derive(Debug, Deserialize)]
struct Vector {
    id: String,
    mode: String,
    inputs: BTreeMap<String, serde_json::Value>,
    i_message_b64: String,
    r_message_b64: Option<String>,
    expected: Expected,
    checks: Vec<String>,
    expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Accept,
    Tolerate,
}

/// What any correct implementation gets, in hex.
#[derive(Debug, Deserialize)]
struct Expected {
    csb_id: Option<String>,
    csb_id_for_keys: Option<String>,
    rand: Option<String>,
    ts: Option<String>,
    r_ts_equal: Option<bool>,
    dh_r_first: Option<bool>,
    i_signed_sha1: Option<String>,
    r_signed_sha1: Option<String>,
    envelope_key: Option<String>,
    encr_key: Option<String>,
    transport_salt: Option<String>,
    auth_key: Option<String>,
    kemac_plaintext: Option<String>,
    kemac_id: Option<String>,
    tgk: Option<String>,
    #[serde(default)]
    key_data: Vec<ExpectedKey>,
    #[serde(default)]
    cs: Vec<ExpectedCs>,
    #[serde(default)]
    errors: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct ExpectedKey {
    r#type: String,
    key: String,
    salt: Option<String>,
    #[serde(default)]
    kv: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct ExpectedCs {
    id: u8,
    tek: String,
    salt: String,
    tek32: Option<String>,
    encr: Option<String>,
    auth: Option<String>,
}

/// Why a run ends early.
enum Stop {
    Refused(String),
    Failed { check: String, expected: String, got: String },
}

impl<E: Into<crate::mikey::mode::Refused>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Refused(error.into().to_string())
    }
}

impl Vector {
    fn verify(&self, tolerances: Tolerances) -> Outcome {
        let mut done = Done::default();
        let run = match self.mode.as_str() {
            "psk" => psk::exchange(self, tolerances, &mut done),
            "error" => psk::error(self, tolerances, &mut done),
            "pke" => pke::exchange(self, tolerances, &mut done),
            "rsa-r" => rsar::exchange(self, tolerances, &mut done),
            "dh" => dh::signed(self, tolerances, &mut done),
            "dhhmac" => dh::hmac(self, tolerances, &mut done),
            mode => {
                let verdict = Verdict::Unknown { reason: format!("mode {mode} is not built yet") };
                return Outcome { id: self.id.clone(), mode: self.mode.clone(), verdict, as_expected: false };
            }
        };
        let left_out = self.checks.iter().find(|check| !done.0.contains(check));
        let verdict = match (run, left_out) {
            (Ok(()), None) => Verdict::Passed { checks: done.0 },
            (Ok(()), Some(check)) => Verdict::Failed {
                check: check.clone(),
                expected: "done".into(),
                got: "no such check in this mode".into(),
            },
            (Err(Stop::Refused(reason)), _) => Verdict::Refused { reason },
            (Err(Stop::Failed { check, expected, got }), _) => Verdict::Failed { check, expected, got },
        };
        let strict = tolerances == Tolerances::none();
        let as_expected = match self.expect {
            Expect::Tolerate if strict => matches!(verdict, Verdict::Refused { .. }),
            Expect::Accept | Expect::Tolerate => matches!(verdict, Verdict::Passed { .. }),
        };
        Outcome { id: self.id.clone(), mode: self.mode.clone(), verdict, as_expected }
    }

    /// A secret among the inputs; `None` if it is not there.
    fn input(&self, name: &str) -> Result<Option<Vec<u8>>, Stop> {
        let Some(value) = self.inputs.get(name) else { return Ok(None) };
        let octets = value.as_str().and_then(|text| hex::decode(text).ok());
        octets.map(Some).ok_or_else(|| Stop::Failed {
            check: format!("inputs.{name}"),
            expected: "octets in hex".into(),
            got: value.to_string(),
        })
    }
}

/// What was compared and found equal.
#[derive(Default)]
struct Done(Vec<String>);

impl Done {
    /// Compares octets with what the file says in hex, if it says anything.
    fn octets(&mut self, check: impl Into<String>, expected: Option<&String>, got: &[u8]) -> Result<(), Stop> {
        expected.map_or(Ok(()), |expected| self.equal(check, expected, &hex::encode(got)))
    }

    fn equal(&mut self, check: impl Into<String>, expected: &str, got: &str) -> Result<(), Stop> {
        let check = check.into();
        if !expected.eq_ignore_ascii_case(got) {
            return Err(Stop::Failed { check, expected: expected.into(), got: got.into() });
        }
        self.0.push(check);
        Ok(())
    }

    /// Something that would have been refused if it were not so.
    fn note(&mut self, check: &str) {
        self.0.push(check.into());
    }
}
