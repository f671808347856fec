//! Keys while a call runs, pressed in a pseudo-terminal.
#![cfg(unix)]

mod support;

use rexpect::session::{PtySession, spawn};
use std::path::Path;
use support::{KEY, Running, keyphone_reading};

/// Nothing that a test waits for takes so long, even where every core is busy.
const PATIENCE: Option<u64> = Some(30_000);

/// Somebody who answers, and alice's terminal, in which she calls him. Around the call the terminal's settings are
/// written down, to be compared.
fn call(flags: &str) -> (Running, PtySession, tempfile::TempDir) {
    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY]);
    let dir = tempfile::tempdir().unwrap();
    // Whatever is typed to stop the phone must not stop the shell.
    let script = format!(
        "trap : INT QUIT; stty echo; stty -g > before; {} call sip:bob@{address} --psk {KEY} --for 60s {flags}; code=$?; stty -g > after; echo \"code $code\"",
        env!("CARGO_BIN_EXE_keyphone")
    );
    std::fs::write(dir.path().join("script"), script).unwrap();
    let terminal = spawn(&format!("sh -c \"cd '{}' && . ./script\"", dir.path().display()), PATIENCE).unwrap();
    (bob, terminal, dir)
}

fn press(terminal: &mut PtySession, keys: &str) {
    terminal.send(keys).unwrap();
    terminal.flush().unwrap();
}

/// Both ends have gone, and the terminal is as it was.
fn ended(mut bob: Running, mut terminal: PtySession, dir: &Path, code: i32) {
    terminal.exp_string(&format!("code {code}")).unwrap();
    let settings = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(settings("before"), settings("after"));
    bob.wait_for("call.ended");
    bob.signal("INT");
    assert_eq!(bob.finish().code, Some(0));
}

#[test]
fn q_hangs_up_and_leaves_the_terminal_as_it_was() {
    let (mut bob, mut terminal, dir) = call("");
    terminal.exp_string("keys: ? tells which there are").unwrap();
    terminal.exp_string("PCMU, mikey-psk, heard ").unwrap();
    bob.wait_for("media.heard");
    press(&mut terminal, "?");
    terminal.exp_string("h hold and resume, t transfer").unwrap();
    press(&mut terminal, "q");
    terminal.exp_string("ended: we hung up").unwrap();
    ended(bob, terminal, dir.path(), 0);
}

#[test]
fn every_way_out_leaves_the_terminal_as_it_was() {
    // Ctrl-C, Ctrl-D, and Ctrl-\\, which does not wait for the other side.
    for (keys, code) in [("\x03", 0), ("\x04", 0), ("\x1c", 0)] {
        let (mut bob, mut terminal, dir) = call("");
        terminal.exp_string("PCMU, mikey-psk, heard ").unwrap();
        bob.wait_for("media.heard");
        press(&mut terminal, keys);
        terminal.exp_string(&format!("code {code}")).unwrap();
        let settings = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(settings("before"), settings("after"), "{keys:?}");
        if keys != "\x1c" {
            bob.wait_for("call.ended");
        }
        bob.signal("INT");
        assert_eq!(bob.finish().code, Some(0));
    }
}

#[test]
fn h_holds_the_call_and_takes_it_back_and_the_line_says_so() {
    let (mut bob, mut terminal, dir) = call("");
    terminal.exp_string("PCMU, mikey-psk, heard ").unwrap();
    press(&mut terminal, "h");
    assert_eq!(bob.wait_for("call.held")["by"], "peer");
    terminal.exp_string(", ON HOLD").unwrap();
    press(&mut terminal, "h");
    assert_eq!(bob.wait_for("call.resumed")["by"], "peer");
    terminal.exp_string("taken back from hold").unwrap();
    press(&mut terminal, "q");
    ended(bob, terminal, dir.path(), 0);
}

#[test]
fn a_transfer_asks_to_whom_and_says_what_is_wrong_with_that() {
    let (bob, mut terminal, dir) = call("");
    terminal.exp_string("PCMU, mikey-psk, heard ").unwrap();
    press(&mut terminal, "t");
    terminal.exp_string("transfer to (Enter, or Esc to give up): ").unwrap();
    press(&mut terminal, "caroly");
    terminal.exp_string("give up): caroly").unwrap();
    press(&mut terminal, "\x7f\r");
    terminal.exp_string("\"carol\" is not a SIP URI such as sip:carol@host").unwrap();
    press(&mut terminal, "q");
    ended(bob, terminal, dir.path(), 0);
}

#[test]
fn with_json_no_key_is_read() {
    let (bob, mut terminal, dir) = call("--json");
    terminal.exp_string("\"event\":\"media.heard\"").unwrap();
    press(&mut terminal, "?q");
    // Nothing was taken for a key, so that the terminal shows it like any other letter.
    terminal.exp_string("?q").unwrap();
    press(&mut terminal, "\x03");
    ended(bob, terminal, dir.path(), 0);
}

#[test]
fn what_is_no_terminal_presses_no_keys() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::write(&keys, "?qqqq").unwrap();
    let (mut bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--once"]);
    let uri = format!("sip:bob@{address}");
    let alice = keyphone_reading(&keys, &["call", &uri, "--psk", KEY, "--for", "500ms", "--json"]);
    assert_eq!(alice.code, Some(0), "{}{}", alice.stdout, alice.stderr);
    assert!(alice.events("media.stats")[0]["sent"].as_u64() > Some(15), "{}", alice.stdout);
    bob.wait_for("call.ended");
    assert_eq!(bob.finish().code, Some(0));
}
