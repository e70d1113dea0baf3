//! What alerts are about, as scenes: each attack, and well-behaved air that looks nearly like it.

use crate::support::air::{ALL, Air, Ap, Dice, element, mac};

/// My access points, a stranger's, and stations.
pub const MINE: [u8; 6] = mac(1, 0x0001);
pub const MINE_TOO: [u8; 6] = mac(1, 0x0002);
pub const STRANGER: [u8; 6] = mac(7, 0x0303);
pub const LAPTOP: [u8; 6] = mac(2, 0x0101);
const PHONE: [u8; 6] = mac(3, 0x0202);

/// What the scenes are watched with.
pub const CONFIG: &str = r#"
[alerts]
learn = "0s"
[[networks]]
ssid = "home"
bssids = ["10:01:5a:77:00:01", "10:01:5a:77:00:02"]
[[devices]]
name = "laptop"
address = "10:02:5a:77:01:01"
"#;

/// Air, and the kinds of alert that there are in it.
pub struct Scene {
    pub name: &'static str,
    pub air: Air,
    pub kinds: &'static [&'static str],
}

fn mine() -> Ap {
    Ap::new(MINE, "home")
}

/// Twenty seconds of my access point's beacons, and what else there is.
fn at_home(what: impl FnOnce(&mut Air)) -> Air {
    let mut air = Air::default();
    air.beacons(&mut mine(), 0, 40_000);
    what(&mut air);
    air
}

const fn seconds(seconds: u64) -> u64 {
    seconds * 1_000_000
}

