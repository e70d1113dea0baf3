//! What may be asked, as data: names, forms and bounds of parameters. Reads them from a query, and refuses what is not one.

use crate::{
    UnixNanos,
    sink::history::{Order, Paging, Range, Scope},
    web::{Request, http::encoded},
    wire::{Address, Role},
};
use std::{str::FromStr, time::Duration};

/// The longest time that one question is about.
pub(super) const LONGEST: Duration = Duration::from_secs(400 * 86_400);
/// The time that a question is about that names none.
const USUAL: Duration = Duration::from_secs(3_600);
/// Rows of a page, at most, and where nothing is said.
pub(super) const MOST_ROWS: usize = 1_000;
const ROWS: usize = 100;
/// Characters of a text, at most.
pub(super) const LONGEST_TEXT: usize = 100;
/// Characters of a cursor, at most: a vendor's name may be in it.
pub(super) const LONGEST_CURSOR: usize = 4_096;
/// Steps that are taken by themselves, in seconds, and how many of them there are at most.
const STEPS: [u64; 7] = [10, 60, 600, 3_600, 21_600, 86_400, 604_800];
const AUTO_STEPS: u64 = 200;

/// One parameter of a query.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Its form.
    pub form: Form,
}

/// What a parameter looks like.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// RFC 3339.
    Time,
    /// A length of time, or `auto`.
    Step,
    /// Any text of so many characters.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number of rows.
    Rows,
    /// An address or a pseudonym; in the path if that is true.
    Address(bool),
    /// The `next` of a page.
    Cursor,
}

const BOOLEAN: Form = Form::Word(&["true", "false"]);
const ROLES: &[&str] = &["access_point", "client", "wired", "ad_hoc", "unknown"];

impl Parameter {
    const fn new(name: &'static str, about: &'static str, form: Form) -> Self {
        Self { name, about, form }
    }

    /// Those of every endpoint.
    pub(super) const USUAL: [Self; 5] = [
        Self::new("from", "Start of the time, inclusive; an hour before 'to' where it is absent.", Form::Time),
        Self::new(
            "to",
            "End of the time, exclusive; now where it is absent. At most 400 days after 'from'.",
            Form::Time,
        ),
        Self::new("site", "The sensors of this site alone.", Form::Text(LONGEST_TEXT)),
        Self::new("sensor", "The sensors of this name alone.", Form::Text(LONGEST_TEXT)),
        Self::new("format", "How to write the rows; else the header Accept decides.", Form::Word(&["json", "csv"])),
    ];
    pub(super) const LIMIT: Self = Self::new("limit", "Rows of a page.", Form::Rows);
    pub(super) const CURSOR: Self = Self::new("cursor", "The 'next' of the page before.", Form::Cursor);
    pub(super) const STEP: Self = Self::new(
        "step",
        "Length of a step, like 10s, 1m, 1h, 1d, or auto. 'from' moves down to a whole step.",
        Form::Step,
    );
    pub(super) const TEXT: Self =
        Self::new("q", "A part of address, vendor or network name, whatever the case.", Form::Text(LONGEST_TEXT));
    pub(super) const VENDOR: Self =
        Self::new("vendor", "A part of the vendor's name, whatever the case.", Form::Text(LONGEST_TEXT));
    pub(super) const ROLE: Self = Self::new("role", "What it was last seen doing.", Form::Word(ROLES));
    pub(super) const RANDOMISED: Self = Self::new("randomised", "Whether its address is randomised.", BOOLEAN);
    pub(super) const TRACKED: Self = Self::new("tracked", "Whether it is tracked.", BOOLEAN);
    pub(super) const BSSID: Self = Self::new("bssid", "The BSS that it was last seen in.", Form::Address(false));
    pub(super) const HEARD_SINCE: Self = Self::new("heard_since", "Heard at this time or later.", Form::Time);
    pub(super) const PROTO: Self =
        Self::new("proto", "The protocol, like tcp, udp, icmp, or its number.", Form::Text(LONGEST_TEXT));
    pub(super) const HOST: Self = Self::new("host", "An IP address at either end.", Form::Text(LONGEST_TEXT));
    pub(super) const KIND: Self = Self::new("kind", "The kind of alert, like deauth_flood.", Form::Text(LONGEST_TEXT));
    pub(super) const SUBJECT: Self =
        Self::new("subject", "Whom an alert is about, as it is printed.", Form::Text(LONGEST_TEXT));
    pub(super) const STATE: Self = Self::new("state", "Whether it goes on.", Form::Word(&["open", "ended", "lost"]));
    pub(super) const ADDRESS: Self = Self::new("address", "Its address or pseudonym.", Form::Address(true));

