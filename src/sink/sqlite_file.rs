//! Opening the SQLite files of this room: make, recognise, refuse what is newer or another's, set aside what is
//! damaged. Owns their settings; knows no table. The connection it makes stays within the room.

use super::OpenError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{path::Path, path::PathBuf, time::Duration};

/// One kind of file.
pub(super) struct Kind {
    /// Tells the kind apart in the file's header (`PRAGMA application_id`).
    pub application_id: i32,
    /// The tables' version (`PRAGMA user_version`), from 1.
    pub version: i32,
    /// What makes the tables of an empty file.
    pub schema: &'static str,
}

/// How long a writer or reader waits for another's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the file for writing, and makes it where there is none. A damaged file is renamed, with a warning in the
/// log, and a fresh one begun.
///
/// # Errors
/// When the file is newer, another program's, or cannot be opened.
pub(super) fn open(path: &Path, kind: &Kind) -> Result<Connection, OpenError> {
    let fail = |reason: String| OpenError::File { path: path.to_owned(), reason };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| fail(format!("its directory cannot be made: {error}")))?;
    }
    match try_open(path, kind) {
        Err(Trouble::Sqlite(error)) if is_damage(&error) => {
            set_aside(path, &error).map_err(|error| fail(format!("it is damaged, and cannot be renamed: {error}")))?;
            try_open(path, kind)
        }
        other => other,
    }
    .map_err(|trouble| fail(trouble.to_string()))
}

/// Opens the file for reading alone; it must exist.
///
/// # Errors
/// When it does not, or is newer, another program's, or damaged.
pub(super) fn open_to_read(path: &Path, kind: &Kind) -> Result<Connection, OpenError> {
    let fail = |reason: String| OpenError::File { path: path.to_owned(), reason };
    let open = || -> Result<Connection, Trouble> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(PATIENCE)?;
        match recognise(&connection, kind)? {
            true => Ok(connection),
            false => Err(Trouble::Empty),
        }
    };
    open().map_err(|trouble| fail(trouble.to_string()))
}

/// Whether an error means that the file is damaged, and not merely busy, full or forbidden.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Renames the file (and what SQLite keeps beside it) to `….corrupt`, over an earlier one.
pub(super) fn set_aside(path: &Path, why: &rusqlite::Error) -> std::io::Result<()> {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    std::fs::rename(path, with(".corrupt"))?;
    for end in ["-wal", "-shm"] {
        // A journal without its database would damage the next one; that there is none is the usual case.
        let _ = std::fs::rename(with(end), with(&format!(".corrupt{end}")));
    }
    tracing::error!(
        path = %path.display(), %why,
        "the database is damaged: renamed to .corrupt, and a fresh one begun"
    );
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("it was written by a newer airtally (version {0} of its tables): update airtally, or move the file away")]
    Newer(i32),
    #[error("it is not airtally's, or not of this kind: name another file")]
    Foreign,
    #[error("there is nothing in it yet")]
    Empty,
}

fn try_open(path: &Path, kind: &Kind) -> Result<Connection, Trouble> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    let known = recognise(&connection, kind)?;
    if !known {
        // Only while the file is empty can it be told to give space back.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What is stored is acknowledged to the spool, which forgets it: a commit must survive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", 1 << 20)?;
    if !known {
        let transaction = connection.transaction()?;
        transaction.execute_batch(kind.schema)?;
        transaction.pragma_update(None, "application_id", kind.application_id)?;
        transaction.pragma_update(None, "user_version", kind.version)?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// False for an empty file.
fn recognise(connection: &Connection, kind: &Kind) -> Result<bool, Trouble> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (tables, number("application_id")?, number("user_version")?) {
        (0, 0, 0) => Ok(false),
        (_, id, _) if id != kind.application_id => Err(Trouble::Foreign),
        (_, _, version) if version > kind.version => Err(Trouble::Newer(version)),
        _ => Ok(true),
    }
}
