//! A browser, driven through `browser/browser.mjs`. What that needs of npm is fetched once, below `target`.

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

/// A running browser; dropped, it is gone.
pub struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Browser {
    /// Starts one that sees the page at `base`.
    pub fn start(base: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/browser/browser.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(modules())
            .arg(base)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node: scripts/test installs what tests need");
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("its output")));
        Self { child, input, output }
    }

    /// Runs a command of `browser.mjs`, and gives what it found.
    pub fn run(&mut self, name: &str, mut what: Value) -> Value {
        what["run"] = name.into();
        let input = self.input.as_mut().expect("its input");
        writeln!(input, "{what}").expect("a browser that listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a browser that answers");
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: '{line}'"));
        assert!(answer["error"].is_null(), "{name} {what}: {}", answer["error"]);
        answer["found"].take()
    }

    /// The texts of a table's cells.
    pub fn table(&mut self, path: &str, id: &str) -> Vec<Vec<String>> {
        let found = self.run("table", json!({"path": path, "id": id, "zone": "UTC"}));
        serde_json::from_value(found).expect("rows of cells")
    }

    /// Waits until some element of the page that is held open has such a text.
    pub fn until(&mut self, selector: &str, text: &str) {
        self.run("until", json!({"selector": selector, "text": text}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself at the end of its input, and takes Chromium along.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// The folder with the modules that `package-lock.json` names.
fn modules() -> &'static Path {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    MODULES.get_or_init(|| {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/browser");
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page-browser");
        let lock = fs::read(from.join("package-lock.json")).expect("a lock");
        if fs::read(to.join("package-lock.json")).ok().as_ref() == Some(&lock) && to.join("node_modules").is_dir() {
            return to;
        }
        // Made aside, so that what is there is whole.
        let new = to.with_extension(format!("{}", std::process::id()));
        fs::create_dir_all(&new).expect("a folder");
        for name in ["package.json", "package-lock.json"] {
            fs::copy(from.join(name), new.join(name)).expect("a copy");
        }
        let npm =
            Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&new).output();
        let npm = npm.expect("npm: scripts/test installs what tests need");
        assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
        let _ = fs::remove_dir_all(&to);
        fs::rename(&new, &to).expect("the folder in its place");
        to
    })
}
