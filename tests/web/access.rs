//! Who gets what without logging in, by whatever name and trick.

use crate::{
    rig::{PRIVATE, SECRET, SOON, Web, body, configure, header, run, status, store},
    support::{
        program::{airtally, text},
        temp_dir,
    },
};
use std::{fs, net::TcpListener};

const PUBLIC: [&str; 4] =
    ["/api/v1/oui", "/api/v1/oui/b8:27:eb:01:02:03", "/chilcano/api/manuf/b8:27:eb:01:02:03", "/api/v1/openapi.json"];

#[test]
fn this_machine_asks_by_its_own_names_and_nobody_else_does() {
    let web = Web::start("hosts = [\"pi.example\"]\ncors_origins = [\"*\"]");
    for path in PRIVATE.iter().filter(|path| !path.contains("events")) {
        for host in ["localhost", "127.0.0.1:8780", "[::1]"] {
            assert_eq!(web.status(path, &[&format!("host: {host}")]), 200, "{path} as {host}");
        }
    }
    // By DNS rebinding, through a proxy on this machine, and from another server's page.
    for path in PRIVATE {
        for (headers, expected) in [
            (&["host: rebind.example"][..], 421),
            (&["host: 192.168.1.5"], 421),
            (&["host: pi.example"], 403),
            (&["x-forwarded-for: 203.0.113.9"], 403),
            (&["forwarded: for=203.0.113.9"], 403),
            (&["via: 1.1 proxy"], 403),
            (&["origin: https://evil.example"], 403),
            (&["origin: null"], 403),
            (&["sec-fetch-site: cross-site", "sec-fetch-mode: no-cors", "sec-fetch-dest: image"], 403),
            (&["sec-fetch-site: same-site", "sec-fetch-mode: cors"], 403),
        ] {
            let answer = web.get(path, headers);
            assert_eq!(status(&answer), expected, "{path} with {headers:?}: {answer}");
            assert!(!answer.contains(SECRET) && header(&answer, "access-control-allow-origin").is_none(), "{answer}");
        }
        let old = web.raw(&format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n"));
        assert_eq!(status(&old), 403, "{path}: {old}");
    }
    // A page of an allowed origin reads the registry, and nothing else.
    let answer = web.get(PUBLIC[1], &["origin: https://evil.example", "host: pi.example"]);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("https://evil.example"));
    let preflight = ["-X", "OPTIONS", "-H", "origin: https://evil.example", "-H", "access-control-request-method: GET"];
    let answer = web.curl(&[&preflight[..], &["{}/api/v1/sensors"]].concat());
    assert_eq!(header(&answer, "access-control-allow-origin"), None, "{answer}");
    for path in PUBLIC {
        assert_eq!(web.status(path, &["x-forwarded-for: 203.0.113.9"]), 200, "{path}");
    }
    for name in ["content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-resource-policy"]
    {
        for answer in [web.get("/api/v1/sensors", &[]), web.get("/nothing", &[]), web.get("/", &["host: x.example"])] {
            assert!(header(&answer, name).is_some(), "{name}: {answer}");
        }
    }
    assert!(!web.get("/api/v1/sensors", &[]).contains("'unsafe"));
}

#[test]
fn no_spelling_of_a_path_leads_around_a_rule() {
    let web = Web::start("");
    let strange = ["x-forwarded-for: 203.0.113.9"];
    for path in [
        "//api/v1/stations",
        "/api//v1/stations",
        "/./api/v1/stations",
        "/api/v1/oui/../stations",
        "/api/v1/oui/%2e%2e/stations",
        "/api/v1/oui/..%2fstations",
        "/api/v1/oui%2f..%2fstations",
        "/api/v1/stations/",
        "/api/v1/stations%20",
        "/API/V1/STATIONS",
        "/api/v1/stations;x=1",
        "/api/v1/stations%00",
        "/assets/../../../../etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/stations/..%2f..%2f",
        "/login/../api/v1/stations",
    ] {
        let answer = web.get(path, &strange);
        assert!([400, 403, 404].contains(&status(&answer)), "{path}: {answer}");
        assert!(!answer.contains(SECRET) && !answer.contains("root:"), "{path}: {answer}");
    }
    for request in [
        // Another host in the target than in the header, both ways.
        "GET http://rebind.example/api/v1/stations HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET http://localhost@rebind.example/api/v1/stations HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET /api/v1/stations HTTP/1.1\r\nhost: localhost\r\nhost: rebind.example\r\nconnection: close\r\n\r\n",
        "GET /api/v1/stations HTTP/1.1\r\nhost: localhost.rebind.example\r\nconnection: close\r\n\r\n",
        "GET /api/v1/stations HTTP/1.1\r\nconnection: close\r\n\r\n",
        "* /api/v1/stations HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "CONNECT localhost:22 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET *\r\n\r\n",
        // Two lengths of one body: no second request is read out of it.
        "POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/stations \
         HTTP/1.1\r\nhost: localhost\r\nvia: x\r\nconnection: close\r\n\r\n",
    ] {
        let answer = web.raw(request);
        assert!(!answer.contains(SECRET) && !answer.contains(" 200 "), "{request:?}: {answer}");
    }
    let lines = web.daemon.log().lines().count();
    assert!(lines < 12, "what is refused is not logged each time:\n{}", web.daemon.log());
}

