//! The embedded history: every value of random records is read back, twice stored is once stored, and files that
//! cannot be used are told apart.
use crate::records::{sample, simple, tracked};
use airtally::{
    UnixNanos, config,
    sink::{
        self, DeadLetters, History, Sink, Sqlite,
        history::{
            Order, Paging, Range, Scope,
            query::{StationFilter, StationRow, StationSort},
        },
    },
    wire::{Address, Record},
};
use rusqlite::{Connection, types::Value};
use std::{collections::BTreeMap, fs, path::Path};

fn open(path: &Path) -> Sqlite {
    Sqlite::open(&config::Sqlite { path: path.to_owned(), ..config::Sqlite::default() }).unwrap()
}

/// A table or view as text, one line a row, in no order but that of the text.
fn dump(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let values: Vec<Value> = (0..columns).map(|n| row.get(n)).collect::<Result<_, _>>()?;
        Ok(format!("{values:?}"))
    });
    let mut rows: Vec<String> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    rows.sort();
    rows
}

fn busiest(history: &History, limit: usize) -> Vec<StationRow> {
    let sort = (StationSort::Frames, Order::Descending);
    let paging = Paging { limit, cursor: None };
    history.stations(Range::ALL, &Scope::default(), &StationFilter::default(), sort, &paging).unwrap().items
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap())
}

fn array<T: serde::Serialize>(items: &[T]) -> Value {
    if items.is_empty() { Value::Null } else { Value::Text(serde_json::to_string(items).unwrap()) }
}

