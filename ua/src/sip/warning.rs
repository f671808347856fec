//! Warning (RFC 3261 section 20.43): `warn-code SP warn-agent SP warn-text`.

use std::fmt;

use super::scan::{self, Scan};

/// What was not quite right, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits; 3xx is about the session description.
    pub code: u16,
    /// A host with a port, or a pseudonym.
    pub agent: String,
    /// For people to read.
    pub text: String,
}

impl Warning {
    pub(super) fn parse(value: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(value);
        let digits = scan.run(|c| c.is_ascii_digit());
        let code =
            Some(digits).filter(|d| d.len() == 3).and_then(scan::number).ok_or("its code has not three digits")?;
        if !scan.eat(' ') {
            return Err("no blank follows its code");
        }
        let agent = scan.blanks().run(|c| c.is_ascii_graphic() && c != '"').to_owned();
        if agent.is_empty() || !scan.eat(' ') {
            return Err("it does not name its agent");
        }
        let text = scan.blanks().quoted()?.ok_or("its text is not quoted")?;
        match scan.blanks().is_done() {
            true => Ok(Self { code, agent, text: scan::unquote(text) }),
            false => Err("something follows its text"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {} {}", self.code, self.agent, scan::quote(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_read_as_it_was_written() {
        let line = r#"307 isi.edu "Session parameter \"foo\" not understood""#;
        let warning = Warning::parse(line).unwrap();
        assert_eq!((warning.code, warning.text.as_str()), (307, "Session parameter \"foo\" not understood"));
        assert_eq!(warning.to_string(), line);
        let low = "076 isi.edu \"x\"";
        assert_eq!(Warning::parse(low).unwrap().to_string(), low, "a code has three digits");
        for bad in ["1812 overture \"In Progress\"", "307 isi.edu", "307 \"x\"", "307 a \"x", "307 a \"x\" y"] {
            assert!(Warning::parse(bad).is_err(), "{bad}");
        }
    }
}
