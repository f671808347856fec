//! What a script says: each sentence is read as it is written, and written as it is read.

use keyphone_scenarios::book;
use keyphone_scenarios::script::{Attack, Deed, Expectation, Rule, Script, Step};
use std::fmt::{Debug, Display};
use std::str::FromStr;

#[test]
fn a_script_that_is_written_and_read_again_is_the_same() {
    for page in book::ALL {
        let script = page.script().unwrap();
        let text = script.to_string();
        let again = Script::parse(&text, page.name).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(again, script, "{}", page.name);
    }
}

/// A sentence of a form, with something in each place.
pub(crate) fn example(form: &str) -> String {
    let word = |slot: &str| match slot {
        "MANY" => "alice, bob and carol".to_owned(),
        "TIME" => "1500 ms".to_owned(),
        "COUNT" => "17".to_owned(),
        "STATUS" => "486".to_owned(),
        "TEXT" => "'one two'".to_owned(),
        "KEYING" => "mikey-dhsign".to_owned(),
        "WHAT" => "INVITE".to_owned(),
        "A" => "alice".to_owned(),
        "B" => "bob".to_owned(),
        "C" => "carol".to_owned(),
        _ => slot.split('|').next_back().unwrap().replace("A's", "alice's"),
    };
    form.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Each form reads its example, and what was read is written as it stood there.
fn round_trip<T: FromStr<Err = String> + Display + Debug + PartialEq>(forms: impl Iterator<Item = String>) {
    let mut count = 0;
    for form in forms {
        let example = example(&form);
        let read: T = example.parse().unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(read.to_string(), example, "{form}");
        assert_eq!(read.to_string().parse::<T>().as_ref(), Ok(&read), "{form}");
        count += 1;
    }
    assert!(count > 3);
}

#[test]
fn every_form_of_every_sentence_is_read_and_written_alike() {
    round_trip::<Step>(Step::forms());
    round_trip::<Expectation>(Expectation::forms());
    round_trip::<Attack>(Deed::forms());
    round_trip::<Rule>(Rule::forms());
}

#[test]
fn numbers_and_times_may_be_written_as_people_do() {
    for (sentence, canonical) in [
        ("one dialog is left at 1.5 s", "one dialog is left at 1500 ms"),
        ("1 dialog is left at 2 min", "one dialog is left at 120 s"),
        ("0 dialogs are left", "no dialogs are left"),
        ("bob drops at least 10 replayed packets", "bob drops at least ten replayed packets"),
        ("  alice   and bob talk ", "alice and bob talk"),
    ] {
        assert_eq!(sentence.parse::<Expectation>().map(|e| e.to_string()).as_deref(), Ok(canonical), "{sentence}");
    }
    assert_eq!("at 0.25 s alice calls bob".parse::<Step>().unwrap().to_string(), "at 250 ms alice calls bob");
    assert_eq!("drops 2 PRACK from bob".parse::<Attack>().unwrap().to_string(), "drops two PRACK from bob");
}
