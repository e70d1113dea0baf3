//! `airtally radio plan`: the schedule that a configuration makes on a card.

use super::super::{
    format::{self, Format, UsageError},
    table::{self, Column, Screen},
};
use crate::{
    config::{self, Radio, load_sensor},
    radio::{
        control::{CardControl as _, Phy},
        nl80211::Kernel,
        plan::{Activity, Visit, cycle, plan},
        select::{Wanted, choose, title},
    },
    units::noun,
};
use clap::Args;
use serde::Serialize;
use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

/// Shows the exact schedule that the sensor would hop by
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally radio plan --config /etc/airtally/sensor.toml
  airtally radio plan --channels 1,6,11 --dwell 400ms

Changes nothing. With radio.adaptive the times move towards busy channels while the sensor runs; shown is the start.")]
pub struct PlanArgs {
    #[command(flatten)]
    radio: RadioOptions,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Which card and channels; what is not given is as in the configuration, or the default.
#[derive(Debug, Args)]
pub struct RadioOptions {
    /// A sensor's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The card, as radio.interface
    #[arg(long)]
    interface: Option<String>,
    /// The channels, as radio.channels: "2.4+5" or "1,6,11,36-48"
    #[arg(long)]
    channels: Option<String>,
    /// How long on each, as radio.dwell
    #[arg(long)]
    dwell: Option<String>,
}

impl RadioOptions {
    /// The configuration that they make.
    pub fn sensor(&self) -> anyhow::Result<config::Sensor> {
        let mut sensor = match &self.config {
            Some(path) => load_sensor(path)?,
            None => config::Sensor::default(),
        };
        let radio = &mut sensor.radio;
        radio.interface = self.interface.clone().or(radio.interface.take());
        if let Some(text) = &self.channels {
            radio.channels = text.parse().map_err(UsageError)?;
        }
        if let Some(text) = &self.dwell {
            let dwell = humantime::parse_duration(text)
                .map_err(|error| UsageError(format!("--dwell: '{text}' is not a duration like 250ms: {error}")))?;
            radio.dwell = dwell;
            radio.min_dwell = radio.min_dwell.min(dwell);
        }
        // What the file's reader would have refused.
        let text = toml::to_string(&sensor).map_err(|error| UsageError(error.to_string()))?;
        Ok(config::parse_sensor("the options".as_ref(), &text)?)
    }
}

/// The card that a configuration means.
pub fn card<'a>(phys: &'a [Phy], radio: &Radio) -> Result<&'a Phy, UsageError> {
    let wanted = Wanted { interface: radio.interface.as_deref(), allow_uplink: radio.allow_uplink, remembered: None };
    choose(phys, wanted).map_err(|error| UsageError(error.to_string()))
}

/// The start of the plan on a card.
pub fn visits(phy: &Phy, radio: &Radio) -> Result<Vec<Visit>, UsageError> {
    let forbidden: Vec<String> = radio
        .channels
        .named()
        .iter()
        .filter(|tuning| !phy.may_listen(tuning.freq_mhz))
        .map(ToString::to_string)
        .collect();
    if !forbidden.is_empty() {
        return Err(UsageError(format!(
            "{} may not listen to {} here, by its driver or the regulatory domain: `airtally radio list` shows what it \
             may; `iw reg set` sets the country",
            title(phy),
            forbidden.join(", ")
        )));
    }
    let tunings = radio.channels.tunings(|freq_mhz| phy.may_listen(freq_mhz));
    if tunings.is_empty() {
        return Err(UsageError(format!("{} has none of the channels {}", title(phy), radio.channels)));
    }
    Ok(plan(radio, &tunings, &Activity::new()))
}

#[derive(Serialize)]
struct PlanRow {
    channel: String,
    freq_mhz: u16,
    width_mhz: u16,
    starts_ms: u128,
    dwell_ms: u128,
    revisit_ms: u128,
}

/// Prints the schedule.
pub async fn run(arguments: &PlanArgs) -> anyhow::Result<()> {
    let radio = arguments.radio.sensor()?.radio;
    let phys = Kernel::open()?.phys().await?;
    let phy = card(&phys, &radio)?;
    let visits = visits(phy, &radio)?;
    let revisit_ms = cycle(&visits).as_millis();
    let mut starts_ms = 0;
    let rows: Vec<PlanRow> = visits
        .iter()
        .map(|visit| {
            let row = PlanRow {
                channel: visit.tuning.to_string(),
                freq_mhz: visit.tuning.freq_mhz,
                width_mhz: visit.tuning.width.mhz(),
                starts_ms,
                dwell_ms: visit.dwell.as_millis(),
                revisit_ms,
            };
            starts_ms += visit.dwell.as_millis();
            row
        })
        .collect();
    let header = ["channel", "freq_mhz", "width_mhz", "starts_ms", "dwell_ms", "revisit_ms"];
    let cells = || -> Vec<Vec<String>> {
        rows.iter()
            .map(|row| {
                vec![
                    row.channel.clone(),
                    row.freq_mhz.to_string(),
                    row.width_mhz.to_string(),
                    row.starts_ms.to_string(),
                    row.dwell_ms.to_string(),
                    row.revisit_ms.to_string(),
                ]
            })
            .collect()
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.format {
        Format::Table => {
            const COLUMNS: [Column; 6] = [
                Column::new("channel"),
                Column::new("freq_mhz").number().leaves(2),
                Column::new("width_mhz").number().leaves(1),
                Column::new("starts_ms").number().leaves(4),
                Column::new("dwell_ms").number(),
                Column::new("revisit_ms").number().leaves(3),
            ];
            table::write(&mut out, Screen::stdout(), &COLUMNS, &cells())?;
            let adaptive = if radio.adaptive {
                format!(
                    "; while the sensor runs, busy channels get more of it, and none less than {} ms",
                    radio.min_dwell.as_millis()
                )
            } else {
                String::new()
            };
            writeln!(out)?;
            writeln!(
                out,
                "{}: {} {}, each again after {} ms and the time for {} switches{adaptive}.",
                title(phy),
                rows.len(),
                noun(rows.len() as u64, "channel", "channels"),
                revisit_ms,
                if rows.len() == 1 { 0 } else { rows.len() }
            )?;
        }
        Format::Json => format::json(&mut out, &rows)?,
        Format::Csv => format::csv(&mut out, &header, &cells())?,
    }
    out.flush()?;
    Ok(())
}
