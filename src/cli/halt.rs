//! How a command that listens is told to stop, and how it notices that nothing comes.

use crate::stop;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// How often a wait is ended: on a quiet interface libpcap's own time limit is none, and what waits to go out would wait
/// for the next packet.
const WAKE_EVERY: Duration = Duration::from_millis(500);

/// At the first SIGINT or SIGTERM `stopped` is set, at the second the program ends at once. `wake` ends a wait that looks
/// neither at `stopped` nor at a clock: at a stop, and twice a second.
pub(super) fn heed_signals(stopped: &Arc<AtomicBool>, mut wake: impl FnMut() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = Arc::clone(stopped);
    thread::spawn(move || {
        runtime.block_on(async {
            let mut requested = Box::pin(stop::requested());
            let told = loop {
                match tokio::time::timeout(WAKE_EVERY, &mut requested).await {
                    Ok(told) => break told,
                    Err(_) => wake(),
                }
            };
            if told.is_ok() {
                stopped.store(true, Ordering::Relaxed);
                wake();
                let _ = stop::requested().await;
                std::process::exit(130);
            }
        });
    });
    Ok(())
}
