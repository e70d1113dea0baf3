#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn secret(seed: u8) -> SiteSecret {
    SiteSecret::new(20_785, [seed; 32])
}

fn of(key: &DayKey, stations: impl IntoIterator<Item = u64>) -> Sketch {
    let mut sketch = Sketch::new();
    stations.into_iter().for_each(|station| sketch.add(key, Mac::from_u64(station)));
    sketch
}

/// The relative error of an estimate.
fn error(sketch: &Sketch, truth: u32) -> f64 {
    sketch.about().stations / f64::from(truth) - 1.0
}

fn rms_and_worst(errors: &[f64]) -> (f64, f64) {
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    let count = f64::from(u32::try_from(errors.len()).unwrap());
    ((squares / count).sqrt(), errors.iter().fold(0.0, |worst, error| error.abs().max(worst)))
}

/// 100 keys, and 100,000 stations; and three sensors that heard 50,000 each of them, of which each shares half with the next.
#[test]
fn a_hundred_thousand_are_told_within_two_percent() {
    let (mut alone, mut merged) = (Vec::new(), Vec::new());
    for seed in 0..100 {
        let key = secret(seed).key();
        let first = 0x0010_0000_0000 + u64::from(seed) * 1_000_000;
        alone.push(error(&of(&key, first..first + 100_000), 100_000));
        let mut site = Sketch::new();
        for sensor in 0..3 {
            let from = first + sensor * 25_000;
            // As it travels.
            let sent = of(&key, from..from + 50_000).encode();
            assert!(sent.len() == 4_136, "{} octets", sent.len());
            site.merge(&Sketch::decode(&sent).unwrap());
        }
        merged.push(error(&site, 100_000));
    }
    for (what, errors) in [("alone", alone), ("merged", merged)] {
        let (rms, worst) = rms_and_worst(&errors);
        assert!(rms <= 0.02 && worst <= 0.06, "{what}: rms {rms}, worst {worst}");
    }
}

#[test]
fn few_are_told_exactly() {
    let key = secret(1).key();
    for stations in [0_u64, 1, 5, 50, 200] {
        let sketch = of(&key, 7..7 + stations);
        assert!(sketch.about().stations.round() == f64::from(u32::try_from(stations).unwrap()), "{sketch:?}");
        assert!(sketch.encode().len() as u64 <= 12 + 4 * stations, "{stations}: {} octets", sketch.encode().len());
        assert_eq!(Sketch::decode(&sketch.encode()).unwrap().about(), sketch.about());
    }
}

#[test]
fn the_next_days_secret_is_the_same_for_all_and_no_way_leads_back() {
    let first = secret(7);
    let step = |secret: &SiteSecret| secret.on(secret.day() + 1).unwrap();
    let third = step(&step(&first));
    assert!(third == first.on(first.day() + 2).unwrap());
    assert!(third.on(first.day()).is_none(), "a past day's secret");
    assert!(first.on(first.day() + 401).is_none(), "a clock that is wrong by years");
    assert!(third.key() != first.key() && third.key().name() != first.key().name());
    assert_eq!(first.key().name().len(), 16);
}

/// Others may hand out secrets too; and sensors of two versions must come to the same key.
#[test]
fn a_key_is_what_others_compute_by_hmac_sha256() {
    // Python: k = hmac.digest(b'\x01' * 32, b"airtally: the next day's secret", 'sha256'), and so on.
    let key = secret(1).on(20_786).unwrap().key();
    assert_eq!(key.name(), NAME_OF_NEXT);
}

const NAME_OF_NEXT: &str = "e658eabac1664066";

#[test]
fn a_secret_is_a_line() {
    let secret = secret(0xab);
    let line = secret.to_string();
    assert_eq!(line, format!("2026-11-28 {}", "ab".repeat(32)));
    assert!(line.parse::<SiteSecret>().unwrap() == secret);
    assert!(format!("{line}\n").parse::<SiteSecret>().unwrap() == secret);
    for text in ["", "2026-11-28", "2026-13-28 ab", &line[..60], &format!("{line}0"), &line.replace('a', "g")] {
        assert_eq!(text.parse::<SiteSecret>().err(), Some(NoSecret), "{text}");
    }
}

#[test]
fn another_key_makes_another_sketch_and_an_order_or_a_repetition_makes_none() {
    let (one, other) = (secret(1).key(), secret(2).key());
    assert_ne!(of(&one, 0..50).encode(), of(&other, 0..50).encode());
    let mut again = of(&one, (0..3_000).rev());
    again.merge(&of(&one, 1_000..2_000));
    assert_eq!(again.about(), of(&one, (0..3_000).chain(0..3_000)).about().max_of(&again));
}

impl About {
    /// Both are the same estimate, by one of two estimators: within a percent.
    fn max_of(self, other: &Sketch) -> Self {
        let theirs = other.about();
        assert!((self.stations / theirs.stations - 1.0).abs() < 0.01);
        theirs
    }
}

#[test]
fn a_sketch_of_another_size_is_none() {
    let mut small = HllSketch::new(10, HllType::Hll8).unwrap();
    small.update(1_u64);
    assert!(Sketch::decode(&small.serialize()).is_none());
    assert!(Sketch::decode(&[]).is_none());
    assert!(Sketch::decode(&vec![0; 100_000]).is_none());
    for stations in [0_u64, 7, 8, 24, 25, 384, 385, 5_000] {
        let mut theirs = HllSketch::new(LG_K, HllType::Hll8).unwrap();
        (0..stations).for_each(|value| theirs.update(value));
        let read = Sketch::decode(&theirs.serialize()).unwrap().about();
        assert!((read.stations - theirs.composite_estimate()).abs() <= 0.01, "{stations}: {read:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever somebody sends: it is read or refused, and what is read can be used.
    #[test]
    fn any_octets_are_read_or_refused(
        stations in prop_oneof![0_u64..10, 0_u64..600, Just(5_000), Just(100_000)],
        changes in prop::collection::vec((0_usize..64, any::<u8>()), 0..6),
        far in prop::collection::vec((0_usize..4_200, any::<u8>()), 0..6),
        cut in prop::option::of(0_usize..4_200),
        kind in 0_u8..5,
    ) {
        let kind = [HllType::Hll8, HllType::Hll8, HllType::Hll8, HllType::Hll4, HllType::Hll6][usize::from(kind)];
        let mut sketch = HllSketch::new(LG_K, kind).unwrap();
        (0..stations).for_each(|value| sketch.update(value));
        let mut octets = sketch.serialize();
        for (at, value) in changes.into_iter().chain(far) {
            if let Some(octet) = octets.get_mut(at) {
                *octet = value;
            }
        }
        octets.truncate(cut.unwrap_or(usize::MAX));
        if let Some(read) = Sketch::decode(&octets) {
            let mut all = of(&secret(1).key(), 0..10);
            all.merge(&read);
            prop_assert!(all.about().stations.is_finite() && all.about().stations >= 0.0);
            prop_assert!(Sketch::decode(&all.encode()).is_some());
        }
    }
}
