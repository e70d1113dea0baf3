//! What a beacon announces: protection, channel, width, rates; whole, cut, damaged, with octets after it that are none of its.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/tshark.rs"]
mod tshark;

use airtally::dot11::{self, LinkType, Network, Pmf, Security, Suites, Wps};
use proptest::prelude::*;

const AP: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x01];
const ESS: u16 = 0x0001;
const IBSS: u16 = 0x0002;
const PRIVACY: u16 = 0x0010;

/// A beacon of [`AP`]; its elements begin behind 36 octets.
fn beacon(capability: u16, elements: &[u8]) -> Vec<u8> {
    let header = [&[0x80, 0, 0, 0][..], &[0xff; 6], &AP, &AP, &[0, 0], &[0; 8], &[100, 0]].concat();
    [&header[..], &capability.to_le_bytes(), elements].concat()
}

fn element(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id, body.len() as u8], body].concat()
}

/// What the first `kept` octets of a frame of `original` announce.
fn announced_of(frame: &[u8], kept: usize, original: usize) -> Option<Network> {
    dot11::parse(LinkType::IEEE802_11, &frame[..kept], original as u32).body().network()
}

fn announced(capability: u16, elements: &[u8]) -> Network {
    let frame = beacon(capability, elements);
    announced_of(&frame, frame.len(), frame.len()).unwrap()
}

fn security(capability: u16, elements: &[u8]) -> String {
    announced(capability, elements).security.to_string()
}

fn rsn(suites: &[u8]) -> Vec<u8> {
    let mut body = vec![1, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 0x0f, 0xac, 4, suites.len() as u8, 0];
    body.extend(suites.iter().flat_map(|&suite| [0, 0x0f, 0xac, suite]));
    body.extend([0, 0]);
    element(48, &body)
}

fn wpa() -> Vec<u8> {
    element(221, &[0, 0x50, 0xf2, 1, 1, 0, 0, 0x50, 0xf2, 2, 1, 0, 0, 0x50, 0xf2, 2, 1, 0, 0, 0x50, 0xf2, 2])
}

fn wapi() -> Vec<u8> {
    element(68, &[1, 0, 1, 0, 0, 0x14, 0x72, 2, 1, 0, 0, 0x14, 0x72, 1, 0, 0x14, 0x72, 1, 0, 0])
}

fn osen() -> Vec<u8> {
    element(221, &[0x50, 0x6f, 0x9a, 0x12, 0, 0x50, 0x6f, 0x9a, 1, 1, 0, 0x50, 0x6f, 0x9a, 1])
}

const UNKNOWN: &str = "encrypted, kind unknown";

#[test]
fn what_is_not_wep_is_not_called_so() {
    let private = ESS | PRIVACY;
    for (capability, elements, expected) in [
        (private, vec![], "WEP"),
        (IBSS | PRIVACY, vec![], "WEP"),
        (ESS, vec![], "open"),
        (private, wapi(), "WAPI"),
        (private, osen(), "OSEN"),
        (private, [wapi(), rsn(&[2])].concat(), "WPA2/WAPI"),
        // The number of WAPI's element is that of BSS AC Access Delay too.
        (private, element(68, &[1, 2, 3, 4]), "WEP"),
        (ESS, element(68, &[1, 2, 3, 4]), "open"),
        // A Wi-Fi Direct device: privacy, and no BSS.
        (0x0430, vec![], UNKNOWN),
        (0, vec![], "open"),
        // Another version; counts that do not fit.
        (private, element(48, &[2, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 0x0f, 0xac, 2]), UNKNOWN),
        (private, element(48, &[1, 0, 0, 0x0f, 0xac, 4, 9, 0, 0, 0x0f, 0xac, 4]), UNKNOWN),
        (private, element(48, &[1, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 0x0f, 0xac, 4, 0, 0]), UNKNOWN),
        (private, element(48, &[1, 0, 0, 0x0f]), UNKNOWN),
        (private, element(48, &[]), UNKNOWN),
        (private, element(48, &[1, 0]), "WPA2-Enterprise"),
        (private, [element(48, &[9, 9]), rsn(&[8])].concat(), "WPA3"),
        (private, element(221, &[0, 0x50, 0xf2, 1, 2, 0]), UNKNOWN),
        // Without the privacy bit a version alone is nothing; named suites are.
        (ESS, element(48, &[1, 0]), "open"),
        (ESS, element(48, &[0x12, 0x34]), "open"),
        (ESS, rsn(&[2]), "WPA2"),
        // OWE transition: this BSS is the open one of two.
        (ESS, element(221, &[0x50, 0x6f, 0x9a, 0x1c, 0, 1, 2, 3, 4, 5]), "open"),
    ] {
        assert_eq!(security(capability, &elements), expected, "{capability:#06x} {elements:02x?}");
    }
}

