//! A history that an earlier version wrote: opened by this one, nothing of it is lost, now or when it is rolled up.
use airtally::{
    UnixNanos, config,
    sink::{
        History, Sink, Sqlite,
        history::{
            Order, Paging, Range, Scope, Totals,
            query::{AlertFilter, StationFilter, StationSort},
        },
    },
    wire::Record,
};
use rusqlite::{Connection, params};
use std::{path::Path, time::Duration};

const HOUR: i64 = 3_600_000_000_000;

/// Twelve hours of one sensor, a window every ten minutes, written as version 1 did, long ago.
fn version_1(path: &Path) {
    let mut database = Connection::open(path).unwrap();
    database.pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    let transaction = database.transaction().unwrap();
    // Its tables, as they were.
    transaction.execute_batch(include_str!("history-1.sql")).unwrap();
    transaction.pragma_update(None, "application_id", 0x6174_6831).unwrap();
    transaction.pragma_update(None, "user_version", 1).unwrap();
    for seq in 0..72_i64 {
        let start = seq * HOUR / 6;
        transaction
            .execute(
                "INSERT INTO windows VALUES (NULL, 'home', 'attic', 'run', ?1, 0, 1, ?2, ?3, 'system', 0, ?4, 100, 9000, \
                 90, 5, 4, 1, 0, 0, 0, 2, NULL)",
                params![seq, start, start + HOUR / 360, UnixNanos::now().0 - 20 * 24 * HOUR],
            )
            .unwrap();
        let window = transaction.last_insert_rowid();
        for (n, role, tracked) in [(0, "access_point", 0), (1, "client", 1), (2, "client", 0)] {
            transaction
                .execute(
                    "INSERT INTO stations VALUES (?1, ?2, ?3, 'Acme', 0, ?4, ?5, 30, 3000, 1, 30, 0, 0, 0, -60, -50.5, -40, \
                     30, '[2412]', NULL, '[\"Coffee\"]', ?6, ?6)",
                    params![window, n, 0x00_1a_2b_00_00_00_i64 + n, tracked, role, start],
                )
                .unwrap();
        }
        transaction.execute("INSERT INTO channels VALUES (?1, 0, 2412, 9000, 100, 9000)", [window]).unwrap();
        transaction.execute("INSERT INTO subtypes VALUES (?1, '0x0008', 100)", [window]).unwrap();
    }
    transaction
        .execute(
            "INSERT INTO gaps VALUES (NULL, 'home', 'attic', 'run', 'crash', 72, NULL, 0, 1, 7, ?1)",
            [UnixNanos::now().0],
        )
        .unwrap();
    transaction.commit().unwrap();
}

fn totals(path: &Path) -> Totals {
    History::open(path).unwrap().totals(Range::ALL, &Scope::default()).unwrap()
}

#[tokio::test]
async fn nothing_of_an_earlier_version_s_history_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    version_1(&path);
    let text = History::open(&path).unwrap_err().to_string();
    assert!(text.contains("an earlier airtally") && text.contains("airtally ingest"), "{text}");

    // Version 1 kept windows for 30 days where nobody said otherwise: they stay.
    let config = config::Sqlite { path: path.clone(), ..config::Sqlite::default() };
    let mut sink = Sqlite::open(&config).unwrap();
    let before = totals(&path);
    assert_eq!((before.windows, before.frames, before.station_frames), (72, 7_200, 6_480));
    assert_eq!((before.stored_station_frames, before.stations, before.gaps, before.incomplete), (6_480, 3, 1, 0));
    assert_eq!(before.kernel_drops, Some(144));
    let series = || {
        let range = Range { from: UnixNanos(0), to: UnixNanos(12 * HOUR) };
        let rows = History::open(&path).unwrap().series(range, Duration::from_secs(3_600), &Scope::default()).unwrap();
        let row = |row: &airtally::sink::history::query::SeriesRow| {
            let (counts, crowd) = (row.counts.as_ref().unwrap(), row.stations.as_ref().unwrap());
            (counts.windows, counts.frames, counts.listened_ms, crowd.most.access_points, crowd.sum.known_vendor)
        };
        rows.items.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(series(), [(6, 600, Some(54_000), 1, 12); 12]);
    for _ in 0..3 {
        sink.store(&[]).await.unwrap();
    }
    assert_eq!(totals(&path), before, "the windows are rolled up, and still here");
    assert_eq!(series(), [(6, 600, Some(54_000), 1, 12); 12]);

    // A retention that somebody set means windows, as before: the sums stay.
    drop(sink);
    let config = config::Sqlite { retention: Some(Duration::from_secs(86_400)), ..config };
    let mut sink = Sqlite::open(&config).unwrap();
    sink.store(&[]).await.unwrap();
    let database = Connection::open(&path).unwrap();
    let windows: i64 = database.query_row("SELECT count(*) FROM windows", [], |row| row.get(0)).unwrap();
    assert_eq!(windows, 0);
    let after = totals(&path);
    assert_eq!(Totals { stations: 2, ..before }, after, "a station without a history of its own has no name any more");
    assert_eq!(series(), [(6, 600, Some(54_000), 1, 12); 12]);
    let sort = (StationSort::Frames, Order::Descending);
    let history = History::open(&path).unwrap();
    let stations =
        history.stations(Range::ALL, &Scope::default(), &StationFilter::default(), sort, &Paging::default()).unwrap();
    assert_eq!(stations.items.iter().map(|row| row.frames_sent).collect::<Vec<_>>(), [72 * 30; 2]);
}