/// What the view `station_rows` must say of these records.
fn station_rows(records: &[Record]) -> Vec<String> {
    let mut rows = Vec::new();
    for record in records {
        let Record::Batch(batch) = record else { continue };
        for station in &batch.stations {
            let signal = station.signal_dbm;
            let dbm =
                |field: fn(airtally::wire::Signal) -> i64| signal.map_or(Value::Null, |s| Value::Integer(field(s)));
            let row = [
                text(&batch.identity.site),
                text(&batch.identity.sensor),
                text(&batch.identity.run.to_string()),
                number(batch.identity.seq),
                number(batch.part.into()),
                Value::Integer(batch.start.0),
                Value::Integer(batch.end.0),
                text(&station.mac.to_string()),
                station.vendor.as_deref().map_or(Value::Null, text),
                number(station.randomised.into()),
                number(station.tracked.into()),
                text(serde_json::to_value(station.role).unwrap().as_str().unwrap()),
                number(station.frames_sent),
                number(station.bytes_sent),
                number(station.frames_received),
                number(station.management),
                number(station.control),
                number(station.data),
                number(station.retries),
                dbm(|signal| signal.min.into()),
                signal.map_or(Value::Null, |signal| Value::Real(signal.mean)),
                dbm(|signal| signal.max.into()),
                signal.map_or(Value::Null, |signal| number(signal.frames)),
                array(&station.freqs_mhz),
                station.bssid.map_or(Value::Null, |bssid| text(&bssid.to_string())),
                array(&station.ssids),
                Value::Integer(station.first_seen.0),
                Value::Integer(station.last_seen.0),
            ];
            rows.push(format!("{row:?}", row = row.to_vec()));
        }
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn random_records_are_read_back_equal_and_twice_is_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/history.sqlite");
    let mut sink = open(&path);
    let records = sample(crate::records::records(40));
    sink.store(&records).await.unwrap();
    assert_eq!(dump(&path, "SELECT * FROM station_rows"), station_rows(&records));
    let tables = ["station_totals", "vendor_totals", "channel_totals", "sensor_totals", "gaps", "subtypes", "channels"];
    let all = |path: &Path| {
        let select = |name: &str| match name {
            // All but what says in which order it was stored.
            "gaps" => {
                "SELECT site, sensor, run, reason, first_seq, last_seq, start_ns, end_ns, frames FROM gaps".into()
            }
            "subtypes" => "SELECT subtype, frames FROM subtypes".into(),
            "channels" => "SELECT n, freq_mhz, listened_ms, frames, bytes FROM channels".into(),
            name => format!("SELECT * FROM {name}"),
        };
        tables.map(|name| dump(path, &select(name)))
    };
    let once = all(&path);
    assert!(once.iter().all(|rows| !rows.is_empty()));
    for record in records.iter().rev() {
        sink.store(std::slice::from_ref(record)).await.unwrap();
    }
    drop(sink);
    open(&path).store(&records).await.unwrap();
    assert_eq!(all(&path), once);
    assert_eq!(dump(&path, "SELECT * FROM station_rows"), station_rows(&records));
}

#[tokio::test]
async fn the_history_answers_with_the_sums_of_the_records() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let records = sample(crate::records::records(40));
    open(&path).store(&records).await.unwrap();
    let history = History::open(&path).unwrap();

    let batches: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Batch(batch) => Some(batch),
            Record::Flows(_) | Record::Alerts(_) | Record::Gap(_) => None,
        })
        .collect();
    let captures: Vec<_> = batches.iter().filter_map(|batch| batch.capture.as_ref()).collect();
    let totals = history.totals(Range::ALL, &Scope::default()).unwrap();
    assert_eq!(totals.windows, captures.len() as u64);
    assert_eq!(totals.frames, captures.iter().map(|capture| capture.frames).sum::<u64>());
    assert_eq!(
        totals.kernel_drops,
        captures.iter().filter_map(|capture| capture.kernel_drops).reduce(|one, other| one + other)
    );
    assert_eq!(totals.station_frames, captures.iter().map(|capture| capture.station_frames).sum::<u64>());
    assert_eq!(totals.stored_station_frames, totals.station_frames);
    let gaps = records.iter().filter(|record| matches!(record, Record::Gap(_))).count();
    assert_eq!((totals.incomplete, totals.gaps), (0, gaps as u64));
    assert_eq!(totals.start, batches.iter().map(|batch| batch.start).min());
    assert_eq!(totals.end, batches.iter().map(|batch| batch.end).max());

    let mut sums: BTreeMap<Address, (u64, u64)> = BTreeMap::new();
    for station in batches.iter().flat_map(|batch| &batch.stations) {
        let (frames, windows) = sums.entry(station.mac).or_default();
        *frames += station.frames_sent;
        *windows += 1;
    }
    assert_eq!(totals.stations, sums.len() as u64);
    let all = busiest(&history, 1_000);
    assert_eq!(all.len(), sums.len());
    assert!(all.is_sorted_by(|a, b| a.frames_sent >= b.frames_sent));
    for station in &all {
        assert_eq!((station.frames_sent, station.windows), sums[&station.station]);
    }
    assert_eq!(busiest(&history, 3), all[..3]);
    let vendors =
        history.vendors(Range::ALL, &Scope::default(), &Paging { limit: 10_000, cursor: None }).unwrap().items;
    assert_eq!(vendors.iter().map(|vendor| vendor.frames_sent).sum::<u64>(), totals.station_frames);
    let channels = history.channels(Range::ALL, None, &Scope::default()).unwrap().items;
    let frames: u64 = batches.iter().flat_map(|batch| &batch.channels).map(|channel| channel.frames).sum();
    assert_eq!(channels.iter().map(|channel| channel.frames).sum::<u64>(), frames);
    assert_eq!(
        history.gaps(Range::ALL, &Scope::default(), Order::Descending, &Paging::default()).unwrap().items.len() as u64,
        totals.gaps
    );
}

#[tokio::test]
async fn a_missing_part_shows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut batch = simple("home", "pi", 0, tracked(1, 10));
    batch.parts = 2;
    open(&path).store(&[Record::Batch(Box::new(batch))]).await.unwrap();
    assert_eq!(History::open(&path).unwrap().totals(Range::ALL, &Scope::default()).unwrap().incomplete, 1);
}

#[tokio::test]
async fn counts_no_database_can_hold_do_not_break_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let records: Vec<Record> =
        (0..3).map(|n| Record::Batch(Box::new(simple("home", "pi", n, tracked(1, u64::MAX))))).collect();
    open(&path).store(&records).await.unwrap();
    let history = History::open(&path).unwrap();
    assert_eq!(history.totals(Range::ALL, &Scope::default()).unwrap().windows, 3);
    assert_eq!(busiest(&history, 1).len(), 1);
    assert_eq!(history.vendors(Range::ALL, &Scope::default(), &Paging::default()).unwrap().items.len(), 1);
}

