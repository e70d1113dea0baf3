//! The doctor over machines made of files.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::{Clock, Spool, Sync};
use std::{fs, os::unix::fs::symlink, path::Path};

/// A machine in a directory.
struct Machine(tempfile::TempDir);

impl Machine {
    /// A Raspberry Pi with a stick in monitor mode on which nothing is wrong.
    fn healthy() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine
            .file("/sys/class/net/wlan1/type", "803")
            .file("/sys/class/net/wlan1/flags", "0x1003")
            .file("/sys/class/net/wlan1/ifindex", "4")
            .file("/sys/class/net/wlan1/phy80211/rfkill1/soft", "0")
            .file("/sys/class/net/wlan1/phy80211/rfkill1/hard", "0")
            .link("/sys/class/net/wlan1/phy80211/device/driver", "/sys/bus/usb/drivers/mt76x2u")
            .file("/sys/module/cfg80211/parameters/ieee80211_regdom", "DE")
            .file("/proc/sys/kernel/osrelease", "6.12.47+rpt-rpi-v8")
            .file("/proc/self/status", "Name:\tairtally\nCapEff:\t0000000000003000\n")
            .file("/proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\n")
            .file("/proc/1/comm", "systemd")
            .file("/proc/mounts", "/dev/root / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0")
            .file("/run/systemd/timesync/synchronized", "");
        fs::create_dir_all(machine.0.path().join("run/airtally")).unwrap();
        fs::create_dir_all(machine.0.path().join("var/lib/airtally")).unwrap();
        machine
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(&path[1..]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn link(&self, path: &str, to: &str) -> &Self {
        let path = self.0.path().join(&path[1..]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(to, path).unwrap();
        self
    }

    fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.0.path().join(&path[1..])).unwrap();
        self
    }

    fn host(&self) -> Host {
        Host::new(self.0.path())
    }
}

/// Checks, levels and messages of what is not well.
fn ills(findings: Vec<Finding>) -> Vec<(&'static str, Level, String)> {
    let ill = findings.into_iter().filter(|finding| finding.level > Level::Ok);
    ill.inspect(|finding| assert!(finding.advice.is_some())).map(|f| (f.check, f.level, f.message)).collect()
}

fn radio(machine: &Machine) -> Vec<(&'static str, Level, String)> {
    let host = machine.host();
    ills(card::check(&host, "wlan1").into_iter().chain(rivals::check(&host, "wlan1")).collect())
}

#[test]
fn nothing_is_wrong_with_a_healthy_machine() {
    let machine = Machine::healthy();
    assert_eq!(radio(&machine), []);
    assert_eq!(rights::check(&machine.host()).level, Level::Ok);
    assert_eq!(clock::check(&machine.host(), &Clock::default()).level, Level::Ok);
    let small = Spool { max_bytes: crate::units::Bytes(1 << 20), ..Spool::default() };
    assert_eq!(ills(disk::check(&machine.host(), &small)), []);
}

#[test]
fn a_card_that_is_not_there_is_told_with_those_that_are() {
    let found = card::check(&Machine::healthy().host(), "wlan7");
    assert_eq!(found[0].level, Level::Fail);
    assert_eq!(found[0].message, "there is no interface 'wlan7'; there is wlan1");
}

#[test]
fn the_uplink_a_managed_card_a_switch_and_no_country_are_told() {
    let machine = Machine::healthy();
    machine
        .file("/proc/net/route", "Iface\nwlan1\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\n")
        .file("/sys/class/net/wlan1/type", "1")
        .file("/sys/class/net/wlan1/phy80211/rfkill1/soft", "1")
        .file("/sys/module/cfg80211/parameters/ieee80211_regdom", "00");
    let found = radio(&machine);
    let checks: Vec<_> = found.iter().map(|(check, level, _)| (*check, *level)).collect();
    let wrong = [("uplink", Level::Fail), ("card", Level::Warn), ("rfkill", Level::Fail), ("regulatory", Level::Warn)];
    assert_eq!(checks, wrong, "{found:?}");
}