    /// What the rows are sorted by: one of `words`, each also with `-` in front for the largest first.
    pub(super) const fn sort(words: &'static [&'static str]) -> Self {
        Self::new("sort", "What the rows are sorted by; with '-' in front the largest first.", Form::Word(words))
    }

    /// Refuses a value that is not of the form.
    fn check(&self, value: &str) -> Result<(), String> {
        let is_right = match self.form {
            Form::Time => return value.parse::<UnixNanos>().map(|_| ()).map_err(|problem| self.wrong(&problem)),
            Form::Step => return step(value).map(|_| ()).map_err(|problem| self.wrong(&problem)),
            Form::Text(longest) => !value.is_empty() && value.chars().count() <= longest,
            Form::Word(words) => words.contains(&value),
            Form::Rows => matches!(value.parse(), Ok(1..=MOST_ROWS)),
            Form::Address(_) => value.parse::<Address>().is_ok(),
            Form::Cursor => {
                !value.is_empty() && value.len() <= LONGEST_CURSOR && value.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
        };
        if is_right { Ok(()) } else { Err(self.wrong("")) }
    }

    fn wrong(&self, problem: &str) -> String {
        let name = self.name;
        match self.form {
            Form::Time | Form::Step => format!("'{name}': {problem}"),
            Form::Text(longest) => format!("'{name}' is a text of 1 to {longest} characters"),
            Form::Word(words) => format!("'{name}' is one of {}", words.join(", ")),
            Form::Rows => format!("'{name}' is a number from 1 to {MOST_ROWS}"),
            Form::Address(_) => format!("'{name}' is neither an address like 02:00:00:00:00:01 nor a pseudonym"),
            Form::Cursor => format!("'{name}' is not the 'next' of a page"),
        }
    }
}

/// A step's length; none is one that the time decides.
fn step(text: &str) -> Result<Option<Duration>, String> {
    if text == "auto" {
        return Ok(None);
    }
    let wrong = || "a step is a length of at least 1s, like 10s, 1m, 1h or 1d, or auto".to_owned();
    let short = text.len() <= 16;
    let step = humantime::parse_duration(text).ok().filter(|step| short && *step >= Duration::from_secs(1));
    step.map(Some).ok_or_else(wrong)
}

/// What a request asks.
pub(super) struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// The time.
    pub range: Range,
    /// The sensors.
    pub scope: Scope,
    /// The step, where there is one.
    pub step: Option<Duration>,
    /// Rows as CSV.
    pub is_csv: bool,
}

impl<'a> Asked<'a> {
    /// Reads the query of `request`, in which the usual parameters and the `known` ones may be, at the time `now`.
    ///
    /// # Errors
    /// The first parameter that is not one, or is given twice, or has no meaning.
    pub(super) fn read(request: &'a Request, known: &[Parameter], now: UnixNanos) -> Result<Self, String> {
        for (index, (name, value)) in request.query.iter().enumerate() {
            let shown: String = name.chars().take(64).collect();
            let mut all = Parameter::USUAL.iter().chain(known);
            let parameter = all.find(|known| known.name == name && !matches!(known.form, Form::Address(true)));
            let Some(parameter) = parameter else { return Err(format!("there is no parameter '{shown}' here")) };
            if request.query.iter().take(index).any(|(other, _)| other == name) {
                return Err(format!("'{shown}' is given twice"));
            }
            parameter.check(value)?;
        }
        let mut asked =
            Self { request, range: Range::ALL, scope: Scope::default(), step: None, is_csv: wants_csv(request) };
        let text = |name| asked.get(name).map(str::to_owned);
        let scope = Scope { site: text("site"), sensor: text("sensor") };
        let (range, step) = (asked.time(now)?, asked.get("step").map(step).transpose()?);
        (asked.range, asked.scope) = (range, scope);
        if let Some(step) = step {
            let step = step.unwrap_or_else(|| automatic(range));
            // Coarser sums are of whole minutes and hours.
            asked.range.from = range.from.align_down(step);
            asked.step = Some(step);
        }
        Ok(asked)
    }

    fn time(&self, now: UnixNanos) -> Result<Range, String> {
        let to = self.parsed("to").unwrap_or(now);
        let usual = || {
            let hour = i64::try_from(USUAL.as_nanos()).unwrap_or(i64::MAX);
            UnixNanos(to.0.saturating_sub(hour)).align_down(Duration::from_secs(60))
        };
        let from = self.parsed("from").unwrap_or_else(usual);
        if from >= to {
            return Err("the time ends before it begins: 'to' has to be later than 'from'".to_owned());
        }
        let range = Range { from, to };
        if range.length() > LONGEST {
            return Err(format!("more than {} days are too many for one question", LONGEST.as_secs() / 86_400));
        }
        Ok(range)
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.request.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The same, read; its form was checked.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|value| value.parse().ok())
    }

    /// The role that is asked for.
    pub(super) fn role(&self) -> Option<Role> {
        serde_json::from_value(self.get("role")?.into()).ok()
    }

    /// What the rows are sorted by; `usual` where nothing is said.
    pub(super) fn sort(&self, usual: &'a str) -> (&'a str, Order) {
        let sort = self.get("sort").unwrap_or(usual);
        sort.strip_prefix('-').map_or((sort, Order::Ascending), |sort| (sort, Order::Descending))
    }

    /// Which page.
    pub(super) fn paging(&self) -> Paging {
        Paging { limit: self.parsed("limit").unwrap_or(ROWS), cursor: self.get("cursor").map(str::to_owned) }
    }

    /// The address of the page after this one. It is about the very time of this one.
    pub(super) fn following(&self, next: &str) -> String {
        let mut target = String::new();
        for part in &self.request.path {
            target.push('/');
            target += &encoded(part);
        }
        let (from, to) = (self.range.from.to_string(), self.range.to.to_string());
        let own = [("from", from.as_str()), ("to", to.as_str()), ("cursor", next)];
        let others = self.request.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let others = others.filter(|(name, _)| own.iter().all(|(other, _)| other != name));
        for (number, (name, value)) in others.chain(own).enumerate() {
            target.push(if number == 0 { '?' } else { '&' });
            target += &format!("{}={}", encoded(name), encoded(value));
        }
        target
    }
}

