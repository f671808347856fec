//! `keyphone mikey`: the workbench.

mod capture;
mod input;
mod listen;
mod look;
mod make;
mod secrets;
mod verify;

use crate::fault::Fault;
use clap::{Args, Subcommand};
use keyphone_keying::mikey::Tolerances;

const EXAMPLES: &str = "\
EXAMPLES:
  What does this message say?
      keyphone mikey decode AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A
  Which rules do the messages of this call break, and what is in them?
      keyphone mikey lint call.pcap
      keyphone mikey open call.pcap --psk @psk.hex
  Why does its MAC not verify?
      keyphone mikey diagnose call.pcap --psk @psk.hex
  Does my implementation agree with this one?
      keyphone mikey verify vectors.json";

/// Read, open, judge, diagnose and answer MIKEY messages; make and check vectors
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Mikey {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Decode(look::Decode),
    Lint(look::Lint),
    Open(look::Open),
    Diagnose(look::Diagnose),
    Verify(verify::Verify),
    Make(make::Make),
    Listen(listen::Listen),
}

impl Mikey {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        match self.command {
            Command::Decode(decode) => decode.run(),
            Command::Lint(lint) => lint.run(),
            Command::Open(open) => open.run(),
            Command::Diagnose(diagnose) => diagnose.run(),
            Command::Verify(verify) => verify.run(),
            Command::Make(make) => make.run(),
            Command::Listen(listen) => listen.run().await,
        }
    }
}

fn tolerances(interop: bool) -> Tolerances {
    if interop { Tolerances::interop() } else { Tolerances::none() }
}
