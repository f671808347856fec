//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// One thing that is wrong or doubtful in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Does it keep the file from being used?
    pub severity: Severity,
    /// Counted from 1; `None` for what the file as a whole lacks.
    pub line: Option<usize>,
    /// In characters, counted from 1; there whenever `line` is.
    pub column: Option<usize>,
    /// `audio.jitter`, for instance; empty where no field can be named.
    pub field: String,
    /// One sentence, without a full stop. Never holds a secret.
    pub message: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but perhaps should not.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl Finding {
    pub(crate) fn unreadable(error: &std::io::Error) -> Self {
        let message = format!("the configuration file cannot be read: {error}");
        Self { severity: Severity::Error, line: None, column: None, field: String::new(), message }
    }

    /// `keyphone.toml:12:8: audio.jitter: ..`, without the severity.
    pub fn sentence(&self, file_name: &str) -> String {
        let mut text = file_name.to_owned();
        for number in [self.line, self.column].into_iter().flatten() {
            text += &format!(":{number}");
        }
        if !self.field.is_empty() {
            text += &format!(": {}", self.field);
        }
        text + ": " + &self.message
    }
}

/// Why a configuration cannot be used: the first mistake in it, with its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", finding.sentence(file_name))]
pub struct ConfigError {
    /// As it was given.
    pub file_name: String,
    /// The mistake.
    pub finding: Finding,
}

impl ConfigError {
    pub(crate) fn new(file_name: &str, finding: Finding) -> Self {
        Self { file_name: file_name.to_owned(), finding }
    }
}

/// Byte offsets in the file's text, as `toml` gives them.
pub type Span = Range<usize>;

/// Collects findings while a file is read, and turns offsets into lines.
pub struct Report<'t> {
    text: &'t str,
    findings: Vec<Finding>,
}

impl<'t> Report<'t> {
    /// Of a file's text.
    pub fn new(text: &'t str) -> Self {
        Self { text, findings: vec![] }
    }

    /// What keeps the file from being used.
    pub fn error(&mut self, span: Span, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Error, Some(span), field.into(), message.into());
    }

    /// What does not.
    pub fn warning(&mut self, span: Option<Span>, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Warning, span, field.into(), message.into());
    }

    /// A key that everybody on the machine can read is no secret.
    #[cfg(unix)]
    pub fn warn_if_open(&mut self, key: &Path, span: &Span, field: &str) {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(key).map_or(0, |m| m.permissions().mode());
        if mode & 0o077 != 0 {
            let message = format!("others can read {}: chmod 600 keeps them out", key.display());
            self.warning(Some(span.clone()), field, message);
        }
    }

    /// Other systems keep their files in other ways.
    #[cfg(not(unix))]
    pub fn warn_if_open(&mut self, _: &Path, _: &Span, _: &str) {}

    /// What is not TOML. `Display` of the error would quote the line, and the line may hold a key; `message` does not.
    /// Of several mistakes in one line only the first is sure to be one.
    pub fn syntax(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or(self.text.len()..self.text.len());
        let line = Some(self.place(span.start).0);
        if self.findings.iter().any(|f| f.line == line) {
            return;
        }
        let (field, value) = self.broken_line(span.start);
        let why = error.message().trim_end_matches(", expected nothing");
        let unquoted = value.starts_with(|c: char| c.is_ascii_alphanumeric()) && !why.contains("duplicate");
        let hint = if unquoted { "; a string stands in quotation marks" } else { "" };
        self.push(Severity::Error, Some(span), field.to_owned(), format!("this is not TOML: {why}{hint}"));
    }

    /// In the order of the lines; what concerns the whole file comes last.
    pub fn into_findings(self) -> Vec<Finding> {
        let mut findings = self.findings;
        findings.sort_by_key(|f| (f.line.unwrap_or(usize::MAX), f.column));
        findings
    }

    fn push(&mut self, severity: Severity, span: Option<Span>, field: String, message: String) {
        let (line, column) = span.map(|s| self.place(s.start)).unzip();
        self.findings.push(Finding { severity, line, column, field, message });
    }

    /// All before an offset; an offset that no character starts at is moved back to one that does.
    fn before(&self, offset: usize) -> &'t str {
        &self.text[..self.text.floor_char_boundary(offset)]
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.before(offset);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The field that a broken line starts with, if it looks like one of ours, and what follows its equals sign.
    fn broken_line(&self, offset: usize) -> (&'t str, &'t str) {
        let start = self.before(offset).rfind('\n').map_or(0, |i| i + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let Some((name, value)) = line.split_once('=') else { return ("", "") };
        let name = name.trim();
        let ours = name.len() <= 24 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        (if ours { name } else { "" }, value.trim_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let report = Report::new("a\nbü = x\n");
        assert_eq!(report.place(0), (1, 1));
        assert_eq!(report.place(2), (2, 1));
        assert_eq!(report.place(5), (2, 3));
        assert_eq!(report.place(4), (2, 2), "in the middle of a character");
        assert_eq!(report.place(999), (3, 1), "past the end");
    }

    #[test]
    fn a_sentence_leaves_out_what_is_not_known() {
        let mut finding = Finding {
            severity: Severity::Error,
            line: Some(3),
            column: Some(7),
            field: "audio.jitter".into(),
            message: "no".into(),
        };
        assert_eq!(finding.sentence("k.toml"), "k.toml:3:7: audio.jitter: no");
        (finding.line, finding.column, finding.field) = (None, None, String::new());
        assert_eq!(finding.sentence("k.toml"), "k.toml: no");
    }
}
