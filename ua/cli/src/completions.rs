//! `keyphone completions`: what makes a shell complete our commands and options.

use crate::fault::Fault;
use clap::{Args, Command};
use clap_complete::Shell;
use std::io::Write;

const EXAMPLES: &str = "\
EXAMPLES:
  For bash, now and for later shells:
      source <(keyphone completions bash)
      keyphone completions bash > ~/.local/share/bash-completion/completions/keyphone
  For zsh, into a directory of its $fpath; for fish:
      keyphone completions zsh > ~/.zfunc/_keyphone
      keyphone completions fish > ~/.config/fish/completions/keyphone.fish

EXIT CODES: 0 written, 2 usage.";

/// Write what makes a shell complete keyphone's commands and options
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// For this shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// `command` is all that can be completed.
    pub(crate) fn run(self, mut command: Command) -> Result<u8, Fault> {
        let mut script = vec![];
        clap_complete::generate(self.shell, &mut command, "keyphone", &mut script);
        let mut out = std::io::stdout().lock();
        if out.write_all(&script).and_then(|()| out.flush()).is_err() {
            tracing::debug!("nobody reads what we say");
        }
        Ok(0)
    }
}
