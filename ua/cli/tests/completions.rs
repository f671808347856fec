//! Shell completions, and what a shell does with them.

mod support;

use std::process::{Command, Stdio};
use support::keyphone;

#[test]
fn every_shell_gets_a_script_that_knows_all_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = keyphone(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["answer", "call", "demo", "doctor", "completions", "config", "mikey", "early-media", "allow-clear"]
        {
            assert!(ran.stdout.contains(word), "{word} is not in what {shell} gets");
        }
    }
    let ran = keyphone(&["completions", "cmd"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("bash, elvish, fish, powershell, zsh"), "{}", ran.stderr);
}

#[test]
fn bash_completes_a_command_and_an_option_with_it() {
    if Command::new("bash").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: bash is not installed");
        return;
    }
    let script = keyphone(&["completions", "bash"]).stdout;
    let completed = |words: &str, number: usize| {
        let ask = format!(
            "{script}\nCOMP_WORDS=({words})\nCOMP_CWORD={number}\n_keyphone keyphone \"${{COMP_WORDS[{number}]}}\" \
             \"${{COMP_WORDS[{}]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            number - 1
        );
        let out = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
        assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(completed("keyphone an", 1), "answer\n");
    assert_eq!(completed("keyphone answer --early", 2), "--early-media\n");
    assert_eq!(completed("keyphone answer --prack re", 3), "required\n");
}
