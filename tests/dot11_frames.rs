//! The standard by example: one frame for each rule, and what must be read from it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use airtally::{
    Mac,
    dot11::{self, Facts, LinkType, Outcome, Security, elements},
};

const A: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x01];
const B: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x02];
const C: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x03];
const D: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x04];

fn bare(data: &[u8]) -> Facts<'_> {
    dot11::parse(LinkType::IEEE802_11, data, data.len() as u32)
}

fn frame(control: [u8; 2], rest: &[&[u8]]) -> Vec<u8> {
    [&control[..], &[0, 0], &rest.concat()].concat()
}

fn sent(mac: [u8; 6]) -> Outcome {
    Outcome::Sent(Mac(mac))
}

#[test]
fn to_ds_and_from_ds_decide_what_the_addresses_mean() {
    let some = |mac| Some(Mac(mac));
    for (flags, sa, da, bssid) in [
        (0, some(B), some(A), some(C)),
        (1, some(B), some(C), some(A)),
        (2, some(C), some(A), some(B)),
        (3, some(D), some(C), None),
    ] {
        let data = frame([0x08, flags], &[&A, &B, &C, &[0, 0], &D, &[0; 8]]);
        let facts = bare(&data);
        assert_eq!((facts.outcome, facts.ra), (sent(B), some(A)));
        assert_eq!((facts.ends().sa, facts.ends().da, facts.bssid), (sa, da, bssid), "ToDS, FromDS {flags:#b}");
    }
}

#[test]
fn an_a_msdu_is_marked_and_names_no_end_in_its_third_address() {
    let facts_of = |control: [u8; 2], qos: &[u8], four: &[u8]| {
        let data = frame(control, &[&A, &B, &C, &[0, 0], four, qos, &[0; 8]]);
        let ends = bare(&data).ends();
        (ends.amsdu, ends.sa.is_some(), ends.da.is_some())
    };
    assert_eq!(facts_of([0x88, 0x02], &[0x80, 0], &[]), (true, false, true));
    assert_eq!(facts_of([0x88, 0x01], &[0x80, 0], &[]), (true, true, false));
    assert_eq!(facts_of([0x88, 0x03], &[0x80, 0], &D), (true, false, false));
    assert_eq!(facts_of([0x88, 0x02], &[0x00, 0], &[]), (false, true, true));
    // QoS null has the field and no body; plain data has no such field.
    assert_eq!(facts_of([0xc8, 0x02], &[0x80, 0], &[]), (false, true, true));
    assert_eq!(facts_of([0x08, 0x02], &[0x80, 0], &[]), (false, true, true));
}

#[test]
fn control_frames_have_the_addresses_of_their_kind() {
    let signalling = [A[0] | 1, A[1], A[2], A[3], A[4], A[5]];
    for (control, kind, outcome) in [
        ([0xd4, 0], 0x1d, Outcome::WithoutTa),   // ack
        ([0xc4, 0], 0x1c, Outcome::WithoutTa),   // CTS
        ([0xb4, 0], 0x1b, sent(A)),              // RTS
        ([0xa4, 0], 0x1a, sent(A)),              // PS-Poll
        ([0x84, 0], 0x18, sent(A)),              // block ack request
        ([0x94, 0], 0x19, sent(A)),              // block ack
        ([0x54, 0], 0x15, sent(A)),              // NDP announcement
        ([0x44, 0], 0x14, sent(A)),              // beamforming report poll
        ([0x24, 0], 0x12, sent(A)),              // trigger
        ([0x34, 0], 0x13, sent(A)),              // TACK
        ([0xe4, 0], 0x1e, Outcome::WithoutTa),   // CF-End
        ([0xf4, 0], 0x1f, Outcome::WithoutTa),   // CF-End + CF-Ack
        ([0x64, 2], 0x162, sent(A)),             // poll
        ([0x64, 8], 0x168, sent(A)),             // SSW
        ([0x64, 6], 0x166, Outcome::WithoutTa),  // DMG DTS
        ([0x64, 15], 0x16f, Outcome::WithoutTa), // reserved
        ([0x04, 0], 0x10, Outcome::WithoutTa),   // reserved
    ] {
        for second in [A, signalling] {
            let data = frame(control, &[&B, &second, &[0; 8]]);
            let facts = bare(&data);
            assert_eq!((facts.kind.unwrap().0, facts.outcome), (kind, outcome), "{}", facts.kind.unwrap().name());
            assert!(!facts.retry);
        }
    }
    // The second address of CF-End is that of the BSS, whoever sends it (9.3.1.6).
    assert_eq!(bare(&frame([0xe4, 0], &[&B, &signalling])).bssid, Some(Mac(A)));
}

