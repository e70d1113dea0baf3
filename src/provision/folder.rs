//! The folder of a fleet: its bundles, the broker's files, the authority and its keys. All for their owner alone. What is
//! there stays: a second run adds, and gives nobody another password.

use super::{
    authority::{Authority, AuthorityError, Issued},
    list::Entry,
    passwords, rights,
};
use crate::{
    bundle::{BUNDLE_SCHEMA, BUNDLE_START, Bundle, BundleError},
    config::parse_sensor,
    erase::erase,
    own_file,
    run::site_secret::fresh,
    sketch::SiteSecret,
};
use std::{
    collections::HashSet,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// How the broker's files begin.
const MARK: &str = "# Written by airtally provision";
/// How a file in PEM begins.
const PEM: &str = "-----BEGIN ";
/// How the line of a secret begins: a date of this century.
const SECRET: &str = "20";

/// What the broker's certificate is verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: no TLS.
    Plain,
    /// The folder's own authority.
    Own,
    /// What the sensors' systems trust.
    System,
    /// These authorities (PEM).
    Given(String),
}

/// How sensors log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// By user and password.
    Password,
    /// By a certificate of the folder's own authority.
    Certificate,
}

/// What holds for all of a fleet.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What verifies the broker.
    pub trust: Trust,
    /// How its clients log in.
    pub login: Login,
    /// The names and addresses that the broker is asked for by.
    pub server_names: Vec<String>,
    /// The broker's port.
    pub port: u16,
    /// The first levels of every topic.
    pub base_topic: String,
    /// Where the broker will find its files.
    pub broker_dir: String,
    /// The name of the ingest.
    pub ingest: String,
    /// The operator's public key (PEM), carried in every bundle.
    pub operator_key: Option<String>,
    /// The year it is.
    pub year: i16,
    /// The UTC day it is, counted from 1970.
    pub day: i64,
}

/// What became of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Bundles made.
    pub made: usize,
    /// Bundles that were there, and stay.
    pub kept: usize,
    /// Sensors that had a bundle once, which is not there any more.
    pub gone: Vec<String>,
    /// Whether a server certificate is there that was made before.
    pub kept_server: bool,
}

/// What keeps a folder from being filled.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read or written, or is not ours.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A bundle that is there is damaged.
    #[error("{}: {source}; or remove it, and its sensor gets another", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BundleError,
    },
    /// A bundle cannot be made.
    #[error("no bundle for {0}: {1}")]
    New(String, String),
    /// The authority refuses.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// One half of a pair is not there.
    #[error("{} is there without {}: bring the other back, or remove it", there.display(), missing.display())]
    Half {
        /// What is there.
        there: PathBuf,
        /// What is not.
        missing: PathBuf,
    },
    /// The folder was made for another broker.
    #[error(
        "{} was made with other options (TLS, login, port, base topic or the broker's folder), and what its sensors have \
         would not fit the broker any more: give the same options, or another folder", .0.display()
    )]
    Other(PathBuf),
}

