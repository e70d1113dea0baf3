//! Logging in and out: a form that works without a script. Knows nothing of what is behind it.

use super::{
    Method, Request, Response, StatusCode,
    access::Access,
    http::{With as _, empty, escaped, of_type, refusal},
    page::assets::Assets,
    password::Attempt,
    router::{Action, Route, Who, Work},
};
use axum::http::header;
use std::time::Instant;

/// The form, and the way out.
pub const ROUTES: &[Route<Access>] = &[
    Route { paths: &["/login"], actions: &[Action::read(form), Action::change(Method::POST, log_in).by(Who::OwnPage)] },
    Route {
        paths: &["/logout"],
        actions: &[Action::change(Method::POST, log_out).by(Who::OwnPage).taking(Work::Short)],
    },
];

/// Where somebody goes after logging in: a path of this server, and nothing that a browser would read as another's.
fn next(pairs: &[(String, String)]) -> &str {
    let next = pairs.iter().find(|(name, _)| name == "next").map_or("/", |(_, value)| value.as_str());
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= 4_096
        && next.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'\\');
    if is_own { next } else { "/" }
}

fn form(access: &Access, request: &Request) -> Response {
    if access.password().is_none() {
        return refusal(StatusCode::NOT_FOUND, "nobody logs in here: there is no password");
    }
    page(StatusCode::OK, next(&request.query), None)
}

fn log_in(access: &Access, request: &Request) -> Response {
    let Some(password) = access.password() else {
        return refusal(StatusCode::NOT_FOUND, "nobody logs in here: there is no password");
    };
    let pairs = match request.form() {
        Ok(pairs) => pairs,
        Err(problem) => return refusal(StatusCode::BAD_REQUEST, problem),
    };
    let Some((_, given)) = pairs.iter().find(|(name, _)| name == "password") else {
        return refusal(StatusCode::BAD_REQUEST, "the form has no field 'password'");
    };
    let next = next(&pairs);
    match password.attempt(request.peer, given, Instant::now()) {
        Attempt::Right => {
            tracing::info!(client = %request.peer, "logged in");
            empty(StatusCode::SEE_OTHER)
                .with(header::LOCATION, next)
                .with(header::SET_COOKIE, access.begin())
                .with(header::CACHE_CONTROL, "no-store")
        }
        Attempt::Wrong => page(StatusCode::FORBIDDEN, next, Some("This is not the password.")),
        Attempt::TooMany(wait) => {
            let answer = page(StatusCode::TOO_MANY_REQUESTS, next, Some("Too many attempts: wait half a minute."));
            answer.with(header::RETRY_AFTER, (wait.as_secs() + 1).to_string())
        }
    }
}

fn log_out(access: &Access, request: &Request) -> Response {
    empty(StatusCode::SEE_OTHER)
        .with(header::LOCATION, "/login")
        .with(header::SET_COOKIE, access.end(&request.headers))
        .with(header::CACHE_CONTROL, "no-store")
}

fn page(status: StatusCode, next: &str, problem: Option<&str>) -> Response {
    let problem = problem.map_or_else(String::new, |problem| {
        format!("<p class=\"headline bad\" role=\"alert\">{}</p>", escaped(problem))
    });
    let (next, Assets { style, icon, .. }) = (escaped(next), Assets::ours());
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Log in · airtally</title>\n\
         <link rel=\"stylesheet\" href=\"{style}\">\n<link rel=\"icon\" href=\"{icon}\" type=\"image/svg+xml\">\n\
         </head>\n<body>\n<main>\n<h1>Log in</h1>\n{problem}\n<form method=\"post\" action=\"/login\">\n\
         <input type=\"hidden\" name=\"next\" value=\"{next}\">\n\
         <p><label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required autofocus></p>\n\
         <p><button>Log in</button></p>\n</form>\n</main>\n</body>\n</html>\n"
    );
    of_type(status, "text/html; charset=utf-8", text).with(header::CACHE_CONTROL, "no-store")
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn nobody_is_sent_elsewhere() {
        let of = |value: &str| next(&[("next".to_owned(), value.to_owned())]).to_owned();
        assert_eq!(of("/stations?q=%22"), "/stations?q=%22");
        for wrong in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nset-cookie: x", "/a b", "x"]
        {
            assert_eq!(of(wrong), "/", "{wrong:?}");
        }
        assert_eq!(next(&[]), "/");
    }
}
