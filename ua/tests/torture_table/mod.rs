//! Every message of RFC 4475 and RFC 5118: what the document says of it, and what we do.
#![allow(dead_code, reason = "one program asks the parser, another a running phone")]

/// What the document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is well formed and must be read. A user agent answers with one of these; with whatever it likes if there is
    /// none. `Accept(&[])` of a response: it is read.
    Accept(&'static [u16]),
    /// It must be refused, with one of these.
    Refuse(&'static [u16]),
    /// It may be refused with one of these, and be borne with by whoever is liberal.
    Either(&'static [u16]),
    /// It is dropped without an answer.
    Drop,
}

/// What our parser does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parser {
    /// `Message::parse` and `Message::check` take it.
    Reads,
    /// One of them does not.
    Refuses,
}

/// What a phone of ours answers that has a key and nothing else: it refuses to talk in the clear (488) and is no
/// registrar (405).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Status(u16),
    Silence,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) rfc: u16,
    pub(crate) section: &'static str,
    pub(crate) document: Verdict,
    pub(crate) parser: Parser,
    pub(crate) reply: Reply,
    pub(crate) bytes: &'static [u8],
}

impl Row {
    /// Whether what we do is what the document asks for.
    pub(crate) fn agrees(&self) -> bool {
        let is_read = self.parser == Parser::Reads;
        let reply = match self.reply {
            Reply::Status(status) => status,
            Reply::Silence => return self.document == Verdict::Drop || is_read && self.is_response(),
        };
        // What is answered to bytes that cannot be read.
        let is_fault = [400, 505, 513].contains(&reply);
        match self.document {
            Verdict::Accept(&[]) => is_read && !is_fault,
            Verdict::Accept(named) => is_read && named.contains(&reply),
            Verdict::Refuse(named) => named.contains(&reply),
            Verdict::Either(named) => named.contains(&reply) || is_read && !is_fault,
            Verdict::Drop => false,
        }
    }

    pub(crate) fn is_response(&self) -> bool {
        self.bytes.starts_with(b"SIP/")
    }
}

use Parser::{Reads, Refuses};
use Reply::{Silence, Status};
use Verdict::{Accept, Drop, Either, Refuse};

macro_rules! rows {
    ($rfc:literal, $($section:literal $name:literal $document:expr, $parser:expr, $reply:expr;)*) => {
        &[$(Row {
            name: $name,
            rfc: $rfc,
            section: $section,
            document: $document,
            parser: $parser,
            reply: $reply,
            bytes: include_bytes!(concat!("../data/rfc", $rfc, "/", $name, ".dat")),
        },)*]
    };
}

