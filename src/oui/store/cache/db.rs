//! The cache's SQLite file: its schema, reading it whole, writing it whole. The one file that knows SQLite; when and
//! where files are made and swapped is decided elsewhere.

use super::{
    Info, SourceInfo,
    place::{self, APPLICATION_ID, Found},
};
use crate::{
    UnixNanos,
    oui::{
        Assignment, Prefix, Registry, RegistryEntry,
        store::{
            Detail, OuiError,
            merge::{Merged, hash_entry},
            origin::{is_secret, shown},
            parsed::RegistryRow,
            source::{Source, hex},
        },
        table::Builder,
    },
};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write as _, fs, os::unix::ffi::OsStrExt as _, path::Path};

/// The format of the file that this program reads and writes.
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- body is the file itself, compressed with zstd, for a server that answers 'not modified'.
CREATE TABLE source (
    id INTEGER PRIMARY KEY, label TEXT NOT NULL, origin TEXT NOT NULL, sha256 TEXT NOT NULL, fetched_at TEXT NOT NULL,
    etag TEXT, last_modified TEXT, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL);
-- Sorted by prefix, which is the lowest address, as a number; registry is MA-L, MA-M, MA-S, IAB, CID or null.
CREATE TABLE entry (
    prefix INTEGER NOT NULL, bits INTEGER NOT NULL, registry TEXT, short TEXT, organisation TEXT, address TEXT);
CREATE TABLE special (
    prefix INTEGER NOT NULL, bits INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (prefix, bits)) WITHOUT ROWID;
CREATE TABLE local_entry (
    prefix INTEGER NOT NULL, bits INTEGER NOT NULL, short TEXT, organisation TEXT, address TEXT,
    PRIMARY KEY (prefix, bits)) WITHOUT ROWID;
";

/// Reads the registry that the cache at `path` holds.
pub(super) fn load(path: &Path, detail: Detail) -> Result<Registry, OuiError> {
    read_registry(&open(path)?, detail).map_err(|fault| fault.at(path))
}

/// Reads all that the cache at `path` holds, and checks it.
pub(super) fn info(path: &Path) -> Result<Info, OuiError> {
    read_info(&open(path)?).map_err(|fault| fault.at(path))
}

/// What an update needs to know of the cache it replaces.
#[derive(Default)]
pub(super) struct Old {
    pub rows: BTreeMap<String, u64>,
    pub hash: Option<String>,
    pub local: Vec<RegistryRow>,
}

/// Reads what an update needs to know.
pub(super) fn old(path: &Path) -> Result<Old, OuiError> {
    let db = open(path)?;
    let read = || {
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        for (_, source) in read_sources(&db)? {
            *rows.entry(source.label).or_default() += source.rows;
        }
        Ok(Old { rows, hash: Some(meta(&db, "hash")?), local: read_local(&db)? })
    };
    read().map_err(|fault: Fault| fault.at(path))
}

