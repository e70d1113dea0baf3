//! What happens, told at once to everybody who listens: server-sent events (the HTML standard, section 9.2). Bounded in
//! listeners and in what each may be behind; a slow one misses what is old and is told so. Knows not what events are about.

use super::{
    Request, Response, StatusCode,
    http::{With as _, of_type},
    router::{Action, Route, Who},
    seats::Seats,
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, header},
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, broadcast, broadcast::error::RecvError},
    time::{sleep, timeout},
};

/// Listeners at a time; then one of the address that has most gives way to a new one.
const MOST_STREAMS: usize = 128;
/// Events kept for who comes back, and events that one telling has at most.
const KEPT: usize = 256;
/// Tellings that a listener may be behind.
const BEHIND: usize = 8;
/// Events of so long travel together: a thousand sensors make no more packets than ten.
const TOGETHER: Duration = Duration::from_millis(200);
/// A comment goes out where nothing happened for so long, so that both sides know that the other is there.
const SILENCE: Duration = Duration::from_secs(15);
/// The first thing that a listener hears: how many milliseconds to wait before coming back.
const HELLO: &str = "retry: 3000\n\n";
/// Told in place of events that a listener missed: what it knows is old.
const MISSED: Bytes = Bytes::from_static(b"event: missed\ndata: {}\n\n");

/// `GET /events`, for who may see what sensors heard.
pub const ROUTES: &[Route<Live>] =
    &[Route { paths: &["/events"], actions: &[Action::read(Live::listen).by(Who::Viewer)] }];

/// Tells events to listeners.
pub struct Live {
    /// Tells this start of the program from others: numbers begin anew.
    run: String,
    inner: Mutex<Inner>,
    told: broadcast::Sender<Told>,
    new: Notify,
    seats: Arc<Seats>,
}

#[derive(Clone)]
enum Told {
    Events(Bytes),
    /// The server stops.
    End,
}

#[derive(Default)]
struct Inner {
    newest: u64,
    /// The newest that was told.
    told: u64,
    kept: VecDeque<(u64, String)>,
}

impl Default for Live {
    fn default() -> Self {
        let run = uuid::Uuid::new_v4().simple().to_string();
        Self {
            run: run.get(..8).unwrap_or_default().to_owned(),
            inner: Mutex::default(),
            told: broadcast::Sender::new(BEHIND),
            new: Notify::new(),
            seats: Seats::new(MOST_STREAMS, MOST_STREAMS),
        }
    }
}

impl Live {
    /// An event called `name`, a word, happened. It is told within a fifth of a second, if [`Live::run`] runs.
    pub fn tell(&self, name: &str, data: &impl Serialize) {
        // JSON has no line breaks of its own: one line of data.
        let data = serde_json::to_string(data).unwrap_or_default();
        let mut inner = self.lock();
        inner.newest += 1;
        let number = inner.newest;
        inner.kept.push_back((number, format!("id: {}-{number}\nevent: {name}\ndata: {data}\n\n", self.run)));
        if inner.kept.len() > KEPT {
            inner.kept.pop_front();
        }
        drop(inner);
        self.new.notify_one();
    }

    /// Tells what happens, for ever.
    pub async fn run(&self) {
        loop {
            self.new.notified().await;
            sleep(TOGETHER).await;
            let mut inner = self.lock();
            let text = inner.after(inner.told);
            inner.told = inner.newest;
            // Nobody may be listening.
            let _ = self.told.send(Told::Events(text.into()));
        }
    }

    /// Ends all streams.
    pub fn end(&self) {
        let _ = self.told.send(Told::End);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream of events: those after the one that the header Last-Event-ID names, where they are still kept.
    fn listen(&self, request: &Request) -> Response {
        if !request.query.is_empty() {
            return super::http::refusal(StatusCode::BAD_REQUEST, "events take no parameters");
        }
        let inner = self.lock();
        let heard = self.told.subscribe();
        let mut begin = HELLO.as_bytes().to_vec();
        if let Some(last) = request.header(&LAST_EVENT_ID) {
            let last = last.split_once('-').filter(|(run, _)| *run == self.run);
            match last.and_then(|(_, number)| number.parse::<u64>().ok()).filter(|last| inner.has_all_after(*last)) {
                Some(last) => begin.extend_from_slice(inner.up_to_told(last).as_bytes()),
                None => begin.extend_from_slice(&MISSED),
            }
        }
        drop(inner);
        let (seat, leave) = self.seats.take(request.peer, std::time::Instant::now());
        let first = (Some(Bytes::from(begin)), heard, leave, seat);
        let stream = futures_util::stream::unfold(first, async |(begin, mut heard, mut leave, seat)| {
            if let Some(begin) = begin {
                return Some((Ok::<_, Infallible>(begin), (None, heard, leave, seat)));
            }
            let next = tokio::select! {
                next = timeout(SILENCE, heard.recv()) => next,
                _ = &mut leave => return None,
            };
            let text = match next {
                Ok(Ok(Told::Events(text))) => text,
                Ok(Err(RecvError::Lagged(_))) => MISSED,
                Ok(Ok(Told::End) | Err(RecvError::Closed)) => return None,
                Err(_) => Bytes::from_static(b":\n\n"),
            };
            Some((Ok(text), (None, heard, leave, seat)))
        });
        let mut answer = of_type(StatusCode::OK, "text/event-stream", Body::from_stream(stream))
            .with(header::CACHE_CONTROL, "no-store")
            // What comes after it would come on a connection that counts for nobody.
            .with(header::CONNECTION, "close")
            // A proxy that collects answers would keep events back.
            .with(HeaderName::from_static("x-accel-buffering"), "no");
        answer.extensions_mut().insert(Endless);
        answer
    }
}

/// The mark of an answer that does not end by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endless;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Inner {
    /// The texts of the events after `last`.
    fn after(&self, last: u64) -> String {
        self.kept.iter().filter(|(number, _)| *number > last).map(|(_, text)| text.as_str()).collect()
    }