/// HT operation on this channel: 40 MHz above if `wide`.
fn ht_operation(channel: u8, wide: bool) -> Vec<u8> {
    element(61, &[&[channel, if wide { 0x05 } else { 0 }][..], &[0; 20]].concat())
}

fn vht_operation(width: u8, first: u8, second: u8) -> Vec<u8> {
    element(192, &[width, first, second, 0xfc, 0xff])
}

/// HE operation with these optional parts.
fn he_operation(vht: Option<[u8; 3]>, co_hosted: bool, six: Option<[u8; 5]>) -> Vec<u8> {
    let parameters = u32::from(vht.is_some()) << 14 | u32::from(co_hosted) << 15 | u32::from(six.is_some()) << 17;
    let mut body = vec![36];
    body.extend(&parameters.to_le_bytes()[..3]);
    body.extend([0x2a, 0xfc, 0xff]);
    body.extend(vht.into_iter().flatten());
    body.extend(co_hosted.then_some(3));
    body.extend(six.into_iter().flatten());
    element(255, &body)
}

fn eht_operation(width: Option<u8>) -> Vec<u8> {
    let mut body = vec![106, u8::from(width.is_some()), 0x44, 0x44, 0x44, 0x44];
    if let Some(width) = width {
        body.extend([width, 15, 31]);
    }
    element(255, &body)
}

#[test]
fn channel_and_width_are_what_is_announced() {
    let ds = |channel| element(3, &[channel]);
    for (elements, channel, width) in [
        (vec![], None, None),
        (ds(6), Some(6), Some(20)),
        ([ds(6), ht_operation(6, true)].concat(), Some(6), Some(40)),
        // A width that may be any, and no secondary channel.
        ([ds(6), element(61, &[&[6, 0x04][..], &[0; 20]].concat())].concat(), Some(6), Some(20)),
        (ht_operation(44, false), Some(44), Some(20)),
        ([ht_operation(44, true), vht_operation(0, 0, 0)].concat(), Some(44), Some(40)),
        ([ht_operation(44, true), vht_operation(1, 42, 0)].concat(), Some(44), Some(80)),
        ([ht_operation(44, true), vht_operation(1, 42, 50)].concat(), Some(44), Some(160)),
        ([ht_operation(44, true), vht_operation(1, 42, 155)].concat(), Some(44), Some(160)),
        ([ht_operation(44, true), vht_operation(2, 50, 0)].concat(), Some(44), Some(160)),
        ([ht_operation(44, true), vht_operation(3, 42, 155)].concat(), Some(44), Some(160)),
        ([ht_operation(36, true), he_operation(Some([1, 42, 0]), false, None)].concat(), Some(36), Some(80)),
        (he_operation(None, false, Some([37, 2, 39, 0, 6])), Some(37), Some(80)),
        (he_operation(None, true, Some([37, 3, 39, 47, 6])), Some(37), Some(160)),
        (he_operation(Some([0, 0, 0]), true, Some([5, 0, 5, 0, 6])), Some(5), Some(20)),
        ([he_operation(None, false, Some([37, 3, 39, 47, 6])), eht_operation(Some(4))].concat(), Some(37), Some(320)),
        ([ht_operation(36, true), vht_operation(1, 42, 0), eht_operation(None)].concat(), Some(36), Some(80)),
        // Too short to be what they say.
        (element(61, &[44, 5]), None, None),
        (element(3, &[]), None, None),
        (element(3, &[0]), None, None),
        (element(255, &[36, 0, 0, 2, 0, 0, 0, 37]), None, None),
    ] {
        let network = announced(ESS, &elements);
        assert_eq!((network.channel, network.width_mhz), (channel, width), "{elements:02x?}");
    }
}

