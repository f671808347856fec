//! From a [`Script`] to TOML, with nothing in it that is as it is anyway.

use super::sentence::Time;
use super::{Clock, Habits, Incoming, Keying, Link, Path, Phone, Script, What};
use keyphone_keying::Expect;
use keyphone_keying::mikey::policy::{FailedRekey, KeyForm};
use keyphone_keying::mikey::wire::registry::CacheType;
use keyphone_keying::policy::OnClash;
use keyphone_media::env::Instant;
use keyphone_ua::settings::{EarlyMedia, Preconditions, Reliable};
use std::fmt::{self, Display, Formatter, Write};
use std::time::Duration;

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "title = {}", Quoted(&self.title))?;
        writeln!(f, "about = {}", Quoted(&self.about))?;
        if !self.proves.is_empty() {
            list(f, "proves", &self.proves)?;
        }
        writeln!(f, "length = {}", Quoted(&Time(self.length)))?;
        lines(f, "steps", &self.steps)?;
        lines(f, "expect", &self.expect)?;
        self.phones.iter().try_for_each(|p| phone(f, p))?;
        for proxy in &self.proxies {
            writeln!(f, "\n[[proxy]]\nname = \"{}\"", proxy.name)?;
            if proxy.record_route {
                writeln!(f, "record-route = true")?;
            }
            if !proxy.rules.is_empty() {
                lines(f, "rules", &proxy.rules)?;
            }
        }
        self.links.iter().try_for_each(|l| link(f, l))?;
        for attacker in &self.attackers {
            writeln!(f, "\n[[attacker]]\nname = \"{}\"", attacker.name)?;
            lines(f, "does", &attacker.does)?;
        }
        Ok(())
    }
}

fn phone(f: &mut Formatter<'_>, phone: &Phone) -> fmt::Result {
    let usual = Phone::new(phone.name.clone());
    writeln!(f, "\n[[phone]]\nname = \"{}\"", phone.name)?;
    if phone.user != phone.name {
        writeln!(f, "user = \"{}\"", phone.user)?;
    }
    for (field, value) in [("home", &phone.home), ("through", &phone.through)] {
        if let Some(value) = value {
            writeln!(f, "{field} = \"{value}\"")?;
        }
    }
    if let Some(ssrc) = phone.ssrc {
        writeln!(f, "ssrc = {ssrc}")?;
    }
    if phone.tls {
        writeln!(f, "tls = true")?;
    }
    if let Some(tone) = phone.tone {
        writeln!(f, "tone = {tone}")?;
    }
    keying(f, &phone.keying)?;
    if phone.incoming != usual.incoming {
        match &phone.incoming {
            Incoming::Answers { after, early } => {
                writeln!(f, "answers-after = {}", Quoted(&Time(*after)))?;
                if let Some(hz) = early {
                    writeln!(f, "early-media = {hz}")?;
                }
            }
            Incoming::Rings => writeln!(f, "rings = true")?,
            Incoming::Redirects(to) => list(f, "redirects-to", to)?,
            Incoming::Refuses(status) => writeln!(f, "refuses-with = {status}")?,
        }
    }
    if phone.jitter != usual.jitter {
        writeln!(f, "jitter-buffer = {}", Quoted(&Time(phone.jitter)))?;
    }
    habits(f, &phone.habits)?;
    if phone.clock != Clock::default() {
        writeln!(f, "clock = {}", Quoted(&phone.clock))?;
    }
    Ok(())
}

fn keying(f: &mut Formatter<'_>, keying: &Keying) -> fmt::Result {
    let usual = Keying::default();
    match keying.systems.is_empty() {
        true => writeln!(f, "keying = \"none\"")?,
        false if keying.systems == usual.systems => {}
        false => list(f, "keying", &keying.systems)?,
    }
    if keying.psks != usual.psks {
        list(f, "psk", &keying.psks)?;
    }
    if let Some(certificate) = &keying.certificate {
        writeln!(f, "certificate = \"{certificate}\"")?;
    }
    if keying.knows != usual.knows {
        list(f, "knows", &keying.knows)?;
    }
    if keying.trusts != usual.trusts {
        list(f, "trusts", &keying.trusts)?;
    }
    if keying.expect != usual.expect {
        let word = match keying.expect {
            Expect::Exactly => "exactly",
            Expect::Pinned => "pinned",
            Expect::SameDomain => "same-domain",
            Expect::Certified => "any",
        };
        writeln!(f, "expects = \"{word}\"")?;
    }
    if !keying.suites.is_empty() {
        list(f, "suites", &keying.suites)?;
    }
    if keying.allow_clear {
        writeln!(f, "allow-clear = true")?;
    }
    if keying.group != usual.group {
        writeln!(f, "group = \"{}\"", keying.group.short())?;
    }
    for (field, flag) in [
        ("pfs", keying.needs.pfs),
        ("both-contribute", keying.needs.both_contribute),
        ("may-fork", keying.expected.fork),
        ("may-retarget", keying.expected.retarget),
        ("early-media-expected", keying.expected.early_media),
    ] {
        if flag {
            writeln!(f, "{field} = true")?;
        }
    }
    if keying.retries != usual.retries {
        writeln!(f, "retries = {}", keying.retries)?;
    }
    if keying.mki != usual.mki {
        writeln!(f, "mki = {}", keying.mki)?;
    }
    if keying.keys != usual.keys {
        let word = match keying.keys {
            KeyForm::Tgk => "tgk",
            KeyForm::TgkSalt => "tgk+salt",
            KeyForm::TekSalt => "tek+salt",
            KeyForm::TekWithSalt => "tek-with-salt",
        };
        writeln!(f, "keys = \"{word}\"")?;
    }
    if keying.cache != usual.cache {
        let word = match keying.cache {
            CacheType::Cache => "yes",
            CacheType::CacheForCsb => "csb",
            _ => "no",
        };
        writeln!(f, "cache = \"{word}\"")?;
    }
    if keying.failed_rekey != usual.failed_rekey {
        writeln!(f, "failed-rekey = \"{}\"", if keying.failed_rekey == FailedRekey::End { "end" } else { "keep" })?;
    }
    if keying.on_clash != usual.on_clash {
        let word = match keying.on_clash {
            OnClash::Leave => "leave",
            OnClash::Rekey => "rekey",
            OnClash::Move => "move",
        };
        writeln!(f, "on-ssrc-clash = \"{word}\"")?;
    }
    Ok(())
}

