//! What an endpoint tells whoever drives it: the lines of the log, of `--json` and of the ladder.

mod choice;
mod ended;

pub use choice::Considered;
pub use ended::{Counts, Outcome, Side};

use serde::Serialize;
use std::fmt;

/// Our own number for a call, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something happened. Serialised it is one object with an `event` field; no event holds a secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event")]
pub enum Event {
    /// A call began: we sent its INVITE, or received it.
    #[serde(rename = "call.started")]
    Started {
        /// Which call.
        call: CallId,
        /// Who began it.
        direction: Direction,
        /// Whom SIP names at the other end.
        peer: String,
        /// SIP's Call-ID.
        call_id: String,
        /// What was offered: `mikey-psk`, for instance, or `none`.
        keying: String,
    },
    /// The other side rings, or we do.
    #[serde(rename = "call.ringing")]
    Ringing {
        /// Which call.
        call: CallId,
        /// The branch: the To-tag.
        branch: String,
    },
    /// A provisional response other than 100, sent or received.
    #[serde(rename = "call.progress")]
    Progress {
        /// Which call.
        call: CallId,
        /// The branch: the To-tag.
        branch: String,
        /// The status.
        status: u16,
        /// It is acknowledged by PRACK (RFC 3262).
        reliable: bool,
        /// It brings or announces media before the answer.
        early_media: bool,
    },
    /// We were sent elsewhere, or sent the caller elsewhere (3xx).
    #[serde(rename = "call.redirected")]
    Redirected {
        /// Which call.
        call: CallId,
        /// Where to, in the order that they are tried.
        to: Vec<String>,
    },
    /// Somebody else has answered than was called, or tried to (RFC 5197 section 5.3): proven, and policy judges it.
    #[serde(rename = "call.retargeted")]
    Retargeted {
        /// Which call.
        call: CallId,
        /// Who was called.
        asked: String,
        /// Who answered.
        answered: String,
        /// How we know.
        how: String,
    },
    /// The peer says who it is, now that we talk (RFC 4916). No proof: keying has that.
    #[serde(rename = "call.connected-to")]
    ConnectedTo {
        /// Which call.
        call: CallId,
        /// The URI that the peer's From says now.
        peer: String,
    },
    /// Somebody put the other side on hold.
    #[serde(rename = "call.held")]
    Held {
        /// Which call.
        call: CallId,
        /// Who did.
        by: Side,
    },
    /// Somebody took it back.
    #[serde(rename = "call.resumed")]
    Resumed {
        /// Which call.
        call: CallId,
        /// Who did.
        by: Side,
    },
    /// The session was refreshed (RFC 4028).
    #[serde(rename = "call.refreshed")]
    Refreshed {
        /// Which call.
        call: CallId,
        /// Who did.
        by: Side,
    },
    /// A transfer, as far as it has come (RFC 3515): the last one says a final status.
    #[serde(rename = "call.transfer")]
    Transfer {
        /// The call whose peer was asked, or in which we were.
        call: CallId,
        /// Who asked.
        by: Side,
        /// Whom to call.
        to: String,
        /// What the new call has come to: 100 while nothing is known, 200 once it is answered.
        status: u16,
    },
    /// This call has taken the place of another (RFC 3891).
    #[serde(rename = "call.replaces")]
    Replaces {
        /// The new call.
        call: CallId,
        /// The one that it replaces.
        other: CallId,
    },
    /// Something was asked of a running call and did not come about; the call goes on as it was.
    #[serde(rename = "call.trouble")]
    CallTrouble {
        /// Which call.
        call: CallId,
        /// One sentence.
        what: String,
    },
    /// The peer pressed a key (RFC 4733), heard in authenticated media.
    #[serde(rename = "media.dtmf")]
    Dtmf {
        /// Which call.
        call: CallId,
        /// 0 to 9, *, #, A to D.
        key: char,
    },
    /// An INFO came in a call.
    #[serde(rename = "call.info")]
    Info {
        /// Which call.
        call: CallId,
        /// Type and subtype.
        content_type: String,
        /// The body, as far as it is text.
        body: String,
    },
    /// A MESSAGE came (RFC 3428).
    #[serde(rename = "message.received")]
    MessageReceived {
        /// The URI that From says.
        from: String,
        /// The text.
        text: String,
    },
    /// What became of a MESSAGE of ours.
    #[serde(rename = "message.sent")]
    MessageSent {
        /// To whom.
        to: String,
        /// The final status.
        status: u16,
    },
    /// What somebody can do.
    #[serde(rename = "options.answered")]
    OptionsAnswered {
        /// Who was asked.
        to: String,
        /// The final status.
        status: u16,
        /// What Allow says.
        allow: Vec<String>,
        /// What Supported says.
        supported: Vec<String>,
        /// What Accept says.
        accept: Vec<String>,
    },
    /// An account is registered, or its registration was refreshed.
    #[serde(rename = "registration.active")]
    Registered {
        /// The address of record.
        aor: String,
        /// The registrar that said so.
        registrar: String,
        /// All contacts that are bound to it now.
        contacts: Vec<String>,
        /// For how many seconds.
        expires: u32,
    },
    /// A registration was taken back.
    #[serde(rename = "registration.removed")]
    Unregistered {
        /// The address of record.
        aor: String,
    },
    /// A registration failed.
    #[serde(rename = "registration.failed")]
    RegistrationFailed {
        /// The address of record.
        aor: String,
        /// The status, if there was one.
        status: Option<u16>,
        /// One sentence.
        why: String,
        /// In how many seconds it is tried again; `None` if it is not.
        retry: Option<u32>,
    },
    /// A connection could not be made or was given up: which check failed (RFC 5922), for instance.
    #[serde(rename = "network.trouble")]
    NetworkTrouble {
        /// Who is at the other end.
        peer: String,
        /// One sentence.
        what: String,
    },
    /// How our offer was chosen (RFC 5197 section 5).
    #[serde(rename = "keying.choice")]
    Choice {
        /// Which call.
        call: CallId,
        /// To whom it is offered.
        callee: String,
        /// `mikey-psk`, for instance; `none` if nothing can be.
        offered: String,
        /// What is offered, what comes next, and what was passed over.
        considered: Vec<Considered>,
    },
    /// The call is offered anew, in another way.
    #[serde(rename = "keying.retry")]
    Retry {
        /// Which call.
        call: CallId,
        /// What was offered before.
        from: String,
        /// What is offered now.
        to: String,
        /// Why: a refusal, or that the call was sent on.
        why: String,
        /// What the peer's own error message says, if it sent one.
        hint: Option<String>,
        /// Is it sure who said so? It never is (RFC 4567 section 8).
        authenticated: bool,
    },
    /// The peer was named, and how we know: always before its keys are used.
    #[serde(rename = "keying.peer")]
    Peer {
        /// Which call.
        call: CallId,
        /// Whom SIP names.
        named: String,
        /// Who it turned out to be.
        proven: String,
        /// How we know.
        how: String,
    },
    /// A key is in use.
    #[serde(rename = "keying.key")]
    Key {
        /// Which call.
        call: CallId,
        /// What the ledger calls it.
        key: String,
        /// Cipher and tag.
        suite: String,
        /// What it is for.
        use_for: KeyUse,
        /// Whose packets, as far as they are named.
        ssrc: Option<String>,
        /// The branch that has it for itself: the To-tag. `None` where all branches share it, or there is but one.
        branch: Option<String>,
    },
    /// `--interop` let a deviation pass.
    #[serde(rename = "keying.tolerated")]
    Tolerated {
        /// Which call.
        call: CallId,
        /// Which rule the peer broke.
        what: String,
    },
    /// What a branch answered to our offer was verified: signatures and all, and it held or not. Each time is work.
    #[serde(rename = "keying.verified")]
    Verified {
        /// Which call.
        call: CallId,
        /// The branch: the To-tag.
        branch: String,
        /// How many of this call that makes.
        count: u64,
        /// Why now.
        why: Why,
    },
    /// Keying failed: no media.
    #[serde(rename = "keying.refused")]
    Refused {
        /// Which call.
        call: CallId,
        /// Why, in one sentence.
        why: String,
        /// What the peer's own error message says, if it sent one. Unauthenticated.
        hint: Option<String>,
    },
    /// The call is established.
    #[serde(rename = "call.answered")]
    Answered {
        /// Which call.
        call: CallId,
        /// The branch that won: the remote tag.
        branch: String,
        /// The agreed codec.
        codec: String,
        /// How it is keyed; `none` is clear RTP.
        keying: String,
    },
    /// A branch that answered too late was sent ACK and BYE.
    #[serde(rename = "call.branch-lost")]
    BranchLost {
        /// Which call.
        call: CallId,
        /// The branch: the To-tag.
        branch: String,
    },
    /// A branch cannot become the call: its keys are refused, for instance. It was sent away; the others go on.
    #[serde(rename = "call.branch-failed")]
    BranchFailed {
        /// Which call.
        call: CallId,
        /// The branch: the To-tag.
        branch: String,
        /// One sentence.
        why: String,
    },
    /// Packets that came before their key were played, or come too late for that.
    #[serde(rename = "media.clipped")]
    Clipped {
        /// Which call.
        call: CallId,
        /// The branch: the remote tag.
        branch: String,
        /// How much of what was said is not heard, in milliseconds.
        ms: u64,
        /// How many packets waited for the key.
        held: u64,
        /// How many of them are played.
        played: u64,
        /// How many are not, those that had to go before the key came among them.
        dropped: u64,
    },
    /// The first authentic frame of a source.
    #[serde(rename = "media.heard")]
    Heard {
        /// Which call.
        call: CallId,
        /// Whose.
        ssrc: String,
    },
    /// Two send under one key and SSRC (RFC 3711 section 9.1). Neither is played from now on; it is told once.
    #[serde(rename = "media.two-time-pad")]
    TwoTimePad {
        /// Which call.
        call: CallId,
        /// The key, by its fingerprint.
        key: String,
        /// The SSRC.
        ssrc: String,
        /// They are ours: somebody sends as us.
        ours: bool,
        /// What was seen.
        what: String,
    },
    /// The played file has ended.
    #[serde(rename = "media.played-out")]
    PlayedOut {
        /// Which call.
        call: CallId,
    },
    /// Something about media that the user should know: a recording that could not be written, for instance.
    #[serde(rename = "media.trouble")]
    Trouble {
        /// Which call.
        call: CallId,
        /// One sentence.
        what: String,
    },
    /// How the media went, at the end of the call.
    #[serde(rename = "media.stats")]
    Stats {
        /// Which call.
        call: CallId,
        /// The counts.
        #[serde(flatten)]
        counts: Counts,
    },
    /// The call is over.
    #[serde(rename = "call.ended")]
    Ended {
        /// Which call.
        call: CallId,
        /// How it ended.
        #[serde(flatten)]
        outcome: Outcome,
    },
}

