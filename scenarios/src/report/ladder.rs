//! The ladder as SVG, to stand in a page: its colours are the page's.

use super::html::{Bounded, Sheet, escape, section as part};
use super::rows::Row;
use crate::ladder::{Digest, Entry, Fate, Kind, Ladder, cut, seconds, wrap};
use std::fmt::Write as _;

/// The time at the left, in pixels, as all here.
const SIDE: usize = 58;
/// The names on top.
const HEAD: usize = 50;
/// Left of the first phone and right of the last.
const EDGE: usize = 64;
/// Between two phones, by how many there are.
const GAPS: [usize; 4] = [600, 460, 320, 240];
/// Text stands so far from the line of a phone.
const INDENT: usize = 16;
/// An arrow that passes more phones than this has its label at both ends.
const LONG: usize = 2;
/// A line of text.
const LINE: usize = 17;
/// A character of a 12 pixel monospaced font, in hundredths.
const CHAR_100: usize = 725;
/// What stands under an arrow has no more lines.
const MAX_LINES: usize = 3;
/// More phones are not drawn.
const MAX_COLUMNS: usize = 64;
/// In octets: the drawing, and the same as text.
const MAX_SVG: usize = 430_000;
const MAX_TEXT: usize = 110_000;

struct Drawing<'a> {
    ladder: &'a Ladder,
    gap: usize,
    columns: usize,
    y: usize,
    side: String,
    /// What the entry at hand has so far.
    piece: String,
    body: Bounded,
}

pub(super) fn section(ladder: &Ladder) -> String {
    let drawing = Drawing::of(ladder);
    let (rest, sheet) = (drawing.body.rest("messages and notes"), drawing.sheet());
    let mut lines = Bounded::new(MAX_TEXT);
    for entry in ladder.entries() {
        lines.push(&format!("{}\n", escape(&ladder.one_line(entry))));
    }
    lines.leave_out(ladder.left_out());
    let text = format!(
        "<details><summary>The same as text</summary><pre class=\"box\" tabindex=\"0\">{}</pre>{}</details>\n",
        lines.html(),
        lines.rest("lines")
    );
    let hint = "Time goes down, in seconds. A dashed arrow is a message that was sent again, a broken one was lost; a fat \
                one is media, one for all packets until a pause.";
    part("ladder", "Who said what", hint, &(sheet.html() + &rest + &text))
}

/// How many characters fit.
pub(super) fn chars(pixels: usize) -> usize {
    pixels * 100 / CHAR_100
}

/// The label, in so many characters: the transport is the first to go.
fn fit(label: &str, width: usize) -> String {
    match label.chars().count() > width {
        true => {
            cut(&[" (UDP)", " (TCP)", " (TLS)"].iter().fold(label.into(), |l: String, t| l.replacen(t, "", 1)), width)
        }
        false => label.into(),
    }
}

impl<'a> Drawing<'a> {
    fn of(ladder: &'a Ladder) -> Self {
        let columns = ladder.columns().len().min(MAX_COLUMNS);
        let gap = GAPS[columns.saturating_sub(2).min(GAPS.len() - 1)];
        let body = Bounded::new(MAX_SVG);
        let mut drawing = Self { ladder, gap, columns, y: 4, side: String::new(), piece: String::new(), body };
        let mut rest = ladder.entries();
        while let Some(first) = rest.first() {
            let row = Row::of(rest, drawing.columns);
            let (these, others) = rest.split_at(row.len());
            drawing.row(first, these, &row);
            rest = others;
        }
        drawing.body.leave_out(ladder.left_out());
        drawing
    }

    /// A row, with its time beside it; nothing of it if it has no room, or is of phones that are not drawn.
    fn row(&mut self, first: &Entry, these: &[Entry], row: &Row) {
        let y = self.y;
        let at = match row {
            Row::One => self.entry(first),
            Row::Notes(_) => Some(self.notes(these)),
            Row::Fan { hub, out, .. } => Some(self.fan(these, *hub, *out)),
            Row::Burst(_) => self.burst(first, these),
        };
        let piece = std::mem::take(&mut self.piece);
        match at {
            Some(at) if self.body.push(&piece) => {
                let (time, x) = (seconds(first.at), SIDE - 8);
                let _ =
                    writeln!(self.side, "<text class=\"at\" x=\"{x}\" y=\"{at}\" text-anchor=\"end\">{time}</text>");
            }
            Some(_) => {
                self.body.leave_out(these.len() as u64 - 1);
                self.y = y;
            }
            None => self.body.leave_out(these.len() as u64),
        }
    }

