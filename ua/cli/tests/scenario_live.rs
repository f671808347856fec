//! `keyphone scenario run --live`: the same scripts over real sockets, with somebody outside in one of the roles.

mod peers;

use peers::proxy::Kamailio;
use peers::{PATIENCE, Ports, Process, Ran, answer, keyphone, text};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A script waits for all that RFC 3261 wants remembered: 64*T1, 32 s, after its last call.
const A_SCRIPT: Duration = Duration::from_secs(90);

fn live(script: &str, more: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyphone"));
    command.args(["scenario", "run", script, "--live", "--json"]).args(more);
    Process::start(command)
}

fn sentences<'v>(run: &'v Value, what: &str) -> Vec<&'v str> {
    run[what].as_array().into_iter().flatten().filter_map(|verdict| verdict["sentence"].as_str()).collect()
}

/// Everything that was expected came true.
fn passed(ran: &Ran) -> Value {
    let run = ran.only("scenario.run");
    assert_eq!((ran.code, &run["passed"]), (Some(0), &Value::Bool(true)), "{ran}");
    run
}

/// Somebody outside who is called bob and has the key that is in this directory.
fn bob(ports: &Ports, keys: &Path) -> Process {
    std::fs::write(keys.join("common.psk"), peers::KEY).unwrap();
    let mut command = keyphone("answer", &["--from", "sip:bob@127.0.0.1", "--once", "--play", "tone"]);
    command.args(["--listen", &format!("127.0.0.1:{}", ports.bob())]);
    command.args(["--psk", &format!("@{}", text(&keys.join("common.psk")))]);
    command.args(["--config", text(&ports.config(keys, ports.bob_media()))]);
    answer(command)
}

#[test]
fn a_script_passes_over_real_sockets_as_it_does_in_simulated_time() {
    let scripts = ["plain-call", "fork-3", "attack-inject", "redirect-by-proxy"];
    let running = scripts.map(|script| (script, live(script, &[])));
    for (script, process) in running {
        let ran = process.finish_within(A_SCRIPT);
        let run = passed(&ran);
        assert_eq!(run["script"], script, "{ran}");
        assert_eq!(sentences(&run, "unseen"), [""; 0], "everybody is ours: {ran}");
        assert!(ran.events("scenario.open").len() >= 2, "{ran}");
    }
}

#[test]
fn a_phone_outside_plays_a_role_and_what_it_hears_is_not_claimed() {
    let (ports, keys) = (Ports::free(), tempfile::tempdir().unwrap());
    let bob = bob(&ports, keys.path());
    let role = format!("bob=sip:bob@127.0.0.1:{}", ports.bob());
    let ran = live("plain-call", &["--role", &role, "--keys", text(keys.path())]).finish_within(A_SCRIPT);
    let run = passed(&ran);
    assert!(sentences(&run, "verdicts").contains(&"alice hears bob"), "{ran}");
    assert_eq!(sentences(&run, "unseen"), ["bob hears alice"], "{ran}");
    let bob = bob.finish();
    assert_eq!(bob.code, Some(0), "{bob}");
}

#[test]
fn whoever_outside_has_another_key_is_not_heard() {
    let (ports, keys) = (Ports::free(), tempfile::tempdir().unwrap());
    let _bob = bob(&ports, keys.path());
    std::fs::write(keys.path().join("common.psk"), peers::KEY.replace('0', "f")).unwrap();
    let role = format!("bob=sip:bob@127.0.0.1:{}", ports.bob());
    let ran = live("plain-call", &["--role", &role, "--keys", text(keys.path())]).finish_within(A_SCRIPT);
    assert_eq!((ran.code, &ran.only("scenario.run")["passed"]), (Some(1), &Value::Bool(false)), "{ran}");
    let verdicts = ran.only("scenario.run")["verdicts"].clone();
    let safe = verdicts.as_array().unwrap().iter().filter(|v| v["passed"] == true).map(|v| v["sentence"].as_str());
    assert!(safe.flatten().any(|sentence| sentence == "nothing unauthenticated was played"), "{ran}");
}

