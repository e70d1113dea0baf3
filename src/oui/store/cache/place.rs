//! The cache's place on the disk: whose file is there, the lock that keeps two writers apart, and the swap of a new file
//! for the old one. Knows nothing of what is in the file but its mark.

use crate::{
    oui::store::OuiError,
    own_file::{self, Content, Stranger},
};
use std::{
    fs::{self, File, Permissions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

/// "atOU": marks a SQLite file as a vendor cache.
pub(super) const APPLICATION_ID: i32 = 0x6174_4f55;
/// Where the cache is if nobody says otherwise. All users of the machine share it: sensor, ingest and who looks up.
pub const DEFAULT_PATH: &str = "/var/lib/airtally/oui.sqlite";

const WANTED: &str = "a vendor cache";

/// What is at a cache's path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or an empty file.
    Nothing,
    /// A file with our mark.
    Cache,
    /// A file without our mark, at a path that only a cache of ours has.
    Damaged,
    /// Something else.
    Stranger(Stranger),
}

/// Says whose file is at `path`, without a change to it.
pub(super) fn find(path: &Path) -> Result<Found, OuiError> {
    let content = own_file::look(path).map_err(|source| OuiError::Io { action: "read", path: path.into(), source })?;
    Ok(judge(path, &content, Path::new(DEFAULT_PATH)))
}

fn judge(path: &Path, content: &Content, default: &Path) -> Found {
    match content {
        Content::Absent | Content::Empty => Found::Nothing,
        Content::Sqlite(header) if header.application_id == APPLICATION_ID => Found::Cache,
        Content::Sqlite(_) | Content::File if path == default => Found::Damaged,
        _ => Found::Stranger(Stranger::new(path, content, WANTED)),
    }
}

/// The file that `path` leads to, so that a symbolic link stays one.
pub(super) fn real(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path)
        && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
    {
        return real;
    }
    // One that leads to nothing yet.
    match fs::read_link(path) {
        Ok(target) => directory(path).join(target),
        Err(_) => path.to_owned(),
    }
}

/// Keeps two writers apart: an advisory lock on the cache's directory, made if need be.
pub(super) fn lock(path: &Path) -> Result<File, OuiError> {
    let directory = directory(path);
    let failed = |action| move |source| OuiError::Io { action, path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(failed("create"))?;
    let lock = File::open(directory).map_err(failed("open"))?;
    lock.lock().map_err(failed("lock"))?;
    Ok(lock)
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Copies the cache at `path` into `new`, which is there and empty.
pub(super) fn copy(path: &Path, new: &Path) -> Result<(), OuiError> {
    let copied = || io::copy(&mut File::open(path)?, &mut File::options().write(true).open(new)?);
    copied().map(drop).map_err(|source| OuiError::Io { action: "write", path: new.to_owned(), source })
}

/// Lets `fill` write a new file beside `path`, makes sure that it is on the disk, and renames it over `path`. A damaged
/// one is set aside before: it says where.
pub(super) fn swap_in(
    path: &Path,
    is_damaged: bool,
    fill: impl FnOnce(&Path) -> Result<(), OuiError>,
) -> Result<Option<PathBuf>, OuiError> {
    let new = own_file::beside(path, ".new");
    let io = |action| {
        let new = new.clone();
        move |source| OuiError::Io { action, path: new, source }
    };
    match find(&new)? {
        Found::Stranger(stranger) if !is_unfinished(&new) => return Err(stranger.into()),
        // Of an update that was killed.
        _ => match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("remove")(error)),
            _ => {}
        },
    }
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(io("create"))?;
    if let Err(error) = fill(&new) {
        // What could not be finished is of no use to anyone; that it may stay is no second failure.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    let file = File::open(&new).map_err(io("open"))?;
    hand_over(path, &file).map_err(io("set the mode of"))?;
    file.sync_all().map_err(io("sync"))?;
    let set_aside = if is_damaged {
        let is_ours = |content: &Content| matches!(judge(path, content, Path::new("")), Found::Cache);
        let failed = |source| OuiError::Io { action: "set aside", path: path.into(), source };
        Some(own_file::set_aside(path, is_ours).map_err(failed)?)
    } else {
        None
    };
    fs::rename(&new, path).map_err(io("rename"))?;
    File::open(directory(path)).and_then(|directory| directory.sync_all()).map_err(io("sync the directory of"))?;
    Ok(set_aside)
}

/// Whether the file is what a killed update of an earlier version left: SQLite writes the first page last.
fn is_unfinished(new: &Path) -> bool {
    if !fs::symlink_metadata(new).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut page = [1; 4096];
    File::open(new).and_then(|mut file| file.read_exact(&mut page)).is_ok() && page == [0; 4096]
}

/// Gives the new file to the owner of the old one, or else of the directory: an administrator's update is for the daemon.
/// It is for this owner alone; at the default path all may read it.
fn hand_over(path: &Path, new: &File) -> io::Result<()> {
    let owner = fs::metadata(path).or_else(|_| fs::metadata(directory(path)))?;
    if owner.uid() != new.metadata()?.uid() {
        // Who may not give files away keeps it.
        let _ = fchown(new, Some(owner.uid()), Some(owner.gid()));
    }
    let mode = if path == Path::new(DEFAULT_PATH) { 0o644 } else { 0o600 };
    new.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_at_its_default_path_a_file_without_our_mark_is_a_damaged_cache() {
        let (here, there) = (Path::new("/a/oui.sqlite"), Path::new("/b/oui.sqlite"));
        for content in [Content::Absent, Content::Empty] {
            assert_eq!((judge(here, &content, here), judge(here, &content, there)), (Found::Nothing, Found::Nothing));
        }
        assert_eq!(judge(here, &Content::File, here), Found::Damaged);
        assert!(matches!(judge(here, &Content::File, there), Found::Stranger(_)));
        assert!(matches!(judge(here, &Content::Special("a directory"), here), Found::Stranger(_)));
    }
}
