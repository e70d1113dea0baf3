//! What of a sensor is asked: its name, its card, what is kept of addresses.

use super::{SENSOR_SAMPLE, answers::Answers, ask::Asker, files::Document, plan::Plan, say, system};
use crate::{
    cli::format::UsageError,
    radio::{
        control::{CardControl as _, Phy},
        nl80211::Kernel,
        select::{Wanted, choose, title},
    },
};
use anyhow::bail;
use std::io::{BufRead, Write};

const PRIVACY: [(&str, &str); 3] = [
    ("plain", "addresses as they are"),
    ("pseudonym", "keyed hashes, a new key every day"),
    ("vendor", "no stations at all, only sums per vendor"),
];

/// Asks, and has the answers in the document.
///
/// # Errors
/// When an answer makes no sense, or there is no card to listen with.
pub async fn ask<R: BufRead, W: Write>(
    answers: &Answers,
    asker: &mut Asker<R, W>,
    document: &mut Document,
    plan: &mut Plan,
) -> anyhow::Result<()> {
    let is_fresh = document.whole() == SENSOR_SAMPLE;
    let site = answers.site.clone().unwrap_or_else(|| document.text("", "site", "home"));
    let name = if is_fresh { system::host_name() } else { document.text("", "sensor", "sensor-1") };
    let (site, name) = match &answers.sensor {
        Some(name) => (site, name.clone()),
        None => {
            let answer = asker.text("This sensor's place and name", None, &format!("{site}/{name}"))?;
            match answer.split_once('/') {
                Some((site, name)) => (site.to_owned(), name.to_owned()),
                None => (site, answer),
            }
        }
    };
    document.set("", "site", site);
    document.set("", "sensor", name);

    if let Some(capture) = &answers.capture {
        let path = std::path::absolute(capture)?;
        if !path.is_file() {
            return Err(UsageError(format!("there is no file {}", path.display())).into());
        }
        document.set("source", "kind", "file");
        document.set("source", "file", path.display().to_string());
    } else if answers.interface.is_some() || is_fresh || document.text("source", "kind", "radio") == "radio" {
        let interface = card(answers, asker, document).await?;
        document.set("source", "kind", "radio");
        document.set("radio", "interface", interface.as_str());
        system::leave_to_us(plan, &interface)?;
    }

    let now = document.text("privacy", "mac", "plain");
    let mac = asker.choice("What is kept of the addresses?", &PRIVACY, answers.privacy.as_deref(), &now)?;
    // What is so by default need not be said.
    if mac != now {
        document.set("privacy", "mac", mac);
    }
    Ok(())
}

/// The card: the one named, else the one that was set up, else the spare one, else the one that a person picks.
async fn card<R: BufRead, W: Write>(
    answers: &Answers,
    asker: &mut Asker<R, W>,
    document: &Document,
) -> anyhow::Result<String> {
    let no_radio = "without a card, --capture FILE counts a capture file in its place";
    let phys = match Kernel::open() {
        Ok(mut kernel) => kernel.phys().await,
        Err(error) => Err(error),
    };
    let phys = phys.map_err(|error| anyhow::Error::new(error).context(format!("cannot look for cards; {no_radio}")))?;
    let able: Vec<&Phy> = phys.iter().filter(|phy| phy.can_monitor()).collect();
    // A name that is there no more is no suggestion.
    let kept = Some(document.text("radio", "interface", "")).filter(|name| choose(&phys, wanted(Some(name))).is_ok());
    let named = answers.interface.as_deref().or(kept.as_deref());
    let chosen = choose(&phys, wanted(named));
    let suggestion = match (&chosen, named) {
        (Ok(_), Some(name)) => name.to_owned(),
        (Ok(phy), None) => names(phy).first().cloned().unwrap_or_default(),
        (Err(_), _) => String::new(),
    };
    let name = if answers.interface.is_some() || !asker.is_interactive() {
        match chosen {
            Ok(_) => suggestion,
            Err(why) if able.is_empty() => bail!("{why}; {no_radio}"),
            Err(why) => bail!("{why}"),
        }
    } else {
        for phy in &able {
            let note = if phy.is_uplink() { ", which carries the default route" } else { "" };
            let driver = phy.driver.as_deref().unwrap_or("unknown");
            asker.tell(&format!("can listen: {}, driver {driver}{note}", title(phy)))?;
        }
        if able.is_empty() {
            bail!("there is no card that can listen: `airtally radio list` says what there is; {no_radio}");
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

fn wanted(interface: Option<&str>) -> Wanted<'_> {
    Wanted { interface, ..Wanted::default() }
}

fn names(phy: &Phy) -> Vec<String> {
    phy.interfaces.iter().map(|interface| interface.name.clone()).collect()
}
