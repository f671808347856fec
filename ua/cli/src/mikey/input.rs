//! Where a message comes from: the command line, stdin, a file, a capture.

use super::capture;
use crate::fault::{Fault, usage};
use clap::Args;
use keyphone_keying::workbench::input::{self, Found, Place};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A message, or several.
#[derive(Args, Debug)]
pub(super) struct Input {
    /// The message, a file that has it, or - for stdin
    ///
    /// It may be base64, hexadecimal digits, a line of SDP, a whole SDP or SIP message, an RTSP message with KeyMgmt
    /// headers, the message's own octets, or a capture (pcap, pcapng) with SIP, RTSP or MIKEY's own port 2269.
    #[arg(value_name = "MESSAGE", conflicts_with = "file")]
    input: Option<String>,
    /// Read it from this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Longer inputs are no MIKEY messages; in octets.
const LIMIT: u64 = 64 << 20;

impl Input {
    /// All messages in it, at least one.
    pub(super) fn messages(&self) -> Result<Vec<Found>, Fault> {
        let octets = match (&self.file, self.input.as_deref()) {
            (Some(path), _) => read_file(path)?,
            (None, Some("-")) => read(std::io::stdin().lock(), "stdin")?,
            // A pipe, too, has a name: <(..) of a shell.
            (None, Some(text)) if Path::new(text).exists() => read_file(Path::new(text))?,
            (None, Some(text)) => return named(text),
            (None, None) => {
                return Err(usage(
                    "give a message: base64, hex, SDP, the name of a file, or - for stdin (--help has examples)",
                ));
            }
        };
        if capture::is_one(&octets) {
            return match capture::messages(&octets)? {
                found if found.is_empty() => {
                    let what = "in SIP or RTSP over UDP or TCP, nor to or from port 2269";
                    Err(Fault::Failed(format!("there is no MIKEY message in this capture: not {what}")))
                }
                found => Ok(found),
            };
        }
        find(&octets)
    }
}

fn find(octets: &[u8]) -> Result<Vec<Found>, Fault> {
    input::find(octets).map_err(|error| Fault::Failed(format!("no MIKEY message could be read: {error}")))
}

/// The messages in a text that is no file. One that does not begin as a message does is the name of a file that is not
/// there.
fn named(text: &str) -> Result<Vec<Found>, Fault> {
    let found = find(text.as_bytes())?;
    let is_message = ["AQ", "01", "0x", "mikey "].iter().any(|begin| text.trim_start().starts_with(begin));
    match &found[..] {
        [Found { bytes: Err(error), place: Place { line: None, .. }, .. }] if !is_message => {
            Err(usage(format!("there is no file {text:?}, and a message it is not either: {error}")))
        }
        _ => Ok(found),
    }
}

/// The whole file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let file = File::open(path).map_err(|e| usage(format!("{} cannot be read: {e}", path.display())))?;
    read(file, &path.display().to_string())
}

fn read(from: impl Read, name: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![];
    from.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|e| usage(format!("{name} cannot be read: {e}")))?;
    if bytes.len() as u64 > LIMIT {
        return Err(usage(format!("{name} is longer than {} MiB", LIMIT >> 20)));
    }
    Ok(bytes)
}
