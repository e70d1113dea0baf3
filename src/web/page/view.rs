//! What every view is made of, in the order in which it is read: one line in words, how well was listened, how much there
//! was, what it was, which ones it were. The template writes it and escapes it.

use super::{
    assets::Assets,
    place::Place,
    span::{CHOICES, Span},
    table::Table,
    text::{age, iso, utc},
};
use crate::UnixNanos;
use askama::Template;
use std::time::Duration;

/// A page.
#[derive(Template)]
#[template(path = "view.html")]
pub struct View {
    /// The heading.
    pub title: String,
    /// The heading is a stranger's text.
    pub title_is_foreign: bool,
    /// The line that says it all.
    pub headline: String,
    /// The time that it is of, as an age.
    pub headline_age: Option<UnixNanos>,
    /// How bad that is.
    pub level: Level,
    /// Which views there are.
    pub nav: Vec<Link>,
    /// The time shown, and links to other times.
    pub span: Option<SpanBar>,
    /// Where the filter's form leads.
    pub action: String,
    /// The filter.
    pub fields: Vec<Field>,
    /// What the form keeps of the address.
    pub kept: Vec<(String, String)>,
    /// What the form's button says.
    pub button: &'static str,
    /// The same view without a filter.
    pub clear: Option<String>,
    /// Single figures.
    pub facts: Vec<Fact>,
    /// Charts, tables and texts.
    pub sections: Vec<Section>,
    /// Whether what arrives now changes it.
    pub is_live: bool,
    /// Milliseconds between two fetches of it, at least.
    pub pause: u32,
    /// When it was made.
    pub now: UnixNanos,
    /// This program's version.
    pub version: &'static str,
    /// Style sheet, script, icon.
    pub assets: &'static Assets,
    /// Where a reader who has logged in logs out.
    pub leave: Option<&'static str>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All is well.
    #[default]
    Good,
    /// Something is to be known.
    Note,
    /// Something is wrong.
    Bad,
}

impl Level {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub label: String,
    /// Where it leads.
    pub href: String,
    /// Whether the reader is there.
    pub is_here: bool,
}

/// The time shown, and links to other times.
#[derive(Clone, Debug)]
pub struct SpanBar {
    /// The quick choices.
    pub choices: Vec<Link>,
    /// The time before.
    pub earlier: Option<String>,
    /// The time after.
    pub later: Option<String>,
    /// Whether there is a form for any time.
    pub is_free: bool,
    /// Where the form leads.
    pub action: String,
    /// What the form keeps of the address.
    pub kept: Vec<(String, String)>,
    /// Its start, as the form has it.
    pub from: String,
    /// Its end.
    pub to: String,
}

/// A field of a filter: a text, or a choice.
#[derive(Clone, Debug)]
pub struct Field {
    /// What it is called.
    pub label: &'static str,
    /// Its name in the address.
    pub name: &'static str,
    /// The type of its input.
    pub kind: &'static str,
    /// What it is now.
    pub value: String,
    /// What can be chosen; a text where there is nothing.
    pub options: Vec<Choice>,
}

/// What can be chosen in a field.
#[derive(Clone, Debug)]
pub struct Choice {
    /// As the address has it.
    pub value: String,
    /// For people.
    pub label: String,
}

/// One figure with its exposure and its age.
#[derive(Clone, Debug, Default)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// How much.
    pub value: String,
    /// Of what, from what.
    pub note: String,
    /// The newest that is in it.
    pub age: Option<UnixNanos>,
    /// The list behind it.
    pub href: Option<String>,
}

/// A part of a page.
pub enum Section {
    /// A chart.
    Chart(Drawing),
    /// A table.
    Table(Table),
    /// A few sentences.
    Text(Text),
}

/// A chart with its legend.
pub struct Drawing {
    /// What it shows.
    pub title: String,
    /// The drawing.
    pub svg: String,
    /// What its colours and patterns mean.
    pub legend: Vec<Legend>,
    /// The table that has its figures.
    pub table: &'static str,
}

