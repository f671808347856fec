//! The demo: two phones in one process call each other, and what each heard is held against what the other said.
//!
//! [`live`] does it over real sockets on loopback, [`simulated`] on a link that loses and delays, in simulated time.
//! Both leave two recordings and a page behind.

mod bad_day;
mod loopback;

pub use bad_day::simulated;
pub use loopback::live;

use crate::ladder::Ladder;
use crate::report::{self, Page, Player};
use crate::world::Sent;
use keyphone_config::{Config, PskEntry};
use keyphone_media::audio::compare::compare;
use keyphone_media::audio::{AudioError, Clip};
use keyphone_media::env::{Instant, Rng};
use keyphone_ua::event::{Counts, Event, Outcome};
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Settings};
use serde::Serialize;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How like its source a recording over a link without loss must be, for PCMU.
pub const GOOD: f64 = 0.98;
/// The same over [`crate::link::Link::BAD_DAY`].
pub const GOOD_ON_A_BAD_DAY: f64 = 0.90;

/// How long the phone rings in the demo.
const RINGS: Duration = Duration::from_millis(500);
/// How long the line stays open after both have spoken.
const TAIL: Duration = Duration::from_millis(700);
/// The comparison's rate, in Hz: that of PCMU.
const RATE: u32 = 8000;

/// What came of one demo call.
pub struct Report {
    /// Who sent what.
    pub ladder: Ladder,
    /// What each phone heard.
    pub heard: Vec<Heard>,
    /// The page that shows it all.
    pub page: PathBuf,
    /// What did not go as it should: empty if all is well.
    pub faults: Vec<String>,
}

/// What one phone heard.
pub struct Heard {
    /// Which phone.
    pub phone: &'static str,
    /// Who spoke.
    pub speaker: &'static str,
    /// The recording.
    pub file: PathBuf,
    /// How like what was said, after alignment: 1 is the same.
    pub correlation: f64,
    /// How the media went.
    pub counts: Counts,
    /// What the link's log says of it; there is one in simulated time.
    pub link: Option<LinkSays>,
}

/// What the log of a simulated link says that a phone must have heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LinkSays {
    /// Frames that never came.
    pub lost: u64,
    /// Frames that came after their time.
    pub late: u64,
    /// Frames of the recording that are, bit for bit after decoding, the frame that the log says is due there.
    pub identical: u64,
    /// Frames of the recording that are not.
    pub different: u64,
}

impl fmt::Display for LinkSays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, late, identical, different } = self;
        write!(
            f,
            "the link's log says {lost} lost, {late} late; {identical} recorded frames are bit-identical, {different} not"
        )
    }
}

/// Why there was no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file or a socket.
    #[error("{what}: {why}")]
    Io {
        /// Which, and what was to be done with it.
        what: String,
        /// What the system says.
        why: io::Error,
    },
    /// Audio.
    #[error(transparent)]
    Audio(#[from] AudioError),
}

/// One phone of the demo, and what it told.
struct Phone {
    name: &'static str,
    sip: SocketAddr,
    events: Vec<(Instant, Event)>,
}

impl Phone {
    fn new(name: &'static str, sip: SocketAddr) -> Self {
        Self { name, sip, events: vec![] }
    }

    fn outcome(&self) -> Option<&Outcome> {
        self.events.iter().find_map(|(_, event)| match event {
            Event::Ended { outcome, .. } => Some(outcome),
            _ => None,
        })
    }

    fn counts(&self) -> Counts {
        let counts = self.events.iter().find_map(|(_, event)| match event {
            Event::Stats { counts, .. } => Some(*counts),
            _ => None,
        });
        counts.unwrap_or_default()
    }

    /// No call, no recording: then that is the fault.
    fn fault(&self) -> Option<String> {
        match self.outcome() {
            Some(Outcome::Completed { .. }) => None,
            Some(Outcome::Failed { why, .. } | Outcome::KeyingRefused { why }) => Some(format!("{}: {why}", self.name)),
            None => Some(format!("{}: the call never ended", self.name)),
        }
    }
}

/// The two sentences that come with the program.
struct Speech {
    alice: Arc<Clip>,
    bob: Arc<Clip>,
}

impl Speech {
    fn load() -> Result<Self, AudioError> {
        let clip = |wav: &[u8], name| Clip::from_wav(wav, name).map(Arc::new);
        Ok(Self {
            alice: clip(include_bytes!("../../assets/alice.wav"), "alice.wav")?,
            bob: clip(include_bytes!("../../assets/bob.wav"), "bob.wav")?,
        })
    }

    fn talk(&self) -> Duration {
        self.alice.duration().max(self.bob.duration()) + TAIL
    }
}

/// Settings of a phone that shares `psk` with the other one.
fn settings(name: &str, sip: SocketAddr, psk: &str) -> Settings {
    let mut config = Config::default();
    // Both are made here, of nothing that could be wrong.
    config.account.from = format!("sip:{name}@{}", sip.ip()).parse().expect("a name and an address make a URI");
    config.credentials.psks = vec![PskEntry::from_hex(None, psk).expect("hex digits are hex digits")];
    Settings::new(&config, sip).expect("the account is a SIP URI")
}

fn new_psk(rng: &mut dyn Rng) -> String {
    let mut psk = [0; 32];
    rng.fill(&mut psk);
    psk.iter().map(|b| format!("{b:02x}")).collect()
}

fn calls(speech: &Speech, record: Record) -> Plan {
    Plan { play: Play::Clip(speech.alice.clone()), record, hang_up: HangUp::After(speech.talk()) }
}

fn answers(speech: &Speech, record: Record) -> Incoming {
    let plan = Plan { play: Play::Clip(speech.bob.clone()), record, hang_up: HangUp::Never };
    Incoming::Answer { after: RINGS, early: None, plan }
}

fn make_dir(out: &Path) -> Result<(), DemoError> {
    std::fs::create_dir_all(out).map_err(|why| DemoError::Io { what: format!("cannot create {}", out.display()), why })
}

/// Holds what was heard against what was said.
fn judge(
    said: &Clip,
    heard: &[i16],
    phone: &'static str,
    speaker: &'static str,
    file: PathBuf,
) -> Result<Heard, DemoError> {
    let correlation = compare(&said.at(RATE)?, heard, RATE as usize).correlation;
    Ok(Heard { phone, speaker, file, correlation, counts: Counts::default(), link: None })
}

/// Puts everything on one page.
fn write_page(
    title: &str,
    facts: Vec<(String, String)>,
    phones: &[&Phone],
    ladder: &Ladder,
    heard: &[Heard],
    log: &[Sent],
    page: &Path,
) -> Result<(), DemoError> {
    let players = heard.iter().map(|h| {
        let wav = std::fs::read(&h.file).map_err(|why| DemoError::Io { what: h.file.display().to_string(), why })?;
        let note = format!("{:.4} like what {} said", h.correlation, h.speaker);
        Ok(Player { title: format!("What {} heard", h.phone), wav, note })
    });
    let phones = phones.iter().map(|p| report::Phone { name: p.name.into(), at: vec![p.sip], events: &p.events });
    let html = Page {
        title: title.into(),
        about: String::new(),
        facts,
        verdicts: vec![],
        players: players.collect::<Result<_, DemoError>>()?,
        ladder,
        phones: phones.collect(),
        log,
    }
    .html();
    std::fs::write(page, html).map_err(|why| DemoError::Io { what: format!("cannot write {}", page.display()), why })
}
