//! The list of sensors: CSV with a header, `name`, `site`, and if wanted `label` and `location`. Strict: each line that is
//! wrong is named, and of a list with one of them nothing is taken.

use crate::{bounds::Mistakes, config::Sensor};
use std::{collections::HashMap, io::Read};

/// Sensors in one list, at most.
pub const MAX_SENSORS: usize = 10_000;
/// Octets of a list, at most.
const MAX_OCTETS: u64 = 8 << 20;
/// Mistakes that are told, at most; the others are counted.
const MAX_TOLD: usize = 20;
/// The columns that there may be.
const COLUMNS: [&str; 4] = ["name", "site", "label", "location"];

/// One sensor of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name within the site.
    pub name: String,
    /// The site.
    pub site: String,
    /// What people call it; may be empty.
    pub label: String,
    /// Where it is; may be empty.
    pub location: String,
}

impl Entry {
    /// Its user name at the broker: no name has a slash, so that no two sensors share one.
    #[must_use]
    pub fn user(&self) -> String {
        format!("{}/{}", self.site, self.name)
    }

    /// What is wrong with it, by the rule of the configuration.
    fn check(&self) -> Result<(), String> {
        let config = Sensor {
            site: self.site.clone(),
            sensor: self.name.clone(),
            label: self.label.clone(),
            location: self.location.clone(),
            ..Sensor::default()
        };
        let mut found = Mistakes::default();
        config.check(&mut found);
        match found.found().into_iter().next() {
            None => Ok(()),
            Some(wrong) => {
                let column = if wrong.key == "sensor" { "name" } else { &wrong.key };
                Err(format!("{column}: {}", wrong.message))
            }
        }
    }
}

/// Reads a list.
///
/// # Errors
/// Every line that is wrong, with its number and why, one a line.
pub fn read(input: impl Read) -> Result<Vec<Entry>, String> {
    let mut text = Vec::new();
    let read = input.take(MAX_OCTETS + 1).read_to_end(&mut text);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > MAX_OCTETS {
        return Err(format!("has more than {} MiB", MAX_OCTETS >> 20));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text);
    let header = reader.headers().map_err(|_| "line 1: the header is not text in UTF-8".to_owned())?.clone();
    let columns = columns(&header)?;
    let (mut entries, mut mistakes) = (Vec::new(), Vec::new());
    let mut lines = HashMap::new();
    let mut record = csv::StringRecord::new();
    loop {
        let line = line_after(text, reader.position());
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => match entry(&header, &columns, &record).and_then(|entry| unique(entry, line, &mut lines)) {
                Ok(entry) => entries.push(entry),
                Err(what) => mistakes.push(format!("line {line}: {what}")),
            },
            Err(_) => mistakes.push(format!("line {line}: it is not text in UTF-8")),
        }
        if entries.len() > MAX_SENSORS {
            return Err(format!("has more than {MAX_SENSORS} sensors: split it"));
        }
    }
    if mistakes.is_empty() && entries.is_empty() {
        return Err("names no sensor below its header".into());
    }
    if mistakes.is_empty() {
        return Ok(entries);
    }
    let more = mistakes.len().saturating_sub(MAX_TOLD);
    mistakes.truncate(MAX_TOLD);
    if more > 0 {
        mistakes.push(format!("and {more} more lines"));
    }
    Err(mistakes.join("\n"))
}

/// The line on which the next record begins: empty lines are skipped by the reader.
fn line_after(text: &[u8], position: &csv::Position) -> u64 {
    let rest = usize::try_from(position.byte()).ok().and_then(|at| text.get(at..)).unwrap_or_default();
    let empty = rest.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).filter(|octet| **octet == b'\n');
    position.line().saturating_add(empty.count() as u64)
}

