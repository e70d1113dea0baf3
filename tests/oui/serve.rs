//! The registry over HTTP: every status with curl, as docs/api.md shows it; changes under way; TLS; a cache that
//! another process replaces. With `AIRTALLY_WRITE_DOCS=1` the transcripts in docs/api.md are written anew.

use crate::support::{
    program::{Daemon, airtally, run, text},
    temp_dir, wait_for, wait_until,
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

pub const HEADER: &str = "Registry,Assignment,Organization Name,Organization Address\r\n";
const TOKEN: &str = "correct-horse";

/// A server on a small registry of its own.
pub struct Server {
    pub dir: tempfile::TempDir,
    pub daemon: Daemon,
    pub url: String,
}

impl Server {
    pub fn start(extra: &[&str]) -> Self {
        let dir = temp_dir();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("token"), format!("{TOKEN}\n")).unwrap();
        fs::write(
            at("ieee.csv"),
            format!(
                "{HEADER}MA-L,B827EB,Raspberry Pi Foundation,Mitchell Wood House Caldecote GB\r\n\
                 MA-L,70B3D5,IEEE Registration Authority,Piscataway US\r\nMA-S,70B3D5F2F,TELEPLATFORMS,Moscow RU\r\n"
            ),
        )
        .unwrap();
        fs::write(at("manuf"), "B8:27:EB\tRaspberr\tRaspberry Pi Foundation\n").unwrap();
        update(dir.path(), &["ieee.csv", "manuf"]);
        let mut command = airtally();
        let listen: &[&str] = if extra.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        command.args(["oui", "serve", "--db", "oui.sqlite"]).args(listen).args(extra).current_dir(&dir);
        let log = at("log");
        let daemon = Daemon::start("serve", &mut command, &log);
        let url = wait_for("the server listens", Duration::from_secs(20), || {
            daemon.log().lines().find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
        });
        Self { dir, daemon, url }
    }

    /// `curl -si` with `arguments`, where `{}` is the server's address.
    pub fn curl(&self, arguments: &[&str]) -> String {
        let arguments = arguments.iter().map(|argument| argument.replace("{}", &self.url));
        let output = Command::new("curl").args(["-si", "--max-time", "10"]).args(arguments).output().expect("curl");
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap().replace('\r', "")
    }

    pub fn status(&self, arguments: &[&str]) -> u16 {
        status(&self.curl(arguments))
    }
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

pub fn update(dir: &Path, files: &[&str]) -> Output {
    let files = files.iter().map(|file| dir.join(file).to_str().unwrap().to_owned());
    let db = dir.join("oui.sqlite").to_str().unwrap().to_owned();
    let output = run(["oui", "update", "--db", &db, "--from"].map(str::to_owned).into_iter().chain(files));
    assert!(output.status.success(), "{}", text(&output));
    output
}

/// What each transcript shows, the status it must have, and curl's arguments.
const TRANSCRIPTS: &[(&str, u16, &[&str])] = &[
    ("An address", 200, &["{}/api/v1/oui/b8:27:eb:01:02:03"]),
    ("A prefix of 36 bits", 200, &["{}/api/v1/oui/70b3d5f2f"]),
    ("Several at once, in the order asked", 200, &["{}/api/v1/oui?mac=b827.eb01.0203&mac=ff-ff-ff-ff-ff-ff"]),
    ("A search", 200, &["{}/api/v1/oui/search?q=raspberry"]),
    ("Not changed since", 304, &["-H", "If-None-Match: {etag}", "{}/api/v1/oui/b827eb"]),
    ("Malformed", 400, &["{}/api/v1/oui/b8:27:xx"]),
    ("Unknown", 404, &["{}/api/v1/oui/00:00:5f:00:00:01"]),
    ("A method that the path does not know", 405, &["-X", "PATCH", "{}/api/v1/oui"]),
    ("A change without a token", 401, &["-d", r#"{"prefix":"b827eb010203","organisation":"My Pi"}"#, "{}/api/v1/oui"]),
    (
        "A local entry",
        201,
        &["-H", AUTH, "-d", r#"{"prefix":"b8:27:eb:01:02:03","organisation":"My Pi"}"#, "{}/api/v1/oui"],
    ),
    (
        "The same again",
        409,
        &["-H", AUTH, "-d", r#"{"prefix":"b8:27:eb:01:02:03","organisation":"My Pi"}"#, "{}/api/v1/oui"],
    ),
    (
        "Corrected",
        200,
        &["-X", "PUT", "-H", AUTH, "-d", r#"{"prefix":"b827eb010203","organisation":"Door"}"#, "{}/api/v1/oui"],
    ),
    ("It wins over the registry", 200, &["{}/api/v1/oui/b8:27:eb:01:02:03"]),
    ("Taken back", 204, &["-X", "DELETE", "-H", AUTH, "{}/api/v1/oui/b8:27:eb:01:02:03"]),
    ("Taken back again", 404, &["-X", "DELETE", "-H", AUTH, "{}/api/v1/oui/b8:27:eb:01:02:03"]),
    ("A body that is too large", 413, &["-H", AUTH, "--data-binary", "@large", "{}/api/v1/oui"]),
    ("The older form", 200, &["{}/chilcano/api/manuf/b8-27:EB-01-02:03"]),
    ("The older form, malformed", 400, &["{}/chilcano/api/manuf/b827eb010203"]),
    ("The older form, unknown", 404, &["{}/chilcano/api/manuf/00:00:5f:00:00:01"]),
    ("The older form, added", 201, &["-H", AUTH, "-d", MAKER, "{}/chilcano/api/manuf"]),
    ("The older form, added again", 409, &["-H", AUTH, "-d", MAKER, "{}/chilcano/api/manuf"]),
    (
        "The older form, corrected",
        200,
        &[
            "-X",
            "PUT",
            "-H",
            AUTH,
            "-d",
            r#"{"mac":"00:00:5F","manuf":"Sumitomo","manuf_desc":"Sumitomo"}"#,
            "{}/chilcano/api/manuf",
        ],
    ),
];
const MAKER: &str = r#"{"mac":"00:00:5F","manuf":"Sumitomo","manuf_desc":"Sumitomo Electric"}"#;
/// Headers of every answer, which the page shows once.
const EVERYWHERE: [&str; 4] =
    ["content-security-policy: ", "x-content-type-options: ", "referrer-policy: ", "cross-origin-resource-policy: "];
pub const AUTH: &str = "Authorization: Bearer correct-horse";

#[test]
fn every_status_is_as_the_documentation_shows() {
    let server = Server::start(&["--token-file", "token"]);
    fs::write(server.dir.path().join("large"), "x".repeat(100_000)).unwrap();
    let first = server.curl(&["{}/api/v1/oui/b827eb"]);
    let etag = first.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let mut shown = String::new();
    let large = format!("@{}", server.dir.path().join("large").display());
    for (title, expected, arguments) in TRANSCRIPTS {
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("{etag}", etag)).collect();
        let sent: Vec<&str> = arguments.iter().map(|a| if a == "@large" { large.as_str() } else { a }).collect();
        let answer = server.curl(&sent);
        assert_eq!(status(&answer), *expected, "{title}: {answer}");
        assert!(EVERYWHERE.iter().all(|name| answer.contains(&format!("\n{name}"))), "{title}: {answer}");
        let quoted: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        let answer: String = answer
            .lines()
            .filter(|line| !line.starts_with("date: ") && *line != "HTTP/1.1 100 Continue")
            .filter(|line| !EVERYWHERE.iter().any(|name| line.starts_with(name)))
            .fold(String::new(), |text, line| text + line + "\n");
        shown += &format!("{title}:\n\n```console\n$ curl -i {}\n{}\n```\n\n", quoted.join(" "), answer.trim());
    }
    let shown = shown.replace("{}", "http://localhost:8780");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- transcripts -->\n\n", "<!-- end of transcripts -->");
    let (before, rest) = page.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    if std::env::var_os("AIRTALLY_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{shown}{end}{after}")).unwrap();
    } else {
        assert!(
            written == shown,
            "docs/api.md is not what the server answers: run with AIRTALLY_WRITE_DOCS=1\n{shown}"
        );
    }
}

fn quoted(argument: &str) -> String {
    if argument.contains([' ', '"', '&', '?']) { format!("'{argument}'") } else { argument.to_owned() }
}

#[test]
fn without_a_token_file_nothing_can_be_changed() {
    let server = Server::start(&[]);
    let body = r#"{"prefix":"b827eb","organisation":"x"}"#;
    assert_eq!(server.status(&["-H", AUTH, "-d", body, "{}/api/v1/oui"]), 403);
    assert_eq!(server.status(&["-H", AUTH, "-X", "DELETE", "{}/api/v1/oui/b827eb"]), 403);
}

#[test]
fn odd_requests_get_a_clear_answer() {
    let mut server = Server::start(&["--token-file", "token"]);
    let raw = |bytes: &[u8]| exchange(&server, bytes);
    let batch = |count: usize| {
        let query = vec!["mac=b8:27:eb:00:00:00"; count].join("&");
        raw(format!("GET /api/v1/oui?{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes())
    };
    assert_eq!(status(&batch(1_000)), 200);
    let many = batch(2_000);
    assert!(status(&many) == 413 && many.contains("1000 at most"), "{many}");
    assert_eq!(status(&batch(10_000)), 414);
    for path in ["/", "/api", "/api/v2/oui", "/api/v1/oui/b827eb/x", "/%2e%2e/etc/passwd", "//"] {
        assert_eq!(server.status(&["--path-as-is", &format!("{{}}{path}")]), 404, "{path}");
    }
    for path in [
        "/api/v1/oui/",
        "/api/v1/oui/%",
        "/api/v1/oui/%ff",
        "/api/v1/oui?mac=",
        "/api/v1/oui?mca=b827eb",
        "/api/v1/oui/search",
        "/api/v1/oui/search?q=+",
        "/api/v1/oui/search?q=a&limit=0",
        "/api/v1/oui/search?q=a&limit=1001",
    ] {
        assert_eq!(server.status(&[&format!("{{}}{path}")]), 400, "{path}");
    }
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"prefix":"b8","organisation":"x"}"#,
        r#"{"prefix":"b827eb","organisation":" "}"#,
        r#"{"prefix":"b827eb","organisation":"a\u001bb"}"#,
        r#"{"prefix":"b827eb","organisation":"x","y":1}"#,
    ] {
        assert_eq!(server.status(&["-H", AUTH, "-d", body, "{}/api/v1/oui"]), 400, "{body}");
    }
    assert_eq!(server.status(&["-H", "Authorization: Bearer wrong", "-d", "{}", "{}/api/v1/oui"]), 401);
    assert!(server.curl(&["-X", "OPTIONS", "{}/api/v1/oui"]).contains("allow: GET, HEAD, POST, PUT, OPTIONS"));
    // Not HTTP at all, and a head without end.
    for bytes in [&b"\x16\x03\x01\x00\xff\x00\r\n\r\n"[..], &[b'x'; 400_000]] {
        let answer = raw(bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(server.status(&["{}/api/v1/oui/b827eb"]), 200);
    assert!(server.daemon.stop().success());
}

#[test]
fn a_replaced_cache_is_taken_up_and_local_entries_stay() {
    let server = Server::start(&["--token-file", "token"]);
    let body = r#"{"prefix":"70b3d5f2f","organisation":"Ours"}"#;
    assert_eq!(server.status(&["-H", AUTH, "-d", body, "{}/api/v1/oui"]), 201);
    fs::write(server.dir.path().join("ieee.csv"), format!(
        "{HEADER}MA-L,B827EB,Renamed,x\r\nMA-L,70B3D5,IEEE Registration Authority,y\r\nMA-S,70B3D5F2F,TELEPLATFORMS,z\r\n"
    ))
    .unwrap();
    update(server.dir.path(), &["ieee.csv", "manuf"]);
    wait_until("the new cache is in use", Duration::from_secs(10), || {
        server.curl(&["{}/api/v1/oui/b827eb"]).contains("Renamed")
    });
    assert!(server.curl(&["{}/api/v1/oui/70b3d5f2f123"]).contains("\"Ours\""));
    assert!(server.curl(&["{}/api/v1/oui/70b3d5ffffff"]).contains("IEEE Registration Authority"));
    // A damaged one is not: what is loaded stays.
    fs::write(server.dir.path().join("next"), "junk").unwrap();
    fs::rename(server.dir.path().join("next"), server.dir.path().join("oui.sqlite")).unwrap();
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(server.curl(&["{}/api/v1/oui/b827eb"]).contains("Renamed"));
}

#[test]
fn who_asks_too_often_waits() {
    let server = Server::start(&["--rate-limit", "5"]);
    let answers: Vec<String> = (0..30).map(|_| server.curl(&["{}/api/v1/oui/b827eb"])).collect();
    let late = answers.iter().find(|answer| status(answer) == 429).expect("a refusal");
    assert!(late.contains("retry-after: 1"), "{late}");
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(server.status(&["{}/api/v1/oui/b827eb"]), 200);
}

#[test]
fn pages_of_a_named_origin_may_read() {
    let server = Server::start(&["--cors-origin", "https://a.example", "--token-file", "token"]);
    let asked = |origin: &str| server.curl(&["-H", &format!("Origin: {origin}"), "{}/api/v1/oui/b827eb"]);
    assert!(asked("https://a.example").contains("access-control-allow-origin: https://a.example"));
    assert!(!asked("https://b.example").contains("access-control-allow-origin"));
    let preflight = server.curl(&[
        "-X",
        "OPTIONS",
        "-H",
        "Origin: https://a.example",
        "-H",
        "Access-Control-Request-Method: PUT",
        "{}/api/v1/oui",
    ]);
    assert!(
        status(&preflight) == 204 && preflight.contains("access-control-allow-methods: GET, HEAD, POST, PUT, DELETE")
    );
}

#[test]
fn tls_with_given_files() {
    let files = temp_dir();
    crate::certificates::certificates(files.path());
    let at = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start(&["--tls-cert", &at("cert.pem"), "--tls-key", &at("key.pem")]);
    assert!(server.url.starts_with("https://"));
    assert_eq!(server.status(&["--cacert", &at("ca.pem"), "{}/api/v1/oui/b827eb"]), 200);
    let distrusted = Command::new("curl").args(["-s", &server.url]).status().expect("curl");
    assert!(!distrusted.success());
    // The authority's key does not fit the server's certificate.
    let output =
        run(["oui", "serve", "--listen", "127.0.0.1:0", "--tls-cert", &at("cert.pem"), "--tls-key", &at("ca.key")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("do not work together"), "{}", text(&output));
}

/// What the server answers to `bytes`, until it closes.
pub fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.url.split_once("://").unwrap().1).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // What is refused halfway is not read to its end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_server_answers_only_by_its_own_name() {
    let with_host = |server: &Server, host: &str| {
        exchange(server, format!("GET /api/v1/oui/b827eb HTTP/1.1\r\n{host}connection: close\r\n\r\n").as_bytes())
    };
    let server = Server::start(&["--host", "proxy.example", "--cors-origin", "*"]);
    for host in ["localhost", "LOCALHOST:8780", "127.0.0.1", "[::1]:1", "proxy.example"] {
        assert_eq!(status(&with_host(&server, &format!("host: {host}\r\n"))), 200, "{host}");
    }
    let answer = with_host(&server, "host: rebind.example\r\norigin: http://rebind.example\r\n");
    assert_eq!(status(&answer), 421);
    assert!(answer.contains("'rebind.example'") && answer.contains("--host"), "{answer}");
    for host in ["", "host:\r\n", "host: localhost\r\nhost: localhost\r\n", "host: a@localhost\r\n"] {
        assert_eq!(status(&with_host(&server, host)), 400, "{host:?}");
    }
    assert_eq!(status(&exchange(&server, b"GET /api/v1/oui/b827eb HTTP/1.0\r\n\r\n")), 200);
    assert_eq!(
        status(&exchange(&server, b"GET http://x.example/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")),
        421
    );
    // What answers on every address is known by every address, and still by no stranger's name.
    let server = Server::start(&["--listen", "0.0.0.0:0"]);
    let port = server.url.rsplit(':').next().unwrap();
    for (host, expected) in [("192.0.2.7", 200), ("[2001:db8::7]", 200), ("rebind.example", 421)] {
        let to = format!("http://127.0.0.1:{port}/api/v1/oui/b827eb");
        assert_eq!(server.status(&["-H", &format!("Host: {host}"), &to]), expected, "{host}");
    }
}

#[test]
fn every_refusal_is_a_problem_and_the_older_form_keeps_its_own() {
    let server = Server::start(&["--token-file", "token", "--rate-limit", "20"]);
    for arguments in [
        &["{}/nowhere"][..],
        &["{}/api/v1/oui/zz"],
        &["{}/api/v1/oui?mac=zz"],
        &["{}/api/v1/oui/00005f"],
        &["-X", "PATCH", "{}/api/v1/oui"],
        &["-X", "PUT", "{}/chilcano/api/manuf/b8:27:eb:01:02:03"],
        &["-d", "{}", "{}/api/v1/oui"],
        &["-H", AUTH, "-d", "{}", "{}/api/v1/oui"],
        &["-H", "Host: rebind.example", "{}/api/v1/oui"],
        &["-H", "Host: rebind.example", "{}/chilcano/api/manuf/b8:27:eb:01:02:03"],
    ] {
        let answer = server.curl(arguments);
        let (head, body) = answer.split_once("\n\n").unwrap();
        assert!(head.contains("\ncontent-type: application/problem+json"), "{answer}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["status"], status(head));
        assert!(head.lines().next().unwrap().ends_with(body["title"].as_str().unwrap()), "{answer}");
        assert!(!body["detail"].as_str().unwrap().is_empty() && body["detail"] == body["error"], "{answer}");
        assert_eq!(body.as_object().unwrap().len(), 5, "{answer}");
    }
    let older = server.curl(&["{}/chilcano/api/manuf/00:00:5f:00:00:01"]);
    assert!(older.contains("\ncontent-type: application/json\n") && !older.contains("about:blank"), "{older}");
    // All on one connection, so that they come faster than the bound allows on any machine.
    let one = "GET /api/v1/oui/b827eb HTTP/1.1\r\nhost: localhost\r\n";
    let many = format!("{}{one}connection: close\r\n\r\n", format!("{one}\r\n").repeat(300));
    let answers = exchange(&server, many.as_bytes());
    assert!(answers.contains("\"title\":\"Too Many Requests\""), "{answers}");
}

#[test]
fn an_answer_to_a_change_is_about_that_change() {
    let server = Server::start(&["--token-file", "token"]);
    let end = std::time::Instant::now() + Duration::from_secs(4);
    let request = |method: &str, path: &str, body: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{AUTH}\r\n");
        exchange(&server, format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
    };
    std::thread::scope(|scope| {
        for writer in 0..3 {
            scope.spawn(move || {
                for count in 0.. {
                    if std::time::Instant::now() > end {
                        break;
                    }
                    let body = format!(r#"{{"prefix":"02bb00000001","organisation":"{writer}, {count}"}}"#);
                    let answer = request("PUT", "/api/v1/oui", &body);
                    assert!(matches!(status(&answer), 200 | 201), "{answer}");
                    assert!(answer.contains(&format!(r#""organisation":"{writer}, {count}""#)), "{body}: {answer}");
                }
            });
        }
        scope.spawn(move || {
            while std::time::Instant::now() < end {
                let answer = request("DELETE", "/api/v1/oui/02bb00000001", "");
                assert!(matches!(status(&answer), 204 | 404), "{answer}");
            }
        });
    });
}

/// What clients of the older service are written for: its words to the octet, its pages from anywhere, changes by the
/// token alone.
#[test]
fn the_older_form_is_word_for_word() {
    let server = Server::start(&["--token-file", "token"]);
    let body = |answer: String| answer.split_once("\n\n").unwrap().1.to_owned();
    let get = |mac: &str| server.curl(&[&format!("{{}}/chilcano/api/manuf/{mac}")]);
    for (mac, expected, error) in [
        ("00-00:5f-00:00-01", 404, "The MAC Address '00-00:5f-00:00-01' does not exist"),
        ("00-50:Ca-ca-fe-ca-fe", 400, "The MAC Address '00-50:Ca-ca-fe-ca-fe' is malformed"),
        ("b827eb010203", 400, "The MAC Address 'b827eb010203' is malformed"),
        ("b8:27:eb:01:02/40", 400, ""),
        ("b8:27:eb:01:02%2F40", 400, "The MAC Address 'b8:27:eb:01:02/40' is malformed"),
    ] {
        let answer = get(mac);
        if error.is_empty() {
            assert_eq!(status(&answer), 404, "no such path: {answer}");
            continue;
        }
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(answer.contains("\naccess-control-allow-origin: *\n"), "{answer}");
        assert_eq!(body(answer), format!("{{\n  \"error\": \"{error}\"\n}}"));
    }
    let found =
        "{\n  \"mac\": \"B8:27:EB\",\n  \"manuf\": \"Raspberr\",\n  \"manuf_desc\": \"Raspberry Pi Foundation\"\n}";
    assert_eq!(body(get("B8-27-EB-01-02-03")), found);

    // Every answer says that pages from anywhere may read it, a refusal and a preflight too; other routes do not.
    let post = |token: &[&str], method: &str, json: &str| {
        let arguments = [token, &["-X", method, "-d", json, "{}/chilcano/api/manuf"]].concat();
        server.curl(&arguments)
    };
    let maker = r#"{"mac":"02-bb-00","manuf":"Ours","manuf_desc":"Our own"}"#;
    for refused in
        [post(&[], "POST", maker), post(&[], "PUT", maker), post(&["-H", "Authorization: Bearer x"], "PUT", maker)]
    {
        assert_eq!(status(&refused), 401, "{refused}");
        assert!(refused.contains("\naccess-control-allow-origin: *\n"), "{refused}");
    }
    let preflight = ["-X", "OPTIONS", "-H", "Origin: https://old.example", "-H", "Access-Control-Request-Method: PUT"];
    let preflight = server.curl(&[&preflight[..], &["{}/chilcano/api/manuf"]].concat());
    assert!(preflight.contains("\naccess-control-allow-origin: *\n"), "{preflight}");
    assert!(preflight.contains("\naccess-control-allow-methods: GET, HEAD, POST, PUT, DELETE\n"), "{preflight}");
    let other = server.curl(&["-H", "Origin: https://old.example", "{}/api/v1/oui/b827eb"]);
    assert!(!other.contains("access-control-allow-origin"), "{other}");

    let auth = ["-H", AUTH];
    assert_eq!(status(&post(&auth, "PUT", maker)), 404, "nothing to correct");
    assert_eq!(status(&post(&auth, "POST", maker)), 201);
    assert_eq!(status(&post(&auth, "POST", maker)), 409);
    assert_eq!(status(&post(&auth, "PUT", &maker.replace("Our own", "Another"))), 200);
    let now = "{\n  \"mac\": \"02:BB:00\",\n  \"manuf\": \"Ours\",\n  \"manuf_desc\": \"Another\"\n}";
    assert_eq!(body(get("02:bb:00:00:00:01")), now);
    assert_eq!(
        status(&post(&auth, "POST", r#"{"mac":"B8:27:EB","manuf":"x","manuf_desc":"y"}"#)),
        409,
        "the registry's"
    );
    for wrong in
        ["{}", r#"{"mac":"xx","manuf":"x","manuf_desc":"y"}"#, r#"{"mac":"02:cc:00","manuf":" ","manuf_desc":"y"}"#]
    {
        let answer = post(&auth, "POST", wrong);
        assert_eq!(status(&answer), 400, "{answer}");
        assert!(body(answer).starts_with("{\n  \"error\": \""));
    }
}
