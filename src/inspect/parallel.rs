//! Several captures at a time, or one capture in segments. Whatever the number of threads, the result is the same.

use super::{Input, Options, Progress, Report, read};
use crate::{
    capture::{CaptureError, Source, segments::Segments, survey::Survey},
    dot11::Verdict,
};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

/// Counts one capture: in segments where there are threads and it can be divided, else from beginning to end.
pub(super) fn one(input: &Input, options: &Options, progress: &Arc<Progress>) -> Report {
    if options.threads > 1
        && !options.ends_early()
        && let Input::Named(path) | Input::Found(path) = input
        && let Ok(Some(plan)) = Segments::plan(path, options.threads)
    {
        let before = progress.octets();
        let verdict = Survey::of_file(path);
        match segmented(input, &plan, options, progress, verdict) {
            Segmented::Counted(mut report) => {
                // The last part has no other after it that would show where it ended.
                if progress.is_stopped() {
                    report.warnings.push(read::stopped(input, "read to its end"));
                }
                return *report;
            }
            Segmented::Begun(begun) => {
                let (source, mut report) = *begun;
                progress.restart_from(before + source.offset());
                read::on(input, source, options, progress, &mut report);
                return report;
            }
            Segmented::Nothing => progress.restart_from(before),
        }
    }
    let mut report = Report::new(options.max_stations);
    read::input(input, options, progress, &mut report);
    report
}

/// What became of a capture in segments.
enum Segmented {
    /// All of it.
    Counted(Box<Report>),
    /// It cannot be proved that the segments fit together, or their counts cannot be added exactly; the first one begins
    /// where the capture does, and is right in any case.
    Begun(Box<(Source, Report)>),
    Nothing,
}

/// Counts a capture in segments.
fn segmented(input: &Input, plan: &Segments, options: &Options, progress: &Progress, verdict: Verdict) -> Segmented {
    let count = |index: usize| -> Result<(Source, Report), CaptureError> {
        let mut source = plan.open(index)?;
        let mut report = Report::part_of(options.max_stations, plan.count());
        report.verdict = verdict;
        read::source_into(&mut source, options, &mut report, &mut |octets| progress.moved(octets))?;
        Ok((source, report))
    };
    let count = &count;
    let counted: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.count()).map(|index| scope.spawn(move || count(index))).collect();
        threads.into_iter().map(|thread| thread.join().ok()?.ok()).collect()
    });
    let mut counted = counted.into_iter();
    let Some(Some((first, mut begun))) = counted.next() else { return Segmented::Nothing };
    let mut fits = !begun.is_beyond_merging();
    let (mut sources, mut others) = (vec![first], Vec::with_capacity(counted.len()));
    for part in counted {
        match part {
            Some((source, report)) => {
                fits &= !report.is_beyond_merging();
                sources.push(source);
                others.push(report);
            }
            None => fits = false,
        }
    }
    if fits && plan.fit(&sources) {
        // A failure in the middle of it leaves nothing to go on with.
        if others.into_iter().any(|report| begun.merge(report).is_err()) {
            return Segmented::Nothing;
        }
        if let Some(last) = sources.last() {
            read::finish(input, last, Ok(None), 0, &mut begun);
        }
        return Segmented::Counted(Box::new(begun));
    }
    let mut first = sources.swap_remove(0);
    if !first.read_on() {
        return Segmented::Nothing;
    }
    begun.becomes_whole();
    Segmented::Begun(Box::new((first, begun)))
}

/// What the threads share.
struct Shared<T> {
    /// The next job to begin.
    next: usize,
    /// The next result to hand over.
    due: usize,
    done: BTreeMap<usize, T>,
    stopped: bool,
}

/// Does `jobs` jobs on at most `threads` threads and hands over the results in order, until `take` breaks. No more
/// than a few results wait for one before them.
pub(super) fn in_order<T: Send>(
    jobs: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T) -> ControlFlow<()>,
) {
    let threads = threads.min(jobs);
    if threads < 2 {
        let _ = (0..jobs).try_for_each(|job| take(work(job)));
        return;
    }
    let shared = Mutex::new(Shared { next: 0, due: 0, done: BTreeMap::new(), stopped: false });
    let changed = Condvar::new();
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        loop {
            let ready =
                |state: &mut Shared<T>| !state.stopped && state.next < jobs && state.next >= state.due + 2 * threads;
            let mut state = changed.wait_while(lock(), ready).unwrap_or_else(PoisonError::into_inner);
            if state.stopped || state.next >= jobs {
                return;
            }
            let job = state.next;
            state.next += 1;
            drop(state);
            let result = work(job);
            lock().done.insert(job, result);
            changed.notify_all();
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
        for job in 0..jobs {
            let waiting = |state: &mut Shared<T>| !state.done.contains_key(&job);
            let mut state = changed.wait_while(lock(), waiting).unwrap_or_else(PoisonError::into_inner);
            let result = state.done.remove(&job);
            state.due = job + 1;
            drop(state);
            changed.notify_all();
            if result.is_none_or(|result| take(result).is_break()) {
                break;
            }
        }
        lock().stopped = true;
        changed.notify_all();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_a_break_ends_it() {
        let mut results = Vec::new();
        in_order(
            100,
            3,
            |job| job * 2,
            |result| {
                results.push(result);
                if result == 150 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!(results, (0..=75).map(|job| job * 2).collect::<Vec<_>>());
    }
}
