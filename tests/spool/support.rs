//! What the spool's tests share: settings, made-up windows, a look at the directories. Knows no SQL.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "each test file uses a part")]

use airtally::{
    UnixNanos,
    spool::{Entry, EntryKind, Key, NewEntry, Opening, Privacy, Settings, Spool, Want},
    wire::{
        Address, Addresses, BATCH_SCHEMA, Batch, Capture, Exposure, Gap, GapReason, Identity, Record, Role, Station,
        TimeSource,
    },
};
use std::{fs, path::Path, time::Duration};
use uuid::Uuid;

pub const RUN: Uuid = Uuid::from_u128(7);
pub const WINDOW: i64 = 10_000_000_000;

/// The `n`th ten seconds.
pub fn at(n: i64) -> UnixNanos {
    UnixNanos(1_700_000_000_000_000_000 + n * WINDOW)
}

/// Two tiers below `dir`, one reader.
pub fn sensor(dir: &Path) -> Settings {
    Settings {
        runtime_dir: Some(dir.join("run")),
        state_dir: dir.join("state"),
        max_bytes: 8 << 20,
        age_out: Duration::from_secs(60),
        durable: false,
        ledger: false,
        privacy: None,
        readers: vec!["mqtt".into()],
    }
}

/// One tier below `dir`, two readers, a ledger.
pub fn ingest(dir: &Path) -> Settings {
    Settings { runtime_dir: None, ledger: true, readers: vec!["influx".into(), "sqlite".into()], ..sensor(dir) }
}

pub fn open(settings: Settings) -> Spool {
    open_saying(settings).0
}

pub fn open_saying(settings: Settings) -> (Spool, Opening) {
    Spool::open(at(0), settings).expect("the spool opens")
}

/// `len` octets that do not compress, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(len).collect()
}

/// A window of `parts` parts of `len` octets each; part 0 has `frames`.
pub fn window_of(sensor: &str, run: Uuid, seq: u64, parts: u32, len: usize, frames: u64) -> Vec<NewEntry> {
    let part = |part| NewEntry {
        kind: EntryKind::Batch,
        key: Key { site: "home".into(), sensor: sensor.into(), run, seq, part },
        parts,
        last_seq: None,
        start: at(seq as i64),
        end: at(seq as i64 + 1),
        frames: if part == 0 { frames } else { 0 },
        last: false,
        held: None,
        body: noise(seq * 100 + u64::from(part) + 1, len),
    };
    (0..parts).map(part).collect()
}

/// A window in one part of 500 octets and `seq` + 1 frames.
pub fn window(seq: u64) -> Vec<NewEntry> {
    window_of("s", RUN, seq, 1, 500, seq + 1)
}

pub fn append(spool: &mut Spool, seq: u64) -> u64 {
    spool.append(at(seq as i64 + 1), &window(seq), &[]).unwrap().ids[0]
}

pub fn final_window(seq: u64) -> Vec<NewEntry> {
    window(seq).into_iter().map(|entry| NewEntry { last: true, ..entry }).collect()
}

/// Everything that waits for `reader`.
pub fn all_pending(spool: &mut Spool, reader: &str) -> Vec<Entry> {
    spool.pending(reader, Want::Everything, 0, usize::MAX >> 1, usize::MAX).unwrap()
}

pub fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().filter(|entry| entry.kind == EntryKind::Batch).map(|entry| entry.key.seq).collect()
}

pub fn gaps(entries: &[Entry]) -> Vec<Gap> {
    entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::Batch)
        .map(|entry| match Record::decode(&entry.body) {
            Ok(Record::Gap(gap)) => gap,
            other => panic!("a gap's body decodes, not to {other:?}"),
        })
        .collect()
}

pub fn gap(run: Uuid, reason: GapReason, first_seq: u64, last_seq: Option<u64>) -> NewEntry {
    NewEntry::encode(&Record::Gap(Gap {
        schema: airtally::wire::GAP_SCHEMA.into(),
        site: "home".into(),
        sensor: "s".into(),
        run,
        reason,
        first_seq,
        last_seq,
        start: at(first_seq as i64),
        end: at(last_seq.unwrap_or(first_seq) as i64 + 1),
        frames: None,
        detail: None,
        stamping: None,
        ingest: None,
        withdrawn: false,
    }))
    .unwrap()
}