/// The description of the source that came from `origin`, and its bytes.
pub(super) fn stored(path: &Path, origin: &str) -> Result<Option<(SourceInfo, Vec<u8>)>, OuiError> {
    let db = open(path)?;
    let read = || {
        // Not one whose address had secrets: it may be from another than this.
        let query = "SELECT id, body FROM source WHERE origin = ?1 ORDER BY id LIMIT 1";
        let found = db.query_row(query, [origin], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let Some((id, body)) = found.optional()? else { return Ok(None) };
        let Some((_, source)) = read_sources(&db)?.into_iter().find(|(one, _)| *one == id) else { return Ok(None) };
        match zstd::bulk::decompress(&body, usize::try_from(source.bytes).unwrap_or(0)) {
            Ok(bytes) => Ok(Some((source, bytes))),
            Err(_) => Err(Fault::Damage("a source cannot be unpacked")),
        }
    };
    read().map_err(|fault: Fault| fault.at(path))
}

/// Writes a cache to `path`, where an empty file is.
pub(super) fn create(
    path: &Path,
    merged: &Merged,
    sources: &[Source],
    local: &[RegistryRow],
    hash: &str,
    now: UnixNanos,
) -> Result<(), OuiError> {
    alter(path, |db| write(db, merged, sources, local, hash, now))
}

/// Replaces the local entries of the cache at `path`, which is nobody else's, and removes secrets that an earlier version
/// kept in addresses.
pub(super) fn set_local(path: &Path, local: &[RegistryRow]) -> Result<(), OuiError> {
    alter(path, |db| {
        db.execute_batch("PRAGMA secure_delete = ON")?;
        let tx = db.transaction()?;
        tx.execute("DELETE FROM local_entry", [])?;
        write_local(&tx, local)?;
        let had_secrets = remove_secrets(&tx)?;
        tx.commit()?;
        // What moved within a page left copies of itself.
        if had_secrets { db.execute_batch("VACUUM") } else { Ok(()) }
    })
}

/// Leaves of each address what may be shown; without the server's names for the version, which are of the whole address.
fn remove_secrets(db: &Connection) -> rusqlite::Result<bool> {
    let mut statement = db.prepare("SELECT id, origin FROM source")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut had_secrets = false;
    for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        let (id, origin) = row;
        if is_secret(&origin) {
            let sql = "UPDATE source SET origin = ?2, etag = NULL, last_modified = NULL WHERE id = ?1";
            db.execute(sql, params![id, shown(&origin)])?;
            had_secrets = true;
        }
    }
    Ok(had_secrets)
}

/// Opens `path` for writing, without a journal: the file is synced as a whole before it gets its name.
fn alter(path: &Path, change: impl FnOnce(&mut Connection) -> rusqlite::Result<()>) -> Result<(), OuiError> {
    let run = || {
        let mut db = Connection::open(path)?;
        db.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE")?;
        // The mark first: what a kill leaves of this file is known for ours.
        db.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
        change(&mut db)?;
        db.close().map_err(|(_, error)| error)
    };
    run().map_err(|error| OuiError::Cache { path: path.to_owned(), message: error.to_string() })
}

