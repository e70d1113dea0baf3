//! Notices that the cache file was replaced, by one `stat` a look.

use super::{Detail, OuiError};
use crate::oui::Registry;
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Watches one cache file. Since a cache is only ever replaced whole, a new inode, size or time means a new one.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    detail: Detail,
    seen: Option<Stamp>,
}

type Stamp = (u64, u64, u64, i64, i64);

impl Watch {
    /// Begins to watch `path` as it is now. Begin before the first load, so that no change falls between.
    #[must_use]
    pub fn new(path: &Path, detail: Detail) -> Self {
        Self { path: path.to_owned(), detail, seen: stamp(path) }
    }

    /// The file watched.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is another one than at the last look. One that has gone is no change: what is loaded stays.
    pub fn changed(&mut self) -> bool {
        match stamp(&self.path) {
            Some(now) if self.seen != Some(now) => {
                self.seen = Some(now);
                true
            }
            _ => false,
        }
    }

    /// The new registry, or why it cannot be loaded, once for each change of the file.
    pub fn poll(&mut self) -> Option<Result<Registry, OuiError>> {
        self.changed().then(|| Registry::load(&self.path, self.detail))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{cache, source::Source};
    use super::*;
    use crate::UnixNanos;

    #[test]
    fn a_new_cache_is_seen_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("oui.sqlite");
        let mut watch = Watch::new(&path, Detail::All);
        assert!(watch.poll().is_none());
        for (text, name) in [("00:00:0C\tCisco\n", "Cisco"), ("00:00:0C\tOther\n", "Other")] {
            let source = Source::parse("test", text.as_bytes().to_vec()).unwrap();
            cache::update(&path, &[source], UnixNanos(0), false).unwrap();
            let registry = watch.poll().unwrap().unwrap();
            assert_eq!(registry.vendor("00:00:0c:00:00:01".parse().unwrap()), Some(name));
            assert!(watch.poll().is_none());
        }
        fs::remove_file(&path).unwrap();
        assert!(watch.poll().is_none());
        fs::write(&path, "junk").unwrap();
        assert!(matches!(watch.poll(), Some(Err(OuiError::Stranger(_)))));
    }
}
