//! Frames of any kind at any time, one after the other: no panic, as many ends as beginnings, and a bound for both.
#![no_main]

use airtally::{
    Mac, UnixNanos,
    alert::{Closed, Network, News, Rules, Watch},
    dot11::{self, LinkType},
    wire::Address,
};
use libfuzzer_sys::fuzz_target;

const LINKS: [u16; 3] = [105, 127, 192];

fuzz_target!(|input: &[u8]| {
    let [choice, behind @ ..] = input else { return };
    let mut rest = behind;
    let link = LinkType(LINKS[usize::from(*choice) % LINKS.len()]);
    let mine = Network { ssid: "a".into(), bssids: vec![Mac([2, 2, 2, 2, 2, 2])], open: choice % 2 == 1 };
    let mut watch = Watch::new(&Rules { networks: vec![mine], ..Rules::default() });
    let (mut millis, mut closed, mut open) = (0_i64, 0, 0_i64);
    let mut told = |changes: Vec<airtally::alert::Change>| {
        for change in changes {
            open += match change.news {
                News::Opened => 1,
                News::GoesOn => 0,
                News::Ended => -1,
            };
            assert!((0..=64).contains(&open));
            assert!(change.alert.start <= change.alert.last);
            let _ = change.alert.told(&mut |mac| Some(Address::Mac(mac)), true);
        }
        open
    };
    // A length and a step in time before each frame, and how often it comes.
    while let [len, step, times, behind @ ..] = rest {
        let (frame, after) = behind.split_at(behind.len().min(usize::from(*len)));
        for _ in 0..=times % 16 {
            millis += i64::from(*step) * 8 - 64;
            let facts = dot11::parse(link, frame, frame.len() as u32);
            watch.frame(UnixNanos(millis * 1_000_000), &facts);
        }
        if millis / 10_000 != closed {
            let (start, end) = (UnixNanos(closed * 10_000_000_000), UnixNanos(millis / 10_000 * 10_000_000_000));
            told(watch.window_closed(&Closed { start, end, listened: None, missed: *step == 1 }));
            closed = millis / 10_000;
        }
        rest = after;
    }
    assert_eq!(told(watch.finish()), 0);
});