/// Why a cache cannot be read, before its path is known.
enum Fault {
    Sqlite(rusqlite::Error),
    Damage(&'static str),
    Newer(i64),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    fn at(self, path: &Path) -> OuiError {
        let path = path.to_owned();
        match self {
            Self::Newer(found) => OuiError::Newer { path, found, known: VERSION },
            Self::Damage(message) => OuiError::Corrupt { path, message: message.to_owned() },
            Self::Sqlite(error) => {
                let message = error.to_string();
                match error {
                    rusqlite::Error::SqliteFailure(code, _)
                        if !matches!(
                            code.code,
                            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
                        ) =>
                    {
                        OuiError::Cache { path, message }
                    }
                    // A table or column that is not there, a value of another type: the file is not what it says.
                    _ => OuiError::Corrupt { path, message },
                }
            }
        }
    }
}

/// Opens a cache for reading, so that nothing is written, neither to it nor beside it: a cache is only ever replaced
/// whole, so its file never changes ("immutable", as SQLite has it) and needs no locks and no logs.
fn open(path: &Path) -> Result<Connection, OuiError> {
    match place::find(path)? {
        Found::Cache => {}
        Found::Nothing => return Err(OuiError::Missing { path: path.into() }),
        Found::Damaged => return Err(Fault::Damage("it has not the mark of a vendor cache").at(path)),
        Found::Stranger(stranger) => return Err(stranger.into()),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let real = fs::canonicalize(path).map_err(|source| OuiError::Io { action: "read", path: path.into(), source })?;
    let mut uri = "file:".to_owned();
    for octet in real.as_os_str().as_bytes() {
        match octet {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*octet)),
            _ if octet.is_ascii_alphanumeric() => uri.push(char::from(*octet)),
            // Writing to a string never fails.
            _ => drop(write!(uri, "%{octet:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    let db = Connection::open_with_flags(uri, flags).map_err(|error| Fault::from(error).at(path))?;
    check(&db).map_err(|fault| fault.at(path))?;
    Ok(db)
}

fn check(db: &Connection) -> Result<(), Fault> {
    let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    if pragma("application_id")? != i64::from(APPLICATION_ID) {
        return Err(Fault::Damage("it is not a vendor cache"));
    }
    match pragma("user_version")? {
        VERSION => Ok(()),
        newer if newer > VERSION => Err(Fault::Newer(newer)),
        _ => Err(Fault::Damage("it has no format number")),
    }
}

fn meta(db: &Connection, key: &str) -> Result<String, Fault> {
    db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()?
        .ok_or(Fault::Damage("its description is missing"))
}

fn read_registry(db: &Connection, detail: Detail) -> Result<Registry, Fault> {
    let mut builder = Builder::default();
    let address = if detail == Detail::All { "address" } else { "NULL" };
    let columns = format!("SELECT prefix, bits, registry, short, organisation, {address} FROM entry");
    let mut statement = db.prepare(&columns)?;
    let mut rows = statement.query([])?;
    let mut count = 0u64;
    while let Some(row) = rows.next()? {
        let registry = match text(row, 2)? {
            None => None,
            Some(name) => Some(Assignment::from_ieee(name).ok_or(Fault::Damage("a registry is unknown"))?),
        };
        let (short_name, organisation, address) = (text(row, 3)?, text(row, 4)?, text(row, 5)?);
        builder.row(RegistryEntry { prefix: prefix(row)?, registry, short_name, organisation, address });
        count += 1;
    }
    if meta(db, "entries")? != count.to_string() {
        return Err(Fault::Damage("entries are missing"));
    }
    let mut statement = db.prepare("SELECT prefix, bits, name FROM special")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        builder.special(prefix(row)?, &row.get::<_, String>(2)?);
    }
    let mut hash = meta(db, "hash")?;
    let local = read_local(db)?;
    if !local.is_empty() {
        let mut hasher = Sha256::new();
        hasher.update(&hash);
        local.iter().for_each(|row| hash_entry(&mut hasher, row.entry()));
        hash = hex(&hasher.finalize());
    }
    local.iter().for_each(|row| builder.row(row.entry()));
    Ok(builder.build(hash))
}

/// The prefix in a row's first two columns.
fn prefix(row: &rusqlite::Row<'_>) -> Result<Prefix, Fault> {
    match (unsigned::<u64>(row, 0)?, unsigned::<u8>(row, 1)?) {
        (address, bits) if address < 1 << 48 && bits <= 48 => Ok(Prefix::new(address, bits)),
        _ => Err(Fault::Damage("a prefix is out of range")),
    }
}

/// The text in a column, without a copy.
fn text<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<Option<&'a str>, Fault> {
    row.get_ref(column)?.as_str_or_null().map_err(|_| Fault::Damage("a name is no text"))
}

/// The number in a column, which is never negative in a sound cache.
fn unsigned<T: TryFrom<i64>>(row: &rusqlite::Row<'_>, column: usize) -> Result<T, Fault> {
    T::try_from(row.get(column)?).map_err(|_| Fault::Damage("a number is out of range"))
}

/// A number as SQLite keeps it.
fn int(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn read_local(db: &Connection) -> Result<Vec<RegistryRow>, Fault> {
    let mut statement =
        db.prepare("SELECT prefix, bits, short, organisation, address FROM local_entry ORDER BY prefix, bits")?;
    let mut rows = statement.query([])?;
    let mut local = Vec::new();
    while let Some(row) = rows.next()? {
        local.push(RegistryRow {
            prefix: prefix(row)?,
            registry: Some(Assignment::Local),
            short: row.get(2)?,
            organisation: row.get(3)?,
            address: row.get(4)?,
        });
    }
    Ok(local)
}

/// The sources with their numbers. Of an address that an earlier version kept with its secrets, what may be shown.
fn read_sources(db: &Connection) -> Result<Vec<(i64, SourceInfo)>, Fault> {
    let mut statement = db.prepare(
        "SELECT label, origin, sha256, fetched_at, etag, last_modified, rows, bytes, id FROM source ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut sources = Vec::new();
    while let Some(row) = rows.next()? {
        let origin: String = row.get(1)?;
        let source = SourceInfo {
            label: row.get(0)?,
            origin: shown(&origin).into_owned(),
            sha256: row.get(2)?,
            fetched_at: row.get(3)?,
            etag: row.get(4)?,
            last_modified: row.get(5)?,
            rows: unsigned(row, 6)?,
            bytes: unsigned(row, 7)?,
        };
        sources.push((row.get(8)?, source));
    }
    Ok(sources)
}

fn read_info(db: &Connection) -> Result<Info, Fault> {
    if db.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))? != "ok" {
        return Err(Fault::Damage("SQLite's own check finds faults"));
    }
    let registry = read_registry(db, Detail::All)?;
    let mut registries = BTreeMap::new();
    for entry in registry.entries() {
        *registries.entry(entry.registry.map_or("unstated", Assignment::name)).or_default() += 1;
    }
    Ok(Info {
        sources: read_sources(db)?.into_iter().map(|(_, source)| source).collect(),
        updated_at: meta(db, "updated_at")?,
        registries,
        special: u64::try_from(db.query_row("SELECT count(*) FROM special", [], |row| row.get::<_, i64>(0))?)
            .map_err(|_| Fault::Damage("a number is out of range"))?,
        hash: registry.hash().to_owned(),
    })
}

fn write(
    db: &mut Connection,
    merged: &Merged,
    sources: &[Source],
    local: &[RegistryRow],
    hash: &str,
    now: UnixNanos,
) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    tx.execute_batch(SCHEMA)?;
    tx.execute_batch(&format!("PRAGMA user_version = {VERSION}"))?;
    write_meta(&tx, merged, hash, now)?;
    write_sources(&tx, sources, now)?;
    write_entries(&tx, &merged.entries)?;
    write_special(&tx, &merged.special)?;
    write_local(&tx, local)?;
    tx.commit()
}

fn write_meta(db: &Connection, merged: &Merged, hash: &str, now: UnixNanos) -> rusqlite::Result<()> {
    for (key, value) in
        [("entries", merged.entries.len().to_string()), ("hash", hash.to_owned()), ("updated_at", now.to_string())]
    {
        db.execute("INSERT INTO meta VALUES (?1, ?2)", [key, &value])?;
    }
    Ok(())
}

fn write_sources(db: &Connection, sources: &[Source], now: UnixNanos) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO source VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for source in sources {
        let body = zstd::encode_all(source.bytes.as_slice(), 9)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        insert.execute(params![
            source.kind.label(),
            source.origin,
            source.sha256,
            now.to_string(),
            source.etag,
            source.last_modified,
            int(source.rows()),
            int(source.bytes.len()),
            body
        ])?;
    }
    Ok(())
}

fn write_entries(db: &Connection, entries: &[RegistryRow]) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for row in entries {
        let registry = row.registry.map(Assignment::name);
        let (prefix, bits) = (int(row.prefix.first()), row.prefix.bits());
        insert.execute(params![prefix, bits, registry, row.short, row.organisation, row.address])?;
    }
    Ok(())
}

fn write_special(db: &Connection, special: &[(Prefix, String)]) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO special VALUES (?1, ?2, ?3)")?;
    for (prefix, name) in special {
        insert.execute(params![int(prefix.first()), prefix.bits(), name])?;
    }
    Ok(())
}

fn write_local(db: &Connection, local: &[RegistryRow]) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO local_entry VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for row in local {
        insert.execute(params![
            int(row.prefix.first()),
            row.prefix.bits(),
            row.short,
            row.organisation,
            row.address
        ])?;
    }
    Ok(())
}
