//! `airtally provision`: from a list of sensors to a bundle each, with the broker's files; and a small certificate
//! authority for a broker of one's own.

use super::{
    format::{self, UsageError},
    setup::{SENSOR_SAMPLE, files::Document},
};
use crate::{
    UnixNanos,
    bounds::Mistakes,
    bundle::operator_key,
    config::{Mqtt, Sensor, load_sensor, topic_level},
    printable::printable,
    provision::{
        folder::{Folder, FolderError, Login, Outcome, Settings, Trust},
        list::{self, Entry},
    },
    sketch::day_of,
    units::noun,
};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

/// Makes a bundle for each sensor of a list, and the broker's users, rights and certificates
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  airtally provision --sensors list.csv --out fleet --broker broker.lan
  airtally provision --sensors list.csv --out fleet --broker broker.lan --login certificate
  airtally provision --sensors list.csv --out fleet --broker 192.0.2.7:1883 --tls none
  airtally provision ca --out fleet --server broker.lan --server 192.0.2.7

The list is CSV: name,site,label,location; the last two may be missing. Of a list with a bad line nothing is made. What
is in the folder stays, so run it again when there are more sensors. On each sensor: airtally setup --bundle FILE."
)]
pub struct ProvisionArgs {
    #[command(subcommand)]
    command: Option<Only>,
    /// The sensors: CSV with the columns name, site, label, location
    #[arg(long, value_name = "FILE", required = true)]
    sensors: Option<PathBuf>,
    /// The folder of the fleet: its bundles, the broker's files, the authority's key
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
    /// The broker as sensors reach it, with a port if it is not the usual one
    #[arg(long, value_name = "HOST[:PORT]", required = true)]
    broker: Option<String>,
    /// What the broker's certificate is verified with
    #[arg(long, value_enum, default_value_t = Tls::Own)]
    tls: Tls,
    /// Other authorities of the broker's certificate (PEM), in place of --tls
    #[arg(long, value_name = "FILE", conflicts_with = "tls")]
    ca_file: Option<PathBuf>,
    /// How sensors log in
    #[arg(long, value_enum, default_value_t = LoginChoice::Password)]
    login: LoginChoice,
    /// A sensor.toml that all begin with: privacy, channels, window; the shipped one where absent
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The operator's public key (Ed25519, PEM), which each sensor keeps for later operations
    #[arg(long, value_name = "FILE")]
    operator_key: Option<PathBuf>,
    /// The ingest that gets a user at the broker
    #[arg(long, value_name = "NAME", default_value = "ingest-1")]
    ingest: String,
    /// Further names and addresses of the broker, for its certificate
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// Where the broker finds its files
    #[arg(long, value_name = "DIR", default_value = "/etc/mosquitto")]
    broker_dir: String,
}

#[derive(Debug, Subcommand)]
enum Only {
    Ca(CaArgs),
}

/// Makes the authority alone, with certificates for a broker and for clients
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally provision ca --out fleet --server broker.lan --server 192.0.2.7
  airtally provision ca --out fleet --client ingest-2

