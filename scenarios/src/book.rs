//! The scripts that come with the program.

use crate::script::{Script, ScriptError};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// By this it is asked for: its file's name without `.toml`.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
}

impl Page {
    /// The file's name.
    pub fn file_name(self) -> String {
        format!("{}.toml", self.name)
    }

    /// The script.
    ///
    /// # Errors
    /// None: a test reads them all. The type says so for whoever prints it.
    pub fn script(self) -> Result<Script, ScriptError> {
        Script::parse(self.text, &self.file_name())
    }
}

/// A commented script to begin with.
pub const TEMPLATE: &str = include_str!("book/template.toml");

/// The JSON schema of scripts.
pub const SCHEMA: &str = include_str!("../scripts/schema.json");

macro_rules! book {
    ($($name:literal)*) => {
        /// All of them, in the order in which they are best read.
        pub const ALL: &[Page] = &[$(
            Page { name: $name, text: include_str!(concat!("../scripts/", $name, ".toml")) },
        )*];
    };
}

book! {
    "plain-call"
    "late-offer"
    "hold"
    "rekey"
    "rekey-under-loss"
    "glare"
    "suites"
    "reuse"
    "bad-day"
    "early-media"
    "early-media-dhsign"
    "media-before-answer-10"
    "media-before-answer-100"
    "media-before-answer-500"
    "media-before-answer-dhsign"
    "preconditions"
    "preconditions-unkeyed"
    "prack-lost"
    "fork-2"
    "fork-3"
    "fork-30"
    "fork-30-early-media"
    "fork-30-preconditions"
    "fork-serial"
    "fork-early-media"
    "fork-late-answer"
    "fork-psk"
    "fork-refused-branch"
    "fork-without-srtp"
    "ssrc-clash"
    "ssrc-clash-rekey"
    "ssrc-clash-move"
    "redirect"
    "redirect-by-proxy"
    "retarget-with-credentials"
    "retarget-without-credentials"
    "retarget-refused"
    "transfer-blind"
    "transfer-attended"
    "clock-skew"
    "clock-skew-too-far"
    "clear-refused"
    "clear-allowed"
    "attack-replay"
    "attack-tamper-media"
    "attack-tamper-keying"
    "attack-strip"
    "attack-swap"
    "attack-inject"
    "attack-reflect"
    "attack-garbage"
}

/// The script of that name.
pub fn find(name: &str) -> Option<Page> {
    ALL.iter().copied().find(|page| page.name == name)
}