#[allow(clippy::too_many_lines)]
pub fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    let mut scene = |name, kinds, air| scenes.push(Scene { name, air, kinds });

    // Deauthentication.
    let flood = &["deauth_flood"][..];
    for (name, every_ms, disassociates, ra) in [
        ("deauthentication of all, one a second", 1_000, false, ALL),
        ("deauthentication of all, fifty a second", 20, false, ALL),
        ("disassociation of all, two a second", 500, true, ALL),
        ("deauthentication of one, one a second", 1_000, false, PHONE),
    ] {
        let air = at_home(|air| {
            for number in 0..20_000 / every_ms {
                let (at, reason) = (seconds(5) + number * every_ms * 1_000, u16::try_from(number % 40).unwrap());
                // The tool stands where the access point stands, and goes on from its number.
                air.deauth(at, -50, disassociates, (ra, MINE, MINE), 0, reason, false);
            }
        });
        scene(name, flood, air);
    }
    scene(
        "deauthentication in both directions, by one tool",
        flood,
        at_home(|air| {
            for number in 0..60 {
                let (at, sequence) = (seconds(5) + number * 100_000, u16::try_from(number).unwrap());
                air.deauth(at, -52, false, (PHONE, MINE, MINE), sequence, 7, false);
                air.deauth(at + 2_000, -52, false, (MINE, PHONE, MINE), sequence, 7, false);
            }
        }),
    );
    scene(
        "goodbyes to stations that have left, each sent again seven times",
        &[],
        at_home(|air| {
            for number in 0..4_u64 {
                for again in 0..8 {
                    let (at, sequence) =
                        (seconds(5 + number * 9) + again * 2_000, u16::try_from(300 + number).unwrap());
                    air.deauth(at, -50, false, (mac(3, 1), MINE, MINE), sequence, 4, again > 0);
                }
            }
        }),
    );
    scene(
        "an access point shuts down",
        &[],
        at_home(|air| {
            (0..3).for_each(|number| {
                air.deauth(seconds(20) + number * 50_000, -50, false, (ALL, MINE, MINE), 900, 3, false)
            });
        }),
    );
    scene(
        "protected deauthentications, twenty",
        &[],
        at_home(|air| {
            for number in 0..20 {
                let sequence = Some(u16::try_from(number).unwrap());
                air.frame(
                    seconds(5) + number * 100_000,
                    -50,
                    6,
                    [0xc0, 0x40],
                    0,
                    &[PHONE, MINE, MINE],
                    sequence,
                    &[9; 18],
                );
            }
        }),
    );
    scene(
        "a class of forty leaves, each with a goodbye of its own",
        &[],
        at_home(|air| {
            for number in 0..40 {
                let sta = mac(3, 0x1000 + u16::try_from(number).unwrap());
                air.deauth(seconds(10) + number * 100_000, -60, true, (MINE, sta, MINE), 77, 8, false);
            }
        }),
    );

    // In my access point's name.
    let own = |signal, sequence| {
        move |air: &mut Air| {
            for number in 0..4_u64 {
                let far = if sequence { 2_000 } else { 0 };
                // Beacons came up to then with numbers from that of `mine` on.
                let at = seconds(10) + number * seconds(4);
                let now = mine().sequence + u16::try_from(at / 102_400).unwrap() + far;
                air.deauth(at, signal, false, (PHONE, MINE, MINE), now & 0x0fff, 6, false);
            }
        }
    };
    scene("few deauthentications from elsewhere in my name", &["deauth_spoofed"], at_home(own(-75, true)));
    scene("few of its own", &[], at_home(own(-51, false)));
    scene("few of its own, by another counter", &[], at_home(own(-52, true)));
    scene("few of its own while somebody stands before it", &[], at_home(own(-72, false)));

    // Twins.
    let with_twin = |ssid: &'static str, bssid, protected: bool, to_ms: u64| {
        at_home(|air| {
            air.beacons(&mut Ap { protected, signal: -65, channel: 11, ..Ap::new(bssid, ssid) }, 4_000, to_ms);
        })
    };
    scene("a twin with a key", &["evil_twin"], with_twin("home", STRANGER, true, 12_000));
    scene("a twin without a key", &["evil_twin", "open_twin"], with_twin("home", STRANGER, false, 12_000));
    scene(
        "a twin that only answers",
        &["evil_twin"],
        at_home(|air| {
            let mut twin = Ap::new(STRANGER, "home");
            (0..6).for_each(|number| air.answer(seconds(5 + number), &mut twin, PHONE));
        }),
    );
    scene(
        "my address without a key",
        &["bss_changed", "open_twin"],
        with_twin("home", MINE_TOO, false, 9_000).and_then_mine_too(),
    );
    scene("my second access point", &[], with_twin("home", MINE_TOO, true, 12_000));
    scene("a neighbour's network, and an open one for guests", &[], with_twin("home-guest", STRANGER, false, 12_000));
    scene("one beacon of a twin, as a damaged frame may be", &[], with_twin("home", STRANGER, true, 4_150));

    // What my access point is.
    scene("my access point on another channel at once", &["bss_changed"], {
        let (mut air, mut ap) = (Air::default(), mine());
        air.beacons(&mut ap, 0, 15_000);
        air.beacons(&mut Ap { channel: 11, ..ap }, 15_000, 30_000);
        air
    });
    scene("my access point with another interval", &["bss_changed"], {
        let (mut air, mut ap) = (Air::default(), mine());
        air.beacons(&mut ap, 0, 15_000);
        air.beacons(&mut Ap { interval: 200, ..ap }, 15_000, 30_000);
        air
    });
    scene("radar: a switch that is announced and made", &[], {
        let (mut air, mut ap) = (Air::default(), Ap { channel: 100, ..mine() });
        air.beacons(&mut ap, 0, 15_000);
        for count in (0..=5_u8).rev() {
            let at = seconds(15) + u64::from(5 - count) * 102_400;
            air.beacon(at, &mut ap, &element(37, &[1, 36, count]));
        }
        air.beacons(&mut Ap { channel: 36, ..ap }, 17_000, 40_000);
        air
    });
    scene("a switch that is made, and a restart on the old channel", &[], {
        let (mut air, mut ap) = (Air::default(), mine());
        air.beacons(&mut ap, 0, 15_000);
        for count in (0..=5_u8).rev() {
            let at = seconds(15) + u64::from(5 - count) * 102_400;
            air.beacon(at, &mut ap, &element(37, &[1, 11, count]));
        }
        let tsf = 0_u64.wrapping_sub(seconds(25));
        air.beacons(&mut Ap { tsf, sequence: 0, ..ap }, 27_000, 60_000);
        air
    });
    scene("a restart, on another channel", &[], {
        let (mut air, mut ap) = (Air::default(), mine());
        air.beacons(&mut ap, 0, 15_000);
        let tsf = 0_u64.wrapping_sub(seconds(25));
        air.beacons(&mut Ap { channel: 1, tsf, sequence: 0, ..ap }, 27_000, 60_000);
        air
    });
    scene("a switch that is announced, and not made", &["csa_abuse"], {
        let (mut air, mut ap) = (at_home(|_| {}), mine());
        for number in 0..20 {
            ap.sequence = 100;
            air.beacon(seconds(10) + number * 500_000, &mut ap, &element(37, &[1, 11, 3]));
        }
        air
    });
    scene(
        "the same in action frames",
        &["csa_abuse"],
        at_home(|air| {
            for number in 0..10 {
                let body = [&[0, 4][..], &element(37, &[1, 11, 1])].concat();
                air.frame(seconds(10) + number * 300_000, -50, 6, [0xd0, 0], 0, &[ALL, MINE, MINE], Some(3), &body);
            }
        }),
    );
    scene(
        "a switch to a channel that there is not",
        &["csa_abuse"],
        at_home(|air| {
            let mut ap = mine();
            (0..8).for_each(|number| air.beacon(seconds(10) + number * 700_000, &mut ap, &element(60, &[1, 81, 0, 4])));
        }),
    );
    scene("two clocks take turns", &["tsf_back"], {
        let mut air = at_home(|_| {});
        air.beacons(&mut Ap { tsf: 5_000_000, sequence: 7, ..mine() }, 10_000, 20_000);
        air
    });
    scene("the clock goes back to last week", &["tsf_back"], {
        let (mut air, mut ap) = (Air::default(), mine());
        air.beacons(&mut ap, 0, 15_000);
        ap.tsf -= 3_600_000_000;
        air.beacons(&mut ap, 15_200, 30_000);
        air
    });
    scene("a restart", &[], {
        let (mut air, mut ap) = (Air::default(), mine());
        air.beacons(&mut ap, 0, 15_000);
        let tsf = 0_u64.wrapping_sub(seconds(50));
        air.beacons(&mut Ap { tsf, sequence: 0, ..ap }, 52_000, 80_000);
        air
    });

    // Floods of networks.
    let beacons = &["beacon_flood"][..];
    let made_up = |each_ms: u64, make: fn(&mut Dice, u64) -> Ap| {
        at_home(|air| {
            let mut dice = Dice::new(each_ms);
            for number in 0..20_000 / each_ms {
                let mut ap = make(&mut dice, number);
                air.beacon(seconds(8) + number * each_ms * 1_000, &mut ap, &[]);
            }
        })
    };
    scene(
        "networks that count frames for a clock, fifty a second",
        beacons,
        made_up(20, |dice, number| {
            let at = 8_000_000 + number * 20_000;
            Ap {
                tsf: (number * 1_024).wrapping_sub(at),
                sequence: 0,
                ..Ap::new(dice.mac(), &format!("{:x}", dice.roll()))
            }
        }),
    );
    scene(
        "networks of one name, one a second, at time 0",
        beacons,
        made_up(1_000, |dice, number| {
            let at = 8_000_000 + number * 1_000_000;
            Ap { tsf: 0_u64.wrapping_sub(at), sequence: 0, protected: false, ..Ap::new(dice.mac(), "FREE") }
        }),
    );
    scene(
        "networks by a card that puts in its own time, ten a second",
        beacons,
        made_up(100, |dice, number| Ap {
            tsf: 77_000_000,
            sequence: u16::try_from(number).unwrap(),
            ..Ap::new(dice.station(), &format!("{:x}", dice.roll()))
        }),
    );
    scene(
        "networks of one vendor, by one counter, with clocks at random",
        beacons,
        made_up(200, |dice, number| {
            let bssid = mac(8, u16::try_from(dice.below(0xffff)).unwrap());
            let sequence = u16::try_from(number).unwrap();
            Ap { tsf: dice.below(1 << 50), sequence, ..Ap::new(bssid, &format!("{:x}", dice.roll())) }
        }),
    );
    scene(
        "networks with everything at random, thirty a second",
        beacons,
        made_up(33, |dice, _| {
            let sequence = u16::try_from(dice.below(4096)).unwrap();
            Ap {
                tsf: dice.below(1 << 50),
                sequence,
                signal: -40,
                ..Ap::new(dice.station(), &format!("{:x}", dice.roll()))
            }
        }),
    );
    scene(
        "names at random of one address",
        beacons,
        made_up(100, |dice, _| Ap { sequence: 0, ..Ap::new(mac(8, 8), &format!("{:x}", dice.roll())) }),
    );
    scene(
        "eight networks of a toy, one address after the other, whose clock stands still",
        beacons,
        at_home(|air| {
            for number in 0..8_u16 {
                for again in 0..60_u64 {
                    let at = seconds(8) + again * 200_000 + u64::from(number) * 9_000;
                    let tsf = 68_719_476_736_u64.wrapping_sub(at);
                    let bssid = mac(8, 0x1230 + number);
                    let mut ap = Ap { tsf, sequence: 0, ..Ap::new(bssid, &format!("{number} a line of a song")) };
                    air.beacon(at, &mut ap, &[]);
                }
            }
        }),
    );
    let provider = |spread: fn(u16) -> [u8; 6], count: u16, from_ms: fn(u16) -> u64| {
        at_home(|air| {
            let mut dice = Dice::new(77);
            for number in 0..count {
                let signal = -85 + i8::try_from(dice.below(40)).unwrap();
                let mut ap = Ap {
                    tsf: dice.below(1 << 42),
                    sequence: u16::try_from(dice.below(4096)).unwrap(),
                    signal,
                    channel: 1,
                    ..Ap::new(spread(number), &format!("provider-{number:04X}"))
                };
                air.beacons(&mut ap, from_ms(number), 30_000);
            }
        })
    };
    scene("forty neighbours with one provider's box, all at once", &[], provider(|n| mac(5, n * 257), 40, |_| 1_000));
    scene("the same boxes of many makers", &[], provider(|n| mac(100 + n.to_le_bytes()[0], n * 257), 40, |_| 1_000));
    scene(
        "the same, channel after channel",
        &[],
        provider(|n| mac(5 + n.to_le_bytes()[0] % 4, n * 257), 40, |n| u64::from(n) * 200),
    );
    scene(
        "one access point with sixteen networks",
        &[],
        at_home(|air| {
            for number in 0..16_u16 {
                let mut ap = Ap {
                    tsf: 5_555_555_555,
                    sequence: number,
                    ..Ap::new(mac(5, 0x4440 + number), &format!("floor-{number}"))
                };
                air.beacons(&mut ap, 5_000, 30_000);
            }
        }),
    );

    // One that has every name.
    scene(
        "an access point that answers to all names",
        &["karma"],
        at_home(|air| {
            for number in 0..8 {
                let mut ap = Ap { protected: false, ..Ap::new(STRANGER, &format!("asked-{number}")) };
                air.answer(seconds(5 + number), &mut ap, mac(3, 1));
            }
        }),
    );
    scene(
        "eight access points that answer to their own",
        &[],
        at_home(|air| {
            for number in 0..8_u16 {
                let mut ap = Ap::new(mac(5, 0x1111 * number), &format!("own-{number}"));
                air.beacons(&mut ap, 5_000, 20_000);
                (0..5).for_each(|again| air.answer(seconds(10 + again), &mut ap, mac(3, 1)));
            }
        }),
    );

    // Who wants in.
    for (name, each_ms) in [("stations at random, a hundred a second", 10), ("stations at random, five a second", 200)]
    {
        scene(
            name,
            &["auth_flood"],
            at_home(|air| {
                let mut dice = Dice::new(5);
                for number in 0..10_000 / each_ms {
                    air.authenticates(seconds(5) + number * each_ms * 1_000, dice.station(), MINE);
                }
            }),
        );
    }
    scene(
        "the bell: forty phones come in within eight seconds",
        &[],
        at_home(|air| {
            (0..40).for_each(|number| air.comes_in(5_000 + u64::from(number) * 200, phone(number), STRANGER, "school"));
        }),
    );
    scene(
        "the power is back: sixty phones come in within two seconds",
        &[],
        at_home(|air| {
            (0..60).for_each(|number| air.comes_in(5_000 + u64::from(number) * 33, phone(number), STRANGER, "school"));
        }),
    );
    scene(
        "a crowd roams through three access points",
        &[],
        at_home(|air| {
            for number in 0..60_u16 {
                let bssid = mac(7, 0x100 * (number % 3));
                air.comes_in(3_000 + u64::from(number) * 400, phone(number), bssid, "campus");
            }
        }),
    );
    scene(
        "PINs of Wi-Fi Protected Setup, one each three seconds",
        &["wps_bruteforce"],
        at_home(|air| {
            for number in 0..12 {
                let at = seconds(2 + number * 3);
                air.wsc_identity(at, PHONE, MINE, "WFA-SimpleConfig-Registrar-1-0");
                for (step, message, to_ap) in [(1, 4, false), (2, 5, true), (3, 7, false), (4, 8, true)] {
                    air.wsc(at + step * 100_000, PHONE, MINE, to_ap, message);
                }
            }
        }),
    );
    scene(
        "the button is pushed, twice",
        &[],
        at_home(|air| {
            for number in 0..2 {
                let at = seconds(3 + number * 20);
                air.wsc_identity(at, PHONE, MINE, "WFA-SimpleConfig-Enrollee-1-0");
                for message in 4..=12 {
                    air.wsc(at + u64::from(message) * 100_000, PHONE, MINE, message % 2 == 0, message);
                }
            }
        }),
    );
    scene(
        "first messages are collected",
        &["pmkid_harvest"],
        at_home(|air| {
            for number in 0..8_u16 {
                let (at, bssid) = (seconds(3 + u64::from(number) * 3), mac(7, 0x100 * number));
                air.authenticates(at, PHONE, bssid);
                air.associates(at + 10_000, PHONE, bssid, "theirs");
                (0..3).for_each(|again| air.handshake(at + 20_000 + again * 800_000, PHONE, bssid, 1));
            }
        }),
    );
    scene(
        "a wrong password, eight times",
        &[],
        at_home(|air| {
            for number in 0..8 {
                let at = seconds(3 + number * 4);
                air.authenticates(at, PHONE, STRANGER);
                air.associates(at + 10_000, PHONE, STRANGER, "theirs");
                for again in 0..3 {
                    air.handshake(at + 20_000 + again * 900_000, PHONE, STRANGER, 1);
                    air.handshake(at + 25_000 + again * 900_000, PHONE, STRANGER, 2);
                }
            }
        }),
    );
    scene(
        "a device that is not listed comes in",
        &["new_device"],
        at_home(|air| air.comes_in(5_000, PHONE, MINE, "home")),
    );
    scene(
        "a listed device, and one with a randomised address",
        &[],
        at_home(|air| {
            air.comes_in(5_000, LAPTOP, MINE, "home");
            let [_, rest @ ..] = PHONE;
            air.comes_in(9_000, [&[0x12][..], &rest].concat().try_into().unwrap(), MINE, "home");
        }),
    );

    // The channel is reserved.
    scene(
        "RTS that reserve 32 ms",
        &["nav_abuse"],
        at_home(|air| {
            (0..200).for_each(|number| air.rts(seconds(5) + number * 50_000, mac(7, 1), mac(7, 2), 32_767));
        }),
    );
    scene(
        "CTS that reserve 30 ms, to anybody",
        &["nav_abuse"],
        at_home(|air| {
            let mut dice = Dice::new(3);
            (0..300).for_each(|number| air.cts(seconds(5) + number * 30_000, dice.station(), 30_000));
        }),
    );
    scene(
        "RTS and CTS of usual exchanges, some of them long",
        &[],
        at_home(|air| {
            for number in 0..300 {
                air.rts(
                    seconds(5) + number * 50_000,
                    mac(7, 1),
                    mac(7, 2),
                    if number % 60 == 0 { 24_000 } else { 6_000 },
                );
                air.cts(seconds(5) + number * 50_000 + 100, mac(7, 2), 5_900);
            }
        }),
    );
    scenes
}

fn phone(number: u16) -> [u8; 6] {
    mac(3, 0x2000 + number * 3)
}

impl Air {
    /// Also my second access point as it is.
    fn and_then_mine_too(mut self) -> Self {
        self.beacons(&mut Ap { channel: 11, ..Ap::new(MINE_TOO, "home") }, 0, 40_000);
        self
    }
}
