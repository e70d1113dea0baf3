//! A table as every view has it, on the page and as CSV. Cells hold what is shown and what a program reads.

use super::{
    place::{Place, link},
    text,
};
use crate::UnixNanos;

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in the page's address and in that of its CSV: `stations`.
    pub id: &'static str,
    /// What it is, in a line.
    pub caption: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, a cell for each column.
    pub rows: Vec<Row>,
    /// What is said in its place where it has no rows.
    pub empty: String,
    /// Where its CSV is.
    pub csv: String,
    /// Where its next rows are, if there are more.
    pub more: Option<String>,
    /// It is long, and folded until the reader wants it.
    pub is_folded: bool,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its heading.
    pub label: &'static str,
    /// Its name in the CSV, with the unit.
    pub name: &'static str,
    /// Numbers stand to the right.
    pub is_number: bool,
    /// Times are looked for from the latest on.
    pub is_time: bool,
    /// Where the rows are in the order of this column.
    pub sort: Option<Sort>,
}

/// A link that sorts by a column.
#[derive(Clone, Debug)]
pub struct Sort {
    /// Where it leads.
    pub href: String,
    /// The order in which the rows are now, by this column: `ascending`, `descending`.
    pub now: Option<&'static str>,
}

/// A row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its cells.
    pub cells: Vec<Cell>,
    /// Which step of the chart above it is.
    pub step: Option<usize>,
    /// It is not yet stored, or tells of something that is missing.
    pub is_faint: bool,
}

/// A cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// What is shown.
    pub text: String,
    /// A little more, in small print: an age, an exposure.
    pub note: String,
    /// Where it leads.
    pub href: Option<String>,
    /// It is a point in time, shown in the reader's zone.
    pub time: Option<UnixNanos>,
    /// It is a stranger's text: kept apart from what stands around it.
    pub is_foreign: bool,
    /// When it was so, shown as an age in small print.
    pub age: Option<UnixNanos>,
    /// A bar behind it: how much of the longest, 0 to 100.
    pub bar: Option<u8>,
    /// What the CSV has.
    pub value: String,
}

impl Column {
    /// A column of texts.
    #[must_use]
    pub const fn text(label: &'static str, name: &'static str) -> Self {
        Self { label, name, is_number: false, is_time: false, sort: None }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(label: &'static str, name: &'static str) -> Self {
        Self { label, name, is_number: true, is_time: false, sort: None }
    }

    /// A column of times.
    #[must_use]
    pub const fn time(label: &'static str, name: &'static str) -> Self {
        Self { label, name, is_number: false, is_time: true, sort: None }
    }

    /// The same, sorted by the word `key`: a link to the other order, or to this one's own, the largest first or not.
    #[must_use]
    pub fn sorted_by(mut self, place: &Place, usual: &str, key: &str) -> Self {
        let now = place.get("sort").unwrap_or(usual);
        let (word, descends) = now.strip_prefix('-').map_or((now, false), |word| (word, true));
        let is_this = word == key;
        // Numbers and times are looked for from the largest on, names from the first.
        let descend = if is_this { !descends } else { self.is_number || self.is_time };
        let next = if descend { format!("-{key}") } else { key.to_owned() };
        self.sort = Some(Sort {
            href: place.with(&[("sort", Some(&next)), ("after", None)]),
            now: is_this.then_some(if descends { "descending" } else { "ascending" }),
        });
        self
    }
}

impl Cell {
    /// A text of ours.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { value: text.clone(), text, ..Self::default() }
    }

    /// A stranger's text.
    #[must_use]
    pub fn foreign(text: &str) -> Self {
        Self { value: text.to_owned(), text: text::foreign(text), is_foreign: true, ..Self::default() }
    }

    /// Nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self { text: text::UNKNOWN.to_owned(), ..Self::default() }
    }

    /// A count.
    #[must_use]
    pub fn count(number: u64) -> Self {
        Self { text: text::count(number), value: number.to_string(), ..Self::default() }
    }

    /// A count, where it is known.
    #[must_use]
    pub fn count_of(number: Option<u64>) -> Self {
        number.map_or_else(Self::unknown, Self::count)
    }

    /// How much a second, where it is known.
    #[must_use]
    pub fn rate(per_second: Option<f64>) -> Self {
        per_second.map_or_else(Self::unknown, |rate| Self {
            text: text::rate(rate),
            value: format!("{rate:.3}"),
            ..Self::default()
        })
    }

    /// A part of a whole, where it is known.
    #[must_use]
    pub fn percent(part: Option<f64>, all: f64) -> Self {
        match part.filter(|_| all > 0.0) {
            Some(part) => {
                Self { text: text::percent(part, all), value: format!("{:.2}", part / all * 100.0), ..Self::default() }
            }
            None => Self::unknown(),
        }
    }

    /// A signal in dBm, where it is known.
    #[must_use]
    pub fn dbm(signal: Option<i64>) -> Self {
        signal.map_or_else(Self::unknown, |signal| Self {
            text: text::dbm(signal),
            value: signal.to_string(),
            ..Self::default()
        })
    }

    /// A point in time.
    #[must_use]
    pub fn time(time: UnixNanos) -> Self {
        Self { text: text::utc(time), value: time.to_string(), time: Some(time), ..Self::default() }
    }

    /// The same with a little more in small print.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The same with an age in small print.
    #[must_use]
    pub const fn aged(mut self, time: UnixNanos) -> Self {
        self.age = Some(time);
        self
    }

    /// The same as a link.
    #[must_use]
    pub fn linked(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }

    /// The same with a bar of `part` of the `longest`.
    #[must_use]
    pub fn barred(mut self, part: f64, longest: f64) -> Self {
        if longest > 0.0 {
            self.bar = u8::try_from(text::whole((part / longest * 100.0).round().clamp(0.0, 100.0))).ok();
        }
        self
    }
}

