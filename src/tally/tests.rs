//! What a tally promises, over arbitrary frames: compared with counting by hand.

#![allow(clippy::unwrap_used)]

use super::{
    testing::{Expected, Frame, frames, management, ssid_element, tally, told},
    *,
};
use crate::{Mac, UnixNanos, dot11::Outcome, wire::Role};
use proptest::prelude::*;
use std::collections::BTreeSet;

const AP: Mac = Mac([0x10, 0, 0, 0, 0, 1]);
const PHONE: Mac = Mac([0x10, 0, 0, 0, 0, 2]);

/// Frames whose addresses can be trusted.
fn trusted(frame: &&Frame) -> bool {
    !matches!(frame.outcome, Outcome::BadFcs | Outcome::Malformed)
}

fn count(frames: &[Frame], which: impl Fn(&Frame) -> bool) -> u64 {
    frames.iter().filter(|frame| which(frame)).count() as u64
}

fn conserved(told: &Expected) -> bool {
    let capture = &told.capture;
    let stations: u64 = told.stations.iter().map(|station| station.counts.frames_sent).sum();
    stations == capture.station_frames
        && capture.frames
            == stations
                + capture.bad_fcs
                + capture.malformed
                + capture.without_ta
                + capture.group_ta
                + capture.overflow_frames
}

/// A name as it is kept: not empty, not longer than a name can be.
fn name(frame: &Frame) -> Option<Vec<u8>> {
    let ssid = frame.facts().body().ssid()?;
    (1..=32).contains(&ssid.len()).then(|| ssid.to_vec())
}

