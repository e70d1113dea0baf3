//! Wireshark's `manuf` and `wka` files: a prefix, a short name, a long name, parted by tabs. Before 2017 the long name
//! stood behind the short one, after blanks and a `#`. Parses; judges nothing about the file as a whole.

use super::parsed::{Parsed, clean};
use crate::oui::Prefix;

/// One line: what it names, its short name and, where given, its long one.
pub(super) struct Line<'a> {
    pub prefix: Prefix,
    pub short: &'a str,
    pub long: Option<&'a str>,
}

/// Parses a whole file. In a `manuf` file prefixes of 24, 28 and 36 bits are assignments and all others are
/// well-known addresses (older files carried them too); in a `wka` file all are well-known addresses.
pub(super) fn parse(text: &str, well_known_only: bool) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    for (index, line) in text.lines().enumerate() {
        let Some(line) = parse_line(line).map_err(|problem| format!("line {}: {problem}", index + 1))? else {
            continue;
        };
        if !well_known_only && matches!(line.prefix.bits(), 24 | 28 | 36) {
            parsed.entry(line.prefix, None, Some(clean(line.short)), line.long.map(clean), None);
        } else {
            parsed.special.push((line.prefix, clean(line.long.unwrap_or(line.short))));
        }
    }
    Ok(parsed)
}

/// Parses one line; none for a blank or a comment.
pub(super) fn parse_line(line: &str) -> Result<Option<Line<'_>>, String> {
    let line = line.trim_end();
    if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
        return Ok(None);
    }
    let mut fields = line.split('\t').map(str::trim);
    let prefix = parse_prefix(fields.next().unwrap_or_default())?;
    let mut fields = fields.skip_while(|field| field.is_empty());
    let short = fields.next().filter(|name| !name.starts_with('#')).ok_or("has no name after the prefix")?;
    // No short name has a blank in it: what follows is the long name as older files have it, and then a comment.
    if let Some((short, long)) = short.split_once(" #") {
        let long = Some(long.trim()).filter(|name| !name.is_empty());
        return Ok(Some(Line { prefix, short: short.trim_end(), long }));
    }
    let long = fields.find(|field| !field.is_empty()).filter(|name| !name.starts_with('#'));
    Ok(Some(Line { prefix, short, long }))
}

/// Pairs of digits parted by one of `:`, `-`, `.`; three of them are 24 bits unless a length follows, like `/28`.
fn parse_prefix(text: &str) -> Result<Prefix, String> {
    let wrong = || format!("'{}' is not a prefix", text.chars().take(40).collect::<String>());
    let (octets, length) = match text.split_once('/') {
        Some((octets, length)) => (octets, Some(length)),
        None => (text, None),
    };
    let separator = octets.chars().find(|c| matches!(c, ':' | '-' | '.')).ok_or_else(wrong)?;
    let mut address = 0u64;
    let mut count = 0u8;
    for octet in octets.split(separator) {
        if octet.len() != 2 || count == 6 || !octet.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        address = address << 8 | u64::from_str_radix(octet, 16).map_err(|_| wrong())?;
        count += 1;
    }
    if count < 3 {
        return Err(wrong());
    }
    let bits = match length {
        None => 8 * count,
        Some(length) => length.parse().ok().filter(|bits| (8..=48).contains(bits)).ok_or_else(wrong)?,
    };
    Ok(Prefix::new(address << (8 * (6 - u32::from(count))), bits))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Mac;
    use proptest::prelude::*;

    #[test]
    fn reads_the_forms_that_the_files_have() {
        let text = "# a comment\n\n\t\t# another\n00:00:17\tOracle\n00:00:18\tWebsterC\tWebster Computer\t# Appletalk\n\
            00:1B:C5:00:00:00/36\tConverge\tConverging Systems Inc.\n01:0E:CF\tPN-MC\t\tPROFINET Multicast\n\
            02:20:48\tMarconi\t\t# local flag\n";
        let parsed = parse(text, false).unwrap();
        let seen: Vec<_> = parsed
            .entries
            .iter()
            .map(|row| (row.prefix.to_string(), row.short.clone().unwrap(), row.organisation.clone()))
            .collect();
        let row = |prefix: &str, short: &str, long: Option<&str>| {
            (prefix.to_owned(), short.to_owned(), long.map(str::to_owned))
        };
        assert_eq!(
            seen,
            [
                row("00:00:17", "Oracle", None),
                row("00:00:18", "WebsterC", Some("Webster Computer")),
                row("00:1b:c5:00:0", "Converge", Some("Converging Systems Inc.")),
                row("01:0e:cf", "PN-MC", Some("PROFINET Multicast")),
                row("02:20:48", "Marconi", None),
            ]
        );
    }

    #[test]
    fn reads_the_form_before_2017() {
        let text = "00:00:00\tXerox                  # XEROX CORPORATION\n00:00:89\tCayman                 # Cayman Systems\tGatorbox\n\
            00:00:0F\tNext\n00:1B:C5:00:00:00/36\tConvergi               # Converging Systems  Inc.\n00:00:10\tSytek #\n";
        let parsed = parse(text, false).unwrap();
        let rows: Vec<_> =
            parsed.entries.iter().map(|row| (row.short.as_deref().unwrap(), row.organisation.as_deref())).collect();
        assert_eq!(
            rows,
            [
                ("Xerox", Some("XEROX CORPORATION")),
                ("Cayman", Some("Cayman Systems")),
                ("Next", None),
                ("Convergi", Some("Converging Systems Inc.")),
                ("Sytek", None),
            ]
        );
    }

    #[test]
    fn well_known_addresses_are_apart() {
        let parsed =
            parse("01-80-C2-00-00-0E\tLLDP\n33-33-00-00-00-00/16\tIPv6mcast\n01-00-3C\t\tAuspex\n", true).unwrap();
        assert!(parsed.entries.is_empty());
        let bits: Vec<_> = parsed.special.iter().map(|(prefix, name)| (prefix.bits(), name.as_str())).collect();
        assert_eq!(bits, [(48, "LLDP"), (16, "IPv6mcast"), (24, "Auspex")]);
    }

    #[test]
    fn a_bad_line_is_named() {
        for bad in ["00:00\tx", "00:00:0g\tx", "00:00:17", "00:00:17\t# only a comment", "00:00:17/49\tx", "hello\tx"] {
            let said = parse(&format!("00:00:17\tOracle\n{bad}\n"), false).err().unwrap();
            assert!(said.starts_with("line 2: "), "{bad}: {said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[0-9a-f:/#\\-\t\n\\PC]{0,200}") {
            let _ = parse(&text, false);
        }

        #[test]
        fn what_is_written_reads_back(address in 0u64..1 << 48, bits in prop::sample::select(vec![24u8, 28, 36]),
                                      short in "[A-Za-z0-9]{1,8}", long in "[A-Za-z0-9&][A-Za-z0-9&, .]{0,30}[A-Za-z0-9.]") {
            let prefix = Prefix::new(address, bits);
            let text = format!("{}/{bits}\t{short}\t{long}\n", Mac::from_u64(prefix.first()));
            let parsed = parse(&text, false).unwrap();
            let row = &parsed.entries[0];
            prop_assert_eq!(row.prefix, prefix);
            prop_assert_eq!(row.short.as_deref(), Some(short.as_str()));
            prop_assert_eq!(row.organisation.clone().unwrap(), clean(&long));
        }
    }
}
