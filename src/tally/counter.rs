//! Frames to closed windows: what the sensor and `inspect --window` both drive. Reads no clock, does no I/O.

use super::{
    DayKeys, KeyError, Keys, Tally, Tracker, Windows, day_keys,
    privacy::{self, Mode, Naming},
    settings::{self, PrivacyMac},
    window::Open,
};
use crate::{Mac, UnixNanos, dot11::Facts, oui::Registry, wire::Contents};
use std::{mem, sync::Arc};

/// How to count.
#[derive(Clone, Debug)]
pub struct CounterSettings {
    /// The windows' length, and their bound on stations.
    pub window: settings::Window,
    /// Which stations may have a time series.
    pub tracking: settings::Tracking,
    /// What is withheld.
    pub privacy: settings::Privacy,
    /// Windows are closed by the clock and follow each other without a break, empty ones included; drops are known.
    pub live: bool,
}

/// A window that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// When it began.
    pub start: UnixNanos,
    /// When it ended (exclusive).
    pub end: UnixNanos,
    /// What was counted in it, after privacy.
    pub contents: Contents,
    /// The state of the [`Tracker`] after it, to be kept with the batch, if it changed.
    pub tracker: Option<Vec<u8>>,
    /// What stands for addresses in what else this window says: to be taken where that is made, since a key is in it.
    pub naming: Option<Naming>,
    /// From its end on other pseudonyms stand for addresses, or times are others: what goes on is cut here.
    pub is_cut: bool,
}

/// Counts frames into windows.
///
/// Only a key that cannot be had is an error, and only in privacy mode `pseudonym`. Nothing was counted or closed by
/// a call that returns one, so it may be repeated.
pub struct Counter {
    settings: CounterSettings,
    registry: Arc<Registry>,
    next_registry: Option<Arc<Registry>>,
    tracker: Tracker,
    /// Whether the tracker has changed otherwise than by a window.
    tracker_moved: bool,
    keys: Box<dyn Keys + Send>,
    /// Where the keys of sketches come from, where sketches are wanted.
    day_keys: Option<Box<dyn DayKeys + Send>>,
    /// The key of the open window, and which rotation it is of.
    key: Option<(i64, [u8; 32])>,
    windows: Windows,
    tally: Tally,
    late: u64,
    mended: u64,
    without_time: u64,
    drops: (u64, u64),
}

impl Counter {
    /// A counter before its first window. `tracker` is what the last run left, or empty; `keys` are asked in privacy
    /// mode `pseudonym` only.
    #[must_use]
    pub fn new(
        settings: CounterSettings,
        registry: Arc<Registry>,
        tracker: Tracker,
        keys: Box<dyn Keys + Send>,
    ) -> Self {
        let pseudonyms = settings.privacy.mac == PrivacyMac::Pseudonym;
        let cut = pseudonyms.then_some(settings.privacy.rotation);
        Self {
            windows: Windows::new(settings.window.length, cut, settings.live),
            tally: Tally::new(settings.window.max_stations),
            settings,
            registry,
            next_registry: None,
            tracker,
            tracker_moved: false,
            keys,
            day_keys: None,
            key: None,
            late: 0,
            mended: 0,
            without_time: 0,
            drops: (0, 0),
        }
    }

    /// Adds a sketch of its stations to each window, with keys from `keys`. Not in privacy mode `vendor`.
    #[must_use]
    pub fn with_sketches(mut self, keys: Box<dyn DayKeys + Send>) -> Self {
        self.day_keys = Some(keys);
        self
    }

    /// Opens the first window of a live run at `at`; does nothing if one is open. For files the first frame does it.
    ///
    /// # Errors
    /// [`KeyError`], as for all of these.
    pub fn begin(&mut self, at: UnixNanos) -> Result<(), KeyError> {
        match self.windows.open() {
            Some(_) => Ok(()),
            None => self.open(self.windows.beginning(at)).map(|_| ()),
        }
    }

    /// Counts one frame. Gives the window that it closed by belonging to a later one.
    ///
    /// In live capture that later window begins where this one ended and reaches past the frame; [`Counter::tick`]
    /// first, until it gives none, for the empty windows in between.
    ///
    /// # Errors
    /// [`KeyError`]; the frame is then not counted. Nor is one without a time: see [`Self::without_time`].
    #[inline]
    pub fn packet(
        &mut self,
        time: UnixNanos,
        facts: &Facts<'_>,
        original_len: u32,
    ) -> Result<Option<Closed>, KeyError> {
        if time == UnixNanos::NONE {
            self.without_time += 1;
            return Ok(None);
        }
        let closed = match self.windows.next_for_frame(time) {
            Some(next) => self.open(next)?,
            None => None,
        };
        self.late += u64::from(self.windows.open().is_some_and(|open| time < open.start));
        self.tally.add(time, facts, original_len);
        Ok(closed)
    }

    /// Tells that the time of the frame counted last is not what its capture says.
    #[inline]
    pub fn time_was_mended(&mut self) {
        self.mended += 1;
    }

    /// Frames that have no time ([`UnixNanos::NONE`]): they are in no window.
    #[must_use]
    pub fn without_time(&self) -> u64 {
        self.without_time
    }

