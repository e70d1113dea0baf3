//! Certificates made by openssl for one test: an authority, a server, a client, and a stranger's authority.

#![allow(dead_code)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A new key on the curve P-256, for nobody to type a password for.
const KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

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

    /// A certificate that its own holder signs: `mark` is what it says of itself (basicConstraints).
    pub fn self_signed(&self, name: &str, dns: &str, mark: &str) {
        let names = format!("subjectAltName=DNS:{dns}");
        let mark = format!("basicConstraints=critical,{mark}");
        let subject = format!("/CN={name}");
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let files = ["-days", "2", "-subj", &subject, "-keyout", &key, "-out", &pem];
        let marks = ["-addext", &names, "-addext", &mark];
        self.openssl(&[&["req", "-x509"], KEY, &files, &marks].concat());
    }

    /// A certificate of the authority `ca` with these dates, like `20200101000000Z`, and these extensions.
    pub fn dated(&self, name: &str, from: &str, until: &str, extensions: &str) {
        self.request(name, "localhost");
        let at = |name: &str| self.path(name).display().to_string();
        for (file, content) in [("index", ""), ("serial", "77\n"), ("ext", extensions)] {
            std::fs::write(at(file), content).unwrap();
        }
        let config = "[ca]\ndefault_ca=a\n[a]\nnew_certs_dir=.\ndatabase=index\nserial=serial\npolicy=p\ndefault_md=sha256\n\
                      certificate=ca.pem\nprivate_key=ca.key\n[p]\ncommonName=supplied\n";
        std::fs::write(at("ca.conf"), config).unwrap();
        let (csr, pem) = (format!("{name}.csr"), format!("{name}.pem"));
        let dates = ["-startdate", from, "-enddate", until, "-in", &csr, "-out", &pem];
        self.openssl(&[&["ca", "-batch", "-notext", "-config", "ca.conf", "-extfile", "ext"][..], &dates].concat());
    }

    /// A certificate without a name but the common one, of X.509 version 1, as `openssl x509 -req` makes it by itself.
    pub fn nameless(&self, name: &str) {
        self.request(name, "localhost");
        let (csr, pem) = (format!("{name}.csr"), format!("{name}.pem"));
        let by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        self.openssl(&[&["x509", "-req", "-days", "2", "-in", &csr, "-out", &pem][..], &by].concat());
    }

    fn authority(&self, name: &str) {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let subject = format!("/CN=airtally test {name}");
        let files = ["-days", "2", "-subj", &subject, "-keyout", &key, "-out", &pem];
        self.openssl(&[&["req", "-x509"], KEY, &files].concat());
    }

    fn request(&self, name: &str, dns: &str) {
        let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
        let subject = format!("/CN={dns}");
        self.openssl(&[&["req"], KEY, &["-subj", &subject, "-keyout", &key, "-out", &csr]].concat());
    }

    fn issue(&self, by: &str, name: &str, dns: &str) {
        self.request(name, dns);
        std::fs::write(self.path("ext"), format!("subjectAltName=DNS:{dns}\n")).unwrap();
        let (csr, pem) = (format!("{name}.csr"), format!("{name}.pem"));
        let (ca, key) = (format!("{by}.pem"), format!("{by}.key"));
        let by = ["-CA", &ca, "-CAkey", &key, "-CAcreateserial", "-extfile", "ext"];
        self.openssl(&[&["x509", "-req", "-days", "2", "-in", &csr, "-out", &pem][..], &by].concat());
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
