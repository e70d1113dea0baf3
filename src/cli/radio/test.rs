//! `airtally radio test`: sets the card up, visits each channel once, says what was heard, and gives the card back.

use super::{
    super::{
        format::{self, Format, UsageError},
        table::{self, Column, Screen},
    },
    plan::{RadioOptions, card, visits},
};
use crate::{
    capture::{CaptureError, LiveOptions, Source, Waker},
    dot11::{self, FrameKind},
    radio::{
        before::CardBefore,
        card::{free_name, make},
        control::{CardControl, ControlError, Refusal},
        keeper::Files,
        nl80211::Kernel,
        plan::Visit,
    },
    stop,
};
use clap::Args;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Time for the last frames to come through the kernel's buffer.
const AFTER: Duration = Duration::from_millis(400);

/// Listens to each channel once and says what was heard, then gives the card back as it was
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo airtally radio test
  sudo airtally radio test --interface wlan1 --channels 1,6,11 --dwell 1s

Stop a sensor that uses the card first. Exit status 1 if nothing at all was heard.")]
pub struct TestArgs {
    #[command(flatten)]
    radio: RadioOptions,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct HeardRow {
    channel: String,
    freq_mhz: u16,
    listened_ms: u128,
    frames: u64,
    beacons: u64,
    /// What the kernel said, where the channel could not be tuned to.
    refused: Option<String>,
}

/// What was heard, by the frequency that frames claim.
type Tally = BTreeMap<Option<u16>, Heard>;

#[derive(Default)]
struct Heard {
    frames: u64,
    beacons: u64,
}

/// Runs the test.
pub async fn run(arguments: &TestArgs) -> anyhow::Result<()> {
    let sensor = arguments.radio.sensor()?;
    let mut link = Kernel::open()?;
    if !link.is_privileged() {
        let message = "`airtally radio test` sets the card up, which takes root: run it with sudo";
        return Err(UsageError(message.into()).into());
    }
    let taken = Files::new(&sensor.spool.runtime_dir, &sensor.spool.state_dir).record;
    if CardBefore::read(&taken).is_some() {
        let message = format!(
            "a sensor has the card (or was cut off with it): {} exists; stop the sensor, or start and stop it once",
            taken.display()
        );
        return Err(UsageError(message).into());
    }
    let phys = link.phys().await?;
    let phy = card(&phys, &sensor.radio)?;
    let plan = visits(phy, &sensor.radio)?;
    let record = CardBefore::of(phy, Some(free_name(&link)));
    // Written down where that is possible, so that a sensor's next start could repair what a crash here leaves.
    let written = taken.parent().is_some_and(|directory| directory.is_dir()) && record.write(&taken).is_ok();
    let result = tokio::select! {
        result = listen(&mut link, phy, &sensor, &record, &plan) => result,
        signal = stop::requested() => Err(anyhow::anyhow!("ended by {}", signal.unwrap_or("a signal"))),
    };
    let restored = record.restore(&mut link).await;
    if written && restored.is_ok() {
        CardBefore::remove(&taken);
    }
    let rows = result?;
    restored?;
    print(&rows, arguments.format)?;
    if rows.iter().all(|row| row.frames == 0) {
        anyhow::bail!("nothing was heard on any channel: is there an access point nearby, and an antenna on the card?");
    }
    Ok(())
}

async fn listen(
    link: &mut Kernel,
    phy: &crate::radio::control::Phy,
    sensor: &crate::config::Sensor,
    record: &CardBefore,
    plan: &[Visit],
) -> anyhow::Result<Vec<HeardRow>> {
    let card = make(link, phy, sensor.radio.mode, sensor.radio.interface.as_deref(), record).await?;
    let options = LiveOptions {
        interface: card.name.clone(),
        snaplen: sensor.source.snaplen,
        buffer_bytes: u32::try_from(sensor.source.buffer.0).unwrap_or(u32::MAX),
    };
    let (ended, mut source) = (Arc::new(AtomicBool::new(false)), Source::open_live(&options)?);
    let mut listener = Listener { ended: Arc::clone(&ended), waker: source.waker(), thread: None };
    listener.thread = Some(thread::spawn(move || count(source, &ended)));
    let mut rows = Vec::new();
    for visit in plan {
        let mut row = HeardRow {
            channel: visit.tuning.to_string(),
            freq_mhz: visit.tuning.freq_mhz,
            listened_ms: 0,
            frames: 0,
            beacons: 0,
            refused: None,
        };
        match link.tune(card.index, visit.tuning).await {
            Ok(()) => {
                let began = Instant::now();
                tokio::time::sleep(visit.dwell).await;
                row.listened_ms = began.elapsed().as_millis();
            }
            Err(ControlError { refusal: Refusal::Invalid | Refusal::Unsupported | Refusal::Other(_), what }) => {
                row.refused = Some(format!("refused: cannot {what}"));
            }
            Err(error) => return Err(error.into()),
        }
        rows.push(row);
    }
    tokio::time::sleep(AFTER).await;
    let heard = listener.end()?;
    for row in &mut rows {
        if let Some(heard) = heard.get(&Some(row.freq_mhz)) {
            (row.frames, row.beacons) = (heard.frames, heard.beacons);
        }
    }
    Ok(rows)
}

/// The thread that counts; ended in any case.
struct Listener {
    ended: Arc<AtomicBool>,
    waker: Option<Waker>,
    thread: Option<thread::JoinHandle<Result<Tally, CaptureError>>>,
}

impl Listener {
    fn stop(&self) {
        self.ended.store(true, Ordering::Relaxed);
        // On a quiet interface the wait for a frame does not end by itself.
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }

    fn end(&mut self) -> anyhow::Result<Tally> {
        self.stop();
        match self.thread.take().map(thread::JoinHandle::join) {
            Some(Ok(heard)) => Ok(heard?),
            _ => anyhow::bail!("the thread that counts ended early"),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

fn count(mut source: Source, ended: &AtomicBool) -> Result<Tally, CaptureError> {
    let mut heard = Tally::new();
    while !ended.load(Ordering::Relaxed) {
        source.poll(&mut |packet| {
            let facts = dot11::parse(packet.link, packet.data, packet.original_len);
            let on = heard.entry(facts.freq_mhz).or_default();
            on.frames += 1;
            on.beacons += u64::from(facts.kind == Some(FrameKind::BEACON));
        })?;
    }
    Ok(heard)
}

fn print(rows: &[HeardRow], form: Format) -> anyhow::Result<()> {
    let header = ["channel", "freq_mhz", "listened_ms", "frames", "beacons", "refused"];
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.channel.clone(),
                row.freq_mhz.to_string(),
                row.listened_ms.to_string(),
                row.frames.to_string(),
                row.beacons.to_string(),
                row.refused.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let mut out = BufWriter::new(io::stdout().lock());
    match form {
        Format::Table => {
            const COLUMNS: [Column; 6] = [
                Column::new("channel"),
                Column::new("freq_mhz").number().leaves(2),
                Column::new("listened_ms").number().leaves(1),
                Column::new("frames").number(),
                Column::new("beacons").number().leaves(3),
                Column::new("refused").cut(),
            ];
            table::write(&mut out, Screen::stdout(), &COLUMNS, &cells)?;
        }
        Format::Json => format::json(&mut out, rows)?,
        Format::Csv => format::csv(&mut out, &header, &cells)?,
    }
    out.flush()?;
    Ok(())
}
