//! The history over HTTP: what was on the air, and how well that was listened to, for programs.
//!
//! * `parameters`: what may be asked, as data: names, forms, bounds; reads them from a query.
//! * `lists`, `series`: a function an endpoint; `exposure`: how well was listened.
//! * `answer`: how an answer goes out: as JSON or CSV, in pages, with a mark; and refusals.
//! * `document`: the OpenAPI description, made from the endpoints and from the very types that they answer with.
//!
//! Every endpoint is one entry of `ENDPOINTS`, which the routes and the description are made of.

mod answer;
mod document;
mod exposure;
mod lists;
mod parameters;
mod series;

pub use document::document;

use super::{
    Request, Response,
    router::{Action, Route, Who, Work},
};
use crate::{
    UnixNanos,
    roster::Roster,
    sink::{
        Recent,
        history::{History, query},
    },
};
use answer::{Problem, refused};
use document::{Schemas, item};
use parameters::{Asked, Parameter as P};
use std::{path::PathBuf, sync::Arc};

/// What the API answers from.
pub struct Api {
    /// The history's file; none where no history is kept.
    pub history: Option<PathBuf>,
    /// What sensors said last.
    pub roster: Arc<Roster>,
    /// What came a moment ago.
    pub recent: Arc<Recent>,
    /// What time it is.
    pub clock: fn() -> UnixNanos,
}