    /// Tells a live counter the time. Gives the open window if it is over, one a call: call until there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn tick(&mut self, now: UnixNanos) -> Result<Option<Closed>, KeyError> {
        match self.windows.next_for_clock(now) {
            Some(next) => self.open(next),
            None => Ok(None),
        }
    }

    /// Tells a live counter that the open window has ended, and that the clock moves by `shift` nanoseconds there: the
    /// next window begins where the new clock stands. With `restamped`, the windows of this stretch move with it, once,
    /// wherever they are kept; else they stay as they are. Gives the open window; call [`Counter::tick`] before.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn clock_moves(&mut self, shift: i64, restamped: bool) -> Result<Option<Closed>, KeyError> {
        let since = self.windows.taken().last().map_or(0, |(from, _)| from);
        let Some((then, next)) = self.windows.moved(shift, restamped) else { return Ok(None) };
        let next_key = if self.settings.privacy.mac == PrivacyMac::Pseudonym {
            self.keys.forget()?;
            let index = self.rotation_of(next);
            self.keys.key(index).map(|key| Some((index, key)))?
        } else {
            None
        };
        let closed = self.windows.open().map(|open| self.close(open, true));
        (self.windows, self.key) = (then, next_key);
        self.windows.begin(next);
        if restamped {
            self.tracker_moved |= self.tracker.restamp(UnixNanos(since), shift);
        }
        Ok(closed)
    }

    /// Marks stretches of time that had their windows in earlier runs.
    pub fn take(&mut self, taken: &[(i64, i64)]) {
        taken.iter().for_each(|&(from, to)| self.windows.take(from, to));
    }

    /// Stretches of time that have had their windows; the last is the one the open window is in.
    pub fn taken(&self) -> impl Iterator<Item = (i64, i64)> {
        self.windows.taken()
    }

    /// Ends the run. Gives the open window: a live one ends `now`; a file's (`None`) at its aligned end, as if a
    /// later frame had closed it. There is none if nothing was ever opened.
    pub fn finish(&mut self, now: Option<UnixNanos>) -> Option<Closed> {
        let open = self.windows.finish(now)?;
        Some(self.close(open, true))
    }

    /// Adds frames that kernel and interface dropped since the last call; live capture only.
    pub fn add_drops(&mut self, kernel: u64, interface: u64) {
        self.drops.0 = self.drops.0.saturating_add(kernel);
        self.drops.1 = self.drops.1.saturating_add(interface);
    }

    /// Takes over another vendor registry once the open window is closed.
    pub fn set_registry(&mut self, registry: Arc<Registry>) {
        self.next_registry = Some(registry);
    }

    /// The window that is open, if one is.
    #[must_use]
    pub fn open_window(&self) -> Option<Open> {
        self.windows.open()
    }

    /// Closes the open window, if there is one, and opens `next`.
    fn open(&mut self, next: Open) -> Result<Option<Closed>, KeyError> {
        let next_key = self.key_for(next)?;
        let is_cut = self.key != next_key;
        let closed = self.windows.open().map(|open| self.close(open, is_cut));
        self.key = next_key;
        self.windows.begin(next);
        Ok(closed)
    }

    /// The key for a window: that of the rotation it ends in, which is the one it begins in, but for the first second
    /// of a run: a window is at least that long.
    fn key_for(&mut self, window: Open) -> Result<Option<(i64, [u8; 32])>, KeyError> {
        if self.settings.privacy.mac != PrivacyMac::Pseudonym {
            return Ok(None);
        }
        let index = self.rotation_of(window);
        match self.key {
            Some((of, key)) if of == index => Ok(Some((of, key))),
            _ => self.keys.key(index).map(|key| Some((index, key))),
        }
    }

    fn rotation_of(&self, window: Open) -> i64 {
        privacy::rotation_index(UnixNanos(window.end.0.saturating_sub(1)), self.settings.privacy.rotation)
    }

    fn close(&mut self, open: Open, is_cut: bool) -> Closed {
        let privacy = &self.settings.privacy;
        let (tracked, changed) = match privacy.mac {
            PrivacyMac::Plain => {
                let present: Vec<Mac> = self.tally.stations().map(|station| station.mac()).collect();
                self.tracker.window(&self.settings.tracking, open.start, &present)
            }
            PrivacyMac::Pseudonym | PrivacyMac::Vendor => (Vec::new(), false),
        };
        let key = self.key.as_ref().map(|(_, key)| key);
        // A window is opened with its key; if ever not, withholding is right.
        let mode = Mode::new(privacy, key).unwrap_or(Mode::Vendor);
        let mut contents = privacy::contents(&self.tally, &self.registry, &mode, privacy.ssids, &tracked);
        if privacy.mac != PrivacyMac::Vendor {
            let keys = self.day_keys.as_deref_mut();
            contents.distinct = keys.and_then(|keys| day_keys::distinct(&self.tally, open.end, keys));
        }
        contents.capture.late = mem::take(&mut self.late);
        contents.capture.mended_times = Some(mem::take(&mut self.mended)).filter(|&mended| mended > 0);
        let (kernel, interface) = mem::take(&mut self.drops);
        if self.settings.live {
            contents.capture.kernel_drops = Some(kernel);
            contents.capture.interface_drops = Some(interface);
        }
        self.tally.clear();
        if let Some(registry) = self.next_registry.take() {
            self.registry = registry;
        }
        let naming = Some(mode.naming());
        let changed = mem::take(&mut self.tracker_moved) || changed;
        Closed {
            start: open.start,
            end: open.end,
            contents,
            tracker: changed.then(|| self.tracker.encode()),
            naming,
            is_cut,
        }
    }
}
