//! The name servers of a simulated world: a table of records, and how long an answer takes.

use keyphone_media::env::Instant;
use keyphone_ua::locate::{Answer, Kind, Naptr, Question, Record, Srv};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// All records of a world. A name that stands nowhere does not exist.
#[derive(Clone, Debug)]
pub struct Zone {
    records: BTreeMap<Question, Vec<Record>>,
    /// Names whose servers say nothing useful.
    broken: BTreeMap<String, String>,
    latency: Duration,
    ttl: Duration,
    asked: Vec<Question>,
    on_the_way: BTreeMap<(Instant, usize), (usize, Question)>,
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            records: BTreeMap::new(),
            broken: BTreeMap::new(),
            latency: Duration::from_millis(20),
            ttl: Duration::from_secs(60),
            asked: vec![],
            on_the_way: BTreeMap::new(),
        }
    }
}

impl Zone {
    /// Every answer takes so long.
    pub fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// Every answer is true for so long.
    pub fn set_ttl(&mut self, ttl: Duration) {
        self.ttl = ttl;
    }

    /// `name IN A address` or `name IN AAAA address`.
    pub fn host(&mut self, name: &str, address: &str) -> &mut Self {
        let address: IpAddr = address.parse().expect("a test writes addresses");
        self.add(name, Kind::Host, Record::Host(address))
    }

    /// `name IN SRV priority weight port target`.
    pub fn srv(&mut self, name: &str, (priority, weight, port): (u16, u16, u16), target: &str) -> &mut Self {
        self.add(name, Kind::Srv, Record::Srv(Srv { priority, weight, port, target: target.into() }))
    }

    /// `name IN NAPTR order preference "s" service "" replacement`.
    pub fn naptr(&mut self, name: &str, (order, preference): (u16, u16), service: &str, to: &str) -> &mut Self {
        let (flags, service, regexp, replacement) = ("s".into(), service.into(), String::new(), to.into());
        self.add(name, Kind::Naptr, Record::Naptr(Naptr { order, preference, flags, service, regexp, replacement }))
    }

    /// The servers of a name fail, and say this.
    pub fn fails(&mut self, name: &str, why: &str) {
        self.broken.insert(name.into(), why.into());
    }

    /// All that was asked so far, in order.
    pub fn asked(&self) -> &[Question] {
        &self.asked
    }

    fn add(&mut self, name: &str, kind: Kind, record: Record) -> &mut Self {
        self.records.entry(Question::new(name, kind)).or_default().push(record);
        self
    }

    pub(crate) fn ask(&mut self, node: usize, question: Question, now: Instant) {
        self.on_the_way.insert((now + self.latency, self.asked.len()), (node, question.clone()));
        self.asked.push(question);
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<(usize, Question, Answer)> {
        let (_, (node, question)) = self.on_the_way.pop_first()?;
        let known = self.records.keys().any(|q| q.name == question.name);
        let answer = match (self.broken.get(&question.name), self.records.get(&question)) {
            (Some(why), _) => Answer::Failed(why.clone()),
            (None, Some(records)) => Answer::Records(records.clone(), self.ttl),
            (None, None) if known => Answer::Records(vec![], self.ttl),
            (None, None) => Answer::NoName,
        };
        Some((node, question, answer))
    }
}
