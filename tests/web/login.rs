//! Logging in and out, with curl as a browser without scripts.

use crate::{
    rig::{PRIVATE, SECRET, Web, body, header, status},
    support::program::{airtally, text},
};
use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

const PASSWORD: &str = "correct horse & battery+staple=ü";

/// Writes the file as a person's script would.
fn make(file: &Path, password: &str) -> std::process::Output {
    let mut command = airtally();
    command.args(["ingest", "password"]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn start(lines: &str) -> (tempfile::TempDir, Web) {
    let dir = crate::support::temp_dir();
    let file = dir.path().join("password");
    let output = make(&file, PASSWORD);
    assert!(output.status.success(), "{}", text(&output));
    let web = Web::start(&format!("password_file = \"{}\"\n{lines}", file.display()));
    (dir, web)
}

fn log_in(web: &Web, password: &str, more: &[&str]) -> String {
    let field = format!("password={password}");
    web.curl(&[&["--data-urlencode", &field, "-d", "next=/api/v1/stations?limit=1", "{}/login"], more].concat())
}

/// What a browser keeps of the answer's cookie.
fn cookie(answer: &str) -> String {
    let set = header(answer, "set-cookie").unwrap_or_else(|| panic!("no cookie: {answer}"));
    format!("cookie: {}", set.split(';').next().unwrap())
}

#[test]
fn who_knows_the_password_sees_and_nobody_else() {
    let (_dir, web) = start("");
    for path in PRIVATE {
        for headers in [&[][..], &["cookie: airtally-session="], &["authorization: Bearer x"]] {
            let answer = web.get(path, headers);
            assert_eq!(status(&answer), 401, "{path} {headers:?}: {answer}");
        }
        let way = web.get(path, &["accept: text/html"]);
        assert_eq!(status(&way), 303, "{path}: {way}");
        assert!(header(&way, "location").unwrap().starts_with("/login?next=%2F"), "{way}");
    }
    let form = web.get("/login?next=%22%3E%3Cscript%3E", &[]);
    assert!(status(&form) == 200 && body(&form).contains("action=\"/login\"") && !form.contains("<script"), "{form}");
    let form = web.get("/login?next=/stations?q=%22%3E%3Cscript%3E", &[]);
    assert!(!form.contains("<script"), "{form}");
    let wrong = log_in(&web, "correct horse", &[]);
    assert!(status(&wrong) == 403 && header(&wrong, "set-cookie").is_none() && wrong.contains("not the password"));
    let right = log_in(&web, PASSWORD, &[]);
    assert_eq!((status(&right), header(&right, "location")), (303, Some("/api/v1/stations?limit=1")), "{right}");
    let set = header(&right, "set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(set.contains(attribute), "{set}");
    }
    let cookie = cookie(&right);
    assert!(web.get("/api/v1/stations", &[&cookie]).contains(SECRET));
    assert_eq!(web.status("/api/v1/stations", &[&cookie, "sec-fetch-site: cross-site", "sec-fetch-mode: cors"]), 403);
    // A session ends for good, and only by a form of this server.
    let other = ["-X", "POST", "-H", "origin: https://evil.example"];
    assert_eq!(status(&web.curl(&[&other[..], &["-H", &cookie, "{}/logout"]].concat())), 403);
    assert_eq!(web.status("/api/v1/stations", &[&cookie]), 200);
    let out = web.curl(&["-X", "POST", "-H", &cookie, "{}/logout"]);
    assert_eq!((status(&out), header(&out, "location")), (303, Some("/login")));
    assert_eq!(web.status("/api/v1/stations", &[&cookie]), 401);
    let log = web.daemon.log();
    assert!(!log.contains(PASSWORD) && !log.contains("correct horse") && log.contains("a wrong password"), "{log}");
}

#[test]
fn forms_come_from_this_server_and_lead_nowhere_else() {
    let (_dir, web) = start("");
    for more in [
        &["-H", "origin: https://evil.example"][..],
        &["-H", "origin: null"],
        &["-H", "sec-fetch-site: cross-site", "-H", "sec-fetch-mode: navigate"],
        &["-H", "sec-fetch-site: same-site"],
    ] {
        let answer = log_in(&web, PASSWORD, more);
        assert!(status(&answer) == 403 && header(&answer, "set-cookie").is_none(), "{more:?}: {answer}");
    }
    let origin = format!("origin: http://{}", web.address);
    for next in ["//evil.example/", "https://evil.example", "/\\evil.example", "/%0d%0aset-cookie: a=b"] {
        let field = format!("password={PASSWORD}");
        let next = format!("next={next}");
        let answer = web.curl(&["-H", &origin, "--data-urlencode", &field, "-d", &next, "{}/login"]);
        assert_eq!((status(&answer), header(&answer, "location")), (303, Some("/")), "{next}: {answer}");
    }
    assert_eq!(web.status("/login", &["host: rebind.example"]), 421);
    for body in ["", "password", "x=%zz", "pass=1"] {
        assert!([400, 403].contains(&status(&web.curl(&["-d", body, "{}/login"]))), "{body}");
    }
}

#[test]
fn guessing_is_slow_for_the_guesser_alone() {
    let (_dir, web) = start("");
    let guesses: Vec<u16> = (0..12).map(|n| status(&log_in(&web, &format!("guess {n}"), &[]))).collect();
    assert_eq!(guesses[..5], [403; 5], "{guesses:?}");
    assert!(guesses.iter().skip(7).all(|status| *status == 429), "{guesses:?}");
    let refused = log_in(&web, PASSWORD, &[]);
    assert!(status(&refused) == 429 && header(&refused, "retry-after").is_some(), "{refused}");
    // The owner comes from another address.
    let right = log_in(&web, PASSWORD, &["--interface", "127.0.0.2"]);
    assert_eq!(status(&right), 303, "{right}");
    let log = web.daemon.log();
    assert_eq!(log.matches("a wrong password").count(), 1, "{log}");
    assert_eq!(log.matches("too many attempts").count(), 1, "{log}");
}

#[test]
fn elsewhere_a_password_opens_the_door_and_a_metrics_token_only_its_own() {
    let (_dir, web) = start("listen = \"0.0.0.0:0\"");
    assert_eq!(web.status("/api/v1/stations", &["host: 192.168.1.5"]), 401);
    let right = log_in(&web, PASSWORD, &[]);
    assert_eq!(web.status("/api/v1/stations", &["host: 192.168.1.5", &cookie(&right)]), 200);
    assert!(web.daemon.log().contains("the password travels in the clear"), "{}", web.daemon.log());
}

#[test]
fn the_file_is_made_with_care() {
    let dir = crate::support::temp_dir();
    let file = dir.path().join("password");
    for (password, words) in [("short", "shorter than 8 characters"), ("", "shorter"), (&*"x".repeat(2_000), "longer")]
    {
        let output = make(&file, password);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(words) && !file.exists(), "{}", text(&output));
    }
    assert!(make(&file, PASSWORD).status.success() && make(&file, "another-password").status.success());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text_of = fs::read_to_string(&file).unwrap();
    assert!(text_of.starts_with("$argon2id$") && !text_of.contains("another"), "{text_of}");
    fs::write(dir.path().join("letter"), "Dear Ada,\n").unwrap();
    let output = make(&dir.path().join("letter"), PASSWORD);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert_eq!(fs::read_to_string(dir.path().join("letter")).unwrap(), "Dear Ada,\n");
}