#[test]
fn a_script_of_which_nothing_could_be_seen_is_not_played_and_has_not_passed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("his.toml");
    let script = "title = \"t\"\nabout = \"a\"\nlength = \"5 s\"\nsteps = [\"at 0 s alice calls bob\"]\n\
                expect = [\"bob rings\"]\n[[phone]]\nname = \"alice\"\n[[phone]]\nname = \"bob\"\n";
    std::fs::write(&file, script).unwrap();
    let ran = live(text(&file), &["--role", "bob=sip:bob@127.0.0.1:9", "--keys", text(dir.path())]).finish();
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.stderr.contains("nothing that the script expects could be seen"), "{ran}");
}

#[test]
fn ctrl_c_hangs_up_on_whoever_is_outside() {
    let (ports, keys) = (Ports::free(), tempfile::tempdir().unwrap());
    let mut bob = bob(&ports, keys.path());
    let role = format!("bob=sip:bob@127.0.0.1:{}", ports.bob());
    let running = live("plain-call", &["--role", &role, "--keys", text(keys.path())]);
    bob.event("call.answered");
    running.interrupt();
    let ran = running.finish_within(PATIENCE);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("it was stopped before its end, and its calls were hung up"), "{ran}");
    let bob = bob.finish();
    assert_eq!(bob.code, Some(0), "{bob}");
}

#[test]
fn roles_that_nobody_can_play_are_refused_with_what_to_do() {
    for (args, says) in [
        (&["run", "plain-call", "--role", "bob=sip:bob@127.0.0.1"][..], "--live"),
        (&["run", "plain-call", "--live", "--seed", "3"][..], "--seed"),
        (
            &["run", "plain-call", "--live", "--role", "carol=sip:c@127.0.0.1"][..],
            "its phones and proxies are alice, bob",
        ),
        (&["run", "plain-call", "--live", "--role", "bob"][..], "as in bob=sip:bob@192.0.2.7"),
        (&["run", "plain-call", "--live", "--role", "bob=sip:127.0.0.1"][..], "say whom to call there"),
        (&["run", "plain-call", "--live", "--role", "bob=sip:b@127.0.0.1"][..], "--keys DIR"),
        (&["run", "plain-call", "--live", "--keys", "/dev/null/x"][..], "cannot be made"),
    ] {
        let ran = Process::start({
            let mut command = Command::new(env!("CARGO_BIN_EXE_keyphone"));
            command.arg("scenario").args(args);
            command
        });
        let ran = ran.finish();
        assert_eq!(ran.code, Some(2), "{args:?}: {ran}");
        assert!(ran.stderr.contains(says), "{args:?}: {ran}");
    }
}

/// Parallel forks with keys of their own and with one for all, early media of two branches, and a retarget. Each has a
/// Kamailio of its own, for in all of them somebody is bob.
#[test]
fn scripts_pass_through_a_real_kamailio_that_forks() {
    let scripts = ["fork-3", "fork-psk", "fork-early-media", "retarget-with-credentials"];
    let mut running = vec![];
    for script in scripts {
        let (ports, dir) = (Ports::free(), tempfile::tempdir().unwrap());
        let Some(kamailio) = Kamailio::start(&ports, dir.path(), &[]) else { return };
        let role = format!("proxy=sip:127.0.0.1:{}", kamailio.port);
        running.push((script, live(script, &["--role", &role]), role, kamailio, dir));
    }
    for (script, process, role, _kamailio, _dir) in running {
        let ran = process.finish_within(A_SCRIPT);
        let run = passed(&ran);
        assert_eq!(sentences(&run, "unseen"), [""; 0], "all phones are ours: {ran}");
        assert!(!ran.events("scenario.registered").is_empty(), "{ran}");
        assert_eq!(run["replay"], format!("keyphone scenario run {script} --live --role {role} --ladder"));
    }
}

#[test]
fn phones_answer_a_registrar_that_asks_who_they_are() {
    let (ports, dir) = (Ports::free(), tempfile::tempdir().unwrap());
    let Some(kamailio) = Kamailio::start(&ports, dir.path(), &["WITH_AUTH"]) else { return };
    let role = format!("proxy=sip:127.0.0.1:{}", kamailio.port);
    let ran = live("fork-psk", &["--role", &role, "--password", "wrong"]).finish_within(A_SCRIPT);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("desk cannot register sip:bob@127.0.0.1"), "{ran}");
    let ran = live("fork-psk", &["--role", &role, "--password", "secret"]).finish_within(A_SCRIPT);
    passed(&ran);
}
