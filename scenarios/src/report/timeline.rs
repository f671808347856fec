//! The key timeline: for each phone and branch, from when to when it had which key, and what it heard and said under it.

use super::axis::{Axis, MARGIN, WIDTH};
use super::html::{Bounded, Sheet, escape, section as part};
use super::lanes::{Group, Lane, groups};
use super::peers::Peers;
use super::uses::Uses;
use super::{Page, ladder};
use crate::ladder::cut;
use keyphone_media::env::Instant;
use keyphone_ua::event::KeyUse;
use std::fmt::Write as _;

/// In pixels, as all here: the names at the left.
const SIDE: usize = 150;
const HEAD: usize = 30;
/// A phone's name, what happened on a branch, a key.
const PHONE: usize = 34;
const STORY: usize = 24;
const LANE: usize = 34;
/// In octets: what comes after it is not shown.
const MAX: usize = 190_000;

const HINT: &str = "A thin line: the key is there. A filled bar: packets went under it. An open bar: the same before the \
                    call was answered, which a stroke across marks. Where nothing happens for long the axis is cut.";

pub(super) fn section(page: &Page<'_>, uses: &Uses<'_>, peers: &Peers<'_>) -> String {
    let groups: Vec<_> = (0..page.phones.len()).flat_map(|phone| groups(page, uses, peers, phone)).collect();
    if groups.is_empty() {
        return String::new();
    }
    let axis = Axis::of(groups.iter().flat_map(instants));
    let mut drawing = Drawing { axis, y: 8, side: String::new(), body: Bounded::new(MAX) };
    let mut phone = None;
    for group in &groups {
        if phone != Some(group.phone) && drawing.phone(&page.phones[group.phone].name) {
            phone = Some(group.phone);
        }
        drawing.group(group);
    }
    let rest = drawing.body.rest("lines");
    let sheet = drawing.sheet();
    part("timeline", "Which key, from when to when", HINT, &(sheet.html() + &rest))
}

fn instants(group: &Group) -> impl Iterator<Item = Instant> {
    let lanes = group.lanes.iter().flat_map(|lane| {
        let spells = lane.spells.iter().flat_map(|spell| [spell.from, spell.to]);
        [lane.known.0, lane.known.1].into_iter().chain(spells)
    });
    group.branch.story.iter().map(|(at, _)| *at).chain(lanes)
}

struct Drawing {
    axis: Axis,
    y: usize,
    side: String,
    body: Bounded,
}

impl Drawing {
    /// One row: nothing of it if it has no room.
    fn row(&mut self, height: usize, side: String, body: &str) -> bool {
        let fits = self.body.push(body);
        if fits {
            self.side += &side;
            self.y += height;
        }
        fits
    }

    fn phone(&mut self, name: &str) -> bool {
        let (line, y) = (self.y + 4, self.y + 24);
        let name = escape(&cut(name, ladder::chars(SIDE - 20)));
        let side = format!(
            "<line class=\"rule\" x1=\"0\" y1=\"{line}\" x2=\"{SIDE}\" y2=\"{line}\"/>\
             <text class=\"name\" x=\"12\" y=\"{y}\">{name}</text>\n"
        );
        let wide = WIDTH + 2 * MARGIN;
        let body = format!("<line class=\"rule\" x1=\"0\" y1=\"{line}\" x2=\"{wide}\" y2=\"{line}\"/>\n");
        self.row(PHONE, side, &body)
    }

    fn group(&mut self, group: &Group) {
        let (y, branch) = (self.y + 16, &group.branch);
        let fits = ladder::chars(SIDE - 24);
        let name = escape(&cut(&branch.name, fits));
        let title = match branch.tag.is_empty() {
            true => String::new(),
            false => format!("<title>branch {}</title>", escape(&branch.tag)),
        };
        let side = format!("<text class=\"peer\" x=\"12\" y=\"{y}\">{name}{title}</text>\n");
        let story = escape(&cut(&branch.story(), ladder::chars(WIDTH)));
        let body = format!("<text class=\"soft\" x=\"{MARGIN}\" y=\"{y}\">{story}</text>\n");
        self.row(STORY, side, &body);
        for lane in &group.lanes {
            self.lane(lane, branch.answered);
        }
    }

