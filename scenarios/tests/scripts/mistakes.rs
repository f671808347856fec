//! A mistake in a script is pointed at by its line, and what would be right is said.

use keyphone_scenarios::script::Script;

/// Two phones and whatever else.
fn script(more: &str) -> String {
    format!(
        "title = \"t\"\nabout = \"a\"\nsteps = [\"at 0 s alice calls bob\"]\nexpect = [\"alice and bob talk\"]\n{more}\n\
         [[phone]]\nname = \"alice\"\n[[phone]]\nname = \"bob\"\n"
    )
}

fn mistakes(text: &str) -> String {
    Script::parse(text, "my.toml").unwrap_err().to_string()
}

#[test]
fn a_sentence_that_is_not_understood_is_shown_with_the_nearest_that_is() {
    let text = script("").replace("alice calls bob", "alice call bob");
    assert_eq!(
        mistakes(&text),
        "my.toml:3:10: steps: \"alice call bob\" is not understood; the nearest that is: A calls B\n\
         \x20   3 | steps = [\"at 0 s alice call bob\"]\n\
         \x20     |          ^"
    );
    let text = script("").replace("alice and bob talk", "alice hears bob in 200 ms");
    assert_eq!(
        mistakes(&text),
        "my.toml:4:11: expect: \"alice hears bob in 200 ms\" is not understood; the nearest that is: A hears B within TIME\n\
         \x20   4 | expect = [\"alice hears bob in 200 ms\"]\n\
         \x20     |           ^"
    );
}

#[test]
fn nearest_means_what_was_probably_meant() {
    for (written, meant) in [
        ("alice never hear bob", "A never hears B"),
        ("no branch shares keys with another", "no branch shares a key with another"),
        ("every call end", "every call ends"),
        ("one dialog left", "COUNT dialog|dialogs is|are left"),
        ("nothing unauthenticated is played", "nothing unauthenticated was played"),
        ("alice is refused for keying", "A's call is refused for keying"),
        ("bob rings once keyed", "A rings only once keyed"),
        ("alice drops replayed packets", "A drops COUNT replayed packet|packets"),
        ("alice verifies one answer before she hears bob", "A verifies COUNT answer|answers before it hears anybody"),
        ("alice clips at most 40 of bob", "A clips at most TIME of B"),
        (
            "alice keeps four packets of bob for their key",
            "A keeps at least COUNT packet|packets of B for its|their key",
        ),
        ("alice sends one INVITES", "A sends COUNT WHAT"),
    ] {
        let message = mistakes(&script("").replace("alice and bob talk", written));
        let first = message.lines().next().unwrap();
        assert!(first.ends_with(&format!("the nearest that is: {meant}")), "{first}");
    }
}

#[test]
fn whoever_is_spoken_of_and_not_there_is_named_with_those_who_are() {
    let text = script("").replace("alice calls bob", "alice calls rob");
    let first = mistakes(&text);
    assert!(
        first.contains("my.toml:3:10: steps: there is no phone or user called rob; there are alice, bob"),
        "{first}"
    );
    let text = script("").replace("alice and bob talk", "alice hears mallory");
    assert!(mistakes(&text).contains("expect: there is no phone called mallory; there are alice, bob"));
    let text = script("[[proxy]]\nname = \"p\"\nrules = [\"bob forks to alice and rob\"]");
    assert!(
        mistakes(&text).contains("my.toml:7:10: rules: there is no phone or user called rob"),
        "{}",
        mistakes(&text)
    );
    let text = script("").replace("name = \"bob\"", "name = \"bob\"\nhome = \"proxy\"");
    assert!(mistakes(&text).contains("there is no proxy in this script"), "{}", mistakes(&text));
    let text = script("[[attacker]]\nname = \"alice\"\ndoes = [\"reflects media of carol\"]");
    let both = mistakes(&text);
    assert!(both.contains("my.toml:6:8: attacker.name: there is already somebody called alice"), "{both}");
    assert!(both.contains("my.toml:7:9: does: there is no phone called carol"), "{both}");
}

