//! The SQLite history, read behind the program's back.

use super::{pipeline::Expected, wait_until};
use airtally::Mac;
use rusqlite::Connection;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// The one number that a query gives; 0 for NULL.
pub fn number(database: &Connection, sql: &str) -> u64 {
    database.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).unwrap().unwrap_or(0).try_into().unwrap()
}

/// Opens the file for reading, once its tables are there.
pub fn open(path: &Path) -> Option<Connection> {
    let database = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    database.busy_timeout(Duration::from_secs(10)).ok()?;
    let readable = database.prepare("SELECT 1 FROM windows").is_ok();
    readable.then_some(database)
}

/// Waits until something of `sensor` is stored.
pub fn await_sensor(history: &Path, sensor: &str) {
    let sql = format!("SELECT count(*) FROM windows WHERE sensor = '{sensor}'");
    wait_until(&format!("{sensor} is stored"), Duration::from_secs(120), || {
        open(history).is_some_and(|database| number(&database, &sql) > 0)
    });
}

/// Frames sent of each station of a sensor.
pub fn stations(database: &Connection, sensor: &str) -> BTreeMap<Mac, u64> {
    let sql = "SELECT station, sum(frames_sent) FROM station_rows WHERE sensor = ?1 GROUP BY station";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([sensor], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).unwrap();
    rows.map(|row| row.unwrap()).map(|(mac, frames)| (mac.parse().unwrap(), frames.try_into().unwrap())).collect()
}

/// Compares every sensor's stations and totals with an independent count, and the history with itself.
pub fn compare(database: &Connection, captures: &[Expected]) {
    let mut wrong = Vec::new();
    for capture in captures {
        let stored = stations(database, &capture.sensor);
        if stored != capture.stations {
            wrong.push(format!("{:?}: stored {stored:?}, counted {:?}", capture.path, capture.stations));
        }
        for (column, expected) in [
            ("frames", capture.frames),
            ("station_frames", capture.station_frames()),
            ("group_ta", capture.group_ta),
            ("overflow_frames", 0),
        ] {
            let sql = format!("SELECT sum({column}) FROM windows WHERE sensor = '{}'", capture.sensor);
            let stored = number(database, &sql);
            if stored != expected {
                wrong.push(format!("{:?}: {column} stored {stored}, counted {expected}", capture.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let leaks = "SELECT count(*) FROM windows WHERE part = 0 AND frames <> \
        station_frames + bad_fcs + malformed + without_ta + group_ta + overflow_frames";
    assert_eq!(number(database, leaks), 0, "windows whose frames are not conserved");
    let unequal = "SELECT count(*) FROM (SELECT sum(windows.station_frames) AS said, (SELECT sum(frames_sent) FROM \
        stations JOIN windows AS w ON w.id = stations.window WHERE w.run = windows.run AND w.seq = windows.seq \
        AND w.sensor = windows.sensor) AS rows FROM windows GROUP BY sensor, run, seq) WHERE said <> coalesce(rows, 0)";
    assert_eq!(number(database, unequal), 0, "windows whose rows do not sum up to what they say");
    let holes = "SELECT count(*) FROM (SELECT max(seq) + 1 AS due, count(DISTINCT seq) AS there, \
        count(*) AS parts_there, sum(CASE part WHEN 0 THEN parts END) AS parts_due FROM windows GROUP BY sensor, run) \
        WHERE due <> there OR parts_there <> parts_due";
    assert_eq!(number(database, holes), 0, "runs with holes");
    assert_eq!(number(database, "SELECT count(*) FROM gaps"), 0, "losses declared, though nothing was lost");
}
