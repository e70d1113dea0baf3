//! One request to the page: what is asked, what there is to answer from, and how the answer goes out: as a page, or as the
//! CSV of one of its tables.

use super::{
    Page,
    assets::Assets,
    place::Place,
    span::{self, Span},
    table,
    view::{Choice, Field, Level, Section, Text, View},
};
use crate::{
    UnixNanos,
    roster::Sensor,
    sink::history::{History, HistoryError, Order, Paging, Range, Scope, query::SensorRow},
    web::{
        Request, Response, StatusCode,
        http::{With as _, of_type},
    },
};
use askama::Template as _;
use axum::{body::Bytes, http::header};
use std::time::{Duration, Instant};

/// What a view is made from.
pub struct Asking<'a> {
    /// The page.
    pub page: &'a Page,
    /// The request's address.
    pub place: Place,
    /// What of the path names a thing.
    pub item: &'a str,
    /// When it was asked.
    pub now: UnixNanos,
    /// The history; none where there is none yet.
    pub history: Option<History>,
    /// What sensors said last.
    pub sensors: Vec<Sensor>,
}

/// Why there is no view.
#[derive(Debug)]
pub enum Problem {
    /// The address is wrong: what, and what would do.
    Wrong(String),
    /// There is no such thing.
    Absent(String),
    /// The history cannot be read.
    Away(String),
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Question(what) => Self::Wrong(what),
            HistoryError::Unreadable(_) => Self::Away(error.to_string()),
        }
    }
}

/// A view: the parameters of its address beside those of every view, and how it is made.
pub struct Maker {
    /// The parameters.
    pub parameters: &'static [&'static str],
    /// Makes it.
    pub make: fn(&Asking<'_>) -> Result<View, Problem>,
}

/// Rows of a table on a page, and of one in CSV.
const ROWS: usize = 100;
const CSV_ROWS: usize = 10_000;

/// The answer to `request` by the view of `maker`.
pub fn answer(page: &Page, request: &Request, maker: &Maker) -> Response {
    // What came, or is stored, makes another page of it.
    let state = (page.recent.state(), *page.roster.changes().borrow(), request.logged_in);
    let asked = format!("{state:?} {:?} {:?}", request.path, request.query);
    if let Some(body) = page.kept.get(&asked, Instant::now()) {
        return html(StatusCode::OK, body);
    }
    let known: Vec<&str> = [maker.parameters, &table::PARAMETERS].concat();
    let now = page.now();
    let place = match Place::new(request, &known) {
        Ok(place) => place,
        Err(what) => return refused(&Place::default(), now, Problem::Wrong(what)),
    };
    let asking = page.asking(place, request.item(), now);
    let made = match asking.place.get("format") {
        None | Some("csv") => (maker.make)(&asking),
        Some(_) => Err(Problem::Wrong("'format' is csv or nothing".to_owned())),
    };
    match made {
        Err(problem) => refused(&asking.place, now, problem),
        Ok(view) if asking.place.get("format").is_some() => csv(&view, &asking.place),
        Ok(view) => {
            let view = View { leave: request.logged_in.then_some("/logout"), ..view };
            let body = rendered(&view);
            page.kept.put(asked, body.clone(), Instant::now());
            html(StatusCode::OK, body)
        }
    }
}

fn rendered(view: &View) -> Bytes {
    // Only writing can fail, and this is memory.
    view.render().unwrap_or_default().into()
}

fn html(status: StatusCode, body: Bytes) -> Response {
    of_type(status, "text/html; charset=utf-8", body).with(header::CACHE_CONTROL, "no-store")
}

fn csv(view: &View, place: &Place) -> Response {
    let wanted = place.get("table").unwrap_or_default();
    let Some(table) = view.table(wanted) else {
        let what = Problem::Absent(format!("this view has no table '{}'", wanted.chars().take(40).collect::<String>()));
        return refused(place, view.now, what);
    };
    let file = format!("attachment; filename=\"airtally-{}.csv\"", table.id);
    of_type(StatusCode::OK, "text/csv; charset=utf-8; header=present", table.to_csv())
        .with(header::CONTENT_DISPOSITION, file)
        .with(header::CACHE_CONTROL, "no-store")
}

fn refused(place: &Place, now: UnixNanos, problem: Problem) -> Response {
    let (status, title, what) = match problem {
        Problem::Wrong(what) => (StatusCode::BAD_REQUEST, "This address asks for what cannot be", what),
        Problem::Absent(what) => (StatusCode::NOT_FOUND, "Not found", what),
        Problem::Away(what) => {
            tracing::warn!("the page cannot be shown: {what}");
            (StatusCode::SERVICE_UNAVAILABLE, "The history cannot be read now", what)
        }
    };
    let mut view = View::new(title, place, now, Assets::ours());
    (view.headline, view.level, view.is_live) = (what, Level::Bad, false);
    html(status, rendered(&view))
}

