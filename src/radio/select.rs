//! Which card to listen with: a pure choice among those there are, and one sentence where there is none to make.

use super::control::{Interface, InterfaceType, Phy};
use crate::Mac;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// An interface's name, a card's name (`phy1`), its MAC address, or its place on the bus (`1-1.4`). Where absent:
    /// the only card that can listen and does not carry the default route.
    pub interface: Option<&'a str>,
    /// Take a card although the default route goes over it.
    pub allow_uplink: bool,
    /// The address of the card that was taken before: its names may have changed since.
    pub remembered: Option<Mac>,
}

/// Why there is no choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Nothing fits, and something may be plugged in yet.
    #[error("{}", absent(.wanted.as_deref(), .others))]
    Absent {
        /// `radio.interface`, where set.
        wanted: Option<String>,
        /// The cards there are, each with why it was not chosen.
        others: Vec<String>,
    },
    /// The named interface is none of a wireless card.
    #[error("'{0}' (radio.interface) is not a wireless interface: `airtally radio list` shows those there are")]
    NotWireless(String),
    /// The card named has no monitor mode.
    #[error(
        "{0} has no monitor mode, so it cannot listen to other stations' frames: another card or driver is needed; \
         `airtally radio list` shows which can"
    )]
    NoMonitor(String),
    /// The card named is the uplink.
    #[error(
        "{card} carries the default route by {interface}, which would be cut off: name another card in \
         radio.interface, or set radio.allow_uplink = true"
    )]
    Uplink {
        /// The card.
        card: String,
        /// The interface with the route.
        interface: String,
    },
    /// The card named serves others.
    #[error("{card} serves as {kind} by {interface}: stop that program, or name another card in radio.interface")]
    Serving {
        /// The card.
        card: String,
        /// What it serves as.
        kind: InterfaceType,
        /// The interface that does.
        interface: String,
    },
    /// More than one would do.
    #[error("{} could listen: say which one in radio.interface", .0.join(" and "))]
    Several(Vec<String>),
}

impl SelectError {
    /// Whether plugging something in would help.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }
}

fn absent(wanted: Option<&str>, others: &[String]) -> String {
    let there = match others {
        [] => "there is no wireless card".to_owned(),
        _ => format!("there is only {}", others.join(", ")),
    };
    match wanted {
        Some(wanted) => format!("no card is or has '{wanted}' (radio.interface): {there}"),
        None => format!("no card can listen: {there}"),
    }
}

/// How people call a card: `phy1 (wlan1)`.
#[must_use]
pub fn title(phy: &Phy) -> String {
    let names: Vec<&str> = phy.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    if names.is_empty() { phy.name.clone() } else { format!("{} ({})", phy.name, names.join(", ")) }
}

/// Whether `wanted` names this card or one of its interfaces.
fn is_named(phy: &Phy, wanted: &str) -> bool {
    let mac = wanted.parse::<Mac>().ok();
    phy.name == wanted
        || phy.bus.as_deref() == Some(wanted)
        || phy.interfaces.iter().any(|interface| interface.name == wanted)
        || (mac.is_some() && (phy.mac == mac || phy.interfaces.iter().any(|interface| interface.mac == mac)))
}

/// An interface that others depend on: all but stations, monitors and what has no use yet.
fn serving(phy: &Phy) -> Option<&Interface> {
    let harmless = [InterfaceType(0), InterfaceType::MANAGED, InterfaceType::MONITOR];
    phy.interfaces.iter().find(|interface| interface.up && !harmless.contains(&interface.kind))
}

/// Why a card cannot be had.
fn obstacle(phy: &Phy, allow_uplink: bool) -> Option<SelectError> {
    if !phy.can_monitor() {
        return Some(SelectError::NoMonitor(title(phy)));
    }
    let uplink = phy.interfaces.iter().find(|interface| interface.default_route && !allow_uplink);
    if let Some(interface) = uplink {
        return Some(SelectError::Uplink { card: title(phy), interface: interface.name.clone() });
    }
    serving(phy).map(|interface| SelectError::Serving {
        card: title(phy),
        kind: interface.kind,
        interface: interface.name.clone(),
    })
}

