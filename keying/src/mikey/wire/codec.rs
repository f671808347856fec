//! Reading and writing octets, in network byte order (RFC 3830 section 6), with errors that say where and what.

use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// No message may be longer: every length in MIKEY fits 16 bits, and so does a UDP datagram.
pub const MAX_MESSAGE: usize = 65_535;

/// Why bytes are no message, or make none: where, in which field, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// Octets from the start of the message (or of the decrypted Encr data).
    pub offset: usize,
    /// The payload, by its RFC name.
    pub payload: &'static str,
    /// The field, by its RFC name.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The field needs more octets than there are.
    Short {
        /// Octets that the field needs.
        wanted: usize,
        /// Octets that are left.
        left: usize,
    },
    /// A value that we do not know and that the length of what follows depends on: from here on nothing can be read.
    Unknown(u8),
    /// Anything else, as the end of a sentence that begins with the field.
    Is(Cow<'static, str>),
}

impl WireError {
    /// Something about the message as a whole.
    pub(crate) fn message(offset: usize, field: &'static str, what: impl Into<Cow<'static, str>>) -> Self {
        Self { offset, payload: "message", field, problem: Problem::Is(what.into()) }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, payload, field, problem } = self;
        write!(f, "octet {offset}, {payload}, {field} ")?;
        match problem {
            Problem::Short { wanted, left } => write!(f, "needs {wanted} octets where {left} are left"),
            Problem::Unknown(value) => {
                write!(f, "is {value}, which is unknown here, and so is the length of what follows")
            }
            Problem::Is(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for WireError {}

impl From<WireError> for crate::Error {
    fn from(error: WireError) -> Self {
        crate::Error::wire(error.to_string())
    }
}

/// Walks over received octets. It never looks beyond them.
#[derive(Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    base: usize,
    pos: usize,
    payload: &'static str,
    next: u8,
}

impl<'a> Reader<'a> {
    /// Reads from the start of a message, or of decrypted Encr data.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, base: 0, pos: 0, payload: "message", next: 0 }
    }

    /// The same, for octets that stand `base` octets into a message.
    pub(crate) fn at(bytes: &'a [u8], base: usize) -> Self {
        Self { base, ..Self::new(bytes) }
    }

    /// Errors name this payload from now on.
    pub fn enter(&mut self, payload: &'static str) {
        self.payload = payload;
        self.next = 0;
    }

    /// Octets from the start of the message.
    pub fn offset(&self) -> usize {
        self.base + self.pos
    }

    /// Octets not read yet.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.pos
    }

    /// The next `n` octets.
    pub fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], WireError> {
        let left = self.left();
        if n > left {
            return Err(self.error(field, Problem::Short { wanted: n, left }));
        }
        let taken = &self.bytes[self.pos..self.pos + n];
        self.pos += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, field)?);
        Ok(array)
    }

    /// 8 bits.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.array::<1>(field).map(|[b]| b)
    }

    /// 16 bits.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// 32 bits.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// 64 bits.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// The field `Next payload` that opens every payload but SIGN.
    pub fn next_payload(&mut self) -> Result<(), WireError> {
        self.next = self.u8("Next payload")?;
        Ok(())
    }

    /// What the last `next_payload` said; 0 is "Last payload", and what a SIGN means without saying it.
    pub fn next(&self) -> u8 {
        self.next
    }

    /// A field of `n` octets as a reader of its own.
    pub fn within(&mut self, n: usize, field: &'static str) -> Result<Reader<'a>, WireError> {
        let base = self.offset();
        let bytes = self.take(n, field)?;
        Ok(Reader { bytes, base, pos: 0, payload: self.payload, next: 0 })
    }

    /// An error at the octet just read.
    pub fn bad(&self, field: &'static str, what: impl Into<Cow<'static, str>>) -> WireError {
        self.before(field, Problem::Is(what.into()))
    }

    /// The octet just read has a value that we do not know, and what follows has a length that we cannot know.
    pub fn unknown(&self, field: &'static str, value: u8) -> WireError {
        self.before(field, Problem::Unknown(value))
    }

    fn before(&self, field: &'static str, problem: Problem) -> WireError {
        WireError { offset: self.offset().saturating_sub(1), payload: self.payload, field, problem }
    }

    fn error(&self, field: &'static str, problem: Problem) -> WireError {
        WireError { offset: self.offset(), payload: self.payload, field, problem }
    }
}

