//! Preconditions (RFC 3312, RFC 4032), among them the security precondition (RFC 5027): what must be so before anybody
//! rings.
//!
//! ```text
//! a=curr:sec e2e none                        what is so, as the writer sees it
//! a=des:sec mandatory e2e sendrecv           what must be so, and how badly
//! a=conf:sec e2e sendrecv                    offer anew as soon as this is so
//! ```
//! A [`StatusTable`] is one side's view of one m-line. An offer and its answer make both sides' tables equal, one seen
//! from each end (RFC 3312 section 5).

use super::block::{Block, RawLine, Sdp, SdpError, is_token};
use super::offer::{Origin, head};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// No more rows than this are read of one m-line: four for each of eight types.
pub const MAX_ROWS: usize = 32;

/// Whose part of the path (RFC 3312 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// `e2e`: the whole of it. The one that security knows (RFC 5027 section 3).
    EndToEnd,
    /// `local`: the writer's access network.
    Local,
    /// `remote`: its peer's.
    Remote,
}

/// How badly it is wanted, in the order of RFC 3312 section 5.2; the last two say why an offer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Not at all: but it could be.
    None,
    /// If possible.
    Optional,
    /// Or the call does not go on.
    Mandatory,
    /// This one could not be met (RFC 3312 section 8).
    Failure,
    /// This one is not known (RFC 3312 section 9).
    Unknown,
}

/// One way of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the writer to its peer.
    Send,
    /// The other way.
    Recv,
}

/// What a row is about: the type of precondition (`sec`, `qos`), whose part, and which way.
type Key = (String, Status, Way);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    current: bool,
    desired: Strength,
    /// The writer wants to be told when it is so.
    asks: bool,
    /// The writer's peer does.
    asked: bool,
}

/// One side's view of the preconditions of one m-line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusTable {
    rows: BTreeMap<Key, Row>,
}

/// The type of the security precondition (RFC 5027 section 3).
pub const SEC: &str = "sec";

impl Status {
    const ALL: [(Self, &str); 3] = [(Self::EndToEnd, "e2e"), (Self::Local, "local"), (Self::Remote, "remote")];

    /// RFC 3312 section 5.2, table 4.
    fn inverted(self) -> Self {
        match self {
            Self::EndToEnd => Self::EndToEnd,
            Self::Local => Self::Remote,
            Self::Remote => Self::Local,
        }
    }

    fn text(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("", |(_, text)| text)
    }
}

impl Strength {
    const ALL: [(Self, &str); 5] = [
        (Self::None, "none"),
        (Self::Optional, "optional"),
        (Self::Mandatory, "mandatory"),
        (Self::Failure, "failure"),
        (Self::Unknown, "unknown"),
    ];
}

impl Way {
    const BOTH: [Self; 2] = [Self::Send, Self::Recv];

    fn inverted(self) -> Self {
        match self {
            Self::Send => Self::Recv,
            Self::Recv => Self::Send,
        }
    }
}

impl StatusTable {
    /// Security is wanted so badly, both ways, and nothing is so yet (RFC 5027 section 4.1).
    pub fn security(strength: Strength) -> Self {
        let row = Row { current: false, desired: strength, asks: false, asked: false };
        Self { rows: Way::BOTH.map(|way| ((SEC.to_owned(), Status::EndToEnd, way), row)).into() }
    }

    /// As the writer of the block sees it. A stream with port zero has no preconditions (RFC 3312 section 8.1).
    ///
    /// # Errors
    /// A line that is none of RFC 3312 section 4, or more rows than [`MAX_ROWS`].
    pub fn read(block: &Block) -> Result<Self, SdpError> {
        let mut table = Self::default();
        if block.is_refused() {
            return Ok(table);
        }
        for line in block.lines() {
            let Some((name @ (b"curr" | b"des" | b"conf"), Some(_))) = line.attribute() else { continue };
            let bad = |why: &'static str| SdpError::new(line.number(), why);
            let value = line.text()?.split_once(':').map_or("", |(_, value)| value);
            let mut fields = value.split(' ');
            let kind = fields.next().filter(|kind| is_token(kind)).ok_or(bad("has no precondition type"))?;
            let desired = match name {
                b"des" => {
                    let strength = Strength::ALL.iter().find(|(_, text)| fields.clone().next() == Some(text));
                    fields.next();
                    Some(strength.ok_or(bad("has no strength (RFC 3312 section 4)"))?.0)
                }
                _ => None,
            };
            let status = fields.next();
            let status = Status::ALL.iter().find(|(_, text)| status == Some(text));
            let status = status.ok_or(bad("is neither e2e nor local nor remote (RFC 3312 section 4)"))?.0;
            let ways: &[Way] = match (fields.next(), fields.next()) {
                (Some("none"), None) => &[],
                (Some("send"), None) => &[Way::Send],
                (Some("recv"), None) => &[Way::Recv],
                (Some("sendrecv"), None) => &Way::BOTH,
                _ => return Err(bad("has no direction (RFC 3312 section 4)")),
            };
            for way in ways {
                let row = table.row((kind.to_owned(), status, *way));
                match (name, desired) {
                    (b"curr", _) => row.current = true,
                    (b"conf", _) => row.asks = true,
                    (_, desired) => row.desired = desired.unwrap_or(Strength::None),
                }
            }
            if table.rows.len() > MAX_ROWS {
                return Err(bad("is one precondition more than we read"));
            }
        }
        Ok(table)
    }

