//! The registry in memory: immutable, shared between threads, one binary search a lookup. Pure: the cache fills it.
//!
//! Prefixes nest (a /36 in a /24). They are sorted by where they begin, and each knows the next longer stretch it lies
//! in: the longest prefix of an address is the last that begins at or before it, or one of those around that.

use super::{Assignment, Prefix, Query, special};
use crate::Mac;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use std::collections::HashMap;

/// What the registry says about a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryEntry<'a> {
    /// The prefix that was assigned.
    pub prefix: Prefix,
    /// By which registry; absent where only Wireshark's list has it.
    pub registry: Option<Assignment>,
    /// Wireshark's short name.
    pub short_name: Option<&'a str>,
    /// The organisation; its short name where nothing else is known.
    pub organisation: Option<&'a str>,
    /// Its postal address.
    pub address: Option<&'a str>,
}

/// The vendor registry: from the cache, or empty.
#[derive(Debug, Default)]
pub struct Registry {
    text: String,
    names: Vec<Names>,
    rows: Vec<PrefixRow>,
    special: Vec<(Prefix, Box<str>)>,
    /// Whether any of them begins with this octet: most addresses need no further look.
    special_octets: Vec<bool>,
    hash: String,
}

/// An assignment in 16 octets, so that 50,000 of them are no burden on a small machine.
#[derive(Clone, Copy, Debug)]
struct PrefixRow {
    /// From the top: the lowest address (48 bits), the length of the prefix (8), the registry (8; 0 where there is none).
    key: u64,
    /// The row in `names`.
    names: u32,
    /// The row of the longest prefix around it, or [`NOBODY`].
    parent: u32,
}

/// What an organisation is called. Its many rows share it, and all names stand one after the other in one text.
#[derive(Clone, Copy, Debug)]
struct Names {
    /// Where they begin.
    start: u32,
    /// How long they are: short name, organisation, address; 0 for what is absent.
    lens: [u16; 3],
}

impl PrefixRow {
    fn new(prefix: Prefix, registry: Option<Assignment>, names: u32) -> Self {
        let registry = Assignment::ALL.iter().zip(1u64..).find(|(one, _)| Some(**one) == registry);
        let key = prefix.first() << 16 | u64::from(prefix.bits()) << 8 | registry.map_or(0, |(_, code)| code);
        Self { key, names, parent: NOBODY }
    }

    fn first(self) -> u64 {
        self.key >> 16
    }

    fn prefix(self) -> Prefix {
        let [.., bits, _] = self.key.to_be_bytes();
        Prefix::new(self.first(), bits)
    }

    fn registry(self) -> Option<Assignment> {
        let [.., code] = self.key.to_be_bytes();
        Assignment::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

const NOBODY: u32 = u32::MAX;

/// The longest prefix, in bits, that names a vendor and not a few devices: the IEEE assigns none longer (MA-S, IAB).
pub const LONGEST_OF_MANY: u8 = 36;

/// The hash of a registry that knows nothing: the SHA-256 of no bytes.
pub const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

impl Serialize for RegistryEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_struct("RegistryEntry", 6)?;
        entry.serialize_field("prefix", &self.prefix)?;
        entry.serialize_field("prefix_bits", &self.prefix.bits())?;
        entry.serialize_field("registry", &self.registry)?;
        entry.serialize_field("short_name", &self.short_name)?;
        entry.serialize_field("organisation", &self.organisation)?;
        entry.serialize_field("address", &self.address)?;
        entry.end()
    }
}