/// Elements of many networks, with the name first.
fn elements() -> impl Strategy<Value = Vec<u8>> {
    let protection = prop_oneof![
        Just(vec![]),
        proptest::sample::subsequence(vec![1u8, 2, 5, 6, 8, 12, 18], 1..4).prop_map(|suites| rsn(&suites)),
        Just(wpa()),
        Just(wapi()),
        Just(osen()),
    ];
    let place = prop_oneof![
        (1u8..14).prop_map(|channel| element(3, &[channel])),
        (36u8..177, any::<bool>()).prop_map(|(channel, wide)| ht_operation(channel, wide)),
        (36u8..177, 0u8..4, any::<u8>(), any::<u8>()).prop_map(|(channel, width, first, second)| {
            [ht_operation(channel, true), vht_operation(width, first, second)].concat()
        }),
        (proptest::option::of(any::<[u8; 3]>()), any::<bool>(), 1u8..=233, 0u8..4)
            .prop_map(|(vht, co_hosted, channel, width)| he_operation(vht, co_hosted, Some([channel, width, 7, 0, 6]))),
    ];
    let other = (prop_oneof![Just(7u8), Just(45), Just(127), Just(191)], proptest::collection::vec(any::<u8>(), 0..30))
        .prop_map(|(id, body)| element(id, &body));
    let rest = proptest::collection::vec(other, 0..4);
    let name = proptest::collection::vec(any::<u8>(), 0..=32).prop_map(|name| element(0, &name));
    (name, place, protection, rest).prop_flat_map(|(name, place, protection, mut rest)| {
        rest.extend([place, protection]);
        Just(rest).prop_shuffle().prop_map(move |rest| [name.clone(), rest.concat()].concat())
    })
}

/// Names parted by `/`.
fn names(security: Security) -> Vec<String> {
    security.to_string().split('/').map(str::to_owned).collect()
}

