//! The questions that the page and the API ask of the history: answers equal a count of the records by other means.
use crate::records::{simple, tracked};
use airtally::{
    UnixNanos, config,
    sink::{
        History, Sink, Sqlite,
        history::{
            Order, Paging, Range, Scope, Tier,
            query::{NetworkSort, StationFilter, StationSort},
        },
    },
    wire::{Address, Batch, Capture, Channel, GAP_SCHEMA, Gap, GapReason, Record, Role, Station},
};
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
const TEN: Duration = Duration::from_secs(10);

/// Window `seq` of `sensor`: ten seconds, the stations numbered `from..to` with as many frames each as their number says.
fn window(sensor: &str, seq: u64, from: u64, to: u64) -> Batch {
    let start = i64::try_from(seq).unwrap() * 10 * SECOND;
    let mut batch = simple("home", sensor, seq, tracked(from, from));
    batch.stations = (from..to).map(|n| Station { role: Role::Client, ..tracked(n, n) }).collect();
    let frames = batch.stations.iter().map(|station| station.frames_sent).sum();
    batch.capture = Some(Capture { frames, station_frames: frames, ..Capture::default() });
    (batch.start, batch.end) = (UnixNanos(start), UnixNanos(start + 10 * SECOND));
    for station in &mut batch.stations {
        (station.first_seen, station.last_seen) = (batch.start, UnixNanos(batch.end.0 - 1));
    }
    batch.channels = vec![Channel { freq_mhz: 2_412, listened_ms: Some(9_000), frames: 5, bytes: 500 }];
    batch
}

fn gap(sensor: &str, from: i64, to: i64) -> Gap {
    Gap {
        schema: GAP_SCHEMA.into(),
        site: "home".into(),
        sensor: sensor.into(),
        run: uuid::Uuid::from_u128(9),
        reason: GapReason::Crash,
        first_seq: 0,
        last_seq: None,
        start: UnixNanos(from * SECOND),
        end: UnixNanos(to * SECOND),
        frames: Some(7),
        detail: None,
        stamping: None,
        ingest: None,
        withdrawn: false,
    }
}

fn seconds(from: i64, to: i64) -> Range {
    Range { from: UnixNanos(from * SECOND), to: UnixNanos(to * SECOND) }
}

async fn stored(records: Vec<Record>) -> (tempfile::TempDir, History) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let config = config::Sqlite { path: path.clone(), ..config::Sqlite::default() };
    Sqlite::open(&config).unwrap().store(&records).await.unwrap();
    let history = History::open(&path).unwrap();
    (directory, history)
}

fn record(batch: Batch) -> Record {
    Record::Batch(Box::new(batch))
}

/// Attic listens from 0 to 30 s and from 50 to 60 s, cellar from 0 to 10 s. Between them attic lost something.
async fn house() -> (tempfile::TempDir, History) {
    let mut all: Vec<Record> = [0, 1, 2, 5].map(|seq| record(window("attic", seq, 1, 4))).into();
    let mut cellar = window("cellar", 0, 3, 6);
    cellar.stations[0].role = Role::AccessPoint;
    let bssid = cellar.stations[0].mac;
    cellar.stations[0].ssids = vec!["Coffee".into()];
    cellar.stations[0].security = Some("WPA2".into());
    (cellar.stations[0].channel, cellar.stations[0].width_mhz) = (Some(6), Some(40));
    for station in &mut cellar.stations {
        station.bssid = Some(bssid);
    }
    all.push(record(cellar));
    all.push(Record::Gap(gap("attic", 30, 50)));
    stored(all).await
}

#[tokio::test]
async fn a_step_in_which_nobody_listened_is_not_zero() {
    let (_directory, history) = house().await;
    let scope = Scope { sensor: Some("attic".into()), ..Scope::default() };
    let series = history.series(seconds(0, 65), TEN, &scope).unwrap().items;
    assert_eq!(series.len(), 7);
    let frames: Vec<_> = series.iter().map(|row| row.counts.as_ref().map(|counts| counts.frames)).collect();
    assert_eq!(frames, [Some(6), Some(6), Some(6), None, None, Some(6), None]);
    let missing: Vec<_> = series.iter().map(|row| (row.gap_ms, row.lost_frames)).collect();
    assert_eq!(missing[2..6], [(0, None), (10_000, Some(7)), (10_000, None), (0, None)]);
    assert_eq!(series[0].counts.as_ref().unwrap().listened_ms, Some(9_000));
    assert_eq!(series[0].counts.as_ref().unwrap().covered_ms, 10_000);
    assert_eq!(series[0].stations.unwrap().most.total(), 3);
    assert_eq!((series[6].from, series[6].to), (UnixNanos(60 * SECOND), UnixNanos(65 * SECOND)));
    let both = history.series(seconds(0, 60), Duration::from_secs(30), &Scope::default()).unwrap().items;
    let frames: Vec<_> = both.iter().map(|row| row.counts.as_ref().unwrap().frames).collect();
    assert_eq!(frames, [18 + 12, 6]);
    assert!(history.series(Range::ALL, TEN, &scope).unwrap_err().to_string().contains("longer step"));
}

