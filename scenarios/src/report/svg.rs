//! The ladder as SVG, to stand in a page: its colours are the page's.

use super::escape;
use crate::ladder::{Entry, Kind, Ladder, cut, seconds, wrap};
use std::fmt::Write as _;

/// Left of the first phone and right of the last, in pixels, as all here.
const LEFT: usize = 118;
const RIGHT: usize = 92;
/// Between two phones: more if they are alone.
const WIDE: usize = 620;
const NARROW: usize = 430;
/// A line of text.
const LINE: usize = 17;
/// A character of a 12 pixel monospaced font, in hundredths.
const CHAR_100: usize = 725;
/// Where the first entry begins, below the names.
const TOP: usize = 58;
/// What stands under an arrow has no more lines.
const MAX_LINES: usize = 3;

struct Drawing {
    gap: usize,
    columns: usize,
    y: usize,
    svg: String,
}

/// The drawing, as wide and high as it needs.
pub(super) fn draw(ladder: &Ladder) -> String {
    let columns = ladder.columns().len();
    let gap = if columns > 2 { NARROW } else { WIDE };
    let mut drawing = Drawing { gap, columns, y: TOP, svg: String::new() };
    for entry in ladder.entries() {
        drawing.entry(entry);
    }
    let (width, height) = (drawing.x(columns.max(1) - 1) + RIGHT, drawing.y + 12);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"call ladder\">\n"
    );
    for (number, column) in ladder.columns().iter().enumerate() {
        let (x, fits) = (drawing.x(number), chars(LEFT.min(RIGHT) * 2));
        let name = escape(&cut(&column.name, fits));
        let address = escape(&cut(&column.address(), fits));
        svg += &format!(
            "<line class=\"life\" x1=\"{x}\" y1=\"48\" x2=\"{x}\" y2=\"{height}\"/>\
             <text class=\"name\" x=\"{x}\" y=\"22\" text-anchor=\"middle\">{name}</text>\
             <text class=\"where\" x=\"{x}\" y=\"40\" text-anchor=\"middle\">{address}</text>\n"
        );
    }
    svg + &drawing.svg + "</svg>"
}

/// How many characters fit.
fn chars(pixels: usize) -> usize {
    pixels * 100 / CHAR_100
}

impl Drawing {
    fn x(&self, column: usize) -> usize {
        LEFT + column * self.gap
    }

    fn entry(&mut self, entry: &Entry) {
        let at = seconds(entry.at);
        match &entry.kind {
            Kind::Message { from, to, transport, again, digest } => {
                let class = if *again { "arrow again" } else { "arrow" };
                self.arrow(&at, (*from, *to), &digest.title(*transport, *again), class);
                let left = self.x(*from.min(to));
                let fits = chars(self.x(*from.max(to)).max(left + self.gap) - left - 36);
                let sdp = digest.says.iter().chain(&digest.media).map(|line| ("sdp", line.clone()));
                for (class, text) in sdp.chain(digest.keying.iter().map(|key| ("key", key.to_string()))) {
                    for line in wrap(&text, fits, MAX_LINES) {
                        self.y += LINE;
                        self.text(class, left + 18, "start", &line);
                    }
                }
                self.y += 10;
            }
            Kind::Media { from, to, what } => {
                self.arrow(&at, (*from, *to), what, "arrow media");
                self.y += 10;
            }
            Kind::Note { who, text } => self.note(&at, *who, text),
        }
    }

    /// The label, the arrow below it. Afterwards `y` is the baseline of what stood last.
    fn arrow(&mut self, at: &str, (from, to): (usize, usize), label: &str, class: &str) {
        let (x1, x2) = (self.x(from), self.x(to));
        self.y += LINE;
        let _ = writeln!(self.svg, "<g class=\"{class}\">");
        self.time(at);
        let arrow_y = self.y + 7;
        match from == to {
            true => {
                self.text("label", x1 + 40, "start", &cut(label, chars(self.gap - 60)));
                let _ = write!(self.svg, "<path class=\"shaft\" d=\"M{x1} {} h30 v12 h-22\"/>", arrow_y - 12);
            }
            false => {
                let (middle, fits) = ((x1 + x2) / 2, chars(x1.abs_diff(x2) - 40));
                self.text("label", middle, "middle", &cut(label, fits));
                let _ = write!(self.svg, "<path class=\"shaft\" d=\"M{x1} {arrow_y} H{x2}\"/>");
            }
        }
        let back = if from < to { "-10" } else { "10" };
        let _ = writeln!(self.svg, "<path class=\"head\" d=\"M{x2} {arrow_y} l{back} -4.5 v9 z\"/>");
        let _ = writeln!(self.svg, "<title>{}</title></g>", escape(label));
        self.y = arrow_y + 2;
    }

    /// Beside the phone: to its right, but the last one's to its left.
    fn note(&mut self, at: &str, who: usize, text: &str) {
        let x = self.x(who);
        let (x_text, anchor) = if who > 0 && who + 1 == self.columns { (x - 14, "end") } else { (x + 14, "start") };
        self.svg += "<g class=\"note\">\n";
        for (number, line) in wrap(text, chars(self.gap - 40), MAX_LINES).iter().enumerate() {
            self.y += LINE;
            if number == 0 {
                self.time(at);
                let _ = writeln!(self.svg, "<circle cx=\"{x}\" cy=\"{}\" r=\"5\"/>", self.y - 4);
            }
            self.text("key", x_text, anchor, line);
        }
        self.svg += "</g>\n";
        self.y += 10;
    }

    fn time(&mut self, at: &str) {
        self.text("at", 14, "start", at);
    }

    fn text(&mut self, class: &str, x: usize, anchor: &str, text: &str) {
        let (y, text) = (self.y, escape(text));
        let _ =
            writeln!(self.svg, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
    }
}