proptest! {
    /// However much of a beacon was kept: nothing is said that the whole does not say, and never WEP.
    #[test]
    fn a_cut_beacon_says_less_and_nothing_else(elements in elements(), privacy: bool, kept in 0usize..400, silently: bool) {
        let frame = beacon(ESS | if privacy { PRIVACY } else { 0 }, &elements);
        let whole = announced_of(&frame, frame.len(), frame.len()).unwrap();
        let kept = kept.min(frame.len() - 1);
        // A writer that does not know what was cut off is only found out where an element is cut in two.
        let boundary = {
            let mut ends = vec![36];
            for element in dot11::elements::iter(&elements) {
                let extension = usize::from(element.extension.is_some());
                ends.push(ends.last().unwrap() + 2 + extension + element.body.len());
            }
            ends.contains(&kept)
        };
        prop_assume!(!silently || !boundary);
        let original = if silently { kept } else { frame.len() };
        let Some(cut) = announced_of(&frame, kept, original) else {
            prop_assert!(kept < 36);
            return Ok(());
        };
        prop_assert!(!cut.whole && cut.width_mhz.is_none());
        prop_assert!(cut.channel.is_none() || cut.channel == whole.channel);
        prop_assert!(!cut.security.contains(Security::WEP));
        if !privacy && cut.security == Security::OPEN {
            // Open is said by the privacy bit.
        } else if cut.security == Security::ENCRYPTED {
            prop_assert!(privacy);
        } else {
            let all = names(whole.security);
            prop_assert!(names(cut.security).iter().all(|name| all.contains(name)), "{} of {}", cut.security, whole.security);
        }
        // The whole frame wins, whichever comes first; two cut ones say no less than either.
        prop_assert_eq!(cut.and_then(whole), whole);
        prop_assert_eq!(whole.and_then(cut), whole);
    }

    /// Joining what was announced does not depend on which parts are joined first.
    #[test]
    fn joining_is_associative(elements in prop::collection::vec((elements(), any::<bool>(), 36usize..200, any::<bool>()), 3)) {
        let [a, b, c] = [0, 1, 2].map(|n| {
            let (elements, privacy, kept, whole) = &elements[n];
            let frame = beacon(ESS | if *privacy { PRIVACY } else { 0 }, elements);
            let kept = if *whole { frame.len() } else { (*kept).min(frame.len()) };
            announced_of(&frame, kept, frame.len()).unwrap()
        });
        prop_assert_eq!(a.and_then(b).and_then(c), a.and_then(b.and_then(c)));
    }

    /// A check sequence that no header tells of is no element, whatever its octets are.
    #[test]
    fn a_check_sequence_is_no_element(elements in elements(), privacy: bool, looks_like in 0usize..5) {
        let capability = ESS | if privacy { PRIVACY } else { 0 };
        let expected = announced(capability, &elements);
        let wanted: [u8; 4] = [[0x30, 2, 1, 0], [0x30, 2, 0, 0], [3, 1, 9, 0], [61, 2, 9, 5], [0x44, 2, 1, 0]][looks_like];
        // Four octets of the timestamp that make the check sequence what is wanted.
        let mut frame = beacon(capability, &elements);
        force(&mut frame, 24, u32::from_le_bytes(wanted));
        frame.extend(wanted);
        prop_assert_eq!(crc32fast::hash(&frame[..frame.len() - 4]).to_le_bytes(), wanted);
        prop_assert_eq!(announced_of(&frame, frame.len(), frame.len()), Some(expected));
    }
}

/// Changes the four octets at `at` so that the CRC-32 of the whole is `wanted`. The CRC is affine over bits: its 32
/// equations in 32 unknowns are solved.
fn force(frame: &mut [u8], at: usize, wanted: u32) {
    frame[at..at + 4].fill(0);
    let base = crc32fast::hash(frame);
    let mut rows: Vec<(u32, u32)> = Vec::new();
    for bit in 0..32 {
        frame[at + bit / 8] = 1 << (bit % 8);
        rows.push((crc32fast::hash(frame) ^ base, 1 << bit));
        frame[at + bit / 8] = 0;
    }
    let (mut target, mut answer) = (wanted ^ base, 0);
    for bit in (0..32).rev() {
        let pivot = rows.iter().position(|row| row.0 >> bit & 1 == 1).expect("four octets reach every CRC");
        let pivot = rows.swap_remove(pivot);
        for row in rows.iter_mut().filter(|row| row.0 >> bit & 1 == 1) {
            *row = (row.0 ^ pivot.0, row.1 ^ pivot.1);
        }
        if target >> bit & 1 == 1 {
            (target, answer) = (target ^ pivot.0, answer ^ pivot.1);
        }
    }
    frame[at..at + 4].copy_from_slice(&answer.to_le_bytes());
}

/// The channels of whole beacons are those that tshark reads in the same elements.
#[test]
fn channels_are_tsharks() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let frames: Vec<Vec<u8>> =
        (0..300).map(|_| beacon(ESS, &elements().new_tree(&mut runner).unwrap().current())).collect();
    let fields =
        ["wlan.ds.current_channel", "wlan.ht.info.primarychannel", "wlan.ext_tag.he_operation.6ghz.primary_channel"];
    let rows = of_tshark(&frames, &fields);
    for (frame, row) in frames.iter().zip(&rows) {
        let network = announced_of(frame, frame.len(), frame.len()).unwrap();
        let theirs = row.iter().find_map(|text| text.split(',').next()?.parse::<u8>().ok());
        assert_eq!(network.channel, theirs, "{frame:02x?}");
    }
}

