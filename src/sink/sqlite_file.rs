//! Opening the SQLite files of this module: make, recognise, refuse what is newer or another's, set aside what is
//! damaged and ours. Owns their settings; knows no table. The connection it makes stays within the module.

use super::OpenError;
use crate::own_file::{self, Content, Stranger};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{path::Path, time::Duration};

/// One kind of file.
pub(super) struct FileMark {
    /// What it is, in words.
    pub name: &'static str,
    /// Tells the kind apart in the file's header (`PRAGMA application_id`).
    pub application_id: i32,
    /// A table that it has in every version.
    pub table: &'static str,
    /// What makes the tables of an empty file, in this order.
    pub schema: &'static [&'static str],
    /// What makes of each version of the tables the next one; the first makes the second.
    pub upgrades: &'static [&'static [&'static str]],
}

impl FileMark {
    /// The tables' version (`PRAGMA user_version`), from 1.
    fn version(&self) -> i32 {
        i32::try_from(self.upgrades.len()).map_or(i32::MAX, |upgrades| upgrades + 1)
    }

    fn is(&self, content: &Content) -> bool {
        matches!(content, Content::Sqlite(header) if self.has_mark(header.application_id))
    }

    /// Whether that is the mark, or was before one of its octets was damaged: then the tables have to be those of the kind.
    fn has_mark(&self, id: i32) -> bool {
        let octets = id.to_be_bytes().into_iter().zip(self.application_id.to_be_bytes());
        let changed = octets.filter(|(one, other)| one != other).count();
        changed == 0 || changed == 1 && !MARKS.contains(&id)
    }
}

/// The marks of all kinds of file: one of them is no damaged other.
const MARKS: [i32; 2] = [HISTORY_MARK, LETTERS_MARK];
/// "ath1": the history's mark.
pub(super) const HISTORY_MARK: i32 = 0x6174_6831;
/// "atl1": the mark of dead letters.
pub(super) const LETTERS_MARK: i32 = 0x6174_6c31;

/// How long a writer or reader waits for another's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the file for writing, and makes it where there is none, for its owner alone. A damaged file with our mark is
/// renamed, with a warning in the log, and a fresh one begun.
///
/// # Errors
/// When the file is newer, another program's (which is left as it is), or cannot be opened.
pub(super) fn open(path: &Path, kind: &FileMark) -> Result<Connection, OpenError> {
    let fail = |reason: String| OpenError::File { path: path.to_owned(), reason };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| fail(format!("its directory cannot be made: {error}")))?;
    }
    let content = own_file::look(path).map_err(|error| fail(error.to_string()))?;
    if content == Content::File && own_file::is_damaged(path, kind.application_id).unwrap_or(false) {
        set_aside(path, kind, &"its first octets are not those of a database any more")
            .map_err(|error| fail(format!("it is damaged, and cannot be renamed: {error}")))?;
        own_file::make_private(path).map_err(|error| fail(error.to_string()))?;
        return try_open(path, kind).map_err(|trouble| fail(trouble.to_string()));
    }
    match &content {
        Content::Absent => own_file::make_private(path).map_err(|error| fail(error.to_string()))?,
        Content::Empty => own_file::tighten(path),
        ours if kind.is(ours) => own_file::tighten(path),
        other => return Err(Stranger::new(path, other, kind.name).into()),
    }
    match try_open(path, kind) {
        Err(Trouble::Sqlite(error)) if is_damage(&error) => {
            set_aside(path, kind, &error)
                .map_err(|error| fail(format!("it is damaged, and cannot be renamed: {error}")))?;
            own_file::make_private(path).map_err(|error| fail(error.to_string()))?;
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
pub(super) fn open_to_read(path: &Path, kind: &FileMark) -> Result<Connection, OpenError> {
    let fail = |reason: String| OpenError::File { path: path.to_owned(), reason };
    // Before SQLite does: opening a database with a log makes files beside it.
    let content = own_file::look(path).map_err(|error| fail(error.to_string()))?;
    if !kind.is(&content) && !matches!(content, Content::Absent | Content::Empty) {
        return Err(Stranger::new(path, &content, kind.name).into());
    }
    if content == Content::Empty {
        return Err(fail(Trouble::Empty.to_string()));
    }
    let open = || -> Result<Connection, Trouble> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(PATIENCE)?;
        match recognise(&connection, kind)? {
            0 => Err(Trouble::Empty),
            version if version < kind.version() => Err(Trouble::Older),
            _ => Ok(connection),
        }
    };
    open().map_err(|trouble| fail(trouble.to_string()))
}

/// Whether an error means that the file is damaged, and not merely busy, full or forbidden.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Renames the file, which was of this kind when it was opened, and what SQLite keeps beside it to `….corrupt`.
pub(super) fn set_aside(path: &Path, kind: &FileMark, why: &impl std::fmt::Display) -> std::io::Result<()> {
    // Its mark may be what is damaged; a sound database of another kind has taken its place meanwhile.
    let content = own_file::look(path)?;
    if !kind.is(&content) && content != Content::File {
        return Err(Stranger::new(path, &content, kind.name).into());
    }
    let aside = own_file::set_aside(path, |content| kind.is(content))?;
    tracing::error!(
        path = %path.display(), aside = %aside.display(), %why,
        "the database is damaged: it is renamed, and a fresh one begun"
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
    #[error("it was written by an earlier airtally: it can be read once 'airtally ingest' was started with it")]
    Older,
    #[error("there is nothing in it yet")]
    Empty,
}

fn try_open(path: &Path, kind: &FileMark) -> Result<Connection, Trouble> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    let version = recognise(&connection, kind)?;
    if version == 0 {
        // Only while the file is empty can it be told to give space back, and how large its pages are.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        // Each commit rewrites a page of each index: half of SQLite's own size.
        connection.pragma_update(None, "page_size", 2_048)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What is stored is acknowledged to the spool, which forgets it: a commit must survive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", 1 << 20)?;
    if version == kind.version() {
        // One of its octets was damaged.
        let mark: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        if mark != kind.application_id {
            tracing::warn!(path = %path.display(), "the mark of this database was damaged, and is put right");
            connection.pragma_update(None, "application_id", kind.application_id)?;
        }
    }
    if version < kind.version() {
        let transaction = connection.transaction()?;
        let missing = usize::try_from(version).unwrap_or(0);
        match missing.checked_sub(1) {
            None => kind.schema.iter().try_for_each(|sql| transaction.execute_batch(sql))?,
            Some(first) => {
                let steps = kind.upgrades.iter().skip(first).copied().flatten();
                steps.into_iter().try_for_each(|sql| transaction.execute_batch(sql))?;
            }
        }
        transaction.pragma_update(None, "application_id", kind.application_id)?;
        transaction.pragma_update(None, "user_version", kind.version())?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// The version of its tables; 0 for an empty file.
fn recognise(connection: &Connection, kind: &FileMark) -> Result<i32, Trouble> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (tables, number("application_id")?, number("user_version")?) {
        (0, 0, 0) => Ok(0),
        (_, id, _) if !kind.has_mark(id) => Err(Trouble::Foreign),
        (_, id, _) if id != kind.application_id && !has_table(connection, kind.table)? => Err(Trouble::Foreign),
        (_, _, version) if version > kind.version() => Err(Trouble::Newer(version)),
        (_, _, version) => Ok(version.max(1)),
    }
}

fn has_table(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?.exists([table])
}