#[test]
fn files_that_cannot_be_used_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let sentence = |path: &Path| {
        let config = config::Sqlite { path: path.to_owned(), ..config::Sqlite::default() };
        Sqlite::open(&config).unwrap_err().to_string()
    };
    let newer = directory.path().join("newer.sqlite");
    drop(open(&newer));
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let text = sentence(&newer);
    assert!(text.contains("newer airtally") && text.contains("newer.sqlite"), "{text}");
    assert!(History::open(&newer).unwrap_err().to_string().contains("newer airtally"));

    let foreign = directory.path().join("foreign.sqlite");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let before = fs::read(&foreign).unwrap();
    let text = sentence(&foreign);
    assert!(text.contains("another program's SQLite database") && text.contains("not a history"), "{text}");
    assert!(History::open(&foreign).unwrap_err().to_string().contains("another program's"));
    assert_eq!(fs::read(&foreign).unwrap(), before);

    let blocked = directory.path().join("file");
    fs::write(&blocked, "").unwrap();
    assert!(sentence(&blocked.join("history.sqlite")).contains("its directory cannot be made"));
    assert!(History::open(&directory.path().join("none.sqlite")).is_err());
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_a_fresh_one_begun() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let records = [Record::Batch(Box::new(simple("home", "pi", 0, tracked(1, 10))))];
    drop(open(&path));
    let whole = fs::read(&path).unwrap();
    let mut spoilt = whole.clone();
    spoilt[100..].fill(0xa5);
    for damage in [&whole[..5_000], &spoilt] {
        fs::write(&path, damage).unwrap();
        open(&path).store(&records).await.unwrap();
        assert_eq!(fs::read(directory.path().join("history.sqlite.corrupt")).unwrap(), damage);
        assert_eq!(History::open(&path).unwrap().totals(Range::ALL, &Scope::default()).unwrap().frames, 10);
        for entry in fs::read_dir(directory.path()).unwrap() {
            let name = entry.unwrap().file_name();
            if !name.to_str().unwrap().contains("corrupt") {
                fs::remove_file(directory.path().join(name)).unwrap();
            }
        }
    }
}

/// Earlier versions made files that others could read where the umask let them.
#[tokio::test]
async fn history_and_dead_letters_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let (path, letters) = (directory.path().join("history.sqlite"), directory.path().join("dead-letters.sqlite"));
    let records = [Record::Batch(Box::new(simple("home", "pi", 0, tracked(1, 10))))];
    for _ in 0..2 {
        let mut sink = open(&path);
        sink.store(&records).await.unwrap();
        let mut dead = DeadLetters::open(&letters, &config::DeadLetters::default()).unwrap();
        dead.refused("influx", "no", b"{}", UnixNanos(1)).unwrap();
        let mut count = 0;
        for entry in fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
            // As an earlier version left it, with its logs, when it was killed.
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644)).unwrap();
            count += 1;
        }
        assert_eq!(count, 6);
        let killed = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), killed.path().join(entry.file_name())).unwrap();
        }
        drop((sink, dead));
        for entry in fs::read_dir(killed.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn a_lock_that_another_program_holds_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut sink = open(&path);
    let records = [Record::Batch(Box::new(simple("home", "pi", 0, tracked(1, 10))))];
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (stored, ()) = tokio::join!(sink.store(&records), async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        other.execute_batch("COMMIT").unwrap();
    });
    stored.unwrap();
    assert_eq!(History::open(&path).unwrap().totals(Range::ALL, &Scope::default()).unwrap().frames, 10);
}

#[tokio::test]
async fn every_sink_of_a_configuration_is_opened_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let toml = format!(
        "[[influx]]\nname = 'one'\napi = 'v1'\nurl = 'http://localhost:1'\ndb = 'wifi'\n\
         [[influx]]\nname = 'two'\napi = 'v2'\nurl = 'https://localhost:1'\norg = 'o'\nbucket = 'b'\n\
         [sqlite]\npath = '{}'\n",
        directory.path().join("history.sqlite").display()
    );
    let config = config::parse_ingest(Path::new("ingest.toml"), &toml).unwrap();
    let sinks = sink::open(&config).unwrap();
    assert_eq!(sinks.iter().map(Sink::name).collect::<Vec<_>>(), ["one", "two", "sqlite"]);
}