proptest! {
    #[test]
    fn every_frame_is_counted_once_whatever_the_bound(frames in frames(200), max_stations in 0usize..6) {
        let told = told(&tally(&frames, max_stations));
        prop_assert!(conserved(&told), "{told:?}");
        prop_assert_eq!(told.capture.frames, frames.len() as u64);
        prop_assert_eq!(told.capture.bytes, frames.iter().map(|frame| u64::from(frame.len)).sum::<u64>());
        prop_assert_eq!(told.capture.bad_fcs, count(&frames, |frame| frame.outcome == Outcome::BadFcs));
        let mut first_come = Vec::new();
        for frame in &frames {
            if let Outcome::Sent(ta) = frame.outcome && !first_come.contains(&ta) {
                first_come.push(ta);
            }
        }
        first_come.truncate(max_stations);
        first_come.sort_unstable();
        let listed: Vec<Mac> = told.stations.iter().map(|station| station.mac).collect();
        prop_assert_eq!(listed, first_come);
        for station in &told.stations {
            let own = count(&frames, |frame| frame.outcome == Outcome::Sent(station.mac));
            prop_assert_eq!(station.counts.frames_sent, own);
        }
        let by_kind: u64 = told.subtypes.iter().map(|&(_, frames)| frames).sum();
        prop_assert_eq!(by_kind, count(&frames, |frame| frame.kind.is_some()));
        let by_channel: u64 = told.channels.iter().map(|channel| channel.frames).sum();
        prop_assert_eq!(by_channel + told.overflows.1, count(&frames, |frame| frame.freq_mhz.is_some()));
    }

    #[test]
    fn a_station_is_what_its_frames_say(frames in frames(200)) {
        let told = told(&tally(&frames, 100));
        for station in &told.stations {
            let own: Vec<Frame> =
                frames.iter().filter(|frame| frame.outcome == Outcome::Sent(station.mac)).cloned().collect();
            let of_type = |kind: u16| count(&own, |frame| frame.kind.is_some_and(|it| it < 0x40 && it >> 4 == kind));
            prop_assert_eq!(station.counts.bytes_sent, own.iter().map(|frame| u64::from(frame.len)).sum::<u64>());
            prop_assert_eq!(station.counts.management, of_type(0));
            prop_assert_eq!(station.counts.control, of_type(1) + count(&own, |frame| frame.kind >= Some(0x160)));
            prop_assert_eq!(station.counts.data, of_type(2) + count(&own, |frame| frame.kind.is_none()));
            prop_assert_eq!(station.counts.retries, count(&own, |frame| frame.retry));
            let received = frames.iter().filter(trusted).filter(|frame| frame.ra == Some(station.mac)).count();
            prop_assert_eq!(station.counts.frames_received, received as u64);

            let signals: Vec<i8> = own.iter().filter_map(|frame| frame.signal_dbm).collect();
            prop_assert_eq!(station.signal.map(|it| it.min), signals.iter().copied().min());
            prop_assert_eq!(station.signal.map(|it| it.max), signals.iter().copied().max());
            if let Some(signal) = station.signal {
                prop_assert_eq!(signal.frames, signals.len() as u64);
                let mean = signals.iter().map(|&dbm| f64::from(dbm)).sum::<f64>() / signals.len() as f64;
                prop_assert!((signal.mean - mean).abs() < 0.051);
            }
            let bssid = own.iter().rev().find_map(|frame| frame.bssid.filter(|bssid| !bssid.is_group()));
            prop_assert_eq!(station.bssid, bssid);
            let times = own.iter().map(|frame| frame.time);
            prop_assert_eq!(Some(station.seen), times.clone().min().zip(times.max()));

            let names = |kinds: &[u16]| -> BTreeSet<Vec<u8>> {
                own.iter().filter(|frame| frame.kind.is_some_and(|kind| kinds.contains(&kind))).filter_map(name).collect()
            };
            for (kept, used) in [(&station.announced, names(&[5, 8])), (&station.sought, names(&[0, 2, 4]))] {
                let distinct: BTreeSet<_> = kept.iter().cloned().collect();
                prop_assert!(distinct.len() == kept.len() && distinct.is_subset(&used));
                prop_assert_eq!(kept.len(), used.len().min(16));
            }
            if told.overflows.1 == 0 {
                let freqs: BTreeSet<u16> = own.iter().filter_map(|frame| frame.freq_mhz).collect();
                prop_assert_eq!(&station.freqs_mhz, &freqs.into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn counting_many_at_once_is_counting_each(frames in frames(200), cut in 0usize..200, max_stations in 0usize..20) {
        let observed: Vec<Observed<'_>> = frames
            .iter()
            .map(|frame| Observed { time: frame.time, facts: frame.facts(), original_len: frame.len })
            .collect();
        let (earlier, later) = observed.split_at(cut.min(observed.len()));
        let mut counted = Tally::new(max_stations);
        counted.add_all(earlier);
        counted.add_all(later);
        prop_assert_eq!(told(&counted), told(&tally(&frames, max_stations)));
    }

    #[test]
    fn merging_is_counting_in_a_row(frames in frames(200), cut in 0usize..200, max_stations in 0usize..40) {
        let (earlier, later) = frames.split_at(cut.min(frames.len()));
        let in_a_row = tally(&frames, max_stations);
        let mut merged = tally(earlier, max_stations);
        match merged.merge(tally(later, max_stations)) {
            Ok(()) => prop_assert_eq!(told(&merged), told(&in_a_row)),
            Err(MergeError) => {
                let told = told(&in_a_row);
                prop_assert!(max_stations < 20 || told.overflows.1 > 0 || told.channels.len() == 128);
            }
        }
    }

    #[test]
    fn merging_goes_on(frames in frames(200), cuts in (0usize..100, 0usize..100), more in frames(20)) {
        let (first, rest) = frames.split_at(cuts.0.min(frames.len()));
        let (second, third) = rest.split_at(cuts.1.min(rest.len()));
        let mut merged = tally(first, 100);
        let joined = merged.merge(tally(second, 100)).and_then(|()| merged.merge(tally(third, 100)));
        if joined.is_ok() {
            for frame in &more {
                frame.add_to(&mut merged);
            }
            prop_assert_eq!(told(&merged), told(&tally(frames.iter().chain(&more), 100)));
        }
    }

    #[test]
    fn a_cleared_tally_is_as_good_as_new(before in frames(100), after in frames(100), max_stations in 0usize..20) {
        let mut used = tally(&before, max_stations);
        used.clear();
        prop_assert!(used.is_empty());
        for frame in &after {
            frame.add_to(&mut used);
        }
        prop_assert_eq!(told(&used), told(&tally(&after, max_stations)));
    }
}

#[test]
fn counts_past_the_narrow_ones_are_exact() {
    let frame = Frame { retry: true, signal_dbm: Some(-128), len: 70_000, ..Frame::data(AP, PHONE) };
    let reply = Frame { kind: Some(0x3f), ..Frame::data(PHONE, AP) };
    let pairs = || (0..70_000).flat_map(|_| [&frame, &reply]);
    let mut merged = tally(pairs(), 10);
    merged.merge(tally(pairs(), 10)).unwrap();
    let stations: Vec<_> = merged.stations().collect();
    let ap = stations[0].counts();
    assert_eq!((ap.frames_sent, ap.bytes_sent), (140_000, 140_000 * 70_000));
    assert_eq!((ap.frames_received, ap.data, ap.retries), (140_000, 140_000, 140_000));
    let signal = stations[0].signal().unwrap();
    assert_eq!((signal.min, signal.mean, signal.max, signal.frames), (-128, -128.0, -128, 140_000));
    assert_eq!((stations[1].counts().frames_sent, stations[1].counts().data), (140_000, 0), "extension frames");
}

#[test]
fn the_last_channels_are_as_good_as_the_first() {
    let frames: Vec<Frame> =
        (0..130u16).map(|n| Frame { freq_mhz: Some(7_000 - n), ..Frame::data(AP, PHONE) }).collect();
    let mut counted = tally(&frames, 10);
    assert_eq!(counted.stations().next().unwrap().freqs_mhz(), (7_000 - 127..=7_000).collect::<Vec<u16>>());
    assert_eq!((counted.channels().len(), counted.channel_overflow()), (128, 2));
    counted = tally(&frames[..100], 10);
    counted.merge(tally(frames[40..120].iter().rev(), 10)).unwrap();
    assert_eq!(told(&counted), told(&tally(frames[..100].iter().chain(frames[40..120].iter().rev()), 10)));
}

#[test]
fn receivers_are_bounded_and_never_listed() {
    let mut counted = Tally::new(3);
    for n in 0..10 {
        Frame { outcome: Outcome::WithoutTa, ..Frame::data(AP, Mac([0x10, 0, 0, 0, 1, n])) }.add_to(&mut counted);
    }
    assert_eq!((counted.transmitters(), counted.stations().count(), counted.receiver_overflow()), (0, 0, 7));
    Frame::data(Mac([0x10, 0, 0, 0, 1, 0]), AP).add_to(&mut counted);
    let heard = counted.stations().next().unwrap().counts();
    assert_eq!((heard.frames_sent, heard.frames_received), (1, 1), "received before it sent counts");
}

#[test]
fn addresses_are_never_taken_for_each_other() {
    // So many that hashes agree in the bits that the index keeps.
    let mac = |n: u64| Mac::from_u64(0x1000_0000_0000 | n << 8);
    let frames: Vec<Frame> = (0..300_000).map(|n| Frame::data(mac(n % 150_000), mac(n * 7 % 150_000))).collect();
    let observed: Vec<_> =
        frames.iter().map(|it| Observed { time: it.time, facts: it.facts(), original_len: it.len }).collect();
    let mut counted = Tally::new(200_000);
    counted.add_all(&observed);
    assert_eq!(counted.transmitters(), 150_000);
    assert!(counted.stations().all(|it| (it.counts().frames_sent, it.counts().frames_received) == (2, 2)));
}

#[test]
fn parts_that_would_have_met_a_bound_together_are_not_merged() {
    let to = |ra| Frame { outcome: Outcome::WithoutTa, ..Frame::data(AP, ra) };
    let mut receivers = tally(&[to(AP)], 1);
    assert_eq!(receivers.merge(tally(&[to(PHONE)], 1)), Err(MergeError));
    let mut senders = tally(&[Frame::data(AP, AP)], 1);
    assert_eq!(senders.merge(tally(&[Frame::data(PHONE, PHONE)], 1)), Err(MergeError));
    let mut same = tally(&[Frame::data(AP, AP)], 1);
    assert_eq!(same.merge(tally(&[Frame::data(AP, AP)], 1)), Ok(()));
}

#[test]
fn a_hidden_name_is_none_and_the_bound_on_names_is_told() {
    let mut counted = Tally::new(3);
    Frame::naming(0x08, AP, b"").add_to(&mut counted);
    assert_eq!(counted.stations().next().unwrap().announced().count(), 0);
    for n in 0..17 {
        Frame::naming(0x04, PHONE, &[b'n', n]).add_to(&mut counted);
    }
    let phone = counted.stations().nth(1).unwrap();
    assert_eq!((phone.sought().count(), phone.names_left_out()), (16, 1));
}

/// The names that an element 71 carries, in profiles of their own.
fn multiple_bssid(names: &[&[u8]]) -> Vec<u8> {
    let profile = |name: &&[u8]| {
        let elements = [&[83, 2, 0x11, 0][..], &ssid_element(name), &[85, 1, 1]].concat();
        [&[0, u8::try_from(elements.len()).unwrap()][..], &elements].concat()
    };
    let body: Vec<u8> = std::iter::once(3).chain(names.iter().flat_map(profile)).collect();
    [&[71, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

#[test]
fn networks_that_send_no_beacons_of_their_own_are_named() {
    let elements =
        [ssid_element(b"corp"), multiple_bssid(&[b"guest", b"", b"iot"]), multiple_bssid(&[b"lab"])].concat();
    let beacon = Frame { frame: management(0x08, 1, &elements), ..Frame::naming(0x08, AP, b"corp") };
    let counted = tally(std::slice::from_ref(&beacon), 3);
    let mut names: Vec<_> = counted.stations().next().unwrap().announced().collect();
    names.sort_unstable();
    assert_eq!(names, [&b"corp"[..], b"guest", b"iot", b"lab"]);
    // In a probe request the same octets name nothing, and a cut element is none.
    let request = Frame { frame: management(0x04, 1, &elements), ..Frame::naming(0x04, PHONE, b"corp") };
    assert_eq!(tally(&[request], 3).stations().next().unwrap().sought().count(), 1);
    let cut = [ssid_element(b"corp"), multiple_bssid(&[b"guest"])[..9].to_vec()].concat();
    let beacon = Frame { frame: management(0x08, 1, &cut), ..Frame::naming(0x08, AP, b"corp") };
    assert_eq!(tally(&[beacon], 3).stations().next().unwrap().announced().count(), 1);
}

#[test]
fn of_many_names_those_heard_most_stay() {
    let mut counted = Tally::new(3);
    for n in 0..16 {
        Frame::naming(0x08, AP, &[b'n', n]).add_to(&mut counted);
    }
    for _ in 0..60 {
        Frame::naming(0x08, AP, b"the one").add_to(&mut counted);
    }
    // A flood of names that are never heard again drives out each other, not what is heard all the time.
    for n in 0..200 {
        Frame::naming(0x08, AP, &[b'f', n]).add_to(&mut counted);
        Frame::naming(0x08, AP, b"the one").add_to(&mut counted);
    }
    let ap = counted.stations().next().unwrap();
    assert!(ap.announced().any(|name| name == b"the one"));
    assert_eq!((ap.announced().count(), ap.names_left_out()), (16, 201));
}

/// A station with more names than are told is still counted the same in parts: those heard most are known.
#[test]
fn names_heard_most_are_the_same_in_parts() {
    let heard: Vec<Frame> = (0..64u8)
        .flat_map(|n| vec![Frame::naming(0x04, PHONE, &[b'n', n]); 1 + usize::from(n % 7)])
        .chain([Frame::naming(0x04, PHONE, b"n\x03"), Frame::naming(0x04, PHONE, b"n\x3e")])
        .collect();
    let told = |counted: &Tally| {
        let phone = counted.stations().next().unwrap();
        (phone.sought().map(<[u8]>::to_vec).collect::<Vec<_>>(), phone.names_left_out())
    };
    let whole = told(&tally(&heard, 3));
    assert_eq!((whole.0.len(), whole.1), (16, 48));
    assert!(whole.0.iter().all(|name| name[1] % 7 >= 5), "{whole:?}");
    for place in [1, 50, 100, 200] {
        let mut first = tally(&heard[..place], 3);
        assert_eq!(first.merge(tally(&heard[place..], 3)), Ok(()));
        assert_eq!(told(&first), whole);
    }
}

#[test]
fn roles_follow_what_was_sent() {
    let role = |frames: &[Frame]| tally(frames, 10).stations().find(|it| it.mac() == AP).unwrap().role();
    let data = |to_ds, from_ds, bssid| Frame { to_ds, from_ds, bssid: Some(bssid), ..Frame::data(AP, PHONE) };
    let managing = |kind| Frame { kind: Some(kind), bssid: Some(PHONE), ..Frame::data(AP, PHONE) };
    let ibss = Frame { frame: management(0x08, 2, &[]), ..Frame::naming(0x08, AP, b"adhoc") };
    assert_eq!(role(&[Frame::naming(0x08, AP, b"net")]), Role::AccessPoint);
    assert_eq!(role(std::slice::from_ref(&ibss)), Role::AdHoc);
    assert_eq!(role(&[data(false, true, AP)]), Role::AccessPoint);
    assert_eq!(role(&[data(false, true, PHONE)]), Role::Unknown);
    assert_eq!(role(&[data(true, true, PHONE)]), Role::Unknown);
    assert_eq!(role(&[data(true, false, PHONE)]), Role::Client);
    assert_eq!(role(&[data(false, false, PHONE)]), Role::AdHoc);
    assert_eq!(role(&[data(false, false, PHONE), data(true, false, PHONE)]), Role::Client);
    assert_eq!(role(&[data(true, false, PHONE), data(false, true, AP)]), Role::AccessPoint);
    for kind in [0x00, 0x02, 0x0b, 0x1a] {
        assert_eq!(role(&[managing(kind)]), Role::Client, "{kind:#x}");
    }
    assert_eq!(role(&[Frame { bssid: Some(AP), ..managing(0x0b) }]), Role::Unknown);
    let probe = Frame::naming(0x04, AP, b"looked for");
    assert_eq!(role(std::slice::from_ref(&probe)), Role::Client);
    // A mesh station, a Wi-Fi Direct device: neither of a BSS with an access point nor of an independent one.
    for kind in [0x05, 0x08] {
        let neither = Frame { frame: management(kind, 0x0430, &[]), ..Frame::naming(kind, AP, b"") };
        assert_eq!(role(std::slice::from_ref(&neither)), Role::Unknown);
        assert_eq!(role(&[neither.clone(), probe.clone()]), Role::Unknown);
        assert_eq!(role(&[neither, data(true, false, PHONE)]), Role::Client);
        // Cut before the capability information.
        let cut = Frame { frame: vec![0; 30], cut: true, bssid: Some(AP), ..Frame::naming(kind, AP, b"") };
        assert_eq!(role(std::slice::from_ref(&cut)), Role::AccessPoint);
        assert_eq!(role(&[Frame { bssid: Some(PHONE), ..cut }]), Role::Unknown);
    }
    assert_eq!(role(&[probe.clone(), data(false, false, PHONE)]), Role::AdHoc);
    assert_eq!(role(&[probe, data(false, true, AP)]), Role::AccessPoint);
    assert_eq!(role(&[Frame { kind: None, ..Frame::data(AP, PHONE) }]), Role::Wired);
    assert_eq!(role(&[ibss, data(true, false, PHONE)]), Role::Client);
}

#[test]
fn the_security_announced_first_stands() {
    let announcing = |capability| Frame {
        frame: management(0x08, capability, &ssid_element(b"net")),
        ..Frame::naming(0x08, AP, b"")
    };
    let counted = tally(&[announcing(0x11), announcing(0x01)], 10);
    let first = announcing(0x11).facts().body().security();
    assert_eq!(counted.stations().next().unwrap().security(), first);
    let asking = Frame { frame: management(0, 0x11, &ssid_element(b"net")), ..Frame::naming(0, AP, b"net") };
    assert_eq!(tally(&[asking], 10).stations().next().unwrap().security(), None);
}

#[test]
fn time_is_what_the_frames_say_in_any_order() {
    let at = |time| Frame { time: UnixNanos(time), ..Frame::data(AP, PHONE) };
    let counted = tally(&[at(50), at(-7), at(20)], 10);
    let ap = counted.stations().next().unwrap();
    assert_eq!((ap.first_seen(), ap.last_seen()), (UnixNanos(-7), UnixNanos(50)));
}