/// The settings of a sensor in a privacy mode, whose state `tracked` holds addresses.
pub fn private(dir: &Path, addresses: Addresses, sought: bool) -> Settings {
    let privacy =
        Privacy { allowed: Exposure::new(addresses, sought), states: vec!["tracked".into()], progress: || () };
    Settings { max_bytes: 1 << 20, privacy: Some(privacy), ..sensor(dir) }
}

/// A window of [`RUN`] with one station, whose names do not compress well.
pub fn heard(seq: u64, mac: Address, role: Role, names: usize) -> NewEntry {
    let name = |n: usize| noise(seq * 1_000 + n as u64 + 1, 60).iter().map(|octet| format!("{octet:02x}")).collect();
    let station = Station {
        mac,
        vendor: None,
        randomised: false,
        tracked: false,
        role,
        frames_sent: 1,
        bytes_sent: 1,
        frames_received: 0,
        management: 1,
        control: 0,
        data: 0,
        retries: 0,
        signal_dbm: None,
        freqs_mhz: Vec::new(),
        bssid: None,
        ssids: (0..names).map(name).collect(),
        ssids_left_out: None,
        security: None,
        channel: None,
        width_mhz: None,
        first_seen: at(seq as i64),
        last_seen: at(seq as i64),
    };
    let batch = Batch {
        schema: BATCH_SCHEMA.into(),
        identity: Identity { site: "home".into(), sensor: "s".into(), run: RUN, seq },
        part: 0,
        parts: 1,
        flow_parts: None,
        alert_parts: None,
        people: Vec::new(),
        start: at(seq as i64),
        end: at(seq as i64 + 1),
        clock: TimeSource::System,
        last: false,
        capture: Some(Capture { frames: 1, station_frames: 1, ..Capture::default() }),
        stamping: None,
        subtypes: [].into(),
        channels: Vec::new(),
        stations: vec![station],
        vendors: Vec::new(),
        distinct: None,
    };
    NewEntry::encode(&Record::Batch(Box::new(batch))).unwrap()
}

/// Stretches of what the store keeps of windows in the directories of [`sensor`], as they are on the medium: whatever
/// is erased, none of them may be found again. Bodies are compressed, so an address cannot be looked for.
pub fn traces(dir: &Path) -> Vec<Vec<u8>> {
    let mut traces = Vec::new();
    for path in ["run/spool-hot.sqlite", "state/spool.sqlite"].map(|name| dir.join(name)) {
        let Ok(database) = rusqlite::Connection::open(path) else { continue };
        let sql = "SELECT b.body FROM entries AS e JOIN bodies AS b ON b.id = e.body WHERE e.kind = 0";
        let mut statement = database.prepare(sql).unwrap();
        let bodies = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        for body in bodies.map(Result::unwrap) {
            // Not the beginning, which a gap's record may share.
            traces.extend(body[body.len() / 4..].chunks_exact(16).map(<[u8]>::to_vec));
        }
    }
    traces
}

/// How many of these stretches are in any file below `dir`, free pages and write-ahead logs included.
pub fn traces_left(dir: &Path, traces: &[Vec<u8>]) -> usize {
    let traces: std::collections::HashSet<&[u8]> = traces.iter().map(Vec::as_slice).collect();
    fn look(dir: &Path, traces: &std::collections::HashSet<&[u8]>) -> usize {
        let paths = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
        let found = paths.map(|path| match path.is_dir() {
            true => look(&path, traces),
            false => fs::read(&path).unwrap().windows(16).filter(|stretch| traces.contains(stretch)).count(),
        });
        found.sum()
    }
    look(dir, &traces)
}

/// The size of all files below `dir`.
pub fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { bytes_below(&path) } else { fs::metadata(&path).map_or(0, |m| m.len()) })
        .sum()
}

/// Acknowledges everything that waits for `reader`.
pub fn deliver_all(spool: &mut Spool, reader: &str) {
    let ids: Vec<u64> = all_pending(spool, reader).iter().map(|entry| entry.id).collect();
    spool.acknowledge(reader, &ids).unwrap();
}
