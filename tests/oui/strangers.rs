//! Files that are not ours, and secrets in addresses: what no command may change, store or show.

use crate::support::{
    program::{Daemon, airtally, run, text},
    temp_dir, wait_for,
};
use airtally::{
    UnixNanos,
    oui::{
        Assignment,
        store::{RegistryRow, cache},
    },
};
use rusqlite::Connection;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

const MANUF: &str = "00:00:0C\tCisco\tCisco Systems\n";

/// Every name below `folder`, with kind, mode, octets and what a link leads to.
fn listing(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>, Option<PathBuf>)> {
    let mut all = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let octets = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        all.push((path.clone(), metadata.mode(), octets, fs::read_link(&path).ok()));
        if metadata.is_dir() {
            all.extend(listing(&path));
        }
    }
    all
}

/// Runs a daemon that must not start; one that does is ended after a while.
fn stubborn(arguments: &[&str]) -> Output {
    Command::new("timeout").arg("20").arg(airtally().get_program()).args(arguments).output().unwrap()
}

fn sqlite(path: &Path, sql: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

/// Everything that somebody may name by mistake, each in a folder of its own.
fn strangers(folder: &Path) -> Vec<PathBuf> {
    let at = |kind: &str| {
        let home = folder.join(kind);
        fs::create_dir(&home).unwrap();
        home.join("data")
    };
    let toml = at("toml");
    fs::write(&toml, include_str!("../../config/sensor.toml")).unwrap();
    let plain = at("sqlite");
    drop(sqlite(&plain, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)"));
    // In use: a write-ahead log beside it, and what it says is in there alone.
    let wal = at("sqlite-wal");
    let live = sqlite(&wal, "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)");
    let killed = at("killed");
    for tail in ["", "-wal"] {
        fs::copy(format!("{}{tail}", wal.display()), format!("{}{tail}", killed.display())).unwrap();
    }
    drop(live);
    let marked = at("marked");
    drop(sqlite(&marked, "PRAGMA application_id = 7; PRAGMA user_version = 1; CREATE TABLE theirs (x)"));
    let history = at("history");
    let config = airtally::config::Sqlite { path: history.clone(), ..Default::default() };
    drop(airtally::sink::Sqlite::open(&config).unwrap());
    let directory = at("directory");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("file"), "theirs").unwrap();
    let pipe = at("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = at("link");
    fs::write(link.with_file_name("target"), "theirs").unwrap();
    symlink("target", &link).unwrap();
    let cut = at("cut");
    fs::write(&cut, &fs::read(&plain).unwrap()[..60]).unwrap();
    vec![toml, plain, wal, killed, marked, history, directory, pipe, link, cut]
}

#[test]
fn no_command_touches_a_file_that_is_no_cache() {
    let dir = temp_dir();
    let good = dir.path().join("good");
    fs::write(&good, MANUF).unwrap();
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    for path in strangers(&home) {
        let before = listing(&home);
        let (db, from) = (path.to_str().unwrap(), good.to_str().unwrap());
        let calls: [&[&str]; 7] = [
            &["oui", "lookup", "b827eb", "--db", db],
            &["oui", "search", "cisco", "--db", db],
            &["oui", "update", "--db", db, "--from", from],
            &["oui", "export", "--format", "csv", "--db", db],
            &["oui", "info", "--db", db],
            &["oui", "serve", "--listen", "127.0.0.1:0", "--db", db],
            &["inspect", "--oui", db, from],
        ];
        for call in calls {
            let output = stubborn(call);
            assert_eq!(output.status.code(), Some(2), "{call:?}: {}", text(&output));
            let said = text(&output);
            assert!(said.contains(db) && said.contains("left as it is") && said.lines().count() == 1, "{said}");
            assert!(listing(&home) == before, "{call:?} changed something");
        }
    }
}

#[test]
fn a_history_is_neither_made_nor_read_in_a_strangers_file() {
    let dir = temp_dir();
    for path in strangers(dir.path()) {
        if path.parent().unwrap().ends_with("history") {
            continue;
        }
        let before = listing(dir.path());
        let config = dir.path().with_extension("toml");
        let state = dir.path().with_extension("state");
        let toml = format!("[sqlite]\npath = '{}'\n[spool]\nstate_dir = '{}'\n", path.display(), state.display());
        fs::write(&config, toml).unwrap();
        let calls: [&[&str]; 3] = [
            &["history", "--db", path.to_str().unwrap()],
            &["ingest", "--config", config.to_str().unwrap()],
            &["ingest", "redrive", "--config", config.to_str().unwrap()],
        ];
        for call in calls {
            let output = stubborn(call);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(2), "{call:?}: {said}");
            assert!(said.contains(path.to_str().unwrap()) && said.contains("left as it is"), "{said}");
            assert!(listing(dir.path()) == before, "{call:?} changed something");
        }
        fs::remove_file(config).unwrap();
        let _ = fs::remove_dir_all(state);
    }
}

/// The names of the spool's and the dead letters' files are fixed; the directory is not.
#[test]
fn files_of_a_state_directory_that_are_not_ours_are_refused() {
    let source = temp_dir();
    for path in strangers(source.path()) {
        for name in ["spool.sqlite", "dead-letters.sqlite"] {
            let dir = temp_dir();
            let state = dir.path().join("state");
            fs::create_dir(&state).unwrap();
            assert!(Command::new("cp").arg("-a").arg(&path).arg(state.join(name)).status().unwrap().success());
            let log = path.with_file_name("data-wal");
            if log.exists() {
                fs::copy(log, state.join(format!("{name}-wal"))).unwrap();
            }
            if path.parent().unwrap().ends_with("link") {
                fs::write(state.join("target"), "theirs").unwrap();
            }
            let theirs = |listing: Vec<(PathBuf, u32, Vec<u8>, Option<PathBuf>)>| {
                let ours = |path: &Path| {
                    let file = path.file_name().unwrap().to_str().unwrap();
                    name == "dead-letters.sqlite" && (file.starts_with("spool.") || file == "history.sqlite")
                };
                listing.into_iter().filter(|(path, ..)| !ours(path)).collect::<Vec<_>>()
            };
            let before = theirs(listing(&state));
            let config = dir.path().join("ingest.toml");
            let (history, shown) = (dir.path().join("history.sqlite"), state.display());
            fs::write(&config, format!("[sqlite]\npath = '{}'\n[spool]\nstate_dir = '{shown}'\n", history.display()))
                .unwrap();
            let output = stubborn(&["ingest", "--config", config.to_str().unwrap()]);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(2), "{name} in the place of {}: {said}", path.display());
            assert!(said.contains(name) && said.contains("left as it is"), "{said}");
            assert!(theirs(listing(&state)) == before, "{name} in the place of {}", path.display());
        }
    }
}