/// An RSN element of these suites of the standard's own organisation.
fn rsn_of(group: u8, pairwise: &[u8], akms: &[u8], capabilities: u8) -> Vec<u8> {
    let suites = |types: &[u8]| {
        let suites = types.iter().flat_map(|&kind| [0, 0x0f, 0xac, kind]);
        [types.len() as u8, 0].into_iter().chain(suites).collect::<Vec<_>>()
    };
    let group = [1, 0, 0, 0x0f, 0xac, group];
    element(48, &[&group[..], &suites(pairwise), &suites(akms), &[capabilities, 0]].concat())
}

/// Wi-Fi Protected Setup with this state, locked or not.
fn wps(state: u8, locked: bool) -> Vec<u8> {
    let mut body = vec![0, 0x50, 0xf2, 4, 0x10, 0x4a, 0, 1, 0x10, 0x10, 0x44, 0, 1, state];
    if locked {
        body.extend([0x10, 0x57, 0, 1, 1]);
    }
    element(221, &body)
}

fn rates(octets: &[u8]) -> Vec<u8> {
    element(1, octets)
}

/// HT capabilities: short guard intervals at both widths, these streams of all schemes.
fn ht_capabilities(streams: usize) -> Vec<u8> {
    let mut body = [0; 26];
    body[0] = 0x62;
    body[3..3 + streams].fill(0xff);
    element(45, &body)
}

/// VHT capabilities: the short guard interval at 80 MHz, and this map of received schemes.
fn vht_capabilities(map: u16) -> Vec<u8> {
    let mut body = [0; 12];
    body[0] = 0x20;
    body[4..6].copy_from_slice(&map.to_le_bytes());
    element(191, &body)
}

/// HE capabilities with this map, and at 160 MHz the other.
fn he_capabilities(map: u16, at_160: Option<u16>) -> Vec<u8> {
    let mut body = vec![0; 18];
    body[0] = 35;
    body[7] = if at_160.is_some() { 0x0c } else { 0x04 };
    for map in [Some(map), at_160].into_iter().flatten() {
        body.extend(map.to_le_bytes());
        body.extend(map.to_le_bytes());
    }
    body.resize(body.len().max(22), 0);
    element(255, &body)
}

#[test]
fn suites_and_setup_are_what_is_announced() {
    let private = ESS | PRIVACY;
    for (capability, elements, expected) in [
        (private, rsn_of(4, &[4], &[2], 0), "CCMP|CCMP|PSK|no|"),
        (private, rsn_of(4, &[4], &[2, 8], 0x80), "CCMP|CCMP|PSK/SAE|capable|"),
        (private, rsn_of(8, &[9, 8], &[24], 0xc0), "GCMP-256/GCMP|GCMP|SAE-EXT|required|"),
        (private, [rsn_of(2, &[4, 2], &[2], 0), wpa()].concat(), "CCMP/TKIP|TKIP|PSK|no|"),
        (private, wpa(), "TKIP|TKIP|PSK||"),
        // Suites of other organisations, and numbers that are reserved.
        (
            private,
            element(48, &[1, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 1, 2, 4, 1, 0, 0, 0x0f, 0xac, 0]),
            "other|CCMP|other|no|",
        ),
        // What is left out is the default, if anything is encrypted at all.
        (private, element(48, &[1, 0]), "CCMP|CCMP|802.1X|no|"),
        (private, element(48, &[1, 0, 0, 0x0f, 0xac, 2]), "CCMP|TKIP|802.1X|no|"),
        (ESS, element(48, &[1, 0]), "||||"),
        (private, element(48, &[1, 0, 0, 0x0f, 0xac, 4, 9, 0, 0, 0x0f, 0xac, 4]), "||||"),
        (ESS, wps(2, false), "||||on"),
        (ESS, wps(1, false), "||||unconfigured"),
        (private, [rsn_of(4, &[4], &[2], 0), wps(2, true)].concat(), "CCMP|CCMP|PSK|no|locked"),
        // Attributes that do not fit are the end of them.
        (ESS, element(221, &[0, 0x50, 0xf2, 4, 0x10, 0x57, 0, 9, 1]), "||||on"),
    ] {
        let Suites { pairwise, group, akms, pmf, wps } = announced(capability, &elements).suites;
        let pmf = pmf.map(|pmf| pmf.to_string()).unwrap_or_default();
        let wps = wps.map(|wps| wps.to_string()).unwrap_or_default();
        assert_eq!(format!("{pairwise}|{group}|{akms}|{pmf}|{wps}"), expected, "{capability:#06x} {elements:02x?}");
    }
}