/// RFC 4475: all 49.
pub(crate) const RFC_4475: &[Row] = rows! { 4475,
    // Its To has a tag, so it is for a dialog that we do not have: 481.
    "3.1.1.1" "wsinv" Accept(&[]), Reads, Status(481);
    "3.1.1.2" "intmeth" Accept(&[501]), Reads, Status(501);
    "3.1.1.3" "esc01" Accept(&[]), Reads, Status(488);
    "3.1.1.4" "escnull" Accept(&[]), Reads, Status(405);
    "3.1.1.5" "esc02" Accept(&[501]), Reads, Status(501);
    "3.1.1.6" "lwsdisp" Accept(&[]), Reads, Status(200);
    "3.1.1.7" "longreq" Accept(&[]), Reads, Status(488);
    // One reply, to the REGISTER: the INVITE behind it is noise.
    "3.1.1.8" "dblreq" Accept(&[]), Reads, Status(405);
    "3.1.1.9" "semiuri" Accept(&[]), Reads, Status(200);
    "3.1.1.10" "transports" Accept(&[]), Reads, Status(200);
    // A MESSAGE with a signature that may not be ignored.
    "3.1.1.11" "mpart01" Accept(&[]), Reads, Status(415);
    "3.1.1.12" "unreason" Accept(&[]), Reads, Silence;
    "3.1.1.13" "noreason" Accept(&[]), Reads, Silence;
    "3.1.2.1" "badinv01" Refuse(&[400]), Refuses, Status(400);
    "3.1.2.2" "clerr" Refuse(&[400]), Refuses, Status(400);
    "3.1.2.3" "ncl" Refuse(&[400]), Refuses, Status(400);
    "3.1.2.4" "scalar02" Refuse(&[400]), Refuses, Status(400);
    "3.1.2.5" "scalarlg" Drop, Refuses, Silence;
    "3.1.2.6" "quotbal" Either(&[400]), Refuses, Status(400);
    "3.1.2.7" "ltgtruri" Either(&[400]), Refuses, Status(400);
    "3.1.2.8" "lwsruri" Either(&[400]), Refuses, Status(400);
    "3.1.2.9" "lwsstart" Either(&[400]), Refuses, Status(400);
    "3.1.2.10" "trws" Either(&[400]), Refuses, Status(400);
    "3.1.2.11" "escruri" Either(&[400]), Refuses, Status(400);
    // We do not need its Date, so we do not look at it.
    "3.1.2.12" "baddate" Either(&[400]), Reads, Status(488);
    // We are no registrar, so we do not look at its Contact.
    "3.1.2.13" "regbadct" Either(&[400]), Reads, Status(405);
    "3.1.2.14" "badaspec" Either(&[400]), Refuses, Status(400);
    "3.1.2.15" "baddn" Either(&[400]), Refuses, Status(400);
    "3.1.2.16" "badvers" Refuse(&[505]), Refuses, Status(505);
    "3.1.2.17" "mismatch01" Refuse(&[400]), Refuses, Status(400);
    "3.1.2.18" "mismatch02" Refuse(&[501, 400]), Refuses, Status(501);
    "3.1.2.19" "bigcode" Drop, Refuses, Silence;
    // It is told from others as RFC 2543 does it.
    "3.2.1" "badbranch" Either(&[400]), Reads, Status(200);
    "3.3.1" "insuf" Refuse(&[400]), Refuses, Status(400);
    "3.3.2" "unkscm" Accept(&[416]), Reads, Status(416);
    "3.3.3" "novelsc" Accept(&[416, 404]), Reads, Status(416);
    "3.3.4" "unksm2" Accept(&[]), Reads, Status(405);
    "3.3.5" "bext01" Accept(&[420]), Reads, Status(420);
    "3.3.6" "invut" Accept(&[415]), Reads, Status(415);
    "3.3.7" "regaut01" Accept(&[405]), Reads, Status(405);
    "3.3.8" "multi01" Refuse(&[400]), Refuses, Status(400);
    "3.3.9" "mcl01" Refuse(&[400]), Refuses, Status(400);
    "3.3.10" "bcast" Drop, Reads, Silence;
    "3.3.11" "zeromf" Accept(&[200]), Reads, Status(200);
    // These three should succeed, at a registrar.
    "3.3.12" "cparam01" Accept(&[]), Reads, Status(405);
    "3.3.13" "cparam02" Accept(&[]), Reads, Status(405);
    "3.3.14" "regescrt" Accept(&[]), Reads, Status(405);
    "3.3.15" "sdp01" Accept(&[406, 400]), Reads, Status(406);
    "3.4.1" "inv2543" Accept(&[]), Reads, Status(488);
};

/// RFC 5118: all 12 that its sections 4.1 to 4.10 have.
pub(crate) const RFC_5118: &[Row] = rows! { 5118,
    "4.1" "ipv6-good" Accept(&[]), Reads, Status(405);
    "4.2" "ipv6-bad" Refuse(&[400]), Refuses, Status(400);
    "4.3" "port-ambiguous" Accept(&[]), Reads, Status(405);
    "4.4" "port-unambiguous" Accept(&[]), Reads, Status(405);
    "4.5" "via-received-param-with-delim" Accept(&[]), Reads, Status(481);
    "4.5" "via-received-param-no-delim" Accept(&[]), Reads, Status(200);
    "4.6" "ipv6-in-sdp" Accept(&[]), Reads, Status(488);
    "4.7" "mult-ip-in-header" Accept(&[]), Reads, Status(481);
    "4.8" "mult-ip-in-sdp" Accept(&[]), Reads, Status(488);
    "4.9" "ipv4-mapped-ipv6" Accept(&[]), Reads, Status(488);
    "4.10" "ipv6-bug-abnf-3-colons" Accept(&[]), Reads, Status(200);
    "4.10" "ipv6-correct-abnf-2-colons" Accept(&[]), Reads, Status(200);
};

/// Both, in order.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    RFC_4475.iter().chain(RFC_5118)
}

/// The bytes of one message.
#[allow(dead_code, reason = "each test file uses its part")]
pub(crate) fn bytes(name: &str) -> &'static [u8] {
    all().find(|row| row.name == name).unwrap_or_else(|| panic!("there is no {name}")).bytes
}
