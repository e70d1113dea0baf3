//! Routes as data: where they are, who may ask, what they take, whether they may keep others waiting. Mounts them on
//! axum's router and keeps their rules before they are asked. Knows no sockets, and of no route what it is about.

use super::{
    Method, Request, Response, StatusCode,
    guard::{Asked, Guard},
    http::{With as _, empty, refusal},
    server::Client,
};
use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    extract,
    http::header,
    middleware::{self, Next},
    routing::any,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::{sync::Arc, time::Instant};
use tokio::time::timeout;

/// The bytes of a body that a route takes unless it says otherwise.
pub const BODY: usize = 64 << 10;

/// What answers at some paths.
pub struct Route<S: 'static> {
    /// The paths, in axum's form: `/a/{b}`.
    pub paths: &'static [&'static str],
    /// What may be done there, a method each.
    pub actions: &'static [Action<S>],
}

/// One method of a route.
pub struct Action<S: 'static> {
    /// The method; GET stands for HEAD too.
    pub method: Method,
    /// Who may.
    pub who: Who,
    /// The bytes of a request's body; what is longer gets 413.
    pub body: usize,
    /// As how many requests it counts for the rate limit.
    pub cost: u32,
    /// How long the answer takes.
    pub work: Work,
    /// Gives the answer.
    pub answer: fn(&S, &Request) -> Response,
}

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody.
    Anyone,
    /// Who has the token for changes.
    Writer,
}

/// How long an answer takes.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// No time worth speaking of.
    Short,
    /// Milliseconds in which other clients would wait, or it waits for a disk: it runs where that stops nobody, and when
    /// it is the client's turn.
    Long,
    /// That depends on the request.
    LongIf(fn(&Request) -> bool),
}

impl<S> Action<S> {
    /// Reading: anybody may, and it takes no time.
    #[must_use]
    pub const fn read(answer: fn(&S, &Request) -> Response) -> Self {
        Self { method: Method::GET, who: Who::Anyone, body: BODY, cost: 1, work: Work::Short, answer }
    }

    /// A change by `method`, for those with the token.
    #[must_use]
    pub const fn change(method: Method, answer: fn(&S, &Request) -> Response) -> Self {
        Self { method, who: Who::Writer, body: BODY, cost: 1, work: Work::Long, answer }
    }

    /// The same, for `who`.
    #[must_use]
    pub const fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    /// The same, taking as long as `work` says.
    #[must_use]
    pub const fn taking(mut self, work: Work) -> Self {
        self.work = work;
        self
    }
}

/// Mounts `routes`, which answer from `state`, behind `guard`. What is at no path of theirs gets 404.
pub fn mount<S: Send + Sync + 'static>(routes: &'static [Route<S>], state: Arc<S>, guard: Guard) -> Router {
    let guard = Arc::new(guard);
    let mut router = Router::new();
    for route in routes {
        for path in route.paths {
            let (state, guard) = (Arc::clone(&state), Arc::clone(&guard));
            let answer = move |request| answer(route, Arc::clone(&state), Arc::clone(&guard), request);
            router = router.route(path, any(answer));
        }
    }
    let nothing = async || refusal(StatusCode::NOT_FOUND, "there is nothing at this path: see /api/v1/openapi.json");
    router.fallback(nothing).layer(middleware::from_fn_with_state(guard, for_all))
}

/// What holds for all paths.
async fn for_all(extract::State(guard): extract::State<Arc<Guard>>, request: extract::Request, next: Next) -> Response {
    let asked = Asked::new(request.headers());
    let answer = match guard.refuse_stranger(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    guard.cors(&asked, answer)
}

async fn answer<S: Send + Sync + 'static>(
    route: &'static Route<S>,
    state: Arc<S>,
    guard: Arc<Guard>,
    request: extract::Request,
) -> Response {
    follow(route, state, &guard, request).await.unwrap_or_else(|refusal| *refusal)
}

/// An answer that ends a request before it is worked on.
type Refusal = Box<Response>;

/// The answer, or the refusal of the first rule that the request breaks.
async fn follow<S: Send + Sync + 'static>(
    route: &'static Route<S>,
    state: Arc<S>,
    guard: &Guard,
    request: extract::Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let Some(client) = head.extensions.get::<Client>() else {
        return Err(refusal(StatusCode::INTERNAL_SERVER_ERROR, "the server does not know who asks").into());
    };
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let method = if head.method == Method::HEAD { Method::GET } else { head.method };
    let action = route.actions.iter().find(|action| action.method == method);
    let cost = action.map_or(1, |action| action.cost);
    refused(guard.refuse_haste(client.peer, cost, Instant::now()))?;
    let mut request =
        Request::new(method, target).map_err(|problem| Refusal::from(refusal(StatusCode::BAD_REQUEST, problem)))?;
    let Some(action) = action else { return Err(no_action(route, &request.method).into()) };
    if action.who == Who::Writer {
        refused(guard.refuse_writer(&head.headers))?;
    }
    (request.headers, request.peer) = (head.headers, client.peer);
    request.body = read(body, action.body, client).await?;
    client.works();
    let long = match action.work {
        Work::Short => false,
        Work::Long => true,
        Work::LongIf(is_long) => is_long(&request),
    };
    if !long {
        return Ok((action.answer)(&state, &request));
    }
    let turn = client.turn().await;
    let work = tokio::task::spawn_blocking(move || {
        // The work goes on if the client leaves, and keeps its turn as long.
        let _turn = turn;
        (action.answer)(&state, &request)
    });
    work.await.map_err(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "the server could not finish this").into())
}

fn refused(response: Option<Response>) -> Result<(), Refusal> {
    response.map_or(Ok(()), |response| Err(response.into()))
}

/// The answer to a method that has no action: what there is.
fn no_action<S>(route: &Route<S>, method: &Method) -> Response {
    let methods = allowed(route.actions.iter().map(|action| action.method.clone()));
    if *method == Method::OPTIONS {
        return empty(StatusCode::NO_CONTENT).with(header::ALLOW, methods);
    }
    let answer = refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("this path knows {methods}"));
    answer.with(header::ALLOW, methods)
}

/// The methods that a path knows, for people and for the header `Allow`.
fn allowed(methods: impl Iterator<Item = Method>) -> String {
    let mut text = String::new();
    for method in methods {
        text += if method == Method::GET { "GET, HEAD" } else { method.as_str() };
        text += ", ";
    }
    text + "OPTIONS"
}

/// Reads a body of `most` bytes at most, within the client's patience.
async fn read(body: Body, most: usize, client: &Client) -> Result<Bytes, Refusal> {
    let closing = |status, message: &str| refusal(status, message).with(header::CONNECTION, "close");
    let too_large = || {
        let message = format!("the body is larger than {most} bytes, which is the most that is taken");
        Refusal::from(closing(StatusCode::PAYLOAD_TOO_LARGE, &message))
    };
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match timeout(client.patience(), Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(refusal(StatusCode::BAD_REQUEST, "the body could not be read").into()),
        Err(_) => Err(closing(StatusCode::REQUEST_TIMEOUT, "the body took too long").into()),
    }
}
