//! Tables that fit the terminal they are shown on. Knows nothing of what the values mean.
//!
//! Where standard output is no terminal, all is written, however wide. On a terminal that is too narrow, first the columns
//! that are marked [`Column::cut`] get shorter, and then columns go, the least important first; a line below the table says
//! which, and how to see them.

use crate::printable::printable;
use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write},
    iter::repeat_n,
};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns of a terminal that does not say how many it has.
const USUAL_WIDTH: usize = 80;
/// Spaces between two columns.
const BETWEEN: usize = 2;
/// What a column keeps that is cut, and a line of text.
const LEAST: usize = 12;

/// What is known of where a table is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Screen {
    /// Characters of a line; without a bound where nobody looks.
    width: Option<usize>,
    /// Titles stand out.
    bold: bool,
}

impl Screen {
    /// Standard output. A terminal is as wide as `COLUMNS` says (IEEE 1003.1, 8.3), or else as it says itself.
    pub fn stdout() -> Self {
        if !io::stdout().is_terminal() {
            return Self::default();
        }
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
        let asked = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
        let width = told.or_else(asked).filter(|&width| width > 0).unwrap_or(USUAL_WIDTH);
        Self { width: Some(width), bold: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    /// Writes a text in as many lines as it needs.
    ///
    /// # Errors
    /// What `out` says.
    pub fn paragraph(self, out: &mut impl Write, text: &str) -> io::Result<()> {
        self.fact(out, "", 0, text)
    }

    /// Writes a title and a text, which begins at `indent` and goes on below itself where the line is too short for it.
    ///
    /// # Errors
    /// What `out` says.
    pub fn fact(self, out: &mut impl Write, mut title: &str, indent: usize, text: &str) -> io::Result<()> {
        let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(LEAST));
        let mut line = String::new();
        for word in printable(text).split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > room {
                writeln!(out, "{title:<indent$}{line}")?;
                title = "";
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        writeln!(out, "{title:<indent$}{line}")
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    /// When it goes, where not all fit: the largest number first. 0 stays.
    leaves: u8,
    /// Characters that it keeps at least; all where `None`.
    keeps: Option<usize>,
    number: bool,
}

impl Column {
    /// A column that always stays, of whole texts.
    pub const fn new(title: &'static str) -> Self {
        Self { title, leaves: 0, keeps: None, number: false }
    }

    /// May go: the larger `rank`, the sooner; of equal ones the rightmost.
    pub const fn leaves(self, rank: u8) -> Self {
        Self { leaves: rank, ..self }
    }

    /// Its texts may be cut, to 12 characters.
    pub const fn cut(self) -> Self {
        self.cut_to(LEAST)
    }

    /// Its texts may be cut, to so many characters.
    pub const fn cut_to(self, least: usize) -> Self {
        Self { keeps: Some(least), ..self }
    }

    /// What stands above it.
    #[cfg(feature = "inspect")]
    pub const fn title(self) -> &'static str {
        self.title
    }

    /// Its texts stand to the right, as numbers do.
    pub const fn number(self) -> Self {
        Self { number: true, ..self }
    }
}

/// Writes `rows` below the titles of `columns`; cells are [`printable`].
///
/// # Errors
/// What `out` says.
pub fn write(out: &mut impl Write, screen: Screen, columns: &[Column], rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell).into_owned()).collect()).collect();
    let natural: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width());
            cells.chain([column.title.width()]).max().unwrap_or_default()
        })
        .collect();
    let is_empty = |at: usize| rows.iter().all(|row| row.get(at).is_none_or(String::is_empty));
    let (widths, left_out) = fit(screen.width, columns, &natural, is_empty);
    let mut line = |cells: &[&str], bold: bool| -> io::Result<()> {
        let mut text = String::new();
        for ((cell, column), width) in cells.iter().zip(columns).zip(&widths) {
            let &Some(width) = width else { continue };
            let cell = shortened(cell, width);
            let padding = repeat_n(' ', width.saturating_sub(cell.width()));
            if column.number {
                text.extend(padding);
                text.push_str(&cell);
            } else {
                text.push_str(&cell);
                text.extend(padding);
            }
            text.extend(repeat_n(' ', BETWEEN));
        }
        let text = text.trim_end();
        if bold { writeln!(out, "\x1b[1m{text}\x1b[0m") } else { writeln!(out, "{text}") }
    };
    line(&columns.iter().map(|column| column.title).collect::<Vec<_>>(), screen.bold)?;
    rows.iter().try_for_each(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>(), false))?;
    if left_out.is_empty() {
        return Ok(());
    }
    let titles: Vec<&str> = left_out.iter().filter_map(|&at| columns.get(at)).map(|column| column.title).collect();
    let width = screen.width.unwrap_or_default();
    screen.paragraph(out, &format!("not shown in {width} columns: {}; a pipe shows all (| less -S)", titles.join(", ")))
}