/// Which column is where.
fn columns(header: &csv::StringRecord) -> Result<[Option<usize>; 4], String> {
    let names = "name,site,label,location";
    for (index, title) in header.iter().enumerate() {
        if !COLUMNS.contains(&title) {
            return Err(format!("line 1: there is no column '{title}': the header is {names}"));
        }
        if header.iter().take(index).any(|other| other == title) {
            return Err(format!("line 1: the column '{title}' is there twice"));
        }
    }
    let columns = COLUMNS.map(|name| header.iter().position(|title| title == name));
    if let Some(missing) = COLUMNS.iter().zip(columns).take(2).find(|(_, at)| at.is_none()) {
        return Err(format!("line 1: the column '{}' is missing: the header is {names}", missing.0));
    }
    Ok(columns)
}

fn entry(
    header: &csv::StringRecord,
    columns: &[Option<usize>; 4],
    record: &csv::StringRecord,
) -> Result<Entry, String> {
    if record.len() != header.len() {
        return Err(format!("it has {} cells, and the header {}", record.len(), header.len()));
    }
    let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default().to_owned();
    let [name, site, label, location] = columns.map(cell);
    let entry = Entry { name, site, label, location };
    entry.check().map(|()| entry)
}

fn unique(entry: Entry, line: u64, lines: &mut HashMap<String, u64>) -> Result<Entry, String> {
    match lines.insert(entry.user(), line) {
        None => Ok(entry),
        Some(first) => {
            lines.insert(entry.user(), first);
            Err(format!("'{}' of site '{}' is on line {first} already", entry.name, entry.site))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_come_in_any_order_and_the_last_two_may_be_missing() {
        let list = "\u{feff}site,name,location,label\r\nshop,door,\"Main St 1, left\",Front\r\n\r\nshop,yard,,\r\n";
        let entries = read(list.as_bytes()).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].user().as_str(), entries[0].location.as_str()), ("shop/door", "Main St 1, left"));
        assert_eq!(read(&b"name,site\na,b\n"[..]).unwrap()[0].label, "");
    }

    #[test]
    fn every_bad_line_is_named_with_its_number_and_reason() {
        let list = "name,site,label,location\ngood,home,,\nbad name,home,,\na,home\n\r\n..,home,,\ngood,home,again,\n\
                    \"x\",\"\",,\nb,home,\"two\nlines\",\n";
        assert_eq!(
            read(list.as_bytes()).unwrap_err(),
            "line 3: name: 'bad name' has a ' ': it becomes a level of the MQTT topic, so use letters, digits, '-', '_' \
             and '.'\n\
             line 4: it has 2 cells, and the header 4\n\
             line 6: name: '..' is no name: use letters or digits too\n\
             line 7: 'good' of site 'home' is on line 2 already\n\
             line 8: site: '' must have 1 to 64 characters\n\
             line 9: label: it must be one line of 128 characters at most"
        );
        for (list, said) in [
            ("name\n", "line 1: the column 'site' is missing"),
            ("name,site,colour\n", "line 1: there is no column 'colour'"),
            ("name,site,site\n", "line 1: the column 'site' is there twice"),
            ("name,site\n", "names no sensor"),
            ("", "line 1: the column 'name' is missing"),
        ] {
            let error = read(list.as_bytes()).unwrap_err();
            assert!(error.contains(said), "{list}: {error}");
        }
        let many: String = (0..50).map(|_| "bad name,home\n").collect();
        let error = read(format!("name,site\n{many}").as_bytes()).unwrap_err();
        assert!(error.lines().count() == 21 && error.ends_with("and 30 more lines"), "{error}");
        assert!(read(&b"name,site\n\xff,home\n"[..]).unwrap_err().contains("line 2: it is not text"));
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_list_every_entry_is_a_sensors_name_and_no_two_are_one(
            body in prop::collection::vec(any::<u8>(), 0..300)
        ) {
            if let Ok(entries) = read([b"name,site,label,location\n".as_slice(), &body].concat().as_slice()) {
                let users: std::collections::HashSet<String> = entries.iter().map(Entry::user).collect();
                prop_assert_eq!(users.len(), entries.len());
                prop_assert!(entries.iter().all(|entry| entry.check().is_ok()));
            }
        }
    }
}
