//! Keys while a call runs: octets of a terminal in, strokes out. Whoever asks for a transfer types a line.

/// What one or more keys mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stroke {
    /// h: on hold, or back.
    Hold,
    /// A line was typed after t: whom the peer shall call.
    Transfer(String),
    /// 0 to 9, * and #.
    Dtmf(char),
    /// k.
    Rekey,
    /// n: the keys are for the next call from now on.
    Next,
    /// q or Ctrl-C.
    Quit,
    /// ?
    Help,
    /// A line is being typed, and this is it so far.
    Typing(String),
    /// The line was given up.
    Dropped,
    /// A key that means nothing.
    Unknown,
}

/// What the keys are, for `?`.
pub(crate) const HELP: &str =
    "h hold and resume, t transfer, 0-9 * # dial, k new keys, n next call, q hang up and leave";

/// Reads keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// What was typed of a line.
    line: Option<Vec<u8>>,
}

/// A URI is shorter.
const MAX_LINE: usize = 1024;

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const CTRL_U: u8 = 0x15;
const BACKSPACES: [u8; 2] = [0x08, 0x7f];
const ESCAPE: u8 = 0x1b;

impl Keys {
    /// Reads what a terminal gave at once.
    pub(crate) fn take(&mut self, mut octets: &[u8]) -> Vec<Stroke> {
        let mut strokes = vec![];
        while let [octet, rest @ ..] = octets {
            octets = rest;
            if *octet == ESCAPE && !rest.is_empty() {
                // An arrow or a function key: ESC [ or ESC O, and no more than the rest of its sequence.
                octets = after_sequence(rest);
                continue;
            }
            strokes.extend(match self.line.take() {
                Some(line) => self.typed(line, *octet),
                None => self.pressed(*octet),
            });
        }
        // Of a line that was pasted, the last state is enough.
        let mut strokes = strokes.into_iter().peekable();
        let mut kept = vec![];
        while let Some(stroke) = strokes.next() {
            if !matches!((&stroke, strokes.peek()), (Stroke::Typing(_), Some(Stroke::Typing(_)))) {
                kept.push(stroke);
            }
        }
        kept
    }

    fn pressed(&mut self, octet: u8) -> Option<Stroke> {
        Some(match octet {
            b'h' => Stroke::Hold,
            b'k' => Stroke::Rekey,
            b'n' => Stroke::Next,
            b'q' | CTRL_C | CTRL_D => Stroke::Quit,
            b'?' => Stroke::Help,
            b't' => {
                self.line = Some(vec![]);
                Stroke::Typing(String::new())
            }
            b'0'..=b'9' | b'*' | b'#' => Stroke::Dtmf(octet.into()),
            b'\r' | b'\n' | b' ' | ESCAPE => return None,
            _ => Stroke::Unknown,
        })
    }

    fn typed(&mut self, mut line: Vec<u8>, octet: u8) -> Option<Stroke> {
        match octet {
            b'\r' | b'\n' => {
                let line = text(&line).trim().to_owned();
                return Some(if line.is_empty() { Stroke::Dropped } else { Stroke::Transfer(line) });
            }
            ESCAPE => return Some(Stroke::Dropped),
            CTRL_C => return Some(Stroke::Quit),
            CTRL_U => line.clear(),
            _ if BACKSPACES.contains(&octet) => {
                // A character of many octets goes as a whole.
                while line.pop().is_some_and(|octet| octet & 0xc0 == 0x80) {}
            }
            _ if octet >= b' ' && line.len() < MAX_LINE => line.push(octet),
            _ => {}
        }
        let shown = text(&line);
        self.line = Some(line);
        Some(Stroke::Typing(shown))
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// What follows an escape sequence (ECMA-48 section 5.4: parameters, then one octet from 0x40 on).
fn after_sequence(rest: &[u8]) -> &[u8] {
    match rest {
        [b'[', sequence @ ..] => {
            let end = sequence.iter().position(|octet| (0x40..0x7f).contains(octet));
            end.map_or(&[], |end| &sequence[end + 1..])
        }
        [b'O', _, rest @ ..] => rest,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stroke::{Dropped, Dtmf, Help, Hold, Next, Quit, Rekey, Transfer, Typing, Unknown};

    fn strokes(octets: &str) -> Vec<Stroke> {
        Keys::default().take(octets.as_bytes())
    }

    #[test]
    fn each_key_means_what_the_help_says() {
        assert_eq!(
            strokes("hk1*#n?q\x03x"),
            [Hold, Rekey, Dtmf('1'), Dtmf('*'), Dtmf('#'), Next, Help, Quit, Quit, Unknown]
        );
        assert_eq!(strokes("\r\n "), []);
        for key in ["h ", "t ", "0-9 * #", "k ", "n ", "q "] {
            assert!(HELP.contains(key), "{key}");
        }
    }

    #[test]
    fn a_transfer_asks_for_a_line_in_which_keys_are_letters() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"t"), [Typing(String::new())]);
        assert_eq!(keys.take(b"sip:hq"), [Typing("sip:hq".into())]);
        assert_eq!(keys.take(b"\x7fx\x08@\x7f"), [Typing("sip:h".into())]);
        assert_eq!(keys.take("ü\x7f@host\r".as_bytes()), [Typing("sip:h@host".into()), Transfer("sip:h@host".into())]);
        assert_eq!(keys.take(b"h"), [Hold], "and then they are keys again");
    }

    #[test]
    fn a_line_can_be_given_up() {
        assert_eq!(strokes("tabc\r")[1..], [Transfer("abc".into())]);
        assert_eq!(strokes("tabc\x15\r")[1..], [Dropped]);
        assert_eq!(strokes("tabc\x1b").last(), Some(&Dropped));
        assert_eq!(strokes("tabc\x03").last(), Some(&Quit));
    }

    #[test]
    fn arrows_and_function_keys_press_nothing() {
        assert_eq!(strokes("\x1b[A\x1b[1;5C\x1bOP\x1b[15~h"), [Hold]);
        assert_eq!(strokes("\x1b"), []);
    }

    #[test]
    fn whatever_is_pasted_is_bounded() {
        let mut keys = Keys::default();
        keys.take(b"t");
        let shown = keys.take(&[b'x'; 100_000]);
        assert_eq!(shown, [Typing("x".repeat(MAX_LINE))]);
    }
}
