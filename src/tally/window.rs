//! When a window begins and ends: pure decisions on times that others bring. Counts nothing, reads no clock.

use crate::{UnixNanos, time::LEAP};
use std::{collections::VecDeque, time::Duration};

const SECOND: i64 = 1_000_000_000;
/// Stretches of time remembered as taken.
const MOST_TAKEN: usize = 16;
/// Live windows that may be owed at once; after a longer silence (a suspend) one long window stands for them.
const MOST_OWED: i64 = 6;

/// The tumbling windows of one run.
///
/// The first begins when the run begins (live) or with its first frame (files). A window ends at the first multiple
/// of its length, or of `cut`, that is at least one second after its start: parts of a window are stamped start +
/// *n* ms by the sinks, so no window may begin within a second of another. Windows never overlap, and a later one
/// never begins before an earlier one ends.
///
/// Files have no empty windows: the next one is the aligned one that its first frame falls into. Where the clock of a
/// file was set back by more than `LEAP`, the windows go back with it, if the time there has not had any. Live windows
/// follow each other without a break, until the clock behind them moves ([`Windows::moved`]). Where it moves back into
/// time that has had its windows, the next one begins after that time; until then frames count in it, and are late.
#[derive(Clone, Debug)]
pub struct Windows {
    length: i64,
    cut: Option<i64>,
    live: bool,
    open: Option<Open>,
    /// Where the stretch of time began in which windows follow each other without a break.
    since: i64,
    /// Stretches of time that have had their windows, by a clock that was then set back.
    taken: VecDeque<(i64, i64)>,
}

/// A window that frames may still join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// When it began.
    pub start: UnixNanos,
    /// When it is to end (exclusive).
    pub end: UnixNanos,
}

impl Open {
    /// Whether something at `time` belongs to a later window. At the very end of time there is none.
    fn is_over(&self, time: UnixNanos) -> bool {
        time >= self.end && self.end.0 < i64::MAX
    }
}

impl Windows {
    /// Windows of `length`, ending at multiples of `cut` too; both are held at one second at least.
    #[must_use]
    pub fn new(length: Duration, cut: Option<Duration>, live: bool) -> Self {
        Self { length: nanos(length), cut: cut.map(nanos), live, open: None, since: 0, taken: VecDeque::new() }
    }

    /// The window that is open.
    #[must_use]
    pub fn open(&self) -> Option<Open> {
        self.open
    }

    /// The window that a frame of `time` would open: `None` if it belongs to the open one, late frames included.
    #[must_use]
    pub fn next_for_frame(&self, time: UnixNanos) -> Option<Open> {
        match self.open {
            None => Some(self.beginning(time)),
            Some(open) if !self.live && time.0 < open.start.0.saturating_sub(LEAP) => self.set_back(time),
            Some(open) if !open.is_over(time) => None,
            Some(open) if self.live => {
                // Whoever wants the empty windows in between ticks before.
                let next = self.beginning(open.end);
                Some(if time < next.end { next } else { self.reaching(next, self.end_after(time)) })
            }
            Some(open) => {
                let start = self.multiple_at_or_before(time).max(open.end.0);
                let next = self.beginning(UnixNanos(start));
                // Time that is taken may lie between.
                Some(if next.is_over(time) { self.beginning(time) } else { next })
            }
        }
    }

    /// The window that a frame of a clock that was set back opens, if its time has had no windows.
    fn set_back(&self, time: UnixNanos) -> Option<Open> {
        let mut then = self.clone();
        then.end_stretch();
        let next = then.beginning(UnixNanos(then.multiple_at_or_before(time)));
        (next.start <= time && !next.is_over(time)).then_some(next)
    }