/// Chooses a card.
///
/// # Errors
/// One sentence that says what keeps each from being chosen.
pub fn choose<'a>(phys: &'a [Phy], wanted: Wanted<'_>) -> Result<&'a Phy, SelectError> {
    let before = |phy: &&Phy| wanted.remembered.is_some() && phy.mac == wanted.remembered;
    if let Some(name) = wanted.interface {
        let named = phys.iter().find(|phy| is_named(phy, name)).or_else(|| phys.iter().find(before));
        let Some(phy) = named else {
            return Err(SelectError::Absent {
                wanted: Some(name.to_owned()),
                others: phys.iter().map(title).collect(),
            });
        };
        return obstacle(phy, wanted.allow_uplink).map_or(Ok(phy), Err);
    }
    let fit = |allow: bool| phys.iter().filter(move |phy| obstacle(phy, allow).is_none()).collect::<Vec<_>>();
    let mut candidates = fit(false);
    if candidates.is_empty() && wanted.allow_uplink {
        candidates = fit(true);
    }
    if let Some(phy) = candidates.iter().copied().find(before) {
        return Ok(phy);
    }
    match candidates[..] {
        [phy] => Ok(phy),
        [] => {
            let why = |phy: &Phy| match obstacle(phy, false) {
                Some(SelectError::NoMonitor(title)) => format!("{title} without monitor mode"),
                Some(SelectError::Uplink { card, .. }) => format!("{card} with the default route"),
                Some(SelectError::Serving { card, kind, .. }) => format!("{card} serving as {kind}"),
                _ => title(phy),
            };
            Err(SelectError::Absent { wanted: None, others: phys.iter().map(why).collect() })
        }
        _ => Err(SelectError::Several(candidates.into_iter().map(title).collect())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::control::Rfkill;
    use super::*;

    fn card(number: u32, kinds: &[InterfaceType], kind: InterfaceType, default_route: bool) -> Phy {
        let mac = Some(Mac([2, 0, 0, 0, 0, u8::try_from(number).unwrap()]));
        Phy {
            index: number,
            name: format!("phy{number}"),
            mac,
            driver: Some("test".into()),
            bus: Some(format!("1-1.{number}")),
            kinds: kinds.to_vec(),
            channels: Vec::new(),
            rfkill: Rfkill::default(),
            interfaces: vec![Interface {
                index: 10 + number,
                name: format!("wlan{number}"),
                phy: number,
                kind,
                mac,
                up: true,
                freq_mhz: None,
                default_route,
                managed: None,
            }],
            p2p: Vec::new(),
        }
    }

    fn able(number: u32) -> Phy {
        card(number, &[InterfaceType::MANAGED, InterfaceType::MONITOR], InterfaceType::MANAGED, false)
    }

    fn said(phys: &[Phy], wanted: Wanted<'_>) -> String {
        choose(phys, wanted).unwrap_err().to_string()
    }

    fn named(interface: &str) -> Wanted<'_> {
        Wanted { interface: Some(interface), ..Wanted::default() }
    }

    #[test]
    fn the_only_card_that_can_listen_and_is_not_the_uplink_is_chosen() {
        let uplink = card(0, &[InterfaceType::MANAGED, InterfaceType::MONITOR], InterfaceType::MANAGED, true);
        let dumb = card(1, &[InterfaceType::MANAGED], InterfaceType::MANAGED, false);
        let serving = card(2, &[InterfaceType::AP, InterfaceType::MONITOR], InterfaceType::AP, false);
        let mut phys = vec![uplink, dumb, serving];
        let sentence = said(&phys, Wanted::default());
        assert!(sentence.contains("phy0 (wlan0) with the default route"), "{sentence}");
        assert!(sentence.contains("phy1 (wlan1) without monitor mode"), "{sentence}");
        assert!(sentence.contains("phy2 (wlan2) serving as AP"), "{sentence}");
        phys.push(able(3));
        assert_eq!(choose(&phys, Wanted::default()).unwrap().index, 3);
        let wanted = Wanted { allow_uplink: true, ..Wanted::default() };
        assert_eq!(choose(&phys, wanted).unwrap().index, 3, "the uplink is the last resort");
        assert_eq!(choose(&phys[..2], wanted).unwrap().index, 0);
        phys.push(able(4));
        let sentence = said(&phys, Wanted::default());
        assert_eq!(sentence, "phy3 (wlan3) and phy4 (wlan4) could listen: say which one in radio.interface");
        let remembered = Wanted { remembered: phys[4].mac, ..Wanted::default() };
        assert_eq!(choose(&phys, remembered).unwrap().index, 4);
    }

    #[test]
    fn a_card_is_named_by_interface_phy_address_or_place() {
        let phys = [able(0), able(1)];
        for name in ["wlan1", "phy1", "02:00:00:00:00:01", "1-1.1"] {
            assert_eq!(choose(&phys, named(name)).unwrap().index, 1, "{name}");
        }
        assert!(said(&phys, named("wlan7")).contains("no card is or has 'wlan7'"));
        assert!(choose(&phys, named("wlan7")).unwrap_err().may_pass());
        // Replugged under another name.
        let wanted = Wanted { remembered: phys[1].mac, ..named("wlan7") };
        assert_eq!(choose(&phys, wanted).unwrap().index, 1);
    }

    #[test]
    fn a_named_card_that_cannot_be_had_gets_one_sentence() {
        let phys = [
            card(0, &[InterfaceType::MONITOR], InterfaceType::MANAGED, true),
            card(1, &[InterfaceType::MANAGED], InterfaceType::MANAGED, false),
            card(2, &[InterfaceType::MONITOR], InterfaceType::AP, false),
        ];
        for (name, words) in [
            ("wlan0", "phy0 (wlan0) carries the default route by wlan0"),
            ("wlan1", "phy1 (wlan1) has no monitor mode"),
            ("wlan2", "phy2 (wlan2) serves as AP by wlan2"),
        ] {
            let error = choose(&phys, named(name)).unwrap_err();
            assert!(error.to_string().starts_with(words) && !error.may_pass(), "{error}");
        }
        let wanted = Wanted { allow_uplink: true, ..named("wlan0") };
        assert_eq!(choose(&phys, wanted).unwrap().index, 0);
    }
}