#[test]
fn a_control_wrapper_has_the_transmitter_of_what_it_carries() {
    let wrapped = |carried: u8, rest: &[u8]| {
        let data = frame([0x74, 0x80], &[&B, &[carried, 0], &[0; 4], rest]);
        let facts = bare(&data);
        (facts.outcome, facts.ra)
    };
    let ra = Some(Mac(B));
    assert_eq!(wrapped(0xb4, &A), (sent(A), ra));
    assert_eq!(wrapped(0x94, &A), (sent(A), ra));
    assert_eq!(wrapped(0xd4, &[]), (Outcome::WithoutTa, ra));
    assert_eq!(wrapped(0xe4, &A), (Outcome::WithoutTa, ra));
    assert_eq!(wrapped(0xb4, &A[..5]), (Outcome::Malformed, ra));
}

#[test]
fn extension_frames_have_the_addresses_of_their_kind() {
    let dmg = frame([0x0c, 0], &[&A, &[0; 20]]);
    assert_eq!((bare(&dmg).outcome, bare(&dmg).bssid), (Outcome::WithoutTa, Some(Mac(A))));
    let s1g = frame([0x1c, 0], &[&A, &[0; 20]]);
    assert_eq!((bare(&s1g).outcome, bare(&s1g).ends().sa), (sent(A), Some(Mac(A))));
    assert_eq!(bare(&s1g).kind.unwrap().to_string(), "0x0031");
}

#[test]
fn a_frame_cut_before_its_addresses_is_malformed() {
    for (control, needs) in
        [([0x80, 0], 22), ([0x08, 0], 22), ([0x08, 3], 30), ([0xb4, 0], 16), ([0xd4, 0], 10), ([0x1c, 0], 10)]
    {
        let whole = frame(control, &[&A, &B, &C, &[0, 0], &D]);
        assert_ne!(bare(&whole[..needs]).outcome, Outcome::Malformed, "{control:?}");
        for len in 0..needs {
            assert_eq!(bare(&whole[..len]).outcome, Outcome::Malformed, "{control:?} cut at {len}");
        }
    }
}

#[test]
fn another_protocol_version_makes_no_transmitter() {
    for version in 1..=3 {
        let data = frame([0x80 | version, 0], &[&A, &B, &C, &[0; 20]]);
        assert_eq!((bare(&data).outcome, bare(&data).kind), (Outcome::Malformed, None));
    }
}

#[test]
fn a_group_address_as_transmitter_is_set_apart() {
    let group = [0x01, 0, 0x5e, 0, 0, 1];
    assert_eq!(bare(&frame([0x80, 0], &[&A, &group, &C, &[0; 14]])).outcome, Outcome::GroupTa);
    assert_eq!(bare(&frame([0x08, 0], &[&A, &group, &C, &[0; 14]])).outcome, Outcome::GroupTa);
    let ethernet = [&A[..], &group, &[0x08, 0]].concat();
    assert_eq!(dot11::parse(LinkType::ETHERNET, &ethernet, 60).outcome, Outcome::GroupTa);
}

fn beacon(control: [u8; 2], fragment: u8, capability: u16, elements: &[u8]) -> Vec<u8> {
    let ht_control: &[u8] = if control[1] & 0x80 != 0 { &[0; 4] } else { &[] };
    frame(control, &[&[0xff; 6], &A, &A, &[fragment, 0], ht_control, &[0; 10], &capability.to_le_bytes(), elements])
}