#[test]
fn every_mistake_of_a_file_is_told_at_once_in_the_order_of_its_lines() {
    let text = script("lenght = \"3 s\"\nlength = \"3 seconds\"\n[[link]]\nloss = \"5\"\nbetween = [\"alice\"]");
    let told = mistakes(&text);
    let heads: Vec<_> = told.lines().filter(|line| line.starts_with("my.toml")).collect();
    assert_eq!(heads.len(), 4, "{told}");
    assert!(heads[0].starts_with("my.toml:5:1: lenght: there is no such section; there are title, about"), "{told}");
    assert!(heads[1].starts_with("my.toml:6:10: length: "), "{told}");
    assert!(heads[2].starts_with("my.toml:7:1: link: is between two"), "{told}");
    assert!(heads[3].starts_with("my.toml:8:8: link.loss: \"5\" is no part of a hundred"), "{told}");
}

#[test]
fn a_field_of_a_phone_says_what_it_may_be() {
    for (field, says) in [
        ("tone = 9000", "9000 is neither 0, which is silence, nor a tone between 200 and 3400 hertz"),
        ("keying = [\"mikey-dh\"]", "\"mikey-dh\" is no keying system of this build"),
        ("certificate = \"ecdsa\"", "\"ecdsa\" is neither \"p256\" nor \"rsa\""),
        ("clock = \"fast\"", "\"fast\" is not how far a clock is off, as in \"10 s ahead\""),
        ("refuses-with = 200", "200 refuses nothing"),
        ("rings = true\nrefuses-with = 486", "refuses-with: stands beside rings, and a phone does one thing"),
        ("rings = true\nearly-media = 700", "is for a phone that answers by itself"),
        ("preconditions = \"yes\"", "\"yes\" is none of never, supported, required"),
        ("psk = [\"Blue\"]", "\"Blue\" is no name: a lower-case letter"),
        ("cache = \"always\"", "\"always\" is none of no, csb, yes"),
        ("on-ssrc-clash = \"stay\"", "\"stay\" is none of leave, rekey and move"),
        ("knows = [\"carol\"]", "there is no phone called carol"),
        ("colour = \"red\"", "there is no such field; there are name, user"),
        ("name = \"to\"", "\"to\" is a word of the sentences here"),
    ] {
        let text = match field.strip_prefix("name") {
            Some(_) => script("").replace("name = \"bob\"", field),
            None => script("") + field + "\n",
        };
        let told = mistakes(&text);
        assert!(told.contains(says), "{field}: {told}");
    }
}

#[test]
fn what_is_no_toml_or_lacks_everything_is_said_so() {
    assert!(mistakes("title = t").starts_with("my.toml:1:9: title: this is not TOML"), "{}", mistakes("title = t"));
    let told = mistakes("");
    for field in
        ["title: is missing", "about: is missing", "phone: is missing", "steps: is missing", "expect: is missing"]
    {
        assert!(told.contains(field), "{told}");
    }
    let crowd: String = (0..101).map(|n| format!("[[phone]]\nname = \"p{n}\"\n")).collect();
    assert!(mistakes(&(script("") + &crowd)).contains("a script has 100 phones at the most"));
    assert!(mistakes(&script("length = \"2h\"")).contains("length: "));
    assert!(mistakes(&script("length = \"61m\"")).contains("no world goes on for longer than 60m"));
}

#[test]
fn no_text_panics_the_reader() {
    let whole = keyphone_scenarios::book::find("fork-3").unwrap().text;
    for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)).step_by(7) {
        let _ = Script::parse(&whole[..end], "cut.toml");
    }
    for sentence in
        ["", " ", "'", "at", "at 1 s", "at 1 s '", ",", "a,", "alice's", "A", "at 99999999999 s alice calls bob", "ü"]
    {
        let _ = Script::parse(&script("").replace("at 0 s alice calls bob", sentence), "s.toml");
        let _ = Script::parse(&script("").replace("alice and bob talk", sentence), "s.toml");
    }
}
