//! What our texts point to is there: every relative link of every page, with its anchor, in the source and in what a
//! package carries; and every file of ours that a page, a sample, a unit or a message of the program names.

use super::support::temp_dir;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Folders of the source that texts name files of.
const FOLDERS: [&str; 10] =
    ["docs", "config", "packaging", "examples", "systemd", "scripts", "src", "tests", "benches", "fuzz"];

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Every file below `dir` that `wanted` takes, without what builds leave behind.
fn files(dir: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            if !["target", ".git", "node_modules", ".github", ".ci"].iter().any(|skip| name == *skip) {
                found.extend(files(&path, wanted));
            }
        } else if wanted(&path) {
            found.push(path);
        }
    }
    found
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// A page without its blocks of code, in which brackets are no links.
fn prose(page: &str) -> String {
    let mut inside = false;
    let keep = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    page.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

/// Targets of links and pictures, `[text](target)`; a page's own words in code are none.
fn links(prose: &str) -> Vec<String> {
    let outside_code: String =
        prose.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "code" }).collect();
    let targets = outside_code.split("](").skip(1).filter_map(|after| after.split([')', ' ', '\n']).next());
    targets.map(ToOwned::to_owned).collect()
}

/// The anchors of a page: its headings, as forges make them, and those that it gives itself.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page);
    let headings =
        headings.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| -> String {
        let kept = heading.replace("&lt;", "").replace("&gt;", "").to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let given = page.split("<a id=\"").skip(1).filter_map(|after| after.split('"').next()).map(ToOwned::to_owned);
    headings.map(slug).chain(given).collect()
}

/// What is wrong with the links of the pages below `top`.
fn broken_links(top: &Path) -> Vec<String> {
    let mut broken = Vec::new();
    let pages = files(top, &is_page);
    assert!(pages.len() > 15, "{} has only {} pages", top.display(), pages.len());
    for path in pages {
        let page = fs::read_to_string(&path).unwrap();
        for link in links(&prose(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let inside = target.canonicalize().is_ok_and(|target| target.starts_with(top.canonicalize().unwrap()));
            let has_anchor =
                || anchor.is_empty() || fs::read_to_string(&target).is_ok_and(|page| anchors(&page).contains(anchor));
            if !inside || !has_anchor() {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    broken
}

/// Paths of the source that a text names, like `docs/mqtt.md`.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_a_path = |c: char| c.is_ascii_alphanumeric() || "_./-@*{}$<>…~:".contains(c);
    let words = text.split(|c: char| !is_of_a_path(c));
    let words = words.map(|word| word.trim_start_matches("../").trim_end_matches(['.', ':', '/']));
    let words = words.filter(|word| !word.contains(['*', '{', '$', '<', '>', '…', '~', ':']));
    let of_ours = |word: &&str| {
        word.split_once('/')
            .is_some_and(|(folder, rest)| FOLDERS.contains(&folder) && rest.contains(|c: char| c.is_ascii_lowercase()))
    };
    words.filter(of_ours).map(ToOwned::to_owned).collect()
}

/// Which of the files that the texts name are not below `top`.
fn names_in_vain(texts: &[PathBuf], top: &Path, of: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    for path in texts {
        for name in named(&fs::read_to_string(path).unwrap_or_default()) {
            let asked = of.iter().any(|folder| name.starts_with(&format!("{folder}/")));
            if asked && !top.join(&name).exists() {
                missing.push(format!("{}: {name}", path.display()));
            }
        }
    }
    missing
}

/// What the package's maker puts there to be read.
fn packaged() -> (tempfile::TempDir, PathBuf) {
    let tree = temp_dir();
    let made = Command::new(root().join("packaging/deb/documents")).arg(tree.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let doc = tree.path().join("usr/share/doc/airtally");
    (tree, doc)
}

#[test]
fn every_link_of_the_source_leads_somewhere() {
    assert_eq!(broken_links(&root()), [""; 0]);
}

#[test]
fn the_index_names_every_page() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    let index: BTreeSet<String> =
        links(&prose(&index)).into_iter().map(|link| link.split('#').next().unwrap().into()).collect();
    for path in files(&root().join("docs"), &is_page) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || index.contains(name), "docs/README.md does not name {name}");
    }
}

#[test]
fn every_link_of_a_package_leads_somewhere() {
    let (_tree, doc) = packaged();
    assert_eq!(broken_links(&doc), [""; 0]);
}

#[test]
fn texts_name_files_that_there_are() {
    let old = root().join("CHANGELOG.md"); // names what there was
    let pages = files(&root(), &|path| is_page(path) && path != old);
    let plain = |folder: &str| files(&root().join(folder), &|path| path.extension().is_none_or(|kind| kind != "md"));
    let texts = [pages, plain("config"), plain("systemd"), plain("packaging"), plain("scripts")].concat();
    assert_eq!(names_in_vain(&texts, &root(), &FOLDERS), [""; 0]);
}

#[test]
fn what_packaged_texts_and_the_program_name_is_in_the_package() {
    let (tree, doc) = packaged();
    // Pages for contributors speak of the source, and so does the history of changes.
    let of_the_source = ["CONTRIBUTING.md", "CHANGELOG.md", "architecture.md", "decisions.md", "benchmarks.md"];
    let mut texts = files(&doc, &|path| !of_the_source.iter().any(|name| path.ends_with(name)));
    texts.extend(files(&root().join("systemd"), &|_| true));
    let code = files(&root().join("src"), &|path| path.extension().is_some_and(|kind| kind == "rs"));
    // Of the program's own words the names of pages: sentences of its messages and help, not of its comments.
    let spoken = tree.path().join("spoken");
    let words = code
        .iter()
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(ToOwned::to_owned).collect::<Vec<_>>());
    fs::write(&spoken, words.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n"))
        .unwrap();
    texts.push(spoken);
    assert_eq!(names_in_vain(&texts, &doc, &["docs", "config", "packaging", "examples"]), [""; 0]);
    // Whole paths.
    let mut named = 0;
    for path in &texts {
        let text = fs::read_to_string(path).unwrap_or_default();
        for after in text.split("/usr/share/doc/airtally/").skip(1) {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || "_./-".contains(c))).unwrap_or(after.len());
            let file = after[..end].trim_end_matches('.');
            assert!(doc.join(file).exists(), "{} names {file}", path.display());
            named += 1;
        }
    }
    assert!(named > 3, "{named}");
}