    fn sheet(&self) -> Sheet {
        let (width, height) = (self.x(self.columns.max(1) - 1) + EDGE, self.y + 14);
        let (mut head, mut lives) = (String::new(), String::new());
        for (number, column) in self.ladder.columns().iter().take(self.columns).enumerate() {
            let (x, fits) = (self.x(number), chars(EDGE * 2));
            let name = escape(&cut(&column.name, fits));
            let address = escape(&cut(&column.address(), fits));
            let _ = writeln!(
                head,
                "<text class=\"name\" x=\"{x}\" y=\"20\" text-anchor=\"middle\">{name}</text>\
                 <text class=\"where\" x=\"{x}\" y=\"38\" text-anchor=\"middle\">{address}</text>"
            );
            let _ = writeln!(lives, "<line class=\"life\" x1=\"{x}\" y1=\"0\" x2=\"{x}\" y2=\"{height}\"/>");
        }
        Sheet {
            label: "call ladder",
            side_width: SIDE,
            head_height: HEAD,
            width,
            height,
            corner: String::new(),
            head,
            side: self.side.clone(),
            body: lives + self.body.html(),
        }
    }

    fn x(&self, column: usize) -> usize {
        EDGE + column * self.gap
    }

    /// The baseline of its first line; `None` if it is of a phone that is not drawn.
    fn entry(&mut self, entry: &Entry) -> Option<usize> {
        let title = self.ladder.title(&entry.kind);
        match &entry.kind {
            Kind::Message { from, to, again, fate, digest, .. } => {
                self.is_drawn(*from.max(to))?;
                let class = match (fate, again) {
                    (Fate::Lost, _) => "arrow lost",
                    (Fate::Forged, _) => "arrow forged",
                    (_, true) => "arrow again",
                    _ => "arrow",
                };
                let y = self.arrow((*from, *to), &title, class);
                self.details((*from, *to), digest);
                self.y += 10;
                Some(y)
            }
            Kind::Media { from, to, until, .. } => {
                self.is_drawn(*from.max(to))?;
                let until = until.map_or(String::new(), |until| format!(", until {}", seconds(until)));
                let y = self.arrow((*from, *to), &(title + &until), "arrow media");
                self.y += 12;
                Some(y)
            }
            Kind::Note { who, text } => {
                self.is_drawn(*who)?;
                Some(self.note(*who, text))
            }
        }
    }

    fn is_drawn(&self, column: usize) -> Option<()> {
        (column < self.columns).then_some(())
    }

    /// What a message says of media and keys, under its arrow: beside the phone that stands further right, which is one
    /// of many, if the arrow is long.
    fn details(&mut self, (from, to): (usize, usize), digest: &Digest) {
        let (left, right) = (from.min(to), from.max(to));
        let column = if right - left > LONG { right - 1 } else { left };
        self.details_in(column, right.max(column + 1) - column, digest);
    }

    /// The same in so many gaps right of a phone.
    fn details_in(&mut self, column: usize, gaps: usize, digest: &Digest) {
        let (x, fits) = (self.x(column) + INDENT, chars(self.gap * gaps - 2 * INDENT));
        let sdp = digest.says.iter().chain(&digest.media).map(|line| ("sdp", line.clone()));
        for (class, text) in sdp.chain(digest.keying.iter().map(|key| ("key", key.to_string()))) {
            for line in wrap(&text, fits, MAX_LINES) {
                self.y += LINE;
                self.text(class, x, "start", &line);
            }
        }
    }

    /// What one phone says to many at one time, or many to one: each has its label in the gap left of it.
    fn fan(&mut self, entries: &[Entry], hub: usize, out: bool) -> usize {
        let (top, mut bottom) = (self.y, self.y);
        let (label_y, arrow_y) = (top + LINE, top + LINE + 7);
        for Entry { kind, .. } in entries {
            let Kind::Message { from, to, again, digest, .. } = kind else { continue };
            let (title, far) = (self.ladder.title(kind), *from.max(to));
            let class = if *again { "arrow again" } else { "arrow" };
            let _ = writeln!(self.piece, "<g class=\"{class}\"><title>{}</title>", escape(&title));
            self.y = label_y;
            self.text("label", self.x(far - 1) + INDENT, "start", &fit(&title, chars(self.gap - 2 * INDENT)));
            let (x1, x2) = if out { (self.x(hub), self.x(far)) } else { (self.x(far), self.x(hub)) };
            self.shaft(x1, x2, arrow_y, class);
            if !out {
                let _ = write!(self.piece, "<circle class=\"tail\" cx=\"{x1}\" cy=\"{arrow_y}\" r=\"3.5\"/>");
            }
            self.piece += "</g>\n";
            self.y = arrow_y + 2;
            self.details_in(far - 1, 1, digest);
            bottom = bottom.max(self.y);
        }
        self.y = bottom + 10;
        label_y
    }

