//! The modules use what docs/architecture.md says they may, and nothing else.
#![allow(clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use syn::{
    ItemMod, ItemUse, UseTree,
    visit::{self, Visit},
};

/// Folders that are modules of their own within another.
const INNER: [&str; 1] = ["oui/store"];
/// The modules that do no I/O and read no clock, beside what they use.
const CORE: [&str; 9] = ["alert", "dot11", "flow", "nmsg", "oui", "people", "sketch", "tally", "wire"];
/// What the core may use of others: nothing here opens a file or a socket.
const PURE_CRATES: [&str; 18] = [
    "base64",
    "core",
    "crc32c",
    "crc32fast",
    "datasketches",
    "etherparse",
    "flate2",
    "hmac",
    "humantime",
    "jiff",
    "proptest",
    "prost",
    "serde",
    "serde_json",
    "sha2",
    "std",
    "thiserror",
    "uuid",
];
/// Parts of std that are I/O or clocks.
const IMPURE_STD: [&str; 6] = ["fs", "net", "os", "process", "thread", "time::SystemTime"];

/// The full path of each thing that a file names, by `use` or in place.
struct Names {
    module: Vec<String>,
    /// Modules that the file declares: a path that begins with one of them stays inside.
    children: BTreeSet<String>,
    found: BTreeSet<Vec<String>>,
}

impl Names {
    fn add(&mut self, path: &[String]) {
        let mut rest = path;
        let mut absolute = Vec::new();
        match path.first().map(String::as_str) {
            Some("crate") => rest = &path[1..],
            Some("self" | "super") => {
                absolute.clone_from(&self.module);
                while let Some(first) = rest.first().filter(|first| matches!(first.as_str(), "self" | "super")) {
                    if first == "super" {
                        absolute.pop();
                    }
                    rest = &rest[1..];
                }
            }
            _ => {
                self.found.insert([vec!["extern".to_owned()], path.to_vec()].concat());
                return;
            }
        }
        absolute.extend_from_slice(rest);
        self.found.insert([vec!["crate".to_owned()], absolute].concat());
    }

    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&with(path.ident.to_string()), &path.tree),
            UseTree::Name(name) => self.add(&with(name.ident.to_string())),
            UseTree::Rename(name) => self.add(&with(name.ident.to_string())),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.children.insert(item.ident.to_string());
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path.leading_colon.is_some() || names.len() > 1 && matches!(names[0].as_str(), "crate" | "super" | "std") {
            self.add(&names);
        }
        visit::visit_path(self, path);
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The module that a path within the crate belongs to; `None` for the crate's own names.
fn owner(path: &[String]) -> Option<String> {
    let first = match path.first()?.as_str() {
        "Mac" => "mac",
        "UnixNanos" => "time",
        first => first,
    };
    let inner = path.get(1).map(|second| format!("{first}/{second}"));
    Some(inner.filter(|inner| INNER.contains(&inner.as_str())).unwrap_or_else(|| first.to_owned()))
}

/// What each module of the crate names: modules of ours, and paths of other crates.
fn read() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut read: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(&root).expect("below src").with_extension("");
        let mut module: Vec<String> = inside.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        if module == ["main"] || module == ["lib"] {
            continue;
        }
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        // `own_file_tests.rs` is the test module of `own_file.rs`.
        if let [only] = module.as_mut_slice()
            && let Some(tested) = only.strip_suffix("_tests")
        {
            *only = tested.to_owned();
        }
        let of = owner(&module).expect("a module");
        let text = fs::read_to_string(&file).expect("a source");
        let mut names = Names { module, children: BTreeSet::new(), found: BTreeSet::new() };
        names.visit_file(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        let (ours, others) = read.entry(of.clone()).or_default();
        for path in names.found {
            if path[0] == "crate" {
                ours.extend(owner(&path[1..]).filter(|other| *other != of));
            } else if !names.children.contains(&path[1]) {
                others.insert(path[1..].join("::"));
            }
        }
    }
    read
}

/// The rows of the table in docs/architecture.md, top down: a module, and what it uses.
fn table() -> Vec<(String, BTreeSet<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = fs::read_to_string(page).expect("docs/architecture.md");
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    page.lines()
        .skip_while(|line| !line.starts_with("| module |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            (names(cells[1]).remove(0), names(cells[3]).into_iter().collect())
        })
        .collect()
}

#[test]
fn the_arrows_are_those_of_the_page_and_point_down() {
    let (read, table) = (read(), table());
    let rows: BTreeMap<&str, usize> = table.iter().zip(0..).map(|((module, _), row)| (module.as_str(), row)).collect();
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for module in read.keys().filter(|module| !rows.contains_key(module.as_str())) {
        wrong.push(format!("src/{module} is not in the table"));
    }
    for (module, said) in &table {
        let Some((used, _)) = read.get(module) else {
            wrong.push(format!("the table has {module}, and src has not"));
            continue;
        };
        arrows += used.len();
        wrong.extend(used.difference(said).map(|other| format!("{module} uses {other}, which the table does not say")));
        wrong.extend(said.difference(used).map(|other| format!("{module} does not use {other} any more")));
        for other in used.iter().filter(|other| rows.get(other.as_str()) <= rows.get(module.as_str())) {
            wrong.push(format!("{module} uses {other}, which stands above it"));
        }
    }
    // Past the capture of the test's output, so that it is seen.
    writeln!(io::stderr(), "architecture: {} modules, {arrows} arrows", table.len()).expect("standard error");
    assert!(wrong.is_empty(), "against docs/architecture.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_does_no_io_and_reads_no_clock() {
    let read = read();
    let mut core: BTreeSet<String> = CORE.into_iter().map(str::to_owned).collect();
    for module in CORE {
        core.extend(read[module].0.iter().cloned());
    }
    let mut wrong = Vec::new();
    for module in &core {
        for path in &read[module].1 {
            let crate_name = path.split("::").next().unwrap_or_default();
            let starts_lower = crate_name.starts_with(|c: char| c.is_ascii_lowercase());
            if path.contains("::") && starts_lower && !PURE_CRATES.contains(&crate_name) {
                wrong.push(format!("{module} uses {path}"));
            }
            let impure = |part: &&str| path.strip_prefix("std::").is_some_and(|rest| rest.starts_with(*part));
            // The one place that reads the system clock, for everybody outside the core.
            if IMPURE_STD.iter().any(impure) && module != "time" {
                wrong.push(format!("{module} uses {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each row of "What survives what" names the tests that show it, and they are there.
#[test]
fn what_survives_what_is_shown_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md")).expect("docs/architecture.md");
    let section = page.split("## What survives what").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = section.expect("the section").lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut named = 0;
    for row in rows {
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let mut text = String::new();
        for name in shown.split('`').skip(1).step_by(2) {
            if name.starts_with("tests/") {
                text = fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            } else {
                assert!(text.contains(&format!("fn {name}()")), "there is no test {name}, which this row names: {row}");
            }
        }
        assert!(!text.is_empty(), "no test is named by this row: {row}");
        named += 1;
    }
    assert!(named > 10, "{named} rows were found");
}
