//! What is wrong with a script, and where.

use keyphone_config::finding::{Finding, Severity};
use std::fmt;

/// One mistake, with the line that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1; `None` for what the file as a whole lacks.
    pub line: Option<usize>,
    /// In characters, counted from 1.
    pub column: Option<usize>,
    /// `phone.tone`, for instance.
    pub field: String,
    /// One sentence, without a full stop.
    pub message: String,
    /// The line itself.
    pub shown: String,
}

/// All that is wrong with a script: at least one mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScriptError {
    /// As it was given.
    pub file_name: String,
    /// In the order of the lines.
    pub mistakes: Vec<Mistake>,
}

impl ScriptError {
    /// `None` if nothing is wrong.
    pub(super) fn of(file_name: &str, text: &str, findings: Vec<Finding>) -> Option<Self> {
        let mistake = |finding: Finding| {
            let line = finding.line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
            let Finding { line: number, column, field, message, .. } = finding;
            Mistake { line: number, column, field, message, shown: line.trim_end().to_owned() }
        };
        let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        let mistakes: Vec<_> = errors.map(mistake).collect();
        (!mistakes.is_empty()).then(|| Self { file_name: file_name.to_owned(), mistakes })
    }
}

/// Each with its place, and below it the line with a mark under it.
impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Mistake { line, column, field, message, shown }) in self.mistakes.iter().enumerate() {
            f.write_str(if n > 0 { "\n" } else { "" })?;
            f.write_str(&self.file_name)?;
            for number in [line, column].into_iter().flatten() {
                write!(f, ":{number}")?;
            }
            let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
            write!(f, ": {field}{message}")?;
            if let (Some(line), Some(column)) = (line, column)
                && !shown.is_empty()
            {
                // A tab in the line stays one below it.
                let before = shown.chars().take(column - 1).map(|c| if c == '\t' { c } else { ' ' });
                write!(f, "\n{line:>5} | {shown}\n      | {}^", before.collect::<String>())?;
            }
        }
        Ok(())
    }
}
