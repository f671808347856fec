//! Text of others, made harmless: what a terminal or a reader would be fooled by is written out.

use std::fmt::Write as _;

/// Longer text is cut.
const MAX: usize = 200;

/// The text on one line of at most [`MAX`] characters. Control characters, and those that reverse, hide or join what
/// stands beside them, are shown as `\u{1b}`.
pub(super) fn line(text: &str) -> String {
    let mut plain = String::new();
    for (count, c) in text.chars().enumerate() {
        match c {
            _ if count == MAX => {
                plain.push('…');
                break;
            }
            _ if is_deceptive(c) => write!(plain, "{}", c.escape_unicode()).unwrap_or_default(),
            _ => plain.push(c),
        }
    }
    plain
}

/// Unicode's categories Cc, Zl and Zp, and of Cf those that change how a line looks.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text, with an ellipsis if it had to be cut to `width` characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.into(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The text on at most `lines` lines of `width` characters, broken at spaces where there are any.
pub(crate) fn wrap(text: &str, width: usize, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = vec![];
    let mut rest = text.trim();
    while let (Some((end, _)), true) = (rest.char_indices().nth(width), wrapped.len() + 1 < lines) {
        // A space right behind the width still ends the line there.
        let end = end + rest[end..].starts_with(' ') as usize;
        let at = rest[..end].rfind(' ').unwrap_or(end);
        wrapped.push(rest[..at].trim_end().into());
        rest = rest[at..].trim_start();
    }
    wrapped.push(cut(rest, width));
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_peer_moves_the_cursor() {
        assert_eq!(line("a\x1b[2Jb\r\nc\u{202e}d"), r"a\u{1b}[2Jb\u{d}\u{a}c\u{202e}d");
        assert_eq!(line("Besetzt, später"), "Besetzt, später");
        assert_eq!(line(&"x".repeat(70_000)).chars().count(), MAX + 1);
    }

    #[test]
    fn long_text_is_cut_or_wrapped_to_its_place() {
        assert_eq!((cut("abcdef", 6), cut("abcdef", 5)), ("abcdef".into(), "abcd…".into()));
        assert_eq!(wrap("one two three four", 9, 3), ["one two", "three", "four"]);
        assert_eq!(wrap("one two three four", 9, 2), ["one two", "three fo…"]);
        assert_eq!(wrap("onetwothree", 4, 9), ["onet", "woth", "ree"]);
    }

    proptest! {
        #[test]
        fn wrapped_text_fits(text in any::<String>(), width in 1..40_usize, lines in 1..5_usize) {
            let wrapped = wrap(&text, width, lines);
            prop_assert!(wrapped.len() <= lines);
            prop_assert!(wrapped.iter().all(|line| line.chars().count() <= width));
        }

        #[test]
        fn a_line_stays_one_line(text in any::<String>()) {
            prop_assert!(!line(&text).chars().any(is_deceptive));
        }
    }
}
