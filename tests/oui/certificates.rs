//! A private certificate authority, for the tests of the registry's client and server.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path, process::Command};

/// Makes `ca.pem`, and `cert.pem` with `key.pem` for localhost, in `dir`.
pub fn certificates(dir: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").current_dir(dir).args(arguments.split(' ')).output().expect("openssl");
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    fs::write(dir.join("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(&format!("req -x509 {KEY} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(&format!("req {KEY} -subj /CN=localhost -keyout key.pem -out csr"));
    openssl("x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem");
}
