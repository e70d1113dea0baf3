//! The lists that other tools make of the IEEE's files: arp-scan's `ieee-oui.txt` and `mac-vendor.txt` (digits, a tab, a
//! name) and nmap's `nmap-mac-prefixes` (digits, a blank, a name). Digits are hexadecimal, in capitals, without
//! separators; `#` begins a comment.

use super::parsed::{Parsed, clean};
use crate::oui::Prefix;

/// Parses a whole file whose digits and names `separator` parts. Prefixes of 24, 28 and 36 bits are assignments, all
/// others are well-known addresses.
pub(super) fn parse(text: &str, separator: char) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (prefix, name) = parse_line(line, separator).map_err(|problem| format!("line {}: {problem}", index + 1))?;
        if matches!(prefix.bits(), 24 | 28 | 36) {
            parsed.entry(prefix, None, None, Some(clean(name)), None);
        } else {
            parsed.special.push((prefix, clean(name)));
        }
    }
    Ok(parsed)
}

/// What parts digits and name, if `line` is the first of such a list: that begins with an assignment.
pub(super) fn separator(line: &str) -> Option<char> {
    let separator = line.chars().find(|c| !c.is_ascii_hexdigit()).filter(|c| matches!(c, '\t' | ' '))?;
    let (prefix, _) = parse_line(line, separator).ok()?;
    matches!(prefix.bits(), 24 | 28 | 36).then_some(separator)
}

fn parse_line(line: &str, separator: char) -> Result<(Prefix, &str), &'static str> {
    let (digits, name) = line.split_once(separator).ok_or("has no name after the prefix")?;
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'A'..=b'F');
    if !(6..=12).contains(&digits.len()) || !digits.bytes().all(is_digit) {
        return Err("does not begin with six to twelve hexadecimal digits in capitals");
    }
    if name.trim().is_empty() {
        return Err("has no name after the prefix");
    }
    let (number, bits) = (u64::from_str_radix(digits, 16).unwrap_or_default(), 4 * digits.len());
    let bits = u8::try_from(bits).unwrap_or(48);
    Ok((Prefix::new(number << (48 - bits), bits), name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_both_forms() {
        for separator in ['\t', ' '] {
            let text = "# a comment\n000000 XEROX  CORPORATION\n\n0055DA0 Shinko Technos\r\n001BC5000 Converging\n00005E0001 VRRP\n";
            let text = text.replace("0 X", &format!("0{separator}X")).replace(" Sh", &format!("{separator}Sh"));
            let text = text.replace(" Co", &format!("{separator}Co")).replace(" V", &format!("{separator}V"));
            let parsed = parse(&text, separator).unwrap();
            let rows: Vec<_> = parsed
                .entries
                .iter()
                .map(|row| (row.prefix.to_string(), row.organisation.as_deref().unwrap()))
                .collect();
            let row = |prefix: &str, name| (prefix.to_owned(), name);
            assert_eq!(
                rows,
                [
                    row("00:00:00", "XEROX CORPORATION"),
                    row("00:55:da:0", "Shinko Technos"),
                    row("00:1b:c5:00:0", "Converging")
                ]
            );
            assert_eq!(parsed.special, [(Prefix::new(0x5e_0001 << 8, 40), "VRRP".to_owned())]);
        }
    }

    #[test]
    fn other_texts_are_no_lists() {
        for line in [
            "d17af3e Tests: a store",
            "hello world",
            "12345 short",
            "FACADE",
            "FACADE,of",
            "0123456789ABC x",
            "3015617425 6 a",
        ] {
            assert_eq!(separator(line), None, "{line}");
        }
        assert_eq!(separator("00000C\tCisco"), Some('\t'));
        assert_eq!(separator("00000C Cisco Systems"), Some(' '));
    }

    #[test]
    fn a_bad_line_is_named() {
        for bad in ["00000", "00000C", "00000C\t ", "00000c\tx", "00:00:0C\tx", "00000C x"] {
            let said = parse(&format!("00000B\tx\n{bad}\n"), '\t').err().unwrap();
            assert!(said.starts_with("line 2: "), "{bad}: {said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "([0-9A-Fa-f]{5,13}|[\t #]|\n|\\PC){0,60}") {
            let _ = text.lines().map(separator).count();
            let _ = (parse(&text, '\t'), parse(&text, ' '));
        }
    }
}