impl Table {
    /// A table with no rows yet, whose CSV is asked for at `place`.
    #[must_use]
    pub fn new(id: &'static str, caption: impl Into<String>, place: &Place, columns: Vec<Column>) -> Self {
        Self {
            id,
            caption: caption.into(),
            columns,
            rows: Vec::new(),
            empty: "Nothing was heard.".to_owned(),
            csv: place.with(&[("format", Some("csv")), ("table", Some(id))]),
            more: None,
            is_folded: false,
        }
    }

    /// Its CSV (RFC 4180), the first line the names of the columns. A spreadsheet takes none of it for a formula.
    #[must_use]
    pub fn to_csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let line = |writer: &mut csv::Writer<Vec<u8>>, cells: Vec<String>| {
            // Writing to memory cannot fail, and all lines have as many cells.
            let _ = writer.write_record(cells);
        };
        line(&mut writer, self.columns.iter().map(|column| column.name.to_owned()).collect());
        for row in &self.rows {
            line(&mut writer, row.cells.iter().map(harmless).collect());
        }
        writer.into_inner().unwrap_or_default()
    }
}

/// The cell's value with characters that act shown by their numbers, and with `'` in front if a spreadsheet would take a
/// stranger's text for a formula.
fn harmless(cell: &Cell) -> String {
    if !cell.is_foreign {
        return cell.value.clone();
    }
    let shown = crate::printable::printable(&cell.value).into_owned();
    if shown.starts_with(['=', '+', '-', '@', '\'']) { format!("'{shown}") } else { shown }
}

/// A table's own page of CSV is asked for by these.
pub const PARAMETERS: [&str; 2] = ["format", "table"];

/// A link to the stations of a sensor, or to another list that takes the same filter.
#[must_use]
pub fn of_sensor(path: &str, site: &str, sensor: &str) -> String {
    link(path, &[("sensor", &format!("{site}/{sensor}"))])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::{Method, Request};

    fn place(target: &str) -> Place {
        Place::new(&Request::new(Method::GET, target).unwrap(), &["sort", "after", "q"]).unwrap()
    }

    #[test]
    fn a_heading_turns_the_order_round_and_begins_with_the_largest() {
        let column = |target: &str| {
            Column::number("Frames", "frames").sorted_by(&place(target), "-heard", "frames").sort.unwrap()
        };
        let other = column("/stations?q=a&after=x");
        assert_eq!((other.href.as_str(), other.now), ("/stations?q=a&sort=-frames", None));
        let down = column("/stations?sort=-frames");
        assert_eq!((down.href.as_str(), down.now), ("/stations?sort=frames", Some("descending")));
        let name = Column::text("Vendor", "vendor").sorted_by(&place("/stations"), "vendor", "vendor").sort.unwrap();
        assert_eq!((name.href.as_str(), name.now), ("/stations?sort=-vendor", Some("ascending")));
    }

    #[test]
    fn csv_has_plain_values_and_no_formula() {
        let mut table = Table::new(
            "stations",
            "Stations",
            &place("/stations"),
            vec![
                Column::text("Name", "ssid"),
                Column::number("Frames", "frames"),
                Column::number("Signal", "signal_dbm"),
            ],
        );
        let cells = vec![Cell::foreign("=1+\u{202e}\",\n"), Cell::count(12_345), Cell::dbm(Some(-71))];
        table.rows.push(Row { cells, ..Row::default() });
        table.rows.push(Row { cells: vec![Cell::foreign("a"), Cell::unknown(), Cell::unknown()], ..Row::default() });
        let csv = String::from_utf8(table.to_csv()).unwrap();
        assert_eq!(csv, "ssid,frames,signal_dbm\n\"'=1+\\u{202e}\"\",\\u{a}\",12345,-71\na,,\n");
        assert_eq!(table.csv, "/stations?format=csv&table=stations");
    }

    #[test]
    fn bars_are_shares_of_the_longest() {
        assert_eq!(Cell::count(5).barred(5.0, 20.0).bar, Some(25));
        assert_eq!(Cell::count(5).barred(5.0, 0.0).bar, None);
    }
}