    /// One arrow for what is said of several branches.
    fn burst(&mut self, first: &Entry, entries: &[Entry]) -> Option<usize> {
        let Kind::Message { from, to, again, digest, .. } = &first.kind else { return None };
        self.is_drawn(*from.max(to))?;
        let name = |entry: &Entry| match entry.kind {
            Kind::Message { branch: Some(owner), .. } => Some(self.ladder.columns().get(owner)?.name.clone()),
            _ => None,
        };
        let names: Vec<_> = entries.iter().filter_map(name).collect();
        let again_too = if *again { ", again" } else { "" };
        let title = format!("{}, {} times{again_too}", digest.what, entries.len());
        let y = self.arrow((*from, *to), &title, if *again { "arrow again" } else { "arrow" });
        let left = *from.min(to);
        for line in wrap(&names.join(", "), chars(self.gap - 2 * INDENT), MAX_LINES) {
            self.y += LINE;
            self.text("sdp", self.x(left) + INDENT, "start", &line);
        }
        self.details((*from, *to), digest);
        self.y += 10;
        Some(y)
    }

    /// What several phones know at one time.
    fn notes(&mut self, entries: &[Entry]) -> usize {
        let (top, mut bottom) = (self.y, self.y);
        for Entry { kind, .. } in entries {
            let Kind::Note { who, text } = kind else { continue };
            self.y = top;
            self.note(*who, text);
            bottom = bottom.max(self.y);
        }
        self.y = bottom;
        top + LINE
    }

    /// The label, the arrow below it. Afterwards `y` is the baseline of what stood last. Gives the label's.
    fn arrow(&mut self, (from, to): (usize, usize), label: &str, class: &str) -> usize {
        let (x1, x2) = (self.x(from), self.x(to));
        self.y += LINE;
        let (label_y, arrow_y) = (self.y, self.y + if class == "arrow media" { 9 } else { 7 });
        let _ = writeln!(self.piece, "<g class=\"{class}\"><title>{}</title>", escape(label));
        if from == to {
            self.text("label", x1 + 40, "start", &cut(label, chars(self.gap - 60)));
            let _ = write!(self.piece, "<path class=\"shaft\" d=\"M{x1} {} h30 v12 h-22\"/>", arrow_y - 12);
        } else if from.abs_diff(to) > LONG {
            // Whoever looks at either end shall see what it is.
            let (left, right) = (x1.min(x2), x1.max(x2));
            let short = fit(label, chars((right - left) / 2 - 2 * INDENT));
            self.text("label", left + INDENT, "start", &short);
            self.text("label", right - INDENT, "end", &short);
        } else {
            // At the left, where a narrow screen begins.
            self.text("label", x1.min(x2) + INDENT, "start", &fit(label, chars(x1.abs_diff(x2) - 2 * INDENT)));
        }
        self.shaft(x1, x2, arrow_y, class);
        self.piece += "</g>\n";
        self.y = arrow_y + 2;
        label_y
    }

    fn shaft(&mut self, x1: usize, x2: usize, y: usize, class: &str) {
        let (sign, long) = if x1 <= x2 { ("", x1.abs_diff(x2)) } else { ("-", x1.abs_diff(x2)) };
        let back = if x1 < x2 { "-" } else { "" };
        let _ = match class {
            // It ends on the way, with a cross.
            "arrow lost" if long > 0 => {
                let end = if x1 < x2 { x1 + long * 3 / 4 } else { x1 - long * 3 / 4 };
                writeln!(
                    self.piece,
                    "<path class=\"shaft\" d=\"M{x1} {y} H{end}\"/><path class=\"cross\" d=\"M{} {} l10 10 m0 -10 l-10 10\"/>",
                    end - 5,
                    y - 5
                )
            }
            "arrow media" if long > 0 => writeln!(
                self.piece,
                "<path class=\"band\" d=\"M{x1} {} h{sign}{} v-3 l{sign}10 6 l{back}10 6 v-3 h{back}{} z\"/>",
                y - 3,
                long - 10,
                long - 10
            ),
            _ if long > 0 => writeln!(
                self.piece,
                "<path class=\"shaft\" d=\"M{x1} {y} H{x2}\"/><path class=\"head\" d=\"M{x2} {y} l{back}10 -4.5 v9 z\"/>"
            ),
            _ => writeln!(self.piece, "<path class=\"head\" d=\"M{x2} {y} l10 -4.5 v9 z\"/>"),
        };
    }

    /// Beside the phone: to its right, but the last one's to its left.
    fn note(&mut self, who: usize, text: &str) -> usize {
        let x = self.x(who);
        let (x_text, anchor) =
            if who > 0 && who + 1 == self.columns { (x - INDENT, "end") } else { (x + INDENT, "start") };
        self.piece += "<g class=\"note\">\n";
        let first = self.y + LINE;
        for (number, line) in wrap(text, chars(self.gap - 40), MAX_LINES).iter().enumerate() {
            self.y += LINE;
            if number == 0 {
                let _ = writeln!(self.piece, "<circle cx=\"{x}\" cy=\"{}\" r=\"5\"/>", self.y - 4);
            }
            self.text("key", x_text, anchor, line);
        }
        self.piece += "</g>\n";
        self.y += 10;
        first
    }

    fn text(&mut self, class: &str, x: usize, anchor: &str, text: &str) {
        let (y, text) = (self.y, escape(text));
        let _ =
            writeln!(self.piece, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
    }
}