What is there stays: to have another certificate made, remove the old one and its key.")]
struct CaArgs {
    /// The folder: ca.pem and ca.key, broker/airtally-server.pem and .key, clients/NAME.pem and .key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A name or an address that the broker is asked for by
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// A client to have a certificate: the user that the broker takes it for, like ingest-2 or home/attic
    #[arg(long = "client", value_name = "USER")]
    clients: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tls {
    /// The folder's own authority, which also makes the broker's certificate
    Own,
    /// The authorities that the sensors' system trusts
    System,
    /// No TLS: passwords and counts cross the network readable
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LoginChoice {
    /// By user and password
    Password,
    /// By a certificate of the folder's own authority
    Certificate,
}

/// Reads the list, fills the folder, says what it holds.
pub fn run(arguments: &ProvisionArgs) -> anyhow::Result<()> {
    let (sensors, out, broker) = match (&arguments.command, &arguments.sensors, &arguments.out, &arguments.broker) {
        (Some(Only::Ca(arguments)), ..) => return authority(arguments),
        (None, Some(sensors), Some(out), Some(broker)) => (sensors, out, broker),
        _ => return Err(UsageError("--sensors, --out and --broker go together".into()).into()),
    };
    let entries = entries(sensors)?;
    let (host, port) = host_and_port(broker)?;
    let base = base(arguments.config.as_deref())?;
    let settings = settings(arguments, &host, port, &base.1.mqtt)?;
    let bar = bar(entries.len());
    let configure = |entry: &Entry| Ok(configuration(&base, entry, &host, port, &settings.trust));
    let outcome = Folder::open(out)
        .and_then(|folder| folder.provision(&settings, &entries, configure, |done| bar.set_position(done as u64)));
    bar.finish_and_clear();
    told(out, &settings, &outcome.map_err(as_usage)?)?;
    Ok(())
}

fn entries(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    list::read(file).map_err(|mistakes| {
        let lines: Vec<&str> = mistakes.lines().collect();
        if let [only] = lines[..] {
            return UsageError(format!("{}: {only}; nothing was made", path.display())).into();
        }
        lines.iter().for_each(|line| format::tell(format!("{}: {line}", path.display())));
        UsageError(format!("{} has mistakes: nothing was made", path.display())).into()
    })
}

/// `HOST`, `HOST:PORT`, `[2001:db8::1]:PORT`, or an address of IPv6 alone.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), UsageError> {
    let wrong = || UsageError(format!("--broker {text}: give a host or an address, and after a ':' a port if need be"));
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            (
                host,
                rest.strip_prefix(':')
                    .map_or_else(|| if rest.is_empty() { Ok(None) } else { Err(wrong()) }, |port| Ok(Some(port)))?,
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        },
    };
    let port = port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)).transpose()?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(is_host) { Err(wrong()) } else { Ok((host.to_owned(), port)) }
}

/// What every sensor's configuration begins with: as text, and as it is understood.
fn base(path: Option<&Path>) -> anyhow::Result<(Document, Sensor)> {
    Ok(match path {
        Some(path) => {
            let config = load_sensor(path)?;
            (Document::open(path, "")?, config)
        }
        None => (Document::parse(Path::new("sensor.toml"), SENSOR_SAMPLE)?, Sensor::default()),
    })
}