#[test]
fn rates_and_generations_are_what_is_announced() {
    let (b, g) = ([0x82, 0x84, 0x8b, 0x96], [0x82, 0x84, 0x8b, 0x96, 12, 18, 24, 36]);
    let a = [0x8c, 18, 0x98, 36, 0xb0, 72, 96, 108];
    let ds = |channel| element(3, &[channel]);
    let five = |wide| ht_operation(36, wide);
    // Two streams of MCS 0 to 9 with VHT, 0 to 11 with HE; no others.
    let (two, all_40, all_80) = (0xfffa, five(true), [five(true), vht_operation(1, 42, 0)].concat());
    for (elements, generation, top) in [
        ([rates(&b), ds(6)].concat(), "11b", 11_000),
        ([rates(&g), ds(6)].concat(), "11g", 18_000),
        ([rates(&g), element(50, &[48, 72, 96, 108]), ds(6)].concat(), "11g", 54_000),
        (rates(&g), "11g", 18_000),
        (rates(&a), "11a", 54_000),
        ([rates(&g), ds(6), ht_capabilities(2), ht_operation(6, false)].concat(), "11n", 144_444),
        ([rates(&a), ht_capabilities(1), all_40.clone()].concat(), "11n", 150_000),
        ([rates(&a), ht_capabilities(2), vht_capabilities(two), all_80.clone()].concat(), "11ac", 866_666),
        // At 20 MHz two streams have no scheme 9.
        ([rates(&a), ht_capabilities(2), vht_capabilities(two), five(false)].concat(), "11ac", 173_333),
        ([rates(&a), ht_capabilities(2), he_capabilities(two, None), all_80.clone()].concat(), "11ax", 1_200_980),
        (
            [rates(&a), he_capabilities(two, Some(two)), five(true), vht_operation(1, 42, 50)].concat(),
            "11ax",
            2_401_960,
        ),
    ] {
        let network = announced(ESS, &elements);
        let generation_found = network.generation.map(|generation| generation.to_string());
        assert_eq!((generation_found.as_deref(), network.top_kbps), (Some(generation), Some(top)), "{elements:02x?}");
    }
    // A condition of membership is no rate; one that need not be met is no basic one.
    let network = announced(ESS, &rates(&[0x82, 0xff, 0xfb, 12]));
    assert_eq!(network.rates.kbps().collect::<Vec<_>>(), [1_000, 6_000]);
    assert_eq!(network.rates.basic_kbps().collect::<Vec<_>>(), [1_000]);
    assert_eq!(announced(ESS, &[]).generation, None);
}

