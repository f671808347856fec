//! The ladder as SVG, to stand in a page: its colours are the page's.

use super::html::{Bounded, Sheet, escape, section as part};
use crate::ladder::{Entry, Fate, Kind, Ladder, cut, seconds, wrap};
use std::fmt::Write as _;

/// The time at the left, in pixels, as all here.
const SIDE: usize = 66;
/// The names on top.
const HEAD: usize = 50;
/// Left of the first phone and right of the last.
const EDGE: usize = 84;
/// Between two phones, by how many there are.
const WIDE: usize = 560;
const MIDDLE: usize = 360;
const NARROW: usize = 270;
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

impl<'a> Drawing<'a> {
    fn of(ladder: &'a Ladder) -> Self {
        let columns = ladder.columns().len().min(MAX_COLUMNS);
        let gap = match columns {
            0..=2 => WIDE,
            3..=4 => MIDDLE,
            _ => NARROW,
        };
        let body = Bounded::new(MAX_SVG);
        let mut drawing = Self { ladder, gap, columns, y: 4, side: String::new(), piece: String::new(), body };
        for entry in ladder.entries() {
            let y = drawing.y;
            let at = drawing.entry(entry).unwrap_or(y);
            let piece = std::mem::take(&mut drawing.piece);
            if piece.is_empty() {
                drawing.body.leave_out(1);
            } else if drawing.body.push(&piece) {
                let (time, side) = (seconds(entry.at), &mut drawing.side);
                let _ = writeln!(
                    side,
                    "<text class=\"at\" x=\"{}\" y=\"{at}\" text-anchor=\"end\">{time}</text>",
                    SIDE - 10
                );
            } else {
                drawing.y = y;
            }
        }
        drawing.body.leave_out(ladder.left_out());
        drawing
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
    fn details(&mut self, (from, to): (usize, usize), digest: &crate::ladder::Digest) {
        let (left, right) = (from.min(to), from.max(to));
        let long = right - left > LONG;
        let column = if long { right - 1 } else { left };
        let fits = chars(self.gap * (right - column).max(1) - 36);
        let x = self.x(column) + 18;
        let sdp = digest.says.iter().chain(&digest.media).map(|line| ("sdp", line.clone()));
        for (class, text) in sdp.chain(digest.keying.iter().map(|key| ("key", key.to_string()))) {
            for line in wrap(&text, fits, MAX_LINES) {
                self.y += LINE;
                self.text(class, x, "start", &line);
            }
        }
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
            let short = cut(label, chars(self.gap - 30));
            self.text("label", left + 14, "start", &short);
            self.text("label", right - 14, "end", &short);
        } else {
            self.text("label", (x1 + x2) / 2, "middle", &cut(label, chars(x1.abs_diff(x2) - 40)));
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
        let (x_text, anchor) = if who > 0 && who + 1 == self.columns { (x - 14, "end") } else { (x + 14, "start") };
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
