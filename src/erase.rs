//! Erases a file: overwrites what it holds before it is removed. Knows nothing of what is in it. A medium that writes
//! elsewhere than it was told to (flash, a file system that copies on write) may keep the old octets all the same.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    path::Path,
};

/// Overwrites the file at `path` with zeros and removes it. One that is not there is no error; of what is no regular
/// file (a symbolic link, say) only the name is removed.
///
/// # Errors
/// As the system has it; the file is then still there, whole or overwritten.
pub fn erase(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let mut file = OpenOptions::new().write(true).open(path)?;
            io::copy(&mut io::repeat(0).take(metadata.len()), &mut file)?;
            file.sync_all()?;
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_file_held_is_overwritten_before_its_name_goes() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("secret"), directory.path().join("other name"));
        fs::write(&path, "what nobody may know").unwrap();
        fs::hard_link(&path, &other).unwrap();
        erase(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read(&other).unwrap(), [0; 20]);
        erase(&path).unwrap();
    }

    #[test]
    fn what_a_link_leads_to_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("target"));
        fs::write(&target, "somebody else's").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        erase(&link).unwrap();
        assert!(fs::symlink_metadata(&link).is_err());
        assert_eq!(fs::read(&target).unwrap(), b"somebody else's");
    }
}
