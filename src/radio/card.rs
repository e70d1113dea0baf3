//! A card in our hands: made to listen, mended, and tuned. Each function either leaves it listening or says why not.

use super::{
    before::CardBefore,
    control::{CardControl, ControlError, InterfaceType, Phy, Refusal},
};
use crate::config::RadioMode;

/// Names for an interface of our own: the first that is free.
const NAMES: [&str; 4] = ["airtally0", "airtally1", "airtally2", "airtally3"];

/// A card that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The card.
    pub phy: Phy,
    /// The interface that listens.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether we created it, or it was there and was converted.
    pub dedicated: bool,
}

/// Which interface of `phy` would be converted: the one named, else a monitor, else the first.
fn own_interface<'a>(phy: &'a Phy, wanted: Option<&str>) -> Option<&'a super::control::Interface> {
    let named = phy.interfaces.iter().find(|interface| Some(interface.name.as_str()) == wanted);
    named
        .or_else(|| phy.interfaces.iter().find(|interface| interface.kind == InterfaceType::MONITOR))
        .or(phy.interfaces.first())
}

/// The name that an interface of our own on this card gets.
#[must_use]
pub fn free_name(link: &impl CardControl) -> &'static str {
    NAMES.into_iter().find(|name| !link.knows(name)).unwrap_or(NAMES[0])
}

/// Makes a card listen. `record` must have been written before.
///
/// # Errors
/// The kernel's refusal; the card may then be half way, and [`CardBefore::restore`] puts it back.
pub async fn make(
    link: &mut impl CardControl,
    phy: &Phy,
    mode: RadioMode,
    wanted: Option<&str>,
    record: &CardBefore,
) -> Result<Card, ControlError> {
    let existing = own_interface(phy, wanted);
    let is_monitor = existing.is_some_and(|interface| interface.kind == InterfaceType::MONITOR);
    quell(link, phy, existing.filter(|_| is_monitor).map(|interface| interface.index)).await?;
    let card = |index, name: &str, dedicated| Card { phy: phy.clone(), index, name: name.to_owned(), dedicated };
    // What listens already needs no second one beside it.
    if mode != RadioMode::Convert && !(mode == RadioMode::Auto && is_monitor) {
        let name = record.ours.as_deref().unwrap_or(NAMES[0]);
        match link.add_monitor(phy.index, name).await {
            Ok(index) => {
                link.set_up(index, true).await?;
                return Ok(card(index, name, true));
            }
            Err(error) if mode == RadioMode::Dedicated || existing.is_none() => return Err(error),
            Err(error) if matches!(error.refusal, Refusal::Gone | Refusal::Permission) => return Err(error),
            Err(error) => tracing::debug!(%error, "the interface is converted instead"),
        }
    }
    let Some(interface) = existing else {
        let what = format!("convert an interface of {}, which has none", phy.name);
        return Err(ControlError { what, refusal: Refusal::Unsupported });
    };
    convert(link, interface.index).await?;
    Ok(card(interface.index, &interface.name, false))
}

/// Makes a monitor of an interface, whatever it is.
async fn convert(link: &mut impl CardControl, index: u32) -> Result<(), ControlError> {
    let gone = || ControlError { what: "convert the interface".into(), refusal: Refusal::Gone };
    let now = link.interface(index).await?.ok_or_else(gone)?;
    if now.kind != InterfaceType::MONITOR {
        if now.up {
            link.set_up(index, false).await?;
        }
        link.set_kind(index, InterfaceType::MONITOR).await?;
    }
    link.set_up(index, true).await
}

/// Takes the other interfaces of the card down, and stops its P2P devices: while one of them is up, the card's channel is
/// theirs. Monitors may stay. Gives the names of the interfaces that were up.
///
/// # Errors
/// The kernel's refusal.
pub async fn quell(link: &mut impl CardControl, phy: &Phy, but: Option<u32>) -> Result<Vec<String>, ControlError> {
    let mut quelled = Vec::new();
    for &device in &phy.p2p {
        match link.set_p2p(device, false).await {
            Err(error) if error.refusal != Refusal::Gone => return Err(error),
            _ => {}
        }
    }
    for interface in &phy.interfaces {
        if interface.up && interface.kind != InterfaceType::MONITOR && Some(interface.index) != but {
            link.set_up(interface.index, false).await?;
            quelled.push(interface.name.clone());
        }
    }
    Ok(quelled)
}

impl Card {
    /// Takes the interface down, and up again.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub async fn bounce(&self, link: &mut impl CardControl) -> Result<(), ControlError> {
        link.set_up(self.index, false).await?;
        link.set_up(self.index, true).await
    }

    /// Removes the interface and creates it anew; one that was converted is a station for a moment.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub async fn remake(&mut self, link: &mut impl CardControl) -> Result<(), ControlError> {
        if self.dedicated {
            match link.delete(self.index).await {
                Err(error) if error.refusal != Refusal::Gone => return Err(error),
                _ => {}
            }
            self.index = link.add_monitor(self.phy.index, &self.name).await?;
        } else {
            link.set_up(self.index, false).await?;
            link.set_kind(self.index, InterfaceType::MANAGED).await?;
            link.set_kind(self.index, InterfaceType::MONITOR).await?;
        }
        link.set_up(self.index, true).await
    }

    /// What a person can do where we may not: bind the device to its driver anew.
    #[must_use]
    pub fn rebind(&self) -> String {
        let phy = &self.phy;
        match (phy.bus.as_deref(), phy.driver.as_deref()) {
            (Some(bus), _) if bus.starts_with(|c: char| c.is_ascii_digit()) && bus.contains('-') => format!(
                "echo {bus} | sudo tee /sys/bus/usb/drivers/usb/unbind; sleep 2; \
                 echo {bus} | sudo tee /sys/bus/usb/drivers/usb/bind"
            ),
            (_, Some(driver)) => format!("sudo modprobe -r {driver}; sudo modprobe {driver}"),
            _ => "sudo reboot".to_owned(),
        }
    }
}