/// A step that makes a time a few hundred steps at most.
fn automatic(range: Range) -> Duration {
    let length = range.length().as_secs();
    let step = STEPS.into_iter().find(|step| length.div_ceil(*step) <= AUTO_STEPS);
    Duration::from_secs(step.unwrap_or(604_800))
}

fn wants_csv(request: &Request) -> bool {
    match request.query.iter().find(|(name, _)| name == "format") {
        Some((_, format)) => format == "csv",
        None => {
            let accepts = request.header(&axum::http::header::ACCEPT).unwrap_or_default();
            accepts.split(',').any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "text/csv"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::Method;

    const NOW: UnixNanos = UnixNanos::new(1_700_000_030, 0); // 2023-11-14T22:13:50Z
    const KNOWN: &[Parameter] =
        &[Parameter::STEP, Parameter::LIMIT, Parameter::CURSOR, Parameter::ROLE, Parameter::sort(&["a", "-a"])];

    fn request(query: &str) -> Request {
        Request::new(Method::GET, &format!("/api/v1/x?{query}")).unwrap()
    }

    fn range(query: &str) -> Result<(String, String), String> {
        let request = request(query);
        let range = Asked::read(&request, KNOWN, NOW)?.range;
        Ok((range.from.to_string(), range.to.to_string()))
    }

    #[test]
    fn the_time_is_half_open_bounded_and_the_last_hour_by_itself() {
        let of = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(range(""), of("2023-11-14T21:13:00.000000000Z", "2023-11-14T22:13:50.000000000Z"));
        assert_eq!(
            range("to=2023-11-14T10:00:00Z"),
            of("2023-11-14T09:00:00.000000000Z", "2023-11-14T10:00:00.000000000Z")
        );
        let exact = "from=2023-11-14T09:00:00.5%2B01:00&to=2023-11-14T10:00:07Z";
        assert_eq!(range(exact), of("2023-11-14T08:00:00.500000000Z", "2023-11-14T10:00:07.000000000Z"));
        assert_eq!(
            range(&format!("{exact}&step=1m")),
            of("2023-11-14T08:00:00.000000000Z", "2023-11-14T10:00:07.000000000Z")
        );
        for wrong in [
            "from=2023-11-14T10:00:00Z&to=2023-11-14T10:00:00Z",
            "from=2022-10-10T10:00:00Z&to=2023-11-14T10:00:01Z",
            "from=yesterday",
            "to=",
            "step=0s",
            "step=1ns",
            "limit=0",
            "limit=1001",
            "limit=1e2",
            "role=boss",
            "sort=b",
            "cursor=xyz",
            "site=",
            "site=a&site=b",
            "format=xml",
            "fron=2023-11-14T10:00:00Z",
        ] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_by_themselves_are_some_hundred() {
        for (hours, expected) in [(1, 60), (24, 600), (24 * 7, 3_600), (24 * 400, 604_800)] {
            let from = UnixNanos(NOW.0 - hours * 3_600_000_000_000);
            assert_eq!(automatic(Range { from, to: NOW }).as_secs(), expected, "{hours} h");
        }
    }

    #[test]
    fn the_next_page_is_of_the_same_time() {
        let request = request("site=a%26b&limit=5");
        let asked = Asked::read(&request, KNOWN, NOW).unwrap();
        assert_eq!(
            asked.following("00ff"),
            "/api/v1/x?site=a%26b&limit=5&from=2023-11-14T21%3A13%3A00.000000000Z&to=2023-11-14T22%3A13%3A50.000000000Z&cursor=00ff"
        );
        assert_eq!(asked.sort("-a"), ("a", Order::Descending));
    }

    #[test]
    fn csv_is_for_who_asks_for_it() {
        let mut request = request("");
        assert!(!wants_csv(&request));
        request.headers.insert("accept", "text/csv;q=0.9, */*".parse().unwrap());
        assert!(wants_csv(&request));
        request.query.push(("format".into(), "json".into()));
        assert!(!wants_csv(&request));
    }
}
