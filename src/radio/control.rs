//! What the module asks of the kernel: one trait, and the words it speaks in. Knows neither netlink nor the network
//! stack's numbers; `nl80211` does, and the tests have a kernel of their own.

use crate::{Mac, dot11::channels::Tuning};
use serde::{Deserialize, Serialize};
use std::{fmt, future::Future};

/// What an interface does: the kernel's own number (`enum nl80211_iftype`), so that any can be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InterfaceType(pub u32);

impl InterfaceType {
    /// A station, or not yet one.
    pub const MANAGED: Self = Self(2);
    /// An access point.
    pub const AP: Self = Self(3);
    /// Hears everything.
    pub const MONITOR: Self = Self(6);
}

impl fmt::Display for InterfaceType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 13] = [
            "unspecified",
            "IBSS",
            "managed",
            "AP",
            "AP/VLAN",
            "WDS",
            "monitor",
            "mesh point",
            "P2P-client",
            "P2P-GO",
            "P2P-device",
            "outside context of a BSS",
            "NAN",
        ];
        match usize::try_from(self.0).ok().and_then(|number| NAMES.get(number)) {
            Some(name) => out.write_str(name),
            None => write!(out, "type {}", self.0),
        }
    }
}

/// A channel as a card's driver and the regulatory domain have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhyChannel {
    /// Centre frequency, in MHz.
    pub freq_mhz: u16,
    /// May not be used at all here.
    pub disabled: bool,
    /// Listening is allowed, transmitting first is not.
    pub no_ir: bool,
    /// Radar detection is required before transmitting.
    pub radar: bool,
}

/// A switch that turns a radio off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rfkill {
    /// Blocked by software; `rfkill unblock wifi` undoes it.
    pub soft: bool,
    /// Blocked by a switch on the device.
    pub hard: bool,
}

impl Rfkill {
    /// Whether the radio is off.
    #[must_use]
    pub const fn is_blocked(self) -> bool {
        self.soft || self.hard
    }
}

/// A network interface on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number of it, never used twice.
    pub index: u32,
    /// Its name, which may change.
    pub name: String,
    /// The card it is on.
    pub phy: u32,
    /// What it does.
    pub kind: InterfaceType,
    /// Its address.
    pub mac: Option<Mac>,
    /// Whether it is up.
    pub up: bool,
    /// The frequency that the driver says it is on, in MHz.
    pub freq_mhz: Option<u16>,
    /// Whether it carries a default route.
    pub default_route: bool,
    /// Whether NetworkManager manages it; `None` where there is none.
    pub managed: Option<bool>,
}

/// A card: what nl80211 calls a wiphy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phy {
    /// The kernel's number of it, another one each time that it is plugged in.
    pub index: u32,
    /// Its name, like `phy0`.
    pub name: String,
    /// Its own address, which survives replugging.
    pub mac: Option<Mac>,
    /// The kernel module that drives it.
    pub driver: Option<String>,
    /// Where it sits on its bus, like `1-1.4` (USB) or `0000:01:00.0` (PCI).
    pub bus: Option<String>,
    /// What its interfaces may do.
    pub kinds: Vec<InterfaceType>,
    /// Its channels, by frequency.
    pub channels: Vec<PhyChannel>,
    /// Whether it is turned off.
    pub rfkill: Rfkill,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its P2P devices, by the kernel's number of them: wpa_supplicant makes them. They are no network interfaces, and
    /// while one is started, orders to tune a monitor succeed and do nothing.
    pub p2p: Vec<u64>,
}

impl Phy {
    /// Whether the driver knows monitor mode.
    #[must_use]
    pub fn can_monitor(&self) -> bool {
        self.kinds.contains(&InterfaceType::MONITOR)
    }

    /// Whether one of its interfaces carries a default route.
    #[must_use]
    pub fn is_uplink(&self) -> bool {
        self.interfaces.iter().any(|interface| interface.default_route)
    }

    /// Whether listening at `freq_mhz` is allowed and possible.
    #[must_use]
    pub fn may_listen(&self, freq_mhz: u16) -> bool {
        self.channels.iter().any(|channel| channel.freq_mhz == freq_mhz && !channel.disabled)
    }
}

/// Why the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What it was asked of is not there (any more).
    Gone,
    /// Something else uses the card in a way that forbids this.
    Busy,
    /// This user may not.
    Permission,
    /// The interface is down.
    Down,
    /// The card is turned off by rfkill.
    Rfkill,
    /// The driver cannot.
    Unsupported,
    /// Not a value that the driver takes, or not one allowed here.
    Invalid,
    /// Another error: its number.
    Other(i32),
}

/// What was tried, and why it failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {what}: {}", explain(*.refusal))]
pub struct ControlError {
    /// What was tried.
    pub what: String,
    /// Why it failed.
    pub refusal: Refusal,
}

fn explain(refusal: Refusal) -> String {
    match refusal {
        Refusal::Gone => "it is not there".into(),
        Refusal::Busy => "the card is in use (another interface on it is up, or another program holds it)".into(),
        Refusal::Permission => "this user may not; it takes the capability CAP_NET_ADMIN, which the service unit \
                                grants, or root"
            .into(),
        Refusal::Down => "the interface is down".into(),
        Refusal::Rfkill => "the radio is turned off; `rfkill list` says by what".into(),
        Refusal::Unsupported => "the driver cannot do this".into(),
        Refusal::Invalid => "the driver or the regulatory domain does not allow it".into(),
        Refusal::Other(number) => std::io::Error::from_raw_os_error(number).to_string(),
    }
}

/// The kernel, as far as radios go. Each call is one question or one order; none waits for anything but the answer.
///
/// All of them fail with the kernel's refusal.
pub trait CardControl: Send {
    /// Whether this process may change interfaces and capture: has CAP_NET_ADMIN and CAP_NET_RAW.
    fn is_privileged(&self) -> bool;

    /// Whether there is a network interface of this name, wireless or not.
    fn knows(&self, name: &str) -> bool;

    /// Every card, with its interfaces.
    fn phys(&mut self) -> impl Future<Output = Result<Vec<Phy>, ControlError>> + Send;

    /// One interface as it is now; `None` if it is gone. Says nothing of routes and managers.
    fn interface(&mut self, index: u32) -> impl Future<Output = Result<Option<Interface>, ControlError>> + Send;

    /// Creates an interface in monitor mode and gives its number.
    fn add_monitor(&mut self, phy: u32, name: &str) -> impl Future<Output = Result<u32, ControlError>> + Send;

    /// Removes an interface.
    fn delete(&mut self, index: u32) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Changes what an interface does; it must be down.
    fn set_kind(&mut self, index: u32, kind: InterfaceType) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Brings an interface up, or takes it down.
    fn set_up(&mut self, index: u32, up: bool) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Starts or stops a P2P device; one that is so already stays so.
    fn set_p2p(&mut self, device: u64, started: bool) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Tunes an interface in monitor mode.
    fn tune(&mut self, index: u32, tuning: Tuning) -> impl Future<Output = Result<(), ControlError>> + Send;
}