/// One thing that can be asked.
pub(super) struct Endpoint {
    /// Where.
    path: &'static str,
    /// Its name among operations.
    id: &'static str,
    /// What it gives.
    about: &'static str,
    /// What may be asked, beside time, place and format.
    parameters: &'static [P],
    /// What its rows are.
    items: &'static [fn(&mut Schemas) -> serde_json::Value],
    /// Whether the answer is one thing, and not a list.
    is_one: bool,
    /// Gives the answer.
    answer: fn(&Api, &Asked<'_>) -> Result<Response, Problem>,
}

const SENSORS: Endpoint = Endpoint {
    path: "/api/v1/sensors",
    id: "sensors",
    about: "How well each sensor listened, what it counted, and what it said last of itself; by site and name.",
    parameters: &[P::LIMIT, P::CURSOR],
    items: &[item::<lists::SensorAnswer>],
    is_one: false,
    answer: lists::sensors,
};

const STATIONS: Endpoint = Endpoint {
    path: "/api/v1/stations",
    id: "stations",
    about: "The stations heard. Over long times those alone that have a history of their own: 'tier' says so.",
    parameters: &[
        P::TEXT,
        P::VENDOR,
        P::ROLE,
        P::RANDOMISED,
        P::TRACKED,
        P::BSSID,
        P::HEARD_SINCE,
        P::sort(lists::STATION_SORTS),
        P::LIMIT,
        P::CURSOR,
    ],
    items: &[item::<query::StationRow>],
    is_one: false,
    answer: lists::stations,
};

const STATION: Endpoint = Endpoint {
    path: "/api/v1/stations/{address}",
    id: "station",
    about: "One station in time; of an access point its clients too.",
    parameters: &[P::ADDRESS, P::STEP],
    items: &[item::<series::StationAnswer>],
    is_one: true,
    answer: series::station,
};

const NETWORKS: Endpoint = Endpoint {
    path: "/api/v1/networks",
    id: "networks",
    about: "The access points heard, by what they announce.",
    parameters: &[P::TEXT, P::sort(lists::NETWORK_SORTS), P::LIMIT, P::CURSOR],
    items: &[item::<query::NetworkRow>],
    is_one: false,
    answer: lists::networks,
};

const VENDORS: Endpoint = Endpoint {
    path: "/api/v1/vendors",
    id: "vendors",
    about: "Whose stations sent how much, that of most frames first.",
    parameters: &[P::LIMIT, P::CURSOR],
    items: &[item::<query::VendorRow>],
    is_one: false,
    answer: lists::vendors,
};

const CHANNELS: Endpoint = Endpoint {
    path: "/api/v1/channels",
    id: "channels",
    about: "How long each frequency was listened to, and what came there; with 'step' in steps too.",
    parameters: &[P::STEP],
    items: &[item::<series::ChannelAnswer>],
    is_one: false,
    answer: series::channels,
};

const WINDOWS: Endpoint = Endpoint {
    path: "/api/v1/windows",
    id: "windows",
    about: "The windows that began in this time, as they came, while they are kept; with 'step' the sums of each step.",
    parameters: &[P::STEP, P::sort(lists::START), P::LIMIT, P::CURSOR],
    items: &[item::<query::WindowRow>, item::<series::StepAnswer>],
    is_one: false,
    answer: series::windows,
};

const GAPS: Endpoint = Endpoint {
    path: "/api/v1/gaps",
    id: "gaps",
    about: "The declared losses that touch this time.",
    parameters: &[P::sort(lists::START), P::LIMIT, P::CURSOR],
    items: &[item::<query::GapRow>],
    is_one: false,
    answer: lists::gaps,
};

const FLOWS: Endpoint = Endpoint {
    path: "/api/v1/flows",
    id: "flows",
    about: "Who spoke with whom, as far as sensors tell flows: all records of a 5-tuple summed, that of most octets first.",
    parameters: &[P::PROTO, P::HOST, P::LIMIT, P::CURSOR],
    items: &[item::<query::FlowRow>],
    is_one: false,
    answer: lists::flows,
};

const ALERTS: Endpoint = Endpoint {
    path: "/api/v1/alerts",
    id: "alerts",
    about: "What looked like an attack in this time, as far as sensors tell alerts; what several sensors of a site saw of the same \
            is one.",
    parameters: &[P::KIND, P::SUBJECT, P::STATE, P::sort(lists::START), P::LIMIT, P::CURSOR],
    items: &[item::<query::AlertRow>],
    is_one: false,
    answer: lists::alerts,
};

const PEOPLE: Endpoint = Endpoint {
    path: "/api/v1/people",
    id: "people",
    about: "How many people were near by each sensor's estimate, which is no count, for each five minutes that began in this time, as \
            far as sensors estimate it. Null with a reason where nobody can tell.",
    parameters: &[P::sort(lists::START), P::LIMIT, P::CURSOR],
    items: &[item::<query::PeopleRow>],
    is_one: false,
    answer: lists::people,
};

const DISTINCT: Endpoint = Endpoint {
    path: "/api/v1/distinct",
    id: "distinct",
    about: "About how many distinct stations each site had, as far as its sensors send sketches; with 'step' in steps. More than \
            one UTC day is not told: sketches of two days cannot be merged.",
    parameters: &[P::STEP],
    items: &[item::<query::DistinctRow>],
    is_one: false,
    answer: lists::distinct,
};

/// All of them.
const ENDPOINTS: [&Endpoint; 12] = [
    &SENSORS, &STATIONS, &STATION, &NETWORKS, &VENDORS, &CHANNELS, &WINDOWS, &GAPS, &FLOWS, &ALERTS, &PEOPLE, &DISTINCT,
];

macro_rules! routes {
    ($($endpoint:ident),*) => {
        &[$(Route {
            paths: &[$endpoint.path],
            actions: &[Action::read(|api, request| answer(api, request, &$endpoint)).by(Who::Viewer).taking(Work::Long)],
        }),*]
    };
}

/// The API's routes, for who may see what sensors heard.
pub const ROUTES: &[Route<Api>] =
    routes!(SENSORS, STATIONS, STATION, NETWORKS, VENDORS, CHANNELS, WINDOWS, GAPS, FLOWS, ALERTS, PEOPLE, DISTINCT);

fn answer(api: &Api, request: &Request, endpoint: &Endpoint) -> Response {
    let asked = Asked::read(request, endpoint.parameters, (api.clock)()).map_err(Problem::Wrong);
    asked.and_then(|asked| (endpoint.answer)(api, &asked)).unwrap_or_else(|problem| refused(&problem))
}

impl Api {
    fn open(&self) -> Result<History, Problem> {
        let Some(path) = &self.history else {
            return Err(Problem::Away("this ingest keeps no history: add a [sqlite] table".to_owned()));
        };
        self.recent.hurry();
        History::open(path).map_err(|error| Problem::Away(error.to_string()))
    }
}
