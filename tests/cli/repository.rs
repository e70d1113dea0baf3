//! `packaging/apt/repository`: what it signs, what it keeps, what it refuses. Installing from it: `scripts/test-release`.

use super::support::temp_dir;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const KEY: &str = "releaser@example.org";

struct Place(tempfile::TempDir);

impl Place {
    /// A folder with a key of gpg's.
    fn new() -> Self {
        let place = Self(temp_dir());
        fs::create_dir(place.path("gnupg")).unwrap();
        Command::new("chmod").arg("700").arg(place.path("gnupg")).status().unwrap();
        let made = place.run(Command::new("gpg").args([
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            KEY,
            "ed25519",
            "sign",
            "1d",
        ]));
        assert!(made.status.success(), "{}", said(&made));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, command: &mut Command) -> Output {
        command.env("GNUPGHOME", self.path("gnupg")).env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap()
    }

    /// A package that has `content` and nothing else.
    fn package(&self, version: &str, arch: &str, content: &str) -> PathBuf {
        let tree = self.path("tree");
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        let control = format!(
            "Package: airtally\nVersion: {version}\nArchitecture: {arch}\nMaintainer: a <a@example.org>\nDescription: x\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        fs::write(tree.join("content"), content).unwrap();
        let package = self.path(&format!("airtally_{version}_{arch}.deb"));
        let made = self.run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&tree).arg(&package));
        assert!(made.status.success(), "{}", said(&made));
        package
    }

    fn publish(&self, key: &str, packages: &[&Path]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/apt/repository");
        self.run(Command::new(script).arg(self.path("apt")).arg(key).args(packages))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("apt").join(name)).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn a_repository_is_signed_whole_and_keeps_what_was_published() {
    let place = Place::new();
    let first = place.package("0.1.0", "amd64", "first");
    let made = place.publish(KEY, &[&first]);
    assert!(made.status.success(), "{}", said(&made));
    let made =
        place.publish(KEY, &[&place.package("0.2.0", "amd64", "second"), &place.package("0.2.0", "arm64", "second")]);
    assert!(made.status.success(), "{}", said(&made));

    let versions =
        |arch: &str| place.read(&format!("dists/stable/main/binary-{arch}/Packages")).matches("\nVersion: ").count();
    assert_eq!((versions("amd64"), versions("arm64")), (2, 1));
    let release = place.read("dists/stable/Release");
    assert!(release.contains("\nArchitectures: amd64 arm64\n"), "{release}");
    assert!(release.contains("\nDate: Tue, 14 Nov 2023 22:13:20 +0000\n"), "{release}");
    let sums = release.split_once("SHA256:\n").unwrap().1;
    assert_eq!(sums.lines().count(), 4, "Packages and Packages.gz of two architectures");
    for line in sums.lines() {
        let [sum, size, name] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let file = place.path("apt/dists/stable").join(name);
        assert_eq!(fs::metadata(&file).unwrap().len().to_string(), size);
        let told = said(&place.run(Command::new("sha256sum").arg(&file)));
        assert!(told.starts_with(sum), "{told}{line}");
    }
    // By the key that travels with the repository, and no other.
    let ring = place.path("ring.gpg");
    place.run(
        Command::new("gpg").args(["--batch", "--dearmor", "--output"]).arg(&ring).arg(place.path("apt/airtally.asc")),
    );
    let dist = place.path("apt/dists/stable");
    let verified =
        |files: &[PathBuf]| place.run(Command::new("gpgv").arg("--keyring").arg(&ring).args(files)).status.success();
    assert!(verified(&[dist.join("InRelease")]));
    assert!(verified(&[dist.join("Release.gpg"), dist.join("Release")]));
    fs::write(dist.join("Release"), release.replace("amd64", "amd65")).unwrap();
    assert!(!verified(&[dist.join("Release.gpg"), dist.join("Release")]));
}

#[test]
fn a_version_is_published_once_and_by_a_key_that_there_is() {
    let place = Place::new();
    assert!(place.publish(KEY, &[&place.package("0.1.0", "amd64", "first")]).status.success());
    let before = place.read("dists/stable/InRelease");
    let again = place.publish(KEY, &[&place.package("0.1.0", "amd64", "other octets")]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("a version is published once"), "{}", said(&again));
    let nobody = place.publish("nobody@example.org", &[&place.package("0.2.0", "amd64", "x")]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(said(&nobody).contains("gpg has no key 'nobody@example.org'"), "{}", said(&nobody));
    assert_eq!(place.read("dists/stable/InRelease"), before, "what was published stays");
    assert_eq!(place.publish(KEY, &[]).status.code(), Some(2));
}