/// The width of each column, `None` for those that go, and the places of those that are missed. A column without any text
/// goes before others, and nobody misses it.
fn fit(
    room: Option<usize>,
    columns: &[Column],
    natural: &[usize],
    is_empty: impl Fn(usize) -> bool,
) -> (Vec<Option<usize>>, Vec<usize>) {
    let mut widths: Vec<Option<usize>> = natural.iter().copied().map(Some).collect();
    let Some(room) = room else { return (widths, Vec::new()) };
    let least = |at: usize, width: usize| {
        let keeps = columns.get(at).and_then(|column| Some(column.keeps?.max(column.title.width())));
        keeps.map_or(width, |keeps| keeps.min(width))
    };
    let needed = |widths: &[Option<usize>]| {
        let kept = widths.iter().enumerate().filter_map(|(at, width)| width.map(|width| least(at, width) + BETWEEN));
        kept.sum::<usize>().saturating_sub(BETWEEN)
    };
    let mut missed = Vec::new();
    while needed(&widths) > room {
        let kept = columns
            .iter()
            .enumerate()
            .filter(|&(at, column)| column.leaves > 0 && widths.get(at).is_some_and(Option::is_some));
        let Some((at, _)) = kept.max_by_key(|&(at, column)| (is_empty(at), column.leaves, at)) else { break };
        if let Some(width) = widths.get_mut(at) {
            *width = None;
        }
        if !is_empty(at) {
            missed.push(at);
        }
    }
    missed.sort_unstable();
    // What is left of the room goes to those that were to be cut, the narrowest first.
    let mut spare = room.saturating_sub(needed(&widths));
    let mut cut: Vec<(usize, usize)> = widths
        .iter()
        .enumerate()
        .filter_map(|(at, width)| width.map(|width| (at, width)))
        .filter(|&(at, width)| least(at, width) < width)
        .collect();
    cut.sort_by_key(|&(at, width)| width - least(at, width));
    let mut others = cut.len();
    for (at, width) in cut {
        let more = (spare / others.max(1)).min(width - least(at, width));
        (spare, others) = (spare - more, others - 1);
        if let Some(place) = widths.get_mut(at) {
            *place = Some(least(at, width) + more);
        }
    }
    (widths, missed)
}

/// The beginning of a text that is wider than its column.
fn shortened(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut room = width.saturating_sub(1);
    let fits = |char: &char| {
        let needs = char.width().unwrap_or_default();
        let fits = needs <= room;
        room = room.saturating_sub(if fits { needs } else { room });
        fits
    };
    let beginning: String = text.chars().take_while(fits).collect();
    Cow::Owned(format!("{}…", beginning.trim_end()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: [Column; 4] = [
        Column::new("NAME").cut(),
        Column::new("FRAMES").number().leaves(1),
        Column::new("VENDOR").cut().leaves(3),
        Column::new("NOTE").leaves(2),
    ];

    fn shown(width: Option<usize>, rows: &[Vec<String>]) -> String {
        let mut out = Vec::new();
        write(&mut out, Screen { width, bold: false }, &COLUMNS, rows).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn row(cells: [&str; 4]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_line_up_and_cannot_steer_the_terminal() {
        let rows = [row(["é", "7", "b\u{1b}[2J", ""]), row(["電波", "1,000", "", "x"])];
        let text = "NAME  FRAMES  VENDOR      NOTE\né          7  b\\u{1b}[2J\n電波   1,000              x\n";
        assert_eq!(shown(None, &rows), text);
    }

    #[test]
    fn texts_get_shorter_before_columns_go_and_those_are_named() {
        let rows = [row(["a network with a long name", "12", "a vendor with a long name", "note"])];
        assert_eq!(
            shown(Some(42), &rows),
            "NAME           FRAMES  VENDOR         NOTE\na network wi…      12  a vendor wit…  note\n"
        );
        assert_eq!(
            shown(Some(30), &rows),
            "NAME              FRAMES  NOTE\na network with…       12  note\n\
             not shown in 30 columns:\nVENDOR; a pipe shows all (|\nless -S)\n"
        );
        let (all, narrow) = (shown(None, &rows), shown(Some(10), &rows));
        assert!(all.lines().all(|line| line.len() > 60), "{all}");
        assert!(narrow.contains("FRAMES,"), "{narrow}");
    }

    #[test]
    fn an_empty_column_goes_first_and_unmissed() {
        let rows = [row(["a", "12", "somebody", ""])];
        assert_eq!(shown(Some(22), &rows), "NAME  FRAMES  VENDOR\na         12  somebody\n");
    }

    #[test]
    fn long_facts_go_on_below_themselves() {
        let mut out = Vec::new();
        Screen { width: Some(32), bold: false }.fact(&mut out, "types", 12, "12 beacons, 7 probe requests").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "types       12 beacons, 7 probe\n            requests\n");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            width in 12_usize..200,
            rows in prop::collection::vec(prop::array::uniform4("[a-z0-9 電é\u{200d}]{0,40}"), 0..4),
        ) {
            let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
            let text = shown(Some(width), &rows);
            for line in text.lines() {
                prop_assert!(line.width() <= width, "{} in {}:\n{}", line.width(), width, text);
            }
            let whole = shown(None, &rows);
            for cell in rows.iter().flatten() {
                prop_assert!(whole.contains(printable(cell).trim_end()));
            }
        }
    }
}
