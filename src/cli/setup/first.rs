//! The first counts: waits for them, and says what is wrong where none come.

use super::{say, system};
use crate::{
    config::Mqtt,
    mqtt::{self, Heard},
    units::noun,
    wire::{Batch, State},
};
use anyhow::bail;
use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

/// How long the first window may take: its own length twice, a card's start, and a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits for the first window of this sensor, and tells its counts: as who may read it hears it from the broker, else as the
/// service says.
///
/// # Errors
/// A sentence that says why none came.
pub async fn counts(mqtt: Option<&Mqtt>, site: &str, sensor: &str) -> anyhow::Result<()> {
    let is_seen = io::stderr().is_terminal();
    say("waiting for the first window");
    let Some(mqtt) = mqtt else { return told_by_service(is_seen).await };
    let waiting = |seconds: u64| {
        if is_seen {
            progress(seconds);
        }
    };
    let heard = mqtt::hear(mqtt, "airtally-setup-first", (site, sensor), PATIENCE, waiting).await;
    if is_seen {
        let _ = write!(io::stderr(), "\r\u{1b}[K");
    }
    let heard = heard.map_err(anyhow::Error::msg)?;
    match &heard.window {
        Some(window) if frames(window) > 0 => {
            say(&told(window));
            Ok(())
        }
        _ => bail!("{}", why(&heard, &system::says("airtally-sensor"))),
    }
}

/// A sensor that may not read what it publishes tells its service.
async fn told_by_service(is_seen: bool) -> anyhow::Result<()> {
    let mut says = String::new();
    for seconds in 0..PATIENCE.as_secs() {
        says = system::says("airtally-sensor");
        if says.contains(" in window ") {
            break;
        }
        if is_seen {
            progress(seconds);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    if is_seen {
        let _ = write!(io::stderr(), "\r\u{1b}[K");
    }
    if !says.contains(" in window ") {
        bail!("{}", why(&Heard::default(), &says));
    }
    say(&format!("airtally-sensor: {says}"));
    Ok(())
}

fn progress(seconds: u64) {
    let _ = write!(io::stderr(), "\r  {seconds} s of at most {} s ", PATIENCE.as_secs());
}

fn frames(window: &Batch) -> u64 {
    window.capture.as_ref().map_or(0, |capture| capture.frames)
}

fn told(window: &Batch) -> String {
    let frames = frames(window);
    let stations = window.stations.len() as u64;
    let vendors = window.vendors.len() as u64;
    let more = if window.parts > 1 { "more than " } else { "" };
    let of = if vendors > 0 {
        format!("{vendors} {}", noun(vendors, "vendor", "vendors"))
    } else {
        format!("{stations} {}", noun(stations, "station", "stations"))
    };
    let time = window.start.to_string();
    format!(
        "first counts: {frames} {} of {more}{of}, in the window of {} UTC",
        noun(frames, "frame", "frames"),
        time.get(11..19).unwrap_or(&time)
    )
}

/// Why no window with frames came; `says` is what the service says of itself.
fn why(heard: &Heard, says: &str) -> String {
    let service = if says.is_empty() { String::new() } else { format!(" (the service says: {says})") };
    let look = "`airtally doctor` and `journalctl -u airtally-sensor -n 20` say more";
    let Some(message) = &heard.status else {
        return format!("no window came, and the sensor has not spoken with the broker{service}; {look}");
    };
    let advice = match message.status.reason.as_deref() {
        Some("clock") => {
            "this machine's clock is not synchronised yet, so windows wait, and come when it is: `timedatectl` says how it is; \
             on a machine without a time server set clock.sync = \"never\" in sensor.toml"
        }
        Some("radio_absent") => {
            "there is no card to listen with: plug one in; `airtally radio list` shows those there are"
        }
        Some("rfkill") => "the card is switched off: `rfkill unblock wifi`, or its switch, turns it on",
        Some("radio_busy" | "radio_unusable" | "radio_failed" | "radio_changed") => {
            "the card cannot be had: another program has it, or its driver refuses"
        }
        Some("radio_deaf" | "wrong_channel") => {
            "the card hears nothing where something was heard before: plug it in again, or try another"
        }
        Some("refused") => "the broker refuses what the sensor publishes: see its ACL",
        _ if message.status.state == State::Offline => "the sensor is not there any more",
        _ if heard.window.is_some() => {
            "windows come, and there was no frame in them: the card may be deaf, or the air quiet; `airtally radio test` tries it"
        }
        _ => "the sensor is there, and has told no window yet",
    };
    let reason = message.status.reason.as_deref().map_or_else(String::new, |reason| format!(" [{reason}]"));
    format!("no counts yet: {advice}{reason}{service}; {look}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Status, StatusMessage};

    #[test]
    fn what_is_wrong_is_said() {
        let said = |state, reason: Option<&str>| {
            let mut status = Status::online(None);
            (status.state, status.reason) = (state, reason.map(str::to_owned));
            let message = StatusMessage {
                schema: String::new(),
                site: "home".into(),
                sensor: "pi".into(),
                time: crate::UnixNanos(0),
                status,
            };
            why(&Heard { window: None, status: Some(message) }, "degraded: it waits")
        };
        assert!(said(State::Degraded, Some("clock")).contains("not synchronised"));
        assert!(said(State::Degraded, Some("radio_absent")).contains("plug one in"));
        assert!(said(State::Degraded, Some("odd")).contains("[odd] (the service says: degraded: it waits)"));
        assert!(why(&Heard::default(), "").contains("has not spoken with the broker; `airtally doctor`"));
    }
}
