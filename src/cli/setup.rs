//! `airtally setup`: from a fresh installation to a machine that counts. Asks, says what it will write, writes, tries,
//! starts, and tells the first counts.

mod answers;
mod ask;
mod broker;
mod bundle;
pub(super) mod files;
mod first;
mod ingest;
mod mosquitto;
mod plan;
mod sensor;
mod system;

use super::format::UsageError;
use crate::{
    config::{Mqtt, SecretFile, parse_ingest, parse_sensor},
    mqtt,
};
use answers::{Answers, Role};
use anyhow::{Context as _, bail};
use ask::Asker;
use clap::{Args, ValueEnum as _};
use files::Document;
use plan::{Plan, Readers};
use std::{
    io::{self, BufRead, IsTerminal as _, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the broker may take to answer.
const BROKER_PATIENCE: Duration = Duration::from_secs(20);

pub(super) const SENSOR_SAMPLE: &str = include_str!("../../config/sensor.toml");
const INGEST_SAMPLE: &str = include_str!("../../config/ingest.toml");

/// Makes this machine a sensor, an ingest, or all of it: asks, writes the configuration, tries it, starts, and tells the
/// first counts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo airtally setup                                       asks, six questions at most
  sudo airtally setup --role all --yes                      all on this machine, with every default
  sudo airtally setup --role sensor --site home --sensor attic --broker mqtts://broker.lan --yes
  sudo airtally setup --role ingest --broker localhost --user ingest-1 --password-file pw --yes
  sudo airtally setup --answers answers.toml
  sudo airtally setup --bundle attic.bundle                 what airtally provision made for it

What is configured already is every question's default; run it again at any time. Each file is named before it is written,
and what it replaces is kept beside it as FILE.before-setup, but for secrets.

A file of answers is TOML. Its keys are these options by their long names, with _ for -; what it does not answer is the
default, and options win over it:
  role = \"all\"
  site = \"home\"
  sensor = \"attic\"
  interface = \"wlan1\"
  privacy = \"pseudonym\"
  page = \"network\"
  page_password_file = \"page-password\"")]
