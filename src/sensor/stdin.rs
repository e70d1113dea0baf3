//! Standard input as a source that can be told to end: a pipe may stay silent for hours, and a stop must not wait for
//! it.

use super::counting::Signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io::{self, Read},
    os::fd::AsFd as _,
    sync::{Arc, atomic::Ordering},
};

/// How long a wait for input goes on before the stop flag is looked at.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Reads standard input; after a stop it reads as ended.
pub struct Stdin {
    signals: Arc<Signals>,
}

impl Stdin {
    /// Standard input, until `signals.stop`.
    pub fn new(signals: &Arc<Signals>) -> Self {
        Self { signals: Arc::clone(signals) }
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        loop {
            if self.signals.stop.load(Ordering::Relaxed) {
                return Ok(0);
            }
            self.signals.beat.mark();
            let ready = match poll(&mut [PollFd::new(&stdin.as_fd(), PollFlags::IN)], Some(&LOOK_EVERY)) {
                Ok(ready) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            // Past the buffer of `io::Stdin`, whose octets `poll` would not see.
            if ready > 0 {
                return Ok(rustix::io::read(stdin.as_fd(), &mut *buffer)?);
            }
        }
    }
}
