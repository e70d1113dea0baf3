//! `airtally setup`: from a fresh installation to a sensor or an ingest that runs.

mod ask;
mod files;
mod system;

use super::format::UsageError;
use crate::{
    config::{Mqtt, SecretFile, load_ingest, load_sensor},
    mqtt,
    radio::{
        control::{CardControl as _, Phy},
        nl80211::Kernel,
        select::{Wanted, choose, title},
    },
};
use anyhow::{Context as _, bail};
use ask::Asker;
use clap::{Args, ValueEnum};
use files::Document;
use std::{
    io::{self, BufRead, IsTerminal as _, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use toml_edit::{Table, value};

/// How long the broker may take to answer.
const BROKER_PATIENCE: Duration = Duration::from_secs(20);

const SENSOR_SAMPLE: &str = include_str!("../../config/sensor.toml");
const INGEST_SAMPLE: &str = include_str!("../../config/ingest.toml");
const HISTORY: &str = "/var/lib/airtally-ingest/history.sqlite";

/// Finds the card, asks for broker and names, writes the configuration, tries it, and starts what was asked for
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo airtally setup                                       asks
  sudo airtally setup --role sensor --site home --sensor attic --broker broker.lan --yes
  sudo airtally setup --role ingest --broker localhost --user ingest-1 --password-file pw --yes

What is not given is asked for; with --yes it is what the configuration says already. Comments and
all other keys of the configuration stay. Run it again at any time.")]
pub struct SetupArgs {
    /// What this machine is to be
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// The place, a level of every topic (sensor)
    #[arg(long)]
    site: Option<String>,
    /// This sensor's name within the place (sensor)
    #[arg(long, value_name = "NAME")]
    sensor: Option<String>,
    /// The card to listen with: an interface, a card, or its address; the spare one where absent (sensor)
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// What is kept of addresses: plain, pseudonym or vendor (sensor)
    #[arg(long, value_parser = ["plain", "pseudonym", "vendor"])]
    privacy: Option<String>,
    /// This ingest's name (ingest)
    #[arg(long, value_name = "NAME")]
    ingest: Option<String>,
    /// Where batches are stored (ingest)
    #[arg(long, value_parser = ["sqlite", "influx-v1", "influx-v2"])]
    store: Option<String>,
    /// The database's address, for influx-v1 and influx-v2 (ingest)
    #[arg(long, value_name = "URL")]
    influx_url: Option<String>,
    /// Database (influx-v1) or bucket (influx-v2) (ingest)
    #[arg(long, value_name = "NAME")]
    influx_db: Option<String>,
    /// Organisation (influx-v2) (ingest)
    #[arg(long, value_name = "NAME")]
    influx_org: Option<String>,
    /// File with the token (influx-v2) (ingest)
    #[arg(long, value_name = "FILE")]
    influx_token_file: Option<PathBuf>,
    /// The broker, with a port if it is not the usual one
    #[arg(long, value_name = "HOST[:PORT]")]
    broker: Option<String>,
    /// Speak TLS with the broker
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    tls: Option<bool>,
    /// Certificate authority of the broker (PEM), where the system does not know it
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// User name at the broker
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// File with the password; it is copied to where only root can read it
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Never ask
    #[arg(long)]
    yes: bool,
    /// Write the configuration, and neither try nor start anything
    #[arg(long)]
    no_start: bool,
    /// Where the configuration is
    #[arg(long, value_name = "DIR", default_value = "/etc/airtally", hide = true)]
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    Sensor,
    Ingest,
    Both,
}

/// Asks, writes, tries, starts.
pub fn run(arguments: &SetupArgs) -> anyhow::Result<()> {
    let terminal = io::stdin().is_terminal();
    if !arguments.yes && !terminal && arguments.role.is_none() {
        let message = "nobody is at a terminal to answer: pass --role and the answers as options, and --yes";
        return Err(UsageError(message.into()).into());
    }
    if !arguments.directory.is_dir() {
        bail!("there is no {}: install the package, or make it", arguments.directory.display());
    }
    let mut asker = Asker::new(io::stdin().lock(), io::stderr(), !arguments.yes);
    let roles = [("sensor", "listens, counts, publishes"), ("ingest", "stores what sensors publish"), ("both", "both")];
    let given = arguments.role.and_then(|role| role.to_possible_value()).map(|value| value.get_name().to_owned());
    let only = (!cfg!(feature = "ingest")).then_some("sensor");
    let role = asker.choice("What is this machine to be?", &roles, given.as_deref().or(only), "sensor")?;
    if only.is_some_and(|only| only != role) {
        let message =
            "this program is a sensor alone: for ingest, install the package airtally in place of airtally-sensor";
        return Err(UsageError(message.into()).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut units = Vec::new();
    if role != "sensor" {
        let mqtt = ingest(arguments, &mut asker)?;
        if !arguments.no_start {
            runtime.block_on(try_broker(&mqtt, "airtally-setup-ingest"))?;
        }
        units.push("airtally-ingest");
    }
    if role != "ingest" {
        let mqtt = runtime.block_on(sensor(arguments, &mut asker))?;
        if !arguments.no_start {
            runtime.block_on(try_broker(&mqtt, "airtally-setup-sensor"))?;
        }
        units.push("airtally-sensor");
    }
    if !arguments.no_start {
        for unit in units {
            system::start(unit)?;
        }
        system::keep_registry_fresh();
    }
    Ok(())
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes the sensor's configuration; how it reaches the broker, as root can try it.
async fn sensor<R: BufRead, W: Write>(arguments: &SetupArgs, asker: &mut Asker<R, W>) -> anyhow::Result<Mqtt> {
    let path = arguments.directory.join("sensor.toml");
    let fresh = !path.exists() || std::fs::read_to_string(&path)? == SENSOR_SAMPLE;
    let mut document = Document::open(&path, SENSOR_SAMPLE)?;
    let site = asker.text("Site", arguments.site.as_deref(), &document.text("", "site", "home"))?;
    let named = if fresh { system::host_name() } else { document.text("", "sensor", "sensor-1") };
    let name = asker.text("This sensor's name", arguments.sensor.as_deref(), &named)?;
    document.set("", "site", site);
    document.set("", "sensor", name);

    let interface = card(arguments, asker, &document).await?;
    document.set("source", "kind", "radio");
    document.set("radio", "interface", interface.as_str());

    let modes = [
        ("plain", "addresses as they are"),
        ("pseudonym", "keyed hashes, a new key every day"),
        ("vendor", "no stations at all, only sums per vendor"),
    ];
    let now = document.text("privacy", "mac", "plain");
    let mac = asker.choice("What is kept of the addresses?", &modes, arguments.privacy.as_deref(), &now)?;
    document.set("privacy", "mac", mac);

    let secret = broker(arguments, asker, &mut document, "sensor")?;
    let written = document.write()?;
    system::leave_to_us(&interface)?;
    say(&format!("wrote {}", written.display()));
    Ok(reachable_by_root(load_sensor(&written)?.mqtt, secret))
}

/// The card: the one named, else the spare one, else the one that a person picks.
async fn card<R: BufRead, W: Write>(
    arguments: &SetupArgs,
    asker: &mut Asker<R, W>,
    document: &Document,
) -> anyhow::Result<String> {
    let phys = Kernel::open()?.phys().await?;
    let wanted = |interface| Wanted { interface, ..Wanted::default() };
    let able: Vec<&Phy> = phys.iter().filter(|phy| phy.can_monitor()).collect();
    let chosen = choose(&phys, wanted(arguments.interface.as_deref()));
    let suggestion = match &chosen {
        Ok(phy) => names(phy).first().cloned().unwrap_or_default(),
        // A name that is there no more is no suggestion.
        Err(_) => Some(document.text("radio", "interface", ""))
            .filter(|name| able.iter().any(|phy| names(phy).contains(name)))
            .unwrap_or_default(),
    };
    let name = if let (Some(_), Ok(_)) = (&arguments.interface, &chosen) {
        suggestion
    } else if arguments.yes || arguments.interface.is_some() {
        match chosen {
            Ok(_) => suggestion,
            Err(why) => bail!("{why}"),
        }
    } else {
        for phy in &able {
            let note = if phy.is_uplink() { ", which carries the default route" } else { "" };
            say(&format!("can listen: {}, driver {}{note}", title(phy), phy.driver.as_deref().unwrap_or("unknown")));
        }
        if able.is_empty() {
            bail!("there is no card that can listen: `airtally radio list` says what there is");
        }
        asker.text("Listen with", None, &suggestion)?
    };
    let phy = choose(&phys, wanted(Some(&name)))?;
    if phy.rfkill.hard || phy.rfkill.soft {
        bail!("{} is switched off (rfkill): `rfkill unblock wifi`, or its switch, turns it on", title(phy));
    }
    say(&format!("listening with {name}: {}", title(phy)));
    Ok(name)
}

fn names(phy: &Phy) -> Vec<String> {
    phy.interfaces.iter().map(|interface| interface.name.clone()).collect()
}

/// Writes ingest's configuration; how it reaches the broker, as root can try it.
fn ingest<R: BufRead, W: Write>(arguments: &SetupArgs, asker: &mut Asker<R, W>) -> anyhow::Result<Mqtt> {
    let path = arguments.directory.join("ingest.toml");
    let mut document = Document::open(&path, INGEST_SAMPLE)?;
    let name = asker.text("This ingest's name", arguments.ingest.as_deref(), &document.text("", "name", "ingest-1"))?;
    document.set("", "name", name);
    let stores = [
        ("sqlite", "a history on this machine, for `airtally history`"),
        ("influx-v1", "InfluxDB 1.x"),
        ("influx-v2", "InfluxDB 2 or 3, VictoriaMetrics"),
    ];
    match asker.choice("Where is it stored?", &stores, arguments.store.as_deref(), "sqlite")?.as_str() {
        "sqlite" => document.set("sqlite", "path", document.text("sqlite", "path", HISTORY)),
        kind => {
            let url = asker.text("Its address", arguments.influx_url.as_deref(), "http://localhost:8086")?;
            let what = if kind == "influx-v1" { "Database" } else { "Bucket" };
            let place = asker.text(what, arguments.influx_db.as_deref(), "airtally")?;
            let mut table = Table::new();
            table.insert("name", value("influx"));
            table.insert("url", value(url));
            if kind == "influx-v1" {
                table.insert("api", value("v1"));
                table.insert("db", value(place));
            } else {
                table.insert("api", value("v2"));
                table.insert("bucket", value(place));
                table.insert("org", value(asker.text("Organisation", arguments.influx_org.as_deref(), "home")?));
                let token = secret_file(arguments.influx_token_file.as_deref())?;
                let token = if token.is_none() { asker.secret("Token")? } else { token };
                table.insert("token_file", value(system::credential("ingest", "influx-token")));
                if let Some(token) = token {
                    keep_secret(&arguments.directory, "ingest", "influx-token", &token)?;
                }
            }
            document.put("influx", table);
        }
    }
    let secret = broker(arguments, asker, &mut document, "ingest")?;
    let written = document.write()?;
    say(&format!("wrote {}", written.display()));
    Ok(reachable_by_root(load_ingest(&written)?.mqtt, secret))
}

/// Asks for the broker; where the password is now, if there is one.
fn broker<R: BufRead, W: Write>(
    arguments: &SetupArgs,
    asker: &mut Asker<R, W>,
    document: &mut Document,
    role: &str,
) -> anyhow::Result<Option<PathBuf>> {
    let now = document.text("mqtt", "host", "localhost");
    let answer = asker.text("Broker (host, or host:port)", arguments.broker.as_deref(), &now)?;
    match answer.rsplit_once(':').filter(|(host, _)| !host.contains(':')) {
        Some((host, port)) => {
            let port: u16 = port.parse().map_err(|_| UsageError(format!("'{port}' is no port: 1 to 65535")))?;
            document.set("mqtt", "host", host);
            document.set("mqtt", "port", i64::from(port));
        }
        None => document.set("mqtt", "host", answer),
    }
    if arguments.ca_file.is_some() || asker.yes("TLS (y, n)", arguments.tls, false)? {
        let ca =
            asker.text("Its authority's certificate (empty: the system knows it)", arguments.ca_file.as_deref(), "")?;
        if ca.is_empty() {
            document.set("mqtt", "tls", toml_edit::InlineTable::new());
        } else {
            document.set("mqtt.tls", "ca_file", ca);
        }
    } else if arguments.tls == Some(false) {
        document.unset("mqtt", "tls");
    }
    let user = asker.text(
        "User at the broker (empty: none)",
        arguments.user.as_deref(),
        &document.text("mqtt", "username", ""),
    )?;
    if user.is_empty() {
        return Ok(None);
    }
    document.set("mqtt", "username", user);
    let password = secret_file(arguments.password_file.as_deref())?;
    let password = if password.is_none() { asker.secret("Password")? } else { password };
    if let Some(password) = &password {
        keep_secret(&arguments.directory, role, "mqtt-password", password)?;
    }
    let kept = secret_path(&arguments.directory, role, "mqtt-password");
    if kept.exists() {
        document.set("mqtt", "password_file", system::credential(role, "mqtt-password"));
        return Ok(Some(kept));
    }
    Ok(None)
}

fn secret_file(path: Option<&Path>) -> anyhow::Result<Option<String>> {
    path.map(|path| Ok(SecretFile(path.to_owned()).read_line()?)).transpose()
}

fn secret_path(directory: &Path, role: &str, name: &str) -> PathBuf {
    directory.join(format!("{role}.secrets")).join(name)
}

fn keep_secret(directory: &Path, role: &str, name: &str, secret: &str) -> anyhow::Result<()> {
    files::write(&secret_path(directory, role, name), format!("{secret}\n").as_bytes(), 0o600, false)
}

/// The daemon's own credential exists only while it runs: the file it comes from does instead.
fn reachable_by_root(mut mqtt: Mqtt, secret: Option<PathBuf>) -> Mqtt {
    if let Some(secret) = secret {
        mqtt.password_file = Some(SecretFile(secret));
    }
    mqtt
}

async fn try_broker(mqtt: &Mqtt, client_id: &str) -> anyhow::Result<()> {
    let address = mqtt::reach(mqtt, client_id, BROKER_PATIENCE)
        .await
        .map_err(anyhow::Error::msg)
        .context("the configuration is written, and the broker did not let us in, so nothing was started")?;
    say(&format!("the broker at {address} lets us in"));
    Ok(())
}