    fn lane(&mut self, lane: &Lane, answered: Option<Instant>) {
        let (class, verb) = match (&lane.key, lane.use_for) {
            (None, _) => ("lane none", "no key"),
            (_, KeyUse::Send) => ("lane speaks", "speaks"),
            (_, KeyUse::Hear) => ("lane hears", "hears"),
        };
        let (text_y, bar_y) = (self.y + 12, self.y + 22);
        let key = lane.key.as_deref().unwrap_or_default();
        let side =
            format!("<text class=\"{class}\" x=\"22\" y=\"{}\">{verb} {}</text>\n", self.y + 20, escape(&cut(key, 9)),);
        let (x1, x2) = (self.axis.x(lane.known.0), self.axis.x(lane.known.1));
        let mut body = format!("<g class=\"{class}\"><title>{verb} {}: {}</title>", escape(key), escape(&lane.text));
        let _ =
            write!(body, "<line class=\"known\" x1=\"{x1}\" y1=\"{bar_y}\" x2=\"{}\" y2=\"{bar_y}\"/>", x2.max(x1 + 2));
        for spell in &lane.spells {
            let (from, to) = (self.axis.x(spell.from), self.axis.x(spell.to));
            let class = if spell.early { "early" } else { "full" };
            let _ = write!(
                body,
                "<rect class=\"{class}\" x=\"{from}\" y=\"{}\" width=\"{}\" height=\"9\"/>",
                bar_y - 4,
                (to - from).max(3)
            );
        }
        if let Some(x) = answered.map(|answered| self.axis.x(answered)) {
            let (top, bottom) = (bar_y - 8, bar_y + 8);
            let _ = write!(body, "<line class=\"answered\" x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{bottom}\"/>");
        }
        // Beside the beginning of the line; if there is no room, before its end.
        let starts = x1 < (MARGIN + WIDTH * 11 / 20) as u64;
        let (x, anchor) = if starts { (x1, "start") } else { (x2.max(x1 + 2), "end") };
        let text = escape(&cut(&lane.text, ladder::chars(WIDTH * 9 / 20).max(20)));
        let _ = writeln!(body, "<text x=\"{x}\" y=\"{text_y}\" text-anchor=\"{anchor}\">{text}</text></g>");
        self.row(LANE, side, &body);
    }

    fn sheet(self) -> Sheet {
        let (wide, high) = (WIDTH + 2 * MARGIN, self.y + 12);
        let (mut head, mut grid) = (String::new(), String::new());
        for (x, label) in self.axis.ticks() {
            let _ = writeln!(head, "<text class=\"at\" x=\"{x}\" y=\"20\" text-anchor=\"middle\">{label}</text>");
            let _ = writeln!(grid, "<line class=\"grid\" x1=\"{x}\" y1=\"0\" x2=\"{x}\" y2=\"{high}\"/>");
        }
        for x in self.axis.breaks() {
            let _ = writeln!(head, "<text class=\"at\" x=\"{x}\" y=\"20\" text-anchor=\"middle\">//</text>");
            let _ = writeln!(
                grid,
                "<line class=\"break\" x1=\"{}\" y1=\"0\" x2=\"{}\" y2=\"{high}\"/>\
                 <line class=\"break\" x1=\"{}\" y1=\"0\" x2=\"{}\" y2=\"{high}\"/>",
                x - 3,
                x - 3,
                x + 3,
                x + 3
            );
        }
        Sheet {
            label: "key timeline",
            side_width: SIDE,
            head_height: HEAD,
            width: wide,
            height: high,
            corner: "<text class=\"at\" x=\"12\" y=\"20\">seconds</text>".into(),
            head,
            side: self.side,
            body: grid + self.body.html(),
        }
    }
}
