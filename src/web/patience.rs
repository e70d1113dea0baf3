//! How long a client is waited for: for its next head, and for it to take what it asked for. Knows nothing of HTTP.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// What a client has left of the server's patience. Pure: time comes in as an argument.
///
/// A client that does not take its answer uses up its patience as time passes. It earns patience by what it takes, at
/// the rate that it must keep up, and by time in which nothing waits for it, up to the full patience. So a client that
/// takes one octet now and then goes as soon as one that takes none.
#[derive(Debug)]
pub(super) struct Patience {
    full: Duration,
    octets_per_second: u32,
    left: Duration,
    counted: Instant,
    stalled: bool,
    /// Until when the next head must be here in full; none while a request is worked on.
    head: Option<Instant>,
    /// Who has to know when there is a time for the next head.
    waker: Option<Waker>,
}

impl Patience {
    /// Of a connection that begins at `now`: `full` for each head, and for an answer of which it takes less than
    /// `octets_per_second`.
    pub(super) fn new(full: Duration, octets_per_second: u32, now: Instant) -> Self {
        let head = Some(now + full);
        Self { full, octets_per_second, left: full, counted: now, stalled: false, head, waker: None }
    }

    fn count(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted);
        self.left = if self.stalled { self.left.saturating_sub(passed) } else { (self.left + passed).min(self.full) };
        self.counted = now;
    }

    /// The client takes no more for now.
    fn stall(&mut self, now: Instant) {
        self.count(now);
        self.stalled = true;
    }

    /// The client took `octets`.
    fn took(&mut self, octets: usize, now: Instant) {
        self.count(now);
        let earned = octets as f64 / f64::from(self.octets_per_second.max(1));
        self.left = (self.left + Duration::from_secs_f64(earned.min(self.full.as_secs_f64()))).min(self.full);
    }

    /// The client has taken all there is. The time for its next head begins here, if it had been behind.
    fn flushed(&mut self, now: Instant) {
        self.count(now);
        if self.stalled {
            self.stalled = false;
            self.head = self.head.map(|_| now + self.full);
        }
    }

    /// A whole head is here.
    pub(super) fn asked(&mut self) {
        self.head = None;
    }

    /// Its answer is on its way: the time for the next head begins.
    pub(super) fn answered(&mut self, now: Instant) {
        self.head = Some(now + self.full);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// When patience ends, if nothing happens, and what was waited for.
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        if self.stalled {
            return Some((self.counted + self.left, "the client takes its answers too slowly"));
        }
        self.head.map(|head| (head, "the client sent no request in time"))
    }
}

/// A connection's patience, for its stream and for what answers.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Patience>>);

impl Shared {
    pub(super) fn new(patience: Patience) -> Self {
        Self(Arc::new(Mutex::new(patience)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Patience> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when patience ends.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    patience: Shared,
    sleep: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Shared) -> Self {
        Self { stream, patience, sleep: Box::pin(sleep_until(Instant::now())) }
    }

    /// Ready when patience has ended; until then it sees to it that the task is woken for it.
    fn poll_end<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let mut patience = self.patience.lock();
        let Some((deadline, why)) = patience.deadline() else {
            patience.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(patience);
        if deadline > Instant::now() {
            if self.sleep.deadline() != deadline {
                self.sleep.as_mut().reset(deadline);
            }
            ready!(self.sleep.as_mut().poll(cx));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }

    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(octets)) => {
                self.patience.lock().took(octets, Instant::now());
                Poll::Ready(Ok(octets))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.patience.lock().stall(Instant::now());
                self.poll_end(cx)
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending => self.poll_end(cx),
            ready => ready,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => {
                self.patience.lock().stall(Instant::now());
                self.poll_end(cx)
            }
            ready => {
                self.patience.lock().flushed(Instant::now());
                ready
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn has_ended(patience: &Patience, now: Instant) -> bool {
        patience.deadline().is_some_and(|(deadline, _)| deadline <= now)
    }

    #[test]
    fn an_octet_every_nine_seconds_renews_nothing() {
        let start = Instant::now();
        let mut patience = Patience::new(SECOND * 10, 4096, start);
        patience.asked();
        patience.stall(start);
        patience.took(1, start + SECOND * 9);
        patience.flushed(start + SECOND * 9);
        patience.stall(start + SECOND * 9);
        assert!(!has_ended(&patience, start + SECOND * 9));
        assert!(has_ended(&patience, start + SECOND * 11));
    }

    #[test]
    fn the_time_for_a_head_begins_when_the_answer_before_it_is_taken() {
        let start = Instant::now();
        let mut patience = Patience::new(SECOND * 10, 4096, start);
        patience.asked();
        assert!(!has_ended(&patience, start + SECOND * 1000), "working takes as long as it takes");
        patience.stall(start);
        patience.answered(start);
        for second in 1..100 {
            patience.took(5000, start + SECOND * second);
            assert!(!has_ended(&patience, start + SECOND * second));
        }
        patience.flushed(start + SECOND * 100);
        assert!(!has_ended(&patience, start + SECOND * 109));
        assert!(has_ended(&patience, start + SECOND * 110));
    }

    proptest! {
        /// Whatever a client does, the seconds in which it is waited for are at most the full patience, and what it
        /// earned by octets and by seconds in which nothing waited.
        #[test]
        fn waiting_is_bounded_by_what_the_client_takes(
            steps in proptest::collection::vec((0u8..3, 0u64..12_000, 0usize..20_000), 0..200),
        ) {
            let mut now = Instant::now();
            let mut patience = Patience::new(SECOND * 10, 4096, now);
            patience.asked();
            let (mut waited, mut idle, mut octets) = (0.0, 0.0, 0);
            for (step, millis, count) in steps {
                let later = now + Duration::from_millis(millis);
                if has_ended(&patience, later) {
                    break;
                }
                *(if patience.stalled { &mut waited } else { &mut idle }) += (later - now).as_secs_f64();
                now = later;
                match step {
                    0 => patience.stall(now),
                    1 => {
                        octets += count;
                        patience.took(count, now);
                    }
                    _ => patience.flushed(now),
                }
                prop_assert!(waited <= 10.0 + idle + octets as f64 / 4096.0 + 1e-6);
            }
        }
    }
}
