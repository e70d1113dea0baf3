//! A bar of what was read, the rate, and the time left: on a terminal only.

use crate::inspect::{Input, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// The bar, if there is one to see.
pub struct Bar(Option<Shown>);

struct Shown {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    ticker: JoinHandle<()>,
}

impl Bar {
    /// Shows what becomes of `progress` while `inputs` are read, if standard error is a terminal.
    pub fn start(progress: &Arc<Progress>, inputs: &[Input]) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let total = inputs.iter().map(Input::len).sum::<Option<u64>>();
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = if total.is_some() {
            "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
        } else {
            "{spinner} {bytes}, {bytes_per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let ticker = {
            let (bar, stop, progress) = (bar.clone(), Arc::clone(&stop), Arc::clone(progress));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    thread::park_timeout(Duration::from_millis(100));
                    bar.set_position(progress.octets());
                }
            })
        };
        Self(Some(Shown { bar, stop, ticker }))
    }

    /// Prints something without the bar in its way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(shown) => shown.bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(Shown { bar, stop, ticker }) = self.0 {
            stop.store(true, Ordering::Relaxed);
            ticker.thread().unpark();
            let _ = ticker.join();
            bar.finish_and_clear();
        }
    }
}
