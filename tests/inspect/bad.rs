//! What is no capture, or a bad one: `airtally inspect` gives a result or one clear sentence, in little time and
//! memory, whatever the octets say.

use crate::support::{
    corpus::Corpus,
    program::{self, small_registry},
    synth::Options,
    synthesise, temp_dir,
};
use proptest::prelude::*;
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

/// Address space that the program may have: a quarter of what the worst of these files ask for.
const MEMORY_KIB: u64 = 300 << 10;

/// Runs it with bounded memory and time; checks that it ended with an answer, or with one sentence about `path`.
fn inspect(arguments: &[&str], path: &Path) -> (Output, Option<Value>) {
    let began = Instant::now();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -v {MEMORY_KIB}; exec \"$@\""))
        .arg("sh")
        .arg(env!("CARGO_BIN_EXE_airtally"))
        .args(["inspect", "--threads", "1", "--format", "json", "--oui"])
        .arg(small_registry())
        .args(arguments)
        .arg(path)
        .output()
        .expect("a shell");
    let text = program::text(&output);
    assert!(began.elapsed() < Duration::from_secs(30), "{} took {:?}", path.display(), began.elapsed());
    match output.status.code() {
        // Batches have no place for notes about the capture.
        Some(0) => {
            let notes = String::from_utf8_lossy(&output.stderr).lines().count();
            assert!(notes <= 3 * usize::from(arguments.contains(&"--window")), "{text}");
        }
        Some(1) => {
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(error.contains(&*path.to_string_lossy()), "{error}");
        }
        status => panic!("{} ended with {status:?}: {text}", path.display()),
    }
    let line = output.stdout.split(|&octet| octet == b'\n').next().filter(|line| !line.is_empty());
    let answer = line.map(|line| serde_json::from_slice(line).expect("JSON"));
    (output, answer)
}

fn header(link: u32) -> Vec<u8> {
    [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, link].map(u32::to_le_bytes).concat()
}

fn write(dir: &Path, name: &str, octets: &[u8]) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::write(&path, octets).unwrap();
    path
}

fn sentence(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", program::text(output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_packet_that_claims_gigabytes_is_refused_without_room_for_it() {
    let dir = temp_dir();
    for claim in [u32::MAX, 1 << 31, 17 << 20] {
        let octets = [header(127), [0, 0, claim, claim].map(u32::to_le_bytes).concat(), vec![0; 1000]].concat();
        let (output, _) = inspect(&[], &write(dir.path(), "claims", &octets));
        let said = sentence(&output);
        assert!(said.contains(&format!("claims {}", u64::from(claim) + 16)), "{said}");
    }
    // A pcapng block that claims as much.
    let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28].map(u32::to_le_bytes).concat();
    let block = [6, 0xffff_fff0, 0].map(u32::to_le_bytes).concat();
    let (output, _) = inspect(&[], &write(dir.path(), "claims.ng", &[section, block].concat()));
    assert!(sentence(&output).contains("claims"));
}

#[test]
fn a_compressed_bomb_ends_where_it_was_told_to() {
    let dir = temp_dir();
    // Records without octets, by the gigabyte.
    let path = dir.path().join("bomb.gz");
    let mut gz = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    gz.write_all(&header(127)).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..1024).for_each(|_| gz.write_all(&zeros).unwrap());
    gz.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 8 << 20);
    let (_, answer) = inspect(&["--max-bytes", "1MiB"], &path);
    let answer = answer.unwrap();
    assert_eq!(answer["frames"], ((1 << 20) - 24) / 16);
    assert!(answer["warnings"][0].as_str().unwrap().contains("longer than was to be read"), "{answer}");

    let path = dir.path().join("bomb.zst");
    let mut zst = zstd::stream::write::Encoder::new(File::create(&path).unwrap(), 1).unwrap();
    let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28].map(u32::to_le_bytes).concat();
    zst.write_all(&section).unwrap();
    // Blocks that hold no packets.
    let nothing = [0xbad, 12, 12].map(u32::to_le_bytes).concat().repeat(100_000);
    (0..40).for_each(|_| zst.write_all(&nothing).unwrap());
    zst.finish().unwrap();
    let (_, answer) = inspect(&["--max-bytes", "1MiB"], &path);
    assert_eq!(answer.unwrap()["frames"], 0);
    // Without a bound it is read to its end, in little memory.
    let (_, answer) = inspect(&["--max-frames", "10"], &path);
    assert_eq!(answer.unwrap()["frames"], 0);
}

#[test]
fn a_capture_cut_anywhere_gives_what_is_there() {
    let dir = temp_dir();
    let (path, _) = synthesise(dir.path(), &Options { frames: 12, ..Options::default() });
    let octets = fs::read(path).unwrap();
    let mut last = 0;
    for len in (0..octets.len()).step_by(37) {
        let (_, answer) = inspect(&[], &write(dir.path(), "cut", octets.get(..len).unwrap()));
        assert_eq!(answer.is_some(), len >= 24, "{len} octets");
        let frames = answer.map_or(0, |answer| answer["frames"].as_u64().unwrap());
        assert!((last..=last + 1).contains(&frames), "{frames} frames after {last}");
        last = frames;
    }
    assert!(last >= 10);
}

#[test]
fn one_bad_file_does_not_keep_the_others_from_being_counted() {
    let dir = temp_dir();
    let captures = dir.path().join("captures");
    fs::create_dir(&captures).unwrap();
    let (good, _) = synthesise(&captures, &Options { frames: 100, ..Options::default() });
    let bad = write(dir.path(), "bad", b"this is no capture");
    let run = |paths: &[&Path]| {
        let arguments = [
            OsStr::new("inspect"),
            "--format".as_ref(),
            "json".as_ref(),
            "--oui".as_ref(),
            small_registry().as_os_str(),
        ];
        program::run(arguments.into_iter().chain(paths.iter().map(|path| path.as_os_str())))
    };
    let output = run(&[&bad, &good, Path::new("/absent")]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("bad is not a capture") && said.contains("cannot open /absent"), "{said}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["frames"], 100);
    assert_eq!(answer["files"].as_array().unwrap().len(), 1);
    // In a directory, what is no capture is passed over.
    fs::copy(&bad, captures.join("note.txt")).unwrap();
    fs::write(captures.join("empty"), "").unwrap();
    let output = run(&[&captures]);
    assert_eq!(output.status.code(), Some(0), "{}", program::text(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["frames"], 100);
}

/// The corpus' malformed, cut, compressed and foreign files; its whole is in `corpus.rs`.
#[test]
fn every_bad_file_of_the_corpus_gives_a_result_or_a_sentence() {
    let Some(corpus) = Corpus::find() else {
        eprintln!("there is no corpus: only files of our own are tried");
        return;
    };
    for entry in corpus.entries.iter().filter(|entry| {
        ["malformed", "notpcap", "derived", "format"].contains(&entry.category.as_str()) || entry.compression != "-"
    }) {
        let path = corpus.path(entry);
        let (_, answer) = inspect(&[], &path);
        if entry.category == "notpcap" {
            assert!(answer.is_none(), "{}", entry.file);
        }
        inspect(&["--window", "10s"], &path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_octets_behind_a_good_header_are_survived(
        octets in proptest::collection::vec(any::<u8>(), 0..4_000), link in proptest::sample::select(vec![1, 105, 119, 127, 163, 192, 113, 276]),
        len in 0u32..200,
    ) {
        let dir = temp_dir();
        let record = [1, 2, len, len + 7].map(u32::to_le_bytes).concat();
        inspect(&[], &write(dir.path(), "octets", &[header(link), record, octets].concat()));
    }
}
