//! What was heard: the recordings, and the counts of every phone.

use super::Page;
use super::html::{Table, escape, section};
use super::peers::Peers;
use crate::ladder::seconds;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_ua::event::Event;
use std::io::Cursor;

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Player {
    /// What is heard.
    pub title: String,
    /// A WAV file, as [`wav_bytes`] makes it.
    pub wav: Vec<u8>,
    /// What is worth knowing: how like it is to what was sent, for instance.
    pub note: String,
}

/// All recordings together, in octets: those that do not fit are named and not in the page.
const MAX_AUDIO: usize = 480_000;
/// The table, in octets.
const MAX_COUNTS: usize = 60_000;

const COUNTS: &[&str] = &[
    "Phone",
    "Sent",
    "Heard",
    "Played",
    "Lost",
    "Late",
    "Duplicate",
    "Refused",
    "Replayed",
    "Reflected",
    "Unheard",
    "Unkeyed",
    "Jitter",
];
const CLIPPED: &[&str] = &["Phone", "Branch", "Keyed at", "Clipped", "Waited", "Played", "Dropped"];

impl Page<'_> {
    pub(super) fn players(&self) -> String {
        let (mut figures, mut room, mut too_long) = (String::new(), MAX_AUDIO, 0);
        for player in &self.players {
            // Four characters of base64 are three octets.
            if player.wav.len() > room {
                too_long += 1;
                continue;
            }
            room -= player.wav.len();
            let (title, note, wav) = (escape(&player.title), escape(&player.note), STANDARD.encode(&player.wav));
            figures += &format!(
                "<figure class=\"box\"><figcaption>{title} <span>{note}</span></figcaption>\
                 <audio controls preload=\"metadata\" aria-label=\"{title}\" src=\"data:audio/wav;base64,{wav}\"></audio>\
                 </figure>\n"
            );
        }
        let rest = match too_long {
            0 => String::new(),
            n => format!("<p class=\"hint\">{n} more recordings are too long for this page.</p>\n"),
        };
        match self.players.is_empty() {
            true => String::new(),
            false => section("listen", "Listen", "", &format!("<div class=\"players\">\n{figures}</div>\n{rest}")),
        }
    }

    pub(super) fn counts(&self) -> String {
        let mut table = Table::new(COUNTS, "numbers", MAX_COUNTS);
        for phone in &self.phones {
            for (_, event) in phone.events {
                let Event::Stats { counts: c, .. } = event else { continue };
                let counts = [
                    c.sent,
                    c.heard,
                    c.played,
                    c.lost,
                    c.late,
                    c.duplicate,
                    c.refused,
                    c.replayed,
                    c.reflected,
                    c.unheard,
                    c.unkeyed,
                ];
                let cells = [escape(&phone.name)].into_iter().chain(counts.iter().map(ToString::to_string));
                let cells: Vec<_> = cells.chain([format!("{:.1} ms", c.jitter_ms)]).collect();
                table.row("", &cells);
            }
        }
        let counts = if table.is_empty() { String::new() } else { table.html("How the media went") };
        let hint = "By call, in packets of RTP, and frames of 20 ms.";
        match self.clipped() + &counts {
            nothing if nothing.is_empty() => nothing,
            tables => section("media", "How the media went", hint, &tables),
        }
    }

    /// What was not heard because its key came too late.
    fn clipped(&self) -> String {
        let mut table = Table::new(CLIPPED, "numbers", MAX_COUNTS);
        let peers = Peers::of(self);
        for phone in &self.phones {
            for (at, event) in phone.events {
                let Event::Clipped { branch, ms, held, played, dropped, .. } = event else { continue };
                let name = peers.owner(branch).map_or_else(|| branch.clone(), |peer| self.phones[peer].name.clone());
                let cells = [phone.name.clone(), name, seconds(*at), format!("{ms} ms")];
                let cells = cells.into_iter().chain([held, played, dropped].map(ToString::to_string));
                let class = if *ms > 0 { "bad" } else { "" };
                table.row(class, &cells.map(|cell| escape(&cell)).collect::<Vec<_>>());
            }
        }
        match table.is_empty() {
            true => String::new(),
            false => format!("<h3>Clipped: what came before its key</h3>\n{}", table.html("Clipped audio")),
        }
    }
}

/// A WAV file: mono, 16 bit, `rate` samples a second. What would not fit its 32-bit lengths is left out.
pub fn wav_bytes(rate: u32, samples: &[i16]) -> Vec<u8> {
    /// Two octets each, and the header is told in the same length.
    const MAX: usize = (u32::MAX as usize - 64) / 2;
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = Cursor::new(vec![]);
    let written = hound::WavWriter::new(&mut wav, spec).and_then(|mut writer| {
        samples.iter().take(MAX).try_for_each(|&sample| writer.write_sample(sample))?;
        writer.finalize()
    });
    // Memory takes every octet, and neither format nor length can be wrong.
    written.expect("a WAV of known format is written to memory");
    wav.into_inner()
}
