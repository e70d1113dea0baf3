//! The machine as its files show it, below a root directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A machine.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine whose `/` is at `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where an absolute path of the machine is.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Whether there is something at `path`.
    pub(super) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// The text of a file without the white space around it; nothing if it cannot be read.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read_to_string(self.path(path)).ok().map(|text| text.trim().to_owned())
    }

    /// The names in a directory, sorted; none if it cannot be read.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// The last part of what a symbolic link names.
    pub(super) fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        Some(fs::read_link(self.path(path)).ok()?.file_name()?.to_str()?.to_owned())
    }

    /// The command names of all processes (`/proc/<pid>/comm`, which holds fifteen characters at most).
    pub(super) fn processes(&self) -> Vec<String> {
        let pids = self.names("/proc").into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        let mut names: Vec<String> = pids.filter_map(|pid| self.text(format!("/proc/{pid}/comm"))).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The interfaces with a default route (`/proc/net/route`: destination and mask of zeros), and those of IPv6.
    pub(super) fn uplinks(&self) -> Vec<String> {
        let four = self.text("/proc/net/route").unwrap_or_default();
        let six = self.text("/proc/net/ipv6_route").unwrap_or_default();
        let four = four.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000")).then(|| words[0].to_owned())
        });
        let zeros = "00000000000000000000000000000000";
        let six = six.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let default = words.first() == Some(&zeros) && words.get(1) == Some(&"00") && words.get(9) != Some(&"lo");
            default.then(|| words.get(9).map(|&name| name.to_owned())).flatten()
        });
        four.chain(six).collect()
    }
}
