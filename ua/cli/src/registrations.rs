//! The registrations that a phone holds while it runs, and takes back before it ends.

use keyphone_config::Config;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::Event;
use keyphone_ua::sip::Uri;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Notify;

/// Accounts that are registered, by their address of record: their number, and how it stands.
#[derive(Default)]
pub(crate) struct Registrations {
    accounts: RefCell<BTreeMap<String, (usize, Standing)>>,
    leaving: Cell<bool>,
    /// There is no second try.
    once: bool,
    left: Notify,
}

/// How a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing was heard yet, or it failed and is tried again.
    Asking,
    /// It holds.
    Active,
    /// It was taken back, or failed for good.
    Over { failed: bool },
}

impl Registrations {
    /// Of the accounts that have a registrar.
    pub(crate) fn of(config: &Config) -> Self {
        Self::only(config, |account| account.registrar.is_some())
    }

    /// Of those accounts.
    pub(crate) fn only(config: &Config, wanted: impl Fn(&keyphone_config::Account) -> bool) -> Self {
        let accounts = config.accounts().enumerate().filter(|(_, account)| wanted(account));
        let name = |text: &str| text.parse::<Uri>().map_or_else(|_| text.to_owned(), |uri| uri.to_string());
        let accounts = accounts.map(|(n, account)| (name(account.from.as_str()), (n, Standing::Asking)));
        Self { accounts: RefCell::new(accounts.collect()), ..Self::default() }
    }

    /// What fails has failed for good.
    pub(crate) fn once(self, once: bool) -> Self {
        Self { once, ..self }
    }

    /// The commands that begin them.
    pub(crate) fn begin(&self) -> impl Iterator<Item = Command> {
        let numbers: Vec<_> = self.accounts.borrow().values().map(|(number, _)| *number).collect();
        numbers.into_iter().map(Command::Register)
    }

    /// Takes an event into the book.
    pub(crate) fn take(&self, event: &Event) {
        let (aor, standing) = match event {
            Event::Registered { aor, .. } => (aor, Standing::Active),
            Event::Unregistered { aor } => (aor, Standing::Over { failed: false }),
            Event::RegistrationFailed { aor, retry: Some(_), .. } if !self.leaving.get() && !self.once => {
                (aor, Standing::Asking)
            }
            Event::RegistrationFailed { aor, .. } => (aor, Standing::Over { failed: true }),
            _ => return,
        };
        if let Some((_, stands)) = self.accounts.borrow_mut().get_mut(aor) {
            *stands = standing;
        }
    }

    /// Takes back what there is; false if there is nothing.
    pub(crate) fn leave(&self, send: impl Fn(Command)) -> bool {
        let held: Vec<_> = self.held().collect();
        if !held.is_empty() && !self.leaving.replace(true) {
            held.iter().for_each(|number| send(Command::Unregister(*number)));
            self.left.notify_one();
        }
        !held.is_empty()
    }

    /// They were to be taken back, and nobody is left.
    pub(crate) fn are_gone(&self) -> bool {
        self.leaving.get() && self.held().next().is_none()
    }

    /// Ends so long after they were to be taken back.
    pub(crate) async fn leaving(&self, patience: Duration) {
        self.left.notified().await;
        // Nothing else ends it.
        let _ = tokio::time::timeout(patience, std::future::pending::<()>()).await;
    }

    /// How each stands.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        self.accounts.borrow().values().map(|(_, standing)| *standing).collect()
    }

    fn held(&self) -> impl Iterator<Item = usize> {
        let held = |(number, standing): &(usize, Standing)| match standing {
            Standing::Over { .. } => None,
            Standing::Asking | Standing::Active => Some(*number),
        };
        self.accounts.borrow().values().filter_map(held).collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AOR: &str = "sip:alice@a.org";

    fn registrations() -> Registrations {
        let mut config = Config::default();
        config.account.from = AOR.parse().unwrap();
        config.account.registrar = Some("sip:a.org".parse().unwrap());
        Registrations::of(&config)
    }

    #[test]
    fn what_was_registered_is_taken_back_before_the_end() {
        let registrations = registrations();
        assert_eq!(registrations.begin().count(), 1);
        let (aor, registrar) = (AOR.to_owned(), "sip:a.org".to_owned());
        registrations.take(&Event::Registered { aor: aor.clone(), registrar, contacts: vec![], expires: 60 });
        let sent = RefCell::new(0);
        for _ in 0..2 {
            assert!(registrations.leave(|_| *sent.borrow_mut() += 1) && !registrations.are_gone());
        }
        assert_eq!(*sent.borrow(), 1, "once");
        registrations.take(&Event::Unregistered { aor });
        assert!(registrations.are_gone());
    }

    #[test]
    fn what_failed_for_good_is_not_waited_for() {
        let registrations = registrations();
        let failed = |retry| Event::RegistrationFailed { aor: AOR.into(), status: None, why: String::new(), retry };
        registrations.take(&failed(Some(30)));
        assert_eq!(registrations.standings(), [Standing::Asking]);
        registrations.take(&failed(None));
        assert_eq!(registrations.standings(), [Standing::Over { failed: true }]);
        assert!(!registrations.leave(|_| panic!("there is nothing to take back")) && !registrations.are_gone());
    }
}
