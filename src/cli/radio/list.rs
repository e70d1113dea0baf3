//! `airtally radio list`: the cards, their interfaces and their channels.

use super::super::{
    format::{self, Format},
    table::Screen,
};
use crate::{
    dot11::channels::{Band, channel_of},
    printable::printable,
    radio::{
        control::{CardControl as _, Interface, Phy},
        nl80211::Kernel,
        select::{Wanted, choose, title},
    },
};
use clap::Args;
use serde::Serialize;
use std::io::{self, BufWriter, Write};

/// Shows the wireless cards: driver, monitor mode, interfaces, bands and channels
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally radio list
  airtally radio list --format json | jq '.[] | select(.monitor) | .name'
  airtally radio list --format csv > channels.csv          one line a channel

Needs no privileges.")]
pub struct ListArgs {
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct CardRow<'a> {
    name: &'a str,
    driver: Option<&'a str>,
    bus: Option<&'a str>,
    mac: Option<String>,
    monitor: bool,
    default_route: bool,
    rfkill: Option<&'static str>,
    interfaces: Vec<InterfaceRow<'a>>,
    channels: Vec<ChannelRow>,
}

#[derive(Serialize)]
struct InterfaceRow<'a> {
    name: &'a str,
    r#type: String,
    mac: Option<String>,
    up: bool,
    freq_mhz: Option<u16>,
    default_route: bool,
    network_manager: Option<bool>,
}

#[derive(Serialize)]
struct ChannelRow {
    freq_mhz: u16,
    band: Option<String>,
    channel: Option<u8>,
    disabled: bool,
    no_ir: bool,
    radar: bool,
}

impl<'a> From<&'a Phy> for CardRow<'a> {
    fn from(phy: &'a Phy) -> Self {
        Self {
            name: &phy.name,
            driver: phy.driver.as_deref(),
            bus: phy.bus.as_deref(),
            mac: phy.mac.map(|mac| mac.to_string()),
            monitor: phy.can_monitor(),
            default_route: phy.is_uplink(),
            rfkill: blocked(phy),
            interfaces: phy.interfaces.iter().map(InterfaceRow::from).collect(),
            channels: phy
                .channels
                .iter()
                .map(|channel| {
                    let known = channel_of(channel.freq_mhz);
                    ChannelRow {
                        freq_mhz: channel.freq_mhz,
                        band: known.map(|(band, _)| band.to_string()),
                        channel: known.map(|(_, number)| number),
                        disabled: channel.disabled,
                        no_ir: channel.no_ir,
                        radar: channel.radar,
                    }
                })
                .collect(),
        }
    }
}

impl<'a> From<&'a Interface> for InterfaceRow<'a> {
    fn from(interface: &'a Interface) -> Self {
        Self {
            name: &interface.name,
            r#type: interface.kind.to_string(),
            mac: interface.mac.map(|mac| mac.to_string()),
            up: interface.up,
            freq_mhz: interface.freq_mhz,
            default_route: interface.default_route,
            network_manager: interface.managed,
        }
    }
}

fn blocked(phy: &Phy) -> Option<&'static str> {
    match (phy.rfkill.hard, phy.rfkill.soft) {
        (true, _) => Some("hard"),
        (false, true) => Some("soft"),
        (false, false) => None,
    }
}

/// Prints the cards.
pub async fn run(arguments: &ListArgs) -> anyhow::Result<()> {
    let phys = Kernel::open()?.phys().await?;
    let rows: Vec<CardRow<'_>> = phys.iter().map(CardRow::from).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.format {
        Format::Table => {
            rows.iter().try_for_each(|row| card(&mut out, row))?;
            if !rows.is_empty() {
                writeln!(out, "x: disabled here. r: radar detection, -: no-IR (listening is allowed on these).")?;
            }
            match choose(&phys, Wanted::default()) {
                Ok(phy) => writeln!(out, "Without radio.interface the sensor takes {}.", printable(&title(phy)))?,
                Err(why) => writeln!(out, "Without radio.interface the sensor takes none: {why}.")?,
            }
        }
        Format::Json => format::json(&mut out, &rows)?,
        Format::Csv => csv(&mut out, &rows)?,
    }
    out.flush()?;
    Ok(())
}

fn card(out: &mut impl Write, row: &CardRow<'_>) -> io::Result<()> {
    let screen = Screen::stdout();
    let unknown = "unknown";
    writeln!(
        out,
        "{}: driver {}, at {}, {}",
        row.name,
        row.driver.unwrap_or(unknown),
        row.bus.unwrap_or(unknown),
        row.mac.as_deref().unwrap_or(unknown),
    )?;
    let monitor = if row.monitor { "yes" } else { "no: it cannot listen to other stations" };
    writeln!(out, "  monitor mode   {monitor}")?;
    let rfkill = match row.rfkill {
        None => "no",
        Some("hard") => "yes, by a switch on the device",
        Some(_) => "yes, by software: `rfkill unblock wifi` undoes it",
    };
    writeln!(out, "  rfkill         {rfkill}")?;
    for interface in &row.interfaces {
        let mut notes = vec![interface.r#type.clone(), if interface.up { "up" } else { "down" }.to_owned()];
        notes.extend(interface.freq_mhz.map(|mhz| format!("{mhz} MHz")));
        notes.extend(interface.default_route.then(|| "carries the default route".to_owned()));
        notes.extend((interface.network_manager == Some(true)).then(|| "managed by NetworkManager".to_owned()));
        screen.fact(out, "  interface", 17, &format!("{}: {}", interface.name, notes.join(", ")))?;
    }
    for band in [Band::Two, Band::Five, Band::Six] {
        let label = band.to_string();
        let marked: Vec<String> = row
            .channels
            .iter()
            .filter(|channel| channel.band.as_deref() == Some(&label))
            .filter_map(|channel| {
                let mark = match (channel.disabled, channel.radar, channel.no_ir) {
                    (true, _, _) => "x",
                    (_, true, _) => "r",
                    (_, _, true) => "-",
                    _ => "",
                };
                channel.channel.map(|number| format!("{number}{mark}"))
            })
            .collect();
        if !marked.is_empty() {
            screen.fact(out, &format!("  {label} GHz"), 17, &marked.join(" "))?;
        }
    }
    writeln!(out)
}

fn csv(out: &mut impl Write, rows: &[CardRow<'_>]) -> io::Result<()> {
    let header =
        ["card", "driver", "bus", "mac", "monitor", "freq_mhz", "band", "channel", "disabled", "no_ir", "radar"];
    let lines: Vec<Vec<String>> = rows
        .iter()
        .flat_map(|row| {
            row.channels.iter().map(|channel| {
                vec![
                    row.name.to_owned(),
                    row.driver.unwrap_or_default().to_owned(),
                    row.bus.unwrap_or_default().to_owned(),
                    row.mac.clone().unwrap_or_default(),
                    row.monitor.to_string(),
                    channel.freq_mhz.to_string(),
                    channel.band.clone().unwrap_or_default(),
                    channel.channel.map(|number| number.to_string()).unwrap_or_default(),
                    channel.disabled.to_string(),
                    channel.no_ir.to_string(),
                    channel.radar.to_string(),
                ]
            })
        })
        .collect();
    format::csv(out, &header, &lines)
}
