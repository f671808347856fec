//! The small grammar of steps, attacks and expectations: a form is a row of words and places, and a sentence is read by
//! the first form that it fits.
//!
//! ```text
//! form       A hears B within TIME          A, B: a name          MANY: names      TIME: 200 ms, 1.5 s
//! sentence   alice hears bob within 200 ms  COUNT: no, one, 17    TEXT: "quoted"   KEYING: mikey-psk, none
//!                                           STATUS: 486           WHAT: media, INVITE, 200, anything
//! ```
//!
//! `it|they` is either word; `A's` is a name with an 's.

use super::name::Name;
use super::what::What;
use keyphone_config::KeyingSystem;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// One way to say something.
pub(super) struct Form<T> {
    /// Its words and places.
    pub(super) pattern: &'static str,
    /// What it means. It takes from the places what the pattern has, in that order.
    pub(super) make: fn(&mut Places) -> T,
}

/// What stood in the places of a form, from left to right.
pub(super) struct Places(VecDeque<Place>);

enum Place {
    Name(Name),
    Many(Vec<Name>),
    Time(Duration),
    Count(u64),
    Status(u16),
    Text(String),
    Keying(Keyed),
    What(What),
}

/// How a call is keyed: by a system or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyed {
    /// By this one.
    By(KeyingSystem),
    /// Clear RTP.
    Clear,
}

impl fmt::Display for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(system) => system.fmt(f),
            Self::Clear => f.write_str("none"),
        }
    }
}

macro_rules! take {
    ($($name:ident $kind:ident $type:ty;)*) => {
        impl Places {
            $(pub(super) fn $name(&mut self) -> $type {
                match self.0.pop_front() {
                    Some(Place::$kind(value)) => value,
                    _ => unreachable!("a form takes what its pattern has"),
                }
            })*
        }
    };
}

take! {
    name Name Name;
    many Many Vec<Name>;
    time Time Duration;
    count Count u64;
    status Status u16;
    text Text String;
    keying Keying Keyed;
    what What What;
}

/// Reads a sentence.
///
/// # Errors
/// What is wrong with it, and the form that is nearest.
pub(super) fn read<T>(text: &str, forms: &[Form<T>]) -> Result<T, String> {
    let words = words(text)?;
    for form in forms {
        if let Some(places) = fits(&words, form.pattern) {
            return Ok((form.make)(&mut Places(places)));
        }
    }
    let nearest = forms.iter().min_by_key(|form| distance(&words, form.pattern));
    let hint = nearest.map(|form| format!("; the nearest that is: {}", form.pattern)).unwrap_or_default();
    Err(format!("{text:?} is not understood{hint}"))
}

/// Words, with commas as words of their own and what is quoted in one piece.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = vec![];
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (inside, after) =
                quoted.split_once('\'').ok_or_else(|| format!("{text:?} opens a quotation and never closes it"))?;
            words.push(format!("'{inside}"));
            rest = after.trim_start();
        } else if let Some(after) = rest.strip_prefix(',') {
            words.push(",".into());
            rest = after.trim_start();
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    Ok(words)
}

/// The places of the pattern, if the words fit it.
fn fits(words: &[String], pattern: &str) -> Option<VecDeque<Place>> {
    let mut places = VecDeque::new();
    let mut rest = words;
    for slot in pattern.split(' ') {
        rest = take(slot, rest, &mut places)?;
    }
    rest.is_empty().then_some(places)
}