impl Registry {
    /// A registry that knows nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self { hash: EMPTY_HASH.to_owned(), ..Self::default() }
    }

    /// The vendor of a station: the organisation's name where it is known, else the short one. A randomised address
    /// has none, whatever it begins with, and neither has the all-zero one, which is no address.
    #[must_use]
    pub fn vendor(&self, mac: Mac) -> Option<&str> {
        if mac.is_randomised() || mac == Mac::ZERO {
            return None;
        }
        self.lookup(mac)?.organisation
    }

    /// The vendor of a station whose address is withheld: as [`Registry::vendor`], but by prefixes of at most
    /// [`LONGEST_OF_MANY`] bits. A longer entry, like a local one for a single device, would name that device.
    #[must_use]
    pub fn vendor_of_many(&self, mac: Mac) -> Option<&str> {
        if mac.is_randomised() || mac == Mac::ZERO {
            return None;
        }
        let mut row = self.owner_of(mac)?;
        while row.prefix().bits() > LONGEST_OF_MANY {
            row = self.row(row.parent)?;
        }
        self.entry(*row).organisation
    }

    /// The entry with the longest prefix of `mac`; none for the all-zero address, which nobody holds.
    #[must_use]
    pub fn lookup(&self, mac: Mac) -> Option<RegistryEntry<'_>> {
        self.owner_of(mac).map(|row| self.entry(*row))
    }

    /// The entry with the longest prefix that holds for all that `query` asks about: for a prefix, one that is not
    /// longer than it.
    #[must_use]
    pub fn lookup_query(&self, query: Query) -> Option<RegistryEntry<'_>> {
        let prefix = query.prefix();
        if let Some(mac) = query.mac() {
            return self.lookup(mac);
        }
        let mut row = self.owner(prefix.first())?;
        while row.prefix().bits() > prefix.bits() {
            row = self.row(row.parent)?;
        }
        Some(self.entry(*row))
    }

    /// What `mac` is by itself, apart from any registration: broadcast, spanning tree, VRRP … Names from the cache's
    /// `wka` come after the built-in ones. A prefix shorter than 32 bits says nothing about a randomised address.
    #[must_use]
    pub fn special(&self, mac: Mac) -> Option<&str> {
        special::special(mac).or_else(|| {
            let [first, ..] = mac.0;
            if self.special_octets.get(usize::from(first)) != Some(&true) {
                return None;
            }
            self.special
                .iter()
                .filter(|(prefix, _)| prefix.covers(mac) && (prefix.bits() >= 32 || !mac.is_randomised()))
                .max_by_key(|(prefix, _)| prefix.bits())
                .map(|(_, name)| &**name)
        })
    }

    /// All entries, by prefix.
    pub fn entries(&self) -> impl Iterator<Item = RegistryEntry<'_>> {
        self.rows.iter().map(|row| self.entry(*row))
    }

    /// The entries with `text` somewhere in the organisation's or the short name, whatever the case, by prefix.
    pub fn search(&self, text: &str) -> impl Iterator<Item = RegistryEntry<'_>> {
        let text = text.to_lowercase();
        self.entries().filter(move |entry| {
            [entry.organisation, entry.short_name].into_iter().flatten().any(|name| name.to_lowercase().contains(&text))
        })
    }

    /// The SHA-256, in hexadecimal, of all that it says, local entries included; [`EMPTY_HASH`] if that is nothing.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Names the content anew.
    pub fn set_hash(&mut self, hash: String) {
        self.hash = hash;
    }

    /// The row of an address that somebody can hold.
    fn owner_of(&self, mac: Mac) -> Option<&PrefixRow> {
        if mac == Mac::default() { None } else { self.owner(mac.to_u64()) }
    }

    /// The row with the longest prefix of an address.
    fn owner(&self, address: u64) -> Option<&PrefixRow> {
        let after = self.rows.partition_point(|row| row.first() <= address);
        let mut row = self.rows.get(after.checked_sub(1)?)?;
        // Whatever begins between the prefix sought and the address lies within that prefix.
        while row.prefix().last() < address {
            row = self.row(row.parent)?;
        }
        Some(row)
    }

    fn row(&self, index: u32) -> Option<&PrefixRow> {
        self.rows.get(usize::try_from(index).ok()?)
    }

    fn entry(&self, row: PrefixRow) -> RegistryEntry<'_> {
        let [short_name, organisation, address] =
            self.names(row.names).map(|name| name.filter(|name| !name.is_empty()));
        let organisation = organisation.or(short_name);
        RegistryEntry { prefix: row.prefix(), registry: row.registry(), short_name, organisation, address }
    }

    /// Short name, organisation and address of that row in `names`.
    fn names(&self, index: u32) -> [Option<&str>; 3] {
        let Some(names) = self.names.get(index as usize) else { return [None; 3] };
        let mut start = names.start as usize;
        names.lens.map(|len| {
            let range = start..start + usize::from(len);
            start = range.end;
            self.text.get(range)
        })
    }
}

