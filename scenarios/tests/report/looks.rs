//! What makes the page readable for many: light and dark, narrow, without colours, by ear.

use crate::story;
use crate::worlds::fork;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::report::page;
use std::collections::BTreeMap;

/// The colours of a scheme, by name.
fn colours(css: &str) -> BTreeMap<&str, [f64; 3]> {
    let block = css.split_once(":root {").unwrap().1.split_once('}').unwrap().0;
    let colour = |line: &'_ str| {
        let (name, value) = line.trim().strip_prefix("--")?.strip_suffix(';')?.split_once(": #")?;
        let channel = |n: usize| f64::from(u8::from_str_radix(&value[2 * n..2 * n + 2], 16).unwrap()) / 255.0;
        Some((name.to_owned(), [0, 1, 2].map(channel)))
    };
    let names =
        block.lines().filter_map(|line| Some((line.trim().strip_prefix("--")?.split_once(':')?.0, colour(line)?.1)));
    names.collect()
}

/// WCAG 2.1, "relative luminance".
fn luminance(colour: [f64; 3]) -> f64 {
    let [r, g, b] = colour.map(|c| if c <= 0.03928 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_stands_out_from_its_ground_in_light_and_in_dark() {
    let html = page(&story("Colours", 2), &fork(1, Link::PERFECT));
    let css = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let (light, dark) = css.split_once("@media (prefers-color-scheme: dark)").expect("there is a dark scheme");
    for (scheme, colours) in [("light", colours(light)), ("dark", colours(dark))] {
        let mut pairs = vec![("good", "good-box"), ("bad", "bad-box"), ("ink", "bad-box"), ("soft", "bad-box")];
        for text in ["ink", "soft", "accent", "media", "good", "bad"] {
            pairs.extend([(text, "page"), (text, "box")]);
        }
        for (text, ground) in pairs {
            let contrast = contrast(colours[text], colours[ground]);
            assert!(contrast >= 4.5, "{scheme}: {text} on {ground}: {contrast:.2}");
        }
    }
}

#[test]
fn every_part_has_a_heading_and_whatever_scrolls_has_a_name_and_takes_the_keyboard() {
    let html = page(&story("Parts", 2), &fork(2, Link::PERFECT));
    assert_eq!(html.matches("<h1>").count(), 1);
    assert_eq!(html.matches("<section aria-labelledby=").count(), html.matches("<h2 id=").count());
    for id in ["expected", "listen", "ladder", "timeline", "keys", "proofs", "refused", "media", "events"] {
        assert_eq!(html.matches(&format!("<h2 id=\"{id}\">")).count(), 1, "{id}");
    }
    assert_eq!(
        html.matches("role=\"region\" aria-label=").count(),
        html.matches("tabindex=\"0\" role=\"region\"").count()
    );
    assert_eq!(
        html.matches("<svg").count(),
        html.matches("aria-hidden=\"true\"").count() + html.matches("role=\"img\"").count()
    );
    assert!(html.contains("width=device-width, initial-scale=1"));
}

#[test]
fn colour_is_never_the_only_sign() {
    let html = page(&story("Signs", 2), &fork(2, Link::PERFECT));
    assert_eq!(html.matches("<span class=\"word\">✓ met</span>").count(), 2);
    assert_eq!(html.matches("<span class=\"word\">✗ not met</span>").count(), 1);
    for lane in html.split("<text class=\"lane ").skip(1) {
        let (class, text) = lane.split_once('"').unwrap();
        assert!(text.split_once('>').unwrap().1.starts_with(class), "{class}");
    }
}