/// The folder of a fleet.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        let folder = Self { root: root.to_owned() };
        folder.directory(root)?;
        Ok(folder)
    }

    /// Where the bundle of a sensor is.
    #[must_use]
    pub fn bundle(&self, entry: &Entry) -> PathBuf {
        self.root.join("bundles").join(&entry.site).join(format!("{}.bundle", entry.name))
    }

    /// Where the broker's files are.
    #[must_use]
    pub fn broker(&self) -> PathBuf {
        self.root.join("broker")
    }

    /// Makes what `entries` need and is not there yet. `configure` gives a sensor's configuration, `progress` hears how many
    /// are done.
    ///
    /// # Errors
    /// What keeps it from that; what was made by then stays, and the next run goes on.
    pub fn provision(
        &self,
        settings: &Settings,
        entries: &[Entry],
        configure: impl Fn(&Entry) -> Result<String, String>,
        progress: impl Fn(usize),
    ) -> Result<Outcome, FolderError> {
        let broker = self.broker();
        self.directory(&broker)?;
        let conf = broker.join("airtally.conf");
        let text = broker_conf(settings);
        match self.text(&conf, MARK)? {
            Some(found) if found != text => return Err(FolderError::Other(self.root.clone())),
            Some(_) => {}
            None => self.put(&conf, &text, MARK)?,
        }
        let mut outcome = Outcome::default();
        let own = settings.trust == Trust::Own || settings.login == Login::Certificate;
        let authority = if own { Some(self.authority(settings.year)?.0) } else { None };
        if let (Some(authority), Trust::Own) = (&authority, &settings.trust) {
            outcome.kept_server = !self.server(authority, &settings.server_names)?;
        }
        if own {
            self.put(&broker.join("airtally-ca.pem"), &self.certificate_of_authority()?, PEM)?;
        }

        let (acl, passwords) = (broker.join("airtally.acl"), broker.join("airtally.passwd"));
        let first = |what: &str| format!("{MARK}: {what}\n");
        let mut rights =
            Lines::new(self.text(&acl, MARK)?.unwrap_or_else(|| first("what each user may read and write.")));
        let mut users = Lines::new(
            self.text(&passwords, MARK)?.unwrap_or_else(|| first("the users, for mosquitto 2.0 and later.")),
        );
        let known: HashSet<String> = rights::users(&rights.text).map(str::to_owned).collect();
        let mut named: HashSet<String> = users.text.lines().filter_map(passwords::user).map(str::to_owned).collect();

        if !known.contains(&settings.ingest) {
            let folder = self.root.join("ingest");
            self.directory(&folder)?;
            let password = self.secrets(&folder, settings, authority.as_ref())?;
            if let Some(password) = password.filter(|_| !named.contains(&settings.ingest)) {
                users.add(&format!("{}\n", passwords::line(&settings.ingest, &password)));
            }
            rights.add(&rights::ingest(&settings.ingest, &settings.base_topic));
        }
        let trusted = match &settings.trust {
            Trust::Plain | Trust::System => None,
            Trust::Given(pem) => Some(pem.clone()),
            Trust::Own => Some(self.certificate_of_authority()?),
        };
        for (done, entry) in entries.iter().enumerate() {
            progress(done);
            let (user, path) = (entry.user(), self.bundle(entry));
            let bundle = if path.exists() {
                outcome.kept += 1;
                Bundle::read(&path).map_err(|source| FolderError::Bundle { path: path.clone(), source })?.0
            } else if known.contains(&user) {
                outcome.gone.push(user);
                continue;
            } else {
                outcome.made += 1;
                let mut bundle = new_bundle(&user, settings, authority.as_ref(), trusted.clone(), configure(entry))?;
                let config = parse_sensor(&path, &bundle.configuration);
                if config.is_ok_and(|config| config.sketch.enabled) {
                    bundle.site_secret = Some(self.site_secret(&entry.site, settings.day)?);
                }
                let text = bundle.write().map_err(|error| FolderError::New(user.clone(), error.to_string()))?;
                self.directory(&self.root.join("bundles"))?;
                self.directory(path.parent().unwrap_or(&self.root))?;
                self.put(&path, &text, BUNDLE_START)?;
                bundle
            };
            if let Some(password) = bundle.password.filter(|_| !named.contains(&user)) {
                users.add(&format!("{}\n", passwords::line(&user, &password)));
                named.insert(user.clone());
            }
            if !known.contains(&user) {
                rights.add(&rights::sensor(&user, &settings.base_topic, &entry.site, &entry.name));
            }
        }
        progress(entries.len());
        for (path, lines) in [(&passwords, users), (&acl, rights)] {
            if lines.changed || !path.exists() {
                self.put(path, &lines.text, MARK)?;
            }
        }
        Ok(outcome)
    }

    /// The authority, made if it is not there; whether it was made now.
    ///
    /// # Errors
    /// When one of its two files is missing, or is not one of ours.
    pub fn authority(&self, year: i16) -> Result<(Authority, bool), FolderError> {
        let (certificate, key) = (self.root.join("ca.pem"), self.root.join("ca.key"));
        match (self.text(&certificate, PEM)?, self.text(&key, PEM)?) {
            (Some(_), Some(key)) => Ok((Authority::open(&key, year)?, false)),
            (Some(_), None) => Err(FolderError::Half { there: certificate, missing: key }),
            (None, Some(_)) => Err(FolderError::Half { there: key, missing: certificate }),
            (None, None) => {
                let (authority, own) = Authority::new(year)?;
                self.pair(&certificate, &key, &own)?;
                Ok((authority, true))
            }
        }
    }

    /// The broker's certificate, made if it is not there; whether it was made now.
    ///
    /// # Errors
    /// When a name is no server's, or the files cannot be used.
    pub fn server(&self, authority: &Authority, names: &[String]) -> Result<bool, FolderError> {
        let broker = self.broker();
        self.directory(&broker)?;
        self.put(&broker.join("airtally-ca.pem"), &self.certificate_of_authority()?, PEM)?;
        let (certificate, key) = (broker.join("airtally-server.pem"), broker.join("airtally-server.key"));
        self.issued(&certificate, &key, || authority.server(names))
    }

    /// The certificate of a client, `clients/USER.pem`, made if it is not there; whether it was made now. The user is one
    /// name, or two with a slash between.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self, authority: &Authority, user: &str) -> Result<bool, FolderError> {
        let path = self.root.join("clients").join(user);
        self.directory(&self.root.join("clients"))?;
        self.directory(path.parent().unwrap_or(&self.root))?;
        let (certificate, key) = (own_file::beside(&path, ".pem"), own_file::beside(&path, ".key"));
        self.issued(&certificate, &key, || authority.client(user))
    }

    /// Today's secret of a site's sketches. It takes the place of the one of the day of the last run, which is overwritten: of
    /// days before today nobody has a key then.
    fn site_secret(&self, site: &str, day: i64) -> Result<String, FolderError> {
        let folder = self.root.join("sites");
        self.directory(&folder)?;
        let path = folder.join(format!("{site}.secret"));
        let fail = |source| FolderError::File { path: path.clone(), source };
        let found = self.text(&path, SECRET)?;
        let known = found.as_deref().map(str::parse::<SiteSecret>).transpose();
        let known = known.map_err(|error| fail(io::Error::other(error)))?;
        let today = match &known {
            // The clock was set back: sensors are ahead of it too.
            Some(known) if known.day() >= day => known.clone(),
            Some(known) => (known.day()..day)
                .try_fold(known.clone(), |secret, _| secret.on(secret.day() + 1))
                .ok_or_else(|| fail(io::Error::other("it cannot be taken to today")))?,
            None => fresh(day).map_err(|error| fail(io::Error::other(error)))?,
        };
        if known.as_ref() != Some(&today) {
            // What the old one's octets are called while the new one takes its name.
            let old = path.with_extension("old");
            erase(&old).map_err(fail)?;
            if known.is_some() {
                fs::hard_link(&path, &old).map_err(fail)?;
            }
            self.put(&path, &format!("{today}\n"), SECRET)?;
            erase(&old).map_err(fail)?;
        }
        Ok(today.to_string())
    }

    /// What an ingest logs in with; its password, if it has one.
    fn secrets(
        &self,
        folder: &Path,
        settings: &Settings,
        authority: Option<&Authority>,
    ) -> Result<Option<String>, FolderError> {
        match (settings.login, authority) {
            (Login::Certificate, Some(authority)) => {
                let (certificate, key) = (folder.join("client.pem"), folder.join("client.key"));
                self.issued(&certificate, &key, || authority.client(&settings.ingest))?;
                Ok(None)
            }
            _ => {
                let path = folder.join("password");
                let found = self.text(&path, "")?.and_then(|text| text.lines().next().map(str::to_owned));
                let password = found.unwrap_or_else(passwords::fresh);
                self.put(&path, &format!("{password}\n"), "")?;
                Ok(Some(password))
            }
        }
    }

    fn issued(
        &self,
        certificate: &Path,
        key: &Path,
        issue: impl FnOnce() -> Result<Issued, AuthorityError>,
    ) -> Result<bool, FolderError> {
        match (self.text(certificate, PEM)?, self.text(key, PEM)?) {
            (Some(_), Some(_)) => Ok(false),
            (Some(_), None) => Err(FolderError::Half { there: certificate.to_owned(), missing: key.to_owned() }),
            // A run that was cut off between the two: the key belongs to nothing yet.
            (None, _) => self.pair(certificate, key, &issue()?).map(|()| true),
        }
    }

    /// The key first: a certificate without its key would be in the way.
    fn pair(&self, certificate: &Path, key: &Path, issued: &Issued) -> Result<(), FolderError> {
        self.put(key, &issued.key, PEM)?;
        self.put(certificate, &issued.certificate, PEM)
    }

    fn certificate_of_authority(&self) -> Result<String, FolderError> {
        let path = self.root.join("ca.pem");
        let found = self.text(&path, PEM)?;
        found.ok_or_else(|| FolderError::File { path, source: io::ErrorKind::NotFound.into() })
    }

    fn directory(&self, path: &Path) -> Result<(), FolderError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| FolderError::File { path: path.to_owned(), source })
    }

    fn text(&self, path: &Path, start: &str) -> Result<Option<String>, FolderError> {
        let read = own_file::read(path, start.as_bytes(), "one that airtally provision wrote");
        let text = read
            .and_then(|octets| octets.map(|octets| String::from_utf8(octets).map_err(io::Error::other)).transpose());
        text.map_err(|source| FolderError::File { path: path.to_owned(), source })
    }

    fn put(&self, path: &Path, text: &str, start: &str) -> Result<(), FolderError> {
        own_file::replace(path, text.as_bytes(), start.as_bytes(), "one that airtally provision wrote")
            .map_err(|source| FolderError::File { path: path.to_owned(), source })
    }
}

