//! Asking the system's resolver.

use super::runner::Arrived;
use crate::locate::{Answer, Kind, Question, Record};
use std::time::Duration;
use tokio::sync::mpsc;

/// Asks the system's resolver.
pub(super) struct Resolver {
    arrived: mpsc::Sender<Arrived>,
}

impl Resolver {
    pub(super) fn new(arrived: mpsc::Sender<Arrived>) -> Self {
        Self { arrived }
    }

    pub(super) fn look_up(&self, question: Question) {
        let arrived = self.arrived.clone();
        tokio::spawn(async move {
            let answer = match question.kind {
                Kind::Host => match tokio::net::lookup_host((question.name.as_str(), 0)).await {
                    Ok(found) => Answer::Records(found.map(|a| Record::Host(a.ip())).collect(), Duration::ZERO),
                    Err(error) => Answer::Failed(error.to_string()),
                },
                Kind::Naptr | Kind::Srv => Answer::Records(vec![], Duration::ZERO),
            };
            let _ = arrived.send(Arrived::Found { question, answer }).await;
        });
    }
}