/// Takes what one word of a pattern wants, and gives what is left.
fn take<'w>(slot: &str, words: &'w [String], places: &mut VecDeque<Place>) -> Option<&'w [String]> {
    let (first, rest) = words.split_first()?;
    let (place, rest) = match slot {
        "MANY" => {
            let (names, rest) = many(words)?;
            (Place::Many(names), rest)
        }
        "TIME" => {
            let (unit, rest) = rest.split_first()?;
            (Place::Time(time(first, unit)?), rest)
        }
        "COUNT" => (Place::Count(count(first)?), rest),
        "STATUS" => (Place::Status(first.parse().ok().filter(|status| (300..700).contains(status))?), rest),
        "TEXT" => (Place::Text(first.strip_prefix('\'')?.to_owned()), rest),
        "KEYING" if first == "none" => (Place::Keying(Keyed::Clear), rest),
        "KEYING" => (Place::Keying(Keyed::By(first.parse().ok()?)), rest),
        "WHAT" => (Place::What(first.parse().ok()?), rest),
        _ => match slot.strip_suffix("'s").unwrap_or(slot) {
            name if name.len() == 1 && name.starts_with(|c: char| c.is_ascii_uppercase()) => {
                let end = if slot.len() > 1 { "'s" } else { "" };
                (Place::Name(first.strip_suffix(end)?.parse().ok()?), rest)
            }
            _ => return slot.split('|').any(|word| word == first).then_some(rest),
        },
    };
    places.push_back(place);
    Some(rest)
}

/// `a`, `a and b`, `a, b and c`.
fn many(words: &[String]) -> Option<(Vec<Name>, &[String])> {
    let (first, mut rest) = words.split_first()?;
    let mut names = vec![first.parse().ok()?];
    while let [joint, name, after @ ..] = rest
        && (joint == "," || joint == "and")
    {
        names.push(name.parse().ok()?);
        rest = after;
    }
    Some((names, rest))
}

/// `200 ms`, `1.5 s`, `2 min`.
pub(super) fn time(number: &str, unit: &str) -> Option<Duration> {
    let ms = match unit {
        "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        _ => return None,
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.') && number.len() <= 9;
    let number: f64 = number.parse().ok().filter(|_| plain)?;
    Some(Duration::from_millis((number * ms).round() as u64))
}

/// A time as [`read`] reads it.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms if ms % 1_000 == 0 => write!(f, "{} s", ms / 1_000),
            ms => write!(f, "{ms} ms"),
        }
    }
}

const NUMBERS: [&str; 11] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

fn count(word: &str) -> Option<u64> {
    let in_words = NUMBERS.iter().position(|number| *number == word).map(|n| n as u64);
    in_words.or_else(|| word.parse().ok().filter(|_| word.len() <= 9 && !word.starts_with('+')))
}

/// A number as [`read`] reads it: in words up to ten.
pub(super) struct Count(pub(super) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0).ok().and_then(|n| NUMBERS.get(n)) {
            Some(word) => f.write_str(word),
            None => self.0.fmt(f),
        }
    }
}

/// What a word costs that is wrong, missing or too much.
const WRONG: usize = 8;

/// How many words would have to change, come or go for the sentence to fit: a place costs nothing where its like stands.
fn distance(words: &[String], pattern: &str) -> usize {
    // A time is two words; what follows a name in a list belongs to it.
    let slots: Vec<_> = pattern.split(' ').collect();
    let cost = |slot: &str, at: usize| -> (usize, usize) {
        match take(slot, &words[at..], &mut VecDeque::new()) {
            // Any word may stand in some places: that says less than the right word does.
            Some(rest) => (words.len() - at - rest.len(), usize::from(slot.starts_with(char::is_uppercase))),
            // A word that is nearly right is half wrong.
            None if at < words.len() && near(slot, &words[at]) => (1, WRONG / 2),
            None => (1, WRONG),
        }
    };
    let mut costs = vec![vec![usize::MAX / 2; words.len() + 1]; slots.len() + 1];
    costs[0][0] = 0;
    for s in 0..=slots.len() {
        for w in 0..=words.len() {
            let so_far = costs[s][w];
            let mut relax = |s: usize, w: usize, more: usize| {
                if let Some(cell) = costs.get_mut(s).and_then(|row| row.get_mut(w)) {
                    *cell = (*cell).min(so_far + more);
                }
            };
            relax(s, w + 1, WRONG);
            relax(s + 1, w, WRONG);
            if s < slots.len() && w < words.len() {
                let (taken, more) = cost(slots[s], w);
                relax(s + 1, w + taken, more);
            }
        }
    }
    costs[slots.len()][words.len()]
}

/// The same first letters, or a letter more or less.
fn near(slot: &str, word: &str) -> bool {
    let common = slot.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
    common >= 3 || (common + 1 >= slot.len().min(word.len()) && slot.len().abs_diff(word.len()) <= 1)
}
