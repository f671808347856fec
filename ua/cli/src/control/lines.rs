//! Lines of stdin, however they are cut into reads: bounded, and none lost because another was bad.

/// A longer line is thrown away, up to its end, and said so.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// Puts lines together.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    /// The line was too long: what is left of it is not kept.
    skips: bool,
}

impl Lines {
    /// Takes what was read, and gives the lines that are complete now: without their ends, and without empty ones.
    pub(crate) fn take(&mut self, octets: &[u8]) -> Vec<Result<String, String>> {
        let mut lines = vec![];
        let mut parts = octets.split(|octet| *octet == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.add(part);
            if parts.peek().is_some() {
                lines.extend(self.end());
            }
        }
        lines
    }

    /// The last line, if nothing ended it.
    pub(crate) fn end(&mut self) -> Option<Result<String, String>> {
        let line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.skips) {
            return Some(Err(format!("the line is longer than {MAX_LINE} octets")));
        }
        match String::from_utf8(line) {
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) => Some(Ok(line)),
            Err(_) => Some(Err("the line is not UTF-8".into())),
        }
    }

    fn add(&mut self, part: &[u8]) {
        if self.begun.len() + part.len() > MAX_LINE {
            self.skips = true;
        }
        match self.skips {
            true => self.begun = vec![],
            false => self.begun.extend_from_slice(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = "{\"a\":1}\r\n\n  \n{\"b\":\"ü\"}\nlast";
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let mut all: Vec<_> = text.as_bytes().chunks(size).flat_map(|chunk| lines.take(chunk)).collect();
            all.extend(lines.end());
            let all: Vec<_> = all.iter().map(|line| line.as_ref().unwrap().trim()).collect();
            assert_eq!(all, ["{\"a\":1}", "{\"b\":\"ü\"}", "last"], "{size}");
            assert_eq!(lines.end(), None);
        }
    }

    #[test]
    fn a_line_without_end_fills_no_memory_and_the_next_one_is_read() {
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            assert_eq!(lines.take(&[b'x'; 8_192]), []);
            assert!(lines.begun.capacity() <= 2 * MAX_LINE);
        }
        let read = lines.take(b"x\ngood\n\xff\nalso good\n");
        assert_eq!(
            read,
            [
                Err(format!("the line is longer than {MAX_LINE} octets")),
                Ok("good".into()),
                Err("the line is not UTF-8".into()),
                Ok("also good".into()),
            ]
        );
    }
}
