//! The IEEE registration authority's text files (`oui.txt`, `mam.txt`, `oui36.txt`, `iab.txt`, `cid.txt`): of each
//! assignment a line `(hex)`, a line `(base 16)`, then the postal address, indented, up to a blank line.

use super::parsed::{Parsed, clean};
use crate::oui::{Assignment, Prefix};

/// How the first line of an assignment, and the second, are told apart from others.
const FIRST: &str = "(hex)";
const SECOND: &str = "(base 16)";
/// Lines with something on them before the first assignment, at most: column titles and a date.
const MAX_TITLES: usize = 6;

/// An assignment while its lines are read.
struct Block<'a> {
    oui: u64,
    name: &'a str,
    /// Once its second line was read.
    prefix: Option<(Prefix, Assignment)>,
    address: Vec<&'a str>,
}

/// Whether a text begins as these files do.
pub(super) fn is_one(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let titles: Vec<_> = lines.by_ref().take_while(|line| !line.contains(FIRST)).take(MAX_TITLES + 1).collect();
    titles.len() <= MAX_TITLES
        && titles.iter().any(|line| line.contains("Organization"))
        && lines.next().is_some_and(|line| line.contains(SECOND))
}

/// Parses a whole file.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut titles = String::new();
    let mut block: Option<Block<'_>> = None;
    for (index, line) in text.lines().enumerate() {
        let wrong = |problem: &str| format!("line {}: {problem}", index + 1);
        if let Some((digits, name)) = line.split_once(FIRST) {
            finish(&mut parsed, block.take()).map_err(wrong)?;
            let digits = digits.trim();
            let whole = digits.len() == 8 && digits.split('-').all(|octet| octet.len() == 2);
            let oui = whole.then(|| number(&digits.replace('-', ""))).flatten();
            let oui = oui.ok_or_else(|| wrong("has no prefix like 00-22-72 before (hex)"))?;
            block = Some(Block { oui, name: name.trim(), prefix: None, address: Vec::new() });
        } else if let Some((range, name)) = line.split_once(SECOND) {
            let block = block.as_mut().filter(|block| block.prefix.is_none());
            let block = block.ok_or_else(|| wrong("has no line with (hex) before it"))?;
            block.prefix = Some(assignment(block.oui, range.trim(), &titles).map_err(wrong)?);
            if block.name.is_empty() {
                block.name = name.trim();
            }
        } else if line.is_empty() {
            finish(&mut parsed, block.take()).map_err(wrong)?;
        } else if let Some(block) = block.as_mut().filter(|_| line.starts_with([' ', '\t'])) {
            // A line of an address may be blank, but for what indents it.
            block.address.push(line);
        } else if block.is_none() && (parsed.entries.is_empty() || line.trim().is_empty()) {
            titles.push_str(line);
        } else {
            return Err(wrong("belongs to no assignment"));
        }
    }
    finish(&mut parsed, block).map_err(|problem| format!("the end: {problem}"))?;
    Ok(parsed)
}