    /// The stretch of a file's time that the open window ends has had its windows.
    fn end_stretch(&mut self) {
        let Some(open) = self.open else { return };
        self.taken.push_back((self.since, open.end.0));
        self.taken.make_contiguous().sort_unstable();
        while self.taken.len() > MOST_TAKEN {
            // The two that are nearest to each other become one: more time is taken, and none is free again.
            let gap = |at: &usize| match (self.taken.get(*at), self.taken.get(at + 1)) {
                (Some(&(_, to)), Some(&(from, _))) => from.abs_diff(to),
                _ => u64::MAX,
            };
            let nearest = (0..self.taken.len().saturating_sub(1)).min_by_key(gap).unwrap_or_default();
            let Some((_, to)) = self.taken.remove(nearest + 1) else { return };
            if let Some(stretch) = self.taken.get_mut(nearest) {
                stretch.1 = to.max(stretch.1);
            }
        }
    }

    /// The window that the clock's being at `now` opens, in live capture: at most one a call, so ask until `None`.
    #[must_use]
    pub fn next_for_clock(&self, now: UnixNanos) -> Option<Open> {
        let open = self.open.filter(|open| self.live && open.is_over(now))?;
        let next = self.beginning(open.end);
        let owed = now.0.saturating_sub(next.start.0) / self.cut.map_or(self.length, |cut| cut.min(self.length));
        if owed <= MOST_OWED {
            return Some(next);
        }
        Some(self.reaching(next, UnixNanos(self.multiple_at_or_before(now)).max(next.end)))
    }

    /// The window that follows the open one when the clock behind them moves by `shift` nanoseconds at its end.
    /// `restamped`: all windows since the stretch began move with it, so that the time they had is free again.
    #[must_use]
    pub fn moved(&self, shift: i64, restamped: bool) -> Option<(Self, Open)> {
        let open = self.open?;
        let mut then = self.clone();
        let start = open.end.0.saturating_add(shift);
        if restamped {
            then.since = then.since.saturating_add(shift);
        } else {
            then.take(self.since, open.end.0);
            then.since = start;
        }
        let next = then.beginning(UnixNanos(start));
        Some((then, next))
    }

    /// Marks the time from `from` to `to` as one that has had its windows.
    pub fn take(&mut self, from: i64, to: i64) {
        if from < to {
            self.taken.push_back((from, to));
            self.taken.drain(..self.taken.len().saturating_sub(MOST_TAKEN));
        }
    }

    /// The time that has had its windows, that of the open one included.
    pub fn taken(&self) -> impl Iterator<Item = (i64, i64)> {
        let current = self.open.map(|open| (self.since, open.end.0));
        self.taken.iter().copied().chain(current)
    }

    /// Opens a window that one of the other functions gave, in place of the one that is open.
    pub fn begin(&mut self, open: Open) {
        match self.open {
            None => self.since = open.start.0,
            Some(before) if !self.live && before.end.0.abs_diff(open.start.0) > LEAP.unsigned_abs() => {
                self.end_stretch();
                self.since = open.start.0;
            }
            Some(_) => {}
        }
        self.open = Some(open);
    }

    /// Ends the run: the open window, which then ends at `now` (but not before it began), or as planned if `None`.
    pub fn finish(&mut self, now: Option<UnixNanos>) -> Option<Open> {
        let open = self.open.take()?;
        let last = match now {
            // It waits for the end of time that is taken. A window without length meets no other.
            Some(now) if now < open.start && self.after_taken(now.0) != now.0 => Open { start: now, end: now },
            Some(now) => Open { start: open.start, end: now.max(open.start) },
            None => open,
        };
        self.take(self.since, last.end.0);
        Some(last)
    }

    /// The window that begins at `start`, or where the time after it that is taken ends.
    #[must_use]
    pub fn beginning(&self, start: UnixNanos) -> Open {
        let start = UnixNanos(self.after_taken(start.0));
        self.reaching(Open { start, end: start }, self.end_after(start))
    }

    /// The window from the start of `open` to `end`, or to where time is taken.
    fn reaching(&self, open: Open, end: UnixNanos) -> Open {
        let fronts = self.taken.iter().map(|&(from, _)| from).filter(|&from| from > open.start.0);
        Open { start: open.start, end: fronts.map(UnixNanos).min().map_or(end, |front| end.min(front)) }
    }

    /// `start`, or the end of the taken time that it is in or less than a second before.
    fn after_taken(&self, mut start: i64) -> i64 {
        while let Some(&(_, to)) =
            self.taken.iter().find(|&&(from, to)| from < start.saturating_add(SECOND) && start < to)
        {
            start = to;
        }
        start
    }

