//! `[[phone]]`.

use super::{Known, check, items, name, time, word};
use crate::script::{Clock, Incoming, Keying, Name, Phone, Psk, Script};
use keyphone_config::finding::Report;
use keyphone_config::policy::{parse_expect, parse_keying, parse_on_clash, parse_suite};
use keyphone_config::section::Section;
use keyphone_config::{KeyingSystem, parse_group};
use keyphone_keying::mikey::policy::{FailedRekey, KeyForm};
use keyphone_keying::mikey::wire::registry::CacheType;
use keyphone_ua::settings::{EarlyMedia, Preconditions, Reliable};

/// Who there is, before anybody is spoken of. Mistakes are for the second walk.
pub(super) fn names(phones: &[Section<'_>], proxies: &[Section<'_>], known: &mut Known) {
    for phone in phones {
        known.phones.extend(phone.peek("name").and_then(|name| name.parse().ok()));
        known.users.extend(phone.peek("user").and_then(|name| name.parse().ok()));
    }
    for proxy in proxies {
        known.proxies.extend(proxy.peek("name").and_then(|name| name.parse().ok()));
        known.users.extend(proxy.peek_list("rules").filter_map(|rule| rule.split(' ').next()?.parse().ok()));
    }
}

pub(super) fn phones(sections: Vec<Section<'_>>, known: &mut Known, report: &mut Report<'_>) -> Vec<Phone> {
    if let Some(extra) = sections.get(Script::MAX_PHONES) {
        let message = format!("a script has {} phones at the most", Script::MAX_PHONES);
        report.error(extra.span.clone().unwrap_or_default(), "phone", message);
        return vec![];
    }
    let mut phones: Vec<Phone> = vec![];
    for mut section in sections {
        let Some((name, span)) = name(&mut section, "phone", report) else { continue };
        if phones.iter().any(|phone| phone.name == name) || known.proxies.contains(&name) {
            report.error(span, "phone.name", format!("there is already somebody called {name}"));
        }
        phones.push(phone(name, section, known, report));
    }
    phones
}

fn phone(name: Name, mut section: Section<'_>, known: &Known, report: &mut Report<'_>) -> Phone {
    let mut phone = Phone::new(name);
    if let Some(user) = word(&mut section, "user", report) {
        phone.user = user;
    }
    for (field, into) in [("home", &mut phone.home), ("through", &mut phone.through)] {
        section.parse(field, into, report, |text| {
            let proxy: Name = text.parse()?;
            check([&proxy], &known.proxies, "proxy")?;
            Ok(Some(proxy))
        });
    }
    section.number("ssrc", &mut phone.ssrc, report, |ssrc| match u32::try_from(ssrc) {
        Ok(ssrc @ 1..) => Ok(Some(ssrc)),
        _ => Err(format!("{ssrc} is no SSRC: 32 bits, and not 0")),
    });
    section.flag("tls", &mut phone.tls, report);
    keying(&mut section, &mut phone.keying, known, report);
    incoming(&mut section, &mut phone, known, report);
    section.number("tone", &mut phone.tone, report, |hz| match hz {
        0 | 200..=3_400 => Ok(Some(hz as u32)),
        _ => Err(format!("{hz} is neither 0, which is silence, nor a tone between 200 and 3400 hertz")),
    });
    time(&mut section, "jitter-buffer", "phone.jitter-buffer", &mut phone.jitter, report);
    let habits = &mut phone.habits;
    section.flag("late-offer", &mut habits.late_offer, report);
    section.flag("transfers", &mut habits.transfers, report);
    section.parse("reliable", &mut habits.reliable, report, |text| {
        one_of(
            text,
            &[("never", Reliable::Never), ("supported", Reliable::Supported), ("required", Reliable::Required)],
        )
    });
    section.parse("preconditions", &mut habits.preconditions, report, |text| {
        let table = [
            ("never", Preconditions::Never),
            ("supported", Preconditions::Supported),
            ("required", Preconditions::Required),
        ];
        one_of(text, &table)
    });
    section.parse("hears-early", &mut habits.early_media, report, |text| {
        let table = [
            ("first", EarlyMedia::First),
            ("last", EarlyMedia::Last),
            ("loudest", EarlyMedia::Loudest),
            ("none", EarlyMedia::None),
        ];
        one_of(text, &table)
    });
    section.number("redirects", &mut habits.redirects, report, |n| {
        u8::try_from(n).map_err(|_| format!("{n} are too many"))
    });
    if let Some(clock) = word::<Clock>(&mut section, "clock", report) {
        phone.clock = clock;
    }
    section.finish(report);
    phone
}

