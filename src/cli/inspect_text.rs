//! How single values of a report are written for people: numbers, channels, times, the names of networks.

use crate::{
    UnixNanos,
    inspect::rows::{self, SsidRow},
    printable::printable,
};

/// Characters of a vendor's name, or of network names, in a table.
const LONGEST_CELL: usize = 28;
/// What a network that does not give its name is called in a table.
const HIDDEN: &str = "(hidden)";

/// A number with its digits in threes.
pub fn group(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole in percent; nothing for none.
pub fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    if part == 0 { String::new() } else { format!("{:.1}%", part as f64 * 100.0 / whole.max(1) as f64) }
}

/// Channel numbers, or frequencies where there is none.
pub fn channel_list(freqs_mhz: &[u16]) -> String {
    let channel =
        |&freq: &u16| rows::channel_number(freq).map_or_else(|| format!("{freq} MHz"), |number| number.to_string());
    and_more(freqs_mhz.iter().map(channel), 6)
}

/// The first few, and how many more there are.
pub fn and_more(items: impl Iterator<Item = String>, few: usize) -> String {
    let items: Vec<String> = items.collect();
    let shown = items.get(..few).unwrap_or(&items).join(", ");
    match items.len().saturating_sub(few) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A network's name for people: [`HIDDEN`] for one that consists of zero octets, which is how some networks hide.
fn network(ssid: &str) -> &str {
    if !ssid.is_empty() && ssid.split("\\x00").all(str::is_empty) { HIDDEN } else { ssid }
}

/// Makes one row, named [`HIDDEN`], of the networks that hide: `nameless` access points, and names of zeros.
pub fn join_hidden(rows: &mut Vec<SsidRow>, nameless: u64) {
    let mut all = SsidRow { ssid: HIDDEN.to_owned(), announced_by: nameless, sought_by: 0 };
    rows.retain(|row| {
        let hides = network(&row.ssid) == HIDDEN && row.ssid != HIDDEN;
        if hides {
            all.announced_by += row.announced_by;
            all.sought_by += row.sought_by;
        }
        !hides
    });
    let uses = |row: &SsidRow| row.announced_by + row.sought_by;
    if uses(&all) > 0 {
        let place = rows.partition_point(|row| uses(row) > uses(&all));
        rows.insert(place, all);
    }
}

/// Network names for people; of one that announced itself and gave none, that it is hidden.
pub fn names(ssids: &[String], announced: bool) -> String {
    if ssids.is_empty() && announced {
        return HIDDEN.to_owned();
    }
    let mut names: Vec<&str> = ssids.iter().map(|ssid| network(ssid)).collect();
    names.dedup();
    names.join(", ")
}

/// The beginning of a text that is too long for a column.
pub fn cut(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() <= LONGEST_CELL {
        return text.into_owned();
    }
    text.chars().take(LONGEST_CELL - 1).chain(['…']).collect()
}

/// A time to the second, like `2026-11-21 03:00:10`.
pub fn second(time: UnixNanos) -> String {
    time.to_string().replacen('T', " ", 1).get(..19).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_readable() {
        assert_eq!(group(0), "0");
        assert_eq!(group(1_234_567), "1,234,567");
        assert_eq!(group(123_456), "123,456");
        assert_eq!(percent(1, 8), "12.5%");
        assert_eq!(channel_list(&[2_412, 2_437, 2_413]), "1, 6, 2413 MHz");
        assert_eq!(cut(&"é".repeat(40)).chars().count(), LONGEST_CELL);
        assert_eq!(cut("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(names(&[], true), HIDDEN);
        assert_eq!(names(&[], false), "");
        assert_eq!(names(&["\\x00".into(), "\\x00\\x00".into(), "a".into()], true), "(hidden), a");
        assert_eq!(names(&["\\x00a".into()], true), "\\x00a");
        assert_eq!(second(UnixNanos::new(1_700_000_000, 5)), "2023-11-14 22:13:20");
    }
}