pub struct SetupArgs {
    #[command(flatten)]
    given: Answers,
    /// Never ask: a TOML file has the answers
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// A sensor's bundle, as `airtally provision` makes it: this machine becomes that sensor, and nothing is asked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["role", "answers"])]
    bundle: Option<PathBuf>,
    /// Take the bundle of the boot partition, if nobody has configured this machine, and erase it there
    #[arg(long, hide = true, conflicts_with_all = ["role", "answers", "bundle"])]
    first_boot: bool,
    /// Never ask: what is not given is as it is, or the default
    #[arg(long)]
    yes: bool,
    /// Write the configuration, and neither try nor start anything
    #[arg(long)]
    no_start: bool,
    /// The system's root folder; another one than this system's is written to, and nothing is started
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

/// Asks, tells, writes, tries, starts.
pub fn run(arguments: &SetupArgs) -> anyhow::Result<()> {
    if let Some(done) = bundle::run(arguments) {
        return done;
    }
    let answers = match &arguments.answers {
        Some(file) => arguments.given.clone().with(file)?,
        None => arguments.given.clone(),
    };
    let is_quiet = arguments.yes || arguments.answers.is_some();
    if !is_quiet && !io::stdin().is_terminal() && answers.role.is_none() {
        let message =
            "nobody is at a terminal to answer: pass --answers FILE, or --role and the answers as options, and --yes";
        return Err(UsageError(message.into()).into());
    }
    let is_here = arguments.root == Path::new("/");
    let mut machine = Machine::open(&arguments.root)?;
    let mut asker = Asker::new(io::stdin().lock(), io::stderr(), !is_quiet);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(machine.ask(&answers, &mut asker, is_here))?;
    machine.check()?;
    machine.plan.tell();
    machine.plan.apply()?;
    if arguments.no_start || !is_here {
        return Ok(());
    }
    runtime.block_on(machine.start(&outcome))
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// What this machine has of airtally, and what is to become of it.
struct Machine {
    plan: Plan,
    sensor: Document,
    ingest: Document,
}

/// What was asked for.
struct Outcome {
    role: Role,
    /// The broker is this machine's own.
    is_own_broker: bool,
    /// Where the page is.
    page: Option<SocketAddr>,
}

impl Machine {
    fn open(root: &Path) -> anyhow::Result<Self> {
        let plan = Plan::new(root);
        let home = plan.at("/etc/airtally");
        if !home.is_dir() {
            bail!("there is no {}: install the package, or make it", home.display());
        }
        let sensor = Document::open(&home.join("sensor.toml"), SENSOR_SAMPLE)?;
        let ingest = Document::open(&home.join("ingest.toml"), INGEST_SAMPLE)?;
        Ok(Self { plan, sensor, ingest })
    }

    /// Asks everything, in this order, so that nothing is written before the last answer.
    async fn ask<R: BufRead, W: Write>(
        &mut self,
        answers: &Answers,
        asker: &mut Asker<R, W>,
        is_here: bool,
    ) -> anyhow::Result<Outcome> {
        let role = self.role(answers, asker)?;
        let Self { plan, sensor, ingest } = self;
        if role != Role::Ingest {
            sensor::ask(answers, asker, sensor, plan).await?;
        }
        let mut page = None;
        if role != Role::Sensor {
            ingest::ask(answers, asker, ingest, plan, role == Role::All)?;
            page = Some(ingest::page(answers, asker, ingest, plan)?);
        }
        let is_own = role == Role::All
            && answers.broker.is_none()
            && broker::is_own(sensor, "sensor")
            && broker::is_own(ingest, "ingest");
        if is_own {
            mosquitto::is_free(plan)?;
            own_broker(answers, asker, is_here)?;
            for (document, role) in [(&mut *sensor, "sensor"), (&mut *ingest, "ingest")] {
                broker::own(document, plan, role);
            }
            let base = sensor.text("mqtt", "base_topic", "airtally");
            mosquitto::set_up(plan, &base, &sensor.text("", "site", ""), &sensor.text("", "sensor", ""))?;
        } else {
            if role != Role::Ingest {
                broker::ask(answers, asker, sensor, plan, "sensor")?;
            }
            if role != Role::Sensor {
                broker::ask(answers, asker, ingest, plan, "ingest")?;
            }
        }
        let both = [(&self.sensor, SENSOR_SAMPLE, Role::Ingest), (&self.ingest, INGEST_SAMPLE, Role::Sensor)];
        for (document, sample, _) in both.into_iter().filter(|(.., without)| *without != role) {
            let (path, text) = (document.path().to_owned(), document.whole().into_bytes());
            self.plan.write(path, text, 0o640, Readers::Folder, sample.as_bytes())?;
        }
        Ok(Outcome { role, is_own_broker: is_own, page })
    }

    /// What this machine is to be: as it was set up, or all of it.
    fn role<R: BufRead, W: Write>(&self, answers: &Answers, asker: &mut Asker<R, W>) -> anyhow::Result<Role> {
        if !cfg!(feature = "ingest") {
            return match answers.role {
                None | Some(Role::Sensor) => Ok(Role::Sensor),
                Some(_) => {
                    let message = "this program is a sensor alone: for ingest, install the package airtally in place of \
                                   airtally-sensor";
                    Err(UsageError(message.into()).into())
                }
            };
        }
        let is_set_up = |document: &Document, sample: &str| document.path().exists() && document.whole() != sample;
        let now = match (is_set_up(&self.sensor, SENSOR_SAMPLE), is_set_up(&self.ingest, INGEST_SAMPLE)) {
            (true, false) => "sensor",
            (false, true) => "ingest",
            _ => "all",
        };
        let roles = [
            ("all", "listens, stores, shows: with a broker of its own"),
            ("sensor", "listens, counts, publishes"),
            ("ingest", "stores what sensors publish, and shows it"),
        ];
        let given = answers.role.and_then(|role| role.to_possible_value()).map(|value| value.get_name().to_owned());
        Ok(match asker.choice("What is this machine to be?", &roles, given.as_deref(), now)?.as_str() {
            "sensor" => Role::Sensor,
            "ingest" => Role::Ingest,
            _ => Role::All,
        })
    }

    /// Refuses a configuration that the daemons would refuse, before it is written.
    fn check(&self) -> anyhow::Result<()> {
        parse_sensor(self.sensor.path(), &self.sensor.whole())?;
        parse_ingest(self.ingest.path(), &self.ingest.whole())?;
        Ok(())
    }

    /// Tries the broker, starts what was asked for, and tells the first counts.
    async fn start(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let is = |role: Role| outcome.role == Role::All || outcome.role == role;
        if !system::runs_systemd() {
            let mut commands = Vec::new();
            if outcome.is_own_broker {
                commands.push("mosquitto -c /etc/mosquitto/mosquitto.conf");
            }
            if is(Role::Ingest) {
                commands.push("airtally ingest --config /etc/airtally/ingest.toml (as user airtally-ingest)");
            }
            if is(Role::Sensor) {
                commands.push("airtally sensor --config /etc/airtally/sensor.toml (as user airtally, with cap_net_raw, cap_net_admin)");
            }
            say(&format!("no systemd runs here; start by what this system has:\n  {}", commands.join("\n  ")));
            return Ok(());
        }
        if outcome.is_own_broker {
            system::start("mosquitto", self.plan.changes("/etc/mosquitto/"))?;
        }
        let sensor = broker::reachable_by_root(
            parse_sensor(self.sensor.path(), &self.sensor.whole())?.mqtt,
            &self.plan,
            "sensor",
        );
        let ingest = broker::reachable_by_root(
            parse_ingest(self.ingest.path(), &self.ingest.whole())?.mqtt,
            &self.plan,
            "ingest",
        );
        if is(Role::Ingest) {
            try_broker(&ingest, "airtally-setup-ingest").await?;
        }
        if is(Role::Sensor) {
            try_broker(&sensor, "airtally-setup-sensor").await?;
        }
        if is(Role::Ingest) {
            system::start("airtally-ingest", self.plan.changes("/ingest."))?;
        }
        if is(Role::Sensor) {
            if self.plan.changes("/NetworkManager/") {
                system::reload_network_manager();
            }
            system::start("airtally-sensor", self.plan.changes("/sensor."))?;
        }
        system::keep_registry_fresh();
        if let Some(page) = outcome.page {
            tell_page(page);
        }
        if is(Role::Sensor) {
            // By ingest's user where there is one: a sensor's own may not read what it publishes.
            let (site, name) = (self.sensor.text("", "site", ""), self.sensor.text("", "sensor", ""));
            let listener = if is(Role::Ingest) { Some(&ingest) } else { None };
            first::counts(listener, &site, &name).await?;
        }
        Ok(())
    }
}

/// Makes sure that there is a mosquitto to set up.
fn own_broker<R: BufRead, W: Write>(answers: &Answers, asker: &mut Asker<R, W>, is_here: bool) -> anyhow::Result<()> {
    if mosquitto::program("mosquitto_passwd").is_some() {
        return Ok(());
    }
    let question = "mosquitto, the broker between sensor and page, is not installed: install it with apt? (y, n)";
    if is_here && asker.yes(question, answers.install_broker, true)? {
        return mosquitto::install();
    }
    bail!(
        "mosquitto, the broker between sensor and page, is not installed, so nothing was written: `sudo apt install mosquitto`, \
         or name another broker with --broker HOST"
    )
}

/// Where the page is, in words.
fn tell_page(listen: SocketAddr) {
    let port = listen.port();
    if listen.ip().to_canonical().is_loopback() {
        say(&format!("the page: http://localhost:{port}/ (on this machine alone)"));
        return;
    }
    let address = if listen.ip().is_unspecified() { system::own_address() } else { Some(listen.ip()) };
    let host = address.map_or_else(system::host_name, |address| SocketAddr::new(address, port).ip().to_string());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    say(&format!(
        "the page: http://{host}:{port}/ (in this network, by its password, which travels in the clear: docs/tls.md)"
    ));
}

fn secret_file(path: Option<&Path>) -> anyhow::Result<Option<String>> {
    path.map(|path| Ok(SecretFile(path.to_owned()).read_line()?)).transpose()
}

async fn try_broker(mqtt: &Mqtt, client_id: &str) -> anyhow::Result<()> {
    let address = mqtt::reach(mqtt, client_id, BROKER_PATIENCE)
        .await
        .map_err(anyhow::Error::msg)
        .context("the configuration is written, and the broker did not let us in, so nothing was started")?;
    say(&format!("the broker at {address} lets us in"));
    Ok(())
}
