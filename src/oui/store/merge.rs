//! Several registry files to one registry. Where they differ about a prefix, the source that was named first decides,
//! field by field; what it leaves open the next one fills in. So `manuf` gives the IEEE's organisations their short
//! names, and the IEEE's lists give `manuf` registries and addresses. Within one file of the IEEE a prefix that was
//! given out more than once names all its holders, in alphabetical order, parted by ` | `; within `manuf` its first line
//! counts. The order of different prefixes in a file never matters.

use super::{
    parsed::RegistryRow,
    source::{Source, hex},
};
use crate::oui::{Assignment, Prefix, Registry, RegistryEntry, table::Builder};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// One registry, sorted by prefix, each prefix once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The assignments.
    pub entries: Vec<RegistryRow>,
    /// The well-known addresses.
    pub special: Vec<(Prefix, String)>,
    /// How many prefixes the IEEE gave to more than one organisation.
    pub shared: u64,
}

/// Merges what `sources` say.
#[must_use]
pub fn merge(sources: &[Source]) -> Merged {
    let mut entries: BTreeMap<Prefix, RegistryRow> = BTreeMap::new();
    let mut special: BTreeMap<Prefix, &String> = BTreeMap::new();
    let mut merged = Merged::default();
    for source in sources {
        let mut rows: BTreeMap<Prefix, Vec<&RegistryRow>> = BTreeMap::new();
        for row in &source.parsed.entries {
            rows.entry(row.prefix).or_default().push(row);
        }
        for (prefix, rows) in rows {
            let (row, holders) = merge_rows(prefix, &rows);
            merged.shared += u64::from(holders > 1);
            entries.entry(prefix).and_modify(|first| fill(first, &row)).or_insert(row);
        }
        for (prefix, name) in &source.parsed.special {
            special.entry(*prefix).or_insert(name);
        }
    }
    merged.entries = entries.into_values().collect();
    merged.special = special.into_iter().map(|(prefix, name)| (prefix, name.clone())).collect();
    merged
}

/// Fills in what `first` leaves open.
fn fill(first: &mut RegistryRow, next: &RegistryRow) {
    let fill = |field: &mut Option<String>, next: &Option<String>| {
        if field.is_none() {
            field.clone_from(next);
        }
    };
    first.registry = first.registry.or(next.registry);
    fill(&mut first.short, &next.short);
    fill(&mut first.organisation, &next.organisation);
    fill(&mut first.address, &next.address);
}

/// What one source says about one prefix, and how many holders it has.
fn merge_rows(prefix: Prefix, rows: &[&RegistryRow]) -> (RegistryRow, usize) {
    let mut holders: Vec<_> = rows
        .iter()
        .filter(|row| row.registry.is_some())
        .map(|row| (row.organisation.as_deref().unwrap_or_default(), row.address.as_deref().unwrap_or_default()))
        .collect();
    holders.sort_unstable();
    holders.dedup_by_key(|(name, _)| *name);
    let joined = |part: fn(&(&str, &str)) -> String| {
        let parts: Vec<_> = holders.iter().map(part).filter(|text| !text.is_empty()).collect();
        Some(parts.join(" | ")).filter(|text| !text.is_empty())
    };
    let row = RegistryRow {
        prefix,
        registry: rows.iter().filter_map(|row| row.registry).min(),
        short: rows.iter().find_map(|row| row.short.clone()),
        organisation: joined(|(name, _)| (*name).to_owned())
            .or_else(|| rows.iter().find_map(|row| row.organisation.clone())),
        address: joined(|(_, address)| (*address).to_owned()),
    };
    (row, holders.len())
}

impl Merged {
    /// The SHA-256, in hexadecimal, of all that it says: equal for equal content whatever files it came from.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for row in &self.entries {
            hash_entry(&mut hasher, row.entry());
        }
        for (prefix, name) in &self.special {
            hasher.update(format!("{prefix:?}\tspecial\t{name}\n"));
        }
        hex(&hasher.finalize())
    }
}

impl Registry {
    /// The registry that `merged` says.
    #[must_use]
    pub fn new(merged: &Merged) -> Self {
        let mut builder = Builder::default();
        for row in &merged.entries {
            builder.row(row.entry());
        }
        for (prefix, name) in &merged.special {
            builder.special(*prefix, name);
        }
        builder.build(merged.hash())
    }
}

/// Adds one entry to a hash. No name has a tab or a line end in it, so no two entries look alike.
pub(super) fn hash_entry(hasher: &mut Sha256, entry: RegistryEntry<'_>) {
    let registry = entry.registry.map(Assignment::name);
    hasher.update(format!("{:?}", entry.prefix));
    for field in [registry, entry.short_name, entry.organisation, entry.address] {
        hasher.update("\t");
        hasher.update(field.unwrap_or_default());
    }
    hasher.update("\n");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_merged_is_the_empty_registry() {
        assert_eq!(Registry::new(&Merged::default()).hash(), Registry::empty().hash());
    }

    const HEADER: &str = "Registry,Assignment,Organization Name,Organization Address\n";

    fn sources(texts: &[&str]) -> Vec<Source> {
        texts.iter().map(|text| Source::parse("test", text.as_bytes().to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_first_source_decides_and_the_next_fills_in() {
        let ieee =
            format!("{HEADER}MA-L,00000C,\"Cisco Systems, Inc\",San Jose\nMA-L,080030,ROYAL,b\nMA-L,080030,CERN,c\n");
        let manuf = "00:00:0C\tCisco\tCisco Systems\n00:00:17\tOracle\tOracle Corp\n08:00:30\tCERN\n";
        let rows = |texts: &[&str]| -> Vec<(String, String, Option<String>)> {
            let merged = merge(&sources(texts));
            assert_eq!(merged.shared, 1);
            let row = |row: RegistryRow| (row.short.unwrap(), row.organisation.unwrap(), row.address);
            merged.entries.into_iter().map(row).collect()
        };
        let row = |short: &str, name: &str, address: Option<&str>| {
            (short.to_owned(), name.to_owned(), address.map(str::to_owned))
        };
        let others = [row("Oracle", "Oracle Corp", None), row("CERN", "CERN | ROYAL", Some("c | b"))];
        let cisco = |name| row("Cisco", name, Some("San Jose"));
        assert_eq!(rows(&[&ieee, manuf]), [&[cisco("Cisco Systems, Inc")], &others[..]].concat());
        assert_eq!(rows(&[manuf, &ieee]), [&[cisco("Cisco Systems")], &others[..]].concat());
    }

    #[test]
    fn the_order_of_lines_does_not_change_the_hash() {
        let one = merge(&sources(&["00:00:0C\tCisco\n00:00:17\tOracle\n"]));
        let other = merge(&sources(&["00:00:17\tOracle\n", "00:00:0C\tCisco\n"]));
        assert_eq!(one.hash(), other.hash());
        assert_ne!(one.hash(), merge(&sources(&["00:00:17\tOracle\n"])).hash());
    }
}
