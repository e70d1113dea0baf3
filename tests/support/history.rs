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

/// Frames sent of each station of each sensor.
pub fn all_stations(database: &Connection) -> BTreeMap<String, BTreeMap<Mac, u64>> {
    let sql =
        "SELECT sensor, address, sum(frames_sent) FROM stations JOIN windows ON windows.id = window GROUP BY 1, 2";
    let mut statement = database.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut all: BTreeMap<String, BTreeMap<Mac, u64>> = BTreeMap::new();
    while let Some(row) = rows.next().unwrap() {
        let mac = Mac::from_u64(row.get::<_, i64>(1).unwrap().cast_unsigned());
        all.entry(row.get(0).unwrap()).or_default().insert(mac, row.get::<_, i64>(2).unwrap().cast_unsigned());
    }
    all
}

/// Frames sent of each station of one sensor.
pub fn stations(database: &Connection, sensor: &str) -> BTreeMap<Mac, u64> {
    all_stations(database).remove(sensor).unwrap_or_default()
}

/// Compares every sensor's stations and totals with an independent count, and the history with itself.
pub fn compare(database: &Connection, captures: &[Expected]) {
    let mut wrong = Vec::new();
    let mut all = all_stations(database);
    for capture in captures {
        let stored = all.remove(&capture.sensor).unwrap_or_default();
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
    let unequal = "WITH rows AS (SELECT window, sum(frames_sent) AS frames FROM stations GROUP BY window) \
        SELECT count(*) FROM (SELECT sum(windows.station_frames) AS said, total(rows.frames) AS there FROM windows \
        LEFT JOIN rows ON rows.window = windows.id GROUP BY sensor, run, seq) WHERE said <> there";
    assert_eq!(number(database, unequal), 0, "windows whose rows do not sum up to what they say");
    let holes = "SELECT count(*) FROM (SELECT max(seq) + 1 AS due, count(DISTINCT seq) AS there, \
        count(*) AS parts_there, sum(CASE part WHEN 0 THEN parts END) AS parts_due FROM windows GROUP BY sensor, run) \
        WHERE due <> there OR parts_there <> parts_due";
    assert_eq!(number(database, holes), 0, "runs with holes");
    assert_eq!(number(database, "SELECT count(*) FROM gaps"), 0, "losses declared, though nothing was lost");
}