#[test]
fn an_existing_server_on_another_address_opens_nothing() {
    let web = Web::start("listen = \"0.0.0.0:0\"\nhosts = [\"*\"]");
    for path in PRIVATE {
        for headers in [&["host: localhost"][..], &["host: pi.example"], &["cookie: airtally-session=x"]] {
            let answer = web.get(path, headers);
            assert_eq!(status(&answer), 404, "{path}: {answer}");
        }
    }
    for path in ["/login", "/logout", "/metrics"] {
        assert!([404, 405].contains(&web.status(path, &[])), "{path}");
    }
    for path in PUBLIC {
        assert_eq!(web.status(path, &["host: pi.example"]), 200, "{path}");
    }
    assert!(!body(&web.get("/api/v1/openapi.json", &[])).contains("/api/v1/stations"));
    assert_eq!(web.daemon.log().matches("serving the vendor registry alone").count(), 1, "{}", web.daemon.log());
}

#[test]
fn whom_a_trusted_proxy_names_gets_in_and_nobody_else() {
    let web = Web::start("trusted_proxies = [\"127.0.0.1\"]\nhosts = [\"pi.example\"]");
    let path = "/api/v1/stations";
    assert_eq!(web.status(path, &["host: pi.example", "x-forwarded-for: 203.0.113.9", "remote-user: ada"]), 200);
    for headers in [&["host: pi.example"][..], &["host: localhost"], &["remote-user;"], &["x-remote-user: ada"]] {
        assert_eq!(web.status(path, headers), 403, "{headers:?}");
    }
    let far = Web::start("trusted_proxies = [\"10.0.0.0/8\"]");
    assert_eq!(far.status(path, &["remote-user: ada"]), 403, "this machine is no proxy of that network");
}

#[test]
fn a_taken_port_costs_the_page_and_not_ingest() {
    let dir = temp_dir();
    store(dir.path(), &[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    configure(dir.path(), crate::support::free_port(), &format!("listen = \"{address}\""));
    let mut daemon = run(dir.path());
    daemon.await_log("there is no web page for now, and storing goes on", SOON);
    daemon.await_log("storing name", SOON);
    drop(taken);
    daemon.await_log("serving the page", SOON);
    let log = daemon.log();
    assert_eq!(log.matches("there is no web page").count(), 1, "{log}");
    assert!(daemon.stop().success());
}

#[test]
fn without_a_web_server_there_is_none() {
    let dir = temp_dir();
    store(dir.path(), &[]);
    configure(dir.path(), crate::support::free_port(), "enabled = false");
    let mut daemon = run(dir.path());
    daemon.await_log("storing name", SOON);
    assert!(daemon.stop().success());
    assert!(!daemon.log().contains("serving"), "{}", daemon.log());
}

#[test]
fn nonsense_is_refused_with_one_sentence() {
    let dir = temp_dir();
    let file = dir.path().join("ingest.toml");
    for (line, words) in [
        (
            "trusted_proxies = [\"proxy.example\"]",
            "web.trusted_proxies: 'proxy.example' is neither an address nor a network",
        ),
        ("trusted_proxies = [\"0.0.0.0/0\"]", "is everybody"),
        ("trusted_proxies = [\"10.0.0.1/33\"]", "neither an address nor a network"),
        ("proxy_header = \"Remote User\"", "web.proxy_header: 'Remote User' is no header's name"),
        ("hosts = [\"https://pi.example/\"]", "web.hosts: 'https://pi.example/' is no name of a server"),
        ("rate_limit = 0", "web.rate_limit"),
        ("cert_file = \"x\"", "cert_file and key_file go together"),
        ("pasword_file = \"x\"", "password_file"),
    ] {
        configure(dir.path(), 1, line);
        let output = airtally().arg("check").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {}", text(&output));
        assert!(text(&output).contains(words), "{line}: {}", text(&output));
    }
    // What can only be seen when it starts: it does not start, rather than let everybody in.
    fs::write(dir.path().join("plain"), "correct-horse\n").unwrap();
    for (line, words) in [
        ("password_file = \"/nowhere/password\"", "cannot read the secret in /nowhere/password"),
        ("password_file = \"plain\"", "airtally ingest password"),
    ] {
        let line = line.replace("plain", &dir.path().join("plain").display().to_string());
        configure(dir.path(), 1, &line);
        let output = airtally().args(["ingest", "--config"]).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains(words) && !text(&output).contains("correct-horse"), "{}", text(&output));
    }
}
