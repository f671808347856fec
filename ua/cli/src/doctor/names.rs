//! Can names be found?

use super::Checked;
use keyphone_config::Config;
use keyphone_ua::locate::{Answer, Kind, Question};
use keyphone_ua::net::Resolver;
use keyphone_ua::sip::{Host, Uri};

/// Asks for our own domain, or for one that everybody may ask for (RFC 2606 section 3). Nothing, if we are known by an
/// address and only on this machine: then there is no name to find.
pub(super) async fn resolver(config: &Config) -> Option<Checked> {
    const WHAT: &str = "name servers";
    let uri: Option<Uri> = config.account.from.as_str().parse().ok();
    let name = match uri.as_ref().and_then(Uri::sip).map(|uri| uri.host()) {
        Some(Host::Name(name)) => name.clone(),
        _ if config.network.listen.ip().is_loopback() => return None,
        _ => "example.org".to_owned(),
    };
    Some(match Resolver::default().ask(&Question::new(&name, Kind::Host)).await {
        Answer::Records(..) | Answer::NoName => Checked::ok(WHAT, format!("they answer (asked for {name})")),
        Answer::Failed(why) => {
            let advice = "look at /etc/resolv.conf; until then, call addresses instead of names, or give --to IP:PORT";
            Checked::warning(WHAT, why, advice)
        }
    })
}
