//! The hours of a script: who registers, what is done when, and when it is over.

use super::wiring::Wiring;
use super::{LiveError, Progress, since};
use crate::report::Verdict;
use crate::run::{Stage, steps};
use crate::script::{Script, Step};
use keyphone_media::env::Instant;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::Event;
use keyphone_ua::net::Clock;
use std::pin::Pin;
use std::time::Duration;

/// A script that is playing.
pub(super) struct Play<'p> {
    pub(super) script: &'p Script,
    pub(super) stage: Stage,
    pub(super) wiring: &'p mut Wiring,
    pub(super) clock: Clock,
    /// Phones, and the numbers of their accounts that register.
    pub(super) registered: Vec<(usize, usize)>,
}

/// For so long a registrar outside may think.
const REGISTRAR: Duration = Duration::from_secs(10);
/// After the last step something must have happened within this, or it is over.
const LULL: Duration = Duration::from_secs(1);
/// Whoever is outside needs his time to do what he is told.
const SLOW: Duration = Duration::from_secs(15);
/// For so long calls may take to end when the user stops the script.
const HANG_UP: Duration = Duration::from_secs(3);

impl Play<'_> {
    /// From the first registration to the last. Gives a verdict for each step that could not be done.
    pub(super) async fn all(
        &mut self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
        tell: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<Verdict>, LiveError> {
        let played = tokio::select! {
            played = self.script(tell) => played,
            () = &mut stop => Err(LiveError::Stopped),
        };
        if played.is_err() {
            for number in self.ours() {
                self.stage.world.command(number, Command::HangUpAll);
            }
            self.wiring.flush(&mut self.stage.world);
            let nobody_calls = |play: &Self| play.ours().all(|n| play.stage.world.node(n).endpoint.calls() == 0);
            // Why it ended is to be told, not what comes of that.
            let _ = self.until(HANG_UP, nobody_calls).await;
            let _ = self.unregister().await;
            return played;
        }
        self.unregister().await?;
        played
    }

    async fn script(&mut self, tell: &mut dyn FnMut(Progress<'_>)) -> Result<Vec<Verdict>, LiveError> {
        // Phones have their media ports before they call anybody.
        self.run(self.clock.now().mono).await?;
        self.register().await?;
        if !self.registered.is_empty() {
            tell(Progress::Registered(self.registered.len()));
        }
        let begins = self.clock.now().mono;
        self.stage.cast.begins = begins;
        self.stage.weather(self.script).map_err(LiveError::Usage)?;
        // What is sent from now on is sent after the beginning.
        self.run(begins).await?;
        let mut steps: Vec<_> = self.script.steps.iter().collect();
        steps.sort_by_key(|step| step.at);
        let mut missed = vec![];
        for step in &steps {
            self.pass(begins + step.at, tell).await?;
            missed.extend(self.step(step, tell)?);
        }
        let somebody_else = steps.iter().any(|step| self.stage.cast.is_outside(&step.who));
        let lull = if somebody_else { SLOW } else { LULL };
        let last = steps.last().map_or(begins, |step| begins + step.at);
        let end = begins + self.script.length;
        // Other than in a simulated world nobody waits for nothing to happen.
        while self.clock.now().mono < end {
            let now = self.clock.now().mono;
            if now >= last + lull && self.stage.world.is_quiet() {
                break;
            }
            self.pass((now + Duration::from_millis(200)).min(end), tell).await?;
        }
        Ok(missed)
    }

    /// Lets time pass until then.
    async fn pass(&mut self, until: Instant, tell: &mut dyn FnMut(Progress<'_>)) -> Result<(), LiveError> {
        const SHOWN: Duration = Duration::from_millis(500);
        loop {
            let now = self.clock.now().mono;
            tell(Progress::Time(since(now, self.stage.cast.begins)));
            if now >= until {
                return Ok(());
            }
            self.run(until.min(now + SHOWN)).await?;
        }
    }

    fn step(&mut self, step: &Step, tell: &mut dyn FnMut(Progress<'_>)) -> Result<Option<Verdict>, LiveError> {
        let Stage { world, cast } = &mut self.stage;
        let at = since(self.clock.now().mono, cast.begins);
        if cast.is_outside(&step.who) {
            tell(Progress::Prompt(at, step));
            return Ok(None);
        }
        tell(Progress::Step(at, step));
        steps::take(self.script, cast, world, step).map_err(LiveError::Usage)
    }

    /// The phones that are ours.
    fn ours(&self) -> impl Iterator<Item = usize> + use<> {
        let ours: Vec<_> = self.stage.cast.phones.iter().map(|role| role.outside.is_none()).collect();
        ours.into_iter().enumerate().filter(|(_, ours)| *ours).map(|(number, _)| number)
    }

    /// Does all that is due and all that comes, until then.
    async fn run(&mut self, until: Instant) -> Result<(), LiveError> {
        let Self { stage: Stage { world, .. }, wiring, clock, .. } = self;
        loop {
            wiring.ports(world).await?;
            let now = clock.now().mono;
            world.run(now);
            wiring.flush(world);
            if world.is_flooded() {
                return Err(LiveError::Flooded);
            }
            if now >= until {
                return Ok(());
            }
            let next = world.next().map_or(until, |next| next.min(until));
            tokio::select! {
                biased;
                (end, came) = wiring.next(world) => {
                    world.run(clock.now().mono);
                    wiring.hand_over(end, came, world);
                }
                () = clock.sleep_until(next) => {}
            }
        }
    }

    /// Goes on until that is so, for so long at most.
    async fn until(&mut self, most: Duration, is_so: impl Fn(&Self) -> bool) -> Result<bool, LiveError> {
        let end = self.clock.now().mono + most;
        loop {
            let now = self.clock.now().mono;
            if is_so(self) || now >= end {
                return Ok(is_so(self));
            }
            self.run(end.min(now + Duration::from_millis(50))).await?;
        }
    }

    async fn register(&mut self) -> Result<(), LiveError> {
        for (phone, account) in self.registered.clone() {
            self.stage.world.command(phone, Command::Register(account));
        }
        let is_it = |event: &Event| matches!(event, Event::Registered { .. });
        let is_over = |play: &Self| play.failure().is_some() || play.told(is_it) >= play.registered.len();
        let done = self.until(REGISTRAR, is_over).await?;
        match self.failure() {
            Some(why) => Err(LiveError::Registration(why)),
            None if !done => Err(LiveError::Registration(format!(
                "the proxies outside have not answered every REGISTER within {} s",
                REGISTRAR.as_secs()
            ))),
            None => Ok(()),
        }
    }

    /// Nobody is to be called who is not there any more.
    async fn unregister(&mut self) -> Result<(), LiveError> {
        for (phone, account) in self.registered.clone() {
            self.stage.world.command(phone, Command::Unregister(account));
        }
        if !self.registered.is_empty() {
            self.until(REGISTRAR, |play| play.stage.world.is_quiet()).await?;
        }
        Ok(())
    }

    /// How many things of a kind were told.
    fn told(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        self.stage.world.nodes().iter().flat_map(|node| &node.events).filter(|(_, event)| is_it(event)).count()
    }

    fn failure(&self) -> Option<String> {
        let nodes = self.stage.world.nodes().iter();
        let mut told = nodes.flat_map(|node| node.events.iter().map(move |(_, event)| (&node.name, event)));
        told.find_map(|(name, event)| match event {
            Event::RegistrationFailed { aor, why, .. } => Some(format!("{name} cannot register {aor}: {why}")),
            _ => None,
        })
    }
}
