//! Standard input as a source that can be told to end: a pipe may stay silent for hours, and a stop must not wait for
//! it. What was written to it before the stop is still read.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io::{self, Read},
    os::fd::AsFd as _,
};

/// How long a wait for input goes on before the caller is asked whether to stop.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// How long once it is to stop.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// Octets that are read after a stop, at most: what a pipe of Linux holds (pipe(7)), and some more. A writer that goes on
/// would else keep its reader from stopping.
const AFTER_STOP: usize = 1 << 20;

/// Reads standard input; once it is to stop, it ends when nothing is there at once.
pub struct Stdin<S> {
    is_stopped: S,
    left_after_stop: usize,
}

impl<S: Fn() -> bool> Stdin<S> {
    /// Standard input. `is_stopped` is asked before each read and about five times a second during a wait.
    #[must_use]
    pub const fn new(is_stopped: S) -> Self {
        Self { is_stopped, left_after_stop: AFTER_STOP }
    }
}

impl<S: Fn() -> bool> Read for Stdin<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        loop {
            let stopped = (self.is_stopped)();
            if stopped && self.left_after_stop == 0 {
                return Ok(0);
            }
            let wait = if stopped { AT_ONCE } else { LOOK_EVERY };
            let ready = match poll(&mut [PollFd::new(&stdin.as_fd(), PollFlags::IN)], Some(&wait)) {
                Ok(ready) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            // Past the buffer of `io::Stdin`, whose octets `poll` would not see.
            if ready > 0 {
                let read = rustix::io::read(stdin.as_fd(), &mut *buffer)?;
                if stopped {
                    self.left_after_stop = self.left_after_stop.saturating_sub(read);
                }
                return Ok(read);
            }
            if stopped {
                return Ok(0);
            }
        }
    }
}
