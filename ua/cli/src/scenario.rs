//! `keyphone scenario`: scripted calls.

mod list;
mod live;
mod new;
mod play;
mod run;
mod source;
mod table;

use crate::fault::Fault;
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
EXAMPLES:
  What is there? What does one of them say?
      keyphone scenario list
      keyphone scenario show fork-3
  Run one, and see who said what; run all of them a hundred times:
      keyphone scenario run fork-3 --ladder
      keyphone scenario run --times 100
  Write one of your own, and run it:
      keyphone scenario new mine.toml
      keyphone scenario run mine.toml
  What is each keying system good for?
      keyphone scenario table";

/// Run scripted calls: forks, transfers, bad links, attackers; simulated, or over real sockets
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Scenario {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Show(list::Show),
    New(new::New),
    Run(run::Run),
    Table(table::Table),
}

impl Scenario {
    pub(crate) async fn run(self) -> Result<u8, Fault> {
        match self.command {
            Command::List(list) => Ok(list.run()),
            Command::Show(show) => show.run(),
            Command::New(new) => new.run(),
            Command::Run(run) => run.run().await,
            Command::Table(table) => table.run(),
        }
    }
}