#[test]
fn the_state_of_a_watched_directory_is_not_written_over_somebody_elses_file() {
    let dir = temp_dir();
    let captures = dir.path().join("captures");
    fs::create_dir(&captures).unwrap();
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    for path in strangers(&home) {
        let before = listing(dir.path());
        let output = stubborn(&["inspect", "--watch", captures.to_str().unwrap(), "--state", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("left as it is"), "{}", text(&output));
        assert!(listing(dir.path()) == before, "{}", path.display());
    }
}

#[test]
fn names_beside_the_cache_that_are_taken_stay_so() {
    let dir = temp_dir();
    let (db, good) = (dir.path().join("oui.sqlite"), dir.path().join("good"));
    fs::write(&good, MANUF).unwrap();
    let update = || run(["oui", "--db", db.to_str().unwrap(), "update", "--from", good.to_str().unwrap()]);
    assert!(update().status.success());
    for name in ["oui.sqlite.new", "oui.sqlite.corrupt"] {
        fs::write(dir.path().join(name), "theirs").unwrap();
        let whole = fs::read(&db).unwrap();
        fs::write(&db, &whole[..whole.len() / 2]).unwrap();
        let output = update();
        assert_eq!(output.status.success(), name.ends_with("corrupt"), "{}", text(&output));
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"theirs");
        fs::write(&db, &whole).unwrap();
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    // What a killed update of an earlier version left is in nobody's way.
    fs::write(dir.path().join("oui.sqlite.new"), [vec![0; 4096], vec![7; 4096]].concat()).unwrap();
    assert!(update().status.success());
    // A symbolic link to a cache stays one, and so does one to a place where there is none yet.
    for target in ["oui.sqlite", "fresh.sqlite"] {
        let link = dir.path().join("link");
        symlink(target, &link).unwrap();
        let output = run(["oui", "--db", link.to_str().unwrap(), "update", "--from", good.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        assert!(cache::info(&dir.path().join(target)).is_ok());
        fs::remove_file(link).unwrap();
    }
}

/// A server with one registry file; without TLS, as is allowed on this machine itself.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let (status, body) = match head.iter().any(|line| line.starts_with("if-")) {
                true => ("304 Not Modified", ""),
                false if head[0].contains("/gone") => ("404 Not Found", "no"),
                false if head[0].contains("/astray") => {
                    ("302 Found\r\nlocation: http://u:S3CR3T@example.org/?S3CR3T", "")
                }
                false => ("200 OK\r\netag: \"v1\"\r\nlast-modified: Sat, 21 Nov 2026 03:00:00 GMT", MANUF),
            };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        }
    });
    address.to_string()
}

fn has_secret(octets: &[u8]) -> bool {
    octets.windows(6).any(|window| window == b"S3CR3T")
}