    fn row(&mut self, key: Key) -> &mut Row {
        self.rows.entry(key).or_insert(Row { current: false, desired: Strength::None, asks: false, asked: false })
    }

    /// The attribute lines of the table: `curr`, `des` and `conf` with their values (RFC 3312 section 5.1.1).
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut groups: Vec<(&str, Status)> =
            self.rows.keys().map(|(kind, status, _)| (kind.as_str(), *status)).collect();
        groups.dedup();
        let mut lines = vec![];
        for (kind, status) in &groups {
            let current = self.tag(kind, *status, |row| row.current);
            lines.push(("curr", format!("{kind} {} {current}", status.text())));
        }
        for (kind, status) in &groups {
            for (strength, text) in Strength::ALL {
                let tag = self.tag(kind, *status, |row| row.desired == strength);
                if tag != "none" {
                    lines.push(("des", format!("{kind} {text} {} {tag}", status.text())));
                }
            }
        }
        for (kind, status) in &groups {
            let tag = self.tag(kind, *status, |row| row.asks);
            if tag != "none" {
                lines.push(("conf", format!("{kind} {} {tag}", status.text())));
            }
        }
        lines
    }

    fn tag(&self, kind: &str, status: Status, is: impl Fn(&Row) -> bool) -> &'static str {
        let at = |way| self.rows.get(&(kind.to_owned(), status, way)).is_some_and(&is);
        match (at(Way::Send), at(Way::Recv)) {
            (true, true) => "sendrecv",
            (true, false) => "send",
            (false, true) => "recv",
            (false, false) => "none",
        }
    }

    /// What we know of security ourselves: we can send so that the peer understands, and understand what it sends.
    pub fn set_security(&mut self, send: bool, recv: bool) {
        for (way, so) in [(Way::Send, send), (Way::Recv, recv)] {
            if let Some(row) = self.rows.get_mut(&(SEC.to_owned(), Status::EndToEnd, way)) {
                row.current = so;
            }
        }
    }

    /// We want to be told when security is complete, and what is the peer's own business: whoever cannot see it alone must
    /// ask (RFC 3312 section 6).
    pub fn ask_for_confirmation(&mut self) {
        let theirs = |kind: &str, status| kind == SEC || status == Status::Remote;
        let rows = self.rows.iter_mut().filter(|((kind, status, _), _)| theirs(kind, *status));
        rows.for_each(|(_, row)| row.asks = true);
    }

    /// What is so needs no asking any more.
    pub fn ask_no_more(&mut self) {
        self.rows.values_mut().filter(|row| row.current).for_each(|row| row.asks = false);
    }

    /// The same SDP, with the lines of this table and no others under its m-line `line`.
    pub(crate) fn write(&self, sdp: Sdp, line: u8) -> Sdp {
        let others = |raw: &&RawLine| !matches!(raw.attribute(), Some((b"curr" | b"des" | b"conf", _)));
        let ours = || self.lines().into_iter().map(|(name, value)| RawLine::new(b'a', format!("{name}:{value}")));
        let media = (0u8..).zip(sdp.media()).map(|(index, block)| match index == line && !block.is_refused() {
            // The first line is the m-line itself.
            true => Block::new(
                block.m().clone(),
                block.lines().iter().skip(1).filter(others).cloned().chain(ours()).collect(),
            ),
            false => block.clone(),
        });
        Sdp::from_parts(sdp.session().to_vec(), media.collect())
    }

    /// Takes what the peer's offer or answer says (RFC 3312 section 5.2). Strength only ever rises, and what the peer has
    /// is so; of what it has not, `known` says whether we know better (table 3). Its wish to be told is ours to fulfil.
    pub fn hear(&mut self, theirs: &Self, known: impl Fn(&str, Status, Way) -> bool) {
        // What it does not speak of any more is gone: so the table is never longer than what was read, and security.
        let spoken = |(kind, status, way): &Key| {
            kind == SEC || theirs.rows.contains_key(&(kind.clone(), status.inverted(), way.inverted()))
        };
        self.rows.retain(|key, _| spoken(key));
        self.rows.values_mut().for_each(|row| row.asked = false);
        for ((kind, status, way), said) in &theirs.rows {
            let (status, way) = (status.inverted(), way.inverted());
            let row = self.row((kind.clone(), status, way));
            row.current = said.current || row.current && known(kind, status, way);
            row.desired = row.desired.max(said.desired);
            row.asked = said.asks;
        }
    }

    /// There is no precondition at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Security is mandatory.
    pub fn wants_security(&self) -> bool {
        self.rows.iter().any(|((kind, ..), row)| kind == SEC && row.desired == Strength::Mandatory)
    }

    /// All that is mandatory is so: the call may go on, and the phone may ring.
    pub fn is_met(&self) -> bool {
        self.rows.values().all(|row| row.current || row.desired < Strength::Mandatory)
    }

    /// The peer asked to be told, and now there is something to tell: an offer is due (RFC 3312 section 7).
    pub fn confirmation_is_due(&self) -> bool {
        let mut asked = self.rows.values().filter(|row| row.asked).peekable();
        asked.peek().is_some() && asked.all(|row| row.current)
    }

    /// Mandatory rows of a type that we do not know, other than those that are the peer's own business (RFC 3312 section
    /// 9): the offer, which this table was read from, must be refused.
    pub fn is_beyond_us(&self) -> bool {
        let beyond = |(kind, status, _): &Key| kind != SEC && *status != Status::Local;
        self.rows.iter().any(|(key, row)| row.desired == Strength::Mandatory && beyond(key))
    }
}

