//! Opens messages with the keys that somebody gives: what protects them, what they carry, and the keys of every crypto
//! session, each with the section that says how it comes about.
//!
//! It shows secrets, because that is what it is asked for. It opens also what does not verify, and says so: this is for
//! looking, and the modes are for trusting.

mod methods;
mod steps;

pub(super) use methods::envelope_keys;

use super::exchange::Exchanges;
use super::input::{Found, Place};
use crate::Psk;
use crate::crypto::PrivateKey;
use crate::identity::Certificate;
use crate::mikey::Tolerances;
use crate::mikey::derive;
use crate::mikey::wire::Message;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;

/// What messages are opened with. Every one of them may be missing.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The pre-shared key.
    pub psk: Option<Psk>,
    /// An envelope key, in place of the private key that opens the envelope.
    pub envelope_key: Option<Psk>,
    /// Private keys, to open envelopes with.
    pub keys: Vec<PrivateKey>,
    /// Certificates of those who sign and do not send theirs.
    pub certificates: Vec<Certificate>,
    /// Diffie-Hellman secrets of either side.
    pub dh: Vec<derive::Secret>,
}

/// One message, opened as far as it could be.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Where it was found.
    pub place: Place,
    /// How long it is.
    pub octets: usize,
    /// Its data type.
    pub what: String,
    /// What came out, in the order of the work.
    pub steps: Vec<Step>,
    /// Why no more came out, or what does not verify.
    pub problems: Vec<String>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The RFC's name for it.
    pub name: String,
    /// In hex where it is octets.
    pub value: String,
    /// Who says how it is made; empty if its text does.
    pub section: &'static str,
}

/// Opens each message; an answer together with the I_MESSAGE of its bundle, and an update with the exchange that began
/// it. What `--interop` lets pass is opened, too, and said.
pub fn open(found: &[Found], secrets: &Secrets) -> Vec<Opened> {
    let read: Vec<_> = found
        .iter()
        .map(|found| {
            let bytes = found.bytes.as_ref().map_err(Clone::clone)?;
            let message = Message::read(bytes, Tolerances::interop())?;
            message.complete().map(|()| message)
        })
        .collect();
    let exchanges = Exchanges::of(read.iter().map(|read| read.as_ref().ok()).collect());
    let open = |(index, found): (usize, &Found)| {
        let octets = found.bytes.as_ref().map_or(0, |bytes| bytes.len());
        let place = found.place.clone();
        match &read[index] {
            Ok(message) => {
                let (steps, problems) = methods::open(message, &exchanges.context(index), secrets);
                Opened { place, octets, what: message.hdr().data_type.to_string(), steps, problems }
            }
            Err(error) => {
                let problems = vec![format!("it cannot be read: {error}")];
                Opened { place, octets, what: "no message".into(), steps: vec![], problems }
            }
        }
    };
    found.iter().enumerate().map(open).collect()
}

impl Opened {
    /// The value of that name, if it came out.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.steps.iter().find(|step| step.name == name).map(|step| step.value.as_str())
    }

    /// The message as an object: where it was found, `what`, `octets`, `steps` and `problems`.
    pub fn to_json(&self) -> Value {
        let Self { place, octets, what, steps, problems } = self;
        let mut object = json!({ "what": what, "octets": octets, "steps": steps, "problems": problems });
        place.add_to(&mut object);
        object
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} octets{}", self.what, self.octets, self.place)?;
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or_default();
        for Step { name, value, section } in &self.steps {
            write!(f, "\n  {name:<width$}  {value}")?;
            if !section.is_empty() {
                write!(f, "  [{section}]")?;
            }
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  but {problem}"))
    }
}
