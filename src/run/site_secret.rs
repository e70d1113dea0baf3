//! The file with the secret of a site, of which each UTC day's key of sketches is made. It holds one day's secret: the next day's
//! takes its place, and what was there is overwritten. Knows no address, and prints no secret.

use crate::{
    erase::erase,
    pace::Quiet,
    sketch::{DayKey, SiteSecret},
    tally::DayKeys,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Instant,
};

/// The file's name in its directory.
pub const FILE_NAME: &str = "site.secret";
/// 1 January 2026. A clock that says less does not know the time (yet), and no secret is made by it.
const FIRST_DAY: i64 = 20_454;
/// Octets of a file that is one, at most.
const LONGEST: u64 = 128;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The system said no.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Something else has the name.
    #[error("{} is no secret of a site, and is left as it is: {}", path.display(), crate::sketch::NoSecret)]
    Strange {
        /// The file.
        path: PathBuf,
    },
    /// Others could have read it.
    #[error("{} can be read by others: chmod 600, or put a new secret there on all sensors of the site", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It is of a later day, or of one too long ago.
    #[error(
        "{} is of another time ({date}): is the clock right? If it is, all sensors of the site need a new secret", path.display()
    )]
    OtherTime {
        /// The file.
        path: PathBuf,
        /// Its day.
        date: String,
    },
}

/// The keys of one site's days.
pub struct SiteSecretFile {
    path: PathBuf,
    held: Option<SiteSecret>,
    /// Whether the file is made, and goes with the days. Not for captures: their days are long gone, or not yet there.
    keeps: bool,
    told: Quiet,
}

impl SiteSecretFile {
    /// The file in `directory`, for what is heard now: it is made where there is none, and goes with the days.
    #[must_use]
    pub fn kept(directory: &Path) -> Self {
        Self { path: directory.join(FILE_NAME), held: None, keeps: true, told: Quiet::default() }
    }

    /// The same for a capture: the file is read, and stays as it is.
    #[must_use]
    pub fn passing(directory: &Path) -> Self {
        Self { keeps: false, ..Self::kept(directory) }
    }

    /// Erases the secret, because it is not wanted any more. What is none is left alone.
    ///
    /// # Errors
    /// When it cannot be erased.
    pub fn leave(&self) -> Result<(), SecretError> {
        for path in [self.path.clone(), self.new_path()] {
            if read(&path).is_ok_and(|secret| secret.is_some()) {
                erase(&path).map_err(|source| SecretError::File { action: "remove", path, source })?;
            }
        }
        Ok(())
    }

    fn secret_of(&mut self, day: i64) -> Result<Option<SiteSecret>, SecretError> {
        if self.held.is_none() {
            self.held = self.load()?;
        }
        let held = match self.held.take() {
            Some(held) => held,
            None if self.keeps && day < FIRST_DAY => return Ok(None),
            None if self.keeps => self.store(fresh(day)?)?,
            None => return Ok(None),
        };
        let of_day = held.on(day);
        self.held = match &of_day {
            Some(next) if next.day() > held.day() && self.keeps => Some(self.store(next.clone())?),
            Some(next) if self.keeps => Some(next.clone()),
            _ => Some(held.clone()),
        };
        if of_day.is_none() && self.keeps {
            let line = held.to_string();
            let date = line.split(' ').next().unwrap_or_default().to_owned();
            return Err(SecretError::OtherTime { path: self.path.clone(), date });
        }
        Ok(of_day)
    }

    /// The secret in the file. One that a crash left beside it takes its place.
    fn load(&self) -> Result<Option<SiteSecret>, SecretError> {
        let known = read(&self.path)?;
        if known.is_some() || !self.keeps {
            return Ok(known);
        }
        let new = self.new_path();
        let left = read(&new).unwrap_or(None);
        if left.is_some() {
            fs::rename(&new, &self.path).map_err(|source| self.fail("replace", source))?;
        }
        Ok(left)
    }

    /// Puts a secret in the place of the one that is there, which is overwritten.
    fn store(&self, secret: SiteSecret) -> Result<SiteSecret, SecretError> {
        let fail = |source| self.fail("write", source);
        let new = self.new_path();
        erase(&new).map_err(fail)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(fail)?;
        writeln!(file, "{secret}").and_then(|()| file.sync_all()).map_err(fail)?;
        erase(&self.path).map_err(fail)?;
        fs::rename(&new, &self.path).map_err(fail)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(fail)?;
        }
        Ok(secret)
    }

    fn new_path(&self) -> PathBuf {
        self.path.with_extension("secret.new")
    }

    fn fail(&self, action: &'static str, source: io::Error) -> SecretError {
        SecretError::File { action, path: self.path.clone(), source }
    }
}

