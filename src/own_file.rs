//! Whose a file is, told from its first octets, without a change to it or to anything beside it. Files that only their
//! owner may read. Knows what no room's files hold: each room says what the mark of its own is.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// How SQLite's files begin (its file format, clause 1.3.1).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Frames of a write-ahead log that are looked at: a file of ours gets its mark with its tables, in the first ones.
const MOST_FRAMES: u64 = 256;
/// Octets of a small file that are read, at most.
const SMALL: u64 = 16 << 20;
/// The names that a damaged file of ours gets; the first that is free, or has one of ours from before.
const ASIDE: [&str; 3] = [".corrupt", ".corrupt-2", ".corrupt-3"];
/// What SQLite may keep beside a file.
const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Absent,
    /// A regular file that holds nothing: no octet, or an SQLite database without tables or marks.
    Empty,
    /// An SQLite database.
    Sqlite(Header),
    /// A regular file of another kind.
    File,
    /// No regular file; what it is, in words.
    Special(&'static str),
}

/// What the first page of an SQLite database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who made it (`PRAGMA application_id`); 0 where nobody says.
    pub application_id: i32,
    /// The format of its tables (`PRAGMA user_version`).
    pub user_version: i32,
    page: Vec<u8>,
}

impl Header {
    fn new(page: Vec<u8>) -> Option<Self> {
        let number = |at: usize| Some(i32::from_be_bytes(page.get(at..at + 4)?.try_into().ok()?));
        let (application_id, user_version) = (number(68)?, number(60)?);
        // Octets 21 to 23 are the same in every database, 18 and 19 are 1 or 2, and the schema's format is 4 at most: elsewhere
        // the first page is damaged. SQLite takes some of that for a file that may only be read.
        let versions = page.get(18..20).is_some_and(|octets| octets.iter().all(|octet| matches!(octet, 1 | 2)));
        let is_sound = page.starts_with(MAGIC)
            && page.get(21..24) == Some(&[64, 32, 32])
            && versions
            && number(44).is_some_and(|format| (0..=4).contains(&format));
        is_sound.then_some(Self { application_id, user_version, page })
    }

    /// Whether a table of its first page is made by an SQL text with this in it.
    #[must_use]
    pub fn mentions(&self, sql: &str) -> bool {
        self.page.windows(sql.len()).any(|window| window == sql.as_bytes())
    }

    /// The size of a page: two octets, where 1 stands for 65536.
    fn page_size(&self) -> usize {
        match self.page.get(16..18) {
            Some([0, 1]) => 1 << 16,
            Some([high, low]) => usize::from(*high) << 8 | usize::from(*low),
            _ => 0,
        }
    }

    /// Neither mark nor table: the first page is a leaf (0x0d) without cells.
    fn is_blank(&self) -> bool {
        self.application_id == 0
            && self.user_version == 0
            && self.page.get(100) == Some(&0x0d)
            && self.page.get(103..105) == Some(&[0, 0])
    }
}

/// A file that is not ours is where one of ours was to be. It is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is {what} and not {wanted}: it is left as it is; name another path, or move it away", path.display())]
pub struct Stranger {
    /// Where.
    pub path: PathBuf,
    /// What it is, in words.
    pub what: &'static str,
    /// What was to be there, in words.
    pub wanted: &'static str,
}

impl Stranger {
    /// What `content`, found at `path`, is when it is not `wanted`.
    #[must_use]
    pub fn new(path: &Path, content: &Content, wanted: &'static str) -> Self {
        let what = match content {
            Content::Absent => "absent",
            Content::Empty => "empty",
            Content::Sqlite(_) => "another program's SQLite database, or one of another kind,",
            Content::File => "a file of another kind",
            Content::Special(what) => what,
        };
        Self { path: path.to_owned(), what, wanted }
    }
}

impl From<Stranger> for io::Error {
    fn from(stranger: Stranger) -> Self {
        Self::new(io::ErrorKind::InvalidData, stranger)
    }
}

