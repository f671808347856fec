//! A script over real sockets, in real time. Phones, proxies, links and attackers are those of a simulated world, and so
//! is the judge; but what they send goes through the machine's network, and any role can be played by somebody outside:
//! another phone, or a proxy that phones then register with.
//!
//! ```text
//!  script, roles --> Spots --> Stage (World, Cast)
//!                                |  ^
//!                    what leaves |  | what came, and when
//!                                v  |
//!                              Wiring --- UDP, TCP, DNS ---> the machine's network
//! ```

mod chest;
mod outside;
mod play;
mod wiring;

pub use chest::Chest;
pub use outside::Outside;

use crate::run::{Props, Run, Stage, is_any_seen};
use crate::script::{Name, Script, Step};
use crate::world::World;
use keyphone_config::Password;
use keyphone_media::env::Instant;
use keyphone_ua::net::Clock;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How a script is played over real sockets.
pub struct Live<'l> {
    /// Who is not ours, and where everybody is.
    pub outside: &'l Outside,
    /// The keys and certificates of all phones.
    pub chest: &'l Chest,
    /// What registrars and proxies outside are told that ask who a phone is; the user name is the phone's user.
    pub password: Option<&'l Password>,
}

/// What is told while it plays.
#[derive(Clone, Debug)]
pub enum Progress<'p> {
    /// Somebody of ours can be reached.
    Open(&'p Name, SocketAddr),
    /// All phones that have to are registered with the proxies outside.
    Registered(usize),
    /// A step is done now.
    Step(Duration, &'p Step),
    /// Somebody outside is to do it now: nobody else can.
    Prompt(Duration, &'p Step),
    /// So much of it is over.
    Time(Duration),
}

/// Why a script was not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// It cannot be played so.
    #[error("{0}")]
    Usage(String),
    /// The machine did not let us.
    #[error("{what}: {why}")]
    Io {
        /// What was to be done.
        what: String,
        /// What the system says.
        why: io::Error,
    },
    /// A phone could not register.
    #[error("{0}")]
    Registration(String),
    /// More came from outside than can be judged.
    #[error("more comes from outside than can be kept and judged: is somebody flooding the ports?")]
    Flooded,
    /// The user stopped it. Calls were hung up.
    #[error("it was stopped before its end, and its calls were hung up")]
    Stopped,
}

/// Plays a script. When `stop` comes, everybody hangs up.
///
/// # Errors
/// As [`LiveError`] says; expectations that did not come true are no errors.
pub async fn live(
    script: &Script,
    live: &Live<'_>,
    stop: impl Future<Output = ()>,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Run, LiveError> {
    let clock = Clock::default();
    let (mut wiring, spots) = wiring::Wiring::open(script, live.outside).await?;
    let cast = crate::run::Cast::of(script, &spots);
    if !is_any_seen(script, &cast) {
        return Err(LiveError::Usage(
            "nothing that the script expects could be seen: all of it is for somebody outside to tell".into(),
        ));
    }
    // Nothing takes longer than it takes, unless the script says so.
    let mut world = World::new(0, crate::link::Link { latency: Duration::ZERO, ..crate::link::Link::PERFECT });
    world.on_real_sockets(clock.now().ntp, live.outside.sip());
    let mut stage = Stage { world, cast };
    let (secrets, pki) = (live.chest.secrets(), live.chest.pki());
    let props = Props { secrets, pki, login: live.password.cloned() };
    let registered = stage.people(script, &props).map_err(LiveError::Usage)?;
    let ours = stage.cast.phones.iter().filter(|role| role.outside.is_none());
    ours.for_each(|role| tell(Progress::Open(&role.name, role.sip)));

    let mut play = play::Play { script, stage, wiring: &mut wiring, clock, registered };
    tokio::pin!(stop);
    let missed = play.all(stop, tell).await;
    let stage = play.stage;
    wiring.stop().await;
    Run::judged(script, None, stage, missed?).map_err(LiveError::Usage)
}

/// Since the script began.
fn since(now: Instant, begins: Instant) -> Duration {
    Duration::from_micros(now.as_micros().saturating_sub(begins.as_micros()))
}