/// Builds a registry from rows in any order. Of two rows for one prefix the later one wins.
#[derive(Default)]
pub struct Builder {
    registry: Registry,
    /// The row in `names` by the CRC-32 of what it says. Of two with one sum the later is found, and the other doubled.
    known: HashMap<u32, u32>,
    /// The row that [`Builder::holder`] is at.
    shared: Option<(Prefix, Assignment, String)>,
}

impl Builder {
    /// With room for so many rows and octets of names.
    #[must_use]
    pub fn with_room(rows: usize, text: usize) -> Self {
        let registry =
            Registry { text: String::with_capacity(text), rows: Vec::with_capacity(rows), ..Registry::default() };
        Self { registry, ..Self::default() }
    }

    /// Adds a row of a sorted list in which a prefix with several holders has a row for each: they share one name.
    pub fn holder(&mut self, prefix: Prefix, registry: Assignment, name: &str) {
        match &mut self.shared {
            Some((last, of, names)) if *last == prefix && *of == registry => {
                if names.rsplit(" | ").next() != Some(name) {
                    names.extend([" | ", name]);
                }
            }
            _ => {
                self.end_of_holders();
                self.shared = Some((prefix, registry, name.to_owned()));
            }
        }
    }

    fn end_of_holders(&mut self) {
        if let Some((prefix, registry, names)) = self.shared.take() {
            let names = self.names(["", &names, ""]);
            self.registry.rows.push(PrefixRow::new(prefix, Some(registry), names));
        }
    }

    /// Adds an entry. A name longer than 65,535 octets is left out.
    pub fn row(&mut self, entry: RegistryEntry<'_>) {
        self.end_of_holders();
        let names = [entry.short_name, entry.organisation, entry.address];
        let names = self.names(names.map(Option::unwrap_or_default));
        self.registry.rows.push(PrefixRow::new(entry.prefix, entry.registry, names));
    }

    /// The row in `names` that says this: a new one, if there is none. What is too long to be a name is none.
    fn names(&mut self, names: [&str; 3]) -> u32 {
        let names = names.map(|name| if u16::try_from(name.len()).is_ok() { name } else { "" });
        let mut sum = crc32fast::Hasher::new();
        names.iter().for_each(|name| sum.update(name.as_bytes()));
        let sum = sum.finalize();
        if let Some(&known) = self.known.get(&sum)
            && self.registry.names(known) == names.map(Some)
        {
            return known;
        }
        let Registry { text, names: all, .. } = &mut self.registry;
        let index = u32::try_from(all.len()).unwrap_or(NOBODY);
        let start = u32::try_from(text.len()).unwrap_or(NOBODY);
        all.push(Names { start, lens: names.map(|name| u16::try_from(name.len()).unwrap_or_default()) });
        text.extend(names);
        self.known.insert(sum, index);
        index
    }

    /// Adds a well-known address.
    pub fn special(&mut self, prefix: Prefix, name: &str) {
        self.registry.special.push((prefix, name.into()));
    }

    /// The registry of all that was added, with `hash` as its name for this content.
    #[must_use]
    pub fn build(mut self, hash: String) -> Registry {
        self.end_of_holders();
        let mut registry = self.registry;
        let Registry { text, names, rows, special, .. } = &mut registry;
        text.shrink_to_fit();
        names.shrink_to_fit();
        // Stable, and turned round for the removal, so that the later of two equals stays.
        rows.reverse();
        rows.sort_by_key(|row| row.prefix());
        rows.dedup_by_key(|row| row.prefix());
        rows.shrink_to_fit();
        nest(rows);
        let begins = |octet: u64| special.iter().any(|(prefix, _)| prefix.first() >> 40 == octet);
        registry.special_octets = (0..256).map(begins).collect();
        registry.hash = hash;
        registry
    }
}