/// Says what is at `path`; a symbolic link is followed. Changes nothing, makes nothing, and waits for nobody.
///
/// # Errors
/// When it cannot be read.
pub fn look(path: &Path) -> io::Result<Content> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
        Err(error) => return Err(error),
    };
    if metadata.is_dir() {
        return Ok(Content::Special("a directory"));
    }
    if !metadata.is_file() {
        return Ok(Content::Special("a pipe, a socket or a device"));
    }
    if metadata.len() == 0 {
        return Ok(Content::Empty);
    }
    let mut page = Vec::new();
    open(path)?.take(1 << 16).read_to_end(&mut page)?;
    let Some(mut header) = Header::new(page) else { return Ok(Content::File) };
    if header.application_id == 0
        && let Some(newer) = in_log(path, header.page_size())?
    {
        header = newer;
    }
    header.page.truncate(header.page_size());
    Ok(if header.is_blank() { Content::Empty } else { Content::Sqlite(header) })
}

/// Whether an SQLite database with this mark (`PRAGMA application_id`) was at `path` before its first octets were damaged.
///
/// # Errors
/// When it cannot be read.
pub fn is_damaged(path: &Path, application_id: i32) -> io::Result<bool> {
    let mut page = Vec::new();
    open(path)?.take(100).read_to_end(&mut page)?;
    let same = page.iter().zip(MAGIC).filter(|(one, other)| one == other).count();
    if same < MAGIC.len() / 2 {
        return Ok(false);
    }
    if page.get(68..72) == Some(&application_id.to_be_bytes()) {
        return Ok(true);
    }
    // A program that was killed soon may have left its mark in the log alone, which says itself how large pages are.
    let mut head = [0; 12];
    let log = beside(&fs::canonicalize(path)?, "-wal");
    let is_file = fs::symlink_metadata(&log).is_ok_and(|metadata| metadata.is_file());
    if !is_file || open(&log)?.read_exact(&mut head).is_err() {
        return Ok(false);
    }
    let [.., a, b, c, d] = head;
    let page_size = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(0).min(1 << 16);
    Ok(in_log(path, page_size)?.is_some_and(|header| header.application_id == application_id))
}

/// Opens for reading, without waiting for the other end should it have become a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// The first page as the write-ahead log beside `path` has it: what a killed program had not brought into the file yet
/// (SQLite's file format, clause 4).
fn in_log(path: &Path, page_size: usize) -> io::Result<Option<Header>> {
    let log = beside(&fs::canonicalize(path)?, "-wal");
    if !fs::symlink_metadata(&log).is_ok_and(|metadata| metadata.is_file()) || page_size == 0 {
        return Ok(None);
    }
    let mut log = open(&log)?;
    let mut head = [0; 32];
    if log.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    let step = 24 + page_size as u64;
    let (mut found, mut pending) = (None, None);
    for frame in 0..MOST_FRAMES {
        log.seek(SeekFrom::Start(32 + frame * step))?;
        let mut front = [0; 24];
        // What has other salts than the log's head is of an earlier round.
        if log.read_exact(&mut front).is_err() || front.get(8..16) != head.get(16..24) {
            break;
        }
        if front.starts_with(&[0, 0, 0, 1]) {
            let mut page = Vec::new();
            (&mut log).take(page_size as u64).read_to_end(&mut page)?;
            pending = Header::new(page);
        }
        // The size after a commit: only what one ends counts.
        if front.get(4..8) != Some(&[0; 4]) {
            found = pending.take().or(found);
        }
    }
    Ok(found)
}

/// `path` with `tail` behind its name.
#[must_use]
pub fn beside(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    name.into()
}

/// Makes an empty file for its owner alone, whatever the umask. What is there already stays, and so does its mode.
///
/// # Errors
/// What the system says.
pub fn make_private(path: &Path) -> io::Result<()> {
    let is_new = !path.exists();
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if is_new { file.set_permissions(Permissions::from_mode(0o600)) } else { Ok(()) }
}