    fn up_to_told(&self, last: u64) -> String {
        let due = self.kept.iter().filter(|(number, _)| *number > last && *number <= self.told);
        due.map(|(_, text)| text.as_str()).collect()
    }

    fn has_all_after(&self, last: u64) -> bool {
        last <= self.newest && self.kept.front().is_none_or(|(oldest, _)| *oldest <= last + 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::Method;
    use http_body_util::BodyExt as _;

    fn listen(live: &Live, last: Option<&str>) -> Body {
        let mut request = Request::new(Method::GET, "/events").unwrap();
        if let Some(last) = last {
            request.headers.insert(LAST_EVENT_ID, last.parse().unwrap());
        }
        live.listen(&request).into_body()
    }

    async fn next(body: &mut Body) -> Option<String> {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    async fn telling(live: &Arc<Live>) -> tokio::task::JoinHandle<()> {
        let live = Arc::clone(live);
        tokio::spawn(async move { live.run().await })
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_together_with_numbers_and_silence_is_broken() {
        let live = Arc::new(Live::default());
        let running = telling(&live).await;
        let mut body = listen(&live, None);
        assert_eq!(next(&mut body).await.unwrap(), HELLO);
        live.tell("window", &serde_json::json!({"seq": 1, "text": "a\nb"}));
        live.tell("gap", &serde_json::json!({}));
        let (run, text) = (live.run.clone(), next(&mut body).await.unwrap());
        assert_eq!(
            text,
            format!(
                "id: {run}-1\nevent: window\ndata: {{\"seq\":1,\"text\":\"a\\nb\"}}\n\nid: {run}-2\nevent: gap\ndata: {{}}\n\n"
            )
        );
        assert_eq!(next(&mut body).await.unwrap(), ":\n\n");
        live.end();
        assert_eq!(next(&mut body).await, None);
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_hears_what_it_missed_or_that_it_did() {
        let live = Arc::new(Live::default());
        let running = telling(&live).await;
        for number in 0..3 {
            live.tell("window", &number);
        }
        sleep(TOGETHER * 2).await;
        let back = async |last: &str| next(&mut listen(&live, Some(last))).await.unwrap();
        let run = live.run.clone();
        assert_eq!(back(&format!("{run}-3")).await, HELLO);
        assert!(
            back(&format!("{run}-1")).await.contains("data: 1\n\nid")
                && !back(&format!("{run}-1")).await.contains("data: 0")
        );
        for other in ["ffffffff-1", "x", &format!("{run}-99"), &format!("{run}-x")] {
            assert!(back(other).await.contains("missed"), "{other}");
        }
        for number in 0..300 {
            live.tell("window", &number);
        }
        assert!(back(&format!("{run}-3")).await.contains("missed"));
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_listener_misses_the_oldest_and_too_many_give_way() {
        let live = Arc::new(Live::default());
        let running = telling(&live).await;
        let mut slow = listen(&live, None);
        assert_eq!(next(&mut slow).await.unwrap(), HELLO);
        for number in 0..20 {
            live.tell("window", &number);
            sleep(TOGETHER * 2).await;
        }
        assert_eq!(next(&mut slow).await.unwrap(), MISSED);
        assert!(next(&mut slow).await.unwrap().contains("data: 12\n"), "the newest eight are there");
        let mut others: Vec<Body> = (0..MOST_STREAMS).map(|_| listen(&live, None)).collect();
        let mut ended = 0;
        while next(&mut slow).await.is_some() {
            ended += 1;
        }
        assert!(ended <= BEHIND, "the oldest gave way");
        assert_eq!(next(others.last_mut().unwrap()).await.unwrap(), HELLO);
        running.abort();
    }
}
