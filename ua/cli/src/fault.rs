//! Why a command ends early, and with which exit code.

/// One sentence for stderr that says what to do, and the exit code that goes with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The command line or the configuration is wrong, or a file that it names cannot be used.
    #[error("{0}")]
    Usage(String),
    /// What was asked for failed on the way.
    #[error("{0}")]
    Failed(String),
}

impl Fault {
    /// 2 for usage and configuration, 1 for what failed.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

/// A wrong command line or configuration.
pub(crate) fn usage(why: impl ToString) -> Fault {
    Fault::Usage(why.to_string())
}
