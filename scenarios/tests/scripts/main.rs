//! The scripts that come with the program, how scripts are read, that each expectation can fail, and the proxy.

mod book;
mod fails;
mod mistakes;
mod proxy;
mod schema;
mod words;

use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::run::{Run, run};
use keyphone_scenarios::script::Script;

/// Runs a script from its text.
fn play(text: &str, seed: u64) -> Run {
    let script = Script::parse(text, "test.toml").unwrap_or_else(|error| panic!("{error}"));
    run(&script, seed, &Pki::new()).unwrap()
}