fn finish(parsed: &mut Parsed, block: Option<Block<'_>>) -> Result<(), &'static str> {
    let Some(block) = block else { return Ok(()) };
    let (prefix, registry) = block.prefix.ok_or("the assignment before has no line with (base 16)")?;
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    parsed.entry(prefix, Some(registry), None, some(clean(block.name)), some(clean(&block.address.join(" "))));
    Ok(())
}

/// What the second line assigns: the OUI itself, or a range of what may follow it.
fn assignment(oui: u64, range: &str, titles: &str) -> Result<(Prefix, Assignment), &'static str> {
    const WRONG: &str = "has neither the prefix of the line before nor a range of a block's size before (base 16)";
    let Some((first, last)) = range.split_once('-') else {
        let registry = if titles.contains("CID") { Assignment::Cid } else { Assignment::MaL };
        let same = range.len() == 6 && number(range) == Some(oui);
        return if same { Ok((Prefix::new(oui << 24, 24), registry)) } else { Err(WRONG) };
    };
    let (first, last) = match (first.trim(), last.trim()) {
        (first, last) if first.len() == 6 && last.len() == 6 => {
            (number(first).ok_or(WRONG)?, number(last).ok_or(WRONG)?)
        }
        _ => return Err(WRONG),
    };
    let (bits, registry) = match first ^ last {
        0x0f_ffff => (28, Assignment::MaM),
        0xfff if titles.contains("IAB") => (36, Assignment::Iab),
        0xfff => (36, Assignment::MaS),
        _ => return Err(WRONG),
    };
    let prefix = Prefix::new(oui << 24 | first, bits);
    if prefix.first() == oui << 24 | first && prefix.last() == oui << 24 | last {
        Ok((prefix, registry))
    } else {
        Err(WRONG)
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const TITLES: &str = "OUI/MA-L                     Organization          \r\ncompany_id                   Organization\r\n\
        \x20                            Address\r\n\r\n";

    #[test]
    fn reads_every_registry() {
        for (titles, block, prefix, registry, address) in [
            (
                TITLES,
                "00-22-72   (hex)\t\tACME  Corp.\r\n002272     (base 16)\t\tACME  Corp.\r\n\t\t\t\t1 Main St\r\n\t\t\t\t   \r\n\t\t\t\tUS\r\n\r\n",
                "00:22:72",
                Assignment::MaL,
                Some("1 Main St US"),
            ),
            (
                "Generated: today\n\n  OUI/MA-L\t\tOrganization\n  company_id\t\tOrganization\n\t\tAddress\n\n\n",
                "  00-22-72   (hex)\t\tACME Corp.\n  002272     (base 16)\t\tACME Corp.\n\n",
                "00:22:72",
                Assignment::MaL,
                None,
            ),
            (
                "OUI   Organization\nOUI-28/MA-M Range   Organization\n   Address\n\n",
                "74-1A-E0   (hex)\t\tACME Corp.\n900000-9FFFFF     (base 16)\t\tACME Corp.\n",
                "74:1a:e0:9",
                Assignment::MaM,
                None,
            ),
            (
                "OUI   Organization\nOUI-36/MA-S Range   Organization\n   Address\n\n",
                "70-B3-D5   (hex)\t\tACME Corp.\nF2F000-F2FFFF     (base 16)\t\tACME Corp.\n",
                "70:b3:d5:f2:f",
                Assignment::MaS,
                None,
            ),
            (
                "OUI   Organization\nIAB Range   Organization\n   Address\n\n",
                "00-50-C2             (hex)             ACME Corp.\n7D5000-7D5FFF        (base 16)      ACME Corp.\n",
                "00:50:c2:7d:5",
                Assignment::Iab,
                None,
            ),
            (
                "CID   Organization\ncompany_id   Organization\n   Address\n\n",
                "0A-E4-71   (hex)\t\t\n0AE471     (base 16)\t\tACME Corp.\n",
                "0a:e4:71",
                Assignment::Cid,
                None,
            ),
        ] {
            let text = format!("{titles}{block}");
            assert!(is_one(&text), "{text}");
            let parsed = parse(&text).unwrap();
            let row = &parsed.entries[0];
            assert_eq!((row.prefix.to_string().as_str(), row.registry), (prefix, Some(registry)));
            assert_eq!(row.organisation.as_deref().unwrap().replace("  ", " "), "ACME Corp.");
            assert_eq!(row.address.as_deref(), address);
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let good = "00-22-72   (hex)\t\tA\n002272     (base 16)\t\tA\n\n";
        for (bad, problem) in [
            ("00-22   (hex)\t\tA\n", "line 8: has no prefix"),
            ("00-22-73   (hex)\t\tA\n002274     (base 16)\t\tA\n", "line 9: has neither"),
            ("00-22-73   (hex)\t\tA\n100000-2FFFFF     (base 16)\t\tA\n", "line 9: has neither"),
            ("00-22-73   (hex)\t\tA\n008000-107FFF     (base 16)\t\tA\n", "line 9: has neither"),
            ("00-22-73   (hex)\t\tA\n\n", "line 9: the assignment before has no line with (base 16)"),
            ("00-22-73   (hex)\t\tA\n", "the end: the assignment before has no line with (base 16)"),
            ("002273     (base 16)\t\tA\n", "line 8: has no line with (hex)"),
            ("<html>\n", "line 8: belongs to no assignment"),
        ] {
            let said = parse(&format!("{TITLES}{good}{bad}")).err().unwrap();
            assert!(said.starts_with(problem), "{bad}: {said}");
        }
        assert!(!is_one("a letter about (hex)\nand (base 16)\n"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(00-22-7[2-4]|(0022|F2)[0-9F]{2,4}|-| |\t|\\(hex\\)|\\(base 16\\)|\r?\n|\\PC){0,60}") {
            let _ = (is_one(&text), parse(&text));
            let _ = parse(&format!("{TITLES}{text}"));
        }
    }
}
