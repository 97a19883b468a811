//! The bytes of a connection: how long a client may take to read, and an end at which the last answer arrives.
//!
//! A client that takes nothing of what it is sent for [`WRITE_TIME`] has gone, or wants to keep others out.
//!
//! A body that is refused need not have arrived. Were the connection closed at once, whatever still arrives would be answered by
//! a reset, which takes the refusal away from a client before it has read it (RFC 9112, section 9.6). So only the sending side is
//! closed at first, and what comes in is thrown away until the client closes its side, too, or a time has passed.

use std::future::Future as _;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::connections::{Requests, Socket};
use crate::heads::Heads;

/// How much is read at once to be thrown away, in bytes.
const SCRATCH: usize = 16 << 10;

/// How long a client may take nothing of what it is sent.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// A connection whose end does not reset it.
pub struct Lingering {
    stream: Arc<Socket>,
    time: Duration,
    requests: Requests,
    heads: Heads,
    /// Until when the client has to take something; none while it does.
    write_until: Option<Pin<Box<Sleep>>>,
    /// Until when what comes in is thrown away; none before the sending side is closed.
    until: Option<Pin<Box<Sleep>>>,
}

impl Lingering {
    /// Waits for the client to close for no longer than `time`.
    pub fn new(stream: Arc<Socket>, time: Duration, requests: Requests, heads: Heads) -> Self {
        Self { stream, time, requests, heads, write_until: None, until: None }
    }

    /// Waits for the client to take something, for a while.
    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.write_until.take().is_some() {
                self.requests.set_waiting(false);
            }
            return written;
        }
        self.requests.set_waiting(true);
        let until = self.write_until.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIME)));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = read_some(&self.stream, context, buffer);
        if !self.requests.is_answering() {
            let come = &buffer.filled()[before..];
            if !come.is_empty() {
                self.requests.begun();
            }
            self.heads.append(come);
        }
        read
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = write_some(&self.stream, context, |stream| stream.try_write(bytes));
        self.bounded(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let until = match &mut this.until {
            Some(until) => until,
            none => {
                SockRef::from(&**this.stream).shutdown(Shutdown::Write)?;
                none.insert(Box::pin(tokio::time::sleep(this.time)))
            }
        };
        let mut scratch = [0; SCRATCH];
        loop {
            if until.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(read_some(&this.stream, context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = write_some(&self.stream, context, |stream| stream.try_write_vectored(pieces));
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// Reads what has come, once something has. (The stream is shared with what may have to refuse the connection.)
fn read_some(
    stream: &TcpStream,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(context))?;
        match stream.try_read(buffer.initialize_unfilled()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => {
                buffer.advance(read?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Writes once there is room for something.
fn write_some(
    stream: &TcpStream,
    context: &mut Context<'_>,
    write: impl Fn(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match write(stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
}