/// Collects octets. What does not fit its field is remembered and reported by [`Writer::finish`]. The octets may hold
/// keys and are wiped when dropped, also when they have to move.
pub struct Writer {
    out: Zeroizing<Vec<u8>>,
    next_at: Option<usize>,
    payload: &'static str,
    fault: Option<WireError>,
}

impl Writer {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self { out: Zeroizing::new(Vec::with_capacity(512)), next_at: None, payload: "message", fault: None }
    }

    /// Errors name this payload from now on, and the field `Next payload` of the one before says `number`.
    pub fn enter(&mut self, payload: &'static str, number: u8) {
        if let Some(at) = self.next_at.take() {
            self.out[at] = number;
        }
        self.payload = payload;
    }

    /// The field `Next payload`: zero, until another payload follows.
    pub fn next_payload(&mut self) {
        self.next_at = Some(self.out.len());
        self.u8(0);
    }

    /// Any octets.
    pub fn bytes(&mut self, bytes: &[u8]) {
        // Growing a Vec leaves its old place behind unwiped: move by hand.
        if self.out.len() + bytes.len() > self.out.capacity() {
            let mut grown = Vec::with_capacity((self.out.len() + bytes.len()) * 2);
            grown.extend_from_slice(&self.out);
            self.out = Zeroizing::new(grown);
        }
        self.out.extend_from_slice(bytes);
    }

    /// 8 bits.
    pub fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    /// Two fields of 4 bits in one octet.
    pub fn nibbles(&mut self, high: u8, low: u8, field: &'static str) {
        if high > 15 || low > 15 {
            self.fault(field, "does not fit 4 bits");
        }
        self.u8(high << 4 | low & 0x0f);
    }

    /// 16 bits.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// 32 bits.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// 64 bits.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Octets behind their length in 8 bits.
    pub fn sized8(&mut self, bytes: &[u8], field: &'static str) {
        if bytes.len() > 255 {
            self.fault(field, "is longer than 255 octets");
        }
        self.u8(bytes.len() as u8);
        self.bytes(bytes);
    }

    /// Octets behind their length in 16 bits.
    pub fn sized16(&mut self, bytes: &[u8], field: &'static str) {
        if bytes.len() > 65_535 {
            self.fault(field, "is longer than 65535 octets");
        }
        self.u16(bytes.len() as u16);
        self.bytes(bytes);
    }

    /// Remembers that a value cannot be written. The first one is reported.
    pub fn fault(&mut self, field: &'static str, what: impl Into<Cow<'static, str>>) {
        let (offset, payload) = (self.out.len(), self.payload);
        self.fault.get_or_insert(WireError { offset, payload, field, problem: Problem::Is(what.into()) });
    }

    /// What has been written so far.
    pub fn so_far(&self) -> &[u8] {
        &self.out
    }

    /// The octets, unless something did not fit.
    pub fn finish(self) -> Result<Zeroizing<Vec<u8>>, WireError> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.out.len() > MAX_MESSAGE => {
                Err(WireError::message(MAX_MESSAGE, "length", "is more than 65535 octets"))
            }
            None => Ok(self.out),
        }
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_what_in_one_sentence() {
        let mut r = Reader::at(&[0, 9, 1], 40);
        r.enter("RAND");
        assert_eq!(r.u16("RAND len"), Ok(9));
        let error = r.take(9, "RAND").unwrap_err();
        assert_eq!(error.to_string(), "octet 42, RAND, RAND needs 9 octets where 1 are left");
        r.u8("TS type").unwrap();
        assert!(r.unknown("TS type", 1).to_string().starts_with("octet 42, RAND, TS type is 1, which is unknown"));
    }

    #[test]
    fn a_length_that_does_not_fit_is_refused_and_not_cut() {
        let mut w = Writer::new();
        w.enter("RAND", 11);
        w.sized8(&[0; 256], "RAND");
        assert_eq!(w.finish().unwrap_err().to_string(), "octet 0, RAND, RAND is longer than 255 octets");
        let mut w = Writer::new();
        w.bytes(&[0; MAX_MESSAGE + 1]);
        assert!(w.finish().is_err());
    }

    #[test]
    fn a_payload_says_what_follows_it_once_something_does() {
        let mut w = Writer::new();
        w.next_payload();
        assert_eq!(w.so_far(), [0]);
        w.enter("RAND", 11);
        w.next_payload();
        w.enter("SIGN", 4);
        w.u8(7);
        assert_eq!(w.finish().unwrap()[..], [11, 4, 7]);
    }
}
