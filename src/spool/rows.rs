//! The rows of a tier: entries, bodies, cursors, state. Knows no file and begins no transaction.

use super::{
    entry::{Held, Key, PackedEntry, Want, Which, code},
    failure::SqlResult,
};
use crate::UnixNanos;
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

/// A window's place in one tier, or a gap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spot {
    pub run_id: i64,
    pub code: i64,
    pub seq: u64,
}

/// The few columns that decisions are made on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub id: u64,
    pub spot: Spot,
    pub part: u32,
    pub pending: u64,
    pub size: u64,
    /// Octets of the compressed body.
    pub stored: u64,
    pub added: UnixNanos,
    pub start: UnixNanos,
    pub end: UnixNanos,
    pub frames: u64,
    pub held: Option<Held>,
}

/// Start and end.
pub(super) type Times = (UnixNanos, UnixNanos);

/// The rows of a tier, within a transaction or for reading.
pub(super) struct Rows<'c> {
    pub(super) conn: &'c Connection,
}

const HEAD: &str = "id, run_id, kind, seq, part, pending, size, stored, added, start, end, frames, boot, boot_start";

fn head(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        id: unsigned(row.get(0)?),
        spot: Spot { run_id: row.get(1)?, code: row.get(2)?, seq: unsigned(row.get(3)?) },
        part: row.get(4)?,
        pending: unsigned(row.get(5)?),
        size: unsigned(row.get(6)?),
        stored: unsigned(row.get(7)?),
        added: UnixNanos(row.get(8)?),
        start: UnixNanos(row.get(9)?),
        end: UnixNanos(row.get(10)?),
        frames: unsigned(row.get(11)?),
        held: held(row, 12)?,
    })
}

