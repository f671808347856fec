//! One connection: what is read from it and written to it, and when it is given up.

use super::limits::Limits;
use super::runner::Arrived;
use crate::sip::{Frame, Framer};
use crate::transaction::Transport;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// What both directions of one connection know.
pub(super) struct Line<'a> {
    pub(super) peer: SocketAddr,
    pub(super) transport: Transport,
    pub(super) limits: Limits,
    /// We made it, so that we see to it that it lives.
    pub(super) ours: bool,
    pub(super) arrived: &'a mpsc::Sender<Arrived>,
    /// When something was heard last, in microseconds since `began`.
    pub(super) heard: &'a AtomicU64,
    pub(super) began: Instant,
    /// We have asked whether it lives, and wait for the answer.
    pub(super) asked: AtomicBool,
    /// From 0 to 255: where in its interval this connection asks for signs of life.
    pub(super) lot: u8,
}

impl Line<'_> {
    fn now(&self) -> u64 {
        micros(self.began.elapsed())
    }

    /// Reads and writes until either side closes.
    pub(super) async fn talk<S>(&self, stream: S, queue: mpsc::Receiver<Vec<u8>>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let (read, write) = tokio::io::split(stream);
        // One answer to a ping may wait; whoever asks faster than it reads gets fewer.
        let (pong, pongs) = mpsc::channel(1);
        tokio::select! {
            ended = self.read(read, pong) => ended,
            ended = self.write(write, queue, pongs) => ended,
        }
    }

    async fn read(&self, mut stream: impl AsyncRead + Unpin, pong: mpsc::Sender<()>) -> io::Result<()> {
        let (mut framer, mut buf) = (Framer::default(), vec![0; 16_384]);
        // When the message that is under way must be whole.
        let mut due: Option<Instant> = None;
        loop {
            let until = due.unwrap_or_else(|| Instant::now() + self.limits.idle);
            let len = match timeout_at(until, stream.read(&mut buf)).await {
                Ok(len) => len?,
                Err(_) if due.is_none() => return Ok(()),
                Err(_) => {
                    let seconds = self.limits.message.as_secs_f32();
                    return Err(gone(format!("a message of its was not whole after {seconds} s")));
                }
            };
            if len == 0 {
                return Ok(());
            }
            self.heard.store(self.now(), Ordering::Relaxed);
            framer.push(&buf[..len]);
            while let Some(frame) = framer.next_frame() {
                match frame.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))? {
                    Frame::Message(bytes) => {
                        // The next one has its own time.
                        due = None;
                        let message = Arrived::Sip { from: self.peer, transport: self.transport, bytes };
                        if self.arrived.send(message).await.is_err() {
                            return Ok(());
                        }
                    }
                    // RFC 5626 section 4.4.1: a double CRLF asks for a single one.
                    Frame::Ping => drop(pong.try_send(())),
                }
            }
            if self.asked.load(Ordering::Relaxed) && framer.take_pong() {
                self.asked.store(false, Ordering::Relaxed);
            }
            due = match (framer.is_inside(), due) {
                (true, None) => Some(Instant::now() + self.limits.message),
                (true, due) => due,
                (false, _) => None,
            };
        }
    }

    async fn write(
        &self,
        mut stream: impl AsyncWrite + Unpin,
        mut queue: mpsc::Receiver<Vec<u8>>,
        mut pongs: mpsc::Receiver<()>,
    ) -> io::Result<()> {
        let interval = self.limits.ping + self.limits.ping.mul_f64(0.26 * f64::from(self.lot) / 255.0);
        let mut ping_at = Instant::now() + interval;
        // When we asked, and until when we wait; and whether it ever answered: who never does may not know how.
        let mut asked: Option<(u64, Instant)> = None;
        let mut answers = false;
        loop {
            let wake = asked.map_or(ping_at, |(_, until)| until);
            let bytes = tokio::select! {
                message = queue.recv() => match message {
                    Some(bytes) => bytes,
                    None => return stream.shutdown().await,
                },
                Some(()) = pongs.recv() => b"\r\n".to_vec(),
                () = sleep_until(wake), if self.ours => match asked.take() {
                    None => {
                        asked = Some((self.now(), Instant::now() + self.limits.pong));
                        self.asked.store(true, Ordering::Relaxed);
                        ping_at = Instant::now() + interval;
                        b"\r\n\r\n".to_vec()
                    }
                    // Whatever was heard since is a sign of life.
                    Some((when, _)) if self.heard.load(Ordering::Relaxed) >= when => {
                        answers = true;
                        continue;
                    }
                    Some(_) if !answers => continue,
                    Some(_) => return Err(gone("it does not answer any more (RFC 5626 section 4.4.1)".into())),
                },
            };
            let written = async {
                stream.write_all(&bytes).await?;
                stream.flush().await
            };
            match timeout(self.limits.write, written).await {
                Ok(done) => done?,
                Err(_) => return Err(gone("it does not read what we write".into())),
            }
        }
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn gone(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}
