//! Which entries of a ladder stand in one row: what happened in one millisecond and does not stand in each other's way.

use crate::ladder::{Entry, Fate, Kind};

/// A row, and of how many entries it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// One that stands alone.
    One,
    /// What several phones know.
    Notes(usize),
    /// What one phone says to several, or several to one. They all stand right of it.
    Fan {
        count: usize,
        hub: usize,
        /// From the one to the several.
        out: bool,
    },
    /// The same word about several branches, from one phone to another: what a proxy hands on.
    Burst(usize),
}

impl Row {
    /// The row that these entries begin with, of which there is at least one; `columns` are drawn.
    pub(super) fn of(entries: &[Entry], columns: usize) -> Self {
        let same = |(first, next): (&Entry, &Entry)| first.at.as_micros() / 1_000 == next.at.as_micros() / 1_000;
        let together = entries.iter().take_while(|next| same((&entries[0], next))).count();
        let entries = &entries[..together];
        if let count @ 2.. = notes(entries, columns) {
            return Self::Notes(count);
        }
        for out in [true, false] {
            let ends: Vec<_> = entries.iter().map_while(|entry| ends(entry, out)).collect();
            let Some((hub, _, again)) = ends.first().copied() else { continue };
            let mut seen = vec![];
            let fits = |(h, far, a): &&(usize, usize, bool)| {
                let fits = *h == hub && *a == again && *far > hub && *far < columns && !seen.contains(far);
                seen.push(*far);
                fits
            };
            let count = ends.iter().take_while(fits).count();
            if count > 1 {
                return Self::Fan { count, hub, out };
            }
        }
        match burst(entries) {
            count @ 2.. => Self::Burst(count),
            _ => Self::One,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One => 1,
            Self::Notes(count) | Self::Burst(count) | Self::Fan { count, .. } => *count,
        }
    }
}

/// How many of them are notes that stand side by side. The last phone's stands at its left, where its neighbour's is.
fn notes(entries: &[Entry], columns: usize) -> usize {
    let mut places = vec![];
    let fits = |entry: &&Entry| match entry.kind {
        Kind::Note { who, .. } => {
            let place = if who + 1 == columns { who.saturating_sub(1) } else { who };
            let fits = who < columns && !places.contains(&place);
            places.push(place);
            fits
        }
        _ => false,
    };
    entries.iter().take_while(fits).count()
}

/// How many of them say the same, but of another branch each.
fn burst(entries: &[Entry]) -> usize {
    let Some(Kind::Message { from, to, again, digest, .. }) = entries.first().map(|entry| &entry.kind) else {
        return 0;
    };
    let same = |entry: &&Entry| match &entry.kind {
        Kind::Message { from: f, to: t, again: a, fate: Fate::Arrived, branch: Some(_), digest: d, .. } => {
            let words = (&d.what, &d.says, &d.media, &d.keying);
            (f, t, a) == (from, to, again) && words == (&digest.what, &digest.says, &digest.media, &digest.keying)
        }
        _ => false,
    };
    entries.iter().take_while(same).count()
}

/// The one end and the other of a message that arrived, and whether it was sent again.
fn ends(entry: &Entry, out: bool) -> Option<(usize, usize, bool)> {
    match entry.kind {
        Kind::Message { from, to, again, fate: Fate::Arrived, .. } => {
            Some(if out { (from, to, again) } else { (to, from, again) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::Ladder;
    use keyphone_media::env::Instant;
    use keyphone_ua::transaction::Transport;
    use std::net::SocketAddr;

    fn addr(n: usize) -> SocketAddr {
        format!("10.0.0.{n}:5060").parse().unwrap()
    }

    /// Six phones, and messages from one to another at a time.
    fn rows(said: &[(u64, usize, usize)]) -> Vec<Row> {
        let mut ladder = Ladder::new();
        (0..6).for_each(|n| ladder.name(addr(n), &format!("phone {n}")));
        for (ms, from, to) in said {
            let bytes = format!("OPTIONS sip:{to} SIP/2.0\r\n\r\n");
            let at = Instant::from_micros(ms * 1_000);
            match from == to {
                true => ladder.note(at, addr(*from), "knows".into()),
                false => ladder.see(at, addr(*from), addr(*to), Transport::Udp, bytes.as_bytes()),
            }
        }
        let (mut rest, mut rows) = (ladder.entries(), vec![]);
        while !rest.is_empty() {
            rows.push(Row::of(rest, 6));
            rest = &rest[rows.last().unwrap().len()..];
        }
        rows
    }

    #[test]
    fn what_a_proxy_hands_to_many_at_once_is_one_row() {
        assert_eq!(
            rows(&[(0, 0, 1), (1, 1, 2), (1, 1, 3), (1, 1, 5), (2, 1, 4)]),
            [Row::One, Row::Fan { count: 3, hub: 1, out: true }, Row::One]
        );
        assert_eq!(rows(&[(1, 3, 1), (1, 2, 1)]), [Row::Fan { count: 2, hub: 1, out: false }]);
        // To the left, to the same phone, from another one: each stands alone.
        assert_eq!(rows(&[(1, 1, 0), (1, 1, 2), (1, 1, 2), (1, 2, 3)]), [Row::One, Row::One, Row::One, Row::One]);
    }

    #[test]
    fn what_a_proxy_hands_on_of_many_branches_is_one_row() {
        let mut ladder = Ladder::new();
        (0..6).for_each(|n| ladder.name(addr(n), &format!("phone {n}")));
        let ringing = |n: usize| {
            let to = format!("To: <sip:b@h>;tag={n}");
            format!("SIP/2.0 180 Ringing\r\nFrom: <sip:a@h>;tag=a\r\n{to}\r\nCSeq: 1 INVITE\r\nCall-ID: 1\r\n\r\n")
        };
        for n in 2..6 {
            ladder.see(Instant::ZERO, addr(n), addr(1), Transport::Udp, ringing(n).as_bytes());
        }
        for n in 2..6 {
            ladder.see(Instant::from_micros(1_000), addr(1), addr(0), Transport::Udp, ringing(n).as_bytes());
        }
        assert_eq!(Row::of(ladder.entries(), 6), Row::Fan { count: 4, hub: 1, out: false });
        assert_eq!(Row::of(&ladder.entries()[4..], 6), Row::Burst(4));
    }

    #[test]
    fn notes_stand_side_by_side_where_they_have_room() {
        assert_eq!(rows(&[(1, 0, 0), (1, 3, 3), (1, 4, 4), (1, 5, 5)]), [Row::Notes(3), Row::One]);
        assert_eq!(rows(&[(1, 2, 2), (1, 2, 2), (2, 3, 3)]), [Row::One, Row::One, Row::One]);
    }
}
