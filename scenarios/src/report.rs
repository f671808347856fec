//! A call on one page: HTML that stands alone, with the ladder, the keys by their fingerprints and the recordings in
//! it. It fetches nothing, runs no script, and forbids both to itself.

mod svg;

use crate::ladder::Ladder;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_ua::event::{Counts, KeyUse};
use std::collections::BTreeSet;
use std::io::Cursor;

/// What the page is about. All text may be whatever a user or a peer wrote: it is escaped here.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The headline.
    pub title: String,
    /// What the call was: a name and a value each.
    pub facts: Vec<(String, String)>,
    /// What was recorded.
    pub players: Vec<Player>,
    /// Who sent what.
    pub ladder: &'a Ladder,
    /// Who used which key.
    pub keys: Vec<KeyRow>,
    /// How the media went, by phone.
    pub counts: Vec<(String, Counts)>,
}

/// One phone's use of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Whose.
    pub phone: String,
    /// What for.
    pub use_for: KeyUse,
    /// The fingerprint: what the ledger calls the key.
    pub key: String,
    /// Cipher and tag.
    pub suite: String,
    /// Whose packets, as far as they are named.
    pub ssrc: Option<String>,
}

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

const TEMPLATE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");

impl Page<'_> {
    /// The whole page.
    pub fn html(&self) -> String {
        fill(TEMPLATE, |name| match name {
            "title" => escape(&self.title),
            "style" => STYLE.into(),
            "facts" => self.facts(),
            "players" => self.players(),
            "ladder" => self.ladder(),
            "keys" => self.keys(),
            "counts" => self.counts(),
            _ => String::new(),
        })
    }

    fn facts(&self) -> String {
        let rows =
            self.facts.iter().map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value)));
        match self.facts.is_empty() {
            true => String::new(),
            false => format!("<dl>\n{}</dl>\n", rows.collect::<String>()),
        }
    }

    fn players(&self) -> String {
        let figure = |player: &Player| {
            let (title, note, wav) = (escape(&player.title), escape(&player.note), STANDARD.encode(&player.wav));
            format!(
                "<figure class=\"box\"><figcaption>{title} <span>{note}</span></figcaption>\
                 <audio controls preload=\"metadata\" aria-label=\"{title}\" src=\"data:audio/wav;base64,{wav}\"></audio>\
                 </figure>\n"
            )
        };
        match self.players.is_empty() {
            true => String::new(),
            false => {
                let figures: String = self.players.iter().map(figure).collect();
                format!("<section><h2>Listen</h2>\n<div class=\"players\">\n{figures}</div></section>\n")
            }
        }
    }

    fn ladder(&self) -> String {
        let left_out = match self.ladder.left_out() {
            0 => String::new(),
            n => format!("<p class=\"hint\">{n} more messages are not shown.</p>\n"),
        };
        format!(
            "<section><h2>Who said what</h2>\n{left_out}<div class=\"box\" tabindex=\"0\">{}</div>\n\
             <details><summary>The same as text</summary><pre class=\"box\" tabindex=\"0\">{}</pre></details></section>\n",
            svg::draw(self.ladder),
            escape(&self.ladder.to_text(100)),
        )
    }

    /// One row per key, so that it is seen at once that what one sends with is what the other hears with.
    fn keys(&self) -> String {
        let mut seen = BTreeSet::new();
        let mut rows = String::new();
        for KeyRow { key, suite, .. } in self.keys.iter().filter(|row| seen.insert((&row.key, &row.suite))) {
            let uses = self.keys.iter().filter(|row| (&row.key, &row.suite) == (key, suite)).map(|row| {
                let verb = if row.use_for == KeyUse::Send { "sends" } else { "hears" };
                let ssrc = row.ssrc.as_ref().map(|ssrc| format!(" <code>{}</code>", escape(ssrc)));
                format!("{} {verb}{}", escape(&row.phone), ssrc.unwrap_or_default())
            });
            rows += &format!(
                "<tr><td><code class=\"key\">{}</code></td><td>{}</td><td>{}</td></tr>\n",
                escape(key),
                uses.collect::<Vec<_>>().join("<br>"),
                escape(suite),
            );
        }
        table("Who used which key", "By fingerprint: the keys themselves are nowhere on this page.", KEYS, "", &rows)
    }

    fn counts(&self) -> String {
        let row = |(phone, c): &(String, Counts)| {
            let counts = [c.sent, c.heard, c.played, c.lost, c.late, c.duplicate, c.refused, c.replayed, c.reflected];
            let cells: String = counts.iter().map(|count| format!("<td>{count}</td>")).collect();
            format!("<tr><td>{}</td>{cells}<td>{:.1} ms</td></tr>\n", escape(phone), c.jitter_ms)
        };
        let rows: String = self.counts.iter().map(row).collect();
        table("How the media went", "In packets of RTP, and frames of 20 ms.", COUNTS, "numbers", &rows)
    }
}

const KEYS: &[&str] = &["Key", "Used by, for which SSRC", "Cipher and tag"];
const COUNTS: &[&str] =
    &["Phone", "Sent", "Heard", "Played", "Lost", "Late", "Duplicate", "Refused", "Replayed", "Reflected", "Jitter"];

/// A section with a table; nothing if it has no rows.
fn table(title: &str, hint: &str, heads: &[&str], class: &str, rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    format!(
        "<section><h2>{title}</h2>\n<p class=\"hint\">{hint}</p>\n<div class=\"box\" tabindex=\"0\">\
         <table class=\"{class}\"><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div></section>\n"
    )
}

/// Puts values where the template says `{{name}}`, in one pass: what a value contains is not looked at.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut pieces = template.split("{{");
    let mut page = String::from(pieces.next().unwrap_or_default());
    for piece in pieces {
        match piece.split_once("}}") {
            Some((name, text)) => page += &(value(name) + text),
            None => page += piece,
        }
    }
    page
}

/// Text as HTML and XML want it, also between quotation marks.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            _ if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
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
