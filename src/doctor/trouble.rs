//! What others have met with drivers and kernels in monitor mode: data, each with where it is told.

use super::{Finding, Level};

/// A trouble known of a driver.
struct Trouble {
    /// The kernel module.
    driver: &'static str,
    /// The first kernel that has it, as major and minor.
    from: (u32, u32),
    /// The first that has it no longer.
    until: Option<(u32, u32)>,
    level: Level,
    what: &'static str,
    advice: &'static str,
    source: &'static str,
}

const ALWAYS: (u32, u32) = (0, 0);
const ANOTHER_CARD: &str = "use another card: a USB stick with an MT7610U or MT7612U, say";

const TROUBLES: [Trouble; 8] = [
    Trouble {
        driver: "brcmfmac",
        from: ALWAYS,
        until: None,
        level: Level::Fail,
        what: "has no monitor mode without patched firmware (it drives a Raspberry Pi's built-in card)",
        advice: ANOTHER_CARD,
        source: "https://github.com/seemoo-lab/nexmon/issues/319",
    },
    Trouble {
        driver: "rtl8xxxu",
        from: (6, 5),
        until: None,
        level: Level::Warn,
        what: "was seen to deliver nothing any more after a while in monitor mode, until the stick was replugged",
        advice: ANOTHER_CARD,
        source: "https://github.com/morrownr/USB-WiFi/issues/333",
    },
    Trouble {
        driver: "rtl8xxxu",
        from: (6, 18),
        until: None,
        level: Level::Warn,
        what: "was seen to capture nothing when its own interface becomes the monitor",
        advice: "add a monitor interface beside it (iw phy … interface add … type monitor), or use another card",
        source: "https://github.com/morrownr/USB-WiFi/issues/682",
    },
    Trouble {
        driver: "mt7921u",
        from: (6, 17),
        until: None,
        level: Level::Warn,
        what: "was seen to capture nothing in monitor mode, without any error",
        advice: "check that the sensor hears frames; a 6.12 kernel worked",
        source: "https://github.com/morrownr/mt76/issues/18",
    },
    Trouble {
        driver: "mt7921u",
        from: (6, 9),
        until: Some((7, 2)),
        level: Level::Warn,
        what: "hears nothing on a monitor interface that is added beside another one",
        advice: "turn its own interface into the monitor",
        source: "https://github.com/morrownr/mt76/issues/37",
    },
    Trouble {
        driver: "rtl88x2bu",
        from: ALWAYS,
        until: None,
        level: Level::Warn,
        what: "(not the kernel's own) was seen to stay on channel 1 in monitor mode",
        advice: "use the kernel's own rtw88_8822bu, or the newest version of this one",
        source: "https://github.com/morrownr/88x2bu-20210702/issues/112",
    },
    Trouble {
        driver: "8812au",
        from: ALWAYS,
        until: None,
        level: Level::Fail,
        what: "(not the kernel's own) does not support monitor mode in its newer versions",
        advice: "use the kernel's own rtw88_8812au, from kernel 6.13 on",
        source: "https://github.com/morrownr/8812au-20210820/issues/43",
    },
    Trouble {
        driver: "8814au",
        from: ALWAYS,
        until: None,
        level: Level::Warn,
        what: "(not the kernel's own) was seen to freeze networking when a monitor interface is added to it",
        advice: "turn its own interface into the monitor, or use another card",
        source: "https://github.com/morrownr/8814au/issues/80",
    },
];

/// What is known of `driver` in a kernel of this release, like `6.12.47+rpt-rpi-v8`.
pub(super) fn of(driver: &str, release: &str) -> Vec<Finding> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let kernel = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    TROUBLES
        .iter()
        .filter(|trouble| trouble.driver == driver && kernel >= trouble.from)
        .filter(|trouble| trouble.until.is_none_or(|until| kernel < until))
        .map(|trouble| Finding {
            check: "driver",
            level: trouble.level,
            message: format!("the driver {driver} {} (this kernel is {release})", trouble.what),
            advice: Some(trouble.advice.to_owned()),
            source: Some(trouble.source),
        })
        .collect()
}