#[tokio::test]
async fn a_history_from_before_flows_takes_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let config = config::Sqlite { path: path.clone(), ..config::Sqlite::default() };
    let records = crate::records::sample(crate::records::records(40));
    let windows: Vec<_> = records.iter().filter(|record| !matches!(record, Record::Flows(_))).cloned().collect();
    Sqlite::open(&config).unwrap().store(&windows).await.unwrap();
    let before = totals(&path);
    let tables = "DROP TABLE flows; DROP TABLE flow_sums; DROP TABLE flow_windows; DROP TABLE alerts; DROP TABLE people; DROP TABLE sketches; PRAGMA user_version = 2;";
    Connection::open(&path).unwrap().execute_batch(tables).unwrap();
    let mut sink = Sqlite::open(&config).unwrap();
    assert_eq!(totals(&path), before);
    sink.store(&records).await.unwrap();
    let number = |sql: &str| Connection::open(&path).unwrap().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let told: u64 = records
        .iter()
        .filter_map(|record| match record {
            Record::Flows(flows) => Some(flows.sums.iter().map(|sum| sum.records).sum::<u64>()),
            _ => None,
        })
        .sum();
    let told = i64::try_from(told).unwrap();
    assert!(told > 0);
    assert_eq!((number("SELECT count(*) FROM flows"), number("SELECT sum(records) FROM flow_sums")), (told, told));
    let after = totals(&path);
    assert_eq!((after.frames, after.stations, after.incomplete), (before.frames, before.stations, 0));
}

#[tokio::test]
async fn a_history_from_before_alerts_takes_them_whatever_their_order_and_however_often() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let config = config::Sqlite { path: path.clone(), ..config::Sqlite::default() };
    let records = crate::records::sample(crate::records::records(40));
    let others: Vec<_> = records.iter().filter(|record| !matches!(record, Record::Alerts(_))).cloned().collect();
    Sqlite::open(&config).unwrap().store(&others).await.unwrap();
    let before = totals(&path);
    let tables = "DROP TABLE alerts; DROP TABLE people; DROP TABLE sketches; PRAGMA user_version = 3;";
    Connection::open(&path).unwrap().execute_batch(tables).unwrap();
    let mut sink = Sqlite::open(&config).unwrap();
    assert_eq!(totals(&path), before);
    sink.store(&records).await.unwrap();
    let after = totals(&path);
    assert_eq!((after.frames, after.stations, after.incomplete), (before.frames, before.stations, 0));
    let told = || {
        let history = History::open(&path).unwrap();
        let (filter, paging) = (AlertFilter::default(), Paging { limit: 10_000, cursor: None });
        history.alerts(Range::ALL, &Scope::default(), &filter, Order::Ascending, &paging).unwrap().items
    };
    let first = told();
    let expected: usize = records
        .iter()
        .map(|record| match record {
            Record::Alerts(alerts) => alerts.alerts.len(),
            _ => 0,
        })
        .sum();
    assert!(expected > 0);
    assert_eq!(first.iter().map(|row| row.sensors.len()).sum::<usize>(), expected);
    let mut backwards = records.clone();
    backwards.reverse();
    sink.store(&backwards).await.unwrap();
    assert_eq!(told(), first);
}

#[tokio::test]
async fn a_history_from_before_estimates_of_people_takes_them_whatever_their_order_and_however_often() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let config = config::Sqlite { path: path.clone(), ..config::Sqlite::default() };
    let records = crate::records::sample(crate::records::records(40));
    let mut others = records.clone();
    for record in &mut others {
        if let Record::Batch(batch) = record {
            batch.people.clear();
        }
    }
    Sqlite::open(&config).unwrap().store(&others).await.unwrap();
    let before = totals(&path);
    Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE people; DROP TABLE sketches; PRAGMA user_version = 4;")
        .unwrap();
    let mut sink = Sqlite::open(&config).unwrap();
    assert_eq!(totals(&path), before);
    // Those of one sensor and interval that could tell, of whichever run.
    let mut expected = std::collections::BTreeMap::new();
    for record in &records {
        let Record::Batch(batch) = record else { continue };
        for people in &batch.people {
            let key = (batch.identity.site.clone(), batch.identity.sensor.clone(), people.start);
            let known: &mut Option<u64> = expected.entry(key).or_default();
            *known = people.estimate.map(u64::from).or(*known);
        }
    }
    assert!(expected.len() > 3);
    let told = || {
        let history = History::open(&path).unwrap();
        let paging = Paging { limit: 10_000, cursor: None };
        let rows = history.people(Range::ALL, &Scope::default(), Order::Ascending, &paging).unwrap().items;
        rows.into_iter().map(|row| ((row.site, row.sensor, row.start), row.estimate)).collect()
    };
    for _ in 0..2 {
        sink.store(&records).await.unwrap();
        assert_eq!(expected, told());
    }
    assert_eq!(totals(&path), before);
}
