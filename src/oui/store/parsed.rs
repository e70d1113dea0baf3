//! What a registry file says, whatever its form.

use crate::oui::{Assignment, Prefix, RegistryEntry};

/// One assignment as one file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRow {
    /// What was assigned.
    pub prefix: Prefix,
    /// By which registry; only the IEEE's files say.
    pub registry: Option<Assignment>,
    /// Wireshark's short name.
    pub short: Option<String>,
    /// The organisation's name.
    pub organisation: Option<String>,
    /// Its postal address.
    pub address: Option<String>,
}

impl RegistryRow {
    /// What it says, borrowed.
    #[must_use]
    pub fn entry(&self) -> RegistryEntry<'_> {
        RegistryEntry {
            prefix: self.prefix,
            registry: self.registry,
            short_name: self.short.as_deref(),
            organisation: self.organisation.as_deref(),
            address: self.address.as_deref(),
        }
    }
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Its assignments, in the file's order.
    pub entries: Vec<RegistryRow>,
    /// Its well-known addresses, in the file's order.
    pub special: Vec<(Prefix, String)>,
}

impl Parsed {
    pub(super) fn entry(
        &mut self,
        prefix: Prefix,
        registry: Option<Assignment>,
        short: Option<String>,
        organisation: Option<String>,
        address: Option<String>,
    ) {
        self.entries.push(RegistryRow { prefix, registry, short, organisation, address });
    }
}

/// A name as it is kept: a run of white space and control characters, line ends among them, becomes one blank; none at
/// the ends; at most 500 characters. So a name can neither break a line nor move a terminal's cursor.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(part);
    }
    if let Some((end, _)) = out.char_indices().nth(500) {
        out.truncate(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(clean(" a  x\u{1b}[2J\r\nb\u{9b}"), "a x [2J b");
        assert_eq!(clean("Polbina st.,\u{a0} \u{2028}3/1\t \tMoscow "), "Polbina st., 3/1 Moscow");
        assert_eq!(clean(&"é".repeat(600)).chars().count(), 500);
    }
}
