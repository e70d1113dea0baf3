//! `airtally setup --bundle`: this machine becomes the sensor that a bundle of `airtally provision` is for, without a
//! question. At a first boot the bundle is taken from the boot partition, and erased there.

use super::{
    SENSOR_SAMPLE, SetupArgs,
    files::Document,
    first,
    plan::{Plan, Readers},
    say, system, try_broker,
};
use crate::{
    bundle::Bundle,
    cli::format::UsageError,
    config::{Mqtt, SecretFile, Sensor, SourceKind, load_sensor, parse_sensor},
    erase::erase,
    radio::{
        control::CardControl as _,
        nl80211::Kernel,
        select::{Wanted, choose},
    },
    run::site_secret::FILE_NAME,
};
use anyhow::{Context as _, bail};
use std::path::Path;

/// Where the bundle may be on a machine that boots: the boot partition of Raspberry Pi OS 12, and of those before.
const ON_BOOT: [&str; 2] = ["/boot/firmware/airtally.bundle", "/boot/airtally.bundle"];

/// Does what the bundle says; `None` where none was named.
pub fn run(arguments: &SetupArgs) -> Option<anyhow::Result<()>> {
    if arguments.first_boot {
        return Some(at_first_boot(arguments));
    }
    arguments.bundle.as_deref().map(|path| by_hand(arguments, path))
}

fn by_hand(arguments: &SetupArgs, path: &Path) -> anyhow::Result<()> {
    let mut plan = Plan::new(&arguments.root);
    let (bundle, config) = read(path)?;
    if let Some(other) = configured(&plan)?
        && (&other.site, &other.sensor) != (&config.site, &config.sensor)
        && !arguments.yes
    {
        bail!(
            "this machine is sensor {} of site {} already: to make it {} of {}, pass --yes",
            other.sensor,
            other.site,
            config.sensor,
            config.site
        );
    }
    let is_here = arguments.root == Path::new("/");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mqtt = write(&mut plan, &bundle, &config)?;
    if is_here {
        runtime.block_on(keep_card(&mut plan, &config));
    }
    plan.tell();
    plan.apply()?;
    told(&config);
    if arguments.no_start || !is_here {
        return Ok(());
    }
    if plan.changes("/NetworkManager/") {
        system::reload_network_manager();
    }
    runtime.block_on(try_broker(&mqtt, "airtally-setup-sensor"))?;
    system::start("airtally-sensor", true)?;
    system::keep_registry_fresh();
    if config.source.kind == SourceKind::None {
        return Ok(());
    }
    runtime.block_on(first::counts(None, &config.site, &config.sensor))
}

/// Takes the bundle from the boot partition, where there is one and nobody has configured this machine. The network may
/// not be there yet, so nothing is tried, and nobody is waited for.
fn at_first_boot(arguments: &SetupArgs) -> anyhow::Result<()> {
    let mut plan = Plan::new(&arguments.root);
    let Some(path) = ON_BOOT.map(|path| plan.at(path)).into_iter().find(|path| path.exists()) else {
        return Ok(());
    };
    if let Some(other) = configured(&plan)? {
        say(&format!(
            "{} is left alone: this machine is sensor {} of site {} already; remove it, or run airtally setup --bundle",
            path.display(),
            other.sensor,
            other.site
        ));
        return Ok(());
    }
    let is_here = arguments.root == Path::new("/");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (bundle, config) = read(&path)?;
    write(&mut plan, &bundle, &config)?;
    if is_here {
        runtime.block_on(keep_card(&mut plan, &config));
    }
    plan.apply()?;
    told(&config);
    erase(&path).with_context(|| format!("cannot erase {}: do it by hand, it holds secrets", path.display()))?;
    say(&format!("erased {}", path.display()));
    if arguments.no_start || !is_here {
        return Ok(());
    }
    if plan.changes("/NetworkManager/") {
        system::reload_network_manager();
    }
    system::start_soon("airtally-sensor")?;
    system::keep_registry_fresh();
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<(Bundle, Sensor)> {
    Ok(Bundle::read(path).map_err(|error| UsageError(format!("{}: {error}", path.display())))?)
}

fn told(config: &Sensor) {
    let label = if config.label.is_empty() { String::new() } else { format!(" ({})", config.label) };
    say(&format!("this machine is sensor {} of site {}{label}", config.sensor, config.site));
}

/// The configuration, unless it is one that says nothing: none, or a sample as a package brings it.
fn configured(plan: &Plan) -> anyhow::Result<Option<Sensor>> {
    let path = plan.at("/etc/airtally/sensor.toml");
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(load_sensor(&path)?).filter(|config| *config != Sensor::default()))
}