    fn end_after(&self, start: UnixNanos) -> UnixNanos {
        let least = start.0.saturating_add(SECOND);
        let by_length = multiple_at_or_after(least, self.length);
        UnixNanos(self.cut.map_or(by_length, |cut| by_length.min(multiple_at_or_after(least, cut))))
    }

    fn multiple_at_or_before(&self, time: UnixNanos) -> i64 {
        let below = |step: i64| time.0.saturating_sub(time.0.rem_euclid(step));
        self.cut.map_or(below(self.length), |cut| below(self.length).max(below(cut)))
    }
}

fn multiple_at_or_after(time: i64, step: i64) -> i64 {
    match time.rem_euclid(step) {
        0 => time,
        past => time.saturating_add(step - past),
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX).max(SECOND)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: f64) -> UnixNanos {
        #[allow(clippy::cast_possible_truncation)]
        UnixNanos((seconds * 1e9) as i64)
    }

    fn span(open: Option<Open>) -> (f64, f64) {
        let open = open.unwrap();
        #[allow(clippy::cast_precision_loss)]
        (open.start.0 as f64 / 1e9, open.end.0 as f64 / 1e9)
    }

    fn files() -> Windows {
        Windows::new(Duration::from_secs(10), None, false)
    }

    #[test]
    fn the_first_window_begins_with_the_run_and_is_at_least_a_second_long() {
        assert_eq!(span(files().next_for_frame(at(103.5))), (103.5, 110.0));
        assert_eq!(span(files().next_for_frame(at(109.0))), (109.0, 110.0));
        assert_eq!(span(files().next_for_frame(at(109.5))), (109.5, 120.0));
    }

    #[test]
    fn a_frame_at_the_end_opens_the_next_window_and_an_old_one_stays() {
        let mut windows = files();
        windows.begin(windows.next_for_frame(at(103.0)).unwrap());
        assert_eq!(windows.next_for_frame(at(109.999)), None);
        assert_eq!(windows.next_for_frame(at(5.0)), None);
        assert_eq!(span(windows.next_for_frame(at(110.0))), (110.0, 120.0));
        assert_eq!(span(windows.next_for_frame(at(1_346_567_936.5))), (1_346_567_930.0, 1_346_567_940.0));
        assert_eq!(span(windows.finish(None)), (103.0, 110.0));
    }

    #[test]
    fn a_clock_that_was_set_back_has_windows_of_its_own_time() {
        let mut windows = files();
        for (time, window) in [
            (5_000.0, Some((5_000.0, 5_010.0))),
            (900_000.0, Some((900_000.0, 900_010.0))),
            (5_012.0, Some((5_010.0, 5_020.0))),
            (5_013.0, None),
            // Time that has had its windows: late.
            (5_001.0, None),
            (900_001.0, Some((900_010.0, 900_020.0))),
            (900_009.0, None),
            (10.0, Some((10.0, 20.0))),
        ] {
            let next = windows.next_for_frame(at(time));
            assert_eq!(next.map(|next| span(Some(next))), window, "{time}");
            windows.begin(next.or(windows.open()).unwrap());
        }
    }

    #[test]
    fn live_windows_follow_each_other_by_the_clock() {
        let mut windows = Windows::new(Duration::from_secs(10), None, true);
        windows.begin(windows.beginning(at(103.0)));
        assert_eq!(windows.next_for_clock(at(109.0)), None);
        assert_eq!(windows.next_for_clock(at(50.0)), None);
        assert_eq!(span(windows.next_for_clock(at(125.0))), (110.0, 120.0));
        assert_eq!(span(windows.next_for_frame(at(145.0))), (110.0, 150.0));
        assert_eq!(span(windows.clone().finish(Some(at(105.5)))), (103.0, 105.5));
        assert_eq!(span(windows.finish(Some(at(1.0)))), (103.0, 103.0));
    }

    #[test]
    fn a_suspend_of_hours_makes_one_long_window() {
        let mut windows = Windows::new(Duration::from_secs(10), None, true);
        windows.begin(windows.beginning(at(100.0)));
        let mut spans = Vec::new();
        while let Some(next) = windows.next_for_clock(at(36_005.0)) {
            windows.begin(next);
            spans.push(span(Some(next)));
        }
        assert_eq!(spans, [(110.0, 36_000.0), (36_000.0, 36_010.0)]);
    }

    #[test]
    fn windows_are_cut_where_the_key_rotates() {
        let mut windows = Windows::new(Duration::from_secs(10), Some(Duration::from_secs(65)), false);
        windows.begin(windows.next_for_frame(at(61.0)).unwrap());
        assert_eq!(span(windows.open()), (61.0, 65.0));
        assert_eq!(span(windows.next_for_frame(at(67.0))), (65.0, 70.0));
        assert_eq!(span(windows.next_for_frame(at(72.0))), (70.0, 80.0));
    }

    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -100 * SECOND..500 * SECOND,
            1 => (-20i64..50).prop_map(|seconds| seconds * SECOND),
            1 => any::<i64>(),
            2 => (-3i64..4, 0i64..200).prop_map(|(day, second)| (day * 86_400 + second) * SECOND),
            1 => Just(i64::MAX),
            1 => Just(i64::MIN),
        ]
    }

    proptest! {
        #[test]
        fn windows_never_overlap_and_each_frame_is_in_one(
            mut times in proptest::collection::vec(time(), 1..60),
            length in 1u64..60, cut in proptest::option::of(60u64..200), live: bool, sorted: bool,
        ) {
            if sorted {
                times.sort_unstable();
            }
            let mut windows = Windows::new(Duration::from_secs(length), cut.map(Duration::from_secs), live);
            let mut had: Vec<Open> = Vec::new();
            for time in times.into_iter().map(UnixNanos) {
                if let Some(next) = windows.next_for_frame(time) {
                    for open in &had {
                        prop_assert!(open.end <= next.start || next.end <= open.start, "{:?} and {:?}", open, next);
                    }
                    prop_assert!(!live || windows.open().is_none_or(|open| open.end == next.start));
                    let in_it = next.start <= time && (time < next.end || time.0 == i64::MAX);
                    // Of a clock that runs again through time that had its windows.
                    let late = !live && !sorted && time < next.start;
                    prop_assert!(in_it || late, "{:?} in {:?}", time, next);
                    prop_assert!(next.end.0.saturating_sub(next.start.0) >= SECOND || next.end.0 == i64::MAX);
                    let front = had.iter().any(|open| open.start == next.end);
                    prop_assert!(next.end.0 % (length as i64 * SECOND) == 0 || next.end.0 == i64::MAX || front
                        || cut.is_some_and(|cut| next.end.0 % (cut as i64 * SECOND) == 0));
                    had.push(next);
                    windows.begin(next);
                }
                // Belongs here, or is late.
                prop_assert_eq!(windows.next_for_frame(time), None);
            }
        }

        #[test]
        fn clock_windows_follow_without_a_break_and_are_few(
            start in 0..500 * SECOND, steps in proptest::collection::vec(prop_oneof![0..30 * SECOND, 0..i64::MAX], 0..20),
            length in 1u64..60, cut in proptest::option::of(60u64..200),
        ) {
            let mut windows = Windows::new(Duration::from_secs(length), cut.map(Duration::from_secs), true);
            windows.begin(windows.beginning(UnixNanos(start)));
            let mut now = UnixNanos(start);
            for step in steps {
                now = now.saturating_add(Duration::from_nanos(step.unsigned_abs()));
                let mut opened = 0;
                while let Some(next) = windows.next_for_clock(now) {
                    prop_assert_eq!(windows.open().unwrap().end, next.start);
                    prop_assert!(next.start <= now && next.start < next.end);
                    windows.begin(next);
                    opened += 1;
                }
                prop_assert!(opened <= 12, "{opened} windows for one look at the clock");
                let open = windows.open().unwrap();
                prop_assert!(open.end > now || open.end.0 == i64::MAX);
            }
        }
    }
}
