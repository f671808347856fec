//! Ctrl-C; SIGTERM, which means the same; and SIGHUP, which says that the terminal is gone.

use std::io;

/// Listens from when it is made, so that no signal kills us in the middle of a call.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
    /// Ctrl-\ leaves at once, but not with a terminal that nobody can use.
    #[cfg(unix)]
    quit: tokio::signal::unix::Signal,
    #[cfg(unix)]
    resume: tokio::signal::unix::Signal,
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Hang up and leave.
    Leave,
    /// Leave without waiting for anybody.
    LeaveNow,
    /// We were stopped, and go on.
    Resumed,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            resume: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        while self.said().await == Said::Resumed {}
    }

    /// Waits for the next one, and says what it means.
    pub(crate) async fn said(&mut self) -> Said {
        tokio::select! {
            _ = self.interrupt.recv() => Said::Leave,
            _ = self.terminate.recv() => Said::Leave,
            _ = self.hang_up.recv() => Said::Leave,
            _ = self.quit.recv() => Said::LeaveNow,
            _ = self.resume.recv() => Said::Resumed,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        self.said().await;
    }

    /// Waits for the next one, and says what it means.
    pub(crate) async fn said(&mut self) -> Said {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
        Said::Leave
    }
}
