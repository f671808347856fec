//! The answers that resolvers gave, for as long as they are true.

use super::{Answer, Question};
use keyphone_media::env::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// Answers by question. Beyond [`Cache::MOST`] the one that ends first makes room.
#[derive(Clone, Debug, Default)]
pub struct Cache(BTreeMap<Question, (Instant, Answer)>);

impl Cache {
    /// How many answers are kept.
    pub const MOST: usize = 1000;
    /// How long an answer is kept at least: one search sees one picture, even of records that may not be kept.
    pub const SHORTEST: Duration = Duration::from_secs(5);
    /// How long it is kept at most, whatever it says of itself.
    pub const LONGEST: Duration = Duration::from_secs(3600);
    /// How many records of one answer are kept.
    pub const RECORDS: usize = 32;

    /// The answer, if it is still true.
    pub fn get(&self, question: &Question, now: Instant) -> Option<&Answer> {
        self.0.get(question).filter(|(until, _)| *until > now).map(|(_, answer)| answer)
    }

    /// Keeps an answer.
    pub fn insert(&mut self, question: Question, mut answer: Answer, now: Instant) {
        let ttl = match &mut answer {
            Answer::Records(records, ttl) => {
                records.truncate(Self::RECORDS);
                (*ttl).clamp(Self::SHORTEST, Self::LONGEST)
            }
            // What is not there may come to be, and what failed may work again.
            Answer::NoName | Answer::Failed(_) => Self::SHORTEST,
        };
        if self.0.len() >= Self::MOST && !self.0.contains_key(&question) {
            self.0.retain(|_, (until, _)| *until > now);
            if self.0.len() >= Self::MOST
                && let Some(first) = self.0.iter().min_by_key(|(_, (until, _))| *until).map(|(q, _)| q.clone())
            {
                self.0.remove(&first);
            }
        }
        self.0.insert(question, (now + ttl, answer));
    }

    /// How many answers there are, true or not.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Record};
    use super::*;

    fn question(n: usize) -> Question {
        Question::new(&format!("H{n}.example.org."), Kind::Host)
    }

    fn address(ttl: u64) -> Answer {
        Answer::Records(vec![Record::Host([192, 0, 2, 1].into())], Duration::from_secs(ttl))
    }

    const fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn an_answer_lasts_as_long_as_it_says_within_reason() {
        for (ttl, lasts) in [(0, 5), (60, 60), (1_000_000, 3600)] {
            let mut cache = Cache::default();
            cache.insert(question(1), address(ttl), at(0));
            assert!(cache.get(&Question::new("h1.example.org", Kind::Host), at(lasts - 1)).is_some(), "{ttl}");
            assert_eq!(cache.get(&question(1), at(lasts)), None, "{ttl}");
            assert_eq!(cache.get(&Question::new("h1.example.org", Kind::Srv), at(0)), None);
        }
    }

    #[test]
    fn a_flood_of_names_grows_no_table_and_loses_the_oldest_first() {
        let mut cache = Cache::default();
        for n in 0..3 * Cache::MOST {
            cache.insert(question(n), address(60 + n as u64), at(0));
            assert!(cache.len() <= Cache::MOST && cache.get(&question(n), at(0)).is_some());
        }
        assert!(cache.get(&question(0), at(0)).is_none());
        let many = Answer::Records(vec![Record::Host([192, 0, 2, 1].into()); 10_000], Duration::ZERO);
        cache.insert(question(0), many, at(0));
        let Some(Answer::Records(kept, _)) = cache.get(&question(0), at(0)) else { panic!() };
        assert_eq!(kept.len(), Cache::RECORDS);
    }
}
