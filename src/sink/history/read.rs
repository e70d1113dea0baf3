//! Reads the embedded history: opening, totals. Writes nothing; [`super::Sqlite`] does. [`super::query`] has
//! the other questions.

use super::{
    cells::Moment,
    counts::Counts,
    range::{HistoryError, Range, Scope},
    raw::{OF_GAPS, OF_RANGE, count, parameters},
    store::HISTORY,
};
use crate::{
    UnixNanos,
    sink::{OpenError, sqlite_file},
};
use rusqlite::{Connection, Transaction, params_from_iter};
use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
};

/// The history, opened for reading. Each answer is of one moment; a writer is not held up.
#[derive(Debug)]
pub struct History(Connection);

/// Sums over a range of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Sensors heard of.
    pub sensors: u64,
    /// Windows whose part 0 is here.
    pub windows: u64,
    /// Windows of which a part is missing, of those that are kept one by one.
    pub incomplete: u64,
    /// Frames captured, as the sensors say.
    pub frames: u64,
    /// Octets captured, as the sensors say.
    pub bytes: u64,
    /// Frames counted at stations, as the sensors say: what was sent.
    pub station_frames: u64,
    /// The same, summed over stations and vendors: what is stored. Equal where nothing is missing.
    pub stored_station_frames: u64,
    /// Frames with a wrong check sequence.
    pub bad_fcs: u64,
    /// Frames that could not be read.
    pub malformed: u64,
    /// Frames of a kind without transmitter address.
    pub without_ta: u64,
    /// Frames with a group address as transmitter.
    pub group_ta: u64,
    /// Frames of stations past the bound.
    pub overflow_frames: u64,
    /// Frames the kernels dropped; absent where no sensor can know, as with capture files.
    pub kernel_drops: Option<u64>,
    /// Distinct station addresses: of times whose windows are no longer kept one by one, those with a history of their own.
    pub stations: u64,
    /// Those of them that are randomised.
    pub randomised: u64,
    /// Start of the first window.
    pub start: Option<UnixNanos>,
    /// End of the last one.
    pub end: Option<UnixNanos>,
    /// Declared losses.
    pub gaps: u64,
}

impl History {
    /// Opens the history at `path`.
    ///
    /// # Errors
    /// When there is none, or it is newer than this program, or not a history.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        sqlite_file::open_to_read(path, &HISTORY).map(Self)
    }

    /// Sums over a range, of one moment.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn totals(&self, range: Range, scope: &Scope) -> Result<Totals, HistoryError> {
        let transaction = self.moment()?;
        let moment = Self::at(&transaction, range, scope);
        let (mut totals, mut counts, mut sensors) = (Totals::default(), Counts::default(), BTreeSet::new());
        moment.cells(|cell| {
            counts.add(&cell.counts);
            totals.start = Some(totals.start.map_or(cell.start, |start| start.min(cell.start)));
            totals.end = Some(totals.end.map_or(cell.end, |end| end.max(cell.end)));
            sensors.insert((cell.site.clone(), cell.sensor.clone()));
        })?;
        moment.vendors(|_, sum| {
            totals.stored_station_frames = totals.stored_station_frames.saturating_add(sum.frames_sent);
        })?;
        let (mut stations, mut randomised) = (HashSet::new(), HashSet::new());
        moment.stations(None, |_, address, sum| {
            stations.insert(address);
            if sum.randomised {
                randomised.insert(address);
            }
        })?;
        let number =
            |sql: &str| transaction.query_row(sql, params_from_iter(parameters(range, scope)), |row| count(row, 0));
        Ok(Totals {
            sensors: sensors.len() as u64,
            windows: counts.windows,
            incomplete: number(&format!(
                "SELECT count(*) FROM (SELECT 1 FROM windows w WHERE {OF_RANGE} GROUP BY site, sensor, run, seq \
                 HAVING count(*) < max(parts))"
            ))?,
            frames: counts.frames,
            bytes: counts.bytes,
            station_frames: counts.station_frames,
            bad_fcs: counts.bad_fcs,
            malformed: counts.malformed,
            without_ta: counts.without_ta,
            group_ta: counts.group_ta,
            overflow_frames: counts.overflow_frames,
            kernel_drops: counts.kernel_drops,
            stations: stations.len() as u64,
            randomised: randomised.len() as u64,
            gaps: number(&format!("SELECT count(*) FROM gaps WHERE {OF_GAPS}"))?,
            ..totals
        })
    }

    /// One moment of the file: nothing that is stored meanwhile is seen.
    pub(super) fn moment(&self) -> Result<Transaction<'_>, HistoryError> {
        Ok(self.0.unchecked_transaction()?)
    }

    /// What of a moment a question is about.
    pub(super) fn at<'a>(moment: &'a Connection, range: Range, scope: &Scope) -> Moment<'a> {
        Moment::new(moment, range, scope)
    }

    /// Differs from what it was whenever something was stored since: an ETag's heart.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_id(&self) -> Result<String, HistoryError> {
        let moment = self.moment()?;
        let number = |sql: &str| moment.query_row(sql, [], |row| count(row, 0));
        let windows = number("SELECT max(id) FROM windows")?;
        let (gaps, last) = (number("SELECT count(*) FROM gaps")?, number("SELECT max(id) FROM gaps")?);
        Ok(format!("{windows:x}-{gaps:x}-{last:x}"))
    }
}