#[test]
fn elements_begin_after_the_fixed_fields_and_end_at_the_first_cut_one() {
    let bytes = [0, 4, b'h', b'o', b'm', b'e', 3, 1, 11, 221, 5, 0, 0x50, 0xf2, 4, 9, 255, 2, 35, 7, 48, 20, 1];
    let data = beacon([0x80, 0], 0, 0x0411, &bytes);
    let facts = bare(&data);
    assert_eq!(facts.body().capability, Some(0x0411));
    assert_eq!((facts.body().ssid(), facts.body().channel()), (Some(&b"home"[..]), Some(11)));
    let ids: Vec<_> = elements::iter(facts.body().elements).map(|element| (element.id, element.extension)).collect();
    assert_eq!(ids, [(0, None), (3, None), (221, None), (255, Some(35))]);
    let vendor = elements::iter(facts.body().elements).find_map(|element| element.vendor());
    assert_eq!(vendor, Some(([0, 0x50, 0xf2], 4, &[9][..])));
    // With HT control (+HTC) they begin four octets later; in an encrypted body or a later fragment they do not.
    assert_eq!(bare(&beacon([0x80, 0x80], 0, 0, &bytes)).body().ssid(), Some(&b"home"[..]));
    assert!(bare(&beacon([0x80, 0x40], 0, 0, &bytes)).body().elements.is_empty());
    assert!(bare(&beacon([0x80, 0], 1, 0, &bytes)).body().elements.is_empty());
}

#[test]
fn each_frame_that_names_a_network_is_read() {
    let ssid = [0, 2, b'h', b'i'];
    for (subtype, fixed) in [(0x00, 4), (0x20, 10), (0x40, 0), (0x50, 12), (0x80, 12)] {
        let data = frame([subtype, 0], &[&A, &B, &C, &[0, 0], &vec![0; fixed], &ssid]);
        assert_eq!(bare(&data).body().ssid(), Some(&b"hi"[..]), "subtype {subtype:#x}");
    }
    for (subtype, fixed) in [(0xd0, 0), (0xc0, 2), (0x10, 6)] {
        let data = frame([subtype, 0], &[&A, &B, &C, &[0, 0], &vec![0; fixed], &ssid]);
        assert_eq!(bare(&data).body().ssid(), None, "subtype {subtype:#x}");
    }
    let hidden = beacon([0x80, 0], 0, 0, &[0, 0]);
    assert_eq!(bare(&hidden).body().ssid(), Some(&b""[..]));
}

#[test]
fn security_is_what_the_network_announces() {
    fn rsn(suites: &[[u8; 4]], capabilities: [u8; 2]) -> Vec<u8> {
        let mut body = vec![1, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 0x0f, 0xac, 4, suites.len() as u8, 0];
        body.extend(suites.concat());
        body.extend(capabilities);
        [vec![48, body.len() as u8], body].concat()
    }
    const PSK: [u8; 4] = [0, 0x0f, 0xac, 2];
    const SAE: [u8; 4] = [0, 0x0f, 0xac, 8];
    let wpa = vec![221, 22, 0, 0x50, 0xf2, 1, 1, 0, 0, 0x50, 0xf2, 2, 1, 0, 0, 0x50, 0xf2, 2, 1, 0, 0, 0x50, 0xf2, 2];
    for (elements, privacy, expected) in [
        (vec![], false, "open"),
        (vec![], true, "WEP"),
        (wpa.clone(), true, "WPA"),
        (rsn(&[PSK], [0, 0]), true, "WPA2"),
        ([wpa, rsn(&[PSK], [0, 0])].concat(), true, "WPA/WPA2"),
        (rsn(&[PSK, SAE], [0x80, 0]), true, "WPA2/WPA3"),
        (rsn(&[SAE], [0xc0, 0]), true, "WPA3"),
        (rsn(&[[0, 0x0f, 0xac, 1]], [0, 0]), true, "WPA2-Enterprise"),
        (rsn(&[[0, 0x0f, 0xac, 5]], [0, 0]), true, "WPA2-Enterprise"),
        (rsn(&[[0, 0x0f, 0xac, 5]], [0xc0, 0]), true, "WPA3-Enterprise"),
        (rsn(&[[0, 0x0f, 0xac, 12]], [0xc0, 0]), true, "WPA3-Enterprise"),
        (rsn(&[[0, 0x0f, 0xac, 18]], [0xc0, 0]), true, "OWE"),
        (rsn(&[[1, 2, 3, 4]], [0, 0]), true, "other"),
        // What an RSN element leaves out is 802.1X (9.4.2.24.1).
        (vec![48, 2, 1, 0], true, "WPA2-Enterprise"),
    ] {
        let data = beacon([0x80, 0], 0, if privacy { 0x11 } else { 0x01 }, &elements);
        assert_eq!(bare(&data).body().security().map(|security| security.to_string()).as_deref(), Some(expected));
    }
    assert_eq!(bare(&frame([0xd4, 0], &[&A])).body().security(), None);
    assert!(Security::WPA2_PERSONAL.contains(Security::OPEN));
}