/// Fills in the parents of sorted rows.
fn nest(rows: &mut [PrefixRow]) {
    // The prefixes over the place reached, longest last: row and last address.
    let mut over: Vec<(u32, u64)> = Vec::new();
    for (index, row) in (0u32..).zip(rows) {
        while over.pop_if(|(_, last)| *last < row.first()).is_some() {}
        row.parent = over.last().map_or(NOBODY, |(row, _)| *row);
        over.push((index, row.prefix().last()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn registry(rows: &[(Prefix, String)]) -> Registry {
        let mut rows = rows.to_vec();
        rows.sort();
        let mut builder = Builder::default();
        for (prefix, name) in &rows {
            let short_name = Some(name.as_str());
            builder.row(RegistryEntry {
                prefix: *prefix,
                registry: None,
                short_name,
                organisation: None,
                address: None,
            });
        }
        builder.build(String::new())
    }

    fn row(text: &str, name: &str) -> (Prefix, String) {
        (text.parse::<Query>().unwrap().prefix(), name.to_owned())
    }

    #[test]
    fn the_longest_prefix_wins() {
        let registry = registry(&[row("70b3d5", "parent"), row("70b3d5f", "medium"), row("70b3d5f2f", "small")]);
        let vendor = |text: &str| registry.vendor(text.parse().unwrap()).map(str::to_owned);
        assert_eq!(vendor("70:b3:d5:f2:f1:23").as_deref(), Some("small"));
        assert_eq!(vendor("70:b3:d5:f2:ef:ff").as_deref(), Some("medium"));
        assert_eq!(vendor("70:b3:d5:ef:ff:ff").as_deref(), Some("parent"));
        assert_eq!(vendor("70:b3:d6:00:00:00"), None);
        let of = |text: &str| {
            registry.lookup_query(text.parse().unwrap()).and_then(|entry| entry.short_name.map(str::to_owned))
        };
        assert_eq!(of("70b3d5f2f").as_deref(), Some("small"));
        assert_eq!(of("70b3d5f2").as_deref(), Some("medium"));
        assert_eq!(of("70b3d5").as_deref(), Some("parent"));
    }

    #[test]
    fn a_randomised_address_has_an_entry_at_most_and_no_vendor() {
        let registry = registry(&[row("daa119", "Google")]);
        let mac: Mac = "da:a1:19:12:88:cb".parse().unwrap();
        assert_eq!(registry.vendor(mac), None);
        assert_eq!(registry.lookup(mac).unwrap().short_name, Some("Google"));
    }

    #[test]
    fn the_all_zero_address_is_nobodys() {
        let registry = registry(&[row("000000", "Xerox"), row("000000000000", "a local entry")]);
        assert_eq!(registry.vendor(Mac::default()), None);
        assert_eq!(registry.vendor_of_many(Mac::default()), None);
        assert_eq!(registry.lookup(Mac::default()), None);
        assert_eq!(registry.lookup_query("00:00:00:00:00:00".parse().unwrap()), None);
        assert_eq!(registry.lookup_query("0:0:0:0:0:0".parse().unwrap()), None);
        assert_eq!(registry.special(Mac::default()), Some("all zero: no address"));
        // The prefix and its other addresses are Xerox's.
        assert_eq!(registry.lookup_query("000000".parse().unwrap()).unwrap().organisation, Some("Xerox"));
        assert_eq!(registry.vendor(Mac([0, 0, 0, 0, 0, 1])), Some("Xerox"));
        assert_eq!(registry.vendor_of_many(Mac([0, 0, 0, 0, 0, 1])), Some("Xerox"));
    }

    #[test]
    fn names_are_shared_whole() {
        // Of one sum, for it is taken over all three, one after the other.
        let names = [["ab", "c", ""], ["a", "bc", ""], ["", "abc", ""], ["", "", "abc"], ["ab", "c", ""], ["", "", ""]];
        let mut builder = Builder::default();
        let some = |name: &'static str| Some(name).filter(|name| !name.is_empty());
        for (first, [short, organisation, address]) in (0u64..).zip(names) {
            let prefix = Prefix::new(first << 24, 24);
            let (short_name, organisation, address) = (some(short), some(organisation), some(address));
            builder.row(RegistryEntry { prefix, registry: Some(Assignment::Cid), short_name, organisation, address });
        }
        let registry = builder.build(String::new());
        let found: Vec<_> =
            registry.entries().map(|entry| [entry.short_name, entry.organisation, entry.address]).collect();
        assert_eq!(
            found,
            names.map(|[short, organisation, address]| [
                some(short),
                some(organisation).or(some(short)),
                some(address)
            ])
        );
        assert!(registry.entries().all(|entry| entry.registry == Some(Assignment::Cid)));
    }

    #[test]
    fn every_registry_is_told_from_the_others() {
        for registry in Assignment::ALL.map(Some).into_iter().chain([None]) {
            assert_eq!(PrefixRow::new(Prefix::new(0x70_b3d5 << 24, 36), registry, 0).registry(), registry);
        }
    }

    #[test]
    fn an_empty_registry_knows_nothing() {
        let registry = Registry::empty();
        assert_eq!((registry.len(), registry.hash(), registry.lookup(Mac::BROADCAST)), (0, EMPTY_HASH, None));
        assert_eq!(registry.special(Mac::BROADCAST), Some("broadcast"));
    }

    /// Prefixes in a small part of the address space, so that they nest and touch; the edges of it all too.
    fn prefixes() -> impl Strategy<Value = Vec<(Prefix, String)>> {
        let high = prop::sample::select(vec![0u64, 0x70_b3d5, 0x70_b3d6, 0xff_ffff]);
        let one = (high, 0u64..1 << 24, 24u8..=48)
            .prop_map(|(high, low, bits)| Prefix::new(high << 24 | low & 0xf0f0f3, bits));
        prop::collection::btree_map(one, "[a-z]{1,3}", 0..40).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn lookup_is_what_a_linear_search_finds(rows in prefixes(), probes in prop::collection::vec((any::<prop::sample::Index>(), 0u64..1 << 24), 1..40)) {
            let registry = registry(&rows);
            for (index, noise) in probes {
                let address = match rows.len() {
                    0 => noise,
                    _ => match index.get(&rows).0 {
                        prefix if noise & 1 == 0 => prefix.last().saturating_add(noise >> 1 & 1).min((1 << 48) - 1),
                        prefix if noise & 2 == 0 => prefix.first().saturating_sub(noise >> 2 & 1),
                        prefix => prefix.first() ^ noise,
                    },
                };
                let mac = Mac::from_u64(address.max(1));
                let naive = rows.iter().filter(|(prefix, _)| prefix.covers(mac)).max_by_key(|(prefix, _)| prefix.bits());
                prop_assert_eq!(registry.lookup(mac).map(|entry| entry.prefix), naive.map(|(prefix, _)| *prefix));
                prop_assert_eq!(registry.lookup(mac).and_then(|entry| entry.short_name), naive.map(|(_, name)| name.as_str()));
                for bits in 24..=48 {
                    let asked: Query = format!("{mac}").parse::<Query>().unwrap();
                    let asked = if bits == 48 { asked } else { Prefix::new(asked.prefix().first(), bits).to_string().parse().unwrap() };
                    let naive = rows
                        .iter()
                        .filter(|(prefix, _)| prefix.bits() <= bits && prefix.covers(mac))
                        .max_by_key(|(prefix, _)| prefix.bits());
                    prop_assert_eq!(registry.lookup_query(asked).map(|entry| entry.prefix), naive.map(|(prefix, _)| *prefix));
                }
            }
        }
    }
}
