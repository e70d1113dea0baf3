//! Look-up: whose an address is, and which prefixes an organisation has, from the vendor registry on this machine.

use crate::{
    oui::{Answer, Query, RegistryEntry},
    web::page::{
        asking::{Asking, Maker, Problem},
        table::{Cell, Column, Row, Table},
        text,
        view::{Fact, Field, Level, Section, Text, View},
    },
};

/// The view at `/lookup`.
pub const LOOKUP: Maker = Maker { parameters: &["q"], make };

/// Entries shown at most, as in the registry's own route.
const MOST: usize = 200;

fn make(asking: &Asking<'_>) -> Result<View, Problem> {
    let mut view = asking.view("Look-up");
    view.is_live = false;
    let value = asking.place.get("q").unwrap_or_default().to_owned();
    view.fields = vec![Field {
        label: "Address, prefix or vendor",
        name: "q",
        kind: "search",
        value: value.clone(),
        options: Vec::new(),
    }];
    view.button = "Look up";
    let size = asking.page.oui.read(|registry| registry.len());
    view.headline = format!(
        "{} of the vendor registry on this machine. Nothing is asked of anybody else.",
        text::counted(u64::try_from(size).unwrap_or(0), "entry", "entries")
    );
    if value.is_empty() {
        view.sections.push(Section::Text(Text {
            lines: vec![
                "Type an address (b8:27:eb:12:34:56), a prefix (b8:27:eb) or a part of a vendor's name.".to_owned(),
                "Programs ask the same of /api/v1/oui.".to_owned(),
            ],
            ..Text::default()
        }));
        return Ok(view);
    }
    match value.parse::<Query>() {
        Ok(query) => asking.page.oui.read(|registry| {
            let answer = Answer::new(registry, &value, query);
            (view.headline, view.level) = words(&answer);
            view.facts = facts(&answer);
        }),
        Err(_) if value.chars().count() > 100 => {
            return Err(Problem::Wrong("what is looked up has at most 100 characters".to_owned()));
        }
        Err(_) => {
            let mut table = Table::new(
                "entries",
                "Entries",
                &asking.place,
                vec![
                    Column::text("Prefix", "prefix"),
                    Column::text("Organisation", "organisation"),
                    Column::text("Short name", "short_name"),
                    Column::text("Registry", "registry"),
                    Column::text("Address", "address"),
                ],
            );
            let most = if asking.place.get("format").is_some() { usize::MAX } else { MOST };
            table.rows = asking.page.oui.read(|registry| registry.search(&value).take(most).map(row).collect());
            let found = u64::try_from(table.rows.len()).unwrap_or(0);
            let more = if table.rows.len() >= most { " or more: the CSV has all of them" } else { "" };
            view.headline = match found {
                0 => "No entry has this in a name, and it is no address either.".to_owned(),
                found => format!("{} with this in a name{more}.", text::counted(found, "entry", "entries")),
            };
            if found == 0 {
                view.level = Level::Note;
            }
            view.sections.push(Section::Table(table));
        }
    }
    Ok(view)
}

fn row(entry: RegistryEntry<'_>) -> Row {
    let name = |text: Option<&str>| text.map_or_else(Cell::unknown, Cell::foreign);
    Row {
        cells: vec![
            Cell::text(entry.prefix.to_string()),
            name(entry.organisation),
            name(entry.short_name),
            entry.registry.map_or_else(|| Cell::text("Wireshark's list"), |registry| Cell::text(registry.to_string())),
            name(entry.address),
        ],
        ..Row::default()
    }
}

fn words(answer: &Answer<'_>) -> (String, Level) {
    let named = answer.organisation.map(text::foreign);
    match (&answer.special, named, answer.local) {
        (Some(special), ..) => (format!("This is {}.", text::foreign(special)), Level::Good),
        (None, Some(organisation), _) => (format!("Assigned to {organisation}."), Level::Good),
        (None, None, true) => {
            ("A locally administered address, as phones make up: it says nothing of a maker.".to_owned(), Level::Note)
        }
        (None, None, false) => ("The registry on this machine does not know whose this is.".to_owned(), Level::Note),
    }
}

fn facts(answer: &Answer<'_>) -> Vec<Fact> {
    let fact = |label: &str, value: Option<String>, note: &str| {
        value.map(|value| Fact { label: label.to_owned(), value, note: note.to_owned(), ..Fact::default() })
    };
    let yes = |is: bool| Some(if is { "yes" } else { "no" }.to_owned());
    [
        fact(
            "Organisation",
            answer.organisation.map(text::foreign),
            if answer.private { "asked not to be named" } else { "" },
        ),
        fact("Short name", answer.short_name.map(text::foreign), "Wireshark's"),
        fact("Prefix", answer.prefix.map(|prefix| prefix.to_string()), "the longest that is assigned"),
        fact("Registry", answer.registry.map(|registry| registry.to_string()), "who assigned it"),
        fact("Postal address", answer.address.map(text::foreign), ""),
        fact("Locally administered", yes(answer.local), answer.slap.unwrap_or("bit U/L of the first octet")),
        fact("Group address", yes(answer.multicast), "bit I/G of the first octet"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