/// A text that grows.
struct Lines {
    text: String,
    changed: bool,
}

impl Lines {
    fn new(text: String) -> Self {
        Self { text, changed: false }
    }

    fn add(&mut self, lines: &str) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(lines);
        self.changed = true;
    }
}

fn new_bundle(
    user: &str,
    settings: &Settings,
    authority: Option<&Authority>,
    ca: Option<String>,
    configuration: Result<String, String>,
) -> Result<Bundle, FolderError> {
    let configuration = configuration.map_err(|why| FolderError::New(user.to_owned(), why))?;
    let issued = match (settings.login, authority) {
        (Login::Certificate, Some(authority)) => Some(authority.client(user)?),
        _ => None,
    };
    let password = issued.is_none().then(passwords::fresh);
    let (certificate, key) = issued.map(|issued| (issued.certificate, issued.key)).unzip();
    let operator_key = settings.operator_key.clone();
    Ok(Bundle {
        schema: BUNDLE_SCHEMA.into(),
        configuration,
        password,
        ca,
        certificate,
        key,
        operator_key,
        site_secret: None,
    })
}

/// mosquitto's configuration for the fleet. It says all that the bundles depend on, so that another text is another fleet.
fn broker_conf(settings: &Settings) -> String {
    let Settings { port, base_topic, broker_dir, .. } = settings;
    let mut text = format!(
        "{MARK}, for /etc/mosquitto/conf.d/. Topics are below {base_topic}/.\n\
         # What an absent ingest has not fetched waits on disk; in numbers and octets, so that the disk is safe.\n\
         persistence true\nautosave_interval 60\nmax_queued_messages 100000\nmax_queued_bytes 268435456\n\
         persistent_client_expiration 14d\n\nlistener {port}\nallow_anonymous false\nacl_file {broker_dir}/airtally.acl\n"
    );
    if settings.login == Login::Password {
        text.push_str(&format!("password_file {broker_dir}/airtally.passwd\n"));
    }
    if settings.trust != Trust::Plain {
        text.push_str(&format!(
            "certfile {broker_dir}/airtally-server.pem\nkeyfile {broker_dir}/airtally-server.key\n"
        ));
    }
    if settings.login == Login::Certificate {
        text.push_str(&format!(
            "# A client is who its certificate says.\ncafile {broker_dir}/airtally-ca.pem\nrequire_certificate true\n\
             use_identity_as_username true\n"
        ));
    }
    text
}
