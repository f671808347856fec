//! Every seed and everything that fuzzing ever found, through the check of its target.

use std::path::{Path, PathBuf};

fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(kind).join(target);
    let Ok(entries) = std::fs::read_dir(&directory) else { return vec![] };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(target: &str, check: fn(&[u8])) {
    let seeds = files("seeds", target);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for file in seeds.into_iter().chain(files("regressions", target)) {
        println!("{}", file.display()); // the last one is to blame
        check(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn sip_messages_that_were_trouble_once_are_none_now() {
    replay("sip_message", keyphone_fuzz_checks::sip_message);
}

#[test]
fn headers_that_were_trouble_once_are_none_now() {
    replay("sip_headers", keyphone_fuzz_checks::sip_headers);
}

#[test]
fn streams_of_sip_that_were_trouble_once_are_none_now() {
    replay("sip_framer", keyphone_fuzz_checks::sip_framer);
}

#[test]
fn session_descriptions_that_were_trouble_once_are_none_now() {
    replay("sdp", keyphone_fuzz_checks::sdp);
}

#[test]
fn mikey_messages_that_were_trouble_once_are_none_now() {
    replay("mikey", keyphone_fuzz_checks::mikey);
}

#[test]
fn messages_of_every_mode_that_were_trouble_once_are_none_now() {
    replay("modes", keyphone_fuzz_checks::modes);
}

#[test]
fn srtp_packets_that_were_trouble_once_are_none_now() {
    replay("srtp", keyphone_fuzz_checks::srtp);
}

#[test]
fn rtp_and_rtcp_packets_that_were_trouble_once_are_none_now() {
    replay("rtcp", keyphone_fuzz_checks::rtcp);
}

#[test]
fn calls_that_were_trouble_once_are_none_now() {
    replay("endpoint", keyphone_fuzz_checks::endpoint);
}