/// The columns `boot` and `boot_start`, from `column` on.
fn held(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<Held>> {
    let boot: Option<[u8; 16]> = row.get(column)?;
    let start: Option<i64> = row.get(column + 1)?;
    Ok(boot.zip(start).map(|(boot, start)| Held { boot: Uuid::from_bytes(boot), start }))
}

pub(super) fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// SQLite's integers are signed; what is stored here never reaches 2^63.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Rows<'_> {
    fn heads(&self, sql: &str, params: impl rusqlite::Params) -> SqlResult<Vec<Head>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let heads = statement.query_map(params, head)?.collect::<Result<_, _>>()?;
        Ok(heads)
    }

    fn number(&self, sql: &str, params: impl rusqlite::Params) -> SqlResult<u64> {
        let value: Option<i64> = self.conn.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
        Ok(value.map_or(0, unsigned))
    }

    fn change(&self, sql: &str, params: impl rusqlite::Params) -> SqlResult<usize> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)?)
    }

    /// The largest position in use.
    pub fn last_id(&self) -> SqlResult<u64> {
        self.number("SELECT max(id) FROM entries", [])
    }

    /// How many entries are stored.
    pub fn entries(&self) -> SqlResult<u64> {
        self.number("SELECT count(*) FROM entries", [])
    }

    /// How many entries wait for a reader of `mask`.
    pub fn waiting(&self, mask: u64) -> SqlResult<u64> {
        let sql = "SELECT count(*) FROM entries INDEXED BY undelivered WHERE pending <> 0 AND pending & ? <> 0";
        self.number(sql, [signed(mask)])
    }

    /// Entries after `after` that wait for a reader of `mask`, oldest first; those that are held too, or not.
    pub fn pending(&self, mask: u64, want: Want, after: u64, limit: usize, held: bool) -> SqlResult<Vec<Head>> {
        let from = match want {
            Want::Everything => "INDEXED BY undelivered WHERE pending <> 0",
            Want::Batches => "INDEXED BY undelivered WHERE pending <> 0 AND kind = 0 AND way = 0",
            Want::Flows => "INDEXED BY undelivered WHERE pending <> 0 AND kind = 0 AND way = 1",
            Want::Alerts => "INDEXED BY undelivered WHERE pending <> 0 AND kind = 0 AND way = 2",
            Want::Gaps => "INDEXED BY gaps WHERE kind <> 0",
        };
        let held = if held { "" } else { "AND boot IS NULL" };
        let sql =
            format!("SELECT {HEAD} FROM entries {from} AND id > ? AND pending & ? <> 0 {held} ORDER BY id LIMIT ?");
        self.heads(&sql, params![signed(after), signed(mask), signed(limit as u64)])
    }

    /// The oldest entries that are held since `boot`.
    pub fn held(&self, boot: Uuid, limit: usize) -> SqlResult<Vec<Head>> {
        let sql = format!(
            "SELECT {HEAD} FROM entries INDEXED BY held WHERE boot IS NOT NULL AND boot = ? ORDER BY id LIMIT ?"
        );
        self.heads(&sql, params![boot.as_bytes(), signed(limit as u64)])
    }

    /// Entries that are held since another boot than `but` are held no longer. Says how many.
    pub fn unhold(&self, but: Option<Uuid>) -> SqlResult<u64> {
        let sql = "UPDATE entries SET boot = NULL, boot_start = NULL WHERE boot IS NOT NULL AND boot IS NOT ?";
        Ok(self.change(sql, [but.map(Uuid::into_bytes)])? as u64)
    }

    /// The oldest entries of windows (and gaps) that nobody waits for.
    pub fn oldest_delivered(&self, limit: usize) -> SqlResult<Vec<Head>> {
        let sql = format!(
            "SELECT {HEAD} FROM entries AS e INDEXED BY delivered WHERE pending = 0 AND NOT EXISTS (
                 SELECT 1 FROM entries AS o WHERE o.run_id = e.run_id AND o.kind = e.kind AND o.seq = e.seq
                 AND o.pending <> 0)
             ORDER BY id LIMIT ?"
        );
        self.heads(&sql, [signed(limit as u64)])
    }

    /// The oldest entries of windows that somebody waits for; gaps are left out.
    pub fn oldest_undelivered(&self, limit: usize) -> SqlResult<Vec<Head>> {
        let sql = format!(
            "SELECT {HEAD} FROM entries INDEXED BY undelivered WHERE pending <> 0 AND kind = 0 ORDER BY id LIMIT ?"
        );
        self.heads(&sql, [signed(limit as u64)])
    }

    /// All parts of a window, or the one of a gap.
    pub fn window(&self, spot: Spot) -> SqlResult<Vec<Head>> {
        let sql = format!("SELECT {HEAD} FROM entries WHERE run_id = ? AND kind = ? AND seq = ? ORDER BY part");
        self.heads(&sql, params![spot.run_id, spot.code, signed(spot.seq)])
    }

    /// Parts of windows of `run` (of whichever sensor) from `first` to `last`, both included.
    pub fn windows_between(&self, run: Uuid, first: u64, last: u64) -> SqlResult<Vec<Head>> {
        let sql = format!(
            "SELECT {HEAD} FROM entries WHERE kind = 0 AND run_id IN (SELECT id FROM runs WHERE run = ?)
             AND seq BETWEEN ? AND ? ORDER BY seq, part"
        );
        self.heads(&sql, params![run.as_bytes(), signed(first), signed(last)])
    }

    /// Parts of windows past position `after`, oldest first.
    pub fn windows_after(&self, after: u64, limit: usize) -> SqlResult<Vec<Head>> {
        let sql = format!("SELECT {HEAD} FROM entries WHERE kind = 0 AND id > ? ORDER BY id LIMIT ?");
        self.heads(&sql, [signed(after), signed(limit as u64)])
    }

    /// Every entry's identity, oldest first.
    pub fn all(&self) -> SqlResult<Vec<Head>> {
        self.heads(&format!("SELECT {HEAD} FROM entries ORDER BY id"), [])
    }

    /// A stored entry.
    pub fn load(&self, id: u64) -> SqlResult<Option<PackedEntry>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.id, e.kind, r.site, r.sensor, r.run, e.seq, e.part, e.parts, e.last_seq, e.start, e.end,
                    e.frames, e.last, e.added, e.pending, e.size, b.body, e.boot, e.boot_start, e.way
             FROM entries AS e JOIN runs AS r ON r.id = e.run_id LEFT JOIN bodies AS b ON b.id = e.body
             WHERE e.id = ?",
        )?;
        let row = statement.query_row([signed(id)], |row| {
            Ok(PackedEntry {
                id: unsigned(row.get(0)?),
                code: row.get(1)?,
                key: Key {
                    site: row.get(2)?,
                    sensor: row.get(3)?,
                    run: uuid(row, 4)?,
                    seq: unsigned(row.get(5)?),
                    part: row.get(6)?,
                },
                parts: row.get(7)?,
                last_seq: row.get::<_, Option<i64>>(8)?.map(unsigned),
                start: UnixNanos(row.get(9)?),
                end: UnixNanos(row.get(10)?),
                frames: unsigned(row.get(11)?),
                last: row.get(12)?,
                added: UnixNanos(row.get(13)?),
                pending: unsigned(row.get(14)?),
                size: unsigned(row.get(15)?),
                body: row.get::<_, Option<Vec<u8>>>(16)?.unwrap_or_default(),
                held: held(row, 17)?,
                way: row.get(19)?,
            })
        });
        Ok(row.optional()?)
    }

    /// Stores `row` in place of the same entry, and of parts of the same window cut otherwise.
    pub fn put(&self, run_id: i64, row: &PackedEntry) -> SqlResult<()> {
        let spot = Spot { run_id, code: row.code, seq: row.key.seq };
        self.displace(spot, row.key.part, row.parts)?;
        self.change("INSERT INTO bodies (body) VALUES (?)", [&row.body])?;
        let body = self.conn.last_insert_rowid();
        self.change(
            "INSERT INTO entries (id, run_id, kind, seq, part, parts, last_seq, start, end, frames, last, added,
                                  pending, size, stored, body, boot, boot_start, way)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                signed(row.id),
                run_id,
                row.code,
                signed(row.key.seq),
                row.key.part,
                row.parts,
                row.last_seq.map(signed),
                row.start.0,
                row.end.0,
                signed(row.frames),
                row.last,
                row.added.0,
                signed(row.pending),
                signed(row.size),
                signed(row.body.len() as u64),
                body,
                row.held.map(|held| held.boot.into_bytes()),
                row.held.map(|held| held.start),
                row.way,
            ],
        )?;
        Ok(())
    }

    /// What [`Rows::put`] would replace.
    pub fn displaced(&self, spot: Spot, part: u32, parts: u32) -> SqlResult<Vec<u64>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM entries WHERE run_id = ? AND kind = ? AND seq = ? AND (part = ? OR parts <> ?)",
        )?;
        let ids = statement
            .query_map(params![spot.run_id, spot.code, signed(spot.seq), part, parts], |row| row.get(0).map(unsigned))?
            .collect::<Result<_, _>>()?;
        Ok(ids)
    }

    fn displace(&self, spot: Spot, part: u32, parts: u32) -> SqlResult<()> {
        self.displaced(spot, part, parts)?.into_iter().try_for_each(|id| self.remove(id))
    }

    /// Deletes an entry with its body.
    pub fn remove(&self, id: u64) -> SqlResult<()> {
        let body: Option<i64> = self
            .conn
            .prepare_cached("DELETE FROM entries WHERE id = ? RETURNING body")?
            .query_row([signed(id)], |row| row.get(0))
            .optional()?;
        if let Some(body) = body {
            self.change("DELETE FROM bodies WHERE id = ?", [body])?;
        }
        Ok(())
    }

    /// The readers of `mask` have the entry. Says whether it is stored here.
    pub fn acknowledge(&self, id: u64, mask: u64) -> SqlResult<bool> {
        Ok(self.change("UPDATE entries SET pending = pending & ~? WHERE id = ?", params![signed(mask), signed(id)])?
            > 0)
    }

    /// Makes entries wait for the readers of `mask`. Says how many did not before.
    pub fn refill(&self, mask: u64, which: Which) -> SqlResult<u64> {
        let sql = "UPDATE entries SET pending = pending | ?1 WHERE pending & ?1 = 0 AND";
        let mask = signed(mask);
        let entries = match which {
            Which::Since(since) => self.conn.execute(&format!("{sql} added >= ?2"), params![mask, since.0]),
            Which::Numbers(first, last) => {
                self.conn.execute(&format!("{sql} id BETWEEN ?2 AND ?3"), params![mask, signed(first), signed(last)])
            }
            Which::Last(_) => Ok(0),
        };
        Ok(entries? as u64)
    }

    /// The number of the newest entry, and when it was appended.
    pub fn newest(&self) -> SqlResult<Option<(u64, UnixNanos)>> {
        let sql = "SELECT id, added FROM entries ORDER BY id DESC LIMIT 1";
        let newest = |row: &rusqlite::Row<'_>| Ok((unsigned(row.get(0)?), UnixNanos(row.get(1)?)));
        Ok(self.conn.query_row(sql, [], newest).optional()?)
    }

    /// Gives an entry another position and makes it wait for the readers of `mask` too.
    pub fn reposition(&self, id: u64, new_id: u64, mask: u64) -> SqlResult<()> {
        let sql = "UPDATE entries SET id = ?, pending = pending | ? WHERE id = ?";
        self.change(sql, params![signed(new_id), signed(mask), signed(id)])?;
        Ok(())
    }

    /// How many gaps wait for somebody.
    pub fn waiting_gaps(&self) -> SqlResult<u64> {
        self.number("SELECT count(*) FROM entries INDEXED BY gaps WHERE kind <> 0 AND pending <> 0", [])
    }

    /// The oldest gap that waits for somebody, and another of the same run and kind, if there is one. Not of those that may
    /// be withdrawn: such a gap stays as it was declared.
    pub fn gaps_to_merge(&self) -> SqlResult<Option<(u64, Option<u64>)>> {
        let sql = format!(
            "SELECT {HEAD} FROM entries INDEXED BY gaps WHERE kind <> 0 AND kind <> ? AND pending <> 0 ORDER BY id LIMIT 1"
        );
        let Some(oldest) = self.heads(&sql, [code::MISSING_HERE])?.first().copied() else { return Ok(None) };
        let sql = "SELECT min(id) FROM entries WHERE run_id = ? AND kind = ? AND pending <> 0 AND id <> ?";
        let other = self.number(sql, params![oldest.spot.run_id, oldest.spot.code, signed(oldest.id)])?;
        Ok(Some((oldest.id, (other != 0).then_some(other))))
    }

    /// A loss declared here, of this code, that waits for exactly the readers of `mask` and ends before `first` or begins after
    /// `last`, with nothing between.
    pub fn adjoining_loss(&self, run_id: i64, code: i64, mask: u64, first: u64, last: u64) -> SqlResult<Option<u64>> {
        let sql = "SELECT min(id) FROM entries WHERE run_id = ? AND kind = ? AND pending = ?
                   AND (last_seq = ? - 1 OR seq = ? + 1)";
        let id = self.number(sql, params![run_id, code, signed(mask), signed(first), signed(last)])?;
        Ok((id != 0).then_some(id))
    }

    /// Start and end of the stored windows of a run that are nearest to those from `first` to `last`: before them, and after.
    pub fn around(&self, run_id: i64, first: u64, last: u64) -> SqlResult<(Option<Times>, Option<Times>)> {
        let time = |sql: &str, seq: u64| {
            let mut statement = self.conn.prepare_cached(sql)?;
            let times = |row: &rusqlite::Row<'_>| Ok((UnixNanos(row.get(0)?), UnixNanos(row.get(1)?)));
            statement.query_row(params![run_id, signed(seq)], times).optional()
        };
        let before =
            "SELECT start, end FROM entries WHERE run_id = ? AND kind = 0 AND seq < ? ORDER BY seq DESC LIMIT 1";
        let after = "SELECT start, end FROM entries WHERE run_id = ? AND kind = 0 AND seq > ? ORDER BY seq LIMIT 1";
        Ok((time(before, first)?, time(after, last)?))
    }

    /// The value kept under `key`.
    pub fn state(&self, key: &str) -> SqlResult<Option<Vec<u8>>> {
        let mut statement = self.conn.prepare_cached("SELECT value FROM state WHERE key = ?")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// The values kept under keys that begin with `prefix`, those written longest ago first. The prefix holds no octet 255.
    pub fn states_of(&self, prefix: &str) -> SqlResult<Vec<(String, Vec<u8>)>> {
        let sql = "SELECT key, value FROM state WHERE key >= ?1 AND key < ?1 || char(1114111) ORDER BY written, key";
        let mut statement = self.conn.prepare_cached(sql)?;
        let states = statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(states)
    }

    /// All values.
    pub fn states(&self) -> SqlResult<Vec<(String, Vec<u8>)>> {
        let mut statement = self.conn.prepare_cached("SELECT key, value FROM state ORDER BY key")?;
        let states = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(states)
    }

    /// Keeps `value` under `key`; the same again costs no write.
    pub fn set_state(&self, key: &str, value: &[u8], now: UnixNanos) -> SqlResult<()> {
        let sql = "INSERT INTO state (key, value, written) VALUES (?1, ?2, ?3) ON CONFLICT (key)
                   DO UPDATE SET value = ?2, written = ?3 WHERE value <> ?2";
        self.change(sql, params![key, value, now.0])?;
        Ok(())
    }

    /// Keeps no value under `key` any more.
    pub fn forget_state(&self, key: &str) -> SqlResult<()> {
        self.change("DELETE FROM state WHERE key = ?", [key])?;
        Ok(())
    }

    /// When a value was last kept here.
    pub fn state_written(&self) -> SqlResult<Option<UnixNanos>> {
        let written: Option<i64> = self.conn.query_row("SELECT max(written) FROM state", [], |row| row.get(0))?;
        Ok(written.map(UnixNanos))
    }

    /// Makes bit *n* of every entry's cursors stand for `names[n]`. A new name waits for everything stored, a name
    /// that is gone for nothing.
    pub fn set_readers(&self, names: &[String]) -> SqlResult<()> {
        let mut statement = self.conn.prepare("SELECT name, bit FROM readers")?;
        let old: Vec<(String, i64)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let terms: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(bit, name)| match old.iter().find(|(known, _)| known == name) {
                Some((_, was)) => format!("(((pending >> {was}) & 1) << {bit})"),
                None => format!("(1 << {bit})"),
            })
            .collect();
        let same = old.len() == names.len()
            && names.iter().zip(0..).all(|(name, bit)| old.iter().any(|(known, was)| known == name && *was == bit));
        if same {
            return Ok(());
        }
        let pending = if terms.is_empty() { "0".to_owned() } else { terms.join(" | ") };
        self.conn.execute(&format!("UPDATE entries SET pending = {pending}"), [])?;
        self.conn.execute("DELETE FROM readers", [])?;
        for (name, bit) in names.iter().zip(0i64..) {
            self.conn.execute("INSERT INTO readers (name, bit) VALUES (?, ?)", params![name, bit])?;
        }
        Ok(())
    }
}