#[test]
fn known_trouble_goes_by_driver_and_kernel_and_names_its_source() {
    let machine = Machine::healthy();
    machine.link("/sys/class/net/wlan1/phy80211/device/driver", "/sys/bus/sdio/drivers/brcmfmac");
    assert!(matches!(&radio(&machine)[..], [("driver", Level::Fail, message)] if message.contains("brcmfmac")));
    assert_eq!(trouble::of("mt7921u", "6.8.0").len(), 0);
    assert_eq!(trouble::of("mt7921u", "6.12.47+rpt-rpi-v8").len(), 1);
    assert_eq!(trouble::of("mt7921u", "6.18.1-arch1-2").len(), 2);
    assert_eq!(trouble::of("mt7921u", "7.2.0").len(), 1);
    assert!(trouble::of("rtl8xxxu", "6.18").iter().all(|known| known.source.unwrap().starts_with("https://")));
    assert_eq!(trouble::of("rtl8xxxu", "unknown"), []);
}

#[test]
fn rivals_are_told_when_they_want_this_card() {
    let machine = Machine::healthy();
    machine
        .file("/proc/70/comm", "NetworkManager")
        .file("/run/NetworkManager/devices/4", "[device]\nmanaged=unmanaged");
    machine.file("/proc/71/comm", "wpa_supplicant").file("/proc/71/cmdline", "wpa_supplicant\0-iwlan0\0");
    assert_eq!(radio(&machine), []);
    machine
        .file("/run/NetworkManager/devices/4", "[device]\nmanaged=full")
        .file("/proc/71/cmdline", "wpa_supplicant\0-i\0wlan1\0");
    let found = radio(&machine);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].2.starts_with("NetworkManager manages wlan1"));
    assert!(found[1].2.starts_with("wpa_supplicant runs on wlan1"));
}

#[test]
fn a_clock_that_nobody_will_ever_call_right_fails_and_one_that_is_late_warns() {
    let machine = Machine::healthy();
    machine.remove("/run/systemd/timesync/synchronized");
    let level = |machine: &Machine| clock::check(&machine.host(), &Clock::default()).level;
    assert_eq!(level(&machine), Level::Fail);
    machine.file("/proc/80/comm", "chronyd");
    assert_eq!(level(&machine), Level::Fail);
    machine.file("/proc/80/comm", "systemd-timesyn");
    assert_eq!(level(&machine), Level::Warn);
    let never = Clock { sync: Sync::Never, ..Clock::default() };
    assert_eq!(clock::check(&machine.host(), &never).level, Level::Warn);
}

#[test]
fn missing_rights_directories_and_room_are_told() {
    let machine = Machine::healthy();
    machine.file("/proc/self/status", "CapEff:\t0000000000002000\n");
    assert!(rights::check(&machine.host()).message.ends_with("lacks CAP_NET_ADMIN"));
    let huge = Spool { max_bytes: crate::units::Bytes(1 << 60), ..Spool::default() };
    assert_eq!(ills(disk::check(&machine.host(), &huge)).len(), 2);
    machine.file("/proc/mounts", "/dev/root / ext4 rw 0 0");
    let small = Spool { max_bytes: crate::units::Bytes(1 << 20), ..Spool::default() };
    assert!(ills(disk::check(&machine.host(), &small))[0].2.contains("is not in memory"));
    let nowhere = Spool { state_dir: "/nowhere".into(), ..small };
    assert!(ills(disk::check(&machine.host(), &nowhere))[0].2.contains("is not there"));
}

#[test]
fn an_old_vendor_cache_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oui.sqlite");
    let now = UnixNanos::new(1_795_000_000, 0);
    assert_eq!(vendors::check(&path, now).level, Level::Warn);
    fs::write(&path, "not a cache").unwrap();
    assert_eq!(vendors::check(Path::new(&path), now).level, Level::Fail);
}
