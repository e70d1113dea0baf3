//! `airtally oui` as a user meets it: a session from the first update to an export, bad input of every kind, and
//! updates that are killed.

use crate::support::{
    program::{airtally, run, text},
    temp_dir,
};
use airtally::oui::{
    Registry,
    store::{Detail, cache},
};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

const HEADER: &str = "Registry,Assignment,Organization Name,Organization Address\r\n";

fn oui(db: &Path, arguments: &[&str]) -> Output {
    run(["oui", "--db", db.to_str().unwrap()].iter().chain(arguments))
}

fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The refusal's text; the status must be `status`.
fn refused(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{}", text(output));
    text(output)
}

fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_session_from_the_first_lookup_to_an_export() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    // Before the first update names come from the snapshot, and the user hears how to get better ones.
    let first = oui(&db, &["lookup", "b8:27:eb:01:02:03"]);
    assert!(ok(&first).contains("Raspberry Pi Foundation"));
    assert!(text(&first).contains("airtally oui update"), "{}", text(&first));

    let manuf = file(dir.path(), "a", "00:00:0C\tCisco\tCisco Systems\n70:B3:D5:F2:F0:00/36\tTele\tTeleplatforms\n");
    let ieee =
        file(dir.path(), "b", format!("{HEADER}MA-L,00000C,\"Cisco Systems, Inc\",San Jose\r\nCID,0AE471,CAT,x\r\n"));
    let wka = file(dir.path(), "c", "09-00-4E-00-00-02\tNovell-IPX\n");
    let said = ok(&oui(&db, &["update", "--from", &ieee, &manuf, &wka]));
    assert!(said.contains("3 prefixes") && said.contains("1 well-known"), "{said}");

    let asked =
        ["00000C123456", "70-b3-d5-f2-f1-23", "0000.0c", "0a:e4:71:00:00:00", "09:00:4e:00:00:02", "02:00:00:00:00:01"];
    let json = ok(&oui(&db, &[&["lookup", "--format", "json"], &asked[..]].concat()));
    let answers: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let column = |name: &str| answers.iter().map(|answer| answer[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("query"), asked);
    let null = serde_json::Value::Null;
    assert_eq!(column("prefix_bits"), [24.into(), 36.into(), 24.into(), 24.into(), null.clone(), null.clone()]);
    assert_eq!(answers[0]["organisation"], "Cisco Systems, Inc");
    assert_eq!(answers[0]["short_name"], "Cisco");
    assert_eq!(answers[0]["registry"], "MA-L");
    assert_eq!(answers[0]["mac"], "00:00:0c:12:34:56");
    assert!(answers[2]["mac"].is_null());
    assert_eq!((&answers[3]["registry"], &answers[3]["slap"]), (&"CID".into(), &"ELI".into()));
    assert_eq!((&answers[4]["special"], &answers[4]["multicast"]), (&"Novell-IPX".into(), &true.into()));
    assert_eq!((&answers[5]["local"], &answers[5]["organisation"]), (&true.into(), &null));

    assert_eq!(ok(&oui(&db, &["search", "cisco", "--format", "csv"])).lines().count(), 2);
    let info: serde_json::Value = serde_json::from_str(&ok(&oui(&db, &["info", "--format", "json"]))).unwrap();
    assert_eq!(info["sources"].as_array().unwrap().len(), 3);
    assert!(ok(&oui(&db, &["info"])).contains("check     ok"));

    // What is exported as manuf reads back to the same names.
    let exported = file(dir.path(), "d", ok(&oui(&db, &["export", "--format", "manuf"])));
    let again = dir.path().join("again.sqlite");
    ok(&oui(&again, &["update", "--from", &exported]));
    let names = |db: &Path| {
        let registry = Registry::load(db, Detail::All).unwrap();
        registry.entries().map(|e| (e.prefix, e.organisation.unwrap_or_default().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(names(&db), names(&again));
}

#[test]
fn thousands_of_addresses_from_standard_input_keep_their_order() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    ok(&oui(&db, &["update", "--from", &file(dir.path(), "a", "00:00:0C\tCisco\n")]));
    let asked: Vec<String> =
        (0..10_000).map(|n| format!("00:00:{:02x}:00:{:02x}:{:02x}", n % 17, n >> 8, n & 255)).collect();
    let mut child = airtally()
        .args(["oui", "lookup", "--format", "json", "--db", db.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = asked.join("\n");
    std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let answers: Vec<serde_json::Value> = serde_json::from_str(&ok(&child.wait_with_output().unwrap())).unwrap();
    assert_eq!(answers.len(), asked.len());
    for (answer, query) in answers.iter().zip(&asked) {
        assert_eq!(answer["query"], *query);
        assert_eq!(answer["short_name"] == "Cisco", query.starts_with("00:00:0c"));
    }
}

/// What `lookup` says of these octets on standard input: status, standard output and error.
fn piped(db: &Path, input: &[u8], format: &str) -> (Option<i32>, String, String) {
    let mut child = airtally()
        .args(["oui", "lookup", "--format", format, "--db", db.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn one_bad_line_does_not_silence_the_others() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    ok(&oui(&db, &["update", "--from", &file(dir.path(), "a", "00:00:0C\tCisco\n00:0D:93\tApple\tApple, Inc.\n")]));
    let input = b"00:00:0c:00:00:01\n? (10.0.0.1) at\n\n  0:d:93:0:0:1\r\ncaf\xe9\xff\nz\xe2\x80\xae\n0:D:93:A:b:FF\n";
    let (status, stdout, stderr) = piped(&db, input, "json");
    assert_eq!(status, Some(2), "{stderr}");
    let answers: Vec<serde_json::Value> = serde_json::from_str(&stdout).unwrap();
    let macs: Vec<_> = answers.iter().map(|answer| answer["mac"].as_str().unwrap()).collect();
    assert_eq!(macs, ["00:00:0c:00:00:01", "00:0d:93:00:00:01", "00:0d:93:0a:0b:ff"]);
    // A short name alone is the organisation too.
    let names: Vec<_> = answers.iter().map(|answer| answer["organisation"].as_str().unwrap()).collect();
    assert_eq!(names, ["Cisco", "Apple, Inc.", "Apple, Inc."]);
    for bad in ["line 2: '? (10.0.0.1) at'", "line 5: 'caf", "line 6: 'z\\u{202e}'", "3 of 6 queries"] {
        assert!(stderr.contains(bad), "{bad}: {stderr}");
    }
    for (format, lines) in [("csv", 4), ("table", 4)] {
        let (status, stdout, _) = piped(&db, input, format);
        assert_eq!((status, stdout.lines().count()), (Some(2), lines), "{stdout}");
    }
    assert_eq!(piped(&db, b"0:d:93:0:0:1\n", "table").0, Some(0));
    assert_eq!(piped(&db, b"nothing\n", "json"), (Some(2), "[]\n".into(), piped(&db, b"nothing\n", "csv").2));
    let output = oui(&db, &["lookup", "0:d:93:0:0:1", "zz"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("Apple, Inc.") && text(&output).contains("'zz'"), "{}", text(&output));
}

/// The same four assignments in every form that there is, made here.
#[test]
fn every_form_of_a_registry_is_told_by_its_content() {
    let dir = temp_dir();
    let text_file = |titles: &str, blocks: &[(&str, &str)]| -> String {
        let blocks = blocks.iter().map(|(oui, range)| {
            format!(
                "{oui}   (hex)\t\tACME   Corp.\r\n{range}     (base 16)\t\tACME   Corp.\r\n\t\t\t\t1 Main St\r\n\r\n"
            )
        });
        format!("{titles}   Organization   \r\n   Organization\r\n   Address\r\n\r\n{}", blocks.collect::<String>())
    };
    let forms = [
        ("manuf", vec!["00:00:89\tAcme\tACME Corp.\n70:B3:D5:F2:F0:00/36\tAcme\tACME  Corp.\n74:1A:E0:90:00:00/28\tAcme\tACME Corp.\n".into()]),
        (
            "manuf",
            vec!["# before 2017\n00:00:89\tAcme                   # ACME   Corp.\tof old\n70:B3:D5:F2:F0:00/36\tAcme     # ACME Corp.\n\
                  74:1A:E0:90:00:00/28\tAcme                   # ACME Corp.\n".into()],
        ),
        ("arp-scan", vec!["# ieee-oui.txt\n000089\tACME   Corp.\n70B3D5F2F\tACME Corp.\n741AE09\tACME Corp.\n".into()]),
        ("nmap", vec!["# $Id$\n000089 ACME   Corp.\n70B3D5F2F ACME Corp.\n741AE09 ACME Corp.\n".into()]),
        (
            "MA-",
            vec![
                text_file("OUI/MA-L", &[("00-00-89", "000089")]),
                text_file("OUI-36/MA-S Range", &[("70-B3-D5", "F2F000-F2FFFF")]),
                text_file("OUI-28/MA-M Range", &[("74-1A-E0", "900000-9FFFFF")]),
            ],
        ),
    ];
    for (number, (label, files)) in forms.iter().enumerate() {
        let db = dir.path().join(format!("{number}.sqlite"));
        // Names say nothing.
        let paths: Vec<_> =
            files.iter().zip(0..).map(|(text, n)| file(dir.path(), &format!("{number}-{n}"), text)).collect();
        let update: Vec<&str> = ["update", "--from"].into_iter().chain(paths.iter().map(String::as_str)).collect();
        let said = ok(&oui(&db, &update));
        assert!(said.contains(label) && said.contains("3 prefixes"), "{said}");
        let asked = ["lookup", "--format", "json", "0:0:89:0:0:1", "70:b3:d5:f2:f1:23", "741ae09"];
        let answers: Vec<serde_json::Value> = serde_json::from_str(&ok(&oui(&db, &asked))).unwrap();
        let found: Vec<_> = answers.iter().map(|answer| (&answer["organisation"], &answer["prefix_bits"])).collect();
        let acme = serde_json::Value::from("ACME Corp.");
        assert_eq!(found, [(&acme, &24.into()), (&acme, &36.into()), (&acme, &28.into())], "form {number}");
        // Half of it, or with a foreign line in it, it is refused.
        for (text, path) in files.iter().zip(&paths) {
            for wrong in [text[..text.len() - 3].to_owned(), format!("{text}and so on\n")] {
                fs::write(path, wrong).unwrap();
                let said = refused(&oui(&db, &["update", "--from", path]), 1);
                assert!(said.contains(path.as_str()), "{said}");
            }
        }
    }
}

#[test]
fn names_of_strangers_steer_neither_terminal_nor_spreadsheet() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    let list = file(dir.path(), "a", "00:00:0C\tCis\u{202e}co\t=1+1\n00:00:0D\t@x\t\u{200b}+2\n");
    ok(&oui(&db, &["update", "--from", &list]));
    for arguments in [&["lookup", "00000c"][..], &["search", "="], &["search", "+"], &["export"]] {
        for format in ["csv", "table"] {
            if arguments == ["export"] && format == "table" {
                continue;
            }
            let text = ok(&oui(&db, &[arguments, &["--format", format]].concat()));
            assert!(!text.contains(['\u{202e}', '\u{200b}']), "{text:?}");
            assert!(format == "table" || !text.contains(",=") && !text.contains(",@"), "{text:?}");
        }
    }
    let json: serde_json::Value =
        serde_json::from_str(&ok(&oui(&db, &["lookup", "00000c", "--format", "json"]))).unwrap();
    assert_eq!((&json[0]["short_name"], &json[0]["organisation"]), (&"Cis\u{202e}co".into(), &"=1+1".into()));
}

#[test]
fn bad_input_gets_a_reason_and_leaves_the_cache_as_it_was() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    let rows =
        |count: u32| -> String { (0..count).map(|n| format!("00:{:02X}:{:02X}\tV{n}\n", n >> 8, n & 255)).collect() };
    let good = file(dir.path(), "good", rows(1_000));
    ok(&oui(&db, &["update", "--from", &good]));
    let before = fs::read(&db).unwrap();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("half", rows(1_000).as_bytes()[..9_000].to_vec(), "half a download"),
        ("html", b"<html><body>503</body></html>\n".to_vec(), "web page"),
        ("latin1", b"00:00:0C\tCaf\xe9\n".to_vec(), "not UTF-8"),
        ("utf16", b"\xff\xfe0\x000\x00".to_vec(), "UTF-16"),
        ("empty", Vec::new(), "is empty"),
        ("quoted", format!("{HEADER}MA-L,00000C,\"Cis\nco\r\n").into_bytes(), "half a download"),
        ("row", b"00:00:0C\tCisco\nnonsense\n".to_vec(), "line 2"),
    ];
    for (name, content, reason) in cases {
        let path = file(dir.path(), name, content);
        let said = refused(&oui(&db, &["update", "--from", &good, &path]), 1);
        assert!(said.contains(reason) && said.contains(&path), "{name}: {said}");
    }
    let shrunk = file(dir.path(), "shrunk", rows(899));
    let said = refused(&oui(&db, &["update", "--from", &shrunk]), 1);
    assert!(said.contains("1000") && said.contains("899") && said.contains("--accept-shrink"), "{said}");
    assert_eq!(fs::read(&db).unwrap(), before, "the cache changed");
    ok(&oui(&db, &["update", "--accept-shrink", "--from", &shrunk]));

    let said = refused(&oui(&db, &["update", "--from", "/does/not/exist"]), 1);
    assert!(said.contains("/does/not/exist"), "{said}");
    for query in ["zz", "00:00", "00:00:0c:00:00:00:00", "00000c/49"] {
        assert!(refused(&oui(&db, &["lookup", "00000c", query]), 2).contains(query), "{query}");
    }
    refused(&oui(&db, &["search", " "]), 2);
    refused(&oui(&db, &["frobnicate"]), 2);
}

#[test]
fn a_damaged_cache_is_set_aside_and_a_newer_one_is_left_alone() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    let good = file(dir.path(), "good", "00:00:0C\tCisco\n");
    ok(&oui(&db, &["update", "--from", &good]));
    let whole = fs::read(&db).unwrap();
    fs::write(&db, &whole[..whole.len() / 2]).unwrap();
    // A look-up answers all the same, and says so; it changes nothing.
    let output = oui(&db, &["lookup", "b8:27:eb:01:02:03"]);
    assert!(ok(&output).contains("Raspberry Pi Foundation"));
    assert!(text(&output).contains("damaged") && text(&output).contains("airtally oui update"), "{}", text(&output));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    // An update sets it aside.
    let output = oui(&db, &["update", "--from", &good]);
    assert!(ok(&output).contains("1 prefix ") && text(&output).contains(".corrupt"), "{}", text(&output));
    assert_eq!(fs::read(dir.path().join("oui.sqlite.corrupt")).unwrap(), &whole[..whole.len() / 2]);
    assert!(text(&oui(&db, &["lookup", "00:00:0c"])).lines().all(|line| !line.contains("damaged")));

    let sqlite = |sql: &str| {
        let status = std::process::Command::new("sqlite3").arg(&db).arg(sql).status().expect("Debian's sqlite3");
        assert!(status.success());
    };
    sqlite("PRAGMA user_version = 99");
    for arguments in [&["lookup", "b827eb"][..], &["info"], &["update", "--from", &good]] {
        let said = refused(&oui(&db, arguments), 1);
        assert!(said.contains("99") && said.contains("upgrade"), "{said}");
    }
    sqlite("PRAGMA user_version = 1; DELETE FROM entry");
    assert!(refused(&oui(&db, &["info"]), 1).contains("entries are missing"));
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = temp_dir();
    let good = file(dir.path(), "good", "00:00:0C\tCisco\n");
    // A file where a directory should be stops root too, whom permissions would not.
    let said = refused(&oui(&dir.path().join("good/oui.sqlite"), &["update", "--from", &good]), 1);
    assert!(said.contains("good"), "{said}");
    let said = refused(&oui(Path::new("/proc/airtally/oui.sqlite"), &["update", "--from", &good]), 1);
    assert!(said.contains("/proc/airtally"), "{said}");
}

/// Two registries that differ in every name take turns; each update is killed at a moment of its own. Whatever is left
/// must open, pass its check, and be wholly one of the two.
#[test]
fn a_killed_update_leaves_the_old_cache_or_the_new_one() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    let rows = |name: &str| -> String {
        (0..8_000u32)
            .map(|n| format!("{:02X}:{:02X}:{:02X}\t{name}\t{name} {n}\n", n >> 14 << 2, n >> 7 & 127, n & 127))
            .collect()
    };
    let files = [file(dir.path(), "old", rows("old")), file(dir.path(), "new", rows("new"))];
    ok(&oui(&db, &["update", "--from", &files[0]]));
    let started = Instant::now();
    ok(&oui(&db, &["update", "--from", &files[1]]));
    let whole = started.elapsed();
    let (mut killed, mut turns) = (0, [0, 0]);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..100 {
        let mut child = airtally()
            .args(["oui", "--db", db.to_str().unwrap(), "update", "--from", &files[round % 2]])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Twice as long as one alone took: others may be at work.
        std::thread::sleep(whole.mul_f64((random >> 40) as f64 / (1u64 << 24) as f64 * 2.0));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        let registry = Registry::load(&db, Detail::All).unwrap();
        assert_eq!(registry.len(), 8_000);
        let first = registry.entries().next().and_then(|entry| entry.short_name).unwrap().to_owned();
        assert!(registry.entries().all(|entry| entry.short_name == Some(&first)), "a mixture");
        turns[usize::from(first == "new")] += 1;
        if round % 10 == 0 {
            cache::info(&db).unwrap();
        }
    }
    assert!(
        killed >= 20,
        "only {killed} of 100 updates were killed before their end: the machine is too fast for this"
    );
    assert!(turns.iter().all(|turn| *turn > 0), "{turns:?}");
    // Nothing piles up beside the cache.
    let names = fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("oui.sqlite"));
    assert!(names.count() <= 2);
    assert!(whole < Duration::from_secs(60));
}

#[test]
fn an_address_without_its_scheme_is_not_repeated() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    for place in ["user:S3CR3T@127.0.0.1:1/manuf", "127.0.0.1/manuf?token=S3CR3T", "user:p/S3CR3T@host"] {
        let said = refused(&oui(&db, &["update", "--from", place]), 2);
        assert!(said.contains("https://") && !said.contains("S3CR3T"), "{said}");
    }
}

#[test]
fn a_registry_that_is_older_than_a_year_is_said_to_be() {
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    // Without a cache, of which day the names are that serve.
    let missing = refused(&oui(&db, &["info"]), 1);
    assert!(missing.contains("until then names come from a snapshot: 20"), "{missing}");
    let list = file(dir.path(), "oui.csv", format!("{HEADER}MA-L,00000C,Cisco,x\r\n"));
    let date = |seconds| std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let new = oui(&db, &["update", "--from", &list]);
    assert!(!text(&new).contains("more than"), "{}", text(&new));
    assert!(!text(&oui(&db, &["info"])).contains("more than"));
    fs::File::options().write(true).open(&list).unwrap().set_modified(date(1_661_630_937)).unwrap();
    let old = oui(&db, &["update", "--from", &list]);
    ok(&old);
    assert!(text(&old).contains("oui.csv is of 2022-08-27, more than"), "{}", text(&old));
    let info = oui(&db, &["info"]);
    assert!(ok(&info).contains("\nof        2022-08-27\n"), "{}", text(&info));
    assert!(text(&info).contains("this registry is of 2022-08-27, more than"), "{}", text(&info));
}
