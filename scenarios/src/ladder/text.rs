//! The ladder in characters, for terminals.

use super::{Entry, KeyMgmt, Kind, Ladder, plain, seconds};

/// Left of the first phone: the time, and room for half a name.
const LEFT: usize = 10;
/// Right of the last phone.
const RIGHT: usize = 8;
/// Phones stand no nearer.
const MIN_GAP: usize = 24;
/// What stands under an arrow has no more lines.
const MAX_LINES: usize = 3;

/// A line of the drawing: characters by column.
struct Row(Vec<char>);

struct Drawing<'a> {
    ladder: &'a Ladder,
    gap: usize,
    text: String,
}

pub(super) fn draw(ladder: &Ladder, width: usize) -> String {
    let gaps = ladder.columns().len().saturating_sub(1).max(1);
    let gap = (width.saturating_sub(LEFT + RIGHT) / gaps).max(MIN_GAP);
    let mut drawing = Drawing { ladder, gap, text: String::new() };
    drawing.heads();
    for entry in ladder.entries() {
        drawing.entry(entry);
    }
    if ladder.left_out() > 0 {
        drawing.text += &format!("{} more are not shown\n", ladder.left_out());
    }
    drawing.text
}

/// One line for one entry.
pub(super) fn line(ladder: &Ladder, entry: &Entry) -> String {
    let name = |column: usize| ladder.columns().get(column).map_or("", |c| c.name.as_str());
    let at = seconds(entry.at);
    match &entry.kind {
        Kind::Message { from, to, digest, .. } => {
            let title = ladder.title(&entry.kind);
            let keying = digest.keying.iter().map(|key| key.what.clone());
            let media = digest.media.iter().map(|m| m.strip_prefix("audio ").unwrap_or(m).to_owned());
            let marks: Vec<_> = digest.says.iter().cloned().chain(media).chain(keying).collect();
            let marks = if marks.is_empty() { String::new() } else { format!("  [{}]", marks.join(", ")) };
            format!("{at} {} -> {}  {title}{marks}", name(*from), name(*to))
        }
        Kind::Media { from, to, what, .. } => format!("{at} {} -> {}  {what}", name(*from), name(*to)),
        Kind::Note { who, text } => format!("{at} {}: {text}", name(*who)),
    }
}

impl Drawing<'_> {
    fn heads(&mut self) {
        let (mut names, mut addresses) = (Row(vec![]), Row(vec![]));
        for (number, column) in self.ladder.columns().iter().enumerate() {
            names.centre(self.x(number), &plain::cut(&column.name, self.gap - 2));
            addresses.centre(self.x(number), &plain::cut(&column.address(), self.gap - 2));
        }
        self.push(names);
        self.push(addresses);
    }

    fn entry(&mut self, entry: &Entry) {
        let at = seconds(entry.at);
        match &entry.kind {
            Kind::Message { from, to, digest, .. } => {
                self.arrow(&at, *from, *to, &self.ladder.title(&entry.kind), '─');
                let sdp = digest.media.iter().cloned().chain(digest.keying.iter().map(KeyMgmt::to_string));
                for line in digest.says.iter().cloned().chain(sdp) {
                    self.under(*from, *to, &line);
                }
            }
            Kind::Media { from, to, what, .. } => self.arrow(&at, *from, *to, what, '┄'),
            Kind::Note { who, text } => self.note(&at, *who, text),
        }
    }

    fn arrow(&mut self, at: &str, from: usize, to: usize, label: &str, line: char) {
        if from == to {
            return self.note(at, from, &format!("to itself: {label}"));
        }
        let (left, right) = (self.x(from.min(to)), self.x(from.max(to)));
        let mut row = self.lifelines(at);
        row.put(left + 1, &line.to_string().repeat(right - left - 1));
        match from < to {
            true => row.put(right - 1, ">"),
            false => row.put(left + 1, "<"),
        }
        // At least two characters of the shaft stay on either side.
        let label = plain::cut(label, right - left - 9);
        row.centre((left + right) / 2, &format!(" {label} "));
        self.push(row);
    }

    /// What belongs to the arrow above.
    fn under(&mut self, from: usize, to: usize, text: &str) {
        let (left, right) = (self.x(from.min(to)), self.x(from.max(to)).max(self.x(from.min(to)) + self.gap));
        for line in plain::wrap(text, right - left - 5, MAX_LINES) {
            let mut row = self.lifelines("");
            row.put(left + 3, &format!("{line} "));
            self.push(row);
        }
    }

    /// Beside the phone: to its right, but the last one's to its left.
    fn note(&mut self, at: &str, who: usize, text: &str) {
        let x = self.x(who);
        let is_last = who > 0 && who + 1 == self.ladder.columns().len();
        for (number, line) in plain::wrap(text, self.gap - 7, MAX_LINES).into_iter().enumerate() {
            let mut row = self.lifelines(if number == 0 { at } else { "" });
            let mark = if number == 0 { '•' } else { ' ' };
            match is_last {
                true => row.put(x - 3 - line.chars().count(), &format!("{line} {mark}")),
                false => row.put(x + 2, &format!("{mark} {line}")),
            }
            self.push(row);
        }
    }

    fn lifelines(&self, at: &str) -> Row {
        let mut row = Row(vec![]);
        row.put(0, &format!("{at:>6}"));
        for column in 0..self.ladder.columns().len() {
            row.put(self.x(column), "│");
        }
        row
    }

    fn x(&self, column: usize) -> usize {
        LEFT + column * self.gap
    }

    fn push(&mut self, row: Row) {
        let line: String = row.0.into_iter().collect();
        self.text += line.trim_end();
        self.text.push('\n');
    }
}

impl Row {
    /// Writes over what stands there.
    fn put(&mut self, x: usize, text: &str) {
        for (offset, c) in text.chars().enumerate() {
            if self.0.len() <= x + offset {
                self.0.resize(x + offset + 1, ' ');
            }
            self.0[x + offset] = c;
        }
    }

    fn centre(&mut self, x: usize, text: &str) {
        self.put((x + 1).saturating_sub(text.chars().count().div_ceil(2)), text);
    }
}
