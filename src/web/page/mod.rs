//! The page: what was on the air, and how well that was listened to, for people.
//!
//! * `views`: a file a view; `asking`: a request to one of them, and how its answer goes out.
//! * `view`: what every view is made of, and its template; `table`, `chart`: the two forms of its figures.
//! * `place`: the address of a view, which is its whole state; `span`: the time that it is about.
//! * `figures`, `states`, `text`: what numbers, states and strangers' texts mean and how they are written.
//! * `fresh`: what came and is not in the history yet. `kept`: pages made a moment ago. `assets`: style sheet, script, icon.
//!
//! Knows no sockets, and writes nothing.

mod asking;
pub(super) mod assets;
mod chart;
mod figures;
mod fresh;
mod kept;
mod place;
mod span;
mod states;
mod table;
mod text;
mod view;
mod views;

use super::{
    Request, Response,
    router::{Action, Route, Who, Work},
    routes::oui::OuiApi,
};
use crate::{
    UnixNanos,
    roster::Roster,
    sink::{Recent, history::History},
};
use asking::{Asking, answer};
pub use kept::Kept;
use place::Place;
use std::{path::PathBuf, sync::Arc};

/// What the page answers from.
pub struct Page {
    /// The history's file, if one is kept; it need not be there yet.
    pub history: Option<PathBuf>,
    /// What sensors said last.
    pub roster: Arc<Roster>,
    /// What came a moment ago.
    pub recent: Arc<Recent>,
    /// The vendor registry.
    pub oui: Arc<OuiApi>,
    /// What time it is.
    pub clock: fn() -> UnixNanos,
    /// Pages made a moment ago.
    pub kept: Kept,
    /// The stations that may have a series of their own, by the database that holds the fewest, and its name.
    pub max_series: Option<(u64, String)>,
}

/// The page's routes: for who may see what sensors heard, but for what every page needs.
pub const ROUTES: &[Route<Page>] = &[
    Route { paths: &["/"], actions: &[view(|page, request| answer(page, request, &views::NOW))] },
    Route { paths: &["/history"], actions: &[view(|page, request| answer(page, request, &views::HISTORY))] },
    Route { paths: &["/stations"], actions: &[view(|page, request| answer(page, request, &views::STATIONS))] },
    Route { paths: &["/stations/{address}"], actions: &[view(|page, request| answer(page, request, &views::STATION))] },
    Route { paths: &["/networks"], actions: &[view(|page, request| answer(page, request, &views::NETWORKS))] },
    Route { paths: &["/alerts"], actions: &[view(|page, request| answer(page, request, &views::ALERTS))] },
    Route { paths: &["/sensors"], actions: &[view(|page, request| answer(page, request, &views::SENSORS))] },
    Route { paths: &["/lookup"], actions: &[view(|page, request| answer(page, request, &views::LOOKUP))] },
    Route { paths: &["/assets/{name}"], actions: &[Action::read(asset)] },
];

/// A view: it waits for the disk, and is for viewers.
const fn view(answer: fn(&Page, &Request) -> Response) -> Action<Page> {
    Action::read(answer).by(Who::Viewer).taking(Work::Long)
}

fn asset(_: &Page, request: &Request) -> Response {
    assets::Assets::answer(request)
}

impl Page {
    fn now(&self) -> UnixNanos {
        (self.clock)()
    }

    fn asking<'a>(&'a self, place: Place, item: &'a str, now: UnixNanos) -> Asking<'a> {
        // Now knows what is not in the history yet. It is asked again and again, and is not to make a card write for that.
        if place.path() != "/" {
            self.recent.hurry();
        }
        // No file is no history yet; what is wrong with one that cannot be opened, ingest says in its log.
        let history = self.history.as_deref().and_then(|path| History::open(path).ok());
        Asking { page: self, place, item, now, history, sensors: self.roster.all() }
    }
}
