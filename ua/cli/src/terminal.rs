//! A terminal that gives each key at once, and is left as it was found.
//!
//! Only ICANON and ECHO are switched off: raw mode would take Ctrl-C for a letter, and end lines of ours without going
//! back to the margin.

#[cfg(unix)]
mod unix {
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
    use std::io::{IsTerminal, stdin};

    /// As long as it lives, keys come one by one. Dropped, on whatever way out, it restores what was.
    pub(crate) struct Terminal {
        before: Termios,
    }

    impl Terminal {
        /// `None` if stdin is no terminal, or is somebody else's: a process in the background may not touch it.
        pub(crate) fn open() -> Option<Self> {
            if !stdin().is_terminal() || !is_ours() {
                return None;
            }
            let terminal = Self { before: tcgetattr(stdin()).ok()? };
            terminal.again().then_some(terminal)
        }

        /// After we were stopped and went on, whoever stopped us may have changed it back.
        pub(crate) fn again(&self) -> bool {
            let mut modes = self.before.clone();
            modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            is_ours() && tcsetattr(stdin(), OptionalActions::Now, &modes).is_ok()
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            if is_ours() && tcsetattr(stdin(), OptionalActions::Now, &self.before).is_err() {
                tracing::debug!("the terminal is gone");
            }
        }
    }

    fn is_ours() -> bool {
        tcgetpgrp(stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
    }
}

#[cfg(not(unix))]
mod none {
    /// Other systems' consoles are not known here: there are no keys.
    pub(crate) struct Terminal;

    impl Terminal {
        pub(crate) fn open() -> Option<Self> {
            None
        }

        pub(crate) fn again(&self) -> bool {
            false
        }
    }
}

#[cfg(not(unix))]
pub(crate) use none::Terminal;
#[cfg(unix)]
pub(crate) use unix::Terminal;