#[test]
fn ppi_carries_fcs_flags_frequency_and_signal() {
    let ppi = |flags: u16, aligned: u8, signal: i8| {
        let mut header = vec![0, aligned, 0, 0, 105, 0, 0, 0];
        // An unknown field of odd length first.
        header.extend([0x99, 0x75, 3, 0, 1, 2, 3]);
        if aligned != 0 {
            header.push(0);
        }
        header.extend([2, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.extend(flags.to_le_bytes());
        header.extend([0, 0]);
        header.extend(2437u16.to_le_bytes());
        header.extend([0, 0, 0, 0, signal as u8, 0]);
        let len = header.len() as u16;
        header[2..4].copy_from_slice(&len.to_le_bytes());
        let mut body = frame([0xb4, 0], &[&B, &A]);
        body.extend(crc32fast::hash(&body).to_le_bytes());
        [header, body].concat()
    };
    for aligned in [0, 1] {
        let data = ppi(1, aligned, -60);
        let facts = dot11::parse(LinkType::PPI, &data, data.len() as u32);
        assert_eq!((facts.outcome, facts.freq_mhz, facts.signal_dbm), (sent(A), Some(2437), Some(-60)));
    }
    let data = ppi(5, 0, -128);
    let facts = dot11::parse(LinkType::PPI, &data, data.len() as u32);
    assert_eq!((facts.outcome, facts.signal_dbm), (Outcome::BadFcs, None));
    // PPI before Ethernet is Ethernet; PPI before PPI is nothing.
    let inner = |link: u8| [&[0, 0, 8, 0, link, 0, 0, 0][..], &A, &B, &[0x08, 0]].concat();
    assert_eq!(dot11::parse(LinkType::PPI, &inner(1), 22).outcome, sent(B));
    assert_eq!(dot11::parse(LinkType::PPI, &inner(192), 22).outcome, Outcome::Malformed);
}

#[test]
fn prism_and_avs_tell_channel_and_signal_where_these_have_a_unit() {
    let rts = frame([0xb4, 0], &[&B, &A]);
    let avs = |ssi_type: u32, channel: u32| {
        let mut words = [0u32; 16];
        words[0] = 0x8021_1001;
        words[1] = 64;
        words[7] = channel;
        words[11] = ssi_type;
        words[12] = (-70i32).cast_unsigned();
        words.iter().flat_map(|word| word.to_be_bytes()).chain(rts.iter().copied()).collect::<Vec<_>>()
    };
    for link in [LinkType::AVS, LinkType::PRISM] {
        let data = avs(2, 36);
        let facts = dot11::parse(link, &data, data.len() as u32);
        assert_eq!((facts.outcome, facts.signal_dbm, facts.freq_mhz), (sent(A), Some(-70), Some(5180)));
        assert_eq!(dot11::parse(link, &avs(1, 14), 80).signal_dbm, None);
        assert_eq!(dot11::parse(link, &avs(1, 14), 80).freq_mhz, Some(2484));
    }
    for big_endian in [false, true] {
        let word = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let half = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut header = [&word(0x44)[..], &word(48), b"wlan0\0\0\0\0\0\0\0\0\0\0\0"].concat();
        for (did, value) in [(0x0001_0044, 7), (0x0003_0044, 6)] {
            header.extend([&word(did)[..], &half(0), &half(4), &word(value)].concat());
        }
        let data = [header, rts.clone()].concat();
        let facts = dot11::parse(LinkType::PRISM, &data, data.len() as u32);
        assert_eq!((facts.outcome, facts.freq_mhz, facts.signal_dbm), (sent(A), Some(2437), None));
    }
}

#[test]
fn links_without_802_11_tally_by_source() {
    let ethernet = [&B[..], &A, &[0x81, 0, 0, 5, 0x08, 0, 0x45]].concat();
    let facts = dot11::parse(LinkType::ETHERNET, &ethernet, 64);
    assert_eq!((facts.outcome, facts.ra, facts.kind), (sent(A), Some(Mac(B)), None));
    assert_eq!(dot11::parse(LinkType::ETHERNET, &ethernet[..11], 64).outcome, Outcome::Malformed);
    for arphrd in [1u8, 0xfe] {
        let sll = |len: u8| [&[0, 4, 0, arphrd, 0, len][..], &A, &[0, 0, 0x08, 0]].concat();
        assert_eq!(dot11::parse(LinkType::LINUX_SLL, &sll(6), 64).outcome, sent(A));
        assert_eq!(dot11::parse(LinkType::LINUX_SLL, &sll(0), 64).outcome, Outcome::WithoutTa);
        assert_eq!(dot11::parse(LinkType::LINUX_SLL, &sll(6)[..15], 64).outcome, Outcome::Malformed);
        let sll2 = |len: u8| [&[0x08, 0, 0, 0, 0, 0, 0, 2, 0, arphrd, 4, len][..], &A, &[0, 0]].concat();
        assert_eq!(dot11::parse(LinkType::LINUX_SLL2, &sll2(6), 64).outcome, sent(A));
        assert_eq!(dot11::parse(LinkType::LINUX_SLL2, &sll2(8), 64).outcome, Outcome::WithoutTa);
        assert_eq!(dot11::parse(LinkType::LINUX_SLL2, &sll2(6)[..19], 64).outcome, Outcome::Malformed);
    }
    for raw in [12, 14, 101, 228, 229] {
        assert_eq!(dot11::parse(LinkType(raw), &[0x45, 0], 2).outcome, Outcome::WithoutTa);
    }
}

#[test]
fn a_sounding_packet_without_a_frame_has_no_transmitter() {
    // Bit 26: 0-length PSDU.
    let header = [0, 0, 9, 0, 0, 0, 0, 4, 1];
    assert_eq!(dot11::parse(LinkType::RADIOTAP, &header, 9).outcome, Outcome::WithoutTa);
    assert_eq!(dot11::parse(LinkType::RADIOTAP, &[0, 0, 8, 0, 0, 0, 0, 0], 8).outcome, Outcome::Malformed);
}

#[test]
fn a_radiotap_header_that_cannot_be_true_hides_the_frame() {
    let rts = frame([0xb4, 0], &[&B, &A]);
    let with = |header: &[u8]| [header, &rts].concat();
    let outcome = |data: &[u8]| dot11::parse(LinkType::RADIOTAP, data, data.len() as u32).outcome;
    assert_eq!(outcome(&with(&[0, 0, 8, 0, 0, 0, 0, 0])), sent(A));
    assert_eq!(outcome(&with(&[1, 0, 8, 0, 0, 0, 0, 0])), Outcome::Malformed);
    assert_eq!(outcome(&with(&[0, 0, 7, 0, 0, 0, 0, 0])), Outcome::Malformed);
    assert_eq!(outcome(&with(&[0, 0, 99, 0, 0, 0, 0, 0])), Outcome::Malformed);
    assert_eq!(outcome(&with(&[0, 0, 8, 0, 0, 0, 0, 0x80])), Outcome::Malformed);
}

#[test]
fn past_an_unknown_radiotap_bit_what_was_read_is_kept() {
    // First word: signal, then TLVs (bit 28) and another word whose signal nobody can find.
    let header = [0, 0, 14, 0, 0x20, 0, 0, 0xb0, 0x22, 0, 0, 0, 0xc4, 0x10];
    let data = [&header[..], &frame([0xb4, 0], &[&B, &A])].concat();
    let facts = dot11::parse(LinkType::RADIOTAP, &data, data.len() as u32);
    assert_eq!((facts.outcome, facts.signal_dbm), (sent(A), Some(-60)));
}