fn keying(section: &mut Section<'_>, keying: &mut Keying, known: &Known, report: &mut Report<'_>) {
    match section.peek("keying") {
        Some(_) => section.parse("keying", &mut keying.systems, report, parse_keying),
        None => section.list("keying", &mut keying.systems, report, str::parse::<KeyingSystem>),
    }
    items(section, "psk", &mut keying.psks, report, |text| {
        let psk: Psk = text.parse()?;
        let both = known.phones.union(&known.users).cloned().collect();
        check(&psk.with, &both, "phone or user")?;
        Ok(psk)
    });
    section.parse("certificate", &mut keying.certificate, report, |text| match text {
        "none" => Ok(None),
        _ => text.parse().map(Some),
    });
    items(section, "knows", &mut keying.knows, report, |text| {
        let name: Name = text.parse()?;
        check([&name], &known.phones, "phone")?;
        Ok(name)
    });
    items(section, "trusts", &mut keying.trusts, report, str::parse);
    section.parse("expects", &mut keying.expect, report, parse_expect);
    section.list("suites", &mut keying.suites, report, parse_suite);
    section.flag("allow-clear", &mut keying.allow_clear, report);
    section.parse("group", &mut keying.group, report, parse_group);
    section.flag("pfs", &mut keying.needs.pfs, report);
    section.flag("both-contribute", &mut keying.needs.both_contribute, report);
    section.flag("may-fork", &mut keying.expected.fork, report);
    section.flag("may-retarget", &mut keying.expected.retarget, report);
    section.flag("early-media-expected", &mut keying.expected.early_media, report);
    section.number("retries", &mut keying.retries, report, |n| match u8::try_from(n) {
        Ok(n @ 0..=10) => Ok(n),
        _ => Err(format!("{n} is more than the ten times that one call may be offered anew")),
    });
    section.number("mki", &mut keying.mki, report, |octets| match u8::try_from(octets) {
        Ok(octets @ 0..=128) => Ok(octets),
        _ => Err(format!("an MKI has 1 to 128 octets, and not {octets}; 0 is none")),
    });
    section.parse("keys", &mut keying.keys, report, |text| {
        let table = [
            ("tgk", KeyForm::Tgk),
            ("tgk+salt", KeyForm::TgkSalt),
            ("tek+salt", KeyForm::TekSalt),
            ("tek-with-salt", KeyForm::TekWithSalt),
        ];
        one_of(text, &table)
    });
    section.parse("cache", &mut keying.cache, report, |text| {
        one_of(text, &[("no", CacheType::NoCache), ("csb", CacheType::CacheForCsb), ("yes", CacheType::Cache)])
    });
    section.parse("failed-rekey", &mut keying.failed_rekey, report, |text| {
        one_of(text, &[("keep", FailedRekey::Keep), ("end", FailedRekey::End)])
    });
    section.parse("on-ssrc-clash", &mut keying.on_clash, report, parse_on_clash);
}

/// One of `answers-after`, `rings`, `redirects-to` and `refuses-with`.
fn incoming(section: &mut Section<'_>, phone: &mut Phone, known: &Known, report: &mut Report<'_>) {
    let fields = ["answers-after", "rings", "redirects-to", "refuses-with"];
    let there: Vec<_> = fields.into_iter().filter_map(|field| Some((field, section.span_of(field)?))).collect();
    if let [(first, _), (second, span), ..] = &there[..] {
        report.error(
            span.clone(),
            format!("phone.{second}"),
            format!("stands beside {first}, and a phone does one thing"),
        );
    }
    let (mut after, mut early) = match phone.incoming {
        Incoming::Answers { after, early } => (after, early),
        _ => (Default::default(), None),
    };
    time(section, "answers-after", "phone.answers-after", &mut after, report);
    section.number("early-media", &mut early, report, |hz| match hz {
        200..=3_400 => Ok(Some(hz as u32)),
        _ => Err(format!("{hz} is no tone between 200 and 3400 hertz")),
    });
    let (mut rings, mut redirects, mut refuses) = (false, vec![], 0);
    section.flag("rings", &mut rings, report);
    let both = known.phones.union(&known.users).cloned().collect();
    items(section, "redirects-to", &mut redirects, report, |text| {
        let name: Name = text.parse()?;
        check([&name], &both, "phone or user")?;
        Ok(name)
    });
    section.number("refuses-with", &mut refuses, report, |status| match status {
        400..=699 => Ok(status as u16),
        _ => Err(format!("{status} refuses nothing; 486 does, and all from 400 to 699")),
    });
    phone.incoming = match (rings, redirects.is_empty(), refuses) {
        (true, ..) => Incoming::Rings,
        (_, false, _) => Incoming::Redirects(redirects),
        (_, _, status @ 400..) => Incoming::Refuses(status),
        _ => Incoming::Answers { after, early },
    };
    if !matches!(phone.incoming, Incoming::Answers { .. })
        && let Some(span) = section.span_of("early-media")
    {
        report.error(span, "phone.early-media", "is for a phone that answers by itself");
    }
}

fn one_of<T: Copy>(text: &str, table: &[(&str, T)]) -> Result<T, String> {
    table.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = table.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is none of {}", words.join(", "))
    })
}