fn settings(arguments: &ProvisionArgs, host: &str, port: Option<u16>, mqtt: &Mqtt) -> anyhow::Result<Settings> {
    let trust = match (&arguments.ca_file, arguments.tls) {
        (Some(path), _) => Trust::Given(read(path)?),
        (None, Tls::Own) => Trust::Own,
        (None, Tls::System) => Trust::System,
        (None, Tls::None) => Trust::Plain,
    };
    let login = match arguments.login {
        LoginChoice::Password => Login::Password,
        LoginChoice::Certificate => Login::Certificate,
    };
    if trust == Trust::Plain && login == Login::Certificate {
        return Err(UsageError("--login certificate needs TLS: leave out --tls none".into()).into());
    }
    name("--ingest", &arguments.ingest)?;
    if arguments.broker_dir.contains(char::is_control) || !arguments.broker_dir.starts_with('/') {
        return Err(UsageError("--broker-dir: give the whole path, from /".into()).into());
    }
    let operator_key = arguments.operator_key.as_deref().map(|path| {
        let key = operator_key(&read(path)?);
        anyhow::Ok(key.map_err(|what| UsageError(format!("{}: {what}", path.display())))?)
    });
    // An ingest beside the broker asks for it by one of the last three.
    let mut server_names: Vec<String> = Vec::new();
    let named = [host].into_iter().chain(arguments.servers.iter().map(String::as_str));
    for name in named.chain(["localhost", "127.0.0.1", "::1"]) {
        if !server_names.iter().any(|other| other == name) {
            server_names.push(name.to_owned());
        }
    }
    Ok(Settings {
        port: port.unwrap_or(if trust == Trust::Plain { 1883 } else { 8883 }),
        trust,
        login,
        server_names,
        base_topic: mqtt.base_topic.clone(),
        broker_dir: arguments.broker_dir.trim_end_matches('/').to_owned(),
        ingest: arguments.ingest.clone(),
        operator_key: operator_key.transpose()?,
        year: year(),
        day: day_of(UnixNanos::now()),
    })
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn year() -> i16 {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year()
}

/// The text of one sensor's configuration.
fn configuration(
    (base, meant): &(Document, Sensor),
    entry: &Entry,
    host: &str,
    port: Option<u16>,
    trust: &Trust,
) -> String {
    let mut document = base.clone();
    document.set("", "site", entry.site.as_str());
    document.set("", "sensor", entry.name.as_str());
    for (key, text) in [("label", &entry.label), ("location", &entry.location)] {
        if !text.is_empty() {
            document.set("", key, text.as_str());
        }
    }
    document.set("mqtt", "host", host);
    match port {
        Some(port) => document.set("mqtt", "port", i64::from(port)),
        None => document.unset("mqtt", "port"),
    }
    document.set("mqtt", "username", entry.user());
    document.unset("mqtt", "password_file");
    document.unset("mqtt", "client_id");
    document.unset("mqtt", "tls");
    if *trust != Trust::Plain {
        document.set("mqtt", "tls", toml_edit::InlineTable::new());
        if let Some(name) = meant.mqtt.tls.as_ref().and_then(|tls| tls.server_name.as_deref()) {
            document.set("mqtt.tls", "server_name", name);
        }
    }
    document.whole()
}

/// A bar of the bundles that are made: on a terminal only.
fn bar(total: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total as u64);
    match ProgressStyle::with_template("{bar:30} {pos} of {len} sensors, {eta} left") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// What the folder holds now, and what comes next.
fn told(out: &Path, settings: &Settings, outcome: &Outcome) -> io::Result<()> {
    let Outcome { made, kept, gone, kept_server } = outcome;
    let out = out.display().to_string();
    let out = printable(&out);
    let mut lines =
        vec![format!("{made} {} made: {out}/bundles/SITE/NAME.bundle", noun(*made as u64, "bundle", "bundles"))];
    if *kept > 0 {
        lines.push(format!("{kept} {} kept, passwords and all", noun(*kept as u64, "bundle", "bundles")));
    }
    if !gone.is_empty() {
        let named = gone.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = gone.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(format!(
            "not made again, because the broker knows them and their bundles are gone: {named}{more}; for another bundle take \
             their lines out of {out}/broker/airtally.acl and airtally.passwd"
        ));
    }
    lines.push(format!(
        "the broker's files: {out}/broker, to go to {} (its configuration to conf.d)",
        settings.broker_dir
    ));
    match settings.trust {
        Trust::Own if *kept_server => lines
            .push("the broker's certificate stays: to have one for other names made, remove it and its key".to_owned()),
        Trust::Own => {
            let names: BTreeSet<&str> = settings.server_names.iter().map(String::as_str).collect();
            let names: Vec<&str> = names.into_iter().collect();
            lines.push(format!("the broker's certificate is for {}", names.join(", ")));
        }
        Trust::System | Trust::Given(_) => lines.push(
            "put the broker's own certificate and key beside them, as airtally-server.pem and airtally-server.key"
                .to_owned(),
        ),
        Trust::Plain => lines.push("no TLS: passwords and counts cross the network readable".to_owned()),
    }
    let way = if settings.login == Login::Password { "password" } else { "client.pem and client.key" };
    lines.push(format!("ingest logs in as '{}', with {out}/ingest/{way}", settings.ingest));
    if settings.trust == Trust::Own || settings.login == Login::Certificate {
        lines.push(format!("{out}/ca.key can make anybody a sensor: keep it to yourself"));
    }
    lines.push("next, on each sensor: sudo airtally setup --bundle NAME.bundle".to_owned());
    writeln!(io::stdout(), "{}", lines.join("\n"))
}

/// Refuses what cannot be a level of a topic.
fn name(option: &str, value: &str) -> Result<(), UsageError> {
    let mut found = Mistakes::default();
    topic_level(&mut found, option, value);
    match found.found().into_iter().next() {
        None => Ok(()),
        Some(wrong) => Err(UsageError(format!("{option}: {}", wrong.message))),
    }
}

/// `airtally provision ca`.
fn authority(arguments: &CaArgs) -> anyhow::Result<()> {
    for user in &arguments.clients {
        let levels: Vec<&str> = user.split('/').collect();
        levels.iter().try_for_each(|level| name("--client", level))?;
        if levels.len() > 2 {
            return Err(UsageError(format!("--client {user}: give one name, or site and name: home/attic")).into());
        }
    }
    let folder = Folder::open(&arguments.out)?;
    let (authority, made) = folder.authority(year()).map_err(as_usage)?;
    let state = |made: bool| if made { "made" } else { "kept" };
    let out = arguments.out.display().to_string();
    let out = printable(&out);
    let mut lines = vec![format!(
        "{}: {out}/ca.pem, and {out}/ca.key, which can make anybody a client: keep it to yourself",
        state(made)
    )];
    if !arguments.servers.is_empty() {
        let made = folder.server(&authority, &arguments.servers).map_err(as_usage)?;
        let names = if made { format!(" for {}", arguments.servers.join(", ")) } else { String::new() };
        lines.push(format!("{}: {out}/broker/airtally-server.pem and .key{names}", state(made)));
    }
    for user in &arguments.clients {
        let made = folder.client(&authority, user).map_err(as_usage)?;
        lines.push(format!("{}: {out}/clients/{user}.pem and .key", state(made)));
    }
    writeln!(io::stdout(), "{}", lines.join("\n"))?;
    Ok(())
}

/// What a person gave, and cannot be: a usage mistake.
fn as_usage(error: FolderError) -> anyhow::Error {
    match error {
        FolderError::Other(_) | FolderError::Authority(_) => UsageError(error.to_string()).into(),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::parse_sensor;

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("broker.lan", "broker.lan", None),
            ("broker.lan:1884", "broker.lan", Some(1884)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]:1884", "2001:db8::1", Some(1884)),
            ("[2001:db8::1]", "2001:db8::1", None),
        ] {
            assert_eq!(host_and_port(text).unwrap(), (host.to_owned(), port), "{text}");
        }
        for text in ["", ":1883", "mqtt://broker", "broker:", "broker:0", "broker:65536", "[::1", "[::1]1", "a b"] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_configuration_keeps_what_all_have_and_names_no_file() {
        let text = "site = \"x\"\nsensor = \"y\"\n[privacy]\nmac = \"vendor\" # ours\n[mqtt]\nclient_id = \"one\"\nusername = \"y\"\n\
                    password_file = \"/p\"\nport = 1\n[mqtt.tls]\nca_file = \"/c\"\nserver_name = \"b\"\n";
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("sensor.toml");
        fs::write(&path, text).unwrap();
        let base = base(Some(&path)).unwrap();
        let entry = Entry { name: "attic".into(), site: "home".into(), label: "Attic".into(), location: String::new() };
        let text = configuration(&base, &entry, "broker.lan", None, &Trust::Own);
        let config = parse_sensor(Path::new("x"), &text).unwrap();
        assert!(text.contains("mac = \"vendor\" # ours"), "{text}");
        assert_eq!((config.label.as_str(), config.mqtt.username.as_deref()), ("Attic", Some("home/attic")));
        assert_eq!((config.mqtt.port, config.mqtt.client_id, config.mqtt.password_file), (None, None, None));
        let tls = config.mqtt.tls.unwrap();
        assert_eq!((tls.ca_file, tls.server_name.as_deref()), (None, Some("b")));
        let plain = configuration(&base, &entry, "broker.lan", Some(1884), &Trust::Plain);
        assert_eq!(parse_sensor(Path::new("x"), &plain).unwrap().mqtt.tls, None);
    }
}
