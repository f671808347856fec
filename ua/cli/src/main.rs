//! The `keyphone` command.
//!
//! The same contract for every part of it: lines for people, or with `--json` one JSON object per line, on stdout;
//! diagnostics on stderr; exit code 0 for "did what was asked", 1 for "the call or an expectation failed", 2 for usage
//! and configuration, 3 for "keying was refused".

mod act;
mod answer;
mod at;
mod call;
mod calls;
mod cert;
mod completions;
mod config;
mod control;
mod demo;
mod desk;
mod doctor;
mod fault;
mod human;
mod keylog;
mod keys;
mod mikey;
mod options;
mod output;
mod pcap;
mod phone;
mod progress;
mod register;
mod registrations;
mod scenario;
mod secret;
mod session;
mod signals;
mod terminal;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use fault::Fault;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

const EXAMPLES: &str = "\
EXAMPLES:
  See it work:
      keyphone demo
  A key that two phones share, a phone that answers, and one that calls it:
      openssl rand -hex 32 > psk.hex
      keyphone answer --psk @psk.hex
      keyphone call sip:bob@127.0.0.1 --psk @psk.hex
  What does this MIKEY message say?
      keyphone mikey decode --file message.b64
  A configuration file to begin with; what would stop a call here?
      keyphone config init
      keyphone doctor --config keyphone.toml

EXIT CODES: 0 did what was asked, 1 the call or an expectation failed, 2 usage or configuration, 3 keying refused.";

/// A SIP phone that keys its media by MIKEY (RFC 3830), and tools for whoever implements it
#[derive(Parser)]
#[command(name = "keyphone", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Call(Box<call::Call>),
    Answer(Box<answer::Answer>),
    Register(Box<register::Register>),
    Mikey(mikey::Mikey),
    Scenario(scenario::Scenario),
    Cert(cert::Certificates),
    Config(config::Configuration),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(fault) => {
            eprintln!("keyphone: {}", human::plain(&fault.to_string()));
            ExitCode::from(fault.code())
        }
    }
}

fn run(command: Command) -> Result<u8, Fault> {
    match command {
        Command::Demo(demo) => {
            log(0);
            block_on(demo.run())
        }
        Command::Call(call) => {
            log(call.common.verbose);
            block_on(call.run())
        }
        Command::Answer(answer) => {
            log(answer.common.verbose);
            block_on(answer.run())
        }
        Command::Register(register) => {
            log(register.common.verbose);
            block_on(register.run())
        }
        Command::Mikey(mikey) => {
            log(0);
            block_on(mikey.run())
        }
        Command::Scenario(scenario) => {
            log(0);
            block_on(scenario.run())
        }
        Command::Cert(cert) => cert.run(),
        Command::Config(config) => config.run(),
        Command::Doctor(doctor) => {
            log(0);
            block_on(doctor.run())
        }
        Command::Completions(completions) => completions.run(Cli::command()),
    }
}

/// What clap says, in our words' form: a wrong command line ends with 2, `--help` and `--version` with 0.
fn explain(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Whoever closes the pipe early has read enough.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render();
    let text = if std::io::stderr().is_terminal() { text.ansi().to_string() } else { text.to_string() };
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => eprint!("{text}"),
        _ => eprint!("keyphone: {}", text.trim_start_matches("error: ")),
    }
    ExitCode::from(2)
}

/// One thread drives the phone.
fn block_on(command: impl Future<Output = Result<u8, Fault>>) -> Result<u8, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Fault::Failed(format!("this machine gives no event loop: {e}")))?;
    let ended = runtime.block_on(command);
    // A thread that waits for a key or a line would keep us here until it gets one.
    runtime.shutdown_background();
    ended
}

/// Diagnostics on stderr. What concerns a call is an event, so that by default only what went wrong beside it is said.
fn log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::ERROR,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_timer(tracing_subscriber::fmt::time::uptime())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
