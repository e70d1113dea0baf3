//! The files that setup writes: configuration with its comments kept, secrets, the word to NetworkManager.

use crate::own_file::beside;
use anyhow::{Context as _, anyhow};
use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};
use toml_edit::{DocumentMut, Item, Table, Value};

/// A configuration file being edited.
#[derive(Clone)]
pub struct Document {
    path: PathBuf,
    toml: DocumentMut,
}

impl Document {
    /// The file at `path`, or `sample` where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is not TOML.
    pub fn open(path: &Path, sample: &str) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => sample.to_owned(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Self::parse(path, &text)
    }

    /// `text`, to be the file at `path`.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let toml = text.parse().map_err(|error| anyhow!("{}: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), toml })
    }

    /// The text at `table.key`, or at `key` where the table is empty; the default where there is none.
    pub fn text(&self, table: &str, key: &str, default: &str) -> String {
        self.item(table, key).and_then(Item::as_str).unwrap_or(default).to_owned()
    }

    /// Whether there is anything at `table.key`, or at `key` where the table is empty.
    pub fn has(&self, table: &str, key: &str) -> bool {
        self.item(table, key).is_some()
    }

    /// The number at `table.key`.
    pub fn number(&self, table: &str, key: &str) -> Option<i64> {
        self.item(table, key)?.as_integer()
    }

    /// The tables of an array of tables.
    pub fn tables(&self, array: &str) -> Vec<&Table> {
        self.toml
            .get(array)
            .and_then(Item::as_array_of_tables)
            .map(|tables| tables.iter().collect())
            .unwrap_or_default()
    }

    fn item(&self, table: &str, key: &str) -> Option<&Item> {
        let mut names = table.split('.').filter(|name| !name.is_empty()).chain([key]);
        names.try_fold(self.toml.as_item(), |item, name| item.get(name))
    }

    /// Sets a key, and leaves everything around it as it is. A dot in `table` leads to a table within.
    pub fn set(&mut self, table: &str, key: &str, value: impl Into<Value>) {
        let mut at = self.toml.as_table_mut();
        for name in table.split('.').filter(|name| !name.is_empty()) {
            let next = at.entry(name).or_insert_with(|| Item::Table(Table::new()));
            if !next.is_table() {
                *next = Item::Table(Table::new());
            }
            let Some(inner) = next.as_table_mut() else { return };
            at = inner;
        }
        let mut value = value.into();
        // In place: the comments above a key belong to it, and inserting would drop them with the old one.
        match at.get_mut(key) {
            Some(item) => {
                if let Some(old) = item.as_value() {
                    *value.decor_mut() = old.decor().clone();
                }
                *item = Item::Value(value);
            }
            None => {
                at.insert(key, Item::Value(value));
            }
        }
    }

    /// Removes a key.
    pub fn unset(&mut self, table: &str, key: &str) {
        if !self.has(table, key) {
            return;
        }
        let mut names = table.split('.').filter(|name| !name.is_empty());
        let at = names.try_fold(self.toml.as_item_mut(), |item, name| item.get_mut(name));
        if let Some(at) = at.and_then(Item::as_table_like_mut) {
            at.remove(key);
        }
    }

    /// Adds a table to an array of tables, replacing the one of the same name.
    pub fn put(&mut self, array: &str, table: Table) {
        let name = table.get("name").and_then(Item::as_str).unwrap_or_default().to_owned();
        let tables = self.toml.entry(array).or_insert_with(|| Item::ArrayOfTables(toml_edit::ArrayOfTables::new()));
        if let Some(tables) = tables.as_array_of_tables_mut() {
            tables.retain(|one| one.get("name").and_then(Item::as_str) != Some(&name));
            tables.push(table);
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's text as it is now.
    pub fn whole(&self) -> String {
        self.toml.to_string()
    }
}

/// Replaces the file at `path` in one piece, with this mode whatever the umask. With `shared` its group is that of its
/// folder.
///
/// # Errors
/// When it cannot be written, or something is at the name that it has first; what was there stays.
pub fn write(path: &Path, content: &[u8], mode: u32, shared: bool) -> anyhow::Result<()> {
    let written = || -> io::Result<()> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let part = beside(path, ".airtally-part");
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode & 0o700).open(&part).map_err(|error| {
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return error;
                }
                let text = format!("{} is in the way: a setup that was cut off left it; remove it", part.display());
                io::Error::new(error.kind(), text)
            })?;
        file.write_all(content).inspect_err(|_| drop(fs::remove_file(&part)))?;
        if shared {
            let group = fs::metadata(folder)?.gid();
            chown(&part, None, Some(group))?;
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{load_ingest, load_sensor};

    fn written(document: &Document) -> PathBuf {
        write(document.path(), document.whole().as_bytes(), 0o640, true).unwrap();
        document.path().to_owned()
    }

    const SENSOR: &str = include_str!("../../../config/sensor.toml");
    const INGEST: &str = include_str!("../../../config/ingest.toml");

    #[test]
    fn the_samples_edited_are_good_configurations_with_their_comments() {
        let home = tempfile::tempdir().unwrap();
        let mut sensor = Document::open(&home.path().join("sensor.toml"), SENSOR).unwrap();
        sensor.set("", "site", "attic");
        sensor.set("mqtt", "host", "broker.example");
        sensor.set("mqtt", "port", 8883);
        sensor.set("mqtt.tls", "ca_file", "/etc/airtally/ca.pem");
        let path = written(&sensor);
        let config = load_sensor(&path).unwrap();
        assert_eq!(
            (config.site.as_str(), config.mqtt.host.as_str(), config.mqtt.port),
            ("attic", "broker.example", Some(8883))
        );
        assert!(config.mqtt.tls.is_some());
        let text = fs::read_to_string(&path).unwrap();
        assert!(SENSOR.lines().filter(|line| line.starts_with("# ")).all(|line| text.contains(line)), "{text}");

        // What was written is what the next time begins with.
        let mut again = Document::open(&path, SENSOR).unwrap();
        assert_eq!(again.text("mqtt", "host", "localhost"), "broker.example");
        again.unset("mqtt", "tls");
        again.unset("mqtt", "port");
        assert_eq!(load_sensor(&written(&again)).unwrap().mqtt.tls, None);

        let mut ingest = Document::open(&home.path().join("ingest.toml"), INGEST).unwrap();
        ingest.set("sqlite", "path", "/var/lib/airtally-ingest/history.sqlite");
        for url in ["http://old:8086", "http://new:8086"] {
            let mut table = Table::new();
            for (key, value) in [("name", "influx"), ("api", "v1"), ("url", url), ("db", "airtally")] {
                table.insert(key, toml_edit::value(value));
            }
            ingest.put("influx", table);
        }
        let config = load_ingest(&written(&ingest)).unwrap();
        assert!(config.sqlite.is_some());
        assert_eq!(config.influx.len(), 1);
        assert_eq!(config.influx[0].url, "http://new:8086");
    }

    #[test]
    fn a_secret_is_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mqtt-password");
        for secret in ["first", "second"] {
            write(&path, secret.as_bytes(), 0o600, false).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_to_string(&path).unwrap(), secret);
        }
        // What is at the name that a new file has first is not removed.
        let theirs = beside(&path, ".airtally-part");
        fs::write(&theirs, "notes").unwrap();
        assert!(format!("{:#}", write(&path, b"third", 0o600, false).unwrap_err()).contains("remove it"));
        assert_eq!((fs::read(&theirs).unwrap(), fs::read(&path).unwrap()), (b"notes".to_vec(), b"second".to_vec()));
    }
}