impl Event {
    /// Which call it is about; `None` if it is about none.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Started { call, .. }
            | Self::Ringing { call, .. }
            | Self::Progress { call, .. }
            | Self::Redirected { call, .. }
            | Self::ConnectedTo { call, .. }
            | Self::Held { call, .. }
            | Self::Resumed { call, .. }
            | Self::Refreshed { call, .. }
            | Self::Transfer { call, .. }
            | Self::Replaces { call, .. }
            | Self::CallTrouble { call, .. }
            | Self::Dtmf { call, .. }
            | Self::Info { call, .. }
            | Self::Retargeted { call, .. }
            | Self::Choice { call, .. }
            | Self::Retry { call, .. }
            | Self::Peer { call, .. }
            | Self::Key { call, .. }
            | Self::Tolerated { call, .. }
            | Self::Refused { call, .. }
            | Self::Answered { call, .. }
            | Self::BranchLost { call, .. }
            | Self::BranchFailed { call, .. }
            | Self::Verified { call, .. }
            | Self::Clipped { call, .. }
            | Self::Heard { call, .. }
            | Self::TwoTimePad { call, .. }
            | Self::PlayedOut { call, .. }
            | Self::Trouble { call, .. }
            | Self::Stats { call, .. }
            | Self::Ended { call, .. } => Some(*call),
            Self::MessageReceived { .. }
            | Self::MessageSent { .. }
            | Self::OptionsAnswered { .. }
            | Self::Registered { .. }
            | Self::Unregistered { .. }
            | Self::RegistrationFailed { .. }
            | Self::NetworkTrouble { .. } => None,
        }
    }
}

/// Who began a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// We did.
    Outgoing,
    /// The peer did.
    Incoming,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyUse {
    /// What we send.
    Send,
    /// What we hear.
    Hear,
}

/// Why an answer is verified at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It costs little: our offer had the keys already.
    Known,
    /// A packet waits that names its SSRC, or comes from where it says that its sender is.
    Media,
    /// A packet waits of which no answer tells anything.
    Trial,
    /// It is final, or settles the session.
    Final,
    /// Nobody rings before it is keyed (RFC 5027 section 3).
    Precondition,
    /// The branch wants to change the session.
    Change,
}