/// What a colour or a pattern means.
#[derive(Clone, Debug)]
pub struct Legend {
    /// As the style sheet has it.
    pub class: &'static str,
    /// For people.
    pub label: String,
}

/// A few sentences.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// A heading, or none.
    pub heading: String,
    /// Paragraphs.
    pub lines: Vec<String>,
    /// What to type.
    pub code: String,
    /// Where to go on.
    pub links: Vec<Link>,
}

/// The views, in the order in which they stand in the head of each page.
const VIEWS: [(&str, &str); 7] = [
    ("Now", "/"),
    ("History", "/history"),
    ("Stations", "/stations"),
    ("Networks", "/networks"),
    ("Alerts", "/alerts"),
    ("Sensors", "/sensors"),
    ("Look-up", "/lookup"),
];

impl View {
    /// A page that only has a heading yet.
    #[must_use]
    pub fn new(title: &str, place: &Place, now: UnixNanos, assets: &'static Assets) -> Self {
        let path = place.path();
        // Which sensor it is about is kept from view to view.
        let kept: Vec<(&str, &str)> = place.get("sensor").map(|sensor| ("sensor", sensor)).into_iter().collect();
        let nav = VIEWS.iter().map(|(label, view)| Link {
            label: (*label).to_owned(),
            href: if matches!(*view, "/history" | "/stations" | "/networks" | "/alerts") {
                super::place::link(view, &kept)
            } else {
                (*view).to_owned()
            },
            is_here: path == *view || *view != "/" && path.starts_with(&format!("{view}/")),
        });
        Self {
            title: title.to_owned(),
            title_is_foreign: false,
            headline: String::new(),
            headline_age: None,
            level: Level::Good,
            nav: nav.collect(),
            span: None,
            action: path.to_owned(),
            fields: Vec::new(),
            kept: Vec::new(),
            button: "Filter",
            clear: None,
            facts: Vec::new(),
            sections: Vec::new(),
            is_live: true,
            pause: if path == "/" { 4_000 } else { 10_000 },
            now,
            version: env!("CARGO_PKG_VERSION"),
            assets,
            leave: None,
        }
    }

    /// A point in time in UTC, or as an age; a script writes it anew in the reader's zone.
    fn time(&self, time: &UnixNanos, form: &str) -> String {
        let shown = if form == "age" { age(*time, self.now) } else { utc(*time) };
        format!("<time datetime=\"{}\" data-form=\"{form}\">{shown}</time>", iso(*time))
    }

    fn is_number(&self, table: &Table, column: &usize) -> bool {
        table.columns.get(*column).is_some_and(|column| column.is_number)
    }

    /// The table called `id`.
    #[must_use]
    pub fn table(&self, id: &str) -> Option<&Table> {
        self.sections.iter().find_map(|section| match section {
            Section::Table(table) if table.id == id => Some(table),
            _ => None,
        })
    }
}

impl SpanBar {
    /// Links from `place` to other times than `span`.
    #[must_use]
    pub fn new(place: &Place, span: &Span) -> Self {
        let short = |time: UnixNanos| iso(time).get(..16).unwrap_or_default().to_owned();
        let choice = |(index, (name, label, _)): (usize, &(&str, &str, u64))| Link {
            label: label.replace(' ', "\u{a0}"),
            href: place.with(&[("last", Some(name)), ("from", None), ("to", None), ("after", None)]),
            is_here: span.choice == Some(index),
        };
        let kept = place.others(&["last", "from", "to", "after"]);
        // A form has minutes, and the one that the end is in belongs to the time: the newest windows are in it.
        let minute = Duration::from_secs(60);
        let last_minute = span.to.saturating_add(minute - Duration::from_nanos(1)).align_down(minute);
        Self {
            choices: CHOICES.iter().enumerate().map(choice).collect(),
            earlier: span.neighbour(place, false),
            later: span.neighbour(place, true),
            is_free: true,
            action: place.path().to_owned(),
            kept: kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            from: short(span.from),
            to: short(last_minute),
        }
    }
}