#[tokio::test]
async fn each_sensor_says_how_well_it_listened() {
    let (_directory, history) = house().await;
    let sensors = history.sensors(seconds(0, 100), &Scope::default()).unwrap();
    let [attic, cellar] = &sensors.items[..] else { panic!("{sensors:?}") };
    assert_eq!((attic.sensor.as_str(), cellar.sensor.as_str()), ("attic", "cellar"));
    assert_eq!((attic.counts.windows, attic.counts.covered_ms, attic.range_ms), (4, 40_000, 100_000));
    assert_eq!((attic.window_ms, attic.expected_windows, attic.runs), (10_000, 10, 1));
    assert_eq!((attic.gaps, attic.gap_ms, attic.lost_frames), (1, 20_000, Some(7)));
    assert_eq!(attic.last_end, Some(UnixNanos(60 * SECOND)));
    assert_eq!((cellar.counts.frames, cellar.gaps), (12, 0));
    let channels = history.channels(seconds(0, 100), Some(TEN), &Scope::default()).unwrap().items;
    assert_eq!((channels[0].listened_ms, channels[0].frames, channels[0].steps.len()), (Some(45_000), 25, 4));
    let vendors = history.vendors(seconds(0, 100), &Scope::default(), &Paging::default()).unwrap().items;
    assert_eq!(vendors.iter().map(|row| row.frames_sent).sum::<u64>(), 4 * 6 + 12);
}

#[tokio::test]
async fn stations_are_filtered_sorted_and_paged() {
    let (_directory, history) = house().await;
    let (all, everything, scope) = (seconds(0, 100), StationFilter::default(), Scope::default());
    let sort = (StationSort::Frames, Order::Descending);
    let mut found = Vec::new();
    let mut paging = Paging { limit: 2, cursor: None };
    loop {
        let page = history.stations(all, &scope, &everything, sort, &paging).unwrap();
        assert_eq!((page.tier, page.truncated), (Tier::Windows, false));
        found.extend(page.items.into_iter().map(|row| row.frames_sent));
        let Some(next) = page.next else { break };
        paging.cursor = Some(next);
    }
    // Station n sends n frames a window; the third one is heard by both sensors.
    assert_eq!(found, [4 * 3 + 3, 2 * 4, 5, 4, 4]);
    paging.cursor = Some("nonsense".into());
    assert!(history.stations(all, &scope, &everything, sort, &paging).is_err());

    let filtered =
        |filter: StationFilter| history.stations(all, &scope, &filter, sort, &Paging::default()).unwrap().items.len();
    assert_eq!(filtered(StationFilter { text: Some("coff".into()), ..everything.clone() }), 1);
    assert_eq!(filtered(StationFilter { role: Some(Role::AccessPoint), ..everything.clone() }), 1);
    assert_eq!(filtered(StationFilter { heard_since: Some(UnixNanos(20 * SECOND)), ..everything.clone() }), 3);
}

#[tokio::test]
async fn a_network_is_what_its_access_point_announces() {
    let (_directory, history) = house().await;
    let sort = (NetworkSort::Signal, Order::Descending);
    let range = seconds(0, 10);
    let networks = history.networks(range, &Scope::default(), None, sort, &Paging::default()).unwrap().items;
    let [network] = &networks[..] else { panic!("{networks:?}") };
    assert_eq!((&network.ssids[..], network.clients), (&["Coffee".to_owned()][..], 2));
    let none = history.networks(range, &Scope::default(), Some("tea"), sort, &Paging::default()).unwrap().items;
    assert!(none.is_empty());

    let detail = history.station(network.bssid, seconds(0, 30), TEN, &Scope::default()).unwrap().unwrap();
    assert_eq!((detail.clients.len(), detail.sensors.len(), detail.steps.len()), (2, 2, 3));
    assert_eq!(detail.steps.iter().map(|step| step.frames_sent).collect::<Vec<_>>(), [6, 3, 3]);
    assert_eq!(detail.steps[0].exposure.as_ref().unwrap().windows, 2);
    let nobody: Address = "00:00:00:00:00:77".parse().unwrap();
    assert_eq!(history.station(nobody, seconds(0, 30), TEN, &Scope::default()).unwrap(), None);
}

#[tokio::test]
async fn windows_and_gaps_are_listed_in_pages_and_the_mark_changes_with_them() {
    let (directory, history) = house().await;
    let (range, scope) = (seconds(0, 100), Scope::default());
    for (order, expected) in [(Order::Ascending, [0, 0, 1, 2, 5]), (Order::Descending, [5, 2, 1, 0, 0])] {
        let (mut seqs, mut paging) = (Vec::new(), Paging { limit: 2, cursor: None });
        loop {
            let page = history.windows(range, &scope, order, &paging).unwrap();
            seqs.extend(page.items.iter().map(|row| row.seq));
            let Some(next) = page.next else { break };
            paging.cursor = Some(next);
        }
        assert_eq!(seqs, expected);
    }
    let gaps = history.gaps(range, &scope, Order::Ascending, &Paging::default()).unwrap().items;
    assert_eq!((gaps.len(), gaps[0].frames), (1, Some(7)));
    let mark = history.newest_id().unwrap();
    assert_eq!(history.newest_id().unwrap(), mark);
    let config = config::Sqlite { path: directory.path().join("history.sqlite"), ..config::Sqlite::default() };
    Sqlite::open(&config).unwrap().store(&[record(window("attic", 6, 1, 2))]).await.unwrap();
    assert_ne!(history.newest_id().unwrap(), mark);
}