/// Has written what the bundle has, the configuration last: a daemon that finds it finds the rest. How root reaches the
/// broker.
fn write(plan: &mut Plan, bundle: &Bundle, config: &Sensor) -> anyhow::Result<Mqtt> {
    let home = plan.at("/etc/airtally");
    if !home.is_dir() {
        bail!("there is no {}: install the package, or make it", home.display());
    }
    let path = home.join("sensor.toml");
    let mut document = Document::parse(&path, &bundle.configuration)?;
    let mut mqtt = config.mqtt.clone();
    let readers = system::readers(plan, "sensor");
    if let Some(password) = &bundle.password {
        let file = plan.at(&system::secret_path("sensor", "mqtt-password"));
        plan.secret(file.clone(), password, readers)?;
        document.set("mqtt", "password_file", system::seen_path(plan, "sensor", "mqtt-password"));
        mqtt.password_file = Some(SecretFile(file));
    }
    let public = |plan: &mut Plan, name: &str, text: &str| -> anyhow::Result<String> {
        let path = format!("/etc/airtally/{name}");
        plan.write(plan.at(&path), text.as_bytes().to_vec(), 0o644, Readers::Folder, b"")?;
        Ok(path)
    };
    let mut tls = mqtt.tls.take();
    if let (Some(ca), Some(tls)) = (&bundle.ca, &mut tls) {
        let file = public(plan, "ca.pem", ca)?;
        tls.ca_file = Some(plan.at(&file));
        document.set("mqtt.tls", "ca_file", file);
    }
    if let (Some(certificate), Some(key), Some(tls)) = (&bundle.certificate, &bundle.key, &mut tls) {
        let secret = plan.at(&system::secret_path("sensor", "mqtt-key"));
        plan.secret(secret.clone(), key.trim_end(), readers)?;
        tls.key_file = Some(SecretFile(secret));
        document.set("mqtt.tls", "key_file", system::seen_path(plan, "sensor", "mqtt-key"));
        let file = public(plan, "client.pem", certificate)?;
        tls.cert_file = Some(plan.at(&file));
        document.set("mqtt.tls", "cert_file", file);
    }
    mqtt.tls = tls;
    if let Some(key) = &bundle.operator_key {
        public(plan, "operator.pub", key)?;
    }
    if let Some(secret) = &bundle.site_secret {
        // Not below /etc: the daemon puts the next day's in its place.
        let state = plan.at(&config.spool.state_dir.join(FILE_NAME).to_string_lossy());
        plan.secret(state, secret, Readers::User("airtally"))?;
    }
    let text = document.whole();
    parse_sensor(&path, &text)?;
    plan.write(path, text.into_bytes(), 0o640, Readers::Folder, SENSOR_SAMPLE.as_bytes())?;
    Ok(mqtt)
}

/// Has NetworkManager told of the card that the sensor will take. It is no failure if there is none yet.
async fn keep_card(plan: &mut Plan, config: &Sensor) {
    if config.source.kind != SourceKind::Radio {
        return;
    }
    let kept = async {
        let phys = Kernel::open()?.phys().await?;
        let phy = choose(&phys, Wanted { interface: config.radio.interface.as_deref(), ..Wanted::default() })?;
        let Some(interface) = phy.interfaces.first() else { return Ok(()) };
        system::leave_to_us(plan, &interface.name)
    };
    if let Err(error) = kept.await {
        say(&format!("no card to listen with yet: {error:#}; the sensor waits for one"));
    }
}