fn habits(f: &mut Formatter<'_>, habits: &Habits) -> fmt::Result {
    let usual = Habits::default();
    if habits.late_offer {
        writeln!(f, "late-offer = true")?;
    }
    if habits.reliable != usual.reliable {
        let word = match habits.reliable {
            Reliable::Never => "never",
            Reliable::Supported => "supported",
            Reliable::Required => "required",
        };
        writeln!(f, "reliable = \"{word}\"")?;
    }
    if habits.preconditions != usual.preconditions {
        let word = match habits.preconditions {
            Preconditions::Never => "never",
            Preconditions::Supported => "supported",
            Preconditions::Required => "required",
        };
        writeln!(f, "preconditions = \"{word}\"")?;
    }
    if habits.early_media != usual.early_media {
        let word = match habits.early_media {
            EarlyMedia::First => "first",
            EarlyMedia::Last => "last",
            EarlyMedia::Loudest => "loudest",
            EarlyMedia::None => "none",
        };
        writeln!(f, "hears-early = \"{word}\"")?;
    }
    if habits.redirects != usual.redirects {
        writeln!(f, "redirects = {}", habits.redirects)?;
    }
    if !habits.transfers {
        writeln!(f, "transfers = false")?;
    }
    Ok(())
}

fn link(f: &mut Formatter<'_>, link: &Link) -> fmt::Result {
    let usual = Link::new();
    writeln!(f, "\n[[link]]")?;
    match &link.on {
        Path::Everywhere => {}
        Path::Between(a, b) => list(f, "between", &[a, b])?,
        Path::From(a, b) => writeln!(f, "from = \"{a}\"\nto = \"{b}\"")?,
        Path::Of(a) => writeln!(f, "of = \"{a}\"")?,
    }
    if link.carries != What::Anything {
        writeln!(f, "carries = \"{}\"", link.carries)?;
    }
    let (weather, sunny) = (&link.weather, &usual.weather);
    for (field, value, usual) in [("latency", weather.latency, sunny.latency), ("jitter", weather.jitter, sunny.jitter)]
    {
        if value != usual {
            writeln!(f, "{field} = {}", Quoted(&Time(value)))?;
        }
    }
    for (field, permille) in [
        ("loss", weather.loss_permille),
        ("duplicate", weather.duplicate_permille),
        ("reorder", weather.reorder_permille),
    ] {
        if permille > 0 {
            writeln!(f, "{field} = \"{}.{} %\"", permille / 10, permille % 10)?;
        }
    }
    if link.from != Instant::ZERO {
        let from = Duration::from_micros(link.from.as_micros());
        writeln!(f, "after = {}", Quoted(&Time(from)))?;
    }
    Ok(())
}

/// Short things on one line.
fn list(f: &mut Formatter<'_>, field: &str, items: &[impl Display]) -> fmt::Result {
    let items: Vec<_> = items.iter().map(|item| Quoted(item).to_string()).collect();
    writeln!(f, "{field} = [{}]", items.join(", "))
}

/// Sentences, one on each line.
fn lines(f: &mut Formatter<'_>, field: &str, items: &[impl Display]) -> fmt::Result {
    writeln!(f, "{field} = [")?;
    items.iter().try_for_each(|item| writeln!(f, "    {},", Quoted(item)))?;
    writeln!(f, "]")
}

/// A TOML basic string.
struct Quoted<'a, T>(&'a T);

impl<T: Display> Display for Quoted<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut quoted = String::from("\"");
        for c in self.0.to_string().chars() {
            match c {
                '"' => quoted += "\\\"",
                '\\' => quoted += "\\\\",
                '\n' => quoted += "\\n",
                c if c.is_control() => write!(quoted, "\\u{:04X}", u32::from(c))?,
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        f.write_str(&quoted)
    }
}