#[test]
fn secrets_of_an_address_are_neither_stored_nor_shown() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    let host = server();
    let update = |url: &str| run(["oui", "--db", db.to_str().unwrap(), "update", "--from", url]);
    let secret = |path: &str| format!("http://S3CR3T:S3CR3T@{host}{path}?token=S3CR3T#S3CR3T");
    let said = |output: &Output| {
        let said = text(output);
        assert!(!said.contains("S3CR3T"), "{said}");
        said
    };
    // Twice: what the server called the version belongs to the whole address, which is not kept.
    for _ in 0..2 {
        let output = update(&secret("/manuf"));
        assert!(
            output.status.success() && said(&output).contains(&format!("http://{host}/manuf")),
            "{}",
            text(&output)
        );
    }
    for path in fs::read_dir(dir.path()).unwrap() {
        assert!(!has_secret(&fs::read(path.unwrap().path()).unwrap()));
    }
    assert!(said(&run(["oui", "--db", db.to_str().unwrap(), "info", "--format", "json"])).contains("/manuf"));
    for (url, reason) in [
        (secret("/gone"), "404"),
        (secret("/astray"), "without TLS"),
        ("https://S3CR3T:S3CR3T@127.0.0.1:1/x?S3CR3T".into(), "cannot be fetched"),
        ("http://S3CR3T:S3CR3T@example.org/x?S3CR3T".into(), "not an https address"),
        ("https://S3CR3T:S3CR3T/x@127.0.0.1:1/x?S3CR3T".into(), "no address"),
        ("https:S3CR3T:S3CR3T@127.0.0.1:1/x".into(), "cannot be fetched"),
        ("ftp://S3CR3T:S3CR3T@127.0.0.1:1/x#S3CR3T".into(), "not an https address"),
    ] {
        let output = update(&url);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(said(&output).contains(reason), "{reason}: {}", text(&output));
    }
}

/// A cache as an earlier version left it: the address in full, for all to read.
#[test]
fn a_cache_of_an_earlier_version_shows_no_secrets_and_loses_them_when_it_is_written() {
    let dir = temp_dir();
    let (db, host) = (dir.path().join("oui.sqlite"), server());
    let path = db.to_str().unwrap();
    assert!(run(["oui", "--db", path, "update", "--from", &format!("http://{host}/manuf")]).status.success());
    let old = format!("http://me:S3CR3T@{host}/manuf?key=S3CR3T");
    let connection = Connection::open(&db).unwrap();
    connection.execute("UPDATE source SET origin = ?1", [&old]).unwrap();
    drop(connection);
    fs::set_permissions(&db, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(has_secret(&fs::read(&db).unwrap()));

    for arguments in [&["info"][..], &["info", "--format", "json"], &["info", "--format", "csv"]] {
        let said = text(&run([&["oui", "--db", path], arguments].concat()));
        assert!(!said.contains("S3CR3T") && said.contains(&format!("http://{host}/manuf")), "{said}");
    }
    let log = dir.path().with_extension("log");
    let mut command = airtally();
    let server = Daemon::start("serve", command.args(["oui", "serve", "--listen", "127.0.0.1:0", "--db", path]), &log);
    let url = wait_for("the server listens", Duration::from_secs(20), || {
        server.log().lines().find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
    });
    let answer = Command::new("curl").args(["-s", "--max-time", "10", &format!("{url}/api/v1/oui")]).output().unwrap();
    let answer = text(&answer) + &server.log();
    assert!(!answer.contains("S3CR3T") && answer.contains(&format!("http://{host}/manuf")), "{answer}");
    drop(server);
    fs::remove_file(log).unwrap();
    assert!(has_secret(&fs::read(&db).unwrap()), "who only reads changes nothing");

    let prefix = "b8:27:eb".parse::<airtally::oui::Query>().unwrap().prefix();
    let name = Some("Ours".to_owned());
    let row = RegistryRow { prefix, registry: Some(Assignment::Local), short: None, organisation: name, address: None };
    assert!(cache::put_local(&db, row, false, UnixNanos(0)).unwrap());
    assert!(!has_secret(&fs::read(&db).unwrap()));
    assert_eq!(fs::metadata(&db).unwrap().permissions().mode() & 0o777, 0o600);
    let info = cache::info(&db).unwrap();
    assert_eq!((info.sources[0].origin.as_str(), &info.sources[0].etag), (&*format!("http://{host}/manuf"), &None));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    // The same address without secrets may be another file: it is fetched, not taken for unchanged.
    let output = run(["oui", "--db", path, "update", "--from", &format!("http://{host}/manuf")]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_cache_is_for_its_owner_whatever_the_umask() {
    for umask in ["0000", "0022", "0377"] {
        let dir = temp_dir();
        let (db, good) = (dir.path().join("oui.sqlite"), dir.path().join("good"));
        fs::write(&good, MANUF).unwrap();
        let program = airtally();
        let mut shell = Command::new("sh");
        shell.arg0("sh").args(["-c", "umask $0; exec \"$@\"", umask]).arg(program.get_program());
        shell.args(["oui", "update", "--db"]).arg(&db).arg("--from").arg(&good);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(fs::metadata(&db).unwrap().permissions().mode() & 0o777, 0o600, "{umask}");
    }
}
