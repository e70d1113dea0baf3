//! Which captures were meant: files, directories with all below them, standard input.

use crate::capture::CaptureError;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One capture to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file that somebody named: it must be a capture.
    Named(PathBuf),
    /// A file found in a directory: passed over if it is none.
    Found(PathBuf),
}

impl Input {
    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".into(),
            Self::Named(path) | Self::Found(path) => path.display().to_string(),
        }
    }

    pub(super) fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }

    /// Octets of it on disk; `None` where that cannot be known before.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::Named(path) | Self::Found(path) => {
                fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
            }
        }
    }

    /// Whether it is known to have no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

/// The inputs that `paths` stand for: `-` is standard input, a directory all regular files below it, by name.
/// Directories behind symbolic links are not entered. Directories that cannot be read are in the second list.
#[must_use]
pub fn expand(paths: &[PathBuf]) -> (Vec<Input>, Vec<CaptureError>) {
    let (mut inputs, mut failures) = (Vec::new(), Vec::new());
    for path in paths {
        if path == Path::new("-") {
            inputs.push(Input::Stdin);
        } else if path.is_dir() {
            below(path, &mut inputs, &mut failures);
        } else {
            inputs.push(Input::Named(path.clone()));
        }
    }
    (inputs, failures)
}

fn below(directory: &Path, inputs: &mut Vec<Input>, failures: &mut Vec<CaptureError>) {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let listed = fs::read_dir(&directory).and_then(|entries| {
            entries
                .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))))
                .collect::<Result<Vec<_>, _>>()
        });
        let mut listed = match listed {
            Ok(listed) => listed,
            Err(source) => {
                failures.push(CaptureError::Open { name: directory.display().to_string(), source });
                continue;
            }
        };
        listed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let deeper = listed.iter().rev().filter(|(_, kind)| kind.is_dir());
        directories.extend(deeper.map(|(path, _)| path.clone()));
        // Behind a link only a file: opening a pipe would wait for its writer.
        let files = listed.into_iter().filter(|(path, kind)| kind.is_file() || (kind.is_symlink() && path.is_file()));
        inputs.extend(files.map(|(path, _)| Input::Found(path)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_directory_stands_for_all_files_below_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/c")).unwrap();
        for name in ["z", "a", "b/x", "b/c/y"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("b/again")).unwrap();
        let (inputs, failures) = expand(&[dir.path().to_owned(), "-".into(), "absent".into()]);
        let mut expected: Vec<Input> =
            ["a", "z", "b/x", "b/c/y"].iter().map(|name| Input::Found(dir.path().join(name))).collect();
        expected.extend([Input::Stdin, Input::Named("absent".into())]);
        assert_eq!(inputs, expected);
        assert!(failures.is_empty());
    }
}
