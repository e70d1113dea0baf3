//! What a card was like before we took it, in a small file written before anything is changed, so that even after a
//! crash it can be given back as it was.

use super::control::{CardControl, ControlError, InterfaceType, Phy, Refusal};
use crate::{Mac, boot::boot_id, dot11::channels::Tuning, own_file};
use serde::{Deserialize, Serialize};
use std::{io, path::Path};

/// How the file begins: the mark of ours.
const START: &[u8] = b"{\"boot\":\"";
const WANTED: &str = "the record of a card that a sensor has taken";

/// One interface as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    index: u32,
    name: String,
    kind: InterfaceType,
    up: bool,
    freq_mhz: Option<u16>,
}

/// A card as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardBefore {
    /// The start of the system that this was in: another one knows nothing of what we changed.
    boot: String,
    phy: u32,
    mac: Option<Mac>,
    interfaces: Vec<Before>,
    /// Its P2P devices. The kernel does not tell which are started; who makes one starts it.
    p2p: Vec<u64>,
    /// The name of the interface that is ours, if we were to create one.
    pub ours: Option<String>,
}

impl CardBefore {
    /// The card as it is now.
    #[must_use]
    pub fn of(phy: &Phy, ours: Option<&str>) -> Self {
        let interfaces = phy.interfaces.iter().map(|interface| Before {
            index: interface.index,
            name: interface.name.clone(),
            kind: interface.kind,
            up: interface.up,
            freq_mhz: interface.freq_mhz,
        });
        Self {
            boot: boot_id().to_string(),
            phy: phy.index,
            mac: phy.mac,
            interfaces: interfaces.collect(),
            p2p: phy.p2p.clone(),
            ours: ours.map(str::to_owned),
        }
    }

    /// Whether this is of the same card, not unplugged since.
    #[must_use]
    pub fn is_of(&self, phy: &Phy) -> bool {
        self.phy == phy.index && self.mac == phy.mac
    }

    /// The card's own address, which survives unplugging.
    #[must_use]
    pub const fn mac(&self) -> Option<Mac> {
        self.mac
    }

    /// What a run that crashed in this start of the system left in `path`.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let octets = own_file::read(path, START, WANTED).ok().flatten()?;
        let record: Self = serde_json::from_slice(&octets).ok()?;
        (record.boot == boot_id().to_string()).then_some(record)
    }

    /// Writes it down.
    ///
    /// # Errors
    /// When `path` cannot be written, or is somebody else's.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        own_file::replace(path, &serde_json::to_vec(self)?, START, WANTED)
    }

    /// Removes what is in `path`, if it is a record.
    pub fn remove(path: &Path) {
        // One that stays is of another start of the system, or written over by the next; a stranger's is none of ours.
        let _ = own_file::remove(path, START, WANTED);
    }

    /// Gives the card back as it was: our interface goes, the others do and are what they were. What cannot be undone
    /// is left, and the rest is done all the same.
    ///
    /// # Errors
    /// The first refusal, after everything was tried. That the card, or an interface, is gone is none.
    pub async fn restore(&self, link: &mut impl CardControl) -> Result<(), ControlError> {
        let mut first = Ok(());
        let mut note = |result: Result<(), ControlError>| {
            if let Err(error) = result
                && error.refusal != Refusal::Gone
                && first.is_ok()
            {
                first = Err(error);
            }
        };
        let phys = link.phys().await?;
        let Some(phy) = phys.iter().find(|phy| self.is_of(phy)) else { return Ok(()) };
        let was = |index: u32| self.interfaces.iter().any(|before| before.index == index);
        for interface in &phy.interfaces {
            if Some(&interface.name) == self.ours.as_ref() && !was(interface.index) {
                note(link.delete(interface.index).await);
            }
        }
        for before in &self.interfaces {
            let Some(now) = phy.interfaces.iter().find(|interface| interface.index == before.index) else { continue };
            let mut up = now.up;
            if now.kind != before.kind {
                if up {
                    note(link.set_up(before.index, false).await);
                    up = false;
                }
                note(link.set_kind(before.index, before.kind).await);
            }
            if up != before.up {
                note(link.set_up(before.index, before.up).await);
            }
            if let Some(freq_mhz) = before.freq_mhz.filter(|_| before.kind == InterfaceType::MONITOR && before.up) {
                note(link.tune(before.index, Tuning::narrow(freq_mhz)).await);
            }
        }
        for &device in self.p2p.iter().filter(|device| phy.p2p.contains(device)) {
            note(link.set_p2p(device, true).await);
        }
        first
    }
}