impl Asking<'_> {
    /// A view with nothing in it yet.
    #[must_use]
    pub fn view(&self, title: &str) -> View {
        View::new(title, &self.place, self.now, Assets::ours())
    }

    /// The time that is asked about; `usual` where nothing is said.
    ///
    /// # Errors
    /// What is wrong with the times.
    pub fn span(&self, usual: &str) -> Result<Span, Problem> {
        Span::read(&self.place, self.now, usual).map_err(Problem::Wrong)
    }

    /// The sensors that are asked about.
    ///
    /// # Errors
    /// When what is given is no site and name.
    pub fn scope(&self) -> Result<Scope, Problem> {
        match self.place.get("sensor") {
            None => Ok(Scope::default()),
            Some(text) => match text.split_once('/') {
                Some((site, "")) => Ok(Scope { site: Some(site.to_owned()), sensor: None }),
                Some((site, sensor)) => Ok(Scope { site: Some(site.to_owned()), sensor: Some(sensor.to_owned()) }),
                None => Err(Problem::Wrong("'sensor' is a site and a name, like home/attic".to_owned())),
            },
        }
    }

    /// The sensors of the scope, for the words of what is withheld.
    #[must_use]
    pub fn within(&self, scope: &Scope) -> Vec<&Sensor> {
        let is_meant = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        let meant = |sensor: &&Sensor| is_meant(&scope.site, &sensor.site) && is_meant(&scope.sensor, &sensor.sensor);
        self.sensors.iter().filter(meant).collect()
    }

    /// A choice among all sensors that are known.
    #[must_use]
    pub fn sensor_field(&self, rows: &[SensorRow]) -> Field {
        let value = self.place.get("sensor").unwrap_or_default().to_owned();
        let mut names: Vec<String> = rows.iter().map(|row| format!("{}/{}", row.site, row.sensor)).collect();
        names.extend(self.sensors.iter().map(|sensor| format!("{}/{}", sensor.site, sensor.sensor)));
        if value.contains('/') {
            names.push(value.clone());
        }
        names.sort();
        names.dedup();
        let choice = |name: String| Choice { label: super::text::foreign(&name), value: name };
        let all = Choice { value: String::new(), label: "all".to_owned() };
        let options = std::iter::once(all).chain(names.into_iter().map(choice)).collect();
        Field { label: "Sensor", name: "sensor", kind: "text", value, options }
    }

    /// Which page of a list.
    #[must_use]
    pub fn paging(&self) -> Paging {
        let limit = if self.place.get("format").is_some() { CSV_ROWS } else { ROWS };
        Paging { limit, cursor: self.place.get("after").map(str::to_owned) }
    }

    /// Where the page after this one is.
    #[must_use]
    pub fn more(&self, next: Option<&str>) -> Option<String> {
        next.map(|next| self.place.with(&[("after", Some(next))]))
    }

    /// What a list is sorted by: one of `words`, of which the first is usual.
    ///
    /// # Errors
    /// When it is another word.
    pub fn sort<T: Copy>(&self, words: &[(&str, T)], usual: (&str, T)) -> Result<(T, Order), Problem> {
        let word = self.place.get("sort").unwrap_or(usual.0);
        let (word, order) = match word.strip_prefix('-') {
            Some(word) => (word, Order::Descending),
            None => (word, Order::Ascending),
        };
        let names = || words.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let found = words.iter().find(|(name, _)| *name == word).map(|(_, sort)| (*sort, order));
        found.ok_or_else(|| {
            Problem::Wrong(format!("'sort' is one of {}, with '-' in front for the largest first", names()))
        })
    }

    /// Whether no sensor was ever heard, as far as is known: `rows` are those with windows in the time asked about.
    #[must_use]
    pub fn is_first_day(&self, rows: &[SensorRow]) -> bool {
        rows.is_empty() && self.sensors.is_empty()
    }

    /// What to do where no sensor was ever heard.
    #[must_use]
    pub fn first_steps(&self) -> Section {
        Section::Text(Text {
            heading: "What to do next".to_owned(),
            lines: vec![
                "No sensor has been heard yet. This page fills by itself when the first window arrives.".to_owned(),
                "On the machine with the WiFi card, have a sensor set up; it asks for the broker that this ingest is \
                 connected to:"
                    .to_owned(),
            ],
            code: "sudo airtally setup --role sensor\nairtally doctor".to_owned(),
            links: Vec::new(),
        })
    }
}

/// A range of `span` that begins at a whole step, so that coarser sums can answer.
#[must_use]
pub fn aligned(span: &Span) -> (Range, Duration) {
    let step = span.step();
    (Range { from: span.from.align_down(step), to: span.to }, step)
}

/// The range of a list: at whole minutes.
#[must_use]
pub fn listed(span: &Span) -> Range {
    Range { from: span.from.align_down(Duration::from_secs(60)), to: span.to }
}

/// The parameters of the time and of the sensor.
pub const USUAL: [&str; 4] = [span::PARAMETERS[0], span::PARAMETERS[1], span::PARAMETERS[2], "sensor"];