/// What the elements of many networks say is what tshark reads in them.
#[test]
fn suites_and_rates_are_tsharks() {
    use proptest::{sample::subsequence, strategy::ValueTree, test_runner::TestRunner};
    let ciphers = vec![1u8, 2, 4, 5, 8, 9, 10];
    let akms = (1u8..=25).filter(|kind| ![7, 10, 21].contains(kind)).collect::<Vec<_>>();
    let octets = [2u8, 4, 11, 12, 18, 22, 24, 36, 48, 72, 96, 108].iter().flat_map(|&rate| [rate, rate | 0x80]);
    let suites = (subsequence(ciphers, 1..4), subsequence(akms, 1..5), 0u8..4);
    let strategy = (suites, subsequence(octets.collect::<Vec<_>>(), 1..8), any::<bool>(), any::<bool>());
    let mut runner = TestRunner::deterministic();
    let beacons: Vec<_> = (0..200)
        .map(|_| {
            let ((ciphers, akms, pmf), octets, locked, setup) = strategy.new_tree(&mut runner).unwrap().current();
            let protection = rsn_of(ciphers[0], &ciphers, &akms, pmf << 6);
            let setup = if setup { wps(2, locked) } else { vec![] };
            beacon(ESS | PRIVACY, &[element(0, b"net"), rates(&octets), protection, setup].concat())
        })
        .collect();
    let rows = of_tshark(
        &beacons,
        &[
            "wlan.rsn.gcs.type",
            "wlan.rsn.pcs.type",
            "wlan.rsn.akms.type",
            "wlan.rsn.capabilities.mfpr",
            "wlan.rsn.capabilities.mfpc",
            "wlan.supported_rates",
            "wps.ap_setup_locked",
            "wps.wifi_protected_setup_state",
        ],
    );
    for (frame, row) in beacons.iter().zip(&rows) {
        let network = announced_of(frame, frame.len(), frame.len()).unwrap();
        let Suites { pairwise, group, akms, pmf, wps } = network.suites;
        let numbers = |text: &str| text.split(',').filter_map(|one| one.parse::<u8>().ok()).collect::<Vec<_>>();
        let ciphers = |text: &str| {
            let of = |kind: u8| announced(ESS | PRIVACY, &rsn_of(kind, &[kind], &[2], 0)).suites.group.to_string();
            numbers(text).into_iter().map(of).collect::<std::collections::BTreeSet<_>>()
        };
        let parts = |text: String| text.split('/').map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(parts(group.to_string()), ciphers(&row[0]), "{frame:02x?}");
        assert_eq!(parts(pairwise.to_string()), ciphers(&row[1]), "{frame:02x?}");
        let named = |kind: u8| announced(ESS | PRIVACY, &rsn_of(4, &[4], &[kind], 0)).suites.akms.to_string();
        assert_eq!(parts(akms.to_string()), numbers(&row[2]).into_iter().map(named).collect(), "{frame:02x?}");
        let yes = |text: &str| matches!(text, "1" | "True");
        let expected = match (yes(&row[3]), yes(&row[4])) {
            (true, _) => Pmf::Required,
            (false, true) => Pmf::Capable,
            (false, false) => Pmf::No,
        };
        assert_eq!(pmf, Some(expected), "{frame:02x?}");
        let theirs: std::collections::BTreeSet<u32> =
            row[5].split(',').map(|octet| number(octet) & 0x7f).map(|rate| rate * 500).collect();
        assert_eq!(network.rates.kbps().collect::<std::collections::BTreeSet<_>>(), theirs, "{frame:02x?}");
        let expected =
            (!row[7].is_empty()).then_some(if yes(&row[6]) || row[6] == "0x01" { Wps::Locked } else { Wps::On });
        assert_eq!(wps, expected, "{row:?}");
    }
}

/// A number as tshark writes one: decimal, or hexadecimal behind `0x`.
fn number(text: &str) -> u32 {
    let hex = text.strip_prefix("0x").map(|hex| u32::from_str_radix(hex, 16));
    hex.unwrap_or_else(|| text.parse()).unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// All values of these fields in frames without a capture header.
fn of_tshark(frames: &[Vec<u8>], fields: &[&str]) -> Vec<Vec<String>> {
    let mut file = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 105].map(u32::to_le_bytes).concat();
    for frame in frames {
        file.extend([1_700_000_000, 0, frame.len() as u32, frame.len() as u32].map(u32::to_le_bytes).concat());
        file.extend(frame);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("beacons.pcap");
    std::fs::write(&path, file).unwrap();
    let rows = tshark::all_fields(&path, fields);
    assert_eq!(rows.len(), frames.len());
    rows
}
