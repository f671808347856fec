//! Asking the system's name servers, and `/etc/hosts`.

use super::runner::Arrived;
use crate::locate::{Abilities, Answer, Cache, Kind, Naptr, Next, Question, Record, Search, Srv};
use crate::net::OsRng;
use crate::sip::Uri;
use crate::transaction::Destination;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use keyphone_media::env::{Env, Instant, Now, NtpTime};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long one question may take, whatever the system's configuration says: less than the transaction waits.
const LONGEST: Duration = Duration::from_secs(8);

/// Asks the name servers that the system is configured for.
#[derive(Clone)]
pub struct Resolver(Result<Arc<TokioResolver>, String>);

impl Default for Resolver {
    fn default() -> Self {
        let build = || -> Result<_, NetError> {
            let mut builder = TokioResolver::builder_tokio()?;
            let options = builder.options_mut();
            options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
            (options.timeout, options.attempts) = (Duration::from_secs(2), 2);
            builder.build()
        };
        Self(build().map(Arc::new).map_err(|error| format!("no name server can be asked: {error}")))
    }
}

impl Resolver {
    /// Asks one question.
    pub async fn ask(&self, question: &Question) -> Answer {
        let resolver = match &self.0 {
            Ok(resolver) => resolver,
            Err(why) => return Answer::Failed(why.clone()),
        };
        match tokio::time::timeout(LONGEST, look_up(resolver, question)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_nx_domain() => Answer::NoName,
            Ok(Err(error)) if error.is_no_records_found() => Answer::Records(vec![], Duration::ZERO),
            Ok(Err(error)) => {
                Answer::Failed(format!("the name servers cannot say where {} is: {error}", question.name))
            }
            Err(_) => Answer::Failed(format!("the name servers do not say where {} is", question.name)),
        }
    }

    /// The first address to which requests for a URI go, before there is an endpoint that could look for it.
    ///
    /// # Errors
    /// One sentence: nobody answers for the URI.
    pub async fn locate(&self, uri: &Uri, abilities: Abilities) -> Result<Destination, String> {
        let (mut search, mut cache) = (Search::new(uri, abilities), Cache::default());
        loop {
            let now = Now { mono: Instant::ZERO, ntp: NtpTime(0) };
            match search.next(&cache, &mut Env { now, rng: &mut OsRng }) {
                Next::Try(candidate) => return Ok(candidate.dest),
                Next::Ask(question) => {
                    let answer = self.ask(&question).await;
                    cache.insert(question, answer, Instant::ZERO);
                }
                Next::Nothing => return Err(search.why()),
            }
        }
    }

    pub(super) fn look_up(&self, question: Question, arrived: mpsc::Sender<Arrived>) {
        let resolver = self.clone();
        tokio::spawn(async move {
            let answer = resolver.ask(&question).await;
            let _ = arrived.send(Arrived::Found { question, answer }).await;
        });
    }
}

async fn look_up(resolver: &TokioResolver, question: &Question) -> Result<Answer, NetError> {
    // The dot keeps the resolver from trying the domains that the system searches.
    let name = Name::from_utf8(format!("{}.", question.name))?;
    let lookup: Lookup = match question.kind {
        Kind::Host => resolver.lookup_ip(name).await?.into(),
        Kind::Srv => resolver.lookup(name, RecordType::SRV).await?,
        Kind::Naptr => resolver.lookup(name, RecordType::NAPTR).await?,
    };
    let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
    let records = lookup.answers().iter().filter_map(|record| read(&record.data)).collect();
    Ok(Answer::Records(records, Duration::from_secs(ttl.into())))
}

fn read(data: &RData) -> Option<Record> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match data {
        RData::A(a) => Record::Host(a.0.into()),
        RData::AAAA(aaaa) => Record::Host(aaaa.0.into()),
        RData::SRV(srv) => Record::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_utf8(),
        }),
        RData::NAPTR(naptr) => Record::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: naptr.replacement.to_utf8(),
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Transport;

    #[tokio::test]
    async fn an_address_needs_no_name_server_and_a_name_of_this_machine_only_its_hosts_file() {
        let resolver = Resolver::default();
        let uri = "sip:bob@[::1]:5070;transport=tcp".parse().unwrap();
        let found = resolver.locate(&uri, Abilities::default()).await.unwrap();
        assert_eq!(found, Destination { addr: "[::1]:5070".parse().unwrap(), transport: Transport::Tcp });
        let uri = "sip:bob@localhost:5070".parse().unwrap();
        let found = resolver.locate(&uri, Abilities::at([127, 0, 0, 1].into())).await.unwrap();
        assert_eq!(found, Destination { addr: "127.0.0.1:5070".parse().unwrap(), transport: Transport::Udp });
    }
}
