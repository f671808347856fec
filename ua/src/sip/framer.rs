//! Messages out of a stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1). No IO: bytes in, frames out.

use super::error::SipError;
use super::message::{self, MAX_BODY, MAX_HEAD};

/// What came along the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`Message::parse`](super::Message::parse).
    Message(Vec<u8>),
    /// A double CRLF: the peer asks whether we are there, and is answered with one CRLF (RFC 5626 section 4.4.1).
    Ping,
}

/// Why a stream cannot be read on. There is no way to find the next message: the connection must be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramerError {
    /// The length of a message cannot be told.
    #[error("the stream cannot be divided into messages: {0}")]
    Unreadable(#[from] SipError),
    /// A message without a Content-Length (RFC 3261 section 18.3).
    #[error("the stream cannot be divided into messages: one has no Content-Length")]
    NoContentLength,
}

/// Cuts one direction of one connection into frames. It never holds more than one message beyond what was pushed last.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// What of the buffer is done with.
    start: usize,
    state: State,
}

#[derive(Clone, Debug, Default)]
enum State {
    /// Between messages.
    #[default]
    Between,
    /// Between messages, after one CRLF.
    HalfPing,
    /// Inside a head that ends not before `searched` bytes.
    Head { searched: usize },
    /// The whole message has `length` bytes.
    Body { length: usize },
    /// Nothing more will come.
    Failed,
}

impl Framer {
    /// A framer for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they arrive. Call [`Framer::next_frame`] until it gives nothing before you push more.
    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Failed) {
            return;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame; nothing if more bytes are needed, or after an error.
    pub fn next_frame(&mut self) -> Option<Result<Frame, FramerError>> {
        loop {
            let bytes = &self.buffer[self.start..];
            match self.state {
                State::Failed => return None,
                State::Between | State::HalfPing => match bytes {
                    [] | b"\r" => return None,
                    [b'\r', b'\n', ..] => {
                        self.start += 2;
                        if matches!(self.state, State::HalfPing) {
                            self.state = State::Between;
                            return Some(Ok(Frame::Ping));
                        }
                        self.state = State::HalfPing;
                    }
                    _ => self.state = State::Head { searched: 0 },
                },
                State::Head { searched } => {
                    let window = &bytes[..bytes.len().min(MAX_HEAD)];
                    let Some(at) = message::find_empty_line(window, searched) else {
                        if bytes.len() >= MAX_HEAD {
                            let error = SipError::TooLarge { what: "the header section", limit: MAX_HEAD };
                            return Some(Err(self.fail(error.into())));
                        }
                        self.state = State::Head { searched: bytes.len().saturating_sub(3) };
                        return None;
                    };
                    match body_length(&bytes[..at + 2]) {
                        Ok(body) => self.state = State::Body { length: at + 4 + body },
                        Err(error) => return Some(Err(self.fail(error))),
                    }
                }
                State::Body { length } => {
                    let message = bytes.get(..length)?.to_vec();
                    self.start += length;
                    self.state = State::Between;
                    return Some(Ok(Frame::Message(message)));
                }
            }
        }
    }

    /// A message has begun and is not whole.
    pub fn is_inside(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// Whoever has sent a ping asks here for its answer, a single CRLF between messages (RFC 5626 section 4.4.1). It is
    /// not half of a ping then.
    pub fn take_pong(&mut self) -> bool {
        let pong = matches!(self.state, State::HalfPing) && !self.is_inside();
        if pong {
            self.state = State::Between;
        }
        pong
    }

    fn fail(&mut self, error: FramerError) -> FramerError {
        *self = Self { state: State::Failed, ..Self::default() };
        error
    }
}

fn body_length(head: &[u8]) -> Result<usize, FramerError> {
    match message::content_length(head)? {
        None => Err(FramerError::NoContentLength),
        Some(length) if length > MAX_BODY => Err(SipError::TooLarge { what: message::BODY, limit: MAX_BODY }.into()),
        Some(length) => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"OPTIONS sip:a@b.com SIP/2.0\r\nVia: x\r\nl :\r\n 5\r\n\r\nhello";

    fn frames(framer: &mut Framer, bytes: &[u8]) -> Vec<Result<Frame, FramerError>> {
        framer.push(bytes);
        std::iter::from_fn(|| framer.next_frame()).collect()
    }

    #[test]
    fn messages_and_pings_come_out_however_they_were_cut() {
        let stream = [b"\r\n\r\n", MESSAGE, MESSAGE, b"\r\n", MESSAGE, b"\r\n\r\n\r\n"].concat();
        let message = || Ok(Frame::Message(MESSAGE.to_vec()));
        let expected = vec![Ok(Frame::Ping), message(), message(), message(), Ok(Frame::Ping)];
        for size in 1..stream.len() {
            let mut framer = Framer::new();
            let got: Vec<_> = stream.chunks(size).flat_map(|chunk| frames(&mut framer, chunk)).collect();
            assert_eq!(got, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn a_stream_message_without_content_length_ends_the_stream() {
        let mut framer = Framer::new();
        let got = frames(&mut framer, b"OPTIONS sip:a@b.com SIP/2.0\r\nVia: x\r\n\r\n");
        assert_eq!(got, [Err(FramerError::NoContentLength)]);
        assert_eq!(frames(&mut framer, MESSAGE), []);
    }

    #[test]
    fn a_length_that_is_negative_doubled_or_too_large_ends_the_stream() {
        for lengths in ["l: -1", "l: five", "l: 1\r\nContent-Length: 1", "l: 1048577", "l: 99999999999999999999"] {
            let head = format!("OPTIONS sip:a@b.com SIP/2.0\r\n{lengths}\r\n\r\n");
            assert!(matches!(frames(&mut Framer::new(), head.as_bytes())[..], [Err(_)]), "{lengths}");
        }
    }

    #[test]
    fn a_head_without_an_end_is_given_up_at_its_bound() {
        let mut framer = Framer::new();
        framer.push(b"OPTIONS");
        let mut pushed = 0;
        while framer.next_frame().is_none() {
            framer.push(&[b'x'; 1000]);
            pushed += 1000;
            assert!(pushed <= MAX_HEAD + 1000);
        }
        assert!(framer.buffer.is_empty());
    }
}
