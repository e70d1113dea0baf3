//! Certificates made by openssl for one test: an authority, a server, a client, and a stranger's authority.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// PEM files in a directory of their own.
pub struct Certs {
    dir: tempfile::TempDir,
}

impl Certs {
    /// The server's certificate is for `server_name` alone.
    pub fn new(server_name: &str) -> Self {
        let certs = Self { dir: tempfile::tempdir().unwrap() };
        certs.authority("ca");
        certs.authority("stranger");
        certs.issue("ca", "server", server_name);
        certs.issue("ca", "client", "airtally");
        certs.issue("stranger", "intruder", "airtally");
        certs
    }

    /// A file by its name, like `ca.pem` or `client.key`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn authority(&self, name: &str) {
        self.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &format!("/CN=airtally test {name}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.pem"),
        ]);
    }

    fn issue(&self, by: &str, name: &str, dns: &str) {
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            &format!("/CN={dns}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.csr"),
        ]);
        std::fs::write(self.path("ext"), format!("subjectAltName=DNS:{dns}\n")).unwrap();
        self.openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &format!("{name}.csr"),
            "-CA",
            &format!("{by}.pem"),
            "-CAkey",
            &format!("{by}.key"),
            "-CAcreateserial",
            "-extfile",
            "ext",
            "-out",
            &format!("{name}.pem"),
        ]);
    }

    fn openssl(&self, arguments: &[&str]) {
        let status = Command::new("openssl")
            .args(arguments)
            .current_dir(self.dir.path() as &Path)
            .stderr(Stdio::null())
            .status()
            .expect("these tests need openssl: apt-get install openssl");
        assert!(status.success(), "openssl {arguments:?}");
    }
}
