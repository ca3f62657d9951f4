//! What becomes of a client that reads no answers? Its connection ends. hyper bounds how long the head of a request may take and no
//! write: while it has something to write, a connection is never idle.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream that fails with [`io::ErrorKind::TimedOut`] when nothing of what is to be written has been taken for a while. It lies
/// below TLS, whose own buffers take something even where the network takes nothing.
pub(super) struct Unread<S> {
    stream: S,
    longest: Duration,
    /// There while a write waits.
    until: Option<Pin<Box<Sleep>>>,
}

// === impl Unread ===

impl<S> Unread<S> {
    pub(super) const fn new(stream: S, longest: Duration) -> Self {
        Self { stream, longest, until: None }
    }

    /// What was taken ends the wait, and what was not begins or goes on with it.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.until = None;
            return written;
        }
        let longest = self.longest;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.judge(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.judge(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.judge(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LONGEST: Duration = Duration::from_secs(30);

    /// The clock of the runtime stands still but for what is waited for.
    #[tokio::test(start_paused = true)]
    async fn only_what_is_not_taken_at_all_is_given_up() {
        let (mut client, stream) = duplex(4);
        let mut server = Unread::new(stream, LONGEST);
        let read = async {
            let mut all = Vec::new();
            for _ in 0..3 {
                tokio::time::sleep(LONGEST - Duration::from_secs(1)).await;
                let mut some = [0; 4];
                client.read_exact(&mut some).await.unwrap();
                all.extend(some);
            }
            all
        };
        let (written, all) = tokio::join!(server.write_all(b"slow but well"), read);
        assert!(written.is_ok() && all == b"slow but wel", "each piece was taken in time");
        // One byte lies there, and three fit.
        let begun = tokio::time::Instant::now();
        let stalled = tokio::time::timeout(2 * LONGEST, server.write_all(b"four")).await;
        let error = stalled.expect("an end").unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, LONGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_to_read_is_left_alone() {
        let (mut client, stream) = duplex(4);
        let mut server = Unread::new(stream, LONGEST);
        server.write_all(b"four").await.unwrap();
        let asked = async {
            tokio::time::sleep(10 * LONGEST).await;
            client.write_all(b"ask").await.unwrap();
        };
        let mut question = [0; 3];
        let (read, ()) = tokio::join!(server.read_exact(&mut question), asked);
        assert!(read.is_ok() && &question == b"ask");
    }
}
