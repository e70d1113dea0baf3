//! The IEEE registration authority's CSV files: `Registry,Assignment,Organization Name,Organization Address`.
//! Fields are quoted, hold line ends and trailing spaces, and one prefix may stand on several lines.

use super::parsed::{Parsed, clean};
use crate::oui::{Assignment, Prefix};

/// The first line of every such file.
pub(super) const HEADER: &str = "Registry,Assignment,Organization Name,Organization Address";

/// Parses a whole file, header included.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    if text.bytes().filter(|byte| *byte == b'"').count() % 2 != 0 {
        return Err("ends within a quoted field, as half a download does: fetch it again".into());
    }
    let mut parsed = Parsed::default();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(parsed),
            Err(error) => return Err(format!("is not CSV: {error}")),
        }
        let wrong = |problem: &str| format!("line {}: {problem}", line_of(text, &record));
        let (registry, prefix) = assignment(&record).map_err(wrong)?;
        let name = record.get(2).unwrap_or_default();
        let address = record.get(3).map(clean).filter(|address| !address.is_empty());
        parsed.entry(prefix, Some(registry), None, Some(clean(name)), address);
    }
}

/// What a row assigns, and by which registry; or what is wrong with it.
pub(super) fn assignment(record: &csv::StringRecord) -> Result<(Assignment, Prefix), &'static str> {
    let (Some(registry), Some(digits), Some(_)) = (record.get(0), record.get(1), record.get(2)) else {
        return Err("has fewer than three fields");
    };
    let registry =
        Assignment::from_ieee(registry.trim()).ok_or("its registry is none of MA-L, MA-M, MA-S, IAB, CID")?;
    let prefix = parse_prefix(digits.trim(), registry)
        .ok_or("its assignment does not have the digits that its registry gives out")?;
    Ok((registry, prefix))
}

/// The line on which `record` begins. The reader's own count is one short after a CRLF.
fn line_of(text: &str, record: &csv::StringRecord) -> usize {
    let byte = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
    let rest = text.get(byte..).unwrap_or_default();
    let start = text.len() - rest.trim_start_matches(['\r', '\n']).len();
    text.get(..start).unwrap_or_default().matches('\n').count() + 1
}

fn parse_prefix(digits: &str, registry: Assignment) -> Option<Prefix> {
    let bits = registry.bits()?;
    if digits.len() * 4 != usize::from(bits) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(Prefix::new(u64::from_str_radix(digits, 16).ok()? << (48 - bits), bits))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_line_ends_mixed_endings_and_trailing_spaces() {
        let text = format!(
            "{HEADER}\r\nMA-L,002272,American Micro-Fuel Device Corp.,2181 Buchanan Loop \r\n\
             MA-S,70B3D5F2F,\"TELE \"\"X\"\"\nPLATFORMS \",\"Polbina st.,\r\n 3/1 Moscow \"\nIAB,0050C2CF9,Private,\r\n"
        );
        let parsed = parse(&text).unwrap();
        let rows: Vec<_> = parsed
            .entries
            .iter()
            .map(|row| {
                (
                    row.prefix.to_string(),
                    row.registry.unwrap().name(),
                    row.organisation.as_deref().unwrap(),
                    row.address.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("00:22:72".to_owned(), "MA-L", "American Micro-Fuel Device Corp.", Some("2181 Buchanan Loop")),
                ("70:b3:d5:f2:f".to_owned(), "MA-S", "TELE \"X\" PLATFORMS", Some("Polbina st., 3/1 Moscow")),
                ("00:50:c2:cf:9".to_owned(), "IAB", "Private", None),
            ]
        );
    }

    #[test]
    fn a_bad_row_is_named() {
        for bad in ["MA-L,00227,x,y", "MA-M,002272,x,y", "MA-X,002272,x,y", "MA-L,00227G,x,y", "MA-L,002272", "<html>"]
        {
            let said = parse(&format!("{HEADER}\r\nMA-L,002272,x,y\r\n{bad}\r\n")).err().unwrap();
            assert!(said.starts_with("line 3: "), "{bad}: {said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(MA-L|IAB|[0-9A-F]{6}|[,\"\r\n]|\\PC){0,60}") {
            let _ = parse(&format!("{HEADER}\n{text}"));
        }
    }
}