impl DayKeys for SiteSecretFile {
    /// Without a secret there is no sketch, and everything else is counted all the same; the log says why.
    fn key(&mut self, day: i64) -> Option<DayKey> {
        match self.secret_of(day) {
            Ok(secret) => secret.map(|secret| secret.key()),
            Err(error) => {
                if let Some(line) = self.told.pass(&error.to_string(), Instant::now()) {
                    tracing::error!("distinct stations are not told: {line}");
                }
                None
            }
        }
    }
}

/// The secret in a file; nothing where there is no file, or an empty one.
fn read(path: &Path) -> Result<Option<SiteSecret>, SecretError> {
    let fail = |source| SecretError::File { action: "read", path: path.to_owned(), source };
    let strange = || SecretError::Strange { path: path.to_owned() };
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(strange()),
        Ok(metadata) if metadata.len() == 0 => return Ok(None),
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            return Err(SecretError::Open { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    }
    let mut octets = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut octets)).map_err(fail)?;
    // What an erasure leaves that was cut off.
    if octets.iter().all(|octet| *octet == 0) {
        return Ok(None);
    }
    String::from_utf8(octets).ok().and_then(|text| text.parse().ok()).map(Some).ok_or_else(strange)
}

/// A new secret, of this day.
///
/// # Errors
/// When the system has no random octets.
pub fn fresh(day: i64) -> Result<SiteSecret, SecretError> {
    Ok(SiteSecret::new(day, random()?))
}

fn random() -> Result<[u8; 32], SecretError> {
    let mut octets = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut octets))
        .map_err(|source| SecretError::File { action: "read", path: "/dev/urandom".into(), source })?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: i64 = 20_785;

    fn name(file: &mut SiteSecretFile, day: i64) -> Option<String> {
        file.key(day).map(|key| key.name().to_owned())
    }

    #[test]
    fn sensors_with_one_secret_have_one_key_each_day_and_none_of_a_day_before() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut first = SiteSecretFile::kept(one.path());
        let today = name(&mut first, DAY).unwrap();
        fs::copy(one.path().join(FILE_NAME), other.path().join(FILE_NAME)).unwrap();
        let mut second = SiteSecretFile::kept(other.path());
        assert_eq!(name(&mut second, DAY).unwrap(), today);
        // One of them is away for a few days.
        let later = name(&mut first, DAY + 1).and_then(|_| name(&mut first, DAY + 5)).unwrap();
        assert_ne!(later, today);
        assert_eq!(name(&mut second, DAY + 5).unwrap(), later);
        assert_eq!(name(&mut second, DAY), None);
        // A start later, the file has no more.
        assert_eq!(name(&mut SiteSecretFile::kept(other.path()), DAY), None);
        assert_eq!(name(&mut SiteSecretFile::kept(other.path()), DAY + 5).unwrap(), later);
    }

    #[test]
    fn a_past_days_secret_is_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let (path, medium) = (home.path().join(FILE_NAME), home.path().join("what the medium holds"));
        let mut file = SiteSecretFile::kept(home.path());
        file.key(DAY).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::hard_link(&path, &medium).unwrap();
        file.key(DAY + 1).unwrap();
        assert!(fs::read(&medium).unwrap().iter().all(|octet| *octet == 0));
        file.leave().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_capture_changes_no_file() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(name(&mut SiteSecretFile::passing(home.path()), DAY), None);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        let today = name(&mut SiteSecretFile::kept(home.path()), DAY).unwrap();
        let before = fs::read(home.path().join(FILE_NAME)).unwrap();
        let mut passing = SiteSecretFile::passing(home.path());
        assert_ne!(name(&mut passing, DAY + 7).unwrap(), today);
        assert_eq!(name(&mut passing, DAY).unwrap(), today);
        assert_eq!(fs::read(home.path().join(FILE_NAME)).unwrap(), before);
    }

    #[test]
    fn what_is_no_secret_or_can_be_read_by_others_is_left_alone_and_makes_no_key() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE_NAME);
        fs::write(&path, "somebody's notes\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut file = SiteSecretFile::kept(home.path());
        assert_eq!(name(&mut file, DAY), None);
        file.leave().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"somebody's notes\n");
        fs::write(&path, format!("{}\n", SiteSecret::new(DAY, [7; 32]))).unwrap();
        assert!(name(&mut file, DAY).is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(name(&mut SiteSecretFile::kept(home.path()), DAY), None);
    }

    #[test]
    fn a_crash_amid_the_change_of_days_costs_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE_NAME);
        let mut file = SiteSecretFile::kept(home.path());
        let tomorrow = name(&mut file, DAY).and_then(|_| name(&mut file, DAY + 1)).unwrap();
        fs::rename(&path, home.path().join("site.secret.new")).unwrap();
        assert_eq!(name(&mut SiteSecretFile::kept(home.path()), DAY + 1).unwrap(), tomorrow);
        assert!(path.exists());
    }
}