/// Takes a file of ours, and what SQLite keeps beside it, away from everybody but its owner: earlier versions made some
/// for all to read. A file of ours that belongs to another user keeps its mode.
pub fn tighten(path: &Path) {
    let tighten = |path: &Path| {
        // Not through a link: SQLite makes none.
        let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
        let mode = metadata.permissions().mode();
        let private = Permissions::from_mode(mode & 0o700);
        if mode & 0o077 == 0 { None } else { fs::set_permissions(path, private).err() }
    };
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(error) = tighten(&real) {
        tracing::warn!(path = %path.display(), %error, "others may read this file, and its mode cannot be changed");
    }
    for side in SIDES {
        let _ = tighten(&beside(&real, side));
    }
}

/// Renames a damaged file of ours, with what SQLite keeps beside it, and says how it is called now. Never takes the
/// name of a file that `is_ours` does not know.
///
/// # Errors
/// When no name is free, or the system refuses.
pub fn set_aside(path: &Path, is_ours: impl Fn(&Content) -> bool) -> io::Result<PathBuf> {
    let free = |aside: &PathBuf| match fs::symlink_metadata(aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            SIDES.iter().all(|side| fs::symlink_metadata(beside(aside, side)).is_err())
        }
        Err(_) => false,
        Ok(metadata) => metadata.is_file() && look(aside).is_ok_and(|content| is_ours(&content)),
    };
    let names = ASIDE.iter().map(|tail| beside(path, tail));
    let aside = names.into_iter().find(free).ok_or_else(|| {
        let names = format!("{0}.corrupt, {0}.corrupt-2 and {0}.corrupt-3 are taken: move them away", path.display());
        io::Error::new(io::ErrorKind::AlreadyExists, names)
    })?;
    tighten(path);
    // The journals first: one without its database would damage the next one.
    for side in SIDES {
        match fs::rename(beside(path, side), beside(&aside, side)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// The octets of the small file at `path`, which is ours if it begins with `start` or is the beginning of that; `None`
/// where there is none.
///
/// # Errors
/// A [`Stranger`] (as [`io::ErrorKind::InvalidData`]) if it is not ours, `wanted` being what was to be there; or what
/// the system says.
pub fn read(path: &Path, start: &[u8], wanted: &'static str) -> io::Result<Option<Vec<u8>>> {
    let content = look(path)?;
    if content == Content::Absent {
        return Ok(None);
    }
    if matches!(content, Content::Special(_)) {
        return Err(Stranger::new(path, &content, wanted).into());
    }
    let mut octets = Vec::new();
    open(path)?.take(SMALL).read_to_end(&mut octets)?;
    if octets.starts_with(start) || start.starts_with(&octets) {
        return Ok(Some(octets));
    }
    Err(Stranger::new(path, &content, wanted).into())
}

/// Removes the small file at `path` if it is ours, as [`read`] tells.
///
/// # Errors
/// As [`read`].
pub fn remove(path: &Path, start: &[u8], wanted: &'static str) -> io::Result<()> {
    match read(path, start, wanted)? {
        Some(_) => fs::remove_file(path),
        None => Ok(()),
    }
}

/// Replaces the small file at `path` so that a reader finds the old one or the new one, whole, even after a power cut.
/// It is for its owner alone.
///
/// # Errors
/// As [`read`]: what is not ours is not replaced, neither at `path` nor at the name beside it that the new one has first.
pub fn replace(path: &Path, octets: &[u8], start: &[u8], wanted: &'static str) -> io::Result<()> {
    read(path, start, wanted)?;
    let new = beside(path, ".new");
    // What a crash left: its beginning at most.
    let begins = |left: &[u8]| left.starts_with(start) || start.starts_with(left);
    match read(&new, b"", wanted)? {
        Some(left) if !begins(&left) => return Err(Stranger::new(&new, &Content::File, wanted).into()),
        Some(_) => fs::remove_file(&new)?,
        None => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
#[path = "own_file_tests.rs"]
mod tests;