/// What a 580 says (RFC 3312 section 8): the m-lines of the last SDP received with port zero, and which precondition
/// failed, or is not known.
pub fn failure(received: &Sdp, origin: &Origin, address: IpAddr) -> Sdp {
    let mut session = head(origin, address);
    session.push(RawLine::new(b't', "0 0"));
    let blame = |block: &Block| {
        let table = StatusTable::read(block).unwrap_or_default();
        let mut blamed = StatusTable::default();
        for ((kind, status, way), row) in table.rows.iter().filter(|(_, row)| row.desired == Strength::Mandatory) {
            let key = (kind.clone(), status.inverted(), way.inverted());
            let desired = if kind == SEC { Strength::Failure } else { Strength::Unknown };
            blamed.rows.insert(key, Row { desired, ..*row });
        }
        let lines = blamed.lines().into_iter().filter(|(name, _)| *name == "des");
        let lines = lines.map(|(name, value)| RawLine::new(b'a', format!("{name}:{value}")));
        Block::new(block.refused().m().clone(), lines.collect())
    };
    Sdp::from_parts(session, received.media().iter().map(blame).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(attributes: &str) -> Sdp {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/SAVP 0\r\n{attributes}"
        );
        Sdp::parse(text.as_bytes()).unwrap()
    }

    fn read(attributes: &str) -> Result<StatusTable, SdpError> {
        StatusTable::read(&sdp(attributes).media()[0])
    }

    fn text(table: &StatusTable) -> String {
        table.lines().iter().map(|(name, value)| format!("a={name}:{value}\r\n")).collect()
    }

    /// As the other side reads it.
    fn sent(table: &StatusTable) -> StatusTable {
        read(&text(table)).unwrap()
    }

    #[test]
    fn a_phone_rings_when_rfc_5027s_first_example_lets_it() {
        // SDP1: A wants security both ways.
        let mut a = StatusTable::security(Strength::Mandatory);
        assert_eq!(text(&a), "a=curr:sec e2e none\r\na=des:sec mandatory e2e sendrecv\r\n");
        // SDP2: B can hear A, does not know whether A can hear it, and asks.
        let mut b = StatusTable::default();
        b.hear(&sent(&a), |_, _, _| true);
        b.set_security(false, true);
        b.ask_for_confirmation();
        let answer = "a=curr:sec e2e recv\r\na=des:sec mandatory e2e sendrecv\r\na=conf:sec e2e sendrecv\r\n";
        assert_eq!(text(&b), answer);
        assert!(!b.is_met(), "no phone rings before it is keyed");
        // SDP3: A knows all, and must say so.
        a.hear(&sent(&b), |_, _, _| true);
        assert!(!a.confirmation_is_due(), "what B can hear is what A can send, but not yet the other way");
        a.set_security(true, true);
        assert!(a.is_met() && a.confirmation_is_due());
        assert_eq!(text(&a), "a=curr:sec e2e sendrecv\r\na=des:sec mandatory e2e sendrecv\r\n");
        // SDP4: B agrees, and rings.
        b.hear(&sent(&a), |_, _, _| true);
        assert!(b.is_met() && !b.confirmation_is_due());
    }

    #[test]
    fn what_was_so_and_is_not_known_any_more_is_not_so() {
        let mut table = StatusTable::security(Strength::Mandatory);
        table.set_security(true, true);
        let theirs = StatusTable::security(Strength::Optional);
        let mut knows = table.clone();
        knows.hear(&theirs, |_, _, _| true);
        assert!(knows.is_met());
        table.hear(&theirs, |_, _, _| false);
        assert!(!table.is_met(), "and the strength did not fall");
    }

    #[test]
    fn the_lines_of_rfc_3312_are_read_and_written() {
        let optional = "a=curr:qos e2e send\r\na=des:qos optional e2e send\r\na=des:qos mandatory e2e recv\r\n";
        assert_eq!(text(&read(optional).unwrap()), optional);
        let segmented = "a=curr:qos local sendrecv\r\na=curr:qos remote none\r\na=des:qos optional local sendrecv\r\n\
            a=des:qos mandatory remote sendrecv\r\na=conf:qos remote sendrecv\r\n";
        let table = read(segmented).unwrap();
        assert_eq!(text(&table), segmented);
        let mut heard = StatusTable::default();
        heard.hear(&table, |_, _, _| false);
        let inverted = "a=curr:qos local none\r\na=curr:qos remote sendrecv\r\na=des:qos mandatory local sendrecv\r\n\
            a=des:qos optional remote sendrecv\r\n";
        assert_eq!(text(&heard), inverted, "RFC 3312 table 4");
        assert!(!heard.is_met() && !heard.confirmation_is_due());
    }

    #[test]
    fn optional_security_delays_nothing_and_may_be_made_mandatory() {
        let mut b = StatusTable::security(Strength::None);
        b.hear(&StatusTable::security(Strength::Optional), |_, _, _| false);
        assert!(b.is_met());
        assert!(text(&b).contains("a=des:sec optional e2e sendrecv"));
        let mut strict = StatusTable::security(Strength::Mandatory);
        strict.hear(&StatusTable::security(Strength::Optional), |_, _, _| false);
        assert!(!strict.is_met());
    }

    #[test]
    fn a_type_that_we_do_not_know_is_refused_unless_it_is_the_peers_own_business() {
        assert!(read("a=curr:qos e2e none\r\na=des:qos mandatory e2e sendrecv\r\n").unwrap().is_beyond_us());
        assert!(read("a=des:frob mandatory remote send\r\n").unwrap().is_beyond_us());
        assert!(!read("a=des:qos mandatory local send\r\n").unwrap().is_beyond_us());
        assert!(!read("a=des:qos optional e2e send\r\na=des:sec mandatory e2e send\r\n").unwrap().is_beyond_us());
    }

    #[test]
    fn a_refusal_says_which_precondition_failed() {
        let offer = sdp("a=curr:sec e2e none\r\na=des:sec mandatory e2e send\r\na=des:qos optional e2e sendrecv\r\n\
            m=video 20002 RTP/SAVP 31\r\na=des:qos mandatory e2e recv\r\n");
        let origin = Origin { user: "-".into(), session_id: 7, version: 1 };
        let said = failure(&offer, &origin, "192.0.2.2".parse().unwrap()).to_string();
        let media = "m=audio 0 RTP/SAVP 0\r\na=des:sec failure e2e recv\r\nm=video 0 RTP/SAVP 31\r\n\
            a=des:qos unknown e2e send\r\n";
        assert!(said.ends_with(media), "{said}");
    }

    #[test]
    fn a_bad_line_is_named_and_a_stream_that_is_off_has_none() {
        for bad in
            ["curr:sec", "curr:sec e2e", "des:sec e2e send", "conf:sec far send", "curr:sec e2e send recv", "des: "]
        {
            let error = read(&format!("a={bad}\r\n")).expect_err(bad);
            assert_eq!(error.line(), 7, "{bad}");
        }
        let many: String = (0..40).map(|n| format!("a=curr:t{n} e2e send\r\n")).collect();
        assert!(read(&many).is_err());
        let off = sdp("a=des:sec mandatory e2e send\r\n").to_string().replace("20000", "0");
        let off = Sdp::parse(off.as_bytes()).unwrap();
        assert_eq!(StatusTable::read(&off.media()[0]), Ok(StatusTable::default()));
    }
}
