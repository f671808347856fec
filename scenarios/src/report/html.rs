//! Pieces of HTML: text made harmless, tables, and lists that end before the page is too long.

/// Longer text of others is cut to so many characters.
const MAX_TEXT: usize = 600;

/// Puts values where the template says `{{name}}`, in one pass: what a value contains is not looked at.
pub(super) fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
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

/// Text as HTML and XML want it, also between quotation marks: what would hide or reverse what stands beside it is
/// written out, and it ends after [`MAX_TEXT`] characters.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len().min(MAX_TEXT * 2));
    for (count, c) in text.chars().enumerate() {
        match c {
            _ if count == MAX_TEXT => {
                escaped.push('…');
                break;
            }
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // Here a line break is a space.
            '\n' | '\r' | '\t' => escaped.push(' '),
            _ if crate::ladder::is_deceptive(c) => escaped.push('\u{fffd}'),
            // No characters of XML 1.0 (section 2.2).
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Many pieces of one kind, up to a limit of octets: what comes after it is counted and not kept.
pub(super) struct Bounded {
    html: String,
    limit: usize,
    left_out: u64,
}

impl Bounded {
    pub(super) fn new(limit: usize) -> Self {
        Self { html: String::new(), limit, left_out: 0 }
    }

    pub(super) fn push(&mut self, piece: &str) -> bool {
        let fits = self.left_out == 0 && self.html.len() + piece.len() <= self.limit;
        match fits {
            true => self.html += piece,
            false => self.left_out += 1,
        }
        fits
    }

    pub(super) fn leave_out(&mut self, more: u64) {
        self.left_out += more;
    }

    pub(super) fn html(&self) -> &str {
        &self.html
    }

    /// A paragraph that says how many are missing, if any are.
    pub(super) fn rest(&self, what: &str) -> String {
        match self.left_out {
            0 => String::new(),
            n => format!("<p class=\"hint\">{n} more {what} are not shown.</p>\n"),
        }
    }
}

/// A part of the page under a heading.
pub(super) fn section(id: &str, title: &str, hint: &str, inside: &str) -> String {
    let hint = if hint.is_empty() { String::new() } else { format!("<p class=\"hint\">{hint}</p>\n") };
    format!("<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{title}</h2>\n{hint}{inside}</section>\n")
}

/// Rows of text, in one table. On a narrow screen each row is a block, its cells one below the other.
pub(super) struct Table {
    heads: &'static [&'static str],
    class: &'static str,
    rows: Bounded,
}

impl Table {
    /// Of at most so many octets.
    pub(super) fn new(heads: &'static [&'static str], class: &'static str, limit: usize) -> Self {
        Self { heads, class, rows: Bounded::new(limit) }
    }

    /// One row of cells, which are HTML already. `class` is the row's.
    pub(super) fn row(&mut self, class: &str, cells: &[String]) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let cell = |(head, cell): (&&str, &String)| format!("<td data-head=\"{head}\">{cell}</td>");
        let cells: String = self.heads.iter().zip(cells).map(cell).collect();
        self.rows.push(&format!("<tr{class}>{cells}</tr>\n"));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.html().is_empty()
    }

    /// `label` is its name for who does not see it.
    pub(super) fn html(&self, label: &str) -> String {
        let heads: String = self.heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
        format!(
            "<div class=\"box\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table class=\"{}\"><thead><tr>{heads}\
             </tr></thead><tbody>\n{}</tbody></table></div>\n{}",
            self.class,
            self.rows.html(),
            self.rows.rest("rows"),
        )
    }
}

/// A drawing with a head that stays on top and a side that stays at the left while the rest is scrolled.
pub(super) struct Sheet {
    pub(super) label: &'static str,
    /// Of the side, in pixels, as all here.
    pub(super) side_width: usize,
    pub(super) head_height: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) corner: String,
    pub(super) head: String,
    pub(super) side: String,
    pub(super) body: String,
}

impl Sheet {
    pub(super) fn html(&self) -> String {
        let Self { label, side_width, head_height, width, height, corner, head, side, body } = self;
        let svg = |class: &str, width: &usize, height: &usize, rest: &str, inside: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" width=\"{width}\" height=\"{height}\" \
                 viewBox=\"0 0 {width} {height}\" {rest}>\n{inside}</svg>\n"
            )
        };
        let hidden = "aria-hidden=\"true\"";
        format!(
            "<div class=\"box sheet\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\n\
             <div class=\"sheet-grid\" style=\"grid-template-columns:{side_width}px {width}px\">\n{}{}{}{}</div></div>\n",
            svg("corner", side_width, head_height, hidden, corner),
            svg("head-row", width, head_height, hidden, head),
            svg("side", side_width, height, hidden, side),
            svg("body", width, height, &format!("role=\"img\" aria-label=\"{label}\""), body),
        )
    }
}
