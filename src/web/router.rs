//! Routes as data: where they are, who may ask, what they take, whether they may keep others waiting. Mounts them on
//! axum's router and keeps their rules before they are asked. Knows no sockets, and of no route what it is about.

use super::{
    Method, Request, Response, StatusCode,
    access::Entry,
    guard::{Asked, Guard},
    http::{With as _, empty, refusal},
    live::Endless,
    pack::{packed, takes_gzip},
    server::Client,
};
use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    extract,
    http::{HeaderName, HeaderValue, header},
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
    /// Who may see what sensors heard: [`super::access`] says who that is.
    Viewer,
    /// Who collects metrics: with their own token, or as a viewer.
    Metrics,
    /// Anybody, but through no page of another server: for forms.
    OwnPage,
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

/// Tables of routes, each with what it answers from, behind one guard.
///
/// ```ignore
/// Tables::new(Guard::new(settings, address).with_access(access))
///     .mount(page::ROUTES, Arc::new(page))    // &'static [Route<Page>], Arc<Page>
///     .mount(live::ROUTES, live)
///     .router()
/// ```
pub struct Tables {
    guard: Arc<Guard>,
    router: Router,
}

impl Tables {
    /// Nothing yet, behind `guard`.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self { guard: Arc::new(guard), router: Router::new() }
    }

    /// The same and `routes`, which answer from `state`. No path may be mounted already.
    #[must_use]
    pub fn mount<S: Send + Sync + 'static>(mut self, routes: &'static [Route<S>], state: Arc<S>) -> Self {
        for route in routes {
            for path in route.paths {
                let (state, guard) = (Arc::clone(&state), Arc::clone(&self.guard));
                let answer = move |request| answer(route, Arc::clone(&state), Arc::clone(&guard), request);
                self.router = self.router.route(path, any(answer));
            }
        }
        self
    }

    /// The same and `routes`, whose answers the pages of every server may read, whatever the operator allows else.
    #[must_use]
    pub fn mount_for_all_origins<S: Send + Sync + 'static>(
        mut self,
        routes: &'static [Route<S>],
        state: Arc<S>,
    ) -> Self {
        for route in routes {
            for path in route.paths {
                let (state, guard) = (Arc::clone(&state), Arc::clone(&self.guard));
                let answer = async move |request| {
                    let mut answer = answer(route, Arc::clone(&state), Arc::clone(&guard), request).await;
                    answer.extensions_mut().insert(AllOrigins);
                    answer
                };
                self.router = self.router.route(path, any(answer));
            }
        }
        self
    }

    /// All of them for a server. What is at no path of theirs gets 404.
    pub fn router(self) -> Router {
        let nothing =
            async || refusal(StatusCode::NOT_FOUND, "there is nothing at this path: see /api/v1/openapi.json");
        self.router.fallback(nothing).layer(middleware::from_fn_with_state(self.guard, for_all))
    }
}

/// What every answer says to browsers: to load, embed and run nothing that is not this server's own.
const SECURITY: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The mark of an answer that is for viewers: no web page of another server may read it, whatever is allowed else.
#[derive(Clone, Copy)]
struct Private;

/// The mark of an answer that the pages of every server may read.
#[derive(Clone, Copy)]
struct AllOrigins;

/// What holds for all paths.
async fn for_all(extract::State(guard): extract::State<Arc<Guard>>, request: extract::Request, next: Next) -> Response {
    let asked = Asked::new(request.headers());
    let mut answer = match guard.refuse_stranger(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    for (name, value) in SECURITY {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if answer.extensions().get::<Private>().is_some() {
        answer
    } else if answer.extensions().get::<AllOrigins>().is_some() {
        asked.all_origins(answer)
    } else {
        guard.cors(&asked, answer)
    }
}

async fn answer<S: Send + Sync + 'static>(
    route: &'static Route<S>,
    state: Arc<S>,
    guard: Arc<Guard>,
    request: extract::Request,
) -> Response {
    let is_private = route.actions.iter().any(|action| matches!(action.who, Who::Viewer | Who::Metrics));
    let mut answer = follow(route, state, &guard, request).await.unwrap_or_else(|refusal| *refusal);
    if is_private {
        answer.extensions_mut().insert(Private);
        let keep = HeaderValue::from_static("no-store");
        answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(keep);
    }
    answer
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
    let method = if head.method == Method::HEAD { Method::GET } else { head.method.clone() };
    let action = route.actions.iter().find(|action| action.method == method);
    let cost = action.map_or(1, |action| action.cost);
    refused(guard.refuse_haste(client.peer, cost, Instant::now()))?;
    let mut request =
        Request::new(method, target).map_err(|problem| Refusal::from(refusal(StatusCode::BAD_REQUEST, problem)))?;
    let Some(action) = action else { return Err(no_action(route, &request.method).into()) };
    match action.who {
        Who::Anyone => {}
        Who::Viewer => request.logged_in = guard.access()?.viewer(&head, client.peer)? == Entry::LoggedIn,
        Who::Metrics => guard.access()?.collector(&head, client.peer)?,
        Who::OwnPage => guard.access()?.own_page(&head)?,
        Who::Writer => refused(guard.refuse_writer(&head.headers))?,
    }
    let small = takes_gzip(&head.headers);
    (request.headers, request.peer) = (head.headers, client.peer);
    request.body = read(body, action.body, client).await?;
    client.works();
    let long = match action.work {
        Work::Short => false,
        Work::Long => true,
        Work::LongIf(is_long) => is_long(&request),
    };
    if !long {
        let answer = packed((action.answer)(&state, &request), small);
        if answer.extensions().get::<Endless>().is_some() {
            client.streams();
        }
        return Ok(answer);
    }
    let turn = client.turn().await;
    let work = tokio::task::spawn_blocking(move || {
        // The work goes on if the client leaves, and keeps its turn as long.
        let _turn = turn;
        packed((action.answer)(&state, &request), small)
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
