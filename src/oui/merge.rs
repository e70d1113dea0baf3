//! Several registry files to one registry. Where files differ about a prefix, this decides:
//!
//! * registry, organisation and address are the IEEE's; Wireshark's long name stands in where the IEEE has none;
//! * the short name is Wireshark's;
//! * a prefix that the IEEE gave out more than once names all its holders, in alphabetical order, parted by ` | `;
//! * for anything else the first source that says something wins.
//!
//! So the order of the lines in a file never matters, and the order of the IEEE's files neither.

use super::{Prefix, source::Row, source::Source, source::hex};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// One registry, sorted by prefix, each prefix once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The assignments.
    pub entries: Vec<Row>,
    /// The well-known addresses.
    pub special: Vec<(Prefix, String)>,
    /// How many prefixes the IEEE gave to more than one organisation.
    pub shared: u64,
}

/// Merges what `sources` say.
#[must_use]
pub fn merge(sources: &[Source]) -> Merged {
    let mut rows: BTreeMap<Prefix, Vec<&Row>> = BTreeMap::new();
    let mut special: BTreeMap<Prefix, &String> = BTreeMap::new();
    for source in sources {
        for row in &source.parsed.entries {
            rows.entry(row.prefix).or_default().push(row);
        }
        for (prefix, name) in &source.parsed.special {
            special.entry(*prefix).or_insert(name);
        }
    }
    let mut merged = Merged {
        special: special.into_iter().map(|(prefix, name)| (prefix, name.clone())).collect(),
        ..Merged::default()
    };
    for (prefix, rows) in rows {
        let (row, holders) = merge_rows(prefix, &rows);
        merged.shared += u64::from(holders > 1);
        merged.entries.push(row);
    }
    merged
}

fn merge_rows(prefix: Prefix, rows: &[&Row]) -> (Row, usize) {
    let mut ieee: Vec<_> = rows
        .iter()
        .filter(|row| row.registry.is_some())
        .map(|row| (row.organisation.as_deref().unwrap_or_default(), row.address.as_deref().unwrap_or_default()))
        .collect();
    ieee.sort_unstable();
    ieee.dedup_by_key(|(name, _)| *name);
    let joined = |part: fn(&(&str, &str)) -> String| {
        let parts: Vec<_> = ieee.iter().map(part).filter(|text| !text.is_empty()).collect();
        Some(parts.join(" | ")).filter(|text| !text.is_empty())
    };
    let row = Row {
        prefix,
        registry: rows.iter().filter_map(|row| row.registry).min(),
        short: rows.iter().find_map(|row| row.short.clone()),
        organisation: joined(|(name, _)| (*name).to_owned())
            .or_else(|| rows.iter().find_map(|row| row.organisation.clone())),
        address: joined(|(_, address)| (*address).to_owned()),
    };
    (row, ieee.len())
}

impl Merged {
    /// The SHA-256, in hexadecimal, of all that it says: equal for equal content whatever files it came from.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for row in &self.entries {
            hash_row(&mut hasher, row);
        }
        for (prefix, name) in &self.special {
            hasher.update(format!("{prefix:?}\tspecial\t{name}\n"));
        }
        hex(&hasher.finalize())
    }
}

/// Adds one entry to a hash. No name has a tab or a line end in it, so no two rows look alike.
pub(super) fn hash_row(hasher: &mut Sha256, row: &Row) {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    hasher.update(format!(
        "{:?}\t{}\t{}\t{}\t{}\n",
        row.prefix,
        row.registry.map_or("", super::Assignment::name),
        text(&row.short),
        text(&row.organisation),
        text(&row.address)
    ));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEADER: &str = "Registry,Assignment,Organization Name,Organization Address\n";

    fn sources(texts: &[&str]) -> Vec<Source> {
        texts.iter().map(|text| Source::parse("test", text.as_bytes().to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_ieee_names_the_organisation_and_wireshark_the_short_name() {
        let ieee =
            format!("{HEADER}MA-L,00000C,\"Cisco Systems, Inc\",San Jose\nMA-L,080030,ROYAL,b\nMA-L,080030,CERN,c\n");
        let manuf = "00:00:0C\tCisco\tCisco Systems\n08:00:30\tCERN\n00:00:17\tOracle\tOracle Corp\n";
        let merged = merge(&sources(&[manuf, &ieee]));
        let rows: Vec<_> = merged
            .entries
            .iter()
            .map(|row| (row.short.as_deref().unwrap(), row.organisation.as_deref().unwrap(), row.address.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [
                ("Cisco", "Cisco Systems, Inc", Some("San Jose")),
                ("Oracle", "Oracle Corp", None),
                ("CERN", "CERN | ROYAL", Some("c | b")),
            ]
        );
        assert_eq!(merged.shared, 1);
    }

    #[test]
    fn the_order_of_lines_does_not_change_the_hash() {
        let one = merge(&sources(&["00:00:0C\tCisco\n00:00:17\tOracle\n"]));
        let other = merge(&sources(&["00:00:17\tOracle\n", "00:00:0C\tCisco\n"]));
        assert_eq!(one.hash(), other.hash());
        assert_ne!(one.hash(), merge(&sources(&["00:00:17\tOracle\n"])).hash());
    }
}
